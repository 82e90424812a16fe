//! What a person notes and looks up: coins, labels, contacts, requests, and the history for other programs.

use mycoin_primitives::{OutPoint, address_of};
use serde_json::{Value, json};

use super::*;
use crate::{
    CoinState, ContactError, ContactsError, HistoryFilter, Labelled, LabelsError, LabelsImported, NewRequest, Owner,
    PaymentUri, RequestError, RequestState,
};

fn scene() -> Scene {
    Scene::new(KeyKind::Words, &Network::mycoin())
}

fn address(scene: &Scene, byte: u8) -> String {
    let script = ScriptBuf::from_bytes([&[0, 20][..], &[byte; 20]].concat());
    address_of(&script, scene.wallet.network()).expect("a key hash has an address")
}

fn pay_to(scene: &mut Scene, address: &str, sats: u64, height: Option<u32>) -> Txid {
    let script = parse_address(address, scene.wallet.network()).expect("our own address");
    let from = OutPoint { txid: Txid::hash(format!("{address} {sats}").as_bytes()), vout: 0 };
    scene.tell(payment(from, script, sats), height)
}

#[test]
fn each_coin_has_its_place_its_state_and_its_label() {
    let mut scene = scene();
    let first = scene.receive(COIN, Some(1));
    scene.sync_to(1).expect("nothing wrong");
    let waiting = scene.receive(2 * COIN, None);
    let reward = scene.reward(50 * COIN, 3);
    scene.sync_to(4).expect("nothing wrong");
    let list = scene.wallet.coin_list();
    let seen: Vec<_> = list.iter().map(|coin| (coin.outpoint.txid, coin.state, coin.confirmations)).collect();
    let immature = CoinState::Immature { blocks_left: 98 };
    assert_eq!(seen, [(waiting, CoinState::Waiting, 0), (reward, immature, 2), (first, CoinState::Spendable, 4)]);
    assert_eq!(list.iter().map(|coin| coin.amount.to_sat()).sum::<u64>(), 53 * COIN);
    let coin = |scene: &Scene| scene.wallet.coin_list().pop().expect("three coins");
    let place = coin(&scene).address.expect("taproot has addresses");
    for (of, label) in [
        (Labelled::Transaction(first), "of the transaction"),
        (Labelled::Address(place), "of the address"),
        (Labelled::Coin(OutPoint { txid: first, vout: 0 }), "of the coin"),
    ] {
        assert!(coin(&scene).label.as_deref() != Some(label));
        scene.wallet.set_label(of, label).expect("written");
        assert_eq!(coin(&scene).label.as_deref(), Some(label));
    }
}

#[test]
fn a_request_is_open_then_partly_paid_then_seen_then_paid() {
    let mut scene = scene();
    let new = NewRequest {
        amount: Some(Amount::from_sat(5 * COIN)),
        label: "Invoice 17".to_owned(),
        message: "thank you".to_owned(),
        lasts: Some(3_600),
    };
    let made = scene.wallet.request_payment_at(new, 1_000).expect("written");
    let uri = PaymentUri::parse(&made.uri, scene.wallet.network()).expect("our own link");
    assert_eq!(
        (uri.amount, uri.label.as_deref(), uri.message.as_deref()),
        (made.request.amount, Some("Invoice 17"), Some("thank you"))
    );
    assert_eq!((&uri.address, made.state), (&made.address, RequestState::Open));
    let state = |scene: &Scene, now| scene.wallet.requests_at(now)[0].state;
    assert_eq!(state(&scene, 4_599), RequestState::Open);
    assert_eq!(state(&scene, 4_600), RequestState::Expired);
    pay_to(&mut scene, &made.address, 2 * COIN, Some(1));
    scene.sync_to(1).expect("nothing wrong");
    assert_eq!(state(&scene, 9_000), RequestState::PartlyPaid { missing: Amount::from_sat(3 * COIN) });
    pay_to(&mut scene, &made.address, 3 * COIN, None);
    scene.sync_to(2).expect("nothing wrong");
    assert_eq!(state(&scene, 9_000), RequestState::Seen);
    let mut scene = scene.reopen();
    pay_to(&mut scene, &made.address, 3 * COIN, Some(3));
    scene.sync_to(3).expect("nothing wrong");
    assert_eq!(state(&scene, 9_000), RequestState::Paid);
    let history = scene.wallet.history();
    assert_eq!(scene.wallet.entry_label(&history[0]), Some("Invoice 17"), "the request's label stays with its address");
    let entry = &scene.wallet.requests()[0];
    assert_eq!((entry.confirmed.to_sat(), entry.waiting.to_sat()), (5 * COIN, 0));
}

