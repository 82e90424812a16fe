//! One test per rule of script, named after it, and the BIPs' own vectors.

mod key_paths;
mod rsa_lock;
mod vectors;

use mycoin_primitives::{Amount, OutPoint, ScriptBuf, Transaction, TxOut, Txid, Witness, hashes::Hash};
use mycoin_script::{PrecomputedTransaction, ScriptError, ScriptFlags, verify_input};
use mycoin_testkit::builders::TxBuilder;
use mycoin_testkit::keys::Key;

/// What the blocks of a coin with the RSA lock are held to.
const FLAGS: ScriptFlags = ScriptFlags::CONSENSUS.union(ScriptFlags::RSA_LOCK);

/// An output of this script that holds a coin, always at the same place.
fn spent(script: ScriptBuf) -> (OutPoint, TxOut) {
    let outpoint = OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 1 };
    (outpoint, TxOut { value: Amount::from_sat(100_000), script_pubkey: script })
}

/// A transaction that spends an output of this script, unsigned, and the output.
fn spending(script: ScriptBuf) -> (Transaction, TxOut) {
    let (outpoint, output) = spent(script);
    let tx = TxBuilder::new().spend(outpoint, &output).pay(Key::taproot(9).script(), Amount::from_sat(99_000));
    (tx.unsigned(), output)
}

/// The verdict on a transaction's only input with this witness.
fn verdict(tx: &Transaction, output: &TxOut, witness: &[Vec<u8>]) -> Result<(), ScriptError> {
    let mut tx = tx.clone();
    tx.input[0].witness = Witness::from_slice(witness);
    verify_input(&PrecomputedTransaction::new(&tx, vec![output.clone()]), 0, FLAGS)
}
