//! The whole coin as its users meet it: real processes, real TLS, real files.

mod bad_input;
mod certificates;
mod cookie;
mod crash;
mod home;
mod join;
mod rpc;
mod session;
mod terminal;
mod wallet;
