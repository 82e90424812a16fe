//! One node against peers that are played from a script.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mycoin_p2p::{
    Action, BlockVerdict, DisconnectReason, Event, HeadersVerdict, Host as _, Message, Node, NodeConfig, Offence,
    PeerId, Time, TransactionVerdict, World as _,
};
use mycoin_primitives::bitcoin::p2p::message_blockdata::{GetHeadersMessage, Inventory};
use mycoin_primitives::bitcoin::p2p::message_network::VersionMessage;
use mycoin_primitives::bitcoin::p2p::{ServiceFlags, address::AddrV2, address::AddrV2Message, address::Address};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Block, BlockHash, Transaction, Wtxid};

use crate::toy::{ToyWorld, mine, payment, root, waiting};

pub(crate) struct Script {
    pub(crate) node: Node,
    pub(crate) world: ToyWorld,
    pub(crate) now: Time,
}

impl Script {
    pub(crate) fn new() -> Self {
        let now = Time::from_unix_millis(1_800_000_000_000);
        let config = NodeConfig { connect: vec!["friend:1".to_owned()], seed: 1, ..NodeConfig::default() };
        Self { node: Node::new(config, now), world: ToyWorld::new(), now }
    }

    pub(crate) fn event(&mut self, event: Event) -> Vec<Action> {
        self.node.handle(self.now, event, &self.world)
    }

    pub(crate) fn says(&mut self, peer: u64, message: Message) -> Vec<Action> {
        self.event(Event::Received { peer: PeerId(peer), message })
    }

    /// Lets time pass, with ticks, and gives all that was done.
    pub(crate) fn wait(&mut self, seconds: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        for _ in 0..seconds * 2 {
            self.now = self.now.after(Duration::from_millis(500));
            actions.extend(self.event(Event::Tick));
        }
        actions
    }

    pub(crate) fn connect(&mut self, peer: u64, ip: [u8; 4]) -> Vec<Action> {
        self.event(Event::Connected { peer: PeerId(peer), address: (ip, 5_000).into(), target: None })
    }

    /// An inbound peer with a complete handshake.
    pub(crate) fn friend(&mut self, peer: u64) {
        self.connect(peer, [10, 0, 0, peer as u8]);
        self.says(peer, version(peer, 70_016));
        self.says(peer, Message::WtxidRelay);
        self.says(peer, Message::Verack);
        self.wait(1);
    }

    /// The peer announces blocks by their headers, and the world takes them.
    pub(crate) fn announces(&mut self, peer: u64, blocks: &[Block]) -> Vec<Action> {
        let headers: Vec<_> = blocks.iter().map(|block| block.header).collect();
        let mut actions = self.says(peer, Message::Headers(headers.clone()));
        let last = blocks.last().expect("some").block_hash();
        if actions.iter().any(|action| matches!(action, Action::SubmitHeaders { .. })) {
            let verdict = self.world.submit_headers(&headers);
            let count = headers.len();
            actions = self.event(Event::HeadersVerdict { peer: PeerId(peer), last, count, verdict });
        }
        actions
    }

    pub(crate) fn judges(&mut self, peer: u64, block: &Block) -> Vec<Action> {
        let verdict = self.world.submit_block(Arc::new(block.clone()));
        self.event(Event::BlockVerdict { peer: PeerId(peer), hash: block.block_hash(), verdict })
    }

    pub(crate) fn adds(&mut self, transaction: &Transaction) {
        assert_eq!(self.world.submit_transaction(Arc::new(transaction.clone())), TransactionVerdict::Accepted);
        self.event(Event::TransactionAdded(waiting(transaction)));
    }
}

pub(crate) fn version(nonce: u64, number: u32) -> Message {
    let services = ServiceFlags::NETWORK | ServiceFlags::WITNESS;
    let nowhere = Address { services, address: [0; 8], port: 0 };
    Message::Version(Box::new(VersionMessage {
        version: number,
        services,
        timestamp: i64::MIN,
        receiver: nowhere.clone(),
        sender: nowhere,
        nonce,
        user_agent: "/Puppet\u{1b}[31m:1/".to_owned(),
        start_height: 0,
        relay: true,
    }))
}

