//! `docs/rsa-lock-vectors.json`: made from the cases of [`super::cases`], and each of its vectors run.

use std::io::Write as _;

use mycoin_primitives::bitcoin::consensus::encode::{deserialize_hex, serialize, serialize_hex};
use mycoin_primitives::bitcoin::hex::{DisplayHex, FromHex};
use mycoin_primitives::hashes::{Hash, sha256};
use mycoin_primitives::{Amount, Network, ScriptBuf, Transaction, TxOut, address_of};
use mycoin_script::rsa::key_hash;
use mycoin_script::{
    PrecomputedTransaction, RsaHashType, ScriptError, ScriptFlags, rsa_lock_script, rsa_sighash, verify_input,
};
use serde_json::Value;

use super::cases;
use super::recorded::{Recorded, data, openssl_accepts};

/// Which of Bitcoin's rules hold beside the RSA lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// What blocks are held to.
    Consensus,
    /// What relay asks for.
    Standard,
}

impl Rules {
    const fn name(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Standard => "standard",
        }
    }

    fn flags(name: &str, rsa_lock: bool) -> ScriptFlags {
        let flags = if name == Self::Standard.name() { ScriptFlags::STANDARD } else { ScriptFlags::CONSENSUS };
        if rsa_lock { flags.union(ScriptFlags::RSA_LOCK) } else { flags }
    }
}

/// One vector: an input and what is said of it.
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) tx: Transaction,
    pub(super) spent: Vec<TxOut>,
    pub(super) input: usize,
    pub(super) rules: Rules,
    pub(super) rsa_lock: bool,
    pub(super) expected: Result<(), ScriptError>,
    /// The hash type that the input's valid RSA signature signs for.
    pub(super) signs: Option<RsaHashType>,
}

/// BIP341's message for an input that is spent by its key, without an annex: the 175 bytes that the document lists.
///
/// Written by the document, not with the library that the node uses.
pub(super) fn message(tx: &Transaction, input: usize, spent: &[TxOut], hash_type: u8) -> Vec<u8> {
    let hash = |parts: Vec<Vec<u8>>| sha256::Hash::hash(&parts.concat()).to_byte_array();
    let mut message = vec![0x00, hash_type];
    message.extend(tx.version.0.to_le_bytes());
    message.extend(tx.lock_time.to_consensus_u32().to_le_bytes());
    message.extend(hash(tx.input.iter().map(|input| serialize(&input.previous_output)).collect()));
    message.extend(hash(spent.iter().map(|output| output.value.to_sat().to_le_bytes().to_vec()).collect()));
    message.extend(hash(spent.iter().map(|output| serialize(&output.script_pubkey)).collect()));
    message.extend(hash(tx.input.iter().map(|input| input.sequence.0.to_le_bytes().to_vec()).collect()));
    message.extend(hash(tx.output.iter().map(serialize).collect()));
    message.push(0x00);
    message.extend(u32::try_from(input).expect("few inputs").to_le_bytes());
    message
}

/// The hash of the message under this tag. Source: BIP340.
pub(super) fn tagged(tag: &str, message: &[u8]) -> [u8; 32] {
    let tag = sha256::Hash::hash(tag.as_bytes()).to_byte_array();
    sha256::Hash::hash(&[&tag, &tag, message].concat()).to_byte_array()
}

impl Vector {
    /// The vector as one JSON object, its fields in the order in which they are read.
    fn json(&self) -> String {
        let mut fields = vec![("name", quoted(&self.name))];
        fields.push(("rules", quoted(self.rules.name())));
        fields.push(("rsa_lock", self.rsa_lock.to_string()));
        match &self.expected {
            Ok(()) => fields.push(("valid", true.to_string())),
            Err(error) => {
                fields.push(("valid", false.to_string()));
                fields.push(("error", quoted(error.name())));
                fields.push(("reason", quoted(error.reason())));
                fields.push(("detail", quoted(&error.to_string())));
            }
        }
        fields.push(("input", self.input.to_string()));
        let spent = self.spent.iter().map(|output| {
            let (amount, script) = (output.value.to_sat(), quoted(&output.script_pubkey.to_hex_string()));
            format!("\n        {{ \"amount\": {amount}, \"script\": {script} }}")
        });
        fields.push(("spent", format!("[{}\n      ]", spent.collect::<Vec<_>>().join(","))));
        fields.push(("transaction", quoted(&serialize_hex(&self.tx))));
        if let Some(hash_type) = self.signs {
            let message = self.message(hash_type);
            let [signature, spki] = self.witness();
            let sighash = tagged("MyCoin/RsaSighash", &message);
            fields.push(("message", quoted(&message.to_lower_hex_string())));
            fields.push(("sighash", quoted(&sighash.to_lower_hex_string())));
            fields.push(("signature", quoted(&signature.to_lower_hex_string())));
            fields.push(("spki", quoted(&spki.to_lower_hex_string())));
        }
        object(&fields)
    }

