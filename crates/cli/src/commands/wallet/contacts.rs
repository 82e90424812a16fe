//! Contacts: whom the wallet pays, by name.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use mycoin_wallet::CONTACTS_LIMIT;
use serde_json::json;

use super::{Session, files};
use crate::error::CliError;
use crate::{args, output};

/// Commands about contacts.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Keep contacts, so that payments name people instead of addresses.
    Contact {
        /// The wallet's name.
        name: String,
        #[command(subcommand)]
        action: Action,
        #[command(flatten)]
        password: args::Password,
    },
}

/// What to do with contacts.
#[derive(Subcommand)]
pub(crate) enum Action {
    /// Keep a contact.
    Add {
        /// The contact's name; one that looks like another's is refused.
        contact: String,
        /// Where they receive.
        address: String,
        /// Anything worth remembering.
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// Forget a contact.
    Remove {
        /// The contact's name.
        contact: String,
    },
    /// List the contacts.
    List,
    /// Give a contact another name.
    Rename {
        /// The contact's name.
        contact: String,
        /// The new name.
        new: String,
    },
    /// Write all contacts to a new file.
    Export {
        /// Where to; - for standard output.
        file: PathBuf,
        /// A table, or JSON.
        #[arg(long, value_enum, default_value = "json")]
        format: Format,
    },
    /// Take in the contacts of a file, CSV or JSON: all of them, or none.
    Import {
        /// The file; - for standard input.
        file: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values.
    Csv,
    /// A list of objects.
    Json,
}

impl Session<'_> {
    pub(super) fn run_contacts(&self, command: Commands) -> Result<(), CliError> {
        let Commands::Contact { name, action, password } = command;
        let mut wallet = self.open(&name, &password)?;
        match action {
            Action::Add { contact, address, note } => {
                wallet.add_contact(&contact, &address, &note)?;
                let kept = wallet.contact(&contact).map(|kept| kept.address.clone());
                self.print(&json!({"name": contact.trim(), "address": kept}), || {
                    output::line(&format!(
                        "{} is a contact now. Compare the address with theirs once more.",
                        contact.trim()
                    ));
                });
            }
            Action::Remove { contact } => {
                let removed = wallet.remove_contact(&contact)?;
                self.print(&json!({"removed": contact, "address": removed.address}), || {
                    output::line(&format!("{contact} is no contact any more. Their address was {}.", removed.address));
                });
            }
            Action::Rename { contact, new } => {
                wallet.rename_contact(&contact, &new)?;
                self.print(&json!({"name": new.trim()}), || output::line(&format!("{contact} is {} now.", new.trim())));
            }
            Action::List => self.print(&wallet.contacts_json(), || {
                let rows = wallet
                    .contacts()
                    .map(|(name, kept)| vec![name.to_owned(), kept.address.clone(), kept.note.clone()]);
                let rows: Vec<_> = rows.collect();
                if rows.is_empty() {
                    output::line("There is no contact yet. Keep one: mycoin wallet contact NAME add WHO ADDRESS");
                    return;
                }
                output::table(&["NAME", "ADDRESS", "NOTE"], &[], &rows);
            }),
            Action::Export { file, format } => {
                let text = match format {
                    Format::Csv if self.context.json && file == Path::new("-") => {
                        return Err(CliError::usage("a table is no JSON", "Leave --json out, or name a file."));
                    }
                    Format::Csv => wallet.contacts_csv(),
                    Format::Json => format!("{}\n", wallet.contacts_json()),
                };
                files::write_out(&file, &text)?;
                if file != Path::new("-") {
                    let count = wallet.contacts().count();
                    self.print(&json!({"path": file.display().to_string(), "contacts": count}), || {
                        output::line(&format!("{count} contacts were written to {}.", file.display()));
                    });
                }
            }
            Action::Import { file } => {
                let count = wallet.import_contacts(&files::text_from(&file, CONTACTS_LIMIT)?)?;
                self.print(&json!({"imported": count}), || output::line(&format!("{count} contacts are new.")));
            }
        }
        Ok(())
    }
}
