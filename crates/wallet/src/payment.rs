//! A payment, step by step: request → draft → review → signature.
//!
//! In:    whom to pay how much; the wallet's coins; for the last step, the password.
//! Out:   a [`Review`] to be read, then a signed transaction that was checked as a node checks it.
//! Never: a signature without the password; a transaction other than the one that was reviewed.

use std::collections::{BTreeSet, HashMap};

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::{
    Amount, FeeRate, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, format_amount,
};

use crate::checks::Warning;
pub(crate) use crate::checks::high_fee;
use crate::error::{PaymentError, Shortage, WalletError};
use crate::keyring::Origin;
use crate::ledger::{self, CoinState, OwnCoin};
use crate::pick::{PickError, Picked, Purse, held};
use crate::psbt::PsbtError;
use crate::recipients::{PayAmount, Recipient};
use crate::review::Review;
use crate::select::{FeeRule, LOWEST_RATE, Payment, dust_limit, sum};
use crate::signer::Signer;
use crate::vault;
use crate::wallet::Wallet;

/// The fee target where nobody chose: within six blocks.
pub const DEFAULT_FEE_TARGET: FeeChoice = FeeChoice::Target { blocks: 6 };

/// The rate where there are no estimates.
const FALLBACK_RATE: FeeRate = FeeRate::from_sat_per_vb(1);
/// No estimate is followed above this, whatever a proxy says.
const HIGHEST_ESTIMATE: FeeRate = FeeRate::from_sat_per_vb(1_000);
/// The largest transaction that nodes pass on, in virtual bytes. Source: Bitcoin Core `MAX_STANDARD_TX_WEIGHT`,
/// policy/policy.h.
const LARGEST: u64 = 400_000 / 4;

/// What a person wants to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRequest {
    /// Whom, and how much; at most one of them gets all that is left.
    pub recipients: Vec<Recipient>,
    /// How the fee is chosen.
    pub fee: FeeChoice,
    /// Exactly these coins are spent; where there are none, the wallet chooses.
    pub coins: Vec<OutPoint>,
    /// Whether it may be replaced while it waits (BIP125), for a higher fee or to cancel it.
    pub replaceable: bool,
    /// Whether a fee is taken that looks like a mistake.
    pub allow_high_fee: bool,
}

impl PaymentRequest {
    /// A payment as most are: the wallet chooses the coins, and it may be replaced.
    pub fn new(recipients: Vec<Recipient>, fee: FeeChoice) -> Self {
        Self { recipients, fee, coins: Vec::new(), replaceable: true, allow_high_fee: false }
    }

    /// So much to one address.
    pub fn to(script: ScriptBuf, address: impl Into<String>, amount: Amount, fee: FeeChoice) -> Self {
        Self::new(vec![Recipient::new(script, address, PayAmount::Exactly(amount))], fee)
    }
}

/// How a fee is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeeChoice {
    /// Exactly this rate.
    Rate(FeeRate),
    /// What the last synchronisation's estimates say for a confirmation within so many blocks.
    Target {
        /// How many blocks it may take.
        blocks: u16,
    },
}

/// How a fee is chosen by people who don't count blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeePreset {
    /// The next block.
    Fast,
    /// Within six blocks.
    Normal,
    /// Within 25 blocks.
    Slow,
    /// Within 144 blocks.
    Economy,
}

impl From<FeePreset> for FeeChoice {
    fn from(preset: FeePreset) -> Self {
        let blocks = match preset {
            FeePreset::Fast => 1,
            FeePreset::Normal => 6,
            FeePreset::Slow => 25,
            FeePreset::Economy => 144,
        };
        Self::Target { blocks }
    }
}

/// A payment that is complete but for its signatures.
#[derive(Debug, Clone)]
pub struct Draft {
    unsigned: Transaction,
    coins: Vec<OwnCoin>,
    review: Review,
    /// The waiting transactions that it takes the place of, with those that spend from them.
    replaces: BTreeSet<Txid>,
}

