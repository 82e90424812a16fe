//! A coin's parameters, as its spec file gives them.

use bitcoin::p2p::Magic;

use crate::{Amount, BlockHash, CompactTarget, SpecError, Target};

/// Everything that differs between coins. Made from a spec file ([`Network::from_toml`]) or shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The network's name, and that of its folder: `demo`.
    pub name: String,
    /// The coin's name, as people read it: `MyCoin Demo`.
    pub coin: String,
    /// The unit that stands behind amounts: `MYC`.
    pub ticker: String,
    /// How many decimals a coin has. One coin is 10^decimals base units.
    pub decimals: u8,
    /// What addresses begin with (the human-readable part of BIP173).
    pub address_prefix: String,
    /// Version bytes of old-style addresses; `None` where the coin has none.
    pub base58: Option<Base58Prefixes>,
    /// The scheme of payment links (BIP21).
    pub uri_scheme: String,
    /// What every message between nodes begins with.
    pub magic: Magic,
    /// The coin type in key derivation paths (SLIP-44).
    pub slip44: u32,
    /// Ports that the programs use unless told otherwise.
    pub ports: Ports,
    /// The first block.
    pub genesis: Genesis,
    /// The easiest target that a block may have.
    pub pow_limit: CompactTarget,
    /// The time between blocks that the difficulty aims at, in seconds.
    pub spacing: u32,
    /// How the difficulty follows the miners.
    pub retarget: Retarget,
    /// The new coins of each block before the first halving.
    pub first_subsidy: Amount,
    /// After how many blocks the subsidy halves.
    pub halving_interval: u32,
    /// How many blocks must follow before a coinbase may be spent: a coinbase at height h can be spent at h + maturity.
    pub maturity: u32,
    /// When the built-in miner works.
    pub mining: MiningTrigger,
    /// The most transactions besides the coinbase that the built-in miner puts in a block; `None`: what fits.
    pub max_block_transactions: Option<u32>,
    /// Rules beyond Bitcoin's deployed ones.
    pub rules: Rules,
    /// Whether outputs may be locked to RSA keys (the RSA lock, witness version 16).
    pub rsa: bool,
    /// Whether the proxy gives coins away.
    pub faucet: bool,
    /// Peers that every node knows, as `host:port`.
    pub peers: Vec<String>,
}

/// Version bytes of Base58Check addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base58Prefixes {
    /// For pay-to-public-key-hash.
    pub p2pkh: u8,
    /// For pay-to-script-hash.
    pub p2sh: u8,
}

/// Default ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// The proxy's public HTTP.
    pub proxy: u16,
    /// The server's private RPC.
    pub rpc: u16,
    /// Bitcoin's protocol between nodes.
    pub p2p: u16,
    /// The Electrum protocol.
    pub electrum: u16,
    /// The Electrum protocol over TLS.
    pub electrum_tls: u16,
}

/// What makes the first block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// A sentence that shows when the coin began; at most 80 bytes.
    pub message: String,
    /// Seconds since 1970.
    pub time: u32,
    /// The target that its hash meets.
    pub bits: CompactTarget,
    /// The number that makes it meet the target.
    pub nonce: u32,
    /// Its hash, which the loader checks.
    pub hash: BlockHash,
}

/// How the difficulty follows the miners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retarget {
    /// It does not: every block has the limit.
    None,
    /// As Bitcoin's: every 2,016 blocks, by a factor of at most 4.
    Bitcoin,
    /// ASERT (aserti3-2d): after each block, exponentially in the schedule's lead or lag.
    Asert {
        /// The lag, in seconds, that halves the difficulty.
        half_life: u32,
    },
}

/// When the built-in miner works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MiningTrigger {
    /// Never.
    Off,
    /// Without a pause.
    Always,
    /// As soon as this many transactions wait.
    Transactions(u32),
    /// One block every so many seconds.
    Every(u32),
}

/// Rules that our own networks have beyond Bitcoin's deployed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// BIP54: no 64-byte transactions, limited legacy signature operations, unique coinbases, no time warp.
    pub bip54: bool,
    /// BIP94: no time warp, and the retarget starts from the period's first block.
    pub bip94: bool,
}

impl Network {
    /// The network for trying things out: it mines as soon as two transactions wait.
    pub fn demo() -> Self {
        Self::shipped(include_str!("../networks/demo.toml"))
    }

    /// The real network.
    pub fn mycoin() -> Self {
        Self::shipped(include_str!("../networks/mycoin.toml"))
    }

    /// Bitcoin's regtest.
    pub fn regtest() -> Self {
        Self::shipped(include_str!("../networks/regtest.toml"))
    }

    /// The shipped network of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "demo" => Some(Self::demo()),
            "mycoin" => Some(Self::mycoin()),
            "regtest" => Some(Self::regtest()),
            _ => None,
        }
    }

    /// Reads and checks a spec file's text.
    ///
    /// # Errors
    ///
    /// [`SpecError`] names the first field that is wrong, what is wrong with it, and what is allowed.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        crate::spec::parse(text)
    }

    /// The easiest target that a block may have, as a number.
    pub fn pow_limit_target(&self) -> Target {
        Target::from_compact(self.pow_limit)
    }

    fn shipped(text: &str) -> Self {
        Self::from_toml(text).expect("shipped spec files are checked by a test")
    }
}
