//! The file that keeps checked headers.
//!
//! In:    headers that were checked, with the height above which they stand.
//! Out:   the chain as it was last written.
//! Never: a header without its checksum; a write by two processes; a part of a record.
//!
//! The file is a log. It begins with a mark and the genesis hash; then come records: the height above which the headers of
//! the record stand (what stood there before is undone), their number, the work of the whole chain, the headers, and a
//! checksum over all that and the checksum before. So a reorganisation is one more record, and a record that was cut short
//! or bent ends the log there: only what follows it is lost, and is asked for again. Numbers are little-endian.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use mycoin_files::{FilesError, FolderLock, Readers};
use mycoin_primitives::bitcoin::consensus::{deserialize, serialize};
use mycoin_primitives::hashes::{Hash as _, HashEngine as _, sha256};
use mycoin_primitives::{BlockHash, Header, Height, Work};

const NAME: &str = "headers.dat";
const LOCK: &str = "headers.lock";
const MARK: [u8; 8] = *b"mchdrs01";
const HEADER_BYTES: usize = 80;
/// Height, count and work.
const RECORD_HEAD: usize = 4 + 4 + 32;
/// The file is written anew when it has more undone headers than half of those that count, and this many.
const UNDONE: usize = 2_016;

type Checksum = [u8; 8];

/// The file, which this process alone writes to.
#[derive(Debug)]
pub(crate) struct HeaderFile {
    path: PathBuf,
    file: File,
    end: u64,
    checksum: Checksum,
    _lock: FolderLock,
}

/// What a file holds.
pub(crate) struct Loaded {
    pub(crate) headers: Vec<Header>,
    pub(crate) tip_hash: BlockHash,
    pub(crate) work: Work,
}

/// A file's content while it is read.
struct Log {
    loaded: Loaded,
    /// Where the last whole record ends; 0 when not even the beginning is right.
    end: usize,
    checksum: Checksum,
    undone: usize,
}

fn checksum(before: &[u8], body: &[u8]) -> Checksum {
    let mut engine = sha256::Hash::engine();
    engine.input(before);
    engine.input(body);
    let [a, b, c, d, e, f, g, h, ..] = sha256::Hash::from_engine(engine).to_byte_array();
    [a, b, c, d, e, f, g, h]
}

fn beginning(genesis: BlockHash) -> Vec<u8> {
    [&MARK[..], &genesis.to_byte_array()].concat()
}

fn record(before: &Checksum, above: Height, headers: &[Header], work: &Work) -> (Vec<u8>, Checksum) {
    let mut bytes = Vec::with_capacity(RECORD_HEAD + HEADER_BYTES * headers.len() + 8);
    bytes.extend(above.to_u32().to_le_bytes());
    bytes.extend(u32::try_from(headers.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(work.to_le_bytes());
    bytes.extend(headers.iter().flat_map(serialize));
    let checksum = checksum(before, &bytes);
    bytes.extend(checksum);
    (bytes, checksum)
}

impl Log {
    /// Reads as much of `bytes` as is whole. The chain starts with `loaded`, which is genesis.
    fn read(bytes: &[u8], loaded: Loaded) -> Self {
        let start = beginning(loaded.tip_hash);
        let mut log = Self { end: 0, checksum: checksum(&[], &start), loaded, undone: 0 };
        if bytes.starts_with(&start) {
            log.end = start.len();
            while let Some(length) = bytes.get(log.end..).and_then(|rest| log.take(rest)) {
                log.end += length;
            }
        }
        log
    }

    /// Adds the next record; its length, or `None` when it is not whole or does not fit.
    fn take(&mut self, rest: &[u8]) -> Option<usize> {
        let (above, rest_of) = rest.split_first_chunk::<4>()?;
        let (count, rest_of) = rest_of.split_first_chunk::<4>()?;
        let (work, rest_of) = rest_of.split_first_chunk::<32>()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let length = count.checked_mul(HEADER_BYTES)?;
        let (headers, rest_of) = rest_of.split_at_checked(length)?;
        let expected = checksum(&self.checksum, rest.get(..RECORD_HEAD + length)?);
        if rest_of.first_chunk() != Some(&expected) {
            return None;
        }
        let kept = usize::try_from(u32::from_le_bytes(*above)).ok()?.checked_add(1)?;
        let parent = self.loaded.headers.get(kept.checked_sub(1)?)?;
        let mut tip_hash = parent.block_hash();
        let mut read = Vec::with_capacity(count);
        for bytes in headers.chunks_exact(HEADER_BYTES) {
            let header: Header = deserialize(bytes).ok()?;
            if header.prev_blockhash != tip_hash {
                return None;
            }
            tip_hash = header.block_hash();
            read.push(header);
        }
        self.undone += self.loaded.headers.len().saturating_sub(kept);
        self.loaded.headers.truncate(kept);
        self.loaded.headers.append(&mut read);
        self.loaded.tip_hash = tip_hash;
        self.loaded.work = Work::from_le_bytes(*work);
        self.checksum = expected;
        Some(RECORD_HEAD + length + expected.len())
    }
}

impl HeaderFile {
    /// Reads the file in `folder`, and keeps it for writing unless another process does so.
    pub(crate) fn open(
        folder: &Path,
        genesis: &[Header],
        hash: BlockHash,
        work: Work,
    ) -> Result<(Loaded, Option<Self>), FilesError> {
        mycoin_files::ensure_private_dir(folder)?;
        let path = folder.join(NAME);
        let lock = match FolderLock::take(folder, LOCK) {
            Ok(lock) => Some(lock),
            Err(FilesError::Locked { .. }) => None,
            Err(error) => return Err(error),
        };
        let bytes = match mycoin_files::read_private(&path) {
            Err(FilesError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let mut log = Log::read(&bytes, Loaded { headers: genesis.to_vec(), tip_hash: hash, work });
        let Some(lock) = lock else { return Ok((log.loaded, None)) };
        if log.end == 0 || log.undone > UNDONE.max(log.loaded.headers.len() / 2) {
            let (whole, checksum) = whole_file(hash, &log.loaded);
            mycoin_files::replace(&path, &whole, Readers::Owner)?;
            (log.end, log.checksum) = (whole.len(), checksum);
        }
        let file = mycoin_files::open_private(&path, true)?;
        Ok((log.loaded, Some(Self { path, file, end: log.end as u64, checksum: log.checksum, _lock: lock })))
    }

    /// Writes that `headers` stand above `above` now.
    pub(crate) fn append(&mut self, above: Height, headers: &[Header], work: &Work) -> Result<(), FilesError> {
        let (bytes, checksum) = record(&self.checksum, above, headers, work);
        let end = self.end + bytes.len() as u64;
        let write = |file: &mut File| {
            file.seek(SeekFrom::Start(self.end))?;
            file.write_all(&bytes)?;
            // Nothing that an earlier, torn write left may follow.
            file.set_len(end)?;
            file.sync_data()
        };
        write(&mut self.file).map_err(|source| FilesError::Io { action: "write", path: self.path.clone(), source })?;
        (self.end, self.checksum) = (end, checksum);
        Ok(())
    }
}

/// A file that says the same in one record.
fn whole_file(genesis: BlockHash, loaded: &Loaded) -> (Vec<u8>, Checksum) {
    let mut bytes = beginning(genesis);
    let start = checksum(&[], &bytes);
    let Some((_, headers)) = loaded.headers.split_first().filter(|(_, headers)| !headers.is_empty()) else {
        return (bytes, start);
    };
    let (one, checksum) = record(&start, Height::GENESIS, headers, &loaded.work);
    bytes.extend(one);
    (bytes, checksum)
}
