//! The questions that the index answers.

use std::ops::Bound;
use std::sync::RwLockReadGuard;

use mycoin_primitives::{Block, BlockHash, Height, OutPoint, TxOut, Txid};

use crate::error::IndexError;
use crate::opened::Opened;
use crate::records::{HistoryEntry, IndexedBlock, IndexedCoin, IndexedTransaction, ScriptTotals, Spend, history_key};
use crate::script_hash::ScriptHash;
use crate::tables::{Tables, damaged};

/// The index as it stands at one tip. Every question may fail with [`IndexError`].
pub struct Reader<'a> {
    opened: RwLockReadGuard<'a, Option<Opened>>,
}

/// # Errors
///
/// Each question: [`IndexError::Storage`] when the disk fails, [`IndexError::Damaged`] when a record is bent,
/// [`IndexError::Gone`] while the index could not be made anew.
impl<'a> Reader<'a> {
    pub(crate) const fn new(opened: RwLockReadGuard<'a, Option<Opened>>) -> Self {
        Self { opened }
    }

    fn tables(&self) -> Result<&Tables, IndexError> {
        self.opened.as_ref().map(|opened| &opened.tables).ok_or(IndexError::Gone)
    }

    /// The last block.
    pub fn tip(&self) -> Result<IndexedBlock, IndexError> {
        self.tables()?.tip()
    }

    /// The block at that height.
    pub fn block_at(&self, height: Height) -> Result<Option<IndexedBlock>, IndexError> {
        self.tables()?.block(height)
    }

    /// The block of that hash, if it is on the best chain.
    pub fn block(&self, hash: &BlockHash) -> Result<Option<IndexedBlock>, IndexError> {
        match self.tables()?.height(hash)? {
            Some(height) => self.tables()?.block(height),
            None => Ok(None),
        }
    }

    /// A block with its transactions.
    pub fn full_block(&self, block: &IndexedBlock) -> Result<Block, IndexError> {
        self.tables()?.full_block(block)
    }

    /// The txids of a block, in its order.
    pub fn block_txids(&self, block: &IndexedBlock) -> Result<Vec<Txid>, IndexError> {
        self.tables()?.block_txids(block)
    }

    /// A transaction of the best chain.
    pub fn transaction(&self, txid: &Txid) -> Result<Option<IndexedTransaction>, IndexError> {
        self.tables()?.transaction(txid)
    }

    /// An output of the best chain, spent or not.
    pub fn output(&self, outpoint: &OutPoint) -> Result<Option<TxOut>, IndexError> {
        let found = self.tables()?.transaction(&outpoint.txid)?;
        Ok(found.and_then(|found| found.into_output(outpoint.vout)))
    }

    /// What spends an output.
    pub fn spend(&self, outpoint: &OutPoint) -> Result<Option<Spend>, IndexError> {
        self.tables()?.spend(outpoint)
    }

    /// The sums over a script's history.
    pub fn totals(&self, script: &ScriptHash) -> Result<ScriptTotals, IndexError> {
        self.tables()?.totals(script)
    }

    /// At most `limit` entries of a script's history, newest first; those older than `after` (height, position) if given.
    pub fn history(
        &self,
        script: &ScriptHash,
        after: Option<(Height, u32)>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, IndexError> {
        let first = history_key(script, Height::GENESIS, 0);
        let (end, inclusive) = match after {
            Some((height, position)) => (history_key(script, height, position), false),
            None => (history_key(script, Height::new(u32::MAX), u32::MAX), true),
        };
        let end = if inclusive { Bound::Included(end.as_slice()) } else { Bound::Excluded(end.as_slice()) };
        let pairs = self.tables()?.history.range(Bound::Included(&first), end).rev().take(limit);
        pairs
            .map(|pair| {
                let (key, value) = pair?;
                HistoryEntry::decode(&key, &value).ok_or(damaged("history"))
            })
            .collect()
    }

    /// At most `limit` unspent outputs of a script.
    pub fn coins(&self, script: &ScriptHash, limit: usize) -> Result<Vec<IndexedCoin>, IndexError> {
        let pairs = self.tables()?.coins.scan(script.as_bytes()).take(limit);
        pairs
            .map(|pair| {
                let (key, value) = pair?;
                IndexedCoin::decode(&key, &value).ok_or(damaged("coins"))
            })
            .collect()
    }
}

impl Tables {
    fn block_txids(&self, block: &IndexedBlock) -> Result<Vec<Txid>, IndexError> {
        (0..block.transactions).map(|position| self.txid_at(block.height, position)?.ok_or(damaged("blocks"))).collect()
    }

    pub(crate) fn full_block(&self, block: &IndexedBlock) -> Result<Block, IndexError> {
        let read = |txid| Ok(self.transaction(&txid)?.ok_or(damaged("transactions"))?.tx);
        let txdata = self.block_txids(block)?.into_iter().map(read).collect::<Result<_, IndexError>>()?;
        Ok(Block { header: block.header, txdata })
    }
}
