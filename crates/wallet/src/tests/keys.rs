//! Wallets of every kind of key.

use bdk_wallet::miniscript::Descriptor;
use bdk_wallet::miniscript::descriptor::DescriptorPublicKey;
use mycoin_primitives::address_of;
use mycoin_primitives::bitcoin::bip32::{DerivationPath, Xpriv};
use mycoin_primitives::bitcoin::key::{CompressedPublicKey, TapTweak as _};
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use mycoin_primitives::bitcoin::{Address, KnownHrp, NetworkKind};

use super::*;
use crate::keyring::{Keychain, Keyring, Origin};
use crate::{ExtendedKey, KeysError, ScriptKind, WalletKeys, cosigner_key};

const ABANDON: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
/// BIP84's vector: the account of these words, m/84'/0'/0'.
const ZPUB: &str =
    "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mGDtKsAYz2oz2AGutZYs";

pub(super) fn abandon() -> RecoveryWords {
    RecoveryWords::parse(ABANDON).expect("BIP39's words")
}

fn words_of(byte: u8) -> RecoveryWords {
    RecoveryWords::from_entropy(&[byte; 16]).expect("a length that words have")
}

fn keyring(keys: &WalletKeys) -> Keyring {
    Keyring::open(&keys.public, keys.kind()).expect("our own form")
}

fn address(keys: &WalletKeys, keychain: Keychain, index: u32, network: &Network) -> String {
    let script = keyring(keys).script_at(Origin { keychain, index }).expect("derivable");
    address_of(&script, network).expect("it has an address")
}

