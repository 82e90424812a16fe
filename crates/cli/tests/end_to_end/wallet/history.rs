//! The history: searched, filtered, shown in full, taken along; labels and contacts, out and in.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde_json::{Value, json};

use super::town::{COIN, Town, text};
use crate::home::units;

fn txids(history: &Value) -> Vec<String> {
    history
        .as_array()
        .unwrap_or_else(|| panic!("{history} is no list"))
        .iter()
        .map(|entry| text(&entry["txid"]))
        .collect()
}

/// The cells of a table whose every text stands in quotation marks.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut inside) = (vec![String::new()], false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let cell = cells.last_mut().expect("never empty");
        match character {
            '"' if inside && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => inside = !inside,
            ',' if !inside => cells.push(String::new()),
            other => cell.push(other),
        }
    }
    cells
}

#[test]
fn the_history_is_found_again_shown_and_exported() {
    let town = Town::new(&["alice", "bob"]);
    town.mine_for("alice", 1);
    let bob = town.address("bob");
    town.home.json(&["wallet", "contact", "alice", "add", "Bob", &bob]);
    let sent = text(&town.pay(&["send", "alice", "--to", "Bob", "--amount", "5", "--fee-rate", "2"])["txid"]);
    let home = |arguments: &[&str]| town.home.json(&[&["wallet"], arguments].concat());
    home(&["label", "alice", &format!("tx:{sent}"), "=1+1, \"rent\" of May"]);
    let own =
        text(&town.pay(&["send", "alice", "--to", &town.address("alice"), "--amount", "1", "--fee-rate", "2"])["txid"]);

    let found = |filter: &[&str]| txids(&town.wallet(&[&["history", "alice"], filter].concat()));
    let all = found(&[]);
    let reward = all.last().expect("three").clone();
    assert_eq!(all.len(), 3);
    for (filter, wanted) in [
        (&["--search", "\"RENT\" of may"][..], &[&sent][..]),
        (&["--search", "bob"], &[&sent]),
        (&["--search", &bob[..16]], &[&sent]),
        (&["--search", "5.0"], &[&sent]),
        (&["--search", &own[..12]], &[&own]),
        (&["--search", "no such thing"], &[]),
        (&["--kind", "sent"], &[&sent]),
        (&["--kind", "to-self"], &[&own]),
        (&["--kind", "reward", "--state", "confirmed"], &[&reward]),
        (&["--kind", "received"], &[]),
        (&["--state", "waiting"], &[&own, &sent]),
        (&["--state", "immature"], &[]),
        (&["--limit", "1", "--state", "waiting"], &[&own]),
        (&["--until", "2020-01-01"], &[]),
        (&["--since", "2020-01-01", "--until", "2200-12-31"], &[&own, &sent, &reward]),
        (&["--since", "2200-01-01"], &[]),
    ] {
        // Two that wait were seen within a second or two, in either order.
        let sorted = |mut list: Vec<String>| {
            list.sort();
            list
        };
        let seen = found(filter);
        if filter.first() == Some(&"--limit") {
            assert_eq!(seen.len(), 1, "{filter:?}");
        } else {
            assert_eq!(sorted(seen), sorted(wanted.iter().map(|txid| (*txid).clone()).collect()), "{filter:?}");
        }
    }
    let shown = town.told(&["history", "alice", "--kind", "sent"]);
    for part in ["LABEL", "of May", "Bob", "-5.000", "waiting"] {
        assert!(shown.contains(part), "no “{part}”:\n{shown}");
    }
    assert_eq!(town.home.run(&["wallet", "history", "alice", "--since", "yesterday"]).code, 2);

    // One in full.
    let detail = town.wallet(&["show", "alice", &sent]);
    let outputs = detail["outputs"].as_array().expect("a list");
    let to_bob = outputs.iter().find(|output| output["contact"] == "Bob").expect("he is paid");
    assert_eq!((units(&to_bob["amount"]), &to_bob["owner"]), (5 * COIN, &json!("others")));
    let sum = |parts: &Value| parts.as_array().expect("a list").iter().map(|part| units(&part["amount"])).sum::<u64>();
    assert_eq!(sum(&detail["inputs"]), sum(&detail["outputs"]) + units(&detail["fee"]));
    assert_eq!((&detail["block"], &detail["fee_rate_sat_per_kvb"]), (&Value::Null, &json!(2_000)));
    let told = town.told(&["show", "alice", &sent]);
    for part in ["Spends", "Pays", "our change", "Bob", "virtual bytes", "waiting"] {
        assert!(told.contains(part), "no “{part}”:\n{told}");
    }
    let nothing = town.home.refused(&["wallet", "show", "alice", &"00".repeat(32), "--proxy", town.url()]);
    assert_eq!(nothing.0, "wallet/no-transaction");

    // A table for spreadsheets, which runs nothing, is ours alone, and stands over no other file.
    let path = town.home.path().join("history.csv");
    let file = path.display().to_string();
    let export = ["export", "alice", "--format", "csv", "--to", &file];
    assert_eq!(town.wallet(&export)["transactions"], 3);
    assert_eq!(fs::metadata(&path).expect("written").mode() & 0o777, 0o600);
    let table = fs::read_to_string(&path).expect("written");
    let lines: Vec<Vec<String>> = table.lines().map(cells).collect();
    let column = |name: &str| lines[0].iter().position(|other| other == name).expect(name);
    assert!(lines.len() == 4 && lines.iter().all(|line| line.len() == lines[0].len()), "{table}");
    let row = lines.iter().find(|line| line[column("txid")] == sent).expect("it is there");
    assert_eq!(row[column("label")], "'=1+1, \"rent\" of May");
    assert_eq!((row[column("with")].as_str(), row[column("ticker")].as_str()), ("Bob", "DEMO"));
    let fee: f64 = row[column("fee")].parse().expect("a number");
    let amount: f64 = row[column("amount")].parse().expect("a number");
    assert!((amount + 5.0 + fee).abs() < 1e-9, "{amount} {fee}");
    assert!(row[column("time")].ends_with('Z') && row[column("time")].contains('T'));
    let (code, _) = town.home.refused(&[&["wallet"], &export[..], &["--proxy", town.url()]].concat());
    assert!(code.starts_with("files/"), "{code}");
    assert_eq!(fs::read_to_string(&path).expect("written"), table, "the old file stands");
    let exported = town.told(&["export", "alice", "--format", "json", "--kind", "sent"]);
    let exported: Value = serde_json::from_str(&exported).expect("JSON");
    assert_eq!((txids(&exported), &exported[0]["contacts"]), (vec![sent], &json!(["Bob"])));
}

