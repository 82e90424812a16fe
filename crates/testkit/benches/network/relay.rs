//! A block whose transactions wait everywhere, on its way through a line of servers.

use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::{Amount, Block, MiningTrigger, Network, OutPoint, Transaction, TxOut, genesis_block};
use mycoin_testkit::builders::{ChainBuilder, TxBuilder};
use mycoin_testkit::keys::Key;
use serde_json::json;

use crate::server::{Outcome, Running, until};

/// How many servers stand in the line.
const SERVERS: usize = 5;
/// How many blocks cross it.
const BLOCKS: usize = 12;
/// Transactions of two inputs and two outputs that fill 1 MB.
const TRANSACTIONS: usize = 3_220;
/// What each coin begins with; each transaction pays [`FEE`] of it.
const COIN: Amount = Amount::from_sat(500_000);
const FEE: Amount = Amount::from_sat(1_000);
/// How long the servers may tell each other what they know before a block comes.
const QUIET: Duration = Duration::from_secs(2);

/// A coin and how to spend it.
type Spendable = (OutPoint, TxOut);

/// The times from the first server to the last, of each block.
pub(crate) fn times() -> Outcome<Vec<Duration>> {
    let network = young_network()?;
    let servers = (0..SERVERS).map(|_| Running::start(network.clone())).collect::<Outcome<Vec<_>>>()?;
    for pair in servers.windows(2) {
        if let [first, second] = pair {
            second.add_peer(&first.p2p()?)?;
        }
    }
    let mut chain = ChainBuilder::new(network);
    chain.mine_empty(3);
    let key = chain.key();
    let mut coins = fan_out(&mut chain, &key);
    // The first blocks of a coin: they also settle who announces to whom by compact blocks.
    for block in chain.blocks().to_vec().iter().skip(1) {
        cross(&servers, block)?;
    }
    let mut taken = Vec::new();
    for _ in 0..BLOCKS {
        let (transactions, change) = payments(&coins, &key);
        coins = change;
        let block = chain.mine(transactions);
        everywhere(&servers, &block.txdata[1..])?;
        sleep(QUIET);
        taken.push(cross(&servers, &block)?);
    }
    Ok(taken)
}

/// The demo coin, but it began two hours ago, so that its tip is not taken for an old one.
fn young_network() -> Outcome<Network> {
    let mut network = Network { mining: MiningTrigger::Off, ..Network::demo() };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    network.genesis.time = u32::try_from(now.as_secs())? - 7_200;
    let target = network.pow_limit_target();
    while !target.is_met_by(genesis_block(&network).block_hash()) {
        network.genesis.nonce += 1;
    }
    network.genesis.hash = genesis_block(&network).block_hash();
    Ok(network)
}

/// Mines a block that makes two coins for each transaction.
fn fan_out(chain: &mut ChainBuilder, key: &Key) -> Vec<Spendable> {
    let paid = TxOut { value: COIN, script_pubkey: key.script() };
    let (outpoint, coin) = chain.spendable().swap_remove(0);
    let outputs = TRANSACTIONS * 2;
    let builder = (0..outputs).fold(TxBuilder::new().spend(outpoint, &coin.output), |builder, _| {
        builder.pay(paid.script_pubkey.clone(), paid.value)
    });
    let fan = builder.sign(key);
    let txid = fan.compute_txid();
    chain.mine(vec![fan]);
    (0..).take(outputs).map(|vout| (OutPoint { txid, vout }, paid.clone())).collect()
}

/// A block's worth of payments, each of two coins into two, and the coins that they make.
fn payments(coins: &[Spendable], key: &Key) -> (Vec<Transaction>, Vec<Spendable>) {
    let pay = |pair: &[Spendable]| {
        let builder =
            pair.iter().fold(TxBuilder::new(), |builder, (outpoint, output)| builder.spend(*outpoint, output));
        let builder = pair
            .iter()
            .fold(builder, |builder, (_, output)| builder.pay(output.script_pubkey.clone(), output.value - FEE / 2));
        builder.sign(key)
    };
    let transactions: Vec<Transaction> = coins.chunks(2).map(pay).collect();
    let made = transactions.iter().flat_map(|tx| {
        let txid = tx.compute_txid();
        (0..).zip(&tx.output).map(move |(vout, output)| (OutPoint { txid, vout }, output.clone()))
    });
    let made = made.collect();
    (transactions, made)
}

/// Lets the transactions wait at all servers.
fn everywhere(servers: &[Running], transactions: &[Transaction]) -> Outcome<()> {
    let calls: Vec<_> = transactions.iter().map(|tx| json!([serialize_hex(tx)])).collect();
    for server in servers {
        // Those that came from a neighbour meanwhile are known: what counts is that they are there.
        server.call_each("sendrawtransaction", calls.clone())?;
        let waiting = server.call("getmempoolinfo", json!([]))?;
        if waiting["size"] != transactions.len() {
            return Err(format!("{} of {} transactions wait", waiting["size"], transactions.len()).into());
        }
    }
    Ok(())
}

/// Submits a block at the first server. Gives the time until it is the tip of the last.
fn cross(servers: &[Running], block: &Block) -> Outcome<Duration> {
    let (Some(first), Some(last)) = (servers.first(), servers.last()) else { return Err("no servers".into()) };
    let height = last.progress().ok_or("it runs")?.blocks.next();
    let call = first.prepare("submitblock", json!([serialize_hex(block)]));
    let start = Instant::now();
    scope(|scope| {
        let submitted = scope.spawn(|| first.send(&call).map_err(|error| error.to_string()));
        // Looked at no more often than it matters: there is work for all cores.
        let taken = until(start, Duration::from_millis(1), || last.progress().is_some_and(|now| now.blocks == height));
        let refused = submitted.join().map_err(|_| "the call panicked")??;
        if refused.is_null() { taken } else { Err(format!("the block was refused: {refused}").into()) }
    })
}
