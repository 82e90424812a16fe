//! Transactions that wait. Source: Bitcoin Core rpc/mempool.cpp, rpc/fees.cpp.

use mycoin_chain::ChainError;
use mycoin_mempool::policy::{DEFAULT_PERMIT_BAREMULTISIG, MAX_OP_RETURN_RELAY, MAX_PACKAGE_COUNT};
use mycoin_mempool::{Accepted, Entry, PackageReport, RejectReason};
use mycoin_primitives::bitcoin::consensus::encode::{deserialize, deserialize_hex};
use mycoin_primitives::{Amount, FeeRate, Transaction};
use mycoin_rpc::{Params, RpcError};
use serde_json::{Map, Value, json};

use super::{Answer, chain_failed, submit_failed};
use crate::node::{ChainCoins, Node, SubmitError};
use crate::{clock, encode};

/// What `sendrawtransaction` takes at most unless told otherwise: 0.1 coins per kvB. Source: `DEFAULT_MAX_RAW_TX_FEE_RATE`.
const DEFAULT_HIGHEST_RATE: FeeRate = FeeRate::from_sat_per_kvb(10_000_000);
/// The virtual size of what a block can hold.
const BLOCK_VSIZE: u64 = 1_000_000;

/// A rate in coins per 1,000 virtual bytes, as Core writes rates.
fn rate(rate: FeeRate) -> Value {
    encode::coins(Amount::from_sat(rate.to_sat_per_kvb()))
}

pub(super) fn info(node: &Node, _: &Params) -> Answer {
    let info = node.mempool().info(clock::now());
    Ok(json!({
        "loaded": true,
        "size": info.count,
        "bytes": info.vsize,
        "usage": info.memory,
        "total_fee": encode::coins(info.fees),
        "maxmempool": info.memory_limit,
        "mempoolminfee": rate(info.minimum_rate),
        "minrelaytxfee": rate(info.relay_rate),
        "incrementalrelayfee": rate(info.incremental_rate),
        "unbroadcastcount": 0,
        "fullrbf": true,
        "permitbaremultisig": DEFAULT_PERMIT_BAREMULTISIG,
        "maxdatacarriersize": MAX_OP_RETURN_RELAY,
    }))
}

pub(super) fn raw(node: &Node, params: &Params) -> Answer {
    let with_sequence = params.opt_bool("mempool_sequence").unwrap_or(false);
    if params.opt_bool("verbose").unwrap_or(false) {
        if with_sequence {
            return Err(RpcError::invalid_parameter("Verbose results cannot contain mempool sequence values."));
        }
        let entries: Map<String, Value> =
            node.mempool().all().into_iter().map(|entry| (entry.txid.to_string(), entry_json(entry))).collect();
        return Ok(entries.into());
    }
    let (txids, sequence) = node.at_rest(|_, mempool| {
        let txids: Value = mempool.all().into_iter().map(|entry| Value::from(entry.txid.to_string())).collect();
        (txids, node.mempool_sequence())
    });
    Ok(if with_sequence { json!({"txids": txids, "mempool_sequence": sequence}) } else { txids })
}

pub(super) fn entry(node: &Node, params: &Params) -> Answer {
    let txid = params.txid("txid")?;
    let mempool = node.mempool();
    mempool.entry(&txid).map(entry_json).ok_or_else(|| RpcError::not_found("Transaction not in mempool"))
}

fn entry_json(entry: &Entry) -> Value {
    let ids = |ids: &std::collections::BTreeSet<_>| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "vsize": entry.vsize,
        "weight": entry.weight,
        "time": entry.time,
        "height": entry.height,
        "descendantcount": entry.descendants.count,
        "descendantsize": entry.descendants.vsize,
        "ancestorcount": entry.ancestors.count,
        "ancestorsize": entry.ancestors.vsize,
        "wtxid": entry.wtxid.to_string(),
        "fees": {
            "base": encode::coins(entry.fee),
            "modified": encode::coins(entry.fee),
            "ancestor": encode::coins(entry.ancestors.fees),
            "descendant": encode::coins(entry.descendants.fees),
        },
        "depends": ids(&entry.parents),
        "spentby": ids(&entry.children),
        "bip125-replaceable": true,
        "unbroadcast": false,
    })
}

/// The highest rate that the caller allows; `None` for no limit.
fn highest_rate(params: &Params) -> Result<Option<FeeRate>, RpcError> {
    let Some(amount) = amount(params, "maxfeerate")? else { return Ok(Some(DEFAULT_HIGHEST_RATE)) };
    if amount > Amount::ONE_BTC {
        return Err(RpcError::invalid_parameter("Fee rates larger than or equal to 1BTC/kvB are not accepted"));
    }
    Ok((amount > Amount::ZERO).then(|| FeeRate::from_sat_per_kvb(amount.to_sat())))
}

