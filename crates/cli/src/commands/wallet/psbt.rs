//! Payments whose signatures are made elsewhere, or by several (PSBT, BIP174).
//!
//! Where the text of a PSBT goes to standard output, everything else goes to standard error, so that commands can be
//! joined by pipes.

mod review;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mycoin_files::Readers;
use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_wallet::{Psbt, PsbtReview};
use serde_json::{Value, json};

use super::send::Payment;
use super::token::{self, is_standard_input};
use super::{Session, files};
use crate::error::{CliError, files_error};
use crate::{args, output, prompt};

/// More than any PSBT holds, in bytes.
const LONGEST: u64 = 128 << 20;
/// How the base64 text of every PSBT begins.
const TEXT_BEGINS: &str = "cHNidP";

/// Commands about partially signed transactions.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Prepare a payment for signers elsewhere, and put signatures together (PSBT).
    #[command(subcommand)]
    Psbt(PsbtCommands),
}

/// All commands of `mycoin wallet psbt`.
#[derive(Subcommand)]
pub(crate) enum PsbtCommands {
    /// Prepare a payment without signing it. A wallet that only watches can do that, too.
    Create {
        #[command(flatten)]
        payment: Box<Payment>,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
    /// Show what a PSBT pays, from where, at which fee, and who has signed it.
    Inspect {
        #[command(flatten)]
        source: Source,
        /// The wallet whose coins and change are told apart from others'.
        #[arg(long, value_name = "NAME")]
        wallet: Option<String>,
        #[command(flatten)]
        password: args::Password,
    },
    /// Show what a PSBT does, ask for the password, and sign all inputs that are the wallet's. Needs no proxy.
    Sign {
        /// The wallet's name.
        name: String,
        #[command(flatten)]
        source: Source,
        #[command(flatten)]
        target: Target,
        /// Do not ask whether the review is right.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        pin: token::Pin,
    },
    /// Put the signatures of several copies of one PSBT together.
    Combine {
        /// The copies: files, or the texts themselves.
        #[arg(required = true, num_args = 2.., value_name = "FILE|TEXT")]
        copies: Vec<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Make the transaction of a PSBT that has all its signatures, in hexadecimal. Sends nothing.
    #[command(visible_alias = "finalize")]
    Finalise {
        /// The wallet's name.
        name: String,
        #[command(flatten)]
        source: Source,
        /// The new file for the transaction; without it, it is printed.
        #[arg(long, value_name = "FILE")]
        to_file: Option<PathBuf>,
        #[command(flatten)]
        password: args::Password,
    },
    /// Send the payment of a PSBT that has all its signatures.
    Broadcast {
        /// The wallet's name.
        name: String,
        #[command(flatten)]
        source: Source,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        proxy: args::ProxyUrl,
    },
}

/// Where a PSBT comes from.
#[derive(Args)]
pub(crate) struct Source {
    /// The PSBT: a file (binary, base64 or hexadecimal), the text itself, or - for standard input.
    #[arg(value_name = "FILE|TEXT", default_value = "-")]
    psbt: String,
}

/// Where a PSBT goes.
#[derive(Args)]
pub(crate) struct Target {
    /// The new file for the PSBT, in binary; without it, its text (base64) is printed.
    #[arg(long, value_name = "FILE")]
    to_file: Option<PathBuf>,
}

impl Source {
    fn is_standard_input(&self) -> bool {
        self.psbt == "-"
    }

    /// Standard input cannot be read twice.
    fn leave_to(&self, password: &args::Password, pin: Option<&token::Pin>) -> Result<(), CliError> {
        let secret =
            is_standard_input(password.password_file.as_deref()) || pin.is_some_and(token::Pin::is_standard_input);
        if self.is_standard_input() && secret {
            let sentence = "standard input cannot be both the PSBT and a secret";
            return Err(CliError::usage(sentence, "Give one of them as a file."));
        }
        Ok(())
    }

    fn read(&self) -> Result<Psbt, CliError> {
        if self.psbt.trim_start().starts_with(TEXT_BEGINS) {
            return Ok(Psbt::parse(self.psbt.as_bytes())?);
        }
        let mut bytes = Vec::new();
        files::read(Path::new(&self.psbt), LONGEST, &mut bytes).map_err(|error| {
            let sentence = format!("cannot read the PSBT {}: {error}", shortened(&self.psbt));
            CliError::new("psbt/unreadable", sentence, "Give a file, the text itself, or - for standard input.")
        })?;
        Ok(Psbt::parse(&bytes)?)
    }
}

/// What was typed, not all of it where it is long.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 80;
    let shown: String = text.chars().filter(|character| !character.is_control()).take(SHOWN).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}

/// Writes a new file that only its owner can read.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    mycoin_files::create_new(path, bytes, Readers::Owner).map_err(|error| files_error(&error))
}

