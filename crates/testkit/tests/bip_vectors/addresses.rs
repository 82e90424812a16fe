//! BIP173 and BIP350: strings with checksums, and addresses.

use mycoin_primitives::bitcoin::bech32::primitives::decode::UncheckedHrpstring;
use mycoin_primitives::bitcoin::bech32::{Bech32, Bech32m, Checksum};
use mycoin_primitives::{AddressError, Network, ScriptBuf, address_of, parse_address};
use serde::Deserialize;

use crate::{ran, read};

#[derive(Deserialize)]
struct Vectors {
    valid_strings: Vec<String>,
    invalid_strings: Vec<String>,
    valid_addresses: Vec<Address>,
    invalid_addresses: Vec<String>,
}

#[derive(Deserialize)]
struct Address {
    address: String,
    script: String,
}

impl Address {
    fn script(&self) -> ScriptBuf {
        ScriptBuf::from_hex(&self.script).expect("the vectors are hex")
    }
}

/// A network whose addresses have this prefix.
fn with_prefix(prefix: &str) -> Network {
    Network { address_prefix: prefix.to_owned(), base58: None, ..Network::regtest() }
}

/// The network that Bitcoin's two prefixes, and those of any other string, belong to.
fn own_network(text: &str) -> Network {
    let lower = text.to_lowercase();
    with_prefix(lower.rsplit_once('1').map_or("", |(prefix, _)| prefix))
}

fn shipped() -> [Network; 3] {
    [Network::demo(), Network::mycoin(), Network::regtest()]
}

fn checksum_fits<C: Checksum>(text: &str) -> bool {
    UncheckedHrpstring::new(text).is_ok_and(|string| string.has_valid_checksum::<C>())
}

#[track_caller]
fn check_strings<Own: Checksum, Other: Checksum>(vectors: &Vectors) {
    for text in &vectors.valid_strings {
        assert!(checksum_fits::<Own>(text), "{text}");
        assert!(!checksum_fits::<Other>(text), "{text}: one string never has both checksums");
        assert!(parse_address(text, &own_network(text)).is_err(), "{text}: a checksum makes no address");
    }
    for text in &vectors.invalid_strings {
        assert!(!checksum_fits::<Own>(text), "{text:?}");
        assert!(parse_address(text, &own_network(text)).is_err(), "{text:?}");
    }
    for text in vectors.valid_strings.iter().chain(&vectors.invalid_strings) {
        assert!(shipped().iter().all(|network| parse_address(text, network).is_err()), "{text:?}");
    }
}

#[track_caller]
fn check_valid_address(vector: &Address) {
    let own = own_network(&vector.address);
    assert_eq!(parse_address(&vector.address, &own), Ok(vector.script()), "{}", vector.address);
    assert_eq!(address_of(&vector.script(), &own), Some(vector.address.to_lowercase()));
    for network in shipped() {
        let refused = parse_address(&vector.address, &network);
        assert!(matches!(refused, Err(AddressError::OtherCoin { .. })), "{}: {refused:?}", vector.address);
    }
}

#[track_caller]
fn check_invalid_address(text: &str) {
    for network in shipped().into_iter().chain([with_prefix("bc"), with_prefix("tb")]) {
        assert!(parse_address(text, &network).is_err(), "{text} on {}", network.address_prefix);
    }
}

#[test]
fn bip173_strings_and_addresses() {
    let vectors: Vectors = read(include_str!("data/bip173.json"));
    check_strings::<Bech32, Bech32m>(&vectors);
    for vector in &vectors.valid_addresses {
        // BIP350 gave the witness versions above 0 another checksum.
        if vector.script().witness_version().is_some_and(|version| version.to_num() == 0) {
            check_valid_address(vector);
        } else {
            check_invalid_address(&vector.address);
        }
    }
    vectors.invalid_addresses.iter().for_each(|text| check_invalid_address(text));
    ran("BIP173, valid strings", vectors.valid_strings.len(), 7);
    ran("BIP173, invalid strings", vectors.invalid_strings.len(), 12);
    ran("BIP173, valid addresses (3 of them replaced by BIP350 and refused)", vectors.valid_addresses.len(), 6);
    ran("BIP173, invalid addresses", vectors.invalid_addresses.len(), 10);
}

#[test]
fn bip350_strings_and_addresses() {
    let vectors: Vectors = read(include_str!("data/bip350.json"));
    check_strings::<Bech32m, Bech32>(&vectors);
    vectors.valid_addresses.iter().for_each(check_valid_address);
    vectors.invalid_addresses.iter().for_each(|text| check_invalid_address(text));
    ran("BIP350, valid strings", vectors.valid_strings.len(), 7);
    ran("BIP350, invalid strings", vectors.invalid_strings.len(), 14);
    ran("BIP350, valid addresses", vectors.valid_addresses.len(), 8);
    ran("BIP350, invalid addresses", vectors.invalid_addresses.len(), 15);
}
