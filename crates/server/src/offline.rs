//! The node without sockets, threads and a clock of its own: what simulations of many nodes in one process are made of.
//!
//! In:    a folder, the chain's spec, what waited in the mempool, the time.
//! Out:   the very judgements and answers that peers get from a server ([`Host`]), and the news that it would tell them.
//! Never: part of what a running server does; not part of the public interface.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use mycoin_chain::{AcceptError, Chain, ChainOptions, SignatureCache};
use mycoin_mempool::{Mempool, MempoolLimits, TemplateOptions};
use mycoin_p2p::{Host, WaitingTransaction};
use mycoin_primitives::{Amount, Block, FeeRate, MiningTrigger, Network, ScriptBuf, Transaction};
use mycoin_rpc::Event;
use tokio::sync::broadcast;

use crate::mining::{MineError, Miner, solve};
use crate::node::{Node, SubmitError};
use crate::{ServerError, clock};

/// Threads that check one node's scripts.
const SCRIPT_THREADS: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN;

/// Threads that look for a nonce: one, so that the same block has the same nonce in every run.
const SEARCH_THREADS: usize = 1;

/// Stops the clock of the calling thread at a time, in seconds since 1970; `None` lets it follow the process' again.
pub fn set_thread_time(time: Option<u32>) {
    clock::set_thread_time(time);
}

/// What changed since the last look, in the order in which a server tells its peers.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct News {
    /// Transactions that came into the mempool.
    pub added: Vec<WaitingTransaction>,
    /// Whether the best chain has another tip.
    pub is_tip_new: bool,
}

/// Chain and mempool of one server.
pub struct OfflineNode {
    node: Node,
    events: Mutex<broadcast::Receiver<Event>>,
}

impl OfflineNode {
    /// Opens the chain in `folder`, and takes back what waited. `signatures` may be shared by many nodes.
    ///
    /// # Errors
    ///
    /// [`ServerError`]: the chain cannot be opened.
    pub fn open(
        folder: &Path,
        network: &Network,
        signatures: &Arc<SignatureCache>,
        mempool: &[u8],
    ) -> Result<Self, ServerError> {
        let options = ChainOptions { script_threads: Some(SCRIPT_THREADS), signatures: Some(Arc::clone(signatures)) };
        let chain = Chain::open(folder, network.clone(), options)?;
        let pool = Mempool::new(network.clone(), MempoolLimits::default());
        let pool = pool.with_signature_cache(Arc::clone(signatures));
        let node = Node::new(chain, pool, Miner::new(MiningTrigger::Off, None));
        node.load_mempool(mempool);
        let events = Mutex::new(node.subscribe());
        Ok(Self { node, events })
    }

    /// What the protocol asks, and who judges for it.
    pub fn host(&self) -> &dyn Host {
        &self.node
    }

    /// Takes a block as from the command line.
    ///
    /// # Errors
    ///
    /// [`AcceptError`] names the rule that it breaks.
    pub fn submit_block(&self, block: Arc<Block>) -> Result<(), AcceptError> {
        self.node.submit_block(block).map(|_| ())
    }

    /// Takes a transaction as from a wallet.
    ///
    /// # Errors
    ///
    /// Bitcoin's reject string, or what failed.
    pub fn submit_transaction(&self, transaction: Transaction) -> Result<(), String> {
        match self.node.submit_transaction(transaction, None) {
            Ok(_) => Ok(()),
            Err(SubmitError::Rejected(reason)) => Err(reason.reject_reason()),
            Err(SubmitError::Failed(error)) => Err(error.to_string()),
        }
    }

    /// Mines a block on the tip from what waits, and takes it. Another `extra_nonce` makes another block.
    ///
    /// # Errors
    ///
    /// What refused it, for a test to show: a mined block holds to every rule.
    pub fn mine(&self, pays_to: ScriptBuf, extra_nonce: u64) -> Result<Arc<Block>, String> {
        let options = TemplateOptions {
            coinbase_script: pays_to,
            max_transactions: self.node.network().max_block_transactions,
            now: clock::header_now(),
            extra_nonce,
        };
        let template = self.node.at_rest(|chain, mempool| mempool.block_template(&chain.tip_branch(), &options));
        let block = solve(template.block, SEARCH_THREADS).map_err(|error| match error {
            MineError::TipMoves | MineError::NotFound => "no nonce was found".to_owned(),
            MineError::Refused(error) => error.to_string(),
        })?;
        let block = Arc::new(block);
        self.node.submit_block(Arc::clone(&block)).map_err(|error| error.to_string())?;
        Ok(block)
    }

    /// The waiting transactions as the server saves them.
    pub fn dump_mempool(&self) -> Vec<u8> {
        self.node.mempool().dump()
    }

    /// How many transactions wait.
    pub fn waiting(&self) -> usize {
        self.node.mempool().len()
    }

    /// How many branches of headers are known.
    pub fn branches(&self) -> usize {
        self.node.chain.tips().len()
    }

    /// What changed since the last call.
    pub fn take_news(&self) -> News {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = News::default();
        loop {
            match events.try_recv() {
                Ok(Event::TransactionAdded(added)) => news.added.push(WaitingTransaction {
                    txid: added.txid,
                    wtxid: added.wtxid,
                    fee_rate: FeeRate::of(Amount::from_sat(added.fee), added.vsize),
                }),
                Ok(Event::BlockConnected(_) | Event::BlockDisconnected(_)) => news.is_tip_new = true,
                Ok(Event::TransactionRemoved(_) | Event::Mining(_)) => {}
                Err(broadcast::error::TryRecvError::Lagged(_)) => news.is_tip_new = true,
                Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => return news,
            }
        }
    }
}
