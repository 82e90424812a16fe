//! What goes wrong in a command, as its user sees it: a code, a sentence, a next step, an exit code.

use std::process::ExitCode;

use mycoin_files::FilesError;
use mycoin_primitives::Failure;

/// A failure on its way to the user.
#[derive(Debug)]
pub(crate) struct CliError {
    code: String,
    sentence: String,
    next: String,
    is_usage: bool,
}

impl CliError {
    /// A failure with its catalogue code, its sentence and what to do next (may be empty).
    pub(crate) fn new(code: &str, sentence: impl Into<String>, next: impl Into<String>) -> Self {
        Self { code: code.to_owned(), sentence: sentence.into(), next: next.into(), is_usage: false }
    }

    /// A command that cannot be carried out as it was given.
    pub(crate) fn usage(sentence: impl Into<String>, next: impl Into<String>) -> Self {
        Self { is_usage: true, ..Self::new("usage", sentence, next) }
    }

    /// The same failure, with one more thing to try.
    pub(crate) fn or_else_try(mut self, advice: &str) -> Self {
        self.next =
            [self.next.as_str(), advice].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        self
    }

    /// The same failure in `demo`, which has one option for all its ports.
    pub(crate) fn in_demo(mut self) -> Self {
        if self.code.ends_with("/port-taken") {
            // The advice after the fact names an option of `server` or `proxy`.
            if let Some(advice) = self.sentence.find("; choose") {
                self.sentence.truncate(advice);
            }
            "Stop the other program, or start the demo with --free-ports.".clone_into(&mut self.next);
        }
        self
    }

    /// Prints the failure on standard error, or as JSON on standard output, and gives the exit code.
    pub(crate) fn report(&self, json: bool) -> ExitCode {
        if json {
            let error = serde_json::json!({"code": self.code, "message": self.sentence, "next": self.next});
            crate::output::line(&serde_json::json!({ "error": error }).to_string());
        } else {
            // Some of Bitcoin Core's own texts begin so.
            eprintln!("Error: {}", sentence(self.sentence.strip_prefix("Error: ").unwrap_or(&self.sentence)));
            if !self.next.is_empty() {
                eprintln!("{}", self.next);
            }
        }
        ExitCode::from(if self.is_usage { 2 } else { 1 })
    }
}

/// As people read it.
impl std::fmt::Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", sentence(&self.sentence), self.next)
    }
}

/// The text with a capital letter and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let start = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?', ':']) { "" } else { "." };
    format!("{start}{}{end}", chars.as_str())
}

impl<E: Failure> From<E> for CliError {
    fn from(error: E) -> Self {
        Self::new(error.code(), error.to_string(), error.next_step())
    }
}

/// Errors of crates below the catalogue's trait carry their codes themselves.
pub(crate) fn files_error(error: &FilesError) -> CliError {
    CliError::new(error.code(), error.to_string(), "")
}

#[cfg(test)]
mod tests {
    use super::{CliError, sentence};

    #[test]
    fn people_read_full_sentences() {
        assert_eq!(sentence("the amount is zero"), "The amount is zero.");
        assert_eq!(sentence("Done."), "Done.");
    }

    #[test]
    fn the_demo_names_its_own_option_for_ports() {
        let error =
            CliError::new("rpc/port-taken", "the address is taken by another program; choose another with --rpc", "");
        let error = error.in_demo();
        assert_eq!(error.sentence, "the address is taken by another program");
        assert!(error.next.contains("--free-ports"));
    }
}
