//! The node: chain and mempool behind one order of changes, and everybody who follows them.
//!
//! In:    blocks, transactions, and requests to take blocks back.
//! Out:   verdicts; events for the stream, the peers and the miner, in the order in which things changed.
//! Never: two changes at once: whoever changes chain or mempool holds `order`, so that both always fit together.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mycoin_chain::{AcceptError, Accepted, Chain, ChainError};
use mycoin_consensus::{VerdictKey, script_flags, verdict_key};
use mycoin_mempool::{CoinSource, Mempool, MempoolEvent, PairReport, RejectReason, RemovalReason};
use mycoin_p2p::{LogBudget, P2pHandle, WaitingTransaction};
use mycoin_primitives::{
    Block, BlockHash, ChainEvent, Coin, FeeRate, Height, Network, OutPoint, Transaction, TxOut, Txid, format_amount,
};
use mycoin_rpc::{BlockEvent, Event, MinerInfo, TransactionAdded, TransactionRemoved};
use tokio::sync::{broadcast, watch};

use crate::clock;
use crate::filters::Filters;
use crate::kept_filters::KeptFilters;
use crate::mining::Miner;
use crate::progress::{Meter, SyncProgress};

/// How many events a slow subscriber may lag behind before it is dropped.
const EVENT_BUFFER: usize = 1_024;

/// Lines a minute that tell of blocks that a peer asked for and that cannot be read.
const UNREADABLE_LINES: u32 = 5;

/// The whole node but its sockets.
pub(crate) struct Node {
    pub(crate) chain: Chain,
    pub(crate) miner: Miner,
    pub(crate) started: Instant,
    pub(crate) filters: Filters,
    pub(crate) kept_filters: KeptFilters,
    meter: Meter,
    mempool: Mutex<Mempool>,
    /// How often a transaction came or went, and one.
    mempool_sequence: AtomicU64,
    /// Held by whoever changes the chain or the mempool.
    order: Mutex<()>,
    events: broadcast::Sender<Event>,
    tip: watch::Sender<(Height, BlockHash)>,
    p2p: OnceLock<P2pHandle>,
    /// How often peers may make us log that a block cannot be read.
    pub(crate) unreadable: Mutex<LogBudget>,
    /// Where the bans are kept.
    folder: OnceLock<PathBuf>,
    stop: watch::Sender<bool>,
}

/// Why a transaction was not taken.
#[derive(Debug)]
pub(crate) enum SubmitError {
    /// A rule or the policy refuses it.
    Rejected(RejectReason),
    /// The store failed, which says nothing about the transaction.
    Failed(ChainError),
}

/// A transaction that was taken.
pub(crate) struct Submitted {
    pub(crate) txid: Txid,
}

impl Node {
    pub(crate) fn new(chain: Chain, mempool: Mempool, miner: Miner) -> Self {
        let tip = chain.tip();
        Self {
            chain,
            miner,
            started: Instant::now(),
            filters: Filters::default(),
            kept_filters: KeptFilters::default(),
            meter: Meter::default(),
            mempool: Mutex::new(mempool),
            mempool_sequence: AtomicU64::new(1),
            order: Mutex::new(()),
            events: broadcast::channel(EVENT_BUFFER).0,
            tip: watch::channel((tip.height, tip.hash)).0,
            p2p: OnceLock::new(),
            unreadable: Mutex::new(LogBudget::new(UNREADABLE_LINES, Duration::from_secs(60))),
            folder: OnceLock::new(),
            stop: watch::channel(false).0,
        }
    }

    pub(crate) fn network(&self) -> &Network {
        self.chain.network()
    }

    /// The mempool, for a look or, while `order` is held, a change.
    pub(crate) fn mempool(&self) -> MutexGuard<'_, Mempool> {
        // A panic elsewhere leaves the pool whole: each change of it is complete before the next begins.
        self.mempool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grows by one with each transaction that comes or goes. Source: `CTxMemPool::GetSequence`.
    pub(crate) fn mempool_sequence(&self) -> u64 {
        self.mempool_sequence.load(Ordering::Relaxed)
    }

    fn order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Follows the tip.
    pub(crate) fn watch_tip(&self) -> watch::Receiver<(Height, BlockHash)> {
        self.tip.subscribe()
    }

