//! Keeping secrets out of core files and out of the swap.
//!
//! In:    where a secret stands.
//! Out:   pages that stay in memory, a process that leaves no core file; as far as the system allows.
//! Never: a failure: a system that refuses is none the worse for having been asked.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Asks the system never to write the pages of a secret to the swap. They stay so: other secrets may share them.
///
/// Ordinary users may keep a few megabytes, which is a thousand times what a wallet's secrets take.
pub(crate) fn keep_from_swap(secret: &[u8]) {
    if !secret.is_empty()
        && let Ok(guard) = region::lock(secret.as_ptr(), secret.len())
    {
        std::mem::forget(guard);
    }
}

/// Forbids this process to leave a core file, and other processes of the same user to read its memory. For programs that
/// handle secrets, once, at their start.
///
/// Returns whether the system agreed.
#[must_use]
pub fn keep_secrets_from_core_files() -> bool {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let no_core = setrlimit(Resource::Core, none).is_ok();
    set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok() && no_core
}
