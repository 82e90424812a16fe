//! Blocks: which are asked of whom.
//!
//! The server names the blocks that it wants, lowest first. Each is asked of one peer at a time, of the one with the fewest
//! requests among those whose announced chain is high enough. That such a peer has this very block is a guess where
//! branches differ: `notfound` or silence moves the block to another peer and blames nobody. Peers answer in the order in
//! which they are asked, so a block that they pass over is late, whatever else they give.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::{Block, BlockHash, Height};

use crate::limits::{
    BLOCK_TIMEOUT, BLOCK_TIMEOUT_PER_PEER, BLOCK_WINDOW, BLOCKS_IN_FLIGHT_MAX, BLOCKS_IN_FLIGHT_PER_PEER,
    BLOCKS_WANTED_MAX, POSTPONED, STALLING_MAX, STALLING_MIN, STALLS_MAX,
};
use crate::message::Message;
use crate::misbehavior::Offence;
use crate::node::{Context, Node};
use crate::peer::{BlockRequest, Peer, PeerChain};
use crate::world::{BlockVerdict, HeaderRun};
use crate::{Action, DisconnectReason, PeerId, Time};

/// Blocks under way.
#[derive(Debug)]
pub(crate) struct BlockDownload {
    /// Whom each block was asked of.
    asked: BTreeMap<BlockHash, PeerId>,
    /// Blocks that came and have no verdict yet.
    judged: BTreeSet<BlockHash>,
    /// What the server wants besides, lowest first, as it last said.
    wanted: VecDeque<BlockHash>,
    /// Whether that may have changed.
    is_stale: bool,
    /// Whether it named as many as it was asked for: there are more when these are used up.
    was_full: bool,
    /// Blocks to leave alone until then.
    postponed: BTreeMap<BlockHash, Time>,
    /// How long a peer may give nothing before its blocks move to another.
    patience: Duration,
}

impl BlockDownload {
    pub(crate) fn new() -> Self {
        Self {
            asked: BTreeMap::new(),
            judged: BTreeSet::new(),
            wanted: VecDeque::new(),
            is_stale: true,
            was_full: false,
            postponed: BTreeMap::new(),
            patience: STALLING_MIN,
        }
    }

    /// The peer is gone: its blocks are free.
    pub(crate) fn release(&mut self, peer: &Peer) {
        self.asked.retain(|_, asked| *asked != peer.id);
        self.is_stale = true;
    }

    /// What is wanted may have changed.
    pub(crate) fn refresh(&mut self) {
        self.is_stale = true;
    }

    pub(crate) fn under_way(&self) -> usize {
        self.asked.len() + self.judged.len()
    }

    /// Whom the block was asked of.
    pub(crate) fn asked_of(&self, hash: &BlockHash) -> Option<PeerId> {
        self.asked.get(hash).copied()
    }

    /// How many blocks are asked for.
    pub(crate) fn asked_count(&self) -> usize {
        self.asked.len()
    }

    /// Whether the block came and has no verdict yet.
    pub(crate) fn is_judged(&self, hash: &BlockHash) -> bool {
        self.judged.contains(hash)
    }

    /// The block came.
    pub(crate) fn judge(&mut self, hash: BlockHash) {
        self.judged.insert(hash);
    }

    fn is_free(&self, hash: &BlockHash) -> bool {
        !self.asked.contains_key(hash) && !self.judged.contains(hash) && !self.postponed.contains_key(hash)
    }
}

impl Peer {
    /// Whether it may be asked for a block of that height.
    fn may_give(&self, hash: &BlockHash, height: Height) -> bool {
        self.serves_blocks()
            && self.keeps_block(height)
            && self.chain.in_flight.len() < BLOCKS_IN_FLIGHT_PER_PEER
            && self.chain.best_known.is_some_and(|(best, _)| best >= height)
            && !self.chain.lacks.contains(hash)
    }
}

