//! Asking one proxy, and believing nothing that it does not prove.
//!
//! In:    a proxy's answers about our scripts; the header chain; what is known already and need not be asked again.
//! Out:   [`Found`]: new transactions, each confirmed one proven; which known ones the proxy does not name.
//! Never: a confirmed transaction without its proof into a header of our own best chain; a search without end.

use std::collections::{BTreeMap, HashMap, HashSet};

use mycoin_light::{
    HeaderChain, LISTS_AT_ONCE, LightError, Proofs, ProxyClient, SCRIPTS_AT_ONCE, ScriptCounts, ShownTx, Tip, TxRecord,
    TxStatus,
};
use mycoin_primitives::{FeeRate, Height, OutPoint, ScriptBuf, TxOut, Txid};

use super::known::Known;
use super::{OnProgress, SyncProgress};
use crate::error::SyncError;
use crate::keyring::{GAP_LIMIT, Keychain, Keyring, Origin};
use crate::ledger::Ledger;

/// The most answers that one script's list is read from.
const LISTS_LIMIT: usize = 4_000;

/// What one proxy showed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// Transactions that were not known, or not proven.
    pub(super) records: Vec<TxRecord>,
    /// Every waiting transaction that it named, known or not.
    pub(super) waiting: HashSet<Txid>,
    /// Proven transactions that it does not name although their blocks are in its chain.
    pub(super) hidden: Vec<Txid>,
    /// The highest addresses that were paid.
    pub(super) used: BTreeMap<Keychain, u32>,
    /// `None` when its estimates made no sense.
    pub(super) fees: Option<BTreeMap<u16, FeeRate>>,
}

/// Why a proxy's answers were not used.
pub(super) enum Fault {
    /// They are wrong, or there were none.
    Sync(SyncError),
    /// They do not fit together, which may be because its chain moved meanwhile.
    Moved {
        /// In what they do not fit.
        what: &'static str,
    },
}

impl<E: Into<SyncError>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Sync(error.into())
    }
}

/// One proxy's interrogation.
pub(super) struct Asker<'a> {
    pub(super) proxy: &'a ProxyClient,
    /// Its tip when the interrogation began; part of `headers`.
    pub(super) tip: Tip,
    pub(super) headers: &'a mut HeaderChain,
    pub(super) ledger: &'a Ledger,
    pub(super) keyring: &'a Keyring,
    pub(super) known: &'a Known,
    /// Seconds since 1970.
    pub(super) now: u32,
    pub(super) progress: OnProgress<'a>,
}

/// What the search for one keychain carries along.
#[derive(Default)]
struct Search {
    found: Found,
    proofs: Proofs,
    /// All scripts that were asked about.
    scripts: HashSet<ScriptBuf>,
    /// Scripts that new transactions pay to, ours or not.
    paid: HashSet<ScriptBuf>,
    /// What was fetched already.
    fetched: HashSet<Txid>,
}

