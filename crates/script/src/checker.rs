//! What a script asks about the input that it judges: is this signature valid, has this lock time passed?
//!
//! In:    an input, a signature with its key and the script that it covers; a lock time.
//! Out:   yes or no; for Schnorr signatures the rule that they break.
//! Never: rules on the form of ECDSA signatures and keys ([`crate::encoding`]).
//!
//! Source: Bitcoin Core `GenericTransactionSignatureChecker`, script/interpreter.cpp.

use std::sync::LazyLock;

use mycoin_primitives::bitcoin::secp256k1::{
    Message, PublicKey, Secp256k1, VerifyOnly, XOnlyPublicKey, ecdsa, schnorr,
};
use mycoin_primitives::hashes::sha256;

use crate::cache::{Scheme, SignatureCache};
use crate::eval::Version;
use crate::rsa;
use crate::sighash::{
    Input, OwnOutputHash, TaprootExtension, finish, input_rsa_sighash, legacy_message, segwit_v0_message,
    taproot_sighash,
};
use crate::{RsaHashType, ScriptError};

pub(crate) static SECP: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// Below it, a lock time is a height; from it on, seconds. Source: Bitcoin Core `LOCKTIME_THRESHOLD`, script/script.h.
const LOCK_TIME_THRESHOLD: i64 = 500_000_000;
/// A sequence number with this bit locks nothing. Source: BIP68.
pub(crate) const SEQUENCE_DISABLED: i64 = 1 << 31;
/// A sequence number with this bit counts time, not blocks. Source: BIP68.
const SEQUENCE_IS_TIME: i64 = 1 << 22;
/// The bits of a sequence number that hold the lock. Source: BIP68.
const SEQUENCE_LOCK: i64 = 0xffff;
/// The sequence number that switches the transaction's lock time off.
const SEQUENCE_FINAL: u32 = 0xffff_ffff;

