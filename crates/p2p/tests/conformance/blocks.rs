//! Headers, blocks and compact blocks (BIP130, BIP144, BIP152).

use mycoin_p2p::{DisconnectReason, Offence};
use mycoin_primitives::Block;
use mycoin_primitives::bitcoin::consensus::encode::deserialize;
use mycoin_primitives::hashes::{Hash as _, sha256};

use crate::block::{GENESIS, HandMade};
use crate::bytes::{hex, names, payload, table};
use crate::link::{CORE, Link, Version};
use crate::world::Shelf;

pub(crate) fn parsed(block: &HandMade) -> Block {
    deserialize(&block.whole()).expect("put together right")
}

fn one(kind: &str, hash: &[u8; 32]) -> Vec<u8> {
    [&hex("01")[..], &hex(kind), hash].concat()
}

/// `headers` with one.
fn headers(block: &HandMade) -> Vec<u8> {
    [&hex("01")[..], &block.header, &hex("00")].concat()
}

fn from_genesis() -> Vec<u8> {
    table(&[("version", "80110100"), ("count", "01"), ("genesis", GENESIS), ("no end", &"00".repeat(32))])
}

/// SipHash-2-4, as BIP152 uses it.
fn siphash(key: [u64; 2], data: &[u8]) -> u64 {
    fn round([a, b, c, d]: &mut [u64; 4]) {
        *a = a.wrapping_add(*b);
        *b = b.rotate_left(13) ^ *a;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*d);
        *d = d.rotate_left(16) ^ *c;
        *a = a.wrapping_add(*d);
        *d = d.rotate_left(21) ^ *a;
        *c = c.wrapping_add(*b);
        *b = b.rotate_left(17) ^ *c;
        *c = c.rotate_left(32);
    }
    let constants = [0x736f_6d65_7073_6575, 0x646f_7261_6e64_6f6d, 0x6c79_6765_6e65_7261, 0x7465_6462_7974_6573];
    let mut state = [0, 1, 2, 3].map(|place| constants[place] ^ key[place % 2]);
    assert!(data.len().is_multiple_of(8), "ids have 32 bytes");
    let end = (data.len() as u64) << 56;
    let words = data.chunks(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight")));
    for word in words.chain([end]) {
        state[3] ^= word;
        (0..2).for_each(|_| round(&mut state));
        state[0] ^= word;
    }
    state[2] ^= 0xff;
    (0..4).for_each(|_| round(&mut state));
    state.into_iter().fold(0, |all, one| all ^ one)
}

/// The six bytes by which a compact block names a transaction.
fn short_id(header: &[u8], nonce: &[u8], wtxid: &[u8; 32]) -> Vec<u8> {
    let key = sha256::Hash::hash(&[header, nonce].concat()).to_byte_array();
    let half = |at: usize| u64::from_le_bytes(key[at..at + 8].try_into().expect("eight"));
    siphash([half(0), half(8)], wtxid).to_le_bytes()[..6].to_vec()
}

/// `cmpctblock` with the coinbase in full.
fn compact(block: &HandMade, nonce: &str) -> Vec<u8> {
    let nonce = hex(nonce);
    let ids: Vec<u8> =
        block.payments.iter().flat_map(|payment| short_id(&block.header, &nonce, &payment.wtxid())).collect();
    [&block.header[..], &nonce, &hex("02"), &ids, &hex("01 00"), &block.coinbase].concat()
}

/// A node that has the block.
fn with_block() -> (Link, HandMade) {
    let block = HandMade::new();
    let mut shelf = Shelf::new();
    shelf.blocks.push(std::sync::Arc::new(parsed(&block)));
    (Link::ready(shelf, &CORE), block)
}

#[test]
fn siphash_is_the_one_of_its_paper() {
    // The paper's vector has fifteen bytes; of whole words, the reference's for the key 00…0f and the bytes 00…07.
    let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
    assert_eq!(siphash(key, &[0, 1, 2, 3, 4, 5, 6, 7]).to_le_bytes(), *hex("6224939a79f5f593"));
}

