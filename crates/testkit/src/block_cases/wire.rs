//! A block as it travels.

use mycoin_primitives::bitcoin::VarInt;
use mycoin_primitives::bitcoin::consensus::encode::serialize;
use mycoin_primitives::{Block, Transaction};

/// The block's bytes as Bitcoin Core writes them.
///
/// They differ from the library's in one case, which no valid block has: a transaction without inputs is written without
/// witnesses, so that it arrives as what it is and is refused for it.
pub fn wire_bytes(block: &Block) -> Vec<u8> {
    let mut bytes = serialize(&block.header);
    bytes.extend(serialize(&VarInt::from(block.txdata.len())));
    for tx in &block.txdata {
        bytes.extend(transaction_bytes(tx));
    }
    bytes
}

fn transaction_bytes(tx: &Transaction) -> Vec<u8> {
    if !tx.input.is_empty() {
        return serialize(tx);
    }
    [serialize(&tx.version), serialize(&tx.input), serialize(&tx.output), serialize(&tx.lock_time)].concat()
}
