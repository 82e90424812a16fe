//! A small chain, one key that owns every coin, and transactions between its coins.

use std::collections::HashMap;

use mycoin_consensus::HeaderBranch;
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::secp256k1::{Message, PublicKey, Secp256k1, SecretKey};
use mycoin_primitives::bitcoin::sighash::{EcdsaSighashType, SighashCache};
use mycoin_primitives::bitcoin::{CompressedPublicKey, ecdsa, transaction};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{
    Amount, Block, Coin, Header, Height, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid,
    Witness, genesis_block,
};

use crate::{Accepted, CoinSource, Mempool, MempoolLimits, RejectReason, TemplateOptions};

/// What each coin of [`World::fund`] holds.
pub(crate) const COIN: u64 = 1_000_000;

fn secret() -> SecretKey {
    SecretKey::from_slice(&[7; 32]).expect("a number below the curve's order")
}

fn public() -> PublicKey {
    secret().public_key(&Secp256k1::new())
}

/// The script that the key owns.
pub(crate) fn own_script() -> ScriptBuf {
    ScriptBuf::new_p2wpkh(&CompressedPublicKey(public()).wpubkey_hash())
}

/// An output of `value` to the key.
pub(crate) fn pay(value: u64) -> TxOut {
    TxOut { value: Amount::from_sat(value), script_pubkey: own_script() }
}

/// A version 2 transaction without witnesses.
pub(crate) fn unsigned(inputs: &[OutPoint], outputs: Vec<TxOut>) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs
            .iter()
            .map(|outpoint| TxIn {
                previous_output: *outpoint,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
                witness: Witness::new(),
            })
            .collect(),
        output: outputs,
    }
}

/// The outpoint of a transaction's output.
pub(crate) fn output(tx: &Transaction, vout: u32) -> OutPoint {
    OutPoint { txid: tx.compute_txid(), vout }
}

/// Headers and coins, connected without any check.
#[derive(Debug, Clone)]
pub(crate) struct TestChain {
    headers: Vec<Header>,
    pub(crate) coins: HashMap<OutPoint, Coin>,
    blocks: Vec<(Block, Vec<(OutPoint, Coin)>)>,
}

impl CoinSource for TestChain {
    fn coin(&self, outpoint: &OutPoint) -> Option<Coin> {
        self.coins.get(outpoint).cloned()
    }
}

impl HeaderBranch for TestChain {
    fn tip_height(&self) -> Height {
        Height::new(u32::try_from(self.headers.len() - 1).expect("test chains are short"))
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        self.headers.get(usize::try_from(height.to_u32()).expect("usize has 32 bits")).copied()
    }
}

impl TestChain {
    fn new(network: &Network) -> Self {
        Self { headers: vec![genesis_block(network).header], coins: HashMap::new(), blocks: Vec::new() }
    }

    /// Connects a block. Panics when it spends what is not there: the tests' check of templates.
    pub(crate) fn connect(&mut self, block: &Block) {
        self.headers.push(block.header);
        let height = self.tip_height();
        let mut spent = Vec::new();
        for tx in &block.txdata {
            if !tx.is_coinbase() {
                for input in &tx.input {
                    let coin = self.coins.remove(&input.previous_output).expect("a block spends coins that are there");
                    spent.push((input.previous_output, coin));
                }
            }
            for (vout, created) in (0..).zip(&tx.output) {
                let coin = Coin { output: created.clone(), height, is_coinbase: tx.is_coinbase() };
                self.coins.insert(output(tx, vout), coin);
            }
        }
        self.blocks.push((block.clone(), spent));
    }

    /// Disconnects the tip.
    pub(crate) fn disconnect(&mut self) -> Block {
        let (block, spent) = self.blocks.pop().expect("a block above genesis");
        self.headers.pop();
        self.coins.extend(spent);
        for tx in &block.txdata {
            self.coins.retain(|outpoint, _| outpoint.txid != tx.compute_txid());
        }
        block
    }
}

