//! Blocks, coins, filters and proofs.

use serde_json::{Value, json};

use crate::node::{ELSEWHERE, Node, names, text};

#[test]
fn the_chain_is_regtest_with_its_deployments() {
    let node = Node::start();
    let info = node.call("getblockchaininfo", json!([]));
    assert_eq!(
        (&info["chain"], &info["blocks"], &info["initialblockdownload"]),
        (&json!("regtest"), &json!(0), &json!(false))
    );
    assert_eq!((&info["bits"], &info["warnings"], &info["pruned"]), (&json!("207fffff"), &json!([]), &json!(false)));
    assert_eq!(info["target"], "7fffff0000000000000000000000000000000000000000000000000000000000");
    assert_eq!(info["chainwork"], format!("{:064x}", 2));
    assert_eq!(info["bestblockhash"], "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206");
    node.mine(1, ELSEWHERE);
    let deployed = node.call("getdeploymentinfo", json!([]));
    assert_eq!(deployed["height"], 1);
    for (name, height) in [("bip34", 1), ("bip65", 1), ("bip66", 1), ("csv", 1), ("segwit", 0)] {
        assert_eq!(
            deployed["deployments"][name],
            json!({"type": "buried", "active": true, "height": height}),
            "{name}"
        );
    }
    assert_eq!(deployed["deployments"]["taproot"]["active"], true);
    assert_eq!(
        deployed["script_flags"],
        json!(["CHECKLOCKTIMEVERIFY", "CHECKSEQUENCEVERIFY", "DERSIG", "NULLDUMMY", "P2SH", "TAPROOT", "WITNESS"])
    );
    let genesis = node.call("getdeploymentinfo", json!([info["bestblockhash"]]));
    assert_eq!(genesis["script_flags"], json!(["NULLDUMMY", "P2SH", "TAPROOT", "WITNESS"]));
    assert_eq!(node.error("getdeploymentinfo", json!(["00".repeat(32)])), (-5, "Block not found".to_owned()));
}

#[test]
fn a_block_tells_its_coinbase_and_its_figures() {
    let node = Node::start();
    let hashes = node.mine(3, ELSEWHERE);
    let block = node.call("getblock", json!([hashes[0]]));
    assert_eq!(names(&block["coinbase_tx"]), ["coinbase", "locktime", "sequence", "version", "witness"]);
    let stats = node.call("getblockstats", json!([1]));
    assert_eq!(
        (&stats["subsidy"], &stats["txs"], &stats["outs"], &stats["ins"]),
        (&json!(5_000_000_000u64), &json!(1), &json!(2), &json!(0))
    );
    assert_eq!((&stats["utxo_increase"], &stats["utxo_increase_actual"]), (&json!(2), &json!(1)));
    assert_eq!(stats["feerate_percentiles"], json!([0, 0, 0, 0, 0]));
    assert_eq!(stats["blockhash"], hashes[0].as_str());
    let some = node.call("getblockstats", json!([hashes[1], ["height", "txs"]]));
    assert_eq!(some, json!({"height": 2, "txs": 1}));
    assert_eq!(
        node.error("getblockstats", json!([1, ["height", "nothing"]])),
        (-8, "Invalid selected statistic 'nothing'".to_owned())
    );
    assert_eq!(node.error("getblockstats", json!([9])), (-8, "Target block height 9 after current tip 3".to_owned()));
    assert_eq!(node.error("getblockstats", json!([-1])), (-8, "Target block height -1 is negative".to_owned()));
    let window = node.call("getchaintxstats", json!([]));
    assert_eq!(
        (&window["txcount"], &window["window_block_count"], &window["window_tx_count"]),
        (&json!(4), &json!(2), &json!(2))
    );
    assert_eq!(node.error("getchaintxstats", json!([3])).0, -8);
    assert_eq!(node.call("getchaintxstats", json!([0]))["window_block_count"], 0);
}

#[test]
fn filters_chain_as_bip157_says_through_reorganisations() {
    let node = Node::start();
    // BIP158's filter of a block follows from its scripts; of genesis it is the vector of every regtest node.
    let genesis = text(&node.call("getblockhash", json!([0])));
    let first = node.call("getblockfilter", json!([genesis]));
    assert_eq!(names(&first), ["filter", "header"]);
    let hashes = node.mine(3, ELSEWHERE);
    let header = |hash: &str| text(&node.call("getblockfilter", json!([hash, "basic"]))["header"]);
    let (second, third) = (header(&hashes[1]), header(&hashes[2]));
    assert_ne!(second, third);
    assert_eq!(node.call("getblockfilter", json!([genesis])), first);
    node.call("invalidateblock", json!([hashes[1]]));
    let off = (-5, "Filter not found. Block was not connected to active chain.".to_owned());
    assert_eq!(node.error("getblockfilter", json!([hashes[2]])), off);
    node.mine(2, "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry");
    let other = text(&node.call("getblockhash", json!([2])));
    assert_ne!(header(&other), second);
    node.call("invalidateblock", json!([other]));
    node.call("reconsiderblock", json!([hashes[1]]));
    assert_eq!((header(&hashes[1]), header(&hashes[2])), (second, third));
    assert_eq!(node.error("getblockfilter", json!([genesis, "other"])), (-5, "Unknown filtertype".to_owned()));
    assert_eq!(node.call("getindexinfo", json!([])), json!({}), "they are made when they are asked for");
}

