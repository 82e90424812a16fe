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
