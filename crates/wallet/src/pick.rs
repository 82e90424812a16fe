//! Which of a wallet's coins a payment may spend, and which of them it does.
//!
//! In:    the coins, those that are frozen, those that a person named, and the payment.
//! Out:   the chosen coins with their [`Plan`].
//! Never: a frozen coin; a coin that nobody named where somebody named some.

use std::collections::BTreeSet;

use mycoin_primitives::{Amount, OutPoint};

use crate::ledger::{CoinState, OwnCoin};
use crate::select::{Payment, Plan, TooLittle, sum};

/// What can be spent.
#[derive(Clone, Copy)]
pub(crate) struct Purse<'a> {
    pub(crate) coins: &'a [OwnCoin],
    pub(crate) frozen: &'a BTreeSet<OutPoint>,
    /// Exactly these are spent, where the person named any.
    pub(crate) named: &'a [OutPoint],
}

/// Coins that make a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picked {
    pub(crate) coins: Vec<OwnCoin>,
    pub(crate) plan: Plan,
    /// Coins that were left where they are, because spending them costs more than they bring.
    pub(crate) left: Vec<Amount>,
}

/// Why no coins could be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PickError {
    TooLittle(TooLittle),
    /// The wallet has no such coin.
    Unknown(OutPoint),
    Frozen(OutPoint),
    /// It waits for a block, or is immature.
    NotReady(OutPoint),
}

impl From<TooLittle> for PickError {
    fn from(error: TooLittle) -> Self {
        Self::TooLittle(error)
    }
}

pub(crate) fn values(coins: &[OwnCoin]) -> Vec<Amount> {
    coins.iter().map(|coin| coin.output.value).collect()
}

impl Purse<'_> {
    /// What may be spent unasked; unconfirmed change only where `with_waiting`.
    pub(crate) fn spendable(&self, with_waiting: bool) -> Vec<OwnCoin> {
        let usable = |coin: &&OwnCoin| {
            coin.state == CoinState::Spendable
                && (coin.confirmed || with_waiting)
                && !self.frozen.contains(&coin.outpoint)
        };
        self.coins.iter().filter(usable).cloned().collect()
    }

    /// The coins that the person named, each once.
    fn named(&self) -> Result<Vec<OwnCoin>, PickError> {
        let mut seen = BTreeSet::new();
        let mut coins = Vec::new();
        for outpoint in self.named.iter().filter(|outpoint| seen.insert(**outpoint)) {
            let coin = self.coins.iter().find(|coin| coin.outpoint == *outpoint);
            let coin = coin.ok_or(PickError::Unknown(*outpoint))?;
            if self.frozen.contains(outpoint) {
                return Err(PickError::Frozen(*outpoint));
            }
            if coin.state != CoinState::Spendable {
                return Err(PickError::NotReady(*outpoint));
            }
            coins.push(coin.clone());
        }
        Ok(coins)
    }

    /// Coins for fixed amounts: those in blocks first, our own waiting change where they do not reach.
    pub(crate) fn pay(&self, payment: &Payment<'_>) -> Result<Picked, PickError> {
        if !self.named.is_empty() {
            let coins = self.named()?;
            let plan = payment.choose(&values(&coins), &[])?;
            return Ok(Picked { coins, plan, left: Vec::new() });
        }
        let attempt = |with_waiting: bool| {
            let usable = self.spendable(with_waiting);
            let plan = payment.choose(&[], &values(&usable))?;
            let coins = plan.coins.iter().filter_map(|coin| usable.get(*coin)).cloned().collect();
            Ok(Picked { coins, plan, left: Vec::new() })
        };
        attempt(false).or_else(|_: PickError| attempt(true))
    }

    /// All coins that are worth spending, or all that were named; what the fixed amounts leave goes to the change's script.
    pub(crate) fn empty(&self, payment: &Payment<'_>) -> Result<Picked, PickError> {
        let (coins, left) = if self.named.is_empty() {
            self.spendable(true).into_iter().partition(|coin| payment.is_worth(coin.output.value))
        } else {
            (self.named()?, Vec::new())
        };
        let plan = payment.sweep(&values(&coins), &[])?;
        Ok(Picked { coins, plan, left: values(&left) })
    }

    /// Coins on top of `required`, which are spent in any case: only coins in blocks, so that nothing new has to be waited
    /// for. With `rest` all that the fixed amounts leave goes to the change's script.
    pub(crate) fn extend(
        &self,
        required: Vec<OwnCoin>,
        payment: &Payment<'_>,
        rest: bool,
    ) -> Result<Picked, PickError> {
        let mut optional = self.spendable(false);
        optional.retain(|coin| required.iter().all(|spent| spent.outpoint != coin.outpoint));
        let (given, more) = (values(&required), values(&optional));
        let plan = if rest { payment.sweep(&given, &more)? } else { payment.choose(&given, &more)? };
        let mut coins = required;
        coins.extend(plan.coins.iter().filter_map(|coin| optional.get(*coin)).cloned());
        Ok(Picked { coins, plan, left: Vec::new() })
    }
}

/// What coins hold together.
pub(crate) fn held(coins: &[OwnCoin]) -> Amount {
    sum(coins.iter().map(|coin| &coin.output.value))
}
