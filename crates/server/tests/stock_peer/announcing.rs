//! New blocks and reorganisations, in both directions.

use mycoin_primitives::Header;
use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::bitcoin::p2p::message::NetworkMessage;
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::bitcoin::p2p::message_compact_blocks::SendCmpct;
use serde_json::json;

use crate::chain::StockChain;
use crate::ours::Ours;
use crate::stock::{Setup, Stock};
use crate::wire::Transport;

fn in_step(blocks: usize) -> (Ours, Stock) {
    let ours = Ours::start();
    let mut stock = Stock::dials(&ours, Setup::new(Transport::V2), StockChain::of(blocks));
    let tip = stock.chain.tip().to_string();
    stock.serve_until("our tip", |_| ours.tip() == tip);
    stock.wire.send(NetworkMessage::SendHeaders);
    stock.is_on_good_terms();
    (ours, stock)
}

#[track_caller]
fn follow(ours: &Ours, stock: &mut Stock) {
    let tip = stock.chain.tip().to_string();
    stock.serve_until("our change to its tip", |_| ours.tip() == tip);
}

#[test]
fn a_block_that_it_announces_at_once_is_put_together_from_what_waits() {
    let (ours, mut stock) = in_step(110);
    // The first new block comes by its header, and makes it one of those who announce at once.
    stock.chain.mine(Vec::new());
    stock.announce_headers(1);
    follow(&ours, &mut stock);
    let tip = stock.chain.tip();
    assert!(stock.requested.contains(&Inventory::CompactBlock(tip)), "one new block at the tip");
    let is_chosen = SendCmpct { send_compact: true, version: 2 };
    stock.serve_until("our choice of it", |stock| stock.heard.contains(&NetworkMessage::SendCmpct(is_chosen)));

    let known: Vec<_> = [1, 3].map(|height| stock.chain.payment(height, 10_000)).to_vec();
    for payment in &known {
        ours.call("sendrawtransaction", json!([serialize_hex(payment)]));
    }
    let secret: Vec<_> = [2, 4, 5].map(|height| stock.chain.payment(height, 10_000)).to_vec();
    let all = [&secret[..1], &known[..1], &secret[1..], &known[1..]].concat();
    stock.chain.mine(all);
    stock.announce_compact();
    let request = stock.until("a question for the rest", |message| message.cmd() == "getblocktxn");
    let NetworkMessage::GetBlockTxn(request) = request else { panic!("it is what was waited for") };
    assert_eq!(request.txs_request.indexes, [1, 3, 4], "those that wait nowhere");
    follow(&ours, &mut stock);
    assert_eq!(stock.count("getblocktxn"), 1);
    assert!(ours.mempool().is_empty());

    // What waits as a whole is asked for no more.
    let payment = stock.chain.payment(6, 10_000);
    ours.call("sendrawtransaction", json!([serialize_hex(&payment)]));
    stock.chain.mine(vec![payment]);
    stock.announce_compact();
    follow(&ours, &mut stock);
    assert_eq!(stock.count("getblocktxn"), 1);
}

#[test]
fn a_branch_that_it_announces_by_headers_becomes_ours() {
    let (ours, mut stock) = in_step(30);
    let old = stock.chain.clone();
    // Eight headers from five below the tip: Bitcoin Core announces no more in this way.
    stock.chain = old.fork(25, 1);
    (0..8).for_each(|_| stock.chain.mine(Vec::new()));
    stock.announce_headers(8);
    follow(&ours, &mut stock);
    // Longer ones by the tip alone.
    let longer = stock.chain.fork(20, 2);
    stock.chain = longer;
    (0..15).for_each(|_| stock.chain.mine(Vec::new()));
    let tip = stock.chain.tip();
    stock.wire.send(NetworkMessage::Inv(vec![Inventory::Block(tip)]));
    follow(&ours, &mut stock);
    // And back to the first, with one block more than it had and with headers that do not connect to what we know.
    stock.chain = old;
    (0..8).for_each(|_| stock.chain.mine(Vec::new()));
    stock.announce_headers(1);
    follow(&ours, &mut stock);
    stock.is_on_good_terms();
}

#[test]
fn our_reorganisations_are_announced_by_up_to_eight_headers_or_by_the_tip() {
    let (ours, mut stock) = in_step(40);
    for (tag, depth) in [(1, 3), (2, 7), (3, 8), (4, 20)] {
        let mut branch = stock.chain.fork(stock.chain.height() - depth, tag);
        (0..=depth).for_each(|_| branch.mine(Vec::new()));
        let new = branch.blocks[branch.blocks.len() - depth - 1..].to_vec();
        stock.heard.clear();
        // All but the last wait beside the chain.
        for block in &new {
            ours.call("submitblock", json!([serialize_hex(block)]));
        }
        assert_eq!(ours.tip(), branch.tip().to_string());
        let headers: Vec<Header> = new.iter().map(|block| block.header).collect();
        let wanted = if headers.len() <= 8 {
            NetworkMessage::Headers(headers)
        } else {
            NetworkMessage::Inv(vec![Inventory::Block(branch.tip())])
        };
        stock.until("the announcement", |message| *message == wanted);
        assert_eq!(stock.count("headers") + stock.count("inv"), 1, "and no other");
        stock.chain = branch;
        stock.is_on_good_terms();
    }
}
