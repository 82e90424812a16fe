//! The protocol's limits: one below, at, and one above each. Where they are tested elsewhere, this table says where.
//!
//! | limit | figure | test |
//! |---|---|---|
//! | payload, plain | 4,000,000 B; 1,024 B before the handshake | here |
//! | payload, encrypted | the same | `transport::responder::messages_have_their_limit_before_and_after_the_handshake` |
//! | inbound connections | 114 of 125; 10 an address, 20 a /64 | `slots::inbound_places_end_at_114…`, `slots::an_address_has_ten…` |
//! | outbound connections | 8 + 2 + 1 | `slots::eight_full_two_block_only_and_a_feeler…`, `slots::one_more_…` |
//! | handshake | 60 s | here |
//! | ping | each 120 s; 20 min | here |
//! | items of `inv`, `getdata`, `addr`, `headers` | 50,000; 50,000; 1,000; 2,000 | `framing::lists_are_limited…` |
//! | items of `notfound`, `addrv2`, locators | 50,000; 1,000; 101 | here |
//! | things looked up for a peer at once | 1,000 | here |
//! | things that may wait for a peer | 50,000 | here |
//! | things that may wait for all peers | 250,000 | here |
//! | headers in an answer | 2,000 | here |
//! | hashes in the answer to `getblocks` | 500 | here |
//! | addresses told | 0.1 a second, 1,000 saved up | `address_relay::tests::addresses_come_at_a_tenth…` |
//! | addresses told on | 10 a message, 10 min old | `addresses::long_lists_old_news…` |
//! | addresses in an answer | 23 %, 1,000 | `address_manager::tests::answers_are_a_sample…` |
//! | blocks in flight of a peer | 16 | here |
//! | stalling | 2 s, doubling to 64 s | here |
//! | headers | 15 min and 1 ms each | `header_sync::a_peer_has_a_quarter_of_an_hour…` |
//! | orphans | 404,000 weight of a peer; 3,000 units of work | `orphans::tests::one_peer_keeps…`, `…three_thousand_units…` |
//! | transactions | 100 asked for; 5,000 announced; 60 s | `requests::tests::a_hundred…`, `…five_thousand…`, `…after_sixty_seconds…` |
//! | announced transactions of all peers | 25,000, and an equal share for each | `requests::tests::twenty_five_thousand…` |
//! | filters, filter headers | 1,000; 2,000; 10,000 waiting | `filters::a_thousand_filters…`, `…two_thousand…`, `…ten_thousand…` |
//! | bans, discouraged addresses | 100,000; 50,000 | `bans::tests::a_hundred_thousand_bans…`, `…discouragement_forgets…` |
//! | user agent | 256 B | here |

use std::sync::Arc;
use std::time::Duration;

use mycoin_p2p::{
    Action, CodecError, Decoder, DisconnectReason, Event, Host as _, Message, PayloadError, PeerId, encode,
};
use mycoin_primitives::bitcoin::p2p::Magic;
use mycoin_primitives::bitcoin::p2p::message_blockdata::{GetBlocksMessage, GetHeadersMessage, Inventory};
use mycoin_primitives::hashes::{Hash as _, sha256d};
use mycoin_primitives::{BlockHash, Wtxid};

use crate::protocol::{Script, asked, branch, commands, dropped, sent, version};

const MAGIC: Magic = Magic::REGTEST;

/// A frame's header alone.
fn head(command: &str, length: u32, checksum: [u8; 4]) -> Vec<u8> {
    let mut bytes = MAGIC.to_bytes().to_vec();
    bytes.extend_from_slice(command.as_bytes());
    bytes.resize(16, 0);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&checksum);
    bytes
}

fn frame(command: &str, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, d, ..] = sha256d::Hash::hash(payload).to_byte_array();
    [head(command, payload.len() as u32, [a, b, c, d]), payload.to_vec()].concat()
}

