//! Bitcoin Core's words for each reason, as its RPC shows them.
//!
//! Clients compare these strings, so they are Core's to the letter; what a person reads is the reason's `Display`.
//! Source: Bitcoin Core v31 validation.cpp, policy/policy.cpp, policy/rbf.cpp, policy/truc_policy.cpp,
//! policy/ephemeral_policy.cpp, consensus/tx_verify.cpp; `ValidationState::ToString`, consensus/validation.h.

use mycoin_consensus::TxRuleError;
use mycoin_primitives::{Amount, Transaction};

use crate::error::{InputProblem, RejectReason};
use crate::policy::TRUC_VERSION;
use crate::truc::TrucViolation;

impl RejectReason {
    /// The short reason: `reject-reason` of `testmempoolaccept`.
    pub fn reject_reason(&self) -> String {
        match self {
            Self::ReplacementFee { sibling, .. } => format!("insufficient fee{}", sibling_word(*sibling)),
            Self::ReplacesTooMany { sibling, .. } => {
                format!("too many potential replacements{}", sibling_word(*sibling))
            }
            Self::WitnessStripped { error, .. } | Self::Unsigned { error, .. } | Self::Script { error, .. } => {
                format!("mempool-script-verify-flag-failed ({})", error.reason())
            }
            other => other.word().to_owned(),
        }
    }

    /// The reason with what Core adds to it: `reject-details` of `testmempoolaccept`, and the message of
    /// `sendrawtransaction`. `tx` is the transaction that was refused.
    pub fn reject_details(&self, tx: &Transaction) -> String {
        match self.debug_message(tx) {
            Some(message) => format!("{}, {message}", self.reject_reason()),
            None => self.reject_reason(),
        }
    }

    /// Whether only the witness is at fault, which anybody on the way may have changed: then neither the sender is to
    /// blame nor a transaction of the same id to be refused. Source: `TX_WITNESS_STRIPPED`, `TX_WITNESS_MUTATED`.
    pub const fn may_be_the_witness_alone(&self) -> bool {
        matches!(self, Self::WitnessStripped { .. } | Self::NonstandardWitness { .. })
    }