/// What a peer is late with.
struct Late {
    /// How long it has given nothing, or passed one block over.
    wait: Duration,
    /// Lowest first.
    blocks: Vec<(Height, BlockHash)>,
}

impl PeerChain {
    /// Notes that the answer to `given` came before those to earlier requests.
    fn pass_over(&mut self, given: Option<BlockRequest>, now: Time) {
        let Some(given) = given else { return };
        for request in self.in_flight.values_mut() {
            if (request.at, request.height) < (given.at, given.height) {
                request.passed_over.get_or_insert(now);
            }
        }
    }

    /// What it is late with after so much patience; `None` when it is not.
    fn late(&self, now: Time, patience: Duration) -> Option<Late> {
        let oldest = self.in_flight.values().map(|request| request.at).min()?;
        let silence = now.since(oldest.max(self.last_delivery.unwrap_or_default()));
        let passed = |request: &BlockRequest| request.passed_over.map_or(Duration::ZERO, |since| now.since(since));
        let wait = self.in_flight.values().map(passed).max().unwrap_or_default().max(silence);
        let is_late = |request: &BlockRequest| silence >= patience || passed(request) >= patience;
        let late = self.in_flight.iter().filter(|(_, request)| is_late(request));
        let mut blocks: Vec<(Height, BlockHash)> = late.map(|(hash, request)| (request.height, *hash)).collect();
        blocks.sort_unstable();
        (!blocks.is_empty()).then_some(Late { wait, blocks })
    }
}

/// Whether the chain that ends in this block has too little work to be kept unasked; of an unknown parent nothing is known.
fn has_little_work(ctx: &Context<'_>, block: &Block) -> Result<bool, String> {
    let parent = block.header.prev_blockhash;
    let Some(foothold) = ctx.world.foothold(&parent) else { return Ok(false) };
    let run = HeaderRun { start: parent, length: 0, ends: None };
    ctx.world.check_work(&run, &[block.header])?;
    Ok(foothold.work + block.header.work() < ctx.world.least_work())
}

impl Node {
    /// Asks for wanted blocks wherever there is room.
    pub(crate) fn request_blocks(&mut self, ctx: &mut Context<'_>) {
        let has_room = |peer: &Peer| peer.serves_blocks() && peer.chain.in_flight.len() < BLOCKS_IN_FLIGHT_PER_PEER;
        if !self.peers.values().any(has_room) {
            return;
        }
        self.ask_what_is_wanted(ctx);
        let highest = Height::new(ctx.world.tip().0.to_u32().saturating_add(BLOCK_WINDOW));
        let mut requests = BTreeMap::new();
        let mut left = std::mem::take(&mut self.download.wanted);
        let mut passed = VecDeque::new();
        while self.download.under_way() < BLOCKS_IN_FLIGHT_MAX
            && let Some(hash) = left.pop_front()
        {
            let height = ctx.world.header_height(&hash).filter(|_| self.download.is_free(&hash));
            let Some(height) = height else { continue };
            match self.giver(&hash, height, None).filter(|_| height <= highest) {
                Some(id) => {
                    self.assign(ctx.now, hash, height, id);
                    requests.entry(id).or_insert_with(Vec::new).push(Inventory::WitnessBlock(hash));
                }
                None => {
                    passed.push_back(hash);
                    if height > highest || !self.peers.values().any(has_room) {
                        break;
                    }
                }
            }
        }
        passed.append(&mut left);
        self.download.wanted = passed;
        for (id, mut items) in requests {
            if let [Inventory::WitnessBlock(hash)] = items[..] {
                items = vec![self.item_for_block(ctx, id, hash)];
            }
            ctx.send(id, Message::GetData(items));
        }
    }

