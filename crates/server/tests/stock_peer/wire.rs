//! A connection that carries rust-bitcoin's messages: plain, or encrypted by the `bip324` crate.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use bip324::io::{Payload, Protocol, ProtocolReader, ProtocolWriter};
use bip324::{PacketType, Role};
use mycoin_primitives::bitcoin::consensus::encode::{deserialize, serialize};
use mycoin_primitives::bitcoin::p2p::Magic;
use mycoin_primitives::bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use mycoin_primitives::hashes::{Hash as _, sha256d};

use crate::ours::PATIENCE;

/// Which side one plays, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    V1,
    V2,
}

/// The names with an id of one byte, from 1 on (BIP324).
const SHORT: [&str; 28] = [
    "addr",
    "block",
    "blocktxn",
    "cmpctblock",
    "feefilter",
    "filteradd",
    "filterclear",
    "filterload",
    "getblocks",
    "getblocktxn",
    "getdata",
    "getheaders",
    "headers",
    "inv",
    "mempool",
    "merkleblock",
    "notfound",
    "ping",
    "pong",
    "sendcmpct",
    "tx",
    "getcfilters",
    "cfilter",
    "getcfheaders",
    "cfheaders",
    "getcfcheckpt",
    "cfcheckpt",
    "addrv2",
];

enum Output {
    V1(TcpStream),
    V2(Box<ProtocolWriter<TcpStream>>),
}

enum Input {
    V1(BufReader<TcpStream>),
    V2(Box<ProtocolReader<BufReader<TcpStream>>>),
}

pub(crate) struct Wire {
    stream: TcpStream,
    output: Output,
    messages: Receiver<NetworkMessage>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Ends the thread that reads, too. It may have ended before.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Wire {
    /// Opens an encrypted or a plain connection over `stream`.
    pub(crate) fn open(stream: TcpStream, transport: Transport, role: Role) -> Self {
        stream.set_nodelay(true).expect("a socket");
        let copy = || stream.try_clone().expect("a socket");
        let (mut input, output) = match transport {
            Transport::V1 => (Input::V1(BufReader::new(copy())), Output::V1(copy())),
            Transport::V2 => {
                stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
                let garbage = Some(vec![0x5a; 321]);
                let reader = BufReader::new(copy());
                let protocol = Protocol::new(Magic::REGTEST.to_bytes(), role, garbage, None, reader, copy());
                stream.set_read_timeout(None).expect("a socket");
                let (reader, writer) = protocol.expect("the transports agree").into_split();
                (Input::V2(Box::new(reader)), Output::V2(Box::new(writer)))
            }
        };
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            while let Some(bytes) = input.next() {
                let message: RawNetworkMessage = deserialize(&bytes).expect("what we send can be read by others");
                if sender.send(message.into_payload()).is_err() {
                    return;
                }
            }
        });
        Self { stream, output, messages }
    }

    pub(crate) fn send(&mut self, message: NetworkMessage) {
        self.send_framed(&serialize(&RawNetworkMessage::new(Magic::REGTEST, message)));
    }

    /// A message that the library does not know.
    pub(crate) fn send_unknown(&mut self, name: &str, payload: &[u8]) {
        self.send_framed(&frame(name.as_bytes(), payload));
    }

    fn send_framed(&mut self, bytes: &[u8]) {
        // The other side may be gone, which the next reading shows.
        let _ = match &mut self.output {
            Output::V1(stream) => stream.write_all(bytes).is_ok(),
            Output::V2(writer) => {
                let name: Vec<u8> = bytes[4..16].iter().copied().take_while(|byte| *byte != 0).collect();
                let id = SHORT.iter().position(|short| short.as_bytes() == name);
                let head = id.map_or_else(|| [&[0], &bytes[4..16]].concat(), |place| vec![place as u8 + 1]);
                writer.write(&Payload::genuine([&head[..], &bytes[24..]].concat())).is_ok()
            }
        };
    }

    /// The next message; `None` when the other side has ended the connection.
    ///
    /// # Panics
    ///
    /// When none comes in time.
    pub(crate) fn receive(&self) -> Option<NetworkMessage> {
        match self.messages.recv_timeout(PATIENCE) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no message within {PATIENCE:?}"),
        }
    }

    /// The next message, if one comes within that time.
    pub(crate) fn receive_within(&self, time: Duration) -> Option<NetworkMessage> {
        self.messages.recv_timeout(time).ok()
    }
}

impl Input {
    /// The next message as it stands in v1; `None` at the end.
    fn next(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::V1(reader) => {
                let mut bytes = vec![0; 24];
                reader.read_exact(&mut bytes).ok()?;
                let length = u32::from_le_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]) as usize;
                bytes.resize(24 + length, 0);
                reader.read_exact(&mut bytes[24..]).ok()?;
                Some(bytes)
            }
            Self::V2(reader) => loop {
                let payload = reader.read().ok()?;
                if payload.packet_type() == PacketType::Genuine {
                    return Some(unframed(payload.contents()));
                }
            },
        }
    }
}

fn frame(name: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = [&Magic::REGTEST.to_bytes()[..], name].concat();
    bytes.resize(16, 0);
    bytes.extend(u32::try_from(payload.len()).expect("short").to_le_bytes());
    bytes.extend(&sha256d::Hash::hash(payload).to_byte_array()[..4]);
    bytes.extend(payload);
    bytes
}

/// A packet's contents as a plain message.
fn unframed(contents: &[u8]) -> Vec<u8> {
    match contents[0] {
        0 => frame(&contents[1..13], &contents[13..]),
        id => frame(SHORT[usize::from(id) - 1].as_bytes(), &contents[1..]),
    }
}
