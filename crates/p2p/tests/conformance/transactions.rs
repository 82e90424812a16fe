//! Transactions: announced, asked for, given, with and without witness.

use mycoin_primitives::Transaction;
use mycoin_primitives::bitcoin::consensus::encode::deserialize;

use crate::block::Payment;
use crate::bytes::{frame, hex, names, payload};
use crate::link::{CORE, Link, Version};
use crate::world::Shelf;

pub(crate) fn parsed(payment: &Payment) -> Transaction {
    deserialize(&payment.whole).expect("put together right")
}

/// A list of one: the count, the type, the hash.
fn one(kind: &str, hash: &[u8; 32]) -> Vec<u8> {
    [&hex("01")[..], &hex(kind), hash].concat()
}

#[test]
fn by_wtxid_they_are_announced_and_given() {
    let mut link = Link::ready(Shelf::new(), &CORE);
    let payment = Payment::of(0xaa);
    link.adds(parsed(&payment));
    let told = link.waits(120);
    assert_eq!(payload(&told, "inv"), one("05000000", &payment.wtxid()), "MSG_WTX");
    assert_eq!(link.answers("getdata", &one("05000000", &payment.wtxid())), [("tx".to_owned(), payment.whole)]);
}

#[test]
fn by_txid_they_are_given_with_witness_to_those_who_ask_so() {
    let mut link = Link::ready(Shelf::new(), &CORE);
    let payment = Payment::of(0xaa);
    link.adds(parsed(&payment));
    link.waits(120);
    for (kind, bytes) in [("01000040", &payment.whole), ("01000000", &payment.stripped)] {
        let request = one(kind, &payment.txid());
        assert_eq!(link.answers("getdata", &request), [("tx".to_owned(), bytes.clone())], "{kind}");
        link.drained();
    }
}

#[test]
fn those_who_never_heard_of_wtxids_are_told_txids() {
    let mut link = Link::dialled_us(Shelf::new());
    let old = Version { number: "7f110100", ..CORE };
    link.hears(&[old.frame(), frame("verack", &[])].concat());
    let payment = Payment::of(0xaa);
    link.adds(parsed(&payment));
    let told = link.waits(120);
    assert_eq!(payload(&told, "inv"), one("01000000", &payment.txid()), "MSG_TX");
}

#[test]
fn an_announced_one_is_asked_for_by_wtxid() {
    let mut link = Link::ready(Shelf::new(), &CORE);
    let payment = Payment::of(0xaa);
    // BIP339: what is announced by txid after that was agreed counts for nothing.
    link.answers("inv", &one("01000000", &payment.txid()));
    assert!(!names(&link.waits(10)).contains(&"getdata"));
    link.answers("inv", &one("05000000", &payment.wtxid()));
    let asked = link.waits(10);
    assert_eq!(payload(&asked, "getdata"), one("05000000", &payment.wtxid()));
    link.answers("tx", &payment.whole);
    assert_eq!(link.judged_transactions.len(), 1);
    assert_eq!(*link.judged_transactions[0], parsed(&payment));
}

#[test]
fn an_orphans_parent_is_asked_for_by_txid_with_its_witness() {
    let mut link = Link::ready(Shelf::new(), &CORE);
    let parent = [0xee; 32];
    let child = Payment::spending(&parent);
    link.answers("inv", &one("05000000", &child.wtxid()));
    link.waits(10);
    let mut asked = link.answers("tx", &child.whole);
    asked.extend(link.waits(10));
    assert_eq!(payload(&asked, "getdata"), one("01000040", &parent), "MSG_TX with the witness flag");
    // It has it no more.
    assert_eq!(link.answers("notfound", &one("01000040", &parent)), []);
    assert_eq!(link.ended, None);
}

#[test]
fn a_sender_without_services_is_asked_in_the_oldest_way() {
    // Bitcoin Core from version 31 on can hand in a transaction over a connection of its own: it offers nothing, announces
    // one txid, and leaves when it is asked by anything but that.
    let mut link = Link::dialled_us(Shelf::new());
    let nobody = Version { services: "0000000000000000", relay: "01", ..CORE };
    link.hears(&nobody.frame());
    assert_eq!(names(&link.answers("verack", &[])), ["sendcmpct", "sendheaders"]);
    let payment = Payment::of(0xaa);
    link.answers("inv", &one("01000000", &payment.txid()));
    let asked = link.waits(10);
    assert_eq!(payload(&asked, "getdata"), one("01000000", &payment.txid()));
    link.answers("tx", &payment.whole);
    assert_eq!(link.judged_transactions.len(), 1);
}

#[test]
fn what_is_missing_is_named_and_what_is_unknown_is_passed_over() {
    let mut link = Link::ready(Shelf::new(), &CORE);
    let items = [
        ("a wtxid", "05000000"),
        ("a filtered block (BIP37)", "03000000"),
        ("the same with witness, which never was", "03000040"),
        ("nothing", "00000000"),
        ("from the future", "07000000"),
        ("a txid with witness", "01000040"),
    ];
    let list: Vec<u8> = items.iter().flat_map(|(_, kind)| [&hex(kind)[..], &[9; 32]].concat()).collect();
    let answer = link.answers("getdata", &[&[6][..], &list].concat());
    let missing = [&hex("02 05000000")[..], &[9; 32], &hex("01000040"), &[9; 32]].concat();
    assert_eq!(answer, [("notfound".to_owned(), missing)]);
    assert_eq!(link.ended, None);
}
