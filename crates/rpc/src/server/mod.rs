//! Serving: two doors to one handler. Mutual TLS for everybody, a cookie on loopback for stock tools.
//!
//! In:    a bound listener, the handler, a signal that ends it.
//! Out:   answered calls, event streams, one log line for whoever is refused.
//! Never: a byte of RPC to a peer without a good certificate or cookie; a wait in the accept loop for one peer.
//!
//! Start at [`serve_mutual_tls`] and [`CookieServer`].

mod cookie;
mod http;
mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;

use mycoin_files::FilesError;
use mycoin_identity::Role;
use mycoin_primitives::Failure;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};

use crate::{Event, Method, Params, RpcError};

pub use cookie::CookieServer;
pub use tls::serve_mutual_tls;

/// Becomes true, or loses its sender, when serving should end.
pub type Shutdown = watch::Receiver<bool>;

/// What answers the calls.
pub trait RpcHandler: Send + Sync + 'static {
    /// Answers one call. The parameters are bound and the caller may call the method; `help` never comes here.
    fn call(
        &self,
        method: &'static Method,
        params: Params,
        caller: Role,
    ) -> impl Future<Output = Result<Value, RpcError>> + Send;

    /// A new subscription to what happens from now on.
    fn events(&self) -> broadcast::Receiver<Event>;
}

/// Why serving cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Another program listens there.
    #[error("the address {address} is taken by another program; choose another with {option}")]
    PortTaken {
        /// The address.
        address: SocketAddr,
        /// The option that changes it.
        option: &'static str,
    },
    /// The operating system refused.
    #[error("cannot listen on {address}: {reason}; choose another address with {option}")]
    CannotListen {
        /// The address.
        address: SocketAddr,
        /// The option that changes it.
        option: &'static str,
        /// The operating system's answer.
        reason: String,
    },
    /// Plain HTTP would leave this machine.
    #[error("{address} is not a loopback address, and plain HTTP with a cookie is served on no other")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The operating system gave no random bytes for the cookie.
    #[error("the operating system gave no random bytes for the cookie {path}", path = path.display())]
    NoRandomness {
        /// The cookie's file.
        path: PathBuf,
    },
    /// The cookie cannot be written.
    #[error(transparent)]
    Files(#[from] FilesError),
}

impl Failure for ServeError {
    fn code(&self) -> &'static str {
        match self {
            Self::PortTaken { .. } => "rpc/port-taken",
            Self::CannotListen { .. } => "rpc/cannot-listen",
            Self::NotLoopback { .. } => "rpc/not-loopback",
            Self::NoRandomness { .. } => "rpc/no-randomness",
            Self::Files(error) => error.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::PortTaken { .. } => "Stop the other program, or give another port; port 0 takes any free one.",
            Self::NotLoopback { .. } => "Give 127.0.0.1:PORT or [::1]:PORT; from other machines use mutual TLS.",
            Self::CannotListen { .. } | Self::NoRandomness { .. } | Self::Files(_) => "",
        }
    }
}

/// Listens on `address`; `option` is the command line's option for it, named in the error.
///
/// # Errors
///
/// [`ServeError::PortTaken`], [`ServeError::CannotListen`].
pub async fn bind(address: SocketAddr, option: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => ServeError::PortTaken { address, option },
        _ => ServeError::CannotListen { address, option, reason: error.to_string() },
    })
}

/// Returns when serving should end.
async fn stopped(shutdown: &mut Shutdown) {
    // An error is a dropped sender: nobody could say it any more.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
