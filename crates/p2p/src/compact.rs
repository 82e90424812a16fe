//! Compact blocks: a block as its header and six bytes for each transaction, and the block made of that again (BIP152).
//!
//! In:    a block; or a compact one with the transactions that may be in it.
//! Out:   the compact block; or the whole one, or which transactions are missing, or why it cannot be.
//! Never: peers, time, or whether the block is valid: only whether it is the one that its header names.
//!
//! Only version 2 is spoken: short ids are made of wtxids. Source: BIP152; Bitcoin Core `PartiallyDownloadedBlock`,
//! blockencodings.cpp.

use std::ops::ControlFlow;
use std::sync::Arc;

use mycoin_primitives::bitcoin::WitnessMerkleNode;
use mycoin_primitives::bitcoin::bip152::{HeaderAndShortIds, PrefilledTransaction, ShortId};
use mycoin_primitives::hashes::{Hash as _, HashEngine as _, sha256d};
use mycoin_primitives::{Block, Header, IdMap, IdState, Transaction, Txid, Wtxid};

use crate::limits::BLOCK_TRANSACTIONS_MAX;
use crate::{BlockParts, TransactionVisitor};

/// The version that we speak: short ids are made of wtxids.
pub(crate) const VERSION: u64 = 2;

/// Why a compact block did not become a whole one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// It has no transaction at all.
    #[error("it has no transactions")]
    Empty,
    /// It has more transactions than the indexes can count.
    #[error("it has {count} transactions, at most {limit} are allowed")]
    TooManyTransactions {
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// One of the transactions that it brings has a place for which the others leave a gap, or none in the block.
    #[error("the transaction it brings for place {index} leaves a gap")]
    PrefilledOutOfRange {
        /// The place.
        index: usize,
    },
    /// One of the transactions that it brings has neither inputs nor outputs.
    #[error("the transaction it brings for place {index} is empty")]
    PrefilledEmpty {
        /// The place.
        index: usize,
    },
    /// Two of its transactions have the same short id, which happens by chance.
    #[error("two transactions have the same short id")]
    ShortIdsCollide,
    /// The transactions that were asked for are more or fewer than those asked.
    #[error("{given} transactions came where {missing} were missing")]
    WrongCount {
        /// How many came.
        given: usize,
        /// How many were asked for.
        missing: usize,
    },
    /// The transactions are not those of the header, which happens by chance: a short id fits another one, too.
    #[error("its transactions are not those that its header names")]
    Mutated,
}

impl CompactError {
    /// Whether only a peer that breaks the protocol sends it. No wildcard: whoever adds a case decides here.
    ///
    /// Source: Bitcoin Core `READ_STATUS_INVALID` and `READ_STATUS_FAILED`.
    pub(crate) const fn is_senders_fault(&self) -> bool {
        match self {
            Self::Empty
            | Self::TooManyTransactions { .. }
            | Self::PrefilledOutOfRange { .. }
            | Self::PrefilledEmpty { .. }
            | Self::WrongCount { .. } => true,
            Self::ShortIdsCollide | Self::Mutated => false,
        }
    }
}

/// A block that has all its transactions, those that its header names, with their wtxids, which cost a hash each.
#[derive(Debug, Clone)]
pub(crate) struct WholeBlock {
    pub(crate) block: BlockParts,
    wtxids: Vec<Wtxid>,
    /// Known where the block was checked here; shared, for they are wanted once more when it is the tip.
    txids: Option<Arc<[Txid]>>,
}

impl WholeBlock {
    /// `None` when the block is mutated: its transactions or witnesses are not those that its header names.
    ///
    /// Source: Bitcoin Core `IsBlockMutated`, validation.cpp.
    pub(crate) fn check(block: Arc<Block>) -> Option<Self> {
        let block = BlockParts::from(block);
        let (txids, wtxids) = (txids_of(&block), wtxids_of(&block));
        Self::check_named(block, txids, wtxids)
    }

    /// The same where the names are known.
    fn check_named(block: BlockParts, txids: Arc<[Txid]>, wtxids: Vec<Wtxid>) -> Option<Self> {
        let leaves = txids.iter().map(|txid| txid.to_byte_array()).collect();
        let is_named = unmutated_root(leaves)? == block.header().merkle_root.to_byte_array();
        let whole = Self { block, wtxids, txids: Some(txids) };
        (is_named && whole.has_right_witnesses()).then_some(whole)
    }

    /// For blocks that were judged, or that the server found sound.
    pub(crate) fn trust(block: Arc<Block>) -> Self {
        let block = BlockParts::from(block);
        let wtxids = wtxids_of(&block);
        Self { block, wtxids, txids: None }
    }

