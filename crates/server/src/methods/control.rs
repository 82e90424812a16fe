//! The server itself. Source: Bitcoin Core rpc/server.cpp.

use std::time::Duration;

use mycoin_rpc::Params;

use super::Answer;
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
