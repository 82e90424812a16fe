//! The server itself. Source: Bitcoin Core rpc/server.cpp.

use mycoin_rpc::Params;

use super::Answer;
use crate::node::Node;

pub(super) fn uptime(node: &Node, _: &Params) -> Answer {
    Ok(node.started.elapsed().as_secs().into())
}

pub(super) fn stop(node: &Node, _: &Params) -> Answer {
    node.request_stop();
    Ok("MyCoin server stopping".into())
}
