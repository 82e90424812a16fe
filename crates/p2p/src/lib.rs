//! Peers: codec, handshake, header sync, block download, relay, address manager, misbehaviour; the protocol has no I/O, sockets live in `net/`.
//!
//! In:    bytes from peers, the server's answers ([`World`]) and verdicts ([`Host`]), the time.
//! Out:   messages to peers, connections to make and to end, headers, blocks and transactions to judge.
//! Never: validity (the server judges), files; outside `net/` a clock, a socket, or randomness without a seed.
//!
//! ```text
//! socket → net::transport → codec → message ──┐                          ┌→ Action::Send    → net::transport → socket
//!                                             ├→ node (handshake, header_sync, block_download, relay)
//! World (questions), verdicts, tick ──────────┘                          └→ Action::Submit… → Host → verdict → node
//! ```
//!
//! Start at [`Node::handle`] for the protocol, at [`P2p::start`] to run it.

mod address_answers;
mod address_codec;
mod address_manager;
mod address_relay;
mod announcing;
mod bans;
mod block_download;
mod codec;
mod compact;
mod compact_announce;
mod compact_codec;
mod compact_relay;
mod compact_serve;
mod dialer;
mod event;
mod eviction;
mod extra_peers;
mod filters;
mod handshake;
mod header_sync;
mod known;
mod lagging;
mod limits;
mod message;
mod misbehavior;
mod net;
mod node;
mod orphans;
mod packages;
mod parts;
mod peer;
mod peer_info;
mod presync;
mod relay;
mod requests;
mod serve;
mod services;
mod slots;
mod steering;
mod time;
mod timers;
mod world;

pub use bans::{Ban, BanError, Subnet, SubnetError};
pub use codec::{CodecError, Decoder, encode};
pub use compact::CompactError;
pub use event::{Action, DisconnectReason, Event, PeerId};
pub use message::{Message, PayloadError};
pub use misbehavior::{FilterProblem, LogBudget, Offence};
pub use net::{P2p, P2pConfig, P2pError, P2pHandle};
pub use node::{Node, NodeConfig};
pub use parts::BlockParts;
pub use peer_info::{AddedPeer, ConnectionKind, KnownNode, NetTotals, PeerInfo, TransportProtocol};
pub use time::Time;
pub use world::{
    BlockVerdict, FilterRow, Foothold, HeaderRun, HeadersVerdict, Host, PackageVerdict, TransactionVerdict,
    TransactionVisitor, WaitingTransaction, World,
};
