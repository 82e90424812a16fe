//! Asking about many scripts and transactions at once.
//!
//! In:    our scripts, txids.
//! Out:   how much a proxy claims there is, and transactions with what it offers as their proof.
//! Never: a transaction that does not hash to its txid, a waiting one that breaks a rule, more answers than questions, a list without end.

use mycoin_consensus::check_transaction;
use mycoin_primitives::bitcoin::consensus::encode::deserialize_hex;
use mycoin_primitives::hashes::{Hash as _, sha256};
use mycoin_primitives::{Height, Network, ScriptBuf, Transaction, TxMerkleNode, Txid};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::answers::{MerkleProof, ScriptCounts, ScriptLists, ShownTx, Tip, TxRecord};
use crate::client::ProxyClient;
use crate::error::LightError;
use crate::esplora::{OutputJson, StatusJson};
use crate::http::{ANSWER_LIMIT, PAGE_LIMIT};

/// How many scripts are counted by one request.
pub const SCRIPTS_AT_ONCE: usize = 1_000;
/// How many scripts are listed by one request.
pub const LISTS_AT_ONCE: usize = 100;
/// How many transactions are asked for by one request.
pub const TRANSACTIONS_AT_ONCE: usize = 100;

const BAD_TX: LightError = LightError::BadAnswer { what: "a transaction" };
const BAD_HISTORY: LightError = LightError::BadAnswer { what: "history" };

#[derive(Deserialize)]
struct Answer<T> {
    tip: TipJson,
    scripts: Vec<T>,
}

#[derive(Deserialize)]
struct TipJson {
    height: u32,
    hash: mycoin_primitives::BlockHash,
}

#[derive(Deserialize)]
struct CountJson {
    transactions: u64,
    waiting: Vec<Txid>,
}

#[derive(Deserialize)]
struct ShownJson {
    hex: String,
    spent: Vec<Option<OutputJson>>,
    status: StatusJson,
    merkle: Option<Vec<TxMerkleNode>>,
    pos: Option<u32>,
}

impl<T> Answer<T> {
    /// The answer, if it answers each of `count` questions.
    fn read(self, count: usize) -> Result<(Tip, Vec<T>), LightError> {
        let tip = Tip { height: Height::new(self.tip.height), hash: self.tip.hash };
        if self.scripts.len() == count { Ok((tip, self.scripts)) } else { Err(BAD_HISTORY) }
    }
}

impl ShownJson {
    fn read(self, txid: Txid, network: &Network) -> Result<ShownTx, LightError> {
        let tx: Transaction = deserialize_hex(&self.hex).map_err(|_| BAD_TX)?;
        if tx.compute_txid() != txid {
            return Err(BAD_TX);
        }
        let spent = self.spent.iter().map(|output| output.as_ref().map(OutputJson::read).transpose());
        let spent = spent.collect::<Result<Vec<_>, _>>()?;
        let status = self.status.read()?;
        // What a block holds was checked by whoever paid for the block; nobody vouches for what waits.
        if !status.is_confirmed() && check_transaction(&tx, network).is_err() {
            return Err(BAD_TX);
        }
        let proof = match (self.merkle, self.pos, status.height()) {
            (Some(branch), Some(position), Some(height)) => Some(MerkleProof { height, branch, position }),
            _ => None,
        };
        Ok(ShownTx { record: TxRecord { tx, txid, status, spent, fee: None }, proof })
    }
}

impl ProxyClient {
    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
        what: &'static str,
        limit: usize,
    ) -> Result<T, LightError> {
        let http = self.checked().await?;
        let answer = http.post_for(path, "application/json", body.to_string(), what, limit).await?;
        serde_json::from_slice(&answer).map_err(|_| LightError::BadAnswer { what })
    }

    /// How many confirmed transactions each script has, and which wait; at most [`SCRIPTS_AT_ONCE`] scripts.
    ///
    /// # Errors
    ///
    /// [`LightError`] says why asking failed, here and below.
    pub async fn count_scripts(&self, scripts: &[ScriptBuf]) -> Result<ScriptCounts, LightError> {
        let body = serde_json::json!({ "scripts": hashes(scripts) });
        let answer: Answer<CountJson> = self.ask("/api/scripts", &body, "history", ANSWER_LIMIT).await?;
        let (tip, counts) = answer.read(scripts.len())?;
        Ok(ScriptCounts { tip, scripts: counts.into_iter().map(|one| (one.transactions, one.waiting)).collect() })
    }

    /// The confirmed transactions of each script, newest first, as many as the proxy gives at once; only those older than
    /// `before`, if that is given. At most [`LISTS_AT_ONCE`] scripts.
    ///
    /// # Errors
    ///
    /// [`LightError::NotFound`] when `before` is in no block any more.
    pub async fn list_scripts(&self, scripts: &[ScriptBuf], before: Option<Txid>) -> Result<ScriptLists, LightError> {
        let body = serde_json::json!({ "scripts": hashes(scripts), "before": before });
        let answer: Answer<Vec<(u32, Txid)>> = self.ask("/api/history", &body, "history", ANSWER_LIMIT).await?;
        let (tip, lists) = answer.read(scripts.len())?;
        let read =
            |list: Vec<(u32, Txid)>| list.into_iter().map(|(height, txid)| (Height::new(height), txid)).collect();
        Ok(ScriptLists { tip, scripts: lists.into_iter().map(read).collect() })
    }

    /// Transactions with what the proxy offers as their proof; `None` for those that it does not know. As many answers as
    /// questions, in their order.
    ///
    /// # Errors
    ///
    /// [`LightError::BadAnswer`] when a transaction does not hash to its txid.
    pub async fn shown_transactions(&self, txids: &[Txid]) -> Result<Vec<Option<ShownTx>>, LightError> {
        let mut shown = Vec::with_capacity(txids.len());
        while let Some(rest) = txids.get(shown.len()..).filter(|rest| !rest.is_empty()) {
            let asked = rest.get(..TRANSACTIONS_AT_ONCE).unwrap_or(rest);
            let body = serde_json::json!(asked);
            let answer: Vec<Option<ShownJson>> =
                self.ask("/api/transactions", &body, "transactions", PAGE_LIMIT).await?;
            if answer.is_empty() || answer.len() > asked.len() {
                return Err(LightError::BadAnswer { what: "transactions" });
            }
            for (json, txid) in answer.into_iter().zip(asked) {
                shown.push(json.map(|json| json.read(*txid, self.network())).transpose()?);
            }
        }
        Ok(shown)
    }
}

fn hashes(scripts: &[ScriptBuf]) -> Vec<String> {
    scripts.iter().map(|script| format!("{:x}", sha256::Hash::hash(script.as_bytes()))).collect()
}
