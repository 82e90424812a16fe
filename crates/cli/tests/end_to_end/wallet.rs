//! Everything that a wallet can do, on the command line, against a real server and proxy.

mod create;
mod exit_codes;
mod fix;
mod history;
mod keep;
mod know;
mod message;
mod psbt;
mod receive;
mod restore;
mod send;
mod token;
mod town;
