//! Signatures that were found valid, so that a block need not verify again what the mempool verified.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use mycoin_primitives::hashes::{Hash, HashEngine, sha256};

/// Which scheme a signature belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scheme {
    Ecdsa,
    Schnorr,
    Rsa,
}

/// A bounded memory of valid signatures, the oldest forgotten first. May be shared by threads.
///
/// An entry is a hash over the scheme, the key, the signature and the hash that it signs. That one covers the
/// transaction, the input and, as its hash type says, the spent outputs; so a verdict holds wherever its key is met,
/// at every height and under every flag. Only valid signatures are remembered.
///
/// Source: Bitcoin Core `SignatureCache`, script/sigcache.h.
pub struct SignatureCache {
    salted: sha256::HashEngine,
    capacity: usize,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    known: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl SignatureCache {
    /// A memory of `capacity` signatures. `salt` is random, so that nobody outside can aim at its places.
    pub fn new(capacity: usize, salt: [u8; 32]) -> Self {
        let mut salted = sha256::Hash::engine();
        salted.input(&salt);
        Self { salted, capacity, entries: Mutex::default() }
    }

    /// The place of a signature.
    pub(crate) fn entry(&self, scheme: Scheme, message: &[u8; 32], key: &[u8], signature: &[u8]) -> [u8; 32] {
        let mut engine = self.salted.clone();
        let tag = match scheme {
            Scheme::Ecdsa => b'E',
            Scheme::Schnorr => b'S',
            Scheme::Rsa => b'R',
        };
        engine.input(&[tag]);
        engine.input(message);
        // The length keeps key and signature apart.
        engine.input(&(key.len() as u64).to_le_bytes());
        engine.input(key);
        engine.input(signature);
        sha256::Hash::from_engine(engine).to_byte_array()
    }

    pub(crate) fn contains(&self, entry: &[u8; 32]) -> bool {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).known.contains(entry)
    }

    pub(crate) fn insert(&self, entry: [u8; 32]) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if self.capacity == 0 || !entries.known.insert(entry) {
            return;
        }
        entries.order.push_back(entry);
        if entries.order.len() > self.capacity
            && let Some(oldest) = entries.order.pop_front()
        {
            entries.known.remove(&oldest);
        }
    }
}

impl fmt::Debug for SignatureCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureCache").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_differ_in_every_part() {
        let cache = SignatureCache::new(10, [1; 32]);
        let (message, other) = ([2; 32], [3; 32]);
        let entry = cache.entry(Scheme::Ecdsa, &message, b"key", b"signature");
        assert_eq!(entry, cache.entry(Scheme::Ecdsa, &message, b"key", b"signature"));
        for different in [
            cache.entry(Scheme::Schnorr, &message, b"key", b"signature"),
            cache.entry(Scheme::Rsa, &message, b"key", b"signature"),
            cache.entry(Scheme::Ecdsa, &other, b"key", b"signature"),
            cache.entry(Scheme::Ecdsa, &message, b"keys", b"ignature"),
            cache.entry(Scheme::Ecdsa, &message, b"key", b"signaturE"),
            SignatureCache::new(10, [9; 32]).entry(Scheme::Ecdsa, &message, b"key", b"signature"),
        ] {
            assert_ne!(entry, different);
        }
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let cache = SignatureCache::new(2, [1; 32]);
        for number in [1, 2, 2, 3] {
            cache.insert([number; 32]);
        }
        assert!(!cache.contains(&[1; 32]) && cache.contains(&[2; 32]) && cache.contains(&[3; 32]));
        let none = SignatureCache::new(0, [1; 32]);
        none.insert([1; 32]);
        assert!(!none.contains(&[1; 32]));
    }
}
