//! The public face: Esplora REST, Electrum protocol, explorer pages, events, limits.
//!
//! In:    HTTP requests of anybody; the base server's blocks, events and answers over mutual TLS.
//! Out:   answers from an index of its own; forwarded transactions; errors in the catalogue's words.
//! Never: keys of coins, state that could not be rebuilt, inner details (the base server's address) in an answer.
//!
//! Start at [`Proxy::start`]; `routes` lists the paths, `follower` keeps up with the base server.

mod error;
mod esplora;
mod follower;
mod limits;
mod patient;
mod routes;
mod serve;
mod start;
mod state;
#[cfg(test)]
mod tests;
mod upstream;
mod waiting;

pub use start::{Proxy, ProxyConfig, ProxyError, ProxyHandle};
