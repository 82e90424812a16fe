//! Blocks and headers.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use mycoin_index::IndexedBlock;
use mycoin_primitives::bitcoin::consensus::encode::{serialize, serialize_hex};
use mycoin_primitives::{BlockHash, Height};
use serde_json::{Value, json};

use super::{App, bytes, parse, parse_height, text};
use crate::error::ApiError;
use crate::esplora;
use crate::state::View;

/// How many blocks one list holds. Source: Esplora's API.md.
const BLOCKS: u32 = 10;
/// How many headers one answer holds, as in Bitcoin's `headers` message.
const HEADERS: u32 = 2_000;

pub(super) async fn tip_height(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    app.view(|view| Ok(text(view.reader.tip()?.height.to_string()))).await
}

pub(super) async fn tip_hash(Shared(app): Shared<App>) -> Result<Response, ApiError> {
    app.view(|view| Ok(text(view.reader.tip()?.hash.to_string()))).await
}

pub(super) async fn hash_at(Shared(app): Shared<App>, Path(height): Path<String>) -> Result<Response, ApiError> {
    let height = parse_height(&height)?;
    app.view(move |view| Ok(text(view.block_at(height)?.hash.to_string()))).await
}

pub(super) async fn blocks(Shared(app): Shared<App>) -> Result<Json<Value>, ApiError> {
    app.view(|view| list(view, view.reader.tip()?.height)).await
}

pub(super) async fn blocks_from(Shared(app): Shared<App>, Path(start): Path<String>) -> Result<Json<Value>, ApiError> {
    let start = parse_height(&start)?;
    app.view(move |view| list(view, start)).await
}

fn list(view: &View<'_>, from: Height) -> Result<Json<Value>, ApiError> {
    let heights = (from.back(BLOCKS - 1).to_u32()..=from.to_u32()).rev();
    let blocks = heights.map(|height| esplora::block(view, &view.block_at(Height::new(height))?));
    Ok(Json(blocks.collect::<Result<Vec<_>, _>>()?.into()))
}

/// Ours: the headers from a height on, one a line in hexadecimal; none above the tip.
pub(super) async fn headers(Shared(app): Shared<App>, Path(from): Path<String>) -> Result<Response, ApiError> {
    let from = parse_height(&from)?;
    app.view(move |view| {
        let mut lines = String::new();
        for height in from.to_u32()..from.to_u32().saturating_add(HEADERS) {
            let Some(block) = view.reader.block_at(Height::new(height))? else { break };
            lines.push_str(&serialize_hex(&block.header));
            lines.push('\n');
        }
        Ok(text(lines))
    })
    .await
}

/// Ours: at most so many headers from a height on, 80 bytes each; none above the tip.
pub(super) async fn headers_raw(
    Shared(app): Shared<App>,
    Path((from, count)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let from = parse_height(&from)?;
    let count = parse::<u32>(&count, "a number of headers")?.min(HEADERS);
    app.view(move |view| {
        let mut headers = Vec::new();
        for height in from.to_u32()..from.to_u32().saturating_add(count) {
            let Some(block) = view.reader.block_at(Height::new(height))? else { break };
            headers.extend(serialize(&block.header));
        }
        Ok(bytes(headers))
    })
    .await
}

fn find(view: &View<'_>, hash: &BlockHash) -> Result<IndexedBlock, ApiError> {
    view.reader.block(hash)?.ok_or_else(|| ApiError::not_found("Such a block"))
}

pub(super) async fn block(Shared(app): Shared<App>, Path(hash): Path<String>) -> Result<Json<Value>, ApiError> {
    let hash = parse(&hash, "a block's hash")?;
    app.view(move |view| Ok(Json(esplora::block(view, &find(view, &hash)?)?))).await
}

pub(super) async fn header(Shared(app): Shared<App>, Path(hash): Path<String>) -> Result<Response, ApiError> {
    let hash = parse(&hash, "a block's hash")?;
    app.view(move |view| Ok(text(serialize_hex(&find(view, &hash)?.header)))).await
}

pub(super) async fn raw(Shared(app): Shared<App>, Path(hash): Path<String>) -> Result<Response, ApiError> {
    let hash = parse(&hash, "a block's hash")?;
    app.view(move |view| Ok(bytes(serialize(&view.reader.full_block(&find(view, &hash)?)?)))).await
}

pub(super) async fn txids(Shared(app): Shared<App>, Path(hash): Path<String>) -> Result<Json<Value>, ApiError> {
    let hash = parse(&hash, "a block's hash")?;
    app.view(move |view| Ok(Json(json!(view.reader.block_txids(&find(view, &hash)?)?)))).await
}

pub(super) async fn status(Shared(app): Shared<App>, Path(hash): Path<String>) -> Result<Json<Value>, ApiError> {
    let hash: BlockHash = parse(&hash, "a block's hash")?;
    app.view(move |view| {
        let Some(block) = view.reader.block(&hash)? else {
            return Ok(Json(json!({ "in_best_chain": false })));
        };
        let next = view.reader.block_at(block.height.next())?.map(|next| next.hash);
        Ok(Json(json!({ "in_best_chain": true, "height": block.height, "next_best": next })))
    })
    .await
}
