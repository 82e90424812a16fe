//! We are dialled: by a puppet that speaks BIP324, well or not.

use std::time::Duration;

use mycoin_p2p::{Message, TransportProtocol, encode};
use mycoin_primitives::bitcoin::p2p::Magic;

use super::puppet::{Key, Puppet, Wire};
use super::{listening, magic, the_peer, version};
use crate::sockets::{Server, until};

/// A puppet with which the server has shaken hands.
async fn ready(server: &Server) -> Puppet {
    let mut puppet = Puppet::dial(listening(server), magic(), Vec::new()).await;
    puppet.agree().await;
    puppet.shake_hands(&version(1), true).await;
    puppet
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_connection_carries_the_protocol_and_shows_its_session() {
    let server = Server::start(&[], 1).await;
    let mut puppet = Puppet::dial(listening(&server), magic(), b"some garbage".to_vec()).await;
    the_peer(&server, "the connection", |peer| peer.transport == TransportProtocol::Detecting).await;
    puppet.agree().await;
    let session_id = puppet.session.id;
    let peer = the_peer(&server, "the session", |peer| peer.transport != TransportProtocol::Detecting).await;
    assert_eq!(peer.transport, TransportProtocol::V2 { session_id });
    assert_eq!((peer.transport.name(), peer.transport.session_id()), ("v2", Some(session_id)));
    puppet.shake_hands(&version(1), true).await;
    puppet.ping(7).await;
    // Under its long name a message is the same.
    puppet.send("ping", &8u64.to_le_bytes()).await;
    loop {
        let (name, payload) = puppet.receive_message().await;
        if name == [19] {
            assert_eq!(payload, 8u64.to_le_bytes());
            break;
        }
    }
    let peer = the_peer(&server, "the handshake", |peer| peer.handshake_complete).await;
    assert_eq!(peer.user_agent, "/Puppet:1.0/");
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_of_each_length_is_taken_and_4096_bytes_end_the_connection() {
    let server = Server::start(&[], 1).await;
    for length in [0, 1, 4_094, 4_095] {
        let mut puppet = Puppet::dial(listening(&server), magic(), vec![0xaa; length]).await;
        puppet.agree().await;
        puppet.shake_hands(&version(1), true).await;
        puppet.ping(length as u64).await;
    }
    let mut puppet = Puppet::dial(listening(&server), magic(), vec![0xaa; 4_096]).await;
    puppet.introduce().await;
    puppet.wire.end().await;
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_garbage_has_another_length_each_time_and_at_most_4095_bytes() {
    let server = Server::start(&[], 1).await;
    let mut lengths = Vec::new();
    for _ in 0..8 {
        let mut puppet = Puppet::dial(listening(&server), magic(), Vec::new()).await;
        puppet.introduce().await;
        lengths.push(puppet.meet().await.len());
    }
    lengths.sort_unstable();
    lengths.dedup();
    assert!(lengths.len() >= 6, "{lengths:?}");
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decoys_unknown_bits_and_contents_of_the_version_packet_are_passed_over() {
    let server = Server::start(&[], 1).await;
    let garbage = b"not random at all".to_vec();
    let mut puppet = Puppet::dial(listening(&server), magic(), garbage.clone()).await;
    let Puppet { session, wire, .. } = &mut puppet;
    let mut bytes = session.send_terminator.to_vec();
    // The first packet confirms the garbage, also as a decoy; bit 7 alone makes one.
    bytes.extend(session.send.seal(0x80, &garbage, b"decoy"));
    bytes.extend(session.send.seal(0xff, &[], &[0; 1_000]));
    bytes.extend(session.send.seal(0x81, &[], &[]));
    // Taken for messages, these two would be wrong pings.
    bytes.extend(session.send.seal(0x7f, &[], b"\x12 later versions"));
    bytes.extend(session.send.seal(0xc1, &[], b"\x12not a ping"));
    wire.write(&bytes).await;
    puppet.meet().await;
    puppet.shake_hands(&version(1), true).await;
    // Nobody knows these messages, or they have no name: ignored as unknown ones are.
    for contents in [&b""[..], &[29], &[255, 1], b"\0short", b"\0bad\0name\0\0\0\0", b"\0whatisthis\0\0and so on"] {
        puppet.send_contents(contents).await;
    }
    puppet.ping(7).await;
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn byte_by_byte_it_is_the_same_connection() {
    let server = Server::start(&[], 1).await;
    let (mut wire, key) = (Wire::connect(listening(&server)).await, Key::new(7));
    for byte in key.public {
        wire.write(&[byte]).await;
    }
    let theirs = wire.read().await;
    let mut puppet = Puppet { wire, session: key.session(magic(), true, theirs), garbage: b"garbage".to_vec() };
    let mut bytes = puppet.garbage.clone();
    bytes.extend(puppet.session.send_terminator);
    bytes.extend(puppet.session.send.seal(0, b"garbage", &[]));
    let message = [&b"\0version\0\0\0\0\0"[..], &version(1)].concat();
    bytes.extend(puppet.session.send.seal(0, &[], &message));
    bytes.extend(puppet.session.send.seal(0, &[], b"\0verack\0\0\0\0\0\0"));
    bytes.extend(puppet.session.send.seal(0, &[], &[18, 1, 2, 3, 4, 5, 6, 7, 8]));
    for byte in bytes {
        puppet.wire.write(&[byte]).await;
    }
    puppet.meet().await;
    while puppet.receive_message().await != (vec![19], vec![1, 2, 3, 4, 5, 6, 7, 8]) {}
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_key_comes_with_the_first_byte_that_v1_would_not_have() {
    let server = Server::start(&[], 1).await;
    // A key that begins as a v1 connection does.
    let key = (0u16..).map(|number| {
        let mut disguise = [0; 32];
        disguise[..2].copy_from_slice(&number.to_le_bytes());
        Key::disguised(7, disguise)
    });
    let key = key.take(60_000).find(|key| key.public[0] == magic()[0]).expect("one of 256");
    let mut wire = Wire::connect(listening(&server)).await;
    wire.write(&key.public[..1]).await;
    assert!(!wire.speaks_within(Duration::from_millis(200)).await, "it may still be v1");
    wire.write(&key.public[1..2]).await;
    assert!(wire.speaks_within(Duration::from_secs(5)).await);
    wire.write(&key.public[2..]).await;
    let theirs = wire.read().await;
    let mut puppet = Puppet { wire, session: key.session(magic(), true, theirs), garbage: Vec::new() };
    puppet.agree().await;
    puppet.shake_hands(&version(1), true).await;
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_changed_repeated_or_left_out_end_the_connection() {
    let server = Server::start(&[], 1).await;
    // Under another key a length may be anything: what follows fills up the longest.
    const FILLING: usize = 4_000_013 + 20;
    let ping = [18, 1, 2, 3, 4, 5, 6, 7, 8];
    for place in [0, 3, 4, 8, 12, 28] {
        let mut puppet = ready(&server).await;
        let mut packet = puppet.session.send.seal(0, &[], &ping);
        assert_eq!(packet.len(), 29);
        packet[place] ^= 1;
        puppet.wire.write(&packet).await;
        puppet.wire.flood(FILLING).await;
        puppet.wire.end().await;
    }
    let mut puppet = ready(&server).await;
    let packet = puppet.session.send.seal(0, &[], &ping);
    puppet.wire.write(&[&packet[..], &packet].concat()).await;
    puppet.wire.flood(FILLING).await;
    puppet.wire.end().await;

    let mut puppet = ready(&server).await;
    let [_left_out, packet] = [(); 2].map(|()| puppet.session.send.seal(0, &[], &ping));
    puppet.wire.write(&packet).await;
    puppet.wire.flood(FILLING).await;
    puppet.wire.end().await;
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_garbage_ends_the_connection() {
    let server = Server::start(&[], 1).await;
    for confirmed in [&b"garbagf"[..], b"garbag", b""] {
        let mut puppet = Puppet::dial(listening(&server), magic(), b"garbage".to_vec()).await;
        puppet.garbage = confirmed.to_vec();
        puppet.introduce().await;
        puppet.wire.end().await;
    }
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_have_their_limit_before_and_after_the_handshake() {
    let server = Server::start(&[], 1).await;
    for (length, is_allowed) in [(1_023, true), (1_024, true), (1_025, false)] {
        let mut puppet = Puppet::dial(listening(&server), magic(), Vec::new()).await;
        puppet.agree().await;
        puppet.send("hello", &vec![0; length]).await;
        if is_allowed {
            puppet.shake_hands(&version(1), true).await;
        } else {
            puppet.wire.end().await;
        }
    }
    for (length, is_allowed) in [(3_999_999, true), (4_000_000, true), (4_000_001, false)] {
        let mut puppet = ready(&server).await;
        if is_allowed {
            puppet.send("hello", &vec![0; length]).await;
            puppet.ping(7).await;
        } else {
            // Its length alone is enough.
            let packet = puppet.session.send.seal(0, &[], &vec![0; 13 + length]);
            puppet.wire.write(&packet[..3]).await;
            puppet.wire.end().await;
        }
    }
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_messages_cross_the_changes_of_keys_in_both_directions() {
    let server = Server::start(&[], 1).await;
    let mut puppet = ready(&server).await;
    let pings: Vec<u8> = (0..1_000u64)
        .flat_map(|number| puppet.session.send.seal(0, &[], &[&[18], &number.to_le_bytes()[..]].concat()))
        .collect();
    puppet.wire.write(&pings).await;
    let mut answered = 0u64;
    while answered < 1_000 {
        let (name, payload) = puppet.receive_message().await;
        if name == [19] {
            assert_eq!(payload, answered.to_le_bytes());
            answered += 1;
        }
    }
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_coins_peer_never_completes() {
    let server = Server::start(&[], 1).await;
    let mut puppet = Puppet::dial(listening(&server), Magic::BITCOIN.to_bytes(), Vec::new()).await;
    puppet.introduce().await;
    the_peer(&server, "the connection", |peer| peer.transport == TransportProtocol::Detecting).await;
    // It takes our packets for garbage, and at most as much of it as there may be.
    let messages: Vec<u8> = (0..200).flat_map(|_| puppet.session.send.seal(0, &[], &[0; 13])).collect();
    puppet.wire.write(&messages).await;
    let rest = puppet.wire.end().await;
    assert!(rest.len() <= 4_095 + 16 + 20);
    assert!(!rest.windows(16).any(|window| window == puppet.session.receive_terminator));
    // In v1 it is told by its first bytes, without a word.
    let mut wire = Wire::connect(listening(&server)).await;
    wire.write(&encode(Magic::BITCOIN, &Message::Verack)[..4]).await;
    wire.write(b"version\0\0\0\0\0").await;
    wire.end().await;
    until("no peer", async || server.p2p.peers().await.is_empty()).await;
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v1_is_told_from_its_first_sixteen_bytes_also_one_by_one() {
    let server = Server::start(&[], 1).await;
    let hello = {
        let payload = version(1);
        let mut decoder = mycoin_p2p::Decoder::new(Magic::REGTEST);
        let framed = |payload: &[u8]| {
            use mycoin_primitives::hashes::{Hash as _, sha256d};
            let mut bytes = [&magic()[..], b"version\0\0\0\0\0", &(payload.len() as u32).to_le_bytes()].concat();
            bytes.extend_from_slice(&sha256d::Hash::hash(payload).to_byte_array()[..4]);
            bytes.extend_from_slice(payload);
            bytes
        };
        let bytes = framed(&payload);
        decoder.push(&bytes);
        assert!(matches!(decoder.next_message(), Ok(Some(Message::Version(_)))));
        bytes
    };
    let mut wire = Wire::connect(listening(&server)).await;
    for byte in &hello[..15] {
        wire.write(&[*byte]).await;
    }
    assert!(!wire.speaks_within(Duration::from_millis(200)).await);
    the_peer(&server, "the connection", |peer| peer.transport == TransportProtocol::Detecting).await;
    wire.write(&hello[15..16]).await;
    let peer = the_peer(&server, "the decision", |peer| peer.transport != TransportProtocol::Detecting).await;
    assert_eq!((peer.transport.name(), peer.transport.session_id()), ("v1", None));
    wire.write(&hello[16..]).await;
    assert_eq!(&wire.read::<16>().await, &hello[..16], "plain, as ever");
    server.p2p.shutdown().await;
}
