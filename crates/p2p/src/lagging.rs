//! Peers of our choice whose chain stays behind ours: they are asked once more, and then make room for others.
//!
//! A node whose outbound peers all follow a chain with less work, or none, would hear of nothing. Peers that a person or the
//! spec named stay, and so do the first few that showed a chain as good as ours.
//!
//! Source: Bitcoin Core `ConsiderEviction`, net_processing.cpp.

use mycoin_primitives::{BlockHash, Work};

use crate::limits::{CHAIN_SYNC_TIMEOUT, HEADERS_RESPONSE_TIME, LAGGING_PROTECTED_MAX};
use crate::node::{Context, Node};
use crate::peer::Peer;
use crate::{DisconnectReason, PeerId, Time};

/// A peer that is behind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lag {
    /// What it is measured by: our tip when it was found behind.
    tip: BlockHash,
    work: Work,
    until: Time,
    /// Whether it was asked for its headers once more.
    is_asked: bool,
}

/// What is to be done about a peer.
enum Step {
    Nothing,
    Ask(BlockHash),
    Drop,
}

impl Node {
    /// Looks at each outbound peer that was asked for its headers.
    pub(crate) fn check_lagging_peers(&mut self, ctx: &mut Context<'_>) {
        let (_, tip) = ctx.world.tip();
        let Some(ours) = ctx.world.foothold(&tip).map(|foothold| foothold.work) else { return };
        let dialer = &self.dialer;
        let is_judged = |peer: &&Peer| {
            let is_named = peer.target.as_ref().is_none_or(|target| dialer.keeps(target));
            peer.is_ready() && !is_named && peer.chain.headers_begun && !peer.chain.sync.is_protected
        };
        let judged: Vec<PeerId> = self.peers.values().filter(is_judged).map(|peer| peer.id).collect();
        for id in judged {
            match self.consider(ctx, id, tip, ours) {
                Step::Nothing => {}
                Step::Ask(tip) => self.ask_headers_for(ctx, id, tip),
                Step::Drop => self.drop_peer(ctx, id, DisconnectReason::ChainBehind),
            }
        }
    }

    fn consider(&mut self, ctx: &Context<'_>, id: PeerId, tip: BlockHash, ours: Work) -> Step {
        let protected = self.peers.values().filter(|peer| peer.chain.sync.is_protected).count();
        let Some(peer) = self.peers.get_mut(&id) else { return Step::Nothing };
        let theirs = peer.chain.best_known.and_then(|(_, hash)| ctx.world.foothold(&hash)).map(|known| known.work);
        let has = |work: Work| theirs.is_some_and(|theirs| theirs >= work);
        let sync = &mut peer.chain.sync;
        match &mut sync.lag {
            lag if has(ours) => {
                *lag = None;
                sync.is_protected = protected < LAGGING_PROTECTED_MAX;
                Step::Nothing
            }
            Some(lag) if !has(lag.work) => {
                if ctx.now < lag.until {
                    Step::Nothing
                } else if lag.is_asked {
                    Step::Drop
                } else {
                    lag.is_asked = true;
                    lag.until = ctx.now.after(HEADERS_RESPONSE_TIME);
                    Step::Ask(lag.tip)
                }
            }
            // Found behind for the first time; or it has what we had then, and we have gone on.
            lag => {
                *lag = Some(Lag { tip, work: ours, until: ctx.now.after(CHAIN_SYNC_TIMEOUT), is_asked: false });
                Step::Nothing
            }
        }
    }
}
