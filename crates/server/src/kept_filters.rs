//! The kept filters of blocks, as the server runs them: made in the background, given to peers and callers.
//!
//! In:    the tip's changes; questions about blocks' filters.
//! Out:   rows of the index; how far it has come; whether peers may be told of it.
//! Never: a failure of the node: whatever fails here stops the index alone, and the log says so.
//!
//! Source: Bitcoin Core `BaseIndex`, index/base.cpp; options `-blockfilterindex` and `-peerblockfilters`, init.cpp.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mycoin_chain::{Chain, FilterIndex, FilterIndexError};
use mycoin_p2p::FilterRow;
use mycoin_primitives::bitcoin::bip158::FilterHeader;
use mycoin_primitives::{BlockHash, Failure as _, Height};
use tokio::sync::watch;

use crate::node::Node;

/// Its folder, in the coin's.
const FOLDER: &str = "filters";
/// How often the log tells how far it has come. Source: `SYNC_LOG_INTERVAL`, index/base.cpp.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// What becomes of blocks' filters (BIP157, BIP158).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BlockFilters {
    /// None is kept. A filter that a caller asks for is made then.
    #[default]
    Off,
    /// All are kept, for callers.
    Kept,
    /// All are kept, and peers may ask for them.
    Served,
}

/// How far the index has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FilterProgress {
    /// Whether it reached the tip once, and follows it since.
    pub(crate) synced: bool,
    /// The last block of the best chain that it holds.
    pub(crate) height: Height,
}

/// The index, where there is one.
#[derive(Debug, Default)]
pub(crate) struct KeptFilters {
    wish: BlockFilters,
    /// `None` also where it could not be opened.
    index: Option<FilterIndex>,
    /// Held by whoever takes blocks in.
    taking: Mutex<()>,
    synced: AtomicBool,
    stopped: AtomicBool,
    height: AtomicU32,
}

impl KeptFilters {
    /// Opens the index in the coin's folder. One that is not wished for is left as it is; the next run that wishes for it
    /// goes on from there.
    pub(crate) fn open(folder: &Path, wish: BlockFilters) -> Self {
        let filters = Self { wish, ..Self::default() };
        if wish == BlockFilters::Off {
            return filters;
        }
        match FilterIndex::open(&folder.join(FOLDER)) {
            Ok(index) => Self { index: Some(index), ..filters },
            Err(error) => {
                filters.stop(&error);
                filters
            }
        }
    }

    /// How far it has come; `None` where nobody wished for it.
    pub(crate) fn progress(&self) -> Option<FilterProgress> {
        let height = Height::new(self.height.load(Ordering::Relaxed));
        (self.wish != BlockFilters::Off).then(|| FilterProgress { synced: self.is_synced(), height })
    }

    /// Whether peers may ask.
    pub(crate) fn are_served(&self) -> bool {
        self.wish == BlockFilters::Served && self.is_synced()
    }

    fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Relaxed) && !self.is_stopped()
    }

    /// Whether it failed.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The rows of the best chain's blocks at these heights; `None` when the index lacks one.
    pub(crate) fn rows(&self, chain: &Chain, heights: &[u32]) -> Option<Vec<FilterRow>> {
        let row = |index: &FilterIndex, block: BlockHash| {
            let record = self.checked(index.record(&block))?;
            Some(FilterRow { block, filter: record.filter, header: record.header })
        };
        let index = self.running()?;
        chain.hashes_at(heights)?.into_iter().map(|block| row(index, block)).collect()
    }

    /// A block's filter and its header.
    pub(crate) fn filter(&self, block: &BlockHash) -> Option<(Vec<u8>, FilterHeader)> {
        let (filter, record) = self.checked(self.running()?.filter(block))?;
        Some((filter, record.header))
    }

    /// Takes in what the tip's last changes brought, if the index follows it; whether it does.
    pub(crate) fn follow(&self, chain: &Chain) -> bool {
        if self.is_synced() {
            self.catch_up(chain, || false);
        }
        self.is_synced()
    }

    fn running(&self) -> Option<&FilterIndex> {
        self.index.as_ref().filter(|_| !self.is_stopped())
    }

    fn checked<T>(&self, found: Result<Option<T>, FilterIndexError>) -> Option<T> {
        found.unwrap_or_else(|error| {
            self.stop(&error);
            None
        })
    }

    /// Takes in all blocks that are missing, until `is_over`.
    fn catch_up(&self, chain: &Chain, is_over: impl Fn() -> bool) {
        let Some(index) = self.running() else { return };
        let _alone = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = Instant::now();
        let reached = index.catch_up(chain, |height| {
            self.height.store(height.to_u32(), Ordering::Relaxed);
            if !self.is_synced() && told.elapsed() >= TOLD_EVERY {
                told = Instant::now();
                tracing::info!("The filters of blocks are made up to block {height} of {}.", chain.tip().height);
            }
            if is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match reached {
            Ok(Some(height)) => {
                self.height.store(height.to_u32(), Ordering::Relaxed);
                if !self.synced.swap(true, Ordering::Relaxed) {
                    tracing::info!("The filters of blocks are made up to the tip, block {height}.");
                }
            }
            Ok(None) => {}
            Err(error) => self.stop(&error),
        }
    }

    /// Ends the index for this run.
    fn stop(&self, error: &FilterIndexError) {
        if self.stopped.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::error!("The index of blocks' filters stops; the node goes on without it: {error}");
        if let Some(index) = self.index.as_ref().filter(|_| error.is_damage())
            && let Err(error) = index.mark_damaged()
        {
            tracing::error!("{error}");
        }
        if !error.next_step().is_empty() {
            tracing::error!("{}", error.next_step());
        }
    }
}

/// Makes the filters that are missing, and follows the tip, until the server stops.
pub(crate) async fn run(node: Arc<Node>, mut shutdown: watch::Receiver<bool>) {
    let mut tip = node.watch_tip();
    while node.kept_filters.running().is_some() && !*shutdown.borrow() {
        tip.mark_unchanged();
        let (worker, is_over) = (Arc::clone(&node), shutdown.clone());
        let pass = move || worker.kept_filters.catch_up(&worker.chain, || *is_over.borrow());
        if tokio::task::spawn_blocking(pass).await.is_err() {
            // The store trusts some of its files so far that it panics over damaged ones.
            node.kept_filters.stop(&FilterIndexError::Damaged { what: "the store failed over it" });
        }
        tokio::select! {
            _ = shutdown.wait_for(|asked| *asked) => return,
            changed = tip.changed() => if changed.is_err() { return },
        }
    }
}
