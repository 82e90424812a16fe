//! Random blocks in random sequences.
//!
//! In:    a seed.
//! Out:   deliveries: valid blocks with every kind of output and input, forks, blocks out of order and twice, headers
//!        without blocks, altered bodies, bytes with a bit flipped, and blocks broken in one of 48 ways.
//! Never: a judgement. It only guesses which blocks are valid, so that the next ones have something to build on.

mod spoil;
mod world;

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;

use mycoin_primitives::{Block, BlockHash};
use mycoin_testkit::block_cases::{Delivery, Outcome, Verdict, wire_bytes};
use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use spoil::Spoiler;
use world::{Plan, World};

/// Blocks that begin each sequence, so that the first coinbases mature.
const BASE: usize = 104;
/// What they are called.
pub(crate) const BASE_BLOCK: &str = "base";
/// What blocks of a branch in any order are called.
const OF_BRANCH: &str = "of a branch in any order";
/// How a block without a known parent is refused.
const ORPHAN: &str = "prev-blk-not-found";
/// Of so many earlier deliveries some come again.
const EARLIER: usize = 200;
/// How many transactions a block has.
const TRANSACTIONS: RangeInclusive<usize> = 0..=6;
/// How many a block has that is to be broken.
const TO_BREAK: RangeInclusive<usize> = 1..=4;
/// None but the coinbase.
const EMPTY: RangeInclusive<usize> = 0..=0;

/// Something random that arrives, and what it is.
pub(crate) struct Arrival {
    pub(crate) what: String,
    pub(crate) delivery: Delivery,
    plan: Option<Plan>,
}

/// One sequence on a new chain.
pub(crate) struct Sequence {
    world: World,
    base_left: usize,
    waiting: VecDeque<Arrival>,
    earlier: Vec<Arc<Block>>,
    invalid: Vec<BlockHash>,
}

