//! What a proxy answers, as types. Everything here is a claim of the proxy until a proof backs it.

use mycoin_primitives::{Amount, BlockHash, Height, Transaction, TxMerkleNode, TxOut, Txid};

/// The last block of the best chain, as the proxy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
}

/// A transaction that the proxy names, with where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxRecord {
    /// The transaction. It hashes to the txid that the proxy gave it.
    pub tx: Transaction,
    /// Its txid.
    pub txid: Txid,
    /// Where it stands. Confirmed is a claim until [`crate::verify_inclusion`] holds.
    pub status: TxStatus,
    /// The output that each input spends, in input order, as the proxy says; `None` for a coinbase or where it does not know.
    pub spent: Vec<Option<TxOut>>,
    /// The fee, as the proxy says; `None` for a coinbase or where it does not know.
    pub fee: Option<Amount>,
}

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxStatus {
    /// It waits for a block.
    Waiting,
    /// A block of the best chain holds it.
    Confirmed {
        /// The block's height.
        height: Height,
        /// The block's hash.
        block_hash: BlockHash,
        /// The block's time, in seconds since 1970.
        block_time: u32,
    },
}

impl TxStatus {
    /// Whether a block holds it.
    pub const fn is_confirmed(&self) -> bool {
        matches!(self, Self::Confirmed { .. })
    }

    /// The height of the block that holds it.
    pub const fn height(&self) -> Option<Height> {
        match self {
            Self::Waiting => None,
            Self::Confirmed { height, .. } => Some(*height),
        }
    }
}

/// What spends an output, as the proxy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpentOutput {
    /// The transaction that spends it.
    pub txid: Txid,
    /// By which of its inputs.
    pub input: u32,
    /// Where that transaction stands.
    pub status: TxStatus,
}

/// The hashes that lead from a transaction to its block's Merkle root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerkleProof {
    /// The height of the block.
    pub height: Height,
    /// The neighbour at each level, from the leaves up.
    pub branch: Vec<TxMerkleNode>,
    /// The transaction's position in the block; the coinbase is at 0.
    pub position: u32,
}

/// How much a proxy claims that there is of some scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptCounts {
    /// The tip that all of the answer is from.
    pub tip: Tip,
    /// Of each script how many confirmed transactions it has, and which wait.
    pub scripts: Vec<(u64, Vec<Txid>)>,
}

/// Which confirmed transactions a proxy claims that some scripts have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptLists {
    /// The tip that all of the answer is from.
    pub tip: Tip,
    /// Of each script the confirmed transactions with the heights of their blocks, newest first.
    pub scripts: Vec<Vec<(Height, Txid)>>,
}

/// A transaction with what the proxy offers as its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownTx {
    /// The transaction, and where the proxy says that it stands.
    pub record: TxRecord,
    /// The proof, where it says that a block holds it; for [`crate::verify_inclusion`].
    pub proof: Option<MerkleProof>,
}

/// Whether the built-in miner works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinerState {
    /// It is switched off.
    Off,
    /// It waits for its trigger.
    Idle,
    /// It searches.
    Mining,
}

/// What the built-in miner does.
#[derive(Debug, Clone, PartialEq)]
pub struct MiningInfo {
    /// Whether it works.
    pub state: MinerState,
    /// How many transactions wait.
    pub waiting: u32,
    /// How many must wait before it starts; `None` where it does not count transactions.
    pub needed: Option<u32>,
    /// How fast it searches, in hashes a second.
    pub hashes_per_second: f64,
    /// How many hashes the present search has tried.
    pub hashes_tried: u64,
    /// The height of the block that it searches or will search.
    pub height: Height,
}

/// Whether a proxy can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It follows the server's best chain.
    Ready,
    /// It reads blocks that it does not know yet; answers may lag.
    CatchingUp,
    /// It cannot reach its base server.
    ServerAway,
    /// It says that it is not ready, for a reason that we don't know.
    NotReady,
}

/// A proxy's state and the coin that it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Whether it can answer.
    pub readiness: Readiness,
    /// The network's name, checked to be the one that the client was made for.
    pub network: String,
    /// The tip of its index.
    pub tip: Tip,
    /// How many transactions wait.
    pub waiting: u32,
    /// How many peers the base server has; `None` while it is away.
    pub peers: Option<u32>,
}

/// What the faucet did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaucetGift {
    /// The block that pays.
    pub block_hash: BlockHash,
    /// Its height.
    pub height: Height,
}
