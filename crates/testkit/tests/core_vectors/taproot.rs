//! Source: Bitcoin Core `bip341_spk_test_vectors`, src/test/script_standard_tests.cpp, and
//! `bip341_keypath_test_vectors`, src/test/script_tests.cpp; BIP341.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::consensus::deserialize;
use mycoin_primitives::bitcoin::hex::DisplayHex as _;
use mycoin_primitives::bitcoin::key::{Keypair, TapTweak as _, XOnlyPublicKey};
use mycoin_primitives::bitcoin::opcodes::all::OP_CHECKSIG;
use mycoin_primitives::bitcoin::secp256k1::{Message, Secp256k1};
use mycoin_primitives::bitcoin::taproot::{
    LeafVersion, TapLeafHash, TapNodeHash, TapTweakHash, TaprootBuilder, TaprootSpendInfo,
};
use mycoin_primitives::bitcoin::{TapSighash, transaction};
use mycoin_primitives::hashes::{Hash as _, HashEngine as _};
use mycoin_primitives::{
    Amount, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, address_of, parse_address,
};
use mycoin_script::{PrecomputedTransaction, ScriptError, ScriptFlags, verify_input};
use mycoin_testkit::core_data;
use serde_json::Value;

use crate::support::{Report, array, bytes, integer, text};

const FILE: &str = "bip341_wallet_vectors.json";

/// A script of the tree, at its depth.
struct Leaf {
    id: usize,
    depth: u8,
    script: ScriptBuf,
    version: LeafVersion,
}

#[test]
fn bip341_script_pubkeys() {
    let file = core_data::read(FILE);
    let entries = array(&file["scriptPubKey"]);
    let mut report = Report::new("bip341_wallet_vectors.json, scriptPubKey", entries.len());
    let bitcoin = Network { address_prefix: "bc".to_owned(), ..Network::regtest() };
    for entry in entries {
        report.case();
        let (given, intermediary, expected) = (&entry["given"], &entry["intermediary"], &entry["expected"]);
        let internal: XOnlyPublicKey = text(&given["internalPubkey"]).parse().expect("a key has 32 bytes");
        let leaves = leaves(&given["scriptTree"]);
        let tree = build(internal, &leaves);
        let mut equal = |what: &str, found: String, value: &Value| {
            report.expect(value == &found, || format!("{what} {found}: {entry}"));
        };
        for leaf in &leaves {
            let hash = TapLeafHash::from_script(&leaf.script, leaf.version);
            equal("leaf hash", hash.to_string(), &intermediary["leafHashes"][leaf.id]);
        }
        if let Some(root) = tree.merkle_root() {
            equal("Merkle root", root.to_string(), &intermediary["merkleRoot"]);
        }
        let tweak = TapTweakHash::from_key_and_tweak(internal, tree.merkle_root());
        equal("tweak", tweak.to_string(), &intermediary["tweak"]);
        equal("output key", tree.output_key().to_string(), &intermediary["tweakedPubkey"]);
        let script = ScriptBuf::new_p2tr_tweaked(tree.output_key());
        equal("script", script.to_hex_string(), &expected["scriptPubKey"]);
        equal("address", address_of(&script, &bitcoin).unwrap_or_default(), &expected["bip350Address"]);
        let parsed = parse_address(text(&expected["bip350Address"]), &bitcoin);
        report.expect(parsed.as_ref() == Ok(&script), || format!("{parsed:?}: {entry}"));
        report.expect(intermediary["merkleRoot"].is_null() == leaves.is_empty(), || format!("tree: {entry}"));
        for leaf in &leaves {
            let value = &expected["scriptPathControlBlocks"][leaf.id];
            let control = tree.control_block(&(leaf.script.clone(), leaf.version)).expect("the leaf is in the tree");
            let found = control.serialize().to_lower_hex_string();
            report.expect(*value == found, || format!("control block {found}: {entry}"));
            check_commitment(&mut report, &script, leaf, &bytes(value));
        }
    }
    report.conclude(7);
}

