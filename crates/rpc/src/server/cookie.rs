//! The door for stock tools on this machine: plain HTTP on loopback with a cookie file, as Bitcoin Core has it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_files::{Readers, replace};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::http::{Caller, GRACE, MAX_CONNECTIONS, serve_connection};
use super::tls::pause_after;
use super::{RpcHandler, ServeError, Shutdown, stopped};

/// Plain HTTP on a loopback address. Who can read the cookie file is an administrator.
pub struct CookieServer {
    listener: TcpListener,
    address: SocketAddr,
    cookie: Arc<Cookie>,
}

impl CookieServer {
    /// Writes a new cookie to `path` (`.cookie` in the network's folder), so that tools find it before the first call.
    ///
    /// # Errors
    ///
    /// [`ServeError::NotLoopback`]; [`ServeError::Files`].
    pub fn open(listener: TcpListener, path: &Path) -> Result<Self, ServeError> {
        let address = listener.local_addr().map_err(|error| ServeError::CannotListen {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            option: "--rpc-cookie",
            reason: error.to_string(),
        })?;
        if !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback { address });
        }
        Ok(Self { listener, address, cookie: Arc::new(Cookie::write(path)?) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the handler until `shutdown`, then removes the cookie; calls in progress have 5 s to end.
    pub async fn serve<H: RpcHandler>(self, handler: Arc<H>, mut shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut peers = JoinSet::new();
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { break };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stopped(&mut shutdown) => break,
            };
            while peers.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    let caller = Caller::Cookie(self.cookie.clone());
                    let (handler, shutdown) = (handler.clone(), shutdown.clone());
                    peers.spawn(async move {
                        serve_connection(stream, caller, handler, shutdown).await;
                        drop(place);
                    });
                }
                Err(error) => pause_after(&error).await,
            }
        }
        let _ = timeout(GRACE, async { while peers.join_next().await.is_some() {} }).await;
    }
}

/// The cookie; its file is removed with it.
pub(super) struct Cookie {
    path: PathBuf,
    /// `__cookie__:` and 64 hexadecimal digits.
    credentials: String,
}

impl Cookie {
    fn write(path: &Path) -> Result<Self, ServeError> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ServeError::NoRandomness { path: path.to_owned() })?;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let credentials = format!("__cookie__:{digits}");
        replace(path, credentials.as_bytes(), Readers::Owner)?;
        Ok(Self { path: path.to_owned(), credentials })
    }

    /// Whether an `Authorization` header carries the cookie.
    pub(super) fn opens(&self, authorization: &str) -> bool {
        let Some((scheme, encoded)) = authorization.split_once(' ') else { return false };
        let Ok(given) = BASE64_STANDARD.decode(encoded.trim()) else { return false };
        scheme.eq_ignore_ascii_case("basic") && verify_slices_are_equal(&given, self.credentials.as_bytes()).is_ok()
    }
}

impl Drop for Cookie {
    fn drop(&mut self) {
        // When it fails, the next start replaces the file; the cookie in it opens nothing any more.
        let _ = std::fs::remove_file(&self.path);
    }
}
