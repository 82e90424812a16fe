//! Blocks and the chain. Source: Bitcoin Core rpc/blockchain.cpp.

use mycoin_chain::IndexEntry;
use mycoin_consensus::{SOFT_FORKS, script_flags};
use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::{BlockHash, Height};
use mycoin_rpc::{Params, RpcError};
use serde_json::{Value, json};

use super::{Answer, chain_failed};
use crate::encode::{self, BlockDetail, HeaderFacts};
use crate::node::Node;

pub(super) fn blockchain_info(node: &Node, _: &Params) -> Answer {
    let (tip, progress) = (node.chain.tip(), node.progress());
    Ok(json!({
        "chain": node.network().name,
        "blocks": tip.height,
        "headers": progress.headers,
        "bestblockhash": tip.hash.to_string(),
        "bits": encode::bits(tip.header.bits),
        "target": encode::target(tip.header.bits),
        "difficulty": encode::difficulty(&tip.header),
        "time": tip.header.time,
        "mediantime": node.chain.median_time_past(&tip.hash),
        "verificationprogress": progress.fraction(),
        "initialblockdownload": progress.is_syncing,
        "chainwork": work(tip.work),
        "size_on_disk": node.chain.size_on_disk().map_err(|error| chain_failed(&error))?,
        "pruned": false,
        "warnings": [],
        // Ours: how fast it goes and how long it takes. The rest is Bitcoin's.
        "sync": {
            "syncing": progress.is_syncing,
            "blocks": progress.blocks,
            "headers": progress.headers,
            "progress": progress.fraction(),
            "blocks_per_second": progress.blocks_per_second,
            "bytes_per_second": progress.bytes_per_second,
            "seconds_left": progress.time_left.map(|left| left.as_secs()),
        },
    }))
}

pub(super) fn work(work: mycoin_primitives::Work) -> String {
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

/// What the chain knows of a block.
pub(super) fn entry(node: &Node, hash: &BlockHash) -> Result<IndexEntry, RpcError> {
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

pub(super) fn invalidate_block(node: &Node, params: &Params) -> Answer {
    node.invalidate(&params.block_hash("blockhash")?).map_err(|error| chain_failed(&error))?;
    Ok(Value::Null)
}

pub(super) fn reconsider_block(node: &Node, params: &Params) -> Answer {
    node.reconsider(&params.block_hash("blockhash")?).map_err(|error| chain_failed(&error))?;
    Ok(Value::Null)
}

pub(super) fn precious_block(node: &Node, params: &Params) -> Answer {
    node.prefer(&params.block_hash("blockhash")?).map_err(|error| chain_failed(&error))?;
    Ok(Value::Null)
}

/// The level of detail is one: every check that the chain has.
pub(super) fn verify_chain(node: &Node, params: &Params) -> Answer {
    const DEFAULT_BLOCKS: u32 = 6;
    let depth = match params.opt_u32("nblocks")?.unwrap_or(DEFAULT_BLOCKS) {
        0 => u32::MAX,
        blocks => blocks,
    };
    match node.chain.verify(depth) {
        Ok(_) => Ok(true.into()),
        Err(error) => {
            tracing::error!("The chain on the disk is not as it was: {error}");
            Ok(false.into())
        }
    }
}

/// Source: `getdeploymentinfo` and `DeploymentInfo`. A fork is active from the block below its height: the rules are those
/// of the block that follows.
pub(super) fn deployment_info(node: &Node, params: &Params) -> Answer {
    let hash = params.opt_block_hash("blockhash")?.unwrap_or_else(|| node.chain.tip().hash);
    let entry = entry(node, &hash)?;
    let from = |bip: u16| SOFT_FORKS.iter().find(|fork| fork.bip == bip).map_or(Height::GENESIS, |fork| fork.from);
    let buried = |bip: u16| json!({"type": "buried", "active": entry.height.next() >= from(bip), "height": from(bip)});
    let flags = script_flags(node.network(), entry.height);
    Ok(json!({
        "hash": hash.to_string(),
        "height": entry.height,
        "script_flags": flags.names(),
        "deployments": {
            "bip34": buried(34),
            "bip66": buried(66),
            "bip65": buried(65),
            "csv": buried(112),
            "segwit": buried(141),
            "taproot": taproot(from(341)),
        },
    }))
}

/// Clients of the versions before taproot was buried ask for it in this form.
fn taproot(from: Height) -> Value {
    /// A start time of `ALWAYS_ACTIVE` and a timeout of `NO_TIMEOUT`. Source: `Consensus::BIP9Deployment`, consensus/params.h.
    const ALWAYS_ACTIVE: i64 = -1;
    const NO_TIMEOUT: i64 = i64::MAX;
    json!({
        "type": "bip9",
        "height": from,
        "active": true,
        "bip9": {
            "start_time": ALWAYS_ACTIVE,
            "timeout": NO_TIMEOUT,
            "min_activation_height": 0,
            "status": "active",
            "since": from,
            "status_next": "active",
        },
    })
}
