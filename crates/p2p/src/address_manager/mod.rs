//! Addresses of nodes that we heard of, to be dialled and told on.
//!
//! Two tables: what others told (new), and what we were connected to (tried). Where an address may lie in them follows
//! from a secret key, its neighbourhood and, in the new table, the neighbourhood of who told it: whoever floods us from
//! one neighbourhood fills 64 of 1,024 buckets, and cannot choose which. An entry of the tried table gives way only after
//! it was dialled again in vain.
//!
//! Private addresses are learned from peers at private addresses alone, for a coin may live in one building; loopback and
//! unusable ones never. What a person or the spec names is dialled wherever it is.
//!
//! Source: Bitcoin Core `AddrManImpl`, addrman.cpp.

mod bytes;
mod choosing;
mod groups;
mod known;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::hashes::siphash24;
use rand::Rng as _;
use rand::rngs::StdRng;

pub(crate) use self::choosing::Pick;
pub(crate) use self::groups::{NetGroup, Reach, canonical, reach, subscriber};
pub(crate) use self::known::KnownAddress;
use self::known::Table;
use crate::Time;
use crate::limits::{
    ADDRESS_BUCKET_SIZE, ADDRESS_COLLISIONS_MAX, ADDRESS_NEW_BUCKETS, ADDRESS_NEW_BUCKETS_PER_SOURCE,
    ADDRESS_NEW_SLOTS, ADDRESS_PENALTY, ADDRESS_REPLACEMENT, ADDRESS_SEEN_INTERVAL, ADDRESS_TEST_WINDOW,
    ADDRESS_TRIED_BUCKETS, ADDRESS_TRIED_BUCKETS_PER_GROUP,
};

/// A bucket's number times its size, and the place in it.
type Slot = u64;

/// Seconds that a dial may take: so long nothing is said of an address.
const DIAL: u32 = 60;

/// The tables.
#[derive(Debug)]
pub(crate) struct AddressManager {
    key: (u64, u64),
    known: BTreeMap<SocketAddr, KnownAddress>,
    new: BTreeMap<Slot, SocketAddr>,
    tried: BTreeMap<Slot, SocketAddr>,
    /// Addresses that worked and whose place in the tried table is taken, until who has it was dialled again.
    collisions: BTreeSet<SocketAddr>,
    /// When a handshake was last completed: failures while nothing works say nothing.
    last_success: u32,
}

impl AddressManager {
    /// Empty tables with a secret key.
    pub(crate) const fn new(key: (u64, u64)) -> Self {
        Self {
            key,
            known: BTreeMap::new(),
            new: BTreeMap::new(),
            tried: BTreeMap::new(),
            collisions: BTreeSet::new(),
            last_success: 1,
        }
    }

    /// Reads the bytes of the last run. Damaged ones are as good as none, for nothing in them is needed.
    pub(crate) fn open(bytes: &[u8], rng: &mut StdRng) -> Self {
        Self::from_bytes(bytes).unwrap_or_else(|| {
            if !bytes.is_empty() {
                tracing::warn!("the peers' addresses are damaged or of another version; we start without them");
            }
            Self::new((rng.random(), rng.random()))
        })
    }

    /// Notes an address that the peer at `source` told. What it says of the time is taken with a penalty of two hours.
    pub(crate) fn heard(
        &mut self,
        address: SocketAddr,
        services: ServiceFlags,
        seen: u32,
        source: IpAddr,
        now: Time,
        rng: &mut StdRng,
    ) {
        let (address, source, now) = (canonical(address), source.to_canonical(), seconds(now));
        if !may_be_learned(&address, source) {
            return;
        }
        // What lies in the future, or in the time before Bitcoin, is as old as five days.
        let is_believable = (100_000_000..=now.saturating_add(10 * 60)).contains(&seen);
        let seen = if is_believable { seen } else { now.saturating_sub(5 * 24 * 60 * 60) };
        let penalty = if address.ip() == source { 0 } else { ADDRESS_PENALTY };
        if let Some(known) = self.known.get_mut(&address) {
            known.services |= services;
            let is_online = now.saturating_sub(seen) < 24 * 60 * 60;
            let interval = if is_online { 60 * 60 } else { 24 * 60 * 60 };
            let is_news = seen > known.last_seen;
            if known.last_seen.saturating_add(interval).saturating_add(penalty) < seen {
                known.last_seen = seen.saturating_sub(penalty);
            }
            // Each place more is half as likely as the one before.
            let places = known.slots.len();
            if !is_news || known.is_tried() || places >= ADDRESS_NEW_SLOTS || rng.random_range(0..1u32 << places) != 0 {
                return;
            }
        }
        let fresh = KnownAddress {
            services,
            last_seen: seen.saturating_sub(penalty),
            last_success: 0,
            last_try: 0,
            last_counted: 0,
            attempts: 0,
            source,
            table: Table::New,
            slots: Vec::new(),
        };
        self.place_as_new(address, fresh, source, now);
    }

