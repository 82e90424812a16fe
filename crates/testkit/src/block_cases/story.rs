//! What arrives, what is expected of it, and who judges.

use std::fmt;
use std::sync::Arc;

use mycoin_primitives::{Block, BlockHash, Header, Network, Transaction, genesis_block};

use super::lab::Lab;
use super::lock::{Condition, Lock, Owned};

/// What arrives at a node.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// A block.
    Block(Arc<Block>),
    /// A header without its block.
    Header(Header),
    /// A block's bytes that need not be those of a block.
    Bytes(Vec<u8>),
}

/// What a node makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It breaks no rule that could be checked; a block is stored.
    Accepted,
    /// The block was stored before.
    Known,
    /// It breaks a rule.
    Rejected {
        /// Bitcoin Core's reject reason, without the debug message.
        reason: String,
    },
    /// The bytes are no block.
    Undecodable,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Known => f.write_str("known"),
            Self::Rejected { reason } => write!(f, "rejected: {reason}"),
            Self::Undecodable => f.write_str("undecodable"),
        }
    }
}

/// The verdict, and how the node stands after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What it made of what arrived.
    pub verdict: Verdict,
    /// The last block of its best chain.
    pub tip: BlockHash,
    /// Blocks stored earlier that proved invalid when this one led to them, with their reject reasons.
    pub refused: Vec<(BlockHash, String)>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; tip {}", self.verdict, self.tip)?;
        self.refused.iter().try_for_each(|(hash, reason)| write!(f, "; refused {hash}: {reason}"))
    }
}

/// Whoever judges: a node's chain with nothing but the genesis block at first.
pub trait Receiver {
    /// Takes in what arrives at `now`, in seconds since 1970; `None` is any time after the block's. A receiver that has a
    /// clock of its own waits until then.
    fn deliver(&mut self, delivery: &Delivery, now: Option<u32>) -> Outcome;
}

/// Something that arrives, and what is expected of it.
#[derive(Debug, Clone)]
pub struct Step {
    /// The case's name in Bitcoin Core's tests, or one that says the rule.
    pub name: String,
    /// What arrives.
    pub delivery: Delivery,
    /// When, in seconds since 1970; `None` where it does not matter.
    pub now: Option<u32>,
    /// What is expected.
    pub expected: Outcome,
}

/// Steps that one receiver takes, one after another.
#[derive(Debug, Clone)]
pub struct Story {
    /// Its name.
    pub name: &'static str,
    /// Its steps.
    pub steps: Vec<Step>,
}

/// A step that was judged otherwise than expected.
#[derive(Debug, Clone)]
pub struct Mismatch {
    /// The story and the step.
    pub name: String,
    /// What was expected.
    pub expected: Outcome,
    /// How it was judged.
    pub found: Outcome,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  expected {}\n  found    {}", self.name, self.expected, self.found)
    }
}

/// Gives all steps to the receiver and returns those that it judged otherwise than expected.
pub fn play(story: &Story, receiver: &mut dyn Receiver) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    for step in &story.steps {
        let found = receiver.deliver(&step.delivery, step.now);
        if found != step.expected {
            let name = format!("{}/{}", story.name, step.name);
            mismatches.push(Mismatch { name, expected: step.expected.clone(), found });
        }
    }
    mismatches
}

/// A story in the making: it keeps the tip, and hands out coinbases that have matured.
pub(super) struct Teller {
    pub(super) lab: Lab,
    story: Story,
    tip: BlockHash,
    now: Option<u32>,
    /// Outputs of the first blocks, which anyone can spend and which have matured, oldest last.
    outs: Vec<Owned>,
}

impl Teller {
    /// Begins with so many matured coinbases to spend.
    pub(super) fn new(name: &'static str, outs: u32) -> Self {
        let lab = Lab::new(Network::regtest());
        let genesis = genesis_block(lab.network()).block_hash();
        let story = Story { name, steps: Vec::new() };
        let mut teller = Self { lab, story, tip: genesis, now: None, outs: Vec::new() };
        for height in 1..=outs + teller.lab.network().maturity {
            let block = teller.lab.mine(teller.tip, Vec::new());
            if height <= outs {
                teller.outs.insert(0, coinbase_of(&block));
            }
            teller.accept(&format!("base {height}"), &block);
        }
        teller
    }

    /// The next coinbase that has matured.
    pub(super) fn out(&mut self) -> Owned {
        self.outs.pop().expect("the story begins with enough coinbases")
    }

