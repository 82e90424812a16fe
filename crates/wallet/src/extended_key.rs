//! Extended public keys as people exchange them: with where they come from, and in the many spellings of wallets.

use std::fmt;
use std::str::FromStr;

use mycoin_primitives::bitcoin::base58;
use mycoin_primitives::bitcoin::bip32::{KeySource, Xpub};
use mycoin_primitives::bitcoin::{NetworkKind, bip32};

use crate::keys::ScriptKind;
use crate::keys_error::KeysError;

/// An account's extended public key. It shows every address of the account and spends from none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedKey {
    pub(crate) key: Xpub,
    /// The master key's fingerprint, and the path from there.
    pub(crate) origin: Option<KeySource>,
    /// What its first letters say of the scripts.
    pub(crate) kind: Option<ScriptKind>,
}

/// Version bytes, and what they say of the scripts. Source: BIP32; SLIP-132, whose multi-signature spellings (Y, Z, U, V) say
/// nothing of a single key's scripts.
const PUBLIC: [([u8; 4], Option<ScriptKind>); 10] = [
    ([0x04, 0x88, 0xb2, 0x1e], None),                     // xpub
    ([0x04, 0x35, 0x87, 0xcf], None),                     // tpub
    ([0x04, 0x9d, 0x7c, 0xb2], Some(ScriptKind::Nested)), // ypub
    ([0x04, 0x4a, 0x52, 0x62], Some(ScriptKind::Nested)), // upub
    ([0x04, 0xb2, 0x47, 0x46], Some(ScriptKind::Segwit)), // zpub
    ([0x04, 0x5f, 0x1c, 0xf6], Some(ScriptKind::Segwit)), // vpub
    ([0x02, 0x95, 0xb4, 0x3f], None),                     // Ypub
    ([0x02, 0x42, 0x89, 0xef], None),                     // Upub
    ([0x02, 0xaa, 0x7e, 0xd3], None),                     // Zpub
    ([0x02, 0x57, 0x54, 0x83], None),                     // Vpub
];

/// Version bytes of private keys: xprv, tprv, yprv, uprv, zprv, vprv, Yprv, Uprv, Zprv, Vprv. Source: as above.
const PRIVATE: [[u8; 4]; 10] = [
    [0x04, 0x88, 0xad, 0xe4],
    [0x04, 0x35, 0x83, 0x94],
    [0x04, 0x9d, 0x78, 0x78],
    [0x04, 0x4a, 0x4e, 0x28],
    [0x04, 0xb2, 0x43, 0x0c],
    [0x04, 0x5f, 0x18, 0xbc],
    [0x02, 0x95, 0xb0, 0x05],
    [0x02, 0x42, 0x85, 0xb5],
    [0x02, 0xaa, 0x7a, 0x99],
    [0x02, 0x57, 0x50, 0x48],
];

/// The version bytes that the library reads.
const XPUB: [u8; 4] = [0x04, 0x88, 0xb2, 0x1e];

impl ExtendedKey {
    /// The scripts that its spelling stands for (ypub, zpub …); `None` for a plain xpub.
    pub fn script_kind(&self) -> Option<ScriptKind> {
        self.kind
    }

    /// The same key in the spelling that test networks have, `tpub`, or the other, `xpub`.
    pub fn to_text(&self, test_network: bool) -> String {
        let network = if test_network { NetworkKind::Test } else { NetworkKind::Main };
        Self { key: Xpub { network, ..self.key }, ..self.clone() }.to_string()
    }
}

/// `[fingerprint/path]xpub`; without the brackets where its origin is not known.
impl fmt::Display for ExtendedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some((fingerprint, path)) if path.is_empty() => write!(f, "[{fingerprint}]{}", self.key),
            Some((fingerprint, path)) => write!(f, "[{fingerprint}/{path}]{}", self.key),
            None => write!(f, "{}", self.key),
        }
    }
}

impl FromStr for ExtendedKey {
    type Err = KeysError;

    /// Reads `xpub…`, its relatives of SLIP-132, and `[fingerprint/path]xpub…`; what a path after the key says is dropped
    /// where it is `/0/*`, `/1/*` or `/<0;1>/*`.
    fn from_str(text: &str) -> Result<Self, KeysError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(KeysError::Empty);
        }
        let (origin, key) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            None => (None, text),
            Some(None) => return Err(KeysError::NotAnExtendedKey),
            Some(Some((origin, key))) => (Some(parse_origin(origin).ok_or(KeysError::NotAnExtendedKey)?), key),
        };
        let ends = ["/0/*", "/1/*", "/<0;1>/*", "/*"];
        let key = ends.iter().find_map(|end| key.strip_suffix(end)).unwrap_or(key);
        if key.len() < 100 || key.len() > 120 || !key.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(KeysError::NotAnExtendedKey);
        }
        let bytes = base58::decode_check(key).map_err(|_| KeysError::BadKey)?;
        let (version, rest) = bytes.split_first_chunk::<4>().ok_or(KeysError::BadKey)?;
        if PRIVATE.contains(version) {
            return Err(KeysError::PrivateKey);
        }
        let (_, kind) = PUBLIC.into_iter().find(|(known, _)| known == version).ok_or(KeysError::NotAnExtendedKey)?;
        let key = Xpub::decode(&[&XPUB, rest].concat()).map_err(|_: bip32::Error| KeysError::BadKey)?;
        // A path of another length than the key's depth is not the key's.
        if origin.as_ref().is_some_and(|(_, path)| path.len() != usize::from(key.depth)) {
            return Err(KeysError::BadKey);
        }
        Ok(Self { key, origin, kind })
    }
}

fn parse_origin(text: &str) -> Option<KeySource> {
    let (fingerprint, path) = text.split_once('/').unwrap_or((text, ""));
    Some((fingerprint.parse().ok()?, path.parse().ok()?))
}
