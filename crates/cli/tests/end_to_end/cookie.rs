//! The RPC as plain HTTP with a cookie: every method answers with the fields of Bitcoin Core v31.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mycoin_primitives::bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use mycoin_primitives::bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use mycoin_primitives::bitcoin::sighash::{EcdsaSighashType, SighashCache};
use mycoin_primitives::bitcoin::{PublicKey, ecdsa};
use mycoin_primitives::{Amount, Network, OutPoint, ScriptBuf, Transaction, Witness, address_of};
use mycoin_testkit::process::Program;
use serde_json::{Value, json};

use crate::home::{Home, PATIENCE, address_after};
use crate::rpc::{Rpc, base64};

const HEADER: &str = "hash confirmations height version versionHex merkleroot time mediantime nonce bits target \
                      difficulty chainwork nTx previousblockhash";
const TRANSACTION: &str = "txid hash version size vsize weight locktime vin vout";
const COIN_STATISTICS: &str = "height bestblock transactions txouts bogosize hash_serialized_3 total_amount";
const ENTRY: &str = "vsize weight time height descendantcount descendantsize ancestorcount ancestorsize wtxid fees \
                     depends spentby bip125-replaceable unbroadcast";

/// A server with its cookie.
struct Door {
    home: Home,
    program: Program,
    rpc: Rpc,
}

impl Door {
    fn open() -> Self {
        let home = Home::new();
        let password = home.password_file();
        let program = home.start(&[
            "server",
            "--rpc",
            "127.0.0.1:0",
            "--no-listen",
            "--mine",
            "off",
            "--rpc-cookie",
            "127.0.0.1:0",
            "--password-file",
            &password,
        ]);
        let address = address_after(&program.wait_until_ready(PATIENCE), "rpc with cookie");
        let file = home.dir().join("demo/.cookie");
        let mode = fs::metadata(&file).expect("the cookie").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let rpc = Rpc::open(address, &file);
        let cookie = &rpc.cookie;
        assert!(cookie.starts_with("__cookie__:") && cookie.len() == 75, "{cookie}");
        Self { home, program, rpc }
    }
}

impl Rpc {
    /// Calls a method whose answer must have exactly these fields.
    fn fields(&self, method: &str, params: Value, names: &str) -> Value {
        let answer = self.call(method, params);
        assert_fields(method, &answer, names);
        answer
    }

