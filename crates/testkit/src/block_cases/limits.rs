//! What a block may hold at most: signature operations (b15, b16, b31 to b41, b73 to b76) and weight (b23 to b25).

use mycoin_primitives::bitcoin::opcodes::all::{
    OP_CHECKMULTISIG, OP_CHECKMULTISIGVERIFY, OP_CHECKSIG, OP_CHECKSIGVERIFY, OP_ENDIF, OP_IF, OP_PUSHDATA4, OP_RETURN,
};
use mycoin_primitives::bitcoin::opcodes::{OP_0, OP_TRUE, Opcode};
use mycoin_primitives::{Amount, ScriptBuf, Transaction, TxOut};

use super::Story;
use super::lab::seal;
use super::lock::{Condition, Lock, Owned, Payment};
use super::story::Teller;

const ANYONE: Lock = Lock::Bare(Condition::Anyone);

/// How many signature operations outside of witnesses a block may have: 80,000 / 4.
const LEGACY: usize = 20_000;

const TOO_MANY: &str = "bad-blk-sigops";

fn repeated(opcode: Opcode, times: usize) -> Vec<u8> {
    vec![opcode.to_u8(); times]
}

/// A script that anyone satisfies and that counts operations which it does not execute.
fn uncalled(operations: &[u8]) -> Condition {
    let before = [OP_0.to_u8(), OP_IF.to_u8()];
    let after = [OP_ENDIF.to_u8(), OP_TRUE.to_u8()];
    let script = ScriptBuf::from_bytes([before.as_slice(), operations, after.as_slice()].concat());
    Condition::Script { script, stack: Vec::new() }
}

pub(super) fn signature_operations() -> Story {
    let mut teller = Teller::new("signature_operations", 40);
    in_outputs(&mut teller);
    in_script_hashes(&mut teller);
    in_witnesses(&mut teller);
    teller.end()
}

fn in_outputs(teller: &mut Teller) {
    let oversize_push = |bytes: u32| [vec![OP_PUSHDATA4.to_u8()], bytes.to_le_bytes().to_vec()].concat();
    let checksigs = |count| repeated(OP_CHECKSIG, count);
    let cases: [(&str, Vec<u8>, bool); 14] = [
        ("b15", checksigs(LEGACY), true),
        ("b16", checksigs(LEGACY + 1), false),
        ("b31", [repeated(OP_CHECKMULTISIG, LEGACY / 20 - 1), checksigs(20)].concat(), true),
        ("b32", [repeated(OP_CHECKMULTISIG, LEGACY / 20), checksigs(1)].concat(), false),
        ("b33", repeated(OP_CHECKMULTISIGVERIFY, LEGACY / 20), true),
        ("b34", repeated(OP_CHECKMULTISIGVERIFY, LEGACY / 20 + 1), false),
        ("b35", repeated(OP_CHECKSIGVERIFY, LEGACY), true),
        ("b36", repeated(OP_CHECKSIGVERIFY, LEGACY + 1), false),
        // A push of 521 bytes could never run, but it can be parsed: what stands behind it counts.
        ("b73", [checksigs(LEGACY), oversize_push(521), vec![0; 521], checksigs(1)].concat(), false),
        ("b74", [checksigs(LEGACY + 1), oversize_push(u32::MAX - 1)].concat(), false),
        ("b75", [checksigs(LEGACY), oversize_push(u32::MAX), checksigs(1)].concat(), true),
        ("b76", [checksigs(LEGACY), oversize_push(521), checksigs(521)].concat(), true),
        (
            "numbers before OP_CHECKMULTISIG do not count in an output",
            { [[0x51, 0xae].repeat(LEGACY / 20), checksigs(1)].concat() },
            false,
        ),
        ("the same at the limit", [0x51, 0xae].repeat(LEGACY / 20), true),
    ];
    for (name, script, holds) in cases {
        let out = teller.out();
        let tx = teller.lab.pay_script(&out, ScriptBuf::from_bytes(script));
        if holds {
            teller.accept_next(name, vec![tx]);
        } else {
            teller.reject_next(name, vec![tx], TOO_MANY);
        }
    }
    // The coinbase's own scripts count too.
    let coinbase = teller.lab.mine_changed(teller.tip(), Vec::new(), |block| {
        block.txdata[0].output[0].script_pubkey = ScriptBuf::from_bytes(checksigs(LEGACY + 1));
    });
    teller.reject("operations in the coinbase's output", &coinbase, TOO_MANY);
}

/// So many outputs of one transaction, each locked by `lock`.
fn split(teller: &mut Teller, lock: &Lock, count: usize) -> (Transaction, Vec<Owned>) {
    let out = teller.out();
    let mut payment = Payment::of(vec![out]);
    for _ in 0..count {
        payment = payment.pay(lock.script(), Amount::from_sat(10_000));
    }
    let tx = payment.sign();
    let outputs = (0..count).map(|vout| Owned::output(&tx, u32::try_from(vout).expect("few"), lock.clone())).collect();
    (tx, outputs)
}

fn gather(outputs: Vec<Owned>, script: Vec<u8>) -> Transaction {
    Payment::of(outputs).pay(ScriptBuf::from_bytes(script), Amount::from_sat(1_000)).sign()
}

