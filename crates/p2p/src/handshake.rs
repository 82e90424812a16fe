//! The handshake: version, the negotiated features, verack.
//!
//! The one who dials speaks first. `wtxidrelay` (BIP339) and `sendaddrv2` (BIP155) go between `version` and `verack`;
//! `sendheaders` (BIP130) and `sendcmpct` (BIP152) after; sooner they count, too. A connection to ourselves shows by our own
//! nonce.

use std::sync::Arc;

use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::bitcoin::p2p::address::Address;
use mycoin_primitives::bitcoin::p2p::message_network::VersionMessage;

use crate::address_manager::canonical;
use crate::compact;
use crate::limits::{
    ANNOUNCEMENTS_AT_START, COMPACT_PROTOCOL_VERSION, MIN_PROTOCOL_VERSION, PROTOCOL_VERSION, USER_AGENT,
};
use crate::message::Message;
use crate::node::{Context, Node};
use crate::peer::{Introduction, Peer, Stage};
use crate::services::is_good_choice;
use crate::{ConnectionKind, DisconnectReason, PeerId};

/// What we offer: all blocks, with witnesses; encrypted connections (BIP324) unless they are switched off.
pub(crate) fn our_services(v2: bool) -> ServiceFlags {
    let services = ServiceFlags::NETWORK | ServiceFlags::WITNESS;
    if v2 { services | ServiceFlags::P2P_V2 } else { services }
}

/// Whether a node that offers this keeps all blocks, with witnesses.
pub(crate) fn serves_blocks(services: ServiceFlags) -> bool {
    services.has(ServiceFlags::NETWORK | ServiceFlags::WITNESS)
}

impl Peer {
    /// Our `version` for this peer.
    pub(crate) fn our_version(&self, ctx: &Context<'_>) -> Message {
        // Bitcoin Core tells its own address nowhere here either: all zeros.
        let nowhere = Address { services: ctx.services, address: [0; 8], port: 0 };
        Message::Version(Box::new(VersionMessage {
            version: PROTOCOL_VERSION,
            services: ctx.services,
            timestamp: i64::try_from(ctx.now.unix_seconds()).unwrap_or(i64::MAX),
            receiver: Address::new(&self.address, ServiceFlags::NONE),
            sender: nowhere,
            nonce: self.our_nonce,
            user_agent: USER_AGENT.to_owned(),
            start_height: i32::try_from(ctx.world.tip().0.to_u32()).unwrap_or(i32::MAX),
            relay: self.kind.relays(),
        }))
    }
}

/// Text of a remote, fit to be shown: no control characters (BIP14 agents are plain ASCII).
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect()
}

impl Node {
    pub(crate) fn version_came(&mut self, ctx: &mut Context<'_>, id: PeerId, version: &VersionMessage) {
        if self.is_ourselves(ctx, id, version.nonce) {
            return;
        }
        if version.version < MIN_PROTOCOL_VERSION {
            let reason = DisconnectReason::TooOld { version: version.version, oldest: MIN_PROTOCOL_VERSION };
            self.drop_peer(ctx, id, reason);
            return;
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if !is_good_choice(ctx.world, peer.kind, version.services) {
            self.addresses.set_services(peer.address, version.services);
            self.drop_peer(ctx, id, DisconnectReason::ServesNoBlocks);
            return;
        }
        let our_time = i64::try_from(ctx.now.unix_seconds()).unwrap_or(i64::MAX);
        peer.introduction = Some(Introduction {
            version: version.version,
            services: version.services,
            user_agent: printable(&version.user_agent),
            start_height: version.start_height,
            relays_transactions: version.relay,
            // For show only; peers' clocks decide nothing (CVE-2024-52912).
            time_offset: version.timestamp.saturating_sub(our_time),
            our_address: version.receiver.socket_addr().ok().map(canonical),
        });
        peer.stage = Stage::AwaitVerack;
        if peer.is_inbound() {
            ctx.send(id, peer.our_version(ctx));
        }
        // Older programs know neither, and some let go of whoever sends them what they don't know.
        if version.version >= PROTOCOL_VERSION {
            ctx.send(id, Message::WtxidRelay);
            ctx.send(id, Message::SendAddrV2);
        }
        ctx.send(id, Message::Verack);
    }

    /// It counts when both sides are new enough (BIP339).
    pub(crate) fn wtxid_relay_came(&mut self, id: PeerId) {
        self.with_peer(id, |peer| {
            peer.relay.by_wtxid = peer.introduction.as_ref().is_some_and(|known| known.version >= PROTOCOL_VERSION);
        });
    }

    /// Ends both ends of a connection to ourselves and never dials that address again.
    fn is_ourselves(&mut self, ctx: &mut Context<'_>, id: PeerId, nonce: u64) -> bool {
        let is_inbound = self.peers.get(&id).is_some_and(Peer::is_inbound);
        let ours = self.peers.values().find(|peer| peer.our_nonce == nonce && peer.is_inbound() != is_inbound);
        let Some(other) = ours.map(|peer| peer.id) else { return false };
        for end in [id, other] {
            if let Some(target) = self.peers.get(&end).and_then(|peer| peer.target.clone()) {
                self.dialer.forget(&target);
            }
            self.drop_peer(ctx, end, DisconnectReason::Ourselves);
        }
        true
    }

    pub(crate) fn verack_came(&mut self, ctx: &mut Context<'_>, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.stage = Stage::Ready;
        let kind = peer.kind;
        if let Some(target) = peer.target.clone() {
            self.dialer.succeeded(&target);
            let services = peer.introduction.as_ref().map_or(ServiceFlags::NONE, |known| known.services);
            self.addresses.succeeded(peer.address, services, ctx.now);
        }
        if kind == ConnectionKind::Feeler {
            self.drop_peer(ctx, id, DisconnectReason::FeelerDone);
            return;
        }
        if peer.introduction.as_ref().is_some_and(|known| known.version >= COMPACT_PROTOCOL_VERSION) {
            ctx.send(id, Message::SendCompact { high_bandwidth: false, version: compact::VERSION });
        }
        ctx.send(id, Message::SendHeaders);
        if !peer.is_inbound() && kind.relays() {
            peer.addresses.asked();
            ctx.send(id, Message::GetAddr);
        }
        // Bitcoin Core never tells a new peer what waits already; here payments cross a link that was down for a while.
        if peer.wants_transactions() {
            let waiting = ctx.world.waiting_transactions(ANNOUNCEMENTS_AT_START);
            peer.relay.to_announce.extend(waiting.into_iter().map(Arc::new));
        }
        self.begin_header_sync(ctx);
    }
}
