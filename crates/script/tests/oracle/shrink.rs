//! Makes a case smaller while what is wrong with it stays wrong.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::consensus::serialize;
use mycoin_primitives::bitcoin::secp256k1::XOnlyPublicKey;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::{Amount, OutPoint, ScriptBuf, Sequence, TxOut, Txid, Witness, hashes::Hash};

use crate::case::{Case, FLAGS, legal_flags};
use crate::code;
use crate::lock::{program, script_hash, witness_script_hash};
use crate::sign;

/// The smallest case that single steps lead to and of which `wrong` still holds.
pub(crate) fn shrink(case: Case, wrong: impl Fn(&Case) -> bool) -> Case {
    let mut best = case;
    loop {
        let smaller = candidates(&best).find(|case| size(case) < size(&best) && wrong(case));
        let Some(smaller) = smaller else { return best };
        best = smaller;
    }
}

/// What has to become less with each step, so that shrinking ends.
fn size(case: &Case) -> (usize, u32, usize) {
    let bytes = serialize(&case.tx).len() + case.spent.iter().map(|output| serialize(output).len()).sum::<usize>();
    let bits = serialize(&case.tx).iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
    let values = case.spent.iter().map(|output| output.value.to_sat().count_ones() as usize).sum::<usize>();
    (bytes, case.flags.count_ones(), bits + values)
}

/// Every case that is one step smaller, the largest steps first.
fn candidates(case: &Case) -> impl Iterator<Item = Case> + '_ {
    let others = (0..case.tx.input.len()).filter(|at| *at != case.input).map(|at| without_input(case, at));
    let outputs = (0..case.tx.output.len()).map(|at| {
        let mut case = case.clone();
        case.tx.output.remove(at);
        case
    });
    let flags = FLAGS.iter().map(|(_, bit)| {
        let mut case = case.clone();
        case.flags = legal_flags(case.flags & !bit);
        case
    });
    others.chain(outputs).chain(scripts(case)).chain(flags).chain(plain(case))
}

fn without_input(case: &Case, at: usize) -> Case {
    let mut case = case.clone();
    case.tx.input.remove(at);
    case.spent.remove(at);
    case.input -= usize::from(at < case.input);
    case
}

/// Cases with less in the input's scripts and witness.
fn scripts(case: &Case) -> impl Iterator<Item = Case> + '_ {
    let items: Vec<Vec<u8>> = own_items(case);
    let fewer = thinner(&items).map(|items| with_items(case, &items));
    let cut = (0..items.len()).flat_map({
        let items = items.clone();
        move |at| {
            let length = items[at].len();
            let items = items.clone();
            [0, length / 2, length.saturating_sub(1)].into_iter().map(move |length| {
                let mut items = items.clone();
                items[at].truncate(length);
                with_items(case, &items)
            })
        }
    });
    let script_sig = thinner_script(case.tx.input[case.input].script_sig.as_bytes()).map(|script| {
        let mut case = case.clone();
        case.tx.input[case.input].script_sig = ScriptBuf::from_bytes(script);
        case
    });
    let output = thinner_script(case.spent[case.input].script_pubkey.as_bytes()).map(|script| {
        let mut case = case.clone();
        case.spent[case.input].script_pubkey = ScriptBuf::from_bytes(script);
        case
    });
    let inner = inner_script(case).into_iter().flat_map(|script| thinner_script(&script));
    fewer.chain(inner.filter_map(|script| with_inner_script(case, &script))).chain(script_sig).chain(output).chain(cut)
}

/// The same case with its numbers made plain.
fn plain(case: &Case) -> impl Iterator<Item = Case> + '_ {
    const STEPS: [fn(&mut Case); 7] = [
        |case| case.tx.version = Version(2),
        |case| case.tx.version = Version(1),
        |case| case.tx.lock_time = LockTime::ZERO,
        |case| case.tx.input.iter_mut().for_each(|input| input.sequence = Sequence::ZERO),
        |case| {
            let nowhere = OutPoint { txid: Txid::all_zeros(), vout: 0 };
            case.tx.input.iter_mut().for_each(|input| input.previous_output = nowhere);
        },
        |case| case.spent.iter_mut().for_each(|output| output.value = Amount::ZERO),
        |case| {
            let nothing = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new() };
            case.tx.output.iter_mut().for_each(|output| output.clone_from(&nothing));
        },
    ];
    STEPS.iter().map(|step| {
        let mut case = case.clone();
        step(&mut case);
        case
    })
}