#[test]
fn no_two_requests_have_the_same_address_and_none_is_handed_out_besides() {
    let mut scene = scene();
    let shown = scene.wallet.next_address().expect("written").address;
    let ask = |scene: &mut Scene| scene.wallet.request_payment(NewRequest::default()).expect("written").address;
    let mut asked: Vec<String> = (0..20).map(|_| ask(&mut scene)).collect();
    assert!(!asked.contains(&shown) && scene.wallet.next_address().expect("written").address == shown);
    assert!(scene.wallet.is_beyond_gap(), "a restore looks at 20 addresses in a row");
    pay_to(&mut scene, &shown, COIN, Some(1));
    scene.sync_to(1).expect("nothing wrong");
    assert!(!scene.wallet.is_beyond_gap());
    let next = scene.wallet.next_address().expect("written").address;
    assert!(!asked.contains(&next));
    scene.wallet.delete_request(&asked[3].to_uppercase()).expect("it is there");
    assert!(matches!(scene.wallet.delete_request(&asked[3]), Err(RequestError::NotFound { .. })));
    asked.push(ask(&mut scene));
    let count = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!((asked.len(), scene.wallet.requests().len()), (count, 20));
    let _ = scene.reopen();
}

#[test]
fn a_wallet_of_one_address_asks_for_one_payment_at_a_time() {
    let mut scene = Scene::new(KeyKind::Rsa { bits: 2048 }, &Network::demo());
    let before = scene.receive(COIN, None);
    scene.sync_to(1).expect("nothing wrong");
    let new = NewRequest { amount: Some(Amount::from_sat(2 * COIN)), ..NewRequest::default() };
    let made = scene.wallet.request_payment(new.clone()).expect("written");
    assert!(matches!(scene.wallet.request_payment(new.clone()), Err(RequestError::OnlyAddress)));
    assert_eq!(scene.wallet.next_address().expect("written").address, made.address);
    let tx = scene.records[&before].tx.clone();
    scene.tell(tx, Some(2));
    scene.sync_to(2).expect("nothing wrong");
    assert_eq!(scene.wallet.requests()[0].state, RequestState::Open, "what came before pays for something else");
    pay_to(&mut scene, &made.address, 2 * COIN, Some(3));
    scene.sync_to(3).expect("nothing wrong");
    assert_eq!(scene.wallet.requests()[0].state, RequestState::Paid);
    scene.wallet.delete_request(&made.address).expect("it is there");
    assert_eq!(scene.wallet.request_payment(new).expect("written").state, RequestState::Open);
    assert_eq!(scene.wallet.requests()[0].state, RequestState::Open);
}

#[test]
fn what_cannot_be_asked_for_is_refused() {
    let mut scene = scene();
    for new in [
        NewRequest { label: "a\nb".to_owned(), ..NewRequest::default() },
        NewRequest { message: "x".repeat(256), ..NewRequest::default() },
    ] {
        assert!(matches!(scene.wallet.request_payment(new), Err(RequestError::Text { .. })));
    }
    for lasts in [0, u64::MAX] {
        let new = NewRequest { lasts: Some(lasts), ..NewRequest::default() };
        assert!(matches!(scene.wallet.request_payment(new), Err(RequestError::Expiry)));
    }
    assert_eq!(scene.wallet.requests(), []);
}

/// A coin with Bitcoin's addresses, so that BIP329's examples belong to it.
fn like_bitcoin() -> Network {
    Network { address_prefix: "bc".to_owned(), ..Network::regtest() }
}