pub(crate) fn sent(actions: &[Action], to: u64) -> Vec<&Message> {
    let to = PeerId(to);
    actions
        .iter()
        .filter_map(|a| if let Action::Send { peer, message } = a { (*peer == to).then_some(message) } else { None })
        .collect()
}

pub(crate) fn commands(actions: &[Action], to: u64) -> Vec<&'static str> {
    sent(actions, to).into_iter().map(Message::command).collect()
}

/// What the peer was asked for.
pub(crate) fn asked(actions: &[Action], to: u64) -> Vec<Inventory> {
    let lists =
        sent(actions, to).into_iter().filter_map(|m| if let Message::GetData(list) = m { Some(list) } else { None });
    lists.flatten().copied().collect()
}

pub(crate) fn dropped(actions: &[Action], who: u64) -> Option<&DisconnectReason> {
    actions.iter().find_map(|action| match action {
        Action::Disconnect { peer, reason } if *peer == PeerId(who) => Some(reason),
        _ => None,
    })
}

/// Blocks on genesis, one on the other.
pub(crate) fn branch(count: u32, tag: u32) -> Vec<Block> {
    let mut parent = ToyWorld::new().tip().1;
    let mut next = |height| {
        let block = mine(parent, height, tag, Vec::new());
        parent = block.block_hash();
        block
    };
    (1..=count).map(&mut next).collect()
}

#[test]
fn the_handshake_goes_as_bitcoins_does() {
    let mut script = Script::new();
    let dialled = script.event(Event::Tick);
    assert!(matches!(dialled.as_slice(), [Action::Connect { target }] if target == "friend:1"));
    let target = Some("friend:1".to_owned());
    let first = script.event(Event::Connected { peer: PeerId(1), address: ([10, 0, 0, 1], 1).into(), target });
    assert_eq!(commands(&first, 1), ["version"], "who dials speaks first");
    assert_eq!(commands(&script.says(1, version(9, 70_016)), 1), ["wtxidrelay", "sendaddrv2", "verack"]);
    assert_eq!(commands(&script.says(1, Message::Verack), 1), ["sendcmpct", "sendheaders", "getaddr", "getheaders"]);
    assert!(commands(&script.wait(1), 1).starts_with(&["ping", "feefilter"]));

    assert_eq!(commands(&script.connect(2, [10, 0, 0, 2]), 2), [""; 0], "who is dialled waits");
    let answer = script.says(2, version(8, 70_015));
    assert_eq!(commands(&answer, 2), ["version", "verack"], "older than BIP339");
    assert_eq!(commands(&script.says(2, Message::Verack), 2), ["sendcmpct", "sendheaders", "getheaders"]);
    let peers = script.node.peers(script.now, &script.world);
    assert_eq!(peers[1].user_agent, "/Puppet[31m:1/", "no escape codes");
    assert!(peers.iter().all(|peer| peer.handshake_complete));
}

#[test]
fn old_silent_and_own_versions_end_the_connection() {
    let mut script = Script::new();
    script.connect(1, [10, 0, 0, 1]);
    let reason = DisconnectReason::TooOld { version: 70_012, oldest: 70_013 };
    assert_eq!(dropped(&script.says(1, version(1, 70_012)), 1), Some(&reason));

    script.connect(2, [10, 0, 0, 2]);
    assert_eq!(dropped(&script.wait(59), 2), None);
    assert_eq!(dropped(&script.wait(1), 2), Some(&DisconnectReason::HandshakeTimeout));

    let target = Some("friend:1".to_owned());
    let first = script.event(Event::Connected { peer: PeerId(3), address: ([10, 0, 0, 3], 1).into(), target });
    let own = sent(&first, 3)[0].clone();
    script.connect(4, [10, 0, 0, 3]);
    let actions = script.says(4, own);
    assert_eq!(dropped(&actions, 3), Some(&DisconnectReason::Ourselves));
    assert_eq!(dropped(&actions, 4), Some(&DisconnectReason::Ourselves));
    let later = script.wait(100);
    assert!(!later.iter().any(|action| matches!(action, Action::Connect { .. })), "never dialled again");
}

