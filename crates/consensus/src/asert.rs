//! ASERT (aserti3-2d): the target follows the schedule's lead or lag, exponentially.
//!
//! Source: the Bitcoin Cash specification "ASERT Difficulty Adjustment Algorithm (aserti3-2d)", 2020-11-15, which has
//! 600 s and two days where a spec file gives spacing and half-life.

use mycoin_primitives::{CompactTarget, Height, Network, Target};

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
    /// Genesis is the anchor. It has no parent, so one is taken that came one spacing before: then a block 1 in time has
    /// genesis' own target.
    pub(crate) fn genesis(network: &Network) -> Self {
        Self {
            bits: network.genesis.bits,
            height: Height::GENESIS,
            parent_time: i64::from(network.genesis.time) - i64::from(network.spacing),
        }
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
