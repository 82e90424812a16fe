//! Transactions, scripts and addresses as such. Source: Bitcoin Core rpc/rawtransaction.cpp, rpc/output_script.cpp.

use mycoin_consensus::is_unspendable;
use mycoin_mempool::OutputKind;
use mycoin_primitives::bitcoin::WPubkeyHash;
use mycoin_primitives::bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use mycoin_primitives::bitcoin::hashes::hash160;
use mycoin_primitives::bitcoin::hex::FromHex as _;
use mycoin_primitives::bitcoin::opcodes::all::OP_CHECKSIGADD;
use mycoin_primitives::bitcoin::opcodes::{Class, ClassifyContext};
use mycoin_primitives::bitcoin::script::Instruction;
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{
    AddressError, Block, BlockHash, Coin, Script, ScriptBuf, Transaction, Txid, address_of, genesis_block,
    parse_address,
};
use mycoin_rpc::{Params, RpcError};
use serde_json::{Map, Value, json};

use super::{Answer, chain_failed};
use crate::encode::{self, TransactionExtras};
use crate::node::Node;

/// The longest push of a script that is no tapscript. Source: `MAX_SCRIPT_ELEMENT_SIZE`, script/script.h.
const MAX_PUSH: usize = 520;
const COMPRESSED_KEY: usize = 33;

pub(super) fn raw(node: &Node, params: &Params) -> Answer {
    let txid = params.txid("txid")?;
    let verbosity = params.verbosity("verbosity", 0)?;
    if txid.to_raw_hash() == genesis_block(node.network()).header.merkle_root.to_raw_hash() {
        let text = "The genesis block coinbase is not considered an ordinary transaction and cannot be retrieved";
        return Err(RpcError::not_found(text));
    }
    match params.opt_block_hash("blockhash")? {
        Some(hash) => confirmed(node, &txid, &hash, verbosity),
        None => waiting(node, &txid, verbosity),
    }
}

fn waiting(node: &Node, txid: &Txid, verbosity: u8) -> Answer {
    let found = node.mempool().get(txid);
    let tx = found.ok_or_else(|| {
        let text = "No such mempool transaction. Use -txindex or provide a block hash to enable blockchain transaction queries. Use gettransaction for wallet transactions.";
        RpcError::not_found(text).with_data("tx/unknown", "Give the block's hash, or ask the proxy: /api/tx/TXID.")
    })?;
    if verbosity == 0 {
        return Ok(serialize_hex(&*tx).into());
    }
    let spent = (verbosity > 1).then(|| waiting_coins(node, &tx)).transpose()?.flatten();
    let extras = TransactionExtras { spent: spent.as_deref(), with_prevouts: verbosity > 1, with_hex: true };
    Ok(encode::transaction(&tx, node.network(), &extras).into())
}

/// The coins that a waiting transaction spends; `None` when it is confirmed meanwhile.
fn waiting_coins(node: &Node, tx: &Transaction) -> Result<Option<Vec<Coin>>, RpcError> {
    node.at_rest(|chain, pool| {
        let mut coins = Vec::with_capacity(tx.input.len());
        for outpoint in tx.input.iter().map(|input| input.previous_output) {
            let unconfirmed =
                pool.get(&outpoint.txid).and_then(|parent| parent.output.get(outpoint.vout as usize).cloned());
            let coin = match unconfirmed {
                Some(output) => Some(Coin { output, height: chain.tip().height.next(), is_coinbase: false }),
                None => chain.coin(&outpoint).map_err(|error| chain_failed(&error))?,
            };
            match coin {
                Some(coin) => coins.push(coin),
                None => return Ok(None),
            }
        }
        Ok(Some(coins))
    })
}

