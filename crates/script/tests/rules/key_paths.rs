//! P2WPKH and taproot's key path, rule by rule.

use mycoin_primitives::bitcoin::hashes::Hash;
use mycoin_primitives::bitcoin::secp256k1::{Keypair, Message, Secp256k1, ecdsa};
use mycoin_primitives::bitcoin::sighash::{Annex, EcdsaSighashType, Prevouts, SighashCache, TapSighashType};
use mycoin_primitives::bitcoin::{PubkeyHash, PublicKey, key::TapTweak};
use mycoin_primitives::{Script, ScriptBuf, Transaction, TxOut};
use mycoin_script::{PrecomputedTransaction, ScriptError, ScriptFlags, verify_input};
use mycoin_testkit::keys::Key;

use crate::{FLAGS, spending, verdict};

fn keypair(key: &Key) -> &Keypair {
    match key {
        Key::Taproot(pair) | Key::WitnessKeyHash(pair) => pair,
        Key::Rsa(_) => unreachable!("these tests use elliptic curves"),
    }
}

/// A P2WPKH output that is spent by a key, and the parts of its witness.
struct KeyHash {
    key: Key,
    tx: Transaction,
    output: TxOut,
}

impl KeyHash {
    fn new() -> Self {
        let key = Key::witness_key_hash(5);
        let (tx, output) = spending(key.script());
        Self { key, tx, output }
    }

    fn public_key(&self) -> Vec<u8> {
        keypair(&self.key).public_key().serialize().to_vec()
    }

    /// A signature over what the defined hash type covers, followed by `last`.
    fn signature(&self, hash_type: EcdsaSighashType, last: u8) -> Vec<u8> {
        let hash = SighashCache::new(&self.tx)
            .p2wpkh_signature_hash(0, &self.output.script_pubkey, self.output.value, hash_type)
            .expect("the output is a P2WPKH one");
        self.sign(hash.to_byte_array(), last)
    }

    fn sign(&self, hash: [u8; 32], last: u8) -> Vec<u8> {
        let signature = Secp256k1::new().sign_ecdsa(&Message::from_digest(hash), &keypair(&self.key).secret_key());
        with_last(&signature, last)
    }

    fn verdict(&self, witness: &[Vec<u8>]) -> Result<(), ScriptError> {
        verdict(&self.tx, &self.output, witness)
    }

    fn policy(&self, witness: &[Vec<u8>]) -> Result<(), ScriptError> {
        policy(&self.tx, &self.output, witness)
    }
}

fn with_last(signature: &ecdsa::Signature, last: u8) -> Vec<u8> {
    let mut bytes = signature.serialize_der().to_vec();
    bytes.push(last);
    bytes
}

fn policy(tx: &Transaction, output: &TxOut, witness: &[Vec<u8>]) -> Result<(), ScriptError> {
    let mut tx = tx.clone();
    tx.input[0].witness = mycoin_primitives::Witness::from_slice(witness);
    verify_input(&PrecomputedTransaction::new(&tx, vec![output.clone()]), 0, ScriptFlags::STANDARD)
}

#[test]
fn p2wpkh_accepts_every_defined_hash_type() {
    let spend = KeyHash::new();
    for byte in [0x01, 0x02, 0x03, 0x81, 0x82, 0x83] {
        let witness = [spend.signature(EcdsaSighashType::from_consensus(byte.into()), byte), spend.public_key()];
        assert_eq!(spend.verdict(&witness), Ok(()), "{byte:#x}");
        assert_eq!(spend.policy(&witness), Ok(()), "{byte:#x}");
    }
}

#[test]
fn p2wpkh_witness_empty() {
    assert_eq!(KeyHash::new().verdict(&[]), Err(ScriptError::WitnessProgramMismatch));
}

#[test]
fn p2wpkh_witness_items() {
    let spend = KeyHash::new();
    let signature = spend.signature(EcdsaSighashType::All, 1);
    assert_eq!(spend.verdict(std::slice::from_ref(&signature)), Err(ScriptError::WitnessProgramMismatch));
    let witness = [signature, spend.public_key(), Vec::new()];
    assert_eq!(spend.verdict(&witness), Err(ScriptError::WitnessProgramMismatch));
}

#[test]
fn p2wpkh_witness_malleated() {
    let mut spend = KeyHash::new();
    spend.tx.input[0].script_sig = Script::from_bytes(&[0x00]).to_owned();
    let witness = [spend.signature(EcdsaSighashType::All, 1), spend.public_key()];
    assert_eq!(spend.verdict(&witness), Err(ScriptError::WitnessMalleated));
}

#[test]
fn p2wpkh_equal_verify() {
    let spend = KeyHash::new();
    let other = keypair(&Key::witness_key_hash(6)).public_key().serialize().to_vec();
    let witness = [spend.signature(EcdsaSighashType::All, 1), other];
    assert_eq!(spend.verdict(&witness), Err(ScriptError::EqualVerify));
}

