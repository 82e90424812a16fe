//! How long the worst blocks take that hold to every rule, each on one core.
//!
//! In:    nothing, or a part of a name; `cargo bench -p mycoin-testkit --bench worst_blocks [NAME]`.
//! Out:   a table: the block, its weight, what its signature operations cost, the time of its validation; a failure if
//!        one takes longer than [`LIMIT`]. Below it, what nothing in Bitcoin's rules bounds, measured in part.
//! Never: the time in which the blocks are made.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mycoin_testkit::worst_blocks::{UNBOUNDED, WORST, WorstBlock};

/// What a block's validation may take.
const LIMIT: Duration = Duration::from_secs(10);

fn main() -> io::Result<ExitCode> {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let is_wanted = |name: &str| name.contains(&wanted);
    let mut out = io::stdout();
    writeln!(out, "{:<58} {:<8} {:>9} {:>7} {:>9}", "block", "rules", "weight", "sigops", "seconds")?;
    let mut all_in_time = true;
    for (name, make) in WORST.iter().filter(|(name, _)| is_wanted(name)) {
        let worst = make();
        let taken = time(&worst)?;
        let in_time = taken <= LIMIT;
        all_in_time &= in_time;
        row(name, &worst, &format!("{:.2}{}", taken.as_secs_f64(), if in_time { "" } else { " over" }))?;
    }
    writeln!(out, "What Bitcoin's rules leave open, measured in part and multiplied; no limit is held to it:")?;
    for (name, parts, make) in UNBOUNDED.iter().filter(|(name, ..)| is_wanted(name)) {
        let worst = make();
        let taken = time(&worst)?;
        row(name, &worst, &format!("{:.0}", taken.as_secs_f64() * f64::from(*parts)))?;
    }
    Ok(if all_in_time { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The time that the core worked on it; where the system does not tell that, the time that passed.
fn time(worst: &WorstBlock) -> io::Result<Duration> {
    let (start, worked) = (Instant::now(), worked());
    worst.validate().map_err(io::Error::other)?;
    Ok(worked.and_then(|before| self::worked()?.checked_sub(before)).unwrap_or_else(|| start.elapsed()))
}

/// How long this thread has run, without its waits for other programs. Linux tells it.
fn worked() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

fn row(name: &str, worst: &WorstBlock, seconds: &str) -> io::Result<()> {
    let (weight, cost) = (worst.block().weight().to_wu(), worst.signature_operation_cost());
    writeln!(io::stdout(), "{name:<58} {:<8} {weight:>9} {cost:>7} {seconds:>9}", worst.network())
}
