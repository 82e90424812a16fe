//! Writing transactions, reading descriptors, checking signed messages.
//! Source: Bitcoin Core rpc/rawtransaction_util.cpp, rpc/output_script.cpp, rpc/signmessage.cpp.

use std::collections::HashSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::bitcoin::hex::FromHex as _;
use mycoin_primitives::bitcoin::script::PushBytesBuf;
use mycoin_primitives::bitcoin::secp256k1::Secp256k1;
use mycoin_primitives::bitcoin::sign_message::{MessageSignature, signed_msg_hash};
use mycoin_primitives::bitcoin::{Denomination, transaction};
use mycoin_primitives::{Amount, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, address_of, parse_address};
use mycoin_rpc::{Params, RpcError};
use serde_json::{Value, json};

use super::Answer;
use super::coins::{outpoint, range};
use crate::descriptor::{ChecksumNeed, Descriptor, checksum};
use crate::node::Node;

/// The versions that `createrawtransaction` writes. Source: `TX_MIN_STANDARD_VERSION`, `TX_MAX_STANDARD_VERSION`, policy/policy.h.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=3;

pub(super) fn create_raw_transaction(node: &Node, params: &Params) -> Answer {
    let lock_time = params.opt_i64("locktime")?.unwrap_or(0);
    let lock_time = u32::try_from(lock_time)
        .map_err(|_| RpcError::invalid_parameter("Invalid parameter, locktime out of range"))?;
    let version = params.opt_u32("version")?.unwrap_or(2);
    if !VERSIONS.contains(&version) {
        let text = format!("Invalid parameter, version out of range({}~{})", VERSIONS.start(), VERSIONS.end());
        return Err(RpcError::invalid_parameter(text));
    }
    let replaceable = params.opt_bool("replaceable").unwrap_or(true);
    let sequence = match (replaceable, lock_time) {
        (true, _) => Sequence::ENABLE_RBF_NO_LOCKTIME,
        (false, 1..) => Sequence::ENABLE_LOCKTIME_NO_RBF,
        (false, 0) => Sequence::MAX,
    };
    let input = params.array("inputs")?.iter().map(|value| input(value, sequence)).collect::<Result<Vec<_>, _>>()?;
    let transaction = Transaction {
        version: transaction::Version(i32::try_from(version).unwrap_or(2)),
        lock_time: LockTime::from_consensus(lock_time),
        input,
        output: outputs(node, params.value("outputs").unwrap_or(&Value::Null))?,
    };
    Ok(serialize_hex(&transaction).into())
}

/// Source: `AddInputs`.
fn input(value: &Value, default: Sequence) -> Result<TxIn, RpcError> {
    let sequence = match value.get("sequence").filter(|sequence| sequence.is_number()) {
        None => default,
        Some(given) => given
            .as_u64()
            .and_then(|given| u32::try_from(given).ok())
            .map(Sequence)
            .ok_or_else(|| RpcError::invalid_parameter("Invalid parameter, sequence number is out of range"))?,
    };
    Ok(TxIn { previous_output: outpoint(value)?, script_sig: ScriptBuf::new(), sequence, witness: Witness::new() })
}

/// Source: `ParseOutputs`.
fn outputs(node: &Node, given: &Value) -> Result<Vec<TxOut>, RpcError> {
    let pairs: Vec<(&String, &Value)> = match given {
        Value::Object(fields) => fields.iter().collect(),
        Value::Array(list) => {
            let single = |object: &&Value| object.as_object().is_some_and(|fields| fields.len() == 1);
            if !list.iter().all(|object| single(&object)) {
                let text = "Invalid parameter, key-value pair must contain exactly one key";
                return Err(RpcError::invalid_parameter(text));
            }
            list.iter().filter_map(Value::as_object).flatten().collect()
        }
        _ => return Err(RpcError::invalid_parameter("Invalid parameter, output argument must be non-null")),
    };
    let (mut seen, mut outputs) = (HashSet::new(), Vec::new());
    for (key, value) in pairs {
        if !seen.insert(key) {
            let text = if key == "data" {
                "Invalid parameter, duplicate key: data".to_owned()
            } else {
                format!("Invalid parameter, duplicated address: {key:.100}")
            };
            return Err(RpcError::invalid_parameter(text));
        }
        outputs.push(if key == "data" { data(value)? } else { payment(node, key, value)? });
    }
    Ok(outputs)
}

