//! The rules of a block alone and on top of its branch.

use std::sync::Arc;

use mycoin_consensus::{BlockRuleError, Verdict, check_block, coinbase_height_script, verdict};
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::consensus::encode::deserialize_hex;
use mycoin_primitives::{
    Amount, Block, Height, Network, ScriptBuf, Sequence, Transaction, TxMerkleNode, TxOut, Witness, hashes::Hash,
};
use mycoin_testkit::builders::{ChainBuilder, TxBuilder, recompute_merkle_root};

use crate::{block_error, chain_with_coins, check_changed, check_verdict, outpoint, payment};

/// What the block alone breaks, its header left out.
fn alone(block: Block) -> Option<BlockRuleError> {
    check_block(Arc::new(block), &Network::demo()).err()
}

#[track_caller]
fn check_alone(block: Block, reason: &str, blame: Verdict) {
    let error = alone(block).expect("a rule is broken");
    assert_eq!((error.reject_reason().as_str(), verdict(&error)), (reason, blame));
}

/// A transaction that spends nothing that exists, different for each number.
fn unknown(number: u8) -> Transaction {
    let nothing = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new() };
    TxBuilder::new()
        .spend(outpoint(number), &nothing)
        .pay(ScriptBuf::from_bytes(vec![0x51; 20]), Amount::ZERO)
        .unsigned()
}

fn demo() -> ChainBuilder {
    ChainBuilder::new(Network::demo())
}

#[test]
fn templates_are_good() {
    let chain = chain_with_coins(3);
    let coins = chain.spendable();
    let spends = coins.iter().map(|coin| payment(coin).sign(&chain.key())).collect();
    check_verdict(&chain, chain.template(spends), "");
    check_verdict(&chain, chain.template(Vec::new()), "");
}

#[test]
fn bad_merkle_root() {
    let mut block = demo().template(Vec::new());
    block.header.merkle_root = TxMerkleNode::all_zeros();
    check_alone(block, "bad-txnmrklroot", Verdict::Mutated);
}

#[test]
fn duplicate_transactions() {
    // Three transactions and four, the last one twice, have the same root (CVE-2012-2459).
    let honest = demo().template(vec![unknown(1), unknown(2)]);
    assert_eq!(alone(honest.clone()), None);
    let mut repeated = honest;
    repeated.txdata.push(unknown(2));
    check_alone(repeated, "bad-txns-duplicate", Verdict::Mutated);
}

#[test]
fn inner_nodes_as_transactions() {
    // A transaction of 64 bytes where the coinbase should be: it may be an inner node of an honest block's tree.
    let hex = "0200000001827da3d85a6547d6b03662d2cb86982d655a6f390547285a3bf9ec9f28e0c8831500000000ffffffff010000000000000000040051525400000000";
    let mut block = demo().template(Vec::new());
    block.txdata = vec![deserialize_hex(hex).expect("it is a transaction")];
    recompute_merkle_root(&mut block);
    check_alone(block, "bad-cb-missing", Verdict::Mutated);
}

#[test]
fn bad_length() {
    let mut block = demo().template(Vec::new());
    block.txdata.clear();
    recompute_merkle_root(&mut block);
    check_alone(block, "bad-blk-length", Verdict::Invalid);

    // Two transactions that are good by themselves, together too long.
    let long = |number: u8| {
        let mut tx = unknown(number);
        tx.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0; 500_000]);
        tx
    };
    check_alone(demo().template(vec![long(1), long(2)]), "bad-blk-length", Verdict::Invalid);
    assert_eq!(alone(demo().template(vec![long(1)])), None);
}

#[test]
fn coinbase_missing() {
    let mut block = demo().template(vec![unknown(1), unknown(2)]);
    block.txdata.remove(0);
    recompute_merkle_root(&mut block);
    check_alone(block, "bad-cb-missing", Verdict::Invalid);
}

#[test]
fn coinbase_multiple() {
    let second = mycoin_testkit::builders::coinbase(
        Height::new(1),
        77,
        TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(vec![0x51; 20]) },
    );
    check_alone(demo().template(vec![unknown(1), second]), "bad-cb-multiple", Verdict::Invalid);
}

#[test]
fn transaction_rules_hold_in_blocks() {
    let mut bad = unknown(1);
    bad.output.clear();
    check_alone(demo().template(vec![bad]), "bad-txns-vout-empty", Verdict::Invalid);
    let chain = demo();
    let short = |block: &mut Block| block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(vec![0x51]);
    check_changed(&chain, chain.template(Vec::new()), short, "bad-cb-length");
}

#[test]
fn too_many_signature_operations_alone() {
    let with = |operations: usize| {
        let mut tx = unknown(1);
        tx.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0xac; operations]);
        demo().template(vec![tx])
    };
    assert_eq!(alone(with(20_000)), None);
    let error = BlockRuleError::TooManySignatureOperations { index: 1, cost: 80_004 };
    assert_eq!(alone(with(20_001)), Some(error.clone()));
    assert_eq!(error.reject_reason(), "bad-blk-sigops");
}

#[test]
fn not_final_by_height_and_by_time() {
    let chain = chain_with_coins(12);
    let coin = chain.spendable().remove(0);
    let median = mycoin_consensus::median_time_past(&chain, Height::new(12));
    for (lock_time, reason) in [(12, ""), (13, "bad-txns-nonfinal"), (median - 1, ""), (median, "bad-txns-nonfinal")] {
        let tx = payment(&coin).lock_time(LockTime::from_consensus(lock_time)).sign(&chain.key());
        check_verdict(&chain, chain.template(vec![tx]), reason);
    }
}

