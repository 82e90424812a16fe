//! The index's life: opened, fed block by block, and taken back block by block.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Block, Height, Network, OutPoint, Txid, genesis_block};
use mycoin_storage::{Batch, Store};

use crate::effects::{Effects, Origin};
use crate::error::IndexError;
use crate::reader::Reader;
use crate::records::{IndexedBlock, IndexedTransaction, ScriptTotals, outpoint_key};
use crate::tables::{NAMES, Tables, damaged, position_key};

/// The form of the tables. An index of another form is thrown away and rebuilt.
const FORMAT: u32 = 1;

/// The index of one coin, in its own folder. One writer at a time, many readers.
///
/// A reader sees the index as it stands at one tip: a block's changes are one batch, and the batch waits for the readers.
pub struct Index {
    store: Store,
    tables: Tables,
    writer: Mutex<()>,
    visible: RwLock<()>,
}

impl Index {
    /// Opens the index of `network` in `folder`, making it where it is missing or has an older form. It holds at least genesis.
    ///
    /// # Errors
    ///
    /// [`IndexError::OtherNetwork`] when the folder holds another coin's index; [`IndexError::Storage`].
    pub fn open(folder: &Path, network: &Network) -> Result<Self, IndexError> {
        let index = Self::open_store(folder)?;
        if index.tables.meta.get(b"format")?.is_some_and(|format| format != FORMAT.to_be_bytes()) {
            drop(index);
            throw_away(folder)?;
            return Self::open_store(folder)?.ready(folder, network);
        }
        index.ready(folder, network)
    }

    fn open_store(folder: &Path) -> Result<Self, IndexError> {
        let (store, tables) = Store::open(folder, NAMES)?;
        Ok(Self { store, tables: Tables::from(tables), writer: Mutex::default(), visible: RwLock::default() })
    }

    fn ready(self, folder: &Path, network: &Network) -> Result<Self, IndexError> {
        match self.tables.block(Height::GENESIS)? {
            None => self.write_genesis(&genesis_block(network))?,
            Some(first) if first.hash != network.genesis.hash => {
                return Err(IndexError::OtherNetwork { path: PathBuf::from(folder), found: first.hash });
            }
            Some(_) => {}
        }
        Ok(self)
    }

    fn write_genesis(&self, block: &Block) -> Result<(), IndexError> {
        let mut batch = self.store.batch();
        batch.put(&self.tables.meta, b"format", &FORMAT.to_be_bytes());
        self.put_block(&mut batch, block, &txids(block), Height::GENESIS);
        self.commit(batch)
    }

