//! Mending a payment that waits: a higher fee, its cancellation, a child that pays for it.
//!
//! In:    a waiting transaction and how its fee is chosen now.
//! Out:   drafts, to be reviewed and signed as any other payment.
//! Never: another amount for a recipient; a replacement that pays less than nodes ask for (BIP125, rules 3 and 4; Bitcoin
//!        Core `ReplacementChecks`, validation.cpp).

use std::collections::BTreeSet;

use mycoin_primitives::{Amount, FeeRate, Transaction, TxOut, Txid, address_of};

use crate::checks::Warning;
use crate::error::PaymentError;
use crate::fix_error::FixError;
use crate::ledger::{CoinState, LedgerTx, OwnCoin, Place};
use crate::payment::{Draft, FeeChoice, Parts};
use crate::pick::Purse;
use crate::recipients::{PayAmount, Recipient};
use crate::select::{FeeRule, INCREMENTAL_RATE, sum};
use crate::wallet::Wallet;

/// A waiting payment of ours, and all that falls with it.
struct Replaced {
    tx: LedgerTx,
    /// The coins that it spends.
    coins: Vec<OwnCoin>,
    /// It, and what spends from it.
    gone: BTreeSet<Txid>,
    /// What all of them pay.
    fees: Amount,
    /// The least rate at which nodes take another in its place.
    least_rate: FeeRate,
}

pub(crate) fn vsize(tx: &Transaction) -> u64 {
    tx.vsize() as u64
}

impl Wallet {
    /// The same payment with a higher fee. It comes out of the change, and of more coins where that does not reach.
    ///
    /// # Errors
    ///
    /// [`FixError`].
    pub fn prepare_bump(&self, txid: Txid, fee: FeeChoice, allow_high_fee: bool) -> Result<Draft, FixError> {
        let replaced = self.replaced(txid)?;
        let outputs = &replaced.tx.tx.output;
        let change = self.change_of(outputs);
        let fixed: Vec<TxOut> =
            (0..).zip(outputs).filter(|(at, _)| Some(*at) != change).map(|(_, output)| output.clone()).collect();
        self.replace(replaced, fixed, fee, allow_high_fee)
    }

    /// Takes a waiting payment back: everything that it spends is paid to this wallet, with a higher fee.
    ///
    /// # Errors
    ///
    /// [`FixError`].
    pub fn prepare_cancel(&self, txid: Txid, fee: FeeChoice, allow_high_fee: bool) -> Result<Draft, FixError> {
        let replaced = self.replaced(txid)?;
        self.replace(replaced, Vec::new(), fee, allow_high_fee)
    }

    /// Pays for a waiting transaction, ours or others', by spending what it pays to this wallet with so high a fee that
    /// both together reach the rate.
    ///
    /// # Errors
    ///
    /// [`FixError`].
    pub fn prepare_acceleration(&self, txid: Txid, fee: FeeChoice, allow_high_fee: bool) -> Result<Draft, FixError> {
        self.waiting(txid)?;
        let (rate, estimated) = self.fee_rate(fee)?;
        let all = self.coins();
        let coins: Vec<OwnCoin> = all.iter().filter(|coin| coin.outpoint.txid == txid).cloned().collect();
        if coins.is_empty() {
            return Err(FixError::NothingToSpend { txid });
        }
        let (frozen, coins): (Vec<_>, Vec<_>) =
            coins.into_iter().partition(|coin| self.notes.frozen.contains(&coin.outpoint));
        if let (Some(coin), true) = (frozen.first(), coins.is_empty()) {
            return Err(FixError::Frozen { coin: coin.outpoint });
        }
        // Parents that pay enough themselves need nothing, and their surplus helps nobody.
        let (mut size, mut paid, mut rates) = (0_u64, Amount::ZERO, Vec::new());
        for parent in self.with_ancestors(txid) {
            let own = self.ledger.fee(&parent.tx).ok_or(FixError::FeeUnknown { txid: parent.txid })?;
            let own_rate = FeeRate::of(own, vsize(&parent.tx));
            rates.push(own_rate);
            if own_rate < rate {
                size = size.saturating_add(vsize(&parent.tx));
                paid = sum(&[paid, own]);
            }
        }
        if size == 0 {
            let rate = rates.into_iter().min().unwrap_or_default().to_string();
            return Err(FixError::PaysEnough { txid, rate });
        }
        let change = self.change_script().map_err(PaymentError::from)?;
        let rule = FeeRule { rate, replaced: None, parents: Some((size, paid)) };
        let payment = self.payment(&[], &change, rule);
        let purse = Purse { coins: &all, frozen: &self.notes.frozen, named: &[] };
        let picked = purse.extend(coins, &payment, true).map_err(|error| self.explain(error, &purse))?;
        Ok(self.compose(Parts {
            recipients: Vec::new(),
            change: Some(change),
            picked,
            replaceable: true,
            replaces: BTreeSet::new(),
            estimated,
            allow_high_fee,
        })?)
    }

