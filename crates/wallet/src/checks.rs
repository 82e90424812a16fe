//! What a careful person looks at twice before signing.
//!
//! In:    a payment that is complete but for its signatures; whom the wallet paid before, its contacts, its addresses.
//! Out:   [`Warning`]s; refusals of fees that can only be a mistake.
//! Never: a payment that is changed.

use std::collections::{BTreeMap, BTreeSet};

use mycoin_primitives::{Amount, FeeRate, ScriptBuf, TxOut, Txid, address_of, format_amount};

use crate::error::PaymentError;
use crate::keyring::Keychain;
use crate::ledger::OwnCoin;
use crate::recipients::Recipient;
use crate::wallet::Wallet;

/// A fee above this share of the amount is pointed out, in percent…
const HIGH_FEE_PERCENT: u64 = 25;
/// … unless it is next to nothing.
const NEGLIGIBLE_FEE: Amount = Amount::from_sat(5_000);
/// A fee above this is a mistake unless somebody says otherwise. Source: Bitcoin Core `DEFAULT_TRANSACTION_MAXFEE`,
/// wallet/wallet.h.
const ABSURD_FEE: Amount = Amount::from_sat(10_000_000);
/// So is a rate above this, the highest that an estimate is followed to…
const ABSURD_RATE: FeeRate = FeeRate::from_sat_per_vb(1_000);
/// … and a fee above the amount, from this value on.
const FEE_ABOVE_AMOUNT: Amount = Amount::from_sat(50_000);
/// So many characters at each end are what people compare, and what poisoned addresses share.
const COMPARED_CHARACTERS: usize = 4;

/// What a careful person looks at twice before signing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The fee is more than a quarter of the amount.
    HighFee {
        /// The fee in percent of the amount.
        percent: u64,
    },
    /// The fee is so high that it would have been refused, had it not been allowed.
    AbsurdFee {
        /// The fee, with its ticker.
        fee: String,
    },
    /// The recipient is this wallet.
    PaysSelf,
    /// It is an address of this wallet that was paid before, so that everybody sees that both payments belong together.
    OwnAddressUsed {
        /// The address.
        address: String,
    },
    /// This wallet paid the address before; who receives twice at one address is watched more easily.
    PaidBefore {
        /// The address.
        address: String,
        /// How many transactions paid it.
        times: usize,
    },
    /// It begins and ends like an address that is known here, and is another one.
    LooksLike {
        /// The address that would be paid.
        address: String,
        /// The one that is known.
        known: String,
        /// The contact whose address that is, if it is one's.
        contact: Option<String>,
    },
    /// One address stands twice among the recipients.
    SameAddressTwice {
        /// The address.
        address: String,
    },
    /// It spends coins that no block holds yet.
    SpendsUnconfirmed {
        /// How many.
        coins: usize,
    },
    /// There were no estimates, so a fallback rate was taken.
    NoFeeEstimate,
    /// The proxy's mempool takes nothing at this rate now.
    BelowMinimum {
        /// What the payment pays.
        rate: FeeRate,
        /// The least that is taken, as the proxy says.
        minimum: FeeRate,
    },
    /// Small coins stay behind, because spending them would cost more than they bring.
    LeavesSmallCoins {
        /// How many.
        coins: usize,
        /// What they are worth together, with its ticker.
        amount: String,
    },
    /// Waiting payments that spend from the replaced one vanish with it.
    TakesAlong {
        /// How many.
        payments: usize,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::HighFee { percent } => write!(f, "the fee is {percent} % of the amount."),
            Self::AbsurdFee { fee } => write!(f, "the fee of {fee} is so high that it looks like a mistake."),
            Self::PaysSelf => f.write_str("the recipient is this wallet: you would pay yourself."),
            Self::OwnAddressUsed { address } => {
                write!(f, "{address} is your own and was paid before; a fresh address keeps your payments apart.")
            }
            Self::PaidBefore { address, times: 1 } => {
                write!(f, "{address} was paid once before; ask the recipient for a fresh address.")
            }
            Self::PaidBefore { address, times } => {
                write!(f, "{address} was paid {times} times before; ask the recipient for a fresh address.")
            }
            Self::LooksLike { address, known, contact } => {
                let whose = contact.as_ref().map_or_else(|| "of your history".to_owned(), |name| format!("of {name}"));
                write!(
                    f,
                    "{address} begins and ends like the address {known} {whose}, but is another one. Compare every \
                     character: such addresses are made to be copied by mistake."
                )
            }
            Self::SameAddressTwice { address } => write!(f, "{address} stands twice among the recipients."),
            Self::SpendsUnconfirmed { coins } => {
                write!(f, "it spends {coins} of your coins that no block holds yet, so it waits for them as well.")
            }
            Self::NoFeeEstimate => f.write_str("the proxy has no fee estimates yet, so a usual fee rate was taken."),
            Self::BelowMinimum { rate, minimum } => {
                write!(f, "the fee rate of {rate} is below {minimum}, the least that is taken at the moment.")
            }
            Self::LeavesSmallCoins { coins, amount } => write!(
                f,
                "{coins} small coins ({amount}) stay in the wallet, because spending them costs more than they bring."
            ),
            Self::TakesAlong { payments } => {
                write!(f, "{payments} payments of yours that spend from the old one vanish with it.")
            }
        }
    }
}

