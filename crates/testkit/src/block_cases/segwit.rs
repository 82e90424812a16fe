//! Witnesses: the block-level subtests of `p2p_segwit.py`. Source: BIP141, BIP143.

use std::sync::Arc;

use mycoin_primitives::bitcoin::PublicKey;
use mycoin_primitives::bitcoin::opcodes::OP_TRUE;
use mycoin_primitives::bitcoin::script::{Builder, PushBytesBuf};
use mycoin_primitives::bitcoin::secp256k1::{Message, Secp256k1};
use mycoin_primitives::bitcoin::sighash::{EcdsaSighashType, SighashCache};
use mycoin_primitives::hashes::Hash;
use mycoin_primitives::{Amount, Block, ScriptBuf, Transaction, TxOut, Witness};

use super::Story;
use super::lab::seal;
use super::lock::{Condition, Lock, Owned, keypair};
use super::story::Teller;
use crate::builders::recompute_merkle_root;

type ChangeBlock = fn(&mut Block);

const ANYONE: Lock = Lock::Bare(Condition::Anyone);

/// The reject reason of a script that fails so.
pub(super) fn failed(text: &str) -> String {
    format!("block-script-verify-flag-failed ({text})")
}

/// A new output of this kind on the tip.
pub(super) fn output_of(teller: &mut Teller, name: &str, lock: &Lock) -> Owned {
    let out = teller.out();
    let tx = teller.lab.pay(&out, lock.clone());
    let owned = Owned::output(&tx, 0, lock.clone());
    teller.accept_next(&format!("output for {name}"), vec![tx]);
    owned
}

pub(super) fn commitments() -> Story {
    let mut teller = Teller::new("witness_commitments", 40);
    spoilt_commitments(&mut teller);
    odd_commitments(&mut teller);
    stripped_witness(&mut teller);
    teller.end()
}

/// A sealed block on the tip with one transaction that has a witness.
fn with_witness(teller: &mut Teller, name: &str) -> Block {
    let owned = output_of(teller, name, &Lock::WitnessKeyHash(3));
    let spend = teller.lab.pay(&owned, ANYONE);
    let mut block = teller.lab.draft(teller.tip(), vec![spend]);
    seal(&mut block);
    block
}

fn commitment(block: &mut Block) -> &mut TxOut {
    block.txdata[0].output.last_mut().expect("a sealed block with witnesses has a commitment")
}

fn spoilt_commitments(teller: &mut Teller) {
    let nonce = "bad-witness-nonce-size";
    let cases: [(&str, ChangeBlock, &str); 9] = [
        ("no commitment", |block| drop(block.txdata[0].output.pop()), "unexpected-witness"),
        (
            "no commitment and no nonce",
            |block| {
                block.txdata[0].output.pop();
                block.txdata[0].input[0].witness.clear();
            },
            "unexpected-witness",
        ),
        (
            "another commitment",
            |block| {
                let mut script = commitment(block).script_pubkey.to_bytes();
                script[10] ^= 1;
                commitment(block).script_pubkey = ScriptBuf::from_bytes(script);
            },
            "bad-witness-merkle-match",
        ),
        (
            "a commitment of 37 bytes",
            |block| {
                let mut script = commitment(block).script_pubkey.to_bytes();
                script.pop();
                commitment(block).script_pubkey = ScriptBuf::from_bytes(script);
            },
            "unexpected-witness",
        ),
        (
            "a later commitment that is wrong",
            |block| {
                let mut later = commitment(block).clone();
                let mut script = later.script_pubkey.to_bytes();
                script[37] ^= 1;
                later.script_pubkey = ScriptBuf::from_bytes(script);
                block.txdata[0].output.push(later);
            },
            "bad-witness-merkle-match",
        ),
        ("no nonce", |block| block.txdata[0].input[0].witness.clear(), nonce),
        ("a nonce of 31 bytes", |block| block.txdata[0].input[0].witness = Witness::from_slice(&[[0; 31]]), nonce),
        ("a nonce of 33 bytes", |block| block.txdata[0].input[0].witness = Witness::from_slice(&[[0; 33]]), nonce),
        ("two nonces", |block| block.txdata[0].input[0].witness = Witness::from_slice(&[[0; 32], [0; 32]]), nonce),
    ];
    for (name, spoil, reason) in cases {
        let mut block = with_witness(teller, name);
        spoil(&mut block);
        recompute_merkle_root(&mut block);
        let block = teller.lab.solve(block);
        teller.reject(name, &block, reason);
        // The header's hash does not cover the witnesses, so the block is not to be remembered as bad.
        teller.reject(&format!("{name}, again"), &block, reason);
    }
}

