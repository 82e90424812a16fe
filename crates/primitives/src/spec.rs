//! Reading a spec file: every field is checked, and an error names the field, what is wrong and what is allowed.

use std::ops::RangeInclusive;
use std::str::FromStr;

use bitcoin::p2p::Magic;
use toml::{Table, Value};

use crate::genesis::{genesis_block, genesis_hash};
use crate::network::{Base58Prefixes, Genesis, MiningTrigger, Network, Ports, Retarget, Rules};
use crate::{Amount, BlockHash, CompactTarget, MAX_MONEY, Target};

/// The longest spec file that is read, in bytes.
pub const SPEC_LIMIT: usize = 64 * 1024;
/// The most fixed peers: each is dialled for ever, and a spec may come from a stranger.
const PEERS_MAX: usize = 100;
/// The longest name of a peer: a host's (RFC 1035), a colon, a port.
const PEER_MAX: usize = 253 + 1 + 5;

/// Why a spec file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The text is longer than any honest one.
    #[error("the spec file has {length} bytes, and at most {SPEC_LIMIT} are read")]
    TooLong {
        /// Its length, in bytes.
        length: usize,
    },
    /// The text is not TOML.
    #[error("the spec file is not valid TOML: {reason}")]
    NotToml {
        /// What the TOML parser says, with the place.
        reason: String,
    },
    /// A field is wrong.
    #[error("field “{field}” of the spec file is wrong: {problem}. Allowed: {allowed}.")]
    Field {
        /// The field, as `table.key`.
        field: String,
        /// What is wrong with it.
        problem: String,
        /// What is allowed instead.
        allowed: String,
    },
}

/// Names that may stand in a spec file, by table. Anything else is a typing error.
const KNOWN: &[(&str, &[&str])] = &[
    ("", &["name", "coin", "ticker", "decimals", "address_prefix", "uri_scheme", "magic", "slip44"]),
    ("base58", &["p2pkh", "p2sh"]),
    ("ports", &["proxy", "rpc", "p2p", "electrum", "electrum_tls"]),
    ("genesis", &["message", "time", "bits", "nonce", "hash"]),
    ("proof_of_work", &["limit", "spacing", "retarget", "half_life"]),
    ("issuance", &["first_subsidy", "halving_interval", "maturity"]),
    ("mining", &["when", "max_transactions"]),
    ("rules", &["bip54", "bip94"]),
    ("extras", &["rsa", "faucet", "peers"]),
];

