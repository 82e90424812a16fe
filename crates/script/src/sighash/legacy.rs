//! What an ECDSA signature without a witness signs: nearly the whole transaction, again for each input and script.
//!
//! In:    an input, the script that is covered, a hash type.
//! Out:   the message, hashed as far as its hash type.
//! Never: the beginning of a message hashed again for every input.
//!
//! Source: Bitcoin Core `SignatureHash`, `CTransactionSignatureSerializer`, script/interpreter.cpp.

use std::fmt;
use std::sync::OnceLock;

use mycoin_primitives::bitcoin::consensus::encode::VarInt;
use mycoin_primitives::hashes::{Hash, HashEngine, sha256};
use mycoin_primitives::{Script, Transaction, TxIn, TxOut};

use super::{Covered, Input, Outputs, PrecomputedTransaction, finish, hash_outpoint, hash_output, hash_part, write};
use crate::ScriptError;
use crate::reader::without_code_separators;

/// What is signed when SINGLE names an output that is not there: the number 1, little-endian.
pub(crate) const SINGLE_WITHOUT_OUTPUT: [u8; 32] = {
    let mut one = [0; 32];
    one[0] = 1;
    one
};
/// How many bytes another input takes in the hash: its outpoint, no script, its sequence number.
const BLANK_INPUT_BYTES: usize = 41;
/// After how many inputs the hash of the message so far is kept, so that an input's signature need not begin at the first.
const INPUTS_PER_MIDSTATE: usize = 64;

/// The parts of the transaction that its legacy signatures hash again and again.
#[derive(Debug, Default)]
pub(super) struct LegacyParts {
    inputs: OnceLock<BlankInputs>,
    /// With sequence numbers of zero.
    open_inputs: OnceLock<BlankInputs>,
    outputs: OnceLock<Vec<u8>>,
}

/// Every input without its script, and the hash of the message up to each [`INPUTS_PER_MIDSTATE`]th.
struct BlankInputs {
    bytes: Vec<u8>,
    midstates: Vec<sha256::HashEngine>,
}

impl BlankInputs {
    fn new(tx: &Transaction, sequence: impl Fn(&TxIn) -> u32) -> Self {
        let mut bytes = Vec::with_capacity(tx.input.len() * BLANK_INPUT_BYTES);
        for input in &tx.input {
            write(&mut bytes, &input.previous_output);
            bytes.push(0);
            bytes.extend_from_slice(&sequence(input).to_le_bytes());
        }
        let mut engine = begin(tx, tx.input.len());
        let midstate = |inputs: &[u8]| {
            let before = engine.clone();
            engine.input(inputs);
            before
        };
        let midstates = bytes.chunks(BLANK_INPUT_BYTES * INPUTS_PER_MIDSTATE).map(midstate).collect();
        Self { bytes, midstates }
    }

    /// The hash of the message up to the input at `index`, and the inputs after it; `None` if it is not there.
    fn around(&self, index: usize) -> Option<(sha256::HashEngine, &[u8])> {
        let place = index / INPUTS_PER_MIDSTATE;
        let mut engine = self.midstates.get(place)?.clone();
        let own = index * BLANK_INPUT_BYTES;
        engine.input(self.bytes.get(place * INPUTS_PER_MIDSTATE * BLANK_INPUT_BYTES..own)?);
        Some((engine, self.bytes.get(own + BLANK_INPUT_BYTES..)?))
    }
}

impl fmt::Debug for BlankInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlankInputs").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl LegacyParts {
    /// Unless all outputs are covered, the other inputs' sequence numbers are left open: zero.
    fn blank_inputs(&self, tx: &Transaction, outputs: Outputs) -> &BlankInputs {
        match outputs {
            Outputs::All => self.inputs.get_or_init(|| BlankInputs::new(tx, |input| input.sequence.to_consensus_u32())),
            Outputs::None | Outputs::Single => self.open_inputs.get_or_init(|| BlankInputs::new(tx, |_| 0)),
        }
    }

    fn outputs(&self, tx: &Transaction) -> &[u8] {
        self.outputs.get_or_init(|| {
            let mut outputs = Vec::new();
            tx.output.iter().for_each(|output| write(&mut outputs, output));
            outputs
        })
    }
}

