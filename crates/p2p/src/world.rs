//! What the protocol asks of the node around it, and what it hands over to be judged.

use std::ops::ControlFlow;
use std::sync::Arc;

use mycoin_primitives::bitcoin::bip158::{FilterHash, FilterHeader};
use mycoin_primitives::{Block, BlockHash, FeeRate, Header, Height, Transaction, Txid, Work, Wtxid};

use crate::Time;

/// The questions that the protocol asks. Answers may come from disk; none may wait for the network.
pub trait World {
    /// Height and hash of the best chain's last block.
    fn tip(&self) -> (Height, BlockHash);
    /// A block locator that begins at the best known header, newest first, at most 101 hashes.
    fn locator(&self) -> Vec<BlockHash>;
    /// The best chain's headers after the first hash of `locator` that it holds (after genesis when it holds none), up to
    /// `stop` or `max` of them. An empty locator asks for the header of `stop` alone.
    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash, max: usize) -> Vec<Header>;
    /// The height of a known, valid header, on any branch.
    fn header_height(&self, hash: &BlockHash) -> Option<Height>;
    /// Where the chain that ends in a known, valid header stands, on any branch.
    fn foothold(&self, hash: &BlockHash) -> Option<Foothold>;
    /// The least work of a chain whose headers are kept: that of the best chain without what its last 144 blocks would have
    /// at the tip's difficulty, so that a short chain keeps all. Source: Bitcoin Core `GetAntiDoSWorkThreshold`.
    fn least_work(&self) -> Work;
    /// Checks what can be told of headers without those before them, which are not kept: the proof of work of each, and that
    /// each target may follow the one before. They continue `run`.
    ///
    /// # Errors
    ///
    /// Bitcoin's reject string of the first rule that one breaks for good.
    fn check_work(&self, run: &HeaderRun, headers: &[Header]) -> Result<(), String>;
    /// How many headers the network may have made since our best one, by their spacing.
    fn headers_expected(&self, now: Time) -> u64;
    /// Whether the block itself is stored, or known to be invalid: either way nobody should be asked for it.
    fn has_block(&self, hash: &BlockHash) -> bool;
    /// A stored block that peers may be given.
    fn block(&self, hash: &BlockHash) -> Option<Arc<Block>>;
    /// Blocks to download, lowest first: on a branch that has more work than the tip, header known, block missing.
    fn blocks_wanted(&self, max: usize) -> Vec<BlockHash>;
    /// Whether the transaction waits in the mempool (or was confirmed lately, where that is cheap to know).
    fn has_transaction(&self, wtxid: &Wtxid) -> bool;
    /// The same by txid.
    fn has_txid(&self, txid: &Txid) -> bool;
    /// A transaction of the mempool.
    fn transaction(&self, wtxid: &Wtxid) -> Option<Arc<Transaction>>;
    /// A transaction of the mempool by txid.
    fn transaction_by_txid(&self, txid: &Txid) -> Option<Arc<Transaction>>;
    /// Up to `max` transactions of the mempool, parents before children, which a new peer is told about.
    fn waiting_transactions(&self, max: usize) -> Vec<WaitingTransaction>;
    /// Shows the mempool's transactions with their names, in any order, until `visit` breaks off; quickly, for a block waits for
    /// it.
    fn mempool_transactions(&self, visit: &mut TransactionVisitor<'_>);
    /// Whether compact filters are given to peers (BIP157); the service bit follows from it.
    fn serves_filters(&self) -> bool {
        false
    }
    /// What the filter index says of the best chain's blocks at these heights, all at one tip; `None` when it lacks one.
    fn filter_rows(&self, heights: &[u32]) -> Option<Vec<FilterRow>> {
        let _lacks_all = heights;
        None
    }
    /// The compact filter of a block of the best chain (BIP158).
    fn filter(&self, block: &BlockHash) -> Option<Vec<u8>> {
        let _lacks_all = block;
        None
    }
    /// The least fee rate that the mempool takes now, which peers are told (BIP133).
    fn min_fee(&self) -> FeeRate;
    /// Whether many blocks (more than a day's, or some 24) of the best known headers are missing. Transactions are not asked
    /// for then, nor blocks announced. Not to be judged by the tip's age: a coin may be quiet for weeks.
    fn is_syncing(&self) -> bool;
}

/// What is shown transactions with their names, without their witnesses and with them; it breaks off when it has seen enough.
pub type TransactionVisitor<'a> = dyn FnMut(&(Txid, Wtxid), &Arc<Transaction>) -> ControlFlow<()> + 'a;

