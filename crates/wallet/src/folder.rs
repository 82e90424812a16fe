//! The folder of wallets of one network.

use std::path::{Path, PathBuf};

use mycoin_primitives::Network;

use crate::error::WalletError;
use crate::name::WalletName;
use crate::password::Password;
use crate::wallet::Wallet;
use crate::words::RecoveryWords;

/// The wallets of one network: `<dir>/<network>/wallets`.
///
/// `<name>.wallet` is the sealed wallet, `<name>.view` the key that lets its owner look without the password (never sign),
/// `<name>.lock` keeps two programs from writing at once. All are 0600.
#[derive(Debug, Clone)]
pub struct WalletFolder {
    path: PathBuf,
    network: Network,
}

/// What a wallet's keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Recovery words (BIP39), taproot addresses (BIP86).
    Words,
    /// One RSA key, and one address that is used again and again.
    Rsa {
        /// 2048, 3072 or 4096.
        bits: u32,
    },
}

impl KeyKind {
    /// The size of an RSA key unless told otherwise.
    pub const DEFAULT_RSA_BITS: u32 = 3072;
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
        Self { path: path.into(), network }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The coin of its wallets.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The wallets in the folder, by name. A folder that does not exist holds none.
    ///
    /// # Errors
    ///
    /// [`WalletError::Files`] when the folder cannot be read or others can use it.
    pub fn list(&self) -> Result<Vec<WalletSummary>, WalletError> {
        todo!()
    }

    /// Makes a new wallet with new keys.
    ///
    /// # Errors
    ///
    /// [`WalletError::Exists`]; an existing file is never touched.
    pub fn create(&self, name: &WalletName, kind: KeyKind, password: &Password) -> Result<Created, WalletError> {
        let _ = (name, kind, password);
        todo!()
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
        let _ = (name, words, password);
        todo!()
    }

    /// Opens a wallet.
    ///
    /// # Errors
    ///
    /// [`WalletError::WrongPassword`], [`WalletError::Locked`] (no viewing key), [`WalletError::Damaged`], …
    pub fn open(&self, name: &WalletName, unlock: Unlock<'_>) -> Result<Wallet, WalletError> {
        let _ = (name, unlock);
        todo!()
    }

    /// Removes a wallet's viewing key: from now on its password is needed to look as well.
    ///
    /// # Errors
    ///
    /// [`WalletError::NotFound`].
    pub fn lock(&self, name: &WalletName) -> Result<(), WalletError> {
        let _ = name;
        todo!()
    }
}
