//! Peers that do harm: scripts at the level of bytes. They know every block and transaction as soon as it is made, so that
//! they are often the first to announce it.

mod compact;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mycoin_p2p::{Message, PeerId, encode};
use mycoin_primitives::bitcoin::consensus::serialize;
use mycoin_primitives::bitcoin::p2p::address::Address;
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::bitcoin::p2p::message_network::VersionMessage;
use mycoin_primitives::bitcoin::p2p::{Magic, ServiceFlags};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{Amount, Block, BlockHash, Header, OutPoint, Transaction, Txid, Witness, Wtxid};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;

use crate::dice::Dice;
use crate::wire::frame;

/// What a hostile peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Connects and says nothing.
    Silent,
    /// Says nothing after the handshake.
    Mute,
    /// Writes counts and lengths that are not true.
    LyingLengths,
    /// Writes random bytes.
    Garbage,
    /// Announces blocks first and gives other bodies under their headers.
    MutatedBlocks,
    /// Announces blocks first, by compact ones that are bent, and gives nothing more, or something else.
    BentCompactBlocks,
    /// Announces blocks first and keeps them back.
    WithheldBlocks,
    /// Announces transactions first, and ones that do not exist, and keeps them back.
    WithheldTransactions,
    /// Sends headers: without work, without parent, and branches of little work.
    HeaderFlood,
    /// Sends addresses at which nobody is.
    AddressFlood,
    /// Sends transactions that are invalid, or whose parents do not exist.
    BadTransactions,
    /// Asks for everything and reads nothing.
    Greedy,
}

impl Kind {
    pub(crate) const ALL: [Self; 12] = [
        Self::Silent,
        Self::Mute,
        Self::LyingLengths,
        Self::Garbage,
        Self::MutatedBlocks,
        Self::BentCompactBlocks,
        Self::WithheldBlocks,
        Self::WithheldTransactions,
        Self::HeaderFlood,
        Self::AddressFlood,
        Self::BadTransactions,
        Self::Greedy,
    ];
}

/// What it does next on one connection.
pub(crate) type Frames = Vec<Vec<u8>>;

#[derive(Debug)]
pub(crate) struct Hostile {
    pub(crate) kind: Kind,
    magic: Magic,
    rng: Dice,
    /// Connections, and whether their handshake is complete.
    sessions: BTreeMap<PeerId, bool>,
    blocks: BTreeMap<BlockHash, Arc<Block>>,
    tip: BlockHash,
    transactions: Vec<Arc<Transaction>>,
    /// Whom it dials.
    pub(crate) victims: Vec<usize>,
    pub(crate) dials_left: u32,
    seen: BTreeSet<BlockHash>,
}

impl Hostile {
    pub(crate) fn new(kind: Kind, victims: Vec<usize>, prefix: &[Arc<Block>], magic: Magic, seed: u64) -> Self {
        Self {
            kind,
            magic,
            rng: Dice::new(seed),
            sessions: BTreeMap::new(),
            blocks: prefix.iter().map(|block| (block.block_hash(), Arc::clone(block))).collect(),
            tip: prefix.last().expect("genesis at least").block_hash(),
            transactions: Vec::new(),
            victims,
            dials_left: 40,
            seen: BTreeSet::new(),
        }
    }

    /// Whether it takes what is sent to it.
    pub(crate) fn reads(&self) -> bool {
        self.kind != Kind::Greedy
    }

    pub(crate) fn sessions(&self) -> Vec<PeerId> {
        self.sessions.keys().copied().collect()
    }

    fn one(&self, message: &Message) -> Frames {
        vec![encode(self.magic, message)]
    }

    pub(crate) fn connected(&mut self, peer: PeerId, now: u64) -> Frames {
        self.sessions.insert(peer, false);
        match self.kind {
            Kind::Silent => Vec::new(),
            Kind::Garbage => {
                let length = self.rng.random_range(1..3_000);
                vec![(0..length).map(|_| self.rng.random()).collect()]
            }
            _ => self.handshake(now),
        }
    }

    fn handshake(&mut self, now: u64) -> Frames {
        let nobody = Address { services: ServiceFlags::NONE, address: [0; 8], port: 0 };
        let services = ServiceFlags::NETWORK | ServiceFlags::WITNESS;
        let version = Message::Version(Box::new(VersionMessage {
            version: 70_016,
            services,
            timestamp: if self.rng.random() { i64::MIN } else { i64::try_from(now / 1_000).unwrap_or(i64::MAX) },
            receiver: nobody.clone(),
            sender: nobody,
            nonce: self.rng.random(),
            user_agent: "/hostile:1/".to_owned(),
            start_height: 1_000_000,
            relay: true,
        }));
        let messages = [version, Message::WtxidRelay, Message::SendAddrV2, Message::Verack, Message::SendHeaders];
        messages.iter().map(|message| encode(self.magic, message)).collect()
    }

    pub(crate) fn disconnected(&mut self, peer: PeerId) {
        self.sessions.remove(&peer);
    }

