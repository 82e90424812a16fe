//! The way in: a header, then its block, checked as far as that can be done without coins, and stored.
//!
//! In:    headers and blocks from anywhere, and the time.
//! Out:   entries of the block index, blocks in the block files; then [`activate`](super::activate) decides.
//! Never: a mark on a header because of a body that somebody altered on the way ([`Verdict::Mutated`]).
//!
//! Source of the order: Bitcoin Core, `ChainstateManager::ProcessNewBlock`, `AcceptBlockHeader` and `AcceptBlock`,
//! validation.cpp.

use std::sync::Arc;
use std::thread;

use mycoin_consensus::{self as consensus, BlockRuleError, CheckedBlock, Verdict};
use mycoin_primitives::bitcoin::consensus::Encodable as _;
use mycoin_primitives::{Block, BlockHash, Header};
use mycoin_storage::{BlockPosition, Commit};

use crate::connect::{Effects, Fresh};
use crate::index::Id;
use crate::{AcceptError, Accepted, BlockStatus, Chain, ChainError, HeaderStatus};

/// A block with so many transactions is written by a thread of its own while it is checked; the checks of smaller ones are over
/// before such a thread runs.
const TRANSACTIONS_WORTH_A_THREAD: usize = 200;

impl Chain {
    /// Places a header in the block index. `now` is the time in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`AcceptError`] names the rule that it breaks, or that its parent is unknown or invalid.
    pub fn accept_header(&self, header: Header, now: u32) -> Result<HeaderStatus, AcceptError> {
        self.writing(|| {
            let (_, status) = self.place_header(&header, now)?;
            Ok(status)
        })
    }

    /// Places headers in the block index, each the parent of the next or placed before. Returns how many were new.
    ///
    /// # Errors
    ///
    /// That of the first which is refused; those before it stay.
    pub fn accept_headers(&self, headers: &[Header], now: u32) -> Result<usize, AcceptError> {
        self.writing(|| {
            let mut added = Vec::new();
            let placed: Result<(), AcceptError> = headers.iter().try_for_each(|header| {
                let (id, status) = self.find_or_insert(header, now)?;
                if status == HeaderStatus::Added {
                    added.push(id);
                }
                Ok(())
            });
            // One commit for all of them, and before the refusal of one is told.
            if !added.is_empty() {
                self.keep_entries(&added)?;
            }
            placed.map(|()| added.len())
        })
    }

    /// Checks a block, stores it, and makes its branch the best chain if that has the most work now.
    ///
    /// Blocks may come in any order once their headers are known; a block whose parent's header is known brings its own header.
    /// Calls from several threads follow one another, but only their caller can keep the events of two calls in order.
    ///
    /// # Errors
    ///
    /// [`AcceptError`] names the rule that the block breaks; the best chain is then what it was before.
    /// [`AcceptError::Chain`] says nothing about the block: the chain halts, and the process should end.
    pub fn accept_block(&self, block: Arc<Block>, now: u32) -> Result<Accepted, AcceptError> {
        self.accept_block_telling(block, now, |_| {})
    }

    /// As [`Self::accept_block`], and calls `is_sound` with a new block when everything holds that needs no coins: its proof of
    /// work, its place, its Merkle roots. Peers may be told of it then, before the rest is checked.
    ///
    /// # Errors
    ///
    /// As [`Self::accept_block`].
    ///
    /// Source: Bitcoin Core, `NewPoWValidBlock`, called by `AcceptBlock`, validation.cpp.
    pub fn accept_block_telling(
        &self,
        block: Arc<Block>,
        now: u32,
        is_sound: impl FnOnce(&Arc<Block>),
    ) -> Result<Accepted, AcceptError> {
        self.writing(|| {
            let hash = block.block_hash();
            // Before the header is placed: what a block breaks alone leaves no mark, should anybody find another body for it.
            let checked = self.check_body(hash, block)?;
            let (id, _) = self.place_header(checked.header(), now)?;
            if self.index.read().get(id).stored.is_some() {
                return Ok(Accepted { status: BlockStatus::Known, events: Vec::new(), refused: Vec::new() });
            }
            self.check_in_context(id, hash, &checked)?;
            is_sound(checked.block());
            let (position, effects) = self.store_and_try(id, &checked)?;
            self.note_stored(id, position, checked.block())?;
            let activation = self.activate(Some(Fresh { id, checked, effects }))?;
            // A step of the tip is on disk, and with it all that was committed before it.
            if !activation.ends_with_a_step() {
                self.store.sync().map_err(ChainError::from)?;
            }
            activation.outcome_for(hash, self.index.read().is_on_best_chain(id))
        })
    }

