//! The rules of a transaction alone.

use mycoin_consensus::{TxRuleError, check_transaction, is_final};
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::consensus::encode::deserialize_hex;
use mycoin_primitives::{Amount, Height, MAX_MONEY, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxOut};
use mycoin_testkit::builders::{TxBuilder, coinbase};

use crate::outpoint;

fn spending(outpoints: &[OutPoint]) -> TxBuilder {
    let nothing = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new() };
    outpoints.iter().fold(TxBuilder::new(), |tx, outpoint| tx.spend(*outpoint, &nothing))
}

fn paying(values: &[u64]) -> Transaction {
    let script = ScriptBuf::from_bytes(vec![0x51; 20]);
    values
        .iter()
        .fold(spending(&[outpoint(1)]), |tx, value| tx.pay(script.clone(), Amount::from_sat(*value)))
        .unsigned()
}

#[track_caller]
fn check(tx: &Transaction, expected: Result<(), TxRuleError>, reason: &str) {
    let verdict = check_transaction(tx, &Network::demo());
    assert_eq!(verdict, expected);
    assert_eq!(verdict.map_or_else(|error| error.reject_reason(), |()| ""), reason);
}

#[test]
fn inputs_empty() {
    let tx = TxBuilder::new().pay(ScriptBuf::new(), Amount::ZERO).unsigned();
    check(&tx, Err(TxRuleError::InputsEmpty), "bad-txns-vin-empty");
}

#[test]
fn outputs_empty() {
    check(&spending(&[outpoint(1)]).unsigned(), Err(TxRuleError::OutputsEmpty), "bad-txns-vout-empty");
}

#[test]
fn oversize() {
    let sized =
        |bytes: usize| spending(&[outpoint(1)]).pay(ScriptBuf::from_bytes(vec![0; bytes]), Amount::ZERO).unsigned();
    // 4 version, 1 + 41 input, 1 output count, 8 value, 5 script size, 4 lock time.
    check(&sized(1_000_000 - 64), Ok(()), "");
    let error = TxRuleError::Oversize { stripped_bytes: 1_000_001 };
    check(&sized(1_000_001 - 64), Err(error), "bad-txns-oversize");
}

#[test]
fn output_negative() {
    check(&paying(&[1, u64::MAX]), Err(TxRuleError::OutputNegative { output: 1 }), "bad-txns-vout-negative");
    check(&paying(&[1 << 63]), Err(TxRuleError::OutputNegative { output: 0 }), "bad-txns-vout-negative");
}

#[test]
fn output_too_large() {
    let value = MAX_MONEY + Amount::from_sat(1);
    let error = TxRuleError::OutputTooLarge { output: 0, value };
    check(&paying(&[value.to_sat()]), Err(error), "bad-txns-vout-toolarge");
    let most = Amount::from_sat(i64::MAX.unsigned_abs());
    let error = TxRuleError::OutputTooLarge { output: 0, value: most };
    check(&paying(&[most.to_sat()]), Err(error), "bad-txns-vout-toolarge");
    check(&paying(&[MAX_MONEY.to_sat()]), Ok(()), "");
}

#[test]
fn output_total_too_large() {
    let error = TxRuleError::OutputTotalTooLarge { output: 1 };
    check(&paying(&[MAX_MONEY.to_sat(), 1]), Err(error.clone()), "bad-txns-txouttotal-toolarge");
    check(&paying(&[MAX_MONEY.to_sat(), MAX_MONEY.to_sat()]), Err(error), "bad-txns-txouttotal-toolarge");
}

#[test]
fn inputs_duplicate() {
    let tx = spending(&[outpoint(1), outpoint(2), outpoint(1)]).pay(ScriptBuf::new(), Amount::ZERO).unsigned();
    let error = TxRuleError::InputsDuplicate { outpoint: outpoint(1), first: 0, second: 2 };
    check(&tx, Err(error), "bad-txns-inputs-duplicate");
    // Two null prevouts are duplicates first, as in Bitcoin Core.
    let nulls = spending(&[OutPoint::null(), OutPoint::null()]).pay(ScriptBuf::new(), Amount::ZERO).unsigned();
    let error = TxRuleError::InputsDuplicate { outpoint: OutPoint::null(), first: 0, second: 1 };
    check(&nulls, Err(error), "bad-txns-inputs-duplicate");
}

