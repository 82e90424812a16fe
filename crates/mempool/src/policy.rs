//! Policy: what is relayed and mined though the rules would allow more.
//!
//! Numbers and formulas are Bitcoin Core v30's (policy/policy.h, policy/policy.cpp), with two differences:
//! - An output is standard only if this node can check its spending: P2WPKH, P2TR, the RSA lock where the coin has it,
//!   and data (OP_RETURN). What needs the script interpreter is not relayed, so that nobody strands coins.
//! - Version 3 is not relayed, because its own limits (TRUC, BIP431) are not enforced here.

use mycoin_primitives::bitcoin::WitnessVersion;
use mycoin_primitives::bitcoin::opcodes::all::OP_RETURN;
use mycoin_primitives::{Amount, FeeRate, Network, Script, Transaction, TxOut};

use crate::error::RejectReason;

/// The lowest fee rate that is relayed: 0.1 sat/vB.
pub const MINIMUM_RELAY_RATE: FeeRate = FeeRate::from_sat_per_kvb(100);
/// What a replacement pays for its own relay, and the step of the full pool's minimum.
pub const INCREMENTAL_RATE: FeeRate = FeeRate::from_sat_per_kvb(100);
/// The fee rate that decides what is dust.
pub const DUST_RATE: FeeRate = FeeRate::from_sat_per_kvb(3_000);
/// The highest standard version.
pub const MAX_VERSION: i32 = 2;
/// The highest weight of a transaction, in weight units.
pub const MAX_WEIGHT: u64 = 400_000;
/// The least size without witnesses, in bytes: above the 64 bytes of an inner node of the Merkle tree.
pub const MIN_STRIPPED_SIZE: usize = 65;
/// The longest script of an input, in bytes.
pub const MAX_SCRIPT_SIG_SIZE: usize = 1_650;
/// The most bytes of OP_RETURN scripts in a transaction.
pub const MAX_DATA_SIZE: usize = 100_000;
/// The highest cost of a transaction's signature operations: a fifth of a block's.
pub const MAX_SIGOP_COST: u64 = 16_000;
/// How many bytes of size a signature operation counts for at least.
pub const BYTES_PER_SIGOP: u64 = 20;
/// The most ancestors, and the most descendants, of an unconfirmed transaction, itself included.
pub const MAX_PACKAGE_COUNT: u64 = 25;
/// The largest size of them, itself included, in virtual bytes.
pub const MAX_PACKAGE_VSIZE: u64 = 101_000;
/// The most transactions that one replacement evicts.
pub const MAX_REPLACED: usize = 100;

/// What a witness input has besides its witness: outpoint, empty script, sequence.
const INPUT_SIZE: u64 = 36 + 1 + 4;
/// The witness that Core assumes for dust: a signature and a key, 107 bytes at a quarter each.
const SIGNED_WITNESS_VSIZE: u64 = 107 / 4;
/// The witness of an RSA lock of 4,096 bits: count, 512 bytes of signature, 550 of key, their lengths; at a quarter each.
/// The output does not tell its key's size, so the largest counts.
const RSA_WITNESS_VSIZE: u64 = (1 + 3 + 512 + 3 + 550) / 4;
/// The byte that begins an annex (BIP341).
const ANNEX_TAG: u8 = 0x50;

/// The kinds of outputs that are standard here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutputKind {
    /// P2WPKH or P2TR.
    Signed,
    /// The RSA lock.
    Rsa,
    /// OP_RETURN with pushes of data.
    Data,
}

fn output_kind(script: &Script, network: &Network) -> Option<OutputKind> {
    if script.is_p2wpkh() || script.is_p2tr() {
        Some(OutputKind::Signed)
    } else if network.rsa && is_rsa_lock(script) {
        Some(OutputKind::Rsa)
    } else if is_data(script) {
        Some(OutputKind::Data)
    } else {
        None
    }
}

fn is_rsa_lock(script: &Script) -> bool {
    script.witness_version() == Some(WitnessVersion::V16) && script.len() == 34
}

