//! A disk that fails: whichever step of whatever changes a wallet's files goes wrong, the files are the old or the new ones.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use mycoin_files::Disk;

use super::*;
use crate::notes::NotesChange;
use crate::{Backup, Labelled};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The step of that number, and no other: a disk that is full for a moment.
    Once(u32),
    /// That step and all that follow: the machine stops.
    From(u32),
}

thread_local! {
    static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
    static STEPS: Cell<u32> = const { Cell::new(0) };
}

/// The disk of the tests in this crate. It works, unless this thread ordered a fault.
pub(crate) struct FaultyDisk;

fn step() -> io::Result<()> {
    let step = STEPS.get();
    STEPS.set(step + 1);
    let fails = match FAULT.get() {
        Some(Fault::Once(at)) => step == at,
        Some(Fault::From(at)) => step >= at,
        None => false,
    };
    if fails { Err(io::Error::other("the disk of this test fails")) } else { Ok(()) }
}

impl Disk for FaultyDisk {
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        match step() {
            Ok(()) => file.write_all(bytes),
            // A part is written before the rest fails.
            Err(error) => file.write_all(&bytes[..bytes.len() / 2]).and(Err(error)),
        }
    }

    fn set_length(&self, file: &File, length: u64) -> io::Result<()> {
        step().and_then(|()| file.set_len(length))
    }

    /// Nothing is waited for: no test takes the power away, and these ask hundreds of thousands of times.
    fn sync(&self, _: &File) -> io::Result<()> {
        step()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        step().and_then(|()| fs::rename(from, to))
    }

    fn rename_to_free_name(&self, from: &Path, to: &Path) -> io::Result<()> {
        step().and_then(|()| mycoin_files::RealDisk.rename_to_free_name(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        step().and_then(|()| fs::remove_file(path))
    }
}

/// Runs `work` with a fault, and gives what came of it and how many steps it took.
fn with<T>(fault: Option<Fault>, work: impl FnOnce() -> T) -> (T, u32) {
    FAULT.set(fault);
    STEPS.set(0);
    let outcome = work();
    FAULT.set(None);
    (outcome, STEPS.get())
}

fn new_password() -> Password {
    Password::new("another one").expect("not empty")
}

fn label(wallet: &mut Wallet, text: &str) -> Result<(), WalletError> {
    let labels = BTreeMap::from([(Labelled::Address("somebody".to_owned()), Some(text.to_owned()))]);
    wallet.commit(crate::ledger::Change { notes: NotesChange { labels, ..Default::default() }, ..Default::default() })
}

fn labels(wallet: &Wallet) -> Vec<String> {
    wallet.notes.labels.values().cloned().collect()
}

/// Two wallets in a folder: the one that is worked on, labelled “old”, and a neighbour.
fn scene() -> (tempfile::TempDir, WalletFolder) {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let folder = folder(tmp.path(), &Network::demo());
    for one in ["alice", "alice.b"] {
        let mut wallet = folder.create(&name(one), KeyKind::Words, &password()).expect("a free name").wallet;
        label(&mut wallet, "old").expect("written");
    }
    (tmp, folder)
}

/// All files of the folder but those of the wallets that are worked on.
fn others(folder: &WalletFolder) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder.path()).expect("ours") {
        let entry = entry.expect("listed");
        let file = entry.file_name().to_string_lossy().into_owned();
        if file.starts_with("alice.b.") || file.starts_with("other") {
            found.insert(file, fs::read(entry.path()).expect("ours"));
        }
    }
    found
}

/// A copy of a folder of wallets, and of one more file.
fn copy(of: &WalletFolder) -> (tempfile::TempDir, WalletFolder) {
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let folder = folder(tmp.path(), &Network::demo());
    mycoin_files::ensure_private_dir(folder.path()).expect("a free place");
    for entry in fs::read_dir(of.path()).expect("ours") {
        let entry = entry.expect("listed");
        fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("ours");
    }
    fs::write(folder.path().join("other"), b"somebody's").expect("ours");
    (tmp, folder)
}

/// Lets every step of `work` fail, once alone and once with all that follow; `check` looks at what is left, and whether it
/// was told of a success. `before` makes the scene ready.
fn every_fault_after<T>(
    before: impl Fn(&WalletFolder),
    work: impl Fn(&WalletFolder) -> Result<T, WalletError>,
    check: impl Fn(&WalletFolder, bool, Fault),
) -> u32 {
    let (_tmp, ready) = scene();
    before(&ready);
    let (_tmp, folder) = copy(&ready);
    let (outcome, steps) = with(None, || work(&folder).map(drop));
    outcome.expect("a disk that works");
    assert!(steps > 0, "it changes files");
    for at in 0..steps {
        for fault in [Fault::Once(at), Fault::From(at)] {
            let (_tmp, folder) = copy(&ready);
            let before = others(&folder);
            let (outcome, _) = with(Some(fault), || work(&folder).map(drop));
            assert_eq!(others(&folder), before, "{fault:?}: neighbours are untouched");
            check(&folder, outcome.is_ok(), fault);
        }
    }
    steps
}

fn every_fault<T>(
    work: impl Fn(&WalletFolder) -> Result<T, WalletError>,
    check: impl Fn(&WalletFolder, bool, Fault),
) -> u32 {
    every_fault_after(|_| {}, work, check)
}

