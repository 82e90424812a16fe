//! The methods of the RPC: one function each, found by the name in the method table.
//!
//! In:    checked parameters, the node.
//! Out:   JSON as Bitcoin Core v31 answers, or an error of the catalogue under Core's number.
//! Never: a decision about who may call what: the table has it, and the transport holds to it.

mod chain;
mod coins;
mod control;
mod drafts;
mod mempool;
mod mining;
mod network;
mod peers;
mod proofs;
mod statistics;
mod submission;
mod transactions;
mod waiting;

use std::sync::Arc;

use mycoin_chain::ChainError;
use mycoin_identity::Role;
use mycoin_primitives::{Failure, Transaction};
use mycoin_rpc::{Event, Method, Params, RpcError, RpcHandler};
use serde_json::Value;
use tokio::sync::broadcast;

use crate::node::{Node, SubmitError};

/// What a method answers.
type Answer = Result<Value, RpcError>;

/// A method that may read the disk or compute for long, so it runs on a thread of its own.
type Blocking = fn(&Node, &Params) -> Answer;

/// Answers the calls.
pub(crate) struct Methods {
    node: Arc<Node>,
}

impl Methods {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }
}

impl RpcHandler for Methods {
    async fn call(&self, method: &'static Method, params: Params, _caller: Role) -> Answer {
        match method.name {
            "waitfornewblock" => waiting::wait_for_new_block(&self.node, &params).await,
            "waitforblockheight" => waiting::wait_for_block_height(&self.node, &params).await,
            "waitforblock" => waiting::wait_for_block(&self.node, &params).await,
            "getpeerinfo" => network::peer_info(&self.node).await,
            "addnode" => peers::add_node(&self.node, &params).await,
            "getaddednodeinfo" => peers::added_node_info(&self.node, &params).await,
            "disconnectnode" => peers::disconnect_node(&self.node, &params).await,
            "getnodeaddresses" => peers::node_addresses(&self.node, &params).await,
            "setban" => peers::set_ban(&self.node, &params).await,
            "listbanned" => peers::list_banned(&self.node).await,
            "clearbanned" => peers::clear_banned(&self.node).await,
            name => {
                if name == "getblocktemplate" {
                    mining::wait_for_template(&self.node, &params).await;
                }
                let Some(run) = blocking(name) else {
                    return Err(RpcError::internal(format!("the method {name} is in the table and has no code")));
                };
                let node = Arc::clone(&self.node);
                let ran = tokio::task::spawn_blocking(move || run(&node, &params)).await;
                ran.unwrap_or_else(|_| Err(RpcError::internal("the server failed while it answered; see its log")))
            }
        }
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        self.node.subscribe()
    }
}