#[test]
fn coinbase_height() {
    let chain = chain_with_coins(20);
    for height in [0, 20, 22] {
        let change = |block: &mut Block| {
            let mut script = coinbase_height_script(Height::new(height));
            script.push_slice([0; 4]);
            block.txdata[0].input[0].script_sig = script;
        };
        check_changed(&chain, chain.template(Vec::new()), change, "bad-cb-height");
    }
    // The height as a number, but not in its one form.
    let long_form = |block: &mut Block| {
        block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(vec![0x02, 21, 0]);
    };
    check_changed(&chain, chain.template(Vec::new()), long_form, "bad-cb-height");
}

/// BIP34's numbers are script numbers: one opcode up to 16, then a push with room for a sign.
#[test]
fn coinbase_height_scripts() {
    let cases = [(1, "51"), (16, "60"), (17, "0111"), (127, "017f"), (128, "028000"), (32_768, "03008000")];
    for (height, hex) in cases {
        assert_eq!(coinbase_height_script(Height::new(height)).to_hex_string(), hex);
    }
}

#[test]
fn coinbase_lock_time() {
    let chain = chain_with_coins(2);
    for found in [0, 1] {
        let change = |block: &mut Block| block.txdata[0].lock_time = LockTime::from_consensus(found);
        check_changed(&chain, chain.template(Vec::new()), change, "bad-cb-locktime");
    }
    // Locked to its own height it is not even final.
    let change = |block: &mut Block| block.txdata[0].lock_time = LockTime::from_consensus(3);
    check_changed(&chain, chain.template(Vec::new()), change, "bad-txns-nonfinal");
    let mut regtest = ChainBuilder::new(Network::regtest());
    regtest.mine_empty(2);
    let change = |block: &mut Block| block.txdata[0].lock_time = LockTime::ZERO;
    check_changed(&regtest, regtest.template(Vec::new()), change, "");
}

#[test]
fn coinbase_final() {
    let change = |block: &mut Block| block.txdata[0].input[0].sequence = Sequence::MAX;
    check_changed(&demo(), demo().template(Vec::new()), change, "bad-cb-sequence");
    let regtest = ChainBuilder::new(Network::regtest());
    check_changed(&regtest, regtest.template(Vec::new()), change, "");
}

#[test]
fn witness_nonce_size() {
    let chain = demo();
    for witness in [vec![], vec![vec![0; 31]], vec![vec![0; 32], vec![]]] {
        let mut block = chain.template(Vec::new());
        block.txdata[0].input[0].witness = Witness::from_slice(&witness);
        let error = block_error(&chain, block);
        assert_eq!(error, BlockRuleError::WitnessNonceSize);
        assert_eq!((error.reject_reason().as_str(), verdict(&error)), ("bad-witness-nonce-size", Verdict::Mutated));
    }
}

#[test]
fn witness_commitment_mismatch() {
    let chain = chain_with_coins(2);
    let tx = payment(&chain.spendable()[0]).sign(&chain.key());
    let mut block = chain.template(vec![tx]);
    block.txdata[1].input[0].witness = Witness::new();
    let error = block_error(&chain, block);
    assert_eq!(error, BlockRuleError::WitnessCommitmentMismatch);
    assert_eq!((error.reject_reason().as_str(), verdict(&error)), ("bad-witness-merkle-match", Verdict::Mutated));
}

#[test]
fn the_last_witness_commitment_counts() {
    let chain = demo();
    let mut block = chain.template(Vec::new());
    let commitment = block.txdata[0].output[1].clone();
    let mut wrong = commitment.clone();
    wrong.script_pubkey = ScriptBuf::from_bytes([&commitment.script_pubkey.as_bytes()[..6], &[7; 32]].concat());
    block.txdata[0].output.insert(1, wrong.clone());
    recompute_merkle_root(&mut block);
    check_verdict(&chain, block.clone(), "");
    block.txdata[0].output.push(wrong);
    recompute_merkle_root(&mut block);
    check_verdict(&chain, block, "bad-witness-merkle-match");
}

#[test]
fn unexpected_witness() {
    let chain = chain_with_coins(2);
    let tx = payment(&chain.spendable()[0]).sign(&chain.key());
    let mut block = chain.template(vec![tx]);
    block.txdata[0].output.truncate(1);
    block.txdata[0].input[0].witness = Witness::new();
    recompute_merkle_root(&mut block);
    let error = block_error(&chain, block.clone());
    assert_eq!(error, BlockRuleError::UnexpectedWitness { index: 1 });
    assert_eq!((error.reject_reason().as_str(), verdict(&error)), ("unexpected-witness", Verdict::Mutated));
    // Without witnesses no commitment is needed.
    block.txdata.truncate(1);
    block.txdata[0].output[0].value = Amount::from_sat(1);
    recompute_merkle_root(&mut block);
    check_verdict(&chain, block, "");
}

#[test]
fn too_heavy() {
    let chain = chain_with_coins(2);
    let padded = |bytes: usize| {
        let mut tx = payment(&chain.spendable()[0]).sign(&chain.key());
        tx.input[0].witness.push(vec![0; bytes]);
        chain.template(vec![tx])
    };
    let weight = |bytes| padded(bytes).weight().to_wu();
    let room = usize::try_from(4_000_000 - weight(1_000_000)).expect("it is below") + 1_000_000;
    assert_eq!(weight(room), 4_000_000);
    let error = block_error(&chain, padded(room + 1));
    assert_eq!(error, BlockRuleError::TooHeavy { weight: 4_000_001 });
    assert_eq!(error.reject_reason(), "bad-blk-weight");
    // At the limit it is the padded witness that fails, and not the weight.
    assert!(matches!(block_error(&chain, padded(room)), BlockRuleError::Script { .. }));
}
