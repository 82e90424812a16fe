//! The filters of blocks, kept for light clients (BIP157): made once for each block that was on the best chain.
//!
//! In:    blocks of the best chain, each after its parent, with the coins that they spent, as the [`Chain`] has them.
//! Out:   by block: its filter, the filter's hash and its header.
//! Never: what the chain needs. The folder can be removed at any time, and a failure here stops nothing else.
//!
//! A block's hash settles its filter and all headers before it. So a record is written once and stays true, also when its
//! block leaves the best chain. And since each is written after its parent's, nothing need be kept of how far the index
//! came: whatever became of it or of the chain, it holds the best chain up to some block, which is found by halving.
//!
//! Source: Bitcoin Core `BlockFilterIndex`, index/blockfilterindex.cpp; BIP157.

use std::fs;
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use mycoin_primitives::bitcoin::bip158::{FilterHash, FilterHeader};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Block, BlockHash, BlockUndo, Failure, Height};
use mycoin_storage::{StorageError, Store, Table};

use crate::{Chain, ChainError, block_filter};

/// Records and filters share a table: of one table, a loss of power takes the newest alone.
const TABLE: &str = "filters";
/// Before a block's hash: its record.
const RECORD: u8 = b'r';
/// Before a block's hash: its filter.
const FILTER: u8 = b'f';
const FORM_KEY: &[u8] = b"form";
/// The form of the table. An index of another form is thrown away and made anew.
const FORM: u32 = 1;
/// A file that stands where the index was found damaged.
const MARK: &str = "damaged";

/// The filters of all blocks that were on the best chain while the index followed it.
#[derive(Debug)]
pub struct FilterIndex {
    folder: PathBuf,
    store: Store,
    table: Table,
}

/// What stands in the chain of filter headers at one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterRecord {
    /// The hash of the block's filter.
    pub filter: FilterHash,
    /// That hashed with the header before it.
    pub header: FilterHeader,
}

/// Why the index cannot go on. None of it touches the chain.
#[derive(Debug, thiserror::Error)]
pub enum FilterIndexError {
    /// It could not be opened or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The damaged one could not be removed, or marked as such.
    #[error("cannot clear away the damaged filters in {path}: {source}", path = path.display())]
    NotRemoved {
        /// Its folder.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// What was written cannot be read.
    #[error("the kept filters cannot be read: {source}")]
    Unreadable {
        /// What the store says.
        #[source]
        source: StorageError,
    },
    /// What was read is not what was written.
    #[error("the kept filters are damaged: {what}")]
    Damaged {
        /// Where it shows.
        what: &'static str,
    },
    /// The chain did not give a block.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl FilterIndexError {
    /// Whether making the index anew mends it.
    pub const fn is_damage(&self) -> bool {
        match self {
            Self::Unreadable { .. } | Self::Damaged { .. } => true,
            Self::Storage(_) | Self::NotRemoved { .. } | Self::Chain(_) => false,
        }
    }
}

impl Failure for FilterIndexError {
    fn code(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.code(),
            Self::NotRemoved { .. } => "filters/not-removed",
            Self::Unreadable { .. } | Self::Damaged { .. } => "filters/damaged",
            Self::Chain(error) => error.code(),
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Storage(_) | Self::NotRemoved { .. } => "Check that the disk has room and works, then start again.",
            Self::Unreadable { .. } | Self::Damaged { .. } => "Start again: the filters are made anew.",
            Self::Chain(error) => error.next_step(),
        }
    }
}

/// What became of one block.
enum Step {
    /// The index has it.
    Held,
    /// The index lacks its parent.
    ParentFirst,
    /// It left the best chain.
    Gone,
}

