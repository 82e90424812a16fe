//! Blocks with two faults: the reason for refusing them is the one that Bitcoin Core comes upon first.

use std::sync::Arc;

use mycoin_consensus::{check_block, check_header, check_header_in_context, connect_block, witness_commitment_script};
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::{
    Amount, Block, Coin, CompactTarget, Header, MAX_MONEY, Network, OutPoint, ScriptBuf, Sequence, Transaction,
    TxMerkleNode, TxOut, Witness, genesis_block, hashes::Hash,
};
use mycoin_testkit::builders::{ChainBuilder, TxBuilder, commit, recompute_merkle_root};

use crate::{Times, check_verdict, coin, outpoint};

/// Bitcoin's regtest, ten blocks high.
fn regtest() -> ChainBuilder {
    let mut chain = ChainBuilder::new(Network::regtest());
    chain.mine_empty(10);
    chain
}

fn anyone_can_spend() -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51])
}

/// A transaction that spends what exists nowhere.
fn unknown(number: u8) -> Transaction {
    let nothing = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new() };
    TxBuilder::new().spend(outpoint(number), &nothing).pay(anyone_can_spend(), Amount::ZERO).unsigned()
}

/// Source: Bitcoin Core `CheckBlockHeader` before `ContextualCheckBlockHeader`, validation.cpp.
#[test]
fn headers_are_refused_in_the_order_of_bitcoin() {
    let network = Network::regtest();
    let branch = Times::new((1_000..1_011).collect());
    let good = Header { version: Version::from_consensus(4), time: 1_011, ..genesis_block(&network).header };
    let bits = |bits| CompactTarget::from_consensus(bits);
    let reason = |header: Header, now: u32| {
        let alone = check_header(&header, &network).err().filter(|error| error.reject_reason() == "high-hash");
        // Whether its hash meets its target is not asked of most headers here.
        let alone = alone.filter(|_| header.bits == bits(0));
        let broken = alone.or_else(|| check_header_in_context(&header, &network, &branch, now).err());
        broken.map_or_else(String::new, |error| error.reject_reason())
    };
    assert_eq!(reason(good, 1_011), "");
    let old = Header { time: 1_005, ..good };
    let obsolete = Header { version: Version::from_consensus(3), ..good };
    assert_eq!(reason(Header { bits: bits(0), ..old }, 1_011), "high-hash");
    assert_eq!(reason(Header { bits: bits(0x207f_fffe), ..old }, 1_011), "bad-diffbits");
    assert_eq!(reason(Header { time: 1_005, ..obsolete }, 1_011), "time-too-old");
    assert_eq!(reason(Header { time: 9_000, ..obsolete }, 1_011), "time-too-new");
    assert_eq!(reason(obsolete, 1_011), "bad-version(0x00000003)");
}

#[track_caller]
fn check_alone(block: Block, expected: &str) {
    let reason = check_block(Arc::new(block), &Network::regtest()).err().map(|error| error.reject_reason());
    assert_eq!(reason.as_deref(), Some(expected));
}

/// Source: Bitcoin Core `CheckBlock`, validation.cpp.
#[test]
fn blocks_alone_are_refused_in_the_order_of_bitcoin() {
    let chain = regtest();
    let with_root = |mut block: Block| {
        recompute_merkle_root(&mut block);
        block
    };
    let mut empty = chain.template(Vec::new());
    empty.txdata.clear();
    check_alone(empty, "bad-txnmrklroot");

    let mut outputless = unknown(1);
    outputless.output.clear();
    let mut wrong_root = chain.template(vec![outputless.clone()]);
    wrong_root.header.merkle_root = TxMerkleNode::all_zeros();
    check_alone(wrong_root, "bad-txnmrklroot");

    let repeated = chain.template(vec![unknown(1), outputless.clone(), outputless.clone()]);
    check_alone(repeated, "bad-txns-duplicate");

    // Too long, without a coinbase, and with a transaction of 64 bytes.
    let mut long = unknown(1);
    long.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0; 1_000_001]);
    let mut node = unknown(2);
    node.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0x51; 4]);
    assert_eq!(node.base_size(), 64);
    let mut block = chain.template(vec![node, long.clone()]);
    block.txdata.remove(0);
    check_alone(with_root(block), "bad-blk-length");
    check_alone(chain.template(vec![long]), "bad-blk-length");

    let mut block = chain.template(vec![outputless.clone()]);
    block.txdata.remove(0);
    check_alone(with_root(block), "bad-cb-missing");

    let second = chain.template(Vec::new()).txdata.remove(0);
    check_alone(chain.template(vec![outputless.clone(), second]), "bad-cb-multiple");

    let mut operations = unknown(3);
    operations.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0xac; 20_001]);
    check_alone(chain.template(vec![operations, outputless]), "bad-txns-vout-empty");
}