/// All of a draft but its transaction.
pub(crate) struct Parts {
    /// With exact amounts, all of them.
    pub(crate) recipients: Vec<Recipient>,
    /// Where the plan's change goes; `None` when a recipient gets it.
    pub(crate) change: Option<ScriptBuf>,
    pub(crate) picked: Picked,
    pub(crate) replaceable: bool,
    pub(crate) replaces: BTreeSet<Txid>,
    pub(crate) estimated: bool,
    pub(crate) allow_high_fee: bool,
}

impl Draft {
    /// What to show before signing.
    pub fn review(&self) -> &Review {
        &self.review
    }

    /// The transaction without its signatures.
    pub fn unsigned(&self) -> &Transaction {
        &self.unsigned
    }

    /// The coins that it spends, in the order of its inputs.
    pub(crate) fn coins(&self) -> &[OwnCoin] {
        &self.coins
    }

    /// The waiting transactions that it takes the place of, with those that spend from them.
    pub fn replaces(&self) -> &BTreeSet<Txid> {
        &self.replaces
    }

    /// Notes what those paid that it takes the place of.
    pub(crate) fn note_replaced(&mut self, fees: Amount) {
        self.review.replaced_fee = Some(fees);
    }

    /// Adds to what a careful person looks at twice.
    pub(crate) fn warn(&mut self, warning: Warning) {
        self.review.warnings.push(warning);
    }
}

impl Wallet {
    /// Chooses coins, fee and change for a payment. Nothing is signed or reserved yet.
    ///
    /// # Errors
    ///
    /// [`PaymentError`] says what is missing.
    pub fn prepare(&self, request: &PaymentRequest) -> Result<Draft, PaymentError> {
        let network = self.network();
        let mut rest: Option<&Recipient> = None;
        let mut outputs = Vec::new();
        for recipient in &request.recipients {
            let min = dust_limit(&recipient.script, network).ok_or(PaymentError::RecipientNotStandard)?;
            match recipient.amount {
                PayAmount::Max if rest.is_some() => return Err(PaymentError::MaxTwice),
                PayAmount::Max => rest = Some(recipient),
                PayAmount::Exactly(Amount::ZERO) => return Err(PaymentError::AmountIsZero),
                PayAmount::Exactly(amount) if amount < min => {
                    let [amount, min] = [amount, min].map(|amount| format_amount(amount, network));
                    return Err(PaymentError::AmountIsDust { amount, min });
                }
                PayAmount::Exactly(value) => {
                    outputs.push(TxOut { value, script_pubkey: recipient.script.clone() });
                }
            }
        }
        if request.recipients.is_empty() {
            return Err(PaymentError::NoRecipient);
        }
        let (rate, estimated) = self.fee_rate(request.fee)?;
        let change = match rest {
            Some(recipient) => recipient.script.clone(),
            None => self.change_script()?,
        };
        let payment = self.payment(&outputs, &change, FeeRule::rate(rate));
        let all = self.coins();
        let purse = Purse { coins: &all, frozen: &self.notes.frozen, named: &request.coins };
        let picked = if rest.is_some() { purse.empty(&payment) } else { purse.pay(&payment) };
        let picked = picked.map_err(|error| self.explain(error, &purse))?;
        let mut recipients = request.recipients.clone();
        for recipient in recipients.iter_mut().filter(|recipient| recipient.amount == PayAmount::Max) {
            recipient.amount = PayAmount::Exactly(picked.plan.change.unwrap_or(Amount::ZERO));
        }
        self.compose(Parts {
            recipients,
            change: rest.is_none().then_some(change),
            picked,
            replaceable: request.replaceable,
            replaces: BTreeSet::new(),
            estimated,
            allow_high_fee: request.allow_high_fee,
        })
    }