/// The hash that an ECDSA signature without a witness signs, in the order in which it is hashed. Hash types may be undefined.
///
/// `script_code` is the executed script from its last executed CODESEPARATOR on, the signature taken out.
/// Where SINGLE names an output that is not there, the number 1 is signed, which is Bitcoin's rule for ever.
///
/// # Errors
///
/// [`ScriptError::SpentOutputsMismatch`] if there is no such input.
pub fn legacy_sighash(
    tx: &Transaction,
    input: usize,
    script_code: &Script,
    hash_type: u32,
) -> Result<[u8; 32], ScriptError> {
    let inputs = tx.input.len();
    let spending = tx.input.get(input).ok_or(ScriptError::SpentOutputsMismatch { input, inputs, outputs: inputs })?;
    let data = PrecomputedTransaction::new(tx, Vec::new());
    let output = TxOut::NULL;
    let input = Input { data: &data, index: input, spending, output: &output };
    Ok(match legacy_message(input, script_code.as_bytes(), hash_type) {
        Some(engine) => finish(engine, hash_type),
        None => SINGLE_WITHOUT_OUTPUT,
    })
}

/// The message without its hash type; `None` where SINGLE names an output that is not there.
pub(crate) fn legacy_message(input: Input<'_>, script_code: &[u8], hash_type: u32) -> Option<sha256::HashEngine> {
    let (tx, parts) = (input.data.tx, &input.data.legacy);
    let covered = Covered::by(hash_type);
    if covered.outputs == Outputs::Single && input.index >= tx.output.len() {
        return None;
    }
    let (mut engine, after) = if covered.anyone_can_pay {
        (begin(tx, 1), &[][..])
    } else {
        let inputs = parts.blank_inputs(tx, covered.outputs);
        inputs.around(input.index).expect("an input stands among its transaction's")
    };
    hash_own_input(&mut engine, input.spending, script_code);
    engine.input(after);
    match covered.outputs {
        Outputs::All => {
            hash_part(&mut engine, &VarInt::from(tx.output.len()));
            engine.input(parts.outputs(tx));
        }
        Outputs::None => hash_part(&mut engine, &VarInt(0)),
        Outputs::Single => {
            hash_part(&mut engine, &VarInt::from(input.index + 1));
            (0..input.index).for_each(|_| hash_output(&mut engine, &TxOut::NULL));
            tx.output.get(input.index).into_iter().for_each(|output| hash_output(&mut engine, output));
        }
    }
    engine.input(&tx.lock_time.to_consensus_u32().to_le_bytes());
    Some(engine)
}

/// The message up to its inputs.
fn begin(tx: &Transaction, inputs: usize) -> sha256::HashEngine {
    let mut engine = sha256::Hash::engine();
    engine.input(&tx.version.0.to_le_bytes());
    hash_part(&mut engine, &VarInt::from(inputs));
    engine
}

fn hash_own_input(engine: &mut sha256::HashEngine, spending: &TxIn, script_code: &[u8]) {
    hash_outpoint(engine, &spending.previous_output);
    let (length, kept) = without_code_separators(script_code);
    hash_part(engine, &VarInt::from(length));
    engine.input(&kept);
    engine.input(&spending.sequence.to_consensus_u32().to_le_bytes());
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::bitcoin::absolute::LockTime;
    use mycoin_primitives::bitcoin::sighash::SighashCache;
    use mycoin_primitives::bitcoin::transaction::Version;
    use mycoin_primitives::{Amount, OutPoint, ScriptBuf, Sequence, Witness};

    use super::*;

    /// A transaction of more inputs than stand between two kept hashes, the first half of them with outputs.
    fn large() -> Transaction {
        let input = |vout: u32| TxIn {
            previous_output: OutPoint { vout, ..OutPoint::null() },
            script_sig: ScriptBuf::from_bytes(vec![0x51; 3]),
            sequence: Sequence::from_consensus(vout),
            witness: Witness::new(),
        };
        let output = |value| TxOut { value: Amount::from_sat(value), script_pubkey: ScriptBuf::from_bytes(vec![0x52]) };
        let (input, output) = ((0..200).map(input).collect(), (0..100).map(output).collect());
        Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output }
    }

    #[test]
    fn kept_hashes_make_no_difference() {
        let tx = large();
        let (library, script) = (SighashCache::new(&tx), ScriptBuf::from_bytes(vec![0xac; 5]));
        for input in [0, 1, 63, 64, 65, 99, 100, 127, 128, 191, 192, 199] {
            for hash_type in [0x01, 0x02, 0x03, 0x81, 0x82, 0x83] {
                let theirs = library.legacy_signature_hash(input, &script, hash_type).expect("the input is there");
                let ours = legacy_sighash(&tx, input, &script, hash_type).expect("the input is there");
                assert_eq!(ours, theirs.to_byte_array(), "input {input}, hash type {hash_type:02x}");
            }
        }
        assert!(legacy_sighash(&tx, 200, &script, 1).is_err());
    }

    #[test]
    fn a_single_without_its_output_signs_the_number_1() {
        let one = legacy_sighash(&large(), 100, Script::new(), 3).expect("the input is there");
        assert_eq!(one, SINGLE_WITHOUT_OUTPUT);
        assert_eq!((one[0], &one[1..]), (1, &[0; 31][..]));
    }
}
