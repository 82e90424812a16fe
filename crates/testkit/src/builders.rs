//! Blocks and transactions that hold to every rule, for tests to use as they are or to break in one way.
//!
//! ```
//! use mycoin_primitives::{Amount, Network};
//! use mycoin_testkit::builders::{ChainBuilder, TxBuilder};
//!
//! let mut chain = ChainBuilder::new(Network::demo());
//! chain.mine_empty(2);
//! let (outpoint, coin) = chain.spendable().remove(0);
//! let key = chain.key();
//! let payment = TxBuilder::new().spend(outpoint, &coin.output).pay(key.script(), coin.output.value - Amount::from_sat(500));
//! chain.mine(vec![payment.sign(&key)]);
//! ```
//!
//! Start at [`ChainBuilder`].

use std::collections::HashMap;
use std::sync::Arc;

use mycoin_consensus::{
    BlockEffects, BlockRuleError, HeaderBranch, HeaderRuleError, WITNESS_RESERVED_VALUE, block_subsidy, check_block,
    check_block_in_context, check_header, check_header_in_context, coinbase_height_script, coins_needed, connect_block,
    merkle_root, minimum_time, next_bits, witness_commitment_script,
};
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::bitcoin::transaction;
use mycoin_primitives::{
    Amount, Block, BlockUndo, Coin, Header, Height, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut,
    Txid, Witness, genesis_block,
};

use crate::keys::Key;

/// The rule that a block broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleBroken {
    /// One of its header's.
    Header(HeaderRuleError),
    /// One of its own.
    Block(BlockRuleError),
}

impl From<HeaderRuleError> for RuleBroken {
    fn from(error: HeaderRuleError) -> Self {
        Self::Header(error)
    }
}

impl From<BlockRuleError> for RuleBroken {
    fn from(error: BlockRuleError) -> Self {
        Self::Block(error)
    }
}

/// A best chain in memory that mines its own blocks, with the coins at its tip.
///
/// Use networks whose blocks are mined at once (`demo`, `regtest`). It is deterministic: the same calls make the same blocks.
#[derive(Debug, Clone)]
pub struct ChainBuilder {
    network: Network,
    blocks: Vec<Arc<Block>>,
    undo: Vec<BlockUndo>,
    coins: HashMap<OutPoint, Coin>,
    salt: u32,
}

impl HeaderBranch for ChainBuilder {
    fn tip_height(&self) -> Height {
        Height::new(u32::try_from(self.blocks.len() - 1).expect("tests make few blocks"))
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        self.blocks.get(usize::try_from(height.to_u32()).ok()?).map(|block| block.header)
    }
}

impl ChainBuilder {
    /// The chain of `network`, with its genesis block only.
    pub fn new(network: Network) -> Self {
        let genesis = Arc::new(genesis_block(&network));
        Self { network, blocks: vec![genesis], undo: vec![BlockUndo::default()], coins: HashMap::new(), salt: 0 }
    }

    /// The chain as it was at `height`. Blocks mined on it differ from the ones mined here.
    pub fn fork(&self, height: Height) -> Self {
        let mut fork = Self::new(self.network.clone());
        for block in self.blocks.iter().skip(1).take(usize::try_from(height.to_u32()).expect("tests make few blocks")) {
            fork.push(Arc::clone(block)).expect("the block stands in this chain");
        }
        fork.salt = self.salt + 1;
        fork
    }

    /// The network.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// All blocks, genesis first.
    pub fn blocks(&self) -> &[Arc<Block>] {
        &self.blocks
    }

    /// The undo data of all blocks, genesis' empty.
    pub fn undo(&self) -> &[BlockUndo] {
        &self.undo
    }

    /// The last block.
    pub fn tip(&self) -> &Arc<Block> {
        self.blocks.last().expect("a chain has its genesis block")
    }

    /// The coins at the tip.
    pub const fn coins(&self) -> &HashMap<OutPoint, Coin> {
        &self.coins
    }

    /// The key that coinbases pay.
    pub fn key(&self) -> Key {
        Key::taproot(1)
    }

    /// The coins of [`Self::key`] that the next block may spend, oldest first.
    pub fn spendable(&self) -> Vec<(OutPoint, Coin)> {
        let (script, height) = (self.key().script(), self.tip_height().next());
        let is_ours = |coin: &Coin| coin.output.script_pubkey == script;
        let is_mature = |coin: &Coin| !coin.is_coinbase || height.above(coin.height) >= self.network.maturity;
        let mut coins: Vec<_> = self.coins.iter().map(|(outpoint, coin)| (*outpoint, coin.clone())).collect();
        coins.retain(|(_, coin)| is_ours(coin) && is_mature(coin));
        coins.sort_by_key(|(outpoint, coin)| (coin.height, *outpoint));
        coins
    }

    /// A clock by which the next block is in time.
    pub fn now(&self) -> u32 {
        self.next_time()
    }