#[test]
fn p2wpkh_sig_der() {
    let spend = KeyHash::new();
    let good = spend.signature(EcdsaSighashType::All, 1);
    // A superfluous byte inside, a wrong tag, a signature cut short, and none but a hash type.
    let mut longer = good.clone();
    longer.insert(longer.len() - 1, 0);
    let mut wrong_tag = good.clone();
    wrong_tag[0] = 0x31;
    let short = [&good[..20], &[0x01]].concat();
    for bad in [longer, wrong_tag, short, vec![0x01]] {
        assert_eq!(spend.verdict(&[bad, spend.public_key()]), Err(ScriptError::SigDer));
    }
}

#[test]
fn p2wpkh_eval_false() {
    let mut spend = KeyHash::new();
    let witness = [spend.signature(EcdsaSighashType::All, 1), spend.public_key()];
    spend.tx.input[0].previous_output.vout += 1;
    assert_eq!(spend.verdict(&witness), Err(ScriptError::EvalFalse));
    assert_eq!(spend.verdict(&[Vec::new(), spend.public_key()]), Err(ScriptError::EvalFalse));
    // The hash type is covered: changed afterwards, the signature is another's.
    let spend = KeyHash::new();
    let changed = spend.signature(EcdsaSighashType::All, 2);
    assert_eq!(spend.verdict(&[changed, spend.public_key()]), Err(ScriptError::EvalFalse));
}

#[test]
fn sig_hash_type_is_policy() {
    let spend = KeyHash::new();
    // BIP143's message ends in the hash type as it was written; 0x04 otherwise means ALL.
    let mut message = Vec::new();
    let code =
        ScriptBuf::new_p2pkh(&PubkeyHash::from_slice(&spend.output.script_pubkey.as_bytes()[2..]).expect("20 bytes"));
    SighashCache::new(&spend.tx)
        .segwit_v0_encode_signing_data_to(&mut message, 0, &code, spend.output.value, EcdsaSighashType::All)
        .expect("there is one input");
    let place = message.len() - 4;
    message[place] = 0x04;
    let hash = mycoin_primitives::hashes::sha256d::Hash::hash(&message).to_byte_array();
    let witness = [spend.sign(hash, 0x04), spend.public_key()];
    assert_eq!(spend.verdict(&witness), Ok(()));
    assert_eq!(spend.policy(&witness), Err(ScriptError::SigHashType));
    let not_covered = [spend.signature(EcdsaSighashType::All, 0x04), spend.public_key()];
    assert_eq!(spend.verdict(&not_covered), Err(ScriptError::EvalFalse));
}

#[test]
fn sig_high_s_is_policy() {
    let spend = KeyHash::new();
    let low = spend.signature(EcdsaSighashType::All, 1);
    let mut compact = ecdsa::Signature::from_der(&low[..low.len() - 1]).expect("it was just made").serialize_compact();
    let order = mycoin_primitives::bitcoin::secp256k1::constants::CURVE_ORDER;
    // S becomes the curve's order minus S.
    let mut borrow = 0_i16;
    for place in (0..32).rev() {
        let digit = i16::from(order[place]) - i16::from(compact[32 + place]) - borrow;
        borrow = i16::from(digit < 0);
        compact[32 + place] = u8::try_from(digit.rem_euclid(256)).expect("below 256");
    }
    let high = ecdsa::Signature::from_compact(&compact).expect("below the order");
    let witness = [with_last(&high, 1), spend.public_key()];
    assert_eq!(spend.verdict(&witness), Ok(()));
    assert_eq!(spend.policy(&witness), Err(ScriptError::SigHighS));
}

#[test]
fn witness_pubkey_type_is_policy() {
    let key = Key::witness_key_hash(5);
    let long = PublicKey::new_uncompressed(keypair(&key).public_key());
    let program = long.pubkey_hash().to_byte_array();
    let script = ScriptBuf::new_p2wpkh(&mycoin_primitives::bitcoin::WPubkeyHash::from_byte_array(program));
    let (tx, output) = spending(script);
    let spend = KeyHash { key, tx, output };
    let witness = [spend.signature(EcdsaSighashType::All, 1), long.to_bytes()];
    assert_eq!(spend.verdict(&witness), Ok(()));
    assert_eq!(spend.policy(&witness), Err(ScriptError::WitnessPubkeyType));
}

/// A taproot output and what signs for it.
struct KeyPath {
    key: Key,
    tx: Transaction,
    output: TxOut,
}

impl KeyPath {
    fn new() -> Self {
        let key = Key::taproot(5);
        let (tx, output) = spending(key.script());
        Self { key, tx, output }
    }

    fn signature(&self, hash_type: TapSighashType, annex: Option<&[u8]>) -> Vec<u8> {
        let annex = annex.map(|bytes| Annex::new(bytes).expect("it begins with 0x50"));
        let hash = SighashCache::new(&self.tx)
            .taproot_signature_hash(0, &Prevouts::All(&[&self.output]), annex, None, hash_type)
            .expect("there is one input");
        let secp = Secp256k1::new();
        let pair = keypair(&self.key).tap_tweak(&secp, None).to_keypair();
        let signature = secp.sign_schnorr_no_aux_rand(&Message::from_digest(hash.to_byte_array()), &pair);
        signature.as_ref().to_vec()
    }

