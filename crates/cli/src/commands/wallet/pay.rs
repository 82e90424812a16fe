//! What all commands that pay have in common: the choice of the fee, the review, the password, the result in words.
//!
//! In:    a draft that the wallet prepared.
//! Out:   a signed transaction that went out, or the review alone.
//! Never: a payment that was not shown first; a password asked for before somebody agreed.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mycoin_light::ProxyClient;
use mycoin_primitives::{Amount, FeeRate, Transaction, format_amount, format_coins};
use mycoin_wallet::{
    DEFAULT_FEE_TARGET, Draft, FeeChoice, FeePreset, Paid, Password, Pin, Review, Unlock, Wallet, WalletError,
    WalletName,
};
use serde_json::{Value, json};

use super::{Session, json_coins, json_number, wallet_password};
use crate::error::{CliError, sentence};
use crate::{args, output, prompt};

/// How the fee is chosen.
#[derive(Args)]
pub(crate) struct Fee {
    /// The fee rate, in satoshis per virtual byte.
    #[arg(long, value_name = "RATE", allow_hyphen_values = true, group = "fee_choice")]
    fee_rate: Option<String>,
    /// Within how many blocks it should confirm.
    #[arg(long, value_name = "BLOCKS", group = "fee_choice", value_parser = clap::value_parser!(u16).range(1..))]
    target: Option<u16>,
    /// How urgent it is: the next block, within 6 blocks (as without a choice), within 25, within 144.
    #[arg(long, value_enum, value_name = "SPEED", group = "fee_choice")]
    fee: Option<Preset>,
    /// Take a fee that looks like a mistake.
    #[arg(long)]
    pub(super) allow_high_fee: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Preset {
    Fast,
    Normal,
    Slow,
    Economy,
}

impl Fee {
    /// The choice; `default` where nobody chose.
    pub(super) fn choice_or(&self, default: FeeChoice) -> Result<FeeChoice, CliError> {
        let preset = self.fee.map(|preset| match preset {
            Preset::Fast => FeePreset::Fast,
            Preset::Normal => FeePreset::Normal,
            Preset::Slow => FeePreset::Slow,
            Preset::Economy => FeePreset::Economy,
        });
        Ok(match (&self.fee_rate, self.target, preset) {
            (Some(rate), ..) => FeeChoice::Rate(FeeRate::parse_sat_per_vb(rate)?),
            (None, Some(blocks), _) => FeeChoice::Target { blocks },
            (None, None, Some(preset)) => preset.into(),
            (None, None, None) => default,
        })
    }

    pub(super) fn choice(&self) -> Result<FeeChoice, CliError> {
        self.choice_or(DEFAULT_FEE_TARGET)
    }
}

/// Whether it is really done, and how the wallet is unlocked.
#[derive(Args)]
pub(crate) struct Consent {
    /// Show the review only: nothing is signed or sent.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask whether the review is right.
    #[arg(long)]
    yes: bool,
    /// The file that holds the PIN of a wallet whose key is on a token [default: ask].
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) password: args::Password,
    #[command(flatten)]
    pub(super) proxy: args::ProxyUrl,
}

/// A wallet that is open and up to date, and the password or PIN where a file gave it.
pub(super) struct Ready {
    pub(super) wallet: Wallet,
    pub(super) client: ProxyClient,
    given: Option<prompt::Secret>,
}

/// What a paying command says.
pub(super) struct Words<'a> {
    pub(super) question: &'a str,
    /// After the txid.
    pub(super) done: &'a str,
    /// The transaction's label.
    pub(super) label: Option<&'a str>,
}

