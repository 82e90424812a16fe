//! Standardness of what a transaction spends, and of what it shows to spend it.
//!
//! In:    a transaction, the outputs that it spends in input order, the network.
//! Out:   the first policy rule that an input breaks.
//! Never: running scripts; what is looked at here is cheap.

use mycoin_primitives::bitcoin::opcodes::{Class, ClassifyContext};
use mycoin_primitives::bitcoin::script::Instruction;
use mycoin_primitives::bitcoin::{WitnessVersion, taproot};
use mycoin_primitives::{Network, Script, ScriptBuf, Transaction, TxIn, TxOut, Witness};
use mycoin_script::{ScriptError, bip54_signature_operations};

use crate::error::{InputProblem, RejectReason, WitnessProblem};
use crate::policy;
use crate::solver::OutputKind;

/// The largest item that a script may push, in bytes. Source: Bitcoin Core `MAX_SCRIPT_ELEMENT_SIZE`, script/script.h.
const MAX_SCRIPT_ELEMENT_SIZE: usize = 520;
/// The most items on a stack. Source: Bitcoin Core `MAX_STACK_SIZE`, script/script.h.
const MAX_STACK_SIZE: usize = 1_000;

/// Checks that what `tx` spends is of a standard kind, its witnesses left out.
///
/// # Errors
///
/// [`RejectReason::LegacySigops`] or [`RejectReason::NonstandardInput`].
///
/// Source: Bitcoin Core `ValidateInputsStandardness`, policy/policy.cpp.
pub(crate) fn check_inputs_standard(tx: &Transaction, spent: &[TxOut], network: &Network) -> Result<(), RejectReason> {
    let found = bip54_signature_operations(tx, spent);
    if found > policy::MAX_TX_LEGACY_SIGOPS {
        return Err(RejectReason::LegacySigops { found, limit: policy::MAX_TX_LEGACY_SIGOPS });
    }
    for (input, output) in spent.iter().enumerate() {
        check_kind(tx, input, output, network).map_err(|problem| RejectReason::NonstandardInput { input, problem })?;
    }
    Ok(())
}

fn check_kind(tx: &Transaction, input: usize, output: &TxOut, network: &Network) -> Result<(), InputProblem> {
    match OutputKind::of(&output.script_pubkey, network) {
        OutputKind::NonStandard => Err(InputProblem::UnknownScript),
        OutputKind::WitnessUnknown => Err(InputProblem::UndefinedWitnessProgram),
        OutputKind::ScriptHash => tx.input.get(input).map_or(Ok(()), |txin| check_redeem_script(tx, txin, output)),
        OutputKind::PublicKey
        | OutputKind::PublicKeyHash
        | OutputKind::Multisig { .. }
        | OutputKind::Data
        | OutputKind::WitnessKeyHash
        | OutputKind::WitnessScriptHash
        | OutputKind::Taproot
        | OutputKind::Anchor
        | OutputKind::RsaLock => Ok(()),
    }
}

fn check_redeem_script(tx: &Transaction, txin: &TxIn, output: &TxOut) -> Result<(), InputProblem> {
    last_pushed(&txin.script_sig)
        .map_err(|error| InputProblem::MalformedScriptSig { error })?
        .ok_or(InputProblem::MissingRedeemScript)?;
    // A script that only pushes has no operations itself, so those of this input alone are its redeem script's.
    let alone = Transaction { input: vec![txin.clone()], output: Vec::new(), ..*tx };
    let found = bip54_signature_operations(&alone, std::slice::from_ref(output));
    let limit = policy::MAX_P2SH_SIGOPS;
    if found > limit { Err(InputProblem::RedeemScriptSigops { found, limit }) } else { Ok(()) }
}

/// What a script that only pushes leaves on top of the stack; `None` when it leaves nothing.
///
/// Source: Bitcoin Core `EvalScript` without flags, script/interpreter.cpp.
fn last_pushed(script_sig: &Script) -> Result<Option<ScriptBuf>, ScriptError> {
    let mut last = None;
    for (count, instruction) in (1..).zip(script_sig.instructions()) {
        last = Some(match instruction.map_err(|_| ScriptError::BadOpcode)? {
            Instruction::PushBytes(bytes) if bytes.len() > MAX_SCRIPT_ELEMENT_SIZE => {
                return Err(ScriptError::PushSize);
            }
            Instruction::PushBytes(bytes) => bytes.as_bytes().to_vec(),
            Instruction::Op(op) => match op.classify(ClassifyContext::Legacy) {
                Class::PushNum(-1) => vec![0x81],
                Class::PushNum(number) => vec![u8::try_from(number).map_err(|_| ScriptError::BadOpcode)?],
                _ => return Err(ScriptError::BadOpcode),
            },
        });
        if count > MAX_STACK_SIZE {
            return Err(ScriptError::StackSize);
        }
    }
    Ok(last.map(ScriptBuf::from_bytes))
}

