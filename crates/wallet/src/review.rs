//! What a person reads before the password signs.
//!
//! In:    the parts of a draft: recipients, chosen coins, change.
//! Out:   a [`Review`]: where each unit comes from, where it goes, and what to look at twice.
//! Never: an amount that is not in the transaction.

use mycoin_primitives::{Amount, FeeRate, OutPoint, TxOut, address_of};

use crate::checks::{Checked, Warning};
use crate::error::PaymentError;
use crate::ledger::{self, OwnCoin};
use crate::payment::Parts;
use crate::pick::{Picked, held};
use crate::recipients::{PayAmount, Recipient};
use crate::select::sum;
use crate::wallet::Wallet;

/// What a person checks before the password signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Whom it pays how much; nobody where everything comes back.
    pub recipients: Vec<Paid>,
    /// What the recipients get together.
    pub amount: Amount,
    /// What the miner gets.
    pub fee: Amount,
    /// The fee for the transaction's size.
    pub fee_rate: FeeRate,
    /// The signed transaction's size, in virtual bytes.
    pub vsize: u64,
    /// What comes back to the wallet; zero when nothing does.
    pub change: Amount,
    /// Where that goes.
    pub change_address: Option<String>,
    /// Amount and fee together: what leaves the wallet (the amount comes back when we pay ourselves).
    pub total: Amount,
    /// What the wallet holds afterwards, waiting and immature coins included.
    pub balance_after: Amount,
    /// What the waiting payments paid that it takes the place of, if there are any.
    pub replaced_fee: Option<Amount>,
    /// The coins that it spends.
    pub coins: Vec<Spent>,
    /// What a careful person looks at twice.
    pub warnings: Vec<Warning>,
}

/// What a recipient gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// The address.
    pub address: String,
    /// The contact's name, where the address is one's.
    pub contact: Option<String>,
    /// A note for ourselves; may be empty.
    pub label: String,
    /// How much.
    pub amount: Amount,
    /// Whether the address is ours.
    pub own: bool,
}

/// A coin that a payment spends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// Which one.
    pub outpoint: OutPoint,
    /// What it is worth.
    pub amount: Amount,
    /// Where it lies.
    pub address: Option<String>,
    /// Whether a block holds it.
    pub confirmed: bool,
}

impl Review {
    /// Whom it pays, in one line.
    pub fn recipient(&self) -> String {
        match self.recipients.as_slice() {
            [] => "this wallet".to_owned(),
            [one] => one.address.clone(),
            several => format!("{} recipients", several.len()),
        }
    }
}

impl Wallet {
    /// What a draft does, and what is to be looked at twice.
    pub(crate) fn review(
        &self,
        parts: &Parts,
        change: Option<&TxOut>,
        outputs: &[TxOut],
        amount: Amount,
    ) -> Result<Review, PaymentError> {
        let Picked { coins, plan, left } = &parts.picked;
        let is_ours = |output: &&TxOut| self.keyring.origin(&output.script_pubkey).is_some();
        let comes_back = sum(outputs.iter().filter(is_ours).map(|output| &output.value));
        let before = ledger::balance(&self.coins_without(&parts.replaces)).total;
        let after = before.checked_sub(held(coins)).map(|rest| sum(&[rest, comes_back]));
        let fee_rate = FeeRate::of(plan.fee, plan.vsize);
        let warnings = self.check(&Checked {
            recipients: &parts.recipients,
            amount,
            fee: plan.fee,
            rate: fee_rate,
            coins,
            left,
            estimated: parts.estimated,
            allow_high_fee: parts.allow_high_fee,
            gone: &parts.replaces,
        })?;
        let paid = |recipient: &Recipient| Paid {
            address: recipient.address.clone(),
            contact: recipient.contact.clone(),
            label: recipient.label.clone(),
            amount: match recipient.amount {
                PayAmount::Exactly(amount) => amount,
                PayAmount::Max => Amount::ZERO,
            },
            own: self.keyring.origin(&recipient.script).is_some(),
        };
        let spent = |coin: &OwnCoin| Spent {
            outpoint: coin.outpoint,
            amount: coin.output.value,
            address: address_of(&coin.output.script_pubkey, self.network()),
            confirmed: coin.confirmed,
        };
        Ok(Review {
            recipients: parts.recipients.iter().map(paid).collect(),
            amount,
            fee: plan.fee,
            fee_rate,
            vsize: plan.vsize,
            change: change.map_or(Amount::ZERO, |change| change.value),
            change_address: change.and_then(|change| address_of(&change.script_pubkey, self.network())),
            total: sum(&[amount, plan.fee]),
            balance_after: after.unwrap_or(Amount::ZERO),
            replaced_fee: None,
            coins: coins.iter().map(spent).collect(),
            warnings,
        })
    }
}
