//! Bitcoin's output types on regtest, from the mempool into a block: paid to, spent, shown.

use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::bitcoin::opcodes::all::OP_CHECKMULTISIG;
use mycoin_primitives::bitcoin::script::{Builder, PushBytesBuf};
use mycoin_primitives::bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use mycoin_primitives::bitcoin::sighash::{EcdsaSighashType, SighashCache};
use mycoin_primitives::bitcoin::{PublicKey, absolute::LockTime, ecdsa, transaction};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{
    Amount, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, address_of, parse_address,
};
use serde_json::{Value, json};

use crate::node::{ELSEWHERE, Node, text};

const FEE: Amount = Amount::from_sat(1_000);

struct Keys {
    secret: [SecretKey; 2],
    public: [PublicKey; 2],
}

impl Keys {
    fn new() -> Self {
        let secret = [5, 6].map(|byte| SecretKey::from_slice(&[byte; 32]).expect("a key"));
        let public = secret.map(|key| PublicKey::new(key.public_key(&Secp256k1::new())));
        Self { secret, public }
    }

    /// Both keys must sign.
    fn both(&self) -> ScriptBuf {
        let keys = self.public.iter().fold(Builder::new().push_int(2), |script, key| script.push_key(key));
        keys.push_int(2).push_opcode(OP_CHECKMULTISIG).into_script()
    }

    fn sign(&self, key: usize, hash: [u8; 32]) -> Vec<u8> {
        let signature = Secp256k1::new().sign_ecdsa(&Message::from_digest(hash), &self.secret[key]);
        ecdsa::Signature { signature, sighash_type: EcdsaSighashType::All }.to_vec()
    }
}

/// The kinds of outputs that the tests spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    P2pkh,
    P2sh,
    P2wsh,
    P2shP2wpkh,
}

impl Lock {
    fn script(self, keys: &Keys) -> ScriptBuf {
        match self {
            Self::P2pkh => ScriptBuf::new_p2pkh(&keys.public[0].pubkey_hash()),
            Self::P2sh => ScriptBuf::new_p2sh(&keys.both().script_hash()),
            Self::P2wsh => ScriptBuf::new_p2wsh(&keys.both().wscript_hash()),
            Self::P2shP2wpkh => ScriptBuf::new_p2sh(&Self::inner(keys).script_hash()),
        }
    }

    fn inner(keys: &Keys) -> ScriptBuf {
        ScriptBuf::new_p2wpkh(&keys.public[0].wpubkey_hash().expect("it is compressed"))
    }

    /// Signs the only input of `tx`.
    fn unlock(self, keys: &Keys, tx: &mut Transaction, spent: &TxOut) {
        let all = EcdsaSighashType::All;
        let push = |bytes: &[u8]| PushBytesBuf::try_from(bytes.to_vec()).expect("short");
        let cache = &mut SighashCache::new(tx.clone());
        let legacy = |script: &ScriptBuf| {
            SighashCache::new(tx.clone())
                .legacy_signature_hash(0, script, all.to_u32())
                .expect("in range")
                .to_byte_array()
        };
        let (script_sig, witness) = match self {
            Self::P2pkh => {
                let signature = keys.sign(0, legacy(&spent.script_pubkey));
                let script = Builder::new().push_slice(push(&signature)).push_key(&keys.public[0]);
                (script.into_script(), Witness::new())
            }
            Self::P2sh => {
                let both = keys.both();
                let hash = legacy(&both);
                let script = [0, 1]
                    .iter()
                    .fold(Builder::new().push_int(0), |script, key| script.push_slice(push(&keys.sign(*key, hash))));
                (script.push_slice(push(both.as_bytes())).into_script(), Witness::new())
            }
            Self::P2wsh => {
                let both = keys.both();
                let hash = cache.p2wsh_signature_hash(0, &both, spent.value, all).expect("in range").to_byte_array();
                let items = [Vec::new(), keys.sign(0, hash), keys.sign(1, hash), both.to_bytes()];
                (ScriptBuf::new(), Witness::from_slice(&items))
            }
            Self::P2shP2wpkh => {
                let inner = Self::inner(keys);
                let hash = cache.p2wpkh_signature_hash(0, &inner, spent.value, all).expect("in range").to_byte_array();
                let items = [keys.sign(0, hash), keys.public[0].to_bytes()];
                (Builder::new().push_slice(push(inner.as_bytes())).into_script(), Witness::from_slice(&items))
            }
        };
        tx.input[0].script_sig = script_sig;
        tx.input[0].witness = witness;
    }
}

/// Spends the first output of `from` to `to`.
fn spend(keys: &Keys, lock: Lock, from: &Transaction, to: ScriptBuf) -> Transaction {
    let spent = &from.output[0];
    let mut tx = Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint { txid: from.compute_txid(), vout: 0 },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: spent.value - FEE, script_pubkey: to }],
    };
    lock.unlock(keys, &mut tx, spent);
    tx
}

