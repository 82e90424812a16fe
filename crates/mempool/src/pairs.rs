//! A parent that pays too little, taken in with a child that pays for both.
//!
//! In:    a parent and a child that spends from it; the tip.
//! Out:   a verdict on each; the pool with both, or with none of what was judged together.
//! Never: a replacement of what waits: neither may spend what a waiting transaction spends.
//!
//! Source: Bitcoin Core v31 `MemPoolAccept::AcceptPackage`, `AcceptMultipleTransactionsInternal`, validation.cpp.

use std::sync::Arc;

use mycoin_consensus::HeaderBranch;
use mycoin_primitives::{Amount, OutPoint, Transaction};

use crate::accept::{Accepted, Candidate, Origin, Tip};
use crate::error::RejectReason;
use crate::packages::{PackageError, Stop, check_well_formed};
use crate::pool::{Mempool, MempoolEvent};
use crate::{CoinSource, Entry};

/// What became of a parent and its child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairReport {
    /// Of the parent.
    pub parent: Result<Accepted, RejectReason>,
    /// Of the child.
    pub child: Result<Accepted, RejectReason>,
}

impl RejectReason {
    /// Whether a child that pays for both could change it. Source: Bitcoin Core `TX_RECONSIDERABLE`.
    pub const fn is_for_fee_alone(&self) -> bool {
        matches!(self, Self::BelowRelayFee { .. } | Self::BelowPoolFee { .. } | Self::PoolFull)
    }
}

impl Mempool {
    /// Takes in a parent and a child that spends from it. Each is judged alone first, so that a child cannot pay for a parent
    /// that needs no help; a parent that pays too little is judged with its child, by the fees of both.
    ///
    /// `branch` ends in the tip whose coins `coins` holds; `now` is in seconds since 1970.
    pub fn accept_pair(
        &mut self,
        parent: Transaction,
        child: Transaction,
        coins: &dyn CoinSource,
        branch: &dyn HeaderBranch,
        now: u64,
    ) -> PairReport {
        let tip = Tip { coins, branch, now };
        let alone = self.take_in(Arc::new(parent.clone()), tip, now, Origin::Sent);
        match alone {
            Err(underpaid) if underpaid.is_for_fee_alone() && is_pair(&parent, &child) => {
                let pair = [parent, child];
                self.take_in_pair(&pair, tip).unwrap_or_else(|stop| refused(stop, underpaid, &pair))
            }
            // The child finds its parent waiting, or misses it.
            parent => PairReport { parent, child: self.take_in(Arc::new(child), tip, now, Origin::Sent) },
        }
    }

    fn take_in_pair(&mut self, pair: &[Transaction; 2], tip: Tip<'_>) -> Result<PairReport, Stop> {
        let candidates = self.pre_check_package(pair, tip, Origin::Pair)?;
        self.check_fee_of_all(&candidates, tip.now).map_err(|reason| Stop::At(1, reason))?;
        self.check_company(&candidates)?;
        for (index, candidate) in candidates.iter().enumerate() {
            let checked = self.check_scripts(candidate, tip.branch.tip_height().next());
            checked.map_err(|reason| Stop::At(index, reason))?;
        }
        let mut accepted = candidates.iter().map(|candidate| candidate.to_accepted(&std::collections::BTreeSet::new()));
        let (Some(parent), Some(child)) = (accepted.next(), accepted.next()) else {
            return Err(Stop::At(0, RejectReason::PoolFull));
        };
        drop(accepted);
        for candidate in candidates {
            let Entry { txid, wtxid, fee, vsize, .. } = candidate.entry;
            self.insert(candidate.entry);
            self.events.push(MempoolEvent::Added { txid, wtxid, fee, vsize });
        }
        self.evict_to_limit(tip.now);
        let kept = |accepted: Accepted| match self.entry(&accepted.txid) {
            Some(_) => Ok(accepted),
            None => Err(RejectReason::PoolFull),
        };
        Ok(PairReport { parent: kept(parent), child: kept(child) })
    }

    /// Checks the fees of all against what their size together asks for.
    fn check_fee_of_all(&self, candidates: &[Candidate], now: u64) -> Result<(), RejectReason> {
        let fee: Amount = candidates.iter().map(|candidate| candidate.entry.fee).sum();
        let vsize = candidates.iter().map(|candidate| candidate.entry.vsize).sum();
        self.check_fee(fee, vsize, now)
    }
}

/// Whether the second spends from the first, and both can be judged together.
fn is_pair(parent: &Transaction, child: &Transaction) -> bool {
    let txid = parent.compute_txid();
    child.input.iter().any(|input| input.previous_output.txid == txid)
        && check_well_formed(&[parent.clone(), child.clone()]).is_ok()
}

