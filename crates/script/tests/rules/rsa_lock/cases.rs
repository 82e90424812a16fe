//! What the vectors hold: spends that are valid, and spends that break one rule each.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::opcodes::all::{OP_PUSHNUM_16, OP_RETURN};
use mycoin_primitives::bitcoin::script::{Builder, PushBytesBuf};
use mycoin_primitives::hashes::{Hash, sha256};
use mycoin_primitives::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxOut, Txid, Witness};
use mycoin_script::rsa::key_hash;
use mycoin_script::{RsaHashType, ScriptError, rsa_lock_script};
use mycoin_testkit::builders::TxBuilder;
use mycoin_testkit::keys::Key;

use super::keys;
use super::recorded::{self, Recorded, Scheme};
use super::vectors::{Rules, Vector, message, tagged};

const TAG: &str = "MyCoin/RsaSighash";

/// A spend in the making, of which one input is judged.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) tx: Transaction,
    pub(super) spent: Vec<TxOut>,
    pub(super) input: usize,
}

impl Draft {
    /// Spends one output of each script, at places and with amounts of their own.
    pub(super) fn spending(scripts: &[ScriptBuf]) -> Self {
        let mut tx = TxBuilder::new();
        let mut spent = Vec::new();
        for (number, script) in (1u8..).zip(scripts) {
            let outpoint = OutPoint { txid: Txid::from_byte_array([number; 32]), vout: u32::from(number) };
            let output = TxOut { value: Amount::from_sat(100_000 * u64::from(number)), script_pubkey: script.clone() };
            tx = tx.spend(outpoint, &output);
            spent.push(output);
        }
        let tx = tx.pay(Key::taproot(9).script(), Amount::from_sat(60_000)).unsigned();
        Self { tx, spent, input: 0 }
    }

    /// Spends one output that is locked to the key.
    pub(super) fn of(spki: &[u8]) -> Self {
        Self::spending(&[rsa_lock_script(spki)])
    }

    fn at(mut self, input: usize) -> Self {
        self.input = input;
        self
    }

    fn sighash(&self, hash_type: RsaHashType) -> [u8; 32] {
        self.sighash_byte(hash_type.suffix().first().copied().unwrap_or(0))
    }

    fn sighash_byte(&self, hash_type: u8) -> [u8; 32] {
        tagged(TAG, &message(&self.tx, self.input, &self.spent, hash_type))
    }

    /// The signature of the input as it is, for DEFAULT.
    pub(super) fn sign(&self, recorded: &mut Recorded, key: &str, scheme: Scheme) -> Vec<u8> {
        recorded.sign(key, scheme, &self.sighash(RsaHashType::Default))
    }

    /// The input with these witness items.
    pub(super) fn witness(mut self, items: &[&[u8]]) -> Self {
        self.tx.input[self.input].witness = Witness::from_slice(items);
        self
    }

    /// The input signed by the wallet's library.
    fn signed(self, recorded: &mut Recorded, key: &str, hash_type: RsaHashType) -> Self {
        let mut signature = recorded.sign(key, Scheme::Pss, &self.sighash(hash_type));
        signature.extend_from_slice(hash_type.suffix());
        let spki = recorded.spki(key);
        self.witness(&[&signature, &spki])
    }

    fn vector(self, name: &str, rules: Rules, expected: Result<(), ScriptError>) -> Vector {
        let Self { tx, spent, input } = self;
        Vector { name: name.into(), tx, spent, input, rules, rsa_lock: true, expected, signs: None }
    }

    /// Accepted even by standard rules.
    fn valid(self, name: &str, signs: RsaHashType) -> Vector {
        Vector { signs: Some(signs), ..self.vector(name, Rules::Standard, Ok(())) }
    }

    /// Rejected even by the consensus rules.
    pub(super) fn invalid(self, name: &str, error: ScriptError) -> Vector {
        self.vector(name, Rules::Consensus, Err(error))
    }
}

/// What differs from what was signed.
type Change = fn(&mut Draft);

/// Every vector, in the file's order.
pub(super) fn all(recorded: &mut Recorded) -> Vec<Vector> {
    let mut vectors = valid(recorded);
    vectors.extend(not_a_lock(recorded));
    vectors.extend(witnesses(recorded));
    vectors.extend(keys::refused(recorded));
    vectors.extend(signatures(recorded));
    vectors.extend(of_something_else(recorded));
    vectors
}

