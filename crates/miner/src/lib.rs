//! The search for a proof of work over a template.
//!
//! In:    a header, how many threads may work, a flag that stops them; for the trigger: the time and how many transactions wait.
//! Out:   the header with its proof of work, or why there is none; progress while it is looked for.
//! Never: templates, the chain, the network. What is mined, and what becomes of it, is the server's concern.
//!
//! Start at [`search`].

mod scan;
mod search;
mod trigger;

pub use scan::has_sha_extensions;
pub use search::{Found, Outcome, Progress, all_cores, search};
pub use trigger::{Decision, Trigger, WaitReason};
