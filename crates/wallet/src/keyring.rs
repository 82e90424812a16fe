//! Which scripts are ours, and how to sign for them.
//!
//! In:    what the wallet file says of its keys (public parts); to sign, the secret for the length of one call.
//! Out:   scripts, what spending them weighs, signatures in a PSBT.
//! Never: a secret that stays.

#[cfg(test)]
mod bip_vectors;
mod descriptors;
mod fixed;
mod rsa;

use std::collections::BTreeMap;

use mycoin_primitives::bitcoin::bip32::KeySource;
use mycoin_primitives::{Script, ScriptBuf, Transaction};
use serde::{Deserialize, Serialize};

use crate::keys::KeyKind;
use crate::token::TokenPlace;
pub(crate) use descriptors::{DescriptorKeyring, has_sound_keys};
pub(crate) use fixed::{FixedKeyring, usual_spending_weight};
pub(crate) use rsa::{RsaKeyring, RsaPair, RsaSigner, generate as generate_rsa, sign as sign_rsa};

/// How many addresses in a row may stay unused before a search ends. Source: BIP44.
pub(crate) const GAP_LIMIT: u32 = 20;

/// Which of the two chains of keys a script belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Keychain {
    /// Addresses that are handed out.
    External,
    /// Change. A wallet of one address has none of its own.
    Internal,
}

/// Where one of our scripts stands among our keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Origin {
    pub(crate) keychain: Keychain,
    pub(crate) index: u32,
}

impl Origin {
    /// The only place in a wallet of one address.
    pub(crate) const FIRST: Self = Self { keychain: Keychain::External, index: 0 };
}

/// What the wallet file keeps of the keys for looking: enough for every address, nothing that signs.
///
/// The names are those of the file: the first two stand in files of version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PublicKeys {
    /// Output descriptors with extended public keys: taproot from words.
    Words { external: String, internal: String },
    /// The public key, DER SubjectPublicKeyInfo.
    Rsa { spki: Vec<u8> },
    /// Any other output descriptors, and whether the file holds a secret that signs for them.
    Descriptors { external: String, internal: Option<String>, signs: bool },
    /// One script whose key is not known.
    Script { script: ScriptBuf },
    /// The public key of a key on a token, DER SubjectPublicKeyInfo, and where the token is.
    Token { spki: Vec<u8>, place: TokenPlace },
}

/// The wallet's scripts.
pub(crate) enum Keyring {
    Descriptors(Box<DescriptorKeyring>),
    Rsa(RsaKeyring),
    Fixed(FixedKeyring),
}

impl PublicKeys {
    /// Whether the wallet file holds a secret for them, in a wallet of that kind.
    pub(crate) const fn signs(&self, kind: KeyKind) -> bool {
        match self {
            Self::Words { .. } => true,
            Self::Rsa { .. } => matches!(kind, KeyKind::Rsa { .. }),
            Self::Descriptors { signs, .. } => *signs,
            Self::Script { .. } => false,
            Self::Token { .. } => true,
        }
    }
}

impl Keyring {
    /// The keyring of a wallet file; `None` when the record does not fit the file's kind or cannot be understood.
    pub(crate) fn open(public: &PublicKeys, kind: KeyKind) -> Option<Self> {
        let descriptors =
            |external: &str, internal| DescriptorKeyring::open(external, internal).map(Box::new).map(Self::Descriptors);
        match (public, kind) {
            (PublicKeys::Words { external, internal }, KeyKind::Words) => descriptors(external, Some(internal)),
            (
                PublicKeys::Descriptors { external, internal, .. },
                KeyKind::WordsFor { .. } | KeyKind::Multisig { .. } | KeyKind::Descriptor | KeyKind::WatchOnly,
            ) => descriptors(external, internal.as_deref()),
            (PublicKeys::Rsa { spki }, KeyKind::Rsa { bits }) => {
                RsaKeyring::open(spki).filter(|keys| keys.bits() == bits).map(Self::Rsa)
            }
            (PublicKeys::Rsa { spki }, KeyKind::WatchOnly) => RsaKeyring::open(spki).map(Self::Rsa),
            (PublicKeys::Token { spki, .. }, KeyKind::Token { bits }) => {
                RsaKeyring::open(spki).filter(|keys| keys.bits() == bits).map(Self::Rsa)
            }
            (PublicKeys::Script { script }, KeyKind::WatchOnly) => Some(Self::Fixed(FixedKeyring::new(script.clone()))),
            (
                PublicKeys::Words { .. }
                | PublicKeys::Rsa { .. }
                | PublicKeys::Descriptors { .. }
                | PublicKeys::Script { .. }
                | PublicKeys::Token { .. },
                _,
            ) => None,
        }
    }

