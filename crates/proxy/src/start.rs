//! A proxy's life: its port and index are opened, its tasks run, and all of it ends together.

use std::net::SocketAddr;
use std::path::PathBuf;

use mycoin_index::IndexError;
use mycoin_primitives::{Failure, Network};
use mycoin_rpc::Client;

/// What a proxy is started with.
#[derive(Debug)]
pub struct ProxyConfig {
    /// The coin that it serves.
    pub network: Network,
    /// The folder of all networks (`~/.mycoin`); the index lives in its `<network>/index`.
    pub dir: PathBuf,
    /// Where it listens; port 0 means any free one.
    pub listen: SocketAddr,
    /// How it reaches its base server.
    pub client: Client,
}

/// Why a proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Another program listens there, or the address is not this machine's.
    #[error("The proxy cannot listen on {address}: {source}. Choose another address with --listen.")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The index cannot be used.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Failure for ProxyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "proxy/cannot-listen",
            Self::Index(error) => error.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "Stop the program that uses the port, or choose another address with --listen.",
            Self::Index(error) => error.next_step(),
        }
    }
}

/// The public face of a coin.
#[derive(Debug)]
pub struct Proxy;

/// A proxy that runs. Dropping it stops it as [`ProxyHandle::shutdown`] does, without waiting.
#[derive(Debug)]
pub struct ProxyHandle {
    address: SocketAddr,
}

impl Proxy {
    /// Opens the index and the port and starts answering; the base server need not be there yet.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Listen`] when the port is taken, [`ProxyError::Index`].
    pub async fn start(config: ProxyConfig) -> Result<ProxyHandle, ProxyError> {
        let _ = config;
        todo!()
    }
}

impl ProxyHandle {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it answers HTTP. The index may still be catching up; `/health` tells.
    pub async fn ready(&self) {
        todo!()
    }

    /// Stops accepting, lets running requests end (for at most a few seconds) and closes the index.
    pub async fn shutdown(self) {
        todo!()
    }
}
