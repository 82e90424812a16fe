//! The prototype's calls beside `GET /status`: `POST /connect`, `GET /nodes`, `POST /transaction`.
//!
//! They answer 201 with `{"success": …}` or an error with `{"message": …}`; `error` beside it is the catalogue's entry.

use std::net::IpAddr;
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{App, client_of, read_json, transactions};
use crate::error::{ApiError, plain};
use crate::upstream::ask;

/// The longest name of a host. Source: RFC 1035.
const HOST_LIMIT: usize = 253;

fn success(fields: Value) -> Response {
    (StatusCode::CREATED, Json(fields)).into_response()
}

fn failed(error: ApiError) -> Response {
    let mut body = error.json();
    if let Some(fields) = body.as_object_mut() {
        fields.insert("message".to_owned(), json!(error.message));
    }
    error.response(body)
}

#[derive(Deserialize)]
struct TransactionRequest {
    /// The transaction in hexadecimal.
    transaction: String,
}

/// `{"type": …, "transaction": hex}`; the type and the prototype's `host` are not looked at.
pub(super) async fn transaction(Shared(app): Shared<App>, request: Request) -> Response {
    let forwarded = async {
        let asked: TransactionRequest = read_json(request).await?;
        transactions::forward(&app, asked.transaction.trim()).await
    };
    match forwarded.await {
        Ok(txid) => success(json!({ "success": "The transaction waits for a block.", "txid": txid })),
        Err(error) => failed(error),
    }
}

#[derive(Deserialize)]
struct ConnectRequest {
    /// `host:port` of a node.
    host: String,
    /// The network that the node serves; must be named, and ours.
    network: String,
}

/// `{"host": "host:port", "network": name}`: the base server connects to that node.
pub(super) async fn connect(Shared(app): Shared<App>, request: Request) -> Response {
    let client = client_of(request.extensions());
    let connected = async {
        let asked: ConnectRequest = read_json(request).await?;
        if asked.network != app.network.name {
            let message = format!("This proxy serves the network {}.", app.network.name);
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "proxy/wrong-network", message));
        }
        if !is_host_and_port(&asked.host) {
            return Err(ApiError::bad_request("“host” must be a node's name or address and its port, as host:port."));
        }
        let too_often = |seconds| ApiError::too_many("Too many nodes in one minute.", seconds);
        app.connects.take(client, Instant::now()).map_err(too_often)?;
        ask::<Value>(&*app.upstream, "connectpeer", json!([asked.host])).await?;
        Ok(())
    };
    match connected.await {
        Ok(()) => success(json!({ "success": "The base server connects to the node." })),
        Err(error) => failed(error),
    }
}

/// A plain name or address, and a port: nothing that could be taken for an option, a path or a URL.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let port_is_good = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_good = match address {
        Some(address) => address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()),
        None => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
            !host.is_empty() && host.len() <= HOST_LIMIT && !host.starts_with(['-', '.']) && host.bytes().all(plain)
        }
    };
    port_is_good && host_is_good
}

/// The nodes to which the base server is connected.
pub(super) async fn nodes(Shared(app): Shared<App>) -> Response {
    match ask::<Vec<Value>>(&*app.upstream, "getpeerinfo", Value::Null).await {
        Ok(peers) => Json(json!({ "nodes": peers.iter().map(node).collect::<Vec<_>>() })).into_response(),
        Err(error) => failed(error.into()),
    }
}

/// What may be told about a peer. Its user agent is its own text: one plain line.
fn node(peer: &Value) -> Value {
    let text = |name: &str| peer.get(name).and_then(Value::as_str).map(plain);
    json!({
        "address": text("addr"),
        "inbound": peer.get("inbound").and_then(Value::as_bool),
        "version": peer.get("version").and_then(Value::as_u64),
        "subver": text("subver"),
        "height": peer.get("synced_blocks").and_then(Value::as_i64),
    })
}

#[cfg(test)]
mod tests {
    use super::is_host_and_port;

    #[test]
    fn hosts_are_names_or_addresses_with_a_port() {
        for good in ["127.0.0.1:7602", "node.example:1", "[::1]:65535", "localhost:7602"] {
            assert!(is_host_and_port(good), "{good}");
        }
        for bad in [
            "",
            ":1",
            "host",
            "host:0",
            "host:65536",
            "host:+1",
            "-o:1",
            "a b:1",
            "http://a:1",
            "a/b:1",
            "[x]:1",
            "::1:1",
        ] {
            assert!(!is_host_and_port(bad), "{bad}");
        }
    }
}
