//! The payloads of compact blocks' messages (BIP152), measured before memory is taken for them.

use mycoin_primitives::bitcoin::VarInt;
use mycoin_primitives::bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds};
use mycoin_primitives::bitcoin::p2p::message_compact_blocks::SendCmpct;
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{BlockHash, Header};

use crate::limits::BLOCK_TRANSACTIONS_MAX;
use crate::message::{Message, PayloadError, check_count, read};

/// Bytes before the first list of `cmpctblock`: the header and the nonce.
const LISTS_AT: usize = Header::SIZE + 8;
/// Bytes of a short id.
const SHORT_ID: usize = 6;
/// The fewest bytes of a transaction: version, two empty lists, lock time.
const TRANSACTION_MIN: usize = 10;

/// `sendcmpct`: whether new blocks are wanted as compact ones at once, and the version; 0 and 1 are the only flags.
pub(crate) fn read_send_compact(payload: &[u8]) -> Result<Message, PayloadError> {
    let SendCmpct { send_compact, version } = read(payload)?;
    Ok(Message::SendCompact { high_bandwidth: send_compact, version })
}

/// `cmpctblock`. The places of the transactions that it brings are checked when the block is put together.
pub(crate) fn read_compact_block(payload: &[u8]) -> Result<HeaderAndShortIds, PayloadError> {
    let short_ids = tail(payload, LISTS_AT);
    let count = check_count(short_ids, BLOCK_TRANSACTIONS_MAX, SHORT_ID)?;
    let prefilled = tail(short_ids, VarInt::from(count).size() + count * SHORT_ID);
    check_count(prefilled, BLOCK_TRANSACTIONS_MAX - count, 1 + TRANSACTION_MIN)?;
    read(payload)
}

/// `getblocktxn`. The places are told as distances; those that leave 64 bits are malformed, those that leave the block
/// are found when it is known which one is meant.
pub(crate) fn read_block_transactions_request(payload: &[u8]) -> Result<BlockTransactionsRequest, PayloadError> {
    check_count(tail(payload, BlockHash::LEN), BLOCK_TRANSACTIONS_MAX, 1)?;
    read(payload)
}

/// `blocktxn`.
pub(crate) fn read_block_transactions(payload: &[u8]) -> Result<BlockTransactions, PayloadError> {
    let list = tail(payload, BlockHash::LEN);
    check_count(list, BLOCK_TRANSACTIONS_MAX, TRANSACTION_MIN)?;
    read(payload)
}

/// What follows; nothing, which is no list, when the payload is shorter.
fn tail(payload: &[u8], at: usize) -> &[u8] {
    payload.get(at..).unwrap_or_default()
}
