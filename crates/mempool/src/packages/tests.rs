//! Several transactions at once: what is said of each, and that the pool stays as it is.

use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::{FeeRate, Network, Witness};

use super::*;
use crate::MempoolLimits;
use crate::error::ClusterLimit;
use crate::test_support::{COIN, World, output, own_script, pay, unsigned};

fn test(world: &World, transactions: &[Transaction]) -> PackageReport {
    let before = world.pool.dump();
    let report = world.pool.test_accept_package(transactions, &world.chain, &world.chain, world.now);
    assert_eq!(report.verdicts.len(), transactions.len());
    assert_eq!(world.pool.dump(), before);
    world.pool.assert_consistent();
    report
}

/// A transaction that spends an output of `parent`, which nobody sent.
fn child_of(world: &World, parent: &Transaction, vout: u32, fee: u64) -> Transaction {
    let held = parent.output[vout as usize].value.to_sat();
    world.sign_with(unsigned(&[output(parent, vout)], vec![pay(held - fee)]), std::slice::from_ref(parent))
}

fn refused(world: &World, transactions: &[Transaction]) -> String {
    let report = test(world, transactions);
    assert!(report.verdicts.iter().all(Option::is_none));
    report.error.expect("they cannot be judged together").reject_details(transactions)
}

#[test]
fn a_child_is_judged_with_its_parent() {
    let mut world = World::new();
    let coins = world.fund(2);
    let parent = world.spend(&coins[..1], 1, 1_000);
    let child = child_of(&world, &parent, 0, 2_000);
    let other = world.spend(&coins[1..], 1, 3_000);
    let report = test(&world, &[parent.clone(), other, child.clone()]);
    assert_eq!(report.error, None);
    let fees: Vec<u64> =
        report.verdicts.into_iter().flatten().flatten().map(|accepted| accepted.fee.to_sat()).collect();
    assert_eq!(fees, [1_000, 3_000, 2_000]);
    // One after the other they are taken indeed.
    assert!(world.accept(&parent).is_ok() && world.accept(&child).is_ok());
}

#[test]
fn the_judging_ends_where_one_is_refused() {
    let mut world = World::new();
    let coins = world.fund(2);
    let parent = world.spend(&coins[..1], 1, 1_000);
    let poor = child_of(&world, &parent, 0, 1);
    let other = world.spend(&coins[1..], 1, 3_000);
    let report = test(&world, &[parent, poor, other]);
    assert_eq!(report.error, None);
    assert!(matches!(report.verdicts.as_slice(), [None, Some(Err(RejectReason::BelowRelayFee { .. })), None]));
}

#[test]
fn scripts_come_last() {
    let mut world = World::new();
    let coins = world.fund(3);
    let [first, mut second, third] = [0, 1, 2].map(|index| world.spend(&coins[index..=index], 1, 1_000));
    second.input[0].witness = Witness::new();
    let report = test(&world, &[first, second, third]);
    assert!(matches!(
        report.verdicts.as_slice(),
        [Some(Ok(_)), Some(Err(RejectReason::WitnessStripped { input: 0, .. })), None]
    ));
}

#[test]
fn nothing_that_waits_is_replaced() {
    let mut world = World::new();
    let coins = world.fund(2);
    world.send(&coins[..1], 1, 1_000);
    let [replacing, other] = [0, 1].map(|index| world.spend(&coins[index..=index], 1, 9_000));
    let report = test(&world, &[replacing, other]);
    let [Some(Err(reason)), None] = report.verdicts.as_slice() else { panic!("{report:?}") };
    assert_eq!(reason.reject_reason(), "bip125-replacement-disallowed");
}

#[test]
fn too_many_and_too_large() {
    let mut world = World::new();
    let coins = world.fund(26);
    let all: Vec<Transaction> = (0..26).map(|index| world.spend(&coins[index..=index], 1, 1_000)).collect();
    assert_eq!(refused(&world, &all), "package-too-many-transactions");
    assert!(test(&world, &all[..25]).verdicts.iter().all(|verdict| matches!(verdict, Some(Ok(_)))));
    let large = |index: usize, outputs| unsigned(&coins[index..=index], vec![pay(1_000); outputs]);
    let weight = |tx: &Transaction| tx.weight().to_wu();
    let half = large(0, 1_627);
    let rest = (404_000 - weight(&half) - weight(&large(1, 1_000))) / (4 * 31);
    let fits = [half.clone(), large(1, 1_000 + usize::try_from(rest).expect("small"))];
    assert_eq!(test(&world, &fits).error, None);
    let exceeds = [half, large(1, 1_001 + usize::try_from(rest).expect("small"))];
    assert_eq!(refused(&world, &exceeds), "package-too-large");
}

