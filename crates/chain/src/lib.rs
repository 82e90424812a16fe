//! The block index, the best chain and the coins at its tip. One writer, many readers.
//!
//! In:    headers and blocks in any order, and the time; they may be wrong in every way.
//! Out:   one atomic commit per block connected or disconnected, and [`ChainEvent`](mycoin_primitives::ChainEvent)s in that order.
//! Never: sockets, clocks, the mempool. A failing disk is never taken for an invalid block.
//!
//! A block's way: `accept` (header, block alone, stored) → `activate` (which branch has the most work) → `connect` and `disconnect`.
//!
//! Start at [`Chain::accept_block`].

mod error;
mod types;

use std::path::Path;
use std::sync::Arc;

use mycoin_consensus::HeaderBranch;
use mycoin_primitives::{Block, BlockHash, BlockUndo, ChainEvent, Coin, Header, Height, Network, OutPoint, Wtxid};

pub use error::{AcceptError, ChainError};
pub use types::{
    Accepted, BlockStatus, ChainTip, CoinStatistics, EntryStatus, HeaderStatus, IndexEntry, Tip, TipStatus,
};

/// What a person may choose about the chain.
#[derive(Debug, Clone, Default)]
pub struct ChainOptions {
    /// Threads that check scripts; `None`: one per processor core.
    pub script_threads: Option<std::num::NonZeroUsize>,
}

/// The chain of one network, in one folder. Share it as `Arc<Chain>`.
#[derive(Debug)]
pub struct Chain {}

/// A branch of the block index, as the rules want to see it.
#[derive(Debug, Clone)]
pub struct Branch {}

impl HeaderBranch for Branch {
    fn tip_height(&self) -> Height {
        todo!()
    }
    fn header_at(&self, _: Height) -> Option<Header> {
        todo!()
    }
}

#[expect(missing_docs)]
impl Chain {
    pub fn open(dir: &Path, network: Network, options: ChainOptions) -> Result<Self, ChainError> {
        todo!()
    }
    pub fn network(&self) -> &Network {
        todo!()
    }
    pub fn accept_header(&self, header: Header, now: u32) -> Result<HeaderStatus, AcceptError> {
        todo!()
    }
    /// Stops at the first that is refused; those before it stay. Returns how many were new.
    pub fn accept_headers(&self, headers: &[Header], now: u32) -> Result<usize, AcceptError> {
        todo!()
    }
    pub fn accept_block(&self, block: Arc<Block>, now: u32) -> Result<Accepted, AcceptError> {
        todo!()
    }
    pub fn check_candidate(&self, block: &Block, now: u32) -> Result<(), AcceptError> {
        todo!()
    }
    pub fn invalidate(&self, hash: &BlockHash) -> Result<Vec<ChainEvent>, ChainError> {
        todo!()
    }
    pub fn reconsider(&self, hash: &BlockHash) -> Result<Vec<ChainEvent>, ChainError> {
        todo!()
    }
    pub fn tip(&self) -> Tip {
        todo!()
    }
    /// The header with the most work, its block stored or not.
    pub fn best_header(&self) -> Tip {
        todo!()
    }
    pub fn header(&self, hash: &BlockHash) -> Option<IndexEntry> {
        todo!()
    }
    /// On the best chain.
    pub fn hash_at(&self, height: Height) -> Option<BlockHash> {
        todo!()
    }
    pub fn has_block(&self, hash: &BlockHash) -> bool {
        todo!()
    }
    pub fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, ChainError> {
        todo!()
    }
    pub fn raw_block(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, ChainError> {
        todo!()
    }
    pub fn undo(&self, hash: &BlockHash) -> Result<Option<BlockUndo>, ChainError> {
        todo!()
    }
    pub fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ChainError> {
        todo!()
    }
    pub fn locator(&self) -> Vec<BlockHash> {
        todo!()
    }
    pub fn headers_after(&self, locator: &[BlockHash], stop: Option<BlockHash>, max: usize) -> Vec<Header> {
        todo!()
    }
    pub fn blocks_wanted(&self, max: usize) -> Vec<BlockHash> {
        todo!()
    }
    pub fn tips(&self) -> Vec<ChainTip> {
        todo!()
    }
    /// The branch that ends in `hash`.
    pub fn branch(&self, hash: &BlockHash) -> Option<Branch> {
        todo!()
    }
    /// The best chain, as it stands now.
    pub fn tip_branch(&self) -> Branch {
        todo!()
    }
    pub fn median_time_past(&self, hash: &BlockHash) -> Option<u32> {
        todo!()
    }
    pub fn coin_statistics(&self) -> Result<CoinStatistics, ChainError> {
        todo!()
    }
    pub fn recount(&self) -> Result<CoinStatistics, ChainError> {
        todo!()
    }
    pub fn verify(&self, depth: u32) -> Result<u32, ChainError> {
        todo!()
    }
    pub fn size_on_disk(&self) -> Result<u64, ChainError> {
        todo!()
    }
    pub fn note_verified(&self, wtxid: Wtxid) {
        todo!()
    }
}
