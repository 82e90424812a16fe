//! Descriptors that other wallets wrote, as the keys of a wallet of ours.

use bdk_wallet::miniscript::descriptor::checksum::desc_checksum;
use bdk_wallet::miniscript::descriptor::{DescriptorPublicKey, KeyMap, WshInner};
use bdk_wallet::miniscript::{Descriptor, Terminal};
use mycoin_primitives::Network;
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use zeroize::Zeroizing;

use super::{KeyKind, WalletKeys};
use crate::error::WalletError;
use crate::keyring::{self, PublicKeys};
use crate::keys_error::KeysError;

/// No descriptor that a person has comes near it.
const LONGEST_DESCRIPTOR: usize = 16 * 1024;

impl WalletKeys {
    /// Descriptors as other wallets write them: one, with or without two paths in one (BIP389), or a receiving and a
    /// change descriptor, one a line; also Bitcoin Core's `listdescriptors` with a single pair. Checksums are checked where
    /// they stand. With private keys the wallet signs, without it watches.
    ///
    /// # Errors
    ///
    /// [`KeysError`], which never repeats what was given.
    pub fn from_descriptors(text: &str, network: &Network) -> Result<Self, WalletError> {
        let given = split(text)?;
        let secp = Secp256k1::new();
        let mut private = KeyMap::new();
        let mut secret = Zeroizing::new(String::new());
        let mut chains = Vec::new();
        for one in &given {
            let (descriptor, keys) =
                Descriptor::<DescriptorPublicKey>::parse_descriptor(&secp, one).map_err(|_| explain(one))?;
            if !keyring::has_sound_keys(&descriptor) {
                return Err(KeysError::NotUnderstood.into());
            }
            if !keys.is_empty() {
                secret.push_str(one);
                secret.push('\n');
            }
            private.extend(keys);
            chains.push(descriptor);
        }
        let (external, internal) = match chains.as_slice() {
            [only] => (only, None),
            [external, internal] if external.desc_type() == internal.desc_type() && external != internal => {
                (external, Some(internal))
            }
            _ => return Err(KeysError::NotAPair.into()),
        };
        for descriptor in &chains {
            descriptor.sanity_check().map_err(|_| KeysError::Unsafe)?;
        }
        let signs = !private.is_empty();
        let public = PublicKeys::Descriptors {
            external: external.to_string(),
            internal: internal.map(ToString::to_string),
            signs,
        };
        // A multi-signature wallet's secret is words: one with private keys in its descriptor is of another kind.
        let kind = match (signs, multisig_shape(external)) {
            (true, _) => KeyKind::Descriptor,
            (false, Some(kind)) => kind,
            (false, None) => KeyKind::WatchOnly,
        };
        Self { kind, public, secret: Zeroizing::new(secret.as_bytes().to_vec()) }.checked(network)
    }
}

/// How many signatures a plain multi-signature descriptor asks for.
fn multisig_shape(descriptor: &Descriptor<DescriptorPublicKey>) -> Option<KeyKind> {
    let Descriptor::Wsh(script) = descriptor else { return None };
    let (required, keys) = match script.as_inner() {
        WshInner::SortedMulti(keys) => (keys.k(), keys.n()),
        WshInner::Ms(script) => match &script.node {
            Terminal::Multi(keys) => (keys.k(), keys.n()),
            _ => return None,
        },
    };
    Some(KeyKind::Multisig { required: u8::try_from(required).ok()?, keys: u8::try_from(keys).ok()? })
}

/// The descriptors in a text: its lines, or the entries of Core's `listdescriptors`, receiving ones first.
fn split(text: &str) -> Result<Vec<Zeroizing<String>>, KeysError> {
    if text.len() > LONGEST_DESCRIPTOR {
        return Err(KeysError::TooLong);
    }
    let given: Vec<Zeroizing<String>> = if text.trim_start().starts_with(['{', '[']) {
        core_list(text).ok_or(KeysError::NotUnderstood)?
    } else {
        // Hardened steps are written with h as well; the library reads both.
        text.split_whitespace().map(|line| Zeroizing::new(line.to_owned())).collect()
    };
    match given.as_slice() {
        [] => Err(KeysError::Empty),
        [one] => both_paths(one),
        [_, _] => Ok(given),
        _ => Err(KeysError::SeveralAccounts),
    }
}

/// The one or two descriptors that a descriptor with `<0;1>` stands for (BIP389). The library does it for public keys only.
fn both_paths(descriptor: &str) -> Result<Vec<Zeroizing<String>>, KeysError> {
    if !descriptor.contains('<') {
        return Ok(vec![Zeroizing::new(descriptor.to_owned())]);
    }
    let (body, checksum) = match descriptor.split_once('#') {
        Some((body, checksum)) => (body, Some(checksum)),
        None => (descriptor, None),
    };
    if checksum.is_some_and(|given| desc_checksum(body).ok().as_deref() != Some(given)) {
        return Err(KeysError::BadChecksum);
    }
    let mut chains = [Zeroizing::new(String::new()), Zeroizing::new(String::new())];
    let mut rest = body;
    while let Some((before, group)) = rest.split_once('<') {
        let (steps, after) = group.split_once('>').ok_or(KeysError::NotUnderstood)?;
        let (first, second) = steps.split_once(';').ok_or(KeysError::NotAPair)?;
        for (chain, step) in chains.iter_mut().zip([first, second]) {
            chain.push_str(before);
            chain.push_str(step);
        }
        rest = after;
    }
    for chain in &mut chains {
        chain.push_str(rest);
    }
    // Three steps leave a semicolon, which no descriptor has elsewhere.
    if chains.iter().any(|chain| chain.contains(';')) { Err(KeysError::NotAPair) } else { Ok(chains.into()) }
}

fn core_list(text: &str) -> Option<Vec<Zeroizing<String>>> {
    #[derive(serde::Deserialize)]
    struct Entry {
        desc: String,
        #[serde(default)]
        internal: bool,
    }
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum List {
        Bare(Vec<Entry>),
        Named { descriptors: Vec<Entry> },
    }
    let mut entries = match serde_json::from_str(text).ok()? {
        List::Bare(entries) | List::Named { descriptors: entries } => entries,
    };
    entries.sort_by_key(|entry| entry.internal);
    Some(entries.into_iter().map(|entry| Zeroizing::new(entry.desc)).collect())
}

/// Why a descriptor was refused, as far as it can be told without repeating any of it.
fn explain(descriptor: &str) -> KeysError {
    match descriptor.rsplit_once('#') {
        Some((body, _)) if Descriptor::<DescriptorPublicKey>::parse_descriptor(&Secp256k1::new(), body).is_ok() => {
            KeysError::BadChecksum
        }
        _ if descriptor.contains('(') => KeysError::NotUnderstood,
        _ => KeysError::NotADescriptor,
    }
}
