//! Bitcoin Core's named block cases, each judged by the chain as the server uses it, over a real folder.

use std::io::Write as _;
use std::sync::Arc;

use mycoin_chain::{AcceptError, Accepted, BlockStatus, Chain, ChainOptions};
use mycoin_primitives::bitcoin::consensus::encode::deserialize;
use mycoin_primitives::{Block, BlockHash, Network};
use mycoin_testkit::block_cases::{Delivery, Outcome, Receiver, STORIES, Tale, Verdict, play, wire_bytes};
use tempfile::TempDir;

/// A clock for the stories: any time after their blocks'.
const NOW: u32 = 1_700_000_000;

struct Judge {
    chain: Chain,
    _folder: TempDir,
}

impl Judge {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("the machine has room for a temporary folder");
        let path = folder.path().join("regtest");
        let chain = Chain::open(&path, Network::regtest(), ChainOptions::default()).expect("an empty folder opens");
        Self { chain, _folder: folder }
    }

    fn outcome(&self, verdict: Verdict, refused: Vec<(BlockHash, String)>) -> Outcome {
        Outcome { verdict, tip: self.chain.tip().hash, refused }
    }

    fn rejected(&self, error: &AcceptError) -> Outcome {
        self.outcome(Verdict::Rejected { reason: error.reject_reason() }, Vec::new())
    }

    fn block(&self, block: Arc<Block>, now: u32) -> Outcome {
        match self.chain.accept_block(block, now) {
            Ok(Accepted { status, refused, .. }) => {
                let verdict = if status == BlockStatus::Known { Verdict::Known } else { Verdict::Accepted };
                self.outcome(verdict, refused.iter().map(named).collect())
            }
            Err(error) => self.rejected(&error),
        }
    }

    fn bytes(&self, bytes: &[u8], now: u32) -> Outcome {
        match deserialize::<Block>(bytes) {
            Ok(block) => self.block(Arc::new(block), now),
            Err(_) => self.outcome(Verdict::Undecodable, Vec::new()),
        }
    }
}

fn named(error: &AcceptError) -> (BlockHash, String) {
    let hash = match error {
        AcceptError::Header { hash, .. } | AcceptError::Block { hash, .. } => *hash,
        other => panic!("a stored block is refused for a rule that it breaks, not for: {other}"),
    };
    (hash, error.reject_reason())
}

impl Receiver for Judge {
    fn deliver(&mut self, delivery: &Delivery, now: Option<u32>) -> Outcome {
        let now = now.unwrap_or(u32::MAX);
        match delivery {
            // The decoder cannot read a transaction without inputs; the rule against it is asked all the same.
            Delivery::Block(block) if block.txdata.iter().any(|tx| tx.input.is_empty()) => {
                self.block(Arc::clone(block), now)
            }
            Delivery::Block(block) => self.bytes(&wire_bytes(block), now),
            Delivery::Bytes(bytes) => self.bytes(bytes, now),
            Delivery::Header(header) => match self.chain.accept_header(*header, now) {
                Ok(_) => self.outcome(Verdict::Accepted, Vec::new()),
                Err(error) => self.rejected(&error),
            },
        }
    }
}

fn judge(tale: Tale) {
    let story = tale(NOW);
    let mismatches = play(&story, &mut Judge::new());
    let text: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
    let count = format!("block cases, {}: {} steps, {} judged otherwise\n", story.name, story.steps.len(), text.len());
    // Past the test harness, so that CI's log shows that the cases ran.
    std::io::stderr().write_all(count.as_bytes()).expect("standard error can be written");
    assert!(text.is_empty(), "{}", text.join("\n"));
}

macro_rules! stories {
    ($($name:ident: $place:expr;)*) => {
        $(#[test]
        fn $name() {
            judge(STORIES[$place]);
        })*

        #[test]
        fn every_story_is_judged() {
            assert_eq!([$($place),*], std::array::from_fn::<usize, { STORIES.len() }, _>(|place| place));
        }
    };
}

stories! {
    headers: 0;
    forks: 1;
    deep_reorganisation: 2;
    out_of_order: 3;
    amounts: 4;
    coinbases: 5;
    signature_operations: 6;
    sizes: 7;
    duplicates: 8;
    transaction_templates: 9;
    unspendable_scripts: 10;
    witness_commitments: 11;
    witness_programs: 12;
    large_witnesses: 13;
    soft_forks: 14;
    every_lock: 15;
    sequence_locks: 16;
}
