//! A peer's side out of memory: a chain that was mined for it, and transactions that spend what nobody knows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mycoin_consensus::{HeaderBranch, block_subsidy, next_bits};
use mycoin_p2p::{
    BlockVerdict, Foothold, HeaderRun, HeadersVerdict, Host, Time, TransactionVerdict, TransactionVisitor,
    WaitingTransaction, World,
};
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{
    Amount, Block, BlockHash, FeeRate, Header, Height, Network, OutPoint, Retarget, ScriptBuf, Transaction, TxOut,
    Txid, Work, Wtxid, genesis_block,
};
use mycoin_testkit::builders::{TxBuilder, coinbase, recompute_merkle_root, solved};
use mycoin_testkit::keys::Key;

/// After how many seconds of lead the difficulty is twice as high.
const HALF_LIFE: u32 = 172_800;

/// Bitcoin's regtest, but each block has another target, as on a coin with miners.
pub(crate) fn network() -> Network {
    Network { retarget: Retarget::Asert { half_life: HALF_LIFE }, ..Network::regtest() }
}

/// What the peer has.
pub(crate) struct Source {
    /// Genesis first.
    blocks: Vec<Arc<Block>>,
    heights: HashMap<BlockHash, u32>,
    transactions: BTreeMap<Wtxid, Arc<Transaction>>,
}

/// The blocks that were mined so far.
struct Mined(Vec<Arc<Block>>);

impl HeaderBranch for Mined {
    fn tip_height(&self) -> Height {
        Height::new(u32::try_from(self.0.len().saturating_sub(1)).unwrap_or(u32::MAX))
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        self.0.get(height.to_u32() as usize).map(|block| block.header)
    }
}

impl Source {
    /// Mines so many blocks, each a little sooner than the schedule has it, so that all targets differ.
    pub(crate) fn mined(count: u32) -> Arc<Self> {
        let network = network();
        let genesis = genesis_block(&network);
        let (mut last, mut time) = (genesis.block_hash(), genesis.header.time);
        let mut mined = Mined(vec![Arc::new(genesis)]);
        for height in (1..=count).map(Height::new) {
            time += network.spacing - network.spacing / 100;
            let paid = TxOut { value: block_subsidy(&network, height), script_pubkey: ScriptBuf::new_op_return([]) };
            let header = Header {
                version: Version::from_consensus(0x2000_0000),
                prev_blockhash: last,
                merkle_root: mycoin_primitives::TxMerkleNode::all_zeros(),
                time,
                bits: next_bits(&network, &mined),
                nonce: 0,
            };
            let mut block = Block { header, txdata: vec![coinbase(height, 0, paid)] };
            recompute_merkle_root(&mut block);
            let block = solved(block);
            last = block.block_hash();
            mined.0.push(Arc::new(block));
        }
        let heights = (0..).zip(&mined.0).map(|(height, block)| (block.block_hash(), height)).collect();
        Arc::new(Self { blocks: mined.0, heights, transactions: BTreeMap::new() })
    }

    /// The same chain, and so many transactions, which nobody else has.
    pub(crate) fn with_transactions(&self, count: u32, owner: u32) -> Arc<Self> {
        let transactions = (0..count).map(|vout| {
            let outpoint = OutPoint { txid: Txid::hash(&owner.to_le_bytes()), vout };
            let coin = TxOut { value: Amount::from_sat(10_000), script_pubkey: ScriptBuf::new() };
            let payment = TxBuilder::new().spend(outpoint, &coin).pay(Key::taproot(1).script(), coin.value / 2);
            let transaction = payment.unsigned();
            (transaction.compute_wtxid(), Arc::new(transaction))
        });
        let transactions = transactions.collect();
        Arc::new(Self { blocks: self.blocks.clone(), heights: self.heights.clone(), transactions })
    }

    /// Its transactions, as they are announced.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = WaitingTransaction> {
        self.transactions.values().map(|transaction| WaitingTransaction {
            txid: transaction.compute_txid(),
            wtxid: transaction.compute_wtxid(),
            fee_rate: FeeRate::from_sat_per_vb(10),
        })
    }

    /// The number of its last block.
    pub(crate) fn height(&self) -> Height {
        Height::new(u32::try_from(self.blocks.len().saturating_sub(1)).unwrap_or(u32::MAX))
    }

    fn find(&self, hash: &BlockHash) -> Option<&Arc<Block>> {
        self.blocks.get(*self.heights.get(hash)? as usize)
    }
}

impl World for Source {
    fn tip(&self) -> (Height, BlockHash) {
        (self.height(), self.blocks.last().map_or(BlockHash::all_zeros(), |block| block.block_hash()))
    }

    fn locator(&self) -> Vec<BlockHash> {
        vec![self.tip().1]
    }

    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash, max: usize) -> Vec<Header> {
        if locator.is_empty() {
            return self.find(&stop).map(|block| block.header).into_iter().collect();
        }
        let known = locator.iter().find_map(|hash| self.heights.get(hash)).copied().unwrap_or(0);
        self.blocks.iter().skip(known as usize + 1).take(max).map(|block| block.header).collect()
    }

    fn header_height(&self, hash: &BlockHash) -> Option<Height> {
        self.heights.get(hash).copied().map(Height::new)
    }

    fn foothold(&self, _: &BlockHash) -> Option<Foothold> {
        None
    }

    fn least_work(&self) -> Work {
        Work::from_be_bytes([0; 32])
    }

    fn check_work(&self, _: &HeaderRun, _: &[Header]) -> Result<(), String> {
        Ok(())
    }

    fn headers_expected(&self, _: Time) -> u64 {
        0
    }

    fn has_block(&self, hash: &BlockHash) -> bool {
        self.heights.contains_key(hash)
    }

    fn block(&self, hash: &BlockHash) -> Option<Arc<Block>> {
        self.find(hash).cloned()
    }

    fn blocks_wanted(&self, _: usize) -> Vec<BlockHash> {
        Vec::new()
    }

    fn has_transaction(&self, _: &Wtxid) -> bool {
        false
    }

    fn has_txid(&self, _: &Txid) -> bool {
        false
    }

    fn transaction(&self, wtxid: &Wtxid) -> Option<Arc<Transaction>> {
        self.transactions.get(wtxid).cloned()
    }

    fn transaction_by_txid(&self, _: &Txid) -> Option<Arc<Transaction>> {
        None
    }

    fn waiting_transactions(&self, max: usize) -> Vec<WaitingTransaction> {
        self.waiting().take(max).collect()
    }

    fn mempool_transactions(&self, _: &mut TransactionVisitor<'_>) {}

    fn min_fee(&self) -> FeeRate {
        FeeRate::ZERO
    }

    fn is_syncing(&self) -> bool {
        false
    }
}

impl Host for Source {
    fn submit_headers(&self, _: &[Header]) -> HeadersVerdict {
        HeadersVerdict::Accepted
    }

    fn submit_block(&self, _: Arc<Block>) -> BlockVerdict {
        BlockVerdict::AlreadyKnown
    }

    fn submit_transaction(&self, transaction: Arc<Transaction>) -> TransactionVerdict {
        let parents = transaction.input.iter().map(|input| input.previous_output);
        TransactionVerdict::MissingInputs { parents: parents.map(|OutPoint { txid, .. }| txid).collect() }
    }
}
