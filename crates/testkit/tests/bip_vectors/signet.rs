//! BIP325: signet's first block and message start, as far as a spec file goes. No network of ours has signed blocks.

use mycoin_consensus::check_header;
use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::hashes::{Hash as _, sha256d};
use mycoin_primitives::{Network, genesis_block};
use serde::Deserialize;

use crate::{hex, ran, read};

#[derive(Deserialize)]
struct Signet {
    time: u32,
    nonce: u32,
    bits: String,
    version: i32,
    hash: String,
    block: String,
    challenge: String,
    challenge_digest: String,
    message_start: String,
}

impl Signet {
    /// Regtest's spec file with signet's fields.
    fn spec(&self) -> String {
        let fields = [
            ("magic = \"fabfb5da\"", format!("magic = \"{}\"", self.message_start)),
            ("time = 1296688602", format!("time = {}", self.time)),
            ("nonce = 2", format!("nonce = {}", self.nonce)),
            ("bits = \"207fffff\"", format!("bits = \"{}\"", self.bits)),
            ("limit = \"207fffff\"", format!("limit = \"{}\"", self.bits)),
            (
                "hash = \"0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206\"",
                format!("hash = \"{}\"", self.hash),
            ),
        ];
        let regtest = include_str!("../../../primitives/networks/regtest.toml").to_owned();
        fields.into_iter().fold(regtest, |text, (from, to)| {
            assert!(text.contains(from), "regtest has {from}");
            text.replacen(from, &to, 1)
        })
    }
}

#[test]
fn bip325_genesis_and_message_start() {
    let signet: Signet = read(include_str!("data/bip325.json"));
    let network = Network::from_toml(&signet.spec()).expect("the fields fit each other");
    let block = genesis_block(&network);
    assert_eq!(serialize_hex(&block), signet.block);
    assert_eq!(block.block_hash().to_string(), signet.hash);
    assert_eq!(block.header.version.to_consensus(), signet.version);
    assert_eq!(check_header(&block.header, &network), Ok(()));

    let challenge = hex(&signet.challenge);
    let length = u8::try_from(challenge.len()).expect("a short script");
    let digest = sha256d::Hash::hash(&[&[length], challenge.as_slice()].concat()).to_byte_array();
    assert_eq!(digest.as_slice(), hex(&signet.challenge_digest));
    assert_eq!(network.magic.to_bytes().as_slice(), &digest[..4]);
    ran("BIP325, genesis block and message start", 2, 2);
}
