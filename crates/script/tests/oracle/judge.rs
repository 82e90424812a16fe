//! The two judges: Bitcoin Core's script verification, and ours.

use bitcoinconsensus::{Error, Utxo, verify_with_flags};
use mycoin_primitives::bitcoin::consensus::serialize;

use crate::case::Case;

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
