//! Bytes on disk: tables, block files, undo; one atomic `Commit`; files only their owner can read.
//!
//! In:    blocks, coins, undo data and index records that the chain decided on.
//! Out:   the same after a restart, a `kill -9` or a loss of power: each commit whole or not at all.
//! Never: validity. A failure here says something about the disk, not about a block.
//!
//! Start at [`ChainStore`] (the node's) or [`Store`] (named tables for whoever needs them, as the index does).

mod block_files;
mod chain_store;
mod codec;
mod error;
mod store;

pub use block_files::BlockPosition;
pub use chain_store::{ChainStore, CoinsSnapshot, Commit, IndexRecord, Stored};
pub use error::StorageError;
pub use store::{Batch, Pair, Scan, Snapshot, Store, Table};
