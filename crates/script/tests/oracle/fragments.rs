//! Pieces of scripts that leave the stack as they found it, so that they can follow each other in any order.

use mycoin_primitives::bitcoin::Opcode;
use mycoin_primitives::bitcoin::opcodes::all as op;
use mycoin_primitives::hashes::{Hash, hash160, ripemd160, sha1, sha256, sha256d};

use crate::code;
use crate::dice::Dice;
use crate::draft::{Draft, Kind};
use crate::signatures::{multisig, signature};

/// Numbers where something changes: signs, sizes, and the ends of what arithmetic takes.
const NUMBERS: [i64; 24] = [
    0,
    1,
    -1,
    2,
    3,
    16,
    17,
    -2,
    127,
    128,
    -127,
    -128,
    255,
    256,
    -255,
    32767,
    32768,
    -32768,
    0x7f_ffff,
    0x80_0000,
    0x7fff_fffe,
    0x7fff_ffff,
    -0x7fff_ffff,
    -0x80_0000,
];
/// Numbers that arithmetic refuses: they need five bytes or more.
const LARGE_NUMBERS: [i64; 5] = [0x8000_0000, -0x8000_0000, 0xffff_ffff, 0x7f_ffff_ffff, 0x80_0000_0000];

/// Appends one piece, `depth` conditions deep.
pub(crate) fn fragment(dice: &mut Dice, draft: &mut Draft, depth: usize) {
    match dice.below(24) {
        0..=3 => arithmetic(dice, draft),
        4..=6 => stack(dice, draft),
        7 | 8 => hash_lock(dice, draft),
        9..=11 if depth < 4 => conditional(dice, draft, depth),
        12 | 13 => time_lock(dice, draft),
        14..=16 => signature(dice, draft),
        17 => multisig(dice, draft),
        18 => {
            draft.separate();
        }
        19 => alternative_stack(dice, draft),
        20 => size(dice, draft),
        21 if draft.flawed(dice) => {
            draft.raw(&[dice.byte()]);
        }
        _ => {
            draft.op(dice.pick(&[op::OP_NOP, op::OP_NOP1, op::OP_NOP4, op::OP_NOP10]));
        }
    }
}

/// A number in any form that arithmetic takes, and sometimes in one that it does not.
pub(crate) fn operand(dice: &mut Dice, draft: &mut Draft, value: i64) {
    let mut bytes = code::number(value);
    if dice.one_in(6) && bytes.len() < 4 {
        let sign = bytes.pop().map_or(0, |last| {
            bytes.push(last & 0x7f);
            last & 0x80
        });
        bytes.extend(std::iter::repeat_n(0, dice.below(4 - bytes.len())));
        bytes.push(sign);
    }
    if draft.flawed(dice) {
        bytes = code::number(dice.pick(&LARGE_NUMBERS));
    }
    draft.push_any(dice, &bytes);
}

/// Checks that the top of the stack is `expected`.
fn check(dice: &mut Dice, draft: &mut Draft, expected: &[u8]) {
    let wrong = draft.flawed(dice);
    let expected = if wrong { [expected, &[1]].concat() } else { expected.to_vec() };
    draft.push_any(dice, &expected);
    if dice.one_in(4) {
        draft.op(op::OP_EQUAL).op(op::OP_VERIFY)
    } else {
        draft.op(op::OP_EQUALVERIFY)
    };
}

