//! Keeping up with the base server: its best chain goes into the index, its waiting transactions beside it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use mycoin_index::IndexError;
use mycoin_primitives::bitcoin::consensus::encode::deserialize_hex;
use mycoin_primitives::{Block, BlockHash, Height, Transaction, Txid};
use mycoin_rpc::{Event, RpcError};
use serde_json::{Value, json};

use crate::state::{Health, State, told_to_stop};
use crate::upstream::{UpstreamError, ask, subscribe};

/// How often it looks at the base server even if no event came.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How long it waits before it tries again to reach the base server: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Why following stopped for the moment.
#[derive(Debug)]
enum Stopped {
    Upstream(UpstreamError),
    WrongNetwork,
    Index(IndexError),
}

impl From<UpstreamError> for Stopped {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error)
    }
}

impl From<IndexError> for Stopped {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

/// Follows until the proxy stops, however often the base server goes away.
pub(crate) async fn run(state: Arc<State>) {
    let mut stopping = state.stopping.clone();
    let follow = async {
        let mut wait = FIRST_WAIT;
        loop {
            let Err(stopped) = follow(&state).await;
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
        if hash_at(state, tip.height).await? != Some(tip.hash) {
            disconnect(state).await?;
            continue;
        }
        // `None`: the chain became shorter between the two questions; look again.
        let Some(next) = hash_at(state, tip.height.next()).await? else { continue };
        if best != next {
            state.set_health(Health::CatchingUp);
        }
        let hex: String = ask(&*state.upstream, "getblock", json!([next, 0])).await?;
        let block: Block = deserialize_hex(&hex).map_err(|_| UpstreamError::BadAnswer)?;
        if block.block_hash() != next {
            return Err(UpstreamError::BadAnswer.into());
        }
        connect(state, block).await?;
    }
}

/// The best chain's block at that height at the base server; `None` above its tip.
async fn hash_at(state: &State, height: Height) -> Result<Option<BlockHash>, Stopped> {
    match ask(&*state.upstream, "getblockhash", json!([height])).await {
        Ok(hash) => Ok(Some(hash)),
        Err(UpstreamError::Refused(RpcError { code: RpcError::INVALID_PARAMETER, .. })) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn connect(state: &Arc<State>, block: Block) -> Result<(), Stopped> {
    on_disk(state, move |state| {
        let height = match state.index.connect(&block) {
            Ok(height) => height,
            // Another branch became best between two questions; the next look takes it.
            Err(IndexError::NotOnTip { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        state.waiting_mut().confirm(&block);
        state.height.send_replace(height);
        state.tell(&json!({ "event": "block_connected", "height": height, "hash": block.block_hash() }));
        Ok(())
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

async fn on_disk(
    state: &Arc<State>,
    work: impl FnOnce(&State) -> Result<(), IndexError> + Send + 'static,
) -> Result<(), Stopped> {
    let state = Arc::clone(state);
    let done = tokio::task::spawn_blocking(move || work(&state)).await;
    done.map_err(|_| Stopped::Index(IndexError::Damaged { table: "a task of the index" }))?.map_err(Stopped::Index)
}

/// Fetches waiting transactions that are not known yet, and adds parents before their children.
async fn fetch_waiting(state: &Arc<State>, txids: &[Txid]) -> Result<(), Stopped> {
    let mut fetched: Vec<Transaction> = Vec::new();
    for txid in txids.iter().filter(|txid| !state.waiting().contains(txid)) {
        match ask::<String>(&*state.upstream, "getrawtransaction", json!([txid])).await {
            Ok(hex) => fetched.push(deserialize_hex(&hex).map_err(|_| UpstreamError::BadAnswer)?),
            // It was mined or replaced in the meantime.
            Err(UpstreamError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    on_disk(state, move |state| {
        while !fetched.is_empty() {
            let missing: HashSet<Txid> = fetched.iter().map(Transaction::compute_txid).collect();
            let waits = |tx: &Transaction| tx.input.iter().any(|input| missing.contains(&input.previous_output.txid));
            let (children, ready): (Vec<_>, Vec<_>) = fetched.into_iter().partition(waits);
            // Transactions cannot spend each other in a circle, so some are always ready.
            if ready.is_empty() {
                return Ok(());
            }
            for tx in ready {
                state.add_waiting(tx)?;
            }
            fetched = children;
        }
        Ok(())
    })
    .await
}
