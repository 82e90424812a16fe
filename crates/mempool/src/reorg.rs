//! Following the chain: what a block confirms leaves, what a reorganisation undoes comes back.

use std::collections::HashMap;
use std::sync::Arc;

use mycoin_consensus::HeaderBranch;
use mycoin_primitives::{Block, Transaction, TxIn, Txid, Wtxid};

use crate::CoinSource;
use crate::accept::{Origin, Tip};
use crate::eviction::memory_of;
use crate::pool::{Mempool, MempoolEvent, RemovalReason};

/// The transactions of a disconnected block.
#[derive(Debug)]
pub(crate) struct ReturningBlock {
    transactions: Vec<Transaction>,
    /// As they would take it in the pool, in bytes.
    memory: usize,
}

impl Mempool {
    /// A block became the tip: drops what it confirmed, and what spends the same coins, with its descendants.
    pub fn block_connected(&mut self, block: &Block, now: u64) {
        for tx in block.txdata.iter().filter(|tx| !tx.is_coinbase()) {
            if let Some(txid) = self.same(tx) {
                // Its ancestors stand earlier in the block, so they have gone; its descendants go on waiting.
                self.remove_confirmed(txid);
            } else {
                let conflicts = self.direct_conflicts(tx).into_values().collect();
                let gone = self.descendants_of(&conflicts);
                self.remove_all(&gone, RemovalReason::Conflict);
            }
        }
        self.rolling.block_connected(now, self.memory(), self.limits.memory);
    }

    /// The waiting transaction with the same id, whatever its witness: an id stands for all the rest, so that no hash is needed.
    fn same(&self, tx: &Transaction) -> Option<Txid> {
        let spender = self.spender(&tx.input.first()?.previous_output)?;
        let waiting = &self.entry(&spender)?.tx;
        let without_witness = |input: &TxIn| (input.previous_output, input.sequence);
        let is_same = waiting.version == tx.version
            && waiting.lock_time == tx.lock_time
            && waiting.input.iter().map(without_witness).eq(tx.input.iter().map(without_witness))
            && waiting.input.iter().map(|input| &input.script_sig).eq(tx.input.iter().map(|input| &input.script_sig))
            && waiting.output == tx.output;
        is_same.then_some(spender)
    }

    /// A block is no longer the tip. Its transactions come back with [`Mempool::revalidate`], which must be called when
    /// the reorganisation is over, before anything else is asked of the pool.
    pub fn block_disconnected(&mut self, block: &Block) {
        let transactions: Vec<_> = block.txdata.iter().filter(|tx| !tx.is_coinbase()).cloned().collect();
        let memory = transactions.iter().map(memory_of).sum();
        self.returning.push(ReturningBlock { transactions, memory });
        // A deep reorganisation may bring back more than fits. The latest blocks' depend on the others', so they give way.
        while self.returning.len() > 1
            && self.returning.iter().map(|block| block.memory).sum::<usize>() > self.limits.memory
        {
            self.returning.remove(0);
        }
    }

