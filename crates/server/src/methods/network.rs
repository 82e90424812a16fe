//! Peers. Source: Bitcoin Core rpc/net.cpp.

use std::collections::BTreeMap;
use std::time::Duration;

use mycoin_p2p::{PeerInfo, Time};
use mycoin_primitives::{Amount, Failure as _, FeeRate};
use mycoin_rpc::{Params, RpcError};
use serde_json::{Map, Value, json};

use super::Answer;
use crate::node::Node;
use crate::{clock, encode};

/// The version of Bitcoin Core whose RPC we follow, as it writes its own: clients decide by it what they may ask.
const VERSION: u32 = 310_000;
/// What we tell peers and callers that we are.
const SUBVERSION: &str = concat!("/MyCoin:", env!("CARGO_PKG_VERSION"), "/");
/// The protocol version that we speak. Source: BIP339 and the versions before it.
const PROTOCOL_VERSION: u32 = 70_016;
/// The time over which a limit on sending would count, in seconds. Source: `MAX_UPLOAD_TIMEFRAME`, net.h.
const UPLOAD_TIMEFRAME: u32 = 24 * 60 * 60;
/// NODE_NETWORK and NODE_WITNESS.
const LOCAL_SERVICES: u64 = 1 | 1 << 3;
/// Compact filters (BIP157).
const NODE_COMPACT_FILTERS: u64 = 1 << 6;
/// Encrypted connections (BIP324).
const NODE_P2P_V2: u64 = 1 << 11;

fn service_names(services: u64) -> Vec<&'static str> {
    const NAMES: [(u32, &str); 7] = [
        (0, "NETWORK"),
        (2, "BLOOM"),
        (3, "WITNESS"),
        (6, "COMPACT_FILTERS"),
        (10, "NETWORK_LIMITED"),
        (11, "P2P_V2"),
        (24, "UTREEXO"),
    ];
    NAMES.iter().filter(|(bit, _)| services >> bit & 1 == 1).map(|(_, name)| *name).collect()
}

/// What the node's owner should know of, in sentences.
fn warnings(faults: usize) -> Vec<String> {
    let each = match faults {
        0 => return Vec::new(),
        1 => "A fault of this program has".to_owned(),
        count => format!("{count} faults of this program have"),
    };
    vec![format!(
        "{each} ended connections with peers since the server started; the others go on. Please report what its log says."
    )]
}

pub(super) fn network_info(node: &Node, _: &Params) -> Answer {
    let totals = node.peers().map(mycoin_p2p::P2pHandle::totals).unwrap_or_default();
    let info = node.mempool().info(clock::now());
    let rate = |rate: FeeRate| encode::coins(Amount::from_sat(rate.to_sat_per_kvb()));
    let listening = node.peers().and_then(mycoin_p2p::P2pHandle::local_addr);
    let addresses: Vec<Value> = listening
        .filter(|address| !address.ip().is_unspecified())
        .map(|address| json!({"address": address.ip().to_string(), "port": address.port(), "score": 1}))
        .into_iter()
        .collect();
    let v2 = node.peers().is_some_and(mycoin_p2p::P2pHandle::v2);
    let services = if v2 { LOCAL_SERVICES | NODE_P2P_V2 } else { LOCAL_SERVICES };
    let services = if node.kept_filters.are_served() { services | NODE_COMPACT_FILTERS } else { services };
    Ok(json!({
        "version": VERSION,
        "subversion": SUBVERSION,
        "protocolversion": PROTOCOL_VERSION,
        "localservices": format!("{services:016x}"),
        "localservicesnames": service_names(services),
        "localrelay": true,
        "timeoffset": 0,
        "networkactive": true,
        "connections": totals.inbound + totals.outbound,
        "connections_in": totals.inbound,
        "connections_out": totals.outbound,
        "networks": networks(node.peers().and_then(mycoin_p2p::P2pHandle::socks5)),
        "relayfee": rate(info.relay_rate),
        "incrementalfee": rate(info.incremental_rate),
        "localaddresses": addresses,
        // Not among Bitcoin Core's fields: for those who join by a proxy.
        "listening": listening.map(|address| address.to_string()),
        "warnings": warnings(node.peers().map(mycoin_p2p::P2pHandle::faults).unwrap_or_default()),
    }))
}

/// The kinds of addresses, and the proxy by which they are dialled. Source: `GetNetworksInfo`; `-proxy`, init.cpp: it serves
/// all but I2P, which has a protocol of its own.
fn networks(socks5: Option<&str>) -> Value {
    let row = |name: &str, is_reachable: bool, proxy: Option<&str>| {
        json!({
            "name": name,
            "limited": !is_reachable,
            "reachable": is_reachable,
            "proxy": proxy.unwrap_or_default(),
            "proxy_randomize_credentials": proxy.is_some(),
        })
    };
    json!([
        row("ipv4", true, socks5),
        row("ipv6", true, socks5),
        // By name alone, through the proxy: addresses of this kind are not learned.
        row("onion", socks5.is_some(), socks5),
        row("i2p", false, None),
        row("cjdns", false, socks5),
    ])
}

pub(super) async fn peer_info(node: &Node) -> Answer {
    let Some(handle) = node.peers() else { return Ok(Value::Array(Vec::new())) };
    Ok(handle.peers().await.iter().map(peer_json).collect())
}

/// Bytes by message. Source: `getpeerinfo`; what is not known stands together as `*other*`.
fn by_message(bytes: &BTreeMap<&'static str, u64>) -> Value {
    let name = |command: &str| if command == "other" { "*other*".to_owned() } else { command.to_owned() };
    bytes.iter().map(|(command, bytes)| (name(command), Value::from(*bytes))).collect::<Map<_, _>>().into()
}

