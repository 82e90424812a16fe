//! A key that stays on a PKCS#11 token: SoftHSM2 stands in for the hardware.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use mycoin_testkit::process::Finished;
use serde_json::Value;

use crate::home::{Home, PATIENCE, binary};

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// Long, so that it stands in no file by chance.
const PIN: &str = "a-pin-that-stays-in-a-head";
const COIN: u64 = 100_000_000;

/// A token with keys, and a user's folder.
struct Card {
    home: Home,
    configuration: PathBuf,
}

fn key_file(name: &str) -> String {
    let keys = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../wallet/tests/files/keys"));
    keys.join(name).display().to_string()
}

impl Card {
    /// A new token named “purse”; `None`, with a word why, where SoftHSM2 is not installed.
    fn new() -> Option<Self> {
        if !Path::new(MODULE).exists() {
            let _no_terminal_is_no_failure =
                writeln!(std::io::stderr(), "skipped: {MODULE} is not there (Debian's package softhsm2)");
            return None;
        }
        let home = Home::new();
        let tokens = home.path().join("tokens");
        fs::create_dir(&tokens).expect("our folder");
        let card = Self { configuration: home.path().join("softhsm2.conf"), home };
        card.configure("ALL");
        card.softhsm(&["--init-token", "--free", "--label", "purse", "--pin", PIN, "--so-pin", "87654321"]);
        Some(card)
    }

    /// Says which mechanisms the token has.
    fn configure(&self, mechanisms: &str) {
        let tokens = self.home.path().join("tokens").display().to_string();
        let text = format!("directories.tokendir = {tokens}\nlog.level = ERROR\nslots.mechanisms = {mechanisms}\n");
        fs::write(&self.configuration, text).expect("our folder");
    }

    fn softhsm(&self, arguments: &[&str]) {
        let output = Command::new("softhsm2-util")
            .args(arguments)
            .env("SOFTHSM2_CONF", &self.configuration)
            .output()
            .expect("it comes with the module");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Puts a key on the token.
    fn import(&self, file: &str, label: &str, id: &str) {
        let file = key_file(file);
        self.softhsm(&["--import", &file, "--token", "purse", "--label", label, "--id", id, "--pin", PIN]);
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let output = Command::new(binary())
            .args(arguments)
            .args(["--dir", &self.home.dir().display().to_string(), "--json"])
            .env("SOFTHSM2_CONF", &self.configuration)
            .stdin(std::process::Stdio::null())
            .output()
            .expect("the binary under test starts");
        Finished {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let finished = self.run(arguments);
        assert_eq!(finished.code, 0, "{arguments:?}: {}{}", finished.stdout, finished.stderr);
        finished.json()
    }

    /// The code of a command's failure.
    fn refused(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments);
        assert!(finished.code == 1 || finished.code == 2, "{arguments:?}: {}{}", finished.stdout, finished.stderr);
        finished.json()["error"]["code"].as_str().expect("a code").to_owned()
    }

    fn secret_file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        fs::write(&path, text).expect("our folder");
        path.display().to_string()
    }
}