fn valid(recorded: &mut Recorded) -> Vec<Vector> {
    let mut vectors = Vec::new();
    for key in ["2048", "3072", "4096"] {
        for hash_type in [RsaHashType::Default, RsaHashType::All] {
            let draft = Draft::of(&recorded.spki(key)).signed(recorded, key, hash_type);
            let name = if hash_type == RsaHashType::Default { "DEFAULT" } else { "ALL" };
            vectors.push(draft.valid(&format!("valid: {key} bits, {name}"), hash_type));
        }
    }
    let (small, large) = (rsa_lock_script(&recorded.spki("2048")), rsa_lock_script(&recorded.spki("4096")));
    // Two locks, one with each hash type; both inputs signed.
    let both = Draft::spending(&[small.clone(), large]).signed(recorded, "2048", RsaHashType::Default);
    let both = both.at(1).signed(recorded, "4096", RsaHashType::All);
    vectors.push(both.clone().at(0).valid("valid: the first of two locks", RsaHashType::Default));
    vectors.push(both.valid("valid: the second of two locks", RsaHashType::All));
    // Among other kinds of outputs, with every field away from its usual value.
    let (taproot, key_hash) = (Key::taproot(1), Key::witness_key_hash(2));
    let mut mixed = Draft::spending(&[taproot.script(), small.clone(), key_hash.script()]);
    mixed.tx.version.0 = 1;
    mixed.tx.lock_time = LockTime::from_consensus(500);
    mixed.tx.input[1].sequence = Sequence::from_consensus(0x0040_0007);
    mixed.tx.output.push(TxOut { value: Amount::from_sat(1_000), script_pubkey: key_hash.script() });
    mixed = mixed.at(1).signed(recorded, "2048", RsaHashType::Default);
    mixed.tx.input[0].witness = taproot.sign(&mixed.tx, 0, &mixed.spent);
    mixed.tx.input[2].witness = key_hash.sign(&mixed.tx, 2, &mixed.spent);
    vectors.push(mixed.clone().valid("valid: between a taproot and a P2WPKH input", RsaHashType::Default));
    for (input, name) in [(0, "taproot"), (2, "P2WPKH")] {
        let name = format!("valid: the {name} input beside a lock");
        vectors.push(mixed.clone().at(input).vector(&name, Rules::Standard, Ok(())));
    }
    // A script whose length takes three bytes in sha_outputs.
    let mut data = Draft::spending(&[small]);
    let long = PushBytesBuf::try_from(vec![0xda; 300]).expect("300 bytes can be pushed");
    let script_pubkey = Builder::new().push_opcode(OP_RETURN).push_slice(long).into_script();
    data.tx.output.push(TxOut { value: Amount::ZERO, script_pubkey });
    vectors.push(data.signed(recorded, "2048", RsaHashType::All).valid("valid: pays a long script", RsaHashType::All));
    vectors
}

/// What is no RSA lock though it looks like one: Bitcoin's rules for it hold.
fn not_a_lock(recorded: &mut Recorded) -> Vec<Vector> {
    let spki = recorded.spki("2048");
    let lock = rsa_lock_script(&spki);
    let mut vectors = Vec::new();
    let mut either = |name: &str, rsa_lock: bool, draft: Draft| {
        let refused = Err(ScriptError::DiscourageUpgradableWitnessProgram);
        for (rules, expected) in [(Rules::Consensus, Ok(())), (Rules::Standard, refused)] {
            let name =
                format!("no lock, {} rules: {name}", if rules == Rules::Consensus { "consensus" } else { "standard" });
            vectors.push(Vector { rsa_lock, ..draft.clone().vector(&name, rules, expected) });
        }
    };
    let without = Draft::of(&spki);
    either("a coin without the RSA lock, empty witness", false, without.clone());
    either("a coin without the RSA lock, no signature", false, without.clone().witness(&[&[0x01], &[]]));
    either(
        "a coin without the RSA lock, valid signature",
        false,
        without.signed(recorded, "2048", RsaHashType::Default),
    );
    let mut nested = Draft::spending(&[lock.to_p2sh()]);
    let redeem = PushBytesBuf::try_from(lock.to_bytes()).expect("34 bytes can be pushed");
    nested.tx.input[0].script_sig = Builder::new().push_slice(redeem).into_script();
    either("inside P2SH", true, nested);
    for size in [2, 20, 31, 33, 40] {
        let mut program = key_hash(&spki).to_vec();
        program.resize(size, 0x00);
        let program = PushBytesBuf::try_from(program).expect("a short program");
        let script = Builder::new().push_opcode(OP_PUSHNUM_16).push_slice(program).into_script();
        either(&format!("a program of {size} bytes"), true, Draft::spending(&[script]));
    }
    // OP_PUSHDATA1 makes it no witness program: a bare script that leaves 32 bytes on the stack, which are true.
    let mut script = vec![OP_PUSHNUM_16.to_u8(), 0x4c, 32];
    script.extend(key_hash(&spki));
    let pushed = Draft::spending(&[ScriptBuf::from_bytes(script)]);
    let name = "no lock, consensus rules: the key hash pushed by OP_PUSHDATA1";
    vectors.push(pushed.clone().vector(name, Rules::Consensus, Ok(())));
    let pushed = pushed.signed(recorded, "2048", RsaHashType::Default);
    vectors
        .push(pushed.invalid("no lock: the key hash pushed by OP_PUSHDATA1, signed", ScriptError::WitnessUnexpected));
    vectors
}

