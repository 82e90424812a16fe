//! Raw blocks in append-only files, `blk00000.dat` and on: the network's magic, the length, the block, again and again.
//!
//! In:    blocks as bytes, or the position of one.
//! Out:   positions, and blocks as bytes. Bitcoin Core's `-loadblock` reads the files as they are.
//! Never: a changed byte of a stored block. Only a torn end, which power loss leaves, is cut off.
//!
//! Source of the form: Bitcoin Core, `BlockManager::SaveBlockToDisk`, node/blockstorage.cpp.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use mycoin_files::{FilesError, Readers};

use crate::StorageError;

/// A file grows to this size; the next block begins a new one. As Bitcoin Core's `MAX_BLOCKFILE_SIZE`.
const FILE_BYTES: u64 = 128 * 1024 * 1024;
/// Magic and length before each block.
const FRAME_BYTES: u64 = 8;
/// No block is longer (its weight is limited to 4,000,000); a length above this is damage.
const BLOCK_BYTES_MAX: u32 = 4_000_000;

/// Where a block stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockPosition {
    /// The file's number.
    pub file: u32,
    /// Where the block's first byte stands in the file, after magic and length.
    pub offset: u32,
    /// Its length in bytes.
    pub length: u32,
}

impl BlockPosition {
    /// Where the next block's frame begins.
    pub fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.length)
    }
}

/// The block files of one folder.
#[derive(Debug)]
pub(crate) struct BlockFiles {
    folder: PathBuf,
    magic: [u8; 4],
    file_bytes: u64,
    last: Mutex<Last>,
}

/// The file that grows.
#[derive(Debug)]
struct Last {
    number: u32,
    file: File,
    end: u64,
}

impl BlockFiles {
    /// Opens the files in `folder`, which is made where it is missing.
    ///
    /// `known` tells where the last known block of each file ends. Whole blocks after it, which the index lost, are returned;
    /// a torn block at the end of the last file is cut off.
    ///
    /// # Errors
    ///
    /// [`StorageError::NotBlocks`] for files of another network or kind, which are not changed.
    pub(crate) fn open(
        folder: &Path,
        magic: [u8; 4],
        known: &BTreeMap<u32, u64>,
    ) -> Result<(Self, Vec<BlockPosition>), StorageError> {
        Self::open_sized(folder, magic, known, FILE_BYTES)
    }

    fn open_sized(
        folder: &Path,
        magic: [u8; 4],
        known: &BTreeMap<u32, u64>,
        file_bytes: u64,
    ) -> Result<(Self, Vec<BlockPosition>), StorageError> {
        mycoin_files::ensure_private_dir(folder)?;
        let mut unknown = Vec::new();
        let mut last = None;
        for number in 0.. {
            let path = path(folder, number);
            let file = match mycoin_files::open_private(&path, true) {
                Ok(file) => file,
                Err(FilesError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error.into()),
            };
            let length = file.metadata().map_err(StorageError::io("read", &path))?.len();
            // A file that lost its end is looked through from its beginning, to go on after its last whole block.
            let start = known.get(&number).copied().filter(|end| *end <= length).unwrap_or(0);
            let found = scan(&file, number, start, magic).map_err(StorageError::io("read", &path))?;
            let end = found.last().map_or(start, BlockPosition::end);
            if end == 0 && is_foreign(&file, magic).map_err(StorageError::io("read", &path))? {
                return Err(StorageError::NotBlocks { path });
            }
            unknown.extend(found);
            last = Some(Last { number, file, end });
        }
        let last = match last {
            Some(last) => last,
            None => new_file(folder, 0)?,
        };
        let path = path(folder, last.number);
        let length = last.file.metadata().map_err(StorageError::io("read", &path))?.len();
        if last.end < length {
            let torn = length - last.end;
            tracing::warn!(file = %path.display(), bytes = torn, "cut off a block that was not written whole");
            last.file
                .set_len(last.end)
                .and_then(|()| last.file.sync_all())
                .map_err(StorageError::io("write", &path))?;
        }
        Ok((Self { folder: folder.to_owned(), magic, file_bytes, last: Mutex::new(last) }, unknown))
    }

