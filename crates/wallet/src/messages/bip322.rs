//! BIP322's simple signatures: the witness of a transaction that spends a coin which cannot exist.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_primitives::bitcoin;
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::consensus::encode;
use mycoin_primitives::bitcoin::opcodes::all::OP_RETURN;
use mycoin_primitives::bitcoin::script::Builder;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::bitcoin::{WPubkeyHash, opcodes};
use mycoin_primitives::hashes::{Hash as _, HashEngine as _, sha256};
use mycoin_primitives::{
    Amount, Network, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
};
use mycoin_script::{PrecomputedTransaction, ScriptFlags, verify_input};

use super::MessageError;
use crate::psbt::{Psbt, PsbtError};
use crate::signer::Signer;
use crate::wallet::Wallet;

const TAG: &[u8] = b"BIP0322-signed-message";
/// What newer signers put before a simple signature.
const MARK: &str = "smp";
/// SIGHASH_ALL.
const ALL: u8 = 1;

/// BIP340's tagged hash.
pub(super) fn tagged_hash(tag: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = sha256::Hash::hash(tag);
    let mut engine = sha256::Hash::engine();
    engine.input(tag.as_byte_array());
    engine.input(tag.as_byte_array());
    engine.input(message);
    sha256::Hash::from_engine(engine).to_byte_array()
}

/// The transaction with the coin: no chain can hold it.
pub(super) fn to_spend(script: &Script, message: &[u8]) -> Transaction {
    let hash = tagged_hash(TAG, message);
    let script_sig = Builder::new().push_opcode(opcodes::OP_0).push_slice(hash).into_script();
    let previous_output = OutPoint { txid: Txid::all_zeros(), vout: u32::MAX };
    Transaction {
        version: Version(0),
        lock_time: LockTime::ZERO,
        input: vec![TxIn { previous_output, script_sig, sequence: Sequence::ZERO, witness: Witness::new() }],
        output: vec![TxOut { value: Amount::ZERO, script_pubkey: script.to_owned() }],
    }
}

/// The transaction that is signed.
pub(super) fn to_sign(spent: &Transaction) -> Transaction {
    let previous_output = OutPoint { txid: spent.compute_txid(), vout: 0 };
    let nothing = Builder::new().push_opcode(OP_RETURN).into_script();
    Transaction {
        version: Version(0),
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ZERO,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::ZERO, script_pubkey: nothing }],
    }
}

pub(super) fn sign(
    wallet: &Wallet,
    script: &Script,
    message: &[u8],
    signer: Signer<'_>,
) -> Result<String, MessageError> {
    let spent = to_spend(script, message);
    let mut psbt = bitcoin::Psbt::from_unsigned_tx(to_sign(&spent)).map_err(|_| MessageError::NotASignature)?;
    for input in &mut psbt.inputs {
        input.witness_utxo = spent.output.first().cloned();
        input.non_witness_utxo = Some(spent.clone());
    }
    let signed = wallet.sign_psbt_alone(&Psbt(psbt), signer).map_err(|error| match error {
        PsbtError::Wallet(source) => MessageError::Wallet(source),
        PsbtError::Incomplete { .. } => MessageError::NeedsOthers,
        PsbtError::NothingToSign => MessageError::NotOurs,
        // These concern what others wrote into a PSBT, and this one is our own.
        PsbtError::NotAPsbt
        | PsbtError::Damaged
        | PsbtError::OtherVersion
        | PsbtError::OtherPayment
        | PsbtError::CoinMissing { .. }
        | PsbtError::AmountUnproven { .. }
        | PsbtError::CoinContradicted { .. }
        | PsbtError::SighashRefused { .. }
        | PsbtError::PaysTooMuch
        | PsbtError::SignatureRefused { .. } => MessageError::DoesNotHold,
    })?;
    let witness = signed.input.first().map(|input| encode::serialize(&input.witness)).unwrap_or_default();
    Ok(BASE64_STANDARD.encode(witness))
}

pub(super) fn verify(script: &Script, message: &[u8], signature: &str, network: &Network) -> Result<(), MessageError> {
    let text: String = signature.chars().filter(|character| !character.is_whitespace()).collect();
    let text = text.strip_prefix(MARK).unwrap_or(&text);
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| MessageError::NotASignature)?;
    let witness: Witness = encode::deserialize(&bytes).map_err(|_| MessageError::NotASignature)?;
    check_form(script, &witness)?;
    let spent = to_spend(script, message);
    let mut tx = to_sign(&spent);
    if let Some(input) = tx.input.first_mut() {
        input.witness = witness;
    }
    let data = PrecomputedTransaction::new(&tx, spent.output);
    verify_input(&data, 0, ScriptFlags::standard(network)).map_err(|_| MessageError::DoesNotHold)
}

/// What can be said of a signature before it is checked.
fn check_form(script: &Script, witness: &Witness) -> Result<(), MessageError> {
    let items: Vec<&[u8]> = witness.iter().collect();
    match items.as_slice() {
        // A key hash: signature and key.
        [signature, key] if script.is_p2wpkh() => {
            if key.len() != 33 || signature.len() < 9 {
                return Err(MessageError::NotASignature);
            }
            if script.as_bytes().get(2..) != Some(WPubkeyHash::hash(key).as_byte_array().as_slice()) {
                return Err(MessageError::OtherAddress);
            }
            if signature.last() == Some(&ALL) { Ok(()) } else { Err(MessageError::Partial) }
        }
        // A taproot key: the signature alone, which does not say whose it is.
        [signature] if script.is_p2tr() => match (signature.len(), signature.last()) {
            (64, _) | (65, Some(&ALL)) => Ok(()),
            (65, _) => Err(MessageError::Partial),
            _ => Err(MessageError::NotASignature),
        },
        // Signature and key, as a key hash has them, or a taproot script, or nothing of the kind.
        [_] | [_, _] => Err(MessageError::OtherAddress),
        _ => Err(MessageError::NotASignature),
    }
}
