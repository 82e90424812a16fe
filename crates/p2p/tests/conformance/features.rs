//! What a node may be asked for that does not offer it.

use mycoin_p2p::{DisconnectReason, FilterProblem, Offence};

use crate::block::GENESIS;
use crate::bytes::{hex, names, table};
use crate::link::{CORE, Link};
use crate::world::Shelf;

#[test]
fn bloom_filters_and_the_whole_mempool_are_not_offered() {
    // BIP37: a filter of one byte, one function, no tweak; BIP35 needs the same service.
    let load = table(&[("filter", "01 ff"), ("functions", "01000000"), ("tweak", "00000000"), ("flags", "00")]);
    for (name, payload) in [("filterload", &load[..]), ("filteradd", &hex("01 ff")), ("filterclear", &[])] {
        let mut link = Link::ready(Shelf::new(), &CORE);
        assert_eq!(link.answers(name, payload), []);
        assert_eq!(link.ended, Some(DisconnectReason::Misbehaved(Offence::BloomFilter)), "{name}");
    }
    let mut link = Link::ready(Shelf::new(), &CORE);
    assert_eq!(link.answers("mempool", &[]), []);
    assert_eq!(link.ended, Some(DisconnectReason::Misbehaved(Offence::MempoolRequest)));
}

#[test]
fn compact_filters_are_not_given_by_whom_does_not_offer_them() {
    let range = table(&[("type: basic", "00"), ("from height 0", "00000000"), ("to", GENESIS)]);
    let points = table(&[("type: basic", "00"), ("to", GENESIS)]);
    for (name, payload) in [("getcfilters", &range), ("getcfheaders", &range), ("getcfcheckpt", &points)] {
        let mut link = Link::ready(Shelf::new(), &CORE);
        assert_eq!(link.answers(name, payload), []);
        let problem = FilterProblem::NotServed { filter_type: 0 };
        assert_eq!(link.ended, Some(DisconnectReason::Misbehaved(Offence::FilterRequest { problem })), "{name}");
    }
}

#[test]
fn fee_filters_of_any_size_are_no_reason_to_part() {
    let mut link = Link::ready(Shelf::new(), &CORE);
    // 9170997 while catching up, then the usual; nonsense is ignored.
    for digits in ["35f08b0000000000", "6400000000000000", "ffffffffffffffff", "ffffffffffffff7f"] {
        assert_eq!(link.answers("feefilter", &hex(digits)), []);
    }
    assert_eq!(names(&link.answers("ping", &hex("1122334455667788"))), ["pong"]);
}
