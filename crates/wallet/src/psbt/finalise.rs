//! Turning signatures into the witnesses of a transaction, and checking them as a node does.

use std::collections::BTreeMap;

use bdk_wallet::miniscript::psbt::PsbtExt as _;
use mycoin_primitives::bitcoin::psbt::{Input, PsbtSighashType};
use mycoin_primitives::bitcoin::secp256k1::{Message, Secp256k1};
use mycoin_primitives::bitcoin::sighash::SighashCache;
use mycoin_primitives::bitcoin::{PublicKey, TapSighashType};
use mycoin_primitives::{Network, ScriptBuf, Transaction, TxOut, Witness};
use mycoin_script::{PrecomputedTransaction, ScriptFlags, rsa as rsa_lock, verify_input};

use super::{Psbt, PsbtError, rsa};
use crate::keyring::{GAP_LIMIT, Keychain};
use crate::ledger::Change;
use crate::wallet::Wallet;

impl Wallet {
    /// Makes the transaction of a PSBT that has all its signatures, and checks it as a node would. Nothing is sent. Change
    /// that comes back to this wallet is noted in its file.
    ///
    /// # Errors
    ///
    /// [`PsbtError::Incomplete`] when signatures are missing, [`PsbtError::SignatureRefused`] when one does not hold.
    pub fn finalise_psbt(&mut self, psbt: &Psbt) -> Result<Transaction, PsbtError> {
        let mut spent = Vec::new();
        for at in 0..psbt.0.inputs.len() {
            spent.push(self.spent_coin(psbt, at)?.ok_or(PsbtError::CoinMissing { input: at })?.output);
        }
        let tx = finish(psbt, &spent, self.network())?;
        self.reveal_outputs(&tx)?;
        Ok(tx)
    }

    /// Notes our addresses that a payment uses, so that no other gets them. A place far away is not followed: it would be
    /// somebody's trick, and the coin is found when it comes.
    fn reveal_outputs(&mut self, tx: &Transaction) -> Result<(), PsbtError> {
        let revealed = self.keyring.revealed();
        let mut news = BTreeMap::<Keychain, u32>::new();
        for origin in tx.output.iter().filter_map(|output| self.keyring.origin(&output.script_pubkey)) {
            let last = revealed.get(&origin.keychain).map_or(0, |last| last + 1);
            if origin.index >= last && origin.index < last + GAP_LIMIT {
                let place = news.entry(origin.keychain).or_insert(origin.index);
                *place = origin.index.max(*place);
            }
        }
        if self.keyring.grows() && !news.is_empty() {
            self.commit(Change { revealed: news, ..Change::default() })?;
        }
        Ok(())
    }
}

/// The transaction of a PSBT whose coins are known.
pub(super) fn finish(psbt: &Psbt, spent: &[TxOut], network: &Network) -> Result<Transaction, PsbtError> {
    let mut tx = psbt.unsigned().clone();
    let mut missing = Vec::new();
    let prepared = with_coins(psbt, spent);
    for (at, txin) in tx.input.iter_mut().enumerate() {
        match final_parts(&prepared, at) {
            Some((script_sig, witness)) => (txin.script_sig, txin.witness) = (script_sig, witness),
            None => missing.push(at),
        }
    }
    if !missing.is_empty() {
        // A signature that is there and wrong is worth more words than one that is missing.
        for at in &missing {
            if wrong_signature(&prepared, *at).is_some() {
                let reason = "it is not that of its key over this payment".to_owned();
                return Err(PsbtError::SignatureRefused { input: *at, reason });
            }
        }
        return Err(PsbtError::Incomplete { inputs: missing });
    }
    let data = PrecomputedTransaction::new(&tx, spent.to_vec());
    for input in 0..tx.input.len() {
        verify_input(&data, input, ScriptFlags::consensus(network))
            .map_err(|rule| PsbtError::SignatureRefused { input, reason: rule.to_string() })?;
    }
    Ok(tx)
}

/// Checks the signatures of one input: all together where there are enough, else each by itself.
pub(super) fn check_input(psbt: &Psbt, at: usize, spent: &[TxOut], network: &Network) -> Result<(), PsbtError> {
    let prepared = with_coins(psbt, spent);
    let Some((script_sig, witness)) = final_parts(&prepared, at) else {
        return Err(match wrong_signature(&prepared, at) {
            Some(key) => PsbtError::SignatureRefused { input: at, reason: format!("it is not by the key {key}") },
            None => PsbtError::Incomplete { inputs: vec![at] },
        });
    };
    let mut tx = psbt.unsigned().clone();
    if let Some(txin) = tx.input.get_mut(at) {
        (txin.script_sig, txin.witness) = (script_sig, witness);
    }
    let data = PrecomputedTransaction::new(&tx, spent.to_vec());
    verify_input(&data, at, ScriptFlags::consensus(network))
        .map_err(|rule| PsbtError::SignatureRefused { input: at, reason: rule.to_string() })
}

/// A copy in which every input tells its coin, as the library's finaliser asks.
fn with_coins(psbt: &Psbt, spent: &[TxOut]) -> Psbt {
    let mut prepared = psbt.clone();
    let default = PsbtSighashType::from(TapSighashType::Default);
    for (input, output) in prepared.0.inputs.iter_mut().zip(spent) {
        if input.non_witness_utxo.is_none() {
            input.witness_utxo = Some(output.clone());
        }
        // It takes a taproot input's explicit DEFAULT for an unknown type of the older signatures.
        input.sighash_type = input.sighash_type.filter(|wanted| *wanted != default);
    }
    prepared
}

/// What goes into the transaction for one input; `None` while signatures are missing.
fn final_parts(psbt: &Psbt, at: usize) -> Option<(ScriptBuf, Witness)> {
    let finished = |input: &Input| {
        (input.final_script_sig.is_some() || input.final_script_witness.is_some()).then(|| {
            (input.final_script_sig.clone().unwrap_or_default(), input.final_script_witness.clone().unwrap_or_default())
        })
    };
    let input = psbt.0.inputs.get(at)?;
    if let Some(parts) = finished(input) {
        return Some(parts);
    }
    if input.witness_utxo.as_ref().is_some_and(|output| rsa_lock::lock_program(&output.script_pubkey).is_some()) {
        return Some((ScriptBuf::new(), rsa::witness(input)?));
    }
    let mut copy = psbt.0.clone();
    copy.finalize_inp_mut(&Secp256k1::verification_only(), at).ok()?;
    finished(copy.inputs.get(at)?)
}

/// The key of an ECDSA signature that does not hold, if there is one. Where the library cannot tell, nothing is wrong yet.
pub(super) fn wrong_signature(psbt: &Psbt, at: usize) -> Option<PublicKey> {
    let input = psbt.0.inputs.get(at)?;
    let secp = Secp256k1::verification_only();
    let mut cache = SighashCache::new(&psbt.0.unsigned_tx);
    let (message, _): (Message, _) = psbt.0.sighash_ecdsa(at, &mut cache).ok()?;
    let mut signatures = input.partial_sigs.iter();
    signatures
        .find(|(key, signature)| secp.verify_ecdsa(&message, &signature.signature, &key.inner).is_err())
        .map(|(key, _)| *key)
}
