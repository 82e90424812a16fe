//! A proxy's life: its port and index are opened, its tasks run, and all of it ends together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mycoin_index::{Index, IndexError};
use mycoin_primitives::{Failure, Network};
use mycoin_rpc::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::state::{Health, State};
use crate::upstream::Upstream;
use crate::{follower, routes, serve};

/// What a proxy is started with.
#[derive(Debug)]
pub struct ProxyConfig {
    /// The coin that it serves.
    pub network: Network,
    /// The coin's folder (`~/.mycoin/<network>`); the index lives in its `index`.
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
    stop: watch::Sender<bool>,
    health: watch::Receiver<Health>,
    tasks: [JoinHandle<()>; 2],
}

impl Proxy {
    /// Opens the index and the port and starts answering; the base server need not be there yet.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Listen`] when the port is taken, [`ProxyError::Index`].
    pub async fn start(config: ProxyConfig) -> Result<ProxyHandle, ProxyError> {
        start(config.network, &config.dir, config.listen, Arc::new(config.client)).await
    }
}

/// The start with any base server.
pub(crate) async fn start(
    network: Network,
    dir: &Path,
    address: SocketAddr,
    upstream: Arc<dyn Upstream>,
) -> Result<ProxyHandle, ProxyError> {
    let cannot_listen = |source| ProxyError::Listen { address, source };
    // The port first: a second proxy on the same folder should hear about the port, which it can change.
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    mycoin_files::ensure_private_dir(dir).map_err(|error| IndexError::Storage(error.into()))?;
    let index = Index::open(&dir.join("index"), &network)?;
    let (stop, stopping) = watch::channel(false);
    let state = Arc::new(State::new(network, index, upstream, stopping.clone())?);
    let health = state.health.subscribe();
    let router = routes::router(Arc::clone(&state));
    let serving = serve::serve(listener, router, serve::Patience::default(), stopping);
    let tasks = [tokio::spawn(follower::run(state)), tokio::spawn(serving)];
    Ok(ProxyHandle { address, stop, health, tasks })
}

impl ProxyHandle {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Whether it answers HTTP; so it does from [`Proxy::start`] on, until something made its accept loop end.
    pub fn ready(&self) -> bool {
        self.tasks.iter().all(|task| !task.is_finished())
    }

    /// Waits until it follows its base server and its index is complete. `/health` says why not, when not.
    pub async fn caught_up(&self) {
        // The sender lives as long as the proxy; when it is gone there is nothing to wait for.
        let _ = self.health.clone().wait_for(|health| *health == Health::Ready).await;
    }

    /// Stops accepting, lets running requests end (for at most a few seconds) and closes the index.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}
