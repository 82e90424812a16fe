//! Receiving: requests with their links and QR codes, and how far each payment is.

use mycoin_testkit::process::wait_until;
use serde_json::Value;

use super::town::{COIN, Town, text};
use crate::home::{PATIENCE, units};

fn state(town: &Town, wallet: &str, address: &str) -> Value {
    let requests = town.wallet(&["requests", wallet]);
    let mut list = requests.as_array().expect("a list").iter();
    list.find(|request| request["address"] == address).expect("it was requested").clone()
}

#[test]
fn a_request_is_open_partly_paid_seen_and_paid() {
    let town = Town::new(&["alice", "bob"]);
    town.mine_for("alice", 1);
    let ask = ["wallet", "request", "bob", "--amount", "5", "--label", "Invoice 17 & more", "--message", "Thank you!"];
    let request = town.home.json(&ask);
    let (address, uri) = (text(&request["address"]), text(&request["uri"]));
    assert_eq!(uri, format!("mycoin-demo:{address}?amount=5&label=Invoice%2017%20%26%20more&message=Thank%20you%21"));
    assert_eq!(request["state"], "open");
    let other = text(&town.home.json(&["wallet", "request", "bob", "--expires", "never"])["address"]);
    let next = town.address("bob");
    assert!(address != other && address != next && other != next, "each request has an address of its own");

    town.pay(&["send", "alice", "--to", &address, "--amount", "2", "--fee-rate", "2"]);
    let partly = state(&town, "bob", &address);
    assert_eq!((&partly["state"], units(&partly["missing"])), (&"partly-paid".into(), 3 * COIN));
    assert!(town.told(&["requests", "bob"]).contains("3.00000000 is missing"));
    town.pay(&["send", "alice", "--to", &address, "--amount", "3", "--fee-rate", "2"]);
    let seen = state(&town, "bob", &address);
    assert_eq!((&seen["state"], units(&seen["waiting"]), &seen["missing"]), (&"seen".into(), 5 * COIN, &Value::Null));
    // A block holds at most two payments on the demo's network, and these are two.
    town.mine();
    wait_until("the request is paid", PATIENCE, || (state(&town, "bob", &address)["state"] == "paid").then_some(()));
    assert_eq!(state(&town, "bob", &other)["state"], "open");
    let history = town.wallet(&["history", "bob", "--search", "invoice 17"]);
    assert_eq!(history.as_array().map(Vec::len), Some(2), "the label stays with the address: {history}");

    // The link itself is paid by whoever gets it, amount and all.
    let request = town.home.json(&["wallet", "request", "bob", "--amount", "1.5", "--label", "Bob"]);
    town.pay(&["send", "alice", "--to", &text(&request["uri"]), "--fee-rate", "2"]);
    let seen = state(&town, "bob", &text(&request["address"]));
    assert_eq!((&seen["state"], units(&seen["waiting"])), (&"seen".into(), 150_000_000));
}

#[test]
fn requests_end_are_deleted_and_are_refused_where_they_make_no_sense() {
    let town = Town::new(&["alice"]);
    let request = town.home.json(&["wallet", "request", "alice", "--expires", "1s"]);
    let address = text(&request["address"]);
    wait_until("it ends", PATIENCE, || (state(&town, "alice", &address)["state"] == "expired").then_some(()));
    assert!(town.told(&["requests", "alice"]).contains("expired"));
    town.home.json(&["wallet", "request", "alice", "--delete", &address]);
    assert_eq!(town.wallet(&["requests", "alice"]), Value::Array(Vec::new()));
    let refused = |arguments: &[&str]| town.home.refused(&[&["wallet", "request", "alice"], arguments].concat()).0;
    assert_eq!(refused(&["--delete", &address]), "request/not-found");
    assert_eq!(refused(&["--amount", "1e3"]), "amount/not-a-number");
    assert_eq!(refused(&["--amount=-1"]), "amount/negative");
    assert_eq!(refused(&["--label", "two\nlines"]), "request/text");
    assert_eq!(refused(&["--message", &"x".repeat(256)]), "request/text");
    let wrong = town.home.run(&["wallet", "request", "alice", "--expires", "1y"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("such as 1h or 2d"), "{}", wrong.stderr);

    // For a person: the address, the link, and a QR code of it, each line as wide as the other.
    let shown = town.home.run(&["wallet", "request", "alice", "--amount", "0.1", "--qr"]).stdout;
    let (code, words): (Vec<&str>, Vec<&str>) = shown.lines().partition(|line| line.contains(['█', '▀', '▄']));
    assert!(words.iter().any(|line| line.starts_with("mycoin-demo:")), "{shown}");
    assert!(words.iter().any(|line| line.contains("The request ends at")), "{shown}");
    assert!(code.len() > 12 && code.iter().all(|line| line.chars().count() == code[0].chars().count()), "{shown}");
}
