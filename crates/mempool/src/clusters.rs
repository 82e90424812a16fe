//! Unconfirmed transactions that hang together: who depends on whom, and how many may.
//!
//! In:    a newcomer, or several that are judged together, and what they would replace.
//! Out:   ancestors, descendants, clusters; the cluster limit that is exceeded.
//! Never: fees.
//!
//! A cluster is everything that can be reached from a transaction through parents and children. Its limits hold the
//! work bounded that a template, a replacement and an eviction are.
//! Source: Bitcoin Core v31 `CTxMemPool::ChangeSet::CheckMemPoolPolicyLimits`, txmempool.cpp; kernel/mempool_limits.h.

use std::collections::{BTreeMap, BTreeSet};

use mycoin_primitives::Txid;

use crate::Entry;
use crate::error::{ClusterLimit, RejectReason};
use crate::policy;
use crate::pool::Mempool;

impl Mempool {
    /// The waiting transactions that `parents` depend on, and `parents` themselves.
    pub(crate) fn ancestors_of(&self, parents: &BTreeSet<Txid>) -> BTreeSet<Txid> {
        self.closure(parents, |entry| entry.parents.iter().copied().collect())
    }

    /// The waiting transactions that depend on `children`, and `children` themselves.
    pub(crate) fn descendants_of(&self, children: &BTreeSet<Txid>) -> BTreeSet<Txid> {
        self.closure(children, |entry| entry.children.iter().copied().collect())
    }

    fn closure(&self, start: &BTreeSet<Txid>, next: impl Fn(&Entry) -> Vec<Txid>) -> BTreeSet<Txid> {
        let mut found = BTreeSet::new();
        let mut open: Vec<Txid> = start.iter().copied().collect();
        while let Some(txid) = open.pop() {
            let Some(entry) = self.entries.get(&txid) else { continue };
            if found.insert(txid) {
                open.extend(next(entry));
            }
        }
        found
    }

    /// In how many clusters `txids` lie, counted up to one above `limit`. Source: `CTxMemPool::GetUniqueClusterCount`.
    pub(crate) fn clusters_of(&self, txids: &BTreeSet<Txid>, limit: usize) -> usize {
        let mut seen = BTreeSet::new();
        let mut count = 0;
        for txid in txids {
            if count > limit {
                break;
            }
            if !seen.contains(txid) {
                seen.extend(self.closure(&BTreeSet::from([*txid]), Entry::neighbours));
                count += 1;
            }
        }
        count
    }

    /// Checks the clusters that `newcomers` would stand in; `replaced` counts as gone.
    ///
    /// # Errors
    ///
    /// [`RejectReason::TooLargeCluster`].
    pub(crate) fn check_cluster_limits(
        &self,
        newcomers: &[&Entry],
        replaced: &BTreeSet<Txid>,
    ) -> Result<(), RejectReason> {
        let graph = Graph::new(self, newcomers, replaced);
        newcomers.iter().try_for_each(|newcomer| graph.check_cluster(newcomer.txid))
    }
}

impl Entry {
    fn neighbours(&self) -> Vec<Txid> {
        self.parents.iter().chain(&self.children).copied().collect()
    }
}

/// The pool as it would be with some newcomers and without some others.
struct Graph<'a> {
    pool: &'a Mempool,
    newcomers: BTreeMap<Txid, &'a Entry>,
    gone: &'a BTreeSet<Txid>,
    /// Which newcomers spend an output of a transaction.
    new_children: BTreeMap<Txid, BTreeSet<Txid>>,
}

impl<'a> Graph<'a> {
    fn new(pool: &'a Mempool, newcomers: &[&'a Entry], gone: &'a BTreeSet<Txid>) -> Self {
        let mut new_children: BTreeMap<Txid, BTreeSet<Txid>> = BTreeMap::new();
        for newcomer in newcomers {
            for input in &newcomer.tx.input {
                new_children.entry(input.previous_output.txid).or_default().insert(newcomer.txid);
            }
        }
        let newcomers = newcomers.iter().map(|entry| (entry.txid, *entry)).collect();
        Self { pool, newcomers, gone, new_children }
    }

    fn entry(&self, txid: &Txid) -> Option<&'a Entry> {
        let waiting = || self.pool.entry(txid).filter(|_| !self.gone.contains(txid));
        self.newcomers.get(txid).copied().or_else(waiting)
    }

    /// Walks the cluster, and stops where a limit is exceeded, so that the work is bounded however many hang together.
    fn check_cluster(&self, start: Txid) -> Result<(), RejectReason> {
        let (mut count, mut weight) = (0u64, 0u64);
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(txid) = open.pop() {
            let Some(entry) = self.entry(&txid) else { continue };
            if !seen.insert(txid) {
                continue;
            }
            count += 1;
            weight = weight.saturating_add(policy::adjusted_weight(entry.weight, entry.sigop_cost));
            within(ClusterLimit::Count, count, policy::DEFAULT_CLUSTER_LIMIT)?;
            within(ClusterLimit::Size, weight.div_ceil(4), policy::MAX_CLUSTER_VSIZE)?;
            // What waits knows its relatives; a newcomer's are found by what it spends.
            open.extend(entry.neighbours());
            if self.newcomers.contains_key(&txid) {
                open.extend(entry.tx.input.iter().map(|input| input.previous_output.txid));
            }
            open.extend(self.new_children.get(&txid).into_iter().flatten());
        }
        Ok(())
    }
}

