//! The rules' stable codes in the error catalogue.

use mycoin_primitives::Failure;

use crate::ScriptError;

impl Failure for ScriptError {
    fn code(&self) -> &'static str {
        match self {
            Self::SpentOutputsMismatch { .. } => "script/spent-outputs-mismatch",
            Self::EvalFalse => "script/eval-false",
            Self::OpReturn => "script/op-return",
            Self::ScriptNumber => "script/number",
            Self::ScriptSize => "script/script-size",
            Self::PushSize => "script/push-size",
            Self::OpCount => "script/operation-count",
            Self::StackSize => "script/stack-size",
            Self::SigCount => "script/signature-count",
            Self::PubkeyCount => "script/key-count",
            Self::Verify => "script/verify",
            Self::EqualVerify => "script/equal-verify",
            Self::CheckMultisigVerify => "script/check-multisig-verify",
            Self::CheckSigVerify => "script/check-sig-verify",
            Self::NumEqualVerify => "script/number-equal-verify",
            Self::BadOpcode => "script/bad-opcode",
            Self::DisabledOpcode => "script/disabled-opcode",
            Self::InvalidStackOperation => "script/stack-operation",
            Self::InvalidAltstackOperation => "script/alt-stack-operation",
            Self::UnbalancedConditional => "script/unbalanced-conditional",
            Self::NegativeLocktime => "script/negative-lock-time",
            Self::UnsatisfiedLocktime => "script/lock-time",
            Self::SigHashType => "script/signature-hash-type",
            Self::SigDer => "script/signature-encoding",
            Self::MinimalData => "script/minimal-data",
            Self::SigPushOnly => "script/push-only",
            Self::SigHighS => "script/signature-high-s",
            Self::SigNullDummy => "script/null-dummy",
            Self::PubkeyType => "script/key-type",
            Self::CleanStack => "script/clean-stack",
            Self::MinimalIf => "script/minimal-if",
            Self::SigNullFail => "script/null-fail",
            Self::DiscourageUpgradableNops => "script/upgradable-nop",
            Self::DiscourageUpgradableWitnessProgram => "script/upgradable-witness-program",
            Self::DiscourageUpgradableTaprootVersion => "script/upgradable-taproot-version",
            Self::DiscourageOpSuccess => "script/op-success",
            Self::DiscourageUpgradablePubkeyType => "script/upgradable-key-type",
            Self::WitnessProgramWrongLength => "script/witness-program-length",
            Self::WitnessProgramWitnessEmpty => "script/witness-empty",
            Self::WitnessProgramMismatch => "script/witness-program-mismatch",
            Self::WitnessMalleated => "script/witness-malleated",
            Self::WitnessMalleatedP2sh => "script/witness-malleated-p2sh",
            Self::WitnessUnexpected => "script/witness-unexpected",
            Self::WitnessPubkeyType => "script/witness-key-type",
            Self::SchnorrSigSize => "script/schnorr-size",
            Self::SchnorrSigHashType => "script/schnorr-hash-type",
            Self::SchnorrSig => "script/schnorr-invalid",
            Self::TaprootWrongControlSize => "script/taproot-control-size",
            Self::TapscriptValidationWeight => "script/tapscript-validation-weight",
            Self::TapscriptCheckMultisig => "script/tapscript-check-multisig",
            Self::TapscriptMinimalIf => "script/tapscript-minimal-if",
            Self::TapscriptEmptyPubkey => "script/tapscript-empty-key",
            Self::OpCodeSeparator => "script/code-separator",
            Self::SigFindAndDelete => "script/signature-in-script",
            Self::RsaWitnessItems { .. } => "script/rsa-witness-items",
            Self::RsaKey { .. } => "script/rsa-key",
            Self::RsaKeyMismatch => "script/rsa-key-mismatch",
            Self::RsaSignatureSize { .. } => "script/rsa-signature-size",
            Self::RsaHashType { .. } => "script/rsa-hash-type",
            Self::RsaInvalid => "script/rsa-invalid",
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::SpentOutputsMismatch { .. } => {
                "Report this: the node asked for a check with data that do not belong together."
            }
            Self::NegativeLocktime | Self::UnsatisfiedLocktime => {
                "Wait until the lock time has passed, then send it again."
            }
            Self::EvalFalse
            | Self::OpReturn
            | Self::ScriptNumber
            | Self::ScriptSize
            | Self::PushSize
            | Self::OpCount
            | Self::StackSize
            | Self::SigCount
            | Self::PubkeyCount
            | Self::Verify
            | Self::EqualVerify
            | Self::CheckMultisigVerify
            | Self::CheckSigVerify
            | Self::NumEqualVerify
            | Self::BadOpcode
            | Self::DisabledOpcode
            | Self::InvalidStackOperation
            | Self::InvalidAltstackOperation
            | Self::UnbalancedConditional
            | Self::SigHashType
            | Self::SigDer
            | Self::MinimalData
            | Self::SigPushOnly
            | Self::SigHighS
            | Self::SigNullDummy
            | Self::PubkeyType
            | Self::CleanStack
            | Self::MinimalIf
            | Self::SigNullFail
            | Self::DiscourageUpgradableNops
            | Self::DiscourageUpgradableWitnessProgram
            | Self::DiscourageUpgradableTaprootVersion
            | Self::DiscourageOpSuccess
            | Self::DiscourageUpgradablePubkeyType
            | Self::WitnessProgramWrongLength
            | Self::WitnessProgramWitnessEmpty
            | Self::WitnessProgramMismatch
            | Self::WitnessMalleated
            | Self::WitnessMalleatedP2sh
            | Self::WitnessUnexpected
            | Self::WitnessPubkeyType
            | Self::SchnorrSigSize
            | Self::SchnorrSigHashType
            | Self::SchnorrSig
            | Self::TaprootWrongControlSize
            | Self::TapscriptValidationWeight
            | Self::TapscriptCheckMultisig
            | Self::TapscriptMinimalIf
            | Self::TapscriptEmptyPubkey
            | Self::OpCodeSeparator
            | Self::SigFindAndDelete
            | Self::RsaWitnessItems { .. }
            | Self::RsaKey { .. }
            | Self::RsaKeyMismatch
            | Self::RsaSignatureSize { .. }
            | Self::RsaHashType { .. }
            | Self::RsaInvalid => "Sign the transaction again with the wallet that holds the key.",
        }
    }
}
