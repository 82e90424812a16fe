//! Questions about headers, blocks, coins and branches. None of them waits for a block that is being connected.

use std::sync::Arc;

use mycoin_consensus::{self as consensus, VerdictKey};
use mycoin_primitives::bitcoin::consensus::encode;
use mycoin_primitives::{Block, BlockHash, BlockUndo, Coin, Header, Height, Network, OutPoint};

use crate::{Branch, Chain, ChainError, ChainTip, IndexEntry, Tip};

impl Chain {
    /// The network whose chain this is.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The last block of the best chain.
    pub fn tip(&self) -> Tip {
        let index = self.index.read();
        index.tip_of(index.tip())
    }

    /// The header with the most work, whether its block is stored or not.
    pub fn best_header(&self) -> Tip {
        let index = self.index.read();
        index.tip_of(index.best_header())
    }

    /// What the block index holds about a block.
    pub fn header(&self, hash: &BlockHash) -> Option<IndexEntry> {
        let index = self.index.read();
        Some(index.describe(index.find(hash)?))
    }

    /// The block of the best chain at `height`.
    pub fn hash_at(&self, height: Height) -> Option<BlockHash> {
        let index = self.index.read();
        Some(index.get(index.at(height)?).hash)
    }

    /// The blocks of the best chain at these heights, all at one tip; `None` when it does not reach one of them.
    pub fn hashes_at(&self, heights: &[u32]) -> Option<Vec<BlockHash>> {
        let index = self.index.read();
        heights.iter().map(|height| Some(index.get(index.at(Height::new(*height))?).hash)).collect()
    }

    /// Whether the block itself is stored.
    pub fn has_block(&self, hash: &BlockHash) -> bool {
        let index = self.index.read();
        index.find(hash).is_some_and(|id| index.get(id).stored.is_some())
    }

    /// A stored block, on the best chain or not.
    ///
    /// # Errors
    ///
    /// A failure of the disk. A block that is not stored, or damaged, is `None`.
    pub fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, ChainError> {
        let Some(id) = self.index.read().find(hash) else { return Ok(None) };
        Ok(self.read_block(id)?.map(Arc::new))
    }

    /// A stored block in Bitcoin's form.
    ///
    /// # Errors
    ///
    /// As [`Self::block`].
    pub fn raw_block(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, ChainError> {
        Ok(self.block(hash)?.map(|block| encode::serialize(block.as_ref())))
    }

    /// The coins that a block of the best chain spent; empty for genesis, `None` off the best chain.
    ///
    /// # Errors
    ///
    /// A failure of the store.
    pub fn undo(&self, hash: &BlockHash) -> Result<Option<BlockUndo>, ChainError> {
        Ok(self.store.undo(hash)?)
    }

    /// The coin at `outpoint`, if it is unspent at the tip.
    ///
    /// # Errors
    ///
    /// A failure of the store.
    pub fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ChainError> {
        Ok(self.store.coin(outpoint)?)
    }

    /// Hashes by which a peer finds where its chain leaves our best headers, for `getheaders`.
    pub fn locator(&self) -> Vec<BlockHash> {
        let index = self.index.read();
        index.locator(index.best_header())
    }

    /// The best chain's headers after the first of `locator` that is on it (else after genesis), up to `stop`, at most `max`.
    pub fn headers_after(&self, locator: &[BlockHash], stop: Option<BlockHash>, max: usize) -> Vec<Header> {
        let index = self.index.read();
        let known = locator.iter().filter_map(|hash| index.find(hash)).find(|id| index.is_on_best_chain(*id));
        let mut height = known.map_or(Height::GENESIS, |id| index.get(id).height);
        let mut headers = Vec::new();
        while headers.len() < max
            && let Some(id) = index.at(height.next())
        {
            height = height.next();
            headers.push(index.get(id).header);
            if Some(index.get(id).hash) == stop {
                break;
            }
        }
        headers
    }

    /// Blocks to download, at most `max`: those of the best branch of headers that are not stored, lowest first.
    pub fn blocks_wanted(&self, max: usize) -> Vec<BlockHash> {
        self.index.read().wanted(max)
    }

    /// The ends of all known branches, highest first.
    pub fn tips(&self) -> Vec<ChainTip> {
        self.index.read().tips()
    }

    /// The chain of headers that ends in `hash`, as the rules ask for it.
    pub fn branch(&self, hash: &BlockHash) -> Option<Branch> {
        let id = self.index.read().find(hash)?;
        Some(self.index.branch(id))
    }

    /// The best chain as it is now, as the rules ask for it.
    pub fn tip_branch(&self) -> Branch {
        let tip = self.index.read().tip();
        self.index.branch(tip)
    }

    /// The median of the times of a block and the ten before it, in seconds since 1970.
    pub fn median_time_past(&self, hash: &BlockHash) -> Option<u32> {
        use consensus::HeaderBranch as _;
        let branch = self.branch(hash)?;
        Some(consensus::median_time_past(&branch, branch.tip_height()))
    }

    /// What the chain takes on disk, in bytes.
    ///
    /// # Errors
    ///
    /// A failure of the disk.
    pub fn size_on_disk(&self) -> Result<u64, ChainError> {
        Ok(self.store.size()?)
    }

    /// Tells that all scripts of a transaction hold, so that the block which confirms it need not run them again.
    ///
    /// The caller has run them, over the outputs and with the flags that `key` names or with more flags: each further one
    /// only refuses.
    pub fn note_verified(&self, key: VerdictKey) {
        self.scripts.note_verified(key);
    }
}
