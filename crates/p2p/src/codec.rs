//! Bitcoin's v1 framing: magic, command, length, checksum, payload.
//!
//! In:    bytes as they arrive, in pieces of any size.
//! Out:   whole messages, or the one reason why the stream cannot go on.
//! Never: memory on the peer's word: the buffer grows with the bytes that came.
//!
//! Source: Bitcoin Core `V1Transport`, src/net.cpp.

use mycoin_primitives::bitcoin::p2p::Magic;
use mycoin_primitives::hashes::{Hash as _, sha256d};

use crate::limits::{HANDSHAKE_PAYLOAD_MAX, PAYLOAD_MAX};
use crate::message::{Message, PayloadError};

const HEADER: usize = 24;
const COMMAND: usize = 12;

/// Why a stream of bytes is no stream of messages. The connection ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Another network's magic, or another protocol.
    #[error("a message begins with {found:02x?}, which is another network's sign or none")]
    WrongMagic {
        /// What came.
        found: [u8; 4],
    },
    /// The command is not ASCII filled up with zeros.
    #[error("a message's name is not plain text")]
    BadCommand,
    /// The payload is too long.
    #[error("a message of {length} bytes, at most {limit} are allowed now")]
    TooLong {
        /// What its header says.
        length: usize,
        /// What is allowed at this time.
        limit: usize,
    },
    /// The payload's hash is not the header's.
    #[error("a “{command}” message has a wrong checksum")]
    BadChecksum {
        /// The message's name.
        command: String,
    },
    /// An encrypted connection's beginning has no end (BIP324).
    #[error("4,095 bytes of garbage came without their end")]
    NoTerminator,
    /// An encrypted packet was changed on the way, or its sender has other keys (BIP324).
    #[error("a packet's tag is wrong")]
    BadTag,
    /// The payload is no such message.
    #[error("a “{command}” message is wrong: {error}")]
    Payload {
        /// The message's name.
        command: String,
        /// What is wrong with it.
        error: PayloadError,
    },
}

/// The bytes of `message` on the network with that magic.
pub fn encode(magic: Magic, message: &Message) -> Vec<u8> {
    Outgoing::new(message).into_v1(magic)
}

/// A message on its way out, before a transport has framed it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    command: &'static str,
    /// Room for v1's header, then the payload.
    bytes: Vec<u8>,
}

impl Outgoing {
    pub(crate) fn new(message: &Message) -> Self {
        let mut bytes = vec![0; HEADER];
        message.write_payload(&mut bytes);
        // It may wait for long, and growing leaves up to half of the room empty.
        bytes.shrink_to_fit();
        Self { command: message.command(), bytes }
    }

    pub(crate) fn command(&self) -> &'static str {
        self.command
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    /// The memory that it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Its bytes in v1.
    pub(crate) fn into_v1(mut self, magic: Magic) -> Vec<u8> {
        let (header, payload) = self.bytes.split_at_mut(HEADER);
        let length = u32::try_from(payload.len()).expect("messages that we make stay below 4 MB");
        let command = self.command.as_bytes();
        header[..4].copy_from_slice(&magic.to_bytes());
        header[4..4 + command.len()].copy_from_slice(command);
        header[16..20].copy_from_slice(&length.to_le_bytes());
        header[20..].copy_from_slice(&checksum(payload));
        self.bytes
    }
}

fn checksum(payload: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256d::Hash::hash(payload).to_byte_array();
    [a, b, c, d]
}

/// How far the sender's half of the handshake has come; before it ends, messages must be short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum PayloadLimit {
    /// Nothing came.
    #[default]
    Nothing,
    /// Its `version` came.
    Version,
    /// Its `verack` came.
    Verack,
}

impl PayloadLimit {
    /// How long a payload may be now.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Nothing | Self::Version => HANDSHAKE_PAYLOAD_MAX,
            Self::Verack => PAYLOAD_MAX,
        }
    }

    /// Takes note of a message that came.
    pub(crate) fn saw(&mut self, message: &Message) {
        *self = match (*self, message) {
            (Self::Nothing, Message::Version(_)) => Self::Version,
            (Self::Version, Message::Verack) => Self::Verack,
            (seen, _) => seen,
        };
    }
}

/// Takes one peer's bytes and gives its messages.
#[derive(Debug)]
pub struct Decoder {
    magic: Magic,
    buffer: Vec<u8>,
    /// Where the bytes begin that are not used yet.
    start: usize,
    /// The bytes of all messages that were given out.
    consumed: u64,
    limit: PayloadLimit,
}

impl Decoder {
    /// A decoder at the beginning of a connection.
    pub fn new(magic: Magic) -> Self {
        Self { magic, buffer: Vec::new(), start: 0, consumed: 0, limit: PayloadLimit::default() }
    }

    /// Takes bytes as they arrive.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The bytes of all messages that were given out so far.
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    /// The next whole message; `None` until more bytes come.
    ///
    /// # Errors
    ///
    /// [`CodecError`] as soon as the bytes that came cannot become a message: wrong magic with the first four, a wrong
    /// length with the header. The connection cannot go on then.
    pub fn next_message(&mut self) -> Result<Option<Message>, CodecError> {
        let bytes = self.buffer.get(self.start..).unwrap_or_default();
        let Some((magic, _)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
        if *magic != self.magic.to_bytes() {
            return Err(CodecError::WrongMagic { found: *magic });
        }
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
        let command = read_command(header)?;
        let length = u32::from_le_bytes([header[16], header[17], header[18], header[19]]) as usize;
        let limit = self.limit.bytes();
        if length > limit {
            return Err(CodecError::TooLong { length, limit });
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        if checksum(payload)[..] != header[20..] {
            return Err(CodecError::BadChecksum { command: command.to_owned() });
        }
        let message = Message::read_payload(command, payload)
            .map_err(|error| CodecError::Payload { command: command.to_owned(), error })?;
        self.start += HEADER + length;
        self.consumed += (HEADER + length) as u64;
        self.limit.saw(&message);
        // What a long message needed is given back with it, even when the peer must wait from here on.
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        if self.buffer.capacity() > 1 << 18 && rest.len() < 1 << 17 {
            self.buffer = rest.to_vec();
            self.start = 0;
        }
        Ok(Some(message))
    }
}

/// The name: printable ASCII, then only zeros.
fn read_command(header: &[u8; HEADER]) -> Result<&str, CodecError> {
    let field = &header[4..4 + COMMAND];
    let end = field.iter().position(|&b| b == 0).unwrap_or(COMMAND);
    let (name, padding) = field.split_at(end);
    if padding.iter().any(|&b| b != 0) || !name.iter().all(|b| (b' '..=b'~').contains(b)) {
        return Err(CodecError::BadCommand);
    }
    std::str::from_utf8(name).map_err(|_| CodecError::BadCommand)
}