    /// Ends a reorganisation: puts back the disconnected blocks' transactions, parents first, then checks everything
    /// that waits against the new tip (coins, maturity, lock times, limits on clusters). `branch` ends in the new tip.
    /// What the new branch confirmed again is refused here, because its coins are spent.
    pub fn revalidate(&mut self, coins: &dyn CoinSource, branch: &dyn HeaderBranch, now: u64) {
        let mut events = self.take_events();
        let before: HashMap<Txid, Wtxid> = self.entries.values().map(|entry| (entry.txid, entry.wtxid)).collect();
        let waiting: Vec<(Arc<Transaction>, u64)> =
            self.all().into_iter().map(|entry| (Arc::clone(&entry.tx), entry.time)).collect();
        let returning = std::mem::take(&mut self.returning);

        // The pool is built anew through the one gate that everything passes, so nothing can be half consistent.
        let mut rebuilt = Self::new(self.network.clone(), self.limits.clone());
        rebuilt.rolling = self.rolling.clone();
        rebuilt.signatures = Arc::clone(&self.signatures);
        *self = rebuilt;
        // What fails here is no longer valid or no longer fits; the difference below tells it.
        let tip = Tip { coins, branch, now };
        for tx in returning.into_iter().rev().flat_map(|block| block.transactions) {
            let _ = self.take_in(Arc::new(tx), tip, now, Origin::Block);
        }
        for (tx, time) in waiting {
            let _ = self.take_in(tx, tip, time, Origin::Waiting);
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

#[cfg(test)]
mod tests {
    use mycoin_primitives::bitcoin::absolute::LockTime;

    use super::*;
    use crate::test_support::{COIN, World, output, pay, unsigned};

    fn reasons(world: &mut World) -> Vec<(Txid, RemovalReason)> {
        let events = world.pool.take_events();
        let removed = events.into_iter().filter_map(|event| match event {
            MempoolEvent::Removed { txid, reason, .. } => Some((txid, reason)),
            MempoolEvent::Added { .. } => None,
        });
        removed.collect()
    }

    #[test]
    fn a_block_takes_what_it_confirms_and_leaves_the_descendants() {
        let mut world = World::new();
        let coins = world.fund(1);
        let parent = world.send(&coins, 1, 1_000);
        let child = world.send(&[output(&parent, 0)], 1, 1_000);
        world.mine(1);
        assert_eq!(reasons(&mut world), [(parent.compute_txid(), RemovalReason::Confirmed)]);
        let entry = world.pool.entry(&child.compute_txid()).expect("it waits");
        assert_eq!((entry.ancestors.count, entry.parents.len()), (1, 0));
    }

    #[test]
    fn a_block_drops_what_spends_the_same_coins_with_its_descendants() {
        let mut world = World::new();
        let coins = world.fund(1);
        let confirmed = world.spend(&coins, 1, 500);
        let old = world.send(&coins, 1, 1_000);
        let child = world.send(&[output(&old, 0)], 1, 1_000);
        world.mine_block(vec![confirmed]);
        let mut gone = reasons(&mut world);
        gone.sort_by_key(|(txid, _)| *txid != old.compute_txid());
        let conflict = |tx: &Transaction| (tx.compute_txid(), RemovalReason::Conflict);
        assert_eq!(gone, [conflict(&old), conflict(&child)]);
    }

    #[test]
    fn a_reorganisation_puts_transactions_back_parents_first() {
        let mut world = World::new();
        let coins = world.fund(1);
        let first = world.send(&coins, 1, 1_000);
        let second = world.send(&[output(&first, 0)], 1, 1_000);
        world.mine(2);
        let third = world.send(&[output(&second, 0)], 1, 1_000);
        world.mine(1);
        let waiting = world.send(&[output(&third, 0)], 1, 1_000);
        world.pool.take_events();
        let came = world.pool.entry(&waiting.compute_txid()).map(|entry| entry.time);

        world.reorganise(2, Vec::new());
        let all: Vec<Txid> = world.pool.all().iter().map(|entry| entry.txid).collect();
        assert_eq!(all, [&first, &second, &third, &waiting].map(Transaction::compute_txid));
        assert_eq!(world.pool.entry(&waiting.compute_txid()).map(|entry| entry.time), came);
        // What waited all along is not told again.
        assert_eq!(world.pool.take_events().len(), 3);
        assert_eq!(world.mine(9).txdata.len(), 5);
    }

    #[test]
    fn what_the_new_branch_confirms_or_contradicts_does_not_come_back() {
        let mut world = World::new();
        let coins = world.fund(2);
        let again = world.send(&coins[..1], 1, 1_000);
        let contradicted = world.send(&coins[1..], 1, 1_000);
        world.mine(2);
        let child = world.send(&[output(&contradicted, 0)], 1, 1_000);
        let other = world.spend(&coins[1..], 1, 2_000);
        world.pool.take_events();
        world.reorganise(1, vec![vec![again, other]]);
        assert!(world.pool.is_empty());
        assert_eq!(reasons(&mut world), [(child.compute_txid(), RemovalReason::Reorganised)]);
    }

    #[test]
    fn a_spend_of_a_disconnected_coinbase_is_dropped() {
        let mut world = World::new();
        let block = world.mine(0);
        let tx = world.send(&[output(&block.txdata[0], 0)], 1, 1_000);
        world.pool.take_events();
        world.reorganise(1, Vec::new());
        assert_eq!(reasons(&mut world), [(tx.compute_txid(), RemovalReason::Reorganised)]);
    }

    #[test]
    fn what_is_locked_on_the_new_branch_is_dropped() {
        let mut world = World::new();
        let coins = world.fund(1);
        world.mine(0);
        let mut tx = unsigned(&coins, vec![pay(COIN - 1_000)]);
        tx.lock_time = LockTime::from_consensus(1);
        let tx = world.sign(tx);
        assert!(world.accept(&tx).is_ok());
        let block = world.chain.disconnect();
        world.pool.block_disconnected(&block);
        world.pool.revalidate(&world.chain, &world.chain, world.now);
        assert!(!world.waits(&tx));
    }
}
