//! What the peers' protocol asks of the node, and what it hands in.

use std::sync::{Arc, PoisonError};

use mycoin_chain::{AcceptError, BlockStatus};
use mycoin_consensus::Verdict;
use mycoin_mempool::RejectReason;
use mycoin_p2p::{
    BlockVerdict, FilterRow, Foothold, HeaderRun, HeadersVerdict, Host, PackageVerdict, Time, TransactionVerdict,
    TransactionVisitor, WaitingTransaction, World,
};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Block, BlockHash, FeeRate, Header, Height, OutPoint, Transaction, Txid, Work, Wtxid};

use crate::clock;
use crate::node::{Node, SubmitError};

/// A tip older than this is taken for one that is far behind, in seconds. Source: Bitcoin Core `DEFAULT_MAX_TIP_AGE`.
const MAX_TIP_AGE: u32 = 24 * 60 * 60;
/// How many blocks the headers may be ahead of a tip of any age.
const NEWS_MAX: u32 = 2;
/// How many blocks the headers may be ahead before transactions are neither asked for nor announced.
const SYNC_LAG: u32 = 24;

impl Node {
    /// Whether the best chain is far behind what is known, or known to be out of date.
    pub(crate) fn is_syncing(&self) -> bool {
        let (tip, best) = (self.chain.tip(), self.chain.best_header());
        if best.height.above(tip.height) > SYNC_LAG {
            return true;
        }
        // A coin of one's own starts with an old genesis and nobody to ask: that is not catching up. Nor is the next block of
        // a coin that was quiet for days.
        tip.height > Height::GENESIS
            && best.height.above(tip.height) > NEWS_MAX
            && clock::header_now().saturating_sub(tip.header.time) > MAX_TIP_AGE
    }

    /// The outputs of a transaction of the best chain are no longer known by txid; its unspent ones are.
    fn has_confirmed_output(&self, txid: Txid) -> bool {
        (0..2).any(|vout| matches!(self.chain.coin(&OutPoint { txid, vout }), Ok(Some(_))))
    }
}

impl World for Node {
    fn tip(&self) -> (Height, BlockHash) {
        let tip = self.chain.tip();
        (tip.height, tip.hash)
    }

    fn locator(&self) -> Vec<BlockHash> {
        self.chain.locator()
    }

    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash, max: usize) -> Vec<Header> {
        if locator.is_empty() {
            return self.chain.header(&stop).map(|entry| entry.header).into_iter().collect();
        }
        let stop = (stop != BlockHash::all_zeros()).then_some(stop);
        self.chain.headers_after(locator, stop, max)
    }

    fn header_height(&self, hash: &BlockHash) -> Option<Height> {
        let entry = self.chain.header(hash)?;
        (entry.status != mycoin_chain::EntryStatus::Invalid).then_some(entry.height)
    }

    fn foothold(&self, hash: &BlockHash) -> Option<Foothold> {
        self.foothold_at(hash)
    }

    fn least_work(&self) -> Work {
        self.least_work_of_headers()
    }

    fn check_work(&self, run: &HeaderRun, headers: &[Header]) -> Result<(), String> {
        self.check_work_of(run, headers)
    }

    fn headers_expected(&self, now: Time) -> u64 {
        self.headers_expected_at(now.unix_seconds())
    }

    fn has_block(&self, hash: &BlockHash) -> bool {
        self.chain.header(hash).is_some_and(|entry| entry.status != mycoin_chain::EntryStatus::HeaderOnly)
    }

    fn block(&self, hash: &BlockHash) -> Option<Arc<Block>> {
        self.chain.block(hash).unwrap_or_else(|error| {
            let now = Time::from_unix_millis(clock::now() * 1_000);
            if self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).spend(now) {
                tracing::error!("A block that a peer asked for cannot be read: {error}");
            }
            None
        })
    }

    fn blocks_wanted(&self, max: usize) -> Vec<BlockHash> {
        self.chain.blocks_wanted(max)
    }

    fn has_transaction(&self, wtxid: &Wtxid) -> bool {
        self.mempool().get_by_wtxid(wtxid).is_some()
    }

    fn has_txid(&self, txid: &Txid) -> bool {
        self.mempool().get(txid).is_some() || self.has_confirmed_output(*txid)
    }

    fn transaction(&self, wtxid: &Wtxid) -> Option<Arc<Transaction>> {
        self.mempool().get_by_wtxid(wtxid)
    }

    fn transaction_by_txid(&self, txid: &Txid) -> Option<Arc<Transaction>> {
        self.mempool().get(txid)
    }

    fn waiting_transactions(&self, max: usize) -> Vec<WaitingTransaction> {
        let mempool = self.mempool();
        let waiting = mempool.all().into_iter().take(max).map(|entry| WaitingTransaction {
            txid: entry.txid,
            wtxid: entry.wtxid,
            fee_rate: entry.fee_rate(),
        });
        waiting.collect()
    }

    fn mempool_transactions(&self, visit: &mut TransactionVisitor<'_>) {
        let _ = self.mempool().entries().try_for_each(|entry| visit(&(entry.txid, entry.wtxid), &entry.tx));
    }

    fn serves_filters(&self) -> bool {
        self.kept_filters.are_served()
    }

    fn filter_rows(&self, heights: &[u32]) -> Option<Vec<FilterRow>> {
        self.kept_filters.rows(&self.chain, heights)
    }

    fn filter(&self, block: &BlockHash) -> Option<Vec<u8>> {
        self.kept_filters.filter(block).map(|(filter, _)| filter)
    }

    fn min_fee(&self) -> FeeRate {
        self.mempool().min_fee(clock::now())
    }

    fn is_syncing(&self) -> bool {
        Self::is_syncing(self)
    }
}