/// Source: Bitcoin Core `CheckTransaction`, consensus/tx_check.cpp.
#[test]
fn transactions_alone_are_refused_in_the_order_of_bitcoin() {
    let chain = regtest();
    let mut tx = unknown(1);
    tx.input.push(tx.input[0].clone());
    tx.input[0].script_sig = ScriptBuf::from_bytes(vec![0; 999_000]);
    tx.output.clear();
    check_alone(chain.template(vec![tx.clone()]), "bad-txns-vout-empty");
    let pay = |value| TxOut { value: Amount::from_sat(value), script_pubkey: ScriptBuf::new() };
    tx.input[0].script_sig = ScriptBuf::new();
    tx.output = vec![pay(MAX_MONEY.to_sat() + 1), pay(u64::MAX)];
    let block_of = |tx: &Transaction| {
        let mut block = chain.template(Vec::new());
        block.txdata.push(tx.clone());
        recompute_merkle_root(&mut block);
        block
    };
    check_alone(block_of(&tx), "bad-txns-vout-toolarge");
    tx.output = vec![pay(MAX_MONEY.to_sat()), pay(1), pay(u64::MAX)];
    check_alone(block_of(&tx), "bad-txns-txouttotal-toolarge");
    tx.output = vec![pay(1)];
    tx.input[0].previous_output = OutPoint::null();
    tx.input[1].previous_output = OutPoint::null();
    check_alone(block_of(&tx), "bad-txns-inputs-duplicate");
}

/// Source: Bitcoin Core `ContextualCheckBlock`, validation.cpp.
#[test]
fn blocks_in_context_are_refused_in_the_order_of_bitcoin() {
    let chain = regtest();
    let mut locked = unknown(1);
    locked.lock_time = LockTime::from_consensus(100);
    locked.input[0].sequence = Sequence::ZERO;
    let mut block = chain.template(vec![locked]);
    let wrong_height = |block: &mut Block| block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(vec![0x51; 5]);
    wrong_height(&mut block);
    commit(&mut block);
    check_verdict(&chain, block, "bad-txns-nonfinal");

    let mut block = chain.template(Vec::new());
    wrong_height(&mut block);
    recompute_merkle_root(&mut block);
    block.txdata[0].input[0].witness = Witness::new();
    check_verdict(&chain, block, "bad-cb-height");

    let mut heavy = unknown(2);
    heavy.input[0].witness = Witness::from_slice(&[vec![0; 4_000_001]]);
    let mut block = chain.template(vec![heavy]);
    check_verdict(&chain, block.clone(), "bad-blk-weight");
    block.txdata[1].input[0].witness.push([1]);
    check_verdict(&chain, block.clone(), "bad-witness-merkle-match");
    block.txdata[0].input[0].witness = Witness::new();
    check_verdict(&chain, block.clone(), "bad-witness-nonce-size");
    block.txdata[0].output.pop();
    recompute_merkle_root(&mut block);
    check_verdict(&chain, block, "unexpected-witness");
}

/// What connecting a block of these transactions breaks, given these coins.
#[track_caller]
fn check_connecting(
    chain: &ChainBuilder,
    transactions: Vec<Transaction>,
    coins: &[&(OutPoint, Coin)],
    change: impl FnOnce(&mut Block),
    expected: &str,
) {
    let mut block = chain.template(transactions);
    change(&mut block);
    commit(&mut block);
    let checked = check_block(Arc::new(block), chain.network()).expect("the block alone is good");
    let coins = coins.iter().copied().cloned().collect();
    let reason = connect_block(&checked, chain.network(), chain, coins).err().map(|error| error.reject_reason());
    assert_eq!(reason.unwrap_or_default(), expected);
}

