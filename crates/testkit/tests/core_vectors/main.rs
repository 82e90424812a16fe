//! Bitcoin Core's own vectors, all of them, run as Core's own tests run them.
//!
//! Each file's test prints how many entries the file has and how many of them ran, and fails when that isn't every case
//! of the file: comments are the only entries that don't run.

mod addresses;
mod filters;
mod flags;
mod script_tests;
mod script_text;
mod sighash;
mod support;
mod taproot;
mod transactions;
