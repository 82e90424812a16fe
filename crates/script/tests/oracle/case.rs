//! One case: an input, everything that its verdict depends on, and a line of text that keeps it.

use std::fmt;

use bitcoinconsensus::{
    VERIFY_CHECKLOCKTIMEVERIFY, VERIFY_CHECKSEQUENCEVERIFY, VERIFY_DERSIG, VERIFY_NULLDUMMY, VERIFY_P2SH,
    VERIFY_TAPROOT, VERIFY_WITNESS,
};
use mycoin_primitives::bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use mycoin_primitives::{Transaction, TxOut};

/// The consensus flags, in the order of their bits.
pub(crate) const FLAGS: [(&str, u32); 7] = [
    ("P2SH", VERIFY_P2SH),
    ("DERSIG", VERIFY_DERSIG),
    ("NULLDUMMY", VERIFY_NULLDUMMY),
    ("CHECKLOCKTIMEVERIFY", VERIFY_CHECKLOCKTIMEVERIFY),
    ("CHECKSEQUENCEVERIFY", VERIFY_CHECKSEQUENCEVERIFY),
    ("WITNESS", VERIFY_WITNESS),
    ("TAPROOT", VERIFY_TAPROOT),
];

/// All consensus flags.
pub(crate) const CONSENSUS: u32 = bitcoinconsensus::VERIFY_ALL_PRE_TAPROOT | VERIFY_TAPROOT;

/// An input of a transaction, the outputs that the transaction spends, and the rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Case {
    pub(crate) tx: Transaction,
    pub(crate) spent: Vec<TxOut>,
    pub(crate) input: usize,
    /// Core's bits.
    pub(crate) flags: u32,
}

/// Flags without what Core refuses to run: witnesses without P2SH.
pub(crate) const fn legal_flags(flags: u32) -> u32 {
    if flags & VERIFY_WITNESS != 0 { flags | VERIFY_P2SH } else { flags }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = FLAGS.iter().filter(|(_, bit)| self.flags & bit != 0).map(|(name, _)| *name).collect();
        let names = if names.is_empty() { "NONE".to_owned() } else { names.join(",") };
        let spent: Vec<String> = self.spent.iter().map(serialize_hex).collect();
        write!(f, "{names} {} {} {}", self.input, serialize_hex(&self.tx), spent.join(","))
    }
}

impl Case {
    /// Reads what `Display` writes: flags, input, transaction, spent outputs.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let flags = words.next()?.split(',').try_fold(0, |flags, name| match name {
            "NONE" => Some(flags),
            name => FLAGS.iter().find(|(known, _)| *known == name).map(|(_, bit)| flags | bit),
        })?;
        let input = words.next()?.parse().ok()?;
        let tx: Transaction = deserialize_hex(words.next()?).ok()?;
        let spent: Vec<TxOut> = words.next()?.split(',').map(deserialize_hex).collect::<Result<_, _>>().ok()?;
        let fits = words.next().is_none() && spent.len() == tx.input.len() && input < spent.len();
        fits.then_some(Self { tx, spent, input, flags })
    }
}
