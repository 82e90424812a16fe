//! Output descriptors over public keys: what `generatetodescriptor`, `scantxoutset` and `deriveaddresses` are given.
//!
//! In:    a descriptor's text, the network for addresses, which keys of a range are meant.
//! Out:   the output scripts that it stands for; texts with their checksum.
//! Never: private keys: the node side has none. No scripts inside `tr(…)`, no miniscript: they are refused by name.
//!
//! Source: BIP380 to BIP386; Bitcoin Core, script/descriptor.cpp.

use std::ops::RangeInclusive;
use std::str::FromStr as _;

use mycoin_primitives::bitcoin::bip32::{ChildNumber, Xpub};
use mycoin_primitives::bitcoin::hex::FromHex as _;
use mycoin_primitives::bitcoin::opcodes::all::{OP_CHECKMULTISIG, OP_PUSHNUM_1};
use mycoin_primitives::bitcoin::script::{Builder, PushBytesBuf};
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use mycoin_primitives::bitcoin::{PublicKey, XOnlyPublicKey};
use mycoin_primitives::{Network, ScriptBuf, parse_address};

/// The most keys of `multi(…)`. Source: `MAX_PUBKEYS_PER_MULTISIG`, script/script.h.
const MULTISIG_KEYS: usize = 20;
/// The most keys of `multi(…)` outside of `sh` and `wsh`, where it is standard.
const BARE_MULTISIG_KEYS: usize = 3;
const CHECKSUM_SIZE: usize = 8;

/// A descriptor with its checksum. Source: BIP380.
pub(crate) fn with_checksum(descriptor: &str) -> String {
    match checksum(descriptor) {
        Some(checksum) => format!("{descriptor}#{checksum}"),
        None => descriptor.to_owned(),
    }
}

/// The checksum of a descriptor; `None` when it holds a character that no descriptor holds. Source: BIP380.
pub(crate) fn checksum(descriptor: &str) -> Option<String> {
    const INPUT: &str =
        "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";
    const OUTPUT: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u64; 5] = [0xf5_dee5_1989, 0xa9_fdca_3312, 0x1b_ab10_e32d, 0x37_06b1_677a, 0x64_4d62_6ffd];
    let step = |checksum: u64, value: u64| {
        let top = checksum >> 35;
        let next = ((checksum & 0x7_ffff_ffff) << 5) ^ value;
        GENERATOR.iter().enumerate().filter(|(bit, _)| (top >> bit) & 1 == 1).fold(next, |sum, (_, word)| sum ^ word)
    };
    let (mut checksum, mut class, mut count) = (1u64, 0u64, 0);
    for character in descriptor.chars() {
        let position = INPUT.find(character)?;
        checksum = step(checksum, (position & 31) as u64);
        class = class * 3 + (position >> 5) as u64;
        count += 1;
        if count == 3 {
            checksum = step(checksum, class);
            (class, count) = (0, 0);
        }
    }
    if count > 0 {
        checksum = step(checksum, class);
    }
    checksum = (0..CHECKSUM_SIZE).fold(checksum, |sum, _| step(sum, 0)) ^ 1;
    let digit = |place: usize| OUTPUT[((checksum >> (5 * (CHECKSUM_SIZE - 1 - place))) & 31) as usize] as char;
    Some((0..CHECKSUM_SIZE).map(digit).collect())
}

/// Whether the checksum must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChecksumNeed {
    /// It must.
    Required,
    /// It may be left out; when it is there, it must fit.
    Optional,
}

/// A descriptor that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Its text without the checksum.
    text: String,
    node: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// `raw` and `addr`.
    Script(ScriptBuf),
    /// `pk`, `pkh`, `wpkh`, `combo`, `tr`, `rawtr`.
    Key(KeyFunction, Key),
    /// `multi` and `sortedmulti`.
    Multi { required: u8, keys: Vec<Key>, sorted: bool },
    /// `sh`.
    ScriptHash(Box<Node>),
    /// `wsh`.
    WitnessScriptHash(Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyFunction {
    Pk,
    Pkh,
    Wpkh,
    Combo,
    Taproot,
    RawTaproot,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Plain(PublicKey),
    /// Of taproot: the x coordinate alone.
    XOnly(XOnlyPublicKey),
    /// An extended key, derived as far as the text says; then, with `/*`, once more for each key of the range.
    Extended {
        key: Box<Xpub>,
        ranged: bool,
    },
}

/// Inside what a descriptor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    ScriptHash,
    WitnessScriptHash,
    Taproot,
}

