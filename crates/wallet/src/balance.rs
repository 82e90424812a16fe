//! The balance in parts, each explained.
//!
//! In:    the coins and what can be done with each.
//! Out:   of each part how much, how many coins, and why it is where it is.
//! Never: a part that is left out: together they are all that the wallet holds.

use mycoin_primitives::Amount;

use crate::ledger::{CoinState, OwnCoin};
use crate::wallet::Wallet;

/// What can be done with a part of the balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BalanceKind {
    /// It can be spent now.
    Spendable,
    /// Others pay it, and no block holds that payment yet.
    Waiting,
    /// Block rewards that too few blocks have followed.
    Immature,
}

/// A part of the balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalancePart {
    /// What can be done with it.
    pub kind: BalanceKind,
    /// How much it is.
    pub amount: Amount,
    /// How many coins.
    pub coins: usize,
    /// Of a spendable part how much stands on our own payments that no block holds yet; zero for the others.
    pub unconfirmed: Amount,
    /// Of block rewards, how many blocks must follow until the first one can be spent, and the last one.
    pub blocks_left: Option<(u32, u32)>,
}

impl BalancePart {
    fn of(kind: BalanceKind, coins: &[OwnCoin]) -> Self {
        let mut part = Self { kind, amount: Amount::ZERO, coins: 0, unconfirmed: Amount::ZERO, blocks_left: None };
        for coin in coins.iter().filter(|coin| kind_of(coin.state) == kind) {
            let add = |sum: Amount| sum.checked_add(coin.output.value).unwrap_or(sum);
            part.amount = add(part.amount);
            part.coins += 1;
            if kind == BalanceKind::Spendable && !coin.confirmed {
                part.unconfirmed = add(part.unconfirmed);
            }
            if let CoinState::Immature { blocks_left } = coin.state {
                let (first, last) = part.blocks_left.unwrap_or((blocks_left, blocks_left));
                part.blocks_left = Some((first.min(blocks_left), last.max(blocks_left)));
            }
        }
        part
    }

    /// Why it is where it is, in one sentence.
    pub fn explanation(&self) -> String {
        match self.kind {
            BalanceKind::Spendable if self.unconfirmed > Amount::ZERO => {
                "Can be spent now; some of it is change of your own payments that no block holds yet.".to_owned()
            }
            BalanceKind::Spendable => "Can be spent now.".to_owned(),
            BalanceKind::Waiting => "Others pay you this, but no block holds it yet: until then it is only announced, \
                 nothing proves it, and the sender can still take it back."
                .to_owned(),
            BalanceKind::Immature => match self.blocks_left {
                Some((first, last)) if first == last => {
                    format!("Rewards for blocks; they can be spent when {first} more blocks have followed.")
                }
                Some((first, last)) => format!(
                    "Rewards for blocks; the first can be spent when {first} more blocks have followed, the last when {last} have."
                ),
                None => "Rewards for blocks, which cannot be spent before more blocks have followed.".to_owned(),
            },
        }
    }
}

const fn kind_of(state: CoinState) -> BalanceKind {
    match state {
        CoinState::Spendable => BalanceKind::Spendable,
        CoinState::Waiting => BalanceKind::Waiting,
        CoinState::Immature { .. } => BalanceKind::Immature,
    }
}

impl Wallet {
    /// The balance in its three parts, each explained; together they are all that the wallet holds.
    pub fn balance_parts(&self) -> [BalancePart; 3] {
        let coins = self.coins();
        [BalanceKind::Spendable, BalanceKind::Waiting, BalanceKind::Immature].map(|kind| BalancePart::of(kind, &coins))
    }
}