/// Neither was taken: why, of each.
fn refused(stop: Stop, underpaid: RejectReason, [parent, child]: &[Transaction; 2]) -> PairReport {
    let txid = parent.compute_txid();
    let spent = child.input.iter().map(|input| input.previous_output).find(|outpoint| outpoint.txid == txid);
    let missing = RejectReason::MissingInputs { outpoint: spent.unwrap_or(OutPoint { txid, vout: 0 }) };
    let (index, reason) = match stop {
        Stop::At(index, reason) => (index, reason),
        Stop::Package(PackageError::Truc { index, violation }) => (index, violation.into()),
        Stop::Package(PackageError::TooLargeCluster { cause }) => (1, *cause),
        // `is_pair` looked for these.
        Stop::Package(
            PackageError::TooMany { .. }
            | PackageError::TooLarge { .. }
            | PackageError::Duplicate { .. }
            | PackageError::NotSorted { .. }
            | PackageError::Conflict { .. },
        ) => (1, missing.clone()),
    };
    match index {
        0 => PairReport { parent: Err(reason), child: Err(missing) },
        _ => PairReport { parent: Err(underpaid), child: Err(reason) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{World, output, pay, unsigned};

    /// A parent that pays `parent` and a child that pays `child`, which nobody sent.
    fn pair(world: &mut World, parent: u64, child: u64) -> (Transaction, Transaction) {
        let coins = world.fund(1);
        let parent = world.spend(&coins, 1, parent);
        let held = parent.output[0].value.to_sat();
        let child = unsigned(&[output(&parent, 0)], vec![pay(held - child)]);
        let child = world.sign_with(child, std::slice::from_ref(&parent));
        (parent, child)
    }

    fn send(world: &mut World, (parent, child): &(Transaction, Transaction)) -> PairReport {
        let now = world.now;
        let report = world.pool.accept_pair(parent.clone(), child.clone(), &world.chain, &world.chain, now);
        world.pool.assert_consistent();
        assert_eq!(world.waits(parent), report.parent.is_ok());
        assert_eq!(world.waits(child), report.child.is_ok());
        report
    }

    /// What both together must pay.
    fn least_of_both() -> u64 {
        let mut world = World::new();
        let (parent, child) = pair(&mut world, 0, 10_000);
        let rate = world.pool.min_fee(world.now);
        let vsize = |tx: &Transaction| tx.weight().to_wu().div_ceil(4);
        rate.fee_for(vsize(&parent) + vsize(&child)).to_sat()
    }

    #[test]
    fn a_child_pays_for_a_parent_without_fee() {
        for (paid, is_taken) in [(least_of_both() - 1, false), (least_of_both(), true), (least_of_both() + 1, true)] {
            let mut world = World::new();
            let both = pair(&mut world, 0, paid);
            let alone = world.accept(&both.0).expect_err("it pays nothing");
            assert!(alone.is_for_fee_alone());
            let report = send(&mut world, &both);
            assert_eq!((report.parent.is_ok(), report.child.is_ok()), (is_taken, is_taken), "{paid}");
            if !is_taken {
                assert_eq!(report.parent, Err(alone));
                assert!(matches!(report.child, Err(RejectReason::BelowRelayFee { .. })));
            }
        }
    }

    #[test]
    fn a_parent_that_pays_for_itself_is_taken_without_its_child() {
        let mut world = World::new();
        let both = pair(&mut world, 1_000, 0);
        let report = send(&mut world, &both);
        assert!(report.parent.is_ok());
        assert!(matches!(report.child, Err(RejectReason::BelowRelayFee { .. })));
    }

    #[test]
    fn what_is_wrong_with_one_besides_its_fee_refuses_both() {
        let mut world = World::new();
        let (parent, mut child) = pair(&mut world, 0, 10_000);
        child.input[0].witness = mycoin_primitives::Witness::new();
        let report = send(&mut world, &(parent.clone(), child));
        assert!(report.parent.is_err_and(|reason| reason.is_for_fee_alone()));
        assert!(matches!(report.child, Err(RejectReason::WitnessStripped { .. })));
        let (_, child) = pair(&mut world, 0, 10_000);
        let mut stripped = parent;
        stripped.input[0].witness = mycoin_primitives::Witness::new();
        let report = send(&mut world, &(stripped, child));
        assert!(matches!(report.parent, Err(RejectReason::WitnessStripped { .. })));
        assert!(matches!(report.child, Err(RejectReason::MissingInputs { .. })));
    }

    #[test]
    fn a_pair_replaces_nothing() {
        let mut world = World::new();
        let coins = world.fund(1);
        world.send(&coins, 1, 1_000);
        let both = pair(&mut world, 0, 100_000);
        let report = send(&mut world, &both);
        assert!(report.parent.is_err() && report.child.is_err());
    }

    #[test]
    fn two_that_do_not_belong_together_are_judged_alone() {
        let mut world = World::new();
        let coins = world.fund(2);
        let [poor, rich] = [(0, 0), (1, 10_000)].map(|(index, fee)| world.spend(&coins[index..=index], 1, fee));
        let report = send(&mut world, &(poor, rich));
        assert!(report.parent.is_err() && report.child.is_ok());
    }
}
