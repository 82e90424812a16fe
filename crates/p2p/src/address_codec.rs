//! The payload of `addrv2` (BIP155): addresses of any network, also of those that nobody knows yet.
//!
//! Each entry: time (4 bytes), services (compact size), network (1), length of the address (compact size), address, port
//! (2, big endian). One that we cannot use spoils nothing of the others.
//!
//! | network | length | taken as |
//! |---|---|---|
//! | 1: IPv4 | 4 | IPv4 |
//! | 2: IPv6 | 16 | IPv6; one in which another network is wrapped: unknown |
//! | 4: Tor v3, 5: I2P | 32 | these |
//! | 6: CJDNS | 16 | CJDNS; without its first byte: unknown |
//! | these with another length | | the message is wrong |
//! | 3: Tor v2, which is gone; all others | 0…512 | unknown |
//!
//! Source: BIP155; Bitcoin Core `CNetAddr::UnserializeV2Stream`, netaddress.h.

use std::net::{Ipv4Addr, Ipv6Addr};

use mycoin_primitives::bitcoin::VarInt;
use mycoin_primitives::bitcoin::consensus::encode::{Decodable, deserialize_partial};
use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::bitcoin::p2p::address::{AddrV2, AddrV2Message};

use crate::limits::{ADDRESS_LENGTH_MAX, ADDRESSES_MAX};
use crate::message::{PayloadError, check_count, malformed};

/// The fewest bytes of an entry.
const ENTRY_MIN: usize = 9;
/// How Tor v2's addresses were wrapped in IPv6.
const ONION_CAT: [u8; 6] = [0xfd, 0x87, 0xd8, 0x7e, 0xeb, 0x43];
/// What CJDNS' addresses begin with.
const CJDNS: u8 = 0xfc;

/// What is left of a payload.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn read<T: Decodable>(&mut self) -> Result<T, PayloadError> {
        let (value, used) = deserialize_partial(self.0).map_err(malformed)?;
        self.take(used)?;
        Ok(value)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], PayloadError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(PayloadError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Reads the payload.
pub(crate) fn read_addresses(payload: &[u8]) -> Result<Vec<AddrV2Message>, PayloadError> {
    let count = check_count(payload, ADDRESSES_MAX, ENTRY_MIN)?;
    let mut rest = Rest(payload);
    rest.read::<VarInt>()?;
    let list = (0..count).map(|_| read_entry(&mut rest)).collect::<Result<_, _>>()?;
    if rest.0.is_empty() { Ok(list) } else { Err(PayloadError::Malformed) }
}

fn read_entry(rest: &mut Rest<'_>) -> Result<AddrV2Message, PayloadError> {
    let time = rest.read()?;
    let VarInt(services) = rest.read()?;
    let network = rest.read()?;
    let VarInt(length) = rest.read()?;
    let length = usize::try_from(length).ok().filter(|&length| length <= ADDRESS_LENGTH_MAX);
    let addr = address(network, rest.take(length.ok_or(PayloadError::Malformed)?)?)?;
    let port = u16::from_be_bytes(rest.read()?);
    Ok(AddrV2Message { time, services: ServiceFlags::from(services), addr, port })
}

fn address(network: u8, bytes: &[u8]) -> Result<AddrV2, PayloadError> {
    let unknown = || AddrV2::Unknown(network, bytes.to_vec());
    Ok(match network {
        1 => AddrV2::Ipv4(Ipv4Addr::from(sized::<4>(bytes)?)),
        2 => {
            let address = Ipv6Addr::from(sized::<16>(bytes)?);
            let is_wrapped = address.to_ipv4_mapped().is_some() || bytes.starts_with(&ONION_CAT);
            if is_wrapped { unknown() } else { AddrV2::Ipv6(address) }
        }
        4 => AddrV2::TorV3(sized(bytes)?),
        5 => AddrV2::I2p(sized(bytes)?),
        6 => {
            let address = sized::<16>(bytes)?;
            if bytes.first() == Some(&CJDNS) { AddrV2::Cjdns(Ipv6Addr::from(address)) } else { unknown() }
        }
        _ => unknown(),
    })
}

fn sized<const N: usize>(bytes: &[u8]) -> Result<[u8; N], PayloadError> {
    bytes.try_into().map_err(|_| PayloadError::Malformed)
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::bitcoin::consensus::encode::serialize;

    use super::*;

    /// One entry, whose address has so many bytes.
    fn entry(network: u8, address: &[u8]) -> Vec<u8> {
        let length = serialize(&VarInt::from(address.len()));
        [&[1, 0, 0, 0, 1, network][..], &length, address, &[0x20, 0x8d]].concat()
    }

    fn read_one(network: u8, address: &[u8]) -> Result<AddrV2, PayloadError> {
        let payload = [&[1][..], &entry(network, address)].concat();
        read_addresses(&payload).map(|mut list| list.remove(0).addr)
    }

    #[test]
    fn unusable_addresses_spoil_no_others() {
        let mapped = Ipv4Addr::new(1, 2, 3, 4).to_ipv6_mapped().octets();
        let onion_cat = [&ONION_CAT[..], &[7; 10]].concat();
        for (network, address) in [
            (2, &mapped[..]),
            (2, &onion_cat),
            (6, &[0xfd; 16]),
            (3, &[7; 10]),
            (3, &[7; 11]),
            (0, &[]),
            (255, &[7; 300]),
        ] {
            assert_eq!(read_one(network, address), Ok(AddrV2::Unknown(network, address.to_vec())));
        }
    }

    #[test]
    fn an_address_has_512_bytes_at_most() {
        assert!(read_one(9, &[7; 511]).is_ok() && read_one(9, &[7; 512]).is_ok());
        assert_eq!(read_one(9, &[7; 513]), Err(PayloadError::Malformed));
    }
}
