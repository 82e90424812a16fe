//! Witnesses at the limits of their scripts, items and counts, and beyond: `p2p_segwit.py`; BIP342.

use mycoin_primitives::bitcoin::opcodes::OP_TRUE;
use mycoin_primitives::bitcoin::opcodes::all::OP_DROP;
use mycoin_primitives::{ScriptBuf, Witness};

use super::Story;
use super::lock::{Condition, Lock, pushes};
use super::segwit::{failed, output_of};
use super::story::Teller;

const ANYONE: Lock = Lock::Bare(Condition::Anyone);

/// A script of exactly so many bytes that anyone satisfies: pushes, each dropped.
fn long_script(bytes: usize) -> ScriptBuf {
    let push = |len: usize| {
        let len_bytes = u16::try_from(len).expect("up to 520").to_le_bytes();
        [vec![0x4d], len_bytes.to_vec(), vec![1; len], vec![OP_DROP.to_u8()]].concat()
    };
    let mut script = Vec::new();
    while bytes - script.len() > 524 + 10 {
        script.extend(push(520));
    }
    let rest = bytes - script.len() - 1;
    script.extend(push(rest - 4));
    script.push(OP_TRUE.to_u8());
    assert_eq!(script.len(), bytes);
    ScriptBuf::from_bytes(script)
}

pub(super) fn large_witnesses() -> Story {
    let mut teller = Teller::new("large_witnesses", 30);
    for bytes in [10_000, 10_001] {
        for (kind, lock) in
            [("P2WSH", Lock::WitnessScriptHash as fn(Condition) -> Lock), ("nested", Lock::NestedWitnessScriptHash)]
        {
            let lock = lock(Condition::Script { script: long_script(bytes), stack: Vec::new() });
            let name = format!("{kind} script of {bytes} bytes");
            let owned = output_of(&mut teller, &name, &lock);
            let spend = teller.lab.pay(&owned, ANYONE);
            if bytes == 10_000 {
                teller.accept_next(&name, vec![spend]);
            } else {
                teller.reject_next(&name, vec![spend], &failed("Script is too big"));
            }
        }
    }
    item_sizes(&mut teller);
    item_counts(&mut teller);
    large_leaf(&mut teller);
    teller.end()
}

fn drop_all(items: usize) -> ScriptBuf {
    let drops = vec![OP_DROP.to_u8(); items];
    ScriptBuf::from_bytes([drops, vec![OP_TRUE.to_u8()]].concat())
}

fn item_sizes(teller: &mut Teller) {
    for bytes in [520, 521] {
        for (kind, lock) in
            [("P2WSH", Lock::WitnessScriptHash as fn(Condition) -> Lock), ("tapscript", Lock::TaprootScript)]
        {
            let lock = lock(Condition::Script { script: drop_all(1), stack: vec![vec![3; bytes]] });
            let name = format!("{kind} item of {bytes} bytes");
            let owned = output_of(teller, &name, &lock);
            let spend = teller.lab.pay(&owned, ANYONE);
            if bytes == 520 {
                teller.accept_next(&name, vec![spend]);
            } else {
                teller.reject_next(&name, vec![spend], &failed("Push value size limit exceeded"));
            }
        }
    }
}

fn item_counts(teller: &mut Teller) {
    for (name, count, script, error) in [
        ("tapscript with 1,000 items", 1_000, drop_all(1_000), None),
        ("tapscript with 1,001 items", 1_001, drop_all(1_001), Some("Stack size limit exceeded")),
    ] {
        let lock = Lock::TaprootScript(Condition::Script { script, stack: vec![vec![]; count] });
        let owned = output_of(teller, name, &lock);
        let spend = teller.lab.pay(&owned, ANYONE);
        match error {
            None => drop(teller.accept_next(name, vec![spend])),
            Some(text) => drop(teller.reject_next(name, vec![spend], &failed(text))),
        }
    }
    // Nothing bounds the items of a program that has no rules yet but the block's weight.
    let lock = Lock::FutureWitness { version: 9, bytes: 32 };
    let owned = output_of(teller, "500,000 items", &lock);
    let mut spend = teller.lab.pay(&owned, ANYONE);
    spend.input[0].witness = Witness::from_slice(&vec![[0_u8; 1]; 500_000]);
    teller.accept_next("500,000 items", vec![spend]);
}

fn large_leaf(teller: &mut Teller) {
    for (name, script) in [
        ("a leaf of 400 kB that does nothing", [vec![0x61; 400_000], vec![OP_TRUE.to_u8()]].concat()),
        ("a leaf of 400 kB behind OP_SUCCESS", [vec![0x50], vec![0xff; 400_000]].concat()),
    ] {
        let lock = Lock::TaprootScript(Condition::Script { script: ScriptBuf::from_bytes(script), stack: Vec::new() });
        let owned = output_of(teller, name, &lock);
        let spend = teller.lab.pay(&owned, ANYONE);
        teller.accept_next(name, vec![spend]);
    }
    let owned = output_of(teller, "an annex", &Lock::TaprootScript(Condition::Anyone));
    let mut spend = teller.lab.pay(&owned, ANYONE);
    spend.input[0].witness.push(vec![0x50; 100_000]);
    teller.accept_next("an annex of 100 kB", vec![spend]);
    let owned = output_of(teller, "scriptSig of 1,650 bytes", &ANYONE);
    let mut spend = teller.lab.pay(&owned, ANYONE);
    spend.input[0].script_sig = pushes(&vec![vec![2; 500]; 19]);
    teller.accept_next("scriptSig of 9,557 bytes", vec![spend]);
}
