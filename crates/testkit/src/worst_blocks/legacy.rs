//! Without witnesses: each signature hashes nearly the whole transaction again.

use mycoin_primitives::bitcoin::opcodes::all::{OP_2DUP, OP_CHECKSIG, OP_CODESEPARATOR, OP_DROP, OP_NOT};
use mycoin_primitives::bitcoin::script::{Builder, PushBytesBuf};
use mycoin_primitives::bitcoin::secp256k1::constants::GENERATOR_X;
use mycoin_primitives::bitcoin::secp256k1::{Keypair, Message, Secp256k1};
use mycoin_primitives::{Network, ScriptBuf, TxIn, Witness};
use mycoin_script::legacy_sighash;

use super::{Making, STRIPPED_BYTES, WorstBlock, output_of, transaction};

/// The bytes of an input with an empty script.
const BARE_INPUT_BYTES: usize = 41;
/// The most operations of a script, of which each check takes one and its CODESEPARATOR another.
const CHECKS_PER_SCRIPT: usize = 100;

/// A well-formed signature of ALL that is valid for nothing, in the fewest bytes: r and s are 1.
pub(super) const SHORT_SIGNATURE: [u8; 9] = [0x30, 6, 2, 1, 1, 2, 1, 1, 1];

/// The curve's generator as a compressed key.
pub(super) fn key() -> [u8; 33] {
    let mut key = [2; 33];
    key[1..].copy_from_slice(&GENERATOR_X);
    key
}

/// `checks` signatures, each after a CODESEPARATOR of its own, so that no two cover the same script.
fn separated_checks(checks: usize) -> ScriptBuf {
    let check = |builder: Builder| {
        builder.push_opcode(OP_CODESEPARATOR).push_slice(SHORT_SIGNATURE).push_slice(key()).push_opcode(OP_CHECKSIG)
    };
    (0..checks).fold(Builder::new(), |builder, _| check(builder)).push_int(1).into_script()
}

/// A transaction of these inputs, and an output that makes it this large.
fn fill(making: &mut Making, input: Vec<TxIn>, bytes: usize) {
    let used: usize = input.iter().map(TxIn::base_size).sum();
    making.transaction(input, vec![output_of(bytes - used - 30)]);
}

/// 25 inputs with 100 signatures each: as many as BIP54 allows a transaction.
pub(super) fn quadratic_within_bip54() -> WorstBlock {
    heavy_inputs(Network::demo(), 25)
}

/// 10 of the 24,000 inputs that Bitcoin's rules allow.
pub(super) fn quadratic() -> WorstBlock {
    heavy_inputs(Network::regtest(), 10)
}

fn heavy_inputs(network: Network, inputs: usize) -> WorstBlock {
    let mut making = Making::on(network);
    let locked = separated_checks(CHECKS_PER_SCRIPT);
    let input = (0..inputs).map(|_| making.input(&locked, ScriptBuf::new(), Witness::new())).collect();
    fill(&mut making, input, STRIPPED_BYTES);
    making.block()
}

/// The classic: every input has its signature, so the hashed bytes grow with the square of the inputs.
pub(super) fn signed_inputs() -> WorstBlock {
    let mut making = Making::on(Network::regtest());
    let pair = Keypair::from_seckey_slice(&Secp256k1::new(), &[9; 32]).expect("32 equal bytes are a secret key");
    let locked = Builder::new().push_slice(pair.public_key().serialize()).push_opcode(OP_CHECKSIG).into_script();
    // A signature has at most 72 bytes, its hash type and its push with it.
    let inputs = (STRIPPED_BYTES - 100) / (BARE_INPUT_BYTES + 73);
    let input: Vec<TxIn> = (0..inputs).map(|_| making.input(&locked, ScriptBuf::new(), Witness::new())).collect();
    let unsigned = transaction(input.clone(), vec![output_of(0)]);
    let sign = |(index, mut input): (usize, TxIn)| {
        let hash = legacy_sighash(&unsigned, index, &locked, 1).expect("the input is there");
        let signature = Secp256k1::new().sign_ecdsa(&Message::from_digest(hash), &pair.secret_key());
        let bytes = [signature.serialize_der().as_ref(), &[1]].concat();
        let bytes = PushBytesBuf::try_from(bytes).expect("a signature is short");
        input.script_sig = Builder::new().push_slice(bytes).into_script();
        input
    };
    let signed = input.into_iter().enumerate().map(sign).collect();
    making.transaction(signed, unsigned.output);
    making.block()
}