    fn message(&self, hash_type: RsaHashType) -> Vec<u8> {
        let byte = hash_type.suffix().first().copied().unwrap_or(0);
        message(&self.tx, self.input, &self.spent, byte)
    }

    /// The signature without its hash type, and the key.
    fn witness(&self) -> [Vec<u8>; 2] {
        let witness = &self.tx.input[self.input].witness;
        let item = |index| witness.nth(index).expect("a lock's witness has two items").to_vec();
        let mut signature = item(0);
        signature.truncate(signature.len() / 2 * 2);
        [signature, item(1)]
    }

    /// What an update asks of a valid RSA spend before it records it: that OpenSSL finds it valid too.
    fn check_with_openssl(&self, hash_type: RsaHashType) {
        let [signature, spki] = self.witness();
        let sighash = tagged("MyCoin/RsaSighash", &self.message(hash_type));
        assert!(openssl_accepts(&spki, &sighash, &signature), "{}: openssl refuses it", self.name);
    }
}

/// The text in quotes; the vectors hold no character that JSON would escape.
fn quoted(text: &str) -> String {
    assert!(text.chars().all(|letter| !letter.is_control() && letter != '"' && letter != '\\'), "{text}");
    format!("\"{text}\"")
}

const ABOUT: [&str; 7] = [
    "Test vectors of the RSA lock, docs/rsa-lock.md. Made by the project: UPDATE_VECTORS=1 cargo test -p mycoin-script rsa_lock",
    "locks: keys with their output script and its address in two coins.",
    "transaction: hex with witnesses. spent: what each of its inputs spends, in input order, amounts in base units. input: the one to judge.",
    "rules: consensus (Bitcoin Core's MANDATORY_SCRIPT_VERIFY_FLAGS) or standard (STANDARD_SCRIPT_VERIFY_FLAGS). rsa_lock: whether the coin has the RSA lock.",
    "valid: the verdict. error, reason: the rule that it breaks and its words in reject reasons; detail: a sentence for people, not to compare.",
    "message, sighash, signature, spki: for valid RSA spends BIP341's message, its hash under the lock's tag, the signature without its hash type, the key.",
    "An input that standard rules accept is accepted by the consensus rules too; one that consensus rules reject is rejected by the standard rules too.",
];

/// A key with its output script and the addresses of that.
fn lock_json(bits: &str, spki: &[u8]) -> String {
    let script = rsa_lock_script(spki);
    let address = |network| quoted(&address_of(&script, &network).expect("a witness program has an address"));
    let fields = [
        ("bits", bits.to_owned()),
        ("spki", quoted(&spki.to_lower_hex_string())),
        ("key_hash", quoted(&key_hash(spki).to_lower_hex_string())),
        ("script", quoted(&script.to_hex_string())),
        ("mycoin", address(Network::mycoin())),
        ("demo", address(Network::demo())),
    ];
    object(&fields)
}

fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("      \"{name}\": {value}")).collect();
    format!("    {{\n{}\n    }}", fields.join(",\n"))
}

fn json(recorded: &mut Recorded, vectors: &[Vector]) -> String {
    let about = ABOUT.map(|line| format!("    {}", quoted(line)));
    let locks = ["2048", "3072", "4096"].map(|bits| lock_json(bits, &recorded.spki(bits)));
    let vectors: Vec<String> = vectors.iter().map(Vector::json).collect();
    let lists = [("about", about.join(",\n")), ("locks", locks.join(",\n")), ("vectors", vectors.join(",\n"))];
    let lists = lists.map(|(name, items)| format!("  \"{name}\": [\n{items}\n  ]"));
    format!("{{\n{}\n}}\n", lists.join(",\n"))
}

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rsa-lock-vectors.json");

