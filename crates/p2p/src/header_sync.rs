//! Headers: asking for them, judging them through the server, and announcing our own.
//!
//! A new peer is asked from a locator; while its answers are full, it is asked on. Few peers are asked at a time, so that
//! a long chain does not come from all at once. Headers are kept when their chain has nearly the work of our best one;
//! before that they take two passes ([`presync`](crate::presync)).

use mycoin_primitives::bitcoin::p2p::message_blockdata::{GetBlocksMessage, GetHeadersMessage, Inventory};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{BlockHash, Header, Height, Work};

use crate::lagging::Lag;
use crate::limits::{
    ANNOUNCED_BLOCKS_REMEMBERED, BLOCKS_ANNOUNCED_MAX, GETBLOCKS_MAX, HEADER_SYNC_PEERS, HEADERS_DOWNLOAD_TIMEOUT,
    HEADERS_DOWNLOAD_TIMEOUT_PER_HEADER, HEADERS_JUDGED_MAX, HEADERS_MAX, HEADERS_RESPONSE_TIME, LOCATOR_MAX,
    PROTOCOL_VERSION, UNCONNECTED_HEADERS_MAX,
};
use crate::message::Message;
use crate::misbehavior::Offence;
use crate::node::{Context, Node};
use crate::peer::{Peer, PeerChain};
use crate::presync::{GivenUp, Presync, Taken};
use crate::world::{HeaderRun, HeadersVerdict};
use crate::{Action, DisconnectReason, PeerId, Time};

/// How far the way through a peer's headers has come.
#[derive(Debug, Default)]
pub(crate) struct HeaderSync {
    /// Its chain, while that has shown too little work.
    presync: Option<Presync>,
    /// The last header that is being judged, and the work of the chain that ends in it.
    submitted: Option<(BlockHash, Work)>,
    /// The header after which it is asked on, once that is accepted.
    goes_on: Option<BlockHash>,
    /// Whether headers were left out that followed those being judged: it is asked for them after that.
    missed: bool,
    /// When it must have come to the end of its headers.
    deadline: Option<Time>,
    /// That its chain is behind ours.
    pub(crate) lag: Option<Lag>,
    /// Whether it may fall behind.
    pub(crate) is_protected: bool,
}

impl HeaderSync {
    /// How high its headers were looked at and not kept.
    pub(crate) fn presynced(&self) -> Option<Height> {
        self.presync.as_ref().and_then(Presync::height)
    }

    /// How many headers and bits the presync holds.
    pub(crate) fn elements(&self) -> (usize, usize) {
        self.presync.as_ref().map_or((0, 0), Presync::elements)
    }
}

impl PeerChain {
    /// Whether an answer with headers is on its way.
    fn awaits_headers(&self, now: Time) -> bool {
        self.headers_asked.is_some_and(|asked| now.since(asked) < HEADERS_RESPONSE_TIME)
    }

    /// Whether its headers are on their way or being judged.
    fn is_syncing_headers(&self, now: Time) -> bool {
        self.headers_judged > 0 || self.awaits_headers(now)
    }
}

/// The work that headers claim; of equal targets it is worked out once.
fn claimed_work(base: Work, headers: &[Header]) -> Work {
    let mut last = None;
    headers.iter().fold(base, |sum, header| {
        let work = match last {
            Some((bits, work)) if bits == header.bits => work,
            _ => header.work(),
        };
        last = Some((header.bits, work));
        sum + work
    })
}

fn deadline(ctx: &Context<'_>) -> Time {
    let expected = u32::try_from(ctx.world.headers_expected(ctx.now)).unwrap_or(u32::MAX);
    ctx.now.after(HEADERS_DOWNLOAD_TIMEOUT + HEADERS_DOWNLOAD_TIMEOUT_PER_HEADER.saturating_mul(expected))
}

