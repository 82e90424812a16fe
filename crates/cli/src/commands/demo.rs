//! `mycoin demo`: server and proxy in one process, really talking mutual TLS to each other, and the window beside them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;

use mycoin_identity::{CertFolder, Role};
use mycoin_primitives::MiningTrigger;
use mycoin_proxy::{Proxy, ProxyConfig};
use mycoin_rpc::Client;
use mycoin_server::{Server, ServerConfig};
use serde_json::json;

use crate::args;
use crate::commands::server::miner_script;
use crate::commands::tls;
use crate::context::{Addresses, Context};
use crate::error::CliError;
use crate::{output, progress, shutdown};

pub(crate) async fn run(context: &Context, command: args::Demo) -> Result<(), CliError> {
    let folder = context.ready_folder()?;
    let password = tls::ensure_demo_password(context)?;
    tls::ensure_certificates(context, &password, &[])?;
    let certs = CertFolder::at(&folder);
    let load = |role| certs.load(role, &password).map_err(|error| tls::identity_error(&error));
    let trust = tls::trust(context, &[])?;
    let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), if command.free_ports { 0 } else { port });
    let ports = &context.network.ports;
    let server = Server::start(ServerConfig {
        network: context.network.clone(),
        folder: folder.clone(),
        identity: load(Role::Server)?,
        trust: trust.clone(),
        rpc: local(ports.rpc),
        rpc_cookie: None,
        p2p: Some(local(ports.p2p)),
        connect: Vec::new(),
        v2: true,
        socks5: None,
        filters: mycoin_server::BlockFilters::Off,
        mining: context.network.mining,
        mine_to: Some(miner_script(context, &password)?),
    });
    let server = server.await.map_err(|error| CliError::from(error).in_demo())?;
    let rpc = server.rpc_address();
    let client = Client::mutual_tls(&rpc.to_string(), None, &load(Role::Proxy)?, &trust)?;
    let config = ProxyConfig { network: context.network.clone(), dir: folder, listen: local(ports.proxy), client };
    let proxy = match Proxy::start(config).await {
        Ok(proxy) => proxy,
        Err(error) => {
            server.shutdown().await;
            return Err(CliError::from(error).in_demo());
        }
    };
    let p2p = server.p2p_address().unwrap_or_else(|| local(ports.p2p));
    let addresses = Addresses { proxy: proxy.local_addr(), rpc, p2p };
    context.publish(&addresses)?;
    introduce(context, &addresses);
    let window = if command.no_app { None } else { open_window(context) };
    tokio::select! {
        () = shutdown::asked() => {}
        () = server.stop_was_called() => {}
        never = progress::show(&server, context.json) => match never {},
    }
    if !context.json {
        output::line("Stopping…");
    }
    if let Some(mut window) = window {
        let _closed_before = window.start_kill();
        let _ended = window.wait().await;
    }
    context.unpublish();
    proxy.shutdown().await;
    server.shutdown().await;
    if !context.json {
        output::line("Stopped. Start again to go on from here.");
    }
    Ok(())
}

/// At most a screen: what runs where, and what to try.
fn introduce(context: &Context, addresses: &Addresses) {
    let Addresses { proxy, rpc, p2p } = addresses;
    if context.json {
        output::line(&json!({"ready": {"proxy": proxy, "rpc": rpc, "p2p": p2p}}).to_string());
        return;
    }
    let miner = match context.network.mining {
        MiningTrigger::Transactions(count) => format!("starts by itself when {count} transactions wait"),
        MiningTrigger::Off => "works when it is asked to".to_owned(),
        MiningTrigger::Always => "works all the time".to_owned(),
        MiningTrigger::Every(seconds) => format!("makes a block every {seconds} seconds"),
    };
    let program = std::env::args().next().unwrap_or_else(|| "mycoin".to_owned());
    let options = match (&context.root, std::env::var_os("HOME")) {
        (root, Some(home)) if *root == std::path::Path::new(&home).join(".mycoin") => String::new(),
        (root, _) => format!(" --dir {}", root.display()),
    };
    output::line(&format!("ready: proxy http://{proxy}, rpc {rpc}, peers {p2p}"));
    output::line("");
    output::line(&format!("{} runs on this machine.", context.network.coin));
    output::line(&format!("  proxy    http://{proxy}   what wallets talk to; try /status in a browser"));
    output::line(&format!("  server   {rpc}   the private RPC, over mutual TLS; peers at {p2p}"));
    output::line(&format!("  miner    {miner}; its wallet is called miner"));
    output::line(&format!("  files    {}", context.folder().display()));
    output::line("");
    output::line("Try in another terminal:");
    output::line(&format!("  {program} wallet create alice{options}"));
    output::line(&format!("  {program} wallet faucet alice{options}"));
    output::line(&format!("  {program} wallet send alice --to ADDRESS --amount 5{options}"));
    output::line("Two waiting payments start the miner. Ctrl-C stops everything.");
    output::line("");
}

/// Opens the window as a process of its own, where there is a display: closing it leaves the demo running.
fn open_window(context: &Context) -> Option<tokio::process::Child> {
    let has = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !cfg!(feature = "app") || !(has("DISPLAY") || has("WAYLAND_DISPLAY")) {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let child = tokio::process::Command::new(program)
        .arg("app")
        .args(["--network", &context.network_choice])
        .arg("--dir")
        .arg(&context.root)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    child.inspect_err(|error| tracing::warn!(%error, "The window could not be opened.")).ok()
}
