//! Whole numbers of up to 320 bits, just enough to scale a 256-bit target without losing a bit on the way.

use mycoin_primitives::Target;

/// How many 32-bit limbs a number has: 256 bits for the target and 64 for a factor.
const LIMBS: usize = 10;

/// A whole number below 2^320, least significant limb first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wide([u32; LIMBS]);

impl Wide {
    pub(crate) fn from_target(target: Target) -> Self {
        let bytes = target.to_le_bytes();
        let mut limbs = [0; LIMBS];
        for (limb, chunk) in limbs.iter_mut().zip(bytes.as_chunks().0) {
            *limb = u32::from_le_bytes(*chunk);
        }
        Self(limbs)
    }

    /// Multiplies. Exact for a target and any factor.
    pub(crate) fn times(self, factor: u32) -> Self {
        let mut carry = 0_u64;
        Self(self.0.map(|limb| {
            let product = u64::from(limb) * u64::from(factor) + carry;
            carry = product >> 32;
            low_limb(product)
        }))
    }

    /// Divides, rounding down; `None` if by zero.
    pub(crate) fn over(self, divisor: u32) -> Option<Self> {
        if divisor == 0 {
            return None;
        }
        let mut limbs = self.0;
        let mut rest = 0_u64;
        for limb in limbs.iter_mut().rev() {
            let dividend = (rest << 32) | u64::from(*limb);
            *limb = low_limb(dividend / u64::from(divisor));
            rest = dividend % u64::from(divisor);
        }
        Some(Self(limbs))
    }

    /// Divides by 2^`bits`, rounding down.
    pub(crate) fn halved(self, bits: u32) -> Self {
        (0..bits.min(320)).fold(self, |number, _| {
            let mut carry = 0;
            let mut limbs = number.0;
            for limb in limbs.iter_mut().rev() {
                let out = *limb & 1;
                *limb = (*limb >> 1) | (carry << 31);
                carry = out;
            }
            Self(limbs)
        })
    }

    /// Multiplies by 2^`bits`; `None` if the result has more than 320 bits.
    pub(crate) fn doubled(self, bits: u32) -> Option<Self> {
        (0..bits.min(321)).try_fold(self, |number, _| {
            let mut carry = 0;
            let doubled = Self(number.0.map(|limb| {
                let out = limb >> 31;
                let doubled = (limb << 1) | carry;
                carry = out;
                doubled
            }));
            (carry == 0).then_some(doubled)
        })
    }

    /// The number as a target; `None` if it has more than 256 bits.
    pub(crate) fn to_target(self) -> Option<Target> {
        let (low, high) = self.0.split_at(8);
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.as_chunks_mut().0.iter_mut().zip(low) {
            *chunk = limb.to_le_bytes();
        }
        high.iter().all(|limb| *limb == 0).then(|| Target::from_le_bytes(bytes))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low limb is what is wanted")]
const fn low_limb(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A target below 2^128, which the machine can check.
    fn small(value: u128) -> Target {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&value.to_le_bytes());
        Target::from_le_bytes(bytes)
    }

    proptest! {
        #[test]
        fn scales_as_the_machine_does(value in 0..u128::from(u64::MAX), factor: u32, divisor in 1..u32::MAX) {
            let scaled = Wide::from_target(small(value)).times(factor).over(divisor).and_then(Wide::to_target);
            prop_assert_eq!(scaled, Some(small(value * u128::from(factor) / u128::from(divisor))));
        }

        #[test]
        fn shifts_as_the_machine_does(value: u64, bits in 0..64_u32) {
            let wide = Wide::from_target(small(u128::from(value)));
            prop_assert_eq!(wide.doubled(bits).and_then(Wide::to_target), Some(small(u128::from(value) << bits)));
            prop_assert_eq!(wide.halved(bits).to_target(), Some(small(u128::from(value) >> bits)));
        }

        #[test]
        fn loses_nothing_on_the_way(bytes: [u8; 32], factor in 1..u32::MAX) {
            let target = Target::from_le_bytes(bytes);
            let back = Wide::from_target(target).times(factor).over(factor).and_then(Wide::to_target);
            prop_assert_eq!(back, Some(target));
        }
    }

    #[test]
    fn what_does_not_fit_is_none() {
        let most = Wide::from_target(Target::from_le_bytes([0xff; 32]));
        assert_eq!(most.times(2).to_target(), None);
        assert!(most.doubled(64).is_some());
        assert_eq!(most.doubled(65), None);
        assert_eq!(most.doubled(u32::MAX), None);
        assert_eq!(most.over(0), None);
        assert_eq!(most.halved(u32::MAX).to_target(), Some(Target::ZERO));
    }
}
