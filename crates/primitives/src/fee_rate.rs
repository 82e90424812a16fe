//! Fee rates.

use std::fmt;

use crate::Amount;

/// What a transaction pays for its size, in satoshis per 1,000 virtual bytes (sat/kvB, as Bitcoin Core counts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FeeRate(u64);

/// Why a fee rate that somebody typed was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeeRateError {
    /// Not a plain decimal number of at most three decimals.
    #[error(
        "“{text}” is not a fee rate. Write satoshis per virtual byte, such as 2 or 0.5, with at most three decimals."
    )]
    NotANumber {
        /// What was typed.
        text: String,
    },
    /// Larger than anybody means.
    #[error("a fee rate of {text} sat/vB is above the limit of {limit} sat/vB. Check that the number is meant.")]
    TooHigh {
        /// What was typed.
        text: String,
        /// The highest rate that is taken, in sat/vB.
        limit: u64,
    },
}

impl FeeRate {
    /// No fee at all.
    pub const ZERO: Self = Self(0);
    /// The highest rate that [`FeeRate::parse_sat_per_vb`] takes, in sat/vB.
    pub const PARSE_LIMIT_SAT_PER_VB: u64 = 10_000;

    /// A rate in satoshis per 1,000 virtual bytes.
    pub const fn from_sat_per_kvb(rate: u64) -> Self {
        Self(rate)
    }

    /// A rate in whole satoshis per virtual byte. Saturates.
    pub const fn from_sat_per_vb(rate: u64) -> Self {
        Self(rate.saturating_mul(1_000))
    }

    /// The rate that `fee` pays for `vsize` virtual bytes, rounded down; zero for no bytes.
    pub fn of(fee: Amount, vsize: u64) -> Self {
        match fee.to_sat().saturating_mul(1_000).checked_div(vsize) {
            Some(rate) => Self(rate),
            None => Self::ZERO,
        }
    }

    /// Satoshis per 1,000 virtual bytes.
    pub const fn to_sat_per_kvb(self) -> u64 {
        self.0
    }

    /// The least fee, in satoshis, that pays this rate for `vsize` virtual bytes (rounded up, as `CFeeRate::GetFee`).
    pub const fn fee_for(self, vsize: u64) -> Amount {
        Amount::from_sat(self.0.saturating_mul(vsize).div_ceil(1_000))
    }

    /// Reads a rate in sat/vB that a person typed.
    ///
    /// # Errors
    ///
    /// [`FeeRateError`] when the text is no plain number, has over three decimals or is absurdly high.
    pub fn parse_sat_per_vb(text: &str) -> Result<Self, FeeRateError> {
        let not_a_number = || FeeRateError::NotANumber { text: text.to_owned() };
        let (whole, decimals) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && decimals.is_empty()) || decimals.len() > 3 || !digits(whole) || !digits(decimals) {
            return Err(not_a_number());
        }
        let too_high = || FeeRateError::TooHigh { text: text.to_owned(), limit: Self::PARSE_LIMIT_SAT_PER_VB };
        let padded = format!("{whole}{decimals:0<3}");
        let rate: u64 = padded.parse().map_err(|_| too_high())?;
        if rate > Self::PARSE_LIMIT_SAT_PER_VB * 1_000 { Err(too_high()) } else { Ok(Self(rate)) }
    }
}

impl fmt::Display for FeeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} sat/vB", self.0 / 1_000, self.0 % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_round_up_and_rates_round_down() {
        assert_eq!(FeeRate::from_sat_per_kvb(100).fee_for(141), Amount::from_sat(15));
        assert_eq!(FeeRate::of(Amount::from_sat(15), 141), FeeRate::from_sat_per_kvb(106));
        assert_eq!(FeeRate::of(Amount::from_sat(15), 0), FeeRate::ZERO);
    }

    #[test]
    fn typed_rates() {
        assert_eq!(FeeRate::parse_sat_per_vb("2"), Ok(FeeRate::from_sat_per_vb(2)));
        assert_eq!(FeeRate::parse_sat_per_vb("0.1"), Ok(FeeRate::from_sat_per_kvb(100)));
        assert_eq!(FeeRate::parse_sat_per_vb(".5"), Ok(FeeRate::from_sat_per_kvb(500)));
        for bad in ["", ".", "-1", "1.0001", "1e3", "x", "1,5"] {
            assert!(matches!(FeeRate::parse_sat_per_vb(bad), Err(FeeRateError::NotANumber { .. })), "{bad}");
        }
        for bad in ["10001", "99999999999999999999999"] {
            assert!(matches!(FeeRate::parse_sat_per_vb(bad), Err(FeeRateError::TooHigh { .. })), "{bad}");
        }
    }
}
