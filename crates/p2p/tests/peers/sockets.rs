//! Two and three nodes over loopback sockets.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use mycoin_p2p::{Host as _, P2p, P2pConfig, P2pError, P2pHandle, World as _};
use mycoin_primitives::{Failure as _, Network};
use tokio::io::AsyncWriteExt as _;

use crate::toy::{ToyWorld, payment, root};

pub(crate) struct Server {
    pub(crate) world: Arc<ToyWorld>,
    pub(crate) p2p: P2pHandle,
}

impl Server {
    pub(crate) async fn start(connect: &[String], seed: u64) -> Self {
        Self::with(config(connect, seed)).await
    }

    pub(crate) async fn with(config: P2pConfig) -> Self {
        let world = Arc::new(ToyWorld::new());
        let p2p = P2p::start(config, Arc::clone(&world) as _).await.expect("a free port");
        world.handle.set(p2p.clone()).expect("set once");
        Self { world, p2p }
    }

    pub(crate) fn address(&self) -> String {
        self.p2p.local_addr().expect("it listens").to_string()
    }
}

pub(crate) fn config(connect: &[String], seed: u64) -> P2pConfig {
    P2pConfig {
        network: Network::regtest(),
        listen: Some(([127, 0, 0, 1], 0).into()),
        connect: connect.to_vec(),
        addresses: Vec::new(),
        bans: Vec::new(),
        seed,
        v2: true,
        socks5: None,
    }
}

pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..400 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what} did not happen within 10 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_shake_hands_and_relay() {
    let first = Server::start(&[], 1).await;
    first.world.mine(30, 1);
    let second = Server::start(&[first.address()], 2).await;
    until("the handshake", async || second.p2p.peers().await.iter().any(|peer| peer.handshake_complete)).await;
    until("the catching up", async || second.world.tip() == first.world.tip()).await;

    second.world.submit_transaction(Arc::new(payment(root(), 1)));
    until("the relay of a payment", async || first.world.mempool_size() == 1).await;
    first.world.mine(1, 1);
    until("the relay of a block", async || second.world.tip() == first.world.tip()).await;
    assert_eq!((first.world.mempool_size(), second.world.mempool_size()), (0, 0));

    let peers = second.p2p.peers().await;
    let [peer] = peers.as_slice() else { panic!("one peer, not {}", peers.len()) };
    assert!(!peer.inbound && peer.relays_transactions && peer.ping_time.is_some());
    assert_eq!((peer.version, peer.user_agent.as_str(), peer.services), (70_016, "/MyCoin:0.1.0/", 9 + 2_048));
    assert_eq!((peer.starting_height, peer.synced_blocks), (30, Some(second.world.tip().0)));
    assert_eq!(peer.target.as_deref(), Some(first.address().as_str()));
    assert!(peer.bytes_received > 1_000 && peer.bytes_sent > 500 && peer.last_block.is_some());
    let totals = first.p2p.totals();
    assert!(totals.bytes_sent >= peer.bytes_received && (totals.inbound, totals.outbound) == (1, 0));

    first.p2p.shutdown().await;
    until("the loss of the peer", async || second.p2p.peers().await.is_empty()).await;
    second.p2p.shutdown().await;
    assert!(second.p2p.peers().await.is_empty(), "asking after the end is no error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_up_later_is_dialled_again() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let early = Server::start(&[address.to_string()], 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let world = Arc::new(ToyWorld::new());
    let late = P2p::start(P2pConfig { listen: Some(address), ..config(&[], 2) }, world as _).await.expect("still free");
    until("the connection", async || early.p2p.peers().await.iter().any(|peer| peer.handshake_complete)).await;
    early.p2p.shutdown().await;
    late.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_named_with_the_option_that_changes_it() {
    let first = Server::start(&[], 1).await;
    let taken = P2pConfig { listen: first.p2p.local_addr(), ..config(&[], 2) };
    let error = P2p::start(taken, Arc::new(ToyWorld::new()) as _).await.expect_err("the port is taken");
    assert!(matches!(error, P2pError::PortTaken { address } if Some(address) == first.p2p.local_addr()));
    assert!(error.next_step().contains("--p2p"));
    first.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_ends_only_its_own_connection_and_connecting_to_ourselves_comes_to_nothing() {
    // Without encryption, where every noise could be a key.
    let server = Server::with(P2pConfig { v2: false, ..config(&[], 1) }).await;
    let friend = Server::start(&[server.address()], 2).await;
    server.p2p.connect(&server.address()).expect("an address");
    assert!(matches!(server.p2p.connect("no port:x"), Err(P2pError::BadAddress { .. })));
    for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 100]] {
        let mut socket = tokio::net::TcpStream::connect(server.address()).await.expect("it listens");
        socket.write_all(noise).await.expect("it reads");
        let mut rest = Vec::new();
        // Closed by the other side, with or without a reset.
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut rest).await;
        assert!(rest.is_empty());
    }
    until("one good peer", async || {
        let peers = server.p2p.peers().await;
        peers.len() == 1 && peers.iter().all(|peer| peer.handshake_complete)
    })
    .await;
    friend.p2p.shutdown().await;
    server.p2p.shutdown().await;
}
