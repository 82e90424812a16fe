//! The contract between the sides: one method table with types, error codes, client and server transport.
//!
//! In:    JSON-RPC requests over mutual TLS, or over loopback HTTP with a cookie; the server's answers to them.
//! Out:   calls with checked parameters and the caller's [`Role`](mycoin_identity::Role); typed answers and errors for clients.
//! Never: chain state, keys of coins, a decision about what a method answers.
//!
//! Start at [`METHODS`], then [`RpcHandler`] for servers and [`Client`] for clients.

mod client;
mod envelope;
mod error;
mod event;
mod help;
mod method;
mod params;
mod server;
mod table;
mod words;

pub use client::{Client, ClientError, EventStream, Refuser};
pub use error::{ErrorData, RpcError};
pub use event::{BlockEvent, Event, MinerInfo, MinerState, TransactionAdded, TransactionRemoved, Trigger};
pub use help::{help, markdown, usage};
pub use method::{Access, Area, Kind, Method, Need, Pace, Param};
pub use params::Params;
pub use server::{CookieServer, RpcHandler, ServeError, Shutdown, bind, serve_mutual_tls};
pub use table::{METHODS, method};
pub use words::params_from_words;
