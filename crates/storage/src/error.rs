//! Why bytes could not be kept or found.

use std::io;
use std::path::{Path, PathBuf};

use mycoin_files::FilesError;
use mycoin_primitives::{BlockHash, Failure};

/// Why the disk or the store on it failed. Never says anything about a block's validity.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A file or folder could not be used.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Another process works in this folder.
    #[error("{path} is in use by another process", path = path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The embedded store failed.
    #[error("the store in {path} failed: {source}", path = path.display())]
    Store {
        /// Its folder.
        path: PathBuf,
        /// What the store says.
        #[source]
        source: Box<fjall::Error>,
    },
    /// A block file could not be read or written.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// A record has not the form that its table asks.
    #[error("a record of the table {table} is damaged")]
    BadRecord {
        /// The table.
        table: &'static str,
    },
    /// The folder was written by another version of this program.
    #[error("the data in {path} have format {found}, and this program reads format {known}", path = path.display())]
    UnknownFormat {
        /// The folder.
        path: PathBuf,
        /// The format that its meta table names.
        found: u32,
        /// The format of this program.
        known: u32,
    },
    /// The folder belongs to another coin.
    #[error("{path} holds the chain with the genesis block {found}, not {expected}", path = path.display())]
    OtherNetwork {
        /// The folder.
        path: PathBuf,
        /// The genesis block of the chain in it.
        found: BlockHash,
        /// The genesis block of the network that was asked for.
        expected: BlockHash,
    },
    /// A file stands where block files belong, and it holds something else.
    #[error("{path} does not hold blocks of this network", path = path.display())]
    NotBlocks {
        /// The file.
        path: PathBuf,
    },
    /// A block of this size does not fit a block file's length field.
    #[error("a block of {bytes} bytes is too large to store")]
    BlockTooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl StorageError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

impl Failure for StorageError {
    fn code(&self) -> &'static str {
        match self {
            Self::Files(error) => error.code(),
            Self::InUse { .. } => "storage/in-use",
            Self::Store { .. } => "storage/store",
            Self::Io { .. } => "storage/io",
            Self::BadRecord { .. } => "storage/bad-record",
            Self::UnknownFormat { .. } => "storage/unknown-format",
            Self::OtherNetwork { .. } => "storage/other-network",
            Self::NotBlocks { .. } => "storage/not-blocks",
            Self::BlockTooLarge { .. } => "storage/block-too-large",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "Stop the other program, or name another folder with --dir.",
            Self::Store { .. } | Self::Io { .. } => "Check that the disk has room and works, then start again.",
            Self::BadRecord { .. } => {
                "Check the disk, then remove the folder `chain` and start again: it is made anew from the block files."
            }
            Self::UnknownFormat { .. } => {
                "Use the version of the program that wrote it, or name another folder with --dir."
            }
            Self::OtherNetwork { .. } | Self::NotBlocks { .. } => {
                "Name another folder with --dir, or the network that this folder belongs to."
            }
            Self::Files(_) | Self::BlockTooLarge { .. } => "",
        }
    }
}
