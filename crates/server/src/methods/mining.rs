//! Mining on request, and what the built-in miner does. Source: Bitcoin Core rpc/mining.cpp; BIP22, BIP23, BIP145.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mycoin_chain::BlockStatus;
use mycoin_consensus::PERIOD;
use mycoin_mempool::{TemplateOptions, assemble_block};
use mycoin_miner::all_cores;
use mycoin_primitives::bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use mycoin_primitives::{
    Amount, BlockHash, Failure as _, Height, ScriptBuf, Transaction, Txid, address_of, parse_address,
};
use mycoin_rpc::{Params, RpcError};
use serde_json::{Value, json};

use super::{Answer, submission};
use crate::descriptor::{ChecksumNeed, Descriptor};
use crate::mining::{MineError, solve, template};
use crate::node::Node;
use crate::{clock, encode};

/// How often a block is searched anew when the tip moves under it.
const TRIES: usize = 8;
/// The most blocks of one `generatetoaddress`.
const GENERATE_LIMIT: u32 = 10_000;
/// How many past blocks `networkhashps` looks at. Source: `getnetworkhashps`'s default.
const HASH_RATE_BLOCKS: u32 = 120;
/// How long a long poll waits for a new tip alone, and how often it looks for other transactions then.
const LONG_POLL: Duration = Duration::from_secs(60);
const LONG_POLL_STEP: Duration = Duration::from_secs(10);
/// The digits of the tip's hash, with which `longpollid` begins.
const HASH_DIGITS: usize = 64;
/// BIP22's limits, as Bitcoin Core tells them.
const SIGOP_LIMIT: u64 = 80_000;
const SIZE_LIMIT: u64 = 4_000_000;

/// One block on request at a time: two at one height would make one of them worthless.
static ON_REQUEST: Mutex<()> = Mutex::new(());

/// A block that was mined on request and is the tip.
struct Mined {
    height: Height,
    hash: BlockHash,
    coinbase: Txid,
    reward: Amount,
}

fn script_of(node: &Node, address: &str) -> Result<ScriptBuf, RpcError> {
    parse_address(address, node.network())
        .map_err(|error| RpcError::from_failure(RpcError::INVALID_ADDRESS_OR_KEY, &error))
}

/// Mines one block now, over whatever the tip is.
fn mine_one(node: &Node, script: &ScriptBuf, max_transactions: Option<u32>) -> Result<Mined, RpcError> {
    let _one_at_a_time = ON_REQUEST.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..TRIES {
        let template = template(node, script.clone(), max_transactions);
        let block = Arc::new(solve(template.block, all_cores()).map_err(|error| mine_failed(&error))?);
        let accepted =
            node.submit_block(Arc::clone(&block)).map_err(|error| mine_failed(&MineError::Refused(error)))?;
        if accepted.status == BlockStatus::Connected {
            let coinbase = block.txdata.first().map(Transaction::compute_txid);
            return Ok(Mined {
                height: template.height,
                hash: block.block_hash(),
                coinbase: coinbase.ok_or_else(|| RpcError::internal("a block without a coinbase"))?,
                reward: template.subsidy + template.total_fees,
            });
        }
    }
    Err(mine_failed(&MineError::TipMoves))
}

fn mine_failed(error: &MineError) -> RpcError {
    match error {
        MineError::TipMoves => RpcError::new(RpcError::MISC, "others found blocks faster than this server")
            .with_data("mining/tip-moves", "Try again."),
        MineError::NotFound => {
            RpcError::new(RpcError::MISC, "no proof of work was found").with_data("mining/not-found", "Try again.")
        }
        MineError::Refused(error) => RpcError::from_failure(RpcError::INTERNAL, error),
    }
}

pub(super) fn generate_to_address(node: &Node, params: &Params) -> Answer {
    let count = block_count(params, "nblocks")?;
    let script = params.str("address").and_then(|address| {
        script_of(node, address).map_err(|error| RpcError { message: "Error: Invalid address".to_owned(), ..error })
    })?;
    generate(node, count, &script)
}

/// Source: `generatetodescriptor`. The descriptor must stand for one script.
pub(super) fn generate_to_descriptor(node: &Node, params: &Params) -> Answer {
    let count = block_count(params, "num_blocks")?;
    let script = script_of_descriptor(node, params.str("descriptor")?).map_err(RpcError::not_found)?;
    generate(node, count, &script)
}