#[test]
fn the_examples_of_bip329_go_in_and_come_out() {
    let tx = "f91d0a8a78462bc59398f2c5d7a84fcff491c26ba54c4833478b202796c8aafd";
    let key = "0283409659355b6d1cc3c32decd5d561abaac86c37a353b52895a5e6c196d6f448";
    let xpub = "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8";
    let lines = [
        json!({"type": "tx", "ref": tx, "label": "Transaction", "origin": "wpkh([d34db33f/84'/0'/0'])"}),
        json!({"type": "addr", "ref": "bc1q34aq5drpuwy3wgl9lhup9892qp6svr8ldzyy7c", "label": "Address"}),
        json!({"type": "pubkey", "ref": key, "label": "Public Key"}),
        json!({"type": "input", "ref": format!("{tx}:0"), "label": "Input"}),
        json!({"type": "output", "ref": format!("{tx}:1"), "label": "Output", "spendable": false}),
        json!({"type": "xpub", "ref": xpub, "label": "Extended Public Key"}),
        json!({"type": "tx", "ref": "f546156d9044844e02b181026a1a407abfca62e7ea1159f87bbeaa77b4286c74",
            "label": "Account #1 Transaction", "origin": "wpkh([d34db33f/84'/0'/1'])"}),
    ];
    let file: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut scene = Scene::new(KeyKind::Words, &like_bitcoin());
    let done = scene.wallet.import_labels(&file).expect("the examples are right");
    assert_eq!(done, LabelsImported { labels: 7, frozen: 1, ..LabelsImported::default() });
    let mut scene = scene.reopen();
    let read =
        |text: &str| -> Vec<Value> { text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect() };
    let sorted = |mut lines: Vec<Value>| {
        // The origin may be left out.
        lines.iter_mut().for_each(|line| drop(line.as_object_mut().expect("an object").remove("origin")));
        lines.sort_by_key(ToString::to_string);
        lines
    };
    let out = scene.wallet.export_labels();
    assert_eq!(sorted(read(&out)), sorted(lines.to_vec()));
    let again = scene.wallet.import_labels(&out).expect("our own file");
    assert_eq!(again, LabelsImported { unchanged: 7, ..LabelsImported::default() });
    let thaw = json!({"type": "output", "ref": format!("{tx}:1"), "spendable": true});
    let done = scene.wallet.import_labels(&thaw.to_string()).expect("a good line");
    assert_eq!((done.thawed, done.labels), (1, 0));
    assert!(scene.wallet.export_labels().contains("Output") && !scene.wallet.export_labels().contains("spendable"));
}

#[test]
fn one_bad_line_leaves_all_labels_as_they_were() {
    let mut scene = scene();
    let good = json!({"type": "addr", "ref": address(&scene, 7), "label": "good"}).to_string();
    let tx = "ab".repeat(32);
    let bad = [
        "nonsense".to_owned(),
        "[]".to_owned(),
        json!({"type": "tx", "label": "x"}).to_string(),
        json!({"ref": tx, "label": "x"}).to_string(),
        json!({"type": "tx", "ref": "12", "label": "x"}).to_string(),
        json!({"type": "tx", "ref": tx, "label": 5}).to_string(),
        json!({"type": "output", "ref": format!("{tx}:0"), "spendable": "false"}).to_string(),
        json!({"type": "addr", "ref": "bc1q34aq5drpuwy3wgl9lhup9892qp6svr8ldzyy7c", "label": "x"}).to_string(),
        json!({"type": "pubkey", "ref": "02", "label": "x"}).to_string(),
        // BIP32's first test vector: a private key.
        json!({"type": "xpub", "label": "x", "ref": "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi"}).to_string(),
        "[".repeat(100_000),
    ];
    for line in &bad {
        let error = scene.wallet.import_labels(&format!("{good}\n\n{line}\n")).expect_err(line);
        let LabelsError::BadLines { lines } = &error else { panic!("{error}") };
        assert_eq!((lines.len(), lines[0].line), (1, 3), "{error}");
        assert!(error.to_string().contains("line 3: "), "{error}");
    }
    let error = scene.wallet.import_labels(&bad.join("\n")).expect_err("all of them are bad");
    assert!(
        error.to_string().contains("line 5") && !error.to_string().contains("line 6") && error.to_string().len() < 700,
        "{error}"
    );
    assert_eq!(scene.wallet.labels().count(), 0);
    assert!(matches!(
        scene.wallet.import_labels(&"\n".repeat(crate::LABELS_LIMIT + 1)),
        Err(LabelsError::TooLong { .. })
    ));
    // Types to come are passed over and counted; labels too long or with hidden characters are made fit, and counted.
    let odd = [
        good,
        json!({"type": "silent", "ref": {"x": 1}, "label": []}).to_string(),
        json!({"type": "tx", "ref": tx, "label": format!("a\tb\u{202e}{}", "x".repeat(300)), "fee": 5, "rate": {"USD": 1}}).to_string(),
        json!({"type": "tx", "ref": "cd".repeat(32), "label": ""}).to_string(),
    ];
    let done = scene.wallet.import_labels(&format!("\u{feff}{}\r\n", odd.join("\r\n"))).expect("nothing is wrong");
    assert_eq!(done, LabelsImported { labels: 2, unknown: 1, tidied: 1, unchanged: 1, ..LabelsImported::default() });
    let label = scene.wallet.label(&Labelled::Transaction(tx.parse().expect("a txid"))).expect("taken in");
    assert!(label.starts_with("a b xx") && label.chars().count() == 255, "{label}");
}

