//! Headers: b47 to b50, b53 to b55, b48p and b_v1 of `feature_block.py`.

use std::sync::Arc;

use mycoin_consensus::MAX_FUTURE_BLOCK_TIME;
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::hashes::Hash;
use mycoin_primitives::{Block, CompactTarget, Target, TxMerkleNode};

use super::Story;
use super::lab::seal;
use super::story::Teller;

/// How long the block from the future has to wait, in seconds.
const WAIT: u32 = 30;

pub(super) fn headers(now: u32) -> Story {
    let mut teller = Teller::new("headers", 8);
    targets(&mut teller);
    times(&mut teller);
    versions(&mut teller);
    bodies_of_others(&mut teller);
    future(&mut teller, now);
    teller.end()
}

/// A block on the tip whose header was changed before it was solved.
fn with_header(teller: &mut Teller, change: impl FnOnce(&mut Block)) -> Arc<Block> {
    let mut block = teller.lab.draft(teller.tip(), Vec::new());
    seal(&mut block);
    change(&mut block);
    teller.lab.solve(block)
}

fn both(teller: &mut Teller, name: &str, block: &Arc<Block>, reason: &str) {
    teller.reject_header(&format!("{name}, its header"), block.header, reason);
    teller.reject(name, block, reason);
}

fn targets(teller: &mut Teller) {
    let mut b47 = teller.lab.draft(teller.tip(), Vec::new());
    seal(&mut b47);
    let target = b47.header.target();
    while target.is_met_by(b47.header.block_hash()) {
        b47.header.nonce += 1;
    }
    both(teller, "b47", &Arc::new(b47.clone()), "high-hash");
    let b50 = with_header(teller, |block| {
        block.header.bits = CompactTarget::from_consensus(block.header.bits.to_consensus() - 1);
    });
    both(teller, "b50", &b50, "bad-diffbits");
    for (name, bits) in [
        ("target above the limit", 0x2100_ffff),
        ("target of zero", 0x2000_0000),
        ("negative target", 0x2080_ffff),
        ("target of no bits", 0),
        ("target of more than 256 bits", 0x2300_ffff),
    ] {
        let mut block = b47.clone();
        block.header.bits = CompactTarget::from_consensus(bits);
        both(teller, name, &Arc::new(block), "high-hash");
    }
    let harder = with_header(teller, |block| block.header.bits = Target::MAX_ATTAINABLE_REGTEST.to_compact_lossy());
    teller.accept("the network's limit", &harder);
}

fn times(teller: &mut Teller) {
    let fork = teller.tip();
    let b44 = teller.accept_next("b44's place", Vec::new());
    let b53 = teller.lab.mine(fork, Vec::new());
    teller.store("b53", &b53);
    let median = teller.lab.median_time_past(b53.block_hash());
    let at = |teller: &mut Teller, time| {
        let mut block = teller.lab.draft(b53.block_hash(), Vec::new());
        seal(&mut block);
        block.header.time = time;
        teller.lab.solve(block)
    };
    let b54 = at(teller, median);
    both(teller, "b54", &b54, "time-too-old");
    let first = at(teller, 0);
    both(teller, "time 0", &first, "time-too-old");
    let last = at(teller, u32::MAX);
    teller.at(0);
    both(teller, "time 2³² - 1", &last, "time-too-new");
    teller.any_time();
    assert_ne!(teller.tip(), b53.block_hash(), "b44 came first: {}", b44.block_hash());
    let b55 = at(teller, median + 1);
    teller.accept("b55", &b55);
}

fn versions(teller: &mut Teller) {
    for (name, version) in [
        ("b_v1", 1),
        ("version 0", 0),
        ("version 2", 2),
        ("version 3", 3),
        ("version -1", -1),
        ("version -2³¹", i32::MIN),
    ] {
        let block = with_header(teller, |block| block.header.version = Version::from_consensus(version));
        both(teller, name, &block, &format!("bad-version(0x{version:08x})"));
    }
    for version in [4, 5, 0x2000_0000, i32::MAX] {
        let block = with_header(teller, |block| block.header.version = Version::from_consensus(version));
        teller.accept(&format!("version {version:#x}"), &block);
    }
}

/// A body that is not the header's says nothing about the header.
fn bodies_of_others(teller: &mut Teller) {
    let good = teller.lab.mine(teller.tip(), Vec::new());
    let mut bad = good.as_ref().clone();
    bad.txdata[0].output[0].value = mycoin_primitives::Amount::ZERO;
    teller.reject("altered coinbase", &Arc::new(bad), "bad-txnmrklroot");
    teller.accept("the honest body after it", &good);
    let b49 = with_header(teller, |block| {
        let mut root = block.header.merkle_root.to_byte_array();
        root[0] ^= 1;
        block.header.merkle_root = TxMerkleNode::from_byte_array(root);
    });
    teller.reject("b49", &b49, "bad-txnmrklroot");
    teller.reject("b49 again", &b49, "bad-txnmrklroot");
}

fn future(teller: &mut Teller, now: u32) {
    let at = |teller: &mut Teller, time| with_header(teller, |block| block.header.time = time);
    let b48 = at(teller, now + MAX_FUTURE_BLOCK_TIME + WAIT);
    teller.at(now);
    both(teller, "b48", &b48, "time-too-new");
    let b48p = teller.lab.mine(b48.block_hash(), Vec::new());
    teller.reject("b48p before b48", &b48p, "prev-blk-not-found");
    teller.accept_next("a valid block meanwhile", Vec::new());
    teller.at(now + WAIT);
    teller.store("b48 in time", &b48);
    teller.at(now + WAIT + 1);
    teller.accept("b48p", &b48p);
}
