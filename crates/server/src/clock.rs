//! The one place of the node side that reads the clock.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The time that a person set instead of the machine's, for tests; 0: none. One for the process, as the clock itself.
static MOCK: AtomicU32 = AtomicU32::new(0);

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
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
