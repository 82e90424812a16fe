//! The simulated network: one order of events, by time and then by the order of their making; nothing else decides.

mod connections;
mod nodes;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use mycoin_chain::SignatureCache;
use mycoin_p2p::{Action, Event, PeerId};
use mycoin_primitives::{Block, BlockHash, Height, Network, Transaction, Txid};
use mycoin_server::offline::OfflineNode;
use rand::Rng as _;

use crate::dice::Dice;
use crate::hostile::{Frames, Hostile};
use crate::wire::Link;
pub(crate) use nodes::{Defect, Honest};

/// The time between two ticks of a node, in milliseconds: the longest that the protocol allows.
const TICK: u64 = 100;

enum Being {
    Honest(Box<Honest>),
    Hostile(Box<Hostile>),
}

struct Actor {
    address: SocketAddr,
    being: Being,
    /// Actors of different groups do not reach each other.
    group: u8,
}

enum Happening {
    Tick {
        actor: usize,
        epoch: u64,
    },
    Arrive {
        link: u64,
        to: usize,
    },
    Dialled {
        actor: usize,
        epoch: u64,
        target: String,
    },
    Event {
        actor: usize,
        epoch: u64,
        event: Event,
    },
    Judge {
        actor: usize,
        epoch: u64,
        action: Action,
    },
    /// A hostile peer loses a connection.
    Lost {
        actor: usize,
        peer: PeerId,
    },
    HearBlock {
        actor: usize,
        block: Arc<Block>,
    },
    HearTransaction {
        actor: usize,
        transaction: Arc<Transaction>,
    },
}

/// What came of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) events: u64,
    pub(crate) blocks: u64,
    pub(crate) payments: u64,
    pub(crate) dropped_hostile: u64,
    pub(crate) restarts: u64,
}

pub(crate) struct Simulation {
    /// The true time, in milliseconds since 1970.
    pub(crate) now: u64,
    began: u64,
    agenda: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
    actors: Vec<Actor>,
    by_address: BTreeMap<SocketAddr, usize>,
    links: BTreeMap<u64, Link>,
    next_link: u64,
    next_peer: u64,
    pub(crate) rng: Dice,
    network: Network,
    prefix: Arc<Vec<Arc<Block>>>,
    signatures: Arc<SignatureCache>,
    digest: DefaultHasher,
    pub(crate) counts: Counts,
    /// What must not happen and did.
    pub(crate) faults: Vec<String>,
    pub(crate) is_traced: bool,
    /// The parent and the transactions of every block that was mined.
    blocks: BTreeMap<BlockHash, (BlockHash, Vec<Txid>)>,
    /// Whether hostile peers still act.
    pub(crate) is_peaceful: bool,
}

impl Simulation {
    pub(crate) fn new(seed: u64, network: Network, prefix: Arc<Vec<Arc<Block>>>) -> Self {
        let start = prefix.last().map_or(0, |block| u64::from(block.header.time)) + 7_200;
        Self {
            now: start * 1_000,
            began: start * 1_000,
            agenda: BTreeMap::new(),
            sequence: 0,
            actors: Vec::new(),
            by_address: BTreeMap::new(),
            links: BTreeMap::new(),
            next_link: 0,
            next_peer: 0,
            rng: Dice::new(seed),
            network,
            blocks: prefix.iter().map(contents).collect(),
            prefix,
            signatures: Arc::new(SignatureCache::new(100_000, [1; 32])),
            digest: DefaultHasher::new(),
            counts: Counts::default(),
            faults: Vec::new(),
            is_traced: false,
            is_peaceful: false,
        }
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if self.is_traced {
            use std::io::Write as _;
            let since = self.now % 1_000_000_000;
            let _nobody_reads = writeln!(std::io::stderr(), "{since} {}", what());
        }
    }

    // --- actors -----------------------------------------------------------------------------------------------------

    /// An honest node's address; each in a network of its own.
    pub(crate) fn honest_address(index: usize) -> SocketAddr {
        ([20 + u8::try_from(index).expect("few nodes"), 10, 0, 1], 18_444).into()
    }

