//! An open wallet.

use mycoin_primitives::{Height, Network, Transaction};

use crate::error::WalletError;
use crate::folder::KeyKind;
use crate::history::HistoryEntry;
use crate::ledger::Balance;
use crate::name::WalletName;
use crate::password::Password;

/// An open wallet: it can show everything; to sign it asks for the password each time.
///
/// While it is open no other program can open it. Every change is on disk when the call that made it returns.
pub struct Wallet {
    name: WalletName,
    kind: KeyKind,
    network: Network,
}

/// An address to receive coins at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiveAddress {
    /// The address.
    pub address: String,
    /// Its place in the keychain; always 0 in an RSA wallet.
    pub index: u32,
}

/// One of the wallet's receiving addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAddress {
    /// The address.
    pub address: String,
    /// Its place in the keychain.
    pub index: u32,
    /// Whether coins ever came to it.
    pub used: bool,
}

impl Wallet {
    /// Its name.
    pub fn name(&self) -> &WalletName {
        &self.name
    }

    /// What its keys are.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The coin that it holds.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The height up to which the wallet knows the chain; 0 before the first synchronisation.
    pub fn tip(&self) -> Height {
        todo!()
    }

    /// The first address that never received a coin. It stays the same until it does. An RSA wallet has one address.
    ///
    /// # Errors
    ///
    /// [`WalletError::Files`] when a new address could not be noted in the file.
    pub fn next_address(&mut self) -> Result<ReceiveAddress, WalletError> {
        todo!()
    }

    /// Every receiving address that was handed out, oldest first.
    pub fn addresses(&self) -> Vec<OwnAddress> {
        todo!()
    }

    /// What the wallet holds.
    pub fn balance(&self) -> Balance {
        todo!()
    }

    /// What happened, newest first.
    pub fn history(&self) -> Vec<HistoryEntry> {
        todo!()
    }

    /// Whether the password is right.
    ///
    /// # Errors
    ///
    /// [`WalletError::WrongPassword`].
    pub fn check_password(&self, password: &Password) -> Result<(), WalletError> {
        let _ = password;
        todo!()
    }

    /// Protects the file by a new password. The old file is replaced at once or not at all.
    ///
    /// # Errors
    ///
    /// [`WalletError::WrongPassword`] for the old one.
    pub fn change_password(&mut self, old: &Password, new: &Password) -> Result<(), WalletError> {
        let _ = (old, new);
        todo!()
    }

    /// Notes a transaction that was just sent, so that it shows at once and its coins are not spent again.
    ///
    /// # Errors
    ///
    /// [`WalletError::Files`] when it could not be written; the transaction is sent all the same.
    pub fn note_sent(&mut self, tx: &Transaction) -> Result<(), WalletError> {
        let _ = tx;
        todo!()
    }
}