fn odd_commitments(teller: &mut Teller) {
    let cases: [(&str, ChangeBlock); 4] = [
        ("an earlier commitment that is wrong", |block| {
            let mut earlier = commitment(block).clone();
            let mut script = earlier.script_pubkey.to_bytes();
            script[37] ^= 1;
            earlier.script_pubkey = ScriptBuf::from_bytes(script);
            block.txdata[0].output.insert(1, earlier);
        }),
        ("bytes behind the commitment", |block| {
            let script = [commitment(block).script_pubkey.to_bytes(), vec![1, 2, 3]].concat();
            commitment(block).script_pubkey = ScriptBuf::from_bytes(script);
        }),
        ("an amount on the commitment", |block| {
            commitment(block).value = Amount::ONE_SAT;
            block.txdata[0].output[0].value -= Amount::ONE_SAT;
        }),
        ("another nonce", |block| {
            let nonce = [7; 32];
            block.txdata[0].input[0].witness = Witness::from_slice(&[nonce]);
            let root = block.witness_root().expect("the block has transactions");
            let hash = Block::compute_witness_commitment(&root, &nonce);
            let header = commitment(block).script_pubkey.to_bytes()[..6].to_vec();
            commitment(block).script_pubkey =
                ScriptBuf::from_bytes([header, AsRef::<[u8]>::as_ref(&hash).to_vec()].concat());
        }),
    ];
    for (name, change) in cases {
        let mut block = with_witness(teller, name);
        change(&mut block);
        recompute_merkle_root(&mut block);
        let block = teller.lab.solve(block);
        teller.accept(name, &block);
    }
    let mut plain = teller.lab.draft(teller.tip(), Vec::new());
    crate::builders::commit(&mut plain);
    let mut bare = plain.clone();
    let plain = teller.lab.solve(plain);
    teller.accept("a commitment where nothing has a witness", &plain);
    bare.header.prev_blockhash = plain.block_hash();
    let height = teller.lab.height(plain.block_hash()).next();
    bare.header.time += 1;
    bare.txdata[0].input[0].script_sig = mycoin_consensus::coinbase_height_script(height);
    bare.txdata[0].output.pop();
    recompute_merkle_root(&mut bare);
    let bare = teller.lab.solve(bare);
    teller.reject("a nonce without a commitment", &bare, "unexpected-witness");
}

/// A peer may strip, swap or grow witnesses; the honest body is accepted after all of that.
fn stripped_witness(teller: &mut Teller) {
    let block = with_witness(teller, "stripping");
    let honest = teller.lab.solve(block);
    let altered = |change: &dyn Fn(&mut Block)| {
        let mut other = honest.as_ref().clone();
        change(&mut other);
        Arc::new(other)
    };
    let mismatch = "bad-witness-merkle-match";
    teller.reject("witness stripped", &altered(&|block| block.txdata[1].input[0].witness.clear()), mismatch);
    teller.reject("witness grown", &altered(&|block| block.txdata[1].input[0].witness.push([0; 5])), mismatch);
    let junk = vec![0; 3_000_000];
    let grown = altered(&|block| block.txdata[1].input[0].witness.push(&junk));
    teller.reject("witness grown by 3 MB", &grown, mismatch);
    let nonce = altered(&|block| block.txdata[0].input[0].witness.push(&junk));
    teller.reject("nonce grown by 3 MB", &nonce, "bad-witness-nonce-size");
    teller.accept("the honest body", &honest);
}

