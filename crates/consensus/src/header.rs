//! A header's rules: alone, and on top of its branch.

use mycoin_primitives::{Header, Height, Network, Target};

use crate::pow::{PERIOD, next_bits, period_start};
use crate::{HeaderBranch, HeaderRuleError, median_time_past};

/// How far a block's time may be ahead of the node's clock, in seconds. Source: Bitcoin Core `MAX_FUTURE_BLOCK_TIME`, chain.h.
pub const MAX_FUTURE_BLOCK_TIME: u32 = 7_200;

/// How much older than its parent a period's first block may be, in seconds. Source: BIP94.
const BIP94_GRACE: u32 = 600;

/// How much older than its parent a period's first block may be, in seconds. Source: BIP54.
const BIP54_GRACE: u32 = 7_200;

/// The lowest version that a block may have. Source: BIP34, BIP66 and BIP65 ask for 2, 3 and 4.
const MIN_VERSION: i32 = 4;

/// Checks what can be said of a header alone: that its target is allowed and its hash meets it.
///
/// # Errors
///
/// [`HeaderRuleError::TargetOutOfRange`] or [`HeaderRuleError::HighHash`].
///
/// Source: Bitcoin Core `CheckProofOfWork`, pow.cpp.
pub fn check_header(header: &Header, network: &Network) -> Result<(), HeaderRuleError> {
    let bits = header.bits;
    let target = Target::from_compact(bits);
    if is_signed_or_overflows(bits.to_consensus()) || target == Target::ZERO || target > network.pow_limit_target() {
        return Err(HeaderRuleError::TargetOutOfRange { bits });
    }
    let hash = header.block_hash();
    if target.is_met_by(hash) { Ok(()) } else { Err(HeaderRuleError::HighHash { hash }) }
}

/// Whether compact bits have the sign set or stand for more than 256 bits, which the library reads as another number.
///
/// Bitcoin Core has it that a zero with a sign is no negative number, but zero is refused just the same.
/// Source: Bitcoin Core `arith_uint256::SetCompact`, arith_uint256.cpp.
const fn is_signed_or_overflows(bits: u32) -> bool {
    let (size, word) = (bits >> 24, bits & 0x007f_ffff);
    let is_signed = bits & 0x0080_0000 != 0;
    let overflows = word != 0 && (size > 34 || (word > 0xff && size > 33) || (word > 0xffff && size > 32));
    is_signed || overflows
}

/// Checks a header on top of `branch`; `now` is the node's clock, in seconds since 1970.
///
/// # Errors
///
/// [`HeaderRuleError`] names the first rule that it breaks, in Bitcoin Core's order.
///
/// Source: Bitcoin Core `ContextualCheckBlockHeader`, validation.cpp; BIP54, BIP94.
pub fn check_header_in_context(
    header: &Header,
    network: &Network,
    branch: &dyn HeaderBranch,
    now: u32,
) -> Result<(), HeaderRuleError> {
    let expected = next_bits(network, branch);
    if header.bits != expected {
        return Err(HeaderRuleError::WrongBits { expected, found: header.bits });
    }
    let (time, median_time_past) = (header.time, median_time_past(branch, branch.tip_height()));
    if time <= median_time_past {
        return Err(HeaderRuleError::TimeTooOld { time, median_time_past });
    }
    check_timewarp(time, network, branch)?;
    if u64::from(time) > u64::from(now) + u64::from(MAX_FUTURE_BLOCK_TIME) {
        return Err(HeaderRuleError::TimeTooNew { time, now });
    }
    let version = header.version.to_consensus();
    if version < MIN_VERSION {
        return Err(HeaderRuleError::ObsoleteVersion { version });
    }
    Ok(())
}