pub(crate) fn parse(text: &str) -> Result<Network, SpecError> {
    if text.len() > SPEC_LIMIT {
        return Err(SpecError::TooLong { length: text.len() });
    }
    let root: Table =
        text.parse().map_err(|error: toml::de::Error| SpecError::NotToml { reason: error.to_string() })?;
    refuse_unknown_fields(&root)?;
    let top = Fields { table: Some(&root), name: "" };
    let section = |name: &'static str| Fields { table: root.get(name).and_then(Value::as_table), name };

    let pow = section("proof_of_work");
    let pow_limit = pow.compact_target("limit")?;
    let genesis_fields = section("genesis");
    let genesis = Genesis {
        message: genesis_fields.text("message", 1..=80, "a sentence of 1 to 80 bytes", |_| true)?,
        time: genesis_fields.number("time", 1_231_006_505..=u32::MAX)?,
        bits: genesis_fields.compact_target("bits")?,
        nonce: genesis_fields.number("nonce", 0..=u32::MAX)?,
        hash: genesis_fields.hash("hash")?,
    };
    let issuance = section("issuance");
    let mining = section("mining");
    let rules = section("rules");
    let extras = section("extras");
    let network = Network {
        name: top.text("name", 1..=32, "1 to 32 small letters, digits and hyphens", |c| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
        })?,
        coin: top.text("coin", 1..=64, "a name of 1 to 64 letters, digits, spaces, hyphens and points", |c| {
            c.is_alphanumeric() || matches!(c, ' ' | '-' | '.')
        })?,
        ticker: top.text("ticker", 1..=8, "1 to 8 capital letters and digits", |c| {
            c.is_ascii_uppercase() || c.is_ascii_digit()
        })?,
        decimals: top.number("decimals", 0..=8)?,
        address_prefix: top.text("address_prefix", 1..=16, "1 to 16 small letters and digits", |c| {
            c.is_ascii_lowercase() || c.is_ascii_digit()
        })?,
        base58: base58(section("base58"))?,
        uri_scheme: top.text("uri_scheme", 1..=32, "1 to 32 small letters, digits and hyphens", |c| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
        })?,
        magic: top.magic("magic")?,
        slip44: top.number("slip44", 0..=0x7fff_ffff)?,
        ports: ports(&section("ports"))?,
        pow_limit,
        spacing: pow.number("spacing", 1..=86_400)?,
        retarget: retarget(&pow)?,
        first_subsidy: issuance.coins("first_subsidy")?,
        halving_interval: issuance.number("halving_interval", 1..=u32::MAX)?,
        maturity: issuance.number("maturity", 1..=10_000)?,
        mining: trigger(&mining)?,
        max_block_transactions: mining
            .optional(|fields| fields.number("max_transactions", 1..=100_000), "max_transactions")?,
        rules: Rules { bip54: rules.flag("bip54")?, bip94: rules.flag("bip94")? },
        rsa: extras.flag("rsa")?,
        faucet: extras.flag("faucet")?,
        peers: extras.peers("peers")?,
        genesis,
    };
    check_supply(&issuance, &network)?;
    check_genesis(&genesis_fields, &network)?;
    Ok(network)
}

fn base58(fields: Fields<'_>) -> Result<Option<Base58Prefixes>, SpecError> {
    match fields.table {
        None => Ok(None),
        Some(_) => {
            Ok(Some(Base58Prefixes { p2pkh: fields.number("p2pkh", 0..=255)?, p2sh: fields.number("p2sh", 0..=255)? }))
        }
    }
}

fn ports(fields: &Fields<'_>) -> Result<Ports, SpecError> {
    Ok(Ports {
        proxy: fields.number("proxy", 1..=u16::MAX)?,
        rpc: fields.number("rpc", 1..=u16::MAX)?,
        p2p: fields.number("p2p", 1..=u16::MAX)?,
        electrum: fields.number("electrum", 1..=u16::MAX)?,
        electrum_tls: fields.number("electrum_tls", 1..=u16::MAX)?,
    })
}

fn retarget(fields: &Fields<'_>) -> Result<Retarget, SpecError> {
    const ALLOWED: &str = "\"none\", \"bitcoin\", or \"asert\" with a half_life";
    let retarget = match fields.get("retarget", ALLOWED)?.as_str() {
        Some("none") => Retarget::None,
        Some("bitcoin") => Retarget::Bitcoin,
        Some("asert") => return Ok(Retarget::Asert { half_life: fields.number("half_life", 60..=31_536_000)? }),
        _ => return Err(fields.error("retarget", "it names no way to follow the miners", ALLOWED)),
    };
    if fields.has("half_life") {
        return Err(fields.error("half_life", "only \"asert\" has one", "leave it out, or set retarget = \"asert\""));
    }
    Ok(retarget)
}

fn trigger(fields: &Fields<'_>) -> Result<MiningTrigger, SpecError> {
    const ALLOWED: &str = "\"off\", \"always\", { transactions = N } or { every = SECONDS }";
    match fields.get("when", ALLOWED)? {
        Value::String(word) if word == "off" => Ok(MiningTrigger::Off),
        Value::String(word) if word == "always" => Ok(MiningTrigger::Always),
        Value::Table(table) if table.len() == 1 => {
            let inner = Fields { table: Some(table), name: "mining.when" };
            if inner.has("transactions") {
                Ok(MiningTrigger::Transactions(inner.number("transactions", 1..=100_000)?))
            } else if inner.has("every") {
                Ok(MiningTrigger::Every(inner.number("every", 1..=86_400)?))
            } else {
                Err(fields.error("when", "it names no trigger", ALLOWED))
            }
        }
        _ => Err(fields.error("when", "it names no trigger", ALLOWED)),
    }
}

