//! Counting what ran, and reading what the files hold.

use std::io::Write as _;

use mycoin_primitives::bitcoin::hex::FromHex;
use serde_json::Value;

/// What came of one file's cases.
pub(crate) struct Report {
    file: &'static str,
    entries: usize,
    ran: usize,
    /// The first thing that went wrong in each case that failed, with the case's number.
    failures: Vec<(usize, String)>,
}

impl Report {
    /// Of `file`, which has so many entries, comments among them.
    pub(crate) const fn new(file: &'static str, entries: usize) -> Self {
        Self { file, entries, ran: 0, failures: Vec::new() }
    }

    /// Counts a case.
    pub(crate) const fn case(&mut self) {
        self.ran += 1;
    }

    /// Holds a case to what it expects; `describe` says what was found instead and which case it is.
    pub(crate) fn expect(&mut self, holds: bool, describe: impl FnOnce() -> String) {
        if !holds && self.failures.last().is_none_or(|(case, _)| *case != self.ran) {
            self.failures.push((self.ran, describe()));
        }
    }

    /// Prints the counts, also where the test's output is captured.
    ///
    /// # Panics
    ///
    /// When a case failed, or another number of cases ran than the file has.
    pub(crate) fn conclude(self, cases: usize) {
        let Self { file, entries, ran, failures } = self;
        writeln!(std::io::stderr(), "{file}: {entries} entries, {ran} cases ran, {} failed", failures.len())
            .expect("standard error can be written");
        let failures: Vec<String> =
            failures.into_iter().map(|(case, failure)| format!("case {case}: {failure}")).collect();
        assert!(failures.is_empty(), "{file}:\n{}", failures.join("\n"));
        assert_eq!(ran, cases, "{file}: every case runs");
    }
}

/// The array that the case must hold there.
pub(crate) fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("an array is expected: {value}"))
}

/// The text that the case must hold there.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text is expected: {value}"))
}

/// The bytes that the case must hold there, as hexadecimal digits.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    Vec::from_hex(text(value)).unwrap_or_else(|error| panic!("{value}: {error}"))
}

/// The whole number that the case must hold there.
pub(crate) fn integer(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("a number is expected: {value}"))
}
