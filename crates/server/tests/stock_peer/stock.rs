//! The stock node: what it says of itself, and how it answers.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bip324::Role;
use mycoin_primitives::bitcoin::bip152::{BlockTransactions, HeaderAndShortIds};
use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::bitcoin::p2p::address::Address;
use mycoin_primitives::bitcoin::p2p::message::NetworkMessage;
use mycoin_primitives::bitcoin::p2p::message_blockdata::{GetHeadersMessage, Inventory};
use mycoin_primitives::bitcoin::p2p::message_compact_blocks::{BlockTxn, CmpctBlock, SendCmpct};
use mycoin_primitives::bitcoin::p2p::message_network::VersionMessage;
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Block, BlockHash, Transaction, Wtxid};

use crate::chain::StockChain;
use crate::ours::{Ours, PATIENCE};
use crate::wire::{Transport, Wire};

/// What a node tells while it catches up: more than all the money, rounded.
const FEE_FILTER_OF_IBD: i64 = 9_170_997;

/// How this node is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) transport: Transport,
    pub(crate) services: ServiceFlags,
    /// Whether it wants transactions (`-blocksonly` does not).
    pub(crate) relay: bool,
    pub(crate) fee_filter: i64,
}

impl Setup {
    /// With its default options, but with that transport.
    pub(crate) fn new(transport: Transport) -> Self {
        let services = ServiceFlags::NETWORK | ServiceFlags::WITNESS | ServiceFlags::NETWORK_LIMITED;
        let services = if transport == Transport::V2 { services | ServiceFlags::P2P_V2 } else { services };
        Self { transport, services, relay: true, fee_filter: 100 }
    }

    /// It is catching up itself.
    pub(crate) fn in_ibd(self) -> Self {
        Self { fee_filter: FEE_FILTER_OF_IBD, ..self }
    }
}

pub(crate) struct Stock {
    pub(crate) wire: Wire,
    pub(crate) chain: StockChain,
    pub(crate) mempool: HashMap<Wtxid, Transaction>,
    /// Blocks beside its best chain.
    pub(crate) others: HashMap<BlockHash, Block>,
    /// All that came, in order.
    pub(crate) heard: Vec<NetworkMessage>,
    /// Blocks and transactions that it was asked for, in order.
    pub(crate) requested: Vec<Inventory>,
    /// Whether it leaves requests for data unanswered.
    pub(crate) is_deaf: bool,
}

impl Stock {
    /// It dials our server.
    pub(crate) fn dials(ours: &Ours, setup: Setup, chain: StockChain) -> Self {
        let stream = TcpStream::connect(ours.address()).expect("it listens");
        let mut stock = Self::with(Wire::open(stream, setup.transport, Role::Initiator), chain);
        stock.send_version(setup);
        assert_eq!(stock.hear(4), ["version", "wtxidrelay", "sendaddrv2", "verack"]);
        stock.negotiate();
        stock.wire.send(NetworkMessage::GetAddr);
        stock.settle(setup);
        stock
    }

