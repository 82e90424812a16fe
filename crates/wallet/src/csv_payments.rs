//! Many recipients from a table.
//!
//! In:    CSV text (RFC 4180): a recipient, an amount and perhaps a label in each line; a heading is skipped.
//! Out:   the recipients, in their order.
//! Never: some of them: one bad line refuses the whole table, and every bad line is named by its number.

use mycoin_primitives::Failure;

use crate::csv::{self, Blanks};
use crate::recipients::{PayAmount, Recipient};
use crate::wallet::Wallet;

/// The most lines that are read: more outputs fit into no transaction that nodes pass on.
const LINES_LIMIT: usize = 5_000;
/// So many bad lines are named; the others are counted.
const NAMED: usize = 10;

/// A line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a table of payments was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// Some lines cannot be used.
    #[error("{}", named(bad))]
    BadLines {
        /// Which, and why.
        bad: Vec<BadLine>,
    },
    /// It has no lines.
    #[error("the table holds no payment")]
    Empty,
    /// It has more lines than any transaction has room for.
    #[error("the table has more than {limit} lines")]
    TooLong {
        /// The most lines.
        limit: usize,
    },
}

fn named(bad: &[BadLine]) -> String {
    let mut lines: Vec<String> =
        bad.iter().take(NAMED).map(|bad| format!("line {}: {}", bad.line, bad.reason)).collect();
    if bad.len() > NAMED {
        lines.push(format!("and {} more lines", bad.len() - NAMED));
    }
    lines.join("; ")
}

impl Failure for CsvError {
    fn code(&self) -> &'static str {
        match self {
            Self::BadLines { .. } => "payment/csv-lines",
            Self::Empty => "payment/csv-empty",
            Self::TooLong { .. } => "payment/csv-too-long",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::BadLines { .. } => {
                "Correct these lines; nothing was prepared. A line is ADDRESS,AMOUNT or ADDRESS,AMOUNT,LABEL."
            }
            Self::Empty => "Write one payment in each line: ADDRESS,AMOUNT or ADDRESS,AMOUNT,LABEL.",
            Self::TooLong { .. } => "Pay in several parts.",
        }
    }
}

impl Wallet {
    /// The recipients of a table: ADDRESS,AMOUNT or ADDRESS,AMOUNT,LABEL in each line. Payment links and contacts' names
    /// stand for addresses, and amounts are as anywhere.
    ///
    /// # Errors
    ///
    /// [`CsvError`] names every line that cannot be used.
    pub fn recipients_from_csv(&self, text: &str) -> Result<Vec<Recipient>, CsvError> {
        let bad_quote = |line| CsvError::BadLines {
            bad: vec![BadLine { line, reason: "a quotation mark stands alone or in the middle of a field".to_owned() }],
        };
        let mut records = csv::parse(text.trim_start_matches('\u{feff}'), Blanks::Ignored).map_err(bad_quote)?;
        records.retain(|(_, fields)| fields.iter().any(|field| !field.trim().is_empty()));
        let is_heading = |fields: &[String]| {
            let second = fields.get(1).map(|field| field.trim().to_lowercase());
            second.is_some_and(|second| second.starts_with("amount"))
        };
        if records.first().is_some_and(|(_, fields)| is_heading(fields)) {
            records.remove(0);
        }
        if records.is_empty() {
            return Err(CsvError::Empty);
        }
        if records.len() > LINES_LIMIT {
            return Err(CsvError::TooLong { limit: LINES_LIMIT });
        }
        let (mut recipients, mut bad) = (Vec::new(), Vec::new());
        for (line, fields) in &records {
            match self.recipient_of_line(fields) {
                Ok(recipient) => recipients.push(recipient),
                Err(reason) => bad.push(BadLine { line: *line, reason }),
            }
        }
        let max = |recipient: &&Recipient| recipient.amount == PayAmount::Max;
        if bad.is_empty() && recipients.iter().filter(max).count() > 1 {
            let wanted = recipients.iter().zip(&records).filter(|(recipient, _)| max(recipient));
            let reason = "only one line can have the amount max".to_owned();
            bad = wanted.skip(1).map(|(_, (line, _))| BadLine { line: *line, reason: reason.clone() }).collect();
        }
        if bad.is_empty() { Ok(recipients) } else { Err(CsvError::BadLines { bad }) }
    }

    fn recipient_of_line(&self, fields: &[String]) -> Result<Recipient, String> {
        let (to, amount, label) = match fields {
            [to, amount] => (to, amount, ""),
            [to, amount, label] => (to, amount, label.trim()),
            [_] => return Err("it has one field, and two or three are needed".to_owned()),
            fields => return Err(format!("it has {} fields, and two or three are needed", fields.len())),
        };
        let amount = Some(amount.trim()).filter(|amount| !amount.is_empty());
        let recipient = self.recipient(to, amount).map_err(|error| error.to_string())?;
        Ok(if label.is_empty() { recipient } else { Recipient { label: label.to_owned(), ..recipient } })
    }
}
