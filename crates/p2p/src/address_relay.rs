//! Addresses of nodes on their way: what peers tell us, what we tell on, and where we are ourselves.
//!
//! In:    `addr` and `addrv2`, each within its peer's allowance; the time.
//! Out:   addresses for the manager; fresh ones told on to one or two peers; our own, about once a day.
//! Never: an address back to who told it, twice to one peer within some days, over a connection for blocks alone, or a
//!        private one to somebody outside.
//!
//! Whom an address is told on to follows from a secret key, the address and the day: whoever repeats it all day long reaches
//! the same two peers, which know it by then. Addresses wait for each peer's own random moment, so that their way through
//! the network does not show who is connected with whom.
//!
//! Source: Bitcoin Core `ProcessAddrs`, `RelayAddress`, `MaybeSendAddr`, `SetupAddressRelay`, net_processing.cpp;
//! `GetLocalAddrForPeer`, net.cpp.

use std::net::{IpAddr, SocketAddr};

use mycoin_primitives::bitcoin::consensus::encode::serialize;
use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::bitcoin::p2p::address::{AddrV2, AddrV2Message, Address};
use mycoin_primitives::hashes::siphash24;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use crate::address_answers::AddressAnswers;
use crate::address_manager::{Reach, canonical, may_be_learned, reach};
use crate::announcing::exponential;
use crate::known::KnownItems;
use crate::limits::{
    ADDRESS_FRESH, ADDRESS_MILLITOKENS_PER_SECOND, ADDRESS_RELAY_DAY, ADDRESS_RELAY_PEERS, ADDRESS_TELLING_INTERVAL,
    ADDRESS_TOKENS_MAX, ADDRESSES_MAX, ADDRESSES_TOLD_ON_MAX, KNOWN_ADDRESSES_GENERATION, OWN_ADDRESS_INTERVAL,
};
use crate::message::Message;
use crate::node::{Context, Node};
use crate::peer::Peer;
use crate::{PeerId, Time};

/// The addresses that the peer may tell: a token bucket, in thousandths of an address.
#[derive(Debug)]
pub(crate) struct AddressAllowance {
    millitokens: u64,
    filled_at: Time,
    /// How many were too many so far.
    dropped: u64,
}

impl AddressAllowance {
    /// Bitcoin Core starts with one: a peer may tell its own address.
    const fn new(now: Time) -> Self {
        Self { millitokens: 1_000, filled_at: now, dropped: 0 }
    }

    /// We asked for addresses: the answer may be a full message.
    fn expect_answer(&mut self) {
        self.millitokens += ADDRESS_TOKENS_MAX * 1_000;
    }

    /// How many of `count` addresses are taken now.
    fn take(&mut self, count: usize, now: Time) -> usize {
        let cap = ADDRESS_TOKENS_MAX * 1_000;
        if self.millitokens < cap {
            let elapsed = now.since(self.filled_at).as_millis() as u64;
            self.millitokens = cap.min(self.millitokens + elapsed * ADDRESS_MILLITOKENS_PER_SECOND / 1_000);
        }
        self.filled_at = now;
        let taken = (self.millitokens / 1_000).min(count as u64);
        self.millitokens -= taken * 1_000;
        self.dropped += count as u64 - taken;
        taken as usize
    }
}

/// One connection's addresses.
#[derive(Debug)]
pub(crate) struct PeerAddresses {
    allowance: AddressAllowance,
    /// Whether addresses go over it: where we chose the peer from the beginning, else once it speaks of addresses.
    is_enabled: bool,
    /// Whether what comes may be the answer to our question.
    awaits_answer: bool,
    /// Whether its own question was answered.
    pub(crate) is_answered: bool,
    /// How many addresses it told that were looked at.
    processed: u64,
    /// Addresses that it told us, or we it.
    known: KnownItems,
    /// What it is told next, and when.
    to_tell: Vec<AddrV2Message>,
    next: Time,
    /// When it is told our own address again; `None` before the first time.
    next_own: Option<Time>,
}

