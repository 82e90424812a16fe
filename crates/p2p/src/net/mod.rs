//! Sockets, timers and threads around the protocol.
//!
//! One thread (`driver`) owns the [`Node`] and handles one input after the other; another (`judge`) lets the server judge
//! what peers sent, so that a slow block does not keep pings waiting. Each connection has a reader and a writer task.
//! Threads and not tasks, because the server's answers come from disk.

mod connection;
mod dial;
mod driver;
mod guard;
mod judge;
mod socks5;
mod steering;
mod target;
mod transport;
mod v2;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use mycoin_primitives::{Block, BlockHash, Failure, Network};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::AbortHandle;

use self::connection::Totals;
use self::dial::Route;
use self::driver::{Clock, Driver, Input};
use crate::limits::INBOUND_MAX;
use crate::{Ban, Event, Host, NetTotals, Node, NodeConfig, PeerInfo, WaitingTransaction};

/// The port of a SOCKS5 proxy that names none: Tor's. Source: Bitcoin Core init.cpp, `-proxy`.
const SOCKS5_PORT: u16 = 9050;

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
    /// The bans of the last run ([`P2pHandle::bans`]).
    pub bans: Vec<Ban>,
    /// What nonces and choices come from; take it from the operating system.
    pub seed: u64,
    /// Whether connections may be encrypted (BIP324), as they are by default; else all are plain.
    pub v2: bool,
    /// The SOCKS5 proxy through which all peers are dialled, as `host:port` (port 9050 where it names none). No name of a
    /// peer is looked up here then.
    pub socks5: Option<String>,
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
    /// Not a `host:port`.
    #[error("“{text}” is not an address of a SOCKS5 proxy; write HOST:PORT, such as 127.0.0.1:9050")]
    BadProxy {
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
            Self::BadProxy { .. } => "p2p/bad-proxy",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::PortTaken { .. } => {
                "Choose another port with --p2p ADDR (port 0 takes any free one), or do not listen with --no-listen."
            }
            Self::Listen { .. } => "Choose another address with --p2p ADDR, or do not listen with --no-listen.",
            Self::Thread { .. } => "Stop other programs or raise the limit of threads, then start again.",
            Self::BadAddress { .. } | Self::BadProxy { .. } => "",
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
    pub async fn start(config: P2pConfig, host: Arc<dyn Host>) -> Result<P2pHandle, P2pError> {
        let port = config.network.ports.p2p;
        let named = config.connect.iter().chain(&config.network.peers);
        let connect = named.map(|text| target::normalise(text, port)).collect::<Result<Vec<_>, _>>()?;
        let socks5 = match &config.socks5 {
            Some(text) => {
                Some(target::normalise(text, SOCKS5_PORT).map_err(|_| P2pError::BadProxy { text: text.clone() })?)
            }
            None => None,
        };
        let listener = match config.listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let local_addr = listener.as_ref().and_then(|listener| listener.local_addr().ok());

        let clock = Clock::start();
        let (inputs, received) = channel();
        let totals = Arc::new(Totals::default());
        let node_config = NodeConfig {
            connect,
            // Whoever hides behind a proxy tells nobody where he is.
            listen: local_addr.filter(|_| socks5.is_none()),
            // Whoever names peers wants those and no others, as with Bitcoin Core's -connect.
            dial_learned: config.connect.is_empty(),
            addresses: config.addresses,
            bans: config.bans,
            seed: config.seed,
            v2: config.v2,
        };
        let node = Node::new(node_config, clock.now());
        let judge = judge::start(Arc::clone(&host), inputs.clone(), Arc::clone(&totals))
            .map_err(|source| P2pError::Thread { source })?;
        let shared = connection::Shared {
            inputs: inputs.clone(),
            totals: Arc::clone(&totals),
            unhandled: connection::Shared::unhandled(),
            clock,
            magic: config.network.magic,
            v2: config.v2,
            route: socks5.clone().map_or(Route::Direct, Route::Socks5),
        };
        let driver = Driver::new(node, host, judge, shared, Handle::current());
        std::thread::Builder::new()
            .name("p2p".to_owned())
            .spawn(move || driver.run(&received))
            .map_err(|source| P2pError::Thread { source })?;
        let listening = listener.map(|listener| tokio::spawn(accept(listener, inputs.clone())).abort_handle());
        Ok(P2pHandle {
            shared: Arc::new(Shared { inputs, local_addr, totals, port, listening, v2: config.v2, socks5 }),
        })
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, P2pError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => P2pError::PortTaken { address },
        _ => P2pError::Listen { address, source },
    })
}

