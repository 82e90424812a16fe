//! What is a transaction at all: the library's decoder at the places where Bitcoin Core's could differ.
//!
//! Blocks and transactions are decoded before any rule sees them, so what cannot be decoded is refused without a rule.
//! Source: Bitcoin Core `UnserializeTransaction`, primitives/transaction.h; `ReadCompactSize`, serialize.h.

use mycoin_consensus::{TxRuleError, check_transaction};
use mycoin_primitives::bitcoin::consensus::encode::{deserialize, deserialize_hex, serialize};
use mycoin_primitives::{Network, Transaction, Witness};
use mycoin_testkit::builders::ChainBuilder;

/// One input that spends output 0 of nothing known, without a script.
const INPUT: &str = "1111111111111111111111111111111111111111111111111111111111111111000000000000000000";
/// One output of 1 that anyone can spend.
const OUTPUT: &str = "01000000000000000151";

fn decode(hex: &str) -> Option<Transaction> {
    deserialize_hex(hex).ok()
}

#[test]
fn plain_and_witness_forms_are_read() {
    let plain = decode(&format!("0200000001{INPUT}01{OUTPUT}00000000")).expect("it is the plain form");
    let with_witness =
        decode(&format!("02000000000101{INPUT}01{OUTPUT}01010000000000")).expect("it is the form with witnesses");
    assert_eq!(plain.compute_txid(), with_witness.compute_txid());
    assert_eq!(with_witness.input[0].witness, Witness::from_slice(&[[0]]));
}

/// A second encoding of one transaction would be a way to alter a block on the way.
#[test]
fn a_transaction_has_one_encoding() {
    // The witness form without a witness.
    assert_eq!(decode(&format!("02000000000101{INPUT}01{OUTPUT}0000000000")), None);
    // Counts that are longer than they need be.
    assert_eq!(decode(&format!("02000000fd0100{INPUT}01{OUTPUT}00000000")), None);
    assert_eq!(decode(&format!("0200000001{INPUT}fe01000000{OUTPUT}00000000")), None);
    // Something after its end.
    assert_eq!(decode(&format!("0200000001{INPUT}01{OUTPUT}0000000000")), None);
}

#[test]
fn unknown_flags_are_refused() {
    for flag in ["02", "03", "ff"] {
        assert_eq!(decode(&format!("0200000000{flag}01{INPUT}01{OUTPUT}0100000000")), None, "{flag}");
    }
}

/// No inputs look like the witness form's marker. Bitcoin Core reads a transaction of neither inputs nor outputs here, and
/// none with outputs; the library the other way round. Both refuse either, by decoding or by the rule.
#[test]
fn a_transaction_without_inputs_is_refused_either_way() {
    assert_eq!(decode("02000000000000000000"), None);
    let without = decode(&format!("0200000000010001{OUTPUT}00000000")).expect("the library takes it");
    assert_eq!(check_transaction(&without, &Network::regtest()), Err(TxRuleError::InputsEmpty));
}

/// Versions and amounts are what their bits say, signed or not, and survive unchanged.
#[test]
fn versions_and_amounts_keep_their_bits() {
    for version in ["00000000", "ffffffff", "00000080", "03000000"] {
        let hex = format!("{version}01{INPUT}01ffffffffffffffff015100000000");
        let tx = decode(&hex).expect("any version is a version");
        assert_eq!(mycoin_primitives::bitcoin::consensus::encode::serialize_hex(&tx), hex);
        assert_eq!(check_transaction(&tx, &Network::regtest()), Err(TxRuleError::OutputNegative { output: 0 }));
    }
}

/// Witnesses as large as a block holds: one item, and as many items as fit.
#[test]
fn the_largest_witnesses_are_read_back() {
    let plain = decode(&format!("0200000001{INPUT}01{OUTPUT}00000000")).expect("it is the plain form");
    let items = |items: &[Vec<u8>]| {
        let mut tx = plain.clone();
        tx.input[0].witness = Witness::from_slice(items);
        let back: Transaction = deserialize(&serialize(&tx)).expect("a witness of this size is read");
        assert_eq!(back, tx);
        back
    };
    let large = items(&[vec![0xaa; 3_999_000]]);
    assert!(large.weight().to_wu() > 3_999_000);
    items(&vec![vec![7; 400_000]; 9]);
    let many = items(&vec![Vec::new(); 500_000]);
    assert_eq!(many.input[0].witness.len(), 500_000);
    items(&vec![Vec::new(); 3_999_000]);
}

#[test]
fn blocks_have_one_encoding_too() {
    let mut chain = ChainBuilder::new(Network::regtest());
    let block = chain.mine(Vec::new());
    let mut bytes = serialize(block.as_ref());
    assert_eq!(deserialize::<mycoin_primitives::Block>(&bytes).ok().as_ref(), Some(block.as_ref()));
    // The number of transactions, written longer than it need be.
    bytes.splice(80..81, [0xfd, 1, 0]);
    assert!(deserialize::<mycoin_primitives::Block>(&bytes).is_err());
}
