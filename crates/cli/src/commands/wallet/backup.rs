//! Backups, the test that one would do, and the descriptors that others watch a wallet by.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use mycoin_primitives::format_coins;
use mycoin_wallet::{Backup, BackupDifference, BackupSummary, WalletName};
use serde_json::json;

use super::create::counted;
use super::{Session, json_coins, kind_sentence, kind_word, wallet_password};
use crate::error::CliError;
use crate::{args, output, prompt};

/// Commands that keep wallets safe.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Write the wallet, with all its labels and contacts, to one encrypted file.
    Backup {
        /// The wallet's name.
        name: String,
        /// Where to; never over an existing file.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        #[command(flatten)]
        password: args::Password,
    },
    /// Restore a backup in memory, and say what it holds and how it differs from the wallet.
    TestBackup {
        /// The backup.
        file: PathBuf,
        /// The wallet to compare it with.
        name: Option<String>,
        #[command(flatten)]
        password: args::Password,
    },
    /// Print the wallet's output descriptors, for programs that shall watch it.
    Descriptors {
        /// The wallet's name.
        name: String,
        /// Print the first addresses too, to compare them with another program's.
        #[arg(long, value_name = "COUNT", default_value_t = 0)]
        addresses: u32,
        #[command(flatten)]
        password: args::Password,
    },
}

impl Session<'_> {
    pub(super) fn run_backup(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::Backup { name, to, password } => self.back_up(&name, &to, &password),
            Commands::TestBackup { file, name, password } => self.test_backup(&file, name.as_deref(), &password),
            Commands::Descriptors { name, addresses, password } => self.descriptors(&name, addresses, &password),
        }
    }

    fn back_up(&self, name: &str, to: &Path, password: &args::Password) -> Result<(), CliError> {
        let wallet = self.open(name, password)?;
        wallet.back_up(to)?;
        let value = json!({"name": wallet.name().to_string(), "backup": to.display().to_string()});
        self.print(&value, || {
            output::line(&format!("The backup of {name} stands in {}.", to.display()));
            output::line("It opens with the password that the wallet has now. Keep it elsewhere, and try it:");
            output::line(&format!("mycoin wallet test-backup {} {name}", to.display()));
        });
        Ok(())
    }

    fn test_backup(&self, file: &Path, name: Option<&str>, password: &args::Password) -> Result<(), CliError> {
        let secret = prompt::password("Password of the backup", password.password_file.as_deref())?;
        let backup = Backup::open(file, self.network(), &wallet_password(&secret)?)?;
        // The wallet's own password may have changed since.
        let wallet = name.map(|name| self.open(name, &args::Password { password_file: None })).transpose()?;
        let summary = backup.summary();
        let differences = backup.differences(wallet.as_ref());
        let good = !differences.iter().any(BackupDifference::is_fatal);
        let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
        let value = json!({
            "good": good, "keys": kind_word(summary.kind), "signs": summary.signs, "height": summary.height,
            "first_address": summary.first_address, "transactions": summary.transactions, "labels": summary.labels,
            "contacts": summary.contacts, "requests": summary.requests,
            "total": json_coins(summary.balance.total, self.network()),
            "compared_with": name, "differences": told,
        });
        if !good {
            let next = "Make a new backup of the wallet, and keep this one until it stands.";
            return Err(CliError::new("backup/would-not-do", told.join(" "), next));
        }
        self.print(&value, || self.tell_backup(file, name, &summary, &told));
        Ok(())
    }

    fn tell_backup(&self, file: &Path, name: Option<&str>, summary: &BackupSummary, differences: &[String]) {
        let signs = if summary.signs { "it signs" } else { "it only watches" };
        output::line(&format!("{} is whole: {}, {signs}.", file.display(), kind_sentence(summary.kind)));
        if let Some(address) = &summary.first_address {
            output::line(&format!("Its first address: {address}"));
        }
        let total = format_coins(summary.balance.total, self.network());
        let count = |number: usize, what: &str| counted(number as u64, what, "s");
        output::line(&format!(
            "As of block {} it held {total} {}, by {}; it keeps {}, {} and {}.",
            summary.height,
            self.network().ticker,
            count(summary.transactions, "transaction"),
            count(summary.labels, "label"),
            count(summary.contacts, "contact"),
            count(summary.requests, "request"),
        ));
        match (name, differences) {
            (None, _) => {}
            (Some(name), []) => output::line(&format!("It would bring back all of {name}.")),
            (Some(name), differences) => {
                output::line(&format!("It would bring back the coins of {name}, but it is older:"));
                differences.iter().for_each(|difference| output::line(&format!("  {difference}")));
            }
        }
    }

    fn descriptors(&self, name: &str, addresses: u32, password: &args::Password) -> Result<(), CliError> {
        let wallet = self.open(name, password)?;
        let (descriptors, keys) = (wallet.descriptors(), wallet.extended_keys());
        let first = wallet.first_addresses(addresses);
        if descriptors.is_empty() && first.is_empty() {
            let next = "Give its address, or its backup.";
            return Err(CliError::new("wallet/no-descriptor", "this wallet has no descriptor", next));
        }
        let name = WalletName::parse(name)?;
        let value =
            json!({"name": name.to_string(), "descriptors": descriptors, "extended_keys": keys, "addresses": first});
        self.print(&value, || {
            descriptors.iter().chain(&first).for_each(|line| output::line(line));
            eprintln!("Whoever has these sees every payment of the wallet, past and to come, and spends none.");
        });
        Ok(())
    }
}
