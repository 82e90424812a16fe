//! Why an input may not spend its output: one variant per rule.
//!
//! Each of Bitcoin Core's script errors is one variant; the RSA lock's are ours.
//! Source: Bitcoin Core `ScriptError`, script/script_error.h.

use crate::rsa::RsaKeyError;

/// The rules that an input can break. One variant is one rule, with a test of its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// The caller's data do not fit: no such input, or not one spent output per input.
    #[error(
        "input {input} cannot be checked: the transaction has {inputs} inputs and {outputs} spent outputs are known"
    )]
    SpentOutputsMismatch {
        /// The input that was asked for.
        input: usize,
        /// How many inputs the transaction has.
        inputs: usize,
        /// How many spent outputs were given.
        outputs: usize,
    },
    /// A script ends with a true item on top.
    #[error("the script ended without a true item on top")]
    EvalFalse,
    /// RETURN is never executed.
    #[error("the script executed RETURN")]
    OpReturn,
    /// Numbers have at most 4 bytes (5 in lock times) and, by policy, their shortest form.
    #[error("a number in the script is too long or not in its shortest form")]
    ScriptNumber,
    /// A script has at most 10,000 bytes. Not in tapscript.
    #[error("the script has more than 10,000 bytes")]
    ScriptSize,
    /// An item has at most 520 bytes.
    #[error("an item has more than 520 bytes")]
    PushSize,
    /// A script has at most 201 operations that do not push. Not in tapscript.
    #[error("the script has more than 201 operations")]
    OpCount,
    /// Both stacks together hold at most 1,000 items.
    #[error("the stacks hold more than 1,000 items")]
    StackSize,
    /// CHECKMULTISIG takes 0 signatures up to one for each key.
    #[error("the number of signatures is negative or above that of the keys")]
    SigCount,
    /// CHECKMULTISIG takes 0 to 20 keys.
    #[error("the number of keys is negative or above 20")]
    PubkeyCount,
    /// VERIFY finds a true item.
    #[error("VERIFY found a false item")]
    Verify,
    /// EQUALVERIFY finds two equal items.
    #[error("EQUALVERIFY found two different items")]
    EqualVerify,
    /// CHECKMULTISIGVERIFY finds valid signatures.
    #[error("CHECKMULTISIGVERIFY found a signature that is not valid")]
    CheckMultisigVerify,
    /// CHECKSIGVERIFY finds a valid signature.
    #[error("CHECKSIGVERIFY found a signature that is not valid")]
    CheckSigVerify,
    /// NUMEQUALVERIFY finds two equal numbers.
    #[error("NUMEQUALVERIFY found two different numbers")]
    NumEqualVerify,
    /// Every operation that is executed has a meaning, and every push ends inside the script.
    #[error("the script has an operation without a meaning, or ends inside a push")]
    BadOpcode,
    /// Operations that were switched off stand nowhere, executed or not.
    #[error("the script has an operation that was switched off")]
    DisabledOpcode,
    /// An operation finds the items that it takes.
    #[error("an operation needs more items than the stack holds")]
    InvalidStackOperation,
    /// FROMALTSTACK finds an item.
    #[error("the alternative stack is empty")]
    InvalidAltstackOperation,
    /// Each IF has its ENDIF.
    #[error("an IF and its ENDIF do not match")]
    UnbalancedConditional,
    /// Lock times are not negative. Source: BIP65, BIP112.
    #[error("a lock time in the script is negative")]
    NegativeLocktime,
    /// The lock time that a script asks for has passed. Source: BIP65, BIP112.
    #[error("the lock time that the script asks for has not passed")]
    UnsatisfiedLocktime,
    /// Policy: a signature's hash type is a defined one.
    #[error("the signature has an undefined hash type")]
    SigHashType,
    /// A signature is strictly DER-encoded. Source: BIP66.
    #[error("the signature is not strictly DER-encoded")]
    SigDer,
    /// Policy: pushes have their shortest form.
    #[error("a push is not in its shortest form")]
    MinimalData,
    /// A signature script that spends a script hash only pushes. Source: BIP16.
    #[error("the signature script does more than push")]
    SigPushOnly,
    /// Policy: of a signature's two forms the one with the low S. Source: BIP146.
    #[error("the signature has a high S")]
    SigHighS,
    /// The item that CHECKMULTISIG takes in vain is empty. Source: BIP147.
    #[error("the item that CHECKMULTISIG takes in vain is not empty")]
    SigNullDummy,
    /// Policy: a key is compressed or uncompressed.
    #[error("the key is neither compressed nor uncompressed")]
    PubkeyType,
    /// One item is left at the end: in witnesses by consensus (BIP141), else by policy.
    #[error("the script did not leave exactly one item")]
    CleanStack,
    /// Policy: in witness version 0, IF takes an empty item or 1.
    #[error("IF found an item that is neither empty nor 1")]
    MinimalIf,
    /// Policy: a signature that fails is empty. Source: BIP146.
    #[error("a signature that is not empty failed")]
    SigNullFail,
    /// Policy: operations that a later rule may give a meaning to are not used.
    #[error("the script uses an operation that is kept for later rules")]
    DiscourageUpgradableNops,
    /// Policy: witness programs without a meaning are not spent.
    #[error("the witness program is kept for later rules")]
    DiscourageUpgradableWitnessProgram,
    /// Policy: taproot leaves of versions without a meaning are not spent.
    #[error("the taproot leaf's version is kept for later rules")]
    DiscourageUpgradableTaprootVersion,
    /// Policy: OP_SUCCESS is not used.
    #[error("the script uses an OP_SUCCESS, which is kept for later rules")]
    DiscourageOpSuccess,
    /// Policy: keys of types without a meaning are not used in tapscript.
    #[error("the key's type is kept for later rules")]
    DiscourageUpgradablePubkeyType,
    /// A witness program of version 0 has 20 or 32 bytes. Source: BIP141.
    #[error("the witness program of version 0 has neither 20 nor 32 bytes")]
    WitnessProgramWrongLength,
    /// A witness program is spent with a witness. Source: BIP141, BIP341.
    #[error("the input has no witness")]
    WitnessProgramWitnessEmpty,
    /// The witness fits the program: its script hashes to it, its control block commits to it, a key hash takes 2 items. Source: BIP141, BIP341.
    #[error("the witness does not fit what the output names")]
    WitnessProgramMismatch,
    /// A witness spend has an empty signature script. Source: BIP141.
    #[error("the input has a signature script, which a witness output forbids")]
    WitnessMalleated,
    /// A nested witness spend's signature script is one push of the program. Source: BIP141.
    #[error("the signature script is not one push of the witness program")]
    WitnessMalleatedP2sh,
    /// Where no witness program is spent, there is no witness. Source: BIP141.
    #[error("the input has a witness, and what it spends takes none")]
    WitnessUnexpected,
    /// Policy: keys in witnesses of version 0 are compressed. Source: BIP143.
    #[error("the key in the witness is not compressed")]
    WitnessPubkeyType,
    /// A Schnorr signature has 64 bytes, or 65 with a hash type. Source: BIP341.
    #[error("the Schnorr signature has neither 64 nor 65 bytes")]
    SchnorrSigSize,
    /// A Schnorr signature's hash type is a defined one, and DEFAULT is not written out. Source: BIP341.
    #[error("the Schnorr signature has an undefined hash type, or one that needs an output that is missing")]
    SchnorrSigHashType,
    /// A Schnorr signature is valid for its key and the input. Source: BIP340, BIP341.
    #[error("the Schnorr signature is not valid for this input")]
    SchnorrSig,
    /// A control block has 33 bytes and 0 to 128 times 32. Source: BIP341.
    #[error("the taproot control block has a wrong size")]
    TaprootWrongControlSize,
    /// The witness is large enough for its signature checks. Source: BIP342.
    #[error("the witness is too small for so many signature checks")]
    TapscriptValidationWeight,
    /// Tapscript has no CHECKMULTISIG. Source: BIP342.
    #[error("the tapscript uses CHECKMULTISIG")]
    TapscriptCheckMultisig,
    /// In tapscript, IF takes an empty item or 1. Source: BIP342.
    #[error("IF found an item that is neither empty nor 1, in tapscript")]
    TapscriptMinimalIf,
    /// In tapscript, a key is not empty. Source: BIP342.
    #[error("a key in the tapscript is empty")]
    TapscriptEmptyPubkey,
    /// Policy: CODESEPARATOR stands in witness scripts only.
    #[error("the script has a CODESEPARATOR outside of a witness")]
    OpCodeSeparator,
    /// Policy: a signature does not stand in the script that it signs.
    #[error("the signature stands in the script that it signs")]
    SigFindAndDelete,
    /// The RSA lock takes exactly a signature and a key.
    #[error("the witness has {found} items; an RSA lock takes exactly 2")]
    RsaWitnessItems {
        /// How many items there are.
        found: usize,
    },
    /// The RSA key is of an allowed form.
    #[error("the RSA key is not allowed: {cause}")]
    RsaKey {
        /// What is wrong with it.
        cause: RsaKeyError,
    },
    /// The RSA key hashes to the output's program.
    #[error("the RSA key in the witness is not the key that the output names")]
    RsaKeyMismatch,
    /// An RSA signature is as long as its key's modulus, with one byte more for a hash type.
    #[error("the RSA signature has {found} bytes; it takes {modulus}, or {modulus} and a hash type")]
    RsaSignatureSize {
        /// How many bytes it has.
        found: usize,
        /// How many bytes the modulus has.
        modulus: usize,
    },
    /// An RSA signature's hash type is ALL, or left out for DEFAULT.
    #[error("the RSA signature has the undefined hash type {hash_type:#04x}")]
    RsaHashType {
        /// The signature's last byte.
        hash_type: u8,
    },
    /// An RSA signature is valid for its key and the input.
    #[error("the RSA signature is not valid for this input")]
    RsaInvalid,
}

