//! Taking in one transaction: every check in order, then the change.

use std::collections::BTreeSet;
use std::sync::Arc;

use mycoin_consensus::{
    HeaderBranch, TxRuleError, check_sequence_locks, check_spend, check_transaction, is_final, median_time_past,
    script_flags,
};
use mycoin_primitives::{Amount, Coin, FeeRate, Height, OutPoint, Transaction, TxOut, Txid, Wtxid};
use mycoin_script::{PrecomputedTransaction, ScriptFlags, signature_operation_cost, verify_input_cached};

use crate::entry::{Entry, PackageTotals};
use crate::error::RejectReason;
use crate::inputs::{check_inputs_standard, check_witnesses_standard, spends_witness_program};
use crate::pool::{Mempool, MempoolEvent, RemovalReason};
use crate::replacement::Conflicts;
use crate::standard::check_standard;
use crate::{CoinSource, ephemeral, eviction, policy};

/// A transaction that was taken in, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub txid: Txid,
    /// Its id with witnesses. Its scripts were verified.
    pub wtxid: Wtxid,
    /// What it pays.
    pub fee: Amount,
    /// Its virtual size in bytes, adjusted for signature operations.
    pub vsize: u64,
    /// The waiting transactions that it replaced, with their descendants.
    pub replaced: Vec<Txid>,
}

impl Accepted {
    /// Checks the fee against the highest rate that the sender allows.
    ///
    /// # Errors
    ///
    /// [`RejectReason::FeeAboveLimit`]. Source: `maxfeerate` of Bitcoin Core's `sendrawtransaction`.
    pub fn check_fee_limit(&self, highest: FeeRate) -> Result<(), RejectReason> {
        let limit = highest.fee_for(self.vsize);
        if self.fee > limit { Err(RejectReason::FeeAboveLimit { fee: self.fee, limit }) } else { Ok(()) }
    }
}

/// Where a transaction comes from, which decides what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From a peer, a wallet or the saved pool: all of the policy.
    Sent,
    /// One of several that are judged together: all of the policy, and it replaces nothing.
    Package,
    /// A parent or child whose fees are taken together: all of the policy but its own fee, and it replaces nothing.
    Pair,
    /// From a disconnected block: no fee, and pairs of version 3 may have grown apart. Source: `bypass_limits`.
    Block,
    /// It waited here before a reorganisation: the rules and the limits on clusters; it passed the policy then.
    Waiting,
}

impl Origin {
    fn is_new(self) -> bool {
        match self {
            Self::Sent | Self::Package | Self::Pair => true,
            Self::Block | Self::Waiting => false,
        }
    }
}

/// What a transaction is judged by: the coins at the tip, the branch that ends in it, and the time.
#[derive(Clone, Copy)]
pub(crate) struct Tip<'a> {
    pub(crate) coins: &'a dyn CoinSource,
    pub(crate) branch: &'a dyn HeaderBranch,
    /// In seconds since 1970.
    pub(crate) now: u64,
}

impl Tip<'_> {
    /// The height of the block that may confirm what is judged.
    fn next(&self) -> Height {
        self.branch.tip_height().next()
    }
}

/// A transaction that passed the checks on itself; those on its company and its scripts are to come.
pub(crate) struct Candidate {
    pub(crate) entry: Entry,
    /// The outputs that it spends, in input order.
    spent: Vec<TxOut>,
    /// The waiting transactions that it spends from.
    pub(crate) parents: BTreeSet<Txid>,
    conflicts: Conflicts,
}

impl Candidate {
    pub(crate) fn to_accepted(&self, replaced: &BTreeSet<Txid>) -> Accepted {
        Accepted {
            txid: self.entry.txid,
            wtxid: self.entry.wtxid,
            fee: self.entry.fee,
            vsize: self.entry.vsize,
            replaced: replaced.iter().copied().collect(),
        }
    }
}

impl Mempool {
    /// Takes in a transaction. `branch` ends in the tip whose coins `coins` holds; `now` is in seconds since 1970.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks. Nothing changed then, except for [`RejectReason::PoolFull`], when what it
    /// would have replaced may be gone.
    ///
    /// Source for checks and order: Bitcoin Core v31 `MemPoolAccept::AcceptSingleTransactionInternal`, validation.cpp.
    pub fn accept(
        &mut self,
        tx: Transaction,
        coins: &dyn CoinSource,
        branch: &dyn HeaderBranch,
        now: u64,
    ) -> Result<Accepted, RejectReason> {
        self.take_in(Arc::new(tx), Tip { coins, branch, now }, now, Origin::Sent)
    }

