//! BIP324 written a second time, from its text alone: a peer that says what a test wants, byte by byte.
//!
//! It shares with the crate only the curve and the two ciphers. Everything else — key derivation, changes of keys, packets,
//! garbage — is done here in the plainest way, so that a mistake on one side meets no twin on the other.

use std::net::SocketAddr;
use std::time::Duration;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};
use chacha20poly1305::aead::Aead as _;
use chacha20poly1305::aead::Payload;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use mycoin_primitives::bitcoin::secp256k1::ellswift::ElligatorSwift;
use mycoin_primitives::bitcoin::secp256k1::{PublicKey, Scalar, Secp256k1, SecretKey};
use mycoin_primitives::hashes::{Hash as _, HashEngine as _, Hmac, HmacEngine, sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    sha256::Hash::hash(&parts.concat()).to_byte_array()
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut engine = HmacEngine::<sha256::Hash>::new(key);
    engine.input(text);
    Hmac::from_engine(engine).to_byte_array()
}

fn nonce(first: u32, rekeys: u64) -> [u8; 12] {
    [&first.to_le_bytes()[..], &rekeys.to_le_bytes()].concat().try_into().expect("4 + 8 bytes")
}

/// The ciphers of one direction.
pub(crate) struct Direction {
    length_key: [u8; 32],
    packet_key: [u8; 32],
    count: u64,
}

impl Direction {
    fn length_stream(&self, at: u64) -> ChaCha20 {
        let mut stream = ChaCha20::new(&self.length_key.into(), &nonce(0, self.count / 224).into());
        stream.seek(at);
        stream
    }

    fn crypt_length(&self, bytes: &mut [u8; 3]) {
        self.length_stream(self.count % 224 * 3).apply_keystream(bytes);
    }

    fn next(&mut self) {
        if self.count % 224 == 223 {
            let mut key = [0; 32];
            self.length_stream(224 * 3).apply_keystream(&mut key);
            let zeros = ChaCha20Poly1305::new(&self.packet_key.into())
                .encrypt(&nonce(u32::MAX, self.count / 224).into(), &[0; 32][..])
                .expect("short");
            self.length_key = key;
            self.packet_key = zeros[..32].try_into().expect("32 and a tag");
        }
        self.count += 1;
    }

    fn packet_nonce(&self) -> [u8; 12] {
        nonce((self.count % 224) as u32, self.count / 224)
    }

    pub(crate) fn seal(&mut self, header: u8, aad: &[u8], contents: &[u8]) -> Vec<u8> {
        let mut length: [u8; 3] = (contents.len() as u32).to_le_bytes()[..3].try_into().expect("three of four");
        self.crypt_length(&mut length);
        let text = [&[header], contents].concat();
        let sealed = ChaCha20Poly1305::new(&self.packet_key.into())
            .encrypt(&self.packet_nonce().into(), Payload { msg: &text, aad })
            .expect("short");
        self.next();
        [&length[..], &sealed].concat()
    }

    fn open(&mut self, aad: &[u8], sealed: &[u8]) -> Vec<u8> {
        let text = ChaCha20Poly1305::new(&self.packet_key.into())
            .decrypt(&self.packet_nonce().into(), Payload { msg: sealed, aad })
            .expect("the tag is right");
        self.next();
        text
    }
}

/// What follows from both keys.
pub(crate) struct Session {
    pub(crate) id: [u8; 32],
    pub(crate) send: Direction,
    receive: Direction,
    pub(crate) send_terminator: [u8; 16],
    pub(crate) receive_terminator: [u8; 16],
}

/// A key pair.
pub(crate) struct Key {
    secret: SecretKey,
    pub(crate) public: [u8; 64],
}

impl Key {
    pub(crate) fn new(seed: u8) -> Self {
        Self::disguised(seed, [seed; 32])
    }

    /// The same secret gives another 64 bytes with each disguise.
    pub(crate) fn disguised(seed: u8, disguise: [u8; 32]) -> Self {
        let secret = SecretKey::from_slice(&[seed; 32]).expect("a key");
        Self { secret, public: ElligatorSwift::from_seckey(&Secp256k1::new(), secret, Some(disguise)).to_array() }
    }

    pub(crate) fn session(&self, magic: [u8; 4], is_initiator: bool, theirs: [u8; 64]) -> Session {
        let point = PublicKey::from_ellswift(ElligatorSwift::from_array(theirs));
        let shared = point.mul_tweak(&Secp256k1::new(), &Scalar::from(self.secret)).expect("no point at infinity");
        let x = shared.x_only_public_key().0.serialize();
        let tag = sha256(&[b"bip324_ellswift_xonly_ecdh"]);
        let (first, second) = if is_initiator { (self.public, theirs) } else { (theirs, self.public) };
        let secret = sha256(&[&tag, &tag, &first, &second, &x]);
        let master = hmac(&[&b"bitcoin_v2_shared_secret"[..], &magic].concat(), &secret);
        let expand = |info: &[u8]| hmac(&master, &[info, &[1]].concat());
        let direction = |length_key: &[u8], packet_key: &[u8]| Direction {
            length_key: expand(length_key),
            packet_key: expand(packet_key),
            count: 0,
        };
        let initiator = direction(b"initiator_L", b"initiator_P");
        let responder = direction(b"responder_L", b"responder_P");
        let terminators = expand(b"garbage_terminators");
        let first = terminators[..16].try_into().expect("half of 32");
        let second = terminators[16..].try_into().expect("half of 32");
        let id = expand(b"session_id");
        if is_initiator {
            Session { id, send: initiator, receive: responder, send_terminator: first, receive_terminator: second }
        } else {
            Session { id, send: responder, receive: initiator, send_terminator: second, receive_terminator: first }
        }
    }
}

