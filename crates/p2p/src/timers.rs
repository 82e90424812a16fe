//! What happens as time passes: each tick, each second, each minute.
//!
//! Source: Bitcoin Core `PeerManagerImpl::SendMessages`, `MaybeSendPing`, `MaybeSendFeefilter`, net_processing.cpp.

use std::time::Duration;

use rand::Rng as _;

use crate::limits::{FEE_FILTER_INTERVAL, HANDSHAKE_TIMEOUT, PING_INTERVAL, PING_TIMEOUT};
use crate::message::Message;
use crate::node::{Context, Node};
use crate::{Action, DisconnectReason, PeerId};

impl Node {
    pub(crate) fn tick(&mut self, ctx: &mut Context<'_>) {
        self.check_times(ctx);
        self.dial(ctx);
        self.hurry_tip_blocks(ctx);
        self.move_stalled_blocks(ctx);
        self.announce_transactions(ctx);
        self.request_transactions(ctx);
        if self.next_second <= ctx.now {
            self.next_second = ctx.now.after(Duration::from_secs(1));
            self.tell_fee_filters(ctx);
            self.check_extra_peers(ctx);
            self.dial_learned_addresses(ctx);
            self.tell_what_waits(ctx);
            self.check_header_sync(ctx);
            self.check_lagging_peers(ctx);
            self.begin_header_sync(ctx);
            self.expire_transactions(ctx);
            self.download.refresh();
            self.request_blocks(ctx);
        }
        if self.next_minute <= ctx.now {
            self.next_minute = ctx.now.after(Duration::from_secs(60));
            self.forgive_missing_blocks();
        }
    }

    /// Ends connections that are too slow, and pings the others.
    fn check_times(&mut self, ctx: &mut Context<'_>) {
        let mut late = Vec::new();
        for (id, peer) in &mut self.peers {
            if !peer.is_ready() {
                if ctx.now.since(peer.connected_at) >= HANDSHAKE_TIMEOUT {
                    late.push((*id, DisconnectReason::HandshakeTimeout));
                }
                continue;
            }
            match peer.pings.waiting {
                Some((_, sent)) if ctx.now.since(sent) >= PING_TIMEOUT => {
                    late.push((*id, DisconnectReason::PingTimeout));
                }
                Some(_) => {}
                None if peer.pings.last_sent.is_none_or(|last| ctx.now.since(last) >= PING_INTERVAL) => {
                    let nonce = self.rng.random();
                    peer.pings.waiting = Some((nonce, ctx.now));
                    peer.pings.last_sent = Some(ctx.now);
                    ctx.send(*id, Message::Ping(nonce));
                }
                None => {}
            }
        }
        for (id, reason) in late {
            self.drop_peer(ctx, id, reason);
        }
    }

    pub(crate) fn dial(&mut self, ctx: &mut Context<'_>) {
        let due = self.dialer.due(ctx.now);
        ctx.actions.extend(due.into_iter().map(|target| Action::Connect { target }));
    }

    /// Tells peers the least fee rate that we take, when it is new (BIP133).
    fn tell_fee_filters(&mut self, ctx: &mut Context<'_>) {
        let rate = ctx.world.min_fee();
        for (id, peer) in &mut self.peers {
            let is_due = match peer.relay.fee_filter_sent {
                None => true,
                Some((told, at)) => told != rate && ctx.now.since(at) >= FEE_FILTER_INTERVAL,
            };
            if is_due && peer.is_ready() && peer.kind.relays() {
                peer.relay.fee_filter_sent = Some((rate, ctx.now));
                ctx.send(*id, Message::FeeFilter(i64::try_from(rate.to_sat_per_kvb()).unwrap_or(i64::MAX)));
            }
        }
    }

    pub(crate) fn pong_came(&mut self, ctx: &Context<'_>, id: PeerId, nonce: u64) {
        self.with_peer(id, |peer| {
            if let Some((waiting, sent)) = peer.pings.waiting
                && waiting == nonce
            {
                let time = ctx.now.since(sent);
                peer.pings.waiting = None;
                peer.pings.last = Some(time);
                peer.pings.best = Some(peer.pings.best.map_or(time, |best| best.min(time)));
            }
        });
    }
}
