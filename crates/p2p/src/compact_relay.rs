//! Compact blocks between peers (BIP152): who announces by them, how blocks come by them, and when that is given up.
//!
//! The three peers that were the last to give new blocks announce the next ones by compact blocks unasked (high bandwidth);
//! of others they are asked for. What is missing is asked for once; what then does not fit is asked for whole.
//!
//! One block may come from several peers at a time: the first one's request stands in `block_download`, which watches over
//! it; the others' stand here alone, and nobody waits for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mycoin_primitives::bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds};
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::{BlockHash, Header, Height, Transaction, Work, Wtxid};

use crate::compact::{self, CompactError, Names, Reconstruction, WholeBlock};
use crate::compact_serve::{Latest, is_within};
use crate::limits::{
    BLOCKS_IN_FLIGHT_PER_PEER, BLOCKS_WANTED_MAX, COMPACT_AHEAD_MAX, COMPACT_DEPTH_MAX, COMPACT_DOWNLOADS_PER_BLOCK,
    EXTRA_TRANSACTION_WEIGHT_MAX, EXTRA_TRANSACTIONS_MAX, HEADERS_JUDGED_MAX, TIP_BLOCK_PATIENCE, TIP_BLOCK_TRIES_MAX,
};
use crate::message::Message;
use crate::misbehavior::Offence;
use crate::node::{Context, Node};
use crate::peer::Peer;
use crate::world::HeaderRun;
use crate::{Action, PeerId};

/// What was said about compact blocks between this peer and us.
#[derive(Debug, Default)]
pub(crate) struct PeerCompact {
    /// It gives compact blocks of version 2.
    pub(crate) provides: bool,
    /// It wants to be told of new blocks by them, at once.
    pub(crate) wants: bool,
    /// We asked it to tell us so.
    pub(crate) announces: bool,
}

/// A compact block of one peer.
#[derive(Debug)]
enum Download {
    /// The rest was asked for.
    Waiting(Reconstruction),
    /// It did not become the block: from this peer only the whole one will do.
    Failed,
}

/// Compact blocks under way.
#[derive(Debug, Default)]
pub(crate) struct CompactRelay {
    /// Those whose header is being judged.
    waiting: BTreeMap<(PeerId, BlockHash), Arc<HeaderAndShortIds>>,
    downloads: BTreeMap<(BlockHash, PeerId), Download>,
    /// Whom a block of the tip was asked of before, and who was too late with it.
    late: BTreeMap<BlockHash, BTreeSet<PeerId>>,
    /// Blocks that were put together here and have no verdict yet: nobody is blamed for them.
    judged: BTreeMap<BlockHash, PeerId>,
    /// The last one of these, until it is the tip: its transactions need not be named again then.
    last_judged: Option<WholeBlock>,
    /// Whom we asked to announce by compact blocks, in the order in which they last gave a new one.
    pub(crate) announcers: VecDeque<PeerId>,
    /// Transactions that came lately and are not in the mempool.
    extra: VecDeque<(Names, Arc<Transaction>)>,
    /// The height of the latest block that was announced before its verdict.
    pub(crate) announced_early: Height,
    pub(crate) served: Latest,
}

impl CompactRelay {
    pub(crate) fn under_way(&self) -> usize {
        self.waiting.len() + self.downloads.len() + self.late.len() + self.judged.len()
    }

    /// Keeps a transaction that the mempool does not take: a block may have it nevertheless.
    ///
    /// Source: Bitcoin Core `AddToCompactExtraTransactions`, net_processing.cpp.
    pub(crate) fn keep_extra(&mut self, wtxid: Wtxid, transaction: &Arc<Transaction>) {
        let is_here = self.extra.iter().any(|((_, known), _)| *known == wtxid);
        if is_here || transaction.weight().to_wu() > EXTRA_TRANSACTION_WEIGHT_MAX {
            return;
        }
        self.extra.push_back(((transaction.compute_txid(), wtxid), Arc::clone(transaction)));
        if self.extra.len() > EXTRA_TRANSACTIONS_MAX {
            self.extra.pop_front();
        }
    }

