//! The form of the node's records: compact, and of one version that the meta table names ([`FORMAT`]).
//!
//! In:    coins, undo data and index records, or the bytes of one.
//! Out:   the other of the two; `None` for bytes that no encoder here wrote.
//! Never: a panic, or memory by the word of a length field, whatever the bytes are.
//!
//! Numbers are little-endian base-128 (LEB128): seven bits a byte, the lowest first, the high bit on all but the last.

use mycoin_primitives::bitcoin::consensus::encode;
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Amount, BlockHash, BlockUndo, Coin, Header, Height, OutPoint, ScriptBuf, TxOut, Txid};

use crate::{BlockPosition, IndexRecord};

/// The version of all forms in this file. Whoever changes one raises it.
pub(crate) const FORMAT: u32 = 1;

const HEADER_BYTES: usize = 80;
/// What the numbers of a coin mostly take.
const COIN_NUMBERS_BYTES: usize = 12;
const FLAG_INVALID: u8 = 1;
const FLAG_CONNECTED: u8 = 2;
const FLAG_STORED: u8 = 4;

/// The key of a coin: the transaction id as it is hashed, then the output's number, big-endian.
///
/// The order of these keys is the order in which Bitcoin Core's `hash_serialized_3` takes the coins.
pub(crate) fn outpoint_key(outpoint: &OutPoint) -> [u8; 36] {
    let mut key = [0; 36];
    let (txid, vout) = key.split_at_mut(32);
    txid.copy_from_slice(outpoint.txid.as_byte_array());
    vout.copy_from_slice(&outpoint.vout.to_be_bytes());
    key
}

pub(crate) fn decode_outpoint_key(key: &[u8]) -> Option<OutPoint> {
    let (txid, vout) = key.split_first_chunk::<32>()?;
    let vout = u32::from_be_bytes(vout.try_into().ok()?);
    Some(OutPoint { txid: Txid::from_byte_array(*txid), vout })
}

pub(crate) fn write_coin(bytes: &mut Vec<u8>, coin: &Coin) {
    put_coin_numbers(bytes, coin);
    bytes.extend_from_slice(coin.output.script_pubkey.as_bytes());
}

pub(crate) fn decode_coin(bytes: &[u8]) -> Option<Coin> {
    let mut reader = Reader(bytes);
    let numbers = reader.coin_numbers()?;
    Some(coin(numbers, reader.0))
}

pub(crate) fn encode_undo(undo: &BlockUndo) -> Vec<u8> {
    let length = |coin: &Coin| coin.output.script_pubkey.len() + COIN_NUMBERS_BYTES;
    let mut bytes = Vec::with_capacity(undo.spent.iter().flatten().map(length).sum());
    put_number(&mut bytes, undo.spent.len() as u64);
    for coins in &undo.spent {
        put_number(&mut bytes, coins.len() as u64);
        for coin in coins {
            put_coin_numbers(&mut bytes, coin);
            put_number(&mut bytes, coin.output.script_pubkey.len() as u64);
            bytes.extend_from_slice(coin.output.script_pubkey.as_bytes());
        }
    }
    bytes
}

pub(crate) fn decode_undo(bytes: &[u8]) -> Option<BlockUndo> {
    let mut reader = Reader(bytes);
    let mut spent = Vec::new();
    for _ in 0..reader.number()? {
        let mut coins = Vec::new();
        for _ in 0..reader.number()? {
            let numbers = reader.coin_numbers()?;
            let length = usize::try_from(reader.number()?).ok()?;
            coins.push(coin(numbers, reader.take(length)?));
        }
        spent.push(coins);
    }
    reader.0.is_empty().then_some(BlockUndo { spent })
}

/// The record without its key, the hash.
pub(crate) fn encode_index(record: &IndexRecord) -> Vec<u8> {
    let mut bytes = encode::serialize(&record.header);
    let stored = record.stored.as_ref();
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    bytes.push(
        flag(record.invalid, FLAG_INVALID)
            | flag(record.connected, FLAG_CONNECTED)
            | flag(stored.is_some(), FLAG_STORED),
    );
    put_number(&mut bytes, u64::from(record.height.to_u32()));
    if let Some((position, transactions)) = stored {
        for number in [position.file, position.offset, position.length, *transactions] {
            put_number(&mut bytes, u64::from(number));
        }
    }
    bytes
}

