//! Each rule on inputs, at its limit and beyond.

use mycoin_primitives::bitcoin::script::{Builder, PushBytesBuf};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Amount, OutPoint, Txid};

use super::*;
use crate::test_support::unsigned;

fn script(hex: &str) -> ScriptBuf {
    ScriptBuf::from_hex(hex).expect("tests write hex")
}

fn locked(script_pubkey: ScriptBuf) -> TxOut {
    TxOut { value: Amount::ONE_BTC, script_pubkey }
}

/// A transaction with an input for each script and witness.
fn spending(inputs: &[(ScriptBuf, Witness)]) -> Transaction {
    let coins: Vec<OutPoint> =
        (0..).zip(inputs).map(|(vout, _)| OutPoint { txid: Txid::from_byte_array([5; 32]), vout }).collect();
    let mut tx = unsigned(&coins, vec![locked(script("51024e73"))]);
    for (txin, (script_sig, witness)) in tx.input.iter_mut().zip(inputs) {
        (txin.script_sig, txin.witness) = (script_sig.clone(), witness.clone());
    }
    tx
}

fn pushing(item: &[u8]) -> ScriptBuf {
    let item = PushBytesBuf::try_from(item.to_vec()).expect("short enough for a push");
    Builder::new().push_slice(item).into_script()
}

/// What is said of one input with that script, which spends an output with that one.
fn input_verdict(script_sig: ScriptBuf, script_pubkey: ScriptBuf) -> Result<(), RejectReason> {
    let tx = spending(&[(script_sig, Witness::new())]);
    check_inputs_standard(&tx, &[locked(script_pubkey)], &Network::regtest())
}

fn input_problem(script_sig: ScriptBuf, script_pubkey: ScriptBuf) -> InputProblem {
    let reason = input_verdict(script_sig, script_pubkey).expect_err("the input is not standard");
    assert_eq!(reason.reject_reason(), "bad-txns-nonstandard-inputs");
    match reason {
        RejectReason::NonstandardInput { input: 0, problem } => problem,
        other => panic!("{other}"),
    }
}

fn witness_verdict(script_sig: ScriptBuf, script_pubkey: ScriptBuf, items: &[Vec<u8>]) -> Result<(), WitnessProblem> {
    let tx = spending(&[(script_sig, Witness::from_slice(items))]);
    check_witnesses_standard(&tx, &[locked(script_pubkey)]).map_err(|reason| {
        assert_eq!(reason.reject_reason(), "bad-witness-nonstandard");
        match reason {
            RejectReason::NonstandardWitness { input: 0, problem } => problem,
            other => panic!("{other}"),
        }
    })
}

fn key_hash() -> ScriptBuf {
    script(&format!("0014{}", "11".repeat(20)))
}

fn script_hash() -> ScriptBuf {
    script(&format!("0020{}", "22".repeat(32)))
}

fn taproot_lock() -> ScriptBuf {
    script(&format!("5120{}", "22".repeat(32)))
}

fn anchor() -> ScriptBuf {
    script("51024e73")
}

#[test]
fn standard_kinds_are_spent() {
    let bare_multisig = format!("51{}60ae", format!("2102{}", "22".repeat(32)).repeat(16));
    for kind in [script(&bare_multisig), key_hash(), script_hash(), taproot_lock(), anchor()] {
        assert_eq!(input_verdict(ScriptBuf::new(), kind), Ok(()));
    }
}

#[test]
fn unknown_script() {
    assert_eq!(input_problem(ScriptBuf::new(), script("51")), InputProblem::UnknownScript);
}

#[test]
fn undefined_witness_program() {
    let version_16 = script(&format!("6020{}", "22".repeat(32)));
    assert_eq!(input_problem(ScriptBuf::new(), version_16.clone()), InputProblem::UndefinedWitnessProgram);
    let tx = spending(&[(ScriptBuf::new(), Witness::new())]);
    assert_eq!(check_inputs_standard(&tx, &[locked(version_16)], &Network::demo()), Ok(()));
}

#[test]
fn malformed_script_sig() {
    let p2sh = script("51").to_p2sh();
    let malformed = |script_sig| input_problem(script_sig, p2sh.clone());
    // RESERVED counts as a push and cannot be run.
    assert_eq!(malformed(script("50")), InputProblem::MalformedScriptSig { error: ScriptError::BadOpcode });
    assert_eq!(input_verdict(pushing(&[0; 520]), p2sh.clone()), Ok(()));
    assert_eq!(malformed(pushing(&[0; 521])), InputProblem::MalformedScriptSig { error: ScriptError::PushSize });
    assert_eq!(input_verdict(ScriptBuf::from_bytes(vec![0x51; 1_000]), p2sh.clone()), Ok(()));
    let stacked = malformed(ScriptBuf::from_bytes(vec![0x51; 1_001]));
    assert_eq!(stacked, InputProblem::MalformedScriptSig { error: ScriptError::StackSize });
}

#[test]
fn missing_redeem_script() {
    assert_eq!(input_problem(ScriptBuf::new(), script("51").to_p2sh()), InputProblem::MissingRedeemScript);
}

#[test]
fn redeem_script_sigops() {
    let checking = |count: usize| ScriptBuf::from_bytes(vec![0xac; count]);
    let verdict = |count| input_verdict(pushing(checking(count).as_bytes()), checking(count).to_p2sh());
    assert_eq!(verdict(15), Ok(()));
    let refused =
        RejectReason::NonstandardInput { input: 0, problem: InputProblem::RedeemScriptSigops { found: 16, limit: 15 } };
    assert_eq!(verdict(16), Err(refused));
    // A multisig counts its keys.
    let multisig = script("5fae");
    assert_eq!(input_verdict(pushing(multisig.as_bytes()), multisig.to_p2sh()), Ok(()));
}

