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

#[cfg(test)]
mod tests {
    use mycoin_primitives::Failure as _;

    use super::*;
    use crate::pool::{MempoolEvent, RemovalReason};
    use crate::test_support::{World, output};

    #[test]
    fn a_replacement_takes_the_place_of_a_package() {
        let mut world = World::new();
        let coins = world.fund(2);
        let old = world.send(&coins[..1], 1, 1_000);
        let child = world.send(&[output(&old, 0)], 1, 1_000);
        world.pool.take_events();
        // It signals nothing: every waiting transaction can be replaced.
        let new = world.spend(&coins, 1, 3_000);
        let accepted = world.accept(&new).expect("it pays for both and for itself");
        let mut replaced = vec![old.compute_txid(), child.compute_txid()];
        replaced.sort();
        assert_eq!(accepted.replaced, replaced);
        assert_eq!(world.pool.len(), 1);
        let by = accepted.txid;
        let events = world.pool.take_events();
        let gone = |event: &&MempoolEvent| matches!(event, MempoolEvent::Removed { reason: RemovalReason::Replaced { by: new }, .. } if *new == by);
        assert_eq!(events.iter().filter(gone).count(), 2);
    }

    #[test]
    fn replacement_fee() {
        let mut world = World::new();
        let coins = world.fund(1);
        let old = world.send(&coins, 2, 1_000);
        world.send(&[output(&old, 0)], 1, 5_000);
        // Rule 3: as much as all that it replaces; rule 4: and 0.1 sat/vB of its own 110 virtual bytes.
        for fee in [5_999, 6_010] {
            let tx = world.spend(&coins, 1, fee);
            let refused = world.accept(&tx).expect_err("it pays too little");
            let (waiting, fee) = (old.compute_txid(), Amount::from_sat(fee));
            assert_eq!(refused, RejectReason::ReplacementFee { waiting, fee, least: Amount::from_sat(6_011) });
            assert!(refused.reject_reason().starts_with("insufficient fee, "));
            assert_eq!(refused.code(), "tx/double-spend");
        }
        world.send(&coins, 1, 6_011);
        assert_eq!(world.pool.len(), 1);
    }

    #[test]
    fn replacement_rate() {
        let mut world = World::new();
        let coins = world.fund(3);
        world.send(&coins[..1], 1, 1_000);
        // It pays more, but for far more bytes.
        let tx = world.spend(&coins, 10, 1_500);
        let refused = world.accept(&tx).expect_err("its rate is lower");
        assert!(matches!(refused, RejectReason::ReplacementRate { .. }));
        assert!(refused.reject_reason().starts_with("insufficient fee, rejecting replacement; new feerate "));
        // The same rate is not enough.
        let again = world.spend(&coins[..1], 1, 1_000);
        assert!(matches!(world.accept(&again), Err(RejectReason::AlreadyWaiting { .. })));
    }

    #[test]
    fn replaces_too_many() {
        let mut world = World::new();
        let coins = world.fund(5);
        for coin in &coins {
            let parent = world.send(&[*coin], 24, 100_000);
            (0..20).for_each(|vout| drop(world.send(&[output(&parent, vout)], 1, 100)));
        }
        let tx = world.spend(&coins, 1, 900_000);
        let refused = world.accept(&tx).expect_err("it would replace 105");
        assert_eq!(refused, RejectReason::ReplacesTooMany { count: 105, limit: 100 });
        assert_eq!(refused.reject_reason(), "too many potential replacements");
        world.send(&coins[..4], 1, 900_000);
        assert_eq!(world.pool.len(), 22);
    }

    #[test]
    fn replacement_adds_unconfirmed() {
        let mut world = World::new();
        let coins = world.fund(3);
        let parent = world.send(&coins[..1], 2, 1_000);
        world.send(&[output(&parent, 0), coins[1]], 1, 1_000);
        let other = world.send(&coins[2..], 1, 1_000);
        let adds = world.spend(&[coins[1], output(&other, 0)], 1, 9_000);
        let refused = world.accept(&adds).expect_err("it needs another unconfirmed transaction");
        assert!(matches!(refused, RejectReason::ReplacementAddsUnconfirmed { .. }));
        assert_eq!(refused.reject_reason(), "replacement-adds-unconfirmed");
        // Another output of a transaction that the old one needed is no new need.
        world.send(&[coins[1], output(&parent, 1)], 1, 9_000);
    }

    #[test]
    fn spends_replaced() {
        let mut world = World::new();
        let coins = world.fund(2);
        let old = world.send(&coins[..1], 1, 1_000);
        let tx = world.spend(&[coins[0], output(&old, 0)], 1, 9_000);
        let refused = world.accept(&tx).expect_err("it spends what it replaces");
        assert_eq!(refused, RejectReason::SpendsReplaced { replaced: old.compute_txid() });
        assert_eq!(refused.reject_reason(), "bad-txns-spends-conflicting-tx");
    }
}
