//! Key files: PKCS#8, encrypted with a password (PBES2).

use std::path::Path;

use mycoin_files::{Readers, create_new, read_private};
use pkcs8::der::pem::LineEnding;
use pkcs8::der::{Decode as _, SecretDocument};
use pkcs8::pkcs5::Error as Pkcs5Error;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::{IdentityError, KeyPassword};

const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// Encrypts a key (PBES2: scrypt, AES-256-CBC) into a new file that only its owner can read.
pub(crate) fn write(path: &Path, pkcs8: &[u8], password: &KeyPassword) -> Result<(), IdentityError> {
    let failed = |what: &str| IdentityError::Issue { reason: format!("the key could not be {what}") };
    let key = PrivateKeyInfoRef::from_der(pkcs8).map_err(|_| failed("read"))?;
    let encrypted = key.encrypt(password.expose()).map_err(|_| failed("encrypted"))?;
    let pem = encrypted.to_pem(LABEL, LineEnding::LF).map_err(|_| failed("encoded"))?;
    Ok(create_new(path, pem.as_bytes(), Readers::Owner)?)
}

/// Reads and decrypts a key; the result is PKCS#8 in DER form.
///
/// Takes whatever openssl writes with PBES2: PBKDF2 or scrypt with AES, or PBKDF2 with DES-EDE3.
pub(crate) fn read(path: &Path, password: &KeyPassword) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    let damaged = |reason| IdentityError::DamagedKey { path: path.to_owned(), reason };
    let bytes = Zeroizing::new(read_private(path)?);
    let text = str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
    check_label(path, text)?;
    let (_, document) = SecretDocument::from_pem(text).map_err(|_| damaged("its PEM form is not whole"))?;
    let info = EncryptedPrivateKeyInfoRef::from_der(document.as_bytes())
        .map_err(|_| damaged("its content is not an encrypted PKCS#8 key"))?;
    let sealed = info.encrypted_data.as_bytes();
    if sealed.is_empty() || sealed.len() % 8 != 0 {
        return Err(damaged("a part of it is missing"));
    }
    let opened = info.encryption_algorithm.decrypt(password.expose(), sealed).map_err(|error| match error {
        // What is padded wrong after decryption was decrypted with another key.
        Pkcs5Error::DecryptFailed => IdentityError::WrongPassword { path: path.to_owned() },
        other => IdentityError::UnsupportedKey { path: path.to_owned(), reason: other.to_string() },
    })?;
    let opened = Zeroizing::new(opened);
    match PrivateKeyInfoRef::from_der(&opened) {
        Ok(_) => Ok(opened),
        // One wrong password in 256 passes the padding; but then nothing looks like a key.
        Err(_) if looks_like_pkcs8(&opened) => Err(damaged("it opens, but the key inside is not whole")),
        Err(_) => Err(IdentityError::WrongPassword { path: path.to_owned() }),
    }
}

/// Tells keys that are not encrypted, or in openssl's old form, from damaged files.
fn check_label(path: &Path, text: &str) -> Result<(), IdentityError> {
    if text.contains(&format!("-----BEGIN {LABEL}-----")) {
        return Ok(());
    }
    let path = path.to_owned();
    if !text.contains("PRIVATE KEY-----") {
        Err(IdentityError::DamagedKey { path, reason: "it holds no key in PEM form" })
    } else if text.contains("Proc-Type: 4,ENCRYPTED") {
        Err(IdentityError::UnsupportedKey { path, reason: "the traditional form of openssl".to_owned() })
    } else {
        Err(IdentityError::UnencryptedKey { path })
    }
}

/// Whether bytes begin as a PKCS#8 key does: a sequence whose first member is version 0 or 1.
fn looks_like_pkcs8(bytes: &[u8]) -> bool {
    let body = match bytes {
        [0x30, 0x82, _, _, body @ ..] | [0x30, 0x81, _, body @ ..] | [0x30, _, body @ ..] => body,
        _ => return false,
    };
    matches!(body, [0x02, 0x01, 0x00 | 0x01, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> KeyPassword {
        KeyPassword::new(Zeroizing::new(text.to_owned())).expect("not empty")
    }

    #[test]
    fn a_wrong_password_and_a_damaged_file_are_told_apart() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("key");
        let key = rcgen::KeyPair::generate().expect("random bytes");
        write(&path, key.serialized_der(), &password("right")).expect("a new file");
        assert_eq!(*read(&path, &password("right")).expect("opens"), key.serialized_der());
        for wrong in ["Right", "right ", "wrong"] {
            assert!(matches!(read(&path, &password(wrong)), Err(IdentityError::WrongPassword { .. })));
        }
        let text = String::from_utf8(read_private(&path).expect("ours")).expect("PEM");
        for bent in [text.replace("END", "DNE"), text[..text.len() / 2].to_owned(), "nothing".to_owned(), String::new()]
        {
            mycoin_files::replace(&path, bent.as_bytes(), Readers::Owner).expect("ours");
            assert!(matches!(read(&path, &password("right")), Err(IdentityError::DamagedKey { .. })), "{bent}");
        }
    }

    #[test]
    fn a_key_that_is_not_encrypted_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("key");
        let key = rcgen::KeyPair::generate().expect("random bytes");
        create_new(&path, key.serialize_pem().as_bytes(), Readers::Owner).expect("a new file");
        assert!(matches!(read(&path, &password("x")), Err(IdentityError::UnencryptedKey { .. })));
    }
}
