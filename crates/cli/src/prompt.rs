//! Asking on the terminal: passwords that do not echo, answers, yes or no. Nothing is asked where nobody can answer.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::CliError;

/// A password in memory that is wiped after use.
pub(crate) type Secret = Zeroizing<String>;

/// The longest password file that is read, in bytes.
const PASSWORD_FILE_LIMIT: u64 = 4096;
/// The longest file of words or descriptors that is read, in bytes.
const TEXT_FILE_LIMIT: u64 = 64 * 1024;

/// Reads the first line of a password file; `-` is standard input.
pub(crate) fn password_from(path: &Path) -> Result<Secret, CliError> {
    let mut text = Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        io::stdin().lock().take(PASSWORD_FILE_LIMIT).read_line(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(PASSWORD_FILE_LIMIT).read_to_string(&mut text))
    };
    read.map_err(|error| {
        CliError::new("password/file", format!("cannot read the password file {}: {error}", path.display()), "")
    })?;
    let first = text.lines().next().unwrap_or_default();
    if first.is_empty() {
        let sentence = format!("the password file {} is empty", path.display());
        return Err(CliError::new("password/empty", sentence, "Write the password on its first line."));
    }
    Ok(Zeroizing::new(first.to_owned()))
}

/// Asks for a password, unless a file gives it.
pub(crate) fn password(question: &str, file: Option<&Path>) -> Result<Secret, CliError> {
    secret(question, file, "Give --password-file FILE (- for standard input).")
}

/// Asks for a secret, unless the first line of a file gives it; `next` says how, where nobody can answer.
pub(crate) fn secret(question: &str, file: Option<&Path>, next: &str) -> Result<Secret, CliError> {
    if let Some(file) = file {
        return password_from(file);
    }
    need_terminal(question, next)?;
    let answer = rpassword::prompt_password(format!("{question}: ")).map_err(terminal_error)?;
    if answer.is_empty() {
        return Err(CliError::new("password/empty", "the password is empty", "Type at least one character."));
    }
    Ok(Zeroizing::new(answer))
}

/// Reads all of a small file of text; `-` is standard input.
pub(crate) fn text_from(path: &Path) -> Result<Secret, CliError> {
    let mut text = Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        io::stdin().lock().take(TEXT_FILE_LIMIT).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(TEXT_FILE_LIMIT).read_to_string(&mut text))
    };
    read.map_err(|error| CliError::new("file", format!("cannot read {}: {error}", path.display()), ""))?;
    Ok(text)
}

/// Whether somebody can be asked.
pub(crate) fn is_possible() -> bool {
    io::stdin().is_terminal()
}

/// Asks for a new password twice, unless a file gives it.
pub(crate) fn new_password(question: &str, file: Option<&Path>) -> Result<Secret, CliError> {
    let first = password(question, file)?;
    if file.is_none() && *password("The same again", None)? != *first {
        return Err(CliError::new("password/differs", "the two differ", "Nothing was done; start again."));
    }
    Ok(first)
}

/// Asks for a secret that there need not be; `None` where nothing is typed.
pub(crate) fn optional_secret(question: &str) -> Result<Option<Secret>, CliError> {
    let answer = Zeroizing::new(rpassword::prompt_password(format!("{question}: ")).map_err(terminal_error)?);
    Ok(Some(answer).filter(|answer| !answer.is_empty()))
}

/// Asks a question whose answer may be seen.
pub(crate) fn ask(question: &str) -> Result<String, CliError> {
    answer(question, "Give --yes to go on without questions.")
}

/// As [`ask`]; `next` says what to do where nobody can answer.
pub(crate) fn answer(question: &str, next: &str) -> Result<String, CliError> {
    need_terminal(question, next)?;
    let mut err = io::stderr().lock();
    write!(err, "{question} ").and_then(|()| err.flush()).map_err(terminal_error)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(terminal_error)?;
    Ok(answer.trim().to_owned())
}

/// Asks for a yes.
pub(crate) fn confirm(question: &str) -> Result<bool, CliError> {
    Ok(matches!(ask(&format!("{question} [y/N]"))?.to_lowercase().as_str(), "y" | "yes"))
}

fn need_terminal(question: &str, next: &str) -> Result<(), CliError> {
    if io::stdin().is_terminal() {
        Ok(())
    } else {
        Err(CliError::usage(format!("“{question}” cannot be asked: standard input is no terminal"), next))
    }
}

fn terminal_error(error: io::Error) -> CliError {
    CliError::new("terminal", format!("cannot use the terminal: {error}"), "")
}
