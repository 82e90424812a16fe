//! Peers as their owner steers them: bans, named peers, what is told of connections.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::node::{Node, names};

/// Waits until `is_so`.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} did not happen within 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn bans_are_listed_as_bitcoin_core_does_and_outlive_a_restart() {
    let node = Node::start();
    assert_eq!(node.call("listbanned", json!([])), json!([]));
    assert_eq!(node.call("setban", json!(["192.0.2.7/24", "add"])), Value::Null);
    assert_eq!(node.call("setban", json!(["::ffff:198.51.100.1", "add", 500])), Value::Null);
    assert_eq!(node.call("setban", json!(["2001:db8::/32", "add", 4_000_000_000u64, true])), Value::Null);
    for (params, code, words) in [
        (json!(["192.0.2.0/24", "add"]), -23, "Error: IP/Subnet already banned"),
        (json!(["198.51.100.1", "add"]), -23, "Error: IP/Subnet already banned"),
        (json!(["192.0.2.0/33", "add"]), -30, "Error: Invalid IP/Subnet"),
        (json!(["example.org", "add"]), -30, "Error: Invalid IP/Subnet"),
        (
            json!(["192.0.2.7", "remove"]),
            -30,
            "Error: Unban failed. Requested address/subnet was not previously manually banned.",
        ),
        (json!(["203.0.113.1", "add", 1, true]), -8, "Error: Absolute timestamp is in the past"),
    ] {
        assert_eq!(node.error("setban", params), (code, words.to_owned()));
    }
    let listed = node.call("listbanned", json!([]));
    let addresses: Vec<&Value> = listed.as_array().expect("a list").iter().map(|ban| &ban["address"]).collect();
    assert_eq!(addresses, ["192.0.2.0/24", "198.51.100.1/32", "2001:db8::/32"]);
    assert_eq!(names(&listed[0]), ["address", "ban_created", "ban_duration", "banned_until", "time_remaining"]);
    assert_eq!((&listed[0]["ban_duration"], &listed[1]["ban_duration"]), (&json!(86_400), &json!(500)));
    assert_eq!(listed[2]["banned_until"], json!(4_000_000_000u64));
    // Written with the ban, not with the stop.
    let file = std::fs::read_to_string(node.file("banlist.json")).expect("it is there");
    assert!(file.contains("192.0.2.0/24") && file.contains("198.51.100.1/32"), "{file}");

    let node = node.restart();
    let again = node.call("listbanned", json!([]));
    for (before, after) in listed.as_array().expect("a list").iter().zip(again.as_array().expect("a list")) {
        for field in ["address", "ban_created", "banned_until", "ban_duration"] {
            assert_eq!(before[field], after[field]);
        }
    }
    assert_eq!(node.call("setban", json!(["198.51.100.1", "remove"])), Value::Null);
    assert_eq!(node.call("listbanned", json!([])).as_array().map(Vec::len), Some(2));
    assert_eq!(node.call("clearbanned", json!([])), Value::Null);
    let node = node.restart();
    assert_eq!(node.call("listbanned", json!([])), json!([]));
}

