//! What goes wrong gets a clear error with a stable code, and nothing is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mycoin_primitives::bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use mycoin_primitives::{Transaction, Witness};
use mycoin_testkit::process::{Program, wait_until};

use crate::home::{Home, PATIENCE, address_after, binary};

struct Demo {
    home: Home,
    program: Program,
    proxy: String,
}

fn demo() -> Demo {
    let home = Home::new();
    let program = home.start(&["demo", "--free-ports", "--no-app"]);
    let ready = program.wait_until_ready(PATIENCE);
    Demo { home, program, proxy: address_after(&ready, "proxy") }
}

#[test]
fn starting_where_it_cannot_work() {
    let mut demo = demo();
    let (home, password) = (&demo.home, demo.home.password_file());
    // A second start on the same folder.
    let (code, _) = home.refused(&["demo", "--free-ports", "--no-app"]);
    assert_eq!(code, "storage/in-use");
    assert!(demo.program.is_running());
    // A port that is taken: which one, and which option changes it.
    let other = Home::new();
    let refused = other.run(&["proxy", "--listen", &demo.proxy, "--password-file", &password]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains(&demo.proxy) && refused.stderr.contains("--listen"), "{}", refused.stderr);
    let rpc = home.json(&["rpc", "getblockcount"]);
    assert_eq!(rpc.as_u64(), Some(0));
    let addresses: serde_json::Value =
        serde_json::from_slice(&fs::read(home.dir().join("demo/addresses.json")).expect("a demo runs")).expect("JSON");
    let taken = addresses["rpc"].as_str().expect("an address");
    let refused = other.run(&["server", "--rpc", taken, "--no-listen", "--password-file", &password]);
    assert!(refused.stderr.contains(taken) && refused.stderr.contains("--rpc"), "{}", refused.stderr);
    let taken = addresses["p2p"].as_str().expect("an address");
    let refused = other.run(&["server", "--p2p", taken, "--rpc", "127.0.0.1:0", "--password-file", &password]);
    assert!(refused.stderr.contains("--p2p"), "{}", refused.stderr);
    // A wrong password of the TLS key.
    let wrong = other.path().join("wrong");
    fs::write(&wrong, "not it").expect("our folder");
    let wrong = wrong.display().to_string();
    let (code, _) = other.refused(&["server", "--rpc", "127.0.0.1:0", "--no-listen", "--password-file", &wrong]);
    assert_eq!(code, "identity/wrong-password");
    // No certificate that the server knows: another folder's authority.
    let (code, message) = other.refused(&[
        "rpc",
        "getblockcount",
        "--server",
        addresses["rpc"].as_str().expect("an address"),
        "--password-file",
        &password,
    ]);
    assert!(code.starts_with("rpc/"), "{code}: {message}");
    // A folder that others can read.
    assert_eq!(demo.program.interrupt(PATIENCE).code(), Some(0));
    fs::set_permissions(home.dir().join("demo"), fs::Permissions::from_mode(0o755)).expect("our folder");
    let (code, message) = home.refused(&["demo", "--free-ports", "--no-app"]);
    assert_eq!(code, "files/open-to-others");
    assert!(message.contains("chmod 700"), "{message}");
}

#[test]
fn a_spec_file_with_one_wrong_field() {
    let home = Home::new();
    let spec = home.path().join("coin.toml");
    let text = include_str!("../../../primitives/networks/demo.toml");
    fs::write(&spec, text.replace("spacing = 60", "spacing = 0")).expect("our folder");
    let spec = spec.display().to_string();
    for arguments in [&["network", "check", &spec][..], &["network", "show", "--network", &spec]] {
        let (code, message) = home.refused(arguments);
        assert_eq!(code, "spec/wrong-field");
        assert!(message.contains("proof_of_work.spacing") && message.contains("1 to 86400"), "{message}");
    }
    let (code, _) = home.refused(&["network", "show", "--network", "nowhere"]);
    assert_eq!(code, "usage");
}

