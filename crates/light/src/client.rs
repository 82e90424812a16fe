//! The REST client of a proxy.

use std::collections::BTreeMap;
use std::sync::Arc;

use mycoin_primitives::bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use mycoin_primitives::hashes::{Hash as _, sha256};
use mycoin_primitives::{BlockHash, FeeRate, Header, Height, Network, OutPoint, Script, Transaction, Txid};
use tokio::sync::OnceCell;

use crate::answers::{FaucetGift, MerkleProof, MiningInfo, NodeStatus, SpentOutput, Tip, TxRecord, TxStatus};
use crate::error::LightError;
use crate::esplora::{
    FaucetJson, MempoolJson, MerkleProofJson, MiningJson, NodeJson, OutspendJson, StatusJson, TxJson,
};
use crate::events::EventStream;
use crate::http::{ANSWER_LIMIT, Http, PAGE_LIMIT};
use crate::proof::check_header_hash;

/// How many confirmed transactions a page holds; a shorter page is the last one. Source: Esplora's API.md.
const PAGE: usize = 25;
/// The most pages of one script's history that are read.
const PAGES_LIMIT: usize = 4_000;
/// The highest fee rate that is believed, in sat/vB.
const FEE_RATE_LIMIT: f64 = 10_000.0;

/// One proxy, asked over HTTP. Cheap to clone.
///
/// The first request makes sure that the proxy serves the expected network, by its genesis block.
#[derive(Debug, Clone)]
pub struct ProxyClient {
    http: Http,
    network: Arc<Network>,
    network_checked: Arc<OnceCell<()>>,
}

impl ProxyClient {
    /// A client of the proxy at `url` (`http://host:port` or `https://…`). Sends nothing yet.
    ///
    /// # Errors
    ///
    /// [`LightError::BadUrl`].
    pub fn new(url: &str, network: &Network) -> Result<Self, LightError> {
        Ok(Self {
            http: Http::new(url)?,
            network: Arc::new(network.clone()),
            network_checked: Arc::new(OnceCell::new()),
        })
    }

    /// The proxy's address.
    pub fn url(&self) -> &str {
        self.http.url()
    }

    /// The network that the proxy must serve.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Makes sure that the proxy serves the expected network. Every other call does this first, once.
    ///
    /// # Errors
    ///
    /// [`LightError::WrongNetwork`], or why asking failed.
    pub async fn check_network(&self) -> Result<(), LightError> {
        let check = async || {
            let found: BlockHash = parse(&self.http.get_text("/api/block-height/0", "its first block").await?)?;
            if found == self.network.genesis.hash {
                return Ok(());
            }
            Err(LightError::WrongNetwork { url: self.url().to_owned(), expected: self.network.coin.clone(), found })
        };
        self.network_checked.get_or_try_init(check).await.copied()
    }

    pub(crate) async fn checked(&self) -> Result<&Http, LightError> {
        self.check_network().await?;
        Ok(&self.http)
    }

    /// The proxy's tip.
    ///
    /// # Errors
    ///
    /// [`LightError`] says why asking failed, here and below.
    pub async fn tip(&self) -> Result<Tip, LightError> {
        // One answer holds both: two requests could fall on both sides of a new block.
        Ok(self.status().await?.tip)
    }

    /// The hash of the best chain's block at that height.
    ///
    /// # Errors
    ///
    /// [`LightError::NotFound`] above the tip.
    pub async fn block_hash(&self, height: Height) -> Result<BlockHash, LightError> {
        parse(&self.checked().await?.get_text(&format!("/api/block-height/{height}"), "block").await?)
    }

    /// The header of a block; checked to hash to `hash` and to carry its proof of work.
    ///
    /// # Errors
    ///
    /// [`LightError::NotFound`], [`LightError::Proof`].
    pub async fn header(&self, hash: &BlockHash) -> Result<Header, LightError> {
        let text = self.checked().await?.get_text(&format!("/api/block/{hash}/header"), "block").await?;
        let header: Header =
            deserialize_hex(text.trim()).map_err(|_| LightError::BadAnswer { what: "a block's header" })?;
        check_header_hash(&header, hash, &self.network)?;
        Ok(header)
    }

    /// Every transaction that pays to or spends from `script`: waiting ones first, then confirmed ones, newest first.
    ///
    /// # Errors
    ///
    /// [`LightError::BadAnswer`] when a transaction does not hash to its txid.
    pub async fn script_transactions(&self, script: &Script) -> Result<Vec<TxRecord>, LightError> {
        let http = self.checked().await?;
        let path = format!("/api/scripthash/{:x}/txs", sha256::Hash::hash(script.as_bytes()));
        let mut page: Vec<TxJson> = http.get_json(&path, "history", PAGE_LIMIT).await?;
        let mut records: Vec<TxRecord> = Vec::new();
        for _ in 0..PAGES_LIMIT {
            let last = page.last().map(TxJson::txid);
            let before = records.len();
            for tx in page {
                records.push(tx.record()?);
            }
            let confirmed = records.iter().skip(before).filter(|record| record.status.is_confirmed()).count();
            let Some(last) = last.filter(|_| confirmed >= PAGE) else { break };
            page = http.get_json(&format!("{path}/chain/{last}"), "history", PAGE_LIMIT).await?;
        }
        Ok(records)
    }

    /// A transaction with where it stands.
    ///
    /// # Errors
    ///
    /// [`LightError::NotFound`].
    pub async fn transaction(&self, txid: &Txid) -> Result<TxRecord, LightError> {
        let http = self.checked().await?;
        let record =
            http.get_json::<TxJson>(&format!("/api/tx/{txid}"), "transaction", ANSWER_LIMIT).await?.record()?;
        if record.txid == *txid { Ok(record) } else { Err(LightError::BadAnswer { what: "a transaction" }) }
    }

