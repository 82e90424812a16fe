//! BIP324's transport: how encrypted connections begin, and what comes over them.
//!
//! In:    bytes as they arrive, in pieces of any size.
//! Out:   messages, or the one reason why the stream cannot go on; the bytes that open our side; what seals our messages.
//! Never: memory on the peer's word: the buffer grows with the bytes that came.
//!
//! | who | sends | how much |
//! |---|---|---|
//! | initiator | key, garbage | 64 + 0…4,095 bytes |
//! | responder | key, garbage, terminator, version packet | 64 + 0…4,095 + 16 + 20 bytes |
//! | initiator | terminator, version packet | 16 + 20 bytes |
//! | both | packets | 20 bytes and the contents, at most 13 + 4,000,000; before `verack` 13 + 1,024 |
//!
//! | what comes | what happens |
//! |---|---|
//! | a decoy, also before the version packet | nothing |
//! | contents of the version packet; a message that nobody knows or that has no name | nothing |
//! | no terminator after 4,095 bytes of garbage, a wrong tag, too long contents | the connection ends |
//! | the first packet, decoy or not | its tag covers the garbage too |
//! | after 224 packets of one direction | its keys change |
//!
//! Source: BIP324; Bitcoin Core `V2Transport`, net.cpp.

mod cipher;
mod message_type;

use std::fmt;
use std::io;

use mycoin_primitives::bitcoin::p2p::Magic;
use mycoin_primitives::bitcoin::secp256k1::ellswift::ElligatorSwift;
use mycoin_primitives::bitcoin::secp256k1::{Secp256k1, SecretKey};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use self::cipher::{HEADER, KEY, LENGTH, PacketOpener, Session, TAG, TERMINATOR};
pub(super) use self::cipher::{PacketSealer, Role};
use crate::codec::{CodecError, PayloadLimit};
use crate::limits::GARBAGE_MAX;
use crate::message::Message;

/// What a v1 connection begins with after the magic: the name of its first message.
pub(super) const V1_VERSION: [u8; 12] = *b"version\0\0\0\0\0";

/// The packet of a message.
pub(super) fn seal(sealer: &mut PacketSealer, command: &str, payload: &[u8]) -> Vec<u8> {
    let (name, count) = message_type::encode(command);
    sealer.seal(&[], false, &[name.get(..count).unwrap_or_default(), payload])
}

/// Our side's share of the exchange of keys.
pub(super) struct Ours {
    secret: SecretKey,
    key: [u8; KEY],
    garbage: Vec<u8>,
}

impl Ours {
    /// A new key and garbage of random length, from the operating system.
    ///
    /// # Errors
    ///
    /// When the operating system has no randomness.
    pub(super) fn random() -> io::Result<Self> {
        let (secret, disguise) = (random_secret()?, random_bytes()?);
        let mut length = [0; 2];
        fill(&mut length)?;
        // 4,096 lengths divide 2^16: each is as likely.
        let mut garbage = vec![0; usize::from(u16::from_le_bytes(length)) % (GARBAGE_MAX + 1)];
        fill(&mut garbage)?;
        let key = ElligatorSwift::from_seckey(&Secp256k1::new(), secret, Some(*disguise)).to_array();
        Ok(Self { secret, key, garbage })
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ours(secret)")
    }
}

/// Random bytes of the operating system.
///
/// # Errors
///
/// When it has none.
pub(super) fn fill(bytes: &mut [u8]) -> io::Result<()> {
    OsRng.try_fill_bytes(bytes).map_err(io::Error::other)
}

fn random_bytes() -> io::Result<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    fill(bytes.as_mut())?;
    Ok(bytes)
}

fn random_secret() -> io::Result<SecretKey> {
    loop {
        // One in 2^128 is no key.
        if let Ok(secret) = SecretKey::from_slice(random_bytes()?.as_ref()) {
            return Ok(secret);
        }
    }
}

/// How far the receiving side has come.
#[derive(Debug)]
enum Stage {
    /// The other side's key has not come.
    Key(Ours),
    /// It has: garbage, then packets.
    Secured(Box<Secured>),
}

/// What comes under keys.
#[derive(Debug)]
struct Secured {
    id: [u8; 32],
    opener: PacketOpener,
    /// What ends the garbage, until it has come.
    terminator: Option<[u8; TERMINATOR]>,
    /// Places of the garbage at which it does not stand.
    searched: usize,
    /// The garbage, until the first packet has confirmed it.
    aad: Vec<u8>,
    /// The length of the contents under way.
    length: Option<usize>,
    /// Whether the version packet has come.
    is_agreed: bool,
}

/// What became of the bytes that are there.
enum Step {
    /// They are too few.
    Wait,
    /// Something was used up.
    Go,
    Message(Message),
}

/// The receiving side of an encrypted connection.
#[derive(Debug)]
pub(super) struct Receiver {
    magic: Magic,
    role: Role,
    stage: Stage,
    buffer: Vec<u8>,
    /// Where the bytes begin that are not used yet.
    start: usize,
    consumed: u64,
    limit: PayloadLimit,
    opening: Vec<u8>,
    sealer: Option<PacketSealer>,
}

impl Receiver {
    /// A connection's beginning. What opens our side is there at once.
    pub(super) fn new(magic: Magic, role: Role, ours: Ours) -> Self {
        let opening = [&ours.key[..], &ours.garbage].concat();
        Self {
            magic,
            role,
            stage: Stage::Key(ours),
            buffer: Vec::new(),
            start: 0,
            consumed: 0,
            limit: PayloadLimit::default(),
            opening,
            sealer: None,
        }
    }

