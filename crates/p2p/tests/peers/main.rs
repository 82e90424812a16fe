//! The peers' protocol, tested from outside: framing, one node against scripted peers, networks in one process, sockets,
//! transports.

mod compact;
mod framing;
mod header_sync;
mod protocol;
mod simulation;
mod slots;
mod sockets;
mod toy;
mod transport;
