//! Addresses under a coin's own prefix (BIP173, BIP350), and Base58Check where the coin has it.

use bech32::{Bech32m, Fe32, Hrp, segwit};
use bitcoin::hashes::Hash;
use bitcoin::{PubkeyHash, ScriptHash, WitnessProgram, WitnessVersion, base58};

use crate::{Network, Script, ScriptBuf};

/// The 32 characters of bech32's data part. Source: BIP173.
const BECH32_ALPHABET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Why an address was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing was given.
    #[error("the address is missing. Ask the recipient for an address that begins with {expected}1.")]
    Empty {
        /// What addresses of this coin begin with.
        expected: String,
    },
    /// It is an address of another coin.
    #[error("this address belongs to {coin}. An address of {this_coin} begins with {expected}1.")]
    OtherCoin {
        /// The coin that it belongs to, or what is known of it.
        coin: String,
        /// The coin that is used here.
        this_coin: String,
        /// What addresses of this coin begin with.
        expected: String,
    },
    /// It holds a character that no address holds.
    #[error("character {position} of the address, “{character}”, cannot stand in an address. Copy the address again.")]
    BadCharacter {
        /// Its place, counted from 1.
        position: usize,
        /// The character.
        character: char,
    },
    /// Capital and small letters are mixed.
    #[error("the address mixes capital and small letters, which no address does. Copy the address again.")]
    MixedCase,
    /// The checksum does not fit, and one changed character explains it.
    #[error(
        "the address has a typing error: look at character {position}, “{character}”. Copy the address again or compare it with the recipient."
    )]
    Typo {
        /// Its place, counted from 1.
        position: usize,
        /// What stands there.
        character: char,
    },
    /// The checksum does not fit, and no single character explains it.
    #[error("the address has several typing errors or is incomplete. Copy it again.")]
    BadChecksum,
    /// The checksum fits, but what it protects is no address.
    #[error("this is not a valid address of {coin}: {reason}. Ask the recipient for another one.")]
    NotAnAddress {
        /// The coin that is used here.
        coin: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The address of `script`, or `None` for a script that has none.
pub fn address_of(script: &Script, network: &Network) -> Option<String> {
    if let Some(version) = script.witness_version() {
        let hrp = Hrp::parse(&network.address_prefix).ok()?;
        let program = script.as_bytes().get(2..)?;
        return segwit::encode(hrp, version.to_fe(), program).ok();
    }
    let prefixes = network.base58?;
    let (version, hash) = if script.is_p2pkh() {
        (prefixes.p2pkh, script.as_bytes().get(3..23)?)
    } else if script.is_p2sh() {
        (prefixes.p2sh, script.as_bytes().get(2..22)?)
    } else {
        return None;
    };
    Some(base58::encode_check(&[&[version], hash].concat()))
}

/// The script that an address stands for.
///
/// # Errors
///
/// [`AddressError`] says which coin the address belongs to, or where its typing error is.
pub fn parse_address(text: &str, network: &Network) -> Result<ScriptBuf, AddressError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(AddressError::Empty { expected: network.address_prefix.clone() });
    }
    if let Some((position, character)) = text.chars().enumerate().find(|(_, c)| !c.is_ascii_alphanumeric()) {
        return Err(AddressError::BadCharacter { position: position + 1, character });
    }
    if let Some(script) = parse_base58(text, network)? {
        return Ok(script);
    }
    parse_bech32(text, network)
}

fn other_coin(coin: &str, network: &Network) -> AddressError {
    AddressError::OtherCoin {
        coin: coin.to_owned(),
        this_coin: network.coin.clone(),
        expected: network.address_prefix.clone(),
    }
}

/// The coin whose addresses begin with `prefix`, where it is known.
fn coin_of_prefix(prefix: &str) -> Option<String> {
    [Network::demo(), Network::mycoin(), Network::regtest()]
        .into_iter()
        .find(|network| network.address_prefix == prefix)
        .map(|network| network.coin)
        .or_else(|| {
            let coin = match prefix {
                "bc" => "Bitcoin",
                "tb" => "Bitcoin's test networks",
                "ltc" => "Litecoin",
                "vtc" => "Vertcoin",
                "dgb" => "DigiByte",
                "grs" => "Groestlcoin",
                _ => return None,
            };
            Some(coin.to_owned())
        })
}

