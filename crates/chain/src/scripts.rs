//! Running the scripts of a block on all cores, without those that are known to hold.
//!
//! In:    one [`ScriptCheck`] per transaction, the keys of verdicts that were good before.
//! Out:   the first failure in the block's order, whatever the number of threads.
//! Never: a cached failure, or a cached verdict that depends on more than its key.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use mycoin_consensus::{BlockRuleError, ScriptCheck, VerdictKey};
use mycoin_primitives::IdSet;
use mycoin_script::SignatureCache;

/// How many verdicts are remembered: a few full blocks' worth.
const VERDICTS_MAX: usize = 50_000;
/// A thread is worth its start for this many checks.
const CHECKS_PER_THREAD: usize = 8;

/// The scripts' runner and its memory.
#[derive(Debug)]
pub(crate) struct Scripts {
    threads: NonZeroUsize,
    verified: Mutex<Verified>,
    signatures: Option<Arc<SignatureCache>>,
}

/// Transactions whose scripts held, the oldest forgotten first.
///
/// A [`VerdictKey`] covers all that a verdict depends on: the transaction with its witnesses, the flags, and the outputs that it
/// spends. What depends on the height beside the flags (maturity, lock times) is no script and is never skipped.
///
/// Source: Bitcoin Core, `m_script_execution_cache`, validation.cpp.
#[derive(Debug, Default)]
struct Verified {
    known: IdSet<VerdictKey>,
    order: VecDeque<VerdictKey>,
}

impl Scripts {
    pub(crate) fn new(threads: Option<NonZeroUsize>, signatures: Option<Arc<SignatureCache>>) -> Self {
        let threads = threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        Self { threads, verified: Mutex::default(), signatures }
    }

    pub(crate) fn note_verified(&self, key: VerdictKey) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if !verified.known.insert(key) {
            return;
        }
        verified.order.push_back(key);
        if verified.order.len() > VERDICTS_MAX
            && let Some(oldest) = verified.order.pop_front()
        {
            verified.known.remove(&oldest);
        }
    }

    /// Runs all checks whose verdict is not known.
    pub(crate) fn run(&self, checks: &[ScriptCheck<'_>]) -> Result<(), BlockRuleError> {
        // The keys are hashed before the lock is taken.
        let keyed: Vec<(VerdictKey, &ScriptCheck<'_>)> =
            checks.iter().map(|check| (check.verdict_key(), check)).collect();
        let open: Vec<&ScriptCheck<'_>> = {
            let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
            keyed.into_iter().filter(|(key, _)| !verified.known.contains(key)).map(|(_, check)| check).collect()
        };
        let threads = self.threads.get().min(open.len().div_ceil(CHECKS_PER_THREAD));
        first_failure(&open, threads, |check| check.run(self.signatures.as_deref()))
    }
}

/// Runs `check` on all items and returns the failure of the first item that fails.
///
/// Items are handed out in order, so when one fails, all before it have been handed out and are waited for.
fn first_failure<T: Sync, E: Send>(
    items: &[T],
    threads: usize,
    check: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let first: Mutex<Option<(usize, E)>> = Mutex::new(None);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else { return };
            if let Err(error) = check(item) {
                next.fetch_max(items.len(), Ordering::Relaxed);
                let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                if first.as_ref().is_none_or(|(earlier, _)| number < *earlier) {
                    *first = Some((number, error));
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    match first.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycoin_consensus::verdict_key;
    use mycoin_primitives::Wtxid;
    use mycoin_primitives::hashes::Hash as _;
    use mycoin_script::ScriptFlags;

    #[test]
    fn the_first_failure_is_found_at_every_position_with_any_number_of_threads() {
        for threads in 1..=8 {
            for position in 0..100_usize {
                let items: Vec<usize> = (0..100).collect();
                let failing = |item: &usize| if *item >= position { Err(*item) } else { Ok(()) };
                assert_eq!(first_failure(&items, threads, failing), Err(position), "{threads} threads");
            }
            assert_eq!(first_failure(&[1, 2, 3], threads, |_| Ok::<(), ()>(())), Ok(()));
        }
    }

    #[test]
    fn verdicts_are_bounded() {
        let scripts = Scripts::new(None, None);
        let key = |number: usize| verdict_key(Wtxid::hash(&number.to_le_bytes()), &[], ScriptFlags::CONSENSUS);
        for number in 0..VERDICTS_MAX + 10 {
            scripts.note_verified(key(number));
            scripts.note_verified(key(number));
        }
        let verified = scripts.verified.lock().expect("no thread panicked");
        assert_eq!((verified.known.len(), verified.order.len()), (VERDICTS_MAX, VERDICTS_MAX));
        assert!(!verified.known.contains(&key(9)) && verified.known.contains(&key(10)));
    }
}