fn data(value: &Value) -> Result<TxOut, RpcError> {
    let text = value.as_str().unwrap_or_default();
    let bytes = Vec::<u8>::from_hex(text).ok().and_then(|bytes| PushBytesBuf::try_from(bytes).ok());
    let bytes = bytes
        .ok_or_else(|| RpcError::invalid_parameter(format!("Data must be hexadecimal string (not '{text:.80}')")))?;
    Ok(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new_op_return(bytes) })
}

fn payment(node: &Node, address: &str, value: &Value) -> Result<TxOut, RpcError> {
    let script_pubkey = parse_address(address, node.network())
        .map_err(|_| RpcError::not_found(format!("Invalid Bitcoin address: {address:.100}")))?;
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let value = Amount::from_str_in(&text, Denomination::Bitcoin)
        .map_err(|_| RpcError::new(RpcError::TYPE, "Invalid amount"))?;
    Ok(TxOut { value, script_pubkey })
}

pub(super) fn descriptor_info(node: &Node, params: &Params) -> Answer {
    let text = params.str("descriptor")?;
    let descriptor = Descriptor::parse(text, ChecksumNeed::Optional, node.network()).map_err(RpcError::not_found)?;
    let bare = text.split_once('#').map_or(text, |(bare, _)| bare);
    Ok(json!({
        "descriptor": descriptor.canonical(),
        "checksum": checksum(bare),
        "isrange": descriptor.is_ranged(),
        "issolvable": descriptor.is_solvable(),
        "hasprivatekeys": false,
    }))
}

pub(super) fn derive_addresses(node: &Node, params: &Params) -> Answer {
    let text = params.str("descriptor")?;
    let descriptor = Descriptor::parse(text, ChecksumNeed::Required, node.network()).map_err(RpcError::not_found)?;
    let range = match (params.value("range"), descriptor.is_ranged()) {
        (Some(given), true) => range(given)?,
        (None, false) => 0..=0,
        (Some(_), false) => {
            return Err(RpcError::invalid_parameter("Range should not be specified for an un-ranged descriptor"));
        }
        (None, true) => {
            return Err(RpcError::invalid_parameter("Range must be specified for a ranged descriptor"));
        }
    };
    let scripts = descriptor.scripts(range).map_err(RpcError::not_found)?;
    let addresses = scripts.iter().map(|script| match address_of(script, node.network()) {
        Some(address) => Ok(Value::from(address)),
        None => Err(RpcError::not_found("Descriptor does not have a corresponding address")),
    });
    addresses.collect()
}

/// Source: `MessageVerify`, common/signmessage.cpp.
pub(super) fn verify_message(node: &Node, params: &Params) -> Answer {
    let script =
        parse_address(params.str("address")?, node.network()).map_err(|_| RpcError::not_found("Invalid address"))?;
    if !script.is_p2pkh() {
        return Err(RpcError::new(RpcError::TYPE, "Address does not refer to key"));
    }
    let signature = BASE64_STANDARD
        .decode(params.str("signature")?)
        .map_err(|_| RpcError::new(RpcError::TYPE, "Malformed base64 encoding"))?;
    let Ok(signature) = MessageSignature::from_slice(&signature) else { return Ok(false.into()) };
    let hash = signed_msg_hash(params.str("message")?);
    let signer = signature.recover_pubkey(&Secp256k1::verification_only(), hash);
    Ok(signer.is_ok_and(|key| ScriptBuf::new_p2pkh(&key.pubkey_hash()) == script).into())
}
