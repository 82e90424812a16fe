//! Every consensus rule, as the error of breaking it. One variant is one rule, with a test of its name.
//!
//! `reject_reason` gives Bitcoin's reject string; for BIP54's rules, those of its reference implementation.

use mycoin_primitives::{Amount, BlockHash, CompactTarget, Height, OutPoint, Sequence, TxMerkleNode, Txid};
use mycoin_script::ScriptError;

/// The rules that a header can break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderRuleError {
    /// The target is a positive number no easier than the network's limit.
    #[error("the header's target {:#010x} is no number between 1 and the network's limit", bits.to_consensus())]
    TargetOutOfRange {
        /// The header's target.
        bits: CompactTarget,
    },
    /// The hash is at most the target.
    #[error("the header's hash {hash} is above its target: the proof of work is missing")]
    HighHash {
        /// The header's hash.
        hash: BlockHash,
    },
    /// The target is the one that the branch asks for.
    #[error("the header's target is {:#010x}, its branch asks for {:#010x}", found.to_consensus(), expected.to_consensus())]
    WrongBits {
        /// What the branch asks for.
        expected: CompactTarget,
        /// What the header has.
        found: CompactTarget,
    },
    /// The time is after the median time past.
    #[error("the header's time {time} is not after {median_time_past}, the median of the blocks before it")]
    TimeTooOld {
        /// The header's time.
        time: u32,
        /// The median time past of its parent.
        median_time_past: u32,
    },
    /// The first block of a period is not more than 600 s older than its parent. Source: BIP94.
    #[error("the time {time} of a period's first block is more than 600 s before its parent's, {parent_time}")]
    TimewarpBip94 {
        /// The header's time.
        time: u32,
        /// Its parent's.
        parent_time: u32,
    },
    /// The first block of a period is not more than 7,200 s older than its parent. Source: BIP54.
    #[error("the time {time} of a period's first block is more than 7,200 s before its parent's, {parent_time}")]
    TimewarpBip54 {
        /// The header's time.
        time: u32,
        /// Its parent's.
        parent_time: u32,
    },
    /// The last block of a period is not older than its first. Source: BIP54.
    #[error("the time {time} of a period's last block is before its first block's, {first_time}")]
    PeriodEndsBeforeItBegan {
        /// The header's time.
        time: u32,
        /// That of the period's first block.
        first_time: u32,
    },
    /// The time is at most two hours ahead of the node's clock.
    #[error("the header's time {time} is more than two hours after now, {now}")]
    TimeTooNew {
        /// The header's time.
        time: u32,
        /// The node's clock.
        now: u32,
    },
    /// The version is at least 4. Source: BIP34, BIP65, BIP66.
    #[error("the header's version {version} is obsolete; the lowest is 4")]
    ObsoleteVersion {
        /// The header's version.
        version: i32,
    },
}

impl HeaderRuleError {
    /// Bitcoin's reject string.
    pub fn reject_reason(&self) -> String {
        match self {
            Self::TargetOutOfRange { .. } | Self::HighHash { .. } => "high-hash".to_owned(),
            Self::WrongBits { .. } => "bad-diffbits".to_owned(),
            Self::TimeTooOld { .. } => "time-too-old".to_owned(),
            Self::TimewarpBip94 { .. } | Self::TimewarpBip54 { .. } => "time-timewarp-attack".to_owned(),
            Self::PeriodEndsBeforeItBegan { .. } => "time-negative-interval".to_owned(),
            Self::TimeTooNew { .. } => "time-too-new".to_owned(),
            Self::ObsoleteVersion { version } => format!("bad-version(0x{version:08x})"),
        }
    }
}

