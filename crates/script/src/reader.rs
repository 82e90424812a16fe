//! Reading a script, operation by operation, and what can be said of it without running it.
//!
//! In:    a script's bytes.
//! Out:   its operations with what they push; where reading stopped.
//! Never: a judgement on what an operation does.

use mycoin_primitives::bitcoin::opcodes::Opcode;
use mycoin_primitives::bitcoin::opcodes::all::{
    OP_CODESEPARATOR, OP_PUSHBYTES_0, OP_PUSHDATA1, OP_PUSHDATA2, OP_PUSHDATA4, OP_PUSHNUM_1, OP_PUSHNUM_16,
    OP_PUSHNUM_NEG1,
};

/// One operation of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation<'a> {
    /// Its code.
    pub(crate) code: u8,
    /// The bytes that it pushes; empty unless its code is at most PUSHDATA4.
    pub(crate) data: &'a [u8],
}

impl Operation<'_> {
    pub(crate) fn is(&self, code: Opcode) -> bool {
        self.code == code.to_u8()
    }

    /// Whether the push has the shortest form for its bytes. Source: Bitcoin Core `CheckMinimalPush`, script/script.cpp.
    pub(crate) fn is_minimal_push(&self) -> bool {
        let shortest = match *self.data {
            [] => OP_PUSHBYTES_0.to_u8(),
            [number @ 1..=16] => OP_PUSHNUM_1.to_u8() + number - 1,
            [0x81] => OP_PUSHNUM_NEG1.to_u8(),
            _ => match u8::try_from(self.data.len()) {
                Ok(length @ ..=75) => length,
                Ok(_) => OP_PUSHDATA1.to_u8(),
                Err(_) if u16::try_from(self.data.len()).is_ok() => OP_PUSHDATA2.to_u8(),
                Err(_) => OP_PUSHDATA4.to_u8(),
            },
        };
        self.code == shortest
    }
}

/// The script ends inside an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CutShort;

/// Reads a script's operations one after another.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    script: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(script: &'a [u8]) -> Self {
        Self { script, rest: script }
    }

    /// How many bytes were read. After [`CutShort`] those of the code and of the length are among them.
    ///
    /// Source: Bitcoin Core `GetScriptOp`, script/script.cpp.
    pub(crate) const fn position(&self) -> usize {
        self.script.len() - self.rest.len()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], CutShort> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(CutShort)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A little-endian length of `bytes` bytes, at most 4.
    fn take_length(&mut self, bytes: usize) -> Result<usize, CutShort> {
        let taken = self.take(bytes)?;
        Ok(taken.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    fn read(&mut self, code: u8) -> Result<Operation<'a>, CutShort> {
        let length = match code {
            0..=75 => usize::from(code),
            76 => self.take_length(1)?,
            77 => self.take_length(2)?,
            78 => self.take_length(4)?,
            _ => 0,
        };
        Ok(Operation { code, data: self.take(length)? })
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Operation<'a>, CutShort>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&code, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(self.read(code))
    }
}

/// Whether the script only pushes. RESERVED counts as a push here, as in Bitcoin Core `CScript::IsPushOnly`.
pub(crate) fn is_push_only(script: &[u8]) -> bool {
    Reader::new(script).all(|operation| operation.is_ok_and(|operation| operation.code <= OP_PUSHNUM_16.to_u8()))
}

/// The version and the program, where the whole script is a witness program. Source: BIP141.
pub(crate) fn witness_program(script: &[u8]) -> Option<(u8, &[u8])> {
    let (&code, push) = script.split_first()?;
    let version = match code {
        0 => 0,
        0x51..=0x60 => code - 0x50,
        _ => return None,
    };
    let (&length, program) = push.split_first()?;
    ((2..=40).contains(&length) && program.len() == usize::from(length)).then_some((version, program))
}

/// Whether the script is `HASH160 <20 bytes> EQUAL` to the byte. Source: BIP16.
pub(crate) const fn is_p2sh(script: &[u8]) -> bool {
    matches!(script, [0xa9, 20, .., 0x87] if script.len() == 23)
}

/// The script that pushes these bytes the way that signatures are looked for in scripts.
///
/// Source: Bitcoin Core `CScript::operator<<` for bytes, script/script.h. Small numbers get no code of their own.
pub(crate) fn push_of(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len();
    let mut script = Vec::with_capacity(length + 5);
    match (u8::try_from(length), u16::try_from(length), u32::try_from(length)) {
        (Ok(length @ ..=75), ..) => script.push(length),
        (Ok(length), ..) => script.extend_from_slice(&[OP_PUSHDATA1.to_u8(), length]),
        (_, Ok(length), _) => {
            script.push(OP_PUSHDATA2.to_u8());
            script.extend_from_slice(&length.to_le_bytes());
        }
        (.., Ok(length)) => {
            script.push(OP_PUSHDATA4.to_u8());
            script.extend_from_slice(&length.to_le_bytes());
        }
        // Items have at most 520 bytes, so no script asks for this push.
        (.., Err(_)) => {}
    }
    script.extend_from_slice(bytes);
    script
}