fn witnesses(recorded: &mut Recorded) -> Vec<Vector> {
    let spki = recorded.spki("2048");
    let draft = Draft::of(&spki);
    let signature = draft.sign(recorded, "2048", Scheme::Pss);
    let items = |found| ScriptError::RsaWitnessItems { found };
    let with = |items: &[&[u8]]| draft.clone().witness(items);
    let mut script_sig = with(&[&signature, &spki]);
    script_sig.tx.input[0].script_sig = Builder::new().push_int(1).into_script();
    let mut script_sig_alone = script_sig.clone().witness(&[]);
    script_sig_alone.tx.input[0].script_sig = Builder::new().push_slice(key_hash(&spki)).into_script();
    let other = recorded.spki("3072");
    let by_other = draft.sign(recorded, "3072", Scheme::Pss);
    vec![
        draft.clone().invalid("witness: empty", ScriptError::WitnessProgramWitnessEmpty),
        with(&[&signature]).invalid("witness: the signature alone", items(1)),
        with(&[&spki]).invalid("witness: the key alone", items(1)),
        with(&[&[], &signature, &spki]).invalid("witness: an empty item in front", items(3)),
        with(&[&signature, &spki, &[]]).invalid("witness: an empty item behind", items(3)),
        with(&[&signature, &spki, &[0x50]]).invalid("witness: an annex", items(3)),
        with(&[&signature, &[0x50]]).invalid("witness: an annex for the key", ScriptError::RsaKeyMismatch),
        with(&[&spki, &signature]).invalid("witness: the key first", ScriptError::RsaKeyMismatch),
        with(&[&by_other, &other]).invalid("witness: another key and its signature", ScriptError::RsaKeyMismatch),
        script_sig.invalid("witness: beside a signature script", ScriptError::WitnessMalleated),
        script_sig_alone.invalid("witness: empty, beside a signature script", ScriptError::WitnessMalleated),
    ]
}

