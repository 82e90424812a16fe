//! Adding this wallet's signatures to a PSBT.
//!
//! Nothing of the PSBT is trusted: which keys sign is worked out from the wallet's own descriptors, on a copy that holds
//! only what was checked; the signatures alone are taken over.

use bdk_wallet::miniscript::descriptor::KeyMapWrapper;
use bdk_wallet::miniscript::psbt::PsbtInputExt as _;
use mycoin_primitives::bitcoin;
use mycoin_primitives::bitcoin::psbt::GetKey;
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use mycoin_primitives::{Amount, Transaction, TxOut};

use super::coins::{SpentCoin, covers_everything};
use super::finalise::{Examined, InputState};
use super::{Psbt, PsbtError, rsa};
use crate::error::WalletError;
use crate::keyring::{self, DescriptorKeyring, Keyring, RsaKeyring, RsaSigner};
use crate::keys::KeyKind;
use crate::secret;
use crate::signer::Signer;
use crate::wallet::Wallet;

/// What signing gave.
#[derive(Debug, Clone)]
pub struct SignedPsbt {
    /// The PSBT with this wallet's signatures; nothing was taken away.
    pub psbt: Psbt,
    /// How many signatures are new; 0 when this wallet had signed before.
    pub new_signatures: usize,
    /// Whether every input has all the signatures that it needs.
    pub complete: bool,
}

const FAILED: WalletError = WalletError::Crypto { what: "signing" };

impl Wallet {
    /// Signs every input that is this wallet's. The new signatures are checked before this returns.
    ///
    /// # Errors
    ///
    /// [`PsbtError`] when the fee is not certain, when something contradicts itself, when a signature is asked for that does
    /// not cover the whole payment, or when nothing is ours. Nothing is signed then.
    pub fn sign_psbt<'a>(&self, psbt: &Psbt, signer: impl Into<Signer<'a>>) -> Result<SignedPsbt, PsbtError> {
        let signer = signer.into();
        if !self.can_sign() {
            return Err(WalletError::WatchOnly.into());
        }
        let coins = self.checked_coins(psbt)?;
        let mut signed = psbt.clone();
        match &self.keyring {
            Keyring::Descriptors(keys) => {
                let secret = self.secret(signer.password()?)?;
                let work = self.worksheet(psbt, &coins, keys)?;
                let work = match self.kind() {
                    KeyKind::Words | KeyKind::WordsFor { .. } | KeyKind::Multisig { .. } => {
                        let (words, passphrase) = secret::words(&secret)?;
                        let master = secret::master_key(&words, &passphrase)?;
                        sign_with(work, &master.0)?
                    }
                    KeyKind::Descriptor => sign_with(work, &KeyMapWrapper::from(secret::descriptor_keys(&secret)?))?,
                    KeyKind::Rsa { .. } | KeyKind::Token { .. } | KeyKind::WatchOnly => return Err(FAILED.into()),
                };
                signed.0.combine(work).map_err(|_| FAILED)?;
            }
            Keyring::Rsa(keys) => sign_locks(&mut signed, &coins, keys, &self.rsa_signer(keys, signer)?)?,
            Keyring::Fixed(_) => return Err(WalletError::WatchOnly.into()),
        }
        let spent: Vec<TxOut> = coins.iter().map(|coin| coin.output.clone()).collect();
        let states = Examined::new(&signed, &spent, self.network()).states;
        for (input, (state, coin)) in states.iter().zip(&coins).enumerate() {
            // Another's wrong signature is theirs to mend; inspecting shows it.
            if let (InputState::Wrong(reason), Some(_)) = (state, coin.origin) {
                return Err(PsbtError::SignatureRefused { input, reason: reason.clone() });
            }
        }
        let complete = states.iter().all(|state| *state == InputState::Complete);
        let new_signatures = count(&signed).saturating_sub(count(psbt));
        Ok(SignedPsbt { psbt: signed, new_signatures, complete })
    }

    /// Signs what this wallet can finish by itself and spends no coin of the chain: a message. Nothing is noted.
    pub(crate) fn sign_psbt_alone(&self, psbt: &Psbt, signer: Signer<'_>) -> Result<Transaction, PsbtError> {
        let coins = self.checked_coins(psbt)?;
        let signed = self.sign_psbt(psbt, signer)?;
        let spent: Vec<TxOut> = coins.into_iter().map(|coin| coin.output).collect();
        Examined::new(&signed.psbt, &spent, self.network()).finish()
    }

    /// All coins that the payment spends, if signing it is safe.
    fn checked_coins(&self, psbt: &Psbt) -> Result<Vec<SpentCoin>, PsbtError> {
        let mut coins = Vec::new();
        for at in 0..psbt.0.inputs.len() {
            coins.push(self.spent_coin(psbt, at)?.ok_or(PsbtError::CoinMissing { input: at })?);
        }
        let mut any = false;
        for (at, (coin, input)) in coins.iter().zip(&psbt.0.inputs).enumerate() {
            if coin.origin.is_none() {
                continue;
            }
            any = true;
            if !covers_everything(input.sighash_type) {
                return Err(PsbtError::SighashRefused { input: at });
            }
            // Schnorr and RSA signatures cover every amount themselves. Source: BIP341; docs/rsa-lock.md.
            let covers_amounts = match &self.keyring {
                Keyring::Descriptors(keys) => !keys.needs_earlier_transactions(),
                Keyring::Rsa(_) => true,
                Keyring::Fixed(_) => false,
            };
            // An older signature covers its own amount only, so that two of them could be asked for with different lies.
            // All inputs must prove theirs then. Source: CVE-2020-14199.
            if !covers_amounts && let Some(unproven) = coins.iter().position(|coin| !coin.proven) {
                return Err(PsbtError::AmountUnproven { input: unproven });
            }
        }
        if !any {
            return Err(PsbtError::NothingToSign);
        }
        let spent = coins.iter().try_fold(Amount::ZERO, |sum, coin| sum.checked_add(coin.output.value));
        let paid = psbt.unsigned().output.iter().try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value));
        match (spent, paid) {
            (Some(spent), Some(paid)) if spent >= paid => Ok(coins),
            _ => Err(PsbtError::PaysTooMuch),
        }
    }

    /// The payment alone, with what is needed to sign our inputs, taken from our own keys.
    fn worksheet(
        &self,
        psbt: &Psbt,
        coins: &[SpentCoin],
        keys: &DescriptorKeyring,
    ) -> Result<bitcoin::Psbt, PsbtError> {
        let mut work = bitcoin::Psbt::from_unsigned_tx(psbt.unsigned().clone()).map_err(|_| PsbtError::Damaged)?;
        for ((input, given), coin) in work.inputs.iter_mut().zip(&psbt.0.inputs).zip(coins) {
            input.witness_utxo = Some(coin.output.clone());
            if let Some(origin) = coin.origin {
                let definite = keys.definite(origin).ok_or(FAILED)?;
                input.update_with_descriptor_unchecked(&definite).map_err(|_| FAILED)?;
                input.non_witness_utxo = given.non_witness_utxo.clone();
                input.sighash_type = given.sighash_type;
                if definite.desc_type().segwit_version().is_none() {
                    input.witness_utxo = None;
                }
                // Signatures that are there already are not made again.
                input.tap_key_sig = given.tap_key_sig;
                input.tap_script_sigs = given.tap_script_sigs.clone();
            }
        }
        Ok(work)
    }
}

