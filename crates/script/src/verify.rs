//! Whether an input may spend its output.
//!
//! In:    a transaction, the outputs that it spends, the network's script rules.
//! Out:   nothing, or the rule that the input breaks.
//! Never: a spend that was not understood. Whatever would need the interpreter is an error.
//!
//! Start at [`verify_input`].

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::LazyLock;

use mycoin_primitives::bitcoin::secp256k1::{
    Message, PublicKey, Secp256k1, VerifyOnly, XOnlyPublicKey, ecdsa, schnorr,
};
use mycoin_primitives::bitcoin::sighash::{Annex, Prevouts, SighashCache, TapSighashType};
use mycoin_primitives::bitcoin::{PubkeyHash, WitnessVersion};
use mycoin_primitives::hashes::{Hash, hash160};
use mycoin_primitives::{Script, ScriptBuf, Transaction, TxIn, TxOut, Witness};

use crate::rsa;
use crate::sighash::{cached_rsa_sighash, p2wpkh_sighash};
use crate::{RsaHashType, ScriptError, ScriptRules, UnsupportedSpend};

static SECP: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// The first byte of an annex. Source: BIP341.
const ANNEX_PREFIX: u8 = 0x50;

/// A transaction with the outputs that it spends, and the hashes that its inputs' signatures share.
///
/// One thread at a time checks a transaction's inputs: this can be sent, not shared.
#[derive(Debug)]
pub struct PrecomputedTransaction<'a> {
    tx: &'a Transaction,
    spent: Cow<'a, [TxOut]>,
    hashes: RefCell<SighashCache<&'a Transaction>>,
}

impl<'a> PrecomputedTransaction<'a> {
    /// `spent` holds the output that each input spends, in input order.
    pub fn new(tx: &'a Transaction, spent: impl Into<Cow<'a, [TxOut]>>) -> Self {
        Self { tx, spent: spent.into(), hashes: RefCell::new(SighashCache::new(tx)) }
    }

    /// The transaction.
    pub const fn transaction(&self) -> &'a Transaction {
        self.tx
    }

    /// The outputs that it spends, in input order.
    pub fn spent(&self) -> &[TxOut] {
        &self.spent
    }

    pub(crate) fn input(&self, input: usize) -> Result<(&TxIn, &TxOut), ScriptError> {
        let (inputs, outputs) = (self.tx.input.len(), self.spent.len());
        let mismatch = ScriptError::SpentOutputsMismatch { input, inputs, outputs };
        if inputs != outputs {
            return Err(mismatch);
        }
        self.tx.input.get(input).zip(self.spent.get(input)).ok_or(mismatch)
    }
}

/// Checks that the input may spend its output: that its witness holds a valid signature by the key that the output names.
///
/// # Errors
///
/// [`ScriptError`] names the rule that the input breaks; [`ScriptError::NeedsInterpreter`] for every kind of output
/// but P2WPKH, P2TR spent by its key, and the RSA lock where the network has it.
pub fn verify_input(data: &PrecomputedTransaction<'_>, input: usize, rules: ScriptRules) -> Result<(), ScriptError> {
    let (spending, output) = data.input(input)?;
    let locked = &output.script_pubkey;
    let Some(version) = locked.witness_version() else { return unsupported(UnsupportedSpend::Legacy) };
    if !spending.script_sig.is_empty() {
        return Err(ScriptError::ScriptSigNotEmpty);
    }
    let program = locked.as_bytes().get(2..).unwrap_or_default();
    match (version, program.len()) {
        (WitnessVersion::V0, 20) => verify_p2wpkh(data, input, &spending.witness, output),
        (WitnessVersion::V0, 32) => unsupported(UnsupportedSpend::WitnessScriptHash),
        (WitnessVersion::V0, _) => unsupported(UnsupportedSpend::WitnessV0ProgramSize),
        (WitnessVersion::V1, 32) => verify_p2tr(data, input, &spending.witness, program),
        (WitnessVersion::V16, 32) if rules.rsa => verify_rsa_lock(data, input, &spending.witness, locked),
        (version, _) => unsupported(UnsupportedSpend::WitnessVersion { version: version.to_num() }),
    }
}

const fn unsupported(kind: UnsupportedSpend) -> Result<(), ScriptError> {
    Err(ScriptError::NeedsInterpreter { kind })
}

