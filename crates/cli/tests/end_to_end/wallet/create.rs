//! New wallets of every kind of key.

use std::fs;

use mycoin_primitives::bitcoin::bip32::{DerivationPath, Xpriv, Xpub};
use mycoin_primitives::bitcoin::key::TapTweak as _;
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use mycoin_primitives::bitcoin::{Address, CompressedPublicKey, KnownHrp, NetworkKind};
use serde_json::Value;

use crate::home::{Home, PASSWORD, PATIENCE};
use crate::terminal::Terminal;

const COIN: u64 = 100_000_000;
const ABANDON: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
/// Its seed. Source: BIP39's vectors use a passphrase; this is PBKDF2 over the words alone.
const SEED: &str = "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1\
                    9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4";

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A file in the home that only its owner can read.
pub(super) fn write(home: &Home, name: &str, content: &str) -> String {
    let path = home.path().join(name);
    fs::write(&path, content).expect("our folder");
    path.display().to_string()
}

pub(super) fn create(home: &Home, name: &str, options: &[&str]) -> Value {
    let password = home.password_file();
    home.json(&[&["wallet", "create", name, "--yes", "--password-file", &password], options].concat())
}

/// Gives the wallet a block reward, and waits until it is there.
pub(super) fn fill(home: &Home, wallet: &str) {
    home.json(&["wallet", "faucet", wallet]);
    home.wait_for_balance(wallet, "total", 50 * COIN);
}

fn pay(home: &Home, from: &str, to: &str) -> Value {
    let password = home.password_file();
    home.json(&[
        "wallet",
        "send",
        from,
        "--to",
        to,
        "--amount",
        "1",
        "--fee-rate",
        "2",
        "--yes",
        "--password-file",
        &password,
    ])
}

#[test]
fn every_kind_with_a_key_receives_and_spends() {
    let home = Home::new();
    let demo = home.start(&["demo", "--free-ports", "--no-app"]);
    demo.wait_until_ready(PATIENCE);
    let passphrase = write(&home, "passphrase", "one more word\n");
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/../wallet/tests/files/keys/");
    let (modern, sesame) = (format!("{keys}modern.p12"), write(&home, "sesame", "open sesame\n"));

    let taproot = create(&home, "taproot", &["--words", "24", "--passphrase-file", &passphrase, "--account", "2"]);
    assert_eq!(taproot["words"].as_array().map(Vec::len), Some(24));
    assert!(taproot["password_strength"]["level"] == "strong", "{taproot}");
    let segwit = create(&home, "segwit", &["--keys", "segwit"]);
    assert!(text(&segwit["address"]).starts_with("dmyc1q"), "{segwit}");
    let rsa = create(&home, "rsa", &["--import", &modern, "--import-password-file", &sesame]);
    assert_eq!(rsa["keys"], "rsa");
    let descriptor = text(&home.json(&["wallet", "descriptors", "segwit"])["descriptors"][0]);
    create(&home, "watching", &["--watch", &descriptor]);
    let address = text(&segwit["address"]);
    create(&home, "address", &["--watch", &address]);

    for wallet in ["taproot", "segwit", "rsa"] {
        fill(&home, wallet);
    }
    for watching in ["watching", "address"] {
        home.wait_for_balance(watching, "total", 50 * COIN);
        let password = home.password_file();
        let (code, _) = home.refused(&[
            "wallet",
            "send",
            watching,
            "--to",
            &text(&taproot["address"]),
            "--amount",
            "1",
            "--yes",
            "--password-file",
            &password,
        ]);
        assert_eq!(code, "wallet/watch-only");
    }
    for (from, to) in [("taproot", &segwit), ("segwit", &rsa), ("rsa", &taproot)] {
        assert_eq!(text(&pay(&home, from, &text(&to["address"]))["txid"]).len(), 64);
    }
}

#[test]
fn several_keys_make_one_wallet_that_each_of_its_owners_sees() {
    let home = Home::new();
    let demo = home.start(&["demo", "--free-ports", "--no-app"]);
    demo.wait_until_ready(PATIENCE);
    let password = home.password_file();
    let keys: Vec<String> = ["alice", "bob", "carol"]
        .iter()
        .map(|name| {
            create(&home, name, &["--keys", "segwit"]);
            text(&home.json(&["wallet", "cosigner", name, "--password-file", &password])["cosigner"])
        })
        .collect();
    assert!(keys.iter().all(|key| key.starts_with('[') && key.contains("/48h/") || key.contains("/48'/")), "{keys:?}");
    let shared = |name: &str, own: &[&str], order: [usize; 3]| {
        let cosigners: Vec<&str> = order.iter().flat_map(|at| ["--cosigner", keys[*at].as_str()]).collect();
        create(&home, name, &[&["--required", "2"], own, &cosigners[..]].concat())
    };
    let first = shared("alice-shared", &["--key-wallet", "alice"], [0, 1, 2]);
    let second = shared("bob-shared", &["--key-wallet", "bob"], [2, 1, 0]);
    let watching = shared("watching", &[], [1, 0, 2]);
    assert_eq!((&first["address"], &first["address"]), (&second["address"], &watching["address"]));
    assert_eq!((&first["signs"], &watching["signs"]), (&true.into(), &false.into()));
    let descriptors =
        ["alice-shared", "watching"].map(|name| home.json(&["wallet", "descriptors", name])["descriptors"].clone());
    assert_eq!(descriptors[0], descriptors[1]);
    fill(&home, "alice-shared");
    home.wait_for_balance("bob-shared", "total", 50 * COIN);
    home.wait_for_balance("watching", "total", 50 * COIN);
    let refused = |own: &[&str]| {
        let cosigners: Vec<&str> = keys.iter().take(2).flat_map(|key| ["--cosigner", key.as_str()]).collect();
        let arguments = [&["wallet", "create", "x", "--password-file", &password], own, &cosigners[..]].concat();
        home.refused(&arguments).0
    };
    assert_eq!(refused(&["--required", "3"]), "keys/bad-threshold");
    assert_eq!(refused(&["--required", "2", "--key-wallet", "carol"]), "keys/own-key-missing");
    assert_eq!(refused(&["--required", "2", "--cosigner", &keys[0]]), "keys/same-key-twice");
}

