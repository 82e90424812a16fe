//! A client that believes proofs, not servers: verified header chain, Merkle proofs, REST client.
//!
//! In:    a proxy's URL and the network that it is expected to serve; a folder for the headers' file.
//! Out:   transactions, headers and proofs that were checked, or a [`LightError`] in our own words.
//! Never: keys, redirects, or text of a server shown as ours.
//!
//! Start at [`ProxyClient`]; [`HeaderChain`] is what it checks against, and [`verify_inclusion`] the proof that a transaction
//! stands in a block.

mod answers;
mod batch;
mod client;
mod error;
mod esplora;
mod events;
mod header_chain;
mod header_file;
mod header_sync;
mod http;
mod offer;
mod proof;
mod refusal;

pub use answers::{
    FaucetGift, MerkleProof, MinerState, MiningInfo, NodeStatus, Readiness, ScriptCounts, ScriptLists, ShownTx,
    SpentOutput, Tip, TxRecord, TxStatus,
};
pub use batch::{LISTS_AT_ONCE, SCRIPTS_AT_ONCE, TRANSACTIONS_AT_ONCE};
pub use client::ProxyClient;
pub use error::LightError;
pub use events::{EventStream, ProxyEvent};
pub use header_chain::HeaderChain;
pub use header_sync::{HeaderProgress, OnHeaders};
pub use offer::{NetworkOffer, offered_network};
pub use proof::{ProofError, Proofs, verify_inclusion};