    /// Pays `fixed` and the rest to ourselves with the coins of `replaced`.
    fn replace(
        &self,
        replaced: Replaced,
        fixed: Vec<TxOut>,
        fee: FeeChoice,
        allow_high_fee: bool,
    ) -> Result<Draft, FixError> {
        let Replaced { tx, coins, gone, fees, least_rate } = replaced;
        let (rate, estimated) = match (fee, self.fee_rate(fee)?) {
            (FeeChoice::Rate(given), _) if given < least_rate => {
                return Err(FixError::RateTooLow { given: given.to_string(), min: least_rate.to_string() });
            }
            (_, (rate, estimated)) => (rate.max(least_rate), estimated),
        };
        let old_change = self.change_of(&tx.tx.output).and_then(|at| tx.tx.output.get(at));
        let change = match old_change {
            Some(output) => output.script_pubkey.clone(),
            None => self.change_script()?,
        };
        let payment = self.payment(&fixed, &change, FeeRule { rate, replaced: Some(fees), parents: None });
        let all = self.coins_without(&gone);
        let purse = Purse { coins: &all, frozen: &self.notes.frozen, named: &[] };
        let picked = purse.extend(coins, &payment, fixed.is_empty()).map_err(|error| self.explain(error, &purse))?;
        let along = gone.len().saturating_sub(1);
        let mut draft = self.compose(Parts {
            recipients: fixed.into_iter().map(|output| self.recipient_of(output)).collect(),
            change: Some(change),
            picked,
            replaceable: true,
            replaces: gone,
            estimated,
            allow_high_fee,
        })?;
        draft.note_replaced(fees);
        if along > 0 {
            draft.warn(Warning::TakesAlong { payments: along });
        }
        Ok(draft)
    }

    fn recipient_of(&self, output: TxOut) -> Recipient {
        let address = address_of(&output.script_pubkey, self.network()).unwrap_or_default();
        let recipient = Recipient::new(output.script_pubkey, address, PayAmount::Exactly(output.value));
        self.with_contact(recipient)
    }

    /// Which output is change: the largest of those at addresses for change. Where everything is ours, that is the rest.
    fn change_of(&self, outputs: &[TxOut]) -> Option<usize> {
        let keychain = self.keyring.change_keychain();
        let is_change = |output: &TxOut| {
            self.keyring.origin(&output.script_pubkey).is_some_and(|origin| origin.keychain == keychain)
        };
        let candidates = outputs.iter().enumerate().filter(|(_, output)| is_change(output));
        candidates.max_by_key(|(_, output)| output.value).map(|(at, _)| at)
    }

    /// A transaction that waits.
    pub(crate) fn waiting(&self, txid: Txid) -> Result<LedgerTx, FixError> {
        let found = self.ledger.transactions().iter().find(|entry| entry.txid == txid).cloned();
        match found {
            Some(LedgerTx { place: Place::Block { height, .. }, .. }) => Err(FixError::Confirmed { txid, height }),
            Some(entry) => Ok(entry),
            None if self.ledger.knows(txid) => Err(FixError::Gone { txid }),
            None => Err(FixError::Unknown { txid }),
        }
    }

    /// The transaction and its waiting parents, theirs too; each after those that it spends from.
    pub(crate) fn with_ancestors(&self, txid: Txid) -> Vec<LedgerTx> {
        let transactions = self.ledger.transactions();
        let mut wanted = BTreeSet::from([txid]);
        let mut found = Vec::new();
        for entry in transactions.iter().rev().filter(|entry| matches!(entry.place, Place::Waiting { .. })) {
            if wanted.contains(&entry.txid) {
                wanted.extend(entry.tx.input.iter().map(|input| input.previous_output.txid));
                found.push(entry.clone());
            }
        }
        found.reverse();
        found
    }

    /// The transaction and all that spends from it.
    pub(crate) fn with_descendants(&self, txid: Txid) -> BTreeSet<Txid> {
        let mut found = BTreeSet::from([txid]);
        for entry in self.ledger.transactions().iter() {
            if entry.tx.input.iter().any(|input| found.contains(&input.previous_output.txid)) {
                found.insert(entry.txid);
            }
        }
        found
    }

    /// What a transaction pays for its size, or together with its waiting parents if that is less; rounded down.
    pub(crate) fn mining_rate(&self, txid: Txid) -> Option<FeeRate> {
        let (mut fees, mut size, mut own) = (Amount::ZERO, 0_u64, FeeRate::ZERO);
        for entry in self.with_ancestors(txid) {
            let fee = self.ledger.fee(&entry.tx)?;
            own = FeeRate::of(fee, vsize(&entry.tx));
            fees = sum(&[fees, fee]);
            size = size.saturating_add(vsize(&entry.tx));
        }
        Some(own.min(FeeRate::of(fees, size)))
    }

    fn replaced(&self, txid: Txid) -> Result<Replaced, FixError> {
        let tx = self.waiting(txid)?;
        let gone = self.with_descendants(txid);
        let held = self.coins_without(&gone);
        let mut coins = Vec::new();
        for input in &tx.tx.input {
            let coin = held.iter().find(|coin| coin.outpoint == input.previous_output);
            // What others pay and no block holds is not spent by a payment alone, but by its acceleration it may be.
            let usable = coin.filter(|coin| !matches!(coin.state, CoinState::Immature { .. }));
            coins.push(usable.cloned().ok_or(FixError::NotOurs { txid })?);
        }
        if !tx.tx.is_explicitly_rbf() {
            return Err(FixError::NotReplaceable { txid });
        }
        let mut fees = Amount::ZERO;
        let mut rates = Vec::new();
        for entry in self.ledger.transactions().iter().filter(|entry| gone.contains(&entry.txid)) {
            fees = sum(&[fees, self.ledger.fee(&entry.tx).unwrap_or(Amount::ZERO)]);
            rates.extend(self.mining_rate(entry.txid));
        }
        // As much as all that falls, and its own relay on top; and mined no later than any of them.
        let size = vsize(&tx.tx);
        let least = sum(&[fees, INCREMENTAL_RATE.fee_for(size)]);
        let by_fee = FeeRate::from_sat_per_kvb(least.to_sat().saturating_mul(1_000).div_ceil(size.max(1)));
        let by_rate = rates.into_iter().max().unwrap_or_default().to_sat_per_kvb().saturating_add(1);
        let least_rate = by_fee.max(FeeRate::from_sat_per_kvb(by_rate));
        Ok(Replaced { tx, coins, gone, fees, least_rate })
    }
}
