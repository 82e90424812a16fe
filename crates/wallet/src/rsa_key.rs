//! RSA keys that were made elsewhere: PEM and DER of PKCS#8 (encrypted too) and PKCS#1, PKCS#12, and the wallet files of the
//! Python prototype.
//!
//! In:    a file's bytes, and its own password where it has one.
//! Out:   a key that an RSA lock takes, or which of the many things is wrong.
//! Never: any of the key in an error.

mod der;
mod pkcs12;
mod prototype;

use aws_lc_rs::rsa::KeyPair;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_primitives::Failure;
use mycoin_script::rsa::{KeySize, check_spki};
use pkcs8::EncryptedPrivateKeyInfoRef;
use zeroize::Zeroizing;

use crate::keyring::RsaPair;
use crate::password::Password;

/// An RSA key pair, or a public key alone. Wiped from memory when dropped; deliberately without `Debug`.
pub struct RsaKey {
    spki: Vec<u8>,
    /// Empty where only the public key is known.
    pkcs8: Zeroizing<Vec<u8>>,
    bits: u32,
}

/// Why a key file was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RsaKeyError {
    /// Of no form that is known.
    #[error("this is no key file: neither PEM, DER, PKCS#12, nor a wallet file of the Python prototype")]
    NotAKey,
    /// It is encrypted and no password was given.
    #[error("the key file is encrypted, and no password was given")]
    PasswordNeeded,
    /// The file's own password is another one.
    #[error("the key file's password is wrong")]
    WrongPassword,
    /// It begins as a key file, but its bytes make no sense.
    #[error("the key file is damaged")]
    Damaged,
    /// Encrypted in a way that is too old to be safe.
    #[error("the key file is encrypted in an old way that this program does not read")]
    OldEncryption,
    /// A PKCS#12 file with certificates only.
    #[error("the file holds no private key")]
    NoKeyInside,
    /// A key of another kind.
    #[error("this is no RSA key, or one that may be used for one padding only")]
    NotRsa,
    /// Not 2048, 3072 or 4096 bits.
    #[error("the key has {bits} bits, and RSA locks take 2048, 3072 or 4096")]
    Size {
        /// The key's size.
        bits: u32,
    },
    /// Not 65537.
    #[error("the key's public exponent is not 65537, the only one that RSA locks take")]
    Exponent,
    /// The numbers of the key do not fit each other.
    #[error("the key's parts do not belong together")]
    Inconsistent,
}

/// The object identifier of RSA keys, rsaEncryption.
const RSA_ENCRYPTION: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

impl RsaKey {
    /// Reads a private key from a file of any of the known forms. `password` is the file's own; a form without encryption
    /// does not look at it.
    ///
    /// # Errors
    ///
    /// [`RsaKeyError`].
    pub fn import(file: &[u8], password: Option<&Password>) -> Result<Self, RsaKeyError> {
        if file.trim_ascii_start().starts_with(b"{") {
            return prototype::read(file, password.ok_or(RsaKeyError::PasswordNeeded)?);
        }
        if let Some(block) = PemBlock::find(file, "PRIVATE KEY")? {
            return match block.label {
                "PRIVATE KEY" => Self::from_pkcs8(&block.body),
                "RSA PRIVATE KEY" => Self::from_pkcs1(&block.body),
                "ENCRYPTED PRIVATE KEY" => Self::from_encrypted(&block.body, password),
                _ => Err(RsaKeyError::NotRsa),
            };
        }
        match der::form(file) {
            Some(der::Form::Pkcs8) => Self::from_pkcs8(file),
            Some(der::Form::Pkcs1) => Self::from_pkcs1(file),
            Some(der::Form::Encrypted) => Self::from_encrypted(file, password),
            Some(der::Form::Pkcs12) => pkcs12::read(file, password),
            None => Err(RsaKeyError::NotAKey),
        }
    }

    /// Reads a public key, PEM or DER SubjectPublicKeyInfo, for a wallet that watches only.
    ///
    /// # Errors
    ///
    /// [`RsaKeyError`].
    pub fn import_public(file: &[u8]) -> Result<Self, RsaKeyError> {
        let spki = match PemBlock::find(file, "PUBLIC KEY")? {
            Some(block) => block.body.to_vec(),
            None => file.to_vec(),
        };
        let (algorithm, key) = der::public_key(&spki).ok_or(RsaKeyError::NotAKey)?;
        if algorithm != RSA_ENCRYPTION {
            return Err(RsaKeyError::NotRsa);
        }
        let (modulus, exponent) = der::integers(key, 0).ok_or(RsaKeyError::Damaged)?;
        let bits = check_numbers(modulus, exponent)?;
        check_spki(&spki).map_err(|_| RsaKeyError::Inconsistent)?;
        Ok(Self { spki, pkcs8: Zeroizing::default(), bits })
    }

    /// The size of the key in bits.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Whether the private key is there.
    pub fn is_private(&self) -> bool {
        !self.pkcs8.is_empty()
    }

    /// DER SubjectPublicKeyInfo, and the PKCS#8 of the private key.
    pub(crate) fn into_parts(self) -> (Vec<u8>, Zeroizing<Vec<u8>>) {
        (self.spki, self.pkcs8)
    }

    fn from_pkcs8(bytes: &[u8]) -> Result<Self, RsaKeyError> {
        let (algorithm, key) = der::private_key(bytes).ok_or(RsaKeyError::Damaged)?;
        if algorithm == RSA_ENCRYPTION { Self::from_pkcs1(key) } else { Err(RsaKeyError::NotRsa) }
    }

