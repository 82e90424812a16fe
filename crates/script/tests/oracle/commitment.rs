//! Outputs that commit to a script: finding the script, and putting another in its place.

use mycoin_primitives::bitcoin::secp256k1::XOnlyPublicKey;
use mycoin_primitives::{ScriptBuf, Witness};

use crate::case::Case;
use crate::code;
use crate::lock::{program, script_hash, witness_script_hash};
use crate::sign;

/// The witness of the input.
pub(crate) fn own_items(case: &Case) -> Vec<Vec<u8>> {
    case.tx.input[case.input].witness.iter().map(<[u8]>::to_vec).collect()
}

/// Another witness for the input.
pub(crate) fn with_items(case: &Case, items: &[Vec<u8>]) -> Case {
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

/// The script that the output commits to, as the input shows it.
pub(crate) fn inner_script(case: &Case) -> Option<Vec<u8>> {
    match inner(case)? {
        Inner::Redeem => last_push(case),
        Inner::Witness { .. } => own_items(case).pop(),
        Inner::Leaf { at } => own_items(case).get(at).cloned(),
    }
}

/// Another script in the place of the one that the output commits to, and the commitment made anew.
pub(crate) fn with_inner_script(case: &Case, script: &[u8]) -> Option<Case> {
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
