//! Which target the next block must have.

use mycoin_primitives::{CompactTarget, Height, Network, Retarget, Target};

use crate::HeaderBranch;
use crate::asert::{self, Anchor};
use crate::wide::Wide;

/// The blocks of a retarget period, by which also BIP54's and BIP94's rules on times go. Source: Bitcoin Core
/// `DifficultyAdjustmentInterval`, consensus/params.h.
pub const PERIOD: u32 = 2_016;

/// The target, in its compact form, that the block on top of `branch` must have.
///
/// Where the branch does not know a header that this needs, the target stays that of its tip, or the limit.
pub fn next_bits(network: &Network, branch: &dyn HeaderBranch) -> CompactTarget {
    let height = branch.tip_height();
    let Some(tip) = branch.header_at(height) else { return network.pow_limit };
    match network.retarget {
        Retarget::None => tip.bits,
        Retarget::Asert { half_life } => {
            let Some(anchor) = Anchor::first_block(network, branch) else { return network.genesis.bits };
            asert::next_bits(anchor, height, tip.time, network.spacing, half_life, network.pow_limit)
        }
        Retarget::Bitcoin => {
            if !height.next().to_u32().is_multiple_of(PERIOD) {
                return tip.bits;
            }
            let Some(first) = branch.header_at(height.back(PERIOD - 1)) else { return tip.bits };
            let base = if network.rules.bip94 { first.bits } else { tip.bits };
            let taken = i64::from(tip.time) - i64::from(first.time);
            retarget(base, taken, network.spacing, network.pow_limit)
        }
    }
}

/// Whether the block on top of `branch` may have the target `bits`, where `branch` need only know its tip, block 1 and the
/// blocks below it: what can be told of headers that are looked at and not kept.
///
/// Where a whole period decides, all targets are permitted that some period leads to.
/// Source: Bitcoin Core `PermittedDifficultyTransition`, pow.cpp.
pub fn is_permitted_target(network: &Network, branch: &dyn HeaderBranch, bits: CompactTarget) -> bool {
    let height = branch.tip_height();
    let is_decided_by_period = match network.retarget {
        Retarget::Bitcoin => height.next().to_u32().is_multiple_of(PERIOD),
        Retarget::None | Retarget::Asert { .. } => false,
    };
    let Some(tip) = branch.header_at(height).filter(|_| is_decided_by_period) else {
        return bits == next_bits(network, branch);
    };
    let bound = |taken| Target::from_compact(retarget(tip.bits, taken, network.spacing, network.pow_limit));
    (bound(i64::MIN)..=bound(i64::MAX)).contains(&Target::from_compact(bits))
}

/// The height of the first block of the period in which `height` lies.
pub(crate) const fn period_start(height: Height) -> Height {
    height.back(height.to_u32() % PERIOD)
}

/// Scales a target by the time that a period took over the time that it should, by at most 4 either way.
///
/// Source: Bitcoin Core `CalculateNextWorkRequired`, pow.cpp.
fn retarget(base: CompactTarget, taken: i64, spacing: u32, limit: CompactTarget) -> CompactTarget {
    let scheduled = i64::from(spacing) * i64::from(PERIOD);
    let taken = taken.clamp(scheduled / 4, scheduled.saturating_mul(4));
    let scaled = scale(Target::from_compact(base), taken, scheduled);
    match scaled {
        Some(target) if target <= Target::from_compact(limit) => target.to_compact_lossy(),
        Some(_) | None => limit,
    }
}

