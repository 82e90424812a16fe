//! The signing secret, as it stands in the wallet file under the password.
//!
//! Four forms, told apart by the wallet's keys. Words: their entropy alone (16 to 32 bytes), or, with a passphrase, JSON,
//! which is always longer. Descriptors: their text with private keys. RSA: the key's PKCS#8. Watch-only: nothing.

use bdk_wallet::miniscript::Descriptor;
use bdk_wallet::miniscript::descriptor::{DescriptorPublicKey, KeyMap};
use mycoin_primitives::bitcoin::NetworkKind;
use mycoin_primitives::bitcoin::bip32::{Xpriv, Xpub};
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::WalletError;
use crate::keyring::{Keyring, PublicKeys};
use crate::keys::KeyKind;
use crate::passphrase::Passphrase;
use crate::words::RecoveryWords;

const FAILED: WalletError = WalletError::Crypto { what: "reading the signing secret" };

/// The longest entropy of recovery words.
const LONGEST_ENTROPY: usize = 32;

/// Words that have a passphrase.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct WordsRecord {
    entropy: Vec<u8>,
    passphrase: String,
}

/// An extended private key that is wiped when dropped.
pub(crate) struct WipedKey(pub(crate) Xpriv);

impl Drop for WipedKey {
    fn drop(&mut self) {
        self.0.private_key.non_secure_erase();
    }
}

/// The master key of words and passphrase. Extended keys carry Bitcoin's version bytes on every network, inside the file.
pub(crate) fn master_key(words: &RecoveryWords, passphrase: &Passphrase) -> Result<WipedKey, WalletError> {
    let seed = words.seed(passphrase).ok_or(FAILED)?;
    Xpriv::new_master(NetworkKind::Main, seed.as_slice()).map(WipedKey).map_err(|_| FAILED)
}

/// The secret of words, to be sealed.
pub(crate) fn of_words(words: &RecoveryWords, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, WalletError> {
    if passphrase.is_none() {
        return Ok(Zeroizing::new(words.entropy().to_vec()));
    }
    let record = WordsRecord { entropy: words.entropy().to_vec(), passphrase: passphrase.as_str().to_owned() };
    serde_json::to_vec(&record).map(Zeroizing::new).map_err(|_| FAILED)
}

/// Words and passphrase of an opened secret.
pub(crate) fn words(secret: &[u8]) -> Result<(RecoveryWords, Passphrase), WalletError> {
    if secret.len() <= LONGEST_ENTROPY {
        return Ok((RecoveryWords::from_entropy(secret).ok_or(FAILED)?, Passphrase::none()));
    }
    let record: WordsRecord = serde_json::from_slice(secret).map_err(|_| FAILED)?;
    let words = RecoveryWords::from_entropy(&record.entropy).ok_or(FAILED)?;
    Ok((words, Passphrase::new(record.passphrase.as_str())))
}

/// The private keys of an opened secret that holds descriptors, one a line.
pub(crate) fn descriptor_keys(secret: &[u8]) -> Result<KeyMap, WalletError> {
    let secp = Secp256k1::new();
    let text = std::str::from_utf8(secret).map_err(|_| FAILED)?;
    let mut keys = KeyMap::new();
    for line in text.lines() {
        let (_, map) = Descriptor::<DescriptorPublicKey>::parse_descriptor(&secp, line).map_err(|_| FAILED)?;
        keys.extend(map);
    }
    Ok(keys)
}

/// Whether an opened secret is that of these public keys: whether what it would sign would be theirs.
pub(crate) fn fits(secret: &[u8], public: &PublicKeys, kind: KeyKind) -> bool {
    let Some(keyring) = Keyring::open(public, kind) else { return false };
    match (&keyring, kind) {
        (Keyring::Rsa(keys), KeyKind::Rsa { .. }) => keys.private_key(secret).is_some(),
        (Keyring::Descriptors(_), KeyKind::Descriptor) => {
            let PublicKeys::Descriptors { external, internal, .. } = public else { return false };
            let Ok(text) = std::str::from_utf8(secret) else { return false };
            let secp = Secp256k1::new();
            let parse = |line: &str| Descriptor::<DescriptorPublicKey>::parse_descriptor(&secp, line).ok();
            let found: Vec<_> = text.lines().filter_map(parse).map(|(descriptor, _)| descriptor.to_string()).collect();
            !found.is_empty() && found.iter().all(|one| one == external || Some(one) == internal.as_ref())
        }
        (Keyring::Descriptors(keys), _) if public.signs(kind) => words(secret).is_ok_and(|(words, passphrase)| {
            let Ok(master) = master_key(&words, &passphrase) else { return false };
            let secp = Secp256k1::new();
            keys.account_keys().into_iter().any(|(key, (_, path))| {
                let derived = master.0.derive_priv(&secp, &path).map(WipedKey);
                derived.is_ok_and(|derived| Xpub::from_priv(&secp, &derived.0).to_pub() == key.to_pub())
            })
        }),
        // Nothing in the file signs.
        _ => true,
    }
}
