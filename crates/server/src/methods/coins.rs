//! Unspent outputs. Source: Bitcoin Core rpc/blockchain.cpp, rpc/mempool.cpp.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use mycoin_chain::{ChainError, CoinStatistics};
use mycoin_primitives::{Amount, OutPoint, ScriptBuf, Txid};
use mycoin_rpc::{Params, RpcError};
use serde_json::{Map, Value, json};

use super::{Answer, chain_failed};
use crate::descriptor::{ChecksumNeed, Descriptor, with_checksum};
use crate::encode;
use crate::node::Node;

/// How many keys of a range are looked for unless told otherwise. Source: `DEFAULT_RANGE`, rpc/util.cpp.
const DEFAULT_RANGE: RangeInclusive<u32> = 0..=1_000;
/// The most keys of one range. Source: `ParseDescriptorRange`, rpc/util.cpp.
const MAX_RANGE: u32 = 1_000_000;

pub(super) fn tx_out(node: &Node, params: &Params) -> Answer {
    let outpoint = OutPoint { txid: params.txid("txid")?, vout: params.u32("n")? };
    let with_mempool = params.opt_bool("include_mempool").unwrap_or(true);
    let (tip, found) = node
        .at_rest(|chain, mempool| {
            let confirmed = chain.coin(&outpoint)?;
            let found = if !with_mempool {
                confirmed.map(|coin| (coin, true))
            } else if mempool.spender(&outpoint).is_some() {
                None
            } else {
                let waiting = || mempool.get(&outpoint.txid)?.output.get(outpoint.vout as usize).cloned();
                confirmed.map(|coin| (coin, true)).or_else(|| {
                    let output = waiting()?;
                    Some((
                        mycoin_primitives::Coin { output, height: chain.tip().height.next(), is_coinbase: false },
                        false,
                    ))
                })
            };
            Ok((chain.tip(), found))
        })
        .map_err(|error: ChainError| chain_failed(&error))?;
    let Some((coin, is_confirmed)) = found else { return Ok(Value::Null) };
    Ok(json!({
        "bestblock": tip.hash.to_string(),
        "confirmations": if is_confirmed { tip.height.above(coin.height) + 1 } else { 0 },
        "value": encode::coins(coin.output.value),
        "scriptPubKey": encode::script_pubkey(&coin.output.script_pubkey, node.network()),
        "coinbase": coin.is_coinbase,
    }))
}

pub(super) fn tx_out_set_info(node: &Node, params: &Params) -> Answer {
    let kind = params.opt_str("hash_type").unwrap_or("hash_serialized_3");
    if !matches!(kind, "hash_serialized_3" | "none") {
        return Err(RpcError::invalid_parameter(format!("'{kind}' is not a valid hash_type")));
    }
    if params.value("hash_or_height").is_some() {
        return Err(RpcError::invalid_parameter("Querying specific block heights requires coinstatsindex"));
    }
    let statistics = node.chain.coin_statistics().map_err(|error| chain_failed(&error))?;
    let mut value = statistics_json(&statistics);
    if let Some(fields) = value.as_object_mut() {
        if kind == "none" {
            fields.remove("hash_serialized_3");
        }
        fields.insert("disk_size".to_owned(), node.chain.size_on_disk().map_err(|error| chain_failed(&error))?.into());
    }
    Ok(value)
}

/// The same figures, counted again from the block files: what `gettxoutsetinfo` must agree with.
pub(super) fn recount_tx_out_set(node: &Node, _: &Params) -> Answer {
    Ok(statistics_json(&node.chain.recount().map_err(|error| chain_failed(&error))?))
}

fn statistics_json(statistics: &CoinStatistics) -> Value {
    json!({
        "height": statistics.height,
        "bestblock": statistics.best_block.to_string(),
        "transactions": statistics.transactions,
        "txouts": statistics.txouts,
        "bogosize": statistics.bogosize,
        "hash_serialized_3": statistics.hash_serialized_3.to_string(),
        "total_amount": encode::coins(statistics.total_amount),
    })
}

/// Source: `gettxspendingprevout`.
pub(super) fn tx_spending_prevout(node: &Node, params: &Params) -> Answer {
    let outputs = params.array("outputs")?;
    if outputs.is_empty() {
        return Err(RpcError::invalid_parameter("Invalid parameter, outputs are missing"));
    }
    let asked = outputs.iter().map(outpoint).collect::<Result<Vec<_>, _>>()?;
    let mempool = node.mempool();
    let answers = asked.iter().map(|outpoint| {
        let mut fields = Map::new();
        fields.insert("txid".to_owned(), outpoint.txid.to_string().into());
        fields.insert("vout".to_owned(), outpoint.vout.into());
        if let Some(spender) = mempool.spender(outpoint) {
            fields.insert("spendingtxid".to_owned(), spender.to_string().into());
        }
        Value::Object(fields)
    });
    Ok(answers.collect())
}

