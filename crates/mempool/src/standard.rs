//! Standardness that a transaction shows alone.
//!
//! In:    a transaction and the network.
//! Out:   the first policy rule that it breaks, in Bitcoin Core's order.
//! Never: the coins that it spends ([`crate::inputs`] judges by these).

use mycoin_primitives::{Network, Transaction, TxOut};

use crate::error::RejectReason;
use crate::policy;
use crate::solver::OutputKind;

/// Checks what can be seen of a transaction alone.
///
/// # Errors
///
/// The first policy rule that it breaks. Source: Bitcoin Core `IsStandardTx`, policy/policy.cpp; the least size from
/// `MemPoolAccept::PreChecks`, validation.cpp.
pub(crate) fn check_standard(tx: &Transaction, network: &Network) -> Result<(), RejectReason> {
    let version = policy::version(tx);
    if !(policy::TX_MIN_STANDARD_VERSION..=policy::TX_MAX_STANDARD_VERSION).contains(&version) {
        return Err(RejectReason::Version { version, highest: policy::TX_MAX_STANDARD_VERSION });
    }
    let weight = tx.weight().to_wu();
    if weight > policy::MAX_STANDARD_TX_WEIGHT {
        return Err(RejectReason::TooHeavy { weight, limit: policy::MAX_STANDARD_TX_WEIGHT });
    }
    for (input, txin) in tx.input.iter().enumerate() {
        let (size, limit) = (txin.script_sig.len(), policy::MAX_STANDARD_SCRIPTSIG_SIZE);
        if size > limit {
            return Err(RejectReason::ScriptSigSize { input, size, limit });
        }
        if !txin.script_sig.is_push_only() {
            return Err(RejectReason::ScriptSigNotPushOnly { input });
        }
    }
    check_outputs(&tx.output, network)?;
    let dust = policy::dust_outputs(tx, network);
    if dust.len() > policy::MAX_DUST_OUTPUTS_PER_TX
        && let Some((output, dust)) = dust.first().and_then(|index| Some((*index, tx.output.get(*index)?)))
    {
        let least = policy::dust_threshold(&dust.script_pubkey, network);
        return Err(RejectReason::Dust { output, value: dust.value, least });
    }
    let (size, least) = (tx.base_size(), policy::MIN_STANDARD_TX_NONWITNESS_SIZE);
    if size < least { Err(RejectReason::TooSmall { size, least }) } else { Ok(()) }
}

