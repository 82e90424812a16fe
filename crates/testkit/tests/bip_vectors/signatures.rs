//! BIP340: Schnorr signatures. BIP143: the digest that signatures of witness version 0 sign.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::consensus::encode::deserialize_hex;
use mycoin_primitives::bitcoin::secp256k1::{Keypair, Message, Secp256k1, XOnlyPublicKey, schnorr};
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Amount, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use mycoin_script::{PrecomputedTransaction, ScriptError, ScriptFlags, segwit_v0_sighash, verify_input};
use serde::Deserialize;

use crate::{hex, ran, read};

fn array(text: &str) -> [u8; 32] {
    hex(text).try_into().expect("the vectors' digests and random bytes are 32")
}

#[derive(Deserialize)]
struct SchnorrVectors {
    vectors: Vec<SchnorrVector>,
}

#[derive(Deserialize)]
struct SchnorrVector {
    index: u32,
    secret_key: Option<String>,
    aux_rand: Option<String>,
    public_key: String,
    message: String,
    signature: String,
    valid: bool,
}

/// The verdict of the library that `mycoin-script` verifies with.
fn verifies(vector: &SchnorrVector, message: &Message) -> bool {
    let key = XOnlyPublicKey::from_slice(&hex(&vector.public_key));
    let signature = schnorr::Signature::from_slice(&hex(&vector.signature));
    let (Ok(key), Ok(signature)) = (key, signature) else { return false };
    Secp256k1::verification_only().verify_schnorr(&signature, message, &key).is_ok()
}

/// What the vector's key and signature say to a taproot spend, whose digest is not the vector's message.
fn spend_verdict(vector: &SchnorrVector) -> Result<(), ScriptError> {
    let script_pubkey = ScriptBuf::from_hex(&format!("5120{}", vector.public_key)).expect("the vectors are hex");
    let input = TxIn {
        previous_output: OutPoint { txid: Txid::from_byte_array([1; 32]), vout: 0 },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[hex(&vector.signature)]),
    };
    let output = TxOut { value: Amount::ONE_SAT, script_pubkey };
    let tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![output.clone()],
    };
    verify_input(&PrecomputedTransaction::new(&tx, vec![output]), 0, ScriptFlags::CONSENSUS)
}

#[test]
fn bip340_signatures() {
    let SchnorrVectors { vectors } = read(include_str!("data/bip340.json"));
    let secp = Secp256k1::new();
    let (mut verified, mut signed, mut other_lengths) = (0, 0, 0);
    for vector in &vectors {
        assert_eq!(spend_verdict(vector), Err(ScriptError::SchnorrSig), "vector {}", vector.index);
        // Consensus signs digests: the library has no way to give it a message of another length.
        let Ok(message) = <[u8; 32]>::try_from(hex(&vector.message)) else {
            other_lengths += 1;
            continue;
        };
        let message = Message::from_digest(message);
        assert_eq!(verifies(vector, &message), vector.valid, "vector {}", vector.index);
        verified += 1;
        if let (Some(secret), Some(aux)) = (&vector.secret_key, &vector.aux_rand) {
            let pair = Keypair::from_seckey_slice(&secp, &hex(secret)).expect("the vector is a key");
            let aux = array(aux);
            assert_eq!(pair.x_only_public_key().0.serialize().as_slice(), hex(&vector.public_key));
            let signature = secp.sign_schnorr_with_aux_rand(&message, &pair, &aux);
            assert_eq!(signature.serialize().as_slice(), hex(&vector.signature), "vector {}", vector.index);
            signed += 1;
        }
    }
    ran("BIP340, verified", verified, 15);
    ran("BIP340, signed", signed, 4);
    ran("BIP340, as key and signature of a taproot spend (refused)", vectors.len(), 19);
    ran("BIP340, left out: messages that are no digest", other_lengths, 4);
}

#[derive(Deserialize)]
struct WitnessVectors {
    valid: Vec<Spend>,
    invalid: Vec<Spend>,
}

#[derive(Deserialize)]
struct Spend {
    name: String,
    tx: String,
    spent: Vec<Output>,
    #[serde(default)]
    digests: Vec<Digest>,
}

#[derive(Deserialize)]
struct Output {
    value: u64,
    script: String,
}

#[derive(Deserialize)]
struct Digest {
    input: usize,
    script_code: String,
    hash_type: u32,
    digest: String,
}

impl Spend {
    fn tx(&self) -> Transaction {
        deserialize_hex(&self.tx).expect("the vectors are transactions")
    }

    fn spent(&self) -> Vec<TxOut> {
        let output = |output: &Output| TxOut {
            value: Amount::from_sat(output.value),
            script_pubkey: ScriptBuf::from_hex(&output.script).expect("the vectors are hex"),
        };
        self.spent.iter().map(output).collect()
    }
}

fn verdicts(tx: &Transaction, spent: Vec<TxOut>) -> Vec<Result<(), ScriptError>> {
    let data = PrecomputedTransaction::new(tx, spent);
    (0..tx.input.len()).map(|input| verify_input(&data, input, ScriptFlags::CONSENSUS)).collect()
}

#[test]
fn bip143_digests_and_spends() {
    let vectors: WitnessVectors = read(include_str!("data/bip143.json"));
    let (mut inputs, mut digests) = (0, 0);
    for vector in &vectors.valid {
        let (tx, spent) = (vector.tx(), vector.spent());
        for (input, verdict) in verdicts(&tx, spent.clone()).into_iter().enumerate() {
            assert_eq!(verdict, Ok(()), "{}, input {input}", vector.name);
            inputs += 1;
        }
        let data = PrecomputedTransaction::new(&tx, spent.clone());
        for Digest { input, script_code, hash_type, digest } in &vector.digests {
            let found = segwit_v0_sighash(&data, *input, Script::from_bytes(&hex(script_code)), *hash_type);
            assert_eq!(found, Ok(array(digest)), "{}, input {input}, hash type {hash_type:#x}", vector.name);
            // Each digest covers the value that its input spends.
            let mut changed = spent.clone();
            changed[*input].value += Amount::ONE_SAT;
            assert!(verdicts(&tx, changed)[*input].is_err(), "{}, input {input}", vector.name);
            digests += 1;
        }
    }
    for vector in &vectors.invalid {
        let verdicts = verdicts(&vector.tx(), vector.spent());
        assert!(verdicts.iter().any(Result::is_err), "{}", vector.name);
    }
    ran("BIP143, transactions", vectors.valid.len(), 8);
    ran("BIP143, inputs of them", inputs, 12);
    ran("BIP143, digests", digests, 16);
    ran("BIP143, refused transactions", vectors.invalid.len(), 2);
}
