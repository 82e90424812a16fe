//! The RSA lock, rule by rule with new keys; `vectors` runs the document's vectors, whose keys are fixed.

mod cases;
mod keys;
mod recorded;
mod vectors;

use std::sync::{Arc, LazyLock};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RSA_PSS_SHA512, RsaEncoding};
use mycoin_primitives::{OutPoint, Script, Transaction, TxOut};
use mycoin_script::rsa::{KeySize as LockSize, check_spki};
use mycoin_script::{
    PrecomputedTransaction, RsaHashType, RsaKeyError, ScriptError, ScriptFlags, rsa_lock_script, rsa_sighash,
    signature_operation_cost, verify_input,
};

use crate::{spending, verdict};

const WITH_LOCK: ScriptFlags = ScriptFlags::CONSENSUS.union(ScriptFlags::RSA_LOCK);

static KEY: LazyLock<Arc<KeyPair>> = LazyLock::new(|| Arc::new(generate(KeySize::Rsa2048)));

fn generate(size: KeySize) -> KeyPair {
    KeyPair::generate(size).expect("the library can make keys")
}

/// An output that is locked to a key, and a transaction that spends it.
struct Locked {
    key: Arc<KeyPair>,
    spki: Vec<u8>,
    tx: Transaction,
    output: TxOut,
}

impl Locked {
    /// To the one key of 2048 bits that these tests share.
    fn new() -> Self {
        Self::to(Arc::clone(&KEY))
    }

    fn to(key: Arc<KeyPair>) -> Self {
        let der: PublicKeyX509Der<'_> = key.public_key().as_der().expect("a key can be encoded");
        let spki = der.as_ref().to_vec();
        let (tx, output) = spending(rsa_lock_script(&spki));
        Self { key, spki, tx, output }
    }

    fn sighash(&self, hash_type: RsaHashType) -> [u8; 32] {
        rsa_sighash(&self.tx, 0, std::slice::from_ref(&self.output), hash_type).expect("there is one input")
    }

    fn sign(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(encoding, &SystemRandom::new(), message, &mut signature).expect("the buffer fits");
        signature
    }

    fn signature(&self) -> Vec<u8> {
        self.sign(&RSA_PSS_SHA256, &self.sighash(RsaHashType::Default))
    }

    fn verdict(&self, witness: &[Vec<u8>]) -> Result<(), ScriptError> {
        verdict(&self.tx, &self.output, witness)
    }
}

#[test]
fn accepts_each_key_size_and_hash_type() {
    for (size, lock_size) in [KeySize::Rsa2048, KeySize::Rsa3072, KeySize::Rsa4096].into_iter().zip(LockSize::ALL) {
        let locked = Locked::to(Arc::new(generate(size)));
        assert_eq!(check_spki(&locked.spki), Ok(lock_size));
        assert_eq!(locked.signature().len(), lock_size.modulus_bytes());
        assert_eq!(locked.verdict(&[locked.signature(), locked.spki.clone()]), Ok(()));
        let mut all = locked.sign(&RSA_PSS_SHA256, &locked.sighash(RsaHashType::All));
        all.extend_from_slice(RsaHashType::All.suffix());
        assert_eq!(locked.verdict(&[all, locked.spki.clone()]), Ok(()));
    }
}

#[test]
fn lock_script_is_op_16_and_the_key_hash() {
    let script = rsa_lock_script(b"abc");
    let hex = "6020ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(script.to_hex_string(), hex);
    assert!(script.is_witness_program());
}

#[test]
fn a_hash_type_signs_for_itself_only() {
    let locked = Locked::new();
    let mut as_all = locked.signature();
    as_all.push(0x01);
    assert_eq!(locked.verdict(&[as_all, locked.spki.clone()]), Err(ScriptError::RsaInvalid));
    let bare_all = locked.sign(&RSA_PSS_SHA256, &locked.sighash(RsaHashType::All));
    assert_eq!(locked.verdict(&[bare_all, locked.spki.clone()]), Err(ScriptError::RsaInvalid));
}

#[test]
fn witness_program_witness_empty() {
    let locked = Locked::new();
    assert_eq!(locked.verdict(&[]), Err(ScriptError::WitnessProgramWitnessEmpty));
}

