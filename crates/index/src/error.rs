//! Why the index could not be read or written.

use std::error::Error;
use std::io::{self, ErrorKind};
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
    /// Another version of this program wrote it.
    #[error("the index has the form of another version")]
    OtherForm,
    /// It was thrown away, and the disk did not take a new one.
    #[error("the index is gone, and a new one could not be made")]
    Gone,
}

impl IndexError {
    /// Whether throwing the index away and reading the blocks again mends it. A disk that fails is not mended by that.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Storage(error) => is_damage(error),
            Self::UnknownOutput { .. } | Self::Damaged { .. } | Self::OtherForm => true,
            Self::OtherNetwork { .. } | Self::NotOnTip { .. } | Self::AtGenesis | Self::Gone => false,
        }
    }
}

fn is_damage(error: &StorageError) -> bool {
    match error {
        StorageError::Store { source, .. } => !is_disk_failure(source.as_ref()),
        StorageError::BadRecord { .. } => true,
        StorageError::Files(_)
        | StorageError::InUse { .. }
        | StorageError::Io { .. }
        | StorageError::UnknownFormat { .. }
        | StorageError::OtherNetwork { .. }
        | StorageError::NotBlocks { .. }
        | StorageError::BlockTooLarge { .. } => false,
    }
}

/// Whether the operating system refused, for another reason than that a file of the store is missing, cut short,
/// bent, or there although the others do not know it.
pub(crate) fn is_disk_failure(error: &(dyn Error + 'static)) -> bool {
    let bent = |kind| {
        use ErrorKind::{AlreadyExists, InvalidData, NotFound, UnexpectedEof};
        matches!(kind, NotFound | AlreadyExists | UnexpectedEof | InvalidData)
    };
    match error.downcast_ref::<io::Error>() {
        Some(refused) => !bent(refused.kind()),
        None => error.source().is_some_and(is_disk_failure),
    }
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
            Self::OtherForm => "index/other-form",
            Self::Gone => "index/gone",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.next_step(),
            Self::OtherNetwork { .. } => "Name another folder with --dir, or the network that this folder belongs to.",
            Self::Gone => "Check that the disk has room and works.",
            Self::NotOnTip { .. }
            | Self::AtGenesis
            | Self::UnknownOutput { .. }
            | Self::Damaged { .. }
            | Self::OtherForm => {
                "Stop the proxy, remove the folder `index` and start again: it is rebuilt from the base server's blocks."
            }
        }
    }
}
