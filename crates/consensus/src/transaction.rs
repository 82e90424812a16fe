//! A transaction's rules that need nothing but the transaction, and its lock time.

use std::collections::HashMap;

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::{Amount, Height, MAX_MONEY, Network, OutPoint, Transaction};

use crate::TxRuleError;

/// The most bytes that a transaction, or a block, has without its witnesses. Source: Bitcoin Core, MAX_BLOCK_WEIGHT / 4.
pub(crate) const MAX_STRIPPED_BYTES: usize = 1_000_000;

/// The size without witnesses that only an inner node of the Merkle tree may have. Source: BIP54.
pub(crate) const INNER_NODE_BYTES: usize = 64;

/// Checks what can be said of a transaction alone.
///
/// # Errors
///
/// [`TxRuleError`] names the first rule that it breaks, in Bitcoin Core's order, BIP54's size rule last.
///
/// Source: Bitcoin Core `CheckTransaction`, consensus/tx_check.cpp; BIP54.
pub fn check_transaction(tx: &Transaction, network: &Network) -> Result<(), TxRuleError> {
    let stripped_bytes = tx.base_size();
    if tx.input.is_empty() {
        return Err(TxRuleError::InputsEmpty);
    }
    if tx.output.is_empty() {
        return Err(TxRuleError::OutputsEmpty);
    }
    if stripped_bytes > MAX_STRIPPED_BYTES {
        return Err(TxRuleError::Oversize { stripped_bytes });
    }
    check_output_amounts(tx)?;
    check_duplicate_inputs(tx)?;
    check_prevouts(tx)?;
    if network.rules.bip54 && stripped_bytes == INNER_NODE_BYTES {
        return Err(TxRuleError::SixtyFourBytes);
    }
    Ok(())
}

fn check_output_amounts(tx: &Transaction) -> Result<(), TxRuleError> {
    let mut total = Amount::ZERO;
    for (output, paid) in tx.output.iter().enumerate() {
        let value = paid.value;
        // On the wire an amount is signed; the library reads it unsigned.
        if i64::try_from(value.to_sat()).is_err() {
            return Err(TxRuleError::OutputNegative { output });
        }
        if value > MAX_MONEY {
            return Err(TxRuleError::OutputTooLarge { output, value });
        }
        total = match total.checked_add(value) {
            Some(total) if total <= MAX_MONEY => total,
            Some(_) | None => return Err(TxRuleError::OutputTotalTooLarge { output }),
        };
    }
    Ok(())
}

fn check_duplicate_inputs(tx: &Transaction) -> Result<(), TxRuleError> {
    let mut seen: HashMap<OutPoint, usize> = HashMap::with_capacity(tx.input.len());
    for (second, input) in tx.input.iter().enumerate() {
        let outpoint = input.previous_output;
        if let Some(first) = seen.insert(outpoint, second) {
            return Err(TxRuleError::InputsDuplicate { outpoint, first, second });
        }
    }
    Ok(())
}

fn check_prevouts(tx: &Transaction) -> Result<(), TxRuleError> {
    if tx.is_coinbase() {
        let bytes = tx.input.first().map_or(0, |input| input.script_sig.len());
        return if (2..=100).contains(&bytes) { Ok(()) } else { Err(TxRuleError::CoinbaseScriptSize { bytes }) };
    }
    match tx.input.iter().position(|input| input.previous_output.is_null()) {
        Some(input) => Err(TxRuleError::PrevoutNull { input }),
        None => Ok(()),
    }
}

/// Whether the transaction's lock time lets it into a block at `height` whose parent has the median time past given.
///
/// Source: Bitcoin Core `IsFinalTx`, consensus/tx_verify.cpp; BIP113.
pub fn is_final(tx: &Transaction, height: Height, median_time_past: u32) -> bool {
    let passed = match tx.lock_time {
        LockTime::Blocks(locked) => locked.to_consensus_u32() < height.to_u32(),
        LockTime::Seconds(locked) => locked.to_consensus_u32() < median_time_past,
    };
    passed || tx.lock_time == LockTime::ZERO || tx.input.iter().all(|input| input.sequence.is_final())
}
