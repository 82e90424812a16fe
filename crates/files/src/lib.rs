//! Files that only their owner can read: made with their permissions, replaced whole, folders locked.
//!
//! In:    paths and bytes.
//! Out:   files of mode 0600 (or 0644 where they are public) in folders of mode 0700, all of it on disk when a call returns.
//! Never: a later chmod, a write over an existing file that was not asked for, a step through a symbolic link.

mod disk;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

pub use disk::{Disk, RealDisk};

/// Why a file or folder could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried: "read", "create", …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// Something stands where a new file should go.
    #[error("{path} exists already, and it is never overwritten", path = path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Group or others have rights that they must not have.
    #[error("{path} can be used by others (mode {mode:o}); allow only its owner: chmod {wanted:o} {path}", path = path.display())]
    OpenToOthers {
        /// The file or folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// What they should be.
        wanted: u32,
    },
    /// It is not what it should be: a symbolic link, a device, a folder instead of a file.
    #[error("{path} is not a {wanted}", path = path.display())]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// "regular file" or "folder".
        wanted: &'static str,
    },
    /// Another process works in the folder.
    #[error("{path} is in use by another process", path = path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
}

impl FilesError {
    /// The catalogue's stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "files/io",
            Self::Exists { .. } => "files/exists",
            Self::OpenToOthers { .. } => "files/open-to-others",
            Self::WrongKind { .. } => "files/wrong-kind",
            Self::Locked { .. } => "files/locked",
        }
    }
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Only its owner: 0600.
    Owner,
    /// Everybody: 0644. For certificates.
    Everybody,
}

impl Readers {
    const fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everybody => 0o644,
        }
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FilesError {
    move |source| FilesError::Io { action, path: path.to_owned(), source }
}

/// Makes sure that `path` is a folder of mode 0700, making it and its parents where they are missing.
///
/// # Errors
///
/// [`FilesError::OpenToOthers`] when it exists and others can use it; it is not changed then.
pub fn ensure_private_dir(path: &Path) -> Result<(), FilesError> {
    match fs::metadata(path) {
        Ok(_) => check_private_dir(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(path).map_err(io_error("create", path))?;
            check_private_dir(path)
        }
        Err(error) => Err(io_error("read", path)(error)),
    }
}

fn check_private_dir(path: &Path) -> Result<(), FilesError> {
    let metadata = fs::metadata(path).map_err(io_error("read", path))?;
    if !metadata.is_dir() {
        return Err(FilesError::WrongKind { path: path.to_owned(), wanted: "folder" });
    }
    refuse_others(path, metadata.mode(), 0o700)
}

fn refuse_others(path: &Path, mode: u32, wanted: u32) -> Result<(), FilesError> {
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(FilesError::OpenToOthers { path: path.to_owned(), mode: mode & 0o777, wanted })
    }
}

/// Opens a new file of its final permissions for writing; never opens one that exists.
///
/// # Errors
///
/// [`FilesError::Exists`] when anything stands at `path`, even a dangling link.
pub fn open_new(path: &Path, readers: Readers) -> Result<File, FilesError> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(readers.mode())
        .custom_flags(libc::O_NOFOLLOW)
        .open(path);
    match opened {
        Ok(file) => {
            // A strange umask takes rights away; the file is still empty, so this opens nothing to anybody.
            let permissions = fs::Permissions::from_mode(readers.mode());
            file.set_permissions(permissions).map_err(io_error("create", path))?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(FilesError::Exists { path: path.to_owned() }),
        Err(error) => Err(io_error("create", path)(error)),
    }
}

/// Writes a new file and waits until it and its folder's entry are on disk.
///
/// # Errors
///
/// [`FilesError::Exists`] when anything stands at `path`.
pub fn create_new(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), FilesError> {
    write_new(&RealDisk, path, bytes, readers)?;
    sync_parent(path)
}

fn write_new(disk: &dyn Disk, path: &Path, bytes: &[u8], readers: Readers) -> Result<(), FilesError> {
    let mut file = open_new(path, readers)?;
    disk.write(&mut file, bytes).and_then(|()| disk.sync(&file)).map_err(io_error("write", path))
}

/// Replaces a file's content at once: readers, and a machine that loses power, see the old content or the new, never a part.
///
/// # Errors
///
/// [`FilesError::Io`]; the old file is untouched then, unless it was the folder that could not be written at the very end.
pub fn replace(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), FilesError> {
    replace_on(&RealDisk, path, bytes, readers)
}

