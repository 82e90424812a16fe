//! Why a transaction may not wait here: one variant for each policy rule, with Bitcoin Core's reject string.

use mycoin_consensus::TxRuleError;
use mycoin_primitives::{Amount, Failure, FeeRate, OutPoint, Txid, Wtxid};
use mycoin_script::ScriptError;

/// The limit that a chain of unconfirmed transactions would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageLimit {
    /// Too many unconfirmed ancestors, itself included.
    AncestorCount,
    /// Its ancestors and itself are too large together.
    AncestorSize,
    /// An ancestor would have too many descendants, itself included.
    DescendantCount,
    /// An ancestor and its descendants would be too large together.
    DescendantSize,
}

impl PackageLimit {
    const fn name(self) -> &'static str {
        match self {
            Self::AncestorCount => "the number of its ancestors",
            Self::AncestorSize => "the size of its ancestors",
            Self::DescendantCount => "the number of an ancestor's descendants",
            Self::DescendantSize => "the size of an ancestor's descendants",
        }
    }
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
        version: i32,
        /// The highest that is relayed.
        highest: i32,
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
    /// An output locked in a way that this node does not spend.
    #[error("output {output} is locked in a way that this coin does not use yet")]
    ScriptPubkey {
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
    /// An output that costs more to spend than it is worth.
    #[error("output {output} holds {value}, less than it costs to spend; an output of its kind holds at least {least}")]
    Dust {
        /// The output.
        output: usize,
        /// Its value.
        value: Amount,
        /// The least value of such an output.
        least: Amount,
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
    /// A witness with parts that have no meaning yet.
    #[error("the witness of input {input} has an annex, which has no meaning yet")]
    WitnessAnnex {
        /// The input.
        input: usize,
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
    /// It would stand in too long a chain of unconfirmed transactions.
    #[error("the transaction would stand in too long a chain of unconfirmed ones: {} would be {value}, and the limit is {limit}", rule.name())]
    TooLongChain {
        /// Which limit.
        rule: PackageLimit,
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
    /// Rule 2: a replacement needs no unconfirmed coin that the replaced ones did not need.
    #[error(
        "the transaction would replace {waiting}, and also spends the unconfirmed {outpoint}, which that one does not"
    )]
    ReplacementAddsUnconfirmed {
        /// The transaction that it would replace.
        waiting: Txid,
        /// The new unconfirmed coin.
        outpoint: OutPoint,
    },
    /// Rule 3 and 4: a replacement pays for what it replaces and for its own relay.
    #[error(
        "the transaction spends a coin that the waiting transaction {waiting} spends already; \
         to replace that one it must pay a fee of at least {least}, and it pays {fee}"
    )]
    ReplacementFee {
        /// The transaction that it would replace.
        waiting: Txid,
        /// Its fee.
        fee: Amount,
        /// The least fee.
        least: Amount,
    },
    /// A replacement's fee rate is above that of each one that it replaces directly.
    #[error(
        "the transaction spends a coin that the waiting transaction {waiting} spends already; \
         to replace that one it must pay more than {rate_to_beat}, and it pays {rate}"
    )]
    ReplacementRate {
        /// The transaction that it would replace.
        waiting: Txid,
        /// Its fee rate.
        rate: FeeRate,
        /// The rate that it must exceed.
        rate_to_beat: FeeRate,
    },
    /// Rule 5: a replacement evicts at most so many.
    #[error("the transaction would replace {count} waiting ones; at most {limit} are replaced at once")]
    ReplacesTooMany {
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// An input spends what only the script interpreter could check.
    #[error("input {input} cannot be checked: {error}")]
    NonstandardInput {
        /// The input.
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

impl RejectReason {
    /// Bitcoin Core's reject string, as `sendrawtransaction` and `testmempoolaccept` show it.
    ///
    /// Source: Bitcoin Core v30, validation.cpp, policy/policy.cpp, policy/rbf.cpp.
    pub fn reject_reason(&self) -> String {
        match self {
            // Blocks are refused with another word for the two locks.
            Self::Rule(TxRuleError::NotFinal { .. }) => "non-final".into(),
            Self::Rule(TxRuleError::SequenceLocked { .. }) => "non-BIP68-final".into(),
            Self::Rule(error) => error.reject_reason().into(),
            Self::Coinbase => "coinbase".into(),
            Self::Version { .. } => "version".into(),
            Self::TooHeavy { .. } => "tx-size".into(),
            Self::TooSmall { .. } => "tx-size-small".into(),
            Self::ScriptSigSize { .. } => "scriptsig-size".into(),
            Self::ScriptSigNotPushOnly { .. } => "scriptsig-not-pushonly".into(),
            Self::ScriptPubkey { .. } => "scriptpubkey".into(),
            Self::DataCarrier { .. } => "datacarrier".into(),
            Self::Dust { .. } => "dust".into(),
            Self::AlreadyWaiting { .. } => "txn-already-in-mempool".into(),
            Self::OtherWitnessWaiting { .. } => "txn-same-nonwitness-data-in-mempool".into(),
            Self::AlreadyConfirmed { .. } => "txn-already-known".into(),
            Self::MissingInputs { .. } => "bad-txns-inputs-missingorspent".into(),
            Self::WitnessAnnex { .. } => "bad-witness-nonstandard".into(),
            Self::TooManySigops { .. } => "bad-txns-too-many-sigops".into(),
            Self::BelowRelayFee { fee, least } => {
                format!("min relay fee not met, {} < {}", fee.to_sat(), least.to_sat())
            }
            Self::BelowPoolFee { fee, least } => {
                format!("mempool min fee not met, {} < {}", fee.to_sat(), least.to_sat())
            }
            Self::PoolFull => "mempool full".into(),
            Self::FeeAboveLimit { .. } => "max-fee-exceeded".into(),
            Self::TooLongChain { .. } => "too-long-mempool-chain".into(),
            Self::SpendsReplaced { .. } => "bad-txns-spends-conflicting-tx".into(),
            Self::Conflict { .. } => "txn-mempool-conflict".into(),
            Self::ReplacementAddsUnconfirmed { .. } => "replacement-adds-unconfirmed".into(),
            Self::ReplacementFee { fee, least, .. } => {
                format!("insufficient fee, rejecting replacement; {} < {}", fee.to_sat(), least.to_sat())
            }
            Self::ReplacementRate { rate, rate_to_beat, .. } => format!(
                "insufficient fee, rejecting replacement; new feerate {} <= old feerate {}",
                rate.to_sat_per_kvb(),
                rate_to_beat.to_sat_per_kvb()
            ),
            Self::ReplacesTooMany { .. } => "too many potential replacements".into(),
            Self::NonstandardInput { .. } => "bad-txns-nonstandard-inputs".into(),
            Self::Unsigned { error, .. } | Self::Script { error, .. } => {
                format!("mempool-script-verify-flag-failed ({error})")
            }
        }
    }
}

impl Failure for RejectReason {
    fn code(&self) -> &'static str {
        match self {
            Self::Rule(error) => error.code(),
            Self::Coinbase => "tx/coinbase",
            Self::Version { .. }
            | Self::ScriptSigSize { .. }
            | Self::ScriptSigNotPushOnly { .. }
            | Self::ScriptPubkey { .. }
            | Self::DataCarrier { .. }
            | Self::WitnessAnnex { .. }
            | Self::TooManySigops { .. }
            | Self::NonstandardInput { .. } => "tx/non-standard",
            Self::TooHeavy { .. } => "tx/too-large",
            Self::TooSmall { .. } => "tx/too-small",
            Self::Dust { .. } => "tx/dust",
            Self::AlreadyWaiting { .. } | Self::OtherWitnessWaiting { .. } => "tx/already-sent",
            Self::AlreadyConfirmed { .. } => "tx/already-confirmed",
            Self::MissingInputs { .. } => "tx/missing-inputs",
            Self::BelowRelayFee { .. } | Self::BelowPoolFee { .. } => "tx/fee-too-low",
            Self::PoolFull => "tx/pool-full",
            Self::FeeAboveLimit { .. } => "tx/fee-too-high",
            Self::TooLongChain { .. } => "tx/too-long-chain",
            Self::SpendsReplaced { .. }
            | Self::Conflict { .. }
            | Self::ReplacementAddsUnconfirmed { .. }
            | Self::ReplacementFee { .. }
            | Self::ReplacementRate { .. }
            | Self::ReplacesTooMany { .. } => "tx/double-spend",
            Self::Unsigned { .. } => "tx/unsigned",
            Self::Script { .. } => "tx/wrong-signature",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Rule(error) => error.next_step(),
            Self::Coinbase => "Send a transaction that spends coins.",
            Self::Version { .. } => "Make the transaction again as version 2.",
            Self::TooHeavy { .. } => "Split the payment into several smaller ones.",
            Self::TooSmall { .. } => "Add an output or an input.",
            Self::ScriptSigSize { .. } | Self::ScriptSigNotPushOnly { .. } | Self::WitnessAnnex { .. } => {
                "Sign the transaction again with a wallet of this coin."
            }
            Self::ScriptPubkey { .. } => "Pay to an address that a wallet of this coin made.",
            Self::DataCarrier { .. } => "Put less data into the transaction.",
            Self::TooManySigops { .. } => "Spend fewer coins at once.",
            Self::Dust { .. } => "Send a larger amount.",
            Self::AlreadyWaiting { .. } | Self::OtherWitnessWaiting { .. } => {
                "There is nothing to do: it is confirmed with one of the next blocks."
            }
            Self::AlreadyConfirmed { .. } => "There is nothing to do: the payment is in the chain.",
            Self::MissingInputs { .. } => {
                "Bring the wallet up to date and make the payment again; if it spends an unsent transaction, send that first."
            }
            Self::BelowRelayFee { .. } => "Choose a higher fee.",
            Self::BelowPoolFee { .. } | Self::PoolFull => "Choose a higher fee, or try again later.",
            Self::FeeAboveLimit { .. } => "Check the fee; if it is meant, raise the limit.",
            Self::TooLongChain { .. } => "Wait until the earlier payments are confirmed.",
            Self::SpendsReplaced { .. }
            | Self::Conflict { .. }
            | Self::ReplacementAddsUnconfirmed { .. }
            | Self::ReplacesTooMany { .. } => {
                "Wait for the earlier payment, or bring the wallet up to date and pay with other coins."
            }
            Self::ReplacementFee { .. } | Self::ReplacementRate { .. } => {
                "Wait for the earlier payment, or pay a higher fee to replace it."
            }
            Self::NonstandardInput { .. } => "Spend coins that a wallet of this coin owns.",
            Self::Unsigned { .. } => "Sign the transaction, then send it again.",
            Self::Script { .. } => "Sign the transaction again with the wallet that owns the coins.",
        }
    }
}
