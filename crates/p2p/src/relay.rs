//! Transactions: announced, asked for once, judged by the server, announced on.
//!
//! Announcements go out with the next tick. Bitcoin Core delays them at random so that observers cannot tell where a
//! payment began; that is left to a later step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::{Transaction, Txid, Wtxid};

use crate::limits::{
    ANNOUNCEMENT_MAX, ANNOUNCEMENTS_WAITING_MAX, GETDATA_MAX, TRANSACTION_TIMEOUT, TRANSACTIONS_ANNOUNCED_PER_PEER,
    TRANSACTIONS_IN_FLIGHT_PER_PEER, TRANSACTIONS_JUDGED_PER_PEER, VERDICTS_MAX,
};
use crate::message::Message;
use crate::misbehavior::Offence;
use crate::node::{Context, Node};
use crate::orphans::Orphans;
use crate::peer::{Peer, RecentSet, TransactionKey};
use crate::world::{TransactionVerdict, WaitingTransaction};
use crate::{Action, PeerId, Time};

/// A transaction that somebody announced and we want.
#[derive(Debug, Default)]
struct Request {
    /// Who else has it, in the order of announcement.
    others: VecDeque<PeerId>,
    /// Who was asked, and when.
    asked: Option<(PeerId, Time)>,
}

/// Transactions under way.
#[derive(Debug)]
pub(crate) struct TransactionRelay {
    requests: BTreeMap<TransactionKey, Request>,
    /// Requests of which nobody was asked yet, oldest first; may name some that are gone.
    queue: VecDeque<TransactionKey>,
    /// Transactions that came and have no verdict yet.
    judged: BTreeSet<Wtxid>,
    /// Transactions refused since the tip last changed.
    refused: RecentSet<Wtxid>,
    /// Transactions of the latest blocks.
    confirmed: RecentSet<TransactionKey>,
    orphans: Orphans,
}

impl TransactionRelay {
    pub(crate) fn new() -> Self {
        Self {
            requests: BTreeMap::new(),
            queue: VecDeque::new(),
            judged: BTreeSet::new(),
            refused: RecentSet::new(VERDICTS_MAX),
            confirmed: RecentSet::new(VERDICTS_MAX),
            orphans: Orphans::default(),
        }
    }

    pub(crate) fn requests_under_way(&self) -> usize {
        self.requests.len().max(self.queue.len()) + self.judged.len()
    }

    /// Takes what is gone or doubled out of the queue, which nobody reads while the chain is far behind.
    fn tidy_queue(&mut self) {
        if self.queue.len() > self.requests.len() {
            let mut seen = BTreeSet::new();
            self.queue.retain(|key| {
                self.requests.get(key).is_some_and(|request| request.asked.is_none()) && seen.insert(*key)
            });
        }
    }

    /// Whether the transaction need not be asked for.
    fn has(&self, ctx: &Context<'_>, key: &TransactionKey) -> bool {
        self.confirmed.contains(key)
            || match key {
                TransactionKey::Wtxid(wtxid) => {
                    self.judged.contains(wtxid)
                        || self.refused.contains(wtxid)
                        || self.orphans.contains(wtxid)
                        || ctx.world.has_transaction(wtxid)
                }
                TransactionKey::Txid(txid) => ctx.world.has_txid(txid),
            }
    }
}

fn wanted(key: TransactionKey) -> Inventory {
    match key {
        TransactionKey::Wtxid(wtxid) => Inventory::WTx(wtxid),
        TransactionKey::Txid(txid) => Inventory::WitnessTransaction(txid),
    }
}

impl Node {
    pub(crate) fn transactions_announced(&mut self, ctx: &mut Context<'_>, id: PeerId, keys: &[TransactionKey]) {
        if keys.is_empty() {
            return;
        }
        for key in keys {
            self.want_transaction(ctx, id, *key);
        }
        self.request_transactions(ctx);
    }

    /// Notes that `id` has a transaction that we may want.
    fn want_transaction(&mut self, ctx: &Context<'_>, id: PeerId, key: TransactionKey) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.relay.known.insert(key);
        if peer.relay.announced.len() >= TRANSACTIONS_ANNOUNCED_PER_PEER || self.transactions.has(ctx, &key) {
            return;
        }
        if !peer.relay.announced.insert(key) {
            return;
        }
        let is_new = !self.transactions.requests.contains_key(&key);
        self.transactions.requests.entry(key).or_default().others.push_back(id);
        if is_new {
            self.transactions.queue.push_back(key);
        }
    }

