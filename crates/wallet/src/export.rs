//! What a wallet tells other programs of its public keys.

use bdk_wallet::miniscript::Descriptor;
use bdk_wallet::miniscript::descriptor::DescriptorPublicKey;
use mycoin_primitives::bitcoin::NetworkKind;
use mycoin_primitives::bitcoin::bip32::Xpub;

use crate::extended_key::ExtendedKey;
use crate::keyring::{Keychain, Keyring};
use crate::wallet::Wallet;

/// The coin type that all test networks share. Source: SLIP-44. Stock programs ask for tpub there.
const TEST_COIN_TYPE: u32 = 1;

impl Wallet {
    /// The wallet's output descriptors with public keys and checksums, for stock programs: one with both paths (BIP389) where
    /// receiving and change differ in that step alone, else each by itself. Empty for RSA and for a single address.
    ///
    /// They spend nothing, but show every address of the wallet, past and to come.
    pub fn descriptors(&self) -> Vec<String> {
        let Keyring::Descriptors(keys) = &self.keyring else { return Vec::new() };
        let text = |keychain: Keychain| {
            let text = self.spelled(&keys.descriptor(keychain)?.to_string(), &keys.account_keys());
            text.parse::<Descriptor<DescriptorPublicKey>>().ok()
        };
        let chains: Vec<_> = keys.keychains().iter().filter_map(|keychain| text(*keychain)).collect();
        match both(&chains) {
            Some(both) => vec![both],
            None => chains.iter().map(ToString::to_string).collect(),
        }
    }

    /// The extended public keys that the wallet is made of, each with its origin; more than one for several signers.
    pub fn extended_keys(&self) -> Vec<String> {
        let Keyring::Descriptors(keys) = &self.keyring else { return Vec::new() };
        let keys = keys.account_keys().into_iter();
        keys.map(|(key, origin)| {
            let origin = (origin.1.len() == usize::from(key.depth)).then_some(origin);
            ExtendedKey { key, origin, kind: None }.to_text(self.is_test_network())
        })
        .collect()
    }

    fn is_test_network(&self) -> bool {
        self.network().slip44 == TEST_COIN_TYPE
    }

    /// A descriptor without its checksum, its keys spelled as on this network.
    fn spelled<K>(&self, descriptor: &str, keys: &[(Xpub, K)]) -> String {
        let network = if self.is_test_network() { NetworkKind::Test } else { NetworkKind::Main };
        let (body, _) = descriptor.split_once('#').unwrap_or((descriptor, ""));
        keys.iter().fold(body.to_owned(), |text, (key, _)| {
            text.replace(&key.to_string(), &Xpub { network, ..*key }.to_string())
        })
    }
}

/// One descriptor for two, if it stands for exactly these two.
fn both(chains: &[Descriptor<DescriptorPublicKey>]) -> Option<String> {
    let [external, internal] = chains else { return None };
    let text = external.to_string();
    let (body, _) = text.split_once('#')?;
    let joined: Descriptor<DescriptorPublicKey> = body.replace("/0/*", "/<0;1>/*").parse().ok()?;
    let parts = joined.clone().into_single_descriptors().ok()?;
    (parts == [external.clone(), internal.clone()]).then(|| joined.to_string())
}
