//! ASERT (aserti3-2d): the target follows the schedule's lead or lag, exponentially.
//!
//! Source: the Bitcoin Cash specification "ASERT Difficulty Adjustment Algorithm (aserti3-2d)", 2020-11-15, which has
//! 600 s and two days where a spec file gives spacing and half-life.

use mycoin_primitives::{CompactTarget, Height, Network, Target};

use crate::HeaderBranch;
use crate::wide::Wide;

/// The fixed-point form's 1.
const RADIX: i128 = 65_536;

/// The block from which the schedule counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anchor {
    pub(crate) bits: CompactTarget,
    pub(crate) height: Height,
    /// The time of the anchor's parent: the schedule expects the anchor one spacing later.
    pub(crate) parent_time: i64,
}

impl Anchor {
    /// Block 1 is the anchor, with a parent one spacing before it. Genesis is not: a coin may be defined long before
    /// anybody mines it, and that pause must not count as a lag that blocks at the limit make up for.
    ///
    /// `None` while block 1 is not there.
    pub(crate) fn first_block(network: &Network, branch: &dyn HeaderBranch) -> Option<Self> {
        let height = Height::GENESIS.next();
        let first = branch.header_at(height)?;
        let parent_time = i64::from(first.time) - i64::from(network.spacing);
        // Block 1 has genesis' target, since nothing could move it before.
        Some(Self { bits: network.genesis.bits, height, parent_time })
    }
}

/// The target of the block that follows a tip with this height and time.
pub(crate) fn next_bits(
    anchor: Anchor,
    tip: Height,
    tip_time: u32,
    spacing: u32,
    half_life: u32,
    limit: CompactTarget,
) -> CompactTarget {
    let time_passed = i128::from(tip_time) - i128::from(anchor.parent_time);
    let scheduled = i128::from(spacing) * (i128::from(tip.above(anchor.height)) + 1);
    // Division towards zero, then an arithmetic shift, as the reference implementations have it.
    let Some(exponent) = ((time_passed - scheduled) * RADIX).checked_div(i128::from(half_life)) else { return limit };
    let limit_target = Target::from_compact(limit);
    let next = scale(Target::from_compact(anchor.bits), exponent);
    match next {
        // A target of zero could never be met.
        Some(target) if target == Target::ZERO => CompactTarget::from_consensus(0x0101_0000),
        Some(target) if target <= limit_target => target.to_compact_lossy(),
        Some(_) | None => limit,
    }
}

/// target · 2^(exponent / 65536), rounded down; `None` above 256 bits.
fn scale(target: Target, exponent: i128) -> Option<Target> {
    let doublings = exponent >> 16;
    let factor = two_to_the(exponent.rem_euclid(RADIX))?;
    // `factor` is itself in units of 1/65536, which takes 16 halvings.
    let shift = doublings - 16;
    let scaled = Wide::from_target(target).times(factor);
    let bits = u32::try_from(shift.unsigned_abs()).unwrap_or(u32::MAX);
    let scaled = if shift < 0 { scaled.halved(bits) } else { scaled.doubled(bits)? };
    scaled.to_target()
}