    /// Answers questions, all for the same tip, until it is dropped. Blocks the writer: keep it for one answer only.
    pub fn read(&self) -> Reader<'_> {
        Reader::new(&self.tables, self.shared())
    }

    fn shared(&self) -> RwLockReadGuard<'_, ()> {
        // The lock holds no data, so a reader that panicked left nothing behind.
        self.visible.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `block` on top of the tip. Returns its height.
    ///
    /// # Errors
    ///
    /// [`IndexError::NotOnTip`] when it does not follow the tip; nothing is changed then.
    pub fn connect(&self, block: &Block) -> Result<Height, IndexError> {
        let _writer = self.writer();
        let tip = self.tables.tip()?.ok_or(damaged("meta"))?;
        if block.header.prev_blockhash != tip.hash {
            return Err(IndexError::NotOnTip { hash: block.block_hash(), tip: tip.hash });
        }
        let (height, txids) = (tip.height.next(), txids(block));
        let effects = Effects::of(block, &txids, height, |outpoint| self.origin(outpoint))?;
        let mut batch = self.store.batch();
        self.put_block(&mut batch, block, &txids, height);
        for (outpoint, spend) in &effects.spends {
            batch.put(&self.tables.spends, &outpoint_key(outpoint), &spend.encode());
        }
        for ((script, _), entry) in &effects.history {
            batch.put(&self.tables.history, &entry.key(script), &entry.encode());
        }
        for (script, coin) in &effects.consumed {
            batch.delete(&self.tables.coins, &coin.key(script));
        }
        for (script, coin) in effects.created.values() {
            batch.put(&self.tables.coins, &coin.key(script), &coin.encode());
        }
        self.change_totals(&mut batch, &effects, ScriptTotals::plus)?;
        self.commit(batch)?;
        Ok(height)
    }

    /// Takes the tip off. Returns the block that it was.
    ///
    /// # Errors
    ///
    /// [`IndexError::AtGenesis`].
    pub fn disconnect(&self) -> Result<Block, IndexError> {
        let _writer = self.writer();
        let tip = self.tables.tip()?.ok_or(damaged("meta"))?;
        let below = tip.height.previous().ok_or(IndexError::AtGenesis)?;
        let block = self.tables.full_block(&tip)?;
        let txids = txids(&block);
        let effects = Effects::of(&block, &txids, tip.height, |outpoint| self.origin(outpoint))?;
        let mut batch = self.store.batch();
        self.delete_block(&mut batch, &tip, &txids);
        for (outpoint, _) in &effects.spends {
            batch.delete(&self.tables.spends, &outpoint_key(outpoint));
        }
        for ((script, _), entry) in &effects.history {
            batch.delete(&self.tables.history, &entry.key(script));
        }
        for (script, coin) in effects.created.values() {
            batch.delete(&self.tables.coins, &coin.key(script));
        }
        for (script, coin) in &effects.consumed {
            batch.put(&self.tables.coins, &coin.key(script), &coin.encode());
        }
        self.change_totals(&mut batch, &effects, ScriptTotals::minus)?;
        batch.put(&self.tables.meta, b"tip", &below.to_u32().to_be_bytes());
        self.commit(batch)?;
        Ok(block)
    }

    /// Waits until everything is on disk.
    ///
    /// # Errors
    ///
    /// [`IndexError::Storage`].
    pub fn sync(&self) -> Result<(), IndexError> {
        Ok(self.store.sync()?)
    }

    fn origin(&self, outpoint: &OutPoint) -> Result<Option<Origin>, IndexError> {
        let Some(found) = self.tables.transaction(&outpoint.txid)? else { return Ok(None) };
        let vout = usize::try_from(outpoint.vout).unwrap_or(usize::MAX);
        Ok(found.tx.output.into_iter().nth(vout).map(|output| Origin { output, height: found.height }))
    }

    fn put_block(&self, batch: &mut Batch, block: &Block, txids: &[Txid], height: Height) {
        let hash = block.block_hash();
        let record = IndexedBlock {
            height,
            hash,
            header: block.header,
            transactions: count(txids.len()),
            size: count(block.total_size()),
            weight: count(usize::try_from(block.weight().to_wu()).unwrap_or(usize::MAX)),
        };
        let number = height.to_u32().to_be_bytes();
        batch.put(&self.tables.blocks, &number, &record.encode());
        batch.put(&self.tables.heights, hash.as_byte_array(), &number);
        for ((position, tx), txid) in (0..).zip(&block.txdata).zip(txids) {
            batch.put(&self.tables.blocks, &position_key(height, position), txid.as_byte_array());
            let record = IndexedTransaction { tx: tx.clone(), height, position };
            batch.put(&self.tables.transactions, txid.as_byte_array(), &record.encode());
        }
        batch.put(&self.tables.meta, b"tip", &number);
    }

    fn delete_block(&self, batch: &mut Batch, tip: &IndexedBlock, txids: &[Txid]) {
        batch.delete(&self.tables.blocks, &tip.height.to_u32().to_be_bytes());
        batch.delete(&self.tables.heights, tip.hash.as_byte_array());
        for (position, txid) in (0..).zip(txids) {
            batch.delete(&self.tables.blocks, &position_key(tip.height, position));
            batch.delete(&self.tables.transactions, txid.as_byte_array());
        }
    }

    fn change_totals(
        &self,
        batch: &mut Batch,
        effects: &Effects,
        change: fn(&ScriptTotals, &ScriptTotals) -> Option<ScriptTotals>,
    ) -> Result<(), IndexError> {
        for (script, difference) in &effects.totals {
            let totals = change(&self.tables.totals(script)?, difference).ok_or(damaged("totals"))?;
            if totals == ScriptTotals::default() {
                batch.delete(&self.tables.totals, script.as_bytes());
            } else {
                batch.put(&self.tables.totals, script.as_bytes(), &totals.encode());
            }
        }
        Ok(())
    }

    fn commit(&self, batch: Batch) -> Result<(), IndexError> {
        let _alone = self.visible.write().unwrap_or_else(PoisonError::into_inner);
        Ok(self.store.commit(batch)?)
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("store", &self.store).finish_non_exhaustive()
    }
}

fn txids(block: &Block) -> Vec<Txid> {
    block.txdata.iter().map(mycoin_primitives::Transaction::compute_txid).collect()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn throw_away(folder: &Path) -> Result<(), IndexError> {
    tracing::info!("the index has another form and is rebuilt");
    std::fs::remove_dir_all(folder).map_err(|source| {
        IndexError::Storage(mycoin_storage::StorageError::Io { action: "remove", path: folder.to_owned(), source })
    })
}
