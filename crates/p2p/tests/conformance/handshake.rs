//! The handshake, from both sides, in the order in which Bitcoin Core 28 goes through it.

use mycoin_p2p::{DisconnectReason, Offence};

use crate::block::GENESIS;
use crate::bytes::{frame, hex, names, payload, table};
use crate::link::{CORE, CORE_SERVICES, Link, Version};
use crate::world::Shelf;

/// As it leaves a node of version 28 on regtest.
const RECORDED_VERSION: &str = "fabfb5da 76657273696f6e0000000000 66000000 2b79d6af \
    80110100 090c000000000000 00d2496b00000000 \
    0000000000000000 00000000000000000000000000000000 0000 \
    090c000000000000 00000000000000000000000000000000 0000 \
    0102030405060708 10 2f5361746f7368693a32382e302e302f 00000000 01";
/// Four bytes of the hash of nothing end each empty message.
const WTXIDRELAY: &str = "fabfb5da 777478696472656c61790000 00000000 5df6e0e2";
const SENDADDRV2: &str = "fabfb5da 73656e646164647276320000 00000000 5df6e0e2";
const SENDTXRCNCL: &str = "fabfb5da 73656e64747872636e636c00 0c000000 85c4e5e6 01000000 0807060504030201";
const VERACK: &str = "fabfb5da 76657261636b000000000000 00000000 5df6e0e2";
const GETADDR: &str = "fabfb5da 676574616464720000000000 00000000 5df6e0e2";
const SENDCMPCT: &str = "fabfb5da 73656e64636d706374000000 09000000 e92f5ef8 00 0200000000000000";
const PING: &str = "fabfb5da 70696e670000000000000000 08000000 d6d19317 1122334455667788";
const PONG: &str = "fabfb5da 706f6e670000000000000000 08000000 d6d19317 1122334455667788";
/// What a node asks while it catches up: more than all the money, rounded.
const FEEFILTER: &str = "fabfb5da 66656566696c746572000000 08000000 4687156c 35f08b0000000000";

#[test]
fn the_recorded_version_is_what_the_tables_say() {
    assert_eq!(hex(RECORDED_VERSION), CORE.frame());
}

#[test]
fn a_stock_node_dials_us() {
    let mut link = Link::dialled_us(Shelf::new());
    let answer = link.hears(&hex(RECORDED_VERSION));
    assert_eq!(names(&answer), ["version", "wtxidrelay", "sendaddrv2", "verack"]);
    let ours = payload(&answer, "version");
    for (what, from, digits) in [
        ("protocol version 70016", 0, "80110100"),
        ("NETWORK, WITNESS, P2P_V2", 4, "0908000000000000"),
        ("time", 12, "00d2496b00000000"),
        ("its services: none known", 20, "0000000000000000"),
        ("its address, IPv4 within IPv6", 28, "00000000000000000000ffff 0a000001"),
        ("its port, big endian", 44, "1388"),
        ("our services", 46, "0908000000000000"),
        ("our address: not told", 54, "00000000000000000000000000000000 0000"),
    ] {
        let digits = hex(digits);
        assert_eq!(ours[from..from + digits.len()], digits, "{what}");
    }
    let agent = usize::from(ours[80]);
    assert!(ours[81..].starts_with(b"/MyCoin:") && agent <= 256);
    assert_eq!(ours[81 + agent..], hex("00000000 01"), "height and the wish for transactions, and no more");

    // Version 28 tells what it can before its verack, and asks for addresses in the same breath.
    for digits in [WTXIDRELAY, SENDADDRV2, SENDTXRCNCL] {
        assert_eq!(link.hears(&hex(digits)), []);
    }
    let ready = link.hears(&hex(VERACK));
    assert_eq!(names(&ready), ["sendcmpct", "sendheaders", "getheaders"]);
    assert_eq!(payload(&ready, "sendcmpct"), hex("00 0200000000000000"));
    let wanted = table(&[("version", "80110100"), ("count", "01"), ("genesis", GENESIS), ("no end", &"00".repeat(32))]);
    assert_eq!(payload(&ready, "getheaders"), wanted);
    for digits in [GETADDR, SENDCMPCT, FEEFILTER] {
        assert_eq!(link.hears(&hex(digits)), []);
    }
    assert_eq!(link.hears(&hex(PING)), [("pong".to_owned(), hex("1122334455667788"))]);
    assert_eq!(frame("pong", &hex("1122334455667788")), hex(PONG));
    let later = link.waits(1);
    let filter = payload(&later, "feefilter");
    assert_eq!((filter, payload(&later, "ping").len()), (&hex("6400000000000000")[..], 8), "100 sat/kvB");
    assert_eq!(link.ended, None);
}