    /// Asks for queued transactions, each of the first that announced it and has room. While the chain is far behind they
    /// stay queued, for most would spend coins that we have not seen made.
    pub(crate) fn request_transactions(&mut self, ctx: &mut Context<'_>) {
        if self.transactions.queue.is_empty() || ctx.world.is_syncing() {
            return;
        }
        let mut batches: BTreeMap<PeerId, Vec<Inventory>> = BTreeMap::new();
        for _ in 0..self.transactions.queue.len() {
            let Some(key) = self.transactions.queue.pop_front() else { break };
            let Some(request) = self.transactions.requests.get_mut(&key) else { continue };
            if request.asked.is_some() {
                continue;
            }
            let has_room = |id: &PeerId| {
                self.peers.get(id).is_some_and(|peer| peer.relay.in_flight < TRANSACTIONS_IN_FLIGHT_PER_PEER)
            };
            let Some(place) = request.others.iter().position(has_room) else {
                self.transactions.queue.push_back(key);
                continue;
            };
            let Some(id) = request.others.remove(place) else { continue };
            request.asked = Some((id, ctx.now));
            self.with_peer(id, |peer| peer.relay.in_flight += 1);
            batches.entry(id).or_default().push(wanted(key));
        }
        for (id, items) in batches {
            for part in items.chunks(GETDATA_MAX) {
                ctx.send(id, Message::GetData(part.to_vec()));
            }
        }
    }

    /// The transaction is here or no longer wanted.
    fn finish_request(&mut self, key: TransactionKey) {
        let Some(request) = self.transactions.requests.remove(&key) else { return };
        if let Some((id, _)) = request.asked {
            self.with_peer(id, |peer| {
                peer.relay.in_flight -= 1;
                peer.relay.announced.remove(&key);
            });
        }
        for id in request.others {
            self.with_peer(id, |peer| {
                peer.relay.announced.remove(&key);
            });
        }
    }

    /// `id` does not give the transaction (time-out, `notfound`): the next one that has it is asked.
    pub(crate) fn transaction_failed(&mut self, key: TransactionKey, id: PeerId) {
        let Some(request) = self.transactions.requests.get_mut(&key) else { return };
        if request.asked.is_none_or(|(asked, _)| asked != id) {
            return;
        }
        request.asked = None;
        let is_over = request.others.is_empty();
        self.with_peer(id, |peer| {
            peer.relay.in_flight -= 1;
            peer.relay.announced.remove(&key);
        });
        if is_over {
            self.transactions.requests.remove(&key);
        } else {
            self.transactions.queue.push_back(key);
        }
    }

    /// A transaction came that was asked for before we knew how far behind we are; it cannot be judged yet.
    fn ask_again_later(&mut self, key: TransactionKey, id: PeerId) {
        let Some(request) = self.transactions.requests.get_mut(&key) else { return };
        if request.asked.take_if(|(asked, _)| *asked == id).is_some() {
            request.others.push_back(id);
            self.transactions.queue.push_back(key);
            self.with_peer(id, |peer| peer.relay.in_flight -= 1);
        }
    }

    /// The peer is gone.
    pub(crate) fn release_transactions(&mut self, peer: &Peer) {
        self.transactions.orphans.remove_from(peer.id);
        for key in &peer.relay.announced {
            let Some(request) = self.transactions.requests.get_mut(key) else { continue };
            request.others.retain(|id| *id != peer.id);
            if request.asked.is_some_and(|(asked, _)| asked == peer.id) {
                request.asked = None;
                self.transactions.queue.push_back(*key);
            }
            if request.asked.is_none() && request.others.is_empty() {
                self.transactions.requests.remove(key);
            }
        }
    }

    pub(crate) fn expire_transactions(&mut self, ctx: &mut Context<'_>) {
        let late = |(key, request): (&TransactionKey, &Request)| match request.asked {
            Some((id, at)) if ctx.now.since(at) >= TRANSACTION_TIMEOUT => Some((*key, id)),
            _ => None,
        };
        let late: Vec<_> = self.transactions.requests.iter().filter_map(late).collect();
        for (key, id) in late {
            self.transaction_failed(key, id);
        }
        self.transactions.orphans.expire(ctx.now);
        self.transactions.tidy_queue();
        self.request_transactions(ctx);
    }

    pub(crate) fn transaction_came(&mut self, ctx: &mut Context<'_>, id: PeerId, transaction: Arc<Transaction>) {
        let (wtxid, txid) = (transaction.compute_wtxid(), transaction.compute_txid());
        let by_txid = TransactionKey::Txid(txid);
        let asked_by_txid = self.transactions.requests.get(&by_txid).and_then(|request| request.asked);
        self.with_peer(id, |peer| {
            peer.relay.known.insert(TransactionKey::Wtxid(wtxid));
            peer.relay.known.insert(by_txid);
        });
        if ctx.world.is_syncing() {
            self.ask_again_later(TransactionKey::Wtxid(wtxid), id);
            self.ask_again_later(by_txid, id);
            return;
        }
        self.finish_request(TransactionKey::Wtxid(wtxid));
        // A txid leaves the witness open: only the answer of the one who was asked ends that request.
        if asked_by_txid.is_some_and(|(asked, _)| asked == id) {
            self.finish_request(by_txid);
        }
        if !self.transactions.has(ctx, &TransactionKey::Wtxid(wtxid)) {
            self.judge_transaction(ctx, id, transaction);
        }
        self.request_transactions(ctx);
    }

