//! Whole networks in one process: the real protocol over the real chain and mempool, real bytes through the real codec, and
//! all that goes wrong between and inside machines. The same seed gives the same run.
//!
//! `SIMULATION_SEEDS=5000` runs so many, `SIMULATION_SEED=17` that one (with `SIMULATION_TRACE=1` its whole story on standard
//! error), `SIMULATION_SEED=fresh` begins at one that nobody has run.

mod dice;
mod hostile;
mod network;
mod scenario;
mod wire;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use network::Defect;
use scenario::{Ground, Plan, Report, run};

/// How many seeds a run of all tests has.
const SEEDS: u64 = 200;

/// Runs a plan in a folder of its own, in memory where the machine has a file system there.
fn simulate(plan: Plan, ground: &Ground) -> Report {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.expect("tests may make folders");
    run(plan, ground, folder.path())
}

fn say(text: &str) {
    let _nobody_reads = writeln!(std::io::stderr(), "{text}");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seeds of this run.
fn seeds() -> std::ops::Range<u64> {
    let count = number("SIMULATION_SEEDS");
    match std::env::var("SIMULATION_SEED") {
        Ok(word) if word == "fresh" => {
            let first: u64 = rand::random_range(1_000..u64::from(u32::MAX));
            first..first + count.unwrap_or(SEEDS)
        }
        Ok(word) => {
            let first: u64 = word.parse().expect("SIMULATION_SEED is a number or “fresh”");
            first..first + count.unwrap_or(1)
        }
        Err(_) => 0..count.unwrap_or(SEEDS),
    }
}

#[test]
fn every_seed_heals_loses_nothing_and_blames_nobody_who_is_honest() {
    let (seeds, ground, began) = (seeds(), Ground::new(), Instant::now());
    let is_traced = number("SIMULATION_TRACE").is_some();
    say(&format!("simulation: seeds {} to {}", seeds.start, seeds.end - 1));
    let next = AtomicU64::new(seeds.start);
    let results: Mutex<Vec<(Plan, Result<Report, String>)>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let plan = Plan { is_traced, ..Plan::of(seed) };
                    let result = catch_unwind(AssertUnwindSafe(|| simulate(plan, &ground)));
                    let result = result.map_err(|panic| match panic.downcast_ref::<String>() {
                        Some(text) => format!("it panicked: {text}"),
                        None => "it panicked".to_owned(),
                    });
                    results.lock().expect("nobody panics with the lock").push((plan, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("nobody panicked with the lock");
    results.sort_by_key(|(plan, _)| plan.seed);
    let mut failed = Vec::new();
    let (mut messages, mut bytes, mut blocks, mut dropped, mut slowest, mut state) = (0, 0, 0, 0, 0, 0);
    for (plan, result) in &results {
        let faults = match result {
            Ok(report) => {
                messages += report.counts.messages;
                bytes += report.counts.bytes;
                blocks += report.counts.blocks;
                dropped += report.counts.dropped_hostile;
                slowest = slowest.max(report.healed_after);
                state = state.max(report.state);
                report.faults.clone()
            }
            Err(panic) => vec![panic.clone()],
        };
        if !faults.is_empty() {
            failed.push(plan.seed);
            say(&format!("SIMULATION_SEED={} fails ({} nodes, {} hostile):", plan.seed, plan.nodes, plan.hostile));
            faults.iter().for_each(|fault| say(&format!("    {fault}")));
        }
    }
    say(&format!(
        "simulation: {} seeds in {:.1} s on {threads} threads: {messages} messages, {bytes} bytes, {blocks} blocks; hostile \
         peers let go {dropped} times; all agreed at most {slowest} ms after healing; a protocol's state had at most {state} \
         characters",
        results.len(),
        began.elapsed().as_secs_f64(),
    ));
    assert!(failed.is_empty(), "seeds that fail: {failed:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let ground = Ground::new();
    let first = simulate(Plan::of(3), &ground);
    assert!(first.counts.messages > 1_000);
    assert_eq!(first, simulate(Plan::of(3), &ground));
    assert_ne!(first.digest, simulate(Plan::of(4), &ground).digest);
}

/// The faults of a network whose first node has a defect.
fn faults_of(defect: Defect, seed: u64, ground: &Ground) -> String {
    let plan = Plan { nodes: 6, hostile: 0, defect: Some(defect), ..Plan::of(seed) };
    simulate(plan, ground).faults.join("\n")
}

#[test]
fn the_harness_sees_a_node_that_keeps_its_blocks() {
    let ground = Ground::new();
    let seen = (0..6).any(|seed| faults_of(Defect::KeepsBlocks, seed, &ground).contains("tips"));
    assert!(seen);
}

#[test]
fn the_harness_sees_a_node_that_keeps_its_payments() {
    let ground = Ground::new();
    let seen = (0..3).any(|seed| faults_of(Defect::KeepsTransactions, seed, &ground).contains("payment"));
    assert!(seen);
}

#[test]
fn the_harness_sees_that_an_honest_node_is_blamed() {
    let ground = Ground::new();
    let seen = (0..12).any(|seed| faults_of(Defect::ChangesBlocks, seed, &ground).contains("blames honest node 0"));
    assert!(seen);
}
