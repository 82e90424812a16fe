//! What a stock Bitcoin node says, byte by byte, and what we say to it.
//!
//! All bytes are written down here from the BIPs and the protocol's documentation, field by field; nothing of the crate's
//! codec, nor of the library beneath it, helps to make them. What we send is compared with bytes made in the same way.
//! The stock node is Bitcoin Core 28.

mod addresses;
mod block;
mod blocks;
mod bytes;
mod features;
mod framing;
mod handshake;
mod link;
mod transactions;
mod world;
