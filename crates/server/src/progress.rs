//! How far the server has caught up with its peers' chain, and how fast.
//!
//! In:    height and bytes, noted once a second.
//! Out:   [`SyncProgress`], for the screen, `getblockchaininfo` and the proxy's `/health`.
//! Never: a guess where nothing was measured: a rate of nothing has no time left.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mycoin_primitives::Height;

/// Over how long rates are taken.
const SPAN: Duration = Duration::from_secs(30);

/// How far the server has caught up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SyncProgress {
    /// Whether it is so far behind that it catches up rather than follows.
    pub is_syncing: bool,
    /// The height of the best header.
    pub headers: Height,
    /// The height of the best chain.
    pub blocks: Height,
    /// Blocks that came to the best chain, a second.
    pub blocks_per_second: f64,
    /// Bytes that peers sent, a second.
    pub bytes_per_second: f64,
    /// How long the rest takes at this rate; `None` when none is known.
    pub time_left: Option<Duration>,
}

impl SyncProgress {
    pub(crate) fn new(is_syncing: bool, headers: Height, blocks: Height, rate: Rate) -> Self {
        let missing = f64::from(headers.above(blocks));
        let seconds = (rate.blocks > 0.0).then(|| missing / rate.blocks);
        Self {
            is_syncing,
            headers,
            blocks,
            blocks_per_second: rate.blocks,
            bytes_per_second: rate.bytes,
            time_left: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        }
    }

    /// The part of the chain that is here, from 0 to 1.
    pub fn fraction(&self) -> f64 {
        if self.headers > self.blocks {
            f64::from(self.blocks.to_u32()) / f64::from(self.headers.to_u32())
        } else {
            1.0
        }
    }
}

impl fmt::Display for SyncProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.fraction() * 1_000.0).floor() / 10.0;
        write!(f, "block {} of {} ({percent:.1} %)", self.blocks, self.headers)?;
        write!(f, ", {:.0} blocks/s, {:.1} MB/s", self.blocks_per_second, self.bytes_per_second / 1e6)?;
        match self.time_left.map(|left| left.as_secs()) {
            None => Ok(()),
            Some(seconds @ 0..120) => write!(f, ", {seconds} s left"),
            Some(seconds @ 120..7_200) => write!(f, ", {} min left", seconds / 60),
            Some(seconds) => write!(f, ", {} h left", seconds / 3_600),
        }
    }
}

/// Blocks and bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Rate {
    pub(crate) blocks: f64,
    pub(crate) bytes: f64,
}

/// Remembers where the chain stood in the last half minute.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<VecDeque<(Instant, Height, u64)>>);

impl Meter {
    /// Notes height and bytes so far; call it about once a second.
    pub(crate) fn note(&self, at: Instant, height: Height, bytes: u64) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push_back((at, height, bytes));
        while notes.front().is_some_and(|(first, _, _)| at.saturating_duration_since(*first) > SPAN) {
            notes.pop_front();
        }
    }

    /// The rates between the first and the last note that are remembered.
    pub(crate) fn rate(&self) -> Rate {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some((from, low, before)), Some((to, high, after))) = (notes.front(), notes.back()) else {
            return Rate::default();
        };
        let seconds = to.saturating_duration_since(*from).as_secs_f64();
        if seconds == 0.0 {
            return Rate::default();
        }
        Rate { blocks: f64::from(high.above(*low)) / seconds, bytes: after.saturating_sub(*before) as f64 / seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_half_minute() {
        let (meter, start) = (Meter::default(), Instant::now());
        assert_eq!(meter.rate(), Rate::default());
        for second in 0..=60_u32 {
            // Ten blocks a second in the first half minute, then twenty.
            let height = if second <= 30 { second * 10 } else { 300 + (second - 30) * 20 };
            meter.note(start + Duration::from_secs(second.into()), Height::new(height), u64::from(second) * 1_000);
        }
        assert_eq!(meter.rate(), Rate { blocks: 20.0, bytes: 1_000.0 });
    }

    #[test]
    fn progress_says_how_far_how_fast_and_how_long() {
        let progress = |blocks, rate| SyncProgress::new(true, Height::new(10_000), Height::new(blocks), rate);
        let shown = progress(4_500, Rate { blocks: 50.0, bytes: 2_100_000.0 }).to_string();
        assert_eq!(shown, "block 4500 of 10000 (45.0 %), 50 blocks/s, 2.1 MB/s, 110 s left");
        let shown = progress(9_999, Rate::default()).to_string();
        assert_eq!(shown, "block 9999 of 10000 (99.9 %), 0 blocks/s, 0.0 MB/s");
        assert_eq!(progress(10_000, Rate::default()).fraction(), 1.0);
        assert_eq!(progress(0, Rate { blocks: 1.0, bytes: 0.0 }).time_left, Some(Duration::from_secs(10_000)));
    }
}
