//! The door for everybody: mutual TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mycoin_identity::{Role, ServerTls, TlsFault, explain};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::http::{Caller, GRACE, MAX_CONNECTIONS, serve_connection};
use super::{RpcHandler, Shutdown, stopped};

const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Handshakes at the same time. They have places of their own, so that strangers cannot take those of known peers.
const MAX_HANDSHAKES: usize = 64;
/// How long a refused peer may take to read why.
const FAREWELL: Duration = Duration::from_millis(500);

/// Serves the handler over mutual TLS until `shutdown`; then calls in progress have 5 s to end.
pub async fn serve_mutual_tls<H: RpcHandler>(
    listener: TcpListener,
    tls: ServerTls,
    handler: Arc<H>,
    mut shutdown: Shutdown,
) {
    let door = Arc::new(Door {
        acceptor: TlsAcceptor::from(tls.config()),
        tls,
        handler,
        shutdown: shutdown.clone(),
        connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        refusals: RefusalLog::new(),
    });
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    let mut peers = JoinSet::new();
    loop {
        // The semaphore is never closed, so a permit always comes.
        let Ok(place) = handshakes.clone().acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut shutdown) => break,
        };
        while peers.try_join_next().is_some() {}
        match accepted {
            Ok((stream, address)) => {
                let door = door.clone();
                peers.spawn(async move {
                    let welcomed = door.welcome(stream, address).await;
                    drop(place);
                    if let Some((stream, role)) = welcomed {
                        door.serve(stream, address, role).await;
                    }
                });
            }
            Err(error) => pause_after(&error).await,
        }
    }
    drop(listener);
    let _ = timeout(GRACE, async { while peers.join_next().await.is_some() {} }).await;
}

/// After a failed accept, mostly for want of file handles: others may be freed meanwhile.
pub(super) async fn pause_after(error: &io::Error) {
    tracing::warn!("cannot take a connection: {error}");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

struct Door<H> {
    acceptor: TlsAcceptor,
    tls: ServerTls,
    handler: Arc<H>,
    shutdown: Shutdown,
    connections: Arc<Semaphore>,
    refusals: RefusalLog,
}

impl<H: RpcHandler> Door<H> {
    /// The handshake: gives the peer's role, or refuses it with one log line.
    async fn welcome(&self, stream: TcpStream, address: SocketAddr) -> Option<(TlsStream<TcpStream>, Role)> {
        // Answers are whole; waiting for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        let handshake = timeout(HANDSHAKE_TIME, self.acceptor.accept(stream).into_fallible()).await;
        let stream = match handshake {
            Ok(Ok(stream)) => stream,
            Ok(Err((error, stream))) => {
                self.refusals.note(address, &reason(&error));
                say_farewell(stream).await;
                return None;
            }
            Err(_) => {
                self.refusals.note(address, "it did not finish the handshake in 5 seconds");
                return None;
            }
        };
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        match shown.and_then(|certificate| self.tls.role_of(certificate)) {
            Some(role) => Some((stream, role)),
            None => {
                self.refusals.note(address, "its certificate names no role that may call");
                None
            }
        }
    }

    async fn serve(&self, stream: TlsStream<TcpStream>, address: SocketAddr, role: Role) {
        let Ok(_place) = self.connections.clone().try_acquire_owned() else {
            self.refusals.note(address, "all connections are in use");
            return;
        };
        tracing::debug!(%address, %role, "connected");
        serve_connection(stream, Caller::Known(role), self.handler.clone(), self.shutdown.clone()).await;
    }
}

fn reason(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<tokio_rustls::rustls::Error>());
    match tls.map(explain) {
        Some(TlsFault::WeRefuse(why)) => why,
        Some(TlsFault::TheyRefuse(why)) => format!("it refused us: {why}"),
        None => format!("the connection broke ({error})"),
    }
}

/// Lets the peer read the alert: closing with its bytes unread would reset the connection under it.
async fn say_farewell(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut rest = [0; 4096];
    let _ = timeout(FAREWELL, async {
        for _ in 0..16 {
            if !matches!(stream.read(&mut rest).await, Ok(count) if count > 0) {
                break;
            }
        }
    })
    .await;
}

/// One log line for each refused peer, but no more than ten in ten seconds: strangers must not fill the disk.
struct RefusalLog {
    start: Instant,
    /// The window, in tens of seconds since the start (upper half), and the lines in it (lower half).
    state: AtomicU64,
    left_out: AtomicU64,
}

impl RefusalLog {
    const LINES: u64 = 10;

    fn new() -> Self {
        Self { start: Instant::now(), state: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }

    fn note(&self, address: SocketAddr, why: &str) {
        let window = self.start.elapsed().as_secs() / 10;
        let count = |state: u64| if state >> 32 == window { state & 0xffff_ffff } else { 0 };
        let before = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
            Some(window << 32 | (count(state) + 1).min(Self::LINES + 1))
        });
        if before.is_ok_and(|state| count(state) >= Self::LINES) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        tracing::warn!("refused {address}: {why}");
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            tracing::warn!("refused {left_out} more since the last line");
        }
    }
}
