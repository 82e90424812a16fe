//! What stands around each message in protocol v1.

use mycoin_p2p::{CodecError, DisconnectReason};

use crate::bytes::{frame, hex, names};
use crate::link::{CORE, Link};
use crate::world::Shelf;

#[test]
fn a_wrong_sign_name_length_or_hash_ends_the_connection() {
    let ping = frame("ping", &hex("1122334455667788"));
    let changed = |place: usize, byte: u8| {
        let mut bytes = ping.clone();
        bytes[place] = byte;
        bytes
    };
    type Is = fn(&CodecError) -> bool;
    let cases: [(&str, Vec<u8>, Is); 5] = [
        ("mainnet's magic", changed(0, 0xf9), |error| matches!(error, CodecError::WrongMagic { .. })),
        ("a letter after the name's end", changed(15, b'x'), |error| matches!(error, CodecError::BadCommand)),
        ("a name of control characters", changed(5, 7), |error| matches!(error, CodecError::BadCommand)),
        ("a length above four million", changed(19, 1), |error| matches!(error, CodecError::TooLong { .. })),
        ("another hash", changed(20, 0), |error| matches!(error, CodecError::BadChecksum { .. })),
    ];
    for (what, bytes, is_named) in cases {
        let mut link = Link::ready(Shelf::new(), &CORE);
        assert_eq!(link.hears(&bytes), [], "{what}");
        assert!(matches!(&link.ended, Some(DisconnectReason::Garbled(error)) if is_named(error)), "{what}");
    }
    let mut link = Link::ready(Shelf::new(), &CORE);
    assert_eq!(names(&link.hears(&ping)), ["pong"]);
}

#[test]
fn a_megabyte_of_an_unknown_message_is_passed_over() {
    let mut link = Link::ready(Shelf::new(), &CORE);
    assert_eq!(link.answers("whatisthis", &vec![7; 1_000_000]), []);
    assert_eq!(names(&link.answers("ping", &hex("1122334455667788"))), ["pong"]);
}

#[test]
fn bytes_may_come_one_by_one() {
    let mut link = Link::dialled_us(Shelf::new());
    let all = [CORE.frame(), frame("verack", &[]), frame("ping", &hex("1122334455667788"))].concat();
    let said: Vec<_> = all.iter().flat_map(|byte| link.hears(&[*byte])).collect();
    assert_eq!(names(&said).last(), Some(&"pong"));
}
