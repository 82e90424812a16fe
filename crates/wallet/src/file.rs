//! The wallet file: a header, then an append-only log of sealed records.
//!
//! ```text
//! header   magic 8 · version 2 · kind 1 · its detail 2 · genesis 32 · Argon2id m, t, p 3×4 · salt 16    (the prefix)
//!          wrapped data key 72 (sealed under the password's key, prefix as context) · generation 16 · SHA-256 of all before 32
//! record   length 4 · SHA-256(header's hash, sequence number, length) cut to 8 · sealed bytes
//!          (sealed under the data key, header's hash and sequence number as context)
//! ```
//! Numbers are little-endian. Record 0 is the signing secret (see [`Sealed`]), the others belong to the wallet.
//!
//! The plain hash in the header tells damage from a wrong password before the password is tried; it says nothing about
//! any secret. The hash in each record's head tells a bent length from a record that was cut short by a crash: only the
//! latter, at the end of the file, is dropped. The generation makes the records of each rewritten file their own.
//!
//! Never: a write before what is written last time is on disk; a rewrite that is not whole.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use mycoin_files::{FilesError, Readers};
use mycoin_primitives::hashes::{Hash as _, sha256};
use zeroize::Zeroizing;

use crate::disk::DISK;
use crate::error::WalletError;
use crate::keys::{KeyKind, ScriptKind};
use crate::memory;
use crate::password::Password;
use crate::vault::{self, DoesNotOpen, KdfParams, Key, SEAL_OVERHEAD};

const MAGIC: &[u8; 8] = b"MYCOINW\0";
/// Version 1 knew the first two kinds only, version 2 none on tokens; everything else is as it was.
const VERSION: u16 = 3;
const OLDEST_VERSION: u16 = 1;
const PREFIX_LENGTH: usize = 8 + 2 + 1 + 2 + 32 + 12 + 16;
const WRAPPED_LENGTH: usize = 32 + SEAL_OVERHEAD;
const HEADER_LENGTH: usize = PREFIX_LENGTH + WRAPPED_LENGTH + 16 + 32;
const RECORD_HEAD: usize = 4 + 8;
/// No record of ours comes near it; a longer one is not written by us.
const LONGEST_RECORD: usize = 256 << 20;

/// A header, checked against its hash. It holds nothing that needs a key to read.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    bytes: Vec<u8>,
    kind: KeyKind,
    kdf: KdfParams,
}

/// Why bytes are not a usable header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Damaged(&'static str),
    TooNew,
}

impl Header {
    fn seal(kind: KeyKind, genesis: [u8; 32], kdf: KdfParams, password: &Password) -> Result<NewKeys, WalletError> {
        let salt = vault::random::<16>()?;
        let data_key: Key = vault::random()?;
        let keys = kdf.derive(password, &salt)?;
        let (kind_byte, detail) = write_kind(kind);
        let mut prefix = Vec::with_capacity(HEADER_LENGTH);
        prefix.extend_from_slice(MAGIC);
        prefix.extend_from_slice(&version_for(kind).to_le_bytes());
        prefix.push(kind_byte);
        prefix.extend_from_slice(&detail.to_le_bytes());
        prefix.extend_from_slice(&genesis);
        prefix.extend(kdf.write().into_iter().flat_map(u32::to_le_bytes));
        prefix.extend_from_slice(salt.as_slice());
        let wrapped = vault::seal(&keys.wrap, &prefix, data_key.as_slice())?;
        prefix.extend_from_slice(&wrapped);
        let header = Self { bytes: prefix, kind, kdf }.regenerate()?;
        Ok(NewKeys { header, data_key, secret_key: keys.secret })
    }

    /// The same header with a new generation, for a file that is rewritten.
    fn regenerate(mut self) -> Result<Self, WalletError> {
        self.bytes.truncate(PREFIX_LENGTH + WRAPPED_LENGTH);
        self.bytes.extend_from_slice(vault::random::<16>()?.as_slice());
        let hash = sha256::Hash::hash(&self.bytes);
        self.bytes.extend_from_slice(hash.as_byte_array());
        Ok(self)
    }

