//! The chain as the server uses it, over real folders.

mod coins;
mod connect;
mod filters;
mod headers;
mod help;
mod invalid;
mod order;
mod reorg;
mod restart;
mod verdicts;
