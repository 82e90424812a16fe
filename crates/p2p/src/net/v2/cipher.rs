//! BIP324's keys and ciphers: what makes packets unreadable, and how their keys come about.
//!
//! In:    both sides' keys, the network's magic, packets' contents.
//! Out:   packets, and contents again; the session's id and the garbage terminators.
//! Never: a nonce twice under one key: every packet moves the counters on, every 224th changes the keys.
//!
//! | bytes | a packet |
//! |---|---|
//! | 3 | length of the contents, little endian, under the length cipher (ChaCha20) |
//! | 1 | header: bit 7 says that the packet is a decoy, the others mean nothing |
//! | length | contents, sealed together with the header (ChaCha20Poly1305) |
//! | 16 | tag |
//!
//! Source: BIP324; Bitcoin Core bip324.cpp, crypto/chacha20poly1305.cpp.

use std::fmt;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
use chacha20poly1305::{AeadInPlace as _, ChaCha20Poly1305, KeyInit as _, Nonce, Tag};
use mycoin_primitives::bitcoin::p2p::Magic;
use mycoin_primitives::bitcoin::secp256k1::SecretKey;
use mycoin_primitives::bitcoin::secp256k1::ellswift::{
    ElligatorSwift, ElligatorSwiftParty, ElligatorSwiftSharedSecret,
};
use mycoin_primitives::hashes::{Hash as _, HashEngine as _, Hmac, HmacEngine, sha256};
use zeroize::Zeroizing;

/// Bytes of a public key in its ElligatorSwift form.
pub(super) const KEY: usize = 64;
/// Bytes that end the garbage.
pub(super) const TERMINATOR: usize = 16;
/// Bytes of a packet's length.
pub(super) const LENGTH: usize = 3;
/// Bytes of a packet's header.
pub(super) const HEADER: usize = 1;
/// Bytes of a packet's tag.
pub(super) const TAG: usize = 16;
/// Packets under one key (`REKEY_INTERVAL`).
const REKEY_INTERVAL: u32 = 224;
/// The header's bit that marks a decoy (`IGNORE_BIT`).
const IGNORE: u8 = 1 << 7;

/// Which side of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net) enum Role {
    /// We dialled.
    Initiator,
    /// We were dialled.
    Responder,
}

/// A nonce: how many packets the key has had, how many keys there were before it.
fn nonce(packets: u32, rekeys: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(&packets.to_le_bytes());
    nonce[4..].copy_from_slice(&rekeys.to_le_bytes());
    nonce
}

/// BIP324's `FSChaCha20`: one key stream for the lengths of 224 packets; what follows it is the next key.
struct LengthCipher {
    stream: ChaCha20,
    packets: u32,
    rekeys: u64,
}

impl LengthCipher {
    fn new(key: &[u8; 32]) -> Self {
        Self { stream: ChaCha20::new(key.into(), &nonce(0, 0).into()), packets: 0, rekeys: 0 }
    }

    /// Encrypts or decrypts.
    fn apply(&mut self, length: &mut [u8; LENGTH]) {
        self.stream.apply_keystream(length);
        self.packets += 1;
        if self.packets == REKEY_INTERVAL {
            let mut key = Zeroizing::new([0; 32]);
            self.stream.apply_keystream(key.as_mut());
            self.packets = 0;
            self.rekeys += 1;
            self.stream = ChaCha20::new((&*key).into(), &nonce(0, self.rekeys).into());
        }
    }
}

/// BIP324's `FSChaCha20Poly1305`: a new nonce for each packet, a new key after 224.
struct PacketCipher {
    aead: ChaCha20Poly1305,
    packets: u32,
    rekeys: u64,
}

impl PacketCipher {
    fn new(key: &[u8; 32]) -> Self {
        Self { aead: ChaCha20Poly1305::new(key.into()), packets: 0, rekeys: 0 }
    }

    fn encrypt(&mut self, aad: &[u8], text: &mut [u8]) -> Tag {
        let nonce = Nonce::from(nonce(self.packets, self.rekeys));
        let tag = self.aead.encrypt_in_place_detached(&nonce, aad, text).expect("a packet is shorter than 256 GB");
        self.advance();
        tag
    }

    fn decrypt(&mut self, aad: &[u8], text: &mut [u8], tag: &Tag) -> Result<(), BadTag> {
        let nonce = Nonce::from(nonce(self.packets, self.rekeys));
        self.aead.decrypt_in_place_detached(&nonce, aad, text, tag).map_err(|_| BadTag)?;
        self.advance();
        Ok(())
    }

    fn advance(&mut self) {
        self.packets += 1;
        if self.packets == REKEY_INTERVAL {
            let mut key = Zeroizing::new([0; 32]);
            let nonce = Nonce::from(nonce(u32::MAX, self.rekeys));
            let _ = self.aead.encrypt_in_place_detached(&nonce, &[], key.as_mut()).expect("32 bytes are short");
            self.packets = 0;
            self.rekeys += 1;
            self.aead = ChaCha20Poly1305::new((&*key).into());
        }
    }
}

/// The packet's tag is not that of its bytes: it was changed on the way, or the two sides have other keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadTag;

/// Makes the packets that we send.
pub(in crate::net) struct PacketSealer {
    length: LengthCipher,
    packet: PacketCipher,
}

impl PacketSealer {
    fn new(keys: &DirectionKeys) -> Self {
        Self { length: LengthCipher::new(&keys.length), packet: PacketCipher::new(&keys.packet) }
    }

