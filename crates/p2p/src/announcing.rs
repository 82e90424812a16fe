//! Transactions that we announce: to each peer in batches, at random times, so that nobody can tell where a payment began.
//!
//! Peers that came to us are told at the same moments, so that many connections of one observer learn no more than one;
//! peers that we chose each at their own. Whoever a person or the spec named, or who is on this machine, is told at once.
//! A peer that asks for a transaction before its moment has come gets none: else asking would tell what waiting hides.
//!
//! Source: Bitcoin Core `PeerManagerImpl::SendMessages` (`fSendTrickle`), `NextInvToInbounds`, `FindTxForGetData`,
//! net_processing.cpp.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::{Transaction, Txid};
use rand::Rng as _;
use rand::rngs::StdRng;

use crate::limits::{
    ANNOUNCEMENT_DELAY_INBOUND, ANNOUNCEMENT_DELAY_OUTBOUND, ANNOUNCEMENT_MAX, ANNOUNCEMENT_TARGET,
    ANNOUNCEMENTS_WAITING_MAX, INVENTORY_MAX, UNTOLD_KEPT,
};
use crate::message::Message;
use crate::misbehavior::Offence;
use crate::node::{Context, Node};
use crate::peer::{Peer, TransactionKey};
use crate::world::WaitingTransaction;
use crate::{PeerId, Time, World};

/// What all peers' announcements share.
#[derive(Debug, Default)]
pub(crate) struct Announcing {
    /// When those that came to us are told next.
    next_inbound: Time,
    /// Transactions that came lately, by both names, and when.
    added: BTreeMap<TransactionKey, Time>,
    /// The same, oldest first.
    order: VecDeque<(Time, [TransactionKey; 2])>,
}

impl Announcing {
    fn note(&mut self, transaction: &WaitingTransaction, now: Time) {
        let keys = [TransactionKey::Wtxid(transaction.wtxid), TransactionKey::Txid(transaction.txid)];
        self.added.extend(keys.map(|key| (key, now)));
        self.order.push_back((now, keys));
    }

    /// Forgets what everybody was told long ago.
    pub(crate) fn expire(&mut self, now: Time) {
        while let Some((_, keys)) = self.order.front().copied().filter(|(at, _)| now.since(*at) >= UNTOLD_KEPT) {
            self.order.pop_front();
            for key in keys {
                if self.added.get(&key).is_some_and(|at| now.since(*at) >= UNTOLD_KEPT) {
                    self.added.remove(&key);
                }
            }
        }
    }

    /// Whether the peer may be given the transaction: its moment has come since.
    pub(crate) fn may_serve(&self, peer: &Peer, key: TransactionKey) -> bool {
        let is_told = |at: &Time| peer.relay.last_announcement.is_some_and(|last| *at <= last);
        self.added.get(&key).is_none_or(is_told)
    }

    /// When a peer that came to us is told next.
    fn next_to_inbound(&mut self, now: Time, rng: &mut StdRng) -> Time {
        if self.next_inbound <= now {
            self.next_inbound = now.after(exponential(ANNOUNCEMENT_DELAY_INBOUND, rng));
        }
        self.next_inbound
    }
}

/// A random time with this mean, as between the events of a Poisson process.
pub(crate) fn exponential(mean: Duration, rng: &mut StdRng) -> Duration {
    let uniform: f64 = rng.random();
    mean.mul_f64(-(1.0 - uniform).ln())
}

/// How many a peer is told at once: more when more wait. Source: `INVENTORY_BROADCAST_TARGET`, `INVENTORY_BROADCAST_MAX`.
fn batch_size(waiting: usize) -> usize {
    (ANNOUNCEMENT_TARGET + waiting / 1_000 * 5).min(ANNOUNCEMENT_MAX)
}

impl Node {
    /// Whether a peer's transactions are told, and asked for, without delay: it was named, or nobody can be between us.
    pub(crate) fn relays_at_once(&self, peer: &Peer) -> bool {
        self.is_named(peer) || peer.address.ip().is_loopback()
    }

    /// Whether a person or the spec named the peer.
    pub(crate) fn is_named(&self, peer: &Peer) -> bool {
        peer.target.as_ref().is_some_and(|target| self.dialer.keeps(target))
    }

    /// Lets all peers that want it know of a transaction, each when its moment comes.
    pub(crate) fn announce_later(&mut self, now: Time, transaction: WaitingTransaction) {
        self.transactions.announcing.note(&transaction, now);
        let transaction = Arc::new(transaction);
        for peer in self.peers.values_mut() {
            let is_news = peer.wants_transactions() && !peer.relay.known.contains(&peer.key_of(&transaction));
            if is_news && peer.relay.to_announce.len() < ANNOUNCEMENTS_WAITING_MAX {
                peer.relay.to_announce.push_back(Arc::clone(&transaction));
            }
        }
    }