impl Node {
    /// Asks peers that were never asked for headers, a few at a time.
    pub(crate) fn begin_header_sync(&mut self, ctx: &mut Context<'_>) {
        let busy = self.peers.values().filter(|peer| peer.chain.is_syncing_headers(ctx.now)).count();
        let fresh = self.peers.values().filter(|peer| peer.serves_headers() && !peer.chain.headers_begun);
        let next: Vec<PeerId> = fresh.map(|peer| peer.id).take(HEADER_SYNC_PEERS.saturating_sub(busy)).collect();
        let deadline = deadline(ctx);
        for id in next {
            self.with_peer(id, |peer| {
                peer.chain.headers_begun = true;
                peer.chain.sync.deadline = Some(deadline);
            });
            // From the parent of our best header, so that a peer that is where we are shows it with one header.
            let mut locator = ctx.world.locator();
            if locator.len() > 1 {
                locator.remove(0);
            }
            self.ask_headers(ctx, id, locator);
        }
    }

    /// Lets go of peers that do not come to the end of their headers, where others may.
    pub(crate) fn check_header_sync(&mut self, ctx: &mut Context<'_>) {
        let is_late = |peer: &&Peer| peer.chain.sync.deadline.is_some_and(|deadline| deadline <= ctx.now);
        let late: Vec<PeerId> = self.peers.values().filter(is_late).map(|peer| peer.id).collect();
        for id in late {
            if self.peers.values().any(|peer| peer.id != id && peer.serves_blocks()) {
                self.drop_peer(ctx, id, DisconnectReason::HeadersTimeout);
            } else {
                // Nobody else is there: it is asked again, from the beginning.
                self.with_peer(id, |peer| {
                    peer.chain.headers_begun = false;
                    peer.chain.sync.presync = None;
                    peer.chain.sync.deadline = None;
                });
            }
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

    /// Asks `id` how its chain goes on from ours, unless an answer with headers is on its way.
    pub(crate) fn ask_headers_from_here(&mut self, ctx: &mut Context<'_>, id: PeerId) {
        let is_busy = |peer: &Peer| peer.chain.sync.presync.is_some() || peer.chain.awaits_headers(ctx.now);
        if !self.peers.get(&id).is_none_or(is_busy) {
            self.ask_headers(ctx, id, ctx.world.locator());
        }
    }

    /// Asks `id` in such a way that it answers with the header of `hash` if it has it.
    pub(crate) fn ask_headers_for(&mut self, ctx: &mut Context<'_>, id: PeerId, hash: BlockHash) {
        let header = ctx.world.headers_after(&[], hash, 1);
        let mut locator: Vec<BlockHash> = header.iter().map(|header| header.prev_blockhash).collect();
        locator.extend(ctx.world.locator());
        self.ask_headers(ctx, id, locator);
    }

    /// Asks `id` on after `last`, which may be a header that we do not keep.
    fn ask_headers_on(&mut self, ctx: &mut Context<'_>, id: PeerId, last: BlockHash) {
        let mut locator = vec![last];
        locator.extend(ctx.world.locator());
        self.ask_headers(ctx, id, locator);
    }

    pub(crate) fn headers_came(&mut self, ctx: &mut Context<'_>, id: PeerId, headers: Vec<Header>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let (Some(first), Some(last)) = (headers.first(), headers.last().map(Header::block_hash)) else {
            peer.chain.headers_asked = None;
            peer.chain.sync.presync = None;
            self.headers_ended(ctx, id);
            return;
        };
        let follows = |pair: &[Header]| matches!(pair, [parent, child] if child.prev_blockhash == parent.block_hash());
        if !headers.windows(2).all(follows) {
            self.blame(ctx, id, Offence::HeadersNotContinuous);
            return;
        }
        let parent = first.prev_blockhash;
        if let Some(presync) = peer.chain.sync.presync.take() {
            // A few headers that lead elsewhere announce a block; that comes with the headers before it.
            if presync.asks_after() != parent && headers.len() <= BLOCKS_ANNOUNCED_MAX {
                peer.chain.sync.presync = Some(presync);
                return;
            }
            peer.chain.headers_asked = None;
            if !self.presync_continued(ctx, id, presync, &headers) {
                return;
            }
        }
        self.with_peer(id, |peer| peer.chain.headers_asked = None);
        let is_full = headers.len() == HEADERS_MAX;
        if ctx.world.header_height(&last).is_some() {
            self.headers_accepted(ctx, id, last, is_full);
            return;
        }
        match self.work_at(ctx, id, &parent) {
            Some(base) => self.headers_weighed(ctx, id, parent, base, headers),
            // On an invalid block: the server says so.
            None if ctx.world.has_block(&parent) => self.submit_headers(ctx, id, headers, None),
            None => self.headers_unconnected(ctx, id),
        }
    }

    /// The work of the chain that ends in a known header, or in one of this peer's that is being judged.
    fn work_at(&self, ctx: &Context<'_>, id: PeerId, hash: &BlockHash) -> Option<Work> {
        let submitted = || self.peers.get(&id)?.chain.sync.submitted.filter(|(last, _)| last == hash);
        let known = ctx.world.foothold(hash).map(|foothold| foothold.work);
        known.or_else(|| submitted().map(|(_, work)| work))
    }

    /// Submits headers whose chain has enough work; others are looked at in two passes, or left.
    fn headers_weighed(
        &mut self,
        ctx: &mut Context<'_>,
        id: PeerId,
        parent: BlockHash,
        base: Work,
        headers: Vec<Header>,
    ) {
        // Claimed work counts only where it was done.
        let run = HeaderRun { start: parent, length: 0, ends: None };
        if let Err(reason) = ctx.world.check_work(&run, &headers) {
            self.blame(ctx, id, Offence::InvalidHeader { reason });
            return;
        }
        let (work, needed) = (claimed_work(base, &headers), ctx.world.least_work());
        if work >= needed {
            self.submit_headers(ctx, id, headers, Some(work));
            return;
        }
        let Some(foothold) = ctx.world.foothold(&parent).filter(|_| headers.len() == HEADERS_MAX) else {
            // Its chain ends here with too little work: it may be new, or have forked long ago.
            self.headers_ended(ctx, id);
            return;
        };
        let presync = Presync::new(parent, foothold, needed, ctx.now, &mut self.rng);
        self.presync_continued(ctx, id, presync, &headers);
    }

    /// Lets the presync take headers. Whether they are none of its business.
    fn presync_continued(
        &mut self,
        ctx: &mut Context<'_>,
        id: PeerId,
        mut presync: Presync,
        headers: &[Header],
    ) -> bool {
        let was_first = presync.height().is_some();
        match presync.take(headers, ctx.world) {
            Ok(Taken::More) => {
                if was_first && presync.height().is_none() {
                    let deadline = deadline(ctx);
                    self.with_peer(id, |peer| peer.chain.sync.deadline = Some(deadline));
                }
                self.ask_headers_on(ctx, id, presync.asks_after());
                self.with_peer(id, |peer| peer.chain.sync.presync = Some(presync));
            }
            // It goes on when these were accepted: no more of them wait than fit.
            Ok(Taken::Some(ready)) => {
                let last = ready.last().map(Header::block_hash);
                self.submit_headers(ctx, id, ready, None);
                self.with_peer(id, |peer| {
                    peer.chain.sync.presync = Some(presync);
                    peer.chain.sync.goes_on = last;
                });
            }
            Ok(Taken::All(ready)) => {
                let last = ready.last().map(Header::block_hash);
                self.submit_headers(ctx, id, ready, None);
                let is_full = headers.len() == HEADERS_MAX;
                self.with_peer(id, |peer| peer.chain.sync.goes_on = last.filter(|_| is_full));
            }
            Err(GivenUp::NotContinued) => return true,
            Err(GivenUp::TooLittleWork | GivenUp::TooLong) => self.headers_ended(ctx, id),
            Err(GivenUp::Switched) => self.drop_peer(ctx, id, DisconnectReason::HeadersSwitched),
            Err(GivenUp::Invalid { reason }) => self.blame(ctx, id, Offence::InvalidHeader { reason }),
        }
        false
    }

    /// Has headers judged, unless as many of this peer's are being judged as may.
    pub(crate) fn submit_headers(
        &mut self,
        ctx: &mut Context<'_>,
        id: PeerId,
        headers: Vec<Header>,
        work: Option<Work>,
    ) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(last) = headers.last().map(Header::block_hash) else { return };
        if peer.chain.headers_judged >= HEADERS_JUDGED_MAX {
            peer.chain.sync.missed = true;
            return;
        }
        peer.chain.headers_judged += 1;
        peer.chain.sync.submitted = work.map(|work| (last, work));
        peer.chain.sync.goes_on = (headers.len() == HEADERS_MAX).then_some(last);
        ctx.actions.push(Action::SubmitHeaders { peer: id, headers });
    }