/// A known header from which unknown ones go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foothold {
    /// Its height.
    pub height: Height,
    /// The work of the chain that ends in it, genesis included.
    pub work: Work,
    /// Its median time past, in seconds since 1970.
    pub median_time: u32,
}

/// Headers that were seen and not kept, after one that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderRun {
    /// The known header that they follow.
    pub start: BlockHash,
    /// How many they are.
    pub length: u32,
    /// The first and the last of them; `None` while there is none.
    pub ends: Option<(Header, Header)>,
}

/// One block in the index of compact filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterRow {
    /// The block.
    pub block: BlockHash,
    /// Its filter's hash.
    pub filter: FilterHash,
    /// That hashed with the filter header before it.
    pub header: FilterHeader,
}

/// A transaction of the mempool, as an announcement needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingTransaction {
    /// Its id without the witness.
    pub txid: Txid,
    /// Its id with the witness.
    pub wtxid: Wtxid,
    /// What it pays.
    pub fee_rate: FeeRate,
}

/// The server, as [`crate::P2p`] needs it: it answers the protocol's questions and judges what peers send.
///
/// The `submit` functions are called one at a time, in order, on a thread of their own, and may take long. The questions
/// of [`World`] come from another thread meanwhile.
pub trait Host: World + Send + Sync + 'static {
    /// Judges headers that a peer sent; each is the child of the one before it.
    fn submit_headers(&self, headers: &[Header]) -> HeadersVerdict;
    /// Judges a block and, when it makes a better chain, moves the tip (and then calls [`crate::P2pHandle::notify_tip`]).
    fn submit_block(&self, block: Arc<Block>) -> BlockVerdict;
    /// Judges a transaction and, when it is taken, calls [`crate::P2pHandle::notify_transaction`].
    fn submit_transaction(&self, transaction: Arc<Transaction>) -> TransactionVerdict;
    /// Judges a parent and its child, the fee of both taken together; the same is called for each that is taken. A server
    /// without a rule for pairs judges them one after the other.
    fn submit_package(&self, parent: Arc<Transaction>, child: Arc<Transaction>) -> PackageVerdict {
        PackageVerdict { parent: self.submit_transaction(parent), child: self.submit_transaction(child) }
    }
}

/// What became of headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadersVerdict {
    /// All are in the block index now (or were before).
    Accepted,
    /// The first one's parent is unknown.
    Unconnected,
    /// One breaks a rule for good.
    Invalid {
        /// Bitcoin's reject string.
        reason: String,
    },
    /// One is ahead of our clock; later it may be valid.
    TooEarly,
    /// We could not judge (disk); nobody is to blame.
    Failed {
        /// What went wrong, for the log.
        reason: String,
    },
}

/// What became of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockVerdict {
    /// It is stored; it may or may not be the tip.
    Accepted,
    /// It was here before.
    AlreadyKnown,
    /// It breaks a rule for good: its hash is never to be fetched again.
    Invalid {
        /// Bitcoin's reject string.
        reason: String,
    },
    /// Its body is not the one that its header names; another peer may have the right one.
    Mutated {
        /// Bitcoin's reject string.
        reason: String,
    },
    /// It may become valid as time passes.
    RetryLater,
    /// Its parent is unknown.
    UnknownParent,
    /// We could not judge (disk); nobody is to blame.
    Failed {
        /// What went wrong, for the log.
        reason: String,
    },
}

/// What became of a parent and its child that were judged together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageVerdict {
    /// Of the parent.
    pub parent: TransactionVerdict,
    /// Of the child.
    pub child: TransactionVerdict,
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionVerdict {
    /// It waits in the mempool now.
    Accepted,
    /// It was here before.
    AlreadyKnown,
    /// It spends outputs that we don't know.
    MissingInputs {
        /// The transactions that made them.
        parents: Vec<Txid>,
    },
    /// It is refused for its fee alone: together with a child that pays for both it may be taken.
    Underpaid {
        /// Bitcoin's reject string.
        reason: String,
    },
    /// Policy refuses it; the peer may have another policy.
    Refused {
        /// Bitcoin's reject string.
        reason: String,
    },
    /// It breaks a consensus rule that no policy, chain or time could change.
    Invalid {
        /// Bitcoin's reject string.
        reason: String,
    },
    /// We could not judge (disk); nobody is to blame.
    Failed {
        /// What went wrong, for the log.
        reason: String,
    },
}
