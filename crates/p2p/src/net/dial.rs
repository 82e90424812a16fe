//! Making connections: directly, or through a proxy that looks up names and dials for us.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use super::socks5::{self, Socks5Error};

/// How long dialling a machine may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The way on which peers are dialled.
#[derive(Debug, Clone)]
pub(super) enum Route {
    /// From here.
    Direct,
    /// Through the SOCKS5 proxy at this `host:port`; nothing else is ever dialled or looked up.
    Socks5(String),
}

/// Why a peer could not be dialled.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// It does not answer.
    #[error("it cannot be reached: {source}")]
    Peer {
        #[source]
        source: io::Error,
    },
    /// The proxy does not answer.
    #[error("the proxy at {proxy} cannot be reached: {source}")]
    Proxy {
        proxy: String,
        #[source]
        source: io::Error,
    },
    /// The proxy gave no connection.
    #[error(transparent)]
    Socks5(#[from] Socks5Error),
}

impl DialError {
    /// Whether no peer at all can be dialled as long as this is so.
    pub(super) const fn concerns_all(&self) -> bool {
        match self {
            Self::Peer { .. } => false,
            Self::Proxy { .. } => true,
            Self::Socks5(error) => error.blames_proxy(),
        }
    }
}

impl Route {
    /// Connects with `target`, a `host:port`. Also gives the peer's address, which is all zeros when the proxy alone knows
    /// it.
    pub(super) async fn connect(&self, target: &str) -> Result<(TcpStream, SocketAddr), DialError> {
        match self {
            Self::Direct => {
                let dialled = open(target).await.and_then(|stream| Ok((stream.peer_addr()?, stream)));
                let (address, stream) = dialled.map_err(|source| DialError::Peer { source })?;
                Ok((stream, address))
            }
            Self::Socks5(proxy) => {
                let opened = open(proxy).await;
                let mut stream = opened.map_err(|source| DialError::Proxy { proxy: proxy.clone(), source })?;
                socks5::connect(&mut stream, target, socks5::PATIENCE).await?;
                let unknown = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
                Ok((stream, target.parse().unwrap_or(unknown)))
            }
        }
    }
}

async fn open(target: &str) -> io::Result<TcpStream> {
    tokio::time::timeout(TIMEOUT, TcpStream::connect(target)).await?
}
