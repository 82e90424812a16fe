//! Our server gets the stock node's chain.

use std::time::Duration;

use mycoin_primitives::bitcoin::p2p::message::NetworkMessage;
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use serde_json::json;

use crate::chain::StockChain;
use crate::ours::Ours;
use crate::stock::{Setup, Stock};
use crate::wire::Transport;

/// A chain with payments in it.
fn chain() -> StockChain {
    let mut chain = StockChain::of(101);
    let first = chain.payment(1, 1_000);
    let second = StockChain::spending(&first, 1_000);
    chain.mine(vec![first, second]);
    (0..10).for_each(|_| chain.mine(Vec::new()));
    chain
}

/// Blocks that were asked for, each once.
fn blocks_asked(stock: &Stock) -> usize {
    let asked =
        stock.requested.iter().filter(|item| matches!(item, Inventory::WitnessBlock(_) | Inventory::CompactBlock(_)));
    asked.count()
}

fn all_the_way(setup: Setup, dials: bool) {
    let ours = Ours::start();
    let play = if dials { Stock::dials } else { Stock::is_dialled_by };
    let mut stock = play(&ours, setup.in_ibd(), chain());
    let tip = stock.chain.tip().to_string();
    stock.serve_until("our tip", |_| ours.tip() == tip);
    assert_eq!(blocks_asked(&stock), 112, "each block once");
    stock.is_on_good_terms();
    let peer = ours.peer();
    let transport = if setup.transport == Transport::V1 { "v1" } else { "v2" };
    assert_eq!(
        (&peer["transport_protocol_type"], &peer["inbound"], &peer["subver"]),
        (&json!(transport), &json!(dials), &json!("/Satoshi:28.0.0/"))
    );
    assert_eq!((&peer["synced_headers"], &peer["synced_blocks"]), (&json!(112), &json!(112)));
    // It asked for our headers at a time when we had none but genesis, and was answered.
    assert!(
        matches!(&stock.heard.iter().find(|message| message.cmd() == "headers"), Some(NetworkMessage::Headers(list)) if list.is_empty())
    );
}

#[test]
fn over_v1_from_one_that_dials_us() {
    all_the_way(Setup::new(Transport::V1), true);
}

#[test]
fn over_v1_from_one_that_we_dial() {
    all_the_way(Setup::new(Transport::V1), false);
}

#[test]
fn over_v2_from_one_that_dials_us() {
    all_the_way(Setup::new(Transport::V2), true);
}

#[test]
fn over_v2_from_one_that_we_dial() {
    all_the_way(Setup::new(Transport::V2), false);
}

#[test]
fn sixteen_blocks_are_asked_for_at_once() {
    let ours = Ours::start();
    let listener = Setup::new(Transport::V2);
    let mut stock = Stock::dials(&ours, listener, StockChain::new());
    stock.is_deaf = true;
    stock.chain = StockChain::of(40);
    stock.announce_headers(40);
    stock.serve_until("sixteen requests", |stock| stock.requested.len() >= 16);
    stock.serve_for(Duration::from_millis(300));
    assert_eq!(stock.requested.len(), 16, "Bitcoin Core asks one peer for no more, either");
    let lowest: Vec<Inventory> =
        stock.chain.blocks[1..=16].iter().map(|block| Inventory::WitnessBlock(block.block_hash())).collect();
    assert_eq!(stock.requested, lowest);
    stock.is_deaf = false;
    stock.give(&lowest);
    stock.serve_until("the rest", |_| ours.height() == 40);
}

#[test]
fn two_thousand_headers_are_a_message_and_the_rest_is_asked_for() {
    let ours = Ours::start();
    let mut stock = Stock::dials(&ours, Setup::new(Transport::V1), StockChain::new());
    stock.is_deaf = true;
    stock.chain = StockChain::of(2_005);
    let full = stock.chain.blocks[2_000].block_hash();
    stock.announce_headers(1);
    let goes_on = |message: &NetworkMessage| matches!(message, NetworkMessage::GetHeaders(request) if request.locator_hashes.first() == Some(&full));
    stock.until("the question for what follows 2,000 headers", goes_on);
    ours.until("the headers", |ours| ours.call("getblockchaininfo", json!([]))["headers"] == 2_005);
}
