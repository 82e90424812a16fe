//! Messages that prove whose an address is, checked on a computer that has no wallet.

use std::fs;

use mycoin_testkit::process::run;
use serde_json::Value;

use crate::home::{Home, binary};

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[test]
fn every_kind_of_key_signs_and_anybody_checks() {
    let (home, stranger) = (Home::new(), Home::new());
    let password = home.password_file();
    let [taproot, segwit, rsa] = ["words", "segwit", "rsa"].map(|kind| {
        let create = ["wallet", "create", kind, "--keys", kind, "--yes", "--password-file", &password];
        let bits: &[&str] = if kind == "rsa" { &["--bits", "2048"] } else { &[] };
        (kind, text(&home.json(&[&create, bits].concat())["address"]))
    });
    let message = "I, Alice, own this address.\n";
    let file = home.path().join("message.txt");
    fs::write(&file, message).expect("our folder");
    let file = file.display().to_string();
    for (wallet, address) in [&taproot, &segwit, &rsa] {
        let sign = |source: &[&str]| {
            let arguments = ["wallet", "sign-message", wallet, "--address", address, "--password-file", &password];
            text(&home.json(&[&arguments, source].concat())["signature"])
        };
        let [typed, from_file] = [sign(&[message]), sign(&["--message-file", &file])];
        for signature in [&typed, &from_file] {
            let check = ["wallet", "verify-message", "--address", address, "--signature", signature];
            assert_eq!(stranger.json(&[&check[..], &[message]].concat())["valid"], true);
            assert_eq!(stranger.json(&[&check[..], &["--message-file", &file]].concat())["valid"], true);
            let dir = stranger.dir().display().to_string();
            let piped = run(&binary(), &[&check[..], &["--message-file", "-", "--dir", &dir]].concat(), message);
            assert!(piped.code == 0 && piped.stdout.contains("holds"), "{}{}", piped.stdout, piped.stderr);
            // Without its last newline it is another message.
            let (code, _) = stranger.refused(&[&check[..], &[message.trim_end()]].concat());
            assert_eq!(code, "message/does-not-hold");
            let cut = &signature[..signature.len() - 8];
            let cut = ["wallet", "verify-message", "--address", address, "--signature", cut, message];
            assert_eq!(stranger.refused(&cut).0, "message/not-a-signature");
        }
        // What is randomised is so each time; BIP340 and RFC 6979 may give the same.
        assert!(*wallet != "rsa" || typed != from_file);
    }
    // An address of another wallet, of another coin, and a wrong password.
    let sign = |address: &str, password: &str| {
        home.refused(&["wallet", "sign-message", "words", "--address", address, "--password-file", password, "hello"]).0
    };
    assert_eq!(sign(&rsa.1, &password), "message/not-ours");
    assert!(sign("bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l", &password).starts_with("address/"));
    let wrong = home.path().join("wrong").display().to_string();
    fs::write(&wrong, "not it").expect("our folder");
    assert_eq!(sign(&taproot.1, &wrong), "wallet/wrong-password");
    let signature = text(
        &home.json(&[
            "wallet",
            "sign-message",
            "segwit",
            "--address",
            &segwit.1,
            "--password-file",
            &password,
            "hello",
        ])["signature"],
    );
    let others =
        stranger.refused(&["wallet", "verify-message", "--address", &taproot.1, "--signature", &signature, "hello"]);
    assert_eq!(others.0, "message/other-address");
    // Neither a message nor a file, or both.
    for source in [&[][..], &["hello", "--message-file", &file][..]] {
        let usage = ["wallet", "verify-message", "--address", &segwit.1, "--signature", &signature];
        assert_eq!(stranger.run(&[&usage, source].concat()).code, 2);
    }
}
