//! Source: Bitcoin Core, src/test/transaction_tests.cpp.

use std::collections::HashMap;

use mycoin_consensus::check_transaction;
use mycoin_primitives::bitcoin::consensus::deserialize;
use mycoin_primitives::{Amount, Network, OutPoint, Transaction, TxOut};
use mycoin_script::{PrecomputedTransaction, ScriptError, ScriptFlags, verify_input};
use mycoin_testkit::core_data;
use serde_json::Value;

use crate::flags::{RandomFlags, complement, core_flags, fill, parse_flags, trim, without_one};
use crate::script_text::parse_script;
use crate::support::{Report, array, bytes, integer, text};

/// The word that stands for flags where the transaction breaks a rule of its own.
const BADTX: &str = "BADTX";

#[test]
fn tx_valid() {
    const FILE: &str = "tx_valid.json";
    let file = core_data::read(FILE);
    let mut report = Report::new(FILE, array(&file).len());
    let mut random = RandomFlags::new();
    for entry in array(&file) {
        let Some(case) = Case::parse(entry) else { continue };
        report.case();
        let checked = check_transaction(&case.tx, &Network::regtest());
        report.expect(checked.is_ok(), || format!("{checked:?}: {entry}"));
        let data = PrecomputedTransaction::new(&case.tx, case.spent());
        let mut expect = |valid, flags| {
            let verdict = verify_all(&data, flags);
            report.expect(verdict.is_ok() == valid, || format!("{verdict:?} with {flags:?}: {entry}"));
        };
        // The file names the flags that must not be set.
        let unset = parse_flags(case.flags);
        assert_eq!(complement(unset), fill(complement(unset)), "no set that Core allows: {entry}");
        expect(true, complement(unset));
        for (_, flag) in core_flags() {
            expect(true, trim(complement(unset.union(flag))));
            expect(true, trim(complement(unset.union(random.next()))));
        }
        for fewer in without_one(unset) {
            expect(false, complement(fewer));
        }
    }
    report.conclude(121);
}

#[test]
fn tx_invalid() {
    const FILE: &str = "tx_invalid.json";
    let file = core_data::read(FILE);
    let mut report = Report::new(FILE, array(&file).len());
    let mut random = RandomFlags::new();
    for entry in array(&file) {
        let Some(case) = Case::parse(entry) else { continue };
        report.case();
        let checked = check_transaction(&case.tx, &Network::regtest());
        report.expect(checked.is_err() == (case.flags == BADTX), || format!("{checked:?}: {entry}"));
        if case.flags == BADTX {
            continue;
        }
        let data = PrecomputedTransaction::new(&case.tx, case.spent());
        let mut expect = |valid, flags| {
            let verdict = verify_all(&data, flags);
            report.expect(verdict.is_ok() == valid, || format!("{verdict:?} with {flags:?}: {entry}"));
        };
        let set = parse_flags(case.flags);
        assert_eq!(set, fill(set), "no set that Core allows: {entry}");
        expect(false, set);
        for (_, flag) in core_flags() {
            expect(false, fill(set.union(flag)));
            expect(false, fill(set.union(random.next())));
        }
        for fewer in without_one(set) {
            expect(true, fewer);
        }
    }
    report.conclude(93);
}

/// An entry that isn't a comment: the outputs that may be spent, the transaction, flags.
struct Case<'a> {
    outputs: HashMap<OutPoint, TxOut>,
    tx: Transaction,
    flags: &'a str,
}

impl<'a> Case<'a> {
    fn parse(entry: &'a Value) -> Option<Self> {
        let [Value::Array(outputs), tx, flags] = array(entry) else {
            assert!(array(entry).iter().all(Value::is_string), "neither case nor comment: {entry}");
            return None;
        };
        let tx = deserialize(&bytes(tx)).unwrap_or_else(|error| panic!("{error}: {entry}"));
        Some(Self { outputs: outputs.iter().map(parse_output).collect(), tx, flags: text(flags) })
    }

    /// The output that each input spends, in input order.
    fn spent(&self) -> Vec<TxOut> {
        let output = |outpoint| self.outputs.get(outpoint).expect("the case holds what its transaction spends").clone();
        self.tx.input.iter().map(|input| output(&input.previous_output)).collect()
    }
}

/// An output that may be spent: its transaction, its place, its script and, where it matters, what it holds.
fn parse_output(output: &Value) -> (OutPoint, TxOut) {
    let (place, amount) = match array(output) {
        [txid, vout, script] => ((txid, vout, script), Amount::ZERO),
        [txid, vout, script, amount] => {
            ((txid, vout, script), Amount::from_sat(integer(amount).try_into().expect("no amount is negative")))
        }
        _ => panic!("an output is expected: {output}"),
    };
    let (txid, vout, script) = place;
    // −1 is the null outpoint's place.
    let vout = i32::try_from(integer(vout)).expect("a place has 32 bits").cast_unsigned();
    let outpoint = OutPoint { txid: text(txid).parse().expect("a txid has 32 bytes"), vout };
    (outpoint, TxOut { value: amount, script_pubkey: parse_script(text(script)) })
}

/// Checks every input up to the first that fails.
fn verify_all(data: &PrecomputedTransaction<'_>, flags: ScriptFlags) -> Result<(), ScriptError> {
    (0..data.transaction().input.len()).try_for_each(|input| verify_input(data, input, flags))
}
