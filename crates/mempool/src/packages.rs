//! Several transactions judged together, each with those before it taken as sent.
//!
//! In:    transactions, parents before children; the tip.
//! Out:   a verdict for each as far as the judging went, or why they cannot be judged together.
//! Never: a replacement of what waits. Only [`Mempool::accept_pair`] changes the pool, and only there a child pays for its
//!        parent; else each pays for itself.
//!
//! Source: Bitcoin Core v31 `MemPoolAccept::AcceptMultipleTransactionsInternal` as `testmempoolaccept` asks it,
//! `AcceptPackage`, validation.cpp; `IsWellFormedPackage`, policy/packages.cpp.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use mycoin_consensus::HeaderBranch;
use mycoin_primitives::{Coin, Height, OutPoint, Transaction, Txid};

use crate::accept::{Accepted, Candidate, Origin, Tip};
use crate::error::RejectReason;
use crate::pool::Mempool;
use crate::truc::TrucViolation;
use crate::{CoinSource, Entry, ephemeral, policy};

/// Why transactions cannot be judged together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// There are too many.
    #[error("{count} transactions were given; at most {limit} are judged together")]
    TooMany {
        /// How many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// They are too heavy together.
    #[error("the transactions weigh {weight} units together; at most {limit} are judged together")]
    TooLarge {
        /// Their weight.
        weight: u64,
        /// The limit.
        limit: u64,
    },
    /// One is there twice, its witnesses left out.
    #[error("transaction {txid} was given twice")]
    Duplicate {
        /// The one.
        txid: Txid,
    },
    /// A child stands before its parent.
    #[error("transaction {index} spends an output of one that comes after it")]
    NotSorted {
        /// The child's index.
        index: usize,
    },
    /// Two spend the same coin, or one spends nothing.
    #[error("transaction {index} spends nothing, or a coin that one before it spends")]
    Conflict {
        /// The later one's index.
        index: usize,
    },
    /// Together they break a rule on version 3.
    #[error("transaction {index}: {violation}")]
    Truc {
        /// The index of the one that breaks it.
        index: usize,
        /// The rule.
        violation: TrucViolation,
    },
    /// With them, too many unconfirmed transactions would hang together.
    #[error("{cause}")]
    TooLargeCluster {
        /// The limit that is exceeded.
        cause: Box<RejectReason>,
    },
}

impl PackageError {
    /// Bitcoin Core's words: `package-error` of `testmempoolaccept`. `transactions` are those that were judged.
    pub fn reject_details(&self, transactions: &[Transaction]) -> String {
        match self {
            Self::TooMany { .. } => "package-too-many-transactions".to_owned(),
            Self::TooLarge { .. } => "package-too-large".to_owned(),
            Self::Duplicate { .. } => "package-contains-duplicates".to_owned(),
            Self::NotSorted { .. } => "package-not-sorted".to_owned(),
            Self::Conflict { .. } => "conflict-in-package".to_owned(),
            Self::Truc { index, violation } => {
                let message = transactions.get(*index).map(|tx| format!(", {}", violation.message(tx)));
                format!("TRUC-violation{}", message.unwrap_or_default())
            }
            Self::TooLargeCluster { cause } => cause.reject_reason(),
        }
    }
}

/// What is said of several transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageReport {
    /// Why they cannot be judged together; then there is no verdict on any.
    pub error: Option<PackageError>,
    /// A verdict on each, in their order; `None` where the judging ended at another before it came so far.
    pub verdicts: Vec<Option<Result<Accepted, RejectReason>>>,
}

impl Mempool {
    /// Says what would become of transactions that are sent one after the other, and changes nothing. `branch` ends in
    /// the tip whose coins `coins` holds; `now` is in seconds since 1970.
    pub fn test_accept_package(
        &self,
        transactions: &[Transaction],
        coins: &dyn CoinSource,
        branch: &dyn HeaderBranch,
        now: u64,
    ) -> PackageReport {
        let mut verdicts = vec![None; transactions.len()];
        let error = match self.judge_package(transactions, Tip { coins, branch, now }, &mut verdicts) {
            Ok(()) => None,
            Err(Stop::Package(error)) => Some(error),
            Err(Stop::At(index, reason)) => {
                if let Some(verdict) = verdicts.get_mut(index) {
                    *verdict = Some(Err(reason));
                }
                None
            }
        };
        PackageReport { error, verdicts }
    }

    fn judge_package(
        &self,
        transactions: &[Transaction],
        tip: Tip<'_>,
        verdicts: &mut [Option<Result<Accepted, RejectReason>>],
    ) -> Result<(), Stop> {
        check_well_formed(transactions)?;
        let candidates = self.pre_check_package(transactions, tip, Origin::Package)?;
        self.check_company(&candidates)?;
        let next = tip.branch.tip_height().next();
        for (index, (candidate, verdict)) in candidates.iter().zip(verdicts).enumerate() {
            self.check_scripts(candidate, next).map_err(|reason| Stop::At(index, reason))?;
            *verdict = Some(Ok(candidate.to_accepted(&BTreeSet::new())));
        }
        Ok(())
    }

