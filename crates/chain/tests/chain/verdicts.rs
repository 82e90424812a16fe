//! What was found good once is not run again, and is taken for nothing else.
//!
//! Each test hands in a transaction whose signature is bad. With a verdict noted under exactly its key its block connects, which
//! shows that the memory is asked; under any other key the block is refused.

use std::sync::Arc;

use mycoin_chain::{BlockStatus, Chain, ChainOptions, SignatureCache};
use mycoin_consensus::{HeaderBranch as _, VerdictKey, script_flags, verdict_key};
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::{Amount, Block, Network, Sequence, Transaction, TxOut, Witness};
use mycoin_script::ScriptFlags;
use mycoin_testkit::builders::{ChainBuilder, TxBuilder, solved};

use crate::help::{Folder, NOW, Outcome, accept, builder, feed, fresh, payment, status};

/// A payment whose signature is bad, and the output that it spends.
fn forged(builder: &ChainBuilder) -> (Transaction, TxOut) {
    let (_, coin) = builder.spendable().swap_remove(0);
    let mut tx = payment(builder, 0, 1_000);
    let mut signature = tx.input[0].witness[0].to_vec();
    signature[40] ^= 1;
    tx.input[0].witness = Witness::from_slice(&[signature]);
    (tx, coin.output)
}

fn flags(builder: &ChainBuilder) -> ScriptFlags {
    script_flags(builder.network(), builder.tip_height().next())
}

fn block_with(builder: &ChainBuilder, tx: &Transaction) -> Arc<Block> {
    Arc::new(solved(builder.template(vec![tx.clone()])))
}

/// A chain that remembers one verdict, and a block with a forged payment.
fn judged(key: impl Fn(&Transaction, &TxOut, ScriptFlags) -> VerdictKey) -> Result<BlockStatus, String> {
    let (_folder, chain) = fresh();
    let builder = builder(3);
    feed(&chain, &builder).expect("the builder's blocks are valid");
    let (tx, spent) = forged(&builder);
    chain.note_verified(key(&tx, &spent, flags(&builder)));
    status(accept(&chain, &block_with(&builder, &tx))).map_err(|error| error.reject_reason())
}

fn assert_refused(judged: Result<BlockStatus, String>) {
    let reason = judged.expect_err("its signature is bad");
    assert!(reason.contains("script-verify-flag-failed"), "{reason}");
}

#[test]
fn the_memory_is_asked() {
    let exact = judged(|tx, spent, flags| verdict_key(tx.compute_wtxid(), std::slice::from_ref(spent), flags));
    assert_eq!(exact, Ok(BlockStatus::Connected));
}

#[test]
fn a_verdict_is_not_taken_for_another_witness() {
    assert_refused(judged(|tx, spent, flags| {
        let mut honest = tx.clone();
        let mut signature = honest.input[0].witness[0].to_vec();
        signature[40] ^= 1;
        honest.input[0].witness = Witness::from_slice(&[signature]);
        assert_eq!(honest.compute_txid(), tx.compute_txid());
        verdict_key(honest.compute_wtxid(), std::slice::from_ref(spent), flags)
    }));
}

#[test]
fn a_verdict_is_not_taken_for_another_heights_rules() {
    // As if the block before an activation had judged it.
    assert_refused(judged(|tx, spent, flags| {
        let before = flags.without(ScriptFlags::TAPROOT);
        assert_ne!(before, flags);
        verdict_key(tx.compute_wtxid(), std::slice::from_ref(spent), before)
    }));
}

#[test]
fn a_verdict_is_not_taken_for_another_amount_or_script() {
    assert_refused(judged(|tx, spent, flags| {
        let more = TxOut { value: spent.value + Amount::ONE_SAT, ..spent.clone() };
        verdict_key(tx.compute_wtxid(), &[more], flags)
    }));
    assert_refused(judged(|tx, spent, flags| {
        let other = TxOut { script_pubkey: mycoin_testkit::keys::Key::taproot(9).script(), ..spent.clone() };
        verdict_key(tx.compute_wtxid(), &[other], flags)
    }));
}

#[test]
fn a_failure_is_never_remembered_for_either_outcome() -> Outcome {
    let signatures = Arc::new(SignatureCache::new(100, [7; 32]));
    let folder = Folder::new();
    let options = ChainOptions { signatures: Some(signatures), ..ChainOptions::default() };
    let chain = Chain::open(&folder.path(), Network::demo(), options)?;
    let builder = builder(3);
    feed(&chain, &builder)?;
    let (tx, _) = forged(&builder);
    let template = builder.template(vec![tx.clone()]);
    for _ in 0..2 {
        let refused = chain.check_candidate(&template, NOW).expect_err("its signature is bad");
        assert!(refused.reject_reason().contains("script-verify-flag-failed"), "{refused}");
    }
    accept(&chain, &block_with(&builder, &tx)).expect_err("its signature is bad");
    // The honest one of the same id is not held to that failure; its valid signature may be met twice.
    let honest = payment(&builder, 0, 1_000);
    assert_eq!(honest.compute_txid(), tx.compute_txid());
    chain.check_candidate(&builder.template(vec![honest.clone()]), NOW)?;
    assert_eq!(status(accept(&chain, &block_with(&builder, &honest)))?, BlockStatus::Connected);
    Ok(())
}

#[test]
fn a_verdict_says_nothing_about_lock_times() -> Outcome {
    let (_folder, chain) = fresh();
    let mut builder = builder(3);
    feed(&chain, &builder)?;
    let (outpoint, coin) = builder.spendable().swap_remove(0);
    let next = builder.tip_height().next();
    let tx = TxBuilder::new()
        .spend_with_sequence(outpoint, &coin.output, Sequence::ENABLE_LOCKTIME_NO_RBF)
        .pay(builder.key().script(), coin.output.value - Amount::from_sat(1_000))
        .lock_time(LockTime::from_consensus(next.to_u32()))
        .sign(&builder.key());
    chain.note_verified(verdict_key(tx.compute_wtxid(), &[coin.output], flags(&builder)));
    let early = accept(&chain, &block_with(&builder, &tx)).expect_err("it is locked until the block after");
    assert_eq!(early.reject_reason(), "bad-txns-nonfinal");
    accept(&chain, &builder.mine(Vec::new()))?;
    assert_eq!(status(accept(&chain, &builder.mine(vec![tx])))?, BlockStatus::Connected);
    Ok(())
}
