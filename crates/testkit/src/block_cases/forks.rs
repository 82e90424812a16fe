//! Which branch wins: the fork cases of `feature_block.py`, a reorganisation of 1,088 blocks, blocks out of order.

use std::sync::Arc;

use mycoin_primitives::{Block, BlockHash, Transaction};

use super::Story;
use super::lock::{Condition, Lock, Owned};
use super::story::{Teller, coinbase_of};

const MISSING: &str = "bad-txns-inputs-missingorspent";

/// How deep Bitcoin Core's test reorganises. Source: `LARGE_REORG_SIZE`, feature_block.py.
const DEEP: usize = 1_088;

/// A block on `parent` that spends these outputs to anyone, in a transaction each.
fn on(teller: &mut Teller, parent: BlockHash, spent: &[&Owned]) -> Arc<Block> {
    let transactions = spent.iter().map(|out| to_anyone(teller, out)).collect();
    teller.lab.mine(parent, transactions)
}

/// A block on `parent` that spends the output otherwise than [`on`] does: a copy would be refused for its id (BIP30).
fn otherwise_on(teller: &mut Teller, parent: BlockHash, spent: &Owned) -> Arc<Block> {
    let tx = teller.lab.pay(spent, Lock::TaprootKey(1));
    teller.lab.mine(parent, vec![tx])
}

fn to_anyone(teller: &Teller, out: &Owned) -> Transaction {
    teller.lab.pay(out, Lock::Bare(Condition::Anyone))
}

fn paid_by(block: &Block) -> Owned {
    Owned::output(&block.txdata[1], 0, Lock::Bare(Condition::Anyone))
}

/// b1 to b8, b17 to b22, b37, b38, b42 to b44, b77 to b89a.
pub(super) fn forks() -> Story {
    let mut teller = Teller::new("forks", 40);
    first_forks(&mut teller);
    spends_across_forks(&mut teller);
    resurrected(&mut teller);
    unspendable_outputs(&mut teller);
    teller.end()
}

fn first_forks(teller: &mut Teller) {
    let outs: Vec<Owned> = (0..8).map(|_| teller.out()).collect();
    let b1 = on(teller, teller.tip(), &[&outs[0]]);
    teller.accept("b1", &b1);
    let b2 = on(teller, b1.block_hash(), &[&outs[1]]);
    teller.accept("b2", &b2);
    teller.known("b2 again", &b2);
    let b3 = on(teller, b1.block_hash(), &[&outs[1]]);
    teller.store("b3", &b3);
    let b4 = on(teller, b3.block_hash(), &[&outs[2]]);
    teller.accept("b4", &b4);
    let b5 = on(teller, b2.block_hash(), &[&outs[2]]);
    teller.store("b5", &b5);
    let b6 = on(teller, b5.block_hash(), &[&outs[3]]);
    teller.accept("b6", &b6);
    // b7 spends again what its parent spent; that shows when b8 makes the branch the longer one.
    let b7 = otherwise_on(teller, b5.block_hash(), &outs[2]);
    teller.store("b7", &b7);
    let b8 = on(teller, b7.block_hash(), &[&outs[4]]);
    teller.store_but_refuse("b8", &b8, &b7, MISSING);
    teller.reject("b7 again", &b7, "duplicate-invalid");
    teller.reject("b8 again", &b8, "duplicate-invalid");
    let b8_child = on(teller, b8.block_hash(), &[]);
    teller.reject("child of b8", &b8_child, "bad-prevblk");
}

