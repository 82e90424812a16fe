//! Transactions that come: asked for once, of one peer after the other, judged by the server, and what follows from the
//! verdict. Whom to ask is decided in `requests`, what waits for parents in `orphans`, pairs are judged in `packages`, and
//! what we announce goes out in `announcing`.
//!
//! Source: Bitcoin Core `TxDownloadManagerImpl`, node/txdownloadman_impl.cpp.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::{Transaction, Txid, Wtxid};

use crate::announcing::Announcing;
use crate::limits::{
    GETDATA_MAX, NONPREFERRED_DELAY, OVERLOADED_DELAY, TRANSACTIONS_IN_FLIGHT_PER_PEER, TRANSACTIONS_JUDGED_PER_PEER,
    TXID_DELAY, VERDICTS_MAX,
};
use crate::message::Message;
use crate::misbehavior::Offence;
use crate::node::{Context, Node};
use crate::orphans::Orphans;
use crate::peer::{Peer, RecentSet, TransactionKey};
use crate::requests::{Requests, Terms};
use crate::world::{TransactionVerdict, WaitingTransaction};
use crate::{Action, PeerId};

/// Transactions under way.
#[derive(Debug)]
pub(crate) struct TransactionRelay {
    pub(crate) requests: Requests,
    /// Transactions that came and have no verdict yet.
    pub(crate) judged: BTreeSet<Wtxid>,
    /// Transactions refused since the tip last changed. By txid only those that no other witness could save.
    pub(crate) refused: RecentSet<TransactionKey>,
    /// Those refused for their fee alone: together with a child they may be taken.
    pub(crate) underpaid: RecentSet<Wtxid>,
    /// Pairs of parent and child that were judged since the tip last changed.
    pub(crate) packages: RecentSet<(Wtxid, Wtxid)>,
    /// Transactions of the latest blocks.
    confirmed: RecentSet<TransactionKey>,
    pub(crate) orphans: Orphans,
    /// Orphans of which a parent came; they are judged one after the other, so that many never keep a block waiting.
    adoptable: VecDeque<Wtxid>,
    /// The one that is being judged.
    adopting: Option<Wtxid>,
    pub(crate) announcing: Announcing,
}

impl TransactionRelay {
    pub(crate) fn new() -> Self {
        Self {
            requests: Requests::default(),
            judged: BTreeSet::new(),
            refused: RecentSet::new(VERDICTS_MAX),
            underpaid: RecentSet::new(VERDICTS_MAX),
            packages: RecentSet::new(VERDICTS_MAX),
            confirmed: RecentSet::new(VERDICTS_MAX),
            orphans: Orphans::default(),
            adoptable: VecDeque::new(),
            adopting: None,
            announcing: Announcing::default(),
        }
    }

    pub(crate) fn requests_under_way(&self) -> usize {
        self.requests.len() + self.judged.len() + self.adoptable.len()
    }

    /// Whether the transaction need not be asked for.
    fn has(&self, ctx: &Context<'_>, key: &TransactionKey) -> bool {
        self.confirmed.contains(key)
            || self.refused.contains(key)
            || match key {
                TransactionKey::Wtxid(wtxid) => {
                    self.underpaid.contains(wtxid)
                        || self.judged.contains(wtxid)
                        || self.orphans.contains(wtxid)
                        || ctx.world.has_transaction(wtxid)
                }
                TransactionKey::Txid(txid) => ctx.world.has_txid(txid),
            }
    }
}

/// Both names of a transaction.
fn keys_of(transaction: &Transaction) -> (Wtxid, [TransactionKey; 2]) {
    let wtxid = transaction.compute_wtxid();
    (wtxid, [TransactionKey::Wtxid(wtxid), TransactionKey::Txid(transaction.compute_txid())])
}

impl Node {
    pub(crate) fn transactions_announced(&mut self, ctx: &mut Context<'_>, id: PeerId, keys: &[TransactionKey]) {
        if keys.is_empty() {
            return;
        }
        for key in keys {
            self.transaction_announced(ctx, id, *key);
        }
        self.request_transactions(ctx);
    }

    fn transaction_announced(&mut self, ctx: &Context<'_>, id: PeerId, key: TransactionKey) {
        self.with_peer(id, |peer| {
            peer.relay.known.insert(key);
        });
        if let TransactionKey::Wtxid(wtxid) = key
            && self.transactions.orphans.contains(&wtxid)
        {
            self.orphan_announced(ctx, id, &wtxid);
            return;
        }
        // While it is judged, who else has it is noted: it may turn out an orphan, and they its parents' givers.
        let is_judged = matches!(key, TransactionKey::Wtxid(wtxid) if self.transactions.judged.contains(&wtxid));
        if is_judged || !self.transactions.has(ctx, &key) {
            self.want_transaction(ctx, id, key);
        }
        if is_judged {
            self.transactions.requests.hold(id, key);
        }
    }