impl Session<'_> {
    /// Opens a wallet for a payment, and brings it up to date.
    pub(super) async fn ready(&self, name: &str, consent: &Consent) -> Result<Ready, CliError> {
        // A password from standard input can be read once only, so it is read before the wallet is opened.
        let given = consent.password.password_file.as_deref().map(prompt::password_from).transpose()?;
        let name = WalletName::parse(name)?;
        let mut wallet = match &given {
            Some(secret) => self.folder.open(&name, Unlock::Password(&wallet_password(secret)?))?,
            None => self.open(&name.to_string(), &consent.password)?,
        };
        let client = self.sync(&mut wallet, &consent.proxy).await?;
        wallet.learn_minimum(&client).await;
        Ok(Ready { wallet, client, given })
    }

    /// Shows a draft, asks, signs and sends it.
    pub(super) async fn carry_out(
        &self,
        ready: Ready,
        draft: &Draft,
        consent: &Consent,
        words: &Words<'_>,
    ) -> Result<(), CliError> {
        let Ready { mut wallet, client, given } = ready;
        let mut value = self.draft_json(draft);
        if !self.context.json {
            self.print_review(draft.review());
        }
        if consent.dry_run {
            self.print(&value, || output::line("This is what would be sent. Nothing was signed."));
            return Ok(());
        }
        if !consent.yes && !prompt::confirm(words.question)? {
            return Err(CliError::new("send/cancelled", "nothing was sent", ""));
        }
        let transaction = self.sign(&mut wallet, draft, given, consent.pin_file.as_deref())?;
        let txid = wallet.publish(draft, &transaction, words.label, &client).await?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("sent".to_owned(), json!(true));
            fields.insert("txid".to_owned(), json!(txid.to_string()));
            fields.insert("vsize".to_owned(), json!(transaction.vsize()));
        }
        self.print(&value, || {
            output::line(&format!("Sent. Transaction {txid}"));
            output::line(words.done);
        });
        Ok(())
    }

    fn sign(
        &self,
        wallet: &mut Wallet,
        draft: &Draft,
        given: Option<prompt::Secret>,
        pin_file: Option<&Path>,
    ) -> Result<Transaction, CliError> {
        if !wallet.can_sign() {
            return Err(WalletError::WatchOnly.into());
        }
        let name = wallet.name().clone();
        if wallet.token().is_some() {
            let secret = prompt::password(&format!("PIN of the token of {name}"), pin_file)?;
            let session = wallet.unlock_token(&Pin::new(secret.as_str()))?;
            return Ok(wallet.sign(draft, &session)?);
        }
        let password: Password = match given {
            Some(secret) => wallet_password(&secret)?,
            None => wallet_password(&prompt::password(&format!("Password of {name}"), None)?)?,
        };
        Ok(wallet.sign(draft, &password)?)
    }

    fn draft_json(&self, draft: &Draft) -> Value {
        let review = draft.review();
        let coins = |amount| json_coins(amount, self.network());
        let paid = review.recipients.iter().map(|paid| {
            json!({"address": paid.address, "contact": paid.contact, "label": paid.label, "amount": coins(paid.amount),
                   "own": paid.own})
        });
        let spent = review.coins.iter().map(|spent| {
            json!({"coin": spent.outpoint.to_string(), "amount": coins(spent.amount), "address": spent.address,
                   "confirmed": spent.confirmed})
        });
        json!({
            "sent": false,
            "amount": coins(review.amount),
            "fee": coins(review.fee),
            "fee_rate": json_rate(review.fee_rate),
            "vsize": review.vsize,
            "change": coins(review.change),
            "review": {
                "recipients": paid.collect::<Vec<_>>(),
                "coins": spent.collect::<Vec<_>>(),
                "change_address": review.change_address,
                "total": coins(review.total),
                "balance_after": coins(review.balance_after),
                "replaces": draft.replaces().iter().map(ToString::to_string).collect::<Vec<_>>(),
                "replaced_fee": review.replaced_fee.map(coins),
                "look_twice": review.warnings.iter().map(|warning| sentence(&warning.to_string())).collect::<Vec<_>>(),
            },
        })
    }

    fn print_review(&self, review: &Review) {
        let coins = |amount| format_coins(amount, self.network());
        let spent = review.coins.iter().map(|coin| {
            let state = if coin.confirmed { "" } else { "in no block yet" };
            let address = coin.address.clone().unwrap_or_default();
            vec![coin.outpoint.to_string(), coins(coin.amount), address, state.to_owned()]
        });
        output::table(&["SPENDS", &self.network().ticker, "FROM", ""], &[1], &spent.collect::<Vec<_>>());
        output::line("");
        let mut rows: Vec<Vec<String>> =
            review.recipients.iter().map(|paid| vec![paid.address.clone(), coins(paid.amount), why(paid)]).collect();
        if let Some(address) = &review.change_address {
            rows.push(vec![address.clone(), coins(review.change), "comes back to this wallet".to_owned()]);
        }
        let rate = format!("fee: {} virtual bytes at {}{}", review.vsize, review.fee_rate, share(review));
        rows.push(vec!["the miner".to_owned(), coins(review.fee), rate]);
        output::table(&["PAYS TO", &self.network().ticker, "WHY"], &[1], &rows);
        output::line("");
        let amount = |amount: Amount| format_amount(amount, self.network());
        if let Some(old) = review.replaced_fee {
            let extra = review.fee.checked_sub(old).unwrap_or(Amount::ZERO);
            output::line(&format!(
                "It takes the place of a waiting payment that paid {}; {} more.",
                amount(old),
                amount(extra)
            ));
        }
        output::line(&format!(
            "Amount and fee: {}. Balance afterwards: {}.",
            amount(review.total),
            amount(review.balance_after)
        ));
        for warning in &review.warnings {
            output::line(&format!("Look twice: {}", sentence(&warning.to_string())));
        }
    }
}

fn why(paid: &Paid) -> String {
    let whom = match (&paid.contact, paid.own) {
        (Some(name), _) => format!("to {name}"),
        (None, true) => "to this wallet".to_owned(),
        (None, false) => "to the recipient".to_owned(),
    };
    if paid.label.is_empty() { whom } else { format!("{whom}: {}", paid.label) }
}

/// What part of the amount the fee is.
fn share(review: &Review) -> String {
    match review.fee.to_sat().saturating_mul(10_000).checked_div(review.amount.to_sat()) {
        Some(0) => ", less than 0.01 % of the amount".to_owned(),
        Some(share) => format!(", {}.{:02} % of the amount", share / 100, share % 100),
        None => String::new(),
    }
}

/// A rate in satoshis per virtual byte, as a JSON number.
pub(super) fn json_rate(rate: FeeRate) -> Value {
    json_number(&format!("{}.{:03}", rate.to_sat_per_kvb() / 1_000, rate.to_sat_per_kvb() % 1_000))
}
