//! `mycoin man`: the manual, made from what `--help` says.

use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use mycoin_files::Readers;
use serde_json::json;

use crate::args::Cli;
use crate::context::Context;
use crate::error::{CliError, files_error};
use crate::output;

pub(crate) fn run(context: &Context, to: Option<&Path>) -> Result<(), CliError> {
    let mut command = Cli::command();
    command.build();
    let mut pages = Vec::new();
    match to {
        Some(_) => all_pages(&command, &mut pages)?,
        None => pages.push(page(&command)?),
    }
    let mut written = Vec::new();
    if let Some(folder) = to {
        let failed = |error| CliError::new("man/folder", format!("cannot make {}: {error}", folder.display()), "");
        std::fs::create_dir_all(folder).map_err(failed)?;
        for page in &pages {
            let path = folder.join(&page.file);
            // The manual is no secret, and an older one makes room.
            mycoin_files::replace(&path, page.text.as_bytes(), Readers::Everybody)
                .map_err(|error| files_error(&error))?;
            written.push(path);
        }
    }
    tell(context, &pages, &written, to);
    Ok(())
}

fn tell(context: &Context, pages: &[Page], written: &[PathBuf], to: Option<&Path>) {
    match (to, pages) {
        (Some(_), _) if context.json => {
            let files: Vec<_> = written.iter().map(|path| path.display().to_string()).collect();
            output::line(&json!({ "files": files }).to_string());
        }
        (Some(folder), _) => {
            let (count, folder) = (written.len(), folder.display());
            output::line(&format!("{count} pages are in {folder}. Read the first: man {folder}/mycoin.1"));
        }
        (None, pages) => {
            let text: String = pages.iter().map(|page| page.text.as_str()).collect();
            output::line(&if context.json { json!({ "page": text }).to_string() } else { text.trim_end().to_owned() });
        }
    }
}

/// One page of the manual.
struct Page {
    file: String,
    /// In troff's language.
    text: String,
}

fn page(command: &Command) -> Result<Page, CliError> {
    let man = Man::new(command.clone()).manual("MyCoin");
    let mut text = Vec::new();
    let failed = |error| CliError::new("man/failed", format!("cannot write the manual: {error}"), "");
    man.render(&mut text).map_err(failed)?;
    Ok(Page { file: man.get_filename(), text: String::from_utf8_lossy(&text).into_owned() })
}

/// The command's page, and those of all commands below it.
fn all_pages(command: &Command, pages: &mut Vec<Page>) -> Result<(), CliError> {
    pages.push(page(command)?);
    command.get_subcommands().filter(|inner| !inner.is_hide_set()).try_for_each(|inner| all_pages(inner, pages))
}