/// As [`replace`], on that disk.
///
/// # Errors
///
/// As [`replace`].
pub fn replace_on(disk: &dyn Disk, path: &Path, bytes: &[u8], readers: Readers) -> Result<(), FilesError> {
    let temporary = beside(path, ".new");
    remove_on(disk, &temporary)?; // Left by a process that was stopped here.
    write_new(disk, &temporary, bytes, readers)?;
    disk.rename(&temporary, path).map_err(io_error("replace", path))?;
    sync_parent_on(disk, path)
}

/// Makes a new file at once: whatever fails, either nothing stands at `path` or the whole file does. What is written first
/// stands beside it as `<name>.part`.
///
/// # Errors
///
/// [`FilesError::Exists`] when anything stands at `path` or at that other name; neither is touched then.
pub fn create_whole_on(disk: &dyn Disk, path: &Path, bytes: &[u8], readers: Readers) -> Result<(), FilesError> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(FilesError::Exists { path: path.to_owned() });
    }
    let temporary = beside(path, ".part");
    let written = match write_new(disk, &temporary, bytes, readers) {
        Err(FilesError::Exists { path }) => return Err(FilesError::Exists { path }),
        other => other,
    };
    let named = written.and_then(|()| move_to_free_name_on(disk, &temporary, path));
    if named.is_err() {
        let _it_is_ours_and_may_be_left = disk.remove(&temporary);
    }
    named?;
    sync_parent_on(disk, path)
}

/// Gives a file a name that nothing has. The folder is not waited for.
///
/// # Errors
///
/// [`FilesError::Exists`] when anything stands at `to`; nothing is touched then.
pub fn move_to_free_name_on(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), FilesError> {
    disk.rename_to_free_name(from, to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => FilesError::Exists { path: to.to_owned() },
        _ => io_error("name", to)(error),
    })
}

/// Removes a file, if there is one. The folder is not waited for.
///
/// # Errors
///
/// [`FilesError::Io`].
pub fn remove_on(disk: &dyn Disk, path: &Path) -> Result<(), FilesError> {
    match disk.remove(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error("remove", path)(error)),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// Opens a file that only its owner can read, for reading, and for writing when `write` is set.
///
/// # Errors
///
/// [`FilesError::OpenToOthers`], [`FilesError::WrongKind`] for links and anything but a regular file.
pub fn open_private(path: &Path, write: bool) -> Result<File, FilesError> {
    let opened =
        OpenOptions::new().read(true).write(write).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => FilesError::WrongKind { path: path.to_owned(), wanted: "regular file" },
        _ => io_error("open", path)(error),
    })?;
    let metadata = file.metadata().map_err(io_error("read", path))?;
    if !metadata.is_file() {
        return Err(FilesError::WrongKind { path: path.to_owned(), wanted: "regular file" });
    }
    refuse_others(path, metadata.mode(), 0o600)?;
    Ok(file)
}

/// Reads a file that only its owner can read.
///
/// # Errors
///
/// As [`open_private`].
pub fn read_private(path: &Path) -> Result<Vec<u8>, FilesError> {
    let mut bytes = Vec::new();
    open_private(path, false)?.read_to_end(&mut bytes).map_err(io_error("read", path))?;
    Ok(bytes)
}

/// Waits until the entry of `path` in its folder is on disk.
///
/// # Errors
///
/// [`FilesError::Io`].
pub fn sync_parent(path: &Path) -> Result<(), FilesError> {
    sync_parent_on(&RealDisk, path)
}

/// As [`sync_parent`], on that disk.
///
/// # Errors
///
/// [`FilesError::Io`].
pub fn sync_parent_on(disk: &dyn Disk, path: &Path) -> Result<(), FilesError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent).and_then(|folder| disk.sync(&folder)).map_err(io_error("write", parent))
}

/// A folder that this process alone works in, until the value is dropped or the process ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock of `folder`, through a file `lock` in it.
    ///
    /// # Errors
    ///
    /// [`FilesError::Locked`] when another process has it.
    pub fn take(folder: &Path, name: &str) -> Result<Self, FilesError> {
        let path = folder.join(name);
        let file = match open_new(&path, Readers::Owner) {
            Err(FilesError::Exists { .. }) => open_private(&path, true)?,
            other => other?,
        };
        match file.try_lock() {
            // Whoever held it may have removed the file meanwhile: what was locked is not what others find then.
            Ok(()) if is_at(&file, &path) => Ok(Self { _file: file }),
            Ok(()) | Err(TryLockError::WouldBlock) => Err(FilesError::Locked { path: folder.to_owned() }),
            Err(TryLockError::Error(error)) => Err(io_error("lock", &path)(error)),
        }
    }
}

