//! Headers whose chain has not shown enough work yet: looked at and not kept.
//!
//! In:    headers messages of one peer, from one that we know; the work that a chain must have.
//! Out:   the same headers once their chain has that work, to be judged and kept.
//! Never: more memory than a bit for some hundred headers and, once there was enough work, a buffer of fixed size.
//!
//! Headers are cheap to make where difficulty was low, so a chain must show its work before it may fill our disk. In the
//! first pass its headers are added up and forgotten, but for one bit of some: a hash under a key that the peer does not
//! know. When they have enough work they are asked for again. In the second pass they wait in a buffer until so many bits
//! after them were right that another chain, for which nobody worked, would hardly have come so far.
//!
//! Source: Bitcoin Core `HeadersSyncState`, headerssync.cpp.

use std::collections::VecDeque;

use mycoin_primitives::hashes::{Hash as _, siphash24};
use mycoin_primitives::{BlockHash, CompactTarget, Header, Height, Work};
use rand::Rng;

use crate::limits::{BLOCKS_PER_SECOND_MAX, HEADERS_MAX, PRESYNC_BUFFER, PRESYNC_PERIOD, TIME_AHEAD_MAX};
use crate::world::{Foothold, HeaderRun};
use crate::{Time, World};

/// What a peer's headers came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The next are to be asked for.
    More,
    /// These may be kept; then the next are to be asked for.
    Some(Vec<Header>),
    /// These may be kept, and all that follow them.
    All(Vec<Header>),
}

/// Why a chain was given up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// The headers do not go on from those before: they answer something else.
    NotContinued,
    /// The chain ends with too little work.
    TooLittleWork,
    /// It has more blocks than the time since its beginning has room for.
    TooLong,
    /// In the second pass it is not the chain of the first.
    Switched,
    /// A header breaks a rule.
    Invalid {
        /// Bitcoin's reject string.
        reason: String,
    },
}

/// Bits in the order in which they came.
#[derive(Debug, Default)]
struct Bits {
    words: Vec<u64>,
    length: usize,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.length.is_multiple_of(64) {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(bit) << (self.length % 64);
        }
        self.length += 1;
    }

    fn get(&self, place: usize) -> Option<bool> {
        let word = self.words.get(place / 64).filter(|_| place < self.length)?;
        Some(word >> (place % 64) & 1 == 1)
    }
}

/// One pass over the chain.
#[derive(Debug)]
struct Pass {
    run: HeaderRun,
    /// The hash of the last message's last header, or that of the beginning.
    last: BlockHash,
    work: Work,
    /// The last target and its work: it is worked out once for equal targets.
    step: Option<(CompactTarget, Work)>,
}

impl Pass {
    fn from(start: BlockHash, work: Work) -> Self {
        Self { run: HeaderRun { start, length: 0, ends: None }, last: start, work, step: None }
    }

    fn push(&mut self, header: &Header) {
        let first = self.run.ends.map_or(*header, |(first, _)| first);
        self.run.ends = Some((first, *header));
        self.run.length = self.run.length.saturating_add(1);
        let step = self.step.filter(|(bits, _)| *bits == header.bits).map_or_else(|| header.work(), |(_, work)| work);
        self.step = Some((header.bits, step));
        self.work = self.work + step;
    }
}

/// The second pass.
#[derive(Debug, Default)]
struct Redownload {
    waiting: VecDeque<Header>,
    /// How many bits were compared.
    compared: usize,
    /// Whether the work of the first pass was there again: what follows needs no comparison.
    is_proven: bool,
}

/// One peer's chain on its two passes.
#[derive(Debug)]
pub(crate) struct Presync {
    start: BlockHash,
    foothold: Foothold,
    needed: Work,
    keys: (u64, u64),
    /// Which of each [`PRESYNC_PERIOD`] headers a bit is kept of; the peer does not know.
    offset: u32,
    bits: Bits,
    bits_max: u64,
    pass: Pass,
    redownload: Option<Redownload>,
}

impl Presync {
    /// Begins at a known header; the chain must come to the work `needed`.
    pub(crate) fn new(start: BlockHash, foothold: Foothold, needed: Work, now: Time, rng: &mut impl Rng) -> Self {
        let seconds = now.unix_seconds().saturating_sub(u64::from(foothold.median_time)) + TIME_AHEAD_MAX;
        Self {
            start,
            foothold,
            needed,
            keys: (rng.random(), rng.random()),
            offset: rng.random_range(0..PRESYNC_PERIOD),
            bits: Bits::default(),
            bits_max: seconds.saturating_mul(BLOCKS_PER_SECOND_MAX) / u64::from(PRESYNC_PERIOD),
            pass: Pass::from(start, foothold.work),
            redownload: None,
        }
    }

