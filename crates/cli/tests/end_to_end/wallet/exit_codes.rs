//! Every command of `mycoin wallet` ends with 0 where all went well, 1 where it failed, and 2 where it was used wrongly.

use std::fs;

use mycoin_primitives::bitcoin::Psbt;
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::{Amount, OutPoint, ScriptBuf, Transaction, TxIn, TxOut};
use mycoin_testkit::process::run;

use crate::home::{Home, binary};

const TXID: &str = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b";
const COIN: &str = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b:0";

/// The commands below `path`, those below them instead where there are any.
fn commands(path: &[String]) -> Vec<Vec<String>> {
    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = run(&binary(), &arguments, "");
    assert_eq!(help.code, 0, "{path:?}: {}", help.stderr);
    let Some((_, list)) = help.stdout.split_once("\nCommands:\n") else { return vec![path.to_vec()] };
    // Where the wallet's name stands before what is to be done, the command is one.
    if help.stdout.contains("<NAME> <COMMAND>") {
        return vec![path.to_vec()];
    }
    let list = list.split("\n\n").next().unwrap_or_default();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let inner = names.filter_map(|line| line.split_whitespace().next());
    inner.flat_map(|name| commands(&[path, &[name.to_owned()]].concat())).collect()
}

/// What commands take that is right.
struct Given {
    password: String,
    psbt: String,
    address: String,
}

/// A payment that spends a coin which nobody knows.
fn some_psbt() -> Vec<u8> {
    let spent = OutPoint { txid: TXID.parse().expect("an id"), vout: 0 };
    let input = vec![TxIn { previous_output: spent, ..TxIn::default() }];
    let output = vec![TxOut { value: Amount::from_sat(1_000), script_pubkey: ScriptBuf::new() }];
    let tx = Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output };
    Psbt::from_unsigned_tx(tx).expect("unsigned").serialize()
}

/// What stands after a command that is used rightly, but for a wallet that there is not; `None` where it needs no wallet.
fn for_a_wallet_that_is_not<'a>(command: &str, given: &'a Given) -> Option<Vec<&'a str>> {
    const NAME: &str = "nobody";
    let Given { password, psbt, address } = given;
    let with_password = ["--password-file", password];
    Some(match command {
        "create" | "restore" | "list" | "test-backup" | "verify-message" | "psbt combine" => return None,
        "rename" => vec![NAME, "somebody"],
        "contact" => vec![NAME, "list"],
        "label" => vec![NAME, address, "rent"],
        "labels" => vec![NAME, "--export", "/nowhere/labels"],
        "export" => vec![NAME, "--format", "csv"],
        "delete" => vec![NAME, "--confirm", NAME],
        "password" => [&[NAME, "--new-password-file", password][..], &with_password].concat(),
        "backup" => [&[NAME, "--to", "/nowhere/backup"][..], &with_password].concat(),
        "send" | "psbt create" => vec![NAME, "--to", address, "--amount", "1"],
        "bump" | "cancel" | "accelerate" | "rebroadcast" | "abandon" | "doctor" | "show" => vec![NAME, TXID],
        "freeze" | "unfreeze" => vec![NAME, COIN],
        "psbt inspect" => vec![psbt, "--wallet", NAME],
        "psbt sign" => [&[NAME, psbt, "--yes"][..], &with_password].concat(),
        "psbt finalise" | "psbt broadcast" => vec![NAME, psbt],
        "sign-message" => [&[NAME, "--address", address, "hello"][..], &with_password].concat(),
        "open" | "cosigner" => [&[NAME][..], &with_password].concat(),
        _ => vec![NAME],
    })
}

#[test]
fn zero_one_or_two_is_the_exit_code_of_every_wallet_command() {
    let home = Home::new();
    let password = home.password_file();
    let create = ["wallet", "create", "a", "--yes", "--password-file", &password];
    let address = home.json(&create)["address"].as_str().expect("an address").to_owned();
    assert_eq!(home.run(&create).code, 1, "the name is taken");
    let psbt = home.path().join("some.psbt");
    fs::write(&psbt, some_psbt()).expect("our folder");
    let psbt = psbt.display().to_string();
    let given = Given { password: password.clone(), psbt: psbt.clone(), address };
    let all = commands(&["wallet".to_owned()]);
    assert!(all.len() > 20, "{all:?}");
    for command in &all {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        let name = arguments[1..].join(" ");
        let usage = home.run(&[&arguments[..], &["--no-such-option"]].concat());
        assert_eq!((usage.code, usage.stdout.is_empty()), (2, true), "{name}: {}", usage.stderr);
        let Some(rest) = for_a_wallet_that_is_not(&name, &given) else { continue };
        arguments.extend(rest);
        arguments.push("--json");
        let failed = home.run(&arguments);
        let code = failed.json()["error"]["code"].clone();
        assert_eq!((failed.code, code.as_str()), (1, Some("wallet/not-found")), "{name}: {}", failed.stdout);
    }
    assert_eq!(home.run(&["wallet", "list"]).code, 0);
    assert_eq!(home.run(&["wallet", "restore", "b", "--words-file", &password, "--password-file", &password]).code, 1);
    assert_eq!(home.run(&["wallet", "psbt", "combine", &psbt, &psbt]).code, 0);
    assert_eq!(home.run(&["wallet", "psbt", "combine", &psbt]).code, 2);
}

#[test]
fn completions_and_manual_are_written() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.run(&["completions", shell]);
        assert!(script.code == 0 && script.stdout.contains("sign-message"), "{shell}: {}", script.stderr);
    }
    assert_eq!(home.run(&["completions", "none"]).code, 2);
    let page = home.run(&["man"]);
    assert!(page.code == 0 && page.stdout.contains(".TH mycoin 1"), "{}{}", page.stdout, page.stderr);
    let folder = home.path().join("man1");
    // Written twice, as after an update.
    for _ in 0..2 {
        let told = home.json(&["man", "--to", &folder.display().to_string()]);
        assert!(told["files"].as_array().is_some_and(|files| files.len() > 30), "{told}");
    }
    let page = fs::read_to_string(folder.join("mycoin-wallet-psbt-sign.1")).expect("it was just written");
    assert!(page.contains("pin\\-file"), "{page}");
}
