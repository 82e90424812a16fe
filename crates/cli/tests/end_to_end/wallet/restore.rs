//! Wallets that come back, and what is said when they do not.

use mycoin_testkit::process::run;

use super::create::{create, fill, write};
use crate::home::{Home, PATIENCE, binary};
use crate::terminal::Terminal;

const COIN: u64 = 100_000_000;

#[test]
fn the_doctor_finds_an_account_that_nobody_remembers() {
    let home = Home::new();
    let demo = home.start(&["demo", "--free-ports", "--no-app"]);
    demo.wait_until_ready(PATIENCE);
    let (password, passphrase) = (home.password_file(), write(&home, "passphrase", "TREZOR\n"));
    let old = create(&home, "old", &["--keys", "segwit", "--account", "1", "--passphrase-file", &passphrase]);
    let words: Vec<&str> = old["words"].as_array().expect("words").iter().filter_map(|word| word.as_str()).collect();
    let words = write(&home, "words", &words.join(" "));
    fill(&home, "old");

    let always = ["wallet", "restore", "new", "--words-file", &words, "--password-file", &password];
    let restore = |options: &[&str]| home.json(&[&always[..], options].concat());
    // Without the passphrase nothing is found, and it says what it looked at and what to try.
    let nothing = restore(&["--dry-run"]);
    assert!(nothing["chosen"].is_null() && nothing["dry_run"] == true, "{nothing}");
    let looked = &nothing["looked_at"][0];
    assert_eq!(looked["scripts"], serde_json::json!(["taproot", "segwit"]));
    assert!(looked["addresses"].as_u64() > Some(1_000) && looked["gap"] == 200, "{looked}");
    assert!(home.run(&["wallet", "list"]).stdout.lines().all(|line| !line.starts_with("new ")), "nothing was made");
    // With it, by itself.
    let found = restore(&["--passphrase-file", &passphrase]);
    assert_eq!((&found["chosen"]["scripts"], &found["chosen"]["account"]), (&"segwit".into(), &1.into()), "{found}");
    assert_eq!((&found["keys"], &found["transactions"]), (&"segwit".into(), &1.into()), "{found}");
    assert_eq!(home.balance("new", "total"), 50 * COIN);
    // Everything about it for a person who left the passphrase out.
    let wrong = write(&home, "wrong", "trezor\n");
    let told = home.run(&[
        "wallet",
        "restore",
        "empty",
        "--words-file",
        &words,
        "--passphrase-file",
        &wrong,
        "--password-file",
        &password,
    ]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    for part in [
        "with the passphrase",
        "without a passphrase",
        "taproot, segwit",
        "Nothing was found",
        "Check the passphrase",
        "--network",
    ] {
        assert!(told.stdout.contains(part), "{part}: {}", told.stdout);
    }
    // A person is asked for the passphrase.
    let mut terminal =
        Terminal::start(&home, &["wallet", "restore", "asked", "--words-file", &words, "--password-file", &password]);
    terminal.answer("Passphrase of the recovery words", "TREZOR");
    let (code, shown) = terminal.end();
    assert!(code == 0 && shown.contains("segwit account 1") && shown.contains("50.00000000"), "{shown}");
}

#[test]
fn descriptors_and_key_files_bring_their_coins_back() {
    let home = Home::new();
    let demo = home.start(&["demo", "--free-ports", "--no-app"]);
    demo.wait_until_ready(PATIENCE);
    let password = home.password_file();
    let sesame = write(&home, "sesame", "open sesame\n");
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/../wallet/tests/files/keys/");
    create(&home, "taproot", &[]);
    create(&home, "rsa", &["--import", &format!("{keys}pkcs8.pem")]);
    fill(&home, "taproot");
    fill(&home, "rsa");
    let descriptor = home.json(&["wallet", "descriptors", "taproot"])["descriptors"][0].to_string();
    let descriptor = write(&home, "descriptor", descriptor.trim_matches('"'));
    let prototype = format!("{keys}prototype.json");
    let restore = |name: &str, options: &[&str]| {
        home.json(&[&["wallet", "restore", name, "--password-file", &password], options].concat())
    };
    let watched = restore("watched", &["--descriptor-file", &descriptor]);
    assert_eq!((&watched["signs"], &watched["transactions"]), (&false.into(), &1.into()), "{watched}");
    let imported = restore("imported", &["--import", &format!("{keys}pkcs1.pem")]);
    assert_eq!((&imported["signs"], &imported["transactions"]), (&true.into(), &1.into()), "{imported}");
    let old = restore("prototype", &["--import", &prototype, "--import-password-file", &sesame]);
    assert!(old["signs"] == true && old["transactions"] == 0, "{old}");
    assert!(old["next"].as_array().is_some_and(|next| next.len() >= 3), "never just nothing: {old}");
    for wallet in ["watched", "imported"] {
        assert_eq!(home.balance(wallet, "total"), 50 * COIN, "{wallet}");
    }
}

#[test]
fn words_with_a_mistake_are_explained() {
    let home = Home::new();
    let password = home.password_file();
    let refused = |words: &str| {
        let dir = home.dir().display().to_string();
        let arguments =
            ["wallet", "restore", "x", "--words-file", "-", "--no-scan", "--password-file", &password, "--dir", &dir];
        let finished = run(&binary(), &arguments, words);
        assert_eq!(finished.code, 1, "{}{}", finished.stdout, finished.stderr);
        finished.stderr
    };
    let abandon = "abandon ".repeat(11);
    let misspelt = refused(&format!("{abandon}abuot"));
    assert!(misspelt.contains("Word 12") && misspelt.contains("Nearest in the list: about."), "{misspelt}");
    let swapped = refused(&format!("{abandon}zoo"));
    assert!(swapped.contains("belong together") && swapped.contains("checksum"), "{swapped}");
    assert!(refused("zoo zoo").contains("2 words were given"));
    let foreign = refused(
        "abaisser abaisser abaisser abaisser abaisser abaisser abaisser abaisser abaisser abaisser abaisser abeille",
    );
    assert!(foreign.contains("French"), "{foreign}");
    // Where no proxy answers, nobody is kept from the wallet.
    let words = write(&home, "words", &format!("{abandon}about"));
    let always = ["wallet", "restore", "x", "--words-file", &words, "--password-file", &password];
    let finished = home.run(&[&always[..], &["--proxy", "http://127.0.0.1:1"]].concat());
    assert!(finished.code == 1 && finished.stderr.contains("--no-scan"), "{}", finished.stderr);
    let made = home.json(&[&always[..], &["--no-scan"]].concat());
    assert!(
        made["scanned"] == false && made["next"][0].as_str().is_some_and(|next| next.contains("balance")),
        "{made}"
    );
}
