//! Wallet files of every version that was ever written open for ever. The samples hold coins of no worth.

use std::os::unix::fs::PermissionsExt as _;

use super::keys::abandon;
use super::*;
use crate::{ScriptKind, TokenError, TokenPlace, WalletKeys, cosigner_key};

/// A network that no change of ours can move: regtest's chain, with RSA locks.
fn network() -> Network {
    Network { rsa: true, ..Network::regtest() }
}

/// A folder that holds a copy of a sample.
fn folder_with(tmp: &tempfile::TempDir, file: &[u8]) -> WalletFolder {
    let folder = folder(tmp.path(), &network());
    std::fs::create_dir(folder.path()).expect("a free place");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("ours");
    let path = folder.path().join("alice.wallet");
    std::fs::write(&path, file).expect("ours");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("ours");
    folder
}

/// Opens a copy of a sample, looks at what it holds, and signs with it.
fn open(file: &[u8], kind: KeyKind, addresses: &[&str], balance: u64) {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let folder = folder_with(&tmp, file);
    let wallet = folder.open(&name("alice"), Unlock::Password(&password())).expect("an old file");
    assert_eq!((wallet.kind(), wallet.can_sign()), (kind, true));
    let handed_out: Vec<String> = wallet.addresses().into_iter().map(|address| address.address).collect();
    assert_eq!(handed_out, addresses);
    assert_eq!((wallet.balance().spendable, wallet.tip()), (Amount::from_sat(balance), Height::new(4)));
    assert_eq!(wallet.history().len(), 3);
    let records: BTreeMap<Txid, TxRecord> = wallet
        .ledger
        .transactions()
        .iter()
        .map(|entry| {
            let (txid, tx) = (entry.txid, (*entry.tx).clone());
            (txid, TxRecord { spent: vec![None; tx.input.len()], tx, txid, status: TxStatus::Waiting, fee: None })
        })
        .collect();
    let mut scene =
        Scene { _tmp: tmp, folder, wallet, records, tip: 4, fork: u32::MAX, now: 1_000_000, undone: Vec::new() };
    scene.pay(6 * COIN);
    let new = Password::new("another one").expect("not empty");
    scene.wallet.change_password_at_cost(&password(), &new, crate::vault::KdfParams::cheap()).expect("right password");
    let _ = scene.reopen();
}

#[test]
fn version_1_words() {
    open(
        include_bytes!("../../tests/files/version-1-words.wallet"),
        KeyKind::Words,
        &[
            "bcrt1p8wpt9v4frpf3tkn0srd97pksgsxc5hs52lafxwru9kgeephvs7rqjeprhg",
            "bcrt1p90h6z3p36n9hrzy7580h5l429uwchyg8uc9sz4jwzhdtuhqdl5eqkcyx0f",
            "bcrt1p40qqa84kpphe5vtcwd8zv7v6w7p62cmupf6f60mf8pxdkcv2455qgtw98j",
        ],
        699_999_716,
    );
}

#[test]
fn version_1_rsa() {
    open(
        include_bytes!("../../tests/files/version-1-rsa.wallet"),
        KeyKind::Rsa { bits: 2048 },
        &["bcrt1srqhshcpdcngv7lacw4nnqq38y6435vdrcxgmrw4mpaee5etlwtws0djqa4"],
        699_999_470,
    );
}

/// The keys of the samples of version 2, by their names.
fn keys_of(sample: &str) -> WalletKeys {
    let (network, none) = (network(), Passphrase::none());
    let passphrase = Passphrase::new("TREZOR");
    let words = |byte: u8| RecoveryWords::from_entropy(&[byte; 16]).expect("a good length");
    let key = |byte| cosigner_key(&words(byte), &none, 0, &network).expect("derivable");
    let keys = match sample {
        "segwit" => WalletKeys::from_words(&abandon(), &none, ScriptKind::Segwit, 0, &network),
        "passphrase" => WalletKeys::from_words(&abandon(), &passphrase, ScriptKind::Taproot, 3, &network),
        "multisig" => WalletKeys::multisig(2, &[1, 2, 3].map(key), Some((&words(2), &none, 0)), &network),
        "descriptor" => WalletKeys::from_descriptors(
            "wpkh(tprv8ZgxMBicQKsPcwcD4gSnMti126ZiETsuX7qwrtMypr6FBwAP65puFn4v6c3jrN9VwtMRMph6nyT63NrfUL4C3nBzPcduzVSuHD7zbX2JKVc/84h/1h/0h/<0;1>/*)",
            &network,
        ),
        "watching" => WalletKeys::watch_account(&key(1), Some(ScriptKind::Taproot), &network),
        "address" => {
            WalletKeys::watch_address("bcrt1p8wpt9v4frpf3tkn0srd97pksgsxc5hs52lafxwru9kgeephvs7rqjeprhg", &network)
        }
        _ => panic!("there is no sample {sample}"),
    };
    keys.unwrap_or_else(|error| panic!("{sample}: {error}"))
}

