//! BIP324's own figures, and what must not open.

use mycoin_primitives::bitcoin::hex::FromHex as _;
use mycoin_primitives::bitcoin::p2p::Magic;
use mycoin_primitives::bitcoin::secp256k1::{PublicKey, Secp256k1};
use serde_json::Value;

use super::*;

fn rows(file: &str, name: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(file).expect("the file is JSON");
    file.get(name).and_then(Value::as_array).expect("it has a list").clone()
}

fn bytes(row: &Value, field: &str) -> Vec<u8> {
    Vec::from_hex(row[field].as_str().expect("a text")).expect("hex")
}

fn array<const N: usize>(row: &Value, field: &str) -> [u8; N] {
    bytes(row, field).try_into().expect("its length is fixed")
}

fn role(row: &Value) -> Role {
    if row["initiator"].as_bool().expect("yes or no") { Role::Initiator } else { Role::Responder }
}

fn secret(row: &Value) -> SecretKey {
    SecretKey::from_slice(&bytes(row, "private_key")).expect("a key")
}

fn decode(key: [u8; KEY]) -> PublicKey {
    PublicKey::from_ellswift(ElligatorSwift::from_array(key))
}

#[test]
fn keys_decode_to_bip324s_points() {
    let decode_rows = rows(include_str!("../../../../tests/data/bip324_ellswift_decode.json"), "decode");
    for row in &decode_rows {
        let wanted = [&[if row["odd_y"] == true { 3 } else { 2 }], &bytes(row, "x")[..]].concat();
        assert_eq!(decode(array(row, "encoding")).serialize()[..], wanted, "{row}");
    }
    let inverse_rows = rows(include_str!("../../../../tests/data/bip324_xswiftec_inverse.json"), "inverse");
    let mut solutions = 0;
    for row in &inverse_rows {
        for t in row["t"].as_array().expect("eight cases").iter().filter_map(Value::as_str) {
            let key = [bytes(row, "u"), Vec::from_hex(t).expect("hex")].concat().try_into().expect("64 bytes");
            assert_eq!(decode(key).x_only_public_key().0.serialize()[..], bytes(row, "x"), "{row}");
            solutions += 1;
        }
    }
    assert_eq!((decode_rows.len(), inverse_rows.len(), solutions), (76, 32, 98));
}

#[test]
fn shared_secrets_are_bip324s() {
    let secrets = rows(include_str!("../../../../tests/data/bip324_shared_secrets.json"), "secrets");
    for row in &secrets {
        let found = shared_secret(role(row), &secret(row), array(row, "our_key"), array(row, "their_key"));
        assert_eq!(found.to_secret_bytes(), array(row, "shared_secret"), "{row}");
    }
    assert_eq!(secrets.len(), 7);
}

fn packets() -> Vec<Value> {
    rows(include_str!("../../../../tests/data/bip324_packets.json"), "packets")
}

fn session(row: &Value) -> Session {
    Session::agree(Magic::BITCOIN, role(row), &secret(row), array(row, "our_key"), array(row, "their_key"))
}

/// What opens our own packets, as the other side does.
fn mirror(row: &Value) -> PacketOpener {
    let secret = shared_secret(role(row), &secret(row), array(row, "our_key"), array(row, "their_key"));
    let keys = Keys::derive(Magic::BITCOIN, &secret);
    PacketOpener::new(match role(row) {
        Role::Initiator => &keys.initiator,
        Role::Responder => &keys.responder,
    })
}

/// A vector's packet, and the empty decoys before it.
fn sealed(row: &Value) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut sealer = session(row).sealer;
    let index = row["index"].as_u64().expect("a number");
    let before = (0..index).map(|_| sealer.seal(&[], true, &[])).collect();
    let contents = contents(row);
    // In two parts, as messages are sealed.
    let (first, second) = contents.split_at(contents.len() / 3);
    let is_decoy = row["ignore"].as_bool().expect("yes or no");
    (before, sealer.seal(&bytes(row, "aad"), is_decoy, &[first, second]))
}

