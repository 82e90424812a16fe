//! Addresses of nodes that we heard of, to be dialled and told on.
//!
//! One bounded table; Bitcoin Core's new and tried tables, which resist an attacker who floods it, are a later step.
//! Private addresses are kept: a coin may live in one building. Loopback and unusable ones are not.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::hashes::{Hash as _, sha256d};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;

use crate::Time;
use crate::limits::{ADDRESS_BOOK_MAX, ADDRESSES_MAX};

const FORMAT: &[u8; 8] = b"MCPEERS1";
const ENTRY: usize = 16 + 2 + 8 + 4 + 4;
/// An address is not tried again within this time.
const TRY_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// What is known of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownAddress {
    pub(crate) services: ServiceFlags,
    /// Unix seconds at which somebody saw it.
    pub(crate) last_seen: u32,
    /// Unix seconds at which we last completed a handshake with it; 0 for never.
    pub(crate) last_success: u32,
    last_try: Option<Time>,
}

/// The address table.
#[derive(Debug, Default)]
pub(crate) struct AddressManager {
    known: BTreeMap<SocketAddr, KnownAddress>,
}

/// IPv4 in an IPv6 coat is the same address (Zebra #11129).
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn is_usable(address: &SocketAddr) -> bool {
    let ip = address.ip();
    let is_special = match ip {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.is_documentation() || v4.is_link_local() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    address.port() != 0 && !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast() && !is_special
}

impl AddressManager {
    /// Notes an address that a peer told. What it says of the time is taken with a penalty of two hours, as in Core.
    pub(crate) fn heard(
        &mut self,
        address: SocketAddr,
        services: ServiceFlags,
        seen: u32,
        now: Time,
        rng: &mut StdRng,
    ) {
        let address = canonical(address);
        if !is_usable(&address) {
            return;
        }
        let seen = seen.min(seconds(now)).saturating_sub(2 * 60 * 60);
        match self.known.get_mut(&address) {
            Some(known) => known.last_seen = known.last_seen.max(seen),
            None => {
                self.make_room(rng);
                let known = KnownAddress { services, last_seen: seen, last_success: 0, last_try: None };
                self.known.insert(address, known);
            }
        }
    }

    /// Notes a complete handshake with an address that we dialled.
    pub(crate) fn succeeded(&mut self, address: SocketAddr, services: ServiceFlags, now: Time, rng: &mut StdRng) {
        let (address, now) = (canonical(address), seconds(now));
        if !is_usable(&address) {
            return;
        }
        if !self.known.contains_key(&address) {
            self.make_room(rng);
        }
        self.known.insert(address, KnownAddress { services, last_seen: now, last_success: now, last_try: None });
    }

    /// What `address` offers, as far as we know.
    pub(crate) fn services(&self, address: &SocketAddr) -> Option<ServiceFlags> {
        self.known.get(&canonical(*address)).map(|known| known.services)
    }

    /// An address to dial; it is noted as tried.
    pub(crate) fn pick(
        &mut self,
        now: Time,
        rng: &mut StdRng,
        is_taken: impl Fn(&SocketAddr) -> bool,
    ) -> Option<SocketAddr> {
        let rested = |known: &KnownAddress| known.last_try.is_none_or(|last| now.since(last) >= TRY_INTERVAL);
        let (address, known) =
            self.known.iter_mut().filter(|(address, known)| rested(known) && !is_taken(address)).choose(rng)?;
        known.last_try = Some(now);
        Some(*address)
    }

    /// What a peer that asks is told: at most 1,000 addresses and at most 23 % of them all (but a few always).
    pub(crate) fn sample(&self, rng: &mut StdRng) -> Vec<(SocketAddr, KnownAddress)> {
        let count = (self.known.len() * 23 / 100).clamp(10, ADDRESSES_MAX);
        self.known.iter().map(|(address, known)| (*address, *known)).choose_multiple(rng, count)
    }

    fn make_room(&mut self, rng: &mut StdRng) {
        while self.known.len() >= ADDRESS_BOOK_MAX {
            let untried = self.known.iter().filter(|(_, known)| known.last_success == 0).map(|(address, _)| *address);
            let victim =
                untried.choose(rng).or_else(|| self.known.keys().copied().nth(rng.random_range(0..ADDRESS_BOOK_MAX)));
            let Some(victim) = victim else { return };
            self.known.remove(&victim);
        }
    }

    /// The table as bytes, with a checksum at their end.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = FORMAT.to_vec();
        for (address, known) in &self.known {
            let ip = match address.ip() {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            };
            bytes.extend_from_slice(&ip.octets());
            bytes.extend_from_slice(&address.port().to_be_bytes());
            bytes.extend_from_slice(&known.services.to_u64().to_le_bytes());
            bytes.extend_from_slice(&known.last_seen.to_le_bytes());
            bytes.extend_from_slice(&known.last_success.to_le_bytes());
        }
        let checksum = sha256d::Hash::hash(&bytes).to_byte_array();
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// Reads [`AddressManager::to_bytes`] again; an empty table when they are damaged, for nothing in it is needed.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self::read(bytes).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<32>()?;
        let entries = body.strip_prefix(FORMAT)?;
        if sha256d::Hash::hash(body).to_byte_array() != *checksum || entries.len() % ENTRY != 0 {
            return None;
        }
        let known = entries.chunks_exact(ENTRY).take(ADDRESS_BOOK_MAX).map(read_entry).collect::<Option<_>>()?;
        Some(Self { known })
    }
}

