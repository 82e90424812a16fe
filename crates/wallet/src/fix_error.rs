//! Why a payment that waits could not be mended.

use mycoin_light::LightError;
use mycoin_primitives::{Failure, Height, OutPoint, Txid};

use crate::error::{PaymentError, WalletError};

/// Why a payment that waits could not be mended. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum FixError {
    /// The wallet does not know it.
    #[error("the wallet knows no transaction {txid}")]
    Unknown {
        /// The transaction.
        txid: Txid,
    },
    /// A block holds it, so nothing can change it any more.
    #[error("transaction {txid} is confirmed already, in block {height}")]
    Confirmed {
        /// The transaction.
        txid: Txid,
        /// The block's height.
        height: Height,
    },
    /// Another one took its place, or it was dropped or given up.
    #[error("transaction {txid} does not count any more: it was replaced, dropped or given up")]
    Gone {
        /// The transaction.
        txid: Txid,
    },
    /// It spends coins of others.
    #[error("transaction {txid} was not paid by this wallet alone, so this wallet cannot replace it")]
    NotOurs {
        /// The transaction.
        txid: Txid,
    },
    /// It was sent with the promise that it stays as it is.
    #[error("transaction {txid} was sent as one that is not to be replaced (BIP125)")]
    NotReplaceable {
        /// The transaction.
        txid: Txid,
    },
    /// No output of it could be spent by a child.
    #[error("no unspent output of transaction {txid} is this wallet's, so it cannot pay for it by spending one")]
    NothingToSpend {
        /// The transaction.
        txid: Txid,
    },
    /// Its only outputs that are ours are frozen.
    #[error("the coin {coin} is frozen, and paying for its transaction would spend it")]
    Frozen {
        /// The coin.
        coin: OutPoint,
    },
    /// What its parents pay is not known, so nobody can say how much is missing.
    #[error("what transaction {txid} pays is not known, so what is missing cannot be worked out")]
    FeeUnknown {
        /// The transaction.
        txid: Txid,
    },
    /// It pays as much already.
    #[error("transaction {txid} pays {rate} already, which is as much")]
    PaysEnough {
        /// The transaction.
        txid: Txid,
        /// What it pays.
        rate: String,
    },
    /// Too little for nodes to take the new one instead of the old one.
    #[error("a fee rate of {given} is too low to replace it: nodes ask for at least {min}")]
    RateTooLow {
        /// What was asked for.
        given: String,
        /// The least.
        min: String,
    },
    /// The network has it.
    #[error("the proxy knows transaction {txid}, so it may be confirmed at any moment and cannot be given up")]
    StillKnown {
        /// The transaction.
        txid: Txid,
    },
    /// It was not given up.
    #[error("transaction {txid} was not given up")]
    NotAbandoned {
        /// The transaction.
        txid: Txid,
    },
    /// The new payment could not be made.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// The proxy could not be asked.
    #[error(transparent)]
    Proxy(#[from] LightError),
    /// The wallet file could not be written.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

impl Failure for FixError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "fix/unknown",
            Self::Confirmed { .. } => "fix/confirmed",
            Self::Gone { .. } => "fix/gone",
            Self::NotOurs { .. } => "fix/not-ours",
            Self::NotReplaceable { .. } => "fix/not-replaceable",
            Self::NothingToSpend { .. } => "fix/nothing-to-spend",
            Self::Frozen { .. } => "fix/frozen",
            Self::FeeUnknown { .. } => "fix/fee-unknown",
            Self::PaysEnough { .. } => "fix/pays-enough",
            Self::RateTooLow { .. } => "fix/rate-too-low",
            Self::StillKnown { .. } => "fix/still-known",
            Self::NotAbandoned { .. } => "fix/not-abandoned",
            Self::Payment(source) => source.code(),
            Self::Proxy(source) => source.code(),
            Self::Wallet(source) => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "Check the id in the history.",
            Self::Confirmed { .. } => "Nothing needs to be done.",
            Self::Gone { .. } => "Look at the history for what took its place, or pay again.",
            Self::NotOurs { .. } | Self::NotReplaceable { .. } => {
                "Accelerate it instead, if one of its outputs is yours; or wait."
            }
            Self::NothingToSpend { .. } => "Replace it with a higher fee if you sent it, or ask the sender to.",
            Self::Frozen { .. } => "Unfreeze the coin first.",
            Self::FeeUnknown { .. } => "Synchronise with another proxy and try again.",
            Self::PaysEnough { .. } => "Wait for the next blocks, or choose a higher rate.",
            Self::RateTooLow { .. } => "Choose a higher fee rate.",
            Self::StillKnown { .. } => "Cancel it instead: that pays its coins back to this wallet.",
            Self::NotAbandoned { .. } => "",
            Self::Payment(source) => source.next_step(),
            Self::Proxy(source) => source.next_step(),
            Self::Wallet(source) => source.next_step(),
        }
    }
}