/// 2^(fraction / 65536) in units of 1/65536, by the specification's cubic, which errs by less than 0.013 %.
fn two_to_the(fraction: i128) -> Option<u32> {
    let cubic = 195_766_423_245_049 * fraction
        + 971_821_376 * fraction * fraction
        + 5_127 * fraction * fraction * fraction
        + (1 << 47);
    u32::try_from(RADIX + (cubic >> 48)).ok()
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::{Header, genesis_block};

    use super::*;

    const SPACING: u32 = 600;
    const TWO_DAYS: u32 = 172_800;
    const LIMIT: u32 = 0x1d00_ffff;

    /// What the specification's published runs say: from an anchor, the target after a tip so many blocks above it.
    #[track_caller]
    fn check(anchor_bits: u32, parent_time: i64, blocks: u32, time: u32, expected: u32) {
        let anchor = Anchor { bits: CompactTarget::from_consensus(anchor_bits), height: Height::new(1), parent_time };
        let limit = CompactTarget::from_consensus(LIMIT);
        let next = next_bits(anchor, Height::new(1 + blocks), time, SPACING, TWO_DAYS, limit);
        assert_eq!(
            format!("{:#010x}", next.to_consensus()),
            format!("{expected:#010x}"),
            "{blocks} blocks, time {time}"
        );
    }

    /// Runs 1 and 3: in time, at the easiest and at the hardest target.
    #[test]
    fn published_runs_1_and_3() {
        for blocks in 1..=10 {
            check(LIMIT, 0, blocks, 600 + 600 * blocks, LIMIT);
            check(0x0101_0000, 0, blocks, 600 + 600 * blocks, 0x0101_0000);
        }
    }

    /// Run 5: 288 blocks at a time in no time, so that the target halves, down to 1.
    #[test]
    fn published_run_5() {
        check(LIMIT, 0, 1, 0, 0x1d00_fec5);
        let halvings = [0x7f_62c0, 0x3f_b160, 0x1f_d8b0, 0x0f_ec58, 0x07_f62c, 0x03_fb16, 0x01_fd8b, 0x00_fec5];
        for halving in 0..208_u32 {
            let size = 0x1c - halving / 8;
            let word = halvings[usize::try_from(halving % 8).expect("below 8")];
            check(LIMIT, 0, 1 + 288 * (halving + 1), 0, (size << 24) | word);
        }
        let last = [
            0x027f_6200,
            0x023f_b100,
            0x021f_d800,
            0x020f_ec00,
            0x0207_f600,
            0x0203_fb00,
            0x0201_fd00,
            0x0200_fe00,
            0x017f_0000,
            0x013f_0000,
            0x011f_0000,
            0x010f_0000,
            0x0107_0000,
            0x0103_0000,
            0x0101_0000,
            0x0101_0000,
        ];
        for (halving, expected) in (208..).zip(last) {
            check(LIMIT, 0, 1 + 288 * (halving + 1), 0, expected);
        }
    }

    /// Run 9: blocks of 300 s.
    #[test]
    fn published_run_9() {
        let expected = [
            0x1802_ae16,
            0x1802_ad44,
            0x1802_ac71,
            0x1802_ab9e,
            0x1802_aacd,
            0x1802_a9fa,
            0x1802_a929,
            0x1802_a858,
            0x1802_a787,
            0x1802_a6b7,
        ];
        for (blocks, expected) in (1..).zip(expected) {
            check(0x1802_aee8, 1_234_567_290, blocks, 1_234_567_890 + 300 * blocks, expected);
        }
    }

    /// Run 10: blocks of 900 s.
    #[test]
    fn published_run_10() {
        let expected = [
            0x1802_afbb,
            0x1802_b08f,
            0x1802_b166,
            0x1802_b23a,
            0x1802_b30e,
            0x1802_b3e5,
            0x1802_b4bb,
            0x1802_b592,
            0x1802_b669,
            0x1802_b73d,
        ];
        for (blocks, expected) in (1..).zip(expected) {
            check(0x1802_aee8, 2_147_483_047, blocks, 2_147_483_647 + 900 * blocks, expected);
        }
    }

    #[test]
    fn a_late_chain_stops_at_the_limit() {
        check(LIMIT, 0, 1, u32::MAX, LIMIT);
        check(0x0101_0000, 0, 1, u32::MAX, LIMIT);
    }

    /// Genesis, and block 1 a year later.
    struct LateStart(Header);

    impl HeaderBranch for LateStart {
        fn tip_height(&self) -> Height {
            Height::new(1)
        }

        fn header_at(&self, height: Height) -> Option<Header> {
            (height <= self.tip_height()).then_some(self.0)
        }
    }

    #[test]
    fn the_schedule_begins_with_block_1_however_late_it_comes() {
        let network = Network::mycoin();
        let Network { genesis, spacing, pow_limit, .. } = &network;
        let mut first = genesis_block(&network).header;
        first.time += 31_536_000;
        let anchor = Anchor::first_block(&network, &LateStart(first)).expect("block 1 is there");
        let after = |height: u32, time| next_bits(anchor, Height::new(height), time, *spacing, 7_200, *pow_limit);
        assert_eq!(after(1, first.time), genesis.bits);
        assert_eq!(after(2, first.time + spacing), genesis.bits);
        // A half-life ahead of the schedule, the target is half of it.
        let half = Wide::from_target(Target::from_compact(genesis.bits)).halved(1).to_target();
        assert_eq!(Some(after(121, first.time)), half.map(Target::to_compact_lossy));
    }
}