    /// Appends a block and waits until it is on disk.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`], and nothing was appended.
    pub(crate) fn append(&self, block: &[u8]) -> Result<BlockPosition, StorageError> {
        let too_large = || StorageError::BlockTooLarge { bytes: block.len() };
        let length =
            u32::try_from(block.len()).ok().filter(|length| *length <= BLOCK_BYTES_MAX).ok_or_else(too_large)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.end > 0 && last.end + FRAME_BYTES + u64::from(length) > self.file_bytes {
            *last = new_file(&self.folder, last.number + 1)?;
        }
        let mut frame = [0; FRAME_BYTES as usize];
        let (magic, count) = frame.split_at_mut(self.magic.len());
        magic.copy_from_slice(&self.magic);
        count.copy_from_slice(&length.to_le_bytes());
        let offset = u32::try_from(last.end + FRAME_BYTES).map_err(|_| too_large())?;
        let path = path(&self.folder, last.number);
        last.file
            .write_all_at(&frame, last.end)
            .and_then(|()| last.file.write_all_at(block, u64::from(offset)))
            .and_then(|()| last.file.sync_data())
            .map_err(StorageError::io("write", &path))?;
        let position = BlockPosition { file: last.number, offset, length };
        last.end = position.end();
        Ok(position)
    }

    /// Reads a block; `None` when no block of this length stands there (any more).
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub(crate) fn read(&self, position: BlockPosition) -> Result<Option<Vec<u8>>, StorageError> {
        let path = path(&self.folder, position.file);
        let file = match mycoin_files::open_private(&path, false) {
            Ok(file) => file,
            Err(FilesError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(start) = u64::from(position.offset).checked_sub(FRAME_BYTES) else { return Ok(None) };
        match read_frame(&file, start, self.magic).map_err(StorageError::io("read", &path))? {
            Some(length) if length == position.length => {}
            _ => return Ok(None),
        }
        let mut block = vec![0; position.length as usize];
        match file.read_exact_at(&mut block, u64::from(position.offset)) {
            Ok(()) => Ok(Some(block)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(StorageError::io("read", &path)(error)),
        }
    }

    /// How long each file is, in bytes.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub(crate) fn lengths(&self) -> Result<BTreeMap<u32, u64>, StorageError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).number;
        let mut lengths = BTreeMap::new();
        for number in 0..=last {
            let path = path(&self.folder, number);
            lengths.insert(number, fs::metadata(&path).map_err(StorageError::io("read", &path))?.len());
        }
        Ok(lengths)
    }
}

fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("blk{number:05}.dat"))
}

fn new_file(folder: &Path, number: u32) -> Result<Last, StorageError> {
    let path = path(folder, number);
    let file = mycoin_files::open_new(&path, Readers::Owner)?;
    mycoin_files::sync_parent(&path)?;
    Ok(Last { number, file, end: 0 })
}

/// The whole blocks from `start` on.
fn scan(file: &File, number: u32, start: u64, magic: [u8; 4]) -> io::Result<Vec<BlockPosition>> {
    let file_length = file.metadata()?.len();
    let mut found = Vec::new();
    let mut at = start;
    while let Some(length) = read_frame(file, at, magic)? {
        let Ok(offset) = u32::try_from(at + FRAME_BYTES) else { break };
        let position = BlockPosition { file: number, offset, length };
        if position.end() > file_length {
            break;
        }
        at = position.end();
        found.push(position);
    }
    Ok(found)
}

/// The length of the block whose frame begins at `at`; `None` where no frame stands.
fn read_frame(file: &File, at: u64, magic: [u8; 4]) -> io::Result<Option<u32>> {
    let mut frame = [0; 8];
    match file.read_exact_at(&mut frame, at) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let [m0, m1, m2, m3, l0, l1, l2, l3] = frame;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    Ok(([m0, m1, m2, m3] == magic && (1..=BLOCK_BYTES_MAX).contains(&length)).then_some(length))
}

