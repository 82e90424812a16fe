//! Makes blocks on any parent, valid or broken, without asking whether they are: it knows no rule but how blocks look.

use std::collections::HashMap;
use std::sync::Arc;

use mycoin_consensus::{block_subsidy, coinbase_height_script};
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::bitcoin::transaction;
use mycoin_primitives::hashes::Hash;
use mycoin_primitives::{
    Amount, Block, BlockHash, Header, Height, Network, OutPoint, Sequence, Transaction, TxIn, TxMerkleNode, TxOut,
    Witness, genesis_block,
};

use super::lock::{Lock, Owned, Payment};
use crate::builders::{commit, recompute_merkle_root, solved};

/// What a payment leaves to the miner, in satoshis.
pub(super) const FEE: u64 = 1_000;

/// Every block and every output that it made, whether valid or not.
#[derive(Debug, Clone)]
pub struct Lab {
    network: Network,
    nodes: HashMap<BlockHash, Node>,
    values: HashMap<OutPoint, Amount>,
    made: u32,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    header: Header,
    height: Height,
}

/// A block before its commitment, its Merkle root and its proof of work.
pub type Draft = Block;

impl Lab {
    /// A lab that knows the genesis block.
    pub fn new(network: Network) -> Self {
        let genesis = genesis_block(&network);
        let node = Node { header: genesis.header, height: Height::GENESIS };
        Self { network, nodes: HashMap::from([(genesis.block_hash(), node)]), values: HashMap::new(), made: 0 }
    }

    /// The network.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The height of a block that was made here.
    pub fn height(&self, block: BlockHash) -> Height {
        self.node(block).height
    }

    /// The median time past of a block that was made here. Source: Bitcoin Core `GetMedianTimePast`, chain.h: of 11 blocks.
    pub fn median_time_past(&self, block: BlockHash) -> u32 {
        let mut times = Vec::new();
        let mut next = self.nodes.get(&block);
        while let Some(node) = next
            && times.len() < 11
        {
            times.push(node.header.time);
            next = self.nodes.get(&node.header.prev_blockhash);
        }
        times.sort_unstable();
        times[times.len() / 2]
    }

    /// The parent of a block that was made here.
    pub fn parent(&self, block: BlockHash) -> BlockHash {
        self.node(block).header.prev_blockhash
    }

    fn node(&self, block: BlockHash) -> Node {
        *self.nodes.get(&block).expect("the parent was made here")
    }

    /// What a block on `parent` needs: a coinbase that pays anyone the subsidy and the fees, and the transactions.
    pub fn draft(&mut self, parent: BlockHash, transactions: Vec<Transaction>) -> Draft {
        let node = self.node(parent);
        self.made += 1;
        let mut script_sig = coinbase_height_script(node.height.next());
        script_sig.push_slice(self.made.to_le_bytes());
        let value = self.allowed(parent, &transactions);
        let input =
            TxIn { previous_output: OutPoint::null(), script_sig, sequence: Sequence::MAX, witness: Witness::new() };
        let output = TxOut { value, script_pubkey: Lock::Bare(super::Condition::Anyone).script() };
        let coinbase = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![input],
            output: vec![output],
        };
        let header = Header {
            version: Version::from_consensus(4),
            prev_blockhash: parent,
            merkle_root: TxMerkleNode::all_zeros(),
            time: node.header.time + 1,
            bits: node.header.bits,
            nonce: 0,
        };
        Block { header, txdata: std::iter::once(coinbase).chain(transactions).collect() }
    }

    /// What the coinbase of a block on `parent` with these transactions may pay.
    fn allowed(&self, parent: BlockHash, transactions: &[Transaction]) -> Amount {
        let mut values: HashMap<OutPoint, Amount> = HashMap::new();
        let mut fees = Amount::ZERO;
        for tx in transactions {
            let txid = tx.compute_txid();
            let value = |outpoint| values.get(&outpoint).or_else(|| self.values.get(&outpoint)).copied();
            let held = sum(tx.input.iter().filter_map(|input| value(input.previous_output)));
            let fee = held.and_then(|held| held.checked_sub(sum(tx.output.iter().map(|output| output.value))?));
            fees += fee.unwrap_or_default();
            values.extend((0..).zip(&tx.output).map(|(vout, output)| (OutPoint { txid, vout }, output.value)));
        }
        block_subsidy(&self.network, self.node(parent).height.next()) + fees
    }

    /// Mines a block on `parent` with these transactions.
    pub fn mine(&mut self, parent: BlockHash, transactions: Vec<Transaction>) -> Arc<Block> {
        self.mine_changed(parent, transactions, |_| ())
    }

    /// Mines a block that was changed before its commitment and its Merkle root were made.
    pub fn mine_changed(
        &mut self,
        parent: BlockHash,
        transactions: Vec<Transaction>,
        change: impl FnOnce(&mut Draft),
    ) -> Arc<Block> {
        let mut block = self.draft(parent, transactions);
        change(&mut block);
        seal(&mut block);
        self.solve(block)
    }

    /// Gives the block its Merkle root, and before that a witness commitment if it has witnesses.
    pub fn seal(&self, block: &mut Block) {
        seal(block);
    }

    /// Gives the block its proof of work and remembers it, whatever it holds.
    pub fn solve(&mut self, block: Block) -> Arc<Block> {
        let block = solved(block);
        self.remember(&block);
        Arc::new(block)
    }

    /// Remembers a block and its outputs, so that others can build on them.
    pub fn remember(&mut self, block: &Block) {
        if let Some(parent) = self.nodes.get(&block.header.prev_blockhash) {
            let node = Node { header: block.header, height: parent.height.next() };
            self.nodes.insert(block.block_hash(), node);
        }
        for tx in &block.txdata {
            let txid = tx.compute_txid();
            self.values.extend((0..).zip(&tx.output).map(|(vout, output)| (OutPoint { txid, vout }, output.value)));
        }
    }

    /// A transaction that pays all of `out` to `lock`, but for a fee.
    pub fn pay(&self, out: &Owned, lock: Lock) -> Transaction {
        self.pay_script(out, lock.script())
    }

    /// A transaction that pays all of `out` to the script, but for a fee.
    pub fn pay_script(&self, out: &Owned, script: mycoin_primitives::ScriptBuf) -> Transaction {
        let value = out.output.value.checked_sub(Amount::from_sat(FEE)).unwrap_or_default();
        Payment::of(vec![out.clone()]).pay(script, value).sign()
    }
}

fn sum(mut amounts: impl Iterator<Item = Amount>) -> Option<Amount> {
    amounts.try_fold(Amount::ZERO, Amount::checked_add)
}

/// Gives the block its Merkle root, and before that a witness commitment if it has witnesses.
pub(super) fn seal(block: &mut Block) {
    let has_witness = |tx: &Transaction| tx.input.iter().any(|input| !input.witness.is_empty());
    if block.txdata.iter().any(has_witness) {
        commit(block);
    } else {
        recompute_merkle_root(block);
    }
}
