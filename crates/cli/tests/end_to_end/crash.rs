//! The server is killed without a warning at random moments while it mines, and stands again each time.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use mycoin_primitives::bitcoin::consensus::deserialize;
use mycoin_primitives::{Amount, Block, BlockHash, OutPoint};
use serde_json::Value;

use crate::home::{Home, PATIENCE, address_after, units};

const KILLS: u64 = 50;

#[test]
fn a_server_that_is_killed_while_it_mines_stands_again() {
    let home = Home::new();
    let password = home.password_file();
    let start = || {
        let server = home.start(&[
            "server",
            "--no-listen",
            "--rpc",
            "127.0.0.1:0",
            "--mine",
            "always",
            "--password-file",
            &password,
        ]);
        let ready = server.wait_until_ready(PATIENCE);
        (server, address_after(&ready, "rpc"))
    };
    let mut told = 0;
    for kill in 0..KILLS {
        let (mut server, address) = start();
        let height = home.rpc_at(&address, &["getblockcount"]).as_u64().expect("a height");
        assert!(height >= told, "kill {kill}: the tip was {told} and is {height}");
        std::thread::sleep(Duration::from_micros(rand::random_range(0..150_000)));
        server.kill();
        told = last_told_height(&server.output()).max(height);
        if kill % 10 == 9 {
            check_coins(&home);
        }
    }
}

/// The height of the last tip that the log told.
fn last_told_height(log: &str) -> u64 {
    let heights = log.lines().filter_map(|line| line.split_once("New tip: block ")?.1.split(',').next()?.parse().ok());
    heights.max().unwrap_or(0)
}

/// The server's figures, its own recount, and a recount that knows nothing but the block files.
fn check_coins(home: &Home) {
    let password = home.password_file();
    let mut server =
        home.start(&["server", "--no-listen", "--rpc", "127.0.0.1:0", "--mine", "off", "--password-file", &password]);
    let address = address_after(&server.wait_until_ready(PATIENCE), "rpc");
    let told = home.rpc_at(&address, &["gettxoutsetinfo"]);
    let recounted = home.rpc_at(&address, &["recounttxoutset"]);
    for field in ["height", "bestblock", "txouts", "bogosize", "hash_serialized_3", "total_amount"] {
        assert_eq!(told[field], recounted[field], "{field}");
    }
    let (count, total) = recount(&home.dir().join("demo/blocks"), &told["bestblock"]);
    assert_eq!((told["txouts"].as_u64(), units(&told["total_amount"])), (Some(count), total.to_sat()));
    assert_eq!(server.interrupt(PATIENCE).code(), Some(0));
}

/// Counts the coins and their amounts from the raw block files alone: magic, length, block, as Bitcoin Core writes them.
fn recount(folder: &Path, tip: &Value) -> (u64, Amount) {
    let mut blocks: HashMap<BlockHash, Block> = HashMap::new();
    for entry in fs::read_dir(folder).expect("the blocks' folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "dat") {
            continue;
        }
        let bytes = fs::read(path).expect("our own file");
        let mut rest = bytes.as_slice();
        while let Some((head, tail)) = rest.split_at_checked(8) {
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let Some((raw, next)) = tail.split_at_checked(length) else { break };
            let Ok(block) = deserialize::<Block>(raw) else { break };
            blocks.insert(block.block_hash(), block);
            rest = next;
        }
    }
    let mut hash: BlockHash = tip.as_str().expect("a hash").parse().expect("a hash");
    let mut branch = Vec::new();
    while let Some(block) = blocks.remove(&hash) {
        hash = block.header.prev_blockhash;
        branch.push(block);
    }
    let mut coins: HashMap<OutPoint, Amount> = HashMap::new();
    // The branch ends in genesis, whose output is not a coin.
    let without_genesis = branch.iter().filter(|block| block.header.prev_blockhash.as_ref() as &[u8; 32] != &[0; 32]);
    for tx in without_genesis.rev().flat_map(|block| &block.txdata) {
        for input in &tx.input {
            coins.remove(&input.previous_output);
        }
        let txid = tx.compute_txid();
        for (vout, output) in (0..).zip(&tx.output) {
            if !output.script_pubkey.is_op_return() {
                coins.insert(OutPoint { txid, vout }, output.value);
            }
        }
    }
    (coins.len() as u64, coins.values().copied().sum())
}
