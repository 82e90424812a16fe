//! Compact blocks (BIP152): their bytes by hand, and one node against peers that send and want them.

use std::sync::Arc;
use std::time::Duration;

use mycoin_p2p::{
    Action, BlockVerdict, CodecError, CompactError, Decoder, DisconnectReason, Event, HeadersVerdict, Host as _,
    Message, Node, NodeConfig, Offence, PeerId, Time, TransactionVerdict, World as _, encode,
};
use mycoin_primitives::bitcoin::bip152::{
    BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds, PrefilledTransaction, ShortId,
};
use mycoin_primitives::bitcoin::consensus::serialize;
use mycoin_primitives::bitcoin::p2p::Magic;
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::hashes::{Hash as _, sha256d};
use mycoin_primitives::{Block, BlockHash, Transaction};

use crate::protocol::version;
use crate::toy::{ToyWorld, mine, payment, root};

struct Script {
    node: Node,
    world: ToyWorld,
    now: Time,
}

impl Script {
    fn new() -> Self {
        let now = Time::from_unix_millis(1_800_000_000_000);
        Self { node: Node::new(NodeConfig { seed: 1, ..NodeConfig::default() }, now), world: ToyWorld::new(), now }
    }

    fn event(&mut self, event: Event) -> Vec<Action> {
        self.node.handle(self.now, event, &self.world)
    }

    fn says(&mut self, peer: u64, message: Message) -> Vec<Action> {
        self.event(Event::Received { peer: PeerId(peer), message })
    }

    fn wait(&mut self, millis: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        for _ in 0..millis / 100 {
            self.now = self.now.after(Duration::from_millis(100));
            actions.extend(self.event(Event::Tick));
        }
        actions
    }

    /// A peer with a complete handshake that knows compact blocks.
    fn friend(&mut self, peer: u64, target: Option<&str>) {
        let target = target.map(str::to_owned);
        self.event(Event::Connected { peer: PeerId(peer), address: ([10, 0, 0, peer as u8], 5_000).into(), target });
        self.says(peer, version(peer, 70_016));
        self.says(peer, Message::WtxidRelay);
        self.says(peer, Message::Verack);
        self.says(peer, Message::SendCompact { high_bandwidth: false, version: 2 });
        self.says(peer, Message::Headers(vec![]));
        self.wait(1_000);
    }

    /// Judges the headers that were submitted, and gives what follows.
    fn judge_headers(&mut self, actions: Vec<Action>) -> Vec<Action> {
        let mut after = Vec::new();
        for action in actions {
            if let Action::SubmitHeaders { peer, headers } = action {
                let verdict = self.world.submit_headers(&headers);
                let last = headers.last().expect("some").block_hash();
                after.extend(self.event(Event::HeadersVerdict { peer, last, count: headers.len(), verdict }));
            } else {
                after.push(action);
            }
        }
        after
    }

    /// The peer sends a compact block, and its header is judged.
    fn compact(&mut self, peer: u64, compact: &HeaderAndShortIds) -> Vec<Action> {
        let actions = self.says(peer, Message::CompactBlock(Arc::new(compact.clone())));
        self.judge_headers(actions)
    }

    fn announces(&mut self, peer: u64, block: &Block) -> Vec<Action> {
        let actions = self.says(peer, Message::Headers(vec![block.header]));
        self.judge_headers(actions)
    }

    /// Judges the block that was submitted.
    fn judge(&mut self, actions: &[Action]) -> Vec<Action> {
        let (peer, block) = submitted(actions).expect("a block");
        let verdict = self.world.submit_block(Arc::new(block.clone()));
        let mut after = self.event(Event::BlockVerdict { peer, hash: block.block_hash(), verdict });
        if self.world.take_news().is_tip_new {
            after.extend(self.event(Event::NewTip));
        }
        after
    }

    /// A block with payments on the tip.
    fn next_block(&self, payments: &[Transaction]) -> Block {
        let (height, tip) = self.world.tip();
        mine(tip, height.to_u32() + 1, 9, payments.to_vec())
    }

    /// The peer gives a block by which it becomes one that announces by compact blocks.
    fn promote(&mut self, peer: u64) -> Vec<Action> {
        let block = self.next_block(&[]);
        self.announces(peer, &block);
        let actions = self.says(peer, Message::Block(Arc::new(block)));
        self.judge(&actions)
    }

