//! The folder of wallets of one network.

mod manage;
pub(crate) mod view_key;

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mycoin_files::{FilesError, FolderLock};
use mycoin_primitives::Network;
use mycoin_primitives::hashes::Hash as _;

use crate::disk::DISK;
use crate::error::WalletError;
use crate::file::{Header, Records, Sealed, WalletFile};
use crate::keys::{KeyKind, ScriptKind, WalletKeys};
use crate::keys_error::KeysError;
use crate::name::WalletName;
use crate::passphrase::Passphrase;
use crate::password::Password;
use crate::vault::KdfParams;
use crate::wallet::{self, Wallet, now};
use crate::words::RecoveryWords;

/// The wallets of one network: `<dir>/<network>/wallets`.
///
/// `<name>.wallet` is the sealed wallet, `<name>.view` the key that lets its owner look without the password (never sign),
/// `<name>.lock` keeps two programs from writing at once. All are 0600.
#[derive(Debug, Clone)]
pub struct WalletFolder {
    path: PathBuf,
    network: Network,
    kdf: KdfParams,
}

/// How to open a wallet.
#[derive(Clone, Copy)]
pub enum Unlock<'a> {
    /// By its password; this also writes the viewing key, unless there is one that ends by itself.
    Password(&'a Password),
    /// By its password, this once: whether it can be looked at without stays as it is.
    PasswordOnce(&'a Password),
    /// By the viewing key beside it.
    ViewKey,
}

/// A new wallet.
pub struct Created {
    /// The wallet, open.
    pub wallet: Wallet,
    /// The words to write down; `None` for RSA.
    pub words: Option<RecoveryWords>,
}

/// A wallet file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletSummary {
    /// Its name.
    pub name: WalletName,
    /// What its keys are; `None` when its first bytes are not a wallet's.
    pub kind: Option<KeyKind>,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it must be opened with the password because there is no viewing key.
    pub locked: bool,
    /// When it locks itself; seconds since 1970. `None` when it is locked, or open until somebody locks it.
    pub locks_at: Option<u64>,
}