impl ScriptError {
    /// The rule's name in Bitcoin Core's test vectors; the RSA lock's are ours.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SpentOutputsMismatch { .. } => "SPENT_OUTPUTS_MISMATCH",
            Self::EvalFalse => "EVAL_FALSE",
            Self::OpReturn => "OP_RETURN",
            Self::ScriptNumber => "SCRIPTNUM",
            Self::ScriptSize => "SCRIPT_SIZE",
            Self::PushSize => "PUSH_SIZE",
            Self::OpCount => "OP_COUNT",
            Self::StackSize => "STACK_SIZE",
            Self::SigCount => "SIG_COUNT",
            Self::PubkeyCount => "PUBKEY_COUNT",
            Self::Verify => "VERIFY",
            Self::EqualVerify => "EQUALVERIFY",
            Self::CheckMultisigVerify => "CHECKMULTISIGVERIFY",
            Self::CheckSigVerify => "CHECKSIGVERIFY",
            Self::NumEqualVerify => "NUMEQUALVERIFY",
            Self::BadOpcode => "BAD_OPCODE",
            Self::DisabledOpcode => "DISABLED_OPCODE",
            Self::InvalidStackOperation => "INVALID_STACK_OPERATION",
            Self::InvalidAltstackOperation => "INVALID_ALTSTACK_OPERATION",
            Self::UnbalancedConditional => "UNBALANCED_CONDITIONAL",
            Self::NegativeLocktime => "NEGATIVE_LOCKTIME",
            Self::UnsatisfiedLocktime => "UNSATISFIED_LOCKTIME",
            Self::SigHashType => "SIG_HASHTYPE",
            Self::SigDer => "SIG_DER",
            Self::MinimalData => "MINIMALDATA",
            Self::SigPushOnly => "SIG_PUSHONLY",
            Self::SigHighS => "SIG_HIGH_S",
            Self::SigNullDummy => "SIG_NULLDUMMY",
            Self::PubkeyType => "PUBKEYTYPE",
            Self::CleanStack => "CLEANSTACK",
            Self::MinimalIf => "MINIMALIF",
            Self::SigNullFail => "NULLFAIL",
            Self::DiscourageUpgradableNops => "DISCOURAGE_UPGRADABLE_NOPS",
            Self::DiscourageUpgradableWitnessProgram => "DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM",
            Self::DiscourageUpgradableTaprootVersion => "DISCOURAGE_UPGRADABLE_TAPROOT_VERSION",
            Self::DiscourageOpSuccess => "DISCOURAGE_OP_SUCCESS",
            Self::DiscourageUpgradablePubkeyType => "DISCOURAGE_UPGRADABLE_PUBKEYTYPE",
            Self::WitnessProgramWrongLength => "WITNESS_PROGRAM_WRONG_LENGTH",
            Self::WitnessProgramWitnessEmpty => "WITNESS_PROGRAM_WITNESS_EMPTY",
            Self::WitnessProgramMismatch => "WITNESS_PROGRAM_MISMATCH",
            Self::WitnessMalleated => "WITNESS_MALLEATED",
            Self::WitnessMalleatedP2sh => "WITNESS_MALLEATED_P2SH",
            Self::WitnessUnexpected => "WITNESS_UNEXPECTED",
            Self::WitnessPubkeyType => "WITNESS_PUBKEYTYPE",
            Self::SchnorrSigSize => "SCHNORR_SIG_SIZE",
            Self::SchnorrSigHashType => "SCHNORR_SIG_HASHTYPE",
            Self::SchnorrSig => "SCHNORR_SIG",
            Self::TaprootWrongControlSize => "TAPROOT_WRONG_CONTROL_SIZE",
            Self::TapscriptValidationWeight => "TAPSCRIPT_VALIDATION_WEIGHT",
            Self::TapscriptCheckMultisig => "TAPSCRIPT_CHECKMULTISIG",
            Self::TapscriptMinimalIf => "TAPSCRIPT_MINIMALIF",
            Self::TapscriptEmptyPubkey => "TAPSCRIPT_EMPTY_PUBKEY",
            Self::OpCodeSeparator => "OP_CODESEPARATOR",
            Self::SigFindAndDelete => "SIG_FINDANDDELETE",
            Self::RsaWitnessItems { .. } => "RSA_WITNESS_ITEMS",
            Self::RsaKey { .. } => "RSA_KEY",
            Self::RsaKeyMismatch => "RSA_KEY_MISMATCH",
            Self::RsaSignatureSize { .. } => "RSA_SIGNATURE_SIZE",
            Self::RsaHashType { .. } => "RSA_HASHTYPE",
            Self::RsaInvalid => "RSA_INVALID",
        }
    }

    /// Bitcoin's words for the rule, as they stand in brackets after `…-script-verify-flag-failed`.
    ///
    /// Source: Bitcoin Core `ScriptErrorString`, script/script_error.cpp. The RSA lock's are ours.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::SpentOutputsMismatch { .. } => "Spent outputs do not fit the transaction",
            Self::EvalFalse => "Script evaluated without error but finished with a false/empty top stack element",
            Self::OpReturn => "OP_RETURN was encountered",
            Self::ScriptNumber => "Script number overflowed or is non-minimally encoded",
            Self::ScriptSize => "Script is too big",
            Self::PushSize => "Push value size limit exceeded",
            Self::OpCount => "Operation limit exceeded",
            Self::StackSize => "Stack size limit exceeded",
            Self::SigCount => "Signature count negative or greater than pubkey count",
            Self::PubkeyCount => "Pubkey count negative or limit exceeded",
            Self::Verify => "Script failed an OP_VERIFY operation",
            Self::EqualVerify => "Script failed an OP_EQUALVERIFY operation",
            Self::CheckMultisigVerify => "Script failed an OP_CHECKMULTISIGVERIFY operation",
            Self::CheckSigVerify => "Script failed an OP_CHECKSIGVERIFY operation",
            Self::NumEqualVerify => "Script failed an OP_NUMEQUALVERIFY operation",
            Self::BadOpcode => "Opcode missing or not understood",
            Self::DisabledOpcode => "Attempted to use a disabled opcode",
            Self::InvalidStackOperation => "Operation not valid with the current stack size",
            Self::InvalidAltstackOperation => "Operation not valid with the current altstack size",
            Self::UnbalancedConditional => "Invalid OP_IF construction",
            Self::NegativeLocktime => "Negative locktime",
            Self::UnsatisfiedLocktime => "Locktime requirement not satisfied",
            Self::SigHashType => "Signature hash type missing or not understood",
            Self::SigDer => "Non-canonical DER signature",
            Self::MinimalData => "Data push larger than necessary",
            Self::SigPushOnly => "Only push operators allowed in signatures",
            Self::SigHighS => "Non-canonical signature: S value is unnecessarily high",
            Self::SigNullDummy => "Dummy CHECKMULTISIG argument must be zero",
            Self::PubkeyType => "Public key is neither compressed or uncompressed",
            Self::CleanStack => "Stack size must be exactly one after execution",
            Self::MinimalIf => "OP_IF/NOTIF argument must be minimal",
            Self::SigNullFail => "Signature must be zero for failed CHECK(MULTI)SIG operation",
            Self::DiscourageUpgradableNops => "NOPx reserved for soft-fork upgrades",
            Self::DiscourageUpgradableWitnessProgram => "Witness version reserved for soft-fork upgrades",
            Self::DiscourageUpgradableTaprootVersion => "Taproot version reserved for soft-fork upgrades",
            Self::DiscourageOpSuccess => "OP_SUCCESSx reserved for soft-fork upgrades",
            Self::DiscourageUpgradablePubkeyType => "Public key version reserved for soft-fork upgrades",
            Self::WitnessProgramWrongLength => "Witness program has incorrect length",
            Self::WitnessProgramWitnessEmpty => "Witness program was passed an empty witness",
            Self::WitnessProgramMismatch => "Witness program hash mismatch",
            Self::WitnessMalleated => "Witness requires empty scriptSig",
            Self::WitnessMalleatedP2sh => "Witness requires only-redeemscript scriptSig",
            Self::WitnessUnexpected => "Witness provided for non-witness script",
            Self::WitnessPubkeyType => "Using non-compressed keys in segwit",
            Self::SchnorrSigSize => "Invalid Schnorr signature size",
            Self::SchnorrSigHashType => "Invalid Schnorr signature hash type",
            Self::SchnorrSig => "Invalid Schnorr signature",
            Self::TaprootWrongControlSize => "Invalid Taproot control block size",
            Self::TapscriptValidationWeight => "Too much signature validation relative to witness weight",
            Self::TapscriptCheckMultisig => "OP_CHECKMULTISIG(VERIFY) is not available in tapscript",
            Self::TapscriptMinimalIf => "OP_IF/NOTIF argument must be minimal in tapscript",
            Self::TapscriptEmptyPubkey => "Empty public key in tapscript",
            Self::OpCodeSeparator => "Using OP_CODESEPARATOR in non-witness script",
            Self::SigFindAndDelete => "Signature is found in scriptCode",
            Self::RsaWitnessItems { .. } => "RSA lock takes a signature and a key",
            Self::RsaKey { .. } => "Invalid RSA key",
            Self::RsaKeyMismatch => "RSA key hash mismatch",
            Self::RsaSignatureSize { .. } => "Invalid RSA signature size",
            Self::RsaHashType { .. } => "Invalid RSA signature hash type",
            Self::RsaInvalid => "Invalid RSA signature",
        }
    }
}