    fn adds(&mut self, transaction: &Transaction) {
        assert_eq!(self.world.submit_transaction(Arc::new(transaction.clone())), TransactionVerdict::Accepted);
        self.world.take_news();
    }
}

fn sent(actions: &[Action], to: u64) -> Vec<&Message> {
    let to = PeerId(to);
    let sent = |action| match action {
        &Action::Send { peer, ref message } if peer == to => Some(message),
        _ => None,
    };
    actions.iter().filter_map(sent).collect()
}

fn asked(actions: &[Action], to: u64) -> Vec<Inventory> {
    let items = |message: &Message| if let Message::GetData(items) = message { items.clone() } else { vec![] };
    sent(actions, to).into_iter().flat_map(items).collect()
}

/// The places whose transactions the peer was asked for.
fn rest(actions: &[Action], to: u64) -> Option<Vec<u64>> {
    sent(actions, to).into_iter().find_map(|message| match message {
        Message::GetBlockTransactions(request) => Some(request.indexes.clone()),
        _ => None,
    })
}

fn submitted(actions: &[Action]) -> Option<(PeerId, Block)> {
    actions.iter().find_map(|action| match action {
        Action::SubmitBlock { peer, block } => Some((*peer, Arc::unwrap_or_clone(block.whole()))),
        _ => None,
    })
}

fn dropped(actions: &[Action]) -> Option<&DisconnectReason> {
    actions.iter().find_map(|action| if let Action::Disconnect { reason, .. } = action { Some(reason) } else { None })
}

fn compact(block: &Block) -> HeaderAndShortIds {
    HeaderAndShortIds::from_block(block, 7, 2, &[]).expect("a version that it knows")
}

fn payments(count: u32) -> Vec<Transaction> {
    (0..count).map(|number| payment(root(), number)).collect()
}

fn given(block: &Block, places: &[usize]) -> Message {
    let transactions = places.iter().map(|&place| block.txdata[place].clone()).collect();
    Message::BlockTransactions(BlockTransactions { block_hash: block.block_hash(), transactions })
}

/// A v1 message of those bytes.
fn framed(command: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Magic::REGTEST.to_bytes().to_vec();
    bytes.extend(command.bytes().chain(std::iter::repeat(0)).take(12));
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend(&sha256d::Hash::hash(payload).to_byte_array()[..4]);
    bytes.extend(payload);
    bytes
}

fn decoded(command: &str, payload: &[u8]) -> Result<Message, CodecError> {
    let mut decoder = Decoder::new(Magic::REGTEST);
    // What is long comes after the handshake.
    decoder.push(&encode(Magic::REGTEST, &version(1, 70_016)));
    decoder.push(&encode(Magic::REGTEST, &Message::Verack));
    decoder.push(&framed(command, payload));
    decoder.next_message()?;
    decoder.next_message()?;
    Ok(decoder.next_message()?.expect("it is whole"))
}

#[test]
fn the_messages_have_the_bytes_of_the_specification() {
    let block = mine(ToyWorld::new().tip().1, 1, 1, payments(3));
    let wtxid = |place: usize| ShortId::with_siphash_keys(&block.txdata[place].compute_wtxid(), (1, 2));
    let cases = [
        ("sendcmpct", vec![1, 2, 0, 0, 0, 0, 0, 0, 0], Message::SendCompact { high_bandwidth: true, version: 2 }),
        ("sendcmpct", vec![0, 1, 0, 0, 0, 0, 0, 0, 0], Message::SendCompact { high_bandwidth: false, version: 1 }),
        (
            "cmpctblock",
            [
                serialize(&block.header),
                vec![8, 7, 6, 5, 4, 3, 2, 1],
                vec![2],
                wtxid(1).to_bytes().to_vec(),
                wtxid(3).to_bytes().to_vec(),
                vec![2, 0],
                serialize(&block.txdata[0]),
                // The place 2: one lies between it and the place 0.
                vec![1],
                serialize(&block.txdata[2]),
            ]
            .concat(),
            Message::CompactBlock(Arc::new(HeaderAndShortIds {
                header: block.header,
                nonce: 0x0102_0304_0506_0708,
                short_ids: vec![wtxid(1), wtxid(3)],
                prefilled_txs: vec![
                    PrefilledTransaction { idx: 0, tx: block.txdata[0].clone() },
                    PrefilledTransaction { idx: 1, tx: block.txdata[2].clone() },
                ],
            })),
        ),
        (
            "getblocktxn",
            // The places 1, 2, 5 and 305, by the distances between them.
            [serialize(&block.block_hash()), vec![4, 1, 0, 2, 253, 43, 1]].concat(),
            Message::GetBlockTransactions(BlockTransactionsRequest {
                block_hash: block.block_hash(),
                indexes: vec![1, 2, 5, 305],
            }),
        ),
        (
            "blocktxn",
            [serialize(&block.block_hash()), vec![1], serialize(&block.txdata[1])].concat(),
            given(&block, &[1]),
        ),
    ];
    for (command, payload, message) in cases {
        assert_eq!(encode(Magic::REGTEST, &message), framed(command, &payload));
        assert_eq!(decoded(command, &payload), Ok(message));
        assert!(decoded(command, &payload[..payload.len() - 1]).is_err(), "{command} cut short");
    }
}