#[test]
fn every_kind_of_output_is_paid_sent_mined_and_shown() {
    let (keys, network) = (Keys::new(), Network::regtest());
    let node = Node::start();
    let locks = [Lock::P2pkh, Lock::P2sh, Lock::P2wsh, Lock::P2shP2wpkh];
    let address = |lock: Lock| address_of(&lock.script(&keys), &network).expect("each has an address");
    let first_letters: Vec<char> = locks.iter().filter_map(|lock| address(*lock).chars().next()).collect();
    assert!(matches!(first_letters[..], ['m' | 'n', '2', 'b', '2']), "{first_letters:?}");
    let coinbases: Vec<Transaction> =
        locks.iter().map(|lock| node.coinbase(&node.mine(1, &address(*lock))[0])).collect();
    node.mine(100, ELSEWHERE);
    // Each is spent to the next kind's address, and that output is spent before it is mined.
    let mut sent = Vec::new();
    for (number, (lock, coinbase)) in locks.iter().zip(&coinbases).enumerate() {
        let next = locks[(number + 1) % locks.len()];
        let payment = spend(&keys, *lock, coinbase, next.script(&keys));
        let onward = spend(&keys, next, &payment, parse_address(ELSEWHERE, &network).expect("an address"));
        for tx in [payment, onward] {
            let hex = serialize_hex(&tx);
            let tested = node.call("testmempoolaccept", json!([[hex]]));
            assert_eq!(tested[0]["allowed"], true, "{lock:?}: {tested}");
            assert_eq!(node.call("sendrawtransaction", json!([hex])), tx.compute_txid().to_string());
            sent.push(tx);
        }
    }
    assert_eq!(node.call("getmempoolinfo", json!([]))["size"], sent.len());
    let outpoint = sent[0].input[0].previous_output;
    let prevout = json!({"txid": outpoint.txid.to_string(), "vout": 0});
    let spending = node.call("gettxspendingprevout", json!([[prevout]]));
    assert_eq!(spending[0]["spendingtxid"], sent[0].compute_txid().to_string());
    let hash = node.mine(1, &address(Lock::P2pkh)).swap_remove(0);
    let block = node.call("getblock", json!([hash, 3]));
    let mined: Vec<String> =
        block["tx"].as_array().expect("a list").iter().skip(1).map(|tx| text(&tx["txid"])).collect();
    assert_eq!(mined.len(), sent.len());
    assert!(sent.iter().all(|tx| mined.contains(&tx.compute_txid().to_string())));
    // Core's asm names the hash type of a signature in an input.
    let old =
        block["tx"].as_array().expect("a list").iter().find(|tx| tx["txid"] == sent[0].compute_txid().to_string());
    let old = old.expect("it is mined");
    assert!(text(&old["vin"][0]["scriptSig"]["asm"]).contains("[ALL] "), "{old}");
    assert_eq!(old["vin"][0]["prevout"]["scriptPubKey"]["type"], "pubkeyhash");
    assert_eq!(old["fee"].to_string(), "0.00001000");
    let stats = node.call("getblockstats", json!([hash, ["totalfee", "txs", "avgfee", "swtxs", "ins"]]));
    let count = sent.len();
    // Of each spent lock one pair is signed in witnesses: two coinbases of four, and twice their turn as next.
    assert_eq!(stats, json!({"totalfee": 1_000 * count, "txs": count + 1, "avgfee": 1_000, "swtxs": 4, "ins": count}));
    assert_eq!(node.call("gettxout", json!([outpoint.txid.to_string(), 0])), Value::Null);
    let coins = node.call("gettxoutsetinfo", json!([]));
    let recounted = node.call("recounttxoutset", json!([]));
    assert_eq!(coins["hash_serialized_3"], recounted["hash_serialized_3"]);
    // Back and again: the same transactions wait, and the same block takes them, from the remembered verdicts.
    node.call("invalidateblock", json!([hash]));
    assert_eq!(node.call("getmempoolinfo", json!([]))["size"], sent.len());
    node.call("reconsiderblock", json!([hash]));
    assert_eq!(node.call("getbestblockhash", json!([])), hash);
}

#[test]
fn a_bad_signature_is_refused_with_its_reason_and_leaves_no_verdict() {
    let (keys, network) = (Keys::new(), Network::regtest());
    let address = address_of(&Lock::P2pkh.script(&keys), &network).expect("it has an address");
    let (node, coinbase) = Node::with_coinbase_to(&address);
    let honest = spend(&keys, Lock::P2pkh, &coinbase, parse_address(ELSEWHERE, &network).expect("an address"));
    let mut bad = honest.clone();
    bad.output[0].value -= Amount::ONE_SAT;
    for _ in 0..2 {
        let (code, message) = node.error("sendrawtransaction", json!([serialize_hex(&bad)]));
        // Programs compare the text with Bitcoin Core's.
        assert_eq!((code, message.starts_with("mempool-script-verify-flag-failed (")), (-26, true), "{message}");
        let tested = node.call("testmempoolaccept", json!([[serialize_hex(&bad)]]));
        assert_eq!(
            (&tested[0]["allowed"], text(&tested[0]["reject-reason"]).contains("script-verify-flag-failed")),
            (&json!(false), true),
            "{tested}"
        );
        let (code, message) = node.error("generateblock", json!([ELSEWHERE, [serialize_hex(&bad)]]));
        assert_eq!((code, message.starts_with("TestBlockValidity failed: ")), (-25, true), "{message}");
    }
    assert_eq!(node.call("sendrawtransaction", json!([serialize_hex(&honest)])), honest.compute_txid().to_string());
}
