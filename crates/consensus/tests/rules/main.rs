//! One test per rule of consensus, named after the rule, and the BIPs' own vectors.

mod block;
mod connect;
mod decoding;
mod header;
mod order;
mod sigops;
mod spend;
mod transaction;

use std::sync::Arc;

use mycoin_consensus::{BlockRuleError, HeaderBranch};
use mycoin_primitives::{
    Amount, Block, Coin, Header, Height, Network, OutPoint, TxOut, Txid, genesis_block, hashes::Hash,
};
use mycoin_testkit::builders::{ChainBuilder, RuleBroken, TxBuilder, commit, solved};
use mycoin_testkit::keys::Key;

/// A branch of which only heights and times (and targets) matter.
struct Times {
    bits: u32,
    times: Vec<u32>,
}

impl Times {
    fn new(times: Vec<u32>) -> Self {
        Self { bits: 0x207f_ffff, times }
    }

    /// So many headers, all at one time.
    fn flat(headers: usize, time: u32) -> Self {
        Self::new(vec![time; headers])
    }
}

impl HeaderBranch for Times {
    fn tip_height(&self) -> Height {
        Height::new(u32::try_from(self.times.len() - 1).expect("tests are short"))
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        let time = *self.times.get(usize::try_from(height.to_u32()).ok()?)?;
        let bits = mycoin_primitives::CompactTarget::from_consensus(self.bits);
        Some(Header { time, bits, ..genesis_block(&Network::regtest()).header })
    }
}

/// A demo chain with so many coins that can be spent.
fn chain_with_coins(coins: usize) -> ChainBuilder {
    let mut chain = ChainBuilder::new(Network::demo());
    chain.mine_empty(coins);
    chain
}

/// A payment of all of `coin` but 1,000 satoshis of fee, by the chain's own key, unsigned.
fn payment(coin: &(OutPoint, Coin)) -> TxBuilder {
    let value = coin.1.output.value - Amount::from_sat(1_000);
    TxBuilder::new().spend(coin.0, &coin.1.output).pay(Key::taproot(1).script(), value)
}

/// What a chain says to its own template after `change`, committed to and mined again.
#[track_caller]
fn check_changed(chain: &ChainBuilder, mut block: Block, change: impl FnOnce(&mut Block), expected: &str) {
    change(&mut block);
    commit(&mut block);
    check_verdict(chain, block, expected);
}

/// What a chain says to this block: its reject reason, or "" for none.
#[track_caller]
fn check_verdict(chain: &ChainBuilder, block: Block, expected: &str) {
    let reason = match chain.check(&Arc::new(solved(block))) {
        Ok(_) => String::new(),
        Err(RuleBroken::Header(error)) => error.reject_reason(),
        Err(RuleBroken::Block(error)) => error.reject_reason(),
    };
    assert_eq!(reason, expected);
}

/// The rule that a block breaks on top of a chain.
fn block_error(chain: &ChainBuilder, block: Block) -> BlockRuleError {
    match chain.check(&Arc::new(solved(block))) {
        Err(RuleBroken::Block(error)) => error,
        other => panic!("a rule of blocks should be broken, not {other:?}"),
    }
}

/// A coin of a payment at this height that anybody could have.
fn coin(value: u64, height: u32) -> Coin {
    let output = TxOut { value: Amount::from_sat(value), script_pubkey: Key::taproot(1).script() };
    Coin { output, height: Height::new(height), is_coinbase: false }
}

/// An outpoint that exists nowhere.
fn outpoint(number: u8) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 0 }
}
