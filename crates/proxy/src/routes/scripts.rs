//! What an address or a script hash has: sums, transactions, coins.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use mycoin_index::{HistoryEntry, IndexError, ScriptHash};
use mycoin_primitives::bitcoin::hex::FromHex as _;
use mycoin_primitives::{Height, Network, OutPoint, Txid, parse_address};
use serde_json::{Value, json};

use super::{App, parse};
use crate::error::ApiError;
use crate::esplora;
use crate::state::View;

/// How many confirmed transactions a page holds. Source: Esplora's API.md.
const PAGE: usize = 25;
/// How many waiting transactions a page holds. Source: Esplora's API.md.
const WAITING: usize = 50;
/// Coins above which the list is refused.
const COINS: usize = 10_000;

/// The script that the path names: `address/…` or `scripthash/…`.
fn script_of(kind: &str, name: &str, network: &Network) -> Result<ScriptHash, ApiError> {
    match kind {
        "address" => parse_address(name, network)
            .map(|script| ScriptHash::of(&script))
            .map_err(|error| ApiError::failure(StatusCode::BAD_REQUEST, &error)),
        "scripthash" => <[u8; 32]>::from_hex(name)
            .map(ScriptHash::from_bytes)
            .map_err(|_| ApiError::bad_request("The path does not hold a script hash.")),
        _ => Err(ApiError::not_found("Such a path")),
    }
}

pub(super) async fn stats(
    Shared(app): Shared<App>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let script = script_of(&kind, &name, &app.network)?;
    app.view(move |view| {
        let (chain, mempool) = esplora::script_stats(view, &script)?;
        Ok(Json(json!({ kind: name, "chain_stats": chain, "mempool_stats": mempool })))
    })
    .await
}

pub(super) async fn newest(
    Shared(app): Shared<App>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let script = script_of(&kind, &name, &app.network)?;
    app.view(move |view| {
        let mut all = waiting_of(view, &script)?;
        all.extend(page(view, &script, None)?);
        Ok(Json(all.into()))
    })
    .await
}

pub(super) async fn confirmed(
    Shared(app): Shared<App>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let script = script_of(&kind, &name, &app.network)?;
    app.view(move |view| Ok(Json(page(view, &script, None)?.into()))).await
}

pub(super) async fn confirmed_after(
    Shared(app): Shared<App>,
    Path((kind, name, last)): Path<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    let script = script_of(&kind, &name, &app.network)?;
    let last: Txid = parse(&last, "a txid")?;
    app.view(move |view| {
        let last = view.reader.transaction(&last)?;
        let last = last.ok_or_else(|| ApiError::not_found("Such a confirmed transaction"))?;
        Ok(Json(page(view, &script, Some((last.height, last.position)))?.into()))
    })
    .await
}

pub(super) async fn waiting(
    Shared(app): Shared<App>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let script = script_of(&kind, &name, &app.network)?;
    app.view(move |view| Ok(Json(waiting_of(view, &script)?.into()))).await
}

fn page(view: &View<'_>, script: &ScriptHash, after: Option<(Height, u32)>) -> Result<Vec<Value>, ApiError> {
    let entries = view.reader.history(script, after, PAGE)?;
    entries.iter().map(|entry| confirmed_tx(view, entry)).collect()
}

fn confirmed_tx(view: &View<'_>, entry: &HistoryEntry) -> Result<Value, ApiError> {
    let found = view.reader.transaction(&entry.txid)?.ok_or(IndexError::Damaged { table: "transactions" })?;
    let block = view.block_at(entry.height)?;
    Ok(esplora::transaction(view, &found.tx, entry.txid, Some(&block))?)
}

fn waiting_of(view: &View<'_>, script: &ScriptHash) -> Result<Vec<Value>, ApiError> {
    let mut all = Vec::new();
    for (txid, entry) in view.waiting.of_script(script) {
        if all.len() < WAITING && view.waiting_tx(txid)?.is_some() {
            all.push(esplora::transaction(view, &entry.tx, *txid, None)?);
        }
    }
    Ok(all)
}

pub(super) async fn coins(
    Shared(app): Shared<App>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let script = script_of(&kind, &name, &app.network)?;
    app.view(move |view| {
        let confirmed = view.reader.coins(&script, COINS + 1)?;
        if confirmed.len() > COINS {
            let message = "This script has more unspent outputs than one list may hold.";
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "proxy/too-many-coins", message));
        }
        let mut coins = Vec::new();
        for coin in confirmed.iter().filter(|coin| view.waiting.spend(&coin.outpoint).is_none()) {
            let block = view.block_at(coin.height)?;
            coins.push(coin_json(&coin.outpoint, coin.value.to_sat(), esplora::status(Some(&block))));
        }
        for (txid, entry) in view.waiting.of_script(&script) {
            if view.waiting_tx(txid)?.is_none() {
                continue;
            }
            for (vout, output) in (0..).zip(&entry.tx.output) {
                let outpoint = OutPoint { txid: *txid, vout };
                let ours = ScriptHash::of(&output.script_pubkey) == script;
                if ours && view.waiting.spend(&outpoint).is_none() {
                    coins.push(coin_json(&outpoint, output.value.to_sat(), esplora::status(None)));
                }
            }
        }
        Ok(Json(coins.into()))
    })
    .await
}

fn coin_json(outpoint: &OutPoint, value: u64, status: Value) -> Value {
    json!({ "txid": outpoint.txid, "vout": outpoint.vout, "status": status, "value": value })
}
