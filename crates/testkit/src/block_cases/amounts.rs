//! What a coinbase may take and outputs may pay: b9 to b14, b57 to b60, b65 to b70 of `feature_block.py`; CVE-2010-5139.

use mycoin_primitives::hashes::Hash;
use mycoin_primitives::{Amount, MAX_MONEY, OutPoint, Txid};

use super::Story;
use super::lock::{Condition, Lock, Owned, Payment};
use super::story::Teller;

const MISSING: &str = "bad-txns-inputs-missingorspent";

const ANYONE: Lock = Lock::Bare(Condition::Anyone);

pub(super) fn amounts() -> Story {
    let mut teller = Teller::new("amounts", 30);
    coinbase_amounts(&mut teller);
    within_a_block(&mut teller);
    fees(&mut teller);
    teller.end()
}

fn coinbase_amounts(teller: &mut Teller) {
    let fork = teller.tip();
    let (spend3, spend4) = (teller.spend(), teller.spend());
    let b6 = teller.accept_next("b6's place", vec![spend3.clone()]);
    let greedy = |teller: &mut Teller, parent, txs, more| {
        teller.lab.mine_changed(parent, txs, |block| block.txdata[0].output[0].value += Amount::from_sat(more))
    };
    let b9 = greedy(teller, b6.block_hash(), vec![spend4.clone()], 1);
    teller.reject("b9", &b9, "bad-cb-amount");
    teller.reject("b9 again", &b9, "duplicate-invalid");
    let b10 = teller.lab.mine(fork, vec![spend3.clone()]);
    teller.store("b10", &b10);
    let b11 = greedy(teller, b10.block_hash(), vec![spend4.clone()], 1);
    teller.reject("b11", &b11, "bad-cb-amount");
    let b12 = teller.lab.mine(fork, vec![spend3]);
    teller.store("b12", &b12);
    let b13 = teller.lab.mine(b12.block_hash(), vec![spend4]);
    let b14 = greedy(teller, b13.block_hash(), Vec::new(), 1);
    teller.header("header of b13", b13.header);
    teller.header("header of b14", b14.header);
    teller.store("b14 before b13", &b14);
    let refused = vec![(b14.block_hash(), "bad-cb-amount".to_owned())];
    teller.accept_and_refuse("b13", &b13, refused);
    let less =
        teller.lab.mine_changed(teller.tip(), Vec::new(), |block| block.txdata[0].output[0].value = Amount::ZERO);
    teller.accept("coinbase that takes nothing", &less);
    let double = greedy(teller, teller.tip(), Vec::new(), 2_500_000_000);
    teller.reject("coinbase that takes far too much", &double, "bad-cb-amount");
}

fn within_a_block(teller: &mut Teller) {
    let out = teller.out();
    let far = Owned { outpoint: OutPoint { vout: 42, ..out.outpoint }, ..out.clone() };
    let tx = teller.lab.pay(&far, ANYONE);
    teller.reject_next("b58", vec![tx], MISSING);
    let value = out.output.value + Amount::ONE_SAT;
    let tx = Payment::of(vec![out.clone()]).pay(ANYONE.script(), value).sign();
    teller.reject_next("b59", vec![tx], "bad-txns-in-belowout");
    let tx = Payment::of(vec![out.clone()]).pay(ANYONE.script(), out.output.value).sign();
    teller.accept_next("b60, no fee", vec![tx]);

    let out = teller.out();
    let first = teller.lab.pay(&out, ANYONE);
    let second = teller.lab.pay(&Owned::output(&first, 0, ANYONE), ANYONE);
    teller.reject_next("b66", vec![second.clone(), first.clone()], MISSING);
    let other = Payment::of(vec![Owned::output(&first, 0, ANYONE)]).pay(ANYONE.script(), Amount::ONE_SAT).sign();
    teller.reject_next("b67", vec![first.clone(), second.clone(), other], MISSING);
    teller.accept_next("b65", vec![first, second]);

    let nothing = Owned { outpoint: OutPoint { txid: Txid::from_byte_array([0x23; 32]), vout: 0 }, ..out };
    let tx = teller.lab.pay(&nothing, ANYONE);
    teller.reject_next("b70", vec![tx], MISSING);
}

fn fees(teller: &mut Teller) {
    let out = teller.out();
    let fee = |sats| out.output.value - Amount::from_sat(sats);
    let nine = Payment::of(vec![out.clone()]).pay(ANYONE.script(), fee(9)).sign();
    let ten = Payment::of(vec![out.clone()]).pay(ANYONE.script(), fee(10)).sign();
    let b68 =
        teller.lab.mine_changed(teller.tip(), vec![nine], |block| block.txdata[0].output[0].value += Amount::ONE_SAT);
    teller.reject("b68", &b68, "bad-cb-amount");
    teller.accept_next("b69", vec![ten]);

    // The coinbase's own sum is bounded too.
    let many = teller.lab.mine_changed(teller.tip(), Vec::new(), |block| {
        let mut output = block.txdata[0].output[0].clone();
        output.value = MAX_MONEY;
        block.txdata[0].output = vec![output.clone(), output];
    });
    teller.reject("coinbase of 2 × MAX_MONEY", &many, "bad-txns-txouttotal-toolarge");
    let big = teller.lab.mine_changed(teller.tip(), Vec::new(), |block| block.txdata[0].output[0].value = MAX_MONEY);
    teller.reject("coinbase of MAX_MONEY", &big, "bad-cb-amount");
}
