//! Scripts in blocks: every soft fork's rule broken and kept, and every kind of output spent with every signature type.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::hashes::Hash;
use mycoin_primitives::bitcoin::secp256k1::{Message, Secp256k1};
use mycoin_primitives::bitcoin::sighash::{EcdsaSighashType, SighashCache};
use mycoin_primitives::{Amount, ScriptBuf, Sequence, Transaction};

use super::Story;
use super::lock::{Condition, Lock, Owned, Payment, keypair, pushes};
use super::segwit::{changed_spend, output_of};
use super::story::Teller;
use super::taproot;

const ANYONE: Lock = Lock::Bare(Condition::Anyone);
const FALSE: &str = "Script evaluated without error but finished with a false/empty top stack element";

pub(super) fn soft_forks() -> Story {
    let mut teller = Teller::new("soft_forks", 70);
    signatures(&mut teller);
    script_hashes(&mut teller);
    lock_times(&mut teller);
    taproot::key_and_script_paths(&mut teller);
    taproot::leaves(&mut teller);
    teller.end()
}

fn stack_of(tx: &Transaction) -> Vec<Vec<u8>> {
    tx.input[0]
        .script_sig
        .instructions()
        .filter_map(Result::ok)
        .map(|item| item.push_bytes().map(|bytes| bytes.as_bytes().to_vec()).unwrap_or_default())
        .collect()
}

/// Changes the items that the input's script pushes.
fn restack(tx: &mut Transaction, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut stack = stack_of(tx);
    change(&mut stack);
    tx.input[0].script_sig = pushes(&stack);
}

/// BIP66: strict encoding. BIP147: the dummy is empty. High S, undefined types and unused signatures are policy, not rules.
fn signatures(teller: &mut Teller) {
    let key = Lock::Bare(Condition::Key(11));
    let der = "Non-canonical DER signature";
    changed_spend(
        teller,
        "P2PK with a padded signature",
        &key,
        &|tx| {
            restack(tx, |stack| {
                let end = stack[0].len() - 1;
                stack[0].insert(end, 0);
            })
        },
        der,
    );
    changed_spend(
        teller,
        "P2PK with a signature of one byte",
        &key,
        &|tx| restack(tx, |stack| stack[0] = vec![1]),
        der,
    );
    changed_spend(teller, "P2PK without a signature", &key, &|tx| restack(tx, |stack| stack[0].clear()), FALSE);
    changed_spend(teller, "P2PK of another transaction", &key, &|tx| tx.output[0].value -= Amount::ONE_SAT, FALSE);
    changed_spend(
        teller,
        "P2PKH with another key",
        &Lock::Bare(Condition::KeyHash(12)),
        &|tx| {
            restack(tx, |stack| stack[1][5] ^= 1);
        },
        "Script failed an OP_EQUALVERIFY operation",
    );
    changed_spend(
        teller,
        "P2PKH with an empty stack",
        &Lock::Bare(Condition::KeyHash(12)),
        &|tx| {
            tx.input[0].script_sig = ScriptBuf::new();
        },
        "Operation not valid with the current stack size",
    );
    for (kind, lock) in [("bare", Lock::Bare as fn(Condition) -> Lock), ("P2SH", Lock::ScriptHash)] {
        let multisig = lock(Condition::Multisig { needed: 2, keys: vec![1, 2, 3] });
        changed_spend(
            teller,
            &format!("{kind} multisig with a dummy"),
            &multisig,
            &|tx| {
                restack(tx, |stack| stack[0] = vec![1]);
            },
            "Dummy CHECKMULTISIG argument must be zero",
        );
        changed_spend(
            teller,
            &format!("{kind} multisig in another order"),
            &multisig,
            &|tx| {
                restack(tx, |stack| stack.swap(1, 2));
            },
            FALSE,
        );
    }
    undefined_hash_type(teller, &key);
    high_s(teller, &key);
}