#[test]
fn offences_end_the_connection_of_their_sender_only() {
    let mut script = Script::new();
    script.friend(9);
    let chain = branch(3, 1);
    let torn = vec![chain[0].header, chain[2].header];
    let too_many = vec![Inventory::WTx(Wtxid::all_zeros()); 50_000];
    for (peer, message, offence) in [
        (1, Message::Bloom, Offence::BloomFilter),
        (2, Message::WtxidRelay, Offence::LateNegotiation { command: "wtxidrelay" }),
        (3, Message::SendAddrV2, Offence::LateNegotiation { command: "sendaddrv2" }),
        (4, Message::Headers(torn), Offence::HeadersNotContinuous),
    ] {
        script.friend(peer);
        let actions = script.says(peer, message);
        assert_eq!(dropped(&actions, peer), Some(&DisconnectReason::Misbehaved(offence)));
        assert_eq!(dropped(&actions, 9), None);
    }
    script.friend(5);
    script.says(5, Message::GetData(too_many.clone()));
    let actions = script.says(5, Message::GetData(too_many));
    let offence = Offence::TooManyRequests { limit: 50_000 };
    assert_eq!(dropped(&actions, 5), Some(&DisconnectReason::Misbehaved(offence)));
    script.friend(6);
    for harmless in [Message::FeeFilter(-1), Message::FeeFilter(i64::MAX), Message::Other, Message::Verack] {
        assert!(script.says(6, harmless).is_empty());
    }
}

#[test]
fn headers_that_do_not_connect_are_asked_for_ten_times() {
    let mut script = Script::new();
    script.friend(1);
    let chain = branch(3, 1);
    for turn in 1..=11 {
        let actions = script.announces(1, &chain[2..]);
        match turn {
            1..=10 => assert_eq!(commands(&actions, 1), ["getheaders"]),
            _ => assert!(dropped(&actions, 1).is_some()),
        }
    }
}

#[test]
fn a_ping_without_answer_ends_the_connection_after_twenty_minutes() {
    let mut script = Script::new();
    script.friend(1);
    assert_eq!(dropped(&script.wait(19 * 60), 1), None);
    assert_eq!(dropped(&script.wait(61), 1), Some(&DisconnectReason::PingTimeout));
}

#[test]
fn inbound_places_are_limited_in_all_and_for_each_address() {
    let mut script = Script::new();
    for peer in 0..10 {
        assert!(script.connect(peer, [10, 0, 0, 1]).is_empty());
    }
    assert!(matches!(
        dropped(&script.connect(10, [10, 0, 0, 1]), 10),
        Some(DisconnectReason::TooManyFromAddress { .. })
    ));
    let mapped = "[::ffff:10.0.0.1]:9".parse().expect("an address");
    let actions = script.event(Event::Connected { peer: PeerId(11), address: mapped, target: None });
    assert!(dropped(&actions, 11).is_some(), "mapped IPv4 is IPv4");
    for peer in 20..124 {
        assert!(script.connect(peer, [127, 0, 0, 1]).is_empty());
    }
    assert_eq!(script.node.peers(script.now, &script.world).len(), 114, "114 of 125 are for others");
    let actions = script.connect(125, [10, 0, 0, 2]);
    assert_eq!(dropped(&actions, 125), None);
    assert!(matches!(actions[..], [Action::Disconnect { reason: DisconnectReason::Evicted, .. }]), "{actions:?}");
    assert_eq!(script.node.peers(script.now, &script.world).len(), 114);
}

#[test]
fn blocks_are_spread_over_peers_sixteen_each() {
    let mut script = Script::new();
    (1..=2).for_each(|peer| script.friend(peer));
    let chain = branch(40, 1);
    let first = asked(&script.announces(1, &chain), 1);
    assert_eq!(first.len(), 16);
    assert_eq!(first[0], Inventory::WitnessBlock(chain[0].block_hash()), "lowest first");
    let second = asked(&script.announces(2, &chain), 2);
    assert_eq!(second.len(), 16);
    assert!(second.iter().all(|item| !first.contains(item)), "each block is asked for once");
}

