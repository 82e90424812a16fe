//! Transactions in both directions.

use std::time::Duration;

use mycoin_primitives::Transaction;
use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::bitcoin::p2p::message::NetworkMessage;
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use serde_json::json;

use crate::chain::StockChain;
use crate::ours::Ours;
use crate::stock::{Setup, Stock};
use crate::wire::Transport;

/// Both are at the tip of a chain with ten mature coinbases.
fn in_step(setup: Setup, dials: bool) -> (Ours, Stock) {
    let ours = Ours::start();
    let play = if dials { Stock::dials } else { Stock::is_dialled_by };
    let mut stock = play(&ours, setup, StockChain::of(110));
    let tip = stock.chain.tip().to_string();
    stock.serve_until("our tip", |_| ours.tip() == tip);
    (ours, stock)
}

fn has(ours: &Ours, transaction: &Transaction) -> bool {
    ours.mempool().contains(&transaction.compute_txid().to_string())
}

fn announces(message: &NetworkMessage, transaction: &Transaction) -> bool {
    matches!(message, NetworkMessage::Inv(items) if items.contains(&Inventory::WTx(transaction.compute_wtxid())))
}

fn both_ways(setup: Setup, dials: bool) {
    let (ours, mut stock) = in_step(setup, dials);
    let theirs = stock.chain.payment(1, 10_000);
    stock.announce_transaction(&theirs);
    stock.serve_until("its payment among ours", |_| has(&ours, &theirs));
    assert_eq!(stock.requested.last(), Some(&Inventory::WTx(theirs.compute_wtxid())));

    let mine = stock.chain.payment(2, 10_000);
    ours.call("sendrawtransaction", json!([serialize_hex(&mine)]));
    stock.until("our announcement", |message| announces(message, &mine));
    // By wtxid; by txid with witness, as orphans' parents are asked for; and one that nobody has.
    let nobody = Inventory::WTx(stock.chain.payment(3, 10_000).compute_wtxid());
    for item in [Inventory::WTx(mine.compute_wtxid()), Inventory::WitnessTransaction(mine.compute_txid())] {
        stock.ask(vec![item]);
        let given = stock.until("our payment", |message| message.cmd() == "tx");
        assert_eq!(given, NetworkMessage::Tx(mine.clone()));
    }
    stock.ask(vec![nobody]);
    let answer = stock.until("notfound", |message| message.cmd() == "notfound");
    assert_eq!(answer, NetworkMessage::NotFound(vec![nobody]));
    let heard = stock.heard.iter().filter(|message| announces(message, &theirs)).count();
    assert_eq!(heard, 0, "nobody is told what he told");
}

#[test]
fn over_v1_with_one_that_dials_us() {
    both_ways(Setup::new(Transport::V1), true);
}

#[test]
fn over_v2_with_one_that_we_dial() {
    both_ways(Setup::new(Transport::V2), false);
}

#[test]
fn an_orphans_parent_is_asked_for_by_txid_with_its_witness() {
    let (ours, mut stock) = in_step(Setup::new(Transport::V2), true);
    let parent = stock.chain.payment(1, 10_000);
    let child = StockChain::spending(&parent, 10_000);
    stock.keep_transaction(&parent);
    stock.announce_transaction(&child);
    stock.serve_until("both among ours", |_| has(&ours, &parent) && has(&ours, &child));
    assert!(stock.requested.contains(&Inventory::WitnessTransaction(parent.compute_txid())));
}

#[test]
fn what_pays_less_than_its_filter_is_not_announced() {
    let (ours, mut stock) = in_step(Setup::new(Transport::V1).in_ibd(), true);
    let cheap = stock.chain.payment(1, 10_000);
    ours.call("sendrawtransaction", json!([serialize_hex(&cheap)]));
    stock.serve_for(Duration::from_secs(2));
    assert_eq!(stock.count("inv"), 0);
    // It has caught up.
    stock.wire.send(NetworkMessage::FeeFilter(100));
    stock.is_on_good_terms();
    let next = stock.chain.payment(2, 10_000);
    ours.call("sendrawtransaction", json!([serialize_hex(&next)]));
    stock.until("the next one", |message| announces(message, &next));
}

#[test]
fn one_for_blocks_only_is_told_of_blocks_only() {
    let (ours, mut stock) = in_step(Setup { relay: false, ..Setup::new(Transport::V2) }, true);
    let payment = stock.chain.payment(1, 10_000);
    ours.call("sendrawtransaction", json!([serialize_hex(&payment)]));
    stock.wire.send(NetworkMessage::SendHeaders);
    stock.serve_for(Duration::from_secs(2));
    assert_eq!(stock.count("inv"), 0, "it would end the connection");
    ours.mine(1);
    stock.until("a block", |message| matches!(message, NetworkMessage::Headers(list) if list.len() == 1));
}
