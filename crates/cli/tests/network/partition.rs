//! A network that falls in two, and heals.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::{Duration, Instant};

use mycoin_testkit::process::wait_until;

use crate::home::PATIENCE;
use crate::namespace::Internet;
use crate::node::{Node, Setup, connected, one_tip};
use crate::purse::Purse;

/// How long the two sides may take to be one again.
const HEALING: Duration = Duration::from_secs(60);
/// How long they are apart: long enough for the operating system to wait long before it sends again what was lost.
const APART: Duration = Duration::from_secs(20);
const COMMON: u32 = 4;

fn say(text: &str) {
    let _nobody_may_listen = writeln!(std::io::stderr(), "{text}");
}

#[test]
fn two_sides_of_a_cut_line_heal_within_a_minute() {
    let internet = match Internet::new() {
        Ok(internet) => internet,
        Err(reason) => {
            say(&format!(
                "partition: no network namespaces here ({reason}); it is tested by a server that stands still."
            ));
            return;
        }
    };
    say("partition: in network namespaces of its own.");
    let right = |setup: Setup| setup.inside(internet.right.process(), Internet::RIGHT);
    let left = |setup: Setup| setup.inside(internet.left.process(), Internet::LEFT);
    let r1 = right(Setup::new()).start();
    let r2 = right(Setup::new()).connect(&r1.p2p).start();
    let l1 = left(Setup::new()).connect(&r1.p2p).start();
    let l2 = left(Setup::new()).connect(&l1.p2p).connect(&r2.p2p).start();
    [&l1, &l2, &r1, &r2].into_iter().for_each(|node| connected(node, 2));
    part_and_heal([&l1, &l2], [&r1, &r2], |passes| internet.forward(passes).expect("it did so before"));
}

#[test]
fn two_sides_of_a_server_that_stands_still_heal_within_a_minute() {
    // l1 ─ l2 ─ middle ─ r1 ─ r2
    let middle = Setup::new().start();
    let l2 = Setup::new().connect(&middle.p2p).start();
    let l1 = Setup::new().connect(&l2.p2p).start();
    let r1 = Setup::new().connect(&middle.p2p).start();
    let r2 = Setup::new().connect(&r1.p2p).start();
    connected(&middle, 2);
    part_and_heal(
        [&l1, &l2],
        [&r1, &r2],
        |passes| {
            if passes { middle.program.resume() } else { middle.program.pause() }
        },
    );
    one_tip("the one between has the same", PATIENCE, [&l1, &middle, &r2]);
}

/// Both sides mine and pay while they are apart; then all have the longer chain, and the other side's payment waits again.
fn part_and_heal(left: [&Node; 2], right: [&Node; 2], passes: impl Fn(bool)) {
    let all = [left[0], left[1], right[0], right[1]];
    let mut purse = Purse::earned_at(left[0], COMMON);
    let address = purse.address();
    one_tip("all have the first blocks", PATIENCE, all);

    passes(false);
    let cut = Instant::now();
    let paid_left = purse.pay(left[0]);
    let paid_right = purse.pay(right[1]);
    wait_until("each side hears its payments", PATIENCE, || {
        (left[1].waiting().contains(&paid_left) && right[0].waiting().contains(&paid_right)).then_some(())
    });
    left[1].mine(3, &address);
    right[0].mine(5, &address);
    one_tip("the left side is one", PATIENCE, left);
    let winner = one_tip("the right side is one", PATIENCE, right);
    std::thread::sleep(APART.saturating_sub(cut.elapsed()));
    assert_ne!(left[0].tip(), winner, "they are apart");
    assert!(left[0].confirmed_above(COMMON.into()).contains(&paid_left));
    assert!(!right[0].waiting().contains(&paid_left) && !left[0].waiting().contains(&paid_right));

    passes(true);
    let healed = Instant::now();
    assert_eq!(one_tip("both sides are one", HEALING, all), winner);
    say(&format!(
        "partition: healed {:.1} s after {:.0} s apart.",
        healed.elapsed().as_secs_f64(),
        APART.as_secs_f64()
    ));
    for node in all {
        let seen = || (node.waiting() == BTreeSet::from([paid_left])).then_some(());
        wait_until("the left side's payment waits again", PATIENCE, seen);
    }
    left[0].mine(1, &address);
    one_tip("the next block is everyone's", PATIENCE, all);
    for node in all {
        let confirmed = node.confirmed_above(COMMON.into());
        assert!(confirmed.contains(&paid_left) && confirmed.contains(&paid_right));
    }
}
