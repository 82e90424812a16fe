//! Who may talk to a server: certificates of one's own, certificates made by hand, and nobody else.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mycoin_identity::{CertFolder, KeyPassword, Role, Trust};
use mycoin_rpc::{Client, Event};
use mycoin_testkit::process::{Finished, Program, run, wait_until};
use serde_json::{Value, json};

use crate::home::{Home, PASSWORD, PATIENCE, address_after};

/// A call in plain HTTP.
const CALL: &str =
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 34\r\n\r\n{\"method\":\"getblockcount\",\"id\":17}\r\n";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

/// Sends a request of HTTP/1.1, and gives the status and the body of the answer.
fn http(address: &str, request: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let head = format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    let kind = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(format!("{head}{kind}").as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

/// How many lines of a server's log tell of a refused peer, and why.
fn refusals(server: &Program, why: &str) -> usize {
    server.output().lines().filter(|line| line.contains("refused 127.0.0.1:") && line.contains(why)).count()
}

fn wait_for_one_refusal(server: &Program, why: &str) {
    wait_until(&format!("a log line that says: {why}"), PATIENCE, || (refusals(server, why) > 0).then_some(()));
    assert_eq!(refusals(server, why), 1, "{}", server.output());
}

fn start_server(home: &Home, more: &[&str]) -> (Program, String) {
    let password = home.password_file();
    let plain = ["server", "--rpc", "127.0.0.1:0", "--no-listen", "--mine", "off", "--password-file", &password];
    let program = home.start(&[&plain, more].concat());
    let rpc = address_after(&program.wait_until_ready(PATIENCE), "rpc");
    (program, rpc)
}

fn start_proxy(home: &Home, server: &str, more: &[&str]) -> (Program, String) {
    let password = home.password_file();
    let plain = ["proxy", "--listen", "127.0.0.1:0", "--server", server, "--password-file", &password];
    let program = home.start(&[&plain, more].concat());
    let address = address_after(&program.wait_until_ready(PATIENCE), "proxy");
    wait_until("the proxy is healthy", PATIENCE, || (http(&address, "GET /health", "").0 == 200).then_some(()));
    (program, address)
}

/// Makes a wallet, and asks the faucet to pay it.
fn ask_faucet(home: &Home, proxy: &str) {
    let made = home.json(&["wallet", "create", "alice", "--password-file", &home.password_file(), "--yes"]);
    let (status, body) = http(proxy, "POST /api/faucet", &json!({"address": made["address"]}).to_string());
    assert_eq!(status, 200, "{body}");
}

#[test]
fn certificates_of_ones_own() {
    let home = Home::new();
    let password = home.password_file();
    let new = ["certs", "new", "--password-file", &password, "--name", "example.test"];
    assert_eq!(home.json(&new)["made"].as_array().map(Vec::len), Some(8));
    assert_eq!(home.json(&new)["made"], json!([]));
    let folder = home.dir().join("demo/certs");
    assert_eq!(mode(&folder), 0o700);
    for name in ["ca", "server", "proxy", "admin"] {
        let key = folder.join(format!("{name}.key"));
        assert_eq!((mode(&key), mode(&key.with_extension("crt"))), (0o600, 0o644), "{name}");
        let text = fs::read_to_string(&key).expect("our key");
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{name}: {text}");
    }
    let list = home.json(&["certs", "list"]);
    let roles: Vec<&Value> = list.as_array().into_iter().flatten().map(|row| &row["role"]).collect();
    assert_eq!(roles, ["authority", "server", "proxy", "admin"]);
    assert_eq!(list[1]["names"], json!(["localhost", "127.0.0.1", "::1", "example.test"]));
    for row in list.as_array().into_iter().flatten() {
        for name in ["not_before", "not_after"] {
            assert!(row[name].as_str().is_some_and(|date| date.starts_with("20")), "{row}");
        }
    }

    // The proxy's certificate may read and submit, not steer.
    let (mut server, rpc) = start_server(&home, &[]);
    let of_proxy = |extension: &str| folder.join(format!("proxy.{extension}")).display().to_string();
    let (cert, key) = (of_proxy("crt"), of_proxy("key"));
    let as_proxy = ["rpc", "--server", &rpc, "--cert", &cert, "--key", &key, "--password-file", &password];
    assert_eq!(home.json(&[&as_proxy[..], &["getblockcount"]].concat()), json!(0));
    for steering in [&["stop"][..], &["invalidateblock", &"00".repeat(32)]] {
        let (code, message) = home.refused(&[&as_proxy[..], steering].concat());
        assert_eq!(code, "rpc/not-allowed");
        assert!(message.contains("not allowed for this role (proxy)"), "{message}");
    }

    // Without TLS nothing comes back but TLS's own word for “no”, and one line is logged.
    let mut stream = TcpStream::connect(&rpc).expect("it listens");
    stream.write_all(CALL.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    let _reset_after_the_alert = stream.read_to_end(&mut answer);
    assert!(answer.len() <= 7 && answer.first().is_none_or(|first| *first == 0x15), "{answer:?}");
    wait_for_one_refusal(&server, "it does not speak TLS");

    events_reach_everybody(&home, &rpc);
    assert!(server.is_running());
    assert_eq!(server.interrupt(PATIENCE).code(), Some(0));
}

/// A block of the faucet shows up in the server's event stream and in the proxy's.
fn events_reach_everybody(home: &Home, rpc: &str) {
    let (_proxy, proxy) = start_proxy(home, rpc, &[]);
    let certs = CertFolder::at(&home.dir().join("demo"));
    let password = KeyPassword::new(PASSWORD.to_owned().into()).expect("not empty");
    let identity = certs.load(Role::Proxy, &password).expect("our certificate");
    let trust = Trust::authority(&certs.authority()).expect("our authority");
    let client = Client::mutual_tls(rpc, None, &identity, &trust).expect("a client");
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let mut of_server = runtime.block_on(client.events()).expect("subscribed");

    let mut stream = TcpStream::connect(&proxy).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream.write_all(format!("GET /api/events HTTP/1.1\r\nHost: {proxy}\r\n\r\n").as_bytes()).expect("it reads");
    let mut of_proxy = BufReader::new(stream).lines().map(|line| line.expect("a line in time"));
    assert!(of_proxy.next().is_some_and(|line| line.starts_with("HTTP/1.1 200")));
    assert!(of_proxy.by_ref().any(|line| line.is_empty()), "the head ends");

    ask_faucet(home, &proxy);
    let told = of_proxy.find(|line| line.contains("block_connected")).expect("the stream goes on");
    let told: Value = serde_json::from_str(told.trim_start_matches("data:")).expect("JSON");
    let block = loop {
        match runtime.block_on(of_server.next()).expect("the stream goes on").expect("an event") {
            Event::BlockConnected(block) => break block,
            _other => {}
        }
    };
    assert_eq!((block.height, block.transactions), (1, 1));
    assert_eq!((&told["height"], &told["hash"]), (&json!(1), &json!(block.hash.to_string())));
}

/// Certificates made with openssl's commands, in a folder.
struct ByHand<'a> {
    home: &'a Home,
}

impl ByHand<'_> {
    fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    fn openssl(&self, arguments: &[&str]) -> Finished {
        let finished = run(Path::new("openssl"), arguments, "");
        assert_eq!(finished.code, 0, "openssl {arguments:?}: {}", finished.stderr);
        finished
    }

    /// As the prototype said to make them; the name in it means nothing.
    fn make(&self, name: &str, key: &[&str]) {
        let (key_file, cert_file) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.crt")));
        let password = format!("file:{}", self.home.password_file());
        let request = [&["req", "-x509", "-newkey"], key, &["-keyout", &key_file, "-out", &cert_file]].concat();
        let _quiet =
            self.openssl(&[&request[..], &["-days", "365", "-passout", &password, "-subj", "/CN=anything"]].concat());
        assert_eq!(mode(Path::new(&key_file)), 0o600, "openssl makes keys for their owner alone");
    }

    /// A certificate whose time was the year 2020.
    fn make_expired(&self, name: &str) {
        let file = |extension: &str| self.path(&format!("{name}.{extension}"));
        let (key, request, cert, config) = (file("key"), file("csr"), file("crt"), file("cnf"));
        let database = file("txt");
        let settings = format!(
            "[ca]\ndefault_ca=old\n[old]\ndatabase={database}\nrand_serial=yes\nnew_certs_dir={}\ndefault_md=sha256\n\
             policy=any\nx509_extensions=own\n[any]\ncommonName=optional\n[own]\nbasicConstraints=CA:TRUE\n",
            self.home.path().display()
        );
        fs::write(&config, settings).expect("our folder");
        fs::write(&database, "").expect("our folder");
        let password = format!("file:{}", self.home.password_file());
        let asked = ["req", "-new", "-newkey", "rsa:2048", "-keyout", &key, "-out", &request, "-subj", "/CN=old"];
        let _quiet = self.openssl(&[&asked[..], &["-passout", &password]].concat());
        let signed = ["ca", "-batch", "-notext", "-config", &config, "-selfsign", "-keyfile", &key, "-in", &request];
        let dates = ["-startdate", "200101000000Z", "-enddate", "210101000000Z", "-out", &cert, "-passin", &password];
        let _quiet = self.openssl(&[&signed[..], &dates].concat());
    }
}

#[test]
fn certificates_made_by_hand_with_openssl() {
    if std::process::Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: there is no openssl on this machine");
        return;
    }
    let home = Home::new();
    let (password, hand) = (home.password_file(), ByHand { home: &home });
    std::thread::scope(|scope| {
        scope.spawn(|| hand.make("server", &["rsa:4096"]));
        scope.spawn(|| hand.make("client", &["rsa:4096"]));
        scope.spawn(|| hand.make("stranger", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]));
        scope.spawn(|| hand.make_expired("old"));
    });
    let paths = |name: &str| (hand.path(&format!("{name}.crt")), hand.path(&format!("{name}.key")));
    let ((server_crt, server_key), (client_crt, client_key)) = (paths("server"), paths("client"));

    // Each side pins the other's certificate.
    let (server, rpc) = start_server(&home, &["--cert", &server_crt, "--key", &server_key, "--pin", &client_crt]);
    let as_client = ["--cert", &client_crt, "--key", &client_key, "--pin", &server_crt];
    let (_proxy, proxy) = start_proxy(&home, &rpc, &as_client);
    ask_faucet(&home, &proxy);
    let plain = ["rpc", "--server", &rpc, "--password-file", &password];
    let call = |identity: &[&str], method: &str| home.json(&[&plain, identity, &[method]].concat());
    let refused = |identity: &[&str], method: &str| home.refused(&[&plain, identity, &[method]].concat());
    assert_eq!(call(&as_client, "getblockcount"), json!(1));
    assert_eq!(refused(&as_client, "stop").0, "rpc/not-allowed");

    // Another certificate is refused by the server, and another server by the client.
    let (stranger_crt, stranger_key) = paths("stranger");
    let as_stranger = ["--cert", &stranger_crt, "--key", &stranger_key, "--pin", &server_crt];
    let (code, message) = refused(&as_stranger, "getblockcount");
    assert_eq!(code, "rpc/refused-by-server");
    assert!(message.contains("neither pinned there"), "{message}");
    wait_for_one_refusal(&server, "its certificate is neither pinned here nor issued");
    let believes_another = ["--cert", &client_crt, "--key", &client_key, "--pin", &stranger_crt];
    assert_eq!(refused(&believes_another, "getblockcount").0, "rpc/server-not-believed");

    // Without a certificate no byte of RPC comes back.
    let shown = run(Path::new("openssl"), &["s_client", "-quiet", "-connect", &rpc], CALL);
    assert_eq!(shown.stdout, "");
    assert!(shown.stderr.contains("certificate required"), "{}", shown.stderr);
    wait_for_one_refusal(&server, "it showed no certificate");

    // A key that others can read is not used.
    fs::set_permissions(&client_key, fs::Permissions::from_mode(0o644)).expect("our file");
    let (code, message) = refused(&as_client, "getblockcount");
    assert_eq!(code, "files/open-to-others");
    assert!(message.contains(&format!("chmod 600 {client_key}")), "{message}");

    // An expired certificate: the sentence names the file and the day.
    let (old_crt, old_key) = paths("old");
    let (code, message) = Home::new().refused(&[
        "server",
        "--rpc",
        "127.0.0.1:0",
        "--no-listen",
        "--cert",
        &old_crt,
        "--key",
        &old_key,
        "--pin",
        &client_crt,
        "--password-file",
        &password,
    ]);
    assert_eq!(code, "identity/expired");
    assert!(message.contains(&old_crt) && message.contains("expired on 2021-01-01"), "{message}");
}
