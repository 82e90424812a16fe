//! Each reason to refuse a transaction, by name.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Failure as _, Network, ScriptBuf, Sequence, Witness};

use super::*;
use crate::MempoolLimits;
use crate::test_support::{COIN, World, output, pay, unsigned};

fn refused(world: &mut World, tx: &Transaction) -> RejectReason {
    let before = world.pool.len();
    let reason = world.accept(tx).expect_err("the transaction breaks a rule");
    assert_eq!(world.pool.len(), before);
    reason
}

#[test]
fn a_good_transaction_waits() {
    let mut world = World::new();
    let coins = world.fund(1);
    let tx = world.send(&coins, 2, 1_000);
    let entry = world.pool.entry(&tx.compute_txid()).expect("it was taken in").clone();
    assert_eq!((entry.fee, entry.sigop_cost), (Amount::from_sat(1_000), 1));
    assert_eq!(entry.vsize, tx.vsize() as u64);
    assert_eq!(world.pool.coin(&coins[0], &world.chain, Height::new(1)), None);
    let coin = world.pool.coin(&output(&tx, 1), &world.chain, Height::new(1)).expect("its output is a coin");
    assert_eq!((coin.height, coin.is_coinbase), (Height::new(1), false));
    assert_eq!(world.pool.spender(&coins[0]), Some(entry.txid));
    assert_eq!(world.pool.get_by_wtxid(&entry.wtxid), Some(entry.tx));
    assert_eq!(world.pool.verified().collect::<Vec<_>>(), [entry.wtxid]);
    let (txid, wtxid) = (entry.txid, entry.wtxid);
    let added = MempoolEvent::Added { txid, wtxid, fee: entry.fee, vsize: entry.vsize };
    assert_eq!(world.pool.take_events(), [added]);
    assert_eq!(world.pool.take_events(), []);
}

#[test]
fn rule() {
    let mut world = World::new();
    let coin = world.fund(1).remove(0);
    let tx = unsigned(&[coin], vec![]);
    let reason = refused(&mut world, &tx);
    assert_eq!(reason, RejectReason::Rule(TxRuleError::OutputsEmpty));
    assert_eq!((reason.reject_reason().as_str(), reason.code()), ("bad-txns-vout-empty", "tx/outputs-empty"));
    let tx = world.sign(unsigned(&[coin], vec![pay(COIN + 1)]));
    assert_eq!(refused(&mut world, &tx).reject_reason(), "bad-txns-in-belowout");
}

#[test]
fn coinbase() {
    let mut world = World::new();
    let block = world.mine(0);
    let reason = refused(&mut world, &block.txdata[0]);
    assert_eq!((reason.reject_reason().as_str(), reason.code()), ("coinbase", "tx/coinbase"));
}

#[test]
fn premature_coinbase_spend() {
    let mut network = Network::demo();
    network.maturity = 2;
    let mut world = World::with(network, MempoolLimits::default());
    let block = world.mine(0);
    let tx = world.spend(&[output(&block.txdata[0], 0)], 1, 1_000);
    assert_eq!(refused(&mut world, &tx).reject_reason(), "bad-txns-premature-spend-of-coinbase");
    world.mine(0);
    assert!(world.accept(&tx).is_ok());
}

#[test]
fn non_final() {
    let mut world = World::new();
    let coin = world.fund(1).remove(0);
    let mut tx = unsigned(&[coin], vec![pay(COIN - 1_000)]);
    tx.lock_time = LockTime::from_consensus(1);
    let tx = world.sign(tx);
    assert_eq!(refused(&mut world, &tx).reject_reason(), "non-final");
    world.mine(0);
    assert!(world.accept(&tx).is_ok());
}

#[test]
fn sequence_locked() {
    let mut world = World::new();
    let coin = world.fund(1).remove(0);
    let parent = world.send(&[coin], 1, 1_000);
    let mut child = unsigned(&[output(&parent, 0)], vec![pay(COIN - 2_000)]);
    child.input[0].sequence = Sequence::from_height(1);
    let child = world.sign(child);
    assert_eq!(refused(&mut world, &child).reject_reason(), "non-BIP68-final");
    world.mine(1);
    assert!(world.accept(&child).is_ok());
}

#[test]
fn already_waiting() {
    let mut world = World::new();
    let coins = world.fund(1);
    let tx = world.send(&coins, 1, 1_000);
    let reason = refused(&mut world, &tx);
    assert_eq!(reason, RejectReason::AlreadyWaiting { txid: tx.compute_txid() });
    assert_eq!((reason.reject_reason().as_str(), reason.code()), ("txn-already-in-mempool", "tx/already-sent"));
}

#[test]
fn other_witness_waiting() {
    let mut world = World::new();
    let coins = world.fund(1);
    let mut tx = world.send(&coins, 1, 1_000);
    tx.input[0].witness = Witness::from_slice(&[[1; 70]]);
    assert_eq!(refused(&mut world, &tx).reject_reason(), "txn-same-nonwitness-data-in-mempool");
}