#[test]
fn labels_are_set_and_taken_away_and_outlive_the_program() {
    let mut scene = scene();
    let txid = scene.receive(COIN, Some(1));
    scene.sync_to(1).expect("nothing wrong");
    let network = scene.wallet.network().clone();
    let place = scene.wallet.addresses()[0].address.clone();
    for (typed, of) in [
        (format!("tx:{txid}"), Labelled::Transaction(txid)),
        (txid.to_string(), Labelled::Transaction(txid)),
        (format!("{txid}:0"), Labelled::Coin(OutPoint { txid, vout: 0 })),
        (place.to_uppercase(), Labelled::Address(place)),
    ] {
        assert_eq!(Labelled::parse(&typed, &network).expect(&typed), of);
        scene.wallet.set_label(of.clone(), " rent ").expect("written");
        scene = scene.reopen();
        assert_eq!(scene.wallet.label(&of), Some("rent"));
        scene.wallet.set_label(of.clone(), "").expect("written");
        assert_eq!(scene.wallet.label(&of), None);
    }
    for bad in ["tx:12", "output:12", "nonsense", "", "12:0"] {
        assert!(Labelled::parse(bad, &network).is_err(), "{bad}");
    }
    assert!(scene.wallet.set_label(Labelled::Transaction(txid), "a\u{1b}[2J").is_err());
}

#[test]
fn contacts_are_kept_by_names_that_nobody_confuses() {
    let mut scene = scene();
    let (bobs, carols) = (address(&scene, 1), address(&scene, 2));
    scene.wallet.add_contact("Bob Miller", &bobs.to_uppercase(), "the baker").expect("a good contact");
    assert_eq!(scene.wallet.contact("bob miller").map(|contact| contact.address.as_str()), Some(bobs.as_str()));
    assert_eq!(scene.wallet.contact_at(&bobs), Some("Bob Miller"));
    let mut add = |name: &str, address: &str| scene.wallet.add_contact(name, address, "").expect_err(name);
    assert!(matches!(add("BOB MILLER", &carols), ContactError::Exists { .. }));
    assert!(matches!(add("B0b MiIler", &carols), ContactError::LooksLike { other, .. } if other == "Bob Miller"));
    assert!(matches!(add(" ", &carols), ContactError::NameMissing));
    assert!(matches!(add(&carols, &carols), ContactError::NameIsAddress { .. }));
    assert!(matches!(add("mycoin:carol", &carols), ContactError::NameIsAddress { .. }));
    assert!(matches!(add("Carol\u{200b}", &carols), ContactError::NameText(_)));
    assert!(matches!(add("Carol", "bc1q34aq5drpuwy3wgl9lhup9892qp6svr8ldzyy7c"), ContactError::Address(_)));
    assert!(matches!(add("Carol", ""), ContactError::Address(_)));
    scene.wallet.rename_contact("bob miller", "bob").expect("free");
    scene.wallet.rename_contact("bob", "Bob").expect("the same one");
    scene.wallet.add_contact("Carol", &carols, "").expect("a good contact");
    assert!(matches!(scene.wallet.rename_contact("Carol", "bob"), Err(ContactError::Exists { .. })));
    assert!(matches!(scene.wallet.rename_contact("Dora", "Eve"), Err(ContactError::NotFound { .. })));
    let mut scene = scene.reopen();
    assert_eq!(scene.wallet.contacts().map(|(name, _)| name).collect::<Vec<_>>(), ["Bob", "Carol"]);
    assert_eq!(scene.wallet.remove_contact("bob").expect("it is there").note, "the baker");
    assert!(scene.wallet.contact("Bob").is_none());
}

