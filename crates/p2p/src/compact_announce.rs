//! Who announces new blocks to us by compact blocks unasked, and to whom we do, before the verdict where that is safe (BIP152).

use std::sync::Arc;

use mycoin_primitives::{Block, BlockHash, Header};

use crate::PeerId;
use crate::compact::{self, WholeBlock};
use crate::limits::COMPACT_ANNOUNCERS_MAX;
use crate::message::Message;
use crate::node::{Context, Node};

impl Node {
    /// A new block came from `id`: it is asked to announce the next ones by compact blocks.
    ///
    /// Source: Bitcoin Core `MaybeSetPeerAsAnnouncingHeaderAndIDs`, net_processing.cpp.
    pub(crate) fn block_connected_from(&mut self, ctx: &mut Context<'_>, id: PeerId, hash: &BlockHash) {
        let is_new_tip = ctx.world.tip().1 == *hash && !ctx.world.is_syncing() && self.download.asked_count() == 0;
        let Some(peer) = self.peers.get(&id).filter(|peer| is_new_tip && peer.compact.provides) else { return };
        let is_inbound = peer.is_inbound();
        if let Some(place) = self.compact.announcers.iter().position(|known| *known == id) {
            self.compact.announcers.remove(place);
            self.compact.announcers.push_back(id);
            return;
        }
        self.compact.announcers.push_back(id);
        self.tell_announcer(ctx, id, true);
        if self.compact.announcers.len() > COMPACT_ANNOUNCERS_MAX {
            let is_outbound = |id: &PeerId| self.peers.get(id).is_some_and(|peer| !peer.is_inbound());
            let outbound = self.compact.announcers.iter().filter(|id| is_outbound(id)).count();
            // The last one that we chose to connect with stays when one that came to us takes a place.
            let spares = is_inbound && outbound == 1 && self.compact.announcers.front().is_some_and(is_outbound);
            if let Some(gone) = self.compact.announcers.remove(usize::from(spares)) {
                self.tell_announcer(ctx, gone, false);
            }
        }
    }

    fn tell_announcer(&mut self, ctx: &mut Context<'_>, id: PeerId, announces: bool) {
        self.with_peer(id, |peer| peer.compact.announces = announces);
        ctx.send(id, Message::SendCompact { high_bandwidth: announces, version: compact::VERSION });
    }

    /// Announces a block before its verdict, when all that can be told fast is right: its header was accepted, it goes on from
    /// our tip, its transactions are those of its header. So a block crosses the network at the speed of light, not of
    /// validation. Once for each height.
    ///
    /// Source: Bitcoin Core `NewPoWValidBlock`, net_processing.cpp.
    pub(crate) fn announce_early(&mut self, ctx: &mut Context<'_>, whole: WholeBlock) {
        let header = *whole.block.header();
        let Some(height) = ctx.world.header_height(&header.block_hash()) else { return };
        self.compact.announced_early = height;
        self.compact.served.is_ahead_of_verdict(header.block_hash());
        let latest = self.compact.served.set(whole, &mut self.rng);
        for (id, peer) in &mut self.peers {
            if peer.takes_compact(&header) {
                peer.chain.known.insert(latest.0);
                ctx.send(*id, Message::CompactBlock(Arc::clone(&latest.1)));
            }
        }
    }

    /// The block that came whole, if it may be announced early.
    pub(crate) fn announce_whole_early(&mut self, ctx: &mut Context<'_>, block: &Arc<Block>) {
        if self.may_announce_early(ctx, &block.header)
            && let Some(whole) = WholeBlock::check(Arc::clone(block))
        {
            self.announce_early(ctx, whole);
        }
    }

    /// The same for a block that the server found sound before it connects it.
    pub(crate) fn announce_sound_early(&mut self, ctx: &mut Context<'_>, block: Arc<Block>) {
        if self.may_announce_early(ctx, &block.header) {
            self.announce_early(ctx, WholeBlock::trust(block));
        }
    }

    pub(crate) fn may_announce_early(&self, ctx: &Context<'_>, header: &Header) -> bool {
        let height = ctx.world.header_height(&header.block_hash());
        height.is_some_and(|height| height > self.compact.announced_early)
            && ctx.world.tip().1 == header.prev_blockhash
            && !ctx.world.is_syncing()
            && self.peers.values().any(|peer| peer.takes_compact(header))
    }
}
