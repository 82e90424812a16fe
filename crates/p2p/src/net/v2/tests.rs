//! The receiving side without a socket.

use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::bitcoin::p2p::address::Address;
use mycoin_primitives::bitcoin::p2p::message_network::VersionMessage;
use proptest::prelude::*;

use super::*;
use crate::codec::Outgoing;

const MAGIC: Magic = Magic::REGTEST;

fn ours(seed: u8, garbage: usize) -> Ours {
    let secret = SecretKey::from_slice(&[seed; 32]).expect("a key");
    let key = ElligatorSwift::from_seckey(&Secp256k1::new(), secret, Some([seed; 32])).to_array();
    Ours { secret, key, garbage: vec![seed; garbage] }
}

fn version() -> Message {
    let nowhere = Address { services: ServiceFlags::NONE, address: [0; 8], port: 0 };
    Message::Version(Box::new(VersionMessage {
        version: 70_016,
        services: ServiceFlags::NONE,
        timestamp: 0,
        receiver: nowhere.clone(),
        sender: nowhere,
        nonce: 1,
        user_agent: String::new(),
        start_height: 0,
        relay: false,
    }))
}

/// Both ends of a connection, after the exchange of keys.
struct Pair {
    initiator: Receiver,
    responder: Receiver,
    /// The initiator's.
    sealer: PacketSealer,
}

fn exchange(garbage: usize) -> Pair {
    let mut initiator = Receiver::new(MAGIC, Role::Initiator, ours(1, garbage));
    let mut responder = Receiver::new(MAGIC, Role::Responder, ours(2, 0));
    responder.push(&initiator.take_opening());
    assert_eq!(responder.next_message(), Ok(None));
    initiator.push(&responder.take_opening());
    assert_eq!(initiator.next_message(), Ok(None));
    assert_eq!((responder.session(), initiator.session().is_some()), (None, true), "it has not shown its keys yet");
    let sealer = initiator.take_sealer().expect("the key has come");
    Pair { initiator, responder, sealer }
}

impl Pair {
    /// With both versions exchanged.
    fn agreed(garbage: usize) -> Self {
        let mut pair = exchange(garbage);
        pair.responder.push(&pair.initiator.take_opening());
        assert_eq!(pair.responder.next_message(), Ok(None));
        assert_eq!(pair.responder.session(), pair.initiator.session());
        pair
    }

    /// With the protocol's handshake done too.
    fn ready() -> Self {
        let mut pair = Self::agreed(0);
        for message in [version(), Message::Verack] {
            pair.send(&message);
            assert_eq!(pair.responder.next_message(), Ok(Some(message)));
        }
        pair
    }

    fn send(&mut self, message: &Message) {
        let message = Outgoing::new(message);
        let packet = seal(&mut self.sealer, message.command(), message.payload());
        self.responder.push(&packet);
    }
}

#[test]
fn every_length_of_garbage_is_found_and_one_byte_more_is_not() {
    for garbage in [0, 1, 15, 16, 17, 4_094, 4_095] {
        Pair::agreed(garbage);
    }
    let mut pair = exchange(4_096);
    let rest = pair.initiator.take_opening();
    assert_eq!(pair.responder.next_message(), Ok(None), "15 bytes may still be the terminator's");
    pair.responder.push(&rest[..14]);
    assert_eq!(pair.responder.next_message(), Ok(None));
    pair.responder.push(&rest[14..15]);
    assert_eq!(pair.responder.next_message(), Err(CodecError::NoTerminator), "before the whole terminator");
}

#[test]
fn a_session_is_shown_after_the_version_packet_and_not_before() {
    let mut pair = exchange(3);
    let rest = pair.initiator.take_opening();
    let (terminator, version) = rest.split_at(TERMINATOR);
    for (bytes, is_shown) in [(terminator, false), (&version[..19], false), (&version[19..], true)] {
        pair.responder.push(bytes);
        assert_eq!(pair.responder.next_message(), Ok(None));
        assert_eq!(pair.responder.session().is_some(), is_shown);
    }
}

#[test]
fn a_length_is_believed_only_up_to_the_limit_and_takes_no_memory() {
    let packet_of = |pair: &mut Pair, length: usize| pair.sealer.seal(&[], true, &[&vec![0; length]]);
    for (make, limit) in [(Pair::agreed as fn(usize) -> Pair, 1_024), (|_| Pair::ready(), 4_000_000)] {
        let mut pair = make(0);
        let whole = packet_of(&mut pair, limit + 13);
        pair.responder.push(&whole[..13]);
        assert_eq!(pair.responder.next_message(), Ok(None));
        assert!(pair.responder.buffer.capacity() < 100_000, "{}", pair.responder.buffer.capacity());
        pair.responder.push(&whole[13..]);
        assert_eq!(pair.responder.next_message(), Ok(None), "a decoy");

        let mut pair = make(0);
        let whole = packet_of(&mut pair, limit + 14);
        pair.responder.push(&whole[..2]);
        assert_eq!(pair.responder.next_message(), Ok(None));
        pair.responder.push(&whole[2..3]);
        let error = CodecError::TooLong { length: limit + 14, limit: limit + 13 };
        assert_eq!(pair.responder.next_message(), Err(error), "with its third byte");
    }
}

