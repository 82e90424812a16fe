//! What the chain tells the other rooms of the node.

use std::sync::Arc;

use crate::{Block, BlockHash, Height};

/// A change of the best chain, in the order in which it happened.
#[derive(Debug, Clone)]
pub enum ChainEvent {
    /// `block` became the tip.
    Connected {
        /// Its height.
        height: Height,
        /// Its hash.
        hash: BlockHash,
        /// The block itself.
        block: Arc<Block>,
    },
    /// `block` was the tip and its parent is the tip again.
    Disconnected {
        /// Its height.
        height: Height,
        /// Its hash.
        hash: BlockHash,
        /// The block itself.
        block: Arc<Block>,
    },
}
