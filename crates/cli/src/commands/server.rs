//! `mycoin server`: the base server in the foreground.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use mycoin_identity::{KeyPassword, Role};
use mycoin_primitives::{MiningTrigger, ScriptBuf, parse_address};
use mycoin_server::{BlockFilters, Server, ServerConfig};
use mycoin_wallet::{KeyKind, Password, Unlock, WalletError, WalletFolder, WalletName};
use serde_json::json;

use crate::args;
use crate::commands::tls;
use crate::context::Context;
use crate::error::CliError;
use crate::{output, progress, shutdown};

/// The wallet that the built-in miner pays unless told otherwise.
const MINER_WALLET: &str = "miner";

pub(crate) async fn run(context: &Context, command: args::Server) -> Result<(), CliError> {
    let folder = context.ready_folder()?;
    let (identity, password) = tls::own_identity(context, Role::Server, &command.tls)?;
    let as_role = |paths: &[PathBuf], role| paths.iter().map(move |path| (path.clone(), role)).collect::<Vec<_>>();
    let pins = [as_role(&command.tls.pin, Role::Proxy), as_role(&command.pin_admin, Role::Admin)].concat();
    let ports = &context.network.ports;
    let mining = command.mine.as_deref().map(parse_trigger).transpose()?.unwrap_or(context.network.mining);
    let mine_to = match (&command.mine_to, mining) {
        (Some(address), _) => Some(parse_address(address, &context.network)?),
        (None, MiningTrigger::Off) => None,
        (None, _) => Some(miner_script(context, &password)?),
    };
    let everywhere = || SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), ports.p2p);
    // Whoever hides behind a proxy does not tell everybody the way in (-proxy does the same in Bitcoin Core).
    let listens = !command.no_listen && (command.socks5.is_none() || command.p2p.is_some());
    let config = ServerConfig {
        network: context.network.clone(),
        folder,
        identity,
        trust: tls::trust(context, &pins)?,
        rpc: command.rpc.unwrap_or_else(|| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports.rpc)),
        rpc_cookie: command.rpc_cookie,
        p2p: listens.then(|| command.p2p.unwrap_or_else(everywhere)),
        connect: command.connect,
        v2: command.v2transport == args::Switch::On,
        socks5: command.socks5,
        filters: kept_filters(command.blockfilterindex, command.peerblockfilters),
        mining,
        mine_to,
    };
    let server = Server::start(config).await?;
    // The lock of the folder is ours, so addresses in it are those of a demo that was killed.
    context.unpublish();
    print_ready(context, &server);
    tokio::select! {
        () = shutdown::asked() => {}
        () = server.stop_was_called() => {}
        never = progress::show(&server, context.json) => match never {},
    }
    server.shutdown().await;
    Ok(())
}

fn print_ready(context: &Context, server: &Server) {
    let (rpc, p2p, cookie) = (server.rpc_address(), server.p2p_address(), server.cookie_address());
    if context.json {
        output::line(&json!({"ready": {"rpc": rpc, "p2p": p2p, "rpc_cookie": cookie}}).to_string());
        return;
    }
    let mut line = format!("ready: rpc {rpc}");
    if let Some(address) = p2p {
        line.push_str(&format!(", peers {address}"));
    }
    if let Some(address) = cookie {
        line.push_str(&format!(", rpc with cookie http://{address}"));
    }
    output::line(&line);
}

const fn kept_filters(kept: bool, served: bool) -> BlockFilters {
    match (kept, served) {
        (false, _) => BlockFilters::Off,
        (true, false) => BlockFilters::Kept,
        (true, true) => BlockFilters::Served,
    }
}

fn parse_trigger(text: &str) -> Result<MiningTrigger, CliError> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| (1..=100_000).contains(number));
    let trigger = match text.split_once('=') {
        None if text == "off" => Some(MiningTrigger::Off),
        None if text == "always" => Some(MiningTrigger::Always),
        Some(("transactions", count)) => number(count).map(MiningTrigger::Transactions),
        Some(("every", seconds)) => number(seconds).map(MiningTrigger::Every),
        _ => None,
    };
    let next = "Choose off, always, transactions=N or every=SECONDS (1 to 100000).";
    trigger.ok_or_else(|| CliError::usage(format!("“{text}” does not say when to mine"), next))
}

/// The script of the wallet `miner` in the folder, which is made under `password` where it is missing.
pub(crate) fn miner_script(context: &Context, password: &KeyPassword) -> Result<ScriptBuf, CliError> {
    let folder = WalletFolder::at(context.wallets(), context.network.clone());
    let name = WalletName::parse(MINER_WALLET)?;
    let password = Password::new(password.expose())?;
    let mut wallet = match folder.open(&name, Unlock::ViewKey) {
        Ok(wallet) => wallet,
        Err(WalletError::NotFound { .. }) => {
            eprintln!("Made the wallet {MINER_WALLET}, which earns the block rewards, under the same password.");
            folder.create(&name, KeyKind::Words, &password)?.wallet
        }
        Err(WalletError::Locked { .. }) => folder.open(&name, Unlock::Password(&password))?,
        Err(other) => return Err(other.into()),
    };
    Ok(parse_address(&wallet.next_address()?.address, &context.network)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers_as_they_are_typed() {
        assert_eq!(parse_trigger("off").ok(), Some(MiningTrigger::Off));
        assert_eq!(parse_trigger("transactions=2").ok(), Some(MiningTrigger::Transactions(2)));
        assert_eq!(parse_trigger("every=60").ok(), Some(MiningTrigger::Every(60)));
        for bad in ["", "sometimes", "every=0", "transactions=-1", "every"] {
            assert!(parse_trigger(bad).is_err(), "{bad}");
        }
    }
}
