//! Why the index could not be read or written.

use std::path::PathBuf;

use mycoin_primitives::{BlockHash, Failure, OutPoint};
use mycoin_storage::StorageError;

/// Why the index failed. None of it touches the chain: an index can always be thrown away and rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The disk or the store on it failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The folder holds another coin's index.
    #[error("the index in {path} belongs to the coin whose first block is {found}", path = path.display())]
    OtherNetwork {
        /// The folder.
        path: PathBuf,
        /// The first block of the index in it.
        found: BlockHash,
    },
    /// The block does not follow the tip; disconnect first.
    #[error("block {hash} does not follow the index's tip {tip}")]
    NotOnTip {
        /// The block.
        hash: BlockHash,
        /// The tip.
        tip: BlockHash,
    },
    /// The genesis block cannot be taken off.
    #[error("the first block cannot be disconnected")]
    AtGenesis,
    /// The block spends an output of which the index has never heard.
    #[error("the index does not know the output {outpoint}, which a block spends")]
    UnknownOutput {
        /// The output.
        outpoint: OutPoint,
    },
    /// A record has not the form that its table asks, or another record that must be there is missing.
    #[error("the index's table {table} is damaged")]
    Damaged {
        /// The table.
        table: &'static str,
    },
}

impl Failure for IndexError {
    fn code(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.code(),
            Self::OtherNetwork { .. } => "index/other-network",
            Self::NotOnTip { .. } => "index/not-on-tip",
            Self::AtGenesis => "index/at-genesis",
            Self::UnknownOutput { .. } => "index/unknown-output",
            Self::Damaged { .. } => "index/damaged",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.next_step(),
            Self::OtherNetwork { .. } => "Name another folder with --dir, or the network that this folder belongs to.",
            Self::NotOnTip { .. } | Self::AtGenesis | Self::UnknownOutput { .. } | Self::Damaged { .. } => {
                "Stop the proxy, remove the folder `index` and start again: it is rebuilt from the base server's blocks."
            }
        }
    }
}
