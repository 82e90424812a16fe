//! The templates of `invalid_txs.py`, each in a block; BIP54's 64 bytes and b83, which Bitcoin's rules allow.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::hashes::Hash;
use mycoin_primitives::{Amount, MAX_MONEY, OutPoint, ScriptBuf, Transaction, TxOut, Txid};

use super::Story;
use super::lock::{Condition, Lock, Owned};
use super::story::Teller;

const ANYONE: Lock = Lock::Bare(Condition::Anyone);

type Change = fn(&mut Transaction);

pub(super) fn templates() -> Story {
    let mut teller = Teller::new("invalid_txs", 40);
    let changes: [(&str, Change, &str); 15] = [
        ("OutputMissing", |tx| tx.output.clear(), "bad-txns-vout-empty"),
        (
            "InputMissing",
            |tx| {
                tx.input.clear();
                tx.output.clear();
            },
            "bad-txns-vin-empty",
        ),
        ("BadInputOutpointIndex", |tx| tx.input[0].previous_output.vout += 10_000, "bad-txns-inputs-missingorspent"),
        ("greatest outpoint index", |tx| tx.input[0].previous_output.vout = u32::MAX, "bad-txns-inputs-missingorspent"),
        ("DuplicateInput", |tx| tx.input.extend_from_within(..), "bad-txns-inputs-duplicate"),
        (
            "PrevoutNullInput",
            |tx| {
                let mut null = tx.input[0].clone();
                null.previous_output = OutPoint::null();
                tx.input.push(null);
            },
            "bad-txns-prevout-null",
        ),
        (
            "NonexistentInput",
            |tx| {
                let mut other = tx.input[0].clone();
                other.previous_output = OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 0 };
                tx.input.push(other);
            },
            "bad-txns-inputs-missingorspent",
        ),
        ("SpendTooMuch", |tx| tx.output[0].value += Amount::from_sat(super::lab::FEE + 1), "bad-txns-in-belowout"),
        ("CreateNegative", |tx| tx.output[0].value = Amount::from_sat(u64::MAX), "bad-txns-vout-negative"),
        ("most negative", |tx| tx.output[0].value = Amount::from_sat(1 << 63), "bad-txns-vout-negative"),
        ("CreateTooLarge", |tx| tx.output[0].value = MAX_MONEY + Amount::ONE_SAT, "bad-txns-vout-toolarge"),
        ("greatest signed amount", |tx| tx.output[0].value = Amount::from_sat(u64::MAX >> 1), "bad-txns-vout-toolarge"),
        (
            "CreateSumTooLarge",
            |tx| {
                tx.output[0].value = MAX_MONEY;
                tx.output.extend_from_within(..);
            },
            "bad-txns-txouttotal-toolarge",
        ),
        (
            "sum too large by a satoshi",
            |tx| {
                tx.output[0].value = MAX_MONEY;
                tx.output.push(TxOut { value: Amount::ONE_SAT, script_pubkey: ScriptBuf::new() });
            },
            "bad-txns-txouttotal-toolarge",
        ),
        (
            "TooManySigops",
            |tx| tx.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0xac; 20_001]),
            "bad-blk-sigops",
        ),
    ];
    for (name, change, reason) in changes {
        let mut tx = teller.spend();
        change(&mut tx);
        teller.reject_next(name, vec![tx], reason);
    }
    exact_amounts(&mut teller);
    sixty_four_bytes(&mut teller);
    teller.end()
}

fn exact_amounts(teller: &mut Teller) {
    let mut tx = teller.spend();
    tx.output[0].value = MAX_MONEY;
    teller.reject_next("MAX_MONEY itself is an amount", vec![tx], "bad-txns-in-belowout");
    let mut tx = teller.spend();
    tx.output[0].value = Amount::ZERO;
    teller.accept_next("all to the fee", vec![tx]);
}

/// Relayed by nobody, allowed in a block where BIP54 does not hold.
fn sixty_four_bytes(teller: &mut Teller) {
    let mut tx = teller.spend();
    tx.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0x51; 4]);
    assert_eq!(tx.base_size(), 64);
    tx.lock_time = LockTime::ZERO;
    teller.accept_next("SizeTooSmall", vec![tx]);
}

