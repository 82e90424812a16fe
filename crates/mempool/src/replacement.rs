//! Replacement by fee: when a transaction may take the place of waiting ones that spend the same coins.
//!
//! Every waiting transaction may be replaced, whether it signals that or not (full RBF). What is asked:
//! - rule 3: it pays at least what all that it replaces paid;
//! - rule 4: and the incremental fee for its own size on top;
//! - rule 5: its direct conflicts lie in at most 100 clusters;
//! - it would be mined no later than any of what it replaces.
//!
//! The last stands in for Bitcoin Core's comparison of fee rate diagrams, which needs every cluster's best order. A
//! transaction's own rate, or that with its unconfirmed ancestors if lower, says when it would be mined. Where one
//! transaction without relatives replaces another, both say the same; among relatives of very different rates they may
//! differ. Rules 3 and 4 alone keep replacing from being free.
//! Source: Bitcoin Core v31 `MemPoolAccept::ReplacementChecks`, validation.cpp; policy/rbf.cpp.

use std::collections::{BTreeMap, BTreeSet};

use mycoin_primitives::{Amount, OutPoint, Transaction, Txid};

use crate::entry::{Entry, PackageTotals, Rate};
use crate::error::RejectReason;
use crate::policy;
use crate::pool::Mempool;

/// What a newcomer would take the place of.
#[derive(Debug, Default)]
pub(crate) struct Conflicts {
    /// Those that spend a coin of it, and the sibling.
    pub(crate) direct: BTreeSet<Txid>,
    /// The only other child of its version 3 parent, which gives way although it spends other coins.
    pub(crate) sibling: Option<Txid>,
}

impl Mempool {
    /// The coins of `tx` that waiting transactions spend, and who spends each.
    pub(crate) fn direct_conflicts(&self, tx: &Transaction) -> BTreeMap<OutPoint, Txid> {
        let spent = tx.input.iter().map(|input| input.previous_output);
        spent.filter_map(|outpoint| self.spender(&outpoint).map(|txid| (outpoint, txid))).collect()
    }

    /// Checks rules 5, 3 and 4, and gives back what `entry` would replace, descendants included.
    ///
    /// # Errors
    ///
    /// [`RejectReason::ReplacesTooMany`] or [`RejectReason::ReplacementFee`].
    pub(crate) fn check_replacement(
        &self,
        entry: &Entry,
        conflicts: &Conflicts,
    ) -> Result<BTreeSet<Txid>, RejectReason> {
        let Some(waiting) = conflicts.direct.first().copied() else { return Ok(BTreeSet::new()) };
        let (limit, sibling) = (policy::MAX_REPLACEMENT_CANDIDATES, conflicts.sibling.is_some());
        let count = self.clusters_of(&conflicts.direct, limit);
        if count > limit {
            return Err(RejectReason::ReplacesTooMany { count, limit, sibling });
        }
        let replaced = self.descendants_of(&conflicts.direct);
        let fees = replaced.iter().filter_map(|txid| self.entry(txid)).map(|old| old.fee.to_sat());
        let paid = Amount::from_sat(fees.fold(0, u64::saturating_add));
        let relay = policy::DEFAULT_INCREMENTAL_RELAY_FEE.fee_for(entry.vsize);
        let least = Amount::from_sat(paid.to_sat().saturating_add(relay.to_sat()));
        if entry.fee < least {
            return Err(RejectReason::ReplacementFee { waiting, fee: entry.fee, paid, least, sibling });
        }
        Ok(replaced)
    }

    /// Checks that `entry` with these waiting `parents` would be mined no later than any of what it replaces.
    ///
    /// # Errors
    ///
    /// [`RejectReason::ReplacementRate`].
    pub(crate) fn check_mined_sooner(
        &self,
        entry: &Entry,
        parents: &BTreeSet<Txid>,
        replaced: &BTreeSet<Txid>,
    ) -> Result<(), RejectReason> {
        let mut with_ancestors = PackageTotals::of(entry);
        for ancestor in self.ancestors_of(parents).difference(replaced).filter_map(|txid| self.entry(txid)) {
            with_ancestors.add(PackageTotals::of(ancestor));
        }
        let rate = mining_rate(entry, with_ancestors);
        for old in replaced.iter().filter_map(|txid| self.entry(txid)) {
            let to_beat = mining_rate(old, old.ancestors);
            if rate < to_beat {
                let (rate, rate_to_beat) = (rate.to_fee_rate(), to_beat.to_fee_rate());
                return Err(RejectReason::ReplacementRate { waiting: old.txid, rate, rate_to_beat });
            }
        }
        Ok(())
    }
}

