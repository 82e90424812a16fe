//! Policy: what is relayed and mined though the rules would allow more.
//!
//! Numbers and formulas are Bitcoin Core v31's (policy/policy.h, policy/policy.cpp, policy/truc_policy.h,
//! policy/ephemeral_policy.cpp). What differs:
//! - Where a network has the RSA lock, it is a kind of its own: standard as an output and to spend, with its own dust
//!   limit. Elsewhere version 16 is a witness program without meaning: standard as an output, never to spend.
//! - A replacement is not compared by fee rate diagrams; `replacement.rs` says what is asked instead.
//!
//! Chains of unconfirmed transactions are held to the cluster limits (64 transactions, 101,000 virtual bytes), which
//! replaced the limits on ancestors and descendants in Bitcoin Core v31.

use mycoin_primitives::{Amount, FeeRate, Network, Script, Transaction, TxOut};

use crate::solver::OutputKind;

/// The lowest fee rate that is relayed: 0.1 sat/vB.
pub const DEFAULT_MIN_RELAY_TX_FEE: FeeRate = FeeRate::from_sat_per_kvb(100);
/// What a replacement pays for its own relay, and the step of the full pool's minimum.
pub const DEFAULT_INCREMENTAL_RELAY_FEE: FeeRate = FeeRate::from_sat_per_kvb(100);
/// The lowest fee rate that a block template takes.
pub const DEFAULT_BLOCK_MIN_TX_FEE: FeeRate = FeeRate::from_sat_per_kvb(1);
/// The fee rate that decides what is dust.
pub const DUST_RELAY_TX_FEE: FeeRate = FeeRate::from_sat_per_kvb(3_000);
/// The most outputs of a transaction that are dust; it pays no fee then, and its child spends them.
pub const MAX_DUST_OUTPUTS_PER_TX: usize = 1;
/// The lowest standard version.
pub const TX_MIN_STANDARD_VERSION: u32 = 1;
/// The highest standard version.
pub const TX_MAX_STANDARD_VERSION: u32 = 3;
/// The highest weight of a transaction, in weight units.
pub const MAX_STANDARD_TX_WEIGHT: u64 = 400_000;
/// The least size without witnesses, in bytes: above the 64 bytes of an inner node of the Merkle tree.
pub const MIN_STANDARD_TX_NONWITNESS_SIZE: usize = 65;
/// The longest script of an input, in bytes.
pub const MAX_STANDARD_SCRIPTSIG_SIZE: usize = 1_650;
/// The most keys of a bare multisig output. Source: Bitcoin Core `IsStandard`.
pub const MAX_STANDARD_MULTISIG_KEYS: u8 = 3;
/// Whether bare multisig outputs are relayed.
pub const DEFAULT_PERMIT_BAREMULTISIG: bool = true;
/// The most bytes of OP_RETURN scripts in a transaction.
pub const MAX_OP_RETURN_RELAY: usize = 100_000;
/// The highest cost of a transaction's signature operations: a fifth of a block's.
pub const MAX_STANDARD_TX_SIGOPS_COST: u64 = 16_000;
/// The most signature operations outside of witnesses that a transaction's inputs may execute.
pub const MAX_TX_LEGACY_SIGOPS: u64 = 2_500;
/// The most signature operations of a P2SH input's redeem script.
pub const MAX_P2SH_SIGOPS: u64 = 15;
/// How many weight units a signature operation's cost counts for at least. Source: Bitcoin Core `DEFAULT_BYTES_PER_SIGOP`.
pub const DEFAULT_BYTES_PER_SIGOP: u64 = 20;
/// The longest witness script of a P2WSH input, in bytes.
pub const MAX_STANDARD_P2WSH_SCRIPT_SIZE: usize = 3_600;
/// The most items on a P2WSH input's witness stack, its script not counted.
pub const MAX_STANDARD_P2WSH_STACK_ITEMS: usize = 100;
/// The largest of these items, in bytes.
pub const MAX_STANDARD_P2WSH_STACK_ITEM_SIZE: usize = 80;
/// The largest item on a tapscript input's witness stack, in bytes.
pub const MAX_STANDARD_TAPSCRIPT_STACK_ITEM_SIZE: usize = 80;
/// The most unconfirmed transactions that may hang together.
pub const DEFAULT_CLUSTER_LIMIT: u64 = 64;
/// The largest size of a cluster, in virtual bytes.
pub const MAX_CLUSTER_VSIZE: u64 = 101_000;
/// The most clusters that one transaction's direct conflicts may lie in. Source: policy/rbf.h.
pub const MAX_REPLACEMENT_CANDIDATES: usize = 100;
/// The most transactions that are judged together. Source: policy/packages.h.
pub const MAX_PACKAGE_COUNT: usize = 25;
/// The highest weight of transactions that are judged together. Source: policy/packages.h.
pub const MAX_PACKAGE_WEIGHT: u64 = 404_000;
/// The version whose transactions stand in pairs at most (TRUC, BIP431).
pub const TRUC_VERSION: u32 = 3;
/// The most ancestors, and the most descendants, of such a transaction, itself included.
pub const TRUC_CLUSTER_LIMIT: u64 = 2;
/// The largest virtual size of such a transaction, in bytes.
pub const TRUC_MAX_VSIZE: u64 = 10_000;
/// The largest virtual size of one that spends an unconfirmed output, in bytes.
pub const TRUC_CHILD_MAX_VSIZE: u64 = 1_000;

