//! What is signed: the RSA lock's hash, and the parts of BIP143 that allow undefined hash types.

use mycoin_primitives::bitcoin::sighash::{EcdsaSighashType, Prevouts, SighashCache, TapSighashType};
use mycoin_primitives::hashes::{Hash, HashEngine, sha256, sha256d};
use mycoin_primitives::{Script, Transaction, TxOut};

use crate::ScriptError;

/// The tag of the RSA lock's signature hash (a tagged hash as in BIP340).
const RSA_SIGHASH_TAG: &[u8] = b"MyCoin/RsaSighash";

/// What an RSA lock's signature covers. Both cover everything; ALL writes its hash type out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RsaHashType {
    /// SIGHASH_DEFAULT: the bare signature.
    Default,
    /// SIGHASH_ALL: the signature is followed by one byte, 0x01.
    All,
}

impl RsaHashType {
    /// The byte that follows the signature.
    pub const fn suffix(self) -> &'static [u8] {
        match self {
            Self::Default => &[],
            Self::All => &[0x01],
        }
    }
}

/// The 32 bytes that an RSA lock's signature signs (as its message, which PSS hashes once more).
///
/// It is the BIP341 signature message without annex or script path, under the tag `MyCoin/RsaSighash` instead of
/// `TapSighash`, so that a signature made for one lock is never valid for another. `spent` holds the output that each
/// input spends, in input order.
///
/// # Errors
///
/// [`ScriptError::SpentOutputsMismatch`] if there is no such input, or not one spent output per input.
pub fn rsa_sighash(
    tx: &Transaction,
    input: usize,
    spent: &[TxOut],
    hash_type: RsaHashType,
) -> Result<[u8; 32], ScriptError> {
    cached_rsa_sighash(&mut SighashCache::new(tx), input, spent, hash_type)
}

pub(crate) fn cached_rsa_sighash(
    cache: &mut SighashCache<&Transaction>,
    input: usize,
    spent: &[TxOut],
    hash_type: RsaHashType,
) -> Result<[u8; 32], ScriptError> {
    let hash_type = match hash_type {
        RsaHashType::Default => TapSighashType::Default,
        RsaHashType::All => TapSighashType::All,
    };
    let tag = sha256::Hash::hash(RSA_SIGHASH_TAG);
    let mut engine = sha256::Hash::engine();
    engine.input(tag.as_byte_array());
    engine.input(tag.as_byte_array());
    let inputs = cache.transaction().input.len();
    cache
        .taproot_encode_signing_data_to(&mut engine, input, &Prevouts::All(spent), None, None, hash_type)
        .map_err(|_| ScriptError::SpentOutputsMismatch { input, inputs, outputs: spent.len() })?;
    Ok(sha256::Hash::from_engine(engine).to_byte_array())
}

/// BIP143's hash for a P2WPKH input whose signature ends in `hash_type`, which may be an undefined one.
///
/// `None` if there is no such input.
pub(crate) fn p2wpkh_sighash(
    cache: &mut SighashCache<&Transaction>,
    input: usize,
    script_code: &Script,
    output: &TxOut,
    hash_type: u8,
) -> Option<[u8; 32]> {
    let defined = EcdsaSighashType::from_consensus(u32::from(hash_type));
    let mut message = Vec::with_capacity(182);
    cache.segwit_v0_encode_signing_data_to(&mut message, input, script_code, output.value, defined).ok()?;
    // The message ends in the hash type as the signature wrote it, while the library writes the defined one it stands for.
    message.truncate(message.len().checked_sub(4)?);
    message.extend_from_slice(&u32::from(hash_type).to_le_bytes());
    Some(sha256d::Hash::hash(&message).to_byte_array())
}
