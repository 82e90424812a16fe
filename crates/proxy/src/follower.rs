//! Keeping up with the base server: its best chain goes into the index, its waiting transactions beside it.

use std::collections::HashSet;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use mycoin_index::IndexError;
use mycoin_primitives::bitcoin::consensus::encode::deserialize_hex;
use mycoin_primitives::{Block, BlockHash, Height, Transaction, Txid};
use mycoin_rpc::{Event, RpcError};
use serde_json::{Value, json};

use crate::state::{Health, State, told_to_stop};
use crate::upstream::{BATCH, UpstreamError, ask, ask_many, subscribe};

/// How often it looks at the base server even if no event came.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How long it waits before it tries again to reach the base server: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Blocks or transactions that are asked for at the same time. With the largest blocks, 8 MB in hexadecimal each, it holds
/// less than 200 MB.
const IN_FLIGHT: usize = 8;
/// A damaged index is made anew at most this often: a disk that bends what it writes must not keep the proxy busy for ever.
const REBUILD_AGAIN: Duration = Duration::from_secs(3_600);

/// Why following stopped for the moment.
#[derive(Debug)]
enum Stopped {
    Upstream(UpstreamError),
    WrongNetwork,
    Index(Arc<IndexError>),
}

impl From<UpstreamError> for Stopped {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error)
    }
}

impl From<IndexError> for Stopped {
    fn from(error: IndexError) -> Self {
        Self::Index(Arc::new(error))
    }
}

/// Follows until the proxy stops, however often the base server goes away.
pub(crate) async fn run(state: Arc<State>) {
    let mut stopping = state.stopping.clone();
    let follow = async {
        let mut wait = FIRST_WAIT;
        let mut rebuilt = None;
        loop {
            let Err(stopped) = follow(&state).await;
            if let Stopped::Index(error) = &stopped
                && rebuild(&state, error, &mut rebuilt).await
            {
                continue;
            }
            let was_ready = *state.health.borrow() == Health::Ready;
            state.set_health(health_of(&stopped));
            wait = if was_ready { FIRST_WAIT } else { (wait * 2).min(LONGEST_WAIT) };
            tokio::time::sleep(wait).await;
        }
    };
    tokio::select! {
        () = follow => {}
        () = told_to_stop(&mut stopping) => {}
    }
}

/// Makes the index anew when that can mend it. `rebuilt` is when that was done last.
async fn rebuild(state: &Arc<State>, error: &Arc<IndexError>, rebuilt: &mut Option<Instant>) -> bool {
    let lately = rebuilt.is_some_and(|at| at.elapsed() < REBUILD_AGAIN);
    let gone = matches!(**error, IndexError::Gone);
    if !gone && (lately || !error.is_damage()) {
        return false;
    }
    *rebuilt = Some(Instant::now());
    state.set_health(Health::CatchingUp);
    let cause = Arc::clone(error);
    let begin = move |state: &State| {
        state.index.rebuild(&cause)?;
        state.height.send_replace(Height::GENESIS);
        Ok(())
    };
    on_disk(state, begin).await.is_ok()
}

fn health_of(stopped: &Stopped) -> Health {
    match stopped {
        Stopped::Upstream(error) => {
            tracing::debug!(?error, "the base server cannot be followed");
            Health::ServerAway
        }
        Stopped::WrongNetwork => Health::WrongNetwork,
        Stopped::Index(error) => {
            tracing::error!(%error, "the index failed");
            Health::IndexFailed
        }
    }
}

async fn follow(state: &Arc<State>) -> Result<std::convert::Infallible, Stopped> {
    let genesis: BlockHash = ask(&*state.upstream, "getblockhash", json!([0])).await?;
    if genesis != state.network.genesis.hash {
        return Err(Stopped::WrongNetwork);
    }
    // Subscribed first, so that nothing that happens while the index catches up is missed.
    let mut events = subscribe(&*state.upstream).await?;
    look(state).await?;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => happened(state, event).await?,
                None => return Err(Stopped::Upstream(UpstreamError::Away)),
            },
            () = state.look.notified() => look(state).await?,
            () = tokio::time::sleep(LOOK_AGAIN) => look(state).await?,
        }
    }
}

async fn happened(state: &Arc<State>, event: Event) -> Result<(), Stopped> {
    match event {
        Event::BlockConnected(_) | Event::BlockDisconnected(_) => look(state).await?,
        Event::TransactionAdded(added) => fetch_waiting(state, &[added.txid]).await?,
        // The block that holds it takes it out, at the moment when the index has the block.
        Event::TransactionRemoved(removed) if removed.reason == "block" => {}
        Event::TransactionRemoved(removed) => state.remove_waiting(&removed.txid),
        Event::Mining(info) => {
            if let Ok(Value::Object(mut fields)) = serde_json::to_value(&info) {
                fields.insert("event".to_owned(), json!("mining"));
                state.tell(&Value::Object(fields));
            }
        }
    }
    Ok(())
}

/// Brings index and waiting transactions to what the base server has now.
async fn look(state: &Arc<State>) -> Result<(), Stopped> {
    if let Some(failure) = state.take_index_failure() {
        return Err(Stopped::Index(failure));
    }
    follow_chain(state).await?;
    let waiting: HashSet<Txid> = ask(&*state.upstream, "getrawmempool", Value::Null).await?;
    let gone = state.waiting().others(&waiting);
    for txid in gone {
        state.remove_waiting(&txid);
    }
    let new: Vec<Txid> = waiting.into_iter().filter(|txid| !state.waiting().contains(txid)).collect();
    fetch_waiting(state, &new).await?;
    state.set_health(Health::Ready);
    Ok(())
}