    /// Notes that `id` has a transaction that we want.
    fn want_transaction(&mut self, ctx: &Context<'_>, id: PeerId, key: TransactionKey) {
        if let Some(terms) = self.terms(id, &key) {
            self.transactions.requests.announce(id, key, terms, ctx.now);
        }
    }

    /// How long to wait for better announcements. Source: Bitcoin Core `TxDownloadManagerImpl::AddTxAnnouncement`.
    fn terms(&self, id: PeerId, key: &TransactionKey) -> Option<Terms> {
        let peer = self.peers.get(&id)?;
        let is_trusted = self.relays_at_once(peer);
        let is_preferred = !peer.is_inbound() || is_trusted;
        let mut wait = Duration::ZERO;
        if !is_preferred {
            wait += NONPREFERRED_DELAY;
        }
        let has_wtxid_peers = || self.peers.values().any(|peer| peer.is_ready() && peer.relay.by_wtxid);
        if matches!(key, TransactionKey::Txid(_)) && has_wtxid_peers() {
            wait += TXID_DELAY;
        }
        if !is_trusted && self.transactions.requests.in_flight(id) >= TRANSACTIONS_IN_FLIGHT_PER_PEER {
            wait += OVERLOADED_DELAY;
        }
        Some(Terms { is_preferred, wait })
    }

    /// Asks for what may be asked for. While the chain is far behind nothing is, for most would spend coins that we have not
    /// seen made.
    pub(crate) fn request_transactions(&mut self, ctx: &mut Context<'_>) {
        if self.transactions.requests.len() == 0 || ctx.world.is_syncing() {
            return;
        }
        for (id, keys) in self.transactions.requests.next(ctx.now, &mut self.rng) {
            let Some(peer) = self.peers.get(&id) else { continue };
            let items: Vec<Inventory> = keys.into_iter().map(|key| peer.item_for_transaction(key)).collect();
            for part in items.chunks(GETDATA_MAX) {
                ctx.send(id, Message::GetData(part.to_vec()));
            }
        }
    }

    /// `id` does not have the transaction: the next one that has it is asked.
    pub(crate) fn transaction_failed(&mut self, key: TransactionKey, id: PeerId) {
        self.transactions.requests.fail(id, key);
    }

    /// The peer is gone.
    pub(crate) fn release_transactions(&mut self, peer: &Peer) {
        self.transactions.orphans.remove_peer(peer.id);
        self.transactions.requests.remove_peer(peer.id);
    }

    pub(crate) fn expire_transactions(&mut self, ctx: &mut Context<'_>) {
        self.transactions.announcing.expire(ctx.now);
        self.request_transactions(ctx);
    }

    pub(crate) fn transaction_came(&mut self, ctx: &mut Context<'_>, id: PeerId, transaction: Arc<Transaction>) {
        let (_, keys) = keys_of(&transaction);
        self.with_peer(id, |peer| {
            for key in keys {
                peer.relay.known.insert(key);
            }
        });
        if ctx.world.is_syncing() {
            keys.into_iter().for_each(|key| self.transactions.requests.put_back(id, key));
            return;
        }
        if self.transactions.has(ctx, &keys[0]) {
            self.known_transaction_came(ctx, id, &transaction);
        } else if self.judge_transaction(ctx, id, Arc::clone(&transaction)) {
            self.hold_requests(id, keys);
        } else {
            // Its quota is used up; that is no reason not to take the transaction from others.
            keys.into_iter().for_each(|key| self.transactions.requests.fail(id, key));
        }
        self.request_transactions(ctx);
    }

    /// Nobody is asked while it is judged. A txid leaves the witness open: only the answer of the one who was asked stands
    /// for it.
    fn hold_requests(&mut self, id: PeerId, [by_wtxid, by_txid]: [TransactionKey; 2]) {
        self.transactions.requests.hold(id, by_wtxid);
        if self.transactions.requests.is_asked_of(&by_txid, id) {
            self.transactions.requests.hold(id, by_txid);
        }
    }

