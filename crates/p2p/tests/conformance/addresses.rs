//! Addresses, in the form of old and in that of BIP155.

use mycoin_p2p::{CodecError, DisconnectReason, PayloadError};

use crate::bytes::{frame, hex, names, payload, table};
use crate::link::{CORE, Link};
use crate::world::Shelf;

/// An entry of `addrv2`.
fn entry(network: &str, length: &str, address: &str) -> Vec<u8> {
    table(&[
        ("time", "80d0496b"),
        ("services, as a compact size: 0xc09", "fd 090c"),
        ("network", network),
        ("length", length),
        ("address", address),
        ("port 18444, big endian", "480c"),
    ])
}

/// Whether a node that came to us is told of addresses by that message, after it has heard one entry.
fn told(message: &str, given: &[u8], wants_v2: bool) -> Option<Vec<u8>> {
    // From the one that we dialled, a full message is taken, for we asked for it.
    let (mut link, _) = Link::dialled_it(Shelf::new());
    let sign = if wants_v2 { frame("sendaddrv2", &[]) } else { Vec::new() };
    link.hears(&[CORE.frame(), sign, frame("verack", &[])].concat());
    link.hears(&frame(message, given));
    assert_eq!(link.ended, None);
    let mut guest = link.visited_by_another(wants_v2);
    guest.retain(|(name, _)| name.starts_with("addr"));
    assert!(guest.len() <= 1);
    guest.pop().map(|(name, payload)| {
        assert_eq!(name, if wants_v2 { "addrv2" } else { "addr" });
        payload
    })
}

#[test]
fn every_network_of_bip155_has_its_length() {
    let bytes = |count: usize| "07".repeat(count);
    let list: Vec<Vec<u8>> = vec![
        entry("01", "04", "01020304"),
        entry("02", "10", "20010db8000000000000000000000001"),
        entry("03", "0a", &bytes(10)),
        entry("04", "20", &bytes(32)),
        entry("05", "20", &bytes(32)),
        entry("06", "10", "fc000000000000000000000000000001"),
        // Yggdrasil, which has a number since, and what has none.
        entry("07", "10", &bytes(16)),
        entry("08", "00", ""),
        entry("ff", "fd 0002", &bytes(512)),
    ];
    let whole = [&[list.len() as u8][..], &list.concat()].concat();
    let mut link = Link::ready(Shelf::new(), &CORE);
    assert_eq!(link.answers("addrv2", &whole), []);
    assert_eq!(link.ended, None, "networks that nobody knows are passed over");

    for (what, entry) in [
        ("IPv4", entry("01", "05", "0102030405")),
        ("IPv6", entry("02", "04", "01020304")),
        ("Tor v3", entry("04", "1f", &bytes(31))),
        ("I2P", entry("05", "21", &bytes(33))),
        ("CJDNS", entry("06", "0f", &bytes(15))),
        ("more than 512 bytes", entry("ff", "fd 0102", &bytes(513))),
    ] {
        let mut link = Link::ready(Shelf::new(), &CORE);
        link.answers("addrv2", &[&[1][..], &entry].concat());
        let is_malformed = matches!(
            link.ended,
            Some(DisconnectReason::Garbled(CodecError::Payload { error: PayloadError::Malformed, .. }))
        );
        assert!(is_malformed, "{what}");
    }
}

#[test]
fn addresses_are_told_in_the_form_that_was_asked_for() {
    let (v4, v6) = (entry("01", "04", "08080808"), entry("02", "10", "2a000000000000000000000000000001"));
    for given in [&v4, &v6] {
        let given = [&[1][..], given].concat();
        let answer = told("addrv2", &given, true).expect("one is known");
        // The time is ours: two hours are taken off what others say.
        assert_eq!((&answer[..1], &answer[5..]), (&given[..1], &given[5..]));
    }
    let old = table(&[
        ("count", "01"),
        ("time", "80d0496b"),
        ("services", "090c000000000000"),
        ("IPv4 within IPv6", "00000000000000000000ffff08080808"),
        ("port, big endian", "480c"),
    ]);
    let answer = told("addr", &old, false).expect("one is known");
    assert_eq!((&answer[..1], &answer[5..]), (&old[..1], &old[5..]));
}

#[test]
fn a_thousand_addresses_are_taken_and_one_more_is_too_many() {
    let list = |count: &str, times: usize| [hex(count), entry("01", "04", "08080808").repeat(times)].concat();
    let mut link = Link::ready(Shelf::new(), &CORE);
    link.answers("addrv2", &list("fd e803", 1_000));
    assert_eq!(link.ended, None);
    link.answers("addrv2", &list("fd e903", 1_001));
    assert!(matches!(link.ended, Some(DisconnectReason::Garbled(CodecError::Payload { .. }))));
}

#[test]
fn getaddr_is_answered_to_those_who_came_alone() {
    let (mut link, _) = Link::dialled_it(Shelf::new());
    let said = link.hears(&[CORE.frame(), frame("verack", &[])].concat());
    assert_eq!(payload(&said, "getaddr").len(), 0);
    link.answers(
        "addr",
        &table(&[
            ("count", "01"),
            ("time", "80d0496b"),
            ("services", "090c000000000000"),
            ("address", "00000000000000000000ffff08080808"),
            ("port", "480c"),
        ]),
    );
    assert_eq!(names(&link.answers("getaddr", &[])), [""; 0]);
}
