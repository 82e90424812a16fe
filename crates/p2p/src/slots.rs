//! The places for connections: who is let in, whom we dial by ourselves, and what becomes of those who misbehave.
//!
//! Others may have 114 connections to us. We make eight to learned addresses for everything, two for blocks alone, and now
//! and then one that only tries an address; no two of them in one neighbourhood. What was named by a person or the spec
//! counts nowhere.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::Rng as _;

use crate::address_manager::{KnownAddress, NetGroup, Pick, subscriber};
use crate::eviction::{self, Candidate};
use crate::extra_peers::has_place;
use crate::handshake::serves_blocks;
use crate::limits::{
    FEELER_INTERVAL, FEELERS_MAX, INBOUND_MAX, INBOUND_PER_ADDRESS_MAX, INBOUND_PER_V6_SUBNET_MAX,
    OUTBOUND_BLOCK_ONLY_MAX, OUTBOUND_FULL_MAX,
};
use crate::misbehavior::Penalty;
use crate::node::{Context, Node};
use crate::peer::Peer;
use crate::peer_info::ConnectionKind;
use crate::{DisconnectReason, PeerId};

impl Node {
    /// Makes a place for an inbound connection from `ip`, if it may have one.
    pub(crate) fn make_place(&mut self, ctx: &mut Context<'_>, ip: IpAddr) -> Result<(), DisconnectReason> {
        if self.bans.is_banned(ip, ctx.now) {
            return Err(DisconnectReason::Banned);
        }
        let inbound = || self.peers.values().filter(|peer| peer.is_inbound());
        if !ip.is_loopback() {
            let limit = INBOUND_PER_ADDRESS_MAX;
            if inbound().filter(|peer| peer.address.ip() == ip).count() >= limit {
                return Err(DisconnectReason::TooManyFromAddress { limit });
            }
            let limit = INBOUND_PER_V6_SUBNET_MAX;
            let is_near = |peer: &&Peer| subscriber(peer.address.ip()) == subscriber(ip);
            if ip.is_ipv6() && inbound().filter(is_near).count() >= limit {
                return Err(DisconnectReason::TooManyFromSubnet { limit });
            }
        }
        let count = inbound().count();
        if count + 1 >= INBOUND_MAX && self.bans.is_discouraged(ip) {
            return Err(DisconnectReason::Discouraged);
        }
        if count >= INBOUND_MAX {
            let candidates = inbound().map(|peer| self.candidate(peer)).collect();
            let Some(victim) = eviction::select(candidates) else { return Err(DisconnectReason::TooManyInbound) };
            self.drop_peer(ctx, victim, DisconnectReason::Evicted);
        }
        Ok(())
    }

    fn candidate(&self, peer: &Peer) -> Candidate {
        let (ip, known) = (peer.address.ip(), peer.introduction.as_ref());
        Candidate {
            id: peer.id,
            group: NetGroup::of(ip),
            keyed_group: self.addresses.keyed_group(ip),
            connected_at: peer.connected_at,
            min_ping: peer.pings.best,
            last_block: peer.chain.last_block,
            last_transaction: peer.relay.last_transaction,
            wants_transactions: known.is_some_and(|known| known.relays_transactions),
            serves_blocks: known.is_some_and(|known| serves_blocks(known.services)),
            is_discouraged: self.bans.is_discouraged(ip),
        }
    }