    /// Gives an address a place in the new table, if the one that it has a right to is free or badly used.
    fn place_as_new(&mut self, address: SocketAddr, fresh: KnownAddress, source: IpAddr, now: u32) {
        let slot = self.new_slot(&address, source);
        if let Some(other) = self.new.get(&slot) {
            if *other == address {
                return;
            }
            let is_fresh = !self.known.contains_key(&address);
            let gives_way = self
                .known
                .get(other)
                .is_none_or(|holder| holder.is_terrible(now) || (holder.slots.len() > 1 && is_fresh));
            if !gives_way {
                return;
            }
        }
        self.clear_new(slot);
        self.new.insert(slot, address);
        self.known.entry(address).or_insert(fresh).slots.push(slot);
    }

    /// Notes that we dial `address`. It `counts` when other connections show that we reach the network.
    pub(crate) fn attempted(&mut self, address: SocketAddr, counts: bool, now: Time) {
        let (now, last_success) = (seconds(now), self.last_success);
        let Some(known) = self.known.get_mut(&canonical(address)) else { return };
        known.last_try = now;
        if counts && known.last_counted < last_success {
            known.last_counted = now;
            known.attempts = known.attempts.saturating_add(1);
        }
    }

    /// Notes a complete handshake with an address that we dialled.
    pub(crate) fn succeeded(&mut self, address: SocketAddr, services: ServiceFlags, now: Time) {
        let (address, now) = (canonical(address), seconds(now));
        if reach(address.ip()) == Reach::Nobody || address.port() == 0 {
            return;
        }
        self.last_success = now.max(1);
        let source = address.ip();
        let fresh = KnownAddress {
            services,
            last_seen: now,
            last_success: now,
            last_try: now,
            last_counted: now,
            attempts: 0,
            source,
            table: Table::New,
            slots: Vec::new(),
        };
        if !self.known.contains_key(&address) {
            self.place_as_new(address, fresh.clone(), source, now);
        }
        if let Some(known) = self.known.get_mut(&address) {
            // When it was last seen stays as it was told: nobody is to read our connections from it.
            known.services = services;
            known.last_success = now;
            known.last_try = now;
            known.attempts = 0;
            if known.is_tried() {
                return;
            }
        }
        match self.tried.get(&self.tried_slot(&address)) {
            Some(_) if !self.known.contains_key(&address) => {}
            Some(_) if self.collisions.len() < ADDRESS_COLLISIONS_MAX => {
                self.collisions.insert(address);
            }
            Some(_) => {}
            None => self.make_tried(address, fresh),
        }
    }

    /// Notes that a connection with `address` has ended, which shows that it was there until now. Said at the end, and not
    /// more often than each twenty minutes, so that nobody reads our connections from it.
    ///
    /// Source: Bitcoin Core `AddrManImpl::Connected_`.
    pub(crate) fn seen(&mut self, address: SocketAddr, now: Time) {
        let now = seconds(now);
        if let Some(known) = self.known.get_mut(&canonical(address))
            && now.saturating_sub(known.last_seen) > ADDRESS_SEEN_INTERVAL
        {
            known.last_seen = now;
        }
    }

    /// Moves an address to the tried table. Who lay in its place goes back to the new table.
    fn make_tried(&mut self, address: SocketAddr, fresh: KnownAddress) {
        let mut known = self.known.remove(&address).unwrap_or(fresh);
        for slot in known.slots.drain(..) {
            self.new.remove(&slot);
        }
        let slot = self.tried_slot(&address);
        if let Some(old) = self.tried.insert(slot, address)
            && let Some(mut holder) = self.known.remove(&old)
        {
            let back = self.new_slot(&old, holder.source);
            self.clear_new(back);
            holder.table = Table::New;
            holder.slots = vec![back];
            self.new.insert(back, old);
            self.known.insert(old, holder);
        }
        known.table = Table::Tried;
        known.slots.push(slot);
        self.known.insert(address, known);
    }

