//! Steering the peers: whom we name, whom we end, whom we ban. Source: Bitcoin Core rpc/net.cpp.

use mycoin_p2p::{AddedPeer, Ban, BanError, KnownNode, P2pError, P2pHandle, PeerId, Subnet};
use mycoin_primitives::Failure as _;
use mycoin_rpc::{Params, RpcError};
use serde_json::{Value, json};

use super::Answer;
use crate::node::Node;
use crate::{banlist, clock};

/// How long a ban lasts when nothing is said, in seconds. Source: `DEFAULT_MISBEHAVING_BANTIME`, banman.h.
const BAN_TIME: u64 = 24 * 60 * 60;

fn peers(node: &Node) -> Result<&P2pHandle, RpcError> {
    node.peers().ok_or_else(|| RpcError::new(RpcError::NOT_CONNECTED, "The server has no peers' protocol running"))
}

fn bad_address(error: &P2pError) -> RpcError {
    RpcError::invalid_parameter(error.to_string()).with_data(error.code(), error.next_step())
}

/// Source: `addnode`. An error's words are Core's, for programs compare them.
pub(super) async fn add_node(node: &Node, params: &Params) -> Answer {
    let (target, handle) = (params.str("node")?, peers(node)?);
    let v2 = params.opt_bool("v2transport").unwrap_or(handle.v2());
    if v2 && !handle.v2() {
        let text = "Error: v2transport requested but not enabled (see -v2transport)";
        return Err(RpcError::invalid_parameter(text));
    }
    match params.str("command")? {
        "add" => {
            if !handle.add_peer(target, v2).await.map_err(|error| bad_address(&error))? {
                return Err(RpcError::new(RpcError::NODE_ALREADY_ADDED, "Error: Node already added"));
            }
        }
        "onetry" => handle.try_peer(target, v2).await.map_err(|error| bad_address(&error))?,
        "remove" => {
            if !handle.remove_peer(target).await.unwrap_or(false) {
                let text = "Error: Node could not be removed. It has not been added previously.";
                return Err(RpcError::new(RpcError::NODE_NOT_ADDED, text));
            }
        }
        _ => {
            let text = "addnode \"node\" \"command\": command is add, remove or onetry";
            return Err(RpcError::new(RpcError::MISC, text));
        }
    }
    Ok(Value::Null)
}

/// Source: `getaddednodeinfo`.
pub(super) async fn added_node_info(node: &Node, params: &Params) -> Answer {
    let handle = peers(node)?;
    let mut added = handle.added_peers().await;
    if let Some(name) = params.opt_str("node") {
        let name = handle.normalise(name).map_err(|error| bad_address(&error))?;
        added.retain(|peer| peer.target == name);
        if added.is_empty() {
            return Err(RpcError::new(RpcError::NODE_NOT_ADDED, "Error: Node has not been added."));
        }
    }
    Ok(added.iter().map(added_json).collect())
}

fn added_json(peer: &AddedPeer) -> Value {
    let direction = |kind| if kind == mycoin_p2p::ConnectionKind::Inbound { "inbound" } else { "outbound" };
    let addresses: Vec<Value> = peer
        .connected
        .iter()
        .map(|(address, kind)| json!({"address": address.to_string(), "connected": direction(*kind)}))
        .collect();
    json!({"addednode": peer.target, "connected": peer.connected.is_some(), "addresses": addresses})
}

/// Source: `disconnectnode`.
pub(super) async fn disconnect_node(node: &Node, params: &Params) -> Answer {
    let (handle, address, id) = (peers(node)?, params.opt_str("address"), params.opt_u64("nodeid")?);
    let found = match (address.filter(|address| !address.is_empty()), id) {
        (Some(address), None) => handle.disconnect_address(address).await,
        (None, Some(id)) => handle.disconnect_id(PeerId(id)).await,
        _ => return Err(RpcError::new(RpcError::INVALID_PARAMS, "Only one of address and nodeid should be provided.")),
    };
    if !found {
        return Err(RpcError::new(RpcError::NODE_NOT_CONNECTED, "Node not found in connected nodes"));
    }
    Ok(Value::Null)
}

