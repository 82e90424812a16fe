//! The error catalogue's form: what every failure that a person may meet tells about itself.

use crate::{AddressError, AmountError, FeeRateError, InvitationError, SpecError};

/// A failure of the catalogue: a stable code for machines, a sentence for people, and what to do next.
///
/// The sentence is the error's `Display`. RPC, REST, command line and window all show these three.
pub trait Failure: std::error::Error {
    /// A stable code, `area/what-failed`. Never changes once released.
    fn code(&self) -> &'static str;
    /// One sentence that says what to do next. Empty where the failure's own sentence already says it.
    fn next_step(&self) -> &'static str {
        ""
    }
}

impl Failure for AddressError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "address/missing",
            Self::OtherCoin { .. } => "address/other-coin",
            Self::BadCharacter { .. } => "address/bad-character",
            Self::MixedCase => "address/mixed-case",
            Self::Typo { .. } => "address/typo",
            Self::BadChecksum => "address/bad-checksum",
            Self::NotAnAddress { .. } => "address/invalid",
        }
    }
}

impl Failure for AmountError {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "amount/missing",
            Self::NotANumber { .. } => "amount/not-a-number",
            Self::Negative => "amount/negative",
            Self::Zero => "amount/zero",
            Self::TooManyDecimals { .. } => "amount/too-many-decimals",
            Self::TooLarge { .. } => "amount/too-large",
        }
    }
}

impl Failure for FeeRateError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotANumber { .. } => "fee-rate/not-a-number",
            Self::TooHigh { .. } => "fee-rate/too-high",
        }
    }
}

impl Failure for InvitationError {
    fn code(&self) -> &'static str {
        match self {
            Self::Form { .. } => "join/no-invitation",
            Self::Hash => "join/damaged",
        }
    }

    fn next_step(&self) -> &'static str {
        "Copy the whole string that `mycoin network show` prints."
    }
}

impl Failure for SpecError {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "spec/too-long",
            Self::NotToml { .. } => "spec/not-toml",
            Self::Field { .. } => "spec/wrong-field",
        }
    }

    fn next_step(&self) -> &'static str {
        "Correct the spec file and start again."
    }
}
