//! The same root for another body, the same bytes written otherwise: b52, b56, b57, b64, b71, b72; `p2p_invalid_block.py`.

use std::sync::Arc;

use mycoin_primitives::{Amount, Block, Transaction};

use super::Story;
use super::lock::{Condition, Lock, Owned};
use super::story::Teller;
use super::wire::wire_bytes;

const ANYONE: Lock = Lock::Bare(Condition::Anyone);
const DUPLICATE: &str = "bad-txns-duplicate";

pub(super) fn duplicates() -> Story {
    let mut teller = Teller::new("duplicates", 30);
    merkle_duplicates(&mut teller);
    encodings(&mut teller);
    double_spends(&mut teller);
    altered_bodies(&mut teller);
    teller.end()
}

/// The block with its last transactions repeated behind it, under the same header.
fn with_tail_repeated(block: &Block, count: usize) -> Arc<Block> {
    let mut longer = block.clone();
    longer.txdata.extend_from_within(block.txdata.len() - count..);
    Arc::new(longer)
}

/// A transaction and others that each spend the one before.
fn chained(teller: &mut Teller, count: usize) -> Vec<Transaction> {
    let mut txs = vec![teller.spend()];
    while txs.len() < count {
        let last = Owned::output(&txs[txs.len() - 1], 0, ANYONE);
        txs.push(teller.lab.pay(&last, ANYONE));
    }
    txs
}

fn merkle_duplicates(teller: &mut Teller) {
    let txs = chained(teller, 2);
    let twice = vec![txs[0].clone(), txs[1].clone(), txs[1].clone()];
    teller.reject_next("b52", twice, DUPLICATE);
    for (names, count, tail) in [(["b56", "b57"], 2, 1), (["b56p2", "b57p2"], 5, 2), (["b71", "b72"], 2, 1)] {
        let txs = chained(teller, count);
        let block = teller.lab.mine(teller.tip(), txs);
        let longer = with_tail_repeated(&block, tail);
        assert_eq!(longer.header.merkle_root, longer.compute_merkle_root().expect("it has transactions"));
        teller.reject(names[0], &longer, DUPLICATE);
        teller.reject(&format!("{} again", names[0]), &longer, DUPLICATE);
        teller.accept(names[1], &block);
    }
    // The same transaction twice, but not as neighbours under one parent: the root is another, and the second spend fails.
    let txs = chained(teller, 2);
    let apart = vec![txs[0].clone(), txs[1].clone(), txs[0].clone()];
    teller.reject_next("a transaction twice with another between", apart, "bad-txns-inputs-missingorspent");
    let block = teller.lab.mine_changed(teller.tip(), Vec::new(), |block| {
        let coinbase = block.txdata[0].clone();
        block.txdata.push(coinbase);
    });
    teller.reject("the coinbase twice", &block, DUPLICATE);
    teller.accept_next("the transactions once", txs);
}

/// b64a writes the number of transactions in nine bytes.
fn encodings(teller: &mut Teller) {
    let spend = teller.spend();
    let b64 = teller.lab.mine(teller.tip(), vec![spend]);
    let bytes = wire_bytes(&b64);
    let (header, rest) = (&bytes[..80], &bytes[81..]);
    for (name, count) in [
        ("b64a", vec![0xff, 2, 0, 0, 0, 0, 0, 0, 0]),
        ("b64a with five bytes", vec![0xfe, 2, 0, 0, 0]),
        ("b64a with three bytes", vec![0xfd, 2, 0]),
    ] {
        teller.undecodable(name, [header, &count, rest].concat());
    }
    teller.undecodable("a byte is missing", bytes[..bytes.len() - 1].to_vec());
    teller.undecodable("a header alone", header.to_vec());
    // After the version of the first transaction: the marker and a flag of no meaning, then the flag of no witnesses.
    let tx = 81 + 4;
    teller.undecodable("serialization flag 2", [&bytes[..tx], &[0, 2], &bytes[tx..]].concat());
    let empty_witness = {
        let coinbase_end = 81 + b64.txdata[0].total_size();
        let lock_time = coinbase_end - 4;
        [&bytes[..tx], &[0, 1], &bytes[tx..lock_time], &[0], &bytes[lock_time..]].concat()
    };
    teller.undecodable("superfluous witness record", empty_witness);
    teller.accept("b64", &b64);
}

/// CVE-2018-17144, within a transaction and within a block.
fn double_spends(teller: &mut Teller) {
    let out = teller.out();
    let mut tx = teller.lab.pay(&out, ANYONE);
    let input = tx.input[0].clone();
    tx.input.push(input);
    teller.reject_next("the same output twice in a transaction", vec![tx.clone()], "bad-txns-inputs-duplicate");
    tx.output[0].value = out.output.value + out.output.value;
    teller.reject_next("the same, paying both", vec![tx], "bad-txns-inputs-duplicate");
    let first = teller.lab.pay(&out, ANYONE);
    let mut second = first.clone();
    second.output[0].value -= Amount::ONE_SAT;
    let both = vec![first.clone(), second];
    teller.reject_next("the same output in two transactions", both, "bad-txns-inputs-missingorspent");
    teller.accept_next("one of them", vec![first]);
}

/// What a hostile peer can do to a good block on its way must not harm the block.
fn altered_bodies(teller: &mut Teller) {
    let txs = chained(teller, 3);
    let block = teller.lab.mine(teller.tip(), txs);
    let altered = |change: &dyn Fn(&mut Block)| {
        let mut other = block.as_ref().clone();
        change(&mut other);
        Arc::new(other)
    };
    let wrong = "bad-txnmrklroot";
    teller.reject("last transaction left out", &altered(&|block| drop(block.txdata.pop())), wrong);
    teller.reject("transactions in another order", &altered(&|block| block.txdata.swap(1, 2)), wrong);
    teller.reject("an output altered", &altered(&|block| block.txdata[2].output[0].value = Amount::ZERO), wrong);
    teller.reject("no transactions", &altered(&|block| block.txdata.clear()), wrong);
    teller.accept("the honest body after all of them", &block);
}