fn open(folder: &WalletFolder, password: &Password) -> Result<Wallet, WalletError> {
    folder.open(&name("alice"), Unlock::PasswordOnce(password))
}

/// The wallet is whole, and can be written to.
fn assert_sound(folder: &WalletFolder, password: &Password, fault: Fault, expected: &[&[&str]]) {
    let mut wallet = open(folder, password).unwrap_or_else(|error| panic!("{fault:?}: {error}"));
    let found = labels(&wallet);
    assert!(expected.iter().any(|expected| found == **expected), "{fault:?}: {found:?}");
    wallet.secret(password).unwrap_or_else(|error| panic!("{fault:?}: {error}"));
    label(&mut wallet, "later").expect("the disk works again");
    drop(wallet);
    assert_eq!(labels(&open(folder, password).expect("whole")), ["later"], "{fault:?}");
}

#[test]
fn a_new_wallet_is_whole_or_not_there() {
    let create = |folder: &WalletFolder| folder.create(&name("bob"), KeyKind::Words, &password());
    every_fault(create, |folder, done, fault| match folder.open(&name("bob"), Unlock::PasswordOnce(&password())) {
        Ok(wallet) => drop(wallet),
        Err(WalletError::NotFound { .. }) => {
            assert!(!done, "{fault:?}");
            drop(folder.create(&name("bob"), KeyKind::Words, &password()).expect("the name is free"));
        }
        Err(error) => panic!("{fault:?}: {error}"),
    });
}

#[test]
fn what_is_noted_is_there_whole_or_not_at_all() {
    let note = |folder: &WalletFolder| label(&mut open(folder, &password())?, "new");
    every_fault(note, |folder, done, fault| {
        let expected: &[&[&str]] = if done { &[&["new"]] } else { &[&["old"], &["new"]] };
        assert_sound(folder, &password(), fault, expected);
    });
}

/// A wallet that stays open while the disk fails goes on with the file that stands.
#[test]
fn a_wallet_goes_on_after_each_fault() {
    let fill = |folder: &WalletFolder| {
        let mut wallet = open(folder, &password()).expect("whole");
        (0..60).for_each(|number: u32| label(&mut wallet, &number.to_string()).expect("written"));
    };
    let note = |folder: &WalletFolder| {
        let mut wallet = open(folder, &password())?;
        for text in ["a", "b", "c", "d", "new"] {
            if label(&mut wallet, text).is_err() {
                FAULT.set(None);
                label(&mut wallet, text).expect("the disk works again");
            }
        }
        Ok(())
    };
    let steps = every_fault_after(fill, note, |folder, done, fault| {
        assert!(done, "{fault:?}");
        assert_sound(folder, &password(), fault, &[&["new"]]);
    });
    assert!(steps >= 5 * 3 + 5, "the log was made short in between");
}

#[test]
fn a_changed_password_holds_wholly_or_not_at_all() {
    let change = |folder: &WalletFolder| {
        let mut wallet = open(folder, &password())?;
        let changed = wallet.change_password_at_cost(&password(), &new_password(), crate::vault::KdfParams::cheap());
        FAULT.set(None);
        label(&mut wallet, "new").expect("the disk works again");
        changed
    };
    every_fault(change, |folder, done, fault| {
        let is_new = open(folder, &new_password()).is_ok();
        assert!(is_new || !done, "{fault:?}");
        let password = if is_new { new_password() } else { password() };
        match folder.open(&name("alice"), Unlock::ViewKey) {
            Ok(wallet) => drop(wallet),
            Err(WalletError::Locked { .. }) => {}
            Err(error) => panic!("{fault:?}: {error}"),
        }
        assert_sound(folder, &password, fault, &[&["new"]]);
    });
}

#[test]
fn a_renamed_wallet_has_one_name() {
    let rename = |folder: &WalletFolder| folder.rename(&name("alice"), &name("carol"));
    every_fault(rename, |folder, done, fault| {
        let stands = |one: &str| folder.path().join(format!("{one}.wallet")).exists();
        assert!(stands("alice") != stands("carol"), "{fault:?}");
        assert!(!done || stands("carol"), "{fault:?}");
        if stands("carol") {
            folder.rename(&name("carol"), &name("alice")).expect("the disk works again");
        }
        assert_sound(folder, &password(), fault, &[&["old"]]);
    });
}

#[test]
fn a_deleted_wallet_is_gone_or_stands() {
    let delete = |folder: &WalletFolder| folder.delete(&name("alice"));
    every_fault(delete, |folder, done, fault| {
        if folder.path().join("alice.wallet").exists() {
            assert!(!done, "{fault:?}");
            assert_sound(folder, &password(), fault, &[&["old"]]);
        } else {
            drop(folder.create(&name("alice"), KeyKind::Words, &password()).expect("the name is free"));
        }
    });
}

#[test]
fn a_backup_is_whole_or_not_there() {
    let back_up = |folder: &WalletFolder| open(folder, &password())?.back_up(&folder.path().join("alice.backup"));
    every_fault(back_up, |folder, done, fault| {
        let place = folder.path().join("alice.backup");
        if place.exists() {
            let backup = Backup::open(&place, &Network::demo(), &password()).expect("whole");
            let wallet = open(folder, &password()).expect("whole");
            assert_eq!(backup.differences(Some(&wallet)), [], "{fault:?}");
        } else {
            assert!(!done, "{fault:?}");
        }
        assert_sound(folder, &password(), fault, &[&["old"]]);
    });
}