#[test]
fn impossible_bytes_are_refused_before_memory_is_taken() {
    let header = [0; 88].as_slice();
    let hash = [0; 32].as_slice();
    let [most, more] = [[254, 255, 255, 255, 255].as_slice(), &[255; 9]];
    for (command, payload) in [
        ("sendcmpct", vec![2, 2, 0, 0, 0, 0, 0, 0, 0]),
        ("cmpctblock", [header, most, &[0; 10]].concat()),
        ("cmpctblock", [header, more, &[0; 10]].concat()),
        ("cmpctblock", [header, &[0], most, &[0; 10]].concat()),
        ("cmpctblock", [header, &[0], more, &[0; 10]].concat()),
        ("cmpctblock", [header, &[0]].concat()),
        ("cmpctblock", header.to_vec()),
        ("getblocktxn", [hash, most, &[0; 10]].concat()),
        ("getblocktxn", [hash, more, &[0; 10]].concat()),
        ("getblocktxn", [hash, &[2], more, &[0]].concat()),
        ("getblocktxn", [hash, &[1], more].concat()),
        ("blocktxn", [hash, most, &[0; 10]].concat()),
        ("blocktxn", [hash, more, &[0; 10]].concat()),
        ("blocktxn", hash.to_vec()),
    ] {
        assert!(matches!(decoded(command, &payload), Err(CodecError::Payload { .. })), "{command} {payload:?}");
    }
    // More than a block can hold, and more than there may be.
    let many = [hash, &[253, 32, 78], &[0; 20_000]].concat();
    assert!(decoded("getblocktxn", &many).is_ok());
    let over = [hash, &[254, 0, 0, 1, 0], &vec![0; 65_536]].concat();
    assert!(decoded("getblocktxn", &over).is_err());
}

#[test]
fn who_gives_a_new_block_is_asked_to_announce_by_compact_blocks_and_so_are_the_last_three() {
    let mut script = Script::new();
    let told = |actions: &[Action], peer: u64| {
        sent(actions, peer).into_iter().find_map(|message| match message {
            Message::SendCompact { high_bandwidth, version: 2 } => Some(*high_bandwidth),
            _ => None,
        })
    };
    (1..=3).for_each(|peer| script.friend(peer, None));
    script.friend(4, Some("4"));
    script.friend(5, None);
    assert_eq!(told(&script.promote(4), 4), Some(true));
    assert_eq!(told(&script.promote(1), 1), Some(true));
    assert_eq!(told(&script.promote(2), 2), Some(true));
    assert_eq!(told(&script.promote(1), 1), None, "it knows");
    let actions = script.promote(3);
    assert_eq!((told(&actions, 3), told(&actions, 4)), (Some(true), None), "the one that we chose stays");
    assert_eq!(
        (told(&actions, 1), told(&actions, 2)),
        (None, Some(false)),
        "of the others the one that was silent longest"
    );
    let peers = script.node.peers(script.now, &script.world);
    assert_eq!(peers.iter().map(|peer| peer.compact_to).collect::<Vec<_>>(), [true, false, true, true, false]);
    script.event(Event::Disconnected { peer: PeerId(3) });
    let actions = script.promote(5);
    assert_eq!((told(&actions, 5), told(&actions, 1)), (Some(true), None), "there is a place again");
}

