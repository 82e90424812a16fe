//! Server skeleton.
use crate::{Event, Method, Params, RpcError};
use mycoin_identity::{Role, ServerTls};
use serde_json::Value;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};

/// Becomes true (or its sender is dropped) when serving should end.
pub type Shutdown = watch::Receiver<bool>;

/// What answers the calls.
pub trait RpcHandler: Send + Sync + 'static {
    /// Answers one call.
    fn call(
        &self,
        method: &'static Method,
        params: Params,
        caller: Role,
    ) -> impl Future<Output = Result<Value, RpcError>> + Send;
    /// A new subscription to what happens from now on.
    fn events(&self) -> broadcast::Receiver<Event>;
}

/// Errors.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {}

/// Listens on `address`.
///
/// # Errors
///
/// Port taken.
pub async fn bind(_address: SocketAddr, _option: &'static str) -> Result<TcpListener, ServeError> {
    todo!()
}

/// Serves until shutdown.
pub async fn serve_mutual_tls<H: RpcHandler>(
    _listener: TcpListener,
    _tls: ServerTls,
    _handler: Arc<H>,
    _shutdown: Shutdown,
) {
    todo!()
}

/// Loopback HTTP with a cookie.
pub struct CookieServer {}

impl CookieServer {
    /// Writes the cookie.
    ///
    /// # Errors
    ///
    /// Not loopback.
    pub fn open(_listener: TcpListener, _cookie: &Path) -> Result<Self, ServeError> {
        todo!()
    }
    /// Serves until shutdown, then removes the cookie.
    pub async fn serve<H: RpcHandler>(self, _handler: Arc<H>, _shutdown: Shutdown) {
        todo!()
    }
}