    /// Takes bytes as they arrive.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes to write before any message.
    pub(super) fn take_opening(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.opening)
    }

    /// What seals our messages; it comes with the other side's key.
    pub(super) fn take_sealer(&mut self) -> Option<PacketSealer> {
        self.sealer.take()
    }

    /// The session's id, as soon as the other side has shown that it has the same.
    pub(super) fn session(&self) -> Option<[u8; 32]> {
        match &self.stage {
            Stage::Secured(secured) if secured.is_agreed => Some(secured.id),
            Stage::Secured(_) | Stage::Key(_) => None,
        }
    }

    /// The bytes that were used so far.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// The next message; `None` until more bytes come.
    ///
    /// # Errors
    ///
    /// [`CodecError`] as soon as the bytes cannot go on to be a connection.
    pub(super) fn next_message(&mut self) -> Result<Option<Message>, CodecError> {
        loop {
            let unused = self.buffer.get_mut(self.start..).unwrap_or_default();
            let (used, step) = match &mut self.stage {
                Stage::Secured(secured) => secured.step(unused, &mut self.limit)?,
                Stage::Key(ours) => match read_key(self.magic, self.role, unused)? {
                    None => (0, Step::Wait),
                    Some(theirs) => {
                        let session = Session::agree(self.magic, self.role, &ours.secret, ours.key, theirs);
                        let mut sealer = session.sealer;
                        self.opening.extend_from_slice(&session.send_terminator);
                        self.opening.extend_from_slice(&sealer.seal(&ours.garbage, false, &[]));
                        self.sealer = Some(sealer);
                        self.stage = Stage::Secured(Box::new(Secured {
                            id: session.id,
                            opener: session.opener,
                            terminator: Some(session.receive_terminator),
                            searched: 0,
                            aad: Vec::new(),
                            length: None,
                            is_agreed: false,
                        }));
                        (KEY, Step::Go)
                    }
                },
            };
            self.start += used;
            self.consumed += used as u64;
            match step {
                Step::Wait => return Ok(None),
                Step::Go => {}
                Step::Message(message) => {
                    // What a long message needed is given back with it, even when the peer must wait from here on.
                    let rest = self.buffer.get(self.start..).unwrap_or_default();
                    if self.buffer.capacity() > 1 << 18 && rest.len() < 1 << 17 {
                        self.buffer = rest.to_vec();
                        self.start = 0;
                    }
                    return Ok(Some(message));
                }
            }
        }
    }
}

/// The other side's key, when all of it is there.
fn read_key(magic: Magic, role: Role, bytes: &[u8]) -> Result<Option<[u8; KEY]>, CodecError> {
    // One that dialled us in v1, for another network. With our magic it would have been taken for v1.
    if role == Role::Responder
        && let Some((found, rest)) = bytes.split_first_chunk::<4>()
        && *found != magic.to_bytes()
        && rest.starts_with(&V1_VERSION)
    {
        return Err(CodecError::WrongMagic { found: *found });
    }
    Ok(bytes.first_chunk::<KEY>().copied())
}

impl Secured {
    /// Looks at the bytes that are there; how many of them are used up, and what they gave.
    fn step(&mut self, bytes: &mut [u8], limit: &mut PayloadLimit) -> Result<(usize, Step), CodecError> {
        if let Some(terminator) = self.terminator {
            return self.find(&terminator, bytes);
        }
        let Some(length) = self.length else {
            let Some(sealed) = bytes.first_chunk::<LENGTH>() else { return Ok((0, Step::Wait)) };
            let length = self.opener.length(*sealed);
            let longest = 1 + message_type::LONG + limit.bytes();
            if length > longest {
                return Err(CodecError::TooLong { length, limit: longest });
            }
            self.length = Some(length);
            return Ok((LENGTH, Step::Go));
        };
        let Some(sealed) = bytes.get_mut(..HEADER + length + TAG) else { return Ok((0, Step::Wait)) };
        let used = sealed.len();
        let aad = std::mem::take(&mut self.aad);
        let (is_decoy, contents) = self.opener.open(&aad, sealed).map_err(|_| CodecError::BadTag)?;
        self.length = None;
        if is_decoy {
            return Ok((used, Step::Go));
        }
        if !self.is_agreed {
            // The version packet: its contents are for versions to come.
            self.is_agreed = true;
            return Ok((used, Step::Go));
        }
        let Some((command, payload)) = message_type::split(contents) else { return Ok((used, Step::Go)) };
        if payload.len() > limit.bytes() {
            return Err(CodecError::TooLong { length: payload.len(), limit: limit.bytes() });
        }
        let message = Message::read_payload(command, payload)
            .map_err(|error| CodecError::Payload { command: command.to_owned(), error })?;
        limit.saw(&message);
        Ok((used, Step::Message(message)))
    }

    /// Looks for the end of the garbage.
    fn find(&mut self, terminator: &[u8; TERMINATOR], bytes: &[u8]) -> Result<(usize, Step), CodecError> {
        for (place, window) in
            bytes.windows(TERMINATOR).enumerate().skip(self.searched).take(GARBAGE_MAX + 1 - self.searched)
        {
            if window == terminator {
                self.terminator = None;
                self.aad = bytes.get(..place).unwrap_or_default().to_vec();
                return Ok((place + TERMINATOR, Step::Go));
            }
            self.searched = place + 1;
        }
        if self.searched > GARBAGE_MAX { Err(CodecError::NoTerminator) } else { Ok((0, Step::Wait)) }
    }
}

#[cfg(test)]
mod tests;
