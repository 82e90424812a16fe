//! Which scripts are ours, and how to sign for them.
//!
//! In:    what the wallet file says of its keys (public parts); to sign, the secret for the length of one call.
//! Out:   scripts, what spending them weighs, witnesses.
//! Never: a secret that stays.

#[cfg(test)]
mod bip_vectors;
mod rsa;
mod words;

use std::collections::BTreeMap;

use mycoin_primitives::{Network, Script, ScriptBuf, Transaction, TxOut};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::WalletError;
use crate::folder::KeyKind;
use crate::words::RecoveryWords;
pub(crate) use rsa::RsaKeyring;
pub(crate) use words::WordsKeyring;

/// How many addresses in a row may stay unused before a search ends. Source: BIP44.
pub(crate) const GAP_LIMIT: u32 = 20;

/// Which of the two chains of keys a script belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Keychain {
    /// Addresses that are handed out.
    External,
    /// Change. An RSA wallet has none of its own.
    Internal,
}

/// Where one of our scripts stands among our keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Origin {
    pub(crate) keychain: Keychain,
    pub(crate) index: u32,
}

impl Origin {
    /// The only place in an RSA wallet.
    pub(crate) const FIRST: Self = Self { keychain: Keychain::External, index: 0 };
}

/// What the wallet file keeps of the keys for looking: enough for every address, nothing that signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PublicKeys {
    /// Output descriptors with extended public keys.
    Words { external: String, internal: String },
    /// The public key, DER SubjectPublicKeyInfo.
    Rsa { spki: Vec<u8> },
}

/// New keys: the part that the log keeps, and the secret that is sealed under the password.
pub(crate) struct NewKeys {
    pub(crate) public: PublicKeys,
    pub(crate) secret: Zeroizing<Vec<u8>>,
}

/// The wallet's scripts.
pub(crate) enum Keyring {
    Words(Box<WordsKeyring>),
    Rsa(RsaKeyring),
}

impl NewKeys {
    pub(crate) fn from_words(words: &RecoveryWords, network: &Network) -> Result<Self, WalletError> {
        let public = words::public_keys(words, network.slip44)?;
        Ok(Self { public, secret: Zeroizing::new(words.entropy().to_vec()) })
    }

    pub(crate) fn new_rsa(bits: u32, network: &Network) -> Result<Self, WalletError> {
        if !network.rsa {
            return Err(WalletError::RsaNotAllowed { bits });
        }
        rsa::generate(bits)
    }
}

impl Keyring {
    /// The keyring of a wallet file; `None` when the record does not fit the file's kind or cannot be understood.
    pub(crate) fn open(public: &PublicKeys, kind: KeyKind) -> Option<Self> {
        match (public, kind) {
            (PublicKeys::Words { external, internal }, KeyKind::Words) => {
                WordsKeyring::open(external, internal).map(Box::new).map(Self::Words)
            }
            (PublicKeys::Rsa { spki }, KeyKind::Rsa { bits }) => RsaKeyring::open(spki, bits).map(Self::Rsa),
            (PublicKeys::Words { .. }, KeyKind::Rsa { .. }) | (PublicKeys::Rsa { .. }, KeyKind::Words) => None,
        }
    }

    /// Whose script that is; `None` when it is not ours.
    pub(crate) fn origin(&self, script: &Script) -> Option<Origin> {
        match self {
            Self::Words(keys) => keys.origin(script),
            Self::Rsa(keys) => (keys.script() == script).then_some(Origin::FIRST),
        }
    }

    /// Takes note of a transaction: the scripts that it pays count as used.
    pub(crate) fn note(&mut self, tx: &Transaction) {
        match self {
            Self::Words(keys) => keys.note(tx),
            Self::Rsa(keys) => keys.note(tx),
        }
    }

    /// Notes that addresses up to these were handed out.
    pub(crate) fn reveal(&mut self, revealed: &BTreeMap<Keychain, u32>) {
        if let Self::Words(keys) = self {
            keys.reveal(revealed);
        }
    }

    /// Up to where addresses were handed out.
    pub(crate) fn revealed(&self) -> BTreeMap<Keychain, u32> {
        match self {
            Self::Words(keys) => keys.revealed(),
            Self::Rsa(_) => BTreeMap::new(),
        }
    }

    /// The first script of the keychain that nothing was ever paid to.
    pub(crate) fn next_unused(&self, keychain: Keychain) -> Option<(Origin, ScriptBuf)> {
        match self {
            Self::Words(keys) => keys.next_unused(keychain),
            Self::Rsa(keys) => Some((Origin::FIRST, keys.script().to_owned())),
        }
    }

    /// The scripts that were handed out, and whether anything was paid to them.
    pub(crate) fn handed_out(&self) -> Vec<(u32, ScriptBuf, bool)> {
        match self {
            Self::Words(keys) => keys.handed_out(),
            Self::Rsa(keys) => vec![(0, keys.script().to_owned(), keys.is_used())],
        }
    }

    /// The script at that place, handed out or not.
    pub(crate) fn script_at(&self, origin: Origin) -> Option<ScriptBuf> {
        match self {
            Self::Words(keys) => keys.script_at(origin),
            Self::Rsa(keys) => (origin == Origin::FIRST).then(|| keys.script().to_owned()),
        }
    }

    /// What the witness of one of our coins weighs, its item count included.
    pub(crate) fn witness_weight(&self) -> u64 {
        match self {
            // One item: a Schnorr signature under SIGHASH_DEFAULT.
            Self::Words(_) => 1 + 1 + 64,
            Self::Rsa(keys) => keys.witness_weight(),
        }
    }

    /// Signs all inputs of `tx`, which spend `spent`, found at `origins`, in input order.
    pub(crate) fn sign(
        &self,
        tx: &Transaction,
        spent: &[TxOut],
        origins: &[Origin],
        secret: &[u8],
    ) -> Result<Transaction, WalletError> {
        match self {
            Self::Words(keys) => keys.sign(tx, spent, origins, secret),
            Self::Rsa(keys) => keys.sign(tx, spent, secret),
        }
    }
}