    /// Adds an honest node over the common beginning of the chain. It starts when [`Self::start`] says so.
    pub(crate) fn add_honest(&mut self, folder: PathBuf, connect: Vec<String>, skew: i64) -> usize {
        let index = self.actors.len();
        let honest = Honest::new(folder, connect, skew);
        self.add(Self::honest_address(index), Being::Honest(Box::new(honest)))
    }

    pub(crate) fn add_hostile(&mut self, hostile: Hostile) -> usize {
        let address = ([120 + u8::try_from(self.actors.len()).expect("few"), 66, 0, 1], 18_444).into();
        let actor = self.add(address, Being::Hostile(Box::new(hostile)));
        self.plan(1_000, Happening::Tick { actor, epoch: 0 });
        actor
    }

    fn add(&mut self, address: SocketAddr, being: Being) -> usize {
        self.by_address.insert(address, self.actors.len());
        self.actors.push(Actor { address, being, group: 0 });
        self.actors.len() - 1
    }

    pub(crate) fn honest(&self, actor: usize) -> Option<&Honest> {
        match &self.actors[actor].being {
            Being::Honest(honest) => Some(honest),
            Being::Hostile(_) => None,
        }
    }

    pub(crate) fn honest_mut(&mut self, actor: usize) -> Option<&mut Honest> {
        match &mut self.actors[actor].being {
            Being::Honest(honest) => Some(honest),
            Being::Hostile(_) => None,
        }
    }

    /// All honest nodes that run.
    pub(crate) fn running(&self) -> Vec<usize> {
        (0..self.actors.len()).filter(|actor| self.is_up(*actor)).collect()
    }

    /// All honest nodes that do not.
    pub(crate) fn down(&self) -> Vec<usize> {
        let is_down = |actor: &usize| self.honest(*actor).is_some_and(|honest| honest.running.is_none());
        (0..self.actors.len()).filter(is_down).collect()
    }

    pub(crate) fn is_up(&self, actor: usize) -> bool {
        self.honest(actor).is_some_and(|honest| honest.running.is_some())
    }

    fn chain(&self, actor: usize) -> Option<&OfflineNode> {
        self.honest(actor)?.running.as_ref().map(|(_, chain)| chain)
    }

    // --- time -------------------------------------------------------------------------------------------------------

    fn plan(&mut self, wait: u64, happening: Happening) {
        self.plan_at(self.now + wait, happening);
    }

