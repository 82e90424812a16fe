//! How addresses of nodes go from peer to peer: told on, our own, and the answers to those who ask.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mycoin_p2p::{Action, Event, Message, Node, NodeConfig, PeerId, Time};
use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::bitcoin::p2p::address::{AddrV2, AddrV2Message, Address};

use crate::protocol::{Script, branch, commands, sent, version};
use crate::toy::ToyWorld;

const HOUR: u64 = 60 * 60;
const SERVICES: ServiceFlags = ServiceFlags::NETWORK;

impl Script {
    fn with(config: NodeConfig) -> Self {
        let now = Time::from_unix_millis(1_800_000_000_000);
        Self { node: Node::new(NodeConfig { seed: 3, ..config }, now), world: ToyWorld::new(), now }
    }

    /// A peer at this address with a complete handshake; it sees us at `ours`, and understands `addrv2`.
    fn meets(&mut self, peer: u64, ip: &str, target: Option<&str>, ours: &str) -> Vec<Action> {
        let ip: IpAddr = ip.parse().expect("an address");
        let address = SocketAddr::new(ip, 9_000);
        let target = target.map(str::to_owned);
        let mut actions = self.event(Event::Connected { peer: PeerId(peer), address, target });
        let Message::Version(mut introduction) = version(peer + 1_000, 70_016) else { panic!("a version") };
        let ours: SocketAddr = ours.parse().expect("an address");
        introduction.receiver = Address::new(&ours, SERVICES);
        let no_headers = Message::Headers(Vec::new());
        for message in [Message::Version(introduction), Message::SendAddrV2, Message::Verack, no_headers] {
            actions.extend(self.says(peer, message));
        }
        actions
    }

    fn inbound(&mut self, peer: u64) {
        self.meets(peer, &format!("50.0.0.{peer}"), None, "0.0.0.0:0");
        self.says(peer, Message::GetAddr);
    }

    /// Lets time pass in steps of ten seconds; pings are answered.
    fn goes_on(&mut self, seconds: u64) -> Vec<Action> {
        let mut all = Vec::new();
        for _ in 0..seconds / 10 {
            self.now = self.now.after(Duration::from_secs(10));
            let actions = self.event(Event::Tick);
            for action in &actions {
                let Action::Send { peer, message } = action else { continue };
                let answer = match message {
                    Message::Ping(nonce) => Message::Pong(*nonce),
                    // It has no headers that we lack.
                    Message::GetHeaders(_) => Message::Headers(Vec::new()),
                    _ => continue,
                };
                self.event(Event::Received { peer: *peer, message: answer });
            }
            all.extend(actions);
        }
        all
    }

    /// An address that was seen so many seconds ago.
    fn seen(&self, number: u32, ago: u64) -> AddrV2Message {
        let [_, _, high, low] = number.to_be_bytes();
        let time = (self.now.unix_seconds() - ago) as u32;
        AddrV2Message { time, services: SERVICES, addr: AddrV2::Ipv4([60, high, low, 1].into()), port: 7_602 }
    }

    fn known(&mut self) -> usize {
        self.node.known_nodes(self.now, usize::MAX).len()
    }
}

/// What each peer was told, in order.
fn told(actions: &[Action]) -> BTreeMap<u64, Vec<AddrV2>> {
    let mut told: BTreeMap<u64, Vec<AddrV2>> = BTreeMap::new();
    for action in actions {
        if let Action::Send { peer, message: Message::AddrV2(list) } = action {
            told.entry(peer.0).or_default().extend(list.iter().map(|entry| entry.addr.clone()));
        }
    }
    told
}

/// Who was told of this address.
fn who_was_told(actions: &[Action], address: &AddrV2Message) -> Vec<u64> {
    told(actions).into_iter().filter(|(_, list)| list.contains(&address.addr)).map(|(peer, _)| peer).collect()
}