/// Answers an input's script.
pub(crate) struct Checker<'a> {
    input: Input<'a>,
    cache: Option<&'a SignatureCache>,
    messages: Messages,
    own_output: OwnOutputHash,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(input: Input<'a>, cache: Option<&'a SignatureCache>) -> Self {
        Self { input, cache, messages: Messages::default(), own_output: OwnOutputHash::new() }
    }

    /// Whether an ECDSA signature, its hash type at its end, is valid for the input and this script.
    pub(crate) fn ecdsa_is_valid(
        &mut self,
        signature: &[u8],
        key: &[u8],
        script_code: &[u8],
        version: Version,
    ) -> bool {
        let Some((&hash_type, der)) = signature.split_last() else { return false };
        let Ok(parsed_key) = PublicKey::from_slice(key) else { return false };
        let Some(message) = self.messages.ecdsa_sighash(self.input, script_code, u32::from(hash_type), version) else {
            return false;
        };
        self.cached(Scheme::Ecdsa, &message, key, signature, || {
            let Ok(mut signature) = ecdsa::Signature::from_der_lax(der) else { return false };
            // The library verifies low S only; consensus takes both forms.
            signature.normalize_s();
            SECP.verify_ecdsa(&Message::from_digest(message), &signature, &parsed_key).is_ok()
        })
    }

    /// Checks a Schnorr signature for the input. Source: BIP341, BIP342.
    pub(crate) fn check_schnorr(
        &self,
        signature: &[u8],
        key: &[u8],
        extension: TaprootExtension,
    ) -> Result<(), ScriptError> {
        let (bare, hash_type) = match signature {
            // Written out, DEFAULT would be a second form of the same signature.
            [_, .., 0] if signature.len() == 65 => return Err(ScriptError::SchnorrSigHashType),
            [bare @ .., hash_type] if signature.len() == 65 => (bare, *hash_type),
            _ => (signature, 0),
        };
        let parsed = schnorr::Signature::from_slice(bare).map_err(|_| ScriptError::SchnorrSigSize)?;
        let message = taproot_sighash(self.input, hash_type, extension, &self.own_output)
            .ok_or(ScriptError::SchnorrSigHashType)?;
        let valid = self.cached(Scheme::Schnorr, &message, key, signature, || {
            let Ok(key) = XOnlyPublicKey::from_slice(key) else { return false };
            SECP.verify_schnorr(&parsed, &Message::from_digest(message), &key).is_ok()
        });
        if valid { Ok(()) } else { Err(ScriptError::SchnorrSig) }
    }

    /// Checks a bare RSA signature for the input. The key was checked.
    pub(crate) fn check_rsa(&self, signature: &[u8], spki: &[u8], hash_type: RsaHashType) -> Result<(), ScriptError> {
        let message = input_rsa_sighash(self.input, hash_type);
        let valid = self.cached(Scheme::Rsa, &message, spki, signature, || rsa::verify(spki, &message, signature));
        if valid { Ok(()) } else { Err(ScriptError::RsaInvalid) }
    }

    fn cached(
        &self,
        scheme: Scheme,
        message: &[u8; 32],
        key: &[u8],
        signature: &[u8],
        verify: impl FnOnce() -> bool,
    ) -> bool {
        let Some(cache) = self.cache else { return verify() };
        let entry = cache.entry(scheme, message, key, signature);
        if cache.contains(&entry) {
            return true;
        }
        let valid = verify();
        if valid {
            cache.insert(entry);
        }
        valid
    }

    /// Whether the transaction's lock time makes it wait until `lock_time` at least. Source: BIP65.
    pub(crate) fn lock_time_is_met(&self, lock_time: i64) -> bool {
        let own = i64::from(self.input.data.transaction().lock_time.to_consensus_u32());
        let same_kind = (own < LOCK_TIME_THRESHOLD) == (lock_time < LOCK_TIME_THRESHOLD);
        same_kind && lock_time <= own && self.input.spending.sequence.to_consensus_u32() != SEQUENCE_FINAL
    }

    /// Whether the input's sequence number makes it wait for `sequence` at least. Source: BIP112.
    pub(crate) fn sequence_is_met(&self, sequence: i64) -> bool {
        let own = i64::from(self.input.spending.sequence.to_consensus_u32());
        // The version is unsigned to this rule: a negative one is a high one.
        if self.input.data.transaction().version.0.cast_unsigned() < 2 || own & SEQUENCE_DISABLED != 0 {
            return false;
        }
        let same_kind = own & SEQUENCE_IS_TIME == sequence & SEQUENCE_IS_TIME;
        same_kind && sequence & SEQUENCE_LOCK <= own & SEQUENCE_LOCK
    }
}

/// The ECDSA messages that this input's signatures were checked for, one for each kind of hash type, so that many
/// signatures over one script hash the transaction once.
///
/// Source: Bitcoin Core `SigHashCache`, script/interpreter.h.
#[derive(Default)]
struct Messages([Option<Hashed>; 6]);

struct Hashed {
    script_code: Vec<u8>,
    version: Version,
    /// The message up to its hash type; `None` where the number 1 is signed.
    engine: Option<sha256::HashEngine>,
}

impl Messages {
    fn ecdsa_sighash(
        &mut self,
        input: Input<'_>,
        script_code: &[u8],
        hash_type: u32,
        version: Version,
    ) -> Option<[u8; 32]> {
        let outputs = match hash_type & 0x1f {
            2 => 1,
            3 => 2,
            _ => 0,
        };
        let place = outputs + if hash_type & 0x80 == 0 { 0 } else { 3 };
        let slot = self.0.get_mut(place)?;
        let fits = slot.as_ref().is_some_and(|hashed| hashed.version == version && hashed.script_code == script_code);
        if !fits {
            let engine = match version {
                Version::Base => legacy_message(input, script_code, hash_type),
                Version::WitnessV0 => Some(segwit_v0_message(input, script_code, hash_type)),
                Version::Tapscript => return None,
            };
            *slot = Some(Hashed { script_code: script_code.to_vec(), version, engine });
        }
        let engine = slot.as_ref().map(|hashed| hashed.engine.clone())?;
        Some(engine.map_or(crate::sighash::SINGLE_WITHOUT_OUTPUT, |engine| finish(engine, hash_type)))
    }
}
