//! Bringing the ledger up to date with what a proxy tells, and proves.
//!
//! In:    a proxy's answers about our scripts and its best chain.
//! Out:   one [`Change`], written to the file before it counts; a [`SyncReport`].
//! Never: a confirmed transaction without its Merkle proof; a change when anything does not fit.
//!
//! Two steps: [`gather`] asks and checks, over the network; [`Wallet::take_in`] works out what is new, without it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bdk_wallet::chain::{BlockId, ConfirmationBlockTime};
use futures_util::future::join_all;
use mycoin_light::{ProxyClient, Readiness, Tip, TxRecord, TxStatus, verify_inclusion};
use mycoin_primitives::{BlockHash, FeeRate, Header, Height, OutPoint, Transaction, TxOut, Txid};
use mycoin_script::{PrecomputedTransaction, ScriptFlags, verify_input};

use crate::error::{SyncError, WalletError};
use crate::keyring::{GAP_LIMIT, Keychain, Keyring, Origin};
use crate::ledger::{Change, Ledger, LedgerTx, Place};
use crate::wallet::{Wallet, now};

/// What a synchronisation found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncReport {
    /// The best chain's height.
    pub tip: Height,
    /// How many transactions were not known before.
    pub new_transactions: usize,
    /// How many transactions got their first block.
    pub newly_confirmed: usize,
    /// How many waiting transactions vanished: replaced, or dropped by the network.
    pub vanished: usize,
    /// How many of the blocks that the wallet had noted are no longer part of the best chain.
    pub blocks_undone: u32,
}

/// What a proxy showed, with every confirmed transaction proven.
#[derive(Debug, Clone)]
pub(crate) struct Findings {
    /// Our blocks that are no longer in its best chain.
    pub(crate) undone: Vec<Height>,
    pub(crate) tip: Tip,
    pub(crate) records: Vec<TxRecord>,
    /// The highest addresses that were paid.
    pub(crate) used: BTreeMap<Keychain, u32>,
    pub(crate) fee_estimates: BTreeMap<u16, FeeRate>,
}

/// How many scripts are asked about at once.
const AT_ONCE: u32 = 10;
/// How often to start again when the chain moves in mid-question.
const ATTEMPTS: usize = 3;
/// A payment of ours that the proxy does not know yet is kept this long: it may be on its way, in seconds.
const ON_ITS_WAY: u64 = 60;

impl Wallet {
    /// Asks a proxy for everything that concerns this wallet, checks it, and writes what is new.
    ///
    /// # Errors
    ///
    /// [`SyncError`]; the wallet is unchanged then, so its balance is what it was.
    pub async fn sync(&mut self, proxy: &ProxyClient) -> Result<SyncReport, SyncError> {
        for _ in 0..ATTEMPTS {
            if let Some(findings) = gather(proxy, &self.ledger, &self.keyring).await? {
                return self.take_in(findings, now());
            }
        }
        Err(SyncError::ChainKeepsMoving)
    }

