//! Header sync and block download of one node against peers whose chain lacks work, changes, or comes too late.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use mycoin_p2p::{Action, DisconnectReason, Event, Host as _, Message, Node, NodeConfig, PeerId, Time, World as _};
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Block, BlockHash, Header, Network, TxMerkleNode};

use crate::protocol::version;
use crate::toy::{ToyWorld, mine};

/// Headers in a message.
const FULL: usize = 2_000;

struct Stage {
    node: Node,
    world: ToyWorld,
    now: Time,
}

/// What came of a peer's headers.
#[derive(Debug, Default)]
struct Outcome {
    requests: usize,
    submitted: usize,
    dropped: Option<DisconnectReason>,
    /// The most headers and bits in memory.
    elements: (usize, usize),
}

impl Stage {
    fn new() -> Self {
        Self::at(1_800_000_000)
    }

    fn at(seconds: u64) -> Self {
        let now = Time::from_unix_millis(seconds * 1_000);
        Self { node: Node::new(NodeConfig { seed: 1, ..NodeConfig::default() }, now), world: ToyWorld::new(), now }
    }

    fn event(&mut self, event: Event) -> Vec<Action> {
        self.node.handle(self.now, event, &self.world)
    }

    fn says(&mut self, peer: u64, message: Message) -> Vec<Action> {
        self.event(Event::Received { peer: PeerId(peer), message })
    }

    /// A peer with a complete handshake; what the node did last.
    fn friend(&mut self, peer: u64, target: Option<&str>) -> Vec<Action> {
        let address = ([10, 0, peer as u8, 1], 5_000).into();
        self.event(Event::Connected { peer: PeerId(peer), address, target: target.map(str::to_owned) });
        self.says(peer, version(peer, 70_016));
        self.says(peer, Message::Verack)
    }

    /// Lets time pass; pings are answered.
    fn wait(&mut self, seconds: u64) -> Vec<Action> {
        let mut all = Vec::new();
        for _ in 0..seconds * 2 {
            self.now = self.now.after(Duration::from_millis(500));
            let actions = self.event(Event::Tick);
            for action in &actions {
                if let Action::Send { peer, message: Message::Ping(nonce) } = action {
                    self.says(peer.0, Message::Pong(*nonce));
                }
            }
            all.extend(actions);
        }
        all
    }

    /// Lets the peer answer each request for headers, until none comes any more.
    fn answers(
        &mut self,
        peer: u64,
        first: Vec<Action>,
        answer: impl Fn(usize, &[BlockHash]) -> Vec<Header>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut actions = VecDeque::from(first);
        while let Some(action) = actions.pop_front() {
            let more = match action {
                Action::Send { peer: to, message: Message::GetHeaders(request) } if to == PeerId(peer) => {
                    outcome.requests += 1;
                    self.says(peer, Message::Headers(answer(outcome.requests, &request.locator_hashes)))
                }
                Action::SubmitHeaders { peer, headers } => {
                    outcome.submitted += headers.len();
                    let verdict = self.world.submit_headers(&headers);
                    let last = headers.last().expect("never empty").block_hash();
                    self.event(Event::HeadersVerdict { peer, last, count: headers.len(), verdict })
                }
                Action::Disconnect { reason, .. } => {
                    outcome.dropped = Some(reason);
                    Vec::new()
                }
                _ => Vec::new(),
            };
            actions.extend(more);
            let (headers, bits) = self.node.presync_elements();
            outcome.elements = (outcome.elements.0.max(headers), outcome.elements.1.max(bits));
        }
        outcome
    }

    fn gives(&mut self, peer: u64, block: &Block) -> Vec<Action> {
        let mut actions = self.says(peer, Message::Block(Arc::new(block.clone())));
        if actions.iter().any(|action| matches!(action, Action::SubmitBlock { .. })) {
            let verdict = self.world.submit_block(Arc::new(block.clone()));
            actions.extend(self.event(Event::BlockVerdict { peer: PeerId(peer), hash: block.block_hash(), verdict }));
        }
        actions
    }
}

fn genesis() -> BlockHash {
    ToyWorld::new().tip().1
}

