//! What the wallet knows of the chain: its transactions, the blocks that hold them, and the coins that follow.
//!
//! In:    [`Change`]s: what a synchronisation or a payment adds. The wallet writes each to its file first.
//! Out:   the transactions that count, the coins, the balance.
//! Never: keys or the network. Which scripts are ours is asked of the keyring.
//!
//! Which of several conflicting transactions counts is bdk's canonical view: what the best chain holds, then what was
//! seen last. A block that leaves the best chain takes its transactions back to waiting without further ado.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use bdk_wallet::chain::local_chain::{self, LocalChain};
use bdk_wallet::chain::{CanonicalizationParams, ChainPosition, ConfirmationBlockTime, Merge as _, TxGraph, tx_graph};
use mycoin_primitives::{Amount, BlockHash, Height, OutPoint, Transaction, TxOut, Txid};
use serde::{Deserialize, Serialize};

use crate::keyring::{Keychain, Keyring, Origin};
use crate::notes::NotesChange;

/// What the wallet holds, split by what can be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// Can be spent now: confirmed coins, mature block rewards and our own unconfirmed change.
    pub spendable: Amount,
    /// On its way from others: in no block yet.
    pub waiting: Amount,
    /// Block rewards that too few blocks have followed yet.
    pub immature: Amount,
    /// All of it.
    pub total: Amount,
}

/// An addition to the ledger, as the wallet file keeps it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Change {
    /// Blocks of the best chain that matter here; `null` takes one back.
    pub(crate) chain: local_chain::ChangeSet,
    /// Transactions, and where they were seen.
    pub(crate) graph: tx_graph::ChangeSet<ConfirmationBlockTime>,
    /// Up to where addresses were handed out.
    pub(crate) revealed: BTreeMap<Keychain, u32>,
    /// What the person noted.
    #[serde(skip_serializing_if = "NotesChange::is_empty")]
    pub(crate) notes: NotesChange,
}

impl Change {
    pub(crate) fn is_empty(&self) -> bool {
        self.chain.is_empty() && self.graph.is_empty() && self.revealed.is_empty() && self.notes.is_empty()
    }
}

/// The wallet's transactions and the part of the best chain that they need.
pub(crate) struct Ledger {
    graph: TxGraph<ConfirmationBlockTime>,
    chain: LocalChain,
    /// The transactions that count, once somebody asked: working them out is most of the work on a large wallet.
    counting: OnceLock<Arc<[LedgerTx]>>,
}

/// A transaction that counts.
#[derive(Debug, Clone)]
pub(crate) struct LedgerTx {
    pub(crate) txid: Txid,
    pub(crate) tx: Arc<Transaction>,
    pub(crate) place: Place,
}

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a block of the best chain.
    Block { height: Height, time: u64 },
    /// In none; seen at these times.
    Waiting { first_seen: u64, last_seen: u64 },
}

/// An unspent output of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnCoin {
    pub(crate) outpoint: OutPoint,
    pub(crate) output: TxOut,
    pub(crate) origin: Origin,
    pub(crate) state: CoinState,
    /// Whether a block holds it.
    pub(crate) confirmed: bool,
}

/// What can be done with a coin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoinState {
    /// It can be spent now.
    Spendable,
    /// Others pay it, and no block holds that payment yet.
    Waiting,
    /// A block reward that can be spent once `blocks_left` more blocks have come.
    Immature {
        /// How many blocks are missing.
        blocks_left: u32,
    },
}

impl Ledger {
    pub(crate) fn new(genesis: BlockHash) -> Self {
        Self { graph: TxGraph::default(), chain: LocalChain::from_genesis_hash(genesis).0, counting: OnceLock::new() }
    }

    /// Adds a change; `false` when it cannot belong to this chain. Nothing is done then.
    pub(crate) fn apply(&mut self, change: &Change) -> bool {
        let tip = self.chain.tip().height();
        let applied = self.chain.apply_changeset(&change.chain).is_ok();
        if applied {
            if !change.graph.is_empty() || !self.holds_nothing(&change.chain, tip) {
                self.counting.take();
            }
            self.graph.apply_changeset(change.graph.clone());
        }
        applied
    }

