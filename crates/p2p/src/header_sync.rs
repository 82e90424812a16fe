//! Headers: asking for them, judging them through the server, and announcing our own.
//!
//! A new peer is asked from a locator; while its answers are full, it is asked on. Few peers are asked at a time, so that
//! a long chain does not come from all at once.

use mycoin_primitives::BlockHash;
use mycoin_primitives::Header;
use mycoin_primitives::bitcoin::p2p::message_blockdata::{GetBlocksMessage, GetHeadersMessage, Inventory};
use mycoin_primitives::hashes::Hash as _;

use crate::limits::{
    ANNOUNCED_BLOCKS_REMEMBERED, BLOCKS_ANNOUNCED_MAX, GETBLOCKS_MAX, HEADER_SYNC_PEERS, HEADERS_JUDGED_MAX,
    HEADERS_MAX, HEADERS_TIMEOUT, LOCATOR_MAX, PROTOCOL_VERSION, UNCONNECTED_HEADERS_MAX,
};
use crate::message::Message;
use crate::misbehavior::Offence;
use crate::node::{Context, Node};
use crate::peer::{Peer, PeerChain};
use crate::world::HeadersVerdict;
use crate::{Action, PeerId, Time};

impl PeerChain {
    /// Whether its headers are on their way or being judged.
    fn is_syncing_headers(&self, now: Time) -> bool {
        self.headers_judged > 0 || self.headers_asked.is_some_and(|asked| now.since(asked) < HEADERS_TIMEOUT)
    }
}

impl Node {
    /// Asks peers that were never asked for headers, a few at a time.
    pub(crate) fn begin_header_sync(&mut self, ctx: &mut Context<'_>) {
        let busy = self.peers.values().filter(|peer| peer.chain.is_syncing_headers(ctx.now)).count();
        let fresh = self.peers.values().filter(|peer| peer.is_ready() && !peer.chain.headers_begun);
        let next: Vec<PeerId> = fresh.map(|peer| peer.id).take(HEADER_SYNC_PEERS.saturating_sub(busy)).collect();
        for id in next {
            self.with_peer(id, |peer| peer.chain.headers_begun = true);
            // From the parent of our best header, so that a peer that is where we are shows it with one header.
            let mut locator = ctx.world.locator();
            if locator.len() > 1 {
                locator.remove(0);
            }
            self.ask_headers(ctx, id, locator);
        }
    }

    fn ask_headers(&mut self, ctx: &mut Context<'_>, id: PeerId, mut locator: Vec<BlockHash>) {
        locator.truncate(LOCATOR_MAX);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.chain.headers_asked = Some(ctx.now);
        let request =
            GetHeadersMessage { version: PROTOCOL_VERSION, locator_hashes: locator, stop_hash: BlockHash::all_zeros() };
        ctx.send(id, Message::GetHeaders(request));
    }

    /// Asks `id` how its chain goes on from ours.
    pub(crate) fn ask_headers_from_here(&mut self, ctx: &mut Context<'_>, id: PeerId) {
        self.ask_headers(ctx, id, ctx.world.locator());
    }

    pub(crate) fn headers_came(&mut self, ctx: &mut Context<'_>, id: PeerId, headers: Vec<Header>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.chain.headers_asked = None;
        let Some(last) = headers.last().map(Header::block_hash) else {
            self.begin_header_sync(ctx);
            return;
        };
        let follows = |pair: &[Header]| matches!(pair, [parent, child] if child.prev_blockhash == parent.block_hash());
        if !headers.windows(2).all(follows) {
            self.blame(ctx, id, Offence::HeadersNotContinuous);
            return;
        }
        if ctx.world.header_height(&last).is_some() {
            self.headers_accepted(ctx, id, last, headers.len());
        } else if peer.chain.headers_judged < HEADERS_JUDGED_MAX {
            peer.chain.headers_judged += 1;
            ctx.actions.push(Action::SubmitHeaders { peer: id, headers });
        }
    }

    pub(crate) fn headers_verdict(
        &mut self,
        ctx: &mut Context<'_>,
        id: PeerId,
        last: BlockHash,
        count: usize,
        verdict: HeadersVerdict,
    ) {
        self.with_peer(id, |peer| peer.chain.headers_judged = peer.chain.headers_judged.saturating_sub(1));
        match verdict {
            HeadersVerdict::Accepted => self.headers_accepted(ctx, id, last, count),
            HeadersVerdict::Unconnected => self.headers_unconnected(ctx, id),
            HeadersVerdict::Invalid { reason } => self.blame(ctx, id, Offence::InvalidHeader { reason }),
            HeadersVerdict::TooEarly => self.blame(ctx, id, Offence::TooEarly),
            HeadersVerdict::Failed { .. } => {}
        }
    }

