//! The simulated network: one order of events, by time and then by the order of their making; nothing else decides.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use mycoin_chain::SignatureCache;
use mycoin_p2p::{Action, DisconnectReason, Event, Node, NodeConfig, PeerId, Time, encode};
use mycoin_primitives::{Block, BlockHash, Height, Network, Transaction, Txid};
use mycoin_server::offline::{OfflineNode, set_thread_time};
use mycoin_testkit::keys::Key;
use rand::Rng as _;

use crate::dice::Dice;
use crate::hostile::{Frames, Hostile};
use crate::wire::{DROP_AT, End, Link, PAUSE_AT, command};

/// The time between two ticks of a node, in milliseconds: the longest that the protocol allows.
const TICK: u64 = 100;

/// What is wrong with a node that is meant to be honest, to show that the invariants see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// It never tells of a block.
    KeepsBlocks,
    /// It never tells of a transaction.
    KeepsTransactions,
    /// It changes the blocks that it gives.
    ChangesBlocks,
}

/// A node of the real protocol over the real chain.
pub(crate) struct Honest {
    /// Neither is there while it is down.
    running: Option<(Node, OfflineNode)>,
    folder: PathBuf,
    connect: Vec<String>,
    /// Its clock minus the true one, in milliseconds.
    skew: i64,
    /// Grows with each start, so that nothing that belonged to the run before reaches the next one.
    epoch: u64,
    links: BTreeMap<PeerId, (u64, usize)>,
    judging_until: u64,
    saved_addresses: Vec<u8>,
    saved_mempool: Vec<u8>,
    pub(crate) defect: Option<Defect>,
}

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
        let honest = Honest {
            running: None,
            folder,
            connect,
            skew,
            epoch: 0,
            links: BTreeMap::new(),
            judging_until: 0,
            saved_addresses: Vec::new(),
            saved_mempool: Vec::new(),
            defect: None,
        };
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

    /// Lets a node's process begin.
    pub(crate) fn start(&mut self, actor: usize) {
        let (now, network, signatures) = (self.now, self.network.clone(), Arc::clone(&self.signatures));
        let seed = self.rng.random();
        let prefix = Arc::clone(&self.prefix);
        let Some(honest) = self.honest_mut(actor) else { return };
        if honest.running.is_some() {
            return;
        }
        let local = honest.local(now);
        set_thread_time(Some(seconds(local)));
        let is_new = !honest.folder.exists();
        let chain = OfflineNode::open(&honest.folder, &network, &signatures, &honest.saved_mempool)
            .expect("its folder is whole, as after any stop");
        if is_new {
            for block in prefix.iter().skip(1) {
                chain.submit_block(Arc::clone(block)).expect("the common beginning is valid");
            }
            let _told_to_nobody = chain.take_news();
        }
        let config = NodeConfig {
            connect: honest.connect.clone(),
            dial_learned: true,
            addresses: honest.saved_addresses.clone(),
            seed,
            ..NodeConfig::default()
        };
        honest.running = Some((Node::new(config, Time::from_unix_millis(local)), chain));
        honest.epoch += 1;
        let epoch = honest.epoch;
        self.counts.restarts += 1;
        self.note(|| format!("{actor} starts"));
        self.plan(0, Happening::Tick { actor, epoch });
    }

    /// Ends a node's process: in order, or as a loss of power does, when nothing is saved any more.
    pub(crate) fn stop(&mut self, actor: usize, in_order: bool) {
        let Some(honest) = self.honest_mut(actor) else { return };
        let Some((node, chain)) = honest.running.take() else { return };
        if in_order {
            honest.saved_addresses = node.addresses();
            honest.saved_mempool = chain.dump_mempool();
        }
        let links: Vec<u64> = honest.links.values().map(|(link, _)| *link).collect();
        self.note(|| format!("{actor} stops"));
        for link in links {
            self.cut(link, None);
        }
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

    // --- connections ------------------------------------------------------------------------------------------------

    fn dialled(&mut self, actor: usize, epoch: u64, target: String) {
        if self.honest(actor).is_some_and(|honest| honest.epoch != epoch || honest.running.is_none()) {
            return;
        }
        let other = target.parse().ok().and_then(|address| self.by_address.get(&address).copied());
        let other = other.filter(|other| self.reach(actor, *other));
        let Some(other) = other else {
            if self.honest(actor).is_some() {
                self.handle(actor, Event::ConnectFailed { target });
            }
            return;
        };
        let ends = [actor, other].map(|actor| {
            self.next_peer += 1;
            End { actor, peer: PeerId(self.next_peer) }
        });
        let latency = self.rng.random_range(5..150);
        let id = self.next_link;
        self.next_link += 1;
        self.links.insert(id, Link::new(ends, latency, self.network.magic));
        for (side, end) in ends.iter().enumerate() {
            if let Some(honest) = self.honest_mut(end.actor) {
                honest.links.insert(end.peer, (id, side));
            }
        }
        self.note(|| format!("{actor} connects with {other}"));
        // Either may end the connection as soon as it stands.
        for (side, target) in [(1, None), (0, Some(target))] {
            let (end, remote) = (ends[side], self.actors[ends[1 - side].actor].address);
            if !self.links.contains_key(&id) {
                break;
            }
            match &mut self.actors[end.actor].being {
                Being::Honest(_) => {
                    // Inbound connections come from a port of their own.
                    let address =
                        if side == 0 { remote } else { SocketAddr::new(remote.ip(), 40_000 + (id % 20_000) as u16) };
                    self.handle(end.actor, Event::Connected { peer: end.peer, address, target });
                }
                Being::Hostile(hostile) => {
                    let frames = hostile.connected(end.peer, self.now);
                    self.send_frames(end.actor, end.peer, frames);
                }
            }
        }
    }

    fn reach(&self, from: usize, to: usize) -> bool {
        let is_there = match &self.actors[to].being {
            Being::Honest(honest) => honest.running.is_some(),
            Being::Hostile(_) => !self.is_peaceful,
        };
        is_there && self.actors[from].group == self.actors[to].group
    }

    fn link_of(&self, actor: usize, peer: PeerId) -> Option<(u64, usize)> {
        match &self.actors[actor].being {
            Being::Honest(honest) => honest.links.get(&peer).copied(),
            Being::Hostile(_) => {
                let end = End { actor, peer };
                let found = self.links.iter().find(|(_, link)| link.ends.contains(&end));
                found.map(|(id, link)| (*id, usize::from(link.ends[1] == end)))
            }
        }
    }

    fn send_frames(&mut self, actor: usize, peer: PeerId, frames: Frames) {
        for bytes in frames {
            self.send(actor, peer, bytes);
        }
    }

    fn send(&mut self, actor: usize, peer: PeerId, bytes: Vec<u8>) {
        let Some((id, side)) = self.link_of(actor, peer) else { return };
        let jitter = self.rng.random_range(0..10);
        self.counts.messages += 1;
        self.counts.bytes += bytes.len() as u64;
        (self.now, actor, peer.0, &bytes).hash(&mut self.digest);
        let Some(link) = self.links.get_mut(&id) else { return };
        let arrival = link.send(1 - side, bytes, self.now, jitter);
        let unread = link.unread_of(side);
        self.plan_at(arrival, Happening::Arrive { link: id, to: 1 - side });
        if unread > DROP_AT {
            self.note(|| format!("{actor} drops {peer}, which does not read"));
            self.cut(id, None);
        }
    }

    fn arrive(&mut self, id: u64, to: usize) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.stalled_until > self.now {
            let at = link.stalled_until;
            self.plan_at(at, Happening::Arrive { link: id, to });
            return;
        }
        let end = link.ends[to];
        let sender = link.ends[1 - to];
        // Who owes a peer much does not read from it, and a greedy one reads nothing.
        let pauses = match &self.actors[end.actor].being {
            Being::Honest(_) => link.unread_of(to) > PAUSE_AT,
            Being::Hostile(hostile) => !hostile.reads() && link.unread_of(1 - to) > 2_000,
        };
        if pauses {
            self.plan(1_000, Happening::Arrive { link: id, to });
            return;
        }
        let Some(bytes) = link.arrive(to) else { return };
        let is_drained = link.unread_of(1 - to) == 0;
        let piece = self.rng.random_range(1..4_000);
        for part in bytes.chunks(piece) {
            if !self.take_piece(id, to, end, part) {
                return;
            }
        }
        if is_drained && let Some(epoch) = self.honest(sender.actor).map(|honest| honest.epoch) {
            self.plan(0, Happening::Event { actor: sender.actor, epoch, event: Event::Drained { peer: sender.peer } });
        }
    }

    /// Gives the receiver what it can make of the bytes; whether the connection still stands.
    fn take_piece(&mut self, id: u64, to: usize, end: End, part: &[u8]) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        link.decoder(to).push(part);
        loop {
            let Some(link) = self.links.get_mut(&id) else { return false };
            match link.decoder(to).next_message() {
                Ok(None) => return true,
                Ok(Some(message)) => match &mut self.actors[end.actor].being {
                    Being::Honest(_) => self.handle(end.actor, Event::Received { peer: end.peer, message }),
                    Being::Hostile(hostile) => {
                        if !self.is_peaceful {
                            let frames = hostile.received(end.peer, &message);
                            self.send_frames(end.actor, end.peer, frames);
                        }
                    }
                },
                Err(error) => {
                    self.handle(end.actor, Event::Garbled { peer: end.peer, error });
                    // The reader has stopped in any case.
                    self.cut(id, Some(end.actor));
                    return false;
                }
            }
        }
    }

    /// Ends a connection; whoever ended it is not told.
    fn cut(&mut self, id: u64, by: Option<usize>) {
        let Some(link) = self.links.remove(&id) else { return };
        for end in link.ends {
            let epoch = match &mut self.actors[end.actor].being {
                Being::Honest(honest) => {
                    honest.links.remove(&end.peer);
                    honest.epoch
                }
                Being::Hostile(_) => {
                    self.plan(link.latency(), Happening::Lost { actor: end.actor, peer: end.peer });
                    continue;
                }
            };
            if by != Some(end.actor) || link.ends[0].actor == link.ends[1].actor {
                let event = Event::Disconnected { peer: end.peer };
                self.plan(link.latency(), Happening::Event { actor: end.actor, epoch, event });
            }
        }
    }

    /// Breaks a connection at random.
    pub(crate) fn break_link(&mut self) {
        if let Some(id) = self.any_link() {
            self.note(|| format!("link {id} breaks"));
            self.cut(id, None);
        }
    }

    /// Lets a connection at random stand still for so many milliseconds.
    pub(crate) fn stall_link(&mut self, millis: u64) {
        if let Some(id) = self.any_link() {
            let until = self.now + millis;
            self.note(|| format!("link {id} stalls for {millis} ms"));
            if let Some(link) = self.links.get_mut(&id) {
                link.stalled_until = link.stalled_until.max(until);
            }
        }
    }

    fn any_link(&mut self) -> Option<u64> {
        if self.links.is_empty() {
            return None;
        }
        let index = self.rng.random_range(0..self.links.len());
        self.links.keys().nth(index).copied()
    }

    /// Parts the network in two for so long: connections between the sides break, or stand still until then.
    pub(crate) fn part(&mut self, millis: u64, breaks: bool) {
        for actor in &mut self.actors {
            actor.group = self.rng.random_range(0..2);
        }
        self.note(|| format!("the network parts for {millis} ms, breaks: {breaks}"));
        let group = |end: End| self.actors[end.actor].group;
        let between = self.links.iter().filter(|(_, link)| group(link.ends[0]) != group(link.ends[1]));
        for id in between.map(|(id, _)| *id).collect::<Vec<_>>() {
            if breaks {
                self.cut(id, None);
            } else if let Some(link) = self.links.get_mut(&id) {
                link.stalled_until = link.stalled_until.max(self.now + millis);
            }
        }
    }

    /// Everybody reaches everybody, at once.
    pub(crate) fn join(&mut self) {
        self.note(|| "the network is whole".to_owned());
        self.actors.iter_mut().for_each(|actor| actor.group = 0);
    }

    // --- the nodes --------------------------------------------------------------------------------------------------

    fn handle(&mut self, actor: usize, event: Event) {
        let now = self.now;
        let Some(honest) = self.honest_mut(actor) else { return };
        let local = honest.local(now);
        let Some((node, chain)) = &mut honest.running else { return };
        set_thread_time(Some(seconds(local)));
        let actions = node.handle(Time::from_unix_millis(local), event, chain.host());
        for action in actions {
            self.act(actor, action);
        }
    }

    fn act(&mut self, actor: usize, action: Action) {
        match action {
            Action::Send { peer, message } => {
                self.note(|| format!("{actor} to {peer}: {}", message.command()));
                let bytes = encode(self.network.magic, &message);
                if let Some(bytes) = self.with_defect(actor, bytes) {
                    self.send(actor, peer, bytes);
                }
            }
            Action::Connect { target } => {
                (self.now, actor, &target).hash(&mut self.digest);
                let Some(epoch) = self.honest(actor).map(|honest| honest.epoch) else { return };
                let is_known = target.parse().is_ok_and(|address| self.by_address.contains_key(&address));
                // Where nobody is, nobody says so.
                let wait = if is_known { self.rng.random_range(10..300) } else { 5_000 };
                self.plan(wait, Happening::Dialled { actor, epoch, target });
            }
            Action::Disconnect { peer, reason } => {
                (self.now, actor, peer.0, format!("{reason:?}")).hash(&mut self.digest);
                self.let_go(actor, peer, &reason);
            }
            submit => {
                let (now, wait) = (self.now, self.rng.random_range(1..10));
                let Some(honest) = self.honest_mut(actor) else { return };
                let at = honest.judging_until.max(now) + wait;
                honest.judging_until = at;
                let epoch = honest.epoch;
                self.plan_at(at, Happening::Judge { actor, epoch, action: submit });
            }
        }
    }

    fn let_go(&mut self, actor: usize, peer: PeerId, reason: &DisconnectReason) {
        let Some((id, side)) = self.link_of(actor, peer) else { return };
        let Some(other) = self.links.get(&id).map(|link| link.ends[1 - side].actor) else { return };
        self.note(|| format!("{actor} lets {other} go: {reason}"));
        if self.honest(other).is_none() {
            self.counts.dropped_hostile += 1;
        } else if matches!(reason, DisconnectReason::Misbehaved(_) | DisconnectReason::Garbled(_)) {
            self.faults.push(format!("node {actor} blames honest node {other}: {reason} ({reason:?})"));
        }
        self.cut(id, Some(actor));
    }

    /// What leaves a node that may have a defect.
    fn with_defect(&self, actor: usize, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        let defect = self.honest(actor).and_then(|honest| honest.defect);
        match (defect, command(&bytes)) {
            (Some(Defect::KeepsBlocks), "headers" | "inv" | "block" | "cmpctblock" | "blocktxn") => None,
            (Some(Defect::KeepsTransactions), "inv" | "tx") => None,
            (Some(Defect::ChangesBlocks), "block") => {
                let payload = bytes.split_off(24);
                let mut payload = payload;
                if let Some(last) = payload.last_mut() {
                    // The lock time of the last transaction.
                    *last ^= 1;
                }
                Some(crate::wire::frame(self.network.magic, "block", &payload))
            }
            _ => Some(bytes),
        }
    }

    fn judge(&mut self, actor: usize, epoch: u64, action: Action) {
        let now = self.now;
        let Some(honest) = self.honest(actor).filter(|honest| honest.epoch == epoch) else { return };
        let local = honest.local(now);
        let Some((_, chain)) = &honest.running else { return };
        set_thread_time(Some(seconds(local)));
        let host = chain.host();
        let event = match action {
            Action::SubmitHeaders { peer, headers } => Event::HeadersVerdict {
                peer,
                last: headers.last().expect("headers are judged only when there are any").block_hash(),
                count: headers.len(),
                verdict: host.submit_headers(&headers),
            },
            Action::SubmitBlock { peer, block } => {
                Event::BlockVerdict { peer, hash: block.block_hash(), verdict: host.submit_block(block) }
            }
            Action::SubmitTransaction { peer, transaction } => {
                let verdict = host.submit_transaction(Arc::clone(&transaction));
                Event::TransactionVerdict { peer, transaction, verdict }
            }
            Action::SubmitPackage { peer, parent, child } => {
                let verdict = host.submit_package(Arc::clone(&parent), Arc::clone(&child));
                Event::PackageVerdict { peer, parent, child, verdict }
            }
            other => panic!("the simulation does not know {other:?}"),
        };
        self.tell_news(actor);
        self.handle(actor, event);
    }

    /// Tells a node's peers what changed in it, as the server does: before the verdict that changed it.
    fn tell_news(&mut self, actor: usize) {
        let Some(news) = self.chain(actor).map(OfflineNode::take_news) else { return };
        for transaction in news.added {
            self.handle(actor, Event::TransactionAdded(transaction));
        }
        if news.is_tip_new {
            self.note(|| format!("{actor} has a new tip"));
            self.handle(actor, Event::NewTip);
        }
    }

    // --- what people do ---------------------------------------------------------------------------------------------

    /// Lets a node mine a block of what waits there.
    pub(crate) fn mine(&mut self, actor: usize) {
        let Some(honest) = self.honest(actor) else { return };
        set_thread_time(Some(seconds(honest.local(self.now))));
        let extra_nonce = self.rng.random();
        let Some(chain) = self.chain(actor) else { return };
        match chain.mine(Key::taproot(1).script(), extra_nonce) {
            Ok(block) => {
                self.note(|| format!("{actor} mines {}", block.block_hash()));
                self.counts.blocks += 1;
                self.blocks.extend([contents(&block)]);
                for other in 0..self.actors.len() {
                    let block = Arc::clone(&block);
                    self.plan(1, Happening::HearBlock { actor: other, block });
                }
                self.tell_news(actor);
            }
            // Its chain does not go on, which the tips will show.
            Err(reason) => self.faults.push(format!("node {actor} mined a block that it refuses: {reason}")),
        }
    }

    /// Gives a node a payment, as a wallet does.
    pub(crate) fn pay(&mut self, actor: usize, transaction: &Arc<Transaction>) -> Result<(), String> {
        let Some(honest) = self.honest(actor) else { return Err("it is no node".to_owned()) };
        set_thread_time(Some(seconds(honest.local(self.now))));
        let Some(chain) = self.chain(actor) else { return Err("it is down".to_owned()) };
        chain.submit_transaction(Transaction::clone(transaction))?;
        self.note(|| format!("{actor} takes payment {}", transaction.compute_wtxid()));
        self.counts.payments += 1;
        for other in 0..self.actors.len() {
            let transaction = Arc::clone(transaction);
            self.plan(1, Happening::HearTransaction { actor: other, transaction });
        }
        self.tell_news(actor);
        Ok(())
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

impl Honest {
    /// What its clock shows, in milliseconds since 1970.
    fn local(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.skew)
    }
}

/// What is remembered about a block.
fn contents(block: &Arc<Block>) -> (BlockHash, (BlockHash, Vec<Txid>)) {
    let transactions = block.txdata.iter().map(Transaction::compute_txid).collect();
    (block.block_hash(), (block.header.prev_blockhash, transactions))
}

fn seconds(millis: u64) -> u32 {
    u32::try_from(millis / 1_000).unwrap_or(u32::MAX)
}

/// Counts text and keeps none of it.
struct Length(usize);

impl std::fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}
