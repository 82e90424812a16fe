//! What peers are told that ask for addresses: the same for a day, so that asking often does not show our tables.
//!
//! At most 1,000 addresses and at most 23 of a hundred that we know. Who could ask twice on two ways – over IPv4 and IPv6,
//! from outside and from within, from this machine as a proxy does – gets an answer of its own for each: equal ones would
//! show that it is the same node that answers. While all that we know fits into a few, nothing is hidden, and nothing kept:
//! a young coin's nodes find each other the sooner.
//!
//! Source: Bitcoin Core `CConnman::GetAddresses`, net.cpp; the `GETADDR` branch of net_processing.cpp.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use mycoin_primitives::bitcoin::p2p::address::AddrV2Message;
use rand::Rng as _;

use crate::address_manager::{Reach, reach};
use crate::address_relay::told;
use crate::limits::{ADDRESS_ANSWER_KEPT, ADDRESS_ANSWER_KEPT_SPREAD, ADDRESSES_ANSWERED_MIN};
use crate::node::{Context, Node};
use crate::{PeerId, Time};

/// The way on which a peer asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    PublicV4,
    PublicV6,
    PrivateV4,
    PrivateV6,
    Local,
}

impl Way {
    fn of(ip: IpAddr) -> Self {
        match (reach(ip), ip.to_canonical().is_ipv4()) {
            (Reach::Public, true) => Self::PublicV4,
            (Reach::Public, false) => Self::PublicV6,
            (Reach::Private, true) => Self::PrivateV4,
            (Reach::Private, false) => Self::PrivateV6,
            (Reach::Nobody, _) => Self::Local,
        }
    }
}

/// An answer, and until when it is given.
#[derive(Debug)]
struct Kept {
    until: Time,
    addresses: Vec<AddrV2Message>,
}

/// The answers that are given now.
#[derive(Debug, Default)]
pub(crate) struct AddressAnswers(BTreeMap<Way, Kept>);

impl Node {
    /// Answers `getaddr`: once, and only to peers that came to us, so that nobody can map our connections.
    pub(crate) fn addresses_wanted(&mut self, ctx: &mut Context<'_>, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.is_inbound()) else { return };
        peer.addresses.enable();
        if std::mem::replace(&mut peer.addresses.is_answered, true) {
            return;
        }
        let ip = peer.address.ip();
        let answer = self.addresses_for(ctx.now, ip);
        let Some(peer) = self.peers.get_mut(&id).filter(|_| !answer.is_empty()) else { return };
        peer.addresses.answer(&answer);
        let message = peer.addresses_message(answer);
        ctx.send(id, message);
    }

    fn addresses_for(&mut self, now: Time, ip: IpAddr) -> Vec<AddrV2Message> {
        let way = Way::of(ip);
        if let Some(kept) = self.address_relay.answers.0.get(&way).filter(|kept| now < kept.until) {
            return kept.addresses.clone();
        }
        let bans = &self.bans;
        let sample = self.addresses.sample(now, ip, &mut self.rng).into_iter();
        let fit =
            sample.filter(|(address, _)| !bans.is_banned(address.ip(), now) && !bans.is_discouraged(address.ip()));
        let addresses: Vec<AddrV2Message> =
            fit.map(|(address, known)| told(address, known.services, known.last_seen)).collect();
        if addresses.len() >= ADDRESSES_ANSWERED_MIN {
            let spread = self.rng.random_range(0..ADDRESS_ANSWER_KEPT_SPREAD.as_millis() as u64);
            let until = now.after(ADDRESS_ANSWER_KEPT + Duration::from_millis(spread));
            self.address_relay.answers.0.insert(way, Kept { until, addresses: addresses.clone() });
        }
        addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_ask_has_its_own_answer() {
        let way = |ip: &str| Way::of(ip.parse().expect("an address"));
        let ways = ["8.8.8.8", "2a00::1", "10.0.0.1", "fd00::1", "127.0.0.1"].map(way);
        for (place, one) in ways.iter().enumerate() {
            assert!(!ways.iter().skip(place + 1).any(|other| one == other));
        }
        assert_eq!((way("::ffff:8.8.8.8"), way("::1")), (way("9.9.9.9"), way("127.0.0.1")));
    }
}