impl Session<'_> {
    pub(super) async fn run_psbt(&self, Commands::Psbt(command): Commands) -> Result<(), CliError> {
        match command {
            PsbtCommands::Create { payment, target, password, proxy } => {
                self.psbt_create(&payment, &target, &password, &proxy).await
            }
            PsbtCommands::Inspect { source, wallet, password } => {
                self.psbt_inspect(&source, wallet.as_deref(), &password)
            }
            PsbtCommands::Sign { name, source, target, yes, password, pin } => {
                source.leave_to(&password, Some(&pin))?;
                self.psbt_sign(&name, &source, &target, yes, &password, &pin)
            }
            PsbtCommands::Combine { copies, target } => self.psbt_combine(copies, &target),
            PsbtCommands::Finalise { name, source, to_file, password } => {
                self.psbt_finalise(&name, &source, to_file.as_deref(), &password)
            }
            PsbtCommands::Broadcast { name, source, password, proxy } => {
                self.psbt_broadcast(&name, &source, &password, &proxy).await
            }
        }
    }

    /// Hands a PSBT on: to a new file, or as text on standard output.
    fn deliver(&self, psbt: &Psbt, target: &Target, mut value: Value) -> Result<(), CliError> {
        if let Some(path) = &target.to_file {
            write_new(path, &psbt.to_bytes())?;
        }
        if let Some(fields) = value.as_object_mut() {
            fields.insert("psbt".to_owned(), json!(psbt.to_string()));
            fields.insert("file".to_owned(), json!(target.to_file.as_ref().map(|path| path.display().to_string())));
        }
        self.print(&value, || match &target.to_file {
            Some(path) => output::line(&format!("It is in {}.", path.display())),
            None => output::line(&psbt.to_string()),
        });
        Ok(())
    }

    /// The review on standard error.
    fn show(&self, review: &PsbtReview, has_wallet: bool) {
        if !self.context.json {
            review::lines(review, has_wallet, self.network()).iter().for_each(|line| eprintln!("{line}"));
        }
    }

    async fn psbt_create(
        &self,
        payment: &Payment,
        target: &Target,
        password: &args::Password,
        proxy: &args::ProxyUrl,
    ) -> Result<(), CliError> {
        let typed = payment.read(password)?;
        let (wallet, _client) = self.open_synced(&payment.name, password, proxy).await?;
        let draft = wallet.prepare(&typed.request(&wallet)?)?;
        let psbt = wallet.to_psbt(&draft)?;
        let review = wallet.inspect_psbt(&psbt);
        self.show(&review, true);
        self.deliver(&psbt, target, json!({"review": review::json(&review, true, self.network())}))
    }

    fn psbt_inspect(&self, source: &Source, wallet: Option<&str>, password: &args::Password) -> Result<(), CliError> {
        source.leave_to(password, None)?;
        let psbt = source.read()?;
        let review = match wallet {
            Some(name) => self.open(name, password)?.inspect_psbt(&psbt),
            None => psbt.inspect(self.network()),
        };
        self.print(&review::json(&review, wallet.is_some(), self.network()), || {
            review::lines(&review, wallet.is_some(), self.network()).iter().for_each(|line| output::line(line));
        });
        Ok(())
    }

    fn psbt_sign(
        &self,
        name: &str,
        source: &Source,
        target: &Target,
        yes: bool,
        password: &args::Password,
        pin: &token::Pin,
    ) -> Result<(), CliError> {
        let psbt = source.read()?;
        let (wallet, given) = self.open_to_sign(name, password)?;
        let review = wallet.inspect_psbt(&psbt);
        self.show(&review, true);
        if !yes && !prompt::confirm("Sign this?")? {
            return Err(CliError::new("psbt/cancelled", "nothing was signed", ""));
        }
        let key = self.key(&wallet, given, pin)?;
        let signed = wallet.sign_psbt(&psbt, key.signer())?;
        if !self.context.json {
            eprintln!("{}", review::signed_sentence(signed.new_signatures, signed.complete));
        }
        let value = json!({"new_signatures": signed.new_signatures, "complete": signed.complete,
            "review": review::json(&review, true, self.network())});
        self.deliver(&signed.psbt, target, value)
    }

    fn psbt_combine(&self, copies: Vec<String>, target: &Target) -> Result<(), CliError> {
        let sources: Vec<Source> = copies.into_iter().map(|psbt| Source { psbt }).collect();
        if sources.iter().filter(|source| source.is_standard_input()).count() > 1 {
            return Err(CliError::usage("standard input cannot be read twice", "Give the others as files."));
        }
        let mut together: Option<Psbt> = None;
        for source in &sources {
            let copy = source.read()?;
            match &mut together {
                Some(together) => together.combine(copy)?,
                None => together = Some(copy),
            }
        }
        let Some(psbt) = together else { return Err(CliError::usage("no PSBT was given", "Give two or more.")) };
        let review = psbt.inspect(self.network());
        if !self.context.json {
            eprintln!("{}", review::complete_sentence(review.complete));
        }
        self.deliver(&psbt, target, json!({"txid": psbt.txid().to_string(), "complete": review.complete}))
    }

    fn psbt_finalise(
        &self,
        name: &str,
        source: &Source,
        to_file: Option<&Path>,
        password: &args::Password,
    ) -> Result<(), CliError> {
        source.leave_to(password, None)?;
        let psbt = source.read()?;
        let transaction = self.open(name, password)?.finalise_psbt(&psbt)?;
        let (txid, hex) = (transaction.compute_txid(), serialize_hex(&transaction));
        if let Some(path) = to_file {
            write_new(path, format!("{hex}\n").as_bytes())?;
        }
        let file = to_file.map(|path| path.display().to_string());
        let value = json!({"txid": txid.to_string(), "hex": hex, "vsize": transaction.vsize(), "file": file});
        self.print(&value, || {
            eprintln!("Transaction {txid} is complete. Nothing was sent.");
            output::line(&file.map_or_else(|| hex.clone(), |file| format!("It is in {file}.")));
        });
        Ok(())
    }

    async fn psbt_broadcast(
        &self,
        name: &str,
        source: &Source,
        password: &args::Password,
        proxy: &args::ProxyUrl,
    ) -> Result<(), CliError> {
        source.leave_to(password, None)?;
        let psbt = source.read()?;
        let mut wallet = self.open(name, password)?;
        let review = wallet.inspect_psbt(&psbt);
        self.show(&review, true);
        let transaction = wallet.finalise_psbt(&psbt)?;
        let txid = self.client(proxy)?.broadcast(&transaction).await?;
        wallet.note_sent(&transaction)?;
        let fee = review.fee.map(|fee| super::json_coins(fee, self.network()));
        self.print(&json!({"txid": txid.to_string(), "fee": fee}), || {
            output::line(&format!("Sent. Transaction {txid}"));
            output::line("It waits until a block confirms it.");
        });
        Ok(())
    }
}