#[test]
fn blocks_move_from_a_silent_peer_to_another() {
    let mut script = Script::new();
    script.friend(1);
    let chain = branch(3, 1);
    assert_eq!(asked(&script.announces(1, &chain), 1).len(), 3);
    assert!(asked(&script.wait(10), 1).is_empty(), "nobody else has them: no use in asking again");
    script.friend(2);
    script.announces(2, &chain);
    let actions = script.wait(3);
    assert_eq!(asked(&actions, 2).len(), 3);
    assert_eq!(dropped(&actions, 1), None);
}

#[test]
fn a_block_that_is_not_found_or_mutated_comes_from_another_peer() {
    let mut script = Script::new();
    (1..=3).for_each(|peer| script.friend(peer));
    let chain = branch(1, 1);
    assert_eq!(asked(&script.announces(1, &chain), 1).len(), 1);
    script.announces(2, &chain);
    script.announces(3, &chain);
    let item = Inventory::WitnessBlock(chain[0].block_hash());
    let actions = script.says(1, Message::NotFound(vec![item]));
    assert_eq!(asked(&actions, 2), [item]);
    let mut mutated = chain[0].clone();
    mutated.txdata.push(payment(root(), 1));
    assert!(matches!(script.says(2, Message::Block(Arc::new(mutated.clone())))[..], [Action::SubmitBlock { .. }]));
    let actions = script.judges(2, &mutated);
    assert!(matches!(dropped(&actions, 2), Some(DisconnectReason::Misbehaved(Offence::MutatedBlock { .. }))));
    assert_eq!(asked(&actions, 3), [item]);
    assert!(matches!(script.says(3, Message::Block(Arc::new(chain[0].clone())))[..], [Action::SubmitBlock { .. }]));
    script.judges(3, &chain[0]);
    assert_eq!(script.world.tip().1, chain[0].block_hash());
}

#[test]
fn invalid_headers_and_blocks_end_the_connection_and_early_ones_do_not() {
    let mut script = Script::new();
    for (peer, verdict, is_dropped) in [
        (1, HeadersVerdict::Invalid { reason: "high-hash".into() }, true),
        (2, HeadersVerdict::TooEarly, false),
        (3, HeadersVerdict::Failed { reason: "disk".into() }, false),
    ] {
        script.friend(peer);
        let event = Event::HeadersVerdict { peer: PeerId(peer), last: BlockHash::all_zeros(), count: 1, verdict };
        assert_eq!(dropped(&script.event(event), peer).is_some(), is_dropped);
    }
    for (peer, verdict, is_dropped) in [
        (4, BlockVerdict::Invalid { reason: "bad-cb-amount".into() }, true),
        (5, BlockVerdict::RetryLater, false),
        (6, BlockVerdict::Failed { reason: "disk".into() }, false),
        (7, BlockVerdict::UnknownParent, false),
    ] {
        script.friend(peer);
        let event = Event::BlockVerdict { peer: PeerId(peer), hash: BlockHash::all_zeros(), verdict };
        assert_eq!(dropped(&script.event(event), peer).is_some(), is_dropped);
    }
}