#[test]
fn a_block_of_known_transactions_needs_no_question() {
    let mut script = Script::new();
    script.friend(1, None);
    script.promote(1);
    let payments = payments(5);
    payments.iter().for_each(|tx| script.adds(tx));
    let block = script.next_block(&payments);
    let actions = script.compact(1, &compact(&block));
    assert!(sent(&actions, 1).is_empty());
    assert_eq!(submitted(&actions), Some((PeerId(1), block.clone())));
    script.judge(&actions);
    assert_eq!(script.world.tip().1, block.block_hash());
    assert_eq!(script.node.requests_under_way(), 0);
}

#[test]
fn what_is_missing_is_asked_for_once_and_more_of_it_is_ignored() {
    let mut script = Script::new();
    script.friend(1, None);
    script.promote(1);
    let payments = payments(5);
    script.adds(&payments[1]);
    let block = script.next_block(&payments);
    let actions = script.compact(1, &compact(&block));
    assert_eq!(rest(&actions, 1), Some(vec![1, 3, 4, 5]));
    assert!(script.compact(1, &compact(&block)).is_empty(), "the same again");
    let answer = given(&block, &[1, 3, 4, 5]);
    let actions = script.says(1, answer.clone());
    assert_eq!(submitted(&actions), Some((PeerId(1), block.clone())));
    assert!(script.says(1, answer.clone()).is_empty(), "it is being judged (CVE-2024-35202)");
    script.judge(&actions);
    assert!(script.says(1, answer).is_empty(), "it is here");
    assert!(script.says(1, given(&script.next_block(&[]), &[0])).is_empty(), "never asked for");
    assert_eq!(script.node.requests_under_way(), 0);
}

#[test]
fn a_refused_transaction_is_found_when_a_block_has_it() {
    let mut script = Script::new();
    script.friend(1, None);
    script.promote(1);
    let payments = payments(1);
    let transaction = Arc::new(payments[0].clone());
    script.says(1, Message::Transaction(Arc::clone(&transaction)));
    let verdict = TransactionVerdict::Refused { reason: "dust".to_owned() };
    script.event(Event::TransactionVerdict { peer: PeerId(1), transaction, verdict });
    let block = script.next_block(&payments);
    assert!(submitted(&script.compact(1, &compact(&block))).is_some());
}

#[test]
fn a_lone_block_at_the_tip_is_asked_for_as_a_compact_one_and_others_whole() {
    let mut script = Script::new();
    script.friend(1, None);
    let block = script.next_block(&payments(2));
    let actions = script.announces(1, &block);
    assert_eq!(asked(&actions, 1), [Inventory::CompactBlock(block.block_hash())]);
    let next = mine(block.block_hash(), 2, 1, vec![]);
    assert_eq!(asked(&script.announces(1, &next), 1), [Inventory::WitnessBlock(next.block_hash())]);
    assert_eq!(rest(&script.compact(1, &compact(&block)), 1), Some(vec![1, 2]));
    let stranger = script.next_block(&payments(3));
    script.friend(2, None);
    let actions = script.says(2, Message::CompactBlock(Arc::new(compact(&stranger))));
    assert!(matches!(actions[..], [Action::SubmitHeaders { .. }]), "unasked: only its header counts");
    assert!(rest(&script.judge_headers(actions), 2).is_none());
}

#[test]
fn impossible_compact_blocks_and_wrong_counts_are_blamed() {
    for (peer, change) in [(1, 0), (2, 1)] {
        let mut script = Script::new();
        script.friend(peer, None);
        script.promote(peer);
        let block = script.next_block(&payments(2));
        let mut bad = compact(&block);
        let error = if change == 0 {
            bad.prefilled_txs[0].idx = 3;
            CompactError::PrefilledOutOfRange { index: 3 }
        } else {
            bad.short_ids.clear();
            bad.prefilled_txs.clear();
            CompactError::Empty
        };
        let actions = script.compact(peer, &bad);
        let offence = Offence::InvalidCompactBlock { error };
        assert_eq!(dropped(&actions), Some(&DisconnectReason::Misbehaved(offence)));
    }
    let mut script = Script::new();
    script.friend(3, None);
    let block = script.next_block(&payments(2));
    script.announces(3, &block);
    assert!(rest(&script.compact(3, &compact(&block)), 3).is_some());
    let actions = script.says(3, given(&block, &[1]));
    let offence = Offence::InvalidCompactBlock { error: CompactError::WrongCount { given: 1, missing: 2 } };
    assert_eq!(dropped(&actions), Some(&DisconnectReason::Misbehaved(offence)));
    assert_eq!(script.node.requests_under_way(), 0);
}

