//! Scripts, addresses, descriptors, drafts of transactions, signed messages.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_primitives::bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use mycoin_primitives::bitcoin::sign_message::{MessageSignature, signed_msg_hash};
use mycoin_primitives::hashes::Hash as _;
use serde_json::{Value, json};

use crate::node::{ELSEWHERE, Node, names, text};

const KEY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
/// KEY's old-style address on regtest.
const KEYS_ADDRESS: &str = "mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r";

#[test]
fn scripts_are_decoded_and_wrapped_as_bitcoin_core_does() {
    let node = Node::start();
    let decode = |script: &str| node.call("decodescript", json!([script]));
    let hash = "751e76e8199196d454941c45d1b3a323f1433bd6";
    let old = decode(&format!("76a914{hash}88ac"));
    assert_eq!(names(&old), ["address", "asm", "desc", "p2sh", "segwit", "type"]);
    assert_eq!((&old["address"], &old["type"]), (&json!(KEYS_ADDRESS), &json!("pubkeyhash")));
    assert_eq!(names(&old["segwit"]), ["address", "asm", "desc", "hex", "p2sh-segwit", "type"]);
    assert_eq!(
        (&old["segwit"]["address"], &old["segwit"]["p2sh-segwit"]),
        (&json!(ELSEWHERE), &json!("2NAUYAHhujozruyzpsFRP63mbrdaU5wnEpN"))
    );
    let bare = decode(&format!("21{KEY}ac"));
    assert_eq!(
        (&bare["type"], bare.get("address"), &bare["segwit"]["address"]),
        (&json!("pubkey"), None, &json!(ELSEWHERE))
    );
    assert!(text(&bare["desc"]).starts_with(&format!("pk({KEY})#")));
    let multi = decode(&format!("5121{KEY}51ae"));
    assert_eq!((&multi["type"], &multi["segwit"]["type"]), (&json!("multisig"), &json!("witness_v0_scripthash")));
    assert!(text(&multi["segwit"]["desc"]).starts_with(&format!("wsh(multi(1,{KEY}))#")));
    // Behind its hash yes, in a witness no.
    let program = decode(&format!("0014{hash}"));
    assert!(program.get("p2sh").is_some() && program.get("segwit").is_none(), "{program}");
    for closed in [
        "6a0548656c6c6f".to_owned(),
        format!("a914{hash}87"),
        format!("5120{}", "11".repeat(32)),
        "51024e73".to_owned(),
        "50".to_owned(),
        "ba".to_owned(),
        "7e".to_owned(),
        "4c".to_owned(),
    ] {
        let shown = decode(&closed);
        assert!(shown.get("p2sh").is_none() && shown.get("segwit").is_none(), "{closed}: {shown}");
    }
    assert_eq!(decode("")["type"], "nonstandard");
    assert_eq!(
        node.error("decodescript", json!(["zz"])),
        (-8, "argument must be hexadecimal string (not 'zz')".to_owned())
    );
    let old = node.call("validateaddress", json!([KEYS_ADDRESS]));
    assert_eq!(
        old,
        json!({"isvalid": true, "address": KEYS_ADDRESS, "scriptPubKey": format!("76a914{hash}88ac"), "isscript": false, "iswitness": false})
    );
}

#[test]
fn descriptors_give_addresses() {
    let node = Node::start();
    let info = node.call("getdescriptorinfo", json!([format!("wpkh({KEY})")]));
    assert_eq!(names(&info), ["checksum", "descriptor", "hasprivatekeys", "isrange", "issolvable"]);
    assert_eq!(node.call("deriveaddresses", json!([info["descriptor"]])), json!([ELSEWHERE]));
    assert_eq!(node.error("deriveaddresses", json!([format!("wpkh({KEY})")])), (-5, "Missing checksum".to_owned()));
    assert_eq!(
        node.error("deriveaddresses", json!([info["descriptor"], 2])),
        (-8, "Range should not be specified for an un-ranged descriptor".to_owned())
    );
    let extended = "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B";
    let ranged = node.call("getdescriptorinfo", json!([format!("wpkh({extended}/0/*)")]));
    assert_eq!(ranged["isrange"], true);
    let three = node.call("deriveaddresses", json!([ranged["descriptor"], 2]));
    let last = node.call("deriveaddresses", json!([ranged["descriptor"], [2, 2]]));
    assert_eq!((three.as_array().map(Vec::len), &three[2]), (Some(3), &last[0]));
    assert_eq!(node.error("deriveaddresses", json!([ranged["descriptor"]])).0, -8);
    assert_eq!(node.error("deriveaddresses", json!([ranged["descriptor"], [3, 2]])).0, -8);
}

