//! What addresses have in common: who can be told of them, whose neighbourhood they are in, who counts as one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// IPv4 in an IPv6 coat is the same address (Zebra #11129).
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// From where an address can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// From everywhere.
    Public,
    /// Inside one building or company.
    Private,
    /// From this machine, or from nowhere: nobody is told of it.
    Nobody,
}

/// From where `ip` can be reached. Source: Bitcoin Core `CNetAddr::IsRoutable`, netaddress.cpp; RFC 6890.
pub(crate) fn reach(ip: IpAddr) -> Reach {
    match ip.to_canonical() {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => reach_v6(v6),
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    let [a, b, ..] = ip.octets();
    let is_benchmark = a == 198 && (b == 18 || b == 19);
    if a == 0 || a >= 224 || is_benchmark || ip.is_loopback() || ip.is_link_local() || ip.is_documentation() {
        Reach::Nobody
    } else if ip.is_private() || (a == 100 && b & 0xc0 == 64) {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    let [a, b, ..] = ip.segments();
    let is_documentation = a == 0x2001 && b == 0x0db8;
    // Names of hosts that are no addresses (RFC 4843, RFC 7343).
    let is_orchid = a == 0x2001 && matches!(b & 0xfff0, 0x0010 | 0x0020);
    let is_special = ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_unicast_link_local();
    if is_special || is_documentation || is_orchid {
        Reach::Nobody
    } else if ip.is_unique_local() {
        Reach::Private
    } else {
        Reach::Public
    }
}

/// A neighbourhood that one party may hold alone: the first 16 bits of an IPv4, the first 32 of an IPv6 address.
///
/// Source: Bitcoin Core `NetGroupManager::GetGroup`, netgroup.cpp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NetGroup([u8; 5]);

impl NetGroup {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, ..] = v4.octets();
                Self([4, a, b, 0, 0])
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.octets();
                Self([6, a, b, c, d])
            }
        }
    }

    pub(crate) const fn bytes(&self) -> &[u8; 5] {
        &self.0
    }
}

/// Who is behind an address, as limits and blame count: an IPv4 address, or the /64 that an IPv6 subscriber is given.
pub(crate) fn subscriber(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn reach_of_special_addresses() {
        for text in ["8.8.8.8", "100.63.0.1", "100.128.0.1", "223.255.255.255", "2a00::1", "::ffff:8.8.8.8"] {
            assert_eq!(reach(ip(text)), Reach::Public, "{text}");
        }
        for text in ["10.0.0.1", "172.16.0.1", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.1"]
        {
            assert_eq!(reach(ip(text)), Reach::Private, "{text}");
        }
        for text in [
            "0.1.2.3",
            "127.0.0.1",
            "169.254.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.9.9",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2001:10::1",
            "2001:20::1",
            "::ffff:127.0.0.1",
        ] {
            assert_eq!(reach(ip(text)), Reach::Nobody, "{text}");
        }
    }

    #[test]
    fn groups_are_16_bits_of_ipv4_and_32_of_ipv6() {
        assert_eq!(NetGroup::of(ip("1.2.3.4")), NetGroup::of(ip("1.2.255.255")));
        assert_ne!(NetGroup::of(ip("1.2.3.4")), NetGroup::of(ip("1.3.3.4")));
        assert_eq!(NetGroup::of(ip("2a00:1:2::")), NetGroup::of(ip("2a00:1:ffff::")));
        assert_ne!(NetGroup::of(ip("2a00:1::")), NetGroup::of(ip("2a00:2::")));
        assert_eq!(NetGroup::of(ip("::ffff:1.2.3.4")), NetGroup::of(ip("1.2.9.9")));
    }

    #[test]
    fn a_subscriber_is_an_ipv4_address_or_a_64() {
        assert_eq!(subscriber(ip("2a00:1:2:3::1")), subscriber(ip("2a00:1:2:3:ffff::9")));
        assert_ne!(subscriber(ip("2a00:1:2:3::1")), subscriber(ip("2a00:1:2:4::1")));
        assert_ne!(subscriber(ip("1.2.3.4")), subscriber(ip("1.2.3.5")));
        assert_eq!(subscriber(ip("::ffff:1.2.3.4")), ip("1.2.3.4"));
    }
}