impl Descriptor {
    /// Reads a descriptor.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it, in Bitcoin Core's words where it has them.
    pub(crate) fn parse(text: &str, need: ChecksumNeed, network: &Network) -> Result<Self, String> {
        let (text, given) = match text.split_once('#') {
            Some((text, given)) => (text, Some(given)),
            None => (text, None),
        };
        let computed = checksum(text).ok_or("Invalid characters in payload")?;
        match given {
            None if need == ChecksumNeed::Required => return Err("Missing checksum".to_owned()),
            Some(given) if given.len() != CHECKSUM_SIZE => {
                return Err(format!("Expected 8 character checksum, not {} characters", given.chars().count()));
            }
            Some(given) if given != computed => {
                return Err(format!("Provided checksum '{given}' does not match computed checksum '{computed}'"));
            }
            None | Some(_) => {}
        }
        Ok(Self { text: text.to_owned(), node: parse(text, Place::Top, network)? })
    }

    /// The text with its checksum.
    pub(crate) fn canonical(&self) -> String {
        with_checksum(&self.text)
    }

    /// Whether it stands for a range of scripts.
    pub(crate) fn is_ranged(&self) -> bool {
        self.node.is_ranged()
    }

    /// Whether it tells how its scripts are spent.
    pub(crate) fn is_solvable(&self) -> bool {
        !matches!(self.node, Node::Script(_) | Node::Key(KeyFunction::RawTaproot, _))
    }

    /// Its scripts; a descriptor without a range has the same for every range.
    ///
    /// # Errors
    ///
    /// A sentence, when a key of the range cannot be derived.
    pub(crate) fn scripts(&self, range: RangeInclusive<u32>) -> Result<Vec<ScriptBuf>, String> {
        let range = if self.is_ranged() { range } else { 0..=0 };
        let mut scripts = Vec::new();
        for index in range {
            scripts.extend(self.node.scripts(index).ok_or("Cannot derive script without private keys")?);
        }
        Ok(scripts)
    }
}

impl Node {
    fn is_ranged(&self) -> bool {
        let ranged = |key: &Key| matches!(key, Key::Extended { ranged: true, .. });
        match self {
            Self::Script(_) => false,
            Self::Key(_, key) => ranged(key),
            Self::Multi { keys, .. } => keys.iter().any(ranged),
            Self::ScriptHash(inner) | Self::WitnessScriptHash(inner) => inner.is_ranged(),
        }
    }

    fn scripts(&self, index: u32) -> Option<Vec<ScriptBuf>> {
        Some(match self {
            Self::Script(script) => vec![script.clone()],
            Self::Key(function, key) => key_scripts(*function, key, index)?,
            Self::Multi { required, keys, sorted } => {
                let mut keys = keys.iter().map(|key| key.at(index)).collect::<Option<Vec<_>>>()?;
                if *sorted {
                    keys.sort_by_key(|key| key.to_bytes());
                }
                vec![multisig(*required, &keys)]
            }
            Self::ScriptHash(inner) => {
                inner.scripts(index)?.iter().map(|inner| ScriptBuf::new_p2sh(&inner.script_hash())).collect()
            }
            Self::WitnessScriptHash(inner) => {
                inner.scripts(index)?.iter().map(|inner| ScriptBuf::new_p2wsh(&inner.wscript_hash())).collect()
            }
        })
    }
}

