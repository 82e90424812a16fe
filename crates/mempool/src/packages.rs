//! Chains of unconfirmed transactions: who depends on whom, and how long a chain may grow.

use std::collections::BTreeSet;

use mycoin_primitives::Txid;

use crate::entry::PackageTotals;
use crate::error::{PackageLimit, RejectReason};
use crate::policy;
use crate::pool::Mempool;

impl Mempool {
    /// The waiting transactions that `parents` depend on, and `parents` themselves.
    pub(crate) fn ancestors_of(&self, parents: &BTreeSet<Txid>) -> BTreeSet<Txid> {
        self.closure(parents, |entry| &entry.parents)
    }

    /// The waiting transactions that depend on `children`, and `children` themselves.
    pub(crate) fn descendants_of(&self, children: &BTreeSet<Txid>) -> BTreeSet<Txid> {
        self.closure(children, |entry| &entry.children)
    }

    fn closure(&self, start: &BTreeSet<Txid>, next: impl Fn(&crate::Entry) -> &BTreeSet<Txid>) -> BTreeSet<Txid> {
        let mut found = BTreeSet::new();
        let mut open: Vec<Txid> = start.iter().copied().collect();
        while let Some(txid) = open.pop() {
            let Some(entry) = self.entries.get(&txid) else { continue };
            if found.insert(txid) {
                open.extend(next(entry).iter().copied());
            }
        }
        found
    }

    /// The ancestors that a newcomer of size `vsize` with these `parents` would have, if the limits allow it.
    ///
    /// What it would replace counts as gone: `replaced` is subtracted from its ancestors' descendants.
    ///
    /// Source: Bitcoin Core v30 `CTxMemPool::CalculateMemPoolAncestors`, txmempool.cpp.
    pub(crate) fn check_package_limits(
        &self,
        parents: &BTreeSet<Txid>,
        vsize: u64,
        replaced: &BTreeSet<Txid>,
    ) -> Result<BTreeSet<Txid>, RejectReason> {
        let ancestors = self.ancestors_of(parents);
        let mut totals = PackageTotals { count: 1, vsize, ..PackageTotals::default() };
        for entry in ancestors.iter().filter_map(|txid| self.entries.get(txid)) {
            totals.add(PackageTotals::of(entry));
            let mut descendants = entry.descendants;
            for gone in self.descendants_of(&entry.children).intersection(replaced) {
                if let Some(gone) = self.entries.get(gone) {
                    descendants.subtract(PackageTotals::of(gone));
                }
            }
            let count = descendants.count.saturating_add(1);
            within(PackageLimit::DescendantCount, count, policy::MAX_PACKAGE_COUNT)?;
            let size = descendants.vsize.saturating_add(vsize);
            within(PackageLimit::DescendantSize, size, policy::MAX_PACKAGE_VSIZE)?;
        }
        within(PackageLimit::AncestorCount, totals.count, policy::MAX_PACKAGE_COUNT)?;
        within(PackageLimit::AncestorSize, totals.vsize, policy::MAX_PACKAGE_VSIZE)?;
        Ok(ancestors)
    }
}

fn within(rule: PackageLimit, value: u64, limit: u64) -> Result<(), RejectReason> {
    if value > limit { Err(RejectReason::TooLongChain { rule, value, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::{Amount, Transaction, TxOut};

    use super::*;
    use crate::test_support::{COIN, World, output, own_script, pay, unsigned};

    /// A chain of `length` transactions, each spending the one before.
    fn chain(world: &mut World, length: usize) -> Vec<Transaction> {
        let mut coin = world.fund(1).remove(0);
        (0..length)
            .map(|_| {
                let tx = world.send(&[coin], 1, 1_000);
                coin = output(&tx, 0);
                tx
            })
            .collect()
    }

    fn broken(world: &mut World, tx: &Transaction) -> (PackageLimit, u64) {
        let reason = world.accept(tx).expect_err("a limit is exceeded");
        assert_eq!(reason.reject_reason(), "too-long-mempool-chain");
        match reason {
            RejectReason::TooLongChain { rule, value, .. } => (rule, value),
            other => panic!("{other}"),
        }
    }

    /// A transaction of nearly 40,000 virtual bytes.
    fn large(world: &World, coin: mycoin_primitives::OutPoint, value: u64) -> Transaction {
        let mut data = vec![0x6a, 0x4d];
        data.extend(39_800u16.to_le_bytes());
        data.resize(data.len() + 39_800, 1);
        let data = TxOut { value: Amount::ZERO, script_pubkey: data.into() };
        world.sign(unsigned(&[coin], vec![pay(value), data]))
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
    fn ancestor_count() {
        let mut world = World::new();
        // Two branches of 13 and 12: their child would have 25 ancestors, itself not counted.
        let long = chain(&mut world, 13);
        let mut coin = world.fund(2).remove(1);
        for _ in 0..12 {
            coin = output(&world.send(&[coin], 1, 1_000), 0);
        }
        let tx = world.spend(&[output(&long[12], 0), coin], 1, 1_000);
        assert_eq!(broken(&mut world, &tx), (PackageLimit::AncestorCount, 26));
        let tx = world.spend(&[output(&long[12], 0)], 1, 1_000);
        assert!(world.accept(&tx).is_ok());
    }

    #[test]
    fn descendant_count() {
        let mut world = World::new();
        let coin = world.fund(1).remove(0);
        let parent = world.send(&[coin], 25, 10_000);
        for vout in 0..24 {
            world.send(&[output(&parent, vout)], 1, 1_000);
        }
        let tx = world.spend(&[output(&parent, 24)], 1, 1_000);
        assert_eq!(broken(&mut world, &tx), (PackageLimit::DescendantCount, 26));
        // One that replaces a descendant takes its place.
        let tx = world.spend(&[output(&parent, 23)], 1, 3_000);
        assert!(world.accept(&tx).is_ok());
    }

    #[test]
    fn ancestor_size() {
        let mut world = World::new();
        let coins = world.fund(2);
        let first = large(&world, coins[0], COIN - 10_000);
        let second = large(&world, coins[1], COIN - 10_000);
        assert!(world.accept(&first).is_ok() && world.accept(&second).is_ok());
        let both = [output(&first, 0), output(&second, 0)];
        let mut tx = large(&world, both[0], COIN - 20_000);
        tx.input.extend(unsigned(&both[1..], vec![]).input);
        let tx = world.sign(tx);
        let (rule, size) = broken(&mut world, &tx);
        assert_eq!(rule, PackageLimit::AncestorSize);
        assert!(size > 101_000);
    }

    #[test]
    fn descendant_size() {
        let mut world = World::new();
        let coin = world.fund(1).remove(0);
        let parent = world.send(&[coin], 3, 10_000);
        let value = parent.output[1].value.to_sat() - 10_000;
        for vout in [0, 1] {
            let tx = large(&world, output(&parent, vout), value);
            assert!(world.accept(&tx).is_ok());
        }
        let tx = large(&world, output(&parent, 2), value);
        assert_eq!(broken(&mut world, &tx).0, PackageLimit::DescendantSize);
        assert_eq!(parent.output[0].script_pubkey, own_script());
    }
}