/// target · numerator / denominator, rounded down; `None` above 256 bits, by zero, or beyond 32 bits.
fn scale(target: Target, numerator: i64, denominator: i64) -> Option<Target> {
    let wide = Wide::from_target(target).times(u32::try_from(numerator).ok()?);
    wide.over(u32::try_from(denominator).ok()?)?.to_target()
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::Header;
    use mycoin_primitives::bitcoin::consensus::Params;
    use proptest::prelude::*;

    use super::*;

    /// Source: Bitcoin Core, test/pow_tests.cpp, with mainnet's spacing and limit.
    #[track_caller]
    fn check(first_time: i64, last_time: i64, bits: u32, expected: u32) {
        let (base, limit) = (CompactTarget::from_consensus(bits), CompactTarget::from_consensus(0x1d00_ffff));
        let next = retarget(base, last_time - first_time, 600, limit);
        assert_eq!(format!("{:#010x}", next.to_consensus()), format!("{expected:#010x}"));
    }

    #[test]
    fn retargets_as_bitcoin() {
        check(1_261_130_161, 1_262_152_739, 0x1d00_ffff, 0x1d00_d86a);
        check(1_231_006_505, 1_233_061_996, 0x1d00_ffff, 0x1d00_ffff); // stopped by the limit
        check(1_279_008_237, 1_279_297_671, 0x1c05_a3f4, 0x1c01_68fd); // by a quarter at most
        check(1_263_163_443, 1_269_211_443, 0x1c38_7f6f, 0x1d00_e1fd); // by four at most
        check(1_279_297_671, 1_279_008_237, 0x1c05_a3f4, 0x1c01_68fd); // time that ran backwards
    }

    proptest! {
        /// The library's own retarget, with mainnet's parameters.
        #[test]
        fn retargets_as_the_library(size in 4..0x1d_u32, word in 0x8000..0x80_0000_u32, taken in 0..10_000_000_u32) {
            let base = CompactTarget::from_consensus((size << 24) | word);
            let expected = CompactTarget::from_next_work_required(base, u64::from(taken), &Params::MAINNET);
            let next = retarget(base, i64::from(taken), 600, CompactTarget::from_consensus(0x1d00_ffff));
            prop_assert_eq!(next, expected);
        }

        #[test]
        fn retargets_by_a_factor_of_four_at_most_and_stay_below_the_limit(bits: u32, taken: i64) {
            let limit = CompactTarget::from_consensus(0x1d00_ffff);
            let base = CompactTarget::from_consensus(0x1b00_0000 | (bits & 0x7f_ffff));
            let next = Target::from_compact(retarget(base, taken, 600, limit));
            let fourfold = scale(Target::from_compact(base), 4, 1).expect("far below 256 bits");
            let quarter = scale(Target::from_compact(base), 1, 4).expect("far below 256 bits").to_compact_lossy();
            prop_assert!(next <= fourfold && next >= Target::from_compact(quarter));
            prop_assert!(next <= Target::from_compact(limit));
        }
    }

    #[test]
    fn retarget_steps_are_clamped_at_exactly_a_quarter_and_four() {
        const TWO_WEEKS: i64 = 1_209_600;
        let step = |bits, taken| {
            let (base, limit) = (CompactTarget::from_consensus(bits), CompactTarget::from_consensus(0x1d00_ffff));
            retarget(base, taken, 600, limit).to_consensus()
        };
        assert_eq!(step(0x1b04_0000, TWO_WEEKS), 0x1b04_0000);
        for taken in [TWO_WEEKS / 4, TWO_WEEKS / 4 - 1, 0, -1, i64::MIN] {
            assert_eq!(step(0x1b7f_fffc, taken), 0x1b1f_ffff);
        }
        assert_eq!(step(0x1b7f_fffc, TWO_WEEKS / 4 + 1), 0x1b20_0005);
        for taken in [TWO_WEEKS * 4, TWO_WEEKS * 4 + 1, i64::MAX] {
            assert_eq!(step(0x1b04_0000, taken), 0x1b10_0000);
        }
        assert_eq!(step(0x1b04_0000, TWO_WEEKS * 4 - 1), 0x1b0f_ffff);
    }

    /// Bitcoin Core's form of a target: compact bits to a number, sign and overflow, and back.
    ///
    /// Source: Bitcoin Core, test/arith_uint256_tests.cpp, `bignum_SetCompact`.
    #[test]
    fn compact_targets_as_bitcoin() {
        let cases = [
            (0x0000_0000, "0", 0x0000_0000),
            (0x0012_3456, "0", 0x0000_0000),
            (0x0100_3456, "0", 0x0000_0000),
            (0x0200_0056, "0", 0x0000_0000),
            (0x0300_0000, "0", 0x0000_0000),
            (0x0400_0000, "0", 0x0000_0000),
            (0x0112_3456, "12", 0x0112_0000),
            (0x0212_3456, "1234", 0x0212_3400),
            (0x0312_3456, "123456", 0x0312_3456),
            (0x0412_3456, "12345600", 0x0412_3456),
            (0x0500_9234, "92340000", 0x0500_9234),
            (0x2012_3456, "1234560000000000000000000000000000000000000000000000000000000000", 0x2012_3456),
        ];
        for (bits, hex, back) in cases {
            let target = Target::from_compact(CompactTarget::from_consensus(bits));
            assert_eq!(format!("{target:x}").trim_start_matches('0'), hex.trim_start_matches('0'), "{bits:08x}");
            assert_eq!(target.to_compact_lossy().to_consensus(), back, "{bits:08x}");
        }
        // The bit of the sign is never set by a number.
        let mut bytes = [0; 32];
        bytes[0] = 0x80;
        assert_eq!(Target::from_le_bytes(bytes).to_compact_lossy().to_consensus(), 0x0200_8000);
    }

    /// A branch of which only the tip is known.
    struct Tip(u32, CompactTarget);

    impl HeaderBranch for Tip {
        fn tip_height(&self) -> Height {
            Height::new(self.0)
        }

        fn header_at(&self, height: Height) -> Option<Header> {
            let network = Network::regtest();
            let genesis = mycoin_primitives::genesis_block(&network).header;
            (height == self.tip_height()).then_some(Header { bits: self.1, ..genesis })
        }
    }

    #[test]
    fn targets_are_permitted_within_a_factor_of_four_where_a_period_ends() {
        let network = Network { retarget: Retarget::Bitcoin, ..Network::regtest() };
        let permitted = |height, bits| {
            let branch = Tip(height, CompactTarget::from_consensus(0x1b04_0000));
            is_permitted_target(&network, &branch, CompactTarget::from_consensus(bits))
        };
        for (bits, is_permitted) in
            [(0x1b00_ffff, false), (0x1b01_0000, true), (0x1b10_0000, true), (0x1b10_0001, false)]
        {
            assert_eq!(permitted(2_015, bits), is_permitted, "{bits:08x}");
            assert!(!permitted(2_014, bits) && !permitted(2_016, bits), "{bits:08x}");
        }
        assert!(permitted(2_014, 0x1b04_0000) && permitted(2_015, 0x1b04_0000) && permitted(2_016, 0x1b04_0000));
    }

    #[test]
    fn periods_begin_at_multiples() {
        for (height, start) in [(0, 0), (2_015, 0), (2_016, 2_016), (4_033, 4_032)] {
            assert_eq!(period_start(Height::new(height)), Height::new(start));
        }
    }
}