#[test]
fn duplicates() {
    let mut world = World::new();
    let coins = world.fund(1);
    let tx = world.spend(&coins, 1, 1_000);
    let mut again = tx.clone();
    again.input[0].witness = Witness::new();
    assert_eq!(refused(&world, &[tx, again]), "package-contains-duplicates");
}

#[test]
fn not_sorted() {
    let mut world = World::new();
    let coins = world.fund(1);
    let parent = world.spend(&coins, 1, 1_000);
    let child = child_of(&world, &parent, 0, 1_000);
    assert_eq!(refused(&world, &[child, parent]), "package-not-sorted");
}

#[test]
fn conflict() {
    let mut world = World::new();
    let coins = world.fund(1);
    let both = [1_000, 2_000].map(|fee| world.spend(&coins, 1, fee));
    assert_eq!(refused(&world, &both), "conflict-in-package");
}

#[test]
fn truc() {
    let mut world = World::new();
    let coins = world.fund(1);
    let version_3 = |mut tx: Transaction, parents: &[Transaction]| {
        tx.version = Version(3);
        world.sign_with(tx, parents)
    };
    let parent = version_3(world.spend(&coins, 2, 1_000), &[]);
    let known = std::slice::from_ref(&parent);
    let children = [0, 1].map(|vout| version_3(child_of(&world, &parent, vout, 1_000), known));
    assert_eq!(test(&world, &[parent.clone(), children[0].clone()]).error, None);
    let all = [parent.clone(), children[0].clone(), children[1].clone()];
    let (txid, wtxid) = (parent.compute_txid(), parent.compute_wtxid());
    let expected = format!("TRUC-violation, tx {txid} (wtxid={wtxid}) would exceed descendant count limit");
    assert_eq!(refused(&world, &all), expected);

    let other = child_of(&world, &parent, 0, 1_000);
    let expected = format!(
        "TRUC-violation, non-version=3 tx {} (wtxid={}) cannot spend from version=3 tx {txid} (wtxid={wtxid})",
        other.compute_txid(),
        other.compute_wtxid()
    );
    assert_eq!(refused(&world, &[parent.clone(), other]), expected);

    let grandchild = version_3(child_of(&world, &children[0], 0, 1_000), &children);
    let expected = format!(
        "TRUC-violation, tx {} (wtxid={}) would have too many ancestors",
        grandchild.compute_txid(),
        grandchild.compute_wtxid()
    );
    assert_eq!(refused(&world, &[parent, children[0].clone(), grandchild]), expected);
}

#[test]
fn cluster_limit() {
    let mut world = World::new();
    let coins = world.fund(1);
    let mut last = coins[0];
    for _ in 0..62 {
        last = output(&world.send(&[last], 1, 1_000), 0);
    }
    let first = world.spend(&[last], 1, 1_000);
    let second = child_of(&world, &first, 0, 1_000);
    let third = child_of(&world, &second, 0, 1_000);
    assert_eq!(test(&world, &[first.clone(), second.clone()]).error, None);
    let all = [first, second, third];
    assert_eq!(refused(&world, &all), "too-large-cluster");
    let Some(PackageError::TooLargeCluster { cause }) = test(&world, &all).error else { panic!("it is another error") };
    assert_eq!(*cause, RejectReason::TooLargeCluster { rule: ClusterLimit::Count, value: 65, limit: 64 });
}

#[test]
fn dust_is_spent_by_the_child() {
    let limits = MempoolLimits { minimum_rate: FeeRate::ZERO, ..MempoolLimits::default() };
    let mut world = World::with(Network::demo(), limits);
    let coins = world.fund(1);
    let parent = world.sign(unsigned(&coins, vec![pay(COIN - 200), pay(200)]));
    let known = std::slice::from_ref(&parent);
    let leaves = child_of(&world, &parent, 0, 1_000);
    let report = test(&world, &[parent.clone(), leaves]);
    let [None, Some(Err(reason))] = report.verdicts.as_slice() else { panic!("{report:?}") };
    assert_eq!(reason.reject_reason(), "missing-ephemeral-spends");
    let both = unsigned(&[output(&parent, 0), output(&parent, 1)], vec![pay(COIN - 1_000)]);
    assert_eq!(both.output[0].script_pubkey, own_script());
    let both = world.sign_with(both, known);
    assert!(test(&world, &[parent, both]).verdicts.iter().all(|verdict| matches!(verdict, Some(Ok(_)))));
}