#[test]
fn coinbase_script_size() {
    for (bytes, good) in [(0, false), (1, false), (2, true), (100, true), (101, false)] {
        let output = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(vec![0x51; 20]) };
        let mut tx = coinbase(Height::new(7), 0, output);
        tx.input[0].script_sig = ScriptBuf::from_bytes(vec![0x51; bytes]);
        let error = TxRuleError::CoinbaseScriptSize { bytes };
        check(&tx, if good { Ok(()) } else { Err(error) }, if good { "" } else { "bad-cb-length" });
    }
}

#[test]
fn prevout_null() {
    let tx = spending(&[outpoint(1), OutPoint::null()]).pay(ScriptBuf::new(), Amount::ZERO).unsigned();
    check(&tx, Err(TxRuleError::PrevoutNull { input: 1 }), "bad-txns-prevout-null");
}

/// BIP54, test_vectors/txsize.json.
#[test]
fn sixty_four_bytes() {
    let (good, bad) = (
        [
            "0200000001827da3d85a6547d6b03662d2cb86982d655a6f390547285a3bf9ec9f28e0c8831500000000ffffffff0100000000000000000300515200000000",
            "02000000000101827da3d85a6547d6b03662d2cb86982d655a6f390547285a3bf9ec9f28e0c8831500000000ffffffff01000000000000000000010000000000",
            "0200000001827da3d85a6547d6b03662d2cb86982d655a6f390547285a3bf9ec9f28e0c8831500000000ffffffff01000000000000000005005152545800000000",
        ],
        [
            "0200000001827da3d85a6547d6b03662d2cb86982d655a6f390547285a3bf9ec9f28e0c8831500000000ffffffff010000000000000000040051525400000000",
            "0200000001827da3d85a6547d6b03662d2cb86982d655a6f390547285a3bf9ec9f28e0c883150000000403424242ffffffff010040075af07507000000000000",
            "02000000000101827da3d85a6547d6b03662d2cb86982d655a6f390547285a3bf9ec9f28e0c8831500000000ffffffff01000000000000000004005152540108213245576281941200000000",
            "0200000001deb98691723fa71260ffca6ea0a7bc0a63b0a8a366e1b585caad47fb269a2ce401000000030251b201000000010000000000000000016a00000000",
            "01000000010d0afe3d74062ee60c0ec55579d691d8c8af5c04eb97b777157a21a8c5fb143d00000000035101b100000000010000000000000000016a01000000",
        ],
    );
    for hex in good {
        check(&deserialize_hex(hex).expect("the vector is a transaction"), Ok(()), "");
    }
    for hex in bad {
        let tx: Transaction = deserialize_hex(hex).expect("the vector is a transaction");
        check(&tx, Err(TxRuleError::SixtyFourBytes), "bad-txns-size");
        assert_eq!(check_transaction(&tx, &Network::regtest()), Ok(()));
    }
}

#[test]
fn finality() {
    let tx = |lock_time: u32, sequence: Sequence| {
        let nothing = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new() };
        let lock_time = LockTime::from_consensus(lock_time);
        TxBuilder::new().spend_with_sequence(outpoint(1), &nothing, sequence).lock_time(lock_time).unsigned()
    };
    let locked = |lock_time: u32| tx(lock_time, Sequence::ZERO);
    let (height, time) = (Height::new(100), 600_000_000);
    assert!(is_final(&locked(0), Height::GENESIS, 0));
    assert!(is_final(&locked(99), height, time));
    assert!(!is_final(&locked(100), height, time));
    assert!(!is_final(&locked(499_999_999), height, time));
    assert!(is_final(&locked(500_000_000), height, time));
    assert!(is_final(&locked(599_999_999), height, time));
    assert!(!is_final(&locked(600_000_000), height, time));
    assert!(is_final(&tx(600_000_000, Sequence::MAX), height, time));
    assert!(!is_final(&tx(600_000_000, Sequence::ENABLE_LOCKTIME_NO_RBF), height, time));
}
