//! The rules of a block with the coins it spends, and what it does to them.

use std::sync::Arc;

use mycoin_consensus::{
    BlockRuleError, Coins, TxRuleError, Verdict, check_block, coins_needed, connect_block, verdict,
};
use mycoin_primitives::{Amount, Block, Height, MAX_MONEY, Network, OutPoint, ScriptBuf, Sequence, TxOut};
use mycoin_script::ScriptError;
use mycoin_testkit::builders::{ChainBuilder, TxBuilder, commit, solved};
use mycoin_testkit::keys::Key;

use crate::{block_error, chain_with_coins, check_changed, check_verdict, coin, outpoint, payment};

fn first_output(tx: &mycoin_primitives::Transaction) -> (OutPoint, TxOut) {
    (OutPoint { txid: tx.compute_txid(), vout: 0 }, tx.output[0].clone())
}

#[test]
fn effects_are_net_and_undo_is_whole() {
    let chain = chain_with_coins(3);
    let (outpoint, old) = chain.spendable().remove(0);
    let value = old.output.value;
    let parent = TxBuilder::new()
        .spend(outpoint, &old.output)
        .pay(chain.key().script(), value - Amount::from_sat(1_000))
        .pay(ScriptBuf::from_bytes(vec![0x6a]), Amount::ZERO)
        .sign(&chain.key());
    let (inner, output) = first_output(&parent);
    let child = TxBuilder::new().spend(inner, &output).pay(chain.key().script(), output.value - Amount::from_sat(500));
    let child = child.sign(&chain.key());
    let block = Arc::new(solved(chain.template(vec![parent.clone(), child.clone()])));

    let needed = coins_needed(&block);
    let coinbase = block.txdata[0].compute_txid();
    let of_coinbase = |vout| OutPoint { txid: coinbase, vout };
    let of_parent = |vout| OutPoint { txid: parent.compute_txid(), vout };
    let own = first_output(&child).0;
    assert_eq!(needed, [of_coinbase(0), of_coinbase(1), of_parent(0), of_parent(1), outpoint, own]);

    let effects = chain.check(&block).expect("the block is good");
    let checked = check_block(block, chain.network()).expect("the block is good");
    let created: Vec<OutPoint> = effects.created.iter().map(|(outpoint, _)| *outpoint).collect();
    // Neither the coin that lived inside the block, nor outputs that nobody can spend, nor the commitment.
    assert_eq!(created, [of_coinbase(0), first_output(&child).0]);
    assert!(effects.created[0].1.is_coinbase && !effects.created[1].1.is_coinbase);
    assert!(effects.created.iter().all(|(_, coin)| coin.height == Height::new(4)));
    assert_eq!(effects.spent, [outpoint]);
    assert_eq!(effects.undo.spent.len(), 2);
    assert_eq!(effects.undo.spent[0], [old]);
    assert_eq!(effects.undo.spent[1][0].output, output);
    assert_eq!(effects.undo.spent[1][0].height, Height::new(4));
    assert_eq!(effects.fees, Amount::from_sat(1_500));
    let wtxids: Vec<_> = effects.script_checks(&checked).iter().map(mycoin_consensus::ScriptCheck::wtxid).collect();
    assert_eq!(wtxids, [parent.compute_wtxid(), child.compute_wtxid()]);
}

#[test]
fn overwrites_unspent() {
    // Without BIP34 and BIP54 a coinbase could be repeated; here the coins are said to hold one of the same id.
    let chain = chain_with_coins(1);
    let block = Arc::new(chain.template(Vec::new()));
    let checked = check_block(Arc::clone(&block), chain.network()).expect("the template is good");
    let txid = block.txdata[0].compute_txid();
    for vout in [0, 1] {
        let coins = Coins::from_iter([(OutPoint { txid, vout }, coin(1, 1))]);
        let error = BlockRuleError::OverwritesUnspent { txid };
        assert_eq!(connect_block(&checked, chain.network(), &chain, coins).err(), Some(error.clone()));
        assert_eq!(error.reject_reason(), "bad-txns-BIP30");
    }
}

