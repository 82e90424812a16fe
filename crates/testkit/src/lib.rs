//! Builders, nodes in one process, real processes. Development only.
//!
//! In:    what a test wants to happen.
//! Out:   blocks and transactions that are valid (or broken in one way), programs that run.
//! Never: part of a program that is shipped.

pub mod block_cases;
pub mod builders;
pub mod core_data;
pub mod keys;
pub mod process;
pub mod worst_blocks;
