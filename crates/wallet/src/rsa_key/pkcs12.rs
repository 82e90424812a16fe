//! PKCS#12 files (`.p12`, `.pfx`) as OpenSSL 3, Java and others have written them since 2018: keys in PBES2. Source: RFC 7292.

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use super::der::{CONTEXT_0, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, Values};
use super::{RsaKey, RsaKeyError};
use crate::password::Password;

/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// 1.2.840.113549.1.12.10.1.1
const KEY_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x01];
/// 1.2.840.113549.1.12.10.1.2
const SHROUDED_KEY_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x02];
/// 1.3.14.3.2.26
const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
/// 2.16.840.1.101.3.4.2.1
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

/// No program asks for more rounds; a hostile file could.
const MOST_ROUNDS: u32 = 10_000_000;

pub(super) fn read(file: &[u8], password: Option<&Password>) -> Result<RsaKey, RsaKeyError> {
    let damaged = RsaKeyError::Damaged;
    let mut outer = Values(file).enter().ok_or(damaged)?;
    outer.tagged(INTEGER).ok_or(damaged)?;
    let safe = data(outer.enter().ok_or(damaged)?).ok_or(damaged)?;
    let text = password.map_or(&[][..], Password::as_bytes);
    // The checksum under the password tells a wrong password from damage, where it is of the usual kind.
    let intact = match outer.enter() {
        Some(mac) => check_mac(mac, safe, text)?,
        None => None,
    };
    if intact == Some(false) {
        return Err(if password.is_none() { RsaKeyError::PasswordNeeded } else { RsaKeyError::WrongPassword });
    }
    for content in Values(safe).enter().ok_or(damaged)? {
        let (SEQUENCE, content) = content else { return Err(damaged) };
        // Encrypted contents hold certificates.
        let Some(bags) = data(Values(content)) else { continue };
        for (_, bag) in Values(bags).enter().ok_or(damaged)? {
            let mut bag = Values(bag);
            let kind = bag.tagged(OBJECT_IDENTIFIER).ok_or(damaged)?;
            let value = bag.tagged(CONTEXT_0).ok_or(damaged)?;
            if kind == KEY_BAG {
                return RsaKey::from_pkcs8(value);
            }
            if kind == SHROUDED_KEY_BAG {
                return RsaKey::decrypt(value, text).map_err(|error| match error {
                    RsaKeyError::WrongPassword if intact == Some(true) => damaged,
                    RsaKeyError::WrongPassword if password.is_none() => RsaKeyError::PasswordNeeded,
                    other => other,
                });
            }
        }
    }
    Err(RsaKeyError::NoKeyInside)
}

/// What is in a ContentInfo of plain data; `None` for another kind.
fn data(mut content: Values<'_>) -> Option<&[u8]> {
    if content.tagged(OBJECT_IDENTIFIER)? != DATA {
        return None;
    }
    Values(content.tagged(CONTEXT_0)?).tagged(OCTET_STRING)
}

/// Whether MacData fits; `None` for a kind that is not known here.
fn check_mac(mut mac: Values<'_>, content: &[u8], password: &[u8]) -> Result<Option<bool>, RsaKeyError> {
    let damaged = RsaKeyError::Damaged;
    let mut info = mac.enter().ok_or(damaged)?;
    let algorithm = info.enter().and_then(|mut algorithm| algorithm.tagged(OBJECT_IDENTIFIER)).ok_or(damaged)?;
    let expected = info.tagged(OCTET_STRING).ok_or(damaged)?;
    let salt = mac.tagged(OCTET_STRING).ok_or(damaged)?;
    let rounds = match mac.tagged(INTEGER) {
        None => 1,
        Some(digits) if digits.len() <= 4 => digits.iter().fold(0, |rounds, digit| rounds << 8 | u32::from(*digit)),
        Some(_) => return Err(damaged),
    };
    if rounds > MOST_ROUNDS || salt.is_empty() {
        return Err(damaged);
    }
    let (hash, authentication) = match algorithm {
        SHA1 => (&digest::SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        SHA256 => (&digest::SHA256, hmac::HMAC_SHA256),
        _ => return Ok(None),
    };
    let key = mac_key(hash, password, salt, rounds).ok_or(damaged)?;
    Ok(Some(hmac::verify(&hmac::Key::new(authentication, &key), content, expected).is_ok()))
}

/// The key of the checksum: one block of RFC 7292's appendix B.2, with the identifier 3. Both hashes have blocks of 64 bytes.
fn mac_key(hash: &'static digest::Algorithm, password: &[u8], salt: &[u8], rounds: u32) -> Option<Zeroizing<Vec<u8>>> {
    const BLOCK: usize = 64;
    const MAC_IDENTIFIER: u8 = 3;
    let filled =
        |part: &[u8]| -> Vec<u8> { part.iter().copied().cycle().take(part.len().div_ceil(BLOCK) * BLOCK).collect() };
    // UTF-16, big-endian, with a zero at its end.
    let text = std::str::from_utf8(password).ok()?;
    let utf16: Zeroizing<Vec<u8>> = Zeroizing::new(text.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect());
    let input = Zeroizing::new([vec![MAC_IDENTIFIER; BLOCK], filled(salt), filled(&utf16)].concat());
    let mut key = Zeroizing::new(digest::digest(hash, &input).as_ref().to_vec());
    for _ in 1..rounds {
        *key = digest::digest(hash, &key).as_ref().to_vec();
    }
    Some(key)
}