    /// Reads a file's first bytes.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let damaged = HeaderFault::Damaged;
        let short = damaged("it is shorter than its header");
        if !bytes.starts_with(MAGIC) {
            return Err(damaged("it does not begin as a wallet file"));
        }
        let version = u16::from_le_bytes(array(bytes, 8).ok_or(short)?);
        let (bytes, _) = bytes.split_at_checked(HEADER_LENGTH).ok_or(short)?;
        let (hashed, hash) = bytes.split_at_checked(HEADER_LENGTH - 32).ok_or(short)?;
        let whole = sha256::Hash::hash(hashed).as_byte_array() == hash;
        if version > VERSION && whole {
            return Err(HeaderFault::TooNew);
        }
        if !whole || version < OLDEST_VERSION {
            return Err(damaged("its header was changed"));
        }
        let detail = u16::from_le_bytes(array(bytes, 11).ok_or(short)?);
        let kind = bytes.get(10).and_then(|kind| read_kind(*kind, detail)).ok_or(damaged("its kind is unknown"))?;
        let number = |at| array(bytes, at).map(u32::from_le_bytes).ok_or(short);
        let kdf = KdfParams::read([number(45)?, number(49)?, number(53)?])
            .ok_or(damaged("it asks for password hashing that this program never used"))?;
        Ok(Self { bytes: bytes.to_vec(), kind, kdf })
    }

    pub(crate) const fn kind(&self) -> KeyKind {
        self.kind
    }

    pub(crate) fn genesis(&self) -> [u8; 32] {
        array(&self.bytes, 13).unwrap_or_default()
    }

    /// The salt, which also names the data key: both are made anew together.
    pub(crate) fn salt(&self) -> [u8; 16] {
        array(&self.bytes, 57).unwrap_or_default()
    }

    fn prefix(&self) -> &[u8] {
        self.bytes.get(..PREFIX_LENGTH).unwrap_or_default()
    }

    fn hash(&self) -> &[u8] {
        self.bytes.get(HEADER_LENGTH - 32..).unwrap_or_default()
    }

    /// Tries a password.
    fn unwrap(&self, password: &Password) -> Result<(Key, Key), WalletError> {
        let keys = self.kdf.derive(password, &self.salt())?;
        let wrapped = self.bytes.get(PREFIX_LENGTH..PREFIX_LENGTH + WRAPPED_LENGTH).unwrap_or_default();
        let plain =
            vault::open(&keys.wrap, self.prefix(), wrapped).map_err(|DoesNotOpen| WalletError::WrongPassword)?;
        let mut data_key = Key::default();
        if plain.len() != data_key.len() {
            return Err(WalletError::WrongPassword);
        }
        data_key.copy_from_slice(&plain);
        Ok((data_key, keys.secret))
    }

    /// What the signing secret is sealed for, so that it opens in no other place.
    fn secret_context(&self) -> Vec<u8> {
        [b"signing secret", self.prefix()].concat()
    }

    fn record_context(&self, sequence: u64) -> Vec<u8> {
        [self.hash(), &sequence.to_le_bytes()].concat()
    }

    fn head_check(&self, sequence: u64, length: u32) -> [u8; 8] {
        let hash = sha256::Hash::hash(&[self.hash(), &sequence.to_le_bytes(), &length.to_le_bytes()].concat());
        array(hash.as_byte_array(), 0).unwrap_or_default()
    }

    /// A record as it stands in the file.
    fn record(&self, data_key: &Key, sequence: u64, plain: &[u8]) -> Result<Vec<u8>, WalletError> {
        let sealed = vault::seal(data_key, &self.record_context(sequence), plain)?;
        let length =
            u32::try_from(sealed.len()).map_err(|_| WalletError::Crypto { what: "writing so long a record" })?;
        Ok([&length.to_le_bytes()[..], &self.head_check(sequence, length), &sealed].concat())
    }
}