impl Asker<'_> {
    /// Asks for everything.
    pub(super) async fn ask(mut self) -> Result<Found, Fault> {
        let mut search = Search::default();
        for keychain in [Keychain::External, Keychain::Internal] {
            self.search(keychain, &mut search).await?;
        }
        let mut found = search.ours(self.known);
        found.fees = match self.proxy.fee_estimates().await {
            Ok(fees) => Some(fees),
            Err(LightError::BadAnswer { .. }) => None,
            // Estimates are a comfort: a proxy that has none is still good for everything else.
            Err(_) => Some(BTreeMap::new()),
        };
        if self.headers.contains(&self.tip) { Ok(found) } else { Err(Fault::Moved { what: "its chain" }) }
    }

    /// The transactions of one keychain, up to as many unused addresses in a row as nobody leaves unused.
    async fn search(&mut self, keychain: Keychain, search: &mut Search) -> Result<(), Fault> {
        // A keyring with one script has no second one; its only address is always asked about.
        let is_single = self.keyring.script_at(Origin { keychain, index: 1 }).is_none();
        let revealed = self.keyring.revealed().get(&keychain).map_or(0, |last| last.saturating_add(1));
        let mut end = revealed.saturating_add(GAP_LIMIT);
        let mut next = 0;
        while next < end {
            let batch = next..end.min(next.saturating_add(u32::try_from(SCRIPTS_AT_ONCE).unwrap_or(u32::MAX)));
            let script_at = |index| self.keyring.script_at(Origin { keychain, index });
            let scripts: Vec<_> = batch.clone().map_while(script_at).collect();
            if scripts.is_empty() {
                break;
            }
            search.scripts.extend(scripts.iter().cloned());
            self.ask_about(&scripts, search).await?;
            for (index, script) in batch.clone().zip(&scripts) {
                // Only an output of ours counts: the proxy is asked by hashes, so it cannot make one up and lead us on for ever.
                if !is_single && (self.known.pays(script) || search.paid.contains(script)) {
                    search.found.used.insert(keychain, index);
                    end = end.max(index.saturating_add(1 + GAP_LIMIT));
                }
            }
            (self.progress)(SyncProgress::Addresses {
                searched: u32::try_from(search.scripts.len()).unwrap_or(u32::MAX),
            });
            next = batch.end;
        }
        Ok(())
    }

    async fn ask_about(&mut self, scripts: &[ScriptBuf], search: &mut Search) -> Result<(), Fault> {
        let counts = self.proxy.count_scripts(scripts).await?;
        self.follow(&counts.tip).await?;
        let wanted = self.list(scripts, &counts, search).await?;
        let waiting: HashSet<Txid> = counts.scripts.into_iter().flat_map(|(_, waiting)| waiting).collect();
        let unknown = |txid: &&Txid| !self.ledger.knows(**txid) && !self.known.contains(txid);
        let new_waiting: Vec<Txid> = waiting.iter().filter(unknown).copied().collect();
        search.found.waiting.extend(waiting);
        let new = self.fetch(&wanted, &new_waiting, search).await?;
        search.paid.extend(new.iter().flat_map(|record| &record.tx.output).map(|output| output.script_pubkey.clone()));
        search.found.records.extend(new);
        Ok(())
    }

    /// Makes sure that a tip that the proxy named is part of the header chain.
    async fn follow(&mut self, tip: &Tip) -> Result<(), Fault> {
        if !self.headers.contains(tip) {
            self.proxy
                .sync_headers(self.headers, self.now, &|_| {})
                .await
                .map_err(|error| super::named(error, self.proxy))?;
        }
        if self.headers.contains(tip) { Ok(()) } else { Err(Fault::Moved { what: "its last block" }) }
    }

    /// The confirmed transactions that the proxy names and that are not proven yet, with the heights that it claims.
    async fn list(
        &mut self,
        scripts: &[ScriptBuf],
        counts: &ScriptCounts,
        search: &mut Search,
    ) -> Result<HashMap<Txid, Height>, Fault> {
        let differs = |(script, (count, _)): &(&ScriptBuf, &(u64, Vec<Txid>))| self.known.count(script) != *count;
        let changed: Vec<(ScriptBuf, u64)> = scripts
            .iter()
            .zip(&counts.scripts)
            .filter(differs)
            .map(|(script, (count, _))| (script.clone(), *count))
            .collect();
        let mut wanted = HashMap::new();
        for chunk in changed.chunks(LISTS_AT_ONCE) {
            let asked: Vec<ScriptBuf> = chunk.iter().map(|(script, _)| script.clone()).collect();
            let lists = self.proxy.list_scripts(&asked, None).await?;
            self.follow(&lists.tip).await?;
            for ((script, count), mut list) in chunk.iter().zip(lists.scripts) {
                self.complete(script, *count, &mut list).await?;
                let named: HashSet<Txid> = list.iter().map(|(_, txid)| *txid).collect();
                search
                    .found
                    .hidden
                    .extend(self.known.up_to(script, self.tip.height).filter(|txid| !named.contains(txid)));
                wanted.extend(
                    list.into_iter().filter(|(_, txid)| !self.known.contains(txid)).map(|(at, txid)| (txid, at)),
                );
            }
        }
        Ok(wanted)
    }

    /// Asks on until the list is as long as it was announced.
    async fn complete(&self, script: &ScriptBuf, count: u64, list: &mut Vec<(Height, Txid)>) -> Result<(), Fault> {
        for _ in 0..LISTS_LIMIT {
            let Some((_, last)) = list.last().filter(|_| (list.len() as u64) < count) else { break };
            let more = self.proxy.list_scripts(std::slice::from_ref(script), Some(*last)).await?.scripts.pop();
            let more = more.filter(|more| !more.is_empty()).ok_or(Fault::Moved { what: "how much an address has" })?;
            list.extend(more);
        }
        if (list.len() as u64) < count { Err(Fault::Moved { what: "how much an address has" }) } else { Ok(()) }
    }

    /// The transactions themselves, each confirmed one proven.
    async fn fetch(
        &mut self,
        confirmed: &HashMap<Txid, Height>,
        waiting: &[Txid],
        search: &mut Search,
    ) -> Result<Vec<TxRecord>, Fault> {
        let all = confirmed.keys().chain(waiting.iter().filter(|txid| !confirmed.contains_key(*txid)));
        let txids: Vec<Txid> = all.filter(|txid| search.fetched.insert(**txid)).copied().collect();
        let mut records = Vec::with_capacity(txids.len());
        for chunk in txids.chunks(mycoin_light::TRANSACTIONS_AT_ONCE) {
            for (txid, shown) in chunk.iter().zip(self.proxy.shown_transactions(chunk).await?) {
                let claimed = confirmed.get(txid);
                match shown {
                    Some(shown) if shown.record.status.is_confirmed() => {
                        if claimed.is_some() && claimed.copied() != shown.record.status.height() {
                            return Err(Fault::Moved { what: "a transaction's block" });
                        }
                        records.push(self.prove(shown, &mut search.proofs).await?);
                    }
                    Some(_) | None if claimed.is_some() => return Err(Fault::Moved { what: "a transaction's block" }),
                    Some(shown) => records.push(shown.record),
                    // It waited a moment ago, and waits no more.
                    None => {}
                }
            }
            (self.progress)(SyncProgress::Transactions { checked: search.fetched.len() });
        }
        Ok(records)
    }

    /// Checks that a block of the header chain holds the transaction.
    async fn prove(&mut self, shown: ShownTx, proofs: &mut Proofs) -> Result<TxRecord, Fault> {
        let ShownTx { mut record, proof } = shown;
        if let TxStatus::Confirmed { height, block_hash, block_time } = &mut record.status {
            let block = Tip { height: *height, hash: *block_hash };
            if block.height > self.headers.tip_height() {
                self.follow(&block).await?;
            }
            let header = self.headers.header_at(block.height).filter(|_| self.headers.contains(&block));
            let header = header.ok_or(Fault::Moved { what: "which block stands at a height" })?;
            proofs
                .check(&record.tx, proof.as_ref(), &block, &header)
                .map_err(|source| SyncError::BadProof { txid: record.txid, source })?;
            *block_time = header.time;
        }
        Ok(record)
    }
}

impl Search {
    /// Only what pays to us or spends what is ours; the rest is nothing to us, whatever the proxy meant by it.
    fn ours(self, known: &Known) -> Found {
        let is_ours = |output: &TxOut| self.scripts.contains(&output.script_pubkey);
        let outputs_of = |record: &TxRecord| {
            let txid = record.txid;
            let ours = (0..).zip(&record.tx.output).filter(|(_, output)| is_ours(output));
            ours.map(move |(vout, _)| OutPoint { txid, vout }).collect::<Vec<_>>()
        };
        let outputs: HashSet<OutPoint> = self.found.records.iter().flat_map(outputs_of).collect();
        let spends = |outpoint: &OutPoint| known.owns(outpoint) || outputs.contains(outpoint);
        let concerns = |record: &TxRecord| {
            record.tx.output.iter().any(is_ours) || record.tx.input.iter().any(|input| spends(&input.previous_output))
        };
        let records = self.found.records.into_iter().filter(concerns).collect();
        Found { records, ..self.found }
    }
}