/// Whether the file begins with something that no torn write of ours leaves: neither our magic nor zeros.
///
/// Called only when no whole block of ours stands at its start.
fn is_foreign(file: &File, magic: [u8; 4]) -> io::Result<bool> {
    let mut start = [0; 4];
    match file.read_exact_at(&mut start, 0) {
        Ok(()) => Ok(start != [0; 4] && start != magic),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::os::unix::fs::MetadataExt as _;

    const MAGIC: [u8; 4] = *b"demo";

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn open(folder: &Path) -> Result<(BlockFiles, Vec<BlockPosition>), StorageError> {
        BlockFiles::open_sized(folder, MAGIC, &BTreeMap::new(), 100)
    }

    fn tail(path: &Path, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(&mut OpenOptions::new().append(true).open(path)?, bytes)
    }

    #[test]
    fn blocks_come_back_in_the_form_of_loadblock() -> Outcome {
        let tmp = tempfile::tempdir()?;
        let folder = tmp.path().join("blocks");
        let (files, _) = open(&folder)?;
        let (a, b) = (files.append(b"first")?, files.append(b"second")?);
        assert_eq!((files.read(a)?, files.read(b)?), (Some(b"first".to_vec()), Some(b"second".to_vec())));
        assert_eq!(fs::read(folder.join("blk00000.dat"))?, b"demo\x05\0\0\0firstdemo\x06\0\0\0second");
        assert_eq!(fs::metadata(folder.join("blk00000.dat"))?.mode() & 0o777, 0o600);
        Ok(())
    }

    #[test]
    fn a_full_file_is_followed_by_another() -> Outcome {
        let tmp = tempfile::tempdir()?;
        let folder = tmp.path().join("blocks");
        let (files, _) = open(&folder)?;
        let positions: Vec<_> = (0..5).map(|n| files.append(&[n; 40])).collect::<Result<_, _>>()?;
        assert_eq!(positions.iter().map(|position| position.file).collect::<Vec<_>>(), [0, 0, 1, 1, 2]);
        drop(files);
        let (files, unknown) = open(&folder)?;
        assert_eq!(unknown, positions);
        assert_eq!(files.read(positions[4])?, Some(vec![4; 40]));
        Ok(())
    }

    #[test]
    fn a_torn_block_is_cut_off_and_whole_ones_stay() -> Outcome {
        for torn in [&b"demo\x09\0\0\0half"[..], b"demo\x09", b"\0\0\0\0\0\0\0\0\0\0\0\0", b"demo\xff\xff\xff\xff"] {
            let tmp = tempfile::tempdir()?;
            let folder = tmp.path().join("blocks");
            let first = open(&folder)?.0.append(b"first")?;
            tail(&folder.join("blk00000.dat"), torn)?;
            let (files, unknown) = open(&folder)?;
            assert_eq!(unknown, [first]);
            let second = files.append(b"second")?;
            assert_eq!((second.offset, files.read(second)?), (21, Some(b"second".to_vec())));
        }
        Ok(())
    }

    #[test]
    fn a_file_that_lost_its_end_lacks_those_blocks() -> Outcome {
        let tmp = tempfile::tempdir()?;
        let folder = tmp.path().join("blocks");
        let (files, _) = open(&folder)?;
        let (a, b) = (files.append(b"first")?, files.append(b"second")?);
        drop(files);
        OpenOptions::new().write(true).open(folder.join("blk00000.dat"))?.set_len(b.end() - 1)?;
        let known = BTreeMap::from([(0, b.end())]);
        let (files, unknown) = BlockFiles::open_sized(&folder, MAGIC, &known, 100)?;
        assert_eq!(unknown, [a]);
        assert_eq!((files.read(a)?, files.read(b)?), (Some(b"first".to_vec()), None));
        assert_eq!(files.append(b"third!")?, b);
        Ok(())
    }

    #[test]
    fn files_of_another_network_are_not_touched() -> Outcome {
        let tmp = tempfile::tempdir()?;
        let folder = tmp.path().join("blocks");
        open(&folder)?.0.append(b"first")?;
        let other = BlockFiles::open(&folder, *b"else", &BTreeMap::new());
        assert!(matches!(other, Err(StorageError::NotBlocks { .. })));
        assert_eq!(fs::metadata(folder.join("blk00000.dat"))?.len(), 13);
        Ok(())
    }
}
