//! A chain as Bitcoin Core's miner makes it on regtest.

use std::time::{SystemTime, UNIX_EPOCH};

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::bitcoin::p2p::message_blockdata::GetHeadersMessage;
use mycoin_primitives::bitcoin::script::Builder;
use mycoin_primitives::bitcoin::transaction;
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{
    Amount, Block, BlockHash, Header, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut,
    Witness, genesis_block,
};
use mycoin_testkit::builders::TxBuilder;
use mycoin_testkit::keys::Key;

/// Blocks after which the miner is paid half.
const HALVING: usize = 150;

/// The best chain of the stock node, genesis first.
#[derive(Debug, Clone)]
pub(crate) struct StockChain {
    pub(crate) blocks: Vec<Block>,
    /// Two chains that mine with another one differ.
    tag: i64,
    /// The time of the first block after genesis.
    begun: u32,
}

impl StockChain {
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        // An hour ago: near enough for nobody to think that the chain is old.
        let begun = u32::try_from(now).expect("before 2106") - 3_600;
        Self { blocks: vec![genesis_block(&Network::regtest())], tag: 0, begun }
    }

    /// With so many blocks.
    pub(crate) fn of(blocks: usize) -> Self {
        let mut chain = Self::new();
        (0..blocks).for_each(|_| chain.mine(Vec::new()));
        chain
    }

    /// Goes on elsewhere from that height.
    pub(crate) fn fork(&self, height: usize, tag: i64) -> Self {
        Self { blocks: self.blocks[..=height].to_vec(), tag, begun: self.begun }
    }

    pub(crate) fn height(&self) -> usize {
        self.blocks.len() - 1
    }

    pub(crate) fn tip(&self) -> BlockHash {
        self.blocks[self.height()].block_hash()
    }

    /// The key that is paid.
    pub(crate) fn key() -> Key {
        Key::witness_key_hash(1)
    }

    /// A block as Bitcoin Core 28 makes it: the coinbase's script holds the height and OP_0, its outputs the reward and the
    /// commitment.
    pub(crate) fn template(&self, transactions: Vec<Transaction>) -> Block {
        let height = self.blocks.len();
        let reward = Amount::from_sat(5_000_000_000 >> (height / HALVING));
        let mut script = Builder::new().push_int(height as i64).push_int(0);
        if self.tag != 0 {
            script = script.push_int(self.tag);
        }
        let coinbase = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: OutPoint::null(),
                script_sig: script.into_script(),
                sequence: Sequence::MAX,
                witness: Witness::from_slice(&[[0; 32]]),
            }],
            output: vec![TxOut { value: reward, script_pubkey: Self::key().script() }],
        };
        let header = Header {
            version: Version::from_consensus(0x2000_0000),
            prev_blockhash: self.tip(),
            merkle_root: TxMerkleNode::all_zeros(),
            time: self.begun + u32::try_from(height).expect("few"),
            bits: Network::regtest().pow_limit,
            nonce: 0,
        };
        let mut block = Block { header, txdata: [vec![coinbase], transactions].concat() };
        let root = block.witness_root().expect("it has a coinbase");
        let commitment = Block::compute_witness_commitment(&root, &[0; 32]);
        let script = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed], &commitment.as_byte_array()[..]].concat();
        block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(script) });
        block.header.merkle_root = block.compute_merkle_root().expect("it has a coinbase");
        while block.header.validate_pow(block.header.target()).is_err() {
            block.header.nonce += 1;
        }
        block
    }

    pub(crate) fn mine(&mut self, transactions: Vec<Transaction>) {
        let block = self.template(transactions);
        self.blocks.push(block);
    }

    /// Takes a block of somebody else.
    pub(crate) fn push(&mut self, block: Block) {
        assert_eq!(block.header.prev_blockhash, self.tip());
        self.blocks.push(block);
    }

    /// Spends the coinbase of that height, for a fee in satoshis, to the key again.
    pub(crate) fn payment(&self, height: usize, fee: u64) -> Transaction {
        let coinbase = &self.blocks[height].txdata[0];
        Self::spending(coinbase, fee)
    }

    /// Spends output 0 of a transaction.
    pub(crate) fn spending(parent: &Transaction, fee: u64) -> Transaction {
        let (outpoint, spent) = (OutPoint { txid: parent.compute_txid(), vout: 0 }, &parent.output[0]);
        let left = spent.value - Amount::from_sat(fee);
        TxBuilder::new().spend(outpoint, spent).pay(Self::key().script(), left).sign(&Self::key())
    }

    pub(crate) fn locator(&self) -> Vec<BlockHash> {
        let mut hashes = Vec::new();
        let (mut height, mut step) = (self.height(), 1);
        loop {
            hashes.push(self.blocks[height].block_hash());
            if height == 0 {
                return hashes;
            }
            if hashes.len() >= 10 {
                step *= 2;
            }
            height = height.saturating_sub(step);
        }
    }

    /// What it answers to `getheaders`.
    pub(crate) fn headers_after(&self, request: &GetHeadersMessage) -> Vec<Header> {
        let place = |hash: &BlockHash| self.blocks.iter().position(|block| block.block_hash() == *hash);
        let fork = request.locator_hashes.iter().find_map(place).unwrap_or(0);
        let mut headers = Vec::new();
        for block in self.blocks.iter().skip(fork + 1).take(2_000) {
            headers.push(block.header);
            if block.block_hash() == request.stop_hash {
                break;
            }
        }
        headers
    }
}