    pub(crate) fn attach_peers(&self, handle: P2pHandle, folder: PathBuf) {
        let _set_once_at_start = (self.p2p.set(handle), self.folder.set(folder));
    }

    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.get().map(PathBuf::as_path)
    }

    pub(crate) fn peers(&self) -> Option<&P2pHandle> {
        self.p2p.get()
    }

    /// Notes where the chain stands, so that its progress can be told.
    pub(crate) fn measure(&self) {
        let bytes = self.peers().map_or(0, |peers| peers.totals().bytes_received);
        self.meter.note(Instant::now(), self.chain.tip().height, bytes);
    }

    /// How far the chain has caught up with the headers that are known.
    pub(crate) fn progress(&self) -> SyncProgress {
        let (blocks, headers) = (self.chain.tip().height, self.chain.best_header().height);
        SyncProgress::new(self.is_syncing(), headers, blocks, self.meter.rate())
    }

    /// Asks the server to stop, as the method `stop` does.
    pub(crate) fn request_stop(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) fn watch_stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Takes a block from anywhere: checks, stores and, where it makes a better chain, connects it.
    pub(crate) fn submit_block(&self, block: Arc<Block>) -> Result<Accepted, AcceptError> {
        let _order = self.order();
        let hash = block.block_hash();
        // Peers who want new blocks at once are told before it is connected.
        let tell = |block: &Arc<Block>| {
            if let Some(peers) = self.peers() {
                peers.notify_sound_block(Arc::clone(block));
            }
        };
        let judged = self.chain.accept_block_telling(block, clock::header_now(), tell);
        if let Some(peers) = self.peers() {
            peers.notify_judged_block(hash);
        }
        let accepted = judged?;
        for refused in &accepted.refused {
            tracing::warn!("{refused}");
        }
        self.follow(&accepted.events);
        Ok(accepted)
    }

    /// Marks a block invalid, and goes to the best chain without it.
    pub(crate) fn invalidate(&self, hash: &BlockHash) -> Result<(), ChainError> {
        let _order = self.order();
        let events = self.chain.invalidate(hash)?;
        self.follow(&events);
        Ok(())
    }

    /// Takes the mark of [`Node::invalidate`] back.
    pub(crate) fn reconsider(&self, hash: &BlockHash) -> Result<(), ChainError> {
        let _order = self.order();
        let events = self.chain.reconsider(hash)?;
        self.follow(&events);
        Ok(())
    }

    /// Prefers a block to others of the same work.
    pub(crate) fn prefer(&self, hash: &BlockHash) -> Result<(), ChainError> {
        let _order = self.order();
        let events = self.chain.prefer(hash)?;
        self.follow(&events);
        Ok(())
    }

    /// Takes a transaction from anywhere into the mempool.
    pub(crate) fn submit_transaction(
        &self,
        transaction: Transaction,
        highest_rate: Option<FeeRate>,
    ) -> Result<Submitted, SubmitError> {
        let _order = self.order();
        let coins = ChainCoins::new(&self.chain);
        let branch = self.chain.tip_branch();
        let mut mempool = self.mempool();
        let judged = match highest_rate {
            Some(rate) => mempool
                .test_accept(&transaction, &coins, &branch, clock::now())
                .and_then(|accepted| accepted.check_fee_limit(rate)),
            None => Ok(()),
        };
        let judged = judged.and_then(|()| mempool.accept(transaction, &coins, &branch, clock::now()));
        let verdict = judged.as_ref().ok().and_then(|accepted| self.verdict(&mempool, &accepted.txid, &coins));
        let events = mempool.take_events();
        drop(mempool);
        self.tell_mempool(events);
        coins.result().map_err(SubmitError::Failed)?;
        let accepted = judged.map_err(SubmitError::Rejected)?;
        verdict.into_iter().for_each(|key| self.chain.note_verified(key));
        Ok(Submitted { txid: accepted.txid })
    }

    /// Takes a parent and a child that pays for both into the mempool.
    pub(crate) fn submit_pair(&self, parent: Transaction, child: Transaction) -> Result<PairReport, ChainError> {
        let _order = self.order();
        let coins = ChainCoins::new(&self.chain);
        let mut mempool = self.mempool();
        let report = mempool.accept_pair(parent, child, &coins, &self.chain.tip_branch(), clock::now());
        let taken = [&report.parent, &report.child].into_iter().flatten();
        let verified: Vec<_> = taken.filter_map(|accepted| self.verdict(&mempool, &accepted.txid, &coins)).collect();
        let events = mempool.take_events();
        drop(mempool);
        self.tell_mempool(events);
        coins.result()?;
        verified.into_iter().for_each(|key| self.chain.note_verified(key));
        Ok(report)
    }

    /// Under which key the chain may remember that a waiting transaction's scripts hold.
    ///
    /// The mempool ran them with the flags of policy and with those of the next block. The key has the latter: should a later
    /// block have others, the verdict is not taken for it.
    fn verdict(&self, mempool: &Mempool, txid: &Txid, coins: &dyn CoinSource) -> Option<VerdictKey> {
        let transaction = mempool.get(txid)?;
        let spent = transaction.input.iter().map(|input| {
            let outpoint = input.previous_output;
            match mempool.get(&outpoint.txid) {
                Some(parent) => parent.output.get(usize::try_from(outpoint.vout).ok()?).cloned(),
                None => coins.coin(&outpoint).map(|coin| coin.output),
            }
        });
        let spent: Vec<TxOut> = spent.collect::<Option<_>>()?;
        let flags = script_flags(self.network(), self.chain.tip().height.next());
        Some(verdict_key(transaction.compute_wtxid(), &spent, flags))
    }

    /// Says what [`Node::submit_transaction`] would say, and changes nothing.
    pub(crate) fn test_transaction(
        &self,
        transaction: &Transaction,
        highest_rate: Option<FeeRate>,
    ) -> Result<mycoin_mempool::Accepted, SubmitError> {
        let _order = self.order();
        let coins = ChainCoins::new(&self.chain);
        let judged = self.mempool().test_accept(transaction, &coins, &self.chain.tip_branch(), clock::now());
        coins.result().map_err(SubmitError::Failed)?;
        let accepted = judged.map_err(SubmitError::Rejected)?;
        if let Some(rate) = highest_rate {
            accepted.check_fee_limit(rate).map_err(SubmitError::Rejected)?;
        }
        Ok(accepted)
    }

    /// Brings back the transactions that waited when the server stopped.
    pub(crate) fn load_mempool(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let _order = self.order();
        let coins = ChainCoins::new(&self.chain);
        let mut mempool = self.mempool();
        let report = mempool.load(bytes, &coins, &self.chain.tip_branch(), clock::now());
        let verified = mempool.all().into_iter().filter_map(|entry| self.verdict(&mempool, &entry.txid, &coins));
        verified.for_each(|key| self.chain.note_verified(key));
        let _nobody_listens_yet = mempool.take_events();
        drop(mempool);
        if report.damaged > 0 {
            tracing::warn!(damaged = report.damaged, "Some saved waiting transactions could not be read.");
        }
        if report.loaded > 0 {
            tracing::info!("{} transactions wait from the last run.", report.loaded);
        }
    }

    /// Drops transactions that waited too long.
    pub(crate) fn expire_mempool(&self) {
        let _order = self.order();
        let mut mempool = self.mempool();
        mempool.expire(clock::now());
        let events = mempool.take_events();
        drop(mempool);
        self.tell_mempool(events);
    }

    /// Runs `read` while chain and mempool stand still, so that both answers belong to one tip.
    pub(crate) fn at_rest<T>(&self, read: impl FnOnce(&Chain, &Mempool) -> T) -> T {
        let _order = self.order();
        read(&self.chain, &self.mempool())
    }

    /// Tells the miner's state to the event stream.
    pub(crate) fn tell_miner(&self, info: MinerInfo) {
        let _nobody_may_listen = self.events.send(Event::Mining(info));
    }

    /// Lets the mempool, the peers, the miner and the stream follow the chain. The caller holds `order`.
    fn follow(&self, events: &[ChainEvent]) {
        if events.is_empty() {
            return;
        }
        let mut mempool = self.mempool();
        let mut reorganised = false;
        for event in events {
            match event {
                ChainEvent::Connected { height, hash, block } => {
                    mempool.block_connected(block, clock::now());
                    tracing::info!("New tip: block {height}, {} transactions, {hash}", block.txdata.len());
                }
                ChainEvent::Disconnected { height, hash, block } => {
                    reorganised = true;
                    mempool.block_disconnected(block);
                    tracing::info!("Block {height} is no longer in the best chain: {hash}");
                }
            }
        }
        if reorganised {
            let coins = ChainCoins::new(&self.chain);
            mempool.revalidate(&coins, &self.chain.tip_branch(), clock::now());
            if let Err(error) = coins.result() {
                tracing::error!("The waiting transactions could not be checked after a reorganisation: {error:?}");
            }
        }
        let changes = mempool.take_events();
        drop(mempool);
        for event in events {
            let _nobody_may_listen = self.events.send(block_event(event));
        }
        self.tell_mempool(changes);
        let tip = self.chain.tip();
        self.tip.send_replace((tip.height, tip.hash));
        self.miner.tip_changed();
        if let Some(peers) = self.peers() {
            peers.notify_tip();
        }
    }

    fn tell_mempool(&self, events: Vec<MempoolEvent>) {
        if events.is_empty() {
            return;
        }
        for event in events {
            self.mempool_sequence.fetch_add(1, Ordering::Relaxed);
            let told = match event {
                MempoolEvent::Added { txid, wtxid, fee, vsize } => {
                    let paid = format_amount(fee, self.network());
                    tracing::info!("Transaction {txid} waits; it pays {paid} for {vsize} virtual bytes.");
                    if let Some(peers) = self.peers() {
                        peers.notify_transaction(WaitingTransaction { txid, wtxid, fee_rate: FeeRate::of(fee, vsize) });
                    }
                    Event::TransactionAdded(TransactionAdded { txid, wtxid, fee: fee.to_sat(), vsize })
                }
                MempoolEvent::Removed { txid, reason, .. } => {
                    // A block confirms thousands: nothing is written for nobody.
                    if self.events.receiver_count() == 0 {
                        continue;
                    }
                    Event::TransactionRemoved(TransactionRemoved { txid, reason: removal_word(&reason).to_owned() })
                }
            };
            let _nobody_may_listen = self.events.send(told);
        }
        self.miner.transactions_changed(self.mempool().len());
    }
}