    /// Calls a method that must fail, and gives the error's number and sentence.
    fn error(&self, method: &str, params: Value) -> (i64, String) {
        let (_, answer) = self.post(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
        let error = &answer["error"];
        (error["code"].as_i64().unwrap_or_default(), error["message"].as_str().unwrap_or_default().to_owned())
    }
}

fn assert_fields(what: &str, value: &Value, names: &str) {
    let mut seen: Vec<&str> =
        value.as_object().unwrap_or_else(|| panic!("{what}: {value}")).keys().map(String::as_str).collect();
    let mut names: Vec<&str> = names.split_whitespace().collect();
    seen.sort_unstable();
    names.sort_unstable();
    assert_eq!(seen, names, "{what}: {value}");
}

#[test]
fn who_gets_in_and_in_which_dialects() {
    let Door { home, mut program, rpc } = Door::open();
    // The dialects, a batch, named parameters.
    let zero = json!({"result": 0, "error": null, "id": 1});
    for version in [json!({}), json!({"jsonrpc": "1.0"}), json!({"version": "1.1"})] {
        let mut request = json!({"method": "getblockcount", "id": 1});
        request.as_object_mut().expect("an object").extend(version.as_object().expect("an object").clone());
        assert_eq!(rpc.post(&request), (200, zero.clone()), "{request}");
    }
    let two =
        |method: &str, params: Value, id: u32| json!({"jsonrpc": "2.0", "method": method, "params": params, "id": id});
    assert_eq!(rpc.post(&two("getblockcount", json!([]), 1)), (200, json!({"jsonrpc": "2.0", "result": 0, "id": 1})));
    let genesis = rpc.call("getblockhash", json!([0]));
    let batch = json!([two("getblockhash", json!({"height": 0}), 1), two("nosuchmethod", json!([]), 2)]);
    let (status, answers) = rpc.post(&batch);
    assert_eq!((status, &answers[0]["result"], &answers[1]["error"]["code"]), (200, &genesis, &json!(-32601)));

    // Others.
    let body = r#"{"method":"getblockcount","id":1}"#;
    let good = format!("Basic {}", base64(rpc.cookie.as_bytes()));
    let wrong = format!("Basic {}", base64(format!("__cookie__:{}", "0".repeat(64)).as_bytes()));
    let local = ("Host", &*rpc.address);
    for (verb, headers, expected) in [
        ("POST", &[local, ("Authorization", &*good)][..], 200),
        ("POST", &[local, ("Authorization", &wrong)], 401),
        ("POST", &[local], 401),
        ("POST", &[("Host", "evil.example"), ("Authorization", &good)], 403),
        ("POST", &[local, ("Authorization", &good), ("Origin", "https://evil.example")], 403),
        ("POST", &[local, ("Authorization", &good), ("Content-Type", "text/plain")], 415),
        ("GET", &[local, ("Authorization", &good)], 405),
    ] {
        let (status, answer) = rpc.http(verb, headers, body);
        assert_eq!(status, expected, "{verb} {headers:?}: {answer}");
        assert_eq!(answer.contains("result"), expected == 200, "{verb} {headers:?}: {answer}");
    }

    // Nowhere but on loopback.
    let password = home.password_file();
    let (code, message) = Home::new().refused(&[
        "server",
        "--rpc",
        "127.0.0.1:0",
        "--no-listen",
        "--rpc-cookie",
        "0.0.0.0:0",
        "--password-file",
        &password,
    ]);
    assert_eq!(code, "rpc/not-loopback");
    assert!(message.contains("is not a loopback address"), "{message}");

    // A clean stop takes the cookie away.
    assert_eq!(rpc.call("stop", json!([])), "MyCoin server stopping");
    assert_eq!(program.wait(PATIENCE).code(), Some(0));
    assert!(!home.dir().join("demo/.cookie").exists());
}

/// A key whose coins the tests spend, its script and its address.
struct Owner {
    key: SecretKey,
    script: ScriptBuf,
    address: String,
}

impl Owner {
    fn new() -> Self {
        let key = SecretKey::from_slice(&[7; 32]).expect("a key");
        let public = PublicKey::new(key.public_key(&Secp256k1::new()));
        let script = ScriptBuf::new_p2wpkh(&public.wpubkey_hash().expect("compressed"));
        let address = address_of(&script, &Network::demo()).expect("an address");
        Self { key, script, address }
    }

