//! Blocks on top of the tip, in order and out of order.

use std::sync::Arc;

use mycoin_chain::{AcceptError, BlockStatus, EntryStatus};
use mycoin_primitives::{Block, BlockUndo, Height, OutPoint};
use mycoin_testkit::builders::{commit, solved};

use crate::help::{
    Folder, NOW, Outcome, accept, assert_equal, builder, expected_steps, feed, fresh, pay_on, payment, status, steps,
};

#[test]
fn a_new_folder_begins_with_genesis_whose_output_is_no_coin() -> Outcome {
    let (_folder, chain) = fresh();
    assert_equal(&chain, &builder(0))?;
    let genesis = chain.network().genesis.hash;
    let block = chain.block(&genesis)?.expect("genesis is stored");
    assert_eq!(chain.coin(&OutPoint { txid: block.txdata[0].compute_txid(), vout: 0 })?, None);
    assert_eq!(chain.undo(&genesis)?, Some(BlockUndo::default()));
    Ok(())
}

#[test]
fn blocks_connect_and_coins_follow() -> Outcome {
    let (_folder, chain) = fresh();
    let mut builder = builder(4);
    let first = payment(&builder, 0, 1_000);
    let outpoint = OutPoint { txid: first.compute_txid(), vout: 0 };
    let second = pay_on(&builder, outpoint, &first.output[0], 1_000);
    builder.mine(vec![first, second]);
    let events = feed(&chain, &builder)?;
    assert_eq!(steps(&events), expected_steps(&builder, 0, &builder)[5..]);
    assert_equal(&chain, &builder)?;
    assert_eq!(chain.coin(&outpoint)?, None, "made and spent in one block");
    for (block, undo) in builder.blocks().iter().zip(builder.undo()) {
        assert_eq!(chain.undo(&block.block_hash())?.as_ref(), Some(undo));
        assert_eq!(chain.block(&block.block_hash())?.as_ref(), Some(block));
    }
    Ok(())
}

/// A block of so many transactions is checked with its coins while it is put on disk.
#[test]
fn a_large_block_connects_or_is_refused_as_a_small_one() -> Outcome {
    let folder = Folder::new();
    let chain = folder.open()?;
    let mut builder = builder(2);
    feed(&chain, &builder)?;
    let mut payments = vec![payment(&builder, 0, 1_000)];
    while payments.len() < 220 {
        let last = &payments[payments.len() - 1];
        let outpoint = OutPoint { txid: last.compute_txid(), vout: 0 };
        payments.push(pay_on(&builder, outpoint, &last.output[0], 1_000));
    }
    let broken = |bend: fn(&mut Block)| {
        let mut block = builder.template(payments.clone());
        bend(&mut block);
        commit(&mut block);
        Arc::new(solved(block))
    };
    let greedy = broken(|block| block.txdata[0].output[0].value += mycoin_primitives::Amount::ONE_SAT);
    let unsigned = broken(|block| block.txdata[220].input[0].witness.clear());
    let error = accept(&chain, &greedy).expect_err("a satoshi too much");
    assert_eq!(error.reject_reason(), "bad-cb-amount");
    assert!(matches!(accept(&chain, &unsigned), Err(AcceptError::Block { .. })));
    assert!(matches!(accept(&chain, &greedy), Err(AcceptError::KnownInvalid { .. })));
    assert_equal(&chain, &builder)?;
    builder.mine(payments);
    assert_eq!(accept(&chain, builder.tip())?.events.len(), 1);
    assert_equal(&chain, &builder)?;
    drop(chain);
    assert_equal(&folder.open()?, &builder)
}

#[test]
fn a_block_is_taken_once() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(2);
    feed(&chain, &builder)?;
    let again = accept(&chain, builder.tip())?;
    assert_eq!((again.status, again.events.len()), (BlockStatus::Known, 0));
    Ok(())
}

#[test]
fn blocks_come_out_of_order_once_their_headers_are_known() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(6);
    let orphan = accept(&chain, builder.tip());
    assert!(matches!(orphan, Err(AcceptError::UnknownParent { .. })));
    let headers: Vec<_> = builder.blocks().iter().skip(1).map(|block| block.header).collect();
    assert_eq!(chain.accept_headers(&headers, NOW)?, 6);
    assert_eq!(chain.accept_headers(&headers, NOW)?, 0);
    assert_eq!((chain.best_header().height, chain.tip().height), (Height::new(6), Height::GENESIS));
    let hashes: Vec<_> = headers.iter().map(|header| header.block_hash()).collect();
    assert_eq!(chain.blocks_wanted(10), hashes);
    assert_eq!(chain.blocks_wanted(2), hashes[..2]);
    for number in [3, 6, 2, 5] {
        assert_eq!(status(accept(&chain, &builder.blocks()[number]))?, BlockStatus::Stored);
    }
    assert_eq!(chain.blocks_wanted(10), [hashes[0], hashes[3]]);
    assert_eq!(chain.header(&hashes[1]).expect("known").status, EntryStatus::Stored);
    assert_eq!(accept(&chain, &builder.blocks()[1])?.events.len(), 3);
    assert_eq!(accept(&chain, &builder.blocks()[4])?.events.len(), 3);
    assert_equal(&chain, &builder)?;
    assert!(chain.blocks_wanted(10).is_empty());
    Ok(())
}

#[test]
fn a_candidate_is_checked_by_all_rules_but_its_work_and_changes_nothing() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(3);
    feed(&chain, &builder)?;
    let template = builder.template(vec![payment(&builder, 0, 1_000)]);
    chain.check_candidate(&template, NOW)?;
    let mut greedy = template.clone();
    greedy.txdata[0].output[0].value += mycoin_primitives::Amount::ONE_SAT;
    commit(&mut greedy);
    let error = chain.check_candidate(&greedy, NOW).expect_err("a satoshi too much");
    assert_eq!(error.reject_reason(), "bad-cb-amount");
    let mut unsigned = template.clone();
    unsigned.txdata[1].input[0].witness.clear();
    commit(&mut unsigned);
    assert!(matches!(chain.check_candidate(&unsigned, NOW), Err(AcceptError::Block { .. })));
    let early = chain.check_candidate(&template, 0).expect_err("two hours ahead of the clock");
    assert_eq!(early.reject_reason(), "time-too-new");
    assert_equal(&chain, &builder)?;
    accept(&chain, &Arc::new(solved(template.clone())))?;
    assert!(matches!(chain.check_candidate(&template, NOW), Err(AcceptError::NotOnTip { .. })));
    Ok(())
}

#[test]
fn a_sound_block_is_told_before_it_is_connected_and_another_body_is_not() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(2);
    let blocks = builder.blocks();
    let mut told = Vec::new();
    let tell = |block: &Arc<Block>| told.push((block.block_hash(), chain.tip().height));
    chain.accept_block_telling(Arc::clone(&blocks[1]), NOW, tell)?;
    assert_eq!(told, [(blocks[1].block_hash(), Height::GENESIS)]);
    assert_eq!(chain.tip().height, Height::new(1));
    let mut others = 0;
    chain.accept_block_telling(Arc::clone(&blocks[1]), NOW, |_| others += 1)?;
    let mut body = blocks[2].as_ref().clone();
    body.txdata.push(body.txdata[0].clone());
    chain.accept_block_telling(Arc::new(body), NOW, |_| others += 1).expect_err("its header has another Merkle root");
    assert_eq!(others, 0, "one was known, one is no block");
    Ok(())
}
