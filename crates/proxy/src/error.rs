//! What a client is told when a request fails: one form, the catalogue's codes, no inner details.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mycoin_index::IndexError;
use mycoin_primitives::Failure;
use mycoin_rpc::RpcError;
use serde_json::{Value, json};

use crate::upstream::UpstreamError;

/// The longest text of the base server that is passed on.
const TEXT_LIMIT: usize = 300;

/// A refused or failed request.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) next: String,
    pub(crate) reject_reason: Option<Box<str>>,
    pub(crate) retry_after: Option<u64>,
    /// Whether the index failed at it, so that the follower must look whether it is damaged.
    pub(crate) index: Option<Arc<IndexError>>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            next: String::new(),
            reject_reason: None,
            retry_after: None,
            index: None,
        }
    }

    pub(crate) fn next(mut self, next: &str) -> Self {
        next.clone_into(&mut self.next);
        self
    }

    pub(crate) fn bad_request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "proxy/bad-request", message)
    }

    /// `what` begins the sentence: "Such a block".
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "proxy/not-found", format!("{what} is not known."))
    }

    pub(crate) fn too_many(what: &str, seconds: u64) -> Self {
        let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, "proxy/too-many-requests", what)
            .next("Wait a little, then try again.");
        error.retry_after = Some(seconds.max(1));
        error
    }

    pub(crate) fn failure(status: StatusCode, failure: &impl Failure) -> Self {
        Self::new(status, failure.code(), failure.to_string()).next(failure.next_step())
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "proxy/internal", "The proxy failed at this request.")
            .next("Try again; if it fails again, tell who runs the proxy.")
    }

    fn server_away() -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "proxy/server-away", "The proxy cannot reach its base server.")
            .next("Try again when the base server is back.")
    }

    /// The body's JSON.
    pub(crate) fn json(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message, "next": self.next });
        if let (Some(reason), Some(fields)) = (&self.reject_reason, error.as_object_mut()) {
            fields.insert("reject_reason".to_owned(), json!(reason));
        }
        json!({ "error": error })
    }

    /// The response with this body and the error's status.
    pub(crate) fn response(&self, body: Value) -> Response {
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.response(self.json())
    }
}

impl From<IndexError> for ApiError {
    fn from(error: IndexError) -> Self {
        Self { index: Some(Arc::new(error)), ..Self::internal() }
    }
}

impl From<UpstreamError> for ApiError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Away => Self::server_away(),
            UpstreamError::Slow => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "proxy/server-slow", "The base server does not answer in time.")
                    .next("Wait a little, then try again.")
            }
            UpstreamError::BadAnswer => Self::internal(),
            UpstreamError::Refused(error) => Self::from(error),
        }
    }
}

/// A refusal of the base server, in its words of the catalogue. What is no refusal of the request is not passed on.
impl From<RpcError> for ApiError {
    fn from(error: RpcError) -> Self {
        let status = match error.code {
            RpcError::INVALID_ADDRESS_OR_KEY => StatusCode::NOT_FOUND,
            RpcError::TYPE
            | RpcError::INVALID_PARAMETER
            | RpcError::DESERIALIZATION
            | RpcError::VERIFY
            | RpcError::VERIFY_REJECTED
            | RpcError::VERIFY_ALREADY => StatusCode::BAD_REQUEST,
            RpcError::WARMUP | RpcError::INITIAL_DOWNLOAD => {
                return Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "proxy/catching-up",
                    "The base server is still catching up.",
                )
                .next("Wait a little, then try again.");
            }
            // Methods that answer with Core's unspecific number still name the catalogue's entry when a person can act.
            RpcError::MISC if error.data.is_some() => StatusCode::BAD_REQUEST,
            _ => {
                tracing::error!(code = error.code, message = ?error.message, "the base server failed");
                return Self::internal();
            }
        };
        let data = error.data.as_ref();
        Self {
            status,
            code: plain(data.map_or("proxy/refused", |data| &data.code)),
            message: plain(error.sentence()),
            next: plain(data.map_or("", |data| &data.next)),
            reject_reason: error.reject_reason().map(|reason| plain(reason).into()),
            retry_after: None,
            index: None,
        }
    }
}

/// One line of limited length.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_LIMIT).collect()
}
