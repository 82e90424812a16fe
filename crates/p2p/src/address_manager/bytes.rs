//! The tables as bytes, for the file that carries them over a restart.
//!
//! Where an entry lies follows from the key, the address and its source, so only those are written.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::hashes::{Hash as _, sha256d};

use super::{AddressManager, KnownAddress, Table, canonical};

/// The form's name, with its version at the end.
const FORMAT: &[u8; 8] = b"MCPEERS2";
const ENTRY: usize = 16 + 2 + 16 + 8 + 4 + 4 + 4 + 1;

impl AddressManager {
    /// The tables as bytes, with a checksum at their end.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = FORMAT.to_vec();
        bytes.extend_from_slice(&self.key.0.to_le_bytes());
        bytes.extend_from_slice(&self.key.1.to_le_bytes());
        for (address, known) in &self.known {
            bytes.extend_from_slice(&octets(address.ip()));
            bytes.extend_from_slice(&address.port().to_be_bytes());
            bytes.extend_from_slice(&octets(known.source));
            bytes.extend_from_slice(&known.services.to_u64().to_le_bytes());
            bytes.extend_from_slice(&known.last_seen.to_le_bytes());
            bytes.extend_from_slice(&known.last_success.to_le_bytes());
            bytes.extend_from_slice(&known.attempts.to_le_bytes());
            bytes.push(u8::from(known.is_tried()));
        }
        let checksum = sha256d::Hash::hash(&bytes).to_byte_array();
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// Reads [`AddressManager::to_bytes`] again; `None` when they are damaged or of another version.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<32>()?;
        let body_after_format = body.strip_prefix(FORMAT)?;
        if sha256d::Hash::hash(body).to_byte_array() != *checksum {
            return None;
        }
        let (first, rest) = body_after_format.split_first_chunk::<8>()?;
        let (second, entries) = rest.split_first_chunk::<8>()?;
        if entries.len() % ENTRY != 0 {
            return None;
        }
        let mut manager = Self::new((u64::from_le_bytes(*first), u64::from_le_bytes(*second)));
        for entry in entries.chunks_exact(ENTRY) {
            let (address, known) = read_entry(entry)?;
            manager.put_back(address, known);
        }
        Some(manager)
    }

    /// Puts an entry where it lay; should something lie there, it is lost.
    fn put_back(&mut self, address: SocketAddr, mut known: KnownAddress) {
        let slot = match known.table {
            Table::Tried => self.tried_slot(&address),
            Table::New => self.new_slot(&address, known.source),
        };
        let table = match known.table {
            Table::Tried => &mut self.tried,
            Table::New => &mut self.new,
        };
        if table.contains_key(&slot) || self.known.contains_key(&address) {
            return;
        }
        table.insert(slot, address);
        known.slots = vec![slot];
        self.known.insert(address, known);
    }
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn read_entry(entry: &[u8]) -> Option<(SocketAddr, KnownAddress)> {
    let (ip, rest) = entry.split_first_chunk::<16>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let (source, rest) = rest.split_first_chunk::<16>()?;
    let (services, rest) = rest.split_first_chunk::<8>()?;
    let (last_seen, rest) = rest.split_first_chunk::<4>()?;
    let (last_success, rest) = rest.split_first_chunk::<4>()?;
    let (attempts, rest) = rest.split_first_chunk::<4>()?;
    let table = match rest {
        [0] => Table::New,
        [1] => Table::Tried,
        _ => return None,
    };
    let known = KnownAddress {
        services: ServiceFlags::from(u64::from_le_bytes(*services)),
        last_seen: u32::from_le_bytes(*last_seen),
        last_success: u32::from_le_bytes(*last_success),
        last_try: 0,
        last_counted: 0,
        attempts: u32::from_le_bytes(*attempts),
        source: IpAddr::V6(Ipv6Addr::from(*source)).to_canonical(),
        table,
        slots: Vec::new(),
    };
    Some((canonical(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(*ip)), u16::from_be_bytes(*port))), known))
}