    /// Where a transaction stands.
    ///
    /// # Errors
    ///
    /// [`LightError::NotFound`].
    pub async fn transaction_status(&self, txid: &Txid) -> Result<TxStatus, LightError> {
        let http = self.checked().await?;
        http.get_json::<StatusJson>(&format!("/api/tx/{txid}/status"), "transaction", ANSWER_LIMIT).await?.read()
    }

    /// What spends `outpoint`, if anything does.
    ///
    /// # Errors
    ///
    /// [`LightError::NotFound`].
    pub async fn outspend(&self, outpoint: &OutPoint) -> Result<Option<SpentOutput>, LightError> {
        let path = format!("/api/tx/{}/outspend/{}", outpoint.txid, outpoint.vout);
        self.checked().await?.get_json::<OutspendJson>(&path, "output", ANSWER_LIMIT).await?.read()
    }

    /// The proof that a confirmed transaction stands in its block; for [`crate::verify_inclusion`].
    ///
    /// # Errors
    ///
    /// [`LightError::NotFound`] when it is unknown or waits.
    pub async fn merkle_proof(&self, txid: &Txid) -> Result<MerkleProof, LightError> {
        let path = format!("/api/tx/{txid}/merkle-proof");
        let proof: MerkleProofJson =
            self.checked().await?.get_json(&path, "confirmed transaction", ANSWER_LIMIT).await?;
        Ok(proof.read())
    }

    /// Gives a transaction to the network; returns its txid.
    ///
    /// # Errors
    ///
    /// [`LightError::Refused`] with the reason of the server's mempool.
    pub async fn broadcast(&self, tx: &Transaction) -> Result<Txid, LightError> {
        self.checked().await?.post("/api/tx", "text/plain", serialize_hex(tx), "transaction").await?;
        Ok(tx.compute_txid())
    }

    /// The fee rate that confirms within so many blocks.
    ///
    /// # Errors
    ///
    /// [`LightError`].
    pub async fn fee_estimates(&self) -> Result<BTreeMap<u16, FeeRate>, LightError> {
        let http = self.checked().await?;
        let rates: BTreeMap<u16, f64> = http.get_json("/api/fee-estimates", "fee rates", ANSWER_LIMIT).await?;
        rates.into_iter().map(|(blocks, rate)| Ok((blocks, fee_rate(rate)?))).collect()
    }

    /// The lowest fee rate that the base server's mempool takes now; `None` where the proxy does not say.
    ///
    /// # Errors
    ///
    /// [`LightError`].
    pub async fn mempool_minimum(&self) -> Result<Option<FeeRate>, LightError> {
        let http = self.checked().await?;
        let mempool: MempoolJson = http.get_json("/api/mempool", "mempool", ANSWER_LIMIT).await?;
        mempool.minimum_rate.map(fee_rate).transpose()
    }

    /// Asks the faucet to mine a block that pays `address`.
    ///
    /// # Errors
    ///
    /// [`LightError::Refused`] on networks without one; [`LightError::TooManyRequests`].
    pub async fn faucet(&self, address: &str) -> Result<FaucetGift, LightError> {
        let body = serde_json::json!({ "address": address }).to_string();
        let answer = self.checked().await?.post("/api/faucet", "application/json", body, "faucet").await?;
        let gift: FaucetJson =
            serde_json::from_slice(&answer).map_err(|_| LightError::BadAnswer { what: "the faucet" })?;
        Ok(FaucetGift { block_hash: gift.block_hash, height: Height::new(gift.height) })
    }

    /// What the built-in miner does.
    ///
    /// # Errors
    ///
    /// [`LightError`].
    pub async fn mining(&self) -> Result<MiningInfo, LightError> {
        let http = self.checked().await?;
        http.get_json::<MiningJson>("/api/mining", "miner", ANSWER_LIMIT).await?.read()
    }

    /// The proxy's state. Answers also while the base server is away.
    ///
    /// # Errors
    ///
    /// [`LightError`].
    pub async fn status(&self) -> Result<NodeStatus, LightError> {
        let http = self.checked().await?;
        Ok(http.get_json::<NodeJson>("/status", "its state", ANSWER_LIMIT).await?.read(&self.network.name))
    }

    /// Listens to what happens.
    ///
    /// # Errors
    ///
    /// [`LightError`].
    pub async fn events(&self) -> Result<EventStream, LightError> {
        let response = self.checked().await?.events("/api/events").await?;
        Ok(EventStream::new(self.http.clone(), response))
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, LightError> {
    text.trim().parse().map_err(|_| LightError::BadAnswer { what: "a block's hash" })
}

/// A rate in sat/vB, rounded up to sat/kvB: too low a rate never confirms.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 … 10,000,000 after the check
fn fee_rate(rate: f64) -> Result<FeeRate, LightError> {
    if (0.0..=FEE_RATE_LIMIT).contains(&rate) {
        Ok(FeeRate::from_sat_per_kvb((rate * 1_000.0).ceil() as u64))
    } else {
        Err(LightError::BadAnswer { what: "fee rates" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fee_rates_round_up_and_absurd_ones_are_refused() {
        assert_eq!(fee_rate(0.1), Ok(FeeRate::from_sat_per_kvb(100)));
        assert_eq!(fee_rate(2.0), Ok(FeeRate::from_sat_per_vb(2)));
        for bad in [-1.0, f64::NAN, f64::INFINITY, 10_001.0] {
            assert!(fee_rate(bad).is_err(), "{bad}");
        }
    }
}
