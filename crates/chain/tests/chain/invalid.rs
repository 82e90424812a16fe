//! Blocks that break rules, bodies that were altered on the way, and a person's word against a block.

use std::sync::Arc;

use mycoin_chain::{AcceptError, BlockStatus, ChainError, EntryStatus, TipStatus};
use mycoin_consensus::Verdict;
use mycoin_primitives::{Amount, Block, BlockHash, Header, Height, Network, Witness};
use mycoin_storage::{ChainStore, Commit};
use mycoin_testkit::builders::{ChainBuilder, commit, recompute_merkle_root, solved};

use crate::help::{
    Folder, NOW, Outcome, accept, assert_equal, builder, expected_steps, feed, fresh, payment, status, steps,
};

/// The builder's next block, with a coinbase that takes a satoshi too much.
fn greedy(builder: &ChainBuilder) -> Arc<Block> {
    let mut block = builder.template(Vec::new());
    block.txdata[0].output[0].value += Amount::ONE_SAT;
    commit(&mut block);
    Arc::new(solved(block))
}

/// A header on top of `parent` that holds to the header's rules.
fn header_on(parent: &Header) -> Header {
    let header = Header { prev_blockhash: parent.block_hash(), time: parent.time + 60, ..*parent };
    solved(Block { header, txdata: Vec::new() }).header
}

#[test]
fn an_invalid_block_is_remembered_and_nothing_builds_on_it() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(2);
    feed(&chain, &builder)?;
    let bad = greedy(&builder);
    let error = accept(&chain, &bad).expect_err("it takes too much");
    assert_eq!((error.reject_reason().as_str(), error.verdict()), ("bad-cb-amount", Some(Verdict::Invalid)));
    assert!(matches!(accept(&chain, &bad), Err(AcceptError::KnownInvalid { .. })));
    let child = chain.accept_header(header_on(&bad.header), NOW);
    assert!(matches!(child, Err(AcceptError::InvalidParent { .. })));
    assert_eq!(chain.header(&bad.block_hash()).expect("known").status, EntryStatus::Invalid);
    assert_equal(&chain, &builder)
}

#[test]
fn an_invalid_block_in_a_longer_branch_leads_back_to_the_old_tip() -> Outcome {
    let folder = Folder::new();
    let chain = folder.open()?;
    let mut old = builder(1);
    let mut new = old.fork(Height::new(1));
    old.mine(vec![payment(&old, 0, 1_000)]);
    old.mine_empty(1);
    new.mine(vec![payment(&new, 0, 2_000)]);
    new.mine_empty(1);
    feed(&chain, &old)?;
    feed(&chain, &new)?;
    let error = accept(&chain, &greedy(&new)).expect_err("it takes too much");
    assert_eq!(error.verdict(), Some(Verdict::Invalid));
    assert_equal(&chain, &old)?;
    drop(chain);
    let chain = folder.open()?;
    assert_equal(&chain, &old)?;
    assert!(chain.tips().iter().any(|tip| tip.status == TipStatus::Invalid));
    assert!(chain.tips().iter().all(|tip| tip.status != TipStatus::ValidHeaders));
    // The valid part of the branch can still win.
    new.mine_empty(1);
    feed(&chain, &new)?;
    assert_equal(&chain, &new)
}

#[test]
fn an_invalid_block_that_was_stored_early_is_reported_when_it_is_tried() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(2);
    let bad = greedy(&builder);
    for header in builder.blocks().iter().skip(1).map(|block| block.header).chain([bad.header]) {
        chain.accept_header(header, NOW)?;
    }
    assert_eq!(status(accept(&chain, &bad))?, BlockStatus::Stored);
    accept(&chain, &builder.blocks()[1])?;
    let opened = accept(&chain, &builder.blocks()[2])?;
    assert_eq!((opened.status, opened.events.len()), (BlockStatus::Connected, 1));
    assert!(matches!(&opened.refused[..], [AcceptError::Block { hash, .. }] if hash.eq(&bad.block_hash())));
    assert_equal(&chain, &builder)
}

#[test]
fn an_altered_body_does_not_spoil_the_header() -> Outcome {
    let (_folder, chain) = fresh();
    let mut builder = builder(3);
    feed(&chain, &builder)?;
    let honest = builder.mine(vec![payment(&builder, 0, 1_000), payment(&builder, 1, 1_000)]);
    let mut duplicated = Block::clone(&honest);
    duplicated.txdata.push(duplicated.txdata[2].clone());
    let mut stripped = Block::clone(&honest);
    stripped.txdata[1].input[0].witness = Witness::new();
    let mut altered = Block::clone(&honest);
    altered.txdata[0].output[0].value -= Amount::ONE_SAT;
    let mut padded = Block::clone(&honest);
    padded.txdata[0].input[0].witness = Witness::from_slice(&[[1; 32]]);
    for body in [duplicated, stripped, altered, padded] {
        let error = accept(&chain, &Arc::new(body)).expect_err("it is not the honest body");
        assert_eq!(error.verdict(), Some(Verdict::Mutated), "{error}");
    }
    assert_eq!(status(accept(&chain, &honest))?, BlockStatus::Connected);
    assert_equal(&chain, &builder)
}

#[test]
fn a_broken_header_never_enters_the_index() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(2);
    feed(&chain, &builder)?;
    let mut header = builder.tip().header;
    header.prev_blockhash = builder.tip().block_hash();
    while header.target().is_met_by(header.block_hash()) {
        header.nonce += 1;
    }
    let error = chain.accept_header(header, NOW).expect_err("it has no work");
    assert_eq!(error.reject_reason(), "high-hash");
    assert_eq!(chain.header(&header.block_hash()), None);
    let early = chain.accept_header(header_on(&builder.tip().header), 0).expect_err("it is ahead of the clock");
    assert_eq!(early.verdict(), Some(Verdict::RetryLater));
    chain.accept_header(header_on(&builder.tip().header), NOW)?;
    Ok(())
}

