//! Servers of one coin in a line: a person at one end pays, the other end mines.

use mycoin_testkit::process::wait_until;
use serde_json::json;

use crate::home::{PATIENCE, address_after, units};
use crate::node::{Setup, connected, one_tip};

const COIN: u64 = 100_000_000;

#[test]
fn a_payment_at_one_end_of_a_line_of_five_is_mined_at_the_other() {
    // left ─ second ─ third ─ fourth ─ right; only the right one has a miner that starts by itself.
    let right = Setup::new().mine("transactions=1").start();
    let fourth = Setup::new().connect(&right.p2p).start();
    let third = Setup::new().connect(&fourth.p2p).start();
    let second = Setup::new().connect(&third.p2p).start();
    let left = Setup::new().connect(&second.p2p).start();
    let all = [&left, &second, &third, &fourth, &right];
    all.iter().zip([1, 2, 2, 2, 1]).for_each(|(node, count)| connected(node, count));

    let proxy = left.home().start(&[
        "proxy",
        "--listen",
        "127.0.0.1:0",
        "--server",
        &left.rpc,
        "--password-file",
        &left.home().password_file(),
    ]);
    let url = format!("http://{}", address_after(&proxy.wait_until_ready(PATIENCE), "proxy"));
    let password = left.home().password_file();
    let create = |name: &str| {
        let made = left.home().json(&["wallet", "create", name, "--password-file", &password, "--yes"]);
        made["address"].as_str().expect("an address").to_owned()
    };
    create("alice");
    let bobs = create("bob");
    let balance =
        |name: &str, part: &str| units(&left.home().json(&["wallet", "balance", name, "--proxy", &url])[part]);
    left.home().json(&["wallet", "faucet", "alice", "--proxy", &url]);
    wait_until("the faucet's block is alice's", PATIENCE, || {
        (balance("alice", "spendable") == 50 * COIN).then_some(())
    });
    one_tip("the faucet's block is everyone's tip", PATIENCE, all);

    // A payment at one end is mined at the other.
    let sent = left.home().json(&[
        "wallet",
        "send",
        "alice",
        "--to",
        &bobs,
        "--amount",
        "7",
        "--yes",
        "--proxy",
        &url,
        "--password-file",
        &password,
    ]);
    wait_until("the payment is confirmed", PATIENCE, || (balance("bob", "spendable") == 7 * COIN).then_some(()));
    let tip = one_tip("the block of the right end is everyone's tip", PATIENCE, all);
    let txid = sent["txid"].as_str().expect("a txid");
    for node in all {
        let mined = node.call("getblock", json!([tip]));
        assert!(mined["tx"].as_array().is_some_and(|list| list.iter().any(|id| id == txid)), "{mined}");
    }
    let log = right.program.output();
    assert!(log.contains("Miner: found block 2"), "the right end mined:\n{log}");
    assert!(all.iter().all(|node| node.waiting().is_empty()));
    // It is still a line: nobody took a short cut.
    assert_eq!(all.map(|node| node.peers().len()), [1, 2, 2, 2, 1]);
}