fn arithmetic(dice: &mut Dice, draft: &mut Draft) {
    type Binary = (Opcode, fn(i64, i64) -> i64);
    const BINARY: [Binary; 13] = [
        (op::OP_ADD, |a, b| a + b),
        (op::OP_SUB, |a, b| a - b),
        (op::OP_BOOLAND, |a, b| i64::from(a != 0 && b != 0)),
        (op::OP_BOOLOR, |a, b| i64::from(a != 0 || b != 0)),
        (op::OP_NUMEQUAL, |a, b| i64::from(a == b)),
        (op::OP_NUMNOTEQUAL, |a, b| i64::from(a != b)),
        (op::OP_LESSTHAN, |a, b| i64::from(a < b)),
        (op::OP_GREATERTHAN, |a, b| i64::from(a > b)),
        (op::OP_LESSTHANOREQUAL, |a, b| i64::from(a <= b)),
        (op::OP_GREATERTHANOREQUAL, |a, b| i64::from(a >= b)),
        (op::OP_MIN, i64::min),
        (op::OP_MAX, i64::max),
        (op::OP_ADD, |a, b| a + b),
    ];
    type Unary = (Opcode, fn(i64) -> i64);
    const UNARY: [Unary; 6] = [
        (op::OP_1ADD, |a| a + 1),
        (op::OP_1SUB, |a| a - 1),
        (op::OP_NEGATE, |a| -a),
        (op::OP_ABS, i64::abs),
        (op::OP_NOT, |a| i64::from(a == 0)),
        (op::OP_0NOTEQUAL, |a| i64::from(a != 0)),
    ];
    let (a, b, c) = (dice.pick(&NUMBERS), dice.pick(&NUMBERS), dice.pick(&NUMBERS));
    operand(dice, draft, a);
    let result = match dice.below(8) {
        0..=1 => {
            let (opcode, compute) = dice.pick(&UNARY);
            draft.op(opcode);
            compute(a)
        }
        2 => {
            operand(dice, draft, b);
            operand(dice, draft, c);
            draft.op(op::OP_WITHIN);
            i64::from(b <= a && a < c)
        }
        3 => {
            let equal = !draft.flawed(dice);
            operand(dice, draft, if equal { a } else { b });
            draft.op(op::OP_NUMEQUALVERIFY);
            return;
        }
        _ => {
            operand(dice, draft, b);
            let (opcode, compute) = dice.pick(&BINARY);
            draft.op(opcode);
            compute(a, b)
        }
    };
    check(dice, draft, &code::number(result));
}

/// How many items an operation takes, and which of them it leaves, the lowest first.
const STACK: [(Opcode, usize, &[usize]); 16] = [
    (op::OP_DUP, 1, &[0, 0]),
    (op::OP_DROP, 1, &[]),
    (op::OP_NIP, 2, &[1]),
    (op::OP_OVER, 2, &[0, 1, 0]),
    (op::OP_ROT, 3, &[1, 2, 0]),
    (op::OP_SWAP, 2, &[1, 0]),
    (op::OP_TUCK, 2, &[1, 0, 1]),
    (op::OP_2DROP, 2, &[]),
    (op::OP_2DUP, 2, &[0, 1, 0, 1]),
    (op::OP_3DUP, 3, &[0, 1, 2, 0, 1, 2]),
    (op::OP_2OVER, 4, &[0, 1, 2, 3, 0, 1]),
    (op::OP_2ROT, 6, &[2, 3, 4, 5, 0, 1]),
    (op::OP_2SWAP, 4, &[2, 3, 0, 1]),
    (op::OP_IFDUP, 1, &[0, 0]),
    (op::OP_PICK, 4, &[]),
    (op::OP_ROLL, 4, &[]),
];

fn stack(dice: &mut Dice, draft: &mut Draft) {
    let (opcode, takes, leaves) = dice.pick(&STACK);
    let short = draft.flawed(dice);
    let items: Vec<Vec<u8>> = (0..takes).map(|item| vec![item as u8 + 2, dice.byte()]).collect();
    for item in items.iter().skip(usize::from(short)) {
        draft.push(item);
    }
    let mut left: Vec<usize> = leaves.to_vec();
    if leaves.is_empty() && takes == 4 {
        let nth = dice.below(takes);
        let wrong = draft.flawed(dice);
        let asked = if wrong { dice.pick(&[-1, 999, i64::from(u32::MAX)]) } else { nth as i64 };
        draft.number(asked);
        left = (0..takes).collect();
        let from = takes - 1 - nth;
        if opcode == op::OP_ROLL {
            left.remove(from);
        }
        left.push(from);
    }
    draft.op(opcode);
    for item in left.into_iter().rev() {
        check(dice, draft, &items[item]);
    }
}

fn alternative_stack(dice: &mut Dice, draft: &mut Draft) {
    let length = dice.below(6);
    let item = dice.bytes(length);
    draft.push_any(dice, &item).op(op::OP_TOALTSTACK);
    if draft.flawed(dice) {
        draft.op(op::OP_FROMALTSTACK).op(op::OP_DROP);
    }
    draft.op(op::OP_FROMALTSTACK);
    check(dice, draft, &item);
}

fn size(dice: &mut Dice, draft: &mut Draft) {
    let flawed = draft.flawed(dice);
    let length = if flawed { 521 } else { dice.pick(&[0, 1, 75, 76, 255, 256, 520]) };
    let length = if draft.len() + length > 600 { length % 64 } else { length };
    let item = dice.bytes(length);
    draft.push_any(dice, &item).op(op::OP_SIZE);
    check(dice, draft, &code::number(length as i64));
    draft.op(op::OP_DROP);
    if dice.one_in(8) {
        draft.op(op::OP_DEPTH).op(op::OP_DROP);
    }
}

