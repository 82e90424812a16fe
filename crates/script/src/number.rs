//! Numbers and truth as scripts write them.
//!
//! Source: Bitcoin Core `CScriptNum`, script/script.h; `CastToBool`, script/interpreter.cpp.

use crate::ScriptError;

/// The most bytes that an operation takes as a number.
pub(crate) const NUMBER_BYTES: usize = 4;
/// The most bytes of a lock time, so that every one of a transaction's can be asked for. Source: BIP65, BIP112.
pub(crate) const LOCK_TIME_BYTES: usize = 5;

/// The number that `item` stands for: little-endian, with the sign in the last byte's top bit.
pub(crate) fn decode(item: &[u8], minimal: bool, most_bytes: usize) -> Result<i64, ScriptError> {
    // At most 5 bytes, so that nothing is shifted out below.
    if item.len() > most_bytes.min(LOCK_TIME_BYTES) || (minimal && !is_minimal(item)) {
        return Err(ScriptError::ScriptNumber);
    }
    let Some((last, lower)) = item.split_last() else { return Ok(0) };
    let magnitude = lower.iter().rev().fold(i64::from(last & 0x7f), |number, byte| number << 8 | i64::from(*byte));
    Ok(if last & 0x80 == 0 { magnitude } else { -magnitude })
}

/// Whether no byte could be left out: the last one is more than a sign, or the one before has its top bit set.
fn is_minimal(item: &[u8]) -> bool {
    match item {
        [] => true,
        [.., before, last] if last & 0x7f == 0 => before & 0x80 != 0,
        [.., last] => last & 0x7f != 0,
    }
}

/// The number in its shortest form.
pub(crate) fn encode(number: i64) -> Vec<u8> {
    let mut item = Vec::with_capacity(9);
    let mut magnitude = number.unsigned_abs();
    while magnitude > 0 {
        item.push((magnitude & 0xff) as u8);
        magnitude >>= 8;
    }
    let sign = if number < 0 { 0x80 } else { 0 };
    match item.last_mut() {
        Some(last) if *last & 0x80 == 0 => *last |= sign,
        Some(_) => item.push(sign),
        None => {}
    }
    item
}

/// Whether the item counts as true: any byte is set, beyond the sign of a negative zero.
pub(crate) fn is_true(item: &[u8]) -> bool {
    item.split_last().is_some_and(|(last, lower)| lower.iter().any(|byte| *byte != 0) || (*last != 0 && *last != 0x80))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_sign_in_the_top_bit() {
        let cases: [(&[u8], i64); 9] = [
            (&[], 0),
            (&[1], 1),
            (&[0x81], -1),
            (&[0x7f], 127),
            (&[0x80, 0], 128),
            (&[0x80, 0x80], -128),
            (&[0xff, 0xff, 0xff, 0x7f], 0x7fff_ffff),
            (&[0xff, 0xff, 0xff, 0xff], -0x7fff_ffff),
            (&[0, 0, 0, 0x80, 0], 0x8000_0000),
        ];
        for (item, number) in cases {
            assert_eq!(decode(item, true, 5), Ok(number), "{item:?}");
            assert_eq!(encode(number), item, "{number}");
        }
    }

    #[test]
    fn every_number_reads_as_it_was_written() {
        for number in
            (-70_000..70_000).chain([i64::from(i32::MAX), i64::from(i32::MIN) + 1, (1 << 39) - 1, 1 - (1 << 39)])
        {
            assert_eq!(decode(&encode(number), true, 5), Ok(number));
        }
    }

    #[test]
    fn longer_forms_are_refused_where_they_are_asked_to_be_short() {
        for item in [&[0][..], &[0x80], &[1, 0], &[1, 0x80], &[0, 0]] {
            assert_eq!(decode(item, true, 4), Err(ScriptError::ScriptNumber), "{item:?}");
            assert!(decode(item, false, 4).is_ok(), "{item:?}");
        }
        assert_eq!(decode(&[0; 5], false, 4), Err(ScriptError::ScriptNumber));
        assert_eq!(decode(&[0; 6], false, 5), Err(ScriptError::ScriptNumber));
    }

    #[test]
    fn negative_zero_is_false() {
        for item in [&[][..], &[0], &[0, 0], &[0x80], &[0, 0x80]] {
            assert!(!is_true(item), "{item:?}");
        }
        for item in [&[1][..], &[0x80, 0], &[0x81], &[0, 1], &[0x80, 0x80]] {
            assert!(is_true(item), "{item:?}");
        }
    }
}
