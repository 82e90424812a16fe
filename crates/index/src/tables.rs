//! The tables of the index and how they are read.

use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{BlockHash, Height, OutPoint, Txid};
use mycoin_storage::Table;

use crate::error::IndexError;
use crate::records::{Fields, IndexedBlock, IndexedTransaction, ScriptTotals, Spend, outpoint_key};
use crate::script_hash::ScriptHash;

/// The key of the [`Tip`] in every table. No other key of theirs has three bytes, nor begins with it where a prefix is read.
pub(crate) const TIP: &[u8] = b"tip";

pub(crate) const NAMES: [&str; 8] =
    ["meta", "blocks", "heights", "transactions", "history", "totals", "coins", "spends"];

/// One table for each question.
pub(crate) struct Tables {
    /// The format.
    pub(crate) meta: Table,
    /// Height → [`IndexedBlock`]; height and position → txid.
    pub(crate) blocks: Table,
    /// Block hash → height.
    pub(crate) heights: Table,
    /// Txid → [`IndexedTransaction`].
    pub(crate) transactions: Table,
    /// Script hash, height, position → [`crate::HistoryEntry`].
    pub(crate) history: Table,
    /// Script hash → [`ScriptTotals`].
    pub(crate) totals: Table,
    /// Script hash, outpoint → [`crate::IndexedCoin`].
    pub(crate) coins: Table,
    /// Outpoint → [`Spend`].
    pub(crate) spends: Table,
}

impl From<[Table; 8]> for Tables {
    fn from([meta, blocks, heights, transactions, history, totals, coins, spends]: [Table; 8]) -> Self {
        Self { meta, blocks, heights, transactions, history, totals, coins, spends }
    }
}

/// Which block a table is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) height: Height,
    pub(crate) hash: BlockHash,
}

impl Tip {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.height.to_u32().to_be_bytes().to_vec();
        bytes.extend(self.hash.as_byte_array());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        Some(Self { height: Height::new(fields.u32()?), hash: BlockHash::from_byte_array(fields.bytes()?) })
    }
}

pub(crate) const fn damaged(table: &'static str) -> IndexError {
    IndexError::Damaged { table }
}

impl Tables {
    pub(crate) fn all(&self) -> [&Table; 8] {
        let Self { meta, blocks, heights, transactions, history, totals, coins, spends } = self;
        [meta, blocks, heights, transactions, history, totals, coins, spends]
    }

    pub(crate) fn block(&self, height: Height) -> Result<Option<IndexedBlock>, IndexError> {
        let bytes = self.blocks.get(&height.to_u32().to_be_bytes())?;
        bytes.map(|bytes| IndexedBlock::decode(height, &bytes).ok_or(damaged("blocks"))).transpose()
    }

    pub(crate) fn height(&self, hash: &BlockHash) -> Result<Option<Height>, IndexError> {
        let bytes = self.heights.get(hash.as_byte_array())?;
        bytes.map(|bytes| read_height(&bytes).ok_or(damaged("heights"))).transpose()
    }

    pub(crate) fn tip(&self) -> Result<IndexedBlock, IndexError> {
        let bytes = self.meta.get(TIP)?.ok_or(damaged("meta"))?;
        let tip = Tip::decode(&bytes).ok_or(damaged("meta"))?;
        self.block(tip.height)?.filter(|block| block.hash == tip.hash).ok_or(damaged("blocks"))
    }

    pub(crate) fn txid_at(&self, height: Height, position: u32) -> Result<Option<Txid>, IndexError> {
        let bytes = self.blocks.get(&position_key(height, position))?;
        bytes.map(|bytes| bytes.try_into().map(Txid::from_byte_array).map_err(|_| damaged("blocks"))).transpose()
    }

    pub(crate) fn transaction(&self, txid: &Txid) -> Result<Option<IndexedTransaction>, IndexError> {
        let bytes = self.transactions.get(txid.as_byte_array())?;
        bytes.map(|bytes| IndexedTransaction::decode(&bytes).ok_or(damaged("transactions"))).transpose()
    }

    pub(crate) fn totals(&self, script: &ScriptHash) -> Result<ScriptTotals, IndexError> {
        match self.totals.get(script.as_bytes())? {
            Some(bytes) => ScriptTotals::decode(&bytes).ok_or(damaged("totals")),
            None => Ok(ScriptTotals::default()),
        }
    }

    pub(crate) fn spend(&self, outpoint: &OutPoint) -> Result<Option<Spend>, IndexError> {
        let bytes = self.spends.get(&outpoint_key(outpoint))?;
        bytes.map(|bytes| Spend::decode(&bytes).ok_or(damaged("spends"))).transpose()
    }
}

fn read_height(bytes: &[u8]) -> Option<Height> {
    bytes.try_into().ok().map(u32::from_be_bytes).map(Height::new)
}

/// Follows the block's own key, which is its first four bytes.
pub(crate) fn position_key(height: Height, position: u32) -> Vec<u8> {
    let mut key = height.to_u32().to_be_bytes().to_vec();
    key.extend(position.to_be_bytes());
    key
}