#[test]
fn already_confirmed() {
    let mut world = World::new();
    let coins = world.fund(1);
    let tx = world.send(&coins, 1, 1_000);
    world.mine(1);
    let reason = refused(&mut world, &tx);
    assert_eq!((reason.reject_reason().as_str(), reason.code()), ("txn-already-known", "tx/already-confirmed"));
}

#[test]
fn missing_inputs() {
    let mut world = World::new();
    let coins = world.fund(1);
    let spent_by_another = world.spend(&coins, 1, 1_000);
    world.send(&coins, 1, 2_000);
    world.mine(1);
    let reason = refused(&mut world, &spent_by_another);
    assert_eq!(reason, RejectReason::MissingInputs { outpoint: coins[0] });
    assert_eq!(
        (reason.reject_reason().as_str(), reason.code()),
        ("bad-txns-inputs-missingorspent", "tx/missing-inputs")
    );
    let unknown = world.spend(&[OutPoint { txid: Txid::from_byte_array([0xee; 32]), vout: 0 }], 1, 1_000);
    assert!(matches!(refused(&mut world, &unknown), RejectReason::MissingInputs { .. }));
}

#[test]
fn a_waiting_transaction_has_no_output_of_that_number() {
    let mut world = World::new();
    let coins = world.fund(1);
    let parent = world.send(&coins, 2, 1_000);
    let child = world.spend(&[output(&parent, 2)], 1, 1_000);
    assert_eq!(refused(&mut world, &child), RejectReason::MissingInputs { outpoint: output(&parent, 2) });
}

#[test]
fn below_relay_fee() {
    let mut world = World::new();
    let coins = world.fund(1);
    // One input, one output: 110 virtual bytes at 0.1 sat/vB.
    let tx = world.spend(&coins, 1, 10);
    let reason = refused(&mut world, &tx);
    assert_eq!(reason, RejectReason::BelowRelayFee { fee: Amount::from_sat(10), least: Amount::from_sat(11) });
    assert_eq!(reason.reject_reason(), "min relay fee not met, 10 < 11");
    world.send(&coins, 1, 11);
}

#[test]
fn fee_above_limit() {
    let mut world = World::new();
    let coins = world.fund(1);
    let tx = world.spend(&coins, 1, 2_000);
    let accepted = world.accept(&tx).expect("the pool has no limit of its own");
    assert_eq!(accepted.check_fee_limit(FeeRate::from_sat_per_vb(20)), Ok(()));
    let refused = accepted.check_fee_limit(FeeRate::from_sat_per_vb(10)).expect_err("it pays more");
    assert_eq!((refused.reject_reason().as_str(), refused.code()), ("max-fee-exceeded", "tx/fee-too-high"));
}

#[test]
fn unsigned_input() {
    let mut world = World::new();
    let coins = world.fund(2);
    let mut tx = world.spend(&coins, 1, 1_000);
    tx.input[1].witness = Witness::new();
    let reason = refused(&mut world, &tx);
    assert!(matches!(reason, RejectReason::Unsigned { input: 1, .. }));
    assert!(reason.reject_reason().starts_with("mempool-script-verify-flag-failed ("));
    assert_eq!(reason.code(), "tx/unsigned");
}

#[test]
fn wrong_signature() {
    let mut world = World::new();
    let coins = world.fund(1);
    let mut tx = world.spend(&coins, 1, 1_000);
    tx.output[0].value = Amount::from_sat(COIN - 2_000);
    let reason = refused(&mut world, &tx);
    assert!(matches!(reason, RejectReason::Script { input: 0, .. }));
    assert!(reason.reject_reason().starts_with("mempool-script-verify-flag-failed ("));
    assert_eq!(reason.code(), "tx/wrong-signature");
}

#[test]
fn nonstandard_input() {
    let mut world = World::new();
    let coin = world.fund(1).remove(0);
    let script = ScriptBuf::new_p2wsh(&mycoin_primitives::hashes::Hash::all_zeros());
    world.add_coin(coin, TxOut { value: Amount::from_sat(COIN), script_pubkey: script });
    let tx = world.spend(&[coin], 1, 1_000);
    let reason = refused(&mut world, &tx);
    assert!(matches!(reason, RejectReason::NonstandardInput { input: 0, .. }));
    assert_eq!(reason.reject_reason(), "bad-txns-nonstandard-inputs");
}

#[test]
fn policy_is_asked_before_coins_are_looked_up() {
    let mut world = World::new();
    let tx = unsigned(&[OutPoint { txid: Txid::from_byte_array([0xee; 32]), vout: 0 }], vec![pay(1)]);
    assert!(matches!(refused(&mut world, &tx), RejectReason::Dust { .. }));
}
