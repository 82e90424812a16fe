//! Makes a case smaller while what is wrong with it stays wrong.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::consensus::serialize;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::{Amount, OutPoint, ScriptBuf, Sequence, TxOut, Txid, hashes::Hash};

use crate::case::{Case, FLAGS, legal_flags};
use crate::code;
use crate::commitment::{inner_script, own_items, with_inner_script, with_items};

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
