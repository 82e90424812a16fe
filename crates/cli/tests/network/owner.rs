//! What a server's owner decides about its peers, and what it learned of them, outlives it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use mycoin_testkit::process::wait_until;
use serde_json::{Value, json};

use crate::home::PATIENCE;
use crate::node::{Node, Setup, connected};
use crate::v1_peer::V1Peer;

/// Nobody dials these, since the server has a peer that its owner named.
const KNOWN: [&str; 3] = ["11.9.8.1:7602", "12.9.7.2:7602", "13.16.5.3:9000"];

#[test]
fn bans_outlive_a_kill_and_known_addresses_a_stop() {
    let friend = Setup::new().start();
    let server = Setup::new().connect(&friend.p2p).start();
    connected(&server, 1);

    // One connection, once: it brings addresses, and does not come back when it is ended.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let known = KNOWN.map(|address| address.parse::<SocketAddr>().expect("an address"));
    let teller = V1Peer::that_knows(known.to_vec(), u32::try_from(now - 60).expect("before 2106"));
    let teller = teller.address.to_string();
    server.call("addnode", json!([teller, "onetry"]));
    connected(&server, 2);
    let of_teller = || server.peers().into_iter().find(|peer| peer["addr"] == teller);
    let peer = of_teller().expect("it is connected");
    assert_eq!((&peer["transport_protocol_type"], &peer["connection_type"]), (&json!("v1"), &json!("manual")));
    assert_eq!((&peer["subver"], &peer["inbound"]), (&json!("/other:1.0/"), &json!(false)));
    wait_until("its addresses are taken", PATIENCE, || (addresses(&server) == BTreeSet::from(known)).then_some(()));
    server.call("disconnectnode", json!([teller]));
    assert_eq!(server.call("getaddednodeinfo", json!([])), json!([added(&friend.p2p)]));
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!((of_teller(), server.peers().len()), (None, 1));

    let server = server.stop().start();
    assert_eq!(addresses(&server), BTreeSet::from(known));

    // A ban is written before the call is answered, so that not even a kill undoes it.
    connected(&server, 1);
    server.call("setban", json!(["203.0.113.0/24", "add", 5_000]));
    server.call("setban", json!(["127.0.0.0/8", "add", 6_000]));
    let banned = server.call("listbanned", json!([]));
    let server = server.kill().start();
    let after = server.call("listbanned", json!([]));
    assert_eq!(decided(&after), decided(&banned));
    assert_eq!(after.as_array().map(Vec::len), Some(2));

    // Whoever is banned is not let in; and is when the ban is gone.
    let banned_one = Setup::new().connect(&server.p2p).start();
    banned_one.program.wait_for_line(PATIENCE, |line| line.contains("peer disconnected"));
    assert!(server.peers().iter().all(|peer| peer["inbound"] == false));
    server.call("setban", json!(["127.0.0.0/8", "remove"]));
    let inbound = || server.peers().into_iter().find(|peer| peer["inbound"] == true);
    wait_until("who was banned comes back by itself", PATIENCE, inbound);
    let server = server.kill().start();
    assert_eq!(server.call("listbanned", json!([])).as_array().map(Vec::len), Some(1));
}

fn added(address: &str) -> Value {
    json!({"addednode": address, "connected": true, "addresses": [{"address": address, "connected": "outbound"}]})
}

fn addresses(node: &Node) -> BTreeSet<SocketAddr> {
    let told = node.call("getnodeaddresses", json!([0]));
    let address = |entry: &Value| {
        let text = format!("{}:{}", entry["address"].as_str().expect("a text"), entry["port"]);
        text.parse().expect("an address")
    };
    told.as_array().expect("a list").iter().map(address).collect()
}

/// What was decided, without what passes as time does.
fn decided(bans: &Value) -> Vec<[Value; 4]> {
    let fields = ["address", "ban_created", "banned_until", "ban_duration"];
    bans.as_array().expect("a list").iter().map(|ban| fields.map(|field| ban[field].clone())).collect()
}
