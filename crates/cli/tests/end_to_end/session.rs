//! The session of the README: everything starts, alice and bob pay each other, the miner starts by itself, all goes on
//! after a restart.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use mycoin_primitives::bitcoin::consensus::encode::deserialize_hex;
use mycoin_primitives::{Block, OutPoint};
use mycoin_testkit::process::wait_until;

use crate::home::{Home, PATIENCE, units};

const COIN: u64 = 100_000_000;

#[test]
fn a_new_users_session() {
    let home = Home::new();
    let mut demo = home.start(&["demo", "--free-ports", "--no-app"]);
    demo.wait_until_ready(PATIENCE);

    let password = home.password_file();
    let alice = home.json(&["wallet", "create", "alice", "--password-file", &password, "--yes"]);
    let words: Vec<&str> = alice["words"].as_array().expect("words").iter().filter_map(|word| word.as_str()).collect();
    assert_eq!(words.len(), 12);
    home.json(&["wallet", "create", "bob", "--keys", "rsa", "--password-file", &password]);
    let address =
        |wallet: &str| home.json(&["wallet", "address", wallet])["address"].as_str().expect("an address").to_owned();
    assert_eq!(alice["address"].as_str(), Some(address("alice").as_str()));
    let bobs = address("bob");

    home.json(&["wallet", "faucet", "alice"]);
    home.wait_for_balance("alice", "spendable", 50 * COIN);

    // The first payment waits, and both sides see it.
    let send = |from: &str, to: &str, amount: &str| {
        home.json(&[
            "wallet",
            "send",
            from,
            "--to",
            to,
            "--amount",
            amount,
            "--fee-rate",
            "2",
            "--yes",
            "--password-file",
            &password,
        ])
    };
    let first = send("alice", &bobs, "5");
    home.wait_for_balance("bob", "waiting", 5 * COIN);
    let fee = units(&first["fee"]);
    assert!(fee > 0 && fee < COIN / 1_000, "{first}");
    assert_eq!(home.balance("alice", "spendable"), 45 * COIN - fee);
    assert_eq!(home.balance("bob", "spendable"), 0);
    assert_eq!(home.height(), 1);

    // The second one starts the miner, and the block holds exactly the two payments.
    let second = send("alice", &bobs, "3");
    let height = wait_until("the miner makes block 2", PATIENCE, || (home.height() == 2).then_some(2));
    let hash = home.rpc(&["getblockhash", "2"]).as_str().expect("a hash").to_owned();
    let block: Block =
        deserialize_hex(home.rpc(&["getblock", &hash, "0"]).as_str().expect("hexadecimal")).expect("a block");
    let mined: Vec<String> = block.txdata.iter().skip(1).map(|tx| tx.compute_txid().to_string()).collect();
    let mut sent = [&first, &second].map(|sent| sent["txid"].as_str().expect("a txid").to_owned()).to_vec();
    let mut found = mined.clone();
    sent.sort();
    found.sort();
    assert_eq!((found, block.txdata.len(), height), (sent, 3, 2));
    home.wait_for_balance("bob", "spendable", 8 * COIN);
    home.wait_for_balance("alice", "spendable", 42 * COIN - fee - units(&second["fee"]));
    let fees = fee + units(&second["fee"]);
    home.wait_for_balance("miner", "spendable", 50 * COIN + fees);
    let history = home.json(&["wallet", "history", "alice"]);
    assert_eq!(history.as_array().map(Vec::len), Some(3), "{history}");
    assert!(history.as_array().expect("a list").iter().all(|entry| entry["state"] == "confirmed"), "{history}");

    // An RSA coin is spent: two payments of bob's, mined by themselves again.
    let alices = address("alice");
    let spends: Vec<_> = ["1", "0.5"].iter().map(|amount| send("bob", &alices, amount)).collect();
    wait_until("the miner makes block 3", PATIENCE, || (home.height() == 3).then_some(()));
    home.wait_for_balance("alice", "spendable", 43 * COIN + COIN / 2 - fees);
    let hash = home.rpc(&["getblockhash", "3"]).as_str().expect("a hash").to_owned();
    let spent: OutPoint = {
        let block: Block =
            deserialize_hex(home.rpc(&["getblock", &hash, "0"]).as_str().expect("hexadecimal")).expect("a block");
        let txid = spends.first().and_then(|spend| spend["txid"].as_str()).expect("a txid");
        let spend = block.txdata.iter().find(|tx| tx.compute_txid().to_string() == txid).expect("it is mined");
        let input = spend.input.first().expect("it has an input");
        // The lock's witness: a signature of 3072 bits, then the key that hashes to the address.
        assert_eq!(input.witness.iter().map(<[u8]>::len).collect::<Vec<_>>(), [384, 422]);
        input.previous_output
    };
    let left = home.rpc(&["gettxout", &spent.txid.to_string(), &spent.vout.to_string()]);
    assert!(left.is_null(), "{left}");

    let story = demo.output();
    for part in ["2 transactions wait", "found block 2", "hashes/s", "nonce", "reward 50.00000000 DEMO", "fees"] {
        assert!(story.contains(part), "the log tells no “{part}”:\n{story}");
    }
    assert_permissions(&home.dir());
    assert_secrets_stay(&home.dir(), &words);

    // Ctrl-C stops all of it cleanly, and a second start goes on.
    assert_eq!(demo.interrupt(PATIENCE).code(), Some(0), "{}", demo.output());
    let before = home.dir().join("demo/wallets/alice.wallet").metadata().expect("it stands").len();
    let mut again = home.start(&["demo", "--free-ports", "--no-app"]);
    again.wait_until_ready(PATIENCE);
    assert_eq!(home.height(), 3);
    home.wait_for_balance("alice", "spendable", 43 * COIN + COIN / 2 - fees);
    assert!(home.dir().join("demo/wallets/alice.wallet").metadata().expect("it stands").len() >= before);
    assert_eq!(again.interrupt(PATIENCE).code(), Some(0), "{}", again.output());
}

/// Folders 0700, files 0600; only certificates may be read by others.
fn assert_permissions(folder: &Path) {
    let mode = |path: &Path| fs::metadata(path).expect("it was just listed").mode() & 0o777;
    assert_eq!(mode(folder), 0o700, "{}", folder.display());
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            assert_permissions(&path);
            continue;
        }
        let is_certificate = path.parent().is_some_and(|parent| parent.ends_with("certs"))
            && path.extension().is_some_and(|extension| extension == "crt");
        let expected = if is_certificate { 0o644 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
}

/// No file holds the recovery words or the wallets' password.
fn assert_secrets_stay(folder: &Path, words: &[&str]) {
    let phrase = words.join(" ");
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            assert_secrets_stay(&path, words);
            continue;
        }
        let bytes = fs::read(&path).expect("our own file");
        for secret in [phrase.as_str(), crate::home::PASSWORD] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds a secret", path.display());
        }
    }
}
