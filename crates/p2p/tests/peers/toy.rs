//! A chain and mempool just good enough to be told about: lowest difficulty, the highest complete branch wins.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use mycoin_p2p::{
    BlockVerdict, FilterRow, Foothold, HeaderRun, HeadersVerdict, Host, P2pHandle, Time, TransactionVerdict,
    TransactionVisitor, WaitingTransaction, World,
};
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::bip158::{FilterHash, FilterHeader};
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::bitcoin::transaction;
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{
    Amount, Block, BlockHash, FeeRate, Header, Height, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, Witness, Work, Wtxid, genesis_block,
};

/// The transaction whose outputs every toy world takes for confirmed.
pub(crate) fn root() -> Txid {
    Txid::from_byte_array([7; 32])
}

/// A block over which the toy world panics when it is asked for it.
pub(crate) fn fault_block() -> BlockHash {
    BlockHash::from_byte_array([0xfa; 32])
}

/// The lock time of transactions over which the toy world panics when it judges them.
pub(crate) const FAULT_LOCK_TIME: u32 = 0xfa_fafa;

/// A payment that spends output `vout` of `parent`; each number makes another one.
pub(crate) fn payment(parent: Txid, number: u32) -> Transaction {
    let input = TxIn {
        previous_output: OutPoint { txid: parent, vout: number },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[number as u8; 64]]),
    };
    let output = TxOut { value: Amount::from_sat(1_000), script_pubkey: ScriptBuf::new() };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![output],
    }
}

pub(crate) fn waiting(transaction: &Transaction) -> WaitingTransaction {
    WaitingTransaction {
        txid: transaction.compute_txid(),
        wtxid: transaction.compute_wtxid(),
        fee_rate: FeeRate::from_sat_per_vb(1),
    }
}

/// The work of a chain of that height: two a block at the lowest difficulty.
fn work_of(height: u32) -> Work {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&(2 * (u64::from(height) + 1)).to_be_bytes());
    Work::from_be_bytes(bytes)
}

/// Writes what the coinbase says of the witnesses (BIP141).
fn commit_to_witnesses(block: &mut Block) {
    let root = block.witness_root().expect("it has a coinbase");
    let commitment = Block::compute_witness_commitment(&root, &[0; 32]);
    let script = [&[0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed], commitment.as_byte_array().as_slice()].concat();
    block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(script) });
}

/// A block on `parent` with a proof of work; `tag` makes two blocks at one place differ.
pub(crate) fn mine(parent: BlockHash, height: u32, tag: u32, transactions: Vec<Transaction>) -> Block {
    let mut coinbase = payment(Txid::all_zeros(), u32::MAX);
    coinbase.lock_time = LockTime::from_consensus(height);
    coinbase.output[0].value = Amount::from_sat(u64::from(tag));
    coinbase.input[0].witness = Witness::from_slice(&[[0; 32]]);
    let mut txdata = vec![coinbase];
    txdata.extend(transactions);
    let header = Header {
        version: Version::from_consensus(0x2000_0000),
        prev_blockhash: parent,
        merkle_root: TxMerkleNode::all_zeros(),
        time: 1_800_000_000 + height,
        bits: Network::regtest().pow_limit,
        nonce: 0,
    };
    let mut block = Block { header, txdata };
    commit_to_witnesses(&mut block);
    block.header.merkle_root = block.compute_merkle_root().expect("it has a coinbase");
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    block
}

#[derive(Debug)]
struct State {
    headers: HashMap<BlockHash, (Header, u32)>,
    blocks: HashMap<BlockHash, Arc<Block>>,
    complete: HashSet<BlockHash>,
    /// Blocks that came before their parent, by that.
    early: HashMap<BlockHash, BlockHash>,
    /// The best chain, by height.
    best: Vec<BlockHash>,
    best_header: BlockHash,
    mempool: BTreeMap<Wtxid, Arc<Transaction>>,
    confirmed: HashSet<Txid>,
    /// What [`ToyWorld::demand`] set.
    demanded: Option<u32>,
    news: News,
}

