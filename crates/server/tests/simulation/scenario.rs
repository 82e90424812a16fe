//! What a seed stands for: a network, what befalls it, and what must be so afterwards.

use std::path::Path;
use std::sync::Arc;

use mycoin_primitives::{Amount, Block, Network, OutPoint, Transaction, TxOut};
use mycoin_testkit::builders::{ChainBuilder, TxBuilder};
use mycoin_testkit::keys::Key;
use rand::Rng as _;
use rand::seq::SliceRandom as _;

use crate::dice::Dice;
use crate::hostile::{Hostile, Kind};
use crate::network::{Counts, Defect, Simulation};

/// Blocks that all nodes have from the start.
const PREFIX: usize = 40;
/// After how many blocks a coinbase may be spent here. Bitcoin's hundred would only make every seed slower.
const MATURITY: u32 = 10;
/// How long things go wrong, in milliseconds.
const TROUBLE: u64 = 90_000;
/// Within what time after the network is whole again all must agree, in milliseconds. A request for a transaction waits 60 s
/// for each peer that keeps it back, and a block at most 64 s.
const HEALING: u64 = 300_000;
/// Within what time a block reaches all when nothing is wrong but hostile peers.
const SPREADING: u64 = 120_000;
/// How long what was asked for may be remembered after hostile peers left.
const FORGETTING: u64 = 180_000;

/// The longest state of a node's protocol, as text.
const STATE_MAX: usize = 16_000_000;
/// Bytes of a node's known addresses.
const ADDRESSES_MAX: usize = 2_000_000;
/// Requests that a node may have under way: what 125 peers may announce.
const REQUESTS_MAX: usize = 125 * 5_000;

/// What a run is made of, and what to leave out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    pub(crate) hostile: usize,
    pub(crate) defect: Option<Defect>,
    pub(crate) is_traced: bool,
}

impl Plan {
    /// What the seed stands for: one network in twenty has 30 nodes, the others 5 to 11.
    pub(crate) fn of(seed: u64) -> Self {
        let nodes = if seed.is_multiple_of(20) { 30 } else { 5 + usize::try_from(seed % 7).unwrap_or_default() };
        Self { seed, nodes, hostile: 2 + nodes / 6, defect: None, is_traced: false }
    }
}

/// What came of a run that held to all invariants, or what did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) digest: u64,
    pub(crate) counts: Counts,
    /// How long it took until all agreed, in milliseconds.
    pub(crate) healed_after: u64,
    /// The longest state that a node had, as text.
    pub(crate) state: usize,
    pub(crate) faults: Vec<String>,
}

/// A common beginning of the chain with coins to spend.
pub(crate) struct Ground {
    network: Network,
    prefix: Arc<Vec<Arc<Block>>>,
    coins: Vec<(OutPoint, TxOut)>,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let network = Network { maturity: MATURITY, ..Network::regtest() };
        let mut builder = ChainBuilder::new(network.clone());
        builder.mine_empty(PREFIX);
        let coins = builder.spendable().into_iter().map(|(outpoint, coin)| (outpoint, coin.output)).collect();
        Self { network, prefix: Arc::new(builder.blocks().to_vec()), coins }
    }
}

/// A payment, and the node that its wallet talks with.
struct Payment {
    transaction: Arc<Transaction>,
    wallet_of: usize,
    at: u64,
    /// The run of its node in which the wallet last gave it.
    given_in: Option<u64>,
    /// Why its node last refused it.
    refused: Option<String>,
}

enum Trouble {
    Mine,
    Break,
    Stall(u64),
    Part(u64, bool),
    Join,
    Stop(usize, bool),
    Start(usize),
}

pub(crate) fn run(plan: Plan, ground: &Ground, folder: &Path) -> Report {
    let mut simulation = Simulation::new(plan.seed, ground.network.clone(), Arc::clone(&ground.prefix));
    simulation.is_traced = plan.is_traced;
    let mut story = Story { plan, simulation, payments: Vec::new(), state: 0 };
    story.people(ground, folder);
    story.payments(ground);
    story.trouble();
    let healed_after = story.heal();
    story.one_more_block();
    story.rest();
    let Story { simulation, state, .. } = story;
    Report { digest: simulation.digest(), counts: simulation.counts, healed_after, state, faults: simulation.faults }
}

