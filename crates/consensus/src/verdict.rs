//! Whom a broken rule blames: the block for good, the body that arrived, or nobody yet.

use crate::{BlockRuleError, HeaderRuleError};

/// What to do with a block that broke a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The hash is invalid for good, and so is every block on top of it.
    Invalid,
    /// This body does not belong to the header, which may still be good: forget the body, not the hash.
    Mutated,
    /// It may become valid as time passes: keep nothing, punish nobody.
    RetryLater,
}

/// Says what to do with the block. No `_` arm: whoever adds a rule decides here.
pub const fn verdict(error: &BlockRuleError) -> Verdict {
    match error {
        // The header's hash covers none of these: another body may fit it.
        BlockRuleError::BadMerkleRoot { .. }
        | BlockRuleError::DuplicateTransactions
        | BlockRuleError::InnerNodesAsTransactions
        | BlockRuleError::WitnessNonceSize
        | BlockRuleError::WitnessCommitmentMismatch
        | BlockRuleError::UnexpectedWitness { .. } => Verdict::Mutated,
        // Checked after the Merkle root, so the header's hash covers what broke the rule; weight and scripts are
        // checked after the witness commitment, so it covers those too.
        BlockRuleError::BadLength { .. }
        | BlockRuleError::CoinbaseMissing
        | BlockRuleError::CoinbaseMultiple { .. }
        | BlockRuleError::Transaction { .. }
        | BlockRuleError::TooManySignatureOperations { .. }
        | BlockRuleError::CoinbaseHeight { .. }
        | BlockRuleError::CoinbaseLockTime { .. }
        | BlockRuleError::CoinbaseFinal
        | BlockRuleError::TooHeavy { .. }
        | BlockRuleError::OverwritesUnspent { .. }
        | BlockRuleError::FeesOutOfRange { .. }
        | BlockRuleError::Script { .. }
        | BlockRuleError::CoinbaseAmount { .. } => Verdict::Invalid,
    }
}

/// Says what to do with the header. No `_` arm here either.
pub const fn header_verdict(error: &HeaderRuleError) -> Verdict {
    match error {
        HeaderRuleError::TimeTooNew { .. } => Verdict::RetryLater,
        HeaderRuleError::TargetOutOfRange { .. }
        | HeaderRuleError::HighHash { .. }
        | HeaderRuleError::WrongBits { .. }
        | HeaderRuleError::TimeTooOld { .. }
        | HeaderRuleError::TimewarpBip94 { .. }
        | HeaderRuleError::TimewarpBip54 { .. }
        | HeaderRuleError::PeriodEndsBeforeItBegan { .. }
        | HeaderRuleError::ObsoleteVersion { .. } => Verdict::Invalid,
    }
}
