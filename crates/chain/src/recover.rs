//! Opening: from what is on disk to a chain that stands at its best candidate.
//!
//! In:    a folder, perhaps one whose process was killed, or whose machine lost its power, in the middle of anything.
//! Out:   the chain at the same tip or a later one; lost blocks are wanted again.
//! Never: a download of what the block files hold. Without the folder `chain` all of it is made anew from them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mycoin_primitives::bitcoin::consensus::encode;
use mycoin_primitives::{Block, BlockHash, BlockUndo, Height, Network, genesis_block};
use mycoin_storage::{BlockPosition, ChainStore, Commit, IndexRecord, Stored};

use crate::branch::SharedIndex;
use crate::connect::Fresh;
use crate::index::BlockIndex;
use crate::recent::RecentCoins;
use crate::scripts::Scripts;
use crate::{AcceptError, Chain, ChainError, ChainOptions, Writer};

/// How many of the best chain's last blocks are read at open, since a loss of power damages the newest. As Core's `-checkblocks`.
const RECENT_BLOCKS: u32 = 6;
/// The version of the rules by which blocks are marked invalid. It grows when a rule changes, so that marks which the earlier
/// rules left are lifted once. 1: every script of Bitcoin's is run.
pub(crate) const RULES_VERSION: u32 = 1;

impl Chain {
    /// Opens the chain in `dir`, the network's own private folder, or begins it there with the genesis block.
    ///
    /// # Errors
    ///
    /// [`ChainError::Storage`] when the folder is in use, open to others, of another network or damaged.
    pub fn open(dir: &Path, network: Network, options: ChainOptions) -> Result<Self, ChainError> {
        let (store, stored) = ChainStore::open(dir, network.magic.to_bytes(), network.genesis.hash)?;
        let Stored { index: mut records, tip, unknown, rules } = stored;
        let tip = match tip {
            Some(tip) => tip,
            None => {
                let genesis = begin(&store, &network, &unknown)?;
                records = vec![genesis];
                network.genesis.hash
            }
        };
        if rules != RULES_VERSION {
            lift_marks(&store, &mut records)?;
        }
        let chain = Self {
            index: SharedIndex::new(BlockIndex::load(records, tip)?),
            scripts: Scripts::new(options.script_threads, options.signatures),
            recent: RecentCoins::default(),
            writer: Mutex::new(Writer::default()),
            store,
            network,
        };
        chain.forget_damaged_recent_blocks()?;
        chain.take_unknown_blocks(&unknown)?;
        chain.settle()?;
        let tip = chain.tip();
        tracing::debug!(height = %tip.height, block = %tip.hash, "the chain is open");
        Ok(chain)
    }

    fn forget_damaged_recent_blocks(&self) -> Result<(), ChainError> {
        let tip = self.tip().height;
        for height in tip.back(RECENT_BLOCKS - 1).to_u32()..=tip.to_u32() {
            let Some(id) = self.index.read().at(Height::new(height)) else { continue };
            let (hash, stored) = {
                let index = self.index.read();
                (index.get(id).hash, index.get(id).stored.is_some())
            };
            if stored && self.read_block(id)?.is_none() {
                self.forget_block(id, hash)?;
            }
        }
        Ok(())
    }

    /// Takes in whole blocks that the block files hold and the index does not, in whatever order they stand there.
    fn take_unknown_blocks(&self, unknown: &[BlockPosition]) -> Result<(), ChainError> {
        let mut waiting: HashMap<BlockHash, Vec<BlockPosition>> = HashMap::new();
        for position in unknown {
            let mut ready = vec![*position];
            while let Some(position) = ready.pop() {
                let Some(block) = self.decode_at(position)? else { continue };
                let (hash, parent) = (block.block_hash(), block.header.prev_blockhash);
                if hash != self.network.genesis.hash && self.index.read().find(&parent).is_none() {
                    waiting.entry(parent).or_default().push(position);
                    continue;
                }
                match self.take_stored_block(position, block) {
                    Ok(()) => ready.extend(waiting.remove(&hash).unwrap_or_default()),
                    Err(AcceptError::Chain(error)) => return Err(error),
                    Err(refused) => {
                        tracing::warn!(block = %hash, reason = %refused, "a block in the block files is refused")
                    }
                }
            }
        }
        Ok(())
    }

    fn decode_at(&self, position: BlockPosition) -> Result<Option<Block>, ChainError> {
        Ok(self.store.read_block(position)?.and_then(|bytes| encode::deserialize(&bytes).ok()))
    }

    fn take_stored_block(&self, position: BlockPosition, block: Block) -> Result<(), AcceptError> {
        // No clock here: a block that stands in our files was not from the future when it came.
        let (id, _) = self.place_header(&block.header, u32::MAX)?;
        if self.index.read().get(id).stored.is_some() {
            return Ok(());
        }
        let hash = block.block_hash();
        let checked = self.check_alone(id, hash, Arc::new(block))?;
        self.note_stored(id, position, checked.block())?;
        self.activate(Some(Fresh { id, checked, effects: None }))?;
        Ok(())
    }
}

/// Takes every mark of invalidity away. Blocks that other rules refused are judged again when their branch has the most work;
/// those that a person marked must be marked again.
fn lift_marks(store: &ChainStore, records: &mut [IndexRecord]) -> Result<(), ChainError> {
    let mut commit = Commit { rules: Some(RULES_VERSION), ..Commit::default() };
    for record in records.iter_mut().filter(|record| record.invalid) {
        record.invalid = false;
        commit.index.push(record.clone());
    }
    if !commit.index.is_empty() {
        tracing::info!(blocks = commit.index.len(), "blocks that earlier rules refused are judged again");
    }
    store.commit(&commit)?;
    Ok(store.sync()?)
}

/// Makes the genesis block the tip of a new store. Its output is no coin, as in Bitcoin.
fn begin(store: &ChainStore, network: &Network, unknown: &[BlockPosition]) -> Result<IndexRecord, ChainError> {
    let genesis = genesis_block(network);
    let bytes = encode::serialize(&genesis);
    let mut position = None;
    for found in unknown {
        if store.read_block(*found)?.as_ref() == Some(&bytes) {
            position = Some(*found);
            break;
        }
    }
    let position = match position {
        Some(position) => position,
        None => store.append_block(&bytes)?,
    };
    let hash = network.genesis.hash;
    let stored = Some((position, 1));
    let record =
        IndexRecord { hash, header: genesis.header, height: Height::GENESIS, invalid: false, connected: true, stored };
    store.commit(&Commit {
        index: vec![record.clone()],
        undo: Some((hash, BlockUndo::default())),
        tip: Some(hash),
        ..Commit::default()
    })?;
    store.sync()?;
    Ok(record)
}