    /// Says what [`Mempool::accept`] would say, and changes nothing. Whether a full pool would keep it is not tried.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn test_accept(
        &self,
        tx: &Transaction,
        coins: &dyn CoinSource,
        branch: &dyn HeaderBranch,
        now: u64,
    ) -> Result<Accepted, RejectReason> {
        let (candidate, replaced) =
            self.examine(Arc::new(tx.clone()), Tip { coins, branch, now }, now, Origin::Sent)?;
        Ok(candidate.to_accepted(&replaced))
    }

    /// As [`Mempool::accept`], for a transaction of any origin that came at `time`.
    pub(crate) fn take_in(
        &mut self,
        tx: Arc<Transaction>,
        tip: Tip<'_>,
        time: u64,
        origin: Origin,
    ) -> Result<Accepted, RejectReason> {
        let (candidate, replaced) = self.examine(tx, tip, time, origin)?;
        let accepted = candidate.to_accepted(&replaced);
        self.remove_all(&replaced, RemovalReason::Replaced { by: accepted.txid });
        self.insert(candidate.entry);
        let Accepted { txid, wtxid, fee, vsize, .. } = accepted;
        self.events.push(MempoolEvent::Added { txid, wtxid, fee, vsize });
        self.evict_to_limit(tip.now);
        if self.entry(&txid).is_none() { Err(RejectReason::PoolFull) } else { Ok(accepted) }
    }

    /// Every check of one transaction; gives back what it replaces, descendants included.
    fn examine(
        &self,
        tx: Arc<Transaction>,
        tip: Tip<'_>,
        time: u64,
        origin: Origin,
    ) -> Result<(Candidate, BTreeSet<Txid>), RejectReason> {
        let candidate = self.pre_check(tx, tip, time, origin)?;
        let Candidate { entry, parents, conflicts, .. } = &candidate;
        let replaced = self.check_replacement(entry, conflicts)?;
        self.check_cluster_limits(&[entry], &replaced)?;
        self.check_mined_sooner(entry, parents, &replaced)?;
        if let Some(replaced) = self.ancestors_of(parents).intersection(&conflicts.direct).next() {
            return Err(RejectReason::SpendsReplaced { replaced: *replaced });
        }
        if origin == Origin::Sent {
            ephemeral::check_spends_dust(&entry.tx, |txid| self.get(txid), &self.network)?;
        }
        if origin != Origin::Waiting {
            self.check_scripts(&candidate, tip.next())?;
        }
        Ok((candidate, replaced))
    }

    /// The checks on a transaction itself, its scripts left out. Source: Bitcoin Core `MemPoolAccept::PreChecks`.
    pub(crate) fn pre_check(
        &self,
        tx: Arc<Transaction>,
        tip: Tip<'_>,
        time: u64,
        origin: Origin,
    ) -> Result<Candidate, RejectReason> {
        check_transaction(&tx, &self.network)?;
        if tx.is_coinbase() {
            return Err(RejectReason::Coinbase);
        }
        let asks_policy = origin != Origin::Waiting;
        if asks_policy {
            check_standard(&tx, &self.network)?;
        }
        if !is_final(&tx, tip.next(), median_time_past(tip.branch, tip.branch.tip_height())) {
            return Err(TxRuleError::NotFinal { lock_time: tx.lock_time }.into());
        }
        let (txid, wtxid) = (tx.compute_txid(), tx.compute_wtxid());
        self.check_new(&txid, &wtxid)?;
        let mut conflicts = self.conflicts_of(&tx, origin)?;
        let coins = self.coins_of(&tx, &txid, tip)?;
        check_sequence_locks(&tx, &coins, tip.branch)?;
        let fee = check_spend(&tx, &coins, &self.network, tip.next())?;
        let spent: Vec<TxOut> = coins.into_iter().map(|coin| coin.output).collect();
        let sigop_cost = signature_operation_cost(&tx, &spent, ScriptFlags::standard(&self.network));
        if asks_policy {
            check_inputs_standard(&tx, &spent, &self.network)?;
            check_witnesses_standard(&tx, &spent)?;
            ephemeral::check_dust_is_free(&tx, fee, &self.network)?;
            if sigop_cost > policy::MAX_STANDARD_TX_SIGOPS_COST {
                let limit = policy::MAX_STANDARD_TX_SIGOPS_COST;
                return Err(RejectReason::TooManySigops { cost: sigop_cost, limit });
            }
        }
        let entry = new_entry(tx, (txid, wtxid), fee, sigop_cost, time, tip.branch.tip_height());
        let parents = entry.parents_in(self);
        if origin.is_new() {
            if origin != Origin::Pair {
                self.check_fee(entry.fee, entry.vsize, tip.now)?;
            }
            if let Err(broken) = self.check_truc(&entry, &parents, &conflicts.direct) {
                let sibling = broken.sibling.filter(|_| origin == Origin::Sent).ok_or(broken.violation)?;
                conflicts.direct.insert(sibling);
                conflicts.sibling = Some(sibling);
            }
        }
        Ok(Candidate { entry, spent, parents, conflicts })
    }

    fn check_new(&self, txid: &Txid, wtxid: &Wtxid) -> Result<(), RejectReason> {
        match self.entry(txid) {
            None => Ok(()),
            Some(entry) if entry.wtxid == *wtxid => Err(RejectReason::AlreadyWaiting { txid: *txid }),
            Some(entry) => Err(RejectReason::OtherWitnessWaiting { txid: *txid, waiting: entry.wtxid }),
        }
    }

    fn conflicts_of(&self, tx: &Transaction, origin: Origin) -> Result<Conflicts, RejectReason> {
        let conflicts = self.direct_conflicts(tx);
        if origin != Origin::Sent
            && let Some((outpoint, waiting)) = conflicts.first_key_value()
        {
            return Err(RejectReason::Conflict { outpoint: *outpoint, waiting: *waiting });
        }
        Ok(Conflicts { direct: conflicts.into_values().collect(), sibling: None })
    }

    /// The coins that `tx` spends, in input order, those that a replaced transaction spends now included.
    fn coins_of(&self, tx: &Transaction, txid: &Txid, tip: Tip<'_>) -> Result<Vec<Coin>, RejectReason> {
        let find =
            |outpoint: &OutPoint| self.unconfirmed_coin(outpoint, tip.next()).or_else(|| tip.coins.coin(outpoint));
        let mut spent = Vec::with_capacity(tx.input.len());
        for input in &tx.input {
            match find(&input.previous_output) {
                Some(coin) => spent.push(coin),
                None if is_confirmed(tx, txid, tip.coins) => {
                    return Err(RejectReason::AlreadyConfirmed { txid: *txid });
                }
                None => return Err(RejectReason::MissingInputs { outpoint: input.previous_output }),
            }
        }
        Ok(spent)
    }

    /// Source: Bitcoin Core `MemPoolAccept::CheckFeeRate`.
    pub(crate) fn check_fee(&self, fee: Amount, vsize: u64, now: u64) -> Result<(), RejectReason> {
        let least = self.raised_minimum(now).fee_for(vsize);
        if fee < least {
            return Err(RejectReason::BelowPoolFee { fee, least });
        }
        let least = self.limits.minimum_rate.fee_for(vsize);
        if fee < least { Err(RejectReason::BelowRelayFee { fee, least }) } else { Ok(()) }
    }

    /// Runs the scripts by the standard flags, then by those of the block at height `next`.
    ///
    /// The second run can only fail where a standard flag takes what a block does not; then the template stays good. It
    /// meets the first one's signatures in the cache. Source: `PolicyScriptChecks`, `ConsensusScriptChecks`.
    pub(crate) fn check_scripts(&self, candidate: &Candidate, next: Height) -> Result<(), RejectReason> {
        let tx: &Transaction = &candidate.entry.tx;
        let data = PrecomputedTransaction::new(tx, candidate.spent.as_slice());
        for flags in [ScriptFlags::standard(&self.network), script_flags(&self.network, next)] {
            for (input, txin) in tx.input.iter().enumerate() {
                verify_input_cached(&data, input, flags, &self.signatures).map_err(|error| {
                    let bare = tx.input.iter().all(|input| input.witness.is_empty());
                    if bare && spends_witness_program(tx, &candidate.spent) {
                        RejectReason::WitnessStripped { input, error }
                    } else if txin.script_sig.is_empty() && txin.witness.is_empty() {
                        RejectReason::Unsigned { input, error }
                    } else {
                        RejectReason::Script { input, error }
                    }
                })?;
            }
        }
        Ok(())
    }
}

