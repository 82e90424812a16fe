//! Scripts as bytes: pushes in every form, numbers, and the way back from bytes to operations.

use crate::dice::Dice;

/// `OP_PUSHDATA1`, 2 and 4.
const PUSHDATA: [u8; 3] = [0x4c, 0x4d, 0x4e];

/// Appends a push with the shortest length prefix; never `OP_1` and its kin.
/// Source: Bitcoin Core `CScript::operator<<`, script.h.
pub(crate) fn push(code: &mut Vec<u8>, data: &[u8]) {
    match data.len() {
        length @ 0..=75 => code.push(length as u8),
        length @ 76..=255 => code.extend([PUSHDATA[0], length as u8]),
        length @ 256..=0xffff => {
            code.push(PUSHDATA[1]);
            code.extend((length as u16).to_le_bytes());
        }
        length => {
            code.push(PUSHDATA[2]);
            code.extend((length as u32).to_le_bytes());
        }
    }
    code.extend(data);
}

/// Appends a push whose length is written longer than it has to be.
pub(crate) fn push_long(code: &mut Vec<u8>, data: &[u8], width: usize) {
    let form = width.min(2);
    let form = if data.len() > 255 { form.max(1) } else { form };
    code.push(PUSHDATA[form]);
    code.extend(&(data.len() as u32).to_le_bytes()[..1 << form]);
    code.extend(data);
}

/// A push of these bytes alone.
pub(crate) fn pushed(data: &[u8]) -> Vec<u8> {
    let mut code = Vec::new();
    push(&mut code, data);
    code
}

/// A number as the stack holds it: little endian, sign in the highest bit, as short as possible.
/// Source: Bitcoin Core `CScriptNum::serialize`, script.h.
pub(crate) fn number(value: i64) -> Vec<u8> {
    let mut bytes: Vec<u8> = value.unsigned_abs().to_le_bytes().to_vec();
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    if bytes.last().is_some_and(|last| last & 0x80 != 0) {
        bytes.push(0);
    }
    if let Some(last) = bytes.last_mut()
        && value < 0
    {
        *last |= 0x80;
    }
    bytes
}

/// Splits a script into its operations; what can't be read any more is one last piece.
pub(crate) fn operations(script: &[u8]) -> Vec<&[u8]> {
    let mut rest = script;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (operation, after) = rest.split_at(operation_size(rest).unwrap_or(rest.len()));
        found.push(operation);
        rest = after;
    }
    found
}

/// The bytes that an operation pushes, `None` where it is not a push of bytes.
pub(crate) fn push_data(operation: &[u8]) -> Option<&[u8]> {
    let header = header_size(*operation.first()?)?;
    operation.get(header..)
}

fn header_size(opcode: u8) -> Option<usize> {
    match opcode {
        0..=75 => Some(1),
        0x4c => Some(2),
        0x4d => Some(3),
        0x4e => Some(5),
        _ => None,
    }
}

fn operation_size(script: &[u8]) -> Option<usize> {
    let opcode = *script.first()?;
    let Some(header) = header_size(opcode) else { return Some(1) };
    let length = match header {
        1 => usize::from(opcode),
        _ => script.get(1..header)?.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte)),
    };
    let size = header.checked_add(length)?;
    (size <= script.len()).then_some(size)
}

/// The script without one operation, wherever it stands.
pub(crate) fn without_operation(script: &[u8], opcode: u8) -> Vec<u8> {
    operations(script).into_iter().filter(|operation| *operation != [opcode]).flatten().copied().collect()
}

/// The script with one operation changed, moved, added, removed or cut short.
pub(crate) fn damaged(dice: &mut Dice, script: &[u8]) -> Vec<u8> {
    let mut operations: Vec<Vec<u8>> = operations(script).into_iter().map(<[u8]>::to_vec).collect();
    let at = dice.below(operations.len());
    let other = vec![dice.byte()];
    match dice.below(5) {
        _ if operations.is_empty() => operations.push(other),
        0 => drop(operations.remove(at)),
        1 => operations.insert(at, other),
        2 => operations[at] = other,
        3 => operations.swap(0, at),
        _ => drop(operations.last_mut().and_then(Vec::pop)),
    }
    operations.concat()
}