/// What the checks look at.
pub(crate) struct Checked<'a> {
    pub(crate) recipients: &'a [Recipient],
    /// What the recipients get together.
    pub(crate) amount: Amount,
    pub(crate) fee: Amount,
    pub(crate) rate: FeeRate,
    pub(crate) coins: &'a [OwnCoin],
    /// What was left behind by a payment of everything.
    pub(crate) left: &'a [Amount],
    /// Whether the rate rests on more than a guess.
    pub(crate) estimated: bool,
    pub(crate) allow_high_fee: bool,
    /// Transactions that the payment takes the place of.
    pub(crate) gone: &'a BTreeSet<Txid>,
}

/// The fee in percent of the amount, where it is so much that it should be pointed out.
pub(crate) fn high_fee(fee: Amount, amount: Amount) -> Option<u64> {
    let percent = fee.to_sat().saturating_mul(100) / amount.to_sat().max(1);
    (fee > NEGLIGIBLE_FEE && percent > HIGH_FEE_PERCENT).then_some(percent)
}

/// Whether a fee can only be a mistake. An amount of zero says nothing about it.
fn is_absurd(fee: Amount, rate: FeeRate, amount: Amount) -> bool {
    let above_amount = amount > Amount::ZERO && fee > amount && fee > FEE_ABOVE_AMOUNT;
    fee > ABSURD_FEE || rate > ABSURD_RATE || above_amount
}

/// The part of an address that tells it from others: after the prefix, its separator and the version.
fn body(address: &str) -> &str {
    let start = address.rfind('1').filter(|at| *at > 0 && at + 1 < address.len()).map_or(1, |at| at + 2);
    address.get(start..).unwrap_or_default()
}

/// Whether two addresses are different ones that look the same at both ends.
pub(crate) fn looks_like(one: &str, other: &str) -> bool {
    let ends = |address: &str| {
        let body = body(address);
        let last = body.len().checked_sub(COMPARED_CHARACTERS)?;
        Some((body.get(..COMPARED_CHARACTERS)?.to_lowercase(), body.get(last..)?.to_lowercase()))
    };
    one != other && ends(one).is_some_and(|ours| ends(other) == Some(ours))
}

impl Wallet {
    /// What is to be said about a payment.
    ///
    /// # Errors
    ///
    /// [`PaymentError::FeeAbsurd`], where that was not allowed.
    pub(crate) fn check(&self, payment: &Checked<'_>) -> Result<Vec<Warning>, PaymentError> {
        let Checked { recipients, amount, fee, rate, .. } = *payment;
        let network = self.network();
        let mut warnings = Vec::new();
        if is_absurd(fee, rate, amount) {
            let fee = format_amount(fee, network);
            if !payment.allow_high_fee {
                return Err(PaymentError::FeeAbsurd { fee, rate: rate.to_string() });
            }
            warnings.push(Warning::AbsurdFee { fee });
        } else if let Some(percent) = high_fee(fee, amount).filter(|_| amount > Amount::ZERO) {
            warnings.push(Warning::HighFee { percent });
        }
        warnings.extend(self.check_recipients(recipients, payment.gone));
        let unconfirmed = payment.coins.iter().filter(|coin| !coin.confirmed).count();
        if unconfirmed > 0 {
            warnings.push(Warning::SpendsUnconfirmed { coins: unconfirmed });
        }
        if !payment.estimated {
            warnings.push(Warning::NoFeeEstimate);
        }
        if let Some(minimum) = self.mempool_minimum.filter(|minimum| rate < *minimum) {
            warnings.push(Warning::BelowMinimum { rate, minimum });
        }
        if !payment.left.is_empty() {
            let amount = format_amount(crate::select::sum(payment.left), network);
            warnings.push(Warning::LeavesSmallCoins { coins: payment.left.len(), amount });
        }
        Ok(warnings)
    }

