//! What a wallet holds, and what happened in it.

use clap::Subcommand;
use mycoin_primitives::{Amount, format_coins};
use mycoin_wallet::{EntryKind, EntryState, HistoryEntry};
use serde_json::{Value, json};

use super::{Session, json_coins, json_number, utc};
use crate::error::CliError;
use crate::{args, output};

/// Commands that show what a wallet knows.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Show what can be spent, what is waiting and what is immature.
    Balance {
        /// The wallet's name.
        name: String,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
    /// Show the wallet's transactions, newest first.
    History {
        /// The wallet's name.
        name: String,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
}

impl Session<'_> {
    pub(super) async fn run_know(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::Balance { name, password, proxy } => self.balance(&name, &password, &proxy).await,
            Commands::History { name, password, proxy } => self.history(&name, &password, &proxy).await,
        }
    }

    async fn balance(&self, name: &str, password: &args::Password, proxy: &args::ProxyUrl) -> Result<(), CliError> {
        let (wallet, _) = self.open_synced(name, password, proxy).await?;
        let balance = wallet.balance();
        let value = json!({
            "spendable": json_coins(balance.spendable, self.network()),
            "waiting": json_coins(balance.waiting, self.network()),
            "immature": json_coins(balance.immature, self.network()),
            "total": json_coins(balance.total, self.network()),
            "ticker": self.network().ticker,
            "height": wallet.tip(),
        });
        self.print(&value, || {
            let row = |name: &str, amount: Amount, meaning: &str| {
                vec![name.to_owned(), format_coins(amount, self.network()), meaning.to_owned()]
            };
            let rows = [
                row("spendable", balance.spendable, "can be spent now"),
                row("waiting", balance.waiting, "on its way, in no block yet"),
                row("immature", balance.immature, "block rewards that more blocks must follow"),
                row("total", balance.total, ""),
            ];
            output::table(&["", &self.network().ticker, ""], &[1], &rows);
        });
        Ok(())
    }

    async fn history(&self, name: &str, password: &args::Password, proxy: &args::ProxyUrl) -> Result<(), CliError> {
        let (wallet, _) = self.open_synced(name, password, proxy).await?;
        let history = wallet.history();
        let value = history.iter().map(|entry| self.entry_json(entry)).collect();
        self.print(&value, || {
            if history.is_empty() {
                output::line("Nothing has happened in this wallet yet.");
                return;
            }
            let rows: Vec<_> = history.iter().map(|entry| self.entry_row(entry)).collect();
            output::table(&["TIME (UTC)", "WHAT", "AMOUNT", "STATE", "WITH", "TXID"], &[2], &rows);
        });
        Ok(())
    }

    fn entry_json(&self, entry: &HistoryEntry) -> Value {
        let change = output::signed_coins(entry.amount, self.network());
        json!({
            "txid": entry.txid.to_string(),
            "time": entry.time,
            "height": entry.height,
            "confirmations": entry.confirmations,
            "amount": json_number(change.trim_start_matches('+')),
            "fee": entry.fee.map(|fee| json_coins(fee, self.network())),
            "kind": kind_of_entry(entry.kind),
            "state": state_word(entry.state),
            "counterparties": entry.counterparties,
            "own_addresses": entry.own_addresses,
        })
    }

    fn entry_row(&self, entry: &HistoryEntry) -> Vec<String> {
        let state = match entry.state {
            EntryState::Waiting => "waiting".to_owned(),
            EntryState::Confirmed => format!("confirmed ({})", entry.confirmations),
            EntryState::Immature { blocks_left } => format!("immature ({blocks_left} to go)"),
        };
        vec![
            utc(entry.time),
            kind_of_entry(entry.kind).to_owned(),
            output::signed_coins(entry.amount, self.network()),
            state,
            entry.counterparties.first().cloned().unwrap_or_default(),
            entry.txid.to_string(),
        ]
    }
}

const fn kind_of_entry(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Received => "received",
        EntryKind::Sent => "sent",
        EntryKind::ToSelf => "to self",
        EntryKind::Reward => "reward",
    }
}

const fn state_word(state: EntryState) -> &'static str {
    match state {
        EntryState::Waiting => "waiting",
        EntryState::Confirmed => "confirmed",
        EntryState::Immature { .. } => "immature",
    }
}
