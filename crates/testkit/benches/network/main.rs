//! How fast blocks and headers cross the network, and what a peer costs, held to the goals that the project has set.
//!
//! In:    nothing, or a part of a row's name; `cargo bench -p mycoin-testkit --bench network [NAME]`.
//! Out:   a table: goal, measured figure, their ratio, and whether the goal was met. A slow machine only misses goals.
//! Never: a simulated network: all of it goes over loopback sockets, through whole servers with their chains on disk.
//!
//! | row | what is measured |
//! |---|---|
//! | memory | the growth of the process' resident memory, as Linux tells it, by 125 peers of another process, each after its handshake, an exchange of headers, and announcements of transactions in both directions; buffers of the operating system are not counted |
//! | headers | from the word to connect until the last header is in the block index on disk; the peer gives the blocks as well, which are judged meanwhile; each block has another target (ASERT) |
//! | known block | from the first byte of the call `submitblock` to the first of five servers in a line until it is the tip of the last, which is looked at each millisecond; all in this process |
//! | small blocks | from the word to connect until the last of 5,000 blocks is connected |

mod measure;
mod relay;
mod server;
mod source;

use std::io;
use std::time::Duration;

use crate::measure::Row;
use crate::server::Outcome;
use crate::source::Source;

/// How many headers are to come within [`HEADERS_GOAL`].
const HEADERS: u32 = 100_000;
const HEADERS_GOAL: Duration = Duration::from_secs(3);
/// How long a block may take to the last server.
const RELAY_GOAL: Duration = Duration::from_millis(150);
/// How many peers may cost [`MEMORY_GOAL`] bytes.
const PEERS: usize = 125;
const MEMORY_GOAL: u64 = 300_000_000;
/// The blocks of the row without a goal.
const SMALL_BLOCKS: u32 = 5_000;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, address] = arguments.as_slice()
        && mode == measure::AS_PEERS
    {
        return measure::be_peers(address);
    }
    let wanted = arguments.into_iter().find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let mut out = io::stdout();
    Row::head(&mut out)?;
    // First, while the process has no freed memory in which the peers could hide.
    let name = "memory of 125 peers";
    if name.contains(&wanted) {
        let cost = measure::memory_of_peers(PEERS)?;
        Row::new(name, MEMORY_GOAL as f64 / 1e6, cost as f64 / 1e6, "MB").write(&mut out)?;
    }
    let names = ["100,000 headers, v1", "100,000 headers, v2"];
    if names.iter().any(|name| name.contains(&wanted)) {
        let source = Source::mined(HEADERS);
        for (name, v2) in names.into_iter().zip([false, true]) {
            let taken = measure::headers(&source, v2)?;
            Row::new(name, HEADERS_GOAL.as_secs_f64(), taken.as_secs_f64(), "s").write(&mut out)?;
        }
    }
    let name = "known block of 1 MB";
    if name.contains(&wanted) {
        let mut taken = relay::times()?;
        taken.sort_unstable();
        let millis = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
        let goal = RELAY_GOAL.as_secs_f64() * 1e3;
        let (median, worst) = (millis(taken.get(taken.len() / 2)), millis(taken.last()));
        Row::new(&format!("{name}, 5 servers, median"), goal, median, "ms").write(&mut out)?;
        Row::new(&format!("{name}, 5 servers, worst of {}", taken.len()), goal, worst, "ms").write(&mut out)?;
    }
    let name = "small blocks";
    if name.contains(&wanted) {
        let taken = measure::blocks(&Source::mined(SMALL_BLOCKS))?;
        let rate = f64::from(SMALL_BLOCKS) / taken.as_secs_f64();
        Row::without_goal(&format!("{SMALL_BLOCKS} {name} of one peer"), rate, "blocks/s").write(&mut out)?;
    }
    Ok(())
}