#[test]
fn rsa_witness_items() {
    let locked = Locked::new();
    let (signature, spki) = (locked.signature(), locked.spki.clone());
    assert_eq!(locked.verdict(std::slice::from_ref(&signature)), Err(ScriptError::RsaWitnessItems { found: 1 }));
    let annex = vec![0x50];
    assert_eq!(locked.verdict(&[signature, spki, annex]), Err(ScriptError::RsaWitnessItems { found: 3 }));
}

#[test]
fn witness_malleated() {
    let mut locked = Locked::new();
    locked.tx.input[0].script_sig = Script::from_bytes(&[0x51]).to_owned();
    let witness = [locked.signature(), locked.spki.clone()];
    assert_eq!(locked.verdict(&witness), Err(ScriptError::WitnessMalleated));
}

#[test]
fn rsa_key_mismatch() {
    let (locked, other) = (Locked::new(), Locked::to(Arc::new(generate(KeySize::Rsa2048))));
    assert_eq!(locked.verdict(&[locked.signature(), other.spki]), Err(ScriptError::RsaKeyMismatch));
}

#[test]
fn rsa_signature_size() {
    let locked = Locked::new();
    for (signature, found) in [(Vec::new(), 0), (locked.signature()[1..].to_vec(), 255)] {
        let error = ScriptError::RsaSignatureSize { found, modulus: 256 };
        assert_eq!(locked.verdict(&[signature, locked.spki.clone()]), Err(error));
    }
    let long = [locked.signature(), vec![1, 1]].concat();
    let error = ScriptError::RsaSignatureSize { found: 258, modulus: 256 };
    assert_eq!(locked.verdict(&[long, locked.spki.clone()]), Err(error));
}

#[test]
fn rsa_hash_type() {
    let locked = Locked::new();
    for hash_type in [0x00, 0x02, 0x03, 0x81, 0xff] {
        let mut signature = locked.signature();
        signature.push(hash_type);
        assert_eq!(locked.verdict(&[signature, locked.spki.clone()]), Err(ScriptError::RsaHashType { hash_type }));
    }
}

#[test]
fn rsa_invalid_for_another_input() {
    let mut locked = Locked::new();
    let signature = locked.signature();
    locked.tx.input[0].previous_output = OutPoint { vout: 2, ..locked.tx.input[0].previous_output };
    assert_eq!(locked.verdict(&[signature, locked.spki.clone()]), Err(ScriptError::RsaInvalid));
}

#[test]
fn rsa_invalid_for_another_amount() {
    let mut locked = Locked::new();
    let signature = locked.signature();
    locked.output.value += mycoin_primitives::Amount::from_sat(1);
    assert_eq!(locked.verdict(&[signature, locked.spki.clone()]), Err(ScriptError::RsaInvalid));
}

