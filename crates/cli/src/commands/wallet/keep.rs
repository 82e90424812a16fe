//! Wallets as files: which there are, opening and locking them, their names and passwords, deleting them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use mycoin_wallet::{Unlock, WalletName};
use serde_json::{Value, json};

use super::create::{WeakPassword, strength_json};
use super::{Session, kind_sentence, kind_word, utc, wallet_password};
use crate::error::CliError;
use crate::{args, output, prompt};

/// Commands about wallet files.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// List the wallets.
    List,
    /// Unlock a wallet for viewing, so that balance, address and history need no password.
    Open {
        /// The wallet's name.
        name: String,
        /// Lock it again after so long: 90s, 10m, 8h or 2d [default: stays open until it is locked].
        #[arg(long = "for", value_name = "TIME", value_parser = parse_length)]
        length: Option<Duration>,
        #[command(flatten)]
        password: args::Password,
    },
    /// Forget the viewing key: from then on every command asks for the password.
    Lock {
        /// The wallet's name.
        name: String,
    },
    /// Give a wallet another name.
    Rename {
        /// The wallet's name.
        name: String,
        /// The name that it gets.
        new: String,
    },
    /// Delete a wallet's file. Without its recovery words or a backup its coins are lost.
    Delete {
        /// The wallet's name.
        name: String,
        /// The name once more, where nobody can be asked.
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
    },
    /// Change a wallet's password. Backups keep the one that they were made with.
    Password {
        /// The wallet's name.
        name: String,
        /// The file that holds the new password; - for standard input [default: ask twice].
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
        #[command(flatten)]
        weak: WeakPassword,
        #[command(flatten)]
        password: args::Password,
    },
}

/// Reads a length of time: a number and s, m, h or d.
fn parse_length(text: &str) -> Result<Duration, String> {
    let wrong = || "give a number and s, m, h or d, such as 10m".to_owned();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let number = text.get(..text.len() - 1).and_then(|number| number.parse::<u32>().ok()).filter(|number| *number > 0);
    Ok(Duration::from_secs(u64::from(number.ok_or_else(wrong)?) * unit))
}

impl Session<'_> {
    pub(super) fn run_keep(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::List => self.list(),
            Commands::Open { name, length, password } => self.unlock(&name, length, password.password_file.as_deref()),
            Commands::Lock { name } => self.lock(&name),
            Commands::Rename { name, new } => self.rename(&name, &new),
            Commands::Delete { name, confirm } => self.delete(&name, confirm.as_deref()),
            Commands::Password { name, new_password_file, weak, password } => {
                self.change_password(&name, password.password_file.as_deref(), new_password_file.as_deref(), &weak)
            }
        }
    }

    fn list(&self) -> Result<(), CliError> {
        let wallets = self.folder.list()?;
        let value = wallets.iter().map(|wallet| {
            json!({"name": wallet.name.to_string(), "keys": wallet.kind.map(kind_word), "locked": wallet.locked,
                   "locks_at": wallet.locks_at, "path": wallet.path.display().to_string()})
        });
        self.print(&Value::Array(value.collect()), || {
            if wallets.is_empty() {
                output::line("There is no wallet yet. Make one: mycoin wallet create NAME");
                return;
            }
            let rows = wallets.iter().map(|wallet| {
                let kind = wallet.kind.map_or_else(|| "not a wallet file".to_owned(), kind_sentence);
                let viewing = match (wallet.locked, wallet.locks_at) {
                    (true, _) => "asks for the password".to_owned(),
                    (false, Some(time)) => format!("open until {} UTC", utc(time)),
                    (false, None) => "open".to_owned(),
                };
                vec![wallet.name.to_string(), kind, viewing]
            });
            output::table(&["NAME", "KEYS", "VIEWING"], &[], &rows.collect::<Vec<_>>());
        });
        Ok(())
    }

    fn unlock(&self, name: &str, length: Option<Duration>, password_file: Option<&Path>) -> Result<(), CliError> {
        let name = WalletName::parse(name)?;
        let password = wallet_password(&prompt::password(&format!("Password of {name}"), password_file)?)?;
        self.folder.unlock(&name, &password, length)?;
        let seconds = length.map(|length| length.as_secs());
        self.print(&json!({"name": name.to_string(), "locked": false, "locks_in": seconds}), || {
            let until = match seconds {
                Some(seconds) => format!(" for {}", length_text(seconds)),
                None => String::new(),
            };
            output::line(&format!("{name} is open for viewing{until}. Payments still ask for the password."));
        });
        Ok(())
    }

    fn lock(&self, name: &str) -> Result<(), CliError> {
        let name = WalletName::parse(name)?;
        self.folder.lock(&name)?;
        self.print(&json!({"name": name.to_string(), "locked": true}), || {
            output::line(&format!("{name} is locked: looking at it asks for its password again."));
        });
        Ok(())
    }

    fn rename(&self, name: &str, new: &str) -> Result<(), CliError> {
        let (name, new) = (WalletName::parse(name)?, WalletName::parse(new)?);
        self.folder.rename(&name, &new)?;
        self.print(&json!({"name": new.to_string(), "was": name.to_string()}), || {
            output::line(&format!("{name} is now named {new}."));
        });
        Ok(())
    }

    fn delete(&self, name: &str, confirm: Option<&str>) -> Result<(), CliError> {
        let name = WalletName::parse(name)?;
        if !self.folder.list()?.iter().any(|wallet| wallet.name == name) {
            return Err(mycoin_wallet::WalletError::NotFound { name }.into());
        }
        let typed = match confirm {
            Some(typed) => typed.to_owned(),
            None => {
                eprintln!("Without its recovery words or a backup, the coins of {name} are lost with its file.");
                prompt::answer(&format!("Type the wallet's name to delete it ({name}):"), "Give --confirm NAME.")?
            }
        };
        if typed != name.as_str() {
            let sentence = "that is not the wallet's name, so it was not deleted";
            return Err(CliError::new("wallet/not-confirmed", sentence, "Type the name exactly."));
        }
        self.folder.delete(&name)?;
        self.print(&json!({"name": name.to_string(), "deleted": true}), || {
            output::line(&format!("{name} is deleted."));
        });
        Ok(())
    }

    fn change_password(
        &self,
        name: &str,
        old_file: Option<&Path>,
        new_file: Option<&Path>,
        weak: &WeakPassword,
    ) -> Result<(), CliError> {
        let name = WalletName::parse(name)?;
        let old = wallet_password(&prompt::password(&format!("Password of {name}"), old_file)?)?;
        let mut wallet = self.folder.open(&name, Unlock::PasswordOnce(&old))?;
        let (new, strength) = self.new_wallet_password(&name, new_file, weak)?;
        wallet.change_password(&old, &new)?;
        let value = json!({"name": name.to_string(), "password_strength": strength_json(&strength)});
        self.print(&value, || {
            output::line(&format!(
                "The password of {name} is changed. Backups open with the one that they were made with."
            ));
        });
        Ok(())
    }
}

fn length_text(seconds: u64) -> String {
    let (number, unit) = match seconds {
        s if s % 86_400 == 0 => (s / 86_400, "day"),
        s if s % 3_600 == 0 => (s / 3_600, "hour"),
        s if s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("8h", 28_800), ("2d", 172_800)] {
            assert_eq!(parse_length(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in ["", "10", "m", "0m", "-1m", "1.5h", "10µ", "99999999999d"] {
            assert!(parse_length(bad).is_err(), "{bad}");
        }
        assert_eq!((length_text(600), length_text(3_600)), ("10 minutes".to_owned(), "1 hour".to_owned()));
    }
}
