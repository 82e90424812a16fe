//! We dial: a puppet that speaks BIP324.

use mycoin_p2p::TransportProtocol;
use mycoin_primitives::Network;
use mycoin_primitives::bitcoin::p2p::Magic;
use tokio::net::TcpListener;

use super::puppet::{Puppet, Wire};
use super::{magic, the_peer, version};
use crate::sockets::{Server, config, until};

/// A listener, and a server that dials it.
async fn dialled() -> (Server, TcpListener, Wire) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let target = listener.local_addr().expect("bound").to_string();
    let server = Server::start(&[target], 1).await;
    let (stream, _) = listener.accept().await.expect("it is dialled");
    (server, listener, Wire(stream))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_of_unknown_abilities_is_dialled_encrypted() {
    let (server, _listener, wire) = dialled().await;
    let mut puppet = Puppet::answer(wire, magic(), b"some garbage".to_vec()).await;
    puppet.agree().await;
    puppet.shake_hands(&version(1), false).await;
    puppet.ping(7).await;
    let session_id = puppet.session.id;
    let peer = the_peer(&server, "the handshake", |peer| peer.handshake_complete).await;
    assert_eq!((peer.transport, peer.inbound), (TransportProtocol::V2 { session_id }, false));
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_first_message_waits_for_the_key_and_not_for_the_version_packet() {
    let (server, _listener, wire) = dialled().await;
    let mut puppet = Puppet::answer(wire, magic(), vec![1; 4_095]).await;
    // Terminator, version packet, message: before the puppet has ended its garbage.
    puppet.meet().await;
    assert_eq!(puppet.receive_message().await.0, b"\0version\0\0\0\0\0");
    puppet.introduce().await;
    puppet.send("version", &version(1)).await;
    puppet.send("verack", &[]).await;
    the_peer(&server, "the handshake", |peer| peer.handshake_complete).await;
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_have_the_same_session() {
    let first = Server::start(&[], 1).await;
    let second = Server::start(&[first.address()], 2).await;
    let dialled = the_peer(&second, "the handshake", |peer| peer.handshake_complete).await;
    let dialler = the_peer(&first, "the handshake", |peer| peer.handshake_complete).await;
    assert!(dialled.transport.session_id().is_some());
    assert_eq!(dialled.transport, dialler.transport);
    first.p2p.shutdown().await;
    second.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_coins_do_not_meet() {
    let first = Server::start(&[], 1).await;
    let network = Network { magic: Magic::SIGNET, ..Network::regtest() };
    let second = Server::with(mycoin_p2p::P2pConfig { network, ..config(&[first.address()], 2) }).await;
    let bytes = |peers: &[mycoin_p2p::PeerInfo]| peers.first().map_or(0, |peer| peer.bytes_received);
    until("the exchange of keys", async || bytes(&second.p2p.peers().await) > 64).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    for server in [&first, &second] {
        let peers = server.p2p.peers().await;
        assert!(peers.iter().all(|peer| !peer.handshake_complete && peer.transport == TransportProtocol::Detecting));
    }
    first.p2p.shutdown().await;
    second.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_know_ourselves_under_encryption_too() {
    let server = Server::start(&[], 1).await;
    server.p2p.connect(&server.address()).expect("an address");
    until("the exchange of versions", async || server.p2p.totals().bytes_sent > 64 + 36 + 64 + 36 + 100).await;
    until("the end of both ends", async || server.p2p.peers().await.is_empty()).await;
    server.p2p.shutdown().await;
}
