//! The way from the node's owner to the node: each wish is done on the thread that owns it.

use std::fmt;

use tokio::sync::oneshot;

use super::driver::Input;
use super::{P2pError, P2pHandle, target};
use crate::{Action, AddedPeer, Ban, BanError, KnownNode, Node, PeerId, Subnet, Time, World};

/// Something to do with the node.
pub(super) struct Steering(Box<Wish>);

type Wish = dyn FnOnce(&mut Node, Time, &dyn World) -> Vec<Action> + Send;

impl Steering {
    pub(super) fn run(self, node: &mut Node, now: Time, world: &dyn World) -> Vec<Action> {
        (self.0)(node, now, world)
    }
}

impl fmt::Debug for Steering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Steering")
    }
}

impl P2pHandle {
    /// Has something done with the node, and gives its answer; `None` after the shutdown.
    async fn steer<T: Send + 'static>(
        &self,
        wish: impl FnOnce(&mut Node, Time, &dyn World) -> (T, Vec<Action>) + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let steering = Steering(Box::new(move |node, now, world| {
            let (answer, actions) = wish(node, now, world);
            let _ = reply.send(answer);
            actions
        }));
        self.shared.inputs.send(Input::Steer(steering)).ok()?;
        answer.await.ok()
    }

    /// Bans a subnet and ends its connections.
    ///
    /// # Errors
    ///
    /// [`BanError`].
    pub async fn ban(&self, ban: Ban) -> Result<(), BanError> {
        let done = self.steer(move |node, now, world| match node.ban(now, ban, world) {
            Ok(actions) => (Ok(()), actions),
            Err(error) => (Err(error), Vec::new()),
        });
        done.await.unwrap_or(Err(BanError::NotRunning))
    }

    /// Takes a ban back.
    ///
    /// # Errors
    ///
    /// [`BanError`].
    pub async fn unban(&self, subnet: Subnet) -> Result<(), BanError> {
        let done = self.steer(move |node, now, _| (node.unban(now, subnet), Vec::new()));
        done.await.unwrap_or(Err(BanError::NotRunning))
    }

    /// Takes all bans back.
    pub async fn clear_bans(&self) {
        self.steer(|node, _, _| (node.clear_bans(), Vec::new())).await;
    }

    /// The bans that hold, by subnet; `None` after the shutdown.
    pub async fn bans(&self) -> Option<Vec<Ban>> {
        self.steer(|node, now, _| (node.bans(now), Vec::new())).await
    }

    /// Ends the connection with the peer of this number; `false` when there is none.
    pub async fn disconnect_id(&self, id: PeerId) -> bool {
        let done = self.steer(move |node, now, world| found(node.disconnect_id(now, id, world)));
        done.await.unwrap_or(false)
    }

    /// Ends the connections with this address, as [`P2pHandle::peers`] tells it or as it was dialled; `false` when there
    /// are none.
    pub async fn disconnect_address(&self, address: &str) -> bool {
        let address = target::normalise(address, self.shared.port).unwrap_or_else(|_| address.to_owned());
        let done = self.steer(move |node, now, world| found(node.disconnect_address(now, &address, world)));
        done.await.unwrap_or(false)
    }

    /// Stays connected with `target` from now on, by encrypted connections (BIP324) only if `v2`; `false` when that was
    /// so before.
    ///
    /// # Errors
    ///
    /// [`P2pError::BadAddress`].
    pub async fn add_peer(&self, target: &str, v2: bool) -> Result<bool, P2pError> {
        let target = target::normalise(target, self.shared.port)?;
        let done = self.steer(move |node, now, _| (node.add_peer(now, target, v2), Vec::new()));
        Ok(done.await.unwrap_or(false))
    }

    /// Connects with `target` once; by an encrypted connection (BIP324) only if `v2`.
    ///
    /// # Errors
    ///
    /// [`P2pError::BadAddress`].
    pub async fn try_peer(&self, target: &str, v2: bool) -> Result<(), P2pError> {
        let target = target::normalise(target, self.shared.port)?;
        self.steer(move |node, now, _| (node.try_peer(now, target, v2), Vec::new())).await;
        Ok(())
    }

    /// Dials `target` no more; `false` when nobody had named it.
    ///
    /// # Errors
    ///
    /// [`P2pError::BadAddress`].
    pub async fn remove_peer(&self, target: &str) -> Result<bool, P2pError> {
        let target = target::normalise(target, self.shared.port)?;
        let done = self.steer(move |node, _, _| (node.remove_peer(&target), Vec::new()));
        Ok(done.await.unwrap_or(false))
    }

    /// `target` as it is kept: with its port.
    ///
    /// # Errors
    ///
    /// [`P2pError::BadAddress`].
    pub fn normalise(&self, target: &str) -> Result<String, P2pError> {
        target::normalise(target, self.shared.port)
    }

    /// The peers that a person or the spec named.
    pub async fn added_peers(&self) -> Vec<AddedPeer> {
        self.steer(|node, _, _| (node.added_peers(), Vec::new())).await.unwrap_or_default()
    }

    /// Up to `count` known addresses that may be worth a connection, in no order.
    pub async fn known_nodes(&self, count: usize) -> Vec<KnownNode> {
        self.steer(move |node, now, _| (node.known_nodes(now, count), Vec::new())).await.unwrap_or_default()
    }
}

fn found(actions: Vec<Action>) -> (bool, Vec<Action>) {
    (actions.iter().any(|action| matches!(action, Action::Disconnect { .. })), actions)
}
