//! Proofs that blocks hold transactions, and blocks' filters. Source: Bitcoin Core rpc/txoutproof.cpp, rpc/blockchain.cpp.

use std::collections::HashSet;

use mycoin_chain::IndexEntry;
use mycoin_primitives::bitcoin::MerkleBlock;
use mycoin_primitives::bitcoin::consensus::encode::{deserialize, serialize_hex};
use mycoin_primitives::bitcoin::hex::FromHex as _;
use mycoin_primitives::{BlockHash, OutPoint, Txid};
use mycoin_rpc::{Params, RpcError};
use serde_json::{Value, json};

use super::chain::entry;
use super::{Answer, chain_failed};
use crate::encode;
use crate::node::Node;

/// How many of a transaction's first outputs are looked up when its block is not named.
const OUTPUTS_TRIED: u32 = 64;

pub(super) fn tx_out_proof(node: &Node, params: &Params) -> Answer {
    let mut txids = HashSet::new();
    for value in params.array("txids")? {
        let text = value.as_str().unwrap_or_default();
        let txid: Txid = text.parse().map_err(|_| {
            RpcError::invalid_parameter(format!("txid must be hexadecimal string of length 64 (not '{text:.80}')"))
        })?;
        if !txids.insert(txid) {
            return Err(RpcError::invalid_parameter(format!("Invalid parameter, duplicated txid: {txid}")));
        }
    }
    if txids.is_empty() {
        return Err(RpcError::invalid_parameter("Parameter 'txids' cannot be empty"));
    }
    let hash = match params.opt_block_hash("blockhash")? {
        Some(hash) => entry(node, &hash)?.hash,
        None => block_of_unspent(node, &txids)?.ok_or_else(|| RpcError::not_found("Transaction not yet in block"))?,
    };
    let block = node.chain.block(&hash).map_err(|error| chain_failed(&error))?;
    let block = block.ok_or_else(|| RpcError::new(RpcError::MISC, "Block not available (not fully downloaded)"))?;
    let found = block.txdata.iter().filter(|tx| txids.contains(&tx.compute_txid())).count();
    if found != txids.len() {
        return Err(RpcError::not_found("Not all transactions found in specified or retrieved block"));
    }
    Ok(serialize_hex(&MerkleBlock::from_block_with_predicate(&block, |txid| txids.contains(txid))).into())
}

/// The block of the first transaction that has an unspent output. Source: `AccessByTxid`, coins.cpp.
fn block_of_unspent(node: &Node, txids: &HashSet<Txid>) -> Result<Option<BlockHash>, RpcError> {
    for txid in txids {
        for vout in 0..OUTPUTS_TRIED {
            let coin = node.chain.coin(&OutPoint { txid: *txid, vout }).map_err(|error| chain_failed(&error))?;
            if let Some(coin) = coin {
                return Ok(node.chain.hash_at(coin.height));
            }
        }
    }
    Ok(None)
}

pub(super) fn verify_tx_out_proof(node: &Node, params: &Params) -> Answer {
    let text = params.str("proof")?;
    let bytes = Vec::<u8>::from_hex(text)
        .map_err(|_| RpcError::invalid_parameter(format!("proof must be hexadecimal string (not '{text:.80}')")))?;
    let proof: MerkleBlock =
        deserialize(&bytes).map_err(|_| RpcError::new(RpcError::MISC, "the proof is no Merkle block"))?;
    let (mut txids, mut positions) = (Vec::new(), Vec::new());
    if proof.extract_matches(&mut txids, &mut positions).is_err() {
        return Ok(json!([]));
    }
    let known = node.chain.header(&proof.header.block_hash()).filter(|entry| entry.on_best_chain);
    let Some(transactions) = known.and_then(|entry| entry.transactions) else {
        return Err(RpcError::not_found("Block not found in chain"));
    };
    if transactions != proof.txn.num_transactions() {
        return Ok(json!([]));
    }
    Ok(txids.iter().map(|txid| Value::from(txid.to_string())).collect())
}

pub(super) fn block_filter(node: &Node, params: &Params) -> Answer {
    let hash = params.block_hash("blockhash")?;
    if params.opt_str("filtertype").unwrap_or("basic") != "basic" {
        return Err(RpcError::not_found("Unknown filtertype"));
    }
    let entry = entry(node, &hash)?;
    let found = if node.kept_filters.progress().is_some() {
        node.kept_filters.follow(&node.chain);
        node.kept_filters.filter(&hash)
    } else if entry.on_best_chain {
        let made = node.filters.of(&node.chain, &entry).map_err(|error| chain_failed(&error))?;
        made.map(|(filter, header)| (filter.content, header))
    } else {
        None
    };
    let (filter, header) = found.ok_or_else(|| no_filter(node, &entry))?;
    Ok(json!({"filter": encode::hex(&filter), "header": header.to_string()}))
}

/// Why there is no filter of a block.
fn no_filter(node: &Node, entry: &IndexEntry) -> RpcError {
    if !entry.on_best_chain {
        return RpcError::not_found("Filter not found. Block was not connected to active chain.");
    }
    if node.kept_filters.is_stopped() {
        let text = "Filter not found. The block filter index has stopped; the server's log says why.";
        return RpcError::new(RpcError::MISC, text);
    }
    match node.kept_filters.progress() {
        Some(progress) if !progress.synced => {
            let text = "Filter not found. Block filters are still in the process of being indexed.";
            RpcError::new(RpcError::MISC, text)
        }
        _ => RpcError::internal("Filter not found. This error is unexpected and indicates index corruption."),
    }
}
