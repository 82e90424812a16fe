//! The `mycoin` command: one program that starts everything.
//!
//! In:    the command line, answers on the terminal, password files.
//! Out:   programs that run in the foreground; sentences and tables for people, or JSON; exit code 0, 1 (failed) or 2 (usage).
//! Never: a secret as an argument, in the environment or in a log; rules of its own: it wires crates together.

mod args;
mod commands;
mod context;
mod error;
mod output;
mod progress;
mod prompt;
mod shutdown;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use rustix::fs::Mode;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::UtcTime;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::error::CliError;

fn main() -> ExitCode {
    // Files that libraries make for us are ours alone, too (DESIGN: 0700 and 0600 from the first byte).
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let cli = Cli::parse();
    let json = cli.global.json;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(json),
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    let context = Context::new(&cli.global)?;
    if holds_wallets(&cli.command) {
        let _a_system_that_refuses_is_none_the_worse = mycoin_wallet::keep_secrets_from_core_files();
    }
    if is_service(&cli.command) {
        start_log(cli.global.json);
    }
    match cli.command {
        #[cfg(feature = "app")]
        Command::App(command) => commands::app::run(&context, &command), // The window needs the main thread.
        Command::Network(command) => block_on(commands::network::run(&context, &command)),
        Command::Certs(command) => commands::certs::run(&context, command),
        Command::Completions { shell } => {
            commands::completions::run(&context, shell);
            Ok(())
        }
        Command::Man { to } => commands::man::run(&context, to.as_deref()),
        Command::Demo(command) => block_on(commands::demo::run(&context, command)),
        Command::Server(command) => block_on(commands::server::run(&context, command)),
        Command::Proxy(command) => block_on(commands::proxy::run(&context, command)),
        Command::Wallet(command) => block_on(commands::wallet::run(&context, command)),
        Command::Rpc(command) => block_on(commands::rpc::run(&context, command)),
    }
}

fn block_on(future: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime
        .map_err(|error| CliError::new("system/no-threads", format!("cannot start threads: {error}"), ""))?
        .block_on(future)
}

const fn is_service(command: &Command) -> bool {
    matches!(command, Command::Demo(_) | Command::Server(_) | Command::Proxy(_))
}

/// Whether wallets' secrets pass through it.
const fn holds_wallets(command: &Command) -> bool {
    #[cfg(feature = "app")]
    if matches!(command, Command::App(_)) {
        return true;
    }
    matches!(command, Command::Wallet(_) | Command::Demo(_))
}

/// The log goes to standard error; `RUST_LOG` chooses what it tells.
fn start_log(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,fjall=warn,lsm_tree=warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| progress::Log).with_target(false);
    if json {
        log.json().init();
    } else {
        let time = UtcTime::new(time::macros::format_description!("[hour]:[minute]:[second]"));
        log.with_timer(time)
            .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .init();
    }
}
