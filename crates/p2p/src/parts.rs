//! A block that may still lie in parts: the transactions of a compact block, where the mempool has them.
//!
//! In:    a whole block, or a header and its transactions in order.
//! Out:   its transactions one by one, for who only looks; the whole block, for who judges or keeps it.
//! Never: a copy before somebody needs one: peers are told of a block first.

use std::sync::Arc;

use mycoin_primitives::{Block, BlockHash, Header, Transaction};

/// A block, whole or in parts; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockParts {
    /// As it came.
    Whole(Arc<Block>),
    /// As it was put together.
    Parts {
        /// Its header.
        header: Header,
        /// Its transactions in order.
        transactions: Arc<[Arc<Transaction>]>,
    },
}

impl BlockParts {
    /// Its header.
    pub fn header(&self) -> &Header {
        match self {
            Self::Whole(block) => &block.header,
            Self::Parts { header, .. } => header,
        }
    }

    /// Its hash.
    pub fn block_hash(&self) -> BlockHash {
        self.header().block_hash()
    }

    /// The block itself, which of parts is a copy.
    pub fn whole(&self) -> Arc<Block> {
        match self {
            Self::Whole(block) => Arc::clone(block),
            Self::Parts { header, transactions } => {
                let txdata = transactions.iter().map(|transaction| transaction.as_ref().clone()).collect();
                Arc::new(Block { header: *header, txdata })
            }
        }
    }

    /// How many transactions it has.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Whole(block) => block.txdata.len(),
            Self::Parts { transactions, .. } => transactions.len(),
        }
    }

    /// The transaction in that place.
    pub(crate) fn get(&self, place: usize) -> Option<&Transaction> {
        match self {
            Self::Whole(block) => block.txdata.get(place),
            Self::Parts { transactions, .. } => transactions.get(place).map(Arc::as_ref),
        }
    }

    pub(crate) fn transactions(&self) -> impl Iterator<Item = &Transaction> {
        (0..self.len()).filter_map(|place| self.get(place))
    }
}

impl From<Arc<Block>> for BlockParts {
    fn from(block: Arc<Block>) -> Self {
        Self::Whole(block)
    }
}
