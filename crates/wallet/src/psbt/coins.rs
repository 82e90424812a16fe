//! The coins that a PSBT spends, as far as they can be known.

use mycoin_primitives::TxOut;
use mycoin_primitives::bitcoin::bip32::KeySource;
use mycoin_primitives::bitcoin::psbt::{Input, Output, PsbtSighashType};
use mycoin_primitives::bitcoin::{EcdsaSighashType, TapSighashType};

use super::{Psbt, PsbtError};
use crate::keyring::Origin;
use crate::wallet::Wallet;

/// A coin that an input spends.
#[derive(Debug, Clone)]
pub(super) struct SpentCoin {
    pub(super) output: TxOut,
    /// Whether the earlier transaction is here and says so itself.
    pub(super) proven: bool,
    /// Where its keys stand, if it is this wallet's.
    pub(super) origin: Option<Origin>,
}

/// What a PSBT claims of the keys of an input.
pub(super) fn input_claims(input: &Input) -> impl Iterator<Item = &KeySource> {
    input.bip32_derivation.values().chain(input.tap_key_origins.values().map(|(_, source)| source))
}

/// What a PSBT claims of the keys of an output.
pub(super) fn output_claims(output: &Output) -> impl Iterator<Item = &KeySource> {
    output.bip32_derivation.values().chain(output.tap_key_origins.values().map(|(_, source)| source))
}

/// Whether a signature of that type leaves others no room to change the payment.
pub(super) fn covers_everything(wanted: Option<PsbtSighashType>) -> bool {
    let all = [PsbtSighashType::from(EcdsaSighashType::All), PsbtSighashType::from(TapSighashType::Default)];
    wanted.is_none_or(|wanted| all.contains(&wanted))
}

/// The coin of one input, as far as the PSBT tells or the wallet knows; `None` where nobody tells it.
///
/// # Errors
///
/// [`PsbtError::CoinContradicted`].
pub(super) fn spent_coin(psbt: &Psbt, at: usize, wallet: Option<&Wallet>) -> Result<Option<SpentCoin>, PsbtError> {
    let contradicted = PsbtError::CoinContradicted { input: at };
    let (Some(txin), Some(input)) = (psbt.0.unsigned_tx.input.get(at), psbt.0.inputs.get(at)) else {
        return Ok(None);
    };
    let outpoint = txin.previous_output;
    let mut told = input.witness_utxo.clone();
    let mut proven = None;
    if let Some(earlier) = &input.non_witness_utxo {
        if earlier.compute_txid() != outpoint.txid {
            return Err(contradicted);
        }
        proven = Some(earlier.output.get(outpoint.vout as usize).ok_or(PsbtError::CoinContradicted { input: at })?);
    } else if let Some(wallet) = wallet.filter(|wallet| wallet.ledger.knows(outpoint.txid)) {
        proven = wallet.ledger.output(outpoint);
    }
    if let Some(proven) = proven {
        if told.as_ref().is_some_and(|told| told != proven) {
            return Err(contradicted);
        }
        told = Some(proven.clone());
    }
    Ok(told.map(|output| {
        let origin = wallet.and_then(|wallet| wallet.keyring.prove(&output.script_pubkey, input_claims(input)));
        SpentCoin { proven: proven.is_some(), output, origin }
    }))
}

impl Wallet {
    /// The coin of one input, likewise.
    pub(super) fn spent_coin(&self, psbt: &Psbt, at: usize) -> Result<Option<SpentCoin>, PsbtError> {
        spent_coin(psbt, at, Some(self))
    }
}