struct NewKeys {
    header: Header,
    data_key: Key,
    secret_key: Key,
}

impl NewKeys {
    /// Record 0: the signing secret, sealed under the password; the log seals it once more.
    fn sealed_secret(&self, secret: &[u8]) -> Result<Vec<u8>, WalletError> {
        vault::seal(&self.secret_key, &self.header.secret_context(), secret)
    }
}

/// The oldest version that knows the kind, so that older programs read all files that they can.
const fn version_for(kind: KeyKind) -> u16 {
    if matches!(kind, KeyKind::Token { .. }) { VERSION } else { 2 }
}

/// The kind's byte, and what else belongs to it: an RSA key's bits, the scripts' purpose, or k · 256 + n.
fn write_kind(kind: KeyKind) -> (u8, u16) {
    match kind {
        KeyKind::Words => (1, 0),
        KeyKind::Rsa { bits } => (2, u16::try_from(bits).unwrap_or(u16::MAX)),
        KeyKind::WordsFor { scripts } => (3, u16::try_from(scripts.purpose()).unwrap_or(u16::MAX)),
        KeyKind::Multisig { required, keys } => (4, u16::from_be_bytes([required, keys])),
        KeyKind::Descriptor => (5, 0),
        KeyKind::WatchOnly => (6, 0),
        KeyKind::Token { bits } => (7, u16::try_from(bits).unwrap_or(u16::MAX)),
    }
}

fn read_kind(kind: u8, detail: u16) -> Option<KeyKind> {
    let [required, keys] = detail.to_be_bytes();
    Some(match kind {
        1 => KeyKind::Words,
        2 => KeyKind::Rsa { bits: u32::from(detail) },
        3 => {
            let all = [ScriptKind::Segwit, ScriptKind::Nested, ScriptKind::Legacy];
            let scripts = all.into_iter().find(|scripts| scripts.purpose() == u32::from(detail))?;
            KeyKind::WordsFor { scripts }
        }
        4 => KeyKind::Multisig { required, keys },
        5 => KeyKind::Descriptor,
        6 => KeyKind::WatchOnly,
        7 => KeyKind::Token { bits: u32::from(detail) },
        _ => return None,
    })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// A wallet file that is unlocked. It is opened anew for each write, so that no write can miss a file that was replaced.
pub(crate) struct WalletFile {
    path: PathBuf,
    header: Header,
    data_key: Key,
    /// Record 0, still sealed under the password.
    sealed_secret: Vec<u8>,
    sequence: u64,
    end: u64,
}

/// The records after the secret, opened, oldest first.
pub(crate) type Records = Vec<Zeroizing<Vec<u8>>>;

/// A wallet file's bytes, header checked, not unlocked yet.
pub(crate) struct Sealed {
    path: PathBuf,
    bytes: Vec<u8>,
    header: Header,
}

impl Sealed {
    /// Reads a wallet file that only its owner can read.
    ///
    /// # Errors
    ///
    /// [`WalletError::Files`], [`WalletError::Damaged`], [`WalletError::TooNew`].
    pub(crate) fn read(path: &Path) -> Result<Self, WalletError> {
        Self::parse(path, mycoin_files::read_private(path)?)
    }

    /// Takes the bytes of a wallet file that was found anywhere.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub(crate) fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, WalletError> {
        let header = Header::read(&bytes).map_err(|fault| match fault {
            HeaderFault::Damaged(what) => WalletError::Damaged { path: path.to_owned(), what },
            HeaderFault::TooNew => WalletError::TooNew { path: path.to_owned() },
        })?;
        Ok(Self { path: path.to_owned(), bytes, header })
    }

    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    /// # Errors
    ///
    /// [`WalletError::WrongPassword`], [`WalletError::Damaged`].
    pub(crate) fn unlock(self, password: &Password) -> Result<(WalletFile, Records), WalletError> {
        let (data_key, _) = self.header.unwrap(password)?;
        self.unlock_with(data_key)
    }

    /// # Errors
    ///
    /// [`WalletError::Damaged`], also when the data key is not the file's.
    pub(crate) fn unlock_with(self, data_key: Key) -> Result<(WalletFile, Records), WalletError> {
        let damaged = |what| WalletError::Damaged { path: self.path.clone(), what };
        let (mut records, end) = self.open_records(&data_key).map_err(damaged)?;
        if records.is_empty() {
            return Err(damaged("its keys are missing"));
        }
        let sequence = records.len() as u64;
        let sealed_secret = records.remove(0).to_vec();
        let Self { path, header, .. } = self;
        Ok((WalletFile { path, header, data_key, sealed_secret, sequence, end }, records))
    }

    /// All records, and where the last whole one ends.
    fn open_records(&self, data_key: &Key) -> Result<(Records, u64), &'static str> {
        let mut records = Records::new();
        let mut end = HEADER_LENGTH;
        loop {
            let rest = self.bytes.get(end..).unwrap_or_default();
            // Some file systems leave zeros where a write was cut short by a power failure.
            let (Some(length), Some(check)) = (array(rest, 0), array::<8>(rest, 4)) else { break };
            if rest.iter().all(|byte| *byte == 0) {
                break;
            }
            let sequence = records.len() as u64;
            let length = u32::from_le_bytes(length);
            if check != self.header.head_check(sequence, length) || length as usize > LONGEST_RECORD {
                return Err("a record was changed");
            }
            let Some(sealed) = rest.get(RECORD_HEAD..RECORD_HEAD + length as usize) else { break };
            let plain = vault::open(data_key, &self.header.record_context(sequence), sealed);
            records.push(plain.map_err(|DoesNotOpen| "a record was changed")?);
            end += RECORD_HEAD + sealed.len();
        }
        Ok((records, end as u64))
    }
}