impl Sequence {
    /// The sequence of this number.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        Self {
            world: World::new(rng),
            base_left: BASE,
            waiting: VecDeque::new(),
            earlier: Vec::new(),
            invalid: Vec::new(),
        }
    }

    /// What arrives next.
    pub(crate) fn next(&mut self) -> Arrival {
        if self.base_left > 0 {
            self.base_left -= 1;
            return self.valid_on(self.world.tip, EMPTY, BASE_BLOCK);
        }
        if let Some(arrival) = self.waiting.pop_front() {
            return arrival;
        }
        match self.world.rng.random_range(0..100) {
            0..34 => self.valid_on(self.world.tip, TRANSACTIONS, "valid"),
            34..45 => {
                let parent = self.rival();
                self.valid_on(parent, TRANSACTIONS, "valid on a recent block")
            }
            45..50 => self.branch(),
            50..53 => self.again(),
            53..55 => self.on_invalid(),
            55..58 => self.altered_body(),
            58..61 => self.flipped(),
            _ => self.spoilt(),
        }
    }

    /// Learns how the receivers judged it: they agreed.
    pub(crate) fn learn(&mut self, arrival: &Arrival, outcome: &Outcome) {
        let Delivery::Block(block) = &arrival.delivery else { return };
        match (&outcome.verdict, &arrival.plan) {
            (Verdict::Accepted, Some(plan)) => self.world.note(plan, block),
            (Verdict::Rejected { .. }, _) => self.invalid.push(block.block_hash()),
            (Verdict::Accepted | Verdict::Known | Verdict::Undecodable, _) => {}
        }
        self.earlier.push(Arc::clone(block));
        if self.earlier.len() > EARLIER {
            self.earlier.remove(0);
        }
        if self.world.coins(outcome.tip).is_some() {
            self.world.tip = outcome.tip;
        }
        if arrival.what == OF_BRANCH && matches!(&outcome.verdict, Verdict::Rejected { reason } if reason == ORPHAN) {
            // Its parent is on its way.
            self.waiting.push_back(Arrival {
                what: arrival.what.clone(),
                delivery: arrival.delivery.clone(),
                plan: None,
            });
        }
    }

    /// How many blocks were taken back between the two tips.
    pub(crate) fn taken_back(&self, before: BlockHash, after: BlockHash) -> u32 {
        let lab = &self.world.lab;
        let (mut old, mut new) = (before, after);
        while old != new {
            if lab.height(old) >= lab.height(new) {
                old = lab.parent(old);
            } else {
                new = lab.parent(new);
            }
        }
        lab.height(before).above(lab.height(old))
    }

    fn valid_on(&mut self, parent: BlockHash, transactions: RangeInclusive<usize>, what: &str) -> Arrival {
        let plan = match self.world.plan(parent, transactions.clone()) {
            Some(plan) => Some(plan),
            None => self.world.plan(self.world.tip, transactions),
        };
        let plan = plan.expect("the coins at the tip are known");
        let mut block = plan.draft.clone();
        self.world.lab.seal(&mut block);
        let block = self.world.lab.solve(block);
        Arrival { what: what.to_owned(), delivery: Delivery::Block(block), plan: Some(plan) }
    }

    /// A recent block, rather a high one that is not the tip: it may overtake the tip soon.
    fn rival(&mut self) -> BlockHash {
        let candidates: Vec<BlockHash> = (0..4).map(|_| self.world.any_recent()).collect();
        let tip = self.world.tip;
        let others = candidates.iter().filter(|block| **block != tip);
        others.max_by_key(|block| self.world.lab.height(**block)).copied().unwrap_or(tip)
    }

    /// Blocks on each other that arrive in any order, with or without their headers before them.
    fn branch(&mut self) -> Arrival {
        let mut parent = self.world.any_recent();
        let mut blocks = Vec::new();
        let long = self.world.chance(15);
        let most = if long { 24 } else { 6 };
        for _ in 0..self.world.rng.random_range(2..=most) {
            let arrival = self.valid_on(parent, TRANSACTIONS, OF_BRANCH);
            if let (Delivery::Block(block), Some(plan)) = (&arrival.delivery, &arrival.plan) {
                // The rest of the branch needs its coins now.
                self.world.note(plan, block);
                parent = block.block_hash();
            }
            blocks.push(Arrival { plan: None, ..arrival });
        }
        if long || self.world.chance(70) {
            for arrival in &blocks {
                if let Delivery::Block(block) = &arrival.delivery {
                    let delivery = Delivery::Header(block.header);
                    self.waiting.push_back(Arrival { what: "header of a branch".to_owned(), delivery, plan: None });
                }
            }
        }
        if self.world.chance(70) {
            blocks.shuffle(&mut self.world.rng);
        }
        self.waiting.extend(blocks);
        self.waiting.pop_front().expect("a branch has blocks")
    }

    fn again(&mut self) -> Arrival {
        let Some(block) = self.earlier.choose(&mut self.world.rng).map(Arc::clone) else {
            return self.valid_on(self.world.tip, EMPTY, "valid");
        };
        let header = self.world.chance(30);
        let delivery = if header { Delivery::Header(block.header) } else { Delivery::Block(block) };
        Arrival { what: "again".to_owned(), delivery, plan: None }
    }

    /// A block that would be valid on the parent of the invalid block on which it builds.
    fn on_invalid(&mut self) -> Arrival {
        let arrival = self.valid_on(self.world.tip, EMPTY, "on an invalid block");
        let Some(parent) = self.invalid.choose(&mut self.world.rng) else { return arrival };
        let Delivery::Block(block) = &arrival.delivery else { return arrival };
        let mut block = block.as_ref().clone();
        block.header.prev_blockhash = *parent;
        let block = self.world.lab.solve(block);
        Arrival { delivery: Delivery::Block(block), plan: None, ..arrival }
    }

    /// A body altered on its way, and then the honest one.
    fn altered_body(&mut self) -> Arrival {
        let honest = self.valid_on(self.world.tip, TRANSACTIONS, "honest body after an altered one");
        let Delivery::Block(block) = &honest.delivery else { return honest };
        let mut altered = block.as_ref().clone();
        match self.world.rng.random_range(0..4) {
            0 => altered.txdata.extend_from_within(altered.txdata.len() - 1..),
            1 => altered.txdata[0].input[0].witness.push([0; 32]),
            2 => altered.txdata.reverse(),
            _ => altered.txdata.iter_mut().flat_map(|tx| &mut tx.input).for_each(|input| input.witness.clear()),
        }
        let delivery = Delivery::Block(Arc::new(altered));
        self.waiting.push_back(honest);
        Arrival { what: "altered body".to_owned(), delivery, plan: None }
    }

    fn flipped(&mut self) -> Arrival {
        let arrival = self.valid_on(self.world.tip, TRANSACTIONS, "a bit of the bytes");
        let Delivery::Block(block) = &arrival.delivery else { return arrival };
        let mut bytes = wire_bytes(block);
        let place = self.world.rng.random_range(80..bytes.len());
        bytes[place] ^= 1 << self.world.rng.random_range(0..8);
        Arrival { delivery: Delivery::Bytes(bytes), plan: None, ..arrival }
    }

    fn spoilt(&mut self) -> Arrival {
        let fork = self.world.chance(30);
        let parent = if fork { self.world.any_recent() } else { self.world.tip };
        let spoiler = Spoiler::any(&mut self.world);
        let plan = self.world.plan(parent, TO_BREAK).or_else(|| self.world.plan(self.world.tip, TO_BREAK));
        let plan = plan.expect("the coins at the tip are known");
        let block = spoiler.make(&mut self.world, &plan);
        Arrival { what: spoiler.name.to_owned(), delivery: Delivery::Block(Arc::new(block)), plan: None }
    }
}
