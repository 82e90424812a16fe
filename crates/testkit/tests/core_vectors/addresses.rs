//! Source: Bitcoin Core, src/test/base58_tests.cpp, src/test/key_io_tests.cpp.
//!
//! Our own coins' prefixes differ from Bitcoin's, so Core's chains are spelt out here as networks: the code that reads
//! and writes the addresses is the one that every coin uses.

use mycoin_primitives::bitcoin::{NetworkKind, PrivateKey, base58};
use mycoin_primitives::{Base58Prefixes, Network, ScriptBuf, address_of, parse_address};
use mycoin_testkit::core_data;
use serde_json::Value;

use crate::support::{Report, array, bytes, text};

/// A chain of Core's, as far as addresses and keys are concerned.
struct Chain {
    name: &'static str,
    network: Network,
    keys: NetworkKind,
}

/// Core's chains by the names that the files use, regtest last. Source: Bitcoin Core, src/kernel/chainparams.cpp.
fn chains() -> [Chain; 4] {
    let chain = |name, address_prefix: &str, base58, keys| {
        let network = Network { address_prefix: address_prefix.to_owned(), base58: Some(base58), ..Network::regtest() };
        Chain { name, network, keys }
    };
    let (real, test) = (Base58Prefixes { p2pkh: 0, p2sh: 5 }, Base58Prefixes { p2pkh: 111, p2sh: 196 });
    [
        chain("main", "bc", real, NetworkKind::Main),
        chain("testnet4", "tb", test, NetworkKind::Test),
        chain("signet", "tb", test, NetworkKind::Test),
        Chain { name: "regtest", network: Network::regtest(), keys: NetworkKind::Test },
    ]
}

#[test]
fn base58_encode_decode() {
    const FILE: &str = "base58_encode_decode.json";
    let file = core_data::read(FILE);
    let mut report = Report::new(FILE, array(&file).len());
    for entry in array(&file) {
        let [data, encoded] = array(entry) else { panic!("no case: {entry}") };
        report.case();
        let (data, encoded) = (bytes(data), text(encoded));
        report.expect(base58::encode(&data) == encoded, || format!("encoding: {entry}"));
        report.expect(base58::decode(encoded).as_ref() == Ok(&data), || format!("decoding: {entry}"));
    }
    report.conclude(21);
}

#[test]
fn key_io_valid() {
    const FILE: &str = "key_io_valid.json";
    let file = core_data::read(FILE);
    let mut report = Report::new(FILE, array(&file).len());
    let chains = chains();
    for entry in array(&file) {
        let [encoded, payload, about] = array(entry) else { panic!("no case: {entry}") };
        report.case();
        let name = text(&about["chain"]);
        let chain = chains.iter().find(|chain| chain.name == name).unwrap_or_else(|| panic!("no such chain: {entry}"));
        if about["isPrivkey"] == true {
            valid_private_key(&mut report, entry, chain, text(encoded), &bytes(payload), about);
        } else {
            valid_address(&mut report, entry, chain, text(encoded), &ScriptBuf::from_bytes(bytes(payload)), about);
        }
        for ours in [Network::demo(), Network::mycoin()] {
            report.expect(parse_address(text(encoded), &ours).is_err(), || format!("{} takes {entry}", ours.name));
        }
    }
    report.conclude(70);
}

/// No program of ours takes keys in this form: the library reads them.
///
/// It doesn't look at the byte that stands for a compressed public key, so only the form that it writes itself is a key.
fn private_key(encoded: &str) -> Option<PrivateKey> {
    PrivateKey::from_wif(encoded).ok().filter(|key| key.to_wif() == encoded)
}

fn valid_private_key(report: &mut Report, entry: &Value, chain: &Chain, encoded: &str, secret: &[u8], about: &Value) {
    let key = private_key(encoded).unwrap_or_else(|| panic!("no key: {entry}"));
    report.expect(key.to_bytes() == secret && key.network == chain.keys, || format!("another key: {entry}"));
    report.expect(about["isCompressed"] == key.compressed, || format!("compressed: {entry}"));
    report.expect(parse_address(encoded, &chain.network).is_err(), || format!("a key is no address: {entry}"));
}

fn valid_address(report: &mut Report, entry: &Value, chain: &Chain, encoded: &str, script: &ScriptBuf, about: &Value) {
    let parsed = parse_address(encoded, &chain.network);
    report.expect(parsed.as_ref() == Ok(script), || format!("read {parsed:?}: {entry}"));
    let written = address_of(script, &chain.network);
    report.expect(written.as_deref() == Some(encoded), || format!("written {written:?}: {entry}"));
    report.expect(private_key(encoded).is_none(), || format!("an address is no key: {entry}"));

    let flipped = parse_address(&flip_case(encoded), &chain.network);
    let same = flipped.as_ref() == Ok(script);
    let as_expected = if about["tryCaseFlip"] == true { same } else { flipped.is_err() };
    report.expect(as_expected, || format!("in the other case {flipped:?}: {entry}"));

    // A chain takes another chain's addresses where both begin alike, as Core's test chains do, and no others.
    for other in chains() {
        let base58 = script.is_p2pkh() || script.is_p2sh();
        let alike = if base58 {
            other.network.base58 == chain.network.base58
        } else {
            other.network.address_prefix == chain.network.address_prefix
        };
        let taken = parse_address(encoded, &other.network).is_ok();
        report.expect(taken == alike, || format!("{} takes it: {taken}: {entry}", other.name));
    }
}

fn flip_case(text: &str) -> String {
    let flip = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    text.chars().map(flip).collect()
}

#[test]
fn key_io_invalid() {
    const FILE: &str = "key_io_invalid.json";
    let file = core_data::read(FILE);
    let mut report = Report::new(FILE, array(&file).len());
    let networks: Vec<Network> =
        chains().into_iter().map(|chain| chain.network).chain([Network::demo(), Network::mycoin()]).collect();
    for entry in array(&file) {
        let [encoded] = array(entry) else { panic!("no case: {entry}") };
        report.case();
        for network in &networks {
            let parsed = parse_address(text(encoded), network);
            report.expect(parsed.is_err(), || format!("{}1… takes {entry}", network.address_prefix));
        }
        report.expect(private_key(text(encoded)).is_none(), || format!("a key: {entry}"));
    }
    report.conclude(70);
}
