//! Writing a spec file, and telling two coins apart: field by field, and by one hash.
//!
//! In:    networks that were read and checked.
//! Out:   the text that reads back as the same network, the fields in which two networks differ, a coin's hash.
//! Never: a second list of the fields: text, hash and comparison are made from the same one.

use bitcoin::Denomination;
use bitcoin::hashes::{Hash as _, sha256};

use crate::network::{MiningTrigger, Network, Retarget};

/// The field that says nothing about what the coin is: each node may know other peers.
const PEERS: &str = "extras.peers";

/// A field of the spec in which two coins differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecDifference {
    /// The field, as `table.key`.
    pub field: &'static str,
    /// Its value here, as the file writes it; `None` where it is missing.
    pub here: Option<String>,
    /// Its value there.
    pub there: Option<String>,
}

impl std::fmt::Display for SpecDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, "{} ({} here, {} there)", self.field, value(&self.here), value(&self.there))
    }
}

impl Network {
    /// The spec file's text; [`Network::from_toml`] makes the same network of it.
    pub fn to_toml(&self) -> String {
        text_of(&fields(self))
    }

    /// The hash that names the coin: SHA-256 of [`Network::to_toml`] without `extras.peers`, in which nodes of one coin
    /// may differ.
    pub fn spec_hash(&self) -> sha256::Hash {
        let mut fields = fields(self);
        fields.retain(|(field, _)| *field != PEERS);
        sha256::Hash::hash(text_of(&fields).as_bytes())
    }

    /// The fields in which `there` is another coin than this one, in the file's order; `extras.peers` is none of them.
    pub fn differences(&self, there: &Self) -> Vec<SpecDifference> {
        let (here, there) = (fields(self), fields(there));
        let value = |of: &[Field], name| of.iter().find(|(field, _)| *field == name).map(|(_, value)| value.clone());
        let mut names: Vec<&'static str> = here.iter().map(|(field, _)| *field).collect();
        let only_there: Vec<_> = there.iter().map(|(field, _)| *field).filter(|name| !names.contains(name)).collect();
        names.extend(only_there);
        names.retain(|name| *name != PEERS);
        let differences = names.into_iter().map(|field| SpecDifference {
            field,
            here: value(&here, field),
            there: value(&there, field),
        });
        differences.filter(|difference| difference.here != difference.there).collect()
    }
}

