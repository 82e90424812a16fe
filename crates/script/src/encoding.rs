//! The forms that ECDSA signatures and their keys may have, before anything is verified.
//!
//! In:    a signature or a key as a script has it on its stack.
//! Out:   nothing, or the rule of form that it breaks.
//! Never: a verdict on what is signed.
//!
//! Source: BIP66, BIP146; Bitcoin Core `CheckSignatureEncoding`, `CheckPubKeyEncoding`, script/interpreter.cpp.

use mycoin_primitives::bitcoin::secp256k1::ecdsa;

use crate::eval::Version;
use crate::{ScriptError, ScriptFlags};

/// The bit of a hash type that leaves the other inputs out.
const ANYONE_CAN_PAY: u8 = 0x80;

/// Checks a signature's form. An empty one is allowed: it is the short way to fail.
pub(crate) fn check_signature(signature: &[u8], flags: ScriptFlags) -> Result<(), ScriptError> {
    let Some((hash_type, der)) = signature.split_last() else { return Ok(()) };
    let strict = flags.contains(ScriptFlags::STRICTENC);
    let low_s = flags.contains(ScriptFlags::LOW_S);
    if (strict || low_s || flags.contains(ScriptFlags::DERSIG)) && !is_strict_der(signature) {
        return Err(ScriptError::SigDer);
    }
    if low_s && !has_low_s(der) {
        return Err(ScriptError::SigHighS);
    }
    if strict && !(1..=3).contains(&(hash_type & !ANYONE_CAN_PAY)) {
        return Err(ScriptError::SigHashType);
    }
    Ok(())
}

/// Checks a key's form.
pub(crate) fn check_key(key: &[u8], flags: ScriptFlags, version: Version) -> Result<(), ScriptError> {
    let compressed = matches!(key, [2 | 3, ..] if key.len() == 33);
    let uncompressed = matches!(key, [4, ..] if key.len() == 65);
    if flags.contains(ScriptFlags::STRICTENC) && !compressed && !uncompressed {
        return Err(ScriptError::PubkeyType);
    }
    if flags.contains(ScriptFlags::WITNESS_PUBKEYTYPE) && version == Version::WitnessV0 && !compressed {
        return Err(ScriptError::WitnessPubkeyType);
    }
    Ok(())
}

/// Whether the signature, its hash type included, is `30 <length> 02 <length> <R> 02 <length> <S> <hash type>` with R and S
/// as short as a positive number can be. Source: BIP66.
fn is_strict_der(signature: &[u8]) -> bool {
    let body = match signature {
        [0x30, length, body @ .., _] if (9..=73).contains(&signature.len()) && usize::from(*length) == body.len() => {
            body
        }
        _ => return false,
    };
    let Some((r, rest)) = split_integer(body) else { return false };
    let Some((s, [])) = split_integer(rest) else { return false };
    is_short_positive(r) && is_short_positive(s)
}

fn split_integer(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match bytes {
        [0x02, length, rest @ ..] => rest.split_at_checked(usize::from(*length)),
        _ => None,
    }
}

fn is_short_positive(integer: &[u8]) -> bool {
    match integer {
        [] => false,
        [0, second, ..] => second & 0x80 != 0,
        [first, ..] => first & 0x80 == 0,
    }
}

/// Whether S is at most half the curve's order. Source: Bitcoin Core `CPubKey::CheckLowS`, pubkey.cpp.
fn has_low_s(der: &[u8]) -> bool {
    let Ok(signature) = ecdsa::Signature::from_der_lax(der) else { return false };
    let mut low = signature;
    low.normalize_s();
    low == signature
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R = 1, S = 1, hash type ALL.
    const SHORTEST: [u8; 9] = [0x30, 6, 2, 1, 1, 2, 1, 1, 1];

    #[test]
    fn der_has_one_form() {
        assert!(is_strict_der(&SHORTEST));
        for (place, wrong) in
            [(0, 0x31), (1, 5), (1, 7), (2, 3), (3, 0), (3, 2), (4, 0x80), (5, 3), (6, 0), (6, 2), (7, 0x81)]
        {
            let mut signature = SHORTEST;
            signature[place] = wrong;
            assert!(!is_strict_der(&signature), "byte {place} is {wrong}");
        }
        assert!(!is_strict_der(&SHORTEST[..8]));
        assert!(!is_strict_der(&[0x30, 7, 2, 2, 0, 1, 2, 1, 1, 1])); // R is padded
        assert!(is_strict_der(&[0x30, 7, 2, 2, 0, 0x80, 2, 1, 1, 1])); // it must be here
        assert!(!is_strict_der(&[0x30, 7, 2, 1, 1, 2, 2, 0, 1, 1])); // S is padded
        assert!(!is_strict_der(&[0x30, 7, 2, 1, 1, 2, 1, 1, 0, 1])); // a byte too many
        assert!(!is_strict_der(&[]));
    }

    #[test]
    fn signature_forms_by_flag() {
        assert_eq!(check_signature(&[], ScriptFlags::STANDARD), Ok(()));
        assert_eq!(check_signature(&SHORTEST, ScriptFlags::STANDARD), Ok(()));
        assert_eq!(check_signature(&SHORTEST[..8], ScriptFlags::NONE), Ok(()));
        assert_eq!(check_signature(&SHORTEST[..8], ScriptFlags::DERSIG), Err(ScriptError::SigDer));
        for (hash_type, expected) in
            [(0x81, Ok(())), (0x83, Ok(())), (0, Err(ScriptError::SigHashType)), (4, Err(ScriptError::SigHashType))]
        {
            let mut signature = SHORTEST;
            signature[8] = hash_type;
            assert_eq!(check_signature(&signature, ScriptFlags::STANDARD), expected, "{hash_type}");
            assert_eq!(check_signature(&signature, ScriptFlags::CONSENSUS), Ok(()), "{hash_type}");
        }
    }

    #[test]
    fn key_forms_by_flag() {
        let of = |first: u8, length: usize| [vec![first], vec![7; length - 1]].concat();
        for (key, strict, witness) in [
            (of(2, 33), true, true),
            (of(3, 33), true, true),
            (of(4, 65), true, false),
            (of(6, 65), false, false),
            (of(2, 34), false, false),
            (of(5, 33), false, false),
            (vec![], false, false),
        ] {
            assert_eq!(check_key(&key, ScriptFlags::STRICTENC, Version::Base).is_ok(), strict, "{key:?}");
            assert_eq!(
                check_key(&key, ScriptFlags::WITNESS_PUBKEYTYPE, Version::WitnessV0).is_ok(),
                witness,
                "{key:?}"
            );
            assert_eq!(check_key(&key, ScriptFlags::WITNESS_PUBKEYTYPE, Version::Base), Ok(()), "{key:?}");
        }
    }
}