struct Story {
    plan: Plan,
    simulation: Simulation,
    payments: Vec<Payment>,
    state: usize,
}

impl Story {
    /// A ring of honest nodes with chords, and hostile ones around it.
    fn people(&mut self, ground: &Ground, folder: &Path) {
        let count = self.plan.nodes;
        for index in 0..count {
            let rng = &mut self.simulation.rng;
            let chord = rng.random_range(0..count);
            // Half of the clocks are right; the others are up to 50 minutes off, so that any two stay within two hours.
            let skew = if rng.random() { 0 } else { rng.random_range(-3_000_000..3_000_000) };
            let mut connect = vec![(index + count - 1) % count, chord];
            connect.retain(|other| *other != index);
            let connect = connect.into_iter().map(|other| Simulation::honest_address(other).to_string()).collect();
            let _index = self.simulation.add_honest(folder.join(index.to_string()), connect, skew);
        }
        for number in 0..self.plan.hostile {
            let rng = &mut self.simulation.rng;
            // Neighbouring seeds have other kinds, so that few seeds have all.
            let kind = Kind::ALL[(self.plan.seed as usize * self.plan.hostile + number) % Kind::ALL.len()];
            let mut victims: Vec<usize> = (0..count).collect();
            victims.shuffle(rng);
            victims.truncate(rng.random_range(2..6));
            let seed = rng.random();
            let hostile = Hostile::new(kind, victims, &ground.prefix, ground.network.magic, seed);
            let _index = self.simulation.add_hostile(hostile);
        }
        if let Some(honest) = self.simulation.honest_mut(0) {
            honest.defect = self.plan.defect;
        }
        for index in 0..count {
            let wait = self.simulation.rng.random_range(0..400);
            self.simulation.run(wait);
            self.simulation.start(index);
        }
        self.simulation.run(3_000);
    }

    /// Payments of coins that no branch can take away; some spend what others pay.
    fn payments(&mut self, ground: &Ground) {
        let (key, fee) = (Key::taproot(1), Amount::from_sat(10_000));
        let mut parent: Option<(OutPoint, TxOut, usize, u64)> = None;
        let mut coins = ground.coins.iter();
        for number in 0..20 {
            let rng = &mut self.simulation.rng;
            let (outpoint, output, wallet_of, at) = match parent.take().filter(|_| rng.random_ratio(2, 5)) {
                // A wallet spends its own change through its own node.
                Some((outpoint, output, wallet_of, at)) => {
                    (outpoint, output, wallet_of, (at + rng.random_range(0..5_000)).min(TROUBLE))
                }
                None => {
                    let Some((outpoint, output)) = coins.next() else { break };
                    let at = rng.random_range(0..TROUBLE);
                    (*outpoint, output.clone(), rng.random_range(0..self.plan.nodes), at)
                }
            };
            let wallet_of = if number == 0 { 0 } else { wallet_of };
            let paid = TxOut { value: output.value - fee, script_pubkey: key.script() };
            let transaction =
                TxBuilder::new().spend(outpoint, &output).pay(paid.script_pubkey.clone(), paid.value).sign(&key);
            parent = Some((OutPoint { txid: transaction.compute_txid(), vout: 0 }, paid, wallet_of, at));
            self.payments.push(Payment {
                transaction: Arc::new(transaction),
                wallet_of,
                at,
                given_in: None,
                refused: None,
            });
        }
    }