#[test]
fn a_fresh_address_is_told_on_to_two_peers_and_the_same_two_for_a_day() {
    let mut script = Script::with(NodeConfig::default());
    (1..=9).for_each(|peer| script.inbound(peer));
    let address = script.seen(1, 60);
    script.says(1, Message::AddrV2(vec![address.clone()]));
    let first = who_was_told(&script.goes_on(600), &address);
    assert_eq!(first.len(), 2, "{first:?}");
    assert!(!first.contains(&1), "not back to who told it");
    let again = AddrV2Message { time: address.time + 600, ..address.clone() };
    for peer in 2..=9 {
        script.says(peer, Message::AddrV2(vec![again.clone()]));
    }
    let more = who_was_told(&script.goes_on(600), &address);
    assert!(more.len() <= 2, "only where one of the two told it itself, the next one is told: {more:?}");
    let others: BTreeSet<Vec<u64>> = (2..12)
        .map(|number| {
            let address = script.seen(number, 60);
            script.says(1, Message::AddrV2(vec![address.clone()]));
            who_was_told(&script.goes_on(600), &address)
        })
        .collect();
    assert!(others.len() > 3, "other addresses have other ways: {others:?}");
}

#[test]
fn long_lists_old_news_and_addresses_without_blocks_are_not_told_on() {
    let mut script = Script::with(NodeConfig::default());
    (1..=4).for_each(|peer| script.inbound(peer));
    script.goes_on(600);
    let mut number = 10;
    for (count, is_told_on) in [(9, true), (10, true), (11, false)] {
        let list: Vec<AddrV2Message> = (0..count).map(|place| script.seen(number + place, 60)).collect();
        number += count;
        script.says(1, Message::AddrV2(list.clone()));
        let told = script.goes_on(600);
        assert!(list.iter().all(|address| who_was_told(&told, address).is_empty() != is_told_on), "{count}");
    }
    for (ago, is_told_on) in [(599, true), (600, false), (601, false)] {
        number += 1;
        let address = script.seen(number, ago);
        script.says(1, Message::AddrV2(vec![address.clone()]));
        assert_eq!(!who_was_told(&script.goes_on(600), &address).is_empty(), is_told_on, "{ago}");
    }
    let known = script.known();
    let useless = AddrV2Message { services: ServiceFlags::NONE, ..script.seen(900, 60) };
    script.says(1, Message::AddrV2(vec![useless.clone()]));
    assert!(who_was_told(&script.goes_on(600), &useless).is_empty());
    assert_eq!(script.known(), known);
}

#[test]
fn the_answer_to_our_question_is_not_told_on() {
    let config = NodeConfig { connect: vec!["named.example:1".to_owned()], ..NodeConfig::default() };
    let mut script = Script::with(config);
    script.event(Event::Tick);
    let actions = script.meets(1, "51.0.0.1", Some("named.example:1"), "0.0.0.0:0");
    assert_eq!(commands(&actions, 1).iter().filter(|command| **command == "getaddr").count(), 1);
    (2..=5).for_each(|peer| script.inbound(peer));
    let (answer, news) = (script.seen(1, 60), script.seen(2, 60));
    script.says(1, Message::AddrV2(vec![answer.clone()]));
    script.says(1, Message::AddrV2(vec![news.clone()]));
    let told = script.goes_on(600);
    assert!(who_was_told(&told, &answer).is_empty());
    assert_eq!(who_was_told(&told, &news).len(), 2);
    assert_eq!(
        commands(&told, 2).iter().filter(|command| **command == "getaddr").count(),
        0,
        "only peers of our choice"
    );
}

#[test]
fn who_never_spoke_of_addresses_is_told_of_none() {
    let mut script = Script::with(NodeConfig { listen: Some(([50, 9, 9, 9], 7_602).into()), ..NodeConfig::default() });
    for peer in 1..=4 {
        script.meets(peer, &format!("50.0.0.{peer}"), None, "0.0.0.0:0");
    }
    let address = script.seen(1, 60);
    script.says(1, Message::AddrV2(vec![address]));
    let told = told(&script.goes_on(600));
    assert_eq!(told.keys().collect::<Vec<_>>(), [&1], "it hears of ourselves now: {told:?}");
    let enabled: Vec<bool> =
        script.node.peers(script.now, &script.world).iter().map(|peer| peer.relays_addresses).collect();
    assert_eq!(enabled, [true, false, false, false]);
}