    /// A transaction that spends the next coinbase to anyone, for a fee.
    pub(super) fn spend(&mut self) -> Transaction {
        let out = self.out();
        self.lab.pay(&out, Lock::Bare(Condition::Anyone))
    }

    pub(super) const fn tip(&self) -> BlockHash {
        self.tip
    }

    /// From now on steps arrive at this time.
    pub(super) const fn at(&mut self, now: u32) {
        self.now = Some(now);
    }

    /// From now on it does not matter when steps arrive.
    pub(super) const fn any_time(&mut self) {
        self.now = None;
    }

    pub(super) fn end(self) -> Story {
        self.story
    }

    /// The block becomes the tip.
    pub(super) fn accept(&mut self, name: &str, block: &Arc<Block>) {
        self.tip = block.block_hash();
        self.step(name, Delivery::Block(Arc::clone(block)), Verdict::Accepted, Vec::new());
    }

    /// The block is stored, and another one becomes the tip or stays it.
    pub(super) fn accept_with_tip(&mut self, name: &str, block: &Arc<Block>, tip: BlockHash) {
        self.tip = tip;
        self.step(name, Delivery::Block(Arc::clone(block)), Verdict::Accepted, Vec::new());
    }

    /// The block is stored, and the tip stays.
    pub(super) fn store(&mut self, name: &str, block: &Arc<Block>) {
        self.step(name, Delivery::Block(Arc::clone(block)), Verdict::Accepted, Vec::new());
    }

    /// The block is stored; it leads to one that proves invalid, and the tip stays.
    pub(super) fn store_but_refuse(&mut self, name: &str, block: &Arc<Block>, refused: &Arc<Block>, reason: &str) {
        let refused = vec![(refused.block_hash(), reason.to_owned())];
        self.step(name, Delivery::Block(Arc::clone(block)), Verdict::Accepted, refused);
    }

    /// The block becomes the tip; it leads to others that prove invalid.
    pub(super) fn accept_and_refuse(&mut self, name: &str, block: &Arc<Block>, refused: Vec<(BlockHash, String)>) {
        self.tip = block.block_hash();
        self.step(name, Delivery::Block(Arc::clone(block)), Verdict::Accepted, refused);
    }

    /// The block is refused, and the tip stays.
    pub(super) fn reject(&mut self, name: &str, block: &Arc<Block>, reason: &str) {
        let verdict = Verdict::Rejected { reason: reason.to_owned() };
        self.step(name, Delivery::Block(Arc::clone(block)), verdict, Vec::new());
    }

    /// The block was there before.
    pub(super) fn known(&mut self, name: &str, block: &Arc<Block>) {
        self.step(name, Delivery::Block(Arc::clone(block)), Verdict::Known, Vec::new());
    }

    /// The header is taken without its block.
    pub(super) fn header(&mut self, name: &str, header: Header) {
        self.step(name, Delivery::Header(header), Verdict::Accepted, Vec::new());
    }

    /// The header is refused.
    pub(super) fn reject_header(&mut self, name: &str, header: Header, reason: &str) {
        self.step(name, Delivery::Header(header), Verdict::Rejected { reason: reason.to_owned() }, Vec::new());
    }

    /// The bytes are no block.
    pub(super) fn undecodable(&mut self, name: &str, bytes: Vec<u8>) {
        self.step(name, Delivery::Bytes(bytes), Verdict::Undecodable, Vec::new());
    }

    /// Mines a block with these transactions on the tip and expects it to become the tip.
    pub(super) fn accept_next(&mut self, name: &str, transactions: Vec<Transaction>) -> Arc<Block> {
        let block = self.lab.mine(self.tip, transactions);
        self.accept(name, &block);
        block
    }

    /// Mines a block with these transactions on the tip and expects it to be refused.
    pub(super) fn reject_next(&mut self, name: &str, transactions: Vec<Transaction>, reason: &str) -> Arc<Block> {
        let block = self.lab.mine(self.tip, transactions);
        self.reject(name, &block, reason);
        block
    }

    fn step(&mut self, name: &str, delivery: Delivery, verdict: Verdict, refused: Vec<(BlockHash, String)>) {
        let expected = Outcome { verdict, tip: self.tip, refused };
        self.story.steps.push(Step { name: name.to_owned(), delivery, now: self.now, expected });
    }
}

/// The first output of the block's coinbase, which anyone can spend.
pub(super) fn coinbase_of(block: &Block) -> Owned {
    Owned::output(&block.txdata[0], 0, Lock::Bare(Condition::Anyone))
}
