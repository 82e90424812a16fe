//! Taking in one transaction: every check in order, then the change.

use std::collections::BTreeSet;
use std::sync::Arc;

use mycoin_consensus::{
    HeaderBranch, TxRuleError, check_sequence_locks, check_spend, check_transaction, is_final, median_time_past,
};
use mycoin_primitives::{Amount, Coin, FeeRate, Height, OutPoint, Transaction, TxOut, Txid, Wtxid};
use mycoin_script::{
    PrecomputedTransaction, ScriptError, ScriptRules, check_signature_policy, signature_operation_cost, verify_input,
};

use crate::entry::{Entry, PackageTotals};
use crate::error::RejectReason;
use crate::pool::{Mempool, MempoolEvent, RemovalReason};
use crate::{CoinSource, eviction, policy};

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
    /// From a disconnected block: the rules, and the limits on chains; it was good enough for a block.
    Block,
    /// It waited here before a reorganisation: as [`Origin::Block`], and its scripts were verified.
    Waiting,
}

/// A transaction that passed every check but the pool's size.
struct Candidate {
    entry: Entry,
    replaced: BTreeSet<Txid>,
}

impl Candidate {
    fn to_accepted(&self) -> Accepted {
        Accepted {
            txid: self.entry.txid,
            wtxid: self.entry.wtxid,
            fee: self.entry.fee,
            vsize: self.entry.vsize,
            replaced: self.replaced.iter().copied().collect(),
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
    /// Source for checks and order: Bitcoin Core v30 `MemPoolAccept::PreChecks`, validation.cpp.
    pub fn accept(
        &mut self,
        tx: Transaction,
        coins: &dyn CoinSource,
        branch: &dyn HeaderBranch,
        now: u64,
    ) -> Result<Accepted, RejectReason> {
        self.take_in(Arc::new(tx), coins, branch, now, now, Origin::Sent)
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
        self.examine(Arc::new(tx.clone()), coins, branch, now, now, Origin::Sent)
            .map(|candidate| candidate.to_accepted())
    }

    /// As [`Mempool::accept`], for a transaction of any origin that came at `time`.
    pub(crate) fn take_in(
        &mut self,
        tx: Arc<Transaction>,
        coins: &dyn CoinSource,
        branch: &dyn HeaderBranch,
        now: u64,
        time: u64,
        origin: Origin,
    ) -> Result<Accepted, RejectReason> {
        let candidate = self.examine(tx, coins, branch, now, time, origin)?;
        let accepted = candidate.to_accepted();
        self.remove_all(&candidate.replaced, RemovalReason::Replaced { by: accepted.txid });
        self.insert(candidate.entry);
        let Accepted { txid, wtxid, fee, vsize, .. } = accepted;
        self.events.push(MempoolEvent::Added { txid, wtxid, fee, vsize });
        self.evict_to_limit(now);
        if self.entry(&txid).is_none() { Err(RejectReason::PoolFull) } else { Ok(accepted) }
    }

    fn examine(
        &self,
        tx: Arc<Transaction>,
        coins: &dyn CoinSource,
        branch: &dyn HeaderBranch,
        now: u64,
        time: u64,
        origin: Origin,
    ) -> Result<Candidate, RejectReason> {
        check_transaction(&tx, &self.network)?;
        if tx.is_coinbase() {
            return Err(RejectReason::Coinbase);
        }
        if origin == Origin::Sent {
            policy::check_standard(&tx, &self.network)?;
        }
        let tip = branch.tip_height();
        if !is_final(&tx, tip.next(), median_time_past(branch, tip)) {
            return Err(TxRuleError::NotFinal { lock_time: tx.lock_time }.into());
        }
        let (txid, wtxid) = (tx.compute_txid(), tx.compute_wtxid());
        self.check_new(&txid, &wtxid)?;
        let spent = self.coins_of(&tx, &txid, coins, tip.next())?;
        check_sequence_locks(&tx, &spent, branch)?;
        let fee = check_spend(&tx, &spent, &self.network, tip.next())?;
        let outputs: Vec<TxOut> = spent.into_iter().map(|coin| coin.output).collect();
        let rules = ScriptRules::of(&self.network);
        let sigop_cost = signature_operation_cost(&tx, &outputs, rules);
        if origin == Origin::Sent {
            policy::check_standard_inputs(&tx, &outputs, sigop_cost)?;
        }
        let entry = new_entry(tx, txid, wtxid, fee, sigop_cost, time, tip);
        if origin == Origin::Sent {
            self.check_fee(&entry, now)?;
        }
        let replaced = self.check_conflicts(&entry, origin)?;
        if origin != Origin::Waiting {
            check_scripts(&entry.tx, outputs, rules, origin)?;
        }
        Ok(Candidate { entry, replaced })
    }

    fn check_new(&self, txid: &Txid, wtxid: &Wtxid) -> Result<(), RejectReason> {
        match self.entry(txid) {
            None => Ok(()),
            Some(entry) if entry.wtxid == *wtxid => Err(RejectReason::AlreadyWaiting { txid: *txid }),
            Some(entry) => Err(RejectReason::OtherWitnessWaiting { txid: *txid, waiting: entry.wtxid }),
        }
    }

    /// The coins that `tx` spends, in input order, those that a replaced transaction spends now included.
    fn coins_of(
        &self,
        tx: &Transaction,
        txid: &Txid,
        coins: &dyn CoinSource,
        next: Height,
    ) -> Result<Vec<Coin>, RejectReason> {
        let find = |outpoint: &OutPoint| self.unconfirmed_coin(outpoint, next).or_else(|| coins.coin(outpoint));
        let mut spent = Vec::with_capacity(tx.input.len());
        for input in &tx.input {
            match find(&input.previous_output) {
                Some(coin) => spent.push(coin),
                None if is_confirmed(tx, txid, coins) => return Err(RejectReason::AlreadyConfirmed { txid: *txid }),
                None => return Err(RejectReason::MissingInputs { outpoint: input.previous_output }),
            }
        }
        Ok(spent)
    }

    fn check_fee(&self, entry: &Entry, now: u64) -> Result<(), RejectReason> {
        let fee = entry.fee;
        let least = self.limits.minimum_rate.fee_for(entry.vsize);
        if fee < least {
            return Err(RejectReason::BelowRelayFee { fee, least });
        }
        let least = self.min_fee(now).fee_for(entry.vsize);
        if fee < least { Err(RejectReason::BelowPoolFee { fee, least }) } else { Ok(()) }
    }

    /// Checks limits on chains, and on what is replaced; gives back what is replaced, descendants included.
    fn check_conflicts(&self, entry: &Entry, origin: Origin) -> Result<BTreeSet<Txid>, RejectReason> {
        let conflicts = self.direct_conflicts(&entry.tx);
        let replaced = self.descendants_of(&conflicts.values().copied().collect());
        let ancestors = self.check_package_limits(&entry.parents_in(self), entry.vsize, &replaced)?;
        if let Some(replaced) = ancestors.intersection(&replaced).next() {
            return Err(RejectReason::SpendsReplaced { replaced: *replaced });
        }
        if let Some((outpoint, waiting)) = conflicts.iter().next() {
            if origin != Origin::Sent {
                return Err(RejectReason::Conflict { outpoint: *outpoint, waiting: *waiting });
            }
            self.check_replacement(entry, &conflicts, &replaced)?;
        }
        Ok(replaced)
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
    txid: Txid,
    wtxid: Wtxid,
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

fn check_scripts(tx: &Transaction, spent: Vec<TxOut>, rules: ScriptRules, origin: Origin) -> Result<(), RejectReason> {
    let data = PrecomputedTransaction::new(tx, spent);
    for (input, txin) in tx.input.iter().enumerate() {
        let mut verdict = verify_input(&data, input, rules);
        if origin == Origin::Sent {
            verdict = verdict.and_then(|()| check_signature_policy(&data, input));
        }
        if let Err(error) = verdict {
            let unsigned = txin.script_sig.is_empty() && txin.witness.is_empty();
            return Err(match error {
                ScriptError::NeedsInterpreter { .. } => RejectReason::NonstandardInput { input, error },
                error if unsigned => RejectReason::Unsigned { input, error },
                error => RejectReason::Script { input, error },
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
