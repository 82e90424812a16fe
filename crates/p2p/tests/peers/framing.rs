//! The bytes on the wire: layout, limits, and that pieces make no difference.

use std::sync::Arc;

use mycoin_p2p::{CodecError, Decoder, Message, PayloadError, encode};
use mycoin_primitives::bitcoin::consensus::encode::{deserialize, serialize};
use mycoin_primitives::bitcoin::p2p::address::Address;
use mycoin_primitives::bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use mycoin_primitives::bitcoin::p2p::message_blockdata::{GetHeadersMessage, Inventory};
use mycoin_primitives::bitcoin::p2p::message_network::VersionMessage;
use mycoin_primitives::bitcoin::p2p::{Magic, ServiceFlags};
use mycoin_primitives::hashes::{Hash as _, sha256d};
use mycoin_primitives::{BlockHash, Network, Txid, Wtxid, genesis_block};
use proptest::prelude::*;

use crate::toy::{payment, root};

const MAGIC: Magic = Magic::REGTEST;

fn version() -> Message {
    let nowhere = Address { services: ServiceFlags::NONE, address: [0; 8], port: 0 };
    Message::Version(Box::new(VersionMessage {
        version: 70_016,
        services: ServiceFlags::NETWORK | ServiceFlags::WITNESS,
        timestamp: 1_800_000_000,
        receiver: nowhere.clone(),
        sender: nowhere,
        nonce: 0x0102_0304_0506_0708,
        user_agent: "/MyCoin:0.1.0/".to_owned(),
        start_height: 5,
        relay: true,
    }))
}

