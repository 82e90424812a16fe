//! The rows: what is set up, what is timed, what is written.

use std::io::{self, BufRead as _, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mycoin_p2p::{Host, P2p, P2pConfig, P2pHandle};
use tokio::runtime::Runtime;

use crate::server::{Outcome, Running, local, until};
use crate::source::{Source, network};

/// The word by which the benchmark starts itself as the other side of [`memory_of_peers`].
pub(crate) const AS_PEERS: &str = "as-peers";
/// Of the peers, those that the server has dialled: more than 114 may not come to it.
const DIALLED: usize = 11;
/// The chain that they have.
const PEERS_BLOCKS: u32 = 2_000;
/// Transactions that each announces.
const ANNOUNCED: u32 = 1_000;

/// A line of the table.
pub(crate) struct Row {
    name: String,
    goal: Option<f64>,
    measured: f64,
    unit: &'static str,
}

impl Row {
    pub(crate) fn new(name: &str, goal: f64, measured: f64, unit: &'static str) -> Self {
        Self { name: name.to_owned(), goal: Some(goal), measured, unit }
    }

    pub(crate) fn without_goal(name: &str, measured: f64, unit: &'static str) -> Self {
        Self { name: name.to_owned(), goal: None, measured, unit }
    }

    pub(crate) fn head(out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{:<48} {:>12} {:>16} {:>14}", "", "at most", "measured", "of the goal")
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let (name, unit, measured) = (&self.name, self.unit, self.measured);
        let measured_text = format!("{measured:.2} {unit}");
        match self.goal {
            Some(goal) => {
                let word = if measured <= goal { "met" } else { "missed" };
                let (goal_text, part) = (format!("{goal:.0} {unit}"), 100.0 * measured / goal);
                writeln!(out, "{name:<48} {goal_text:>12} {measured_text:>16} {part:>12.0} %  {word}")
            }
            None => writeln!(out, "{name:<48} {:>12} {measured_text:>16}", "–"),
        }
    }
}

/// Starts a peer out of memory.
fn start_peer(runtime: &Runtime, source: &Arc<Source>, connect: Vec<String>, v2: bool) -> Outcome<P2pHandle> {
    let listen = connect.is_empty().then(local);
    let config = P2pConfig {
        network: network(),
        listen,
        connect,
        addresses: Vec::new(),
        bans: Vec::new(),
        seed: 7,
        v2,
        socks5: None,
    };
    let host: Arc<dyn Host> = Arc::clone(source) as _;
    Ok(runtime.block_on(P2p::start(config, host))?)
}

fn address(peer: &P2pHandle) -> Outcome<String> {
    Ok(peer.local_addr().ok_or("it does not listen")?.to_string())
}

/// The time in which a new server has all headers of one peer.
pub(crate) fn headers(source: &Arc<Source>, v2: bool) -> Outcome<Duration> {
    follow(source, v2, |server| server.progress().is_some_and(|progress| progress.headers == source.height()))
}

/// The time in which a new server has connected all blocks of one peer.
pub(crate) fn blocks(source: &Arc<Source>) -> Outcome<Duration> {
    follow(source, true, |server| server.progress().is_some_and(|progress| progress.blocks == source.height()))
}

fn follow(source: &Arc<Source>, v2: bool, is_done: impl Fn(&Running) -> bool) -> Outcome<Duration> {
    let server = Running::start(network())?;
    let peer = start_peer(server.runtime(), source, Vec::new(), v2)?;
    let start = Instant::now();
    server.add_peer(&address(&peer)?)?;
    let taken = until(start, Duration::from_millis(1), || is_done(&server))?;
    server.runtime().block_on(peer.shutdown());
    Ok(taken)
}

/// How many bytes the resident memory grows by with so many peers.
pub(crate) fn memory_of_peers(count: usize) -> Outcome<u64> {
    let server = Running::start(network())?;
    let before = resident()?;
    let mut peers = Command::new(std::env::current_exe()?)
        .args([AS_PEERS, &server.p2p()?])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(peers.stdout.take().ok_or("it has an output")?).lines();
    for address in lines.take(DIALLED) {
        server.add_peer(&address?)?;
    }
    // All have said hello, told their headers and announced their transactions, which have come.
    let is_settled = |peer: &serde_json::Value| {
        let bytes = &peer["bytesrecv_per_msg"];
        let (inv, tx) = (bytes["inv"].as_u64().unwrap_or(0), bytes["tx"].is_number());
        peer["synced_headers"] == PEERS_BLOCKS && inv > u64::from(ANNOUNCED) * 36 / 2 && tx
    };
    let start = Instant::now();
    until(start, Duration::from_millis(200), || {
        let told = server.call("getpeerinfo", serde_json::json!([])).unwrap_or_default();
        told.as_array().is_some_and(|all| all.iter().filter(|peer| is_settled(peer)).count() == count)
    })?;
    let after = resident()?;
    drop(peers.stdin.take());
    peers.wait()?;
    Ok(after.saturating_sub(before))
}

/// The resident memory of this process in bytes. Source: proc(5), `VmRSS`.
fn resident() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("VmRSS is not told")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1_024)
}

/// Is the peers of the server at `address`, until the standard input ends. Prints where the server may dial.
pub(crate) fn be_peers(address: &str) -> Outcome<()> {
    let runtime = Runtime::new()?;
    let chain = Source::mined(PEERS_BLOCKS);
    let mut peers = Vec::new();
    for owner in 0..u32::try_from(crate::PEERS)? {
        let is_dialled = (owner as usize) < DIALLED;
        let connect = if is_dialled { Vec::new() } else { vec![address.to_owned()] };
        let source = chain.with_transactions(ANNOUNCED, owner);
        let peer = start_peer(&runtime, &source, connect, true)?;
        if is_dialled {
            writeln!(io::stdout(), "{}", self::address(&peer)?)?;
        }
        peers.push((peer, source));
    }
    // What is told before the handshake is not announced.
    runtime.block_on(async {
        while peers_without_handshake(&peers).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    for (peer, source) in &peers {
        source.waiting().for_each(|transaction| peer.notify_transaction(transaction));
    }
    io::stdin().lines().for_each(drop);
    for (peer, _) in peers {
        runtime.block_on(peer.shutdown());
    }
    Ok(())
}

async fn peers_without_handshake(peers: &[(P2pHandle, Arc<Source>)]) -> bool {
    for (peer, _) in peers {
        if !peer.peers().await.iter().any(|info| info.handshake_complete) {
            return true;
        }
    }
    false
}
