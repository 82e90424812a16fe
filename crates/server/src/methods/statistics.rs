//! Figures of blocks and of the chain. Source: Bitcoin Core `getblockstats` and `getchaintxstats`, rpc/blockchain.cpp.

use mycoin_consensus::{block_subsidy, is_unspendable};
use mycoin_primitives::bitcoin::consensus::encode::serialize;
use mycoin_primitives::{BlockHash, Height, TxOut};
use mycoin_rpc::{Params, RpcError};
use serde_json::{Map, Value, json};

use super::chain::entry;
use super::{Answer, chain_failed};
use crate::node::Node;

/// What an unspent output takes beside itself: outpoint 36, height 4, coinbase flag 1. Source: `PER_UTXO_OVERHEAD`.
const COIN_OVERHEAD: u64 = 41;
/// The weight of one virtual byte.
const WITNESS_SCALE: u64 = 4;
/// A month, in seconds.
const MONTH: u32 = 30 * 24 * 60 * 60;

/// One transaction after the coinbase, in base units, bytes and weight units.
struct Spender {
    fee: u64,
    rate: u64,
    size: u64,
    weight: u64,
    has_witness: bool,
}

pub(super) fn block_stats(node: &Node, params: &Params) -> Answer {
    let entry = entry(node, &hash_or_height(node, params.value("hash_or_height"))?)?;
    let wanted: Vec<&str> = match params.value("stats") {
        Some(_) => params.array("stats")?.iter().filter_map(Value::as_str).collect(),
        None => Vec::new(),
    };
    let unavailable = |what: &str| RpcError::new(RpcError::MISC, format!("{what} not available"));
    let block =
        node.chain.block(&entry.hash).map_err(|error| chain_failed(&error))?.ok_or_else(|| unavailable("Block"))?;
    let undo =
        node.chain.undo(&entry.hash).map_err(|error| chain_failed(&error))?.ok_or_else(|| unavailable("Undo data"))?;

    let outputs: Vec<&TxOut> = block.txdata.iter().flat_map(|tx| &tx.output).collect();
    let kept = |output: &&&TxOut| entry.height != Height::GENESIS && !is_unspendable(&output.script_pubkey);
    let spent: Vec<&TxOut> = undo.spent.iter().flatten().map(|coin| &coin.output).collect();
    let coin_size = |output: &TxOut| serialize(output).len() as u64 + COIN_OVERHEAD;
    let spent_size: u64 = spent.iter().map(|output| coin_size(output)).sum();
    let made_size: u64 = outputs.iter().map(|output| coin_size(output)).sum();
    let kept_size: u64 = outputs.iter().filter(kept).map(|output| coin_size(output)).sum();
    let kept_count = outputs.iter().filter(kept).count();
    let paid = |output: &TxOut| output.value.to_sat();
    let spenders: Vec<Spender> = (block.txdata.iter().skip(1))
        .zip(&undo.spent)
        .map(|(tx, coins)| {
            let held: u64 = coins.iter().map(|coin| paid(&coin.output)).sum();
            let fee = held.saturating_sub(tx.output.iter().map(paid).sum());
            let weight = tx.weight().to_wu();
            let rate = (fee * WITNESS_SCALE).checked_div(weight).unwrap_or(0);
            let has_witness = tx.input.iter().any(|input| !input.witness.is_empty());
            Spender { fee, rate, size: tx.total_size() as u64, weight, has_witness }
        })
        .collect();

    let sorted = |figure: fn(&Spender) -> u64| {
        let mut figures: Vec<u64> = spenders.iter().map(figure).collect();
        figures.sort_unstable();
        figures
    };
    let (fees, rates, sizes) = (sorted(|tx| tx.fee), sorted(|tx| tx.rate), sorted(|tx| tx.size));
    let first = |figures: &[u64]| figures.first().copied().unwrap_or(0);
    let last = |figures: &[u64]| figures.last().copied().unwrap_or(0);
    let average = |figures: &[u64]| figures.iter().sum::<u64>().checked_div(figures.len() as u64).unwrap_or(0);
    let total_weight: u64 = spenders.iter().map(|tx| tx.weight).sum();
    let total_fee: u64 = fees.iter().sum();
    let witnesses: Vec<&Spender> = spenders.iter().filter(|tx| tx.has_witness).collect();
    let difference = |made: u64, gone: u64| made as i64 - gone as i64;
    let all = json!({
        "avgfee": average(&fees),
        "avgfeerate": (total_fee * WITNESS_SCALE).checked_div(total_weight).unwrap_or(0),
        "avgtxsize": average(&sizes),
        "blockhash": entry.hash.to_string(),
        "feerate_percentiles": percentiles(&spenders, total_weight),
        "height": entry.height,
        "ins": spent.len(),
        "maxfee": last(&fees),
        "maxfeerate": last(&rates),
        "maxtxsize": last(&sizes),
        "medianfee": median(&fees),
        "mediantime": node.chain.median_time_past(&entry.hash),
        "mediantxsize": median(&sizes),
        "minfee": first(&fees),
        "minfeerate": first(&rates),
        "mintxsize": first(&sizes),
        "outs": outputs.len(),
        "subsidy": block_subsidy(node.network(), entry.height).to_sat(),
        "swtotal_size": witnesses.iter().map(|tx| tx.size).sum::<u64>(),
        "swtotal_weight": witnesses.iter().map(|tx| tx.weight).sum::<u64>(),
        "swtxs": witnesses.len(),
        "time": entry.header.time,
        "total_out": block.txdata.iter().skip(1).flat_map(|tx| &tx.output).map(paid).sum::<u64>(),
        "total_size": sizes.iter().sum::<u64>(),
        "total_weight": total_weight,
        "totalfee": total_fee,
        "txs": block.txdata.len(),
        "utxo_increase": difference(outputs.len() as u64, spent.len() as u64),
        "utxo_size_inc": difference(made_size, spent_size),
        "utxo_increase_actual": difference(kept_count as u64, spent.len() as u64),
        "utxo_size_inc_actual": difference(kept_size, spent_size),
    });
    if wanted.is_empty() {
        return Ok(all);
    }
    let chosen = wanted.iter().map(|name| match all.get(*name) {
        Some(figure) => Ok(((*name).to_owned(), figure.clone())),
        None => Err(RpcError::invalid_parameter(format!("Invalid selected statistic '{name:.80}'"))),
    });
    Ok(Value::Object(chosen.collect::<Result<Map<_, _>, _>>()?))
}