/// What an input has besides what unlocks it: outpoint, script length, sequence.
const INPUT_SIZE: u64 = 36 + 1 + 4;
/// What Core assumes to unlock any output: a signature and a key. In a witness a byte counts a quarter.
const UNLOCKING_SIZE: u64 = 107;
/// The witness of an RSA lock of 4,096 bits: count, 512 bytes of signature, 550 of key, their lengths; at a quarter each.
/// The output does not tell its key's size, so the largest counts.
const RSA_WITNESS_VSIZE: u64 = (1 + 3 + 512 + 3 + 550) / 4;

/// Weight in which many signature operations count as size. Source: Bitcoin Core `GetSigOpsAdjustedWeight`.
pub fn adjusted_weight(weight: u64, sigop_cost: u64) -> u64 {
    weight.max(sigop_cost.saturating_mul(DEFAULT_BYTES_PER_SIGOP))
}

/// Size in virtual bytes, rounded up; many signature operations count as size.
pub fn virtual_size(weight: u64, sigop_cost: u64) -> u64 {
    adjusted_weight(weight, sigop_cost).div_ceil(4)
}

/// The least value of an output that is no dust: what its spending costs at [`DUST_RELAY_TX_FEE`].
///
/// Source: Bitcoin Core `GetDustThreshold`, policy/policy.cpp; 294 for P2WPKH, 330 for P2TR, 546 for P2PKH, 0 for data.
pub fn dust_threshold(script: &Script, network: &Network) -> Amount {
    if mycoin_consensus::is_unspendable(script) {
        return Amount::ZERO;
    }
    let unlocking = if OutputKind::of(script, network) == OutputKind::RsaLock {
        RSA_WITNESS_VSIZE
    } else if script.is_witness_program() {
        UNLOCKING_SIZE / 4
    } else {
        UNLOCKING_SIZE
    };
    let script_size = u64::try_from(script.len()).unwrap_or(u64::MAX);
    let length_size = if script_size < 253 { 1 } else { 3 };
    let output = script_size.saturating_add(8 + length_size);
    DUST_RELAY_TX_FEE.fee_for(output.saturating_add(INPUT_SIZE + unlocking))
}

/// Whether an output costs more to spend than it is worth. Source: Bitcoin Core `IsDust`.
pub fn is_dust(output: &TxOut, network: &Network) -> bool {
    output.value < dust_threshold(&output.script_pubkey, network)
}

/// The outputs of `tx` that are dust. Source: Bitcoin Core `GetDust`.
pub fn dust_outputs(tx: &Transaction, network: &Network) -> Vec<usize> {
    let outputs = tx.output.iter().enumerate();
    outputs.filter(|(_, output)| is_dust(output, network)).map(|(index, _)| index).collect()
}

/// A transaction's version as the rules read it: without a sign.
pub(crate) fn version(tx: &Transaction) -> u32 {
    tx.version.0.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::ScriptBuf;

    use super::*;

    #[test]
    fn signature_operations_count_as_size() {
        assert_eq!(virtual_size(561, 1), 141);
        assert_eq!(virtual_size(400, 80), 400);
    }

    #[test]
    fn dust_thresholds_are_bitcoin_cores() {
        let (short, hash) = ("11".repeat(20), "22".repeat(32));
        for (hex, threshold) in [
            (format!("76a914{short}88ac"), 546),
            (format!("a914{short}87"), 540),
            (format!("2102{hash}ac"), 576),
            (format!("0014{short}"), 294),
            (format!("0020{hash}"), 330),
            (format!("5120{hash}"), 330),
            ("51024e73".to_owned(), 240),
            (format!("5220{hash}"), 330),
            ("6a".to_owned(), 0),
            ("6a76".to_owned(), 0),
            (format!("6020{hash}"), 330),
        ] {
            let script = ScriptBuf::from_hex(&hex).expect("tests write hex");
            assert_eq!(dust_threshold(&script, &Network::regtest()), Amount::from_sat(threshold), "{hex}");
        }
        let rsa = ScriptBuf::from_hex(&format!("6020{hash}")).expect("tests write hex");
        assert_eq!(dust_threshold(&rsa, &Network::demo()), Amount::from_sat(1_053));
        // A length of three bytes, and a script that is too long to be run.
        assert_eq!(dust_threshold(&ScriptBuf::from_bytes(vec![0x51; 253]), &Network::demo()), Amount::from_sat(1_236));
        assert_eq!(dust_threshold(&ScriptBuf::from_bytes(vec![0x51; 10_001]), &Network::demo()), Amount::ZERO);
    }
}