/// Source: Bitcoin Core `ConnectBlock`, validation.cpp; `Consensus::CheckTxInputs`, consensus/tx_verify.cpp.
#[test]
fn blocks_with_coins_are_refused_in_the_order_of_bitcoin() {
    let chain = regtest();
    let spend = |outpoints: &[&(OutPoint, Coin)], value: u64, sequence: Sequence| {
        let start = TxBuilder::new();
        let tx = outpoints
            .iter()
            .fold(start, |tx, (outpoint, coin)| tx.spend_with_sequence(*outpoint, &coin.output, sequence));
        tx.pay(anyone_can_spend(), Amount::from_sat(value)).unsigned()
    };
    let as_is = |_: &mut Block| {};
    let greedy = |block: &mut Block| block.txdata[0].output[0].value = MAX_MONEY;
    let fresh = (outpoint(1), Coin { is_coinbase: true, ..coin(500, 5) });
    let missing = (outpoint(2), coin(500, 5));
    let rich = (outpoint(3), coin(MAX_MONEY.to_sat() + 1, 5));
    let plain = (outpoint(4), coin(500, 5));

    // A repeated id is noticed before anything else, in whichever transaction.
    let both = vec![spend(&[&missing], 1, Sequence::MAX), spend(&[&plain], 1, Sequence::MAX)];
    let repeated = (OutPoint { txid: both[1].compute_txid(), vout: 0 }, coin(1, 1));
    check_connecting(&chain, both.clone(), &[&plain, &repeated], as_is, "bad-txns-BIP30");
    check_connecting(&chain, both, &[&plain], as_is, "bad-txns-inputs-missingorspent");

    // All inputs must be there before one is looked at.
    let tx = spend(&[&fresh, &missing], 1, Sequence::MAX);
    check_connecting(&chain, vec![tx], &[&fresh], as_is, "bad-txns-inputs-missingorspent");
    // Input by input: maturity, then value.
    let tx = spend(&[&fresh, &rich], 1, Sequence::MAX);
    check_connecting(&chain, vec![tx], &[&fresh, &rich], as_is, "bad-txns-premature-spend-of-coinbase");
    let tx = spend(&[&rich, &fresh], 1, Sequence::MAX);
    check_connecting(&chain, vec![tx], &[&fresh, &rich], as_is, "bad-txns-inputvalues-outofrange");
    // Values before relative locks, those before signature operations, those before the coinbase's amount.
    let tx = spend(&[&plain], 501, Sequence::from_height(100));
    check_connecting(&chain, vec![tx], &[&plain], as_is, "bad-txns-in-belowout");
    let mut tx = spend(&[&plain], 500, Sequence::from_height(100));
    tx.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0xac; 20_000]);
    let operations = ScriptBuf::from_bytes(vec![0xac; 520]).to_p2sh();
    let p2sh = Coin { output: TxOut { script_pubkey: operations, ..plain.1.output.clone() }, ..plain.1.clone() };
    let mut push = vec![0x4d, 0x08, 0x02];
    push.extend([0xac; 520]);
    tx.input[0].script_sig = ScriptBuf::from_bytes(push);
    let p2sh = (plain.0, p2sh);
    check_connecting(&chain, vec![tx.clone()], &[&p2sh], greedy, "bad-txns-nonfinal");
    tx.input[0].sequence = Sequence::MAX;
    check_connecting(&chain, vec![tx], &[&p2sh], greedy, "bad-blk-sigops");
    // The scripts come last.
    let tx = spend(&[&plain], 500, Sequence::MAX);
    check_connecting(&chain, vec![tx], &[&plain], greedy, "bad-cb-amount");
}

/// The commitment that a block without witnesses has need not be there, and where it is it must fit.
#[test]
fn a_commitment_without_witnesses_is_judged_all_the_same() {
    let chain = regtest();
    let mut block = chain.template(Vec::new());
    let other = TxOut { value: Amount::ZERO, script_pubkey: witness_commitment_script(&[unknown(1).compute_wtxid()]) };
    block.txdata[0].output.push(other);
    recompute_merkle_root(&mut block);
    check_verdict(&chain, block, "bad-witness-merkle-match");
}

/// A coinbase may create what an earlier one of the same id left unspent only if nothing of it is left.
#[test]
fn only_spent_outputs_may_be_created_again() {
    let chain = regtest();
    let spent = (outpoint(5), coin(500, 5));
    let tx = TxBuilder::new().spend(spent.0, &spent.1.output).pay(anyone_can_spend(), Amount::from_sat(500)).unsigned();
    check_connecting(&chain, vec![tx.clone()], &[&spent], |_| {}, "");
    for vout in [0, 1] {
        let left = (OutPoint { txid: tx.compute_txid(), vout }, coin(1, 1));
        // Output 1 does not exist, so nothing is overwritten there.
        let expected = if vout == 0 { "bad-txns-BIP30" } else { "" };
        check_connecting(&chain, vec![tx.clone()], &[&spent, &left], |_| {}, expected);
    }
}
