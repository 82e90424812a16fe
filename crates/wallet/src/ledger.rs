//! What the wallet knows of the chain: its transactions, the blocks that hold them, and the coins that follow.

use mycoin_primitives::Amount;

/// What the wallet holds, split by what can be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// Can be spent now: confirmed coins, mature block rewards and our own unconfirmed change.
    pub spendable: Amount,
    /// On its way from others: in no block yet.
    pub waiting: Amount,
    /// Block rewards that too few blocks have followed yet.
    pub immature: Amount,
    /// All of it.
    pub total: Amount,
}
