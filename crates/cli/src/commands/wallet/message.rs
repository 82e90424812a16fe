//! Signed messages.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mycoin_wallet::verify_message;
use serde_json::json;

use super::token::{self, is_standard_input};
use super::{Session, files};
use crate::error::CliError;
use crate::{args, output};

/// The longest message that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// Commands about signed messages.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Sign a message with the key of one of the wallet's addresses, to prove that the address is yours.
    SignMessage {
        /// The wallet's name.
        name: String,
        /// The address.
        #[arg(long, value_name = "ADDRESS")]
        address: String,
        #[command(flatten)]
        message: Message,
        #[command(flatten)]
        password: args::Password,
        #[command(flatten)]
        pin: token::Pin,
    },
    /// Check that a message was signed by the owner of an address; needs no wallet.
    VerifyMessage {
        /// The address.
        #[arg(long, value_name = "ADDRESS")]
        address: String,
        /// The signature, as it was given to you.
        #[arg(long, value_name = "TEXT")]
        signature: String,
        #[command(flatten)]
        message: Message,
    },
}

/// A message, byte by byte.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Message {
    /// The message.
    #[arg(allow_hyphen_values = true)]
    message: Option<String>,
    /// The file that is the message, every byte of it; - for standard input.
    #[arg(long, value_name = "FILE")]
    message_file: Option<PathBuf>,
}

impl Message {
    fn read(&self) -> Result<Vec<u8>, CliError> {
        let Some(path) = &self.message_file else {
            return Ok(self.message.clone().unwrap_or_default().into_bytes());
        };
        let mut bytes = Vec::new();
        let unreadable = |reason: String| {
            CliError::new("message/unreadable", format!("cannot read the message {}: {reason}", path.display()), "")
        };
        match files::read(path, LONGEST + 1, &mut bytes) {
            Ok(length) if length as u64 > LONGEST => Err(unreadable("it is longer than 64 MiB".to_owned())),
            Ok(_) => Ok(bytes),
            Err(error) => Err(unreadable(error.to_string())),
        }
    }
}

impl Session<'_> {
    pub(super) fn run_message(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::SignMessage { name, address, message, password, pin } => {
                self.sign_message(&name, &address, &message, &password, &pin)
            }
            Commands::VerifyMessage { address, signature, message } => {
                verify_message(&address, &message.read()?, &signature, self.network())?;
                self.print(&json!({"address": address, "valid": true}), || {
                    output::line(&format!("The signature holds: the owner of {address} signed exactly this message."));
                });
                Ok(())
            }
        }
    }

    fn sign_message(
        &self,
        name: &str,
        address: &str,
        message: &Message,
        password: &args::Password,
        pin: &token::Pin,
    ) -> Result<(), CliError> {
        let is_secret = is_standard_input(password.password_file.as_deref()) || pin.is_standard_input();
        if is_standard_input(message.message_file.as_deref()) && is_secret {
            let sentence = "standard input cannot be both the message and a secret";
            return Err(CliError::usage(sentence, "Give one of them as a file."));
        }
        let bytes = message.read()?;
        let (wallet, given) = self.open_to_sign(name, password)?;
        let key = self.key(&wallet, given, pin)?;
        let signature = wallet.sign_message(address, &bytes, key.signer())?;
        self.print(&json!({"address": address, "signature": signature}), || output::line(&signature));
        Ok(())
    }
}
