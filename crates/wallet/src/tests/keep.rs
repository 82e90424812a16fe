//! Keeping wallets: viewing keys that end, backups, and secrets that nothing shows.

use std::time::Duration;

use super::*;
use crate::keys_error::KeysError;
use crate::ledger::Change;
use crate::notes::NotesChange;
use crate::{Backup, BackupDifference, Labelled, RsaKey, ScriptKind};

fn scene() -> (tempfile::TempDir, WalletFolder) {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let folder = folder(tmp.path(), &Network::demo());
    drop(folder.create(&name("alice"), KeyKind::Words, &password()).expect("a free name"));
    (tmp, folder)
}

fn looks(folder: &WalletFolder) -> bool {
    match folder.open(&name("alice"), Unlock::ViewKey) {
        Ok(_) => true,
        Err(WalletError::Locked { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_viewing_key_ends_when_it_should() {
    let (_tmp, folder) = scene();
    let view = folder.path().join("alice.view");
    let unlock = |length| folder.unlock(&name("alice"), &password(), length).expect("right password");
    assert!(looks(&folder));
    unlock(Some(Duration::from_secs(3_600)));
    assert!(looks(&folder) && folder.list().expect("ours")[0].locks_at.is_some());
    // Opening by the password leaves the end as it is, and so does another password.
    let mut wallet = folder.open(&name("alice"), Unlock::Password(&password())).expect("right password");
    assert!(folder.list().expect("ours")[0].locks_at.is_some());
    let new = Password::new("another one").expect("not empty");
    wallet.change_password_at_cost(&password(), &new, crate::vault::KdfParams::cheap()).expect("right password");
    drop(wallet);
    assert!(looks(&folder) && folder.list().expect("ours")[0].locks_at.is_some());
    folder.unlock(&name("alice"), &new, Some(Duration::ZERO)).expect("right password");
    assert!(folder.list().expect("ours")[0].locked && view.exists());
    assert!(!looks(&folder) && !view.exists(), "whoever looks next finds it gone");
    // Once by the password: it stays locked.
    drop(folder.open(&name("alice"), Unlock::PasswordOnce(&new)).expect("right password"));
    assert!(!looks(&folder));
    // An end that somebody put off is no viewing key.
    folder.unlock(&name("alice"), &new, Some(Duration::ZERO)).expect("right password");
    let mut bytes = std::fs::read(&view).expect("ours");
    let end = bytes.len() - 9;
    bytes[end] = 0x7f;
    std::fs::write(&view, &bytes).expect("ours");
    assert!(!looks(&folder));
}

#[test]
fn a_backup_tells_how_it_differs() {
    let mut scene = Scene::new(KeyKind::Words, &Network::demo());
    scene.receive(COIN, Some(1));
    scene.sync_to(1).expect("nothing wrong");
    let label = |scene: &mut Scene, text: &str| {
        let labels = BTreeMap::from([(Labelled::Address("a".to_owned()), Some(text.to_owned()))]);
        scene
            .wallet
            .commit(Change { notes: NotesChange { labels, ..Default::default() }, ..Default::default() })
            .expect("written");
    };
    label(&mut scene, "rent");
    let place = scene.folder.path().join("one.backup");
    scene.wallet.back_up(&place).expect("a free place");
    let open = || Backup::open(&place, &Network::demo(), &password()).expect("right password");
    assert_eq!(open().differences(Some(&scene.wallet)), []);
    let summary = open().summary();
    assert_eq!((summary.transactions, summary.labels, summary.signs), (1, 1, true));
    scene.receive(COIN, Some(2));
    scene.sync_to(2).expect("nothing wrong");
    label(&mut scene, "food");
    let expected = [
        BackupDifference::TransactionsMissing { count: 1 },
        BackupDifference::AddressesMissing { count: 1 },
        BackupDifference::NotesMissing { what: "labels", count: 1 },
        BackupDifference::NotesElsewhere { what: "labels", count: 1 },
    ];
    assert_eq!(open().differences(Some(&scene.wallet)), expected);
    assert!(!expected.iter().any(BackupDifference::is_fatal));
    // It comes back under another password, with what was noted.
    let new = Password::new("another one").expect("not empty");
    let restored = scene.folder.restore_backup(&name("restored"), &open(), &new).expect("a free name");
    assert_eq!((restored.notes.labels.len(), restored.balance().total), (1, Amount::from_sat(COIN)));
    assert_eq!(
        *restored.secret(&new).expect("right password"),
        *scene.wallet.secret(&password()).expect("right password")
    );
    let other = scene.folder.create(&name("other"), KeyKind::Words, &password()).expect("a free name").wallet;
    assert_eq!(open().differences(Some(&other)), [BackupDifference::OtherKeys]);
    assert!(matches!(scene.wallet.back_up(&place), Err(WalletError::Files(FilesError::Exists { .. }))));
    assert!(matches!(Backup::open(&place, &Network::mycoin(), &password()), Err(WalletError::OtherNetwork { .. })));
    assert!(matches!(Backup::open(&place, &Network::demo(), &new), Err(WalletError::WrongPassword)));
}

#[test]
fn the_secret_of_every_kind_fits_its_own_addresses_alone() {
    let network = Network { rsa: true, ..Network::regtest() };
    let none = Passphrase::none();
    let words = |byte: u8| RecoveryWords::from_entropy(&[byte; 16]).expect("a length that words have");
    let of = |byte, passphrase: &Passphrase, account| {
        WalletKeys::from_words(&words(byte), passphrase, ScriptKind::Segwit, account, &network).expect("derivable")
    };
    let cosigners = [3, 2].map(|byte| crate::cosigner_key(&words(byte), &none, 0, &network).expect("derivable"));
    let descriptor = "wpkh(tprv8ZgxMBicQKsPcwcD4gSnMti126ZiETsuX7qwrtMypr6FBwAP65puFn4v6c3jrN9VwtMRMph6nyT63NrfUL4C3nBzPcduzVSuHD7zbX2JKVc/84h/1h/0h/<0;1>/*)";
    let all = [
        of(1, &none, 0),
        of(1, &Passphrase::new("x"), 7),
        WalletKeys::multisig(1, &cosigners, Some((&words(2), &none, 0)), &network).expect("sound"),
        WalletKeys::from_descriptors(descriptor, &network).expect("sound"),
        WalletKeys::new_rsa(2048, &network).expect("RSA locks are on"),
    ];
    let fits = |secret: &WalletKeys, keys: &WalletKeys| crate::secret::fits(&secret.secret, &keys.public, keys.kind);
    for (place, keys) in all.iter().enumerate() {
        for (other, secret) in all.iter().enumerate() {
            assert_eq!(fits(secret, keys), place == other, "{other} for {place}");
        }
    }
    // Another account of the same words is derived by the same secret.
    assert!(fits(&of(1, &none, 0), &of(1, &none, 3)) && !fits(&of(2, &none, 0), &of(1, &none, 0)));
}

/// Whether a type can be printed for debugging, found out by the compiler: with `Debug` two of these fit, and the call is
/// ambiguous.
macro_rules! assert_never_debug {
    ($($secret:ty),+ $(,)?) => {
        $(const _: fn() = || {
            trait Ambiguous<A> {
                fn call() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct Printable;
            impl<T: ?Sized + std::fmt::Debug> Ambiguous<Printable> for T {}
            let _ = <$secret as Ambiguous<_>>::call;
        };)+
    };
}

// Every type of ours that holds a secret: nothing can print it, by mistake or in a panic's message.
assert_never_debug!(
    Password,
    Passphrase,
    RecoveryWords,
    RsaKey,
    WalletKeys,
    Wallet,
    Backup,
    crate::file::WalletFile,
    crate::folder::view_key::ViewKey,
    crate::secret::WipedKey,
    crate::vault::PasswordKeys,
);

#[test]
fn errors_repeat_no_secret() {
    let secret = "tprv8ZgxMBicQKsPcwcD4gSnMti126ZiETsuX7qwrtMypr6FBwAP65puFn4v6c3jrN9VwtMRMph6nyT63NrfUL4C3nBzPcduzVSuHD7zbX2JKVc";
    let network = Network::regtest();
    for text in [secret.to_owned(), format!("wpkh({secret}"), format!("tr({secret}/9h/*h)")] {
        let watched: Result<crate::ExtendedKey, KeysError> = text.parse();
        let told = [
            watched.err().map(|error| format!("{error} {error:?}")),
            WalletKeys::from_descriptors(&text, &network).err().map(|error| format!("{error} {error:?}")),
            WalletKeys::watch_address(&text, &network).err().map(|error| format!("{error}")),
        ];
        assert!(told.iter().flatten().all(|told| !told.contains("tprv8Z")), "{told:?}");
    }
    let words = "abandon legal winner thank year wave sausage worth useful legal winner secretword";
    let told = RecoveryWords::parse(words).err().map(|error| format!("{error} {error:?}")).expect("no such word");
    assert!(!told.contains("secretword") && !told.contains("sausage"), "{told}");
}