#[test]
fn labels_go_out_and_come_back_into_a_wallet_of_the_same_words() {
    let town = Town::new(&["bob"]);
    let password = town.home.password_file();
    let home = |arguments: &[&str]| town.home.json(&[&["wallet"], arguments].concat());
    let created = home(&["create", "alice", "--password-file", &password, "--yes"]);
    let words: Vec<String> = created["words"].as_array().expect("words").iter().map(text).collect();
    town.mine_for("alice", 2);
    let coins = town.wallet(&["coins", "alice"]);
    let (coin, address) = (text(&coins[0]["outpoint"]), text(&coins[1]["address"]));
    let txid = text(&coins[1]["outpoint"]).split(':').next().expect("a txid").to_owned();
    home(&["label", "alice", &format!("tx:{txid}"), "first reward"]);
    home(&["label", "alice", &address, "for \"mining\""]);
    home(&["label", "alice", &coin, "savings"]);
    home(&["freeze", "alice", &coin]);
    let labels = home(&["labels", "alice"]);
    assert_eq!(labels.as_array().map(Vec::len), Some(3));

    let file = town.home.path().join("labels.jsonl").display().to_string();
    assert_eq!(home(&["labels", "alice", "--export", &file])["records"], 3);
    let lines = fs::read_to_string(&file).expect("written");
    assert_eq!(town.home.run(&["wallet", "labels", "alice", "--export", "-"]).stdout, lines);
    assert_eq!(town.home.refused(&["wallet", "labels", "alice", "--export", &file]).0.split('/').next(), Some("files"));
    let frozen = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .find(|line| line["type"] == "output");
    assert_eq!(frozen, Some(json!({"type": "output", "ref": coin, "label": "savings", "spendable": false})));

    // The words alone bring no labels back; the file does.
    let phrase = town.home.path().join("words").display().to_string();
    fs::write(&phrase, words.join(" ")).expect("our folder");
    town.wallet(&["restore", "twin", "--words-file", &phrase, "--password-file", &password]);
    assert_eq!(home(&["labels", "twin"]), json!([]));
    let done = home(&["labels", "twin", "--import", &file]);
    assert_eq!((&done["labels"], &done["frozen"], &done["unknown"]), (&json!(3), &json!(1), &json!(0)));
    assert_eq!(home(&["labels", "twin"]), labels);
    assert_eq!(town.wallet(&["coins", "twin"]), town.wallet(&["coins", "alice"]));
    assert_eq!(town.wallet(&["history", "twin"]), town.wallet(&["history", "alice"]));
    assert_eq!(home(&["labels", "twin", "--import", &file])["unchanged"], 3);

    // A line that makes no sense is named, and nothing of the file counts.
    home(&["label", "twin", &coin, ""]);
    let bad = town.home.path().join("bad.jsonl").display().to_string();
    fs::write(&bad, format!("{lines}{{\"type\": \"future\", \"ref\": 1}}\nnonsense\n")).expect("our folder");
    let (code, message) = town.home.refused(&["wallet", "labels", "twin", "--import", &bad]);
    assert!(code == "labels/bad-lines" && message.contains("line 5"), "{code} {message}");
    assert_eq!(home(&["labels", "twin"]).as_array().map(Vec::len), Some(2));
    fs::write(&bad, format!("{lines}{{\"type\": \"future\", \"ref\": 1}}\n")).expect("our folder");
    let done = home(&["labels", "twin", "--import", &bad]);
    assert_eq!((&done["labels"], &done["unknown"]), (&json!(1), &json!(1)));
    let refused = |of: &str, label: &str| town.home.refused(&["wallet", "label", "twin", of, label]).0;
    assert_eq!(refused("tx:12", "x"), "label/no-transaction");
    assert_eq!(refused(&coin, "two\nlines"), "label/text");
    assert_eq!(refused("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "x"), "address/other-coin");
}

#[test]
fn contacts_are_kept_renamed_exchanged_and_paid() {
    let town = Town::new(&["alice", "bob"]);
    let (alice, bob) = (town.address("alice"), town.address("bob"));
    let contact =
        |wallet: &str, arguments: &[&str]| town.home.json(&[&["wallet", "contact", wallet], arguments].concat());
    let refused = |arguments: &[&str]| town.home.refused(&[&["wallet", "contact", "alice"], arguments].concat()).0;
    contact("alice", &["add", "Bob Miller", &bob, "--note", "@the mill"]);
    assert_eq!(refused(&["add", "bob miller", &alice]), "contact/exists");
    assert_eq!(refused(&["add", "B0b MiIler", &alice]), "contact/looks-like");
    assert_eq!(refused(&["add", "Carol", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"]), "address/other-coin");
    assert_eq!(refused(&["add", &alice, &alice]), "contact/name-is-address");
    assert_eq!(refused(&["remove", "Dora"]), "contact/not-found");
    contact("alice", &["rename", "Bob Miller", "Bob"]);
    contact("alice", &["add", "Me", &alice]);
    let list = contact("alice", &["list"]);
    assert_eq!(
        list,
        json!([{"name": "Bob", "address": bob, "note": "@the mill"}, {"name": "Me", "address": alice, "note": ""}])
    );

    for format in ["csv", "json"] {
        let file = town.home.path().join(format!("contacts.{format}")).display().to_string();
        contact("alice", &["export", &file, "--format", format]);
        assert_eq!(contact("bob", &["import", &file])["imported"], 2);
        assert_eq!(contact("bob", &["list"]), list);
        assert_eq!(contact("bob", &["import", &file])["imported"], 0);
        contact("bob", &["remove", "Bob"]);
        contact("bob", &["remove", "me"]);
    }
    // A file that gives a known name another address changes nothing: so payments would be stolen.
    let file = town.home.path().join("stolen.csv").display().to_string();
    fs::write(&file, format!("name,address\nZoe,{bob}\nBob,{alice}\n")).expect("our folder");
    assert_eq!(refused(&["import", &file]), "contacts/bad-lines");
    assert_eq!(contact("alice", &["list"]), list);
}
