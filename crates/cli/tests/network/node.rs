//! A server of the network: started, asked, killed, and started again where it was.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use mycoin_primitives::bitcoin::consensus::encode::deserialize_hex;
use mycoin_primitives::{Block, Txid};
use mycoin_testkit::process::{Program, run, wait_until};
use serde_json::{Value, json};

use crate::home::{Home, PATIENCE, address_after, binary};
use crate::rpc::Rpc;

/// How a server is to be started.
pub(crate) struct Setup {
    home: Home,
    p2p: String,
    connect: Vec<String>,
    mine: &'static str,
    /// The process in whose network namespace it runs; none for our own.
    inside: Option<u32>,
}

impl Setup {
    /// A fresh one, that mines on request only.
    pub(crate) fn new() -> Self {
        Self { home: Home::new(), p2p: "127.0.0.1:0".into(), connect: Vec::new(), mine: "off", inside: None }
    }

    /// It stays connected with this peer.
    pub(crate) fn connect(mut self, peer: &str) -> Self {
        self.connect.push(peer.to_owned());
        self
    }

    /// When its miner works by itself.
    pub(crate) fn mine(mut self, when: &'static str) -> Self {
        self.mine = when;
        self
    }

    /// It runs in the network namespace of a process, and listens at this address of it.
    pub(crate) fn inside(mut self, process: u32, address: &str) -> Self {
        self.inside = Some(process);
        self.p2p = format!("{address}:0");
        self
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn start(self) -> Node {
        let password = self.home.password_file();
        let mut arguments = vec![
            "server",
            "--rpc",
            "127.0.0.1:0",
            "--rpc-cookie",
            "127.0.0.1:0",
            "--p2p",
            &self.p2p,
            "--mine",
            self.mine,
        ];
        arguments.extend(["--password-file", &password]);
        arguments.extend(self.connect.iter().flat_map(|peer| ["--connect", peer]));
        let program = match self.inside {
            None => self.home.start(&arguments),
            Some(process) => {
                let dir = self.home.dir().display().to_string();
                arguments.extend(["--dir", &dir]);
                let (binary, process) = (binary().display().to_string(), process.to_string());
                let entered = ["--target", &process, "--net", "--", &binary];
                Program::start(Path::new("nsenter"), &[&entered, &arguments[..]].concat())
            }
        };
        let ready = program.wait_until_ready(PATIENCE);
        let (rpc, p2p) = (address_after(&ready, "ready: rpc"), address_after(&ready, "peers"));
        let door = match self.inside {
            None => {
                let cookie = self.home.dir().join("demo/.cookie");
                Door::Cookie(Rpc::open(address_after(&ready, "rpc with cookie"), &cookie))
            }
            Some(process) => {
                let dir = self.home.dir().display().to_string();
                Door::Inside { process: process.to_string(), dir, password, address: rpc.clone() }
            }
        };
        Node { setup: Self { p2p: p2p.clone(), ..self }, program, door, rpc, p2p }
    }
}

/// How calls reach a server.
#[derive(Clone)]
pub(crate) enum Door {
    /// From here.
    Cookie(Rpc),
    /// From its network namespace alone, so by a command that enters it.
    Inside { process: String, dir: String, password: String, address: String },
}

impl Door {
    /// Calls a method that must answer.
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        let (process, dir, password, address) = match self {
            Self::Cookie(rpc) => return rpc.call(method, params),
            Self::Inside { process, dir, password, address } => (process, dir, password, address),
        };
        let words: Vec<String> = params.as_array().into_iter().flatten().map(word).collect();
        let binary = binary().display().to_string();
        let mut arguments = vec!["--target", process, "--net", "--", &binary, "rpc", "--json", "--dir", dir];
        arguments.extend(["--password-file", password, "--server", address, method]);
        arguments.extend(words.iter().map(String::as_str));
        let finished = run(Path::new("nsenter"), &arguments, "");
        assert_eq!(finished.code, 0, "{method}: {}{}", finished.stdout, finished.stderr);
        finished.json()
    }