/// What changed since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) is_tip_new: bool,
    pub(crate) added: Vec<WaitingTransaction>,
}

#[derive(Debug)]
pub(crate) struct ToyWorld {
    state: Mutex<State>,
    /// Set where sockets run it: news are told at once.
    pub(crate) handle: OnceLock<P2pHandle>,
    /// Set where compact filters are served.
    pub(crate) filters: OnceLock<()>,
}

impl State {
    fn height(&self, hash: &BlockHash) -> Option<u32> {
        self.headers.get(hash).map(|(_, height)| *height)
    }

    fn tip_height(&self) -> u32 {
        self.best.len() as u32 - 1
    }

    fn add_header(&mut self, header: Header) -> bool {
        let hash = header.block_hash();
        let Some(parent) = self.height(&header.prev_blockhash) else { return false };
        self.headers.insert(hash, (header, parent + 1));
        if Some(parent + 1) > self.height(&self.best_header) {
            self.best_header = hash;
        }
        true
    }

    fn add_block(&mut self, block: Arc<Block>) {
        let mut hash = block.block_hash();
        self.blocks.insert(hash, block);
        loop {
            let parent = self.headers[&hash].0.prev_blockhash;
            if !self.complete.contains(&parent) {
                self.early.insert(parent, hash);
                return;
            }
            self.complete.insert(hash);
            if self.height(&hash) > Some(self.tip_height()) {
                self.activate(hash);
            }
            match self.early.remove(&hash) {
                Some(next) => hash = next,
                None => return,
            }
        }
    }

    fn activate(&mut self, tip: BlockHash) {
        let (mut fresh, mut at) = (Vec::new(), tip);
        while self.height(&at).and_then(|height| self.best.get(height as usize)) != Some(&at) {
            fresh.push(at);
            at = self.headers[&at].0.prev_blockhash;
        }
        let fork = self.height(&at).expect("the fork is known") as usize;
        for gone in self.best.split_off(fork + 1) {
            for transaction in self.blocks[&gone].txdata.iter().skip(1) {
                self.confirmed.remove(&transaction.compute_txid());
                self.mempool.insert(transaction.compute_wtxid(), Arc::new(transaction.clone()));
            }
        }
        for hash in fresh.into_iter().rev() {
            self.best.push(hash);
            for transaction in &self.blocks[&hash].txdata {
                self.confirmed.insert(transaction.compute_txid());
                self.mempool.remove(&transaction.compute_wtxid());
            }
        }
        self.news.is_tip_new = true;
    }
}

impl ToyWorld {
    pub(crate) fn new() -> Self {
        let genesis = genesis_block(&Network::regtest());
        let hash = genesis.block_hash();
        Self {
            state: Mutex::new(State {
                headers: HashMap::from([(hash, (genesis.header, 0))]),
                blocks: HashMap::from([(hash, Arc::new(genesis))]),
                complete: HashSet::from([hash]),
                early: HashMap::new(),
                best: vec![hash],
                best_header: hash,
                mempool: BTreeMap::new(),
                confirmed: HashSet::from([root()]),
                demanded: None,
                news: News::default(),
            }),
            handle: OnceLock::new(),
            filters: OnceLock::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test thread panics with the lock")
    }

    pub(crate) fn take_news(&self) -> News {
        std::mem::take(&mut self.state().news)
    }

    /// Keeps only headers of chains with so many blocks, whatever the tip is.
    pub(crate) fn demand(&self, blocks: u32) {
        self.state().demanded = Some(blocks);
    }

    pub(crate) fn mempool_size(&self) -> usize {
        self.state().mempool.len()
    }

    /// Mines `count` blocks on the tip, with what waits in the first of them.
    pub(crate) fn mine(&self, count: u32, tag: u32) {
        for _ in 0..count {
            let (height, tip) = self.tip();
            let transactions = self.state().mempool.values().map(|tx| tx.as_ref().clone()).collect();
            let block = mine(tip, height.to_u32() + 1, tag, transactions);
            assert_eq!(self.submit_block(Arc::new(block)), BlockVerdict::Accepted);
        }
    }

    fn tell_news(&self) {
        if let Some(handle) = self.handle.get() {
            let news = self.take_news();
            news.added.into_iter().for_each(|transaction| handle.notify_transaction(transaction));
            if news.is_tip_new {
                handle.notify_tip();
            }
        }
    }
}

impl World for ToyWorld {
    fn tip(&self) -> (Height, BlockHash) {
        let state = self.state();
        (Height::new(state.tip_height()), *state.best.last().expect("genesis at least"))
    }

