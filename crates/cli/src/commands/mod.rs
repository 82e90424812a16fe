//! One module per command.

#[cfg(feature = "app")]
pub(crate) mod app;
pub(crate) mod certs;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod join;
pub(crate) mod man;
pub(crate) mod network;
pub(crate) mod proxy;
pub(crate) mod rpc;
pub(crate) mod server;
pub(crate) mod tls;
pub(crate) mod wallet;
