//! Networks of real nodes in one process, over links with delays, without sockets or clocks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mycoin_p2p::{Action, Decoder, Event, Host as _, Node, NodeConfig, PeerId, Time, World as _, encode};
use mycoin_primitives::bitcoin::p2p::Magic;
use mycoin_primitives::{BlockHash, Transaction};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::toy::{ToyWorld, payment, root};

/// One end of a connection.
type End = (usize, PeerId);

enum Happening {
    Tick(usize),
    Event(usize, Event),
    /// Bytes on their way to that end.
    Bytes(End, Vec<u8>),
    Submit(usize, Action),
}

struct Simulation {
    now: Time,
    /// What comes, by time and then in the order of its making.
    agenda: BTreeMap<(Time, u64), Happening>,
    sequence: u64,
    nodes: Vec<Node>,
    worlds: Vec<ToyWorld>,
    away: BTreeSet<usize>,
    /// Nodes of different groups do not reach each other.
    group: Vec<u8>,
    links: BTreeMap<End, End>,
    decoders: BTreeMap<End, Decoder>,
    next_peer: u64,
    rng: StdRng,
    seed: u64,
    /// What every node did, as text, where that is wanted.
    trace: Vec<String>,
    is_traced: bool,
    /// Connections that a node ended, with its reason.
    blamed: Vec<String>,
}

impl Simulation {
    /// `count` nodes in a line: each dials the one before it.
    fn line(count: usize, seed: u64) -> Self {
        let mut simulation = Self {
            now: Time::from_unix_millis(1_800_100_000_000),
            agenda: BTreeMap::new(),
            sequence: 0,
            nodes: Vec::new(),
            worlds: Vec::new(),
            away: BTreeSet::new(),
            group: vec![0; count],
            links: BTreeMap::new(),
            decoders: BTreeMap::new(),
            next_peer: 0,
            rng: StdRng::seed_from_u64(seed),
            seed,
            trace: Vec::new(),
            is_traced: false,
            blamed: Vec::new(),
        };
        for index in 0..count {
            simulation.nodes.push(simulation.fresh_node(index));
            simulation.worlds.push(ToyWorld::new());
            simulation.plan(Duration::ZERO, Happening::Tick(index));
        }
        simulation
    }

    fn fresh_node(&self, index: usize) -> Node {
        let connect = index.checked_sub(1).map(|before| before.to_string()).into_iter().collect();
        let config = NodeConfig { connect, seed: self.seed + index as u64, ..NodeConfig::default() };
        Node::new(config, self.now)
    }

    fn plan(&mut self, wait: Duration, happening: Happening) {
        self.sequence += 1;
        self.agenda.insert((self.now.after(wait), self.sequence), happening);
    }

