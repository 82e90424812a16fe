//! Transactions: by id, where they stand, handed in; and what the waiting ones pay.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, Request, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use mycoin_index::IndexedBlock;
use mycoin_primitives::bitcoin::consensus::encode::{deserialize_hex, serialize, serialize_hex};
use mycoin_primitives::{OutPoint, Transaction, Txid};
use serde_json::{Map, Value, json};

use super::{App, bytes, parse, read_body, text};
use crate::error::ApiError;
use crate::esplora;
use crate::state::View;
use crate::upstream::ask;

/// The targets of fee estimates, in blocks. Source: Esplora's API.md names 1 to 25, 144, 504, 1008; these are enough to choose from.
const TARGETS: [u16; 8] = [1, 2, 3, 6, 12, 25, 144, 1_008];
/// How long estimates are kept, so that clients don't make the base server work.
const ESTIMATES_FRESH: Duration = Duration::from_secs(10);
/// A rate in sat/vB is one in coins per kvB times this.
const SAT_PER_VB: f64 = 100_000.0;
/// At least so many virtual bytes stand in one bar of the histogram, as in Electrum's protocol.
const HISTOGRAM_BAR: u64 = 50_000;

/// A transaction with the block that holds it.
fn find(view: &View<'_>, txid: &Txid) -> Result<(Transaction, Option<IndexedBlock>), ApiError> {
    if let Some(found) = view.reader.transaction(txid)? {
        let block = view.block_at(found.height)?;
        return Ok((found.tx, Some(block)));
    }
    let waiting = view.waiting.get(txid).ok_or_else(|| ApiError::not_found("Such a transaction"))?;
    Ok((waiting.tx.clone(), None))
}

pub(super) async fn transaction(Shared(app): Shared<App>, Path(txid): Path<String>) -> Result<Json<Value>, ApiError> {
    let txid = parse(&txid, "a txid")?;
    app.view(move |view| {
        let (tx, block) = find(view, &txid)?;
        Ok(Json(esplora::transaction(view, &tx, txid, block.as_ref())?))
    })
    .await
}

pub(super) async fn hex(Shared(app): Shared<App>, Path(txid): Path<String>) -> Result<Response, ApiError> {
    let txid = parse(&txid, "a txid")?;
    app.view(move |view| Ok(text(serialize_hex(&find(view, &txid)?.0)))).await
}

pub(super) async fn raw(Shared(app): Shared<App>, Path(txid): Path<String>) -> Result<Response, ApiError> {
    let txid = parse(&txid, "a txid")?;
    app.view(move |view| Ok(bytes(serialize(&find(view, &txid)?.0)))).await
}

pub(super) async fn status(Shared(app): Shared<App>, Path(txid): Path<String>) -> Result<Json<Value>, ApiError> {
    let txid = parse(&txid, "a txid")?;
    app.view(move |view| Ok(Json(esplora::status(find(view, &txid)?.1.as_ref())))).await
}

pub(super) async fn merkle_proof(Shared(app): Shared<App>, Path(txid): Path<String>) -> Result<Json<Value>, ApiError> {
    let txid: Txid = parse(&txid, "a txid")?;
    app.view(move |view| {
        let found = view.reader.transaction(&txid)?;
        let found = found.ok_or_else(|| ApiError::not_found("Such a confirmed transaction"))?;
        let txids = view.reader.block_txids(&view.block_at(found.height)?)?;
        let index = usize::try_from(found.position).map_err(|_| ApiError::internal())?;
        let merkle = mycoin_consensus::merkle_branch(&txids, index);
        Ok(Json(json!({ "block_height": found.height, "merkle": merkle, "pos": found.position })))
    })
    .await
}

fn spent(view: &View<'_>, outpoint: &OutPoint) -> Result<Value, ApiError> {
    let confirmed = view.reader.spend(outpoint)?;
    let Some(spend) = confirmed.or_else(|| view.waiting.spend(outpoint)) else {
        return Ok(json!({ "spent": false }));
    };
    let block = match view.reader.transaction(&spend.txid)? {
        Some(spender) => Some(view.block_at(spender.height)?),
        None => None,
    };
    Ok(json!({ "spent": true, "txid": spend.txid, "vin": spend.input, "status": esplora::status(block.as_ref()) }))
}

