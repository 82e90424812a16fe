//! Working out what is new, without the network.
//!
//! In:    [`Findings`]: what proxies showed, with every confirmed transaction proven.
//! Out:   one [`Change`], written to the file before it counts.
//! Never: a change when anything does not fit.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bdk_wallet::chain::{BlockId, ConfirmationBlockTime};
use mycoin_light::{Tip, TxRecord, TxStatus};
use mycoin_primitives::{BlockHash, FeeRate, Height, OutPoint, Transaction, TxOut, Txid};
use mycoin_script::{PrecomputedTransaction, ScriptFlags, verify_input};

use super::SyncReport;
use crate::error::SyncError;
use crate::keyring::Keychain;
use crate::ledger::{Change, LedgerTx, Place};
use crate::wallet::Wallet;

/// What proxies showed, with every confirmed transaction proven.
#[derive(Debug, Clone)]
pub(crate) struct Findings {
    /// Our blocks that are no longer in the best chain.
    pub(crate) undone: Vec<Height>,
    pub(crate) tip: Tip,
    /// Transactions that are new, or stand elsewhere than before.
    pub(crate) records: Vec<TxRecord>,
    /// The waiting transactions that somebody named, those among the records or not.
    pub(crate) waiting: HashSet<Txid>,
    /// The highest addresses that were paid.
    pub(crate) used: BTreeMap<Keychain, u32>,
    pub(crate) fee_estimates: BTreeMap<u16, FeeRate>,
}

/// Of two answers about one transaction, the one with a block is the newer.
fn by_txid(records: &[TxRecord]) -> HashMap<Txid, &TxRecord> {
    let mut shown = HashMap::new();
    for record in records {
        let entry = shown.entry(record.txid).or_insert(record);
        if record.status.is_confirmed() {
            *entry = record;
        }
    }
    shown
}

impl Wallet {
    /// Works out what is new in `findings`, writes it and lets it count. `now`: seconds since 1970.
    pub(crate) fn take_in(&mut self, findings: Findings, now: u64) -> Result<SyncReport, SyncError> {
        self.refuse_lies(&findings.records)?;
        let shown = by_txid(&findings.records);
        let old = self.ledger.transactions();
        let is_confirmed = |entry: &&LedgerTx| matches!(entry.place, Place::Block { .. });
        let confirmed: HashSet<Txid> = old.iter().filter(is_confirmed).map(|entry| entry.txid).collect();

        let mut change = Change { revealed: self.news_of(&findings.used), ..Change::default() };
        for record in shown.values() {
            self.note_transaction(record, &mut change);
            match record.status {
                TxStatus::Waiting => self.note_waiting(record.txid, now, &mut change),
                TxStatus::Confirmed { .. } => self.note_confirmed(record, &mut change),
            }
        }
        // Known ones, which were not asked for again.
        for txid in findings.waiting.iter().filter(|txid| self.ledger.knows(**txid) && !shown.contains_key(*txid)) {
            self.note_waiting(*txid, now, &mut change);
        }
        let vanished = self.note_vanished(&old, &shown, &findings, now, &mut change);
        self.note_blocks(&findings, &mut change)?;

        let report = SyncReport {
            tip: findings.tip.height,
            new_transactions: shown.keys().filter(|txid| !self.ledger.knows(**txid)).count(),
            newly_confirmed: shown
                .values()
                .filter(|record| record.status.is_confirmed() && !confirmed.contains(&record.txid))
                .count(),
            vanished,
            blocks_undone: u32::try_from(findings.undone.len()).unwrap_or(u32::MAX),
            warnings: Vec::new(),
        };
        self.fee_estimates = findings.fee_estimates;
        self.commit(change)?;
        Ok(report)
    }

    /// Refuses what no honest proxy shows, whatever else it proves.
    pub(super) fn refuse_lies(&self, records: &[TxRecord]) -> Result<(), SyncError> {
        let shown = by_txid(records);
        for record in shown.values().filter(|record| !record.status.is_confirmed()) {
            if record.tx.is_coinbase() {
                return Err(SyncError::Contradiction { what: "a block reward that is in no block" });
            }
            if !self.ledger.knows(record.txid) {
                self.refuse_forgery(record, &shown)?;
            }
        }
        Ok(())
    }

    fn note_waiting(&self, txid: Txid, now: u64, change: &mut Change) {
        if !self.ledger.knows(txid) {
            change.graph.first_seen.insert(txid, now);
        }
        if !self.ledger.is_seen(txid) {
            change.graph.last_seen.insert(txid, now);
        }
    }

    fn note_confirmed(&self, record: &TxRecord, change: &mut Change) {
        if let TxStatus::Confirmed { height, block_hash, block_time } = record.status
            && !self.ledger.is_proven(&record.txid, &block_hash)
        {
            let block_id = BlockId { height: height.to_u32(), hash: block_hash };
            let anchor = ConfirmationBlockTime { block_id, confirmation_time: u64::from(block_time) };
            change.graph.anchors.insert((anchor, record.txid));
        }
    }