#[test]
fn headers_are_given_from_a_locator_and_by_name() {
    let (mut link, block) = with_block();
    assert_eq!(link.answers("getheaders", &from_genesis()), [("headers".to_owned(), headers(&block))]);
    let known = [&hex("80110100 01")[..], &block.hash(), &[0; 32]].concat();
    assert_eq!(link.answers("getheaders", &known), [("headers".to_owned(), hex("00"))], "nothing new is an answer");
    let by_name = [&hex("80110100 00")[..], &block.hash()].concat();
    assert_eq!(link.answers("getheaders", &by_name), [("headers".to_owned(), headers(&block))]);
    let stranger = [&hex("80110100 01")[..], &[9; 32], &[0; 32]].concat();
    assert_eq!(link.answers("getheaders", &stranger), [("headers".to_owned(), headers(&block))], "all that there is");
}

#[test]
fn getblocks_ends_before_its_last_hash() {
    let (mut link, block) = with_block();
    let all = [&hex("80110100 01")[..], &hex(GENESIS), &[0; 32]].concat();
    assert_eq!(link.answers("getblocks", &all), [("inv".to_owned(), one("02000000", &block.hash()))]);
    let up_to = [&hex("80110100 01")[..], &hex(GENESIS), &block.hash()].concat();
    assert_eq!(link.answers("getblocks", &up_to), []);
}

#[test]
fn a_locator_has_101_hashes_at_most() {
    let locator = |count: u8| [&hex("80110100")[..], &[count], &[9; 32].repeat(usize::from(count)), &[0; 32]].concat();
    let (mut link, _) = with_block();
    assert_eq!(names(&link.answers("getheaders", &locator(101))), ["headers"]);
    link.answers("getheaders", &locator(102));
    assert!(matches!(link.ended, Some(DisconnectReason::Garbled(_))));
}

#[test]
fn blocks_are_given_as_they_are_asked_for() {
    let (mut link, block) = with_block();
    for (kind, bytes) in [("02000040", block.whole()), ("02000000", block.stripped())] {
        assert_eq!(link.answers("getdata", &one(kind, &block.hash())), [("block".to_owned(), bytes)], "{kind}");
        link.drained();
    }
    let answer = link.answers("getdata", &one("04000000", &block.hash()));
    let given = payload(&answer, "cmpctblock");
    let nonce: String = given[80..88].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(given, compact(&block, &nonce));
}

#[test]
fn transactions_of_a_block_are_given_by_distances() {
    let (mut link, block) = with_block();
    let [first, second] = &block.payments;
    for (what, indexes, transactions) in [
        ("1 and the next", "02 01 00", [&hex("02")[..], &first.whole, &second.whole].concat()),
        ("0, and one between", "02 00 01", [&hex("02")[..], &block.coinbase, &second.whole].concat()),
        ("none", "00", hex("00")),
    ] {
        let request = [&block.hash()[..], &hex(indexes)].concat();
        let wanted = [&block.hash()[..], &transactions].concat();
        assert_eq!(link.answers("getblocktxn", &request), [("blocktxn".to_owned(), wanted)], "{what}");
    }
    link.answers("getblocktxn", &[&block.hash()[..], &hex("01 03")].concat());
    let offence = Offence::BlockTransactionsOutOfRange { transactions: 3 };
    assert_eq!(link.ended, Some(DisconnectReason::Misbehaved(offence)));
}

#[test]
fn a_block_announced_by_its_header_is_fetched_as_a_compact_one() {
    let mut link = Link::ready(Shelf::new(), &CORE);
    let block = HandMade::new();
    link.shelf.mempool.push(std::sync::Arc::new(crate::transactions::parsed(&block.payments[0])));
    let asked = link.answers("headers", &headers(&block));
    assert_eq!(asked, [("getdata".to_owned(), one("04000000", &block.hash()))], "MSG_CMPCT_BLOCK at the tip");
    let rest = link.answers("cmpctblock", &compact(&block, "0102030405060708"));
    let wanted = [&block.hash()[..], &hex("01 02")].concat();
    assert_eq!(rest, [("getblocktxn".to_owned(), wanted)], "the second payment, in place 2");
    let after = link.answers("blocktxn", &[&block.hash()[..], &hex("01"), &block.payments[1].whole].concat());
    assert_eq!(link.judged_blocks.iter().map(|one| Block::clone(one)).collect::<Vec<_>>(), [parsed(&block)]);
    // Now it is one of those who announce at once.
    assert_eq!(after, [("sendcmpct".to_owned(), hex("01 0200000000000000"))]);
}