    /// Spends the first output of a transaction to its own script, paying `fee`.
    fn spend(&self, from: &Transaction, fee: u64) -> Transaction {
        let held = from.output[0].value;
        let mut tx = from.clone();
        tx.lock_time = mycoin_primitives::bitcoin::absolute::LockTime::ZERO;
        tx.input[0].previous_output = OutPoint { txid: from.compute_txid(), vout: 0 };
        tx.input[0].script_sig = ScriptBuf::new();
        tx.input[0].witness = Witness::new();
        tx.output.truncate(1);
        tx.output[0].value = held - Amount::from_sat(fee);
        let hash = SighashCache::new(&tx)
            .p2wpkh_signature_hash(0, &self.script, held, EcdsaSighashType::All)
            .expect("the input is there");
        let context = Secp256k1::new();
        let signature = context.sign_ecdsa(&Message::from(hash), &self.key);
        let signature = ecdsa::Signature { signature, sighash_type: EcdsaSighashType::All };
        tx.input[0].witness = Witness::p2wpkh(&signature, &self.key.public_key(&context));
        tx
    }
}

#[test]
fn every_method_answers_with_the_fields_of_bitcoin_core() {
    let opened = Door::open();
    let rpc = &opened.rpc;
    let owner = Owner::new();
    assert_fields("estimatesmartfee", &rpc.call("estimatesmartfee", json!([6])), "feerate blocks");
    let made = rpc.call("generatetoaddress", json!([3, owner.address]));
    assert_eq!(made.as_array().map(Vec::len), Some(3));
    assert_eq!(rpc.call("getblockcount", json!([])), 3);
    chain(rpc, &made);
    network_and_control(rpc);
    scripts_and_addresses(rpc, &owner);
    mempool_and_mining(rpc, &owner, &made);
    branches(rpc, &owner);
}

fn chain(rpc: &Rpc, made: &Value) {
    let tip = made[2].clone();
    assert_eq!(rpc.call("getbestblockhash", json!([])), tip);
    assert_eq!(rpc.call("getblockhash", json!([3])), tip);
    assert_eq!(rpc.error("getblockhash", json!([4])), (-8, "Block height out of range".to_owned()));
    rpc.fields(
        "getblockchaininfo",
        json!([]),
        "chain blocks headers bestblockhash bits target difficulty time mediantime verificationprogress \
         initialblockdownload chainwork size_on_disk pruned warnings sync",
    );
    assert!(rpc.call("getdifficulty", json!([])).is_number());
    rpc.fields("getblockheader", json!([tip]), HEADER);
    let middle = rpc.fields("getblockheader", json!([made[1]]), &format!("{HEADER} nextblockhash"));
    assert_eq!((&middle["nextblockhash"], &middle["confirmations"]), (&tip, &json!(2)));
    let raw = rpc.call("getblock", json!([tip, 0]));
    let header = rpc.call("getblockheader", json!([tip, false]));
    assert!(raw.as_str().is_some_and(|raw| raw.starts_with(header.as_str().unwrap_or("?"))), "{raw} {header}");
    for verbosity in [json!(1), json!(2), json!(3), json!(true)] {
        let block = rpc.fields(
            "getblock",
            json!([tip, verbosity]),
            &format!("{HEADER} strippedsize size weight coinbase_tx tx"),
        );
        if block["tx"][0].is_string() {
            assert!(verbosity == 1 || verbosity == true);
        } else {
            assert_fields("getblock's transaction", &block["tx"][0], &format!("{TRANSACTION} hex"));
            assert_fields("a coinbase's input", &block["tx"][0]["vin"][0], "coinbase txinwitness sequence");
        }
    }
    assert_eq!(
        rpc.call("getchaintips", json!([])),
        json!([{"height": 3, "hash": tip, "branchlen": 0, "status": "active"}])
    );
    let coins = rpc.fields("gettxoutsetinfo", json!([]), &format!("{COIN_STATISTICS} disk_size"));
    let recounted = rpc.fields("recounttxoutset", json!([]), COIN_STATISTICS);
    assert_eq!((&coins["hash_serialized_3"], &coins["txouts"]), (&recounted["hash_serialized_3"], &json!(3)));
    let coinbase = rpc.call("getblock", json!([tip]))["tx"][0].clone();
    rpc.fields("gettxout", json!([coinbase, 0]), "bestblock confirmations value scriptPubKey coinbase");
    assert_eq!(rpc.call("gettxout", json!([coinbase, 9])), Value::Null);
    let waited = rpc.fields("waitfornewblock", json!([100]), "hash height");
    assert_eq!(waited, json!({"hash": tip, "height": 3}));
    assert_eq!(rpc.call("waitforblockheight", json!([3])), waited);
    let shown = format!("{TRANSACTION} hex in_active_chain blockhash confirmations time blocktime");
    rpc.fields("getrawtransaction", json!([coinbase, 1, tip]), &shown);
    rpc.fields("getrawtransaction", json!({"txid": coinbase, "verbose": 2, "blockhash": tip}), &shown);
    assert_eq!(rpc.error("getrawtransaction", json!([coinbase])).0, -5);
}

fn network_and_control(rpc: &Rpc) {
    rpc.fields(
        "getnetworkinfo",
        json!([]),
        "version subversion protocolversion localservices localservicesnames localrelay timeoffset networkactive \
         connections connections_in connections_out networks relayfee incrementalfee localaddresses \
         listening warnings",
    );
    assert_eq!(rpc.call("getpeerinfo", json!([])), json!([]));
    assert_eq!(rpc.call("getconnectioncount", json!([])), 0);
    rpc.fields("getnettotals", json!([]), "totalbytesrecv totalbytessent timemillis uploadtarget");
    assert!(rpc.call("uptime", json!([])).is_u64());
    let help = rpc.call("help", json!([]));
    let one = rpc.call("help", json!(["getblock"]));
    assert!(help.as_str().is_some_and(|text| text.contains("getblock blockhash ( verbosity )")), "{help}");
    assert!(one.as_str().is_some_and(|text| text.starts_with("getblock blockhash ( verbosity )")), "{one}");
}

fn scripts_and_addresses(rpc: &Rpc, owner: &Owner) {
    let hash = "11".repeat(20);
    let old = rpc.fields("decodescript", json!([format!("76a914{hash}88ac")]), "asm desc type segwit");
    assert_eq!(old["asm"], format!("OP_DUP OP_HASH160 {hash} OP_EQUALVERIFY OP_CHECKSIG"));
    assert_fields("decodescript's segwit", &old["segwit"], "asm desc hex address type");
    assert_eq!(old["segwit"]["hex"], format!("0014{hash}"));
    let own = rpc.fields("decodescript", json!([owner.script.to_hex_string()]), "asm desc address type");
    assert_eq!((&own["address"], &own["type"]), (&json!(owner.address), &json!("witness_v0_keyhash")));
    rpc.fields(
        "validateaddress",
        json!([owner.address]),
        "isvalid address scriptPubKey isscript iswitness witness_version witness_program",
    );
    let mut typo = owner.address.clone().into_bytes();
    typo[20] = if typo[20] == b'q' { b'p' } else { b'q' };
    let typo = String::from_utf8(typo).expect("letters");
    let wrong = rpc.fields("validateaddress", json!([typo]), "isvalid error_locations error");
    assert_eq!((&wrong["isvalid"], &wrong["error_locations"]), (&json!(false), &json!([20])));
}

fn mempool_and_mining(rpc: &Rpc, owner: &Owner, made: &Value) {
    let raw = rpc.call("getblock", json!([made[0], 2]))["tx"][0]["hex"].clone();
    let coinbase: Transaction = deserialize_hex(raw.as_str().expect("hexadecimal")).expect("a transaction");
    let payment = owner.spend(&coinbase, 1_000);
    let (hex, txid) = (serialize_hex(&payment), payment.compute_txid().to_string());
    rpc.fields("decoderawtransaction", json!([hex]), TRANSACTION);
    let tested = rpc.call("testmempoolaccept", json!([[hex]]));
    assert_fields("testmempoolaccept", &tested[0], "txid wtxid allowed vsize fees");
    assert_fields("its fees", &tested[0]["fees"], "base effective-feerate effective-includes");
    let refused = rpc.call("testmempoolaccept", json!([[raw]]));
    assert_fields("testmempoolaccept", &refused[0], "txid wtxid allowed reject-reason reject-details");
    assert_eq!(refused[0]["reject-reason"], "coinbase");

    let empty = rpc.fields("getrawmempool", json!([false, true]), "txids mempool_sequence");
    assert_eq!(rpc.call("sendrawtransaction", json!([hex])), json!(txid));
    let filled = rpc.call("getrawmempool", json!([false, true]));
    assert_eq!(filled["mempool_sequence"].as_u64(), empty["mempool_sequence"].as_u64().map(|number| number + 1));
    assert_eq!(filled["txids"], json!([txid]));
    assert_eq!(rpc.call("getrawmempool", json!([])), json!([txid]));
    assert_fields("getrawmempool true", &rpc.call("getrawmempool", json!([true]))[&txid], ENTRY);
    let entry = rpc.fields("getmempoolentry", json!([txid]), ENTRY);
    assert_fields("getmempoolentry's fees", &entry["fees"], "base modified ancestor descendant");
    rpc.fields(
        "getmempoolinfo",
        json!([]),
        "loaded size bytes usage total_fee maxmempool mempoolminfee minrelaytxfee incrementalrelayfee \
         unbroadcastcount fullrbf permitbaremultisig maxdatacarriersize",
    );
    rpc.fields("getrawtransaction", json!([txid, 1]), &format!("{TRANSACTION} hex"));
    let full = rpc.fields("getrawtransaction", json!([txid, 2]), &format!("{TRANSACTION} fee hex"));
    assert_eq!(full["fee"].to_string(), "0.00001000");
    assert_fields("an input", &full["vin"][0], "txid vout scriptSig txinwitness prevout sequence");
    assert_fields("a spent coin", &full["vin"][0]["prevout"], "generated height value scriptPubKey");
    assert_fields("an output", &full["vout"][0], "value n scriptPubKey");
    assert_fields("its script", &full["vout"][0]["scriptPubKey"], "asm desc hex address type");

    let mining = rpc.fields(
        "getmininginfo",
        json!([]),
        "blocks bits difficulty target networkhashps pooledtx blockmintxfee chain next warnings",
    );
    assert_fields("its next block", &mining["next"], "height bits difficulty target");
    rpc.fields("getminerinfo", json!([]), "state trigger waiting needed hashes_per_second hashes_tried height");
    assert_eq!(rpc.error("getblocktemplate", json!([{}])).0, -8);
    let template = rpc.fields(
        "getblocktemplate",
        json!([{"rules": ["segwit"]}]),
        "capabilities version rules vbavailable vbrequired previousblockhash transactions coinbaseaux coinbasevalue \
         longpollid target mintime mutable noncerange sigoplimit sizelimit weightlimit curtime bits height \
         default_witness_commitment",
    );
    assert_fields("its transaction", &template["transactions"][0], "data txid hash depends fee sigops weight");
    assert_eq!((&template["coinbasevalue"], &template["height"]), (&json!(5_000_001_000u64), &json!(4)));

    // A long poll answers when there is another tip; the block is proposed first, then handed in, then known.
    std::thread::scope(|scope| {
        let longpollid = &template["longpollid"];
        let poll =
            scope.spawn(move || rpc.call("getblocktemplate", json!([{"rules": ["segwit"], "longpollid": longpollid}])));
        let block = rpc.fields("generateblock", json!([owner.address, [txid], false]), "hash hex");
        let proposal = json!([{"mode": "proposal", "rules": ["segwit"], "data": block["hex"]}]);
        assert_eq!(rpc.call("getblocktemplate", proposal.clone()), Value::Null);
        assert!(!poll.is_finished());
        assert_eq!(rpc.call("submitblock", json!([block["hex"]])), Value::Null);
        assert_eq!(rpc.call("submitblock", json!([block["hex"]])), "duplicate");
        assert_eq!(rpc.call("getblocktemplate", proposal), "duplicate");
        assert_eq!(poll.join().expect("it is answered")["height"], 5);
        let shown = rpc.call("getblock", json!([block["hash"], 3]));
        assert_fields("a payment in a block", &shown["tx"][1], &format!("{TRANSACTION} fee hex"));
        assert!(shown["tx"][1]["vin"][0]["prevout"].is_object());
        assert!(rpc.call("getblock", json!([block["hash"], 2]))["tx"][1]["vin"][0].get("prevout").is_none());
    });
    assert_eq!(rpc.error("submitblock", json!(["00"])), (-22, "Block decode failed".to_owned()));
    assert_eq!(rpc.error("sendrawtransaction", json!([hex])).0, -27);
}

fn branches(rpc: &Rpc, owner: &Owner) {
    let tip = rpc.call("getbestblockhash", json!([]));
    assert_eq!(rpc.call("invalidateblock", json!([tip])), Value::Null);
    assert_eq!(rpc.call("getblockcount", json!([])), 3);
    let off = rpc.call("getblock", json!([tip]));
    assert_eq!(off["confirmations"], -1);
    let of_off = rpc.call("getrawtransaction", json!([off["tx"][0], 1, tip]));
    assert_fields(
        "a transaction off the best chain",
        &of_off,
        &format!("{TRANSACTION} hex in_active_chain blockhash confirmations"),
    );
    let tips = rpc.call("getchaintips", json!([]));
    assert_eq!((&tips[0]["status"], &tips[0]["branchlen"]), (&json!("invalid"), &json!(1)));
    // The payment waits again.
    assert_eq!(rpc.call("getrawmempool", json!([])).as_array().map(Vec::len), Some(1));
    assert_eq!(rpc.call("reconsiderblock", json!([tip])), Value::Null);
    assert_eq!(rpc.call("getbestblockhash", json!([])), tip);
    rpc.fields("generateblock", json!([owner.address, []]), "hash");
    let given = rpc.fields("faucet", json!([owner.address]), "hash height txid amount");
    assert_eq!((&given["height"], given["amount"].to_string().as_str()), (&json!(6), "50.00000000"));
    assert_eq!(rpc.error("generatetoaddress", json!([1, "x"])).0, -5);
}