    /// It was asked for by its other name, or pushed.
    fn known_transaction_came(&mut self, ctx: &mut Context<'_>, id: PeerId, transaction: &Arc<Transaction>) {
        let (wtxid, keys) = keys_of(transaction);
        if self.transactions.judged.contains(&wtxid) {
            self.hold_requests(id, keys);
            return;
        }
        self.transactions.requests.forget(&keys[0]);
        if self.transactions.has(ctx, &keys[1]) {
            self.transactions.requests.forget(&keys[1]);
        } else {
            self.transactions.requests.fail(id, keys[1]);
        }
        if self.transactions.orphans.contains(&wtxid) {
            self.orphan_announced(ctx, id, &wtxid);
        } else if self.transactions.underpaid.contains(&wtxid) && !self.transactions.refused.contains(&keys[0]) {
            self.look_for_paying_child(ctx, id, transaction);
        }
    }

    /// Hands it over to be judged, unless the quota of `id` is used up: the same for what was asked for and what was pushed
    /// (Zebra GHSA-4fc2).
    fn judge_transaction(&mut self, ctx: &mut Context<'_>, id: PeerId, transaction: Arc<Transaction>) -> bool {
        let is_taken = self.count_judged(id);
        if is_taken {
            self.transactions.judged.insert(transaction.compute_wtxid());
            ctx.actions.push(Action::SubmitTransaction { peer: id, transaction });
        }
        is_taken
    }

    /// Whether `id` may have one more thing judged.
    pub(crate) fn count_judged(&mut self, id: PeerId) -> bool {
        let Some(peer) = self.peers.get_mut(&id) else { return false };
        let has_room = peer.relay.judged < TRANSACTIONS_JUDGED_PER_PEER;
        peer.relay.judged += usize::from(has_room);
        has_room
    }

    pub(crate) fn transaction_verdict(
        &mut self,
        ctx: &mut Context<'_>,
        id: PeerId,
        transaction: Arc<Transaction>,
        verdict: TransactionVerdict,
    ) {
        let (wtxid, keys) = keys_of(&transaction);
        self.transactions.judged.remove(&wtxid);
        self.with_peer(id, |peer| peer.relay.judged = peer.relay.judged.saturating_sub(1));
        if self.transactions.adopting == Some(wtxid) {
            self.transactions.adopting = None;
        }
        match verdict {
            TransactionVerdict::Accepted => {
                self.with_peer(id, |peer| peer.relay.last_transaction = Some(ctx.now));
                self.transaction_settled(&keys);
            }
            TransactionVerdict::AlreadyKnown => self.transaction_settled(&keys),
            TransactionVerdict::Failed { .. } => {
                keys.into_iter().for_each(|key| self.transactions.requests.release(key));
            }
            TransactionVerdict::MissingInputs { parents } => {
                self.compact.keep_extra(wtxid, &transaction);
                self.keep_orphan(ctx, id, &transaction, &parents);
            }
            TransactionVerdict::Underpaid { reason } => {
                self.compact.keep_extra(wtxid, &transaction);
                self.transactions.underpaid.insert(wtxid);
                self.transaction_refused(&transaction);
                self.blame(ctx, id, Offence::RefusedTransaction { reason });
                self.look_for_paying_child(ctx, id, &transaction);
            }
            TransactionVerdict::Refused { reason } => {
                self.compact.keep_extra(wtxid, &transaction);
                self.transactions.refused.insert(keys[0]);
                self.transaction_refused(&transaction);
                self.blame(ctx, id, Offence::RefusedTransaction { reason });
            }
            TransactionVerdict::Invalid { reason } => {
                self.transactions.refused.insert(keys[0]);
                self.transactions.refused.insert(keys[1]);
                self.transaction_settled(&keys);
                self.blame(ctx, id, Offence::InvalidTransaction { reason });
            }
        }
        self.adopt_next(ctx);
        self.request_transactions(ctx);
    }

    /// It is not wanted any more, by no name.
    pub(crate) fn transaction_settled(&mut self, keys: &[TransactionKey; 2]) {
        keys.iter().for_each(|key| self.transactions.requests.forget(key));
        if let [TransactionKey::Wtxid(wtxid), _] = keys {
            self.transactions.orphans.remove(wtxid);
        }
    }

    /// With this witness it is not wanted any more. Without any there is no other.
    pub(crate) fn transaction_refused(&mut self, transaction: &Transaction) {
        let (wtxid, keys) = keys_of(transaction);
        self.transactions.requests.forget(&keys[0]);
        self.transactions.orphans.remove(&wtxid);
        if transaction.input.iter().all(|input| input.witness.is_empty()) {
            self.transactions.requests.forget(&keys[1]);
        } else {
            self.transactions.requests.release(keys[1]);
        }
    }

