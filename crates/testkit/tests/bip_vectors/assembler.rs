//! Scripts written in words, for vectors that count operations: `KEY 99*(2DUP CHECKSIGVERIFY) CHECKSIG`.

use mycoin_primitives::ScriptBuf;
use mycoin_primitives::bitcoin::opcodes::{Opcode, all};
use mycoin_primitives::bitcoin::script::PushBytesBuf;

use crate::hex;

/// The script that the words stand for.
///
/// `N*WORD` and `N*(WORDS)` repeat; `KEY`, `SIG`, `HASH` and `HASH32` push 33, 72, 20 and 32 placeholder bytes; a number is
/// pushed as a number; `xHEX` stands for raw bytes; anything else is an operation.
pub(crate) fn assemble(text: &str) -> ScriptBuf {
    let spaced = text.replace('(', " ( ").replace(')', " ) ").replace("* (", "*(");
    let mut words = spaced.split_whitespace();
    let mut bytes = Vec::new();
    group(&mut words, &mut bytes);
    ScriptBuf::from_bytes(bytes)
}

/// Writes words up to the end or to the bracket that closes the group.
fn group<'a>(words: &mut impl Iterator<Item = &'a str>, bytes: &mut Vec<u8>) {
    while let Some(word) = words.next() {
        if word == ")" {
            return;
        }
        let (times, word) = match word.split_once('*') {
            Some((times, word)) => (times.parse().expect("a count"), word),
            None => (1, word),
        };
        let mut once = Vec::new();
        if word == "(" {
            group(words, &mut once);
        } else {
            once = single(word);
        }
        bytes.extend(once.repeat(times));
    }
}

fn single(word: &str) -> Vec<u8> {
    let script = match word {
        "KEY" => push(&[2; 33]),
        "SIG" => push(&[0x30; 72]),
        "HASH" => push(&[7; 20]),
        "HASH32" => push(&[7; 32]),
        _ => match (word.strip_prefix('x'), word.parse()) {
            (Some(raw), _) => return hex(raw),
            (None, Ok(number)) => ScriptBuf::builder().push_int(number).into_script(),
            (None, Err(_)) => ScriptBuf::builder().push_opcode(operation(word)).into_script(),
        },
    };
    script.into_bytes()
}

/// A script that pushes these bytes.
pub(crate) fn push(bytes: &[u8]) -> ScriptBuf {
    let bytes = PushBytesBuf::try_from(bytes.to_vec()).expect("scripts are shorter than 4 GB");
    ScriptBuf::builder().push_slice(bytes).into_script()
}

fn operation(word: &str) -> Opcode {
    match word {
        "2DUP" => all::OP_2DUP,
        "3DUP" => all::OP_3DUP,
        "ADD" => all::OP_ADD,
        "CHECKMULTISIG" => all::OP_CHECKMULTISIG,
        "CHECKMULTISIGVERIFY" => all::OP_CHECKMULTISIGVERIFY,
        "CHECKSIG" => all::OP_CHECKSIG,
        "CHECKSIGVERIFY" => all::OP_CHECKSIGVERIFY,
        "DROP" => all::OP_DROP,
        "DUP" => all::OP_DUP,
        "ELSE" => all::OP_ELSE,
        "ENDIF" => all::OP_ENDIF,
        "EQUAL" => all::OP_EQUAL,
        "EQUALVERIFY" => all::OP_EQUALVERIFY,
        "FROMALTSTACK" => all::OP_FROMALTSTACK,
        "HASH160" => all::OP_HASH160,
        "IF" => all::OP_IF,
        "OVER" => all::OP_OVER,
        "RETURN" => all::OP_RETURN,
        "ROT" => all::OP_ROT,
        "SWAP" => all::OP_SWAP,
        "TOALTSTACK" => all::OP_TOALTSTACK,
        _ => panic!("no operation is called {word}"),
    }
}

#[test]
fn words_become_bytes() {
    let check = |text: &str, bytes: &str| assert_eq!(assemble(text).to_hex_string(), bytes, "{text}");
    check("", "");
    check("2*(DUP 2*CHECKSIG) ENDIF", "76acac76acac68");
    check("2*(2*(DUP) 1) 17", "76765176765101 11".replace(' ', "").as_str());
    check("0 16 x4c01", "00604c01");
    assert_eq!(assemble("KEY SIG HASH HASH32").len(), 34 + 73 + 21 + 33);
}
