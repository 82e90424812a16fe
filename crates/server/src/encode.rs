//! Blocks, transactions and scripts as the JSON that Bitcoin Core's RPC gives. Source: core_write.cpp, rpc/blockchain.cpp (v30).
//!
//! In:    consensus types and what the chain knows of them.
//! Out:   JSON values with Bitcoin Core's field names and values; the order of fields carries no meaning.
//! Never: state, I/O.

use mycoin_primitives::bitcoin::consensus::encode::serialize_hex;
use mycoin_primitives::bitcoin::opcodes::{Class, ClassifyContext};
use mycoin_primitives::bitcoin::script::Instruction;
use mycoin_primitives::bitcoin::{opcodes, script};
use mycoin_primitives::{
    Amount, Block, Coin, CompactTarget, Header, Network, Script, Transaction, TxOut, Witness, address_of,
};
use serde_json::{Map, Value, json};

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

/// A script as people read it: pushes as hexadecimal (small ones as numbers), operations by name. Source: `ScriptToAsmStr`.
pub(crate) fn asm(script: &Script) -> String {
    let mut words = Vec::new();
    for instruction in script.instructions() {
        words.push(match instruction {
            Ok(Instruction::PushBytes(bytes)) if bytes.len() <= 4 => script::read_scriptint(bytes.as_bytes())
                .map_or_else(|_| hex(bytes.as_bytes()), |number| number.to_string()),
            Ok(Instruction::PushBytes(bytes)) => hex(bytes.as_bytes()),
            Ok(Instruction::Op(opcode)) => match opcode.classify(ClassifyContext::Legacy) {
                Class::PushNum(number) => number.to_string(),
                _ if opcode == opcodes::all::OP_CLTV => "OP_CHECKLOCKTIMEVERIFY".to_owned(),
                _ if opcode == opcodes::all::OP_CSV => "OP_CHECKSEQUENCEVERIFY".to_owned(),
                _ => opcode.to_string(),
            },
            Err(_) => {
                words.push("[error]".to_owned());
                break;
            }
        });
    }
    words.join(" ")
}

/// The kind of a script, by Bitcoin Core's names (`GetTxnOutputType`); RSA locks have one of our own.
pub(crate) fn script_type(script: &Script, network: &Network) -> &'static str {
    if script.is_p2wpkh() {
        "witness_v0_keyhash"
    } else if script.is_p2wsh() {
        "witness_v0_scripthash"
    } else if script.is_p2tr() {
        "witness_v1_taproot"
    } else if script.as_bytes() == [0x51, 0x02, 0x4e, 0x73] {
        "anchor"
    } else if network.rsa && is_rsa_lock(script) {
        "witness_v16_rsa"
    } else if script.is_witness_program() {
        "witness_unknown"
    } else if script.is_p2pkh() {
        "pubkeyhash"
    } else if script.is_p2sh() {
        "scripthash"
    } else if script.is_p2pk() {
        "pubkey"
    } else if script.is_multisig() {
        "multisig"
    } else if is_null_data(script) {
        "nulldata"
    } else {
        "nonstandard"
    }
}

fn is_rsa_lock(script: &Script) -> bool {
    script.len() == 34 && script.as_bytes().starts_with(&[0x60, 0x20])
}

/// OP_RETURN and nothing but pushes after it. Source: `Solver`, script/solver.cpp.
fn is_null_data(script: &Script) -> bool {
    script.is_op_return() && script.as_bytes().get(1..).is_some_and(|rest| Script::from_bytes(rest).is_push_only())
}

