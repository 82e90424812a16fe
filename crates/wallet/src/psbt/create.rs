//! A draft as a PSBT, with everything that a stock signer asks for.

use std::collections::HashMap;
use std::sync::Arc;

use bdk_wallet::miniscript::psbt::{PsbtInputExt as _, PsbtOutputExt as _};
use mycoin_primitives::bitcoin;
use mycoin_primitives::bitcoin::psbt::{Input, Output};
use mycoin_primitives::{Transaction, Txid};

use super::{Psbt, rsa};
use crate::error::WalletError;
use crate::keyring::{Keyring, Origin};
use crate::keys::KeyKind;
use crate::payment::Draft;
use crate::wallet::Wallet;

const FAILED: WalletError = WalletError::Crypto { what: "making a PSBT" };

impl Wallet {
    /// A draft as a PSBT: for signers elsewhere, or to be kept. Signs nothing.
    ///
    /// # Errors
    ///
    /// [`WalletError::Crypto`], when a key cannot be derived.
    pub fn to_psbt(&self, draft: &Draft) -> Result<Psbt, WalletError> {
        let mut psbt = bitcoin::Psbt::from_unsigned_tx(draft.unsigned().clone()).map_err(|_| FAILED)?;
        let known: HashMap<Txid, Arc<Transaction>> =
            self.ledger.transactions().iter().map(|entry| (entry.txid, entry.tx.clone())).collect();
        for (input, coin) in psbt.inputs.iter_mut().zip(draft.coins()) {
            let earlier = known.get(&coin.outpoint.txid).ok_or(FAILED)?;
            input.witness_utxo = Some(coin.output.clone());
            self.describe_input(input, coin.origin, earlier)?;
        }
        for (output, paid) in psbt.outputs.iter_mut().zip(&psbt.unsigned_tx.output) {
            if let Some(origin) = self.keyring.origin(&paid.script_pubkey) {
                self.describe_output(output, origin)?;
            }
        }
        if let (KeyKind::Multisig { .. }, Keyring::Descriptors(keys)) = (self.kind(), &self.keyring) {
            // Devices that never saw the wallet learn its keys from here.
            let known = keys.account_keys().into_iter().filter(|(key, (_, path))| usize::from(key.depth) == path.len());
            psbt.xpub.extend(known);
        }
        Ok(Psbt(psbt))
    }

    /// Says which keys sign an input of ours, and proves what it spends where the signature alone does not.
    pub(super) fn describe_input(
        &self,
        input: &mut Input,
        origin: Origin,
        earlier: &Transaction,
    ) -> Result<(), WalletError> {
        match &self.keyring {
            Keyring::Descriptors(keys) => {
                let definite = keys.definite(origin).ok_or(FAILED)?;
                input.update_with_descriptor_unchecked(&definite).map_err(|_| FAILED)?;
                if keys.needs_earlier_transactions() {
                    input.non_witness_utxo = Some(earlier.clone());
                }
                if definite.desc_type().segwit_version().is_none() {
                    input.witness_utxo = None;
                }
            }
            Keyring::Rsa(keys) => rsa::set_key(input, keys.spki()),
            Keyring::Fixed(_) => input.non_witness_utxo = Some(earlier.clone()),
        }
        Ok(())
    }

    fn describe_output(&self, output: &mut Output, origin: Origin) -> Result<(), WalletError> {
        match &self.keyring {
            Keyring::Descriptors(keys) => {
                let definite = keys.definite(origin).ok_or(FAILED)?;
                output.update_with_descriptor_unchecked(&definite).map(|_| ()).map_err(|_| FAILED)
            }
            Keyring::Rsa(keys) => {
                rsa::set_output_key(output, keys.spki());
                Ok(())
            }
            Keyring::Fixed(_) => Ok(()),
        }
    }
}
