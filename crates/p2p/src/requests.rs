//! Whom to ask for which transaction: every announcement on its peer's account, one request at a time for each.
//!
//! In:    announcements with their delays, answers, failures, peers that went, the time.
//! Out:   requests: preferred peers first, others in turn, each within its own quota.
//! Never: anything that outlives its announcers. An announcement is spent once it was used, so that a peer that withholds a
//!        transaction cannot announce it again to be asked again.
//!
//! Source: Bitcoin Core `TxRequestTracker`, txrequest.cpp. There a peer's hundred requests in flight only delay what it
//! announces next; here nobody has more, and what it keeps back goes to others with room.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use crate::limits::{
    TRANSACTION_TIMEOUT, TRANSACTIONS_ANNOUNCED_MAX, TRANSACTIONS_ANNOUNCED_PER_PEER, TRANSACTIONS_IN_FLIGHT_PER_PEER,
};
use crate::peer::TransactionKey;
use crate::{PeerId, Time};

/// How an announcement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its peer may be asked from then on.
    Delayed { until: Time },
    /// Its peer may be asked.
    Ready,
    /// Its peer was asked and has until then.
    Asked { until: Time },
    /// Its peer was asked and did not give it.
    Spent,
}

#[derive(Debug)]
struct Announcement {
    /// The order of announcements.
    sequence: u64,
    state: State,
}

/// Who announced a transaction: mostly one peer, so a list that takes little room, in the peers' order.
#[derive(Debug, Default)]
struct Announcers(Vec<(PeerId, Announcement)>);

impl Announcers {
    fn place(&self, peer: PeerId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&peer, |(id, _)| *id)
    }

    fn insert(&mut self, peer: PeerId, announcement: Announcement) {
        match self.place(peer) {
            Ok(place) => {
                if let Some(held) = self.0.get_mut(place) {
                    held.1 = announcement;
                }
            }
            Err(place) => {
                self.0.reserve_exact(1);
                self.0.insert(place, (peer, announcement));
            }
        }
    }

    fn get_mut(&mut self, peer: PeerId) -> Option<&mut Announcement> {
        let place = self.place(peer).ok()?;
        self.0.get_mut(place).map(|(_, announcement)| announcement)
    }

    fn remove(&mut self, peer: PeerId) -> Option<Announcement> {
        let place = self.place(peer).ok()?;
        Some(self.0.remove(place).1)
    }
}

/// One transaction's announcements.
#[derive(Debug, Default)]
struct Wanted {
    by: Announcers,
    asked: Option<PeerId>,
    /// Whether it is here and being judged: nobody is asked meanwhile.
    is_held: bool,
}

impl Wanted {
    /// Whether one of its announcers may be asked now.
    const fn is_free(&self) -> bool {
        self.asked.is_none() && !self.is_held
    }

    /// Whether nothing is to be had any more.
    fn is_over(&self) -> bool {
        self.is_free() && self.by.0.iter().all(|(_, announcement)| announcement.state == State::Spent)
    }
}

/// One peer's announcements.
#[derive(Debug, Default)]
struct Account {
    is_preferred: bool,
    in_flight: usize,
    keys: BTreeSet<TransactionKey>,
    /// Those that it may be asked for now, oldest first.
    ready: BTreeSet<(u64, TransactionKey)>,
}

impl Account {
    fn is_askable(&self) -> bool {
        self.in_flight < TRANSACTIONS_IN_FLIGHT_PER_PEER && !self.ready.is_empty()
    }
}

/// How an announcement is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Whether its peer is asked before those that are not preferred.
    pub(crate) is_preferred: bool,
    /// How long to wait for better ones.
    pub(crate) wait: Duration,
}

/// All announcements of transactions that we want.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    wanted: BTreeMap<TransactionKey, Wanted>,
    accounts: BTreeMap<PeerId, Account>,
    /// When delays and requests end.
    due: BTreeSet<(Time, TransactionKey, PeerId)>,
    sequence: u64,
}

impl Requests {
    /// How many transactions are announced and not here.
    pub(crate) fn len(&self) -> usize {
        self.wanted.len()
    }

    pub(crate) fn in_flight(&self, peer: PeerId) -> usize {
        self.accounts.get(&peer).map_or(0, |account| account.in_flight)
    }

