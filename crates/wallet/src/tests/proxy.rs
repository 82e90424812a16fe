//! Synchronisation over HTTP, with proxies that tell the truth or lie in one way.

mod lies;
mod restored;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use mycoin_light::ProxyClient;
use mycoin_primitives::bitcoin::consensus::encode::{deserialize_hex, serialize, serialize_hex};
use mycoin_primitives::hashes::{Hash as _, sha256};
use mycoin_primitives::{
    Amount, Block, FeeRate, Header, Height, Network, OutPoint, Script, ScriptBuf, Target, Transaction, Txid,
    genesis_block,
};
use serde_json::{Value, json};

use super::{folder, name, password, payment, stranger};
use crate::keyring::{Keychain, Origin};
use crate::{FeeChoice, KeyKind, PaymentRequest, SyncError, SyncWarning, Wallet};

const COIN: u64 = 100_000_000;

/// What the proxy knows, and how it lies.
#[derive(Clone, Default)]
struct World {
    blocks: Vec<Block>,
    waiting: Vec<Transaction>,
    bends_proofs: bool,
    catches_up: bool,
    moves_transactions: bool,
    /// Claims one transaction more for each script than it lists.
    exaggerates: bool,
    /// Shows this transaction for every script.
    shows_always: Option<Transaction>,
    /// Shows none of these.
    hides: Vec<Txid>,
    fees: Option<Value>,
    /// Refuses to count scripts, with this text.
    refuses: Option<String>,
    /// Headers that it gives instead of the blocks' own.
    headers: BTreeMap<usize, Header>,
    /// The paths that were asked for.
    asked: Vec<String>,
}

fn branch(txids: &[Txid], mut position: usize) -> Vec<Txid> {
    let mut level = txids.to_vec();
    let mut branch = Vec::new();
    while level.len() > 1 {
        branch.push(level[(position ^ 1).min(level.len() - 1)]);
        let parent = |pair: &[Txid]| {
            let both = [pair[0].to_byte_array(), pair[pair.len() - 1].to_byte_array()].concat();
            Txid::hash(&both)
        };
        level = level.chunks(2).map(parent).collect();
        position /= 2;
    }
    branch
}

impl World {
    fn new(network: &Network) -> Self {
        Self { blocks: vec![genesis_block(network)], ..Self::default() }
    }

    fn mine(&mut self, txdata: Vec<Transaction>) {
        self.mine_salted(txdata, 0);
    }