    fn plan_at(&mut self, at: u64, happening: Happening) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), happening);
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((now, _), happening) = entry.remove_entry();
            self.now = now;
            self.counts.events += 1;
            self.happen(happening);
        }
        self.now = end;
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Tick { actor, epoch } => self.tick(actor, epoch),
            Happening::Arrive { link, to } => self.arrive(link, to),
            Happening::Dialled { actor, epoch, target } => self.dialled(actor, epoch, target),
            Happening::Event { actor, epoch, event } => {
                if self.honest(actor).is_some_and(|honest| honest.epoch == epoch) {
                    self.handle(actor, event);
                }
            }
            Happening::Judge { actor, epoch, action } => self.judge(actor, epoch, action),
            Happening::Lost { actor, peer } => {
                if let Being::Hostile(hostile) = &mut self.actors[actor].being {
                    hostile.disconnected(peer);
                }
            }
            Happening::HearBlock { actor, block } => self.harm(actor, |hostile| hostile.heard_block(&block)),
            Happening::HearTransaction { actor, transaction } => {
                self.harm(actor, |hostile| hostile.heard_transaction(&transaction));
            }
        }
    }

    fn tick(&mut self, actor: usize, epoch: u64) {
        match &self.actors[actor].being {
            Being::Honest(honest) => {
                if honest.epoch == epoch && honest.running.is_some() {
                    self.plan(TICK, Happening::Tick { actor, epoch });
                    self.handle(actor, Event::Tick);
                }
            }
            Being::Hostile(_) => {
                self.plan(1_000, Happening::Tick { actor, epoch });
                self.harm(actor, Hostile::tick);
                self.dial_victim(actor);
            }
        }
    }

    // --- hostile peers ----------------------------------------------------------------------------------------------

    fn harm(&mut self, actor: usize, harm: impl FnOnce(&mut Hostile) -> Vec<(PeerId, Frames)>) {
        if self.is_peaceful {
            return;
        }
        let Being::Hostile(hostile) = &mut self.actors[actor].being else { return };
        for (peer, frames) in harm(hostile) {
            self.send_frames(actor, peer, frames);
        }
    }

    fn dial_victim(&mut self, actor: usize) {
        let Being::Hostile(hostile) = &mut self.actors[actor].being else { return };
        if self.is_peaceful || hostile.dials_left == 0 || hostile.sessions().len() >= hostile.victims.len() {
            return;
        }
        hostile.dials_left -= 1;
        let index = self.rng.random_range(0..hostile.victims.len());
        let target = Self::honest_address(hostile.victims[index]).to_string();
        self.plan(20, Happening::Dialled { actor, epoch: 0, target });
    }

    /// Hostile peers leave, and do not come back.
    pub(crate) fn make_peace(&mut self) {
        self.is_peaceful = true;
        let links: Vec<u64> = self.links.iter().filter(|(_, link)| self.is_hostile(link)).map(|(id, _)| *id).collect();
        for link in links {
            self.cut(link, None);
        }
    }

    fn is_hostile(&self, link: &Link) -> bool {
        link.ends.iter().any(|end| self.honest(end.actor).is_none())
    }

    // --- what is so -------------------------------------------------------------------------------------------------

    pub(crate) fn tip(&self, actor: usize) -> Option<(Height, BlockHash)> {
        self.chain(actor).map(|chain| chain.host().tip())
    }

    /// The tips of the nodes that run, and how many have each.
    pub(crate) fn tips(&self) -> BTreeMap<(Height, BlockHash), usize> {
        let mut tips = BTreeMap::new();
        for tip in self.running().into_iter().filter_map(|actor| self.tip(actor)) {
            *tips.entry(tip).or_default() += 1;
        }
        tips
    }

    /// The transactions of the branch that ends in `tip`.
    pub(crate) fn confirmed(&self, tip: BlockHash) -> BTreeSet<Txid> {
        let (mut confirmed, mut at) = (BTreeSet::new(), tip);
        while let Some((parent, transactions)) = self.blocks.get(&at) {
            confirmed.extend(transactions);
            at = *parent;
        }
        confirmed
    }

    pub(crate) fn has_waiting(&self, actor: usize, txid: &Txid) -> bool {
        self.chain(actor).is_some_and(|chain| chain.host().transaction_by_txid(txid).is_some())
    }

    /// Requests that a node has under way.
    pub(crate) fn requests(&self, actor: usize) -> usize {
        let running = self.honest(actor).and_then(|honest| honest.running.as_ref());
        running.map_or(0, |(node, _)| node.requests_under_way())
    }

    /// The run that a node is in; `None` while it is down.
    pub(crate) fn epoch(&self, actor: usize) -> Option<u64> {
        self.honest(actor).filter(|honest| honest.running.is_some()).map(|honest| honest.epoch)
    }

    /// What a node remembers: the length of its protocol's state as text, requests under way, bytes of its addresses,
    /// branches of headers.
    pub(crate) fn memory(&self, actor: usize) -> Option<[usize; 4]> {
        let (node, chain) = self.honest(actor)?.running.as_ref()?;
        let mut length = Length(0);
        std::fmt::Write::write_fmt(&mut length, format_args!("{node:?}")).expect("counting does not fail");
        Some([length.0, node.requests_under_way(), node.addresses().len(), chain.branches()])
    }

    /// How much time has passed since the simulation began, in milliseconds.
    pub(crate) fn since_start(&self) -> u64 {
        self.now - self.began
    }
}

/// What is remembered about a block.
fn contents(block: &Arc<Block>) -> (BlockHash, (BlockHash, Vec<Txid>)) {
    let transactions = block.txdata.iter().map(Transaction::compute_txid).collect();
    (block.block_hash(), (block.header.prev_blockhash, transactions))
}

/// Counts text and keeps none of it.
struct Length(usize);

impl std::fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}