#[test]
fn transactions_are_drafted() {
    let node = Node::start();
    let txid = "11".repeat(32);
    let draft = |params: Value| node.call("decoderawtransaction", json!([node.call("createrawtransaction", params)]));
    let plain = draft(json!([[{"txid": txid, "vout": 1}], [{ELSEWHERE: 0.5}, {"data": "c0ffee"}]]));
    assert_eq!(
        (&plain["version"], &plain["locktime"], &plain["vin"][0]["sequence"]),
        (&json!(2), &json!(0), &json!(0xffff_fffd_u32))
    );
    assert_eq!((&plain["vin"][0]["vout"], plain["vout"][0]["value"].to_string().as_str()), (&json!(1), "0.50000000"));
    assert_eq!(
        (&plain["vout"][0]["scriptPubKey"]["address"], &plain["vout"][1]["scriptPubKey"]["asm"]),
        (&json!(ELSEWHERE), &json!("OP_RETURN -7274432"))
    );
    let locked = draft(
        json!([[{"txid": txid, "vout": 0, "sequence": 7}, {"txid": txid, "vout": 2}], {KEYS_ADDRESS: "1"}, 9, false, 3]),
    );
    assert_eq!((&locked["locktime"], &locked["version"]), (&json!(9), &json!(3)));
    assert_eq!((&locked["vin"][0]["sequence"], &locked["vin"][1]["sequence"]), (&json!(7), &json!(0xffff_fffe_u32)));
    for (params, error) in [
        (json!([[{"txid": txid}], {}]), "Invalid parameter, missing vout key"),
        (
            json!([[], [{ELSEWHERE: 1}, {ELSEWHERE: 2}]]),
            "Invalid parameter, duplicated address: bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
        ),
        (json!([[], [{ELSEWHERE: 1, "data": "00"}]]), "Invalid parameter, key-value pair must contain exactly one key"),
        (json!([[], {}, -1]), "Invalid parameter, locktime out of range"),
    ] {
        assert_eq!(node.error("createrawtransaction", params), (-8, error.to_owned()));
    }
    assert_eq!(
        node.error("createrawtransaction", json!([[], {"nobody": 1}])),
        (-5, "Invalid Bitcoin address: nobody".to_owned())
    );
    assert_eq!(node.error("decoderawtransaction", json!(["zz"])).0, -22);
}

#[test]
fn messages_are_verified_by_the_key_of_an_address() {
    let node = Node::start();
    let key = SecretKey::from_slice(&[1; 32]).expect("a key");
    let context = Secp256k1::new();
    let address = mycoin_primitives::address_of(
        &mycoin_primitives::ScriptBuf::new_p2pkh(
            &mycoin_primitives::bitcoin::PublicKey::new(key.public_key(&context)).pubkey_hash(),
        ),
        &mycoin_primitives::Network::regtest(),
    )
    .expect("regtest has old-style addresses");
    let hash = signed_msg_hash("hello");
    let signature = context.sign_ecdsa_recoverable(&Message::from_digest(hash.to_byte_array()), &key);
    let signature = BASE64_STANDARD.encode(MessageSignature::new(signature, true).serialize());
    assert_eq!(node.call("verifymessage", json!([address, signature, "hello"])), true);
    assert_eq!(node.call("verifymessage", json!([address, signature, "Hello"])), false);
    assert_eq!(node.call("verifymessage", json!([KEYS_ADDRESS, signature, "hello"])), false);
    assert_eq!(node.error("verifymessage", json!(["nobody", signature, "hello"])), (-5, "Invalid address".to_owned()));
    assert_eq!(
        node.error("verifymessage", json!([ELSEWHERE, signature, "hello"])),
        (-3, "Address does not refer to key".to_owned())
    );
    assert_eq!(
        node.error("verifymessage", json!([address, "!", "hello"])),
        (-3, "Malformed base64 encoding".to_owned())
    );
}
