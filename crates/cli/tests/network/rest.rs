//! A named peer that is down: dialled again and again, with longer waits, then rested, never forgotten.

use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::home::PATIENCE;
use crate::node::{Setup, connected};

/// The waits after the first four failures, in seconds.
const WAITS: [u64; 4] = [1, 2, 4, 8];
/// How long nothing may come after the fifth: longer than the next doubling, and shorter than the rest of 45 s.
const REST: Duration = Duration::from_secs(22);

#[test]
fn a_named_peer_that_fails_five_times_is_rested_and_wanted_again_when_it_is_named_again() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let (dialled, dials) = channel();
    // Hangs up on everybody. A dial is two connections: one encrypted and, since nobody answers to that, one plain.
    std::thread::spawn(move || listener.incoming().take_while(|_| dialled.send(Instant::now()).is_ok()).for_each(drop));
    let server = Setup::new().connect(&address).start();

    let mut last = next(&dials, PATIENCE).expect("the first dial");
    for wait in WAITS {
        // A busy machine is late, never early.
        let (from, to) = (Duration::from_secs(wait).mul_f64(0.9), Duration::from_secs(wait) + PATIENCE);
        let dial = next(&dials, to).expect("it is dialled again");
        assert!(dial - last >= from, "after {:?}, not {wait} s", dial - last);
        last = dial;
    }
    assert_eq!(next(&dials, REST), None, "it rests");
    let info = server.call("getaddednodeinfo", json!([address]));
    assert_eq!(info, json!([{"addednode": address, "connected": false, "addresses": []}]), "and is not forgotten");
    server.call("connectpeer", json!([address]));
    assert!(next(&dials, Duration::from_secs(5)).is_some(), "whoever names it again wants it now");

    // Its rest keeps nobody else waiting.
    let friend = Setup::new().connect(&server.p2p).start();
    connected(&friend, 1);
}

/// When the next dial came; the second connection of the same one is passed over.
fn next(dials: &Receiver<Instant>, limit: Duration) -> Option<Instant> {
    let dial = dials.recv_timeout(limit).ok()?;
    while dials.recv_timeout(Duration::from_millis(400)).is_ok() {}
    Some(dial)
}
