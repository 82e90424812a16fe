//! Pieces of scripts that check signatures.

use mycoin_primitives::bitcoin::opcodes::all as op;

use crate::dice::Dice;
use crate::draft::{Draft, Kind};
use crate::fragments::operand;
use crate::sign::KEYS;

/// A signature by one key.
pub(crate) fn signature(dice: &mut Dice, draft: &mut Draft) {
    let key = dice.below(KEYS.len());
    draft.take_signature(dice, key);
    let key = draft.key(dice, key);
    draft.push(&key);
    if dice.one_in(3) {
        draft.op(op::OP_CHECKSIG).op(op::OP_VERIFY)
    } else {
        draft.op(op::OP_CHECKSIGVERIFY)
    };
}

/// Signatures by some of several keys.
pub(crate) fn multisig(dice: &mut Dice, draft: &mut Draft) {
    let verify = dice.one_in(2);
    keys(dice, draft, verify);
    if !verify {
        draft.op(op::OP_VERIFY);
    }
}

/// Leaves true where enough of the keys signed.
pub(crate) fn many_keys(dice: &mut Dice, draft: &mut Draft) {
    keys(dice, draft, false);
}

fn keys(dice: &mut Dice, draft: &mut Draft, verify: bool) {
    let flawed = draft.flawed(dice);
    let count = dice.pick(&[0, 1, 2, 2, 3, 3, 4, if flawed { 21 } else { 5 }]);
    let needed = dice.between(usize::from(count > 0), count);
    let first = dice.below(KEYS.len());
    let keys: Vec<usize> = (0..count).map(|nth| (first + nth) % KEYS.len()).collect();
    let mut signing: Vec<bool> = (0..count).map(|nth| nth < needed).collect();
    (0..count).for_each(|nth| signing.swap(nth, dice.below(count)));
    if draft.kind == Kind::Tapscript && !(flawed && dice.one_in(4)) {
        draft.number(0);
        for (key, signs) in keys.iter().zip(signing) {
            if signs {
                draft.take_signature(dice, *key)
            } else {
                draft.take(&[])
            };
            let key = draft.key(dice, *key);
            draft.push(&key).op(op::OP_CHECKSIGADD);
        }
        draft.number(needed as i64).op(if verify { op::OP_NUMEQUALVERIFY } else { op::OP_NUMEQUAL });
        return;
    }
    let mut signers: Vec<usize> = keys.iter().zip(&signing).filter(|(_, signs)| **signs).map(|(key, _)| *key).collect();
    if draft.flawed(dice) {
        signers.rotate_left(usize::from(needed > 1));
    }
    for key in signers.into_iter().rev() {
        draft.take_signature(dice, key);
    }
    let dummy = if draft.flawed(dice) { dice.bytes(1) } else { Vec::new() };
    draft.take(&dummy);
    let claimed = if draft.flawed(dice) { dice.pick(&[-1, 0, count as i64 + 1]) } else { needed as i64 };
    count_item(dice, draft, claimed);
    for key in keys {
        let key = draft.key(dice, key);
        draft.push(&key);
    }
    let count = if draft.flawed(dice) { dice.pick(&[-1, 21, count as i64 + 1]) } else { count as i64 };
    count_item(dice, draft, count);
    draft.op(if verify { op::OP_CHECKMULTISIGVERIFY } else { op::OP_CHECKMULTISIG });
}

/// How many keys or signatures there are, sometimes written longer than it has to be.
fn count_item(dice: &mut Dice, draft: &mut Draft, count: i64) {
    if dice.one_in(10) {
        operand(dice, draft, count);
    } else {
        draft.number(count);
    }
}