/// Headers on genesis with their proof of work; each branch is another chain.
fn headers(count: u32, branch: u32) -> Vec<Header> {
    let mut parent = genesis();
    let bits = Network::regtest().pow_limit;
    let next = |height| {
        let mut header = Header {
            version: Version::from_consensus(0x2000_0000),
            prev_blockhash: parent,
            merkle_root: TxMerkleNode::all_zeros(),
            time: 1_700_000_000 + branch + height,
            bits,
            nonce: 0,
        };
        let target = header.target();
        parent = loop {
            match header.validate_pow(target) {
                Ok(hash) => break hash,
                Err(_) => header.nonce += 1,
            }
        };
        header
    };
    (1..=count).map(next).collect()
}

/// What a peer with this chain answers.
fn after(chain: &[Header], locator: &[BlockHash]) -> Vec<Header> {
    let known = |hash: &BlockHash| chain.iter().position(|header| header.prev_blockhash == *hash);
    let is_last = locator.first() == chain.last().map(Header::block_hash).as_ref();
    let from = if is_last { chain.len() } else { locator.iter().find_map(known).unwrap_or(0) };
    chain.iter().skip(from).take(FULL).copied().collect()
}

fn blocks(count: u32) -> Vec<Block> {
    let mut parent = genesis();
    let next = |height| {
        let block = mine(parent, height, 1, Vec::new());
        parent = block.block_hash();
        block
    };
    (1..=count).map(next).collect()
}

/// Heights in `chain` of the blocks that the peer is asked for.
fn asked(actions: &[Action], of: u64, chain: &[Block]) -> Vec<usize> {
    let lists = actions.iter().filter_map(|action| match action {
        Action::Send { peer, message: Message::GetData(list) } if *peer == PeerId(of) => Some(list),
        _ => None,
    });
    let height = |item: &Inventory| match item {
        Inventory::WitnessBlock(hash) => chain.iter().position(|block| block.block_hash() == *hash).map(|at| at + 1),
        _ => None,
    };
    lists.flatten().filter_map(height).collect()
}

fn dropped(actions: &[Action], who: u64) -> Option<&DisconnectReason> {
    actions.iter().find_map(|action| match action {
        Action::Disconnect { peer, reason } if *peer == PeerId(who) => Some(reason),
        _ => None,
    })
}

#[test]
fn a_hundred_thousand_headers_without_work_leave_some_hundred_bits() {
    let mut stage = Stage::new();
    stage.world.demand(1_000_000);
    let chain = headers(100_000, 1);
    let begin = stage.friend(1, None);
    let outcome = stage.answers(1, begin, |turn, _| chain.iter().skip((turn - 1) * FULL).take(FULL).copied().collect());
    assert_eq!(outcome.requests, 51, "the last answer is empty");
    assert_eq!((outcome.submitted, outcome.dropped), (0, None), "nothing is kept, and nobody blamed");
    assert_eq!(outcome.elements.0, 0, "no header stays in memory");
    assert!((363..=364).contains(&outcome.elements.1), "one bit in 275 headers: {:?}", outcome.elements);
    assert_eq!(stage.node.presync_elements(), (0, 0), "and none of them after the end");
}

#[test]
fn a_chain_with_enough_work_comes_in_two_passes() {
    let mut stage = Stage::new();
    stage.world.demand(10_000);
    let chain = headers(12_000, 1);
    let begin = stage.friend(1, None);
    let outcome = stage.answers(1, begin, |_, locator| after(&chain, locator));
    let last = chain.last().expect("some").block_hash();
    assert_eq!(stage.world.header_height(&last).map(|height| height.to_u32()), Some(12_000));
    assert_eq!((outcome.submitted, outcome.dropped), (12_000, None));
    assert!(outcome.requests <= 13, "two passes: {}", outcome.requests);
    assert!(outcome.elements.0 <= 7_017 + FULL && outcome.elements.1 <= 44, "{:?}", outcome.elements);
    assert_eq!(stage.node.presync_elements(), (0, 0));
}

