//! Peers that are less than a whole stock node, and what ends a connection.

use std::time::Duration;

use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::bitcoin::p2p::message::NetworkMessage;
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;

use crate::chain::StockChain;
use crate::ours::Ours;
use crate::stock::{Setup, Stock};
use crate::wire::Transport;

fn blocks_asked(stock: &Stock) -> Vec<usize> {
    let height = |item: &Inventory| match item {
        Inventory::WitnessBlock(hash) | Inventory::CompactBlock(hash) => {
            stock.chain.blocks.iter().position(|block| block.block_hash() == *hash)
        }
        _ => None,
    };
    stock.requested.iter().filter_map(height).collect()
}

#[test]
fn one_that_prunes_is_asked_for_its_latest_blocks_alone() {
    let ours = Ours::start();
    let chain = StockChain::of(300);
    let services = ServiceFlags::NETWORK_LIMITED | ServiceFlags::WITNESS | ServiceFlags::P2P_V2;
    let pruned = Setup { services, ..Setup::new(Transport::V2) };
    let mut pruned = Stock::dials(&ours, pruned, chain.clone());
    pruned.serve_for(Duration::from_secs(1));
    let asked = blocks_asked(&pruned);
    assert!(!asked.is_empty() && asked.iter().all(|height| 300 - height < 286), "{asked:?}");
    assert_eq!(ours.height(), 0, "the first ones are missing");
    let mut whole = Stock::dials(&ours, Setup::new(Transport::V1), chain);
    let tip = whole.chain.tip().to_string();
    let begun = std::time::Instant::now();
    while ours.tip() != tip {
        assert!(begun.elapsed() < crate::ours::PATIENCE, "the chain is never complete");
        whole.serve_for(Duration::from_millis(20));
        pruned.serve_for(Duration::from_millis(20));
    }
    let asked = blocks_asked(&pruned);
    assert!(asked.iter().all(|height| 300 - height < 286), "{asked:?}");
}

#[test]
fn one_without_witnesses_shows_its_headers_and_gives_no_blocks() {
    let ours = Ours::start();
    let old = Setup { services: ServiceFlags::NETWORK, ..Setup::new(Transport::V1) };
    let mut stock = Stock::dials(&ours, old, StockChain::of(20));
    stock.serve_for(Duration::from_secs(1));
    assert!(stock.count("getheaders") > 0);
    assert_eq!(stock.requested, []);
    stock.is_on_good_terms();
}

#[test]
fn a_light_client_is_asked_for_nothing_and_served_without_witnesses_if_it_wants() {
    let ours = Ours::start();
    ours.mine(3);
    let light = Setup { services: ServiceFlags::NONE, relay: false, ..Setup::new(Transport::V1) };
    let mut stock = Stock::dials(&ours, light, StockChain::new());
    stock.serve_for(Duration::from_millis(500));
    assert_eq!(stock.count("getheaders"), 0);
    let hash = ours.tip().parse().expect("a hash");
    stock.ask(vec![Inventory::Block(hash)]);
    let NetworkMessage::Block(block) = stock.until("a block", |message| message.cmd() == "block") else {
        panic!("it is what was waited for")
    };
    assert!(block.txdata[0].input[0].witness.is_empty());
}

#[test]
fn what_is_negotiated_too_late_ends_the_connection() {
    let ours = Ours::start();
    for late in [NetworkMessage::WtxidRelay, NetworkMessage::SendAddrV2] {
        let mut stock = Stock::dials(&ours, Setup::new(Transport::V2), StockChain::new());
        stock.wire.send(late);
        while stock.wire.receive().is_some() {}
    }
    // What nobody knows never does.
    let mut stock = Stock::dials(&ours, Setup::new(Transport::V2), StockChain::new());
    for name in ["sendtxrcncl", "sendpackages", "feature", "whatisthis"] {
        stock.wire.send_unknown(name, &[7; 1_000]);
    }
    stock.is_on_good_terms();
}