    fn delay(&mut self) -> Duration {
        // The same for all bytes of a moment, so that nothing overtakes on a link: 20 ms.
        Duration::from_millis(20)
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now.after(Duration::from_secs(seconds));
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((now, _), happening) = entry.remove_entry();
            self.now = now;
            self.happen(happening);
        }
        self.now = end;
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Tick(index) => {
                let jitter = self.rng.random_range(40..100);
                self.plan(Duration::from_millis(jitter), Happening::Tick(index));
                if !self.away.contains(&index) {
                    self.handle(index, Event::Tick);
                }
            }
            Happening::Event(index, event) => self.handle(index, event),
            Happening::Bytes(end, bytes) => self.arrive(end, &bytes),
            Happening::Submit(index, action) => self.judge(index, action),
        }
    }

    /// Bytes come in pieces of any size.
    fn arrive(&mut self, end: End, bytes: &[u8]) {
        let piece = self.rng.random_range(1..2_000);
        for part in bytes.chunks(piece) {
            let Some(decoder) = self.decoders.get_mut(&end) else { return };
            decoder.push(part);
            while let Some(message) = self
                .decoders
                .get_mut(&end)
                .and_then(|decoder| decoder.next_message().expect("nodes speak the protocol"))
            {
                self.handle(end.0, Event::Received { peer: end.1, message });
            }
        }
    }

    fn handle(&mut self, index: usize, event: Event) {
        if self.away.contains(&index) {
            return;
        }
        let actions = self.nodes[index].handle(self.now, event, &self.worlds[index]);
        for action in actions {
            if self.is_traced {
                self.trace.push(format!("{} {index} {action:?}", self.now.unix_millis()));
            }
            self.act(index, action);
        }
    }

    fn act(&mut self, index: usize, action: Action) {
        let delay = self.delay();
        match action {
            Action::Send { peer, message } => {
                let from = (index, peer);
                let Some(to) = self.links.get(&from).copied() else { return };
                self.plan(delay, Happening::Bytes(to, encode(Magic::REGTEST, &message)));
                self.plan(delay, Happening::Event(index, Event::Drained { peer }));
            }
            Action::Connect { target } => self.dial(index, target),
            Action::Disconnect { peer, reason } => {
                self.blamed.push(format!("{index} dropped {peer}: {reason}"));
                self.cut((index, peer), Some(index));
            }
            submit => {
                let wait = Duration::from_millis(self.rng.random_range(1..10));
                self.plan(wait, Happening::Submit(index, submit));
            }
        }
    }

    fn dial(&mut self, index: usize, target: String) {
        let delay = self.delay();
        let other: usize = target.parse().expect("targets are indices here");
        if self.away.contains(&other) || self.group[index] != self.group[other] {
            self.plan(delay, Happening::Event(index, Event::ConnectFailed { target }));
            return;
        }
        let ends = [(index, PeerId(self.next_peer)), (other, PeerId(self.next_peer + 1))];
        self.next_peer += 2;
        self.links.extend([(ends[0], ends[1]), (ends[1], ends[0])]);
        for end in ends {
            self.decoders.insert(end, Decoder::new(Magic::REGTEST));
        }
        let address = |index: usize| ([10, 0, 0, index as u8], 18444).into();
        let inbound = Event::Connected { peer: ends[1].1, address: address(index), target: None };
        self.handle(other, inbound);
        let outbound = Event::Connected { peer: ends[0].1, address: address(other), target: Some(target) };
        self.handle(index, outbound);
    }

    /// Ends a connection; who ended it is not told.
    fn cut(&mut self, end: End, by: Option<usize>) {
        let Some(other) = self.links.remove(&end) else { return };
        self.links.remove(&other);
        for side in [end, other] {
            self.decoders.remove(&side);
            if Some(side.0) != by {
                self.plan(Duration::ZERO, Happening::Event(side.0, Event::Disconnected { peer: side.1 }));
            }
        }
    }

    fn judge(&mut self, index: usize, action: Action) {
        if self.away.contains(&index) {
            return;
        }
        let world = &self.worlds[index];
        let event = match action {
            Action::SubmitHeaders { peer, headers } => Event::HeadersVerdict {
                peer,
                last: headers.last().expect("headers are submitted only when there are any").block_hash(),
                count: headers.len(),
                verdict: world.submit_headers(&headers),
            },
            Action::SubmitBlock { peer, block } => {
                Event::BlockVerdict { peer, hash: block.block_hash(), verdict: world.submit_block(block.whole()) }
            }
            Action::SubmitTransaction { peer, transaction } => {
                let verdict = world.submit_transaction(Arc::clone(&transaction));
                Event::TransactionVerdict { peer, transaction, verdict }
            }
            Action::SubmitPackage { peer, parent, child } => {
                let verdict = world.submit_package(Arc::clone(&parent), Arc::clone(&child));
                Event::PackageVerdict { peer, parent, child, verdict }
            }
            other => panic!("{other:?} is not judged"),
        };
        self.handle(index, event);
        self.tell_news(index);
    }

    fn tell_news(&mut self, index: usize) {
        let news = self.worlds[index].take_news();
        for transaction in news.added {
            self.handle(index, Event::TransactionAdded(transaction));
        }
        if news.is_tip_new {
            self.handle(index, Event::NewTip);
        }
    }

    fn post(&mut self, index: usize, transaction: &Transaction) {
        self.worlds[index].submit_transaction(Arc::new(transaction.clone()));
        self.tell_news(index);
    }

    fn mine(&mut self, index: usize, count: u32) {
        for _ in 0..count {
            self.worlds[index].mine(1, index as u32);
            self.tell_news(index);
        }
    }

    fn leave(&mut self, index: usize) {
        let ends: Vec<End> = self.links.keys().filter(|end| end.0 == index).copied().collect();
        ends.into_iter().for_each(|end| self.cut(end, None));
        self.away.insert(index);
    }

    /// Comes back as a new process over the old chain.
    fn come_back(&mut self, index: usize) {
        self.away.remove(&index);
        self.nodes[index] = self.fresh_node(index);
    }

    fn split(&mut self, group: &[u8]) {
        self.group = group.to_vec();
        let torn: Vec<End> = self.links.iter().filter(|(a, b)| group[a.0] != group[b.0]).map(|(a, _)| *a).collect();
        torn.into_iter().for_each(|end| self.cut(end, None));
    }

    fn tips(&self) -> Vec<BlockHash> {
        self.worlds.iter().map(|world| world.tip().1).collect()
    }

    fn mempools(&self) -> Vec<usize> {
        self.worlds.iter().map(ToyWorld::mempool_size).collect()
    }

    fn assert_one_tip(&self, height: u32) {
        let tips = self.tips();
        assert!(tips.iter().all(|tip| *tip == tips[0]), "one tip, seed {}", self.seed);
        assert_eq!(self.worlds[0].tip().0.to_u32(), height);
    }

    /// No honest peer was let go, and nothing is remembered that will not end.
    fn assert_at_rest(&self) {
        assert_eq!(self.blamed, [""; 0], "seed {}", self.seed);
        let under_way: usize = self.nodes.iter().map(Node::requests_under_way).sum();
        assert_eq!(under_way, 0, "seed {}", self.seed);
    }
}

