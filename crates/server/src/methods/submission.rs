//! What miners hand in: blocks, headers, proposals. Source: Bitcoin Core rpc/mining.cpp; BIP22, BIP23.

use std::sync::Arc;

use mycoin_chain::{AcceptError, BlockStatus, EntryStatus};
use mycoin_consensus::{WITNESS_COMMITMENT_HEADER, WITNESS_RESERVED_VALUE};
use mycoin_primitives::bitcoin::consensus::encode::{deserialize, deserialize_hex};
use mycoin_primitives::bitcoin::hex::FromHex as _;
use mycoin_primitives::{Block, Failure as _, Header, TxOut};
use mycoin_rpc::{Params, RpcError};
use serde_json::Value;

use super::{Answer, chain_failed};
use crate::clock;
use crate::node::Node;

pub(super) fn submit_block(node: &Node, params: &Params) -> Answer {
    let failed = || RpcError::deserialization("Block decode failed");
    // The bytes first: read from text one by one, a full block takes twice as long.
    let bytes = Vec::<u8>::from_hex(params.str("hexdata")?).map_err(|_| failed())?;
    let mut block: Block = deserialize(&bytes).map_err(|_| failed())?;
    add_reserved_value(&mut block);
    let word = match node.submit_block(Arc::new(block)) {
        Ok(accepted) => match accepted.status {
            BlockStatus::Known => Some("duplicate".to_owned()),
            BlockStatus::Stored => Some("inconclusive".to_owned()),
            BlockStatus::Connected => None,
        },
        Err(AcceptError::Chain(error)) => return Err(chain_failed(&error)),
        Err(error) => Some(error.reject_reason()),
    };
    Ok(word.map_or(Value::Null, Value::from))
}

/// Gives a coinbase that commits to witnesses the reserved value, which old miners leave out.
/// Source: `UpdateUncommittedBlockStructures`, validation.cpp.
fn add_reserved_value(block: &mut Block) {
    let Some(coinbase) = block.txdata.first_mut() else { return };
    let commits = coinbase.output.iter().any(is_commitment);
    if let (true, Some(input)) = (commits, coinbase.input.first_mut())
        && input.witness.is_empty()
    {
        input.witness.push(WITNESS_RESERVED_VALUE);
    }
}

pub(super) fn is_commitment(output: &TxOut) -> bool {
    output.script_pubkey.as_bytes().starts_with(&WITNESS_COMMITMENT_HEADER)
}

/// Source: `submitheader`.
pub(super) fn submit_header(node: &Node, params: &Params) -> Answer {
    let header: Header =
        deserialize_hex(params.str("hexdata")?).map_err(|_| RpcError::deserialization("Block header decode failed"))?;
    match node.chain.accept_header(header, clock::header_now()) {
        Ok(_) => Ok(Value::Null),
        Err(AcceptError::Chain(error)) => Err(chain_failed(&error)),
        Err(AcceptError::UnknownParent { parent, .. }) => {
            Err(RpcError::new(RpcError::VERIFY, format!("Must submit previous header ({parent}) first")))
        }
        Err(error) => {
            let refused = RpcError::new(RpcError::VERIFY, error.reject_reason());
            Err(refused.with_data(error.code(), error.next_step()).with_reject_reason(error.reject_reason()))
        }
    }
}

/// BIP23's block proposal: says what `submitblock` would say, but for the proof of work.
pub(super) fn propose(node: &Node, request: &Value) -> Answer {
    let Some(data) = request.get("data").and_then(Value::as_str) else {
        return Err(RpcError::new(RpcError::TYPE, "Missing data String key for proposal"));
    };
    let block: Block = deserialize_hex(data).map_err(|_| RpcError::deserialization("Block decode failed"))?;
    if let Some(entry) = node.chain.header(&block.block_hash()) {
        return Ok(match entry.status {
            EntryStatus::Connected => "duplicate",
            EntryStatus::Invalid => "duplicate-invalid",
            EntryStatus::Stored | EntryStatus::HeaderOnly => "duplicate-inconclusive",
        }
        .into());
    }
    match node.chain.check_candidate(&block, clock::header_now()) {
        Ok(()) => Ok(Value::Null),
        Err(AcceptError::Chain(error)) => Err(chain_failed(&error)),
        Err(error) => Ok(error.reject_reason().into()),
    }
}