/// Takes connections, never more than there are places for (and a few, which are told so by being closed).
async fn accept(listener: TcpListener, inputs: Sender<Input>) {
    let places = Arc::new(Semaphore::new(INBOUND_MAX + 10));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, address)) => {
                if inputs.send(Input::Stream { stream, address, target: None, place: Some(place) }).is_err() {
                    return;
                }
            }
            // Out of file descriptors, or the peer is gone already: the next one may fare better.
            Err(error) => {
                tracing::debug!(%error, "an inbound connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The running peers. Clones are the same; they run until [`P2pHandle::shutdown`]. The functions that notify never wait.
#[derive(Debug, Clone)]
pub struct P2pHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    inputs: Sender<Input>,
    local_addr: Option<SocketAddr>,
    totals: Arc<Totals>,
    /// The network's port, for targets without one.
    port: u16,
    listening: Option<AbortHandle>,
    v2: bool,
    socks5: Option<String>,
}

impl P2pHandle {
    /// Where we listen; `None` when we don't.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.local_addr
    }

    /// Whether connections may be encrypted (BIP324).
    pub fn v2(&self) -> bool {
        self.shared.v2
    }

    /// The SOCKS5 proxy through which peers are dialled, as `host:port`.
    pub fn socks5(&self) -> Option<&str> {
        self.shared.socks5.as_deref()
    }

    /// Says that the best chain has a new tip (whether peers, RPC or the miner brought it). Call it once per change, after
    /// the last block of a reorganisation.
    pub fn notify_tip(&self) {
        self.tell(Event::NewTip);
    }

    /// Says that a new block holds to all rules that need no coins, and is being connected: peers who want blocks at once are told.
    /// Call [`Self::notify_judged_block`] when that is over, however it ended.
    pub fn notify_sound_block(&self, block: Arc<Block>) {
        self.tell(Event::SoundBlock(block));
    }

    /// Says that a block of [`Self::notify_sound_block`] has its verdict: whoever asked for it meanwhile gets an answer.
    pub fn notify_judged_block(&self, hash: BlockHash) {
        self.tell(Event::JudgedBlock(hash));
    }

    /// Says that a transaction came into the mempool, from wherever.
    pub fn notify_transaction(&self, transaction: WaitingTransaction) {
        self.tell(Event::TransactionAdded(transaction));
    }

    /// Stays connected with `target` (`host:port`; without a port the network's own is taken) from now on.
    ///
    /// # Errors
    ///
    /// [`P2pError::BadAddress`].
    pub fn connect(&self, target: &str) -> Result<(), P2pError> {
        let target = target::normalise(target, self.shared.port)?;
        self.tell(Event::ConnectTo { target });
        Ok(())
    }

    /// All connections, oldest first; none after the shutdown.
    pub async fn peers(&self) -> Vec<PeerInfo> {
        self.ask(Input::Peers).await
    }

    /// Bytes and connections in all.
    pub fn totals(&self) -> NetTotals {
        self.shared.totals.read()
    }

    /// How often a fault of ours ended the connection with the peer that it came with; each stands in the log.
    pub fn faults(&self) -> usize {
        self.shared.totals.faults.count()
    }

    /// The address manager's bytes, to be kept for the next run; empty after the shutdown.
    pub async fn addresses(&self) -> Vec<u8> {
        self.ask(Input::Addresses).await
    }

    /// Ends all connections and threads, and returns when they have ended. What is being judged is judged to its end.
    pub async fn shutdown(&self) {
        if let Some(listening) = &self.shared.listening {
            listening.abort();
        }
        self.ask(Input::Stop).await;
    }

    /// After the shutdown nobody listens, which is fine.
    fn tell(&self, event: Event) {
        let _ = self.shared.inputs.send(Input::Event(event));
    }

    async fn ask<T: Default>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Input) -> T {
        let (reply, answer) = oneshot::channel();
        match self.shared.inputs.send(question(reply)) {
            Ok(()) => answer.await.unwrap_or_default(),
            Err(_) => T::default(),
        }
    }
}
