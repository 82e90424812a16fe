//! Esplora's JSON, field for field. Source: Blockstream/esplora, API.md.

use mycoin_index::{IndexError, IndexedBlock, ScriptHash, ScriptTotals};
use mycoin_primitives::{Height, Network, Script, Transaction, TxOut, Txid, address_of};
use serde_json::{Map, Value, json};

use crate::error::ApiError;
use crate::state::View;

/// How many blocks the median time past looks at. Source: BIP113.
const MEDIAN_BLOCKS: u32 = 11;

/// Where a transaction stands.
pub(crate) fn status(block: Option<&IndexedBlock>) -> Value {
    match block {
        Some(block) => json!({
            "confirmed": true,
            "block_height": block.height,
            "block_hash": block.hash,
            "block_time": block.header.time,
        }),
        None => json!({ "confirmed": false }),
    }
}

/// A transaction of a block, or one that waits.
pub(crate) fn transaction(
    view: &View<'_>,
    tx: &Transaction,
    txid: Txid,
    block: Option<&IndexedBlock>,
) -> Result<Value, IndexError> {
    let (mut inputs, mut spent, mut all_known) = (Vec::new(), 0_u64, true);
    for input in &tx.input {
        let prevout = if tx.is_coinbase() { None } else { view.output(&input.previous_output)? };
        match &prevout {
            Some(output) => spent = spent.saturating_add(output.value.to_sat()),
            None => all_known = false,
        }
        let witness: Vec<String> = input.witness.iter().map(hex).collect();
        inputs.push(json!({
            "txid": input.previous_output.txid,
            "vout": input.previous_output.vout,
            "prevout": prevout.map(|output| self::output(&output, view.network)),
            "scriptsig": input.script_sig.to_hex_string(),
            "scriptsig_asm": input.script_sig.to_asm_string(),
            "witness": witness,
            "is_coinbase": tx.is_coinbase(),
            "sequence": input.sequence,
        }));
    }
    let paid = tx.output.iter().fold(0_u64, |sum, output| sum.saturating_add(output.value.to_sat()));
    // Esplora gives a coinbase the fee 0.
    let fee = if tx.is_coinbase() { Some(0) } else { spent.checked_sub(paid).filter(|_| all_known) };
    Ok(json!({
        "txid": txid,
        "version": tx.version,
        "locktime": tx.lock_time.to_consensus_u32(),
        "vin": inputs,
        "vout": tx.output.iter().map(|output| self::output(output, view.network)).collect::<Vec<_>>(),
        "size": tx.total_size(),
        "weight": tx.weight(),
        "sigops": Value::Null,
        "fee": fee,
        "status": status(block),
    }))
}

/// An output.
pub(crate) fn output(output: &TxOut, network: &Network) -> Value {
    let script = &output.script_pubkey;
    let mut fields = Map::new();
    fields.insert("scriptpubkey".into(), script.to_hex_string().into());
    fields.insert("scriptpubkey_asm".into(), script.to_asm_string().into());
    fields.insert("scriptpubkey_type".into(), script_type(script, network).into());
    if let Some(address) = address_of(script, network) {
        fields.insert("scriptpubkey_address".into(), address.into());
    }
    fields.insert("value".into(), output.value.to_sat().into());
    fields.into()
}

/// The kind of an output script, as Esplora's server names it; `v16_rsa` is ours.
fn script_type(script: &Script, network: &Network) -> &'static str {
    let bytes = script.as_bytes();
    if bytes.is_empty() {
        "empty"
    } else if script.is_op_return() {
        "op_return"
    } else if script.is_p2pk() {
        "p2pk"
    } else if script.is_p2pkh() {
        "p2pkh"
    } else if script.is_p2sh() {
        "p2sh"
    } else if script.is_p2wpkh() {
        "v0_p2wpkh"
    } else if script.is_p2wsh() {
        "v0_p2wsh"
    } else if script.is_p2tr() {
        "v1_p2tr"
    } else if script.is_multisig() {
        "multisig"
    } else if network.rsa && matches!(bytes, [0x60, 0x20, rest @ ..] if rest.len() == 32) {
        // OP_16 and a push of 32 bytes: the RSA lock.
        "v16_rsa"
    } else {
        "unknown"
    }
}

/// A block's fields.
pub(crate) fn block(view: &View<'_>, block: &IndexedBlock) -> Result<Value, ApiError> {
    let header = &block.header;
    let previous = (block.height != Height::GENESIS).then_some(header.prev_blockhash);
    Ok(json!({
        "id": block.hash,
        "height": block.height,
        "version": header.version.to_consensus(),
        "timestamp": header.time,
        "tx_count": block.transactions,
        "size": block.size,
        "weight": block.weight,
        "merkle_root": header.merkle_root,
        "previousblockhash": previous,
        "mediantime": median_time(view, block.height)?,
        "nonce": header.nonce,
        "bits": header.bits.to_consensus(),
        "difficulty": header.difficulty_float(),
    }))
}

fn median_time(view: &View<'_>, height: Height) -> Result<u32, ApiError> {
    let heights = height.back(MEDIAN_BLOCKS - 1).to_u32()..=height.to_u32();
    let times = heights.map(|height| Ok(view.block_at(Height::new(height))?.header.time));
    let mut times = times.collect::<Result<Vec<_>, ApiError>>()?;
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or(0))
}

/// The sums over a script's history, in blocks and waiting.
pub(crate) fn script_stats(view: &View<'_>, script: &ScriptHash) -> Result<(Value, Value), IndexError> {
    let mut waiting = ScriptTotals::default();
    for (txid, entry) in view.waiting.of_script(script) {
        if view.waiting_tx(txid)?.is_none() {
            continue;
        }
        waiting.transactions += 1;
        for output in entry.tx.output.iter().filter(|output| ScriptHash::of(&output.script_pubkey) == *script) {
            waiting.funded_count += 1;
            waiting.funded_sum = waiting.funded_sum.saturating_add(output.value.to_sat());
        }
        for output in entry.spent.iter().flatten().filter(|output| ScriptHash::of(&output.script_pubkey) == *script) {
            waiting.spent_count += 1;
            waiting.spent_sum = waiting.spent_sum.saturating_add(output.value.to_sat());
        }
    }
    Ok((totals(&view.reader.totals(script)?), totals(&waiting)))
}

fn totals(totals: &ScriptTotals) -> Value {
    json!({
        "funded_txo_count": totals.funded_count,
        "funded_txo_sum": totals.funded_sum,
        "spent_txo_count": totals.spent_count,
        "spent_txo_sum": totals.spent_sum,
        "tx_count": totals.transactions,
    })
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use mycoin_primitives::bitcoin::hex::DisplayHex as _;
    bytes.to_lower_hex_string()
}