#[test]
fn a_block_is_marked_invalid_and_taken_back_by_a_persons_word() -> Outcome {
    let folder = Folder::new();
    let chain = folder.open()?;
    let old = builder(6);
    let mut side = old.fork(Height::new(2));
    side.mine_empty(2);
    feed(&chain, &old)?;
    feed(&chain, &side)?;
    let third = old.blocks()[3].block_hash();
    let events = chain.invalidate(&third)?;
    assert_eq!(steps(&events), expected_steps(&old, 2, &side));
    assert_equal(&chain, &side)?;
    assert!(matches!(accept(&chain, old.tip()), Err(AcceptError::KnownInvalid { .. })));
    drop(chain);
    let chain = folder.open()?;
    assert_equal(&chain, &side)?;
    let events = chain.reconsider(&old.blocks()[5].block_hash())?;
    assert_eq!(steps(&events), expected_steps(&side, 2, &old));
    assert_equal(&chain, &old)?;
    let unknown = chain.invalidate(&BlockHash::from_raw_hash(mycoin_primitives::hashes::Hash::all_zeros()));
    assert!(matches!(unknown, Err(ChainError::UnknownBlock { .. })));
    let genesis = old.blocks()[0].block_hash();
    assert!(matches!(chain.invalidate(&genesis), Err(ChainError::GenesisStays)));
    Ok(())
}

#[test]
fn a_preferred_block_wins_against_equal_work_and_not_against_more() -> Outcome {
    let (_folder, chain) = fresh();
    let first = builder(3);
    let mut second = first.fork(Height::new(1));
    let mut third = second.fork(Height::new(1));
    second.mine_empty(2);
    third.mine_empty(1);
    feed(&chain, &first)?;
    feed(&chain, &second)?;
    feed(&chain, &third)?;
    assert_equal(&chain, &first)?;
    let events = chain.prefer(&second.tip().block_hash())?;
    assert_eq!(steps(&events), expected_steps(&first, 1, &second));
    assert_equal(&chain, &second)?;
    // The last word counts, and less work is not helped by it.
    chain.prefer(&first.tip().block_hash())?;
    assert_equal(&chain, &first)?;
    assert!(chain.prefer(&third.tip().block_hash())?.is_empty());
    assert_equal(&chain, &first)?;
    second.mine_empty(1);
    feed(&chain, &second)?;
    assert!(chain.prefer(&first.tip().block_hash())?.is_empty());
    assert_equal(&chain, &second)
}

#[test]
fn a_merkle_root_of_another_body_is_refused_without_a_mark() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(1);
    feed(&chain, &builder)?;
    let mut block = builder.template(Vec::new());
    recompute_merkle_root(&mut block);
    let header = solved(block.clone()).header;
    let good = Arc::new(Block { header, txdata: block.txdata.clone() });
    block.txdata[0].output[0].value -= Amount::ONE_SAT;
    let error = accept(&chain, &Arc::new(Block { header, txdata: block.txdata })).expect_err("another body");
    assert_eq!(error.reject_reason(), "bad-txnmrklroot");
    assert_eq!(status(accept(&chain, &good))?, BlockStatus::Connected);
    Ok(())
}

/// Writes into a closed folder what the version before kept: another rules version, and a mark on a block.
fn write_old_mark(folder: &Folder, rules: u32, hash: BlockHash) -> Outcome {
    let network = Network::demo();
    let (store, stored) = ChainStore::open(&folder.path(), network.magic.to_bytes(), network.genesis.hash)?;
    let mut record = stored.index.into_iter().find(|record| record.hash == hash).ok_or("the block is in the index")?;
    record.invalid = true;
    store.commit(&Commit { index: vec![record], rules: Some(rules), ..Commit::default() })?;
    store.sync()?;
    Ok(())
}

#[test]
fn marks_that_earlier_rules_left_are_lifted_once() -> Outcome {
    let folder = Folder::new();
    let mut side = builder(2);
    let mut main = side.fork(Height::new(1));
    main.mine_empty(2);
    side.mine_empty(2);
    let chain = folder.open()?;
    feed(&chain, &main)?;
    feed(&chain, &side)?;
    let broken = greedy(&side);
    accept(&chain, &broken).expect_err("it takes too much");
    chain.invalidate(&side.blocks()[2].block_hash())?;
    assert_equal(&chain, &main)?;
    drop(chain);
    // As the present rules left it, nothing is lifted.
    let chain = folder.open()?;
    assert_equal(&chain, &main)?;
    drop(chain);
    // As earlier rules left it, the longer branch is judged again and wins; what breaks today's rules is not taken for it.
    write_old_mark(&folder, 0, side.blocks()[2].block_hash())?;
    let chain = folder.open()?;
    assert_equal(&chain, &side)?;
    assert!(accept(&chain, &broken).is_err());
    assert_equal(&chain, &side)?;
    drop(chain);
    // Only once: a mark that is made now stays.
    let chain = folder.open()?;
    chain.invalidate(&side.blocks()[2].block_hash())?;
    drop(chain);
    let chain = folder.open()?;
    assert_equal(&chain, &main)?;
    assert_eq!(chain.header(&broken.block_hash()).expect("known").status, EntryStatus::Invalid);
    Ok(())
}
