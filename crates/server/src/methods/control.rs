//! The server itself. Source: Bitcoin Core rpc/server.cpp, rpc/node.cpp.

use std::time::Duration;

use mycoin_primitives::Retarget;
use mycoin_rpc::{Params, RpcError};
use serde_json::{Map, Value, json};

use super::Answer;
use crate::clock;
use crate::node::Node;

pub(super) fn uptime(node: &Node, _: &Params) -> Answer {
    Ok(node.started.elapsed().as_secs().into())
}

/// The longest wait before stopping that a caller may ask for, in milliseconds.
const LONGEST_WAIT: u64 = 10_000;

pub(super) fn stop(node: &Node, params: &Params) -> Answer {
    let wait = params.opt_u64("wait")?.unwrap_or(0).min(LONGEST_WAIT);
    std::thread::sleep(Duration::from_millis(wait));
    node.request_stop();
    Ok("MyCoin server stopping".into())
}

/// The calls under way are not counted: the answer is what a server without others says. The log is on standard error.
pub(super) fn rpc_info(_: &Node, _: &Params) -> Answer {
    Ok(json!({"active_commands": [{"method": "getrpcinfo", "duration": 0}], "logpath": ""}))
}

pub(super) fn index_info(node: &Node, params: &Params) -> Answer {
    const FILTERS: &str = "basic block filter index";
    let mut indices = Map::new();
    if let Some(progress) = node.kept_filters.progress()
        && params.opt_str("index_name").is_none_or(|name| name == FILTERS)
    {
        let state = json!({"synced": progress.synced, "best_block_height": progress.height});
        indices.insert(FILTERS.to_owned(), state);
    }
    Ok(indices.into())
}

pub(super) fn zmq_notifications(_: &Node, _: &Params) -> Answer {
    Ok(json!([]))
}

pub(super) fn echo(_: &Node, params: &Params) -> Answer {
    Ok(params.given().to_vec().into())
}

pub(super) fn set_mock_time(node: &Node, params: &Params) -> Answer {
    if node.network().retarget != Retarget::None {
        let text = "setmocktime is for regression testing (-regtest mode) only";
        return Err(RpcError::new(RpcError::MISC, text));
    }
    let time = params.i64("timestamp")?;
    let Ok(seconds) = u32::try_from(time) else {
        let text = format!("Mocktime must be in the range [0, {}], not {time}.", u32::MAX);
        return Err(RpcError::invalid_parameter(text));
    };
    clock::set_mock((seconds > 0).then_some(seconds));
    Ok(Value::Null)
}