    /// The peer is gone.
    pub(crate) fn release(&mut self, id: PeerId) {
        self.waiting.retain(|(peer, _), _| *peer != id);
        self.downloads.retain(|(_, peer), _| *peer != id);
        self.announcers.retain(|peer| *peer != id);
    }

    /// The block is here, or will never be.
    fn forget(&mut self, hash: &BlockHash) {
        self.downloads.retain(|(known, _), _| known != hash);
        self.late.remove(hash);
    }

    fn is_late(&self, hash: &BlockHash, id: PeerId) -> bool {
        self.late.get(hash).is_some_and(|late| late.contains(&id))
    }

    /// Who is asked for the rest of the block, those who are too late with it left out.
    fn asked_for_rest<'a>(&'a self, hash: &'a BlockHash) -> impl Iterator<Item = PeerId> + 'a {
        let all = self
            .downloads
            .iter()
            .filter(move |((known, _), download)| known == hash && matches!(download, Download::Waiting(_)));
        all.map(|((_, id), _)| *id).filter(move |id| !self.is_late(hash, *id))
    }
}

impl Node {
    pub(crate) fn send_compact_came(&mut self, id: PeerId, wants: bool, version: u64) {
        if version == compact::VERSION {
            self.with_peer(id, |peer| {
                peer.compact.provides = true;
                peer.compact.wants = wants;
            });
        }
    }

    pub(crate) fn compact_block_came(&mut self, ctx: &mut Context<'_>, id: PeerId, compact: Arc<HeaderAndShortIds>) {
        let hash = compact.header.block_hash();
        if ctx.world.is_syncing() || !self.peers.get(&id).is_some_and(|peer| peer.compact.provides) {
            return;
        }
        let Some(work) = self.compact_work(ctx, id, &compact.header) else { return };
        let is_invalid = ctx.world.has_block(&hash) && ctx.world.header_height(&hash).is_none();
        if is_invalid {
            // Whoever relays before validation (BIP152) may have sent it in good faith.
            return;
        }
        if ctx.world.header_height(&hash).is_some() {
            self.begin_compact(ctx, id, hash, &compact);
        } else {
            let headers = vec![compact.header];
            let has_place = self.peers.get(&id).is_some_and(|peer| peer.chain.headers_judged < HEADERS_JUDGED_MAX);
            if has_place && self.is_compact_expected(id, &hash) {
                self.compact.waiting.insert((id, hash), compact);
            }
            self.submit_headers(ctx, id, headers, work);
        }
    }

    /// Whether a compact block's header is worth being judged, and the work of the chain that ends in it, as far as that is
    /// known. What is wrong with it is dealt with.
    fn compact_work(&mut self, ctx: &mut Context<'_>, id: PeerId, header: &Header) -> Option<Option<Work>> {
        let Some(parent) = ctx.world.foothold(&header.prev_blockhash) else {
            // The parent came a moment ago, and its header is being judged: this one is, after it.
            if self.peers.get(&id).is_some_and(|peer| peer.chain.headers_judged > 0) {
                return Some(None);
            }
            self.ask_headers_from_here(ctx, id);
            return None;
        };
        let run = HeaderRun { start: header.prev_blockhash, length: 0, ends: None };
        if let Err(reason) = ctx.world.check_work(&run, std::slice::from_ref(header)) {
            self.blame(ctx, id, Offence::InvalidHeader { reason });
            return None;
        }
        let work = parent.work + header.work();
        (work >= ctx.world.least_work()).then_some(Some(work))
    }

