//! What explorers and wallets ask: history by script, spends, transactions by id; fed by blocks, follows reorgs, can be thrown away and rebuilt.
//!
//! In:    blocks in the order of the best chain, one on top of the other, and the wish to take the last one off.
//! Out:   for a script its history, sums and coins; for an output what spends it; for a txid or a hash what it names.
//! Never: validity (the blocks come from a server that checked them), sockets, keys, anything that a rebuild would lose.
//!
//! Start at [`Index`]; `effects` says what a block changes, and both directions use it.

mod effects;
mod error;
mod index;
mod opened;
mod reader;
mod records;
mod script_hash;
mod tables;
#[cfg(test)]
mod tests;

pub use error::IndexError;
pub use index::Index;
pub use reader::Reader;
pub use records::{HistoryEntry, IndexedBlock, IndexedCoin, IndexedTransaction, ScriptTotals, Spend};
pub use script_hash::ScriptHash;