#[test]
fn contacts_go_out_and_come_in_as_json_and_csv() {
    let mut scene = scene();
    let names = ["Bob", "=cmd()", "Carol \"the cook\", of Rome", "家族"];
    for (byte, name) in (1..).zip(names) {
        let place = address(&scene, byte);
        scene.wallet.add_contact(name, &place, "+1 note").expect("a good contact");
    }
    let (json, csv) = (scene.wallet.contacts_json().to_string(), scene.wallet.contacts_csv());
    assert!(csv.contains("\"'=cmd()\"") && csv.contains("\"'+1 note\""), "{csv}");
    for text in [&json, &csv] {
        let mut other = self::scene();
        assert_eq!(other.wallet.import_contacts(text).expect("our own file"), 4);
        assert_eq!(other.wallet.notes.contacts, scene.wallet.notes.contacts);
        assert_eq!(other.wallet.import_contacts(text).expect("our own file"), 0);
    }
    // An address that changes, a look-alike within the file, an address of another coin: nothing is taken in.
    let (new, first) = (address(&scene, 9), address(&scene, 1));
    for bad in [
        format!("Bob,{new}"),
        format!("Zoe,{new}\nZ0e,{first}"),
        "Zoe,bc1q34aq5drpuwy3wgl9lhup9892qp6svr8ldzyy7c".to_owned(),
    ] {
        let error = scene.wallet.import_contacts(&format!("name,address\nDora,{new}\n{bad}\n")).expect_err(&bad);
        assert!(matches!(error, ContactsError::BadLines { .. }) && error.to_string().contains("line "), "{error}");
    }
    for bad in ["", "[1]", "[{\"name\": 5}]", "a,b\nc,d", "name,address\n\"Zoe"] {
        assert!(matches!(scene.wallet.import_contacts(bad), Err(ContactsError::Form { .. })), "{bad}");
    }
    assert_eq!(scene.wallet.contacts().count(), 4);
}

#[test]
fn the_history_is_searched_and_filtered() {
    let mut scene = scene();
    let first = scene.receive(5 * COIN, Some(1));
    scene.sync_to(1).expect("nothing wrong");
    let second = scene.receive(COIN / 4, Some(2));
    let reward = scene.reward(50 * COIN, 3);
    scene.sync_to(3).expect("nothing wrong");
    let sent = scene.pay(COIN).compute_txid();
    let to = address(&scene, 9);
    scene.wallet.add_contact("Bob", &to, "").expect("a good contact");
    scene.wallet.set_label(Labelled::Coin(OutPoint { txid: second, vout: 0 }), "Rent of MAY").expect("written");
    let find = |text: Option<&str>, change: fn(&mut HistoryFilter)| -> Vec<Txid> {
        let mut filter = HistoryFilter { text: text.map(str::to_owned), ..HistoryFilter::default() };
        change(&mut filter);
        scene.wallet.find(&filter).into_iter().map(|entry| entry.txid).collect()
    };
    let text = |text: &str| find(Some(text), |_| {});
    assert_eq!(text(" rent of may"), [second]);
    assert_eq!(text("bOB"), [sent]);
    assert_eq!(text(&to[..20]), [sent]);
    assert_eq!(text(&first.to_string()[..16]), [first]);
    assert_eq!(
        (text("5"), text("0.25"), text("-1.0"), text("50.00000000")),
        (vec![first], vec![second], vec![sent], vec![reward])
    );
    assert_eq!(text("nothing of that kind"), []);
    assert_eq!(find(None, |filter| filter.kind = Some(EntryKind::Reward)), [reward]);
    assert_eq!(find(None, |filter| filter.kind = Some(EntryKind::Sent)), [sent]);
    assert_eq!(find(None, |filter| filter.state = Some(EntryState::Immature { blocks_left: 1 })), [reward]);
    assert_eq!(find(None, |filter| filter.state = Some(EntryState::Waiting)), [sent]);
    assert_eq!(find(None, |filter| (filter.since, filter.until) = (Some(500_002), Some(500_003))), [second]);
    assert_eq!(find(None, |filter| filter.limit = Some(2)), [sent, reward]);
    let parties: Vec<_> =
        scene.wallet.history().iter().map(|entry| scene.wallet.entry_parties(entry).count()).collect();
    assert_eq!(parties, [1, 0, 0, 0]);
}