    /// Lets the server name the blocks that it wants, when that may have changed: it costs a walk through its index.
    fn ask_what_is_wanted(&mut self, ctx: &Context<'_>) {
        let download = &mut self.download;
        let is_used_up = download.wanted.is_empty() && download.was_full;
        if !download.is_stale && !is_used_up {
            return;
        }
        download.postponed.retain(|_, until| *until > ctx.now);
        let wanted = ctx.world.blocks_wanted(BLOCKS_WANTED_MAX);
        download.is_stale = false;
        download.was_full = wanted.len() >= BLOCKS_WANTED_MAX;
        download.wanted = wanted.into_iter().filter(|hash| download.is_free(hash)).collect();
    }

    /// The peer to ask: one that is known to have the block before others, then the one with the fewest requests.
    fn giver(&self, hash: &BlockHash, height: Height, except: Option<PeerId>) -> Option<PeerId> {
        self.giver_besides(hash, height, &except.into_iter().collect())
    }

    pub(crate) fn giver_besides(&self, hash: &BlockHash, height: Height, except: &BTreeSet<PeerId>) -> Option<PeerId> {
        let givers = self.peers.values().filter(|peer| !except.contains(&peer.id) && peer.may_give(hash, height));
        let best = givers.min_by_key(|peer| (!peer.chain.known.contains(hash), peer.chain.in_flight.len(), peer.id));
        best.map(|peer| peer.id)
    }

    pub(crate) fn assign(&mut self, now: Time, hash: BlockHash, height: Height, id: PeerId) {
        self.download.asked.insert(hash, id);
        self.with_peer(id, |peer| {
            peer.chain.in_flight.insert(hash, BlockRequest { at: now, passed_over: None, height });
        });
    }

    /// Takes a request back.
    pub(crate) fn unassign(&mut self, hash: &BlockHash) {
        if let Some(id) = self.download.asked.remove(hash) {
            self.with_peer(id, |peer| {
                peer.chain.in_flight.remove(hash);
            });
        }
    }

    pub(crate) fn block_came(&mut self, ctx: &mut Context<'_>, id: PeerId, block: Arc<Block>) {
        let hash = block.block_hash();
        let was_asked = self.download.asked.get(&hash) == Some(&id);
        let request = self.peers.get(&id).and_then(|peer| peer.chain.in_flight.get(&hash)).copied();
        self.unassign(&hash);
        self.with_peer(id, |peer| {
            peer.chain.known.insert(hash);
            if was_asked {
                peer.chain.last_delivery = Some(ctx.now);
                peer.chain.stalls = 0;
                peer.chain.pass_over(request, ctx.now);
            }
        });
        if was_asked {
            self.download.patience = (self.download.patience * 17 / 20).max(STALLING_MIN);
        }
        let is_news = !self.download.judged.contains(&hash) && !ctx.world.has_block(&hash);
        // What nobody asked for is taken while it is cheap: peers may push a block that they mined.
        let has_room = self.download.judged.len() < BLOCKS_IN_FLIGHT_PER_PEER;
        if is_news && (was_asked || has_room) {
            let is_cheap = match has_little_work(ctx, &block) {
                Ok(has_little) => has_little && !was_asked,
                Err(reason) => return self.blame(ctx, id, Offence::InvalidHeader { reason }),
            };
            if is_cheap {
                // It would fill the disk for nothing, as low-work headers would.
            } else if ctx.world.header_height(&block.header.prev_blockhash).is_some() {
                self.download.judged.insert(hash);
                self.announce_whole_early(ctx, &block);
                ctx.actions.push(Action::SubmitBlock { peer: id, block: block.into() });
            } else {
                self.ask_headers_from_here(ctx, id);
            }
        }
        self.request_blocks(ctx);
    }

