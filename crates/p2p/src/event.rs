//! What happens to the protocol, and what it wants done.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use mycoin_primitives::{Block, BlockHash, Header, Transaction};

use crate::world::{BlockVerdict, HeadersVerdict, TransactionVerdict, WaitingTransaction};

/// Our number for a connection; never used twice in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What to dial: `host:port`, as a person or the spec file gave it.
pub type ConnectTarget = String;

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// Placeholder.
    #[error("the other side closed the connection")]
    Closed,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Time passed. Comes at least every 100 ms.
    Tick,
    /// The best chain has a new tip.
    NewTip,
}

/// Something to do.
#[derive(Debug, Clone)]
pub enum Action {
    /// End a connection.
    Disconnect {
        /// With whom.
        peer: PeerId,
        /// Why.
        reason: DisconnectReason,
    },
}
