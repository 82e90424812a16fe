//! The JSON of Esplora's REST, read into types. A transaction is believed only if it hashes to its txid.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::hex::FromHex as _;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::{
    Amount, BlockHash, Height, MAX_MONEY, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Txid,
    Witness,
};
use serde::Deserialize;

use crate::answers::{
    MerkleProof, MinerState, MiningInfo, NodeStatus, Readiness, SpentOutput, Tip, TxRecord, TxStatus,
};
use crate::error::LightError;

#[derive(Deserialize)]
pub(crate) struct TxJson {
    txid: Txid,
    version: i32,
    locktime: u32,
    vin: Vec<InputJson>,
    vout: Vec<OutputJson>,
    fee: Option<u64>,
    status: StatusJson,
}

#[derive(Deserialize)]
struct InputJson {
    txid: Txid,
    vout: u32,
    prevout: Option<OutputJson>,
    #[serde(default)]
    scriptsig: String,
    #[serde(default)]
    witness: Vec<String>,
    sequence: u32,
    #[serde(default)]
    is_coinbase: bool,
}

#[derive(Deserialize)]
pub(crate) struct OutputJson {
    scriptpubkey: String,
    value: u64,
}

#[derive(Deserialize)]
pub(crate) struct StatusJson {
    confirmed: bool,
    block_height: Option<u32>,
    block_hash: Option<BlockHash>,
    block_time: Option<u32>,
}

#[derive(Deserialize)]
pub(crate) struct MerkleProofJson {
    block_height: u32,
    merkle: Vec<TxMerkleNode>,
    pos: u32,
}

#[derive(Deserialize)]
pub(crate) struct OutspendJson {
    spent: bool,
    txid: Option<Txid>,
    vin: Option<u32>,
    status: Option<StatusJson>,
}

#[derive(Deserialize)]
pub(crate) struct MiningJson {
    state: String,
    #[serde(default)]
    waiting: u32,
    /// `"off"`, `"always"`, `{"transactions": 2}` or `{"every": 60}`.
    #[serde(default)]
    trigger: serde_json::Value,
    #[serde(default)]
    hashes_per_second: f64,
    #[serde(default)]
    hashes_tried: u64,
    #[serde(default)]
    height: u32,
}

#[derive(Deserialize)]
pub(crate) struct NodeJson {
    state: StateJson,
}

#[derive(Deserialize)]
struct StateJson {
    status: String,
    height: u32,
    hash: BlockHash,
    #[serde(default)]
    waiting: u32,
    peers: Option<u32>,
}

#[derive(Deserialize)]
pub(crate) struct FaucetJson {
    pub(crate) block_hash: BlockHash,
    pub(crate) height: u32,
}

#[derive(Deserialize)]
pub(crate) struct MempoolJson {
    /// In sat/vB; other Esplora servers do not say.
    #[serde(default)]
    pub(crate) minimum_rate: Option<f64>,
}

const BAD_TX: LightError = LightError::BadAnswer { what: "a transaction" };

impl TxJson {
    pub(crate) fn txid(&self) -> Txid {
        self.txid
    }

    pub(crate) fn record(self) -> Result<TxRecord, LightError> {
        let status = self.status.read()?;
        let spent = self.vin.iter().map(InputJson::spent).collect::<Result<_, _>>()?;
        let is_coinbase = self.vin.iter().any(|input| input.is_coinbase);
        let tx = Transaction {
            version: Version(self.version),
            lock_time: LockTime::from_consensus(self.locktime),
            input: self.vin.iter().map(InputJson::read).collect::<Result<_, _>>()?,
            output: self.vout.iter().map(OutputJson::read).collect::<Result<_, _>>()?,
        };
        // Esplora leaves the witness of a coinbase out at times; the txid does not cover it anyway.
        if tx.compute_txid() != self.txid {
            return Err(BAD_TX);
        }
        let fee = self.fee.filter(|_| !is_coinbase).map(amount).transpose()?;
        Ok(TxRecord { tx, txid: self.txid, status, spent, fee })
    }
}

impl InputJson {
    fn spent(&self) -> Result<Option<TxOut>, LightError> {
        self.prevout.as_ref().map(OutputJson::read).transpose()
    }

    fn read(&self) -> Result<TxIn, LightError> {
        let items = self.witness.iter().map(|item| Vec::<u8>::from_hex(item).map_err(|_| BAD_TX));
        Ok(TxIn {
            previous_output: OutPoint::new(self.txid, self.vout),
            script_sig: script(&self.scriptsig)?,
            sequence: Sequence(self.sequence),
            witness: Witness::from_slice(&items.collect::<Result<Vec<_>, _>>()?),
        })
    }
}