    /// Lets an offence or garbled bytes have their consequence.
    pub(crate) fn punish(&mut self, ctx: &mut Context<'_>, id: PeerId, penalty: Penalty, reason: DisconnectReason) {
        let Some(peer) = self.peers.get(&id) else { return };
        let (ip, is_named) = (peer.address.ip(), peer.kind == ConnectionKind::Manual);
        match penalty {
            Penalty::None => {}
            Penalty::Disconnect => self.drop_peer(ctx, id, reason),
            // Whoever named a peer knows why; and one machine's programs share its loopback.
            Penalty::Discourage if is_named || ip.is_loopback() => self.drop_peer(ctx, id, reason),
            Penalty::Discourage => {
                self.bans.discourage(ip);
                self.drop_peer(ctx, id, reason);
                let is_same = |peer: &&Peer| {
                    peer.kind != ConnectionKind::Manual && subscriber(peer.address.ip()) == subscriber(ip)
                };
                let others: Vec<PeerId> = self.peers.values().filter(is_same).map(|peer| peer.id).collect();
                for other in others {
                    self.drop_peer(ctx, other, DisconnectReason::Discouraged);
                }
            }
        }
    }

    /// Dials learned addresses while places are free, and a feeler when its time has come.
    pub(crate) fn dial_learned_addresses(&mut self, ctx: &mut Context<'_>) {
        self.addresses.resolve_collisions(ctx.now);
        if !self.dial_learned {
            return;
        }
        let free = |kind, max| self.dialer.count(kind) < max;
        if free(ConnectionKind::OutboundFull, OUTBOUND_FULL_MAX) {
            self.dial_learned_address(ctx, ConnectionKind::OutboundFull);
        } else if free(ConnectionKind::BlockOnly, OUTBOUND_BLOCK_ONLY_MAX) {
            self.dial_learned_address(ctx, ConnectionKind::BlockOnly);
        } else if let Some(kind) = self.extra.next(&self.dialer, ctx.now, &mut self.rng) {
            self.dial_learned_address(ctx, kind);
        }
        let is_free = self.dialer.count(ConnectionKind::Feeler) < FEELERS_MAX && has_place(&self.dialer);
        if is_free && self.next_feeler <= ctx.now {
            // Between half and one and a half of it, so that nobody knows when.
            let share = self.rng.random_range(500..1_500);
            self.next_feeler = ctx.now.after(Duration::from_millis(FEELER_INTERVAL.as_millis() as u64 * share / 1_000));
            self.dial_learned_address(ctx, ConnectionKind::Feeler);
        }
    }

    fn dial_learned_address(&mut self, ctx: &Context<'_>, kind: ConnectionKind) {
        let is_feeler = kind == ConnectionKind::Feeler;
        let groups = self.outbound_groups();
        let (peers, dialer, bans) = (&self.peers, &self.dialer, &self.bans);
        let is_taken = |address: &SocketAddr, known: &KnownAddress| {
            let ip = address.ip();
            dialer.has(&address.to_string())
                || peers.values().any(|peer| peer.address == *address)
                || bans.is_banned(ip, ctx.now)
                || bans.is_discouraged(ip)
                || (!is_feeler && (groups.contains(&NetGroup::of(ip)) || !serves_blocks(known.services)))
        };
        let contested = if is_feeler { self.addresses.contested(&mut self.rng) } else { None };
        let pick = if is_feeler { Pick::New } else { Pick::Any };
        let address = match contested.filter(|address| !dialer.has(&address.to_string())) {
            Some(address) => Some(address),
            None => self.addresses.pick(ctx.now, pick, &mut self.rng, is_taken),
        };
        if let Some(address) = address {
            self.addresses.attempted(address, groups.len() >= 2, ctx.now);
            self.dialer.try_once(address.to_string(), kind, ctx.now);
        }
    }

    /// The neighbourhoods in which we have a connection of our making, or make one.
    fn outbound_groups(&self) -> BTreeSet<NetGroup> {
        let counts = |kind| !matches!(kind, ConnectionKind::Inbound | ConnectionKind::Feeler);
        let connected = self.peers.values().filter(|peer| counts(peer.kind)).map(|peer| peer.address.ip());
        let dialled = self.dialer.busy().filter(|(_, kind)| counts(*kind));
        let dialled = dialled.filter_map(|(name, _)| name.parse::<SocketAddr>().ok()).map(|address| address.ip());
        connected.chain(dialled).map(NetGroup::of).collect()
    }
}