#[test]
fn we_dial_a_stock_node() {
    let (mut link, first) = Link::dialled_it(Shelf::new());
    assert_eq!(names(&first), ["version"]);
    // It answers with all of these at once.
    let flood = [RECORDED_VERSION, WTXIDRELAY, SENDADDRV2, VERACK].map(hex).concat();
    let answer = link.hears(&flood);
    assert_eq!(
        names(&answer),
        ["wtxidrelay", "sendaddrv2", "verack", "sendcmpct", "sendheaders", "getaddr", "getheaders"]
    );
    // After our verack it announces compact blocks, pings and tells its fee filter.
    let after = link.hears(&[SENDCMPCT, PING, FEEFILTER].map(hex).concat());
    assert_eq!(names(&after), ["pong"]);
    assert_eq!(link.hears(&frame("sendheaders", &[])), []);
    assert_eq!(link.ended, None);
}

#[test]
fn what_is_negotiated_is_negotiated_before_verack() {
    for name in ["wtxidrelay", "sendaddrv2"] {
        let mut link = Link::ready(Shelf::new(), &CORE);
        assert_eq!(link.answers(name, &[]), []);
        assert!(
            matches!(&link.ended, Some(DisconnectReason::Misbehaved(Offence::LateNegotiation { command })) if *command == name)
        );
    }
    // Twice is no harm, nor is a second version or verack.
    let mut link = Link::dialled_us(Shelf::new());
    link.hears(&CORE.frame());
    for name in ["wtxidrelay", "wtxidrelay", "sendaddrv2", "sendaddrv2"] {
        assert_eq!(link.answers(name, &[]), []);
    }
    assert_eq!(link.hears(&CORE.frame()), []);
    link.answers("verack", &[]);
    assert_eq!(link.answers("verack", &[]), []);
    assert_eq!(link.hears(&CORE.frame()), []);
    assert_eq!(link.ended, None);
}

#[test]
fn what_comes_too_early_or_from_the_future_is_passed_over() {
    let mut link = Link::dialled_us(Shelf::new());
    let messages = [
        frame("ping", &hex("1122334455667788")),
        frame("verack", &[]),
        frame("sendpackages", &hex("01000000 0100000000000000")),
    ];
    assert_eq!(link.hears(&messages.concat()), [], "before its version nobody is answered");
    link.hears(&CORE.frame());
    for (name, payload) in [
        ("sendpackages", "0100000000000000"),
        ("sendtxrcncl", "01000000 0807060504030201"),
        // Named features, from protocol version 70017 on.
        ("feature", "08 4249502d74657374 00"),
        ("whatisthis", ""),
    ] {
        assert_eq!(link.answers(name, &hex(payload)), [], "{name}");
    }
    assert_eq!(link.answers("ping", &hex("1122334455667788")), [], "before its verack, either");
    assert_eq!(names(&link.answers("verack", &[])).first(), Some(&"sendcmpct"));
    for name in ["sendtxrcncl", "sendpackages", "alert", "reject", "merkleblock", "whatisthis"] {
        assert_eq!(link.answers(name, &[1, 2, 3]), [], "{name}");
    }
    assert_eq!(link.ended, None);
}

#[test]
fn wishes_between_version_and_verack_count() {
    // As in Bitcoin Core, whose own come later; other programs tell them at once.
    let mut link = Link::dialled_us(Shelf::new());
    link.hears(&CORE.frame());
    link.answers("sendheaders", &[]);
    link.answers("sendcmpct", &hex("01 0200000000000000"));
    link.answers("verack", &[]);
    let block = crate::block::HandMade::new();
    let genesis =
        table(&[("version", "80110100"), ("count", "01"), ("genesis", GENESIS), ("no end", &"00".repeat(32))]);
    link.answers("getheaders", &genesis);
    let told = link.connects(vec![crate::blocks::parsed(&block)]);
    assert_eq!(names(&told), ["headers"], "it has not shown that it has the block before: no compact block");
}

