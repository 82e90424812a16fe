//! Which transactions and addresses a peer knows: a set of short hashes that forgets the oldest.
//!
//! In:    names, how many make a generation, and a salt that nobody else can foresee.
//! Out:   whether a name was in the last generation; sometimes still when it was in the one before.
//! Never: more than two generations of hashes of five bytes. Two names with the same hash are taken for one, which costs the
//!        peer one announcement in some twenty million.
//!
//! Bitcoin Core keeps rolling Bloom filters for it (`m_tx_inventory_known_filter`, `m_addr_known`, net_processing.cpp), of
//! which the first takes half a megabyte from the beginning; this takes no more when full and nothing while a peer is quiet.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};

/// What is kept of a name.
type Short = [u8; 5];

/// A rolling set of names.
#[derive(Debug)]
pub(crate) struct KnownItems {
    salt: u64,
    generation: usize,
    recent: BTreeSet<Short>,
    /// In order: it changes no more, and takes the least room so.
    older: Vec<Short>,
}

impl KnownItems {
    pub(crate) const fn new(salt: u64, generation: usize) -> Self {
        Self { salt, generation, recent: BTreeSet::new(), older: Vec::new() }
    }

    fn short(&self, name: &impl Hash) -> Short {
        let mut hasher = DefaultHasher::new();
        (self.salt, name).hash(&mut hasher);
        let [a, b, c, d, e, ..] = hasher.finish().to_le_bytes();
        [a, b, c, d, e]
    }

    /// Adds `name`; whether it is new.
    pub(crate) fn insert(&mut self, name: impl Hash) -> bool {
        let short = self.short(&name);
        let is_new = !self.holds(short);
        if self.recent.len() >= self.generation {
            self.older = std::mem::take(&mut self.recent).into_iter().collect();
        }
        self.recent.insert(short);
        is_new
    }

    pub(crate) fn contains(&self, name: &impl Hash) -> bool {
        self.holds(self.short(name))
    }

    fn holds(&self, short: Short) -> bool {
        self.recent.contains(&short) || self.older.binary_search(&short).is_ok()
    }

    /// Forgets `name`: it was not had after all.
    pub(crate) fn remove(&mut self, name: &impl Hash) {
        let short = self.short(name);
        self.recent.remove(&short);
        if let Ok(place) = self.older.binary_search(&short) {
            self.older.remove(place);
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.recent.clear();
        self.older = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::Wtxid;

    use super::*;
    use crate::limits::KNOWN_TRANSACTIONS_GENERATION;
    use crate::peer::TransactionKey;

    fn key(number: usize) -> TransactionKey {
        TransactionKey::Wtxid(<Wtxid as mycoin_primitives::hashes::Hash>::hash(&number.to_le_bytes()))
    }

    #[test]
    fn the_last_25_000_are_known_and_at_most_50_000_are_kept() {
        let mut known = KnownItems::new(1, KNOWN_TRANSACTIONS_GENERATION);
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
