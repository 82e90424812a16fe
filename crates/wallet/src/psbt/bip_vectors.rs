//! The BIPs' own vectors for PSBTs: BIP174, 370 and 371. The figures stand with the other BIPs' in `testkit`.
//!
//! Left out: that the updater and the signer of BIP174 make what they make, since no wallet of ours is opened with loose
//! keys and scripts. Their PSBTs are read, written, combined and finished.

use std::collections::BTreeSet;
use std::io::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_primitives::bitcoin::VarInt;
use mycoin_primitives::bitcoin::consensus::Decodable as _;
use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use mycoin_primitives::bitcoin::taproot::TaprootSpendInfo;
use mycoin_primitives::{Network, ScriptBuf, Transaction, TxOut};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::finalise::Examined;
use super::{MAGIC, Psbt, PsbtError};

fn load<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).expect("the vectors are of the form that their test reads")
}

/// Says how many vectors ran, also when the test passes, and holds the number to what the BIP has.
#[track_caller]
fn ran(what: &str, found: usize, expected: usize) {
    writeln!(std::io::stderr(), "{what}: {found} vectors").expect("standard error can be written to");
    assert_eq!(found, expected, "{what}");
}

#[derive(Deserialize)]
struct Vector {
    what: String,
    psbt: String,
}

#[derive(Deserialize)]
struct Bip174 {
    invalid: Vec<Vector>,
    valid: Vec<Vector>,
    fails_signer: Vec<Vector>,
    roles: Roles,
    unknown: Unknown,
}

/// One payment on its way through the roles.
#[derive(Deserialize)]
struct Roles {
    created: String,
    updated: String,
    with_sighash: String,
    signed_by_one: String,
    signed_by_other: String,
    combined: String,
    finalised: String,
    extracted: String,
}

#[derive(Deserialize)]
struct Unknown {
    one: String,
    other: String,
    combined: String,
}

fn bip174() -> Bip174 {
    load(include_str!("../../../testkit/tests/bip_vectors/data/bip174.json"))
}

#[derive(Deserialize)]
struct Bip370 {
    invalid: Vec<Vector>,
    valid: Vec<Vector>,
    lock_times: Vec<Vector>,
}

#[derive(Deserialize)]
struct Bip371 {
    invalid: Vec<Vector>,
    valid: Vec<Vector>,
}

fn bip371() -> Bip371 {
    load(include_str!("../../../testkit/tests/bip_vectors/data/bip371.json"))
}

