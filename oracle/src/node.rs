//! Our chain as a receiver of blocks.
//!
//! In:    blocks as they travel, decoded by the library that our node uses.
//! Out:   its verdict, its tip, its reject reasons.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mycoin_chain::{AcceptError, Accepted, BlockStatus, Chain, ChainError, ChainOptions};
use mycoin_primitives::bitcoin::consensus::encode::deserialize;
use mycoin_primitives::{Block, BlockHash, Network};
use mycoin_testkit::block_cases::{Delivery, Outcome, Receiver, Verdict, wire_bytes};
use tempfile::TempDir;

/// A chain of ours on regtest, with nothing but the genesis block.
pub(crate) struct Node {
    chain: Chain,
    _folder: TempDir,
}

impl Node {
    /// Begins with the genesis block.
    pub(crate) fn new() -> Result<Self, NodeError> {
        let folder = tempfile::tempdir()?;
        let chain = Chain::open(&folder.path().join("regtest"), Network::regtest(), ChainOptions::default())?;
        Ok(Self { chain, _folder: folder })
    }

    /// Takes it in now, by the machine's clock.
    pub(crate) fn deliver_by_clock(&mut self, delivery: &Delivery) -> Outcome {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        self.deliver(delivery, Some(u32::try_from(now).unwrap_or(u32::MAX)))
    }

    fn block(&self, block: Arc<Block>, now: u32) -> Outcome {
        let own = block.block_hash();
        let (verdict, mut refused) = match self.chain.accept_block(block, now) {
            Ok(Accepted { status, refused, .. }) => {
                let mut refused: Vec<_> = refused.iter().filter_map(named).collect();
                match refused.iter().position(|(hash, _)| *hash == own) {
                    Some(place) => (Verdict::Rejected { reason: refused.remove(place).1 }, refused),
                    None if status == BlockStatus::Known => (Verdict::Known, refused),
                    None => (Verdict::Accepted, refused),
                }
            }
            Err(error) => (Verdict::Rejected { reason: error.reject_reason() }, Vec::new()),
        };
        refused.sort();
        self.outcome(verdict, refused)
    }

    fn outcome(&self, verdict: Verdict, refused: Vec<(BlockHash, String)>) -> Outcome {
        Outcome { verdict, tip: self.chain.tip().hash, refused }
    }

    fn bytes(&self, bytes: &[u8], now: u32) -> Outcome {
        match deserialize::<Block>(bytes) {
            Ok(block) => self.block(Arc::new(block), now),
            Err(_) => self.outcome(Verdict::Undecodable, Vec::new()),
        }
    }
}

/// Why our chain could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeError {
    /// No folder.
    #[error("no temporary folder: {0}")]
    Folder(#[from] std::io::Error),
    /// The chain itself.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

fn named(error: &AcceptError) -> Option<(BlockHash, String)> {
    match error {
        AcceptError::Header { hash, .. } | AcceptError::Block { hash, .. } => Some((*hash, error.reject_reason())),
        AcceptError::UnknownParent { .. }
        | AcceptError::InvalidParent { .. }
        | AcceptError::KnownInvalid { .. }
        | AcceptError::NotOnTip { .. }
        | AcceptError::Chain(_) => None,
    }
}

impl Receiver for Node {
    fn deliver(&mut self, delivery: &Delivery, now: Option<u32>) -> Outcome {
        let now = now.unwrap_or(u32::MAX);
        match delivery {
            // The library cannot read a transaction without inputs; the rule against it is asked all the same.
            Delivery::Block(block) if block.txdata.iter().any(|tx| tx.input.is_empty()) => {
                self.block(Arc::clone(block), now)
            }
            Delivery::Block(block) => self.bytes(&wire_bytes(block), now),
            Delivery::Bytes(bytes) => self.bytes(bytes, now),
            Delivery::Header(header) => match self.chain.accept_header(*header, now) {
                Ok(_) => self.outcome(Verdict::Accepted, Vec::new()),
                Err(error) => self.outcome(Verdict::Rejected { reason: error.reject_reason() }, Vec::new()),
            },
        }
    }
}