    /// Both names of its transactions, in order.
    pub(crate) fn names(&self) -> Vec<(Txid, Wtxid)> {
        let txids = self.txids.clone().unwrap_or_else(|| txids_of(&self.block));
        txids.iter().copied().zip(self.wtxids.iter().copied()).collect()
    }

    /// The witnesses are those that the coinbase commits to; without a commitment there are none (BIP141).
    fn has_right_witnesses(&self) -> bool {
        let Some(coinbase) = self.block.get(0).filter(|tx| tx.is_coinbase()) else { return false };
        let commits = |script: &&[u8]| script.len() >= 38 && script.starts_with(&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed]);
        let mut scripts = coinbase.output.iter().map(|output| output.script_pubkey.as_bytes());
        let Some(commitment) = scripts.rfind(commits).and_then(|script| script.get(6..38)) else {
            return self.block.transactions().all(|tx| tx.input.iter().all(|input| input.witness.is_empty()));
        };
        let reserved = coinbase.input.first().filter(|input| input.witness.len() == 1);
        let reserved = reserved.and_then(|input| input.witness.nth(0)).filter(|value| value.len() == 32);
        let leaves = std::iter::once([0; 32]).chain(self.wtxids.iter().skip(1).map(|id| id.to_byte_array()));
        match (reserved, unmutated_root(leaves.collect())) {
            (Some(reserved), Some(root)) => {
                let root = WitnessMerkleNode::from_byte_array(root);
                Block::compute_witness_commitment(&root, reserved).to_byte_array() == commitment
            }
            _ => false,
        }
    }

    /// The compact block, with the coinbase, which nobody has before.
    pub(crate) fn compact(&self, nonce: u64) -> HeaderAndShortIds {
        let keys = ShortId::calculate_siphash_keys(self.block.header(), nonce);
        let coinbase = self.block.get(0).map(|tx| PrefilledTransaction { idx: 0, tx: tx.clone() });
        HeaderAndShortIds {
            header: *self.block.header(),
            nonce,
            short_ids: self.wtxids.iter().skip(1).map(|wtxid| ShortId::with_siphash_keys(wtxid, keys)).collect(),
            prefilled_txs: coinbase.into_iter().collect(),
        }
    }
}

fn txids_of(block: &BlockParts) -> Arc<[Txid]> {
    block.transactions().map(Transaction::compute_txid).collect()
}

fn wtxids_of(block: &BlockParts) -> Vec<Wtxid> {
    block.transactions().map(Transaction::compute_wtxid).collect()
}

/// The root over `level`; `None` when two neighbours are the same, by which two lists have one root (CVE-2012-2459).
fn unmutated_root(mut level: Vec<[u8; 32]>) -> Option<[u8; 32]> {
    while level.len() > 1 {
        let parent = |pair: &[[u8; 32]]| match pair {
            [left, right] if left == right => None,
            [left, right] => Some(parent_of(left, right)),
            [alone] => Some(parent_of(alone, alone)),
            _ => None,
        };
        level = level.chunks(2).map(parent).collect::<Option<_>>()?;
    }
    level.first().copied()
}

fn parent_of(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut engine = sha256d::Hash::engine();
    engine.input(left);
    engine.input(right);
    sha256d::Hash::from_engine(engine).to_byte_array()
}

/// What a transaction is called: without its witnesses and with them.
pub(crate) type Names = (Txid, Wtxid);

/// A transaction and its names, where it is here.
type Place = Option<(Arc<Transaction>, Names)>;

/// A block that is being put together.
#[derive(Debug)]
pub(crate) struct Reconstruction {
    header: Header,
    /// The block's transactions in order, as far as they are here.
    places: Vec<Place>,
}