#[test]
fn version_2_of_every_kind() {
    let samples: [(&str, &[u8]); 6] = [
        ("segwit", include_bytes!("../../tests/files/version-2-segwit.wallet")),
        ("passphrase", include_bytes!("../../tests/files/version-2-passphrase.wallet")),
        ("multisig", include_bytes!("../../tests/files/version-2-multisig.wallet")),
        ("descriptor", include_bytes!("../../tests/files/version-2-descriptor.wallet")),
        ("watching", include_bytes!("../../tests/files/version-2-watching.wallet")),
        ("address", include_bytes!("../../tests/files/version-2-address.wallet")),
    ];
    for (sample, file) in samples {
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let folder = folder_with(&tmp, file);
        let mut wallet = folder.open(&name("alice"), Unlock::Password(&password())).expect(sample);
        let keys = keys_of(sample);
        assert_eq!((wallet.kind(), wallet.can_sign()), (keys.kind(), !keys.secret.is_empty()), "{sample}");
        let first = keys.first_address(&network()).expect("derivable");
        assert_eq!(wallet.next_address().expect("written").address, first, "{sample}");
        match wallet.secret(&password()) {
            Ok(secret) => assert_eq!(*secret, *keys.secret, "{sample}"),
            Err(WalletError::WatchOnly) => assert!(!wallet.can_sign(), "{sample}"),
            Err(error) => panic!("{sample}: {error}"),
        }
    }
}

/// The keys of the sample of version 3, which brought wallets whose key is on a token. No token is needed to look.
fn keys_on_token() -> WalletKeys {
    let key = crate::RsaKey::import_public(include_bytes!("../../tests/files/keys/public.pem")).expect("a key");
    let (spki, _) = key.into_parts();
    let place = TokenPlace {
        module: "/usr/lib/softhsm/libsofthsm2.so".into(),
        token: "purse".to_owned(),
        serial: "c37b3f4f995d644f".to_owned(),
        key: "coins".to_owned(),
        key_id: "a1b2".to_owned(),
    };
    let public = crate::keyring::PublicKeys::Token { spki, place };
    WalletKeys { kind: KeyKind::Token { bits: 2048 }, public, secret: Default::default() }
}

#[test]
fn version_3_on_a_token() {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let folder = folder_with(&tmp, include_bytes!("../../tests/files/version-3-token.wallet"));
    let mut wallet = folder.open(&name("alice"), Unlock::Password(&password())).expect("an old file");
    let keys = keys_on_token();
    assert_eq!((wallet.kind(), wallet.can_sign()), (keys.kind(), true));
    let crate::keyring::PublicKeys::Token { place, .. } = &keys.public else { panic!("its key is on a token") };
    assert_eq!(wallet.token(), Some(place));
    assert_eq!(wallet.next_address().expect("written").address, keys.first_address(&network()).expect("derivable"));
    // The file has nothing that signs.
    let refused = wallet.secret(&password()).map(|_| ());
    assert!(matches!(refused, Err(WalletError::Token(TokenError::OnToken))), "{refused:?}");
    let new = Password::new("another one").expect("not empty");
    wallet.change_password_at_cost(&password(), &new, crate::vault::KdfParams::cheap()).expect("right password");
}

/// Labels, a contact, a request and a frozen coin, beside transactions: what a person loses who loses the file.
#[test]
fn version_2_with_notes() {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let folder = folder_with(&tmp, include_bytes!("../../tests/files/version-2-notes.wallet"));
    let wallet = folder.open(&name("alice"), Unlock::Password(&password())).expect("an old file");
    assert_eq!(wallet.kind(), KeyKind::WordsFor { scripts: ScriptKind::Segwit });
    assert_eq!((wallet.balance().total.to_sat(), wallet.tip().to_u32()), (9_499_999_718, 104));
    let notes = &wallet.notes;
    let labels: Vec<&str> = notes.labels.values().map(String::as_str).collect();
    assert!(labels.contains(&"rent of May") && labels.contains(&"the mine") && labels.contains(&"a bicycle"));
    let bob = notes.contacts.get("bob").expect("it was kept");
    assert_eq!(bob.address, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080");
    let request = notes.requests.get("bcrt1qd7spv5q28348xl4myc8zmh983w5jx32cs707jh").expect("it was kept");
    assert_eq!((request.amount, request.message.as_str()), (Some(Amount::from_sat(150_000_000)), "thank you"));
    let coin = "fbd38a7f6642b10a990825796da04940bd1c55346dd5519d64333599e71c37db:0".parse().expect("an outpoint");
    assert!(notes.frozen.contains(&coin) && notes.frozen.len() == 1);
    assert_eq!(*wallet.secret(&password()).expect("right password"), *keys_of("segwit").secret);
}