    /// Our server dials it.
    pub(crate) fn is_dialled_by(ours: &Ours, setup: Setup, chain: StockChain) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        ours.dials(listener.local_addr().expect("bound"));
        let (mut stream, _) = listener.accept().expect("it is dialled");
        if setup.transport == Transport::V1 {
            // It does not know what to make of our key, and ends the connection; the next one is plain.
            drop(stream);
            stream = listener.accept().expect("it is dialled again").0;
        }
        let mut stock = Self::with(Wire::open(stream, setup.transport, Role::Responder), chain);
        assert_eq!(stock.hear(1), ["version"]);
        stock.send_version(setup);
        stock.negotiate();
        assert_eq!(stock.hear(3), ["wtxidrelay", "sendaddrv2", "verack"]);
        stock.settle(setup);
        stock
    }

    fn with(wire: Wire, chain: StockChain) -> Self {
        Self {
            wire,
            chain,
            mempool: HashMap::new(),
            others: HashMap::new(),
            heard: Vec::new(),
            requested: Vec::new(),
            is_deaf: false,
        }
    }

    fn send_version(&mut self, setup: Setup) {
        let nowhere = |services| {
            let address: SocketAddr = ([0u16; 8], 0).into();
            Address::new(&address, services)
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        self.wire.send(NetworkMessage::Version(VersionMessage {
            version: 70_016,
            services: setup.services,
            timestamp: i64::try_from(now).expect("soon"),
            receiver: nowhere(ServiceFlags::NONE),
            sender: nowhere(setup.services),
            nonce: 0x5eed,
            user_agent: "/Satoshi:28.0.0/".to_owned(),
            start_height: i32::try_from(self.chain.height()).expect("few"),
            relay: setup.relay,
        }));
    }

    /// What it says between version and verack, with Erlay and packages switched on.
    fn negotiate(&mut self) {
        self.wire.send(NetworkMessage::WtxidRelay);
        self.wire.send(NetworkMessage::SendAddrV2);
        self.wire.send_unknown("sendtxrcncl", &[1, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1]);
        self.wire.send_unknown("sendpackages", &[1, 0, 0, 0, 0, 0, 0, 0]);
        self.wire.send_unknown("whatisthis", b"nobody knows");
        self.wire.send(NetworkMessage::Verack);
    }

    /// What it says after both veracks.
    fn settle(&mut self, setup: Setup) {
        self.wire.send(NetworkMessage::SendCmpct(SendCmpct { send_compact: false, version: 2 }));
        self.wire.send(NetworkMessage::Ping(0x1111));
        self.ask_headers();
        if setup.relay {
            self.wire.send(NetworkMessage::FeeFilter(setup.fee_filter));
        }
        self.until("the handshake", |message| matches!(message, NetworkMessage::Pong(0x1111)));
    }

    /// Asks how our chain goes on from its own.
    pub(crate) fn ask_headers(&mut self) {
        let request = GetHeadersMessage::new(self.chain.locator(), BlockHash::all_zeros());
        self.wire.send(NetworkMessage::GetHeaders(GetHeadersMessage { version: 70_016, ..request }));
    }

    pub(crate) fn ask(&mut self, items: Vec<Inventory>) {
        self.wire.send(NetworkMessage::GetData(items));
    }

    /// The names of the next messages, which are not answered.
    fn hear(&mut self, count: usize) -> Vec<&'static str> {
        let mut names = Vec::new();
        for _ in 0..count {
            let message = self.wire.receive().expect("the connection stands");
            names.push(message.cmd());
            self.heard.push(message);
        }
        names
    }

    /// Answers what comes until a message is the one that is waited for; gives that.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, is_it: impl Fn(&NetworkMessage) -> bool) -> NetworkMessage {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "{what} did not come within {PATIENCE:?}");
            let message = self.wire.receive().unwrap_or_else(|| panic!("the connection ended before {what}"));
            self.answer(&message);
            self.heard.push(message.clone());
            if is_it(&message) {
                return message;
            }
        }
    }

    /// Answers what comes until the world is so.
    #[track_caller]
    pub(crate) fn serve_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < PATIENCE, "{what} did not happen within {PATIENCE:?}");
            self.serve_for(Duration::from_millis(50));
        }
    }

    /// Answers what comes until nothing has come for so long.
    pub(crate) fn serve_for(&mut self, quiet: Duration) {
        while let Some(message) = self.wire.receive_within(quiet) {
            self.answer(&message);
            self.heard.push(message);
        }
    }

    /// Whether the other side still answers.
    #[track_caller]
    pub(crate) fn is_on_good_terms(&mut self) {
        self.wire.send(NetworkMessage::Ping(0x2222));
        self.until("a pong", |message| matches!(message, NetworkMessage::Pong(0x2222)));
    }

    /// How often a message of that name came.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.heard.iter().filter(|message| message.cmd() == name).count()
    }

    fn block(&self, hash: &BlockHash) -> Option<Block> {
        let on_chain = self.chain.blocks.iter().find(|block| block.block_hash() == *hash);
        on_chain.or_else(|| self.others.get(hash)).cloned()
    }

    fn answer(&mut self, message: &NetworkMessage) {
        match message {
            NetworkMessage::Ping(nonce) => self.wire.send(NetworkMessage::Pong(*nonce)),
            NetworkMessage::GetHeaders(request) => {
                let headers = self.chain.headers_after(request);
                self.wire.send(NetworkMessage::Headers(headers));
            }
            NetworkMessage::GetData(items) => {
                self.requested.extend(items);
                if !self.is_deaf {
                    self.give(items);
                }
            }
            NetworkMessage::GetBlockTxn(request) if !self.is_deaf => {
                let request = &request.txs_request;
                let block = self.block(&request.block_hash).expect("it was announced");
                let transactions =
                    request.indexes.iter().map(|place| block.txdata[usize::try_from(*place).expect("few")].clone());
                let transactions =
                    BlockTransactions { block_hash: request.block_hash, transactions: transactions.collect() };
                self.wire.send(NetworkMessage::BlockTxn(BlockTxn { transactions }));
            }
            _ => {}
        }
    }

    /// Gives what it has. Of blocks that it lacks it says nothing, as Bitcoin Core does.
    pub(crate) fn give(&mut self, items: &[Inventory]) {
        let mut missing = Vec::new();
        for item in items {
            let by_txid = |txid| self.mempool.values().find(|tx| tx.compute_txid() == txid).cloned();
            let found = match *item {
                Inventory::WitnessBlock(hash) => match self.block(&hash) {
                    Some(block) => NetworkMessage::Block(block),
                    None => continue,
                },
                Inventory::CompactBlock(hash) => match self.block(&hash) {
                    Some(block) => compact(&block),
                    None => continue,
                },
                Inventory::WTx(wtxid) => match self.mempool.get(&wtxid) {
                    Some(transaction) => NetworkMessage::Tx(transaction.clone()),
                    None => {
                        missing.push(*item);
                        continue;
                    }
                },
                Inventory::WitnessTransaction(txid) => match by_txid(txid) {
                    Some(transaction) => NetworkMessage::Tx(transaction),
                    None => {
                        missing.push(*item);
                        continue;
                    }
                },
                other => panic!("{other:?} is asked for by nobody who knows witnesses"),
            };
            self.wire.send(found);
        }
        if !missing.is_empty() {
            self.wire.send(NetworkMessage::NotFound(missing));
        }
    }

    /// Announces a transaction that it has from now on.
    pub(crate) fn announce_transaction(&mut self, transaction: &Transaction) {
        self.keep_transaction(transaction);
        self.wire.send(NetworkMessage::Inv(vec![Inventory::WTx(transaction.compute_wtxid())]));
    }

    pub(crate) fn keep_transaction(&mut self, transaction: &Transaction) {
        self.mempool.insert(transaction.compute_wtxid(), transaction.clone());
    }

    /// Announces the last blocks of its chain by their headers.
    pub(crate) fn announce_headers(&mut self, count: usize) {
        let from = self.chain.blocks.len() - count;
        let headers = self.chain.blocks[from..].iter().map(|block| block.header).collect();
        self.wire.send(NetworkMessage::Headers(headers));
    }

    /// Announces its tip by a compact block, unasked.
    pub(crate) fn announce_compact(&mut self) {
        let tip = compact(self.chain.blocks.last().expect("genesis at least"));
        self.wire.send(tip);
    }
}

/// A block as a compact one of version 2, with the coinbase in full.
pub(crate) fn compact(block: &Block) -> NetworkMessage {
    let compact_block = HeaderAndShortIds::from_block(block, 0x00c0_ffee, 2, &[]).expect("version 2 is known");
    NetworkMessage::CmpctBlock(CmpctBlock { compact_block })
}