#[test]
fn a_named_peer_is_shown_banned_and_comes_back() {
    let (first, second) = (Node::start().restart(), Node::start().restart());
    let address = second.p2p_address();
    assert_eq!(first.call("addnode", json!([address, "add"])), Value::Null);
    assert_eq!(first.error("addnode", json!([address, "add"])), (-23, "Error: Node already added".to_owned()));
    let is_ready = |node: &Node| node.call("getpeerinfo", json!([]))[0]["bytesrecv_per_msg"]["verack"].is_number();
    until("the handshake", || is_ready(&first) && is_ready(&second));

    let peer = first.call("getpeerinfo", json!([]))[0].clone();
    for field in [
        "addr",
        "addr_processed",
        "addr_rate_limited",
        "addr_relay_enabled",
        "addrbind",
        "bip152_hb_from",
        "bip152_hb_to",
        "bytesrecv",
        "bytesrecv_per_msg",
        "bytessent",
        "bytessent_per_msg",
        "connection_type",
        "conntime",
        "id",
        "inbound",
        "inflight",
        "last_block",
        "last_transaction",
        "lastrecv",
        "lastsend",
        "minfeefilter",
        "network",
        "permissions",
        "presynced_headers",
        "relaytxes",
        "services",
        "servicesnames",
        "session_id",
        "startingheight",
        "subver",
        "synced_blocks",
        "synced_headers",
        "timeoffset",
        "transport_protocol_type",
        "version",
    ] {
        assert!(names(&peer).contains(&field), "{field} is missing in {peer}");
    }
    assert_eq!((&peer["connection_type"], &peer["inbound"]), (&json!("manual"), &json!(false)));
    assert_eq!((&peer["network"], &peer["transport_protocol_type"]), (&json!("ipv4"), &json!("v2")));
    for (all, each) in [("bytessent", "bytessent_per_msg"), ("bytesrecv", "bytesrecv_per_msg")] {
        let each = peer[each].as_object().expect("an object").values().filter_map(Value::as_u64).sum::<u64>();
        // The rest is the transport's own handshake.
        assert!(each > 300 && peer[all].as_u64().is_some_and(|all| all >= each), "{peer}");
    }
    let other = second.call("getpeerinfo", json!([]))[0].clone();
    assert_eq!((&other["connection_type"], &other["session_id"]), (&json!("inbound"), &peer["session_id"]));

    let added = first.call("getaddednodeinfo", json!([address]));
    assert_eq!(
        added,
        json!([{"addednode": address, "connected": true, "addresses": [{"address": address, "connected": "outbound"}]}])
    );
    assert_eq!(
        first.error("getaddednodeinfo", json!(["192.0.2.1"])),
        (-24, "Error: Node has not been added.".to_owned())
    );

    let refused = (-29, "Node not found in connected nodes".to_owned());
    assert_eq!(first.error("disconnectnode", json!(["192.0.2.1:5"])), refused);
    assert_eq!(first.error("disconnectnode", json!(["", 77])), refused);
    let both = "Only one of address and nodeid should be provided.".to_owned();
    assert_eq!(first.error("disconnectnode", json!([address, 0])), (-32602, both));
    assert_eq!(first.call("disconnectnode", json!([address])), Value::Null);
    until("the next dial", || is_ready(&first) && is_ready(&second));

    second.call("setban", json!(["127.0.0.0/8", "add"]));
    until("the end", || second.call("getpeerinfo", json!([])) == json!([]));
    second.call("clearbanned", json!([]));
    until("the way back", || is_ready(&first) && is_ready(&second));
    assert_eq!(first.call("addnode", json!([address, "remove"])), Value::Null);
    assert_eq!(first.call("getaddednodeinfo", json!([])), json!([]));
    let totals = first.call("getnettotals", json!([]));
    assert!(totals["totalbytesrecv"].as_u64() > Some(300) && totals["totalbytessent"].as_u64() > Some(300));
    assert_eq!(first.error("getnodeaddresses", json!([-1])), (-8, "Address count out of range".to_owned()));
    assert_eq!(
        first.error("getnodeaddresses", json!([1, "carrier"])),
        (-8, "Network not recognized: carrier".to_owned())
    );
}

#[test]
fn a_peer_is_met_without_encryption_where_its_owner_says_so() {
    let (first, second) = (Node::start().restart(), Node::start());
    let address = first.p2p_address();
    for (command, v2, transport) in [("onetry", false, "v1"), ("add", true, "v2")] {
        assert_eq!(second.call("addnode", json!([address, command, v2])), Value::Null);
        until("the handshake", || {
            let peers = second.call("getpeerinfo", json!([]));
            peers[0]["version"].as_u64().is_some_and(|version| version > 0)
        });
        let peer = second.call("getpeerinfo", json!([]))[0].take();
        assert_eq!(peer["transport_protocol_type"], transport);
        assert_eq!(peer["session_id"].as_str().map(str::len), Some(if v2 { 64 } else { 0 }));
        assert_eq!(second.call("disconnectnode", json!([address])), Value::Null);
        until("the end", || second.call("getconnectioncount", json!([])) == 0);
    }
    let networks = second.call("getnetworkinfo", json!([]))["networks"].take();
    let reachable = |at: usize| (networks[at]["name"].clone(), networks[at]["reachable"].clone());
    assert_eq!(reachable(0), ("ipv4".into(), true.into()));
    assert_eq!((reachable(2), reachable(4)), (("onion".into(), false.into()), ("cjdns".into(), false.into())));
    assert_eq!((&networks[0]["proxy"], &networks[0]["proxy_randomize_credentials"]), (&json!(""), &json!(false)));
}
