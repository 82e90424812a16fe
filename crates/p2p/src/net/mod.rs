//! Sockets, timers and threads around the protocol.

use std::net::SocketAddr;
use std::sync::Arc;

use mycoin_primitives::{Failure, Network};

use crate::{Host, NetTotals, PeerInfo, WaitingTransaction};

/// How to run the peers.
#[derive(Debug, Clone)]
pub struct P2pConfig {
    /// The coin: its magic, genesis and fixed peers.
    pub network: Network,
    /// Where to listen; `None` for nowhere. Port 0 takes any free one.
    pub listen: Option<SocketAddr>,
    /// Whom to stay connected with, each `host:port` (the port may be left out). The spec's fixed peers come on top.
    pub connect: Vec<String>,
    /// The address manager's bytes of the last run ([`P2pHandle::addresses`]); empty at first. Damaged ones are ignored.
    pub addresses: Vec<u8>,
    /// What nonces and choices come from; take it from the operating system.
    pub seed: u64,
}

/// Why the peers could not be started.
#[derive(Debug, thiserror::Error)]
pub enum P2pError {
    /// Another program listens there.
    #[error("port {port} for peers is taken by another program ({address})", port = address.port())]
    PortTaken {
        /// Where we wanted to listen.
        address: SocketAddr,
    },
    /// The operating system refused for another reason.
    #[error("cannot listen for peers at {address}: {source}")]
    Listen {
        /// Where we wanted to listen.
        address: SocketAddr,
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start the peers' thread: {source}")]
    Thread {
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
    /// Not a `host:port`.
    #[error("“{text}” is not an address of a peer; write HOST:PORT, such as 192.0.2.7:7602")]
    BadAddress {
        /// What was given.
        text: String,
    },
}

impl Failure for P2pError {
    fn code(&self) -> &'static str {
        match self {
            Self::PortTaken { .. } => "p2p/port-taken",
            Self::Listen { .. } => "p2p/cannot-listen",
            Self::Thread { .. } => "p2p/no-thread",
            Self::BadAddress { .. } => "p2p/bad-address",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::PortTaken { .. } => {
                "Choose another port with --p2p ADDR (port 0 takes any free one), or do not listen with --no-listen."
            }
            Self::Listen { .. } => "Choose another address with --p2p ADDR, or do not listen with --no-listen.",
            Self::Thread { .. } => "Stop other programs or raise the limit of threads, then start again.",
            Self::BadAddress { .. } => "",
        }
    }
}

/// Starts the peers.
#[derive(Debug)]
pub struct P2p;

impl P2p {
    /// Listens, dials and runs the protocol until [`P2pHandle::shutdown`]. Call it inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`P2pError`] when the port is taken or an address of `connect` is none.
    pub async fn start(_config: P2pConfig, _host: Arc<dyn Host>) -> Result<P2pHandle, P2pError> {
        todo!()
    }
}

/// The running peers. Clones are the same. The functions that notify never wait.
#[derive(Debug, Clone)]
pub struct P2pHandle {}

impl P2pHandle {
    /// Where we listen; `None` when we don't.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        todo!()
    }

    /// Says that the best chain has a new tip (whether peers, RPC or the miner brought it). Call it once per change, after
    /// the last block of a reorganisation.
    pub fn notify_tip(&self) {
        todo!()
    }

    /// Says that a transaction came into the mempool, from wherever.
    pub fn notify_transaction(&self, _transaction: WaitingTransaction) {
        todo!()
    }

    /// Stays connected with `target` (`host:port`; without a port the network's own is taken) from now on.
    ///
    /// # Errors
    ///
    /// [`P2pError::BadAddress`].
    pub fn connect(&self, _target: &str) -> Result<(), P2pError> {
        todo!()
    }

    /// All connections, oldest first.
    pub async fn peers(&self) -> Vec<PeerInfo> {
        todo!()
    }

    /// Bytes and connections in all.
    pub fn totals(&self) -> NetTotals {
        todo!()
    }

    /// The address manager's bytes, to be kept for the next run.
    pub async fn addresses(&self) -> Vec<u8> {
        todo!()
    }

    /// Ends all connections and threads, and returns when they have ended.
    pub async fn shutdown(&self) {
        todo!()
    }
}