fn block_count(params: &Params, name: &str) -> Result<u32, RpcError> {
    let count = params.u32(name)?;
    if count > GENERATE_LIMIT {
        return Err(RpcError::invalid_parameter(format!("at most {GENERATE_LIMIT} blocks at once")));
    }
    Ok(count)
}

fn generate(node: &Node, count: u32, script: &ScriptBuf) -> Answer {
    let hashes = (0..count).map(|_| Ok(Value::from(mine_one(node, script, None)?.hash.to_string())));
    hashes.collect()
}

/// Source: `getScriptFromDescriptor`, rpc/mining.cpp.
fn script_of_descriptor(node: &Node, text: &str) -> Result<ScriptBuf, String> {
    let descriptor = Descriptor::parse(text, ChecksumNeed::Optional, node.network())?;
    if descriptor.is_ranged() {
        return Err("Ranged descriptor not accepted. Maybe pass through deriveaddresses first?".to_owned());
    }
    let mut scripts = descriptor.scripts(0..=0)?;
    match scripts.len() {
        1 => Ok(scripts.swap_remove(0)),
        // Of combo(KEY) Bitcoin Core takes the key's hash for a compressed key's witness.
        _ => scripts
            .into_iter()
            .find(|script| script.is_p2wpkh())
            .ok_or_else(|| "Cannot derive script without private keys".to_owned()),
    }
}

pub(super) fn faucet(node: &Node, params: &Params) -> Answer {
    if !node.network().faucet {
        let error = RpcError::new(RpcError::MISC, format!("{} has no faucet", node.network().coin));
        return Err(error.with_data("faucet/off", "Only test networks give coins away."));
    }
    let script = script_of(node, params.str("address")?)?;
    // No waiting transactions: on the demo network people want to see the miner start by itself for those.
    let mined = mine_one(node, &script, Some(0))?;
    tracing::info!("Faucet: block {} pays {}", mined.height, address_of(&script, node.network()).unwrap_or_default());
    Ok(json!({
        "hash": mined.hash.to_string(),
        "height": mined.height,
        "txid": mined.coinbase.to_string(),
        "amount": encode::coins(mined.reward),
    }))
}

pub(super) fn generate_block(node: &Node, params: &Params) -> Answer {
    let output = params.str("output")?;
    let script = match script_of_descriptor(node, output) {
        Ok(script) => script,
        Err(_) => script_of(node, output)
            .map_err(|error| RpcError { message: "Error: Invalid address or descriptor".to_owned(), ..error })?,
    };
    let mut transactions = Vec::new();
    for item in params.array("transactions")? {
        transactions.push(named_transaction(node, item.as_str().unwrap_or_default())?);
    }
    let _one_at_a_time = ON_REQUEST.lock().unwrap_or_else(PoisonError::into_inner);
    let fees = fees(node, &transactions)?;
    let options =
        TemplateOptions { coinbase_script: script, max_transactions: None, now: clock::header_now(), extra_nonce: 0 };
    let branch = node.chain.tip_branch();
    let block = assemble_block(node.network(), &branch, &options, transactions, fees);
    node.chain.check_candidate(&block, clock::header_now()).map_err(|error| {
        let failed = RpcError::new(RpcError::VERIFY, format!("TestBlockValidity failed: {}", error.reject_reason()));
        failed.with_data(error.code(), error.next_step()).with_reject_reason(error.reject_reason())
    })?;
    let block = solve(block, all_cores()).map_err(|error| mine_failed(&error))?;
    let hash = block.block_hash().to_string();
    if !params.opt_bool("submit").unwrap_or(true) {
        return Ok(json!({"hash": hash, "hex": serialize_hex(&block)}));
    }
    node.submit_block(Arc::new(block)).map_err(|error| mine_failed(&MineError::Refused(error)))?;
    Ok(json!({ "hash": hash }))
}

/// A waiting transaction by its id, or one in hexadecimal.
fn named_transaction(node: &Node, text: &str) -> Result<Transaction, RpcError> {
    if let Ok(txid) = text.parse::<Txid>() {
        let waiting = node.mempool().get(&txid);
        return waiting
            .map(Arc::unwrap_or_clone)
            .ok_or_else(|| RpcError::not_found(format!("Transaction {text} not in mempool.")));
    }
    deserialize_hex(text).map_err(|_| {
        RpcError::deserialization(format!(
            "Transaction decode failed for {text}. Make sure the tx has at least one input."
        ))
    })
}

