//! What is spent: every standard type, scripts composed at random, and what is written for one rule.

use mycoin_primitives::Transaction;
use mycoin_primitives::bitcoin::opcodes::all as op;

use crate::code;
use crate::dice::Dice;
use crate::draft::{Arg, Draft, Signing, Template};
use crate::fragments::fragment;
use crate::limits;
use crate::lock::{Annex, Lock, TAPSCRIPT, Wrap, key_hash_script, program, script_hash};
use crate::sign::{self, KEYS};
use crate::signatures::many_keys;

/// Which generator made a case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Family {
    Standard,
    Composed,
    Soup,
    Limits,
    OwnSignature,
    Leaves,
    Programs,
}

impl Family {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard types",
            Self::Composed => "composed scripts",
            Self::Soup => "random operations",
            Self::Limits => "limits",
            Self::OwnSignature => "signatures in scripts",
            Self::Leaves => "taproot leaves",
            Self::Programs => "witness programs",
        }
    }
}

/// An output of any type for one input of a transaction whose inputs and outputs are settled.
pub(crate) fn draw(dice: &mut Dice, tx: &Transaction, input: usize) -> (Family, Lock) {
    let family = dice.weighted(&[
        (30, Family::Standard),
        (30, Family::Composed),
        (10, Family::Soup),
        (5, Family::Limits),
        (3, Family::OwnSignature),
        (12, Family::Leaves),
        (4, Family::Programs),
    ]);
    let flaws = dice.one_in(3);
    let lock = match family {
        Family::Standard => standard(dice, tx, input, flaws),
        Family::Composed => composed(dice, tx, input, flaws),
        Family::Soup => soup(dice),
        Family::Limits => limits::lock(dice),
        Family::OwnSignature => own_signature(dice, tx, input),
        Family::Leaves => leaf(dice, tx, input, flaws),
        Family::Programs => other_program(dice),
    };
    (family, lock)
}

fn begin(wrap: Wrap, tx: &Transaction, input: usize, flaws: bool) -> Draft {
    Draft::new(wrap.kind(), tx.lock_time.to_consensus_u32(), tx.input[input].sequence.to_consensus_u32(), flaws)
}

fn script_wrap(dice: &mut Dice) -> Wrap {
    dice.pick(&[
        Wrap::Bare,
        Wrap::ScriptHash,
        Wrap::WitnessScriptHash,
        Wrap::WitnessScriptHash,
        Wrap::NestedWitnessScriptHash,
        Wrap::TaprootScript,
        Wrap::TaprootScript,
    ])
}

fn standard(dice: &mut Dice, tx: &Transaction, input: usize, flaws: bool) -> Lock {
    match dice.below(6) {
        0 => Lock::taproot_key(dice),
        form @ 1..=2 => {
            let (key, hash_type) = (dice.below(KEYS.len()), sign::ecdsa_hash_type(dice));
            let disfigured = flaws && dice.one_in(3);
            Lock::witness_key_hash(dice, Signing { key, hash_type, code_from: 0, separator: 0, disfigured }, form == 2)
        }
        _ => {
            let wrap = script_wrap(dice);
            let mut draft = begin(wrap, tx, input, flaws);
            finish(dice, &mut draft);
            Lock::script(dice, wrap, draft.finish())
        }
    }
}

/// Ends a script: what stays on the stack is its verdict.
fn finish(dice: &mut Dice, draft: &mut Draft) {
    let key = dice.below(KEYS.len());
    match dice.below(4) {
        0 => {
            draft.take_signature(dice, key);
            let key = draft.key(dice, key);
            draft.push(&key).op(op::OP_CHECKSIG);
        }
        1 => {
            let key_bytes = draft.key(dice, key);
            draft.take(&key_bytes).take_signature(dice, key);
            for operation in code::operations(&key_hash_script(&key_bytes)) {
                draft.raw(operation);
            }
        }
        _ => many_keys(dice, draft),
    }
    if draft.flawed(dice) {
        draft.op(dice.pick(&[op::OP_NOT, op::OP_DUP, op::OP_DROP, op::OP_RETURN, op::OP_VERIFY]));
    }
}

fn composed(dice: &mut Dice, tx: &Transaction, input: usize, flaws: bool) -> Lock {
    let wrap = script_wrap(dice);
    let mut draft = begin(wrap, tx, input, flaws);
    for _ in 0..dice.between(1, 6) {
        fragment(dice, &mut draft, 0);
    }
    if dice.one_in(2) {
        finish(dice, &mut draft);
    } else {
        draft.number(1);
    }
    let mut template = draft.finish();
    if dice.one_in(12) {
        template.script = code::damaged(dice, &template.script);
    }
    if wrap == Wrap::Bare && dice.one_in(16) {
        return split(dice, &template);
    }
    Lock::script(dice, wrap, template)
}

