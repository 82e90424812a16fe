//! Who gets a place: inbound limits and eviction, the connections that a node makes by itself, bans and discouragement.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mycoin_p2p::{
    Action, Ban, ConnectionKind, DisconnectReason, Event, Host as _, Message, Node, NodeConfig, Offence, PeerId,
    Subnet, Time, World as _,
};
use mycoin_primitives::Wtxid;
use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::bitcoin::p2p::address::{AddrV2, AddrV2Message, Address};
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::bitcoin::p2p::message_network::VersionMessage;
use mycoin_primitives::hashes::Hash as _;

use crate::toy::ToyWorld;

const START: Time = Time::from_unix_millis(1_800_000_000_000);

struct Place {
    node: Node,
    world: ToyWorld,
    now: Time,
    next: u64,
    /// Who was ever connected for blocks alone.
    block_only: BTreeSet<PeerId>,
}

impl Place {
    fn new(config: NodeConfig) -> Self {
        Self {
            node: Node::new(config, START),
            world: ToyWorld::new(),
            now: START,
            next: 0,
            block_only: BTreeSet::new(),
        }
    }

    fn event(&mut self, event: Event) -> Vec<Action> {
        self.node.handle(self.now, event, &self.world)
    }

    /// An inbound connection; why it was refused, if it was.
    fn comes(&mut self, ip: &str) -> Result<PeerId, DisconnectReason> {
        let (ip, peer): (IpAddr, _) = (ip.parse().expect("an address"), PeerId(self.next));
        self.next += 1;
        let actions = self.event(Event::Connected { peer, address: SocketAddr::new(ip, 9), target: None });
        match actions.into_iter().find_map(|action| match action {
            Action::Disconnect { peer: ended, reason } if ended == peer => Some(reason),
            _ => None,
        }) {
            Some(reason) => Err(reason),
            None => Ok(peer),
        }
    }

    fn says(&mut self, peer: PeerId, message: Message) -> Vec<Action> {
        self.event(Event::Received { peer, message })
    }

    fn shakes_hands(&mut self, peer: PeerId) -> Vec<Action> {
        let services = ServiceFlags::NETWORK | ServiceFlags::WITNESS;
        let nowhere = Address { services, address: [0; 8], port: 0 };
        let version = VersionMessage {
            version: 70_016,
            services,
            timestamp: 0,
            receiver: nowhere.clone(),
            sender: nowhere,
            nonce: peer.0 + 1_000,
            user_agent: "/Puppet:1/".to_owned(),
            start_height: 0,
            relay: true,
        };
        self.says(peer, Message::Version(Box::new(version)));
        self.says(peer, Message::WtxidRelay);
        self.says(peer, Message::SendAddrV2);
        self.says(peer, Message::Verack)
    }

    /// Lets time pass; every dial meets a node that answers. What was done, without what was sent to whom.
    fn runs(&mut self, seconds: u64) -> Vec<Action> {
        let mut all = Vec::new();
        for _ in 0..seconds {
            self.now = self.now.after(Duration::from_secs(1));
            let actions = self.event(Event::Tick);
            for action in &actions {
                let Action::Connect { target } = action else { continue };
                let address = target.parse().unwrap_or_else(|_| ([8, 8, 8, 8], 1).into());
                let peer = PeerId(self.next);
                self.next += 1;
                all.extend(self.event(Event::Connected { peer, address, target: Some(target.clone()) }));
                all.extend(self.shakes_hands(peer));
                let infos = self.node.peers(self.now, &self.world);
                if infos.iter().any(|info| info.id == peer && info.kind == ConnectionKind::BlockOnly) {
                    self.block_only.insert(peer);
                }
            }
            for action in &actions {
                if let Action::Send { peer, message: Message::Ping(nonce) } = action {
                    self.says(*peer, Message::Pong(*nonce));
                }
            }
            all.extend(actions);
        }
        all
    }

    /// Lets the extra connection end, if there is one.
    fn settles(&mut self) {
        while self.kinds().get(&ConnectionKind::BlockOnly) > Some(&2) {
            self.runs(1);
        }
    }

    fn count(&self) -> usize {
        self.node.peers(self.now, &self.world).len()
    }

    fn kinds(&self) -> BTreeMap<ConnectionKind, usize> {
        let mut kinds = BTreeMap::new();
        for peer in self.node.peers(self.now, &self.world) {
            *kinds.entry(peer.kind).or_default() += 1;
        }
        kinds
    }
}