    pub(crate) fn block_verdict(&mut self, ctx: &mut Context<'_>, id: PeerId, hash: BlockHash, verdict: BlockVerdict) {
        self.download.judged.remove(&hash);
        let is_compact = self.compact_judged(&hash);
        if verdict != BlockVerdict::Accepted {
            self.download.refresh();
        }
        match verdict {
            BlockVerdict::Accepted => {
                let height = ctx.world.header_height(&hash);
                self.with_peer(id, |peer| {
                    peer.chain.last_block = Some(ctx.now);
                    if let Some(height) = height {
                        peer.knows_block(height, hash);
                    }
                });
                self.compact_settled(ctx, &hash);
                self.block_connected_from(ctx, id, &hash);
            }
            BlockVerdict::AlreadyKnown => self.compact_settled(ctx, &hash),
            BlockVerdict::Invalid { reason } => {
                // The server no longer wants it; should it still name it, nobody is asked in a circle.
                self.postpone(ctx, hash);
                self.compact_settled(ctx, &hash);
                if !is_compact {
                    self.blame(ctx, id, Offence::InvalidBlock { reason });
                }
            }
            BlockVerdict::Mutated { .. } if is_compact => self.compact_mutated(id, hash),
            BlockVerdict::Mutated { reason } => self.blame(ctx, id, Offence::MutatedBlock { reason }),
            BlockVerdict::RetryLater | BlockVerdict::Failed { .. } => self.postpone(ctx, hash),
            BlockVerdict::UnknownParent => {
                self.postpone(ctx, hash);
                self.ask_headers_from_here(ctx, id);
            }
        }
        self.serve_judged(ctx, hash);
        self.request_blocks(ctx);
    }

    fn postpone(&mut self, ctx: &Context<'_>, hash: BlockHash) {
        self.download.postponed.insert(hash, ctx.now.after(POSTPONED));
    }

    pub(crate) fn block_not_found(&mut self, id: PeerId, hash: BlockHash) {
        if self.download.asked.get(&hash) == Some(&id) {
            self.unassign(&hash);
            self.download.refresh();
            self.with_peer(id, |peer| {
                peer.chain.lacks.insert(hash);
            });
        }
    }

    /// Moves blocks away from peers that give none of those they were asked for, or pass one over.
    pub(crate) fn move_stalled_blocks(&mut self, ctx: &mut Context<'_>) {
        let patience = self.download.patience;
        let slow: Vec<(PeerId, Late)> =
            self.peers.values().filter_map(|peer| Some((peer.id, peer.chain.late(ctx.now, patience)?))).collect();
        for (id, late) in slow {
            if self.move_blocks_of(ctx, id, late.blocks) > 0 {
                self.download.patience = (self.download.patience * 2).min(STALLING_MAX);
            }
            let stalls = self.peers.get(&id).map_or(0, |peer| peer.chain.stalls);
            let others = self.peers.values().filter(|peer| peer.id != id && !peer.chain.in_flight.is_empty()).count();
            let others = u32::try_from(others).unwrap_or(u32::MAX);
            let timeout = BLOCK_TIMEOUT + BLOCK_TIMEOUT_PER_PEER.saturating_mul(others);
            if stalls >= STALLS_MAX || late.wait >= timeout {
                self.drop_peer(ctx, id, DisconnectReason::Stalling);
            }
        }
    }

    /// Asks others for blocks that `from` is late with; those that nobody else has stay. Returns how many moved.
    fn move_blocks_of(&mut self, ctx: &mut Context<'_>, from: PeerId, late: Vec<(Height, BlockHash)>) -> usize {
        let mut requests = BTreeMap::new();
        let mut moved = 0;
        for (height, hash) in late {
            let Some(to) = self.giver(&hash, height, Some(from)) else { continue };
            self.unassign(&hash);
            self.with_peer(from, |peer| {
                peer.chain.lacks.insert(hash);
                peer.chain.stalls += 1;
            });
            self.assign(ctx.now, hash, height, to);
            requests.entry(to).or_insert_with(Vec::new).push(Inventory::WitnessBlock(hash));
            moved += 1;
        }
        for (to, items) in requests {
            ctx.send(to, Message::GetData(items));
        }
        moved
    }

    /// Once in a while everybody may be asked for everything again: a peer that lacked a block may have it by now.
    pub(crate) fn forgive_missing_blocks(&mut self) {
        self.peers.values_mut().for_each(|peer| peer.chain.lacks.clear());
    }
}