    /// Who announced it and was not found without it.
    pub(crate) fn announcers(&self, key: &TransactionKey) -> Vec<PeerId> {
        self.wanted.get(key).map_or_else(Vec::new, |wanted| wanted.by.0.iter().map(|(peer, _)| *peer).collect())
    }

    pub(crate) fn is_asked_of(&self, key: &TransactionKey, peer: PeerId) -> bool {
        self.wanted.get(key).is_some_and(|wanted| wanted.asked == Some(peer))
    }

    /// Whether one more announcement of `peer` is remembered: all together have a limit, of which each has its share.
    fn has_room(&self, peer: PeerId) -> bool {
        let own = self.accounts.get(&peer).map_or(0, |account| account.keys.len());
        let share = TRANSACTIONS_ANNOUNCED_MAX / self.accounts.len().max(1);
        let all = || self.accounts.values().map(|account| account.keys.len()).sum::<usize>();
        own < TRANSACTIONS_ANNOUNCED_PER_PEER && (own < share || all() < TRANSACTIONS_ANNOUNCED_MAX)
    }

    /// Notes that `peer` has it; whether that is news and within its quota.
    pub(crate) fn announce(&mut self, peer: PeerId, key: TransactionKey, terms: Terms, now: Time) -> bool {
        let has_room = self.has_room(peer);
        let account = self.accounts.entry(peer).or_default();
        account.is_preferred = terms.is_preferred;
        if !has_room || !account.keys.insert(key) {
            return false;
        }
        self.sequence += 1;
        let until = now.after(terms.wait);
        let state = if until <= now { State::Ready } else { State::Delayed { until } };
        let wanted = self.wanted.entry(key).or_default();
        wanted.by.insert(peer, Announcement { sequence: self.sequence, state });
        match state {
            State::Ready if wanted.is_free() => {
                account.ready.insert((self.sequence, key));
            }
            State::Delayed { until } => {
                self.due.insert((until, key, peer));
            }
            State::Ready | State::Asked { .. } | State::Spent => {}
        }
        true
    }

    /// Whom to ask for what now: they count as asked from here on.
    pub(crate) fn next(&mut self, now: Time, rng: &mut StdRng) -> BTreeMap<PeerId, Vec<TransactionKey>> {
        self.expire(now);
        let mut batches: BTreeMap<PeerId, Vec<TransactionKey>> = BTreeMap::new();
        for is_preferred in [true, false] {
            let is_next = |account: &Account| account.is_preferred == is_preferred && account.is_askable();
            let mut peers: Vec<PeerId> =
                self.accounts.iter().filter(|(_, account)| is_next(account)).map(|(id, _)| *id).collect();
            peers.shuffle(rng);
            // One each in turn, so that what many have is spread over them.
            while !peers.is_empty() {
                peers.retain(|peer| match self.ask(*peer, now) {
                    Some(key) => {
                        batches.entry(*peer).or_default().push(key);
                        true
                    }
                    None => false,
                });
            }
        }
        batches
    }

    /// Ends delays and requests whose time is over.
    fn expire(&mut self, now: Time) {
        while let Some((at, key, peer)) = self.due.first().copied().filter(|(at, ..)| *at <= now) {
            self.due.remove(&(at, key, peer));
            let Some(wanted) = self.wanted.get_mut(&key) else { continue };
            let is_free = wanted.is_free();
            let Some(announcement) = wanted.by.get_mut(peer) else { continue };
            match announcement.state {
                State::Delayed { .. } => {
                    announcement.state = State::Ready;
                    let place = (announcement.sequence, key);
                    if is_free && let Some(account) = self.accounts.get_mut(&peer) {
                        account.ready.insert(place);
                    }
                }
                State::Asked { .. } => self.fail(peer, key),
                State::Ready | State::Spent => {}
            }
        }
    }

    /// Asks `peer` for the oldest of what it may be asked for.
    fn ask(&mut self, peer: PeerId, now: Time) -> Option<TransactionKey> {
        let account = self.accounts.get_mut(&peer).filter(|account| account.is_askable())?;
        let (_, key) = account.ready.first().copied()?;
        account.in_flight += 1;
        self.block(&key);
        let wanted = self.wanted.get_mut(&key)?;
        let until = now.after(TRANSACTION_TIMEOUT);
        wanted.asked = Some(peer);
        wanted.by.get_mut(peer)?.state = State::Asked { until };
        self.due.insert((until, key, peer));
        Some(key)
    }

