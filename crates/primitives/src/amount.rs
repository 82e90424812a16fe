//! Amounts as people write them. Inside, every amount is a whole number of base units ([`Amount`], "satoshis").

use crate::{Amount, Network};

/// No amount, and no sum of amounts, may be above this. Source: Bitcoin Core `MAX_MONEY`, consensus/amount.h.
pub const MAX_MONEY: Amount = Amount::MAX_MONEY;

/// Why an amount that somebody typed was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Nothing was typed.
    #[error("the amount is missing. Write how much to send, such as 1.5.")]
    Empty,
    /// Not a plain decimal number.
    #[error("“{text}” is not an amount. Write digits with at most one point, such as 1.5.")]
    NotANumber {
        /// What was typed.
        text: String,
    },
    /// Below zero.
    #[error("the amount is negative. Write an amount above zero.")]
    Negative,
    /// Nothing at all.
    #[error("the amount is zero. Write an amount above zero.")]
    Zero,
    /// Finer than the coin's smallest unit.
    #[error("the amount has {given} decimals, and {ticker} has at most {allowed}. Shorten the amount.")]
    TooManyDecimals {
        /// How many were typed.
        given: usize,
        /// How many the coin has.
        allowed: u8,
        /// The coin's ticker.
        ticker: String,
    },
    /// More than can ever exist.
    #[error("the amount is above {limit}, more than can ever exist. Check the number.")]
    TooLarge {
        /// The limit, as a person reads it.
        limit: String,
    },
}

/// Reads an amount in whole coins that a person typed: digits with at most one point.
///
/// # Errors
///
/// [`AmountError`] says what to change; zero and negative amounts are refused.
pub fn parse_amount(text: &str, network: &Network) -> Result<Amount, AmountError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(AmountError::Empty);
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && decimals.is_empty()) || !digits(whole) || !digits(decimals) {
        return Err(AmountError::NotANumber { text: text.to_owned() });
    }
    if unsigned.len() < text.len() {
        return Err(AmountError::Negative);
    }
    let places = usize::from(network.decimals);
    if decimals.len() > places {
        return Err(AmountError::TooManyDecimals {
            given: decimals.len(),
            allowed: network.decimals,
            ticker: network.ticker.clone(),
        });
    }
    let too_large = || AmountError::TooLarge { limit: format_amount(MAX_MONEY, network) };
    let units: u64 = format!("{whole}{decimals:0<places$}").parse().map_err(|_| too_large())?;
    match units {
        0 => Err(AmountError::Zero),
        units if units > MAX_MONEY.to_sat() => Err(too_large()),
        units => Ok(Amount::from_sat(units)),
    }
}

/// Writes `amount` in whole coins with all of the coin's decimals, so that columns line up: `5.00000000`.
pub fn format_coins(amount: Amount, network: &Network) -> String {
    let places = usize::from(network.decimals);
    let digits = format!("{:0>width$}", amount.to_sat(), width = places + 1);
    let (whole, decimals) = digits.split_at(digits.len() - places);
    if places == 0 { whole.to_owned() } else { format!("{whole}.{decimals}") }
}

/// Writes `amount` with the coin's ticker: `5.00000000 MYC`.
pub fn format_amount(amount: Amount, network: &Network) -> String {
    format!("{} {}", format_coins(amount, network), network.ticker)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn typed_amounts_that_are_refused() {
        let net = Network::demo();
        assert_eq!(parse_amount(" ", &net), Err(AmountError::Empty));
        assert_eq!(parse_amount("0", &net), Err(AmountError::Zero));
        assert_eq!(parse_amount("0.00000000", &net), Err(AmountError::Zero));
        assert_eq!(parse_amount("-1", &net), Err(AmountError::Negative));
        for bad in ["one", "1e8", "1,5", "1.2.3", ".", "-", "+1", "0x10", "١"] {
            assert!(matches!(parse_amount(bad, &net), Err(AmountError::NotANumber { .. })), "{bad}");
        }
        assert!(matches!(
            parse_amount("1.123456789", &net),
            Err(AmountError::TooManyDecimals { given: 9, allowed: 8, .. })
        ));
        for bad in ["21000000.00000001", "99999999999999999999"] {
            assert!(matches!(parse_amount(bad, &net), Err(AmountError::TooLarge { .. })), "{bad}");
        }
    }

    #[test]
    fn typed_amounts_that_are_taken() {
        let net = Network::demo();
        assert_eq!(parse_amount("5", &net), Ok(Amount::from_sat(500_000_000)));
        assert_eq!(parse_amount(".5", &net), Ok(Amount::from_sat(50_000_000)));
        assert_eq!(parse_amount("0.00000001", &net), Ok(Amount::from_sat(1)));
        assert_eq!(parse_amount("21000000", &net), Ok(MAX_MONEY));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(units in 1..=MAX_MONEY.to_sat(), decimals in 0u8..=8) {
            let mut net = Network::demo();
            net.decimals = decimals;
            let amount = Amount::from_sat(units);
            prop_assert_eq!(parse_amount(&format_coins(amount, &net), &net), Ok(amount));
        }
    }
}
