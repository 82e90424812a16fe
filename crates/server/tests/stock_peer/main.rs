//! A server on regtest beside a peer that behaves as Bitcoin Core 28 does, over real sockets.
//!
//! The peer is played by these tests upon rust-bitcoin's message types and the `bip324` crate: no line of our protocol's code
//! runs on its side. It keeps Core's order of messages, its way of asking, and its peculiarities.

mod announcing;
mod catching_up;
mod chain;
mod manners;
mod ours;
mod serving;
mod stock;
mod transactions;
mod wire;
