//! The stock node gets our server's chain, in Bitcoin Core's order of requests.

use mycoin_primitives::bitcoin::bip152::{BlockTransactionsRequest, HeaderAndShortIds};
use mycoin_primitives::bitcoin::p2p::message::NetworkMessage;
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::bitcoin::p2p::message_compact_blocks::{GetBlockTxn, SendCmpct};
use mycoin_primitives::{Block, Header};

use crate::chain::StockChain;
use crate::ours::Ours;
use crate::stock::{Setup, Stock};
use crate::wire::Transport;

/// The next announcement by headers.
fn headers(stock: &mut Stock) -> Vec<Header> {
    match stock.until("headers", |message| matches!(message, NetworkMessage::Headers(list) if !list.is_empty())) {
        NetworkMessage::Headers(list) => list,
        _ => Vec::new(),
    }
}

fn block(stock: &mut Stock) -> Block {
    match stock.until("a block", |message| message.cmd() == "block") {
        NetworkMessage::Block(block) => block,
        other => panic!("{other:?} is no block"),
    }
}

fn compact(stock: &mut Stock) -> HeaderAndShortIds {
    match stock.until("a compact block", |message| message.cmd() == "cmpctblock") {
        NetworkMessage::CmpctBlock(block) => block.compact_block,
        other => panic!("{other:?} is no compact block"),
    }
}

/// Fetches blocks as Bitcoin Core does: by their witness form, sixteen at a time.
fn fetch(stock: &mut Stock, list: &[Header]) {
    for part in list.chunks(16) {
        stock.ask(part.iter().map(|header| Inventory::WitnessBlock(header.block_hash())).collect());
        for header in part {
            let block = block(stock);
            assert_eq!(block.header, *header, "in the order of the request");
            assert!(block.check_merkle_root() && block.check_witness_commitment());
            stock.chain.push(block);
        }
    }
}

fn catches_up(setup: Setup, dials: bool) {
    let ours = Ours::start();
    ours.mine(37);
    let play = if dials { Stock::dials } else { Stock::is_dialled_by };
    let mut stock = play(&ours, setup.in_ibd(), StockChain::new());
    let list = match stock.heard.iter().find(|message| message.cmd() == "headers").cloned() {
        Some(NetworkMessage::Headers(list)) => list,
        _ => headers(&mut stock),
    };
    assert_eq!(list.len(), 37);
    fetch(&mut stock, &list);
    assert_eq!(stock.chain.tip().to_string(), ours.tip());
    // Out of its initial download it tells its true fee filter, and that it likes headers.
    stock.wire.send(NetworkMessage::SendHeaders);
    stock.wire.send(NetworkMessage::FeeFilter(100));
    stock.is_on_good_terms();

    ours.mine(1);
    let new = headers(&mut stock);
    assert_eq!(new.len(), 1);
    // In low bandwidth it asks for the compact form.
    stock.ask(vec![Inventory::CompactBlock(new[0].block_hash())]);
    let low = compact(&mut stock);
    assert_eq!((low.header, low.short_ids.len(), low.prefilled_txs.len()), (new[0], 0, 1));
    let request = BlockTransactionsRequest { block_hash: new[0].block_hash(), indexes: vec![0] };
    stock.wire.send(NetworkMessage::GetBlockTxn(GetBlockTxn { txs_request: request }));
    let NetworkMessage::BlockTxn(given) = stock.until("transactions", |message| message.cmd() == "blocktxn") else {
        panic!("it is what was waited for")
    };
    assert_eq!(given.transactions.transactions, [low.prefilled_txs[0].tx.clone()]);
    stock.chain.push(Block { header: low.header, txdata: given.transactions.transactions });

    // Bitcoin Core chooses us to announce at once: first no, then yes, as when it changes its mind.
    for announce in [false, true] {
        stock.wire.send(NetworkMessage::SendCmpct(SendCmpct { send_compact: announce, version: 2 }));
    }
    stock.is_on_good_terms();
    ours.mine(1);
    let unasked = compact(&mut stock);
    assert_eq!(unasked.header.prev_blockhash, stock.chain.tip());
    assert_eq!(unasked.header.block_hash().to_string(), ours.tip());
    stock.is_on_good_terms();

    // Deep blocks come whole, whoever asks for less.
    let deep = stock.chain.blocks[20].block_hash();
    stock.ask(vec![Inventory::CompactBlock(deep)]);
    assert_eq!(block(&mut stock).block_hash(), deep);
    let request = BlockTransactionsRequest { block_hash: deep, indexes: vec![0] };
    stock.wire.send(NetworkMessage::GetBlockTxn(GetBlockTxn { txs_request: request }));
    assert_eq!(block(&mut stock).block_hash(), deep);
}

#[test]
fn over_v1_it_dials_us() {
    catches_up(Setup::new(Transport::V1), true);
}

#[test]
fn over_v1_we_dial_it() {
    catches_up(Setup::new(Transport::V1), false);
}

#[test]
fn over_v2_it_dials_us() {
    catches_up(Setup::new(Transport::V2), true);
}

#[test]
fn over_v2_we_dial_it() {
    catches_up(Setup::new(Transport::V2), false);
}
