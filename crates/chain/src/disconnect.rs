//! One step down: the tip's parent becomes the tip.
//!
//! In:    the tip's block and its undo data.
//! Out:   one commit that leaves the coins as they were before the block.
//! Never: a guess. A block or undo data that do not fit stop the chain.

use std::collections::HashMap;
use std::sync::Arc;

use mycoin_primitives::{Block, BlockUndo, ChainEvent, Coin, OutPoint};
use mycoin_storage::Commit;

use crate::{Chain, ChainError};

impl Chain {
    pub(crate) fn disconnect_tip(&self) -> Result<ChainEvent, ChainError> {
        let (id, hash, height, parent) = {
            let index = self.index.read();
            let entry = index.get(index.tip());
            let parent = entry.parent.ok_or(ChainError::GenesisStays)?;
            (index.tip(), entry.hash, entry.height, index.get(parent).hash)
        };
        let block = Arc::new(self.read_block(id)?.ok_or(ChainError::BlockMissing { hash })?);
        let undo = self.store.undo(&hash)?.ok_or(ChainError::UndoMissing { hash })?;
        let coins = coins_before(&block, undo).ok_or(ChainError::UndoMissing { hash })?;
        let mut commit = Commit { undone: Some(hash), tip: Some(parent), ..Commit::default() };
        for (outpoint, coin) in coins {
            match coin {
                Some(coin) => commit.created.push((outpoint, coin)),
                None => commit.spent.push(outpoint),
            }
        }
        self.store.commit(&commit)?;
        self.recent.clear();
        self.index.write().pop_tip();
        Ok(ChainEvent::Disconnected { height, hash, block })
    }
}

/// The coins that the block touched as they were before it: there (`Some`) or not (`None`). `None` when the undo data do not fit.
///
/// Transactions are taken back last first: a coin that the block both made and spent is put back by the spender, and then
/// taken away with the transaction that made it.
fn coins_before(block: &Block, mut undo: BlockUndo) -> Option<HashMap<OutPoint, Option<Coin>>> {
    let mut coins = HashMap::new();
    let (coinbase, spenders) = block.txdata.split_first()?;
    if spenders.len() != undo.spent.len() {
        return None;
    }
    for tx in spenders.iter().rev().chain([coinbase]) {
        let txid = tx.compute_txid();
        coins.extend((0..).zip(&tx.output).map(|(vout, _)| (OutPoint { txid, vout }, None)));
        if tx.is_coinbase() {
            continue;
        }
        let spent = undo.spent.pop()?;
        if spent.len() != tx.input.len() {
            return None;
        }
        coins.extend(tx.input.iter().map(|input| input.previous_output).zip(spent.into_iter().map(Some)));
    }
    Some(coins)
}