/// Source: `getnodeaddresses`.
pub(super) async fn node_addresses(node: &Node, params: &Params) -> Answer {
    let count = match params.opt_i64("count")? {
        None => 1,
        Some(0) => usize::MAX,
        Some(count) => usize::try_from(count).map_err(|_| RpcError::invalid_parameter("Address count out of range"))?,
    };
    let is_wanted = match params.opt_str("network") {
        None => |_: &KnownNode| true,
        Some("ipv4") => |known: &KnownNode| known.address.is_ipv4(),
        Some("ipv6") => |known: &KnownNode| known.address.is_ipv6(),
        Some("onion" | "i2p" | "cjdns") => |_: &KnownNode| false,
        Some(other) => return Err(RpcError::invalid_parameter(format!("Network not recognized: {other}"))),
    };
    let known = peers(node)?.known_nodes(usize::MAX).await;
    let wanted = known.iter().filter(|known| is_wanted(known)).take(count);
    Ok(wanted
        .map(|known| {
            json!({
                "time": known.last_seen,
                "services": known.services,
                "address": known.address.ip().to_string(),
                "port": known.address.port(),
                "network": if known.address.is_ipv4() { "ipv4" } else { "ipv6" },
            })
        })
        .collect())
}

/// Source: `setban`.
pub(super) async fn set_ban(node: &Node, params: &Params) -> Answer {
    let handle = peers(node)?;
    let subnet: Subnet = params
        .str("subnet")?
        .parse()
        .map_err(|_| RpcError::new(RpcError::INVALID_IP_OR_SUBNET, "Error: Invalid IP/Subnet"))?;
    match params.str("command")? {
        "add" => {
            let now = clock::now();
            let (time, is_absolute) =
                (params.opt_u64("bantime")?.unwrap_or(0), params.opt_bool("absolute").unwrap_or(false));
            let until = match (time, is_absolute) {
                (until, true) if until < now => {
                    return Err(RpcError::invalid_parameter("Error: Absolute timestamp is in the past"));
                }
                (until, true) => until,
                (0, false) => now + BAN_TIME,
                (seconds, false) => now.saturating_add(seconds),
            };
            let ban = Ban { subnet, created: banlist::seconds(now), until: banlist::seconds(until) };
            handle.ban(ban).await.map_err(|error| ban_failed(&error))?;
        }
        "remove" => handle.unban(subnet).await.map_err(|error| ban_failed(&error))?,
        _ => {
            let text = "setban \"subnet\" \"command\": command is add or remove";
            return Err(RpcError::new(RpcError::MISC, text));
        }
    }
    keep(node, handle).await
}

/// Core's numbers and words.
fn ban_failed(error: &BanError) -> RpcError {
    let (code, words) = match error {
        BanError::AlreadyBanned { .. } => (RpcError::NODE_ALREADY_ADDED, "Error: IP/Subnet already banned"),
        BanError::NotBanned { .. } => (
            RpcError::INVALID_IP_OR_SUBNET,
            "Error: Unban failed. Requested address/subnet was not previously manually banned.",
        ),
        BanError::TooMany { .. } | BanError::NotRunning => return RpcError::from_failure(RpcError::MISC, error),
    };
    RpcError::from_failure(code, error).in_words_of_core(words)
}

/// Source: `listbanned`.
pub(super) async fn list_banned(node: &Node) -> Answer {
    let (bans, now) = (peers(node)?.bans().await.unwrap_or_default(), clock::now());
    Ok(bans.iter().map(|ban| ban_json(ban, now)).collect())
}

fn ban_json(ban: &Ban, now: u64) -> Value {
    let (created, until) = (ban.created.unix_seconds(), ban.until.unix_seconds());
    json!({
        "address": ban.subnet.to_string(),
        "ban_created": created,
        "banned_until": until,
        "ban_duration": until.saturating_sub(created),
        "time_remaining": until.saturating_sub(now),
    })
}

/// Source: `clearbanned`.
pub(super) async fn clear_banned(node: &Node) -> Answer {
    let handle = peers(node)?;
    handle.clear_bans().await;
    keep(node, handle).await
}

/// Writes the bans at once: a ban must hold even if the server is killed in the next moment.
async fn keep(node: &Node, handle: &P2pHandle) -> Answer {
    if let (Some(folder), Some(bans)) = (node.folder(), handle.bans().await) {
        banlist::write(folder, &bans).map_err(|error| RpcError::new(RpcError::MISC, error.to_string()))?;
    }
    Ok(Value::Null)
}