#[test]
fn a_peer_that_switches_chains_between_the_passes_is_dropped_before_anything_is_kept() {
    let mut stage = Stage::new();
    stage.world.demand(10_000);
    let (shown, given) = (headers(10_000, 1), headers(10_000, 500));
    let begin = stage.friend(1, None);
    let outcome = stage.answers(1, begin, |turn, locator| {
        // Five full messages reach the work; then all is asked for again.
        if turn <= 5 { after(&shown, locator) } else { after(&given, locator) }
    });
    assert_eq!((outcome.submitted, outcome.dropped), (0, Some(DisconnectReason::HeadersSwitched)));
}

#[test]
fn work_counts_to_the_last_block() {
    for (demanded, submitted) in [(10, 10), (11, 0)] {
        let mut stage = Stage::new();
        stage.world.demand(demanded);
        let chain = headers(10, 1);
        let begin = stage.friend(1, None);
        let outcome = stage.answers(1, begin, |_, locator| after(&chain, locator));
        assert_eq!((outcome.submitted, outcome.dropped, outcome.requests), (submitted, None, 1));
    }
}

#[test]
fn a_chain_longer_than_time_allows_is_given_up() {
    // At genesis' own time: two hours ahead have room for 43,200 blocks, of which 157 leave a bit.
    let mut stage = Stage::at(1_296_688_602);
    stage.world.demand(1_000_000);
    let chain = headers(44_000, 1);
    let begin = stage.friend(1, None);
    let outcome = stage.answers(1, begin, |turn, _| chain.iter().skip((turn - 1) * FULL).take(FULL).copied().collect());
    assert_eq!((outcome.submitted, outcome.dropped), (0, None));
    assert!((22..=23).contains(&outcome.requests), "{}", outcome.requests);
    assert!(outcome.elements.1 <= 157);
}

#[test]
fn headers_below_their_target_are_an_offence_before_they_count() {
    let mut stage = Stage::new();
    stage.world.demand(10_000);
    let mut chain = headers(FULL as u32, 1);
    let last = chain.last_mut().expect("some");
    while last.validate_pow(last.target()).is_ok() {
        last.nonce += 1;
    }
    let begin = stage.friend(1, None);
    let outcome = stage.answers(1, begin, |_, locator| after(&chain, locator));
    assert!(matches!(outcome.dropped, Some(DisconnectReason::Misbehaved(_))), "{outcome:?}");
    assert_eq!(outcome.submitted, 0);
}

#[test]
fn a_block_that_nobody_asked_for_needs_work_as_well() {
    let mut stage = Stage::new();
    stage.friend(1, None);
    let chain = blocks(1);
    stage.world.demand(2);
    let push = Message::Block(Arc::new(chain[0].clone()));
    assert!(!stage.says(1, push.clone()).iter().any(|action| matches!(action, Action::SubmitBlock { .. })));
    stage.world.demand(1);
    assert!(stage.says(1, push).iter().any(|action| matches!(action, Action::SubmitBlock { .. })));
}

#[test]
fn a_peer_has_a_quarter_of_an_hour_for_its_headers_and_a_millisecond_for_each() {
    let mut stage = Stage::new();
    stage.friend(1, None);
    let begin = stage.friend(2, None);
    stage.answers(2, begin, |_, _| Vec::new());
    // The toy's world expects 60,000 headers.
    assert_eq!(dropped(&stage.wait(15 * 60 + 59), 1), None);
    let actions = stage.wait(2);
    assert_eq!(dropped(&actions, 1), Some(&DisconnectReason::HeadersTimeout));
    assert_eq!(dropped(&actions, 2), None, "it has no more");
}

#[test]
fn a_peer_of_our_choice_that_stays_behind_is_asked_once_more_and_let_go() {
    let mut stage = Stage::new();
    stage.world.mine(10, 1);
    for (peer, target) in [(1, Some("peer:1")), (2, None)] {
        let begin = stage.friend(peer, target);
        stage.answers(peer, begin, |_, _| Vec::new());
    }
    let asks = |actions: &[Action]| {
        let is_ask =
            |action: &&Action| matches!(action, Action::Send { peer: PeerId(1), message: Message::GetHeaders(_) });
        actions.iter().filter(is_ask).count()
    };
    let actions = stage.wait(20 * 60);
    assert_eq!((dropped(&actions, 1), asks(&actions)), (None, 0));
    let actions = stage.wait(2 * 60);
    assert_eq!((dropped(&actions, 1), asks(&actions)), (None, 1));
    let actions = stage.wait(3);
    assert_eq!(dropped(&actions, 1), Some(&DisconnectReason::ChainBehind));
    assert_eq!(dropped(&actions, 2), None, "who came to us may be behind");
}

