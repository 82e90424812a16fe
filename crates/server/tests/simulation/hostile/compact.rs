//! Harm by compact blocks (BIP152): parts that are not the block's, and answers that are none.

use std::sync::Arc;

use mycoin_p2p::Message;
use mycoin_primitives::bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds, ShortId};
use mycoin_primitives::{Amount, Block};
use rand::Rng as _;

use super::{Frames, Hostile};

impl Hostile {
    /// A compact block that is not quite the block, or that is and of which nothing more will be had.
    pub(super) fn bent_compact(&mut self, block: &Block) -> Frames {
        let nonce = self.rng.random();
        let mut compact = HeaderAndShortIds::from_block(block, nonce, 2, &[]).expect("version 2 is known");
        match self.rng.random_range(0..4) {
            // A transaction that does not exist.
            0 => compact.short_ids.push(ShortId::from(self.rng.random::<[u8; 6]>())),
            // Another coinbase.
            1 => {
                let coinbase = compact.prefilled_txs.first_mut().expect("a compact block brings its coinbase");
                coinbase.tx.output[0].value += Amount::from_sat(1);
            }
            // A place that the block does not have.
            2 => compact.prefilled_txs[0].idx = 60_000,
            _ => {}
        }
        self.one(&Message::CompactBlock(Arc::new(compact)))
    }

    /// Other transactions than were asked for, fewer, the same answer twice (CVE-2024-35202), or none.
    pub(super) fn bent_transactions(&mut self, request: &BlockTransactionsRequest) -> Frames {
        let Some(block) = self.blocks.get(&request.block_hash) else { return Vec::new() };
        let wrong = vec![block.txdata[0].clone(); request.indexes.len()];
        let transactions = match self.rng.random_range(0..3) {
            0 => wrong,
            1 => Vec::new(),
            _ => return Vec::new(),
        };
        let answer = BlockTransactions { block_hash: request.block_hash, transactions };
        let mut frames = self.one(&Message::BlockTransactions(answer));
        frames.extend_from_within(..);
        frames
    }
}
