//! What peers can make us remember, measured on a process of its own: nothing else runs in it.

#[expect(dead_code, reason = "what only the other tests use")]
#[path = "../peers/toy.rs"]
mod toy;

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mycoin_p2p::{Decoder, Host as _, Message, P2p, P2pConfig, P2pHandle, World as _, encode};
use mycoin_primitives::bitcoin::p2p::address::Address;
use mycoin_primitives::bitcoin::p2p::message_blockdata::{GetHeadersMessage, Inventory};
use mycoin_primitives::bitcoin::p2p::message_network::VersionMessage;
use mycoin_primitives::bitcoin::p2p::{Magic, ServiceFlags};
use mycoin_primitives::hashes::{Hash as _, sha256d};
use mycoin_primitives::{BlockHash, Network, Witness, Wtxid};

use crate::toy::{ToyWorld, payment, root, waiting};

const MAGIC: Magic = Magic::REGTEST;

/// A figure of this process in bytes. Source: proc(5), `VmHWM`: the most that it had.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find(|line| line.starts_with(name)).expect("it is told");
    let kilobytes: String = line.chars().filter(char::is_ascii_digit).collect();
    kilobytes.parse::<u64>().expect("a number") * 1_024
}

fn version(nonce: u64) -> Message {
    let services = ServiceFlags::NETWORK | ServiceFlags::WITNESS;
    let nowhere = Address { services, address: [0; 8], port: 0 };
    Message::Version(Box::new(VersionMessage {
        version: 70_016,
        services,
        timestamp: 0,
        receiver: nowhere.clone(),
        sender: nowhere,
        nonce,
        user_agent: "/Puppet:1/".to_owned(),
        start_height: 0,
        relay: true,
    }))
}