    /// Takes the transaction out of all lists of what may be asked for.
    fn block(&mut self, key: &TransactionKey) {
        let Some(wanted) = self.wanted.get(key) else { return };
        for (peer, announcement) in &wanted.by.0 {
            if announcement.state == State::Ready
                && let Some(account) = self.accounts.get_mut(peer)
            {
                account.ready.remove(&(announcement.sequence, *key));
            }
        }
    }

    /// Puts the transaction back on the lists of its announcers, or forgets it when none is left.
    fn free(&mut self, key: &TransactionKey) {
        let Some(wanted) = self.wanted.get(key) else { return };
        if wanted.is_over() {
            self.forget(key);
        } else if wanted.is_free() {
            for (peer, announcement) in &wanted.by.0 {
                if announcement.state == State::Ready
                    && let Some(account) = self.accounts.get_mut(peer)
                {
                    account.ready.insert((announcement.sequence, *key));
                }
            }
        }
    }

    /// Ends the request at `peer`, if there is one, and leaves its announcement in `state`.
    fn end_request(&mut self, peer: PeerId, key: &TransactionKey, state: State) -> bool {
        let Some(wanted) = self.wanted.get_mut(key) else { return false };
        let Some(announcement) = wanted.by.get_mut(peer) else { return false };
        let State::Asked { until } = announcement.state else { return false };
        announcement.state = state;
        wanted.asked = None;
        self.due.remove(&(until, *key, peer));
        if let Some(account) = self.accounts.get_mut(&peer) {
            account.in_flight -= 1;
        }
        true
    }

    /// `peer` was asked and does not give it: the next one that has it is asked.
    pub(crate) fn fail(&mut self, peer: PeerId, key: TransactionKey) {
        if self.end_request(peer, &key, State::Spent) {
            self.free(&key);
        }
    }

    /// What `peer` was asked for came too early to be used: it may be asked again.
    pub(crate) fn put_back(&mut self, peer: PeerId, key: TransactionKey) {
        if self.end_request(peer, &key, State::Ready) {
            self.free(&key);
        }
    }

    /// It came from `peer` and is being judged: nobody is asked until [`Requests::release`] or [`Requests::forget`].
    pub(crate) fn hold(&mut self, peer: PeerId, key: TransactionKey) {
        self.end_request(peer, &key, State::Spent);
        self.block(&key);
        if let Some(wanted) = self.wanted.get_mut(&key) {
            wanted.is_held = true;
        }
    }

    /// It was judged and is not what was announced, or could not be judged.
    pub(crate) fn release(&mut self, key: TransactionKey) {
        if let Some(wanted) = self.wanted.get_mut(&key) {
            wanted.is_held = false;
            self.free(&key);
        }
    }

    /// It is here, or not wanted any more.
    pub(crate) fn forget(&mut self, key: &TransactionKey) {
        self.block(key);
        let Some(wanted) = self.wanted.remove(key) else { return };
        for (peer, announcement) in wanted.by.0 {
            let Some(account) = self.accounts.get_mut(&peer) else { continue };
            account.keys.remove(key);
            match announcement.state {
                State::Asked { until } => {
                    account.in_flight -= 1;
                    self.due.remove(&(until, *key, peer));
                }
                State::Delayed { until } => {
                    self.due.remove(&(until, *key, peer));
                }
                State::Ready | State::Spent => {}
            }
            if account.keys.is_empty() {
                self.accounts.remove(&peer);
            }
        }
    }

    /// The peer is gone.
    pub(crate) fn remove_peer(&mut self, peer: PeerId) {
        let Some(account) = self.accounts.remove(&peer) else { return };
        for key in account.keys {
            let Some(wanted) = self.wanted.get_mut(&key) else { continue };
            match wanted.by.remove(peer).map(|announcement| announcement.state) {
                Some(State::Asked { until }) => {
                    wanted.asked = None;
                    self.due.remove(&(until, key, peer));
                }
                Some(State::Delayed { until }) => {
                    self.due.remove(&(until, key, peer));
                }
                Some(State::Ready | State::Spent) | None => {}
            }
            self.free(&key);
            if self.wanted.get(&key).is_some_and(|wanted| wanted.by.0.is_empty()) {
                self.wanted.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
