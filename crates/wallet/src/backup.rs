//! Backups: a wallet in one encrypted file, and the test that it would come back whole.
//!
//! In:    a wallet, a place for its copy; a copy and its password.
//! Out:   a file of its own, which is a wallet file and opens with the password that the wallet had then; what it holds, and
//!        how that differs from the wallet.
//! Never: a write over an existing file; anything in plain on disk.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::io::Read as _;
use std::path::Path;

use mycoin_files::{FilesError, Readers};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Height, Network};
use zeroize::Zeroizing;

use crate::disk::DISK;
use crate::error::WalletError;
use crate::file::{Records, Sealed};
use crate::folder::WalletFolder;
use crate::keys::KeyKind;
use crate::ledger::Balance;
use crate::name::WalletName;
use crate::password::Password;
use crate::secret;
use crate::wallet::Wallet;

/// A longer file is no backup of ours: ten thousand transactions take a few megabytes.
const LONGEST_BACKUP: u64 = 512 << 20;

/// A backup, opened in memory. Nothing of it is written anywhere.
pub struct Backup {
    wallet: Wallet,
    secret: Zeroizing<Vec<u8>>,
    records: Records,
    secret_fits: bool,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSummary {
    /// What its keys are.
    pub kind: KeyKind,
    /// Whether it signs: its secret is there and is that of its addresses.
    pub signs: bool,
    /// Its first address.
    pub first_address: Option<String>,
    /// The block up to which it knew the chain.
    pub height: Height,
    /// What it held then.
    pub balance: Balance,
    /// How many transactions it knows.
    pub transactions: usize,
    /// How many labels it keeps.
    pub labels: usize,
    /// How many contacts it keeps.
    pub contacts: usize,
    /// How many requests for payment it keeps.
    pub requests: usize,
}

/// How a backup differs from the wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupDifference {
    /// Its keys are other ones: it is the backup of another wallet.
    OtherKeys,
    /// Its signing secret is not that of its addresses.
    SecretDoesNotFit,
    /// It does not know transactions that the wallet knows. They come back from the chain.
    TransactionsMissing {
        /// How many.
        count: usize,
    },
    /// Addresses were handed out since. They come back once they are paid.
    AddressesMissing {
        /// How many.
        count: u32,
    },
    /// Notes that were made or changed since: only a newer backup keeps them.
    NotesMissing {
        /// Of what: "labels", "contacts", …
        what: &'static str,
        /// How many.
        count: usize,
    },
    /// Notes that stand in the backup alone, or otherwise there.
    NotesElsewhere {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
    },
}

impl BackupDifference {
    /// Whether the backup would not do: coins could not be spent with it. Else it is older than the wallet, and no more.
    pub const fn is_fatal(&self) -> bool {
        match self {
            Self::OtherKeys | Self::SecretDoesNotFit => true,
            Self::TransactionsMissing { .. }
            | Self::AddressesMissing { .. }
            | Self::NotesMissing { .. }
            | Self::NotesElsewhere { .. } => false,
        }
    }
}

impl Display for BackupDifference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherKeys => f.write_str("It holds the keys of another wallet."),
            Self::SecretDoesNotFit => f.write_str("Its signing secret is not that of its addresses."),
            Self::TransactionsMissing { count } => {
                write!(f, "It does not know {count} of the wallet's transactions; they come back from the chain.")
            }
            Self::AddressesMissing { count } => {
                write!(f, "{count} addresses were handed out since; they come back once they are paid.")
            }
            Self::NotesMissing { what, count } => {
                write!(f, "{count} {what} of the wallet do not stand in it; only a newer backup keeps them.")
            }
            Self::NotesElsewhere { what, count } => write!(f, "{count} {what} in it do not stand in the wallet."),
        }
    }
}

impl Wallet {
    /// Writes the wallet with all that was noted in it to one encrypted file of mode 0600, which opens with the wallet's
    /// password. The file is a wallet file.
    ///
    /// # Errors
    ///
    /// [`FilesError::Exists`]: an existing file is never touched.
    pub fn back_up(&self, to: &Path) -> Result<(), WalletError> {
        let bytes = self.file().copy_with(&self.snapshot()?)?;
        Ok(mycoin_files::create_whole_on(DISK, to, &bytes, Readers::Owner)?)
    }
}

