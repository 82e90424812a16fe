//! What happened in a wallet: found, shown in full, taken along.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use mycoin_primitives::{Txid, format_amount, format_coins};
use mycoin_wallet::{DetailPart, EntryKind, EntryState, HistoryEntry, HistoryFilter, Owner, TransactionDetail, Wallet};
use serde_json::{Value, json};
use time::{Date, Time};

use super::{Session, files, json_coins, utc};
use crate::error::CliError;
use crate::{args, output};

/// Commands that show what happened.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Show the wallet's transactions, newest first.
    History {
        /// The wallet's name.
        name: String,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
    /// Write the wallet's transactions for a spreadsheet or a script.
    Export {
        /// The wallet's name.
        name: String,
        /// A table, or JSON.
        #[arg(long, value_enum)]
        format: Format,
        /// Where to, never over an existing file; - for standard output.
        #[arg(long, value_name = "FILE", default_value = "-")]
        to: PathBuf,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
    /// Show one transaction in full: whose its inputs and outputs are, its fee, its block.
    Show {
        /// The wallet's name.
        name: String,
        /// The transaction.
        txid: Txid,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
}

/// Which transactions to show; all that are given must fit.
#[derive(Args)]
pub(crate) struct Filter {
    /// A label, a contact's name, an amount, or part of an address or a transaction's id.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// From this day on (UTC), as YEAR-MONTH-DAY.
    #[arg(long, value_name = "DATE", value_parser = day)]
    since: Option<Date>,
    /// Up to the end of this day (UTC).
    #[arg(long, value_name = "DATE", value_parser = day)]
    until: Option<Date>,
    /// Of this kind.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// In this state.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// At most so many, the newest.
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Received,
    Sent,
    Reward,
    ToSelf,
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Waiting,
    Confirmed,
    Immature,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values.
    Csv,
    /// A list of objects.
    Json,
}

fn day(text: &str) -> Result<Date, String> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    Date::parse(text, format).map_err(|_| "write it as YEAR-MONTH-DAY, such as 2026-03-31".to_owned())
}

fn midnight(day: Date) -> u64 {
    u64::try_from(day.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp()).unwrap_or(0)
}

impl Filter {
    fn to_filter(&self) -> HistoryFilter {
        let kind = |kind| match kind {
            Kind::Received => EntryKind::Received,
            Kind::Sent => EntryKind::Sent,
            Kind::Reward => EntryKind::Reward,
            Kind::ToSelf => EntryKind::ToSelf,
        };
        let state = |state| match state {
            State::Waiting => EntryState::Waiting,
            State::Confirmed => EntryState::Confirmed,
            State::Immature => EntryState::Immature { blocks_left: 0 },
        };
        HistoryFilter {
            text: self.search.clone(),
            since: self.since.map(midnight),
            until: self.until.map(|day| day.next_day().map_or(u64::MAX, midnight)),
            kind: self.kind.map(kind),
            state: self.state.map(state),
            limit: self.limit,
        }
    }
}

impl Session<'_> {
    pub(super) async fn run_history(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::History { name, filter, password, proxy } => {
                let (wallet, _) = self.open_synced(&name, &password, &proxy).await?;
                self.history(&wallet, &filter.to_filter());
                Ok(())
            }
            Commands::Export { name, format, to, filter, password, proxy } => {
                let (wallet, _) = self.open_synced(&name, &password, &proxy).await?;
                self.export(&wallet, format, &to, &filter.to_filter())
            }
            Commands::Show { name, txid, password, proxy } => {
                let (wallet, _) = self.open_synced(&name, &password, &proxy).await?;
                self.show_transaction(&wallet, txid)
            }
        }
    }

    fn history(&self, wallet: &Wallet, filter: &HistoryFilter) {
        let history = wallet.find(filter);
        self.print(&history.iter().map(|entry| wallet.entry_json(entry)).collect(), || {
            if history.is_empty() && *filter == HistoryFilter::default() {
                output::line("Nothing has happened in this wallet yet.");
                return;
            }
            if history.is_empty() {
                output::line("No transaction fits.");
                return;
            }
            let rows: Vec<_> = history.iter().map(|entry| self.entry_row(wallet, entry)).collect();
            output::table(&["TIME (UTC)", "WHAT", "AMOUNT", "STATE", "LABEL", "WITH", "TXID"], &[2], &rows);
        });
    }

    fn entry_row(&self, wallet: &Wallet, entry: &HistoryEntry) -> Vec<String> {
        let mut parties = wallet.entry_parties(entry);
        let first = parties.next().unwrap_or_default().to_owned();
        let with = match parties.count() {
            0 => first,
            others => format!("{first} and {others} more"),
        };
        vec![
            utc(entry.time),
            entry.kind.word().to_owned(),
            output::signed_coins(entry.amount, self.network()),
            state_words(entry),
            wallet.entry_label(entry).unwrap_or_default().to_owned(),
            with,
            entry.txid.to_string(),
        ]
    }

    fn export(&self, wallet: &Wallet, format: Format, to: &Path, filter: &HistoryFilter) -> Result<(), CliError> {
        let entries = wallet.find(filter);
        let text = match format {
            Format::Csv if self.context.json && to == Path::new("-") => {
                return Err(CliError::usage("a table is no JSON", "Leave --json out, or name a file with --to."));
            }
            Format::Csv => wallet.history_csv(&entries),
            Format::Json => format!("{}\n", entries.iter().map(|entry| wallet.entry_json(entry)).collect::<Value>()),
        };
        files::write_out(to, &text)?;
        if to != Path::new("-") {
            let value = json!({"path": to.display().to_string(), "transactions": entries.len()});
            self.print(&value, || {
                let (count, path) = (entries.len(), to.display());
                output::line(&format!(
                    "{count} transactions were written to {path}. Whoever reads it knows what you paid."
                ));
            });
        }
        Ok(())
    }

    fn show_transaction(&self, wallet: &Wallet, txid: Txid) -> Result<(), CliError> {
        let Some(detail) = wallet.transaction_detail(txid) else {
            let sentence = format!("the wallet has no transaction {txid}");
            return Err(CliError::new("wallet/no-transaction", sentence, "Look at its history."));
        };
        self.print(&self.detail_json(wallet, &detail), || self.print_detail(wallet, &detail));
        Ok(())
    }

    fn detail_json(&self, wallet: &Wallet, detail: &TransactionDetail) -> Value {
        let part = |part: &DetailPart| {
            json!({
                "coin": part.coin.map(|coin| coin.to_string()),
                "amount": part.amount.map(|amount| json_coins(amount, self.network())),
                "address": part.address,
                "owner": part.owner.word(),
                "label": part.label,
                "contact": part.contact,
            })
        };
        let mut value = wallet.entry_json(&detail.entry);
        let more = json!({
            "block": detail.block.map(|block| block.to_string()),
            "vsize": detail.vsize,
            "fee_rate_sat_per_kvb": detail.fee_rate.map(|rate| rate.to_sat_per_kvb()),
            "replaceable": detail.replaceable,
            "lock_time": detail.lock_time,
            "inputs": detail.inputs.iter().map(part).collect::<Value>(),
            "outputs": detail.outputs.iter().map(part).collect::<Value>(),
        });
        if let (Some(fields), Value::Object(more)) = (value.as_object_mut(), more) {
            fields.extend(more);
        }
        value
    }

    fn print_detail(&self, wallet: &Wallet, detail: &TransactionDetail) {
        let entry = &detail.entry;
        output::line(&format!("Transaction {}", entry.txid));
        let say = |name: &str, text: String| output::line(&format!("{name:<11} {text}"));
        say(
            "what",
            format!(
                "{} {} {}",
                entry.kind.word(),
                output::signed_coins(entry.amount, self.network()),
                self.network().ticker
            ),
        );
        say("state", state_words(entry));
        say("time", format!("{} UTC", utc(entry.time)));
        if let (Some(height), Some(block)) = (entry.height, detail.block) {
            say("block", format!("{height}, {block}"));
        }
        if let (Some(fee), Some(rate)) = (entry.fee, detail.fee_rate) {
            say("fee", format!("{} at {rate}", format_amount(fee, self.network())));
        }
        say("size", format!("{} virtual bytes", detail.vsize));
        if entry.height.is_none() {
            say(
                "replaceable",
                if detail.replaceable { "it says so of itself" } else { "it does not say so of itself" }.to_owned(),
            );
        }
        if let Some(label) = wallet.entry_label(entry) {
            say("label", label.to_owned());
        }
        for (name, parts) in [("Spends", &detail.inputs), ("Pays", &detail.outputs)] {
            output::line("");
            let rows: Vec<_> = parts.iter().map(|part| self.part_row(part)).collect();
            output::table(&[name, "WHOSE", "ADDRESS", "LABEL"], &[0], &rows);
        }
    }

    fn part_row(&self, part: &DetailPart) -> Vec<String> {
        let amount = match (part.amount, part.coin) {
            (Some(amount), _) => format_coins(amount, self.network()),
            (None, Some(_)) => "unknown".to_owned(),
            (None, None) => "new coins".to_owned(),
        };
        let whose = match (&part.contact, part.owner, part.coin) {
            (Some(name), _, _) => name.clone(),
            (None, Owner::Unknown, None) => String::new(),
            (None, owner, _) => owner.word().to_owned(),
        };
        vec![amount, whose, part.address.clone().unwrap_or_default(), part.label.clone().unwrap_or_default()]
    }
}

fn state_words(entry: &HistoryEntry) -> String {
    match entry.state {
        EntryState::Waiting => "waiting".to_owned(),
        EntryState::Confirmed => format!("confirmed ({})", entry.confirmations),
        EntryState::Immature { blocks_left } => format!("immature ({blocks_left} to go)"),
    }
}
