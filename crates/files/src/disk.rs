//! The operations by which files change, each by itself, so that a test can let any one of them fail.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// What changes files. Every method does what its name says; a disk of a test may refuse, or write a part only.
pub trait Disk {
    /// Writes all of `bytes` where the file stands.
    ///
    /// # Errors
    ///
    /// The operating system's, here and below.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    /// Cuts the file off, or fills it up with zeros.
    ///
    /// # Errors
    ///
    /// As above.
    fn set_length(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    /// Waits until the file, or the folder's list of files, is on disk.
    ///
    /// # Errors
    ///
    /// As above.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Gives a file the name of another one, which it replaces at once.
    ///
    /// # Errors
    ///
    /// As above.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Gives a file a name that nothing has.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] when anything stands there; nothing is touched then.
    fn rename_to_free_name(&self, from: &Path, to: &Path) -> io::Result<()> {
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Old network file systems cannot do it at once.
            Err(Errno::INVAL | Errno::NOSYS) => match fs::symlink_metadata(to) {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(_) => fs::rename(from, to),
            },
            other => Ok(other?),
        }
    }

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// As above.
    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}
