//! The history for other programs: spreadsheets and scripts.
//!
//! In:    entries of the history.
//! Out:   a table as CSV, or JSON.
//! Never: a text that a spreadsheet would run.

use mycoin_primitives::{Amount, format_coins};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::csv::{self, Cell};
use crate::history::{EntryState, HistoryEntry};
use crate::wallet::Wallet;

/// The table's columns.
const COLUMNS: [&str; 12] = [
    "time",
    "kind",
    "amount",
    "fee",
    "ticker",
    "state",
    "confirmations",
    "height",
    "label",
    "with",
    "addresses",
    "txid",
];

impl EntryState {
    /// The state in one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Confirmed => "confirmed",
            Self::Immature { .. } => "immature",
        }
    }
}

impl Wallet {
    /// Entries as a table. Amounts are in coins and below zero where coins went out; times are UTC.
    pub fn history_csv(&self, entries: &[HistoryEntry]) -> String {
        let row = |entry: &HistoryEntry| {
            let number =
                |number: Option<u32>| Cell::Number(number.map(|number| number.to_string()).unwrap_or_default());
            let coins = |amount: Amount| format_coins(amount, self.network());
            let with: Vec<&str> = self.entry_parties(entry).collect();
            csv::line(&[
                Cell::Text(utc(entry.time)),
                Cell::Text(entry.kind.word().to_owned()),
                Cell::Number(self.signed(entry.amount)),
                Cell::Number(entry.fee.map(coins).unwrap_or_default()),
                Cell::Text(self.network().ticker.clone()),
                Cell::Text(entry.state.word().to_owned()),
                number(Some(entry.confirmations)),
                number(entry.height.map(|height| height.to_u32())),
                Cell::Text(self.entry_label(entry).unwrap_or_default().to_owned()),
                Cell::Text(with.join(" ")),
                Cell::Text(entry.own_addresses.join(" ")),
                Cell::Text(entry.txid.to_string()),
            ])
        };
        csv::header(&COLUMNS) + &entries.iter().map(row).collect::<String>()
    }

    /// An entry as JSON. Amounts are in coins and below zero where coins went out; times are seconds since 1970.
    pub fn entry_json(&self, entry: &HistoryEntry) -> Value {
        let contacts: Vec<&str> = entry.counterparties.iter().filter_map(|address| self.contact_at(address)).collect();
        json!({
            "txid": entry.txid.to_string(),
            "time": entry.time,
            "height": entry.height,
            "confirmations": entry.confirmations,
            "amount": number(&self.signed(entry.amount)),
            "fee": entry.fee.map(|fee| number(&format_coins(fee, self.network()))),
            "kind": entry.kind.word(),
            "state": entry.state.word(),
            "label": self.entry_label(entry),
            "counterparties": entry.counterparties,
            "contacts": contacts,
            "own_addresses": entry.own_addresses,
        })
    }

    fn signed(&self, units: i64) -> String {
        let sign = if units < 0 { "-" } else { "" };
        format!("{sign}{}", format_coins(Amount::from_sat(units.unsigned_abs()), self.network()))
    }
}

/// A number with all its decimals.
fn number(digits: &str) -> Value {
    serde_json::from_str(digits).unwrap_or_else(|_| Value::from(digits))
}

fn utc(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}