    /// The chains of keys to look through.
    pub(crate) fn keychains(&self) -> &'static [Keychain] {
        match self {
            Self::Descriptors(keys) => keys.keychains(),
            Self::Rsa(_) | Self::Fixed(_) => &[Keychain::External],
        }
    }

    /// Whether there is always one more address. Else there is one for everything.
    pub(crate) fn grows(&self) -> bool {
        match self {
            Self::Descriptors(keys) => keys.grows(),
            Self::Rsa(_) | Self::Fixed(_) => false,
        }
    }

    /// Where change goes.
    pub(crate) fn change_keychain(&self) -> Keychain {
        if self.keychains().contains(&Keychain::Internal) { Keychain::Internal } else { Keychain::External }
    }

    /// The only script of a wallet of one address.
    fn single(&self) -> Option<(&Script, bool)> {
        match self {
            Self::Descriptors(_) => None,
            Self::Rsa(keys) => Some((keys.script(), keys.is_used())),
            Self::Fixed(keys) => Some((keys.script(), keys.is_used())),
        }
    }

    /// Whose script that is; `None` when it is not ours.
    pub(crate) fn origin(&self, script: &Script) -> Option<Origin> {
        match self {
            Self::Descriptors(keys) => keys.origin(script),
            Self::Rsa(_) | Self::Fixed(_) => {
                self.single().is_some_and(|(ours, _)| ours == script).then_some(Origin::FIRST)
            }
        }
    }

    /// Like [`Keyring::origin`], but also looks where a PSBT claims that the script's keys stand. A claim alone proves
    /// nothing: the keys there must give the very script.
    pub(crate) fn prove<'a>(&self, script: &Script, mut claims: impl Iterator<Item = &'a KeySource>) -> Option<Origin> {
        match self {
            Self::Descriptors(keys) => keys.prove(script, &mut claims),
            Self::Rsa(_) | Self::Fixed(_) => self.origin(script),
        }
    }

    /// Takes note of a transaction: the scripts that it pays count as used.
    pub(crate) fn note(&mut self, tx: &Transaction) {
        match self {
            Self::Descriptors(keys) => keys.note(tx),
            Self::Rsa(keys) => keys.note(tx),
            Self::Fixed(keys) => keys.note(tx),
        }
    }

    /// Notes that addresses up to these were handed out.
    pub(crate) fn reveal(&mut self, revealed: &BTreeMap<Keychain, u32>) {
        if let Self::Descriptors(keys) = self {
            keys.reveal(revealed);
        }
    }

    /// Up to where addresses were handed out.
    pub(crate) fn revealed(&self) -> BTreeMap<Keychain, u32> {
        match self {
            Self::Descriptors(keys) => keys.revealed(),
            Self::Rsa(_) | Self::Fixed(_) => BTreeMap::new(),
        }
    }

    /// The first script of the keychain that nothing was ever paid to.
    pub(crate) fn next_unused(&self, keychain: Keychain) -> Option<(Origin, ScriptBuf)> {
        match self {
            Self::Descriptors(keys) => keys.next_unused(keychain),
            Self::Rsa(_) | Self::Fixed(_) => self.single().map(|(script, _)| (Origin::FIRST, script.to_owned())),
        }
    }

    /// The scripts that were handed out, and whether anything was paid to them.
    pub(crate) fn handed_out(&self) -> Vec<(u32, ScriptBuf, bool)> {
        match self {
            Self::Descriptors(keys) => keys.handed_out(),
            Self::Rsa(_) | Self::Fixed(_) => {
                self.single().map(|(script, used)| (0, script.to_owned(), used)).into_iter().collect()
            }
        }
    }

    /// The script at that place, handed out or not.
    pub(crate) fn script_at(&self, origin: Origin) -> Option<ScriptBuf> {
        match self {
            Self::Descriptors(keys) => keys.script_at(origin),
            Self::Rsa(_) | Self::Fixed(_) => {
                self.single().filter(|_| origin == Origin::FIRST).map(|(script, _)| script.to_owned())
            }
        }
    }

    /// What spending one of our coins adds to an input's weight, at most: its witness with the item count, and where there
    /// is one its script, four times.
    pub(crate) fn witness_weight(&self) -> u64 {
        match self {
            Self::Descriptors(keys) => keys.spending_weight(),
            Self::Rsa(keys) => keys.witness_weight(),
            Self::Fixed(keys) => usual_spending_weight(keys.script()),
        }
    }
}
