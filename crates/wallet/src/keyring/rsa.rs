//! One RSA key behind one RSA lock (witness version 16). The wallet has one address and uses it again and again, change
//! included: whoever knows the address sees all of its payments.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256};
use mycoin_primitives::{Script, ScriptBuf, Transaction, TxOut, Witness};
use mycoin_script::{RsaHashType, rsa, rsa_lock_script, rsa_sighash};
use zeroize::Zeroizing;

use super::{NewKeys, PublicKeys};
use crate::error::WalletError;

/// The script of one RSA key.
pub(crate) struct RsaKeyring {
    spki: Vec<u8>,
    bits: u32,
    script: ScriptBuf,
    used: bool,
}

const FAILED: WalletError = WalletError::Crypto { what: "making or reading the RSA key" };

/// Makes a key of 2048, 3072 or 4096 bits.
pub(super) fn generate(bits: u32) -> Result<NewKeys, WalletError> {
    let size = match bits {
        2048 => KeySize::Rsa2048,
        3072 => KeySize::Rsa3072,
        4096 => KeySize::Rsa4096,
        _ => return Err(WalletError::RsaNotAllowed { bits }),
    };
    let key = KeyPair::generate(size).map_err(|_| FAILED)?;
    let private: Pkcs8V1Der<'_> = key.as_der().map_err(|_| FAILED)?;
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(|_| FAILED)?;
    Ok(NewKeys {
        public: PublicKeys::Rsa { spki: public.as_ref().to_vec() },
        secret: Zeroizing::new(private.as_ref().to_vec()),
    })
}

impl RsaKeyring {
    /// The keyring of a public key; `None` when no lock takes the key or its size is not the one that the file names.
    pub(super) fn open(spki: &[u8], bits: u32) -> Option<Self> {
        if rsa::check_spki(spki).ok()?.bits() != bits {
            return None;
        }
        Some(Self { spki: spki.to_vec(), bits, script: rsa_lock_script(spki), used: false })
    }

    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    pub(super) const fn is_used(&self) -> bool {
        self.used
    }

    pub(super) fn note(&mut self, tx: &Transaction) {
        self.used |= tx.output.iter().any(|output| output.script_pubkey == self.script);
    }

    fn witness(&self, signature: &[u8]) -> Witness {
        Witness::from_slice(&[signature, &self.spki])
    }

    pub(super) fn witness_weight(&self) -> u64 {
        self.witness(&vec![0; self.bits as usize / 8]).size() as u64
    }

    pub(super) fn sign(&self, tx: &Transaction, spent: &[TxOut], pkcs8: &[u8]) -> Result<Transaction, WalletError> {
        const FAILED: WalletError = WalletError::Crypto { what: "signing" };
        let key = KeyPair::from_pkcs8(pkcs8).map_err(|_| FAILED)?;
        let mut signed = tx.clone();
        for (input, txin) in signed.input.iter_mut().enumerate() {
            let message = rsa_sighash(tx, input, spent, RsaHashType::Default).map_err(|_| FAILED)?;
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), &message, &mut signature).map_err(|_| FAILED)?;
            txin.witness = self.witness(&signature);
        }
        Ok(signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::KeyKind;
    use crate::keyring::Keyring;
    use mycoin_primitives::Network;

    #[test]
    fn a_new_key_opens_again_as_its_own_kind_only() {
        let keys = NewKeys::new_rsa(2048, &Network::demo()).expect("demo has RSA locks");
        assert!(Keyring::open(&keys.public, KeyKind::Rsa { bits: 2048 }).is_some());
        assert!(Keyring::open(&keys.public, KeyKind::Rsa { bits: 3072 }).is_none());
        assert!(Keyring::open(&keys.public, KeyKind::Words).is_none());
    }

    #[test]
    fn sizes_and_networks_without_locks_are_refused() {
        for (bits, network) in [(1024, Network::demo()), (0, Network::demo()), (3072, Network::regtest())] {
            assert!(matches!(NewKeys::new_rsa(bits, &network), Err(WalletError::RsaNotAllowed { .. })));
        }
    }
}
