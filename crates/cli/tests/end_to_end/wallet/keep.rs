//! Wallets as files: locks, names, passwords, backups.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::create::{create, fill, write};
use crate::home::{Home, PATIENCE};
use crate::terminal::Terminal;

const COIN: u64 = 100_000_000;

fn files(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.dir().join("demo/wallets")).expect("the folder of wallets");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with("headers") && !name.starts_with("miner."));
    names.sort();
    names
}

#[test]
fn a_wallet_is_opened_locked_renamed_and_deleted() {
    let home = Home::new();
    let password = home.password_file();
    create(&home, "alice", &[]);
    create(&home, "alice.b", &[]);
    let address = |name: &str| home.json(&["wallet", "address", name])["address"].clone();
    let (first, neighbour) = (address("alice"), address("alice.b"));

    // Locked, nobody looks without the password; with it once, it stays locked.
    home.json(&["wallet", "lock", "alice"]);
    let locked = home.run(&["wallet", "address", "alice"]);
    assert!(locked.code == 2 && locked.stderr.contains("standard input is no terminal"), "{}", locked.stderr);
    assert_eq!(home.json(&["wallet", "address", "alice", "--password-file", &password])["address"], first);
    assert_eq!(home.run(&["wallet", "address", "alice"]).code, 2);
    // Open for a while, it locks itself.
    let opened = home.json(&["wallet", "open", "alice", "--for", "2s", "--password-file", &password]);
    assert_eq!(opened["locks_in"], 2);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(home.run(&["wallet", "address", "alice"]).code, 2);
    assert!(!files(&home).contains(&"alice.view".to_owned()), "the key is gone as well");
    home.json(&["wallet", "open", "alice", "--for", "1h", "--password-file", &password]);
    assert_eq!(address("alice"), first);
    let list = home.json(&["wallet", "list"]);
    assert!(list[0]["locked"] == false && list[0]["locks_at"].is_u64() && list[1]["locks_at"].is_null(), "{list}");

    // Another name, under which it is open as before.
    let (code, _) = home.refused(&["wallet", "rename", "alice", "alice.b"]);
    assert_eq!(code, "wallet/exists");
    home.json(&["wallet", "rename", "alice", "carol"]);
    assert_eq!((address("carol"), address("alice.b")), (first, neighbour.clone()));
    assert_eq!(home.refused(&["wallet", "address", "alice"]).0, "wallet/not-found");

    // Deleting asks for the name.
    assert_eq!(home.refused(&["wallet", "delete", "carol", "--confirm", "Carol"]).0, "wallet/not-confirmed");
    assert_eq!(home.run(&["wallet", "delete", "carol"]).code, 2);
    let mut terminal = Terminal::start(&home, &["wallet", "delete", "carol"]);
    terminal.answer("Type the wallet's name to delete it (carol):", "carol");
    let (code, shown) = terminal.end();
    assert!(code == 0 && shown.contains("carol is deleted"), "{shown}");
    assert_eq!(files(&home), ["alice.b.lock", "alice.b.view", "alice.b.wallet"]);
    assert_eq!(address("alice.b"), neighbour);
    assert_eq!(home.refused(&["wallet", "delete", "carol", "--confirm", "carol"]).0, "wallet/not-found");
}

#[test]
fn a_backup_brings_everything_back() {
    let home = Home::new();
    let demo = home.start(&["demo", "--free-ports", "--no-app"]);
    demo.wait_until_ready(PATIENCE);
    let password = home.password_file();
    create(&home, "alice", &["--keys", "segwit"]);
    fill(&home, "alice");
    let first = home.path().join("first.backup");
    let first = first.display().to_string();
    home.json(&["wallet", "backup", "alice", "--to", &first]);
    assert_eq!(fs::metadata(&first).expect("made").permissions().mode() & 0o777, 0o600);
    assert_eq!(home.refused(&["wallet", "backup", "alice", "--to", &first]).0, "files/exists");
    let test = |file: &str, name: &str| home.json(&["wallet", "test-backup", file, name, "--password-file", &password]);
    let whole = test(&first, "alice");
    assert_eq!((&whole["good"], &whole["signs"], &whole["transactions"]), (&true.into(), &true.into(), &1.into()));
    assert_eq!(whole["differences"], serde_json::json!([]), "{whole}");

    // An older one says what it lacks; another wallet's would not do; a torn one is damaged; a wrong password is that.
    home.json(&["wallet", "faucet", "alice"]);
    home.wait_for_balance("alice", "total", 100 * COIN);
    let older = test(&first, "alice");
    assert!(
        older["good"] == true && older["differences"].to_string().contains("1 of the wallet's transactions"),
        "{older}"
    );
    create(&home, "bob", &[]);
    let refused = |arguments: &[&str]| home.refused(&[&["wallet", "test-backup"], arguments].concat()).0;
    assert_eq!(refused(&[&first, "bob", "--password-file", &password]), "backup/would-not-do");
    let wrong = write(&home, "wrong", "something else");
    assert_eq!(refused(&[&first, "--password-file", &wrong]), "wallet/wrong-password");
    let mut bytes = fs::read(&first).expect("ours");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let torn = home.path().join("torn.backup");
    fs::write(&torn, &bytes).expect("our folder");
    assert_eq!(refused(&[&torn.display().to_string(), "--password-file", &password]), "wallet/damaged");

    // The password changes; the backup keeps the old one, and brings all of it back.
    let new = write(&home, "new", "an entirely different one\n");
    let change = |old: &str| {
        ["wallet", "password", "alice", "--password-file", old, "--new-password-file", &new].map(str::to_owned)
    };
    let arguments = change(&wrong);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(home.refused(&arguments).0, "wallet/wrong-password");
    let arguments = change(&password);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    home.json(&arguments);
    assert_eq!(home.balance("alice", "total"), 100 * COIN, "it stays open for viewing");
    assert_eq!(home.refused(&["wallet", "open", "alice", "--password-file", &password]).0, "wallet/wrong-password");
    home.json(&["wallet", "open", "alice", "--password-file", &new]);
    home.json(&["wallet", "delete", "alice", "--confirm", "alice"]);
    let back = home.json(&["wallet", "restore", "alice", "--backup", &first, "--password-file", &password]);
    assert_eq!((&back["keys"], &back["transactions"]), (&"segwit".into(), &2.into()), "{back}");
    assert_eq!(home.balance("alice", "total"), 100 * COIN);
    assert_eq!(test(&first, "alice")["good"], true);
}