/// The same with the signatures in the scripts that are spent, where they take no room.
pub(super) fn bare_signatures() -> WorstBlock {
    let mut making = Making::on(Network::regtest());
    let locked = Builder::new().push_slice(SHORT_SIGNATURE).push_slice(key()).push_opcode(OP_CHECKSIG);
    let locked = locked.push_opcode(OP_NOT).into_script();
    let inputs = (STRIPPED_BYTES - 100) / BARE_INPUT_BYTES;
    let input = (0..inputs).map(|_| making.input(&locked, ScriptBuf::new(), Witness::new())).collect();
    fill(&mut making, input, STRIPPED_BYTES);
    making.block()
}

/// 400 inputs with 50 signatures each, which cost four times as much as in a witness, and large outputs; in transactions
/// of 2,500 signatures, which is what BIP54 allows.
pub(super) fn p2sh_within_bip54() -> WorstBlock {
    p2sh_operations(Network::demo(), 8)
}

/// The same in one transaction.
pub(super) fn p2sh() -> WorstBlock {
    p2sh_operations(Network::regtest(), 1)
}

fn p2sh_operations(network: Network, transactions: usize) -> WorstBlock {
    let check = |builder: Builder| {
        let builder = builder.push_opcode(OP_2DUP).push_opcode(OP_CODESEPARATOR);
        builder.push_opcode(OP_CHECKSIG).push_opcode(OP_DROP)
    };
    let redeem = (0..50).fold(Builder::new(), |builder, _| check(builder)).push_int(1).into_script();
    let pushed = PushBytesBuf::try_from(redeem.to_bytes()).expect("the script is short");
    let script_sig = Builder::new().push_slice(SHORT_SIGNATURE).push_slice(key()).push_slice(pushed).into_script();
    let (mut making, locked) = (Making::on(network), redeem.to_p2sh());
    for _ in 0..transactions {
        let inputs = 0..400 / transactions;
        let input = inputs.map(|_| making.input(&locked, script_sig.clone(), Witness::new())).collect();
        fill(&mut making, input, STRIPPED_BYTES / transactions);
    }
    making.block()
}

/// 200 signatures that are all tried.
fn many_checks(checks: usize) -> ScriptBuf {
    let check = |builder: Builder| builder.push_slice(SHORT_SIGNATURE).push_slice(key()).push_opcode(OP_CHECKSIG);
    (0..checks).fold(Builder::new(), |builder, _| check(builder)).push_int(1).into_script()
}

/// 120 of the 24,000 inputs, in transactions of 10, so that it is the curve that takes the time.
pub(super) fn bare_scripts() -> WorstBlock {
    small_transactions(Network::regtest(), 12, 10, 200)
}

/// 10 of the 2,000 transactions whose 12 inputs have 2,400 signatures.
pub(super) fn bare_scripts_within_bip54() -> WorstBlock {
    small_transactions(Network::demo(), 10, 12, 200)
}

fn small_transactions(network: Network, transactions: usize, inputs: usize, checks: usize) -> WorstBlock {
    let (mut making, locked) = (Making::on(network), many_checks(checks));
    for _ in 0..transactions {
        let input = (0..inputs).map(|_| making.input(&locked, ScriptBuf::new(), Witness::new())).collect();
        making.transaction(input, vec![output_of(0)]);
    }
    making.block()
}