    pub(crate) fn tip(&self) -> String {
        self.call("getbestblockhash", json!([])).as_str().expect("a hash").to_owned()
    }

    pub(crate) fn height(&self) -> u64 {
        self.call("getblockcount", json!([])).as_u64().expect("a height")
    }

    /// Mines so many blocks for `address`, and gives their hashes.
    pub(crate) fn mine(&self, count: u32, address: &str) -> Vec<Value> {
        let made = self.call("generatetoaddress", json!([count, address]));
        made.as_array().expect("a list of hashes").clone()
    }

    pub(crate) fn block(&self, hash: &Value) -> Block {
        let raw = self.call("getblock", json!([hash, 0]));
        deserialize_hex(raw.as_str().expect("hexadecimal")).expect("a block")
    }

    /// The transactions that wait.
    pub(crate) fn waiting(&self) -> BTreeSet<Txid> {
        txids(&self.call("getrawmempool", json!([])))
    }

    /// The transactions of the best chain above `height`.
    pub(crate) fn confirmed_above(&self, height: u64) -> BTreeSet<Txid> {
        let block = |height: u64| {
            let hash = self.call("getblockhash", json!([height]));
            txids(&self.call("getblock", json!([hash, 1]))["tx"])
        };
        (height + 1..=self.height()).flat_map(block).collect()
    }

    /// Its connections.
    pub(crate) fn peers(&self) -> Vec<Value> {
        self.call("getpeerinfo", json!([])).as_array().expect("a list of peers").clone()
    }
}

fn word(parameter: &Value) -> String {
    parameter.as_str().map_or_else(|| parameter.to_string(), str::to_owned)
}

fn txids(list: &Value) -> BTreeSet<Txid> {
    let list = list.as_array().expect("a list of transactions");
    list.iter().map(|txid| txid.as_str().expect("a text").parse().expect("a txid")).collect()
}

/// A server that runs.
pub(crate) struct Node {
    setup: Setup,
    pub(crate) program: Program,
    door: Door,
    /// Where its private RPC answers.
    pub(crate) rpc: String,
    /// Where peers connect to.
    pub(crate) p2p: String,
}

impl Deref for Node {
    type Target = Door;

    fn deref(&self) -> &Door {
        &self.door
    }
}

impl Node {
    /// Its folder.
    pub(crate) fn home(&self) -> &Home {
        &self.setup.home
    }

    /// How to call it, for other threads.
    pub(crate) fn door(&self) -> Door {
        self.door.clone()
    }

    /// Kills it without a warning, and says how it is started again: in its folder, at its address.
    pub(crate) fn kill(self) -> Setup {
        let Self { setup, mut program, .. } = self;
        program.kill();
        setup
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn stop(self) -> Setup {
        let Self { setup, mut program, .. } = self;
        assert_eq!(program.interrupt(PATIENCE).code(), Some(0), "{}", program.output());
        setup
    }
}

/// Waits until all have the same tip, and gives it.
pub(crate) fn one_tip<'a>(what: &str, limit: Duration, nodes: impl IntoIterator<Item = &'a Node> + Clone) -> String {
    wait_until(what, limit, || {
        let mut tips = nodes.clone().into_iter().map(|node| node.tip());
        let first = tips.next()?;
        tips.all(|tip| tip == first).then_some(first)
    })
}

/// Waits until so many connections of `node`, or more, have completed their handshake.
pub(crate) fn connected(node: &Node, count: usize) {
    wait_until(&format!("{count} connections"), PATIENCE, || {
        let peers = node.peers();
        let is_ready = |peer: &&Value| peer["bytesrecv_per_msg"]["verack"].is_number();
        (peers.iter().filter(is_ready).count() >= count).then_some(())
    });
}