#[test]
fn payments_that_cannot_be_made() {
    let demo = demo();
    let (home, password) = (&demo.home, demo.home.password_file());
    home.json(&["wallet", "create", "alice", "--password-file", &password, "--yes"]);
    home.json(&["wallet", "faucet", "alice"]);
    home.wait_for_balance("alice", "spendable", 5_000_000_000);
    let own = home.json(&["wallet", "address", "miner"])["address"].as_str().expect("an address").to_owned();
    let send = |to: &str, amount: &str| {
        home.refused(&[
            "wallet",
            "send",
            "alice",
            "--to",
            to,
            "--amount",
            amount,
            "--yes",
            "--password-file",
            &password,
        ])
    };
    // Amounts.
    for (amount, expected) in [
        ("0", "amount/zero"),
        ("-1", "amount/negative"),
        ("1.123456789", "amount/too-many-decimals"),
        ("one", "amount/not-a-number"),
        ("30000000", "amount/too-large"),
    ] {
        assert_eq!(send(&own, amount).0, expected, "{amount}");
    }
    let (code, message) = send(&own, "51");
    assert_eq!(code, "payment/not-enough", "{message}");
    assert!(message.contains("50.00000000 DEMO"), "{message}");
    let (code, message) = send(&own, "0.00000001");
    assert_eq!(code, "payment/dust", "{message}");
    // Addresses.
    let mut typo = own.clone().into_bytes();
    typo[20] = if typo[20] == b'q' { b'p' } else { b'q' };
    let typo = String::from_utf8(typo).expect("letters");
    let (code, message) = send(&typo, "1");
    assert_eq!(code, "address/typo");
    assert!(message.contains("character 21"), "{message}");
    let (code, message) = send("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "1");
    assert_eq!(code, "address/other-coin");
    assert!(message.contains("Bitcoin Regtest"), "{message}");
    // Passwords and files.
    let wrong = home.path().join("wrong");
    fs::write(&wrong, "not it").expect("our folder");
    let wrong = wrong.display().to_string();
    let (code, _) =
        home.refused(&["wallet", "send", "alice", "--to", &own, "--amount", "1", "--yes", "--password-file", &wrong]);
    assert_eq!(code, "wallet/wrong-password");
    let file = home.dir().join("demo/wallets/alice.wallet");
    let good = fs::read(&file).expect("it stands");
    let mut bent = good.clone();
    let middle = bent.len() / 2;
    bent[middle] ^= 1;
    fs::write(&file, &bent).expect("our file");
    let (code, _) = home.refused(&["wallet", "balance", "alice", "--password-file", &password]);
    assert_eq!(code, "wallet/damaged");
    fs::write(&file, &good).expect("our file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("our file");
    assert_eq!(home.refused(&["wallet", "balance", "alice"]).0, "files/open-to-others");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("our file");
    let (code, _) = home.refused(&["wallet", "create", "alice", "--password-file", &password, "--yes"]);
    assert_eq!(code, "wallet/exists");
    assert_eq!(fs::read(&file).expect("it stands"), good);
    assert_eq!(home.refused(&["wallet", "balance", "nobody"]).0, "wallet/not-found");
    assert!(
        home.refused(&["wallet", "create", "../alice", "--password-file", &password]).0.starts_with("wallet-name/")
    );
    assert_eq!(home.balance("alice", "spendable"), 5_000_000_000);
}

#[test]
fn transactions_and_requests_that_are_refused() {
    let demo = demo();
    let (home, password) = (&demo.home, demo.home.password_file());
    home.json(&["wallet", "create", "alice", "--password-file", &password, "--yes"]);
    home.json(&["wallet", "faucet", "alice"]);
    home.wait_for_balance("alice", "spendable", 5_000_000_000);
    let to = home.json(&["wallet", "address", "miner"])["address"].as_str().expect("an address").to_owned();
    let sent =
        home.json(&["wallet", "send", "alice", "--to", &to, "--amount", "1", "--yes", "--password-file", &password]);
    let txid = sent["txid"].as_str().expect("a txid").to_owned();
    let hex = home.rpc(&["getrawtransaction", &txid]).as_str().expect("hexadecimal").to_owned();
    let transaction: Transaction = deserialize_hex(&hex).expect("a transaction");
    let refused = |arguments: &[&str]| home.refused(&[&["rpc"], arguments].concat());
    // Already sent.
    assert_eq!(refused(&["sendrawtransaction", &hex]).0, "tx/already-sent");
    // The same coin, spent otherwise: not signed, and wrongly signed. A lower payment changes the signed message.
    let mut other = transaction.clone();
    other.output[0].value -= mycoin_primitives::Amount::from_sat(50_000);
    assert_eq!(refused(&["sendrawtransaction", &serialize_hex(&other)]).0, "tx/wrong-signature");
    other.input[0].witness = Witness::new();
    assert_eq!(refused(&["sendrawtransaction", &serialize_hex(&other)]).0, "tx/unsigned");
    // Double-spent: the coin is gone once the payment is confirmed.
    home.json(&["wallet", "send", "alice", "--to", &to, "--amount", "1", "--yes", "--password-file", &password]);
    wait_until("the payments are mined", PATIENCE, || (home.height() == 2).then_some(()));
    assert_eq!(refused(&["sendrawtransaction", &hex]).0, "tx/already-confirmed");
    assert_eq!(refused(&["sendrawtransaction", &serialize_hex(&other)]).0, "tx/missing-inputs");
    // Malformed.
    assert!(!refused(&["sendrawtransaction", "zz"]).0.is_empty());
    assert_eq!(refused(&["sendrawtransaction", "00"]).0, "tx/malformed");
    assert!(!refused(&["getblockhash", "99"]).0.is_empty());
    assert!(!refused(&["nosuchmethod"]).0.is_empty());

    // The proxy's public face, as raw HTTP.
    let post = |path: &str, kind: &str, body: &str| http(&demo.proxy, path, kind, body);
    assert!(post("/api/tx", "text/plain", "zz").starts_with("HTTP/1.1 400"));
    assert!(post("/transaction", "application/json", "{").starts_with("HTTP/1.1 400"));
    assert!(post("/api/faucet", "application/json", "{\"address\":\"bc1q\"}").starts_with("HTTP/1.1 400"));
    let oversize = post("/api/tx", "text/plain", &"0".repeat(1_100_000));
    assert!(oversize.starts_with("HTTP/1.1 413"), "{oversize}");
}

/// One request of HTTP/1.1, and all of its answer.
fn http(address: &str, path: &str, kind: &str, body: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).expect("the proxy listens");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("the proxy reads the head");
    // The proxy may answer and close before it has read a body that is too large.
    let _closed_early = stream.write_all(body.as_bytes());
    let mut answer = Vec::new();
    let _reset_after_the_answer = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn commands_that_are_used_wrongly() {
    let home = Home::new();
    for arguments in [&["wallet", "send", "alice"][..], &["nosuchcommand"], &["wallet", "create", "x", "--keys", "dsa"]]
    {
        let finished = mycoin_testkit::process::run(&binary(), arguments, "");
        assert_eq!(finished.code, 2, "{arguments:?}");
    }
    let password = home.password_file();
    let (code, _) =
        home.refused(&["wallet", "create", "x", "--keys", "rsa", "--bits", "1024", "--password-file", &password]);
    assert_eq!(code, "usage");
    // Nobody is there to answer.
    let (code, message) = home.refused(&["wallet", "create", "x"]);
    assert_eq!(code, "usage");
    assert!(message.contains("no terminal"), "{message}");
    // No proxy runs.
    home.json(&["wallet", "create", "x", "--password-file", &password, "--yes"]);
    let (code, _) = home.refused(&["wallet", "balance", "x", "--proxy", "http://127.0.0.1:1"]);
    assert_eq!(code, "proxy/unreachable");
}