/// A decoder that has seen the handshake.
fn ready() -> Decoder {
    let mut decoder = Decoder::new(MAGIC);
    decoder.push(&[encode(MAGIC, &version(1, 70_016)), encode(MAGIC, &Message::Verack)].concat());
    assert!(matches!(decoder.next_message(), Ok(Some(Message::Version(_)))));
    assert_eq!(decoder.next_message(), Ok(Some(Message::Verack)));
    decoder
}

fn decode(command: &str, payload: &[u8]) -> Result<Option<Message>, CodecError> {
    let mut decoder = ready();
    decoder.push(&frame(command, payload));
    decoder.next_message()
}

#[test]
fn payloads_have_4_000_000_bytes_and_1_024_before_the_handshake() {
    for (start, limit) in [((|| Decoder::new(MAGIC)) as fn() -> Decoder, 1_024), (ready, 4_000_000)] {
        for length in [limit - 1, limit] {
            let mut decoder = start();
            decoder.push(&frame("surprise", &vec![7; length]));
            assert_eq!(decoder.next_message(), Ok(Some(Message::Other)), "{length}");
        }
        let mut decoder = start();
        decoder.push(&head("surprise", limit as u32 + 1, [0; 4]));
        assert_eq!(
            decoder.next_message(),
            Err(CodecError::TooLong { length: limit + 1, limit }),
            "by the header alone"
        );
    }
}

#[test]
fn a_user_agent_has_256_bytes() {
    for length in [255, 256, 257] {
        let Message::Version(mut introduction) = version(1, 70_016) else { panic!("a version") };
        introduction.user_agent = "x".repeat(length);
        let mut decoder = Decoder::new(MAGIC);
        decoder.push(&encode(MAGIC, &Message::Version(introduction)));
        assert_eq!(decoder.next_message().is_ok(), length <= 256, "{length}");
    }
}

/// A count as Bitcoin writes it, in three or five bytes.
fn count_bytes(count: usize) -> Vec<u8> {
    match u16::try_from(count) {
        Ok(short) if short >= 0xfd => [&[0xfd][..], &short.to_le_bytes()].concat(),
        Ok(short) => vec![short as u8],
        Err(_) => [&[0xfe][..], &(count as u32).to_le_bytes()].concat(),
    }
}

#[test]
fn lists_that_framing_does_not_test() {
    let zeros = |before: &'static [u8], item: usize, after: usize| {
        move |count: usize| [before, &count_bytes(count), &vec![0; count * item + after]].concat()
    };
    // An address of network 0, which nobody knows, with no bytes.
    type Payload = Box<dyn Fn(usize) -> Vec<u8>>;
    let lists: [(&str, usize, Payload); 4] = [
        ("notfound", 50_000, Box::new(zeros(&[], 36, 0))),
        ("addrv2", 1_000, Box::new(zeros(&[], 9, 0))),
        ("getheaders", 101, Box::new(zeros(&[0; 4], 32, 32))),
        ("getblocks", 101, Box::new(zeros(&[0; 4], 32, 32))),
    ];
    for (command, limit, payload) in lists {
        for count in [limit - 1, limit] {
            assert!(matches!(decode(command, &payload(count)), Ok(Some(_))), "{command} {count}");
        }
        let error = PayloadError::TooManyItems { count: limit as u64 + 1, limit };
        let wrong = CodecError::Payload { command: command.to_owned(), error };
        assert_eq!(decode(command, &payload(limit + 1)), Err(wrong));
    }
}

#[test]
fn every_length_that_promises_more_than_its_bytes_is_refused() {
    let lists = ["inv", "getdata", "notfound", "addr", "addrv2", "headers"];
    // Bytes that stand before the length.
    let others = [
        ("getheaders", 4),
        ("getblocks", 4),
        ("tx", 4),
        ("block", 80),
        ("cmpctblock", 88),
        ("getblocktxn", 32),
        ("blocktxn", 32),
        ("cfilter", 33),
        ("cfheaders", 65),
        ("cfcheckpt", 33),
        ("version", 80),
    ];
    for (command, before) in lists.into_iter().map(|command| (command, 0)).chain(others) {
        for length in [&[0xfe, 0xff, 0xff, 0xff, 0xff][..], &[0xff; 9]] {
            let payload = [&vec![1; before], length, &[0; 10]].concat();
            let decoded = decode(command, &payload);
            // We don't ask for filters, so answers with them are not even read.
            if command.starts_with("cf") {
                assert_eq!(decoded, Ok(Some(Message::Other)));
            } else {
                assert!(matches!(decoded, Err(CodecError::Payload { .. })), "{command}: {decoded:?}");
            }
        }
    }
}

