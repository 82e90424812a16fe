//! Synchronisation over HTTP, with a proxy that tells the truth or lies in one way.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use mycoin_light::ProxyClient;
use mycoin_primitives::bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use mycoin_primitives::hashes::{Hash as _, sha256};
use mycoin_primitives::{
    Amount, Block, FeeRate, Header, Height, Network, OutPoint, Script, ScriptBuf, Target, Transaction, Txid,
    genesis_block,
};
use serde_json::{Value, json};

use super::{folder, name, password, payment, stranger};
use crate::keyring::{Keychain, Origin};
use crate::{FeeChoice, KeyKind, PaymentRequest, SyncError, Wallet};

const COIN: u64 = 100_000_000;

/// What the proxy knows, and how it lies.
struct World {
    blocks: Vec<Block>,
    waiting: Vec<Transaction>,
    bends_proofs: bool,
    catches_up: bool,
    moves_transactions: bool,
    /// Shows this transaction for every script.
    shows_always: Option<Transaction>,
}

impl World {
    fn new(network: &Network) -> Self {
        let blocks = vec![genesis_block(network)];
        Self {
            blocks,
            waiting: Vec::new(),
            bends_proofs: false,
            catches_up: false,
            moves_transactions: false,
            shows_always: None,
        }
    }

    fn mine(&mut self, txdata: Vec<Transaction>) {
        let height = u32::try_from(self.blocks.len()).expect("few blocks");
        let mut reward = payment(OutPoint::null(), stranger(), 50 * COIN);
        reward.input[0].script_sig = ScriptBuf::from_bytes([&height.to_le_bytes()[..], &[txdata.len() as u8]].concat());
        let txdata: Vec<Transaction> = std::iter::once(reward).chain(txdata).collect();
        let parent = self.blocks.last().expect("genesis at least").header;
        let header = Header { prev_blockhash: parent.block_hash(), time: parent.time + 60, nonce: 0, ..parent };
        let mut block = Block { header, txdata };
        block.header.merkle_root = block.compute_merkle_root().expect("a reward at least");
        while block.header.validate_pow(Target::from_compact(block.header.bits)).is_err() {
            block.header.nonce += 1;
        }
        self.waiting.retain(|tx| !block.txdata.contains(tx));
        self.blocks.push(block);
    }

    fn confirmed(&self) -> impl Iterator<Item = (&Transaction, usize)> {
        self.blocks.iter().enumerate().flat_map(|(height, block)| block.txdata.iter().map(move |tx| (tx, height)))
    }

    fn output(&self, outpoint: OutPoint) -> Option<&mycoin_primitives::TxOut> {
        let mut all = self.confirmed().map(|(tx, _)| tx).chain(&self.waiting);
        all.find(|tx| tx.compute_txid() == outpoint.txid)?.output.get(outpoint.vout as usize)
    }

    fn history(&self, hash: &str) -> Value {
        let is = |script: &Script| format!("{:x}", sha256::Hash::hash(script.as_bytes())) == hash;
        let concerns = |tx: &Transaction| {
            let spends = |outpoint| self.output(outpoint).is_some_and(|output| is(&output.script_pubkey));
            self.shows_always.as_ref() == Some(tx)
                || tx.output.iter().any(|output| is(&output.script_pubkey))
                || tx.input.iter().any(|input| spends(input.previous_output))
        };
        let waiting = self.waiting.iter().filter(|tx| concerns(tx)).map(|tx| self.describe(tx, None));
        let confirmed = self.confirmed().filter(|(tx, _)| concerns(tx));
        waiting.chain(confirmed.map(|(tx, height)| self.describe(tx, Some(height)))).collect()
    }

    fn describe(&self, tx: &Transaction, height: Option<usize>) -> Value {
        let output = |output: &mycoin_primitives::TxOut| json!({"scriptpubkey": output.script_pubkey.to_hex_string(), "value": output.value.to_sat()});
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let vin: Value = tx
            .input
            .iter()
            .map(|input| {
                json!({
                    "txid": input.previous_output.txid, "vout": input.previous_output.vout,
                    "prevout": self.output(input.previous_output).map(output),
                    "scriptsig": input.script_sig.to_hex_string(), "sequence": input.sequence.0,
                    "witness": input.witness.iter().map(hex).collect::<Vec<_>>(), "is_coinbase": tx.is_coinbase(),
                })
            })
            .collect();
        let status = match height {
            Some(height) => {
                let header = self.blocks[if self.moves_transactions { 1 } else { height }].header;
                json!({"confirmed": true, "block_height": height, "block_hash": header.block_hash(), "block_time": header.time})
            }
            None => json!({"confirmed": false}),
        };
        json!({
            "txid": tx.compute_txid(), "version": tx.version.0, "locktime": tx.lock_time.to_consensus_u32(),
            "vin": vin, "vout": tx.output.iter().map(output).collect::<Vec<_>>(), "fee": null, "status": status,
        })
    }

