//! What all requests share, and the view that one answer is made from.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use mycoin_index::{Index, IndexError, IndexedBlock, Reader};
use mycoin_primitives::{Height, Network, OutPoint, Transaction, TxOut, Txid};
use serde_json::{Value, json};
use tokio::sync::{Notify, broadcast, watch};

use crate::error::ApiError;
use crate::limits::{ClientKey, PerMinute, RequestRate};
use crate::upstream::{Upstream, ask};
use crate::waiting::{Waiting, WaitingTx};

/// Events that a slow listener may be behind before it is told that it missed some.
const EVENT_BACKLOG: usize = 256;
/// Listeners to events at the same time, so that connections are left for requests.
pub(crate) const LISTENERS: usize = 128;
/// How long the number of peers is not asked for again.
const PEERS_FRESH: Duration = Duration::from_secs(5);

/// Whether the proxy keeps up with its base server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It has not asked the base server yet.
    Starting,
    /// It reads blocks that the index does not have.
    CatchingUp,
    /// It follows.
    Ready,
    /// The base server does not answer.
    ServerAway,
    /// The base server serves another coin.
    WrongNetwork,
    /// The index cannot be written or read, and making it anew does not help.
    IndexFailed,
}

impl Health {
    pub(crate) const fn status(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::CatchingUp => "catching-up",
            Self::Ready => "ok",
            Self::ServerAway => "server-away",
            Self::WrongNetwork => "wrong-network",
            Self::IndexFailed => "index-failed",
        }
    }

    pub(crate) const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Starting => Some("The proxy has just started and has not reached its base server yet."),
            Self::CatchingUp => Some("The proxy reads blocks that it does not know yet."),
            Self::Ready => None,
            Self::ServerAway => Some("The proxy cannot reach its base server."),
            Self::WrongNetwork => Some("The base server serves another coin."),
            Self::IndexFailed => Some("The proxy's index cannot be used; its log says why."),
        }
    }
}

/// Waits until the proxy is told to stop, or is gone.
pub(crate) async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// What all requests share.
pub(crate) struct State {
    pub(crate) network: Network,
    pub(crate) index: Index,
    pub(crate) upstream: Arc<dyn Upstream>,
    waiting: RwLock<Waiting>,
    pub(crate) health: watch::Sender<Health>,
    pub(crate) height: watch::Sender<Height>,
    pub(crate) events: broadcast::Sender<Arc<str>>,
    pub(crate) listeners: Arc<tokio::sync::Semaphore>,
    pub(crate) stopping: watch::Receiver<bool>,
    /// Asks the follower to look at the base server now.
    pub(crate) look: Notify,
    /// What a request met in the index; the follower takes it out.
    index_failure: Mutex<Option<Arc<IndexError>>>,
    pub(crate) rate: RequestRate,
    pub(crate) faucet_by_address: PerMinute<String>,
    pub(crate) faucet_by_client: PerMinute<ClientKey>,
    pub(crate) connects: PerMinute<ClientKey>,
    pub(crate) fees: tokio::sync::Mutex<Option<(Instant, Value)>>,
    peers: Mutex<Option<(Instant, Option<u32>)>>,
    sync: Mutex<Option<(Instant, Option<Value>)>>,
}

