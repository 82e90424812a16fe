//! Calling a base server over mutual TLS.
//!
//! In:    the server's address, an identity, whom to trust; methods and parameters.
//! Out:   typed answers, a stream of events, and errors that tell apart why there is no answer.
//! Never: a proxy of the environment, a redirect, plain HTTP, a key in any other form than the identity's.
//!
//! Start at [`Client::mutual_tls`].

mod error;
mod events;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mycoin_identity::{Identity, Trust, client_tls};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Pace, RpcError, method};

pub use error::{ClientError, Refuser};
pub use events::EventStream;

const CONNECT_TIME: Duration = Duration::from_secs(5);
const CALL_TIME: Duration = Duration::from_secs(30);
/// Shorter than the server's, so that no call meets a connection that the server just closed.
const IDLE_TIME: Duration = Duration::from_secs(10);

/// Calls a base server over mutual TLS. Cheap to clone; connections are kept and shared.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    server: Arc<str>,
    timeout: Duration,
    next_id: Arc<AtomicU64>,
}

impl Client {
    /// For the server at `host:port`; connects at the first call.
    ///
    /// `server_name` is the name that the server's certificate must carry, where it is not the host.
    ///
    /// # Errors
    ///
    /// [`ClientError::BadAddress`], [`ClientError::Identity`].
    pub fn mutual_tls(
        server: &str,
        server_name: Option<&str>,
        identity: &Identity,
        trust: &Trust,
    ) -> Result<Self, ClientError> {
        let bad_address = || ClientError::BadAddress { server: server.to_owned() };
        let address = reqwest::Url::parse(&format!("https://{server}/")).map_err(|_| bad_address())?;
        // Nothing but host and port.
        if address.path() != "/" || address.query().is_some() || !address.username().is_empty() || server.contains('#')
        {
            return Err(bad_address());
        }
        let tls = client_tls(identity, trust, server_name)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIME)
            .pool_idle_timeout(IDLE_TIME)
            .tcp_nodelay(true)
            // A long call has no time-out; a machine that is gone must still be noticed.
            .tcp_keepalive(Duration::from_secs(30))
            .build()
            .map_err(|error| ClientError::Unreachable { server: server.to_owned(), reason: error.to_string() })?;
        Ok(Self { http, server: server.into(), timeout: CALL_TIME, next_id: Arc::new(AtomicU64::new(1)) })
    }

    /// The same with another time-out; methods that wait or work long have none.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Calls a method with named (object) or positional (array) parameters, or none (null).
    ///
    /// # Errors
    ///
    /// [`ClientError::Rpc`] is the server's own answer; all others mean that there is none.
    pub async fn call(&self, name: &str, params: Value) -> Result<Value, ClientError> {
        let answer = self.post(&self.request(name, params), is_quick(name)).await?;
        self.open(answer)?.map_err(ClientError::Rpc)
    }

    /// Calls a method and reads its answer as `T`.
    ///
    /// # Errors
    ///
    /// As [`Self::call`], and [`ClientError::BadAnswer`] when it is not a `T`.
    pub async fn call_typed<T: DeserializeOwned>(&self, name: &str, params: Value) -> Result<T, ClientError> {
        let answer = self.call(name, params).await?;
        serde_json::from_value(answer).map_err(|error| self.bad_answer(format!("{name}: {error}")))
    }

    /// Several calls in one request (at most 100); the answers come in their order.
    ///
    /// # Errors
    ///
    /// As [`Self::call`], but each call has an answer of its own.
    pub async fn batch(&self, calls: &[(&str, Value)]) -> Result<Vec<Result<Value, RpcError>>, ClientError> {
        let requests: Vec<Value> = calls.iter().map(|(name, params)| self.request(name, params.clone())).collect();
        let quick = calls.iter().all(|(name, _)| is_quick(name));
        let answers = match self.post(&Value::Array(requests.clone()), quick).await? {
            Value::Array(answers) if answers.len() == calls.len() => answers,
            // The batch as a whole was refused.
            single @ Value::Object(_) => {
                return match self.open(single)? {
                    Err(error) => Err(ClientError::Rpc(error)),
                    Ok(_) => Err(self.bad_answer("one answer to several calls".to_owned())),
                };
            }
            _ => return Err(self.bad_answer("not as many answers as calls".to_owned())),
        };
        let in_order = answers.iter().zip(&requests).all(|(answer, request)| answer.get("id") == request.get("id"));
        if !in_order {
            return Err(self.bad_answer("the answers are not in the order of the calls".to_owned()));
        }
        answers.into_iter().map(|answer| self.open(answer)).collect()
    }

    /// Subscribes to what happens from now on.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub async fn events(&self) -> Result<EventStream, ClientError> {
        let response = self.send(self.http.get(self.url("events"))).await?;
        if !response.status().is_success() {
            return Err(self.bad_status(&response));
        }
        Ok(EventStream::new(response, self.server.clone()))
    }

    fn request(&self, name: &str, params: Value) -> Value {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut request = json!({"jsonrpc": "2.0", "id": id, "method": name});
        if let (Value::Object(fields), false) = (&mut request, params.is_null()) {
            fields.insert("params".to_owned(), params);
        }
        request
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}/{path}", self.server)
    }

    async fn post(&self, body: &Value, quick: bool) -> Result<Value, ClientError> {
        let mut request = self.http.post(self.url("")).json(body);
        if quick {
            request = request.timeout(self.timeout);
        }
        let response = self.send(request).await?;
        let status = self.bad_status(&response);
        let ok = response.status().is_success();
        let bytes = response.bytes().await.map_err(|error| self.explain(&error))?;
        match serde_json::from_slice(&bytes) {
            // A refused request still has its error in the body.
            Ok(answer @ (Value::Object(_) | Value::Array(_))) => Ok(answer),
            _ if !ok => Err(status),
            _ => Err(self.bad_answer("it is not JSON".to_owned())),
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        request.send().await.map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &reqwest::Error) -> ClientError {
        error::explain(&self.server, self.timeout, error)
    }

    /// Takes the answer to one call apart.
    fn open(&self, mut answer: Value) -> Result<Result<Value, RpcError>, ClientError> {
        let Some(fields) = answer.as_object_mut() else { return Err(self.bad_answer("it is no object".to_owned())) };
        match (fields.remove("error").unwrap_or(Value::Null), fields.remove("result")) {
            (Value::Null, Some(result)) => Ok(Ok(result)),
            (Value::Null, None) => Err(self.bad_answer("it has neither a result nor an error".to_owned())),
            (error, _) => serde_json::from_value(error).map(Err).map_err(|error| self.bad_answer(error.to_string())),
        }
    }

    fn bad_answer(&self, reason: String) -> ClientError {
        ClientError::BadAnswer { server: self.server.to_string(), reason }
    }

    fn bad_status(&self, response: &Response) -> ClientError {
        ClientError::Status { server: self.server.to_string(), status: response.status().as_u16() }
    }
}

/// Whether a method answers at once. One that is not in the table is refused at once.
fn is_quick(name: &str) -> bool {
    method(name).is_none_or(|method| method.pace == Pace::Quick)
}
