//! Transactions whose parents we don't have, kept for a while: few, light, and each on its sender's account.

use std::collections::BTreeMap;
use std::sync::Arc;

use mycoin_primitives::{Transaction, Txid, Wtxid};
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;

use crate::limits::{ORPHAN_TIMEOUT, ORPHAN_WEIGHT_PER_PEER, ORPHANS_MAX};
use crate::{PeerId, Time};

#[derive(Debug)]
struct Orphan {
    transaction: Arc<Transaction>,
    from: PeerId,
    since: Time,
}

/// The orphans, by wtxid.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    kept: BTreeMap<Wtxid, Orphan>,
}

impl Orphans {
    /// Keeps `transaction`, unless its sender has too much here; one of the others goes when there are too many.
    pub(crate) fn add(&mut self, transaction: Arc<Transaction>, from: PeerId, now: Time, rng: &mut StdRng) -> bool {
        let of_sender = self.kept.values().filter(|orphan| orphan.from == from);
        let weight: u64 = of_sender.map(|orphan| orphan.transaction.weight().to_wu()).sum();
        if weight + transaction.weight().to_wu() > ORPHAN_WEIGHT_PER_PEER {
            return false;
        }
        if self.kept.len() >= ORPHANS_MAX
            && let Some(victim) = self.kept.keys().copied().choose(rng)
        {
            self.kept.remove(&victim);
        }
        self.kept.insert(transaction.compute_wtxid(), Orphan { transaction, from, since: now });
        true
    }

    pub(crate) fn contains(&self, wtxid: &Wtxid) -> bool {
        self.kept.contains_key(wtxid)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(crate) fn remove(&mut self, wtxid: &Wtxid) {
        self.kept.remove(wtxid);
    }

    /// Takes out the children of `parent`, each with its sender.
    pub(crate) fn take_children(&mut self, parent: &Txid) -> Vec<(PeerId, Arc<Transaction>)> {
        let is_child = |orphan: &Orphan| orphan.transaction.input.iter().any(|i| i.previous_output.txid == *parent);
        let taken = self.kept.extract_if(.., |_, orphan| is_child(orphan));
        taken.map(|(_, orphan)| (orphan.from, orphan.transaction)).collect()
    }

    pub(crate) fn remove_from(&mut self, peer: PeerId) {
        self.kept.retain(|_, orphan| orphan.from != peer);
    }

    pub(crate) fn expire(&mut self, now: Time) {
        self.kept.retain(|_, orphan| now.since(orphan.since) < ORPHAN_TIMEOUT);
    }
}