/// What the chosen transactions pay together; those whose coins are unknown are left to the check of the block.
fn fees(node: &Node, transactions: &[Transaction]) -> Result<Amount, RpcError> {
    let mut made = std::collections::HashMap::new();
    let mut total = Amount::ZERO;
    for tx in transactions {
        let mut held = Amount::ZERO;
        for outpoint in tx.input.iter().map(|input| input.previous_output) {
            let confirmed = node.chain.coin(&outpoint).map_err(|error| super::chain_failed(&error))?;
            let value = made.get(&outpoint).copied().or(confirmed.map(|coin| coin.output.value));
            held = held.checked_add(value.unwrap_or(Amount::ZERO)).unwrap_or(held);
        }
        let txid = tx.compute_txid();
        let mut paid = Amount::ZERO;
        for (vout, output) in (0u32..).zip(&tx.output) {
            made.insert(mycoin_primitives::OutPoint { txid, vout }, output.value);
            paid = paid.checked_add(output.value).unwrap_or(paid);
        }
        total = total.checked_add(held.checked_sub(paid).unwrap_or(Amount::ZERO)).unwrap_or(total);
    }
    Ok(total)
}

pub(super) fn mining_info(node: &Node, _: &Params) -> Answer {
    let tip = node.chain.tip();
    let branch = node.chain.tip_branch();
    let next_bits = mycoin_consensus::next_bits(node.network(), &branch);
    let mut next_header = tip.header;
    next_header.bits = next_bits;
    Ok(json!({
        "blocks": tip.height,
        "bits": encode::bits(tip.header.bits),
        "difficulty": encode::difficulty(&tip.header),
        "target": encode::target(tip.header.bits),
        "networkhashps": network_hashes_per_second(node, tip.height, HASH_RATE_BLOCKS),
        "pooledtx": node.mempool().len(),
        "blockmintxfee": encode::coins(Amount::ZERO),
        "chain": node.network().name,
        "next": {
            "height": tip.height.next(),
            "bits": encode::bits(next_bits),
            "difficulty": encode::difficulty(&next_header),
            "target": encode::target(next_bits),
        },
        "warnings": [],
    }))
}

pub(super) fn network_hash_rate(node: &Node, params: &Params) -> Answer {
    let blocks = params.opt_i64("nblocks")?.unwrap_or(i64::from(HASH_RATE_BLOCKS));
    let height = params.opt_i64("height")?.unwrap_or(-1);
    let tip = node.chain.tip().height;
    if blocks < -1 || blocks == 0 {
        let text = "Invalid nblocks. Must be a positive number or -1.";
        return Err(RpcError::invalid_parameter(text));
    }
    if height < -1 || height > i64::from(tip.to_u32()) {
        return Err(RpcError::invalid_parameter("Block does not exist at specified height"));
    }
    let last = u32::try_from(height).map_or(tip, Height::new);
    // -1: the blocks since the difficulty changed.
    let blocks = u32::try_from(blocks).unwrap_or(last.to_u32() % PERIOD + 1);
    Ok(json!(network_hashes_per_second(node, last, blocks)))
}

/// The work of so many blocks up to `last` over the time that they took. Source: `GetNetworkHashPS`.
fn network_hashes_per_second(node: &Node, last: Height, blocks: u32) -> f64 {
    let first = last.back(blocks);
    let mut entries = (first.to_u32()..=last.to_u32())
        .filter_map(|height| node.chain.header(&node.chain.hash_at(Height::new(height))?));
    let Some(start) = entries.next() else { return 0.0 };
    let (mut earliest, mut latest, mut end) = (start.header.time, start.header.time, start.work);
    for entry in entries {
        earliest = earliest.min(entry.header.time);
        latest = latest.max(entry.header.time);
        end = entry.work;
    }
    if latest == earliest {
        return 0.0;
    }
    let work = |work: mycoin_primitives::Work| {
        work.to_be_bytes().iter().fold(0.0f64, |sum, byte| sum * 256.0 + f64::from(*byte))
    };
    (work(end) - work(start.work)) / f64::from(latest - earliest)
}

pub(super) fn miner_info(node: &Node, _: &Params) -> Answer {
    let info = node.miner.info(node.chain.tip().height.next().to_u32());
    serde_json::to_value(info).map_err(|error| RpcError::internal(error.to_string()))
}