impl PeerAddresses {
    pub(crate) fn new(salt: u64, now: Time) -> Self {
        Self {
            allowance: AddressAllowance::new(now),
            is_enabled: false,
            awaits_answer: false,
            is_answered: false,
            processed: 0,
            known: KnownItems::new(salt, KNOWN_ADDRESSES_GENERATION),
            to_tell: Vec::new(),
            next: Time::default(),
            next_own: None,
        }
    }

    pub(crate) const fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// How many addresses were looked at, and how many were beyond its allowance.
    pub(crate) const fn counts(&self) -> (u64, u64) {
        (self.processed, self.allowance.dropped)
    }

    /// Addresses go over the connection from now on.
    pub(crate) const fn enable(&mut self) {
        self.is_enabled = true;
    }

    /// The peer was asked for addresses.
    pub(crate) fn asked(&mut self) {
        self.is_enabled = true;
        self.awaits_answer = true;
        self.allowance.expect_answer();
    }

    /// Notes what it is told now, in place of what waits.
    pub(crate) fn answer(&mut self, addresses: &[AddrV2Message]) {
        self.to_tell.clear();
        for address in addresses {
            self.known.insert(name(address));
        }
    }

    /// Lets an address wait for the peer's moment.
    fn push(&mut self, address: AddrV2Message, rng: &mut StdRng) {
        if self.known.contains(&name(&address)) {
            return;
        }
        if self.to_tell.len() < ADDRESSES_MAX {
            self.to_tell.push(address);
        } else {
            let place = rng.random_range(0..self.to_tell.len());
            self.to_tell[place] = address;
        }
    }

    /// What it is told when its moment has come.
    fn due(&mut self, now: Time, rng: &mut StdRng) -> Vec<AddrV2Message> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now.after(exponential(ADDRESS_TELLING_INTERVAL, rng));
        let mut waiting = std::mem::take(&mut self.to_tell);
        waiting.retain(|address| self.known.insert(name(address)));
        waiting
    }
}

/// What all peers' addresses share.
#[derive(Debug)]
pub(crate) struct AddressRelay {
    key: (u64, u64),
    /// Where others can connect to us; nobody is told of us without it.
    listen: Option<SocketAddr>,
    pub(crate) answers: AddressAnswers,
}

impl AddressRelay {
    pub(crate) fn new(listen: Option<SocketAddr>, rng: &mut StdRng) -> Self {
        Self { key: (rng.random(), rng.random()), listen, answers: AddressAnswers::default() }
    }

    fn hash(&self, parts: &[u64]) -> u64 {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
        siphash24::Hash::hash_to_u64_with_keys(self.key.0, self.key.1, &bytes)
    }
}

/// Where an address is, without its time and services: by that it is known.
fn name(address: &AddrV2Message) -> (&AddrV2, u16) {
    (&address.addr, address.port)
}

/// An address in the form of BIP155.
pub(crate) fn told(address: SocketAddr, services: ServiceFlags, time: u32) -> AddrV2Message {
    let addr = match canonical(address).ip() {
        IpAddr::V4(v4) => AddrV2::Ipv4(v4),
        IpAddr::V6(v6) => AddrV2::Ipv6(v6),
    };
    AddrV2Message { time, services, addr, port: address.port() }
}

/// What an old `addr` message tells.
pub(crate) fn from_old(list: &[(u32, Address)]) -> Vec<AddrV2Message> {
    let known = list.iter().filter_map(|(time, old)| Some(told(old.socket_addr().ok()?, old.services, *time)));
    known.collect()
}

/// What a new message tells: mapped IPv4 is IPv4 in it, too.
pub(crate) fn from_new(list: Vec<AddrV2Message>) -> Vec<AddrV2Message> {
    let known = list.into_iter().map(|entry| match entry.socket_addr() {
        Ok(address) => told(address, entry.services, entry.time),
        Err(_) => entry,
    });
    known.collect()
}

/// Where an address leads.
enum Destination {
    /// Where we can dial.
    Here(SocketAddr),
    /// Where others can.
    Elsewhere,
    /// Nowhere that we know of.
    Nowhere,
}