impl Entry {
    fn parents_in(&self, pool: &Mempool) -> BTreeSet<Txid> {
        let parents = self.tx.input.iter().map(|input| input.previous_output.txid);
        parents.filter(|txid| pool.entry(txid).is_some()).collect()
    }
}

/// How many outputs are looked up to tell a confirmed transaction. A limit, because a stranger may send thousands.
const OUTPUTS_LOOKED_UP: usize = 100;

/// Whether an output of `tx` is among the confirmed coins, so that it is in the chain.
fn is_confirmed(tx: &Transaction, txid: &Txid, coins: &dyn CoinSource) -> bool {
    (0u32..)
        .zip(&tx.output)
        .take(OUTPUTS_LOOKED_UP)
        .any(|(vout, _)| coins.coin(&OutPoint { txid: *txid, vout }).is_some())
}

fn new_entry(
    tx: Arc<Transaction>,
    (txid, wtxid): (Txid, Wtxid),
    fee: Amount,
    sigop_cost: u64,
    time: u64,
    tip: Height,
) -> Entry {
    let weight = tx.weight().to_wu();
    let memory = eviction::memory_of(&tx);
    Entry {
        tx,
        txid,
        wtxid,
        fee,
        weight,
        vsize: policy::virtual_size(weight, sigop_cost),
        sigop_cost,
        time,
        height: tip,
        parents: BTreeSet::new(),
        children: BTreeSet::new(),
        ancestors: PackageTotals::default(),
        descendants: PackageTotals::default(),
        memory,
    }
}

#[cfg(test)]
mod tests;
