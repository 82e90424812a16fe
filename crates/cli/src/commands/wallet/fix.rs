//! Payments that wait: why, and what can be done.

use clap::{Args, Subcommand};
use mycoin_primitives::Txid;
use mycoin_wallet::{Diagnosis, FeeChoice, FeePreset, Remedy, Standing};
use serde_json::{Value, json};

use super::pay::{Consent, Fee, Words, json_rate};
use super::{Session, json_coins};
use crate::error::CliError;
use crate::{args, output};

/// Commands that mend payments.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Why is a transaction not confirmed, what can be done, and what does each cost?
    Doctor {
        /// The wallet's name.
        name: String,
        /// The transaction [default: all that wait].
        txid: Option<Txid>,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
    /// Raise the fee of a payment that waits (BIP125); for the next block unless told otherwise.
    Bump(Mend),
    /// Take a payment back that waits: its coins are paid back to this wallet.
    Cancel(Mend),
    /// Pay for a transaction that waits, yours or others', by spending what it pays to this wallet.
    Accelerate(Mend),
    /// Hand a waiting transaction to the network once more.
    Rebroadcast {
        /// The wallet's name.
        name: String,
        /// The transaction.
        txid: Txid,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
    /// Give a payment up that the proxy does not know: its coins are free again.
    Abandon {
        /// The wallet's name.
        name: String,
        /// The payment.
        txid: Txid,
        /// Take back that it was given up.
        #[arg(long)]
        undo: bool,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
}

/// What waits and is to be mended.
#[derive(Args)]
pub(crate) struct Mend {
    /// The wallet's name.
    name: String,
    /// The transaction.
    txid: Txid,
    #[command(flatten)]
    fee: Fee,
    #[command(flatten)]
    consent: Consent,
}

/// How something that waits is mended.
#[derive(Clone, Copy)]
enum Mending {
    Bump,
    Cancel,
    Accelerate,
}

/// What is mended is meant for the next block.
const NEXT_BLOCK: FeePreset = FeePreset::Fast;

impl Session<'_> {
    pub(super) async fn run_fix(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::Doctor { name, txid, password, proxy } => self.doctor(&name, txid, &password, &proxy).await,
            Commands::Bump(what) => self.mend(&what, Mending::Bump).await,
            Commands::Cancel(what) => self.mend(&what, Mending::Cancel).await,
            Commands::Accelerate(what) => self.mend(&what, Mending::Accelerate).await,
            Commands::Rebroadcast { name, txid, password, proxy } => {
                self.rebroadcast(&name, txid, &password, &proxy).await
            }
            Commands::Abandon { name, txid, undo, password, proxy } => {
                self.abandon(&name, txid, undo, &password, &proxy).await
            }
        }
    }

    /// Pays so that something that waits is mended, or is no more.
    async fn mend(&self, what: &Mend, by: Mending) -> Result<(), CliError> {
        let Mend { name, txid, fee, consent } = what;
        let txid = *txid;
        let choice = fee.choice_or(FeeChoice::from(NEXT_BLOCK))?;
        let ready = self.ready(name, consent).await?;
        let wallet = &ready.wallet;
        let (draft, question, done) = match by {
            Mending::Bump => (
                wallet.prepare_bump(txid, choice, fee.allow_high_fee)?,
                "Send this in its place?",
                "It takes the place of the old one and waits until a block confirms it.",
            ),
            Mending::Cancel => (
                wallet.prepare_cancel(txid, choice, fee.allow_high_fee)?,
                "Take the payment back by this?",
                "The payment is taken back once a block confirms this; until then the old one could still win.",
            ),
            Mending::Accelerate => (
                wallet.prepare_acceleration(txid, choice, fee.allow_high_fee)?,
                "Send this?",
                "Miners who want its fee take the other transaction along.",
            ),
        };
        self.carry_out(ready, &draft, consent, &Words { question, done, label: None }).await
    }

    async fn rebroadcast(
        &self,
        name: &str,
        txid: Txid,
        password: &args::Password,
        proxy: &args::ProxyUrl,
    ) -> Result<(), CliError> {
        let (mut wallet, client) = self.open_synced(name, password, proxy).await?;
        wallet.rebroadcast(txid, &client).await?;
        self.print(&json!({"txid": txid.to_string(), "sent": true}), || {
            output::line(&format!("The network has {txid}. It waits until a block confirms it."));
        });
        Ok(())
    }

    async fn abandon(
        &self,
        name: &str,
        txid: Txid,
        undo: bool,
        password: &args::Password,
        proxy: &args::ProxyUrl,
    ) -> Result<(), CliError> {
        let (mut wallet, client) = self.open_synced(name, password, proxy).await?;
        let txids: Vec<String> = if undo {
            wallet.undo_abandon(txid)?;
            vec![txid.to_string()]
        } else {
            wallet.abandon(txid, &client).await?.iter().map(ToString::to_string).collect()
        };
        let value = json!({
            "txid": txid.to_string(),
            "abandoned": !undo,
            "transactions": txids,
            "spendable": json_coins(wallet.balance().spendable, self.network()),
        });
        self.print(&value, || {
            if undo {
                output::line(&format!("{txid} waits again, and its coins are bound."));
                output::line(&format!("Send it once more: mycoin wallet rebroadcast {name} {txid}"));
                return;
            }
            output::line("Given up; the coins are free again.");
            txids.iter().filter(|one| **one != txid.to_string()).for_each(|one| {
                output::line(&format!("{one} spends from it and falls with it."));
            });
            output::line("A node that kept it could still confirm it. Spending one of its coins otherwise makes sure that none does.");
        });
        Ok(())
    }

    async fn doctor(
        &self,
        name: &str,
        txid: Option<Txid>,
        password: &args::Password,
        proxy: &args::ProxyUrl,
    ) -> Result<(), CliError> {
        let (mut wallet, client) = self.open_synced(name, password, proxy).await?;
        let txids = txid.map_or_else(|| wallet.unsettled(), |txid| vec![txid]);
        let mut diagnoses = Vec::new();
        for txid in txids {
            diagnoses.push(wallet.examine(txid, &client).await?);
        }
        let network = match self.context.network_choice.as_str() {
            "demo" => String::new(),
            other => format!(" --network {other}"),
        };
        let remedy_json = |of: &Diagnosis, remedy: &Remedy| {
            json!({
                "action": action(remedy),
                "cost": json_coins(cost(remedy), self.network()),
                "description": wallet.describe_remedy(remedy),
                "command": command(&network, name, of, remedy),
            })
        };
        let list: Vec<Value> = diagnoses
            .iter()
            .map(|of| {
                json!({
                    "txid": of.txid.to_string(),
                    "standing": standing(of.standing),
                    "description": of.standing.to_string(),
                    "fee": of.fee.map(|fee| json_coins(fee, self.network())),
                    "vsize": of.vsize,
                    "fee_rate": of.rate.map(json_rate),
                    "next_block_rate": of.next_block.map(json_rate),
                    "minimum_rate": of.minimum.map(json_rate),
                    "reasons": of.reasons.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "remedies": of.remedies.iter().map(|remedy| remedy_json(of, remedy)).collect::<Vec<_>>(),
                })
            })
            .collect();
        self.print(&json!({ "transactions": list }), || {
            if diagnoses.is_empty() {
                output::line("Nothing waits: every transaction of this wallet is confirmed.");
            }
            for of in &diagnoses {
                output::line(&format!("Transaction {}", of.txid));
                output::line(&format!("  {}", of.standing));
                of.reasons.iter().for_each(|reason| output::line(&format!("  {reason}")));
                if !of.remedies.is_empty() {
                    output::line("  What you can do:");
                }
                for (number, remedy) in (1..).zip(&of.remedies) {
                    output::line(&format!("  {number}. {}", wallet.describe_remedy(remedy)));
                    if let Some(command) = command(&network, name, of, remedy) {
                        output::line(&format!("     {command}"));
                    }
                }
            }
        });
        Ok(())
    }
}