    /// Works out what is new in `findings`, writes it and lets it count. `now`: seconds since 1970.
    pub(crate) fn take_in(&mut self, findings: Findings, now: u64) -> Result<SyncReport, SyncError> {
        // Of two answers about one transaction, the one with a block is the newer.
        let mut shown = HashMap::<Txid, &TxRecord>::new();
        for record in &findings.records {
            let entry = shown.entry(record.txid).or_insert(record);
            if record.status.is_confirmed() {
                *entry = record;
            }
        }
        let old = self.ledger.transactions();
        let is_confirmed = |entry: &&LedgerTx| matches!(entry.place, Place::Block { .. });
        let confirmed: HashSet<Txid> = old.iter().filter(is_confirmed).map(|entry| entry.txid).collect();

        let mut change = Change { revealed: self.news_of(&findings.used), ..Change::default() };
        for record in shown.values() {
            self.note_transaction(record, &mut change);
            match record.status {
                TxStatus::Waiting => self.note_waiting(record, &shown, now, &mut change)?,
                TxStatus::Confirmed { .. } => self.note_confirmed(record, &mut change),
            }
        }
        let vanished = self.note_vanished(&old, &shown, &findings.undone, now, &mut change);
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
        };
        self.fee_estimates = findings.fee_estimates;
        self.commit(change)?;
        Ok(report)
    }

    fn note_waiting(
        &self,
        record: &TxRecord,
        shown: &HashMap<Txid, &TxRecord>,
        now: u64,
        change: &mut Change,
    ) -> Result<(), SyncError> {
        if record.tx.is_coinbase() {
            return Err(SyncError::Contradiction { what: "a block reward that is in no block" });
        }
        if !self.ledger.knows(record.txid) {
            self.refuse_forgery(record, shown)?;
            change.graph.first_seen.insert(record.txid, now);
        }
        if !self.ledger.is_seen(record.txid) {
            change.graph.last_seen.insert(record.txid, now);
        }
        Ok(())
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
    fn note_vanished(
        &self,
        old: &[LedgerTx],
        shown: &HashMap<Txid, &TxRecord>,
        undone: &[Height],
        now: u64,
        change: &mut Change,
    ) -> usize {
        let is_gone = |entry: &&LedgerTx| match entry.place {
            _ if shown.contains_key(&entry.txid) || entry.tx.is_coinbase() => false,
            Place::Block { height, .. } => undone.contains(&height),
            Place::Waiting { last_seen, .. } => !self.is_on_its_way(&entry.tx, last_seen, now),
        };
        let gone = old.iter().filter(is_gone);
        let at = |txid| now.max(self.ledger.last_seen(txid).unwrap_or(0));
        change.graph.last_evicted.extend(gone.map(|entry| (entry.txid, at(entry.txid))));
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

    /// Whether it is a payment of ours that was sent so lately that the proxy need not know it yet.
    fn is_on_its_way(&self, tx: &Transaction, last_seen: u64, now: u64) -> bool {
        last_seen.saturating_add(ON_ITS_WAY) > now && tx.input.iter().all(|input| self.owns(input.previous_output))
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

/// Asks the proxy; `None` when its chain was reorganised meanwhile.
async fn gather(proxy: &ProxyClient, ledger: &Ledger, keyring: &Keyring) -> Result<Option<Findings>, SyncError> {
    let status = proxy.status().await?;
    let start = status.tip;
    // A proxy that makes its index anew is not a chain that was reorganised: our blocks are not undone by it.
    let (known, _) = ledger.tip();
    if status.readiness != Readiness::Ready && start.height < known {
        return Err(SyncError::ProxyBehind { proxy: start.height, wallet: known });
    }
    let undone = undone_blocks(proxy, ledger, start).await?;
    let mut used = BTreeMap::new();
    let mut records = Vec::new();
    for keychain in keychains(keyring) {
        records.extend(search(proxy, keyring, *keychain, &mut used).await?);
    }
    prove(proxy, ledger, &records, &undone).await?;
    // Estimates are a comfort: a proxy that has none is still good for everything else.
    let fee_estimates = proxy.fee_estimates().await.unwrap_or_default();
    let tip = proxy.tip().await?;
    let unmoved = tip == start || (tip.height > start.height && proxy.block_hash(start.height).await? == start.hash);
    Ok(unmoved.then_some(Findings { undone, tip, records, used, fee_estimates }))
}

const fn keychains(keyring: &Keyring) -> &'static [Keychain] {
    match keyring {
        Keyring::Words(_) => &[Keychain::External, Keychain::Internal],
        Keyring::Rsa(_) => &[Keychain::External],
    }
}

/// The blocks that we noted and that the proxy's best chain does not have: from our tip down to where both agree.
async fn undone_blocks(proxy: &ProxyClient, ledger: &Ledger, tip: Tip) -> Result<Vec<Height>, SyncError> {
    let mut undone = Vec::new();
    for (height, hash) in ledger.blocks() {
        if height <= tip.height && proxy.block_hash(height).await? == hash {
            return Ok(undone);
        }
        undone.push(height);
    }
    // Not even genesis: the client refuses such a proxy before, so this proxy contradicts itself.
    Err(SyncError::Contradiction { what: "its first block" })
}

/// The transactions of one keychain, up to as many unused addresses in a row as nobody leaves unused.
async fn search(
    proxy: &ProxyClient,
    keyring: &Keyring,
    keychain: Keychain,
    used: &mut BTreeMap<Keychain, u32>,
) -> Result<Vec<TxRecord>, SyncError> {
    let mut records = Vec::new();
    let mut end = match keyring {
        Keyring::Words(_) => keyring.revealed().get(&keychain).map_or(0, |last| last + 1) + GAP_LIMIT,
        Keyring::Rsa(_) => 1,
    };
    let mut next = 0;
    while next < end {
        let batch = next..end.min(next.saturating_add(AT_ONCE));
        let scripts: Vec<_> = batch
            .clone()
            .map(|index| keyring.script_at(Origin { keychain, index }))
            .collect::<Option<_>>()
            .ok_or(SyncError::Wallet(WalletError::Crypto { what: "deriving an address" }))?;
        let answers = join_all(scripts.iter().map(|script| proxy.script_transactions(script))).await;
        for ((index, script), answer) in batch.clone().zip(&scripts).zip(answers) {
            let found = answer?;
            // Only an output of ours counts: the proxy is asked by hashes, so it cannot make one up and lead us on for ever.
            let pays = |record: &TxRecord| record.tx.output.iter().any(|output| output.script_pubkey == *script);
            if matches!(keyring, Keyring::Words(_)) && found.iter().any(pays) {
                used.insert(keychain, index);
                end = end.max(index.saturating_add(1 + GAP_LIMIT));
            }
            records.extend(found);
        }
        next = batch.end;
    }
    Ok(records)
}

/// Checks the Merkle proof of each confirmed transaction that we have not proven before.
async fn prove(proxy: &ProxyClient, ledger: &Ledger, records: &[TxRecord], undone: &[Height]) -> Result<(), SyncError> {
    let known: HashMap<Height, BlockHash> = ledger.blocks().filter(|(height, _)| !undone.contains(height)).collect();
    let mut headers = HashMap::<BlockHash, Header>::new();
    for record in records {
        let TxStatus::Confirmed { height, block_hash, block_time } = record.status else { continue };
        let stands = known.get(&height) == Some(&block_hash);
        if stands && ledger.is_proven(&record.txid, &block_hash) {
            continue;
        }
        let header = match headers.entry(block_hash) {
            Entry::Occupied(header) => *header.get(),
            Entry::Vacant(place) => {
                if proxy.block_hash(height).await? != block_hash {
                    return Err(SyncError::Contradiction { what: "which block stands at a height" });
                }
                // The client checks that the header has this hash and its proof of work.
                *place.insert(proxy.header(&block_hash).await?)
            }
        };
        let proof = proxy.merkle_proof(&record.txid).await?;
        verify_inclusion(&record.tx, &proof, &header)
            .map_err(|source| SyncError::BadProof { txid: record.txid, source })?;
        if proof.height != height || header.time != block_time {
            return Err(SyncError::Contradiction { what: "a transaction's block" });
        }
    }
    Ok(())
}