/// The parts without a run of them: long runs first.
fn thinner<T: Clone>(parts: &[T]) -> impl Iterator<Item = Vec<T>> + use<T> {
    let parts = parts.to_vec();
    let runs = std::iter::successors(Some(parts.len()), |run| Some(run / 2)).take_while(|run| *run > 0);
    runs.flat_map(move |run| {
        let parts = parts.clone();
        (0..parts.len()).step_by(run).map(move |start| {
            let end = (start + run).min(parts.len());
            [&parts[..start], &parts[end..]].concat()
        })
    })
}

/// The script with fewer operations, or with less in its last one.
fn thinner_script(script: &[u8]) -> impl Iterator<Item = Vec<u8>> + use<> {
    let operations: Vec<Vec<u8>> = code::operations(script).into_iter().map(<[u8]>::to_vec).collect();
    let shorter = script.split_last().map(|(_, rest)| rest.to_vec());
    thinner(&operations).map(|operations| operations.concat()).chain(shorter)
}

fn own_items(case: &Case) -> Vec<Vec<u8>> {
    case.tx.input[case.input].witness.iter().map(<[u8]>::to_vec).collect()
}

fn with_items(case: &Case, items: &[Vec<u8>]) -> Case {
    let mut case = case.clone();
    case.tx.input[case.input].witness = Witness::from_slice(items);
    case
}

/// Where an output commits to a script, and which item of the input holds it.
enum Inner {
    Redeem,
    Witness {
        nested: bool,
    },
    /// The items before the script, which control block and annex follow.
    Leaf {
        at: usize,
    },
}

fn inner(case: &Case) -> Option<Inner> {
    let output = &case.spent[case.input].script_pubkey;
    let items = own_items(case);
    if output.is_p2wsh() {
        return Some(Inner::Witness { nested: false });
    }
    if output.is_p2tr() {
        let annex = usize::from(items.len() > 1 && items.last()?.first() == Some(&0x50));
        let control = items.len().checked_sub(1 + annex)?;
        return (items.get(control)?.len() >= 33).then_some(Inner::Leaf { at: control.checked_sub(1)? });
    }
    if output.is_p2sh() {
        let nested = ScriptBuf::from_bytes(last_push(case)?).is_p2wsh();
        return Some(if nested { Inner::Witness { nested } } else { Inner::Redeem });
    }
    None
}

fn last_push(case: &Case) -> Option<Vec<u8>> {
    let script_sig = case.tx.input[case.input].script_sig.as_bytes();
    code::push_data(code::operations(script_sig).last()?).map(<[u8]>::to_vec)
}

fn inner_script(case: &Case) -> Option<Vec<u8>> {
    match inner(case)? {
        Inner::Redeem => last_push(case),
        Inner::Witness { .. } => own_items(case).pop(),
        Inner::Leaf { at } => own_items(case).get(at).cloned(),
    }
}

/// Another script in the place of the one that the output commits to, and the commitment made anew.
fn with_inner_script(case: &Case, script: &[u8]) -> Option<Case> {
    let mut items = own_items(case);
    let mut script_sig = case.tx.input[case.input].script_sig.to_bytes();
    let output = match inner(case)? {
        Inner::Redeem => {
            let operations = code::operations(&script_sig);
            let before = operations.split_last()?.1.concat();
            script_sig = [before, code::pushed(script)].concat();
            script_hash(script)
        }
        Inner::Witness { nested } => {
            *items.last_mut()? = script.to_vec();
            let own = witness_script_hash(script);
            script_sig = if nested { code::pushed(&own) } else { Vec::new() };
            if nested { script_hash(&own) } else { own }
        }
        Inner::Leaf { at } => {
            items[at] = script.to_vec();
            let control = items.get_mut(at + 1)?;
            let internal = XOnlyPublicKey::from_slice(&control[1..33]).ok()?;
            // A commitment does not ask how long the way up was.
            control.truncate(33);
            let version = control[0] & 0xfe;
            let (key, parity) = sign::output_key(&internal, Some(sign::leaf_hash(version, script)));
            control[0] = version | parity.to_u8();
            program(1, &key.serialize())
        }
    };
    let mut changed = with_items(case, &items);
    changed.tx.input[case.input].script_sig = ScriptBuf::from_bytes(script_sig);
    changed.spent[case.input].script_pubkey = ScriptBuf::from_bytes(output);
    Some(changed)
}
