//! Scripts at the edge of each limit, one step inside it or one step outside.

use crate::code;
use crate::dice::Dice;
use crate::draft::{Arg, Template};
use crate::lock::{Lock, Wrap};
use crate::sign::KEYS;

/// A script at one limit.
pub(crate) fn lock(dice: &mut Dice) -> Lock {
    let over = dice.below(2);
    let items = dice.between(999, 1_002);
    let template = match dice.below(8) {
        0 => push_size(dice, 520 + over),
        1 => script_size(dice, 10_000 + over),
        2 => operation_count(dice, 201 + over),
        3 => stack_size(dice, 1_000 + over),
        4 => initial_stack(dice, items),
        5 => key_count(dice, 20 + over),
        6 => keys_count_as_operations(201 - dice.below(2) + over),
        _ => item_size(dice, 520 + over),
    };
    let wraps = [Wrap::Bare, Wrap::WitnessScriptHash, Wrap::NestedWitnessScriptHash, Wrap::TaprootScript];
    let wrap = if template.script.len() <= 520 && dice.one_in(4) { Wrap::ScriptHash } else { dice.pick(&wraps) };
    Lock::script(dice, wrap, template)
}

fn bare(script: Vec<u8>) -> Template {
    Template { script, args: Vec::new() }
}

fn push_size(dice: &mut Dice, size: usize) -> Template {
    let mut script = Vec::new();
    code::push(&mut script, &dice.bytes(size));
    // Unexecuted pushes have the same limit.
    if dice.one_in(2) {
        script = [&[0x00, 0x63], script.as_slice(), &[0x68, 0x51]].concat();
    }
    bare(script)
}

/// Source: Bitcoin Core `MAX_SCRIPT_SIZE`, script.h.
fn script_size(dice: &mut Dice, size: usize) -> Template {
    let mut script = Vec::new();
    while script.len() + 524 <= size {
        code::push(&mut script, &dice.bytes(520));
        script.push(0x75);
    }
    // One more push with its drop, and the item that stays.
    let rest = size - script.len() - 3;
    code::push(&mut script, &dice.bytes(rest));
    script.push(0x75);
    script.push(0x51);
    bare(script)
}

/// Source: Bitcoin Core `MAX_OPS_PER_SCRIPT`, script.h.
fn operation_count(dice: &mut Dice, count: usize) -> Template {
    let mut script = vec![0x51];
    match dice.below(3) {
        0 => script.extend(vec![0x61; count]),
        // What does not run counts as well, what only pushes does not: `OP_RESERVED` is among the pushes.
        1 => {
            script.extend([0x00, 0x63]);
            script.extend(vec![0x61; count - 2]);
            script.extend(vec![0x50; 3]);
            script.push(0x68);
        }
        _ => {
            for _ in 0..count / 2 {
                script.extend([0x51, 0x76, 0x6d]);
            }
            script.extend(vec![0x61; count % 2]);
        }
    }
    bare(script)
}

/// Source: Bitcoin Core `MAX_STACK_SIZE`, script.h.
fn stack_size(dice: &mut Dice, size: usize) -> Template {
    let aside = dice.below(30);
    let mut script = vec![0x51];
    for _ in 0..aside {
        script.extend([0x51, 0x6b]);
    }
    script.extend(vec![0x51; size - aside - 4]);
    script.push(0x6f);
    bare(script)
}

/// More items in the witness than a script may have, which tapscript refuses before it runs.
fn initial_stack(dice: &mut Dice, items: usize) -> Template {
    let drops = if dice.one_in(4) { 0 } else { (items - 1) / 2 };
    let mut script = vec![0x6d; drops];
    script.extend(vec![0x75; items - 1 - 2 * drops]);
    if dice.one_in(3) {
        script = vec![0x75; items - 1];
    }
    Template { script, args: vec![Arg::Item(vec![1]); items] }
}

/// Source: Bitcoin Core `MAX_PUBKEYS_PER_MULTISIG`, script.h.
fn key_count(dice: &mut Dice, keys: usize) -> Template {
    let mut script = vec![0x00];
    for nth in 0..keys {
        code::push(&mut script, &KEYS[nth].public_key().serialize()[..dice.pick(&[1, 33])]);
    }
    code::push(&mut script, &code::number(keys as i64));
    script.push(0xae);
    Template { script, args: vec![Arg::Item(Vec::new())] }
}

/// Each key of a multisig counts as an operation.
fn keys_count_as_operations(count: usize) -> Template {
    let mut script = Vec::new();
    for _ in 0..9 {
        script.push(0x00);
        script.push(0x00);
        script.extend(vec![0x51; 20]);
        code::push(&mut script, &[20]);
        script.push(0xaf);
    }
    script.extend(vec![0x61; count - 9 * 21]);
    script.push(0x51);
    bare(script)
}

/// An argument of the largest size.
fn item_size(dice: &mut Dice, size: usize) -> Template {
    Template { script: vec![0x75, 0x51], args: vec![Arg::Item(dice.bytes(size))] }
}