fn is_data(script: &Script) -> bool {
    let bytes = script.as_bytes();
    bytes.first() == Some(&OP_RETURN.to_u8()) && Script::from_bytes(bytes.get(1..).unwrap_or_default()).is_push_only()
}

/// Size in virtual bytes, rounded up; many signature operations count as size.
pub fn virtual_size(weight: u64, sigop_cost: u64) -> u64 {
    weight.max(sigop_cost.saturating_mul(BYTES_PER_SIGOP)).div_ceil(4)
}

/// The least value of an output that is no dust: what its spending costs at [`DUST_RATE`]; `None` for non-standard outputs.
///
/// Source: Bitcoin Core `GetDustThreshold`, policy/policy.cpp; 294 for P2WPKH and 330 for P2TR.
pub fn dust_limit(script: &Script, network: &Network) -> Option<Amount> {
    let witness = match output_kind(script, network)? {
        OutputKind::Data => return Some(Amount::ZERO),
        OutputKind::Signed => SIGNED_WITNESS_VSIZE,
        OutputKind::Rsa => RSA_WITNESS_VSIZE,
    };
    // A standard script is shorter than 253 bytes, so its length takes one byte.
    let output = 8 + 1 + u64::try_from(script.len()).unwrap_or(u64::MAX);
    Some(DUST_RATE.fee_for(output.saturating_add(INPUT_SIZE + witness)))
}

/// Checks what can be seen of a transaction alone.
///
/// # Errors
///
/// The first policy rule that it breaks. Source: Bitcoin Core `IsStandardTx`.
pub fn check_standard(tx: &Transaction, network: &Network) -> Result<(), RejectReason> {
    let version = tx.version.0;
    if !(1..=MAX_VERSION).contains(&version) {
        return Err(RejectReason::Version { version, highest: MAX_VERSION });
    }
    let weight = tx.weight().to_wu();
    if weight > MAX_WEIGHT {
        return Err(RejectReason::TooHeavy { weight, limit: MAX_WEIGHT });
    }
    let size = tx.base_size();
    if size < MIN_STRIPPED_SIZE {
        return Err(RejectReason::TooSmall { size, least: MIN_STRIPPED_SIZE });
    }
    for (input, txin) in tx.input.iter().enumerate() {
        let size = txin.script_sig.len();
        if size > MAX_SCRIPT_SIG_SIZE {
            return Err(RejectReason::ScriptSigSize { input, size, limit: MAX_SCRIPT_SIG_SIZE });
        }
        if !txin.script_sig.is_push_only() {
            return Err(RejectReason::ScriptSigNotPushOnly { input });
        }
    }
    check_outputs(&tx.output, network)
}

fn check_outputs(outputs: &[TxOut], network: &Network) -> Result<(), RejectReason> {
    let mut data = 0usize;
    for (output, TxOut { value, script_pubkey }) in outputs.iter().enumerate() {
        match output_kind(script_pubkey, network) {
            None => return Err(RejectReason::ScriptPubkey { output }),
            Some(OutputKind::Data) => data = data.saturating_add(script_pubkey.len()),
            Some(OutputKind::Signed | OutputKind::Rsa) => {}
        }
        if data > MAX_DATA_SIZE {
            return Err(RejectReason::DataCarrier { size: data, limit: MAX_DATA_SIZE });
        }
        let least = dust_limit(script_pubkey, network).unwrap_or(Amount::MAX_MONEY);
        if *value < least {
            return Err(RejectReason::Dust { output, value: *value, least });
        }
    }
    Ok(())
}

