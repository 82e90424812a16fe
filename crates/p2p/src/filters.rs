//! Compact block filters (BIP157, BIP158), for light clients, where the server keeps an index of them.
//!
//! In:    requests for filters, their headers and their checkpoints; rows of the server's index.
//! Out:   answers, or the offence of whoever asks for what is not offered; no answer about blocks beside the best chain.
//! Never: many filters in one go: the peer reads a megabyte of them, or a hundred, before it gets more.
//!
//! Source: Bitcoin Core `PeerManagerImpl::PrepareBlockFilterRequest` and its callers, net_processing.cpp; BIP157.

use mycoin_primitives::BlockHash;
use mycoin_primitives::bitcoin::bip158::FilterHeader;
use mycoin_primitives::bitcoin::p2p::message_filter::{
    CFCheckpt, CFHeaders, CFilter, GetCFCheckpt, GetCFHeaders, GetCFilters,
};
use mycoin_primitives::hashes::Hash as _;

use crate::limits::{
    FILTER_CHECKPOINT_INTERVAL, FILTER_HEADERS_MAX, FILTERS_AT_ONCE, FILTERS_MAX, FILTERS_WAITING_MAX, SERVED_AT_ONCE,
};
use crate::message::Message;
use crate::misbehavior::{FilterProblem, Offence};
use crate::node::{Context, Node};
use crate::peer::Peer;
use crate::world::FilterRow;
use crate::{PeerId, World};

/// The only kind of filter that there is. Source: BIP158.
const BASIC: u8 = 0;

/// Finds where a request ends, by Bitcoin Core's checks in their order.
fn stop_height(
    world: &dyn World,
    filter_type: u8,
    start: u32,
    stop: &BlockHash,
    limit: u32,
) -> Result<u32, FilterProblem> {
    if filter_type != BASIC || !world.serves_filters() {
        return Err(FilterProblem::NotServed { filter_type });
    }
    let end = world.header_height(stop).ok_or(FilterProblem::UnknownBlock { hash: *stop })?.to_u32();
    match end.checked_sub(start) {
        None => Err(FilterProblem::Backwards { start, end }),
        Some(distance) if distance >= limit => Err(FilterProblem::TooMany { count: u64::from(distance) + 1, limit }),
        Some(_) => Ok(end),
    }
}

/// The rows at these heights, when the last of them is `stop`.
fn rows_to(world: &dyn World, heights: &[u32], stop: &BlockHash) -> Option<Vec<FilterRow>> {
    world.filter_rows(heights).filter(|rows| rows.last().is_some_and(|row| row.block == *stop))
}

impl Node {
    pub(crate) fn filters_wanted(&mut self, ctx: &mut Context<'_>, id: PeerId, request: &GetCFilters) {
        let GetCFilters { filter_type, start_height: start, stop_hash: stop } = request;
        let end = match stop_height(ctx.world, *filter_type, *start, stop, FILTERS_MAX) {
            Ok(end) => end,
            Err(problem) => return self.blame(ctx, id, Offence::FilterRequest { problem }),
        };
        let heights: Vec<u32> = (*start..=end).collect();
        let Some(rows) = rows_to(ctx.world, &heights, stop) else { return };
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.filters.len() + rows.len() > FILTERS_WAITING_MAX {
            return self.blame(ctx, id, Offence::TooManyRequests { limit: FILTERS_WAITING_MAX });
        }
        peer.filters.extend(rows.into_iter().map(|row| row.block));
        self.serve(ctx, id);
    }

    pub(crate) fn filter_headers_wanted(&mut self, ctx: &mut Context<'_>, id: PeerId, request: &GetCFHeaders) {
        let GetCFHeaders { filter_type, start_height: start, stop_hash: stop } = request;
        let end = match stop_height(ctx.world, *filter_type, *start, stop, FILTER_HEADERS_MAX) {
            Ok(end) => end,
            Err(problem) => return self.blame(ctx, id, Offence::FilterRequest { problem }),
        };
        // With the one before the first, whose header is told.
        let heights: Vec<u32> = (start.saturating_sub(1)..=end).collect();
        let Some(rows) = rows_to(ctx.world, &heights, stop) else { return };
        let before = rows.first().filter(|_| *start > 0).map_or(FilterHeader::all_zeros(), |row| row.header);
        let asked = rows.iter().skip(usize::from(*start > 0));
        ctx.send(
            id,
            Message::CFHeaders(CFHeaders {
                filter_type: *filter_type,
                stop_hash: *stop,
                previous_filter_header: before,
                filter_hashes: asked.map(|row| row.filter).collect(),
            }),
        );
    }

    pub(crate) fn filter_checkpoints_wanted(&mut self, ctx: &mut Context<'_>, id: PeerId, request: &GetCFCheckpt) {
        let GetCFCheckpt { filter_type, stop_hash: stop } = request;
        let end = match stop_height(ctx.world, *filter_type, 0, stop, u32::MAX) {
            Ok(end) => end,
            Err(problem) => return self.blame(ctx, id, Offence::FilterRequest { problem }),
        };
        let interval = FILTER_CHECKPOINT_INTERVAL;
        let heights: Vec<u32> = (1..=end / interval).map(|number| number * interval).chain([end]).collect();
        let Some(mut rows) = rows_to(ctx.world, &heights, stop) else { return };
        rows.pop();
        ctx.send(
            id,
            Message::CFCheckpt(CFCheckpt {
                filter_type: *filter_type,
                stop_hash: *stop,
                filter_headers: rows.into_iter().map(|row| row.header).collect(),
            }),
        );
    }
}

/// Gives `peer` filters that it waits for, after `bytes` of other things; whether it got any.
pub(crate) fn serve_filters(ctx: &mut Context<'_>, peer: &mut Peer, mut bytes: usize) -> bool {
    let mut served = false;
    for _ in 0..FILTERS_AT_ONCE {
        if bytes >= SERVED_AT_ONCE {
            break;
        }
        let Some(block_hash) = peer.filters.pop_front() else { break };
        // It may have left the best chain.
        if let Some(filter) = ctx.world.filter(&block_hash) {
            bytes += filter.len();
            served = true;
            ctx.send(peer.id, Message::CFilter(CFilter { filter_type: BASIC, block_hash, filter }));
        }
    }
    served
}