impl WalletFile {
    /// Makes a new wallet file that holds `secret` and `records`. Everything is on disk when it returns.
    ///
    /// # Errors
    ///
    /// [`FilesError::Exists`] when anything stands at `path`.
    pub(crate) fn create(
        path: &Path,
        kind: KeyKind,
        genesis: [u8; 32],
        kdf: KdfParams,
        password: &Password,
        secret: &[u8],
        records: &[Zeroizing<Vec<u8>>],
    ) -> Result<Self, WalletError> {
        let keys = Header::seal(kind, genesis, kdf, password)?;
        let sealed_secret = keys.sealed_secret(secret)?;
        let (bytes, sequence) = whole_file(&keys.header, &keys.data_key, &sealed_secret, records)?;
        mycoin_files::create_whole_on(DISK, path, &bytes, Readers::Owner)?;
        Ok(Self {
            path: path.to_owned(),
            header: keys.header,
            data_key: keys.data_key,
            sealed_secret,
            sequence,
            end: bytes.len() as u64,
        })
    }

    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) const fn data_key(&self) -> &Key {
        &self.data_key
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How many records the file has, the secret included.
    pub(crate) const fn record_count(&self) -> u64 {
        self.sequence
    }

    /// The signing secret.
    ///
    /// # Errors
    ///
    /// [`WalletError::WrongPassword`].
    pub(crate) fn secret(&self, password: &Password) -> Result<Zeroizing<Vec<u8>>, WalletError> {
        let (_, secret_key) = self.header.unwrap(password)?;
        let secret =
            vault::open(&secret_key, &self.header.secret_context(), &self.sealed_secret).map_err(|DoesNotOpen| {
                WalletError::Damaged { path: self.path.clone(), what: "its signing secret was changed" }
            })?;
        memory::keep_from_swap(&secret);
        Ok(secret)
    }

    /// # Errors
    ///
    /// [`WalletError::WrongPassword`].
    pub(crate) fn check_password(&self, password: &Password) -> Result<(), WalletError> {
        self.header.unwrap(password).map(|_| ())
    }

    /// Adds a record. It is on disk when this returns; after an error the file is as before, but for a torn end that the
    /// next append cuts off.
    ///
    /// # Errors
    ///
    /// [`WalletError::Files`].
    pub(crate) fn append(&mut self, plain: &[u8]) -> Result<(), WalletError> {
        let record = self.header.record(&self.data_key, self.sequence, plain)?;
        let write = |file: &mut File, end| -> io::Result<()> {
            DISK.set_length(file, end)?;
            file.seek(SeekFrom::Start(end))?;
            DISK.write(file, &record)?;
            DISK.sync(file)
        };
        write(&mut mycoin_files::open_private(&self.path, true)?, self.end).map_err(io_error("write", &self.path))?;
        self.end += record.len() as u64;
        self.sequence += 1;
        Ok(())
    }

    /// Rewrites the file with `records` in place of those that it has. Keys and password stay.
    ///
    /// # Errors
    ///
    /// [`WalletError::Files`]; the old file stands then.
    pub(crate) fn compact(&mut self, records: &[Zeroizing<Vec<u8>>]) -> Result<(), WalletError> {
        let header = self.header.clone().regenerate()?;
        let (bytes, sequence) = whole_file(&header, &self.data_key, &self.sealed_secret, records)?;
        let written = self.replace(&bytes)?;
        (self.header, self.sequence) = (header, sequence);
        written.map_err(WalletError::from)
    }

    /// Rewrites the file under a new password, with a new data key.
    ///
    /// # Errors
    ///
    /// [`WalletError::WrongPassword`]; [`WalletError::Files`], and the old file stands then.
    pub(crate) fn change_password(
        &mut self,
        old: &Password,
        new: &Password,
        kdf: KdfParams,
        records: &[Zeroizing<Vec<u8>>],
    ) -> Result<(), WalletError> {
        let secret = self.secret(old)?;
        let keys = Header::seal(self.header.kind, self.header.genesis(), kdf, new)?;
        let sealed_secret = keys.sealed_secret(&secret)?;
        let (bytes, sequence) = whole_file(&keys.header, &keys.data_key, &sealed_secret, records)?;
        let written = self.replace(&bytes)?;
        (self.header, self.data_key) = (keys.header, keys.data_key);
        (self.sealed_secret, self.sequence) = (sealed_secret, sequence);
        written.map_err(WalletError::from)
    }

    /// Puts other bytes in the file's place. An error when the old file stands; within, one when the new file stands but
    /// might be gone after a power failure. What follows must go by the file that stands.
    fn replace(&mut self, bytes: &[u8]) -> Result<Result<(), FilesError>, WalletError> {
        let written = mycoin_files::replace_on(DISK, &self.path, bytes, Readers::Owner);
        if let Err(error) = written {
            let stands = mycoin_files::read_private(&self.path).is_ok_and(|found| found == bytes);
            if !stands {
                return Err(error.into());
            }
            self.end = bytes.len() as u64;
            return Ok(Err(error));
        }
        self.end = bytes.len() as u64;
        Ok(Ok(()))
    }

    /// A whole file of its own with these records, under the same password.
    ///
    /// # Errors
    ///
    /// [`WalletError::NoRandomness`].
    pub(crate) fn copy_with(&self, records: &[Zeroizing<Vec<u8>>]) -> Result<Vec<u8>, WalletError> {
        let header = self.header.clone().regenerate()?;
        whole_file(&header, &self.data_key, &self.sealed_secret, records).map(|(bytes, _)| bytes)
    }
}

