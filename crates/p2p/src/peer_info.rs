//! What is told about peers: the data behind Bitcoin Core's `getpeerinfo` and `getnettotals`.

use std::collections::BTreeMap;
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

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionKind {
    /// The other side made it.
    Inbound,
    /// A person or the spec named the peer.
    Manual,
    /// We chose the peer, for blocks, transactions and addresses.
    OutboundFull,
    /// We chose the peer, for blocks alone: nobody can read from what we relay that it stands.
    BlockOnly,
    /// It tries whether an address answers, and ends then.
    Feeler,
}

impl ConnectionKind {
    /// Its name in Bitcoin Core's `getpeerinfo`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Manual => "manual",
            Self::OutboundFull => "outbound-full-relay",
            Self::BlockOnly => "block-relay-only",
            Self::Feeler => "feeler",
        }
    }

    /// Whether transactions and addresses go over it.
    pub const fn relays(self) -> bool {
        match self {
            Self::Inbound | Self::Manual | Self::OutboundFull => true,
            Self::BlockOnly | Self::Feeler => false,
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
    /// What the connection is for.
    pub kind: ConnectionKind,
    /// Whether the handshake is complete. Before, version, user agent and services are empty.
    pub handshake_complete: bool,
    /// Its service bits.
    pub services: u64,
    /// Its protocol version.
    pub version: u32,
    /// Its user agent, with control characters taken out.
    pub user_agent: String,
    /// Whether it wants transactions, and the connection is for them.
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
    /// Whether we asked it to announce blocks by compact ones (BIP152, high bandwidth).
    pub compact_to: bool,
    /// Whether it asked us for that.
    pub compact_from: bool,
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
    /// Whether it may ask for all that waits (BIP35), since a person or the spec named it.
    pub may_ask_for_mempool: bool,
    /// Whether addresses of nodes go over the connection.
    pub relays_addresses: bool,
    /// Addresses of nodes that it told and that were looked at.
    pub addresses_taken: u64,
    /// Addresses of nodes that it told beyond its allowance.
    pub addresses_dropped: u64,
    /// Transactions that it will be told about.
    pub to_announce: usize,
    /// Our address as it sees it.
    pub our_address: Option<SocketAddr>,
    /// Bytes that came, by message; framing counts.
    pub received_by_message: BTreeMap<&'static str, u64>,
    /// Bytes that went, by message; framing counts.
    pub sent_by_message: BTreeMap<&'static str, u64>,
    /// Its clock minus ours when it connected, in seconds; told, never used.
    pub time_offset: i64,
}

/// A peer that a person or the spec named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedPeer {
    /// What is dialled: `host:port`.
    pub target: String,
    /// The connection with it, if one stands.
    pub connected: Option<(SocketAddr, ConnectionKind)>,
}

/// A node that we heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownNode {
    /// Its address.
    pub address: SocketAddr,
    /// Its service bits, as they were told.
    pub services: u64,
    /// Unix seconds at which somebody saw it.
    pub last_seen: u32,
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
