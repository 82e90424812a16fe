//! Against another implementation of BIP324: the `bip324` crate.

use std::io::BufReader;
use std::net::{TcpListener, TcpStream};

use bip324::io::{Payload, Protocol};
use bip324::{PacketType, Role};

use super::puppet::PATIENCE;
use super::{listening, magic, the_peer, version};
use crate::sockets::Server;

type Foreign = Protocol<BufReader<TcpStream>, TcpStream>;

fn begin(stream: TcpStream, role: Role) -> Foreign {
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let reader = BufReader::new(stream.try_clone().expect("a socket"));
    let (garbage, decoys) = (vec![0x5a; 1_234], vec![b"decoy".to_vec(), vec![0; 100], Vec::new()]);
    Protocol::new(magic(), role, Some(garbage), Some(decoys), reader, stream).expect("the transports agree")
}

fn send(foreign: &mut Foreign, contents: &[u8]) {
    foreign.write(&Payload::genuine(contents.to_vec())).expect("it reads");
}

fn wait_for(foreign: &mut Foreign, beginning: &[u8]) -> Vec<u8> {
    loop {
        let payload = foreign.read().expect("it writes");
        if payload.packet_type() == PacketType::Genuine && payload.contents().starts_with(beginning) {
            return payload.contents().to_vec();
        }
    }
}

/// Shakes hands and plays 600 rounds of ping and pong, which takes both sides' keys through two changes.
fn play(mut foreign: Foreign) {
    send(&mut foreign, &[&b"\0version\0\0\0\0\0"[..], &version(1)].concat());
    wait_for(&mut foreign, b"\0version\0\0\0\0\0");
    send(&mut foreign, b"\0verack\0\0\0\0\0\0");
    wait_for(&mut foreign, b"\0verack\0\0\0\0\0\0");
    for number in 0..600u64 {
        send(&mut foreign, &[&[18], &number.to_le_bytes()[..]].concat());
        assert_eq!(wait_for(&mut foreign, &[19])[1..], number.to_le_bytes());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bip324_crate_dials_us() {
    let server = Server::start(&[], 1).await;
    let address = listening(&server);
    let played = tokio::task::spawn_blocking(move || {
        play(begin(TcpStream::connect(address).expect("it listens"), Role::Initiator));
    });
    played.await.expect("all went well");
    server.p2p.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bip324_crate_is_dialled_by_us() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = listener.local_addr().expect("bound").to_string();
    let server = Server::start(&[target], 1).await;
    let played = tokio::task::spawn_blocking(move || {
        let (stream, _) = listener.accept().expect("it is dialled");
        play(begin(stream, Role::Responder));
    });
    let peer = the_peer(&server, "the handshake", |peer| peer.handshake_complete).await;
    assert_eq!(peer.transport.name(), "v2");
    played.await.expect("all went well");
    server.p2p.shutdown().await;
}
