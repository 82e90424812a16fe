//! Two nodes with a SOCKS5 proxy between them: a real one, as small as it can be.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mycoin_p2p::{P2p, P2pConfig, P2pError, TransportProtocol, World as _};
use mycoin_primitives::Failure as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::sockets::{Server, config, until};
use crate::toy::ToyWorld;

/// A proxy that connects with one node whatever it is asked for, and remembers what that was.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// One that leads to `node`; with `wants_name` it asks for a name and a password.
    async fn start(node: String, wants_name: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, node.clone(), wants_name, Arc::clone(&shared)));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no task panics").clone()
    }
}

async fn read<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.expect("the client speaks");
    bytes
}

async fn read_text(stream: &mut TcpStream) -> String {
    let [length] = read(stream).await;
    let mut text = vec![0; usize::from(length)];
    stream.read_exact(&mut text).await.expect("the client speaks");
    String::from_utf8(text).expect("text")
}

async fn serve(mut stream: TcpStream, node: String, wants_name: bool, asked: Arc<Mutex<Vec<String>>>) {
    assert_eq!(read::<4>(&mut stream).await, [5, 2, 0, 2]);
    if wants_name {
        stream.write_all(&[5, 2]).await.expect("it reads");
        assert_eq!(read::<1>(&mut stream).await, [1]);
        let (name, password) = (read_text(&mut stream).await, read_text(&mut stream).await);
        assert!(!name.is_empty() && !password.is_empty());
        stream.write_all(&[1, 0]).await.expect("it reads");
    } else {
        stream.write_all(&[5, 0]).await.expect("it reads");
    }
    let [5, 1, 0, kind] = read::<4>(&mut stream).await else { panic!("a request to connect") };
    let host = match kind {
        1 => std::net::Ipv4Addr::from(read::<4>(&mut stream).await).to_string(),
        3 => read_text(&mut stream).await,
        4 => format!("[{}]", std::net::Ipv6Addr::from(read::<16>(&mut stream).await)),
        other => panic!("type {other}"),
    };
    let port = u16::from_be_bytes(read(&mut stream).await);
    asked.lock().expect("no task panics").push(format!("{host}:{port}"));
    let mut peer = TcpStream::connect(node).await.expect("the node listens");
    stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 1]).await.expect("it reads");
    // It ends when either side does, which is no failure.
    let _ = copy_bidirectional(&mut stream, &mut peer).await;
}

fn behind(proxy: &Proxy, target: &str, seed: u64) -> P2pConfig {
    let socks5 = Some(proxy.address.to_string());
    P2pConfig { socks5, listen: None, ..config(&[target.to_owned()], seed) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_sync_through_a_proxy_that_alone_knows_where_the_peer_is() {
    let first = Server::start(&[], 1).await;
    first.world.mine(20, 1);
    for (number, (target, address)) in [
        ("node.invalid:7", "[::]:0"),
        ("abcdefgh.onion", "[::]:0"),
        ("192.0.2.7:7602", "192.0.2.7:7602"),
        ("[2001:db8::7]:7602", "[2001:db8::7]:7602"),
    ]
    .into_iter()
    .enumerate()
    {
        let proxy = Proxy::start(first.address(), number % 2 == 0).await;
        let second = Server::with(behind(&proxy, target, 2)).await;
        until("the catching up", async || second.world.tip() == first.world.tip()).await;
        let peers = second.p2p.peers().await;
        let [peer] = peers.as_slice() else { panic!("one peer, not {}", peers.len()) };
        assert!(!peer.inbound && matches!(peer.transport, TransportProtocol::V2 { .. }));
        assert_eq!(peer.address.to_string(), address);
        let asked = if target.contains(':') { target.to_owned() } else { format!("{target}:18444") };
        assert_eq!((proxy.asked(), peer.target.as_ref()), (vec![asked.clone()], Some(&asked)));
        assert_eq!(second.p2p.socks5(), Some(proxy.address.to_string().as_str()));
        second.p2p.shutdown().await;
    }
    first.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_knows_v1_only_is_dialled_again_through_the_proxy() {
    let first = Server::with(P2pConfig { v2: false, ..config(&[], 1) }).await;
    let proxy = Proxy::start(first.address(), false).await;
    let second = Server::with(behind(&proxy, "node.invalid:7", 2)).await;
    until("the handshake", async || second.p2p.peers().await.iter().any(|peer| peer.handshake_complete)).await;
    assert_eq!(proxy.asked(), ["node.invalid:7", "node.invalid:7"]);
    first.p2p.shutdown().await;
    second.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_proxy_a_node_dials_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let gone = Proxy { address: listener.local_addr().expect("bound"), asked: Arc::default() };
    drop(listener);
    let first = Server::start(&[], 1).await;
    let second = Server::with(behind(&gone, &first.address(), 2)).await;
    // Long enough for two tries.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!((first.p2p.totals().inbound, second.p2p.peers().await.len()), (0, 0));
    first.p2p.shutdown().await;
    second.p2p.shutdown().await;
}

#[tokio::test]
async fn what_is_no_address_of_a_proxy_is_told_so() {
    let bad = P2pConfig { socks5: Some("socks5://localhost".to_owned()), ..config(&[], 1) };
    let error = P2p::start(bad, Arc::new(ToyWorld::new()) as _).await.expect_err("no address");
    assert!(matches!(&error, P2pError::BadProxy { text } if text == "socks5://localhost"));
    assert_eq!(error.code(), "p2p/bad-proxy");
}