    fn verdict(&self, witness: &[Vec<u8>]) -> Result<(), ScriptError> {
        verdict(&self.tx, &self.output, witness)
    }
}

#[test]
fn p2tr_witness_empty() {
    assert_eq!(KeyPath::new().verdict(&[]), Err(ScriptError::WitnessProgramWitnessEmpty));
}

#[test]
fn p2tr_witness_malleated() {
    let mut spend = KeyPath::new();
    let witness = [spend.signature(TapSighashType::Default, None)];
    spend.tx.input[0].script_sig = Script::from_bytes(&[0x00]).to_owned();
    assert_eq!(spend.verdict(&witness), Err(ScriptError::WitnessMalleated));
}

#[test]
fn p2tr_annex_is_covered() {
    let spend = KeyPath::new();
    let annex = vec![0x50, 1, 2, 3];
    let signature = spend.signature(TapSighashType::Default, Some(&annex));
    assert_eq!(spend.verdict(&[signature.clone(), annex]), Ok(()));
    assert_eq!(spend.verdict(&[signature.clone(), vec![0x50]]), Err(ScriptError::SchnorrSig));
    assert_eq!(spend.verdict(&[signature]), Err(ScriptError::SchnorrSig));
    // One item alone is never an annex, whatever it begins with.
    assert_eq!(spend.verdict(&[vec![0x50; 64]]), Err(ScriptError::SchnorrSig));
}

#[test]
fn p2tr_schnorr_size() {
    let spend = KeyPath::new();
    for found in [0, 63, 66] {
        assert_eq!(spend.verdict(&[vec![1; found]]), Err(ScriptError::SchnorrSigSize), "{found}");
    }
}

#[test]
fn p2tr_schnorr_hash_type() {
    let spend = KeyPath::new();
    for bad in [0x00, 0x04, 0x80, 0x84, 0xff] {
        let mut signature = spend.signature(TapSighashType::Default, None);
        signature.push(bad);
        assert_eq!(spend.verdict(&[signature]), Err(ScriptError::SchnorrSigHashType), "{bad:#x}");
    }
}

#[test]
fn p2tr_schnorr_hash_type_single_needs_its_output() {
    let mut spend = KeyPath::new();
    spend.tx.output.clear();
    for single in [0x03, 0x83] {
        let mut signature = vec![1; 64];
        signature.push(single);
        assert_eq!(spend.verdict(&[signature]), Err(ScriptError::SchnorrSigHashType));
    }
}

#[test]
fn p2tr_schnorr_invalid() {
    let mut spend = KeyPath::new();
    let signature = spend.signature(TapSighashType::Default, None);
    assert_eq!(spend.verdict(std::slice::from_ref(&signature)), Ok(()));
    spend.tx.input[0].previous_output.vout += 1;
    assert_eq!(spend.verdict(std::slice::from_ref(&signature)), Err(ScriptError::SchnorrSig));
    // 32 bytes that are no point of the curve.
    spend.output.script_pubkey = ScriptBuf::from_bytes([vec![0x51, 32], vec![0xff; 32]].concat());
    assert_eq!(spend.verdict(&[signature]), Err(ScriptError::SchnorrSig));
}

/// Programs without a meaning are open to anyone, so that a later rule can give them one; relay keeps away from them.
#[test]
fn discourage_upgradable_witness_program() {
    let program =
        |version: u8, bytes: u8| ScriptBuf::from_bytes([vec![version, bytes], vec![7; bytes.into()]].concat());
    for script in [program(0x51, 2), program(0x52, 32), program(0x60, 31), program(0x5f, 40)] {
        let (tx, output) = spending(script);
        for witness in [vec![], vec![vec![1]], vec![vec![1], vec![1]]] {
            assert_eq!(verdict(&tx, &output, &witness), Ok(()));
            let discouraged = Err(ScriptError::DiscourageUpgradableWitnessProgram);
            assert_eq!(policy(&tx, &output, &witness), discouraged);
        }
    }
}

#[test]
fn pay_to_anchor_is_standard() {
    let (tx, output) = spending(ScriptBuf::from_bytes(vec![0x51, 2, 0x4e, 0x73]));
    assert_eq!(policy(&tx, &output, &[]), Ok(()));
}

#[test]
fn witness_program_wrong_length() {
    let (tx, output) = spending(ScriptBuf::from_bytes([vec![0, 33], vec![7; 33]].concat()));
    assert_eq!(verdict(&tx, &output, &[vec![1]]), Err(ScriptError::WitnessProgramWrongLength));
}

#[test]
fn spent_outputs_mismatch() {
    let (tx, output) = spending(Key::taproot(5).script());
    for (input, outputs) in [(0, vec![]), (0, vec![output.clone(); 2]), (1, vec![output])] {
        let error = ScriptError::SpentOutputsMismatch { input, inputs: 1, outputs: outputs.len() };
        assert_eq!(verify_input(&PrecomputedTransaction::new(&tx, outputs), input, FLAGS), Err(error));
    }
}
