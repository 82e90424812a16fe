//! Counting signature operations, which bounds how slow a block can be. Source: BIP16, BIP54, BIP141.
//!
//! Written here because the counts must equal Bitcoin Core's for every script, parsed or not.

use mycoin_primitives::bitcoin::opcodes::all::{
    OP_CHECKMULTISIG, OP_CHECKMULTISIGVERIFY, OP_CHECKSIG, OP_CHECKSIGVERIFY, OP_PUSHNUM_1, OP_PUSHNUM_16,
};
use mycoin_primitives::bitcoin::script::Instruction;
use mycoin_primitives::{Script, Transaction, TxIn, TxOut, Witness};

use crate::ScriptFlags;
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
pub fn bip54_signature_operations<'a>(tx: &Transaction, spent: impl IntoIterator<Item = &'a TxOut>) -> u64 {
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
pub fn signature_operation_cost<'a>(
    tx: &Transaction,
    spent: impl IntoIterator<Item = &'a TxOut>,
    flags: ScriptFlags,
) -> u64 {
    let legacy = legacy_signature_operations(tx) * LEGACY_COST_FACTOR;
    if tx.is_coinbase() {
        return legacy;
    }
    let inputs: u64 = tx.input.iter().zip(spent).map(|(input, output)| input_cost(input, output, flags)).sum();
    legacy + inputs
}

fn input_cost(input: &TxIn, output: &TxOut, flags: ScriptFlags) -> u64 {
    let locked = &output.script_pubkey;
    if !locked.is_p2sh() {
        return witness_cost(locked, &input.witness, flags);
    }
    // Before BIP16 nothing but the hash was compared.
    let redeem = if flags.contains(ScriptFlags::P2SH) { redeem_script(&input.script_sig) } else { None };
    let Some(redeem) = redeem else { return 0 };
    count(redeem, Multisig::ByKeys) * LEGACY_COST_FACTOR + nested_witness_cost(redeem, &input.witness, flags)
}

fn witness_cost(locked: &Script, witness: &Witness, flags: ScriptFlags) -> u64 {
    if flags.contains(ScriptFlags::RSA_LOCK) && rsa::lock_program(locked).is_some() {
        let spki_bytes = witness.nth(1).map(<[u8]>::len);
        let size = KeySize::ALL.into_iter().find(|size| spki_bytes == Some(size.spki_bytes()));
        return size.map_or(UNKNOWN_KEY_COST, KeySize::verify_cost);
    }
    nested_witness_cost(locked, witness, flags)
}