fn read_entry(entry: &[u8]) -> Option<(SocketAddr, KnownAddress)> {
    let (ip, rest) = entry.split_first_chunk::<16>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let (services, rest) = rest.split_first_chunk::<8>()?;
    let (last_seen, rest) = rest.split_first_chunk::<4>()?;
    let (last_success, _) = rest.split_first_chunk::<4>()?;
    let known = KnownAddress {
        services: ServiceFlags::from(u64::from_le_bytes(*services)),
        last_seen: u32::from_le_bytes(*last_seen),
        last_success: u32::from_le_bytes(*last_success),
        last_try: None,
    };
    Some((canonical(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(*ip)), u16::from_be_bytes(*port))), known))
}

fn seconds(now: Time) -> u32 {
    u32::try_from(now.unix_seconds()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    fn table(count: u32) -> AddressManager {
        let (mut table, mut rng) = (AddressManager::default(), StdRng::seed_from_u64(1));
        for i in 0..count {
            let address = SocketAddr::from(([10, (i >> 16) as u8, (i >> 8) as u8, i as u8], 7602));
            table.heard(address, ServiceFlags::NETWORK, 1_000_000, Time::from_unix_millis(2_000_000_000), &mut rng);
        }
        table
    }

    #[test]
    fn the_table_is_bounded_and_survives_as_bytes() {
        let table = table(ADDRESS_BOOK_MAX as u32 + 500);
        assert_eq!(table.known.len(), ADDRESS_BOOK_MAX);
        let bytes = table.to_bytes();
        assert_eq!(AddressManager::from_bytes(&bytes).known, table.known);
        for at in [0, 9, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(AddressManager::from_bytes(&damaged).known.is_empty());
        }
        assert!(AddressManager::from_bytes(&[]).known.is_empty());
    }

    #[test]
    fn mapped_ipv4_is_ipv4_and_loopback_is_not_kept() {
        let (mut table, mut rng) = (AddressManager::default(), StdRng::seed_from_u64(1));
        for text in ["[::ffff:10.0.0.1]:1", "10.0.0.1:1", "127.0.0.1:1", "[::1]:1", "0.0.0.0:1", "10.0.0.2:0"] {
            let address = text.parse().expect("an address");
            table.heard(address, ServiceFlags::NONE, 0, Time::from_unix_millis(0), &mut rng);
        }
        assert_eq!(table.known.len(), 1);
    }

    #[test]
    fn answers_are_a_sample_of_at_most_a_thousand() {
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!(table(5).sample(&mut rng).len(), 5);
        assert_eq!(table(1_000).sample(&mut rng).len(), 230);
        assert_eq!(table(5_000).sample(&mut rng).len(), 1_000);
    }

    #[test]
    fn an_address_rests_after_a_try() {
        let (mut table, mut rng) = (table(1), StdRng::seed_from_u64(1));
        let now = Time::from_unix_millis(5_000_000_000);
        assert!(table.pick(now, &mut rng, |_| true).is_none());
        assert!(table.pick(now, &mut rng, |_| false).is_some());
        assert!(table.pick(now, &mut rng, |_| false).is_none());
        assert!(table.pick(now.after(TRY_INTERVAL), &mut rng, |_| false).is_some());
    }
}
