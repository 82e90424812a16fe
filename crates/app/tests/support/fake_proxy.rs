//! A proxy with a whole small chain behind it, in this process: it answers the REST paths that a wallet uses, mines (the demo's proof of
//! work takes two hashes), runs the faucet and tells events. It checks nothing: it is for looking at the window, not at the rules.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::block::Version as BlockVersion;
use mycoin_primitives::bitcoin::consensus::encode::{deserialize_hex, serialize, serialize_hex};
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::hashes::{Hash as _, HashEngine as _, sha256, sha256d};
use mycoin_primitives::{
    Block, Header, Network, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Txid,
    Witness, genesis_block, parse_address,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

/// A running proxy. Dropping it stops it.
pub(crate) struct FakeProxy {
    /// Where it answers.
    pub(crate) url: String,
    chain: Arc<Chain>,
    _runtime: tokio::runtime::Runtime,
}

impl FakeProxy {
    /// Starts one that knows `blocks` blocks that pay nobody whom we know. `search` is how long the miner seems to search once
    /// two transactions wait.
    pub(crate) fn start(search: Duration, blocks: u32) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let network = Network::demo();
        let state = State { blocks: vec![genesis_block(&network)], waiting: Vec::new(), mining: false };
        let chain = Arc::new(Chain { network, search, state: Mutex::new(state), events: broadcast::channel(256).0 });
        for _ in 0..blocks {
            chain.mine(ScriptBuf::from_bytes(vec![0x51]), usize::MAX);
        }
        let serving = Arc::clone(&chain);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(Arc::clone(&serving), stream));
            }
        });
        Ok(Self { url, chain, _runtime: runtime })
    }

    /// The tip's height.
    pub(crate) fn height(&self) -> usize {
        self.chain.state().blocks.len() - 1
    }
}

struct Chain {
    network: Network,
    search: Duration,
    state: Mutex<State>,
    events: broadcast::Sender<String>,
}

struct State {
    blocks: Vec<Block>,
    waiting: Vec<Transaction>,
    mining: bool,
}

impl State {
    fn transactions(&self) -> impl Iterator<Item = (&Transaction, Option<usize>)> {
        let confirmed = self
            .blocks
            .iter()
            .enumerate()
            .rev()
            .flat_map(|(height, block)| block.txdata.iter().map(move |tx| (tx, Some(height))));
        self.waiting.iter().map(|tx| (tx, None)).chain(confirmed)
    }

    fn output(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        let (tx, _) = self.transactions().find(|(tx, _)| tx.compute_txid() == outpoint.txid)?;
        tx.output.get(usize::try_from(outpoint.vout).ok()?)
    }

    fn tip(&self) -> &Block {
        self.blocks.last().expect("genesis is always there")
    }
}

