//! Taproot in blocks: what a key, a leaf or a control block may be, and what not.

use mycoin_primitives::{ScriptBuf, Transaction, Witness};

use super::lock::{Condition, Lock, keypair};
use super::segwit::{changed_spend, failed, output_of};
use super::story::Teller;

const ANYONE: Lock = Lock::Bare(Condition::Anyone);

/// Changes the first item of the input's witness.
fn rewrite(tx: &mut Transaction, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut items = tx.input[0].witness.to_vec();
    change(&mut items);
    tx.input[0].witness = Witness::from_slice(&items);
}

/// BIP341.
pub(super) fn key_and_script_paths(teller: &mut Teller) {
    let key = Lock::TaprootKey(21);
    let size = "Invalid Schnorr signature size";
    let control = "Invalid Taproot control block size";
    let anyone = Lock::TaprootScript(Condition::Anyone);
    type Items = fn(&mut Vec<Vec<u8>>);
    let cases: [(&str, &Lock, Items, &str); 12] = [
        ("taproot key path, a bit flipped", &key, |items| items[0][40] ^= 1, "Invalid Schnorr signature"),
        ("taproot key path, 63 bytes", &key, |items| items[0].truncate(63), size),
        ("taproot key path, 66 bytes", &key, |items| items[0].extend([1, 1]), size),
        ("taproot key path, empty", &key, |items| items[0].clear(), size),
        ("taproot key path, type 0 written out", &key, |items| items[0].push(0), "Invalid Schnorr signature hash type"),
        ("taproot key path, type 4", &key, |items| items[0].push(4), "Invalid Schnorr signature hash type"),
        ("taproot key path, another type", &key, |items| items[0].push(1), "Invalid Schnorr signature"),
        ("taproot without a witness", &key, |items| items.clear(), "Witness program was passed an empty witness"),
        (
            "taproot with an annex that was not signed",
            &key,
            |items| items.push(vec![0x50]),
            "Invalid Schnorr signature",
        ),
        ("control block of 32 bytes", &anyone, |items| items[1].truncate(32), control),
        ("control block of 34 bytes", &anyone, |items| items[1].push(0), control),
        ("another leaf", &anyone, |items| items[0] = vec![0x52], "Witness program hash mismatch"),
    ];
    for (name, lock, change, text) in cases {
        changed_spend(teller, name, lock, &|tx| rewrite(tx, change), text);
    }
    changed_spend(
        teller,
        "another parity",
        &anyone,
        &|tx| rewrite(tx, |items| items[1][0] ^= 1),
        "Witness program hash mismatch",
    );
    changed_spend(
        teller,
        "a leaf of another version",
        &anyone,
        &|tx| rewrite(tx, |items| items[1][0] ^= 2),
        "Witness program hash mismatch",
    );
    changed_spend(
        teller,
        "tapscript, a bit flipped",
        &Lock::TaprootScript(Condition::Key(22)),
        &|tx| {
            rewrite(tx, |items| items[0][3] ^= 1);
        },
        "Invalid Schnorr signature",
    );
}

/// The name, the leaf, what satisfies it, the error.
type LeafCase = (&'static str, Vec<u8>, Vec<Vec<u8>>, Option<&'static str>);

/// BIP342.
pub(super) fn leaves(teller: &mut Teller) {
    let valid_key = keypair(23).x_only_public_key().0.serialize();
    let with_key = |key: &[u8], rest: &[u8]| [&[u8::try_from(key.len()).expect("33 at most")], key, rest].concat();
    // Each operation with a key of unknown type and a signature that is not empty costs 50 of the witness' weight + 50.
    let too_many = [vec![0x51], with_key(&[5; 33], &[]), [0x6e, 0xad].repeat(40), vec![0x6d, 0x51]].concat();
    let cases: [LeafCase; 12] = [
        (
            "OP_CHECKMULTISIG in tapscript",
            vec![0x00, 0x00, 0x00, 0xae],
            vec![],
            Some("OP_CHECKMULTISIG(VERIFY) is not available in tapscript"),
        ),
        (
            "OP_IF of 2",
            vec![0x63, 0x51, 0x67, 0x51, 0x68],
            vec![vec![2]],
            Some("OP_IF/NOTIF argument must be minimal in tapscript"),
        ),
        ("OP_IF of 1", vec![0x63, 0x51, 0x67, 0x51, 0x68], vec![vec![1]], None),
        ("an empty key", vec![0x00, 0xac], vec![vec![1]], Some("Empty public key in tapscript")),
        ("an empty signature", with_key(&valid_key, &[0xac, 0x91]), vec![vec![]], None),
        (
            "a signature of 63 bytes",
            with_key(&valid_key, &[0xac]),
            vec![vec![1; 63]],
            Some("Invalid Schnorr signature size"),
        ),
        ("a key of unknown type", with_key(&[5; 33], &[0xac]), vec![vec![1]], None),
        ("OP_SUCCESS80", vec![0x50], vec![], None),
        ("OP_SUCCESS behind a cut push", vec![0x50, 0x4c], vec![], None),
        ("a cut push", vec![0x51, 0x4c], vec![], Some("Opcode missing or not understood")),
        ("10,001 operations", [vec![0x61; 10_001], vec![0x51]].concat(), vec![], None),
        (
            "more checks than the witness' weight allows",
            too_many,
            vec![],
            Some("Too much signature validation relative to witness weight"),
        ),
    ];
    for (name, script, stack, error) in cases {
        let lock = Lock::TaprootScript(Condition::Script { script: ScriptBuf::from_bytes(script), stack });
        let owned = output_of(teller, name, &lock);
        let tx = teller.lab.pay(&owned, ANYONE);
        match error {
            None => drop(teller.accept_next(name, vec![tx])),
            Some(text) => drop(teller.reject_next(name, vec![tx], &failed(text))),
        }
    }
}
