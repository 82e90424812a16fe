//! Whom we do not talk with: bans, which the node's owner sets, and discouraged addresses, which misbehaved.
//!
//! Bans have an end and outlive a restart. Discouragement is a memory of this run that forgets its oldest: who is in it is
//! dropped, and comes in again only while there is room for everybody.
//!
//! Source: Bitcoin Core `BanMan`, banman.cpp; `CSubNet`, netaddress.cpp.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use mycoin_primitives::Failure;

use crate::Time;
use crate::address_manager::subscriber;
use crate::limits::{BANS_MAX, DISCOURAGED_MAX};
use crate::peer::RecentSet;

/// Addresses that begin with the same bits. Mapped IPv4 is IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    /// The first address: the other bits are zero.
    network: IpAddr,
    prefix: u8,
}

/// Why a text is no subnet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{text}” is neither an address nor a subnet such as 192.0.2.0/24")]
pub struct SubnetError {
    /// What was given.
    pub text: String,
}

impl Subnet {
    /// The addresses whose first `prefix` bits are those of `ip`; `None` when there are not so many bits.
    pub fn new(ip: IpAddr, prefix: u8) -> Option<Self> {
        match ip {
            IpAddr::V4(v4) => (prefix <= 32).then(|| Self { network: mask_v4(v4, prefix), prefix }),
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) if (96..=128).contains(&prefix) => Self::new(IpAddr::V4(v4), prefix - 96),
                _ => (prefix <= 128).then(|| Self { network: mask_v6(v6, prefix), prefix }),
            },
        }
    }

    /// The subnet of one address.
    pub fn single(ip: IpAddr) -> Self {
        let network = ip.to_canonical();
        Self { network, prefix: if network.is_ipv4() { 32 } else { 128 } }
    }

    /// Whether `ip` is in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.network.is_ipv4() && Self::new(ip, self.prefix) == Some(*self)
    }
}

fn mask_v4(ip: Ipv4Addr, prefix: u8) -> IpAddr {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    Ipv4Addr::from_bits(ip.to_bits() & mask).into()
}

fn mask_v6(ip: Ipv6Addr, prefix: u8) -> IpAddr {
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    Ipv6Addr::from_bits(ip.to_bits() & mask).into()
}

/// How many bits a netmask has; `None` when they are not the first ones.
fn prefix_of_mask(mask: IpAddr) -> Option<u8> {
    let ones = match mask {
        IpAddr::V4(v4) => v4.to_bits().leading_ones(),
        IpAddr::V6(v6) => v6.to_bits().leading_ones(),
    };
    let prefix = u8::try_from(ones).ok()?;
    let whole = match mask {
        IpAddr::V4(_) => mask_v4(Ipv4Addr::BROADCAST, prefix),
        IpAddr::V6(_) => mask_v6(Ipv6Addr::from_bits(u128::MAX), prefix),
    };
    (whole == mask).then_some(prefix)
}

impl FromStr for Subnet {
    type Err = SubnetError;

    /// Reads `address`, `address/bits` and `address/netmask`. Source: Bitcoin Core `LookupSubNet`.
    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let read = || {
            let Some((ip, rest)) = text.split_once('/') else { return Some(Self::single(text.parse().ok()?)) };
            let ip: IpAddr = ip.parse().ok()?;
            let is_number = !rest.is_empty() && rest.len() <= 3 && rest.bytes().all(|digit| digit.is_ascii_digit());
            if is_number {
                return Self::new(ip, rest.parse().ok()?);
            }
            let mask: IpAddr = rest.parse().ok()?;
            if mask.is_ipv4() != ip.is_ipv4() {
                return None;
            }
            Self::new(ip, prefix_of_mask(mask)?)
        };
        read().ok_or_else(|| SubnetError { text: text.to_owned() })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

/// A ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    /// Whom it holds for.
    pub subnet: Subnet,
    /// When it was set.
    pub created: Time,
    /// When it ends.
    pub until: Time,
}

