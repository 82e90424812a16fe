//! The protocol's state machine: all peers of one node.

use crate::{Action, Event, Time, World};

/// What a [`Node`] is made of.
#[derive(Debug, Clone)]
pub struct NodeConfig {}

/// The protocol of one node, without I/O.
#[derive(Debug)]
pub struct Node {}

impl Node {
    /// Says what to do about `event`, which happened at `now`.
    pub fn handle(&mut self, _now: Time, _event: Event, _world: &dyn World) -> Vec<Action> {
        todo!()
    }
}