fn hash_lock(dice: &mut Dice, draft: &mut Draft) {
    let length = dice.below(70);
    let secret = dice.bytes(length);
    if dice.one_in(2) {
        draft.take(&secret)
    } else {
        draft.push(&secret)
    };
    let (opcode, digest) = match dice.below(5) {
        0 => (op::OP_RIPEMD160, ripemd160::Hash::hash(&secret).to_byte_array().to_vec()),
        1 => (op::OP_SHA1, sha1::Hash::hash(&secret).to_byte_array().to_vec()),
        2 => (op::OP_SHA256, sha256::Hash::hash(&secret).to_byte_array().to_vec()),
        3 => (op::OP_HASH160, hash160::Hash::hash(&secret).to_byte_array().to_vec()),
        _ => (op::OP_HASH256, sha256d::Hash::hash(&secret).to_byte_array().to_vec()),
    };
    draft.op(opcode);
    check(dice, draft, &digest);
}

fn conditional(dice: &mut Dice, draft: &mut Draft, depth: usize) {
    let inverted = dice.one_in(3);
    let mut condition = match dice.below(8) {
        0..=3 => vec![1],
        4 | 5 => Vec::new(),
        // True or false to `OP_IF`, but not in the form that tapscript asks for.
        _ if draft.kind != Kind::Tapscript || draft.flawed(dice) => {
            dice.pick(&[vec![0x80], vec![0, 0x80], vec![2], vec![0, 1], vec![0]])
        }
        _ => vec![1],
    };
    if draft.kind == Kind::Tapscript && draft.flawed(dice) {
        condition = vec![2];
    }
    let truth = condition.iter().rev().enumerate().any(|(nth, byte)| *byte != 0 && !(nth == 0 && *byte == 0x80));
    if dice.one_in(2) {
        draft.take(&condition)
    } else {
        draft.push_any(dice, &condition)
    };
    draft.op(if inverted { op::OP_NOTIF } else { op::OP_IF });
    let mut runs = truth != inverted;
    for branch in 0..dice.pick(&[1, 2, 2, 2, 3, 4]) {
        if branch > 0 {
            draft.op(op::OP_ELSE);
            runs = !runs;
        }
        if runs {
            (0..dice.below(3)).for_each(|_| fragment(dice, draft, depth + 1));
        } else {
            draft.dead(|draft| dead_branch(dice, draft, depth));
        }
    }
    if draft.flawed(dice) {
        if dice.one_in(2) {
            draft.op(op::OP_ELSE)
        } else {
            draft
        };
    } else {
        draft.op(op::OP_ENDIF);
    }
}

/// What may stand where it does not run, and rarely what must not even stand there.
fn dead_branch(dice: &mut Dice, draft: &mut Draft, depth: usize) {
    (0..dice.below(3)).for_each(|_| fragment(dice, draft, depth + 1));
    if dice.one_in(3) {
        draft.op(dice.pick(&[op::OP_RETURN, op::OP_RESERVED, op::OP_VER, op::OP_RESERVED1]));
    }
    if dice.one_in(6) && draft.kind != Kind::Tapscript {
        draft.raw(&[dice.between(0xba, 0xff) as u8]);
    }
    if draft.flawed(dice) {
        let long = code::pushed(&dice.bytes(521));
        match dice.below(3) {
            0 => draft.op(dice.pick(&[op::OP_VERIF, op::OP_VERNOTIF])),
            1 => draft.op(disabled(dice)),
            _ => draft.raw(&long),
        };
    }
}

/// An operation that is refused wherever it stands; in tapscript it makes the script succeed.
pub(crate) fn disabled(dice: &mut Dice) -> Opcode {
    Opcode::from(dice.pick(&[0x7e, 0x7f, 0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x8d, 0x8e, 0x95, 0x96, 0x97, 0x98, 0x99]))
}

fn time_lock(dice: &mut Dice, draft: &mut Draft) {
    let relative = dice.one_in(2);
    let own = i64::from(if relative { draft.sequence } else { draft.lock_time });
    let flawed = draft.flawed(dice);
    let value = match dice.below(if flawed { 12 } else { 3 }) {
        0 => own,
        1 => (own - 1).max(0),
        2 => own & if relative { 0x40_ffff } else { !0 },
        3 => own + 1,
        4 => own ^ 0x40_0000,
        5 => own | 0x8000_0000,
        6 => 499_999_999,
        7 => 500_000_000,
        8 => -1,
        9 => 0xffff_ffff,
        10 => 0x7f_ffff_ffff,
        _ => 0x80_0000_0000,
    };
    draft.number(value).op(if relative { op::OP_CSV } else { op::OP_CLTV }).op(op::OP_DROP);
}
