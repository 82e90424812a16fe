//! A payment, step by step: request → draft → review → signature.
//!
//! In:    whom to pay how much; the wallet's coins; for the last step, the password.
//! Out:   a [`Review`] to be read, then a signed transaction that was checked as a node checks it.
//! Never: a signature without the password; a transaction other than the one that was reviewed.

use std::collections::HashMap;

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::{Amount, FeeRate, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, format_amount};

use crate::error::{PaymentError, WalletError};
use crate::ledger::{self, CoinState, OwnCoin};
use crate::password::Password;
use crate::psbt::PsbtError;
use crate::select::{Payment, Plan, TooLittle, dust_limit};
use crate::vault;
use crate::wallet::Wallet;

/// The fee target where nobody chose: within six blocks.
pub const DEFAULT_FEE_TARGET: FeeChoice = FeeChoice::Target { blocks: 6 };

/// The lowest rate that nodes pass on: 0.1 sat/vB.
const LOWEST_RATE: FeeRate = FeeRate::from_sat_per_kvb(100);
/// The rate where there are no estimates.
const FALLBACK_RATE: FeeRate = FeeRate::from_sat_per_vb(1);
/// No estimate is followed above this, whatever a proxy says.
const HIGHEST_ESTIMATE: FeeRate = FeeRate::from_sat_per_vb(1_000);
/// A fee above this share of the amount is pointed out, in percent…
const HIGH_FEE_PERCENT: u64 = 25;
/// … unless it is next to nothing.
const NEGLIGIBLE_FEE: Amount = Amount::from_sat(5_000);

/// What a person wants to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRequest {
    /// The script to pay to, from `parse_address`.
    pub recipient: ScriptBuf,
    /// The address as it was typed, for the review.
    pub recipient_text: String,
    /// How much the recipient gets.
    pub amount: Amount,
    /// How the fee is chosen.
    pub fee: FeeChoice,
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

/// A payment that is complete but for its signatures.
#[derive(Debug, Clone)]
pub struct Draft {
    unsigned: Transaction,
    coins: Vec<OwnCoin>,
    review: Review,
}

/// What a person checks before the password signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Whom it pays, as it was typed.
    pub recipient: String,
    /// What the recipient gets.
    pub amount: Amount,
    /// What the miner gets.
    pub fee: Amount,
    /// The fee for the transaction's size.
    pub fee_rate: FeeRate,
    /// The signed transaction's size, in virtual bytes.
    pub vsize: u64,
    /// What comes back to the wallet; zero when nothing does.
    pub change: Amount,
    /// Amount and fee together: what leaves the wallet (the amount comes back when we pay ourselves).
    pub total: Amount,
    /// What the wallet holds afterwards, waiting and immature coins included.
    pub balance_after: Amount,
    /// How many coins it spends.
    pub coins: usize,
    /// What a careful person looks at twice.
    pub warnings: Vec<Warning>,
}

/// What a careful person looks at twice before signing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The fee is more than a quarter of the amount.
    HighFee {
        /// The fee in percent of the amount.
        percent: u64,
    },
    /// The recipient is this wallet.
    PaysSelf,
    /// There were no estimates, so a fallback rate was taken.
    NoFeeEstimate,
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
}

impl Wallet {
    /// Chooses coins, fee and change for a payment. Nothing is signed or reserved yet.
    ///
    /// # Errors
    ///
    /// [`PaymentError`] says what is missing.
    pub fn prepare(&self, request: &PaymentRequest) -> Result<Draft, PaymentError> {
        let network = self.network();
        if request.amount == Amount::ZERO {
            return Err(PaymentError::AmountIsZero);
        }
        let min = dust_limit(&request.recipient, network).ok_or(PaymentError::RecipientNotStandard)?;
        if request.amount < min {
            let [amount, min] = [request.amount, min].map(|amount| format_amount(amount, network));
            return Err(PaymentError::AmountIsDust { amount, min });
        }
        let (rate, estimated) = self.fee_rate(request.fee)?;
        let failed = WalletError::Crypto { what: "deriving the change address" };
        let (_, change) = self.keyring.next_unused(self.keyring.change_keychain()).ok_or(failed)?;
        let payment = Payment {
            recipient: &request.recipient,
            amount: request.amount,
            change: &change,
            least_change: dust_limit(&change, network).unwrap_or(Amount::MAX_MONEY),
            rate,
            witness_weight: self.keyring.witness_weight(),
        };
        let all = self.coins();
        let (coins, plan) = choose(&payment, &all).map_err(|TooLittle { needed }| self.not_enough(&all, needed))?;
        let unsigned = self.unsigned(&coins, &payment, &plan)?;
        let review = self.review(request, &plan, &all, estimated);
        Ok(Draft { unsigned, coins, review })
    }

    /// The rate of a choice, and whether it rests on more than a guess.
    fn fee_rate(&self, choice: FeeChoice) -> Result<(FeeRate, bool), PaymentError> {
        match choice {
            FeeChoice::Rate(given) if given < LOWEST_RATE => {
                Err(PaymentError::FeeTooLow { given: given.to_string(), min: LOWEST_RATE.to_string() })
            }
            FeeChoice::Rate(given) => Ok((given, true)),
            FeeChoice::Target { blocks } => {
                // The nearest estimate that is at least as fast; failing that, the fastest there is.
                let estimates = &self.fee_estimates;
                let estimate = estimates.range(..=blocks).next_back().or_else(|| estimates.first_key_value());
                Ok(estimate
                    .map_or((FALLBACK_RATE, false), |(_, rate)| ((*rate).clamp(LOWEST_RATE, HIGHEST_ESTIMATE), true)))
            }
        }
    }

