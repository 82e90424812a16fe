//! Branches: the one with the most work, ties, depth, and coins that follow.

use mycoin_chain::{BlockStatus, TipStatus};
use mycoin_primitives::Height;
use mycoin_testkit::builders::ChainBuilder;

use crate::help::{
    Folder, Outcome, accept, assert_equal, builder, expected_steps, feed, fresh, payment, status, steps,
};

/// A chain of `shared` blocks, and two that go on from there with `depth` and `depth + 1` blocks that hold payments.
fn branches(shared: usize, depth: usize) -> (ChainBuilder, ChainBuilder) {
    let mut old = builder(shared);
    let mut new = old.fork(Height::new(u32::try_from(shared).expect("small")));
    for number in 0..depth {
        old.mine(vec![payment(&old, 0, 1_000 + number as u64)]);
    }
    for number in 0..=depth {
        new.mine(vec![payment(&new, 0, 2_000 + number as u64), payment(&new, 1, 3_000)]);
    }
    (old, new)
}

fn reorganise(depth: usize) -> Outcome {
    let (old, new) = branches(3, depth);
    let (_folder, chain) = fresh();
    feed(&chain, &old)?;
    let events = feed(&chain, &new)?;
    assert_eq!(steps(&events), expected_steps(&old, 3, &new));
    assert_equal(&chain, &new)
}

#[test]
fn reorganisation_of_one_block() -> Outcome {
    reorganise(1)
}

#[test]
fn reorganisation_of_six_blocks() -> Outcome {
    reorganise(6)
}

#[test]
fn reorganisation_of_a_hundred_blocks() -> Outcome {
    reorganise(100)
}

#[test]
fn of_two_branches_with_equal_work_the_first_stays_also_after_a_restart() -> Outcome {
    let folder = Folder::new();
    let chain = folder.open()?;
    let old = builder(2);
    let mut new = old.fork(Height::new(1));
    new.mine_empty(1);
    feed(&chain, &old)?;
    assert_eq!(status(accept(&chain, new.tip()))?, BlockStatus::Stored);
    assert_eq!(chain.tip().hash, old.tip().block_hash());
    drop(chain);
    let chain = folder.open()?;
    assert_eq!(chain.tip().hash, old.tip().block_hash());
    let tips: Vec<_> = chain.tips().iter().map(|tip| (tip.hash, tip.branch_length, tip.status)).collect();
    assert!(tips.contains(&(old.tip().block_hash(), 0, TipStatus::Active)));
    assert!(tips.contains(&(new.tip().block_hash(), 1, TipStatus::ValidHeaders)));
    new.mine_empty(1);
    feed(&chain, &new)?;
    assert_equal(&chain, &new)
}

#[test]
fn a_coin_is_spent_by_another_transaction_on_the_other_branch() -> Outcome {
    let mut old = builder(2);
    let mut new = old.fork(Height::new(2));
    let (one, other) = (payment(&old, 0, 1_000), payment(&new, 0, 5_000));
    assert_eq!(one.input[0].previous_output, other.input[0].previous_output);
    old.mine(vec![one]);
    new.mine(vec![other]);
    new.mine_empty(1);
    let (_folder, chain) = fresh();
    feed(&chain, &old)?;
    feed(&chain, &new)?;
    assert_equal(&chain, &new)
}

#[test]
fn any_way_over_branches_ends_as_a_fresh_sync() -> Outcome {
    // A fixed walk: forks at varied depths, blocks given while they do and do not have the most work.
    let (_folder, chain) = fresh();
    let mut tallest = builder(3);
    feed(&chain, &tallest)?;
    for round in 0..12_u32 {
        let height = tallest.blocks().len() as u32 - 1;
        let depth = (round * 7 + 3) % height.min(9) + 1;
        let mut branch = tallest.fork(Height::new(height - depth));
        for number in 0..depth + 1 {
            let coins = branch.spendable().len();
            let transactions = if coins > 1 { vec![payment(&branch, (number as usize) % coins, 500)] } else { vec![] };
            branch.mine(transactions);
            let height = branch.blocks().len();
            accept(&chain, &branch.blocks()[height - 1])?;
            assert_eq!(chain.coin_statistics()?, chain.recount()?);
        }
        tallest = branch;
        assert_eq!(chain.tip().hash, tallest.tip().block_hash());
    }
    assert_equal(&chain, &tallest)
}
