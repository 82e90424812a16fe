//! Transactions whose parents we don't have, kept while somebody who announced them is connected.
//!
//! Each announcer has an account of its own: room for 404,000 weight units, and a share of the work that orphans make when
//! their parents come. When all accounts together are overdrawn, the one that is most overdrawn loses its oldest orphan, so
//! that nobody can push out what others brought.
//!
//! Source: Bitcoin Core v31 `TxOrphanageImpl::LimitOrphans`, node/txorphanage.cpp.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{OutPoint, Transaction, Txid, Wtxid};

use crate::PeerId;
use crate::limits::{ORPHAN_WEIGHT_MAX, ORPHAN_WEIGHT_PER_PEER, ORPHAN_WORK_MAX};

#[derive(Debug)]
struct Orphan {
    transaction: Arc<Transaction>,
    weight: u64,
    /// What judging it costs: one, and one more for ten inputs.
    work: u64,
    /// Who announced it, and as which of all announcements.
    announcers: BTreeMap<PeerId, u64>,
}

/// What one peer's orphans take.
#[derive(Debug, Default)]
struct Account {
    weight: u64,
    work: u64,
    /// Its announcements, oldest first.
    order: BTreeMap<u64, Wtxid>,
}

/// The orphans, by wtxid.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    kept: BTreeMap<Wtxid, Orphan>,
    /// The coins that they spend.
    spends: BTreeSet<(OutPoint, Wtxid)>,
    accounts: BTreeMap<PeerId, Account>,
    sequence: u64,
    /// The weight of all, each once.
    weight: u64,
    /// The work of all accounts.
    work: u64,
}

impl Orphans {
    /// Keeps `transaction` on the account of `from`; whether it is still there when all accounts are in order again.
    pub(crate) fn add(&mut self, transaction: &Arc<Transaction>, from: PeerId) -> bool {
        let (wtxid, weight) = (transaction.compute_wtxid(), transaction.weight().to_wu());
        if weight > ORPHAN_WEIGHT_MAX {
            return false;
        }
        if !self.kept.contains_key(&wtxid) {
            self.spends.extend(transaction.input.iter().map(|input| (input.previous_output, wtxid)));
            self.weight += weight;
            let work = 1 + transaction.input.len() as u64 / 10;
            let announcers = BTreeMap::new();
            self.kept.insert(wtxid, Orphan { transaction: Arc::clone(transaction), weight, work, announcers });
        }
        self.add_announcer(&wtxid, from);
        self.kept.get(&wtxid).is_some_and(|orphan| orphan.announcers.contains_key(&from))
    }

    /// Notes that `from` has the orphan as well; whether that is news.
    pub(crate) fn add_announcer(&mut self, wtxid: &Wtxid, from: PeerId) -> bool {
        let Some(orphan) = self.kept.get_mut(wtxid) else { return false };
        if orphan.announcers.contains_key(&from) {
            return false;
        }
        self.sequence += 1;
        orphan.announcers.insert(from, self.sequence);
        let account = self.accounts.entry(from).or_default();
        account.weight += orphan.weight;
        account.work += orphan.work;
        account.order.insert(self.sequence, *wtxid);
        self.work += orphan.work;
        self.limit();
        true
    }

    /// Takes the oldest orphan from whoever takes most, until all fit.
    fn limit(&mut self) {
        loop {
            let peers = self.accounts.len().max(1) as u64;
            if self.weight <= ORPHAN_WEIGHT_PER_PEER * peers && self.work <= ORPHAN_WORK_MAX {
                return;
            }
            // The larger of both shares, each as a fraction of what one peer may have, over the same denominator.
            let share = |account: &Account| {
                (account.weight * ORPHAN_WORK_MAX).max(account.work * peers * ORPHAN_WEIGHT_PER_PEER)
            };
            let greediest = self.accounts.iter().max_by_key(|(_, account)| share(account));
            let Some((peer, wtxid)) =
                greediest.and_then(|(peer, account)| Some((*peer, *account.order.first_key_value()?.1)))
            else {
                return;
            };
            self.remove_announcer(&wtxid, peer);
        }
    }

