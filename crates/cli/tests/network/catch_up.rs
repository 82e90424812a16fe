//! A server that was away.

use std::time::Duration;

use mycoin_testkit::process::wait_until;
use serde_json::{Value, json};

use crate::home::PATIENCE;
use crate::node::{Setup, connected, one_tip};
use crate::purse::Purse;
use crate::slow_wire::SlowWire;

/// So slow that a hundred small blocks take some seconds, and their progress can be seen.
const BYTES_PER_SECOND: usize = 6_000;

#[test]
fn a_server_that_was_killed_for_100_blocks_catches_up_and_shows_how_far_it_is() {
    // left ─ middle ─ slow line ─ right
    let middle = Setup::new().start();
    let left = Setup::new().connect(&middle.p2p).start();
    let line = SlowWire::to(&middle.p2p, BYTES_PER_SECOND);
    let right = Setup::new().connect(&line.address.to_string()).start();
    let mut purse = Purse::earned_at(&left, 3);
    one_tip("all have the first blocks", PATIENCE, [&left, &middle, &right]);

    let right = right.kill();
    let early = purse.pay(&left);
    left.mine(100, &purse.address());
    let late = purse.pay(&left);
    assert_eq!(left.height(), 103);

    let right = right.start();
    let sync = || right.call("getblockchaininfo", json!([]))["sync"].clone();
    let seen = wait_until("it shows that it catches up", PATIENCE, || {
        let sync = sync();
        let is_under_way = sync["syncing"] == true && sync["blocks"].as_u64() > Some(3);
        is_under_way.then_some(sync)
    });
    assert_eq!(seen["headers"], 103, "{seen}");
    let (blocks, progress) = (seen["blocks"].as_f64().expect("a height"), seen["progress"].as_f64().expect("a share"));
    assert!(blocks < 80.0 && (progress - blocks / 103.0).abs() < 0.001, "{seen}");
    let told = right.program.wait_for_line(PATIENCE, |line| line.contains("Catching up: block "));
    assert!(told.contains(" of 103 ("), "{told}");

    one_tip("it has caught up", PATIENCE, [&left, &middle, &right]);
    right.program.wait_for_line(PATIENCE, |line| line.contains("Caught up at block "));
    let sync = sync();
    assert_eq!((&sync["syncing"], &sync["blocks"], &sync["progress"]), (&json!(false), &json!(103), &json!(1.0)));
    assert!(right.confirmed_above(3).contains(&early));
    wait_until("what waits elsewhere waits here", PATIENCE, || right.waiting().contains(&late).then_some(()));
    assert!(right.peers().iter().all(|peer| peer["inflight"] == Value::Array(Vec::new())));
    right.mine(1, &purse.address());
    one_tip("it is one of them again", PATIENCE, [&left, &middle, &right]);
    assert!(left.confirmed_above(103).contains(&late));

    // Killed while it catches up, it goes on where it was.
    let right = right.kill();
    left.mine(100, &purse.address());
    let right = right.start();
    wait_until("it is on its way", PATIENCE, || (right.height() > 120).then_some(()));
    let right = right.kill().start();
    assert!(right.height() > 110, "what it had is not fetched again");
    connected(&right, 1);
    one_tip("it has caught up again", PATIENCE + Duration::from_secs(10), [&left, &middle, &right]);
}
