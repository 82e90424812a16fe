//! Waiting for the tip. Source: Bitcoin Core rpc/blockchain.cpp.

use std::time::Duration;

use mycoin_primitives::{BlockHash, Height};
use mycoin_rpc::{Params, RpcError};
use serde_json::json;

use super::Answer;
use crate::node::Node;

pub(super) async fn wait_for_new_block(node: &Node, params: &Params) -> Answer {
    let known = params.opt_block_hash("current_tip")?.unwrap_or_else(|| node.chain.tip().hash);
    wait_for_tip(node, params, move |_, hash| *hash != known).await
}

pub(super) async fn wait_for_block_height(node: &Node, params: &Params) -> Answer {
    let height = Height::new(params.u32("height")?);
    wait_for_tip(node, params, move |tip, _| *tip >= height).await
}

pub(super) async fn wait_for_block(node: &Node, params: &Params) -> Answer {
    let wanted = params.block_hash("blockhash")?;
    wait_for_tip(node, params, move |_, hash| *hash == wanted).await
}

/// Waits for a tip that is wanted, or the time-out, and tells the tip as it is then.
async fn wait_for_tip(node: &Node, params: &Params, wanted: impl Fn(&Height, &BlockHash) -> bool) -> Answer {
    let limit = match params.opt_i64("timeout")? {
        None | Some(0) => None,
        Some(given) => match u64::try_from(given) {
            Ok(milliseconds) => Some(Duration::from_millis(milliseconds)),
            Err(_) => return Err(RpcError::new(RpcError::MISC, "Negative timeout")),
        },
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