    /// Checks what they are to each other and to what waits.
    pub(crate) fn check_company(&self, candidates: &[Candidate]) -> Result<(), Stop> {
        let entries: Vec<&Entry> = candidates.iter().map(|candidate| &candidate.entry).collect();
        let with_parents: Vec<_> = candidates.iter().map(|candidate| (&candidate.entry, &candidate.parents)).collect();
        self.check_package_truc(&with_parents).map_err(|(index, violation)| PackageError::Truc { index, violation })?;
        self.check_cluster_limits(&entries, &BTreeSet::new())
            .map_err(|cause| PackageError::TooLargeCluster { cause: Box::new(cause) })?;
        let together: BTreeMap<Txid, &Entry> = entries.iter().map(|entry| (entry.txid, *entry)).collect();
        let unconfirmed =
            |txid: &Txid| together.get(txid).map(|entry| Arc::clone(&entry.tx)).or_else(|| self.get(txid));
        for (index, entry) in entries.iter().enumerate() {
            ephemeral::check_spends_dust(&entry.tx, unconfirmed, &self.network)
                .map_err(|reason| Stop::At(index, reason))?;
        }
        Ok(())
    }

    /// Checks each on itself, with the outputs of those before it as coins.
    pub(crate) fn pre_check_package(
        &self,
        transactions: &[Transaction],
        tip: Tip<'_>,
        origin: Origin,
    ) -> Result<Vec<Candidate>, Stop> {
        let mut coins = PackageCoins { confirmed: tip.coins, created: HashMap::new() };
        let mut candidates = Vec::with_capacity(transactions.len());
        for (index, tx) in transactions.iter().enumerate() {
            let with_package = Tip { coins: &coins, ..tip };
            let candidate = self
                .pre_check(Arc::new(tx.clone()), with_package, tip.now, origin)
                .map_err(|reason| Stop::At(index, reason))?;
            coins.create(&candidate.entry, tip.branch.tip_height().next());
            candidates.push(candidate);
        }
        Ok(candidates)
    }
}

/// Why the judging ended.
pub(crate) enum Stop {
    Package(PackageError),
    At(usize, RejectReason),
}

impl From<PackageError> for Stop {
    fn from(error: PackageError) -> Self {
        Self::Package(error)
    }
}

/// The confirmed coins and those of the transactions that were judged before.
struct PackageCoins<'a> {
    confirmed: &'a dyn CoinSource,
    created: HashMap<OutPoint, Coin>,
}

impl PackageCoins<'_> {
    fn create(&mut self, entry: &Entry, height: Height) {
        for (vout, output) in (0u32..).zip(&entry.tx.output) {
            let outpoint = OutPoint { txid: entry.txid, vout };
            self.created.insert(outpoint, Coin { output: output.clone(), height, is_coinbase: false });
        }
    }
}

impl CoinSource for PackageCoins<'_> {
    fn coin(&self, outpoint: &OutPoint) -> Option<Coin> {
        self.created.get(outpoint).cloned().or_else(|| self.confirmed.coin(outpoint))
    }
}

/// What can be seen of the transactions alone. Source: Bitcoin Core `IsWellFormedPackage`.
pub(crate) fn check_well_formed(transactions: &[Transaction]) -> Result<(), PackageError> {
    let (count, limit) = (transactions.len(), policy::MAX_PACKAGE_COUNT);
    if count > limit {
        return Err(PackageError::TooMany { count, limit });
    }
    let weight = transactions.iter().map(|tx| tx.weight().to_wu()).fold(0, u64::saturating_add);
    // A single one that is too heavy is told so by its own rule.
    if count > 1 && weight > policy::MAX_PACKAGE_WEIGHT {
        return Err(PackageError::TooLarge { weight, limit: policy::MAX_PACKAGE_WEIGHT });
    }
    let mut later = HashSet::new();
    for tx in transactions {
        let txid = tx.compute_txid();
        if !later.insert(txid) {
            return Err(PackageError::Duplicate { txid });
        }
    }
    for (index, tx) in transactions.iter().enumerate() {
        if tx.input.iter().any(|input| later.contains(&input.previous_output.txid)) {
            return Err(PackageError::NotSorted { index });
        }
        later.remove(&tx.compute_txid());
    }
    let mut spent = HashSet::new();
    for (index, tx) in transactions.iter().enumerate() {
        // One that spends a coin twice breaks a rule of its own.
        let own: HashSet<OutPoint> = tx.input.iter().map(|input| input.previous_output).collect();
        if own.is_empty() || !spent.is_disjoint(&own) {
            return Err(PackageError::Conflict { index });
        }
        spent.extend(own);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
