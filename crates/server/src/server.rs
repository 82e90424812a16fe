//! Starting and stopping: everything in one order, and the reverse.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mycoin_chain::{Chain, ChainOptions, SignatureCache};
use mycoin_files::{FilesError, Readers, read_private, replace};
use mycoin_identity::{Identity, Trust, server_tls};
use mycoin_mempool::{Mempool, MempoolLimits};
use mycoin_p2p::{P2p, P2pConfig};
use mycoin_primitives::{MiningTrigger, Network, ScriptBuf};
use mycoin_rpc::{CookieServer, bind, serve_mutual_tls};
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;

use crate::banlist;
use crate::error::ServerError;
use crate::kept_filters::{self, BlockFilters, KeptFilters};
use crate::methods::Methods;
use crate::mining::{self, Miner};
use crate::node::Node;
use crate::progress::SyncProgress;

/// How often old transactions are looked for, and mempool and addresses are saved.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(600);
/// How many valid signatures are remembered; each takes about 100 bytes.
const SIGNATURES_MAX: usize = 100_000;
/// How often it is noted where the chain stands.
const METERING_INTERVAL: Duration = Duration::from_secs(1);
const MEMPOOL_FILE: &str = "mempool.dat";
const PEERS_FILE: &str = "peers.dat";
const COOKIE_FILE: &str = ".cookie";

/// What a server needs to start.
pub struct ServerConfig {
    /// The coin.
    pub network: Network,
    /// The coin's folder; it exists and only its owner can use it.
    pub folder: PathBuf,
    /// The server's certificate.
    pub identity: Identity,
    /// Whose certificates are let in.
    pub trust: Trust,
    /// Where to listen for the private RPC.
    pub rpc: SocketAddr,
    /// Where to serve it as plain HTTP with a cookie; loopback only.
    pub rpc_cookie: Option<SocketAddr>,
    /// Where to listen for peers; `None`: nowhere.
    pub p2p: Option<SocketAddr>,
    /// Peers to stay connected to, beside the coin's own.
    pub connect: Vec<String>,
    /// Whether connections with peers may be encrypted (BIP324).
    pub v2: bool,
    /// The SOCKS5 proxy through which peers are dialled, as `host:port`.
    pub socks5: Option<String>,
    /// What becomes of blocks' filters.
    pub filters: BlockFilters,
    /// When the built-in miner works.
    pub mining: MiningTrigger,
    /// Whom it pays; without one it works only when it is asked to.
    pub mine_to: Option<ScriptBuf>,
}

/// A running server.
pub struct Server {
    node: Arc<Node>,
    folder: PathBuf,
    rpc: SocketAddr,
    cookie: Option<SocketAddr>,
    shutdown: watch::Sender<bool>,
    serving: Vec<Task<()>>,
    miner: JoinHandle<()>,
}

impl Server {
    /// Opens the chain, starts peers, miner and RPC. Everything answers when it returns.
    ///
    /// # Errors
    ///
    /// [`ServerError`] names what failed: the folder, a port, a certificate. Nothing is left running then.
    pub async fn start(config: ServerConfig) -> Result<Self, ServerError> {
        let tls = server_tls(&config.identity, &config.trust)?;
        let node = Arc::new(open_node(&config)?);
        let rpc_listener = bind(config.rpc, "--rpc").await?;
        let cookie_server = match config.rpc_cookie {
            Some(address) => {
                let listener = bind(address, "--rpc-cookie").await?;
                let bound = listener.local_addr().unwrap_or(address);
                Some((CookieServer::open(listener, &config.folder.join(COOKIE_FILE))?, bound))
            }
            None => None,
        };
        let peers = P2p::start(
            P2pConfig {
                network: config.network.clone(),
                listen: config.p2p,
                connect: config.connect.clone(),
                addresses: read_optional(&config.folder.join(PEERS_FILE))?,
                bans: banlist::read(&config.folder)?,
                seed: rand::random(),
                v2: config.v2,
                socks5: config.socks5.clone(),
            },
            Arc::clone(&node) as Arc<dyn mycoin_p2p::Host>,
        );
        node.attach_peers(peers.await?, config.folder.clone());
        let for_miner = Arc::clone(&node);
        let miner = std::thread::Builder::new().name("miner".to_owned()).spawn(move || mining::run(&for_miner));
        let miner = miner.map_err(|source| ServerError::Thread { source })?;
        let (shutdown, asked) = watch::channel(false);
        let rpc = rpc_listener.local_addr().unwrap_or(config.rpc);
        let methods = Arc::new(Methods::new(Arc::clone(&node)));
        let mut serving = vec![tokio::spawn(serve_mutual_tls(rpc_listener, tls, Arc::clone(&methods), asked.clone()))];
        let cookie = cookie_server.map(|(server, address)| {
            serving.push(tokio::spawn(server.serve(methods, asked.clone())));
            address
        });
        serving.push(tokio::spawn(metering(Arc::clone(&node), asked.clone())));
        serving.push(tokio::spawn(kept_filters::run(Arc::clone(&node), asked.clone())));
        serving.push(tokio::spawn(housekeeping(Arc::clone(&node), config.folder.clone(), asked)));
        Ok(Self { node, folder: config.folder, rpc, cookie, shutdown, serving, miner })
    }