    /// The reason, where it has no parts that vary.
    const fn word(&self) -> &'static str {
        match self {
            // Blocks are refused with another word for the two locks.
            Self::Rule(TxRuleError::NotFinal { .. }) => "non-final",
            Self::Rule(TxRuleError::SequenceLocked { .. }) => "non-BIP68-final",
            Self::Rule(error) => error.reject_reason(),
            Self::Coinbase => "coinbase",
            Self::Version { .. } => "version",
            Self::TooHeavy { .. } => "tx-size",
            Self::TooSmall { .. } => "tx-size-small",
            Self::ScriptSigSize { .. } => "scriptsig-size",
            Self::ScriptSigNotPushOnly { .. } => "scriptsig-not-pushonly",
            Self::ScriptPubkey { .. } => "scriptpubkey",
            Self::BareMultisig { .. } => "bare-multisig",
            Self::DataCarrier { .. } => "datacarrier",
            Self::Dust { .. } | Self::DustWithFee { .. } => "dust",
            Self::UnspentDust { .. } => "missing-ephemeral-spends",
            Self::AlreadyWaiting { .. } => "txn-already-in-mempool",
            Self::OtherWitnessWaiting { .. } => "txn-same-nonwitness-data-in-mempool",
            Self::AlreadyConfirmed { .. } => "txn-already-known",
            Self::MissingInputs { .. } => "bad-txns-inputs-missingorspent",
            Self::LegacySigops { .. } | Self::NonstandardInput { .. } => "bad-txns-nonstandard-inputs",
            Self::NonstandardWitness { .. } => "bad-witness-nonstandard",
            Self::TooManySigops { .. } => "bad-txns-too-many-sigops",
            Self::BelowRelayFee { .. } => "min relay fee not met",
            Self::BelowPoolFee { .. } => "mempool min fee not met",
            Self::PoolFull => "mempool full",
            Self::FeeAboveLimit { .. } => "max-fee-exceeded",
            Self::Truc(_) => "TRUC-violation",
            Self::TooLargeCluster { .. } => "too-large-cluster",
            Self::SpendsReplaced { .. } => "bad-txns-spends-conflicting-tx",
            Self::Conflict { .. } => "bip125-replacement-disallowed",
            Self::ReplacementFee { .. } => "insufficient fee",
            Self::ReplacementRate { .. } => "replacement-failed",
            Self::ReplacesTooMany { .. } => "too many potential replacements",
            Self::WitnessStripped { .. } | Self::Unsigned { .. } | Self::Script { .. } => {
                "mempool-script-verify-flag-failed"
            }
        }
    }

    fn debug_message(&self, tx: &Transaction) -> Option<String> {
        let txid = tx.compute_txid();
        Some(match self {
            Self::Rule(error) => return rule_message(error),
            Self::DustWithFee { .. } => "tx with dust output must be 0-fee".to_owned(),
            Self::UnspentDust { .. } => {
                format!("tx {txid} (wtxid={}) did not spend parent's ephemeral dust", tx.compute_wtxid())
            }
            Self::LegacySigops { .. } => "non-witness sigops exceed bip54 limit".to_owned(),
            Self::NonstandardInput { input, problem } => input_message(*input, problem),
            Self::TooManySigops { cost, .. } => cost.to_string(),
            Self::BelowRelayFee { fee, least } | Self::BelowPoolFee { fee, least } => {
                format!("{} < {}", fee.to_sat(), least.to_sat())
            }
            Self::Truc(violation) => violation.message(tx),
            Self::SpendsReplaced { replaced } => format!("{txid} spends conflicting transaction {replaced}"),
            Self::ReplacementFee { fee, paid, least, .. } => {
                let rest = match fee.checked_sub(*paid) {
                    None => format!("less fees than conflicting txs; {} < {}", money(*fee), money(*paid)),
                    Some(added) => {
                        let relay = least.checked_sub(*paid).unwrap_or(Amount::ZERO);
                        format!("not enough additional fees to relay; {} < {}", money(added), money(relay))
                    }
                };
                format!("rejecting replacement {txid}, {rest}")
            }
            Self::ReplacementRate { .. } => "insufficient feerate: does not improve feerate diagram".to_owned(),
            Self::ReplacesTooMany { count, limit, .. } => {
                format!("rejecting replacement {txid}; too many conflicting clusters ({count} > {limit})")
            }
            Self::WitnessStripped { input, .. } | Self::Unsigned { input, .. } | Self::Script { input, .. } => {
                let spent = tx.input.get(*input)?.previous_output;
                format!(
                    "input {input} of {txid} (wtxid {}), spending {}:{}",
                    tx.compute_wtxid(),
                    spent.txid,
                    spent.vout
                )
            }
            Self::Coinbase
            | Self::Version { .. }
            | Self::TooHeavy { .. }
            | Self::TooSmall { .. }
            | Self::ScriptSigSize { .. }
            | Self::ScriptSigNotPushOnly { .. }
            | Self::ScriptPubkey { .. }
            | Self::BareMultisig { .. }
            | Self::DataCarrier { .. }
            | Self::Dust { .. }
            | Self::AlreadyWaiting { .. }
            | Self::OtherWitnessWaiting { .. }
            | Self::AlreadyConfirmed { .. }
            | Self::MissingInputs { .. }
            | Self::NonstandardWitness { .. }
            | Self::PoolFull
            | Self::FeeAboveLimit { .. }
            | Self::TooLargeCluster { .. }
            | Self::Conflict { .. } => return None,
        })
    }
}

const fn sibling_word(sibling: bool) -> &'static str {
    if sibling { " (including sibling eviction)" } else { "" }
}

