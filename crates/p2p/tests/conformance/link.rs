//! One connection of a node under test: bytes go in, bytes come out.

use std::sync::Arc;
use std::time::Duration;

use mycoin_p2p::{
    Action, BlockVerdict, Decoder, DisconnectReason, Event, HeadersVerdict, Node, NodeConfig, PeerId, Time,
    TransactionVerdict, WaitingTransaction, encode,
};
use mycoin_primitives::bitcoin::p2p::Magic;
use mycoin_primitives::{Block, FeeRate, Transaction};

use crate::bytes::{MAGIC, Said, frame, said, table};
use crate::world::Shelf;

/// What a stock node's `version` says.
pub(crate) struct Version {
    /// Four bytes.
    pub(crate) number: &'static str,
    /// Eight bytes.
    pub(crate) services: &'static str,
    /// One byte.
    pub(crate) relay: &'static str,
}

/// NETWORK, WITNESS, NETWORK_LIMITED, P2P_V2.
pub(crate) const CORE_SERVICES: &str = "090c000000000000";

/// Version 28 with its default options.
pub(crate) const CORE: Version = Version { number: "80110100", services: CORE_SERVICES, relay: "01" };

impl Version {
    pub(crate) fn frame(&self) -> Vec<u8> {
        frame(
            "version",
            &table(&[
                ("protocol version", self.number),
                ("services", self.services),
                ("time", "00d2496b00000000"),
                ("your services, as far as known", "0000000000000000"),
                ("your address: loopback is not told", "00000000000000000000000000000000 0000"),
                ("my services", self.services),
                ("my address: never told", "00000000000000000000000000000000 0000"),
                ("nonce", "0102030405060708"),
                ("user agent: /Satoshi:28.0.0/", "10 2f5361746f7368693a32382e302e302f"),
                ("height", "00000000"),
                ("whether it wants transactions", self.relay),
            ]),
        )
    }
}

/// The node, its only connection, and what it knows.
pub(crate) struct Link {
    node: Node,
    peer: PeerId,
    decoder: Decoder,
    now: Time,
    pub(crate) shelf: Shelf,
    /// What it dialled by itself.
    pub(crate) dialled: Vec<String>,
    /// Why it ended the connection.
    pub(crate) ended: Option<DisconnectReason>,
    /// Blocks that it wanted judged.
    pub(crate) judged_blocks: Vec<Arc<Block>>,
    /// Transactions, likewise.
    pub(crate) judged_transactions: Vec<Arc<Transaction>>,
}

impl Link {
    /// A stock node has dialled us.
    pub(crate) fn dialled_us(shelf: Shelf) -> Self {
        Self::open(shelf, None).0
    }

    /// We have dialled a stock node; what we said first.
    pub(crate) fn dialled_it(shelf: Shelf) -> (Self, Vec<Said>) {
        Self::open(shelf, Some("stock:18444".to_owned()))
    }

    fn open(shelf: Shelf, target: Option<String>) -> (Self, Vec<Said>) {
        let connect = vec!["stock:18444".to_owned()];
        let mut link = Self::new(shelf, NodeConfig { connect, seed: 7, v2: true, ..NodeConfig::default() });
        link.event(Event::Tick);
        let first = link.event(Event::Connected { peer: link.peer, address: ([10, 0, 0, 1], 5_000).into(), target });
        (link, first)
    }

    fn new(shelf: Shelf, config: NodeConfig) -> Self {
        let now = Time::from_unix_millis(1_800_000_000_000);
        Self {
            node: Node::new(config, now),
            peer: PeerId(1),
            decoder: Decoder::new(Magic::from_bytes(MAGIC)),
            now,
            shelf,
            dialled: Vec::new(),
            ended: None,
            judged_blocks: Vec::new(),
            judged_transactions: Vec::new(),
        }
    }

    /// A node that dials addresses which it hears of has heard of this one; the connection with that.
    pub(crate) fn of_its_choice(shelf: Shelf, addresses: &[u8], address: &str) -> Self {
        let mut link = Self::new(shelf, NodeConfig { dial_learned: true, seed: 7, v2: true, ..NodeConfig::default() });
        link.event(Event::Connected { peer: link.peer, address: ([10, 0, 0, 1], 5_000).into(), target: None });
        link.hears(&[CORE.frame(), frame("verack", &[]), frame("addr", addresses)].concat());
        link.waits(5);
        assert_eq!(link.dialled, [address], "each address once");
        link.peer = PeerId(2);
        link.decoder = Decoder::new(Magic::from_bytes(MAGIC));
        let target = link.dialled.pop();
        let address = address.parse().expect("an address");
        link.event(Event::Connected { peer: link.peer, address, target });
        link
    }

    /// A connection by which a stock node of that kind came, after the handshake and what follows it.
    pub(crate) fn ready(shelf: Shelf, version: &Version) -> Self {
        let mut link = Self::dialled_us(shelf);
        link.hears(&version.frame());
        for name in ["wtxidrelay", "sendaddrv2", "verack"] {
            link.hears(&frame(name, &[]));
        }
        link.hears(&frame("sendcmpct", &table(&[("unasked: no", "00"), ("version 2", "0200000000000000")])));
        link.hears(&frame("sendheaders", &[]));
        link.waits(1);
        assert_eq!(link.ended, None);
        link
    }