    fn check_recipients(&self, recipients: &[Recipient], gone: &BTreeSet<Txid>) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if recipients.is_empty() {
            return warnings;
        }
        let paid = self.paid_before(gone);
        let mut seen = BTreeSet::new();
        for recipient in recipients {
            let address = recipient.address.clone();
            if !seen.insert(&recipient.script) {
                warnings.push(Warning::SameAddressTwice { address });
                continue;
            }
            if let Some(origin) = self.keyring.origin(&recipient.script) {
                if !warnings.contains(&Warning::PaysSelf) {
                    warnings.push(Warning::PaysSelf);
                }
                let received =
                    self.keyring.handed_out().into_iter().any(|(index, _, used)| index == origin.index && used);
                if self.keyring.grows() && origin.keychain == Keychain::External && received {
                    warnings.push(Warning::OwnAddressUsed { address });
                }
                continue;
            }
            if let Some(look_alike) = self.look_alike(&recipient.address, &paid) {
                warnings.push(look_alike);
            }
            // Whom one keeps among the contacts, one means to pay again.
            if let Some(times) = paid.get(&recipient.script).filter(|_| recipient.contact.is_none()) {
                warnings.push(Warning::PaidBefore { address, times: *times });
            }
        }
        warnings
    }

    /// Whom this wallet paid, and by how many transactions.
    fn paid_before(&self, gone: &BTreeSet<Txid>) -> BTreeMap<ScriptBuf, usize> {
        let mut paid = BTreeMap::new();
        for entry in self.ledger.transactions().iter().filter(|entry| !gone.contains(&entry.txid)) {
            let is_ours = |output: &TxOut| self.keyring.origin(&output.script_pubkey).is_some();
            let spends_ours =
                entry.tx.input.iter().any(|input| self.ledger.output(input.previous_output).is_some_and(is_ours));
            let others: BTreeSet<&ScriptBuf> = match spends_ours {
                true => entry.tx.output.iter().filter(|output| !is_ours(output)).map(|o| &o.script_pubkey).collect(),
                false => BTreeSet::new(),
            };
            for script in others {
                *paid.entry(script.clone()).or_insert(0) += 1;
            }
        }
        paid
    }

    /// The contact's address, one that was paid, or one of ours, that looks the same at both ends.
    fn look_alike(&self, address: &str, paid: &BTreeMap<ScriptBuf, usize>) -> Option<Warning> {
        let warning = |known: String, contact: Option<String>| {
            looks_like(address, &known).then(|| Warning::LooksLike { address: address.to_owned(), known, contact })
        };
        let contacts = self.notes.contacts.iter();
        let mut contacts = contacts.filter_map(|(name, contact)| warning(contact.address.clone(), Some(name.clone())));
        let own = self.keyring.handed_out().into_iter().map(|(_, script, _)| script);
        let known = paid.keys().cloned().chain(own);
        contacts.next().or_else(|| {
            known.filter_map(|script| address_of(&script, self.network())).find_map(|known| warning(known, None))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_share_both_ends_and_differ_between() {
        let known = "demo1pabcdqqqqqqqqqqqqqqqqwxyz";
        assert!(looks_like("demo1pabcdzzzzzzzzzzzzzzzzwxyz", known));
        assert!(looks_like("DEMO1PABCDZZZZZZZZZZZZZZZZWXYZ", known));
        // Another kind of address, the same ends.
        assert!(looks_like("demo1qabcdzzzzzzzzwxyz", known));
        assert!(!looks_like(known, known), "it is the very address");
        assert!(!looks_like("demo1pabcezzzzzzzzzzzzzzzzwxyz", known));
        assert!(!looks_like("demo1pabcdzzzzzzzzzzzzzzzzwxyy", known));
        assert!(!looks_like("demo1", known) && !looks_like("", known));
    }

    #[test]
    fn only_mistaken_fees_are_absurd() {
        let (sat, rate) = (Amount::from_sat, FeeRate::from_sat_per_vb);
        assert!(!is_absurd(sat(10_000_000), rate(1_000), sat(100_000_000)));
        assert!(is_absurd(sat(10_000_001), rate(10), sat(10_000_000_000)));
        assert!(is_absurd(sat(150_000), rate(1_001), sat(100_000_000)));
        assert!(!is_absurd(sat(14_000), rate(100), sat(10_000)));
        assert!(is_absurd(sat(50_001), rate(300), sat(50_000)));
        assert!(!is_absurd(sat(50_001), rate(300), Amount::ZERO));
    }
}