    fn remove_announcer(&mut self, wtxid: &Wtxid, peer: PeerId) {
        let Some(orphan) = self.kept.get_mut(wtxid) else { return };
        let Some(sequence) = orphan.announcers.remove(&peer) else { return };
        self.work -= orphan.work;
        if let Some(account) = self.accounts.get_mut(&peer) {
            account.weight -= orphan.weight;
            account.work -= orphan.work;
            account.order.remove(&sequence);
            if account.order.is_empty() {
                self.accounts.remove(&peer);
            }
        }
        if orphan.announcers.is_empty() {
            self.weight -= orphan.weight;
            let spent = orphan.transaction.input.iter().map(|input| (input.previous_output, *wtxid));
            for spend in spent.collect::<Vec<_>>() {
                self.spends.remove(&spend);
            }
            self.kept.remove(wtxid);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(crate) fn contains(&self, wtxid: &Wtxid) -> bool {
        self.kept.contains_key(wtxid)
    }

    pub(crate) fn get(&self, wtxid: &Wtxid) -> Option<Arc<Transaction>> {
        self.kept.get(wtxid).map(|orphan| Arc::clone(&orphan.transaction))
    }

    pub(crate) fn announcers(&self, wtxid: &Wtxid) -> Vec<PeerId> {
        self.kept.get(wtxid).map_or_else(Vec::new, |orphan| orphan.announcers.keys().copied().collect())
    }

    /// It is no orphan any more.
    pub(crate) fn remove(&mut self, wtxid: &Wtxid) {
        for peer in self.announcers(wtxid) {
            self.remove_announcer(wtxid, peer);
        }
    }

    /// Those that spend an output of `parent`.
    pub(crate) fn children(&self, parent: &Txid) -> Vec<Wtxid> {
        let first = (OutPoint { txid: *parent, vout: 0 }, Wtxid::from_byte_array([0; 32]));
        let of_parent = self.spends.range(first..).take_while(|(outpoint, _)| outpoint.txid == *parent);
        let children: BTreeSet<Wtxid> = of_parent.map(|(_, wtxid)| *wtxid).collect();
        children.into_iter().collect()
    }

    /// Those of them that `peer` announced, newest first.
    pub(crate) fn children_from(&self, parent: &Txid, peer: PeerId) -> Vec<Arc<Transaction>> {
        let children = self.children(parent);
        let of_peer = children.iter().filter_map(|wtxid| {
            let orphan = self.kept.get(wtxid)?;
            Some((*orphan.announcers.get(&peer)?, Arc::clone(&orphan.transaction)))
        });
        let ordered: BTreeMap<u64, Arc<Transaction>> = of_peer.collect();
        ordered.into_values().rev().collect()
    }

    /// Removes those that a block confirmed, or made impossible by spending what they spend.
    pub(crate) fn remove_spenders(&mut self, transaction: &Transaction) {
        for input in &transaction.input {
            let first = (input.previous_output, Wtxid::from_byte_array([0; 32]));
            let spenders = self.spends.range(first..).take_while(|(outpoint, _)| *outpoint == input.previous_output);
            for wtxid in spenders.map(|(_, wtxid)| *wtxid).collect::<Vec<_>>() {
                self.remove(&wtxid);
            }
        }
    }

    /// The peer is gone, and with it what nobody else announced.
    pub(crate) fn remove_peer(&mut self, peer: PeerId) {
        let Some(account) = self.accounts.get(&peer) else { return };
        for wtxid in account.order.values().copied().collect::<Vec<_>>() {
            self.remove_announcer(&wtxid, peer);
        }
    }
}

#[cfg(test)]
mod tests;