#[test]
fn the_handshake_has_sixty_seconds() {
    for (seconds, is_over) in [(59, false), (60, true), (61, true)] {
        let mut script = Script::new();
        script.connect(1, [10, 0, 0, 1]);
        script.says(1, version(1, 70_016));
        script.now = script.now.after(Duration::from_secs(seconds));
        let reason = dropped(&script.event(Event::Tick), 1).cloned();
        assert_eq!(reason, is_over.then_some(DisconnectReason::HandshakeTimeout), "{seconds}");
    }
}

#[test]
fn a_ping_goes_out_every_two_minutes_and_has_twenty_for_its_answer() {
    let ping = |actions: &[Action]| {
        sent(actions, 1).into_iter().find_map(|m| if let Message::Ping(nonce) = m { Some(*nonce) } else { None })
    };
    for (seconds, is_sent) in [(119, false), (120, true), (121, true)] {
        let mut script = Script::new();
        script.connect(1, [10, 0, 0, 1]);
        script.says(1, version(1, 70_016));
        script.says(1, Message::Verack);
        let first = ping(&script.event(Event::Tick)).expect("at once");
        script.says(1, Message::Pong(first));
        script.now = script.now.after(Duration::from_secs(seconds));
        assert_eq!(ping(&script.event(Event::Tick)).is_some(), is_sent, "{seconds}");
    }
    for (seconds, is_over) in [(1_199, false), (1_200, true), (1_201, true)] {
        let mut script = Script::new();
        script.connect(1, [10, 0, 0, 1]);
        script.says(1, version(1, 70_016));
        script.says(1, Message::Verack);
        script.event(Event::Tick);
        script.says(1, Message::Pong(7));
        script.now = script.now.after(Duration::from_secs(seconds));
        let reason = dropped(&script.event(Event::Tick), 1).cloned();
        assert_eq!(reason, is_over.then_some(DisconnectReason::PingTimeout), "{seconds}");
    }
}

fn missing(count: u32) -> Vec<Inventory> {
    (0..count).map(|number| Inventory::WTx(Wtxid::hash(&number.to_le_bytes()))).collect()
}

fn not_found(actions: &[Action]) -> usize {
    let lists =
        sent(actions, 1).into_iter().filter_map(|m| if let Message::NotFound(l) = m { Some(l.len()) } else { None });
    lists.sum()
}

#[test]
fn a_thousand_things_are_looked_up_before_the_peer_must_read() {
    for (count, at_once) in [(999, 999), (1_000, 1_000), (1_001, 1_000)] {
        let mut script = Script::new();
        script.friend(1);
        assert_eq!(not_found(&script.says(1, Message::GetData(missing(count)))), at_once);
        let rest = not_found(&script.event(Event::Drained { peer: PeerId(1) }));
        assert_eq!(at_once + rest, count as usize);
    }
}

#[test]
fn fifty_thousand_things_may_wait_for_a_peer() {
    for (count, is_over) in [(49_999, false), (50_000, false), (50_001, true)] {
        let mut script = Script::new();
        script.friend(1);
        let first = count.min(50_000);
        // The first thousand are looked up at once.
        script.says(1, Message::GetData(missing(first)));
        let actions = script.says(1, Message::GetData(missing(count + 1_000 - first)));
        assert_eq!(dropped(&actions, 1).is_some(), is_over, "{count}");
    }
}

