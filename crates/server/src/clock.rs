//! The one place of the node side that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Seconds since 1970, as headers hold them.
pub(crate) fn header_now() -> u32 {
    u32::try_from(now()).unwrap_or(u32::MAX)
}