/// The rules that a transaction can break, its scripts left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TxRuleError {
    /// It has an input.
    #[error("the transaction has no inputs")]
    InputsEmpty,
    /// It has an output.
    #[error("the transaction has no outputs")]
    OutputsEmpty,
    /// Without its witnesses it fits in a block.
    #[error("the transaction has {stripped_bytes} bytes without witnesses; a block holds 1,000,000")]
    Oversize {
        /// Its size without witnesses.
        stripped_bytes: usize,
    },
    /// No output's amount is negative (as Bitcoin reads the 64 bits).
    #[error("output {output} has a negative amount")]
    OutputNegative {
        /// The output's index.
        output: usize,
    },
    /// No output is above the greatest amount that can exist.
    #[error("output {output} pays {value}, more than can exist")]
    OutputTooLarge {
        /// The output's index.
        output: usize,
        /// Its amount.
        value: Amount,
    },
    /// All outputs together aren't above the greatest amount that can exist.
    #[error("the outputs up to output {output} together pay more than can exist")]
    OutputTotalTooLarge {
        /// The output that exceeds it.
        output: usize,
    },
    /// No two inputs spend the same output.
    #[error("inputs {first} and {second} both spend {outpoint}")]
    InputsDuplicate {
        /// What both spend.
        outpoint: OutPoint,
        /// The first input's index.
        first: usize,
        /// The second's.
        second: usize,
    },
    /// A coinbase's script has 2 to 100 bytes.
    #[error("the coinbase's script has {bytes} bytes; it takes 2 to 100")]
    CoinbaseScriptSize {
        /// How many it has.
        bytes: usize,
    },
    /// Only a coinbase has an input without an outpoint.
    #[error("input {input} spends nothing")]
    PrevoutNull {
        /// The input's index.
        input: usize,
    },
    /// Without its witnesses it does not have exactly 64 bytes. Source: BIP54.
    #[error("the transaction has exactly 64 bytes without witnesses, as an inner node of the Merkle tree has")]
    SixtyFourBytes,
    /// Its lock time has passed, or every input is final. Source: BIP113.
    #[error("the transaction is locked until after {lock_time}")]
    NotFinal {
        /// Its lock time: a height, or a time.
        lock_time: mycoin_primitives::bitcoin::absolute::LockTime,
    },
    /// What it spends exists and is unspent.
    #[error("input {input} spends {outpoint}, which does not exist or is already spent")]
    InputMissingOrSpent {
        /// The input's index.
        input: usize,
        /// What it spends.
        outpoint: OutPoint,
    },
    /// A coinbase that it spends has matured.
    #[error(
        "input {input} spends the coinbase of block {created} at height {height}; it can be spent {maturity} blocks after"
    )]
    PrematureCoinbaseSpend {
        /// The input's index.
        input: usize,
        /// The height of the coinbase.
        created: Height,
        /// The height at which it would be spent.
        height: Height,
        /// How many blocks must lie between.
        maturity: u32,
    },
    /// Neither an input nor all together are above the greatest amount that can exist.
    #[error("the inputs up to input {input} together hold more than can exist")]
    InputValuesOutOfRange {
        /// The input that exceeds it.
        input: usize,
    },
    /// The outputs do not pay more than the inputs hold.
    #[error("the outputs pay {paid}, the inputs hold only {held}")]
    OutputsAboveInputs {
        /// What the outputs pay.
        paid: Amount,
        /// What the inputs hold.
        held: Amount,
    },
    /// At most 2,500 legacy signature operations are executed. Source: BIP54.
    #[error("the inputs execute {found} legacy signature operations; a transaction may have 2,500")]
    TooManyLegacySignatureOperations {
        /// How many there are.
        found: u64,
    },
    /// Each input's relative lock has passed. Source: BIP68, BIP112.
    #[error("input {input} is locked by its sequence number {:#010x} until later", sequence.to_consensus_u32())]
    SequenceLocked {
        /// The input's index.
        input: usize,
        /// Its sequence number.
        sequence: Sequence,
    },
}

impl TxRuleError {
    /// Bitcoin's reject string, as blocks are refused with it.
    ///
    /// The mempool words the two locks differently (`non-final`, `non-BIP68-final`).
    pub const fn reject_reason(&self) -> &'static str {
        match self {
            Self::InputsEmpty => "bad-txns-vin-empty",
            Self::OutputsEmpty => "bad-txns-vout-empty",
            Self::Oversize { .. } => "bad-txns-oversize",
            Self::OutputNegative { .. } => "bad-txns-vout-negative",
            Self::OutputTooLarge { .. } => "bad-txns-vout-toolarge",
            Self::OutputTotalTooLarge { .. } => "bad-txns-txouttotal-toolarge",
            Self::InputsDuplicate { .. } => "bad-txns-inputs-duplicate",
            Self::CoinbaseScriptSize { .. } => "bad-cb-length",
            Self::PrevoutNull { .. } => "bad-txns-prevout-null",
            Self::SixtyFourBytes => "bad-txns-size",
            Self::NotFinal { .. } | Self::SequenceLocked { .. } => "bad-txns-nonfinal",
            Self::InputMissingOrSpent { .. } => "bad-txns-inputs-missingorspent",
            Self::PrematureCoinbaseSpend { .. } => "bad-txns-premature-spend-of-coinbase",
            Self::InputValuesOutOfRange { .. } => "bad-txns-inputvalues-outofrange",
            Self::OutputsAboveInputs { .. } => "bad-txns-in-belowout",
            Self::TooManyLegacySignatureOperations { .. } => "bad-txns-legacy-sigops",
        }
    }
}

