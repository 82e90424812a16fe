//! What a wallet knows: balance, addresses, coins; and what it makes of proxies that lie, lag or are away.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::town::{COIN, Town, text};
use crate::home::units;
use crate::terminal::Terminal;

fn list(value: &Value) -> Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list")).clone()
}

#[test]
fn balance_addresses_and_coins_say_what_is_where_and_why() {
    let town = Town::new(&["alice", "bob"]);
    town.mine_for("alice", 2);
    town.pay(&["send", "alice", "--to", &town.address("bob"), "--amount", "5", "--fee-rate", "2"]);

    // Each part is explained, and together they are all.
    let balance = town.wallet(&["balance", "bob"]);
    let part = |name: &str| list(&balance["parts"]).into_iter().find(|part| part["part"] == name).expect("three parts");
    assert_eq!((units(&part("waiting")["amount"]), &part("waiting")["coins"]), (5 * COIN, &json!(1)));
    assert!(text(&part("waiting")["explanation"]).contains("no block holds it yet"), "{balance}");
    assert_eq!((units(&balance["total"]), &balance["warnings"]), (5 * COIN, &json!([])));
    let shown = town.told(&["balance", "alice"]);
    assert!(shown.contains("change of your own payments"), "{shown}");

    // Addresses with their use; the one that comes next; those for change.
    let addresses = list(&town.wallet(&["addresses", "alice"]));
    let used: Vec<_> = addresses.iter().filter(|entry| entry["used"] == true).collect();
    assert_eq!(used.len(), 2, "{addresses:?}");
    let sum: u64 = addresses.iter().map(|entry| units(&entry["balance"])).sum();
    assert_eq!(sum, town.balance("alice", "total"));
    let next = town.address("alice");
    let unused = list(&town.wallet(&["addresses", "alice", "--unused"]));
    assert_eq!(unused.iter().map(|entry| text(&entry["address"])).collect::<Vec<_>>(), [next]);
    let change = list(&town.wallet(&["addresses", "alice", "--change"]));
    assert!(change.len() == 1 && change[0]["change"] == true, "{change:?}");
    let shown = town.told(&["addresses", "alice"]);
    for word in ["used 3 times", "used once", "unused", "change", "receiving"] {
        assert!(shown.contains(word), "no “{word}”:\n{shown}");
    }

    // Coins; one that is frozen stays in the balance and is told apart.
    let coins = list(&town.wallet(&["coins", "alice"]));
    let states: Vec<_> = coins.iter().map(|coin| (text(&coin["state"]), coin["confirmations"].as_u64())).collect();
    let spendable = "spendable".to_owned();
    assert_eq!(states.len(), 2);
    assert_eq!(states[0], (spendable, Some(0)), "our own change can be spent at once");
    assert_eq!(list(&town.wallet(&["coins", "bob"]))[0]["state"], "waiting");
    town.home.json(&["wallet", "freeze", "alice", &text(&coins[1]["outpoint"])]);
    let coins = list(&town.wallet(&["coins", "alice"]));
    assert_eq!((&coins[0]["frozen"], &coins[1]["frozen"]), (&json!(false), &json!(true)));
    let balance = town.wallet(&["balance", "alice"]);
    assert_eq!(balance["frozen"], coins[1]["amount"]);
    let shown = town.told(&["coins", "alice"]);
    assert!(shown.contains("frozen") && shown.contains("spendable, waiting"), "{shown}");
}

/// What a lying proxy makes of the honest one's answers.
#[derive(Clone, Copy)]
enum Lie {
    /// Nothing was ever paid.
    Hides,
    /// The proofs lead elsewhere.
    BendsProofs,
    /// Absurd fees.
    AbsurdFees,
    /// The truth, after a while.
    Slow,
}

impl Lie {
    fn tell(self, path: &str, answer: &mut Value) {
        let each = |value: &mut Value, change: &dyn Fn(&mut Value)| {
            value.as_array_mut().into_iter().flatten().for_each(change);
        };
        match (self, path) {
            (Self::Hides, "/api/scripts") => {
                each(&mut answer["scripts"], &|script| *script = json!({"transactions": 0, "waiting": []}));
            }
            (Self::Hides, "/api/history") => each(&mut answer["scripts"], &|list| *list = json!([])),
            (Self::BendsProofs, "/api/transactions") => {
                each(answer, &|tx| tx["merkle"] = json!(["00".repeat(32)]));
            }
            (Self::AbsurdFees, "/api/fee-estimates") => *answer = json!({"1": 900_000.0, "6": 900_000.0}),
            (Self::Slow, "/api/scripts") => std::thread::sleep(Duration::from_secs(2)),
            (Self::Hides | Self::BendsProofs | Self::AbsurdFees | Self::Slow, _) => {}
        }
    }
}