fn key_scripts(function: KeyFunction, key: &Key, index: u32) -> Option<Vec<ScriptBuf>> {
    let context = Secp256k1::verification_only();
    Some(match function {
        KeyFunction::Pk => vec![ScriptBuf::new_p2pk(&key.at(index)?)],
        KeyFunction::Pkh => vec![ScriptBuf::new_p2pkh(&key.at(index)?.pubkey_hash())],
        KeyFunction::Wpkh => vec![ScriptBuf::new_p2wpkh(&key.at(index)?.wpubkey_hash().ok()?)],
        KeyFunction::Taproot => vec![ScriptBuf::new_p2tr(&context, key.x_only_at(index)?, None)],
        KeyFunction::RawTaproot => {
            let key = key.x_only_at(index)?;
            let push = PushBytesBuf::from(key.serialize());
            vec![Builder::new().push_opcode(OP_PUSHNUM_1).push_slice(push).into_script()]
        }
        KeyFunction::Combo => {
            let key = key.at(index)?;
            let mut scripts = vec![ScriptBuf::new_p2pk(&key), ScriptBuf::new_p2pkh(&key.pubkey_hash())];
            if let Ok(hash) = key.wpubkey_hash() {
                let witness = ScriptBuf::new_p2wpkh(&hash);
                let nested = ScriptBuf::new_p2sh(&witness.script_hash());
                scripts.extend([witness, nested]);
            }
            scripts
        }
    })
}

fn multisig(required: u8, keys: &[PublicKey]) -> ScriptBuf {
    let start = Builder::new().push_int(i64::from(required));
    let keyed = keys.iter().fold(start, |script, key| script.push_key(key));
    keyed.push_int(keys.len() as i64).push_opcode(OP_CHECKMULTISIG).into_script()
}

impl Key {
    fn at(&self, index: u32) -> Option<PublicKey> {
        match self {
            Self::Plain(key) => Some(*key),
            Self::XOnly(_) => None,
            Self::Extended { key, ranged: false } => Some(PublicKey::new(key.public_key)),
            Self::Extended { key, ranged: true } => {
                let child = ChildNumber::from_normal_idx(index).ok()?;
                let derived = key.derive_pub(&Secp256k1::verification_only(), &[child]).ok()?;
                Some(PublicKey::new(derived.public_key))
            }
        }
    }

    fn x_only_at(&self, index: u32) -> Option<XOnlyPublicKey> {
        match self {
            Self::XOnly(key) => Some(*key),
            Self::Plain(_) | Self::Extended { .. } => Some(self.at(index)?.inner.x_only_public_key().0),
        }
    }
}

fn parse(text: &str, place: Place, network: &Network) -> Result<Node, String> {
    let unknown = || match place {
        Place::Top => format!("'{text}' is not a valid descriptor function"),
        Place::ScriptHash | Place::WitnessScriptHash | Place::Taproot => {
            format!("'{text}' is not a function that this server knows here")
        }
    };
    let (function, inner) =
        text.split_once('(').and_then(|(name, rest)| Some((name, rest.strip_suffix(')')?))).ok_or_else(unknown)?;
    let key_of = |function: KeyFunction, place: Place| Ok(Node::Key(function, parse_key(inner, place)?));
    let in_witness = place == Place::WitnessScriptHash;
    match (function, place) {
        ("raw", Place::Top) => {
            let bytes = Vec::<u8>::from_hex(inner).map_err(|_| "Raw script is not hex".to_owned())?;
            Ok(Node::Script(ScriptBuf::from_bytes(bytes)))
        }
        ("addr", Place::Top) => {
            let script = parse_address(inner, network).map_err(|_| "Address is not valid".to_owned())?;
            Ok(Node::Script(script))
        }
        ("pk", _) => key_of(KeyFunction::Pk, place),
        ("pkh", _) => key_of(KeyFunction::Pkh, place),
        ("wpkh", Place::Top | Place::ScriptHash) => key_of(KeyFunction::Wpkh, Place::WitnessScriptHash),
        ("combo", Place::Top) => key_of(KeyFunction::Combo, place),
        ("tr", Place::Top) if !inner.contains([',', '{']) => key_of(KeyFunction::Taproot, Place::Taproot),
        ("rawtr", Place::Top) => key_of(KeyFunction::RawTaproot, Place::Taproot),
        ("sh", Place::Top) => Ok(Node::ScriptHash(Box::new(parse(inner, Place::ScriptHash, network)?))),
        ("wsh", Place::Top | Place::ScriptHash) => {
            Ok(Node::WitnessScriptHash(Box::new(parse(inner, Place::WitnessScriptHash, network)?)))
        }
        ("multi" | "sortedmulti", _) => {
            let most = if place == Place::Top { BARE_MULTISIG_KEYS } else { MULTISIG_KEYS };
            parse_multi(
                inner,
                if in_witness { Place::WitnessScriptHash } else { place },
                function == "sortedmulti",
                most,
            )
        }
        _ => Err(unknown()),
    }
}

