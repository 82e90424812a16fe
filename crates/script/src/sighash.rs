//! What is signed: the hash of each of the schemes, and what a transaction's inputs share of them.
//!
//! In:    a transaction, the outputs that it spends, an input, a hash type.
//! Out:   the 32 bytes that a signature signs.
//! Never: a signature.
//!
//! Written here because consensus hashes undefined hash types too, which libraries refuse to.
//! Source: Bitcoin Core `SignatureHash`, `SignatureHashSchnorr`, script/interpreter.cpp; BIP143, BIP341, BIP342.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::{LazyLock, OnceLock};

use mycoin_primitives::bitcoin::consensus::encode::{Encodable, VarInt};
use mycoin_primitives::hashes::{Hash, HashEngine, sha256};
use mycoin_primitives::{OutPoint, Script, Transaction, TxIn, TxOut};

use crate::ScriptError;

mod legacy;

use legacy::LegacyParts;
pub use legacy::legacy_sighash;
pub(crate) use legacy::{SINGLE_WITHOUT_OUTPUT, legacy_message};

/// The tag of the RSA lock's signature hash (a tagged hash as in BIP340).
const RSA_SIGHASH_TAG: &[u8] = b"MyCoin/RsaSighash";
static TAP_SIGHASH: LazyLock<sha256::HashEngine> = LazyLock::new(|| tagged(b"TapSighash"));
static RSA_SIGHASH: LazyLock<sha256::HashEngine> = LazyLock::new(|| tagged(RSA_SIGHASH_TAG));

/// The engine of a tagged hash, with its tag in it. Source: BIP340.
pub(crate) fn tagged(tag: &[u8]) -> sha256::HashEngine {
    let tag = sha256::Hash::hash(tag);
    let mut engine = sha256::Hash::engine();
    engine.input(tag.as_byte_array());
    engine.input(tag.as_byte_array());
    engine
}

/// A transaction with the outputs that it spends, and the hashes that its inputs' signatures share.
///
/// Threads may share it; each hash is made once, by whoever asks first.
#[derive(Debug)]
pub struct PrecomputedTransaction<'a> {
    tx: &'a Transaction,
    spent: Cow<'a, [TxOut]>,
    shared: OnceLock<SharedHashes>,
    taproot: OnceLock<TaprootHashes>,
    legacy: LegacyParts,
}

/// Hashes that BIP143 and BIP341 share; BIP143 hashes them once more.
#[derive(Debug)]
struct SharedHashes {
    prevouts: sha256::Hash,
    sequences: sha256::Hash,
    outputs: sha256::Hash,
}

#[derive(Debug)]
struct TaprootHashes {
    amounts: sha256::Hash,
    scripts: sha256::Hash,
}

impl<'a> PrecomputedTransaction<'a> {
    /// `spent` holds the output that each input spends, in input order.
    pub fn new(tx: &'a Transaction, spent: impl Into<Cow<'a, [TxOut]>>) -> Self {
        let (shared, taproot, legacy) = (OnceLock::new(), OnceLock::new(), LegacyParts::default());
        Self { tx, spent: spent.into(), shared, taproot, legacy }
    }

    /// The transaction.
    pub const fn transaction(&self) -> &'a Transaction {
        self.tx
    }

    /// The outputs that it spends, in input order.
    pub fn spent(&self) -> &[TxOut] {
        &self.spent
    }

    pub(crate) fn input(&self, input: usize) -> Result<Input<'_>, ScriptError> {
        let (inputs, outputs) = (self.tx.input.len(), self.spent.len());
        let mismatch = ScriptError::SpentOutputsMismatch { input, inputs, outputs };
        if inputs != outputs {
            return Err(mismatch);
        }
        let (spending, output) = self.tx.input.get(input).zip(self.spent.get(input)).ok_or(mismatch)?;
        Ok(Input { data: self, index: input, spending, output })
    }

    fn shared(&self) -> &SharedHashes {
        self.shared.get_or_init(|| SharedHashes {
            prevouts: hash_of(|engine| {
                self.tx.input.iter().for_each(|input| hash_outpoint(engine, &input.previous_output))
            }),
            sequences: hash_of(|engine| {
                self.tx.input.iter().for_each(|input| engine.input(&input.sequence.to_consensus_u32().to_le_bytes()));
            }),
            outputs: hash_of(|engine| self.tx.output.iter().for_each(|output| hash_output(engine, output))),
        })
    }

    fn taproot(&self) -> &TaprootHashes {
        self.taproot.get_or_init(|| TaprootHashes {
            amounts: hash_of(|engine| {
                self.spent.iter().for_each(|output| engine.input(&output.value.to_sat().to_le_bytes()));
            }),
            scripts: hash_of(|engine| self.spent.iter().for_each(|output| hash_script(engine, &output.script_pubkey))),
        })
    }
}