impl Host for Node {
    fn submit_headers(&self, headers: &[Header]) -> HeadersVerdict {
        match self.chain.accept_headers(headers, clock::header_now()) {
            Ok(_) => HeadersVerdict::Accepted,
            Err(AcceptError::UnknownParent { .. }) => HeadersVerdict::Unconnected,
            Err(error) => match error.verdict() {
                Some(Verdict::Invalid | Verdict::Mutated) => HeadersVerdict::Invalid { reason: error.reject_reason() },
                Some(Verdict::RetryLater) => HeadersVerdict::TooEarly,
                None => HeadersVerdict::Failed { reason: error.to_string() },
            },
        }
    }

    fn submit_block(&self, block: Arc<Block>) -> BlockVerdict {
        match Self::submit_block(self, block) {
            Ok(accepted) => match accepted.status {
                BlockStatus::Known => BlockVerdict::AlreadyKnown,
                BlockStatus::Connected | BlockStatus::Stored => BlockVerdict::Accepted,
            },
            Err(AcceptError::UnknownParent { .. }) => BlockVerdict::UnknownParent,
            Err(error) => match error.verdict() {
                Some(Verdict::Invalid) => BlockVerdict::Invalid { reason: error.reject_reason() },
                Some(Verdict::Mutated) => BlockVerdict::Mutated { reason: error.reject_reason() },
                Some(Verdict::RetryLater) => BlockVerdict::RetryLater,
                None => BlockVerdict::Failed { reason: error.to_string() },
            },
        }
    }

    fn submit_transaction(&self, transaction: Arc<Transaction>) -> TransactionVerdict {
        let inputs = transaction.clone();
        match Self::submit_transaction(self, Arc::unwrap_or_clone(transaction), None) {
            Ok(_) => TransactionVerdict::Accepted,
            Err(SubmitError::Failed(error)) => TransactionVerdict::Failed { reason: error.to_string() },
            Err(SubmitError::Rejected(reason)) => self.transaction_verdict(&inputs, &reason),
        }
    }

    fn submit_package(&self, parent: Arc<Transaction>, child: Arc<Transaction>) -> PackageVerdict {
        let verdict = |transaction: &Transaction, judged: Result<mycoin_mempool::Accepted, RejectReason>| match judged {
            Ok(_) => TransactionVerdict::Accepted,
            Err(reason) => self.transaction_verdict(transaction, &reason),
        };
        match self.submit_pair(parent.as_ref().clone(), child.as_ref().clone()) {
            Ok(report) => {
                PackageVerdict { parent: verdict(&parent, report.parent), child: verdict(&child, report.child) }
            }
            Err(error) => {
                let failed = TransactionVerdict::Failed { reason: error.to_string() };
                PackageVerdict { parent: failed.clone(), child: failed }
            }
        }
    }
}

impl Node {
    fn transaction_verdict(&self, transaction: &Transaction, reason: &RejectReason) -> TransactionVerdict {
        match reason {
            RejectReason::AlreadyWaiting { .. } | RejectReason::AlreadyConfirmed { .. } => {
                TransactionVerdict::AlreadyKnown
            }
            RejectReason::MissingInputs { .. } => {
                TransactionVerdict::MissingInputs { parents: self.unknown_parents(transaction) }
            }
            reason if reason.is_for_fee_alone() => TransactionVerdict::Underpaid { reason: reason.reject_reason() },
            // What is wrong with the transaction alone stays wrong; everything else may change with chain, pool or policy.
            reason if mycoin_consensus::check_transaction(transaction, self.network()).is_err() => {
                TransactionVerdict::Invalid { reason: reason.reject_reason() }
            }
            reason => TransactionVerdict::Refused { reason: reason.reject_reason() },
        }
    }

    /// The transactions that made the coins which we do not know.
    fn unknown_parents(&self, transaction: &Transaction) -> Vec<Txid> {
        let mempool = self.mempool();
        let missing = transaction.input.iter().map(|input| input.previous_output).filter(|outpoint| {
            mempool.get(&outpoint.txid).is_none() && !matches!(self.chain.coin(outpoint), Ok(Some(_)))
        });
        let mut parents: Vec<Txid> = missing.map(|outpoint| outpoint.txid).collect();
        parents.sort_unstable();
        parents.dedup();
        parents
    }
}
