//! Paths of our own: health, status, the miner, the faucet.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Request, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use mycoin_primitives::{Height, address_of, parse_address};
use mycoin_rpc::MinerInfo;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{App, client_of, read_json};
use crate::error::ApiError;
use crate::upstream::ask;

/// How long the faucet waits for its block to reach the index, so that who asks next sees it.
const SEEN: Duration = Duration::from_secs(3);

/// 200 when the proxy follows its base server; else 503 and why not.
pub(super) async fn health(Shared(app): Shared<App>) -> Response {
    let health = *app.health.borrow();
    let height = *app.height.borrow();
    match health.reason() {
        None => Json(json!({ "status": health.status(), "height": height, "sync": app.sync().await })).into_response(),
        Some(reason) => {
            let body =
                json!({ "status": health.status(), "reason": reason, "height": height, "sync": app.sync().await });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}

/// The network's settings and where the proxy stands; answers also while the base server is away.
pub(super) async fn status(Shared(app): Shared<App>) -> Result<Json<Value>, ApiError> {
    let health = *app.health.borrow();
    let peers = app.peers().await;
    app.view(move |view| {
        let network = view.network;
        let tip = view.reader.tip()?;
        Ok(Json(json!({
            "network": network.name,
            "coin": network.coin,
            "ticker": network.ticker,
            "decimals": network.decimals,
            "address_prefix": network.address_prefix,
            "uri_scheme": network.uri_scheme,
            "genesis": network.genesis.hash,
            "spacing": network.spacing,
            "maturity": network.maturity,
            "halving_interval": network.halving_interval,
            "first_subsidy": network.first_subsidy.to_sat(),
            "rsa": network.rsa,
            "faucet": network.faucet,
            "version": env!("CARGO_PKG_VERSION"),
            "state": {
                "status": health.status(),
                "reason": health.reason(),
                "height": tip.height,
                "hash": tip.hash,
                "time": tip.header.time,
                "waiting": view.waiting.len(),
                "peers": peers,
            },
        })))
    })
    .await
}

/// The coin's spec, for whoever joins: the file's text, the coin's hash, and where the base server listens for peers, as far
/// as it answers.
pub(super) async fn network(Shared(app): Shared<App>) -> Json<Value> {
    let info = ask::<Value>(&*app.upstream, "getnetworkinfo", Value::Null).await;
    let listening = info.ok().and_then(|mut info| info.get_mut("listening").map(Value::take));
    let hash = app.network.spec_hash().to_string();
    Json(json!({ "name": app.network.name, "hash": hash, "spec": app.network.to_toml(), "listening": listening }))
}

/// What the base server's built-in miner does.
pub(super) async fn mining(Shared(app): Shared<App>) -> Result<Json<MinerInfo>, ApiError> {
    Ok(Json(ask(&*app.upstream, "getminerinfo", Value::Null).await?))
}

#[derive(Deserialize)]
struct FaucetRequest {
    address: String,
}

#[derive(Deserialize)]
struct FaucetBlock {
    hash: mycoin_primitives::BlockHash,
    height: Height,
}

/// Has a block mined that pays an address.
pub(super) async fn faucet(Shared(app): Shared<App>, request: Request) -> Result<Json<Value>, ApiError> {
    if !app.network.faucet {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "faucet/off", "This network has no faucet.")
            .next("Use the demo network, or earn coins by mining."));
    }
    let client = client_of(request.extensions());
    let asked: FaucetRequest = read_json(request).await?;
    let script = parse_address(asked.address.trim(), &app.network)
        .map_err(|error| ApiError::failure(StatusCode::BAD_REQUEST, &error))?;
    // One spelling for each address, whatever case it was written in.
    let address = address_of(&script, &app.network).ok_or_else(ApiError::internal)?;
    let now = Instant::now();
    let too_often = |seconds| ApiError::too_many("The faucet was asked too often.", seconds);
    app.faucet_by_client.take(client, now).map_err(too_often)?;
    app.faucet_by_address.take(address.clone(), now).map_err(too_often)?;
    let block: FaucetBlock = ask(&*app.upstream, "faucet", json!([address])).await?;
    app.look.notify_one();
    let mut height = app.height.subscribe();
    // An answer without the wait is still true; the block only shows a moment later.
    let _ = tokio::time::timeout(SEEN, height.wait_for(|height| *height >= block.height)).await;
    Ok(Json(json!({ "block_hash": block.hash, "height": block.height })))
}
