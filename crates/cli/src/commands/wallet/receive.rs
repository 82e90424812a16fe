//! Addresses to receive at, and requests for payment.

use clap::{Args, Subcommand};
use mycoin_primitives::{Amount, format_amount, format_coins, parse_amount};
use mycoin_wallet::{NewRequest, RequestEntry, RequestState};
use serde_json::{Value, json};

use super::{Session, json_coins, utc};
use crate::error::CliError;
use crate::{args, output};

/// Commands for receiving.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Show an address to receive at: the next one that was never paid to.
    Address {
        /// The wallet's name.
        name: String,
        /// Show it as a QR code too.
        #[arg(long)]
        qr: bool,
        #[command(flatten)]
        password: args::Password,
    },
    /// Ask for a payment: an address of its own, a link and a QR code for the payer.
    Request(Request),
    /// List the requests with how far each payment is.
    Requests {
        /// The wallet's name.
        name: String,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
    /// Get coins from the faucet of a test network.
    Faucet {
        /// The wallet's name.
        name: String,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
}

/// What to ask for.
#[derive(Args)]
pub(crate) struct Request {
    /// The wallet's name.
    name: String,
    /// How much, in coins.
    #[arg(long, allow_hyphen_values = true)]
    amount: Option<String>,
    /// For whom or what; the payer reads it, and the address keeps it as its label.
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,
    /// A message to the payer.
    #[arg(long, value_name = "TEXT", default_value = "")]
    message: String,
    /// For how long to ask: a number with s, m, h, d or w for seconds, minutes, hours, days or weeks; or never.
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = lasting)]
    expires: Lasting,
    /// Show the link as a QR code too.
    #[arg(long)]
    qr: bool,
    /// Ask no longer for the payment to this address.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["amount", "label", "message", "expires", "qr"])]
    delete: Option<String>,
    #[command(flatten)]
    password: args::Password,
}

/// For how many seconds something lasts.
#[derive(Clone, Copy)]
struct Lasting(Option<u64>);

fn lasting(text: &str) -> Result<Lasting, String> {
    if text == "never" {
        return Ok(Lasting(None));
    }
    let wrong = || "give a number with s, m, h, d or w, such as 1h or 2d, or never".to_owned();
    let (number, unit) =
        text.split_at(text.len().saturating_sub(1).min(text.trim_end_matches(char::is_alphabetic).len()));
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(wrong()),
    };
    let count: u64 = number.parse().map_err(|_| wrong())?;
    count.checked_mul(seconds).filter(|seconds| *seconds > 0).map(|seconds| Lasting(Some(seconds))).ok_or_else(wrong)
}