fn check_outputs(outputs: &[TxOut], network: &Network) -> Result<(), RejectReason> {
    let mut data = 0usize;
    for (output, TxOut { script_pubkey, .. }) in outputs.iter().enumerate() {
        match OutputKind::of(script_pubkey, network) {
            OutputKind::NonStandard => return Err(RejectReason::ScriptPubkey { output }),
            OutputKind::Multisig { keys, .. } if keys > policy::MAX_STANDARD_MULTISIG_KEYS => {
                return Err(RejectReason::ScriptPubkey { output });
            }
            OutputKind::Multisig { .. } if !policy::DEFAULT_PERMIT_BAREMULTISIG => {
                return Err(RejectReason::BareMultisig { output });
            }
            OutputKind::Data => {
                data = data.saturating_add(script_pubkey.len());
                if data > policy::MAX_OP_RETURN_RELAY {
                    return Err(RejectReason::DataCarrier { size: data, limit: policy::MAX_OP_RETURN_RELAY });
                }
            }
            OutputKind::Multisig { .. }
            | OutputKind::PublicKey
            | OutputKind::PublicKeyHash
            | OutputKind::ScriptHash
            | OutputKind::WitnessKeyHash
            | OutputKind::WitnessScriptHash
            | OutputKind::Taproot
            | OutputKind::Anchor
            | OutputKind::RsaLock
            | OutputKind::WitnessUnknown => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::bitcoin::opcodes::all::{OP_DUP, OP_RETURN};
    use mycoin_primitives::bitcoin::script::{Builder, PushBytesBuf};
    use mycoin_primitives::bitcoin::transaction::Version;
    use mycoin_primitives::{Amount, ScriptBuf};

    use super::*;
    use crate::test_support::{World, own_script, pay, unsigned};

    fn good() -> Transaction {
        let coin = World::new().fund(1).remove(0);
        unsigned(&[coin], vec![pay(10_000)])
    }

    fn check(change: impl FnOnce(&mut Transaction)) -> Result<(), RejectReason> {
        let mut tx = good();
        change(&mut tx);
        check_standard(&tx, &Network::regtest())
    }

    fn paying(value: u64, script_pubkey: ScriptBuf) -> TxOut {
        TxOut { value: Amount::from_sat(value), script_pubkey }
    }

    fn data(size: usize) -> ScriptBuf {
        let bytes = PushBytesBuf::try_from(vec![5; size]).expect("short enough for a push");
        Builder::new().push_opcode(OP_RETURN).push_slice(bytes).into_script()
    }

    fn script(hex: &str) -> ScriptBuf {
        ScriptBuf::from_hex(hex).expect("tests write hex")
    }

    fn bare_multisig(keys: u8) -> ScriptBuf {
        let key = format!("2102{}", "22".repeat(32)).repeat(keys.into());
        script(&format!("51{key}{:02x}ae", 0x50 + keys))
    }

    #[test]
    fn version() {
        for version in [1, 2, 3] {
            assert_eq!(check(|tx| tx.version = Version(version)), Ok(()));
        }
        for version in [i32::MIN, -1, 0, 4, i32::MAX] {
            let refused = RejectReason::Version { version: version.cast_unsigned(), highest: 3 };
            assert_eq!(refused.reject_reason(), "version");
            assert_eq!(check(|tx| tx.version = Version(version)), Err(refused));
        }
    }

    #[test]
    fn too_heavy() {
        // One input without witness, and one output: 61 bytes, and 9 around a script that pushes with 5 bytes, each of weight 4.
        let most = 99_000;
        let heavy = |size| check(|tx| tx.output = vec![paying(0, data(size))]);
        assert_eq!(heavy(most), Ok(()));
        let mut tx = good();
        tx.output = vec![paying(0, data(most))];
        let room = usize::try_from((400_000 - tx.weight().to_wu()) / 4).expect("small");
        assert_eq!(heavy(most + room), Ok(()));
        let refused = heavy(most + room + 1).expect_err("it is too heavy");
        assert_eq!(refused, RejectReason::TooHeavy { weight: 400_004, limit: 400_000 });
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
    fn every_kind_of_bitcoins_outputs_is_standard() {
        let (short, hash) = ("11".repeat(20), "22".repeat(32));
        for standard in [
            script(&format!("2102{hash}ac")),
            script(&format!("76a914{short}88ac")),
            script(&format!("a914{short}87")),
            bare_multisig(3),
            own_script(),
            script(&format!("0020{hash}")),
            script(&format!("5120{hash}")),
            script("51024e73"),
            script(&format!("5220{hash}")),
            data(80),
        ] {
            assert_eq!(check(|tx| tx.output.push(paying(10_000, standard))), Ok(()));
        }
    }

    #[test]
    fn version_16_is_a_standard_output_with_and_without_rsa_locks() {
        let mut tx = good();
        tx.output = vec![paying(10_000, script(&format!("6020{}", "22".repeat(32))))];
        assert_eq!(check_standard(&tx, &Network::demo()), Ok(()));
        assert_eq!(check_standard(&tx, &Network::regtest()), Ok(()));
    }

    #[test]
    fn script_pubkey() {
        for odd in [ScriptBuf::new(), script("51"), script("6a76"), script("6a4c"), bare_multisig(4)] {
            let refused = RejectReason::ScriptPubkey { output: 1 };
            assert_eq!(refused.reject_reason(), "scriptpubkey");
            assert_eq!(check(|tx| tx.output.push(paying(10_000, odd))), Err(refused));
        }
    }

    #[test]
    fn data_carrier() {
        // Several data outputs share one limit. In a whole transaction the weight limit comes first.
        let outputs = |sizes: [usize; 2]| sizes.map(|size| paying(0, script(&format!("6a{}", "51".repeat(size - 1)))));
        assert_eq!(check_outputs(&outputs([60_000, 40_000]), &Network::demo()), Ok(()));
        let refused = check_outputs(&outputs([60_000, 40_001]), &Network::demo()).expect_err("it is too much");
        assert_eq!(refused, RejectReason::DataCarrier { size: 100_001, limit: 100_000 });
        assert_eq!(refused.reject_reason(), "datacarrier");
    }

    #[test]
    fn dust() {
        // One output may be dust: whether the transaction pays no fee then is seen with its coins.
        let two = |values: [u64; 2]| check(|tx| tx.output = values.map(pay).to_vec());
        assert_eq!(two([294, 294]), Ok(()));
        assert_eq!(two([294, 293]), Ok(()));
        let refused = RejectReason::Dust { output: 0, value: Amount::from_sat(293), least: Amount::from_sat(294) };
        assert_eq!(refused.reject_reason(), "dust");
        assert_eq!(two([293, 293]), Err(refused));
    }
}