impl FilterIndex {
    /// Opens the index in `folder`, making it where it is missing. One that is damaged is thrown away, with a line in the log.
    ///
    /// # Errors
    ///
    /// [`FilterIndexError::Storage`], [`FilterIndexError::NotRemoved`].
    pub fn open(folder: &Path) -> Result<Self, FilterIndexError> {
        let cause = match Self::open_sound(folder) {
            Err(cause) if cause.is_damage() => cause,
            opened => return opened,
        };
        tracing::warn!(%cause, "the filters of blocks are thrown away and made anew");
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(not_removed(folder)(error)),
            _ => Self::open_sound(folder),
        }
    }

    fn open_sound(folder: &Path) -> Result<Self, FilterIndexError> {
        if folder.join(MARK).exists() {
            return Err(FilterIndexError::Damaged { what: "an earlier run found it" });
        }
        // The store trusts some of its files so far that it panics over damaged ones.
        let opened = catch_unwind(AssertUnwindSafe(|| Store::open(folder, [TABLE])));
        let opened = opened.map_err(|_| FilterIndexError::Damaged { what: "a file of the store" })?;
        let (store, [table]) = opened.map_err(|error| match error {
            StorageError::Store { .. } => FilterIndexError::Unreadable { source: error },
            error => error.into(),
        })?;
        let index = Self { folder: folder.to_owned(), store, table };
        match index.get(FORM_KEY)? {
            Some(form) if form == FORM.to_le_bytes() => {}
            Some(_) => return Err(FilterIndexError::Damaged { what: "it has another version's form" }),
            None => {
                let mut batch = index.store.batch();
                batch.put(&index.table, FORM_KEY, &FORM.to_le_bytes());
                index.store.commit(batch)?;
            }
        }
        Ok(index)
    }

    /// Sees to it that the next [`Self::open`] begins anew.
    ///
    /// # Errors
    ///
    /// [`FilterIndexError::NotRemoved`].
    pub fn mark_damaged(&self) -> Result<(), FilterIndexError> {
        fs::write(self.folder.join(MARK), []).map_err(not_removed(&self.folder))
    }

    /// What stands at a block; `None` for one that the index did not see.
    ///
    /// # Errors
    ///
    /// What [`FilterIndexError::is_damage`] tells of.
    pub fn record(&self, block: &BlockHash) -> Result<Option<FilterRecord>, FilterIndexError> {
        let Some(bytes) = self.get(&key(RECORD, block))? else { return Ok(None) };
        let halves = bytes.split_first_chunk::<32>();
        let record = halves.and_then(|(filter, header)| {
            let (filter, header) = (FilterHash::from_byte_array(*filter), header.try_into().ok()?);
            Some(FilterRecord { filter, header: FilterHeader::from_byte_array(header) })
        });
        record.map(Some).ok_or(FilterIndexError::Damaged { what: "a record" })
    }

    /// A block's basic filter (BIP158), and what stands at the block.
    ///
    /// # Errors
    ///
    /// As [`Self::record`].
    pub fn filter(&self, block: &BlockHash) -> Result<Option<(Vec<u8>, FilterRecord)>, FilterIndexError> {
        let Some(record) = self.record(block)? else { return Ok(None) };
        let filter = self.get(&key(FILTER, block))?.filter(|bytes| FilterHash::hash(bytes) == record.filter);
        filter.map(|bytes| Some((bytes, record))).ok_or(FilterIndexError::Damaged { what: "a filter" })
    }

    /// Takes in the blocks of the best chain that are missing, lowest first, until `took` breaks off. `took` learns of each
    /// block's height.
    ///
    /// Returns the height up to which the index holds the best chain; `None` where it was broken off.
    ///
    /// # Errors
    ///
    /// [`FilterIndexError`]; what was taken in before stays.
    pub fn catch_up(
        &self,
        chain: &Chain,
        mut took: impl FnMut(Height) -> ControlFlow<()>,
    ) -> Result<Option<Height>, FilterIndexError> {
        let mut height = self.first_missing(chain)?;
        while let Some(hash) = chain.hash_at(height) {
            match self.take_in(chain, &hash)? {
                Step::Held => {
                    if took(height).is_break() {
                        return Ok(None);
                    }
                    height = height.next();
                }
                // The chain changed meanwhile.
                Step::ParentFirst => height = height.back(1),
                Step::Gone => {}
            }
        }
        // The chain may have become shorter meanwhile.
        Ok(height.previous().map(|held| held.min(chain.tip().height)))
    }

    /// The lowest height of the best chain whose block the index lacks.
    fn first_missing(&self, chain: &Chain) -> Result<Height, FilterIndexError> {
        let (mut held, mut missing) = (0, chain.tip().height.next().to_u32());
        while held < missing {
            let middle = held + (missing - held) / 2;
            let is_held = match chain.hash_at(Height::new(middle)) {
                Some(hash) => self.record(&hash)?.is_some(),
                None => false,
            };
            if is_held { held = middle + 1 } else { missing = middle }
        }
        Ok(Height::new(held))
    }

    fn take_in(&self, chain: &Chain, hash: &BlockHash) -> Result<Step, FilterIndexError> {
        if self.record(hash)?.is_some() {
            return Ok(Step::Held);
        }
        let Some((block, undo)) = connected(chain, hash)? else { return Ok(Step::Gone) };
        let before = match chain.header(hash).and_then(|entry| entry.parent) {
            None => FilterHeader::all_zeros(),
            Some(parent) => match self.record(&parent)? {
                Some(record) => record.header,
                None => return Ok(Step::ParentFirst),
            },
        };
        let content = block_filter(&block, &undo).content;
        let filter = FilterHash::hash(&content);
        let header = filter.filter_header(&before);
        let mut batch = self.store.batch();
        let record = [filter.to_byte_array(), header.to_byte_array()].concat();
        batch.put(&self.table, &key(RECORD, hash), &record);
        batch.put(&self.table, &key(FILTER, hash), &content);
        self.store.commit(batch)?;
        Ok(Step::Held)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, FilterIndexError> {
        self.table.get(key).map_err(|source| FilterIndexError::Unreadable { source })
    }
}

fn key(kind: u8, block: &BlockHash) -> Vec<u8> {
    [&[kind][..], block.as_byte_array()].concat()
}

fn not_removed(folder: &Path) -> impl FnOnce(io::Error) -> FilterIndexError {
    move |source| FilterIndexError::NotRemoved { path: folder.to_owned(), source }
}

/// A block and the coins that it spent; `None` when it is not on the best chain.
fn connected(chain: &Chain, hash: &BlockHash) -> Result<Option<(Arc<Block>, BlockUndo)>, ChainError> {
    let look = || -> Result<_, ChainError> { Ok(chain.block(hash)?.zip(chain.undo(hash)?)) };
    if let Some(found) = look()? {
        return Ok(Some(found));
    }
    // Between a step of the chain on disk and the same in memory the two differ. They do not while nobody writes.
    let _nobody_writes = chain.writer.lock().unwrap_or_else(PoisonError::into_inner);
    match look()? {
        None if chain.header(hash).is_some_and(|entry| entry.on_best_chain) => {
            Err(ChainError::BlockMissing { hash: *hash })
        }
        found => Ok(found),
    }
}
