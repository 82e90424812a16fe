//! A peer that speaks Bitcoin's plain protocol by another library's code, and knows other nodes.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use mycoin_primitives::Network;
use mycoin_primitives::bitcoin::consensus::{Decodable as _, serialize};
use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::bitcoin::p2p::address::Address;
use mycoin_primitives::bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use mycoin_primitives::bitcoin::p2p::message_network::VersionMessage;

/// It answers whoever connects, one after the other, until the test ends.
pub(crate) struct V1Peer {
    pub(crate) address: SocketAddr,
}

impl V1Peer {
    /// One that tells of `nodes` when it is asked, as seen at `time`.
    pub(crate) fn that_knows(nodes: Vec<SocketAddr>, time: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let services = ServiceFlags::NETWORK | ServiceFlags::WITNESS;
        let nodes: Vec<_> = nodes.iter().map(|node| (time, Address::new(node, services))).collect();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // What is no message of v1, such as a key of v2, ends the connection, as in software that knows v1 alone.
                let _ended = talk(stream, &nodes);
            }
        });
        Self { address }
    }
}

fn talk(mut stream: TcpStream, nodes: &[(u32, Address)]) -> io::Result<()> {
    let magic = Network::demo().magic;
    loop {
        let came = RawNetworkMessage::consensus_decode(&mut stream).map_err(io::Error::other)?;
        if *came.magic() != magic {
            return Err(io::Error::other("another network"));
        }
        let answers = match came.payload() {
            NetworkMessage::Version(theirs) => {
                let nobody = Address { services: ServiceFlags::NONE, address: [0; 8], port: 0 };
                let version = VersionMessage {
                    version: 70_016,
                    services: ServiceFlags::NETWORK | ServiceFlags::WITNESS,
                    timestamp: theirs.timestamp,
                    receiver: nobody.clone(),
                    sender: nobody,
                    nonce: theirs.nonce ^ 1,
                    user_agent: "/other:1.0/".into(),
                    start_height: 0,
                    relay: true,
                };
                vec![NetworkMessage::Version(version), NetworkMessage::Verack]
            }
            NetworkMessage::Ping(nonce) => vec![NetworkMessage::Pong(*nonce)],
            NetworkMessage::GetAddr => vec![NetworkMessage::Addr(nodes.to_vec())],
            NetworkMessage::GetHeaders(_) => vec![NetworkMessage::Headers(Vec::new())],
            _ => Vec::new(),
        };
        for answer in answers {
            stream.write_all(&serialize(&RawNetworkMessage::new(magic, answer)))?;
        }
    }
}
