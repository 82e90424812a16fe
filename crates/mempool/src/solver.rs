//! What kind of lock an output's script is.
//!
//! In:    a script.
//! Out:   its kind, with Bitcoin Core's name for it.
//! Never: whether anybody can spend it; keys and hashes are not looked at beyond their size and first byte.
//!
//! Source: Bitcoin Core `Solver`, `MatchMultisig`, script/solver.cpp; `CPubKey::ValidSize`, pubkey.h.

use mycoin_primitives::bitcoin::WitnessVersion;
use mycoin_primitives::bitcoin::opcodes::all::{
    OP_CHECKMULTISIG, OP_CHECKSIG, OP_PUSHBYTES_1, OP_PUSHNUM_1, OP_PUSHNUM_16, OP_RETURN,
};
use mycoin_primitives::bitcoin::script::Instruction;
use mycoin_primitives::{Network, Script};

/// The most keys of a bare multisig. Source: Bitcoin Core `MAX_PUBKEYS_PER_MULTISIG`, script/script.h.
const MAX_KEYS_PER_MULTISIG: u8 = 20;
/// Pay to anchor: version 1 and these two bytes. Source: Bitcoin Core `IsPayToAnchor`, script/script.cpp.
const ANCHOR: [u8; 4] = [0x51, 0x02, 0x4e, 0x73];

/// The kinds of locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// A public key and CHECKSIG.
    PublicKey,
    /// The hash of a public key (P2PKH).
    PublicKeyHash,
    /// The hash of a script (P2SH).
    ScriptHash,
    /// Some of several public keys, all in the script.
    Multisig {
        /// How many signatures it takes.
        required: u8,
        /// How many keys there are.
        keys: u8,
    },
    /// RETURN and pushes: data that nobody can spend.
    Data,
    /// P2WPKH.
    WitnessKeyHash,
    /// P2WSH.
    WitnessScriptHash,
    /// P2TR.
    Taproot,
    /// P2A, which anybody spends without a witness.
    Anchor,
    /// The RSA lock, where the network has it.
    RsaLock,
    /// A witness program that has no meaning yet.
    WitnessUnknown,
    /// Everything else.
    NonStandard,
}

impl OutputKind {
    /// The kind of `script` on `network`.
    pub fn of(script: &Script, network: &Network) -> Self {
        if script.is_p2sh() {
            Self::ScriptHash
        } else if let Some(version) = script.witness_version() {
            Self::of_program(script, version, network)
        } else if is_data(script) {
            Self::Data
        } else if is_public_key(script) {
            Self::PublicKey
        } else if script.is_p2pkh() {
            Self::PublicKeyHash
        } else {
            multisig(script).unwrap_or(Self::NonStandard)
        }
    }

    fn of_program(script: &Script, version: WitnessVersion, network: &Network) -> Self {
        if script.is_p2wpkh() {
            Self::WitnessKeyHash
        } else if script.is_p2wsh() {
            Self::WitnessScriptHash
        } else if script.is_p2tr() {
            Self::Taproot
        } else if script.as_bytes() == ANCHOR {
            Self::Anchor
        } else if network.rsa && version == WitnessVersion::V16 && script.len() == 34 {
            Self::RsaLock
        } else if version == WitnessVersion::V0 {
            Self::NonStandard
        } else {
            Self::WitnessUnknown
        }
    }

    /// Bitcoin Core's name of the kind; the RSA lock has one of our own. Source: `GetTxnOutputType`, script/solver.cpp.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "pubkey",
            Self::PublicKeyHash => "pubkeyhash",
            Self::ScriptHash => "scripthash",
            Self::Multisig { .. } => "multisig",
            Self::Data => "nulldata",
            Self::WitnessKeyHash => "witness_v0_keyhash",
            Self::WitnessScriptHash => "witness_v0_scripthash",
            Self::Taproot => "witness_v1_taproot",
            Self::Anchor => "anchor",
            Self::RsaLock => "witness_v16_rsa",
            Self::WitnessUnknown => "witness_unknown",
            Self::NonStandard => "nonstandard",
        }
    }
}

fn is_data(script: &Script) -> bool {
    let bytes = script.as_bytes();
    bytes.first() == Some(&OP_RETURN.to_u8()) && Script::from_bytes(bytes.get(1..).unwrap_or_default()).is_push_only()
}

fn is_public_key(script: &Script) -> bool {
    match script.as_bytes() {
        [size, key @ .., last] => usize::from(*size) == key.len() && *last == OP_CHECKSIG.to_u8() && is_key_sized(key),
        [] | [_] => false,
    }
}

/// Whether the first byte says that a key has as many bytes as there are. Whether it is a point is not asked.
fn is_key_sized(key: &[u8]) -> bool {
    match key.first() {
        Some(2 | 3) => key.len() == 33,
        Some(4 | 6 | 7) => key.len() == 65,
        Some(_) | None => false,
    }
}

fn multisig(script: &Script) -> Option<OutputKind> {
    let bytes = script.as_bytes();
    let mut instructions = script.instruction_indices();
    let (start, first) = instructions.next()?.ok()?;
    let required = number(bytes.get(start)?, &first)?;
    let mut keys = 0u8;
    let count = loop {
        let (start, instruction) = instructions.next()?.ok()?;
        match instruction {
            Instruction::PushBytes(key) if is_key_sized(key.as_bytes()) => keys = keys.checked_add(1)?,
            other => break number(bytes.get(start)?, &other)?,
        }
    };
    let (_, last) = instructions.next()?.ok()?;
    let ends = last == Instruction::Op(OP_CHECKMULTISIG) && instructions.next().is_none();
    (ends && count == keys && required <= keys).then_some(OutputKind::Multisig { required, keys })
}

