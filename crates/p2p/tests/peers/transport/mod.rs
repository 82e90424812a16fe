//! The transports over real sockets: BIP324's from both sides, v1's, and how one gives way to the other.

mod falling_back;
mod foreign;
mod initiator;
mod puppet;
mod responder;

use std::net::SocketAddr;

use mycoin_p2p::{Message, P2pConfig, PeerInfo, encode};
use mycoin_primitives::Network;
use mycoin_primitives::bitcoin::p2p::address::Address;
use mycoin_primitives::bitcoin::p2p::message_network::VersionMessage;
use mycoin_primitives::bitcoin::p2p::{Magic, ServiceFlags};

use crate::sockets::{Server, config, until};

fn magic() -> [u8; 4] {
    Network::regtest().magic.to_bytes()
}

/// The payload of a `version` as a Bitcoin Core node could send it.
fn version(nonce: u64) -> Vec<u8> {
    let services = ServiceFlags::NETWORK | ServiceFlags::WITNESS | ServiceFlags::P2P_V2;
    let nowhere = Address { services, address: [0; 8], port: 0 };
    let message = Message::Version(Box::new(VersionMessage {
        version: 70_016,
        services,
        timestamp: 1_800_000_000,
        receiver: nowhere.clone(),
        sender: nowhere,
        nonce,
        user_agent: "/Puppet:1.0/".to_owned(),
        start_height: 0,
        relay: true,
    }));
    encode(Magic::REGTEST, &message)[24..].to_vec()
}

fn listening(server: &Server) -> SocketAddr {
    server.p2p.local_addr().expect("it listens")
}

/// The only peer, when it is what `is_so` asks for.
async fn the_peer(server: &Server, what: &str, is_so: impl Fn(&PeerInfo) -> bool) -> PeerInfo {
    let mut found = None;
    until(what, async || {
        let peers = server.p2p.peers().await;
        assert!(peers.len() <= 1, "one connection");
        found = peers.into_iter().next().filter(&is_so);
        found.is_some()
    })
    .await;
    found.expect("it was found")
}

fn without_v2(connect: &[String], seed: u64) -> P2pConfig {
    P2pConfig { v2: false, ..config(connect, seed) }
}