#[test]
fn a_key_on_a_token_receives_pays_and_signs_and_never_leaves_it() {
    let Some(card) = Card::new() else { return };
    card.import("pkcs8.pem", "coins", "a1b2");
    let (pin, password) = (card.secret_file("pin", PIN), card.home.password_file());
    let demo = card.home.start(&["demo", "--free-ports", "--no-app"]);
    demo.wait_until_ready(PATIENCE);

    let created = card.json(&[
        "wallet",
        "create",
        "card",
        "--keys",
        "pkcs11",
        "--module",
        MODULE,
        "--pin-file",
        &pin,
        "--password-file",
        &password,
    ]);
    assert_eq!(created["keys"], "pkcs11");
    // The same key from its file has the same address.
    let import = key_file("pkcs8.pem");
    let soft = card.json(&[
        "wallet",
        "create",
        "soft",
        "--keys",
        "rsa-import",
        "--import",
        &import,
        "--password-file",
        &password,
    ]);
    assert_eq!(created["address"], soft["address"]);
    card.home.json(&["wallet", "create", "shop", "--yes", "--password-file", &password]);
    let shop = card.home.json(&["wallet", "address", "shop"])["address"].as_str().expect("an address").to_owned();
    card.home.json(&["wallet", "faucet", "card"]);
    card.home.wait_for_balance("card", "spendable", 50 * COIN);

    // The PIN pays; without it, with a wrong one, or with the password instead, nothing is.
    let pay = ["wallet", "send", "card", "--to", &shop, "--amount", "5", "--fee-rate", "2", "--yes"];
    assert_eq!(card.refused(&[&pay[..], &["--password-file", &password]].concat()), "usage");
    let wrong = card.secret_file("wrong-pin", "not-the-pin");
    assert_eq!(card.refused(&[&pay[..], &["--pin-file", &wrong]].concat()), "token/wrong-pin");
    card.json(&[&pay[..], &["--pin-file", &pin]].concat());
    card.home.wait_for_balance("shop", "waiting", 5 * COIN);

    // A PSBT and a message, signed by the token.
    let psbt = card.json(&["wallet", "psbt", "create", "card", "--to", &shop, "--amount", "2", "--fee-rate", "2"]);
    let psbt = psbt["psbt"].as_str().expect("a text").to_owned();
    let signed = card.json(&["wallet", "psbt", "sign", "card", &psbt, "--yes", "--pin-file", &pin]);
    assert_eq!(signed["complete"], true);
    card.json(&["wallet", "psbt", "broadcast", "card", signed["psbt"].as_str().expect("a text")]);
    card.home.wait_for_balance("shop", "total", 7 * COIN);
    let address = created["address"].as_str().expect("an address");
    let message = card.json(&["wallet", "sign-message", "card", "--address", address, "--pin-file", &pin, "hello"]);
    let signature = message["signature"].as_str().expect("a text");
    card.home.json(&["wallet", "verify-message", "--address", address, "--signature", signature, "hello"]);

    // Where the token is gone, the wallet still shows what it holds.
    let tokens = card.home.path().join("tokens");
    fs::rename(&tokens, card.home.path().join("elsewhere")).expect("our folder");
    fs::create_dir(&tokens).expect("our folder");
    assert_eq!(card.refused(&[&pay[..], &["--pin-file", &pin]].concat()), "token/not-found");
    assert!(card.home.balance("card", "total") > 42 * COIN);
    assert_no_file_holds(&card.home.dir(), PIN.as_bytes());
}

/// No file in the folder or below it holds these bytes.
fn assert_no_file_holds(folder: &Path, secret: &[u8]) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            assert_no_file_holds(&path, secret);
        } else {
            let bytes = fs::read(&path).expect("our own file");
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", path.display());
        }
    }
}

#[test]
fn what_is_wrong_with_a_token_is_told_apart() {
    let Some(card) = Card::new() else { return };
    let (pin, password) = (card.secret_file("pin", PIN), card.home.password_file());
    let create = |name: &str, options: &[&str]| {
        let fixed = ["wallet", "create", name, "--keys", "pkcs11", "--pin-file", &pin, "--password-file", &password];
        [&fixed[..], options].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let refused = |options: &[&str]| {
        let arguments = create("card", options);
        card.refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let module = ["--module", MODULE];
    assert_eq!(refused(&[]), "usage");
    assert_eq!(refused(&["--module", "/nowhere/at/all.so"]), "token/module");
    assert_eq!(refused(&["--module", &password]), "token/module");
    assert_eq!(refused(&[&module[..], &["--token", "other"]].concat()), "token/not-found");
    assert_eq!(refused(&module), "token/no-key");

    // Keys that no lock takes.
    card.import("small_1024.pem", "small", "01");
    assert_eq!(refused(&module), "token/key-size");
    card.import("exponent_3.pem", "three", "03");
    assert_eq!(refused(&module), "token/several-keys");
    assert_eq!(refused(&[&module[..], &["--key", "three"]].concat()), "token/key-exponent");
    assert_eq!(refused(&[&module[..], &["--key", "ff"]].concat()), "token/key-not-found");
    card.import("pkcs8.pem", "coins", "a1b2");

    // Hardware that knows PKCS#1 v1.5 only, and hardware that hashes nothing itself.
    let coins = [&module[..], &["--key", "A1B2"]].concat();
    card.configure("CKM_RSA_PKCS,CKM_SHA256_RSA_PKCS");
    assert_eq!(refused(&coins), "token/no-pss");
    card.configure("CKM_RSA_PKCS,CKM_RSA_PKCS_PSS");
    let arguments = create("card", &coins);
    let made = card.json(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let address = made["address"].as_str().expect("an address");
    let signed = card.json(&["wallet", "sign-message", "card", "--address", address, "--pin-file", &pin, "hello"]);
    let signature = signed["signature"].as_str().expect("a text");
    card.home.json(&["wallet", "verify-message", "--address", address, "--signature", signature, "hello"]);

    // Another token is not taken for the wallet's, though its label is the same and the key too.
    card.configure("ALL");
    card.softhsm(&["--delete-token", "--token", "purse"]);
    card.softhsm(&["--init-token", "--free", "--label", "purse", "--pin", PIN, "--so-pin", "87654321"]);
    card.import("pkcs8.pem", "coins", "a1b2");
    let other = ["wallet", "sign-message", "card", "--address", address, "--pin-file", &pin, "hello"];
    assert_eq!(card.refused(&other), "token/not-found");
}
