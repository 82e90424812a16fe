//! Everything that a wallet can do, on the command line, against a real server and proxy.

mod exit_codes;
mod message;
mod psbt;
mod token;
