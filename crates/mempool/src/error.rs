//! Why a transaction may not wait here: one variant for each policy rule.
//!
//! `reject.rs` gives Bitcoin Core's strings for them, `failure.rs` what a person reads.

use mycoin_consensus::TxRuleError;
use mycoin_primitives::{Amount, FeeRate, OutPoint, Txid, Wtxid};
use mycoin_script::ScriptError;

use crate::truc::TrucViolation;

/// The limit that a cluster of unconfirmed transactions would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterLimit {
    /// Too many hang together.
    Count,
    /// They are too large together, in virtual bytes.
    Size,
}

impl ClusterLimit {
    const fn name(self) -> &'static str {
        match self {
            Self::Count => "number",
            Self::Size => "size in virtual bytes",
        }
    }
}

/// Why spending an output is not standard, its witness left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputProblem {
    /// Its script is of no standard kind.
    #[error("what it spends is locked by an unusual script")]
    UnknownScript,
    /// It is a witness program that has no meaning yet, so that anybody may spend it.
    #[error("what it spends is kept for later rules")]
    UndefinedWitnessProgram,
    /// A P2SH input's script cannot be run.
    #[error("its script is broken: {error}")]
    MalformedScriptSig {
        /// The script rule that it breaks.
        error: ScriptError,
    },
    /// A P2SH input without a redeem script.
    #[error("the script that its output names is missing")]
    MissingRedeemScript,
    /// A redeem script with many signature operations.
    #[error("its redeem script has {found} signature checks; at most {limit} are relayed")]
    RedeemScriptSigops {
        /// How many there are.
        found: u64,
        /// The limit.
        limit: u64,
    },
}

