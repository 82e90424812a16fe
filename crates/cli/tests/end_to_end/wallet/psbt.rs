//! Payments that one computer prepares and another signs, which is never online; and payments that several sign.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mycoin_primitives::ScriptBuf;
use mycoin_testkit::process::{Finished, Program, run};
use serde_json::Value;

use crate::home::{Home, PATIENCE, binary, units};

const COIN: u64 = 100_000_000;

/// A computer with a running coin, and one that only ever sees files.
struct Pair {
    hot: Home,
    cold: Home,
    _program: Program,
}

impl Pair {
    fn new() -> Self {
        let (hot, cold) = (Home::new(), Home::new());
        let program = hot.start(&["demo", "--free-ports", "--no-app"]);
        program.wait_until_ready(PATIENCE);
        Self { hot, cold, _program: program }
    }

    fn file(&self, name: &str) -> String {
        self.hot.path().join(name).display().to_string()
    }

    /// Gives a wallet 50 coins.
    fn fund(&self, wallet: &str) {
        self.hot.json(&["wallet", "faucet", wallet]);
        self.hot.wait_for_balance(wallet, "spendable", 50 * COIN);
    }

    /// Prepares a payment of five coins into a file.
    fn prepare(&self, wallet: &str, to: &str, file: &str) -> Value {
        let arguments = ["wallet", "psbt", "create", wallet, "--to", to, "--amount", "5", "--fee-rate", "2"];
        self.hot.json(&[&arguments[..], &["--to-file", file]].concat())
    }

    fn sign(home: &Home, wallet: &str, psbt: &str, to: &str) -> Value {
        let password = home.password_file();
        let arguments = ["wallet", "psbt", "sign", wallet, psbt, "--yes", "--password-file", &password];
        home.json(&[&arguments[..], &["--to-file", to]].concat())
    }
}

fn address(home: &Home, wallet: &str) -> String {
    home.json(&["wallet", "address", wallet])["address"].as_str().expect("an address").to_owned()
}

fn create(home: &Home, name: &str, options: &[&str]) {
    let password = home.password_file();
    home.json(&[&["wallet", "create", name, "--yes", "--password-file", &password], options].concat());
}

/// Runs a command with something on standard input.
fn with_input(home: &Home, arguments: &[&str], input: &str) -> Finished {
    let dir = home.dir().display().to_string();
    run(&binary(), &[arguments, &["--dir", &dir]].concat(), input)
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().filter_map(Value::as_str).collect()
}

fn key_file(name: &str) -> String {
    let keys = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../wallet/tests/files/keys"));
    keys.join(name).display().to_string()
}