pub(super) fn programs() -> Story {
    let mut teller = Teller::new("witness_programs", 60);
    wrong_spends(&mut teller);
    uncompressed_key(&mut teller);
    future_versions(&mut teller);
    premature(&mut teller);
    teller.end()
}

/// Makes an output, has its spend refused when changed, and then accepted as it should be.
pub(super) fn changed_spend(
    teller: &mut Teller,
    name: &str,
    lock: &Lock,
    change: &dyn Fn(&mut Transaction),
    text: &str,
) {
    let owned = output_of(teller, name, lock);
    let good = teller.lab.pay(&owned, ANYONE);
    let mut bad = good.clone();
    change(&mut bad);
    teller.reject_next(name, vec![bad], &failed(text));
    teller.accept_next(&format!("{name}: the honest spend"), vec![good]);
}

fn wrong_spends(teller: &mut Teller) {
    let (key, nested_key) = (Lock::WitnessKeyHash(4), Lock::NestedWitnessKeyHash(4));
    let script = Lock::WitnessScriptHash(Condition::Key(5));
    let nested_script = Lock::NestedWitnessScriptHash(Condition::Anyone);
    let mismatch = "Witness program hash mismatch";
    let not_true = "Script evaluated without error but finished with a false/empty top stack element";
    let witness = |items: &[&[u8]]| Witness::from_slice(items);
    type Change<'a> = &'a dyn Fn(&mut Transaction);
    let cases: [(&str, &Lock, Change<'_>, &str); 13] = [
        ("P2WPKH without a witness", &key, &|tx| tx.input[0].witness.clear(), mismatch),
        ("P2WPKH with three items", &key, &|tx| tx.input[0].witness.push([1]), mismatch),
        (
            "P2WPKH with another key",
            &key,
            &|tx| {
                tx.input[0].witness = witness(&[&[], &[2; 33]]);
            },
            "Script failed an OP_EQUALVERIFY operation",
        ),
        (
            "P2WPKH with a script",
            &key,
            &|tx| tx.input[0].script_sig = ScriptBuf::from_bytes(vec![0x51]),
            "Witness requires empty scriptSig",
        ),
        ("P2WPKH over another output", &key, &|tx| tx.output[0].value -= Amount::ONE_SAT, not_true),
        (
            "nested P2WPKH with another push",
            &nested_key,
            &|tx| {
                let script = [vec![0x51], tx.input[0].script_sig.to_bytes()].concat();
                tx.input[0].script_sig = ScriptBuf::from_bytes(script);
            },
            "Witness requires only-redeemscript scriptSig",
        ),
        ("nested P2WPKH without a witness", &nested_key, &|tx| tx.input[0].witness.clear(), mismatch),
        (
            "P2WSH without a witness",
            &script,
            &|tx| tx.input[0].witness.clear(),
            "Witness program was passed an empty witness",
        ),
        (
            "P2WSH with another script",
            &script,
            &|tx| {
                tx.input[0].witness = witness(&[&[OP_TRUE.to_u8()]]);
            },
            mismatch,
        ),
        (
            "P2WSH with an empty signature",
            &script,
            &|tx| {
                let program = tx.input[0].witness.last().expect("the script").to_vec();
                tx.input[0].witness = witness(&[&[], &program]);
            },
            not_true,
        ),
        (
            "P2WSH with an item too many",
            &nested_script,
            &|tx| {
                let program = tx.input[0].witness.last().expect("the script").to_vec();
                tx.input[0].witness = witness(&[&[1], &program]);
            },
            "Stack size must be exactly one after execution",
        ),
        (
            "a witness for a script without one",
            &ANYONE,
            &|tx| tx.input[0].witness.push([1]),
            "Witness provided for non-witness script",
        ),
        (
            "a witness for P2SH without one",
            &Lock::ScriptHash(Condition::Anyone),
            &|tx| tx.input[0].witness.push([1]),
            "Witness provided for non-witness script",
        ),
    ];
    for (name, lock, change, text) in cases {
        changed_spend(teller, name, lock, change, text);
    }
    for bytes in [2, 19, 21, 31, 33, 40] {
        let program = PushBytesBuf::try_from(vec![1; bytes]).expect("it is short");
        let script = Builder::new().push_int(0).push_slice(program).into_script();
        let name = format!("version 0 with {bytes} bytes");
        let lock = Lock::Bare(Condition::Script { script, stack: Vec::new() });
        let owned = output_of(teller, &name, &lock);
        let spend = teller.lab.pay(&owned, ANYONE);
        teller.reject_next(&name, vec![spend], &failed("Witness program has incorrect length"));
    }
}

/// Not relayed, but no rule of blocks forbids it.
fn uncompressed_key(teller: &mut Teller) {
    let pair = keypair(8);
    let key = PublicKey::new_uncompressed(pair.public_key());
    let script = ScriptBuf::from_bytes([vec![0x00, 0x14], key.pubkey_hash().to_byte_array().to_vec()].concat());
    let lock = Lock::Bare(Condition::Script { script, stack: Vec::new() });
    let owned = output_of(teller, "uncompressed key", &lock);
    let mut spend = teller.lab.pay(&owned, ANYONE);
    let code = ScriptBuf::new_p2pkh(&key.pubkey_hash());
    let hash = SighashCache::new(&spend)
        .p2wsh_signature_hash(0, &code, owned.output.value, EcdsaSighashType::All)
        .expect("the transaction has an input");
    let signature = Secp256k1::new().sign_ecdsa(&Message::from_digest(hash.to_byte_array()), &pair.secret_key());
    let signature = [signature.serialize_der().to_vec(), vec![1]].concat();
    spend.input[0].witness = Witness::from_slice(&[signature, key.to_bytes()]);
    teller.accept_next("uncompressed key", vec![spend]);
}

/// Anyone may spend what has no rules yet: version 16 with 32 bytes too, which is the RSA lock on our own networks.
fn future_versions(teller: &mut Teller) {
    for (version, bytes) in [(1, 2), (1, 31), (1, 33), (2, 32), (7, 2), (15, 40), (16, 20), (16, 32)] {
        let lock = Lock::FutureWitness { version, bytes };
        let name = format!("version {version} with {bytes} bytes");
        let owned = output_of(teller, &name, &lock);
        let mut spend = teller.lab.pay(&owned, ANYONE);
        spend.input[0].witness = Witness::from_slice(&[vec![1, 2, 3], vec![]]);
        teller.accept_next(&name, vec![spend]);
        let owned = output_of(teller, &name, &lock);
        let mut spend = teller.lab.pay(&owned, ANYONE);
        spend.input[0].script_sig = ScriptBuf::from_bytes(vec![0x51]);
        teller.reject_next(&format!("{name} and a script"), vec![spend], &failed("Witness requires empty scriptSig"));
    }
}

fn premature(teller: &mut Teller) {
    let key = Lock::WitnessKeyHash(6);
    let script = key.script();
    let block =
        teller.lab.mine_changed(teller.tip(), Vec::new(), |block| block.txdata[0].output[0].script_pubkey = script);
    teller.accept("coinbase to P2WPKH", &block);
    let spend = teller.lab.pay(&Owned::output(&block.txdata[0], 0, key), ANYONE);
    teller.reject_next("premature coinbase witness spend", vec![spend.clone()], "bad-txns-premature-spend-of-coinbase");
    for number in 2..100 {
        teller.accept_next(&format!("block {number} on the coinbase"), Vec::new());
    }
    teller.reject_next("a block too early", vec![spend.clone()], "bad-txns-premature-spend-of-coinbase");
    teller.accept_next("block 100 on the coinbase", Vec::new());
    teller.accept_next("the coinbase has matured", vec![spend]);
}