/// An amount in whole coins, given as a number or a text.
fn amount(params: &Params, name: &str) -> Result<Option<Amount>, RpcError> {
    let text = match params.value(name) {
        None => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let parsed = Amount::from_str_in(&text, mycoin_primitives::bitcoin::Denomination::Bitcoin);
    parsed.map(Some).map_err(|_| RpcError::new(RpcError::TYPE, "Invalid amount"))
}

pub(super) fn decoded(bytes: &[u8]) -> Result<Transaction, RpcError> {
    let failed = "TX decode failed. Make sure the tx has at least one input.";
    deserialize(bytes).map_err(|_| {
        RpcError::deserialization(failed).with_data("tx/malformed", "Send a complete transaction in hexadecimal.")
    })
}

/// Judges transactions as if they were sent in their order. Those that come after a refused one are not judged.
pub(super) fn test_accept(node: &Node, params: &Params) -> Answer {
    let list = params.array("rawtxs")?;
    if list.is_empty() || list.len() > MAX_PACKAGE_COUNT {
        return Err(RpcError::invalid_parameter(format!(
            "Array must contain between 1 and {MAX_PACKAGE_COUNT} transactions."
        )));
    }
    let highest = highest_rate(params)?;
    let decoded = list.iter().map(|hex| {
        let text = hex.as_str().unwrap_or_default();
        deserialize_hex(text).map_err(|_| {
            RpcError::deserialization(format!("TX decode failed: {text} Make sure the tx has at least one input."))
        })
    });
    let transactions: Vec<Transaction> = decoded.collect::<Result<_, _>>()?;
    let report = judge(node, &transactions).map_err(|error| chain_failed(&error))?;
    let package_error = report.error.map(|error| error.reject_details(&transactions));
    let mut results = Vec::with_capacity(transactions.len());
    let mut ended = false;
    for (tx, verdict) in transactions.iter().zip(report.verdicts) {
        let mut fields = Map::new();
        fields.insert("txid".to_owned(), tx.compute_txid().to_string().into());
        fields.insert("wtxid".to_owned(), tx.compute_wtxid().to_string().into());
        if let Some(error) = &package_error {
            fields.insert("package-error".to_owned(), error.clone().into());
        }
        if let Some(verdict) = verdict.filter(|_| !ended) {
            let limited = verdict.and_then(|accepted| match highest {
                Some(rate) => accepted.check_fee_limit(rate).map(|()| accepted),
                None => Ok(accepted),
            });
            // What spends an output of one that costs too much would not be sent either.
            ended = matches!(limited, Err(RejectReason::FeeAboveLimit { .. }));
            fields.extend(verdict_fields(tx, &limited));
        }
        results.push(Value::Object(fields));
    }
    Ok(results.into())
}

/// A single transaction may replace others; several are judged together and may not.
fn judge(node: &Node, transactions: &[Transaction]) -> Result<PackageReport, ChainError> {
    if let [transaction] = transactions {
        let verdict = match node.test_transaction(transaction, None) {
            Ok(accepted) => Ok(accepted),
            Err(SubmitError::Rejected(reason)) => Err(reason),
            Err(SubmitError::Failed(error)) => return Err(error),
        };
        return Ok(PackageReport { error: None, verdicts: vec![Some(verdict)] });
    }
    node.at_rest(|chain, mempool| {
        let coins = ChainCoins::new(chain);
        let report = mempool.test_accept_package(transactions, &coins, &chain.tip_branch(), clock::now());
        coins.result().map(|()| report)
    })
}

fn verdict_fields(tx: &Transaction, verdict: &Result<Accepted, RejectReason>) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("allowed", verdict.is_ok().into());
    match verdict {
        Ok(accepted) => {
            put("vsize", accepted.vsize.into());
            let fees = json!({
                "base": encode::coins(accepted.fee),
                "effective-feerate": rate(FeeRate::of(accepted.fee, accepted.vsize)),
                "effective-includes": [accepted.wtxid.to_string()],
            });
            put("fees", fees);
        }
        // Core's RPC has a word of its own here, and tells no more.
        Err(RejectReason::MissingInputs { .. }) => put("reject-reason", "missing-inputs".into()),
        Err(reason @ RejectReason::FeeAboveLimit { .. }) => put("reject-reason", reason.reject_reason().into()),
        Err(reason) => {
            put("reject-reason", reason.reject_reason().into());
            put("reject-details", reason.reject_details(tx).into());
        }
    }
    fields
}

pub(super) fn send_raw_transaction(node: &Node, params: &Params) -> Answer {
    let transaction = decoded(&params.hex("hexstring")?)?;
    let burn_limit = amount(params, "maxburnamount")?.unwrap_or(Amount::ZERO);
    if transaction.output.iter().any(|output| output.script_pubkey.is_op_return() && output.value > burn_limit) {
        let text = "Unspendable output exceeds maximum configured by user (maxburnamount)";
        return Err(
            RpcError::new(RpcError::VERIFY, text).with_data("tx/burns-coins", "If it is meant, raise maxburnamount.")
        );
    }
    let submitted = node.submit_transaction(transaction.clone(), highest_rate(params)?);
    Ok(submitted.map_err(|error| submit_failed(&error, &transaction))?.txid.to_string().into())
}