/// The rules that a block can break, its header left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockRuleError {
    /// The header's Merkle root is that of the transactions.
    #[error("the transactions' Merkle root is {computed}, the header says {header}")]
    BadMerkleRoot {
        /// What the header says.
        header: TxMerkleNode,
        /// What the transactions give.
        computed: TxMerkleNode,
    },
    /// No transactions are repeated so that the Merkle root stays the same. Source: CVE-2012-2459.
    #[error("the block repeats transactions at its end")]
    DuplicateTransactions,
    /// Its first transaction is a coinbase; one of its transactions could be an inner node of the Merkle tree.
    #[error("the block has no coinbase, and its transactions could be inner nodes of another block's Merkle tree")]
    InnerNodesAsTransactions,
    /// It has a transaction, and without witnesses it is within the size limit.
    #[error(
        "the block has {transactions} transactions and {stripped_bytes} bytes without witnesses; it takes 1 to 1,000,000 of each"
    )]
    BadLength {
        /// How many transactions it has.
        transactions: usize,
        /// Its size without witnesses.
        stripped_bytes: usize,
    },
    /// The first transaction is a coinbase.
    #[error("the block's first transaction is not a coinbase")]
    CoinbaseMissing,
    /// Only the first is.
    #[error("the block has a second coinbase, transaction {index}")]
    CoinbaseMultiple {
        /// The second coinbase's index.
        index: usize,
    },
    /// Its transactions hold to their rules.
    #[error("transaction {txid}: {error}")]
    Transaction {
        /// Its place in the block.
        index: usize,
        /// Its id.
        txid: Txid,
        /// The rule that it breaks.
        error: TxRuleError,
    },
    /// Its signature operations fit in the budget.
    #[error("the block's signature operations cost {cost} up to transaction {index}; the limit is 80,000")]
    TooManySignatureOperations {
        /// The transaction that exceeds it.
        index: usize,
        /// What they cost.
        cost: u64,
    },
    /// The coinbase's script begins with the block's height. Source: BIP34.
    #[error("the coinbase does not begin with the block's height, {height}")]
    CoinbaseHeight {
        /// The block's height.
        height: Height,
    },
    /// The coinbase's lock time is the height of its parent. Source: BIP54.
    #[error("the coinbase's lock time is {found}, not {expected}, the height of the block's parent")]
    CoinbaseLockTime {
        /// The coinbase's lock time.
        found: u32,
        /// The parent's height.
        expected: Height,
    },
    /// The coinbase's sequence number is not the final one. Source: BIP54.
    #[error("the coinbase's sequence number is 0xffffffff, which switches its lock time off")]
    CoinbaseFinal,
    /// A coinbase with a witness commitment has a witness of one item of 32 bytes. Source: BIP141.
    #[error("the coinbase's witness is not one item of 32 bytes")]
    WitnessNonceSize,
    /// The witness commitment is that of the witnesses. Source: BIP141.
    #[error("the witness commitment does not fit the block's witnesses")]
    WitnessCommitmentMismatch,
    /// Without a witness commitment no transaction has a witness. Source: BIP141.
    #[error("transaction {index} has a witness, and the block commits to none")]
    UnexpectedWitness {
        /// Its place in the block.
        index: usize,
    },
    /// It is within the weight limit. Source: BIP141.
    #[error("the block weighs {weight}; the limit is 4,000,000")]
    TooHeavy {
        /// Its weight.
        weight: u64,
    },
    /// None of its transactions has the id of one with unspent outputs. Source: BIP30.
    #[error("transaction {txid} repeats the id of a transaction with unspent outputs")]
    OverwritesUnspent {
        /// The id.
        txid: Txid,
    },
    /// All fees together aren't above the greatest amount that can exist.
    #[error("the fees up to transaction {index} together are more than can exist")]
    FeesOutOfRange {
        /// The transaction that exceeds it.
        index: usize,
    },
    /// An input's script holds.
    #[error("input {input} of transaction {txid}: {error}")]
    Script {
        /// The transaction's place in the block.
        index: usize,
        /// Its id.
        txid: Txid,
        /// The input's index.
        input: usize,
        /// The rule that it breaks.
        error: ScriptError,
    },
    /// The coinbase pays at most the subsidy and the fees.
    #[error("the coinbase pays {paid}; subsidy and fees are {allowed}")]
    CoinbaseAmount {
        /// What it pays.
        paid: Amount,
        /// What it may pay.
        allowed: Amount,
    },
}

impl BlockRuleError {
    /// Bitcoin's reject string.
    pub fn reject_reason(&self) -> String {
        let reason = match self {
            Self::BadMerkleRoot { .. } => "bad-txnmrklroot",
            Self::DuplicateTransactions => "bad-txns-duplicate",
            Self::InnerNodesAsTransactions | Self::CoinbaseMissing => "bad-cb-missing",
            Self::BadLength { .. } => "bad-blk-length",
            Self::CoinbaseMultiple { .. } => "bad-cb-multiple",
            Self::Transaction { error, .. } => error.reject_reason(),
            Self::TooManySignatureOperations { .. } => "bad-blk-sigops",
            Self::CoinbaseHeight { .. } => "bad-cb-height",
            Self::CoinbaseLockTime { .. } => "bad-cb-locktime",
            Self::CoinbaseFinal => "bad-cb-sequence",
            Self::WitnessNonceSize => "bad-witness-nonce-size",
            Self::WitnessCommitmentMismatch => "bad-witness-merkle-match",
            Self::UnexpectedWitness { .. } => "unexpected-witness",
            Self::TooHeavy { .. } => "bad-blk-weight",
            Self::OverwritesUnspent { .. } => "bad-txns-BIP30",
            Self::FeesOutOfRange { .. } => "bad-txns-accumulated-fee-outofrange",
            Self::Script { error, .. } => {
                return format!("block-script-verify-flag-failed ({})", error.reason());
            }
            Self::CoinbaseAmount { .. } => "bad-cb-amount",
        };
        reason.to_owned()
    }
}