#[test]
fn of_two_blocks_of_the_same_work_the_precious_one_wins() {
    let node = Node::start();
    let first = node.mine(1, ELSEWHERE).swap_remove(0);
    node.call("invalidateblock", json!([first]));
    let second = node.mine(1, "mkHS9ne12qx9pS9VojpwU5xtRd4T7X7ZUt").swap_remove(0);
    node.call("reconsiderblock", json!([first]));
    for hash in [&first, &second, &first] {
        assert_eq!(node.call("preciousblock", json!([hash])), Value::Null);
        assert_eq!(node.call("getbestblockhash", json!([])), hash.as_str());
    }
    assert_eq!(node.call("waitforblock", json!([first, 1_000]))["hash"], first.as_str());
    assert_eq!(node.call("waitforblock", json!([second, 50]))["hash"], first.as_str());
    assert_eq!(node.error("waitforblock", json!([first, -1])), (-1, "Negative timeout".to_owned()));
    assert_eq!(node.call("verifychain", json!([])), true);
    assert_eq!(node.error("preciousblock", json!(["00".repeat(32)])), (-5, "Block not found".to_owned()));
}

#[test]
fn a_proof_names_what_its_block_holds() {
    let node = Node::start();
    let hashes = node.mine(2, ELSEWHERE);
    let txid = text(&node.call("getblock", json!([hashes[0]]))["tx"][0]);
    let by_block = node.call("gettxoutproof", json!([[txid], hashes[0]]));
    assert_eq!(node.call("gettxoutproof", json!([[txid]])), by_block);
    assert_eq!(node.call("verifytxoutproof", json!([by_block])), json!([txid]));
    let mut altered = text(&by_block).into_bytes();
    let last = altered.len() - 10;
    altered[last] = if altered[last] == b'0' { b'1' } else { b'0' };
    let altered = String::from_utf8(altered).expect("digits");
    assert_eq!(node.call("verifytxoutproof", json!([altered])), json!([]));
    let unknown = "11".repeat(32);
    assert_eq!(node.error("gettxoutproof", json!([[unknown]])), (-5, "Transaction not yet in block".to_owned()));
    assert_eq!(
        node.error("gettxoutproof", json!([[unknown], hashes[0]])),
        (-5, "Not all transactions found in specified or retrieved block".to_owned())
    );
    assert_eq!(node.error("gettxoutproof", json!([[]])), (-8, "Parameter 'txids' cannot be empty".to_owned()));
    assert_eq!(
        node.error("gettxoutproof", json!([[txid, txid]])),
        (-8, format!("Invalid parameter, duplicated txid: {txid}"))
    );
    node.call("invalidateblock", json!([hashes[0]]));
    assert_eq!(node.error("verifytxoutproof", json!([by_block])), (-5, "Block not found in chain".to_owned()));
}

#[test]
fn coins_are_found_by_descriptor() {
    let node = Node::start();
    node.mine(3, ELSEWHERE);
    let other = node.call("generatetodescriptor", json!([2, "raw(51)"]));
    assert_eq!(other.as_array().map(Vec::len), Some(2));
    let found = node.call("scantxoutset", json!(["start", [{"desc": "raw(51)"}, format!("addr({ELSEWHERE})")]]));
    assert_eq!((&found["success"], &found["txouts"], &found["height"]), (&json!(true), &json!(5), &json!(5)));
    assert_eq!(found["total_amount"].to_string(), "250.00000000");
    let unspents = found["unspents"].as_array().expect("a list");
    assert_eq!(unspents.len(), 5);
    let raw: Vec<&Value> = unspents.iter().filter(|unspent| unspent["scriptPubKey"] == "51").collect();
    assert_eq!(
        (raw.len(), &raw[0]["coinbase"], &raw[0]["amount"]),
        (2, &json!(true), &serde_json::from_str("50.00000000").expect("a number"))
    );
    assert_eq!(raw[0]["desc"], node.call("getdescriptorinfo", json!(["raw(51)"]))["descriptor"]);
    assert_eq!(node.call("getblock", json!([raw[0]["blockhash"]]))["tx"][0], raw[0]["txid"]);
    assert_eq!(node.call("scantxoutset", json!(["status"])), Value::Null);
    assert_eq!(node.call("scantxoutset", json!(["abort"])), false);
    assert_eq!(node.error("scantxoutset", json!(["stop"])), (-8, "Invalid action 'stop'".to_owned()));
    assert_eq!(node.error("scantxoutset", json!(["start", ["nonsense"]])).0, -5);
    let info = node.call("gettxoutsetinfo", json!(["none"]));
    assert_eq!(
        names(&info),
        ["bestblock", "bogosize", "disk_size", "height", "total_amount", "transactions", "txouts"]
    );
    assert_eq!((&info["transactions"], &info["txouts"]), (&json!(5), &json!(5)));
    assert_eq!(node.error("gettxoutsetinfo", json!(["md5"])), (-8, "'md5' is not a valid hash_type".to_owned()));
}
