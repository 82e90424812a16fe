//! Servers that are killed one after the other while blocks and payments flow.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mycoin_primitives::Txid;
use mycoin_testkit::process::wait_until;

use crate::home::PATIENCE;
use crate::node::{Door, Node, Setup, connected, one_tip};
use crate::purse::{Purse, send};

/// How often each server is killed.
const ROUNDS: usize = 2;
const SERVERS: usize = 5;
const COMMON: u32 = 120;

#[test]
fn servers_that_are_killed_in_turn_end_at_one_tip_and_no_payment_is_lost() {
    // A ring in which each also knows the next but one, so that no single server holds it together.
    let mut nodes: Vec<Node> = (0..SERVERS).map(|_| Setup::new().start()).collect();
    let addresses: Vec<String> = nodes.iter().map(|node| node.p2p.clone()).collect();
    for place in 0..SERVERS {
        let setup = nodes.remove(place).stop();
        let neighbours = [1, 2].map(|step| &addresses[(place + step) % SERVERS]);
        nodes.insert(place, neighbours.iter().fold(setup, |setup, peer| setup.connect(peer)).start());
    }
    nodes.iter().for_each(|node| connected(node, 4));
    let mut purse = Purse::earned_at(&nodes[0], COMMON);
    one_tip("all have the first blocks", PATIENCE, &nodes);

    let mut paid = BTreeSet::new();
    for kill in 0..ROUNDS * SERVERS {
        let place = kill % SERVERS;
        let victim = nodes.remove(place);
        let others: Vec<Door> = nodes.iter().map(Node::door).collect();
        let is_back = AtomicBool::new(false);
        let back = std::thread::scope(|scope| {
            let flow = scope.spawn(|| flow(&others, &mut purse, &is_back));
            std::thread::sleep(Duration::from_millis(rand::random_range(50..400)));
            let setup = victim.kill();
            std::thread::sleep(Duration::from_millis(rand::random_range(50..400)));
            let back = setup.start();
            is_back.store(true, Ordering::Relaxed);
            paid.extend(flow.join().expect("every server but the killed one answers"));
            back
        });
        nodes.insert(place, back);
    }
    assert!(paid.len() >= ROUNDS * SERVERS, "payments flowed: {}", paid.len());

    one_tip("all are one again", PATIENCE, &nodes);
    for node in &nodes {
        wait_until("every payment is confirmed or waits", PATIENCE, || {
            let known: BTreeSet<Txid> = &node.confirmed_above(COMMON.into()) | &node.waiting();
            paid.is_subset(&known).then_some(())
        });
    }
    nodes[0].mine(1, &purse.address());
    one_tip("the last block is everyone's", PATIENCE, &nodes);
    for node in &nodes {
        assert!(paid.is_subset(&node.confirmed_above(COMMON.into())));
        assert!(node.waiting().is_empty());
    }
}

/// Pays and mines, each time at the next server, until the killed one is back; gives what was paid.
fn flow(nodes: &[Door], purse: &mut Purse, is_back: &AtomicBool) -> Vec<Txid> {
    let (mut paid, address) = (Vec::new(), purse.address());
    for turn in 0.. {
        let coin = purse.take();
        paid.push(send(&nodes[turn % nodes.len()], &purse.payment(&coin, 0)));
        // Not waiting for the payment: some blocks have it, some have not; and now and then two are found at one height.
        nodes[(turn + 1) % nodes.len()].mine(1, &address);
        if is_back.load(Ordering::Relaxed) || paid.len() >= COMMON as usize / (ROUNDS * SERVERS) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    paid
}