fn contents(row: &Value) -> Vec<u8> {
    bytes(row, "contents").repeat(row["repeat"].as_u64().expect("a number") as usize)
}

#[test]
fn packets_are_bip324s() {
    let packets = packets();
    for row in &packets {
        let session = session(row);
        let ours = PublicKey::from_secret_key(&Secp256k1::new(), &secret(row)).x_only_public_key().0;
        assert_eq!(decode(array(row, "our_key")).x_only_public_key().0, ours);
        assert_eq!(session.id, array(row, "session_id"));
        assert_eq!(session.send_terminator, array(row, "send_terminator"));
        assert_eq!(session.receive_terminator, array(row, "receive_terminator"));
        let (_, packet) = sealed(row);
        match bytes(row, "ciphertext") {
            whole if whole.is_empty() => assert!(packet.ends_with(&bytes(row, "ciphertext_end"))),
            whole => assert_eq!(packet, whole),
        }
    }
    assert_eq!(packets.len(), 7);
    let first = &packets[0];
    let keys =
        Keys::derive(Magic::BITCOIN, &ElligatorSwiftSharedSecret::from_secret_bytes(array(first, "shared_secret")));
    assert_eq!(*keys.initiator.length, array(first, "initiator_length_key"));
    assert_eq!(*keys.initiator.packet, array(first, "initiator_packet_key"));
    assert_eq!(*keys.responder.length, array(first, "responder_length_key"));
    assert_eq!(*keys.responder.packet, array(first, "responder_packet_key"));
}

/// Opens the packet after `before`; its length, whether it is a decoy, its contents.
fn opened(row: &Value, before: &[Vec<u8>], packet: &[u8], aad: &[u8]) -> Result<(bool, Vec<u8>), BadTag> {
    let mut opener = mirror(row);
    let mut open = |packet: &[u8], aad: &[u8]| {
        let (length, rest) = packet.split_first_chunk().expect("it has a length");
        let length = opener.length(*length);
        let mut rest = rest.to_vec();
        rest.resize(HEADER + length + TAG, 0);
        opener.open(aad, &mut rest).map(|(is_decoy, contents)| (is_decoy, contents.to_vec()))
    };
    for decoy in before {
        assert_eq!(open(decoy, &[]), Ok((true, Vec::new())));
    }
    open(packet, aad)
}

#[test]
fn packets_open_as_they_were_sealed_and_not_otherwise() {
    for row in packets() {
        let (before, packet) = sealed(&row);
        let aad = bytes(&row, "aad");
        let whole = Ok((row["ignore"] == true, contents(&row)));
        assert_eq!(opened(&row, &before, &packet, &aad), whole);
        // One bit at a time, in the length, the header, the contents and the tag.
        for (turn, place) in [0, 2, 3, packet.len() / 2, packet.len() - 1].into_iter().enumerate() {
            let mut bent = packet.clone();
            bent[place] ^= 1 << turn;
            assert_eq!(opened(&row, &before, &bent, &aad), Err(BadTag), "byte {place}");
        }
        assert_eq!(opened(&row, &before, &packet, &[&aad[..], &[0]].concat()), Err(BadTag));
        if let Some((_, shorter)) = aad.split_first() {
            assert_eq!(opened(&row, &before, &packet, shorter), Err(BadTag));
        }
        if let Some((_, fewer)) = before.split_last() {
            assert_eq!(opened(&row, fewer, &packet, &aad), Err(BadTag), "another place in the row");
        }
    }
}

#[test]
fn another_coins_magic_gives_other_keys() {
    let row = &packets()[0];
    let session =
        |magic| Session::agree(magic, role(row), &secret(row), array(row, "our_key"), array(row, "their_key"));
    let (bitcoin, regtest) = (session(Magic::BITCOIN), session(Magic::REGTEST));
    assert_ne!(bitcoin.id, regtest.id);
    assert_ne!(bitcoin.send_terminator, regtest.send_terminator);
    assert_ne!(bitcoin.receive_terminator, regtest.receive_terminator);
}