/// `b3` stands on a branch that lost, as the last block of such a branch does here.
fn spends_across_forks(teller: &mut Teller) {
    let outs: Vec<Owned> = (0..8).map(|_| teller.out()).collect();
    let fork = teller.tip();
    let lost = on(teller, fork, &[&outs[0]]);
    teller.accept("b3 of a branch that will lose", &lost);
    let b12 = on(teller, fork, &[&outs[1]]);
    teller.store("b12", &b12);
    let b13 = on(teller, b12.block_hash(), &[&outs[2]]);
    teller.accept("b13", &b13);
    let b17 = on(teller, b13.block_hash(), &[&paid_by(&lost)]);
    teller.reject("b17", &b17, MISSING);
    let b15 = on(teller, b13.block_hash(), &[&outs[3]]);
    teller.accept("b15", &b15);
    let b18 = on(teller, b13.block_hash(), &[&paid_by(&lost)]);
    teller.store("b18", &b18);
    let b19 = on(teller, b18.block_hash(), &[&outs[4]]);
    teller.store_but_refuse("b19", &b19, &b18, MISSING);
    let young = coinbase_of(&b13);
    let b20 = on(teller, b15.block_hash(), &[&young]);
    teller.reject("b20", &b20, "bad-txns-premature-spend-of-coinbase");
    let b21 = on(teller, b13.block_hash(), &[&outs[4]]);
    teller.store("b21", &b21);
    let b22 = on(teller, b21.block_hash(), &[&young]);
    teller.reject("b22", &b22, "bad-txns-premature-spend-of-coinbase");
    let b37 = on(teller, b15.block_hash(), &[&outs[5], &outs[5]]);
    teller.reject("b37", &b37, MISSING);
    let b38 = on(teller, b15.block_hash(), &[&paid_by(&b37)]);
    teller.reject("b38", &b38, MISSING);
    let b41 = on(teller, b15.block_hash(), &[&outs[5]]);
    teller.accept("b41's place", &b41);
    let b42 = on(teller, b15.block_hash(), &[&outs[6]]);
    teller.store("b42", &b42);
    let b43 = on(teller, b42.block_hash(), &[&outs[7]]);
    teller.accept("b43", &b43);
    teller.accept_next("b44", Vec::new());
}

/// Transactions that build on each other are taken back with their blocks and mined again on the branch that won.
fn resurrected(teller: &mut Teller) {
    let out = teller.out();
    let tx77 = to_anyone(teller, &out);
    let anyone = || Lock::Bare(Condition::Anyone);
    let b77 = teller.accept_next("b77", vec![tx77.clone()]);
    let tx78 = to_anyone(teller, &Owned::output(&tx77, 0, anyone()));
    teller.accept_next("b78", vec![tx78.clone()]);
    let tx79 = to_anyone(teller, &Owned::output(&tx78, 0, anyone()));
    let b79 = teller.accept_next("b79", vec![tx79.clone()]);
    let b80 = on(teller, b77.block_hash(), &[]);
    teller.store("b80", &b80);
    let b81 = on(teller, b80.block_hash(), &[]);
    teller.store("b81", &b81);
    let b82 = on(teller, b81.block_hash(), &[]);
    teller.accept("b82", &b82);
    let early = teller.lab.mine(b82.block_hash(), vec![tx79.clone()]);
    teller.reject("b82 with tx79 before tx78", &early, MISSING);
    teller.accept_next("b82 with tx78 and tx79 again", vec![tx78, tx79]);
    // The branch that lost cannot win while it is shorter; its transactions are mined twice, once on each branch.
    let back = on(teller, b79.block_hash(), &[]);
    teller.store("back to b79", &back);
    let back = on(teller, back.block_hash(), &[]);
    teller.store("back to b79, same length", &back);
    let back = on(teller, back.block_hash(), &[]);
    teller.accept("back to b79, longer", &back);
}

fn unspendable_outputs(teller: &mut Teller) {
    let (first, second, third) = (teller.out(), teller.out(), teller.out());
    let data = mycoin_primitives::ScriptBuf::from_bytes(vec![0x6a]);
    let mut tx84 = to_anyone(teller, &first);
    let script = tx84.output[0].script_pubkey.clone();
    for (value, script_pubkey) in [(0, data.clone()), (0, script.clone()), (0, script), (7, data)] {
        let value = mycoin_primitives::Amount::from_sat(value);
        tx84.output.push(mycoin_primitives::TxOut { value, script_pubkey });
    }
    tx84.output[0].value -= mycoin_primitives::Amount::from_sat(7);
    let b84 = teller.accept_next("b84", vec![tx84.clone()]);
    let b83 = b84.header.prev_blockhash;
    let b85 = on(teller, b83, &[&second]);
    teller.store("b85", &b85);
    let b86 = on(teller, b85.block_hash(), &[]);
    teller.accept("b86", &b86);
    let b87 = on(teller, b84.block_hash(), &[&third]);
    teller.store("b87", &b87);
    let b88 = on(teller, b87.block_hash(), &[&second]);
    teller.accept("b88", &b88);
    for (name, vout) in [("b89a", 1), ("b89a with an amount", 4)] {
        let burnt = Owned::output(&tx84, vout, Lock::Bare(Condition::Anyone));
        let block = on(teller, teller.tip(), &[&burnt]);
        teller.reject(name, &block, MISSING);
    }
    let good = Owned::output(&tx84, 2, Lock::Bare(Condition::Anyone));
    let block = on(teller, teller.tip(), &[&good]);
    teller.accept("b89 spends the output beside it", &block);
}

