//! The one place of the node side that reads the clock.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The time that a person set instead of the machine's, for tests; 0: none. One for the process, as the clock itself.
static MOCK: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// The time of this thread alone, for simulations in which every node has a clock of its own; 0: none.
    static OF_THREAD: Cell<u32> = const { Cell::new(0) };
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let of_thread = OF_THREAD.get();
    if of_thread != 0 {
        return u64::from(of_thread);
    }
    match MOCK.load(Ordering::Relaxed) {
        0 => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        mock => u64::from(mock),
    }
}

/// Seconds since 1970, as headers hold them.
pub(crate) fn header_now() -> u32 {
    u32::try_from(now()).unwrap_or(u32::MAX)
}

/// Stops the clock at a time; `None` lets it follow the machine's again. Source: `SetMockTime`, util/time.cpp.
pub(crate) fn set_mock(time: Option<u32>) {
    MOCK.store(time.unwrap_or(0), Ordering::Relaxed);
}

/// Stops the clock for the calling thread alone; `None` lets it follow the process' again.
pub(crate) fn set_thread_time(time: Option<u32>) {
    OF_THREAD.set(time.unwrap_or(0));
}