#[test]
fn a_payload_has_the_same_limit_under_a_long_and_a_short_name() {
    for (command, length, is_allowed) in [
        ("merkleblock", 3_999_999, true),
        ("merkleblock", 4_000_000, true),
        ("merkleblock", 4_000_001, false),
        ("hello", 3_999_999, true),
        ("hello", 4_000_000, true),
        ("hello", 4_000_001, false),
    ] {
        let mut pair = Pair::ready();
        let packet = seal(&mut pair.sealer, command, &vec![7; length]);
        pair.responder.push(&packet);
        let came = pair.responder.next_message();
        assert_eq!(came == Ok(Some(Message::Other)), is_allowed, "{command} of {length}: {came:?}");
        assert_eq!(matches!(came, Err(CodecError::TooLong { .. })), !is_allowed);
    }
}

#[test]
fn messages_without_a_known_name_are_passed_over() {
    let mut pair = Pair::ready();
    for contents in [&b""[..], b"\0", b"\0short", &[29], &[255, 1, 2], b"\0\x01bad\0\0\0\0\0\0\0\0"] {
        let packet = pair.sealer.seal(&[], false, &[contents]);
        pair.responder.push(&packet);
    }
    pair.send(&Message::Ping(7));
    assert_eq!(pair.responder.next_message(), Ok(Some(Message::Ping(7))));
    assert_eq!(pair.responder.next_message(), Ok(None));
}

#[test]
fn memory_of_a_long_message_is_given_back() {
    let mut pair = Pair::ready();
    let packet = seal(&mut pair.sealer, "hello", &vec![7; 3_000_000]);
    pair.responder.push(&packet);
    assert_eq!(pair.responder.next_message(), Ok(Some(Message::Other)));
    pair.send(&Message::Ping(1));
    assert!(pair.responder.buffer.capacity() < 100_000);
}

#[test]
fn a_v1_peer_of_another_coin_is_told_from_a_key() {
    let mut receiver = Receiver::new(MAGIC, Role::Responder, ours(1, 0));
    receiver.push(b"\xf9\xbe\xb4\xd9version\0\0\0\0");
    assert_eq!(receiver.next_message(), Ok(None));
    receiver.push(b"\0");
    let error = CodecError::WrongMagic { found: [0xf9, 0xbe, 0xb4, 0xd9] };
    assert_eq!(receiver.next_message(), Err(error));
}

#[test]
fn keys_and_garbage_are_new_each_time() {
    let some: Vec<Ours> = (0..20).map(|_| Ours::random().expect("randomness")).collect();
    for (place, one) in some.iter().enumerate() {
        assert!(one.garbage.len() <= GARBAGE_MAX);
        for other in &some[..place] {
            assert!(one.key != other.key && one.secret != other.secret);
        }
    }
    let lengths: std::collections::BTreeSet<usize> = some.iter().map(|ours| ours.garbage.len()).collect();
    assert!(lengths.len() > 10, "{lengths:?}");
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_same_messages(garbage in 0..50usize, sizes in prop::collection::vec(1..40usize, 1..50)) {
        let mut sender = Receiver::new(MAGIC, Role::Initiator, ours(1, garbage));
        let mut responder = Receiver::new(MAGIC, Role::Responder, ours(2, 3));
        let mut stream = sender.take_opening();
        responder.push(&stream);
        prop_assert_eq!(responder.next_message(), Ok(None));
        sender.push(&responder.take_opening());
        prop_assert_eq!(sender.next_message(), Ok(None));
        stream.extend(sender.take_opening());
        let mut sealer = sender.take_sealer().expect("the key has come");
        let sent = [version(), Message::Verack, Message::Ping(1), Message::GetAddr, Message::Pong(2)];
        for message in &sent {
            stream.extend(sealer.seal(&[], true, &[b"decoy"]));
            let message = Outgoing::new(message);
            stream.extend(seal(&mut sealer, message.command(), message.payload()));
        }

        let mut again = Receiver::new(MAGIC, Role::Responder, ours(2, 3));
        let (mut came, mut rest, mut sizes) = (Vec::new(), &stream[..], sizes.iter().cycle());
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(rest.len().min(*sizes.next().expect("they cycle")));
            rest = later;
            again.push(piece);
            while let Some(message) = again.next_message().expect("all is well") {
                came.push(message);
            }
        }
        prop_assert_eq!(came, sent);
        prop_assert_eq!(again.consumed(), stream.len() as u64);
    }

    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..10_000), cut in 0..10_000usize) {
        let mut receiver = Receiver::new(MAGIC, Role::Responder, ours(1, 0));
        let cut = cut.min(bytes.len());
        receiver.push(&bytes[..cut]);
        let first = receiver.next_message();
        prop_assert!(!matches!(first, Ok(Some(_))));
        if first.is_ok() {
            receiver.push(&bytes[cut..]);
            prop_assert!(!matches!(receiver.next_message(), Ok(Some(_))));
        }
    }
}