    /// Mines a block with these transactions after its coinbase, and puts it on top.
    ///
    /// # Panics
    ///
    /// If the transactions make it invalid.
    pub fn mine(&mut self, transactions: Vec<Transaction>) -> Arc<Block> {
        let block = Arc::new(solved(self.template(transactions)));
        self.push(Arc::clone(&block)).expect("the template is valid and so should its transactions be");
        block
    }

    /// Mines so many blocks that hold a coinbase only.
    pub fn mine_empty(&mut self, blocks: usize) {
        for _ in 0..blocks {
            self.mine(Vec::new());
        }
    }

    /// The block that [`Self::mine`] would mine, without its proof of work. Its fees count what this chain's coins tell.
    pub fn template(&self, transactions: Vec<Transaction>) -> Block {
        let height = self.tip_height().next();
        let paid = block_subsidy(&self.network, height) + self.fees(&transactions);
        let coinbase = coinbase(height, self.salt, TxOut { value: paid, script_pubkey: self.key().script() });
        let mut block = Block {
            header: Header {
                version: Version::from_consensus(0x2000_0000),
                prev_blockhash: self.tip().block_hash(),
                merkle_root: mycoin_primitives::hashes::Hash::all_zeros(),
                time: self.next_time(),
                bits: next_bits(&self.network, self),
                nonce: 0,
            },
            txdata: std::iter::once(coinbase).chain(transactions).collect(),
        };
        commit(&mut block);
        block
    }

    /// Checks the block by every rule on top of this chain, as a node would, and says what it changes.
    ///
    /// # Errors
    ///
    /// [`RuleBroken`] names the first rule that it breaks.
    pub fn check(&self, block: &Arc<Block>) -> Result<BlockEffects, RuleBroken> {
        check_header(&block.header, &self.network)?;
        check_header_in_context(&block.header, &self.network, self, self.now())?;
        let checked = check_block(Arc::clone(block), &self.network)?;
        check_block_in_context(&checked, &self.network, self)?;
        let needed = coins_needed(block).into_iter();
        let coins = needed.filter_map(|outpoint| Some((outpoint, self.coins.get(&outpoint)?.clone()))).collect();
        let effects = connect_block(&checked, &self.network, self, coins)?;
        effects.script_checks(&checked).iter().try_for_each(|check| check.run(None))?;
        Ok(effects)
    }

    /// Checks the block and puts it on top.
    ///
    /// # Errors
    ///
    /// [`RuleBroken`] names the first rule that it breaks.
    pub fn push(&mut self, block: Arc<Block>) -> Result<(), RuleBroken> {
        let effects = self.check(&block)?;
        for outpoint in &effects.spent {
            self.coins.remove(outpoint);
        }
        self.coins.extend(effects.created);
        self.undo.push(effects.undo);
        self.blocks.push(block);
        Ok(())
    }

    fn next_time(&self) -> u32 {
        minimum_time(&self.network, self).max(self.tip().header.time + self.network.spacing)
    }

    fn fees(&self, transactions: &[Transaction]) -> Amount {
        let mut values: HashMap<OutPoint, Amount> =
            self.coins.iter().map(|(outpoint, coin)| (*outpoint, coin.output.value)).collect();
        let mut fees = Amount::ZERO;
        for tx in transactions {
            let txid = tx.compute_txid();
            let held: Amount = tx.input.iter().filter_map(|input| values.get(&input.previous_output)).copied().sum();
            let paid: Amount = tx.output.iter().map(|output| output.value).sum();
            fees += held.checked_sub(paid).unwrap_or(Amount::ZERO);
            values.extend((0..).zip(&tx.output).map(|(vout, output)| (OutPoint { txid, vout }, output.value)));
        }
        fees
    }
}

/// A coinbase for the block at `height` as BIP34 and BIP54 want it; another `salt` gives another id.
pub fn coinbase(height: Height, salt: u32, output: TxOut) -> Transaction {
    let mut script_sig = coinbase_height_script(height);
    script_sig.push_slice(salt.to_le_bytes());
    let parent = height.previous().unwrap_or_default();
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::from_consensus(parent.to_u32()),
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig,
            sequence: Sequence::ENABLE_LOCKTIME_NO_RBF,
            witness: Witness::new(),
        }],
        output: vec![output],
    }
}

/// Gives a changed block its witness commitment and its Merkle root again.
pub fn commit(block: &mut Block) {
    let wtxids: Vec<_> = block.txdata.iter().skip(1).map(Transaction::compute_wtxid).collect();
    if let Some(coinbase) = block.txdata.first_mut() {
        let is_commitment =
            |output: &TxOut| output.script_pubkey.as_bytes().starts_with(&mycoin_consensus::WITNESS_COMMITMENT_HEADER);
        coinbase.output.retain(|output| !is_commitment(output));
        coinbase.output.push(TxOut { value: Amount::ZERO, script_pubkey: witness_commitment_script(&wtxids) });
        if let Some(input) = coinbase.input.first_mut() {
            input.witness = Witness::from_slice(&[WITNESS_RESERVED_VALUE]);
        }
    }
    recompute_merkle_root(block);
}

