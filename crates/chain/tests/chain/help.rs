//! A chain in a folder of its own, fed from builders.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use mycoin_chain::{AcceptError, Accepted, BlockStatus, Chain, ChainError, ChainOptions};
use mycoin_primitives::{Amount, Block, ChainEvent, Network, OutPoint, Transaction, TxOut};
use mycoin_testkit::builders::{ChainBuilder, TxBuilder};
use tempfile::TempDir;

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// A clock that no block of a test is ahead of.
pub(crate) const NOW: u32 = u32::MAX;

pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("the machine has room for a temporary folder"))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("demo")
    }

    pub(crate) fn open(&self) -> Result<Chain, ChainError> {
        Chain::open(&self.path(), Network::demo(), ChainOptions::default())
    }
}

/// A chain that lives as long as the test.
pub(crate) fn fresh() -> (Folder, Chain) {
    let folder = Folder::new();
    let chain = folder.open().expect("an empty folder can be opened");
    (folder, chain)
}

pub(crate) fn accept(chain: &Chain, block: &Arc<Block>) -> Result<Accepted, AcceptError> {
    chain.accept_block(Arc::clone(block), NOW)
}

/// Gives all blocks above genesis, lowest first.
pub(crate) fn feed(chain: &Chain, builder: &ChainBuilder) -> Result<Vec<ChainEvent>, AcceptError> {
    let mut events = Vec::new();
    for block in builder.blocks().iter().skip(1) {
        events.extend(accept(chain, block)?.events);
    }
    Ok(events)
}

pub(crate) fn builder(blocks: usize) -> ChainBuilder {
    let mut builder = ChainBuilder::new(Network::demo());
    builder.mine_empty(blocks);
    builder
}

/// A transaction that spends the builder's coin number `coin`, and pays it back but for a fee.
pub(crate) fn payment(builder: &ChainBuilder, coin: usize, fee: u64) -> Transaction {
    let (outpoint, coin) = builder.spendable().swap_remove(coin);
    pay_on(builder, outpoint, &coin.output, fee)
}

pub(crate) fn pay_on(builder: &ChainBuilder, outpoint: OutPoint, output: &TxOut, fee: u64) -> Transaction {
    let key = builder.key();
    TxBuilder::new().spend(outpoint, output).pay(key.script(), output.value - Amount::from_sat(fee)).sign(&key)
}

/// Asserts that the chain stands where the builder does, with its coins, and that the block files tell the same.
pub(crate) fn assert_equal(chain: &Chain, builder: &ChainBuilder) -> Outcome {
    let tip = chain.tip();
    assert_eq!((tip.hash, tip.header), (builder.tip().block_hash(), builder.tip().header));
    assert_eq!(tip.height.to_u32() as usize + 1, builder.blocks().len());
    for (outpoint, coin) in builder.coins() {
        assert_eq!(chain.coin(outpoint)?.as_ref(), Some(coin), "{outpoint}");
    }
    let statistics = chain.coin_statistics()?;
    assert_eq!(statistics.txouts, builder.coins().len() as u64);
    assert_eq!(statistics.total_amount, builder.coins().values().map(|coin| coin.output.value).sum());
    assert_eq!(statistics, chain.recount()?);
    let (_folder, other) = fresh();
    feed(&other, builder)?;
    assert_eq!(statistics, other.coin_statistics()?, "a fresh sync");
    chain.verify(u32::MAX)?;
    Ok(())
}

/// `+hash` and `-hash`, in order.
pub(crate) fn steps(events: &[ChainEvent]) -> Vec<String> {
    let name = |event: &ChainEvent| match event {
        ChainEvent::Connected { hash, .. } => format!("+{hash}"),
        ChainEvent::Disconnected { hash, .. } => format!("-{hash}"),
    };
    events.iter().map(name).collect()
}

/// The steps from the tip of `from` down to height `fork` and up to the tip of `to`.
pub(crate) fn expected_steps(from: &ChainBuilder, fork: usize, to: &ChainBuilder) -> Vec<String> {
    let down = from.blocks().iter().skip(fork + 1).rev().map(|block| format!("-{}", block.block_hash()));
    let up = to.blocks().iter().skip(fork + 1).map(|block| format!("+{}", block.block_hash()));
    down.chain(up).collect()
}

pub(crate) fn status(accepted: Result<Accepted, AcceptError>) -> Result<BlockStatus, AcceptError> {
    accepted.map(|accepted| accepted.status)
}
