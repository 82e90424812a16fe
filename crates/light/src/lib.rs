//! A client that believes proofs, not servers: verified header chain, Merkle proofs, REST client.
//!
//! In:    a proxy's URL and the network that it is expected to serve.
//! Out:   transactions, headers and proofs that were checked, or a [`LightError`] in our own words.
//! Never: keys, files, redirects, or text of a server shown as ours.
//!
//! Start at [`ProxyClient`]; [`verify_inclusion`] is the proof that a transaction stands in a block.

mod answers;
mod client;
mod error;
mod esplora;
mod events;
mod http;
mod proof;
mod refusal;

pub use answers::{
    FaucetGift, MerkleProof, MinerState, MiningInfo, NodeStatus, Readiness, SpentOutput, Tip, TxRecord, TxStatus,
};
pub use client::ProxyClient;
pub use error::LightError;
pub use events::{EventStream, ProxyEvent};
pub use proof::{HeaderChain, ProofError, verify_inclusion};
