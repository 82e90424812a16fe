//! The wallet files of the Python prototype: JSON, each value base64 of an IV and AES-256-CBC under SHA-256 of the password.
//!
//! They hold a bcrypt hash of the password as well. It need not be worked out again: that its encrypted text turns into the
//! form of a bcrypt hash happens under the right password alone.

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_primitives::hashes::{Hash as _, sha256};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{RsaKey, RsaKeyError};
use crate::password::Password;

#[derive(Deserialize)]
struct File {
    password: String,
    public_key: String,
    private_key: String,
}

pub(super) fn read(file: &[u8], password: &Password) -> Result<RsaKey, RsaKeyError> {
    let file: File = serde_json::from_slice(file).map_err(|_| RsaKeyError::NotAKey)?;
    let key = Zeroizing::new(sha256::Hash::hash(password.as_bytes()).to_byte_array());
    let hash = open(&file.password, &key)?.ok_or(RsaKeyError::WrongPassword)?;
    if !is_bcrypt_hash(&hash) {
        return Err(RsaKeyError::WrongPassword);
    }
    // The password is right, so whatever does not open now was changed.
    let value = |sealed: &str| -> Result<Zeroizing<Vec<u8>>, RsaKeyError> {
        let text = open(sealed, &key)?.ok_or(RsaKeyError::Damaged)?;
        BASE64_STANDARD.decode(&*text).map(Zeroizing::new).map_err(|_| RsaKeyError::Damaged)
    };
    let (public, private) = (value(&file.public_key)?, value(&file.private_key)?);
    let key = RsaKey::from_pkcs1(&private)?;
    if key.spki != *public {
        return Err(RsaKeyError::Inconsistent);
    }
    Ok(key)
}

/// Decrypts one value; `None` when the padding is not that of this key.
fn open(sealed: &str, key: &[u8; 32]) -> Result<Option<Zeroizing<Vec<u8>>>, RsaKeyError> {
    let mut bytes = BASE64_STANDARD.decode(sealed).map(Zeroizing::new).map_err(|_| RsaKeyError::Damaged)?;
    let (iv, text) = bytes.split_at_mut_checked(16).ok_or(RsaKeyError::Damaged)?;
    if text.is_empty() || text.len() % 16 != 0 {
        return Err(RsaKeyError::Damaged);
    }
    let iv = FixedLength::try_from(&*iv).map_err(|_| RsaKeyError::Damaged)?;
    let key = UnboundCipherKey::new(&AES_256, key).and_then(PaddedBlockDecryptingKey::cbc_pkcs7);
    let key = key.map_err(|_| RsaKeyError::Damaged)?;
    let plain = key.decrypt(text, DecryptionContext::Iv128(iv));
    Ok(plain.ok().map(|plain| Zeroizing::new(plain.to_vec())))
}

/// `$2a$16$` and 53 characters.
fn is_bcrypt_hash(text: &[u8]) -> bool {
    text.len() == 60 && text.starts_with(b"$2") && text.iter().all(|byte| byte.is_ascii_graphic())
}
