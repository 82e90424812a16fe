//! `mycoin network join`: makes a coin of others known here, by one string.
//!
//! In:    `HOST:PORT` or the URL of a proxy, or `NAME@HOST:PORT/HASH`, which `mycoin network show` prints.
//! Out:   the coin's spec in its folder, with the peer by which it is reached, where `--network NAME` finds it.
//! Never: another coin under a name that is known here, or anything written before a person agreed.

use std::path::Path;

use mycoin_files::{Readers, ensure_private_dir, replace};
use mycoin_light::{NetworkOffer, offered_network};
use mycoin_primitives::{Invitation, Network};
use serde_json::json;

use crate::args;
use crate::commands::network::row;
use crate::context::{Context, SPEC_FILE, known_network};
use crate::error::{CliError, files_error};
use crate::{output, prompt};

pub(crate) async fn run(context: &Context, command: &args::Join) -> Result<(), CliError> {
    let invitation = if command.coin.contains('@') { Some(command.coin.parse::<Invitation>()?) } else { None };
    let proxy = invitation.as_ref().map_or(command.coin.as_str(), |invitation| &invitation.proxy);
    let url = if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") };
    let offer = offered_network(&url).await?;
    let known = known_network(&context.root, &offer.network.name)?;
    if let Some(known) = &known {
        check_fields(known, &offer.network)?;
    }
    if let Some(invitation) = &invitation {
        check_hash(invitation, &offer.network)?;
    }
    let joined = with_peers(known.as_ref(), &offer);
    let file = context.root.join(&joined.name).join(SPEC_FILE);
    let is_new = known.as_ref() != Some(&joined);
    if is_new {
        if !context.json {
            introduce(&joined);
        }
        if !command.yes && !prompt::confirm("Join this coin?")? {
            return Err(CliError::new("join/cancelled", "nothing was joined", ""));
        }
        keep(context, &joined, &file)?;
    }
    report(context, &joined, &file, is_new);
    Ok(())
}

/// One name stands for one coin.
fn check_fields(known: &Network, offered: &Network) -> Result<(), CliError> {
    let differences: Vec<String> = known.differences(offered).iter().map(ToString::to_string).collect();
    if differences.is_empty() {
        return Ok(());
    }
    let sentence = format!(
        "a coin named {} is known here, and the offered one is another: they differ in {}",
        known.name,
        plain(&differences.join(", "))
    );
    Err(CliError::new("join/other-coin", sentence, "Ask who invited you, or join with another folder, --dir DIR."))
}

/// The text without signs that turn or hide others on a terminal: values of the offer are a stranger's words.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() || c.is_alphanumeric() { c } else { '?' }).collect()
}

/// The string says which coin it is, whatever the proxy says.
fn check_hash(invitation: &Invitation, offered: &Network) -> Result<(), CliError> {
    let next = "Ask who invited you for the string that `mycoin network show` prints now.";
    if invitation.name != offered.name {
        let sentence = format!("the string is for {}, but the proxy serves {}", invitation.name, offered.name);
        return Err(CliError::new("join/wrong-name", sentence, next));
    }
    let found = offered.spec_hash();
    if invitation.hash != found {
        let sentence = format!(
            "the proxy serves another {}: its spec has the hash {found}, and the string says {}",
            offered.name, invitation.hash
        );
        return Err(CliError::new("join/wrong-hash", sentence, next));
    }
    Ok(())
}

/// The coin with all peers that are known now.
fn with_peers(known: Option<&Network>, offer: &NetworkOffer) -> Network {
    let mut network = known.unwrap_or(&offer.network).clone();
    for peer in offer.peer.iter().chain(&offer.network.peers) {
        if !network.peers.contains(peer) {
            network.peers.push(peer.clone());
        }
    }
    network
}

fn introduce(network: &Network) {
    let rows = [
        row("coin", format!("{} ({})", network.coin, network.ticker)),
        row("network", network.name.clone()),
        row("hash", network.spec_hash().to_string()),
        row("genesis", network.genesis.hash.to_string()),
        row("peers", if network.peers.is_empty() { "none".to_owned() } else { network.peers.join(", ") }),
    ];
    output::table(&["", ""], &[], &rows);
}

fn keep(context: &Context, network: &Network, file: &Path) -> Result<(), CliError> {
    let folder = context.root.join(&network.name);
    ensure_private_dir(&context.root)
        .and_then(|()| ensure_private_dir(&folder))
        .and_then(|()| replace(file, network.to_toml().as_bytes(), Readers::Owner))
        .map_err(|error| files_error(&error))
}

fn report(context: &Context, network: &Network, file: &Path, is_new: bool) {
    if context.json {
        let value = json!({"joined": {
            "name": network.name, "coin": network.coin, "ticker": network.ticker,
            "hash": network.spec_hash().to_string(), "genesis_hash": network.genesis.hash.to_string(),
            "peers": network.peers, "file": file, "new": is_new,
        }});
        output::line(&value.to_string());
        return;
    }
    let name = &network.name;
    output::line(&if is_new {
        format!("Joined {}. Its spec is {}.", network.coin, file.display())
    } else {
        format!("{} was joined before, and nothing has changed.", network.coin)
    });
    if network.peers.is_empty() {
        output::line("Its proxy names no peer that can be reached from here: name one with --connect HOST:PORT.");
    }
    output::line(&format!("Start a server of it with: mycoin server --network {name}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(network: Network, peer: &str) -> NetworkOffer {
        NetworkOffer { network, peer: Some(peer.to_owned()) }
    }

    #[test]
    fn peers_are_gathered_and_nothing_else_changes() {
        let known = Network { peers: vec!["a:1".to_owned()], ..Network::demo() };
        let offered = Network { peers: vec!["b:2".to_owned(), "a:1".to_owned()], ..Network::demo() };
        let joined = with_peers(Some(&known), &offer(offered.clone(), "c:3"));
        assert_eq!(joined.peers, ["a:1", "c:3", "b:2"]);
        assert_eq!(joined.spec_hash(), known.spec_hash());
        assert_eq!(with_peers(None, &offer(offered, "b:2")).peers, ["b:2", "a:1"]);
    }

    #[test]
    fn another_coin_of_the_same_name_is_refused_with_each_field() {
        let other = Network { maturity: 5, ticker: "X".to_owned(), ..Network::demo() };
        let text = format!("{:?}", check_fields(&Network::demo(), &other).expect_err("another coin"));
        assert!(text.contains("issuance.maturity (1 here, 5 there)") && text.contains("ticker"), "{text}");
        let mut invitation =
            Invitation { name: "demo".to_owned(), proxy: "a:1".to_owned(), hash: Network::demo().spec_hash() };
        assert!(check_hash(&invitation, &Network::demo()).is_ok());
        assert!(format!("{:?}", check_hash(&invitation, &other)).contains("join/wrong-hash"));
        invitation.name = "mycoin".to_owned();
        assert!(format!("{:?}", check_hash(&invitation, &Network::demo())).contains("join/wrong-name"));
    }
}