#[track_caller]
fn read(text: &str) -> Psbt {
    Psbt::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Reads it from text and from bytes, and writes the same again.
#[track_caller]
fn both_ways(what: &str, text: &str) -> Psbt {
    let psbt = read(text);
    assert_eq!(psbt.to_string(), text, "{what}");
    assert_eq!(Psbt::parse(&psbt.to_bytes()).expect("our own bytes"), psbt, "{what}");
    psbt
}

/// The records of every map, for where their order says nothing: we write signatures in the order of their keys.
fn records(bytes: &[u8]) -> Vec<BTreeSet<(Vec<u8>, Vec<u8>)>> {
    let mut rest = bytes.strip_prefix(MAGIC).expect("a PSBT");
    let mut maps = vec![BTreeSet::new()];
    let mut take = || {
        let length = VarInt::consensus_decode(&mut rest).expect("a length").0;
        let (part, after) = rest.split_at(usize::try_from(length).expect("a short one"));
        rest = after;
        (part.to_vec(), rest.is_empty())
    };
    loop {
        match take() {
            (key, true) if key.is_empty() => return maps,
            (key, _) if key.is_empty() => maps.push(BTreeSet::new()),
            (key, _) => {
                let record = (key, take().0);
                assert!(maps.last_mut().is_some_and(|map| map.insert(record)), "no record stands twice");
            }
        }
    }
}

#[track_caller]
fn combined(one: &str, other: &str) -> Psbt {
    let mut psbt = read(one);
    psbt.combine(read(other)).unwrap_or_else(|error| panic!("{error}: {one}"));
    psbt
}

/// The transaction, with the coins that the PSBT tells.
fn finish(psbt: &Psbt) -> Result<Transaction, PsbtError> {
    let inputs = psbt.0.inputs.iter().zip(&psbt.0.unsigned_tx.input);
    let coins = inputs.map(|(input, txin)| {
        let earlier = input.non_witness_utxo.as_ref().and_then(|tx| tx.output.get(txin.previous_output.vout as usize));
        earlier.or(input.witness_utxo.as_ref()).cloned().expect("the vector tells the coin")
    });
    Examined::new(psbt, &coins.collect::<Vec<TxOut>>(), &Network::regtest()).finish()
}

#[test]
fn bip174_invalid_psbts_are_refused() {
    let Bip174 { invalid, .. } = bip174();
    for Vector { what, psbt } in &invalid {
        let refused = Psbt::parse(psbt.as_bytes()).expect_err(what);
        match what.as_str() {
            "a network transaction" => assert!(matches!(refused, PsbtError::NotAPsbt), "{what}: {refused}"),
            _ => assert!(matches!(refused, PsbtError::Damaged), "{what}: {refused}"),
        }
    }
    ran("BIP174, invalid PSBTs", invalid.len(), 19);
}

#[test]
fn bip174_valid_psbts_are_read_and_written_byte_for_byte() {
    let Bip174 { valid, fails_signer, roles, unknown, .. } = bip174();
    for Vector { what, psbt } in valid.iter().chain(&fails_signer) {
        both_ways(what, psbt);
    }
    ran("BIP174, valid PSBTs", valid.len(), 10);
    ran("BIP174, valid PSBTs that a signer refuses", fails_signer.len(), 4);
    // What a combiner makes may stand in another order: see the combiner's own test.
    let Roles { created, updated, with_sighash, signed_by_one, signed_by_other, finalised, .. } = roles;
    let roles = [created, updated, with_sighash, signed_by_one, signed_by_other, finalised];
    let unknown = [unknown.one, unknown.other, unknown.combined];
    for psbt in roles.iter().chain(&unknown) {
        both_ways("the roles' PSBTs", psbt);
    }
    ran("BIP174, the roles' PSBTs", roles.len() + unknown.len(), 9);
}

#[test]
fn bip174_copies_are_combined() {
    let Bip174 { roles, unknown, .. } = bip174();
    let vectors = [
        (&roles.signed_by_one, &roles.signed_by_other, &roles.combined),
        (&unknown.one, &unknown.other, &unknown.combined),
        // Nothing is lost where one copy holds all that the other has.
        (&roles.updated, &roles.with_sighash, &roles.with_sighash),
        (&roles.created, &roles.updated, &roles.updated),
    ];
    for (one, other, expected) in vectors {
        let bytes = BASE64_STANDARD.decode(expected).expect("base64");
        for psbt in [combined(one, other), combined(other, one)] {
            assert_eq!(psbt, read(expected));
            assert_eq!(records(&psbt.to_bytes()), records(&bytes));
        }
    }
    // A coin that the other copy tells without proof takes no proof away.
    let proven = read(&roles.updated);
    let mut told = proven.clone();
    let earlier = told.0.inputs[0].non_witness_utxo.take().expect("the vector has one");
    told.0.inputs[0].witness_utxo = earlier.output.first().cloned();
    for (mut one, other) in [(proven.clone(), told.clone()), (told, proven)] {
        one.combine(other).expect("one payment");
        assert_eq!(one.0.inputs[0].non_witness_utxo.as_ref(), Some(&earlier));
        assert_eq!(one.0.inputs[0].witness_utxo.as_ref(), earlier.output.first());
    }
    let mut psbt = read(&roles.combined);
    assert!(matches!(psbt.combine(read(&unknown.one)), Err(PsbtError::OtherPayment)));
    ran("BIP174, combined, two of them its updaters' PSBTs", vectors.len(), 4);
}

#[test]
fn bip174_signatures_are_finalised_and_extracted() {
    let Bip174 { roles, .. } = bip174();
    for signed in [&roles.combined, &roles.finalised] {
        let tx = finish(&read(signed)).expect("all signatures are there");
        assert_eq!(serialize_hex(&tx), roles.extracted);
        let finalised = read(&roles.finalised);
        for (txin, input) in tx.input.iter().zip(&finalised.0.inputs) {
            assert_eq!(input.final_script_sig.as_ref(), Some(&txin.script_sig));
            assert_eq!(input.final_script_witness.clone().unwrap_or_default(), txin.witness);
        }
        assert_eq!(tx.compute_ntxid(), read(&roles.created).unsigned().compute_ntxid());
    }
    for missing in [&roles.updated, &roles.with_sighash, &roles.signed_by_one, &roles.signed_by_other] {
        let refused = finish(&read(missing)).expect_err("one signature of two, or none");
        assert!(matches!(&refused, PsbtError::Incomplete { inputs } if inputs == &[0, 1]), "{refused}");
    }
    ran("BIP174, finalised and extracted", 2, 2);
}

#[test]
fn bip174_scripts_that_are_not_the_coins_finish_nothing() {
    let Bip174 { fails_signer, roles, .. } = bip174();
    // The first of them is another payment, without any signature.
    let [_, others @ ..] = fails_signer.as_slice() else { panic!("four vectors") };
    for Vector { what, psbt } in others {
        // The other signature comes to it; the script stays.
        let error = finish(&combined(psbt, &roles.signed_by_one)).expect_err(what);
        let wrong = usize::from(!what.contains("non-witness"));
        // The signatures are not over this script, or the script does not fit the coin.
        let refused = matches!(&error, PsbtError::SignatureRefused { input, .. } if *input == wrong)
            || matches!(&error, PsbtError::Incomplete { inputs } if inputs == &[wrong]);
        assert!(refused, "{what}: {error}");
    }
    ran("BIP174, scripts that are not the coin's", others.len(), 3);
}

#[test]
fn bip370_psbts_are_refused_by_their_version() {
    let Bip370 { invalid, valid, lock_times } =
        load(include_str!("../../../testkit/tests/bip_vectors/data/bip370.json"));
    for Vector { what, psbt } in invalid.iter().chain(&valid).chain(&lock_times) {
        let refused = Psbt::parse(psbt.as_bytes()).expect_err(what);
        assert!(matches!(refused, PsbtError::OtherVersion), "{what}: {refused}");
    }
    ran("BIP370, invalid PSBTs", invalid.len(), 21);
    ran("BIP370, valid PSBTs, refused by their version", valid.len(), 14);
    ran("BIP370, lock times, refused by their version", lock_times.len(), 10);
}

#[test]
fn bip371_invalid_psbts_are_refused() {
    let Bip371 { invalid, .. } = bip371();
    for Vector { what, psbt } in &invalid {
        let refused = Psbt::parse(psbt.as_bytes()).expect_err(what);
        assert!(matches!(refused, PsbtError::Damaged), "{what}: {refused}");
    }
    ran("BIP371, invalid PSBTs", invalid.len(), 11);
}

#[test]
fn bip371_valid_psbts_are_read_written_and_finished() {
    let Bip371 { valid, .. } = bip371();
    let secp = Secp256k1::verification_only();
    let (mut finished, mut trees) = (0, 0);
    for Vector { what, psbt } in &valid {
        let psbt = match what.as_str() {
            // Of two leaves under one branch either may stand first; the library has its own order.
            "output, tree of three leaves" => read(psbt),
            _ => both_ways(what, psbt),
        };
        assert_eq!(read(&psbt.to_string()), psbt, "{what}");
        for (output, txout) in psbt.0.outputs.iter().zip(&psbt.0.unsigned_tx.output) {
            let (Some(tree), Some(key)) = (&output.tap_tree, output.tap_internal_key) else { continue };
            let spends = TaprootSpendInfo::from_node_info(&secp, key, tree.node_info().clone());
            assert_eq!(ScriptBuf::new_p2tr_tweaked(spends.output_key()), txout.script_pubkey, "{what}");
            trees += 1;
        }
        let signed = what.contains("signature");
        match finish(&psbt) {
            Ok(tx) => assert_eq!((signed, tx.compute_txid()), (true, psbt.txid()), "{what}"),
            Err(error) => assert!(!signed && matches!(error, PsbtError::Incomplete { .. }), "{what}: {error}"),
        }
        finished += usize::from(signed);
    }
    ran("BIP371, valid PSBTs", valid.len(), 6);
    ran("BIP371, trees that give their output's script", trees, 1);
    ran("BIP371, finished", finished, 2);
}