fn confirmed(node: &Node, txid: &Txid, hash: &BlockHash, verbosity: u8) -> Answer {
    let entry = node.chain.header(hash).ok_or_else(|| RpcError::not_found("Block hash not found"))?;
    let block = node.chain.block(hash).map_err(|error| chain_failed(&error))?;
    let block = block.ok_or_else(|| RpcError::new(RpcError::MISC, "Block not available"))?;
    let position = position(&block, txid).ok_or_else(|| {
        RpcError::not_found(
            "No such transaction found in the provided block. Use gettransaction for wallet transactions.",
        )
    })?;
    let Some(tx) = block.txdata.get(position) else { return Err(RpcError::internal("the block changed")) };
    if verbosity == 0 {
        return Ok(serialize_hex(tx).into());
    }
    let undo = if verbosity > 1 { node.chain.undo(hash).map_err(|error| chain_failed(&error))? } else { None };
    let spent = undo.as_ref().and_then(|undo| undo.spent.get(position.checked_sub(1)?)).map(Vec::as_slice);
    let extras = TransactionExtras { spent, with_prevouts: verbosity > 1, with_hex: true };
    let mut fields = Map::new();
    fields.insert("in_active_chain".to_owned(), entry.on_best_chain.into());
    fields.extend(encode::transaction(tx, node.network(), &extras));
    fields.insert("blockhash".to_owned(), hash.to_string().into());
    let confirmations = if entry.on_best_chain {
        fields.insert("time".to_owned(), entry.header.time.into());
        fields.insert("blocktime".to_owned(), entry.header.time.into());
        node.chain.tip().height.above(entry.height) + 1
    } else {
        0
    };
    fields.insert("confirmations".to_owned(), confirmations.into());
    Ok(fields.into())
}

fn position(block: &Block, txid: &Txid) -> Option<usize> {
    block.txdata.iter().position(|tx| tx.compute_txid() == *txid)
}

pub(super) fn decode(node: &Node, params: &Params) -> Answer {
    let tx: Transaction = deserialize_hex(params.str("hexstring")?).map_err(|_| {
        RpcError::deserialization("TX decode failed. Make sure the tx has at least one input.")
            .with_data("tx/malformed", "Send a complete transaction in hexadecimal.")
    })?;
    Ok(encode::transaction(&tx, node.network(), &TransactionExtras::default()).into())
}

/// Source: `decodescript`.
pub(super) fn decode_script(node: &Node, params: &Params) -> Answer {
    let text = params.str("hexstring")?;
    let bytes = Vec::<u8>::from_hex(text)
        .map_err(|_| RpcError::invalid_parameter(format!("argument must be hexadecimal string (not '{text:.80}')")))?;
    let script = ScriptBuf::from_bytes(bytes);
    let network = node.network();
    let mut value = encode::script_pubkey(&script, network);
    let Some(fields) = value.as_object_mut() else { return Ok(value) };
    fields.remove("hex");
    let kind = OutputKind::of(&script, network);
    if !can_be_wrapped(&script, kind) {
        return Ok(value);
    }
    let wrapped = |script: &Script| address_of(&ScriptBuf::new_p2sh(&script.script_hash()), network);
    fields.extend(wrapped(&script).map(|address| ("p2sh".to_owned(), address.into())));
    if let Some((segwit, descriptor)) = as_segwit(&script, kind) {
        let descriptor = descriptor.unwrap_or_else(|| encode::inferred_descriptor(&segwit, network));
        let mut shown = encode::described(&segwit, network, &descriptor);
        if let (Some(address), Some(fields)) = (wrapped(&segwit), shown.as_object_mut()) {
            fields.insert("p2sh-segwit".to_owned(), address.into());
        }
        fields.insert("segwit".to_owned(), shown);
    }
    Ok(value)
}

