//! The pool itself: entries, who spends what, and the totals that stay consistent as entries come and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use mycoin_primitives::{Amount, Coin, FeeRate, Height, IdMap, Network, OutPoint, Transaction, Txid, Wtxid};
use mycoin_script::SignatureCache;

use crate::CoinSource;
use crate::entry::{Entry, PackageTotals, Rate};
use crate::eviction::RollingMinimum;
use crate::policy;
use crate::reorg::ReturningBlock;

/// How much waits here, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MempoolLimits {
    /// The most memory that waiting transactions take, in bytes.
    pub memory: usize,
    /// After how many seconds a transaction that nobody confirmed is dropped.
    pub expiry: u64,
    /// The lowest fee rate that is taken.
    pub minimum_rate: FeeRate,
}

impl Default for MempoolLimits {
    /// Bitcoin Core's: 300 MB, two weeks, 0.1 sat/vB. Source: kernel/mempool_options.h, policy/policy.h of v31.
    fn default() -> Self {
        Self { memory: 300_000_000, expiry: 336 * 60 * 60, minimum_rate: policy::DEFAULT_MIN_RELAY_TX_FEE }
    }
}

/// What the pool holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MempoolInfo {
    /// How many transactions wait.
    pub count: usize,
    /// Their virtual size in bytes, adjusted for signature operations.
    pub vsize: u64,
    /// Their fees.
    pub fees: Amount,
    /// An estimate of the memory that they take, in bytes.
    pub memory: usize,
    /// The most memory that they may take, in bytes.
    pub memory_limit: usize,
    /// The lowest rate that is taken now: the relay minimum, or more while the pool is full.
    pub minimum_rate: FeeRate,
    /// The lowest rate that is ever taken.
    pub relay_rate: FeeRate,
    /// What a replacement pays for its own relay.
    pub incremental_rate: FeeRate,
}

/// Why a transaction left the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalReason {
    /// A block confirmed it.
    Confirmed,
    /// A block confirmed another that spends the same coin.
    Conflict,
    /// Another that pays more took its place.
    Replaced {
        /// The one that took it.
        by: Txid,
    },
    /// The pool was full.
    Evicted,
    /// It waited too long.
    Expired,
    /// After a reorganisation it was no longer valid.
    Reorganised,
}

/// A change of the pool, for relay, the event stream and the miner's trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MempoolEvent {
    /// A transaction waits now.
    Added {
        /// Its id.
        txid: Txid,
        /// Its id with witnesses.
        wtxid: Wtxid,
        /// What it pays.
        fee: Amount,
        /// Its virtual size in bytes.
        vsize: u64,
    },
    /// A transaction waits no longer.
    Removed {
        /// Its id.
        txid: Txid,
        /// Its id with witnesses.
        wtxid: Wtxid,
        /// Why.
        reason: RemovalReason,
    },
}

/// The transactions that wait.
///
/// One owner changes it; each change is told in [`Mempool::take_events`].
#[derive(Debug)]
pub struct Mempool {
    pub(crate) network: Network,
    pub(crate) limits: MempoolLimits,
    pub(crate) signatures: Arc<SignatureCache>,
    pub(crate) entries: IdMap<Txid, Entry>,
    by_wtxid: IdMap<Wtxid, Txid>,
    spenders: IdMap<OutPoint, Txid>,
    /// Who is evicted first. The key is the entry's `descendant_score` as it stands.
    by_score: BTreeSet<(Rate, Txid)>,
    by_time: BTreeSet<(u64, Txid)>,
    vsize: u64,
    fees: Amount,
    memory: usize,
    pub(crate) rolling: RollingMinimum,
    /// Transactions of disconnected blocks, latest block first, that `revalidate` puts back.
    pub(crate) returning: Vec<ReturningBlock>,
    pub(crate) events: Vec<MempoolEvent>,
}