    /// The same quota holds for transactions that were asked for and those that were pushed (Zebra GHSA-4fc2).
    fn judge_transaction(&mut self, ctx: &mut Context<'_>, id: PeerId, transaction: Arc<Transaction>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.relay.judged < TRANSACTIONS_JUDGED_PER_PEER {
            peer.relay.judged += 1;
            self.transactions.judged.insert(transaction.compute_wtxid());
            ctx.actions.push(Action::SubmitTransaction { peer: id, transaction });
        }
    }

    pub(crate) fn transaction_verdict(
        &mut self,
        ctx: &mut Context<'_>,
        id: PeerId,
        transaction: Arc<Transaction>,
        verdict: TransactionVerdict,
    ) {
        let wtxid = transaction.compute_wtxid();
        self.transactions.judged.remove(&wtxid);
        self.with_peer(id, |peer| peer.relay.judged = peer.relay.judged.saturating_sub(1));
        match verdict {
            TransactionVerdict::Accepted => {
                self.with_peer(id, |peer| peer.relay.last_transaction = Some(ctx.now));
            }
            TransactionVerdict::AlreadyKnown | TransactionVerdict::Failed { .. } => {}
            TransactionVerdict::MissingInputs { parents } => {
                self.compact.keep_extra(wtxid, &transaction);
                self.keep_orphan(ctx, id, transaction, &parents);
            }
            TransactionVerdict::Refused { reason } => {
                self.compact.keep_extra(wtxid, &transaction);
                self.transactions.refused.insert(wtxid);
                self.blame(ctx, id, Offence::RefusedTransaction { reason });
            }
            TransactionVerdict::Invalid { reason } => {
                self.transactions.refused.insert(wtxid);
                self.blame(ctx, id, Offence::InvalidTransaction { reason });
            }
        }
    }

    /// Keeps a transaction whose parents are missing, and asks its sender for them.
    fn keep_orphan(&mut self, ctx: &mut Context<'_>, id: PeerId, transaction: Arc<Transaction>, parents: &[Txid]) {
        if !self.peers.contains_key(&id) {
            return;
        }
        if self.transactions.orphans.add(transaction, id, ctx.now, &mut self.rng) {
            for parent in parents {
                self.want_transaction(ctx, id, TransactionKey::Txid(*parent));
            }
            self.request_transactions(ctx);
        }
    }

    /// Judges the orphans again that waited for `parent`.
    fn adopt_children(&mut self, ctx: &mut Context<'_>, parent: &Txid) {
        for (id, child) in self.transactions.orphans.take_children(parent) {
            self.judge_transaction(ctx, id, child);
        }
    }

    pub(crate) fn transaction_added(&mut self, ctx: &mut Context<'_>, transaction: WaitingTransaction) {
        self.finish_request(TransactionKey::Wtxid(transaction.wtxid));
        self.finish_request(TransactionKey::Txid(transaction.txid));
        self.transactions.orphans.remove(&transaction.wtxid);
        self.adopt_children(ctx, &transaction.txid);
        for peer in self.peers.values_mut() {
            let is_news = peer.wants_transactions() && !peer.relay.known.contains(&peer.key_of(&transaction));
            if is_news && peer.relay.to_announce.len() < ANNOUNCEMENTS_WAITING_MAX {
                peer.relay.to_announce.push_back(transaction);
            }
        }
    }

    /// Announces what waits for it, to each peer at most one message.
    pub(crate) fn announce_transactions(&mut self, ctx: &mut Context<'_>) {
        for (id, peer) in &mut self.peers {
            let mut items = Vec::new();
            while items.len() < ANNOUNCEMENT_MAX {
                let Some(next) = peer.relay.to_announce.pop_front() else { break };
                let key = peer.key_of(&next);
                let is_wanted = next.fee_rate >= peer.relay.fee_filter && ctx.world.has_transaction(&next.wtxid);
                if is_wanted && peer.relay.known.insert(key) {
                    items.push(match key {
                        TransactionKey::Wtxid(wtxid) => Inventory::WTx(wtxid),
                        TransactionKey::Txid(txid) => Inventory::Transaction(txid),
                    });
                }
            }
            if !items.is_empty() {
                ctx.send(*id, Message::Inv(items));
            }
        }
    }

    /// The tip changed: its transactions need not be asked for, and what was refused may be fine now.
    pub(crate) fn transactions_confirmed(&mut self, ctx: &mut Context<'_>) {
        self.transactions.refused.clear();
        if ctx.world.is_syncing() {
            return;
        }
        let Some(block) = ctx.world.block(&ctx.world.tip().1) else { return };
        for transaction in &block.txdata {
            let (wtxid, txid) = (transaction.compute_wtxid(), transaction.compute_txid());
            for key in [TransactionKey::Wtxid(wtxid), TransactionKey::Txid(txid)] {
                self.transactions.confirmed.insert(key);
                self.finish_request(key);
            }
            self.transactions.orphans.remove(&wtxid);
            if !self.transactions.orphans.is_empty() {
                self.adopt_children(ctx, &txid);
            }
        }
    }
}
