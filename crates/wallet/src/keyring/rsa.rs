//! One RSA key behind one RSA lock (witness version 16). The wallet has one address and uses it again and again, change
//! included: whoever knows the address sees all of its payments.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256};
use mycoin_primitives::{Script, ScriptBuf, Transaction, TxOut, Witness};
use mycoin_script::{RsaHashType, rsa, rsa_lock_script, rsa_sighash};
use zeroize::Zeroizing;

use crate::error::WalletError;
use crate::token::TokenSession;

/// The script of one RSA key.
pub(crate) struct RsaKeyring {
    spki: Vec<u8>,
    bits: u32,
    script: ScriptBuf,
    used: bool,
}

/// A key pair as the file keeps it.
pub(crate) struct RsaPair {
    /// DER SubjectPublicKeyInfo.
    pub(crate) spki: Vec<u8>,
    pub(crate) pkcs8: Zeroizing<Vec<u8>>,
}

const FAILED: WalletError = WalletError::Crypto { what: "making or reading the RSA key" };

impl RsaPair {
    /// Both halves of a key pair.
    pub(crate) fn of(key: &KeyPair) -> Result<Self, WalletError> {
        let private: Pkcs8V1Der<'_> = key.as_der().map_err(|_| FAILED)?;
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(|_| FAILED)?;
        Ok(Self { spki: public.as_ref().to_vec(), pkcs8: Zeroizing::new(private.as_ref().to_vec()) })
    }
}

/// Makes a key of 2048, 3072 or 4096 bits.
pub(crate) fn generate(bits: u32) -> Result<RsaPair, WalletError> {
    let size = match bits {
        2048 => KeySize::Rsa2048,
        3072 => KeySize::Rsa3072,
        4096 => KeySize::Rsa4096,
        _ => return Err(WalletError::RsaNotAllowed { bits }),
    };
    RsaPair::of(&KeyPair::generate(size).map_err(|_| FAILED)?)
}

impl RsaKeyring {
    /// The keyring of a public key; `None` when no lock takes it.
    pub(super) fn open(spki: &[u8]) -> Option<Self> {
        let bits = rsa::check_spki(spki).ok()?.bits();
        Some(Self { spki: spki.to_vec(), bits, script: rsa_lock_script(spki), used: false })
    }

    pub(super) const fn bits(&self) -> u32 {
        self.bits
    }

    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
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

    pub(super) fn witness_weight(&self) -> u64 {
        let signature = vec![0; self.bits as usize / 8];
        Witness::from_slice(&[signature.as_slice(), &self.spki]).size() as u64
    }

    /// The private key of an opened secret; `None` when it is not this keyring's.
    pub(crate) fn private_key(&self, pkcs8: &[u8]) -> Option<KeyPair> {
        let key = KeyPair::from_pkcs8(pkcs8).ok()?;
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().ok()?;
        (public.as_ref() == self.spki).then_some(key)
    }
}

const NOT_SIGNED: WalletError = WalletError::Crypto { what: "signing" };

/// What makes the signatures: a private key in memory, or hardware that keeps it.
pub(crate) enum RsaSigner<'a> {
    /// Wiped by its library when dropped.
    Key(Box<KeyPair>),
    Token(&'a TokenSession),
}

impl RsaSigner<'_> {
    /// PSS with SHA-256, MGF1 with SHA-256, a salt of 32 bytes.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, WalletError> {
        match self {
            Self::Key(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message, &mut signature).map_err(|_| NOT_SIGNED)?;
                Ok(signature)
            }
            Self::Token(token) => Ok(token.sign(message)?),
        }
    }
}

/// Signs one input of `tx`, which spends `spent`, under hash type DEFAULT.
pub(crate) fn sign(
    signer: &RsaSigner<'_>,
    tx: &Transaction,
    input: usize,
    spent: &[TxOut],
) -> Result<Vec<u8>, WalletError> {
    let message = rsa_sighash(tx, input, spent, RsaHashType::Default).map_err(|_| NOT_SIGNED)?;
    signer.sign(&message)
}