impl OutputJson {
    pub(crate) fn read(&self) -> Result<TxOut, LightError> {
        Ok(TxOut { value: amount(self.value)?, script_pubkey: script(&self.scriptpubkey)? })
    }
}

fn script(hex: &str) -> Result<ScriptBuf, LightError> {
    ScriptBuf::from_hex(hex).map_err(|_| BAD_TX)
}

/// No amount above the limit of all money, so that sums cannot overflow.
fn amount(value: u64) -> Result<Amount, LightError> {
    Some(Amount::from_sat(value)).filter(|amount| *amount <= MAX_MONEY).ok_or(BAD_TX)
}

impl StatusJson {
    pub(crate) fn read(&self) -> Result<TxStatus, LightError> {
        if !self.confirmed {
            return Ok(TxStatus::Waiting);
        }
        match (self.block_height, self.block_hash, self.block_time) {
            (Some(height), Some(block_hash), Some(block_time)) => {
                Ok(TxStatus::Confirmed { height: Height::new(height), block_hash, block_time })
            }
            _ => Err(BAD_TX),
        }
    }
}

impl MerkleProofJson {
    pub(crate) fn read(self) -> MerkleProof {
        MerkleProof { height: Height::new(self.block_height), branch: self.merkle, position: self.pos }
    }
}

impl OutspendJson {
    pub(crate) fn read(&self) -> Result<Option<SpentOutput>, LightError> {
        match (self.spent, self.txid, self.vin, &self.status) {
            (false, ..) => Ok(None),
            (true, Some(txid), Some(input), Some(status)) => {
                Ok(Some(SpentOutput { txid, input, status: status.read()? }))
            }
            (true, ..) => Err(BAD_TX),
        }
    }
}

impl MiningJson {
    pub(crate) fn read(&self) -> Result<MiningInfo, LightError> {
        let state = match self.state.as_str() {
            "off" => MinerState::Off,
            "idle" => MinerState::Idle,
            "mining" => MinerState::Mining,
            _ => return Err(LightError::BadAnswer { what: "the miner's state" }),
        };
        Ok(MiningInfo {
            state,
            waiting: self.waiting,
            needed: self.trigger.get("transactions").and_then(|n| u32::try_from(n.as_u64()?).ok()),
            hashes_per_second: self.hashes_per_second.max(0.0),
            hashes_tried: self.hashes_tried,
            height: Height::new(self.height),
        })
    }
}

impl NodeJson {
    pub(crate) fn read(&self, network: &str) -> NodeStatus {
        let readiness = match self.state.status.as_str() {
            "ok" => Readiness::Ready,
            "starting" | "catching-up" => Readiness::CatchingUp,
            "server-away" => Readiness::ServerAway,
            _ => Readiness::NotReady,
        };
        NodeStatus {
            readiness,
            network: network.to_owned(),
            tip: Tip { height: Height::new(self.state.height), hash: self.state.hash },
            waiting: self.state.waiting,
            peers: self.state.peers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Block 1 of Bitcoin's main chain: its coinbase, as Esplora shows it.
    const COINBASE: &str = r#"{"txid":"0e3e2357e806b6cdb1f70b54c3a3a17b6714ee1f0e68bebb44a74b1efd512098","version":1,"locktime":0,
      "vin":[{"txid":"0000000000000000000000000000000000000000000000000000000000000000","vout":4294967295,"prevout":null,
      "scriptsig":"04ffff001d0104","scriptsig_asm":"","is_coinbase":true,"sequence":4294967295}],
      "vout":[{"scriptpubkey":"410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be63c52da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac","value":5000000000}],
      "size":134,"weight":536,"fee":0,"status":{"confirmed":true,"block_height":1,
      "block_hash":"00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048","block_time":1231469665}}"#;

    fn read(json: &str) -> Result<TxRecord, LightError> {
        serde_json::from_str::<TxJson>(json).map_err(|_| BAD_TX)?.record()
    }

    #[test]
    fn a_transaction_is_rebuilt_from_its_json() {
        let record = read(COINBASE).expect("the coinbase of block 1");
        assert_eq!(record.tx.total_size(), 134);
        assert_eq!(record.status.height(), Some(Height::new(1)));
        assert_eq!((record.fee, record.spent), (None, vec![None]));
    }

    #[test]
    fn a_transaction_that_does_not_hash_to_its_txid_is_refused() {
        for (from, to) in
            [("5000000000", "5000000001"), ("\"locktime\":0", "\"locktime\":1"), ("5000000000", "2100000000000001")]
        {
            assert_eq!(read(&COINBASE.replacen(from, to, 1)), Err(BAD_TX), "{to}");
        }
    }

    #[test]
    fn a_confirmed_transaction_names_its_block() {
        assert_eq!(read(&COINBASE.replace("\"block_height\":1,", "")), Err(BAD_TX));
    }
}
