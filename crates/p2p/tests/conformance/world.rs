//! A chain of the few blocks that a test gives it, and a mempool of the same kind.

use std::sync::Arc;

use mycoin_p2p::{Foothold, HeaderRun, Time, TransactionVisitor, WaitingTransaction, World};
use mycoin_primitives::{
    Block, BlockHash, FeeRate, Header, Height, Network, Transaction, Txid, Work, Wtxid, genesis_block,
};

/// What the node under test knows.
#[derive(Debug)]
pub(crate) struct Shelf {
    /// From genesis on.
    pub(crate) blocks: Vec<Arc<Block>>,
    /// Headers after those, whose blocks are missing.
    pub(crate) headers: Vec<Header>,
    pub(crate) mempool: Vec<Arc<Transaction>>,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self { blocks: vec![Arc::new(genesis_block(&Network::regtest()))], headers: Vec::new(), mempool: Vec::new() }
    }

    fn all_headers(&self) -> impl Iterator<Item = Header> + '_ {
        self.blocks.iter().map(|block| block.header).chain(self.headers.iter().copied())
    }

    fn height(&self, hash: &BlockHash) -> Option<u32> {
        self.all_headers().position(|header| header.block_hash() == *hash).map(|height| height as u32)
    }
}

fn work(blocks: u32) -> Work {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&(2 * u64::from(blocks)).to_be_bytes());
    Work::from_be_bytes(bytes)
}

impl World for Shelf {
    fn tip(&self) -> (Height, BlockHash) {
        let tip = self.blocks.last().expect("genesis at least");
        (Height::new(self.blocks.len() as u32 - 1), tip.block_hash())
    }

    fn locator(&self) -> Vec<BlockHash> {
        let mut hashes: Vec<BlockHash> = self.all_headers().map(|header| header.block_hash()).collect();
        hashes.reverse();
        hashes
    }

    fn headers_after(&self, locator: &[BlockHash], stop: BlockHash, max: usize) -> Vec<Header> {
        let of_block = |block: &Arc<Block>| block.header;
        if locator.is_empty() {
            return self.blocks.iter().map(of_block).filter(|header| header.block_hash() == stop).collect();
        }
        let place = |hash: &BlockHash| self.blocks.iter().position(|block| block.block_hash() == *hash);
        let fork = locator.iter().find_map(place).unwrap_or(0);
        let mut headers: Vec<Header> = self.blocks.iter().skip(fork + 1).take(max).map(of_block).collect();
        if let Some(end) = headers.iter().position(|header| header.block_hash() == stop) {
            headers.truncate(end + 1);
        }
        headers
    }

    fn header_height(&self, hash: &BlockHash) -> Option<Height> {
        self.height(hash).map(Height::new)
    }

    fn foothold(&self, hash: &BlockHash) -> Option<Foothold> {
        let height = self.height(hash)?;
        Some(Foothold { height: Height::new(height), work: work(height + 1), median_time: 0 })
    }

    fn least_work(&self) -> Work {
        work(0)
    }

    fn check_work(&self, _: &HeaderRun, _: &[Header]) -> Result<(), String> {
        Ok(())
    }

    fn headers_expected(&self, _: Time) -> u64 {
        0
    }

    fn has_block(&self, hash: &BlockHash) -> bool {
        self.block(hash).is_some()
    }

    fn block(&self, hash: &BlockHash) -> Option<Arc<Block>> {
        self.blocks.iter().find(|block| block.block_hash() == *hash).cloned()
    }

    fn blocks_wanted(&self, max: usize) -> Vec<BlockHash> {
        self.headers.iter().map(Header::block_hash).take(max).collect()
    }

    fn has_transaction(&self, wtxid: &Wtxid) -> bool {
        self.transaction(wtxid).is_some()
    }

    fn has_txid(&self, txid: &Txid) -> bool {
        self.transaction_by_txid(txid).is_some()
    }

    fn transaction(&self, wtxid: &Wtxid) -> Option<Arc<Transaction>> {
        self.mempool.iter().find(|transaction| transaction.compute_wtxid() == *wtxid).cloned()
    }

    fn transaction_by_txid(&self, txid: &Txid) -> Option<Arc<Transaction>> {
        self.mempool.iter().find(|transaction| transaction.compute_txid() == *txid).cloned()
    }

    fn waiting_transactions(&self, _: usize) -> Vec<WaitingTransaction> {
        Vec::new()
    }

    fn mempool_transactions(&self, visit: &mut TransactionVisitor<'_>) {
        let names = |transaction: &Transaction| (transaction.compute_txid(), transaction.compute_wtxid());
        let _ = self.mempool.iter().try_for_each(|transaction| visit(&names(transaction), transaction));
    }

    fn min_fee(&self) -> FeeRate {
        FeeRate::from_sat_per_kvb(100)
    }

    fn is_syncing(&self) -> bool {
        false
    }
}
