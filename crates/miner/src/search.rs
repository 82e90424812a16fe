//! The search: all threads over interleaved nonces, until one finds a proof of work or the caller stops them.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{BlockHash, Header};

use crate::scan::{Scan, top};

/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);
/// After how many hashes a thread looks at the stop flag: well below a millisecond's worth, even without SHA extensions.
const BATCH: u64 = 1_024;
/// How many nonces there are.
const ALL_NONCES: Range<u64> = 0..1 << 32;

/// How far the search is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// How many hashes were tried.
    pub hashes_tried: u64,
    /// How many a second, on average since the start.
    pub hashes_per_second: f64,
    /// How long the search has run.
    pub elapsed: Duration,
    /// A nonce that was tried lately.
    pub nonce: u32,
    /// The lowest hash until now.
    pub best_hash: Option<BlockHash>,
}

/// A proof of work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// The header with the nonce that was found.
    pub header: Header,
    /// Its hash.
    pub hash: BlockHash,
    /// What it took.
    pub progress: Progress,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// With a proof of work.
    Found(Found),
    /// Every nonce was tried. Change the time or the extra nonce, and search again.
    Exhausted,
    /// The caller stopped it.
    Stopped,
}

/// How many threads work if all cores should.
pub fn all_cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Looks for the nonce that gives `header` its proof of work. Blocks until the search ends.
///
/// `threads` work (at least one); setting `stop` ends them within a few milliseconds. `progress` is called on the
/// caller's thread every 200 ms and once at the end.
pub fn search(header: Header, threads: usize, stop: &AtomicBool, progress: &dyn Fn(Progress)) -> Outcome {
    search_nonces(header, ALL_NONCES, threads, stop, progress)
}

/// What the threads share.
struct Shared<'a> {
    stop: &'a AtomicBool,
    done: AtomicBool,
    hashes: AtomicU64,
    nonce: AtomicU32,
    best: Mutex<Option<[u8; 32]>>,
    started: Instant,
}

impl Shared<'_> {
    fn ended(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.done.load(Ordering::Relaxed)
    }

    fn offer_best(&self, hash: [u8; 32]) {
        let mut best = self.best.lock().unwrap_or_else(PoisonError::into_inner);
        // Hashes are little-endian numbers, so the last byte counts most.
        if best.is_none_or(|best| hash.iter().rev().lt(best.iter().rev())) {
            *best = Some(hash);
        }
    }

    fn progress(&self) -> Progress {
        let (hashes_tried, elapsed) = (self.hashes.load(Ordering::Relaxed), self.started.elapsed());
        #[allow(clippy::cast_precision_loss)] // A rate for people.
        let hashes_per_second = hashes_tried as f64 / elapsed.as_secs_f64().max(1e-9);
        let best = *self.best.lock().unwrap_or_else(PoisonError::into_inner);
        Progress {
            hashes_tried,
            hashes_per_second,
            elapsed,
            nonce: self.nonce.load(Ordering::Relaxed),
            best_hash: best.map(BlockHash::from_byte_array),
        }
    }
}

/// Ends the threads even if the caller's `progress` panics; the scope would wait for them for ever.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn search_nonces(
    header: Header,
    nonces: Range<u64>,
    threads: usize,
    stop: &AtomicBool,
    progress: &dyn Fn(Progress),
) -> Outcome {
    let threads = threads.max(1);
    let shared = Shared {
        stop,
        done: AtomicBool::new(false),
        hashes: AtomicU64::new(0),
        nonce: AtomicU32::new(0),
        best: Mutex::new(None),
        started: Instant::now(),
    };
    let scan = Scan::new(&header);
    let nonce = thread::scope(|scope| {
        let (report, reports) = mpsc::channel();
        for start in nonces.clone().take(threads) {
            let (report, shared, scan, end) = (report.clone(), &shared, scan.clone(), nonces.end);
            // The receiver outlives the threads; it only goes away when nobody waits for a report any more.
            scope.spawn(move || report.send(work(scan, (start..end).step_by(threads), shared)));
        }
        drop(report);
        let _end = EndOnDrop(&shared.done);
        wait(&reports, &shared, progress)
    });
    progress(shared.progress());
    match nonce {
        Some(nonce) => {
            let header = Header { nonce, ..header };
            Outcome::Found(Found { header, hash: header.block_hash(), progress: shared.progress() })
        }
        None if stop.load(Ordering::Relaxed) => Outcome::Stopped,
        None => Outcome::Exhausted,
    }
}

/// Waits until every thread has reported; tells progress meanwhile.
fn wait(reports: &mpsc::Receiver<Option<u32>>, shared: &Shared<'_>, progress: &dyn Fn(Progress)) -> Option<u32> {
    let mut found = None;
    let mut next = Instant::now() + PROGRESS_INTERVAL;
    loop {
        match reports.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(nonce) => found = found.or(nonce),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                progress(shared.progress());
                next = Instant::now() + PROGRESS_INTERVAL;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return found,
        }
    }
}

