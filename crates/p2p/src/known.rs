//! Which transactions a peer knows: a set of short hashes that forgets the oldest.
//!
//! In:    names of transactions, and a salt that nobody else can foresee.
//! Out:   whether a name was among the last 25,000; sometimes still when it was among 50,000.
//! Never: more than 50,000 hashes of eight bytes. Two names with the same hash are taken for one, which costs the peer one
//!        announcement in some 10^14.
//!
//! Bitcoin Core keeps a rolling Bloom filter of 50,000 for it (`m_tx_inventory_known_filter`, net_processing.cpp), which takes
//! half a megabyte from the beginning; this takes no more when full and nothing while a peer is quiet.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::limits::KNOWN_TRANSACTIONS_GENERATION;
use crate::peer::TransactionKey;

/// A rolling set of transactions' names.
#[derive(Debug)]
pub(crate) struct KnownTransactions {
    salt: u64,
    recent: BTreeSet<u64>,
    older: BTreeSet<u64>,
}

impl KnownTransactions {
    pub(crate) const fn new(salt: u64) -> Self {
        Self { salt, recent: BTreeSet::new(), older: BTreeSet::new() }
    }

    fn short(&self, key: &TransactionKey) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.salt, key).hash(&mut hasher);
        hasher.finish()
    }

    /// Adds `key`; whether it is new.
    pub(crate) fn insert(&mut self, key: TransactionKey) -> bool {
        let short = self.short(&key);
        let is_new = !self.recent.contains(&short) && !self.older.contains(&short);
        if self.recent.len() >= KNOWN_TRANSACTIONS_GENERATION {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(short);
        is_new
    }

    pub(crate) fn contains(&self, key: &TransactionKey) -> bool {
        let short = self.short(key);
        self.recent.contains(&short) || self.older.contains(&short)
    }
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::Wtxid;

    use super::*;

    fn key(number: usize) -> TransactionKey {
        TransactionKey::Wtxid(<Wtxid as mycoin_primitives::hashes::Hash>::hash(&number.to_le_bytes()))
    }

    #[test]
    fn the_last_25_000_are_known_and_at_most_50_000_are_kept() {
        let mut known = KnownTransactions::new(1);
        let count = KNOWN_TRANSACTIONS_GENERATION;
        assert!((0..count).all(|number| known.insert(key(number))));
        assert!(!known.insert(key(0)) && known.contains(&key(0)));
        assert!((count..2 * count).all(|number| known.insert(key(number))));
        assert!((count..2 * count).all(|number| known.contains(&key(number))));
        assert!((2 * count..10 * count).all(|number| known.insert(key(number))));
        assert!((9 * count..10 * count).all(|number| known.contains(&key(number))));
        assert!(!known.contains(&key(0)));
        assert!(known.recent.len() + known.older.len() <= 2 * count);
    }
}
