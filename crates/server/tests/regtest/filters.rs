//! The kept filters as callers and peers get them, over real connections (BIP157, BIP158).

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mycoin_primitives::bitcoin::bip158::{FilterHash, FilterHeader};
use mycoin_primitives::bitcoin::consensus::encode::{deserialize_partial, serialize};
use mycoin_primitives::bitcoin::p2p::message::{NetworkMessage, RawNetworkMessage};
use mycoin_primitives::bitcoin::p2p::message_filter::{GetCFCheckpt, GetCFHeaders, GetCFilters};
use mycoin_primitives::bitcoin::p2p::message_network::VersionMessage;
use mycoin_primitives::bitcoin::p2p::{Address, ServiceFlags};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{BlockHash, Network};
use mycoin_server::BlockFilters;
use serde_json::{Value, json};

use crate::node::{ELSEWHERE, Node, text};

const INDEX: &str = "basic block filter index";
const PATIENCE: Duration = Duration::from_secs(20);

impl Node {
    /// Waits until the index is at the tip, at this height.
    #[track_caller]
    fn filters_reach(&self, height: u32) {
        let begun = Instant::now();
        let wanted = json!({INDEX: {"synced": true, "best_block_height": height}});
        while self.call("getindexinfo", json!([])) != wanted {
            let info = self.call("getindexinfo", json!([]));
            assert!(begun.elapsed() < PATIENCE, "{info} after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn hashes(&self) -> Vec<String> {
        let tip = self.call("getblockcount", json!([])).as_u64().expect("a number");
        (0..=tip).map(|height| text(&self.call("getblockhash", json!([height])))).collect()
    }

    fn filter(&self, hash: &str) -> Value {
        self.call("getblockfilter", json!([hash]))
    }
}

/// A light client that speaks Bitcoin's protocol and offers nothing.
struct LightClient {
    stream: TcpStream,
    received: Vec<u8>,
    /// What the server offers.
    services: ServiceFlags,
}

impl LightClient {
    fn connect(node: &Node) -> Self {
        let stream = TcpStream::connect(node.p2p_address()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        let mut client = Self { stream, received: Vec::new(), services: ServiceFlags::NONE };
        let nowhere = Address { services: ServiceFlags::NONE, address: [0; 8], port: 0 };
        client.send(NetworkMessage::Version(VersionMessage {
            version: 70_016,
            services: ServiceFlags::NONE,
            timestamp: 0,
            receiver: nowhere.clone(),
            sender: nowhere,
            nonce: 7,
            user_agent: "/light:1/".to_owned(),
            start_height: 0,
            relay: false,
        }));
        client.send(NetworkMessage::Verack);
        loop {
            match client.next() {
                Some(NetworkMessage::Version(version)) => client.services = version.services,
                Some(NetworkMessage::Verack) => return client,
                Some(_) => {}
                None => panic!("it hung up during the handshake"),
            }
        }
    }

    fn send(&mut self, message: NetworkMessage) {
        let magic = Network::regtest().magic;
        self.stream.write_all(&serialize(&RawNetworkMessage::new(magic, message))).expect("it reads");
    }

    /// The next message; `None` when the server hung up.
    fn next(&mut self) -> Option<NetworkMessage> {
        loop {
            if let Ok((message, used)) = deserialize_partial::<RawNetworkMessage>(&self.received) {
                self.received.drain(..used);
                return Some(message.payload().clone());
            }
            let mut bytes = [0; 4_096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.received.extend(bytes.iter().take(count)),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    /// The next message that `wanted` takes; others are passed over.
    fn await_one<T>(&mut self, wanted: impl Fn(NetworkMessage) -> Option<T>) -> T {
        loop {
            let message = self.next().expect("it stays connected");
            if let Some(found) = wanted(message) {
                return found;
            }
        }
    }

    /// Whether the server hangs up, whatever it says before.
    fn is_dropped(&mut self) -> bool {
        while self.next().is_some() {}
        true
    }
}

fn parsed(hash: &str) -> BlockHash {
    hash.parse().expect("a hash")
}

#[test]
fn kept_filters_are_those_made_when_asked_for_and_outlive_reorganisations_and_restarts() {
    let node = Node::start();
    node.mine(6, ELSEWHERE);
    let hashes = node.hashes();
    let made: Vec<Value> = hashes.iter().map(|hash| node.filter(hash)).collect();

    let node = node.restart_with(BlockFilters::Kept);
    node.filters_reach(6);
    assert_eq!(node.call("getindexinfo", json!([INDEX])), node.call("getindexinfo", json!([])));
    assert_eq!(node.call("getindexinfo", json!(["txindex"])), json!({}));
    assert_eq!(hashes.iter().map(|hash| node.filter(hash)).collect::<Vec<_>>(), made);
    // At once, however the index does it.
    let next = node.mine(1, ELSEWHERE).swap_remove(0);
    let seventh = node.filter(&next);
    node.call("invalidateblock", json!([hashes[5]]));
    node.filters_reach(4);
    let other = node.mine(4, "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry");
    let others: Vec<Value> = other.iter().map(|hash| node.filter(hash)).collect();
    node.filters_reach(8);
    assert_eq!(
        (node.filter(&next), node.filter(&hashes[6])),
        (seventh.clone(), made[6].clone()),
        "stale ones are kept"
    );

    // Switched off it stays as it is, and goes on later.
    let node = node.restart();
    assert_eq!(node.call("getindexinfo", json!([])), json!({}));
    let off = (-5, "Filter not found. Block was not connected to active chain.".to_owned());
    assert_eq!(node.error("getblockfilter", json!([next])), off);
    assert_eq!(other.iter().map(|hash| node.filter(hash)).collect::<Vec<_>>(), others);
    node.mine(2, ELSEWHERE);
    let all: Vec<Value> = node.hashes().iter().map(|hash| node.filter(hash)).collect();
    let node = node.restart_with(BlockFilters::Kept);
    node.filters_reach(10);
    assert_eq!(node.hashes().iter().map(|hash| node.filter(hash)).collect::<Vec<_>>(), all);
    assert_eq!(node.filter(&next), seventh);
    assert_eq!(node.error("getblockfilter", json!(["00".repeat(32)])), (-5, "Block not found".to_owned()));
    assert_eq!(node.error("getblockfilter", json!([next, "other"])), (-5, "Unknown filtertype".to_owned()));
}

#[test]
fn a_light_client_gets_filters_headers_and_checkpoints() {
    let node = Node::start();
    node.mine(1_001, ELSEWHERE);
    let node = node.restart_with(BlockFilters::Served);
    node.filters_reach(1_001);
    let names = node.call("getnetworkinfo", json!([]))["localservicesnames"].take();
    assert!(names.as_array().is_some_and(|names| names.contains(&json!("COMPACT_FILTERS"))), "{names}");
    let hashes = node.hashes();
    let stop_hash = parsed(&hashes[5]);
    let mut client = LightClient::connect(&node);
    assert!(client.services.has(ServiceFlags::COMPACT_FILTERS));

    client.send(NetworkMessage::GetCFHeaders(GetCFHeaders { filter_type: 0, start_height: 0, stop_hash }));
    let headers = client.await_one(|message| match message {
        NetworkMessage::CFHeaders(headers) => Some(headers),
        _ => None,
    });
    assert_eq!((headers.stop_hash, headers.previous_filter_header), (stop_hash, FilterHeader::all_zeros()));
    assert_eq!(headers.filter_hashes.len(), 6);
    let mut before = FilterHeader::all_zeros();
    for (filter, hash) in headers.filter_hashes.iter().zip(&hashes) {
        before = filter.filter_header(&before);
        assert_eq!(node.filter(hash)["header"], before.to_string());
    }

    client.send(NetworkMessage::GetCFilters(GetCFilters { filter_type: 0, start_height: 2, stop_hash }));
    for (hash, filter_hash) in hashes.iter().zip(&headers.filter_hashes).skip(2) {
        let filter = client.await_one(|message| match message {
            NetworkMessage::CFilter(filter) => Some(filter),
            _ => None,
        });
        assert_eq!((filter.filter_type, filter.block_hash.to_string()), (0, hash.clone()));
        assert_eq!(FilterHash::hash(&filter.filter), *filter_hash);
    }

    let stop_hash = parsed(&hashes[1_001]);
    client.send(NetworkMessage::GetCFCheckpt(GetCFCheckpt { filter_type: 0, stop_hash }));
    let checkpoints = client.await_one(|message| match message {
        NetworkMessage::CFCheckpt(checkpoints) => Some(checkpoints),
        _ => None,
    });
    let told: Vec<String> = checkpoints.filter_headers.iter().map(ToString::to_string).collect();
    assert_eq!(told, [text(&node.filter(&hashes[1_000])["header"])]);

    // A block that comes now is served as soon as the index has it.
    let next = node.mine(1, ELSEWHERE).swap_remove(0);
    node.filters_reach(1_002);
    let stop_hash = parsed(&next);
    client.send(NetworkMessage::GetCFilters(GetCFilters { filter_type: 0, start_height: 1_002, stop_hash }));
    let filter = client.await_one(|message| match message {
        NetworkMessage::CFilter(filter) => Some(filter),
        _ => None,
    });
    assert_eq!(filter.block_hash, stop_hash);
}

#[test]
fn who_asks_a_server_that_does_not_serve_filters_is_dropped() {
    let mut node = Node::start();
    let stop_hash = parsed(&node.hashes()[0]);
    for wish in [BlockFilters::Off, BlockFilters::Kept] {
        node = node.restart_with(wish);
        if wish == BlockFilters::Kept {
            node.filters_reach(0);
        }
        let names = node.call("getnetworkinfo", json!([]))["localservicesnames"].take();
        assert!(names.as_array().is_some_and(|names| !names.contains(&json!("COMPACT_FILTERS"))), "{names}");
        for request in [
            NetworkMessage::GetCFilters(GetCFilters { filter_type: 0, start_height: 0, stop_hash }),
            NetworkMessage::GetCFHeaders(GetCFHeaders { filter_type: 0, start_height: 0, stop_hash }),
            NetworkMessage::GetCFCheckpt(GetCFCheckpt { filter_type: 0, stop_hash }),
        ] {
            let mut client = LightClient::connect(&node);
            assert!(!client.services.has(ServiceFlags::COMPACT_FILTERS));
            client.send(request);
            assert!(client.is_dropped());
        }
        assert_eq!(node.call("getblockcount", json!([])), 0, "nothing else happened");
    }
}

#[test]
fn an_index_that_cannot_be_opened_stops_nothing_else() {
    let mut node = Node::start();
    node.stop();
    fs::write(node.file("filters"), b"no folder").expect("there is room");
    let node = node.open_again(BlockFilters::Served);
    let hash = node.mine(2, ELSEWHERE).swap_remove(1);
    assert_eq!(node.call("getindexinfo", json!([])), json!({INDEX: {"synced": false, "best_block_height": 0}}));
    let (code, words) = node.error("getblockfilter", json!([hash]));
    assert!(code == -1 && words.contains("has stopped"), "{code} {words}");
    assert!(!LightClient::connect(&node).services.has(ServiceFlags::COMPACT_FILTERS));

    // Without what stood in its way it is made.
    let mut node = node;
    node.stop();
    fs::remove_file(node.file("filters")).expect("it is ours");
    let node = node.open_again(BlockFilters::Served);
    node.filters_reach(2);
    assert!(LightClient::connect(&node).services.has(ServiceFlags::COMPACT_FILTERS));
}