/// Reads a file that others may read too: it is encrypted, and some media have no permissions.
fn read(path: &Path) -> Result<Vec<u8>, WalletError> {
    let failed = |source| FilesError::Io { action: "read", path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(FilesError::WrongKind { path: path.to_owned(), wanted: "regular file" }.into());
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_BACKUP).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

impl Backup {
    /// Opens a backup in memory.
    ///
    /// # Errors
    ///
    /// [`WalletError::WrongPassword`], [`WalletError::Damaged`], [`WalletError::OtherNetwork`], …
    pub fn open(path: &Path, network: &Network, password: &Password) -> Result<Self, WalletError> {
        let sealed = Sealed::parse(path, read(path)?)?;
        if sealed.header().genesis() != network.genesis.hash.to_byte_array() {
            return Err(WalletError::OtherNetwork { path: path.to_owned() });
        }
        let (file, records) = sealed.unlock(password)?;
        let secret = file.secret(password)?;
        let name = path.file_stem().and_then(|stem| WalletName::parse(stem.to_str()?).ok());
        let name = name.or_else(|| WalletName::parse("backup").ok());
        let name = name.ok_or(WalletError::Crypto { what: "naming the backup" })?;
        let wallet = Wallet::load(name, network.clone(), file, &records, None)?;
        let secret_fits = secret::fits(&secret, wallet.public_keys(), wallet.kind());
        Ok(Self { wallet, secret, records, secret_fits })
    }

    /// What it holds.
    pub fn summary(&self) -> BackupSummary {
        let notes = &self.wallet.notes;
        BackupSummary {
            kind: self.wallet.kind(),
            signs: self.wallet.can_sign() && self.secret_fits,
            first_address: self.wallet.first_address(),
            height: self.wallet.tip(),
            balance: self.wallet.balance(),
            transactions: self.wallet.ledger.transactions().len(),
            labels: notes.labels.len(),
            contacts: notes.contacts.len(),
            requests: notes.requests.len(),
        }
    }

    /// What is wrong with it by itself, and where it differs from `wallet`. Empty when it would bring back all of it.
    pub fn differences(&self, wallet: Option<&Wallet>) -> Vec<BackupDifference> {
        let mut found = Vec::new();
        if !self.secret_fits {
            found.push(BackupDifference::SecretDoesNotFit);
        }
        let Some(wallet) = wallet else { return found };
        if self.wallet.kind() != wallet.kind() || self.wallet.public_keys() != wallet.public_keys() {
            found.push(BackupDifference::OtherKeys);
            return found;
        }
        let transactions = wallet.ledger.transactions();
        match transactions.iter().filter(|entry| !self.wallet.ledger.knows(entry.txid)).count() {
            0 => {}
            count => found.push(BackupDifference::TransactionsMissing { count }),
        }
        let (then, now) = (self.wallet.keyring.revealed(), wallet.keyring.revealed());
        let handed_out =
            |revealed: &BTreeMap<_, u32>| revealed.values().map(|last| last.saturating_add(1)).sum::<u32>();
        match handed_out(&now).saturating_sub(handed_out(&then)) {
            0 => {}
            count => found.push(BackupDifference::AddressesMissing { count }),
        }
        let (then, now) = (self.wallet.notes.snapshot(), wallet.notes.snapshot());
        found.extend(compare("labels", &then.labels, &now.labels));
        found.extend(compare("contacts", &then.contacts, &now.contacts));
        found.extend(compare("requests for payment", &then.requests, &now.requests));
        found.extend(compare("frozen coins", &then.frozen, &now.frozen));
        found.extend(compare("payments that were given up", &then.abandoned, &now.abandoned));
        found
    }

    /// The wallet as it would be restored.
    pub fn wallet(&self) -> &Wallet {
        &self.wallet
    }
}

fn compare<K: Ord, V: PartialEq>(
    what: &'static str,
    then: &BTreeMap<K, V>,
    now: &BTreeMap<K, V>,
) -> impl Iterator<Item = BackupDifference> {
    let missing = now.iter().filter(|(key, value)| then.get(key) != Some(value)).count();
    let elsewhere = then.iter().filter(|(key, value)| now.get(key) != Some(value)).count();
    let missing = (missing > 0).then_some(BackupDifference::NotesMissing { what, count: missing });
    let elsewhere = (elsewhere > 0).then_some(BackupDifference::NotesElsewhere { what, count: elsewhere });
    missing.into_iter().chain(elsewhere)
}

impl WalletFolder {
    /// Makes a wallet of a backup, with all that was noted in it, under `password`.
    ///
    /// # Errors
    ///
    /// [`WalletError::Exists`]; an existing file is never touched.
    pub fn restore_backup(
        &self,
        name: &WalletName,
        backup: &Backup,
        password: &Password,
    ) -> Result<Wallet, WalletError> {
        self.create_from_records(name, backup.wallet.kind(), password, &backup.secret, &backup.records)
    }
}

impl Wallet {
    /// The first address that it hands out.
    pub fn first_address(&self) -> Option<String> {
        self.first_addresses(1).pop()
    }

    /// The first addresses that it hands out, used or not, to be compared with what another program shows. A wallet of one
    /// address has one.
    pub fn first_addresses(&self, count: u32) -> Vec<String> {
        use crate::keyring::{Keychain, Origin};
        let script = |index| self.keyring.script_at(Origin { keychain: Keychain::External, index });
        let address = |index| mycoin_primitives::address_of(&script(index)?, self.network());
        (0..count).map_while(address).collect()
    }

    /// The recovery words and the passphrase beside them.
    ///
    /// # Errors
    ///
    /// [`WalletError::WrongPassword`]; [`WalletError::NoWords`] in a wallet whose keys are not of words.
    pub fn words(
        &self,
        password: &Password,
    ) -> Result<(crate::words::RecoveryWords, crate::passphrase::Passphrase), WalletError> {
        match self.kind() {
            KeyKind::Words | KeyKind::WordsFor { .. } | KeyKind::Multisig { .. } => {
                secret::words(&self.secret(password)?)
            }
            _ => Err(WalletError::NoWords),
        }
    }
}