    /// Announces what waits to the peers whose moment has come, to each at most one message.
    pub(crate) fn announce_transactions(&mut self, ctx: &mut Context<'_>) {
        let is_wanting = |peer: &&Peer| peer.wants_transactions();
        let ids: Vec<PeerId> = self.peers.values().filter(is_wanting).map(|peer| peer.id).collect();
        for id in ids {
            let Some(is_at_once) = self.peers.get(&id).map(|peer| self.relays_at_once(peer)) else { continue };
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            let size = if is_at_once {
                ANNOUNCEMENT_MAX
            } else if peer.relay.next_announcement > ctx.now {
                continue;
            } else {
                peer.relay.next_announcement = if peer.is_inbound() {
                    self.transactions.announcing.next_to_inbound(ctx.now, &mut self.rng)
                } else {
                    ctx.now.after(exponential(ANNOUNCEMENT_DELAY_OUTBOUND, &mut self.rng))
                };
                batch_size(peer.relay.to_announce.len())
            };
            peer.relay.last_announcement = Some(ctx.now);
            let items = next_batch(ctx.world, peer, size);
            if !items.is_empty() {
                ctx.send(id, Message::Inv(items));
            }
        }
    }

    /// Answers BIP35's `mempool`, for named peers alone: it shows what waiting hides, and costs much.
    pub(crate) fn mempool_wanted(&mut self, ctx: &mut Context<'_>, id: PeerId) {
        let Some(is_named) = self.peers.get(&id).map(|peer| self.is_named(peer)) else { return };
        if !is_named {
            self.blame(ctx, id, Offence::MempoolRequest);
            return;
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let waiting = ctx.world.waiting_transactions(INVENTORY_MAX);
        let paying = waiting.into_iter().filter(|transaction| transaction.fee_rate >= peer.relay.fee_filter);
        let keys: Vec<TransactionKey> = paying.map(|transaction| peer.key_of(&transaction)).collect();
        for key in &keys {
            peer.relay.known.insert(*key);
        }
        if !keys.is_empty() {
            ctx.send(id, Message::Inv(keys.into_iter().map(announced).collect()));
        }
    }
}

fn announced(key: TransactionKey) -> Inventory {
    match key {
        TransactionKey::Wtxid(wtxid) => Inventory::WTx(wtxid),
        TransactionKey::Txid(txid) => Inventory::Transaction(txid),
    }
}

/// Takes the next `size` that the peer does not know and that pay enough for it.
fn next_batch(world: &dyn World, peer: &mut Peer, size: usize) -> Vec<Inventory> {
    let mut batch = Vec::new();
    while batch.len() < size {
        let Some(next) = peer.relay.to_announce.pop_front() else { break };
        let key = peer.key_of(&next);
        if next.fee_rate < peer.relay.fee_filter || peer.relay.known.contains(&key) {
            continue;
        }
        if let Some(transaction) = world.transaction(&next.wtxid) {
            peer.relay.known.insert(key);
            batch.push((next, transaction));
        }
    }
    let ordered = parents_first(batch);
    ordered.into_iter().map(|transaction| announced(peer.key_of(&transaction))).collect()
}

/// Puts what pays most first, so that the order in which transactions came is not shown, but no child before its parent.
///
/// Parents that are not among them were announced before: nothing waits here before its parents do.
fn parents_first(mut batch: Vec<(Arc<WaitingTransaction>, Arc<Transaction>)>) -> Vec<Arc<WaitingTransaction>> {
    batch.sort_by(|(a, _), (b, _)| b.fee_rate.cmp(&a.fee_rate).then(a.wtxid.cmp(&b.wtxid)));
    let places: BTreeMap<Txid, usize> = batch.iter().enumerate().map(|(i, (waiting, _))| (waiting.txid, i)).collect();
    let (mut ordered, mut done) = (Vec::with_capacity(batch.len()), BTreeSet::new());
    for start in 0..batch.len() {
        let mut path = vec![start];
        while let Some(&place) = path.last() {
            let Some((waiting, transaction)) = batch.get(place) else { break };
            let parents = transaction.input.iter().filter_map(|input| places.get(&input.previous_output.txid));
            match parents.copied().find(|parent| !done.contains(parent) && !path.contains(parent)) {
                Some(parent) => path.push(parent),
                None => {
                    path.pop();
                    if done.insert(place) {
                        ordered.push(Arc::clone(waiting));
                    }
                }
            }
        }
    }
    ordered
}

#[cfg(test)]
mod tests;
