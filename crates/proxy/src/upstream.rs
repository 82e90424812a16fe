//! The base server, as the proxy sees it: calls with a time-out, and a stream of events.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use mycoin_rpc::{Client, ClientError, Event, RpcError};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How long the base server may take for an answer, so that a client hears of it within five seconds.
const ANSWER: Duration = Duration::from_millis(4_500);
/// How long it may take to mine a block for the faucet.
const MINING: Duration = Duration::from_secs(25);

/// The most calls in one request. Source: the contract of [`Client::batch`].
pub(crate) const BATCH: u32 = 100;

/// What one call of several is answered with.
pub(crate) type Answer = Result<Value, RpcError>;

/// Why the base server gave no result.
#[derive(Debug)]
pub(crate) enum UpstreamError {
    /// It cannot be reached.
    Away,
    /// It did not answer in time.
    Slow,
    /// It answered with an error.
    Refused(RpcError),
    /// It answered something else than such a call is answered with.
    BadAnswer,
}

/// A base server; the mutual TLS client outside of tests.
pub(crate) trait Upstream: Send + Sync + 'static {
    /// Calls a method.
    fn call(&self, method: &'static str, params: Value) -> BoxFuture<'_, Result<Value, UpstreamError>>;
    /// Calls a method once for each of the parameters, at most [`BATCH`] times, in one request.
    fn batch(&self, method: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Answer>, UpstreamError>>;
    /// Subscribes to what happens from now on.
    fn events(&self) -> BoxFuture<'_, Result<BoxStream<'static, Event>, UpstreamError>>;
}

impl Upstream for Client {
    fn call(&self, method: &'static str, params: Value) -> BoxFuture<'_, Result<Value, UpstreamError>> {
        Box::pin(async move { Self::call(self, method, params).await.map_err(|error| told(method, error)) })
    }

    fn batch(&self, method: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Answer>, UpstreamError>> {
        Box::pin(async move {
            let calls: Vec<(&str, Value)> = params.into_iter().map(|params| (method, params)).collect();
            Self::batch(self, &calls).await.map_err(|error| told(method, error))
        })
    }

    fn events(&self) -> BoxFuture<'_, Result<BoxStream<'static, Event>, UpstreamError>> {
        Box::pin(async move {
            let events = Self::events(self).await.map_err(|error| told("events", error))?;
            let next = |mut events: mycoin_rpc::EventStream| async {
                match events.next().await {
                    Some(Ok(event)) => Some((event, events)),
                    Some(Err(error)) => {
                        told("events", error);
                        None
                    }
                    None => None,
                }
            };
            Ok(unfold(events, next).boxed())
        })
    }
}

/// The log hears why; the client hears only that the base server is away.
fn told(method: &str, error: ClientError) -> UpstreamError {
    match error {
        ClientError::Rpc(error) => UpstreamError::Refused(error),
        other => {
            tracing::debug!(method, error = %other, "the base server gave no answer");
            UpstreamError::Away
        }
    }
}

/// Calls a method and reads its result.
pub(crate) async fn ask<T: DeserializeOwned>(
    upstream: &dyn Upstream,
    method: &'static str,
    params: Value,
) -> Result<T, UpstreamError> {
    let patience = if method == "faucet" { MINING } else { ANSWER };
    let answer = tokio::time::timeout(patience, upstream.call(method, params)).await;
    read(method, answer.map_err(|_| UpstreamError::Slow)??)
}

/// Calls a method once for each of the parameters and reads the results.
pub(crate) async fn ask_many<T: DeserializeOwned>(
    upstream: &dyn Upstream,
    method: &'static str,
    params: Vec<Value>,
) -> Result<Vec<Result<T, RpcError>>, UpstreamError> {
    let answers =
        tokio::time::timeout(ANSWER, upstream.batch(method, params)).await.map_err(|_| UpstreamError::Slow)??;
    let read = |answer: Answer| match answer {
        Ok(value) => read(method, value).map(Ok),
        Err(refusal) => Ok(Err(refusal)),
    };
    answers.into_iter().map(read).collect()
}

fn read<T: DeserializeOwned>(method: &'static str, value: Value) -> Result<T, UpstreamError> {
    serde_json::from_value(value).map_err(|error| {
        tracing::warn!(method, %error, "the base server's answer has another form");
        UpstreamError::BadAnswer
    })
}

/// Subscribes to the events.
pub(crate) async fn subscribe(upstream: &dyn Upstream) -> Result<BoxStream<'static, Event>, UpstreamError> {
    tokio::time::timeout(ANSWER, upstream.events()).await.map_err(|_| UpstreamError::Slow)?
}
