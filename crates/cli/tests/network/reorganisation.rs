//! Two halves of a network that made more than a hundred blocks each without the other.
//!
//! The demo coin is used because a coinbase of it can be spent in the next block. So side A can spend a coin that exists on
//! its branch alone (on regtest it could not within a hundred blocks), and all others come from before the two parted.

use std::collections::BTreeSet;

use mycoin_primitives::Txid;
use mycoin_testkit::process::wait_until;
use serde_json::json;

use crate::home::PATIENCE;
use crate::node::{Node, Setup, connected, one_tip};
use crate::purse::{Purse, first_output, send};

const COMMON: u32 = 8;

#[test]
fn a_reorganisation_of_100_blocks_crosses_the_network_and_its_transactions_wait_again() {
    let a1 = Setup::new().start();
    let a2 = Setup::new().connect(&a1.p2p).start();
    let b1 = Setup::new().start();
    let b2 = Setup::new().connect(&b1.p2p).start();
    let all = [&a1, &a2, &b1, &b2];
    let bridge = |command: &str| a2.call("addnode", json!([b1.p2p, command]));
    bridge("add");
    connected(&a2, 2);
    let mut purse = Purse::earned_at(&a1, COMMON);
    one_tip("all have the common past", PATIENCE, all);
    bridge("remove");
    a2.call("disconnectnode", json!([b1.p2p]));
    let is_apart = || (a2.peers().len() == 1 && b1.peers().len() == 1).then_some(());
    wait_until("the halves are apart", PATIENCE, is_apart);

    // Side A: nine payments over its hundred blocks, each third spends the one before; and one of a coin that B never had.
    let address = purse.address();
    let contested = purse.take();
    let mut waits_again = BTreeSet::new();
    let mut last = None;
    for number in 0..9 {
        let coin = last.take().filter(|_| number % 3 == 2).unwrap_or_else(|| purse.take());
        let payment = purse.payment(&coin, 0);
        waits_again.insert(send([&a1, &a2][number % 2], &payment));
        wait_for(&a1, &payment.compute_txid());
        last = Some(first_output(&payment));
        a1.mine(11, &address);
        one_tip("side A is one", PATIENCE, [&a1, &a2]);
    }
    let spent_otherwise = send(&a1, &purse.payment(&contested, 0));
    let earned_on_a = Purse::reward(&a1, &a1.call("getbestblockhash", json!([])));
    let of_a_alone = send(&a1, &purse.payment(&earned_on_a, 0));
    a1.mine(1, &address);
    one_tip("side A is one", PATIENCE, [&a1, &a2]);
    assert_eq!(a1.height(), u64::from(COMMON) + 100);
    let on_a = a1.confirmed_above(COMMON.into());
    assert!(waits_again.is_subset(&on_a) && on_a.contains(&spent_otherwise) && on_a.contains(&of_a_alone));

    // Side B: a hundred and two blocks; it spends the contested coin otherwise.
    let won = send(&b1, &purse.payment(&contested, 500));
    b1.mine(101, &address);
    let winner = b1.mine(1, &address)[0].as_str().expect("a hash").to_owned();
    one_tip("side B is one", PATIENCE, [&b1, &b2]);

    bridge("add");
    assert_eq!(one_tip("all have side B's tip", PATIENCE, all), winner);
    for node in [&a1, &a2] {
        let seen = || (node.waiting() == waits_again).then_some(());
        wait_until("side A's transactions wait again, and only those that can be confirmed", PATIENCE, seen);
        let log = node.program.output();
        let undone = log.lines().filter(|line| line.contains("is no longer in the best chain")).count();
        assert_eq!(undone, 100);
    }
    // Here they also come to those who never had them.
    for node in [&b1, &b2] {
        let seen = || (node.waiting() == waits_again).then_some(());
        wait_until("side B hears of them", PATIENCE, seen);
    }

    let mined = b2.mine(1, &address);
    assert_eq!(mined[0], one_tip("the next block is everyone's", PATIENCE, all).as_str());
    for node in all {
        let confirmed = node.confirmed_above(COMMON.into());
        assert!(waits_again.is_subset(&confirmed) && confirmed.contains(&won));
        assert!(!confirmed.contains(&spent_otherwise) && !confirmed.contains(&of_a_alone));
        assert!(node.waiting().is_empty());
    }
}

fn wait_for(node: &Node, txid: &Txid) {
    wait_until("the payment comes to who mines", PATIENCE, || node.waiting().contains(txid).then_some(()));
}
