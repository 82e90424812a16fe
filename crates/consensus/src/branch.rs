//! The headers below what is checked, and the time that they agree on.

use mycoin_primitives::{Header, Height};

/// How many headers the median time past looks at. Source: Bitcoin Core `CBlockIndex::nMedianTimeSpan`, chain.h.
const MEDIAN_TIME_SPAN: u32 = 11;

/// The branch that ends in the parent of what is checked.
///
/// It answers for every height from genesis to its tip. Where it does not, the rules that look there see a shorter
/// branch; they do not panic.
pub trait HeaderBranch {
    /// The height of the branch's last block.
    fn tip_height(&self) -> Height;
    /// The header at `height`; `None` above the tip.
    fn header_at(&self, height: Height) -> Option<Header>;
}

/// The median time past at `height`: the median of the times of that block and up to ten before it.
///
/// Source: Bitcoin Core `CBlockIndex::GetMedianTimePast`, chain.h; BIP113.
pub fn median_time_past(branch: &dyn HeaderBranch, height: Height) -> u32 {
    let first = height.back(MEDIAN_TIME_SPAN - 1);
    let heights = (first.to_u32()..=height.to_u32()).map(Height::new);
    let mut times: Vec<u32> = heights.filter_map(|height| branch.header_at(height)).map(|header| header.time).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(0)
}
