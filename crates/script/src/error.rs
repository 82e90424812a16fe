//! Why an input may not spend its output: one variant per rule.

use mycoin_primitives::Failure;

use crate::rsa::RsaKeyError;

/// A kind of spend that the script interpreter would have to judge, which MyCoin does not have yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsupportedSpend {
    /// An output without a witness program: bare, pay-to-public-key-hash, pay-to-script-hash.
    Legacy,
    /// Witness version 0 with a 32-byte program.
    WitnessScriptHash,
    /// Witness version 0 with a program of neither 20 nor 32 bytes.
    WitnessV0ProgramSize,
    /// Taproot's script path.
    TaprootScriptPath,
    /// A witness program that no rule gives a meaning to, which Bitcoin would let anyone spend.
    WitnessVersion {
        /// Its version.
        version: u8,
    },
}

impl UnsupportedSpend {
    /// What a person calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Legacy => "an output without a witness program",
            Self::WitnessScriptHash => "a pay-to-witness-script-hash output",
            Self::WitnessV0ProgramSize => "a version 0 witness program of a wrong size",
            Self::TaprootScriptPath => "a taproot output by a script",
            Self::WitnessVersion { .. } => "a witness program of an unknown version",
        }
    }
}

/// The rules that an input can break. One variant is one rule, with a test of its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// The spend needs the interpreter; nothing is let through unchecked.
    #[error("the input spends {}, which this version does not support", kind.name())]
    NeedsInterpreter {
        /// What it spends.
        kind: UnsupportedSpend,
    },
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
    /// A witness spend has an empty scriptSig. Source: BIP141.
    #[error("the input has a signature script, which a witness output forbids")]
    ScriptSigNotEmpty,
    /// A witness spend has a witness. Source: BIP141, BIP341.
    #[error("the input has no witness")]
    WitnessEmpty,
    /// Pay-to-witness-public-key-hash takes exactly a signature and a key. Source: BIP141.
    #[error("the witness has {found} items; a key hash takes exactly 2")]
    WitnessItems {
        /// How many items there are.
        found: usize,
    },
    /// The key hashes to the output's program. Source: BIP141.
    #[error("the key in the witness is not the key that the output names")]
    KeyMismatch,
    /// An ECDSA signature is strictly DER-encoded. Source: BIP66.
    #[error("the ECDSA signature is not strictly DER-encoded")]
    EcdsaEncoding,
    /// An ECDSA signature is valid for its key and the input. Source: BIP143.
    #[error("the ECDSA signature is not valid for this input")]
    EcdsaInvalid,
    /// Policy: an ECDSA signature's hash type is a defined one.
    #[error("the ECDSA signature has the undefined hash type {hash_type:#04x}")]
    EcdsaHashType {
        /// The signature's last byte.
        hash_type: u8,
    },
    /// Policy: of an ECDSA signature's two forms the one with the low S is used. Source: BIP146.
    #[error("the ECDSA signature has a high S")]
    EcdsaHighS,
    /// Policy: keys in witnesses are compressed. Source: BIP143.
    #[error("the key in the witness is not compressed")]
    KeyNotCompressed,
    /// A Schnorr signature has 64 bytes, or 65 with a hash type. Source: BIP341.
    #[error("the Schnorr signature has {found} bytes; it takes 64 or 65")]
    SchnorrSize {
        /// How many bytes it has.
        found: usize,
    },
    /// A Schnorr signature's hash type is a defined one, and DEFAULT is not written out. Source: BIP341.
    #[error("the Schnorr signature has an undefined hash type, or its hash type needs an output that is missing")]
    SchnorrHashType,
    /// A Schnorr signature is valid for its key and the input. Source: BIP341.
    #[error("the Schnorr signature is not valid for this input")]
    SchnorrInvalid,
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
    /// Bitcoin's words for the rule, as they stand in brackets after `…-script-verify-flag-failed`.
    ///
    /// Source: Bitcoin Core `ScriptErrorString`, script/script_error.cpp. The RSA lock's and the interpreter's are ours.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NeedsInterpreter { .. } => "Script needs an interpreter",
            Self::SpentOutputsMismatch { .. } => "Spent outputs do not fit the transaction",
            Self::ScriptSigNotEmpty => "Witness requires empty scriptSig",
            Self::WitnessEmpty => "Witness program was passed an empty witness",
            Self::WitnessItems { .. } => "Witness program hash mismatch",
            Self::KeyMismatch => "Script failed an OP_EQUALVERIFY operation",
            Self::EcdsaEncoding => "Non-canonical DER signature",
            Self::EcdsaInvalid => "Script evaluated without error but finished with a false/empty top stack element",
            Self::EcdsaHashType { .. } => "Signature hash type missing or not understood",
            Self::EcdsaHighS => "Non-canonical signature: S value is unnecessarily high",
            Self::KeyNotCompressed => "Using non-compressed keys in segwit",
            Self::SchnorrSize { .. } => "Invalid Schnorr signature size",
            Self::SchnorrHashType => "Invalid Schnorr signature hash type",
            Self::SchnorrInvalid => "Invalid Schnorr signature",
            Self::RsaWitnessItems { .. } => "RSA lock takes a signature and a key",
            Self::RsaKey { .. } => "Invalid RSA key",
            Self::RsaKeyMismatch => "RSA key hash mismatch",
            Self::RsaSignatureSize { .. } => "Invalid RSA signature size",
            Self::RsaHashType { .. } => "Invalid RSA signature hash type",
            Self::RsaInvalid => "Invalid RSA signature",
        }
    }
}

impl Failure for ScriptError {
    fn code(&self) -> &'static str {
        match self {
            Self::NeedsInterpreter { .. } => "script/unsupported",
            Self::SpentOutputsMismatch { .. } => "script/spent-outputs-mismatch",
            Self::ScriptSigNotEmpty => "script/signature-script-not-empty",
            Self::WitnessEmpty => "script/witness-empty",
            Self::WitnessItems { .. } => "script/witness-items",
            Self::KeyMismatch => "script/key-mismatch",
            Self::EcdsaEncoding => "script/ecdsa-encoding",
            Self::EcdsaInvalid => "script/ecdsa-invalid",
            Self::EcdsaHashType { .. } => "script/ecdsa-hash-type",
            Self::EcdsaHighS => "script/ecdsa-high-s",
            Self::KeyNotCompressed => "script/key-not-compressed",
            Self::SchnorrSize { .. } => "script/schnorr-size",
            Self::SchnorrHashType => "script/schnorr-hash-type",
            Self::SchnorrInvalid => "script/schnorr-invalid",
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
            Self::NeedsInterpreter { .. } => "Pay from an address of this coin's wallet.",
            Self::SpentOutputsMismatch { .. } => {
                "Report this: the node asked for a check with data that do not belong together."
            }
            Self::ScriptSigNotEmpty
            | Self::WitnessEmpty
            | Self::WitnessItems { .. }
            | Self::KeyMismatch
            | Self::EcdsaEncoding
            | Self::EcdsaInvalid
            | Self::EcdsaHashType { .. }
            | Self::EcdsaHighS
            | Self::KeyNotCompressed
            | Self::SchnorrSize { .. }
            | Self::SchnorrHashType
            | Self::SchnorrInvalid
            | Self::RsaWitnessItems { .. }
            | Self::RsaKey { .. }
            | Self::RsaKeyMismatch
            | Self::RsaSignatureSize { .. }
            | Self::RsaHashType { .. }
            | Self::RsaInvalid => "Sign the transaction again with the wallet that holds the key.",
        }
    }
}