/// A chain with a pool above it, and the time.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) chain: TestChain,
    pub(crate) pool: Mempool,
    pub(crate) now: u64,
    next_extra_nonce: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Network::demo(), MempoolLimits::default())
    }

    pub(crate) fn with(network: Network, limits: MempoolLimits) -> Self {
        let now = u64::from(network.genesis.time) + 1_000;
        let (chain, pool) = (TestChain::new(&network), Mempool::new(network.clone(), limits));
        Self { network, chain, pool, now, next_extra_nonce: 0 }
    }

    /// Makes `count` confirmed coins of [`COIN`] each.
    pub(crate) fn fund(&mut self, count: u8) -> Vec<OutPoint> {
        let coins = (0..count).map(|number| OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 9 });
        coins.inspect(|outpoint| self.add_coin(*outpoint, pay(COIN))).collect()
    }

    pub(crate) fn add_coin(&mut self, outpoint: OutPoint, output: TxOut) {
        self.chain.coins.insert(outpoint, Coin { output, height: Height::GENESIS, is_coinbase: false });
    }

    /// The output at `outpoint`, confirmed, waiting or of one of `others`.
    fn spent_output(&self, outpoint: &OutPoint, others: &[Transaction]) -> TxOut {
        if let Some(other) = others.iter().find(|other| other.compute_txid() == outpoint.txid) {
            return other.output[outpoint.vout as usize].clone();
        }
        let waiting = self.pool.unconfirmed_coin(outpoint, Height::new(1));
        waiting.or_else(|| self.chain.coin(outpoint)).map_or_else(|| pay(COIN), |coin| coin.output)
    }

    /// What the coin at `outpoint` holds, confirmed or waiting.
    pub(crate) fn value_of(&self, outpoint: &OutPoint) -> Option<u64> {
        let waiting = self.pool.unconfirmed_coin(outpoint, Height::new(1));
        waiting.or_else(|| self.chain.coin(outpoint)).map(|coin| coin.output.value.to_sat())
    }

    /// Signs every input with the key.
    pub(crate) fn sign(&self, tx: Transaction) -> Transaction {
        self.sign_with(tx, &[])
    }

    /// As [`World::sign`], where some inputs spend outputs of `others`, which nobody sent.
    pub(crate) fn sign_with(&self, mut tx: Transaction, others: &[Transaction]) -> Transaction {
        let secp = Secp256k1::new();
        for index in 0..tx.input.len() {
            let spent = self.spent_output(&tx.input[index].previous_output, others);
            let hash = SighashCache::new(&tx)
                .p2wpkh_signature_hash(index, &own_script(), spent.value, EcdsaSighashType::All)
                .expect("the key's script is P2WPKH");
            let signature =
                ecdsa::Signature::sighash_all(secp.sign_ecdsa(&Message::from_digest(hash.to_byte_array()), &secret()));
            tx.input[index].witness = Witness::p2wpkh(&signature, &public());
        }
        tx
    }

    /// A signed transaction that spends `inputs` and makes `outputs` equal outputs, paying `fee`.
    pub(crate) fn spend(&self, inputs: &[OutPoint], outputs: u64, fee: u64) -> Transaction {
        let held: u64 = inputs.iter().map(|outpoint| self.spent_output(outpoint, &[]).value.to_sat()).sum();
        let each = (held - fee) / outputs;
        let rest = held - fee - each * outputs;
        let values = (0..outputs).map(|index| pay(if index == 0 { each + rest } else { each }));
        self.sign(unsigned(inputs, values.collect()))
    }

    pub(crate) fn accept(&mut self, tx: &Transaction) -> Result<Accepted, RejectReason> {
        let tested = self.pool.test_accept(tx, &self.chain, &self.chain, self.now);
        let accepted = self.pool.accept(tx.clone(), &self.chain, &self.chain, self.now);
        if accepted != Err(RejectReason::PoolFull) {
            assert_eq!(tested, accepted);
        }
        self.pool.assert_consistent();
        accepted
    }

    /// Sends what [`World::spend`] makes, and gives it back.
    pub(crate) fn send(&mut self, inputs: &[OutPoint], outputs: u64, fee: u64) -> Transaction {
        let tx = self.spend(inputs, outputs, fee);
        self.accept(&tx).expect("the test sends a good transaction");
        tx
    }

    pub(crate) fn options(&mut self) -> TemplateOptions {
        self.next_extra_nonce += 1;
        TemplateOptions {
            coinbase_script: own_script(),
            max_transactions: None,
            now: u32::try_from(self.now).expect("a time of this century"),
            extra_nonce: self.next_extra_nonce,
        }
    }

    /// Mines the pool's template, at most `count` transactions.
    pub(crate) fn mine(&mut self, count: u32) -> Block {
        self.now += 60;
        let options = TemplateOptions { max_transactions: Some(count), ..self.options() };
        let block = self.pool.block_template(&self.chain, &options).block;
        self.connect(&block);
        block
    }

    /// Connects a block of exactly these transactions.
    pub(crate) fn mine_block(&mut self, transactions: Vec<Transaction>) -> Block {
        self.now += 60;
        let options = self.options();
        let block = crate::assemble_block(&self.network, &self.chain, &options, transactions, Amount::ZERO);
        self.connect(&block);
        block
    }

    fn connect(&mut self, block: &Block) {
        self.chain.connect(block);
        self.pool.block_connected(block, self.now);
        self.pool.assert_consistent();
    }

    /// Disconnects `depth` blocks and connects as many, each with the transactions given for it.
    pub(crate) fn reorganise(&mut self, depth: usize, mut replacements: Vec<Vec<Transaction>>) {
        for _ in 0..depth {
            let block = self.chain.disconnect();
            self.pool.block_disconnected(&block);
        }
        replacements.resize(depth, Vec::new());
        for transactions in replacements {
            self.now += 60;
            let options = self.options();
            let block = crate::assemble_block(&self.network, &self.chain, &options, transactions, Amount::ZERO);
            self.chain.connect(&block);
            self.pool.block_connected(&block, self.now);
        }
        self.pool.revalidate(&self.chain, &self.chain, self.now);
        self.pool.assert_consistent();
    }

    pub(crate) fn waits(&self, tx: &Transaction) -> bool {
        self.pool.get(&tx.compute_txid()).is_some()
    }
}
