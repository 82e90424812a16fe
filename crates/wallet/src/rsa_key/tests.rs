//! Key files as OpenSSL and the prototype write them, and what can be wrong with them.

use std::path::Path;

use mycoin_primitives::Network;

use super::*;
use crate::keys::{KeyKind, WalletKeys};

fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/keys").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn password(text: &str) -> Password {
    Password::new(text).expect("not empty")
}

fn import(name: &str) -> Result<RsaKey, RsaKeyError> {
    RsaKey::import(&file(name), Some(&password("open sesame")))
}

fn refused(name: &str) -> Option<RsaKeyError> {
    import(name).err()
}

#[test]
fn one_key_is_the_same_in_every_form() {
    let public = RsaKey::import_public(&file("public.pem")).expect("a public key");
    assert!(!public.is_private());
    let forms = [
        "pkcs8.pem",
        "pkcs8.der",
        "pkcs1.pem",
        "pkcs1.der",
        "encrypted.pem",
        "encrypted_scrypt.der",
        "modern.p12",
        "with_certificate.pem",
    ];
    for form in forms {
        let key = import(form).unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!((key.bits(), key.is_private()), (2048, true), "{form}");
        assert_eq!(key.spki, public.spki, "{form}");
        assert!(KeyPair::from_pkcs8(&key.pkcs8).is_ok(), "{form}");
    }
    let unprotected = RsaKey::import(&file("no_password.p12"), None).expect("an empty password");
    assert_eq!(unprotected.spki, public.spki);
}

#[test]
fn a_wallet_file_of_the_prototype_gives_its_key() {
    let key = import("prototype.json").expect("the right password");
    assert_eq!((key.bits(), key.spki.clone()), (4096, file("prototype_public.der")));
    let keys = WalletKeys::from_rsa(key, &Network::demo()).expect("demo has RSA locks");
    assert_eq!(keys.kind(), KeyKind::Rsa { bits: 4096 });
}

#[test]
fn a_wrong_password_is_told_from_damage() {
    for form in ["encrypted.pem", "encrypted_scrypt.der", "modern.p12", "prototype.json"] {
        let wrong = RsaKey::import(&file(form), Some(&password("open Sesame"))).err();
        assert_eq!(wrong, Some(RsaKeyError::WrongPassword), "{form}");
        assert_eq!(RsaKey::import(&file(form), None).err(), Some(RsaKeyError::PasswordNeeded), "{form}");
    }
    // Of a file with a checksum, or with a part that proves the password, damage is told for sure.
    let mut json: serde_json::Value = serde_json::from_slice(&file("prototype.json")).expect("JSON");
    let bent = json["private_key"].as_str().expect("text").replacen('A', "B", 3);
    json["private_key"] = bent.into();
    let bent = RsaKey::import(json.to_string().as_bytes(), Some(&password("open sesame"))).err();
    assert!(matches!(bent, Some(RsaKeyError::Damaged | RsaKeyError::Inconsistent)), "{bent:?}");
    for (form, cut) in [("modern.p12", 100), ("encrypted_scrypt.der", 1), ("pkcs8.der", 40), ("pkcs1.der", 40)] {
        let whole = file(form);
        let found = RsaKey::import(&whole[..whole.len() - cut], Some(&password("open sesame"))).err();
        assert!(matches!(found, Some(RsaKeyError::Damaged | RsaKeyError::NotAKey)), "{form}: {found:?}");
    }
    let text = String::from_utf8(file("pkcs8.pem")).expect("text");
    let half = text.split_at(text.len() / 2).0;
    assert_eq!(RsaKey::import(half.as_bytes(), None).err(), Some(RsaKeyError::Damaged));
}

#[test]
fn a_changed_digit_makes_the_parts_not_belong_together() {
    let mut bytes = file("pkcs1.der");
    let place = bytes.len() / 2;
    bytes[place] ^= 1;
    assert_eq!(RsaKey::import(&bytes, None).err(), Some(RsaKeyError::Inconsistent));
}

#[test]
fn keys_that_no_lock_takes_are_named() {
    assert_eq!(refused("small_1024.pem"), Some(RsaKeyError::Size { bits: 1024 }));
    assert_eq!(refused("exponent_3.pem"), Some(RsaKeyError::Exponent));
    assert_eq!(refused("pss_only.pem"), Some(RsaKeyError::NotRsa));
    assert_eq!(refused("elliptic.pem"), Some(RsaKeyError::NotRsa));
    assert_eq!(refused("certificate_only.p12"), Some(RsaKeyError::NoKeyInside));
    for old in ["legacy.p12", "encrypted_old.pem", "pkcs1_encrypted.pem"] {
        assert_eq!(refused(old), Some(RsaKeyError::OldEncryption), "{old}");
    }
    for nonsense in [&b""[..], b"hello", &[0x30], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], b"\xff\xfe"] {
        assert_eq!(RsaKey::import(nonsense, None).err(), Some(RsaKeyError::NotAKey));
        assert!(RsaKey::import_public(nonsense).is_err());
    }
    let key = import("pkcs8.pem").expect("a key");
    assert!(WalletKeys::from_rsa(key, &Network::regtest()).is_err(), "regtest has no RSA locks");
}

#[test]
fn no_cut_or_bent_file_panics() {
    for form in ["modern.p12", "encrypted_scrypt.der", "pkcs1.der", "prototype.json"] {
        let whole = file(form);
        for length in (0..whole.len()).step_by(23) {
            assert!(RsaKey::import(&whole[..length], None).is_err(), "{form}, {length} bytes");
        }
        for place in (0..60.min(whole.len())).chain((60..whole.len()).step_by(97)) {
            let mut bent = whole.clone();
            bent[place] ^= 0x81;
            let _ = RsaKey::import(&bent, None);
        }
    }
}
