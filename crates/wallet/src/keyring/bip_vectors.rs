//! The BIPs' own vectors for keys: BIP32, 39, 84 and 86. The figures stand with the other BIPs' in `testkit`.

use std::io::Write as _;

use bip39::{Language, Mnemonic};
use mycoin_primitives::bitcoin::bip32::{ChildNumber, DerivationPath, Xpriv, Xpub};
use mycoin_primitives::bitcoin::hex::{DisplayHex as _, FromHex as _};
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use mycoin_primitives::bitcoin::{CompressedPublicKey, NetworkKind, PrivateKey, base58};
use mycoin_primitives::{Network, ScriptBuf, address_of};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::descriptors::DescriptorKeyring;
use super::{Keychain, Keyring, Origin, PublicKeys};
use crate::keys::{KeyKind, ScriptKind, WalletKeys};
use crate::passphrase::Passphrase;
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
    let seed = words.seed(&Passphrase::none()).expect("the words have one");
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
    ran("BIP32, derived from public keys", public, 6);
}

#[test]
fn bip32_invalid_keys_open_no_keyring() {
    let Bip32 { invalid, .. } = read(include_str!("../../../testkit/tests/bip_vectors/data/bip32.json"));
    let opens =
        |key: &str| DescriptorKeyring::open(&format!("tr({key}/0/*)"), Some(&format!("tr({key}/1/*)"))).is_some();
    assert!(opens(&bip86().account), "an account's key opens one");
    for InvalidKey { key, why } in &invalid {
        assert!(!opens(key), "{why}");
    }
    ran("BIP32, invalid keys", invalid.len(), 16);
}

#[derive(Deserialize)]
struct Bip39 {
    passphrase: String,
    vectors: Vec<Bip39Vector>,
}

#[derive(Deserialize)]
struct Bip39Vector {
    entropy: String,
    words: String,
    seed: String,
    xprv: String,
}

fn bip39() -> Bip39 {
    read(include_str!("../../../testkit/tests/bip_vectors/data/bip39.json"))
}

#[test]
fn bip39_words_seeds_and_keys() {
    let Bip39 { passphrase, vectors } = bip39();
    for vector in &vectors {
        let parsed = words(&vector.words);
        assert_eq!(parsed.entropy().to_lower_hex_string(), vector.entropy);
        let again = RecoveryWords::from_entropy(&hex(&vector.entropy)).expect("a length that words have");
        assert_eq!(again.words().collect::<Vec<_>>().join(" "), vector.words);
        let mnemonic = Mnemonic::from_entropy_in(Language::English, parsed.entropy()).expect("the same length");
        let seed = parsed.seed(&Passphrase::new(passphrase.as_str())).expect("the words have a seed");
        assert_eq!(seed.to_lower_hex_string(), vector.seed, "{}", vector.words);
        let master = Xpriv::new_master(NetworkKind::Main, seed.as_slice()).expect("the seed gives a key");
        assert_eq!(master.to_string(), vector.xprv, "{}", vector.words);
        let bare = parsed.seed(&Passphrase::none()).expect("the words have a seed");
        assert_eq!(bare.as_slice(), mnemonic.to_seed_normalized("").as_slice());
    }
    ran("BIP39, English words", vectors.len(), 24);
}

#[test]
fn bip39_words_with_one_mistake_are_refused() {
    let Bip39 { vectors, .. } = bip39();
    let mut refused = 0;
    for vector in &vectors {
        let given: Vec<&str> = vector.words.split(' ').collect();
        let count = given.len();
        let error = |words: &[&str]| RecoveryWords::parse(&words.join(" ")).err();
        assert_eq!(error(&given[1..]), Some(WordsError::WrongCount { given: count - 1 }));
        let mut unknown = given.clone();
        unknown[count / 2] = "bitcoin";
        assert_eq!(error(&unknown), Some(WordsError::UnknownWord { position: count / 2 + 1 }));
        // The last word holds the checksum: with another entropy before it, it does not fit.
        let mut changed = given;
        changed[0] = if changed[0] == "zebra" { "zone" } else { "zebra" };
        assert_eq!(error(&changed), Some(WordsError::BadChecksum), "{}", vector.words);
        refused += 3;
    }
    ran("BIP39, words with one mistake", refused, 72);
}

#[derive(Deserialize)]
struct Bip84 {
    words: String,
    root: String,
    account: String,
    keys: Vec<Bip84Key>,
}

#[derive(Deserialize)]
struct Bip84Key {
    chain: u32,
    index: u32,
    private_key: String,
    public_key: String,
    address: String,
}