fn rule_message(error: &TxRuleError) -> Option<String> {
    match error {
        TxRuleError::PrematureCoinbaseSpend { created, height, .. } => {
            Some(format!("tried to spend coinbase at depth {}", height.above(*created)))
        }
        TxRuleError::OutputsAboveInputs { paid, held } => {
            Some(format!("value in ({}) < value out ({})", money(*held), money(*paid)))
        }
        TxRuleError::InputsEmpty
        | TxRuleError::OutputsEmpty
        | TxRuleError::Oversize { .. }
        | TxRuleError::OutputNegative { .. }
        | TxRuleError::OutputTooLarge { .. }
        | TxRuleError::OutputTotalTooLarge { .. }
        | TxRuleError::InputsDuplicate { .. }
        | TxRuleError::CoinbaseScriptSize { .. }
        | TxRuleError::PrevoutNull { .. }
        | TxRuleError::SixtyFourBytes
        | TxRuleError::NotFinal { .. }
        | TxRuleError::InputMissingOrSpent { .. }
        | TxRuleError::InputValuesOutOfRange { .. }
        | TxRuleError::TooManyLegacySignatureOperations { .. }
        | TxRuleError::SequenceLocked { .. } => None,
    }
}

fn input_message(input: usize, problem: &InputProblem) -> String {
    match problem {
        InputProblem::UnknownScript => format!("input {input} script unknown"),
        InputProblem::UndefinedWitnessProgram => format!("input {input} witness program is undefined"),
        InputProblem::MalformedScriptSig { error } => {
            format!("p2sh scriptsig malformed (input {input}: {})", error.reason())
        }
        InputProblem::MissingRedeemScript => format!("input {input} P2SH redeemscript missing"),
        InputProblem::RedeemScriptSigops { found, limit } => {
            format!("p2sh redeemscript sigops exceed limit (input {input}: {found} > {limit})")
        }
    }
}

impl TrucViolation {
    /// Core's words about `tx`, which breaks the rule.
    pub(crate) fn message(&self, tx: &Transaction) -> String {
        let own = format!("tx {} (wtxid={})", tx.compute_txid(), tx.compute_wtxid());
        match self {
            Self::SpendsTruc { parent, wtxid } => format!(
                "non-version={TRUC_VERSION} {own} cannot spend from version={TRUC_VERSION} tx {parent} (wtxid={wtxid})"
            ),
            Self::SpendsOther { parent, wtxid } => format!(
                "version={TRUC_VERSION} {own} cannot spend from non-version={TRUC_VERSION} tx {parent} (wtxid={wtxid})"
            ),
            Self::TooLarge { vsize, limit } => {
                format!("version={TRUC_VERSION} {own} is too big: {vsize} > {limit} virtual bytes")
            }
            Self::ChildTooLarge { vsize, limit } => {
                format!("version={TRUC_VERSION} child {own} is too big: {vsize} > {limit} virtual bytes")
            }
            Self::TooManyAncestors => format!("{own} would have too many ancestors"),
            Self::TooManyDescendants { parent, wtxid } => {
                format!("tx {parent} (wtxid={wtxid}) would exceed descendant count limit")
            }
        }
    }
}

/// An amount in whole coins with at least two decimals. Source: Bitcoin Core `FormatMoney`, util/moneystr.cpp.
fn money(amount: Amount) -> String {
    const COIN: u64 = 100_000_000;
    let (coins, rest) = (amount.to_sat() / COIN, amount.to_sat() % COIN);
    let decimals = format!("{rest:08}");
    let shown = decimals.trim_end_matches('0').len().max(2);
    format!("{coins}.{}", decimals.get(..shown).unwrap_or(&decimals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_two_decimals_or_more() {
        for (amount, text) in
            [(0, "0.00"), (1, "0.00000001"), (10_000_000, "0.10"), (123_456_000, "1.23456"), (5_000_000_000, "50.00")]
        {
            assert_eq!(money(Amount::from_sat(amount)), text);
        }
    }
}
