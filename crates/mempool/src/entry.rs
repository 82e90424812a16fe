//! A waiting transaction, and the totals of the packages that it stands in.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use mycoin_primitives::{Amount, FeeRate, Height, Transaction, Txid, Wtxid};

/// Sums over a set of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PackageTotals {
    /// How many.
    pub count: u64,
    /// Their virtual size in bytes, adjusted for signature operations.
    pub vsize: u64,
    /// Their fees.
    pub fees: Amount,
}

impl PackageTotals {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self { count: 1, vsize: entry.vsize, fees: entry.fee }
    }

    /// Saturates; fees stay below the coin's supply and sizes below the pool's limit.
    pub(crate) fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.vsize = self.vsize.saturating_add(other.vsize);
        self.fees = Amount::from_sat(self.fees.to_sat().saturating_add(other.fees.to_sat()));
    }

    pub(crate) fn subtract(&mut self, other: Self) {
        self.count = self.count.saturating_sub(other.count);
        self.vsize = self.vsize.saturating_sub(other.vsize);
        self.fees = Amount::from_sat(self.fees.to_sat().saturating_sub(other.fees.to_sat()));
    }

    pub(crate) fn rate(&self) -> Rate {
        Rate { fee: self.fees.to_sat(), vsize: self.vsize }
    }
}

/// A waiting transaction.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The transaction.
    pub tx: Arc<Transaction>,
    /// Its id.
    pub txid: Txid,
    /// Its id with witnesses.
    pub wtxid: Wtxid,
    /// What it pays.
    pub fee: Amount,
    /// Its weight, in weight units.
    pub weight: u64,
    /// Its virtual size in bytes, adjusted for signature operations.
    pub vsize: u64,
    /// The cost of its signature operations.
    pub sigop_cost: u64,
    /// When it came, in seconds since 1970.
    pub time: u64,
    /// The tip's height when it came.
    pub height: Height,
    /// The waiting transactions whose outputs it spends.
    pub parents: BTreeSet<Txid>,
    /// The waiting transactions that spend its outputs.
    pub children: BTreeSet<Txid>,
    /// Its ancestors' totals, itself included.
    pub ancestors: PackageTotals,
    /// Its descendants' totals, itself included.
    pub descendants: PackageTotals,
    /// An estimate of the memory that it takes, in bytes.
    pub(crate) memory: usize,
}

impl Entry {
    /// Its fee rate alone.
    pub fn fee_rate(&self) -> FeeRate {
        FeeRate::of(self.fee, self.vsize)
    }

    /// What decides who is evicted first: the better of its own rate and that with its descendants.
    ///
    /// Source: Bitcoin Core `CompareTxMemPoolEntryByDescendantScore`, txmempool.h.
    pub(crate) fn descendant_score(&self) -> Rate {
        PackageTotals::of(self).rate().max(self.descendants.rate())
    }
}

/// A fee rate as an exact fraction, so that comparing rounds nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    fee: u64,
    vsize: u64,
}

impl Rate {
    pub(crate) fn to_fee_rate(self) -> FeeRate {
        FeeRate::of(Amount::from_sat(self.fee), self.vsize)
    }
}

impl Ord for Rate {
    fn cmp(&self, other: &Self) -> Ordering {
        (u128::from(self.fee) * u128::from(other.vsize)).cmp(&(u128::from(other.fee) * u128::from(self.vsize)))
    }
}

impl PartialOrd for Rate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Rate {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_compare_as_fractions() {
        let rate = |fee, vsize| Rate { fee, vsize };
        assert_eq!(rate(1, 3), rate(2, 6));
        assert!(rate(333_334, 1_000_000) > rate(1, 3));
        assert!(rate(u64::MAX, 1) > rate(u64::MAX, 2));
    }
}
