//! Everything that a wallet can do, on the command line, against a real server and proxy.

mod create;
mod keep;
mod fix;
mod restore;
mod send;
mod town;

mod exit_codes;
mod message;
mod psbt;
mod token;