/// A number from 1 to 20 in its only minimal form: OP_1 to OP_16, or a push of one byte above 16.
fn number(opcode: &u8, instruction: &Instruction<'_>) -> Option<u8> {
    const ABOVE_OPCODES: u8 = 17;
    match instruction {
        Instruction::Op(op) if (OP_PUSHNUM_1.to_u8()..=OP_PUSHNUM_16.to_u8()).contains(&op.to_u8()) => {
            Some(op.to_u8() - OP_PUSHNUM_1.to_u8() + 1)
        }
        Instruction::PushBytes(bytes) if *opcode == OP_PUSHBYTES_1.to_u8() => {
            let value = *bytes.as_bytes().first()?;
            (ABOVE_OPCODES..=MAX_KEYS_PER_MULTISIG).contains(&value).then_some(value)
        }
        Instruction::PushBytes(_) | Instruction::Op(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::ScriptBuf;

    use super::*;

    fn kind(hex: &str) -> OutputKind {
        OutputKind::of(&ScriptBuf::from_hex(hex).expect("tests write hex"), &Network::regtest())
    }

    #[test]
    fn every_kind_has_its_form() {
        let (short, hash, long) = ("11".repeat(20), "22".repeat(32), "33".repeat(64));
        for (hex, expected) in [
            (format!("2102{hash}ac"), OutputKind::PublicKey),
            (format!("4104{long}ac"), OutputKind::PublicKey),
            (format!("76a914{short}88ac"), OutputKind::PublicKeyHash),
            (format!("a914{short}87"), OutputKind::ScriptHash),
            (format!("512103{hash}51ae"), OutputKind::Multisig { required: 1, keys: 1 }),
            (format!("0014{short}"), OutputKind::WitnessKeyHash),
            (format!("0020{hash}"), OutputKind::WitnessScriptHash),
            (format!("5120{hash}"), OutputKind::Taproot),
            ("51024e73".to_owned(), OutputKind::Anchor),
            (format!("5220{hash}"), OutputKind::WitnessUnknown),
            (format!("5121{hash}22"), OutputKind::WitnessUnknown),
            ("6002abcd".to_owned(), OutputKind::WitnessUnknown),
            ("6a".to_owned(), OutputKind::Data),
            ("6a51024e73".to_owned(), OutputKind::Data),
        ] {
            assert_eq!(kind(&hex), expected, "{hex}");
        }
    }

    #[test]
    fn what_only_resembles_a_kind_is_non_standard() {
        let (short, hash) = ("11".repeat(20), "22".repeat(32));
        for hex in [
            String::new(),
            format!("2104{hash}ac"), // a compressed key of an uncompressed one's first byte
            format!("2102{hash}ad"), // CHECKSIGVERIFY leaves nothing
            format!("76a914{short}88ac51"), // more behind it
            format!("0015{short}00"), // version 0 has programs of 20 and 32 bytes
            "6a4c".to_owned(),       // a push that breaks off
            "6a76".to_owned(),       // not only pushes
            "5102".to_owned(),       // a program is no shorter than 2 bytes
            format!("0021{hash}00"),
        ] {
            assert_eq!(kind(&hex), OutputKind::NonStandard, "{hex}");
        }
    }

    #[test]
    fn multisigs_name_their_numbers_in_minimal_form() {
        let key = format!("2102{}", "22".repeat(32));
        let multi = |required: &str, keys: usize, count: &str| format!("{required}{}{count}ae", key.repeat(keys));
        let found = |required, keys| OutputKind::Multisig { required, keys };
        assert_eq!(kind(&multi("51", 3, "53")), found(1, 3));
        assert_eq!(kind(&multi("60", 16, "60")), found(16, 16));
        assert_eq!(kind(&multi("52", 17, "0111")), found(2, 17));
        assert_eq!(kind(&multi("0114", 20, "0114")), found(20, 20));
        for broken in [
            multi("51", 21, "0115"),   // above 20
            multi("00", 1, "51"),      // none needed
            multi("52", 1, "51"),      // more needed than there are
            multi("51", 2, "53"),      // miscounted
            multi("51", 3, "0103"),    // OP_3 is shorter
            multi("51", 17, "4c0111"), // a push of one byte is shorter
            multi("51", 17, "021100"), // 17 has one byte
            multi("51", 1, "51ae"),    // more behind it
            format!("5151{key}51ae"),
        ] {
            assert_eq!(kind(&broken), OutputKind::NonStandard, "{broken}");
        }
    }

    #[test]
    fn the_rsa_lock_is_a_kind_only_where_the_network_has_it() {
        let lock = ScriptBuf::from_hex(&format!("6020{}", "22".repeat(32))).expect("tests write hex");
        assert_eq!(OutputKind::of(&lock, &Network::demo()), OutputKind::RsaLock);
        assert_eq!(OutputKind::of(&lock, &Network::regtest()), OutputKind::WitnessUnknown);
        let short = ScriptBuf::from_hex(&format!("601f{}", "22".repeat(31))).expect("tests write hex");
        assert_eq!(OutputKind::of(&short, &Network::demo()), OutputKind::WitnessUnknown);
    }
}