/// Why a witness is not standard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessProblem {
    /// An anchor is spent without a witness.
    #[error("an anchor takes none")]
    Anchor,
    /// What is spent takes no witness.
    #[error("what the input spends takes none")]
    NoWitnessProgram,
    /// A P2SH input without a redeem script.
    #[error("the script that the output names is missing")]
    NoRedeemScript,
    /// The witness script is large.
    #[error("its script has {size} bytes; at most {limit} are relayed")]
    ScriptSize {
        /// Its size in bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The stack has many items.
    #[error("it has {count} items; at most {limit} are relayed")]
    ItemCount {
        /// How many there are besides the script.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// An item is large.
    #[error("an item has {size} bytes; at most {limit} are relayed")]
    ItemSize {
        /// Its size in bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Taproot's annex has no meaning yet.
    #[error("it has an annex, which has no meaning yet")]
    Annex,
    /// A taproot script path without a control block.
    #[error("its control block is empty")]
    EmptyControlBlock,
}

/// The policy rules that a transaction can break. One variant is one rule, with a test of its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RejectReason {
    /// It breaks a consensus rule.
    #[error("{0}")]
    Rule(#[from] TxRuleError),
    /// A coinbase outside a block.
    #[error("this is a coinbase transaction, which can only stand in a block")]
    Coinbase,
    /// A version that is not relayed.
    #[error("the transaction has version {version}; versions 1 to {highest} are relayed")]
    Version {
        /// Its version.
        version: u32,
        /// The highest that is relayed.
        highest: u32,
    },
    /// Heavier than what is relayed.
    #[error("the transaction weighs {weight} units; at most {limit} are relayed")]
    TooHeavy {
        /// Its weight.
        weight: u64,
        /// The limit.
        limit: u64,
    },
    /// So small that it can be mistaken for an inner node of the Merkle tree.
    #[error("the transaction has {size} bytes without its witnesses; at least {least} are needed")]
    TooSmall {
        /// Its size without witnesses, in bytes.
        size: usize,
        /// The least size.
        least: usize,
    },
    /// An input's script is longer than any standard one.
    #[error("the script of input {input} has {size} bytes; at most {limit} are relayed")]
    ScriptSigSize {
        /// The input.
        input: usize,
        /// The script's size in bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// An input's script does more than push data.
    #[error("the script of input {input} does more than push data")]
    ScriptSigNotPushOnly {
        /// The input.
        input: usize,
    },
    /// An output of no standard kind.
    #[error("output {output} is locked by an unusual script")]
    ScriptPubkey {
        /// The output.
        output: usize,
    },
    /// A bare multisig output, where these are not relayed.
    #[error("output {output} is a bare multisig, which is not relayed")]
    BareMultisig {
        /// The output.
        output: usize,
    },
    /// More data in OP_RETURN outputs than what is relayed.
    #[error("the data outputs have {size} bytes together; at most {limit} are relayed")]
    DataCarrier {
        /// Their size in bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// More than one output that costs more to spend than it is worth.
    #[error("output {output} holds {value}, less than it costs to spend; an output of its kind holds at least {least}")]
    Dust {
        /// The output.
        output: usize,
        /// Its value.
        value: Amount,
        /// The least value of such an output.
        least: Amount,
    },
    /// An output that costs more to spend than it is worth, in a transaction that somebody earns from mining.
    #[error("output {output} holds {value}, less than it costs to spend; an output of its kind holds at least {least}")]
    DustWithFee {
        /// The output.
        output: usize,
        /// Its value.
        value: Amount,
        /// The least value of such an output.
        least: Amount,
    },
    /// It spends from an unconfirmed transaction and leaves that one's dust.
    #[error("the transaction leaves {outpoint}, a tiny output that must be spent together with the others")]
    UnspentDust {
        /// The dust that is left.
        outpoint: OutPoint,
    },
    /// The same transaction waits already.
    #[error("transaction {txid} was sent already and waits to be confirmed")]
    AlreadyWaiting {
        /// The transaction.
        txid: Txid,
    },
    /// The same transaction with other witnesses waits already.
    #[error("transaction {txid} was sent already, with other signatures, and waits to be confirmed")]
    OtherWitnessWaiting {
        /// The transaction.
        txid: Txid,
        /// The one that waits.
        waiting: Wtxid,
    },
    /// The same transaction is in the chain.
    #[error("transaction {txid} was sent already and is confirmed")]
    AlreadyConfirmed {
        /// The transaction.
        txid: Txid,
    },
    /// It spends a coin that is nowhere.
    #[error(
        "the transaction spends {outpoint}, which is not there: it was spent already, or its transaction is unknown"
    )]
    MissingInputs {
        /// The first missing coin.
        outpoint: OutPoint,
    },
    /// Its inputs may execute more signature operations outside of witnesses than what is relayed.
    #[error("the transaction's inputs have {found} signature checks outside of witnesses; at most {limit} are relayed")]
    LegacySigops {
        /// How many there are.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// An input spends in a way that is not relayed.
    #[error("input {input} is not relayed: {problem}")]
    NonstandardInput {
        /// The input.
        input: usize,
        /// What is unusual.
        problem: InputProblem,
    },
    /// A witness that is not relayed.
    #[error("the witness of input {input} is not relayed: {problem}")]
    NonstandardWitness {
        /// The input.
        input: usize,
        /// What is unusual.
        problem: WitnessProblem,
    },
    /// More signature checks than what is relayed.
    #[error("the transaction's signature checks cost {cost}; at most {limit} is relayed")]
    TooManySigops {
        /// Their cost.
        cost: u64,
        /// The limit.
        limit: u64,
    },
    /// It pays less than every node asks.
    #[error("the transaction pays a fee of {fee}; the lowest for its size is {least}")]
    BelowRelayFee {
        /// Its fee.
        fee: Amount,
        /// The least fee.
        least: Amount,
    },
    /// The pool is full, and it pays less than what was evicted lately.
    #[error("the transaction pays a fee of {fee}; so many others wait that at least {least} is needed for its size")]
    BelowPoolFee {
        /// Its fee.
        fee: Amount,
        /// The least fee now.
        least: Amount,
    },
    /// The pool is full, and everything that waits pays more.
    #[error("so many transactions wait that this one was dropped at once: all others pay more for their size")]
    PoolFull,
    /// It pays more than the sender allowed.
    #[error("the transaction pays a fee of {fee}, more than the limit of {limit} for its size")]
    FeeAboveLimit {
        /// Its fee.
        fee: Amount,
        /// The highest fee that the sender allowed.
        limit: Amount,
    },
    /// It breaks a rule on transactions of version 3.
    #[error("{0}")]
    Truc(#[from] TrucViolation),
    /// Too many unconfirmed transactions would hang together.
    #[error("the transaction would hang together with too many unconfirmed ones: their {} would be {value}, and the limit is {limit}", rule.name())]
    TooLargeCluster {
        /// Which limit.
        rule: ClusterLimit,
        /// The value with it.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// It spends the output of a transaction that it would replace.
    #[error("the transaction spends an output of {replaced}, which it would replace")]
    SpendsReplaced {
        /// The one that it would replace.
        replaced: Txid,
    },
    /// A waiting transaction spends the same coin, and replacing was not asked for.
    #[error("the transaction spends {outpoint}, which the waiting transaction {waiting} spends already")]
    Conflict {
        /// The coin.
        outpoint: OutPoint,
        /// The transaction that spends it.
        waiting: Txid,
    },
    /// Rule 3 and 4: a replacement pays for what it replaces and for its own relay.
    #[error(
        "the transaction spends a coin that the waiting transaction {waiting} spends already; \
         to replace that one it must pay a fee of at least {least}, and it pays {fee}"
    )]
    ReplacementFee {
        /// A transaction that it would replace.
        waiting: Txid,
        /// Its fee.
        fee: Amount,
        /// What all that it would replace pay.
        paid: Amount,
        /// The least fee.
        least: Amount,
        /// Whether a sibling would give way that spends other coins.
        sibling: bool,
    },
    /// A replacement is mined no later than what it replaces.
    #[error(
        "the transaction spends a coin that the waiting transaction {waiting} spends already; \
         to replace that one it must pay {rate_to_beat} or more, and with its ancestors it pays {rate}"
    )]
    ReplacementRate {
        /// The transaction that it would replace.
        waiting: Txid,
        /// Its fee rate, or that with its unconfirmed ancestors if lower.
        rate: FeeRate,
        /// The rate that is asked for.
        rate_to_beat: FeeRate,
    },
    /// Rule 5: a replacement's direct conflicts lie in at most so many clusters.
    #[error(
        "the transaction would replace others in {count} groups of waiting ones or more; at most {limit} are changed at once"
    )]
    ReplacesTooMany {
        /// In how many clusters they lie; no more than one above the limit is counted.
        count: usize,
        /// The limit.
        limit: usize,
        /// Whether a sibling would give way that spends other coins.
        sibling: bool,
    },
    /// The transaction has no witnesses at all, and spends what takes one: perhaps somebody took them away.
    #[error("input {input} of the transaction is not signed")]
    WitnessStripped {
        /// The first input that fails.
        input: usize,
        /// What the script check says.
        error: ScriptError,
    },
    /// An input has neither script nor witness.
    #[error("input {input} of the transaction is not signed")]
    Unsigned {
        /// The input.
        input: usize,
        /// What the script check says.
        error: ScriptError,
    },
    /// An input's signature or script does not unlock its coin.
    #[error("input {input} is not unlocked: {error}")]
    Script {
        /// The input.
        input: usize,
        /// The script rule that fails.
        error: ScriptError,
    },
}