fn destination(address: &AddrV2Message) -> Destination {
    match &address.addr {
        AddrV2::Ipv4(_) | AddrV2::Ipv6(_) => address.socket_addr().map_or(Destination::Nowhere, Destination::Here),
        AddrV2::TorV3(_) | AddrV2::I2p(_) => Destination::Elsewhere,
        AddrV2::TorV2(_) | AddrV2::Cjdns(_) | AddrV2::Unknown(..) => Destination::Nowhere,
    }
}

impl Peer {
    /// Whether the peer may be told of an address, and has words for it.
    fn takes_address(&self, address: &AddrV2Message) -> bool {
        match destination(address) {
            Destination::Here(address) => may_be_learned(&address, self.address.ip()),
            Destination::Elsewhere => self.wants_addrv2,
            Destination::Nowhere => false,
        }
    }

    /// A message with these addresses, which it takes.
    pub(crate) fn addresses_message(&self, addresses: Vec<AddrV2Message>) -> Message {
        if self.wants_addrv2 {
            return Message::AddrV2(addresses);
        }
        let old = addresses
            .iter()
            .filter_map(|entry| Some((entry.time, Address::new(&entry.socket_addr().ok()?, entry.services))));
        Message::Addr(old.collect())
    }

    /// Where the peer can tell others to find us: where we listen, or, as often where both are known, where it sees us; of a
    /// peer that we dialled without the port, which is any.
    fn our_address(&self, listen: SocketAddr, rng: &mut StdRng) -> Option<SocketAddr> {
        let ip = self.address.ip();
        let is_fit = |address: &SocketAddr| may_be_learned(address, ip);
        let bound = Some(canonical(listen)).filter(is_fit);
        let seen = self.introduction.as_ref().and_then(|known| known.our_address);
        let seen = seen.map(|seen| if self.is_inbound() { seen } else { SocketAddr::new(seen.ip(), listen.port()) });
        let seen = seen.filter(|seen| is_fit(seen) && reach(ip) != Reach::Nobody);
        match (bound, seen) {
            (Some(bound), Some(seen)) => Some(if rng.random() { seen } else { bound }),
            (bound, seen) => bound.or(seen),
        }
    }
}

impl Node {
    pub(crate) fn addresses_came(&mut self, ctx: &Context<'_>, id: PeerId, mut list: Vec<AddrV2Message>) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.kind.relays()) else { return };
        let (source, count) = (peer.address.ip(), list.len());
        peer.addresses.is_enabled = true;
        let is_news = !peer.addresses.awaits_answer && count <= ADDRESSES_TOLD_ON_MAX;
        peer.addresses.awaits_answer &= count >= ADDRESSES_MAX;
        // What is beyond the allowance is not chosen by who told it.
        list.shuffle(&mut self.rng);
        list.truncate(peer.addresses.allowance.take(count, ctx.now));
        for address in list {
            self.address_came(ctx, (id, source), address, is_news);
        }
    }

    fn address_came(
        &mut self,
        ctx: &Context<'_>,
        (id, source): (PeerId, IpAddr),
        mut address: AddrV2Message,
        is_news: bool,
    ) {
        let has_blocks = ServiceFlags::NETWORK.to_u64() | ServiceFlags::NETWORK_LIMITED.to_u64();
        if address.services.to_u64() & has_blocks == 0 {
            return;
        }
        let now = u32::try_from(ctx.now.unix_seconds()).unwrap_or(u32::MAX);
        let fresh = ADDRESS_FRESH.as_secs() as u32;
        // What lies in the future, or in the time before Bitcoin, is as old as five days.
        if address.time <= 100_000_000 || address.time > now.saturating_add(fresh) {
            address.time = now.saturating_sub(5 * 24 * 60 * 60);
        }
        self.with_peer(id, |peer| {
            peer.addresses.known.insert(name(&address));
        });
        let place = destination(&address);
        if let Destination::Here(place) = place
            && (self.bans.is_banned(place.ip(), ctx.now) || self.bans.is_discouraged(place.ip()))
        {
            return;
        }
        self.with_peer(id, |peer| peer.addresses.processed += 1);
        let (is_told_on, place) = match place {
            Destination::Here(place) => (may_be_learned(&place, source), Some(place)),
            Destination::Elsewhere => (true, None),
            Destination::Nowhere => (false, None),
        };
        if let Some(place) = place {
            self.addresses.heard(place, address.services, address.time, source, ctx.now, &mut self.rng);
        }
        if is_news && is_told_on && address.time > now.saturating_sub(fresh) {
            self.tell_on(ctx.now, id, address, place.is_some());
        }
    }

