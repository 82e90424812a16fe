//! Keys that output descriptors tell of: one chain of addresses to hand out and, in most wallets, one for change.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use bdk_wallet::chain::Indexer as _;
use bdk_wallet::chain::keychain_txout::KeychainTxOutIndex;
use bdk_wallet::miniscript::descriptor::{DefiniteDescriptorKey, DescriptorPublicKey, DescriptorXKey, Wildcard};
use bdk_wallet::miniscript::{Descriptor, ForEachKey as _};
use mycoin_primitives::bitcoin::bip32::{ChildNumber, DerivationPath, Fingerprint, KeySource, Xpub};
use mycoin_primitives::{Script, ScriptBuf, Transaction};

use super::{GAP_LIMIT, Keychain, Origin};

/// The scripts of one or two descriptors.
pub(crate) struct DescriptorKeyring {
    index: KeychainTxOutIndex<Keychain>,
    /// What a satisfied input weighs more than an empty one, at most.
    weight: u64,
}

/// How many places that somebody claims for one script are tried.
const CLAIMS_TRIED: usize = 32;

/// A key at depth 0 has nothing above it. The library does not look. Source: BIP32, test vector 5.
fn contradicts_itself(key: &Xpub) -> bool {
    let is_normal_zero = matches!(key.child_number, ChildNumber::Normal { index: 0 });
    key.depth == 0 && !(is_normal_zero && key.parent_fingerprint == Fingerprint::default())
}

/// Whether every key of the descriptor is one that BIP32 allows, and every address can be derived without private keys.
/// With hardened steps the library panics.
pub(crate) fn has_sound_keys(descriptor: &Descriptor<DescriptorPublicKey>) -> bool {
    descriptor.for_each_key(|key| match key {
        DescriptorPublicKey::Single(_) => true,
        DescriptorPublicKey::XPub(DescriptorXKey { xkey, derivation_path, wildcard, .. }) => {
            !contradicts_itself(xkey)
                && derivation_path.into_iter().all(ChildNumber::is_normal)
                && *wildcard != Wildcard::Hardened
        }
        // Two descriptors stand in its place.
        DescriptorPublicKey::MultiXPub(_) => false,
    })
}

impl DescriptorKeyring {
    /// The keyring of these descriptors; `None` when they cannot be understood or are one and the same.
    pub(super) fn open(external: &str, internal: Option<&str>) -> Option<Self> {
        let mut index = KeychainTxOutIndex::new(GAP_LIMIT, false);
        let mut weight = 0;
        let texts = [(Keychain::External, Some(external)), (Keychain::Internal, internal)];
        for (keychain, text) in texts.into_iter().filter_map(|(keychain, text)| Some((keychain, text?))) {
            let descriptor = Descriptor::<DescriptorPublicKey>::from_str(text).ok()?;
            if !has_sound_keys(&descriptor) {
                return None;
            }
            weight = weight.max(spending_weight(&descriptor)?);
            let grows = descriptor.has_wildcard();
            index.insert_descriptor(keychain, descriptor).ok()?;
            if !grows {
                // There is no other address to hand out.
                let _ = index.reveal_to_target(keychain, 0);
            }
        }
        Some(Self { index, weight })
    }