impl State {
    pub(crate) fn new(
        network: Network,
        index: Index,
        upstream: Arc<dyn Upstream>,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, IndexError> {
        let height = index.read().tip()?.height;
        Ok(Self {
            network,
            index,
            upstream,
            waiting: RwLock::default(),
            health: watch::Sender::new(Health::Starting),
            height: watch::Sender::new(height),
            events: broadcast::Sender::new(EVENT_BACKLOG),
            listeners: Arc::new(tokio::sync::Semaphore::new(LISTENERS)),
            stopping,
            look: Notify::new(),
            index_failure: Mutex::default(),
            rate: RequestRate::default(),
            faucet_by_address: PerMinute::new(3),
            faucet_by_client: PerMinute::new(10),
            connects: PerMinute::new(10),
            fees: tokio::sync::Mutex::default(),
            peers: Mutex::default(),
            sync: Mutex::default(),
        })
    }

    pub(crate) fn waiting(&self) -> RwLockReadGuard<'_, Waiting> {
        self.waiting.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn waiting_mut(&self) -> RwLockWriteGuard<'_, Waiting> {
        self.waiting.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all listeners. Nobody listening is no error.
    pub(crate) fn tell(&self, event: &Value) {
        let _ = self.events.send(event.to_string().into());
    }

    pub(crate) fn set_health(&self, health: Health) {
        self.health.send_if_modified(|now| {
            let changed = *now != health;
            if changed {
                match health.reason() {
                    Some(reason) => tracing::warn!("{reason}"),
                    None => tracing::info!("the proxy follows its base server"),
                }
            }
            *now = health;
            changed
        });
    }

    /// Runs `answer` on a thread that may read the disk, over one view.
    pub(crate) async fn view<T: Send + 'static>(
        self: &Arc<Self>,
        answer: impl FnOnce(&View<'_>) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let state = Arc::clone(self);
        let answer = tokio::task::spawn_blocking(move || answer(&View::of(&state))).await;
        let answer = answer.map_err(|_| ApiError::internal())?;
        if let Err(ApiError { index: Some(failure), .. }) = &answer {
            tracing::debug!(error = %failure, "the index failed at a request");
            *self.failure() = Some(Arc::clone(failure));
            self.look.notify_one();
        }
        answer
    }

    /// What a request met in the index since this was asked last.
    pub(crate) fn take_index_failure(&self) -> Option<Arc<IndexError>> {
        self.failure().take()
    }

    fn failure(&self) -> MutexGuard<'_, Option<Arc<IndexError>>> {
        self.index_failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a waiting transaction and tells so; not if it is confirmed or known.
    pub(crate) fn add_waiting(&self, tx: Transaction) -> Result<(), IndexError> {
        let txid = tx.compute_txid();
        let spent = {
            let view = View::of(self);
            if view.reader.transaction(&txid)?.is_some() {
                return Ok(());
            }
            tx.input.iter().map(|input| view.output(&input.previous_output)).collect::<Result<_, _>>()?
        };
        if self.waiting_mut().insert(tx, spent) {
            self.tell(&json!({ "event": "transaction_added", "txid": txid }));
        }
        Ok(())
    }

    pub(crate) fn remove_waiting(&self, txid: &Txid) {
        if self.waiting_mut().remove(txid) {
            self.tell(&json!({ "event": "transaction_removed", "txid": txid }));
        }
    }

    /// How many peers the base server has; `None` while it does not answer.
    pub(crate) async fn peers(&self) -> Option<u32> {
        let last = *self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, peers)) = last
            && at.elapsed() < PEERS_FRESH
        {
            return peers;
        }
        let away = *self.health.borrow() == Health::ServerAway;
        let peers = if away { None } else { ask(&*self.upstream, "getconnectioncount", Value::Null).await.ok() };
        *self.peers.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), peers));
        peers
    }

    /// How far the base server has caught up with its own peers; `None` while it does not answer.
    pub(crate) async fn sync(&self) -> Option<Value> {
        let last = self.sync.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, sync)) = last
            && at.elapsed() < PEERS_FRESH
        {
            return sync;
        }
        let away = *self.health.borrow() == Health::ServerAway;
        let info = if away { None } else { ask(&*self.upstream, "getblockchaininfo", Value::Null).await.ok() };
        let sync = info.and_then(|mut info: Value| info.get_mut("sync").map(Value::take));
        *self.sync.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), sync.clone()));
        sync
    }
}

/// The index at one tip with the transactions that wait: what one answer is made from.
pub(crate) struct View<'a> {
    pub(crate) network: &'a Network,
    pub(crate) reader: Reader<'a>,
    pub(crate) waiting: RwLockReadGuard<'a, Waiting>,
}

impl<'a> View<'a> {
    pub(crate) fn of(state: &'a State) -> Self {
        Self { network: &state.network, reader: state.index.read(), waiting: state.waiting() }
    }

    /// An output of a block or of a waiting transaction.
    pub(crate) fn output(&self, outpoint: &OutPoint) -> Result<Option<TxOut>, IndexError> {
        match self.waiting.output(outpoint) {
            Some(output) => Ok(Some(output.clone())),
            None => self.reader.output(outpoint),
        }
    }

    /// A transaction that waits. Between a block's arrival in the index and its leaving the waiting ones, the block counts.
    pub(crate) fn waiting_tx(&self, txid: &Txid) -> Result<Option<&WaitingTx>, IndexError> {
        match self.waiting.get(txid) {
            Some(entry) if self.reader.transaction(txid)?.is_none() => Ok(Some(entry)),
            _ => Ok(None),
        }
    }

    pub(crate) fn block_at(&self, height: Height) -> Result<IndexedBlock, ApiError> {
        self.reader.block_at(height)?.ok_or_else(|| ApiError::not_found("Such a block"))
    }
}