#[test]
fn a_watching_wallet_prepares_and_a_wallet_that_is_never_online_signs() {
    let pair = Pair::new();
    let (hot, cold) = (&pair.hot, &pair.cold);
    create(cold, "vault", &[]);
    let descriptors = cold.json(&["wallet", "descriptors", "vault"])["descriptors"].clone();
    create(hot, "watch", &["--watch", &texts(&descriptors).join("\n")]);
    create(hot, "shop", &[]);
    assert_eq!(address(hot, "watch"), address(cold, "vault"));
    pair.fund("watch");

    // It can look and prepare, and not pay.
    let shop = address(hot, "shop");
    let (code, _) = hot.refused(&["wallet", "send", "watch", "--to", &shop, "--amount", "5", "--yes"]);
    assert_eq!(code, "wallet/watch-only");
    let file = pair.file("payment.psbt");
    let created = pair.prepare("watch", &shop, &file);
    assert_eq!(created["file"], file.as_str());
    assert_eq!(created["review"]["complete"], false);
    assert!(texts(&created["review"]["warnings"]).is_empty(), "{created}");
    let bytes = fs::read(&file).expect("it was just written");
    assert!(bytes.starts_with(b"psbt\xff"));
    assert_eq!(fs::metadata(&file).expect("it stands").permissions().mode() & 0o777, 0o600);

    // An existing file stays as it is.
    let again =
        ["wallet", "psbt", "create", "watch", "--to", &shop, "--amount", "1", "--fee-rate", "2", "--to-file", &file];
    assert_eq!(hot.refused(&again).0, "files/exists");
    assert_eq!(fs::read(&file).expect("it stands"), bytes);

    // Whoever has no wallet sees amounts and addresses; the wallet knows its change.
    let stranger = cold.json(&["wallet", "psbt", "inspect", &file]);
    assert!(stranger["outputs"].as_array().expect("a list").iter().all(|output| output["role"].is_null()));
    let fee = units(&stranger["fee"]);
    assert!(fee > 0 && fee < COIN / 1_000, "{stranger}");
    let text = created["psbt"].as_str().expect("a text");
    for (arguments, input) in [
        (vec!["wallet", "psbt", "inspect", "--wallet", "vault", "--json"], text.to_owned()),
        (
            vec!["wallet", "psbt", "inspect", "-", "--wallet", "vault", "--json"],
            format!("{}\n{}\n", &text[..80], &text[80..]),
        ),
        (vec!["wallet", "psbt", "inspect", text, "--wallet", "vault", "--json"], String::new()),
    ] {
        let seen = with_input(cold, &arguments, &input);
        assert_eq!(seen.code, 0, "{}{}", seen.stdout, seen.stderr);
        let review = seen.json();
        let mut roles: Vec<_> =
            review["outputs"].as_array().expect("a list").iter().map(|o| o["role"].clone()).collect();
        roles.sort_by_key(ToString::to_string);
        assert_eq!(roles, ["change", "payment"]);
        assert_eq!(
            (review["txid"].as_str(), review["balance_change"].to_string()),
            (stranger["txid"].as_str(), format!("-5.{fee:08}"),)
        );
    }

    // A thief's output in place of the change, under the change's own derivation.
    let mut bent = mycoin_primitives::bitcoin::Psbt::deserialize(&bytes).expect("our own file");
    let review = cold.json(&["wallet", "psbt", "inspect", &file, "--wallet", "vault"]);
    let roles = review["outputs"].as_array().expect("a list").iter().map(|output| output["role"] == "change");
    let change = roles.into_iter().position(|is_change| is_change).expect("there is change");
    bent.unsigned_tx.output[change].script_pubkey = ScriptBuf::from_bytes([&[0, 20][..], &[4; 20]].concat());
    let bent_file = pair.file("bent.psbt");
    fs::write(&bent_file, bent.serialize()).expect("our folder");
    let review = cold.json(&["wallet", "psbt", "inspect", &bent_file, "--wallet", "vault"]);
    assert_eq!(texts(&review["warnings"]), ["false-change"], "{review}");
    assert_eq!(review["outputs"][change]["role"], "payment");
    let warned = cold.run(&["wallet", "psbt", "inspect", &bent_file, "--wallet", "vault"]);
    assert!(warned.stdout.contains("Look twice: it calls output"), "{}", warned.stdout);

    // The review comes before the password is asked for, which nobody can answer here.
    let signed_file = pair.file("signed.psbt");
    let unanswered = cold.run(&["wallet", "psbt", "sign", "vault", &file, "--yes", "--to-file", &signed_file]);
    assert_eq!(unanswered.code, 2);
    let (review, question) = unanswered.stderr.split_once("cannot be asked").expect("it asks for the password");
    assert!(
        review.contains("Fee: ") && review.contains("your change") && review.contains("5.00000000 DEMO, "),
        "{review}"
    );
    assert!(question.contains("--password-file"), "{question}");
    let wrong = pair.file("wrong-password");
    fs::write(&wrong, "not it").expect("our folder");
    let attempt =
        ["wallet", "psbt", "sign", "vault", &file, "--yes", "--password-file", &wrong, "--to-file", &signed_file];
    assert_eq!(cold.refused(&attempt).0, "wallet/wrong-password");
    assert!(!Path::new(&signed_file).exists());

    let signed = Pair::sign(cold, "vault", &file, &signed_file);
    assert_eq!((signed["new_signatures"].as_u64(), signed["complete"].as_bool()), (Some(1), Some(true)));
    assert_eq!(hot.refused(&["wallet", "psbt", "finalise", "watch", &file]).0, "psbt/incomplete");
    let finished = hot.json(&["wallet", "psbt", "finalise", "watch", &signed_file]);
    let sent = hot.json(&["wallet", "psbt", "broadcast", "watch", &signed_file]);
    assert_eq!((&finished["txid"], &stranger["txid"]), (&sent["txid"], &sent["txid"]));
    hot.wait_for_balance("shop", "waiting", 5 * COIN);
    assert_eq!(hot.balance("watch", "total"), 45 * COIN - fee);

    // By pipes: the second payment never becomes a file.
    let piped = hot.run(&["wallet", "psbt", "create", "watch", "--to", &shop, "--amount", "1", "--fee-rate", "2"]);
    assert!(piped.stdout.starts_with("cHNidP") && piped.stderr.contains("Pays:"), "{}{}", piped.stdout, piped.stderr);
    let password = cold.password_file();
    let signing = ["wallet", "psbt", "sign", "vault", "--yes", "--password-file", &password];
    let signed = with_input(cold, &signing, &piped.stdout);
    assert_eq!((signed.code, signed.stdout.lines().count()), (0, 1), "{}", signed.stderr);
    let sent = with_input(hot, &["wallet", "psbt", "broadcast", "watch", "-"], &signed.stdout);
    assert!(sent.code == 0 && sent.stdout.starts_with("Sent."), "{}{}", sent.stdout, sent.stderr);
    hot.wait_for_balance("shop", "total", 6 * COIN);

    // What is no PSBT, and what is one cut short.
    for (input, code) in [("hello", "psbt/not-a-psbt"), (&piped.stdout[..60], "psbt/damaged")] {
        let refused = with_input(hot, &["wallet", "psbt", "inspect", "--json"], input);
        assert_eq!((refused.code, refused.json()["error"]["code"].as_str()), (1, Some(code)));
    }
    assert_eq!(hot.refused(&["wallet", "psbt", "inspect", "/nowhere/x.psbt"]).0, "psbt/unreadable");
    let both = hot.refused(&["wallet", "psbt", "sign", "watch", "-", "--yes", "--password-file", "-"]);
    assert_eq!(both.0, "usage");
}

