//! Following the chain: what a block confirms leaves, what a reorganisation undoes comes back.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use mycoin_consensus::HeaderBranch;
use mycoin_primitives::{Block, Transaction, Txid, Wtxid};

use crate::CoinSource;
use crate::accept::Origin;
use crate::eviction::memory_of;
use crate::pool::{Mempool, MempoolEvent, RemovalReason};

impl Mempool {
    /// A block became the tip: drops what it confirmed, and what spends the same coins, with its descendants.
    pub fn block_connected(&mut self, block: &Block, now: u64) {
        let mut confirmed = HashSet::new();
        for tx in block.txdata.iter().filter(|tx| !tx.is_coinbase()) {
            let txid = tx.compute_txid();
            confirmed.insert(txid);
            if self.entry(&txid).is_some() {
                // Its ancestors stand earlier in the block, so they have gone; its descendants go on waiting.
                self.remove_all(&BTreeSet::from([txid]), RemovalReason::Confirmed);
            } else {
                let conflicts = self.direct_conflicts(tx).into_values().collect();
                let gone = self.descendants_of(&conflicts);
                self.remove_all(&gone, RemovalReason::Conflict);
            }
        }
        for block in &mut self.returning {
            block.retain(|tx| !confirmed.contains(&tx.compute_txid()));
        }
        self.rolling.block_connected(now, self.memory(), self.limits.memory);
    }

    /// A block is no longer the tip. Its transactions come back with [`Mempool::revalidate`], which must be called when
    /// the reorganisation is over, before anything else is asked of the pool.
    pub fn block_disconnected(&mut self, block: &Block) {
        self.returning.push(block.txdata.iter().filter(|tx| !tx.is_coinbase()).cloned().collect());
        // A deep reorganisation may bring back more than fits. The latest blocks' depend on the others', so they give way.
        let memory = |blocks: &[Vec<Transaction>]| blocks.iter().flatten().map(memory_of).sum::<usize>();
        while self.returning.len() > 1 && memory(&self.returning) > self.limits.memory {
            self.returning.remove(0);
        }
    }

    /// Ends a reorganisation: puts back the disconnected blocks' transactions, parents first, then checks everything
    /// that waits against the new tip (coins, maturity, lock times, limits on chains). `branch` ends in the new tip.
    pub fn revalidate(&mut self, coins: &dyn CoinSource, branch: &dyn HeaderBranch, now: u64) {
        let mut events = self.take_events();
        let before: HashMap<Txid, Wtxid> = self.entries.values().map(|entry| (entry.txid, entry.wtxid)).collect();
        let waiting: Vec<(Arc<Transaction>, u64)> =
            self.all().into_iter().map(|entry| (Arc::clone(&entry.tx), entry.time)).collect();
        let returning = std::mem::take(&mut self.returning);

        // The pool is built anew through the one gate that everything passes, so nothing can be half consistent.
        let mut rebuilt = Self::new(self.network.clone(), self.limits.clone());
        rebuilt.rolling = self.rolling.clone();
        *self = rebuilt;
        // What fails here is no longer valid or no longer fits; the difference below tells it.
        for tx in returning.into_iter().rev().flatten() {
            let _ = self.take_in(Arc::new(tx), coins, branch, now, now, Origin::Block);
        }
        for (tx, time) in waiting {
            let _ = self.take_in(tx, coins, branch, now, time, Origin::Waiting);
        }
        events.extend(self.difference(&before));
        self.events = events;
    }

    fn difference(&self, before: &HashMap<Txid, Wtxid>) -> Vec<MempoolEvent> {
        let mut gone: Vec<_> = before.iter().filter(|(txid, _)| self.entry(txid).is_none()).collect();
        gone.sort();
        let removed = gone.into_iter().map(|(txid, wtxid)| MempoolEvent::Removed {
            txid: *txid,
            wtxid: *wtxid,
            reason: RemovalReason::Reorganised,
        });
        let added = self.all().into_iter().filter(|entry| !before.contains_key(&entry.txid)).map(|entry| {
            MempoolEvent::Added { txid: entry.txid, wtxid: entry.wtxid, fee: entry.fee, vsize: entry.vsize }
        });
        removed.chain(added).collect()
    }
}
