//! What a person notes in a wallet: labels, contacts, requests for payment, frozen coins, payments given up.
//!
//! In:    [`NotesChange`]s, which the wallet writes to its file before they count.
//! Out:   the notes that hold now.
//! Never: anything that the chain decides: notes move no coin and change no balance.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use mycoin_primitives::{Amount, OutPoint, Txid};
use serde::{Deserialize, Serialize};

/// What can carry a label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Labelled {
    /// A transaction.
    Transaction(Txid),
    /// An address, ours or another's.
    Address(String),
    /// A coin: an output of a transaction.
    Coin(OutPoint),
    /// An input of a transaction, by its number in place of an output's.
    Input(OutPoint),
    /// A public key, hexadecimal.
    PublicKey(String),
    /// An extended public key.
    ExtendedKey(String),
}

impl Display for Labelled {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transaction(txid) => write!(f, "tx:{txid}"),
            Self::Address(address) => write!(f, "addr:{address}"),
            Self::Coin(outpoint) => write!(f, "output:{outpoint}"),
            Self::Input(input) => write!(f, "input:{input}"),
            Self::PublicKey(key) => write!(f, "pubkey:{key}"),
            Self::ExtendedKey(key) => write!(f, "xpub:{key}"),
        }
    }
}

/// Text that names nothing that can carry a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLabelled;

impl Display for NotLabelled {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("neither a transaction nor an address nor a coin")
    }
}

impl FromStr for Labelled {
    type Err = NotLabelled;

    /// Reads what [`Display`] wrote.
    fn from_str(text: &str) -> Result<Self, NotLabelled> {
        let (kind, rest) = text.split_once(':').ok_or(NotLabelled)?;
        match kind {
            "tx" => rest.parse().map(Self::Transaction).map_err(|_| NotLabelled),
            "addr" => Ok(Self::Address(rest.to_owned())),
            "output" => rest.parse().map(Self::Coin).map_err(|_| NotLabelled),
            "input" => rest.parse().map(Self::Input).map_err(|_| NotLabelled),
            "pubkey" => Ok(Self::PublicKey(rest.to_owned())),
            "xpub" => Ok(Self::ExtendedKey(rest.to_owned())),
            _ => Err(NotLabelled),
        }
    }
}

impl Serialize for Labelled {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Labelled {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Somebody whom the wallet pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Where they receive.
    pub address: String,
    /// Anything worth remembering.
    #[serde(default)]
    pub note: String,
}

/// A payment that was asked for, at one of our addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// How much was asked for, where it matters.
    pub amount: Option<Amount>,
    /// For whom or what, told to the payer.
    pub label: String,
    /// A message to the payer.
    pub message: String,
    /// When it was made; seconds since 1970.
    pub made: u64,
    /// From when on it is no longer asked for; seconds since 1970.
    pub expires: Option<u64>,
    /// What had come to the address before: a wallet of one address has no other one.
    #[serde(default)]
    pub received_before: Amount,
}

/// An addition to the notes, as the wallet file keeps it. `None` takes something back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct NotesChange {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<Labelled, Option<String>>,
    /// By name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) contacts: BTreeMap<String, Option<Contact>>,
    /// By address.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) requests: BTreeMap<String, Option<Request>>,
    /// Coins that are not to be spent, by outpoint as text; false thaws.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) frozen: BTreeMap<OutPoint, bool>,
    /// Payments that were given up while they waited; false takes that back.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) abandoned: BTreeMap<Txid, bool>,
}

impl NotesChange {
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty()
            && self.contacts.is_empty()
            && self.requests.is_empty()
            && self.frozen.is_empty()
            && self.abandoned.is_empty()
    }
}

/// The notes that hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Notes {
    pub(crate) labels: BTreeMap<Labelled, String>,
    pub(crate) contacts: BTreeMap<String, Contact>,
    pub(crate) requests: BTreeMap<String, Request>,
    pub(crate) frozen: BTreeSet<OutPoint>,
    pub(crate) abandoned: BTreeSet<Txid>,
}

impl Notes {
    /// Lets a change count.
    pub(crate) fn apply(&mut self, change: &NotesChange) {
        overlay(&mut self.labels, &change.labels);
        overlay(&mut self.contacts, &change.contacts);
        overlay(&mut self.requests, &change.requests);
        mark(&mut self.frozen, &change.frozen);
        mark(&mut self.abandoned, &change.abandoned);
    }

    /// One change that says it all.
    pub(crate) fn snapshot(&self) -> NotesChange {
        NotesChange {
            labels: all(&self.labels),
            contacts: all(&self.contacts),
            requests: all(&self.requests),
            frozen: self.frozen.iter().map(|coin| (*coin, true)).collect(),
            abandoned: self.abandoned.iter().map(|txid| (*txid, true)).collect(),
        }
    }
}

fn overlay<K: Ord + Clone, V: Clone>(held: &mut BTreeMap<K, V>, change: &BTreeMap<K, Option<V>>) {
    for (key, value) in change {
        match value {
            Some(value) => held.insert(key.clone(), value.clone()),
            None => held.remove(key),
        };
    }
}

fn mark<K: Ord + Copy>(held: &mut BTreeSet<K>, change: &BTreeMap<K, bool>) {
    for (key, marked) in change {
        let _was_marked = if *marked { !held.insert(*key) } else { held.remove(key) };
    }
}

fn all<K: Ord + Clone, V: Clone>(held: &BTreeMap<K, V>) -> BTreeMap<K, Option<V>> {
    held.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycoin_primitives::hashes::Hash as _;

    #[test]
    fn a_snapshot_says_what_all_changes_said() {
        let coin = OutPoint { txid: Txid::all_zeros(), vout: 3 };
        let mut notes = Notes::default();
        for (label, frozen) in [(Some("rent"), true), (Some("food"), true), (None, false), (Some("rest"), true)] {
            let label = label.map(str::to_owned);
            notes.apply(&NotesChange {
                labels: BTreeMap::from([(Labelled::Coin(coin), label.clone())]),
                frozen: BTreeMap::from([(coin, frozen)]),
                ..NotesChange::default()
            });
            assert_eq!(notes.labels.get(&Labelled::Coin(coin)), label.as_ref());
            assert_eq!(notes.frozen.contains(&coin), frozen);
            let text = serde_json::to_vec(&notes.snapshot()).expect("notes are plain");
            let mut again = Notes::default();
            again.apply(&serde_json::from_slice(&text).expect("it was written just now"));
            assert_eq!(again, notes);
        }
    }

    #[test]
    fn what_carries_a_label_reads_back_as_it_was_written() {
        let txid = Txid::all_zeros();
        for labelled in [
            Labelled::Transaction(txid),
            Labelled::Address("demo1qqq".to_owned()),
            Labelled::Coin(OutPoint { txid, vout: 7 }),
            Labelled::Input(OutPoint { txid, vout: 7 }),
            Labelled::PublicKey("02ab".to_owned()),
            Labelled::ExtendedKey("xpub6".to_owned()),
        ] {
            assert_eq!(labelled.to_string().parse(), Ok(labelled));
        }
        assert_eq!("tx:12".parse::<Labelled>(), Err(NotLabelled));
        assert_eq!("pay:12".parse::<Labelled>(), Err(NotLabelled));
    }
}
