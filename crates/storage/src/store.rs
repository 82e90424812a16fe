//! The embedded key-value store: named tables in one folder, written by atomic batches.
//!
//! In:    keys and values as bytes; the tables' names are given once, at open.
//! Out:   values, ordered scans, snapshots that stand still while others write.
//! Never: a half-written batch after `kill -9`, nor, of durable ones, after a loss of power; a meaning of the bytes.
//!
//! A committed batch survives the end of the process; [`Store::sync`] makes it survive the loss of power as well. Until then a
//! loss of power can keep it in one table and lose it in another (tables are flushed one by one), so what must agree across
//! tables at every moment is committed with [`Store::commit_durably`].

use std::ops::Bound;
use std::path::{Path, PathBuf};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};

use crate::StorageError;

/// What the store keeps of its files in memory.
const CACHE_BYTES: u64 = 48 * 1024 * 1024;
/// Fresh writes of a table that wait in memory. Small, so that little must be read again after `kill -9`.
const WRITE_BUFFER_BYTES: u64 = 4 * 1024 * 1024;
/// The least that fjall takes as a limit of its journals.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
/// Open files that it keeps; the usual limit of a process is 1,024.
const OPEN_FILES: usize = 128;

/// A folder with named tables.
pub struct Store {
    database: Database,
    path: PathBuf,
}

/// One table of a [`Store`]; cheap to clone.
#[derive(Clone)]
pub struct Table {
    keyspace: Keyspace,
    name: &'static str,
}

/// Changes that become visible, and durable, together or not at all.
pub struct Batch {
    inner: fjall::OwnedWriteBatch,
}

/// All tables as they stood at one moment.
pub struct Snapshot {
    inner: fjall::Snapshot,
}

/// Key and value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// The pairs of a scan in the order of their keys; `rev()` turns it round.
pub struct Scan {
    inner: fjall::Iter,
    table: &'static str,
}

impl Store {
    /// Opens the store in `path`, a folder of mode 0700 that is made where it is missing, with these tables.
    ///
    /// # Errors
    ///
    /// [`StorageError::InUse`] when another process has it open, [`StorageError::Store`] when it cannot be read.
    pub fn open<const N: usize>(path: &Path, tables: [&'static str; N]) -> Result<(Self, [Table; N]), StorageError> {
        mycoin_files::ensure_private_dir(path)?;
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .max_cached_files(Some(OPEN_FILES))
            .worker_threads(2)
            .open()
            .map_err(|error| failed(path, error))?;
        let mut opened = Vec::with_capacity(N);
        for name in tables {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(WRITE_BUFFER_BYTES);
            let keyspace = database.keyspace(name, options).map_err(|error| failed(path, error))?;
            opened.push(Table { keyspace, name });
        }
        let opened = opened.try_into().unwrap_or_else(|_| unreachable!("one table was pushed for each of the N names"));
        Ok((Self { database, path: path.to_owned() }, opened))
    }

    /// Starts a batch.
    pub fn batch(&self) -> Batch {
        Batch { inner: self.database.batch() }
    }

    /// Starts a batch of about so many changes.
    pub fn batch_of(&self, changes: usize) -> Batch {
        let batch = fjall::OwnedWriteBatch::with_capacity(self.database.clone(), changes);
        // As `batch` does: written to the file when it is committed, so that it survives the end of the process.
        Batch { inner: batch.durability(Some(PersistMode::Buffer)) }
    }

    /// Makes a batch's changes visible, all at once.
    ///
    /// # Errors
    ///
    /// [`StorageError::Store`]; nothing more can be written after one.
    pub fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        batch.inner.commit().map_err(|error| failed(&self.path, error))
    }

    /// As [`Self::commit`], and the batch is on disk before any table takes it in. What else the file system notes of the journal,
    /// such as when it was written, is not waited for.
    ///
    /// # Errors
    ///
    /// [`StorageError::Store`]; nothing more can be written after one.
    pub fn commit_durably(&self, batch: Batch) -> Result<(), StorageError> {
        batch.inner.durability(Some(PersistMode::SyncData)).commit().map_err(|error| failed(&self.path, error))
    }

    /// Waits until all committed batches are on disk.
    ///
    /// # Errors
    ///
    /// [`StorageError::Store`]; nothing more can be written after one.
    pub fn sync(&self) -> Result<(), StorageError> {
        self.database.persist(PersistMode::SyncAll).map_err(|error| failed(&self.path, error))
    }

    /// Takes a snapshot of all tables.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { inner: self.database.snapshot() }
    }

    /// How many bytes the store takes on disk, journals included.
    ///
    /// # Errors
    ///
    /// [`StorageError::Store`].
    pub fn size(&self) -> Result<u64, StorageError> {
        self.database.disk_space().map_err(|error| failed(&self.path, error))
    }
}

impl Batch {
    /// Sets `key` to `value`.
    pub fn put(&mut self, table: &Table, key: &[u8], value: &[u8]) {
        self.inner.insert(&table.keyspace, key, value);
    }

