//! What headers must show before they are kept: work, and targets that may follow each other.
//!
//! In:    headers of which only the place where they leave the known ones is known.
//! Out:   whether each has its proof of work and a permitted target; how much work a chain needs.
//! Never: entries in the block index: that is `accept_headers`, for headers whose chain has enough work.

use mycoin_chain::{Branch, EntryStatus};
use mycoin_consensus::{HeaderBranch, HeaderRuleError, check_header, is_permitted_target, next_bits};
use mycoin_p2p::{Foothold, HeaderRun};
use mycoin_primitives::{BlockHash, Header, Height, Work};

use crate::node::Node;

/// How many blocks below the tip a branch may leave the best chain and be taken without more work.
/// Source: Bitcoin Core `GetAntiDoSWorkThreshold`, net_processing.cpp.
const NEAR_TIP: u32 = 144;

/// A known branch, and above it a run of headers of which only the first and the last are there.
struct RunBranch<'a> {
    known: &'a Branch,
    first: Option<Header>,
    last: Option<(Height, Header)>,
}

impl HeaderBranch for RunBranch<'_> {
    fn tip_height(&self) -> Height {
        self.last.map_or_else(|| self.known.tip_height(), |(height, _)| height)
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        match (self.last, self.first) {
            (Some((last, header)), _) if last == height => Some(header),
            (_, Some(first)) if self.known.tip_height().next() == height => Some(first),
            _ => self.known.header_at(height),
        }
    }
}

impl Node {
    pub(crate) fn foothold_at(&self, hash: &BlockHash) -> Option<Foothold> {
        let entry = self.chain.header(hash).filter(|entry| entry.status != EntryStatus::Invalid)?;
        let median_time = self.chain.median_time_past(hash)?;
        Some(Foothold { height: entry.height, work: entry.work, median_time })
    }

    pub(crate) fn least_work_of_headers(&self) -> Work {
        let tip = self.chain.tip();
        least_work(tip.work, tip.header.work(), tip.height)
    }

    pub(crate) fn check_work_of(&self, run: &HeaderRun, headers: &[Header]) -> Result<(), String> {
        let Some(known) = self.chain.branch(&run.start) else { return Ok(()) };
        let mut height = Height::new(known.tip_height().to_u32().saturating_add(run.length));
        let mut branch = RunBranch {
            known: &known,
            first: run.ends.map(|(first, _)| first),
            last: run.ends.map(|(_, last)| (height, last)),
        };
        for header in headers {
            check_header(header, self.network()).map_err(|error| error.reject_reason())?;
            if !is_permitted_target(self.network(), &branch, header.bits) {
                let expected = next_bits(self.network(), &branch);
                return Err(HeaderRuleError::WrongBits { expected, found: header.bits }.reject_reason());
            }
            height = height.next();
            branch.first.get_or_insert(*header);
            branch.last = Some((height, *header));
        }
        Ok(())
    }

    pub(crate) fn headers_expected_at(&self, unix_seconds: u64) -> u64 {
        let age = unix_seconds.saturating_sub(u64::from(self.chain.best_header().header.time));
        age / u64::from(self.network().spacing.max(1))
    }
}

/// The work of a chain without that of 144 blocks such as its last; nothing for a chain that has no more blocks than these.
fn least_work(chain: Work, block: Work, height: Height) -> Work {
    let nothing = Work::from_be_bytes([0; 32]);
    if height.to_u32() < NEAR_TIP {
        return nothing;
    }
    // The tip's difficulty may be above that of the blocks before it; each step stops at nothing.
    (0..NEAR_TIP).fold(chain, |left, _| if left > block { left - block } else { nothing })
}
