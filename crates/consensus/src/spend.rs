//! A transaction's rules that need the coins it spends: values, maturity, relative locks.

use mycoin_primitives::bitcoin::relative::LockTime as RelativeLock;
use mycoin_primitives::{Amount, Coin, Height, MAX_MONEY, Network, Script, Sequence, Transaction};
use mycoin_script::bip54_signature_operations;

use crate::{HeaderBranch, TxRuleError, median_time_past};

/// The most legacy signature operations that a transaction's inputs may execute. Source: BIP54.
pub const MAX_TX_LEGACY_SIGNATURE_OPERATIONS: u64 = 2_500;

/// The longest script that can be executed. Source: Bitcoin Core `MAX_SCRIPT_SIZE`, script/script.h.
const MAX_SCRIPT_SIZE: usize = 10_000;

/// Whether no witness or script can ever spend an output with this script, so that it never becomes a coin.
///
/// Source: Bitcoin Core `CScript::IsUnspendable`, script/script.h.
pub fn is_unspendable(script: &Script) -> bool {
    script.is_op_return() || script.len() > MAX_SCRIPT_SIZE
}

/// Returns the fee that `tx` pays in a block at `height`: the value that it spends minus the value that it creates.
///
/// `coins` holds the coin that each input spends, in input order; `tx` is no coinbase and passed
/// [`crate::check_transaction`].
///
/// # Errors
///
/// [`TxRuleError::InputMissingOrSpent`] for an input without a coin, [`TxRuleError::PrematureCoinbaseSpend`],
/// [`TxRuleError::InputValuesOutOfRange`], [`TxRuleError::OutputsAboveInputs`] and, where the network has BIP54,
/// [`TxRuleError::TooManyLegacySignatureOperations`].
///
/// Source: Bitcoin Core `Consensus::CheckTxInputs`, consensus/tx_verify.cpp; BIP54.
pub fn check_spend(tx: &Transaction, coins: &[Coin], network: &Network, height: Height) -> Result<Amount, TxRuleError> {
    if let Some((input, missing)) = tx.input.iter().enumerate().nth(coins.len()) {
        return Err(TxRuleError::InputMissingOrSpent { input, outpoint: missing.previous_output });
    }
    let held = checked_value(coins, network, height)?;
    let paid =
        tx.output.iter().fold(Amount::ZERO, |paid, output| paid.checked_add(output.value).unwrap_or(Amount::MAX));
    let fee = held.checked_sub(paid).ok_or(TxRuleError::OutputsAboveInputs { paid, held })?;
    if network.rules.bip54 {
        check_legacy_signature_operations(tx, coins)?;
    }
    Ok(fee)
}

fn checked_value(coins: &[Coin], network: &Network, height: Height) -> Result<Amount, TxRuleError> {
    let mut held = Amount::ZERO;
    for (input, coin) in coins.iter().enumerate() {
        if coin.is_coinbase && height.above(coin.height) < network.maturity {
            let (created, maturity) = (coin.height, network.maturity);
            return Err(TxRuleError::PrematureCoinbaseSpend { input, created, height, maturity });
        }
        held = match held.checked_add(coin.output.value) {
            Some(held) if held <= MAX_MONEY => held,
            Some(_) | None => return Err(TxRuleError::InputValuesOutOfRange { input }),
        };
    }
    Ok(held)
}

fn check_legacy_signature_operations(tx: &Transaction, coins: &[Coin]) -> Result<(), TxRuleError> {
    let found = bip54_signature_operations(tx, coins.iter().map(|coin| &coin.output));
    if found > MAX_TX_LEGACY_SIGNATURE_OPERATIONS {
        return Err(TxRuleError::TooManyLegacySignatureOperations { found });
    }
    Ok(())
}

/// Checks that the relative locks of `tx` let it into a block on top of `branch`.
///
/// `coins` holds the coin that each input spends, in input order. A coin that is not confirmed yet counts as created by
/// that block.
///
/// # Errors
///
/// [`TxRuleError::SequenceLocked`] names the first input that is still locked.
///
/// Source: Bitcoin Core `CalculateSequenceLocks`, `EvaluateSequenceLocks`, consensus/tx_verify.cpp; BIP68, BIP112.
pub fn check_sequence_locks(tx: &Transaction, coins: &[Coin], branch: &dyn HeaderBranch) -> Result<(), TxRuleError> {
    // The version is unsigned to this rule: a negative one is a high one.
    if tx.version.0.cast_unsigned() < 2 {
        return Ok(());
    }
    let parent = branch.tip_height();
    for (input, (spending, coin)) in tx.input.iter().zip(coins).enumerate() {
        let sequence: Sequence = spending.sequence;
        let passed = match sequence.to_relative_lock_time() {
            None => true,
            // A block may hold the spend if it stands at least that many blocks above the coin.
            Some(RelativeLock::Blocks(blocks)) => parent.next().above(coin.height) >= u32::from(blocks.value()),
            // Time runs from the median time past of the block before the coin's.
            Some(RelativeLock::Time(time)) => {
                let created = u64::from(median_time_past(branch, coin.height.back(1)));
                let passed = u64::from(median_time_past(branch, parent));
                passed >= created + u64::from(time.value()) * 512
            }
        };
        if !passed {
            return Err(TxRuleError::SequenceLocked { input, sequence });
        }
    }
    Ok(())
}
