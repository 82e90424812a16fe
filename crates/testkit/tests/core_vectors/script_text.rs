//! Scripts as Core's files write them. Source: Bitcoin Core `ParseScript`, core_io.cpp.

use std::collections::HashMap;
use std::sync::LazyLock;

use mycoin_primitives::ScriptBuf;
use mycoin_primitives::bitcoin::hex::FromHex;
use mycoin_primitives::bitcoin::opcodes::Opcode;
use mycoin_primitives::bitcoin::opcodes::all::{OP_CLTV, OP_CSV, OP_NOP, OP_NOP10, OP_RESERVED};
use mycoin_primitives::bitcoin::script::{Builder, PushBytesBuf};

/// The opcodes that have a name in Core's files: those that push numbers are written as numbers.
static OPCODES: LazyLock<HashMap<String, Opcode>> = LazyLock::new(|| {
    let codes = (OP_NOP.to_u8()..=OP_NOP10.to_u8()).chain([OP_RESERVED.to_u8()]).map(Opcode::from);
    let name = |code| match code {
        OP_CLTV => "OP_CHECKLOCKTIMEVERIFY".to_owned(),
        OP_CSV => "OP_CHECKSEQUENCEVERIFY".to_owned(),
        other => other.to_string(),
    };
    codes.map(|code| (name(code), code)).collect()
});

/// Reads words: numbers and 'texts' are pushed, 0x… stands for itself, the rest are opcodes with or without OP_.
///
/// # Panics
///
/// When a word is none of them.
pub(crate) fn parse_script(text: &str) -> ScriptBuf {
    let mut script = Vec::new();
    for word in text.split_ascii_whitespace() {
        script.extend(parse_word(word).unwrap_or_else(|| panic!("{word} in the script {text}")).into_bytes());
    }
    ScriptBuf::from_bytes(script)
}

fn parse_word(word: &str) -> Option<ScriptBuf> {
    if word.strip_prefix('-').unwrap_or(word).bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Builder::new().push_int(word.parse().ok()?).into_script());
    }
    if let Some(bytes) = word.strip_prefix("0x").filter(|digits| !digits.is_empty()) {
        return Some(ScriptBuf::from_bytes(Vec::from_hex(bytes).ok()?));
    }
    if let Some(pushed) = word.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        let pushed = PushBytesBuf::try_from(pushed.as_bytes().to_vec()).ok()?;
        return Some(Builder::new().push_slice(pushed).into_script());
    }
    let name = format!("OP_{}", word.strip_prefix("OP_").unwrap_or(word));
    Some(Builder::new().push_opcode(*OPCODES.get(&name)?).into_script())
}

#[test]
fn scripts_are_read_as_core_reads_them() {
    for (text, bytes) in [
        ("", ""),
        ("0 -1 1 16", "004f5160"),
        ("17 -17 127 128 4294967295", "01110191017f02800005ffffffff00"),
        ("0x4c 0x01 0xab", "4c01ab"),
        ("'Az' ''", "02417a00"),
        ("NOP OP_NOP RESERVED CHECKLOCKTIMEVERIFY CHECKSEQUENCEVERIFY NOP10", "616150b1b2b9"),
    ] {
        assert_eq!(parse_script(text).to_hex_string(), bytes, "{text}");
    }
    let long = format!("'{}'", "a".repeat(76));
    assert!(parse_script(&long).to_hex_string().starts_with("4c4c61"), "76 bytes need PUSHDATA1");
    for wrong in ["CHECKSIGADD", "1x", "0x", "PUSHDATA1", "0x0"] {
        assert_eq!(parse_word(wrong), None, "{wrong}");
    }
}
