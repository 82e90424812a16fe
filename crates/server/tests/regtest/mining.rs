//! Templates, blocks and headers that miners hand in, and the clock that tests set.

use std::time::{SystemTime, UNIX_EPOCH};

use mycoin_primitives::Block;
use mycoin_primitives::bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use serde_json::{Value, json};

use crate::node::{ELSEWHERE, Node, text};

#[test]
fn a_template_says_what_regtest_asks_for() {
    let node = Node::start();
    node.mine(1, ELSEWHERE);
    let template = node.call("getblocktemplate", json!([{"rules": ["segwit"]}]));
    assert_eq!(template["rules"], json!(["csv", "!segwit", "taproot"]));
    assert_eq!(
        (&template["sigoplimit"], &template["sizelimit"], &template["weightlimit"]),
        (&json!(80_000), &json!(4_000_000), &json!(4_000_000))
    );
    assert_eq!(
        (&template["height"], &template["coinbasevalue"], &template["bits"]),
        (&json!(2), &json!(5_000_000_000u64), &json!("207fffff"))
    );
    // Without transactions the commitment is known: the hash of two times 32 zero bytes.
    assert_eq!(
        template["default_witness_commitment"],
        "6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9"
    );
    assert_eq!(
        (&template["noncerange"], &template["mutable"]),
        (&json!("00000000ffffffff"), &json!(["time", "transactions", "prevblock"]))
    );
    assert_eq!(node.error("getblocktemplate", json!([{}])).0, -8);
    assert_eq!(
        node.error("getblocktemplate", json!([{"mode": "none", "rules": ["segwit"]}])),
        (-8, "Invalid mode".to_owned())
    );
    let mining = node.call("getmininginfo", json!([]));
    assert_eq!(
        (&mining["chain"], &mining["blocks"], &mining["next"]["height"]),
        (&json!("regtest"), &json!(1), &json!(2))
    );
    assert!(node.call("getnetworkhashps", json!([])).is_number());
    assert_eq!(node.error("getnetworkhashps", json!([0])).0, -8);
    assert_eq!(
        node.error("getnetworkhashps", json!([1, 9])),
        (-8, "Block does not exist at specified height".to_owned())
    );
}

#[test]
fn blocks_and_headers_are_handed_in_as_bip22_says() {
    let (node, other) = (Node::start(), Node::start());
    let hashes = other.mine(3, ELSEWHERE);
    let raw: Vec<String> = hashes.iter().map(|hash| text(&other.call("getblock", json!([hash, 0])))).collect();
    let header = |hash: &String| other.call("getblockheader", json!([hash, false]));
    assert_eq!(node.call("submitblock", json!([raw[1]])), "prev-blk-not-found");
    let (code, message) = node.error("submitheader", json!([header(&hashes[1])]));
    assert_eq!((code, message), (-25, format!("Must submit previous header ({}) first", hashes[0])));
    assert_eq!(node.call("submitheader", json!([header(&hashes[0])])), Value::Null);
    assert_eq!(node.call("submitheader", json!([header(&hashes[1])])), Value::Null);
    assert_eq!(
        (node.call("getblockcount", json!([])), &node.call("getblockchaininfo", json!([]))["headers"]),
        (json!(0), &json!(2))
    );
    // The second block first: its parent's header is known, its parent's body is not.
    assert_eq!(node.call("submitblock", json!([raw[1]])), "inconclusive");
    assert_eq!(node.call("submitblock", json!([raw[0]])), Value::Null);
    assert_eq!(node.call("submitblock", json!([raw[0]])), "duplicate");
    assert_eq!(node.call("getblockcount", json!([])), 2);
    assert_eq!(node.error("submitblock", json!(["zz"])), (-22, "Block decode failed".to_owned()));
    assert_eq!(node.error("submitheader", json!(["00"])), (-22, "Block header decode failed".to_owned()));
    let mut worthless = text(&header(&hashes[2])).into_bytes();
    // A time long before the median: too old whatever the nonce is, but the proof of work is looked at first.
    worthless.splice(136..144, *b"00000000");
    let refused = node.error("submitheader", json!([String::from_utf8(worthless).expect("digits")]));
    assert!(refused.0 == -25 && ["high-hash", "time-too-old"].contains(&&*refused.1), "{refused:?}");
    // A block that its miner marked invalid stays out.
    node.call("invalidateblock", json!([hashes[1]]));
    assert_eq!(node.call("submitblock", json!([raw[1]])), "duplicate-invalid");
    assert_eq!(node.call("submitblock", json!([raw[2]])), "bad-prevblk");
}

#[test]
fn a_coinbase_may_come_without_its_reserved_value() {
    let (node, other) = (Node::start(), Node::start());
    let hash = other.mine(1, ELSEWHERE).swap_remove(0);
    let raw = text(&other.call("getblock", json!([hash, 0])));
    let mut block: Block = deserialize_hex(&raw).expect("a block");
    assert!(!block.txdata[0].input[0].witness.is_empty());
    block.txdata[0].input[0].witness.clear();
    let without = serialize_hex(&block);
    assert_eq!(node.call("submitblock", json!([without])), Value::Null);
    assert_eq!(node.call("getblock", json!([hash, 0])), raw);
}

#[test]
fn blocks_pay_addresses_and_descriptors() {
    let node = Node::start();
    for address in ["mkHS9ne12qx9pS9VojpwU5xtRd4T7X7ZUt", "2N2JD6wb56AfK4tfmM6PwdVmoYk2dCKf4Br", ELSEWHERE] {
        let hash = node.mine(1, address).swap_remove(0);
        let paid = node.call("getblock", json!([hash, 2]))["tx"][0]["vout"][0]["scriptPubKey"]["address"].clone();
        assert_eq!(paid, address);
    }
    assert_eq!(node.error("generatetoaddress", json!([1, "nobody"])), (-5, "Error: Invalid address".to_owned()));
    let checked = node.call("getdescriptorinfo", json!(["raw(51)"]));
    assert_eq!((&checked["isrange"], &checked["hasprivatekeys"]), (&json!(false), &json!(false)));
    assert_eq!(node.call("generatetodescriptor", json!([1, checked["descriptor"]])).as_array().map(Vec::len), Some(1));
    assert_eq!(node.error("generatetodescriptor", json!([1, "raw(51)#aaaaaaaa"])).0, -5);
    let made = node.call("generateblock", json!(["raw(52)", []]));
    let block = node.call("getblock", json!([made["hash"], 2]));
    assert_eq!(block["tx"][0]["vout"][0]["scriptPubKey"]["hex"], "52");
    assert_eq!(
        node.error("generateblock", json!(["nobody", []])),
        (-5, "Error: Invalid address or descriptor".to_owned())
    );
    let unknown = "11".repeat(32);
    assert_eq!(
        node.error("generateblock", json!([ELSEWHERE, [unknown]])),
        (-5, format!("Transaction {unknown} not in mempool."))
    );
}

#[test]
fn the_clock_stops_where_a_test_sets_it() {
    let node = Node::start();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    // Within the two hours that blocks may be ahead, so that other tests of this process are not disturbed.
    let set = now + 3_000;
    assert_eq!(node.call("setmocktime", json!([set])), Value::Null);
    let hash = node.mine(1, ELSEWHERE).swap_remove(0);
    assert_eq!(node.call("setmocktime", json!([0])), Value::Null);
    assert_eq!(node.call("getblockheader", json!([hash]))["time"], set);
    assert_eq!(
        node.error("setmocktime", json!([-1])),
        (-8, "Mocktime must be in the range [0, 4294967295], not -1.".to_owned())
    );
}
