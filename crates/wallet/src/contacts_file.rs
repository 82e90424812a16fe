//! Contacts out and in, as files.
//!
//! In:    a file that this program or a spreadsheet wrote: JSON, or CSV with a line of column names.
//! Out:   all contacts in either form; or how many were taken in.
//! Never: half of a file; a contact whose address changes without being asked: that is how payments are stolen.

use std::collections::BTreeMap;

use mycoin_primitives::Failure;
use serde::{Deserialize, Serialize};

use crate::bip329::{BadRecord, named};
use crate::contacts::{ContactError, Names};
use crate::csv::{self, Cell};
use crate::error::WalletError;
use crate::wallet::Wallet;

/// The most bytes of a file of contacts.
pub const CONTACTS_LIMIT: usize = 4 << 20;

/// Why contacts could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum ContactsError {
    /// Longer than any list of contacts.
    #[error("the file has more than {limit} bytes, so it was not read")]
    TooLong {
        /// How many it may have.
        limit: usize,
    },
    /// Neither JSON nor CSV, or without the columns that matter.
    #[error("this is no file of contacts: {reason}")]
    Form {
        /// What is wrong with it.
        reason: String,
    },
    /// Entries cannot be kept.
    #[error("nothing was imported, because {} of the contacts cannot be kept: {}", lines.len(), named(lines))]
    BadLines {
        /// Which, and why; of JSON the place in the list.
        lines: Vec<BadRecord>,
    },
    /// The wallet file could not be written.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

impl Failure for ContactsError {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "contacts/too-long",
            Self::Form { .. } => "contacts/form",
            Self::BadLines { .. } => "contacts/bad-lines",
            Self::Wallet(source) => source.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::TooLong { .. } | Self::Form { .. } => {
                "Give CSV with the columns name, address and note, or JSON as the export writes it."
            }
            Self::BadLines { .. } => "Correct those entries and import the file again.",
            Self::Wallet(source) => source.next_step(),
        }
    }
}

/// A contact in a file.
#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    address: String,
    #[serde(default)]
    note: String,
}

impl Wallet {
    /// All contacts as JSON.
    pub fn contacts_json(&self) -> serde_json::Value {
        let entries = self
            .contacts()
            .map(|(name, contact)| serde_json::json!({"name": name, "address": contact.address, "note": contact.note}));
        entries.collect()
    }

    /// All contacts as a table.
    pub fn contacts_csv(&self) -> String {
        let rows = self.contacts().map(|(name, contact)| {
            csv::line(&[name, &contact.address, &contact.note].map(|text| Cell::Text(text.to_owned())))
        });
        csv::header(&["name", "address", "note"]) + &rows.collect::<String>()
    }

    /// Takes contacts in, all or none; how many are new. One that is there already with the same address is passed over.
    ///
    /// # Errors
    ///
    /// [`ContactsError`] names the entries that cannot be kept.
    pub fn import_contacts(&mut self, text: &str) -> Result<usize, ContactsError> {
        if text.len() > CONTACTS_LIMIT {
            return Err(ContactsError::TooLong { limit: CONTACTS_LIMIT });
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let entries = if text.trim_start().starts_with('[') { of_json(text)? } else { of_csv(text)? };
        let (mut names, mut new, mut bad) =
            (Names::of(self.contacts().map(|(name, _)| name)), BTreeMap::new(), Vec::new());
        for (line, Entry { name, address, note }) in entries {
            let checked = self.new_contact(&name, &address, &note).and_then(|(name, contact)| {
                let known =
                    |name: &str| new.get(name).and_then(Option::as_ref).or_else(|| self.notes.contacts.get(name));
                let held = names.same(&name).and_then(known);
                match held.is_some_and(|held| held.address == contact.address) {
                    true => Ok(None),
                    false => names.take(&name).map(|()| Some((name, contact))),
                }
            });
            match checked {
                Ok(Some((name, contact))) => drop(new.insert(name, Some(contact))),
                Ok(None) => {}
                Err(error) => bad.push(BadRecord { line, reason: error.to_string() }),
            }
        }
        if !bad.is_empty() {
            return Err(ContactsError::BadLines { lines: bad });
        }
        let count = new.len();
        match self.put_contacts(new) {
            Ok(()) => Ok(count),
            Err(ContactError::Wallet(error)) => Err(error.into()),
            Err(other) => Err(ContactsError::Form { reason: other.to_string() }),
        }
    }
}

fn of_json(text: &str) -> Result<Vec<(usize, Entry)>, ContactsError> {
    let entries: Vec<Entry> = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ContactsError::Form { reason: format!("its JSON is not a list of contacts, at line {line}, column {column}") }
    })?;
    Ok((1..).zip(entries).collect())
}

fn of_csv(text: &str) -> Result<Vec<(usize, Entry)>, ContactsError> {
    let form = |reason: String| ContactsError::Form { reason };
    let lines = csv::parse(text, csv::Blanks::Refused)
        .map_err(|line| form(format!("the quotation marks of line {line} do not match")))?;
    let mut lines = lines.into_iter();
    let (_, header) = lines.next().ok_or_else(|| form("it is empty".to_owned()))?;
    let column = |wanted: &str| header.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
    let (Some(name), Some(address)) = (column("name"), column("address")) else {
        return Err(form("its first line does not name the columns name and address".to_owned()));
    };
    let note = column("note");
    let entry = |cells: &[String]| {
        let cell = |at: usize| cells.get(at).map(|cell| csv::text_of(cell).to_owned()).unwrap_or_default();
        Entry { name: cell(name), address: cell(address), note: note.map(cell).unwrap_or_default() }
    };
    Ok(lines.map(|(line, cells)| (line, entry(&cells))).collect())
}
