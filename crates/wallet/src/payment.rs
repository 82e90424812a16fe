//! A payment, step by step: request → draft → review → signature.

use mycoin_primitives::{Amount, FeeRate, ScriptBuf, Transaction};

use crate::error::PaymentError;
use crate::password::Password;
use crate::wallet::Wallet;

/// The fee target where nobody chose: within six blocks.
pub const DEFAULT_FEE_TARGET: FeeChoice = FeeChoice::Target { blocks: 6 };

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
        todo!()
    }
}

impl Wallet {
    /// Chooses coins, fee and change for a payment. Nothing is signed or reserved yet.
    ///
    /// # Errors
    ///
    /// [`PaymentError`] says what is missing.
    pub fn prepare(&self, request: &PaymentRequest) -> Result<Draft, PaymentError> {
        let _ = request;
        todo!()
    }

    /// Signs a draft and checks the result as a node would. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`PaymentError::Wallet`] for a wrong password, [`PaymentError::DraftOutdated`] when its coins are gone.
    pub fn sign(&mut self, draft: &Draft, password: &Password) -> Result<Transaction, PaymentError> {
        let _ = (draft, password);
        todo!()
    }
}