    /// A header was judged; if it came with a compact block, that is put together now.
    pub(crate) fn compact_header_judged(&mut self, ctx: &mut Context<'_>, id: PeerId, hash: BlockHash, is_valid: bool) {
        let Some(compact) = self.compact.waiting.remove(&(id, hash)) else { return };
        if is_valid {
            self.begin_compact(ctx, id, hash, &compact);
        }
    }

    /// Whether the peer was asked for that block, or for all new ones.
    fn is_compact_expected(&self, id: PeerId, hash: &BlockHash) -> bool {
        self.is_asked_for(id, hash) || self.peers.get(&id).is_some_and(|peer| peer.compact.announces)
    }

    fn is_asked_for(&self, id: PeerId, hash: &BlockHash) -> bool {
        self.download.asked_of(hash) == Some(id) || self.compact.is_late(hash, id)
    }

    /// The header is valid; the block is put together as far as it goes.
    fn begin_compact(&mut self, ctx: &mut Context<'_>, id: PeerId, hash: BlockHash, compact: &HeaderAndShortIds) {
        let Some(height) = ctx.world.header_height(&hash) else { return };
        self.with_peer(id, |peer| peer.knows_block(height, hash));
        if ctx.world.has_block(&hash) || self.download.is_judged(&hash) {
            return;
        }
        let is_next = height.to_u32() <= ctx.world.tip().0.to_u32().saturating_add(COMPACT_AHEAD_MAX);
        if !is_next || !self.is_compact_expected(id, &hash) {
            if self.download.asked_of(&hash) == Some(id) {
                ctx.send(id, Message::GetData(vec![Inventory::WitnessBlock(hash)]));
            }
            self.download.refresh();
            self.request_blocks(ctx);
            return;
        }
        let is_tried = self.compact.downloads.contains_key(&(hash, id));
        if is_tried || !ctx.world.blocks_wanted(BLOCKS_WANTED_MAX).contains(&hash) {
            return;
        }
        match self.reconstruct(ctx, compact) {
            Ok(found) if found.missing().is_empty() => self.finish_compact(ctx, id, hash, found, Vec::new()),
            Ok(found) => self.ask_for_rest(ctx, id, hash, height, found),
            Err(error) => {
                self.claim(ctx, id, hash, height);
                self.compact_failed(ctx, id, hash, error);
            }
        }
    }

    fn reconstruct(&self, ctx: &Context<'_>, compact: &HeaderAndShortIds) -> Result<Reconstruction, CompactError> {
        let extra = &self.compact.extra;
        Reconstruction::begin(compact, |visit| {
            let mut is_done = false;
            ctx.world.mempool_transactions(&mut |names, transaction| {
                let flow = visit(names, transaction);
                is_done = flow.is_break();
                flow
            });
            if !is_done {
                let _ = extra.iter().try_for_each(|(names, transaction)| visit(names, transaction));
            }
        })
    }

    /// Makes `id` the one who was asked for the block, when nobody is.
    fn claim(&mut self, ctx: &Context<'_>, id: PeerId, hash: BlockHash, height: Height) {
        if self.download.asked_of(&hash).is_none() {
            self.assign(ctx.now, hash, height, id);
        }
    }

    /// Asks for the transactions that are missing, if this peer is the first with the block or one of few.
    fn ask_for_rest(
        &mut self,
        ctx: &mut Context<'_>,
        id: PeerId,
        hash: BlockHash,
        height: Height,
        found: Reconstruction,
    ) {
        if !self.is_asked_for(id, &hash) && !self.has_place_for(id, &hash) {
            return;
        }
        self.claim(ctx, id, hash, height);
        let request = BlockTransactionsRequest { block_hash: hash, indexes: found.missing() };
        self.compact.downloads.insert((hash, id), Download::Waiting(found));
        ctx.send(id, Message::GetBlockTransactions(request));
    }