    /// Puts a block on disk, and meanwhile, if it is large and goes on from the tip, checks it with its coins.
    fn store_and_try(&self, id: Id, checked: &CheckedBlock) -> Result<(BlockPosition, Option<Effects>), ChainError> {
        let parent = self.index.read().get(id).parent;
        let is_large = checked.block().txdata.len() >= TRANSACTIONS_WORTH_A_THREAD;
        let Some(tip) = parent.filter(|parent| is_large && *parent == self.index.read().tip()) else {
            return Ok((self.store.append_block(&serialised(checked.block()))?, None));
        };
        thread::scope(|scope| {
            let storing = scope.spawn(|| self.store.append_block(&serialised(checked.block())));
            let effects = self.check_with_coins(checked, tip);
            let stored = storing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((stored?, Some(effects?)))
        })
    }

    /// Checks a block that somebody means to mine on the tip: all rules but the proof of work. Nothing changes.
    ///
    /// # Errors
    ///
    /// [`AcceptError::NotOnTip`], or the rule that it breaks.
    ///
    /// Source of the order: Bitcoin Core, `TestBlockValidity`, validation.cpp.
    pub fn check_candidate(&self, block: &Block, now: u32) -> Result<(), AcceptError> {
        let hash = block.block_hash();
        let parent = block.header.prev_blockhash;
        let coins = self.store.snapshot();
        let tip = coins.tip().map_err(ChainError::from)?.ok_or(ChainError::TipMissing { hash: parent })?;
        if parent != tip {
            return Err(AcceptError::NotOnTip { parent, tip });
        }
        let branch = self.branch(&tip).ok_or(ChainError::TipMissing { hash: tip })?;
        let broken = |source: BlockRuleError| AcceptError::Block { hash, source: Box::new(source) };
        let checked = consensus::check_block(Arc::new(block.clone()), &self.network).map_err(broken)?;
        consensus::check_header_in_context(&block.header, &self.network, &branch, now)
            .map_err(|source| AcceptError::Header { hash, source: Box::new(source) })?;
        consensus::check_block_in_context(&checked, &self.network, &branch).map_err(broken)?;
        let spent = Self::fetch_coins(&checked, |outpoint| coins.coin(outpoint))?;
        let effects = consensus::connect_block(&checked, &self.network, &branch, spent).map_err(broken)?;
        self.scripts.run(&effects.script_checks(&checked)).map_err(broken)
    }

    /// Finds the header in the index, or checks it, puts it there and keeps it.
    pub(crate) fn place_header(&self, header: &Header, now: u32) -> Result<(Id, HeaderStatus), AcceptError> {
        let (id, status) = self.find_or_insert(header, now)?;
        match status {
            HeaderStatus::Added => self.keep_entries(&[id])?,
            HeaderStatus::Known => {}
        }
        Ok((id, status))
    }