#[test]
fn addresses_of_networks_that_we_cannot_reach_go_to_one_peer_or_two() {
    let mut script = Script::with(NodeConfig::default());
    (1..=6).for_each(|peer| script.inbound(peer));
    // One that has no words for them.
    script.connect(7, [50, 0, 0, 7]);
    script.says(7, version(7, 70_016));
    script.says(7, Message::Verack);
    script.says(7, Message::GetAddr);
    let mut counts = BTreeSet::new();
    for number in 0..20u8 {
        let address = AddrV2Message { addr: AddrV2::TorV3([number; 32]), ..script.seen(0, 60) };
        script.says(1, Message::AddrV2(vec![address.clone()]));
        let told = script.goes_on(600);
        assert!(commands(&told, 7).iter().all(|command| *command != "addr" && *command != "addrv2"));
        counts.insert(who_was_told(&told, &address).len());
    }
    assert_eq!(counts, BTreeSet::from([1, 2]));
    assert_eq!(script.known(), 0);
    let unknown = AddrV2Message { addr: AddrV2::Unknown(99, vec![1; 8]), ..script.seen(0, 60) };
    script.says(1, Message::AddrV2(vec![unknown.clone()]));
    assert!(who_was_told(&script.goes_on(600), &unknown).is_empty());
}

#[test]
fn private_addresses_are_told_on_inside_alone() {
    let mut script = Script::with(NodeConfig::default());
    for peer in 1..=3 {
        script.meets(peer, &format!("10.0.0.{peer}"), None, "0.0.0.0:0");
        script.says(peer, Message::GetAddr);
    }
    (4..=9).for_each(|peer| script.inbound(peer));
    let private = AddrV2Message { addr: AddrV2::Ipv4([10, 1, 1, 1].into()), ..script.seen(0, 60) };
    script.says(1, Message::AddrV2(vec![private.clone()]));
    assert_eq!(who_was_told(&script.goes_on(600), &private), [2, 3]);
    let other = AddrV2Message { addr: AddrV2::Ipv4([10, 1, 1, 2].into()), ..script.seen(0, 60) };
    script.says(4, Message::AddrV2(vec![other.clone()]));
    assert!(who_was_told(&script.goes_on(600), &other).is_empty(), "nobody outside knows of what is inside");
}

/// What a peer at `ip` that sees us at `seen` is told of us within a minute, when we listen there.
fn first_told(listen: Option<&str>, ip: &str, is_dialled: bool, seen: &str) -> Vec<(AddrV2, u16)> {
    let listen = listen.map(|listen| listen.parse().expect("an address"));
    let mut script =
        Script::with(NodeConfig { listen, connect: vec!["named.example:1".to_owned()], ..NodeConfig::default() });
    script.event(Event::Tick);
    let target = is_dialled.then_some("named.example:1");
    script.meets(1, ip, target, seen);
    script.says(1, Message::GetAddr);
    let actions = script.goes_on(60);
    let lists = sent(&actions, 1).into_iter().filter_map(|message| match message {
        Message::AddrV2(list) => Some(list.iter().map(|entry| (entry.addr.clone(), entry.port)).collect::<Vec<_>>()),
        _ => None,
    });
    lists.flatten().collect()
}

#[test]
fn a_peer_is_told_where_it_sees_us_and_one_that_we_dialled_with_the_port_at_which_we_listen() {
    let any = Some("0.0.0.0:7602");
    let seen = |port| vec![(AddrV2::Ipv4([70, 1, 1, 1].into()), port)];
    assert_eq!(first_told(any, "50.0.0.1", false, "70.1.1.1:8000"), seen(8_000));
    assert_eq!(first_told(any, "50.0.0.1", true, "70.1.1.1:8000"), seen(7_602));
    assert_eq!(first_told(None, "50.0.0.1", false, "70.1.1.1:8000"), [], "nobody can connect to us");
    assert_eq!(first_told(any, "127.0.0.1", false, "70.1.1.1:8000"), []);
    assert_eq!(first_told(any, "50.0.0.1", false, "10.1.1.1:8000"), [], "of no use outside");
    assert_eq!(
        first_told(any, "10.0.0.1", false, "10.1.1.1:8000"),
        [(AddrV2::Ipv4([10, 1, 1, 1].into()), 8_000)],
        "a coin may live in one building"
    );
    assert_eq!(
        first_told(Some("70.2.2.2:7602"), "50.0.0.1", false, "0.0.0.0:0"),
        [(AddrV2::Ipv4([70, 2, 2, 2].into()), 7_602)]
    );
}

