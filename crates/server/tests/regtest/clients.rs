//! What stock tools call when they start.

use serde_json::{Value, json};

use crate::node::{ELSEWHERE, Node, names};

#[test]
fn the_server_introduces_itself_as_tools_expect() {
    let node = Node::start();
    let info = node.call("getnetworkinfo", json!([]));
    // Tools refuse servers by this number, so it is that of the version whose RPC is followed.
    assert!(info["version"].as_u64().is_some_and(|version| version >= 280_000), "{info}");
    assert!(info["subversion"].as_str().is_some_and(|name| name.starts_with("/MyCoin:")), "{info}");
    assert_eq!(info["localservicesnames"], json!(["NETWORK", "WITNESS", "P2P_V2"]));
    assert!(info["relayfee"].is_number() && info["incrementalfee"].is_number());
    assert_eq!(node.call("getzmqnotifications", json!([])), json!([]));
    assert_eq!(names(&node.call("getrpcinfo", json!([]))), ["active_commands", "logpath"]);
    assert_eq!(node.call("echo", json!(["a", 1, null, {"b": []}])), json!(["a", 1, null, {"b": []}]));
    assert_eq!(node.call("echojson", json!({"arg1": true})), json!([null, true]));
    assert_eq!(node.call("getconnectioncount", json!([])), 0);
    assert_eq!(node.call("addnode", json!(["127.0.0.1:9", "onetry"])), Value::Null);
    assert_eq!(node.error("addnode", json!(["127.0.0.1:9", "remove"])).0, -24);
    assert_eq!(node.error("nosuchmethod", json!([])), (-32601, "Method not found".to_owned()));
}

#[test]
fn a_chain_source_reads_headers_blocks_and_the_mempool() {
    let node = Node::start();
    let hashes = node.mine(2, ELSEWHERE);
    let tip = node.call("getbestblockhash", json!([]));
    let header = node.call("getblockheader", json!([tip]));
    assert_eq!(
        (&header["previousblockhash"], &header["height"], &header["confirmations"]),
        (&json!(hashes[0]), &json!(2), &json!(1))
    );
    for verbosity in 0..=3 {
        let block = node.call("getblock", json!([tip, verbosity]));
        assert_eq!(block.is_string(), verbosity == 0);
    }
    assert_eq!(node.call("getrawmempool", json!([true])), json!({}));
    assert_eq!(node.call("getrawmempool", json!([false, true]))["txids"], json!([]));
    let genesis = node.call("getblock", json!([node.call("getblockhash", json!([0]))]));
    let (code, text) = node.error("getrawtransaction", json!([genesis["tx"][0]]));
    assert_eq!(
        (code, text.starts_with("The genesis block coinbase is not considered an ordinary transaction")),
        (-5, true)
    );
    let (code, text) = node.error("getrawtransaction", json!(["11".repeat(32)]));
    assert_eq!(
        (code, text.starts_with("No such mempool transaction. Use -txindex or provide a block hash")),
        (-5, true)
    );
    assert_eq!(node.error("getblock", json!(["11".repeat(32)])), (-5, "Block not found".to_owned()));
    assert_eq!(node.error("getblockhash", json!([3])), (-8, "Block height out of range".to_owned()));
    assert_eq!(node.error("getmempoolentry", json!(["11".repeat(32)])), (-5, "Transaction not in mempool".to_owned()));
}
