//! Wallets as files: which there are, opening and locking them.

use std::path::Path;

use clap::Subcommand;
use mycoin_wallet::{Unlock, WalletName};
use serde_json::{Value, json};

use super::{Session, kind_sentence, kind_word, wallet_password};
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
        #[command(flatten)]
        password: args::Password,
    },
    /// Forget the viewing key: from then on every command asks for the password.
    Lock {
        /// The wallet's name.
        name: String,
    },
}

impl Session<'_> {
    pub(super) fn run_keep(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::List => self.list(),
            Commands::Open { name, password } => self.unlock(&name, password.password_file.as_deref()),
            Commands::Lock { name } => self.lock(&name),
        }
    }

    fn list(&self) -> Result<(), CliError> {
        let wallets = self.folder.list()?;
        let value = wallets.iter().map(|wallet| {
            json!({"name": wallet.name.to_string(), "keys": wallet.kind.map(kind_word), "locked": wallet.locked,
                   "path": wallet.path.display().to_string()})
        });
        self.print(&Value::Array(value.collect()), || {
            if wallets.is_empty() {
                output::line("There is no wallet yet. Make one: mycoin wallet create NAME");
                return;
            }
            let rows = wallets.iter().map(|wallet| {
                let kind = wallet.kind.map_or_else(|| "not a wallet file".to_owned(), kind_sentence);
                let viewing = if wallet.locked { "asks for the password" } else { "open" };
                vec![wallet.name.to_string(), kind, viewing.to_owned()]
            });
            output::table(&["NAME", "KEYS", "VIEWING"], &[], &rows.collect::<Vec<_>>());
        });
        Ok(())
    }

    fn unlock(&self, name: &str, password_file: Option<&Path>) -> Result<(), CliError> {
        let name = WalletName::parse(name)?;
        let password = wallet_password(&prompt::password(&format!("Password of {name}"), password_file)?)?;
        self.folder.open(&name, Unlock::Password(&password))?;
        self.print(&json!({"name": name.to_string(), "locked": false}), || {
            output::line(&format!("{name} is open for viewing. Payments still ask for the password."));
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
}