fn signed_with(owned: &Owned, tx: &mut Transaction, hash_type: u32, last_byte: u8, high_s: bool) {
    let hash =
        SighashCache::new(&*tx).legacy_signature_hash(0, &owned.output.script_pubkey, hash_type).expect("input 0");
    let signature = Secp256k1::new().sign_ecdsa(&Message::from_digest(hash.to_byte_array()), &keypair(11).secret_key());
    let mut bytes = signature.serialize_der().to_vec();
    if high_s {
        bytes = with_high_s(&signature.serialize_compact());
    }
    bytes.push(last_byte);
    tx.input[0].script_sig = pushes(&[bytes]);
}

fn undefined_hash_type(teller: &mut Teller, key: &Lock) {
    for byte in [0_u8, 4, 0x50, 0xff] {
        let name = format!("hash type {byte:#04x}");
        let owned = output_of(teller, &name, key);
        let mut tx = teller.lab.pay(&owned, ANYONE);
        signed_with(&owned, &mut tx, u32::from(byte), byte, false);
        teller.accept_next(&name, vec![tx]);
    }
}

/// The signature in DER with the group's order minus S for S, which is as good.
fn with_high_s(compact: &[u8; 64]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae,
        0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    ];
    let mut s = [0_u8; 32];
    let mut borrow = 0_i16;
    for place in (0..32).rev() {
        let difference = i16::from(ORDER[place]) - i16::from(compact[32 + place]) - borrow;
        borrow = i16::from(difference < 0);
        s[place] = u8::try_from(difference.rem_euclid(256)).expect("a remainder of 256");
    }
    let integer = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(31);
        let mut digits = bytes[start..].to_vec();
        if digits[0] >= 0x80 {
            digits.insert(0, 0);
        }
        [vec![2, u8::try_from(digits.len()).expect("33 at most")], digits].concat()
    };
    let body = [integer(&compact[..32]), integer(&s)].concat();
    [vec![0x30, u8::try_from(body.len()).expect("70 at most")], body].concat()
}

fn high_s(teller: &mut Teller, key: &Lock) {
    let owned = output_of(teller, "high S", key);
    let mut tx = teller.lab.pay(&owned, ANYONE);
    signed_with(&owned, &mut tx, 1, 1, true);
    teller.accept_next("high S", vec![tx]);
}

/// BIP16.
fn script_hashes(teller: &mut Teller) {
    let lock = Lock::ScriptHash(Condition::Anyone);
    changed_spend(teller, "P2SH with another script", &lock, &|tx| restack(tx, |stack| stack[0] = vec![0x52]), FALSE);
    changed_spend(
        teller,
        "P2SH with an operation among the pushes",
        &lock,
        &|tx| {
            let script = [tx.input[0].script_sig.to_bytes(), vec![0x61]].concat();
            tx.input[0].script_sig = ScriptBuf::from_bytes(script);
        },
        "Only push operators allowed in signatures",
    );
    let fails =
        Lock::ScriptHash(Condition::Script { script: ScriptBuf::from_bytes(vec![0x69, 0x51]), stack: vec![vec![1]] });
    changed_spend(
        teller,
        "P2SH whose script fails",
        &fails,
        &|tx| restack(tx, |stack| stack[0].clear()),
        "Script failed an OP_VERIFY operation",
    );
}

/// The name, the script's number, the transaction's lock time, the sequence number, the error.
type LockTimeCase = (&'static str, Vec<u8>, u32, u32, Option<&'static str>);

