//! Both doors and the client, over real sockets on loopback.

mod common;
mod cookie;
mod mutual_tls;
