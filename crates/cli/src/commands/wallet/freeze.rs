//! Coins that no payment spends.

use clap::Subcommand;
use mycoin_primitives::OutPoint;
use serde_json::json;

use super::Session;
use crate::error::CliError;
use crate::{args, output};

/// Commands that keep coins back.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Keep coins back: no payment spends them until they are unfrozen.
    Freeze {
        /// The wallet's name.
        name: String,
        /// A coin, or an address for all coins that lie there now.
        #[arg(value_name = "TXID:NUMBER|ADDRESS")]
        coins: String,
        #[command(flatten)]
        password: args::Password,
    },
    /// Let payments spend coins again that were frozen.
    Unfreeze {
        /// The wallet's name.
        name: String,
        /// A coin, or an address for all coins that lie there now.
        #[arg(value_name = "TXID:NUMBER|ADDRESS")]
        coins: String,
        #[command(flatten)]
        password: args::Password,
    },
}

impl Session<'_> {
    pub(super) fn run_freeze(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::Freeze { name, coins, password } => self.freeze(&name, &coins, true, &password),
            Commands::Unfreeze { name, coins, password } => self.freeze(&name, &coins, false, &password),
        }
    }

    fn freeze(&self, name: &str, what: &str, frozen: bool, password: &args::Password) -> Result<(), CliError> {
        let changed: Vec<String> =
            self.open(name, password)?.freeze(what, frozen)?.iter().map(OutPoint::to_string).collect();
        self.print(&json!({"frozen": frozen, "coins": changed}), || {
            let state = if frozen { "frozen" } else { "not frozen" };
            if changed.is_empty() {
                output::line(&format!("Nothing changed: this was {state} before."));
            }
            for coin in &changed {
                let now = if frozen { "is frozen: no payment spends it" } else { "can be spent again" };
                output::line(&format!("{coin} {now}."));
            }
        });
        Ok(())
    }
}