/// `None` when the text is no Base58Check at all, so that bech32 can have a look.
fn parse_base58(text: &str, network: &Network) -> Result<Option<ScriptBuf>, AddressError> {
    let Ok(payload) = base58::decode_check(text) else { return Ok(None) };
    let Some((&version, hash)) = payload.split_first() else { return Ok(None) };
    let Ok(hash) = <[u8; 20]>::try_from(hash) else { return Ok(None) };
    match network.base58 {
        Some(prefixes) if prefixes.p2pkh == version => {
            Ok(Some(ScriptBuf::new_p2pkh(&PubkeyHash::from_byte_array(hash))))
        }
        Some(prefixes) if prefixes.p2sh == version => Ok(Some(ScriptBuf::new_p2sh(&ScriptHash::from_byte_array(hash)))),
        _ => {
            let coin = match version {
                0 | 5 => "Bitcoin (an old-style address)",
                111 | 196 => "one of Bitcoin's test networks (an old-style address)",
                48 | 50 => "Litecoin (an old-style address)",
                30 => "Dogecoin",
                _ => "another coin (an old-style address)",
            };
            Err(other_coin(coin, network))
        }
    }
}

fn parse_bech32(text: &str, network: &Network) -> Result<ScriptBuf, AddressError> {
    let lower = text.to_ascii_lowercase();
    if lower != text && text.to_ascii_uppercase() != text {
        return Err(AddressError::MixedCase);
    }
    let Some((prefix, data)) = lower.rsplit_once('1') else { return Err(AddressError::BadChecksum) };
    if prefix != network.address_prefix {
        return Err(match coin_of_prefix(prefix) {
            Some(coin) => other_coin(&coin, network),
            None if segwit::decode(&lower).is_ok() => {
                other_coin(&format!("another coin (its addresses begin with {prefix}1)"), network)
            }
            None => match first_difference(prefix, &network.address_prefix) {
                Some((position, character)) => AddressError::Typo { position, character },
                None => AddressError::BadChecksum,
            },
        });
    }
    let offset = prefix.len() + 1;
    if let Some((index, character)) = data.chars().enumerate().find(|(_, c)| !BECH32_ALPHABET.contains(*c)) {
        return Err(AddressError::BadCharacter { position: offset + index + 1, character });
    }
    match segwit::decode(&lower) {
        Ok((_, version, program)) => witness_script(version, &program, network),
        Err(error) => Err(locate_typo(&lower, offset).unwrap_or_else(|| {
            if checksum_fits(&lower) {
                AddressError::NotAnAddress { coin: network.coin.clone(), reason: error.to_string() }
            } else {
                AddressError::BadChecksum
            }
        })),
    }
}

fn witness_script(version: Fe32, program: &[u8], network: &Network) -> Result<ScriptBuf, AddressError> {
    let invalid = |reason: String| AddressError::NotAnAddress { coin: network.coin.clone(), reason };
    let version = WitnessVersion::try_from(version).map_err(|error| invalid(error.to_string()))?;
    let program = WitnessProgram::new(version, program).map_err(|error| invalid(error.to_string()))?;
    Ok(ScriptBuf::new_witness_program(&program))
}

/// The first place, counted from 1, where `given` is one changed character away from `expected`.
fn first_difference(given: &str, expected: &str) -> Option<(usize, char)> {
    if given.len() != expected.len() {
        return None;
    }
    let mut differences = given.chars().zip(expected.chars()).enumerate().filter(|(_, (a, b))| a != b);
    let (index, (character, _)) = differences.next()?;
    differences.next().is_none().then_some((index + 1, character))
}

/// Whether either checksum (bech32 or bech32m) fits, whatever it protects.
fn checksum_fits(lower: &str) -> bool {
    use bech32::primitives::decode::UncheckedHrpstring;
    UncheckedHrpstring::new(lower).is_ok_and(|unchecked| {
        unchecked.has_valid_checksum::<bech32::Bech32>() || unchecked.has_valid_checksum::<Bech32m>()
    })
}

