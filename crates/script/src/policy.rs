//! What relay asks of signatures beyond consensus, so that nobody else can change a transaction's witness.

use mycoin_primitives::bitcoin::secp256k1::ecdsa;
use mycoin_primitives::bitcoin::sighash::EcdsaSighashType;

use crate::{PrecomputedTransaction, ScriptError};

/// Checks a P2WPKH input's signature against policy: a defined hash type, a low S, a compressed key.
///
/// Consensus takes all three otherwise, so blocks must not be judged by this. Other inputs pass: their consensus rules
/// leave nothing to choose. Says nothing about validity; [`crate::verify_input`] does.
///
/// # Errors
///
/// [`ScriptError::EcdsaHashType`], [`ScriptError::EcdsaHighS`], [`ScriptError::KeyNotCompressed`],
/// [`ScriptError::EcdsaEncoding`] or [`ScriptError::SpentOutputsMismatch`].
///
/// Source: Bitcoin Core `SCRIPT_VERIFY_STRICTENC`, `…_LOW_S`, `…_WITNESS_PUBKEYTYPE`, script/interpreter.cpp.
pub fn check_signature_policy(data: &PrecomputedTransaction<'_>, input: usize) -> Result<(), ScriptError> {
    let (spending, output) = data.input(input)?;
    if !output.script_pubkey.is_p2wpkh() {
        return Ok(());
    }
    let (signature, key) = match (spending.witness.nth(0), spending.witness.nth(1)) {
        (Some(signature), Some(key)) => (signature, key),
        (None, _) | (_, None) => return Err(ScriptError::WitnessItems { found: spending.witness.len() }),
    };
    let Some((&hash_type, der)) = signature.split_last() else { return Err(ScriptError::EcdsaInvalid) };
    if EcdsaSighashType::from_standard(u32::from(hash_type)).is_err() {
        return Err(ScriptError::EcdsaHashType { hash_type });
    }
    let signature = ecdsa::Signature::from_der(der).map_err(|_| ScriptError::EcdsaEncoding)?;
    let mut low = signature;
    low.normalize_s();
    if low != signature {
        return Err(ScriptError::EcdsaHighS);
    }
    if key.len() != 33 {
        return Err(ScriptError::KeyNotCompressed);
    }
    Ok(())
}