/// Why the list of bans was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BanError {
    /// It is banned as it is.
    #[error("{subnet} is banned already")]
    AlreadyBanned {
        /// What was to be banned.
        subnet: Subnet,
    },
    /// There is no such ban. A ban of a larger subnet counts as another one.
    #[error("{subnet} was not banned")]
    NotBanned {
        /// What was to be free again.
        subnet: Subnet,
    },
    /// The list is full.
    #[error("there are {limit} bans already, and no more are kept")]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
    /// The peers are stopping.
    #[error("the peers' protocol is not running")]
    NotRunning,
}

impl Failure for BanError {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyBanned { .. } => "p2p/already-banned",
            Self::NotBanned { .. } => "p2p/not-banned",
            Self::TooMany { .. } => "p2p/too-many-bans",
            Self::NotRunning => "p2p/not-running",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::AlreadyBanned { .. } => "To change its end, take the ban back first.",
            Self::NotBanned { .. } => "See the bans with listbanned.",
            Self::TooMany { .. } => "Ban larger subnets instead, or clear the list with clearbanned.",
            Self::NotRunning => "Start the server again.",
        }
    }
}

/// Both lists.
#[derive(Debug)]
pub(crate) struct Bans {
    /// By subnet: when it was set, when it ends.
    bans: BTreeMap<Subnet, (Time, Time)>,
    /// How many bans have each length of prefix, for IPv4 and IPv6: so that a look-up costs no more than there are lengths.
    lengths: BTreeMap<(bool, u8), usize>,
    discouraged: RecentSet<IpAddr>,
}

impl Bans {
    /// The bans of the last run, as far as they hold.
    pub(crate) fn new(bans: Vec<Ban>, now: Time) -> Self {
        let mut list =
            Self { bans: BTreeMap::new(), lengths: BTreeMap::new(), discouraged: RecentSet::new(DISCOURAGED_MAX) };
        for ban in bans {
            // Twice the same, or more than are kept: the first ones hold.
            let _ = list.ban(ban, now);
        }
        list
    }

    /// Sets a ban. One that has ended by `now` is none.
    pub(crate) fn ban(&mut self, ban: Ban, now: Time) -> Result<(), BanError> {
        let subnet = ban.subnet;
        if ban.until <= now {
            return Ok(());
        }
        if self.bans.contains_key(&subnet) || self.bans.len() >= BANS_MAX {
            self.sweep(now);
        }
        if self.bans.contains_key(&subnet) {
            return Err(BanError::AlreadyBanned { subnet });
        }
        if self.bans.len() >= BANS_MAX {
            return Err(BanError::TooMany { limit: BANS_MAX });
        }
        self.bans.insert(subnet, (ban.created, ban.until));
        *self.lengths.entry((subnet.network.is_ipv4(), subnet.prefix)).or_default() += 1;
        Ok(())
    }

    /// Takes a ban back.
    pub(crate) fn unban(&mut self, subnet: Subnet, now: Time) -> Result<(), BanError> {
        self.sweep(now);
        self.remove(&subnet).ok_or(BanError::NotBanned { subnet })
    }

    fn remove(&mut self, subnet: &Subnet) -> Option<()> {
        self.bans.remove(subnet)?;
        let length = (subnet.network.is_ipv4(), subnet.prefix);
        let count = self.lengths.get_mut(&length)?;
        *count -= 1;
        if *count == 0 {
            self.lengths.remove(&length);
        }
        Some(())
    }

    /// Takes all bans back.
    pub(crate) fn clear(&mut self) {
        self.bans.clear();
        self.lengths.clear();
    }

    /// Forgets bans that have ended.
    pub(crate) fn sweep(&mut self, now: Time) {
        let ended: Vec<Subnet> =
            self.bans.iter().filter(|(_, (_, until))| *until <= now).map(|(subnet, _)| *subnet).collect();
        for subnet in ended {
            self.remove(&subnet);
        }
    }