/// `table.key`, and the value as TOML.
type Field = (&'static str, String);

/// All fields in the file's order; those that a coin does not have are left out.
fn fields(network: &Network) -> Vec<Field> {
    let Network {
        name,
        coin,
        ticker,
        decimals,
        address_prefix,
        base58,
        uri_scheme,
        magic,
        slip44,
        ports,
        genesis,
        pow_limit,
        spacing,
        retarget,
        first_subsidy,
        halving_interval,
        maturity,
        mining,
        max_block_transactions,
        rules,
        rsa,
        faucet,
        peers,
    } = network;
    let bits = |target: &crate::CompactTarget| format!("\"{:08x}\"", target.to_consensus());
    let mut fields = vec![
        ("name", quoted(name)),
        ("coin", quoted(coin)),
        ("ticker", quoted(ticker)),
        ("decimals", decimals.to_string()),
        ("address_prefix", quoted(address_prefix)),
        ("uri_scheme", quoted(uri_scheme)),
        ("magic", quoted(&magic.to_string())),
        ("slip44", slip44.to_string()),
    ];
    if let Some(prefixes) = base58 {
        fields.push(("base58.p2pkh", prefixes.p2pkh.to_string()));
        fields.push(("base58.p2sh", prefixes.p2sh.to_string()));
    }
    fields.extend([
        ("ports.proxy", ports.proxy.to_string()),
        ("ports.rpc", ports.rpc.to_string()),
        ("ports.p2p", ports.p2p.to_string()),
        ("ports.electrum", ports.electrum.to_string()),
        ("ports.electrum_tls", ports.electrum_tls.to_string()),
        ("genesis.message", quoted(&genesis.message)),
        ("genesis.time", genesis.time.to_string()),
        ("genesis.bits", bits(&genesis.bits)),
        ("genesis.nonce", genesis.nonce.to_string()),
        ("genesis.hash", quoted(&genesis.hash.to_string())),
        ("proof_of_work.limit", bits(pow_limit)),
        ("proof_of_work.spacing", spacing.to_string()),
    ]);
    let way = "proof_of_work.retarget";
    match retarget {
        Retarget::None => fields.push((way, quoted("none"))),
        Retarget::Bitcoin => fields.push((way, quoted("bitcoin"))),
        Retarget::Asert { half_life } => {
            fields.push((way, quoted("asert")));
            fields.push(("proof_of_work.half_life", half_life.to_string()));
        }
    }
    let when = match mining {
        MiningTrigger::Off => quoted("off"),
        MiningTrigger::Always => quoted("always"),
        MiningTrigger::Transactions(count) => format!("{{ transactions = {count} }}"),
        MiningTrigger::Every(seconds) => format!("{{ every = {seconds} }}"),
    };
    fields.extend([
        ("issuance.first_subsidy", quoted(&first_subsidy.to_string_in(Denomination::Bitcoin))),
        ("issuance.halving_interval", halving_interval.to_string()),
        ("issuance.maturity", maturity.to_string()),
        ("mining.when", when),
    ]);
    if let Some(count) = max_block_transactions {
        fields.push(("mining.max_transactions", count.to_string()));
    }
    let peers: Vec<String> = peers.iter().map(|peer| quoted(peer)).collect();
    fields.extend([
        ("rules.bip54", rules.bip54.to_string()),
        ("rules.bip94", rules.bip94.to_string()),
        ("extras.rsa", rsa.to_string()),
        ("extras.faucet", faucet.to_string()),
        (PEERS, format!("[{}]", peers.join(", "))),
    ]);
    fields
}

fn text_of(fields: &[Field]) -> String {
    let (mut text, mut open) = (String::new(), "");
    for (field, value) in fields {
        let (table, key) = field.split_once('.').unwrap_or(("", field));
        if table != open {
            text.push_str(&format!("\n[{table}]\n"));
            open = table;
        }
        text.push_str(&format!("{key} = {value}\n"));
    }
    text
}

/// The text as TOML writes it. Control characters are in no field of a checked network.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Amount;

    /// Networks that have and have not each field.
    fn networks() -> Vec<Network> {
        let demo = Network::demo();
        let (demo, mycoin, regtest) = (demo.clone(), Network::mycoin(), Network::regtest());
        let every = Network { mining: MiningTrigger::Every(30), retarget: Retarget::Bitcoin, ..demo.clone() };
        let always = Network {
            mining: MiningTrigger::Always,
            peers: vec!["node.example:7602".to_owned(), "[2001:db8::1]:1".to_owned()],
            ..demo.clone()
        };
        vec![demo, mycoin, regtest, every, always]
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_network() {
        for network in networks() {
            let text = network.to_toml();
            assert_eq!(Network::from_toml(&text), Ok(network), "{text}");
        }
        assert_eq!(quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
    }

    #[test]
    fn the_hash_names_the_coin_whatever_its_peers() {
        let demo = Network::demo();
        // Written down, so that a change of the format shows.
        assert_eq!(demo.spec_hash().to_string(), "5d197b577a1f8b775717ed577bbec14bd375dfa4dbd183bd7664aeeaadc89f0b");
        let known = Network { peers: vec!["node.example:1".to_owned()], ..demo.clone() };
        assert_eq!((known.spec_hash(), known.differences(&demo)), (demo.spec_hash(), Vec::new()));
        let other = Network { maturity: 2, ..demo.clone() };
        assert_ne!(other.spec_hash(), demo.spec_hash());
    }

    #[test]
    fn each_field_that_differs_is_named() {
        let demo = Network::demo();
        let other = Network {
            ticker: "X".to_owned(),
            retarget: Retarget::Asert { half_life: 60 },
            first_subsidy: Amount::from_sat(50_000_000),
            max_block_transactions: None,
            ..demo.clone()
        };
        let named: Vec<String> = demo.differences(&other).iter().map(ToString::to_string).collect();
        assert_eq!(
            named,
            [
                "ticker (\"DEMO\" here, \"X\" there)",
                "proof_of_work.retarget (\"none\" here, \"asert\" there)",
                "issuance.first_subsidy (\"50\" here, \"0.5\" there)",
                "mining.max_transactions (2 here, nothing there)",
                "proof_of_work.half_life (nothing here, 60 there)",
            ]
        );
        assert_eq!(other.differences(&demo).len(), named.len());
        for (one, two) in networks().iter().zip(networks().iter().skip(1)) {
            assert_eq!(one.differences(two).is_empty(), one.spec_hash() == two.spec_hash());
        }
    }
}