const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Confirmed { .. } => "confirmed",
        Standing::Waiting => "waiting",
        Standing::NotKnown => "not known to the proxy",
        Standing::Replaced { .. } => "replaced",
        Standing::Abandoned => "abandoned",
        Standing::Vanished => "vanished",
    }
}

const fn action(remedy: &Remedy) -> &'static str {
    match remedy {
        Remedy::Wait => "wait",
        Remedy::Rebroadcast => "rebroadcast",
        Remedy::Bump { .. } => "bump",
        Remedy::Accelerate { .. } => "accelerate",
        Remedy::Cancel { .. } => "cancel",
        Remedy::Abandon => "abandon",
        Remedy::UndoAbandon => "undo abandon",
    }
}

const fn cost(remedy: &Remedy) -> mycoin_primitives::Amount {
    match remedy {
        Remedy::Bump { extra, .. } => *extra,
        Remedy::Accelerate { fee, .. } | Remedy::Cancel { fee } => *fee,
        Remedy::Wait | Remedy::Rebroadcast | Remedy::Abandon | Remedy::UndoAbandon => mycoin_primitives::Amount::ZERO,
    }
}

/// What to type for a remedy.
fn command(network: &str, name: &str, of: &Diagnosis, remedy: &Remedy) -> Option<String> {
    let (command, undo) = match remedy {
        Remedy::Wait => return None,
        Remedy::UndoAbandon => ("abandon", " --undo"),
        other => (action(other), ""),
    };
    Some(format!("mycoin wallet {command} {name} {}{undo}{network}", of.txid))
}
