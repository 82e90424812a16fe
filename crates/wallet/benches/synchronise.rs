//! How long a wallet takes to open, to learn of a new block, and to be restored.
//!
//! `cargo bench -p mycoin-wallet --bench synchronise`
//!
//! The proxy stands in this process and answers from memory over loopback, so these are the wallet's own times.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mycoin_light::ProxyClient;
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::bip32::{DerivationPath, Xpriv};
use mycoin_primitives::bitcoin::consensus::encode::{serialize, serialize_hex};
use mycoin_primitives::bitcoin::hex::FromHex as _;
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::bitcoin::{NetworkKind, ScriptBuf, key::UntweakedPublicKey};
use mycoin_primitives::hashes::{Hash as _, sha256};
use mycoin_primitives::{
    Amount, Block, Header, Network, OutPoint, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Txid, Witness,
    genesis_block,
};
use mycoin_wallet::{Password, RecoveryWords, Unlock, WalletFolder, WalletName};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
/// Its seed without a passphrase. Source: BIP39's vectors use another passphrase; this is PBKDF2 over the words alone.
const SEED: &str = "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1\
                    9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4";
/// Transactions of one block.
const A_BLOCK: usize = 20;

/// The first receiving scripts of the words. Source: BIP86.
fn scripts(network: &Network, count: u32) -> Outcome<Vec<ScriptBuf>> {
    let secp = Secp256k1::new();
    let master = Xpriv::new_master(NetworkKind::Main, &Vec::<u8>::from_hex(SEED)?)?;
    let path: DerivationPath = format!("86'/{}'/0'/0", network.slip44).parse()?;
    let chain = master.derive_priv(&secp, &path)?;
    let script = |index: u32| {
        let child = chain.derive_priv(&secp, &[index.into()])?;
        let (key, _): (UntweakedPublicKey, _) = child.private_key.x_only_public_key(&secp);
        Ok(ScriptBuf::new_p2tr(&secp, key, None))
    };
    (0..count).map(script).collect()
}

/// A proxy that knows blocks and answers from tables.
#[derive(Default)]
struct World {
    blocks: Vec<Header>,
    history: HashMap<String, Vec<(usize, Txid)>>,
    shown: HashMap<String, Value>,
}

impl World {
    fn new(network: &Network) -> Self {
        Self { blocks: vec![genesis_block(network).header], ..Self::default() }
    }

    fn mine(&mut self, scripts: &[&ScriptBuf]) {
        let height = self.blocks.len();
        let salt = |number: usize| [height.to_le_bytes(), number.to_le_bytes()].concat();
        let pay = |(number, script): (usize, &&ScriptBuf)| Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: match number {
                    0 => OutPoint::null(),
                    _ => OutPoint { txid: Txid::hash(&salt(number)), vout: 0 },
                },
                script_sig: ScriptBuf::from_bytes(if number == 0 { salt(0) } else { Vec::new() }),
                sequence: Sequence::MAX,
                witness: Witness::from_slice(&[[7; 64]]),
            }],
            output: vec![TxOut { value: Amount::from_sat(10_000), script_pubkey: (**script).clone() }],
        };
        let reward = ScriptBuf::from_bytes(vec![0x51]);
        let txdata: Vec<_> = std::iter::once(&&reward).chain(scripts).enumerate().map(pay).collect();
        let parent = self.blocks[height - 1];
        let version = mycoin_primitives::bitcoin::block::Version::from_consensus(0x2000_0000);
        let header =
            Header { version, prev_blockhash: parent.block_hash(), time: parent.time + 60, nonce: 0, ..parent };
        let mut block = Block { header, txdata };
        block.header.merkle_root = block.compute_merkle_root().unwrap_or(header.merkle_root);
        while block.header.validate_pow(block.header.target()).is_err() {
            block.header.nonce += 1;
        }
        let hash = block.block_hash();
        let txids: Vec<Txid> = block.txdata.iter().map(Transaction::compute_txid).collect();
        for (position, (tx, txid)) in block.txdata.iter().zip(&txids).enumerate() {
            let script = format!("{:x}", sha256::Hash::hash(tx.output[0].script_pubkey.as_bytes()));
            self.history.entry(script).or_default().push((height, *txid));
            let shown = json!({
                "hex": serialize_hex(tx), "spent": [null], "merkle": branch(&txids, position), "pos": position,
                "status": {"confirmed": true, "block_height": height, "block_hash": hash, "block_time": header.time},
            });
            self.shown.insert(txid.to_string(), shown);
        }
        self.blocks.push(block.header);
    }

    fn answer(&self, path: &str, body: &str) -> Vec<u8> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let asked: Value = serde_json::from_str(body).unwrap_or_default();
        let list = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(|item| Some(item.as_str()?.to_owned())).collect()
        };
        let height = self.blocks.len() - 1;
        let tip = json!({"status": "ok", "height": height, "hash": self.blocks[height].block_hash()});
        let none = Vec::new();
        let of = |hash: &String| self.history.get(hash).unwrap_or(&none);
        match parts[..] {
            ["status"] => json!({ "state": tip }).to_string().into_bytes(),
            ["api", "block-height", at] => {
                let header = at.parse::<usize>().ok().and_then(|at| self.blocks.get(at));
                header.map_or_else(Vec::new, |header| header.block_hash().to_string().into_bytes())
            }
            ["api", "headers", from, count] => {
                let (from, count) = (from.parse().unwrap_or(usize::MAX), count.parse().unwrap_or(0));
                self.blocks.iter().skip(from).take(count).flat_map(serialize).collect()
            }
            ["api", "scripts"] => {
                let scripts = list(&asked["scripts"]);
                let scripts = scripts.iter().map(|hash| json!({"transactions": of(hash).len(), "waiting": []}));
                json!({"tip": tip, "scripts": scripts.collect::<Vec<_>>()}).to_string().into_bytes()
            }
            ["api", "history"] => {
                let scripts = list(&asked["scripts"]);
                let scripts = scripts.iter().map(|hash| of(hash).iter().rev().collect::<Vec<_>>());
                json!({"tip": tip, "scripts": scripts.collect::<Vec<_>>()}).to_string().into_bytes()
            }
            ["api", "transactions"] => {
                json!(list(&asked).iter().map(|txid| self.shown.get(txid)).collect::<Vec<_>>()).to_string().into_bytes()
            }
            _ => b"{}".to_vec(),
        }
    }
}