/// A node that was told 1,000 addresses of 500 neighbourhoods by a peer that it was told to dial.
fn well_informed() -> Place {
    let mut place = Place::new(NodeConfig {
        connect: vec!["named.example:1".to_owned()],
        dial_learned: true,
        seed: 5,
        ..NodeConfig::default()
    });
    place.runs(1);
    let peer = place.node.peers(place.now, &place.world)[0].id;
    let list = (0..1_000u32).map(|number| AddrV2Message {
        time: 1_799_990_000,
        services: ServiceFlags::NETWORK | ServiceFlags::WITNESS,
        addr: AddrV2::Ipv4([20 + (number % 50) as u8, (number % 10) as u8, 1, (number / 4) as u8].into()),
        port: 7602,
    });
    place.says(peer, Message::AddrV2(list.collect()));
    place
}

#[test]
fn inbound_places_end_at_114_and_then_somebody_must_go() {
    let mut place = Place::new(NodeConfig::default());
    for number in 0..114 {
        assert_eq!(place.count(), number);
        place.comes(&format!("20.{number}.0.1")).expect("there is room");
    }
    for number in 0..50 {
        place.comes(&format!("30.{number}.0.1")).expect("somebody of no use goes");
        assert_eq!(place.count(), 114);
    }
}

#[test]
fn an_address_has_ten_connections_and_a_64_twenty() {
    let mut place = Place::new(NodeConfig::default());
    for number in 0..10 {
        // Mapped IPv4 is IPv4.
        place.comes(if number % 2 == 0 { "20.0.0.1" } else { "::ffff:20.0.0.1" }).expect("up to ten");
    }
    for same in ["20.0.0.1", "::ffff:20.0.0.1"] {
        assert_eq!(place.comes(same), Err(DisconnectReason::TooManyFromAddress { limit: 10 }));
    }
    place.comes("20.0.0.2").expect("another address");
    for number in 0..20 {
        place.comes(&format!("2a00:1:2:3::{}", number / 10)).expect("ten each, twenty together");
    }
    assert_eq!(place.comes("2a00:1:2:3::1"), Err(DisconnectReason::TooManyFromAddress { limit: 10 }));
    assert_eq!(place.comes("2a00:1:2:3:4::2"), Err(DisconnectReason::TooManyFromSubnet { limit: 20 }));
    place.comes("2a00:1:2:4::1").expect("another /64");
    for _ in 0..30 {
        place.comes("127.0.0.1").expect("loopback is free");
        place.comes("::1").expect("loopback is free");
    }
}

#[test]
fn who_misbehaved_is_dropped_and_comes_in_while_there_is_room() {
    let mut place = Place::new(NodeConfig::default());
    let [first, second] = [place.comes("20.0.0.1"), place.comes("::ffff:20.0.0.1")].map(|peer| peer.expect("room"));
    place.shakes_hands(first);
    place.shakes_hands(second);
    let parent = mycoin_primitives::BlockHash::all_zeros();
    let torn = [1, 2].map(|tag| crate::toy::mine(parent, 1, tag, Vec::new()));
    let actions = place.says(first, Message::Headers(torn.iter().map(|block| block.header).collect()));
    let ended: BTreeMap<PeerId, DisconnectReason> = actions
        .into_iter()
        .filter_map(|action| match action {
            Action::Disconnect { peer, reason } => Some((peer, reason)),
            _ => None,
        })
        .collect();
    assert_eq!(ended[&first], DisconnectReason::Misbehaved(Offence::HeadersNotContinuous));
    assert_eq!(ended[&second], DisconnectReason::Discouraged, "the same address");
    for number in 0..112 {
        place.comes(&format!("30.{number}.0.1")).expect("there is room");
    }
    place.comes("20.0.0.1").expect("place 113: one is left for others");
    assert_eq!(place.comes("20.0.0.1"), Err(DisconnectReason::Discouraged), "place 114 is the last one");
    place.comes("20.0.0.2").expect("its neighbour did nothing");
    assert_eq!(place.comes("20.0.0.1"), Err(DisconnectReason::Discouraged), "nobody goes for it");
}

