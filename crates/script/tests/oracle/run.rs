//! A run: many batches on all cores, and what came of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use mycoin_script::SignatureCache;

use crate::batch::{self, Origin};
use crate::case::Case;
use crate::judge::{Verdict, agrees, core_accepts};

/// How many disagreements end a worker's run.
const ENOUGH: usize = 5;
/// How many signatures a worker's cache holds: few, so that it forgets too.
const CACHE: usize = 1_000;

/// What the cases came to.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    /// Accepted and refused by Core, by origin.
    rows: BTreeMap<Origin, Count>,
    /// How often each of our rules refused.
    pub(crate) rules: BTreeMap<&'static str, u64>,
    pub(crate) disagreements: Vec<Disagreement>,
}

/// A case that two judges see differently.
#[derive(Debug)]
pub(crate) struct Disagreement {
    pub(crate) batch: u64,
    pub(crate) case: Case,
    pub(crate) core_accepts: bool,
    pub(crate) ours: Verdict,
    pub(crate) cached: Verdict,
}

/// Verdicts by Core.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Count {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
}

impl Count {
    pub(crate) const fn all(self) -> u64 {
        self.accepted + self.refused
    }

    fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.refused += other.refused;
    }
}

/// Judges at least `count` cases, the same ones for the same seed however many cores there are.
/// `ours` is asked twice for each: without a cache, and with one that earlier cases have filled.
pub(crate) fn run(seed: u64, count: u64, ours: impl Fn(&Case, Option<&SignatureCache>) -> Verdict + Sync) -> Tally {
    let batches = count.div_ceil(batch::CASES as u64);
    let (next, whole) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    let work = || {
        let cache = SignatureCache::new(CACHE, [7; 32]);
        let mut tally = Tally::default();
        while tally.disagreements.len() < ENOUGH {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            if batch >= batches {
                break;
            }
            for (origin, case) in batch::cases(seed, batch) {
                let core_accepts = core_accepts(&case);
                let (plain, cached) = (ours(&case, None), ours(&case, Some(&cache)));
                tally.count(origin, core_accepts, plain);
                if !agrees(plain, core_accepts) || plain != cached {
                    tally.disagreements.push(Disagreement { batch, case, core_accepts, ours: plain, cached });
                }
            }
        }
        whole.lock().expect("no worker panics while it adds").add(tally);
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    whole.into_inner().expect("no worker panics while it adds")
}

impl Tally {
    fn count(&mut self, origin: Origin, core_accepts: bool, ours: Verdict) {
        let accepted = u64::from(core_accepts);
        self.rows.entry(origin).or_default().add(Count { accepted, refused: 1 - accepted });
        if let Err(rule) = ours {
            *self.rules.entry(rule).or_default() += 1;
        }
    }

    fn add(&mut self, other: Self) {
        other.rows.into_iter().for_each(|(origin, count)| self.rows.entry(origin).or_default().add(count));
        other.rules.into_iter().for_each(|(rule, count)| *self.rules.entry(rule).or_default() += count);
        self.disagreements.extend(other.disagreements);
        self.disagreements.sort_by_key(|disagreement| disagreement.batch);
    }

    /// All cases together.
    pub(crate) fn whole(&self) -> Count {
        self.rows.values().fold(Count::default(), |mut whole, count| {
            whole.add(*count);
            whole
        })
    }

    fn by<K: Ord>(&self, key: impl Fn(&Origin) -> K) -> BTreeMap<K, Count> {
        let mut groups: BTreeMap<K, Count> = BTreeMap::new();
        self.rows.iter().for_each(|(origin, count)| groups.entry(key(origin)).or_default().add(*count));
        groups
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, count: &Count| {
            writeln!(f, "  {name:26}{:>9} cases{:>9} accepted{:>9} refused", count.all(), count.accepted, count.refused)
        };
        self.by(|origin| origin.family).iter().try_for_each(|(family, count)| row(family.name(), count))?;
        self.by(|origin| origin.wrap).iter().try_for_each(|(wrap, count)| row(wrap.name(), count))?;
        let signed = |mutated: &bool| if *mutated { "mutated" } else { "as generated" };
        self.by(|origin| origin.mutated).iter().try_for_each(|(mutated, count)| row(signed(mutated), count))?;
        row("all", &self.whole())?;
        let rules: Vec<String> = self.rules.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
        writeln!(f, "  refused by {}", rules.join(", "))
    }
}
