//! The index's life: opened, fed block by block, taken back block by block, and thrown away when it is damaged.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use mycoin_primitives::{Block, Height, Network};

use crate::error::IndexError;
use crate::opened::Opened;
use crate::reader::Reader;

/// The index of one coin, in its own folder. One writer at a time, many readers.
///
/// A reader sees the index as it stands at one tip: a block's changes are one batch, and the batch waits for the readers.
pub struct Index {
    folder: PathBuf,
    network: Network,
    writer: Mutex<()>,
    /// `None` when it was thrown away and could not be made anew.
    opened: RwLock<Option<Opened>>,
}

impl Index {
    /// Opens the index of `network` in `folder`, making it where it is missing. It holds at least genesis.
    ///
    /// One that is damaged or has an older form is thrown away and begun anew, with one line in the log.
    ///
    /// # Errors
    ///
    /// [`IndexError::OtherNetwork`] when the folder holds another coin's index; [`IndexError::Storage`].
    pub fn open(folder: &Path, network: &Network) -> Result<Self, IndexError> {
        let opened = match Opened::open(folder, network) {
            Err(error) if error.is_damage() => fresh(folder, network, &error)?,
            opened => opened?,
        };
        Ok(Self {
            folder: folder.to_owned(),
            network: network.clone(),
            writer: Mutex::default(),
            opened: RwLock::new(Some(opened)),
        })
    }

    /// Throws the index away because of `cause` and begins it anew at genesis; after a failure it may be called again.
    ///
    /// # Errors
    ///
    /// [`IndexError::Storage`] when the folder cannot be removed or made; every question answers [`IndexError::Gone`] then.
    pub fn rebuild(&self, cause: &IndexError) -> Result<(), IndexError> {
        let _writer = self.writer();
        let mut opened = self.alone();
        // Closed first, so that nothing of the old store writes into the new one's folder.
        drop(opened.take());
        *opened = Some(fresh(&self.folder, &self.network, cause)?);
        Ok(())
    }

    /// Answers questions, all for the same tip, until it is dropped. Blocks the writer: keep it for one answer only.
    pub fn read(&self) -> Reader<'_> {
        Reader::new(self.shared())
    }

    fn shared(&self) -> RwLockReadGuard<'_, Option<Opened>> {
        // What is behind the lock changes in one step, so who panicked while holding it left nothing half done.
        self.opened.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> RwLockWriteGuard<'_, Option<Opened>> {
        self.opened.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `block` on top of the tip. Returns its height.
    ///
    /// # Errors
    ///
    /// [`IndexError::NotOnTip`] when it does not follow the tip; nothing is changed then.
    pub fn connect(&self, block: &Block) -> Result<Height, IndexError> {
        let _writer = self.writer();
        let (batch, height) = self.shared().as_ref().ok_or(IndexError::Gone)?.connecting(block)?;
        self.alone().as_ref().ok_or(IndexError::Gone)?.commit(batch)?;
        Ok(height)
    }

    /// Takes the tip off. Returns the block that it was.
    ///
    /// # Errors
    ///
    /// [`IndexError::AtGenesis`].
    pub fn disconnect(&self) -> Result<Block, IndexError> {
        let _writer = self.writer();
        let (batch, block) = self.shared().as_ref().ok_or(IndexError::Gone)?.disconnecting()?;
        self.alone().as_ref().ok_or(IndexError::Gone)?.commit(batch)?;
        Ok(block)
    }

    /// Waits until everything is on disk. Not needed for safety: what a loss of power tears apart is noticed at the next open.
    ///
    /// # Errors
    ///
    /// [`IndexError::Storage`].
    pub fn sync(&self) -> Result<(), IndexError> {
        self.shared().as_ref().ok_or(IndexError::Gone)?.sync()
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// A new index in place of the one that `cause` speaks of.
fn fresh(folder: &Path, network: &Network, cause: &IndexError) -> Result<Opened, IndexError> {
    tracing::warn!(%cause, "the index is thrown away and rebuilt from the base server's blocks");
    match std::fs::remove_dir_all(folder) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            let path = folder.to_owned();
            Err(IndexError::Storage(mycoin_storage::StorageError::Io { action: "remove", path, source }))
        }
        _ => Opened::open(folder, network),
    }
}
