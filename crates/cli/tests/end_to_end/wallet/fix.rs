//! Payments that wait, against a real mempool: raised, cancelled, paid for by a child, sent again, given up; and what the
//! doctor says before and after.

use serde_json::Value;

use super::town::{COIN, Town, text};
use crate::home::units;

fn diagnosis(town: &Town, wallet: &str, txid: &str) -> Value {
    town.wallet(&["doctor", wallet, txid])["transactions"][0].clone()
}

fn remedies(diagnosis: &Value) -> Vec<String> {
    diagnosis["remedies"].as_array().expect("a list").iter().map(|remedy| text(&remedy["action"])).collect()
}

fn cost(diagnosis: &Value, action: &str) -> u64 {
    let list = diagnosis["remedies"].as_array().expect("a list");
    units(&list.iter().find(|remedy| remedy["action"] == action).expect("it is offered")["cost"])
}

#[test]
fn a_waiting_payment_is_raised_and_another_taken_back() {
    let town = Town::new(&["alice", "bob"]);
    town.mine_for("alice", 2);
    let bob = town.address("bob");
    let old = town.pay(&["send", "alice", "--to", &bob, "--amount", "5", "--fee-rate", "1", "--label", "rent"]);
    let old_id = text(&old["txid"]);

    let before = diagnosis(&town, "alice", &old_id);
    assert_eq!(before["standing"], "waiting");
    assert_eq!(remedies(&before), ["wait", "bump", "cancel"], "an empty mempool asks for less");
    let said = town.told(&["doctor", "alice", &old_id]);
    let command = format!("mycoin wallet bump alice {old_id}");
    for part in ["no block holds it yet", "What you can do", "This costs nothing", command.as_str()] {
        assert!(said.contains(part), "the doctor tells no “{part}”:\n{said}");
    }

    // Too little for the mempool is refused here already, with what is needed.
    let (code, message) = town.refused(&["bump", "alice", &old_id, "--fee-rate", "1"]);
    assert_eq!(code, "fix/rate-too-low");
    assert!(message.contains("at least 1.1"), "{message}");
    // What the doctor offers is what it costs, and the real mempool takes it.
    let least = town.wallet(&["bump", "alice", &old_id, "--dry-run"]);
    assert_eq!(units(&least["fee"]) - units(&old["fee"]), cost(&before, "bump"));
    let least = town.pay(&["bump", "alice", &old_id]);
    assert_eq!(town.waiting(), [text(&least["txid"])]);
    let new = town.pay(&["bump", "alice", &text(&least["txid"]), "--fee-rate", "20"]);
    let new_id = text(&new["txid"]);
    assert_eq!(town.waiting(), std::slice::from_ref(&new_id));
    assert_eq!(units(&new["amount"]), 5 * COIN);
    assert_eq!(units(&new["fee"]), 20 * new["vsize"].as_u64().expect("a size"));
    assert_eq!(diagnosis(&town, "alice", &old_id)["standing"], "replaced");
    assert_eq!(town.balance("bob", "waiting"), 5 * COIN);
    town.mine();
    assert_eq!(town.balance("bob", "spendable"), 5 * COIN);
    assert_eq!(town.balance("alice", "spendable"), 95 * COIN - units(&new["fee"]));
    let after = diagnosis(&town, "alice", &new_id);
    assert_eq!((&after["standing"], remedies(&after).len()), (&Value::from("confirmed"), 0));
    assert!(text(&diagnosis(&town, "alice", &old_id)["description"]).contains("can never be confirmed"));
    assert_eq!(town.refused(&["bump", "alice", &new_id]).0, "fix/confirmed");

    // Another is taken back: its recipient gets nothing, and the fees are all that is gone.
    let fresh = town.address("bob");
    let sent = town.pay(&["send", "alice", "--to", &fresh, "--amount", "7", "--fee-rate", "1"]);
    let before = town.balance("alice", "total") + 7 * COIN + units(&sent["fee"]);
    let back = town.pay(&["cancel", "alice", &text(&sent["txid"]), "--fee-rate", "4"]);
    assert_eq!(town.waiting(), [text(&back["txid"])]);
    town.mine();
    assert_eq!(town.balance("alice", "spendable"), before - units(&back["fee"]));
    assert_eq!(town.balance("bob", "total"), 5 * COIN);
    assert_eq!(town.wallet(&["doctor", "alice"])["transactions"], Value::Array(Vec::new()));
}

