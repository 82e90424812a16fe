//! Keyrings, the encrypted wallet file, payments.
//!
//! In:    a password, recovery words, what a proxy tells of our scripts, what a person wants to pay.
//! Out:   addresses, a balance, a history, signed transactions; one sealed file per wallet.
//! Never: a secret in an error, a log or in plain on disk; a signature without the password; a file over an existing one.
//!
//! ```text
//! folder ── file ── vault          which wallets there are; the sealed log; its cryptography
//!    │
//! wallet ─┬─ keyring               which scripts are ours (words: BIP86; RSA: one key)
//!         ├─ ledger ── history     transactions and the chain that confirms them: coins, balance, entries
//!         ├─ sync                  what proxies tell, proven, into the ledger
//!         └─ payment ── select, sign
//! ```
//!
//! Start at [`WalletFolder`], then [`Wallet`].

mod addresses;
mod balance;
mod error;
mod file;
mod folder;
mod history;
mod keyring;
mod ledger;
mod name;
mod password;
mod payment;
mod select;

mod sync;
#[cfg(test)]
mod tests;
mod vault;
mod wallet;
mod words;

pub use addresses::AddressEntry;
pub use balance::{BalanceKind, BalancePart};
pub use error::{PaymentError, SyncError, WalletError};
pub use folder::{Created, KeyKind, Unlock, WalletFolder, WalletSummary};
pub use history::{EntryKind, EntryState, HistoryEntry};
pub use ledger::Balance;
pub use name::{NameError, WalletName};
pub use password::{Password, PasswordError};
pub use payment::{DEFAULT_FEE_TARGET, Draft, FeeChoice, PaymentRequest, Review, Warning};
pub use sync::{OnProgress, SyncProgress, SyncReport, SyncWarning};
pub use wallet::{OwnAddress, ReceiveAddress, Wallet};
pub use words::{RecoveryWords, WordsError};