/// Output scripts that nobody can spend are no reason against a block; spending them is.
pub(super) fn unspendable_scripts() -> Story {
    let mut teller = Teller::new("unspendable_scripts", 50);
    let failed = |text: &str| format!("block-script-verify-flag-failed ({text})");
    let disabled = failed("Attempted to use a disabled opcode");
    let bad = failed("Opcode missing or not understood");
    let mut scripts: Vec<(String, Vec<u8>, String)> = vec![
        ("InvalidOPIFConstruction".into(), vec![0x51, 0x63, 0x51], failed("Invalid OP_IF construction")),
        ("OP_ELSE alone".into(), vec![0x67], failed("Invalid OP_IF construction")),
        (
            "false".into(),
            vec![0x00],
            failed("Script evaluated without error but finished with a false/empty top stack element"),
        ),
        (
            "empty".into(),
            vec![],
            failed("Script evaluated without error but finished with a false/empty top stack element"),
        ),
        ("OP_VERIFY on nothing".into(), vec![0x69], failed("Operation not valid with the current stack size")),
        ("OP_FROMALTSTACK on nothing".into(), vec![0x6c], failed("Operation not valid with the current altstack size")),
        ("OP_VER".into(), vec![0x62], bad.clone()),
        ("OP_VERIF in a dead branch".into(), vec![0x00, 0x63, 0x65, 0x68, 0x51], bad.clone()),
        ("unknown opcode".into(), vec![0xba, 0x51], bad.clone()),
        ("cut push".into(), vec![0x51, 0x02, 0x01], bad),
        (
            "OP_RETURN in a dead branch, then in a live one".into(),
            vec![0x51, 0x63, 0x6a, 0x68],
            failed("OP_RETURN was encountered"),
        ),
        (
            "OP_EQUALVERIFY of unequal items".into(),
            vec![0x51, 0x52, 0x88, 0x51],
            failed("Script failed an OP_EQUALVERIFY operation"),
        ),
        (
            "a push of 521 bytes".into(),
            [vec![0x4d, 0x09, 0x02], vec![0; 521], vec![0x75, 0x51]].concat(),
            failed("Push value size limit exceeded"),
        ),
        ("202 operations".into(), [vec![0x61; 202], vec![0x51]].concat(), failed("Operation limit exceeded")),
        ("1,001 items".into(), vec![0x51; 1_001], failed("Stack size limit exceeded")),
    ];
    // OP_CAT, OP_SUBSTR, OP_LEFT, OP_RIGHT, OP_INVERT, OP_AND, OP_OR, OP_XOR, OP_2MUL, OP_2DIV, OP_MUL, OP_DIV, OP_MOD, OP_LSHIFT, OP_RSHIFT
    for opcode in [0x7e, 0x7f, 0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x8d, 0x8e, 0x95, 0x96, 0x97, 0x98, 0x99] {
        scripts.push((format!("disabled opcode {opcode:#x}"), vec![0x00, 0x63, opcode, 0x68, 0x51], disabled.clone()));
    }
    for (name, script, reason) in scripts {
        let script = ScriptBuf::from_bytes(script);
        let out = teller.out();
        let tx = teller.lab.pay_script(&out, script.clone());
        let lock = Lock::Bare(Condition::Script { script, stack: Vec::new() });
        let owned = Owned::output(&tx, 0, lock);
        teller.accept_next(&format!("{name}, created"), vec![tx]);
        let spend = teller.lab.pay(&owned, ANYONE);
        teller.reject_next(&format!("{name}, spent"), vec![spend], &reason);
    }
    spendable_oddities(&mut teller);
    teller.end()
}

fn spendable_oddities(teller: &mut Teller) {
    for (name, script, stack) in [
        ("b83", vec![0x63, 0xff, 0x67, 0x51, 0x68], vec![vec![]]),
        ("OP_RETURN in a dead branch", vec![0x00, 0x63, 0x6a, 0x68, 0x51], vec![]),
        ("201 operations", [vec![0x61; 201], vec![0x51]].concat(), vec![]),
        ("a push of 520 bytes", [vec![0x4d, 0x08, 0x02], vec![1; 520]].concat(), vec![]),
        ("1,000 items", vec![0x51; 1_000], vec![]),
        ("more on the stack than one item", vec![0x51, 0x51], vec![vec![1], vec![2]]),
        ("OP_NOP1, OP_NOP4 to OP_NOP10", vec![0xb0, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0x51], vec![]),
    ] {
        let script = ScriptBuf::from_bytes(script);
        let out = teller.out();
        let tx = teller.lab.pay_script(&out, script.clone());
        let owned = Owned::output(&tx, 0, Lock::Bare(Condition::Script { script, stack }));
        let spend = teller.lab.pay(&owned, ANYONE);
        teller.accept_next(name, vec![tx, spend]);
    }
}
