//! Source: Bitcoin Core, src/test/script_tests.cpp.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::hex::FromHex;
use mycoin_primitives::bitcoin::opcodes::OP_0;
use mycoin_primitives::bitcoin::script::Builder;
use mycoin_primitives::bitcoin::secp256k1::{Keypair, Secp256k1};
use mycoin_primitives::bitcoin::taproot::{LeafVersion, TaprootBuilder, TaprootSpendInfo};
use mycoin_primitives::bitcoin::{Denomination, transaction};
use mycoin_primitives::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};
use mycoin_script::{PrecomputedTransaction, ScriptFlags, verify_input};
use mycoin_testkit::core_data;
use serde_json::Value;

use crate::flags::{RandomFlags, fill, parse_flags};
use crate::script_text::parse_script;
use crate::support::{Report, array, text};

const FILE: &str = "script_tests.json";

/// How many other sets of flags each case is checked with.
const OTHER_FLAGS: usize = 256;

#[test]
fn script_tests() {
    let file = core_data::read(FILE);
    let mut report = Report::new(FILE, array(&file).len());
    let mut random = RandomFlags::new();
    for entry in array(&file) {
        let (funding, case) = match array(entry) {
            [Value::Array(items), case @ ..] => (Funding::parse(items), case),
            case => (Funding::default(), case),
        };
        let [script_sig, script_pubkey, flags, expected, ..] = case else {
            assert_eq!(array(entry).len(), 1, "neither case nor comment: {entry}");
            continue;
        };
        report.case();
        let script_pubkey = funding.script_pubkey(text(script_pubkey));
        let spent = TxOut { value: funding.value, script_pubkey };
        let tx = spending(&spent, parse_script(text(script_sig)), funding.witness);
        run(
            &mut report,
            entry,
            &PrecomputedTransaction::new(&tx, vec![spent]),
            parse_flags(text(flags)),
            text(expected),
            &mut random,
        );
    }
    report.conclude(1222);
}

/// Checks the verdict's name; then that a spend stays valid with fewer flags, and an invalid one invalid with more.
fn run(
    report: &mut Report,
    entry: &Value,
    data: &PrecomputedTransaction<'_>,
    mut flags: ScriptFlags,
    expected: &str,
    random: &mut RandomFlags,
) {
    if flags.contains(ScriptFlags::CLEANSTACK) {
        flags = fill(flags);
    }
    let found = verify_input(data, 0, flags).map_or_else(|error| error.name(), |()| "OK");
    report.expect(found == expected, || format!("{found}: {entry}"));

    let valid = expected == "OK";
    for _ in 0..OTHER_FLAGS {
        let other = random.next();
        let other = if valid { flags.without(other) } else { flags.union(other) };
        if other != fill(other) {
            continue; // Core allows no set that lacks a flag which another one needs.
        }
        let verdict = verify_input(data, 0, other);
        report.expect(verdict.is_ok() == valid, || format!("{verdict:?} with {other:?}: {entry}"));
    }
}

/// What a case says of the output beside its script: what it holds, its witness, the taproot tree of its one script.
#[derive(Default)]
struct Funding {
    value: Amount,
    witness: Witness,
    taproot: Option<TaprootSpendInfo>,
}

impl Funding {
    /// Reads the witness' items and, behind them, the amount in coins.
    fn parse(items: &[Value]) -> Self {
        let (value, items) = items.split_last().expect("the amount stands last");
        let value = Amount::from_str_in(&value.to_string(), Denomination::Bitcoin).expect("the amount can be read");
        let mut funding = Self { value, ..Self::default() };
        for item in items {
            funding.push(text(item));
        }
        funding
    }

    fn push(&mut self, item: &str) {
        if let Some(script) = item.strip_prefix("#SCRIPT#") {
            self.witness.push(parse_script(script));
        } else if item == "#CONTROLBLOCK#" {
            let script = ScriptBuf::from_bytes(self.witness.last().expect("the script stands before it").to_vec());
            let tree = single_leaf(script.clone());
            let control = tree.control_block(&(script, LeafVersion::TapScript)).expect("the tree holds the script");
            self.witness.push(control.serialize());
            self.taproot = Some(tree);
        } else {
            self.witness.push(Vec::from_hex(item).unwrap_or_else(|error| panic!("the item {item}: {error}")));
        }
    }

    fn script_pubkey(&self, script: &str) -> ScriptBuf {
        if script != "0x51 0x20 #TAPROOTOUTPUT#" {
            return parse_script(script);
        }
        let tree = self.taproot.as_ref().expect("the witness holds a control block");
        ScriptBuf::new_p2tr_tweaked(tree.output_key())
    }
}

/// The tree of one script under the key whose secret is 1, Core's `key0`.
fn single_leaf(script: ScriptBuf) -> TaprootSpendInfo {
    let secp = Secp256k1::new();
    let one = Keypair::from_seckey_str(&secp, &format!("{:064x}", 1)).expect("1 is a secret key");
    let builder = TaprootBuilder::new().add_leaf(0, script).expect("a tree may be one leaf");
    builder.finalize(&secp, one.x_only_public_key().0).expect("the tree is complete")
}

/// The transaction that spends `output`, alone in a transaction of its own.
///
/// Signatures in the file cover both. Source: Bitcoin Core `BuildCreditingTransaction`, `BuildSpendingTransaction`.
fn spending(output: &TxOut, script_sig: ScriptBuf, witness: Witness) -> Transaction {
    let transaction = |previous_output, script_sig, witness, output| Transaction {
        version: transaction::Version::ONE,
        lock_time: LockTime::ZERO,
        input: vec![TxIn { previous_output, script_sig, sequence: Sequence::MAX, witness }],
        output: vec![output],
    };
    let zeros = Builder::new().push_opcode(OP_0).push_opcode(OP_0).into_script();
    let credit = transaction(OutPoint::null(), zeros, Witness::new(), output.clone());
    let outpoint = OutPoint { txid: credit.compute_txid(), vout: 0 };
    transaction(outpoint, script_sig, witness, TxOut { value: output.value, script_pubkey: ScriptBuf::new() })
}