    /// Takes bytes from the other side; what we answer.
    pub(crate) fn hears(&mut self, bytes: &[u8]) -> Vec<Said> {
        self.decoder.push(bytes);
        let mut answers = Vec::new();
        while self.ended.is_none() {
            let event = match self.decoder.next_message() {
                Ok(None) => break,
                Ok(Some(message)) => Event::Received { peer: self.peer, message },
                Err(error) => Event::Garbled { peer: self.peer, error },
            };
            answers.extend(self.event(event));
        }
        answers
    }

    /// The answer to one message.
    pub(crate) fn answers(&mut self, name: &str, payload: &[u8]) -> Vec<Said> {
        self.hears(&frame(name, payload))
    }

    /// Lets time pass.
    pub(crate) fn waits(&mut self, seconds: u64) -> Vec<Said> {
        let mut answers = Vec::new();
        for _ in 0..seconds * 4 {
            self.now = self.now.after(Duration::from_millis(250));
            answers.extend(self.event(Event::Tick));
        }
        answers
    }

    /// A transaction comes into the mempool.
    pub(crate) fn adds(&mut self, transaction: Transaction) {
        let (txid, wtxid) = (transaction.compute_txid(), transaction.compute_wtxid());
        self.shelf.mempool.push(Arc::new(transaction));
        let fee_rate = FeeRate::from_sat_per_kvb(5_000);
        self.event(Event::TransactionAdded(WaitingTransaction { txid, wtxid, fee_rate }));
    }

    /// Blocks come from somewhere else.
    pub(crate) fn connects(&mut self, blocks: Vec<Block>) -> Vec<Said> {
        self.shelf.blocks.extend(blocks.into_iter().map(Arc::new));
        self.event(Event::NewTip)
    }

    /// All that was sent has left.
    pub(crate) fn drained(&mut self) {
        self.event(Event::Drained { peer: self.peer });
    }

    /// A second node dials us from elsewhere, shakes hands and asks for addresses; what it hears.
    pub(crate) fn visited_by_another(&mut self, wants_v2: bool) -> Vec<Said> {
        let guest = PeerId(2);
        let mut decoder = Decoder::new(Magic::from_bytes(MAGIC));
        let sign = if wants_v2 { frame("sendaddrv2", &[]) } else { Vec::new() };
        let mut version = CORE.frame();
        // Another nonce, and the hash that goes with it.
        version[24 + 72] ^= 0xff;
        let version = frame("version", &version[24..]);
        decoder.push(&[version, sign, frame("verack", &[]), frame("getaddr", &[])].concat());
        let mut events = vec![Event::Connected { peer: guest, address: ([9, 9, 9, 9], 5_000).into(), target: None }];
        while let Ok(Some(message)) = decoder.next_message() {
            events.push(Event::Received { peer: guest, message });
        }
        let mut bytes = Vec::new();
        for event in events {
            for action in self.node.handle(self.now, event, &self.shelf) {
                if let Action::Send { peer, message } = action
                    && peer == guest
                {
                    bytes.extend(encode(Magic::from_bytes(MAGIC), &message));
                }
            }
        }
        said(&bytes)
    }

    fn event(&mut self, event: Event) -> Vec<Said> {
        let mut bytes = Vec::new();
        let actions = self.node.handle(self.now, event, &self.shelf);
        let mut later = Vec::new();
        for action in actions {
            match action {
                Action::Send { peer, message } => {
                    if peer == self.peer {
                        bytes.extend(encode(Magic::from_bytes(MAGIC), &message));
                    }
                }
                Action::Disconnect { peer, reason } => {
                    assert_eq!(peer, self.peer);
                    self.ended = Some(reason);
                }
                Action::SubmitHeaders { peer, headers } => {
                    let (last, count) = (headers.last().expect("some").block_hash(), headers.len());
                    self.shelf.headers.extend(headers);
                    later.push(Event::HeadersVerdict { peer, last, count, verdict: HeadersVerdict::Accepted });
                }
                Action::SubmitBlock { peer, block } => {
                    let (hash, block) = (block.block_hash(), block.whole());
                    self.shelf.headers.retain(|header| header.block_hash() != hash);
                    self.shelf.blocks.push(Arc::clone(&block));
                    self.judged_blocks.push(block);
                    later.push(Event::BlockVerdict { peer, hash, verdict: BlockVerdict::Accepted });
                }
                Action::SubmitTransaction { peer, transaction } => {
                    self.judged_transactions.push(Arc::clone(&transaction));
                    let verdict = match transaction.input.first().map(|input| input.previous_output.txid) {
                        // By a rule of these tests, parents whose id begins so are unknown.
                        Some(parent) if AsRef::<[u8]>::as_ref(&parent).starts_with(&[0xee]) => {
                            TransactionVerdict::MissingInputs { parents: vec![parent] }
                        }
                        _ => TransactionVerdict::Accepted,
                    };
                    later.push(Event::TransactionVerdict { peer, transaction, verdict });
                }
                Action::Connect { target } => self.dialled.push(target),
                other => panic!("{other:?} has no place here"),
            }
        }
        let mut messages = said(&bytes);
        for event in later {
            messages.extend(self.event(event));
        }
        messages
    }
}