    pub(crate) fn headers_verdict(
        &mut self,
        ctx: &mut Context<'_>,
        id: PeerId,
        last: BlockHash,
        verdict: HeadersVerdict,
    ) {
        let mut is_full = false;
        self.with_peer(id, |peer| {
            peer.chain.headers_judged = peer.chain.headers_judged.saturating_sub(1);
            is_full = peer.chain.sync.goes_on.take_if(|goes_on| *goes_on == last).is_some();
        });
        if verdict != HeadersVerdict::Accepted {
            self.with_peer(id, |peer| peer.chain.sync.presync = None);
        }
        self.compact_header_judged(ctx, id, last, verdict == HeadersVerdict::Accepted);
        match verdict {
            HeadersVerdict::Accepted => self.headers_accepted(ctx, id, last, is_full),
            HeadersVerdict::Unconnected => self.headers_unconnected(ctx, id),
            HeadersVerdict::Invalid { reason } => self.blame(ctx, id, Offence::InvalidHeader { reason }),
            HeadersVerdict::TooEarly => self.blame(ctx, id, Offence::TooEarly),
            HeadersVerdict::Failed { .. } => {}
        }
        let is_due = |peer: &mut Peer| peer.chain.headers_judged == 0 && std::mem::take(&mut peer.chain.sync.missed);
        if self.peers.get_mut(&id).is_some_and(is_due) {
            self.ask_headers_from_here(ctx, id);
        }
    }