    /// Lets one or two peers know of an address: two, where we could dial it ourselves.
    fn tell_on(&mut self, now: Time, from: PeerId, address: AddrV2Message, is_reachable: bool) {
        let relay = &self.address_relay;
        let place = siphash24::Hash::hash_to_u64_with_keys(
            0,
            0,
            &[serialize(&address.addr), serialize(&address.port)].concat(),
        );
        // The day begins at another time for each address.
        let day = now.unix_seconds().wrapping_add(place) / ADDRESS_RELAY_DAY.as_secs();
        let is_for_two = is_reachable || relay.hash(&[place, day]) & 1 == 1;
        let count = if is_for_two { ADDRESS_RELAY_PEERS } else { 1 };
        let fit = self.peers.values().filter(|peer| {
            peer.id != from && peer.is_ready() && peer.addresses.is_enabled && peer.takes_address(&address)
        });
        let mut chosen: Vec<(u64, PeerId)> = fit.map(|peer| (relay.hash(&[place, day, peer.id.0]), peer.id)).collect();
        chosen.sort_unstable_by(|a, b| b.cmp(a));
        for (_, id) in chosen.into_iter().take(count) {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.addresses.push(address.clone(), &mut self.rng);
            }
        }
    }

    /// Tells peers whose moment has come what waits for them, and where we are.
    pub(crate) fn tell_what_waits(&mut self, ctx: &mut Context<'_>) {
        let listen = self.address_relay.listen.filter(|_| !ctx.world.is_syncing());
        for (id, peer) in &mut self.peers {
            if !peer.is_ready() || !peer.addresses.is_enabled {
                continue;
            }
            if let Some(listen) = listen
                && peer.addresses.next_own.is_none_or(|next| next <= ctx.now)
            {
                tell_where_we_are(ctx, *id, peer, listen, &mut self.rng);
            }
            let waiting = peer.addresses.due(ctx.now, &mut self.rng);
            if !waiting.is_empty() {
                ctx.send(*id, peer.addresses_message(waiting));
            }
        }
    }
}

/// The first time in a message of its own, which the peer's allowance has room for in any case; later among others.
fn tell_where_we_are(ctx: &mut Context<'_>, id: PeerId, peer: &mut Peer, listen: SocketAddr, rng: &mut StdRng) {
    let ours = peer.our_address(listen, rng);
    let time = u32::try_from(ctx.now.unix_seconds()).unwrap_or(u32::MAX);
    let ours = ours.map(|ours| told(ours, ctx.services, time));
    let is_first = peer.addresses.next_own.is_none();
    peer.addresses.next_own = Some(ctx.now.after(exponential(OWN_ADDRESS_INTERVAL, rng)));
    if !is_first {
        peer.addresses.known.clear();
    }
    match ours {
        Some(ours) if is_first => ctx.send(id, peer.addresses_message(vec![ours])),
        Some(ours) => peer.addresses.push(ours, rng),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn addresses_come_at_a_tenth_a_second_and_at_most_a_thousand() {
        let start = Time::from_unix_millis(1_000_000);
        let mut allowance = AddressAllowance::new(start);
        assert_eq!(allowance.take(10, start), 1, "its own");
        assert_eq!(allowance.take(10, start.after(Duration::from_secs(9))), 0);
        assert_eq!(allowance.take(10, start.after(Duration::from_secs(29))), 2);
        allowance.expect_answer();
        assert_eq!(allowance.take(1_001, start.after(Duration::from_secs(29))), 1_000);
        for (count, taken) in [(999, 999), (1_000, 1_000), (1_001, 1_000)] {
            let mut full = AddressAllowance::new(start);
            assert_eq!(full.take(count, start.after(Duration::from_secs(1_000_000))), taken);
        }
        assert_eq!(allowance.dropped, 9 + 10 + 8 + 1);
    }
}
