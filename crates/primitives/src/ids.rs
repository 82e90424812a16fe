//! Tables whose keys are ids: hashes of transactions and blocks, alone or with an output's number.
//!
//! In:    keys that everybody can choose among hashes only.
//! Out:   [`IdMap`] and [`IdSet`], as the standard tables, but some times as fast: a block asks them tens of thousands of times.
//! Never: an order that anything may depend on, or a place in the table that others could foresee: it comes from a secret of the
//!        process. Names that others choose freely belong into the standard tables.
//!
//! Each eight bytes are mixed by a multiplication whose two halves are folded. Who does not know both words of the secret cannot
//! find ids that fall together; and no answer of a server tells anything about them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};

/// A table by id.
pub type IdMap<K, V> = HashMap<K, V, IdState>;

/// A set of ids.
pub type IdSet<K> = HashSet<K, IdState>;

/// The secret of one table.
#[derive(Debug, Clone, Copy)]
pub struct IdState {
    start: u64,
    factor: u64,
}

impl Default for IdState {
    fn default() -> Self {
        let secret = RandomState::new();
        // An odd factor loses nothing of the lower half.
        Self { start: secret.hash_one(0_u8), factor: secret.hash_one(1_u8) | 1 }
    }
}

impl BuildHasher for IdState {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher { state: self.start, factor: self.factor }
    }
}

/// What an [`IdState`] makes of one key.
#[derive(Debug, Clone, Copy)]
pub struct IdHasher {
    state: u64,
    factor: u64,
}

impl IdHasher {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.factor);
        self.state = product as u64 ^ (product >> 64) as u64;
    }
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        for byte in rest {
            self.mix(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::Hash as _;
    use bitcoin::{OutPoint, Txid};

    use super::*;

    #[test]
    fn ids_that_differ_a_little_fall_apart() {
        let state = IdState::default();
        let outpoints = (0..2_000_u32).flat_map(|number| {
            let mut bytes = [0; 32];
            bytes[28..].copy_from_slice(&number.to_be_bytes());
            [(bytes, 0), ([7; 32], number + 1)].map(|(id, vout)| OutPoint { txid: Txid::from_byte_array(id), vout })
        });
        let hashes: Vec<u64> = outpoints.map(|outpoint| state.hash_one(outpoint)).collect();
        // Neither the whole numbers fall together nor, more than by chance, the parts by which a table finds its places.
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
        for shift in [0, 20, 40] {
            let places: HashSet<u64> = hashes.iter().map(|hash| hash >> shift & 0xff_ffff).collect();
            assert!(places.len() + 20 > hashes.len(), "{} places at bit {shift}", places.len());
        }
    }

    #[test]
    fn each_table_has_its_own_secret() {
        let id = Txid::from_byte_array([1; 32]);
        assert_ne!(IdState::default().hash_one(id), IdState::default().hash_one(id));
    }
}
