//! From v2 to v1.

use std::time::{Duration, Instant};

use mycoin_p2p::{P2pConfig, TransportProtocol};
use tokio::net::TcpListener;

use super::puppet::{PATIENCE, Wire};
use super::{magic, the_peer, without_v2};
use crate::sockets::{Server, config};

async fn accept(listener: &TcpListener) -> Wire {
    Wire(tokio::time::timeout(PATIENCE, listener.accept()).await.expect("in time").expect("it is dialled").0)
}

fn v1_beginning() -> Vec<u8> {
    [&magic()[..], b"version\0\0\0\0\0"].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_ends_the_connection_at_our_key_is_dialled_again_in_v1_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let target = listener.local_addr().expect("bound").to_string();
    let server = Server::start(&[target], 1).await;
    let mut first = accept(&listener).await;
    // As much as a v1 header, which is wrong by its first four bytes.
    assert_ne!(first.read::<24>().await[..16], v1_beginning());
    drop(first);
    let began = Instant::now();
    let mut second = accept(&listener).await;
    assert!(began.elapsed() < Duration::from_millis(900), "sooner than a target that failed");
    assert_eq!(second.read::<16>().await[..], v1_beginning());
    the_peer(&server, "the same peer, in v1", |peer| peer.transport == TransportProtocol::V1 && !peer.inbound).await;
    // When v1 fails too, it is a failure like any other: the next dial comes later, with v2 first.
    drop(second);
    let mut third = accept(&listener).await;
    assert_ne!(third.read::<24>().await[..16], v1_beginning());
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_answered_with_a_byte_is_not_dialled_in_v1() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let target = listener.local_addr().expect("bound").to_string();
    let server = Server::start(&[target], 1).await;
    let mut first = accept(&listener).await;
    first.read::<64>().await;
    first.write(&[7]).await;
    drop(first);
    let mut second = accept(&listener).await;
    assert_ne!(second.read::<24>().await[..16], v1_beginning());
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_v2_is_met_in_v1_whoever_dials() {
    let old = Server::with(without_v2(&[], 1)).await;
    old.world.mine(3, 1);
    let new = Server::start(&[old.address()], 2).await;
    let peer = the_peer(&new, "the handshake", |peer| peer.handshake_complete).await;
    assert_eq!((peer.transport, peer.services), (TransportProtocol::V1, 9));
    let peer = the_peer(&old, "the handshake", |peer| peer.handshake_complete).await;
    assert_eq!((peer.transport, peer.services), (TransportProtocol::V1, 9 + 2_048));
    old.p2p.shutdown().await;
    new.p2p.shutdown().await;

    let new = Server::start(&[], 3).await;
    let old = Server::with(without_v2(&[new.address()], 4)).await;
    let peer = the_peer(&new, "the handshake", |peer| peer.handshake_complete).await;
    assert_eq!((peer.transport, peer.inbound), (TransportProtocol::V1, true));
    old.p2p.shutdown().await;
    new.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_named_as_one_without_v2_is_dialled_in_v1() {
    for is_kept in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let target = listener.local_addr().expect("bound").to_string();
        let server = Server::start(&[], 1).await;
        if is_kept {
            assert!(server.p2p.add_peer(&target, false).await.expect("an address"));
        } else {
            server.p2p.try_peer(&target, false).await.expect("an address");
        }
        let mut wire = accept(&listener).await;
        assert_eq!(wire.read::<16>().await[..], v1_beginning());
        server.p2p.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_v2_switched_off_the_first_bytes_are_v1s() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let target = listener.local_addr().expect("bound").to_string();
    let server = Server::with(P2pConfig { v2: false, ..config(&[target], 1) }).await;
    let mut wire = accept(&listener).await;
    assert_eq!(wire.read::<16>().await[..], v1_beginning());
    server.p2p.shutdown().await;
}