/// The RSA lock, like taproot, cannot be nested in P2SH.
fn nested_witness_cost(program: &Script, witness: &Witness, flags: ScriptFlags) -> u64 {
    if !flags.contains(ScriptFlags::WITNESS) {
        0
    } else if program.is_p2wpkh() {
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

#[cfg(test)]
mod tests {
    use mycoin_primitives::bitcoin::absolute::LockTime;
    use mycoin_primitives::bitcoin::transaction::Version;
    use mycoin_primitives::{Amount, OutPoint, ScriptBuf, Sequence};

    use super::*;

    const FLAGS: ScriptFlags = ScriptFlags::CONSENSUS.union(ScriptFlags::RSA_LOCK);

    fn script(hex: &str) -> ScriptBuf {
        ScriptBuf::from_hex(hex).expect("tests write hex")
    }

    fn output(script_pubkey: ScriptBuf) -> TxOut {
        TxOut { value: Amount::ZERO, script_pubkey }
    }

    /// A transaction with one input and an output that counts nothing.
    fn spending(script_sig: ScriptBuf, witness: Witness) -> Transaction {
        let previous_output = OutPoint { vout: 0, ..OutPoint::null() };
        let input = vec![TxIn { previous_output, script_sig, sequence: Sequence::MAX, witness }];
        Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output: vec![output(script("51"))] }
    }

    #[track_caller]
    fn check(hex: &str, twenty: u64, by_keys: u64) {
        assert_eq!(count(&script(hex), Multisig::Twenty), twenty, "{hex}");
        assert_eq!(count(&script(hex), Multisig::ByKeys), by_keys, "{hex}");
    }

    #[test]
    fn counts_as_bitcoin_core() {
        check("", 0, 0);
        check("acad", 2, 2); // CHECKSIG CHECKSIGVERIFY
        check("52ae", 20, 2); // 2 CHECKMULTISIG
        check("60af", 20, 16); // 16 CHECKMULTISIGVERIFY
        check("00ae", 20, 20); // 0 is no number of keys here
        check("0102ae", 20, 20); // nor is a pushed 2
        check("52acae", 21, 21); // only the opcode right before counts
        check("52aeae", 40, 22);
        check("ac4c", 1, 1); // broken at its end: what stands before counts
        check("ac05ac", 1, 1);
        check("02acac", 0, 0); // pushed bytes are no operations
    }

    #[test]
    fn p2sh_counts_the_script_that_is_pushed_last() {
        let spent = [output(script("52ae").to_p2sh())];
        let cost = |hex: &str| signature_operation_cost(&spending(script(hex), Witness::new()), &spent, FLAGS);
        assert_eq!(cost("0252ae"), 8);
        assert_eq!(cost("510252ae"), 8); // small numbers before it are pushes too
        assert_eq!(cost("0252ae51"), 0); // the last push is a number
        assert_eq!(cost("610252ae"), 0); // NOP is no push, so the script is not run
        assert_eq!(cost("0252ae4c"), 0); // broken
        assert_eq!(cost(""), 0);
    }

    #[test]
    fn witness_programs_count_one_to_one() {
        let key_hash = script("00140000000000000000000000000000000000000000");
        let script_hash = script("52ae").to_p2wsh();
        let witness = Witness::from_slice(&[vec![0x52, 0xae]]);
        let cost = |script_sig: ScriptBuf, locked: &ScriptBuf| {
            signature_operation_cost(&spending(script_sig, witness.clone()), &[output(locked.clone())], FLAGS)
        };
        let nested = |redeem: &ScriptBuf| {
            let mut script_sig = ScriptBuf::new();
            script_sig.push_slice(
                <&mycoin_primitives::bitcoin::script::PushBytes>::try_from(redeem.as_bytes()).expect("short"),
            );
            script_sig
        };
        assert_eq!(cost(ScriptBuf::new(), &key_hash), 1);
        assert_eq!(cost(nested(&key_hash), &key_hash.to_p2sh()), 1);
        assert_eq!(cost(ScriptBuf::new(), &script_hash), 2);
        assert_eq!(cost(nested(&script_hash), &script_hash.to_p2sh()), 2);
        let taproot = script("51200000000000000000000000000000000000000000000000000000000000000000");
        assert_eq!(cost(ScriptBuf::new(), &taproot), 0);
        let rsa = script("60200000000000000000000000000000000000000000000000000000000000000000");
        assert_eq!(cost(ScriptBuf::new(), &rsa), UNKNOWN_KEY_COST);
        assert_eq!(cost(nested(&rsa), &rsa.to_p2sh()), 0);
    }

    #[test]
    fn bip54_counts_what_is_executed() {
        // The spent script, the signature script, and a P2SH output's script, each with their multisigs by keys.
        let spent = [output(script("53aeac"))];
        assert_eq!(bip54_signature_operations(&spending(script("ac"), Witness::new()), &spent), 5);
        let spent = [output(script("53ae").to_p2sh())];
        assert_eq!(bip54_signature_operations(&spending(script("0253ae"), Witness::new()), &spent), 3);
        let key_hash = [output(script("00140000000000000000000000000000000000000000"))];
        assert_eq!(bip54_signature_operations(&spending(ScriptBuf::new(), Witness::new()), &key_hash), 0);
    }

    #[test]
    fn a_transactions_own_scripts_cost_four_each() {
        let mut tx = spending(script("ac"), Witness::new());
        tx.output.push(output(script("ae")));
        assert_eq!(legacy_signature_operations(&tx), 21);
        assert_eq!(signature_operation_cost(&tx, &[output(script("ac"))], FLAGS), 84);
    }
}