/// Whether a script can stand behind its hash: what is wrapped already, or can never be spent there, cannot.
fn can_be_wrapped(script: &Script, kind: OutputKind) -> bool {
    let wraps = match kind {
        OutputKind::NonStandard
        | OutputKind::PublicKey
        | OutputKind::PublicKeyHash
        | OutputKind::Multisig { .. }
        | OutputKind::WitnessKeyHash
        | OutputKind::WitnessScriptHash => true,
        OutputKind::Anchor
        | OutputKind::ScriptHash
        | OutputKind::Data
        | OutputKind::Taproot
        | OutputKind::RsaLock
        | OutputKind::WitnessUnknown => false,
    };
    wraps && !is_unspendable(script) && script.instructions().all(|instruction| instruction.is_ok_and(is_plain))
}

/// Whether Bitcoin's scripts before taproot know an instruction.
fn is_plain(instruction: Instruction<'_>) -> bool {
    match instruction {
        Instruction::PushBytes(bytes) => bytes.len() <= MAX_PUSH,
        Instruction::Op(opcode) => {
            opcode.to_u8() < OP_CHECKSIGADD.to_u8() && opcode.classify(ClassifyContext::TapScript) != Class::SuccessOp
        }
    }
}

/// The witness program that asks for the same as a script, and its descriptor where that tells more; none for keys that
/// witnesses do not take.
fn as_segwit(script: &Script, kind: OutputKind) -> Option<(ScriptBuf, Option<String>)> {
    let keys = encode::keys(script);
    let compressed = keys.iter().all(|key| key.len() == COMPRESSED_KEY);
    match kind {
        OutputKind::PublicKey => {
            let hash = hash160::Hash::hash(keys.first()?).to_byte_array();
            compressed.then(|| (ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array(hash)), None))
        }
        OutputKind::PublicKeyHash => {
            let hash = script.as_bytes().get(3..23)?.try_into().ok()?;
            Some((ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array(hash)), None))
        }
        OutputKind::Multisig { required, .. } => {
            let descriptor = encode::inferred_multisig(required, &keys).map(|inner| format!("wsh({inner})"));
            compressed.then(|| (ScriptBuf::new_p2wsh(&script.wscript_hash()), descriptor))
        }
        OutputKind::NonStandard => Some((ScriptBuf::new_p2wsh(&script.wscript_hash()), None)),
        OutputKind::Anchor
        | OutputKind::ScriptHash
        | OutputKind::Data
        | OutputKind::WitnessKeyHash
        | OutputKind::WitnessScriptHash
        | OutputKind::Taproot
        | OutputKind::RsaLock
        | OutputKind::WitnessUnknown => None,
    }
}

pub(super) fn validate_address(node: &Node, params: &Params) -> Answer {
    let text = params.str("address")?;
    let script = match parse_address(text, node.network()) {
        Ok(script) => script,
        Err(error) => {
            return Ok(json!({"isvalid": false, "error_locations": locations(&error), "error": error.to_string()}));
        }
    };
    let mut value = json!({
        "isvalid": true,
        "address": address_of(&script, node.network()).unwrap_or_else(|| text.to_owned()),
        "scriptPubKey": encode::hex(script.as_bytes()),
        "isscript": script.is_p2sh() || script.is_p2wsh() || script.is_p2tr(),
        "iswitness": script.is_witness_program(),
    });
    if let (Some(version), Some(fields)) = (script.witness_version(), value.as_object_mut()) {
        fields.insert("witness_version".to_owned(), version.to_num().into());
        let program = script.as_bytes().get(2..).unwrap_or_default();
        fields.insert("witness_program".to_owned(), encode::hex(program).into());
    }
    Ok(value)
}

/// Where the typing error is, counted from 0 as Bitcoin Core does.
fn locations(error: &AddressError) -> Vec<Value> {
    match error {
        AddressError::BadCharacter { position, .. } | AddressError::Typo { position, .. } => {
            vec![position.saturating_sub(1).into()]
        }
        AddressError::Empty { .. }
        | AddressError::OtherCoin { .. }
        | AddressError::MixedCase
        | AddressError::BadChecksum
        | AddressError::NotAnAddress { .. } => Vec::new(),
    }
}