    fn proof(&self, txid: &str) -> Option<Value> {
        let (tx, height) = self.confirmed().find(|(tx, _)| tx.compute_txid().to_string() == txid)?;
        let txids: Vec<Txid> = self.blocks[height].txdata.iter().map(Transaction::compute_txid).collect();
        let position = txids.iter().position(|other| *other == tx.compute_txid())?;
        // Blocks here hold one or two transactions, so the branch is the neighbour, if there is one.
        let mut branch: Vec<String> =
            txids.iter().filter(|other| **other != tx.compute_txid()).map(Txid::to_string).collect();
        if self.bends_proofs {
            branch = vec![Txid::all_zeros().to_string()];
        }
        Some(json!({"block_height": height, "merkle": branch, "pos": position}))
    }

    fn answer(&mut self, path: &str, body: &str) -> Option<String> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match parts[..] {
            ["status"] => {
                let tip = self.blocks.last()?.block_hash();
                let word = if self.catches_up { "catching-up" } else { "ok" };
                Some(json!({"state": {"status": word, "height": self.blocks.len() - 1, "hash": tip}}).to_string())
            }
            ["api", "block-height", height] => {
                Some(self.blocks.get(height.parse::<usize>().ok()?)?.block_hash().to_string())
            }
            ["api", "block", hash, "header"] => {
                let block = self.blocks.iter().find(|block| block.block_hash().to_string() == hash)?;
                Some(serialize_hex(&block.header))
            }
            ["api", "scripthash", hash, "txs"] => Some(self.history(hash).to_string()),
            ["api", "tx", txid, "merkle-proof"] => Some(self.proof(txid)?.to_string()),
            ["api", "fee-estimates"] => Some(json!({"1": 8.0, "6": 2.0}).to_string()),
            ["api", "tx"] => {
                let tx: Transaction = deserialize_hex(body).ok()?;
                let txid = tx.compute_txid();
                self.waiting.push(tx);
                Some(txid.to_string())
            }
            _ => None,
        }
    }
}

fn serve(mut stream: TcpStream, world: &Mutex<World>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
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
    let answer = world.lock().unwrap_or_else(PoisonError::into_inner).answer(&path, &String::from_utf8_lossy(&body));
    let (status, text) = answer.map_or(("404 Not Found", String::new()), |text| ("200 OK", text));
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len()).ok()
}

struct Setting {
    _tmp: tempfile::TempDir,
    world: Arc<Mutex<World>>,
    proxy: ProxyClient,
    wallet: Wallet,
}

impl Setting {
    fn new(kind: KeyKind) -> Self {
        let network = Network::demo();
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let wallet = folder(tmp.path(), &network).create(&name("a"), kind, &password()).expect("a free name").wallet;
        let world = Arc::new(Mutex::new(World::new(&network)));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let shared = Arc::clone(&world);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let world = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &world));
            }
        });
        let proxy = ProxyClient::new(&url, &network).expect("a good address");
        Self { _tmp: tmp, world, proxy, wallet }
    }

    fn world(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn script(&self, index: u32) -> ScriptBuf {
        self.wallet.keyring.script_at(Origin { keychain: Keychain::External, index }).expect("derivable")
    }

    async fn sync(&mut self) -> Result<crate::SyncReport, SyncError> {
        self.wallet.sync(&self.proxy).await
    }

    fn balance(&self) -> [u64; 3] {
        let balance = self.wallet.balance();
        [balance.spendable, balance.waiting, balance.immature].map(Amount::to_sat)
    }
}

fn gift(script: ScriptBuf, sats: u64) -> Transaction {
    payment(OutPoint { txid: Txid::hash(&sats.to_le_bytes()), vout: 0 }, script, sats)
}

#[tokio::test]
async fn addresses_are_found_across_gaps_up_to_the_limit() {
    let mut setting = Setting::new(KeyKind::Words);
    for index in [0, 19, 39] {
        let tx = gift(setting.script(index), COIN + u64::from(index));
        setting.world(|world| world.mine(vec![tx]));
    }
    let beyond = gift(setting.script(60), 7 * COIN);
    setting.world(|world| world.waiting.push(beyond));
    let report = setting.sync().await.expect("an honest proxy");
    assert_eq!((report.tip, report.new_transactions, report.newly_confirmed), (Height::new(3), 3, 3));
    assert_eq!(setting.balance(), [3 * COIN + 58, 0, 0]);
    assert_eq!(setting.wallet.addresses().len(), 40);
    assert_eq!(setting.wallet.next_address().expect("written").index, 1, "the first that was never paid");
    let again = setting.sync().await.expect("an honest proxy");
    assert_eq!((again.new_transactions, again.newly_confirmed, again.blocks_undone), (0, 0, 0));
}

