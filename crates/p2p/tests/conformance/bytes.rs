//! Bytes from tables, and the frames that they travel in.

use mycoin_primitives::hashes::{Hash as _, sha256d};

/// The sign of Bitcoin's regtest at the head of each message.
pub(crate) const MAGIC: [u8; 4] = [0xfa, 0xbf, 0xb5, 0xda];

/// The bytes that hexadecimal digits stand for; spaces count for nothing.
#[track_caller]
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    assert!(digits.len().is_multiple_of(2), "half a byte in {text}");
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("digits are ASCII");
        u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("{pair} is no byte"))
    };
    digits.chunks(2).map(byte).collect()
}

/// The bytes of a table: each row names a field and gives its digits.
#[track_caller]
pub(crate) fn table(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(_, digits)| hex(digits)).collect()
}

/// Twice SHA-256, which is all that Bitcoin's ids are.
pub(crate) fn double_sha256(bytes: &[u8]) -> [u8; 32] {
    sha256d::Hash::hash(bytes).to_byte_array()
}

/// A message of protocol v1: magic, name in 12 bytes, length, the payload's hash's first four bytes, payload.
pub(crate) fn frame(name: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(name.as_bytes());
    bytes.resize(16, 0);
    bytes.extend_from_slice(&u32::try_from(payload.len()).expect("short").to_le_bytes());
    bytes.extend_from_slice(&double_sha256(payload)[..4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// A message that came out: its name and its payload.
pub(crate) type Said = (String, Vec<u8>);

/// Takes frames apart; all of them must be right to the last byte.
#[track_caller]
pub(crate) fn said(mut bytes: &[u8]) -> Vec<Said> {
    let mut messages = Vec::new();
    while let Some((header, rest)) = bytes.split_at_checked(24) {
        assert_eq!(header[..4], MAGIC);
        let name = String::from_utf8(header[4..16].iter().copied().take_while(|byte| *byte != 0).collect());
        let name = name.expect("a name is ASCII");
        let length = u32::from_le_bytes([header[16], header[17], header[18], header[19]]) as usize;
        let (payload, rest) = rest.split_at_checked(length).expect("the length is right");
        assert_eq!(frame(&name, payload), bytes[..24 + length], "padding, length or checksum of {name}");
        messages.push((name, payload.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "no message has a rest");
    messages
}

/// The names alone.
pub(crate) fn names(messages: &[Said]) -> Vec<&str> {
    messages.iter().map(|(name, _)| name.as_str()).collect()
}

/// The payload of the only message of that name.
#[track_caller]
pub(crate) fn payload<'a>(messages: &'a [Said], name: &str) -> &'a [u8] {
    let mut found = messages.iter().filter(|(known, _)| known == name);
    match (found.next(), found.next()) {
        (Some((_, payload)), None) => payload,
        _ => panic!("one {name} in {:?}", names(messages)),
    }
}
