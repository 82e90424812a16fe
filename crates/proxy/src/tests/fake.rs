//! A base server in memory: a chain that mines itself, a list of waiting transactions, and faults on demand.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use mycoin_primitives::bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use mycoin_primitives::{Amount, Height, Network, Script, Transaction};
use mycoin_rpc::{BlockEvent, Event, RpcError, TransactionAdded};
use mycoin_testkit::builders::{ChainBuilder, TxBuilder};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::upstream::{Answer, Upstream, UpstreamError};

/// How the base server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    Away,
    Hung,
}

pub(super) struct Fake {
    inner: Mutex<Inner>,
    events: broadcast::Sender<Event>,
}

pub(super) struct Inner {
    pub(super) chain: ChainBuilder,
    pub(super) waiting: Vec<Transaction>,
    pub(super) mood: Mood,
}

impl Fake {
    pub(super) fn new(network: &Network, blocks: usize) -> Arc<Self> {
        let mut chain = ChainBuilder::new(network.clone());
        chain.mine_empty(blocks);
        let inner = Mutex::new(Inner { chain, waiting: vec![], mood: Mood::Well });
        Arc::new(Self { inner, events: broadcast::Sender::new(1_000) })
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics while it holds the lock")
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        self.inner().mood = mood;
    }

    /// A payment of the oldest coin to `script`, with change back to it.
    pub(super) fn payment(&self, script: &Script, value: u64) -> Transaction {
        let inner = self.inner();
        let (outpoint, coin) = inner.chain.spendable().swap_remove(0);
        let key = inner.chain.key();
        let change = coin.output.value - Amount::from_sat(value) - Amount::from_sat(500);
        TxBuilder::new()
            .spend(outpoint, &coin.output)
            .pay(script.to_owned(), Amount::from_sat(value))
            .pay(key.script(), change)
            .sign(&key)
    }

    /// Mines all that waits.
    pub(super) fn mine(&self) {
        let mut inner = self.inner();
        let transactions = std::mem::take(&mut inner.waiting);
        inner.chain.mine(transactions);
        drop(inner);
        self.tell_block();
    }

    /// Replaces the blocks above `height` by `blocks` empty ones; what they held waits again.
    pub(super) fn reorganise(&self, height: u32, blocks: usize) {
        let mut inner = self.inner();
        let mut fork = inner.chain.fork(Height::new(height));
        fork.mine_empty(blocks);
        let undone = inner.chain.blocks().iter().skip(usize::try_from(height).unwrap_or(0) + 1);
        let again: Vec<_> = undone.flat_map(|block| block.txdata.iter().skip(1).cloned()).collect();
        inner.waiting.extend(again);
        inner.chain = fork;
        drop(inner);
        self.tell_block();
    }

    fn tell_block(&self) {
        let inner = self.inner();
        let tip = inner.chain.tip();
        let height = u32::try_from(inner.chain.blocks().len() - 1).unwrap_or(0);
        let event =
            BlockEvent { height, hash: tip.block_hash(), time: tip.header.time, transactions: tip.txdata.len() as u64 };
        let _ = self.events.send(Event::BlockConnected(event));
    }