fn block_event(event: &ChainEvent) -> Event {
    let (ChainEvent::Connected { height, hash, block } | ChainEvent::Disconnected { height, hash, block }) = event;
    let told = BlockEvent {
        height: height.to_u32(),
        hash: *hash,
        time: block.header.time,
        transactions: block.txdata.len() as u64,
    };
    match event {
        ChainEvent::Connected { .. } => Event::BlockConnected(told),
        ChainEvent::Disconnected { .. } => Event::BlockDisconnected(told),
    }
}

const fn removal_word(reason: &RemovalReason) -> &'static str {
    match reason {
        RemovalReason::Confirmed => "block",
        RemovalReason::Conflict => "conflict",
        RemovalReason::Replaced { .. } => "replaced",
        RemovalReason::Evicted => "size",
        RemovalReason::Expired => "expired",
        RemovalReason::Reorganised => "reorg",
    }
}

/// The chain's coins, as the mempool asks for them. A store that fails is remembered, so that its silence is not taken for
/// a missing coin.
pub(crate) struct ChainCoins<'a> {
    chain: &'a Chain,
    failure: RefCell<Option<ChainError>>,
}

impl<'a> ChainCoins<'a> {
    pub(crate) fn new(chain: &'a Chain) -> Self {
        Self { chain, failure: RefCell::new(None) }
    }

    /// Whether every answer was a true one.
    pub(crate) fn result(&self) -> Result<(), ChainError> {
        self.failure.take().map_or(Ok(()), Err)
    }
}

impl CoinSource for ChainCoins<'_> {
    fn coin(&self, outpoint: &OutPoint) -> Option<Coin> {
        self.chain.coin(outpoint).unwrap_or_else(|error| {
            self.failure.replace(Some(error));
            None
        })
    }
}
