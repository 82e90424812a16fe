//! Bitcoin Core as the oracle of scripts: whether its verification and ours accept the same spends.
//!
//! In:    generators of spends of every type, right and wrong, and the cases that once differed (`regressions.txt`).
//! Out:   how many cases were judged and by which rule they were refused; a difference, shrunk to a line of text.
//! Never: chance that can't be repeated. `SCRIPT_ORACLE_SEED` is a number, or `fresh` for a new one, which is printed;
//!        `SCRIPT_ORACLE_CASES` is how many cases to judge.

mod batch;
mod case;
mod code;
mod commitment;
mod dice;
mod draft;
mod fragments;
mod judge;
mod limits;
mod lock;
mod mutate;
mod run;
mod shrink;
mod sign;
mod signatures;
mod spends;

use std::collections::BTreeSet;
use std::env;
use std::io::{Write, stderr};
use std::time::Instant;

use bitcoinconsensus::VERIFY_P2SH;
use mycoin_script::ScriptFlags;

use crate::case::{CONSENSUS, Case, FLAGS};
use crate::judge::{agrees, core_accepts, our_flags, our_verdict};
use crate::run::run;
use crate::shrink::shrink;

/// The seed of every run that is not asked for another.
const SEED: u64 = 0x6d79_636f_696e;
/// How many cases a run judges that is not asked for more.
const CASES: u64 = 100_000;

/// Every rule that can refuse a spend under consensus flags, as Core's vectors name it. The other rules are policy.
/// Source: Bitcoin Core interpreter.cpp, script_error.h.
const RULES: [&str; 39] = [
    "EVAL_FALSE",
    "OP_RETURN",
    "SCRIPTNUM",
    "SCRIPT_SIZE",
    "PUSH_SIZE",
    "OP_COUNT",
    "STACK_SIZE",
    "SIG_COUNT",
    "PUBKEY_COUNT",
    "VERIFY",
    "EQUALVERIFY",
    "CHECKMULTISIGVERIFY",
    "CHECKSIGVERIFY",
    "NUMEQUALVERIFY",
    "BAD_OPCODE",
    "DISABLED_OPCODE",
    "INVALID_STACK_OPERATION",
    "INVALID_ALTSTACK_OPERATION",
    "UNBALANCED_CONDITIONAL",
    "NEGATIVE_LOCKTIME",
    "UNSATISFIED_LOCKTIME",
    "SIG_DER",
    "SIG_PUSHONLY",
    "SIG_NULLDUMMY",
    "CLEANSTACK",
    "WITNESS_PROGRAM_WRONG_LENGTH",
    "WITNESS_PROGRAM_WITNESS_EMPTY",
    "WITNESS_PROGRAM_MISMATCH",
    "WITNESS_MALLEATED",
    "WITNESS_MALLEATED_P2SH",
    "WITNESS_UNEXPECTED",
    "SCHNORR_SIG_SIZE",
    "SCHNORR_SIG_HASHTYPE",
    "SCHNORR_SIG",
    "TAPROOT_WRONG_CONTROL_SIZE",
    "TAPSCRIPT_VALIDATION_WEIGHT",
    "TAPSCRIPT_CHECKMULTISIG",
    "TAPSCRIPT_MINIMALIF",
    "TAPSCRIPT_EMPTY_PUBKEY",
];

fn say(text: &str) {
    writeln!(stderr(), "{text}").expect("standard error can be written to");
}

fn regressions() -> Vec<Case> {
    let lines = include_str!("regressions.txt").lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let lines = lines.filter(|line| !line.is_empty());
    lines.map(|line| Case::parse(line).unwrap_or_else(|| panic!("not a case: {line}"))).collect()
}

fn differs(case: &Case) -> bool {
    !agrees(our_verdict(case, None), core_accepts(case))
}

fn seed() -> u64 {
    match env::var("SCRIPT_ORACLE_SEED").as_deref() {
        Err(_) => SEED,
        Ok("fresh") => rand::random(),
        Ok(number) => number.parse().expect("SCRIPT_ORACLE_SEED is a number or \"fresh\""),
    }
}

fn count() -> u64 {
    env::var("SCRIPT_ORACLE_CASES").map_or(CASES, |number| number.parse().expect("SCRIPT_ORACLE_CASES is a number"))
}

#[test]
fn consensus_flags_are_cores_one_by_one() {
    assert_eq!(ScriptFlags::CONSENSUS.bits(), CONSENSUS);
    for (name, bit) in FLAGS {
        let ours = ScriptFlags::ALL.iter().find(|(known, _)| *known == name).map(|(_, flag)| flag.bits());
        assert_eq!(ours, Some(bit), "{name}");
        assert_eq!(our_flags(bit).bits(), bit, "{name}");
    }
}

#[test]
fn cases_that_once_differed_are_judged_as_core_judges_them() {
    let cases = regressions();
    assert!(cases.len() >= FLAGS.len(), "there is a case for each flag");
    for case in cases {
        assert!(!differs(&case), "Core accepts: {}, ours: {:?}\n{case}", core_accepts(&case), our_verdict(&case, None));
    }
}

#[test]
fn core_and_we_accept_the_same_spends() {
    let (seed, count, start) = (seed(), count(), Instant::now());
    let known: Vec<Case> = regressions().into_iter().filter(differs).collect();
    assert!(known.is_empty(), "{} cases of regressions.txt differ again", known.len());
    say(&format!("script oracle: {count} cases of seed {seed}"));
    let tally = run(seed, count, our_verdict);
    say(&format!("script oracle: {:.1} s\n{tally}", start.elapsed().as_secs_f64()));
    for found in &tally.disagreements {
        let (core, ours, cached) = (found.core_accepts, found.ours, found.cached);
        say(&format!("batch {} differs: Core accepts: {core}, ours: {ours:?}, cached: {cached:?}", found.batch));
        say(&format!("{}\n", shrink(found.case.clone(), differs)));
    }
    assert!(
        tally.disagreements.is_empty(),
        "{} cases differ with seed {seed}; add their lines to regressions.txt",
        tally.disagreements.len()
    );
    let whole = tally.whole();
    assert!(whole.all() >= count, "only {} cases were judged", whole.all());
    if count >= CASES {
        assert!(whole.accepted * 4 >= whole.all(), "less than a quarter of the cases are valid");
        let met: BTreeSet<&str> = tally.rules.keys().copied().collect();
        assert_eq!(met, BTreeSet::from(RULES), "the rules that refused are not all that consensus has");
    }
}

#[test]
fn a_judge_that_leaves_a_rule_out_is_found_and_its_case_shrunk() {
    for (name, rule) in FLAGS {
        let lenient = |case: &Case| Case { flags: case.flags & !rule, ..case.clone() };
        let tally = run(SEED, 4_000, |case, cache| our_verdict(&lenient(case), cache));
        let found = tally.disagreements.first().unwrap_or_else(|| panic!("nobody misses {name}"));
        let differs = |case: &Case| !agrees(our_verdict(&lenient(case), None), core_accepts(case));
        let small = shrink(found.case.clone(), differs);
        assert!(differs(&small), "{name}: the shrunk case differs no more");
        assert!(small.to_string().len() < found.case.to_string().len(), "{name}: nothing could be left out");
        assert!(small.flags & rule != 0, "{name}: the rule is still asked for");
        if rule == VERIFY_P2SH {
            assert_eq!((small.tx.input.len(), small.tx.output.len()), (1, 0), "no signature holds the others: {small}");
        }
        assert_eq!(Case::parse(&small.to_string()), Some(small), "{name}: a line keeps the case");
    }
}