fn blocking(name: &str) -> Option<Blocking> {
    Some(match name {
        "getblockchaininfo" => chain::blockchain_info,
        "getblockcount" => chain::block_count,
        "getbestblockhash" => chain::best_block_hash,
        "getblockhash" => chain::block_hash,
        "getblockheader" => chain::block_header,
        "getblock" => chain::block,
        "getchaintips" => chain::chain_tips,
        "getdifficulty" => chain::difficulty,
        "getdeploymentinfo" => chain::deployment_info,
        "getchaintxstats" => statistics::chain_tx_stats,
        "getblockstats" => statistics::block_stats,
        "getblockfilter" => proofs::block_filter,
        "gettxout" => coins::tx_out,
        "gettxoutsetinfo" => coins::tx_out_set_info,
        "recounttxoutset" => coins::recount_tx_out_set,
        "gettxspendingprevout" => coins::tx_spending_prevout,
        "scantxoutset" => coins::scan_tx_out_set,
        "gettxoutproof" => proofs::tx_out_proof,
        "verifytxoutproof" => proofs::verify_tx_out_proof,
        "verifychain" => chain::verify_chain,
        "preciousblock" => chain::precious_block,
        "invalidateblock" => chain::invalidate_block,
        "reconsiderblock" => chain::reconsider_block,
        "getmempoolinfo" => mempool::info,
        "getrawmempool" => mempool::raw,
        "getmempoolentry" => mempool::entry,
        "testmempoolaccept" => mempool::test_accept,
        "sendrawtransaction" => mempool::send_raw_transaction,
        "estimatesmartfee" => mempool::estimate_smart_fee,
        "getrawtransaction" => transactions::raw,
        "decoderawtransaction" => transactions::decode,
        "decodescript" => transactions::decode_script,
        "validateaddress" => transactions::validate_address,
        "createrawtransaction" => drafts::create_raw_transaction,
        "getdescriptorinfo" => drafts::descriptor_info,
        "deriveaddresses" => drafts::derive_addresses,
        "verifymessage" => drafts::verify_message,
        "getnetworkhashps" => mining::network_hash_rate,
        "getmininginfo" => mining::mining_info,
        "getminerinfo" => mining::miner_info,
        "getblocktemplate" => mining::block_template,
        "submitblock" => submission::submit_block,
        "submitheader" => submission::submit_header,
        "generatetodescriptor" => mining::generate_to_descriptor,
        "generatetoaddress" => mining::generate_to_address,
        "generateblock" => mining::generate_block,
        "faucet" => mining::faucet,
        "getnetworkinfo" => network::network_info,
        "getconnectioncount" => network::connection_count,
        "getnettotals" => network::net_totals,
        "connectpeer" => network::connect_peer,
        "getrpcinfo" => control::rpc_info,
        "getindexinfo" => control::index_info,
        "getzmqnotifications" => control::zmq_notifications,
        "echo" | "echojson" => control::echo,
        "setmocktime" => control::set_mock_time,
        "uptime" => control::uptime,
        "stop" => control::stop,
        _ => return None,
    })
}

/// A failure of the chain's store, as a caller sees it.
fn chain_failed(error: &ChainError) -> RpcError {
    match error {
        ChainError::UnknownBlock { .. } => {
            RpcError::not_found("Block not found").with_data(error.code(), error.next_step())
        }
        ChainError::GenesisStays => RpcError::from_failure(RpcError::INVALID_PARAMETER, error),
        _ => RpcError::from_failure(RpcError::DATABASE, error),
    }
}

/// A transaction that was not taken. Source of numbers and words: `JSONRPCTransactionError`, rpc/util.cpp;
/// `BroadcastTransaction`, node/transaction.cpp; `TransactionErrorString`, common/messages.cpp.
fn submit_failed(error: &SubmitError, tx: &Transaction) -> RpcError {
    match error {
        SubmitError::Failed(error) => chain_failed(error),
        SubmitError::Rejected(reason) => {
            use mycoin_mempool::RejectReason;
            let (code, words) = match reason {
                RejectReason::MissingInputs { .. } => (RpcError::VERIFY, reason.reject_reason()),
                RejectReason::FeeAboveLimit { .. } => {
                    let words = "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)";
                    (RpcError::VERIFY, words.to_owned())
                }
                RejectReason::AlreadyConfirmed { .. } => {
                    (RpcError::VERIFY_ALREADY, "Transaction outputs already in utxo set".to_owned())
                }
                _ => (RpcError::VERIFY_REJECTED, reason.reject_details(tx)),
            };
            let error = RpcError::from_failure(code, reason).with_reject_reason(reason.reject_reason());
            error.in_words_of_core(words)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::blocking;

    const ASYNC: [&str; 11] = [
        "waitfornewblock",
        "waitforblockheight",
        "waitforblock",
        "getpeerinfo",
        "addnode",
        "getaddednodeinfo",
        "disconnectnode",
        "getnodeaddresses",
        "setban",
        "listbanned",
        "clearbanned",
    ];

    #[test]
    fn every_method_of_the_table_has_code() {
        // `help` is made from the table by the transport.
        for method in mycoin_rpc::METHODS.iter().filter(|method| method.name != "help") {
            assert!(blocking(method.name).is_some() != ASYNC.contains(&method.name), "{}", method.name);
        }
    }
}
