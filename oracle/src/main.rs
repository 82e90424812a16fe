//! Gives the same blocks to Bitcoin Core's consensus code and to our chain, and compares verdicts and tips.
//!
//! In:    the named cases of the testkit, then random blocks from a seed.
//! Out:   cases, agreements and disagreements; the exit code is 1 if there is a disagreement.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

mod kernel;
mod node;
mod random;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use mycoin_testkit::block_cases::{Delivery, Outcome, Receiver as _, STORIES, Tale, Verdict};

use kernel::Kernel;
use node::Node;
use random::Sequence;

/// How many random blocks one chain gets.
const PER_SEQUENCE: usize = 500;

/// Gives the same blocks to Bitcoin Core's consensus code and to our chain, and compares.
#[derive(Debug, Parser)]
struct Options {
    /// How many random blocks follow the named cases.
    #[arg(long, default_value_t = 10_000)]
    blocks: usize,
    /// The number from which the random blocks are made.
    #[arg(long, default_value_t = 20_261_122)]
    seed: u64,
    /// Leave the named cases out.
    #[arg(long)]
    random_only: bool,
}

/// What the reject reason of a failing script begins with.
const SCRIPT_FAILED: &str = "block-script-verify-flag-failed";

type Failed = Box<dyn std::error::Error>;

/// What was compared so far.
#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    disagreements: usize,
    /// Agreements in which each side named another failing script of the block.
    other_script: usize,
    /// How often a branch took over, by how many blocks were taken back for it.
    reorganisations: BTreeMap<u32, usize>,
    /// How often each verdict was given.
    verdicts: BTreeMap<String, usize>,
}

impl Tally {
    fn count(&mut self, agrees: bool, verdict: &Verdict) {
        self.cases += 1;
        self.disagreements += usize::from(!agrees);
        let text = verdict.to_string();
        let kind = text.split_once("(0x").map_or(text.as_str(), |(kind, _)| kind);
        *self.verdicts.entry(kind.to_owned()).or_default() += 1;
    }

    fn report(&self, what: &str) {
        let Self { cases, disagreements, .. } = self;
        println!("{what}: {cases} cases, {} agreements, {disagreements} disagreements", cases - disagreements);
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            println!("could not run: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the number of disagreements.
fn run(options: &Options) -> Result<usize, Failed> {
    let _logger = kernel::listen()?;
    let (mut named, mut random) = (Tally::default(), Tally::default());
    if !options.random_only {
        for tale in STORIES {
            named_cases(tale, &mut named)?;
        }
        named.report("named cases");
    }
    let mut number = 0;
    while random.cases < options.blocks {
        random_blocks(options, number, &mut random)?;
        number += 1;
    }
    for (verdict, times) in &random.verdicts {
        println!("  {times:6} {verdict}");
    }
    let depths = random.reorganisations.iter().map(|(depth, times)| format!("{times} × {depth}")).collect::<Vec<_>>();
    println!("  reorganisations, by blocks taken back: {}", depths.join(", "));
    println!("  in {} of them each side named another of the block's failing scripts", random.other_script);
    random.report(&format!("random blocks of seed {}", options.seed));
    Ok(named.disagreements + random.disagreements)
}

/// One sequence on new chains.
fn random_blocks(options: &Options, number: u64, tally: &mut Tally) -> Result<(), Failed> {
    let mut sequence = Sequence::new(options.seed, number);
    let (mut kernel, mut node) = (Kernel::new()?, Node::new()?);
    let end = options.blocks.min(tally.cases + PER_SEQUENCE);
    let mut tip = None;
    while tally.cases < end {
        let arrival = sequence.next();
        let by_kernel = kernel.deliver(&arrival.delivery, None);
        let by_node = node.deliver_by_clock(&arrival.delivery);
        let comparison = compare(&arrival.delivery, &by_kernel, &by_node);
        let agrees = comparison != Comparison::Different;
        tally.other_script += usize::from(comparison == Comparison::OtherScript);
        let is_block = arrival.what != random::BASE_BLOCK && !matches!(arrival.delivery, Delivery::Header(_));
        if is_block || !agrees {
            tally.count(agrees, &by_kernel.verdict);
        }
        if !agrees {
            println!("DISAGREEMENT seed {}, sequence {number}, case {}: {}", options.seed, tally.cases, arrival.what);
            println!("  Bitcoin Core {by_kernel}");
            println!("  our chain    {by_node}");
            if by_kernel.tip != by_node.tip {
                println!("  the rest of the sequence is left out: the chains are different now");
                tally.cases = end;
                return Ok(());
            }
        }
        match sequence.taken_back(tip.unwrap_or(by_kernel.tip), by_kernel.tip) {
            0 => {}
            depth => *tally.reorganisations.entry(depth).or_default() += 1,
        }
        tip = Some(by_kernel.tip);
        sequence.learn(&arrival, &by_kernel);
    }
    Ok(())
}

/// How two outcomes stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    /// The scripts of the block fail, and each side names another one: the kernel runs them on two threads and says which
    /// failure came first.
    OtherScript,
    Different,
}

/// Bytes with a bit flipped may be no block to one decoder and a wrong block to the other; neither takes them.
fn compare(delivery: &Delivery, by_kernel: &Outcome, by_node: &Outcome) -> Comparison {
    let refuses = |outcome: &Outcome| matches!(outcome.verdict, Verdict::Rejected { .. } | Verdict::Undecodable);
    let both_refuse = refuses(by_kernel) && refuses(by_node) && by_kernel.tip == by_node.tip;
    if by_kernel == by_node || (matches!(delivery, Delivery::Bytes(_)) && both_refuse) {
        Comparison::Equal
    } else if without_script(by_kernel) == without_script(by_node) {
        Comparison::OtherScript
    } else {
        Comparison::Different
    }
}

/// The outcome with the failures of scripts made equal.
fn without_script(outcome: &Outcome) -> Outcome {
    let shorten = |reason: &String| match reason.split_once(" (") {
        Some((SCRIPT_FAILED, _)) => SCRIPT_FAILED.to_owned(),
        Some(_) | None => reason.clone(),
    };
    let verdict = match &outcome.verdict {
        Verdict::Rejected { reason } => Verdict::Rejected { reason: shorten(reason) },
        verdict @ (Verdict::Accepted | Verdict::Known | Verdict::Undecodable) => verdict.clone(),
    };
    let refused = outcome.refused.iter().map(|(hash, reason)| (*hash, shorten(reason))).collect();
    Outcome { verdict, tip: outcome.tip, refused }
}

/// Both must judge each step as its source says.
fn named_cases(tale: Tale, tally: &mut Tally) -> Result<(), Failed> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let story = tale(u32::try_from(now)?);
    let (mut kernel, mut node) = (Kernel::new()?, Node::new()?);
    let before = (tally.cases, tally.disagreements);
    for step in &story.steps {
        let by_kernel = kernel.deliver(&step.delivery, step.now);
        let by_node = node.deliver(&step.delivery, step.now);
        let agrees = by_kernel == by_node && by_node == step.expected;
        tally.count(agrees, &by_kernel.verdict);
        if !agrees {
            println!("DISAGREEMENT {}/{}", story.name, step.name);
            println!("  expected     {}", step.expected);
            println!("  Bitcoin Core {by_kernel}");
            println!("  our chain    {by_node}");
        }
    }
    println!("{}: {} cases, {} disagreements", story.name, tally.cases - before.0, tally.disagreements - before.1);
    Ok(())
}