#[test]
fn a_collision_is_nobodys_fault_and_the_whole_block_is_asked_for() {
    let mut script = Script::new();
    script.friend(1, None);
    script.promote(1);
    let block = script.next_block(&payments(3));
    let whole = [Inventory::WitnessBlock(block.block_hash())];
    // Two equal short ids.
    let mut bad = compact(&block);
    bad.short_ids[1] = bad.short_ids[0];
    let actions = script.compact(1, &bad);
    assert_eq!((asked(&actions, 1), dropped(&actions)), (whole.to_vec(), None));
    let actions = script.says(1, Message::Block(Arc::new(block.clone())));
    script.judge(&actions);

    // Transactions that are not the block's, and then the same message once more.
    let block = script.next_block(&payments(3)[1..]);
    script.compact(1, &compact(&block));
    let wrong = given(&block, &[2, 1]);
    let actions = script.says(1, wrong.clone());
    assert_eq!(asked(&actions, 1), [Inventory::WitnessBlock(block.block_hash())]);
    assert_eq!(dropped(&actions), None);
    let reason = DisconnectReason::Misbehaved(Offence::BlockTransactionsRepeated);
    assert_eq!(dropped(&script.says(1, wrong)), Some(&reason));
    assert_eq!(script.node.requests_under_way(), 0);
}

#[test]
fn no_verdict_on_a_block_that_was_put_together_is_blamed() {
    let mut script = Script::new();
    script.friend(1, None);
    script.promote(1);
    let block = script.next_block(&[]);
    let hash = block.block_hash();
    assert!(submitted(&script.compact(1, &compact(&block))).is_some());
    let verdict = BlockVerdict::Mutated { reason: "bad-witness-merkle-match".to_owned() };
    let actions = script.event(Event::BlockVerdict { peer: PeerId(1), hash, verdict });
    assert_eq!((asked(&actions, 1), dropped(&actions)), (vec![Inventory::WitnessBlock(hash)], None));
    let actions = script.says(1, Message::Block(Arc::new(block)));
    script.judge(&actions);
    assert_eq!(script.world.tip().1, hash);

    let block = script.next_block(&[]);
    assert!(submitted(&script.compact(1, &compact(&block))).is_some());
    let verdict = BlockVerdict::Invalid { reason: "bad-cb-amount".to_owned() };
    let actions = script.event(Event::BlockVerdict { peer: PeerId(1), hash: block.block_hash(), verdict });
    assert_eq!(dropped(&actions), None, "it may be relayed before it is judged");
    assert_eq!(script.node.requests_under_way(), 0);
}

#[test]
fn an_invalid_header_in_a_compact_block_is_blamed() {
    let mut script = Script::new();
    script.friend(1, None);
    script.promote(1);
    let block = script.next_block(&[]);
    script.says(1, Message::CompactBlock(Arc::new(compact(&block))));
    let verdict = HeadersVerdict::Invalid { reason: "high-hash".to_owned() };
    let event = Event::HeadersVerdict { peer: PeerId(1), last: block.block_hash(), count: 1, verdict };
    assert!(dropped(&script.event(event)).is_some());
    assert_eq!(script.node.requests_under_way(), 0);
}

#[test]
fn three_peers_are_asked_for_the_rest_and_the_last_place_is_for_one_that_we_chose() {
    let mut script = Script::new();
    for peer in 1..=3 {
        script.friend(peer, None);
        script.promote(peer);
    }
    let block = script.next_block(&payments(2));
    assert!(rest(&script.compact(1, &compact(&block)), 1).is_some());
    assert!(rest(&script.compact(2, &compact(&block)), 2).is_some());
    assert!(rest(&script.compact(3, &compact(&block)), 3).is_none(), "the third of those that came to us");
    assert_eq!(
        submitted(&script.says(2, given(&block, &[1, 2]))),
        Some((PeerId(2), block.clone())),
        "the second is faster"
    );

    let mut script = Script::new();
    for peer in 1..=3 {
        script.friend(peer, (peer == 3).then_some("3"));
        script.promote(peer);
    }
    let block = script.next_block(&payments(2));
    assert!(rest(&script.compact(1, &compact(&block)), 1).is_some());
    assert!(rest(&script.compact(2, &compact(&block)), 2).is_some());
    assert!(rest(&script.compact(3, &compact(&block)), 3).is_some());
    // All that is missing has come meanwhile: even a fourth peer's block is taken at once.
    script.friend(4, None);
    payments(2).iter().for_each(|tx| script.adds(tx));
    script.event(Event::Disconnected { peer: PeerId(2) });
    script.event(Event::Disconnected { peer: PeerId(1) });
    script.event(Event::Disconnected { peer: PeerId(3) });
    assert_eq!(asked(&script.announces(4, &block), 4), [Inventory::CompactBlock(block.block_hash())]);
    assert!(submitted(&script.compact(4, &compact(&block))).is_some());
}