#[test]
fn rsa_invalid_in_another_scheme() {
    let locked = Locked::new();
    let message = locked.sighash(RsaHashType::Default);
    let schemes: [&'static dyn RsaEncoding; 2] = [&RSA_PKCS1_SHA256, &RSA_PSS_SHA512];
    for scheme in schemes {
        let witness = [locked.sign(scheme, &message), locked.spki.clone()];
        assert_eq!(locked.verdict(&witness), Err(ScriptError::RsaInvalid));
    }
}

/// Signatures by OpenSSL 3.0 over the sighash of [`spending`], which a second implementation in Python gives too.
#[test]
fn rsa_salt_has_32_bytes() {
    let spki = hex(include_str!("data/rsa_spki.hex"));
    let (tx, output) = spending(rsa_lock_script(&spki));
    let sighash = rsa_sighash(&tx, 0, std::slice::from_ref(&output), RsaHashType::Default).expect("there is one input");
    assert_eq!(sighash.to_vec(), hex(include_str!("data/rsa_sighash.hex")));
    let with_salt = |signature: &str| verdict(&tx, &output, &[hex(signature), spki.clone()]);
    assert_eq!(with_salt(include_str!("data/rsa_salt_32.hex")), Ok(()));
    assert_eq!(with_salt(include_str!("data/rsa_salt_20.hex")), Err(ScriptError::RsaInvalid));
    assert_eq!(with_salt(include_str!("data/rsa_salt_0.hex")), Err(ScriptError::RsaInvalid));
    assert_eq!(with_salt(include_str!("data/rsa_salt_max.hex")), Err(ScriptError::RsaInvalid));
}

fn hex(text: &str) -> Vec<u8> {
    mycoin_primitives::bitcoin::hex::FromHex::from_hex(text.trim()).expect("test data is hex")
}

/// The error of spending a lock on `spki` that holds its hash.
fn key_error(spki: &[u8]) -> Result<(), ScriptError> {
    let (tx, output) = spending(rsa_lock_script(spki));
    verdict(&tx, &output, &[vec![0; 256], spki.to_vec()])
}

#[test]
fn rsa_key_size() {
    // The DER of a key of 1024 bits has 162 bytes.
    for found in [0, 162, 293, 295, 549] {
        let cause = RsaKeyError::Size { found };
        assert_eq!(key_error(&vec![0x30; found]), Err(ScriptError::RsaKey { cause }));
    }
}

#[test]
fn rsa_key_exponent() {
    let mut spki = Locked::new().spki;
    *spki.last_mut().expect("a key is not empty") = 0x03;
    assert_eq!(key_error(&spki), Err(ScriptError::RsaKey { cause: RsaKeyError::Exponent }));
    // 3 as the exponent is two bytes shorter.
    let short = [&spki[..spki.len() - 5], &[0x02, 0x01, 0x03]].concat();
    assert_eq!(key_error(&short), Err(ScriptError::RsaKey { cause: RsaKeyError::Size { found: 292 } }));
}

#[test]
fn rsa_key_encoding() {
    let spki = Locked::new().spki;
    let cause = RsaKeyError::Encoding { bits: 2048 };
    // Every byte before the modulus counts: lengths, tags, algorithm, its NULL, unused bits, the zero before the modulus.
    for place in 0..33 {
        let mut changed = spki.clone();
        changed[place] ^= 0x01;
        assert_eq!(key_error(&changed), Err(ScriptError::RsaKey { cause: cause.clone() }), "byte {place}");
    }
}

#[test]
fn rsa_key_modulus() {
    let spki = Locked::new().spki;
    let mut short = spki.clone();
    short[33] &= 0x7f;
    assert_eq!(key_error(&short), Err(ScriptError::RsaKey { cause: RsaKeyError::ShortModulus { bits: 2048 } }));
    let mut even = spki;
    even[33 + 255] &= 0xfe;
    assert_eq!(key_error(&even), Err(ScriptError::RsaKey { cause: RsaKeyError::EvenModulus }));
}

#[test]
fn anyone_can_spend_where_the_coin_has_no_rsa_lock() {
    let locked = Locked::new();
    let data = PrecomputedTransaction::new(&locked.tx, vec![locked.output.clone()]);
    assert_eq!(verify_input(&data, 0, WITH_LOCK), Err(ScriptError::WitnessProgramWitnessEmpty));
    assert_eq!(verify_input(&data, 0, ScriptFlags::CONSENSUS), Ok(()));
    let discouraged = Err(ScriptError::DiscourageUpgradableWitnessProgram);
    assert_eq!(verify_input(&data, 0, ScriptFlags::STANDARD), discouraged);
}

#[test]
fn costs_grow_with_the_key() {
    for (size, cost) in LockSize::ALL.into_iter().zip([1, 2, 3]) {
        let spki = vec![0; size.spki_bytes()];
        let (mut tx, output) = spending(rsa_lock_script(&spki));
        tx.input[0].witness.push(vec![0; size.modulus_bytes()]);
        tx.input[0].witness.push(&spki);
        let cost_by = |flags| signature_operation_cost(&tx, std::slice::from_ref(&output), flags);
        assert_eq!(cost_by(WITH_LOCK), cost);
        assert_eq!(cost_by(ScriptFlags::CONSENSUS), 0);
    }
    let (tx, output) = spending(rsa_lock_script(b"no key"));
    assert_eq!(signature_operation_cost(&tx, &[output], WITH_LOCK), 3);
}