/// What waits decides: the rate that is above all but what the next blocks can hold. A chain without transactions has
/// an answer too, the lowest rate that is relayed.
pub(super) fn estimate_smart_fee(node: &Node, params: &Params) -> Answer {
    const LONGEST: u32 = 1_008;
    let target = params.u32("conf_target")?;
    if !(1..=LONGEST).contains(&target) {
        return Err(RpcError::invalid_parameter(format!("Invalid conf_target, must be between 1 and {LONGEST}")));
    }
    let mode = params.opt_str("estimate_mode").unwrap_or("economical");
    if !matches!(mode.to_lowercase().as_str(), "unset" | "economical" | "conservative") {
        return Err(RpcError::invalid_parameter(
            "Invalid estimate_mode parameter, must be one of: \"unset\", \"economical\", \"conservative\"",
        ));
    }
    let mempool = node.mempool();
    let info = mempool.info(clock::now());
    let mut waiting: Vec<(FeeRate, u64)> =
        mempool.all().into_iter().map(|entry| (entry.fee_rate(), entry.vsize)).collect();
    drop(mempool);
    let room = Room {
        vsize: BLOCK_VSIZE * u64::from(target),
        transactions: node.network().max_block_transactions.map(|limit| u64::from(limit) * u64::from(target)),
    };
    let beaten = room.rate_to_beat(&mut waiting);
    let estimate = beaten.map_or(info.minimum_rate, |beaten| {
        let above = beaten.to_sat_per_kvb().saturating_add(info.incremental_rate.to_sat_per_kvb());
        FeeRate::from_sat_per_kvb(above).max(info.minimum_rate)
    });
    Ok(json!({"feerate": rate(estimate), "blocks": target}))
}

/// What the next blocks can hold.
struct Room {
    vsize: u64,
    transactions: Option<u64>,
}

impl Room {
    /// The rate of the first waiting transaction that finds no room any more; `None` when there is room for all and one more.
    fn rate_to_beat(&self, waiting: &mut [(FeeRate, u64)]) -> Option<FeeRate> {
        waiting.sort_unstable_by_key(|(rate, _)| std::cmp::Reverse(*rate));
        let (mut vsize, mut count) = (0u64, 0u64);
        for (rate, size) in waiting.iter() {
            vsize = vsize.saturating_add(*size);
            count += 1;
            if vsize >= self.vsize || self.transactions.is_some_and(|limit| count >= limit) {
                return Some(*rate);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::bitcoin::{absolute, transaction};
    use mycoin_primitives::{OutPoint, TxIn};

    use super::*;

    #[test]
    fn verdicts_have_bitcoin_cores_fields() {
        let tx = Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::ZERO,
            input: vec![TxIn::default()],
            output: Vec::new(),
        };
        let (txid, wtxid) = (tx.compute_txid(), tx.compute_wtxid());
        let accepted = Accepted { txid, wtxid, fee: Amount::from_sat(1_500), vsize: 150, replaced: Vec::new() };
        let fees = json!({
            "base": encode::coins(Amount::from_sat(1_500)),
            "effective-feerate": encode::coins(Amount::from_sat(10_000)),
            "effective-includes": [wtxid.to_string()],
        });
        let said = |verdict| Value::Object(verdict_fields(&tx, &verdict));
        assert_eq!(said(Ok(accepted)), json!({"allowed": true, "vsize": 150, "fees": fees}));
        let (fee, limit) = (Amount::from_sat(10), Amount::from_sat(11));
        assert_eq!(
            said(Err(RejectReason::BelowRelayFee { fee, least: limit })),
            json!({
                "allowed": false,
                "reject-reason": "min relay fee not met",
                "reject-details": "min relay fee not met, 10 < 11",
            })
        );
        assert_eq!(
            said(Err(RejectReason::FeeAboveLimit { fee, limit })),
            json!({"allowed": false, "reject-reason": "max-fee-exceeded"})
        );
        assert_eq!(
            said(Err(RejectReason::MissingInputs { outpoint: OutPoint::null() })),
            json!({"allowed": false, "reject-reason": "missing-inputs"})
        );
    }

    #[test]
    fn the_estimate_is_above_what_finds_no_room() {
        let rates = |list: &[u64]| list.iter().map(|rate| (FeeRate::from_sat_per_kvb(*rate), 100)).collect::<Vec<_>>();
        let room = Room { vsize: 1_000, transactions: Some(2) };
        assert_eq!(room.rate_to_beat(&mut rates(&[])), None);
        assert_eq!(room.rate_to_beat(&mut rates(&[500])), None);
        assert_eq!(room.rate_to_beat(&mut rates(&[500, 700])), Some(FeeRate::from_sat_per_kvb(500)));
        assert_eq!(room.rate_to_beat(&mut rates(&[500, 900, 700])), Some(FeeRate::from_sat_per_kvb(700)));
        let room = Room { vsize: 250, transactions: None };
        assert_eq!(room.rate_to_beat(&mut rates(&[5, 4, 3, 2])), Some(FeeRate::from_sat_per_kvb(3)));
    }
}