    /// Blocks of another salt have other hashes.
    fn mine_salted(&mut self, txdata: Vec<Transaction>, salt: u8) {
        let height = u32::try_from(self.blocks.len()).expect("few blocks");
        let mut reward = payment(OutPoint::null(), stranger(), 50 * COIN);
        let bytes = [&height.to_le_bytes()[..], &[txdata.len() as u8, salt]].concat();
        reward.input[0].script_sig = ScriptBuf::from_bytes(bytes);
        let txdata: Vec<Transaction> = std::iter::once(reward).chain(txdata).collect();
        let parent = self.blocks.last().expect("genesis at least").header;
        let version = mycoin_primitives::bitcoin::block::Version::from_consensus(0x2000_0000);
        let header =
            Header { version, prev_blockhash: parent.block_hash(), time: parent.time + 60, nonce: 0, ..parent };
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

    fn concerns(&self, tx: &Transaction, hash: &str) -> bool {
        let is = |script: &Script| format!("{:x}", sha256::Hash::hash(script.as_bytes())) == hash;
        let spends = |outpoint| self.output(outpoint).is_some_and(|output| is(&output.script_pubkey));
        let hidden = self.hides.contains(&tx.compute_txid());
        self.shows_always.as_ref() == Some(tx)
            || !hidden
                && (tx.output.iter().any(|output| is(&output.script_pubkey))
                    || tx.input.iter().any(|input| spends(input.previous_output)))
    }

    /// The confirmed transactions of a script, newest first.
    fn history(&self, hash: &str) -> Vec<(usize, Txid)> {
        let own = self.confirmed().filter(|(tx, _)| self.concerns(tx, hash));
        let mut list: Vec<_> = own.map(|(tx, height)| (height, tx.compute_txid())).collect();
        list.reverse();
        list
    }

    fn count(&self, hash: &str) -> Value {
        let waiting = self.waiting.iter().filter(|tx| self.concerns(tx, hash)).map(Transaction::compute_txid);
        let count = self.history(hash).len() + usize::from(self.exaggerates);
        json!({"transactions": count, "waiting": waiting.collect::<Vec<_>>()})
    }

    fn show(&self, txid: &str) -> Value {
        let output = |output: &mycoin_primitives::TxOut| json!({"scriptpubkey": output.script_pubkey.to_hex_string(), "value": output.value.to_sat()});
        let is = |tx: &Transaction| tx.compute_txid().to_string() == txid;
        let confirmed = self.confirmed().find(|(tx, _)| is(tx));
        let waiting = || self.waiting.iter().find(|tx| is(tx)).map(|tx| (tx, usize::MAX));
        let Some((tx, height)) = confirmed.or_else(waiting) else { return Value::Null };
        let spent: Vec<_> = tx.input.iter().map(|input| self.output(input.previous_output).map(output)).collect();
        let hex = serialize_hex(tx);
        let Some(block) = self.blocks.get(height) else {
            return json!({"hex": hex, "spent": spent, "status": {"confirmed": false}});
        };
        let claimed = &self.blocks[if self.moves_transactions { 1 } else { height }];
        let txids: Vec<Txid> = block.txdata.iter().map(Transaction::compute_txid).collect();
        let position = txids.iter().position(|other| *other == tx.compute_txid()).expect("it is in the block");
        let mut merkle = branch(&txids, position);
        if self.bends_proofs {
            merkle = vec![Txid::all_zeros()];
        }
        json!({
            "hex": hex, "spent": spent, "merkle": merkle, "pos": position,
            "status": {"confirmed": true, "block_height": height, "block_hash": claimed.block_hash(),
                "block_time": claimed.header.time + 1_000},
        })
    }

    fn header(&self, height: usize) -> Option<Header> {
        self.headers.get(&height).copied().or_else(|| Some(self.blocks.get(height)?.header))
    }

    fn tip(&self) -> Option<Value> {
        let height = self.blocks.len().checked_sub(1)?;
        Some(json!({"height": height, "hash": self.header(height)?.block_hash()}))
    }

    fn answer(&mut self, path: &str, body: &str) -> Option<Vec<u8>> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        self.asked.push(path.to_owned());
        let asked: Value = serde_json::from_str(body).unwrap_or_default();
        let list = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(|item| Some(item.as_str()?.to_owned())).collect()
        };
        let text = match parts[..] {
            ["status"] => {
                let word = if self.catches_up { "catching-up" } else { "ok" };
                let mut state = self.tip()?;
                state["status"] = word.into();
                json!({ "state": state }).to_string()
            }
            ["api", "block-height", height] => self.header(height.parse::<usize>().ok()?)?.block_hash().to_string(),
            ["api", "headers", from, count] => {
                let (from, count): (usize, usize) = (from.parse().ok()?, count.parse().ok()?);
                let headers = (from..from + count).map_while(|height| self.header(height));
                return Some(headers.flat_map(|header| serialize(&header)).collect());
            }
            ["api", "scripts"] => {
                let scripts: Vec<_> = list(&asked["scripts"]).iter().map(|hash| self.count(hash)).collect();
                json!({"tip": self.tip()?, "scripts": scripts}).to_string()
            }
            ["api", "history"] => {
                // Short lists, so that they must be asked for several times.
                let after = |list: Vec<(usize, Txid)>| match asked["before"].as_str() {
                    None => list,
                    Some(last) => list.into_iter().skip_while(|(_, id)| id.to_string() != last).skip(1).collect(),
                };
                let lists = list(&asked["scripts"]).into_iter().map(|hash| after(self.history(&hash)));
                let lists: Vec<Vec<_>> = lists.map(|list| list.into_iter().take(3).collect()).collect();
                json!({"tip": self.tip()?, "scripts": lists}).to_string()
            }
            ["api", "transactions"] => {
                // Fewer than were asked for, so that the rest must be asked for again.
                let shown: Vec<_> = list(&asked).iter().take(7).map(|txid| self.show(txid)).collect();
                json!(shown).to_string()
            }
            ["api", "fee-estimates"] => self.fees.clone().unwrap_or(json!({"1": 8.0, "6": 2.0})).to_string(),
            ["api", "tx"] => {
                let tx: Transaction = deserialize_hex(body).ok()?;
                let txid = tx.compute_txid();
                self.waiting.push(tx);
                txid.to_string()
            }
            _ => return None,
        };
        Some(text.into_bytes())
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
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let (status, body) = match (&world.refuses, path.as_str()) {
        (Some(text), "/api/scripts") => ("400 Bad Request", text.clone().into_bytes()),
        _ => match world.answer(&path, &String::from_utf8_lossy(&body)) {
            Some(body) => ("200 OK", body),
            None => ("404 Not Found", Vec::new()),
        },
    };
    drop(world);
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len()).ok()?;
    stream.write_all(&body).ok()
}

