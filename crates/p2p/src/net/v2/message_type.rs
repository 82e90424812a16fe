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
        for (command, id) in [("addr", 1), ("block", 2), ("getdata", 11), ("ping", 18), ("tx", 21), ("addrv2", 28)] {
            let (bytes, count) = encode(command);
            assert_eq!((bytes[0], count), (id, 1));
            assert_eq!(split(&[id, 7]), Some((command, &[7][..])));
        }
        for unknown in [29, 36, 128, 255] {
            assert_eq!(split(&[unknown, 7]), None);
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
