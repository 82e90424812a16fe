//! Paying: one or many, from a table, a link or a contact's name, with chosen coins, all of it, and what is refused.

use std::fs;

use mycoin_primitives::Network;
use serde_json::Value;

use super::town::{COIN, Town, text};
use crate::home::units;

fn coins_of(sent: &Value) -> Vec<String> {
    sent["review"]["coins"].as_array().expect("a list").iter().map(|coin| text(&coin["coin"])).collect()
}

#[test]
fn many_are_paid_from_a_table_a_link_and_the_command_line() {
    let town = Town::new(&["alice", "bob", "carol"]);
    town.mine_for("alice", 3);
    assert_eq!(town.balance("alice", "spendable"), 150 * COIN);
    let (bob, carol) = (town.address("bob"), town.address("carol"));

    // A table with bad lines is refused whole, and each is named.
    let table = town.home.path().join("payments.csv").display().to_string();
    fs::write(&table, format!("address,amount,label\n{bob},1.5,rent\nnobody,1\n{carol},-3\n")).expect("our folder");
    let (code, message) = town.refused(&["send", "alice", "--csv", &table]);
    assert_eq!(code, "payment/csv-lines");
    assert!(message.contains("line 3: ") && message.contains("line 4: ") && !message.contains("line 2"), "{message}");

    // The review alone changes nothing, and says where each unit goes.
    fs::write(&table, format!("address,amount,label\n{bob},1.5,rent\n\"{carol}\",200000sat\n")).expect("our folder");
    let send = ["send", "alice", "--csv", &table, "--fee-rate", "3"];
    let review = town.wallet(&[&send[..], &["--dry-run"]].concat());
    assert_eq!((&review["sent"], &review["txid"]), (&Value::Bool(false), &Value::Null));
    assert!(town.waiting().is_empty());
    let shown = town.told(&[&send[..], &["--dry-run"]].concat());
    for part in [
        bob.as_str(),
        &carol,
        "1.50000000",
        "0.00200000",
        "rent",
        "comes back to this wallet",
        "3.0",
        "Nothing was signed",
    ] {
        assert!(shown.contains(part), "the review tells no “{part}”:\n{shown}");
    }

    let sent = town.pay(&[&send[..], &["--label", "wages"]].concat());
    let (fee, change) = (units(&sent["fee"]), units(&sent["change"]));
    assert_eq!(units(&sent["amount"]), 150_200_000);
    assert_eq!(town.waiting(), [text(&sent["txid"])]);
    let tx = town.rpc(&["getrawtransaction", &text(&sent["txid"]), "1"]);
    let outputs: Vec<u64> =
        tx["vout"].as_array().expect("a list").iter().map(|output| units(&output["value"])).collect();
    assert_eq!(outputs.len(), 3);
    assert!(outputs.contains(&150_000_000) && outputs.contains(&200_000) && outputs.contains(&change), "{outputs:?}");
    let held: u64 = sent["review"]["coins"].as_array().expect("a list").iter().map(|coin| units(&coin["amount"])).sum();
    assert_eq!(held, outputs.iter().sum::<u64>() + fee, "inputs = outputs + fee");
    assert_eq!(tx["vsize"].as_u64().map(|vsize| vsize * 3), Some(fee));
    assert!(tx["vin"].as_array().expect("a list").iter().all(|input| input["sequence"].as_u64() == Some(0xffff_fffd)));
    assert_eq!((town.balance("bob", "waiting"), town.balance("carol", "waiting")), (150_000_000, 200_000));
    town.mine();
    assert_eq!((town.balance("bob", "spendable"), town.balance("carol", "spendable")), (150_000_000, 200_000));
    assert_eq!(town.balance("alice", "spendable"), 150 * COIN - 150_200_000 - fee);

    // A link says how much; a second payment to the same address is pointed out; without replace-by-fee.
    let link = format!("{}:{bob}?amount=0.25&label=Shop", Network::demo().uri_scheme);
    let sent = town.pay(&["send", "alice", "--to", &link, "--no-rbf", "--fee", "economy"]);
    assert_eq!(units(&sent["amount"]), 25_000_000);
    assert_eq!(sent["review"]["recipients"][0]["label"], "Shop");
    assert!(sent["review"]["look_twice"].to_string().contains("was paid once before"), "{sent}");
    let tx = town.rpc(&["getrawtransaction", &text(&sent["txid"]), "1"]);
    assert_eq!(tx["vin"][0]["sequence"].as_u64(), Some(0xffff_fffe));
    // Two on the command line, one of them in base units.
    let fresh = town.address("bob");
    let sent = town.pay(&["send", "alice", "--to", &fresh, "--amount", "12345sat", "--to", &carol, "--amount", "2"]);
    assert_eq!(units(&sent["amount"]), 200_012_345);
    // A contact's name stands for the address, and whom one keeps one means to pay again.
    town.home.json(&["wallet", "contact", "alice", "add", "Carol", &carol]);
    let sent = town.pay(&["send", "alice", "--to", "Carol", "--amount", "0.5"]);
    let recipient = &sent["review"]["recipients"][0];
    assert_eq!((&recipient["contact"], text(&recipient["address"])), (&Value::from("Carol"), carol));
    assert!(!sent["review"]["look_twice"].to_string().contains("before"), "{sent}");
    assert_eq!(town.waiting().len(), 3);
}

