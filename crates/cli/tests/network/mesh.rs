//! Servers of one coin of which each is connected with each.

use mycoin_primitives::bitcoin::consensus::encode::serialize;
use mycoin_testkit::process::wait_until;
use serde_json::Value;

use crate::home::PATIENCE;
use crate::node::{Node, Setup, connected, one_tip};
use crate::purse::{Purse, send};

#[test]
fn in_a_mesh_of_five_a_payment_reaches_each_once_and_is_mined_at_the_other_end() {
    let mut nodes: Vec<Node> = Vec::new();
    for _ in 0..5 {
        let setup = nodes.iter().fold(Setup::new(), |setup, peer| setup.connect(&peer.p2p));
        nodes.push(setup.start());
    }
    nodes.iter().for_each(|node| connected(node, 4));
    let (first, last) = (&nodes[0], &nodes[4]);
    let mut purse = Purse::earned_at(first, 2);
    one_tip("all have the first blocks", PATIENCE, &nodes);

    let coin = purse.take();
    let payment = purse.payment(&coin, 0);
    let txid = send(first, &payment);
    for node in &nodes {
        wait_until("the payment waits everywhere", PATIENCE, || node.waiting().contains(&txid).then_some(()));
    }
    let mined = last.mine(1, &purse.address());
    assert!(last.block(&mined[0]).txdata.contains(&payment));
    assert_eq!(mined[0], one_tip("the block at the other end is everyone's tip", PATIENCE, &nodes).as_str());
    assert!(nodes.iter().all(|node| node.waiting().is_empty()));

    let size = serialize(&payment).len() as u64;
    for node in nodes.iter().skip(1) {
        let bytes = node.peers().iter().filter_map(|peer| peer["bytesrecv_per_msg"]["tx"].as_u64()).sum::<u64>();
        assert!((size..2 * size).contains(&bytes), "four peers offered it, one gave it: {bytes} bytes for {size}");
    }
    let encrypted = |peer: &Value| peer["transport_protocol_type"] == "v2";
    assert!(nodes.iter().flat_map(|node| node.peers()).all(|peer| encrypted(&peer)));
}
