//! What is told about peers: the data behind Bitcoin Core's `getpeerinfo` and `getnettotals`.

use std::net::SocketAddr;
use std::time::Duration;

use mycoin_primitives::{FeeRate, Height};

use crate::{PeerId, Time};

/// How a connection carries its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransportProtocol {
    /// That is not decided yet, or there is no socket (simulations).
    #[default]
    Detecting,
    /// Plain.
    V1,
    /// Encrypted (BIP324).
    V2 {
        /// The same on both sides, unless somebody sits between them. Shown as hex of the bytes in this order.
        session_id: [u8; 32],
    },
}

impl TransportProtocol {
    /// Its name in Bitcoin Core's `getpeerinfo`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Detecting => "detecting",
            Self::V1 => "v1",
            Self::V2 { .. } => "v2",
        }
    }

    /// The session's id; v2 alone has one.
    pub const fn session_id(self) -> Option<[u8; 32]> {
        match self {
            Self::Detecting | Self::V1 => None,
            Self::V2 { session_id } => Some(session_id),
        }
    }
}

/// One connected peer.
#[derive(Debug, Clone)]
pub struct PeerInfo {
    /// Our number for it.
    pub id: PeerId,
    /// Its address.
    pub address: SocketAddr,
    /// Our own end of the connection; `None` where there is no socket (simulations).
    pub local_address: Option<SocketAddr>,
    /// How its messages come and go.
    pub transport: TransportProtocol,
    /// What was dialled, as it was given (`--connect`, fixed peer); `None` for inbound peers.
    pub target: Option<String>,
    /// Whether it connected to us.
    pub inbound: bool,
    /// Whether the handshake is complete. Before, version, user agent and services are empty.
    pub handshake_complete: bool,
    /// Its service bits.
    pub services: u64,
    /// Its protocol version.
    pub version: u32,
    /// Its user agent, with control characters taken out.
    pub user_agent: String,
    /// Whether it wants transactions.
    pub relays_transactions: bool,
    /// Its height when it connected.
    pub starting_height: i32,
    /// How high its headers were looked at while their chain lacks work; `None` when that is not under way.
    pub presynced_headers: Option<Height>,
    /// The highest header of its chain that we know; `None` before we know any.
    pub synced_headers: Option<Height>,
    /// The highest block of its chain that we have too.
    pub synced_blocks: Option<Height>,
    /// Heights of the blocks that we asked it for.
    pub in_flight: Vec<Height>,
    /// The least fee rate that it takes.
    pub min_fee_filter: FeeRate,
    /// When it connected.
    pub connected_at: Time,
    /// When the last bytes came; `None` before the first.
    pub last_received: Option<Time>,
    /// When the last bytes went; `None` before the first.
    pub last_sent: Option<Time>,
    /// When it last gave us a block that was new.
    pub last_block: Option<Time>,
    /// When it last gave us a transaction that was new.
    pub last_transaction: Option<Time>,
    /// Bytes that came.
    pub bytes_received: u64,
    /// Bytes that went.
    pub bytes_sent: u64,
    /// The last ping's time.
    pub ping_time: Option<Duration>,
    /// The best ping's time.
    pub min_ping: Option<Duration>,
    /// How long the ping that is under way has waited.
    pub ping_wait: Option<Duration>,
    /// Its clock minus ours when it connected, in seconds; told, never used.
    pub time_offset: i64,
}

/// Bytes of all connections since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetTotals {
    /// Bytes that came.
    pub bytes_received: u64,
    /// Bytes that went.
    pub bytes_sent: u64,
    /// Peers that connected to us.
    pub inbound: usize,
    /// Peers that we connected to.
    pub outbound: usize,
}
