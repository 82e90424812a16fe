//! Blocks with several faults, and what stays of a block that was refused: as in Bitcoin Core.

use std::sync::Arc;

use mycoin_chain::{AcceptError, BlockStatus, EntryStatus};
use mycoin_primitives::{Amount, Block, ScriptBuf};
use mycoin_testkit::builders::{ChainBuilder, commit, recompute_merkle_root, solved};

use crate::help::{NOW, Outcome, accept, builder, feed, fresh, status};

/// The builder's next block, changed, committed to and mined.
fn changed(builder: &ChainBuilder, change: impl FnOnce(&mut Block)) -> Block {
    let mut block = builder.template(Vec::new());
    change(&mut block);
    commit(&mut block);
    solved(block)
}

fn second_coinbase(block: &mut Block) {
    let mut second = block.txdata[0].clone();
    second.output.truncate(1);
    block.txdata.push(second);
}

fn wrong_height(block: &mut Block) {
    block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(vec![0x60; 4]);
}

fn reason(result: Result<mycoin_chain::Accepted, AcceptError>) -> String {
    result.map_or_else(|error| error.reject_reason(), |accepted| format!("{:?}", accepted.status))
}

/// Source: Bitcoin Core `ProcessNewBlock`, validation.cpp: what fails there by itself is neither placed nor marked.
#[test]
fn a_block_that_breaks_a_rule_alone_leaves_no_trace() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(2);
    feed(&chain, &builder)?;
    let bad = changed(&builder, second_coinbase);
    let header = bad.header;
    let bad = Arc::new(bad);
    for _ in 0..2 {
        assert_eq!(reason(accept(&chain, &bad)), "bad-cb-multiple");
        assert_eq!(chain.header(&header.block_hash()), None);
    }
    // Its header by itself is as good as any, and stays so.
    chain.accept_header(header, NOW)?;
    assert_eq!(reason(accept(&chain, &bad)), "bad-cb-multiple");
    assert_ne!(chain.header(&header.block_hash()).expect("known").status, EntryStatus::Invalid);
    Ok(())
}

/// Source: Bitcoin Core `AcceptBlock`, validation.cpp.
#[test]
fn a_block_that_breaks_a_rule_in_context_is_marked() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(2);
    feed(&chain, &builder)?;
    let bad = Arc::new(changed(&builder, wrong_height));
    assert_eq!(reason(accept(&chain, &bad)), "bad-cb-height");
    assert_eq!(reason(accept(&chain, &bad)), "duplicate-invalid");
    assert_eq!(chain.header(&bad.block_hash()).expect("known").status, EntryStatus::Invalid);
    // Even then another body is judged by itself first.
    let mut altered = Block::clone(&bad);
    second_coinbase(&mut altered);
    assert_eq!(reason(accept(&chain, &Arc::new(altered))), "bad-txnmrklroot");
    Ok(())
}

#[test]
fn a_body_is_judged_before_its_headers_place() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(2);
    feed(&chain, &builder)?;
    let mut orphan = changed(&builder, second_coinbase);
    orphan.header.prev_blockhash = orphan.block_hash();
    let orphan = Arc::new(solved(orphan));
    assert_eq!(reason(accept(&chain, &orphan)), "bad-cb-multiple");
    let mut late = changed(&builder, second_coinbase);
    late.header.time = 0;
    assert_eq!(reason(accept(&chain, &Arc::new(solved(late.clone())))), "bad-cb-multiple");
    // Without a proof of work the body is not looked at.
    while late.header.target().is_met_by(late.block_hash()) {
        late.header.nonce += 1;
    }
    assert_eq!(reason(accept(&chain, &Arc::new(late))), "high-hash");
    Ok(())
}

#[test]
fn another_body_for_a_block_of_the_chain_is_refused_and_the_honest_one_is_known() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(2);
    feed(&chain, &builder)?;
    let mut altered = Block::clone(builder.tip());
    altered.txdata[0].output[0].value -= Amount::ONE_SAT;
    assert_eq!(reason(accept(&chain, &Arc::new(altered))), "bad-txnmrklroot");
    assert_eq!(status(accept(&chain, builder.tip()))?, BlockStatus::Known);
    assert_eq!(status(accept(&chain, &builder.blocks()[0]))?, BlockStatus::Known);
    Ok(())
}

/// Source: Bitcoin Core `TestBlockValidity`, validation.cpp.
#[test]
fn a_candidate_is_judged_by_itself_then_its_header_then_in_context() -> Outcome {
    let (_folder, chain) = fresh();
    let builder = builder(2);
    feed(&chain, &builder)?;
    let candidate = |change: &dyn Fn(&mut Block)| {
        let mut block = builder.template(Vec::new());
        change(&mut block);
        recompute_merkle_root(&mut block);
        chain.check_candidate(&block, NOW).map_or_else(|error| error.reject_reason(), |()| String::new())
    };
    assert_eq!(candidate(&|_| {}), "");
    let late = |block: &mut Block| block.header.time = 0;
    let both = |block: &mut Block| {
        late(block);
        second_coinbase(block);
    };
    assert_eq!(candidate(&both), "bad-cb-multiple");
    let both = |block: &mut Block| {
        late(block);
        wrong_height(block);
    };
    assert_eq!(candidate(&both), "time-too-old");
    assert_eq!(candidate(&wrong_height), "bad-cb-height");
    Ok(())
}
