//! Keyrings, the encrypted wallet file, payments.
//!
//! In:    a password, recovery words, what a proxy tells of our scripts, what a person wants to pay.
//! Out:   addresses, a balance, a history, signed transactions; one sealed file per wallet.
//! Never: a secret in an error, a log or in plain on disk; a signature without the password; a file over an existing one.
//!
//! ```text
//! folder ── file ── vault          which wallets there are; the sealed log; its cryptography
//!    │
//! wallet ─┬─ keyring               which scripts are ours (descriptors, one RSA key, one address)
//!         ├─ ledger ── history     transactions and the chain that confirms them: coins, balance, entries
//!         ├─ notes                  labels, contacts, requests, what is frozen or given up
//!         ├─ sync                  what proxies tell, proven, into the ledger
//!         └─ payment ── select     what a payment spends and costs
//!            └─ psbt               its signatures, from here and elsewhere
//! keys ── words, passphrase, extended_key, rsa_key       what new wallets are made of
//! ```
//!
//! Start at [`WalletFolder`], then [`Wallet`].

mod abandon;
mod addresses;
mod backup;
mod balance;
mod bip329;
mod bump;
mod checks;
mod coins;
mod contacts;
mod contacts_file;
mod csv;
mod csv_payments;
mod detail;
mod disk;
mod doctor;
mod error;
mod export;
mod export_history;
mod extended_key;
mod file;
mod fix_error;
mod folder;
mod history;
mod keyring;
mod keys;
mod keys_error;
mod labels;
mod ledger;
mod memory;
mod messages;
mod name;
mod notes;
mod passphrase;
mod password;
mod payment;
mod pick;
mod psbt;
mod publish;
mod recipients;
mod requests;
mod restore;
mod review;
mod rsa_key;
mod search;
mod secret;
mod select;
mod signer;
mod strength;
mod sync;
#[cfg(test)]
mod tests;
mod text;
mod token;
mod uri;
mod vault;
mod wallet;
mod words;

pub use abandon::FreezeError;
pub use addresses::AddressEntry;
pub use backup::{Backup, BackupDifference, BackupSummary};
pub use balance::{BalanceKind, BalancePart};
pub use bip329::{BadRecord, LABELS_LIMIT, LabelsError, LabelsImported};
pub use checks::Warning;
pub use coins::CoinEntry;
pub use contacts::ContactError;
pub use contacts_file::{CONTACTS_LIMIT, ContactsError};
pub use csv_payments::{BadLine, CsvError};
pub use detail::{DetailPart, Owner, TransactionDetail};
pub use doctor::{Diagnosis, Reason, Remedy, Standing};
pub use error::{PaymentError, Shortage, SyncError, WalletError};
pub use extended_key::ExtendedKey;
pub use fix_error::FixError;
pub use folder::{Created, Unlock, WalletFolder, WalletSummary};
pub use history::{EntryKind, EntryState, HistoryEntry};
pub use keys::{KeyKind, ScriptKind, WalletKeys, cosigner_key};
pub use keys_error::KeysError;
pub use labels::LabelError;
pub use ledger::{Balance, CoinState};
pub use memory::keep_secrets_from_core_files;
pub use messages::{MessageError, verify_message};
pub use name::{NameError, WalletName};
pub use notes::{Contact, Labelled, Request};
pub use passphrase::Passphrase;
pub use password::{Password, PasswordError};
pub use payment::{DEFAULT_FEE_TARGET, Draft, FeeChoice, FeePreset, PaymentRequest};
pub use psbt::{OutputRole, Psbt, PsbtError, PsbtInput, PsbtOutput, PsbtReview, PsbtWarning, SignedPsbt};
pub use publish::PublishError;
pub use recipients::{PayAmount, Recipient, RecipientError};
pub use requests::{NewRequest, RequestEntry, RequestError, RequestState};
pub use restore::{AccountUse, Doctor, Examined, FoundAccount, OnLooked};
pub use review::{Paid, Review, Spent};
pub use rsa_key::{RsaKey, RsaKeyError};
pub use search::HistoryFilter;
pub use signer::Signer;
pub use strength::{Strength, StrengthLevel};
pub use sync::{OnProgress, SyncProgress, SyncReport, SyncWarning};
pub use text::TextError;
pub use token::{Pin, TokenError, TokenPlace, TokenSession};
pub use uri::{PaymentUri, UriError};
pub use wallet::{OwnAddress, ReceiveAddress, Wallet};
pub use words::{RecoveryWords, WordCount, WordsError};
