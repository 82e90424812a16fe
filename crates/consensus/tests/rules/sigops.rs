//! What a transaction's signature operations cost, by Bitcoin Core's own examples.
//!
//! Source: Bitcoin Core, test/sigopcount_tests.cpp and test/script_p2sh_tests.cpp; written anew.

use mycoin_primitives::bitcoin::opcodes::all::{
    OP_CHECKMULTISIG, OP_CHECKMULTISIGVERIFY, OP_CHECKSIG, OP_ENDIF, OP_EQUAL, OP_EQUALVERIFY, OP_HASH160, OP_IF,
};
use mycoin_primitives::bitcoin::script::{Builder, PushBytesBuf};
use mycoin_primitives::{Amount, OutPoint, Script, ScriptBuf, Transaction, TxOut, Witness};
use mycoin_script::{
    PrecomputedTransaction, ScriptError, ScriptFlags, bip54_signature_operations, legacy_signature_operations,
    signature_operation_cost, verify_input,
};
use mycoin_testkit::builders::TxBuilder;

use crate::outpoint;

const KEY: [u8; 33] = [2; 33];

fn push(bytes: &[u8]) -> PushBytesBuf {
    PushBytesBuf::try_from(bytes.to_vec()).expect("scripts here are short")
}

fn output(script_pubkey: &Script) -> TxOut {
    TxOut { value: Amount::from_sat(1), script_pubkey: script_pubkey.to_owned() }
}

fn spending(spent: &TxOut, script_sig: ScriptBuf, items: &[&[u8]]) -> Transaction {
    let mut tx = TxBuilder::new().spend(outpoint(1), spent).pay(ScriptBuf::new(), Amount::from_sat(1)).unsigned();
    tx.input[0].script_sig = script_sig;
    tx.input[0].witness = Witness::from_slice(items);
    tx
}

/// The cost of one input, and what running it says.
#[track_caller]
fn check(locked: &Script, script_sig: ScriptBuf, items: &[&[u8]], cost: u64, error: ScriptError) {
    let spent = [output(locked)];
    let tx = spending(&spent[0], script_sig, items);
    let flags = ScriptFlags::P2SH.union(ScriptFlags::WITNESS);
    assert_eq!(signature_operation_cost(&tx, &spent, flags), cost);
    let data = PrecomputedTransaction::new(&tx, spent.as_slice());
    assert_eq!(verify_input(&data, 0, flags), Err(error));
}

/// One of two keys, both the same, with a wish to go on.
fn multisig() -> ScriptBuf {
    Builder::new()
        .push_int(1)
        .push_slice(KEY)
        .push_slice(KEY)
        .push_int(2)
        .push_opcode(OP_CHECKMULTISIGVERIFY)
        .into_script()
}

#[test]
fn multisigs_count_their_keys_where_the_script_is_run_and_twenty_where_it_is_only_seen() {
    let mut script =
        Builder::new().push_int(1).push_slice([0; 20]).push_slice([0; 20]).push_int(2).push_opcode(OP_CHECKMULTISIG);
    let counts = |script: &Script| {
        let spent = [output(script)];
        let by_keys = bip54_signature_operations(&spending(&spent[0], ScriptBuf::new(), &[]), &spent);
        let mut creating = spending(&spent[0], ScriptBuf::new(), &[]);
        creating.output = spent.to_vec();
        (legacy_signature_operations(&creating), by_keys)
    };
    assert_eq!(counts(Script::new()), (0, 0));
    assert_eq!(counts(script.as_script()), (20, 2));
    script = script.push_opcode(OP_IF).push_opcode(OP_CHECKSIG).push_opcode(OP_ENDIF);
    assert_eq!(counts(script.as_script()), (21, 3));
    let locked = script.as_script().to_p2sh();
    assert_eq!(counts(&locked), (0, 0));
    let script_sig = Builder::new().push_int(0).push_slice(push(script.as_bytes())).into_script();
    let spent = [output(&locked)];
    let cost = signature_operation_cost(&spending(&spent[0], script_sig, &[]), &spent, ScriptFlags::CONSENSUS);
    assert_eq!(cost, 3 * 4);
}

#[test]
fn a_bare_multisig_costs_where_it_is_made_and_not_where_it_is_spent() {
    let script = multisig();
    let script_sig = Builder::new().push_int(0).push_int(0).into_script();
    check(&script, script_sig, &[], 0, ScriptError::CheckMultisigVerify);
    let mut making = spending(&output(&script), ScriptBuf::new(), &[]);
    making.input[0].previous_output = OutPoint::null();
    making.output = vec![output(&script)];
    assert_eq!(signature_operation_cost(&making, &[], ScriptFlags::CONSENSUS), 20 * 4);
}

#[test]
fn what_p2sh_runs_costs_four_each() {
    let script = multisig();
    let script_sig = Builder::new().push_int(0).push_int(0).push_slice(push(script.as_bytes())).into_script();
    check(&script.to_p2sh(), script_sig.clone(), &[], 2 * 4, ScriptError::CheckMultisigVerify);
    let spent = [output(&script.to_p2sh())];
    assert_eq!(signature_operation_cost(&spending(&spent[0], script_sig, &[]), &spent, ScriptFlags::NONE), 0);
}

