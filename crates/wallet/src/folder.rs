//! The folder of wallets of one network.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use mycoin_files::{FilesError, FolderLock, Readers};
use mycoin_primitives::Network;
use mycoin_primitives::hashes::{Hash as _, sha256};
use zeroize::Zeroizing;

use crate::error::WalletError;
use crate::file::{Header, Sealed, WalletFile};
use crate::keys::{KeyKind, ScriptKind, WalletKeys};
use crate::keys_error::KeysError;
use crate::name::WalletName;
use crate::passphrase::Passphrase;
use crate::password::Password;
use crate::vault::{KdfParams, Key};
use crate::wallet::{self, Wallet};
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
    /// By its password; this also writes the viewing key again.
    Password(&'a Password),
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
        let locked = !self.file(&name, "view").exists();
        WalletSummary { name, kind, path, locked }
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
        mycoin_files::ensure_private_dir(&self.path)?;
        self.refuse_existing(name)?;
        let lock = self.take_lock(name)?;
        let records = wallet::first_records(&keys.public)?;
        let path = self.file(name, "wallet");
        let genesis = self.network.genesis.hash.to_byte_array();
        let file = WalletFile::create(&path, keys.kind, genesis, self.kdf, password, &keys.secret, &records).map_err(
            |error| match error {
                WalletError::Files(FilesError::Exists { .. }) => WalletError::Exists { name: name.clone() },
                other => other,
            },
        )?;
        let wallet =
            write_view_key(&file).and_then(|()| Wallet::load(name.clone(), self.network.clone(), file, &records, lock));
        if wallet.is_err() {
            // Its words were never shown. It is the file that was made a moment ago, in a place that was free.
            let _ = fs::remove_file(&path);
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
                write_view_key(&file)?;
                (file, records)
            }
            Unlock::ViewKey => {
                let key = read_view_key(&self.file(name, "view"), sealed.header())?;
                sealed.unlock_with(key.ok_or_else(|| WalletError::Locked { name: name.clone() })?)?
            }
        };
        Wallet::load(name.clone(), self.network.clone(), file, &records, lock)
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
        let path = self.file(name, "view");
        match fs::remove_file(&path) {
            Ok(()) => Ok(mycoin_files::sync_parent(&path)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(source) => Err(FilesError::Io { action: "remove", path, source }.into()),
        }
    }
}

const VIEW_MAGIC: &[u8; 8] = b"MYCOINV\0";
const VIEW_HASHED: usize = 8 + 16 + 32;

/// Writes the viewing key beside its wallet: magic 8, the header's salt 16, data key 32, SHA-256 of these cut to 8.
pub(crate) fn write_view_key(file: &WalletFile) -> Result<(), WalletError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(VIEW_HASHED + 8));
    bytes.extend_from_slice(VIEW_MAGIC);
    bytes.extend_from_slice(&file.header().salt());
    bytes.extend_from_slice(file.data_key().as_slice());
    let hash = sha256::Hash::hash(&bytes);
    bytes.extend(hash.as_byte_array().iter().take(8));
    Ok(mycoin_files::replace(&file.path().with_extension("view"), &bytes, Readers::Owner)?)
}

/// The viewing key beside a wallet; `None` when there is none, it is damaged, or it is of an older password.
fn read_view_key(path: &Path, header: &Header) -> Result<Option<Key>, WalletError> {
    let bytes = match mycoin_files::read_private(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(FilesError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some((hashed, hash)) = bytes.split_at_checked(VIEW_HASHED) else { return Ok(None) };
    let whole = sha256::Hash::hash(hashed).as_byte_array().get(..8) == Some(hash);
    let salt = header.salt();
    let key = hashed.strip_prefix(VIEW_MAGIC).and_then(|rest| rest.strip_prefix(salt.as_slice())).filter(|_| whole);
    Ok(key.and_then(|key| key.try_into().ok()).map(Zeroizing::new))
}