pub(super) async fn outspend(
    Shared(app): Shared<App>,
    Path((txid, vout)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let outpoint = OutPoint { txid: parse(&txid, "a txid")?, vout: parse(&vout, "an output's number")? };
    app.view(move |view| {
        let (tx, _) = find(view, &outpoint.txid)?;
        if usize::try_from(outpoint.vout).map_or(true, |vout| vout >= tx.output.len()) {
            return Err(ApiError::not_found("Such an output"));
        }
        Ok(Json(spent(view, &outpoint)?))
    })
    .await
}

pub(super) async fn outspends(Shared(app): Shared<App>, Path(txid): Path<String>) -> Result<Json<Value>, ApiError> {
    let txid = parse(&txid, "a txid")?;
    app.view(move |view| {
        let (tx, _) = find(view, &txid)?;
        let outpoints = (0..).zip(&tx.output).map(|(vout, _)| OutPoint { txid, vout });
        let all = outpoints.map(|outpoint| spent(view, &outpoint)).collect::<Result<Vec<_>, _>>()?;
        Ok(Json(all.into()))
    })
    .await
}

pub(super) async fn submit(Shared(app): Shared<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body).await?;
    let hex = std::str::from_utf8(&body).map_err(|_| not_a_transaction())?;
    Ok(text(forward(&app, hex.trim()).await?.to_string()))
}

fn not_a_transaction() -> ApiError {
    let message = "The body is not a transaction in hexadecimal.";
    ApiError::new(StatusCode::BAD_REQUEST, "tx/malformed", message)
}

/// Hands a transaction to the base server; it shows as waiting when this returns.
pub(super) async fn forward(app: &App, hex: &str) -> Result<Txid, ApiError> {
    let tx: Transaction = deserialize_hex(hex).map_err(|_| not_a_transaction())?;
    let txid: Txid = ask(&*app.upstream, "sendrawtransaction", json!([hex])).await?;
    let shared = std::sync::Arc::clone(app);
    let added = tokio::task::spawn_blocking(move || shared.add_waiting(tx)).await;
    added.map_err(|_| ApiError::internal())??;
    Ok(txid)
}

pub(super) async fn fee_estimates(Shared(app): Shared<App>) -> Result<Json<Value>, ApiError> {
    // Held while asking, so that many clients at once cause one question.
    let mut kept = app.fees.lock().await;
    if let Some((at, estimates)) = &*kept
        && at.elapsed() < ESTIMATES_FRESH
    {
        return Ok(Json(estimates.clone()));
    }
    let mut estimates = Map::new();
    for target in TARGETS {
        let answer: Value = ask(&*app.upstream, "estimatesmartfee", json!([target])).await?;
        if let Some(rate) = answer.get("feerate").and_then(Value::as_f64) {
            // Three decimals: a thousandth of a sat/vB is the smallest step there is.
            let rate = (rate * SAT_PER_VB * 1_000.0).round() / 1_000.0;
            estimates.insert(target.to_string(), json!(rate));
        }
    }
    let estimates = Value::from(estimates);
    *kept = Some((Instant::now(), estimates.clone()));
    Ok(Json(estimates))
}

pub(super) async fn mempool(Shared(app): Shared<App>) -> Result<Json<Value>, ApiError> {
    // What the base server's mempool asks for, in sat/vB; not in Esplora's API. Without it the rest is still true.
    let info = ask::<Value>(&*app.upstream, "getmempoolinfo", Value::Null).await.ok();
    let minimum = info.and_then(|info| info.get("mempoolminfee").and_then(Value::as_f64));
    let minimum = minimum.map(|rate| (rate * SAT_PER_VB * 1_000.0).round() / 1_000.0);
    app.view(move |view| {
        let sizes = view.waiting.iter().map(|(_, entry)| (entry.fee().unwrap_or(0), vsize(&entry.tx)));
        let mut sizes: Vec<(u64, u64)> = sizes.collect();
        let vsize: u64 = sizes.iter().map(|(_, vsize)| vsize).sum();
        let fees = sizes.iter().fold(0_u64, |sum, (fee, _)| sum.saturating_add(*fee));
        sizes.sort_by(|a, b| rate(*b).total_cmp(&rate(*a)));
        Ok(Json(json!({
            "count": view.waiting.len(),
            "vsize": vsize,
            "total_fee": fees,
            "fee_histogram": histogram(&sizes),
            "minimum_rate": minimum,
        })))
    })
    .await
}

fn vsize(tx: &Transaction) -> u64 {
    u64::try_from(tx.vsize()).unwrap_or(u64::MAX)
}

#[allow(clippy::cast_precision_loss)] // a rate to look at, not to count with
fn rate((fee, vsize): (u64, u64)) -> f64 {
    fee as f64 / vsize.max(1) as f64
}

/// Bars of (lowest rate, virtual bytes), the best payers first.
fn histogram(sizes: &[(u64, u64)]) -> Vec<(f64, u64)> {
    let (mut bars, mut bar) = (Vec::new(), 0);
    for (number, size) in sizes.iter().enumerate() {
        bar += size.1;
        if bar > HISTOGRAM_BAR || number + 1 == sizes.len() {
            bars.push((rate(*size), bar));
            bar = 0;
        }
    }
    bars
}

pub(super) async fn mempool_txids(Shared(app): Shared<App>) -> Result<Json<Value>, ApiError> {
    app.view(|view| Ok(Json(view.waiting.iter().map(|(txid, _)| json!(txid)).collect::<Vec<_>>().into()))).await
}