    fn not_enough(&self, coins: &[OwnCoin], needed: Amount) -> PaymentError {
        let text = |amount| format_amount(amount, self.network());
        let some = |amount| Some(amount).filter(|amount| *amount != Amount::ZERO).map(text);
        let balance = ledger::balance(coins);
        PaymentError::NotEnough {
            needed: text(needed),
            have: text(balance.total),
            immature: some(balance.immature),
            waiting: some(balance.waiting),
            spendable: text(balance.spendable),
        }
    }

    fn unsigned(&self, coins: &[OwnCoin], payment: &Payment<'_>, plan: &Plan) -> Result<Transaction, PaymentError> {
        let input = coins
            .iter()
            .map(|coin| TxIn {
                previous_output: coin.outpoint,
                // Replaceable (BIP125), and the lock time counts.
                sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
                ..TxIn::default()
            })
            .collect();
        let mut output = vec![TxOut { value: payment.amount, script_pubkey: payment.recipient.to_owned() }];
        if let Some(value) = plan.change {
            output.push(TxOut { value, script_pubkey: payment.change.to_owned() });
            // Which output is the change should not show from its place.
            if vault::random::<1>()?.first().is_some_and(|byte| byte % 2 == 0) {
                output.reverse();
            }
        }
        // Only the next block may hold it, so that nobody gains by mining the last one again (anti-fee-sniping).
        let lock_time = LockTime::from_height(self.tip().to_u32()).unwrap_or(LockTime::ZERO);
        Ok(Transaction { version: Version::TWO, lock_time, input, output })
    }

    fn review(&self, request: &PaymentRequest, plan: &Plan, coins: &[OwnCoin], estimated: bool) -> Review {
        let pays_self = self.keyring.origin(&request.recipient).is_some();
        let leaves = if pays_self { plan.fee } else { request.amount + plan.fee };
        let mut warnings = Vec::new();
        if let Some(percent) = high_fee(plan.fee, request.amount) {
            warnings.push(Warning::HighFee { percent });
        }
        if pays_self {
            warnings.push(Warning::PaysSelf);
        }
        if !estimated {
            warnings.push(Warning::NoFeeEstimate);
        }
        Review {
            recipient: request.recipient_text.clone(),
            amount: request.amount,
            fee: plan.fee,
            fee_rate: FeeRate::of(plan.fee, plan.vsize),
            vsize: plan.vsize,
            change: plan.change.unwrap_or(Amount::ZERO),
            total: request.amount + plan.fee,
            balance_after: ledger::balance(coins).total.checked_sub(leaves).unwrap_or(Amount::ZERO),
            coins: plan.coins.len(),
            warnings,
        }
    }

    /// Signs a draft and checks the result as a node would. Nothing is sent; the change address is noted in the file.
    ///
    /// # Errors
    ///
    /// [`PaymentError::Wallet`] for a wrong password, [`PaymentError::DraftOutdated`] when its coins are gone,
    /// [`PaymentError::NeedsOthers`] when this wallet's keys do not suffice.
    pub fn sign(&mut self, draft: &Draft, password: &Password) -> Result<Transaction, PaymentError> {
        let held: HashMap<OutPoint, OwnCoin> = self.coins().into_iter().map(|coin| (coin.outpoint, coin)).collect();
        let is_spendable = |coin: &OwnCoin| {
            held.get(&coin.outpoint)
                .is_some_and(|held| held.state == CoinState::Spendable && held.output == coin.output)
        };
        if !draft.coins.iter().all(is_spendable) {
            return Err(PaymentError::DraftOutdated);
        }
        let unsigned = self.to_psbt(draft)?;
        let signed = self.sign_psbt(&unsigned, password)?;
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

/// The fee in percent of the amount, where it is so much that it should be pointed out.
pub(crate) fn high_fee(fee: Amount, amount: Amount) -> Option<u64> {
    let percent = fee.to_sat().saturating_mul(100) / amount.to_sat().max(1);
    (fee > NEGLIGIBLE_FEE && percent > HIGH_FEE_PERCENT).then_some(percent)
}

/// Coins in blocks first; our own waiting change where they do not reach.
fn choose(payment: &Payment<'_>, all: &[OwnCoin]) -> Result<(Vec<OwnCoin>, Plan), TooLittle> {
    let attempt = |with_waiting: bool| {
        let usable = |coin: &&OwnCoin| coin.state == CoinState::Spendable && (coin.confirmed || with_waiting);
        let usable: Vec<&OwnCoin> = all.iter().filter(usable).collect();
        let values: Vec<Amount> = usable.iter().map(|coin| coin.output.value).collect();
        let plan = payment.choose(&values)?;
        let coins = plan.coins.iter().filter_map(|coin| usable.get(*coin)).map(|coin| (*coin).clone()).collect();
        Ok((coins, plan))
    };
    attempt(false).or_else(|_| attempt(true))
}