    /// Decides who has the place that two addresses want: who lies there, if it answered lately; else the new one.
    ///
    /// Source: Bitcoin Core `AddrManImpl::ResolveCollisions_`.
    pub(crate) fn resolve_collisions(&mut self, now: Time) {
        let now = seconds(now);
        for address in self.collisions.clone() {
            let Some(challenger) = self.known.get(&address).filter(|known| !known.is_tried()) else {
                self.collisions.remove(&address);
                continue;
            };
            let holder = self.tried.get(&self.tried_slot(&address)).and_then(|holder| self.known.get(holder));
            let moves = match holder {
                None => Some(true),
                Some(holder) if now.saturating_sub(holder.last_success) < ADDRESS_REPLACEMENT => Some(false),
                Some(holder) if now.saturating_sub(holder.last_try) < ADDRESS_REPLACEMENT => {
                    (now.saturating_sub(holder.last_try) > DIAL).then_some(true)
                }
                Some(_) => (now.saturating_sub(challenger.last_success) > ADDRESS_TEST_WINDOW).then_some(true),
            };
            let Some(moves) = moves else { continue };
            if moves {
                let known = challenger.clone();
                self.make_tried(address, known);
            }
            self.collisions.remove(&address);
        }
    }

    /// Takes what `address` itself says that it offers, in place of what others told.
    pub(crate) fn set_services(&mut self, address: SocketAddr, services: ServiceFlags) {
        if let Some(known) = self.known.get_mut(&canonical(address)) {
            known.services = services;
        }
    }

    /// What `address` offers, as far as we know.
    pub(crate) fn services(&self, address: &SocketAddr) -> Option<ServiceFlags> {
        self.known.get(&canonical(*address)).map(|known| known.services)
    }

    /// Empties a place of the new table; an address without a place is forgotten.
    fn clear_new(&mut self, slot: Slot) {
        let Some(address) = self.new.remove(&slot) else { return };
        let Some(known) = self.known.get_mut(&address) else { return };
        known.slots.retain(|own| *own != slot);
        if known.slots.is_empty() {
            self.known.remove(&address);
        }
    }

    /// Source: Bitcoin Core `AddrInfo::GetNewBucket`.
    fn new_slot(&self, address: &SocketAddr, source: IpAddr) -> Slot {
        let source = NetGroup::of(source);
        let group = NetGroup::of(address.ip());
        let first = self.hash(b'n', &[group.bytes(), source.bytes()]) % ADDRESS_NEW_BUCKETS_PER_SOURCE;
        let bucket = self.hash(b'N', &[source.bytes(), &first.to_le_bytes()]) % ADDRESS_NEW_BUCKETS;
        self.slot_in(b'p', bucket, address)
    }

    /// Source: Bitcoin Core `AddrInfo::GetTriedBucket`.
    fn tried_slot(&self, address: &SocketAddr) -> Slot {
        let group = NetGroup::of(address.ip());
        let first = self.hash(b't', &[&name(address)]) % ADDRESS_TRIED_BUCKETS_PER_GROUP;
        let bucket = self.hash(b'T', &[group.bytes(), &first.to_le_bytes()]) % ADDRESS_TRIED_BUCKETS;
        self.slot_in(b'P', bucket, address)
    }

    fn slot_in(&self, purpose: u8, bucket: u64, address: &SocketAddr) -> Slot {
        let place = self.hash(purpose, &[&bucket.to_le_bytes(), &name(address)]) % ADDRESS_BUCKET_SIZE;
        bucket * ADDRESS_BUCKET_SIZE + place
    }

    /// A number for the neighbourhood of `ip` that nobody can choose.
    pub(crate) fn keyed_group(&self, ip: IpAddr) -> u64 {
        self.hash(b'e', &[NetGroup::of(ip).bytes()])
    }

    fn hash(&self, purpose: u8, parts: &[&[u8]]) -> u64 {
        let mut bytes = vec![purpose];
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        siphash24::Hash::hash_to_u64_with_keys(self.key.0, self.key.1, &bytes)
    }
}

/// Whether a peer at `other` may tell us, or be told of, `address`.
pub(crate) fn may_be_learned(address: &SocketAddr, other: IpAddr) -> bool {
    let is_near = match reach(address.ip()) {
        Reach::Public => true,
        Reach::Private => reach(other) == Reach::Private,
        Reach::Nobody => false,
    };
    is_near && address.port() != 0
}

/// An address as bytes.
fn name(address: &SocketAddr) -> Vec<u8> {
    let mut bytes = match address.ip() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    bytes.extend_from_slice(&address.port().to_be_bytes());
    bytes
}

fn seconds(now: Time) -> u32 {
    u32::try_from(now.unix_seconds()).unwrap_or(u32::MAX)
}