impl Reconstruction {
    /// Puts in what the message brings and what `candidates` shows that fits a short id.
    ///
    /// # Errors
    ///
    /// [`CompactError`]: all but [`CompactError::ShortIdsCollide`] are the sender's fault.
    pub(crate) fn begin(
        compact: &HeaderAndShortIds,
        candidates: impl FnOnce(&mut TransactionVisitor<'_>),
    ) -> Result<Self, CompactError> {
        let mut places = prefilled(compact)?;
        let free = places.iter().enumerate().filter(|(_, place)| place.is_none()).map(|(index, _)| index);
        let by_id: IdMap<ShortId, usize> = compact.short_ids.iter().copied().zip(free).collect();
        if by_id.len() != compact.short_ids.len() {
            return Err(CompactError::ShortIdsCollide);
        }
        Search::new(compact, &by_id, &mut places).run(candidates);
        Ok(Self { header: compact.header, places })
    }

    /// The places of the transactions that are missing, in order.
    pub(crate) fn missing(&self) -> Vec<u64> {
        let empty = self.places.iter().enumerate().filter(|(_, place)| place.is_none());
        empty.map(|(index, _)| index as u64).collect()
    }

    /// The whole block, with `given` in the empty places.
    ///
    /// # Errors
    ///
    /// [`CompactError::WrongCount`] or [`CompactError::Mutated`].
    pub(crate) fn fill(self, given: Vec<Transaction>) -> Result<WholeBlock, CompactError> {
        let (count, missing) = (given.len(), self.places.iter().filter(|place| place.is_none()).count());
        if count != missing {
            return Err(CompactError::WrongCount { given: count, missing });
        }
        let mut given = given.into_iter().map(|transaction| named(Arc::new(transaction)));
        let whole: Vec<_> = self.places.into_iter().filter_map(|place| place.or_else(|| given.next())).collect();
        let txids = whole.iter().map(|(_, (txid, _))| *txid).collect();
        let wtxids = whole.iter().map(|(_, (_, wtxid))| *wtxid).collect();
        let transactions = whole.into_iter().map(|(transaction, _)| transaction).collect();
        let block = BlockParts::Parts { header: self.header, transactions };
        WholeBlock::check_named(block, txids, wtxids).ok_or(CompactError::Mutated)
    }
}

/// The block's places with the transactions that the message brings. Each index is told as the distance from the one
/// before.
fn prefilled(compact: &HeaderAndShortIds) -> Result<Vec<Place>, CompactError> {
    let count = compact.short_ids.len() + compact.prefilled_txs.len();
    if count == 0 {
        return Err(CompactError::Empty);
    }
    if count > BLOCK_TRANSACTIONS_MAX {
        return Err(CompactError::TooManyTransactions { count, limit: BLOCK_TRANSACTIONS_MAX });
    }
    let mut places = vec![None; count];
    let mut next = 0;
    for (brought, prefilled) in compact.prefilled_txs.iter().enumerate() {
        // At most 65,535 terms below 65,537 each: no overflow, even in 32 bits.
        let index = next + usize::from(prefilled.idx);
        next = index + 1;
        // Before this place there must be a short id or a transaction for each.
        let place = places.get_mut(index).filter(|_| index <= compact.short_ids.len() + brought);
        let place = place.ok_or(CompactError::PrefilledOutOfRange { index })?;
        if prefilled.tx.input.is_empty() && prefilled.tx.output.is_empty() {
            return Err(CompactError::PrefilledEmpty { index });
        }
        *place = Some(named(Arc::new(prefilled.tx.clone())));
    }
    Ok(places)
}

fn named(transaction: Arc<Transaction>) -> (Arc<Transaction>, Names) {
    let names = (transaction.compute_txid(), transaction.compute_wtxid());
    (transaction, names)
}

/// The search for transactions that fit short ids. Most candidates fit none, so that case is the fast one.
struct Search<'a> {
    keys: (u64, u64),
    by_id: &'a IdMap<ShortId, usize>,
    places: &'a mut [Place],
    /// What was found for each place; a place stays empty when two transactions fit it.
    found: IdMap<usize, Wtxid>,
}

impl<'a> Search<'a> {
    fn new(compact: &HeaderAndShortIds, by_id: &'a IdMap<ShortId, usize>, places: &'a mut [Place]) -> Self {
        let keys = ShortId::calculate_siphash_keys(&compact.header, compact.nonce);
        let found = IdMap::with_capacity_and_hasher(by_id.len(), IdState::default());
        Self { keys, by_id, places, found }
    }

    fn run(mut self, candidates: impl FnOnce(&mut TransactionVisitor<'_>)) {
        if !self.by_id.is_empty() {
            candidates(&mut |names, transaction| self.try_one(names, transaction));
        }
    }

    fn try_one(&mut self, names: &Names, transaction: &Arc<Transaction>) -> ControlFlow<()> {
        let (_, wtxid) = names;
        let Some(&index) = self.by_id.get(&ShortId::with_siphash_keys(wtxid, self.keys)) else {
            return ControlFlow::Continue(());
        };
        let Some(place) = self.places.get_mut(index) else { return ControlFlow::Continue(()) };
        match self.found.get(&index) {
            None => {
                *place = Some((Arc::clone(transaction), *names));
                self.found.insert(index, *wtxid);
            }
            // The same one from another source.
            Some(known) if known == wtxid => {}
            // Two fit: it is asked for, rather than guessed.
            Some(_) => *place = None,
        }
        if self.found.len() == self.by_id.len() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests;
