//! Each rule on version 3, at its limit and beyond.

use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::{Amount, OutPoint, TxOut};

use super::*;
use crate::RejectReason;
use crate::test_support::{World, output, pay, unsigned};

/// A signed transaction of version 3 with equal outputs that pays `fee`.
fn truc(world: &World, inputs: &[OutPoint], outputs: u64, fee: u64) -> Transaction {
    let mut tx = world.spend(inputs, outputs, fee);
    tx.version = Version(3);
    world.sign(tx)
}

fn send(world: &mut World, tx: Transaction) -> Transaction {
    world.accept(&tx).expect("the test sends a good transaction");
    tx
}

/// A signed transaction of version 3 with as much data as makes it `vsize` virtual bytes.
fn sized(world: &World, coin: OutPoint, vsize: usize) -> Transaction {
    let with_data = |size: usize| {
        let mut data = vec![0x6a, 0x4d];
        data.extend(u16::try_from(size).expect("it fits a push of two bytes").to_le_bytes());
        data.resize(data.len() + size, 1);
        let held = world.value_of(&coin).expect("the coin is there");
        let data = TxOut { value: Amount::ZERO, script_pubkey: data.into() };
        let mut tx = unsigned(&[coin], vec![pay(held - 10_000), data]);
        tx.version = Version(3);
        world.sign(tx)
    };
    let start = vsize - 300;
    with_data(start + vsize - with_data(start).vsize())
}

fn broken(world: &mut World, tx: &Transaction) -> TrucViolation {
    let reason = world.accept(tx).expect_err("a rule is broken");
    assert_eq!(reason.reject_reason(), "TRUC-violation");
    match reason {
        RejectReason::Truc(violation) => {
            assert_eq!(reason.reject_details(tx), format!("TRUC-violation, {}", violation.message(tx)));
            violation
        }
        other => panic!("{other}"),
    }
}

fn ids(tx: &Transaction) -> (Txid, Wtxid) {
    (tx.compute_txid(), tx.compute_wtxid())
}

#[test]
fn a_pair_waits() {
    let mut world = World::new();
    let coins = world.fund(1);
    let parent = truc(&world, &coins, 1, 1_000);
    let parent = send(&mut world, parent);
    let child = truc(&world, &[output(&parent, 0)], 1, 1_000);
    send(&mut world, child);
    assert_eq!(world.pool.len(), 2);
}

#[test]
fn spends_truc() {
    let mut world = World::new();
    let coins = world.fund(1);
    let parent = truc(&world, &coins, 1, 1_000);
    let parent = send(&mut world, parent);
    let child = world.spend(&[output(&parent, 0)], 1, 1_000);
    let (txid, wtxid) = ids(&parent);
    assert_eq!(broken(&mut world, &child), TrucViolation::SpendsTruc { parent: txid, wtxid });
    world.mine(1);
    send(&mut world, child);
}

#[test]
fn spends_other() {
    let mut world = World::new();
    let coins = world.fund(1);
    let parent = world.send(&coins, 1, 1_000);
    let child = truc(&world, &[output(&parent, 0)], 1, 1_000);
    let (txid, wtxid) = ids(&parent);
    assert_eq!(broken(&mut world, &child), TrucViolation::SpendsOther { parent: txid, wtxid });
}

#[test]
fn too_large() {
    let mut world = World::new();
    let coins = world.fund(1);
    let tx = sized(&world, coins[0], 10_001);
    assert_eq!(broken(&mut world, &tx), TrucViolation::TooLarge { vsize: 10_001, limit: 10_000 });
    let tx = sized(&world, coins[0], 10_000);
    send(&mut world, tx);
}

#[test]
fn child_too_large() {
    let mut world = World::new();
    let coins = world.fund(1);
    let parent = truc(&world, &coins, 1, 1_000);
    let parent = send(&mut world, parent);
    let tx = sized(&world, output(&parent, 0), 1_001);
    assert_eq!(broken(&mut world, &tx), TrucViolation::ChildTooLarge { vsize: 1_001, limit: 1_000 });
    let tx = sized(&world, output(&parent, 0), 1_000);
    send(&mut world, tx);
}

#[test]
fn too_many_ancestors() {
    let mut world = World::new();
    let coins = world.fund(2);
    let parents = [0, 1].map(|index| truc(&world, &coins[index..=index], 1, 1_000));
    let [first, second] = parents.map(|parent| send(&mut world, parent));
    let both = truc(&world, &[output(&first, 0), output(&second, 0)], 1, 1_000);
    assert_eq!(broken(&mut world, &both), TrucViolation::TooManyAncestors);
    let child = truc(&world, &[output(&first, 0)], 1, 1_000);
    let child = send(&mut world, child);
    let grandchild = truc(&world, &[output(&child, 0)], 1, 1_000);
    assert_eq!(broken(&mut world, &grandchild), TrucViolation::TooManyAncestors);
}

#[test]
fn a_sibling_gives_way_to_one_that_pays_for_it() {
    let mut world = World::new();
    let coins = world.fund(1);
    let parent = truc(&world, &coins, 2, 1_000);
    let parent = send(&mut world, parent);
    let sibling = truc(&world, &[output(&parent, 0)], 1, 1_000);
    let sibling = send(&mut world, sibling);
    let poor = truc(&world, &[output(&parent, 1)], 1, 1_010);
    let refused = world.accept(&poor).expect_err("it does not pay for its own relay");
    assert_eq!(refused.reject_reason(), "insufficient fee (including sibling eviction)");
    let tx = truc(&world, &[output(&parent, 1)], 1, 1_011);
    let accepted = world.accept(&tx).expect("it pays for both");
    assert_eq!(accepted.replaced, [sibling.compute_txid()]);
}

#[test]
fn too_many_descendants() {
    // Only a reorganisation leaves two children; then it is not clear which one would give way.
    let mut world = World::new();
    let coins = world.fund(1);
    let parent = truc(&world, &coins, 3, 1_000);
    world.mine_block(vec![parent.clone()]);
    for vout in [0, 1] {
        let child = truc(&world, &[output(&parent, vout)], 1, 1_000);
        send(&mut world, child);
    }
    world.reorganise(1, Vec::new());
    assert_eq!(world.pool.len(), 3);
    let tx = truc(&world, &[output(&parent, 2)], 1, 9_000);
    let (txid, wtxid) = ids(&parent);
    assert_eq!(broken(&mut world, &tx), TrucViolation::TooManyDescendants { parent: txid, wtxid });
}
