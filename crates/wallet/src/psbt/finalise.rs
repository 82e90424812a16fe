//! Turning signatures into the witnesses of a transaction, and checking them as a node does.

use std::collections::BTreeMap;

use bdk_wallet::miniscript::psbt::PsbtExt as _;
use mycoin_primitives::bitcoin;
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
        let tx = Examined::new(psbt, &spent, self.network()).finish()?;
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

/// How far the signatures of one input have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InputState {
    /// They suffice, and a node would take them.
    Complete,
    /// Some are missing; those that are there hold.
    Missing,
    /// One does not hold: why.
    Wrong(String),
}

/// A PSBT whose coins are known, with the witnesses that can be made of it.
pub(super) struct Examined {
    tx: Transaction,
    pub(super) states: Vec<InputState>,
}

impl Examined {
    /// Makes every witness for which there are enough signatures, and checks it as a node does. `spent`: the coins, in the
    /// order of the inputs.
    pub(super) fn new(psbt: &Psbt, spent: &[TxOut], network: &Network) -> Self {
        let mut prepared = with_coins(psbt, spent);
        let mut tx = psbt.unsigned().clone();
        let mut made = Vec::new();
        for (at, txin) in tx.input.iter_mut().enumerate() {
            let parts = final_parts(&mut prepared, at);
            made.push(parts.is_some());
            (txin.script_sig, txin.witness) = parts.unwrap_or_default();
        }
        let data = PrecomputedTransaction::new(&tx, spent.to_vec());
        let state = |(at, made): (usize, bool)| {
            if !made {
                return match wrong_signature(&prepared, at) {
                    Some(key) => InputState::Wrong(format!("it is not that of the key {key} over this payment")),
                    None => InputState::Missing,
                };
            }
            match verify_input(&data, at, ScriptFlags::consensus(network)) {
                Ok(()) => InputState::Complete,
                Err(rule) => InputState::Wrong(rule.to_string()),
            }
        };
        let states = made.into_iter().enumerate().map(state).collect();
        Self { tx, states }
    }

    /// The transaction, if all of it would be taken.
    pub(super) fn finish(self) -> Result<Transaction, PsbtError> {
        // A signature that is there and wrong is worth more words than one that is missing.
        for (input, state) in self.states.iter().enumerate() {
            if let InputState::Wrong(reason) = state {
                return Err(PsbtError::SignatureRefused { input, reason: reason.clone() });
            }
        }
        let missing = self.states.iter().enumerate().filter(|(_, state)| **state != InputState::Complete);
        let inputs: Vec<usize> = missing.map(|(input, _)| input).collect();
        if inputs.is_empty() { Ok(self.tx) } else { Err(PsbtError::Incomplete { inputs }) }
    }
}

/// A copy in which every input tells its coin, as the library's finaliser asks.
fn with_coins(psbt: &Psbt, spent: &[TxOut]) -> bitcoin::Psbt {
    let mut prepared = psbt.0.clone();
    let default = PsbtSighashType::from(TapSighashType::Default);
    for (input, output) in prepared.inputs.iter_mut().zip(spent) {
        if input.non_witness_utxo.is_none() {
            input.witness_utxo = Some(output.clone());
        }
        // It takes a taproot input's explicit DEFAULT for an unknown type of the older signatures.
        input.sighash_type = input.sighash_type.filter(|wanted| *wanted != default);
    }
    prepared
}

/// What goes into the transaction for one input; `None` while signatures are missing.
fn final_parts(psbt: &mut bitcoin::Psbt, at: usize) -> Option<(ScriptBuf, Witness)> {
    let finished = |input: &Input| {
        (input.final_script_sig.is_some() || input.final_script_witness.is_some()).then(|| {
            (input.final_script_sig.clone().unwrap_or_default(), input.final_script_witness.clone().unwrap_or_default())
        })
    };
    let input = psbt.inputs.get(at)?;
    if let Some(parts) = finished(input) {
        return Some(parts);
    }
    if input.witness_utxo.as_ref().is_some_and(|output| rsa_lock::lock_program(&output.script_pubkey).is_some()) {
        return Some((ScriptBuf::new(), rsa::witness(input)?));
    }
    // Where it fails, nothing is changed.
    psbt.finalize_inp_mut(&Secp256k1::verification_only(), at).ok()?;
    finished(psbt.inputs.get(at)?)
}

/// The key of an ECDSA signature that does not hold, if there is one. Where the library cannot tell, nothing is wrong yet.
fn wrong_signature(psbt: &bitcoin::Psbt, at: usize) -> Option<PublicKey> {
    let input = psbt.inputs.get(at)?;
    if input.partial_sigs.is_empty() {
        return None;
    }
    let secp = Secp256k1::verification_only();
    let mut cache = SighashCache::new(&psbt.unsigned_tx);
    let (message, _): (Message, _) = psbt.sighash_ecdsa(at, &mut cache).ok()?;
    let mut signatures = input.partial_sigs.iter();
    signatures
        .find(|(key, signature)| secp.verify_ecdsa(&message, &signature.signature, &key.inner).is_err())
        .map(|(key, _)| *key)
}
