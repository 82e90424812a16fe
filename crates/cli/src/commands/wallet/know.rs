//! What a wallet holds: its balance, its addresses, its coins.

use clap::Subcommand;
use mycoin_primitives::{Amount, format_coins};
use mycoin_wallet::{AddressEntry, BalanceKind, BalancePart, CoinEntry, CoinState, Labelled, Wallet};
use serde_json::{Value, json};

use super::{Session, json_coins};
use crate::error::CliError;
use crate::{args, output};

/// Commands that show what a wallet holds.
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
    /// List the wallet's addresses with their use and balance.
    Addresses {
        /// The wallet's name.
        name: String,
        /// Only those that were never paid to.
        #[arg(long)]
        unused: bool,
        /// Only those for change.
        #[arg(long)]
        change: bool,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
    /// List the wallet's coins with what can be done with each.
    Coins {
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
            Commands::Balance { name, password, proxy } => {
                self.balance(&self.open_synced(&name, &password, &proxy).await?.0);
            }
            Commands::Addresses { name, unused, change, password, proxy } => {
                let (wallet, _) = self.open_synced(&name, &password, &proxy).await?;
                let is_wanted = |entry: &AddressEntry| (!unused || !entry.is_used()) && (!change || entry.change);
                self.addresses(&wallet, is_wanted);
            }
            Commands::Coins { name, password, proxy } => {
                self.coins(&self.open_synced(&name, &password, &proxy).await?.0);
            }
        }
        Ok(())
    }

    fn balance(&self, wallet: &Wallet) {
        let (balance, parts) = (wallet.balance(), wallet.balance_parts());
        let is_frozen = |coin: &CoinEntry| coin.frozen && coin.state == CoinState::Spendable;
        let frozen = wallet.coin_list().iter().filter(|coin| is_frozen(coin)).map(|coin| coin.amount).sum();
        let value = json!({
            "spendable": json_coins(balance.spendable, self.network()),
            "waiting": json_coins(balance.waiting, self.network()),
            "immature": json_coins(balance.immature, self.network()),
            "frozen": json_coins(frozen, self.network()),
            "total": json_coins(balance.total, self.network()),
            "parts": parts.iter().map(|part| self.part_json(part)).collect::<Value>(),
            "ticker": self.network().ticker,
            "height": wallet.tip(),
        });
        self.print(&value, || {
            let row = |name: &str, amount: Amount, meaning: String| {
                vec![name.to_owned(), format_coins(amount, self.network()), meaning]
            };
            let mut rows = Vec::new();
            for part in &parts {
                let meaning = if part.coins == 0 { String::new() } else { part.explanation() };
                rows.push(row(part_word(part.kind), part.amount, meaning));
                if part.kind == BalanceKind::Spendable && frozen > Amount::ZERO {
                    rows.push(row("  frozen", frozen, "Part of it that you froze; no payment spends it.".to_owned()));
                }
            }
            rows.push(row("total", balance.total, String::new()));
            output::table(&["", &self.network().ticker, ""], &[1], &rows);
        });
    }

    fn part_json(&self, part: &BalancePart) -> Value {
        let (first, last) = part.blocks_left.unzip();
        json!({
            "part": part_word(part.kind),
            "amount": json_coins(part.amount, self.network()),
            "coins": part.coins,
            "unconfirmed": json_coins(part.unconfirmed, self.network()),
            "first_blocks_left": first,
            "last_blocks_left": last,
            "explanation": part.explanation(),
        })
    }

    fn addresses(&self, wallet: &Wallet, is_wanted: impl Fn(&AddressEntry) -> bool) {
        let list: Vec<AddressEntry> = wallet.address_list().into_iter().filter(is_wanted).collect();
        let requested: Vec<String> = wallet.requests().into_iter().map(|request| request.address).collect();
        let label = |entry: &AddressEntry| wallet.label(&Labelled::Address(entry.address.clone()));
        let is_requested = |entry: &AddressEntry| requested.contains(&entry.address);
        let value = list.iter().map(|entry| {
            json!({
                "address": entry.address,
                "index": entry.index,
                "change": entry.change,
                "used": entry.is_used(),
                "requested": is_requested(entry),
                "transactions": entry.transactions,
                "received": json_coins(entry.received, self.network()),
                "balance": json_coins(entry.balance, self.network()),
                "label": label(entry),
            })
        });
        self.print(&value.collect(), || {
            if list.is_empty() {
                output::line("There is no such address yet.");
                return;
            }
            let rows = list.iter().map(|entry| {
                let usage = match entry.transactions {
                    0 if is_requested(entry) => "requested".to_owned(),
                    0 => "unused".to_owned(),
                    1 => "used once".to_owned(),
                    times => format!("used {times} times"),
                };
                vec![
                    entry.index.to_string(),
                    if entry.change { "change" } else { "receiving" }.to_owned(),
                    usage,
                    format_coins(entry.balance, self.network()),
                    entry.address.clone(),
                    label(entry).unwrap_or_default().to_owned(),
                ]
            });
            let rows: Vec<_> = rows.collect();
            output::table(&["INDEX", "FOR", "USE", &self.network().ticker, "ADDRESS", "LABEL"], &[0, 3], &rows);
        });
    }

    fn coins(&self, wallet: &Wallet) {
        let list = wallet.coin_list();
        self.print(&list.iter().map(|coin| self.coin_json(coin)).collect(), || {
            if list.is_empty() {
                output::line("The wallet holds no coins.");
                return;
            }
            let rows = list.iter().map(|coin| {
                let state = match coin.state {
                    CoinState::Spendable if coin.height.is_none() => "spendable, waiting".to_owned(),
                    CoinState::Spendable => format!("spendable ({})", coin.confirmations),
                    CoinState::Waiting => "waiting".to_owned(),
                    CoinState::Immature { blocks_left } => format!("immature ({blocks_left} to go)"),
                };
                vec![
                    coin.outpoint.to_string(),
                    format_coins(coin.amount, self.network()),
                    if coin.frozen { format!("{state}, frozen") } else { state },
                    coin.address.clone().unwrap_or_default(),
                    coin.label.clone().unwrap_or_default(),
                ]
            });
            let rows: Vec<_> = rows.collect();
            output::table(&["COIN", &self.network().ticker, "STATE", "ADDRESS", "LABEL"], &[1], &rows);
        });
    }

    fn coin_json(&self, coin: &CoinEntry) -> Value {
        let (state, blocks_left) = match coin.state {
            CoinState::Spendable => ("spendable", None),
            CoinState::Waiting => ("waiting", None),
            CoinState::Immature { blocks_left } => ("immature", Some(blocks_left)),
        };
        json!({
            "outpoint": coin.outpoint.to_string(),
            "amount": json_coins(coin.amount, self.network()),
            "address": coin.address,
            "index": coin.index,
            "change": coin.change,
            "state": state,
            "blocks_left": blocks_left,
            "height": coin.height,
            "confirmations": coin.confirmations,
            "frozen": coin.frozen,
            "label": coin.label,
        })
    }
}

const fn part_word(kind: BalanceKind) -> &'static str {
    match kind {
        BalanceKind::Spendable => "spendable",
        BalanceKind::Waiting => "waiting",
        BalanceKind::Immature => "immature",
    }
}
