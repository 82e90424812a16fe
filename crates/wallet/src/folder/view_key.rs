//! The viewing key beside a wallet: what lets its owner look without the password, for ever or for a while.
//!
//! ```text
//! magic 8 · the wallet header's salt 16 · data key 32 · SHA-256 of these cut to 8               without an end
//! magic 8 · the wallet header's salt 16 · data key 32 · until 8 · SHA-256 of these cut to 8     with one
//! ```
//! `until` is seconds since 1970, little-endian.
//!
//! Never: the signing secret, which the data key does not open.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mycoin_files::{FilesError, Readers};
use mycoin_primitives::hashes::{Hash as _, sha256};
use zeroize::Zeroizing;

use crate::disk::DISK;
use crate::error::WalletError;
use crate::file::{Header, WalletFile};
use crate::vault::Key;

const MAGIC: &[u8; 8] = b"MYCOINV\0";
const MAGIC_WITH_END: &[u8; 8] = b"MYCOINV\x01";

/// A viewing key as it stands in its file.
pub(crate) struct ViewKey {
    salt: [u8; 16],
    key: Key,
    /// From when on it no longer counts; seconds since 1970.
    pub(crate) until: Option<u64>,
}

fn place(wallet: &Path) -> PathBuf {
    // Not `with_extension`'s business: a wallet's name may hold points, but its file always ends in `.wallet`.
    wallet.with_extension("view")
}

impl ViewKey {
    /// Reads the viewing key beside the wallet file at that place; `None` when there is none or it is damaged.
    pub(crate) fn read(wallet: &Path) -> Result<Option<Self>, WalletError> {
        match mycoin_files::read_private(&place(wallet)) {
            Ok(bytes) => Ok(Self::parse(&Zeroizing::new(bytes))),
            Err(FilesError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (hashed, hash) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
        let whole = sha256::Hash::hash(hashed);
        let (magic, rest) = hashed.split_first_chunk::<8>()?;
        let (salt, rest) = rest.split_first_chunk::<16>()?;
        let (key, rest) = rest.split_first_chunk::<32>()?;
        let until = match (magic, rest) {
            (MAGIC, []) => None,
            (MAGIC_WITH_END, end) => Some(u64::from_le_bytes(end.try_into().ok()?)),
            _ => return None,
        };
        let is_whole = whole.as_byte_array().get(..8) == Some(hash);
        is_whole.then(|| Self { salt: *salt, key: Zeroizing::new(*key), until })
    }

    /// Whether it has not ended. `now`: seconds since 1970.
    pub(crate) fn counts(&self, now: u64) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// The data key, if it is that of the file with this header: not of one under an older password.
    pub(crate) fn key_of(self, header: &Header) -> Option<Key> {
        (self.salt == header.salt()).then_some(self.key)
    }
}

/// Writes the viewing key beside its wallet.
pub(crate) fn write(file: &WalletFile, until: Option<u64>) -> Result<(), WalletError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(128));
    bytes.extend_from_slice(if until.is_some() { MAGIC_WITH_END } else { MAGIC });
    bytes.extend_from_slice(&file.header().salt());
    bytes.extend_from_slice(file.data_key().as_slice());
    bytes.extend(until.map(u64::to_le_bytes).into_iter().flatten());
    let hash = sha256::Hash::hash(&bytes);
    bytes.extend(hash.as_byte_array().iter().take(8));
    Ok(mycoin_files::replace_on(DISK, &place(file.path()), &bytes, Readers::Owner)?)
}

/// Writes it anew where there is one, to end when that one ends: after the wallet got a new data key.
///
/// A wallet that was locked stays so; one whose viewing key cannot be written is locked by that.
pub(crate) fn renew(file: &WalletFile) {
    if let Ok(Some(old)) = ViewKey::read(file.path())
        && write(file, old.until).is_err()
    {
        // It opens nothing any more.
        let _may_be_left = mycoin_files::remove_on(DISK, &place(file.path()));
    }
}

/// Removes the viewing key beside the wallet file at that place, if there is one.
pub(crate) fn remove(wallet: &Path) -> Result<(), WalletError> {
    let path = place(wallet);
    let stands = std::fs::symlink_metadata(&path).is_ok();
    mycoin_files::remove_on(DISK, &path)?;
    if stands {
        mycoin_files::sync_parent_on(DISK, &path)?;
    }
    Ok(())
}
