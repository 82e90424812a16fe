//! Why a header or block was not taken, and why the chain itself cannot go on.

use mycoin_consensus::{BlockRuleError, HeaderRuleError, Verdict};
use mycoin_primitives::{BlockHash, Failure};
use mycoin_storage::StorageError;

/// Why the chain cannot be opened, read or written. Never the fault of a block.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Disk or store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An earlier failure left the chain in doubt; only a new start helps.
    #[error("the chain stopped after an earlier failure: {cause}")]
    Halted {
        /// That failure, in words.
        cause: String,
    },
    /// The index names a parent that it does not hold.
    #[error("the block index is damaged: block {hash} stands there without its parent")]
    ParentMissing {
        /// The block.
        hash: BlockHash,
    },
    /// The stored tip is not in the block index.
    #[error("the block index is damaged: it lacks the tip {hash}")]
    TipMissing {
        /// The tip.
        hash: BlockHash,
    },
    /// A block of the best chain is needed, and its bytes are gone.
    #[error("block {hash} of the best chain cannot be read from the block files")]
    BlockMissing {
        /// The block.
        hash: BlockHash,
    },
    /// A block of the best chain cannot be disconnected, since its undo data are gone.
    #[error("the undo data of block {hash} are missing or do not fit it")]
    UndoMissing {
        /// The block.
        hash: BlockHash,
    },
    /// A stored block breaks a rule when it is looked at again.
    #[error("block {hash} of the best chain is damaged: {source}")]
    BlockDamaged {
        /// The block.
        hash: BlockHash,
        /// What is wrong now.
        #[source]
        source: Box<BlockRuleError>,
    },
    /// While the coins were counted again, one was spent that is not there.
    #[error("block {hash} spends a coin that the blocks before it did not leave")]
    RecountMismatch {
        /// The block.
        hash: BlockHash,
    },
    /// A person named a block that is not known.
    #[error("block {hash} is not known")]
    UnknownBlock {
        /// What was named.
        hash: BlockHash,
    },
    /// The first block cannot be taken away.
    #[error("the genesis block cannot be marked invalid")]
    GenesisStays,
}

impl Failure for ChainError {
    fn code(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.code(),
            Self::Halted { .. } => "chain/halted",
            Self::ParentMissing { .. } | Self::TipMissing { .. } => "chain/index-damaged",
            Self::BlockMissing { .. } => "chain/block-missing",
            Self::UndoMissing { .. } => "chain/undo-missing",
            Self::BlockDamaged { .. } => "chain/block-damaged",
            Self::RecountMismatch { .. } => "chain/recount-mismatch",
            Self::UnknownBlock { .. } => "block/unknown",
            Self::GenesisStays => "block/genesis-stays",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.next_step(),
            Self::Halted { .. } => "Look at the log for the first failure, see to it, and start the server again.",
            Self::ParentMissing { .. }
            | Self::TipMissing { .. }
            | Self::BlockMissing { .. }
            | Self::UndoMissing { .. }
            | Self::BlockDamaged { .. }
            | Self::RecountMismatch { .. } => {
                "Check the disk, then remove the folder `chain` and start again: it is made anew from the block files."
            }
            Self::UnknownBlock { .. } => "Check the block's hash.",
            Self::GenesisStays => "Name a later block.",
        }
    }
}

/// Why a header or block was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The header breaks a rule.
    #[error("block {hash} is refused: {source}")]
    Header {
        /// The block.
        hash: BlockHash,
        /// The rule.
        #[source]
        source: Box<HeaderRuleError>,
    },
    /// The block breaks a rule.
    #[error("block {hash} is refused: {source}")]
    Block {
        /// The block.
        hash: BlockHash,
        /// The rule.
        #[source]
        source: Box<BlockRuleError>,
    },
    /// Nobody gave the header of its parent yet.
    #[error("block {hash} cannot be placed: its parent {parent} is not known")]
    UnknownParent {
        /// The block.
        hash: BlockHash,
        /// What it builds on.
        parent: BlockHash,
    },
    /// It builds on a block that was found invalid.
    #[error("block {hash} is refused: it builds on {parent}, which is invalid")]
    InvalidParent {
        /// The block.
        hash: BlockHash,
        /// What it builds on.
        parent: BlockHash,
    },
    /// It was found invalid before, or it builds on one that was.
    #[error("block {hash} is refused: it was found invalid before")]
    KnownInvalid {
        /// The block.
        hash: BlockHash,
    },
    /// A candidate for the next block must build on the tip.
    #[error("the candidate builds on {parent}, but the tip is {tip}")]
    NotOnTip {
        /// What it builds on.
        parent: BlockHash,
        /// The best chain's last block.
        tip: BlockHash,
    },
    /// The chain failed, which says nothing about the block.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl AcceptError {
    /// What to do with the block and with who sent it; `None` when the failure says nothing about them.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Header { source, .. } => Some(mycoin_consensus::header_verdict(source)),
            Self::Block { source, .. } => Some(mycoin_consensus::verdict(source)),
            Self::InvalidParent { .. } | Self::KnownInvalid { .. } => Some(Verdict::Invalid),
            Self::UnknownParent { .. } | Self::NotOnTip { .. } => Some(Verdict::RetryLater),
            Self::Chain(_) => None,
        }
    }

    /// Bitcoin's word for the reason, as `submitblock` gives it.
    pub fn reject_reason(&self) -> String {
        match self {
            Self::Header { source, .. } => source.reject_reason().to_string(),
            Self::Block { source, .. } => source.reject_reason().to_string(),
            Self::UnknownParent { .. } => "prev-blk-not-found".to_owned(),
            Self::InvalidParent { .. } => "bad-prevblk".to_owned(),
            Self::KnownInvalid { .. } => "duplicate-invalid".to_owned(),
            Self::NotOnTip { .. } => "inconclusive-not-best-prevblk".to_owned(),
            Self::Chain(_) => "error".to_owned(),
        }
    }
}

impl Failure for AcceptError {
    fn code(&self) -> &'static str {
        match self {
            Self::Header { source, .. } => source.code(),
            Self::Block { source, .. } => source.code(),
            Self::UnknownParent { .. } => "block/unknown-parent",
            Self::InvalidParent { .. } => "block/invalid-parent",
            Self::KnownInvalid { .. } => "block/known-invalid",
            Self::NotOnTip { .. } => "block/not-on-tip",
            Self::Chain(error) => error.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Header { source, .. } => source.next_step(),
            Self::Block { source, .. } => source.next_step(),
            Self::UnknownParent { .. } => "Send its ancestors first.",
            Self::InvalidParent { .. } | Self::KnownInvalid { .. } => "",
            Self::NotOnTip { .. } => "Ask for a new template.",
            Self::Chain(error) => error.next_step(),
        }
    }
}
