//! Blocks, transactions and scripts as the JSON that Bitcoin Core's RPC gives. Source: core_write.cpp, rpc/blockchain.cpp (v31).
//!
//! In:    consensus types and what the chain knows of them.
//! Out:   JSON values with Bitcoin Core's field names and values; the order of fields carries no meaning.
//! Never: state, I/O.

mod script;

use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::{Amount, Block, Coin, CompactTarget, Header, Network, Transaction, TxOut, Witness};
use serde_json::{Map, Value, json};

use script::asm_of_input;
pub(crate) use script::{described, inferred_descriptor, inferred_multisig, keys, script_pubkey};

/// An amount in whole coins with eight decimals, as a JSON number.
pub(crate) fn coins(amount: Amount) -> Value {
    signed_coins(amount.to_sat() as i64)
}

/// A change of amount in whole coins with eight decimals, as a JSON number.
pub(crate) fn signed_coins(units: i64) -> Value {
    const COIN: u64 = 100_000_000;
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    let text = format!("{sign}{}.{:08}", units / COIN, units % COIN);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// Lower-case hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use mycoin_primitives::bitcoin::hex::DisplayHex as _;
    bytes.to_lower_hex_string()
}

/// A compact target as 8 hexadecimal digits.
pub(crate) fn bits(bits: CompactTarget) -> String {
    format!("{:08x}", bits.to_consensus())
}

/// The target that a compact form stands for, as 64 hexadecimal digits.
pub(crate) fn target(bits: CompactTarget) -> String {
    hex(&mycoin_primitives::Target::from_compact(bits).to_be_bytes())
}

/// How many times harder than Bitcoin's easiest target.
pub(crate) fn difficulty(header: &Header) -> f64 {
    header.difficulty_float()
}

fn witness_items(witness: &Witness) -> Vec<String> {
    witness.iter().map(hex).collect()
}

/// What a transaction's JSON holds beside the transaction itself.
#[derive(Default)]
pub(crate) struct TransactionExtras<'a> {
    /// The coins that its inputs spend, in input order, where they are known: gives the fee.
    pub(crate) spent: Option<&'a [Coin]>,
    /// Whether each input shows the coin it spends.
    pub(crate) with_prevouts: bool,
    /// Whether the raw transaction is there too.
    pub(crate) with_hex: bool,
}

/// A transaction. Source: `TxToUniv`.
pub(crate) fn transaction(tx: &Transaction, network: &Network, extras: &TransactionExtras<'_>) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("txid", tx.compute_txid().to_string().into());
    put("hash", tx.compute_wtxid().to_string().into());
    put("version", (tx.version.0 as u32).into());
    put("size", tx.total_size().into());
    put("vsize", tx.vsize().into());
    put("weight", tx.weight().to_wu().into());
    put("locktime", tx.lock_time.to_consensus_u32().into());
    put("vin", (0..tx.input.len()).map(|index| input(tx, index, network, extras)).collect());
    put("vout", tx.output.iter().enumerate().map(|(n, output)| self::output(output, n, network)).collect());
    if let Some(fee) = extras.spent.filter(|_| !tx.is_coinbase()).and_then(|spent| fee(tx, spent)) {
        put("fee", coins(fee));
    }
    if extras.with_hex {
        put("hex", serialize_hex(tx).into());
    }
    fields
}

fn fee(tx: &Transaction, spent: &[Coin]) -> Option<Amount> {
    let held = spent.iter().try_fold(Amount::ZERO, |sum, coin| sum.checked_add(coin.output.value))?;
    let paid = tx.output.iter().try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value))?;
    held.checked_sub(paid)
}

fn input(tx: &Transaction, index: usize, network: &Network, extras: &TransactionExtras<'_>) -> Value {
    let Some(input) = tx.input.get(index) else { return Value::Null };
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    if tx.is_coinbase() {
        put("coinbase", hex(input.script_sig.as_bytes()).into());
    } else {
        put("txid", input.previous_output.txid.to_string().into());
        put("vout", input.previous_output.vout.into());
        put("scriptSig", json!({"asm": asm_of_input(&input.script_sig), "hex": hex(input.script_sig.as_bytes())}));
    }
    if !input.witness.is_empty() {
        put("txinwitness", witness_items(&input.witness).into());
    }
    if extras.with_prevouts
        && let Some(coin) = extras.spent.and_then(|spent| spent.get(index))
    {
        put(
            "prevout",
            json!({
                "generated": coin.is_coinbase,
                "height": coin.height,
                "value": coins(coin.output.value),
                "scriptPubKey": script_pubkey(&coin.output.script_pubkey, network),
            }),
        );
    }
    put("sequence", input.sequence.0.into());
    Value::Object(fields)
}