    fn headers_accepted(&mut self, ctx: &mut Context<'_>, id: PeerId, last: BlockHash, count: usize) {
        let height = ctx.world.header_height(&last);
        self.with_peer(id, |peer| {
            peer.chain.unconnected = 0;
            if let Some(height) = height {
                peer.knows_block(height, last);
            }
        });
        if count == HEADERS_MAX {
            let mut locator = vec![last];
            locator.extend(ctx.world.locator());
            self.ask_headers(ctx, id, locator);
        }
        self.begin_header_sync(ctx);
        self.download.refresh();
        self.request_blocks(ctx);
    }

    /// Headers may come before those that they follow (a new block's, while we were away): the gap is asked for.
    fn headers_unconnected(&mut self, ctx: &mut Context<'_>, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.chain.unconnected += 1;
        let count = peer.chain.unconnected;
        if count > UNCONNECTED_HEADERS_MAX {
            self.blame(ctx, id, Offence::HeadersUnconnected { count });
        } else {
            self.ask_headers_from_here(ctx, id);
        }
    }

    pub(crate) fn blocks_announced(&mut self, ctx: &mut Context<'_>, id: PeerId, hashes: &[BlockHash]) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let mut is_news = false;
        for hash in hashes {
            match ctx.world.header_height(hash) {
                Some(height) => peer.knows_block(height, *hash),
                None => {
                    peer.chain.known.insert(*hash);
                    is_news = true;
                }
            }
        }
        if is_news {
            self.ask_headers_from_here(ctx, id);
        } else if !hashes.is_empty() {
            self.request_blocks(ctx);
        }
    }

    pub(crate) fn headers_wanted(&mut self, ctx: &mut Context<'_>, id: PeerId, request: &GetHeadersMessage) {
        let headers = ctx.world.headers_after(&request.locator_hashes, request.stop_hash, HEADERS_MAX);
        if let Some(last) = headers.last() {
            let hash = last.block_hash();
            self.with_peer(id, |peer| {
                peer.chain.known.insert(hash);
            });
        }
        ctx.send(id, Message::Headers(headers));
    }

    pub(crate) fn hashes_wanted(&mut self, ctx: &mut Context<'_>, id: PeerId, request: &GetBlocksMessage) {
        let headers = ctx.world.headers_after(&request.locator_hashes, request.stop_hash, GETBLOCKS_MAX);
        if !headers.is_empty() {
            ctx.send(id, Message::Inv(headers.iter().map(|header| Inventory::Block(header.block_hash())).collect()));
        }
    }

    pub(crate) fn new_tip(&mut self, ctx: &mut Context<'_>) {
        self.announce_tip(ctx);
        self.transactions_confirmed(ctx);
        self.request_blocks(ctx);
    }

    /// Tells peers the blocks that came to the best chain since the last announcement.
    fn announce_tip(&mut self, ctx: &mut Context<'_>) {
        let (_, tip) = ctx.world.tip();
        let announced: Vec<BlockHash> = self.announced.iter().copied().collect();
        let headers = ctx.world.headers_after(&announced, BlockHash::all_zeros(), BLOCKS_ANNOUNCED_MAX + 1);
        let goes_on = headers.first().is_some_and(|first| announced.contains(&first.prev_blockhash));
        let is_few = goes_on && headers.len() <= BLOCKS_ANNOUNCED_MAX;
        let fresh: Vec<(BlockHash, Header)> = headers.into_iter().map(|header| (header.block_hash(), header)).collect();
        if is_few {
            fresh.iter().for_each(|(hash, _)| self.announced.push_front(*hash));
        } else if self.announced.front() != Some(&tip) {
            self.announced.push_front(tip);
        }
        self.announced.truncate(ANNOUNCED_BLOCKS_REMEMBERED);
        if ctx.world.is_syncing() {
            return;
        }
        for (id, peer) in &mut self.peers {
            if peer.is_ready() && !peer.chain.known.contains(&tip) {
                ctx.send(*id, announcement(peer, tip, is_few.then_some(&fresh)));
                peer.chain.known.insert(tip);
            }
        }
    }
}

/// Headers from the first one that the peer lacks, when it likes headers and they are few; else the tip's hash.
fn announcement(peer: &mut Peer, tip: BlockHash, few: Option<&Vec<(BlockHash, Header)>>) -> Message {
    match few {
        Some(fresh) if peer.wants_headers => {
            let headers = fresh.iter().skip_while(|(hash, _)| peer.chain.known.contains(hash));
            let headers: Vec<Header> = headers.map(|(_, header)| *header).collect();
            fresh.iter().for_each(|(hash, _)| {
                peer.chain.known.insert(*hash);
            });
            Message::Headers(headers)
        }
        _ => Message::Inv(vec![Inventory::Block(tip)]),
    }
}
