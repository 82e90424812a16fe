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