    pub(crate) fn received(&mut self, peer: PeerId, message: &Message) -> Frames {
        if matches!(message, Message::Verack)
            && let Some(is_ready) = self.sessions.get_mut(&peer)
        {
            *is_ready = true;
            return self.opening();
        }
        match (self.kind, message) {
            (Kind::Mute | Kind::Silent | Kind::Garbage, _) => Vec::new(),
            (_, Message::Ping(nonce)) => self.one(&Message::Pong(*nonce)),
            (Kind::MutatedBlocks | Kind::WithheldBlocks, Message::GetHeaders(request)) => {
                let headers = self.headers_after(&request.locator_hashes);
                self.one(&Message::Headers(headers))
            }
            (Kind::MutatedBlocks, Message::GetData(items)) => self.mutated(items),
            (Kind::BentCompactBlocks, Message::GetBlockTransactions(request)) => self.bent_transactions(request),
            _ => Vec::new(),
        }
    }

    /// What it says right after the handshake.
    fn opening(&mut self) -> Frames {
        match self.kind {
            Kind::LyingLengths => self.lie(),
            Kind::MutatedBlocks | Kind::WithheldBlocks => {
                let header = self.blocks[&self.tip].header;
                self.one(&Message::Headers(vec![header]))
            }
            _ => Vec::new(),
        }
    }

    /// Comes once a second.
    pub(crate) fn tick(&mut self) -> Vec<(PeerId, Frames)> {
        let ready: Vec<PeerId> = self.sessions.iter().filter(|(_, ready)| **ready).map(|(peer, _)| *peer).collect();
        ready.into_iter().map(|peer| (peer, self.harm())).collect()
    }

    fn harm(&mut self) -> Frames {
        // Long messages cost the simulation more than they cost the nodes.
        let is_heavy = matches!(self.kind, Kind::HeaderFlood | Kind::AddressFlood | Kind::Greedy);
        if is_heavy && !self.rng.random_ratio(1, 10) {
            return Vec::new();
        }
        match self.kind {
            Kind::Silent | Kind::Mute | Kind::Garbage => Vec::new(),
            Kind::MutatedBlocks | Kind::BentCompactBlocks | Kind::WithheldBlocks => Vec::new(),
            Kind::LyingLengths => self.lie(),
            Kind::WithheldTransactions => {
                let junk: Vec<Inventory> =
                    (0..200).map(|_| Inventory::WTx(Wtxid::from_byte_array(self.rng.random()))).collect();
                self.one(&Message::Inv(junk))
            }
            Kind::HeaderFlood => self.flood_headers(),
            Kind::AddressFlood => {
                let list = (0..1_000).map(|_| {
                    let ip: [u8; 4] = [self.rng.random_range(140..200), self.rng.random(), self.rng.random(), 9];
                    let address = Address::new(&(ip, self.rng.random_range(1..9_999)).into(), ServiceFlags::NETWORK);
                    (self.rng.random(), address)
                });
                let list = list.collect();
                self.one(&Message::Addr(list))
            }
            Kind::BadTransactions => self.bad_transactions(),
            Kind::Greedy => {
                let blocks: Vec<_> =
                    self.blocks.keys().flat_map(|hash| [Inventory::WitnessBlock(*hash); 5]).take(900).collect();
                let mut frames = self.one(&Message::GetData(blocks));
                frames.push(encode(self.magic, &Message::GetAddr));
                frames
            }
        }
    }