/// An input of a transaction, with what belongs to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) data: &'a PrecomputedTransaction<'a>,
    pub(crate) index: usize,
    pub(crate) spending: &'a TxIn,
    pub(crate) output: &'a TxOut,
}

/// A hash type's two parts, as signatures without and with a version 0 witness read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Covered {
    /// Of the inputs, this one alone.
    anyone_can_pay: bool,
    outputs: Outputs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outputs {
    All,
    None,
    /// The one at the input's own place.
    Single,
}

impl Covered {
    /// Undefined hash types count as ALL.
    const fn by(hash_type: u32) -> Self {
        let outputs = match hash_type & 0x1f {
            2 => Outputs::None,
            3 => Outputs::Single,
            _ => Outputs::All,
        };
        Self { anyone_can_pay: hash_type & 0x80 != 0, outputs }
    }
}

fn write(bytes: &mut Vec<u8>, part: &impl Encodable) {
    part.consensus_encode(bytes).expect("a vector takes every byte");
}

fn hash_of(fill: impl FnOnce(&mut sha256::HashEngine)) -> sha256::Hash {
    let mut engine = sha256::Hash::engine();
    fill(&mut engine);
    sha256::Hash::from_engine(engine)
}

fn hash_part(engine: &mut sha256::HashEngine, part: &impl Encodable) {
    part.consensus_encode(engine).expect("a hash takes every byte");
}

fn hash_outpoint(engine: &mut sha256::HashEngine, outpoint: &OutPoint) {
    hash_part(engine, outpoint);
}

fn hash_output(engine: &mut sha256::HashEngine, output: &TxOut) {
    hash_part(engine, output);
}

fn hash_script(engine: &mut sha256::HashEngine, script: &Script) {
    hash_part(engine, &VarInt::from(script.len()));
    engine.input(script.as_bytes());
}

/// The hash that an ECDSA signature in a version 0 witness signs. Hash types may be undefined. Source: BIP143.
///
/// # Errors
///
/// [`ScriptError::SpentOutputsMismatch`] if there is no such input, or not one spent output per input.
pub fn segwit_v0_sighash(
    data: &PrecomputedTransaction<'_>,
    input: usize,
    script_code: &Script,
    hash_type: u32,
) -> Result<[u8; 32], ScriptError> {
    Ok(finish(segwit_v0_message(data.input(input)?, script_code.as_bytes(), hash_type), hash_type))
}

/// The hash of the message once its hash type is written, twice over.
pub(crate) fn finish(mut message: sha256::HashEngine, hash_type: u32) -> [u8; 32] {
    message.input(&hash_type.to_le_bytes());
    sha256::Hash::from_engine(message).hash_again().to_byte_array()
}

/// The message of BIP143 without its hash type.
pub(crate) fn segwit_v0_message(input: Input<'_>, script_code: &[u8], hash_type: u32) -> sha256::HashEngine {
    let (tx, shared) = (input.data.tx, input.data.shared());
    let covered = Covered::by(hash_type);
    let nothing = [0; 32];
    let twice = |hash: sha256::Hash| hash.hash_again().to_byte_array();
    let all_outputs = covered.outputs == Outputs::All;
    let mut engine = sha256::Hash::engine();
    engine.input(&tx.version.0.to_le_bytes());
    engine.input(&if covered.anyone_can_pay { nothing } else { twice(shared.prevouts) });
    engine.input(&if covered.anyone_can_pay || !all_outputs { nothing } else { twice(shared.sequences) });
    hash_outpoint(&mut engine, &input.spending.previous_output);
    hash_part(&mut engine, &VarInt::from(script_code.len()));
    engine.input(script_code);
    engine.input(&input.output.value.to_sat().to_le_bytes());
    engine.input(&input.spending.sequence.to_consensus_u32().to_le_bytes());
    engine.input(&match (covered.outputs, tx.output.get(input.index)) {
        (Outputs::All, _) => twice(shared.outputs),
        (Outputs::Single, Some(output)) => twice(hash_of(|engine| hash_output(engine, output))),
        (Outputs::Single, None) | (Outputs::None, _) => nothing,
    });
    engine.input(&tx.lock_time.to_consensus_u32().to_le_bytes());
    engine
}

/// The hash of the output at an input's own place, which many signatures of one tapscript may cover. Made once.
///
/// Source: Bitcoin Core `ScriptExecutionData::m_output_hash`, script/interpreter.h.
pub(crate) type OwnOutputHash = OnceCell<sha256::Hash>;

/// What a taproot signature covers beside the transaction.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TaprootExtension {
    /// The hash of the annex, where there is one.
    pub(crate) annex: Option<[u8; 32]>,
    /// In a tapscript: the leaf's hash, and the place of the last executed CODESEPARATOR among the operations.
    pub(crate) leaf: Option<([u8; 32], u32)>,
}