/// All the coins that the schedule ever makes must stay within [`MAX_MONEY`].
fn check_supply(fields: &Fields<'_>, network: &Network) -> Result<(), SpecError> {
    let interval = u128::from(network.halving_interval);
    let supply: u128 = (0..64).map(|halvings| u128::from(network.first_subsidy.to_sat() >> halvings) * interval).sum();
    if supply > u128::from(MAX_MONEY.to_sat()) {
        let allowed =
            "a first_subsidy and a halving_interval that make at most 2,100,000,000,000,000 base units in all";
        return Err(fields.error(
            "first_subsidy",
            &format!("with this schedule {supply} base units would come to exist"),
            allowed,
        ));
    }
    Ok(())
}

fn check_genesis(fields: &Fields<'_>, network: &Network) -> Result<(), SpecError> {
    let genesis = &network.genesis;
    if Target::from_compact(genesis.bits) > network.pow_limit_target() {
        return Err(fields.error("bits", "it is easier than proof_of_work.limit", "the limit, or a harder target"));
    }
    let hash = genesis_hash(genesis, network.first_subsidy);
    if hash != genesis.hash {
        let problem = format!("the genesis block that the other fields make has the hash {hash}");
        return Err(fields.error("hash", &problem, "the hash of that block, once its nonce is found"));
    }
    let header = genesis_block(network).header;
    if header.validate_pow(header.target()).is_err() {
        return Err(fields.error(
            "nonce",
            "the genesis block's hash does not meet its bits",
            "a nonce that makes it do so",
        ));
    }
    Ok(())
}

fn refuse_unknown_fields(root: &Table) -> Result<(), SpecError> {
    let allowed_in = |name: &str| KNOWN.iter().find(|(table, _)| *table == name).map(|(_, keys)| *keys);
    let unknown = |field: String, keys: &[&str]| SpecError::Field {
        field,
        problem: "there is no such field".to_owned(),
        allowed: keys.join(", "),
    };
    let top = allowed_in("").unwrap_or_default();
    for (key, value) in root {
        if top.contains(&key.as_str()) {
            continue;
        }
        let Some(keys) = allowed_in(key) else {
            let tables: Vec<&str> = KNOWN.iter().skip(1).map(|(table, _)| *table).collect();
            return Err(unknown(key.clone(), &[top, &tables].concat()));
        };
        let Some(table) = value.as_table() else {
            return Err(SpecError::Field {
                field: key.clone(),
                problem: "it is not a table".to_owned(),
                allowed: format!("a table [{key}] with {}", keys.join(", ")),
            });
        };
        if let Some(stray) = table.keys().find(|inner| !keys.contains(&inner.as_str())) {
            return Err(unknown(format!("{key}.{stray}"), keys));
        }
    }
    Ok(())
}

/// One table of the file, read field by field.
struct Fields<'a> {
    table: Option<&'a Table>,
    name: &'static str,
}

