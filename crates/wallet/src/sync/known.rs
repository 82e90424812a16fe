//! What need not be asked again: the transactions that are proven to stand in the chain, by our scripts.
//!
//! In:    the ledger, the headers' verdict on its blocks, what other proxies proved just now.
//! Out:   of each script which transactions and how many.
//! Never: a transaction whose block left the chain, or one that waits.

use std::collections::{HashMap, HashSet};

use mycoin_primitives::{Height, OutPoint, Script, ScriptBuf, Transaction, Txid};

use crate::keyring::Keyring;
use crate::ledger::{Ledger, Place};

#[derive(Default)]
pub(super) struct Known {
    scripts: HashMap<ScriptBuf, HashSet<Txid>>,
    heights: HashMap<Txid, Height>,
    /// Outputs of ours, spent or not.
    outputs: HashMap<OutPoint, ScriptBuf>,
    /// Scripts that something was ever paid to, waiting or not.
    paid: HashSet<ScriptBuf>,
}

impl Known {
    /// What the ledger knows, without the blocks at the heights of `undone`.
    pub(super) fn of(ledger: &Ledger, keyring: &Keyring, undone: &[Height]) -> Self {
        let mut known = Self::default();
        let is_ours = |script: &Script| keyring.origin(script).is_some();
        // In this order each transaction stands after those that it spends from.
        for entry in ledger.transactions().iter() {
            let height = match entry.place {
                Place::Block { height, .. } if !undone.contains(&height) => Some(height),
                Place::Block { .. } | Place::Waiting { .. } => None,
            };
            known.add(entry.txid, &entry.tx, height, &is_ours);
        }
        known
    }

    /// Adds a transaction, proven to be in the block at `height`, or waiting.
    pub(super) fn add(
        &mut self,
        txid: Txid,
        tx: &Transaction,
        height: Option<Height>,
        is_ours: &dyn Fn(&Script) -> bool,
    ) {
        let mut touched = HashSet::new();
        for (vout, output) in (0..).zip(&tx.output).filter(|(_, output)| is_ours(&output.script_pubkey)) {
            self.outputs.insert(OutPoint { txid, vout }, output.script_pubkey.clone());
            self.paid.insert(output.script_pubkey.clone());
            touched.insert(output.script_pubkey.clone());
        }
        let Some(height) = height else { return };
        touched.extend(tx.input.iter().filter_map(|input| self.outputs.get(&input.previous_output)).cloned());
        if touched.is_empty() {
            return;
        }
        self.heights.insert(txid, height);
        for script in touched {
            self.scripts.entry(script).or_default().insert(txid);
        }
    }

    /// Whether the transaction is proven and ours.
    pub(super) fn contains(&self, txid: &Txid) -> bool {
        self.heights.contains_key(txid)
    }

    /// How many proven transactions pay to or spend from a script.
    pub(super) fn count(&self, script: &Script) -> u64 {
        self.scripts.get(script).map_or(0, |txids| txids.len() as u64)
    }

    /// The proven transactions of a script that stand at or below a height.
    pub(super) fn up_to(&self, script: &Script, height: Height) -> impl Iterator<Item = Txid> {
        let txids = self.scripts.get(script).into_iter().flatten().copied();
        txids.filter(move |txid| self.heights.get(txid).is_some_and(|at| *at <= height))
    }

    /// Whether a known transaction pays to the script.
    pub(super) fn pays(&self, script: &Script) -> bool {
        self.paid.contains(script)
    }

    /// Whether the output is ours.
    pub(super) fn owns(&self, outpoint: &OutPoint) -> bool {
        self.outputs.contains_key(outpoint)
    }
}