#[test]
fn the_table_of_the_history_reads_back_and_runs_nothing() {
    let mut scene = scene();
    let first = scene.receive(5 * COIN, Some(1));
    scene.sync_to(1).expect("nothing wrong");
    scene.pay(COIN);
    scene.wallet.set_label(Labelled::Transaction(first), "=HYPERLINK(\"x\"), \"so\"").expect("written");
    let history = scene.wallet.history();
    let table =
        crate::csv::parse(&scene.wallet.history_csv(&history), crate::csv::Blanks::Refused).expect("our own table");
    let [(_, names), (_, sent), (_, received)] = &table[..] else { panic!("two entries: {table:?}") };
    let cell = |row: &[String], name: &str| row[names.iter().position(|other| other == name).expect(name)].clone();
    assert_eq!((cell(received, "txid"), cell(received, "amount")), (first.to_string(), "5.00000000".to_owned()));
    assert_eq!(cell(received, "label"), "'=HYPERLINK(\"x\"), \"so\"");
    assert_eq!(cell(received, "time"), "1970-01-06T18:53:21Z");
    assert_eq!(
        (cell(sent, "kind"), cell(sent, "state"), cell(sent, "height")),
        ("sent".into(), "waiting".into(), String::new())
    );
    assert!(cell(sent, "amount").starts_with("-1.000"), "{}", cell(sent, "amount"));
    let value = scene.wallet.entry_json(&history[1]);
    assert_eq!((&value["label"], &value["height"]), (&json!("=HYPERLINK(\"x\"), \"so\""), &json!(1)));
    assert_eq!(value["amount"].to_string(), "5.00000000");
}

#[test]
fn a_transaction_in_full_says_whose_each_part_is() {
    let mut scene = scene();
    scene.receive(5 * COIN, Some(1));
    scene.sync_to(1).expect("nothing wrong");
    let tx = scene.pay(COIN);
    let detail = scene.wallet.transaction_detail(tx.compute_txid()).expect("it is ours");
    let owners = |parts: &[crate::DetailPart]| parts.iter().map(|part| part.owner).collect::<Vec<_>>();
    assert_eq!(owners(&detail.inputs), [Owner::Ours]);
    let mut outputs = owners(&detail.outputs);
    outputs.sort_by_key(|owner| owner.word());
    assert_eq!(outputs, [Owner::Others, Owner::OurChange]);
    let sum = |parts: &[crate::DetailPart]| {
        parts.iter().filter_map(|part| part.amount).fold(Amount::ZERO, |sum, amount| sum + amount)
    };
    assert_eq!(Some(sum(&detail.inputs) - sum(&detail.outputs)), detail.entry.fee);
    assert_eq!((detail.vsize, detail.block), (tx.vsize() as u64, None));
    assert_eq!(detail.fee_rate, Some(FeeRate::of(detail.entry.fee.expect("known"), detail.vsize)));
    let first = scene.wallet.history()[1].txid;
    let detail = scene.wallet.transaction_detail(first).expect("it is ours");
    assert_eq!((owners(&detail.inputs), detail.block), (vec![Owner::Unknown], Some(scene.block(1))));
    assert!(scene.wallet.transaction_detail(Txid::all_zeros()).is_none());
}