    /// The hash after which the peer is to go on.
    pub(crate) fn asks_after(&self) -> BlockHash {
        self.pass.last
    }

    /// How high the first pass has come; `None` in the second one.
    pub(crate) fn height(&self) -> Option<Height> {
        self.redownload.is_none().then(|| self.height_of(self.pass.run.length))
    }

    /// How many headers are kept in memory, and how many bits.
    pub(crate) fn elements(&self) -> (usize, usize) {
        (self.redownload.as_ref().map_or(0, |second| second.waiting.len()), self.bits.length)
    }

    /// Takes the next headers; each is the child of the one before it.
    pub(crate) fn take(&mut self, headers: &[Header], world: &dyn World) -> Result<Taken, GivenUp> {
        let (Some(first), Some(last)) = (headers.first(), headers.last().map(Header::block_hash)) else {
            return Err(GivenUp::NotContinued);
        };
        if first.prev_blockhash != self.pass.last {
            return Err(GivenUp::NotContinued);
        }
        world.check_work(&self.pass.run, headers).map_err(|reason| GivenUp::Invalid { reason })?;
        let is_end = headers.len() < HEADERS_MAX;
        match self.redownload.take() {
            None => {
                headers.iter().try_for_each(|header| self.note(header))?;
                self.pass.last = last;
                if self.pass.work >= self.needed {
                    self.pass = Pass::from(self.start, self.foothold.work);
                    self.redownload = Some(Redownload::default());
                } else if is_end {
                    return Err(GivenUp::TooLittleWork);
                }
                Ok(Taken::More)
            }
            Some(mut second) => {
                headers.iter().try_for_each(|header| self.compare(header, &mut second))?;
                self.pass.last = last;
                if second.is_proven {
                    return Ok(Taken::All(second.waiting.into()));
                }
                if is_end {
                    return Err(GivenUp::TooLittleWork);
                }
                let ready = second.waiting.len().saturating_sub(PRESYNC_BUFFER);
                let ready: Vec<Header> = second.waiting.drain(..ready).collect();
                self.redownload = Some(second);
                Ok(if ready.is_empty() { Taken::More } else { Taken::Some(ready) })
            }
        }
    }

    /// The first pass: adds the header up and, of one in a period, keeps a bit.
    fn note(&mut self, header: &Header) -> Result<(), GivenUp> {
        self.pass.push(header);
        if self.is_kept_of() {
            if self.bits.length as u64 >= self.bits_max {
                return Err(GivenUp::TooLong);
            }
            self.bits.push(self.bit_of(&header.block_hash()));
        }
        Ok(())
    }

    /// The second pass: compares the bit, and lets the header wait.
    fn compare(&mut self, header: &Header, second: &mut Redownload) -> Result<(), GivenUp> {
        self.pass.push(header);
        second.is_proven |= self.pass.work >= self.needed;
        // Beyond the work that was needed the peer's chain may have grown, or changed.
        if !second.is_proven && self.is_kept_of() {
            if self.bits.get(second.compared) != Some(self.bit_of(&header.block_hash())) {
                return Err(GivenUp::Switched);
            }
            second.compared += 1;
        }
        second.waiting.push_back(*header);
        Ok(())
    }

    /// Whether a bit of the pass' last header is kept.
    fn is_kept_of(&self) -> bool {
        self.height_of(self.pass.run.length).to_u32() % PRESYNC_PERIOD == self.offset
    }

    fn height_of(&self, length: u32) -> Height {
        Height::new(self.foothold.height.to_u32().saturating_add(length))
    }

    fn bit_of(&self, hash: &BlockHash) -> bool {
        let (first, second) = self.keys;
        siphash24::Hash::hash_to_u64_with_keys(first, second, hash.as_byte_array()) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_out_as_they_went_in() {
        let mut bits = Bits::default();
        let pattern = |place: usize| place.is_multiple_of(3) || place == 64;
        (0..200).for_each(|place| bits.push(pattern(place)));
        assert_eq!(bits.words.len(), 4, "200 bits in four words");
        for place in 0..200 {
            assert_eq!(bits.get(place), Some(pattern(place)), "{place}");
        }
        assert_eq!(bits.get(200), None);
        assert_eq!(bits.get(256), None);
    }
}