fn output(output: &TxOut, n: usize, network: &Network) -> Value {
    json!({"value": coins(output.value), "n": n, "scriptPubKey": script_pubkey(&output.script_pubkey, network)})
}

/// What the chain knows of a header.
pub(crate) struct HeaderFacts {
    /// 1 for the tip, 0 or -1 as Bitcoin Core has it: -1 off the best chain.
    pub(crate) confirmations: i64,
    /// Blocks since genesis.
    pub(crate) height: u32,
    /// Median time past at this block, in seconds since 1970.
    pub(crate) median_time: u32,
    /// The work of the branch up to here, as 64 hexadecimal digits.
    pub(crate) chain_work: String,
    /// Transactions in the block; 0 while it is not there.
    pub(crate) transactions: usize,
    /// The next block of the best chain.
    pub(crate) next: Option<String>,
}

/// A header. Source: `blockheaderToJSON`.
pub(crate) fn header(header: &Header, facts: &HeaderFacts) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    put("hash", header.block_hash().to_string().into());
    put("confirmations", facts.confirmations.into());
    put("height", facts.height.into());
    put("version", header.version.to_consensus().into());
    put("versionHex", format!("{:08x}", header.version.to_consensus()).into());
    put("merkleroot", header.merkle_root.to_string().into());
    put("time", header.time.into());
    put("mediantime", facts.median_time.into());
    put("nonce", header.nonce.into());
    put("bits", bits(header.bits).into());
    put("target", target(header.bits).into());
    put("difficulty", json!(difficulty(header)));
    put("chainwork", facts.chain_work.clone().into());
    put("nTx", facts.transactions.into());
    if facts.height > 0 {
        put("previousblockhash", header.prev_blockhash.to_string().into());
    }
    if let Some(next) = &facts.next {
        put("nextblockhash", next.clone().into());
    }
    fields
}

/// How much `getblock` shows of each transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockDetail {
    /// Its id.
    Ids,
    /// All of it.
    Transactions,
    /// All of it and the coins it spends.
    Prevouts,
}

/// A block. `spent` holds the coins of each transaction after the coinbase, where they are known. Source: `blockToJSON`.
pub(crate) fn block(
    block: &Block,
    facts: &HeaderFacts,
    network: &Network,
    detail: BlockDetail,
    spent: Option<&[Vec<Coin>]>,
) -> Value {
    let mut fields = header(&block.header, facts);
    fields.insert("strippedsize".to_owned(), stripped_size(block).into());
    fields.insert("size".to_owned(), block.total_size().into());
    fields.insert("weight".to_owned(), block.weight().to_wu().into());
    fields.extend(block.txdata.first().map(|tx| ("coinbase_tx".to_owned(), coinbase(tx))));
    let transactions = block.txdata.iter().enumerate().map(|(index, tx)| match detail {
        BlockDetail::Ids => Value::from(tx.compute_txid().to_string()),
        BlockDetail::Transactions | BlockDetail::Prevouts => {
            let spent = index.checked_sub(1).and_then(|index| spent?.get(index)).map(Vec::as_slice);
            let with_prevouts = detail == BlockDetail::Prevouts;
            transaction(tx, network, &TransactionExtras { spent, with_prevouts, with_hex: true }).into()
        }
    });
    fields.insert("tx".to_owned(), transactions.collect());
    Value::Object(fields)
}

/// A coinbase in short. Source: `coinbaseTxToJSON`.
fn coinbase(tx: &Transaction) -> Value {
    let Some(input) = tx.input.first() else { return Value::Null };
    let mut fields = Map::new();
    fields.insert("version".to_owned(), (tx.version.0 as u32).into());
    fields.insert("locktime".to_owned(), tx.lock_time.to_consensus_u32().into());
    fields.insert("sequence".to_owned(), input.sequence.0.into());
    fields.insert("coinbase".to_owned(), hex(input.script_sig.as_bytes()).into());
    if let Some(item) = input.witness.iter().next() {
        fields.insert("witness".to_owned(), hex(item).into());
    }
    fields.into()
}

fn stripped_size(block: &Block) -> u64 {
    // Weight is three times the stripped size plus the whole size (BIP141).
    (block.weight().to_wu() - block.total_size() as u64) / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_eight_decimals() {
        assert_eq!(coins(Amount::from_sat(5_000_000_000)).to_string(), "50.00000000");
        assert_eq!(signed_coins(-1).to_string(), "-0.00000001");
    }

    #[test]
    fn sizes_of_the_genesis_block() {
        let net = Network::regtest();
        let genesis = mycoin_primitives::genesis_block(&net);
        assert_eq!((stripped_size(&genesis), genesis.total_size(), genesis.weight().to_wu()), (285, 285, 1140));
    }
}
