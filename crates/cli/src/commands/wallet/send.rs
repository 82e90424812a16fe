//! Payments.

use clap::Subcommand;
use mycoin_primitives::{Amount, FeeRate, format_coins, parse_address, parse_amount};
use mycoin_wallet::{DEFAULT_FEE_TARGET, FeeChoice, PaymentRequest, Review, Unlock, WalletName, Warning};
use serde_json::json;

use super::{Session, json_coins, wallet_password};
use crate::error::CliError;
use crate::{args, output, prompt};

/// Commands that pay.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Send coins: shows what would happen, asks for the password, signs and posts.
    Send {
        /// The wallet's name.
        name: String,
        /// The recipient's address.
        #[arg(long, value_name = "ADDRESS")]
        to: String,
        /// How much, in coins.
        #[arg(long, allow_hyphen_values = true)]
        amount: String,
        /// The fee rate, in satoshis per virtual byte.
        #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
        fee_rate: Option<String>,
        /// Instead of a rate: within how many blocks the payment should confirm.
        #[arg(long, value_name = "BLOCKS", conflicts_with = "fee_rate")]
        target: Option<u16>,
        /// Do not ask whether the review is right.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
}

/// What `send` was asked to do, as it was typed.
struct Payment<'a> {
    to: &'a str,
    amount: &'a str,
    fee_rate: Option<&'a str>,
    target: Option<u16>,
    yes: bool,
}

impl Session<'_> {
    pub(super) async fn run_send(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::Send { name, to, amount, fee_rate, target, yes, password, proxy } => {
                let payment = Payment { to: &to, amount: &amount, fee_rate: fee_rate.as_deref(), target, yes };
                self.send(&name, &payment, &password, &proxy).await
            }
        }
    }

    async fn send(
        &self,
        name: &str,
        payment: &Payment<'_>,
        password: &args::Password,
        proxy: &args::ProxyUrl,
    ) -> Result<(), CliError> {
        let request = self.request(payment)?;
        // A password from standard input can be read once only, so it is read before the wallet is opened.
        let given = password.password_file.as_deref().map(prompt::password_from).transpose()?;
        let given = given.map(|secret| wallet_password(&secret)).transpose()?;
        let name = WalletName::parse(name)?;
        let mut wallet = match &given {
            Some(password) => self.folder.open(&name, Unlock::Password(password))?,
            None => self.open(&name.to_string(), password)?,
        };
        let client = self.client(proxy)?;
        wallet.sync(&client).await?;
        let draft = wallet.prepare(&request)?;
        if !self.context.json {
            self.print_review(draft.review());
        }
        if !payment.yes && !prompt::confirm("Send this?")? {
            return Err(CliError::new("send/cancelled", "nothing was sent", ""));
        }
        let password = match given {
            Some(password) => password,
            None => wallet_password(&prompt::password(&format!("Password of {name}"), None)?)?,
        };
        let transaction = wallet.sign(&draft, &password)?;
        let txid = client.broadcast(&transaction).await?;
        wallet.note_sent(&transaction)?;
        let review = draft.review();
        let value = json!({
            "txid": txid.to_string(),
            "amount": json_coins(review.amount, self.network()),
            "fee": json_coins(review.fee, self.network()),
            "vsize": review.vsize,
            "change": json_coins(review.change, self.network()),
        });
        self.print(&value, || {
            output::line(&format!("Sent. Transaction {txid}"));
            output::line("It waits until a block confirms it.");
        });
        Ok(())
    }

    fn request(&self, payment: &Payment<'_>) -> Result<PaymentRequest, CliError> {
        let fee = match (payment.fee_rate, payment.target) {
            (Some(rate), _) => FeeChoice::Rate(FeeRate::parse_sat_per_vb(rate)?),
            (None, Some(blocks)) => FeeChoice::Target { blocks },
            (None, None) => DEFAULT_FEE_TARGET,
        };
        Ok(PaymentRequest {
            recipient: parse_address(payment.to, self.network())?,
            recipient_text: payment.to.trim().to_owned(),
            amount: parse_amount(payment.amount, self.network())?,
            fee,
        })
    }

    fn print_review(&self, review: &Review) {
        let row = |name: &str, amount: Amount| vec![name.to_owned(), format_coins(amount, self.network())];
        output::line(&format!("To {}", review.recipient));
        let rows = [
            row("amount", review.amount),
            row("fee", review.fee),
            row("total", review.total),
            row("change", review.change),
            row("balance after", review.balance_after),
        ];
        output::table(&["", &self.network().ticker], &[1], &rows);
        output::line(&format!("{} virtual bytes at {}", review.vsize, review.fee_rate));
        for warning in &review.warnings {
            output::line(&format!("Look twice: {}", warning_sentence(warning)));
        }
    }
}

fn warning_sentence(warning: &Warning) -> String {
    match warning {
        Warning::HighFee { percent } => format!("the fee is {percent} % of the amount."),
        Warning::PaysSelf => "the recipient is this wallet.".to_owned(),
        Warning::NoFeeEstimate => "there are no fee estimates yet, so a low fee rate was taken.".to_owned(),
    }
}
