//! Coins for payments: mined to one key, and spent by it.

use std::collections::VecDeque;

use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::{Amount, Network, OutPoint, Transaction, TxOut, Txid, address_of};
use mycoin_testkit::builders::TxBuilder;
use mycoin_testkit::keys::Key;
use serde_json::{Value, json};

use crate::node::Door;

/// What a payment leaves to the miner.
const FEE: Amount = Amount::from_sat(1_000);

/// A coin and where it is.
pub(crate) type Coin = (OutPoint, TxOut);

/// A key, and the coins that wait to be spent with it.
pub(crate) struct Purse {
    key: Key,
    coins: VecDeque<Coin>,
}

impl Purse {
    /// Mines so many blocks at `node`; their coins are in the purse.
    pub(crate) fn earned_at(node: &Door, blocks: u32) -> Self {
        let mut purse = Self { key: Key::witness_key_hash(7), coins: VecDeque::new() };
        let made = node.mine(blocks, &purse.address());
        purse.coins = made.iter().map(|hash| Self::reward(node, hash)).collect();
        purse
    }

    pub(crate) fn address(&self) -> String {
        address_of(&self.key.script(), &Network::demo()).expect("the key's script has an address")
    }

    /// The coin that a block's miner earned.
    pub(crate) fn reward(node: &Door, hash: &Value) -> Coin {
        first_output(&node.block(hash).txdata[0])
    }

    /// Takes the oldest coin out.
    pub(crate) fn take(&mut self) -> Coin {
        self.coins.pop_front().expect("the test earned enough")
    }

    /// A transaction that pays `coin` back to the key, all but the fee; another `extra` makes another transaction.
    pub(crate) fn payment(&self, (outpoint, output): &Coin, extra: u64) -> Transaction {
        let value = output.value - FEE - Amount::from_sat(extra);
        TxBuilder::new().spend(*outpoint, output).pay(self.key.script(), value).sign(&self.key)
    }

    /// Pays with the oldest coin at `node`.
    pub(crate) fn pay(&mut self, node: &Door) -> Txid {
        let coin = self.take();
        send(node, &self.payment(&coin, 0))
    }
}

/// The coin that a transaction's first output makes.
pub(crate) fn first_output(transaction: &Transaction) -> Coin {
    (OutPoint { txid: transaction.compute_txid(), vout: 0 }, transaction.output[0].clone())
}

/// Hands a transaction in at `node`.
pub(crate) fn send(node: &Door, transaction: &Transaction) -> Txid {
    let txid = transaction.compute_txid();
    assert_eq!(node.call("sendrawtransaction", json!([serialize_hex(transaction)])), json!(txid));
    txid
}