/// Reads a tree of scripts, leaves from left to right.
fn leaves(tree: &Value) -> Vec<Leaf> {
    fn walk(node: &Value, depth: u8, leaves: &mut Vec<Leaf>) {
        match node {
            Value::Null => {}
            Value::Array(children) => children.iter().for_each(|child| walk(child, depth + 1, leaves)),
            leaf => leaves.push(Leaf {
                id: integer(&leaf["id"]).try_into().expect("an index is not negative"),
                depth,
                script: ScriptBuf::from_bytes(bytes(&leaf["script"])),
                version: u8::try_from(integer(&leaf["leafVersion"]))
                    .ok()
                    .and_then(|version| LeafVersion::from_consensus(version).ok())
                    .expect("leaf versions are even bytes"),
            }),
        }
    }
    let mut found = Vec::new();
    walk(tree, 0, &mut found);
    found
}

fn build(internal: XOnlyPublicKey, leaves: &[Leaf]) -> TaprootSpendInfo {
    let secp = Secp256k1::new();
    if leaves.is_empty() {
        return TaprootSpendInfo::new_key_spend(&secp, internal, None);
    }
    let add = |builder: TaprootBuilder, leaf: &Leaf| {
        builder
            .add_leaf_with_ver(leaf.depth, leaf.script.clone(), leaf.version)
            .expect("leaves come from left to right")
    };
    leaves.iter().fold(TaprootBuilder::new(), add).finalize(&secp, internal).expect("the tree is complete")
}

/// Spends by the leaf: the script runs if, and only if, the control block leads from it to the output's key.
///
/// Nobody knows the leaves' keys, so that a script which asks for a signature gets an empty one and ends in false.
fn check_commitment(report: &mut Report, output: &ScriptBuf, leaf: &Leaf, control: &[u8]) {
    let asks = leaf.version == LeafVersion::TapScript && leaf.script.as_bytes().last() == Some(&OP_CHECKSIG.to_u8());
    let spend = |script: &[u8], control: &[u8]| {
        let mut witness = Witness::new();
        if asks {
            witness.push([]);
        }
        witness.push(script);
        witness.push(control);
        verify_spend(output, witness)
    };
    let expected = if asks { Err(ScriptError::EvalFalse) } else { Ok(()) };
    let found = spend(leaf.script.as_bytes(), control);
    report.expect(found == expected, || format!("{found:?}: leaf {} of {output}", leaf.id));

    let changed = |bytes: &[u8], index: usize| {
        let mut changed = bytes.to_vec();
        changed[index] ^= 1;
        changed
    };
    for (what, found) in [
        ("script", spend(&changed(leaf.script.as_bytes(), 1), control)),
        ("parity", spend(leaf.script.as_bytes(), &changed(control, 0))),
        ("path", spend(leaf.script.as_bytes(), &changed(control, control.len() - 1))),
    ] {
        let mismatch = Err(ScriptError::WitnessProgramMismatch);
        report.expect(found == mismatch, || format!("{found:?} with another {what}: leaf {} of {output}", leaf.id));
    }
}

fn verify_spend(output: &ScriptBuf, witness: Witness) -> Result<(), ScriptError> {
    let spent = TxOut { value: Amount::from_sat(1000), script_pubkey: output.clone() };
    let input =
        TxIn { previous_output: OutPoint::null(), script_sig: ScriptBuf::new(), sequence: Sequence::MAX, witness };
    let tx = Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![spent.clone()],
    };
    verify_input(&PrecomputedTransaction::new(&tx, vec![spent]), 0, ScriptFlags::CONSENSUS)
}