    /// Removes `key`; it need not be there.
    pub fn delete(&mut self, table: &Table, key: &[u8]) {
        self.inner.remove(&table.keyspace, key);
    }

    /// Whether nothing was put or deleted.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }
}

impl Table {
    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// [`StorageError::Store`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.keyspace.get(key).map_err(|error| failed(Path::new(self.name), error))?;
        Ok(found.map(|value| value.to_vec()))
    }

    /// All pairs whose key begins with `prefix`, as they stand now.
    pub fn scan(&self, prefix: &[u8]) -> Scan {
        Scan { inner: self.keyspace.prefix(prefix), table: self.name }
    }

    /// All pairs between two keys, as they stand now.
    pub fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Scan {
        Scan { inner: self.keyspace.range::<&[u8], _>((from, to)), table: self.name }
    }
}

impl Snapshot {
    /// The value that `key` had.
    ///
    /// # Errors
    ///
    /// [`StorageError::Store`].
    pub fn get(&self, table: &Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.inner.get(&table.keyspace, key).map_err(|error| failed(Path::new(table.name), error))?;
        Ok(found.map(|value| value.to_vec()))
    }

    /// All pairs whose key begins with `prefix`, as they stood.
    pub fn scan(&self, table: &Table, prefix: &[u8]) -> Scan {
        Scan { inner: self.inner.prefix(&table.keyspace, prefix), table: table.name }
    }
}

impl Scan {
    fn pair(&self, guard: fjall::Guard) -> Result<Pair, StorageError> {
        let (key, value) = guard.into_inner().map_err(|error| failed(Path::new(self.table), error))?;
        Ok((key.to_vec(), value.to_vec()))
    }
}

impl Iterator for Scan {
    type Item = Result<Pair, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let guard = self.inner.next()?;
        Some(self.pair(guard))
    }
}

impl DoubleEndedIterator for Scan {
    fn next_back(&mut self) -> Option<Self::Item> {
        let guard = self.inner.next_back()?;
        Some(self.pair(guard))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("name", &self.name).finish_non_exhaustive()
    }
}

fn failed(path: &Path, error: fjall::Error) -> StorageError {
    match error {
        fjall::Error::Locked => StorageError::InUse { path: path.to_owned() },
        source => StorageError::Store { path: path.to_owned(), source: Box::new(source) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<(), StorageError>;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[test]
    fn a_batch_over_two_tables_is_there_after_a_restart() -> Outcome {
        let dir = folder();
        {
            let (store, [a, b]) = Store::open(&dir.path().join("store"), ["a", "b"])?;
            let mut batch = store.batch();
            batch.put(&a, b"k", b"1");
            batch.put(&b, b"k", b"2");
            assert_eq!(a.get(b"k")?, None);
            store.commit(batch)?;
            store.sync()?;
        }
        let (store, [a, b]) = Store::open(&dir.path().join("store"), ["a", "b"])?;
        assert_eq!((a.get(b"k")?, b.get(b"k")?), (Some(b"1".to_vec()), Some(b"2".to_vec())));
        assert!(store.size()? > 0);
        Ok(())
    }

    #[test]
    fn scans_follow_the_keys_in_both_directions() -> Outcome {
        let dir = folder();
        let (store, [table]) = Store::open(&dir.path().join("store"), ["t"])?;
        let mut batch = store.batch();
        for key in [&b"a1"[..], b"a2", b"a3", b"b1"] {
            batch.put(&table, key, b"");
        }
        store.commit(batch)?;
        let keys = |scan: &mut dyn Iterator<Item = Result<Pair, StorageError>>| -> Result<Vec<Vec<u8>>, StorageError> {
            scan.map(|pair| pair.map(|(key, _)| key)).collect()
        };
        assert_eq!(keys(&mut table.scan(b"a"))?, [b"a1", b"a2", b"a3"]);
        assert_eq!(keys(&mut table.scan(b"a").rev())?, [b"a3", b"a2", b"a1"]);
        assert_eq!(keys(&mut table.range(Bound::Excluded(b"a1"), Bound::Excluded(b"b1")))?, [b"a2", b"a3"]);
        Ok(())
    }

    #[test]
    fn a_snapshot_stands_still() -> Outcome {
        let dir = folder();
        let (store, [table]) = Store::open(&dir.path().join("store"), ["t"])?;
        let before = store.snapshot();
        let mut batch = store.batch();
        batch.put(&table, b"k", b"v");
        store.commit(batch)?;
        assert_eq!(before.get(&table, b"k")?, None);
        assert_eq!(before.scan(&table, b"").count(), 0);
        assert_eq!(store.snapshot().get(&table, b"k")?, Some(b"v".to_vec()));
        Ok(())
    }

    #[test]
    fn a_store_is_opened_once() -> Outcome {
        let dir = folder();
        let _held = Store::open(&dir.path().join("store"), ["t"])?;
        assert!(matches!(Store::open(&dir.path().join("store"), ["t"]), Err(StorageError::InUse { .. })));
        Ok(())
    }
}