/// 1,088 blocks back and forth. The blocks are small: the depth is what counts.
pub(super) fn deep_reorganisation() -> Story {
    let mut teller = Teller::new("deep_reorganisation", 4);
    let fork = teller.tip();
    let (first, second) = (teller.out(), teller.out());
    let mut main = fork;
    for number in 89..89 + DEEP {
        let spent: &[&Owned] = if number == 89 { &[&first] } else { &[] };
        let block = on(&mut teller, main, spent);
        main = block.block_hash();
        teller.accept(&format!("chain1 {number}"), &block);
    }
    let mut alt = fork;
    for number in 89..89 + DEEP {
        let spent: &[&Owned] = if number == 89 { &[&first, &second] } else { &[] };
        let block = on(&mut teller, alt, spent);
        alt = block.block_hash();
        teller.store(&format!("alt{number}"), &block);
    }
    let block = on(&mut teller, alt, &[]);
    teller.accept("alt1177, deeper than any branch before", &block);
    let block = on(&mut teller, main, &[]);
    teller.store("chain1, same length", &block);
    let block = on(&mut teller, block.block_hash(), &[]);
    teller.accept("chain1, longer again", &block);
    teller.end()
}

/// Headers first, then blocks in any order; an invalid block found late; blocks whose parent nobody knows.
pub(super) fn out_of_order() -> Story {
    let mut teller = Teller::new("out_of_order", 12);
    let outs: Vec<Owned> = (0..12).map(|_| teller.out()).collect();
    let mut branch = Vec::new();
    let mut parent = teller.tip();
    for out in &outs[..5] {
        let block = on(&mut teller, parent, &[out]);
        parent = block.block_hash();
        branch.push(block);
    }
    teller.reject("orphan", &branch[2], "prev-blk-not-found");
    teller.reject_header("orphan's header", branch[3].header, "prev-blk-not-found");
    for (number, block) in branch.iter().enumerate() {
        teller.header(&format!("header {number}"), block.header);
    }
    teller.header("header 0 again", branch[0].header);
    for number in [4, 2, 3] {
        teller.store(&format!("block {number} before its parents"), &branch[number]);
    }
    teller.known("block 3 again, still without its parents", &branch[3]);
    teller.accept("block 0", &branch[0]);
    teller.accept_with_tip("block 1 opens the way to 2, 3 and 4", &branch[1], branch[4].block_hash());

    // A heavier branch with an invalid block in its middle, found when its first block comes last.
    let tip = teller.tip();
    let old = on(&mut teller, tip, &[&outs[5]]);
    teller.accept("tip before the bad branch", &old);
    let good = on(&mut teller, tip, &[&outs[6]]);
    let bad = otherwise_on(&mut teller, good.block_hash(), &outs[6]);
    let after = on(&mut teller, bad.block_hash(), &[&outs[7]]);
    let last = on(&mut teller, after.block_hash(), &[&outs[8]]);
    for (name, block) in [("good", &good), ("bad", &bad), ("after", &after), ("last", &last)] {
        teller.header(&format!("header of the bad branch: {name}"), block.header);
    }
    teller.store("after the bad block", &after);
    teller.store("last after the bad block", &last);
    teller.store("bad block without its parent", &bad);
    teller.store_but_refuse("good block leads to the bad one", &good, &bad, MISSING);
    teller.reject("last again", &last, "duplicate-invalid");
    teller.reject_header("header of the bad one again", bad.header, "duplicate-invalid");
    // The good block of that branch can still win.
    let better = on(&mut teller, good.block_hash(), &[&outs[9]]);
    teller.accept("the branch's valid part wins", &better);
    let unknown = on(&mut teller, last.block_hash(), &[]);
    teller.reject("child of the bad branch", &unknown, "bad-prevblk");
    teller.end()
}
