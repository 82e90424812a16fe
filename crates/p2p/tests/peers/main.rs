//! The peers' protocol, tested from outside: framing, one node against scripted peers, networks in one process, sockets,
//! transports.

mod addresses;
mod compact;
mod faults;
mod filters;
mod framing;
mod header_sync;
mod limits;
mod protocol;
mod relay;
mod simulation;
mod slots;
mod sockets;
mod socks5;
mod toy;
mod transport;
