//! RSA locks in a PSBT: proprietary fields, as `docs/psbt-rsa.md` specifies them.

use mycoin_primitives::Witness;
use mycoin_primitives::bitcoin::psbt::raw::ProprietaryKey;
use mycoin_primitives::bitcoin::psbt::{Input, Output};

/// The identifier of all our proprietary fields.
const PREFIX: &[u8] = b"mycoin";
/// The key, DER SubjectPublicKeyInfo; in inputs and outputs.
const RSA_KEY: u8 = 0x00;
/// The witness' first item; in inputs.
const RSA_SIGNATURE: u8 = 0x01;

fn field(subtype: u8) -> ProprietaryKey {
    ProprietaryKey { prefix: PREFIX.to_vec(), subtype, key: Vec::new() }
}

/// The key that unlocks the input's coin.
pub(super) fn key(input: &Input) -> Option<&[u8]> {
    input.proprietary.get(&field(RSA_KEY)).map(Vec::as_slice)
}

/// The input's signature, with its hash type where it is not DEFAULT.
pub(super) fn signature(input: &Input) -> Option<&[u8]> {
    input.proprietary.get(&field(RSA_SIGNATURE)).map(Vec::as_slice)
}

pub(super) fn set_key(input: &mut Input, spki: &[u8]) {
    input.proprietary.insert(field(RSA_KEY), spki.to_vec());
}

pub(super) fn set_output_key(output: &mut Output, spki: &[u8]) {
    output.proprietary.insert(field(RSA_KEY), spki.to_vec());
}

pub(super) fn set_signature(input: &mut Input, signature: Vec<u8>) {
    input.proprietary.insert(field(RSA_SIGNATURE), signature);
}

/// The finished witness, once key and signature are there.
pub(super) fn witness(input: &Input) -> Option<Witness> {
    Some(Witness::from_slice(&[signature(input)?, key(input)?]))
}