/// Gives a changed block its Merkle root again, and leaves the rest as it is.
pub fn recompute_merkle_root(block: &mut Block) {
    let txids: Vec<Txid> = block.txdata.iter().map(Transaction::compute_txid).collect();
    block.header.merkle_root = merkle_root(&txids);
}

/// The block with a nonce that meets its target.
///
/// # Panics
///
/// If no nonce does, which the easy targets of tests exclude.
pub fn solved(mut block: Block) -> Block {
    let target = block.header.target();
    while !target.is_met_by(block.header.block_hash()) {
        block.header.nonce = block.header.nonce.checked_add(1).expect("an easy target has a nonce");
    }
    block
}

/// A transaction in the making.
#[derive(Debug, Clone)]
pub struct TxBuilder {
    tx: Transaction,
    spent: Vec<TxOut>,
}

impl Default for TxBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl TxBuilder {
    /// A transaction of version 2 without inputs and outputs.
    pub const fn new() -> Self {
        let tx = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: Vec::new(),
            output: Vec::new(),
        };
        Self { tx, spent: Vec::new() }
    }

    /// Adds an input that spends `outpoint`, which holds `output`, and allows replacement (BIP125).
    #[must_use]
    pub fn spend(self, outpoint: OutPoint, output: &TxOut) -> Self {
        self.spend_with_sequence(outpoint, output, Sequence::ENABLE_RBF_NO_LOCKTIME)
    }

    /// Adds an input with this sequence number.
    #[must_use]
    pub fn spend_with_sequence(mut self, outpoint: OutPoint, output: &TxOut, sequence: Sequence) -> Self {
        let witness = Witness::new();
        self.tx.input.push(TxIn { previous_output: outpoint, script_sig: ScriptBuf::new(), sequence, witness });
        self.spent.push(output.clone());
        self
    }

    /// Adds an output.
    #[must_use]
    pub fn pay(mut self, script_pubkey: ScriptBuf, value: Amount) -> Self {
        self.tx.output.push(TxOut { value, script_pubkey });
        self
    }

    /// Sets the lock time.
    #[must_use]
    pub const fn lock_time(mut self, lock_time: LockTime) -> Self {
        self.tx.lock_time = lock_time;
        self
    }

    /// Sets the version.
    #[must_use]
    pub const fn version(mut self, version: i32) -> Self {
        self.tx.version = transaction::Version(version);
        self
    }

    /// The transaction, unsigned.
    pub fn unsigned(self) -> Transaction {
        self.tx
    }

    /// The transaction with every input signed by `key`.
    pub fn sign(self, key: &Key) -> Transaction {
        let keys: Vec<&Key> = self.spent.iter().map(|_| key).collect();
        self.sign_each(&keys)
    }

    /// The transaction with each input signed by the key of its place.
    ///
    /// # Panics
    ///
    /// If there are fewer keys than inputs.
    pub fn sign_each(mut self, keys: &[&Key]) -> Transaction {
        assert!(keys.len() >= self.spent.len(), "each input needs a key");
        for (input, key) in keys.iter().enumerate().take(self.spent.len()) {
            self.tx.input[input].witness = key.sign(&self.tx, input, &self.spent);
        }
        self.tx
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mines_and_spends_each_kind_of_key() {
        for network in [Network::demo(), Network::regtest()] {
            let mut chain = ChainBuilder::new(network);
            let maturity = usize::try_from(chain.network().maturity).expect("small");
            chain.mine_empty(maturity);
            let mut keys = vec![Key::taproot(2), Key::witness_key_hash(3)];
            if chain.network().rsa {
                keys.push(Key::rsa());
            }
            for key in keys {
                let (outpoint, coin) = chain.spendable().remove(0);
                let value = coin.output.value - Amount::from_sat(1_000);
                let payment =
                    TxBuilder::new().spend(outpoint, &coin.output).pay(key.script(), value).sign(&chain.key());
                let onward = TxBuilder::new()
                    .spend(OutPoint { txid: payment.compute_txid(), vout: 0 }, &payment.output[0])
                    .pay(chain.key().script(), value - Amount::from_sat(1_000))
                    .sign(&key);
                // Both in one block: the second spends what the first creates.
                chain.mine(vec![payment, onward]);
            }
        }
    }

    #[test]
    fn forks_share_their_past_and_differ_after_it() {
        let mut chain = ChainBuilder::new(Network::demo());
        chain.mine_empty(3);
        let mut fork = chain.fork(Height::new(1));
        fork.mine_empty(1);
        assert_eq!(fork.blocks()[1].block_hash(), chain.blocks()[1].block_hash());
        assert_ne!(fork.blocks()[2].block_hash(), chain.blocks()[2].block_hash());
    }
}
