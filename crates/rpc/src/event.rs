//! What the event stream tells, and the miner's state.

use mycoin_primitives::{BlockHash, MiningTrigger, Txid, Wtxid};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Something that happened, as `{"event": "block_connected", …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A block became the tip.
    BlockConnected(BlockEvent),
    /// The tip was taken off; its parent is the tip again.
    BlockDisconnected(BlockEvent),
    /// A transaction waits.
    TransactionAdded(TransactionAdded),
    /// A transaction no longer waits.
    TransactionRemoved(TransactionRemoved),
    /// The built-in miner started, went on or stopped.
    Mining(MinerInfo),
}

/// A block of the best chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockEvent {
    /// Its height.
    pub height: u32,
    /// Its hash.
    pub hash: BlockHash,
    /// Its time, in seconds since 1970.
    pub time: u32,
    /// How many transactions it holds, with the coinbase.
    pub transactions: u64,
}

/// A transaction that the mempool took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionAdded {
    /// Its id.
    pub txid: Txid,
    /// Its id with witnesses.
    pub wtxid: Wtxid,
    /// Its fee, in the smallest unit.
    pub fee: u64,
    /// Its size in virtual bytes.
    pub vsize: u64,
}

/// A transaction that left the mempool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRemoved {
    /// Its id.
    pub txid: Txid,
    /// Why: `block`, `conflict`, `replaced`, `expired`, `size`, `reorg`.
    pub reason: String,
}

/// What the built-in miner does; the answer of `getminerinfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinerInfo {
    /// What it does now.
    pub state: MinerState,
    /// When it starts.
    pub trigger: Trigger,
    /// How many transactions wait.
    pub waiting: u64,
    /// How many more transactions must come before it starts; 0 when it does not wait for transactions.
    pub needed: u64,
    /// Its speed at the moment.
    pub hashes_per_second: u64,
    /// How many hashes it tried for the block it works on.
    pub hashes_tried: u64,
    /// The height of the block that it works on, or would.
    pub height: u32,
}

/// What the miner does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MinerState {
    /// It never mines.
    Off,
    /// It waits for its trigger.
    Idle,
    /// It searches.
    Mining,
}

/// When the miner starts, as `"off"`, `"always"`, `{"transactions": 2}` or `{"every": 60}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// Never.
    Off,
    /// Without a pause.
    Always,
    /// As soon as so many transactions wait.
    Transactions(u32),
    /// Every so many seconds.
    Every(u32),
}

impl From<MiningTrigger> for Trigger {
    fn from(trigger: MiningTrigger) -> Self {
        match trigger {
            MiningTrigger::Off => Self::Off,
            MiningTrigger::Always => Self::Always,
            MiningTrigger::Transactions(count) => Self::Transactions(count),
            MiningTrigger::Every(seconds) => Self::Every(seconds),
        }
    }
}

/// By hand: serde's tagged enums cannot read numbers when they are kept exact (`arbitrary_precision`).
impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let name = value.as_object_mut().and_then(|fields| fields.remove("event"));
        let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
        match name {
            "block_connected" => serde_json::from_value(value).map(Self::BlockConnected),
            "block_disconnected" => serde_json::from_value(value).map(Self::BlockDisconnected),
            "transaction_added" => serde_json::from_value(value).map(Self::TransactionAdded),
            "transaction_removed" => serde_json::from_value(value).map(Self::TransactionRemoved),
            "mining" => serde_json::from_value(value).map(Self::Mining),
            other => return Err(D::Error::custom(format!("the event {other:?} is not known"))),
        }
        .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycoin_primitives::bitcoin::hashes::Hash as _;
    use serde_json::json;

    #[test]
    fn events_read_as_they_were_written() -> Result<(), serde_json::Error> {
        let block = BlockEvent { height: 7, hash: BlockHash::all_zeros(), time: 1_700_000_000, transactions: 3 };
        let miner = MinerInfo {
            state: MinerState::Idle,
            trigger: Trigger::Transactions(2),
            waiting: 1,
            needed: 1,
            hashes_per_second: 0,
            hashes_tried: 0,
            height: 8,
        };
        let events = [
            Event::BlockConnected(block.clone()),
            Event::BlockDisconnected(block),
            Event::TransactionAdded(TransactionAdded {
                txid: Txid::all_zeros(),
                wtxid: Wtxid::all_zeros(),
                fee: 200,
                vsize: 111,
            }),
            Event::TransactionRemoved(TransactionRemoved { txid: Txid::all_zeros(), reason: "block".to_owned() }),
            Event::Mining(miner),
        ];
        for event in events {
            assert_eq!(serde_json::from_str::<Event>(&serde_json::to_string(&event)?)?, event);
        }
        assert_eq!(serde_json::to_value(Trigger::Transactions(2))?, json!({"transactions": 2}));
        assert!(serde_json::from_str::<Event>(r#"{"event":"later"}"#).is_err());
        Ok(())
    }
}