    fn locator(&self) -> Vec<BlockHash> {
        let state = self.state();
        let (mut locator, mut at, mut step) = (Vec::new(), state.best_header, 1);
        loop {
            locator.push(at);
            if locator.len() > 10 {
                step *= 2;
            }
            for _ in 0..step {
                match state.headers.get(&state.headers[&at].0.prev_blockhash) {
                    Some((parent, _)) => at = parent.block_hash(),
                    None => {
                        locator.push(at);
                        return locator;
                    }
                }
            }
        }
    }

    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash, max: usize) -> Vec<Header> {
        let state = self.state();
        let on_best =
            |hash: &&BlockHash| state.height(hash).is_some_and(|height| state.best.get(height as usize) == Some(*hash));
        let fork = locator.iter().find(on_best).and_then(|hash| state.height(hash)).unwrap_or(0);
        let mut headers = Vec::new();
        for hash in state.best.iter().skip(fork as usize + 1).take(max) {
            headers.push(state.headers[hash].0);
            if *hash == stop {
                break;
            }
        }
        headers
    }

    fn header_height(&self, hash: &BlockHash) -> Option<Height> {
        self.state().height(hash).map(Height::new)
    }

    fn foothold(&self, hash: &BlockHash) -> Option<Foothold> {
        let state = self.state();
        let (header, height) = state.headers.get(hash)?;
        Some(Foothold { height: Height::new(*height), work: work_of(*height), median_time: header.time })
    }

    fn least_work(&self) -> Work {
        let state = self.state();
        if let Some(blocks) = state.demanded {
            return work_of(blocks);
        }
        let height = state.tip_height();
        if height < 144 { Work::from_be_bytes([0; 32]) } else { work_of(height - 144) }
    }

    fn check_work(&self, _: &HeaderRun, headers: &[Header]) -> Result<(), String> {
        let limit = Network::regtest().pow_limit;
        let has_work = |header: &Header| header.bits == limit && header.validate_pow(header.target()).is_ok();
        if headers.iter().all(has_work) { Ok(()) } else { Err("high-hash".to_owned()) }
    }

    fn headers_expected(&self, _: Time) -> u64 {
        60_000
    }

    fn has_block(&self, hash: &BlockHash) -> bool {
        self.state().blocks.contains_key(hash)
    }

    fn block(&self, hash: &BlockHash) -> Option<Arc<Block>> {
        assert_ne!(*hash, fault_block(), "a fault, on purpose");
        self.state().blocks.get(hash).cloned()
    }

    fn blocks_wanted(&self, max: usize) -> Vec<BlockHash> {
        let state = self.state();
        let (mut wanted, mut at) = (Vec::new(), state.best_header);
        if state.height(&at) <= Some(state.tip_height()) {
            return wanted;
        }
        while !state.complete.contains(&at) {
            if !state.blocks.contains_key(&at) {
                wanted.push(at);
            }
            at = state.headers[&at].0.prev_blockhash;
        }
        wanted.reverse();
        wanted.truncate(max);
        wanted
    }

    fn has_transaction(&self, wtxid: &Wtxid) -> bool {
        self.state().mempool.contains_key(wtxid)
    }

    fn has_txid(&self, txid: &Txid) -> bool {
        self.transaction_by_txid(txid).is_some()
    }

    fn transaction(&self, wtxid: &Wtxid) -> Option<Arc<Transaction>> {
        self.state().mempool.get(wtxid).cloned()
    }

    fn transaction_by_txid(&self, txid: &Txid) -> Option<Arc<Transaction>> {
        self.state().mempool.values().find(|tx| tx.compute_txid() == *txid).cloned()
    }

