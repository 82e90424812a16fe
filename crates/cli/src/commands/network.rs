//! `mycoin network …`: what a coin is, whether a spec file describes one, and how others join it.

use mycoin_primitives::{Invitation, MiningTrigger, Network, Retarget, format_amount};
use serde_json::json;

use crate::args;
use crate::commands::join;
use crate::context::{Context, read_spec};
use crate::error::CliError;
use crate::output;

pub(crate) async fn run(context: &Context, command: &args::Network) -> Result<(), CliError> {
    match command {
        args::Network::Join(command) => join::run(context, command).await?,
        args::Network::Show { at } => {
            let at = at.clone().unwrap_or_else(|| context.addresses().proxy.to_string());
            show(context, &context.network, Some(at));
        }
        args::Network::Check { file } => {
            let network = read_spec(file)?;
            if !context.json {
                output::line(&format!("{} describes {} and every field is right.", file.display(), network.coin));
            }
            show(context, &network, None);
        }
    }
    Ok(())
}

/// Prints a coin; with the address of a proxy also the string by which others join it there.
fn show(context: &Context, network: &Network, proxy: Option<String>) {
    let hash = network.spec_hash();
    let join = proxy.map(|proxy| Invitation { name: network.name.clone(), proxy, hash }.to_string());
    if context.json {
        let value = json!({
            "name": network.name, "coin": network.coin, "ticker": network.ticker, "decimals": network.decimals,
            "address_prefix": network.address_prefix, "uri_scheme": network.uri_scheme,
            "magic": network.magic.to_string(), "genesis_hash": network.genesis.hash.to_string(),
            "spacing": network.spacing, "maturity": network.maturity, "rsa": network.rsa, "faucet": network.faucet,
            "hash": hash.to_string(), "peers": network.peers, "join": join,
        });
        output::line(&value.to_string());
        return;
    }
    let mut rows = vec![
        row("coin", format!("{} ({})", network.coin, network.ticker)),
        row("network", network.name.clone()),
        row("addresses", format!("begin with {}1", network.address_prefix)),
        row("genesis", network.genesis.hash.to_string()),
        row("blocks", format!("every {} seconds, {}", network.spacing, retarget(network.retarget))),
        row(
            "reward",
            format!(
                "{}, halved every {} blocks",
                format_amount(network.first_subsidy, network),
                network.halving_interval
            ),
        ),
        row("maturity", format!("{} block{}", network.maturity, if network.maturity == 1 { "" } else { "s" })),
        row("miner", trigger(network.mining)),
        row("RSA wallets", yes_no(network.rsa)),
        row("faucet", yes_no(network.faucet)),
        row("hash", hash.to_string()),
    ];
    if !network.peers.is_empty() {
        rows.push(row("peers", network.peers.join(", ")));
    }
    if let Some(join) = join {
        rows.push(row("to join", format!("mycoin network join {join}")));
    }
    output::table(&["", ""], &[], &rows);
}

/// A line of what is shown about a coin.
pub(super) fn row(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

fn yes_no(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

fn retarget(retarget: Retarget) -> String {
    match retarget {
        Retarget::None => "at one fixed difficulty".to_owned(),
        Retarget::Bitcoin => "the difficulty follows every 2,016 blocks".to_owned(),
        Retarget::Asert { half_life } => format!("the difficulty follows each block (ASERT, half-life {half_life} s)"),
    }
}

fn trigger(trigger: MiningTrigger) -> String {
    match trigger {
        MiningTrigger::Off => "works only when it is asked to".to_owned(),
        MiningTrigger::Always => "works without a pause".to_owned(),
        MiningTrigger::Transactions(count) => format!("starts when {count} transactions wait"),
        MiningTrigger::Every(seconds) => format!("makes a block every {seconds} seconds"),
    }
}