/// The fourth peer has the block, whole, within five seconds, however the three before it announced it (CVE-2024-52922).
#[test]
fn three_silent_announcers_do_not_delay_a_block() {
    for by_compact in [true, false] {
        let mut script = Script::new();
        for peer in 1..=3 {
            script.friend(peer, (peer == 3).then_some("3"));
            script.promote(peer);
        }
        script.friend(4, None);
        let block = script.next_block(&payments(2));
        for peer in 1..=3 {
            if by_compact {
                assert!(rest(&script.compact(peer, &compact(&block)), peer).is_some());
            } else {
                script.announces(peer, &block);
            }
        }
        script.announces(4, &block);
        let mut seconds = 0;
        let item = loop {
            seconds += 1;
            assert!(seconds < 5, "too late");
            if let [item] = asked(&script.wait(1_000), 4)[..] {
                break item;
            }
        };
        assert_eq!(item, Inventory::CompactBlock(block.block_hash()));
        let actions = script.says(4, Message::Block(Arc::new(block.clone())));
        script.judge(&actions);
        assert_eq!(script.world.tip().1, block.block_hash());
        assert_eq!(script.node.requests_under_way(), 0);
        assert_eq!(dropped(&script.says(1, given(&block, &[1, 2]))), None, "late, and ignored");
    }
}

#[test]
fn compact_blocks_are_given_five_deep_and_their_transactions_ten_deep() {
    let mut script = Script::new();
    script.friend(1, None);
    script.world.mine(15, 1);
    script.world.take_news();
    let headers = script.world.headers_after(&[], BlockHash::all_zeros(), 99);
    let deep = |depth: usize| headers[headers.len() - 1 - depth].block_hash();
    for (depth, is_compact) in [(0, true), (4, true), (5, true), (6, false)] {
        let actions = script.says(1, Message::GetData(vec![Inventory::CompactBlock(deep(depth))]));
        match sent(&actions, 1)[..] {
            [Message::CompactBlock(compact)] => {
                assert!(is_compact);
                assert_eq!(compact.header.block_hash(), deep(depth));
            }
            [Message::Block(_)] => assert!(!is_compact, "{depth} deep"),
            _ => panic!("{actions:?}"),
        }
        script.event(Event::Drained { peer: PeerId(1) });
    }
    for (depth, is_part) in [(0, true), (9, true), (10, true), (11, false)] {
        let request = BlockTransactionsRequest { block_hash: deep(depth), indexes: vec![0] };
        let actions = script.says(1, Message::GetBlockTransactions(request));
        match sent(&actions, 1)[..] {
            [Message::BlockTransactions(given)] => {
                assert!(is_part);
                let block = script.world.block(&deep(depth)).expect("mined");
                assert_eq!(given.transactions, block.txdata[..1]);
            }
            [Message::Block(_)] => assert!(!is_part, "{depth} deep"),
            _ => panic!("{actions:?}"),
        }
        script.event(Event::Drained { peer: PeerId(1) });
    }
    let request = |hash, indexes| Message::GetBlockTransactions(BlockTransactionsRequest { block_hash: hash, indexes });
    assert!(script.says(1, request(BlockHash::all_zeros(), vec![0])).is_empty(), "unknown");
    let offence = Offence::BlockTransactionsOutOfRange { transactions: 1 };
    let reason = DisconnectReason::Misbehaved(offence);
    assert_eq!(dropped(&script.says(1, request(deep(0), vec![0, 1]))), Some(&reason));
}

