//! The list of what happened, as people read it.

use mycoin_primitives::{Amount, Height, Txid};

/// One transaction of the wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The transaction.
    pub txid: Txid,
    /// When its block was made or, before that, when it was first seen; seconds since 1970.
    pub time: u64,
    /// The block's height, once it is in one.
    pub height: Option<Height>,
    /// How many blocks confirm it: 0 while it waits.
    pub confirmations: u32,
    /// What it changed for the wallet, in base units: below zero when coins went out (fee included).
    pub amount: i64,
    /// The fee, where every spent coin is known.
    pub fee: Option<Amount>,
    /// The other side's addresses: whom we paid, or who paid us where the proxy told the spent coins.
    pub counterparties: Vec<String>,
    /// Our own addresses that it paid (change left out).
    pub own_addresses: Vec<String>,
    /// What kind of event it was.
    pub kind: EntryKind,
    /// How far it got.
    pub state: EntryState,
}

/// What a transaction was for the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Others paid us.
    Received,
    /// We paid others.
    Sent,
    /// We paid ourselves; only the fee is gone.
    ToSelf,
    /// A block's reward.
    Reward,
}

/// How far a transaction got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryState {
    /// In no block yet.
    Waiting,
    /// In a block.
    Confirmed,
    /// A block reward that can be spent once `blocks_left` more blocks have come.
    Immature {
        /// How many blocks are missing.
        blocks_left: u32,
    },
}
