//! Ours: what a wallet asks about many scripts and transactions at once.
//!
//! In:    script hashes as the paths have them, txids; both as JSON.
//! Out:   how much there is of each script, which transactions, and each transaction with its proof: all of one answer from
//!        one view, at the tip that it names.
//! Never: more than the limits below, whatever is asked.

use std::collections::HashMap;
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State as Shared};
use axum::http::StatusCode;
use mycoin_index::{IndexedBlock, ScriptHash};
use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::bitcoin::hex::FromHex as _;
use mycoin_primitives::{Height, Transaction, TxOut, Txid};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{App, client_of, parse, read_json};
use crate::error::ApiError;
use crate::esplora;
use crate::state::View;

/// How many scripts may be counted at once.
pub(crate) const SCRIPTS: usize = 1_000;
/// How many scripts may be listed at once.
pub(crate) const LISTS: usize = 100;
/// How many confirmed transactions all lists of one answer hold together.
const ENTRIES: usize = 5_000;
/// How many waiting transactions of one script are named.
const WAITING: usize = 200;
/// How many transactions may be asked for at once.
pub(crate) const TRANSACTIONS: usize = 100;
/// After so many characters an answer takes no further transaction: the client asks for the rest again.
const ANSWER_LENGTH: usize = 4 * 1024 * 1024;
/// How many of each cost a client as much as one plain request.
const SCRIPTS_A_TOKEN: usize = 50;
const LISTS_A_TOKEN: usize = 10;
const TRANSACTIONS_A_TOKEN: usize = 20;

#[derive(Deserialize)]
struct Scripts {
    scripts: Vec<String>,
    /// Only what is older than this confirmed transaction.
    before: Option<Txid>,
}

/// Reads a list within its limit and takes what it costs beside the request itself.
async fn asked<T: serde::de::DeserializeOwned>(
    app: &App,
    request: Request,
    list: impl Fn(&T) -> usize,
    most: usize,
    a_token: usize,
) -> Result<T, ApiError> {
    let client = client_of(request.extensions());
    let asked: T = read_json(request).await?;
    let count = list(&asked);
    if count > most {
        let message = format!("A request may ask for at most {most} at once.");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "proxy/too-many", message));
    }
    let more = count.div_ceil(a_token).saturating_sub(1);
    if app.rate.allow_many(client, more, Instant::now()) {
        Ok(asked)
    } else {
        Err(ApiError::too_many("Too many requests in one second.", 1))
    }
}

fn hashes(scripts: &[String]) -> Result<Vec<ScriptHash>, ApiError> {
    let read = |name: &String| <[u8; 32]>::from_hex(name).map(ScriptHash::from_bytes);
    let hashes = scripts.iter().map(read).collect::<Result<_, _>>();
    hashes.map_err(|_| ApiError::bad_request("The body does not hold script hashes."))
}

fn answer(view: &View<'_>, scripts: Vec<Value>) -> Result<Json<Value>, ApiError> {
    let tip = view.reader.tip()?;
    Ok(Json(json!({ "tip": { "height": tip.height, "hash": tip.hash }, "scripts": scripts })))
}

/// Of each script how many transactions blocks hold, and which wait.
pub(super) async fn scripts(Shared(app): Shared<App>, request: Request) -> Result<Json<Value>, ApiError> {
    let asked: Scripts = asked(&app, request, |asked: &Scripts| asked.scripts.len(), SCRIPTS, SCRIPTS_A_TOKEN).await?;
    let hashes = hashes(&asked.scripts)?;
    app.view(move |view| {
        let states = hashes.iter().map(|script| {
            let mut waiting = Vec::new();
            for (txid, _) in view.waiting.of_script(script) {
                if waiting.len() < WAITING && view.waiting_tx(txid)?.is_some() {
                    waiting.push(txid);
                }
            }
            Ok(json!({ "transactions": view.reader.totals(script)?.transactions, "waiting": waiting }))
        });
        answer(view, states.collect::<Result<_, ApiError>>()?)
    })
    .await
}

