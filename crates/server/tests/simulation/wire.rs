//! Connections: ordered and reliable as TCP's, each way with a delay of its own, until they stall or break.

use std::collections::VecDeque;

use mycoin_p2p::{Decoder, PeerId};
use mycoin_primitives::bitcoin::p2p::Magic;
use mycoin_primitives::hashes::{Hash as _, sha256d};

/// Bytes that wait for one peer at which its messages are no longer read, as the server has it (`DEFAULT_MAXSENDBUFFER`).
pub(crate) const PAUSE_AT: usize = 1_000_000;
/// Bytes that wait for one peer at which it is dropped, as the server has it.
pub(crate) const DROP_AT: usize = 16_000_000;

/// One side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct End {
    pub(crate) actor: usize,
    pub(crate) peer: PeerId,
}

/// What is on its way to one end, and how it gets there.
#[derive(Debug)]
struct Lane {
    in_flight: VecDeque<Vec<u8>>,
    bytes: usize,
    /// When the last piece arrives: nothing overtakes.
    last_arrival: u64,
    decoder: Decoder,
}

/// A connection. Lane 0 leads to end 0.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) ends: [End; 2],
    lanes: [Lane; 2],
    latency: u64,
    /// Nothing arrives before.
    pub(crate) stalled_until: u64,
}

impl Link {
    pub(crate) fn new(ends: [End; 2], latency: u64, magic: Magic) -> Self {
        let lane = || Lane { in_flight: VecDeque::new(), bytes: 0, last_arrival: 0, decoder: Decoder::new(magic) };
        Self { ends, lanes: [lane(), lane()], latency, stalled_until: 0 }
    }

    /// Puts bytes on their way to end `to`; when they arrive.
    pub(crate) fn send(&mut self, to: usize, bytes: Vec<u8>, now: u64, jitter: u64) -> u64 {
        let arrival = (now + self.latency + jitter).max(self.stalled_until);
        let lane = &mut self.lanes[to];
        lane.bytes += bytes.len();
        lane.in_flight.push_back(bytes);
        lane.last_arrival = lane.last_arrival.max(arrival);
        lane.last_arrival
    }

    /// Bytes that end `from` has sent and the other one has not read.
    pub(crate) fn unread_of(&self, from: usize) -> usize {
        self.lanes[1 - from].bytes
    }

    /// What arrives next at end `to`.
    pub(crate) fn arrive(&mut self, to: usize) -> Option<Vec<u8>> {
        let lane = &mut self.lanes[to];
        let bytes = lane.in_flight.pop_front()?;
        lane.bytes -= bytes.len();
        Some(bytes)
    }

    pub(crate) fn decoder(&mut self, at: usize) -> &mut Decoder {
        &mut self.lanes[at].decoder
    }

    pub(crate) fn latency(&self) -> u64 {
        self.latency
    }
}

/// A message of that name and payload, whatever they are.
pub(crate) fn frame(magic: Magic, command: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = magic.to_bytes().to_vec();
    let mut name = [0; 12];
    name[..command.len()].copy_from_slice(command.as_bytes());
    bytes.extend_from_slice(&name);
    bytes.extend_from_slice(&u32::try_from(payload.len()).expect("tests send little").to_le_bytes());
    bytes.extend_from_slice(&sha256d::Hash::hash(payload).to_byte_array()[..4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// The name of the message that these bytes are.
pub(crate) fn command(frame: &[u8]) -> &str {
    let name = frame.get(4..16).unwrap_or_default();
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    std::str::from_utf8(&name[..end]).unwrap_or_default()
}