/// BIP22's long poll: returns once the tip, or a while later what waits, is no longer what the caller's last template was
/// made of; at once for who does not ask to wait. Source: `getblocktemplate`.
pub(super) async fn wait_for_template(node: &Node, params: &Params) {
    let last = params.value("template_request").and_then(|request| request.get("longpollid")?.as_str());
    let Some((hash, sequence)) = last.and_then(|last| last.split_at_checked(HASH_DIGITS)) else { return };
    let (mut tip, mut stop) = (node.watch_tip(), node.watch_stop());
    let other_transactions = async {
        tokio::time::sleep(LONG_POLL).await;
        while node.mempool_sequence().to_string() == sequence {
            tokio::time::sleep(LONG_POLL_STEP).await;
        }
    };
    tokio::select! {
        _ = tip.wait_for(|(_, tip)| tip.to_string() != hash) => {}
        _ = stop.wait_for(|stop| *stop) => {}
        () = other_transactions => {}
    }
}

pub(super) fn block_template(node: &Node, params: &Params) -> Answer {
    let request = params.value("template_request").cloned().unwrap_or_else(|| json!({}));
    match request.get("mode").and_then(Value::as_str).unwrap_or("template") {
        "template" => {}
        "proposal" => return submission::propose(node, &request),
        _ => return Err(RpcError::invalid_parameter("Invalid mode")),
    }
    let knows = |rule: &str| {
        request.get("rules").and_then(Value::as_array).is_some_and(|rules| rules.iter().any(|known| known == rule))
    };
    if !knows("segwit") {
        let text = "getblocktemplate must be called with the segwit rule set (call with {\"rules\": [\"segwit\"]})";
        return Err(RpcError::invalid_parameter(text));
    }
    Ok(template_json(node))
}

fn template_json(node: &Node) -> Value {
    // Read first: a transaction that comes in between ends the next long poll early, and is not missed.
    let sequence = node.mempool_sequence();
    let template = template(node, ScriptBuf::new(), node.network().max_block_transactions);
    let header = template.block.header;
    let waiting: Vec<&Transaction> = template.block.txdata.iter().skip(1).collect();
    let positions: std::collections::HashMap<Txid, usize> =
        waiting.iter().enumerate().map(|(index, tx)| (tx.compute_txid(), index + 1)).collect();
    let transactions =
        waiting.iter().zip(template.fees.iter().zip(&template.sigop_costs)).map(|(tx, (fee, sigops))| {
            let mut depends: Vec<usize> =
                tx.input.iter().filter_map(|input| positions.get(&input.previous_output.txid).copied()).collect();
            depends.sort_unstable();
            depends.dedup();
            json!({
                "data": serialize_hex(*tx),
                "txid": tx.compute_txid().to_string(),
                "hash": tx.compute_wtxid().to_string(),
                "depends": depends,
                "fee": fee.to_sat(),
                "sigops": sigops,
                "weight": tx.weight().to_wu(),
            })
        });
    let coinbase = template.block.txdata.first();
    let commitment =
        coinbase.and_then(|coinbase| coinbase.output.iter().rev().find(|output| submission::is_commitment(output)));
    let mut value = json!({
        "capabilities": ["proposal"],
        "version": header.version.to_consensus(),
        "rules": ["csv", "!segwit", "taproot"],
        "vbavailable": {},
        "vbrequired": 0,
        "previousblockhash": header.prev_blockhash.to_string(),
        "transactions": transactions.collect::<Vec<_>>(),
        "coinbaseaux": {},
        "coinbasevalue": (template.subsidy + template.total_fees).to_sat(),
        "longpollid": format!("{}{sequence}", header.prev_blockhash),
        "target": encode::target(header.bits),
        "mintime": template.minimum_time,
        "mutable": ["time", "transactions", "prevblock"],
        "noncerange": "00000000ffffffff",
        "sigoplimit": SIGOP_LIMIT,
        "sizelimit": SIZE_LIMIT,
        "weightlimit": SIZE_LIMIT,
        "curtime": header.time,
        "bits": encode::bits(header.bits),
        "height": template.height,
    });
    if let (Some(output), Some(fields)) = (commitment, value.as_object_mut()) {
        fields.insert("default_witness_commitment".to_owned(), encode::hex(output.script_pubkey.as_bytes()).into());
    }
    value
}