pub(crate) fn decode_index(hash: &[u8], bytes: &[u8]) -> Option<IndexRecord> {
    let hash = BlockHash::from_byte_array(hash.try_into().ok()?);
    let mut reader = Reader(bytes);
    let header: Header = encode::deserialize(reader.take(HEADER_BYTES)?).ok()?;
    let [flags] = reader.take(1)?.try_into().ok()?;
    if flags & !(FLAG_INVALID | FLAG_CONNECTED | FLAG_STORED) != 0 {
        return None;
    }
    let height = Height::new(reader.small_number()?);
    let stored = if flags & FLAG_STORED == 0 {
        None
    } else {
        let (file, offset, length) = (reader.small_number()?, reader.small_number()?, reader.small_number()?);
        Some((BlockPosition { file, offset, length }, reader.small_number()?))
    };
    let (invalid, connected) = (flags & FLAG_INVALID != 0, flags & FLAG_CONNECTED != 0);
    reader.0.is_empty().then_some(IndexRecord { hash, header, height, invalid, connected, stored })
}

fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn put_coin_numbers(bytes: &mut Vec<u8>, coin: &Coin) {
    put_number(bytes, u64::from(coin.height.to_u32()) << 1 | u64::from(coin.is_coinbase));
    put_number(bytes, coin.output.value.to_sat());
}

struct CoinNumbers {
    height: Height,
    is_coinbase: bool,
    value: Amount,
}

fn coin(numbers: CoinNumbers, script: &[u8]) -> Coin {
    let CoinNumbers { height, is_coinbase, value } = numbers;
    Coin { output: TxOut { value, script_pubkey: ScriptBuf::from_bytes(script.to_vec()) }, height, is_coinbase }
}

/// What is left of a record's bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take(1)?.try_into().ok()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn small_number(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn coin_numbers(&mut self) -> Option<CoinNumbers> {
        let origin = self.number()?;
        let height = Height::new(u32::try_from(origin >> 1).ok()?);
        let value = Amount::from_sat(self.number()?);
        Some(CoinNumbers { height, is_coinbase: origin & 1 == 1, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycoin_primitives::Network;
    use proptest::prelude::*;

    fn any_coin() -> impl Strategy<Value = Coin> {
        (any::<u64>(), proptest::collection::vec(any::<u8>(), 0..80), any::<u32>(), any::<bool>()).prop_map(
            |(value, script, height, is_coinbase)| {
                coin(CoinNumbers { height: Height::new(height), is_coinbase, value: Amount::from_sat(value) }, &script)
            },
        )
    }

    fn any_record() -> impl Strategy<Value = IndexRecord> {
        let stored = proptest::option::of(any::<(u32, u32, u32, u32)>());
        (any::<(u32, bool, bool)>(), stored).prop_map(|((nonce, invalid, connected), stored)| {
            let mut header = mycoin_primitives::genesis_block(&Network::demo()).header;
            header.nonce = nonce;
            let stored = stored.map(|(file, offset, length, n)| (BlockPosition { file, offset, length }, n));
            let height = Height::new(nonce.rotate_left(7));
            IndexRecord { hash: header.block_hash(), header, height, invalid, connected, stored }
        })
    }

    proptest! {
        #[test]
        fn coins_come_back(coin in any_coin()) {
            let mut bytes = Vec::new();
            write_coin(&mut bytes, &coin);
            prop_assert_eq!(decode_coin(&bytes), Some(coin));
        }

        #[test]
        fn undo_data_come_back_and_cut_ones_do_not(
            spent in proptest::collection::vec(proptest::collection::vec(any_coin(), 0..4), 0..4),
        ) {
            let undo = BlockUndo { spent };
            let bytes = encode_undo(&undo);
            prop_assert_eq!(decode_undo(&bytes[..bytes.len() - 1]), None);
            prop_assert_eq!(decode_undo(&bytes), Some(undo));
        }

        #[test]
        fn index_records_come_back_and_cut_ones_do_not(record in any_record()) {
            let (key, bytes) = (record.hash.to_byte_array(), encode_index(&record));
            prop_assert_eq!(decode_index(&key, &bytes[..bytes.len() - 1]), None);
            prop_assert_eq!(decode_index(&key, &bytes), Some(record));
        }

        #[test]
        fn outpoints_sort_as_their_keys(a in any::<([u8; 32], u32)>(), b in any::<([u8; 32], u32)>()) {
            let outpoint = |(txid, vout)| OutPoint { txid: Txid::from_byte_array(txid), vout };
            let keys = (outpoint_key(&outpoint(a)), outpoint_key(&outpoint(b)));
            prop_assert_eq!(a.cmp(&b), keys.0.cmp(&keys.1));
            prop_assert_eq!(decode_outpoint_key(&keys.0), Some(outpoint(a)));
        }

        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (decode_coin(&bytes), decode_undo(&bytes), decode_index(&[0; 32], &bytes), decode_outpoint_key(&bytes));
        }
    }

    #[test]
    fn numbers_that_overflow_are_refused() {
        assert_eq!(Reader(&[0xff; 9]).number(), None);
        assert_eq!(Reader(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).number(), None);
        assert_eq!(Reader(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).number(), Some(u64::MAX));
    }
}