    /// RSAPrivateKey. Source: RFC 8017, appendix A.1.2.
    fn from_pkcs1(bytes: &[u8]) -> Result<Self, RsaKeyError> {
        let (modulus, exponent) = der::integers(bytes, 1).ok_or(RsaKeyError::Damaged)?;
        let bits = check_numbers(modulus, exponent)?;
        // This checks that the primes multiply to the modulus, and more of that kind.
        let key = KeyPair::from_der(bytes).map_err(|_| RsaKeyError::Inconsistent)?;
        let pair = RsaPair::of(&key).map_err(|_| RsaKeyError::Inconsistent)?;
        check_spki(&pair.spki).map_err(|_| RsaKeyError::Inconsistent)?;
        Ok(Self { spki: pair.spki, pkcs8: pair.pkcs8, bits })
    }

    fn from_encrypted(bytes: &[u8], password: Option<&Password>) -> Result<Self, RsaKeyError> {
        let password = password.ok_or(RsaKeyError::PasswordNeeded)?;
        Self::decrypt(bytes, password.as_bytes())
    }

    /// EncryptedPrivateKeyInfo under PBES2. Source: RFC 5208, RFC 8018.
    fn decrypt(bytes: &[u8], password: &[u8]) -> Result<Self, RsaKeyError> {
        let sealed = EncryptedPrivateKeyInfoRef::try_from(bytes).map_err(|_| match der::form(bytes) {
            Some(der::Form::Encrypted) if der::is_whole(bytes) => RsaKeyError::OldEncryption,
            _ => RsaKeyError::Damaged,
        })?;
        let plain = sealed.decrypt(password).map_err(|error| match error {
            pkcs8::Error::EncryptedPrivateKey(
                pkcs8::pkcs5::Error::DecryptFailed | pkcs8::pkcs5::Error::EncryptFailed,
            ) => RsaKeyError::WrongPassword,
            pkcs8::Error::EncryptedPrivateKey(_) => RsaKeyError::OldEncryption,
            // Another key's plain text ends as if it were padded now and then, but is no key.
            _ => RsaKeyError::WrongPassword,
        })?;
        match Self::from_pkcs8(plain.as_bytes()) {
            Err(RsaKeyError::Damaged) => Err(RsaKeyError::WrongPassword),
            other => other,
        }
    }
}

/// Checks what RSA locks ask of a key, and gives its size. `modulus` and `exponent`: big-endian, without leading zeros.
fn check_numbers(modulus: &[u8], exponent: &[u8]) -> Result<u32, RsaKeyError> {
    let first = modulus.first().ok_or(RsaKeyError::Damaged)?;
    let bits = u32::try_from(modulus.len() * 8).unwrap_or(u32::MAX).saturating_sub(first.leading_zeros());
    if !KeySize::ALL.iter().any(|size| size.bits() == bits) {
        return Err(RsaKeyError::Size { bits });
    }
    if exponent != [1, 0, 1] {
        return Err(RsaKeyError::Exponent);
    }
    Ok(bits)
}

/// One block of a PEM file (RFC 7468).
struct PemBlock<'a> {
    label: &'a str,
    body: Zeroizing<Vec<u8>>,
}

impl<'a> PemBlock<'a> {
    /// The first block whose label ends so; certificates and remarks around it are passed over.
    fn find(file: &'a [u8], ending: &str) -> Result<Option<Self>, RsaKeyError> {
        const BEGIN: &str = "-----BEGIN ";
        let Ok(text) = std::str::from_utf8(file) else { return Ok(None) };
        let mut rest = text;
        while let Some((_, after)) = rest.split_once(BEGIN) {
            let (label, body) = after.split_once("-----").ok_or(RsaKeyError::Damaged)?;
            rest = body;
            if !label.ends_with(ending) {
                continue;
            }
            let (body, _) = body.split_once(&format!("-----END {label}-----")).ok_or(RsaKeyError::Damaged)?;
            if body.contains("Proc-Type:") {
                return Err(RsaKeyError::OldEncryption);
            }
            let body: Zeroizing<String> =
                Zeroizing::new(body.chars().filter(|character| !character.is_whitespace()).collect());
            let body = BASE64_STANDARD.decode(body.as_bytes()).map(Zeroizing::new).map_err(|_| RsaKeyError::Damaged)?;
            return Ok(Some(Self { label, body }));
        }
        Ok(None)
    }
}

impl Failure for RsaKeyError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotAKey => "rsa-key/not-a-key",
            Self::PasswordNeeded => "rsa-key/password-needed",
            Self::WrongPassword => "rsa-key/wrong-password",
            Self::Damaged => "rsa-key/damaged",
            Self::OldEncryption => "rsa-key/old-encryption",
            Self::NoKeyInside => "rsa-key/no-key-inside",
            Self::NotRsa => "rsa-key/not-rsa",
            Self::Size { .. } => "rsa-key/size",
            Self::Exponent => "rsa-key/exponent",
            Self::Inconsistent => "rsa-key/inconsistent",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::NotAKey | Self::NoKeyInside => "Choose the file that holds the private key.",
            Self::PasswordNeeded => "Type the password that the file was exported with.",
            Self::WrongPassword => "Try again; it is the password of that file, not of a wallet.",
            Self::Damaged | Self::Inconsistent => "Export the key again from where it was made.",
            Self::OldEncryption => {
                "Convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW; a PKCS#12 file before that by openssl pkcs12 -legacy."
            }
            Self::NotRsa | Self::Size { .. } | Self::Exponent => {
                "Make a new RSA wallet and send the coins there; this key cannot hold any."
            }
        }
    }
}

#[cfg(test)]
mod tests;