/// The first 20 addresses of BIP86 and BIP84 on regtest, derived here by the library for keys alone.
fn vectors(purpose: u32, chain: &str) -> Vec<String> {
    let secp = Secp256k1::new();
    let seed: Vec<u8> =
        (0..SEED.len()).step_by(2).map(|at| u8::from_str_radix(&SEED[at..at + 2], 16).expect("hex")).collect();
    let master = Xpriv::new_master(NetworkKind::Test, &seed).expect("a seed");
    let path: DerivationPath = format!("m/{purpose}'/{chain}'/0'/0").parse().expect("a path");
    let chain = master.derive_priv(&secp, &path).expect("derivable");
    (0..20)
        .map(|index| {
            let key = Xpub::from_priv(&secp, &chain.derive_priv(&secp, &[index.into()]).expect("derivable"));
            let address = match purpose {
                86 => Address::p2tr_tweaked(key.to_x_only_pub().tap_tweak(&secp, None).0, KnownHrp::Regtest),
                _ => Address::p2wpkh(&CompressedPublicKey(key.public_key), KnownHrp::Regtest),
            };
            address.to_string()
        })
        .collect()
}

#[test]
fn the_same_words_give_the_first_addresses_of_bip86_and_bip84_on_regtest() {
    let home = Home::new();
    let (words, password) = (write(&home, "words", ABANDON), home.password_file());
    let addresses = |name: &str| -> Vec<String> {
        let shown = home.json(&["wallet", "descriptors", name, "--addresses", "20", "--network", "regtest"]);
        shown["addresses"].as_array().expect("a list").iter().map(text).collect()
    };
    let make = |name: &str, command: &str, options: &[&str]| {
        let always = ["wallet", command, name, "--network", "regtest", "--password-file", &password];
        home.json(&[&always[..], options].concat());
    };
    for (name, purpose) in [("taproot", 86), ("segwit", 84)] {
        make(name, "restore", &["--words-file", &words, "--scripts", name, "--no-scan"]);
        assert_eq!(addresses(name), vectors(purpose, "1"), "{name}");
    }
    // The very accounts of the vectors, which are Bitcoin's: the same keys under this network's prefix.
    let zpub = "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mGDtKsAYz2oz2AGutZYs";
    let xpub = "[73c5da0a/86'/0'/0']xpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJjSxarj2afYWcLteoGVky7D3UKDP9QyrLprQ3VCECoY49yfdDEHGCtMMj92pReUsQ";
    for (name, key, purpose) in [("bip84", zpub, 84), ("bip86", xpub, 86)] {
        make(name, "create", &["--watch", key]);
        assert_eq!(addresses(name), vectors(purpose, "0"), "{name}");
    }
    // Descriptors as stock programs write them: with both paths, as a pair, as Bitcoin Core's list, with private keys.
    let descriptor = text(&home.json(&["wallet", "descriptors", "taproot", "--network", "regtest"])["descriptors"][0]);
    assert!(descriptor.starts_with("tr([73c5da0a/86") && descriptor.contains("tpub") && descriptor.contains("<0;1>"));
    let (body, _) = descriptor.split_once('#').expect("a checksum");
    let [external, internal] = ["/0/*", "/1/*"].map(|steps| body.replace("/<0;1>/*", steps));
    let core = serde_json::json!({"wallet_name": "w", "descriptors": [
        {"desc": internal, "timestamp": 1, "active": true, "internal": true, "range": [0, 999], "next": 0},
        {"desc": external, "timestamp": 1, "active": true, "internal": false, "range": [0, 999], "next": 0}]});
    let tprv = "tr(tprv8ZgxMBicQKsPe5YMU9gHen4Ez3ApihUfykaqUorj9t6FDqy3nP6eoXiAo2ssvpAjoLroQxHqr3R5nE3a5dU3DHTjTgJDd7zrbniJr6nrCzd/86h/1h/0h/<0;1>/*)";
    let given = [
        ("both", descriptor.clone()),
        ("pair", format!("{external}\n{internal}\n")),
        ("core", core.to_string()),
        ("private", tprv.to_owned()),
    ];
    for (name, content) in given {
        let file = write(&home, name, &content);
        make(name, "restore", &["--descriptor-file", &file, "--no-scan"]);
        assert_eq!(addresses(name), vectors(86, "1"), "{name}");
    }
    let typo = write(&home, "typo", &descriptor.replace("tpub", "tpuc"));
    let refused = |options: &[&str]| {
        home.refused(
            &[&["wallet", "restore", "x", "--network", "regtest", "--password-file", &password], options].concat(),
        )
        .0
    };
    assert_eq!(refused(&["--descriptor-file", &typo, "--no-scan"]), "keys/bad-checksum");
    // A private key on the command line is refused without being repeated.
    let finished =
        home.run(&["wallet", "create", "x", "--network", "regtest", "--watch", tprv, "--password-file", &password]);
    assert!(
        finished.code == 1 && !finished.stderr.contains("tprv") && finished.stderr.contains("private key"),
        "{}",
        finished.stderr
    );
}