fn parse_multi(inner: &str, place: Place, sorted: bool, most: usize) -> Result<Node, String> {
    let mut parts = inner.split(',');
    let threshold = parts.next().unwrap_or_default();
    let required: u8 = threshold.parse().map_err(|_| format!("Multi threshold '{threshold}' is not valid"))?;
    let keys = parts.map(|key| parse_key(key, place)).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() || keys.len() > most {
        return Err(format!(
            "Cannot have {} keys in multisig; must have between 1 and {most} keys, inclusive",
            keys.len()
        ));
    }
    if required == 0 || usize::from(required) > keys.len() {
        return Err(format!("Multisig threshold cannot be {required} with {} keys", keys.len()));
    }
    Ok(Node::Multi { required, keys, sorted })
}

fn parse_key(text: &str, place: Place) -> Result<Key, String> {
    let bad = |why: &str| format!("Key '{text}' is not valid: {why}");
    let bare = match text.strip_prefix('[') {
        // Where a key comes from is for those who sign.
        Some(rest) => rest.split_once(']').ok_or_else(|| bad("its origin has no end"))?.1,
        None => text,
    };
    let mut path = bare.split('/');
    let first = path.next().unwrap_or_default();
    if place == Place::Taproot && first.len() == 64 && first == bare {
        return XOnlyPublicKey::from_str(first).map(Key::XOnly).map_err(|_| bad("it is no point of the curve"));
    }
    if first == bare
        && let Ok(bytes) = Vec::<u8>::from_hex(first)
    {
        let key = PublicKey::from_slice(&bytes).map_err(|_| bad("it is no point of the curve"))?;
        if !key.compressed && matches!(place, Place::WitnessScriptHash | Place::Taproot) {
            return Err(bad("uncompressed keys are not allowed here"));
        }
        return Ok(Key::Plain(key));
    }
    let mut key = Xpub::from_str(first).map_err(|_| bad("it is no public key"))?;
    let mut steps: Vec<&str> = path.collect();
    let ranged = steps.last() == Some(&"*");
    if ranged {
        steps.pop();
    }
    for step in steps {
        let number: u32 =
            step.parse().map_err(|_| bad("its path has a step that needs a private key, or is no number"))?;
        let child = ChildNumber::from_normal_idx(number).map_err(|_| bad("its path has a step out of range"))?;
        key = key.derive_pub(&Secp256k1::verification_only(), &[child]).map_err(|_| bad("it cannot be derived"))?;
    }
    Ok(Key::Extended { key: Box::new(key), ranged })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycoin_primitives::address_of;

    /// Two points of the curve.
    const G: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    const G2: &str = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";
    /// The public master key of BIP32's first test vector.
    const XPUB: &str = "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8";

    fn scripts(text: &str) -> Result<Vec<String>, String> {
        let read = Descriptor::parse(text, ChecksumNeed::Optional, &Network::regtest())?;
        Ok(read.scripts(0..=1)?.iter().map(|script| script.to_hex_string()).collect())
    }

    #[test]
    fn checksums_of_bip380() {
        assert_eq!(with_checksum("raw(deadbeef)"), "raw(deadbeef)#89f8spxm");
        let read = |text: &str, need| Descriptor::parse(text, need, &Network::regtest()).map(|read| read.canonical());
        assert_eq!(read("raw(deadbeef)", ChecksumNeed::Optional).as_deref(), Ok("raw(deadbeef)#89f8spxm"));
        assert!(read("raw(deadbeef)#89f8spxm", ChecksumNeed::Required).is_ok());
        assert_eq!(read("raw(deadbeef)", ChecksumNeed::Required), Err("Missing checksum".to_owned()));
        for bad in
            ["raw(deadbeef)#", "raw(deadbeef)#89f8spxmx", "raw(deedbeef)#89f8spxm", "raw(Ü)#00000000", "raw(dead"]
        {
            assert!(read(bad, ChecksumNeed::Optional).is_err(), "{bad}");
        }
    }

    /// Source of the scripts: BIP381, BIP382, BIP386.
    #[test]
    fn descriptors_of_the_bips_give_their_scripts() {
        let nested = "03a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd";
        let taproot = "a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd";
        for (text, script) in [
            (format!("pk({nested})"), format!("21{nested}ac")),
            (format!("pkh({nested})"), "76a9149a1c78a507689f6f54b847ad1cef1e614ee23f1e88ac".to_owned()),
            (format!("wpkh({nested})"), "00149a1c78a507689f6f54b847ad1cef1e614ee23f1e".to_owned()),
            (format!("sh(wpkh({nested}))"), "a91484ab21b1b2fd065d4504ff693d832434b6108d7b87".to_owned()),
            (
                format!("tr({taproot})"),
                "512077aab6e066f8a7419c5ab714c12c67d25007ed55a43cadcacb4d7a970a093f11".to_owned(),
            ),
            (format!("rawtr({taproot})"), format!("5120{taproot}")),
            (format!("multi(1,{G},{G2})"), format!("5121{G}21{G2}52ae")),
            (format!("sortedmulti(1,{G2},{G})"), format!("5121{G}21{G2}52ae")),
            ("raw(51)".to_owned(), "51".to_owned()),
        ] {
            assert_eq!(scripts(&text), Ok(vec![script]), "{text}");
        }
        assert_eq!(scripts(&format!("combo({nested})")).map(|scripts| scripts.len()), Ok(4));
    }

    #[test]
    fn a_range_derives_one_script_a_key() {
        let network = Network::regtest();
        let read = |text: &str| Descriptor::parse(text, ChecksumNeed::Optional, &network);
        let ranged = read(&format!("wpkh([d34db33f/84h/0h/0h]{XPUB}/1/*)")).expect("it is one");
        assert!(ranged.is_ranged() && ranged.is_solvable());
        let scripts = ranged.scripts(0..=2).expect("public derivation");
        let single = read(&format!("wpkh({XPUB}/1/2)")).expect("it is one");
        assert!(!single.is_ranged());
        assert_eq!((scripts.len(), scripts.last()), (3, single.scripts(0..=9).expect("one").first()));
        let address = address_of(&scripts[0], &network).expect("a witness program");
        assert_eq!(
            read(&format!("addr({address})")).and_then(|read| read.scripts(0..=0)),
            Ok(vec![scripts[0].clone()])
        );
    }

    #[test]
    fn what_cannot_be_served_is_refused_by_name() {
        let private = "L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1";
        for (text, part) in [
            (format!("pk({private})"), "it is no public key"),
            (format!("wpkh({XPUB}/1h)"), "needs a private key"),
            (format!("wsh(wpkh({G}))"), "is not a function that this server knows here"),
            (format!("tr({},pk({G}))", &G[2..]), "not a valid descriptor function"),
            (format!("multi(3,{G},{G2})"), "threshold"),
            (format!("multi(0,{G})"), "threshold"),
            (format!("multi(1,{G},{G},{G},{G})"), "between 1 and 3"),
            (format!("pk({})", G.replace("02", "05")), "no point"),
            ("addr(1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa)".to_owned(), "Address is not valid"),
            ("raw(5)".to_owned(), "not hex"),
            (String::new(), "not a valid descriptor function"),
        ] {
            let error = scripts(&text).expect_err(&text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