#[test]
fn legacy_sigops() {
    // Bare multisigs of 20 keys, which count 20 each however many are signed.
    let key = format!("2102{}", "22".repeat(32));
    let twenty = locked(script(&format!("51{}0114ae", key.repeat(20))));
    let one = locked(script(&format!("{key}ac")));
    let verdict = |spent: Vec<TxOut>| {
        let tx = spending(&vec![(ScriptBuf::new(), Witness::new()); spent.len()]);
        check_inputs_standard(&tx, &spent, &Network::regtest())
    };
    let limit = vec![twenty; 125];
    assert_eq!(verdict(limit.clone()), Ok(()));
    let refused = RejectReason::LegacySigops { found: 2_501, limit: 2_500 };
    assert_eq!(refused.reject_reason(), "bad-txns-nonstandard-inputs");
    assert_eq!(verdict([limit, vec![one]].concat()), Err(refused));
}

#[test]
fn witness_of_an_anchor() {
    assert_eq!(witness_verdict(ScriptBuf::new(), anchor(), &[vec![]]), Err(WitnessProblem::Anchor));
    assert_eq!(witness_verdict(ScriptBuf::new(), anchor(), &[]), Ok(()));
    // Inside P2SH the two bytes mean nothing, and nothing more than that is said here.
    assert_eq!(witness_verdict(pushing(anchor().as_bytes()), anchor().to_p2sh(), &[vec![]]), Ok(()));
}

#[test]
fn witness_without_a_program() {
    let legacy = ScriptBuf::new_p2pkh(&mycoin_primitives::hashes::Hash::all_zeros());
    assert_eq!(witness_verdict(ScriptBuf::new(), legacy, &[vec![1]]), Err(WitnessProblem::NoWitnessProgram));
    let p2sh = script("51").to_p2sh();
    assert_eq!(witness_verdict(pushing(&[0x51]), p2sh.clone(), &[vec![1]]), Err(WitnessProblem::NoWitnessProgram));
    assert_eq!(witness_verdict(ScriptBuf::new(), p2sh, &[vec![1]]), Err(WitnessProblem::NoRedeemScript));
}

#[test]
fn witness_script_size() {
    let problem = WitnessProblem::ScriptSize { size: 3_601, limit: 3_600 };
    for (script_sig, lock) in
        [(ScriptBuf::new(), script_hash()), (pushing(script_hash().as_bytes()), script_hash().to_p2sh())]
    {
        let verdict = |size| witness_verdict(script_sig.clone(), lock.clone(), &[vec![0x51; size]]);
        assert_eq!(verdict(3_600), Ok(()));
        assert_eq!(verdict(3_601), Err(problem.clone()));
    }
}

#[test]
fn witness_item_count() {
    let verdict = |count: usize| witness_verdict(ScriptBuf::new(), script_hash(), &vec![vec![]; count + 1]);
    assert_eq!(verdict(100), Ok(()));
    assert_eq!(verdict(101), Err(WitnessProblem::ItemCount { count: 101, limit: 100 }));
}

#[test]
fn witness_item_size() {
    let verdict = |size| witness_verdict(ScriptBuf::new(), script_hash(), &[vec![1; size], vec![0x51; 200]]);
    assert_eq!(verdict(80), Ok(()));
    assert_eq!(verdict(81), Err(WitnessProblem::ItemSize { size: 81, limit: 80 }));
}

#[test]
fn tapscript_item_size() {
    let verdict = |size, leaf: u8| {
        let control = [&[leaf][..], &[7; 32]].concat();
        witness_verdict(ScriptBuf::new(), taproot_lock(), &[vec![1; size], vec![0x51; 5_000], control])
    };
    assert_eq!(verdict(80, 0xc1), Ok(()));
    assert_eq!(verdict(81, 0xc1), Err(WitnessProblem::ItemSize { size: 81, limit: 80 }));
    // Leaf versions without a meaning have no limit here; script flags discourage them.
    assert_eq!(verdict(81, 0xc2), Ok(()));
}

#[test]
fn taproot_annex_and_control_block() {
    let verdict = |items: &[Vec<u8>]| witness_verdict(ScriptBuf::new(), taproot_lock(), items);
    assert_eq!(verdict(&[vec![0x50; 64]]), Ok(()));
    assert_eq!(verdict(&[vec![1; 64], vec![0x50, 1]]), Err(WitnessProblem::Annex));
    assert_eq!(verdict(&[vec![0x51], vec![]]), Err(WitnessProblem::EmptyControlBlock));
    // In version 0 the last item is a key or a script, whatever it begins with.
    assert_eq!(witness_verdict(ScriptBuf::new(), key_hash(), &[vec![1; 64], vec![0x50, 1]]), Ok(()));
}

#[test]
fn witness_programs_but_anchors_need_a_witness() {
    let spends = |script_sig, lock| spends_witness_program(&spending(&[(script_sig, Witness::new())]), &[locked(lock)]);
    assert!(spends(ScriptBuf::new(), key_hash()));
    assert!(spends(pushing(key_hash().as_bytes()), key_hash().to_p2sh()));
    assert!(!spends(ScriptBuf::new(), key_hash().to_p2sh()));
    assert!(!spends(ScriptBuf::new(), anchor()));
    assert!(!spends(ScriptBuf::new(), script("51")));
}
