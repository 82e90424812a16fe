//! The rules' stable codes in the error catalogue.

use mycoin_primitives::Failure;

use crate::{BlockRuleError, HeaderRuleError, TxRuleError};

impl Failure for HeaderRuleError {
    fn code(&self) -> &'static str {
        match self {
            Self::TargetOutOfRange { .. } => "header/target-out-of-range",
            Self::HighHash { .. } => "header/high-hash",
            Self::WrongBits { .. } => "header/wrong-bits",
            Self::TimeTooOld { .. } => "header/time-too-old",
            Self::TimewarpBip94 { .. } => "header/timewarp-bip94",
            Self::TimewarpBip54 { .. } => "header/timewarp-bip54",
            Self::PeriodEndsBeforeItBegan { .. } => "header/period-ends-before-it-began",
            Self::TimeTooNew { .. } => "header/time-too-new",
            Self::ObsoleteVersion { .. } => "header/obsolete-version",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::TimeTooNew { .. } => "Check this machine's clock, then try again later.",
            Self::TargetOutOfRange { .. }
            | Self::HighHash { .. }
            | Self::WrongBits { .. }
            | Self::TimeTooOld { .. }
            | Self::TimewarpBip94 { .. }
            | Self::TimewarpBip54 { .. }
            | Self::PeriodEndsBeforeItBegan { .. }
            | Self::ObsoleteVersion { .. } => "Mine the block again on a fresh template.",
        }
    }
}

impl Failure for TxRuleError {
    fn code(&self) -> &'static str {
        match self {
            Self::InputsEmpty => "tx/inputs-empty",
            Self::OutputsEmpty => "tx/outputs-empty",
            Self::Oversize { .. } => "tx/oversize",
            Self::OutputNegative { .. } => "tx/output-negative",
            Self::OutputTooLarge { .. } => "tx/output-too-large",
            Self::OutputTotalTooLarge { .. } => "tx/output-total-too-large",
            Self::InputsDuplicate { .. } => "tx/inputs-duplicate",
            Self::CoinbaseScriptSize { .. } => "tx/coinbase-script-size",
            Self::PrevoutNull { .. } => "tx/prevout-null",
            Self::SixtyFourBytes => "tx/sixty-four-bytes",
            Self::NotFinal { .. } => "tx/not-final",
            Self::InputMissingOrSpent { .. } => "tx/input-missing-or-spent",
            Self::PrematureCoinbaseSpend { .. } => "tx/premature-coinbase-spend",
            Self::InputValuesOutOfRange { .. } => "tx/input-values-out-of-range",
            Self::OutputsAboveInputs { .. } => "tx/outputs-above-inputs",
            Self::TooManyLegacySignatureOperations { .. } => "tx/too-many-legacy-signature-operations",
            Self::SequenceLocked { .. } => "tx/sequence-locked",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::InputMissingOrSpent { .. } => "Refresh the wallet and make the payment again.",
            Self::NotFinal { .. } | Self::PrematureCoinbaseSpend { .. } | Self::SequenceLocked { .. } => {
                "Wait for more blocks, then send it again."
            }
            Self::InputsEmpty
            | Self::OutputsEmpty
            | Self::Oversize { .. }
            | Self::OutputNegative { .. }
            | Self::OutputTooLarge { .. }
            | Self::OutputTotalTooLarge { .. }
            | Self::InputsDuplicate { .. }
            | Self::CoinbaseScriptSize { .. }
            | Self::PrevoutNull { .. }
            | Self::SixtyFourBytes
            | Self::InputValuesOutOfRange { .. }
            | Self::OutputsAboveInputs { .. }
            | Self::TooManyLegacySignatureOperations { .. } => "Build the transaction again.",
        }
    }
}

impl Failure for BlockRuleError {
    fn code(&self) -> &'static str {
        match self {
            Self::BadMerkleRoot { .. } => "block/bad-merkle-root",
            Self::DuplicateTransactions => "block/duplicate-transactions",
            Self::InnerNodesAsTransactions => "block/inner-nodes-as-transactions",
            Self::BadLength { .. } => "block/bad-length",
            Self::CoinbaseMissing => "block/coinbase-missing",
            Self::CoinbaseMultiple { .. } => "block/coinbase-multiple",
            Self::Transaction { error, .. } => error.code(),
            Self::TooManySignatureOperations { .. } => "block/too-many-signature-operations",
            Self::CoinbaseHeight { .. } => "block/coinbase-height",
            Self::CoinbaseLockTime { .. } => "block/coinbase-lock-time",
            Self::CoinbaseFinal => "block/coinbase-final",
            Self::WitnessNonceSize => "block/witness-nonce-size",
            Self::WitnessCommitmentMismatch => "block/witness-commitment-mismatch",
            Self::UnexpectedWitness { .. } => "block/unexpected-witness",
            Self::TooHeavy { .. } => "block/too-heavy",
            Self::OverwritesUnspent { .. } => "block/overwrites-unspent",
            Self::FeesOutOfRange { .. } => "block/fees-out-of-range",
            Self::Script { error, .. } => error.code(),
            Self::CoinbaseAmount { .. } => "block/coinbase-amount",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::BadMerkleRoot { .. }
            | Self::DuplicateTransactions
            | Self::InnerNodesAsTransactions
            | Self::WitnessNonceSize
            | Self::WitnessCommitmentMismatch
            | Self::UnexpectedWitness { .. } => "Send the block again, unchanged.",
            Self::Transaction { error, .. } => error.next_step(),
            Self::Script { error, .. } => error.next_step(),
            Self::BadLength { .. }
            | Self::CoinbaseMissing
            | Self::CoinbaseMultiple { .. }
            | Self::TooManySignatureOperations { .. }
            | Self::CoinbaseHeight { .. }
            | Self::CoinbaseLockTime { .. }
            | Self::CoinbaseFinal
            | Self::TooHeavy { .. }
            | Self::OverwritesUnspent { .. }
            | Self::FeesOutOfRange { .. }
            | Self::CoinbaseAmount { .. } => "Mine the block again on a fresh template.",
        }
    }
}