#[test]
fn four_peers_that_were_where_we_are_may_fall_behind() {
    let mut stage = Stage::new();
    stage.world.mine(1, 1);
    let tip = stage.world.headers_after(&[], stage.world.tip().1, 1);
    for peer in 1..=5 {
        let begin = stage.friend(peer, Some(&format!("peer:{peer}")));
        stage.answers(peer, begin, |_, _| tip.clone());
    }
    stage.wait(2);
    stage.world.mine(1, 1);
    let actions = stage.wait(23 * 60);
    let gone: Vec<u64> = (1..=5).filter(|peer| dropped(&actions, *peer).is_some()).collect();
    assert_eq!(gone.len(), 1, "{gone:?}");
}

#[test]
fn a_block_that_a_peer_passes_over_moves_though_it_gives_others() {
    let mut stage = Stage::new();
    let chain = blocks(16);
    let headers: Vec<Header> = chain.iter().map(|block| block.header).collect();
    let begin = stage.friend(1, None);
    stage.answers(1, begin, |_, _| headers.clone());
    let begin = stage.friend(2, None);
    stage.answers(2, begin, |_, _| headers.clone());
    let mut moved = Vec::new();
    for (half_seconds, block) in chain[1..].iter().enumerate() {
        stage.gives(1, block);
        let mut actions = Vec::new();
        for _ in 0..5 {
            stage.now = stage.now.after(Duration::from_millis(100));
            actions.extend(stage.event(Event::Tick));
        }
        moved.extend(asked(&actions, 2, &chain).into_iter().map(|height| (height, half_seconds)));
    }
    assert!(matches!(moved[..], [(1, 0..=4)]), "within some two seconds: {moved:?}");
    stage.gives(2, &chain[0]);
    assert_eq!(stage.world.tip().0.to_u32(), 16);
}

#[test]
fn blocks_are_asked_for_in_a_window_above_the_tip() {
    let mut stage = Stage::new();
    let chain = blocks(1_030);
    let headers: Vec<Header> = chain.iter().map(|block| block.header).collect();
    let begin = stage.friend(1, None);
    stage.world.submit_headers(&headers);
    let mut actions = stage.says(1, Message::Headers(headers));
    drop(begin);
    let mut highest = 0;
    loop {
        let heights = asked(&actions, 1, &chain);
        highest = highest.max(heights.iter().copied().max().unwrap_or(0));
        actions = heights.iter().filter(|height| **height > 1).flat_map(|h| stage.gives(1, &chain[h - 1])).collect();
        if actions.is_empty() {
            break;
        }
    }
    assert_eq!(highest, 1_024);
    let actions = stage.gives(1, &chain[0]);
    assert_eq!(asked(&actions, 1, &chain), [1_025, 1_026, 1_027, 1_028, 1_029, 1_030]);
}

#[test]
fn block_download_goes_on_after_a_restart_without_its_headers_coming_again() {
    let mut stage = Stage::new();
    let chain = blocks(40);
    let headers: Vec<Header> = chain.iter().map(|block| block.header).collect();
    stage.world.submit_headers(&headers);
    for block in &chain[..10] {
        stage.world.submit_block(Arc::new(block.clone()));
    }
    let begin = stage.friend(1, None);
    let request = begin.iter().find_map(|action| match action {
        Action::Send { message: Message::GetHeaders(request), .. } => Some(request.locator_hashes.clone()),
        _ => None,
    });
    let answer = after(&headers, &request.expect("it is asked for headers"));
    assert_eq!(answer, headers[39..], "one header shows that it is where we are");
    let actions = stage.says(1, Message::Headers(answer));
    assert_eq!(asked(&actions, 1, &chain), (11..=26).collect::<Vec<_>>());
}