#[test]
fn an_rsa_key_that_is_never_online_signs_through_proprietary_fields() {
    let pair = Pair::new();
    let (hot, cold) = (&pair.hot, &pair.cold);
    create(cold, "vault", &["--keys", "rsa-import", "--import", &key_file("pkcs8.pem")]);
    create(hot, "watch", &["--keys", "watch", "--import", &key_file("public.pem")]);
    create(hot, "shop", &[]);
    assert_eq!(address(hot, "watch"), address(cold, "vault"));
    pair.fund("watch");
    let [file, signed] = ["payment.psbt", "signed.psbt"].map(|name| pair.file(name));
    pair.prepare("watch", &address(hot, "shop"), &file);
    // Key type, length and text of the identifier, subtype.
    let has = |file: &str, field: &[u8]| {
        fs::read(file).expect("it was just written").windows(field.len()).any(|part| part == field)
    };
    let (key, signature) = (b"\xfc\x06mycoin\x00", b"\xfc\x06mycoin\x01");
    assert!(has(&file, key) && !has(&file, signature));
    let done = Pair::sign(cold, "vault", &file, &signed);
    assert_eq!((done["new_signatures"].as_u64(), done["complete"].as_bool()), (Some(1), Some(true)));
    assert!(has(&signed, key) && has(&signed, signature));
    hot.json(&["wallet", "psbt", "broadcast", "watch", &signed]);
    hot.wait_for_balance("shop", "waiting", 5 * COIN);
}

#[test]
fn two_of_three_sign_apart_and_their_copies_are_combined() {
    let pair = Pair::new();
    let (hot, cold) = (&pair.hot, &pair.cold);
    create(hot, "anna", &[]);
    create(cold, "ben", &[]);
    create(cold, "carla", &[]);
    let key = |home: &Home, name: &str| {
        let password = home.password_file();
        let told = home.json(&["wallet", "cosigner", name, "--password-file", &password]);
        told["cosigner"].as_str().expect("a key").to_owned()
    };
    let keys = [key(hot, "anna"), key(cold, "ben"), key(cold, "carla")];
    let team = |home: &Home, own: &str| {
        let mut options = vec!["--keys", "multisig", "--required", "2", "--key-wallet", own];
        options.extend(keys.iter().flat_map(|key| ["--cosigner", key]));
        create(home, "team", &options);
    };
    team(hot, "anna");
    team(cold, "ben");
    create(hot, "shop", &[]);
    assert_eq!(address(hot, "team"), address(cold, "team"));
    pair.fund("team");

    let [file, annas, bens, both] = ["payment.psbt", "anna.psbt", "ben.psbt", "both.psbt"].map(|name| pair.file(name));
    pair.prepare("team", &address(hot, "shop"), &file);
    let one = Pair::sign(hot, "team", &file, &annas);
    assert_eq!((one["new_signatures"].as_u64(), one["complete"].as_bool()), (Some(1), Some(false)));
    let review = cold.json(&["wallet", "psbt", "inspect", &annas, "--wallet", "team"]);
    let input = &review["inputs"][0];
    assert_eq!((input["required"].as_u64(), texts(&input["signed_by"]).len()), (Some(2), 1), "{review}");
    assert_eq!(hot.refused(&["wallet", "psbt", "broadcast", "team", &annas]).0, "psbt/incomplete");

    // Each signed a copy of the unsigned one.
    let two = Pair::sign(cold, "team", &file, &bens);
    assert_eq!(two["complete"], false);
    let combined = hot.json(&["wallet", "psbt", "combine", &annas, &bens, "--to-file", &both]);
    assert_eq!(combined["complete"], true);
    let other = pair.file("other.psbt");
    let shop = address(hot, "shop");
    let another = ["wallet", "psbt", "create", "team", "--to", &shop, "--amount", "6", "--to-file", &other];
    hot.json(&another);
    assert_eq!(hot.refused(&["wallet", "psbt", "combine", &annas, &other]).0, "psbt/other-payment");
    let sent = hot.json(&["wallet", "psbt", "broadcast", "team", &both]);
    assert_eq!(sent["txid"], combined["txid"]);
    hot.wait_for_balance("shop", "waiting", 5 * COIN);
}