impl WalletFolder {
    /// The folder at `path`. Nothing is read or made yet.
    pub fn at(path: impl Into<PathBuf>, network: Network) -> Self {
        Self { path: path.into(), network, kdf: KdfParams::STANDARD }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The coin of its wallets.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The same folder with password hashing that costs nothing, for tests that are not about it.
    #[cfg(test)]
    pub(crate) fn with_cheap_passwords(self) -> Self {
        Self { kdf: KdfParams::cheap(), ..self }
    }

    /// The wallets in the folder, by name. A folder that does not exist holds none.
    ///
    /// # Errors
    ///
    /// [`WalletError::Files`] when the folder cannot be read or others can use it.
    pub fn list(&self) -> Result<Vec<WalletSummary>, WalletError> {
        let failed = |source| FilesError::Io { action: "read", path: self.path.clone(), source };
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error).into()),
        };
        mycoin_files::ensure_private_dir(&self.path)?;
        let mut found = Vec::new();
        for entry in entries {
            let file_name = entry.map_err(failed)?.file_name();
            let name = file_name.to_str().and_then(|name| name.strip_suffix(".wallet"));
            if let Some(name) = name.and_then(|name| WalletName::parse(name).ok()) {
                found.push(self.summary(name));
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn summary(&self, name: WalletName) -> WalletSummary {
        let path = self.file(&name, "wallet");
        let mut bytes = Vec::new();
        let read = mycoin_files::open_private(&path, false).ok().map(|file| file.take(4096).read_to_end(&mut bytes));
        let kind = read.and_then(|_| Header::read(&bytes).ok()).map(|header| header.kind());
        let view = view_key::ViewKey::read(&path).ok().flatten().filter(|view| view.counts(now()));
        WalletSummary { name, kind, path, locked: view.is_none(), locks_at: view.and_then(|view| view.until) }
    }

    fn file(&self, name: &WalletName, ending: &str) -> PathBuf {
        self.path.join(format!("{name}.{ending}"))
    }

    /// Makes a new wallet with new keys.
    ///
    /// # Errors
    ///
    /// [`WalletError::Exists`]; an existing file is never touched.
    pub fn create(&self, name: &WalletName, kind: KeyKind, password: &Password) -> Result<Created, WalletError> {
        match kind {
            KeyKind::Words => {
                let words = RecoveryWords::generate()?;
                let wallet = self.create_from_words(name, &words, password)?;
                Ok(Created { wallet, words: Some(words) })
            }
            KeyKind::WordsFor { scripts } => {
                let words = RecoveryWords::generate()?;
                let keys = WalletKeys::from_words(&words, &Passphrase::none(), scripts, 0, &self.network)?;
                Ok(Created { wallet: self.create_from_keys(name, &keys, password)?, words: Some(words) })
            }
            KeyKind::Rsa { bits } => {
                self.refuse_existing(name)?; // Before the long search for primes.
                let keys = WalletKeys::new_rsa(bits, &self.network)?;
                Ok(Created { wallet: self.create_from_keys(name, &keys, password)?, words: None })
            }
            // These are made of keys that somebody gives.
            KeyKind::Multisig { .. } | KeyKind::Descriptor | KeyKind::Token { .. } | KeyKind::WatchOnly => {
                Err(KeysError::Empty.into())
            }
        }
    }

    /// Makes a wallet from recovery words: new ones that were shown before, or an old wallet's to restore it.
    ///
    /// # Errors
    ///
    /// [`WalletError::Exists`]; an existing file is never touched.
    pub fn create_from_words(
        &self,
        name: &WalletName,
        words: &RecoveryWords,
        password: &Password,
    ) -> Result<Wallet, WalletError> {
        let keys = WalletKeys::from_words(words, &Passphrase::none(), ScriptKind::Taproot, 0, &self.network)?;
        self.create_from_keys(name, &keys, password)
    }

    fn refuse_existing(&self, name: &WalletName) -> Result<(), WalletError> {
        match fs::symlink_metadata(self.file(name, "wallet")) {
            Ok(_) => Err(WalletError::Exists { name: name.clone() }),
            Err(_) => Ok(()), // Whatever else is wrong shows when the file is made, which never goes over another.
        }
    }

    /// Makes a wallet of these keys.
    ///
    /// # Errors
    ///
    /// [`WalletError::Exists`]; an existing file is never touched.
    pub fn create_from_keys(
        &self,
        name: &WalletName,
        keys: &WalletKeys,
        password: &Password,
    ) -> Result<Wallet, WalletError> {
        let records = wallet::first_records(&keys.public)?;
        self.create_from_records(name, keys.kind, password, &keys.secret, &records)
    }

    /// Makes a wallet of what is to stand in its file.
    pub(crate) fn create_from_records(
        &self,
        name: &WalletName,
        kind: KeyKind,
        password: &Password,
        secret: &[u8],
        records: &Records,
    ) -> Result<Wallet, WalletError> {
        mycoin_files::ensure_private_dir(&self.path)?;
        self.refuse_existing(name)?;
        let lock = self.take_lock(name)?;
        let path = self.file(name, "wallet");
        // Left by a program that was stopped while it made a wallet of that name.
        mycoin_files::remove_on(DISK, &self.file(name, "wallet.part"))?;
        let genesis = self.network.genesis.hash.to_byte_array();
        let file =
            WalletFile::create(&path, kind, genesis, self.kdf, password, secret, records).map_err(
                |error| match error {
                    WalletError::Files(FilesError::Exists { .. }) => WalletError::Exists { name: name.clone() },
                    other => other,
                },
            )?;
        let wallet = view_key::write(&file, None)
            .and_then(|()| Wallet::load(name.clone(), self.network.clone(), file, records, Some(lock)));
        if wallet.is_err() {
            // Its words were never shown. It is the file that was made a moment ago, in a place that was free.
            let _ = DISK.remove(&path);
        }
        wallet
    }

    fn take_lock(&self, name: &WalletName) -> Result<FolderLock, WalletError> {
        FolderLock::take(&self.path, &format!("{name}.lock")).map_err(|error| match error {
            FilesError::Locked { .. } => WalletError::InUse { name: name.clone() },
            other => other.into(),
        })
    }

    /// Opens a wallet.
    ///
    /// # Errors
    ///
    /// [`WalletError::WrongPassword`], [`WalletError::Locked`] (no viewing key), [`WalletError::Damaged`], …
    pub fn open(&self, name: &WalletName, unlock: Unlock<'_>) -> Result<Wallet, WalletError> {
        let path = self.file(name, "wallet");
        if let Err(error) = fs::symlink_metadata(&path)
            && error.kind() == ErrorKind::NotFound
        {
            return Err(WalletError::NotFound { name: name.clone() });
        }
        mycoin_files::ensure_private_dir(&self.path)?;
        let lock = self.take_lock(name)?;
        let sealed = Sealed::read(&path)?;
        if sealed.header().genesis() != self.network.genesis.hash.to_byte_array() {
            return Err(WalletError::OtherNetwork { path });
        }
        let (file, records) = match unlock {
            Unlock::Password(password) => {
                let (file, records) = sealed.unlock(password)?;
                let view = view_key::ViewKey::read(&path).ok().flatten().filter(|view| view.counts(now()));
                let ends_by_itself = view.as_ref().is_some_and(|view| view.until.is_some());
                if !ends_by_itself || view.and_then(|view| view.key_of(file.header())).is_none() {
                    view_key::write(&file, None)?;
                }
                (file, records)
            }
            Unlock::PasswordOnce(password) => sealed.unlock(password)?,
            Unlock::ViewKey => {
                let view = view_key::ViewKey::read(&path)?;
                if view.as_ref().is_some_and(|view| !view.counts(now())) {
                    view_key::remove(&path)?;
                }
                let key = view.filter(|view| view.counts(now())).and_then(|view| view.key_of(sealed.header()));
                sealed.unlock_with(key.ok_or_else(|| WalletError::Locked { name: name.clone() })?)?
            }
        };
        Wallet::load(name.clone(), self.network.clone(), file, &records, Some(lock))
    }

    /// Lets a wallet be looked at without its password, for so long or until it is locked.
    ///
    /// # Errors
    ///
    /// [`WalletError::WrongPassword`], …
    pub fn unlock(&self, name: &WalletName, password: &Password, length: Option<Duration>) -> Result<(), WalletError> {
        let wallet = self.open(name, Unlock::PasswordOnce(password))?;
        view_key::write(wallet.file(), length.map(|length| now().saturating_add(length.as_secs())))
    }

    /// Removes a wallet's viewing key: from now on its password is needed to look as well.
    ///
    /// # Errors
    ///
    /// [`WalletError::NotFound`].
    pub fn lock(&self, name: &WalletName) -> Result<(), WalletError> {
        if !self.file(name, "wallet").exists() {
            return Err(WalletError::NotFound { name: name.clone() });
        }
        view_key::remove(&self.file(name, "wallet"))
    }
}