#[test]
fn bip341_key_path_spending() {
    let file = core_data::read(FILE);
    let entries = array(&file["keyPathSpending"]);
    let inputs = entries.iter().map(|entry| array(&entry["inputSpending"]).len()).sum();
    let mut report = Report::new("bip341_wallet_vectors.json, keyPathSpending", inputs);
    for entry in entries {
        let spent: Vec<TxOut> = array(&entry["given"]["utxosSpent"]).iter().map(spent_output).collect();
        let unsigned: Transaction =
            deserialize(&bytes(&entry["given"]["rawUnsignedTx"])).expect("the transaction can be read");
        let signed: Transaction =
            deserialize(&bytes(&entry["auxiliary"]["fullySignedTx"])).expect("the transaction can be read");
        // Its inputs of other kinds, too: one is P2PKH, one P2WPKH.
        let data = PrecomputedTransaction::new(&signed, spent.as_slice());
        for input in 0..signed.input.len() {
            let verdict = verify_input(&data, input, ScriptFlags::STANDARD);
            report.expect(verdict.is_ok(), || format!("{verdict:?}: input {input} of the signed transaction"));
        }
        for vector in array(&entry["inputSpending"]) {
            report.case();
            check_key(&mut report, vector);
            check_signature(&mut report, &unsigned, &spent, vector, &entry["intermediary"]);
        }
    }
    report.conclude(7);
}

fn spent_output(output: &Value) -> TxOut {
    let value = integer(&output["amountSats"]).try_into().expect("no amount is negative");
    TxOut { value: Amount::from_sat(value), script_pubkey: ScriptBuf::from_bytes(bytes(&output["scriptPubKey"])) }
}

/// Checks how the key that signs comes from the internal one, and what it signs with.
fn check_key(report: &mut Report, vector: &Value) {
    let (given, intermediary) = (&vector["given"], &vector["intermediary"]);
    let secp = Secp256k1::new();
    let internal = Keypair::from_seckey_str(&secp, text(&given["internalPrivkey"])).expect("a key has 32 bytes");
    let root: Option<TapNodeHash> = given["merkleRoot"].as_str().map(|root| root.parse().expect("a root has 32 bytes"));
    let mut equal = |what: &str, found: String, value: &Value| {
        report.expect(value == &found, || format!("{what} {found}: {vector}"));
    };
    let public = internal.x_only_public_key().0;
    equal("internal key", public.to_string(), &intermediary["internalPubkey"]);
    equal("tweak", TapTweakHash::from_key_and_tweak(public, root).to_string(), &intermediary["tweak"]);
    let tweaked = internal.tap_tweak(&secp, root).to_keypair();
    equal("tweaked key", tweaked.display_secret().to_string(), &intermediary["tweakedPrivkey"]);

    let mut engine = TapSighash::engine();
    engine.input(&bytes(&intermediary["sigMsg"]));
    let hash = TapSighash::from_engine(engine);
    equal("signature hash", hash.to_string(), &intermediary["sigHash"]);
    let signature = secp.sign_schnorr_no_aux_rand(&Message::from_digest(hash.to_byte_array()), &tweaked);
    let mut witness = signature.serialize().to_vec();
    witness.extend(u8::try_from(integer(&given["hashType"])).ok().filter(|hash_type| *hash_type != 0));
    equal("witness", witness.to_lower_hex_string(), &vector["expected"]["witness"][0]);
}

/// Checks that the signature, which is one of `sigHash`, is valid in its place: so our own hash is the same.
fn check_signature(report: &mut Report, unsigned: &Transaction, spent: &[TxOut], vector: &Value, hashes: &Value) {
    let input: usize = integer(&vector["given"]["txinIndex"]).try_into().expect("an index is not negative");
    let witness = bytes(&vector["expected"]["witness"][0]);
    let verify = |item: &[u8]| {
        let mut tx = unsigned.clone();
        tx.input[input].witness = Witness::from_slice(&[item]);
        verify_input(&PrecomputedTransaction::new(&tx, spent), input, ScriptFlags::STANDARD)
    };
    let verdict = verify(&witness);
    report.expect(verdict.is_ok(), || format!("{verdict:?}: {vector}"));
    let mut changed = witness;
    changed[0] ^= 1;
    let verdict = verify(&changed);
    report.expect(verdict == Err(ScriptError::SchnorrSig), || format!("{verdict:?}, signature changed: {vector}"));

    for used in array(&vector["intermediary"]["precomputedUsed"]) {
        let message = text(&vector["intermediary"]["sigMsg"]);
        report.expect(message.contains(text(&hashes[text(used)])), || format!("{used} in {vector}"));
    }
}