/// Whether `file` is the one that stands at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let (held, named) = (file.metadata(), fs::symlink_metadata(path));
    held.ok().zip(named.ok()).is_some_and(|(held, named)| (held.dev(), held.ino()) == (named.dev(), named.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("the test made it").mode() & 0o777
    }

    #[test]
    fn folders_and_files_have_their_permissions_at_once() {
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let dir = tmp.path().join("a/b");
        ensure_private_dir(&dir).expect("made");
        ensure_private_dir(&dir).expect("stands");
        assert_eq!((mode(&dir), mode(&tmp.path().join("a"))), (0o700, 0o700));
        create_new(&dir.join("key"), b"k", Readers::Owner).expect("made");
        create_new(&dir.join("crt"), b"c", Readers::Everybody).expect("made");
        assert_eq!((mode(&dir.join("key")), mode(&dir.join("crt"))), (0o600, 0o644));
    }

    #[test]
    fn folders_and_files_open_to_others_are_refused() {
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let file = tmp.path().join("f");
        create_new(&file, b"x", Readers::Everybody).expect("made");
        assert!(matches!(read_private(&file), Err(FilesError::OpenToOthers { mode: 0o644, .. })));
        fs::set_permissions(tmp.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        assert!(matches!(ensure_private_dir(tmp.path()), Err(FilesError::OpenToOthers { mode: 0o755, .. })));
    }

    #[test]
    fn nothing_is_overwritten_and_no_link_is_followed() {
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let (target, link) = (tmp.path().join("t"), tmp.path().join("l"));
        create_new(&target, b"old", Readers::Owner).expect("made");
        symlink(&target, &link).expect("made");
        assert!(matches!(create_new(&target, b"new", Readers::Owner), Err(FilesError::Exists { .. })));
        assert!(matches!(create_new(&link, b"new", Readers::Owner), Err(FilesError::Exists { .. })));
        assert!(matches!(read_private(&link), Err(FilesError::WrongKind { .. })));
        assert_eq!(read_private(&target).expect("stands"), b"old");
    }

    #[test]
    fn a_replaced_file_is_new_and_leaves_nothing_behind() {
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let file = tmp.path().join("f");
        fs::write(tmp.path().join("f.new"), b"torn").expect("ours");
        replace(&file, b"1", Readers::Owner).expect("written");
        replace(&file, b"2", Readers::Owner).expect("written");
        assert_eq!(read_private(&file).expect("stands"), b"2");
        assert_eq!(fs::read_dir(tmp.path()).expect("ours").count(), 1);
    }

    #[test]
    fn a_new_file_is_whole_or_not_there_and_no_other_is_touched() {
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let (file, part) = (tmp.path().join("f"), tmp.path().join("f.part"));
        create_whole_on(&RealDisk, &file, b"1", Readers::Owner).expect("a free name");
        assert_eq!((mode(&file), fs::read_dir(tmp.path()).expect("ours").count()), (0o600, 1));
        let again = create_whole_on(&RealDisk, &file, b"2", Readers::Owner);
        assert!(matches!(again, Err(FilesError::Exists { .. })));
        fs::remove_file(&file).expect("ours");
        fs::write(&part, b"somebody's").expect("ours");
        let beside = create_whole_on(&RealDisk, &file, b"2", Readers::Owner);
        assert!(matches!(beside, Err(FilesError::Exists { path }) if path == part));
        assert_eq!((fs::read(&part).expect("stands"), file.exists()), (b"somebody's".to_vec(), false));
        assert!(matches!(move_to_free_name_on(&RealDisk, &part, &part), Err(FilesError::Exists { .. })));
    }

    #[test]
    fn a_lock_whose_file_was_removed_is_no_lock() {
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let held = FolderLock::take(tmp.path(), "lock").expect("free");
        let waiting = open_private(&tmp.path().join("lock"), true).expect("it stands");
        fs::remove_file(tmp.path().join("lock")).expect("ours");
        drop(held);
        assert!(!is_at(&waiting, &tmp.path().join("lock")));
        let _held = FolderLock::take(tmp.path(), "lock").expect("a new file");
        assert!(!is_at(&waiting, &tmp.path().join("lock")));
    }

    #[test]
    fn a_folder_is_locked_once() {
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let held = FolderLock::take(tmp.path(), "lock").expect("free");
        assert!(matches!(FolderLock::take(tmp.path(), "lock"), Err(FilesError::Locked { .. })));
        drop(held);
        FolderLock::take(tmp.path(), "lock").expect("free again");
    }
}
