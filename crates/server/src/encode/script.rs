//! Scripts as the JSON that Bitcoin Core's RPC gives: their words, their kind, their address, their descriptor.
//!
//! In:    scripts, the network for addresses.
//! Out:   text and JSON values.
//! Never: a verdict; scripts are only read.

use mycoin_mempool::OutputKind;
use mycoin_primitives::bitcoin::opcodes::{self, Class, ClassifyContext};
use mycoin_primitives::bitcoin::script::{self, Instruction};
use mycoin_primitives::bitcoin::{PublicKey, XOnlyPublicKey};
use mycoin_primitives::{Network, Script, address_of};
use serde_json::{Map, Value};

use super::hex;
use crate::descriptor::with_checksum;

/// A number in a script is at most this long to be shown as a number. Source: `ScriptToAsmStr`, core_io.cpp.
const NUMBER_SIZE: usize = 4;

/// A script as people read it: pushes as hexadecimal (small ones as numbers), operations by name. Source: `ScriptToAsmStr`.
pub(crate) fn asm(script: &Script) -> String {
    words(script, hex)
}

/// As [`asm`], with the hash types of signatures by name, as input scripts are shown.
pub(crate) fn asm_of_input(script: &Script) -> String {
    if script.is_op_return() { asm(script) } else { words(script, signature_or_hex) }
}

fn words(script: &Script, push_word: impl Fn(&[u8]) -> String) -> String {
    let mut words = Vec::new();
    for instruction in script.instructions() {
        words.push(match instruction {
            Ok(Instruction::PushBytes(bytes)) if bytes.len() <= NUMBER_SIZE => {
                script::read_scriptint_non_minimal(bytes.as_bytes()).unwrap_or_default().to_string()
            }
            Ok(Instruction::PushBytes(bytes)) => push_word(bytes.as_bytes()),
            Ok(Instruction::Op(opcode)) => operation_name(opcode),
            Err(_) => {
                words.push("[error]".to_owned());
                break;
            }
        });
    }
    words.join(" ")
}

/// Source: `GetOpName`, script/script.cpp.
fn operation_name(opcode: opcodes::Opcode) -> String {
    match opcode.classify(ClassifyContext::Legacy) {
        Class::PushNum(number) => number.to_string(),
        _ if opcode == opcodes::all::OP_CLTV => "OP_CHECKLOCKTIMEVERIFY".to_owned(),
        _ if opcode == opcodes::all::OP_CSV => "OP_CHECKSEQUENCEVERIFY".to_owned(),
        _ if (0xbb..0xff).contains(&opcode.to_u8()) => "OP_UNKNOWN".to_owned(),
        _ => opcode.to_string(),
    }
}

/// A push that looks like a signature, with its hash type by name; any other as it is.
fn signature_or_hex(push: &[u8]) -> String {
    let Some((hash_type, signature)) = push.split_last() else { return String::new() };
    let name = match hash_type {
        0x01 => "ALL",
        0x02 => "NONE",
        0x03 => "SINGLE",
        0x81 => "ALL|ANYONECANPAY",
        0x82 => "NONE|ANYONECANPAY",
        0x83 => "SINGLE|ANYONECANPAY",
        _ => return hex(push),
    };
    if is_der(signature) { format!("{}[{name}]", hex(signature)) } else { hex(push) }
}

/// Whether bytes are a signature in strict DER. Source: BIP66.
fn is_der(signature: &[u8]) -> bool {
    let sequence = match signature {
        [0x30, length, rest @ ..] if rest.len() <= 70 && usize::from(*length) == rest.len() => rest,
        _ => return false,
    };
    integer(sequence).and_then(integer).is_some_and(<[u8]>::is_empty)
}

/// Takes one positive DER integer off the front.
fn integer(bytes: &[u8]) -> Option<&[u8]> {
    let [0x02, length, rest @ ..] = bytes else { return None };
    let (number, rest) = rest.split_at_checked(usize::from(*length))?;
    match number {
        [] => None,
        [first, ..] if first & 0x80 != 0 => None,
        [0, second, ..] if second & 0x80 == 0 => None,
        _ => Some(rest),
    }
}

