//! Renaming and deleting wallets.
//!
//! In:    names.
//! Out:   files under another name, or gone.
//! Never: a write over anything; a change of another wallet's files.

use std::fs;

use mycoin_files::{FilesError, FolderLock};

use super::{WalletFolder, view_key};
use crate::disk::DISK;
use crate::error::WalletError;
use crate::name::WalletName;

/// What may be left of a write that was cut short.
const LEFTOVERS: [&str; 4] = ["wallet.new", "wallet.part", "view.new", "view"];

impl WalletFolder {
    /// Gives a wallet another name. Nobody may have it open meanwhile.
    ///
    /// # Errors
    ///
    /// [`WalletError::Exists`] when the name is taken; [`WalletError::NotFound`], [`WalletError::InUse`].
    pub fn rename(&self, name: &WalletName, new: &WalletName) -> Result<(), WalletError> {
        self.need(name)?;
        self.refuse_existing(new)?;
        mycoin_files::ensure_private_dir(&self.path)?;
        let held = self.take_lock(name)?;
        let held_new = self.take_lock(new)?;
        // What an earlier wallet of that name may have left would open nothing, but it would be in the way.
        let ready = LEFTOVERS.iter().try_for_each(|ending| mycoin_files::remove_on(DISK, &self.file(new, ending)));
        let (from, to) = (self.file(name, "wallet"), self.file(new, "wallet"));
        let moved = ready.and_then(|()| mycoin_files::move_to_free_name_on(DISK, &from, &to));
        if let Err(error) = moved {
            self.release(new, held_new);
            return Err(match error {
                FilesError::Exists { .. } => WalletError::Exists { name: new.clone() },
                other => other.into(),
            });
        }
        // From here on the wallet has its new name. Without its viewing key it asks for the password, and no more.
        let _locked_by_that = DISK.rename(&self.file(name, "view"), &self.file(new, "view"));
        self.remove_leftovers(name);
        self.release(name, held);
        Ok(mycoin_files::sync_parent_on(DISK, &to)?)
    }

    /// Deletes a wallet's file and its viewing key. Whoever has neither its recovery words nor a backup has lost its coins.
    ///
    /// # Errors
    ///
    /// [`WalletError::NotFound`], [`WalletError::InUse`]; the wallet stands then, locked perhaps.
    pub fn delete(&self, name: &WalletName) -> Result<(), WalletError> {
        self.need(name)?;
        mycoin_files::ensure_private_dir(&self.path)?;
        let held = self.take_lock(name)?;
        let path = self.file(name, "wallet");
        view_key::remove(&path)?;
        mycoin_files::remove_on(DISK, &path)?;
        self.remove_leftovers(name);
        self.release(name, held);
        Ok(mycoin_files::sync_parent_on(DISK, &path)?)
    }

    fn need(&self, name: &WalletName) -> Result<(), WalletError> {
        let stands = fs::symlink_metadata(self.file(name, "wallet")).is_ok();
        if stands { Ok(()) } else { Err(WalletError::NotFound { name: name.clone() }) }
    }

    fn remove_leftovers(&self, name: &WalletName) {
        for ending in LEFTOVERS {
            let _may_be_left = mycoin_files::remove_on(DISK, &self.file(name, ending));
        }
    }

    /// Takes a lock's file away while it is held, so that nobody else holds it afterwards either.
    fn release(&self, name: &WalletName, held: FolderLock) {
        let _may_be_left = mycoin_files::remove_on(DISK, &self.file(name, "lock"));
        drop(held);
    }
}
