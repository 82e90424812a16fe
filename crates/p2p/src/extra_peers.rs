//! Connections beyond the usual number: to look for a better chain, and to be found by none.
//!
//! When no block came for half an hour, we may be cut off from those who have them: one more peer is asked. Now and then a
//! connection for blocks alone is made with somebody new, in any case. As many as there are too many go soon: of the ones for
//! everything whoever announced no block for the longest, of the ones for blocks the younger of the last two, unless it gave
//! a block since the older one did.
//!
//! Source: Bitcoin Core `CheckForStaleTipAndEvictPeers`, `EvictExtraOutboundPeers`, net_processing.cpp;
//! `ThreadOpenConnections`, net.cpp.

use std::cmp::Reverse;

use mycoin_primitives::BlockHash;
use rand::rngs::StdRng;

use crate::address_manager::{Reach, reach};
use crate::announcing::exponential;
use crate::dialer::Dialer;
use crate::limits::{
    EXTRA_BLOCK_ONLY_INTERVAL, EXTRA_PEER_CHECK_INTERVAL, EXTRA_PEER_TIME_MIN, FEELERS_MAX, OUTBOUND_BLOCK_ONLY_MAX,
    OUTBOUND_FULL_MAX, STALE_TIP, STALE_TIP_CHECK_INTERVAL,
};
use crate::node::{Context, Node};
use crate::peer::Peer;
use crate::{ConnectionKind, DisconnectReason, PeerId, Time};

/// When extra connections are made and looked at.
#[derive(Debug)]
pub(crate) struct ExtraPeers {
    /// When the tip last moved.
    tip_moved: Time,
    /// When it is next asked whether that is too long ago …
    next_stale_check: Time,
    /// … and when peers that are too many go.
    next_eviction: Time,
    /// Whether one more peer for everything is looked for.
    is_wanted: bool,
    /// When somebody new is next asked for blocks; `None` until we have caught up.
    next_block_only: Option<Time>,
}

impl ExtraPeers {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            tip_moved: now,
            next_stale_check: now.after(STALE_TIP_CHECK_INTERVAL),
            next_eviction: now.after(EXTRA_PEER_CHECK_INTERVAL),
            is_wanted: false,
            next_block_only: None,
        }
    }

    pub(crate) fn tip_moved(&mut self, now: Time) {
        self.tip_moved = now;
    }

    /// What the next extra connection is for, if it is time for one and there is a place: extra ones and feelers share it.
    pub(crate) fn next(&mut self, dialer: &Dialer, now: Time, rng: &mut StdRng) -> Option<ConnectionKind> {
        if !has_place(dialer) {
            None
        } else if self.is_wanted {
            Some(ConnectionKind::OutboundFull)
        } else {
            self.next_block_only.take_if(|next| *next <= now)?;
            self.next_block_only = Some(now.after(exponential(EXTRA_BLOCK_ONLY_INTERVAL, rng)));
            Some(ConnectionKind::BlockOnly)
        }
    }
}

/// Whether one more connection of our making may stand.
pub(crate) fn has_place(dialer: &Dialer) -> bool {
    let kinds = [ConnectionKind::OutboundFull, ConnectionKind::BlockOnly, ConnectionKind::Feeler];
    kinds.iter().map(|kind| dialer.count(*kind)).sum::<usize>()
        < OUTBOUND_FULL_MAX + OUTBOUND_BLOCK_ONLY_MAX + FEELERS_MAX
}

impl Node {
    /// Notes that `id` told of headers that were new, if they lead above our tip.
    pub(crate) fn chain_announced(&mut self, ctx: &Context<'_>, id: PeerId, last: &BlockHash) {
        let work = |hash: &BlockHash| ctx.world.foothold(hash).map(|foothold| foothold.work);
        if work(last) > work(&ctx.world.tip().1) {
            self.with_peer(id, |peer| peer.chain.last_announcement = Some(ctx.now));
        }
    }

    /// Lets those go that are too many, and decides whether one more is looked for.
    pub(crate) fn check_extra_peers(&mut self, ctx: &mut Context<'_>) {
        if self.extra.next_eviction <= ctx.now {
            self.extra.next_eviction = ctx.now.after(EXTRA_PEER_CHECK_INTERVAL);
            self.evict_extra_block_only(ctx);
            self.evict_extra_full(ctx);
        }
        if self.extra.next_stale_check <= ctx.now {
            self.extra.next_stale_check = ctx.now.after(STALE_TIP_CHECK_INTERVAL);
            let is_stale = ctx.now.since(self.extra.tip_moved) > STALE_TIP && self.download.asked_count() == 0;
            self.extra.is_wanted = is_stale && self.dial_learned;
        }
        if self.extra.next_block_only.is_none() && !ctx.world.is_syncing() {
            let wait = exponential(EXTRA_BLOCK_ONLY_INTERVAL, &mut self.rng);
            self.extra.next_block_only = Some(ctx.now.after(wait));
        }
    }

    fn ready(&self, kind: ConnectionKind) -> Vec<&Peer> {
        self.peers.values().filter(|peer| peer.kind == kind && peer.is_ready()).collect()
    }

    /// Ends the connection unless it is young, or about to give a block.
    fn evict_extra(&mut self, ctx: &mut Context<'_>, id: PeerId) -> bool {
        let Some(peer) = self.peers.get(&id) else { return false };
        let is_busy = ctx.now.since(peer.connected_at) < EXTRA_PEER_TIME_MIN || !peer.chain.in_flight.is_empty();
        if !is_busy {
            self.drop_peer(ctx, id, DisconnectReason::Extra);
        }
        !is_busy
    }

    fn evict_extra_block_only(&mut self, ctx: &mut Context<'_>) {
        let mut peers = self.ready(ConnectionKind::BlockOnly);
        if peers.len() <= OUTBOUND_BLOCK_ONLY_MAX {
            return;
        }
        peers.sort_by_key(|peer| Reverse(peer.id));
        let [youngest, next, ..] = peers[..] else { return };
        let worse = if youngest.chain.last_block > next.chain.last_block { next.id } else { youngest.id };
        self.evict_extra(ctx, worse);
    }

    fn evict_extra_full(&mut self, ctx: &mut Context<'_>) {
        let peers = self.ready(ConnectionKind::OutboundFull);
        if peers.len() <= OUTBOUND_FULL_MAX {
            return;
        }
        // The only one of a network that we reach stays.
        let network = |peer: &Peer| (reach(peer.address.ip()) == Reach::Private, peer.address.is_ipv4());
        let counts = |peer: &&&Peer| matches!(peer.kind, ConnectionKind::OutboundFull | ConnectionKind::Manual);
        let all: Vec<&Peer> = self.peers.values().collect();
        let is_alone =
            |peer: &Peer| all.iter().filter(counts).filter(|other| network(other) == network(peer)).count() < 2;
        let fit = peers.into_iter().filter(|peer| !peer.chain.sync.is_protected && !is_alone(peer));
        let worst = fit.min_by_key(|peer| (peer.chain.last_announcement, Reverse(peer.id))).map(|peer| peer.id);
        if worst.is_some_and(|worst| self.evict_extra(ctx, worst)) {
            // Somebody new was there, and we know no better chain: enough until the tip is found stale again.
            self.extra.is_wanted = false;
        }
    }
}
