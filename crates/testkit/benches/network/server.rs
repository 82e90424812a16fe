//! A whole server in this process, spoken to as stock tools do: plain HTTP with a cookie.

use std::error::Error;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_files::ensure_private_dir;
use mycoin_identity::{CertFolder, KeyPassword, Role, Trust};
use mycoin_primitives::{MiningTrigger, Network};
use mycoin_server::{BlockFilters, Server, ServerConfig, SyncProgress};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Any free port of this machine.
pub(crate) fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// How long anything may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits until `is_so`, looking again after `pause`. Gives how long it took since `start`.
pub(crate) fn until(start: Instant, pause: Duration, mut is_so: impl FnMut() -> bool) -> Outcome<Duration> {
    loop {
        if is_so() {
            return Ok(start.elapsed());
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("not done after {} s", PATIENCE.as_secs()).into());
        }
        sleep(pause);
    }
}

/// A server that listens for peers and dials nobody unasked.
pub(crate) struct Running {
    server: Option<Server>,
    runtime: Runtime,
    rpc: SocketAddr,
    authorization: String,
    _folder: TempDir,
}

impl Running {
    pub(crate) fn start(network: Network) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join(&network.name);
        ensure_private_dir(&data)?;
        let password = KeyPassword::random()?;
        let certificates = CertFolder::at(&data);
        certificates.ensure(&password, &[])?;
        let config = ServerConfig {
            network,
            folder: data.clone(),
            identity: certificates.load(Role::Server, &password)?,
            trust: Trust::authority(&certificates.authority())?,
            rpc: local(),
            rpc_cookie: Some(local()),
            p2p: Some(local()),
            connect: Vec::new(),
            v2: true,
            socks5: None,
            filters: BlockFilters::Off,
            mining: MiningTrigger::Off,
            mine_to: None,
        };
        let runtime = Runtime::new()?;
        let server = runtime.block_on(Server::start(config))?;
        let cookie = fs::read_to_string(data.join(".cookie"))?;
        let authorization = format!("Basic {}", BASE64_STANDARD.encode(cookie));
        let rpc = server.cookie_address().ok_or("no cookie address")?;
        Ok(Self { server: Some(server), runtime, rpc, authorization, _folder: folder })
    }

    /// Where it listens for peers.
    pub(crate) fn p2p(&self) -> Outcome<String> {
        Ok(self.server.as_ref().and_then(Server::p2p_address).ok_or("it does not listen")?.to_string())
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Option<SyncProgress> {
        self.server.as_ref().map(Server::progress)
    }

    /// Its runtime, for other things that need one.
    pub(crate) const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Connects it with a peer.
    pub(crate) fn add_peer(&self, address: &str) -> Outcome<()> {
        self.call("addnode", json!([address, "add"])).map(drop)
    }

    /// Calls a method that must answer.
    pub(crate) fn call(&self, method: &str, params: Value) -> Outcome<Value> {
        self.send(&self.prepare(method, params))
    }

    /// The bytes of a call, so that what it takes to write them is not taken for the server's time.
    pub(crate) fn prepare(&self, method: &str, params: Value) -> Vec<u8> {
        self.request(&json!({"jsonrpc": "1.0", "id": 0, "method": method, "params": params}))
    }

    /// Sends a call that must be answered.
    pub(crate) fn send(&self, call: &[u8]) -> Outcome<Value> {
        let mut answer = self.exchange(call)?;
        match answer["error"].take() {
            Value::Null => Ok(answer["result"].take()),
            error => Err(error.to_string().into()),
        }
    }

    /// Calls a method once for each of `params`; gives how many calls failed.
    pub(crate) fn call_each(&self, method: &str, params: Vec<Value>) -> Outcome<usize> {
        let mut failed = 0;
        for params in params.chunks(100) {
            let calls =
                params.iter().map(|params| json!({"jsonrpc": "1.0", "id": 0, "method": method, "params": params}));
            let answers = self.exchange(&self.request(&calls.collect()))?;
            let answers = answers.as_array().ok_or("no list of answers")?;
            failed += answers.iter().filter(|answer| !answer["error"].is_null()).count();
        }
        Ok(failed)
    }

    fn request(&self, body: &Value) -> Vec<u8> {
        let body = body.to_string();
        let (host, authorization, length) = (self.rpc, &self.authorization, body.len());
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\nContent-Type: application/json\r\n\
             Connection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        [head, body].concat().into_bytes()
    }

    fn exchange(&self, request: &[u8]) -> Outcome<Value> {
        let mut stream = TcpStream::connect(self.rpc)?;
        stream.set_nodelay(true)?;
        stream.write_all(request)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("not an answer of HTTP")?;
        Ok(serde_json::from_str(body)?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.shutdown());
        }
    }
}