/// Checks what needs the spent outputs, except for the scripts themselves.
///
/// # Errors
///
/// The first policy rule that the transaction breaks. Source: Bitcoin Core `IsWitnessStandard` and `PreChecks`.
pub fn check_standard_inputs(tx: &Transaction, spent: &[TxOut], sigop_cost: u64) -> Result<(), RejectReason> {
    for (input, (txin, output)) in tx.input.iter().zip(spent).enumerate() {
        let annex = txin.witness.len() >= 2 && txin.witness.last().and_then(|item| item.first()) == Some(&ANNEX_TAG);
        if annex && output.script_pubkey.is_p2tr() {
            return Err(RejectReason::WitnessAnnex { input });
        }
    }
    if sigop_cost > MAX_SIGOP_COST {
        return Err(RejectReason::TooManySigops { cost: sigop_cost, limit: MAX_SIGOP_COST });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::bitcoin::opcodes::all::{OP_DUP, OP_PUSHNUM_16, OP_RETURN};
    use mycoin_primitives::bitcoin::script::{Builder, PushBytesBuf};
    use mycoin_primitives::bitcoin::transaction::Version;
    use mycoin_primitives::{ScriptBuf, Witness};

    use super::*;
    use crate::test_support::{World, pay, unsigned};

    fn good() -> Transaction {
        let coin = World::new().fund(1).remove(0);
        unsigned(&[coin], vec![pay(10_000)])
    }

    fn check(change: impl FnOnce(&mut Transaction)) -> Result<(), RejectReason> {
        let mut tx = good();
        change(&mut tx);
        check_standard(&tx, &Network::demo())
    }

    fn paying(value: u64, script_pubkey: ScriptBuf) -> TxOut {
        TxOut { value: Amount::from_sat(value), script_pubkey }
    }

    fn rsa_lock() -> ScriptBuf {
        Builder::new().push_opcode(OP_PUSHNUM_16).push_slice([9; 32]).into_script()
    }

    fn taproot() -> ScriptBuf {
        Builder::new().push_int(1).push_slice([9; 32]).into_script()
    }

    fn data(size: usize) -> ScriptBuf {
        let bytes = PushBytesBuf::try_from(vec![5; size]).expect("short enough for a push");
        Builder::new().push_opcode(OP_RETURN).push_slice(bytes).into_script()
    }

    #[test]
    fn version() {
        for version in [1, 2] {
            assert_eq!(check(|tx| tx.version = Version(version)), Ok(()));
        }
        for version in [i32::MIN, -1, 0, 3, 4, i32::MAX] {
            let refused = RejectReason::Version { version, highest: 2 };
            assert_eq!(refused.reject_reason(), "version");
            assert_eq!(check(|tx| tx.version = Version(version)), Err(refused));
        }
    }

    #[test]
    fn too_heavy() {
        assert_eq!(check(|tx| tx.output = vec![paying(0, data(99_000))]), Ok(()));
        let refused = check(|tx| tx.output = vec![paying(0, data(100_000))]).expect_err("it is too heavy");
        assert!(matches!(refused, RejectReason::TooHeavy { limit: 400_000, .. }));
        assert_eq!(refused.reject_reason(), "tx-size");
    }

    #[test]
    fn too_small() {
        assert_eq!(check(|tx| tx.output = vec![paying(0, data(3))]), Ok(()));
        let refused = RejectReason::TooSmall { size: 64, least: 65 };
        assert_eq!(refused.reject_reason(), "tx-size-small");
        assert_eq!(check(|tx| tx.output = vec![paying(0, data(2))]), Err(refused));
    }

    #[test]
    fn script_sig_size() {
        let script = |size| ScriptBuf::from_bytes(vec![0x51; size]);
        assert_eq!(check(|tx| tx.input[0].script_sig = script(1_650)), Ok(()));
        let refused = RejectReason::ScriptSigSize { input: 0, size: 1_651, limit: 1_650 };
        assert_eq!(refused.reject_reason(), "scriptsig-size");
        assert_eq!(check(|tx| tx.input[0].script_sig = script(1_651)), Err(refused));
    }

    #[test]
    fn script_sig_not_push_only() {
        let refused = RejectReason::ScriptSigNotPushOnly { input: 0 };
        assert_eq!(refused.reject_reason(), "scriptsig-not-pushonly");
        let script = Builder::new().push_opcode(OP_DUP).into_script();
        assert_eq!(check(|tx| tx.input[0].script_sig = script), Err(refused));
    }

    #[test]
    fn script_pubkey() {
        for standard in [taproot(), rsa_lock(), data(80)] {
            assert_eq!(check(|tx| tx.output.push(paying(10_000, standard))), Ok(()));
        }
        let unfinished_push = ScriptBuf::from_bytes(vec![0x6a, 0x4c]);
        let data_and_more = Builder::new().push_opcode(OP_RETURN).push_opcode(OP_DUP).into_script();
        let unspendable_here = [
            ScriptBuf::new(),
            ScriptBuf::new_p2pkh(&mycoin_primitives::hashes::Hash::all_zeros()),
            ScriptBuf::new_p2sh(&mycoin_primitives::hashes::Hash::all_zeros()),
            ScriptBuf::new_p2wsh(&mycoin_primitives::hashes::Hash::all_zeros()),
            Builder::new().push_opcode(OP_PUSHNUM_16).push_slice([9; 31]).into_script(),
            Builder::new().push_int(2).push_slice([9; 32]).into_script(),
            Builder::new().push_int(1).push_slice([0x4e, 0x73]).into_script(),
            unfinished_push,
            data_and_more,
        ];
        for script in unspendable_here {
            let refused = RejectReason::ScriptPubkey { output: 1 };
            assert_eq!(refused.reject_reason(), "scriptpubkey");
            assert_eq!(check(|tx| tx.output.push(paying(10_000, script))), Err(refused));
        }
    }

    #[test]
    fn rsa_locks_are_standard_only_where_the_coin_has_them() {
        let mut tx = good();
        tx.output = vec![paying(10_000, rsa_lock())];
        assert_eq!(check_standard(&tx, &Network::demo()), Ok(()));
        assert_eq!(check_standard(&tx, &Network::regtest()), Err(RejectReason::ScriptPubkey { output: 0 }));
    }

    #[test]
    fn data_carrier() {
        // Several data outputs share one limit. In a whole transaction the weight limit comes first.
        let outputs = [paying(0, data(60_000)), paying(0, data(39_000))];
        assert_eq!(check_outputs(&outputs, &Network::demo()), Ok(()));
        let outputs = [paying(0, data(60_000)), paying(0, data(40_000))];
        let refused = check_outputs(&outputs, &Network::demo()).expect_err("it is too much");
        assert!(matches!(refused, RejectReason::DataCarrier { limit: 100_000, .. }));
        assert_eq!(refused.reject_reason(), "datacarrier");
    }

    #[test]
    fn dust() {
        let own = crate::test_support::own_script();
        for (script, limit) in [(own, 294), (taproot(), 330), (rsa_lock(), 1_053)] {
            let least = Amount::from_sat(limit);
            assert_eq!(dust_limit(&script, &Network::demo()), Some(least));
            assert_eq!(check(|tx| tx.output = vec![paying(limit, script.clone())]), Ok(()));
            let value = Amount::from_sat(limit - 1);
            let refused = RejectReason::Dust { output: 0, value, least };
            assert_eq!(refused.reject_reason(), "dust");
            assert_eq!(check(|tx| tx.output = vec![paying(limit - 1, script)]), Err(refused));
        }
    }

    #[test]
    fn witness_annex() {
        let mut tx = good();
        tx.input[0].witness = Witness::from_slice(&[vec![1; 64], vec![0x50, 1]]);
        let refused = RejectReason::WitnessAnnex { input: 0 };
        assert_eq!(refused.reject_reason(), "bad-witness-nonstandard");
        assert_eq!(check_standard_inputs(&tx, &[paying(1, taproot())], 1), Err(refused));
        assert_eq!(check_standard_inputs(&tx, &[pay(1)], 1), Ok(()));
    }

    #[test]
    fn too_many_sigops() {
        let refused = RejectReason::TooManySigops { cost: 16_001, limit: 16_000 };
        assert_eq!(refused.reject_reason(), "bad-txns-too-many-sigops");
        assert_eq!(check_standard_inputs(&good(), &[pay(1)], 16_001), Err(refused));
        assert_eq!(check_standard_inputs(&good(), &[pay(1)], 16_000), Ok(()));
    }

    #[test]
    fn signature_operations_count_as_size() {
        assert_eq!(virtual_size(561, 1), 141);
        assert_eq!(virtual_size(400, 80), 400);
    }
}