#[test]
fn a_payment_reaches_all_before_it_is_mined_and_a_block_is_everyones_tip() {
    let mut network = Simulation::line(5, 1);
    network.run(3);
    network.post(0, &payment(root(), 1));
    // Each tells those that came to it at random moments, five seconds apart in the mean.
    network.run(90);
    assert_eq!(network.mempools(), [1; 5]);
    network.mine(4, 1);
    network.run(2);
    network.assert_one_tip(1);
    assert_eq!(network.mempools(), [0; 5]);
    network.assert_at_rest();
}

#[test]
fn a_node_that_was_away_catches_up() {
    let mut network = Simulation::line(3, 2);
    network.run(3);
    network.leave(2);
    // More than one headers message holds, and more blocks than are asked for at once.
    network.mine(0, 2_050);
    network.post(0, &payment(root(), 1));
    network.run(60);
    network.come_back(2);
    network.run(60);
    network.assert_one_tip(2_050);
    assert_eq!(network.mempools(), [1; 3], "what waits is told to who comes back");
    network.assert_at_rest();
}

#[test]
fn two_sides_that_mined_apart_agree_on_the_branch_with_more_work() {
    let mut network = Simulation::line(5, 3);
    network.run(3);
    network.split(&[0, 0, 1, 1, 1]);
    network.run(1);
    network.post(0, &payment(root(), 1));
    network.run(1);
    network.mine(0, 30);
    network.mine(4, 35);
    network.run(5);
    assert_eq!(network.tips().iter().collect::<BTreeSet<_>>().len(), 2);
    network.split(&[0; 5]);
    network.run(70);
    network.assert_one_tip(35);
    assert_eq!(network.mempools()[0], 1, "the payment of the lost branch waits again");
    network.mine(2, 1);
    network.run(2);
    network.assert_one_tip(36);
    network.assert_at_rest();
}

#[test]
fn many_payments_and_blocks_at_once_leave_nothing_behind() {
    let mut network = Simulation::line(4, 4);
    network.run(3);
    for number in 0..300 {
        network.post(number as usize % 4, &payment(root(), number));
    }
    let parent = payment(root(), 1_000);
    network.post(1, &parent);
    network.post(1, &payment(parent.compute_txid(), 1));
    // Seventy at a time, at random moments.
    network.run(300);
    assert_eq!(network.mempools(), [302; 4]);
    network.mine(3, 2);
    network.mine(0, 1);
    network.run(10);
    network.assert_one_tip(2);
    network.assert_at_rest();
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut network = Simulation::line(4, seed);
        network.is_traced = true;
        network.run(2);
        network.post(0, &payment(root(), 1));
        network.mine(3, 5);
        network.run(5);
        network.assert_one_tip(5);
        network.trace
    };
    let first = run(7);
    assert!(first.len() > 100);
    assert_eq!(first, run(7));
    assert_ne!(first, run(8));
}
