//! Keys that grow from recovery words: taproot, single key (BIP86), one receiving and one change chain.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use bdk_wallet::chain::Indexer as _;
use bdk_wallet::chain::keychain_txout::KeychainTxOutIndex;
use bdk_wallet::miniscript::Descriptor;
use bdk_wallet::miniscript::descriptor::DescriptorPublicKey;
use bdk_wallet::miniscript::psbt::{PsbtExt as _, PsbtInputExt as _};
use mycoin_primitives::bitcoin::bip32::{ChildNumber, DerivationPath, Xpriv, Xpub};
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use mycoin_primitives::bitcoin::{NetworkKind, Psbt};
use mycoin_primitives::{Script, ScriptBuf, Transaction, TxOut};

use super::{GAP_LIMIT, Keychain, Origin, PublicKeys};
use crate::error::WalletError;
use crate::words::RecoveryWords;

/// The scripts of two descriptors.
pub(crate) struct WordsKeyring {
    index: KeychainTxOutIndex<Keychain>,
}

const FAILED: WalletError = WalletError::Crypto { what: "deriving keys from the recovery words" };

/// How deep an account's key lies: `86'/coin'/account'`. Source: BIP44.
const ACCOUNT_DEPTH: u8 = 3;

/// An extended private key that is wiped when dropped.
struct WipedKey(Xpriv);

impl Drop for WipedKey {
    fn drop(&mut self) {
        self.0.private_key.non_secure_erase();
    }
}

/// The master key of the words. Extended keys carry Bitcoin's version bytes on every network: they never leave the file.
fn master_key(words: &RecoveryWords) -> Result<WipedKey, WalletError> {
    let seed = words.seed().ok_or(FAILED)?;
    Xpriv::new_master(NetworkKind::Main, seed.as_slice()).map(WipedKey).map_err(|_| FAILED)
}

/// BIP86's descriptors of the words: `tr([fingerprint/86'/coin'/0']xpub/0/*)`, and `/1/*` for change.
pub(super) fn public_keys(words: &RecoveryWords, coin_type: u32) -> Result<PublicKeys, WalletError> {
    let secp = Secp256k1::new();
    let master = master_key(words)?;
    let hardened = |index| ChildNumber::from_hardened_idx(index).map_err(|_| FAILED);
    let path: DerivationPath = vec![hardened(86)?, hardened(coin_type)?, hardened(0)?].into();
    let account = master.0.derive_priv(&secp, &path).map(WipedKey).map_err(|_| FAILED)?;
    let xpub = Xpub::from_priv(&secp, &account.0);
    let fingerprint = master.0.fingerprint(&secp);
    let descriptor = |chain: u32| format!("tr([{fingerprint}/{path}]{xpub}/{chain}/*)");
    Ok(PublicKeys::Words { external: descriptor(0), internal: descriptor(1) })
}

impl WordsKeyring {
    /// The keyring of two descriptors; `None` when they are not what [`public_keys`] writes.
    pub(super) fn open(external: &str, internal: &str) -> Option<Self> {
        let mut index = KeychainTxOutIndex::new(GAP_LIMIT, false);
        for (keychain, text) in [(Keychain::External, external), (Keychain::Internal, internal)] {
            let descriptor = Descriptor::<DescriptorPublicKey>::from_str(text).ok()?;
            let Descriptor::Tr(taproot) = &descriptor else { return None };
            let DescriptorPublicKey::XPub(account) = taproot.internal_key() else { return None };
            // The library reads master keys whose fields contradict each other, which BIP32 forbids.
            if account.xkey.depth != ACCOUNT_DEPTH || !descriptor.has_wildcard() {
                return None;
            }
            index.insert_descriptor(keychain, descriptor).ok()?;
        }
        Some(Self { index })
    }

    pub(super) fn origin(&self, script: &Script) -> Option<Origin> {
        let (keychain, index) = *self.index.index_of_spk(script.to_owned())?;
        Some(Origin { keychain, index })
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

    pub(super) fn script_at(&self, origin: Origin) -> Option<ScriptBuf> {
        let descriptor = self.index.get_descriptor(origin.keychain)?.at_derivation_index(origin.index).ok()?;
        Some(descriptor.script_pubkey())
    }

    pub(super) fn sign(
        &self,
        tx: &Transaction,
        spent: &[TxOut],
        origins: &[Origin],
        entropy: &[u8],
    ) -> Result<Transaction, WalletError> {
        const FAILED: WalletError = WalletError::Crypto { what: "signing" };
        let secp = Secp256k1::new();
        let words = RecoveryWords::from_entropy(entropy).ok_or(FAILED)?;
        let master = master_key(&words)?;
        let mut psbt = Psbt::from_unsigned_tx(tx.clone()).map_err(|_| FAILED)?;
        for ((input, output), origin) in psbt.inputs.iter_mut().zip(spent).zip(origins) {
            let descriptor = self.index.get_descriptor(origin.keychain).ok_or(FAILED)?;
            let definite = descriptor.at_derivation_index(origin.index).map_err(|_| FAILED)?;
            input.witness_utxo = Some(output.clone());
            input.update_with_descriptor_unchecked(&definite).map_err(|_| FAILED)?;
        }
        psbt.sign(&master.0, &secp).map_err(|_| FAILED)?;
        psbt.finalize_mut(&secp).map_err(|_| FAILED)?;
        Ok(psbt.extract_tx_unchecked_fee_rate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_that_are_not_ours_are_refused() {
        assert!(WordsKeyring::open("", "").is_none());
        assert!(WordsKeyring::open("tr(xpub)", "nonsense").is_none());
    }
}