#[tokio::test]
async fn a_payment_goes_out_and_is_confirmed() {
    for kind in [KeyKind::Words, KeyKind::Rsa { bits: 2048 }] {
        let mut setting = Setting::new(kind);
        let tx = gift(setting.script(0), 5 * COIN);
        setting.world(|world| world.mine(vec![tx]));
        setting.sync().await.expect("an honest proxy");
        let request = PaymentRequest {
            recipient: stranger(),
            recipient_text: "stranger".to_owned(),
            amount: Amount::from_sat(2 * COIN),
            fee: FeeChoice::Target { blocks: 6 },
        };
        let draft = setting.wallet.prepare(&request).expect("enough coins");
        assert_eq!(draft.review().fee, FeeRate::from_sat_per_vb(2).fee_for(draft.review().vsize));
        let tx = setting.wallet.sign(&draft, &password()).expect("right password");
        setting.proxy.broadcast(&tx).await.expect("an honest proxy");
        setting.wallet.note_sent(&tx).expect("written");
        let rest = 3 * COIN - draft.review().fee.to_sat();
        assert_eq!(setting.balance(), [rest, 0, 0]);
        setting.sync().await.expect("an honest proxy");
        assert_eq!(setting.balance(), [rest, 0, 0]);
        setting.world(|world| world.mine(vec![tx.clone()]));
        setting.sync().await.expect("an honest proxy");
        assert_eq!(setting.balance(), [rest, 0, 0]);
        assert_eq!(setting.wallet.history()[0].height, Some(Height::new(2)));
    }
}

#[tokio::test]
async fn another_branch_is_followed() {
    let mut setting = Setting::new(KeyKind::Words);
    let (first, second) = (gift(setting.script(0), COIN), gift(setting.script(1), 2 * COIN));
    setting.world(|world| {
        world.mine(vec![first.clone()]);
        world.mine(vec![second.clone()]);
    });
    setting.sync().await.expect("an honest proxy");
    assert_eq!(setting.balance(), [3 * COIN, 0, 0]);
    setting.world(|world| {
        world.blocks.truncate(2);
        world.mine(Vec::new());
        world.mine(Vec::new());
        world.waiting.push(second.clone());
    });
    let report = setting.sync().await.expect("an honest proxy");
    assert_eq!((report.blocks_undone, report.vanished), (1, 0));
    assert_eq!(setting.balance(), [COIN, 2 * COIN, 0]);
    // Back to a lower tip of the same branch, as after a block was declared invalid.
    setting.world(|world| world.blocks.truncate(2));
    setting.sync().await.expect("an honest proxy");
    assert_eq!((setting.wallet.tip(), setting.balance()), (Height::new(1), [COIN, 2 * COIN, 0]));
}

#[tokio::test]
async fn a_proxy_that_makes_its_index_anew_undoes_nothing() {
    let mut setting = Setting::new(KeyKind::Words);
    let payment = gift(setting.script(0), COIN);
    setting.world(|world| world.mine(vec![payment]));
    setting.sync().await.expect("an honest proxy");
    setting.world(|world| {
        world.blocks.truncate(1);
        world.catches_up = true;
    });
    assert!(matches!(setting.sync().await, Err(SyncError::ProxyBehind { .. })));
    assert_eq!((setting.wallet.tip(), setting.balance()), (Height::new(1), [COIN, 0, 0]));
}

#[tokio::test]
async fn a_lying_proxy_changes_nothing() {
    let mut setting = Setting::new(KeyKind::Words);
    let (first, second) = (gift(setting.script(0), COIN), gift(setting.script(1), 2 * COIN));
    setting.world(|world| world.mine(vec![first]));
    setting.sync().await.expect("an honest proxy");
    setting.world(|world| {
        world.mine(vec![second]);
        world.bends_proofs = true;
    });
    assert!(matches!(setting.sync().await, Err(SyncError::BadProof { .. })));
    assert_eq!(setting.balance(), [COIN, 0, 0]);
    setting.world(|world| {
        world.bends_proofs = false;
        world.moves_transactions = true;
    });
    assert!(matches!(setting.sync().await, Err(SyncError::Contradiction { .. })));
    assert_eq!(setting.balance(), [COIN, 0, 0]);
    setting.world(|world| world.moves_transactions = false);
    setting.sync().await.expect("an honest proxy");
    assert_eq!(setting.balance(), [3 * COIN, 0, 0]);
}

#[tokio::test]
async fn a_proxy_that_is_away_or_of_another_coin_changes_nothing() {
    let mut setting = Setting::new(KeyKind::Words);
    setting.world(|world| world.blocks = vec![genesis_block(&Network::mycoin())]);
    assert!(matches!(setting.sync().await, Err(SyncError::Proxy(_))));
    setting.proxy = ProxyClient::new("http://127.0.0.1:1", &Network::demo()).expect("a good address");
    assert!(matches!(setting.sync().await, Err(SyncError::Proxy(_))));
    assert_eq!(setting.wallet.tip(), Height::GENESIS);
}

#[tokio::test]
async fn a_proxy_that_has_something_for_every_address_does_not_lead_on_for_ever() {
    let mut setting = Setting::new(KeyKind::Words);
    let strange = gift(stranger(), COIN);
    setting.world(|world| {
        world.mine(vec![strange.clone()]);
        world.shows_always = Some(strange);
    });
    setting.sync().await.expect("nothing that matters is wrong");
    assert_eq!((setting.balance(), setting.wallet.history().len()), ([0, 0, 0], 0));
}
