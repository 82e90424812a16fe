//! The coins in sum, from the store or counted again from the block files; a second look at recent blocks.
//!
//! Source of the figures: Bitcoin Core, kernel/coinstats.cpp (`hash_serialized_3`).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use mycoin_consensus::is_unspendable;
use mycoin_primitives::bitcoin::consensus::Encodable as _;
use mycoin_primitives::hashes::{Hash as _, sha256, sha256d};
use mycoin_primitives::{Amount, Block, BlockHash, Coin, Height, OutPoint, ScriptBuf, Txid};

use crate::index::Id;
use crate::{Chain, ChainError, CoinStatistics, FoundCoins};

/// What a coin counts beside its script in `bogosize`: txid 32, number 4, height and coinbase flag 4, amount 8, script length 2.
const BOGOSIZE_BESIDE_SCRIPT: u64 = 50;

impl Chain {
    /// The coins at the tip in sum. Reads all of them; the chain goes on meanwhile.
    ///
    /// # Errors
    ///
    /// A failure of the store.
    pub fn coin_statistics(&self) -> Result<CoinStatistics, ChainError> {
        let snapshot = self.store.snapshot();
        let hash = snapshot.tip()?.unwrap_or(self.network.genesis.hash);
        let height = self.header(&hash).ok_or(ChainError::TipMissing { hash })?.height;
        let mut count = Count::default();
        for pair in snapshot.coins() {
            let (outpoint, coin) = pair?;
            count.add(&outpoint, &coin);
        }
        Ok(count.statistics(height, hash))
    }

    /// The unspent coins that one of `scripts` locks. Reads all coins; the chain goes on meanwhile.
    ///
    /// # Errors
    ///
    /// A failure of the store.
    pub fn find_coins(&self, scripts: &HashSet<ScriptBuf>) -> Result<FoundCoins, ChainError> {
        let snapshot = self.store.snapshot();
        let hash = snapshot.tip()?.unwrap_or(self.network.genesis.hash);
        let tip = self.index.read().find(&hash).ok_or(ChainError::TipMissing { hash })?;
        let (mut looked_at, mut coins) = (0, Vec::new());
        for pair in snapshot.coins() {
            let (outpoint, coin) = pair?;
            looked_at += 1;
            if scripts.contains(&coin.output.script_pubkey) {
                let index = self.index.read();
                let maker = index.ancestor(tip, coin.height).ok_or(ChainError::TipMissing { hash })?;
                coins.push((outpoint, coin, index.get(maker).hash));
            }
        }
        Ok(FoundCoins { tip: self.index.read().tip_of(tip), looked_at, coins })
    }

    /// The same figures, counted anew from the block files along the best chain, in memory. For checks: it takes long.
    ///
    /// # Errors
    ///
    /// [`ChainError::BlockMissing`], [`ChainError::RecountMismatch`].
    pub fn recount(&self) -> Result<CoinStatistics, ChainError> {
        let (tip, path) = {
            let index = self.index.read();
            let genesis = index.at(Height::GENESIS).unwrap_or_else(|| index.tip());
            (index.tip_of(index.tip()), index.path(genesis, index.tip()))
        };
        let mut coins = BTreeMap::new();
        for id in path {
            let (hash, height) = self.name(id);
            let block = self.read_block(id)?.ok_or(ChainError::BlockMissing { hash })?;
            apply(&mut coins, &block, height).ok_or(ChainError::RecountMismatch { hash })?;
        }
        let mut count = Count::default();
        for ((txid, vout), coin) in &coins {
            count.add(&OutPoint { txid: Txid::from_byte_array(*txid), vout: *vout }, coin);
        }
        Ok(count.statistics(tip.height, tip.hash))
    }

    /// Looks again at the last `depth` blocks of the best chain: their bytes, the rules that ask for no coins, their undo data.
    ///
    /// Returns how many were looked at.
    ///
    /// # Errors
    ///
    /// [`ChainError`] names the first block, from the tip down, that is not as it was.
    pub fn verify(&self, depth: u32) -> Result<u32, ChainError> {
        let tip = self.tip();
        let mut looked_at = 0;
        for height in (tip.height.back(depth).to_u32() + 1..=tip.height.to_u32()).rev() {
            let Some(id) = self.index.read().at(Height::new(height)) else { continue };
            let (hash, _) = self.name(id);
            let block = self.read_block(id)?.ok_or(ChainError::BlockMissing { hash })?;
            let damaged = |source| ChainError::BlockDamaged { hash, source: Box::new(source) };
            let checked = self.check_without_coins(id, Arc::new(block)).map_err(damaged)?;
            let undo = self.store.undo(&hash)?.ok_or(ChainError::UndoMissing { hash })?;
            let spenders = checked.block().txdata.iter().skip(1);
            if !spenders.map(|tx| tx.input.len()).eq(undo.spent.iter().map(Vec::len)) {
                return Err(ChainError::UndoMissing { hash });
            }
            looked_at += 1;
        }
        Ok(looked_at)
    }

    fn name(&self, id: Id) -> (BlockHash, Height) {
        let index = self.index.read();
        let entry = index.get(id);
        (entry.hash, entry.height)
    }
}

/// Coins in the order that the hash asks for: by transaction id as it is hashed, then by the output's number.
type CoinMap = BTreeMap<([u8; 32], u32), Coin>;

/// Changes the coins as a valid block does; `None` when it spends one that is not there.
fn apply(coins: &mut CoinMap, block: &Block, height: Height) -> Option<()> {
    for tx in &block.txdata {
        if !tx.is_coinbase() {
            for OutPoint { txid, vout } in tx.input.iter().map(|input| input.previous_output) {
                coins.remove(&(txid.to_byte_array(), vout))?;
            }
        }
        let txid = tx.compute_txid().to_byte_array();
        for (vout, output) in (0..).zip(&tx.output) {
            if !is_unspendable(&output.script_pubkey) {
                let coin = Coin { output: output.clone(), height, is_coinbase: tx.is_coinbase() };
                coins.insert((txid, vout), coin);
            }
        }
    }
    Some(())
}

/// Sums over coins that are given in the order of their outpoints.
#[derive(Default)]
struct Count {
    coins: u64,
    transactions: u64,
    last: Option<Txid>,
    bogosize: u64,
    total: Amount,
    hash: sha256::HashEngine,
}

impl Count {
    fn add(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.coins += 1;
        self.transactions += u64::from(self.last.replace(outpoint.txid) != Some(outpoint.txid));
        self.bogosize += BOGOSIZE_BESIDE_SCRIPT + coin.output.script_pubkey.len() as u64;
        // Consensus keeps the sum of all coins within MAX_MONEY.
        self.total = self.total.checked_add(coin.output.value).unwrap_or(Amount::MAX);
        let origin = coin.height.to_u32() << 1 | u32::from(coin.is_coinbase);
        let written = outpoint
            .consensus_encode(&mut self.hash)
            .and_then(|_| origin.consensus_encode(&mut self.hash))
            .and_then(|_| coin.output.consensus_encode(&mut self.hash));
        written.expect("a hash takes any bytes");
    }

    fn statistics(self, height: Height, best_block: BlockHash) -> CoinStatistics {
        CoinStatistics {
            height,
            best_block,
            txouts: self.coins,
            transactions: self.transactions,
            bogosize: self.bogosize,
            hash_serialized_3: sha256d::Hash::from_engine(self.hash),
            total_amount: self.total,
        }
    }
}
