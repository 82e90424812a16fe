//! The REST client of a proxy.

use std::collections::BTreeMap;

use mycoin_primitives::{BlockHash, FeeRate, Header, Height, Network, OutPoint, Script, Transaction, Txid};

use crate::answers::{FaucetGift, MerkleProof, MiningInfo, NodeStatus, SpentOutput, Tip, TxRecord, TxStatus};
use crate::error::LightError;
use crate::events::EventStream;
use crate::proof::HeaderChain;

/// One proxy, asked over HTTP. Cheap to clone.
///
/// The first request makes sure that the proxy serves the expected network, by its genesis block.
#[derive(Debug, Clone)]
pub struct ProxyClient {
    url: String,
    network: Network,
}

#[allow(unused_variables)]
impl ProxyClient {
    /// A client of the proxy at `url` (`http://host:port` or `https://…`). Sends nothing yet.
    ///
    /// # Errors
    ///
    /// [`LightError::BadUrl`].
    pub fn new(url: &str, network: &Network) -> Result<Self, LightError> {
        todo!()
    }

    /// The proxy's address, as it was given.
    pub fn url(&self) -> &str {
        &self.url
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
        todo!()
    }

    /// The proxy's tip.
    ///
    /// # Errors
    ///
    /// [`LightError`] says why asking failed, here and below.
    pub async fn tip(&self) -> Result<Tip, LightError> {
        todo!()
    }

    /// The hash of the best chain's block at that height.
    ///
    /// # Errors
    ///
    /// [`LightError::NotFound`] above the tip.
    pub async fn block_hash(&self, height: Height) -> Result<BlockHash, LightError> {
        todo!()
    }

    /// The header of a block; checked to hash to `hash` and to carry its proof of work.
    ///
    /// # Errors
    ///
    /// [`LightError::NotFound`], [`LightError::Proof`].
    pub async fn header(&self, hash: &BlockHash) -> Result<Header, LightError> {
        todo!()
    }

    /// Brings `chain` to the proxy's best chain, checking each header; `now` in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`LightError::Proof`] when the proxy's headers break a rule or have less work than those that `chain` holds.
    pub async fn sync_headers(&self, chain: &mut HeaderChain, now: u32) -> Result<(), LightError> {
        todo!()
    }

    /// Every transaction that pays to or spends from `script`: waiting ones first, then confirmed ones, newest first.
    ///
    /// # Errors
    ///
    /// [`LightError::BadAnswer`] when a transaction does not hash to its txid.
    pub async fn script_transactions(&self, script: &Script) -> Result<Vec<TxRecord>, LightError> {
        todo!()
    }

    /// A transaction with where it stands.
    ///
    /// # Errors
    ///
    /// [`LightError::NotFound`].
    pub async fn transaction(&self, txid: &Txid) -> Result<TxRecord, LightError> {
        todo!()
    }

    /// Where a transaction stands.
    ///
    /// # Errors
    ///
    /// [`LightError::NotFound`].
    pub async fn transaction_status(&self, txid: &Txid) -> Result<TxStatus, LightError> {
        todo!()
    }

    /// What spends `outpoint`, if anything does.
    ///
    /// # Errors
    ///
    /// [`LightError::NotFound`].
    pub async fn outspend(&self, outpoint: &OutPoint) -> Result<Option<SpentOutput>, LightError> {
        todo!()
    }

    /// The proof that a confirmed transaction stands in its block; for [`crate::verify_inclusion`].
    ///
    /// # Errors
    ///
    /// [`LightError::NotFound`] when it is unknown or waits.
    pub async fn merkle_proof(&self, txid: &Txid) -> Result<MerkleProof, LightError> {
        todo!()
    }

    /// Gives a transaction to the network; returns its txid.
    ///
    /// # Errors
    ///
    /// [`LightError::Refused`] with the reason of the server's mempool.
    pub async fn broadcast(&self, tx: &Transaction) -> Result<Txid, LightError> {
        todo!()
    }

    /// The fee rate that confirms within so many blocks.
    ///
    /// # Errors
    ///
    /// [`LightError`].
    pub async fn fee_estimates(&self) -> Result<BTreeMap<u16, FeeRate>, LightError> {
        todo!()
    }

    /// Asks the faucet to mine a block that pays `address`.
    ///
    /// # Errors
    ///
    /// [`LightError::Refused`] on networks without one; [`LightError::TooManyRequests`].
    pub async fn faucet(&self, address: &str) -> Result<FaucetGift, LightError> {
        todo!()
    }

    /// What the built-in miner does.
    ///
    /// # Errors
    ///
    /// [`LightError`].
    pub async fn mining(&self) -> Result<MiningInfo, LightError> {
        todo!()
    }

    /// The proxy's state. Answers also while the base server is away.
    ///
    /// # Errors
    ///
    /// [`LightError`].
    pub async fn status(&self) -> Result<NodeStatus, LightError> {
        todo!()
    }

    /// Listens to what happens.
    ///
    /// # Errors
    ///
    /// [`LightError`].
    pub async fn events(&self) -> Result<EventStream, LightError> {
        todo!()
    }
}
