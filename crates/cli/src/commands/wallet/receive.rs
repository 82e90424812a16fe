//! Addresses to receive at.

use clap::Subcommand;
use serde_json::json;

use super::Session;
use crate::error::CliError;
use crate::{args, output};

/// Commands for receiving.
#[derive(Subcommand)]
pub(crate) enum Commands {
    /// Show an address to receive at.
    Address {
        /// The wallet's name.
        name: String,
        /// Show it as a QR code too.
        #[arg(long)]
        qr: bool,
        #[command(flatten)]
        password: args::Password,
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

impl Session<'_> {
    pub(super) async fn run_receive(&self, command: Commands) -> Result<(), CliError> {
        match command {
            Commands::Address { name, qr, password } => self.address(&name, qr, &password),
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