impl Session<'_> {
    pub(super) async fn run_receive(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::Address { name, qr, password } => self.address(&name, qr, &password),
            Commands::Request(Request { name, delete: Some(address), password, .. }) => {
                self.delete_request(&name, &address, &password)
            }
            Commands::Request(request) => self.ask_for_payment(request),
            Commands::Requests { name, password, proxy } => self.requests(&name, &password, &proxy).await,
            Commands::Faucet { name, password, proxy } => self.faucet(&name, &password, &proxy).await,
        }
    }

    fn address(&self, name: &str, qr: bool, password: &args::Password) -> Result<(), CliError> {
        let address = self.open(name, password)?.next_address()?.address;
        self.print(&json!({ "address": address }), || {
            output::line(&address);
            if qr {
                output::qr(&format!("{}:{address}", self.network().uri_scheme));
            }
        });
        Ok(())
    }

    fn ask_for_payment(&self, request: Request) -> Result<(), CliError> {
        let Request { name, amount, label, message, expires, qr, delete: _, password } = request;
        let amount = amount.map(|amount| parse_amount(&amount, self.network())).transpose()?;
        let mut wallet = self.open(&name, &password)?;
        let made = wallet.request_payment(NewRequest { amount, label, message, lasts: expires.0 })?;
        if wallet.is_beyond_gap() {
            eprintln!(
                "Look twice: more than 20 addresses in a row were never paid to. A restore from the keys alone may stop \
                 searching before this one, so keep a backup of the wallet."
            );
        }
        self.print(&self.request_json(&made), || {
            let amount = made.request.amount.map_or_else(
                || "A payment of any amount".to_owned(),
                |amount| format!("A payment of {}", format_amount(amount, self.network())),
            );
            output::line(&format!("{amount} is requested at {}.", made.address));
            output::line(&made.uri);
            if let Some(expires) = made.request.expires {
                output::line(&format!("The request ends at {} UTC.", utc(expires)));
            }
            if qr {
                output::qr(&made.uri);
            }
        });
        Ok(())
    }

    fn delete_request(&self, name: &str, address: &str, password: &args::Password) -> Result<(), CliError> {
        self.open(name, password)?.delete_request(address)?;
        self.print(&json!({"deleted": address}), || {
            output::line("That payment is requested no longer. What is paid to the address arrives all the same.");
        });
        Ok(())
    }

    async fn requests(&self, name: &str, password: &args::Password, proxy: &args::ProxyUrl) -> Result<(), CliError> {
        let (wallet, _) = self.open_synced(name, password, proxy).await?;
        let requests = wallet.requests();
        self.print(&requests.iter().map(|request| self.request_json(request)).collect(), || {
            if requests.is_empty() {
                output::line("Nothing is requested. Ask for a payment: mycoin wallet request NAME");
                return;
            }
            let rows: Vec<_> = requests.iter().map(|request| self.request_row(request)).collect();
            let headers = [
                "MADE (UTC)",
                &format!("AMOUNT ({})", self.network().ticker),
                "STATE",
                "ENDS (UTC)",
                "LABEL",
                "ADDRESS",
            ];
            output::table(&headers, &[1], &rows);
        });
        Ok(())
    }

    fn request_json(&self, entry: &RequestEntry) -> Value {
        let coins = |amount: Amount| json_coins(amount, self.network());
        let missing = match entry.state {
            RequestState::PartlyPaid { missing } => Some(missing),
            RequestState::Open | RequestState::Expired => entry.request.amount,
            RequestState::Seen | RequestState::Paid => None,
        };
        json!({
            "address": entry.address,
            "uri": entry.uri,
            "state": entry.state.word(),
            "amount": entry.request.amount.map(coins),
            "missing": missing.map(coins),
            "confirmed": coins(entry.confirmed),
            "waiting": coins(entry.waiting),
            "label": entry.request.label,
            "message": entry.request.message,
            "made": entry.request.made,
            "expires": entry.request.expires,
        })
    }

    fn request_row(&self, entry: &RequestEntry) -> Vec<String> {
        let coins = |amount: Amount| format_coins(amount, self.network());
        let state = match entry.state {
            RequestState::Open => "open".to_owned(),
            RequestState::Expired => "expired".to_owned(),
            RequestState::PartlyPaid { missing } => format!("partly paid, {} is missing", coins(missing)),
            RequestState::Seen => "seen, in no block yet".to_owned(),
            RequestState::Paid => "paid".to_owned(),
        };
        vec![
            utc(entry.request.made),
            entry.request.amount.map_or_else(|| "any".to_owned(), coins),
            state,
            entry.request.expires.map_or_else(|| "never".to_owned(), utc),
            entry.request.label.clone(),
            entry.address.clone(),
        ]
    }

    async fn faucet(&self, name: &str, password: &args::Password, proxy: &args::ProxyUrl) -> Result<(), CliError> {
        if !self.network().faucet {
            let sentence = format!("{} has no faucet", self.network().coin);
            return Err(CliError::new("faucet/off", sentence, "Only test networks such as demo give coins away."));
        }
        let address = self.open(name, password)?.next_address()?.address;
        let gift = self.client(proxy)?.faucet(&address).await?;
        let value = json!({"address": address, "block_hash": gift.block_hash.to_string(), "height": gift.height});
        self.print(&value, || {
            output::line(&format!("Block {} was mined for you; its reward pays {address}.", gift.height))
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::lasting;

    #[test]
    fn times_are_a_number_and_a_unit() {
        let read = |text: &str| lasting(text).map(|lasting| lasting.0).ok();
        assert_eq!(read("never"), Some(None));
        for (text, seconds) in [("30s", 30), ("1m", 60), ("1h", 3_600), ("2d", 172_800), ("3w", 1_814_400)] {
            assert_eq!(read(text), Some(Some(seconds)), "{text}");
        }
        for bad in ["", "h", "0h", "1", "-1h", "1y", "1hh", "1 h", "18446744073709551615w", "1ä", "ä"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