/// Checks that no witness is larger than standard ones need, or has parts without a meaning.
///
/// # Errors
///
/// [`RejectReason::NonstandardWitness`]. Source: Bitcoin Core `IsWitnessStandard`, policy/policy.cpp.
pub(crate) fn check_witnesses_standard(tx: &Transaction, spent: &[TxOut]) -> Result<(), RejectReason> {
    for (input, (txin, output)) in tx.input.iter().zip(spent).enumerate() {
        if !txin.witness.is_empty() {
            check_witness(txin, &output.script_pubkey)
                .map_err(|problem| RejectReason::NonstandardWitness { input, problem })?;
        }
    }
    Ok(())
}

fn check_witness(txin: &TxIn, locked: &Script) -> Result<(), WitnessProblem> {
    if !locked.is_p2sh() {
        return check_program_witness(locked, &txin.witness, false);
    }
    let redeem = last_pushed(&txin.script_sig).ok().flatten().ok_or(WitnessProblem::NoRedeemScript)?;
    check_program_witness(&redeem, &txin.witness, true)
}

fn check_program_witness(program: &Script, witness: &Witness, nested: bool) -> Result<(), WitnessProblem> {
    let Some(version) = program.witness_version() else { return Err(WitnessProblem::NoWitnessProgram) };
    if is_anchor(program) && !nested {
        return Err(WitnessProblem::Anchor);
    }
    let items: Vec<&[u8]> = witness.iter().collect();
    if program.is_p2wsh() {
        check_script_witness(&items)
    } else if version == WitnessVersion::V1 && program.is_p2tr() && !nested {
        check_taproot_witness(&items)
    } else {
        Ok(())
    }
}

fn is_anchor(program: &Script) -> bool {
    program.witness_version() == Some(WitnessVersion::V1) && program.as_bytes().get(2..) == Some(&[0x4e, 0x73])
}

fn check_script_witness(items: &[&[u8]]) -> Result<(), WitnessProblem> {
    let Some((script, stack)) = items.split_last() else { return Ok(()) };
    let (size, limit) = (script.len(), policy::MAX_STANDARD_P2WSH_SCRIPT_SIZE);
    if size > limit {
        return Err(WitnessProblem::ScriptSize { size, limit });
    }
    let (count, limit) = (stack.len(), policy::MAX_STANDARD_P2WSH_STACK_ITEMS);
    if count > limit {
        return Err(WitnessProblem::ItemCount { count, limit });
    }
    check_item_sizes(stack, policy::MAX_STANDARD_P2WSH_STACK_ITEM_SIZE)
}

fn check_item_sizes(stack: &[&[u8]], limit: usize) -> Result<(), WitnessProblem> {
    match stack.iter().map(|item| item.len()).find(|size| *size > limit) {
        Some(size) => Err(WitnessProblem::ItemSize { size, limit }),
        None => Ok(()),
    }
}

fn check_taproot_witness(items: &[&[u8]]) -> Result<(), WitnessProblem> {
    let [stack @ .., _script, last] = items else { return Ok(()) };
    match last.first() {
        Some(&taproot::TAPROOT_ANNEX_PREFIX) => Err(WitnessProblem::Annex),
        None => Err(WitnessProblem::EmptyControlBlock),
        Some(first) if first & taproot::TAPROOT_LEAF_MASK == taproot::TAPROOT_LEAF_TAPSCRIPT => {
            check_item_sizes(stack, policy::MAX_STANDARD_TAPSCRIPT_STACK_ITEM_SIZE)
        }
        Some(_) => Ok(()),
    }
}

/// Whether an input spends a witness program other than an anchor, so that a transaction without any witness may be one
/// whose witnesses somebody took away.
///
/// Source: Bitcoin Core `SpendsNonAnchorWitnessProg`, policy/policy.cpp.
pub(crate) fn spends_witness_program(tx: &Transaction, spent: &[TxOut]) -> bool {
    tx.input.iter().zip(spent).any(|(txin, output)| {
        let locked = &output.script_pubkey;
        if locked.is_p2sh() {
            return last_pushed(&txin.script_sig).ok().flatten().is_some_and(|redeem| redeem.is_witness_program());
        }
        locked.is_witness_program() && !is_anchor(locked)
    })
}

#[cfg(test)]
mod tests;