/// A socket on which nothing waits for ever.
pub(crate) struct Wire(pub(crate) TcpStream);

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        Self(stream)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        tokio::time::timeout(PATIENCE, self.0.write_all(bytes)).await.expect("in time").expect("it reads");
    }

    /// Writes so many bytes, or until the other side ends the connection.
    pub(crate) async fn flood(&mut self, count: usize) {
        let bytes = vec![0x55; count];
        let _ = tokio::time::timeout(PATIENCE, self.0.write_all(&bytes)).await.expect("it reads or ends");
    }

    pub(crate) async fn read<const N: usize>(&mut self) -> [u8; N] {
        self.read_vec(N).await.try_into().expect("its length is N")
    }

    pub(crate) async fn read_vec(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        tokio::time::timeout(PATIENCE, self.0.read_exact(&mut bytes)).await.expect("in time").expect("it writes");
        bytes
    }

    /// Whether a byte comes within that time.
    pub(crate) async fn speaks_within(&mut self, time: Duration) -> bool {
        let mut byte = [0];
        tokio::time::timeout(time, self.0.peek(&mut byte))
            .await
            .is_ok_and(|peeked| peeked.is_ok_and(|count| count == 1))
    }

    /// Waits until the other side ends the connection; what it still said.
    pub(crate) async fn end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut rest)).await;
        // With or without a reset.
        let _ = ended.expect("the other side ends the connection");
        rest
    }
}

/// A peer over an encrypted connection.
pub(crate) struct Puppet {
    pub(crate) wire: Wire,
    pub(crate) session: Session,
    /// Its own garbage.
    pub(crate) garbage: Vec<u8>,
}

impl Puppet {
    /// Dials, and exchanges keys.
    pub(crate) async fn dial(address: SocketAddr, magic: [u8; 4], garbage: Vec<u8>) -> Self {
        let (mut wire, key) = (Wire::connect(address).await, Key::new(7));
        wire.write(&[&key.public[..], &garbage].concat()).await;
        let theirs = wire.read().await;
        Self { wire, session: key.session(magic, true, theirs), garbage }
    }

    /// Takes a connection, and exchanges keys.
    pub(crate) async fn answer(mut wire: Wire, magic: [u8; 4], garbage: Vec<u8>) -> Self {
        let key = Key::new(9);
        let theirs = wire.read().await;
        wire.write(&[&key.public[..], &garbage].concat()).await;
        Self { wire, session: key.session(magic, false, theirs), garbage }
    }

    /// Sends what ends the garbage, and the version packet.
    pub(crate) async fn introduce(&mut self) {
        let aad = std::mem::take(&mut self.garbage);
        let bytes = [&self.session.send_terminator[..], &self.session.send.seal(0, &aad, &[])].concat();
        self.wire.write(&bytes).await;
    }

    /// Reads the other side's garbage and version packet; the garbage.
    pub(crate) async fn meet(&mut self) -> Vec<u8> {
        let mut seen = self.wire.read_vec(16).await;
        while !seen.ends_with(&self.session.receive_terminator) {
            assert!(seen.len() < 4_095 + 16, "the terminator never comes");
            seen.extend(self.wire.read::<1>().await);
        }
        seen.truncate(seen.len() - 16);
        let (header, contents) = self.receive(&seen).await;
        assert_eq!((header, contents), (0, Vec::new()), "our version packet is empty");
        seen
    }

    /// Does both.
    pub(crate) async fn agree(&mut self) {
        self.introduce().await;
        self.meet().await;
    }

    /// The next packet's header and contents.
    pub(crate) async fn receive(&mut self, aad: &[u8]) -> (u8, Vec<u8>) {
        let mut length = self.wire.read::<3>().await;
        self.session.receive.crypt_length(&mut length);
        let [a, b, c] = length;
        let sealed = self.wire.read_vec(u32::from_le_bytes([a, b, c, 0]) as usize + 17).await;
        let text = self.session.receive.open(aad, &sealed);
        (text[0], text[1..].to_vec())
    }

    pub(crate) async fn send_contents(&mut self, contents: &[u8]) {
        let packet = self.session.send.seal(0, &[], contents);
        self.wire.write(&packet).await;
    }

    /// Sends a message under its long name.
    pub(crate) async fn send(&mut self, name: &str, payload: &[u8]) {
        let mut contents = [&[0], name.as_bytes()].concat();
        contents.resize(13, 0);
        contents.extend_from_slice(payload);
        self.send_contents(&contents).await;
    }

    /// The next message's name bytes (1 or 13) and payload.
    pub(crate) async fn receive_message(&mut self) -> (Vec<u8>, Vec<u8>) {
        let (header, contents) = self.receive(&[]).await;
        assert_eq!(header, 0);
        let count = if contents[0] == 0 { 13 } else { 1 };
        (contents[..count].to_vec(), contents[count..].to_vec())
    }

    /// Shakes hands in the protocol; whoever dialled speaks first.
    pub(crate) async fn shake_hands(&mut self, version: &[u8], is_initiator: bool) {
        if is_initiator {
            self.send("version", version).await;
        }
        assert_eq!(self.receive_message().await.0, b"\0version\0\0\0\0\0");
        if !is_initiator {
            self.send("version", version).await;
        }
        self.send("verack", &[]).await;
        while self.receive_message().await.0 != b"\0verack\0\0\0\0\0\0" {}
    }

    /// Pings, and waits for the answer; other messages are passed over.
    pub(crate) async fn ping(&mut self, number: u64) {
        self.send_contents(&[&[18], &number.to_le_bytes()[..]].concat()).await;
        loop {
            let (name, payload) = self.receive_message().await;
            if name == [19] {
                assert_eq!(payload, number.to_le_bytes());
                return;
            }
        }
    }
}