fn branch(txids: &[Txid], mut position: usize) -> Vec<TxMerkleNode> {
    let mut level: Vec<[u8; 32]> = txids.iter().map(|txid| txid.to_byte_array()).collect();
    let mut branch = Vec::new();
    while level.len() > 1 {
        branch.push(TxMerkleNode::from_byte_array(level[(position ^ 1).min(level.len() - 1)]));
        let parent = |pair: &[[u8; 32]]| Txid::hash(&[pair[0], pair[pair.len() - 1]].concat()).to_byte_array();
        level = level.chunks(2).map(parent).collect();
        position /= 2;
    }
    branch
}

fn serve(stream: TcpStream, world: &Mutex<World>) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            match line.trim().to_ascii_lowercase().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().ok()?,
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let world = world.lock().unwrap_or_else(PoisonError::into_inner);
        let body = world.answer(&path, &String::from_utf8_lossy(&body));
        drop(world);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        writer.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    }
}

fn start(world: World, network: &Network) -> Outcome<(Arc<Mutex<World>>, ProxyClient)> {
    let world = Arc::new(Mutex::new(world));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let proxy = ProxyClient::new(&format!("http://{}", listener.local_addr()?), network)?;
    let shared = Arc::clone(&world);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let world = Arc::clone(&shared);
            std::thread::spawn(move || serve(stream, &world));
        }
    });
    Ok((world, proxy))
}

/// A moment, and how much this process had worked until then: on a busy machine the two tell different things.
struct Clock {
    start: Instant,
    worked: u64,
}

/// The processor time of this process, the proxy's included, in hundredths of a second. Source: proc_pid_stat(5).
fn worked() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

impl Clock {
    fn start() -> Self {
        Self { start: Instant::now(), worked: worked() }
    }

    fn say(&self, what: &str, limit: &str) -> Outcome<()> {
        let (taken, worked) = (self.start.elapsed(), (worked() - self.worked) * 10);
        Ok(writeln!(std::io::stdout(), "{what}: {taken:?} of which {worked} ms at work (at most {limit})")?)
    }
}

async fn run(path: &Path, addresses: u32, each: usize) -> Outcome<()> {
    let network = Network::demo();
    let scripts = scripts(&network, addresses)?;
    let all: Vec<&ScriptBuf> = (0..each).flat_map(|_| &scripts).collect();
    let mut world = World::new(&network);
    for block in all.chunks(A_BLOCK) {
        world.mine(block);
    }
    let (world, proxy) = start(world, &network)?;
    let folder = WalletFolder::at(path.join("wallets"), network.clone());
    let (name, password) = (WalletName::parse("a")?, Password::new("correct horse battery staple")?);
    let mut wallet = folder.create_from_words(&name, &RecoveryWords::parse(WORDS)?, &password)?;
    let clock = Clock::start();
    wallet.sync(&proxy).await?;
    assert_eq!(wallet.history().len(), all.len());
    clock.say(
        &format!("restore of {addresses} used addresses with {} transactions", all.len()),
        "10 s for 1,000 of 1,000",
    )?;

    world.lock().unwrap_or_else(PoisonError::into_inner).mine(&[&scripts[5], &scripts[6]]);
    let clock = Clock::start();
    let report = wallet.sync(&proxy).await?;
    clock.say("  a new block with two of ours", "200 ms")?;
    assert_eq!((report.new_transactions, report.newly_confirmed), (2, 2));
    world.lock().unwrap_or_else(PoisonError::into_inner).mine(&[]);
    let clock = Clock::start();
    wallet.sync(&proxy).await?;
    clock.say("  a new block with none of ours", "200 ms")?;
    let clock = Clock::start();
    let balance = wallet.balance();
    clock.say("  its balance", "-")?;
    drop(wallet);
    let clock = Clock::start();
    let wallet = folder.open(&name, Unlock::ViewKey)?;
    clock.say("  opening it", "1 s")?;
    assert_eq!(wallet.balance(), balance);
    Ok(())
}

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    for (addresses, each) in [(1_000, 1), (1_000, 10)] {
        let folder = tempfile::tempdir()?;
        runtime.block_on(run(folder.path(), addresses, each))?;
    }
    Ok(())
}