/// Source: `GetNetworkName`, netbase.cpp, of what `ConnectedThroughNetwork` gives.
fn network_name(peer: &PeerInfo, is_known: bool) -> &'static str {
    let host = peer.target.as_deref().and_then(|target| target.rsplit_once(':')).map_or("", |(host, _)| host);
    match peer.address {
        _ if !is_known && host.ends_with(".onion") => "onion",
        _ if !is_known => "not_publicly_routable",
        std::net::SocketAddr::V4(_) => "ipv4",
        std::net::SocketAddr::V6(_) => "ipv6",
    }
}

fn peer_json(peer: &PeerInfo) -> Value {
    let seconds = |time: Option<Time>| time.map_or(0, Time::unix_seconds);
    let height = |height: Option<mycoin_primitives::Height>| height.map_or(-1, |height| i64::from(height.to_u32()));
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("id", peer.id.0.into());
    // Behind a proxy nobody here knows the address of a name.
    let is_known = !peer.address.ip().is_unspecified();
    let name = peer.target.as_ref().filter(|_| !is_known);
    put("addr", name.cloned().unwrap_or_else(|| peer.address.to_string()).into());
    if let Some(address) = peer.local_address {
        put("addrbind", address.to_string().into());
    }
    if let Some(address) = peer.our_address.filter(|address| !address.ip().is_unspecified()) {
        put("addrlocal", address.to_string().into());
    }
    put("network", network_name(peer, is_known).into());
    put("services", format!("{:016x}", peer.services).into());
    put("servicesnames", json!(service_names(peer.services)));
    put("relaytxes", peer.relays_transactions.into());
    put("inv_to_send", peer.to_announce.into());
    put("lastsend", seconds(peer.last_sent).into());
    put("lastrecv", seconds(peer.last_received).into());
    put("last_transaction", seconds(peer.last_transaction).into());
    put("last_block", seconds(peer.last_block).into());
    put("bytessent", peer.bytes_sent.into());
    put("bytesrecv", peer.bytes_received.into());
    put("conntime", peer.connected_at.unix_seconds().into());
    put("timeoffset", peer.time_offset.into());
    for (name, time) in [("pingtime", peer.ping_time), ("minping", peer.min_ping), ("pingwait", peer.ping_wait)] {
        if let Some(time) = time.as_ref().map(Duration::as_secs_f64) {
            put(name, json!(time));
        }
    }
    put("version", peer.version.into());
    put("subver", peer.user_agent.clone().into());
    put("inbound", peer.inbound.into());
    put("bip152_hb_to", peer.compact_to.into());
    put("bip152_hb_from", peer.compact_from.into());
    put("startingheight", peer.starting_height.into());
    put("presynced_headers", height(peer.presynced_headers).into());
    put("synced_headers", height(peer.synced_headers).into());
    put("synced_blocks", height(peer.synced_blocks).into());
    put("inflight", json!(peer.in_flight));
    put("addr_relay_enabled", peer.relays_addresses.into());
    put("addr_processed", peer.addresses_taken.into());
    put("addr_rate_limited", peer.addresses_dropped.into());
    put("permissions", if peer.may_ask_for_mempool { json!(["mempool"]) } else { json!([]) });
    put("minfeefilter", encode::coins(Amount::from_sat(peer.min_fee_filter.to_sat_per_kvb())));
    put("bytessent_per_msg", by_message(&peer.sent_by_message));
    put("bytesrecv_per_msg", by_message(&peer.received_by_message));
    put("connection_type", peer.kind.name().into());
    put("transport_protocol_type", peer.transport.name().into());
    put("session_id", peer.transport.session_id().map_or_else(String::new, |id| encode::hex(&id)).into());
    Value::Object(fields)
}

pub(super) fn connection_count(node: &Node, _: &Params) -> Answer {
    let totals = node.peers().map(mycoin_p2p::P2pHandle::totals).unwrap_or_default();
    Ok(json!(totals.inbound + totals.outbound))
}

pub(super) fn net_totals(node: &Node, _: &Params) -> Answer {
    let totals = node.peers().map(mycoin_p2p::P2pHandle::totals).unwrap_or_default();
    Ok(json!({
        "totalbytesrecv": totals.bytes_received,
        "totalbytessent": totals.bytes_sent,
        "timemillis": clock::now() * 1_000,
        // There is no limit on what is sent to peers.
        "uploadtarget": {
            "timeframe": UPLOAD_TIMEFRAME,
            "target": 0,
            "target_reached": false,
            "serve_historical_blocks": true,
            "bytes_left_in_cycle": 0,
            "time_left_in_cycle": 0,
        },
    }))
}

pub(super) fn connect_peer(node: &Node, params: &Params) -> Answer {
    connect(node, params.str("address")?)
}

fn connect(node: &Node, address: &str) -> Answer {
    let Some(handle) = node.peers() else {
        return Err(RpcError::new(RpcError::NOT_CONNECTED, "The server has no peers' protocol running"));
    };
    handle
        .connect(address)
        .map_err(|error| RpcError::invalid_parameter(error.to_string()).with_data(error.code(), error.next_step()))?;
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_ours_are_warnings() {
        assert_eq!(warnings(0), Vec::<String>::new());
        assert!(warnings(1).concat().starts_with("A fault of this program has ended connections with peers"));
        assert!(warnings(7).concat().starts_with("7 faults of this program have ended connections with peers"));
    }
}