impl Fields<'_> {
    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn error(&self, key: &str, problem: &str, allowed: &str) -> SpecError {
        SpecError::Field { field: self.path(key), problem: problem.to_owned(), allowed: allowed.to_owned() }
    }

    fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    fn get(&self, key: &str, allowed: &str) -> Result<&Value, SpecError> {
        self.table.and_then(|table| table.get(key)).ok_or_else(|| self.error(key, "it is missing", allowed))
    }

    fn optional<T>(&self, read: impl Fn(&Self) -> Result<T, SpecError>, key: &str) -> Result<Option<T>, SpecError> {
        if self.has(key) { read(self).map(Some) } else { Ok(None) }
    }

    fn number<T>(&self, key: &str, range: RangeInclusive<T>) -> Result<T, SpecError>
    where
        T: TryFrom<i64> + PartialOrd + std::fmt::Display,
    {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        let value = self.get(key, &allowed)?;
        value
            .as_integer()
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.error(key, &format!("its value is {value}"), &allowed))
    }

    fn flag(&self, key: &str) -> Result<bool, SpecError> {
        let allowed = "true or false";
        let value = self.get(key, allowed)?;
        value.as_bool().ok_or_else(|| self.error(key, &format!("its value is {value}"), allowed))
    }

    fn string(&self, key: &str, allowed: &str) -> Result<&str, SpecError> {
        let value = self.get(key, allowed)?;
        value.as_str().ok_or_else(|| self.error(key, &format!("its value is {value}, not a text"), allowed))
    }

    fn text(
        &self,
        key: &str,
        length: RangeInclusive<usize>,
        allowed: &str,
        fits: impl Fn(char) -> bool,
    ) -> Result<String, SpecError> {
        let text = self.string(key, allowed)?;
        if !length.contains(&text.len()) {
            return Err(self.error(key, &format!("it has {} bytes", text.len()), allowed));
        }
        if let Some(stray) = text.chars().find(|c| c.is_control() || !fits(*c)) {
            return Err(self.error(key, &format!("it holds {stray:?}"), allowed));
        }
        Ok(text.to_owned())
    }

    fn compact_target(&self, key: &str) -> Result<CompactTarget, SpecError> {
        let allowed = "a target in compact form as 8 hexadecimal digits, such as \"207fffff\", above zero and in its shortest form";
        let text = self.string(key, allowed)?;
        let bits = Some(text).filter(|text| text.len() == 8).and_then(|text| u32::from_str_radix(text, 16).ok());
        let compact = bits.map(CompactTarget::from_consensus);
        compact
            .filter(|compact| {
                let target = Target::from_compact(*compact);
                target > Target::ZERO && target.to_compact_lossy() == *compact
            })
            .ok_or_else(|| self.error(key, &format!("its value is “{text}”"), allowed))
    }

    fn hash(&self, key: &str) -> Result<BlockHash, SpecError> {
        let allowed = "a block hash as 64 hexadecimal digits";
        let text = self.string(key, allowed)?;
        BlockHash::from_str(text).map_err(|_| self.error(key, &format!("its value is “{text}”"), allowed))
    }

    fn magic(&self, key: &str) -> Result<Magic, SpecError> {
        let allowed = "8 hexadecimal digits, such as \"fabfb5da\"";
        let text = self.string(key, allowed)?;
        Magic::from_str(text).map_err(|_| self.error(key, &format!("its value is “{text}”"), allowed))
    }

    fn coins(&self, key: &str) -> Result<Amount, SpecError> {
        let allowed = "an amount above zero in coins, as text, such as \"50\" or \"0.5\"";
        let text = self.string(key, allowed)?;
        Amount::from_str_in(text, bitcoin::Denomination::Bitcoin)
            .ok()
            .filter(|amount| *amount > Amount::ZERO && *amount <= MAX_MONEY)
            .ok_or_else(|| self.error(key, &format!("its value is “{text}”"), allowed))
    }

    fn peers(&self, key: &str) -> Result<Vec<String>, SpecError> {
        let allowed = "a list of texts such as \"203.0.113.5:7602\" (a host, a colon, a port)";
        let list = self.get(key, allowed)?.as_array().ok_or_else(|| self.error(key, "it is not a list", allowed))?;
        if list.len() > PEERS_MAX {
            let problem = format!("it has {} entries", list.len());
            return Err(self.error(key, &problem, &format!("at most {PEERS_MAX} of them")));
        }
        list.iter()
            .map(|peer| {
                let named = peer.as_str().filter(|text| is_peer(text)).map(str::to_owned);
                named.ok_or_else(|| self.error(key, &format!("it holds {peer}"), allowed))
            })
            .collect()
    }
}