    /// The bans that hold, by subnet.
    pub(crate) fn list(&self, now: Time) -> Vec<Ban> {
        let holding = self.bans.iter().filter(|(_, (_, until))| *until > now);
        holding.map(|(subnet, (created, until))| Ban { subnet: *subnet, created: *created, until: *until }).collect()
    }

    pub(crate) fn is_banned(&self, ip: IpAddr, now: Time) -> bool {
        let ip = ip.to_canonical();
        let lengths = self.lengths.keys().filter(|(is_ipv4, _)| *is_ipv4 == ip.is_ipv4());
        let mut subnets = lengths.filter_map(|(_, prefix)| Subnet::new(ip, *prefix));
        subnets.any(|subnet| self.bans.get(&subnet).is_some_and(|(_, until)| *until > now))
    }

    /// Remembers that somebody at `ip` misbehaved.
    pub(crate) fn discourage(&mut self, ip: IpAddr) {
        self.discouraged.insert(subscriber(ip));
    }

    pub(crate) fn is_discouraged(&self, ip: IpAddr) -> bool {
        self.discouraged.contains(&subscriber(ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Time = Time::from_unix_millis(1_000_000);

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn subnet(text: &str) -> Subnet {
        text.parse().expect("a subnet")
    }

    fn ban(subnet: Subnet, seconds: u64) -> Ban {
        Ban { subnet, created: NOW, until: NOW.after(Duration::from_secs(seconds)) }
    }

    #[test]
    fn subnets_are_read_as_bitcoin_core_reads_them() {
        for (text, shown) in [
            ("1.2.3.4", "1.2.3.4/32"),
            ("1.2.3.4/24", "1.2.3.0/24"),
            ("1.2.3.4/255.255.0.0", "1.2.0.0/16"),
            ("1.2.3.4/0", "0.0.0.0/0"),
            ("1.2.3.4/0.0.0.0", "0.0.0.0/0"),
            ("1.2.3.4/255.255.255.255", "1.2.3.4/32"),
            ("2a00::1", "2a00::1/128"),
            ("2a00:1:2:3::/64", "2a00:1:2:3::/64"),
            ("2a00:1:2:3::/ffff:ffff::", "2a00:1::/32"),
            ("::ffff:1.2.3.4", "1.2.3.4/32"),
            ("::ffff:1.2.3.4/120", "1.2.3.0/24"),
        ] {
            assert_eq!(subnet(text).to_string(), shown);
            assert_eq!(subnet(shown), subnet(text), "what is shown is read again");
        }
        for text in [
            "",
            "1.2.3",
            "1.2.3.4/33",
            "1.2.3.4/",
            "1.2.3.4/-1",
            "1.2.3.4/+1",
            "1.2.3.4/255.0.255.0",
            "2a00::/129",
            "a.example",
            "1.2.3.4/ffff::",
            "1.2.3.4/24/1",
        ] {
            assert!(text.parse::<Subnet>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_ban_holds_for_its_subnet_and_its_time() {
        let mut bans = Bans::new(Vec::new(), NOW);
        bans.ban(ban(subnet("1.2.3.0/24"), 60), NOW).expect("a ban");
        for (address, is_banned) in
            [("1.2.3.0", true), ("1.2.3.255", true), ("1.2.4.0", false), ("1.2.2.255", false), ("::ffff:1.2.3.4", true)]
        {
            assert_eq!(bans.is_banned(ip(address), NOW), is_banned, "{address}");
        }
        let at = |millis| NOW.after(Duration::from_millis(millis));
        assert!(bans.is_banned(ip("1.2.3.4"), at(59_999)));
        assert!(!bans.is_banned(ip("1.2.3.4"), at(60_000)) && !bans.is_banned(ip("1.2.3.4"), at(60_001)));
        assert!(bans.list(at(60_000)).is_empty());
    }

    #[test]
    fn mapped_ipv4_is_ipv4_for_bans() {
        let mut bans = Bans::new(vec![ban(subnet("::ffff:1.2.3.4"), 60)], NOW);
        assert!(bans.is_banned(ip("1.2.3.4"), NOW) && bans.is_banned(ip("::ffff:1.2.3.4"), NOW));
        assert_eq!(bans.unban(subnet("1.2.3.4"), NOW), Ok(()));
        bans.discourage(ip("::ffff:1.2.3.4"));
        assert!(bans.is_discouraged(ip("1.2.3.4")) && !bans.is_discouraged(ip("1.2.3.5")));
        bans.ban(ban(subnet("::/0"), 60), NOW).expect("a ban");
        assert!(!bans.is_banned(ip("1.2.3.4"), NOW) && bans.is_banned(ip("2a00::1"), NOW), "all of IPv6 is not IPv4");
    }

    #[test]
    fn the_list_says_what_is_wrong() {
        let mut bans = Bans::new(Vec::new(), NOW);
        let (small, large) = (subnet("1.2.3.4"), subnet("1.2.3.0/24"));
        assert_eq!(bans.ban(ban(large, 60), NOW), Ok(()));
        assert_eq!(bans.ban(ban(large, 90), NOW), Err(BanError::AlreadyBanned { subnet: large }));
        assert_eq!(bans.ban(ban(small, 60), NOW), Ok(()), "another ban, though the larger one holds for it too");
        assert_eq!(bans.unban(subnet("1.2.3.5"), NOW), Err(BanError::NotBanned { subnet: subnet("1.2.3.5") }));
        assert_eq!(bans.unban(small, NOW), Ok(()));
        assert!(bans.is_banned(ip("1.2.3.4"), NOW), "by the larger one");
        let later = NOW.after(Duration::from_secs(60));
        assert_eq!(bans.ban(ban(large, 90), later), Ok(()), "the first has ended");
        bans.clear();
        assert!(bans.list(later).is_empty() && bans.lengths.is_empty());
    }

    #[test]
    fn a_hundred_thousand_bans_are_kept_and_no_more() {
        let address = |number: usize| Subnet::single(Ipv4Addr::from_bits(0x0100_0000 + number as u32).into());
        let mut bans = Bans::new((0..BANS_MAX - 1).map(|number| ban(address(number), 60)).collect(), NOW);
        assert_eq!(bans.list(NOW).len(), BANS_MAX - 1, "below");
        assert_eq!(bans.ban(ban(address(BANS_MAX), 60), NOW), Ok(()), "at");
        let above = bans.ban(ban(address(BANS_MAX + 1), 60), NOW);
        assert_eq!(above, Err(BanError::TooMany { limit: BANS_MAX }), "above");
        assert_eq!(bans.list(NOW).len(), BANS_MAX);
        let later = NOW.after(Duration::from_secs(60));
        assert_eq!(bans.ban(ban(address(0), 90), later), Ok(()), "those that have ended give way");
        assert_eq!(bans.bans.len(), 1);
    }

    #[test]
    fn discouragement_forgets_its_oldest() {
        let mut bans = Bans::new(Vec::new(), NOW);
        let address = |number: usize| IpAddr::V4(Ipv4Addr::from_bits(0x0100_0000 + number as u32));
        (0..DISCOURAGED_MAX).for_each(|number| bans.discourage(address(number)));
        assert!(bans.is_discouraged(address(0)) && bans.is_discouraged(address(DISCOURAGED_MAX - 1)));
        bans.discourage(address(DISCOURAGED_MAX));
        assert!(!bans.is_discouraged(address(0)) && bans.is_discouraged(address(1)));
        (0..100_000).for_each(|number| bans.discourage(address(number)));
        assert!((0..100_000).filter(|number| bans.is_discouraged(address(*number))).count() == DISCOURAGED_MAX);
        bans.discourage(ip("2a00:1:2:3::1"));
        assert!(bans.is_discouraged(ip("2a00:1:2:3:4::5")) && !bans.is_discouraged(ip("2a00:1:2:4::1")));
    }
}