/// The keys that stand in a script, in their order.
pub(crate) fn keys(script: &Script) -> Vec<Vec<u8>> {
    let pushes = script.instructions().filter_map(|instruction| match instruction {
        Ok(Instruction::PushBytes(bytes)) if matches!(bytes.len(), 33 | 65) => Some(bytes.as_bytes().to_vec()),
        Ok(_) | Err(_) => None,
    });
    pushes.collect()
}

/// A script that locks coins. Source: `ScriptToUniv`.
pub(crate) fn script_pubkey(script: &Script, network: &Network) -> Value {
    described(script, network, &inferred_descriptor(script, network))
}

/// A script beside a descriptor that is known for it.
pub(crate) fn described(script: &Script, network: &Network, descriptor: &str) -> Value {
    let mut fields = Map::new();
    fields.insert("asm".to_owned(), asm(script).into());
    fields.insert("desc".to_owned(), with_checksum(descriptor).into());
    fields.insert("hex".to_owned(), hex(script.as_bytes()).into());
    if let Some(address) = address_of(script, network) {
        fields.insert("address".to_owned(), address.into());
    }
    fields.insert("type".to_owned(), OutputKind::of(script, network).name().into());
    Value::Object(fields)
}

/// What can be told of a script without knowing any key, without its checksum. Source: `InferScript`, script/descriptor.cpp.
pub(crate) fn inferred_descriptor(script: &Script, network: &Network) -> String {
    let known = match OutputKind::of(script, network) {
        OutputKind::PublicKey => {
            keys(script).first().filter(|key| is_plain_key(key)).map(|key| format!("pk({})", hex(key)))
        }
        OutputKind::Multisig { required, .. } => inferred_multisig(required, &keys(script)),
        OutputKind::Taproot => script
            .as_bytes()
            .get(2..)
            .filter(|key| XOnlyPublicKey::from_slice(key).is_ok())
            .map(|key| format!("rawtr({})", hex(key))),
        OutputKind::PublicKeyHash
        | OutputKind::ScriptHash
        | OutputKind::Data
        | OutputKind::WitnessKeyHash
        | OutputKind::WitnessScriptHash
        | OutputKind::Anchor
        | OutputKind::RsaLock
        | OutputKind::WitnessUnknown
        | OutputKind::NonStandard => None,
    };
    known.unwrap_or_else(|| match address_of(script, network) {
        Some(address) => format!("addr({address})"),
        None => format!("raw({})", hex(script.as_bytes())),
    })
}

/// `multi(…)` for keys that a descriptor can hold.
pub(crate) fn inferred_multisig(required: u8, keys: &[Vec<u8>]) -> Option<String> {
    let shown: Vec<String> = keys.iter().map(|key| hex(key)).collect();
    keys.iter().all(|key| is_plain_key(key)).then(|| format!("multi({required},{})", shown.join(",")))
}