#[test]
fn input_missing() {
    let chain = chain_with_coins(2);
    let unknown = (outpoint(1), coin(5_000, 1));
    let block = chain.template(vec![payment(&unknown).sign(&chain.key())]);
    check_verdict(&chain, block, "bad-txns-inputs-missingorspent");
}

#[test]
fn input_spent_twice_in_a_block() {
    let chain = chain_with_coins(2);
    let coin = chain.spendable().remove(0);
    let first = payment(&coin).sign(&chain.key());
    let second = payment(&coin).pay(Key::taproot(2).script(), Amount::ZERO).sign(&chain.key());
    let mut block = chain.template(vec![first]);
    block.txdata.push(second.clone());
    commit(&mut block);
    let error = TxRuleError::InputMissingOrSpent { input: 0, outpoint: coin.0 };
    let expected = BlockRuleError::Transaction { index: 2, txid: second.compute_txid(), error };
    assert_eq!(block_error(&chain, block), expected);
    assert_eq!(verdict(&expected), Verdict::Invalid);
}

#[test]
fn input_spends_a_later_transaction() {
    let chain = chain_with_coins(2);
    let parent = payment(&chain.spendable()[0]).sign(&chain.key());
    let (inner, output) = first_output(&parent);
    let child = TxBuilder::new().spend(inner, &output).pay(chain.key().script(), output.value).sign(&chain.key());
    check_verdict(&chain, chain.template(vec![parent.clone(), child.clone()]), "");
    check_verdict(&chain, chain.template(vec![child, parent]), "bad-txns-inputs-missingorspent");
}

#[test]
fn input_spends_an_output_that_is_not_there() {
    let chain = chain_with_coins(2);
    let mut coin = chain.spendable().remove(0);
    coin.0.vout = 7;
    check_verdict(&chain, chain.template(vec![payment(&coin).sign(&chain.key())]), "bad-txns-inputs-missingorspent");
}

#[test]
fn genesis_coinbase_is_never_a_coin() {
    let chain = chain_with_coins(2);
    let (outpoint, output) = first_output(&chain.blocks()[0].txdata[0]);
    let tx = TxBuilder::new().spend(outpoint, &output).pay(chain.key().script(), output.value).sign(&chain.key());
    check_verdict(&chain, chain.template(vec![tx]), "bad-txns-inputs-missingorspent");
}

#[test]
fn coinbase_is_spent_too_early() {
    let mut chain = ChainBuilder::new(Network::regtest());
    chain.mine_empty(99);
    let first = chain.blocks()[1].txdata[0].clone();
    let (outpoint, output) = first_output(&first);
    let tx = TxBuilder::new().spend(outpoint, &output).pay(chain.key().script(), output.value).sign(&chain.key());
    check_verdict(&chain, chain.template(vec![tx.clone()]), "bad-txns-premature-spend-of-coinbase");
    chain.mine_empty(1);
    check_verdict(&chain, chain.template(vec![tx]), "");
}

#[test]
fn outputs_above_inputs() {
    let chain = chain_with_coins(2);
    let (outpoint, coin) = chain.spendable().remove(0);
    let more = coin.output.value + Amount::from_sat(1);
    let tx = TxBuilder::new().spend(outpoint, &coin.output).pay(chain.key().script(), more).sign(&chain.key());
    check_verdict(&chain, chain.template(vec![tx]), "bad-txns-in-belowout");
}

#[test]
fn sequence_locked() {
    let mut chain = chain_with_coins(2);
    let (outpoint, coin) = chain.spendable().remove(0);
    let locked = TxBuilder::new()
        .spend_with_sequence(outpoint, &coin.output, Sequence::from_height(5))
        .pay(chain.key().script(), coin.output.value)
        .sign(&chain.key());
    // The coin is of block 1, so block 6 is the first that may spend it.
    for _ in 3..6 {
        check_verdict(&chain, chain.template(vec![locked.clone()]), "bad-txns-nonfinal");
        chain.mine_empty(1);
    }
    check_verdict(&chain, chain.template(vec![locked]), "");
}