/// Of an even number of figures the mean of the middle two, cut. Source: `CalculateTruncatedMedian`.
fn median(sorted: &[u64]) -> u64 {
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => 0,
        even if even % 2 == 0 => (at(half - 1) + at(half)) / 2,
        _ => at(half),
    }
}

/// The rates that 10, 25, 50, 75 and 90 % of the weight stay below. Source: `CalculatePercentilesByWeight`.
fn percentiles(spenders: &[Spender], total_weight: u64) -> [u64; 5] {
    /// In twentieths.
    const PARTS: [u64; 5] = [2, 5, 10, 15, 18];
    let mut by_rate: Vec<(u64, u64)> = spenders.iter().map(|tx| (tx.rate, tx.weight)).collect();
    by_rate.sort_unstable();
    let highest = by_rate.last().map_or(0, |(rate, _)| *rate);
    PARTS.map(|part| {
        let mut weight_so_far = 0;
        let reached = by_rate.iter().find(|(_, weight)| {
            weight_so_far += weight;
            weight_so_far * 20 >= total_weight * part
        });
        reached.map_or(highest, |(rate, _)| *rate)
    })
}

/// Source: `ParseHashOrHeight`, rpc/blockchain.cpp.
fn hash_or_height(node: &Node, value: Option<&Value>) -> Result<BlockHash, RpcError> {
    let tip = node.chain.tip().height;
    match value {
        Some(Value::Number(number)) => {
            let height = number.as_i64().ok_or_else(|| RpcError::new(RpcError::MISC, "JSON integer out of range"))?;
            let Ok(known) = u32::try_from(height) else {
                return Err(RpcError::invalid_parameter(format!("Target block height {height} is negative")));
            };
            node.chain.hash_at(Height::new(known)).ok_or_else(|| {
                RpcError::invalid_parameter(format!("Target block height {height} after current tip {tip}"))
            })
        }
        Some(Value::String(text)) => text.parse().map_err(|_| {
            RpcError::invalid_parameter(format!(
                "hash_or_height must be hexadecimal string of length 64 (not '{text:.80}')"
            ))
        }),
        _ => Err(RpcError::new(RpcError::TYPE, "a block's hash or height is wanted")),
    }
}

pub(super) fn chain_tx_stats(node: &Node, params: &Params) -> Answer {
    let last = match params.opt_block_hash("blockhash")? {
        None => entry(node, &node.chain.tip().hash)?,
        Some(hash) => entry(node, &hash)?,
    };
    if !last.on_best_chain {
        return Err(RpcError::invalid_parameter("Block is not in main chain"));
    }
    let height = last.height.to_u32();
    let blocks = match params.opt_i64("nblocks")? {
        None => (MONTH / node.network().spacing.max(1)).min(height.saturating_sub(1)),
        Some(given) => {
            u32::try_from(given).ok().filter(|blocks| *blocks == 0 || *blocks < height).ok_or_else(|| {
                RpcError::invalid_parameter("Invalid block count: should be between 0 and the block's height - 1")
            })?
        }
    };
    let first = last.height.back(blocks);
    let hash_at = |height: Height| node.chain.hash_at(height);
    let transactions = |height: u32| {
        let entry = hash_at(Height::new(height)).and_then(|hash| node.chain.header(&hash));
        entry.and_then(|entry| entry.transactions).map_or(0, u64::from)
    };
    let before: u64 = (0..=first.to_u32()).map(transactions).sum();
    let window: u64 = (first.to_u32() + 1..=height).map(transactions).sum();
    let median_time = |hash: &BlockHash| node.chain.median_time_past(hash).map_or(0, i64::from);
    let mut value = json!({
        "time": last.header.time,
        "txcount": before + window,
        "window_final_block_hash": last.hash.to_string(),
        "window_final_block_height": last.height,
        "window_block_count": blocks,
    });
    if let (true, Some(start), Some(fields)) = (blocks > 0, hash_at(first), value.as_object_mut()) {
        let interval = median_time(&last.hash) - median_time(&start);
        fields.insert("window_interval".to_owned(), interval.into());
        fields.insert("window_tx_count".to_owned(), window.into());
        if interval > 0 {
            fields.insert("txrate".to_owned(), json!(window as f64 / interval as f64));
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_weight() {
        let tx = |rate: u64, weight: u64| Spender { fee: 0, rate, size: 0, weight, has_witness: false };
        assert_eq!(percentiles(&[], 0), [0; 5]);
        assert_eq!(percentiles(&[tx(7, 400)], 400), [7; 5]);
        // The light one at 1 is the first tenth; the heavy one at 5 the middle; the rest is at 9.
        assert_eq!(percentiles(&[tx(9, 300), tx(1, 100), tx(5, 600)], 1_000), [1, 5, 5, 9, 9]);
    }

    #[test]
    fn the_median_of_two_is_cut() {
        assert_eq!([median(&[]), median(&[3]), median(&[3, 4]), median(&[1, 5, 9])], [0, 3, 3, 5]);
    }
}