/// The first operations run in the signature script, the others in the output's script.
fn split(dice: &mut Dice, template: &Template) -> Lock {
    let operations = code::operations(&template.script);
    let (first, second) = operations.split_at(dice.below(operations.len()));
    let mut script_sig = Vec::new();
    for arg in &template.args {
        match arg {
            Arg::Item(item) => code::push(&mut script_sig, item),
            Arg::Signature(_) => code::push(&mut script_sig, &[]),
        }
    }
    script_sig.extend(first.concat());
    Lock::fixed(Wrap::Bare, second.concat(), script_sig, Vec::new())
}

/// Any operations on a few items.
fn soup(dice: &mut Dice) -> Lock {
    let wrap = script_wrap(dice);
    let mut script = Vec::new();
    for _ in 0..dice.between(1, 8) {
        match dice.below(6) {
            0 => {
                let length = dice.pick(&[0, 1, 2, 4, 5, 20, 33, 80]);
                code::push(&mut script, &dice.bytes(length));
            }
            1 => script.push(dice.between(0x51, 0x60) as u8),
            2 => script.push(dice.between(0x4f, 0xba) as u8),
            3 => script
                .push(dice.pick(&[0x63, 0x64, 0x67, 0x68, 0x69, 0x6b, 0x6c, 0x74, 0x87, 0x88, 0xac, 0xae, 0xb1, 0xb2])),
            4 => script
                .push(dice.pick(&[0x76, 0x79, 0x7a, 0x7c, 0x8b, 0x91, 0x93, 0x9c, 0xa5, 0xa9, 0xab, 0xad, 0xaf, 0xba])),
            _ => script.push(dice.byte()),
        }
    }
    if dice.one_in(2) {
        script.push(0x51);
    }
    let args = (0..dice.below(5)).map(|_| {
        let length = dice.pick(&[0, 1, 1, 2, 4, 5, 32, 33, 64, 71]);
        Arg::Item(dice.bytes(length))
    });
    let args = args.collect();
    Lock::script(dice, wrap, Template { script, args })
}

/// Scripts that hold the signature which they check: it is cut out of what legacy signatures sign.
/// Source: Bitcoin Core `FindAndDelete`, interpreter.cpp.
fn own_signature(dice: &mut Dice, tx: &Transaction, input: usize) -> Lock {
    let key = dice.below(KEYS.len());
    let hash_type = sign::ecdsa_hash_type(dice);
    let mut checked = Vec::new();
    code::push(&mut checked, &KEYS[key].public_key().serialize());
    let (before, after, dummy): (&[u8], &[u8], bool) = match dice.below(4) {
        0 => (&[], &[0xac], false),
        1 => (&[0xab], &[0xac], false),
        2 => (&[0x51], &[0x51, 0xae], true),
        _ => (&[], &[0xad, 0xab, 0x51], false),
    };
    // What the script code is once every push of the signature is gone.
    let copies = dice.between(1, 3);
    let drops = vec![0x75; copies];
    let rest = [&drops, before, &checked, after].concat();
    let executed_separator = before.first() == Some(&0xab);
    let in_script_sig = dice.one_in(4);
    let dummies: Vec<u8> = vec![0x00; usize::from(dummy)];
    let signed = match (executed_separator, in_script_sig) {
        (true, _) => rest[copies + 1..].to_vec(),
        (false, true) => [dummies.as_slice(), &rest].concat(),
        (false, false) => rest.clone(),
    };
    let signature = sign::ecdsa(&KEYS[key], sign::legacy_hash(tx, input, &signed, hash_type), hash_type);
    let mut script = Vec::new();
    for _ in 0..copies {
        if dice.one_in(6) { code::push_long(&mut script, &signature, 0) } else { code::push(&mut script, &signature) }
    }
    script.extend(rest);
    if dice.one_in(6) {
        code::push(&mut script, &signature);
        script.push(0x75);
    }
    if in_script_sig {
        let script_sig = [dummies, code::pushed(&signature), script].concat();
        return Lock::fixed(Wrap::Bare, dice.pick(&[vec![], vec![0x61], vec![0xab]]), script_sig, Vec::new());
    }
    let mut args = if dummy { vec![Arg::Item(Vec::new())] } else { Vec::new() };
    args.push(Arg::Item(signature));
    let wrap = dice.pick(&[Wrap::Bare, Wrap::ScriptHash, Wrap::Bare, Wrap::ScriptHash, Wrap::WitnessScriptHash]);
    Lock::script(dice, wrap, Template { script, args })
}

