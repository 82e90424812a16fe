//! The two judges: Bitcoin Core's script verification, and ours.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bitcoinconsensus::{Error, Utxo, verify_with_flags};
use mycoin_primitives::bitcoin::consensus::serialize;
use mycoin_script::{PrecomputedTransaction, ScriptFlags, SignatureCache, verify_input, verify_input_cached};

use crate::case::Case;

/// Nothing, or the name of the broken rule.
pub(crate) type Verdict = Result<(), &'static str>;

/// The verdict that is always wrong.
const PANIC: &str = "a panic";

/// Whether Core accepts the input.
///
/// # Panics
///
/// Where Core can't read the case: that would be a mistake of the generator, not a verdict.
pub(crate) fn core_accepts(case: &Case) -> bool {
    let spent: Vec<Utxo> = case
        .spent
        .iter()
        .map(|output| Utxo {
            script_pubkey: output.script_pubkey.as_bytes().as_ptr(),
            script_pubkey_len: u32::try_from(output.script_pubkey.len()).expect("scripts are short"),
            value: output.value.to_sat().cast_signed(),
        })
        .collect();
    let own = &case.spent[case.input];
    let (script, value) = (own.script_pubkey.as_bytes(), own.value.to_sat());
    match verify_with_flags(script, value, &serialize(&case.tx), Some(&spent), case.input, case.flags) {
        Ok(()) => true,
        // The name that the binding has for "verified, and false".
        Err(Error::ERR_SCRIPT) => false,
        Err(error) => panic!("Core can't judge this case: {error}\n{case}"),
    }
}

/// Our flags for Core's bits.
pub(crate) fn our_flags(bits: u32) -> ScriptFlags {
    let named = ScriptFlags::ALL.iter().map(|(_, flag)| *flag);
    named.filter(|flag| flag.bits() & bits != 0).fold(ScriptFlags::NONE, ScriptFlags::union)
}

/// Our verdict. Where there is a cache, the transaction's other inputs are judged first, so that whatever a verdict
/// leaves behind, for signatures or for the transaction, is there when this one is made.
pub(crate) fn our_verdict(case: &Case, cache: Option<&SignatureCache>) -> Verdict {
    let data = PrecomputedTransaction::new(&case.tx, case.spent.as_slice());
    let flags = our_flags(case.flags);
    let verify = || match cache {
        None => verify_input(&data, case.input, flags),
        Some(cache) => {
            let others = (0..case.tx.input.len()).filter(|input| *input != case.input);
            others.for_each(|input| drop(verify_input_cached(&data, input, flags, cache)));
            verify_input_cached(&data, case.input, flags, cache)
        }
    };
    match catch_unwind(AssertUnwindSafe(verify)) {
        Ok(verdict) => verdict.map_err(|error| error.name()),
        Err(_) => Err(PANIC),
    }
}

/// Whether the verdict is Core's.
pub(crate) fn agrees(verdict: Verdict, core_accepts: bool) -> bool {
    verdict.is_ok() == core_accepts && verdict != Err(PANIC)
}
