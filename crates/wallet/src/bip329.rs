//! Labels out and in, as other wallets read and write them.
//!
//! In:    lines of JSON that any program wrote.
//! Out:   all labels and frozen coins as such lines; or what was taken in.
//! Never: half of a file: one line that makes no sense leaves everything as it was. Private keys.
//!
//! Source: BIP329. Fields that it lists beside these are passed over.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use mycoin_primitives::bitcoin::base58;
use mycoin_primitives::{Failure, Network, OutPoint};
use serde_json::{Map, Value, json};

use crate::error::WalletError;
use crate::labels::LabelError;
use crate::ledger::Change;
use crate::notes::{Labelled, NotesChange};
use crate::text::{TEXT_LIMIT, cleaned};
use crate::wallet::Wallet;

/// The most bytes of a file of labels.
pub const LABELS_LIMIT: usize = 16 << 20;
/// How many bad lines are named.
const NAMED: usize = 5;
/// BIP32: the length of an extended key, and where its key begins.
const EXTENDED_KEY: (usize, usize) = (78, 45);

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LabelsImported {
    /// How many labels are new or other than before.
    pub labels: usize,
    /// How many coins were frozen.
    pub frozen: usize,
    /// How many were thawed.
    pub thawed: usize,
    /// How many lines said what is known already.
    pub unchanged: usize,
    /// How many lines are of a type that is not known here, and were passed over.
    pub unknown: usize,
    /// How many labels were cut to 255 characters, or had characters that cannot be seen.
    pub tidied: usize,
}

/// A line that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// Its number, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// Why labels could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// Longer than any list of labels.
    #[error("the file has more than {limit} bytes, so it was not read")]
    TooLong {
        /// How many it may have.
        limit: usize,
    },
    /// Lines make no sense.
    #[error("nothing was imported, because {} of the file's lines make no sense: {}", lines.len(), named(lines))]
    BadLines {
        /// Which, and why.
        lines: Vec<BadRecord>,
    },
    /// The wallet file could not be written.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

/// The first of many, in words.
pub(crate) fn named(lines: &[BadRecord]) -> String {
    let shown: Vec<String> = lines.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if lines.len() > NAMED { " …" } else { "" };
    shown.join("; ") + more
}

impl Failure for LabelsError {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "labels/too-long",
            Self::BadLines { .. } => "labels/bad-lines",
            Self::Wallet(source) => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::TooLong { .. } | Self::BadLines { .. } => {
                "Check that it is a file of labels (BIP329) for this coin, correct those lines and import it again."
            }
            Self::Wallet(source) => source.next_step(),
        }
    }
}

/// What a line says, where its type is known.
struct Record {
    of: Labelled,
    label: Option<String>,
    spendable: Option<bool>,
    tidied: bool,
}

fn reference(kind: &str, text: &str, network: &Network) -> Result<Option<Labelled>, String> {
    let labelled = match kind {
        "tx" => text.parse().ok().map(Labelled::Transaction),
        "input" => text.parse().ok().map(Labelled::Input),
        "output" => text.parse().ok().map(Labelled::Coin),
        "addr" => match Labelled::address(text, network) {
            Err(LabelError::Address(error)) => return Err(error.to_string()),
            other => other.ok(),
        },
        "pubkey" => {
            let is_key = [64, 66, 130].contains(&text.len()) && text.bytes().all(|c| c.is_ascii_hexdigit());
            is_key.then(|| Labelled::PublicKey(text.to_ascii_lowercase()))
        }
        "xpub" => {
            let bytes = base58::decode_check(text).unwrap_or_default();
            // An extended private key has a zero there, and must not be kept.
            let is_public = bytes.len() == EXTENDED_KEY.0 && matches!(bytes.get(EXTENDED_KEY.1), Some(2 | 3));
            is_public.then(|| Labelled::ExtendedKey(text.to_owned()))
        }
        _ => return Ok(None),
    };
    labelled.map(Some).ok_or_else(|| format!("its “ref” is no {kind}"))
}

