//! What the chain tells about itself: tip, index entries, tips of branches, outcomes.

use mycoin_primitives::{Amount, BlockHash, ChainEvent, Coin, Header, Height, OutPoint, Work};

use crate::AcceptError;

/// The last block of the best chain, or of the best chain of headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// Its header.
    pub header: Header,
    /// The work of the chain that ends in it, genesis included.
    pub work: Work,
}

/// What the block index holds about one header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
    /// The header.
    pub header: Header,
    /// The work of the chain that ends in it, genesis included.
    pub work: Work,
    /// Its parent; `None` for genesis.
    pub parent: Option<BlockHash>,
    /// Its successor on the best chain; `None` for the tip and off the best chain.
    pub next: Option<BlockHash>,
    /// How far it was checked.
    pub status: EntryStatus,
    /// The number of transactions; `None` while the block itself is not stored.
    pub transactions: Option<u32>,
    /// Whether it belongs to the best chain.
    pub on_best_chain: bool,
}

/// How far a header, or the block that it stands for, was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryStatus {
    /// The header is good; the block itself is not stored.
    HeaderOnly,
    /// The block is stored and good as far as it can be told without its coins.
    Stored,
    /// The block was connected once, so all rules hold for it.
    Connected,
    /// The block breaks a rule, builds on one that does, or was marked invalid by a person.
    Invalid,
}

/// The end of a branch. Source of the kinds: Bitcoin Core, `getchaintips`, rpc/blockchain.cpp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainTip {
    /// The height of its last header.
    pub height: Height,
    /// The hash of its last header.
    pub hash: BlockHash,
    /// How many of its blocks are not on the best chain.
    pub branch_length: u32,
    /// What is known about it.
    pub status: TipStatus,
}

/// What is known about a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TipStatus {
    /// The best chain.
    Active,
    /// All its blocks were valid when it was connected; another branch has more work, or was first.
    ValidFork,
    /// All its blocks are stored; they were never connected.
    ValidHeaders,
    /// Not all its blocks are stored.
    HeadersOnly,
    /// It holds an invalid block.
    Invalid,
}

impl TipStatus {
    /// Bitcoin Core's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::ValidFork => "valid-fork",
            Self::ValidHeaders => "valid-headers",
            Self::HeadersOnly => "headers-only",
            Self::Invalid => "invalid",
        }
    }
}

/// What became of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderStatus {
    /// It is in the block index now.
    Added,
    /// It was there before.
    Known,
}

/// What became of a block that broke no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockStatus {
    /// It is on the best chain.
    Connected,
    /// It is stored: its branch has not more work than the best chain, or blocks below it are missing.
    Stored,
    /// It was stored before; nothing changed.
    Known,
}

/// What a block brought about.
#[derive(Debug)]
pub struct Accepted {
    /// What became of the block itself.
    pub status: BlockStatus,
    /// How the best chain changed, in order. Steps that were taken back at once (a branch that proved invalid) are left out.
    pub events: Vec<ChainEvent>,
    /// Other blocks, stored earlier, that were found invalid when this one opened the way to them.
    pub refused: Vec<AcceptError>,
}

/// The coins in sum. The names are those of `gettxoutsetinfo`; source: Bitcoin Core, kernel/coinstats.cpp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoinStatistics {
    /// The height of the block after which the coins were counted.
    pub height: Height,
    /// The hash of that block.
    pub best_block: BlockHash,
    /// The number of coins.
    pub txouts: u64,
    /// The number of transactions that made them.
    pub transactions: u64,
    /// A measure of their size that does not depend on the store, in bytes.
    pub bogosize: u64,
    /// Double SHA-256 over all coins in the order of their outpoints. Shown in reverse, as block hashes are.
    pub hash_serialized_3: mycoin_primitives::hashes::sha256d::Hash,
    /// Their amounts together.
    pub total_amount: Amount,
}

/// The coins that were looked for, as they stood at one tip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCoins {
    /// That tip.
    pub tip: Tip,
    /// How many coins were looked at.
    pub looked_at: u64,
    /// Those that were looked for, each with the block that made it, in the order of their outpoints.
    pub coins: Vec<(OutPoint, Coin, BlockHash)>,
}