    /// The chains of keys that it has.
    pub(crate) fn keychains(&self) -> &'static [Keychain] {
        match self.descriptor(Keychain::Internal) {
            Some(_) => &[Keychain::External, Keychain::Internal],
            None => &[Keychain::External],
        }
    }

    pub(crate) fn descriptor(&self, keychain: Keychain) -> Option<&Descriptor<DescriptorPublicKey>> {
        self.index.get_descriptor(keychain)
    }

    /// Whether there is more than one address.
    pub(super) fn grows(&self) -> bool {
        self.descriptor(Keychain::External).is_some_and(Descriptor::has_wildcard)
    }

    pub(super) fn origin(&self, script: &Script) -> Option<Origin> {
        let (keychain, index) = *self.index.index_of_spk(script.to_owned())?;
        Some(Origin { keychain, index })
    }

    /// Whose script that is, looked for also where somebody claims that its keys stand. Only a derivation that gives
    /// the very script proves the claim.
    pub(super) fn prove(&self, script: &Script, claims: &mut dyn Iterator<Item = &KeySource>) -> Option<Origin> {
        if let Some(origin) = self.origin(script) {
            return Some(origin);
        }
        let last_step = |(_, path): &KeySource| match path.as_ref().last() {
            Some(ChildNumber::Normal { index }) => Some(*index),
            Some(ChildNumber::Hardened { .. }) | None => None,
        };
        let places: BTreeSet<u32> = claims.take(CLAIMS_TRIED).filter_map(last_step).collect();
        let origins = places
            .into_iter()
            .flat_map(|index| self.keychains().iter().map(move |keychain| Origin { keychain: *keychain, index }));
        origins.into_iter().find(|origin| self.script_at(*origin).is_some_and(|ours| *ours == *script))
    }

    pub(super) fn note(&mut self, tx: &Transaction) {
        let _ = self.index.index_tx(tx);
    }

    pub(super) fn reveal(&mut self, revealed: &BTreeMap<Keychain, u32>) {
        let _ = self.index.reveal_to_target_multi(revealed);
    }

    pub(super) fn revealed(&self) -> BTreeMap<Keychain, u32> {
        self.index.last_revealed_indices()
    }

    pub(super) fn next_unused(&self, keychain: Keychain) -> Option<(Origin, ScriptBuf)> {
        if let Some((index, script)) = self.index.unused_keychain_spks(keychain).next() {
            return Some((Origin { keychain, index }, script));
        }
        let (index, _) = self.index.next_index(keychain)?;
        let origin = Origin { keychain, index };
        Some((origin, self.script_at(origin)?))
    }

    pub(super) fn handed_out(&self) -> Vec<(u32, ScriptBuf, bool)> {
        let scripts = self.index.revealed_keychain_spks(Keychain::External);
        scripts.map(|(index, script)| (index, script, self.index.is_used(Keychain::External, index))).collect()
    }

    /// The descriptor of one place, without wildcards.
    pub(crate) fn definite(&self, origin: Origin) -> Option<Descriptor<DefiniteDescriptorKey>> {
        // Without a wildcard there is one place, and the library would give it for every index.
        let descriptor = self.descriptor(origin.keychain)?;
        let exists = origin.index == 0 || descriptor.has_wildcard();
        exists.then(|| descriptor.at_derivation_index(origin.index).ok())?
    }

    pub(super) fn script_at(&self, origin: Origin) -> Option<ScriptBuf> {
        // Up to a gap above the last address that was handed out, it is worked out already.
        let known = self.index.spk_at_index(origin.keychain, origin.index);
        known.or_else(|| Some(self.definite(origin)?.script_pubkey()))
    }

    pub(super) const fn spending_weight(&self) -> u64 {
        self.weight
    }

    /// Whether signatures of inputs commit to the spent amount only where the whole earlier transaction proves it.
    pub(crate) fn needs_earlier_transactions(&self) -> bool {
        !matches!(self.descriptor(Keychain::External), Some(Descriptor::Tr(_)))
    }

    /// The extended keys with where they come from.
    pub(crate) fn account_keys(&self) -> Vec<(Xpub, KeySource)> {
        let mut found = BTreeMap::new();
        if let Some(descriptor) = self.descriptor(Keychain::External) {
            descriptor.for_each_key(|key| {
                if let DescriptorPublicKey::XPub(key) = key {
                    let bare = || (key.xkey.fingerprint(), DerivationPath::default());
                    found.insert(key.xkey, key.origin.clone().unwrap_or_else(bare));
                }
                true
            });
        }
        found.into_iter().collect()
    }
}

/// What spending adds to an input's weight, at most; `None` when nothing could ever spend it.
fn spending_weight(descriptor: &Descriptor<DescriptorPublicKey>) -> Option<u64> {
    match descriptor {
        // One item: a Schnorr signature under SIGHASH_DEFAULT. The library allows for a hash type, which we never use.
        Descriptor::Tr(taproot) if taproot.tap_tree().is_none() => Some(1 + 1 + 64),
        // The library counts the byte for the number of witness items as part of an empty input.
        _ => Some(1 + descriptor.at_derivation_index(0).ok()?.max_weight_to_satisfy().ok()?.to_wu()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_that_make_no_sense_are_refused() {
        for (external, internal) in [("", Some("")), ("tr(xpub)", Some("nonsense")), ("", None)] {
            assert!(DescriptorKeyring::open(external, internal).is_none());
        }
        let deep = format!("sh({}1{})", "and_v(v:1,".repeat(10_000), ")".repeat(10_000));
        assert!(DescriptorKeyring::open(&deep, None).is_none());
    }
}