fn record(line: &str, network: &Network) -> Result<Option<Record>, String> {
    let fields: Map<String, Value> = serde_json::from_str(line).map_err(|_| "it is no JSON object".to_owned())?;
    let text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("its “{name}” is no text")),
    };
    let kind = text("type")?.ok_or_else(|| "it has no “type”".to_owned())?;
    let Some(of) = reference(kind, text("ref").ok().flatten().unwrap_or_default(), network)? else { return Ok(None) };
    let given = text("label")?;
    let label = given.map(|label| cleaned(&cleaned(label).chars().take(TEXT_LIMIT).collect::<String>()));
    let spendable = match (fields.get("spendable"), &of) {
        (None | Some(Value::Null), _) => None,
        (Some(Value::Bool(spendable)), Labelled::Coin(_)) => Some(*spendable),
        (Some(_), Labelled::Coin(_)) => return Err("its “spendable” is neither true nor false".to_owned()),
        (Some(_), _) => None,
    };
    let tidied = label.as_deref().is_some_and(|label| given.map(str::trim) != Some(label));
    Ok(Some(Record { of, label: label.filter(|label| !label.is_empty()), spendable, tidied }))
}

/// The type and reference of a line.
fn type_and_ref(labelled: &Labelled) -> (&'static str, String) {
    match labelled {
        Labelled::Transaction(txid) => ("tx", txid.to_string()),
        Labelled::Address(address) => ("addr", address.clone()),
        Labelled::Coin(coin) => ("output", coin.to_string()),
        Labelled::Input(input) => ("input", input.to_string()),
        Labelled::PublicKey(key) => ("pubkey", key.clone()),
        Labelled::ExtendedKey(key) => ("xpub", key.clone()),
    }
}

impl Wallet {
    /// All labels, and which coins are frozen, one line of JSON each.
    pub fn export_labels(&self) -> String {
        let unspent: HashSet<OutPoint> = self.coins().iter().map(|coin| coin.outpoint).collect();
        let mut records: BTreeMap<Labelled, Option<&str>> =
            self.labels().map(|(of, label)| (of.clone(), Some(label))).collect();
        for coin in &self.notes.frozen {
            records.entry(Labelled::Coin(*coin)).or_default();
        }
        let line = |(of, label): (&Labelled, &Option<&str>)| {
            let (kind, reference) = type_and_ref(of);
            let mut fields = json!({"type": kind, "ref": reference});
            if let Some(label) = label {
                fields["label"] = json!(label);
            }
            if let Labelled::Coin(coin) = of {
                let frozen = self.notes.frozen.contains(coin);
                if frozen || unspent.contains(coin) {
                    fields["spendable"] = json!(!frozen);
                }
            }
            format!("{fields}\n")
        };
        records.iter().map(line).collect()
    }

    /// Takes labels in, and which coins are frozen: all of them, or none.
    ///
    /// A line without a label leaves the label as it is, and one without `spendable` the coin. Labels of other coins are not
    /// told from ours: only what belongs to one of our transactions ever shows.
    ///
    /// # Errors
    ///
    /// [`LabelsError`] names the lines that make no sense.
    pub fn import_labels(&mut self, text: &str) -> Result<LabelsImported, LabelsError> {
        if text.len() > LABELS_LIMIT {
            return Err(LabelsError::TooLong { limit: LABELS_LIMIT });
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (mut done, mut notes, mut bad) = (LabelsImported::default(), NotesChange::default(), Vec::new());
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            match record(text, self.network()) {
                Ok(Some(record)) => self.note_record(record, &mut notes, &mut done),
                Ok(None) => done.unknown += 1,
                Err(reason) => bad.push(BadRecord { line, reason }),
            }
        }
        if !bad.is_empty() {
            return Err(LabelsError::BadLines { lines: bad });
        }
        self.commit(Change { notes, ..Change::default() })?;
        Ok(done)
    }

    fn note_record(&self, record: Record, notes: &mut NotesChange, done: &mut LabelsImported) {
        let mut is_news = false;
        if let (Labelled::Coin(coin), Some(spendable)) = (&record.of, record.spendable)
            && self.notes.frozen.contains(coin) == spendable
        {
            is_news = true;
            let count = if spendable { &mut done.thawed } else { &mut done.frozen };
            *count += usize::from(notes.frozen.insert(*coin, !spendable) != Some(!spendable));
        }
        if let Some(label) = record.label.filter(|label| self.label(&record.of) != Some(label)) {
            is_news = true;
            done.labels += usize::from(notes.labels.insert(record.of, Some(label)).is_none());
            done.tidied += usize::from(record.tidied);
        }
        done.unchanged += usize::from(!is_news);
    }
}