/// A network with Bitcoin's prefix and coin type.
fn bitcoin() -> Network {
    Network { address_prefix: "bc".to_owned(), slip44: 0, ..Network::regtest() }
}

fn path(text: &str) -> DerivationPath {
    text.parse().expect("a path")
}

#[test]
fn bip84_keys_and_addresses() {
    let vectors: Bip84 = read(include_str!("../../../testkit/tests/bip_vectors/data/bip84.json"));
    let secp = Secp256k1::new();
    let root = root(&words(&vectors.words));
    let account = root.derive_priv(&secp, &path("84h/0h/0h")).expect("derivable");
    // The same keys, under version bytes that tell the kind of address.
    for (key, text) in [(root, &vectors.root), (account, &vectors.account)] {
        let decoded = base58::decode_check(text).expect("Base58Check");
        assert_eq!(decoded.split_at(4), ([0x04, 0xb2, 0x43, 0x0c].as_slice(), &key.encode()[4..]));
    }
    for key in &vectors.keys {
        let derived = account.derive_priv(&secp, &path(&format!("{}/{}", key.chain, key.index))).expect("derivable");
        let private = PrivateKey::new(derived.private_key, NetworkKind::Main);
        assert_eq!(private.to_wif(), key.private_key);
        let public = CompressedPublicKey(derived.private_key.public_key(&secp));
        assert_eq!(public.to_string(), key.public_key);
        let script = ScriptBuf::new_p2wpkh(&public.wpubkey_hash());
        assert_eq!(address_of(&script, &bitcoin()).as_ref(), Some(&key.address));
    }
    ran("BIP84, keys and addresses", vectors.keys.len(), 3);
}

#[derive(Deserialize)]
struct Bip86 {
    words: String,
    root: String,
    account: String,
    keys: Vec<Bip86Key>,
}

#[derive(Deserialize)]
struct Bip86Key {
    chain: u32,
    index: u32,
    internal_key: String,
    script: String,
    address: String,
}

fn bip86() -> Bip86 {
    read(include_str!("../../../testkit/tests/bip_vectors/data/bip86.json"))
}

/// The keyring that a wallet of these words has on this network.
fn keyring(words: &RecoveryWords, network: &Network) -> (PublicKeys, Keyring) {
    let keys = WalletKeys::from_words(words, &Passphrase::none(), ScriptKind::Taproot, 0, network).expect("derivable");
    let public = keys.public;
    let keyring = Keyring::open(&public, KeyKind::Words).expect("our own form");
    (public, keyring)
}

#[test]
fn bip86_keys_and_addresses() {
    let vectors = bip86();
    let words = words(&vectors.words);
    let secp = Secp256k1::new();
    let root = root(&words);
    assert_eq!(root.to_string(), vectors.root);
    let (public, on_bitcoin) = keyring(&words, &bitcoin());
    let PublicKeys::Words { external, internal } = public else { panic!("words give descriptors") };
    assert!(external.ends_with(&format!("/86'/0'/0']{}/0/*)", vectors.account)), "{external}");
    assert!(internal.ends_with(&format!("/86'/0'/0']{}/1/*)", vectors.account)), "{internal}");
    // A network of ours with Bitcoin's coin type has the same programs, and with its own one others.
    let demo = Network { slip44: 0, ..Network::demo() };
    let (on_demo, on_own) = (keyring(&words, &demo).1, keyring(&words, &Network::demo()).1);
    for key in &vectors.keys {
        let derived =
            root.derive_priv(&secp, &path(&format!("86h/0h/0h/{}/{}", key.chain, key.index))).expect("derivable");
        assert_eq!(derived.private_key.x_only_public_key(&secp).0.to_string(), key.internal_key);
        let keychain = if key.chain == 0 { Keychain::External } else { Keychain::Internal };
        let origin = Origin { keychain, index: key.index };
        let script = on_bitcoin.script_at(origin).expect("derivable");
        assert_eq!(script.to_hex_string(), key.script);
        assert_eq!(address_of(&script, &bitcoin()).as_ref(), Some(&key.address));
        assert_eq!(on_bitcoin.origin(&script), Some(origin));
        assert_eq!(on_demo.script_at(origin).as_ref(), Some(&script));
        assert!(address_of(&script, &demo).is_some_and(|address| address.starts_with("dmyc1p")));
        assert_ne!(on_own.script_at(origin), Some(script));
    }
    ran("BIP86, keys and addresses", vectors.keys.len(), 3);
}