#[test]
fn a_quarter_of_a_million_things_may_wait_for_all_and_then_whoever_waits_for_most_goes() {
    for (count, is_over) in [(49_999, false), (50_000, false), (50_001, true)] {
        let mut script = Script::new();
        (1..=6).for_each(|peer| script.friend(peer));
        // The first thousand are looked up at once.
        for peer in 1..=4 {
            script.says(peer, Message::GetData(missing(50_000)));
            script.says(peer, Message::GetData(missing(1_000)));
        }
        script.says(5, Message::GetData(missing(count - 1_000)));
        // Whoever comes last is not the one that waits for most.
        let actions = script.says(6, Message::GetData(missing(3_000)));
        let reason = is_over.then_some(DisconnectReason::WantsMost { limit: 250_000 });
        let most: Vec<_> = (1..=6).filter_map(|peer| dropped(&actions, peer).map(|reason| (peer, reason))).collect();
        assert_eq!(most, reason.iter().map(|reason| (4, reason)).collect::<Vec<_>>(), "{count}");
    }
}

#[test]
fn two_thousand_headers_and_five_hundred_hashes_are_given_for_one_question() {
    let mut script = Script::new();
    script.friend(1);
    script.world.mine(499, 1);
    let nothing = BlockHash::all_zeros();
    let hashes = GetBlocksMessage { version: 70_016, locator_hashes: vec![nothing], stop_hash: nothing };
    for count in [499, 500, 500] {
        let actions = script.says(1, Message::GetBlocks(hashes.clone()));
        let [Message::Inv(list)] = sent(&actions, 1)[..] else { panic!("hashes: {actions:?}") };
        assert_eq!(list.len(), count);
        script.world.mine(1, 1);
    }
    script.world.mine(1_999 - 502, 1);
    let headers = GetHeadersMessage { version: 70_016, locator_hashes: vec![nothing], stop_hash: nothing };
    for count in [1_999, 2_000, 2_000] {
        let actions = script.says(1, Message::GetHeaders(headers.clone()));
        let [Message::Headers(list)] = sent(&actions, 1)[..] else { panic!("headers") };
        assert_eq!(list.len(), count);
        script.world.mine(1, 1);
    }
}

#[test]
fn after_a_full_message_of_headers_the_peer_is_asked_for_more() {
    let chain = branch(2_000, 1);
    for (count, asks) in [(1_999, false), (2_000, true)] {
        let mut script = Script::new();
        script.friend(1);
        let actions = script.announces(1, &chain[..count]);
        assert_eq!(commands(&actions, 1).contains(&"getheaders"), asks, "{count}");
    }
}

#[test]
fn sixteen_blocks_are_asked_of_a_peer_at_once() {
    for (count, at_once) in [(15, 15), (16, 16), (17, 16)] {
        let mut script = Script::new();
        script.friend(1);
        assert_eq!(asked(&script.announces(1, &branch(count, 1)), 1).len(), at_once);
    }
}

#[test]
fn a_withheld_block_moves_after_two_seconds_and_each_time_after_twice_as_long_up_to_64() {
    let mut script = Script::new();
    let chain = branch(30, 1);
    // All but the first are there: the chain is behind, and one block is missing.
    script.world.submit_headers(&chain.iter().map(|block| block.header).collect::<Vec<_>>());
    for block in &chain[1..] {
        script.world.submit_block(Arc::new(block.clone()));
    }
    let wanted = Inventory::WitnessBlock(chain[0].block_hash());
    (1..=9).for_each(|peer| script.friend(peer));
    let mut first = Vec::new();
    for peer in 1..=9 {
        let actions = script.announces(peer, &chain);
        first.extend(asked(&actions, peer));
    }
    assert_eq!(first, [wanted]);
    let (mut last, mut gaps) = (script.now, Vec::new());
    while gaps.len() < 8 {
        script.now = script.now.after(Duration::from_millis(500));
        let actions = script.event(Event::Tick);
        let moved = (1..=9).filter(|peer| asked(&actions, *peer).contains(&wanted)).count();
        assert!(moved <= 1, "of one at a time");
        if moved == 1 {
            gaps.push(script.now.since(last).as_secs_f64());
            last = script.now;
        }
        assert!(script.now.since(last) < Duration::from_secs(70), "{gaps:?}");
    }
    assert_eq!(gaps, [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0]);
}
