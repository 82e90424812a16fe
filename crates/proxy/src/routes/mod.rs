//! The paths of the proxy. Esplora's stand at `/api/…` and, for clients that expect them there, at `/…` too.

mod chain;
mod events;
mod own;
mod prototype;
mod scripts;
mod transactions;
mod wallets;

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State as Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::limits::ClientKey;
use crate::state::State;

/// The largest body: the largest standard transaction is 800 kB in hexadecimal.
pub(crate) const BODY_LIMIT: usize = 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(20);
/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(30);

type App = Arc<State>;

/// All paths with their limits.
pub(crate) fn router(state: App) -> Router {
    let api = esplora()
        .route("/events", get(events::events))
        .route("/mining", get(own::mining))
        .route("/faucet", post(own::faucet))
        .route("/scripts", post(wallets::scripts))
        .route("/history", post(wallets::history))
        .route("/transactions", post(wallets::transactions))
        .fallback(no_such_path);
    esplora()
        .nest("/api", api)
        .route("/health", get(own::health))
        .route("/status", get(own::status))
        .route("/network", get(own::network))
        .route("/connect", post(prototype::connect))
        .route("/nodes", get(prototype::nodes))
        .route("/transaction", post(prototype::transaction))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&state), guard))
        .with_state(state)
}

fn esplora() -> Router<App> {
    Router::new()
        .route("/blocks", get(chain::blocks))
        .route("/blocks/{start}", get(chain::blocks_from))
        .route("/blocks/tip/height", get(chain::tip_height))
        .route("/blocks/tip/hash", get(chain::tip_hash))
        .route("/block-height/{height}", get(chain::hash_at))
        .route("/headers/{height}", get(chain::headers))
        .route("/headers/{height}/{count}", get(chain::headers_raw))
        .route("/block/{hash}", get(chain::block))
        .route("/block/{hash}/header", get(chain::header))
        .route("/block/{hash}/raw", get(chain::raw))
        .route("/block/{hash}/status", get(chain::status))
        .route("/block/{hash}/txids", get(chain::txids))
        .route("/tx", post(transactions::submit))
        .route("/tx/{txid}", get(transactions::transaction))
        .route("/tx/{txid}/hex", get(transactions::hex))
        .route("/tx/{txid}/raw", get(transactions::raw))
        .route("/tx/{txid}/status", get(transactions::status))
        .route("/tx/{txid}/merkle-proof", get(transactions::merkle_proof))
        .route("/tx/{txid}/outspend/{vout}", get(transactions::outspend))
        .route("/tx/{txid}/outspends", get(transactions::outspends))
        .route("/{kind}/{script}", get(scripts::stats))
        .route("/{kind}/{script}/txs", get(scripts::newest))
        .route("/{kind}/{script}/txs/chain", get(scripts::confirmed))
        .route("/{kind}/{script}/txs/chain/{last}", get(scripts::confirmed_after))
        .route("/{kind}/{script}/txs/mempool", get(scripts::waiting))
        .route("/{kind}/{script}/utxo", get(scripts::coins))
        .route("/fee-estimates", get(transactions::fee_estimates))
        .route("/mempool", get(transactions::mempool))
        .route("/mempool/txids", get(transactions::mempool_txids))
}

async fn no_such_path() -> ApiError {
    ApiError::not_found("Such a path")
}

async fn wrong_method() -> ApiError {
    let message = "This path is not asked with this method.";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "proxy/wrong-method", message)
}

/// The limits that hold for every request, and the headers that every answer carries.
async fn guard(Shared(state): Shared<App>, request: Request, next: Next) -> Response {
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let response = if state.rate.allow(client_of(request.extensions()), Instant::now()) {
        match tokio::time::timeout(ANSWER_TIME, next.run(request)).await {
            Ok(response) => response,
            Err(_) => ApiError::new(StatusCode::GATEWAY_TIMEOUT, "proxy/too-slow", "The answer took too long.")
                .into_response(),
        }
    } else {
        ApiError::too_many("Too many requests in one second.", 1).into_response()
    };
    protected(response, reading)
}

/// Whatever a browser gets, it must not read it as a page; and only what is public anyway may be read from other sites.
fn protected(mut response: Response, reading: bool) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if reading {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

/// Who asks, for limits that are counted by client.
fn client_of(extensions: &axum::http::Extensions) -> ClientKey {
    let address = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    address.unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)).into()
}

/// A request's body, limited in size and time.
async fn read_body(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("A request may have at most {BODY_LIMIT} bytes.");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "proxy/too-large", message)
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > BODY_LIMIT) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIME, to_bytes(body, BODY_LIMIT)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => {
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "proxy/too-slow", "The request took too long to arrive."))
        }
    }
}

/// A JSON body. It must say that it is JSON: what a form of a foreign site can send is refused.
async fn read_json<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let message = "The body must be JSON, with the header Content-Type: application/json.";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "proxy/not-json", message));
    }
    let body = read_body(&parts.headers, body).await?;
    serde_json::from_slice(&body).map_err(|_| ApiError::bad_request("The body is not the JSON that this path takes."))
}

/// A part of the path, or a sentence that names what it should be.
fn parse<T: FromStr>(text: &str, what: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::bad_request(&format!("The path does not hold {what}.")))
}

/// A height of the path: digits alone.
fn parse_height(text: &str) -> Result<mycoin_primitives::Height, ApiError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::bad_request("The path does not hold a height."));
    }
    // More than any chain has: unknown, as every height above the tip.
    Ok(mycoin_primitives::Height::new(text.parse().unwrap_or(u32::MAX)))
}

/// A plain text answer.
fn text(text: String) -> Response {
    text.into_response()
}

fn bytes(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
}

#[cfg(test)]
mod tests {
    /// Every path that the router knows stands in `docs/proxy.md`.
    #[test]
    fn every_path_is_documented() {
        let (docs, router) = (include_str!("../../../../docs/proxy.md"), include_str!("mod.rs"));
        let paths: Vec<&str> =
            router.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")?.split('"').next()).collect();
        assert!(paths.len() > 40, "the routes were found");
        let missing: Vec<_> = paths.iter().filter(|path| !docs.contains(&format!("{path}`"))).collect();
        assert!(missing.is_empty(), "not in docs/proxy.md: {missing:?}");
    }
}