#[test]
fn rsa_lock_vectors_are_those_of_the_cases() {
    let update = std::env::var_os("UPDATE_VECTORS").is_some();
    let mut recorded = Recorded::read(update);
    let vectors = cases::all(&mut recorded);
    if update {
        for vector in &vectors {
            vector.signs.iter().for_each(|hash_type| vector.check_with_openssl(*hash_type));
        }
        std::fs::write(data(Recorded::FILE), recorded.text()).expect("the record can be written");
        std::fs::write(PAGE, json(&mut recorded, &vectors)).expect("the vectors can be written");
    }
    let stale = "is old: run UPDATE_VECTORS=1 cargo test -p mycoin-script rsa_lock";
    let record = std::fs::read_to_string(data(Recorded::FILE)).expect("the record stands");
    assert!(record == recorded.text(), "{} {stale}", Recorded::FILE);
    let page = std::fs::read_to_string(PAGE).expect("docs/rsa-lock-vectors.json stands");
    assert!(page == json(&mut recorded, &vectors), "docs/rsa-lock-vectors.json {stale}");
    run(&page);
}

/// Judges every vector as another implementation would: from the JSON alone.
fn run(page: &str) {
    let page: Value = serde_json::from_str(page).expect("the file is JSON");
    let (mut accepted, mut rejected) = (0, 0);
    for vector in page["vectors"].as_array().expect("a list") {
        let name = text(vector, "name");
        let tx: Transaction = deserialize_hex(text(vector, "transaction")).expect("a transaction");
        let spent: Vec<TxOut> = vector["spent"].as_array().expect("a list").iter().map(output).collect();
        let input = usize::try_from(vector["input"].as_u64().expect("a number")).expect("small");
        let rsa_lock = vector["rsa_lock"].as_bool().expect("a verdict");
        let data = PrecomputedTransaction::new(&tx, spent.as_slice());
        let verdict = |rules| verify_input(&data, input, Rules::flags(rules, rsa_lock));
        let rules = text(vector, "rules");
        if vector["valid"].as_bool().expect("a verdict") {
            assert_eq!(verdict(rules), Ok(()), "{name}");
            assert_eq!(verdict("consensus"), Ok(()), "{name}");
            accepted += 1;
        } else {
            let error = verdict(rules).expect_err(name);
            let said = (error.name(), error.reason(), error.to_string());
            assert_eq!(said, (text(vector, "error"), text(vector, "reason"), text(vector, "detail").into()), "{name}");
            assert!(verdict("standard").is_err(), "{name}");
            rejected += 1;
        }
        if vector.get("message").is_some() {
            check_parts(vector, &tx, input, &spent);
        }
    }
    writeln!(std::io::stderr(), "RSA lock vectors: {accepted} accepted, {rejected} rejected").expect("stderr is open");
    assert_eq!((accepted, rejected), (22, 96), "the vectors' number is known");
}

/// The message, its hash, the signature and the key are those of the transaction.
fn check_parts(vector: &Value, tx: &Transaction, input: usize, spent: &[TxOut]) {
    let name = text(vector, "name");
    let witness = &tx.input[input].witness;
    let signature = witness.nth(0).expect("a lock's witness has two items");
    let bare = bytes(vector, "signature");
    assert_eq!(witness.nth(1), Some(bytes(vector, "spki").as_slice()), "{name}");
    let hash_type = match signature.strip_prefix(bare.as_slice()) {
        Some([]) => RsaHashType::Default,
        Some([0x01]) => RsaHashType::All,
        _ => panic!("{name}: the signature is another one"),
    };
    let sighash = rsa_sighash(tx, input, spent, hash_type).expect("the input stands");
    assert_eq!(sighash.to_vec(), bytes(vector, "sighash"), "{name}");
    assert_eq!(sighash, tagged("MyCoin/RsaSighash", &bytes(vector, "message")), "{name}");
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().expect("the field is text")
}

fn bytes(vector: &Value, field: &str) -> Vec<u8> {
    Vec::from_hex(text(vector, field)).expect("the field is hex")
}

fn output(spent: &Value) -> TxOut {
    let value = Amount::from_sat(spent["amount"].as_u64().expect("a number"));
    TxOut { value, script_pubkey: ScriptBuf::from_hex(text(spent, "script")).expect("the field is hex") }
}
