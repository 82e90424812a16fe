//! The base server: the only crate that sees the whole node side. It wires chain, mempool, miner, peers and RPC.
//!
//! In:    a configuration; calls over mutual TLS or the cookie; blocks and transactions from peers and the miner.
//! Out:   answers, events, blocks and transactions for peers; one log line for each thing worth telling.
//! Never: keys of coins; rules of its own.
//!
//! ```text
//! rpc → methods ─┐
//! p2p → host ────┼→ node (chain → mempool → events) ─→ p2p, miner, event stream
//! miner ─────────┘
//! ```
//!
//! Start at [`Server::start`], then `node`.

mod banlist;
mod clock;
mod descriptor;
mod encode;
mod error;
mod filters;
mod header_work;
mod host;
mod kept_filters;
mod methods;
mod mining;
mod node;
#[doc(hidden)]
pub mod offline;
mod progress;
mod server;

pub use error::ServerError;
pub use kept_filters::BlockFilters;
pub use progress::SyncProgress;
pub use server::{Server, ServerConfig};
