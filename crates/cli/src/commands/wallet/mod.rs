//! `mycoin wallet …`: the command-line twin of the window, over the same wallet library.
//!
//! One file per group of commands; each holds its commands' options and what they do. What several need stands here.

mod backup;
mod contacts;
mod create;
mod files;
mod fix;
mod freeze;
mod history;
mod keep;
mod know;
mod labels;
mod message;
mod pay;
mod psbt;
mod receive;
mod restore;
mod send;
mod sync;
mod token;

use std::cell::RefCell;

use clap::Subcommand;
use mycoin_primitives::{Amount, Network, format_coins};
use mycoin_wallet::{
    KeyKind, Password, ScriptKind, SyncWarning, Unlock, Wallet, WalletError, WalletFolder, WalletName,
};
use serde_json::Value;
use time::OffsetDateTime;

use crate::context::Context;
use crate::error::CliError;
use crate::{args, output, prompt};

/// All commands of `mycoin wallet`.
#[derive(Subcommand)]
pub(crate) enum Commands {
    #[command(flatten)]
    Create(create::Commands),
    #[command(flatten)]
    Restore(restore::Commands),
    #[command(flatten)]
    Keep(keep::Commands),
    #[command(flatten)]
    Backup(backup::Commands),
    #[command(flatten)]
    Receive(receive::Commands),
    #[command(flatten)]
    Know(know::Commands),
    #[command(flatten)]
    History(history::Commands),
    #[command(flatten)]
    Labels(labels::Commands),
    #[command(flatten)]
    Contacts(contacts::Commands),
    #[command(flatten)]
    Send(send::Commands),
    #[command(flatten)]
    Fix(fix::Commands),
    #[command(flatten)]
    Freeze(freeze::Commands),
    #[command(flatten)]
    Psbt(psbt::Commands),
    #[command(flatten)]
    Message(message::Commands),
}

pub(crate) async fn run(context: &Context, command: Commands) -> Result<(), CliError> {
    let session = Session {
        context,
        folder: WalletFolder::at(context.wallets(), context.network.clone()),
        warnings: RefCell::default(),
    };
    match command {
        Commands::Create(command) => session.run_create(command),
        Commands::Restore(command) => session.run_restore(command).await,
        Commands::Keep(command) => session.run_keep(command),
        Commands::Backup(command) => session.run_backup(command),
        Commands::Receive(command) => session.run_receive(command).await,
        Commands::Know(command) => session.run_know(command).await,
        Commands::History(command) => session.run_history(command).await,
        Commands::Labels(command) => session.run_labels(command),
        Commands::Contacts(command) => session.run_contacts(command),
        Commands::Send(command) => session.run_send(command).await,
        Commands::Fix(command) => session.run_fix(command).await,
        Commands::Freeze(command) => session.run_freeze(command),
        Commands::Psbt(command) => session.run_psbt(command).await,
        Commands::Message(command) => session.run_message(command),
    }
}

struct Session<'a> {
    context: &'a Context,
    folder: WalletFolder,
    /// What is to be said about the proxies, once a command asked them.
    warnings: RefCell<Option<Vec<SyncWarning>>>,
}

impl Session<'_> {
    fn network(&self) -> &Network {
        &self.context.network
    }

    fn print(&self, value: &Value, people: impl FnOnce()) {
        if self.context.json { output::line(&self.with_warnings(value).to_string()) } else { people() }
    }

    /// Opens a wallet to look at it: by the password where a file gives it, else by the viewing key, else by asking.
    fn open(&self, name: &str, password: &args::Password) -> Result<Wallet, CliError> {
        let name = WalletName::parse(name)?;
        if password.password_file.is_none() {
            match self.folder.open(&name, Unlock::ViewKey) {
                Err(WalletError::Locked { .. }) => {}
                other => return Ok(other?),
            }
        }
        let secret = prompt::password(&format!("Password of {name}"), password.password_file.as_deref())?;
        Ok(self.folder.open(&name, Unlock::PasswordOnce(&wallet_password(&secret)?))?)
    }
}

fn wallet_password(secret: &prompt::Secret) -> Result<Password, CliError> {
    Ok(Password::new(secret.as_str())?)
}

const fn kind_word(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Words => "words",
        KeyKind::Rsa { .. } => "rsa",
        KeyKind::WordsFor { scripts: ScriptKind::Segwit } => "segwit",
        KeyKind::WordsFor { .. } => "old-style",
        KeyKind::Multisig { .. } => "multisig",
        KeyKind::Descriptor => "descriptor",
        KeyKind::Token { .. } => "pkcs11",
        KeyKind::WatchOnly => "watch-only",
    }
}

fn kind_sentence(kind: KeyKind) -> String {
    match kind {
        KeyKind::Words => "recovery words".to_owned(),
        KeyKind::Rsa { bits } => format!("RSA key of {bits} bits"),
        KeyKind::WordsFor { scripts: ScriptKind::Segwit } => "recovery words, native segwit".to_owned(),
        KeyKind::WordsFor { .. } => "recovery words, old-style addresses".to_owned(),
        KeyKind::Multisig { required, keys } => format!("{required} of {keys} keys"),
        KeyKind::Descriptor => "imported descriptor".to_owned(),
        KeyKind::Token { bits } => format!("RSA key of {bits} bits on a token"),
        KeyKind::WatchOnly => "watch-only".to_owned(),
    }
}

/// An amount in whole coins as a JSON number with all its decimals.
fn json_coins(amount: Amount, network: &Network) -> Value {
    json_number(&format_coins(amount, network))
}

fn json_number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// Seconds since 1970 as people read them.
fn utc(seconds: u64) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]");
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(format).ok())
        .unwrap_or_default()
}
