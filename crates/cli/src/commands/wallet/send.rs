//! Payments.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mycoin_primitives::OutPoint;
use mycoin_wallet::{FeeChoice, PaymentRequest, Recipient, Wallet};

use super::pay::{Consent, Fee, Words};
use super::token::is_standard_input;
use super::{Session, files};
use crate::args;
use crate::error::CliError;

/// The longest table of payments that is read, in bytes.
const CSV_LIMIT: u64 = 4 << 20;

/// Commands that pay.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Send coins: shows where each unit goes and why, asks for the password, signs and posts.
    Send {
        #[command(flatten)]
        payment: Payment,
        /// A note on the payment, for yourself.
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
        #[command(flatten)]
        consent: Consent,
    },
}

/// What to pay from which wallet, as it was typed.
#[derive(Args)]
pub(crate) struct Payment {
    /// The wallet's name.
    pub(super) name: String,
    /// An address, a payment link or a contact's name; may be given several times, each with its --amount.
    #[arg(long, value_name = "ADDRESS|URI|CONTACT", required_unless_present = "csv")]
    to: Vec<String>,
    /// How much: in coins (1.5), in base units (1500sat), or max for all that is left. A link may say it itself.
    #[arg(long, value_name = "COINS|UNITSsat|max", allow_hyphen_values = true)]
    amount: Vec<String>,
    /// A table of payments, in each line an address, an amount and, if wanted, a label; - for standard input.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Spend exactly these coins; may be given several times.
    #[arg(long, value_name = "TXID:NUMBER")]
    coin: Vec<OutPoint>,
    #[command(flatten)]
    fee: Fee,
    /// Promise that no other payment takes its place while it waits (BIP125).
    #[arg(long)]
    no_rbf: bool,
}

/// What of a payment can be read before its wallet is open.
pub(super) struct Typed<'a> {
    payment: &'a Payment,
    fee: FeeChoice,
    table: Option<String>,
}

impl Payment {
    /// Reads what needs no wallet, so that nobody types a password for nothing.
    pub(super) fn read(&self, password: &args::Password) -> Result<Typed<'_>, CliError> {
        if is_standard_input(self.csv.as_deref()) && is_standard_input(password.password_file.as_deref()) {
            let next = "Give one of them as a file.";
            return Err(CliError::usage("standard input cannot hold the table and the password", next));
        }
        let table = self.csv.as_deref().map(read_table).transpose()?;
        Ok(Typed { payment: self, fee: self.fee.choice()?, table })
    }
}

impl Typed<'_> {
    /// The payment with its recipients, of whom the wallet may know some by name.
    pub(super) fn request(&self, wallet: &Wallet) -> Result<PaymentRequest, CliError> {
        let Payment { to, amount, coin, fee, no_rbf, .. } = self.payment;
        let mut recipients = typed(wallet, to, amount)?;
        if let Some(table) = &self.table {
            recipients.extend(wallet.recipients_from_csv(table)?);
        }
        Ok(PaymentRequest {
            coins: coin.clone(),
            replaceable: !no_rbf,
            allow_high_fee: fee.allow_high_fee,
            ..PaymentRequest::new(recipients, self.fee)
        })
    }
}

impl Session<'_> {
    pub(super) async fn run_send(&self, command: Commands) -> Result<(), CliError> {
        let Commands::Send { payment, label, consent } = command;
        let typed = payment.read(&consent.password)?;
        let ready = self.ready(&payment.name, &consent).await?;
        let draft = ready.wallet.prepare(&typed.request(&ready.wallet)?)?;
        let words =
            Words { question: "Send this?", done: "It waits until a block confirms it.", label: label.as_deref() };
        self.carry_out(ready, &draft, &consent, &words).await
    }
}

/// The recipients that stand on the command line, each with its amount.
fn typed(wallet: &Wallet, to: &[String], amounts: &[String]) -> Result<Vec<Recipient>, CliError> {
    if amounts.len() > to.len() || (to.len() > 1 && !amounts.is_empty() && amounts.len() != to.len()) {
        let sentence = format!("{} --to and {} --amount do not fit together", to.len(), amounts.len());
        return Err(CliError::usage(sentence, "Give each recipient its amount, in the same order."));
    }
    let pairs = to.iter().enumerate().map(|(at, to)| (to, amounts.get(at)));
    pairs.map(|(to, amount)| Ok(wallet.recipient(to, amount.map(String::as_str))?)).collect()
}

fn read_table(path: &Path) -> Result<String, CliError> {
    let unreadable = |why: String| {
        CliError::new("payment/csv-unreadable", format!("cannot read {}: {why}", path.display()), "Check the file.")
    };
    let mut bytes = Vec::new();
    // One more byte than allowed, so that a longer file is not taken for its beginning.
    files::read(path, CSV_LIMIT + 1, &mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > CSV_LIMIT {
        return Err(unreadable(format!("it has more than {CSV_LIMIT} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))
}