    /// The packet of contents that are the parts in their order, at most 2²⁴ − 1 bytes in all.
    pub(in crate::net) fn seal(&mut self, aad: &[u8], is_decoy: bool, parts: &[&[u8]]) -> Vec<u8> {
        let count: usize = parts.iter().map(|part| part.len()).sum();
        let [a, b, c, ..] = count.to_le_bytes();
        let mut length = [a, b, c];
        self.length.apply(&mut length);
        let mut packet = Vec::with_capacity(LENGTH + HEADER + count + TAG);
        packet.extend_from_slice(&length);
        packet.push(if is_decoy { IGNORE } else { 0 });
        parts.iter().for_each(|part| packet.extend_from_slice(part));
        let (_, text) = packet.split_at_mut(LENGTH);
        let tag = self.packet.encrypt(aad, text);
        packet.extend_from_slice(&tag);
        packet
    }
}

impl fmt::Debug for PacketSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PacketSealer(secret)")
    }
}

/// Opens the packets that come.
pub(super) struct PacketOpener {
    length: LengthCipher,
    packet: PacketCipher,
}

impl PacketOpener {
    fn new(keys: &DirectionKeys) -> Self {
        Self { length: LengthCipher::new(&keys.length), packet: PacketCipher::new(&keys.packet) }
    }

    /// The length of the next packet's contents. Call it once for each packet.
    pub(super) fn length(&mut self, mut bytes: [u8; LENGTH]) -> usize {
        self.length.apply(&mut bytes);
        let [a, b, c] = bytes;
        u32::from_le_bytes([a, b, c, 0]) as usize
    }

    /// Decrypts what follows the length, in place; whether it is a decoy, and its contents.
    pub(super) fn open<'a>(&mut self, aad: &[u8], bytes: &'a mut [u8]) -> Result<(bool, &'a [u8]), BadTag> {
        let (text, tag) = bytes.split_last_chunk_mut::<TAG>().ok_or(BadTag)?;
        self.packet.decrypt(aad, text, &(*tag).into())?;
        let (header, contents) = text.split_first().ok_or(BadTag)?;
        Ok((header & IGNORE != 0, contents))
    }
}

impl fmt::Debug for PacketOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PacketOpener(secret)")
    }
}

/// The keys of what one side sends.
struct DirectionKeys {
    length: Zeroizing<[u8; 32]>,
    packet: Zeroizing<[u8; 32]>,
    terminator: [u8; TERMINATOR],
}

/// All that follows from the shared secret.
struct Keys {
    id: [u8; 32],
    initiator: DirectionKeys,
    responder: DirectionKeys,
}

impl Keys {
    fn derive(magic: Magic, secret: &ElligatorSwiftSharedSecret) -> Self {
        // RFC 5869 with SHA256: the magic in the salt keeps networks apart.
        let salt = [&b"bitcoin_v2_shared_secret"[..], &magic.to_bytes()].concat();
        let master = hmac(&salt, &[secret.as_secret_bytes()]);
        let expand = |info: &str| hmac(master.as_ref(), &[info.as_bytes(), &[1]]);
        let terminators = expand("garbage_terminators");
        let (first, second) = terminators.split_at(TERMINATOR);
        let direction = |length: &str, packet: &str, terminator: &[u8]| DirectionKeys {
            length: expand(length),
            packet: expand(packet),
            terminator: terminator.try_into().expect("32 bytes are two terminators"),
        };
        Self {
            id: *expand("session_id"),
            initiator: direction("initiator_L", "initiator_P", first),
            responder: direction("responder_L", "responder_P", second),
        }
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut engine = HmacEngine::<sha256::Hash>::new(key);
    parts.iter().for_each(|part| engine.input(part));
    Zeroizing::new(Hmac::from_engine(engine).to_byte_array())
}

/// What both sides have after the exchange of keys.
#[derive(Debug)]
pub(super) struct Session {
    /// The same on both sides, and different when somebody sits between them.
    pub(super) id: [u8; 32],
    pub(super) sealer: PacketSealer,
    pub(super) opener: PacketOpener,
    pub(super) send_terminator: [u8; TERMINATOR],
    pub(super) receive_terminator: [u8; TERMINATOR],
}

impl Session {
    /// Agrees on keys with the side that sent `theirs`.
    pub(super) fn agree(magic: Magic, role: Role, secret: &SecretKey, ours: [u8; KEY], theirs: [u8; KEY]) -> Self {
        let keys = Keys::derive(magic, &shared_secret(role, secret, ours, theirs));
        let (send, receive) = match role {
            Role::Initiator => (&keys.initiator, &keys.responder),
            Role::Responder => (&keys.responder, &keys.initiator),
        };
        Self {
            id: keys.id,
            sealer: PacketSealer::new(send),
            opener: PacketOpener::new(receive),
            send_terminator: send.terminator,
            receive_terminator: receive.terminator,
        }
    }
}

fn shared_secret(role: Role, secret: &SecretKey, ours: [u8; KEY], theirs: [u8; KEY]) -> ElligatorSwiftSharedSecret {
    let (initiator, responder, party) = match role {
        Role::Initiator => (ours, theirs, ElligatorSwiftParty::A),
        Role::Responder => (theirs, ours, ElligatorSwiftParty::B),
    };
    let [initiator, responder] = [initiator, responder].map(ElligatorSwift::from_array);
    ElligatorSwift::shared_secret(initiator, responder, *secret, party, None)
}

#[cfg(test)]
mod tests;