    fn answer(&self, method: &str, params: &Value) -> Result<Value, RpcError> {
        let param = |number: usize| params.get(number).cloned().unwrap_or_default();
        let unknown = || RpcError::not_found("That is not known.");
        match method {
            "getblockhash" => {
                let height = usize::try_from(param(0).as_u64().unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
                let inner = self.inner();
                let block = inner.chain.blocks().get(height);
                block.map(|block| json!(block.block_hash())).ok_or_else(|| RpcError::invalid_parameter("Too high."))
            }
            "getbestblockhash" => Ok(json!(self.inner().chain.tip().block_hash())),
            "getblock" => {
                let inner = self.inner();
                let block = inner.chain.blocks().iter().find(|block| json!(block.block_hash()) == param(0));
                block.map(|block| json!(serialize_hex(&**block))).ok_or_else(unknown)
            }
            "getrawmempool" => {
                let inner = self.inner();
                Ok(inner.waiting.iter().map(|tx| json!(tx.compute_txid())).collect::<Vec<_>>().into())
            }
            "getrawtransaction" => {
                let inner = self.inner();
                let tx = inner.waiting.iter().find(|tx| json!(tx.compute_txid()) == param(0));
                tx.map(|tx| json!(serialize_hex(tx))).ok_or_else(unknown)
            }
            "sendrawtransaction" => self.send(param(0).as_str().unwrap_or_default()),
            "faucet" => {
                self.mine();
                let inner = self.inner();
                let height = inner.chain.blocks().len() - 1;
                Ok(json!({ "hash": inner.chain.tip().block_hash(), "height": height, "txid": "", "amount": 50 }))
            }
            "getconnectioncount" => Ok(json!(1)),
            "getnetworkinfo" => Ok(json!({ "listening": "0.0.0.0:7799", "localaddresses": [] })),
            "estimatesmartfee" => Ok(json!({ "feerate": 0.00002, "blocks": param(0) })),
            "getminerinfo" => Ok(json!({
                "state": "idle", "trigger": { "transactions": 2 }, "waiting": 1, "needed": 1,
                "hashes_per_second": 0, "hashes_tried": 0, "height": 7,
            })),
            "getpeerinfo" => Ok(json!([{
                "addr": "10.0.0.1:7602", "inbound": false, "version": 70016,
                "subver": "/<script>alert(1)</script>\u{1b}[31m/", "synced_blocks": 3,
            }])),
            "connectpeer" => Ok(Value::Null),
            _ => Err(RpcError::new(RpcError::METHOD_NOT_FOUND, format!("{method} at 10.1.2.3:7601 is not known"))),
        }
    }

    fn send(&self, hex: &str) -> Result<Value, RpcError> {
        let tx: Transaction = deserialize_hex(hex).map_err(|_| RpcError::deserialization("That is no transaction."))?;
        let txid = tx.compute_txid();
        let mut inner = self.inner();
        if inner.waiting.contains(&tx) {
            return Err(RpcError::new(RpcError::VERIFY_ALREADY, "The transaction waits already.")
                .with_data("tx/already-waiting", "")
                .with_reject_reason("txn-already-in-mempool"));
        }
        let wtxid = tx.compute_wtxid();
        inner.waiting.push(tx);
        drop(inner);
        let _ = self.events.send(Event::TransactionAdded(TransactionAdded { txid, wtxid, fee: 500, vsize: 150 }));
        Ok(json!(txid))
    }
}

impl Upstream for Fake {
    fn call(&self, method: &'static str, params: Value) -> BoxFuture<'_, Result<Value, UpstreamError>> {
        Box::pin(async move {
            let mood = self.inner().mood;
            match mood {
                Mood::Well => self.answer(method, &params).map_err(UpstreamError::Refused),
                Mood::Away => Err(UpstreamError::Away),
                Mood::Hung => {
                    tokio::time::sleep(Duration::from_secs(600)).await;
                    Err(UpstreamError::Away)
                }
            }
        })
    }

    fn batch(&self, method: &'static str, params: Vec<Value>) -> BoxFuture<'_, Result<Vec<Answer>, UpstreamError>> {
        Box::pin(async move {
            assert!(params.len() <= 100, "the base server takes 100 calls at once");
            self.call(method, params.first().cloned().unwrap_or_default()).await.map(drop).or_else(
                |error| match error {
                    UpstreamError::Refused(_) => Ok(()),
                    error => Err(error),
                },
            )?;
            Ok(params.iter().map(|params| self.answer(method, params)).collect())
        })
    }

    fn events(&self) -> BoxFuture<'_, Result<BoxStream<'static, Event>, UpstreamError>> {
        let events = self.events.subscribe();
        let next = |mut events: broadcast::Receiver<Event>| async move { Some((events.recv().await.ok()?, events)) };
        Box::pin(async move { Ok(unfold(events, next).boxed()) })
    }
}