fn within(rule: ClusterLimit, value: u64, limit: u64) -> Result<(), RejectReason> {
    if value > limit { Err(RejectReason::TooLargeCluster { rule, value, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::{Amount, OutPoint, Transaction, TxOut};

    use super::*;
    use crate::test_support::{World, output, pay, unsigned};

    /// A chain of `length` transactions that begins at `coin`, each spending the one before; its last output.
    fn chain(world: &mut World, coin: OutPoint, length: usize) -> OutPoint {
        (0..length).fold(coin, |coin, _| output(&world.send(&[coin], 1, 1_000), 0))
    }

    fn broken(world: &mut World, tx: &Transaction) -> (ClusterLimit, u64) {
        let reason = world.accept(tx).expect_err("a limit is exceeded");
        assert_eq!(reason.reject_reason(), "too-large-cluster");
        match reason {
            RejectReason::TooLargeCluster { rule, value, .. } => (rule, value),
            other => panic!("{other}"),
        }
    }

    /// A transaction with `size` bytes of data.
    fn large(world: &World, coin: OutPoint, size: u16, fee: u64) -> Transaction {
        let mut data = vec![0x6a, 0x4d];
        data.extend(size.to_le_bytes());
        data.resize(data.len() + usize::from(size), 1);
        let held = world.value_of(&coin).expect("the coin is there");
        let data = TxOut { value: Amount::ZERO, script_pubkey: data.into() };
        world.sign(unsigned(&[coin], vec![pay(held - fee), data]))
    }

    #[test]
    fn totals_of_a_diamond() {
        let mut world = World::new();
        let coin = world.fund(1).remove(0);
        let top = world.send(&[coin], 2, 1_000);
        let left = world.send(&[output(&top, 0)], 1, 2_000);
        let right = world.send(&[output(&top, 1)], 1, 3_000);
        let bottom = world.send(&[output(&left, 0), output(&right, 0)], 1, 4_000);
        let entry = world.pool.entry(&bottom.compute_txid()).expect("it waits");
        assert_eq!((entry.ancestors.count, entry.ancestors.fees), (4, Amount::from_sat(10_000)));
        let entry = world.pool.entry(&top.compute_txid()).expect("it waits");
        assert_eq!((entry.descendants.count, entry.descendants.fees), (4, Amount::from_sat(10_000)));
    }

    #[test]
    fn cluster_count_of_a_chain() {
        let mut world = World::new();
        let coin = world.fund(1).remove(0);
        let last = chain(&mut world, coin, 64);
        let tx = world.spend(&[last], 1, 1_000);
        assert_eq!(broken(&mut world, &tx), (ClusterLimit::Count, 65));
        world.mine(1);
        assert!(world.accept(&tx).is_ok());
    }

    #[test]
    fn cluster_count_of_two_that_are_joined() {
        let mut world = World::new();
        let coins = world.fund(2);
        let (left, right) = (chain(&mut world, coins[0], 32), chain(&mut world, coins[1], 32));
        let tx = world.spend(&[left, right], 1, 1_000);
        assert_eq!(broken(&mut world, &tx), (ClusterLimit::Count, 65));
    }

    #[test]
    fn cluster_count_of_children() {
        let mut world = World::new();
        let coin = world.fund(1).remove(0);
        let parent = world.send(&[coin], 65, 10_000);
        (0..63).for_each(|vout| drop(world.send(&[output(&parent, vout)], 1, 1_000)));
        let tx = world.spend(&[output(&parent, 63)], 1, 1_000);
        assert_eq!(broken(&mut world, &tx), (ClusterLimit::Count, 65));
        // One that replaces a child takes its place.
        let tx = world.spend(&[output(&parent, 62)], 1, 3_000);
        assert!(world.accept(&tx).is_ok());
    }

    #[test]
    fn cluster_size() {
        let mut world = World::new();
        let coin = world.fund(1).remove(0);
        let first = large(&world, coin, 50_000, 10_000);
        assert!(world.accept(&first).is_ok());
        let taken = world.pool.entry(&first.compute_txid()).expect("it waits").weight;
        // What a second one weighs besides its data.
        let frame = large(&world, output(&first, 0), 50_000, 10_000).weight().to_wu() - 4 * 50_000;
        let room = u16::try_from((404_000 - taken - frame) / 4).expect("it fits a push of two bytes");
        let tx = large(&world, output(&first, 0), room + 1, 10_000);
        assert_eq!(broken(&mut world, &tx), (ClusterLimit::Size, 101_001));
        let tx = large(&world, output(&first, 0), room, 10_000);
        assert!(world.accept(&tx).is_ok());
    }
}
