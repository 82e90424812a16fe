//! A regtest server in this process, and a client that knows nothing but Bitcoin Core's RPC.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_files::ensure_private_dir;
use mycoin_identity::{CertFolder, KeyPassword, Role, Trust};
use mycoin_primitives::bitcoin::consensus::encode::deserialize_hex;
use mycoin_primitives::{MiningTrigger, Network, Transaction};
use mycoin_server::{BlockFilters, Server, ServerConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// An address that nobody in these tests has the key of.
pub(crate) const ELSEWHERE: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

pub(crate) struct Node {
    runtime: Runtime,
    server: Option<Server>,
    address: SocketAddr,
    authorization: String,
    folder: TempDir,
    password: KeyPassword,
}

impl Node {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("the machine has room for a temporary folder");
        let data = folder.path().join("regtest");
        ensure_private_dir(&data).expect("the folder is new");
        let password = KeyPassword::random().expect("the machine has randomness");
        CertFolder::at(&data).ensure(&password, &[]).expect("the folder is new");
        Self::open(folder, password, None, BlockFilters::Off)
    }

    /// The same node, stopped and started again; it listens for peers from now on.
    pub(crate) fn restart(self) -> Self {
        self.restart_with(BlockFilters::Off)
    }

    /// The same with another wish for blocks' filters.
    pub(crate) fn restart_with(mut self, filters: BlockFilters) -> Self {
        self.stop();
        self.open_again(filters)
    }

    /// Stops the server; [`Self::open_again`] goes on with its folder.
    pub(crate) fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.shutdown());
        }
    }

    /// Starts it again over the same folder.
    pub(crate) fn open_again(mut self, filters: BlockFilters) -> Self {
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("there is room"));
        let password = std::mem::replace(&mut self.password, KeyPassword::random().expect("there is randomness"));
        Self::open(folder, password, Some(([127, 0, 0, 1], 0).into()), filters)
    }

    /// Where a file of the node's folder lies.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("regtest").join(name)
    }

    /// Where it listens for peers.
    pub(crate) fn p2p_address(&self) -> String {
        self.server.as_ref().and_then(Server::p2p_address).expect("it listens").to_string()
    }

    fn open(folder: TempDir, password: KeyPassword, p2p: Option<SocketAddr>, filters: BlockFilters) -> Self {
        let data = folder.path().join("regtest");
        let certificates = CertFolder::at(&data);
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = ServerConfig {
            network: Network::regtest(),
            folder: data.clone(),
            identity: certificates.load(Role::Server, &password).expect("just made"),
            trust: Trust::authority(&certificates.authority()).expect("just made"),
            rpc: local,
            rpc_cookie: Some(local),
            p2p,
            connect: Vec::new(),
            v2: true,
            socks5: None,
            filters,
            mining: MiningTrigger::Off,
            mine_to: None,
        };
        let runtime = Runtime::new().expect("the machine has threads");
        let server = runtime.block_on(Server::start(config)).expect("everything is free");
        let cookie = fs::read_to_string(data.join(".cookie")).expect("it is written before the first call");
        let authorization = format!("Basic {}", BASE64_STANDARD.encode(cookie));
        let address = server.cookie_address().expect("it was asked for");
        Self { runtime, server: Some(server), address, authorization, folder, password }
    }

    fn post(&self, method: &str, params: &Value) -> Value {
        let body = json!({"jsonrpc": "1.0", "id": "test", "method": method, "params": params}).to_string();
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            self.authorization,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in text");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer of HTTP");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{method}: {error}: {answer}"))
    }

    /// Calls a method that must answer.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        let mut answer = self.post(method, &params);
        assert!(answer["error"].is_null(), "{method} {params}: {answer}");
        answer["result"].take()
    }

    /// Calls a method that must fail, and gives the error's number and sentence.
    pub(crate) fn error(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.post(method, &params);
        let error = &answer["error"];
        (error["code"].as_i64().unwrap_or_default(), error["message"].as_str().unwrap_or_default().to_owned())
    }

    /// Mines blocks to an address; gives their hashes.
    pub(crate) fn mine(&self, blocks: usize, address: &str) -> Vec<String> {
        let hashes = self.call("generatetoaddress", json!([blocks, address]));
        hashes.as_array().expect("a list").iter().map(text).collect()
    }

    /// The coinbase of a block.
    pub(crate) fn coinbase(&self, block: &str) -> Transaction {
        let block = self.call("getblock", json!([block, 2]));
        deserialize_hex(block["tx"][0]["hex"].as_str().expect("hexadecimal")).expect("a transaction")
    }

    /// A node that has a mature coinbase, of `block` 1, that pays `address`.
    pub(crate) fn with_coinbase_to(address: &str) -> (Self, Transaction) {
        let node = Self::start();
        let block = node.mine(1, address).swap_remove(0);
        node.mine(100, ELSEWHERE);
        let coinbase = node.coinbase(&block);
        (node, coinbase)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The text of a JSON string.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// The names of an object's fields, in the order of the alphabet.
#[track_caller]
pub(crate) fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        value.as_object().unwrap_or_else(|| panic!("{value} is no object")).keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
