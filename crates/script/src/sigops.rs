//! Counting signature operations, which bounds how slow a block can be. Source: BIP16, BIP54, BIP141.
//!
//! Written here because the counts must equal Bitcoin Core's for every script, parsed or not.

use mycoin_primitives::bitcoin::opcodes::all::{
    OP_CHECKMULTISIG, OP_CHECKMULTISIGVERIFY, OP_CHECKSIG, OP_CHECKSIGVERIFY, OP_PUSHNUM_1, OP_PUSHNUM_16,
};
use mycoin_primitives::bitcoin::script::Instruction;
use mycoin_primitives::{Script, Transaction, TxIn, TxOut, Witness};

use crate::ScriptRules;
use crate::rsa::{self, KeySize, UNKNOWN_KEY_COST};

/// What an operation outside of witnesses costs. Source: BIP141, `WITNESS_SCALE_FACTOR`.
pub const LEGACY_COST_FACTOR: u64 = 4;

/// What a CHECKMULTISIG counts whose number of keys is not known. Source: Bitcoin Core `MAX_PUBKEYS_PER_MULTISIG`.
const MAX_KEYS_PER_MULTISIG: u64 = 20;

/// Counts the signature operations in the transaction's own scripts, those that it spends left out.
///
/// Source: Bitcoin Core `GetLegacySigOpCount`, consensus/tx_verify.cpp.
pub fn legacy_signature_operations(tx: &Transaction) -> u64 {
    let inputs: u64 = tx.input.iter().map(|input| count(&input.script_sig, Multisig::Twenty)).sum();
    let outputs: u64 = tx.output.iter().map(|output| count(&output.script_pubkey, Multisig::Twenty)).sum();
    inputs + outputs
}

/// Counts the signature operations outside of witnesses that the transaction's inputs may execute.
///
/// `spent` holds the output that each input spends, in input order. Source: BIP54.
pub fn bip54_signature_operations(tx: &Transaction, spent: &[TxOut]) -> u64 {
    let per_input = |(input, output): (&TxIn, &TxOut)| {
        let locked = &output.script_pubkey;
        let executed = if locked.is_p2sh() {
            redeem_script(&input.script_sig).map_or(0, |redeem| count(redeem, Multisig::ByKeys))
        } else {
            count(locked, Multisig::ByKeys)
        };
        count(&input.script_sig, Multisig::ByKeys) + executed
    };
    tx.input.iter().zip(spent).map(per_input).sum()
}

/// The transaction's signature-operation cost, with what its RSA locks cost.
///
/// `spent` holds the output that each input spends, in input order; it is empty for a coinbase.
/// Source: Bitcoin Core `GetTransactionSigOpCost`, consensus/tx_verify.cpp; for RSA locks [`KeySize::verify_cost`].
pub fn signature_operation_cost(tx: &Transaction, spent: &[TxOut], rules: ScriptRules) -> u64 {
    let legacy = legacy_signature_operations(tx) * LEGACY_COST_FACTOR;
    if tx.is_coinbase() {
        return legacy;
    }
    let inputs: u64 = tx.input.iter().zip(spent).map(|(input, output)| input_cost(input, output, rules)).sum();
    legacy + inputs
}

fn input_cost(input: &TxIn, output: &TxOut, rules: ScriptRules) -> u64 {
    let locked = &output.script_pubkey;
    if !locked.is_p2sh() {
        return witness_cost(locked, &input.witness, rules);
    }
    let Some(redeem) = redeem_script(&input.script_sig) else { return 0 };
    count(redeem, Multisig::ByKeys) * LEGACY_COST_FACTOR + nested_witness_cost(redeem, &input.witness)
}

fn witness_cost(locked: &Script, witness: &Witness, rules: ScriptRules) -> u64 {
    if rules.rsa && rsa::lock_program(locked).is_some() {
        let spki_bytes = witness.nth(1).map(<[u8]>::len);
        let size = KeySize::ALL.into_iter().find(|size| spki_bytes == Some(size.spki_bytes()));
        return size.map_or(UNKNOWN_KEY_COST, KeySize::verify_cost);
    }
    nested_witness_cost(locked, witness)
}

/// The RSA lock, like taproot, cannot be nested in P2SH.
fn nested_witness_cost(program: &Script, witness: &Witness) -> u64 {
    if program.is_p2wpkh() {
        1
    } else if program.is_p2wsh() {
        witness.last().map_or(0, |script| count(Script::from_bytes(script), Multisig::ByKeys))
    } else {
        0
    }
}

#[derive(Clone, Copy)]
enum Multisig {
    /// Each CHECKMULTISIG counts 20.
    Twenty,
    /// A CHECKMULTISIG right after OP_1 to OP_16 counts that many.
    ByKeys,
}

/// Source: Bitcoin Core `CScript::GetSigOpCount(bool)`, script/script.cpp.
fn count(script: &Script, multisig: Multisig) -> u64 {
    let mut total = 0;
    let mut keys = None;
    // A script that cannot be parsed counts up to where it breaks.
    for instruction in script.instructions().map_while(Result::ok) {
        let op = match instruction {
            Instruction::PushBytes(_) => {
                keys = None;
                continue;
            }
            Instruction::Op(op) => op,
        };
        if op == OP_CHECKSIG || op == OP_CHECKSIGVERIFY {
            total += 1;
        } else if op == OP_CHECKMULTISIG || op == OP_CHECKMULTISIGVERIFY {
            total += match multisig {
                Multisig::Twenty => MAX_KEYS_PER_MULTISIG,
                Multisig::ByKeys => keys.unwrap_or(MAX_KEYS_PER_MULTISIG),
            };
        }
        let numbers = OP_PUSHNUM_1.to_u8()..=OP_PUSHNUM_16.to_u8();
        keys = numbers.contains(&op.to_u8()).then(|| u64::from(op.to_u8() - OP_PUSHNUM_1.to_u8()) + 1);
    }
    total
}

/// What a P2SH input pushes last; `None` unless it only pushes. Source: Bitcoin Core `CScript::GetSigOpCount(const CScript&)`.
fn redeem_script(script_sig: &Script) -> Option<&Script> {
    let mut last: &[u8] = &[];
    for instruction in script_sig.instructions() {
        last = match instruction.ok()? {
            Instruction::PushBytes(bytes) => bytes.as_bytes(),
            Instruction::Op(op) if op.to_u8() <= OP_PUSHNUM_16.to_u8() => &[],
            Instruction::Op(_) => return None,
        };
    }
    Some(Script::from_bytes(last))
}
