//! The transactions that wait at the base server, as far as the proxy knows them.

use std::collections::{BTreeSet, HashMap, HashSet};

use mycoin_index::{ScriptHash, Spend};
use mycoin_primitives::{Block, OutPoint, Transaction, TxOut, Txid};

/// A transaction that waits.
#[derive(Debug)]
pub(crate) struct WaitingTx {
    pub(crate) tx: Transaction,
    /// What its inputs spend; `None` where the proxy does not know the output.
    pub(crate) spent: Vec<Option<TxOut>>,
    /// How many came before it.
    order: u64,
}

impl WaitingTx {
    /// The fee in the smallest unit, if all that it spends is known.
    pub(crate) fn fee(&self) -> Option<u64> {
        let spent: Option<Vec<u64>> =
            self.spent.iter().map(|output| output.as_ref().map(|output| output.value.to_sat())).collect();
        let spent = spent?.into_iter().fold(0_u64, u64::saturating_add);
        let paid = self.tx.output.iter().fold(0_u64, |sum, output| sum.saturating_add(output.value.to_sat()));
        spent.checked_sub(paid)
    }

    fn scripts(&self) -> HashSet<ScriptHash> {
        self.spent.iter().flatten().chain(&self.tx.output).map(|output| ScriptHash::of(&output.script_pubkey)).collect()
    }
}

/// All of them, found by txid, by script and by what they spend.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    entries: HashMap<Txid, WaitingTx>,
    by_script: HashMap<ScriptHash, BTreeSet<(u64, Txid)>>,
    spends: HashMap<OutPoint, Spend>,
    count: u64,
}

impl Waiting {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn contains(&self, txid: &Txid) -> bool {
        self.entries.contains_key(txid)
    }

    pub(crate) fn get(&self, txid: &Txid) -> Option<&WaitingTx> {
        self.entries.get(txid)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Txid, &WaitingTx)> {
        self.entries.iter()
    }

    pub(crate) fn output(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        self.entries.get(&outpoint.txid)?.tx.output.get(usize::try_from(outpoint.vout).ok()?)
    }

    pub(crate) fn spend(&self, outpoint: &OutPoint) -> Option<Spend> {
        self.spends.get(outpoint).copied()
    }

    /// The ones that pay to or spend from a script, newest first.
    pub(crate) fn of_script(&self, script: &ScriptHash) -> impl Iterator<Item = (&Txid, &WaitingTx)> {
        let found = self.by_script.get(script).into_iter().flatten().rev();
        found.filter_map(|(_, txid)| self.entries.get_key_value(txid))
    }

    /// Adds one; what it replaces goes. False when it was there.
    pub(crate) fn insert(&mut self, tx: Transaction, spent: Vec<Option<TxOut>>) -> bool {
        let txid = tx.compute_txid();
        if self.entries.contains_key(&txid) {
            return false;
        }
        for (input, number) in tx.input.iter().zip(0..) {
            if let Some(replaced) = self.spends.get(&input.previous_output) {
                let replaced = replaced.txid;
                self.remove(&replaced);
            }
            self.spends.insert(input.previous_output, Spend { txid, input: number });
        }
        self.count += 1;
        let entry = WaitingTx { tx, spent, order: self.count };
        for script in entry.scripts() {
            self.by_script.entry(script).or_default().insert((entry.order, txid));
        }
        self.entries.insert(txid, entry);
        true
    }

    /// Takes one out. False when it was not there.
    pub(crate) fn remove(&mut self, txid: &Txid) -> bool {
        let Some(entry) = self.entries.remove(txid) else { return false };
        for input in &entry.tx.input {
            self.spends.remove(&input.previous_output);
        }
        for script in entry.scripts() {
            if let Some(txids) = self.by_script.get_mut(&script) {
                txids.remove(&(entry.order, *txid));
                if txids.is_empty() {
                    self.by_script.remove(&script);
                }
            }
        }
        true
    }

    /// Takes out what a block holds, and what spends the same coins otherwise.
    pub(crate) fn confirm(&mut self, block: &Block) {
        for tx in &block.txdata {
            self.remove(&tx.compute_txid());
            for input in &tx.input {
                if let Some(conflict) = self.spends.get(&input.previous_output) {
                    let conflict = conflict.txid;
                    self.remove(&conflict);
                }
            }
        }
    }

    /// The txids that are not in `kept`.
    pub(crate) fn others(&self, kept: &HashSet<Txid>) -> Vec<Txid> {
        self.entries.keys().copied().filter(|txid| !kept.contains(txid)).collect()
    }
}