/// An object with `txid` and `vout`.
pub(super) fn outpoint(value: &Value) -> Result<OutPoint, RpcError> {
    let txid: Txid = match value.get("txid").and_then(Value::as_str) {
        Some(text) => text.parse().map_err(|_| {
            RpcError::invalid_parameter(format!("txid must be hexadecimal string of length 64 (not '{text:.80}')"))
        })?,
        None => return Err(RpcError::new(RpcError::TYPE, "Missing txid")),
    };
    let Some(vout) = value.get("vout").and_then(Value::as_i64) else {
        return Err(RpcError::invalid_parameter("Invalid parameter, missing vout key"));
    };
    let vout =
        u32::try_from(vout).map_err(|_| RpcError::invalid_parameter("Invalid parameter, vout cannot be negative"))?;
    Ok(OutPoint { txid, vout })
}

/// Source: `scantxoutset`. A scan ends with its call, so there is never one to ask about or to abort.
pub(super) fn scan_tx_out_set(node: &Node, params: &Params) -> Answer {
    match params.str("action")? {
        "start" => {}
        "status" => return Ok(Value::Null),
        "abort" => return Ok(false.into()),
        other => return Err(RpcError::invalid_parameter(format!("Invalid action '{other:.80}'"))),
    }
    if params.value("scanobjects").is_none() {
        return Err(RpcError::new(RpcError::MISC, "scanobjects argument is required for the start action"));
    }
    let network = node.network();
    let mut descriptors: HashMap<ScriptBuf, String> = HashMap::new();
    for object in params.array("scanobjects")? {
        for script in scripts_of(node, object)? {
            let descriptor = with_checksum(&encode::inferred_descriptor(&script, network));
            descriptors.insert(script, descriptor);
        }
    }
    let scripts: HashSet<ScriptBuf> = descriptors.keys().cloned().collect();
    let found = node.chain.find_coins(&scripts).map_err(|error| chain_failed(&error))?;
    let total: Amount = found.coins.iter().map(|(_, coin, _)| coin.output.value).sum();
    let unspents: Vec<Value> = found
        .coins
        .iter()
        .map(|(outpoint, coin, maker)| {
            json!({
                "txid": outpoint.txid.to_string(),
                "vout": outpoint.vout,
                "scriptPubKey": encode::hex(coin.output.script_pubkey.as_bytes()),
                "desc": descriptors.get(&coin.output.script_pubkey),
                "amount": encode::coins(coin.output.value),
                "coinbase": coin.is_coinbase,
                "height": coin.height,
                "blockhash": maker.to_string(),
                "confirmations": found.tip.height.above(coin.height) + 1,
            })
        })
        .collect();
    Ok(json!({
        "success": true,
        "txouts": found.looked_at,
        "height": found.tip.height,
        "bestblock": found.tip.hash.to_string(),
        "unspents": unspents,
        "total_amount": encode::coins(total),
    }))
}

/// The scripts of a descriptor, or of an object with `desc` and `range`. Source: `EvalDescriptorStringOrObject`.
fn scripts_of(node: &Node, object: &Value) -> Result<Vec<ScriptBuf>, RpcError> {
    let (text, given) = match object {
        Value::String(text) => (text.as_str(), None),
        Value::Object(fields) => {
            let text = fields.get("desc").and_then(Value::as_str);
            let text =
                text.ok_or_else(|| RpcError::invalid_parameter("Descriptor needs to be provided in scan object"))?;
            (text, fields.get("range").filter(|range| !range.is_null()))
        }
        _ => return Err(RpcError::invalid_parameter("Scan object needs to be either a string or an object")),
    };
    let bad = |text: String| RpcError::not_found(text);
    let descriptor = Descriptor::parse(text, ChecksumNeed::Optional, node.network()).map_err(bad)?;
    let range = given.map(range).transpose()?.unwrap_or(DEFAULT_RANGE);
    descriptor.scripts(range).map_err(bad)
}

/// The last index, or first and last. Source: `ParseDescriptorRange`.
pub(super) fn range(value: &Value) -> Result<RangeInclusive<u32>, RpcError> {
    let refused = RpcError::invalid_parameter;
    let (first, last) = match value {
        Value::Number(last) => (Some(0), last.as_i64()),
        Value::Array(ends) => match ends.as_slice() {
            [first, last] => (first.as_i64(), last.as_i64()),
            _ => (None, None),
        },
        _ => (None, None),
    };
    let (Some(first), Some(last)) = (first, last) else {
        return Err(refused("Range must be specified as end or as [begin,end]"));
    };
    if first > last {
        return Err(refused("Range specified as [begin,end] must not have begin after end"));
    }
    let first = u32::try_from(first).map_err(|_| refused("Range should be greater or equal than 0"))?;
    let last =
        u32::try_from(last).ok().filter(|last| last >> 31 == 0).ok_or_else(|| refused("End of range is too high"))?;
    if last - first >= MAX_RANGE {
        return Err(refused("Range is too large"));
    }
    Ok(first..=last)
}