#[test]
fn fees_out_of_range() {
    let chain = chain_with_coins(2);
    let rich = [(outpoint(1), coin(MAX_MONEY.to_sat(), 1)), (outpoint(2), coin(1_000, 1))];
    let spend = |(outpoint, coin): &(OutPoint, mycoin_primitives::Coin)| {
        TxBuilder::new().spend(*outpoint, &coin.output).pay(chain.key().script(), Amount::ZERO).sign(&chain.key())
    };
    let block = Arc::new(chain.template(rich.iter().map(spend).collect()));
    let checked = check_block(block, chain.network()).expect("the template is good");
    let coins = Coins::from_iter(rich);
    let error = BlockRuleError::FeesOutOfRange { index: 2 };
    assert_eq!(connect_block(&checked, chain.network(), &chain, coins).err(), Some(error.clone()));
    assert_eq!(error.reject_reason(), "bad-txns-accumulated-fee-outofrange");
}

#[test]
fn too_many_signature_operations_with_witnesses() {
    // 19,999 outside of witnesses cost 79,996; RSA keys of 4096 bits cost 3 each.
    let chain = chain_with_coins(2);
    let (outpoint_1, outpoint_2) = (outpoint(1), outpoint(2));
    let with = |operations: usize, locks: usize| {
        let mut coins = Coins::default();
        let mut tx = TxBuilder::new();
        for outpoint in [outpoint_1, outpoint_2].into_iter().take(locks) {
            let mut coin = coin(1_000, 1);
            coin.output.script_pubkey = mycoin_script::rsa_lock_script(&[0; 550]);
            tx = tx.spend(outpoint, &coin.output);
            coins.insert(outpoint, coin);
        }
        let tx = tx.pay(ScriptBuf::from_bytes(vec![0xac; operations]), Amount::ZERO).unsigned();
        let checked = check_block(Arc::new(chain.template(vec![tx])), chain.network()).expect("good by itself");
        connect_block(&checked, chain.network(), &chain, coins).err()
    };
    assert_eq!(with(19_999, 1), None);
    let error = BlockRuleError::TooManySignatureOperations { index: 1, cost: 80_002 };
    assert_eq!(with(19_999, 2), Some(error.clone()));
    assert_eq!(error.reject_reason(), "bad-blk-sigops");
}

#[test]
fn script_fails() {
    let chain = chain_with_coins(2);
    let coin = chain.spendable().remove(0);
    let tx = payment(&coin).sign(&Key::taproot(2));
    let expected =
        BlockRuleError::Script { index: 1, txid: tx.compute_txid(), input: 0, error: ScriptError::SchnorrSig };
    assert_eq!(block_error(&chain, chain.template(vec![tx])), expected);
    assert_eq!(expected.reject_reason(), "block-script-verify-flag-failed (Invalid Schnorr signature)");
    assert_eq!(verdict(&expected), Verdict::Invalid);
}

#[test]
fn coinbase_amount() {
    let chain = chain_with_coins(2);
    let tx = payment(&chain.spendable()[0]).sign(&chain.key());
    let pay_more = |by: u64| move |block: &mut Block| block.txdata[0].output[0].value += Amount::from_sat(by);
    check_changed(&chain, chain.template(vec![tx.clone()]), pay_more(0), "");
    check_changed(&chain, chain.template(vec![tx]), pay_more(1), "bad-cb-amount");
    check_changed(&chain, chain.template(Vec::new()), pay_more(1), "bad-cb-amount");
    // What a coinbase leaves is gone.
    let pay_less = |block: &mut Block| block.txdata[0].output[0].value = Amount::ZERO;
    check_changed(&chain, chain.template(Vec::new()), pay_less, "");
}
