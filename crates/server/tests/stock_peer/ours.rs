//! The server under test, and its RPC.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_files::ensure_private_dir;
use mycoin_identity::{CertFolder, KeyPassword, Role, Trust};
use mycoin_primitives::{MiningTrigger, Network};
use mycoin_server::{BlockFilters, Server, ServerConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// An address that nobody in these tests has the key of.
pub(crate) const ELSEWHERE: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

pub(crate) struct Ours {
    runtime: Runtime,
    server: Option<Server>,
    rpc: SocketAddr,
    authorization: String,
    _folder: TempDir,
}

impl Ours {
    /// A new server that listens for peers.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("the machine has room for a temporary folder");
        let data = folder.path().join("regtest");
        ensure_private_dir(&data).expect("the folder is new");
        let password = KeyPassword::random().expect("the machine has randomness");
        let certificates = CertFolder::at(&data);
        certificates.ensure(&password, &[]).expect("the folder is new");
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = ServerConfig {
            network: Network::regtest(),
            folder: data.clone(),
            identity: certificates.load(Role::Server, &password).expect("just made"),
            trust: Trust::authority(&certificates.authority()).expect("just made"),
            rpc: local,
            rpc_cookie: Some(local),
            p2p: Some(local),
            connect: Vec::new(),
            v2: true,
            socks5: None,
            filters: BlockFilters::default(),
            mining: MiningTrigger::Off,
            mine_to: None,
        };
        let runtime = Runtime::new().expect("the machine has threads");
        let server = runtime.block_on(Server::start(config)).expect("everything is free");
        let cookie = fs::read_to_string(data.join(".cookie")).expect("it is written before the first call");
        let authorization = format!("Basic {}", BASE64_STANDARD.encode(cookie));
        let rpc = server.cookie_address().expect("it was asked for");
        Self { runtime, server: Some(server), rpc, authorization, _folder: folder }
    }

    /// Where it listens for peers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.as_ref().and_then(Server::p2p_address).expect("it listens")
    }

    /// Lets it dial.
    pub(crate) fn dials(&self, address: SocketAddr) {
        self.call("addnode", json!([address.to_string(), "add"]));
    }

    /// Calls a method that must answer.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "1.0", "id": "test", "method": method, "params": params}).to_string();
        let mut stream = TcpStream::connect(self.rpc).expect("it listens");
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.rpc,
            self.authorization,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in text");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
        let mut answer: Value =
            serde_json::from_str(body).unwrap_or_else(|error| panic!("{method}: {error}: {answer}"));
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    pub(crate) fn mine(&self, blocks: usize) {
        self.call("generatetoaddress", json!([blocks, ELSEWHERE]));
    }

    pub(crate) fn tip(&self) -> String {
        self.call("getbestblockhash", json!([])).as_str().expect("a hash").to_owned()
    }

    pub(crate) fn height(&self) -> u64 {
        self.call("getblockcount", json!([])).as_u64().expect("a number")
    }

    pub(crate) fn mempool(&self) -> Vec<String> {
        let all = self.call("getrawmempool", json!([]));
        all.as_array().expect("a list").iter().map(|id| id.as_str().expect("an id").to_owned()).collect()
    }

    /// What it tells of its only peer.
    pub(crate) fn peer(&self) -> Value {
        self.call("getpeerinfo", json!([]))[0].clone()
    }

    /// Waits until the server is so.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < PATIENCE, "{what} did not happen within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.shutdown());
        }
    }
}