    /// One message whose counts or lengths are not true.
    fn lie(&mut self) -> Frames {
        let magic = self.magic;
        let mut huge = frame(magic, "block", &[]);
        huge[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        let mut longest = frame(magic, "tx", &[]);
        longest[16..20].copy_from_slice(&4_000_000u32.to_le_bytes());
        let count = |bytes: &[u8]| [bytes, &[1; 10]].concat();
        let choices = [
            vec![huge],
            // Promises four million bytes and sends ten.
            vec![longest, vec![0; 10]],
            vec![frame(magic, "inv", &count(&[0xff; 9]))],
            vec![frame(magic, "inv", &count(&[0xfe, 0xff, 0xff, 0xff, 0xff]))],
            vec![frame(magic, "headers", &count(&[0xfd, 0xd0, 0x07]))],
            vec![frame(magic, "addr", &count(&[0xfd, 0xe8, 0x03]))],
            vec![frame(magic, "tx", &count(&[2, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff]))],
            vec![frame(
                magic,
                "getheaders",
                &count(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            )],
            vec![frame(magic, "ping", &[1; 3])],
            vec![frame(magic, "cmpctblock", &[0xff; 97])],
            vec![frame(magic, "unheardof", &[7; 2_000])],
        ];
        choices.choose(&mut self.rng).cloned().unwrap_or_default()
    }

    fn flood_headers(&mut self) -> Frames {
        let genesis = self.blocks.values().find(|block| block.header.prev_blockhash == BlockHash::all_zeros());
        let base = genesis.expect("the first block is known").header;
        let kind = self.rng.random_range(0..3);
        let (mut parent, count) = match kind {
            // Without a known parent.
            0 => (BlockHash::from_byte_array(self.rng.random()), 2_000),
            // Without work.
            1 => (self.tip, 2_000),
            // A branch of its own from the start, with too little work to matter.
            _ => (base.block_hash(), 20),
        };
        let has_work = kind == 2;
        let mut headers = Vec::with_capacity(count);
        for step in 0..count {
            let merkle_root = mycoin_primitives::bitcoin::TxMerkleNode::from_byte_array(self.rng.random());
            let time = base.time + 600 * (u32::try_from(step).unwrap_or_default() + 1);
            let mut header = Header { prev_blockhash: parent, merkle_root, time, ..base };
            while header.target().is_met_by(header.block_hash()) != has_work {
                header.nonce = header.nonce.wrapping_add(1);
            }
            parent = header.block_hash();
            headers.push(header);
        }
        self.one(&Message::Headers(headers))
    }

    fn bad_transactions(&mut self) -> Frames {
        let Some(model) = self.transactions.choose(&mut self.rng).cloned() else { return Vec::new() };
        let mut bad = Transaction::clone(&model);
        match self.rng.random_range(0..4) {
            // Its parent does not exist.
            0 => bad.input[0].previous_output = OutPoint { txid: Txid::from_byte_array(self.rng.random()), vout: 0 },
            // It makes money.
            1 => bad.output[0].value = Amount::from_sat(2_100_000_000_000_001),
            // Another witness under the same txid: its wtxid is another one's, its txid the honest one's.
            2 => bad.input[0].witness = Witness::from_slice(&[self.rng.random::<[u8; 32]>()]),
            _ => bad.output.clear(),
        }
        self.one(&Message::Transaction(Arc::new(bad)))
    }

    /// A block was mined somewhere.
    pub(crate) fn heard_block(&mut self, block: &Arc<Block>) -> Vec<(PeerId, Frames)> {
        let hash = block.block_hash();
        self.blocks.insert(hash, Arc::clone(block));
        self.tip = hash;
        let frames = match self.kind {
            Kind::MutatedBlocks => {
                let mut frames = self.one(&Message::Headers(vec![block.header]));
                // Half of the time it does not wait to be asked.
                if self.rng.random() {
                    let changed = self.mutate(block);
                    frames.push(encode(self.magic, &Message::Block(Arc::new(changed))));
                }
                frames
            }
            Kind::BentCompactBlocks => self.bent_compact(block),
            Kind::WithheldBlocks => self.one(&Message::Headers(vec![block.header])),
            _ => Vec::new(),
        };
        self.to_all(&frames)
    }

    /// A payment was made somewhere.
    pub(crate) fn heard_transaction(&mut self, transaction: &Arc<Transaction>) -> Vec<(PeerId, Frames)> {
        self.transactions.push(Arc::clone(transaction));
        let frames = match self.kind {
            Kind::WithheldTransactions => self.one(&Message::Inv(vec![Inventory::WTx(transaction.compute_wtxid())])),
            Kind::BadTransactions => {
                let mut stripped = Transaction::clone(transaction);
                stripped.input[0].witness = Witness::from_slice(&[[3; 64]]);
                self.one(&Message::Transaction(Arc::new(stripped)))
            }
            _ => Vec::new(),
        };
        self.to_all(&frames)
    }

    fn to_all(&self, frames: &Frames) -> Vec<(PeerId, Frames)> {
        let ready = self.sessions.iter().filter(|(_, ready)| **ready);
        ready.map(|(peer, _)| (*peer, frames.clone())).collect()
    }

    fn headers_after(&self, locator: &[BlockHash]) -> Vec<Header> {
        let (mut headers, mut at) = (Vec::new(), self.tip);
        while !locator.contains(&at) {
            let Some(block) = self.blocks.get(&at) else { break };
            headers.push(block.header);
            at = block.header.prev_blockhash;
        }
        headers.reverse();
        headers
    }

    fn mutated(&mut self, items: &[Inventory]) -> Frames {
        let mut frames = Vec::new();
        for item in items {
            if let Inventory::WitnessBlock(hash) | Inventory::Block(hash) | Inventory::CompactBlock(hash) = item
                && let Some(block) = self.blocks.get(hash).cloned()
            {
                self.seen.insert(*hash);
                let changed = self.mutate(&block);
                frames.push(frame(self.magic, "block", &serialize(&changed)));
            }
        }
        frames
    }

    /// Another body under the same header.
    fn mutate(&mut self, block: &Block) -> Block {
        let mut changed = block.clone();
        match self.rng.random_range(0..4) {
            // The last transaction twice (CVE-2012-2459).
            0 => changed.txdata.extend(block.txdata.last().cloned()),
            // Without the coinbase's witness.
            1 => changed.txdata[0].input[0].witness = Witness::new(),
            // Another coinbase.
            2 => changed.txdata[0].output[0].value += Amount::from_sat(1),
            // Another witness.
            _ => {
                let last = changed.txdata.len() - 1;
                changed.txdata[last].input[0].witness = Witness::from_slice(&[[9; 32]]);
            }
        }
        changed
    }
}