/// A proxy that passes questions on to the honest one and changes the answers; its address.
fn liar(honest: &str, lie: Lie) -> String {
    let honest = honest.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let honest = honest.clone();
            std::thread::spawn(move || relay(stream, &honest, lie));
        }
    });
    url
}

fn relay(mut stream: TcpStream, honest: &str, lie: Lie) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).ok()?;
    let mut head = line.clone();
    let path = line.split(' ').nth(1)?.to_owned();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        match line.trim().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok()?,
            Some(("connection", _)) => continue,
            Some(_) => {}
            None => break,
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut other = TcpStream::connect(honest).ok()?;
    other.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).ok()?;
    other.write_all(&body).ok()?;
    let mut answer = Vec::new();
    other.read_to_end(&mut answer).ok()?;
    let split = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let body = answer.split_off(split);
    let told = match serde_json::from_slice::<Value>(&body) {
        Ok(mut value) if value.is_object() || value.is_array() => {
            lie.tell(&path, &mut value);
            value.to_string().into_bytes()
        }
        _ => body,
    };
    let status = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
    write!(stream, "{status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", told.len()).ok()?;
    stream.write_all(&told).ok()
}

#[test]
fn what_two_proxies_differ_in_is_said_and_the_balance_stays_right() {
    let town = Town::new(&[]);
    let password = town.home.password_file();
    let create = ["wallet", "create", "alice", "--password-file", &password, "--yes"];
    let words: Vec<String> = list(&town.home.json(&create)["words"]).iter().map(text).collect();
    let phrase = town.home.path().join("words").display().to_string();
    std::fs::write(&phrase, words.join(" ")).expect("our folder");
    town.mine_for("alice", 2);
    // A wallet that knows nothing yet has to believe what it is shown.
    let twin = |name: &str| {
        let restore = ["wallet", "restore", name, "--words-file", &phrase, "--no-scan", "--password-file", &password];
        town.home.json(&restore);
    };
    town.pay(&["send", "alice", "--to", &town.address("alice"), "--amount", "1", "--fee-rate", "2"]);
    let total = town.balance("alice", "total");
    town.mine();
    for (name, lie, code, word) in [
        ("hides", Lie::Hides, "sync/hides", "hides transaction"),
        ("bends", Lie::BendsProofs, "sync/wrong", "is broken or lies"),
        ("fees", Lie::AbsurdFees, "sync/absurd-fees", "absurd fees"),
    ] {
        twin(name);
        let url = liar(town.url(), lie);
        let finished = town.home.run(&["wallet", "balance", name, "--proxy", &url, "--proxy", town.url(), "--json"]);
        assert_eq!(finished.code, 0, "{name}: {}{}", finished.stdout, finished.stderr);
        let balance = finished.json();
        assert_eq!(units(&balance["total"]), total, "{name}: {balance}");
        let warnings = list(&balance["warnings"]);
        assert!(warnings.iter().any(|warning| warning["code"] == code), "{name}: {warnings:?}");
        // People read the same on standard error.
        let told = &finished.stderr;
        assert!(told.contains(word) && told.contains(&url), "{name}: {told}");
        assert_eq!(told.contains("The two proxies differ: "), code != "sync/absurd-fees", "{name}: {told}");
    }
}

#[test]
fn a_proxy_that_lags_and_one_that_is_away_are_named_and_left_out() {
    let (town, behind) = (Town::new(&["alice"]), Town::new(&[]));
    town.mine_for("alice", 2);
    let away = "http://127.0.0.1:1";
    let finished =
        town.home.run(&["wallet", "balance", "alice", "--proxy", behind.url(), "--proxy", away, "--proxy", town.url()]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    assert!(finished.stdout.contains("100.00000000"), "{}", finished.stdout);
    for part in ["lags behind", behind.url(), "was left out", away] {
        assert!(finished.stderr.contains(part), "no “{part}”: {}", finished.stderr);
    }
    // Alone, the one that lags is no reason to forget anything.
    let (code, _) = town.home.refused(&["wallet", "balance", "alice", "--proxy", behind.url()]);
    assert_eq!(code, "sync/proxy-behind");
    assert_eq!(town.balance("alice", "total"), 100 * COIN);
}

#[test]
fn a_person_sees_how_far_a_slow_proxy_is() {
    let town = Town::new(&["alice"]);
    town.mine_for("alice", 1);
    let slow = liar(town.url(), Lie::Slow);
    let (code, screen) = Terminal::start(&town.home, &["wallet", "balance", "alice", "--proxy", &slow]).end();
    assert!(code == 0 && screen.contains("50.00000000"), "{screen}");
    assert!(screen.contains("Asking the proxy …") || screen.contains(" addresses …"), "{screen}");
    // The line is gone before the answer is printed.
    let answer = screen.rsplit_once("\x1b[2K").map(|(_, rest)| rest).expect("the line was taken away");
    assert!(answer.contains("spendable") && !answer.contains('…'), "{screen}");
}