    /// Whether one more peer may be asked for the block; the last place is for one that we chose to connect with, unless
    /// such a one is asked already: others may have come in order to be slow.
    fn has_place_for(&self, id: PeerId, hash: &BlockHash) -> bool {
        let Some(peer) = self.peers.get(&id) else { return false };
        let mut asked: BTreeSet<PeerId> = self.compact.asked_for_rest(hash).collect();
        asked.extend(self.download.asked_of(hash));
        let is_outbound = |id: &PeerId| self.peers.get(id).is_some_and(|peer| !peer.is_inbound());
        let limit = if !peer.is_inbound() || asked.iter().any(is_outbound) {
            COMPACT_DOWNLOADS_PER_BLOCK
        } else {
            COMPACT_DOWNLOADS_PER_BLOCK - 1
        };
        // The first one is asked whoever it is.
        let besides = self.compact.downloads.keys().filter(|(_, other)| *other == id).count();
        (asked.is_empty() || asked.len() < limit) && peer.chain.in_flight.len() + besides < BLOCKS_IN_FLIGHT_PER_PEER
    }

    pub(crate) fn block_transactions_came(&mut self, ctx: &mut Context<'_>, id: PeerId, given: BlockTransactions) {
        let hash = given.block_hash;
        match self.compact.downloads.remove(&(hash, id)) {
            Some(Download::Waiting(found)) => self.finish_compact(ctx, id, hash, found, given.transactions),
            Some(Download::Failed) => {
                self.give_up(id, &hash);
                self.blame(ctx, id, Offence::BlockTransactionsRepeated);
            }
            // The block is complete, or it was never asked for: nothing is touched (CVE-2024-35202).
            None => {}
        }
    }

    fn finish_compact(
        &mut self,
        ctx: &mut Context<'_>,
        id: PeerId,
        hash: BlockHash,
        found: Reconstruction,
        rest: Vec<Transaction>,
    ) {
        match found.fill(rest) {
            Ok(whole) => self.judge_compact(ctx, id, hash, whole),
            Err(error) => self.compact_failed(ctx, id, hash, error),
        }
    }

    fn judge_compact(&mut self, ctx: &mut Context<'_>, id: PeerId, hash: BlockHash, whole: WholeBlock) {
        if self.download.is_judged(&hash) || ctx.world.has_block(&hash) {
            return;
        }
        self.give_up(id, &hash);
        self.with_peer(id, |peer| {
            peer.chain.last_delivery = Some(ctx.now);
            peer.chain.stalls = 0;
        });
        self.download.judge(hash);
        self.compact.judged.insert(hash, id);
        let block = whole.block.clone();
        if self.may_announce_early(ctx, block.header()) {
            self.announce_early(ctx, whole);
        } else {
            self.compact.last_judged = Some(whole);
        }
        ctx.actions.push(Action::SubmitBlock { peer: id, block });
    }

    /// It did not become a block: by the sender's fault, or by chance; then the whole block is asked for where it counts.
    fn compact_failed(&mut self, ctx: &mut Context<'_>, id: PeerId, hash: BlockHash, error: CompactError) {
        if error.is_senders_fault() {
            self.give_up(id, &hash);
            self.blame(ctx, id, Offence::InvalidCompactBlock { error });
            return;
        }
        self.compact.downloads.insert((hash, id), Download::Failed);
        if self.download.asked_of(&hash) == Some(id) {
            ctx.send(id, Message::GetData(vec![Inventory::WitnessBlock(hash)]));
        }
    }

    /// The block no longer comes from this peer.
    fn give_up(&mut self, id: PeerId, hash: &BlockHash) {
        self.compact.downloads.remove(&(*hash, id));
        if self.download.asked_of(hash) == Some(id) {
            self.unassign(hash);
        }
    }

    /// A block has a verdict. Gives whether it was put together here: then nobody is to blame, for compact blocks may be
    /// relayed before they are judged, and their short ids may fit other transactions.
    pub(crate) fn compact_judged(&mut self, hash: &BlockHash) -> bool {
        self.compact.judged.remove(hash).is_some()
    }