/// The one place where changing one character makes a valid address, if there is exactly one.
///
/// The checksum finds any four wrong characters among 89 (BIP173), so a place found this way is the error.
/// Only the place is told: a corrected address must not be paid to unseen.
fn locate_typo(lower: &str, offset: usize) -> Option<AddressError> {
    let mut found = None;
    for (position, character) in lower.char_indices().skip(offset) {
        let explains = BECH32_ALPHABET.chars().filter(|c| *c != character).any(|replacement| {
            let mut changed = lower.to_owned();
            changed.replace_range(position..=position, replacement.encode_utf8(&mut [0; 4]));
            segwit::decode(&changed).is_ok()
        });
        if explains && found.replace(AddressError::Typo { position: position + 1, character }).is_some() {
            return None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn program(version: u8, program: &[u8]) -> ScriptBuf {
        let version = WitnessVersion::try_from(version).expect("the tests use versions 0 to 16");
        ScriptBuf::new_witness_program(&WitnessProgram::new(version, program).expect("the tests use valid lengths"))
    }

    #[test]
    fn bip350_addresses_on_regtest_prefix_round_trip() {
        let net = Network::regtest();
        let script = program(1, &[0x79; 32]);
        let address = address_of(&script, &net).expect("witness programs have addresses");
        assert!(address.starts_with("bcrt1p"));
        assert_eq!(parse_address(&address, &net), Ok(script.clone()));
        assert_eq!(parse_address(&address.to_uppercase(), &net), Ok(script));
    }

    #[test]
    fn an_address_of_another_coin_names_that_coin() {
        let script = program(0, &[7; 20]);
        let demo = Network::demo();
        let of = |network: &Network| address_of(&script, network).expect("witness programs have addresses");
        for other in [Network::mycoin(), Network::regtest()] {
            match parse_address(&of(&other), &demo) {
                Err(AddressError::OtherCoin { coin, .. }) => assert_eq!(coin, other.coin),
                unexpected => panic!("{unexpected:?}"),
            }
        }
        for (address, coin) in [
            ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "Bitcoin"),
            ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "Bitcoin (an old-style address)"),
        ] {
            assert!(
                matches!(parse_address(address, &demo), Err(AddressError::OtherCoin { coin: found, .. }) if found == coin),
                "{address}"
            );
        }
    }

    #[test]
    fn regtest_has_old_style_addresses_and_our_coins_have_none() {
        let script = ScriptBuf::new_p2pkh(&PubkeyHash::from_byte_array([1; 20]));
        let address = address_of(&script, &Network::regtest()).expect("regtest has Base58Check prefixes");
        assert_eq!(parse_address(&address, &Network::regtest()), Ok(script.clone()));
        assert_eq!(address_of(&script, &Network::demo()), None);
    }

    #[test]
    fn refused_texts() {
        let demo = Network::demo();
        assert!(matches!(parse_address("", &demo), Err(AddressError::Empty { .. })));
        assert!(matches!(parse_address("dmyc1q q", &demo), Err(AddressError::BadCharacter { position: 7, .. })));
        assert!(matches!(
            parse_address("dmyc1qbq", &demo),
            Err(AddressError::BadCharacter { position: 7, character: 'b' })
        ));
        assert_eq!(parse_address("dmyc1Qq", &demo), Err(AddressError::MixedCase));
        assert_eq!(parse_address("dmyc1qqqqqqqq", &demo), Err(AddressError::BadChecksum));
        assert_eq!(parse_address("hello", &demo), Err(AddressError::BadChecksum));
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_found(bytes in prop::array::uniform32(any::<u8>()), place in any::<prop::sample::Index>(), shift in 1usize..32) {
            let net = Network::demo();
            let address = address_of(&program(1, &bytes), &net).expect("witness programs have addresses");
            let offset = net.address_prefix.len() + 1;
            let at = offset + place.index(address.len() - offset);
            let old = address.as_bytes()[at] as char;
            let index = BECH32_ALPHABET.find(old).expect("addresses hold only these characters");
            let new = BECH32_ALPHABET.as_bytes()[(index + shift) % 32] as char;
            let mut changed = address.clone();
            changed.replace_range(at..=at, &new.to_string());
            prop_assert_eq!(parse_address(&changed, &net), Err(AddressError::Typo { position: at + 1, character: new }));
        }
    }
}