/// BIP65.
fn lock_times(teller: &mut Teller) {
    let unsatisfied = "Locktime requirement not satisfied";
    let cases: [LockTimeCase; 9] = [
        ("CLTV kept", vec![100], 100, 0, None),
        ("CLTV one too low", vec![101], 100, 0, Some(unsatisfied)),
        ("CLTV with a final sequence", vec![100], 100, u32::MAX, Some(unsatisfied)),
        ("CLTV with the sequence before final", vec![100], 100, u32::MAX - 1, None),
        ("CLTV of a height against a time", vec![100], 1_000_000_000, 0, Some(unsatisfied)),
        ("CLTV of a time against a height", 1_000_000_000_i32.to_le_bytes().to_vec(), 100, 0, Some(unsatisfied)),
        ("CLTV of a negative number", vec![0x81], 100, 0, Some("Negative locktime")),
        (
            "CLTV of six bytes",
            vec![1, 0, 0, 0, 0, 1],
            100,
            0,
            Some("Script number overflowed or is non-minimally encoded"),
        ),
        ("CLTV of a time kept", 1_000_000_000_i32.to_le_bytes().to_vec(), 1_000_000_000, 0, None),
    ];
    for (name, number, lock_time, sequence, error) in cases {
        let length = u8::try_from(number.len()).expect("six at most");
        let script = ScriptBuf::from_bytes([vec![length], number, vec![0xb1, 0x75, 0x51]].concat());
        let owned = output_of(teller, name, &Lock::Bare(Condition::Script { script, stack: Vec::new() }));
        let value = owned.output.value;
        let tx = Payment::of(vec![owned])
            .pay(ANYONE.script(), value)
            .locked(LockTime::from_consensus(lock_time), Sequence::from_consensus(sequence))
            .sign();
        match error {
            None => drop(teller.accept_next(name, vec![tx])),
            Some(text) => {
                drop(teller.reject_next(name, vec![tx], &format!("block-script-verify-flag-failed ({text})")))
            }
        }
    }
}

/// All kinds of outputs; the numbers choose keys.
fn kinds() -> Vec<Lock> {
    let multisig = || Condition::Multisig { needed: 2, keys: vec![31, 32, 33] };
    let mut locks = vec![
        Lock::WitnessKeyHash(34),
        Lock::NestedWitnessKeyHash(35),
        Lock::TaprootKey(36),
        Lock::TaprootScript(Condition::Anyone),
        Lock::TaprootScript(Condition::Key(37)),
        Lock::FutureWitness { version: 1, bytes: 2 },
        Lock::FutureWitness { version: 16, bytes: 32 },
    ];
    for condition in [Condition::Anyone, Condition::Key(38), Condition::KeyHash(39), multisig()] {
        locks.extend([
            Lock::Bare(condition.clone()),
            Lock::ScriptHash(condition.clone()),
            Lock::WitnessScriptHash(condition.clone()),
            Lock::NestedWitnessScriptHash(condition),
        ]);
    }
    locks
}

/// What a signature may cover.
pub(super) const HASH_TYPES: [EcdsaSighashType; 6] = [
    EcdsaSighashType::All,
    EcdsaSighashType::None,
    EcdsaSighashType::Single,
    EcdsaSighashType::AllPlusAnyoneCanPay,
    EcdsaSighashType::NonePlusAnyoneCanPay,
    EcdsaSighashType::SinglePlusAnyoneCanPay,
];

/// All kinds in one transaction with one output, so that SINGLE has no output for most inputs.
pub(super) fn every_lock() -> Story {
    let mut teller = Teller::new("every_lock", 14);
    for hash_type in HASH_TYPES {
        let locks = kinds();
        let out = teller.out();
        let mut split = Payment::of(vec![out]);
        for lock in &locks {
            split = split.pay(lock.script(), Amount::from_sat(50_000));
        }
        let split = split.sign();
        let owned: Vec<Owned> =
            (0..).zip(&locks).map(|(vout, lock)| Owned::output(&split, vout, lock.clone())).collect();
        let total = Amount::from_sat(40_000);
        let spend = |owned: Vec<Owned>| Payment::of(owned).pay(ANYONE.script(), total).hash_type(hash_type).sign();
        let (now, later) = owned.split_at(locks.len() / 2);
        let now = spend(now.to_vec());
        teller.accept_next(&format!("{hash_type}, in the same block"), vec![split, now]);
        let spent = spend(later.to_vec());
        let mut altered = spent.clone();
        altered.version = mycoin_primitives::bitcoin::transaction::Version::ONE;
        let reason = format!("block-script-verify-flag-failed ({FALSE})");
        teller.reject_next(&format!("{hash_type}, altered"), vec![altered], &reason);
        teller.accept_next(&format!("{hash_type}, a block later"), vec![spent]);
    }
    teller.end()
}