    /// Keeps a transaction whose parents are missing, and asks all who announced it for them.
    fn keep_orphan(&mut self, ctx: &mut Context<'_>, id: PeerId, transaction: &Arc<Transaction>, parents: &[Txid]) {
        let (wtxid, keys) = keys_of(transaction);
        // A child of what is refused for good has no future.
        if parents.iter().any(|parent| self.transactions.refused.contains(&TransactionKey::Txid(*parent))) {
            self.transactions.refused.insert(keys[0]);
            self.transaction_refused(transaction);
            return;
        }
        let mut announcers = self.transactions.requests.announcers(&keys[0]);
        announcers.push(id);
        announcers.retain(|announcer| self.peers.contains_key(announcer));
        self.transactions.requests.forget(&keys[0]);
        self.transactions.requests.forget(&keys[1]);
        for announcer in announcers {
            let is_news = !self.transactions.orphans.announcers(&wtxid).contains(&announcer);
            if !is_news || self.transactions.orphans.add(transaction, announcer) {
                self.want_parents(ctx, announcer, parents);
            }
        }
    }

    /// Another peer has an orphan: it has its parents, too.
    fn orphan_announced(&mut self, ctx: &Context<'_>, id: PeerId, wtxid: &Wtxid) {
        if self.peers.contains_key(&id)
            && self.transactions.orphans.add_announcer(wtxid, id)
            && let Some(orphan) = self.transactions.orphans.get(wtxid)
        {
            let parents: BTreeSet<Txid> = orphan.input.iter().map(|input| input.previous_output.txid).collect();
            self.want_parents(ctx, id, &parents.into_iter().collect::<Vec<_>>());
        }
    }

    fn want_parents(&mut self, ctx: &Context<'_>, id: PeerId, parents: &[Txid]) {
        for parent in parents {
            let key = TransactionKey::Txid(*parent);
            if !self.transactions.has(ctx, &key) {
                self.want_transaction(ctx, id, key);
            }
        }
    }

    /// Lets the orphans be judged again that waited for `parent`.
    fn adopt_children(&mut self, ctx: &mut Context<'_>, parent: &Txid) {
        for child in self.transactions.orphans.children(parent) {
            if !self.transactions.adoptable.contains(&child) {
                self.transactions.adoptable.push_back(child);
            }
        }
        self.adopt_next(ctx);
    }

    pub(crate) fn adopt_next(&mut self, ctx: &mut Context<'_>) {
        while self.transactions.adopting.is_none() {
            let Some(wtxid) = self.transactions.adoptable.pop_front() else { return };
            let Some(orphan) = self.transactions.orphans.get(&wtxid) else { continue };
            if self.transactions.judged.contains(&wtxid) {
                continue;
            }
            // On the account of whoever announced it and has room.
            let announcers = self.transactions.orphans.announcers(&wtxid);
            if announcers.into_iter().any(|id| self.judge_transaction(ctx, id, Arc::clone(&orphan))) {
                self.transactions.adopting = Some(wtxid);
            } else {
                // The next verdict makes room.
                self.transactions.adoptable.push_front(wtxid);
                return;
            }
        }
    }

    pub(crate) fn transaction_added(&mut self, ctx: &mut Context<'_>, transaction: WaitingTransaction) {
        self.transaction_settled(&[TransactionKey::Wtxid(transaction.wtxid), TransactionKey::Txid(transaction.txid)]);
        self.adopt_children(ctx, &transaction.txid);
        self.announce_later(ctx.now, transaction);
        self.request_transactions(ctx);
    }

    /// The tip changed: its transactions need not be asked for, and what was refused may be fine now.
    pub(crate) fn transactions_confirmed(&mut self, ctx: &mut Context<'_>) {
        self.transactions.refused.clear();
        self.transactions.underpaid.clear();
        self.transactions.packages.clear();
        if ctx.world.is_syncing() {
            return;
        }
        let Some(whole) = self.whole_tip(ctx) else { return };
        let has_orphans = !self.transactions.orphans.is_empty();
        let mut parents = BTreeSet::new();
        self.compact.served.overtaken = None;
        for (transaction, (txid, wtxid)) in whole.block.transactions().zip(whole.names()) {
            let keys = [TransactionKey::Wtxid(wtxid), TransactionKey::Txid(txid)];
            for key in keys {
                self.transactions.confirmed.insert(key);
            }
            self.transaction_settled(&keys);
            if has_orphans {
                self.transactions.orphans.remove_spenders(transaction);
                parents.insert(txid);
            }
        }
        for parent in parents {
            self.adopt_children(ctx, &parent);
        }
    }
}