/// The script without each place where `pattern` stands at the beginning of an operation; `None` if it stands nowhere.
///
/// Source: Bitcoin Core `FindAndDelete`, script/interpreter.cpp.
pub(crate) fn find_and_delete(script: &[u8], pattern: &[u8]) -> Option<Vec<u8>> {
    // Most signatures stand nowhere in the script, and a search for bytes is quicker than reading operations.
    if pattern.is_empty() || !contains(script, pattern) {
        return None;
    }
    let mut kept = Vec::with_capacity(script.len());
    let mut found = false;
    let mut rest = script;
    loop {
        while let Some(after) = rest.strip_prefix(pattern) {
            rest = after;
            found = true;
        }
        let mut reader = Reader::new(rest);
        let read = match reader.next() {
            Some(Ok(_)) => reader.position(),
            // What cannot be read is kept as it is.
            Some(Err(CutShort)) | None => rest.len(),
        };
        let (operation, after) = rest.split_at(read);
        kept.extend_from_slice(operation);
        rest = after;
        if rest.is_empty() {
            return found.then_some(kept);
        }
    }
}

fn contains(script: &[u8], pattern: &[u8]) -> bool {
    let Some(first) = pattern.first() else { return true };
    let mut rest = script;
    while let Some(place) = rest.iter().position(|byte| byte == first) {
        rest = rest.get(place..).unwrap_or_default();
        if rest.starts_with(pattern) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

/// The script as a signature without a witness covers it: each CODESEPARATOR left out.
///
/// Its length counts a tail that cannot be read, its bytes do not, as in Bitcoin Core
/// `CTransactionSignatureSerializer::SerializeScriptCode`, script/interpreter.cpp.
pub(crate) fn without_code_separators(script: &[u8]) -> (usize, Vec<u8>) {
    let mut kept = Vec::with_capacity(script.len());
    let mut separators = 0;
    let (mut from, mut reader) = (0, Reader::new(script));
    while let Some(operation) = reader.next() {
        let to = reader.position();
        match operation {
            Ok(operation) if operation.is(OP_CODESEPARATOR) => separators += 1,
            Ok(_) | Err(CutShort) => kept.extend_from_slice(script.get(from..to).unwrap_or_default()),
        }
        if operation.is_err() {
            break;
        }
        from = to;
    }
    (script.len() - separators, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_push() {
        let script = [0x00, 0x01, 0xaa, 0x4c, 0x01, 0xbb, 0x4d, 0x01, 0x00, 0xcc, 0x4e, 0x01, 0, 0, 0, 0xdd, 0x51];
        let read: Vec<_> = Reader::new(&script).map(|operation| operation.expect("readable")).collect();
        let expected: [(u8, &[u8]); 6] =
            [(0, &[]), (1, &[0xaa]), (0x4c, &[0xbb]), (0x4d, &[0xcc]), (0x4e, &[0xdd]), (0x51, &[])];
        assert_eq!(read, expected.map(|(code, data)| Operation { code, data }));
        for cut in
            [&[0x02, 0xaa][..], &[0x4c], &[0x4d, 1], &[0x4d, 2, 0, 0xaa], &[0x4e, 1, 0, 0], &[0x4e, 255, 255, 255, 255]]
        {
            assert_eq!(Reader::new(cut).next(), Some(Err(CutShort)), "{cut:?}");
        }
    }

    #[test]
    fn deletes_only_where_an_operation_begins() {
        // 51 inside the push of 2 bytes stays; the one that is an operation goes, with the one after it.
        assert_eq!(find_and_delete(&[0x02, 0x51, 0x51, 0x51, 0x51, 0x52], &[0x51]), Some(vec![0x02, 0x51, 0x51, 0x52]));
        assert_eq!(find_and_delete(&[0x02, 0x51, 0x51], &[0x51]), None);
        assert_eq!(find_and_delete(&[0x51], &[]), None);
        // The longest first match wins, and what is left is not searched again.
        assert_eq!(find_and_delete(&[0x02, 0xfe, 0xed, 0x02, 0xfe, 0xed], &[0x02, 0xfe, 0xed]), Some(vec![]));
        assert_eq!(find_and_delete(&[0x51, 0x05, 0x51], &[0x51]), Some(vec![0x05, 0x51]));
    }

    #[test]
    fn code_separators_are_left_out() {
        assert_eq!(without_code_separators(&[0xab, 0x51, 0xab, 0x01, 0xab]), (3, vec![0x51, 0x01, 0xab]));
        assert_eq!(without_code_separators(&[0xab, 0x51, 0x03, 0x01]), (3, vec![0x51, 0x03]));
    }

    #[test]
    fn shortest_pushes() {
        let minimal = |code, data: &[u8]| Operation { code, data }.is_minimal_push();
        assert!(minimal(0, &[]) && minimal(0x51, &[1]) && minimal(0x60, &[16]) && minimal(0x4f, &[0x81]));
        assert!(!minimal(1, &[1]) && !minimal(1, &[0x81]) && !minimal(0x4c, &[]));
        assert!(minimal(1, &[0]) && minimal(1, &[17]) && minimal(75, &[0; 75]) && minimal(76, &[0; 76]));
        assert!(!minimal(76, &[0; 75]) && !minimal(77, &[0; 255]) && minimal(77, &[0; 256]) && minimal(76, &[0; 255]));
    }

    #[test]
    fn witness_programs_are_one_short_push_after_a_version() {
        assert_eq!(witness_program(&[0, 2, 7, 7]), Some((0, &[7, 7][..])));
        assert_eq!(witness_program(&[0x60, 2, 7, 7]), Some((16, &[7, 7][..])));
        for script in [&[0x4f, 2, 7, 7][..], &[0x61, 2, 7, 7], &[0, 1, 7], &[0, 2, 7], &[0, 2, 7, 7, 7], &[0], &[]] {
            assert_eq!(witness_program(script), None, "{script:?}");
        }
        let longest: Vec<u8> = [&[0x51, 40][..], &[7; 40]].concat();
        assert!(witness_program(&longest).is_some());
        assert_eq!(witness_program(&[&[0x51, 41][..], &[7; 41]].concat()), None);
    }
}
