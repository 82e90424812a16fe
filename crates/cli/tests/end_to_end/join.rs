//! Joining a coin that nobody has heard of, with nothing but an address.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use mycoin_primitives::Network;
use mycoin_testkit::process::{Program, wait_until};

use crate::home::{Home, PATIENCE, address_after};

/// An address of the coin, which nobody needs the key of.
const MINED_TO: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

/// A coin of its own: another name, another magic, no shipped spec.
fn campus() -> Network {
    let magic = mycoin_primitives::bitcoin::p2p::Magic::from_bytes([0xca, 0x3b, 0x05, 0x01]);
    Network {
        name: "campus".to_owned(),
        coin: "Campus Coin".to_owned(),
        ticker: "CAMP".to_owned(),
        magic,
        ..Network::regtest()
    }
}

fn write_spec(home: &Home, network: &Network) -> String {
    let path: PathBuf = home.path().join("campus.toml");
    mycoin_files::replace(&path, network.to_toml().as_bytes(), mycoin_files::Readers::Owner).expect("there is room");
    path.display().to_string()
}

fn start_proxy(home: &Home, network: &str, server: &str) -> (Program, String) {
    let password = home.password_file();
    let proxy = home.start(&[
        "proxy",
        "--network",
        network,
        "--listen",
        "127.0.0.1:0",
        "--server",
        server,
        "--password-file",
        &password,
    ]);
    let address = address_after(&proxy.wait_until_ready(PATIENCE), "proxy");
    (proxy, address)
}

fn start_server(home: &Home, network: &str, v2: &str) -> (Program, String) {
    let password = home.password_file();
    let server = home.start(&[
        "server",
        "--network",
        network,
        "--rpc",
        "127.0.0.1:0",
        "--p2p",
        "127.0.0.1:0",
        "--mine",
        "off",
        "--v2transport",
        v2,
        "--password-file",
        &password,
    ]);
    let rpc = address_after(&server.wait_until_ready(PATIENCE), "rpc");
    (server, rpc)
}

#[test]
fn a_coin_is_joined_by_an_address_and_its_chain_follows() {
    let first = Home::new();
    let spec = write_spec(&first, &campus());
    let (_server, rpc) = start_server(&first, &spec, "on");
    let call = |arguments: &[&str]| first.rpc_at(&rpc, &[&["--network", &spec], arguments].concat());
    call(&["generatetoaddress", "7", MINED_TO]);
    let (_proxy, address) = start_proxy(&first, &spec, &rpc);
    let hash = campus().spec_hash().to_string();
    let shown = first.json(&["network", "show", "--network", &spec, "--at", &address]);
    let invitation = format!("campus@{address}/{hash}");
    assert_eq!((&shown["hash"], &shown["join"]), (&hash.clone().into(), &invitation.clone().into()));

    // Without a person and without --yes nothing is agreed to.
    let second = Home::new();
    let asked = second.run(&["network", "join", &address]);
    assert_eq!(asked.code, 2, "{}", asked.stderr);
    assert!(asked.stdout.contains("Campus Coin (CAMP)") && asked.stdout.contains(&hash), "{}", asked.stdout);
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    let file = second.dir().join("campus/network.toml");
    assert!(!file.exists());
    let nobody = second.run(&["network", "show", "--network", "campus"]);
    assert_eq!(nobody.code, 2, "{}", nobody.stderr);
    // A string that names another coin is refused.
    let wrong = format!("campus@{address}/{}", "0".repeat(64));
    assert_eq!(second.refused(&["network", "join", &wrong, "--yes"]).0, "join/wrong-hash");
    let wrong = invitation.replace("campus@", "campus2@");
    assert_eq!(second.refused(&["network", "join", &wrong, "--yes"]).0, "join/wrong-name");
    assert_eq!(second.refused(&["network", "join", "campus@nowhere", "--yes"]).0, "join/no-invitation");
    assert!(!file.exists());

    let joined = second.json(&["network", "join", &invitation, "--yes"]);
    let joined = &joined["joined"];
    assert_eq!((&joined["name"], &joined["hash"], &joined["new"]), (&"campus".into(), &hash.into(), &true.into()));
    let peers = joined["peers"].as_array().expect("a list").len();
    assert_eq!(peers, 1, "{joined}");
    let mode = std::fs::metadata(&file).expect("it was written").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let again = second.json(&["network", "join", &address]);
    assert_eq!(again["joined"]["new"], false, "what is known needs no question");

    // The joined server finds the first one by itself, and has its chain.
    let (_joined_server, joined_rpc) = start_server(&second, "campus", "off");
    let tip = |home: &Home, network: &str, rpc: &str| {
        home.rpc_at(rpc, &["--network", network, "getbestblockhash"]).as_str().map(str::to_owned)
    };
    wait_until("the chain of the first server", PATIENCE, || {
        (tip(&second, "campus", &joined_rpc)? == tip(&first, &spec, &rpc)?).then_some(())
    });
    assert_eq!(second.rpc_at(&joined_rpc, &["--network", "campus", "getblockcount"]).as_u64(), Some(7));
    let peers = second.rpc_at(&joined_rpc, &["--network", "campus", "getpeerinfo"]);
    assert_eq!(peers[0]["connection_type"], "manual");
    assert_eq!((&peers[0]["transport_protocol_type"], &peers[0]["session_id"]), (&"v1".into(), &"".into()));
    let info = second.rpc_at(&joined_rpc, &["--network", "campus", "getnetworkinfo"]);
    assert_eq!(info["localservicesnames"], serde_json::json!(["NETWORK", "WITNESS"]));
    let password = second.password_file();
    let rpc = ["rpc", "--server", &joined_rpc, "--password-file", &password, "--network", "campus"];
    let (_, sentence) = second.refused(&[&rpc[..], &["addnode", "127.0.0.1:9", "add", "true"]].concat());
    assert!(sentence.contains("not enabled (see -v2transport)"), "{sentence}");

    // Somebody else's coin of the same name: each field that differs is named, and nothing changes.
    let third = Home::new();
    let other = Network { spacing: 60, maturity: 10, ..campus() };
    let (_other, address) = start_proxy(&third, &write_spec(&third, &other), "127.0.0.1:9");
    let before = std::fs::read(&file).expect("it stands");
    let (code, sentence) = second.refused(&["network", "join", &address, "--yes"]);
    assert_eq!(code, "join/other-coin");
    for field in ["proof_of_work.spacing (600 here, 60 there)", "issuance.maturity (100 here, 10 there)"] {
        assert!(sentence.contains(field), "{sentence}");
    }
    assert!(!sentence.contains("genesis"), "{sentence}");
    assert_eq!(std::fs::read(&file).expect("it stands"), before);
}

#[test]
fn what_is_no_proxy_cannot_be_joined() {
    let home = Home::new();
    assert_eq!(home.refused(&["network", "join", "127.0.0.1:9", "--yes"]).0, "proxy/unreachable");
    assert_eq!(home.refused(&["network", "join", "ftp://127.0.0.1", "--yes"]).0, "proxy/bad-url");
    assert!(!home.dir().join("demo").exists());
}
