//! `mycoin app`: the desktop window.

use mycoin_app::AppOptions;

use crate::args;
use crate::context::Context;
use crate::error::CliError;

pub(crate) fn run(context: &Context, command: &args::App) -> Result<(), CliError> {
    context.ready_folder()?;
    Ok(mycoin_app::run(AppOptions {
        network: context.network.clone(),
        wallets_dir: context.wallets(),
        proxy_url: context.proxy_url(command.proxy.as_deref()),
        open_wallet: None,
    })?)
}