    fn waiting_transactions(&self, max: usize) -> Vec<WaitingTransaction> {
        self.state().mempool.values().take(max).map(|tx| waiting(tx)).collect()
    }

    fn mempool_transactions(&self, visit: &mut TransactionVisitor<'_>) {
        let names = |wtxid: &Wtxid, transaction: &Transaction| (transaction.compute_txid(), *wtxid);
        let mut all = self.state().mempool.clone().into_iter();
        let _ = all.try_for_each(|(wtxid, transaction)| visit(&names(&wtxid, &transaction), &transaction));
    }

    fn serves_filters(&self) -> bool {
        self.filters.get().is_some()
    }

    /// As if each filter were its block's hash and each header its height.
    fn filter_rows(&self, heights: &[u32]) -> Option<Vec<FilterRow>> {
        let state = self.state();
        let row = |height: &u32| {
            let block = *state.best.get(*height as usize)?;
            let filter = FilterHash::hash(block.as_ref());
            let mut header = [0; 32];
            header[..4].copy_from_slice(&height.to_be_bytes());
            Some(FilterRow { block, filter, header: FilterHeader::from_byte_array(header) })
        };
        heights.iter().map(row).collect()
    }

    fn filter(&self, block: &BlockHash) -> Option<Vec<u8>> {
        self.state().best.contains(block).then(|| block.to_byte_array().to_vec())
    }

    fn min_fee(&self) -> FeeRate {
        FeeRate::from_sat_per_kvb(100)
    }

    fn is_syncing(&self) -> bool {
        let state = self.state();
        state.height(&state.best_header) > Some(state.tip_height() + 24)
    }
}

impl Host for ToyWorld {
    fn submit_headers(&self, headers: &[Header]) -> HeadersVerdict {
        for header in headers {
            if header.validate_pow(header.target()).is_err() {
                return HeadersVerdict::Invalid { reason: "high-hash".to_owned() };
            }
            if !self.state().add_header(*header) {
                return HeadersVerdict::Unconnected;
            }
        }
        HeadersVerdict::Accepted
    }

    fn submit_block(&self, block: Arc<Block>) -> BlockVerdict {
        if !block.check_merkle_root() {
            return BlockVerdict::Mutated { reason: "bad-txnmrklroot".to_owned() };
        }
        let is_invalid = block.txdata.iter().any(|tx| tx.output.is_empty());
        if is_invalid {
            return BlockVerdict::Invalid { reason: "bad-txns-vout-empty".to_owned() };
        }
        {
            let mut state = self.state();
            if state.blocks.contains_key(&block.block_hash()) {
                return BlockVerdict::AlreadyKnown;
            }
            if !state.add_header(block.header) {
                return BlockVerdict::UnknownParent;
            }
            state.add_block(block);
        }
        self.tell_news();
        BlockVerdict::Accepted
    }

    fn submit_transaction(&self, transaction: Arc<Transaction>) -> TransactionVerdict {
        assert_ne!(transaction.lock_time.to_consensus_u32(), FAULT_LOCK_TIME, "a fault, on purpose");
        if transaction.output.is_empty() {
            return TransactionVerdict::Invalid { reason: "bad-txns-vout-empty".to_owned() };
        }
        {
            let mut state = self.state();
            let is_known = |txid: &Txid| {
                state.confirmed.contains(txid) || state.mempool.values().any(|tx| tx.compute_txid() == *txid)
            };
            if is_known(&transaction.compute_txid()) {
                return TransactionVerdict::AlreadyKnown;
            }
            let parents = transaction.input.iter().map(|input| input.previous_output.txid);
            let missing: Vec<Txid> = parents.filter(|parent| !is_known(parent)).collect();
            if !missing.is_empty() {
                return TransactionVerdict::MissingInputs { parents: missing };
            }
            let news = waiting(&transaction);
            state.mempool.insert(news.wtxid, transaction);
            state.news.added.push(news);
        }
        self.tell_news();
        TransactionVerdict::Accepted
    }
}
