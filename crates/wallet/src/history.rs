//! The list of what happened, as people read it.

use mycoin_primitives::{Amount, Height, Network, Script, TxOut, Txid, address_of};

use crate::keyring::{Keychain, Keyring};
use crate::ledger::{Ledger, LedgerTx, Place};

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

/// The transactions that concern us, newest first: waiting ones before all, then by height.
pub(crate) fn history(ledger: &Ledger, keyring: &Keyring, network: &Network) -> Vec<HistoryEntry> {
    let mut entries: Vec<_> =
        ledger.transactions().iter().filter_map(|entry| describe(entry, ledger, keyring, network)).collect();
    // Stable, so that of one block what spends stands above what it spends.
    entries.reverse();
    entries.sort_by_key(|entry| {
        std::cmp::Reverse((entry.height.is_none(), entry.height, entry.height.map_or(entry.time, |_| 0)))
    });
    entries
}

/// `None` when nothing of it is ours.
fn describe(entry: &LedgerTx, ledger: &Ledger, keyring: &Keyring, network: &Network) -> Option<HistoryEntry> {
    let tx = &entry.tx;
    let spent: Vec<Option<&TxOut>> = tx.input.iter().map(|input| ledger.output(input.previous_output)).collect();
    let is_ours = |output: &&TxOut| keyring.origin(&output.script_pubkey).is_some();
    let sum = |outputs: &mut dyn Iterator<Item = &TxOut>| {
        outputs
            .filter(is_ours)
            .map(|output| i64::try_from(output.value.to_sat()).unwrap_or(i64::MAX))
            .fold(0, i64::saturating_add)
    };
    let sent = sum(&mut spent.iter().copied().flatten());
    let received = sum(&mut tx.output.iter());
    if sent == 0 && received == 0 && !tx.output.iter().any(|output| is_ours(&output)) {
        return None;
    }
    let kind = if tx.is_coinbase() {
        EntryKind::Reward
    } else if sent == 0 {
        EntryKind::Received
    } else if tx.output.iter().all(|output| is_ours(&output)) {
        EntryKind::ToSelf
    } else {
        EntryKind::Sent
    };
    let address = |output: &TxOut| address_of(&output.script_pubkey, network);
    let is_change = |script: &Script| {
        kind == EntryKind::Sent || keyring.origin(script).is_some_and(|origin| origin.keychain == Keychain::Internal)
    };
    let other_side: Vec<&TxOut> = match kind {
        EntryKind::Sent => tx.output.iter().collect(),
        EntryKind::Received => spent.iter().copied().flatten().collect(),
        EntryKind::ToSelf | EntryKind::Reward => Vec::new(),
    };
    let (height, time) = match entry.place {
        Place::Block { height, time } => (Some(height), time),
        Place::Waiting { first_seen, .. } => (None, first_seen),
    };
    let confirmations = height.map_or(0, |height| ledger.tip().0.next().above(height));
    Some(HistoryEntry {
        txid: entry.txid,
        time,
        height,
        confirmations,
        amount: received.saturating_sub(sent),
        fee: ledger.fee(tx),
        counterparties: unique(other_side.into_iter().filter(|output| !is_ours(output)).filter_map(address)),
        own_addresses: unique(
            tx.output.iter().filter(|output| is_ours(output) && !is_change(&output.script_pubkey)).filter_map(address),
        ),
        kind,
        state: match (height, network.maturity.saturating_sub(confirmations)) {
            (None, _) => EntryState::Waiting,
            (Some(_), blocks_left @ 1..) if kind == EntryKind::Reward => EntryState::Immature { blocks_left },
            (Some(_), _) => EntryState::Confirmed,
        },
    })
}

fn unique(addresses: impl Iterator<Item = String>) -> Vec<String> {
    let mut unique = Vec::new();
    for address in addresses {
        if !unique.contains(&address) {
            unique.push(address);
        }
    }
    unique
}
