//! What peers are given of compact blocks, and who is told of new blocks by them.

use std::sync::Arc;

use mycoin_primitives::bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds};
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::{BlockHash, Header};
use rand::Rng as _;
use rand::rngs::StdRng;

use crate::compact::WholeBlock;
use crate::limits::{BLOCK_TRANSACTIONS_DEPTH_MAX, COMPACT_DEPTH_MAX};
use crate::message::Message;
use crate::misbehavior::Offence;
use crate::node::{Context, Node};
use crate::peer::Peer;
use crate::{BlockParts, PeerId, World};

/// The block that is asked for most, ready to be given.
#[derive(Debug, Default)]
pub(crate) struct Latest {
    ready: Option<(BlockHash, WholeBlock, Arc<HeaderAndShortIds>)>,
    /// The one before, until there is time to give its memory back.
    pub(crate) overtaken: Option<WholeBlock>,
    /// A block that was announced and has no verdict yet.
    unjudged: Option<BlockHash>,
}

impl Latest {
    /// Makes `whole` the latest block; its hash, and its compact form under a nonce that nobody could foresee.
    pub(crate) fn set(&mut self, whole: WholeBlock, rng: &mut StdRng) -> (BlockHash, Arc<HeaderAndShortIds>) {
        let hash = whole.block.block_hash();
        let compact = Arc::new(whole.compact(rng.random()));
        let before = self.ready.replace((hash, whole, Arc::clone(&compact)));
        self.overtaken = before.map(|(_, whole, _)| whole);
        (hash, compact)
    }

    /// Whether what is asked for is that block, announced and without its verdict: the answer waits for that.
    pub(crate) fn waits(&self, item: &Inventory) -> bool {
        self.unjudged.is_some_and(|hash| {
            [Inventory::Block(hash), Inventory::WitnessBlock(hash), Inventory::CompactBlock(hash)].contains(item)
        })
    }

    /// The block was announced before its verdict.
    pub(crate) fn is_ahead_of_verdict(&mut self, hash: BlockHash) {
        self.unjudged = Some(hash);
    }

    fn block(&self, hash: &BlockHash) -> Option<BlockParts> {
        self.whole(hash).map(|whole| whole.block.clone())
    }

    /// The block, if it is that one.
    pub(crate) fn whole(&self, hash: &BlockHash) -> Option<&WholeBlock> {
        self.ready.as_ref().filter(|(known, ..)| known == hash).map(|(_, whole, _)| whole)
    }

    /// The compact form of a block; one of the chain is read if need be.
    pub(crate) fn compact(
        &mut self,
        world: &dyn World,
        hash: &BlockHash,
        rng: &mut StdRng,
    ) -> Option<Arc<HeaderAndShortIds>> {
        if let Some((known, _, compact)) = &self.ready
            && known == hash
        {
            return Some(Arc::clone(compact));
        }
        let whole = WholeBlock::trust(world.block(hash)?);
        if world.tip().1 == *hash {
            return Some(self.set(whole, rng).1);
        }
        Some(Arc::new(whole.compact(rng.random())))
    }
}

/// The answer to a wish for a compact block: near the tip that, deeper the whole block, since whoever asks for an old
/// block has none of its transactions (`MAX_CMPCTBLOCK_DEPTH`).
pub(crate) fn compact_answer(
    latest: &mut Latest,
    world: &dyn World,
    hash: &BlockHash,
    rng: &mut StdRng,
) -> Option<Message> {
    if is_within(world, hash, COMPACT_DEPTH_MAX) && !world.is_syncing() {
        // A block without verdict is given to nobody who asks for it.
        return latest.compact(world, hash, rng).filter(|_| world.has_block(hash)).map(Message::CompactBlock);
    }
    world.block(hash).map(Message::Block)
}

/// Whether the block is at most `depth` below the tip.
pub(crate) fn is_within(world: &dyn World, hash: &BlockHash, depth: u32) -> bool {
    world.header_height(hash).is_some_and(|height| height.to_u32().saturating_add(depth) >= world.tip().0.to_u32())
}

impl Peer {
    /// Whether it is told of a block by a compact block: it asked for that, has the one before and not this one.
    pub(crate) fn takes_compact(&self, header: &Header) -> bool {
        self.is_ready()
            && self.compact.wants
            && self.chain.known.contains(&header.prev_blockhash)
            && !self.chain.known.contains(&header.block_hash())
    }
}

impl Node {
    /// A block has a verdict: who waited for that gets its answer.
    pub(crate) fn serve_judged(&mut self, ctx: &mut Context<'_>, hash: BlockHash) {
        if self.compact.served.unjudged.take_if(|unjudged| *unjudged == hash).is_some() {
            let waiting: Vec<PeerId> =
                self.peers.values().filter(|peer| !peer.wants.is_empty()).map(|peer| peer.id).collect();
            waiting.into_iter().for_each(|id| self.serve(ctx, id));
        }
    }

    /// The same for a block that no peer brought; of one that a peer brought as well, its own verdict comes yet.
    pub(crate) fn own_block_judged(&mut self, ctx: &mut Context<'_>, hash: BlockHash) {
        if !self.download.is_judged(&hash) {
            self.serve_judged(ctx, hash);
        }
    }

    /// The new tip as a compact block, if anybody is told of it so.
    pub(crate) fn compact_tip(&mut self, ctx: &Context<'_>, tip: &Header) -> Option<Message> {
        let is_wanted = self.peers.values().any(|peer| peer.takes_compact(tip));
        let hash = tip.block_hash();
        let compact = is_wanted.then(|| self.compact.served.compact(ctx.world, &hash, &mut self.rng)).flatten();
        compact.map(Message::CompactBlock)
    }

    /// Gives transactions of a block near the tip; of a deeper one the whole block, so that reading it costs the asker
    /// something too (`MAX_BLOCKTXN_DEPTH`).
    pub(crate) fn block_transactions_wanted(
        &mut self,
        ctx: &mut Context<'_>,
        id: PeerId,
        request: &BlockTransactionsRequest,
    ) {
        let hash = request.block_hash;
        let latest = self.compact.served.block(&hash);
        let is_near = latest.is_some() || is_within(ctx.world, &hash, BLOCK_TRANSACTIONS_DEPTH_MAX);
        if !is_near {
            if ctx.world.has_block(&hash) {
                self.data_wanted(ctx, id, vec![Inventory::WitnessBlock(hash)]);
            }
            return;
        }
        let Some(block) = latest.or_else(|| ctx.world.block(&hash).map(BlockParts::from)) else { return };
        let place = |index: &u64| usize::try_from(*index).ok().and_then(|index| block.get(index)).cloned();
        let transactions: Option<Vec<_>> = request.indexes.iter().map(place).collect();
        match transactions {
            Some(transactions) => {
                ctx.send(id, Message::BlockTransactions(BlockTransactions { block_hash: hash, transactions }));
            }
            None => self.blame(ctx, id, Offence::BlockTransactionsOutOfRange { transactions: block.len() }),
        }
    }
}
