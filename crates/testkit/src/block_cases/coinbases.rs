//! Coinbases: b26 to b30, b45, b46, b51, b61, b_cb34 of `feature_block.py`.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::{OutPoint, ScriptBuf, Sequence};

use super::Story;
use super::lab::{Draft, seal};
use super::lock::{Condition, Lock, Owned};
use super::story::Teller;

const ANYONE: Lock = Lock::Bare(Condition::Anyone);

pub(super) fn coinbases() -> Story {
    let mut teller = Teller::new("coinbases", 12);
    lengths(&mut teller);
    heights(&mut teller);
    places(&mut teller);
    finality(&mut teller);
    teller.end()
}

/// The coinbase's script with so many bytes: cut, or padded behind the height.
fn with_length(bytes: usize) -> impl FnOnce(&mut Draft) {
    move |block: &mut Draft| {
        let mut script = block.txdata[0].input[0].script_sig.to_bytes();
        script.resize(bytes, 0);
        block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(script);
    }
}

fn lengths(teller: &mut Teller) {
    for (name, bytes) in [("b26", 1), ("b28", 101), ("coinbase script of no bytes", 0)] {
        let block = teller.lab.mine_changed(teller.tip(), Vec::new(), with_length(bytes));
        teller.reject(name, &block, "bad-cb-length");
        let child = teller.lab.mine(block.block_hash(), Vec::new());
        // Its parent failed before its header was placed.
        teller.reject(if bytes == 1 { "b27" } else { "b29" }, &child, "prev-blk-not-found");
    }
    let block = teller.lab.mine_changed(teller.tip(), Vec::new(), with_length(100));
    teller.accept("b30", &block);
}

/// Every coinbase begins with its block's height, so that no two are the same.
fn heights(teller: &mut Teller) {
    let parent = teller.tip();
    for (name, script) in [
        ("b_cb34", vec![0x02, 0x00, 0x00, 0x51, 0x51]),
        ("coinbase with the height in four bytes", {
            let height = teller.lab.height(parent).next().to_u32();
            [vec![0x04], height.to_le_bytes().to_vec()].concat()
        }),
        ("coinbase with its parent's height", {
            let height = teller.lab.height(parent).to_u32();
            vec![0x01, u8::try_from(height).unwrap_or(0x7f), 0x51, 0x51]
        }),
    ] {
        let block = teller.lab.mine_changed(parent, Vec::new(), |block| {
            block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(script);
        });
        teller.reject(name, &block, "bad-cb-height");
    }
    let first = teller.accept_next("dup_cb", Vec::new());
    let coinbase = first.txdata[0].clone();
    let block = teller.lab.mine_changed(teller.tip(), Vec::new(), |block| block.txdata[0] = coinbase);
    teller.reject("dup_cb again", &block, "bad-cb-height");
    repeated_ids(teller);
}

/// b61 and b_dup_2 repeat a coinbase's id; since coinbases begin with the height, here a payment's id is repeated.
///
/// BIP30 is asked before anything is spent, so it is what refuses the copy, although the copy's input is gone too.
fn repeated_ids(teller: &mut Teller) {
    let spend = teller.spend();
    teller.accept_next("dup_tx", vec![spend.clone()]);
    teller.reject_next("b61", vec![spend.clone()], "bad-txns-BIP30");
    let onward = teller.lab.pay(&Owned::output(&spend, 0, ANYONE), ANYONE);
    teller.reject_next("b61 behind what spends the first", vec![onward.clone(), spend.clone()], "bad-txns-BIP30");
    teller.accept_next("the first is spent", vec![onward]);
    teller.reject_next("b_dup_2", vec![spend], "bad-txns-inputs-missingorspent");
}

fn places(teller: &mut Teller) {
    let (one, two) = (teller.spend(), teller.spend());
    let b45 = teller.lab.mine_changed(teller.tip(), vec![one.clone()], |block| {
        block.txdata.remove(0);
    });
    teller.reject("b45", &b45, "bad-cb-missing");
    let b46 = teller.lab.mine_changed(teller.tip(), Vec::new(), |block| block.txdata.clear());
    teller.reject("b46", &b46, "bad-blk-length");
    let b51 = teller.lab.mine_changed(teller.tip(), vec![one.clone()], |block| {
        let mut second = block.txdata[0].clone();
        second.output[0].value = mycoin_primitives::Amount::ZERO;
        block.txdata.push(second);
    });
    teller.reject("b51", &b51, "bad-cb-multiple");
    let last =
        teller.lab.mine_changed(teller.tip(), vec![one.clone(), two.clone()], |block| block.txdata.rotate_left(1));
    teller.reject("coinbase as the last transaction", &last, "bad-cb-missing");
    let two_inputs = teller.lab.mine_changed(teller.tip(), vec![one], |block| {
        let mut input = block.txdata[0].input[0].clone();
        input.previous_output = OutPoint { vout: 7, ..OutPoint::null() };
        block.txdata[0].input.push(input);
    });
    teller.reject("coinbase with two inputs", &two_inputs, "bad-cb-missing");
    teller.accept_next("the tip still takes a block", vec![two]);
}

fn finality(teller: &mut Teller) {
    let never = LockTime::from_consensus(u32::MAX);
    let not_final = Sequence::from_consensus(u32::MAX - 1);
    let mut tx = teller.spend();
    tx.lock_time = never;
    tx.input[0].sequence = not_final;
    teller.reject_next("b62", vec![tx.clone()], "bad-txns-nonfinal");
    let b63 = teller.lab.mine_changed(teller.tip(), Vec::new(), |block| {
        block.txdata[0].lock_time = never;
        block.txdata[0].input[0].sequence = not_final;
    });
    teller.reject("b63", &b63, "bad-txns-nonfinal");
    tx.input[0].sequence = Sequence::MAX;
    teller.accept_next("b62, but final by its sequence", vec![tx]);

    type Locked = fn(next_height: u32, past: u32) -> u32;
    let cases: [(&str, Locked, bool); 4] = [
        ("lock time of the block's own height", |next, _| next, false),
        ("lock time of its parent's height", |next, _| next - 1, true),
        ("lock time of the parent's median time past", |_, past| past, false),
        ("lock time a second earlier", |_, past| past - 1, true),
    ];
    for (name, lock_time, is_final) in cases {
        let next = teller.lab.height(teller.tip()).next().to_u32();
        let lock_time = lock_time(next, teller.lab.median_time_past(teller.tip()));
        let mut tx = teller.spend();
        tx.lock_time = LockTime::from_consensus(lock_time);
        tx.input[0].sequence = Sequence::ZERO;
        tx.version = mycoin_primitives::bitcoin::transaction::Version::ONE;
        let mut block = teller.lab.draft(teller.tip(), vec![tx]);
        seal(&mut block);
        let block = teller.lab.solve(block);
        if is_final {
            teller.accept(name, &block);
        } else {
            teller.reject(name, &block, "bad-txns-nonfinal");
        }
    }
}
