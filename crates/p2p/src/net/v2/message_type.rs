//! How a packet's contents name their message: one byte for the common ones, else a zero and the name of v1.
//!
//! Source: BIP324, "v2 Bitcoin P2P message structure"; Bitcoin Core `V2_MESSAGE_IDS`, net.cpp.

/// Bytes of a long name after its leading zero.
pub(super) const LONG: usize = 12;

/// The message with the id 1, 2, …
const SHORT: [&str; 28] = [
    "addr",
    "block",
    "blocktxn",
    "cmpctblock",
    "feefilter",
    "filteradd",
    "filterclear",
    "filterload",
    "getblocks",
    "getblocktxn",
    "getdata",
    "getheaders",
    "headers",
    "inv",
    "mempool",
    "merkleblock",
    "notfound",
    "ping",
    "pong",
    "sendcmpct",
    "tx",
    "getcfilters",
    "cfilter",
    "getcfheaders",
    "cfheaders",
    "getcfcheckpt",
    "cfcheckpt",
    "addrv2",
];

/// The bytes that name `command`, and how many of them count.
pub(super) fn encode(command: &str) -> ([u8; 1 + LONG], usize) {
    let mut bytes = [0; 1 + LONG];
    match SHORT.iter().position(|&short| short == command) {
        Some(place) => {
            bytes[0] = place as u8 + 1;
            (bytes, 1)
        }
        None => {
            bytes.iter_mut().skip(1).zip(command.bytes()).for_each(|(to, from)| *to = from);
            (bytes, 1 + LONG)
        }
    }
}

/// The message's name and its payload; `None` where they name none, which is ignored as an unknown message is.
pub(super) fn split(contents: &[u8]) -> Option<(&str, &[u8])> {
    let (&id, rest) = contents.split_first()?;
    if let Some(place) = usize::from(id).checked_sub(1) {
        return Some((SHORT.get(place)?, rest));
    }
    let (field, payload) = rest.split_first_chunk::<LONG>()?;
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(LONG);
    let (name, padding) = field.split_at(end);
    // As in Bitcoin Core, 0x7f is a letter here.
    let is_name = name.iter().all(|byte| (b' '..=0x7f).contains(byte)) && padding.iter().all(|&byte| byte == 0);
    if is_name { Some((std::str::from_utf8(name).ok()?, payload)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ids_are_bip324s() {
        // Written down a second time, so that no slip in the table goes unnoticed.
        let table = [
            (1, "addr"),
            (2, "block"),
            (3, "blocktxn"),
            (4, "cmpctblock"),
            (5, "feefilter"),
            (6, "filteradd"),
            (7, "filterclear"),
            (8, "filterload"),
            (9, "getblocks"),
            (10, "getblocktxn"),
            (11, "getdata"),
            (12, "getheaders"),
            (13, "headers"),
            (14, "inv"),
            (15, "mempool"),
            (16, "merkleblock"),
            (17, "notfound"),
            (18, "ping"),
            (19, "pong"),
            (20, "sendcmpct"),
            (21, "tx"),
            (22, "getcfilters"),
            (23, "cfilter"),
            (24, "getcfheaders"),
            (25, "cfheaders"),
            (26, "getcfcheckpt"),
            (27, "cfcheckpt"),
            (28, "addrv2"),
        ];
        for (id, command) in table {
            let (bytes, count) = encode(command);
            assert_eq!((bytes[0], count), (id, 1));
            assert_eq!(split(&[id, 7]), Some((command, &[7][..])));
        }
        // 37 is what Bitcoin Core gives to “feature” from protocol version 70017 on.
        for unknown in (29..=255).map(|id| [id, 7]) {
            assert_eq!(split(&unknown), None);
        }
        for long in ["version", "verack", "wtxidrelay", "sendaddrv2", "sendheaders", "getaddr", "sendtxrcncl"] {
            let (bytes, count) = encode(long);
            assert_eq!((bytes[0], count), (0, 13), "{long}");
        }
    }

    #[test]
    fn other_messages_are_named_in_twelve_bytes() {
        let (bytes, count) = encode("version");
        assert_eq!((&bytes[..count], count), (&b"\0version\0\0\0\0\0"[..], 13));
        assert_eq!(split(&bytes), Some(("version", &[][..])));
        assert_eq!(split(b"\0abcdefghijkl!"), Some(("abcdefghijkl", &b"!"[..])));
        assert_eq!(
            split(b"\0ping\0\0\0\0\0\0\0\0!"),
            Some(("ping", &b"!"[..])),
            "the long name of a short one counts too"
        );
        for bad in [&b""[..], b"\0", b"\0version\0\0\0\0", b"\0ver\0ion\0\0\0\0\0", b"\0ver\x1fion\0\0\0\0\0"] {
            assert_eq!(split(bad), None);
        }
        assert_eq!(split(b"\0\xffersion\0\0\0\0\0"), None);
    }
}
