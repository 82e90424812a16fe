//! How fast headers are checked, and how fast the file of checked ones is read.
//!
//! `cargo bench -p mycoin-light --bench headers`

use std::io::Write as _;
use std::time::Instant;

use mycoin_light::HeaderChain;
use mycoin_primitives::{Header, Height, Network};

const COUNT: u32 = 100_000;
const NOW: u32 = 2_000_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let network = Network::demo();
    let mut chain = HeaderChain::new(&network);
    let mut headers = Vec::new();
    let mut parent = chain.header_at(Height::GENESIS).ok_or("genesis")?;
    for _ in 0..COUNT {
        let version = mycoin_primitives::bitcoin::block::Version::from_consensus(0x2000_0000);
        let mut header =
            Header { version, prev_blockhash: parent.block_hash(), time: parent.time + 1, nonce: 0, ..parent };
        while header.validate_pow(header.target()).is_err() {
            header.nonce += 1;
        }
        headers.push(header);
        parent = header;
    }
    let mut out = std::io::stdout();
    let start = Instant::now();
    chain.push(&headers, NOW)?;
    writeln!(out, "{COUNT} headers checked: {:?}", start.elapsed())?;

    let folder = tempfile::tempdir()?;
    let folder = folder.path().join("wallets");
    let mut kept = HeaderChain::open(&folder, &network)?;
    let start = Instant::now();
    for batch in headers.chunks(2_000) {
        kept.push(batch, NOW)?;
    }
    writeln!(out, "{COUNT} headers checked and kept, 2,000 at a time: {:?}", start.elapsed())?;
    drop(kept);
    let start = Instant::now();
    let read = HeaderChain::open(&folder, &network)?;
    writeln!(out, "{COUNT} headers read from the file: {:?} (at most 1 s)", start.elapsed())?;
    assert_eq!(read.tip(), chain.tip());
    Ok(())
}