    /// Whether a change is no more than blocks above `tip` that hold nothing of ours: no transaction's place changes then.
    fn holds_nothing(&self, change: &local_chain::ChangeSet, tip: u32) -> bool {
        // A block may come back that was undone before.
        let comes_back = |block: &Option<BlockHash>| {
            let anchors = self.graph.all_anchors().values().flatten();
            anchors.into_iter().any(|anchor| Some(anchor.block_id.hash) == *block)
        };
        change.blocks.iter().all(|(height, block)| *height > tip && block.is_some() && !comes_back(block))
    }

    /// The last block of the best chain that the wallet knows.
    pub(crate) fn tip(&self) -> (Height, BlockHash) {
        let tip = self.chain.tip();
        (Height::new(tip.height()), tip.hash())
    }

    /// The known blocks of the best chain, from the tip down to genesis.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (Height, BlockHash)> + use<> {
        self.chain.tip().iter().map(|block| (Height::new(block.height()), block.hash()))
    }

    /// Whether the wallet has seen a proof that the block of that hash holds the transaction.
    pub(crate) fn is_proven(&self, txid: &Txid, block: &BlockHash) -> bool {
        let anchors = self.graph.all_anchors().get(txid);
        anchors.is_some_and(|anchors| anchors.iter().any(|anchor| anchor.block_id.hash == *block))
    }

    /// Whether the transaction is known, counting or not.
    pub(crate) fn knows(&self, txid: Txid) -> bool {
        self.graph.get_tx(txid).is_some()
    }

    /// The transaction, counting or not.
    pub(crate) fn transaction(&self, txid: Txid) -> Option<Arc<Transaction>> {
        self.graph.get_tx(txid)
    }

    /// The known transactions that spend `outpoint`, counting or not.
    pub(crate) fn spenders(&self, outpoint: OutPoint) -> &HashSet<Txid> {
        self.graph.outspends(outpoint)
    }

    /// When the transaction was last noted as gone.
    pub(crate) fn last_evicted(&self, txid: Txid) -> Option<u64> {
        self.graph.get_last_evicted(txid)
    }

    /// When the transaction was last noted as waiting.
    pub(crate) fn last_seen(&self, txid: Txid) -> Option<u64> {
        self.graph.get_tx_node(txid).and_then(|node| node.last_seen)
    }

    /// Whether the transaction was noted as waiting, and not as gone since.
    pub(crate) fn is_seen(&self, txid: Txid) -> bool {
        self.last_seen(txid).is_some_and(|seen| self.graph.get_last_evicted(txid).is_none_or(|gone| gone < seen))
    }

    /// The output at `outpoint`, of a known transaction or as a proxy told it.
    pub(crate) fn output(&self, outpoint: OutPoint) -> Option<&TxOut> {
        self.graph.get_txout(outpoint)
    }

    /// The fee of `tx`, where every output that it spends is known.
    pub(crate) fn fee(&self, tx: &Transaction) -> Option<Amount> {
        if tx.is_coinbase() { None } else { self.graph.calculate_fee(tx).ok() }
    }

    /// The transactions that count; each stands after those that it spends from.
    pub(crate) fn transactions(&self) -> Arc<[LedgerTx]> {
        Arc::clone(self.counting.get_or_init(|| self.count_transactions()))
    }

    fn count_transactions(&self) -> Arc<[LedgerTx]> {
        let tip = self.chain.tip().block_id();
        let canonical = self.graph.list_ordered_canonical_txs(&self.chain, tip, CanonicalizationParams::default());
        canonical
            .map(|entry| {
                let place = match entry.chain_position {
                    ChainPosition::Confirmed { anchor, .. } => {
                        Place::Block { height: Height::new(anchor.block_id.height), time: anchor.confirmation_time }
                    }
                    ChainPosition::Unconfirmed { first_seen, last_seen } => {
                        let last_seen = last_seen.unwrap_or_default();
                        Place::Waiting { first_seen: first_seen.unwrap_or(last_seen), last_seen }
                    }
                };
                LedgerTx { txid: entry.tx_node.txid, tx: entry.tx_node.tx.clone(), place }
            })
            .collect()
    }

    /// The unspent outputs that are ours. `maturity`: how many blocks a block reward waits.
    ///
    /// A payment that waits is as good as confirmed when we alone made it: all of its inputs are ours, and so for every
    /// waiting transaction before it. Source: Bitcoin Core `CachedTxIsTrusted`, wallet/receive.cpp.
    ///
    /// `gone`: transactions that are taken for gone, with those that spend from them.
    pub(crate) fn coins(&self, keyring: &Keyring, maturity: u32, gone: &BTreeSet<Txid>) -> Vec<OwnCoin> {
        let transactions = self.transactions();
        let transactions: Vec<&LedgerTx> = transactions.iter().filter(|entry| !gone.contains(&entry.txid)).collect();
        let spent: HashSet<OutPoint> =
            transactions.iter().flat_map(|entry| entry.tx.input.iter().map(|input| input.previous_output)).collect();
        let next_block = self.tip().0.next();
        let mut trusted = HashMap::<Txid, &Transaction>::new();
        let mut coins = Vec::new();
        for entry in transactions.iter() {
            let ours = |outpoint: OutPoint| {
                let parent = trusted.get(&outpoint.txid)?;
                keyring.origin(&parent.output.get(outpoint.vout as usize)?.script_pubkey)
            };
            let state = match entry.place {
                Place::Block { height, .. } if entry.tx.is_coinbase() => {
                    match maturity.saturating_sub(next_block.above(height)) {
                        0 => CoinState::Spendable,
                        blocks_left => CoinState::Immature { blocks_left },
                    }
                }
                Place::Block { .. } => CoinState::Spendable,
                Place::Waiting { .. } if entry.tx.input.iter().all(|input| ours(input.previous_output).is_some()) => {
                    CoinState::Spendable
                }
                Place::Waiting { .. } => CoinState::Waiting,
            };
            let confirmed = matches!(entry.place, Place::Block { .. });
            if state != CoinState::Waiting {
                trusted.insert(entry.txid, &entry.tx);
            }
            for (vout, output) in (0..).zip(&entry.tx.output) {
                let outpoint = OutPoint { txid: entry.txid, vout };
                if let Some(origin) = keyring.origin(&output.script_pubkey).filter(|_| !spent.contains(&outpoint)) {
                    coins.push(OwnCoin { outpoint, output: output.clone(), origin, state, confirmed });
                }
            }
        }
        coins
    }

    /// Everything in one change, with only those blocks that are still needed: where transactions are, and the last few,
    /// from which a reorganisation is noticed.
    pub(crate) fn snapshot(&self) -> Change {
        const RECENT_BLOCKS: usize = 12;
        let graph = self.graph.initial_changeset();
        let anchored: HashSet<BlockHash> = graph.anchors.iter().map(|(anchor, _)| anchor.block_id.hash).collect();
        let needed =
            self.blocks().enumerate().filter(|(depth, (_, hash))| *depth < RECENT_BLOCKS || anchored.contains(hash));
        let chain = needed.map(|(_, (height, hash))| (height.to_u32(), Some(hash))).collect::<BTreeMap<_, _>>().into();
        Change { chain, graph, ..Change::default() }
    }
}

/// Adds coins up by what can be done with them.
pub(crate) fn balance(coins: &[OwnCoin]) -> Balance {
    let sum = |wanted: fn(CoinState) -> bool| -> Amount {
        let values = coins.iter().filter(|coin| wanted(coin.state)).map(|coin| coin.output.value.to_sat());
        Amount::from_sat(values.fold(0, u64::saturating_add))
    };
    Balance {
        spendable: sum(|state| state == CoinState::Spendable),
        waiting: sum(|state| state == CoinState::Waiting),
        immature: sum(|state| matches!(state, CoinState::Immature { .. })),
        total: sum(|_| true),
    }
}