/// BIP94's and BIP54's rules, which hold at the bounds of 2,016 blocks whichever way the target moves. ASERT has no
/// periods to cheat; there they only keep time from running far backwards.
fn check_timewarp(time: u32, network: &Network, branch: &dyn HeaderBranch) -> Result<(), HeaderRuleError> {
    let bounds = TimeBounds::of(network, branch);
    if let Some(parent_time) = bounds.parent_time {
        if network.rules.bip94 && time < parent_time.saturating_sub(BIP94_GRACE) {
            return Err(HeaderRuleError::TimewarpBip94 { time, parent_time });
        }
        if network.rules.bip54 && time < parent_time.saturating_sub(BIP54_GRACE) {
            return Err(HeaderRuleError::TimewarpBip54 { time, parent_time });
        }
    }
    if let Some(first_time) = bounds.first_time
        && network.rules.bip54
        && time < first_time
    {
        return Err(HeaderRuleError::PeriodEndsBeforeItBegan { time, first_time });
    }
    Ok(())
}

/// The times that bound the block on top of a branch because of its place in the period.
struct TimeBounds {
    /// Its parent's, if it is the first of a period.
    parent_time: Option<u32>,
    /// That of the period's first block, if it is the last.
    first_time: Option<u32>,
}

impl TimeBounds {
    fn of(network: &Network, branch: &dyn HeaderBranch) -> Self {
        let (parent, height) = (branch.tip_height(), branch.tip_height().next());
        let time_at = |height: Height| branch.header_at(height).map(|header| header.time);
        let place = height.to_u32() % PERIOD;
        let rules = network.rules;
        Self {
            parent_time: (place == 0 && (rules.bip94 || rules.bip54)).then(|| time_at(parent)).flatten(),
            first_time: (place == PERIOD - 1 && rules.bip54).then(|| time_at(period_start(height))).flatten(),
        }
    }
}

/// The earliest time that the block on top of `branch` may have.
pub fn minimum_time(network: &Network, branch: &dyn HeaderBranch) -> u32 {
    let bounds = TimeBounds::of(network, branch);
    let grace = if network.rules.bip94 { BIP94_GRACE } else { BIP54_GRACE };
    let after_median = median_time_past(branch, branch.tip_height()).saturating_add(1);
    let after_parent = bounds.parent_time.map_or(0, |time| time.saturating_sub(grace));
    after_median.max(after_parent).max(bounds.first_time.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::CompactTarget;
    use proptest::prelude::*;

    use super::*;

    /// What compact bits stand for, written out byte by byte: `None` for a negative number and for one above 256 bits.
    fn by_hand(bits: u32) -> Option<[u8; 32]> {
        let [size, first, second, third] = bits.to_be_bytes();
        let word = [first & 0x7f, second, third];
        let mut bytes = [0; 32];
        for (byte, place) in word.into_iter().zip((0..i32::from(size)).rev()) {
            match bytes.get_mut(usize::try_from(place).expect("places count from zero")) {
                Some(slot) => *slot = byte,
                None if byte == 0 => {}
                None => return None,
            }
        }
        let is_negative = first & 0x80 != 0 && bytes != [0; 32];
        (!is_negative).then_some(bytes)
    }

    #[track_caller]
    fn check(bits: u32) {
        let compact = CompactTarget::from_consensus(bits);
        let ours = (!is_signed_or_overflows(bits)).then(|| Target::from_compact(compact).to_le_bytes());
        // Zero is refused with a sign and without one.
        let positive = |bytes: &[u8; 32]| *bytes != [0; 32];
        assert_eq!(ours.filter(positive), by_hand(bits).filter(positive), "{bits:08x}");
    }

    #[test]
    fn targets_at_the_edges_of_sign_and_overflow() {
        for size in 0..=255_u32 {
            for word in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7f_ffff] {
                check((size << 24) | word);
                check((size << 24) | 0x80_0000 | word);
            }
        }
    }

    proptest! {
        #[test]
        fn targets_are_what_their_bytes_say(bits: u32, size in 0..40_u32) {
            check(bits);
            check((size << 24) | (bits & 0xff_ffff));
        }
    }
}