#[test]
fn chosen_coins_frozen_coins_and_all_of_them() {
    let town = Town::new(&["alice", "bob"]);
    town.mine_for("alice", 3);
    let bob = town.address("bob");
    // Everything, looked at only: which coins there are.
    let all = town.wallet(&["send", "alice", "--to", &bob, "--amount", "max", "--dry-run"]);
    let coins = coins_of(&all);
    assert_eq!(coins.len(), 3);
    assert_eq!(units(&all["amount"]) + units(&all["fee"]), 150 * COIN);
    let [first, second, third] = coins.as_slice() else { panic!("three coins: {coins:?}") };

    // A frozen coin is never spent, not even by name.
    let frozen = town.home.json(&["wallet", "freeze", "alice", first]);
    assert_eq!(frozen["coins"][0].as_str(), Some(first.as_str()));
    let (code, message) = town.refused(&["send", "alice", "--to", &bob, "--amount", "1", "--coin", first]);
    assert_eq!(code, "payment/coin-frozen");
    assert!(message.contains(first), "{message}");
    let (code, message) = town.refused(&["send", "alice", "--to", &bob, "--amount", "120"]);
    assert_eq!(code, "payment/not-enough");
    assert!(message.contains("50.00000000 DEMO is frozen"), "{message}");
    // Exactly the coins that are named, although one would do.
    let sent = town.pay(&["send", "alice", "--to", &bob, "--amount", "1", "--coin", second, "--coin", third]);
    let mut spent = coins_of(&sent);
    spent.sort();
    let mut named = [second.clone(), third.clone()];
    named.sort();
    assert_eq!(spent, named);
    town.mine();
    assert_eq!(town.balance("bob", "spendable"), COIN);

    // Max leaves the frozen coin alone, and then everything.
    let fresh = town.address("bob");
    let sent = town.pay(&["send", "alice", "--to", &fresh, "--amount", "max", "--fee-rate", "2"]);
    assert_eq!(units(&sent["change"]), 0);
    assert_eq!(town.balance("alice", "total"), 50 * COIN);
    town.home.json(&["wallet", "unfreeze", "alice", first]);
    town.mine();
    let fresh = town.address("bob");
    let last = town.pay(&["send", "alice", "--to", &fresh, "--amount", "max", "--fee-rate", "2"]);
    assert_eq!(coins_of(&last), std::slice::from_ref(first));
    assert_eq!(town.balance("alice", "total"), 0);
    town.mine();
    let gone = units(&sent["amount"]) + units(&last["amount"]);
    assert_eq!(town.balance("bob", "spendable"), COIN + gone);
}

#[test]
fn mistakes_are_stopped_before_anything_is_signed() {
    let town = Town::new(&["alice", "bob"]);
    town.mine_for("alice", 1);
    let (bob, own) = (town.address("bob"), town.address("alice"));
    let code = |arguments: &[&str]| town.refused(&[&["send", "alice"], arguments].concat()).0;
    assert_eq!(code(&["--to", &bob, "--amount", "1", "--fee-rate", "5000"]), "payment/fee-absurd");
    assert_eq!(code(&["--to", &bob, "--amount", "200sat"]), "payment/dust");
    assert_eq!(code(&["--to", "bobby", "--amount", "1"]), "payment/recipient-unknown");
    assert_eq!(code(&["--to", &bob]), "payment/amount-missing");
    assert_eq!(code(&["--to", &bob, "--amount", "max", "--to", &own, "--amount", "max"]), "payment/max-twice");
    assert_eq!(code(&["--to", &bob, "--amount", "1", "--amount", "2"]), "usage");
    assert_eq!(code(&["--to", &bob, "--amount", "51"]), "payment/not-enough");
    let nothing = format!("{}:0", "0".repeat(64));
    assert_eq!(code(&["--to", &bob, "--amount", "1", "--coin", &nothing]), "payment/coin-unknown");
    // To oneself, and at a high price: allowed, but said.
    let review = town.wallet(&["send", "alice", "--to", &own, "--amount", "1", "--dry-run"]);
    assert!(review["review"]["look_twice"].to_string().contains("you would pay yourself"), "{review}");
    let dear = ["send", "alice", "--to", &bob, "--amount", "1", "--fee-rate", "5000", "--allow-high-fee", "--dry-run"];
    let review = town.wallet(&dear);
    assert!(review["review"]["look_twice"].to_string().contains("looks like a mistake"), "{review}");
    assert!(town.waiting().is_empty());
}