    /// Headers are known now. After a full message the peer has more.
    fn headers_accepted(&mut self, ctx: &mut Context<'_>, id: PeerId, last: BlockHash, is_full: bool) {
        let height = ctx.world.header_height(&last);
        self.with_peer(id, |peer| {
            peer.chain.unconnected = 0;
            if let Some(height) = height {
                peer.knows_block(height, last);
            }
        });
        let presync = self.peers.get(&id).and_then(|peer| peer.chain.sync.presync.as_ref());
        match presync.map(Presync::asks_after) {
            Some(after) if is_full => self.ask_headers_on(ctx, id, after),
            None if is_full => self.ask_headers_on(ctx, id, last),
            Some(_) => {}
            None => self.with_peer(id, |peer| peer.chain.sync.deadline = None),
        }
        self.begin_header_sync(ctx);
        self.download.refresh();
        self.request_blocks(ctx);
    }

    /// The peer has no more headers, or none that we want.
    fn headers_ended(&mut self, ctx: &mut Context<'_>, id: PeerId) {
        self.with_peer(id, |peer| peer.chain.sync.deadline = None);
        self.begin_header_sync(ctx);
    }

    /// Headers may come before those that they follow (a new block's, while we were away): the gap is asked for.
    fn headers_unconnected(&mut self, ctx: &mut Context<'_>, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.chain.headers_judged > 0 {
            peer.chain.sync.missed = true;
            return;
        }
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
        // Up to the last one that it wants, and without that: so it is in Bitcoin Core.
        let hashes = headers.iter().map(Header::block_hash).take_while(|hash| *hash != request.stop_hash);
        let items: Vec<Inventory> = hashes.map(Inventory::Block).collect();
        if !items.is_empty() {
            ctx.send(id, Message::Inv(items));
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
        let header = fresh.last().filter(|(last, _)| is_few && *last == tip).map(|(_, header)| *header);
        let compact = header.and_then(|header| Some((self.compact_tip(ctx, &header)?, header)));
        for (id, peer) in &mut self.peers {
            if peer.is_ready() && !peer.chain.known.contains(&tip) {
                let message = match &compact {
                    Some((compact, header)) if peer.takes_compact(header) => compact.clone(),
                    _ => announcement(peer, tip, is_few.then_some(&fresh)),
                };
                ctx.send(*id, message);
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