impl Chain {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: &Value) {
        // Nobody may be listening.
        drop(self.events.send(event.to_string()));
    }

    fn mine(&self, reward_script: ScriptBuf, most: usize) -> (String, usize) {
        let mut state = self.state();
        let height = state.blocks.len();
        let taken = most.min(state.waiting.len());
        let coinbase = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: OutPoint::null(),
                script_sig: ScriptBuf::builder().push_int(i64::try_from(height).unwrap_or(0)).push_int(7).into_script(),
                sequence: Sequence::MAX,
                witness: Witness::new(),
            }],
            output: vec![TxOut { value: self.network.first_subsidy, script_pubkey: reward_script }],
        };
        let txdata: Vec<_> = std::iter::once(coinbase).chain(state.waiting.drain(..taken)).collect();
        let mut block = Block {
            header: Header {
                version: BlockVersion::from_consensus(0x2000_0000),
                prev_blockhash: state.tip().block_hash(),
                merkle_root: TxMerkleNode::all_zeros(),
                time: now().max(state.tip().header.time + 1),
                bits: self.network.genesis.bits,
                nonce: 0,
            },
            txdata,
        };
        block.header.merkle_root = block.compute_merkle_root().expect("the coinbase is in it");
        while block.header.validate_pow(block.header.target()).is_err() {
            block.header.nonce += 1;
        }
        let hash = block.block_hash().to_string();
        state.blocks.push(block);
        state.mining = false;
        drop(state);
        self.tell(&json!({"event": "block_connected", "height": height, "hash": hash}));
        self.tell(&self.mining());
        (hash, height)
    }

    fn mining(&self) -> Value {
        let state = self.state();
        json!({
            "event": "mining",
            "state": if state.mining { "mining" } else { "idle" },
            "trigger": {"transactions": 2}, "waiting": state.waiting.len(), "needed": 2,
            "hashes_per_second": if state.mining { 8_432_110.0 } else { 0.0 },
            "hashes_tried": if state.mining { 21_530_220 } else { 0 },
            "height": state.blocks.len(),
        })
    }

    fn accept(self: &Arc<Self>, hex: &str) -> Option<Txid> {
        let tx: Transaction = deserialize_hex(hex.trim()).ok()?;
        let txid = tx.compute_txid();
        let full = {
            let mut state = self.state();
            state.waiting.push(tx);
            state.mining = state.waiting.len() >= 2;
            state.mining
        };
        self.tell(&json!({"event": "transaction_added", "txid": txid.to_string()}));
        self.tell(&self.mining());
        if full {
            let chain = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(chain.search).await;
                chain.mine(ScriptBuf::from_bytes(vec![0x51]), 2);
            });
        }
        Some(txid)
    }

    /// The transactions of a script: what waits first, then the newest block's.
    fn history(state: &State, script_hash: &str) -> Vec<(Txid, Option<usize>)> {
        let ours = |script: &Script| format!("{:x}", sha256::Hash::hash(script.as_bytes())) == script_hash;
        let touches = |tx: &Transaction| {
            tx.output.iter().any(|output| ours(&output.script_pubkey))
                || (!tx.is_coinbase()
                    && tx.input.iter().filter_map(|i| state.output(&i.previous_output)).any(|o| ours(&o.script_pubkey)))
        };
        state.transactions().filter(|(tx, _)| touches(tx)).map(|(tx, height)| (tx.compute_txid(), height)).collect()
    }

    /// What a wallet asks about many scripts at once: of each how much there is, or which transactions.
    fn of_scripts(&self, body: &str, answer: impl Fn(Vec<(Txid, Option<usize>)>) -> Value) -> Option<Value> {
        let state = self.state();
        let asked: Value = serde_json::from_str(body).ok()?;
        let hashes = asked.get("scripts")?.as_array()?.iter().filter_map(Value::as_str);
        let scripts: Vec<Value> = hashes.map(|hash| answer(Self::history(&state, hash))).collect();
        let tip = json!({"height": state.blocks.len() - 1, "hash": state.tip().block_hash().to_string()});
        Some(json!({"tip": tip, "scripts": scripts}))
    }

    /// The answer to a request: content type, body.
    fn answer(self: &Arc<Self>, method: &str, path: &str, body: &str) -> Option<(&'static str, Vec<u8>)> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let text = |text: String| Some(("text/plain", text.into_bytes()));
        let json = |value: Value| Some(("application/json", value.to_string().into_bytes()));
        match (method, parts.as_slice()) {
            ("GET", ["status"]) => {
                let state = self.state();
                json(json!({"state": {"status": "ok", "height": state.blocks.len() - 1,
                    "hash": state.tip().block_hash().to_string(), "waiting": state.waiting.len(), "peers": 0}}))
            }
            ("GET", ["api", "block-height", height]) => {
                let height: usize = height.parse().ok()?;
                text(self.state().blocks.get(height)?.block_hash().to_string())
            }
            ("GET", ["api", "headers", from, count]) => {
                let (from, count): (usize, usize) = (from.parse().ok()?, count.parse().ok()?);
                let state = self.state();
                let headers = state.blocks.iter().skip(from).take(count);
                Some(("application/octet-stream", headers.flat_map(|block| serialize(&block.header)).collect()))
            }
            ("POST", ["api", "scripts"]) => json(self.of_scripts(body, |history| {
                let waiting: Vec<Txid> = history.iter().filter(|(_, at)| at.is_none()).map(|(txid, _)| *txid).collect();
                json!({"transactions": history.len() - waiting.len(), "waiting": waiting})
            })?),
            ("POST", ["api", "history"]) => json(self.of_scripts(body, |history| {
                history.iter().filter_map(|(txid, at)| at.map(|height| json!([height, txid]))).collect()
            })?),
            ("POST", ["api", "transactions"]) => {
                let (state, asked) = (self.state(), serde_json::from_str::<Vec<String>>(body).ok()?);
                json(asked.iter().map(|txid| tx_json(&state, txid)).collect())
            }
            ("POST", ["api", "tx"]) => text(self.accept(body)?.to_string()),
            ("GET", ["api", "fee-estimates"]) => json(json!({"1": 2.0, "6": 1.0, "24": 0.5})),
            ("GET", ["api", "mining"]) => json(self.mining()),
            ("POST", ["api", "faucet"]) => {
                let request: Value = serde_json::from_str(body).ok()?;
                let script = parse_address(request.get("address")?.as_str()?, &self.network).ok()?;
                let (hash, height) = self.mine(script, usize::MAX);
                json(json!({"block_hash": hash, "height": height}))
            }
            _ => None,
        }
    }
}

fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

fn tx_json(state: &State, txid: &str) -> Value {
    let Some((tx, height)) = state.transactions().find(|(tx, _)| tx.compute_txid().to_string() == txid) else {
        return Value::Null;
    };
    let output =
        |output: &TxOut| json!({"scriptpubkey": output.script_pubkey.to_hex_string(), "value": output.value.to_sat()});
    let spent = |input: &TxIn| state.output(&input.previous_output).filter(|_| !tx.is_coinbase()).map(output);
    let mut shown = json!({"hex": serialize_hex(tx), "spent": tx.input.iter().map(spent).collect::<Vec<_>>()});
    shown["status"] = match height.and_then(|height| Some((height, state.blocks.get(height)?))) {
        None => json!({"confirmed": false}),
        Some((height, block)) => {
            let (position, branch) = merkle_proof(block, txid);
            shown["merkle"] = json!(branch);
            shown["pos"] = json!(position);
            json!({"confirmed": true, "block_height": height, "block_hash": block.block_hash().to_string(),
                "block_time": block.header.time})
        }
    };
    shown
}

fn merkle_proof(block: &Block, txid: &str) -> (usize, Vec<String>) {
    let position = block.txdata.iter().position(|tx| tx.compute_txid().to_string() == txid).unwrap_or(0);
    let mut level: Vec<sha256d::Hash> = block.txdata.iter().map(|tx| tx.compute_txid().to_raw_hash()).collect();
    let mut branch = Vec::new();
    let mut index = position;
    while level.len() > 1 {
        let last = level.len() - 1;
        branch.extend(level.get((index ^ 1).min(last)).map(ToString::to_string));
        level = level
            .chunks(2)
            .map(|pair| {
                let mut engine = sha256d::Hash::engine();
                for side in [pair.first(), pair.last()].into_iter().flatten() {
                    engine.input(side.as_byte_array());
                }
                sha256d::Hash::from_engine(engine)
            })
            .collect();
        index /= 2;
    }
    (position, branch)
}

async fn serve(chain: Arc<Chain>, mut stream: TcpStream) {
    let Some((method, path, body)) = read_request(&mut stream).await else { return };
    if path == "/api/events" {
        return tell_events(&chain, stream).await;
    }
    let (status, kind, body) = match chain.answer(&method, &path, &body) {
        Some((kind, body)) => ("200 OK", kind, body),
        None => ("404 Not Found", "application/json", br#"{"error":{"code":"proxy/not-found"}}"#.to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    drop(stream.write_all(&[head.as_bytes(), &body].concat()).await);
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, String, String)> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(buffer.get(..length)?);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let announced = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse::<usize>().ok())
            .unwrap_or(0);
        if body.len() >= announced {
            let mut words = head.split(' ');
            return Some((words.next()?.to_owned(), words.next()?.to_owned(), body.to_owned()));
        }
    }
}

async fn tell_events(chain: &Chain, mut stream: TcpStream) {
    let mut events = chain.events.subscribe();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    loop {
        let line = match tokio::time::timeout(Duration::from_secs(10), events.recv()).await {
            Ok(Ok(event)) => format!("data: {event}\n\n"),
            Ok(Err(_)) => return,
            // A sign of life.
            Err(_) => ":\n\n".to_owned(),
        };
        if stream.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}