/// Whether it is a host, a colon and a port.
fn is_peer(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    text.len() <= PEER_MAX
        && text.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && host.chars().all(fits) && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMO: &str = include_str!("../networks/demo.toml");

    fn refused(from: &str, to: &str) -> (String, String) {
        assert!(DEMO.contains(from), "{from}");
        match Network::from_toml(&DEMO.replacen(from, to, 1)) {
            Err(SpecError::Field { field, problem, allowed }) => {
                assert!(!allowed.is_empty());
                (field, problem)
            }
            other => panic!("{from} -> {to}: {other:?}"),
        }
    }

    #[test]
    fn shipped_files_are_valid() {
        for name in ["demo", "mycoin", "regtest"] {
            assert_eq!(Network::named(name).map(|network| network.name), Some(name.to_owned()));
        }
        assert_eq!(Network::named("nothing"), None);
    }

    #[test]
    fn each_wrong_field_is_named() {
        for (from, to, field) in [
            ("name = \"demo\"", "name = \"../demo\"", "name"),
            ("decimals = 8", "decimals = 9", "decimals"),
            ("address_prefix = \"dmyc\"", "address_prefix = \"DMYC\"", "address_prefix"),
            ("magic = \"e4d1c8a7\"", "magic = \"e4d1\"", "magic"),
            ("proxy = 7600", "proxy = 70000", "ports.proxy"),
            ("rpc = 7601", "", "ports.rpc"),
            ("bits = \"207fffff\"", "bits = \"00000000\"", "genesis.bits"),
            ("nonce =", "nonce = 4000000000 #", "genesis.hash"),
            ("spacing = 60", "spacing = 0", "proof_of_work.spacing"),
            ("retarget = \"none\"", "retarget = \"fast\"", "proof_of_work.retarget"),
            ("retarget = \"none\"", "retarget = \"asert\"", "proof_of_work.half_life"),
            ("retarget = \"none\"", "retarget = \"none\"\nhalf_life = 60", "proof_of_work.half_life"),
            ("first_subsidy = \"50\"", "first_subsidy = \"-1\"", "issuance.first_subsidy"),
            ("halving_interval = 210000", "halving_interval = 2100000", "issuance.first_subsidy"),
            ("when = { transactions = 2 }", "when = \"now\"", "mining.when"),
            ("when = { transactions = 2 }", "when = { transactions = 0 }", "mining.when.transactions"),
            ("bip54 = true", "bip54 = 1", "rules.bip54"),
            ("peers = []", "peers = [\"nowhere\"]", "extras.peers"),
            ("peers = []", "peer = []", "extras.peer"),
            ("[extras]", "[extra]", "extra"),
        ] {
            assert_eq!(refused(from, to).0, field, "{from} -> {to}");
        }
    }

    #[test]
    fn a_spec_has_limits_for_strangers() {
        let with_peers = |count: usize, peer: &str| {
            let list = vec![format!("\"{peer}\""); count].join(",");
            Network::from_toml(&DEMO.replacen("peers = []", &format!("peers = [{list}]"), 1))
        };
        let longest = format!("{}:65535", "a".repeat(253));
        assert!(with_peers(PEERS_MAX, "a:1").is_ok() && with_peers(1, &longest).is_ok());
        for (count, peer) in
            [(PEERS_MAX + 1, "a:1"), (1, &format!("a{longest}")), (1, "a:0"), (1, "a b:1"), (1, "\\u001b:1")]
        {
            let Err(SpecError::Field { field, .. }) = with_peers(count, peer) else { panic!("{count} × {peer}") };
            assert_eq!(field, "extras.peers");
        }
        let padded = |length: usize| format!("{DEMO}#{}", "x".repeat(length - DEMO.len() - 1));
        assert!(Network::from_toml(&padded(SPEC_LIMIT)).is_ok());
        let error = SpecError::TooLong { length: SPEC_LIMIT + 1 };
        assert_eq!(Network::from_toml(&padded(SPEC_LIMIT + 1)), Err(error));
    }

    #[test]
    fn text_that_is_no_toml_is_told_apart() {
        assert!(matches!(Network::from_toml("name = "), Err(SpecError::NotToml { .. })));
    }
}