#[test]
fn a_block_of_which_nothing_is_known_costs_one_round_more() {
    let mut link = Link::ready(Shelf::new(), &CORE);
    let block = HandMade::new();
    link.answers("headers", &headers(&block));
    let rest = link.answers("cmpctblock", &compact(&block, "00000000000000ff"));
    // Places 1 and 2: the first is told as it is, the second as the distance from the one after.
    assert_eq!(rest, [("getblocktxn".to_owned(), [&block.hash()[..], &hex("02 01 00")].concat())]);
    let [first, second] = &block.payments;
    link.answers("blocktxn", &[&block.hash()[..], &hex("02"), &first.whole, &second.whole].concat());
    assert_eq!(link.judged_blocks.len(), 1);
    assert_eq!(link.ended, None);
}

#[test]
fn a_block_announced_by_inv_is_asked_for_by_headers() {
    let mut link = Link::ready(Shelf::new(), &CORE);
    // An empty answer to our first question.
    link.answers("headers", &hex("00"));
    let block = HandMade::new();
    let asked = link.answers("inv", &one("02000000", &block.hash()));
    assert_eq!(asked, [("getheaders".to_owned(), from_genesis())]);
    assert_eq!(names(&link.answers("headers", &headers(&block))), ["getdata"]);
    link.answers("block", &block.whole());
    assert_eq!(link.judged_blocks.len(), 1);
}

#[test]
fn new_blocks_are_announced_as_the_other_side_wishes() {
    let block = HandMade::new();
    let told = |wishes: &[(&str, &str)]| {
        let mut link = Link::dialled_us(Shelf::new());
        link.hears(&CORE.frame());
        link.answers("verack", &[]);
        for (name, payload) in wishes {
            link.answers(name, &hex(payload));
        }
        // It shows that it has genesis.
        link.answers("inv", &[&hex("01 02000000")[..], &hex(GENESIS)].concat());
        link.connects(vec![parsed(&block)])
    };
    assert_eq!(told(&[]), [("inv".to_owned(), one("02000000", &block.hash()))]);
    assert_eq!(told(&[("sendheaders", "")]), [("headers".to_owned(), headers(&block))]);
    let low = ("sendcmpct", "00 0200000000000000");
    assert_eq!(told(&[("sendheaders", ""), low]), [("headers".to_owned(), headers(&block))]);
    assert_eq!(names(&told(&[low, ("sendcmpct", "01 0200000000000000")])), ["cmpctblock"]);
    assert_eq!(names(&told(&[("sendcmpct", "01 0100000000000000")])), ["inv"], "version 1 is without witnesses");
    assert_eq!(names(&told(&[("sendcmpct", "01 0200000000000000"), low])), ["inv"], "the last word counts");
}

#[test]
fn only_0_and_1_say_how_compact_blocks_are_wanted() {
    let mut link = Link::ready(Shelf::new(), &CORE);
    link.answers("sendcmpct", &hex("02 0200000000000000"));
    assert!(link.ended.is_some(), "BIP152 allows no other; Bitcoin Core lets go of whoever sends it");
}

#[test]
fn blocks_are_asked_of_those_who_keep_them() {
    let block = HandMade::new();
    for (what, services, is_asked) in [
        ("a stock node", "090c000000000000", true),
        ("pruned, and the block is new", "080c000000000000", true),
        ("older than witnesses", "0100000000000000", false),
    ] {
        let mut link = Link::ready(Shelf::new(), &Version { services, ..CORE });
        let said = link.answers("headers", &headers(&block));
        assert_eq!(names(&said).contains(&"getdata"), is_asked, "{what}");
        assert_eq!(link.ended, None);
    }
}