#[test]
fn new_blocks_are_announced_as_headers_to_those_who_like_it() {
    let mut script = Script::new();
    (1..=3).for_each(|peer| script.friend(peer));
    script.says(1, Message::SendHeaders);
    let chain = branch(10, 1);
    script.announces(3, &chain[..1]);
    script.judges(3, &chain[0]);
    let actions = script.event(Event::NewTip);
    assert_eq!(sent(&actions, 1), [&Message::Headers(vec![chain[0].header])]);
    assert_eq!(sent(&actions, 2), [&Message::Inv(vec![Inventory::Block(chain[0].block_hash())])]);
    assert!(sent(&actions, 3).is_empty(), "it told us");
    // More than eight at once: only the tip is named.
    chain[1..].iter().for_each(|block| drop(script.judges(9, block)));
    let actions = script.event(Event::NewTip);
    assert_eq!(sent(&actions, 1), [&Message::Inv(vec![Inventory::Block(chain[9].block_hash())])]);
    // A reorganisation is announced from the fork on.
    let fork = [mine(chain[8].block_hash(), 10, 2, vec![])];
    let top = mine(fork[0].block_hash(), 11, 2, vec![]);
    script.judges(9, &fork[0]);
    script.judges(9, &top);
    let actions = script.event(Event::NewTip);
    assert_eq!(
        sent(&actions, 1),
        [&Message::Inv(vec![Inventory::Block(top.block_hash())])],
        "the fork is too far back to tell"
    );
    let next = mine(top.block_hash(), 12, 2, vec![]);
    let over = mine(top.block_hash(), 12, 3, vec![]);
    let again = mine(over.block_hash(), 13, 3, vec![]);
    script.judges(9, &next);
    script.event(Event::NewTip);
    script.judges(9, &over);
    script.judges(9, &again);
    let actions = script.event(Event::NewTip);
    assert_eq!(sent(&actions, 1), [&Message::Headers(vec![over.header, again.header])]);
}

#[test]
fn a_peer_gets_one_block_and_then_reads_it() {
    let mut script = Script::new();
    script.friend(1);
    script.world.mine(3, 1);
    let hashes: Vec<BlockHash> =
        script.world.headers_after(&[], BlockHash::all_zeros(), 9).iter().map(|h| h.block_hash()).collect();
    let missing = Inventory::WitnessBlock(BlockHash::all_zeros());
    let wishes = vec![Inventory::WitnessBlock(hashes[0]), Inventory::Block(hashes[1]), missing];
    let drained = Event::Drained { peer: PeerId(1) };
    assert!(matches!(sent(&script.says(1, Message::GetData(wishes)), 1)[..], [Message::Block(_)]));
    assert!(script.says(1, Message::GetData(vec![Inventory::CompactBlock(hashes[2])])).is_empty());
    assert!(matches!(sent(&script.event(drained.clone()), 1)[..], [Message::BlockWithoutWitness(_)]));
    let rest = script.event(drained.clone());
    assert!(matches!(sent(&rest, 1)[..], [Message::CompactBlock(_), Message::NotFound(_)]), "{rest:?}");
    assert!(script.event(drained).is_empty());
}

#[test]
fn headers_are_given_after_the_locator() {
    let mut script = Script::new();
    script.friend(1);
    script.world.mine(5, 1);
    let all = script.world.headers_after(&[], BlockHash::all_zeros(), 9);
    let request = GetHeadersMessage {
        version: 70_016,
        locator_hashes: vec![BlockHash::all_zeros(), all[1].block_hash()],
        stop_hash: all[3].block_hash(),
    };
    let actions = script.says(1, Message::GetHeaders(request));
    assert_eq!(sent(&actions, 1), [&Message::Headers(all[2..4].to_vec())]);
}

#[test]
fn addresses_are_told_once_to_who_came_and_kept_over_a_restart() {
    let mut script = Script::new();
    script.friend(1);
    let list = (1..=50).map(|i| AddrV2Message {
        time: 1_799_900_000,
        services: ServiceFlags::NETWORK | ServiceFlags::WITNESS,
        addr: AddrV2::Ipv4([10, i, 0, 1].into()),
        port: 7602,
    });
    script.wait(60);
    script.says(1, Message::AddrV2(list.collect()));
    let bytes = script.node.addresses();
    let config = NodeConfig { addresses: bytes, dial_learned: true, seed: 2, ..NodeConfig::default() };
    script.node = Node::new(config, script.now);
    script.friend(2);
    let told = script.says(2, Message::GetAddr);
    let [Message::Addr(told)] = sent(&told, 2)[..] else { panic!("addresses") };
    assert_eq!(told.len(), 7, "one, and one for each ten seconds of that minute");
    assert!(script.says(2, Message::GetAddr).is_empty());
    let dialled: BTreeSet<String> = script
        .wait(20)
        .into_iter()
        .filter_map(|a| if let Action::Connect { target } = a { Some(target) } else { None })
        .collect();
    assert!(!dialled.is_empty() && dialled.iter().all(|target| target.starts_with("10.")));
}
