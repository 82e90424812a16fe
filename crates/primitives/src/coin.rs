//! Coins: outputs that nobody has spent yet, and the record of the ones that a block spent.

use crate::{Height, TxOut};

/// An unspent transaction output with what the rules ask of its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coin {
    /// The amount and the script that locks it.
    pub output: TxOut,
    /// The height of the block that created it.
    pub height: Height,
    /// Whether a coinbase created it, so that it must mature before it is spent.
    pub is_coinbase: bool,
}

/// The coins that a block spent, needed to disconnect it.
///
/// One list per transaction after the coinbase, in block order; in each, one coin per input, in input order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockUndo {
    /// The spent coins, by transaction (the coinbase left out) and input.
    pub spent: Vec<Vec<Coin>>,
}