    fn trouble(&mut self) {
        let (nodes, begin) = (self.plan.nodes, self.simulation.now);
        let rng = &mut self.simulation.rng;
        let mut agenda: Vec<(u64, Trouble)> = Vec::new();
        let moment = |rng: &mut Dice| rng.random_range(0..TROUBLE);
        for _ in 0..rng.random_range(6..16) {
            agenda.push((moment(rng), Trouble::Mine));
        }
        for _ in 0..rng.random_range(0..10) {
            agenda.push((moment(rng), Trouble::Break));
        }
        for _ in 0..rng.random_range(0..10) {
            let length = rng.random_range(100..60_000);
            agenda.push((moment(rng), Trouble::Stall(length)));
        }
        if rng.random_ratio(2, 3) {
            let (at, length) = (moment(rng), rng.random_range(1_000..60_000));
            agenda.push((at, Trouble::Part(length, rng.random())));
            agenda.push((at + length, Trouble::Join));
        }
        for _ in 0..rng.random_range(0..4) {
            let (at, who) = (moment(rng), rng.random_range(0..nodes));
            agenda.push((at, Trouble::Stop(who, rng.random())));
            agenda.push((at + rng.random_range(100..60_000), Trouble::Start(who)));
        }
        agenda.sort_by_key(|(at, _)| *at);
        for (at, trouble) in agenda.into_iter().filter(|(at, _)| *at < TROUBLE) {
            self.advance(begin + at);
            self.befall(trouble);
        }
        self.advance(begin + TROUBLE);
    }

    fn befall(&mut self, trouble: Trouble) {
        let simulation = &mut self.simulation;
        match trouble {
            Trouble::Mine => {
                let running = simulation.running();
                if !running.is_empty() {
                    let index = simulation.rng.random_range(0..running.len());
                    simulation.mine(running[index]);
                }
            }
            Trouble::Break => simulation.break_link(),
            Trouble::Stall(millis) => simulation.stall_link(millis),
            Trouble::Part(millis, breaks) => simulation.part(millis, breaks),
            Trouble::Join => simulation.join(),
            Trouble::Stop(who, in_order) => simulation.stop(who, in_order),
            Trouble::Start(who) => simulation.start(who),
        }
    }

    /// Lets time pass until `end`, while wallets do their work once a second.
    fn advance(&mut self, end: u64) {
        while self.simulation.now < end {
            let step = (end - self.simulation.now).min(1_000);
            self.simulation.run(step);
            self.pay();
        }
    }

    /// A wallet gives its payments to its node until they stand there: also again, when the node lost them in a crash.
    fn pay(&mut self) {
        for index in 0..self.payments.len() {
            let payment = &self.payments[index];
            let (who, transaction) = (payment.wallet_of, Arc::clone(&payment.transaction));
            let is_due = self.simulation.since_start() >= payment.at;
            let Some(run) = self.simulation.epoch(who).filter(|run| is_due && payment.given_in != Some(*run)) else {
                continue;
            };
            let result = if self.is_known(who, &transaction) { Ok(()) } else { self.simulation.pay(who, &transaction) };
            match result {
                Ok(()) => self.payments[index].given_in = Some(run),
                Err(reason) => self.payments[index].refused = Some(reason),
            }
        }
    }

    fn is_known(&self, who: usize, transaction: &Transaction) -> bool {
        let txid = transaction.compute_txid();
        self.simulation.has_waiting(who, &txid)
            || self.simulation.tip(who).is_some_and(|(_, tip)| self.simulation.confirmed(tip).contains(&txid))
    }

    /// Ends all trouble but the hostile peers, and says how long it took until all agreed.
    fn heal(&mut self) -> u64 {
        self.simulation.join();
        for actor in self.simulation.down() {
            self.simulation.start(actor);
        }
        let begin = self.simulation.now;
        self.advance(begin + 5_000);
        // Two branches of the same work may both stay for ever: the next block decides.
        self.mine_on_the_highest();
        while self.simulation.now < begin + HEALING {
            self.advance(self.simulation.now + 1_000);
            if self.unlike().is_none() {
                return self.simulation.now - begin;
            }
        }
        let what = self.unlike().unwrap_or_default();
        self.simulation.faults.push(format!("{HEALING} ms after the network was whole again: {what}"));
        HEALING
    }