#[test]
fn bans_end_connections_refuse_new_ones_and_outlive_a_restart() {
    let mut place = Place::new(NodeConfig::default());
    for ip in ["20.0.0.1", "::ffff:20.0.0.9", "20.0.1.1"] {
        place.comes(ip).expect("room");
    }
    let subnet: Subnet = "20.0.0.0/24".parse().expect("a subnet");
    let ban = Ban { subnet, created: place.now, until: place.now.after(Duration::from_secs(100)) };
    let actions = place.node.ban(place.now, ban, &place.world).expect("the first ban");
    assert_eq!(actions.len(), 2);
    assert_eq!(place.count(), 1);
    assert_eq!(place.comes("::ffff:20.0.0.3"), Err(DisconnectReason::Banned));
    place.comes("20.0.1.2").expect("not in it");

    let mut again = Place::new(NodeConfig { bans: place.node.bans(place.now), ..NodeConfig::default() });
    assert_eq!(again.comes("20.0.0.1"), Err(DisconnectReason::Banned));
    again.now = START.after(Duration::from_millis(99_999));
    assert_eq!(again.comes("20.0.0.1"), Err(DisconnectReason::Banned));
    again.now = START.after(Duration::from_secs(100));
    again.comes("20.0.0.1").expect("it has ended");
    place.node.unban(place.now, subnet).expect("it is banned");
    place.comes("20.0.0.1").expect("free again");
}

#[test]
fn eight_full_two_block_only_and_a_feeler_each_in_its_own_neighbourhood() {
    let mut place = well_informed();
    place.runs(30);
    let kinds = place.kinds();
    assert_eq!(kinds[&ConnectionKind::OutboundFull], 8);
    assert_eq!(kinds[&ConnectionKind::BlockOnly], 2);
    assert_eq!(kinds[&ConnectionKind::Manual], 1, "what was named counts apart");
    let peers = place.node.peers(place.now, &place.world);
    let groups: BTreeSet<String> =
        peers.iter().map(|peer| peer.address.to_string().split('.').take(2).collect::<Vec<_>>().join(".")).collect();
    assert_eq!(groups.len(), 11, "no two in one neighbourhood");

    let mut hour = Vec::new();
    for _ in 0..3_600 {
        hour.extend(place.runs(1));
        place.event(Event::NewTip);
    }
    let feelers = hour
        .iter()
        .filter(|action| matches!(action, Action::Disconnect { reason: DisconnectReason::FeelerDone, .. }))
        .count();
    assert!((22..=36).contains(&feelers), "one in two minutes: {feelers}");
    place.settles();
    assert_eq!(place.kinds(), kinds, "feelers do not stay");
}

fn ended_as_extra(actions: &[Action]) -> Vec<PeerId> {
    let ended = actions.iter().filter_map(|action| match action {
        Action::Disconnect { peer, reason: DisconnectReason::Extra } => Some(*peer),
        _ => None,
    });
    ended.collect()
}

#[test]
fn one_more_peer_is_looked_for_when_no_block_came_for_half_an_hour() {
    let mut place = well_informed();
    place.runs(30);
    let most = |place: &mut Place, seconds: u64, is_moving: bool| {
        let (mut most, mut ended) = (0, 0);
        for _ in 0..seconds {
            let actions = place.runs(1);
            ended += ended_as_extra(&actions).iter().filter(|peer| !place.block_only.contains(*peer)).count();
            most = most.max(place.kinds().get(&ConnectionKind::OutboundFull).copied().unwrap_or_default());
            if is_moving {
                place.event(Event::NewTip);
            }
        }
        (most, ended)
    };
    assert_eq!(most(&mut place, 3_000, true), (8, 0), "blocks come");
    assert_eq!(most(&mut place, 1_790, false), (8, 0), "not yet half an hour");
    let (count, ended) = most(&mut place, 1_200, false);
    assert_eq!(count, 9);
    assert!((1..=2).contains(&ended), "once for each time that it is found stale, which is each ten minutes: {ended}");
}

#[test]
fn of_nine_peers_the_youngest_goes_that_told_of_no_block() {
    let mut place = well_informed();
    place.runs(30);
    while place.kinds().get(&ConnectionKind::OutboundFull) != Some(&9) {
        assert!(place.now.since(START) < Duration::from_secs(3_600));
        place.runs(1);
    }
    let mut full: Vec<PeerId> = place
        .node
        .peers(place.now, &place.world)
        .iter()
        .filter(|peer| peer.kind == ConnectionKind::OutboundFull)
        .map(|peer| peer.id)
        .collect();
    let newest = full.pop().expect("nine");
    let block = crate::toy::mine(place.world.tip().1, 1, 1, Vec::new());
    place.says(newest, Message::Headers(vec![block.header]));
    let verdict = place.world.submit_headers(&[block.header]);
    place.event(Event::HeadersVerdict { peer: newest, last: block.block_hash(), count: 1, verdict });
    // It is asked for that block, which keeps it by itself; the others are judged by what they told.
    let ended = ended_as_extra(&place.runs(100));
    let ended: Vec<&PeerId> = ended.iter().filter(|peer| full.contains(peer) || **peer == newest).collect();
    assert_eq!(ended, [full.last().expect("eight")]);
}