/// 40 inputs of 500 operations each are all that a block takes.
fn in_script_hashes(teller: &mut Teller) {
    let lock = Lock::ScriptHash(uncalled(&repeated(OP_CHECKMULTISIG, 25)));
    let (tx, outputs) = split(teller, &lock, 41);
    teller.accept_next("b39", vec![tx]);
    let one_more = gather(outputs[..40].to_vec(), repeated(OP_CHECKSIG, 1));
    teller.reject_next("b40", vec![one_more], TOO_MANY);
    let all = gather(outputs.clone(), ANYONE.script().into_bytes());
    teller.reject_next("b40 with another input", vec![all], TOO_MANY);
    let exact = gather(outputs[..40].to_vec(), ANYONE.script().into_bytes());
    teller.accept_next("b41", vec![exact]);
}

/// Within witnesses an operation costs 1, and a block takes 80,000.
fn in_witnesses(teller: &mut Teller) {
    for (name, nested) in [("P2WSH", false), ("P2WSH in P2SH", true)] {
        let lock = |operations: Vec<u8>| {
            let condition = uncalled(&operations);
            if nested { Lock::NestedWitnessScriptHash(condition) } else { Lock::WitnessScriptHash(condition) }
        };
        let (tx, many) = split(teller, &lock(repeated(OP_CHECKMULTISIG, 199)), 20);
        let (rest_tx, rest) = split(teller, &lock(repeated(OP_CHECKMULTISIG, 20)), 1);
        let (one_tx, one) = split(teller, &lock(repeated(OP_CHECKSIG, 1)), 2);
        let (key_tx, key) = split(teller, &Lock::WitnessKeyHash(9), 1);
        teller.accept_next(&format!("outputs for {name}"), vec![tx, rest_tx, one_tx, key_tx]);
        let script = || ANYONE.script().into_bytes();
        let over = gather([many.clone(), rest.clone(), one[..1].to_vec()].concat(), script());
        teller.reject_next(&format!("80,001 in {name}"), vec![over], TOO_MANY);
        let over = gather([many.clone(), rest.clone(), key.clone()].concat(), script());
        teller.reject_next(&format!("80,000 in {name} and a P2WPKH input"), vec![over], TOO_MANY);
        let over = gather([many.clone(), rest.clone()].concat(), repeated(OP_CHECKSIG, 1));
        teller.reject_next(&format!("80,000 in {name} and one outside"), vec![over], TOO_MANY);
        let exact = gather([many, rest].concat(), script());
        teller.accept_next(&format!("80,000 in {name}"), vec![exact]);
        let last = gather([one, key].concat(), repeated(OP_CHECKSIG, LEGACY - 1));
        teller.accept_next(&format!("79,999 of {name}, P2WPKH and outputs"), vec![last]);
    }
}

pub(super) fn sizes() -> Story {
    let mut teller = Teller::new("sizes", 12);
    for (name, weight, reason) in [
        ("b24", 4_000_004, Some("bad-blk-length")),
        ("b23", 4_000_000, None),
        ("3,999,996 without witnesses", 3_999_996, None),
    ] {
        let out = teller.out();
        let mut tx = teller.lab.pay(&out, ANYONE);
        tx.output.push(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new() });
        let pad = |tx: &mut Transaction, bytes| {
            tx.output[1].script_pubkey = ScriptBuf::from_bytes(vec![OP_RETURN.to_u8(); bytes])
        };
        pad(&mut tx, 900_000);
        let mut block = teller.lab.draft(teller.tip(), vec![tx]);
        let missing = (weight - block.weight().to_wu()) / 4;
        pad(&mut block.txdata[1], 900_000 + usize::try_from(missing).expect("less than a block"));
        seal(&mut block);
        assert_eq!(block.weight().to_wu(), weight, "the padding fits");
        let block = teller.lab.solve(block);
        match reason {
            Some(reason) => {
                teller.reject(name, &block, reason);
                let child = teller.lab.mine(block.block_hash(), Vec::new());
                // It failed before its header was placed.
                teller.reject("b25", &child, "prev-blk-not-found");
            }
            None => teller.accept(name, &block),
        }
    }
    with_witnesses(&mut teller);
    teller.end()
}

fn with_witnesses(teller: &mut Teller) {
    let lock = Lock::FutureWitness { version: 2, bytes: 32 };
    for (name, weight, reason) in [
        ("4,000,001 with witnesses", 4_000_001, Some("bad-blk-weight")),
        ("4,000,000 with witnesses", 4_000_000, None),
        ("3,999,999 with witnesses", 3_999_999, None),
    ] {
        let out = teller.out();
        let tx = teller.lab.pay(&out, lock.clone());
        let owned = Owned::output(&tx, 0, lock.clone());
        teller.accept_next(&format!("output for {name}"), vec![tx]);
        let mut spend = teller.lab.pay(&owned, ANYONE);
        let first = 3_900_000;
        spend.input[0].witness.push(vec![0; first]);
        let mut block = teller.lab.draft(teller.tip(), vec![spend]);
        seal(&mut block);
        let missing = usize::try_from(weight - block.weight().to_wu()).expect("less than a block");
        block.txdata[1].input[0].witness.clear();
        block.txdata[1].input[0].witness.push(vec![0; first + missing]);
        seal(&mut block);
        assert_eq!(block.weight().to_wu(), weight, "the padding fits");
        let block = teller.lab.solve(block);
        match reason {
            Some(reason) => teller.reject(name, &block, reason),
            None => teller.accept(name, &block),
        }
    }
}