/// Of each script the confirmed transactions with their heights, newest first: as many as fit.
pub(super) async fn history(Shared(app): Shared<App>, request: Request) -> Result<Json<Value>, ApiError> {
    let asked: Scripts = asked(&app, request, |asked: &Scripts| asked.scripts.len(), LISTS, LISTS_A_TOKEN).await?;
    let hashes = hashes(&asked.scripts)?;
    app.view(move |view| {
        let before = asked.before.map(|txid| view.reader.transaction(&txid)).transpose()?;
        let before = match before {
            Some(found) => Some(found.ok_or_else(|| ApiError::not_found("Such a confirmed transaction"))?),
            None => None,
        };
        let before = before.map(|found| (found.height, found.position));
        let limit = ENTRIES / hashes.len().max(1);
        let lists = hashes.iter().map(|script| {
            let entries = view.reader.history(script, before, limit)?;
            Ok(entries.iter().map(|entry| json!([entry.height, entry.txid])).collect())
        });
        answer(view, lists.collect::<Result<_, ApiError>>()?)
    })
    .await
}

/// Transactions with where they stand, what they spend and, if a block holds them, the proof of it. `null` for one that is
/// not known. The list ends early rather than become too long.
pub(super) async fn transactions(Shared(app): Shared<App>, request: Request) -> Result<Json<Value>, ApiError> {
    let asked: Vec<String> = asked(&app, request, Vec::len, TRANSACTIONS, TRANSACTIONS_A_TOKEN).await?;
    let txids = asked.iter().map(|txid| parse(txid, "a txid")).collect::<Result<Vec<Txid>, _>>()?;
    app.view(move |view| {
        let (mut found, mut length, mut blocks) = (Vec::new(), 0, HashMap::new());
        for txid in &txids {
            if length > ANSWER_LENGTH {
                break;
            }
            let item = transaction(view, txid, &mut blocks)?;
            length += item.to_string().len();
            found.push(item);
        }
        Ok(Json(found.into()))
    })
    .await
}

type Blocks = HashMap<Height, (IndexedBlock, Vec<Txid>)>;

fn transaction(view: &View<'_>, txid: &Txid, blocks: &mut Blocks) -> Result<Value, ApiError> {
    let Some(found) = view.reader.transaction(txid)? else {
        return match view.waiting.get(txid) {
            Some(entry) => Ok(item(view, &entry.tx, &entry.spent, esplora::status(None))),
            None => Ok(Value::Null),
        };
    };
    if let std::collections::hash_map::Entry::Vacant(place) = blocks.entry(found.height) {
        let block = view.block_at(found.height)?;
        place.insert((block, view.reader.block_txids(&block)?));
    }
    let (block, txids) = blocks.get(&found.height).ok_or_else(ApiError::internal)?;
    let position = usize::try_from(found.position).map_err(|_| ApiError::internal())?;
    let spent = match found.tx.is_coinbase() {
        true => vec![None],
        false => {
            found.tx.input.iter().map(|input| view.output(&input.previous_output)).collect::<Result<Vec<_>, _>>()?
        }
    };
    let mut item = item(view, &found.tx, &spent, esplora::status(Some(block)));
    if let Some(fields) = item.as_object_mut() {
        fields.insert("merkle".into(), json!(mycoin_consensus::merkle_branch(txids, position)));
        fields.insert("pos".into(), found.position.into());
    }
    Ok(item)
}

fn item(view: &View<'_>, tx: &Transaction, spent: &[Option<TxOut>], status: Value) -> Value {
    let spent: Vec<_> = spent.iter().map(|output| output.as_ref().map(|o| esplora::output(o, view.network))).collect();
    json!({ "hex": serialize_hex(tx), "spent": spent, "status": status })
}