#[test]
fn somebody_new_is_asked_for_blocks_every_five_minutes_and_does_not_stay() {
    let mut place = well_informed();
    place.runs(30);
    let (mut extra, mut longest, mut since) = (0, 0, 0);
    for _ in 0..6 * 3_600 {
        let actions = place.runs(1);
        place.event(Event::NewTip);
        extra += ended_as_extra(&actions).len();
        let count = place.kinds().get(&ConnectionKind::BlockOnly).copied().unwrap_or_default();
        assert!(count <= 3);
        since = if count == 3 { since + 1 } else { 0 };
        longest = longest.max(since);
    }
    assert!((40..=75).contains(&extra), "{extra} in six hours");
    assert!(longest <= 90, "{longest} s: 45 s may be too young, the next 45 s are not");
}

#[test]
fn a_connection_for_blocks_alone_tells_nothing_else() {
    let mut place = well_informed();
    let actions = place.runs(30);
    let peers = place.node.peers(place.now, &place.world);
    for peer in &peers {
        let relays = peer.kind.relays();
        let sent = |what: &str| {
            actions.iter().any(|action| match action {
                Action::Send { peer: to, message } => *to == peer.id && message.command() == what,
                _ => false,
            })
        };
        if peer.kind != ConnectionKind::Manual {
            assert_eq!((sent("getaddr"), sent("feefilter")), (relays, relays), "{:?}", peer.kind);
        }
        let version = actions.iter().find_map(|action| match action {
            Action::Send { peer: to, message: Message::Version(version) } if *to == peer.id => Some(version.relay),
            _ => None,
        });
        assert!(version.is_none_or(|relay| relay == relays));
    }
    let silent =
        peers.iter().find(|peer| peer.kind == ConnectionKind::BlockOnly).map(|peer| peer.id).expect("there are two");
    let known = place.node.known_nodes(place.now, usize::MAX).len();
    let told = AddrV2Message {
        time: 1_799_990_000,
        services: ServiceFlags::NETWORK,
        addr: AddrV2::Ipv4([99, 1, 1, 1].into()),
        port: 1,
    };
    place.says(silent, Message::AddrV2(vec![told]));
    assert_eq!(place.node.known_nodes(place.now, usize::MAX).len(), known, "its addresses are not taken");
    let actions = place.says(silent, Message::Inv(vec![Inventory::WTx(Wtxid::all_zeros())]));
    let reason = DisconnectReason::Misbehaved(Offence::UnwantedTransaction);
    assert!(actions.iter().any(|action| matches!(action, Action::Disconnect { reason: why, .. } if *why == reason)));
}

#[test]
fn named_peers_can_be_added_tried_and_removed() {
    let mut place = Place::new(NodeConfig::default());
    assert!(place.node.add_peer(place.now, "20.0.0.1:1".to_owned(), true));
    assert!(!place.node.add_peer(place.now, "20.0.0.1:1".to_owned(), true), "it was added before");
    place.node.try_peer(place.now, "20.0.0.2:1".to_owned(), true);
    place.runs(1);
    assert_eq!(place.kinds(), BTreeMap::from([(ConnectionKind::Manual, 2)]));
    let added = place.node.added_peers();
    assert_eq!(added.len(), 1, "what is tried once is not kept");
    assert_eq!(added[0].connected, Some((([20, 0, 0, 1], 1).into(), ConnectionKind::Manual)));
    assert_eq!(place.node.disconnect_address(place.now, "20.0.0.2:1", &place.world).len(), 1);
    assert!(place.node.disconnect_address(place.now, "20.0.0.2:1", &place.world).is_empty());
    assert!(place.node.remove_peer("20.0.0.1:1") && !place.node.remove_peer("20.0.0.1:1"));
    assert_eq!(place.count(), 1, "its connection goes on");
    let id = place.node.peers(place.now, &place.world)[0].id;
    assert_eq!(place.node.disconnect_id(place.now, id, &place.world).len(), 1);
    assert!(
        !place.runs(3_600).iter().any(|action| matches!(action, Action::Connect { .. })),
        "nobody is dialled again"
    );
}