fn signatures(recorded: &mut Recorded) -> Vec<Vector> {
    let spki = recorded.spki("2048");
    let draft = Draft::of(&spki);
    let good = draft.sign(recorded, "2048", Scheme::Pss);
    let mut vectors = Vec::new();
    let mut refused = |name: &str, signature: &[u8], error: ScriptError| {
        vectors.push(draft.clone().witness(&[signature, &spki]).invalid(&format!("signature: {name}"), error));
    };
    let size = |found| ScriptError::RsaSignatureSize { found, modulus: 256 };
    refused("empty", &[], size(0));
    refused("one byte short", &good[1..], size(255));
    refused("without its last byte", &good[..255], size(255));
    refused("two hash types", &[good.as_slice(), &[0x01, 0x01]].concat(), size(258));
    refused("a zero in front and a hash type", &[&[0x00], good.as_slice(), &[0x01]].concat(), size(258));
    for hash_type in [0x00, 0x02, 0x03, 0x04, 0x41, 0x81, 0x82, 0x83, 0xff] {
        // Signed for that very hash type, as BIP341 would for those that it has.
        let mut signature = recorded.sign("2048", Scheme::Pss, &draft.sighash_byte(hash_type));
        signature.push(hash_type);
        refused(&format!("hash type {hash_type:#04x}"), &signature, ScriptError::RsaHashType { hash_type });
    }
    let for_all = recorded.sign("2048", Scheme::Pss, &draft.sighash(RsaHashType::All));
    refused("for ALL, without its hash type", &for_all, ScriptError::RsaInvalid);
    refused("for DEFAULT, with ALL behind", &[good.as_slice(), &[0x01]].concat(), ScriptError::RsaInvalid);
    for (name, scheme) in [
        ("PKCS#1 v1.5", recorded::PKCS1),
        ("salt of 0 bytes", recorded::SALT_0),
        ("salt of 20 bytes", recorded::SALT_20),
        ("salt of the most bytes, 222", recorded::SALT_MAX),
        ("MGF1 with SHA-1", recorded::MGF1_SHA1),
        ("SHA-512 with a salt of 32 bytes", recorded::SHA512),
        ("SHA-512 with a salt of 64 bytes", recorded::SHA512_SALT_64),
    ] {
        refused(name, &draft.sign(recorded, "2048", scheme), ScriptError::RsaInvalid);
    }
    let mut changed = good.clone();
    changed[255] ^= 0x01;
    refused("one bit changed", &changed, ScriptError::RsaInvalid);
    refused("zero", &[0x00; 256], ScriptError::RsaInvalid);
    refused("one", &[[0x00; 255].as_slice(), &[0x01]].concat(), ScriptError::RsaInvalid);
    refused("the modulus", recorded::modulus(&spki), ScriptError::RsaInvalid);
    refused("the largest number of its size", &[0xff; 256], ScriptError::RsaInvalid);
    let small = draft.sign(recorded, "2048", Scheme::SmallPss);
    let sum = recorded::add(&small, recorded::modulus(&spki)).expect("this scheme makes room for the sum");
    refused("a valid one plus the modulus", &sum, ScriptError::RsaInvalid);
    let mut reversed = good;
    reversed.reverse();
    refused("least significant byte first", &reversed, ScriptError::RsaInvalid);
    vectors
}

/// Signatures over something that is not this input of this transaction.
fn of_something_else(recorded: &mut Recorded) -> Vec<Vector> {
    let spki = recorded.spki("2048");
    let draft = Draft::spending(&[rsa_lock_script(&spki), rsa_lock_script(&spki)]);
    let mut vectors = Vec::new();
    let mut refused = |name: &str, signature: &[u8], draft: &Draft| {
        let draft = draft.clone().witness(&[signature, &spki]);
        vectors.push(draft.invalid(&format!("signed something else: {name}"), ScriptError::RsaInvalid));
    };
    let good = draft.sign(recorded, "2048", Scheme::Pss);
    refused("the other input of the same key", &good, &draft.clone().at(1));
    let changes: [(&str, Change); 11] = [
        ("version", |draft| draft.tx.version.0 = 3),
        ("lock time", |draft| draft.tx.lock_time = LockTime::from_consensus(1)),
        ("the spent output's place", |draft| draft.tx.input[0].previous_output.vout += 1),
        ("the amount spent", |draft| draft.spent[0].value += Amount::from_sat(1)),
        ("the amount that the other input spends", |draft| draft.spent[1].value += Amount::from_sat(1)),
        ("the script that the other input spends", |draft| draft.spent[1].script_pubkey = Key::taproot(3).script()),
        ("the sequence", |draft| draft.tx.input[0].sequence = Sequence::MAX),
        ("the other input's sequence", |draft| draft.tx.input[1].sequence = Sequence::MAX),
        ("the output's amount", |draft| draft.tx.output[0].value += Amount::from_sat(1)),
        ("the output's script", |draft| draft.tx.output[0].script_pubkey = Key::taproot(8).script()),
        ("one output more", |draft| draft.tx.output.push(draft.tx.output[0].clone())),
    ];
    for (name, change) in changes {
        let mut changed = draft.clone();
        change(&mut changed);
        refused(name, &good, &changed);
    }
    let message = message(&draft.tx, 0, &draft.spent, 0x00);
    let sha256_of_tag = || sha256::Hash::hash(TAG.as_bytes()).to_byte_array().to_vec();
    refused("under BIP341's tag", &recorded.sign("2048", Scheme::Pss, &tagged("TapSighash", &message)), &draft);
    refused("without the epoch", &recorded.sign("2048", Scheme::Pss, &tagged(TAG, &message[1..])), &draft);
    refused("the message instead of its hash", &recorded.sign("2048", Scheme::Pss, &message), &draft);
    // What the sighash is the SHA-256 of: PSS then takes the sighash itself for the message's hash.
    let preimage = [sha256_of_tag(), sha256_of_tag(), message].concat();
    refused("the sighash, not hashed once more", &recorded.sign("2048", Scheme::Pss, &preimage), &draft);
    vectors
}