impl Mempool {
    /// An empty pool, which remembers no signatures.
    pub fn new(network: Network, limits: MempoolLimits) -> Self {
        Self {
            network,
            limits,
            signatures: Arc::new(SignatureCache::new(0, [0; 32])),
            entries: IdMap::default(),
            by_wtxid: IdMap::default(),
            spenders: IdMap::default(),
            by_score: BTreeSet::new(),
            by_time: BTreeSet::new(),
            vsize: 0,
            fees: Amount::ZERO,
            memory: 0,
            rolling: RollingMinimum::default(),
            returning: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The same pool with a memory of signatures that are valid, which may be shared with whoever checks blocks.
    #[must_use]
    pub fn with_signature_cache(mut self, signatures: Arc<SignatureCache>) -> Self {
        self.signatures = signatures;
        self
    }

    /// How many transactions wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The waiting transaction of that id.
    pub fn get(&self, txid: &Txid) -> Option<Arc<Transaction>> {
        self.entries.get(txid).map(|entry| Arc::clone(&entry.tx))
    }

    /// The waiting transaction of that id with witnesses.
    pub fn get_by_wtxid(&self, wtxid: &Wtxid) -> Option<Arc<Transaction>> {
        self.by_wtxid.get(wtxid).and_then(|txid| self.get(txid))
    }

    /// All that is known of a waiting transaction.
    pub fn entry(&self, txid: &Txid) -> Option<&Entry> {
        self.entries.get(txid)
    }

    /// Everything that waits, ancestors before descendants, otherwise in the order in which it came.
    pub fn all(&self) -> Vec<&Entry> {
        let mut all: Vec<&Entry> = self.entries.values().collect();
        all.sort_by_key(|entry| (entry.ancestors.count, entry.time, entry.txid));
        all
    }

    /// All that wait, in no order: what needs none is spared the sorting.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The waiting transaction that spends `outpoint`.
    pub fn spender(&self, outpoint: &OutPoint) -> Option<Txid> {
        self.spenders.get(outpoint).copied()
    }

    /// The coin at `outpoint` as if everything that waits were confirmed in the next block, which has height `next`.
    ///
    /// `None` when it is unknown, or a waiting transaction spends it.
    pub fn coin(&self, outpoint: &OutPoint, confirmed: &dyn CoinSource, next: Height) -> Option<Coin> {
        if self.spenders.contains_key(outpoint) {
            return None;
        }
        self.unconfirmed_coin(outpoint, next).or_else(|| confirmed.coin(outpoint))
    }

    /// The output that a waiting transaction makes at `outpoint`, spent or not.
    pub(crate) fn unconfirmed_coin(&self, outpoint: &OutPoint, next: Height) -> Option<Coin> {
        let output = self.entries.get(&outpoint.txid)?.tx.output.get(usize::try_from(outpoint.vout).ok()?)?;
        Some(Coin { output: output.clone(), height: next, is_coinbase: false })
    }

    /// The lowest fee rate that is taken at `now`.
    pub fn min_fee(&self, now: u64) -> FeeRate {
        self.raised_minimum(now).max(self.limits.minimum_rate)
    }

    /// What a full pool asks for at `now`; zero while there is room.
    pub(crate) fn raised_minimum(&self, now: u64) -> FeeRate {
        self.rolling.rate(now, self.memory, self.limits.memory)
    }

    /// What the pool holds at `now`.
    pub fn info(&self, now: u64) -> MempoolInfo {
        MempoolInfo {
            count: self.len(),
            vsize: self.vsize,
            fees: self.fees,
            memory: self.memory,
            memory_limit: self.limits.memory,
            minimum_rate: self.min_fee(now),
            relay_rate: self.limits.minimum_rate,
            incremental_rate: policy::DEFAULT_INCREMENTAL_RELAY_FEE,
        }
    }

    /// What changed since the last call, in order. The owner calls this after each change.
    pub fn take_events(&mut self) -> Vec<MempoolEvent> {
        std::mem::take(&mut self.events)
    }

    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// The entry that is evicted first.
    pub(crate) fn worst(&self) -> Option<Txid> {
        self.by_score.first().map(|(_, txid)| *txid)
    }

    /// Entries that came before `time`.
    pub(crate) fn older_than(&self, time: u64) -> BTreeSet<Txid> {
        self.by_time.iter().take_while(|(came, _)| *came < time).map(|(_, txid)| *txid).collect()
    }

    /// Puts in an entry whose parents are here and whose children are not: they can only come after it.
    pub(crate) fn insert(&mut self, mut entry: Entry) {
        let txid = entry.txid;
        entry.parents = entry.tx.input.iter().map(|input| input.previous_output.txid).collect();
        entry.parents.retain(|parent| self.entries.contains_key(parent));
        let own = PackageTotals::of(&entry);
        (entry.ancestors, entry.descendants) = (own, own);
        for ancestor in self.ancestors_of(&entry.parents) {
            self.change_descendants(&ancestor, |totals| totals.add(own));
            if let Some(ancestor) = self.entries.get(&ancestor) {
                entry.ancestors.add(PackageTotals::of(ancestor));
            }
        }
        for parent in &entry.parents {
            if let Some(parent) = self.entries.get_mut(parent) {
                parent.children.insert(txid);
            }
        }
        for input in &entry.tx.input {
            self.spenders.insert(input.previous_output, txid);
        }
        self.by_wtxid.insert(entry.wtxid, txid);
        self.by_score.insert((entry.descendant_score(), txid));
        self.by_time.insert((entry.time, txid));
        self.vsize = self.vsize.saturating_add(entry.vsize);
        self.fees = Amount::from_sat(self.fees.to_sat().saturating_add(entry.fee.to_sat()));
        self.memory = self.memory.saturating_add(entry.memory);
        self.entries.insert(txid, entry);
    }

    /// Takes out what a block confirmed; mostly nothing that waits depends on it.
    pub(crate) fn remove_confirmed(&mut self, txid: Txid) {
        let is_alone = |entry: &Entry| entry.parents.is_empty() && entry.children.is_empty();
        if self.entries.get(&txid).is_some_and(is_alone) {
            self.take_out(txid, RemovalReason::Confirmed);
        } else {
            self.remove_all(&BTreeSet::from([txid]), RemovalReason::Confirmed);
        }
    }

    /// Takes entries out and tells why. Whoever depends on them stays only if a block confirmed them.
    pub(crate) fn remove_all(&mut self, txids: &BTreeSet<Txid>, reason: RemovalReason) {
        // Relatives are found before any link is cut: what stands between two of them may go as well.
        let relatives: Vec<_> = txids.iter().filter_map(|txid| self.relatives(txid)).collect();
        for (own, ancestors, descendants) in relatives {
            for ancestor in ancestors.difference(txids) {
                self.change_descendants(ancestor, |totals| totals.subtract(own));
            }
            for descendant in descendants.difference(txids) {
                if let Some(descendant) = self.entries.get_mut(descendant) {
                    descendant.ancestors.subtract(own);
                }
            }
        }
        for txid in txids {
            self.take_out(*txid, reason);
        }
    }

    fn take_out(&mut self, txid: Txid, reason: RemovalReason) {
        if let Some(entry) = self.unlink(&txid) {
            self.events.push(MempoolEvent::Removed { txid, wtxid: entry.wtxid, reason });
        }
    }

    fn relatives(&self, txid: &Txid) -> Option<(PackageTotals, BTreeSet<Txid>, BTreeSet<Txid>)> {
        let entry = self.entries.get(txid)?;
        let own = PackageTotals::of(entry);
        Some((own, self.ancestors_of(&entry.parents), self.descendants_of(&entry.children)))
    }

    fn change_descendants(&mut self, txid: &Txid, change: impl FnOnce(&mut PackageTotals)) {
        if let Some(entry) = self.entries.get_mut(txid) {
            self.by_score.remove(&(entry.descendant_score(), *txid));
            change(&mut entry.descendants);
            self.by_score.insert((entry.descendant_score(), *txid));
        }
    }

    fn unlink(&mut self, txid: &Txid) -> Option<Entry> {
        let entry = self.entries.remove(txid)?;
        for parent in &entry.parents {
            if let Some(parent) = self.entries.get_mut(parent) {
                parent.children.remove(txid);
            }
        }
        for child in &entry.children {
            if let Some(child) = self.entries.get_mut(child) {
                child.parents.remove(txid);
            }
        }
        for input in &entry.tx.input {
            self.spenders.remove(&input.previous_output);
        }
        self.by_wtxid.remove(&entry.wtxid);
        self.by_score.remove(&(entry.descendant_score(), *txid));
        self.by_time.remove(&(entry.time, *txid));
        self.vsize = self.vsize.saturating_sub(entry.vsize);
        self.fees = Amount::from_sat(self.fees.to_sat().saturating_sub(entry.fee.to_sat()));
        self.memory = self.memory.saturating_sub(entry.memory);
        Some(entry)
    }
}

#[cfg(test)]
impl Mempool {
    /// Computes everything that is kept up to date from the transactions alone, and compares.
    pub(crate) fn assert_consistent(&self) {
        let sum = |txids: &BTreeSet<Txid>| {
            let mut totals = PackageTotals::default();
            txids.iter().filter_map(|txid| self.entry(txid)).for_each(|entry| totals.add(PackageTotals::of(entry)));
            totals
        };
        let everything = sum(&self.entries.keys().copied().collect());
        assert_eq!((everything.vsize, everything.fees), (self.vsize, self.fees));
        assert_eq!(self.memory, self.entries.values().map(|entry| entry.memory).sum::<usize>());
        let mut spenders = IdMap::default();
        for (txid, entry) in &self.entries {
            assert_eq!(entry.tx.compute_txid(), *txid);
            assert_eq!(self.by_wtxid.get(&entry.wtxid), Some(txid));
            spenders.extend(entry.tx.input.iter().map(|input| (input.previous_output, *txid)));
            let parents: BTreeSet<Txid> = entry
                .tx
                .input
                .iter()
                .map(|input| input.previous_output.txid)
                .filter(|txid| self.entries.contains_key(txid))
                .collect();
            assert_eq!(entry.parents, parents);
            let is_child = |other: &&Entry| other.tx.input.iter().any(|input| input.previous_output.txid == *txid);
            let children: BTreeSet<Txid> = self.entries.values().filter(is_child).map(|child| child.txid).collect();
            assert_eq!(entry.children, children);
            assert_eq!(entry.ancestors, sum(&self.ancestors_of(&BTreeSet::from([*txid]))));
            assert_eq!(entry.descendants, sum(&self.descendants_of(&BTreeSet::from([*txid]))));
            assert!(self.by_score.contains(&(entry.descendant_score(), *txid)));
            assert!(self.by_time.contains(&(entry.time, *txid)));
        }
        assert_eq!(self.spenders, spenders);
        let count = self.entries.len();
        assert_eq!((self.by_score.len(), self.by_time.len(), self.by_wtxid.len()), (count, count, count));
    }
}
