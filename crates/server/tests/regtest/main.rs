//! A server on regtest as a stock client of Bitcoin Core's sees it: plain HTTP, a cookie, Core's methods, fields and errors.

mod chain;
mod clients;
mod filters;
mod mining;
mod node;
mod peers;
mod scripts;
mod spends;
