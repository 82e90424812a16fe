//! Servers of one coin as real processes with real sockets: what one accepts, all get, whatever goes wrong between them.
//!
//! All are on loopback or in network namespaces that the tests make, and of the demo coin: its blocks are found at once, and
//! a coinbase can be spent in the next block, so that every payment here needs no hundred blocks before it.

mod catch_up;
#[path = "../end_to_end/home.rs"]
#[expect(dead_code, reason = "some of the helpers are used by the other end-to-end tests only")]
mod home;
mod kills;
mod line;
mod mesh;
mod namespace;
mod node;
mod owner;
mod partition;
mod purse;
mod reorganisation;
mod rest;
#[path = "../end_to_end/rpc.rs"]
mod rpc;
mod slow_wire;
mod v1_peer;
