//! Blocks, the chain and the coins. Source: Bitcoin Core rpc/blockchain.cpp.

use std::time::Duration;

use mycoin_chain::{ChainError, CoinStatistics, IndexEntry};
use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::{BlockHash, Height, OutPoint};
use mycoin_rpc::{Params, RpcError};
use serde_json::{Value, json};

use super::{Answer, chain_failed};
use crate::encode::{self, BlockDetail, HeaderFacts};
use crate::node::Node;

pub(super) fn blockchain_info(node: &Node, _: &Params) -> Answer {
    let (tip, best) = (node.chain.tip(), node.chain.best_header());
    let syncing = node.is_syncing();
    let progress =
        if best.height > tip.height { f64::from(tip.height.to_u32()) / f64::from(best.height.to_u32()) } else { 1.0 };
    Ok(json!({
        "chain": node.network().name,
        "blocks": tip.height,
        "headers": best.height,
        "bestblockhash": tip.hash.to_string(),
        "bits": encode::bits(tip.header.bits),
        "target": encode::target(tip.header.bits),
        "difficulty": encode::difficulty(&tip.header),
        "time": tip.header.time,
        "mediantime": node.chain.median_time_past(&tip.hash),
        "verificationprogress": progress,
        "initialblockdownload": syncing,
        "chainwork": work(tip.work),
        "size_on_disk": node.chain.size_on_disk().map_err(|error| chain_failed(&error))?,
        "pruned": false,
        "warnings": [],
    }))
}

fn work(work: mycoin_primitives::Work) -> String {
    encode::hex(&work.to_be_bytes())
}

pub(super) fn block_count(node: &Node, _: &Params) -> Answer {
    Ok(json!(node.chain.tip().height))
}

pub(super) fn best_block_hash(node: &Node, _: &Params) -> Answer {
    Ok(node.chain.tip().hash.to_string().into())
}

pub(super) fn difficulty(node: &Node, _: &Params) -> Answer {
    Ok(json!(encode::difficulty(&node.chain.tip().header)))
}

pub(super) fn block_hash(node: &Node, params: &Params) -> Answer {
    let height = params.i64("height")?;
    let known = u32::try_from(height).ok().and_then(|height| node.chain.hash_at(Height::new(height)));
    known.map(|hash| hash.to_string().into()).ok_or_else(|| RpcError::invalid_parameter("Block height out of range"))
}

fn entry(node: &Node, hash: &BlockHash) -> Result<IndexEntry, RpcError> {
    node.chain.header(hash).ok_or_else(|| RpcError::not_found("Block not found"))
}

/// What the chain knows of a header. Tip and entry are read one after the other; the entry's own height and place decide.
fn facts(node: &Node, entry: &IndexEntry) -> HeaderFacts {
    let tip = node.chain.tip().height;
    HeaderFacts {
        confirmations: if entry.on_best_chain { i64::from(tip.above(entry.height)) + 1 } else { -1 },
        height: entry.height.to_u32(),
        median_time: node.chain.median_time_past(&entry.hash).unwrap_or(entry.header.time),
        chain_work: work(entry.work),
        transactions: entry.transactions.unwrap_or(0) as usize,
        next: entry.next.map(|hash| hash.to_string()),
    }
}

pub(super) fn block_header(node: &Node, params: &Params) -> Answer {
    let entry = entry(node, &params.block_hash("blockhash")?)?;
    if !params.opt_bool("verbose").unwrap_or(true) {
        return Ok(serialize_hex(&entry.header).into());
    }
    Ok(encode::header(&entry.header, &facts(node, &entry)).into())
}

pub(super) fn block(node: &Node, params: &Params) -> Answer {
    let hash = params.block_hash("blockhash")?;
    let entry = entry(node, &hash)?;
    let missing = || RpcError::new(RpcError::MISC, "Block not available (not fully downloaded)");
    let verbosity = params.verbosity("verbosity", 1)?;
    if verbosity == 0 {
        let raw = node.chain.raw_block(&hash).map_err(|error| chain_failed(&error))?;
        return Ok(encode::hex(&raw.ok_or_else(missing)?).into());
    }
    let block = node.chain.block(&hash).map_err(|error| chain_failed(&error))?.ok_or_else(missing)?;
    let detail = match verbosity {
        1 => BlockDetail::Ids,
        2 => BlockDetail::Transactions,
        _ => BlockDetail::Prevouts,
    };
    let undo = match detail {
        BlockDetail::Ids => None,
        BlockDetail::Transactions | BlockDetail::Prevouts => {
            node.chain.undo(&hash).map_err(|error| chain_failed(&error))?
        }
    };
    let spent = undo.as_ref().map(|undo| undo.spent.as_slice());
    Ok(encode::block(&block, &facts(node, &entry), node.network(), detail, spent))
}

pub(super) fn chain_tips(node: &Node, _: &Params) -> Answer {
    let tips = node.chain.tips();
    let value = tips.iter().map(|tip| {
        json!({"height": tip.height, "hash": tip.hash.to_string(), "branchlen": tip.branch_length, "status": tip.status.name()})
    });
    Ok(value.collect())
}

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
        return Err(RpcError::invalid_parameter(format!(
            "'{kind}' is not a valid hash_type: hash_serialized_3 or none"
        )));
    }
    if params.value("hash_or_height").is_some() {
        return Err(RpcError::invalid_parameter(
            "Querying specific block heights requires an index of coin statistics, which this server does not keep",
        ));
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
        "txouts": statistics.txouts,
        "bogosize": statistics.bogosize,
        "hash_serialized_3": statistics.hash_serialized_3.to_string(),
        "total_amount": encode::coins(statistics.total_amount),
    })
}

pub(super) fn invalidate_block(node: &Node, params: &Params) -> Answer {
    node.invalidate(&params.block_hash("blockhash")?).map_err(|error| chain_failed(&error))?;
    Ok(Value::Null)
}

pub(super) fn reconsider_block(node: &Node, params: &Params) -> Answer {
    node.reconsider(&params.block_hash("blockhash")?).map_err(|error| chain_failed(&error))?;
    Ok(Value::Null)
}

pub(super) async fn wait_for_new_block(node: &Node, params: &Params) -> Answer {
    let known = params.opt_block_hash("current_tip")?.unwrap_or_else(|| node.chain.tip().hash);
    wait_for_tip(node, params, move |_, hash| *hash != known).await
}

pub(super) async fn wait_for_block_height(node: &Node, params: &Params) -> Answer {
    let height = Height::new(params.u32("height")?);
    wait_for_tip(node, params, move |tip, _| *tip >= height).await
}

/// Waits for a tip that is wanted, or the time-out, and tells the tip as it is then.
async fn wait_for_tip(node: &Node, params: &Params, wanted: impl Fn(&Height, &BlockHash) -> bool) -> Answer {
    let limit = match params.opt_u64("timeout")? {
        None | Some(0) => None,
        Some(milliseconds) => Some(Duration::from_millis(milliseconds)),
    };
    let (mut tip, mut stop) = (node.watch_tip(), node.watch_stop());
    let timeout = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tip.wait_for(|(height, hash)| wanted(height, hash)) => {}
        _ = stop.wait_for(|stop| *stop) => {}
        () = timeout => {}
    }
    let (height, hash) = *tip.borrow();
    Ok(json!({"hash": hash.to_string(), "height": height}))
}