#[test]
fn a_child_pays_for_an_incoming_payment_and_for_one_that_may_not_be_replaced() {
    let town = Town::new(&["alice", "bob"]);
    town.mine_for("bob", 1);
    let alice = town.address("alice");
    let poor = ["send", "bob", "--to", &alice, "--amount", "3", "--fee-rate", "0.2", "--no-rbf"];
    let incoming = text(&town.pay(&poor)["txid"]);
    // Whoever only receives it cannot replace it, and neither can whoever promised not to.
    assert_eq!(town.refused(&["bump", "alice", &incoming]).0, "fix/not-ours");
    assert_eq!(town.refused(&["bump", "bob", &incoming]).0, "fix/not-replaceable");
    assert_eq!(town.refused(&["cancel", "bob", &incoming]).0, "fix/not-replaceable");
    let before = diagnosis(&town, "alice", &incoming);
    assert_eq!((&before["standing"], remedies(&before)), (&Value::from("waiting"), vec!["wait".to_owned()]));
    assert!(before["reasons"].to_string().contains("It pays enough"), "an empty mempool asks for less: {before}");
    let nothing_to_gain = town.refused(&["accelerate", "alice", &incoming, "--fee-rate", "0.1"]);
    assert_eq!(nothing_to_gain.0, "fix/pays-enough");

    let child = town.pay(&["accelerate", "alice", &incoming, "--fee-rate", "15"]);
    let entry = town.rpc(&["getmempoolentry", &text(&child["txid"])]);
    let (size, fees) = (entry["ancestorsize"].as_u64().expect("a size"), units(&entry["fees"]["ancestor"]));
    assert!((15 * size..15 * size + 30).contains(&fees), "both together pay the rate: {fees} for {size}");
    assert_eq!(town.balance("alice", "total"), 3 * COIN - units(&child["fee"]));
    let of_child = diagnosis(&town, "alice", &text(&child["txid"]));
    assert!(of_child["reasons"].to_string().contains(&incoming), "{of_child}");
    town.mine();
    assert!(town.waiting().is_empty());
    assert_eq!(town.balance("alice", "spendable"), 3 * COIN - units(&child["fee"]));
}

#[test]
fn a_payment_that_got_lost_is_kept_sent_again_or_given_up() {
    let mut town = Town::new(&["alice", "bob"]);
    town.mine_for("alice", 2);
    let bob = town.address("bob");
    // The server goes away while the payment is posted: nobody can say what became of it, so it is kept.
    town.server.kill();
    let send = ["send", "alice", "--to", &bob, "--amount", "5", "--fee-rate", "2"];
    let (code, message) = town.refused(&send);
    assert_eq!(code, "payment/unclear");
    assert!(message.contains("kept as waiting"), "{message}");
    town.restart();
    assert!(town.waiting().is_empty());
    let bound = town.balance("alice", "spendable");
    assert!(bound < 95 * COIN, "its coin is not free");
    let lost = town.wallet(&["doctor", "alice"])["transactions"][0].clone();
    let txid = text(&lost["txid"]);
    assert_eq!(lost["standing"], "not known to the proxy");
    let offered = remedies(&lost);
    assert_eq!(
        (offered.first().map(String::as_str), offered.last().map(String::as_str)),
        (Some("rebroadcast"), Some("abandon"))
    );

    // Given up, its coin is free; taken back, it is bound again.
    let given_up = town.wallet(&["abandon", "alice", &txid]);
    assert_eq!((units(&given_up["spendable"]), &given_up["abandoned"]), (100 * COIN, &Value::Bool(true)));
    assert_eq!(town.balance("alice", "spendable"), 100 * COIN);
    assert_eq!(diagnosis(&town, "alice", &txid)["standing"], "abandoned");
    town.wallet(&["abandon", "alice", &txid, "--undo"]);
    assert_eq!(town.balance("alice", "spendable"), bound);

    // Sent again, the network has it, and it cannot be given up any more.
    town.wallet(&["rebroadcast", "alice", &txid]);
    assert_eq!(town.waiting(), std::slice::from_ref(&txid));
    assert_eq!(diagnosis(&town, "alice", &txid)["standing"], "waiting");
    let (code, _) = town.home.refused(&["wallet", "abandon", "alice", &txid, "--proxy", town.url()]);
    assert_eq!(code, "fix/still-known");
    town.mine();
    assert_eq!(town.balance("bob", "spendable"), 5 * COIN);
    assert_eq!(town.balance("alice", "spendable"), bound);
}
