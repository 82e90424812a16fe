//! The rules of a transaction with the coins it spends.

use mycoin_consensus::{TxRuleError, check_sequence_locks, check_spend, is_unspendable};
use mycoin_primitives::{Amount, Coin, Height, MAX_MONEY, Network, ScriptBuf, Sequence, Transaction};
use mycoin_testkit::builders::TxBuilder;

use crate::{Times, coin, outpoint};

fn spending(coins: &[Coin]) -> TxBuilder {
    (1..).zip(coins).fold(TxBuilder::new(), |tx, (number, coin)| tx.spend(outpoint(number), &coin.output))
}

fn paying(coins: &[Coin], value: u64) -> Transaction {
    spending(coins).pay(ScriptBuf::new(), Amount::from_sat(value)).unsigned()
}

#[test]
fn fee_is_what_the_outputs_leave() {
    let coins = [coin(700, 1), coin(500, 2)];
    let fee = check_spend(&paying(&coins, 1_100), &coins, &Network::demo(), Height::new(3));
    assert_eq!(fee, Ok(Amount::from_sat(100)));
}

#[test]
fn input_missing_or_spent() {
    let coins = [coin(700, 1), coin(500, 2)];
    let verdict = check_spend(&paying(&coins, 1_100), &coins[..1], &Network::demo(), Height::new(3));
    let error = TxRuleError::InputMissingOrSpent { input: 1, outpoint: outpoint(2) };
    assert_eq!(verdict, Err(error.clone()));
    assert_eq!(error.reject_reason(), "bad-txns-inputs-missingorspent");
}

#[test]
fn premature_coinbase_spend() {
    for network in [Network::demo(), Network::mycoin(), Network::regtest()] {
        let coins = [Coin { is_coinbase: true, ..coin(700, 10) }];
        let check = |height| check_spend(&paying(&coins, 600), &coins, &network, height);
        let (created, maturity) = (Height::new(10), network.maturity);
        assert_eq!(check(Height::new(10 + maturity)), Ok(Amount::from_sat(100)));
        let height = Height::new(10 + maturity - 1);
        let error = TxRuleError::PrematureCoinbaseSpend { input: 0, created, height, maturity };
        assert_eq!(check(height), Err(error.clone()));
        assert_eq!(error.reject_reason(), "bad-txns-premature-spend-of-coinbase");
    }
}

#[test]
fn input_values_out_of_range() {
    let coins = [coin(MAX_MONEY.to_sat(), 1), coin(1, 1)];
    let error = TxRuleError::InputValuesOutOfRange { input: 1 };
    assert_eq!(check_spend(&paying(&coins, 1), &coins, &Network::demo(), Height::new(3)), Err(error.clone()));
    assert_eq!(error.reject_reason(), "bad-txns-inputvalues-outofrange");
    let coins = [coin(u64::MAX, 1)];
    let error = TxRuleError::InputValuesOutOfRange { input: 0 };
    assert_eq!(check_spend(&paying(&coins, 1), &coins, &Network::demo(), Height::new(3)), Err(error));
}

#[test]
fn outputs_above_inputs() {
    let coins = [coin(700, 1)];
    let error = TxRuleError::OutputsAboveInputs { paid: Amount::from_sat(701), held: Amount::from_sat(700) };
    assert_eq!(check_spend(&paying(&coins, 701), &coins, &Network::demo(), Height::new(3)), Err(error.clone()));
    assert_eq!(error.reject_reason(), "bad-txns-in-belowout");
}

#[test]
fn too_many_legacy_signature_operations() {
    let with = |operations: usize| {
        let mut coin = coin(700, 1);
        coin.output.script_pubkey = ScriptBuf::from_bytes(vec![0xac; operations]);
        let coins = [coin];
        let check = |network| check_spend(&paying(&coins, 600), &coins, &network, Height::new(3));
        (check(Network::demo()), check(Network::regtest()))
    };
    let fee = Ok(Amount::from_sat(100));
    assert_eq!(with(2_500), (fee.clone(), fee.clone()));
    let error = TxRuleError::TooManyLegacySignatureOperations { found: 2_501 };
    assert_eq!(error.reject_reason(), "bad-txns-legacy-sigops");
    assert_eq!(with(2_501), (Err(error), fee));
}

#[test]
fn unspendable_outputs() {
    assert!(is_unspendable(&ScriptBuf::from_bytes(vec![0x6a])));
    assert!(is_unspendable(&ScriptBuf::from_bytes(vec![0x51; 10_001])));
    assert!(!is_unspendable(&ScriptBuf::from_bytes(vec![0x51; 10_000])));
    assert!(!is_unspendable(&ScriptBuf::new()));
}

/// Whether a spend of a coin at height 10 with this version and sequence may stand in the block at `height`.
fn unlocked(version: i32, sequence: u32, height: u32, time: u32) -> bool {
    let coins = [coin(700, 10)];
    let sequence = Sequence::from_consensus(sequence);
    let tx = TxBuilder::new().spend_with_sequence(outpoint(1), &coins[0].output, sequence).version(version).unsigned();
    // Blocks before the coin's are at time 1,000 and later ones at `time`, so that both medians are plain to see.
    let times = (0..height).map(|height| if height < 10 { 1_000 } else { time }).collect();
    let verdict = check_sequence_locks(&tx, &coins, &Times::new(times));
    let error = TxRuleError::SequenceLocked { input: 0, sequence };
    assert!(verdict == Ok(()) || verdict == Err(error), "{verdict:?}");
    verdict.is_ok()
}

#[test]
fn sequence_locked_by_blocks() {
    assert!(unlocked(2, 0, 10, 0));
    assert!(unlocked(2, 1, 11, 0));
    assert!(!unlocked(2, 1, 10, 0));
    assert!(unlocked(2, 30, 40, 0));
    assert!(!unlocked(2, 31, 40, 0));
    // Bits that have no meaning.
    assert!(unlocked(2, 0x003f_0000 | 30, 40, 0));
    assert!(!unlocked(2, 0x003f_0000 | 31, 40, 0));
}

#[test]
fn sequence_locked_by_time() {
    const TIME: u32 = 1 << 22;
    assert!(unlocked(2, TIME, 40, 1_000));
    assert!(unlocked(2, TIME | 2, 40, 2_024));
    assert!(!unlocked(2, TIME | 2, 40, 2_023));
    assert!(unlocked(2, TIME | 0xffff, 40, 1_000 + 0xffff * 512));
    assert!(!unlocked(2, TIME | 0xffff, 40, 999 + 0xffff * 512));
}

#[test]
fn sequence_locks_are_switched_off() {
    assert!(unlocked(2, (1 << 31) | 31, 40, 0));
    assert!(unlocked(2, u32::MAX, 40, 0));
    assert!(unlocked(0, 31, 40, 0));
    assert!(unlocked(1, 31, 40, 0));
    // A version is unsigned to this rule.
    assert!(!unlocked(i32::MAX, 31, 40, 0));
    assert!(!unlocked(i32::MIN, 31, 40, 0));
    assert!(!unlocked(-1, 31, 40, 0));
    let reason = TxRuleError::SequenceLocked { input: 0, sequence: Sequence::ZERO }.reject_reason();
    assert_eq!(reason, "bad-txns-nonfinal");
}