/// What only tapscript has: other leaf versions, other kinds of keys, success, and the budget of signatures.
fn leaf(dice: &mut Dice, tx: &Transaction, input: usize, flaws: bool) -> Lock {
    let mut draft = begin(Wrap::TaprootScript, tx, input, flaws);
    match dice.below(5) {
        0 => {
            let version = dice.pick(&[0x50, 0x66, 0x7e, 0x80, 0xbe, 0xc2, 0xfe, 0x00]);
            let length = dice.below(40);
            let script = dice.bytes(length);
            Lock::leaf(dice, version, Template { script, args: Vec::new() }, Annex::Maybe)
        }
        1 => {
            other_key(dice, &mut draft);
            Lock::script(dice, Wrap::TaprootScript, draft.finish())
        }
        2 => {
            fragment(dice, &mut draft, 0);
            let mut template = draft.finish();
            let at = dice.below(code::operations(&template.script).len() + 1);
            let mut operations: Vec<Vec<u8>> =
                code::operations(&template.script).into_iter().map(<[u8]>::to_vec).collect();
            // 0xff is no operation of any kind, and pushes that end beyond the script come after or before the success.
            operations.insert(at, vec![dice.pick(&[0x50, 0x62, 0x7e, 0x89, 0x95, 0xbb, 0xfe, 0xff])]);
            match dice.below(4) {
                0 => operations.push(vec![0x4c]),
                1 => operations.insert(0, vec![0x4d, 0xff]),
                _ => {}
            }
            template.script = operations.concat();
            Lock::script(dice, Wrap::TaprootScript, template)
        }
        3 => budget(dice, &mut draft),
        _ => {
            draft.separate();
            fragment(dice, &mut draft, 0);
            finish(dice, &mut draft);
            Lock::script(dice, Wrap::TaprootScript, draft.finish())
        }
    }
}

/// A key of another size than 32 bytes: of none, no signature is right; of others, every one is.
fn other_key(dice: &mut Dice, draft: &mut Draft) {
    let length = dice.pick(&[0, 1, 31, 33, 65]);
    let key = dice.bytes(length);
    let length = dice.pick(&[0, 1, 10, 64]);
    draft.take(&dice.bytes(length));
    match dice.below(3) {
        0 => draft.push(&key).op(op::OP_CHECKSIG),
        1 => draft.push(&key).op(op::OP_CHECKSIGVERIFY).number(1),
        _ => draft.number(dice.pick(&[0, 1, -1, 0x7fff_ffff])).push(&key).op(op::OP_CHECKSIGADD),
    };
}

/// As many signature checks as the witness pays for, or one too many. Source: BIP342, resource limits.
fn budget(dice: &mut Dice, draft: &mut Draft) -> Lock {
    let checks = dice.between(3, 20);
    let unknown = dice.one_in(3);
    let key = dice.below(KEYS.len());
    let key_bytes = if unknown { dice.bytes(33) } else { draft.key(dice, key) };
    let signing =
        Signing { key, hash_type: dice.pick(&[0, 1, 0x83]), code_from: 0, separator: u32::MAX, disfigured: false };
    let signature = if signing.hash_type == 0 { 64 } else { 65 };
    draft.push(&key_bytes);
    for _ in 0..checks {
        draft.op(op::OP_2DUP).op(op::OP_CHECKSIGVERIFY);
    }
    draft.op(op::OP_2DROP).number(1);
    let template = Template { script: draft.clone().finish().script, args: vec![Arg::Signature(signing)] };
    let witness_size = (50 * checks - 50 + 1).saturating_sub(dice.below(3));
    Lock::leaf(dice, TAPSCRIPT, template, Annex::Exact { witness_size, template_size: 1 + signature })
}

/// Witness programs of no known kind, and of known kinds with the wrong size.
fn other_program(dice: &mut Dice) -> Lock {
    let version = dice.pick(&[0, 1, 1, 2, 3, 15, 16, 16]);
    let length = dice.pick(&[2, 2, 19, 20, 21, 31, 32, 33, 39, 40, 41, 1]);
    let bytes = if version == 1 && dice.one_in(2) { vec![0x4e, 0x73] } else { dice.bytes(length) };
    let mut own = program(version, &bytes);
    if dice.one_in(8) {
        // With a longer push it is no program.
        own.truncate(1);
        code::push_long(&mut own, &bytes, dice.below(2));
    }
    let witness = (0..dice.below(3)).map(|_| dice.bytes(8)).collect();
    let extra = if dice.one_in(8) { vec![0x51] } else { Vec::new() };
    if dice.one_in(3) {
        let script_sig = [extra, code::pushed(&own)].concat();
        return Lock::fixed(Wrap::OtherProgram, script_hash(&own), script_sig, witness);
    }
    Lock::fixed(Wrap::OtherProgram, own, extra, witness)
}