/// A point of the curve, and not in the hybrid form.
fn is_plain_key(key: &[u8]) -> bool {
    matches!(key.first(), Some(2..=4)) && PublicKey::from_slice(key).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycoin_primitives::ScriptBuf;

    fn script(hexadecimal: &str) -> ScriptBuf {
        ScriptBuf::from_hex(hexadecimal).expect("the tests write valid hexadecimal")
    }

    /// Two points of the curve.
    const G: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    const G2: &str = "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5";

    #[test]
    fn scripts_read_as_bitcoin_core_prints_them() {
        assert_eq!(asm(&script(&format!("5120{}", "ab".repeat(32)))), format!("1 {}", "ab".repeat(32)));
        assert_eq!(asm(&script("6a0548656c6c6f")), "OP_RETURN 48656c6c6f");
        assert_eq!(asm(&script("4c")), "[error]");
        // Small pushes are numbers, written in the shortest way or not; nothing is nought.
        assert_eq!(asm(&script("000200010480000000817c4f60")), "0 256 128 OP_RIGHT OP_SWAP -1 16");
        assert_eq!(
            asm(&script("b1b2babbfeff")),
            "OP_CHECKLOCKTIMEVERIFY OP_CHECKSEQUENCEVERIFY OP_CHECKSIGADD OP_UNKNOWN OP_UNKNOWN OP_INVALIDOPCODE"
        );
    }

    #[test]
    fn signatures_in_inputs_show_their_hash_type() {
        let signature = format!("3024020f{}021101{}", "11".repeat(15), "22".repeat(16));
        for (byte, name) in [("01", "ALL"), ("02", "NONE"), ("83", "SINGLE|ANYONECANPAY")] {
            let pushed = script(&format!("27{signature}{byte}"));
            assert_eq!(asm_of_input(&pushed), format!("{signature}[{name}]"));
            assert_eq!(asm(&pushed), format!("{signature}{byte}"));
        }
        assert_eq!(asm_of_input(&script(&format!("27{signature}04"))), format!("{signature}04"));
        let negative = signature.replacen("020f11", "020f91", 1);
        assert_eq!(asm_of_input(&script(&format!("27{negative}01"))), format!("{negative}01"));
    }

    #[test]
    fn every_kind_of_output_script_has_bitcoin_cores_name_descriptor_and_address() {
        let net = Network::regtest();
        let (h20, h32) = ("11".repeat(20), "22".repeat(32));
        let uncompressed =
            format!("04{}{}", &G[2..], "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8");
        for (bytes, name, descriptor, address) in [
            (format!("21{G}ac"), "pubkey", format!("pk({G})"), None),
            (format!("41{uncompressed}ac"), "pubkey", format!("pk({uncompressed})"), None),
            (
                format!("76a914{h20}88ac"),
                "pubkeyhash",
                "addr(mh5CE8Nbj38iND267s4XnvhSmhDW7yWc6Q)".to_owned(),
                Some("mh5CE8Nbj38iND267s4XnvhSmhDW7yWc6Q"),
            ),
            (
                format!("a914{h20}87"),
                "scripthash",
                "addr(2MtoTvMi65NXBt3sTCXNd1aqKGa7gXsX8CC)".to_owned(),
                Some("2MtoTvMi65NXBt3sTCXNd1aqKGa7gXsX8CC"),
            ),
            (format!("5121{G}21{G2}52ae"), "multisig", format!("multi(1,{G},{G2})"), None),
            (format!("5321{G}21{G2}52ae"), "nonstandard", format!("raw(5321{G}21{G2}52ae)"), None),
            ("51024e73".to_owned(), "anchor", "addr(bcrt1pfeesnyr2tx)".to_owned(), Some("bcrt1pfeesnyr2tx")),
            ("6a0548656c6c6f".to_owned(), "nulldata", "raw(6a0548656c6c6f)".to_owned(), None),
            ("6a05".to_owned(), "nonstandard", "raw(6a05)".to_owned(), None),
            (
                format!("5120{}", &G[2..]),
                "witness_v1_taproot",
                format!("rawtr({})", &G[2..]),
                Some("bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6"),
            ),
            ("51".to_owned(), "nonstandard", "raw(51)".to_owned(), None),
            (String::new(), "nonstandard", "raw()".to_owned(), None),
        ] {
            let shown = script_pubkey(&script(&bytes), &net);
            assert_eq!((&shown["type"], shown["address"].as_str()), (&Value::from(name), address), "{bytes}");
            assert_eq!(shown["desc"], with_checksum(&descriptor), "{bytes}");
        }
        for (bytes, name) in [
            (format!("0014{h20}"), "witness_v0_keyhash"),
            (format!("0020{h32}"), "witness_v0_scripthash"),
            (format!("6020{h32}"), "witness_unknown"),
            (format!("5102{}", &h20[..4]), "witness_unknown"),
            (format!("0010{}", &h32[..32]), "nonstandard"),
        ] {
            let shown = script_pubkey(&script(&bytes), &net);
            assert_eq!(shown["type"], name, "{bytes}");
            let address = shown["address"].as_str().unwrap_or_default();
            assert_eq!(address.starts_with("bcrt1"), name != "nonstandard", "{bytes}");
        }
        assert_eq!(script_pubkey(&script(&format!("6020{h32}")), &Network::demo())["type"], "witness_v16_rsa");
    }
}