    /// What coins are chosen for.
    pub(crate) fn payment<'a>(&self, outputs: &[TxOut], change: &'a ScriptBuf, fee: FeeRule) -> Payment<'a> {
        let least_change = dust_limit(change, self.network()).unwrap_or(Amount::MAX_MONEY);
        Payment::new(outputs, change, least_change, fee, self.keyring.witness_weight())
    }

    /// Where change goes: a fresh address of the chain that nobody is told of, if the wallet has one.
    pub(crate) fn change_script(&self) -> Result<ScriptBuf, WalletError> {
        let next: Option<(Origin, ScriptBuf)> = self.keyring.next_unused(self.keyring.change_keychain());
        next.map(|(_, script)| script).ok_or(WalletError::Crypto { what: "deriving the change address" })
    }

    /// The rate of a choice, and whether it rests on more than a guess.
    pub(crate) fn fee_rate(&self, choice: FeeChoice) -> Result<(FeeRate, bool), PaymentError> {
        match choice {
            FeeChoice::Rate(given) if given < LOWEST_RATE => {
                Err(PaymentError::FeeTooLow { given: given.to_string(), min: LOWEST_RATE.to_string() })
            }
            FeeChoice::Rate(given) => Ok((given, true)),
            FeeChoice::Target { blocks } => {
                let estimate = self.estimate(blocks);
                // Below the mempool's minimum nothing would be taken.
                let least = self.mempool_minimum.unwrap_or(LOWEST_RATE).clamp(LOWEST_RATE, HIGHEST_ESTIMATE);
                Ok((estimate.unwrap_or(FALLBACK_RATE).max(least), estimate.is_some()))
            }
        }
    }

    /// What the last synchronisation's estimates say for that many blocks: the nearest that is at least as fast; failing
    /// that, the fastest there is.
    pub(crate) fn estimate(&self, blocks: u16) -> Option<FeeRate> {
        let estimates = &self.fee_estimates;
        let estimate = estimates.range(..=blocks).next_back().or_else(|| estimates.first_key_value());
        estimate.map(|(_, rate)| (*rate).clamp(LOWEST_RATE, HIGHEST_ESTIMATE))
    }

    /// Why no coins could be picked, in amounts that people read.
    pub(crate) fn explain(&self, error: PickError, purse: &Purse<'_>) -> PaymentError {
        let text = |amount| format_amount(amount, self.network());
        let some = |amount| Some(amount).filter(|amount| *amount != Amount::ZERO).map(text);
        let needed = match error {
            PickError::Unknown(coin) => return PaymentError::CoinUnknown { coin },
            PickError::Frozen(coin) => return PaymentError::CoinFrozen { coin },
            PickError::NotReady(coin) => return PaymentError::CoinNotReady { coin },
            PickError::TooLittle(too_little) => too_little.needed,
        };
        if !purse.named.is_empty() {
            let named: Vec<OwnCoin> =
                purse.coins.iter().filter(|coin| purse.named.contains(&coin.outpoint)).cloned().collect();
            return PaymentError::NamedNotEnough { needed: text(needed), held: text(held(&named)) };
        }
        let balance = ledger::balance(purse.coins);
        let usable = purse.spendable(true);
        let frozen = balance.spendable.checked_sub(held(&usable)).unwrap_or(Amount::ZERO);
        PaymentError::NotEnough(Box::new(Shortage {
            needed: text(needed),
            have: text(balance.total),
            immature: some(balance.immature),
            waiting: some(balance.waiting),
            frozen: some(frozen),
            spendable: text(held(&usable)),
        }))
    }

    /// Puts the transaction together, checks it, and says what it does.
    pub(crate) fn compose(&self, parts: Parts) -> Result<Draft, PaymentError> {
        let plan = &parts.picked.plan;
        if plan.vsize > LARGEST {
            return Err(PaymentError::TooLarge { vsize: plan.vsize, limit: LARGEST });
        }
        let change = parts
            .change
            .as_ref()
            .and_then(|script| plan.change.map(|value| TxOut { value, script_pubkey: script.clone() }));
        let paid = parts.recipients.iter().map(|recipient| TxOut {
            value: match recipient.amount {
                PayAmount::Exactly(amount) => amount,
                PayAmount::Max => Amount::ZERO,
            },
            script_pubkey: recipient.script.clone(),
        });
        let mut output: Vec<TxOut> = paid.collect();
        let amount = sum(output.iter().map(|output| &output.value));
        if let Some(change) = &change {
            // Which output is the change should not show from its place.
            let byte = vault::random::<1>()?.first().copied().unwrap_or_default();
            output.insert(usize::from(byte) % (output.len() + 1), change.clone());
        }
        let review = self.review(&parts, change.as_ref(), &output, amount)?;
        let unsigned = self.unsigned(&parts, output);
        Ok(Draft { unsigned, coins: parts.picked.coins, review, replaces: parts.replaces })
    }

    fn unsigned(&self, parts: &Parts, output: Vec<TxOut>) -> Transaction {
        // In both cases the lock time counts.
        let sequence = match parts.replaceable {
            true => Sequence::ENABLE_RBF_NO_LOCKTIME,
            false => Sequence::ENABLE_LOCKTIME_NO_RBF,
        };
        let spend = |coin: &OwnCoin| TxIn { previous_output: coin.outpoint, sequence, ..TxIn::default() };
        let input = parts.picked.coins.iter().map(spend).collect();
        // Only the next block may hold it, so that nobody gains by mining the last one again (anti-fee-sniping).
        let lock_time = LockTime::from_height(self.tip().to_u32()).unwrap_or(LockTime::ZERO);
        Transaction { version: Version::TWO, lock_time, input, output }
    }

    /// Signs a draft and checks the result as a node would. Nothing is sent; the change address is noted in the file.
    ///
    /// # Errors
    ///
    /// [`PaymentError::Wallet`] for a wrong password, [`PaymentError::DraftOutdated`] when its coins are gone,
    /// [`PaymentError::NeedsOthers`] when this wallet's keys do not suffice.
    pub fn sign<'a>(&mut self, draft: &Draft, signer: impl Into<Signer<'a>>) -> Result<Transaction, PaymentError> {
        let coins = self.coins_without(&draft.replaces);
        let held: HashMap<OutPoint, OwnCoin> = coins.into_iter().map(|coin| (coin.outpoint, coin)).collect();
        let still_there = |coin: &OwnCoin| {
            held.get(&coin.outpoint).is_some_and(|held| {
                (held.state == CoinState::Spendable || held.state == coin.state)
                    && held.output == coin.output
                    && !self.notes.frozen.contains(&coin.outpoint)
            })
        };
        if !draft.coins.iter().all(still_there) {
            return Err(PaymentError::DraftOutdated);
        }
        let unsigned = self.to_psbt(draft)?;
        let signed = self.sign_psbt(&unsigned, signer)?;
        if !signed.complete {
            return Err(PaymentError::NeedsOthers);
        }
        Ok(self.finalise_psbt(&signed.psbt)?)
    }
}

impl From<PsbtError> for PaymentError {
    fn from(error: PsbtError) -> Self {
        match error {
            PsbtError::SignatureRefused { input, reason } => Self::SignatureRefused { input, reason },
            PsbtError::Wallet(source) => Self::Wallet(source),
            PsbtError::Incomplete { .. } => Self::NeedsOthers,
            // These concern what others wrote into a PSBT, and this one is our own.
            PsbtError::NotAPsbt
            | PsbtError::Damaged
            | PsbtError::OtherVersion
            | PsbtError::OtherPayment
            | PsbtError::NothingToSign
            | PsbtError::CoinMissing { .. }
            | PsbtError::AmountUnproven { .. }
            | PsbtError::CoinContradicted { .. }
            | PsbtError::SighashRefused { .. }
            | PsbtError::PaysTooMuch => Self::DraftOutdated,
        }
    }
}