/// One thread's part: tries its nonces until it finds one, or the search ends.
fn work(mut scan: Scan, mut nonces: impl Iterator<Item = u64>, shared: &Shared<'_>) -> Option<u32> {
    let mut best = u64::MAX;
    while !shared.ended() {
        let mut tried = 0;
        let mut last = 0;
        // The cast cannot cut anything off: nonces stay below 2^32.
        #[allow(clippy::cast_possible_truncation)]
        for nonce in nonces.by_ref().take(usize::try_from(BATCH).unwrap_or(usize::MAX)).map(|nonce| nonce as u32) {
            let hash = scan.hash(nonce);
            (tried, last) = (tried + 1, nonce);
            if top(&hash) < best {
                best = top(&hash);
                shared.offer_best(hash);
            }
            if scan.meets_target(&hash) {
                shared.hashes.fetch_add(tried, Ordering::Relaxed);
                shared.nonce.store(nonce, Ordering::Relaxed);
                shared.done.store(true, Ordering::Relaxed);
                return Some(nonce);
            }
        }
        shared.hashes.fetch_add(tried, Ordering::Relaxed);
        if tried == 0 {
            return None;
        }
        shared.nonce.store(last, Ordering::Relaxed);
    }
    None
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use mycoin_primitives::{CompactTarget, Network, genesis_block};

    use super::*;

    fn header(bits: u32) -> Header {
        Header { bits: CompactTarget::from_consensus(bits), nonce: 0, ..genesis_block(&Network::demo()).header }
    }

    /// A target that nothing meets in the time of a test.
    fn hopeless() -> Header {
        header(0x0300_ffff)
    }

    #[test]
    fn finds_a_proof_of_work_with_any_number_of_threads() {
        for threads in [0, 1, 2, 3, 16] {
            let Outcome::Found(found) = search(header(0x1f0f_ffff), threads, &AtomicBool::new(false), &|_| {}) else {
                panic!("{threads} threads found nothing");
            };
            assert!(found.header.validate_pow(found.header.target()).is_ok());
            assert_eq!(found.hash, found.header.block_hash());
            assert!(found.progress.hashes_tried > 0);
            assert!(found.progress.best_hash.is_some_and(|best| found.header.target().is_met_by(best)));
        }
    }

    #[test]
    fn every_nonce_is_tried_once_before_it_is_exhausted() {
        for threads in [1, 2, 7] {
            let last = RefCell::new(None);
            let tell = |progress| *last.borrow_mut() = Some(progress);
            let outcome = search_nonces(hopeless(), 0..10_001, threads, &AtomicBool::new(false), &tell);
            assert_eq!(outcome, Outcome::Exhausted);
            assert_eq!(last.borrow().map(|progress: Progress| progress.hashes_tried), Some(10_001));
        }
    }

    #[test]
    fn the_last_nonce_is_the_last() {
        let end = ALL_NONCES.end;
        let outcome = search_nonces(hopeless(), end - 5..end, 2, &AtomicBool::new(false), &|progress| {
            assert_eq!((progress.hashes_tried, progress.nonce >= u32::MAX - 5), (5, true));
        });
        assert_eq!(outcome, Outcome::Exhausted);
    }

    #[test]
    fn stops_at_once_and_tells_progress_meanwhile() {
        let (stop, told) = (AtomicBool::new(false), RefCell::new(Vec::new()));
        let (outcome, took) = thread::scope(|scope| {
            let stopper = scope.spawn(|| {
                thread::sleep(Duration::from_millis(500));
                stop.store(true, Ordering::Relaxed);
                Instant::now()
            });
            let outcome = search(hopeless(), all_cores(), &stop, &|progress| told.borrow_mut().push(progress));
            let ended = Instant::now();
            let stopped = stopper.join().expect("the stopping thread only sleeps");
            (outcome, ended.saturating_duration_since(stopped))
        });
        assert_eq!(outcome, Outcome::Stopped);
        // The goal is 10 ms; a machine that is busy with other tests may be later.
        assert!(took < Duration::from_millis(250), "stopping took {took:?}");
        let told = told.into_inner();
        assert!(told.len() >= 2, "{told:?}");
        assert!(told.iter().all(|progress| progress.best_hash.is_some() && progress.hashes_per_second > 0.0));
        assert!(told.windows(2).all(|pair| matches!(pair, [a, b] if a.hashes_tried <= b.hashes_tried)));
    }

    #[test]
    fn a_search_that_is_stopped_before_it_starts_tries_nothing() {
        let outcome = search(header(0x207f_ffff), 2, &AtomicBool::new(true), &|progress| {
            assert_eq!(progress.hashes_tried, 0);
        });
        assert_eq!(outcome, Outcome::Stopped);
    }
}
