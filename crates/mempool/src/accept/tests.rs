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
    let reason = refused(&mut world, &tx);
    assert_eq!(reason.reject_reason(), "bad-txns-in-belowout");
    let details = "bad-txns-in-belowout, value in (0.01) < value out (0.01000001)";
    assert_eq!(reason.reject_details(&tx), details);
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
    let details = "bad-txns-premature-spend-of-coinbase, tried to spend coinbase at depth 1";
    assert_eq!(refused(&mut world, &tx).reject_details(&tx), details);
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
    assert_eq!(reason.reject_reason(), "min relay fee not met");
    assert_eq!(reason.reject_details(&tx), "min relay fee not met, 10 < 11");
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
    assert_eq!(reason.reject_reason(), "mempool-script-verify-flag-failed (Witness program hash mismatch)");
    let spent = coins[1];
    let details = format!(
        "{}, input 1 of {} (wtxid {}), spending {}:{}",
        reason.reject_reason(),
        tx.compute_txid(),
        tx.compute_wtxid(),
        spent.txid,
        spent.vout
    );
    assert_eq!(reason.reject_details(&tx), details);
    assert_eq!(reason.code(), "tx/unsigned");
    assert!(!reason.may_be_the_witness_alone());
}

#[test]
fn witness_stripped() {
    let mut world = World::new();
    let coins = world.fund(1);
    let mut tx = world.spend(&coins, 1, 1_000);
    tx.input[0].witness = Witness::new();
    let reason = refused(&mut world, &tx);
    assert!(matches!(reason, RejectReason::WitnessStripped { input: 0, .. }));
    assert_eq!(reason.reject_reason(), "mempool-script-verify-flag-failed (Witness program hash mismatch)");
    assert_eq!(reason.code(), "tx/unsigned");
    assert!(reason.may_be_the_witness_alone());
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

/// A coin locked by the script, in a world of regtest.
fn regtest_coin(script: ScriptBuf) -> (World, OutPoint) {
    let mut world = World::with(Network::regtest(), MempoolLimits::default());
    let coin = world.fund(1).remove(0);
    world.add_coin(coin, TxOut { value: Amount::from_sat(COIN), script_pubkey: script });
    (world, coin)
}

fn script(hex: &str) -> ScriptBuf {
    ScriptBuf::from_hex(hex).expect("tests write hex")
}

/// Spends a coin that anybody can spend who shows its script.
fn showing(coin: OutPoint, script_sig: ScriptBuf, witness: &[&[u8]]) -> Transaction {
    let mut tx = unsigned(&[coin], vec![pay(COIN - 1_000)]);
    tx.input[0].script_sig = script_sig;
    tx.input[0].witness = Witness::from_slice(witness);
    tx
}

#[test]
fn every_kind_of_script_is_run() {
    let (true_script, program) = (script("51"), script("51").to_p2wsh());
    let tapscript_free_anchor = script("51024e73");
    let mut nested = script("22");
    nested = ScriptBuf::from_bytes([nested.as_bytes(), program.as_bytes()].concat());
    for (lock, script_sig, witness) in [
        (true_script.to_p2sh(), script("0151"), vec![]),
        (program.clone(), ScriptBuf::new(), vec![&[0x51][..]]),
        (program.to_p2sh(), nested, vec![&[0x51][..]]),
        (tapscript_free_anchor, ScriptBuf::new(), vec![]),
    ] {
        let (mut world, coin) = regtest_coin(lock.clone());
        let accepted = world.accept(&showing(coin, script_sig, &witness));
        assert!(accepted.is_ok(), "{lock}: {accepted:?}");
    }
}

#[test]
fn nonstandard_input() {
    let (mut world, coin) = regtest_coin(script("51"));
    let tx = showing(coin, ScriptBuf::new(), &[]);
    let reason = refused(&mut world, &tx);
    assert_eq!(reason.reject_details(&tx), "bad-txns-nonstandard-inputs, input 0 script unknown");
    assert_eq!(reason.code(), "tx/non-standard");
    // A block may hold it, and a reorganisation does not bring it back here.
    world.mine_block(vec![tx.clone()]);
    world.reorganise(1, Vec::new());
    assert!(!world.waits(&tx));
}

#[test]
fn version_16_is_not_spent_where_it_means_nothing() {
    let lock = script(&format!("6020{}", "22".repeat(32)));
    let (mut world, coin) = regtest_coin(lock);
    let tx = showing(coin, ScriptBuf::new(), &[&[1]]);
    // This comes before the flag that discourages it is asked.
    let details = "bad-txns-nonstandard-inputs, input 0 witness program is undefined";
    assert_eq!(refused(&mut world, &tx).reject_details(&tx), details);
}

#[test]
fn nonstandard_witness() {
    let (mut world, coin) = regtest_coin(script("51024e73"));
    let tx = showing(coin, ScriptBuf::new(), &[&[1]]);
    let reason = refused(&mut world, &tx);
    assert_eq!(reason.reject_details(&tx), "bad-witness-nonstandard");
    assert!(reason.may_be_the_witness_alone());
}

#[test]
fn what_a_block_may_do_and_policy_refuses() {
    let discouraged = script("b351"); // NOP4 is kept for a later rule.
    let (mut world, coin) = regtest_coin(discouraged.to_p2sh());
    let tx = showing(coin, script("02b351"), &[]);
    assert_eq!(
        refused(&mut world, &tx).reject_reason(),
        "mempool-script-verify-flag-failed (NOPx reserved for soft-fork upgrades)"
    );
}

#[test]
fn too_many_sigops() {
    // Outside of a multisig's spending its keys count 20, and everything outside of witnesses counts four times.
    let mut world = World::new();
    let coins = world.fund(5);
    let key = format!("2102{}", "22".repeat(32));
    let outputs =
        |hex: String, count| vec![TxOut { value: Amount::from_sat(1_000), script_pubkey: script(&hex) }; count];
    let costly = [outputs(format!("51{}53ae", key.repeat(3)), 199), outputs(format!("{key}ac"), 19)].concat();
    let tx = |inputs| world.sign(unsigned(&coins[..inputs], [vec![pay(COIN)], costly.clone()].concat()));
    let (good, over) = (tx(4), tx(5));
    let reason = refused(&mut world, &over);
    assert_eq!(reason, RejectReason::TooManySigops { cost: 16_001, limit: 16_000 });
    assert_eq!(reason.reject_details(&over), "bad-txns-too-many-sigops, 16001");
    // Each operation's cost counts for 20 weight units.
    assert_eq!(world.accept(&good).map(|accepted| accepted.vsize), Ok(16_000 * 20 / 4));
}

#[test]
fn a_remembered_signature_vouches_for_nothing_else() {
    let mut world = World::new();
    let signatures = Arc::new(mycoin_script::SignatureCache::new(10, [7; 32]));
    world.pool = Mempool::new(Network::demo(), MempoolLimits::default()).with_signature_cache(signatures);
    let coins = world.fund(1);
    let tx = world.send(&coins, 1, 1_000);
    let mut changed = tx.clone();
    changed.output[0].value = Amount::from_sat(COIN - 9_000);
    assert!(matches!(refused(&mut world, &changed), RejectReason::Script { input: 0, .. }));
}

#[test]
fn policy_is_asked_before_coins_are_looked_up() {
    let mut world = World::new();
    let tx = unsigned(&[OutPoint { txid: Txid::from_byte_array([0xee; 32]), vout: 0 }], vec![pay(1), pay(1)]);
    assert!(matches!(refused(&mut world, &tx), RejectReason::Dust { .. }));
}