pub(super) fn sign_with<K: GetKey>(mut work: bitcoin::Psbt, keys: &K) -> Result<bitcoin::Psbt, PsbtError> {
    match work.sign(keys, &Secp256k1::new()) {
        Ok(_) => {}
        // Inputs of others cannot be signed, which is as it should be.
        Err((_, errors)) => {
            let ours = |input: &&usize| {
                work.inputs
                    .get(**input)
                    .is_some_and(|input| !input.bip32_derivation.is_empty() || !input.tap_key_origins.is_empty())
            };
            if errors.keys().any(|input| ours(&input)) {
                return Err(FAILED.into());
            }
        }
    }
    for input in &mut work.inputs {
        if input.bip32_derivation.is_empty() && input.tap_key_origins.is_empty() {
            // It stood there for the signatures of our inputs only.
            input.witness_utxo = None;
        }
    }
    Ok(work)
}

fn sign_locks(
    signed: &mut Psbt,
    coins: &[SpentCoin],
    keys: &RsaKeyring,
    signer: &RsaSigner<'_>,
) -> Result<(), PsbtError> {
    let spent: Vec<TxOut> = coins.iter().map(|coin| coin.output.clone()).collect();
    let tx = signed.unsigned().clone();
    for (at, (input, coin)) in signed.0.inputs.iter_mut().zip(coins).enumerate() {
        if coin.origin.is_some() && (rsa::signature(input).is_none() || rsa::key(input) != Some(keys.spki())) {
            rsa::set_key(input, keys.spki());
            rsa::set_signature(input, keyring::sign_rsa(signer, &tx, at, &spent)?);
        }
    }
    Ok(())
}

/// How many signatures a PSBT holds.
fn count(psbt: &Psbt) -> usize {
    let of = |input: &bitcoin::psbt::Input| {
        input.partial_sigs.len()
            + input.tap_script_sigs.len()
            + usize::from(input.tap_key_sig.is_some())
            + usize::from(rsa::signature(input).is_some())
    };
    psbt.0.inputs.iter().map(of).sum()
}