#[test]
fn witness_programs_cost_one_each() {
    let key_hash = ScriptBuf::from_bytes([&[0, 20][..], &[7; 20]].concat());
    let nothing: [&[u8]; 2] = [&[], &[]];
    check(&key_hash, ScriptBuf::new(), &nothing, 1, ScriptError::EqualVerify);
    let nested = Builder::new().push_slice(push(key_hash.as_bytes())).into_script();
    check(&key_hash.to_p2sh(), nested, &nothing, 1, ScriptError::EqualVerify);

    let script = multisig();
    let witness: [&[u8]; 3] = [&[], &[], script.as_bytes()];
    check(&script.to_p2wsh(), ScriptBuf::new(), &witness, 2, ScriptError::CheckMultisigVerify);
    let redeem = script.to_p2wsh();
    let nested = Builder::new().push_slice(push(redeem.as_bytes())).into_script();
    check(&redeem.to_p2sh(), nested, &witness, 2, ScriptError::CheckMultisigVerify);

    // Nothing where the flag is missing, for another version, or for a coinbase.
    let spent = [output(&key_hash)];
    let tx = spending(&spent[0], ScriptBuf::new(), &nothing);
    assert_eq!(signature_operation_cost(&tx, &spent, ScriptFlags::P2SH), 0);
    let version_1 = ScriptBuf::from_bytes([&[0x51, 20][..], &[7; 20]].concat());
    assert_eq!(signature_operation_cost(&tx, &[output(&version_1)], ScriptFlags::CONSENSUS), 0);
    let mut coinbase = tx;
    coinbase.input[0].previous_output = OutPoint::null();
    assert_eq!(signature_operation_cost(&coinbase, &spent, ScriptFlags::CONSENSUS), 0);
}

/// Inside a redeem script a script's hash is only a hash.
#[test]
fn p2sh_does_not_recur() {
    let invalid = ScriptBuf::from_bytes(vec![0xff, 0xff]);
    let once = invalid.to_p2sh();
    let run = |locked: &Script, pushes: &[&Script]| {
        let script_sig =
            pushes.iter().fold(Builder::new(), |builder, script| builder.push_slice(push(script.as_bytes())));
        let spent = [output(locked)];
        let tx = spending(&spent[0], script_sig.into_script(), &[]);
        let verdict = verify_input(&PrecomputedTransaction::new(&tx, spent.as_slice()), 0, ScriptFlags::CONSENSUS);
        (signature_operation_cost(&tx, &spent, ScriptFlags::CONSENSUS), verdict)
    };
    assert_eq!(run(&once, &[&invalid]), (0, Err(ScriptError::BadOpcode)));
    assert_eq!(run(&once.to_p2sh(), &[&invalid, &once]), (0, Ok(())));
}

/// Before BIP16 the hash alone decided.
#[test]
fn p2sh_runs_the_script_only_under_its_flag() {
    let unmet = Builder::new().push_int(11).push_int(12).push_opcode(OP_EQUALVERIFY).into_script();
    let spent = [output(&unmet.to_p2sh())];
    let tx = spending(&spent[0], Builder::new().push_slice(push(unmet.as_bytes())).into_script(), &[]);
    let data = PrecomputedTransaction::new(&tx, spent.as_slice());
    assert_eq!(verify_input(&data, 0, ScriptFlags::NONE), Ok(()));
    assert_eq!(verify_input(&data, 0, ScriptFlags::P2SH), Err(ScriptError::EqualVerify));
}

/// Only the one form of 23 bytes is pay-to-script-hash: no longer pushes, nothing before or after.
#[test]
fn p2sh_has_one_form() {
    let redeem = ScriptBuf::from_bytes(vec![0xac; 3]);
    let hash = redeem.to_p2sh().as_bytes()[2..22].to_vec();
    let script_sig = Builder::new().push_slice(push(redeem.as_bytes())).into_script();
    let cost = |locked: &Script| {
        let spent = [output(locked)];
        signature_operation_cost(&spending(&spent[0], script_sig.clone(), &[]), &spent, ScriptFlags::CONSENSUS)
    };
    assert_eq!(cost(&redeem.to_p2sh()), 12);
    for prefix in [&[0xa9, 0x4c, 20][..], &[0xa9, 0x4d, 20, 0], &[0xa9, 0x4e, 20, 0, 0, 0], &[0x61, 0xa9, 20]] {
        assert_eq!(cost(&ScriptBuf::from_bytes([prefix, &hash, &[0x87]].concat())), 0, "{prefix:?}");
    }
    let twice = Builder::new()
        .push_opcode(OP_HASH160)
        .push_slice(push(&hash))
        .push_slice(push(&hash))
        .push_opcode(OP_EQUAL)
        .into_script();
    assert_eq!(cost(&twice), 0);
}
