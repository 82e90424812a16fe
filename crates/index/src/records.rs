//! What the index answers, and the form of its records on disk.
//!
//! Numbers in keys are big-endian, so that keys sort by them; transactions and headers have Bitcoin's form.

use mycoin_primitives::bitcoin::consensus::{deserialize, serialize};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Amount, BlockHash, Header, Height, OutPoint, Transaction, TxOut, Txid};

/// A block of the best chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexedBlock {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// Its header.
    pub header: Header,
    /// How many transactions it holds.
    pub transactions: u32,
    /// Its size in bytes.
    pub size: u32,
    /// Its weight.
    pub weight: u32,
}

/// A transaction of the best chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedTransaction {
    /// The transaction.
    pub tx: Transaction,
    /// The height of its block.
    pub height: Height,
    /// Its position in the block; the coinbase is at 0.
    pub position: u32,
}

/// A transaction that pays to or spends from a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The height of its block.
    pub height: Height,
    /// Its position in the block.
    pub position: u32,
    /// Its txid.
    pub txid: Txid,
    /// Whether it pays to the script.
    pub funds: bool,
    /// Whether it spends from the script.
    pub spends: bool,
}

/// The sums over a script's history. Counts and amounts are never less than what was spent of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScriptTotals {
    /// How many outputs paid to it.
    pub funded_count: u64,
    /// Their amounts together, in the smallest unit.
    pub funded_sum: u64,
    /// How many of them are spent.
    pub spent_count: u64,
    /// Their amounts together.
    pub spent_sum: u64,
    /// How many transactions its history holds.
    pub transactions: u64,
}

/// An unspent output of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexedCoin {
    /// Where it was created.
    pub outpoint: OutPoint,
    /// Its amount.
    pub value: Amount,
    /// The height of the block that created it.
    pub height: Height,
}

/// What spends an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spend {
    /// The transaction that spends it.
    pub txid: Txid,
    /// By which of its inputs.
    pub input: u32,
}

/// Reads fixed-size fields one after the other; `None` as soon as the bytes do not reach.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_be_bytes)
    }

    pub(crate) fn txid(&mut self) -> Option<Txid> {
        self.bytes().map(Txid::from_byte_array)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

impl IndexedBlock {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.hash.to_byte_array().to_vec();
        bytes.extend(self.transactions.to_be_bytes());
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(self.weight.to_be_bytes());
        bytes.extend(serialize(&self.header));
        bytes
    }

    pub(crate) fn decode(height: Height, bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let hash = BlockHash::from_byte_array(fields.bytes()?);
        let (transactions, size, weight) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let header = deserialize(fields.rest()).ok()?;
        Some(Self { height, hash, header, transactions, size, weight })
    }
}

impl IndexedTransaction {
    /// The output of that number.
    pub(crate) fn into_output(self, vout: u32) -> Option<TxOut> {
        self.tx.output.into_iter().nth(usize::try_from(vout).ok()?)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.height.to_u32().to_be_bytes().to_vec();
        bytes.extend(self.position.to_be_bytes());
        bytes.extend(serialize(&self.tx));
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let (height, position) = (Height::new(fields.u32()?), fields.u32()?);
        Some(Self { tx: deserialize(fields.rest()).ok()?, height, position })
    }
}

impl ScriptTotals {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [self.funded_count, self.funded_sum, self.spent_count, self.spent_sum, self.transactions]
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        Some(Self {
            funded_count: fields.u64()?,
            funded_sum: fields.u64()?,
            spent_count: fields.u64()?,
            spent_sum: fields.u64()?,
            transactions: fields.u64()?,
        })
    }

    /// Both together; `None` when a number would overflow.
    pub(crate) fn plus(&self, other: &Self) -> Option<Self> {
        self.combine(other, u64::checked_add)
    }

    /// The first without the second; `None` when the second is not part of the first.
    pub(crate) fn minus(&self, other: &Self) -> Option<Self> {
        self.combine(other, u64::checked_sub)
    }

    fn combine(&self, other: &Self, step: fn(u64, u64) -> Option<u64>) -> Option<Self> {
        Some(Self {
            funded_count: step(self.funded_count, other.funded_count)?,
            funded_sum: step(self.funded_sum, other.funded_sum)?,
            spent_count: step(self.spent_count, other.spent_count)?,
            spent_sum: step(self.spent_sum, other.spent_sum)?,
            transactions: step(self.transactions, other.transactions)?,
        })
    }
}

/// Flags of a history record.
const FUNDS: u8 = 1;
const SPENDS: u8 = 2;

impl HistoryEntry {
    pub(crate) fn key(&self, script: &crate::ScriptHash) -> Vec<u8> {
        history_key(script, self.height, self.position)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.txid.to_byte_array().to_vec();
        bytes.push(if self.funds { FUNDS } else { 0 } | if self.spends { SPENDS } else { 0 });
        bytes
    }

    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let mut key = Fields(key.get(32..)?);
        let (height, position) = (Height::new(key.u32()?), key.u32()?);
        let mut fields = Fields(value);
        let txid = fields.txid()?;
        let [flags] = fields.bytes()?;
        Some(Self { height, position, txid, funds: flags & FUNDS != 0, spends: flags & SPENDS != 0 })
    }
}

pub(crate) fn history_key(script: &crate::ScriptHash, height: Height, position: u32) -> Vec<u8> {
    let mut key = script.as_bytes().to_vec();
    key.extend(height.to_u32().to_be_bytes());
    key.extend(position.to_be_bytes());
    key
}

impl IndexedCoin {
    pub(crate) fn key(&self, script: &crate::ScriptHash) -> Vec<u8> {
        let mut key = script.as_bytes().to_vec();
        key.extend(outpoint_key(&self.outpoint));
        key
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.value.to_sat().to_be_bytes().to_vec();
        bytes.extend(self.height.to_u32().to_be_bytes());
        bytes
    }

    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Option<Self> {
        let mut key = Fields(key.get(32..)?);
        let outpoint = OutPoint { txid: key.txid()?, vout: key.u32()? };
        let mut fields = Fields(value);
        Some(Self { outpoint, value: Amount::from_sat(fields.u64()?), height: Height::new(fields.u32()?) })
    }
}

pub(crate) fn outpoint_key(outpoint: &OutPoint) -> Vec<u8> {
    let mut key = outpoint.txid.to_byte_array().to_vec();
    key.extend(outpoint.vout.to_be_bytes());
    key
}

impl Spend {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.txid.to_byte_array().to_vec();
        bytes.extend(self.input.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        Some(Self { txid: fields.txid()?, input: fields.u32()? })
    }
}
