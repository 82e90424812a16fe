//! Decides validity from its arguments alone; every failure is a named rule.
//!
//! In:    headers, blocks and transactions, the branch they extend ([`HeaderBranch`]), the coins they spend, the time.
//! Out:   the rule that was broken, or what follows: a [`CheckedBlock`], a fee, [`BlockEffects`].
//! Never: I/O, clocks, randomness, threads. Policy (what is relayed) is the mempool's.
//!
//! A block goes through [`check_header`] → [`check_header_in_context`] → [`check_block`] → [`check_block_in_context`] →
//! [`connect_block`] → each [`ScriptCheck::run`]. The genesis block goes through none of them: it is the rule.
//!
//! Start at [`connect_block`].

mod asert;
mod block;
mod branch;
mod catalogue;
mod connect;
mod deployments;
mod error;
mod header;
mod merkle;
mod pow;
mod script_check;
mod spend;
mod subsidy;
mod transaction;
mod verdict;
mod wide;

pub use block::{
    CheckedBlock, MAX_BLOCK_SIGNATURE_OPERATION_COST, MAX_BLOCK_WEIGHT, check_block, check_block_in_context,
    coinbase_height_script,
};
pub use branch::{HeaderBranch, median_time_past};
pub use connect::{BlockEffects, Coins, coins_needed, coins_overwritten, coins_spent, connect_block};
pub use deployments::{SOFT_FORKS, SoftFork, script_flags};
pub use error::{BlockRuleError, HeaderRuleError, TxRuleError};
pub use header::{MAX_FUTURE_BLOCK_TIME, check_header, check_header_in_context, minimum_time};
pub use merkle::{
    WITNESS_COMMITMENT_HEADER, WITNESS_RESERVED_VALUE, check_merkle_branch, merkle_branch, merkle_root,
    witness_commitment_script,
};
pub use pow::{PERIOD, is_permitted_target, next_bits};
pub use script_check::{ScriptCheck, VerdictKey, verdict_key};
pub use spend::{MAX_TX_LEGACY_SIGNATURE_OPERATIONS, check_sequence_locks, check_spend, is_unspendable};
pub use subsidy::block_subsidy;
pub use transaction::{check_transaction, is_final};
pub use verdict::{Verdict, header_verdict, verdict};