    /// What waited or left the best chain, and is not shown any more, is gone. Returns how many there are.
    ///
    /// A payment of ours is kept: a node that still has it could confirm it, and whoever paid again by other coins would
    /// pay twice. It goes when something else that spends its coins is shown, when what it spends from is gone, or when
    /// the person gives it up.
    fn note_vanished(
        &self,
        old: &[LedgerTx],
        shown: &HashMap<Txid, &TxRecord>,
        findings: &Findings,
        now: u64,
        change: &mut Change,
    ) -> usize {
        let is_named = |txid: &Txid| shown.contains_key(txid) || findings.waiting.contains(txid);
        let known = findings.waiting.iter().filter(|txid| !shown.contains_key(*txid));
        let known: Vec<Arc<Transaction>> = known.filter_map(|txid| self.ledger.transaction(*txid)).collect();
        let named = known.iter().map(AsRef::as_ref).chain(shown.values().map(|record| &record.tx));
        let spent: HashSet<OutPoint> = named.flat_map(|tx| &tx.input).map(|input| input.previous_output).collect();
        let mut gone = HashSet::new();
        // Each stands after those that it spends from.
        for entry in old.iter().filter(|entry| !is_named(&entry.txid)) {
            let stays = match entry.place {
                Place::Block { height, .. } if !findings.undone.contains(&height) => true,
                _ => entry.tx.input.iter().map(|input| input.previous_output).all(|outpoint| {
                    self.owns(outpoint) && !gone.contains(&outpoint.txid) && !spent.contains(&outpoint)
                }),
            };
            if !stays {
                gone.insert(entry.txid);
            }
        }
        let evicted = old.iter().filter(|entry| gone.contains(&entry.txid) && !entry.tx.is_coinbase());
        let at = |txid| now.max(self.ledger.last_seen(txid).unwrap_or(0));
        change.graph.last_evicted.extend(evicted.map(|entry| (entry.txid, at(entry.txid))));
        change.graph.last_evicted.len()
    }

    /// The blocks of the best chain that are needed: the tip, and those that hold our transactions.
    fn note_blocks(&self, findings: &Findings, change: &mut Change) -> Result<(), SyncError> {
        let Tip { height: tip, hash } = findings.tip;
        let mut blocks = BTreeMap::from([(tip, hash)]);
        for record in &findings.records {
            if let TxStatus::Confirmed { height, block_hash, .. } = record.status
                && (height > tip || blocks.insert(height, block_hash).is_some_and(|other| other != block_hash))
            {
                return Err(SyncError::Contradiction { what: "which block stands at a height" });
            }
        }
        let known: HashMap<Height, BlockHash> =
            self.ledger.blocks().filter(|(height, _)| !findings.undone.contains(height)).collect();
        change.chain.blocks.extend(findings.undone.iter().map(|height| (height.to_u32(), None)));
        let news = blocks.into_iter().filter(|(height, hash)| known.get(height) != Some(hash));
        change.chain.blocks.extend(news.map(|(height, hash)| (height.to_u32(), Some(hash))));
        Ok(())
    }

    /// The transaction itself where it is new, and the outputs that it spends where only the proxy knows them.
    fn note_transaction(&self, record: &TxRecord, change: &mut Change) {
        if !self.ledger.knows(record.txid) {
            change.graph.txs.insert(Arc::new(record.tx.clone()));
        }
        for (input, output) in record.tx.input.iter().zip(&record.spent) {
            let outpoint = input.previous_output;
            // Only for showing who paid. What would change our own sums is never taken from the proxy's word.
            if let Some(output) = output
                && self.keyring.origin(&output.script_pubkey).is_none()
                && self.ledger.output(outpoint).is_none()
            {
                change.graph.txouts.insert(outpoint, output.clone());
            }
        }
    }

    /// Refuses a waiting transaction that spends our coins with signatures that we never made: it would hide them.
    ///
    /// A transaction in a block needs no such check: its proof stands for a block that somebody paid for.
    fn refuse_forgery(&self, record: &TxRecord, records: &HashMap<Txid, &TxRecord>) -> Result<(), SyncError> {
        let known = |outpoint: OutPoint| {
            let shown = records.get(&outpoint.txid).and_then(|parent| parent.tx.output.get(outpoint.vout as usize));
            shown.or_else(|| self.ledger.output(outpoint)).cloned()
        };
        let inputs = record.tx.input.iter().map(|input| known(input.previous_output));
        let spent: Vec<Option<TxOut>> = inputs
            .enumerate()
            .map(|(input, output)| output.or_else(|| record.spent.get(input).cloned().flatten()))
            .collect();
        let is_ours = |output: &Option<TxOut>| {
            output.as_ref().is_some_and(|output| self.keyring.origin(&output.script_pubkey).is_some())
        };
        let ours: Vec<usize> = (0..spent.len()).filter(|input| spent.get(*input).is_some_and(is_ours)).collect();
        if ours.is_empty() {
            return Ok(());
        }
        let forged = || SyncError::Contradiction { what: "a payment in our name that we did not sign" };
        let spent: Vec<TxOut> = spent.into_iter().collect::<Option<_>>().ok_or_else(forged)?;
        let data = PrecomputedTransaction::new(&record.tx, spent);
        let flags = ScriptFlags::consensus(self.network());
        ours.into_iter().try_for_each(|input| verify_input(&data, input, flags)).map_err(|_| forged())
    }

    fn owns(&self, outpoint: OutPoint) -> bool {
        self.ledger.output(outpoint).is_some_and(|output| self.keyring.origin(&output.script_pubkey).is_some())
    }

    fn news_of(&self, used: &BTreeMap<Keychain, u32>) -> BTreeMap<Keychain, u32> {
        let revealed = self.keyring.revealed();
        let is_news = |(keychain, index): &(&Keychain, &u32)| revealed.get(*keychain).is_none_or(|last| last < *index);
        used.iter().filter(is_news).map(|(keychain, index)| (*keychain, *index)).collect()
    }
}