async fn follow_chain(state: &Arc<State>) -> Result<(), Stopped> {
    loop {
        let best: BlockHash = ask(&*state.upstream, "getbestblockhash", Value::Null).await?;
        let tip = state.index.read().tip()?;
        if best == tip.hash {
            return Ok(());
        }
        let hashes = hashes_from(state, tip.height).await?;
        match hashes.split_first() {
            Some((first, next)) if *first == tip.hash => {
                if next.iter().any(|next| *next != best) {
                    state.set_health(Health::CatchingUp);
                }
                take_in(state, next).await?;
            }
            // Another block stands there, or the base server's chain is shorter.
            _ => disconnect(state).await?,
        }
    }
}

/// The hashes of the base server's best chain from that height on: one at least where it reaches so far, and not all.
async fn hashes_from(state: &State, height: Height) -> Result<Vec<BlockHash>, Stopped> {
    let heights = height.to_u32()..height.to_u32().saturating_add(BATCH);
    let params = heights.map(|height| json!([height])).collect();
    let mut hashes = Vec::new();
    for answer in ask_many(&*state.upstream, "getblockhash", params).await? {
        match answer {
            Ok(hash) => hashes.push(hash),
            // Above its tip. Whatever else it refuses says nothing about its chain.
            Err(RpcError { code: RpcError::INVALID_PARAMETER, .. }) => break,
            Err(refusal) => return Err(UpstreamError::Refused(refusal).into()),
        }
    }
    Ok(hashes)
}

/// Fetches these blocks, some at the same time, and puts them on top of the index in their order.
async fn take_in(state: &Arc<State>, hashes: &[BlockHash]) -> Result<(), Stopped> {
    let fetches: Vec<_> = hashes.iter().map(|hash| fetch_block(Arc::clone(state), *hash)).collect();
    let mut blocks = stream::iter(fetches).buffered(IN_FLIGHT);
    while let Some(block) = blocks.next().await {
        // Another branch became best between two questions: the rest of this one is not needed.
        if !connect(state, block?).await? {
            break;
        }
    }
    Ok(())
}

async fn fetch_block(state: Arc<State>, hash: BlockHash) -> Result<Block, UpstreamError> {
    let hex: String = ask(&*state.upstream, "getblock", json!([hash, 0])).await?;
    let block: Block = deserialize_hex(&hex).map_err(|_| UpstreamError::BadAnswer)?;
    if block.block_hash() == hash { Ok(block) } else { Err(UpstreamError::BadAnswer) }
}

/// Puts a block on top of the index; false when it does not follow the tip.
async fn connect(state: &Arc<State>, block: Block) -> Result<bool, Stopped> {
    on_disk(state, move |state| {
        let height = match state.index.connect(&block) {
            Ok(height) => height,
            Err(IndexError::NotOnTip { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        state.waiting_mut().confirm(&block);
        state.height.send_replace(height);
        state.tell(&json!({ "event": "block_connected", "height": height, "hash": block.block_hash() }));
        Ok(true)
    })
    .await
}

async fn disconnect(state: &Arc<State>) -> Result<(), Stopped> {
    on_disk(state, |state| {
        let block = state.index.disconnect()?;
        // They wait again, until the base server says otherwise.
        for tx in block.txdata.iter().skip(1) {
            state.add_waiting(tx.clone())?;
        }
        let height = state.index.read().tip()?.height;
        state.height.send_replace(height);
        let event = json!({ "event": "block_disconnected", "height": height.next(), "hash": block.block_hash() });
        state.tell(&event);
        Ok(())
    })
    .await
}

async fn on_disk<T: Send + 'static>(
    state: &Arc<State>,
    work: impl FnOnce(&State) -> Result<T, IndexError> + Send + 'static,
) -> Result<T, Stopped> {
    let state = Arc::clone(state);
    let done = tokio::task::spawn_blocking(move || work(&state)).await;
    // The store panics over some damaged files.
    Ok(done.map_err(|_| IndexError::Damaged { table: "that was worked at" })??)
}

/// Fetches waiting transactions that are not known yet, and adds parents before their children.
async fn fetch_waiting(state: &Arc<State>, txids: &[Txid]) -> Result<(), Stopped> {
    let new = txids.iter().filter(|txid| !state.waiting().contains(txid));
    let fetches: Vec<_> = new.map(|txid| fetch_transaction(Arc::clone(state), *txid)).collect();
    let answers = stream::iter(fetches).buffered(IN_FLIGHT);
    let mut fetched: Vec<Transaction> = answers.try_filter_map(|found| ready(Ok(found))).try_collect().await?;
    on_disk(state, move |state| {
        while !fetched.is_empty() {
            let missing: HashSet<Txid> = fetched.iter().map(Transaction::compute_txid).collect();
            let waits = |tx: &Transaction| tx.input.iter().any(|input| missing.contains(&input.previous_output.txid));
            let (children, free): (Vec<_>, Vec<_>) = fetched.into_iter().partition(waits);
            // Transactions cannot spend each other in a circle, so some are always ready.
            if free.is_empty() {
                return Ok(());
            }
            for tx in free {
                state.add_waiting(tx)?;
            }
            fetched = children;
        }
        Ok(())
    })
    .await
}

/// A waiting transaction; `None` when it was mined or replaced in the meantime.
async fn fetch_transaction(state: Arc<State>, txid: Txid) -> Result<Option<Transaction>, UpstreamError> {
    match ask::<String>(&*state.upstream, "getrawtransaction", json!([txid])).await {
        Ok(hex) => deserialize_hex(&hex).map(Some).map_err(|_| UpstreamError::BadAnswer),
        Err(UpstreamError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