/// A frame of any command and payload.
fn frame(command: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_bytes().to_vec();
    bytes.extend_from_slice(command.as_bytes());
    bytes.resize(16, 0);
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&sha256d::Hash::hash(payload).to_byte_array()[..4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// Lengths of 2³²−1 and 2⁶⁴−1 with ten bytes after them, in every message that has one.
fn promises_cost_nothing() {
    let commands = [
        ("inv", 0),
        ("getdata", 0),
        ("notfound", 0),
        ("addr", 0),
        ("addrv2", 0),
        ("headers", 0),
        ("getheaders", 4),
        ("getblocks", 4),
        ("tx", 4),
        ("tx", 5),
        ("block", 80),
        ("cmpctblock", 88),
        ("getblocktxn", 32),
        ("blocktxn", 32),
        ("version", 80),
    ];
    for (command, before) in commands {
        for length in [&[0xfe, 0xff, 0xff, 0xff, 0xff][..], &[0xff; 9]] {
            let mut decoder = Decoder::new(MAGIC);
            decoder.push(&frame(command, &[&vec![1; before], length, &[0; 10]].concat()));
            assert!(decoder.next_message().is_err(), "{command}");
        }
    }
    // The header's own length, of the longest message that there may be, after the handshake.
    let mut waiting = Vec::new();
    for nonce in 0..100 {
        let mut decoder = Decoder::new(MAGIC);
        decoder.push(&[encode(MAGIC, &version(nonce)), encode(MAGIC, &Message::Verack)].concat());
        assert!(decoder.next_message().is_ok() && decoder.next_message().is_ok());
        let mut bytes = frame("block", &[0; 10]);
        bytes[16..20].copy_from_slice(&4_000_000u32.to_le_bytes());
        decoder.push(&bytes);
        assert_eq!(decoder.next_message(), Ok(None));
        waiting.push(decoder);
    }
}

/// Waits until `is_so`.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The messages of peers that never read, as bytes that all of them send.
struct Flood {
    handshake: Vec<u8>,
    /// The payload of 50,000 transactions that nobody has; each peer makes them its own.
    inventory: Vec<u8>,
    /// What we have: 3,900 times something, or 50,000 times.
    some_wants: Vec<u8>,
    most_wants: Vec<u8>,
    /// Short questions with long answers.
    questions: Vec<u8>,
}

impl Flood {
    fn of(had: &[Wtxid]) -> Self {
        let wants = |count| Message::GetData(had.iter().copied().cycle().take(count).map(Inventory::WTx).collect());
        let names = (0..50_000u32).map(|number| Inventory::WTx(Wtxid::hash(&number.to_le_bytes())));
        let inventory = encode(MAGIC, &Message::Inv(names.collect()));
        let nothing = BlockHash::all_zeros();
        let headers = GetHeadersMessage { version: 70_016, locator_hashes: vec![nothing], stop_hash: nothing };
        let mut questions = encode(MAGIC, &Message::GetAddr);
        questions.extend(encode(MAGIC, &Message::GetHeaders(headers)).repeat(200));
        Self {
            handshake: [Message::WtxidRelay, Message::Verack].map(|message| encode(MAGIC, &message)).concat(),
            inventory: inventory.get(24..).expect("a payload").to_vec(),
            some_wants: encode(MAGIC, &wants(3_900)),
            most_wants: encode(MAGIC, &wants(50_000)),
            questions,
        }
    }

    /// Says hello, asks for things and announces some, and reads nothing. It may be let go meanwhile.
    fn run(&mut self, address: &str, number: u64, wants_most: bool) -> TcpStream {
        let mut socket = TcpStream::connect(address).expect("it listens");
        socket.set_write_timeout(Some(Duration::from_secs(30))).expect("a valid time");
        // After three bytes of count, each item is four bytes of kind and a hash.
        for item in self.inventory[3..].chunks_exact_mut(36) {
            item[4..12].copy_from_slice(&number.to_le_bytes());
        }
        let inventory = frame("inv", &self.inventory);
        let wants = if wants_most { &self.most_wants } else { &self.some_wants };
        let hello = encode(MAGIC, &version(number));
        for bytes in [&hello, &self.handshake, &inventory, wants, &self.questions] {
            if socket.write_all(bytes).is_err() {
                break;
            }
        }
        socket
    }
}

async fn start(world: &Arc<ToyWorld>, connect: &[String], seed: u64) -> P2pHandle {
    let config = P2pConfig {
        network: Network::regtest(),
        listen: Some(([127, 0, 0, 1], 0).into()),
        connect: connect.to_vec(),
        addresses: Vec::new(),
        bans: Vec::new(),
        seed,
        v2: false,
        socks5: None,
    };
    let p2p = P2p::start(config, Arc::clone(world) as _).await.expect("a free port");
    world.handle.set(p2p.clone()).expect("set once");
    p2p
}

/// Fifty peers ask for as much as all may wait for together, announce 50,000 transactions each, ask 200 times for 2,000
/// headers, and read nothing. Ten more want 50,000 things each. Source: what `CVE-2024-52915` did to Bitcoin Core.
async fn silent_peers_take_a_bounded_memory_and_keep_nobody_waiting() {
    let world = Arc::new(ToyWorld::new());
    world.mine(2_000, 1);
    // Heavy ones, so that the operating system's buffers, some megabytes for each peer, hold few of those that are wanted.
    let heavy = |number: u32| {
        let mut payment = payment(root(), number);
        payment.input[0].witness = Witness::from_slice(&[vec![number as u8; 100_000]]);
        payment
    };
    let payments: Vec<_> = (0..10).map(heavy).collect();
    let had: Vec<Wtxid> = payments.iter().map(|payment| waiting(payment).wtxid).collect();
    for payment in payments {
        world.submit_transaction(Arc::new(payment));
    }
    let p2p = start(&world, &[], 1).await;
    let address = p2p.local_addr().expect("it listens").to_string();
    let mut flood = Flood::of(&had);
    let before = memory("VmRSS");
    let mut sockets = Vec::new();
    for number in 0..60 {
        let (wants_most, received) = (number >= 50, p2p.totals().bytes_received);
        sockets.push(flood.run(&address, number + 10, wants_most));
        // One after the other, so that what they leave behind is measured, and not how many messages are under way.
        let sent = if wants_most { flood.most_wants.len() } else { flood.some_wants.len() } + flood.inventory.len();
        until("it is heard", || p2p.totals().bytes_received >= received + sent as u64).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        // The answer comes after all that was handed over before.
        p2p.peers().await;
    }
    // Less than 200,000 things wait for fifty of them, and 50,000 for one more; the next nine would be too many.
    until("nine are let go", || p2p.totals().inbound == 51).await;
    let flooded = memory("VmHWM").saturating_sub(before);
    writeln!(std::io::stderr(), "silent peers: {flooded} B").expect("open");

    let (began, friend_world) = (Instant::now(), Arc::new(ToyWorld::new()));
    let friend = start(&friend_world, &[address], 2).await;
    until("a friend is served", || friend_world.tip() == world.tip()).await;
    let paid = payment(root(), 10);
    friend_world.submit_transaction(Arc::new(paid.clone()));
    until("a friend's payment is taken", || world.has_transaction(&waiting(&paid).wtxid)).await;
    assert_eq!(p2p.totals().inbound, 52, "nobody else was let go");
    writeln!(std::io::stderr(), "a friend of the same node was served in {:?}", began.elapsed()).expect("open");
    // 90 to 220 MB were measured, the most on a busy machine. The aim is 100 MB, which is not reached yet.
    assert!(flooded < 300_000_000, "{flooded} B");
    drop(sockets);
    friend.shutdown().await;
    p2p.shutdown().await;
}

/// One test, for both measure the same process.
#[test]
fn peers_cannot_fill_the_memory() {
    let before = memory("VmHWM");
    promises_cost_nothing();
    let promised = memory("VmHWM") - before;
    assert!(promised < 5_000_000, "lengths that promise more than follows: {promised} B");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    runtime.block_on(silent_peers_take_a_bounded_memory_and_keep_nobody_waiting());
}
