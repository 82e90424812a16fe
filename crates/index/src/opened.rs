//! The index's open tables, what is checked when they are opened, and the batches that change them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Block, Height, Network, OutPoint, Txid, genesis_block};
use mycoin_storage::{Batch, Store};

use crate::effects::{Effects, Origin};
use crate::error::IndexError;
use crate::records::{IndexedBlock, IndexedTransaction, ScriptTotals, outpoint_key};
use crate::tables::{NAMES, TIP, Tables, Tip, damaged, position_key};

/// The form of the tables. An index of another form is thrown away and rebuilt.
const FORMAT: u32 = 2;
const FORMAT_KEY: &[u8] = b"format";

/// The store with its tables.
pub(crate) struct Opened {
    store: Store,
    pub(crate) tables: Tables,
}

impl Opened {
    /// Opens the tables in `folder` and makes sure that they hold an index of `network`, at least its genesis.
    pub(crate) fn open(folder: &Path, network: &Network) -> Result<Self, IndexError> {
        // The store trusts some of its files so far that it panics over damaged ones.
        let opened = catch_unwind(AssertUnwindSafe(|| Store::open(folder, NAMES)));
        let (store, tables) = opened.map_err(|_| damaged("a file of the store"))??;
        let opened = Self { store, tables: Tables::from(tables) };
        opened.check(folder, network)?;
        Ok(opened)
    }

    fn check(&self, folder: &Path, network: &Network) -> Result<(), IndexError> {
        if self.tables.meta.get(FORMAT_KEY)?.is_some_and(|format| format != FORMAT.to_be_bytes()) {
            return Err(IndexError::OtherForm);
        }
        let Some(tip) = self.common_tip()? else { return self.write_genesis(&genesis_block(network)) };
        let first = self.tables.block(Height::GENESIS)?.ok_or(damaged("blocks"))?;
        if first.hash != network.genesis.hash {
            return Err(IndexError::OtherNetwork { path: folder.to_owned(), found: first.hash });
        }
        if self.tables.tip()?.hash != tip.hash {
            return Err(damaged("blocks"));
        }
        Ok(())
    }

    /// The tip that all tables agree on; `None` when they are new. The store's files reach the disk table by table, so a loss
    /// of power or a damaged file can leave one of them at an older block than another.
    fn common_tip(&self) -> Result<Option<Tip>, IndexError> {
        let tip = self.tables.meta.get(TIP)?;
        for table in self.tables.all() {
            if table.get(TIP)? != tip {
                return Err(damaged("tip"));
            }
        }
        tip.map(|bytes| Tip::decode(&bytes).ok_or(damaged("meta"))).transpose()
    }

    fn write_genesis(&self, block: &Block) -> Result<(), IndexError> {
        let mut batch = self.store.batch();
        batch.put(&self.tables.meta, FORMAT_KEY, &FORMAT.to_be_bytes());
        self.put_block(&mut batch, block, &txids(block), Height::GENESIS);
        self.commit(batch)
    }

    /// The changes that put `block` on top of the tip, and its height.
    pub(crate) fn connecting(&self, block: &Block) -> Result<(Batch, Height), IndexError> {
        let tip = self.tables.tip()?;
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
        Ok((batch, height))
    }

    /// The changes that take the tip off, and the block that it is.
    pub(crate) fn disconnecting(&self) -> Result<(Batch, Block), IndexError> {
        let tip = self.tables.tip()?;
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
        self.put_tip(&mut batch, Tip { height: below, hash: block.header.prev_blockhash });
        Ok((batch, block))
    }

    pub(crate) fn commit(&self, batch: Batch) -> Result<(), IndexError> {
        Ok(self.store.commit(batch)?)
    }

    pub(crate) fn sync(&self) -> Result<(), IndexError> {
        Ok(self.store.sync()?)
    }

    fn origin(&self, outpoint: &OutPoint) -> Result<Option<Origin>, IndexError> {
        let Some(found) = self.tables.transaction(&outpoint.txid)? else { return Ok(None) };
        let height = found.height;
        Ok(found.into_output(outpoint.vout).map(|output| Origin { output, height }))
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
        self.put_tip(batch, Tip { height, hash });
    }

    /// In every table, so that it shows when one of them is not at the block of the others.
    fn put_tip(&self, batch: &mut Batch, tip: Tip) {
        for table in self.tables.all() {
            batch.put(table, TIP, &tip.encode());
        }
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
}

fn txids(block: &Block) -> Vec<Txid> {
    block.txdata.iter().map(mycoin_primitives::Transaction::compute_txid).collect()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
