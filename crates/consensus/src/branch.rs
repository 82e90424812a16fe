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

#[cfg(test)]
mod tests {
    use mycoin_primitives::{Network, genesis_block};

    use super::*;

    struct Times(Vec<u32>);

    impl HeaderBranch for Times {
        fn tip_height(&self) -> Height {
            Height::new(u32::try_from(self.0.len() - 1).expect("tests are short"))
        }

        fn header_at(&self, height: Height) -> Option<Header> {
            let time = *self.0.get(usize::try_from(height.to_u32()).ok()?)?;
            Some(Header { time, ..genesis_block(&Network::regtest()).header })
        }
    }

    #[test]
    fn median_time_past_is_that_of_up_to_eleven() {
        let times = Times((0..20).map(|number| if number % 2 == 0 { 100 + number } else { 900 - number }).collect());
        assert_eq!(median_time_past(&times, Height::new(0)), 100);
        // Of two the later one.
        assert_eq!(median_time_past(&times, Height::new(1)), 899);
        assert_eq!(median_time_past(&times, Height::new(2)), 102);
        // Six early and five late ones, then five and six.
        assert_eq!(median_time_past(&times, Height::new(18)), 118);
        assert_eq!(median_time_past(&times, Height::new(19)), 881);
    }
}