#[test]
fn names_that_could_be_paths_are_refused() {
    let home = Home::new();
    let password = home.password_file();
    let long = "x".repeat(300);
    let bad =
        ["../x", "/x", "a/b", "a\\b", "..", ".hidden", "a b", "ä", "a\n", "con", "NUL", "lpt1.x", "a.", "", &long];
    for name in bad {
        for command in [&["wallet", "create", name, "--yes"][..], &["wallet", "restore", name, "--no-scan"]] {
            let (code, _) = home.refused(&[command, &["--password-file", &password]].concat());
            assert!(code.starts_with("wallet-name/"), "{name:?}: {code}");
        }
        let commands: [&[&str]; 6] = [
            &["wallet", "open", name, "--password-file", &password],
            &["wallet", "lock", name],
            &["wallet", "rename", name, "x"],
            &["wallet", "rename", "x", name],
            &["wallet", "delete", name, "--confirm", name],
            &["wallet", "backup", name, "--to", "/nowhere/x"],
        ];
        for command in commands {
            let (code, _) = home.refused(command);
            assert!(code.starts_with("wallet-name/"), "{command:?}: {code}");
        }
    }
    // Nothing was made, here or elsewhere.
    assert!(!home.dir().join("demo/wallets").exists() && !home.path().join("x.wallet").exists());
}

#[test]
fn a_person_is_asked_and_no_secret_is_seen() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home, &["wallet", "create", "alice", "--passphrase"]);
    terminal.answer("Passphrase of the recovery words", "seventeen kestrels");
    terminal.answer("The same again", "seventeen kestrels");
    terminal.answer("New password for alice", "password");
    terminal.answer("The same again", "password");
    terminal.wait_for("very weak");
    terminal.wait_for("Take this password all the same? [y/N]");
    // While it asks, nothing of it stands where others look, and it may leave no core file.
    let process = std::path::PathBuf::from(format!("/proc/{}", terminal.pid()));
    for place in ["cmdline", "environ"] {
        // Others than its owner and root may not read the second one at all.
        let seen = fs::read(process.join(place)).unwrap_or_default();
        for secret in ["seventeen", "kestrels", "password\0"] {
            assert!(!seen.windows(secret.len()).any(|part| part == secret.as_bytes()), "{place} holds {secret}");
        }
    }
    let limits = fs::read_to_string(process.join("limits")).expect("everybody may read it");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
    terminal.answer("[y/N]", "n");
    let (code, shown) = terminal.end();
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("nothing was made") && !shown.contains("kestrels"), "{shown}");
    assert!(!home.dir().join("demo/wallets/alice.wallet").exists());

    let mut terminal = Terminal::start(&home, &["wallet", "create", "alice"]);
    for question in ["New password for alice", "The same again"] {
        terminal.answer(question, PASSWORD);
    }
    terminal.wait_for("The password is strong");
    terminal.wait_for("written down.");
    let shown = terminal.screen();
    let words: Vec<String> = (1..=12)
        .map(|place| {
            let after = shown.split_once(&format!("{place:>2}. ")).expect("numbered").1;
            after.split_whitespace().next().expect("a word").to_owned()
        })
        .collect();
    terminal.answer("written down.", "");
    for _ in 0..3 {
        terminal.wait_for("What is word ");
        let screen = terminal.screen();
        let place: usize = screen
            .split_once("What is word ")
            .and_then(|(_, rest)| rest.split_once('?'))
            .and_then(|(place, _)| place.parse().ok())
            .expect("a number");
        terminal.answer(&format!("What is word {place}?"), &words[place - 1]);
    }
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("Wallet alice is ready") && !shown.contains(PASSWORD), "{shown}");
    // They are the wallet's words.
    let (file, password) = (write(&home, "words", &words.join(" ")), home.password_file());
    let again =
        home.json(&["wallet", "restore", "again", "--words-file", &file, "--no-scan", "--password-file", &password]);
    assert_eq!(again["address"], home.json(&["wallet", "address", "alice"])["address"]);
}
