//! Blocks with a known verdict, in order: the named cases that a node must judge as Bitcoin Core does, on regtest.
//!
//! In:    the time, for the blocks that are ahead of it.
//! Out:   [`Story`]s: blocks, headers and bytes in the order in which they arrive, each with its verdict and the tip after it.
//! Never: a verdict that our own rules gave. What is expected stands here as it does in Bitcoin Core's functional tests
//!        (`feature_block.py`, `invalid_txs.py`, `p2p_invalid_block.py`, `p2p_segwit.py`, the soft forks' tests).
//!
//! ```
//! use mycoin_testkit::block_cases::STORIES;
//!
//! let story = STORIES[0](1_700_000_000);
//! assert!(story.steps.iter().any(|step| step.name == "b48"));
//! ```
//!
//! Start at [`STORIES`]; whoever judges implements [`Receiver`].

mod amounts;
mod coinbases;
mod duplicates;
mod forks;
mod headers;
mod lab;
mod large_witnesses;
mod limits;
mod lock;
mod scripts;
mod segwit;
mod sequences;
mod story;
mod taproot;
mod transactions;
mod wire;

pub use lab::{Draft, Lab};
pub use lock::{Condition, Lock, Owned, Payment};
pub use story::{Delivery, Mismatch, Outcome, Receiver, Step, Story, Verdict, play};
pub use wire::wire_bytes;

/// Tells a story; the time is that of whoever judges, in seconds since 1970.
pub type Tale = fn(now: u32) -> Story;

/// All stories. Each is told when it is needed, since some are large and one depends on the time.
pub const STORIES: [Tale; 17] = [
    headers::headers,
    |_| forks::forks(),
    |_| forks::deep_reorganisation(),
    |_| forks::out_of_order(),
    |_| amounts::amounts(),
    |_| coinbases::coinbases(),
    |_| limits::signature_operations(),
    |_| limits::sizes(),
    |_| duplicates::duplicates(),
    |_| transactions::templates(),
    |_| transactions::unspendable_scripts(),
    |_| segwit::commitments(),
    |_| segwit::programs(),
    |_| large_witnesses::large_witnesses(),
    |_| scripts::soft_forks(),
    |_| scripts::every_lock(),
    |_| sequences::sequence_locks(),
];
