//! The BIPs' own vectors for keys: BIP32, 39, 84 and 86. The figures stand with the other BIPs' in `testkit`.

use std::io::Write as _;

use bdk_wallet::bip39::{Language, Mnemonic};
use mycoin_primitives::bitcoin::bip32::{ChildNumber, DerivationPath, Xpriv, Xpub};
use mycoin_primitives::bitcoin::hex::{DisplayHex as _, FromHex as _};
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use mycoin_primitives::bitcoin::{CompressedPublicKey, NetworkKind, PrivateKey, base58};
use mycoin_primitives::{Network, ScriptBuf, address_of};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::words::WordsKeyring;
use super::{Keychain, Keyring, NewKeys, Origin, PublicKeys};
use crate::folder::KeyKind;
use crate::words::{RecoveryWords, WordsError};

fn read<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).expect("the vectors are of the form that their test reads")
}

fn hex(text: &str) -> Vec<u8> {
    Vec::from_hex(text).expect("the vectors are hex")
}

/// Says how many vectors ran, also when the test passes, and holds the number to what the BIP has.
#[track_caller]
fn ran(what: &str, found: usize, expected: usize) {
    writeln!(std::io::stderr(), "{what}: {found} vectors").expect("standard error can be written to");
    assert_eq!(found, expected, "{what}");
}

fn words(text: &str) -> RecoveryWords {
    RecoveryWords::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn root(words: &RecoveryWords) -> Xpriv {
    let seed = words.seed().expect("the words have one");
    Xpriv::new_master(NetworkKind::Main, seed.as_slice()).expect("the seed gives a key")
}

#[derive(Deserialize)]
struct Bip32 {
    keys: Vec<DerivedKey>,
    invalid: Vec<InvalidKey>,
}

#[derive(Deserialize)]
struct DerivedKey {
    seed: String,
    path: DerivationPath,
    xpub: String,
    xprv: String,
}

#[derive(Deserialize)]
struct InvalidKey {
    key: String,
    why: String,
}

#[test]
fn bip32_derivations() {
    let Bip32 { keys, .. } = read(include_str!("../../../testkit/tests/bip_vectors/data/bip32.json"));
    let secp = Secp256k1::new();
    let mut public = 0;
    for DerivedKey { seed, path, xpub, xprv } in &keys {
        let master = Xpriv::new_master(NetworkKind::Main, &hex(seed)).expect("the seed gives a key");
        let private = master.derive_priv(&secp, path).expect("derivable");
        assert_eq!(private.to_string(), *xprv, "{path}");
        assert_eq!(Xpub::from_priv(&secp, &private).to_string(), *xpub, "{path}");
        assert_eq!((xprv.parse(), xpub.parse()), (Ok(private), Ok(Xpub::from_priv(&secp, &private))), "{path}");
        // What is not hardened follows from the public key above it too.
        if let [above @ .., last @ ChildNumber::Normal { .. }] = path.as_ref() {
            let parent = Xpub::from_priv(&secp, &master.derive_priv(&secp, &above).expect("derivable"));
            assert_eq!(parent.derive_pub(&secp, &[*last]).expect("derivable").to_string(), *xpub, "{path}");
            public += 1;
        }
    }
    ran("BIP32, derived keys", keys.len(), 17);
    ran("BIP32, derived from public keys", public, 7);
}

#[test]
fn bip32_invalid_keys_open_no_keyring() {
    let Bip32 { invalid, .. } = read(include_str!("../../../testkit/tests/bip_vectors/data/bip32.json"));
    let keys = words(&["abandon"; 12].join(" ").replacen("abandon", "about", 0).replace(" abandon", " abandon"));
    drop(keys);
    for InvalidKey { key, why } in &invalid {
        let descriptor = |chain: u32| format!("tr({key}/{chain}/*)");
        assert!(WordsKeyring::open(&descriptor(0), &descriptor(1)).is_none(), "{why}");
    }
    ran("BIP32, invalid keys", invalid.len(), 16);
}