/// A whole file's bytes, and how many records it has.
fn whole_file(
    header: &Header,
    data_key: &Key,
    sealed_secret: &[u8],
    records: &[Zeroizing<Vec<u8>>],
) -> Result<(Vec<u8>, u64), WalletError> {
    let mut bytes = header.bytes.clone();
    let mut sequence = 0;
    for plain in std::iter::once(sealed_secret).chain(records.iter().map(|record| record.as_slice())) {
        bytes.extend_from_slice(&header.record(data_key, sequence, plain)?);
        sequence += 1;
    }
    Ok((bytes, sequence))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WalletError {
    move |source| FilesError::Io { action, path: path.to_owned(), source }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn password(text: &str) -> Password {
        Password::new(text).expect("not empty")
    }

    fn records(texts: &[&str]) -> Records {
        texts.iter().map(|text| Zeroizing::new(text.as_bytes().to_vec())).collect()
    }

    fn sample(folder: &Path) -> (PathBuf, WalletFile) {
        let path = folder.join("a.wallet");
        let kind = KeyKind::Words;
        let cheap = KdfParams::cheap();
        let file = WalletFile::create(&path, kind, [7; 32], cheap, &password("p"), b"the secret", &records(&["one"]));
        (path, file.expect("a free place"))
    }

    fn texts(records: &Records) -> Vec<String> {
        records.iter().map(|record| String::from_utf8_lossy(record).into_owned()).collect()
    }

    #[test]
    fn what_is_appended_is_there_again_and_only_the_password_gives_the_secret() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, mut file) = sample(folder.path());
        file.append(b"two").expect("written");
        let key = file.data_key().clone();
        let sealed = Sealed::read(&path).expect("whole");
        assert_eq!((sealed.header().kind(), sealed.header().genesis()), (KeyKind::Words, [7; 32]));
        let (file, found) = sealed.unlock(&password("p")).expect("right password");
        assert_eq!(texts(&found), ["one", "two"]);
        assert_eq!(file.secret(&password("p")).expect("right password").as_slice(), b"the secret");
        assert!(matches!(file.secret(&password("q")), Err(WalletError::WrongPassword)));
        let (viewer, _) = Sealed::read(&path).expect("whole").unlock_with(key.clone()).expect("right key");
        let context = viewer.header.secret_context();
        assert!(
            vault::open(&key, &context, &viewer.sealed_secret).is_err(),
            "the viewing key must not open the secret"
        );
    }

    #[test]
    fn the_standard_password_hashing_works() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("s.wallet");
        let kind = KeyKind::Rsa { bits: 4096 };
        WalletFile::create(&path, kind, [1; 32], KdfParams::STANDARD, &password("p"), b"s", &[]).expect("a free place");
        let (file, _) = Sealed::read(&path).expect("whole").unlock(&password("p")).expect("right password");
        assert_eq!(file.header().kind(), kind);
    }

    #[test]
    fn every_kind_is_read_as_it_was_written() {
        let kinds = [
            KeyKind::Words,
            KeyKind::Rsa { bits: 3072 },
            KeyKind::WordsFor { scripts: ScriptKind::Segwit },
            KeyKind::WordsFor { scripts: ScriptKind::Nested },
            KeyKind::WordsFor { scripts: ScriptKind::Legacy },
            KeyKind::Multisig { required: 2, keys: 15 },
            KeyKind::Descriptor,
            KeyKind::WatchOnly,
            KeyKind::Token { bits: 4096 },
        ];
        for kind in kinds {
            let (byte, detail) = write_kind(kind);
            assert_eq!(read_kind(byte, detail), Some(kind));
        }
        assert_eq!((read_kind(0, 0), read_kind(8, 0), read_kind(3, 86)), (None, None, None));
    }

    #[test]
    fn an_existing_file_is_never_touched() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, _) = sample(folder.path());
        let before = std::fs::read(&path).expect("ours");
        assert_eq!(std::fs::metadata(&path).expect("ours").permissions().mode() & 0o777, 0o600);
        let again = WalletFile::create(&path, KeyKind::Words, [7; 32], KdfParams::cheap(), &password("x"), b"", &[]);
        assert!(matches!(again, Err(WalletError::Files(FilesError::Exists { .. }))));
        assert_eq!(std::fs::read(&path).expect("ours"), before);
    }

    #[test]
    fn a_wrong_password_is_told_from_damage() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, _) = sample(folder.path());
        let wrong = Sealed::read(&path).expect("whole").unlock(&password("q"));
        assert!(matches!(wrong, Err(WalletError::WrongPassword)));
        // A header that somebody bent and hashed again still gives nothing away.
        let mut bytes = std::fs::read(&path).expect("ours");
        bytes[PREFIX_LENGTH + 30] ^= 1;
        let hash = sha256::Hash::hash(&bytes[..HEADER_LENGTH - 32]);
        bytes[HEADER_LENGTH - 32..HEADER_LENGTH].copy_from_slice(hash.as_byte_array());
        std::fs::write(&path, &bytes).expect("ours");
        let bent = Sealed::read(&path).expect("hash fits").unlock(&password("p"));
        assert!(matches!(bent, Err(WalletError::WrongPassword)));
    }

    #[test]
    fn every_flipped_bit_is_damage() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, mut file) = sample(folder.path());
        file.append(b"two").expect("written");
        let key = file.data_key().clone();
        let whole = std::fs::read(&path).expect("ours");
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let opened = Sealed::parse(&path, bytes).and_then(|sealed| sealed.unlock_with(key.clone()));
            assert!(matches!(opened, Err(WalletError::Damaged { .. })), "bit {bit}");
        }
    }

    #[test]
    fn a_torn_last_record_is_dropped_and_cut_off_by_the_next() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, mut file) = sample(folder.path());
        let short = std::fs::metadata(&path).expect("ours").len() as usize;
        file.append(b"two").expect("written");
        let whole = std::fs::read(&path).expect("ours");
        let key = file.data_key().clone();
        for length in short..whole.len() {
            for zeros in [0, 100] {
                if zeros > 0 && length > short {
                    continue; // Bytes of a record with zeros after them are damage, not a clean end.
                }
                let torn = [&whole[..length], &vec![0; zeros]].concat();
                std::fs::write(&path, &torn).expect("ours");
                let (mut file, found) = Sealed::read(&path)
                    .and_then(|sealed| sealed.unlock_with(key.clone()))
                    .expect("only the end is torn");
                assert_eq!(texts(&found), ["one"]);
                file.append(b"three").expect("written");
                let (_, found) = Sealed::read(&path).expect("whole").unlock_with(key.clone()).expect("whole again");
                assert_eq!(texts(&found), ["one", "three"]);
            }
        }
        std::fs::write(&path, &whole[..short - 1]).expect("ours");
        let (_, found) = Sealed::read(&path).expect("header").unlock_with(key.clone()).expect("the secret is there");
        assert!(found.is_empty());
        std::fs::write(&path, &whole[..HEADER_LENGTH + 20]).expect("ours");
        assert!(matches!(
            Sealed::read(&path).expect("header").unlock_with(key),
            Err(WalletError::Damaged { what: "its keys are missing", .. })
        ));
    }

    #[test]
    fn a_rewritten_file_holds_the_new_records_under_the_same_or_a_new_password() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, mut file) = sample(folder.path());
        file.compact(&records(&["all"])).expect("written");
        file.append(b"more").expect("written");
        let old_key = file.data_key().clone();
        let (mut file, found) = Sealed::read(&path).expect("whole").unlock(&password("p")).expect("same password");
        assert_eq!(texts(&found), ["all", "more"]);
        let wrong = file.change_password(&password("x"), &password("n"), KdfParams::cheap(), &found);
        assert!(matches!(wrong, Err(WalletError::WrongPassword)));
        file.change_password(&password("p"), &password("n"), KdfParams::cheap(), &found).expect("written");
        assert_eq!(file.secret(&password("n")).expect("new password").as_slice(), b"the secret");
        file.append(b"last").expect("written");
        assert!(matches!(Sealed::read(&path).expect("whole").unlock(&password("p")), Err(WalletError::WrongPassword)));
        assert!(Sealed::read(&path).expect("whole").unlock_with(old_key).is_err());
        let (_, found) = Sealed::read(&path).expect("whole").unlock(&password("n")).expect("new password");
        assert_eq!(texts(&found), ["all", "more", "last"]);
        assert_eq!(std::fs::read_dir(folder.path()).expect("ours").count(), 1);
    }
}