/// Serves a world on a port of its own.
fn start(world: World) -> (Arc<Mutex<World>>, ProxyClient) {
    let world = Arc::new(Mutex::new(world));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let shared = Arc::clone(&world);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let world = Arc::clone(&shared);
            std::thread::spawn(move || serve(stream, &world));
        }
    });
    (world, ProxyClient::new(&url, &Network::demo()).expect("a good address"))
}

struct Setting {
    tmp: tempfile::TempDir,
    world: Arc<Mutex<World>>,
    proxy: ProxyClient,
    wallet: Wallet,
}

impl Setting {
    fn new(kind: KeyKind) -> Self {
        let network = Network::demo();
        let tmp = tempfile::tempdir().expect("a temporary folder");
        let wallet = folder(tmp.path(), &network).create(&name("a"), kind, &password()).expect("a free name").wallet;
        let (world, proxy) = start(World::new(&network));
        Self { tmp, world, proxy, wallet }
    }

    /// Another proxy that knows the same, but for `change`.
    fn other(&self, change: impl FnOnce(&mut World)) -> (Arc<Mutex<World>>, ProxyClient) {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner).clone();
        change(&mut world);
        start(world)
    }

    /// The paths that were asked for since this was called last.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner).asked)
    }

    /// Asks both proxies; what is to be said about them, as codes.
    async fn sync_both(&mut self, other: &ProxyClient) -> Result<Vec<&'static str>, SyncError> {
        let proxies = [self.proxy.clone(), other.clone()];
        let report = self.wallet.sync_with(&proxies, &|_| {}).await?;
        Ok(report.warnings.iter().map(SyncWarning::code).collect())
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
        let fee = FeeChoice::Target { blocks: 6 };
        let request = PaymentRequest::to(stranger(), "stranger", Amount::from_sat(2 * COIN), fee);
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
        world.mine_salted(Vec::new(), 1);
        world.mine(Vec::new());
        world.waiting.push(second.clone());
    });
    let report = setting.sync().await.expect("an honest proxy");
    assert_eq!((report.blocks_undone, report.vanished), (1, 0));
    assert_eq!(setting.balance(), [COIN, 2 * COIN, 0]);
    // The first branch comes back and grows: what it held is in its block again.
    let second_branch = setting.other(|_| {});
    setting.world(|world| {
        world.blocks.truncate(2);
        world.waiting.clear();
        world.mine(vec![second.clone()]);
        world.mine(Vec::new());
        world.mine(Vec::new());
    });
    setting.sync().await.expect("an honest proxy");
    assert_eq!((setting.wallet.tip(), setting.balance()), (Height::new(4), [3 * COIN, 0, 0]));
    setting.world = second_branch.0;
    setting.proxy = second_branch.1;
    setting.world(|world| {
        world.mine_salted(Vec::new(), 1);
        world.mine(Vec::new());
    });
    setting.sync().await.expect("an honest proxy");
    assert_eq!((setting.wallet.tip(), setting.balance()), (Height::new(5), [COIN, 2 * COIN, 0]));
    // A lower tip of the same branch is a proxy that is behind, until the headers are forgotten.
    setting.world(|world| world.blocks.truncate(2));
    assert!(matches!(setting.sync().await, Err(SyncError::ProxyBehind { .. })));
    assert_eq!((setting.wallet.tip(), setting.balance()), (Height::new(5), [COIN, 2 * COIN, 0]));
    setting.wallet.forget_headers().expect("written");
    setting.sync().await.expect("an honest proxy");
    assert_eq!((setting.wallet.tip(), setting.balance()), (Height::new(1), [COIN, 2 * COIN, 0]));
    // Without the transaction in the pool, it is gone.
    setting.world(|world| world.waiting.clear());
    assert_eq!(setting.sync().await.expect("an honest proxy").vanished, 1);
    assert_eq!(setting.balance(), [COIN, 0, 0]);
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
