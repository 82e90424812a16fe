//! What the node's owner can do about peers: ban, disconnect, name, ask.
//!
//! Source: Bitcoin Core rpc/net.cpp.

use std::net::SocketAddr;

use crate::bans::{Ban, BanError, Subnet};
use crate::node::Node;
use crate::peer::Peer;
use crate::peer_info::ConnectionKind;
use crate::peer_info::{AddedPeer, KnownNode};
use crate::{Action, DisconnectReason, PeerId, Time, World};

impl Node {
    /// Bans a subnet and ends its connections.
    ///
    /// # Errors
    ///
    /// [`BanError`] when it is banned already, or too many are.
    pub fn ban(&mut self, now: Time, ban: Ban, world: &dyn World) -> Result<Vec<Action>, BanError> {
        self.bans.ban(ban, now)?;
        let is_holding = ban.until > now;
        Ok(self.drop_all(now, world, DisconnectReason::Banned, |peer| {
            is_holding && ban.subnet.contains(peer.address.ip())
        }))
    }

    /// Takes a ban back.
    ///
    /// # Errors
    ///
    /// [`BanError::NotBanned`].
    pub fn unban(&mut self, now: Time, subnet: Subnet) -> Result<(), BanError> {
        self.bans.unban(subnet, now)
    }

    /// Takes all bans back.
    pub fn clear_bans(&mut self) {
        self.bans.clear();
    }

    /// The bans that hold, by subnet.
    pub fn bans(&self, now: Time) -> Vec<Ban> {
        self.bans.list(now)
    }

    /// Ends the connections with the peer of this number.
    pub fn disconnect_id(&mut self, now: Time, id: PeerId, world: &dyn World) -> Vec<Action> {
        self.drop_all(now, world, DisconnectReason::Asked, |peer| peer.id == id)
    }

    /// Ends the connections with this address, as `getpeerinfo` tells it or as it was dialled.
    pub fn disconnect_address(&mut self, now: Time, address: &str, world: &dyn World) -> Vec<Action> {
        self.drop_all(now, world, DisconnectReason::Asked, |peer| {
            peer.address.to_string() == address || peer.target.as_deref() == Some(address)
        })
    }

    fn drop_all(
        &mut self,
        now: Time,
        world: &dyn World,
        reason: DisconnectReason,
        is_meant: impl Fn(&Peer) -> bool,
    ) -> Vec<Action> {
        let ids: Vec<PeerId> = self.peers.values().filter(|peer| is_meant(peer)).map(|peer| peer.id).collect();
        let mut ctx = self.context(now, world);
        for id in ids {
            self.drop_peer(&mut ctx, id, reason.clone());
        }
        ctx.actions
    }

    /// Stays connected with `target` from the next tick on, by encrypted connections (BIP324) only if `v2`; `false` when
    /// we did already, and nothing changes then.
    pub fn add_peer(&mut self, now: Time, target: String, v2: bool) -> bool {
        let is_new = !self.dialer.keeps(&target);
        self.dialer.keep(target.clone(), now);
        if is_new && !v2 {
            self.dialer.make_plain(&target);
        }
        is_new
    }

    /// Dials `target` once, with the next tick; by an encrypted connection (BIP324) only if `v2`.
    pub fn try_peer(&mut self, now: Time, target: String, v2: bool) {
        if self.dialer.has(&target) {
            return;
        }
        self.dialer.try_once(target.clone(), ConnectionKind::Manual, now);
        if !v2 {
            self.dialer.make_plain(&target);
        }
    }

    /// Dials `target` no more; a connection that stands goes on. `false` when nobody had named it.
    pub fn remove_peer(&mut self, target: &str) -> bool {
        let was_named = self.dialer.keeps(target);
        if was_named {
            self.dialer.forget(target);
        }
        was_named
    }

    /// The peers that a person or the spec named.
    pub fn added_peers(&self) -> Vec<AddedPeer> {
        let added = |target: &str| {
            let address: Option<SocketAddr> = target.parse().ok();
            let is_it = |peer: &&Peer| peer.target.as_deref() == Some(target) || Some(peer.address) == address;
            let connected = self.peers.values().find(is_it).map(|peer| (peer.address, peer.kind));
            AddedPeer { target: target.to_owned(), connected }
        };
        self.dialer.kept().map(added).collect()
    }

    /// Up to `count` known addresses that may be worth a connection, in no order.
    pub fn known_nodes(&mut self, now: Time, count: usize) -> Vec<KnownNode> {
        let chosen = self.addresses.choose(now, count, &mut self.rng).into_iter();
        let told = chosen.map(|(address, known)| KnownNode {
            address,
            services: known.services.to_u64(),
            last_seen: known.last_seen,
        });
        told.collect()
    }
}