    fn mine_on_the_highest(&mut self) {
        let running = self.simulation.running();
        if let Some(best) = running.into_iter().max_by_key(|actor| self.simulation.tip(*actor).map(|tip| tip.0)) {
            self.simulation.mine(best);
        }
    }

    /// In what the nodes differ from what must be; `None`: in nothing.
    fn unlike(&self) -> Option<String> {
        let simulation = &self.simulation;
        let tips = simulation.tips();
        if tips.len() != 1 {
            return Some(format!("{} tips: {tips:?}", tips.len()));
        }
        let ((_, tip), _) = tips.into_iter().next()?;
        let confirmed = simulation.confirmed(tip);
        for (number, payment) in self.payments.iter().enumerate() {
            let txid = payment.transaction.compute_txid();
            if confirmed.contains(&txid) {
                continue;
            }
            let running = simulation.running();
            let lacks: Vec<usize> =
                running.into_iter().filter(|actor| !simulation.has_waiting(*actor, &txid)).collect();
            if !lacks.is_empty() {
                return Some(format!(
                    "payment {number} ({txid}), given to node {} (given: {:?}, refused: {:?}), is not confirmed and lacks at \
                     {lacks:?}",
                    payment.wallet_of, payment.given_in, payment.refused
                ));
            }
        }
        None
    }

    /// With nothing wrong but hostile peers, a block reaches all and confirms what waits.
    fn one_more_block(&mut self) {
        let running = self.simulation.running();
        // A node with a defect is the first one.
        let is_sound = self.plan.defect.is_none();
        let index = if is_sound { self.simulation.rng.random_range(0..running.len()) } else { 0 };
        let height = self.simulation.tip(running[index]).map(|tip| tip.0);
        self.simulation.mine(running[index]);
        let begin = self.simulation.now;
        while self.simulation.now < begin + SPREADING {
            self.advance(self.simulation.now + 500);
            let tips = self.simulation.tips();
            if tips.len() == 1 && tips.keys().next().map(|tip| tip.0) > height {
                break;
            }
        }
        let tips = self.simulation.tips();
        if tips.len() != 1 {
            self.simulation.faults.push(format!("{SPREADING} ms after the last block: tips {tips:?}"));
            return;
        }
        if let Some((_, tip)) = tips.keys().next() {
            let confirmed = self.simulation.confirmed(*tip);
            let lost = self.payments.iter().filter(|payment| !confirmed.contains(&payment.transaction.compute_txid()));
            let lost = lost.count();
            if lost > 0 {
                self.simulation.faults.push(format!("{lost} of {} payments were never confirmed", self.payments.len()));
            }
        }
        self.measure();
    }

    fn measure(&mut self) {
        for actor in self.simulation.running() {
            let Some([state, requests, addresses, branches]) = self.simulation.memory(actor) else { continue };
            self.state = self.state.max(state);
            if state > STATE_MAX || requests > REQUESTS_MAX || addresses > ADDRESSES_MAX {
                self.simulation.faults.push(format!(
                    "node {actor} remembers too much: {state} characters, {requests} requests, {addresses} bytes of \
                     addresses, {branches} branches"
                ));
            }
        }
    }

    /// In the large networks the hostile peers leave in the end: nothing that they began may be remembered.
    fn rest(&mut self) {
        if self.plan.nodes < 30 {
            return;
        }
        self.simulation.make_peace();
        let begin = self.simulation.now;
        let is_busy = |simulation: &Simulation, actor: &usize| simulation.requests(*actor) > 0;
        while self.simulation.now < begin + FORGETTING {
            self.simulation.run(5_000);
            let running = self.simulation.running();
            if !running.iter().any(|actor| is_busy(&self.simulation, actor)) {
                return;
            }
        }
        for actor in self.simulation.running() {
            let requests = self.simulation.requests(actor);
            if requests > 0 {
                self.simulation.faults.push(format!("node {actor} still has {requests} requests under way"));
            }
        }
    }
}