/// Source: BIP141, BIP143, BIP66. The rest of what is asked of ECDSA is policy: [`crate::check_signature_policy`].
fn verify_p2wpkh(
    data: &PrecomputedTransaction<'_>,
    input: usize,
    witness: &Witness,
    output: &TxOut,
) -> Result<(), ScriptError> {
    let (signature, key) = match (witness.len(), witness.nth(0), witness.nth(1)) {
        (0, ..) => return Err(ScriptError::WitnessEmpty),
        (2, Some(signature), Some(key)) => (signature, key),
        (found, ..) => return Err(ScriptError::WitnessItems { found }),
    };
    let hash = hash160::Hash::hash(key);
    if output.script_pubkey.as_bytes().get(2..) != Some(hash.as_byte_array().as_slice()) {
        return Err(ScriptError::KeyMismatch);
    }
    let Some((&hash_type, der)) = signature.split_last() else { return Err(ScriptError::EcdsaInvalid) };
    let mut signature = ecdsa::Signature::from_der(der).map_err(|_| ScriptError::EcdsaEncoding)?;
    // The library verifies low S only; consensus takes both forms.
    signature.normalize_s();
    let key = PublicKey::from_slice(key).map_err(|_| ScriptError::EcdsaInvalid)?;
    let script_code = ScriptBuf::new_p2pkh(&PubkeyHash::from_raw_hash(hash));
    let digest = p2wpkh_sighash(&mut data.hashes.borrow_mut(), input, &script_code, output, hash_type)
        .ok_or(ScriptError::EcdsaInvalid)?;
    SECP.verify_ecdsa(&Message::from_digest(digest), &signature, &key).map_err(|_| ScriptError::EcdsaInvalid)
}

/// Source: BIP341, key path spending.
fn verify_p2tr(
    data: &PrecomputedTransaction<'_>,
    input: usize,
    witness: &Witness,
    program: &[u8],
) -> Result<(), ScriptError> {
    let last = witness.last().ok_or(ScriptError::WitnessEmpty)?;
    let annex = (witness.len() >= 2 && last.first() == Some(&ANNEX_PREFIX)).then_some(last);
    if witness.len() - usize::from(annex.is_some()) != 1 {
        return unsupported(UnsupportedSpend::TaprootScriptPath);
    }
    let signature = witness.nth(0).ok_or(ScriptError::WitnessEmpty)?;
    let (signature, hash_type) = split_schnorr(signature)?;
    let key = XOnlyPublicKey::from_slice(program).map_err(|_| ScriptError::SchnorrInvalid)?;
    let annex = annex.map(Annex::new).transpose().map_err(|_| ScriptError::SchnorrInvalid)?;
    let hash = data
        .hashes
        .borrow_mut()
        .taproot_signature_hash(input, &Prevouts::All(&data.spent), annex, None, hash_type)
        .map_err(|_| ScriptError::SchnorrHashType)?;
    let message = Message::from_digest(hash.to_byte_array());
    SECP.verify_schnorr(&signature, &message, &key).map_err(|_| ScriptError::SchnorrInvalid)
}

fn split_schnorr(signature: &[u8]) -> Result<(schnorr::Signature, TapSighashType), ScriptError> {
    let size = ScriptError::SchnorrSize { found: signature.len() };
    let (bytes, hash_type) = match (signature.len(), signature.split_last()) {
        (64, _) => (signature, TapSighashType::Default),
        // Written out, DEFAULT would be a second form of the same signature.
        (65, Some((0, _))) => return Err(ScriptError::SchnorrHashType),
        (65, Some((&byte, bytes))) => {
            (bytes, TapSighashType::from_consensus_u8(byte).map_err(|_| ScriptError::SchnorrHashType)?)
        }
        _ => return Err(size),
    };
    let signature = schnorr::Signature::from_slice(bytes).map_err(|_| size)?;
    Ok((signature, hash_type))
}

/// The RSA lock: witness `[signature, SPKI]`. No annex, so that there is one form of each witness.
fn verify_rsa_lock(
    data: &PrecomputedTransaction<'_>,
    input: usize,
    witness: &Witness,
    locked: &Script,
) -> Result<(), ScriptError> {
    let (signature, spki) = match (witness.len(), witness.nth(0), witness.nth(1)) {
        (0, ..) => return Err(ScriptError::WitnessEmpty),
        (2, Some(signature), Some(spki)) => (signature, spki),
        (found, ..) => return Err(ScriptError::RsaWitnessItems { found }),
    };
    if rsa::lock_program(locked) != Some(&rsa::key_hash(spki)) {
        return Err(ScriptError::RsaKeyMismatch);
    }
    let size = rsa::check_spki(spki).map_err(|cause| ScriptError::RsaKey { cause })?;
    let modulus = size.modulus_bytes();
    let (signature, hash_type) = match signature.split_at_checked(modulus) {
        Some((bare, [])) => (bare, RsaHashType::Default),
        Some((bare, [0x01])) => (bare, RsaHashType::All),
        Some((_, &[hash_type])) => return Err(ScriptError::RsaHashType { hash_type }),
        Some(_) | None => return Err(ScriptError::RsaSignatureSize { found: signature.len(), modulus }),
    };
    let message = cached_rsa_sighash(&mut data.hashes.borrow_mut(), input, &data.spent, hash_type)?;
    if rsa::verify(spki, &message, signature) { Ok(()) } else { Err(ScriptError::RsaInvalid) }
}
