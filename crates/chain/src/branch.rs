//! A branch of the block index, in the form that the rules ask for.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use mycoin_consensus::HeaderBranch;
use mycoin_primitives::{BlockHash, Header, Height};

use crate::index::{BlockIndex, Id};

/// The block index behind its lock. Held for moments only: never across a rule, a script or the disk.
#[derive(Debug, Clone)]
pub(crate) struct SharedIndex(Arc<RwLock<BlockIndex>>);

impl SharedIndex {
    pub(crate) fn new(index: BlockIndex) -> Self {
        Self(Arc::new(RwLock::new(index)))
    }

    // A panic while the lock is held poisons the writer's mutex as well, so nothing more is written; reading stays harmless.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, BlockIndex> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, BlockIndex> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn branch(&self, tip: Id) -> Branch {
        let height = self.read().get(tip).height;
        Branch { index: self.clone(), tip, height }
    }
}

/// The chain of headers that ends in one block. It stays what it is while the best chain moves on.
#[derive(Debug, Clone)]
pub struct Branch {
    index: SharedIndex,
    tip: Id,
    height: Height,
}

impl Branch {
    /// The hash of its last block.
    pub fn tip_hash(&self) -> BlockHash {
        self.index.read().get(self.tip).hash
    }
}

impl HeaderBranch for Branch {
    fn tip_height(&self) -> Height {
        self.height
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        let index = self.index.read();
        Some(index.get(index.ancestor(self.tip, height)?).header)
    }
}