#[test]
fn who_wants_it_hears_of_a_block_before_its_verdict_and_gets_it_after() {
    let mut script = Script::new();
    (1..=3).for_each(|peer| script.friend(peer, None));
    script.promote(1);
    script.says(2, Message::SendCompact { high_bandwidth: true, version: 2 });
    script.says(3, Message::SendCompact { high_bandwidth: true, version: 1 });
    assert!(script.node.peers(script.now, &script.world)[1].compact_from);
    let payments = payments(2);
    payments.iter().for_each(|tx| script.adds(tx));
    let block = script.next_block(&payments);
    let hash = block.block_hash();
    let actions = script.compact(1, &compact(&block));
    let [Message::CompactBlock(told)] = sent(&actions, 2)[..] else { panic!("{actions:?}") };
    assert_eq!(told.header, block.header);
    assert_ne!(told.nonce, 7, "a nonce of our own");
    assert!(sent(&actions, 3).is_empty(), "another version");
    let request = BlockTransactionsRequest { block_hash: hash, indexes: vec![2, 1] };
    let request = Message::GetBlockTransactions(BlockTransactionsRequest { indexes: vec![1, 2], ..request });
    assert_eq!(sent(&script.says(2, request), 2), [&given(&block, &[1, 2])]);
    assert!(script.says(2, Message::GetData(vec![Inventory::WitnessBlock(hash)])).is_empty(), "not judged yet");
    let after = script.judge(&actions);
    assert_eq!(sent(&after, 2), [&Message::Block(Arc::new(block))], "and not announced again");
    assert_eq!(sent(&after, 3).len(), 1, "announced as usual");
}

#[test]
fn our_own_block_is_announced_as_a_compact_one() {
    let mut script = Script::new();
    (1..=2).for_each(|peer| script.friend(peer, None));
    script.promote(1);
    for peer in 1..=2 {
        script.says(peer, Message::SendCompact { high_bandwidth: peer == 2, version: 2 });
    }
    script.world.mine(1, 1);
    let actions = script.event(Event::NewTip);
    assert!(matches!(sent(&actions, 2)[..], [Message::CompactBlock(_)]));
    assert!(matches!(sent(&actions, 1)[..], [Message::Inv(_)]));
    script.says(2, Message::SendCompact { high_bandwidth: false, version: 2 });
    script.world.mine(1, 1);
    assert!(matches!(sent(&script.event(Event::NewTip), 2)[..], [Message::Inv(_)]), "it no longer wants them");
}

#[test]
fn our_own_block_is_announced_before_its_verdict_and_given_after() {
    let mut script = Script::new();
    (1..=2).for_each(|peer| script.friend(peer, None));
    script.promote(1);
    script.says(2, Message::SendCompact { high_bandwidth: true, version: 2 });
    let block = Arc::new(script.next_block(&[]));
    let hash = block.block_hash();
    assert!(script.event(Event::SoundBlock(Arc::clone(&block))).is_empty(), "its header has no place yet");
    assert_eq!(script.world.submit_headers(&[block.header]), HeadersVerdict::Accepted);
    let actions = script.event(Event::SoundBlock(Arc::clone(&block)));
    let [Message::CompactBlock(told)] = sent(&actions, 2)[..] else { panic!("{actions:?}") };
    assert_eq!(told.header, block.header);
    assert!(script.event(Event::SoundBlock(Arc::clone(&block))).is_empty(), "once");
    let wish = || Message::GetData(vec![Inventory::WitnessBlock(hash)]);
    assert!(script.says(2, wish()).is_empty(), "not judged yet");
    assert_eq!(script.world.submit_block(Arc::clone(&block)), BlockVerdict::Accepted);
    let after = script.event(Event::JudgedBlock(hash));
    assert_eq!(sent(&after, 2), [&Message::Block(block)]);
    assert!(sent(&script.event(Event::NewTip), 2).is_empty(), "not announced again");
}

#[test]
fn of_our_own_block_that_is_refused_nobody_waits_for_the_verdict() {
    let mut script = Script::new();
    (1..=2).for_each(|peer| script.friend(peer, None));
    script.promote(1);
    script.says(2, Message::SendCompact { high_bandwidth: true, version: 2 });
    let block = Arc::new(script.next_block(&[]));
    assert_eq!(script.world.submit_headers(&[block.header]), HeadersVerdict::Accepted);
    script.event(Event::SoundBlock(Arc::clone(&block)));
    let item = Inventory::WitnessBlock(block.block_hash());
    assert!(script.says(2, Message::GetData(vec![item])).is_empty(), "not judged yet");
    let after = script.event(Event::JudgedBlock(block.block_hash()));
    assert_eq!(sent(&after, 2), [&Message::NotFound(vec![item])]);
}