#[test]
fn older_protocol_versions_are_spared_what_they_do_not_know() {
    let old = Version { number: "7f110100", ..CORE };
    let mut link = Link::dialled_us(Shelf::new());
    assert_eq!(names(&link.hears(&old.frame())), ["version", "verack"]);
    // One that sends it all the same is not taken at its word: BIP339 needs 70016 on both sides.
    link.answers("wtxidrelay", &[]);
    assert_eq!(names(&link.answers("verack", &[])), ["sendcmpct", "sendheaders", "getheaders"]);
    let by_wtxid = [&hex("01 05000000")[..], &[7; 32]].concat();
    assert_eq!(link.answers("inv", &by_wtxid), []);
    assert!(names(&link.waits(10)).iter().all(|name| *name != "getdata"));
    let by_txid = [&hex("01 01000000")[..], &[7; 32]].concat();
    link.answers("inv", &by_txid);
    let asked = link.waits(10);
    assert_eq!(payload(&asked, "getdata"), [&hex("01 01000040")[..], &[7; 32]].concat(), "with the witness flag");
}

#[test]
fn a_newer_protocol_version_is_met_with_ours() {
    let newer = Version { number: "81110100", ..CORE };
    let mut link = Link::dialled_us(Shelf::new());
    assert_eq!(names(&link.hears(&newer.frame())), ["version", "wtxidrelay", "sendaddrv2", "verack"]);
    assert_eq!(names(&link.answers("verack", &[])), ["sendcmpct", "sendheaders", "getheaders"]);
}

#[test]
fn whoever_has_no_chain_is_not_asked_for_it() {
    for (what, services, is_asked) in [
        ("a light client", "0000000000000000", false),
        ("witnesses alone", "0800000000000000", false),
        ("older than witnesses", "0100000000000000", true),
        ("pruned", "080c000000000000", true),
        ("a stock node", CORE_SERVICES, true),
    ] {
        let mut link = Link::dialled_us(Shelf::new());
        link.hears(&Version { services, ..CORE }.frame());
        let ready = link.answers("verack", &[]);
        assert_eq!(names(&ready).contains(&"getheaders"), is_asked, "{what}");
        assert_eq!(link.ended, None, "whoever comes to us may have nothing");
        let (mut link, _) = Link::dialled_it(Shelf::new());
        link.hears(&Version { services, ..CORE }.frame());
        assert_eq!(link.ended, None, "{what}: whom a person named may have nothing");
    }
}

#[test]
fn whom_we_choose_ourselves_must_keep_blocks_with_witnesses() {
    let told = table(&[
        ("count", "01"),
        ("time", "80d0496b"),
        ("services", CORE_SERVICES),
        ("IPv4 within IPv6", "00000000000000000000ffff08080808"),
        ("port", "480c"),
    ]);
    for (what, services, may_stay) in [
        ("a stock node", CORE_SERVICES, true),
        ("pruned, and we need no old blocks", "080c000000000000", true),
        ("older than witnesses", "0100000000000000", false),
        ("witnesses alone", "0800000000000000", false),
        ("nothing", "0000000000000000", false),
    ] {
        let mut link = Link::of_its_choice(Shelf::new(), &told, "8.8.8.8:18444");
        let answer = link.hears(&Version { services, ..CORE }.frame());
        let reason = if may_stay { None } else { Some(DisconnectReason::ServesNoBlocks) };
        assert_eq!((names(&answer).contains(&"verack"), &link.ended), (may_stay, &reason), "{what}");
        if !may_stay {
            // What it says of itself replaces what others said: it is not chosen again.
            let passed_on = link.visited_by_another(false);
            assert_eq!(payload(&passed_on, "addr")[5..13], hex(services), "{what}");
        }
    }
}

#[test]
fn who_wants_no_transactions_is_told_of_none() {
    let mut link = Link::ready(Shelf::new(), &Version { relay: "00", ..CORE });
    link.adds(crate::transactions::parsed(&crate::block::Payment::of(0xaa)));
    assert!(names(&link.waits(60)).iter().all(|name| *name != "inv"));
}
