//! The block index, the best chain and the coins at its tip. One writer, many readers.
//!
//! In:    headers and blocks in any order, and the time; they may be wrong in every way.
//! Out:   one atomic commit per block connected or disconnected, and [`ChainEvent`](mycoin_primitives::ChainEvent)s in that order.
//! Never: sockets, clocks, the mempool. A failing disk is never taken for an invalid block: the chain halts.
//!
//! A block's way, by file: `accept` (header, block alone, stored) → `activate` (which branch has the most work) → `disconnect`
//! down to the fork → `connect` up to the new tip. `recent` keeps new coins at hand, `recover` opens, `read` answers, `stats`
//! counts, `filter` tells light clients what a block concerns, `filter_index` keeps that.
//!
//! Start at [`Chain::accept_block`].

mod accept;
mod activate;
mod branch;
mod connect;
mod disconnect;
mod error;
mod filter;
mod filter_index;
mod index;
mod read;
mod recent;
mod recover;
mod scripts;
mod stats;
mod types;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use mycoin_primitives::Network;
use mycoin_storage::ChainStore;

use crate::branch::SharedIndex;
use crate::recent::RecentCoins;
use crate::scripts::Scripts;

pub use branch::Branch;
pub use error::{AcceptError, ChainError};
pub use filter::block_filter;
pub use filter_index::{FilterIndex, FilterIndexError, FilterRecord};
pub use mycoin_script::SignatureCache;
pub use types::{
    Accepted, BlockStatus, ChainTip, CoinStatistics, EntryStatus, FoundCoins, HeaderStatus, IndexEntry, Tip, TipStatus,
};

/// What a person may choose about the chain.
#[derive(Debug, Clone, Default)]
pub struct ChainOptions {
    /// Threads that check scripts; `None`: one per processor core.
    pub script_threads: Option<NonZeroUsize>,
    /// Signatures that were found valid before, shared with whoever else verifies them; `None`: none are remembered.
    pub signatures: Option<Arc<SignatureCache>>,
}

/// The chain of one network, in one folder that no other process uses. Share it as `Arc<Chain>`.
///
/// Writing calls follow one another; reading ones never wait for them for longer than a moment.
#[derive(Debug)]
pub struct Chain {
    network: Network,
    store: ChainStore,
    index: SharedIndex,
    scripts: Scripts,
    recent: RecentCoins,
    writer: Mutex<Writer>,
}

/// Whoever holds it may change the chain.
#[derive(Debug, Default)]
struct Writer {
    /// Why nothing may be changed any more.
    halted: Option<String>,
}

impl Chain {
    /// Does `work` as the only writer. When it fails for another reason than a bad block, nothing is written after it.
    fn writing<T, E: From<ChainError> + MayHalt>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let panicked = |_| ChainError::Halted { cause: "the program failed while it wrote".to_owned() };
        let mut writer = self.writer.lock().map_err(panicked)?;
        if let Some(cause) = &writer.halted {
            return Err(ChainError::Halted { cause: cause.clone() }.into());
        }
        work().inspect_err(|error| {
            if let Some(cause) = error.halts() {
                tracing::error!(%cause, "the chain halts");
                writer.halted = Some(cause.to_string());
            }
        })
    }
}

/// Tells a failing disk from a refused request.
trait MayHalt {
    /// The failure after which nothing may be written.
    fn halts(&self) -> Option<&ChainError>;
}

impl MayHalt for ChainError {
    fn halts(&self) -> Option<&ChainError> {
        match self {
            Self::UnknownBlock { .. } | Self::GenesisStays => None,
            Self::Storage(_)
            | Self::Halted { .. }
            | Self::ParentMissing { .. }
            | Self::TipMissing { .. }
            | Self::BlockMissing { .. }
            | Self::UndoMissing { .. }
            | Self::BlockDamaged { .. }
            | Self::RecountMismatch { .. } => Some(self),
        }
    }
}

impl MayHalt for AcceptError {
    fn halts(&self) -> Option<&ChainError> {
        match self {
            Self::Chain(error) => error.halts(),
            Self::Header { .. }
            | Self::Block { .. }
            | Self::UnknownParent { .. }
            | Self::InvalidParent { .. }
            | Self::KnownInvalid { .. }
            | Self::NotOnTip { .. } => None,
        }
    }
}