#[test]
fn our_own_address_is_told_again_about_once_a_day_and_not_while_we_catch_up() {
    let listen = Some(([70, 2, 2, 2], 7_602).into());
    let mut script = Script::with(NodeConfig { listen, ..NodeConfig::default() });
    script.inbound(1);
    let days = 40;
    let told = told(&script.goes_on(days * 24 * HOUR));
    let times = told[&1].len();
    assert!((25..=58).contains(&times), "{times} times in {days} days");

    let mut script = Script::with(NodeConfig { listen, ..NodeConfig::default() });
    script.inbound(1);
    script.inbound(2);
    script.announces(2, &branch(30, 1));
    assert!(commands(&script.goes_on(60), 1).iter().all(|command| *command != "addrv2"));
}

/// A node that knows some hundred addresses.
fn informed() -> Script {
    let mut script = Script::with(NodeConfig { connect: vec!["named.example:1".to_owned()], ..NodeConfig::default() });
    script.event(Event::Tick);
    script.meets(1, "51.0.0.1", Some("named.example:1"), "0.0.0.0:0");
    let list = (0..1_000).map(|number| script.seen(number * 256, 90_000)).collect();
    script.says(1, Message::AddrV2(list));
    script
}

/// What a new peer at `ip` is told that asks.
fn answer(script: &mut Script, peer: u64, ip: &str) -> BTreeSet<String> {
    script.meets(peer, ip, None, "0.0.0.0:0");
    let actions = script.says(peer, Message::GetAddr);
    let told = told(&actions).remove(&peer).unwrap_or_default();
    script.event(Event::Disconnected { peer: PeerId(peer) });
    told.iter().map(|address| format!("{address:?}")).collect()
}

#[test]
fn answers_stay_the_same_for_a_day_so_that_nobody_maps_what_we_know() {
    let mut script = informed();
    let known = script.known();
    assert!(known > 100, "{known}");
    let first = answer(&mut script, 10, "50.0.0.1");
    assert!(first.len() >= 10 && first.len() <= known * 23 / 100, "{} of {known}", first.len());
    for turn in 0..100 {
        assert_eq!(answer(&mut script, 100 + turn, &format!("52.0.0.{turn}")), first, "whoever asks");
    }
    assert_ne!(answer(&mut script, 11, "2a00::1"), first, "on another way another answer");
    script.goes_on(21 * HOUR - 60);
    assert_eq!(answer(&mut script, 12, "50.0.0.1"), first);
    script.goes_on(6 * HOUR + 120);
    assert_ne!(answer(&mut script, 13, "50.0.0.1"), first);
}

#[test]
fn a_few_addresses_are_told_as_they_come() {
    let mut script = Script::with(NodeConfig::default());
    for number in 0..12u64 {
        script.meets(number, &format!("53.{number}.0.1"), None, "0.0.0.0:0");
        let address = script.seen(number as u32 * 256, 90_000);
        script.says(number, Message::AddrV2(vec![address]));
        let told = answer(&mut script, 100 + number, "50.0.0.1").len();
        assert_eq!(told, (number as usize + 1).min(10));
    }
}

#[test]
fn an_answer_is_given_once_and_to_those_who_came_to_us() {
    let mut script = informed();
    assert!(script.says(1, Message::GetAddr).is_empty(), "we chose it");
    script.meets(2, "50.0.0.2", None, "0.0.0.0:0");
    assert_eq!(commands(&script.says(2, Message::GetAddr), 2), ["addrv2"]);
    assert!(script.says(2, Message::GetAddr).is_empty());
}

#[test]
fn what_is_banned_or_misbehaved_is_neither_kept_nor_told() {
    let mut script = Script::with(NodeConfig::default());
    (1..=4).for_each(|peer| script.inbound(peer));
    let address = script.seen(1, 60);
    let subnet = "60.0.0.0/8".parse().expect("a subnet");
    let ban = mycoin_p2p::Ban { subnet, created: script.now, until: script.now.after(Duration::from_secs(9_999)) };
    script.node.ban(script.now, ban, &script.world).expect("the first ban");
    script.says(1, Message::AddrV2(vec![address.clone()]));
    assert!(who_was_told(&script.goes_on(600), &address).is_empty());
    assert_eq!(script.known(), 0);
    assert_eq!(script.node.peers(script.now, &script.world)[0].addresses_taken, 0);
}
