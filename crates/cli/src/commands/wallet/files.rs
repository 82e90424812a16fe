//! Files that a person names, to read from or to write to; `-` is standard input or output.
//!
//! In:    a path, and how much may be read.
//! Out:   the file's text; or a new file that only its owner can read.
//! Never: a file over an existing one; more in memory than was allowed.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use mycoin_files::Readers;

use crate::error::{CliError, files_error};

/// Adds at most `limit` bytes of a file to `bytes`, which the caller may wipe afterwards. Gives their number.
pub(super) fn read(path: &Path, limit: u64, bytes: &mut Vec<u8>) -> io::Result<usize> {
    if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(bytes)
    } else {
        std::fs::File::open(path)?.take(limit).read_to_end(bytes)
    }
}

/// The text of a file, of at most `limit` bytes and one more, so that the library can refuse a longer one.
pub(super) fn text_from(path: &Path, limit: usize) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    read(path, limit as u64 + 1, &mut bytes).map_err(|error| {
        CliError::new(
            "file/unreadable",
            format!("{} cannot be read: {error}", path.display()),
            "Check the file's name.",
        )
    })?;
    String::from_utf8(bytes).map_err(|_| {
        let sentence = format!("{} is no text file (UTF-8)", path.display());
        CliError::new("file/no-text", sentence, "Check that it is the right file.")
    })
}

/// Writes a new file, or to standard output.
pub(super) fn write_out(path: &Path, text: &str) -> Result<(), CliError> {
    if path == Path::new("-") {
        let mut out = io::stdout().lock();
        let _gone_reader_is_no_failure = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        return Ok(());
    }
    mycoin_files::create_new(path, text.as_bytes(), Readers::Owner).map_err(|error| files_error(&error))
}
