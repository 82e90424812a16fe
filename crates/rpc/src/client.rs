//! Client skeleton.
use crate::{Event, RpcError};
use mycoin_identity::{Identity, Trust};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Calls a base server over mutual TLS. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {}

impl Client {
    /// For the server at `host:port`; connects at the first call.
    ///
    /// # Errors
    ///
    /// [`ClientError::Setup`].
    pub fn mutual_tls(
        _server: &str,
        _server_name: Option<&str>,
        _identity: &Identity,
        _trust: &Trust,
    ) -> Result<Self, ClientError> {
        todo!()
    }
    /// The same with another time-out for quick methods.
    #[must_use]
    pub fn with_timeout(self, _timeout: Duration) -> Self {
        todo!()
    }
    /// Calls a method with named (object) or positional (array) parameters, or null.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn call(&self, _method: &str, _params: Value) -> Result<Value, ClientError> {
        todo!()
    }
    /// Calls and reads the answer as `T`.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn call_typed<T: DeserializeOwned>(&self, _method: &str, _params: Value) -> Result<T, ClientError> {
        todo!()
    }
    /// Several calls in one request.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn batch(&self, _calls: &[(&str, Value)]) -> Result<Vec<Result<Value, RpcError>>, ClientError> {
        todo!()
    }
    /// Subscribes to the events.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn events(&self) -> Result<EventStream, ClientError> {
        todo!()
    }
}

/// The events as they come.
pub struct EventStream {}

impl EventStream {
    /// The next event; `None` when the server ended the stream (it stops, or this reader was too slow).
    pub async fn next(&mut self) -> Option<Result<Event, ClientError>> {
        todo!()
    }
}

/// Which side refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refuser {
    /// We.
    Us,
    /// The server.
    Server,
}

/// Errors.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Rpc.
    #[error(transparent)]
    Rpc(RpcError),
}