/// A frame with any command and payload.
fn frame(command: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_bytes().to_vec();
    bytes.extend_from_slice(command.as_bytes());
    bytes.resize(16, 0);
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&sha256d::Hash::hash(payload).to_byte_array()[..4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// A decoder that has seen the handshake.
fn ready() -> Decoder {
    let mut decoder = Decoder::new(MAGIC);
    for message in [version(), Message::Verack] {
        decoder.push(&encode(MAGIC, &message));
        assert_eq!(decoder.next_message(), Ok(Some(message)));
    }
    decoder
}

fn decode(bytes: &[u8]) -> Result<Option<Message>, CodecError> {
    let mut decoder = ready();
    decoder.push(bytes);
    decoder.next_message()
}

#[test]
fn version_and_verack_have_bitcoins_layout() {
    let mut wanted = Vec::new();
    wanted.extend_from_slice(&[0xfa, 0xbf, 0xb5, 0xda]);
    wanted.extend_from_slice(b"version\0\0\0\0\0");
    wanted.extend_from_slice(&100u32.to_le_bytes());
    let mut payload = Vec::new();
    payload.extend_from_slice(&70_016u32.to_le_bytes());
    payload.extend_from_slice(&9u64.to_le_bytes());
    payload.extend_from_slice(&1_800_000_000i64.to_le_bytes());
    payload.extend_from_slice(&[0; 26]);
    payload.extend_from_slice(&[0; 26]);
    payload.extend_from_slice(&[8, 7, 6, 5, 4, 3, 2, 1]);
    payload.push(14);
    payload.extend_from_slice(b"/MyCoin:0.1.0/");
    payload.extend_from_slice(&5i32.to_le_bytes());
    payload.push(1);
    assert_eq!(payload.len(), 100);
    wanted.extend_from_slice(&sha256d::Hash::hash(&payload).to_byte_array()[..4]);
    wanted.extend_from_slice(&payload);
    assert_eq!(encode(MAGIC, &version()), wanted);
    // The checksum of nothing, as it stands in every empty message of the network.
    let verack = [&[0xfa, 0xbf, 0xb5, 0xda][..], b"verack\0\0\0\0\0\0", &[0, 0, 0, 0, 0x5d, 0xf6, 0xe0, 0xe2]].concat();
    assert_eq!(encode(MAGIC, &Message::Verack), verack);
}

#[test]
fn a_version_may_end_before_its_relay_flag_and_go_on_after_it() {
    let payload = encode(MAGIC, &version())[24..].to_vec();
    for payload in [&payload[..payload.len() - 1], &[&payload[..], &[1, 2, 3]].concat()] {
        let mut decoder = Decoder::new(MAGIC);
        decoder.push(&frame("version", payload));
        assert_eq!(decoder.next_message(), Ok(Some(version())));
    }
}

#[test]
fn rust_bitcoin_reads_what_we_write() {
    let block = Arc::new(genesis_block(&Network::regtest()));
    let transaction = Arc::new(payment(root(), 1));
    for (ours, theirs) in [
        (Message::Block(Arc::clone(&block)), NetworkMessage::Block((*block).clone())),
        (Message::Headers(vec![block.header; 3]), NetworkMessage::Headers(vec![block.header; 3])),
        (Message::Transaction(Arc::clone(&transaction)), NetworkMessage::Tx((*transaction).clone())),
        (Message::WtxidRelay, NetworkMessage::WtxidRelay),
        (Message::SendAddrV2, NetworkMessage::SendAddrV2),
        (Message::SendHeaders, NetworkMessage::SendHeaders),
        (Message::FeeFilter(100), NetworkMessage::FeeFilter(100)),
    ] {
        let bytes = encode(MAGIC, &ours);
        assert_eq!(deserialize::<RawNetworkMessage>(&bytes).expect("whole").payload(), &theirs);
        assert_eq!(serialize(&RawNetworkMessage::new(MAGIC, theirs)), bytes);
        assert_eq!(decode(&bytes), Ok(Some(ours)));
    }
}

#[test]
fn peers_that_ask_so_get_no_witness() {
    let transaction = Arc::new(payment(root(), 1));
    let bytes = encode(MAGIC, &Message::TransactionWithoutWitness(Arc::clone(&transaction)));
    let Ok(Some(Message::Transaction(stripped))) = decode(&bytes) else { panic!("a transaction") };
    assert!(stripped.input[0].witness.is_empty());
    assert_eq!(stripped.compute_txid(), transaction.compute_txid());
    assert_eq!(bytes.len(), 24 + transaction.base_size());
}

#[test]
fn another_networks_magic_ends_the_stream_with_the_fourth_byte() {
    let mut decoder = ready();
    decoder.push(&[0xf9, 0xbe, 0xb4]);
    assert_eq!(decoder.next_message(), Ok(None));
    decoder.push(&[0xd9]);
    assert_eq!(decoder.next_message(), Err(CodecError::WrongMagic { found: [0xf9, 0xbe, 0xb4, 0xd9] }));
}

#[test]
fn lengths_are_limited_before_and_after_the_handshake() {
    let header_only = |length: u32| {
        let mut bytes = frame("x", &[]);
        bytes[16..20].copy_from_slice(&length.to_le_bytes());
        bytes
    };
    for (mut decoder, limit) in [(Decoder::new(MAGIC), 1_024), (ready(), 4_000_000)] {
        decoder.push(&header_only(limit));
        assert_eq!(decoder.next_message(), Ok(None), "waits for the payload");
    }
    for (mut decoder, limit) in [(Decoder::new(MAGIC), 1_024), (ready(), 4_000_000)] {
        decoder.push(&header_only(limit + 1));
        let (length, limit) = (limit as usize + 1, limit as usize);
        assert_eq!(decoder.next_message(), Err(CodecError::TooLong { length, limit }));
    }
    // A verack alone does not open the door.
    let mut decoder = Decoder::new(MAGIC);
    decoder.push(&[encode(MAGIC, &Message::Verack), header_only(1_025)].concat());
    assert_eq!(decoder.next_message(), Ok(Some(Message::Verack)));
    assert!(decoder.next_message().is_err());
}

#[test]
fn wrong_checksums_and_names_end_the_stream() {
    let mut bytes = frame("ping", &[0; 8]);
    bytes[30] ^= 1;
    assert_eq!(decode(&bytes), Err(CodecError::BadChecksum { command: "ping".to_owned() }));
    for name in ["pi\0ng", "p\u{e9}ng", "\nping"] {
        assert_eq!(decode(&frame(name, &[0; 8])), Err(CodecError::BadCommand), "{name:?}");
    }
    assert_eq!(decode(&frame("surprise", &[1, 2, 3])), Ok(Some(Message::Other)));
    assert_eq!(decode(&frame("filterload", &[])), Ok(Some(Message::Bloom)));
}

#[test]
fn lists_are_limited_one_below_at_and_one_above() {
    for (command, item, limit) in
        [("inv", 36, 50_000), ("getdata", 36, 50_000), ("addr", 30, 1_000), ("headers", 81, 2_000)]
    {
        for count in [limit - 1, limit, limit + 1] {
            let mut payload = match u16::try_from(count) {
                Ok(short) => [&[0xfd][..], &short.to_le_bytes()].concat(),
                Err(_) => [&[0xfe][..], &(count as u32).to_le_bytes()].concat(),
            };
            payload.extend(vec![0; count * item]);
            let decoded = decode(&frame(command, &payload));
            if count <= limit {
                assert!(matches!(decoded, Ok(Some(_))), "{command} {count} {decoded:?}");
            } else {
                let error = PayloadError::TooManyItems { count: count as u64, limit };
                assert_eq!(decoded, Err(CodecError::Payload { command: command.to_owned(), error }));
            }
        }
    }
}

#[test]
fn a_list_that_says_it_is_longer_than_its_bytes_is_refused_before_it_is_read() {
    for count in [&[0xfd, 0xe8, 0x03][..], &[0xfe, 0xff, 0xff, 0xff, 0xff], &[0xff; 9]] {
        for command in ["inv", "getdata", "notfound", "addr", "addrv2", "headers"] {
            let payload = [count, &[0; 10]].concat();
            assert!(matches!(
                decode(&frame(command, &payload)),
                Err(CodecError::Payload {
                    error: PayloadError::TooManyItems { .. } | PayloadError::Truncated { .. },
                    ..
                })
            ));
        }
        for command in ["getheaders", "getblocks", "tx", "block"] {
            let payload = [&[1, 0, 0, 0], count, &[0; 10]].concat();
            assert!(matches!(decode(&frame(command, &payload)), Err(CodecError::Payload { .. })));
        }
    }
}

fn hashes(seed: u8, count: usize) -> Vec<[u8; 32]> {
    (0..count).map(|i| [seed.wrapping_add(i as u8); 32]).collect()
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        any::<u64>().prop_map(Message::Ping),
        any::<i64>().prop_map(Message::FeeFilter),
        Just(Message::SendHeaders),
        (any::<u8>(), 0..60usize).prop_map(|(seed, count)| {
            let items = hashes(seed, count).into_iter();
            Message::Inv(items.map(|hash| Inventory::WTx(Wtxid::from_byte_array(hash))).collect())
        }),
        (any::<u8>(), 0..60usize).prop_map(|(seed, count)| {
            let items = hashes(seed, count).into_iter();
            Message::GetData(items.map(|hash| Inventory::WitnessTransaction(Txid::from_byte_array(hash))).collect())
        }),
        (any::<u8>(), 0..101usize).prop_map(|(seed, count)| {
            let locator_hashes = hashes(seed, count).into_iter().map(BlockHash::from_byte_array).collect();
            let stop_hash = BlockHash::all_zeros();
            Message::GetHeaders(GetHeadersMessage { version: 70_016, locator_hashes, stop_hash })
        }),
        (0..30usize).prop_map(|count| Message::Headers(vec![genesis_block(&Network::demo()).header; count])),
        any::<u32>().prop_map(|number| Message::Transaction(Arc::new(payment(root(), number)))),
    ]
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_same_messages(
        messages in prop::collection::vec(message(), 1..12),
        pieces in prop::collection::vec(1..700usize, 1..20),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|message| encode(MAGIC, message)).collect();
        let (mut decoder, mut decoded, mut rest) = (ready(), Vec::new(), bytes.as_slice());
        for piece in pieces.iter().cycle() {
            let (now, later) = rest.split_at((*piece).min(rest.len()));
            decoder.push(now);
            while let Some(message) = decoder.next_message().expect("our own messages") {
                decoded.push(message);
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(decoded, messages);
    }

    #[test]
    fn byte_by_byte_gives_the_same_messages(message in message()) {
        let mut decoder = ready();
        let bytes = encode(MAGIC, &message);
        for (at, byte) in bytes.iter().enumerate() {
            decoder.push(&[*byte]);
            let decoded = decoder.next_message().expect("our own message");
            prop_assert_eq!(decoded.is_some(), at + 1 == bytes.len());
            if let Some(decoded) = decoded {
                prop_assert_eq!(&decoded, &message);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(
        command in "[a-z]{1,12}|inv|tx|block|addrv2|addr|headers|version|getheaders|cmpctblock",
        payload in prop::collection::vec(any::<u8>(), 0..300),
        noise in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let _ = decode(&frame(&command, &payload));
        let _ = decode(&noise);
    }
}
