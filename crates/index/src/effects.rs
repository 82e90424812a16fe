//! What a block changes in the index. Connecting adds it, disconnecting takes the same away, so the two cannot disagree.

use std::collections::{BTreeMap, HashMap};

use mycoin_primitives::{Block, Height, OutPoint, Transaction, TxOut, Txid};

use crate::error::IndexError;
use crate::records::{HistoryEntry, IndexedCoin, ScriptTotals, Spend};
use crate::script_hash::ScriptHash;

/// An output with the height of the block that created it.
pub(crate) struct Origin {
    pub(crate) output: TxOut,
    pub(crate) height: Height,
}

/// Everything that one block adds to the index, beside itself.
#[derive(Default)]
pub(crate) struct Effects {
    /// One entry a script and transaction.
    pub(crate) history: BTreeMap<(ScriptHash, u32), HistoryEntry>,
    pub(crate) totals: BTreeMap<ScriptHash, ScriptTotals>,
    /// What the block creates and does not spend itself.
    pub(crate) created: HashMap<OutPoint, (ScriptHash, IndexedCoin)>,
    /// What it spends of earlier blocks.
    pub(crate) consumed: Vec<(ScriptHash, IndexedCoin)>,
    pub(crate) spends: Vec<(OutPoint, Spend)>,
}

impl Effects {
    /// Of `block` at `height`; `origin` finds the outputs of earlier blocks.
    pub(crate) fn of(
        block: &Block,
        txids: &[Txid],
        height: Height,
        origin: impl Fn(&OutPoint) -> Result<Option<Origin>, IndexError>,
    ) -> Result<Self, IndexError> {
        let mut effects = Self::default();
        // Nobody can spend the genesis output (Bitcoin Core never adds it to the coins), so no history shows it.
        if height == Height::GENESIS {
            return Ok(effects);
        }
        // Positions in order: a transaction may spend the output of one before it in the same block.
        for ((position, tx), txid) in (0..).zip(&block.txdata).zip(txids) {
            effects.transaction(tx, *txid, height, position, &origin)?;
        }
        Ok(effects)
    }

    fn transaction(
        &mut self,
        tx: &Transaction,
        txid: Txid,
        height: Height,
        position: u32,
        origin: &impl Fn(&OutPoint) -> Result<Option<Origin>, IndexError>,
    ) -> Result<(), IndexError> {
        if !tx.is_coinbase() {
            for (number, input) in (0..).zip(&tx.input) {
                let outpoint = input.previous_output;
                let (script, value) = self.take(outpoint, origin)?;
                self.spends.push((outpoint, Spend { txid, input: number }));
                self.entry(script, txid, height, position).spends = true;
                let totals = self.totals.entry(script).or_default();
                totals.spent_count += 1;
                totals.spent_sum = totals.spent_sum.saturating_add(value);
            }
        }
        for (vout, output) in (0..).zip(&tx.output) {
            if output.script_pubkey.is_op_return() {
                continue;
            }
            let script = ScriptHash::of(&output.script_pubkey);
            let outpoint = OutPoint { txid, vout };
            self.created.insert(outpoint, (script, IndexedCoin { outpoint, value: output.value, height }));
            self.entry(script, txid, height, position).funds = true;
            let totals = self.totals.entry(script).or_default();
            totals.funded_count += 1;
            totals.funded_sum = totals.funded_sum.saturating_add(output.value.to_sat());
        }
        Ok(())
    }

    /// The script and amount of an output that is spent: created in this block, or of an earlier one.
    fn take(
        &mut self,
        outpoint: OutPoint,
        origin: &impl Fn(&OutPoint) -> Result<Option<Origin>, IndexError>,
    ) -> Result<(ScriptHash, u64), IndexError> {
        if let Some((script, coin)) = self.created.remove(&outpoint) {
            return Ok((script, coin.value.to_sat()));
        }
        let Origin { output, height } = origin(&outpoint)?.ok_or(IndexError::UnknownOutput { outpoint })?;
        let script = ScriptHash::of(&output.script_pubkey);
        self.consumed.push((script, IndexedCoin { outpoint, value: output.value, height }));
        Ok((script, output.value.to_sat()))
    }

    fn entry(&mut self, script: ScriptHash, txid: Txid, height: Height, position: u32) -> &mut HistoryEntry {
        self.history.entry((script, position)).or_insert_with(|| {
            self.totals.entry(script).or_default().transactions += 1;
            HistoryEntry { height, position, txid, funds: false, spends: false }
        })
    }
}
