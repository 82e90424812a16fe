//! A fault of ours costs the connection that it came with, and no other.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use mycoin_p2p::{Host as _, Message, P2pConfig, World as _, encode};
use mycoin_primitives::Network;
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;

use crate::protocol::version;
use crate::sockets::{Server, config, until};
use crate::toy::{FAULT_LOCK_TIME, fault_block, payment, root};

/// Whether the server ends the connection with a peer that says this.
async fn is_ended_by(server: &Server, nonce: u64, message: Message) -> bool {
    let (address, magic) = (server.address(), Network::regtest().magic);
    let says = [version(nonce, 70_016), Message::Verack, message];
    let bytes: Vec<u8> = says.iter().flat_map(|message| encode(magic, message)).collect();
    let task = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(address).expect("it listens");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a valid time");
        socket.write_all(&bytes).expect("it reads");
        let mut rest = Vec::new();
        match socket.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    });
    task.await.expect("the puppet does not panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_ends_the_connection_of_the_peer_that_it_came_with_and_nothing_else() {
    let server = Server::with(P2pConfig { v2: false, ..config(&[], 1) }).await;
    let friend = Server::with(P2pConfig { v2: false, ..config(&[server.address()], 2) }).await;
    until("the handshake", async || server.p2p.peers().await.iter().any(|peer| peer.handshake_complete)).await;

    // In the thread of the protocol, which asks the world for the block.
    assert!(is_ended_by(&server, 100, Message::GetData(vec![Inventory::WitnessBlock(fault_block())])).await);
    assert_eq!(server.p2p.faults(), 1);
    // In the thread that judges.
    let mut transaction = payment(root(), 5);
    transaction.lock_time = LockTime::from_consensus(FAULT_LOCK_TIME);
    assert!(is_ended_by(&server, 101, Message::Transaction(Arc::new(transaction))).await);
    assert_eq!(server.p2p.faults(), 2);

    friend.world.submit_transaction(Arc::new(payment(root(), 1)));
    until("the relay of a payment", async || server.world.mempool_size() == 1).await;
    friend.world.mine(1, 1);
    until("the relay of a block", async || server.world.tip() == friend.world.tip()).await;
    let peers = server.p2p.peers().await;
    assert!(peers.len() == 1 && peers[0].handshake_complete, "the friend stayed: {peers:?}");
    friend.p2p.shutdown().await;
    server.p2p.shutdown().await;
}