    /// The block that is the tip now, from memory if that can be.
    pub(crate) fn whole_tip(&mut self, ctx: &Context<'_>) -> Option<WholeBlock> {
        let hash = ctx.world.tip().1;
        let judged = self.compact.last_judged.take().filter(|whole| whole.block.block_hash() == hash);
        judged
            .or_else(|| self.compact.served.whole(&hash).cloned())
            .or_else(|| ctx.world.block(&hash).map(WholeBlock::trust))
    }

    /// What was put together is not the block: this peer is asked for the whole one, if it is asked again.
    pub(crate) fn compact_mutated(&mut self, id: PeerId, hash: BlockHash) {
        if self.peers.contains_key(&id) {
            self.compact.downloads.insert((hash, id), Download::Failed);
        }
    }

    /// The block is here or invalid: nobody needs to give it, nor what lies deep by now.
    pub(crate) fn compact_settled(&mut self, ctx: &Context<'_>, hash: &BlockHash) {
        self.compact.forget(hash);
        self.compact.downloads.retain(|(known, _), _| is_within(ctx.world, known, COMPACT_DEPTH_MAX));
        self.unassign(hash);
    }

    /// The item by which `id` is asked for one block alone: at the tip, with few others under way, by a compact one.
    ///
    /// Source: Bitcoin Core `HeadersDirectFetchBlocks`, net_processing.cpp.
    pub(crate) fn item_for_block(&self, ctx: &Context<'_>, id: PeerId, hash: BlockHash) -> Inventory {
        let has_failed = self.compact.downloads.contains_key(&(hash, id));
        let provides = self.peers.get(&id).is_some_and(|peer| peer.compact.provides);
        let is_next = ctx.world.header_height(&hash).is_some_and(|height| is_next(ctx, height, 1));
        if provides && is_next && !has_failed && self.download.asked_count() == 1 && !ctx.world.is_syncing() {
            Inventory::CompactBlock(hash)
        } else {
            Inventory::WitnessBlock(hash)
        }
    }

    /// Asks another peer for a block of the tip that somebody keeps back, and soon, for the whole network waits for it
    /// (CVE-2024-52922). What the slow ones send still counts.
    pub(crate) fn hurry_tip_blocks(&mut self, ctx: &mut Context<'_>) {
        self.compact.late.retain(|hash, _| self.download.asked_of(hash).is_some());
        if ctx.world.is_syncing() {
            return;
        }
        let is_due = |peer: &Peer| {
            let due = peer.chain.in_flight.iter().filter(|(_, request)| {
                is_next(ctx, request.height, COMPACT_AHEAD_MAX) && ctx.now.since(request.at) >= TIP_BLOCK_PATIENCE
            });
            due.map(|(hash, request)| (*hash, request.height, peer.id)).collect::<Vec<_>>()
        };
        let due: Vec<(BlockHash, Height, PeerId)> = self.peers.values().flat_map(is_due).collect();
        for (hash, height, from) in due {
            let mut tried = self.compact.late.get(&hash).cloned().unwrap_or_default();
            if tried.len() >= TIP_BLOCK_TRIES_MAX {
                continue;
            }
            tried.insert(from);
            tried.extend(self.compact.downloads.keys().filter(|(known, _)| *known == hash).map(|(_, id)| *id));
            let Some(to) = self.giver_besides(&hash, height, &tried) else { continue };
            // Those who announced it and say no more are as late as the one who was asked first.
            self.compact.late.entry(hash).or_default().extend(tried);
            self.unassign(&hash);
            self.assign(ctx.now, hash, height, to);
            let item = self.item_for_block(ctx, to, hash);
            ctx.send(to, Message::GetData(vec![item]));
        }
    }
}

/// Whether the height is at most `ahead` above the tip.
fn is_next(ctx: &Context<'_>, height: Height, ahead: u32) -> bool {
    height.to_u32() <= ctx.world.tip().0.to_u32().saturating_add(ahead)
}
