//! Changes to a case that should mostly make it wrong, and sometimes must not.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::{Amount, ScriptBuf};

use crate::batch;
use crate::case::Case;
use crate::code;
use crate::commitment::{inner_script, own_items, with_inner_script, with_items};
use crate::dice::Dice;
use crate::sign;

/// Changes one thing.
pub(crate) fn mutate(dice: &mut Dice, case: &mut Case) {
    match dice.below(18) {
        0..=2 => signature(dice, case),
        3..=5 => witness(dice, case),
        6 | 7 => script_sig(dice, case),
        8 | 9 => output_script(dice, case),
        10 => value(dice, case),
        11 | 12 => shared(dice, case),
        13 => neighbours(dice, case),
        14 => outputs(dice, case),
        15 | 16 => committed_script(dice, case),
        _ => case.flags = batch::flags(dice),
    }
}

fn flip(dice: &mut Dice, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let at = dice.below(bytes.len());
        bytes[at] ^= 1 << dice.below(8);
    }
}

fn pushes(case: &Case) -> Vec<Vec<u8>> {
    code::operations(case.tx.input[case.input].script_sig.as_bytes()).into_iter().map(<[u8]>::to_vec).collect()
}

fn set_pushes(case: &mut Case, pushes: &[Vec<u8>]) {
    case.tx.input[case.input].script_sig = ScriptBuf::from_bytes(pushes.concat());
}

/// Changes something that looks like a signature, wherever it stands.
fn signature(dice: &mut Dice, case: &mut Case) {
    let mut items = own_items(case);
    let (mut pushes, mut done) = (pushes(case), false);
    let looks = |bytes: &[u8]| matches!(bytes, [0x30, ..]) && (60..75).contains(&bytes.len());
    let schnorr = |bytes: &[u8]| (64..=65).contains(&bytes.len());
    for item in &mut items {
        if !done && (looks(item) || schnorr(item)) && dice.one_in(2) {
            *item = if looks(item) { other_ecdsa(dice, item) } else { other_schnorr(dice, item) };
            done = true;
        }
    }
    for push in &mut pushes {
        let data = code::push_data(push).filter(|data| looks(data)).map(<[u8]>::to_vec);
        if let Some(data) = data.filter(|_| !done && dice.one_in(2)) {
            *push = code::pushed(&other_ecdsa(dice, &data));
            done = true;
        }
    }
    *case = with_items(case, &items);
    set_pushes(case, &pushes);
}

fn other_ecdsa(dice: &mut Dice, signature: &[u8]) -> Vec<u8> {
    let mut signature = signature.to_vec();
    match dice.below(4) {
        0 => flip(dice, &mut signature),
        1 => drop(signature.last_mut().map(|hash_type| *hash_type = sign::ecdsa_hash_type(dice))),
        _ => signature = sign::disfigure_ecdsa(dice, &signature),
    }
    signature
}

fn other_schnorr(dice: &mut Dice, signature: &[u8]) -> Vec<u8> {
    let mut signature = signature.to_vec();
    match dice.below(5) {
        0 => flip(dice, &mut signature),
        1 => signature.push(dice.pick(&[0, 1, 0x81])),
        2 => drop(signature.pop()),
        3 => signature.clear(),
        _ => drop(signature.get_mut(64).map(|hash_type| *hash_type = dice.pick(&[0, 1, 2, 3, 0x80, 0x81, 0x82, 0x83]))),
    }
    signature
}

fn witness(dice: &mut Dice, case: &mut Case) {
    let mut items = own_items(case);
    let at = dice.below(items.len());
    let other = dice.below(items.len());
    let length = dice.pick(&[0, 1, 33, 64, 521]);
    if items.is_empty() {
        items.push(dice.bytes(length));
    } else {
        match dice.below(9) {
            0 => drop(items.remove(at)),
            1 => items.insert(at, dice.bytes(length)),
            2 => items.insert(at, items[at].clone()),
            3 => items.swap(at, other),
            4 => items[at].clear(),
            5 => items[at].push(0),
            6 => drop(items[at].pop()),
            7 => items.push([vec![0x50], dice.bytes(length)].concat()),
            _ => flip(dice, &mut items[at]),
        }
    }
    *case = with_items(case, &items);
}

