//! What a verification costs: Schnorr, ECDSA and RSA of each size, side by side on one core.
//!
//! In:    nothing; `cargo bench -p mycoin-testkit --bench signatures`.
//! Out:   a table: verifications a second, and the time of one in Schnorr verifications, twice: as the node runs them
//!        (the input's signature hash included), and the signature alone.
//! Never: a comparison across runs. Every round times every kind for a moment; the fastest round counts, which is the one
//!        that nothing else on the machine disturbed.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PSS_SHA256;
use mycoin_primitives::bitcoin::secp256k1::{Keypair, Message, PublicKey, Secp256k1, XOnlyPublicKey};
use mycoin_primitives::hashes::Hash;
use mycoin_primitives::{Amount, Network, OutPoint, Transaction, TxOut, Txid};
use mycoin_script::{PrecomputedTransaction, ScriptFlags, rsa, verify_input};
use mycoin_testkit::builders::TxBuilder;
use mycoin_testkit::keys::Key;

/// How many different signatures of each kind are verified in one round: few enough to finish before another program's turn.
const BATCH: u8 = 20;
/// How many rounds there are.
const ROUNDS: usize = 500;

const KINDS: [&str; 5] = ["Schnorr (taproot key)", "ECDSA (P2WPKH)", "RSA 2048", "RSA 3072", "RSA 4096"];

/// One verification.
type Check = Box<dyn Fn() -> bool>;

fn main() -> io::Result<()> {
    let rsa = |size| Key::Rsa(Box::new(KeyPair::generate(size).expect("the library can make keys")));
    let keys = [
        Key::taproot(1),
        Key::witness_key_hash(2),
        rsa(KeySize::Rsa2048),
        rsa(KeySize::Rsa3072),
        rsa(KeySize::Rsa4096),
    ];
    table("As the node verifies an input", &keys.each_ref().map(inputs))?;
    table("The signature alone, its key parsed each time", &keys.each_ref().map(signatures))
}

/// A transaction with one input by the key, and what it spends.
fn spend(key: &Key, number: u8) -> (Transaction, TxOut) {
    let spent = TxOut { value: Amount::from_sat(100_000), script_pubkey: key.script() };
    let outpoint = OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 0 };
    let tx = TxBuilder::new().spend(outpoint, &spent).pay(Key::taproot(9).script(), Amount::from_sat(99_000)).sign(key);
    (tx, spent)
}

/// Inputs of their own transactions, as the node verifies them.
fn inputs(key: &Key) -> Vec<Check> {
    let flags = ScriptFlags::consensus(&Network::demo());
    let check = |number| -> Check {
        let (tx, spent) = spend(key, number);
        Box::new(move || {
            let data = PrecomputedTransaction::new(&tx, std::slice::from_ref(&spent));
            verify_input(black_box(&data), 0, flags).is_ok()
        })
    };
    (0..BATCH).map(check).collect()
}

/// Signatures of messages of 32 bytes by the key, without a transaction.
fn signatures(key: &Key) -> Vec<Check> {
    let check = |number| -> Check {
        match key {
            Key::Taproot(pair) => schnorr(pair, [number; 32]),
            Key::WitnessKeyHash(pair) => ecdsa(pair, [number; 32]),
            Key::Rsa(pair) => rsa_pss(pair, &spki(key), [number; 32]),
        }
    };
    (0..BATCH).map(check).collect()
}

fn schnorr(pair: &Keypair, message: [u8; 32]) -> Check {
    let secp = Secp256k1::new();
    let message = Message::from_digest(message);
    let signature = secp.sign_schnorr_no_aux_rand(&message, pair);
    let key = pair.x_only_public_key().0.serialize();
    Box::new(move || {
        let key = XOnlyPublicKey::from_slice(black_box(&key));
        key.is_ok_and(|key| secp.verify_schnorr(&signature, &message, &key).is_ok())
    })
}

fn ecdsa(pair: &Keypair, message: [u8; 32]) -> Check {
    let secp = Secp256k1::new();
    let message = Message::from_digest(message);
    let signature = secp.sign_ecdsa(&message, &pair.secret_key());
    let key = pair.public_key().serialize();
    Box::new(move || {
        let key = PublicKey::from_slice(black_box(&key));
        key.is_ok_and(|key| secp.verify_ecdsa(&message, &signature, &key).is_ok())
    })
}

fn rsa_pss(pair: &KeyPair, spki: &[u8], message: [u8; 32]) -> Check {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), &message, &mut signature).expect("the buffer fits");
    let spki = spki.to_vec();
    Box::new(move || rsa::verify(black_box(&spki), &message, &signature))
}

/// The key as its witness holds it.
fn spki(key: &Key) -> Vec<u8> {
    let (tx, _) = spend(key, 0);
    tx.input[0].witness.nth(1).expect("an RSA lock's witness has two items").to_vec()
}

/// Times every kind in every round and writes what the fastest took.
fn table(title: &str, kinds: &[Vec<Check>; KINDS.len()]) -> io::Result<()> {
    let seconds = |checks: &Vec<Check>| {
        let start = Instant::now();
        assert!(checks.iter().all(|check| check()), "every signature is valid");
        start.elapsed().as_secs_f64() / f64::from(BATCH)
    };
    let mut fastest = [f64::INFINITY; KINDS.len()];
    for _ in 0..ROUNDS {
        fastest.iter_mut().zip(kinds).for_each(|(fastest, checks)| *fastest = fastest.min(seconds(checks)));
    }
    let mut out = io::stdout().lock();
    writeln!(out, "\n{title} (the fastest of {ROUNDS} rounds of {BATCH})")?;
    writeln!(out, "{:<22} {:>10} {:>12}", "", "a second", "in Schnorrs")?;
    for (name, seconds) in KINDS.iter().zip(fastest) {
        writeln!(out, "{name:<22} {:>10.0} {:>12.2}", 1.0 / seconds, seconds / fastest[0])?;
    }
    Ok(())
}
