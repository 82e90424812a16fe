//! Replacement by fee: when a transaction may take the place of waiting ones that spend the same coins.
//!
//! Every waiting transaction may be replaced, whether it signals that or not (full RBF).
//! Source: Bitcoin Core v30 policy/rbf.cpp; doc/policy/mempool-replacements.md numbers the rules.

use std::collections::{BTreeMap, BTreeSet};

use mycoin_primitives::{Amount, OutPoint, Transaction, Txid};

use crate::entry::{Entry, PackageTotals};
use crate::error::RejectReason;
use crate::policy;
use crate::pool::Mempool;

impl Mempool {
    /// The coins of `tx` that waiting transactions spend, and who spends each.
    pub(crate) fn direct_conflicts(&self, tx: &Transaction) -> BTreeMap<OutPoint, Txid> {
        let spent = tx.input.iter().map(|input| input.previous_output);
        spent.filter_map(|outpoint| self.spender(&outpoint).map(|txid| (outpoint, txid))).collect()
    }

    /// Checks that `entry` may replace its `conflicts`; `replaced` are these with their descendants.
    pub(crate) fn check_replacement(
        &self,
        entry: &Entry,
        conflicts: &BTreeMap<OutPoint, Txid>,
        replaced: &BTreeSet<Txid>,
    ) -> Result<(), RejectReason> {
        self.check_pays_higher_rate(entry, conflicts)?;
        if replaced.len() > policy::MAX_REPLACED {
            return Err(RejectReason::ReplacesTooMany { count: replaced.len(), limit: policy::MAX_REPLACED });
        }
        self.check_adds_no_unconfirmed(entry, conflicts)?;
        self.check_pays_for_replaced(entry, conflicts, replaced)
    }

    /// Its fee rate is above that of each transaction that it replaces directly.
    fn check_pays_higher_rate(&self, entry: &Entry, conflicts: &BTreeMap<OutPoint, Txid>) -> Result<(), RejectReason> {
        let rate = PackageTotals::of(entry).rate();
        for waiting in conflicts.values().filter_map(|txid| self.entry(txid)) {
            let to_beat = PackageTotals::of(waiting).rate();
            if rate <= to_beat {
                return Err(RejectReason::ReplacementRate {
                    waiting: waiting.txid,
                    rate: rate.to_fee_rate(),
                    rate_to_beat: to_beat.to_fee_rate(),
                });
            }
        }
        Ok(())
    }

    /// Rule 2: it depends on no unconfirmed transaction that the replaced ones did not depend on.
    fn check_adds_no_unconfirmed(
        &self,
        entry: &Entry,
        conflicts: &BTreeMap<OutPoint, Txid>,
    ) -> Result<(), RejectReason> {
        let known: BTreeSet<Txid> = conflicts
            .values()
            .filter_map(|txid| self.entry(txid))
            .flat_map(|old| old.parents.iter().copied())
            .collect();
        let Some(waiting) = conflicts.values().next() else { return Ok(()) };
        let spent = entry.tx.input.iter().map(|input| input.previous_output);
        match spent.into_iter().find(|coin| self.entry(&coin.txid).is_some() && !known.contains(&coin.txid)) {
            Some(outpoint) => Err(RejectReason::ReplacementAddsUnconfirmed { waiting: *waiting, outpoint }),
            None => Ok(()),
        }
    }

    /// Rules 3 and 4: it pays what all replaced ones paid, and its own relay on top.
    fn check_pays_for_replaced(
        &self,
        entry: &Entry,
        conflicts: &BTreeMap<OutPoint, Txid>,
        replaced: &BTreeSet<Txid>,
    ) -> Result<(), RejectReason> {
        let paid = replaced.iter().filter_map(|txid| self.entry(txid)).map(|old| old.fee.to_sat());
        let own_relay = policy::INCREMENTAL_RATE.fee_for(entry.vsize).to_sat();
        let least = Amount::from_sat(paid.fold(own_relay, u64::saturating_add));
        match conflicts.values().next() {
            Some(waiting) if entry.fee < least => {
                Err(RejectReason::ReplacementFee { waiting: *waiting, fee: entry.fee, least })
            }
            _ => Ok(()),
        }
    }
}