fn script_sig(dice: &mut Dice, case: &mut Case) {
    let mut pushes = pushes(case);
    let at = dice.below(pushes.len() + 1);
    match dice.below(7) {
        0 => pushes.insert(at, vec![dice.pick(&[0x00, 0x51, 0x4f])]),
        1 => pushes.insert(at, vec![dice.pick(&[0x61, 0x50, 0xab, 0xac, 0x6a, 0x63, 0x6b])]),
        2 => pushes.truncate(at),
        3 => pushes.iter_mut().skip(at).take(1).for_each(|push| {
            if let Some(data) = code::push_data(push).map(<[u8]>::to_vec) {
                push.clear();
                code::push_long(push, &data, dice.below(3));
            }
        }),
        4 => drop(pushes.last_mut().and_then(Vec::pop)),
        5 => pushes.iter_mut().skip(at).take(1).for_each(|push| flip(dice, push)),
        _ => pushes.reverse(),
    }
    set_pushes(case, &pushes);
}

fn output_script(dice: &mut Dice, case: &mut Case) {
    let script = &mut case.spent[case.input].script_pubkey;
    let mut bytes = script.to_bytes();
    match dice.below(4) {
        0 => bytes.push(dice.pick(&[0x51, 0x61, 0xac, 0x75])),
        1 => drop(bytes.pop()),
        2 => drop(bytes.first_mut().map(|first| *first = dice.pick(&[0x00, 0x51, 0x52, 0x60]))),
        _ => flip(dice, &mut bytes),
    }
    *script = ScriptBuf::from_bytes(bytes);
}

/// Another script behind a hash or a taproot key, so that it runs and does not just miss its commitment.
fn committed_script(dice: &mut Dice, case: &mut Case) {
    if let Some(script) = inner_script(case) {
        let changed = with_inner_script(case, &code::damaged(dice, &script));
        *case = changed.unwrap_or_else(|| case.clone());
    }
}

fn value(dice: &mut Dice, case: &mut Case) {
    let at = dice.below(case.spent.len());
    let value = &mut case.spent[at].value;
    *value = Amount::from_sat(value.to_sat() ^ 1 << dice.below(63));
}

/// What all inputs sign.
fn shared(dice: &mut Dice, case: &mut Case) {
    let own = &mut case.tx.input[case.input];
    match dice.below(4) {
        0 => case.tx.version = Version(case.tx.version.0 ^ 1 << dice.below(32)),
        1 => case.tx.lock_time = LockTime::from_consensus(case.tx.lock_time.to_consensus_u32() ^ 1 << dice.below(32)),
        2 => own.sequence = batch::sequence(dice),
        _ => own.previous_output.vout ^= 1,
    }
}

/// The other inputs: some hash types do not look at them.
fn neighbours(dice: &mut Dice, case: &mut Case) {
    let at = dice.below(case.tx.input.len());
    let is_own = at == case.input;
    match dice.below(5) {
        0 => case.tx.input[at].previous_output.vout ^= 1,
        1 => case.tx.input[at].sequence = batch::sequence(dice),
        2 => {
            case.tx.input.push(batch::unsigned(dice));
            case.spent.push(batch::output(dice));
        }
        3 if !is_own => {
            case.tx.input.remove(at);
            case.spent.remove(at);
            case.input -= usize::from(at < case.input);
        }
        _ if !is_own => case.spent[at] = batch::output(dice),
        _ => {
            case.tx.input.swap(at, 0);
            case.spent.swap(at, 0);
            case.input = 0;
        }
    }
}

fn outputs(dice: &mut Dice, case: &mut Case) {
    let at = dice.below(case.tx.output.len());
    let added = batch::output(dice);
    match dice.below(3) {
        0 => case.tx.output.push(added),
        1 if !case.tx.output.is_empty() => drop(case.tx.output.remove(at)),
        _ => drop(case.tx.output.get_mut(at).map(|output| *output = added)),
    }
}