fn refused(keys: Result<WalletKeys, WalletError>) -> KeysError {
    match keys {
        Err(WalletError::Keys(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[test]
fn the_first_twenty_addresses_on_regtest_are_those_of_bip84_and_bip86() {
    let regtest = Network::regtest();
    let none = Passphrase::none();
    let secp = Secp256k1::new();
    let seed = abandon().seed(&none).expect("a seed");
    let master = Xpriv::new_master(NetworkKind::Main, seed.as_slice()).expect("a key");
    for (scripts, purpose) in [(ScriptKind::Taproot, 86), (ScriptKind::Segwit, 84)] {
        for account in [0, 3] {
            let keys = WalletKeys::from_words(&abandon(), &none, scripts, account, &regtest).expect("derivable");
            for (keychain, chain) in [(Keychain::External, 0), (Keychain::Internal, 1)] {
                for index in 0..20 {
                    let path = format!("{purpose}h/{}h/{account}h/{chain}/{index}", regtest.slip44);
                    let path: DerivationPath = path.parse().expect("a path");
                    let key = master.derive_priv(&secp, &path).expect("derivable").private_key;
                    let expected = match scripts {
                        ScriptKind::Taproot => {
                            let (internal, _) = key.x_only_public_key(&secp);
                            let (output, _) = internal.tap_tweak(&secp, None);
                            Address::p2tr_tweaked(output, KnownHrp::Regtest)
                        }
                        _ => Address::p2wpkh(&CompressedPublicKey(key.public_key(&secp)), KnownHrp::Regtest),
                    };
                    assert_eq!(address(&keys, keychain, index, &regtest), expected.to_string(), "{path}");
                }
            }
        }
    }
}

/// What BIP84 itself states, with Bitcoin's coin type and prefix.
#[test]
fn bip84_first_addresses() {
    let bitcoin = Network { address_prefix: "bc".to_owned(), slip44: 0, ..Network::regtest() };
    let keys = WalletKeys::from_words(&abandon(), &Passphrase::none(), ScriptKind::Segwit, 0, &bitcoin);
    let watched = WalletKeys::watch_account(&ZPUB.parse().expect("BIP84's account"), None, &bitcoin);
    for keys in [keys.expect("derivable"), watched.expect("public")] {
        let first = ["bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"];
        for (index, expected) in first.into_iter().enumerate() {
            assert_eq!(address(&keys, Keychain::External, index as u32, &bitcoin), expected);
        }
        let change = "bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el";
        assert_eq!(address(&keys, Keychain::Internal, 0, &bitcoin), change);
    }
}

#[test]
fn a_passphrase_makes_another_wallet_and_signs_for_it() {
    let network = Network::demo();
    let mut firsts = Vec::new();
    for text in ["", "TREZOR", "trezor", "TREZOR ", "a\0b", "pässwörd"] {
        let passphrase = Passphrase::new(text);
        let keys = WalletKeys::from_words(&abandon(), &passphrase, ScriptKind::Segwit, 1, &network).expect("derivable");
        firsts.push(keys.first_address(&network).expect("derivable"));
        let mut scene = Scene::with_keys(&keys, &network);
        scene.receive(COIN, Some(1));
        scene.sync_to(1).expect("nothing wrong");
        scene.pay(COIN / 2);
    }
    let mut distinct = firsts.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), firsts.len(), "none is another's");
    // Both spellings of ä are the same passphrase (NFKD).
    let keys = |text: &str| WalletKeys::from_words(&abandon(), &Passphrase::new(text), ScriptKind::Segwit, 1, &network);
    let composed = keys("pa\u{308}sswo\u{308}rd").expect("derivable").first_address(&network).expect("derivable");
    assert_eq!(Some(&composed), firsts.last());
}

#[test]
fn a_passphrase_stands_nowhere_in_plain() {
    let network = Network::demo();
    let passphrase = Passphrase::new("a very long passphrase");
    let keys = WalletKeys::from_words(&abandon(), &passphrase, ScriptKind::Taproot, 0, &network).expect("derivable");
    let mut scene = Scene::with_keys(&keys, &network);
    scene.receive(COIN, Some(1));
    scene.sync_to(1).expect("nothing wrong");
    scene.pay(COIN / 2);
    let new = Password::new("another one").expect("not empty");
    scene.wallet.change_password_at_cost(&password(), &new, crate::vault::KdfParams::cheap()).expect("right password");
    for entry in std::fs::read_dir(scene.folder.path()).expect("ours") {
        let path = entry.expect("ours").path();
        if let Ok(bytes) = std::fs::read(&path) {
            assert!(!bytes.windows(9).any(|part| part == b"very long"), "{path:?}");
        }
    }
}

#[test]
fn every_kind_of_words_wallet_pays() {
    for (scripts, network) in [
        (ScriptKind::Taproot, Network::demo()),
        (ScriptKind::Segwit, Network::demo()),
        (ScriptKind::Segwit, Network::regtest()),
        (ScriptKind::Nested, Network::regtest()),
        (ScriptKind::Legacy, Network::regtest()),
    ] {
        let keys = WalletKeys::from_words(&words_of(7), &Passphrase::none(), scripts, 0, &network);
        if network.base58.is_none() && matches!(scripts, ScriptKind::Nested | ScriptKind::Legacy) {
            assert_eq!(refused(keys), KeysError::NoAddress);
            continue;
        }
        let mut scene = Scene::with_keys(&keys.expect("derivable"), &network);
        scene.receive(COIN, Some(1));
        scene.receive(2 * COIN, Some(1));
        scene.sync_to(1).expect("nothing wrong");
        let first = scene.pay(COIN / 2);
        let second = scene.pay(2 * COIN);
        assert!(second.input.iter().any(|input| input.previous_output.txid == first.compute_txid()));
        let _ = scene.reopen();
    }
}

#[test]
fn extended_keys_are_read_in_every_spelling() {
    let plain: ExtendedKey = ZPUB.parse().expect("BIP84's account");
    assert_eq!(plain.script_kind(), Some(ScriptKind::Segwit));
    let xpub = plain.to_text(false);
    assert!(xpub.starts_with("xpub") && plain.to_text(true).starts_with("tpub"));
    for text in [xpub.clone(), plain.to_text(true), format!(" {xpub}/0/*\n"), format!("{xpub}/<0;1>/*")] {
        let key: ExtendedKey = text.parse().expect("another spelling");
        assert_eq!((key.key, key.script_kind()), (plain.key, None), "{text}");
    }
    let with_origin: ExtendedKey = format!("[73c5da0a/84h/0'/0h]{xpub}").parse().expect("with its origin");
    assert_eq!(with_origin.to_string(), format!("[73c5da0a/84'/0'/0']{xpub}"));
    let error = |text: &str| text.parse::<ExtendedKey>().err();
    assert_eq!(error(""), Some(KeysError::Empty));
    assert_eq!(error("hello"), Some(KeysError::NotAnExtendedKey));
    assert_eq!(error(&xpub.replacen('8', "9", 1)), Some(KeysError::BadKey));
    assert_eq!(error(&format!("[73c5da0a/84h/0h]{xpub}")), Some(KeysError::BadKey), "its path is of another length");
    let seed = abandon().seed(&Passphrase::none()).expect("a seed");
    let private = Xpriv::new_master(NetworkKind::Main, seed.as_slice()).expect("a key").to_string();
    assert_eq!(error(&private), Some(KeysError::PrivateKey));
}

#[test]
fn descriptors_of_other_wallets_are_taken_in_every_form() {
    let network = Network::regtest();
    let key: ExtendedKey = ZPUB.parse().expect("BIP84's account");
    let xpub = format!("[73c5da0a/84h/0h/0h]{}", key.to_text(true));
    let with_checksum = |text: &str| Descriptor::<DescriptorPublicKey>::from_str(text).expect("good").to_string();
    use std::str::FromStr as _;
    let (external, internal) = (format!("wpkh({xpub}/0/*)"), format!("wpkh({xpub}/1/*)"));
    let pair = [&external, &internal].map(|text| with_checksum(text));
    let core = serde_json::json!({"wallet_name": "w", "descriptors": [
        {"desc": pair[1], "active": true, "internal": true, "range": [0, 999]},
        {"desc": pair[0], "active": true, "internal": false, "range": [0, 999]},
    ]});
    let forms = [
        format!("wpkh({xpub}/<0;1>/*)"),
        with_checksum(&format!("wpkh({xpub}/<0;1>/*)")),
        format!("{external}\n{internal}"),
        pair.join("\r\n"),
        core.to_string(),
        core["descriptors"].to_string(),
    ];
    let watched = WalletKeys::watch_account(&key, None, &network).expect("public");
    for form in &forms {
        let keys = WalletKeys::from_descriptors(form, &network).unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!(keys.kind(), KeyKind::WatchOnly);
        for keychain in [Keychain::External, Keychain::Internal] {
            assert_eq!(address(&keys, keychain, 5, &network), address(&watched, keychain, 5, &network), "{form}");
        }
    }
    let alone = WalletKeys::from_descriptors(&pair[0], &network).expect("one chain is enough");
    assert_eq!(keyring(&alone).keychains(), [Keychain::External]);
}

#[test]
fn descriptors_that_cannot_be_used_are_refused_without_repeating_them() {
    let network = Network::regtest();
    let xpub = ZPUB.parse::<ExtendedKey>().expect("BIP84's account").to_text(false);
    let refused = |text: &str| {
        let error = refused(WalletKeys::from_descriptors(text, &network));
        assert!(!error.to_string().contains("xpub6"), "{error}");
        error
    };
    assert_eq!(refused(" \n"), KeysError::Empty);
    assert_eq!(refused("hello"), KeysError::NotADescriptor);
    assert_eq!(refused("{}"), KeysError::NotUnderstood);
    assert_eq!(refused(&format!("wpkh({xpub}/0/*)#qqqqqqqq")), KeysError::BadChecksum);
    assert_eq!(refused(&format!("wpkh({xpub}/0h/*)")), KeysError::NotUnderstood);
    assert_eq!(refused(&format!("wpkh({xpub}/<0;1;2>/*)")), KeysError::NotAPair);
    assert_eq!(refused(&format!("wpkh({xpub}/0/*)\nwpkh({xpub}/0/*)")), KeysError::NotAPair);
    assert_eq!(refused(&format!("wpkh({xpub}/0/*)\ntr({xpub}/1/*)")), KeysError::NotAPair);
    let three = [0, 1, 2].map(|chain| format!("wpkh({xpub}/{chain}/*)")).join("\n");
    assert_eq!(refused(&three), KeysError::SeveralAccounts);
    let deep = format!("wsh({}{})", "and_v(v:1,".repeat(1_000), ")".repeat(1_000));
    assert_eq!(refused(&deep), KeysError::NotUnderstood);
    assert_eq!(refused(&"(".repeat(20_000)), KeysError::TooLong);
}

#[test]
fn a_descriptor_with_private_keys_signs() {
    let network = Network::regtest();
    let seed = words_of(9).seed(&Passphrase::none()).expect("a seed");
    let master = Xpriv::new_master(NetworkKind::Test, seed.as_slice()).expect("a key");
    for form in ["wpkh(KEY/84h/1h/0h/<0;1>/*)", "tr(KEY/86h/1h/0h/<0;1>/*)", "pkh(KEY/44h/1h/0h/0/*)"] {
        let text = form.replace("KEY", &master.to_string());
        let keys = WalletKeys::from_descriptors(&text, &network).unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!(keys.kind(), KeyKind::Descriptor);
        let mut scene = Scene::with_keys(&keys, &network);
        scene.receive(COIN, Some(1));
        scene.sync_to(1).expect("nothing wrong");
        scene.pay(COIN / 2);
        let scene = scene.reopen();
        for entry in std::fs::read_dir(scene.folder.path()).expect("ours") {
            let bytes = std::fs::read(entry.expect("ours").path()).expect("ours");
            assert!(!bytes.windows(4).any(|part| part == b"tprv"));
        }
    }
}

#[test]
fn cosigners_make_the_same_wallet_of_the_same_keys() {
    let network = Network::demo();
    let none = Passphrase::none();
    let own: Vec<RecoveryWords> = [1, 2, 3].map(words_of).into();
    let key = |words: &RecoveryWords| cosigner_key(words, &none, 0, &network).expect("derivable");
    let keys: Vec<ExtendedKey> =
        own.iter().map(|words| key(words).to_string().parse().expect("as exchanged")).collect();
    assert!(keys[0].to_string().contains(&format!("/48'/{}'/0'/2']xpub", network.slip44)));
    let turned: Vec<ExtendedKey> = keys.iter().rev().cloned().collect();
    let one = WalletKeys::multisig(2, &keys, Some((&own[0], &none, 0)), &network).expect("one of them");
    let other = WalletKeys::multisig(2, &turned, Some((&own[2], &none, 0)), &network).expect("one of them");
    let watching = WalletKeys::multisig(2, &keys, None, &network).expect("without a key");
    assert_eq!(one.kind(), KeyKind::Multisig { required: 2, keys: 3 });
    for index in [0, 7] {
        let expected = address(&one, Keychain::External, index, &network);
        assert_eq!(address(&other, Keychain::External, index, &network), expected);
        assert_eq!(address(&watching, Keychain::External, index, &network), expected);
    }
    let error = |required, keys: &[ExtendedKey], own| refused(WalletKeys::multisig(required, keys, own, &network));
    assert_eq!(error(0, &keys, None), KeysError::BadThreshold { required: 0, given: 3 });
    assert_eq!(error(4, &keys, None), KeysError::BadThreshold { required: 4, given: 3 });
    assert_eq!(error(1, &[keys[0].clone(), keys[0].clone()], None), KeysError::SameKeyTwice);
    let stranger = words_of(4);
    assert_eq!(error(2, &keys, Some((&stranger, &none, 0))), KeysError::OwnKeyMissing);
    assert_eq!(error(2, &keys, Some((&own[0], &none, 1))), KeysError::OwnKeyMissing);
    let passphrase = Passphrase::new("x");
    assert_eq!(error(2, &keys, Some((&own[0], &passphrase, 0))), KeysError::OwnKeyMissing);
}

#[test]
fn what_only_watches_shows_all_and_signs_nothing() {
    let network = Network::demo();
    let account: ExtendedKey = ZPUB.parse().expect("BIP84's account");
    let stranger = address_of(&stranger(), &network).expect("it has an address");
    for keys in [
        WalletKeys::watch_account(&account, None, &network).expect("public"),
        WalletKeys::watch_account(&account, Some(ScriptKind::Taproot), &network).expect("public"),
        WalletKeys::watch_address(&stranger, &network).expect("an address"),
    ] {
        let mut scene = Scene::with_keys(&keys, &network);
        assert!(!scene.wallet.can_sign());
        scene.receive(COIN, Some(1));
        scene.sync_to(1).expect("nothing wrong");
        assert_eq!(scene.balance(), [COIN, 0, 0]);
        let other = ScriptBuf::from_bytes([&[0, 20][..], &[3; 20]].concat());
        let rate = FeeChoice::Rate(FeeRate::from_sat_per_vb(2));
        let draft = scene.wallet.prepare(&scene.request_to(other, COIN / 2, rate));
        let draft = draft.expect("enough coins");
        assert!(matches!(scene.wallet.sign(&draft, &password()), Err(PaymentError::Wallet(WalletError::WatchOnly))));
        let _ = scene.reopen();
    }
    assert!(matches!(refused(WalletKeys::watch_address("hello!", &network)), KeysError::Address(_)));
}

#[test]
fn exported_descriptors_make_the_same_wallet_again() {
    for network in [Network::demo(), Network::regtest()] {
        let none = Passphrase::none();
        let cosigners: Vec<ExtendedKey> =
            [1, 2, 3].map(|byte| cosigner_key(&words_of(byte), &none, 0, &network).expect("derivable")).into();
        let single = format!("{}/7/*", cosigners[0]);
        for keys in [
            WalletKeys::from_words(&abandon(), &none, ScriptKind::Taproot, 2, &network).expect("derivable"),
            WalletKeys::from_words(&abandon(), &none, ScriptKind::Segwit, 0, &network).expect("derivable"),
            WalletKeys::multisig(2, &cosigners, Some((&words_of(2), &none, 0)), &network).expect("a member"),
            WalletKeys::from_descriptors(&format!("wpkh({single})"), &network).expect("public"),
        ] {
            let scene = Scene::with_keys(&keys, &network);
            let exported = scene.wallet.descriptors();
            assert_eq!(exported.len(), 1, "{exported:?}");
            assert_eq!(exported[0].contains("tpub"), network.slip44 == 1, "{exported:?}");
            let again = WalletKeys::from_descriptors(&exported[0], &network).expect("our own export");
            let chains = keyring(&keys).keychains();
            assert_eq!(keyring(&again).keychains(), chains);
            for keychain in chains {
                assert_eq!(address(&again, *keychain, 4, &network), address(&keys, *keychain, 4, &network));
            }
            for key in scene.wallet.extended_keys() {
                assert!(exported[0].contains(&key), "{key}");
            }
        }
    }
}