    /// Where the private RPC answers.
    pub fn rpc_address(&self) -> SocketAddr {
        self.rpc
    }

    /// Where the RPC with a cookie answers.
    pub fn cookie_address(&self) -> Option<SocketAddr> {
        self.cookie
    }

    /// Where peers connect to.
    pub fn p2p_address(&self) -> Option<SocketAddr> {
        self.node.peers().and_then(mycoin_p2p::P2pHandle::local_addr)
    }

    /// How far it has caught up with its peers.
    pub fn progress(&self) -> SyncProgress {
        self.node.progress()
    }

    /// Returns when somebody called the method `stop`.
    pub async fn stop_was_called(&self) {
        let mut stop = self.node.watch_stop();
        // The sender lives in the node, which lives as long as we do.
        let _asked = stop.wait_for(|stop| *stop).await;
    }

    /// Stops everything and saves what waits. Answers under way are finished first, within a time.
    pub async fn shutdown(self) {
        self.node.miner.stop();
        self.shutdown.send_replace(true);
        for task in self.serving {
            let _panicked_tasks_are_over_too = task.await;
        }
        save(&self.node, &self.folder).await;
        if let Some(peers) = self.node.peers() {
            peers.shutdown().await;
        }
        let _panicked_threads_are_over_too = tokio::task::spawn_blocking(move || self.miner.join()).await;
        tracing::info!("The server has stopped.");
    }
}

fn open_node(config: &ServerConfig) -> Result<Node, ServerError> {
    // One memory for both: what the mempool verified, a block need not verify again. Its salt is this run's own.
    let signatures = Arc::new(SignatureCache::new(SIGNATURES_MAX, rand::random()));
    let options = ChainOptions { signatures: Some(Arc::clone(&signatures)), ..ChainOptions::default() };
    let chain = Chain::open(&config.folder, config.network.clone(), options)?;
    let mempool = Mempool::new(config.network.clone(), MempoolLimits::default()).with_signature_cache(signatures);
    let mut node = Node::new(chain, mempool, Miner::new(config.mining, config.mine_to.clone()));
    node.kept_filters = KeptFilters::open(&config.folder, config.filters);
    let tip = node.chain.tip();
    tracing::info!("{}: the chain stands at block {}, {}", config.network.coin, tip.height, tip.hash);
    node.load_mempool(&read_optional(&config.folder.join(MEMPOOL_FILE))?);
    node.miner.transactions_changed(node.mempool().len());
    Ok(node)
}

/// A file's bytes; none when there is no file.
pub(crate) fn read_optional(path: &std::path::Path) -> Result<Vec<u8>, ServerError> {
    match read_private(path) {
        Ok(bytes) => Ok(bytes),
        Err(FilesError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

async fn metering(node: Arc<Node>, mut shutdown: watch::Receiver<bool>) {
    loop {
        node.measure();
        tokio::select! {
            _ = shutdown.wait_for(|asked| *asked) => return,
            () = tokio::time::sleep(METERING_INTERVAL) => {}
        }
    }
}

async fn housekeeping(node: Arc<Node>, folder: PathBuf, mut shutdown: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = shutdown.wait_for(|asked| *asked) => return,
            () = tokio::time::sleep(HOUSEKEEPING_INTERVAL) => {}
        }
        node.expire_mempool();
        save(&node, &folder).await;
    }
}

/// Saves the waiting transactions and the peers' addresses: a convenience, so a failure is only told.
async fn save(node: &Node, folder: &std::path::Path) {
    let mut files = vec![(MEMPOOL_FILE, node.mempool().dump())];
    if let Some(peers) = node.peers() {
        files.push((PEERS_FILE, peers.addresses().await));
        files.extend(peers.bans().await.map(|bans| (banlist::FILE, banlist::to_bytes(&bans))));
    }
    for (name, bytes) in files {
        if let Err(error) = replace(&folder.join(name), &bytes, Readers::Owner) {
            tracing::warn!("{error}");
        }
    }
}