    /// Finds the header in the index, or checks it and puts it there; keeping it is the caller's.
    fn find_or_insert(&self, header: &Header, now: u32) -> Result<(Id, HeaderStatus), AcceptError> {
        let hash = header.block_hash();
        let known = {
            let index = self.index.read();
            index.find(&hash).map(|id| (id, index.get(id).on_invalid))
        };
        match known {
            Some((_, true)) => return Err(AcceptError::KnownInvalid { hash }),
            Some((id, false)) => return Ok((id, HeaderStatus::Known)),
            None => {}
        }
        let broken = |source| AcceptError::Header { hash, source: Box::new(source) };
        consensus::check_header(header, &self.network).map_err(broken)?;
        let parent_hash = header.prev_blockhash;
        let unknown = AcceptError::UnknownParent { hash, parent: parent_hash };
        let parent = self.index.read().find(&parent_hash).ok_or(unknown)?;
        if self.index.read().get(parent).on_invalid {
            return Err(AcceptError::InvalidParent { hash, parent: parent_hash });
        }
        consensus::check_header_in_context(header, &self.network, &self.index.branch(parent), now).map_err(broken)?;
        let id = self.index.write().insert(hash, *header, Some(parent));
        Ok((id, HeaderStatus::Added))
    }

    /// Checks a block alone, and that its header has its proof of work. Marks nothing.
    fn check_body(&self, hash: BlockHash, block: Arc<Block>) -> Result<CheckedBlock, AcceptError> {
        consensus::check_header(&block.header, &self.network)
            .map_err(|source| AcceptError::Header { hash, source: Box::new(source) })?;
        consensus::check_block(block, &self.network)
            .map_err(|source| AcceptError::Block { hash, source: Box::new(source) })
    }

    /// Checks a block in the context of its headers, and marks it if a rule is broken that its hash answers for.
    fn check_in_context(&self, id: Id, hash: BlockHash, checked: &CheckedBlock) -> Result<(), AcceptError> {
        let Some(parent) = self.index.read().get(id).parent else { return Ok(()) };
        let Err(source) = consensus::check_block_in_context(checked, &self.network, &self.index.branch(parent)) else {
            return Ok(());
        };
        match consensus::verdict(&source) {
            Verdict::Invalid => self.mark_invalid(id)?,
            Verdict::Mutated | Verdict::RetryLater => {}
        }
        Err(AcceptError::Block { hash, source: Box::new(source) })
    }

    /// Checks a block alone and in the context of its headers.
    pub(crate) fn check_alone(&self, id: Id, hash: BlockHash, block: Arc<Block>) -> Result<CheckedBlock, AcceptError> {
        let checked = self.check_body(hash, block)?;
        self.check_in_context(id, hash, &checked)?;
        Ok(checked)
    }

    pub(crate) fn check_without_coins(&self, id: Id, block: Arc<Block>) -> Result<CheckedBlock, BlockRuleError> {
        let checked = consensus::check_block(block, &self.network)?;
        let parent = self.index.read().get(id).parent;
        if let Some(parent) = parent {
            consensus::check_block_in_context(&checked, &self.network, &self.index.branch(parent))?;
        }
        Ok(checked)
    }

    pub(crate) fn note_stored(&self, id: Id, position: BlockPosition, block: &Block) -> Result<(), ChainError> {
        // A block has fewer transactions than bytes, of which its position counts fewer than 2³².
        let transactions = u32::try_from(block.txdata.len()).unwrap_or(u32::MAX);
        self.index.write().store_block(id, position, transactions);
        self.keep_entries(&[id])
    }

    pub(crate) fn mark_invalid(&self, id: Id) -> Result<(), ChainError> {
        self.index.write().mark_invalid(id);
        let hash = self.index.read().get(id).hash;
        tracing::warn!(block = %hash, "block is invalid, and its descendants with it");
        self.keep_entries(&[id])
    }

    /// Keeps what the index says about these entries.
    pub(crate) fn keep_entries(&self, ids: &[Id]) -> Result<(), ChainError> {
        let index = ids.iter().map(|id| self.index.read().get(*id).record()).collect();
        Ok(self.store.commit(&Commit { index, ..Commit::default() })?)
    }
}

fn serialised(block: &Block) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(block.total_size());
    block.consensus_encode(&mut bytes).expect("a vector takes all bytes");
    bytes
}