/// The hash that a Schnorr signature of taproot signs; `None` for an undefined hash type, or where SINGLE names an output
/// that is not there. Source: BIP341, BIP342.
pub(crate) fn taproot_sighash(
    input: Input<'_>,
    hash_type: u8,
    extension: TaprootExtension,
    own_output: &OwnOutputHash,
) -> Option<[u8; 32]> {
    let mut engine = TAP_SIGHASH.clone();
    hash_taproot_message(&mut engine, input, hash_type, extension, own_output)?;
    Some(sha256::Hash::from_engine(engine).to_byte_array())
}

fn hash_taproot_message(
    engine: &mut sha256::HashEngine,
    input: Input<'_>,
    hash_type: u8,
    extension: TaprootExtension,
    own_output: &OwnOutputHash,
) -> Option<()> {
    // DEFAULT covers what ALL does.
    let outputs = match hash_type {
        0 | 1 | 0x81 => Outputs::All,
        2 | 0x82 => Outputs::None,
        3 | 0x83 => Outputs::Single,
        _ => return None,
    };
    let anyone_can_pay = hash_type & 0x80 != 0;
    let (tx, shared, taproot) = (input.data.tx, input.data.shared(), input.data.taproot());
    engine.input(&[0, hash_type]); // The epoch, and the hash type.
    engine.input(&tx.version.0.to_le_bytes());
    engine.input(&tx.lock_time.to_consensus_u32().to_le_bytes());
    if !anyone_can_pay {
        for hash in [shared.prevouts, taproot.amounts, taproot.scripts, shared.sequences] {
            engine.input(hash.as_byte_array());
        }
    }
    if outputs == Outputs::All {
        engine.input(shared.outputs.as_byte_array());
    }
    engine.input(&[u8::from(extension.leaf.is_some()) << 1 | u8::from(extension.annex.is_some())]);
    if anyone_can_pay {
        hash_outpoint(engine, &input.spending.previous_output);
        hash_output(engine, input.output);
        engine.input(&input.spending.sequence.to_consensus_u32().to_le_bytes());
    } else {
        // A transaction has fewer inputs than 2³².
        engine.input(&u32::try_from(input.index).ok()?.to_le_bytes());
    }
    if let Some(annex) = extension.annex {
        engine.input(&annex);
    }
    if outputs == Outputs::Single {
        let output = tx.output.get(input.index)?;
        engine.input(own_output.get_or_init(|| hash_of(|engine| hash_output(engine, output))).as_byte_array());
    }
    if let Some((leaf, code_separator)) = extension.leaf {
        engine.input(&leaf);
        engine.input(&[0]); // The version of tapscript's keys.
        engine.input(&code_separator.to_le_bytes());
    }
    Some(())
}

/// What an RSA lock's signature covers. Both cover everything; ALL writes its hash type out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RsaHashType {
    /// SIGHASH_DEFAULT: the bare signature.
    Default,
    /// SIGHASH_ALL: the signature is followed by one byte, 0x01.
    All,
}

impl RsaHashType {
    /// The byte that follows the signature.
    pub const fn suffix(self) -> &'static [u8] {
        match self {
            Self::Default => &[],
            Self::All => &[0x01],
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Default => 0,
            Self::All => 1,
        }
    }
}

/// The 32 bytes that an RSA lock's signature signs (as its message, which PSS hashes once more).
///
/// It is the BIP341 signature message without annex or script path, under the tag `MyCoin/RsaSighash` instead of
/// `TapSighash`, so that a signature made for one lock is never valid for another. `spent` holds the output that each
/// input spends, in input order.
///
/// # Errors
///
/// [`ScriptError::SpentOutputsMismatch`] if there is no such input, or not one spent output per input.
pub fn rsa_sighash(
    tx: &Transaction,
    input: usize,
    spent: &[TxOut],
    hash_type: RsaHashType,
) -> Result<[u8; 32], ScriptError> {
    let data = PrecomputedTransaction::new(tx, spent);
    let input = data.input(input)?;
    Ok(input_rsa_sighash(input, hash_type))
}

pub(crate) fn input_rsa_sighash(input: Input<'_>, hash_type: RsaHashType) -> [u8; 32] {
    let mut engine = RSA_SIGHASH.clone();
    hash_taproot_message(&mut engine, input, hash_type.byte(), TaprootExtension::default(), &OwnOutputHash::new())
        .expect("DEFAULT and ALL are defined and name no single output");
    sha256::Hash::from_engine(engine).to_byte_array()
}

/// The hash that stands for an annex. Source: BIP341.
pub(crate) fn annex_hash(annex: &[u8]) -> [u8; 32] {
    hash_of(|engine| {
        hash_part(engine, &VarInt::from(annex.len()));
        engine.input(annex);
    })
    .to_byte_array()
}