fn mining_rate(entry: &Entry, with_ancestors: PackageTotals) -> Rate {
    PackageTotals::of(entry).rate().min(with_ancestors.rate())
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
        for (fee, said) in [
            (5_999, "less fees than conflicting txs; 0.00005999 < 0.00006"),
            (6_010, "not enough additional fees to relay; 0.0000001 < 0.00000011"),
        ] {
            let tx = world.spend(&coins, 1, fee);
            let refused = world.accept(&tx).expect_err("it pays too little");
            let (waiting, fee) = (old.compute_txid(), Amount::from_sat(fee));
            let (paid, least) = (Amount::from_sat(6_000), Amount::from_sat(6_011));
            assert_eq!(refused, RejectReason::ReplacementFee { waiting, fee, paid, least, sibling: false });
            assert_eq!(refused.reject_reason(), "insufficient fee");
            let details = format!("insufficient fee, rejecting replacement {}, {said}", tx.compute_txid());
            assert_eq!(refused.reject_details(&tx), details);
            assert_eq!(refused.code(), "tx/double-spend");
        }
        world.send(&coins, 1, 6_011);
        assert_eq!(world.pool.len(), 1);
    }

    #[test]
    fn replacement_rate() {
        let mut world = World::new();
        let coins = world.fund(3);
        let old = world.send(&coins[..1], 1, 1_100);
        // It pays more, but for far more bytes.
        let tx = world.spend(&coins, 10, 1_500);
        let refused = world.accept(&tx).expect_err("its rate is lower");
        assert!(matches!(refused, RejectReason::ReplacementRate { waiting, .. } if waiting == old.compute_txid()));
        assert_eq!(
            refused.reject_details(&tx),
            "replacement-failed, insufficient feerate: does not improve feerate diagram"
        );
        // The same rate for more bytes is enough: whoever mines it earns more, and no later. The old one has 110.
        let vsize = world.spend(&coins[..2], 1, 0).vsize() as u64;
        world.send(&coins[..2], 1, 10 * vsize);
        assert!(!world.waits(&old));
    }

    #[test]
    fn a_child_that_pays_for_its_parent_raises_the_rate_to_beat() {
        let mut world = World::new();
        let coins = world.fund(2);
        let parent = world.send(&coins[..1], 1, 100);
        let child = world.send(&[output(&parent, 0)], 1, 9_900);
        // It pays more than both, but both together are better for their size.
        let tx = world.spend(&coins, 20, 10_200);
        let refused = world.accept(&tx).expect_err("they would be mined sooner");
        assert!(matches!(refused, RejectReason::ReplacementRate { waiting, .. } if waiting == child.compute_txid()));
    }

    #[test]
    fn a_poor_ancestor_holds_a_replacement_back() {
        let mut world = World::new();
        let coins = world.fund(4);
        let poor = world.send(&coins[..1], 20, 100);
        let rich = world.send(&coins[1..2], 1, 9_000);
        let old = world.send(&coins[2..3], 1, 3_000);
        let tx = world.spend(&[coins[2], output(&poor, 0)], 1, 6_000);
        let refused = world.accept(&tx).expect_err("it would be mined later");
        assert!(matches!(refused, RejectReason::ReplacementRate { waiting, .. } if waiting == old.compute_txid()));
        // Another unconfirmed ancestor alone is no reason to refuse it.
        world.send(&[coins[2], output(&rich, 0)], 1, 6_000);
        assert!(!world.waits(&old));
    }

    #[test]
    fn replaces_too_many() {
        let mut world = World::new();
        let coins = world.fund(101);
        coins.iter().for_each(|coin| drop(world.send(&[*coin], 1, 100)));
        let tx = world.spend(&coins, 1, 9_000_000);
        let refused = world.accept(&tx).expect_err("they lie in 101 clusters");
        assert_eq!(refused, RejectReason::ReplacesTooMany { count: 101, limit: 100, sibling: false });
        assert_eq!(refused.reject_reason(), "too many potential replacements");
        assert_eq!(
            refused.reject_details(&tx),
            format!(
                "too many potential replacements, rejecting replacement {}; too many conflicting clusters (101 > 100)",
                tx.compute_txid()
            )
        );
        world.send(&coins[..100], 1, 9_000_000);
        assert_eq!(world.pool.len(), 2);
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
        let (own, other) = (tx.compute_txid(), old.compute_txid());
        assert_eq!(
            refused.reject_details(&tx),
            format!("bad-txns-spends-conflicting-tx, {own} spends conflicting transaction {other}")
        );
    }
}