/// A script that locks coins.
pub(crate) fn script_pubkey(script: &Script, network: &Network) -> Value {
    let address = address_of(script, network);
    let descriptor = if script.is_p2tr() {
        format!("rawtr({})", hex(script.as_bytes().get(2..).unwrap_or_default()))
    } else if let Some(address) = &address {
        format!("addr({address})")
    } else {
        format!("raw({})", hex(script.as_bytes()))
    };
    let mut fields = Map::new();
    fields.insert("asm".to_owned(), asm(script).into());
    fields.insert("desc".to_owned(), with_checksum(&descriptor).into());
    fields.insert("hex".to_owned(), hex(script.as_bytes()).into());
    if let Some(address) = address {
        fields.insert("address".to_owned(), address.into());
    }
    fields.insert("type".to_owned(), script_type(script, network).into());
    Value::Object(fields)
}

/// A descriptor with its checksum. Source: BIP380.
pub(crate) fn with_checksum(descriptor: &str) -> String {
    const INPUT: &str =
        "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";
    const OUTPUT: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u64; 5] = [0xf5_dee5_1989, 0xa9_fdca_3312, 0x1b_ab10_e32d, 0x37_06b1_677a, 0x64_4d62_6ffd];
    let step = |checksum: u64, value: u64| {
        let top = checksum >> 35;
        let next = ((checksum & 0x7_ffff_ffff) << 5) ^ value;
        GENERATOR.iter().enumerate().filter(|(bit, _)| (top >> bit) & 1 == 1).fold(next, |sum, (_, word)| sum ^ word)
    };
    let (mut checksum, mut class, mut count) = (1u64, 0u64, 0);
    for character in descriptor.chars() {
        let Some(position) = INPUT.find(character) else { return descriptor.to_owned() };
        checksum = step(checksum, (position & 31) as u64);
        class = class * 3 + (position >> 5) as u64;
        count += 1;
        if count == 3 {
            checksum = step(checksum, class);
            (class, count) = (0, 0);
        }
    }
    if count > 0 {
        checksum = step(checksum, class);
    }
    checksum = (0..8).fold(checksum, |sum, _| step(sum, 0)) ^ 1;
    let text: String = (0..8).map(|i| OUTPUT[((checksum >> (5 * (7 - i))) & 31) as usize] as char).collect();
    format!("{descriptor}#{text}")
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
        put("scriptSig", json!({"asm": asm(&input.script_sig), "hex": hex(input.script_sig.as_bytes())}));
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

fn stripped_size(block: &Block) -> u64 {
    // Weight is three times the stripped size plus the whole size (BIP141).
    (block.weight().to_wu() - block.total_size() as u64) / 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycoin_primitives::ScriptBuf;

    #[test]
    fn amounts_keep_eight_decimals() {
        assert_eq!(coins(Amount::from_sat(5_000_000_000)).to_string(), "50.00000000");
        assert_eq!(signed_coins(-1).to_string(), "-0.00000001");
    }

    #[test]
    fn descriptor_checksums_of_bip380() {
        assert_eq!(with_checksum("raw(deadbeef)"), "raw(deadbeef)#89f8spxm");
    }

    #[test]
    fn scripts_read_as_bitcoin_core_prints_them() {
        let net = Network::regtest();
        let taproot = ScriptBuf::from_hex(&format!("5120{}", "ab".repeat(32))).expect("valid hexadecimal");
        assert_eq!(asm(&taproot), format!("1 {}", "ab".repeat(32)));
        assert_eq!(script_type(&taproot, &net), "witness_v1_taproot");
        let data = ScriptBuf::from_hex("6a0548656c6c6f").expect("valid hexadecimal");
        assert_eq!(asm(&data), "OP_RETURN 48656c6c6f");
        assert_eq!(script_type(&data, &net), "nulldata");
        let torn = ScriptBuf::from_hex("4c").expect("valid hexadecimal");
        assert_eq!(asm(&torn), "[error]");
    }

    #[test]
    fn sizes_of_the_genesis_block() {
        let net = Network::regtest();
        let genesis = mycoin_primitives::genesis_block(&net);
        assert_eq!((stripped_size(&genesis), genesis.total_size(), genesis.weight().to_wu()), (285, 285, 1140));
    }
}
