//! Partially signed transactions (BIP174, version 0; BIP371 for taproot), the one way in which a payment gets its
//! signatures, whether all keys are here or elsewhere.
//!
//! ```text
//! draft ── create ──▶ PSBT ── sign ──▶ PSBT ── combine, finalise ──▶ transaction, checked as a node checks it
//!                       └─ inspect: what it pays, from where, who has signed
//! ```
//!
//! In:    a draft, or a PSBT that anybody may have written.
//! Out:   PSBTs that stock programs read, and transactions.
//! Never: a signature over amounts that are not known; a claim of the PSBT taken for true without a proof.

mod coins;
mod create;
mod error;
mod finalise;
mod inspect;
mod rsa;
mod sign;

#[cfg(test)]
mod bip_vectors;
#[cfg(test)]
mod nonces;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_primitives::bitcoin;
use mycoin_primitives::bitcoin::psbt::raw;
use mycoin_primitives::{Transaction, Txid};

pub use error::PsbtError;
pub use inspect::{OutputRole, PsbtInput, PsbtOutput, PsbtReview, PsbtWarning};
pub use sign::SignedPsbt;

/// What every PSBT begins with, before its separator.
const MAGIC: &[u8] = b"psbt\xff";
/// More than any transaction that a node passes on could need, each input with its earlier transaction.
const LONGEST: usize = 64 << 20;

/// A partially signed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Psbt(pub(crate) bitcoin::Psbt);

impl Psbt {
    /// Reads a PSBT: its bytes as they stand in a file, or base64 or hex text as it is exchanged, white space aside.
    ///
    /// # Errors
    ///
    /// [`PsbtError::NotAPsbt`], [`PsbtError::Damaged`], [`PsbtError::OtherVersion`], also where fields of version 2 stand.
    pub fn parse(bytes: &[u8]) -> Result<Self, PsbtError> {
        if bytes.len() > LONGEST {
            return Err(PsbtError::NotAPsbt);
        }
        if bytes.starts_with(MAGIC) {
            return Self::from_bytes(bytes);
        }
        let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let hex = || {
            let text = std::str::from_utf8(&text).ok()?;
            <Vec<u8> as bitcoin::hex::FromHex>::from_hex(text).ok()
        };
        let decoded = hex().or_else(|| BASE64_STANDARD.decode(&text).ok());
        match decoded {
            Some(decoded) if decoded.starts_with(MAGIC) => Self::from_bytes(&decoded),
            // A text that was cut or mistyped somewhere.
            None if text.starts_with(b"cHNidP") => Err(PsbtError::Damaged),
            Some(_) | None => Err(PsbtError::NotAPsbt),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, PsbtError> {
        let psbt = bitcoin::Psbt::deserialize(bytes).map_err(|_| {
            // Version 2 keeps no whole transaction; what it has instead is of types that version 0 does not know.
            if is_version_2(bytes) { PsbtError::OtherVersion } else { PsbtError::Damaged }
        })?;
        if psbt.version != 0 || has_fields_of_version_2(&psbt) {
            return Err(PsbtError::OtherVersion);
        }
        Ok(Self(psbt))
    }

    /// The bytes, as a file holds them.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.serialize()
    }

    /// The transaction without any signatures.
    pub fn unsigned(&self) -> &Transaction {
        &self.0.unsigned_tx
    }

    /// The transaction's id. Old-style inputs aside, signatures do not change it.
    pub fn txid(&self) -> Txid {
        self.0.unsigned_tx.compute_txid()
    }

    /// Puts the signatures of two copies together, and everything else that either of them holds.
    ///
    /// # Errors
    ///
    /// [`PsbtError::OtherPayment`] when they are not copies of one transaction.
    pub fn combine(&mut self, other: Self) -> Result<(), PsbtError> {
        if self.0.unsigned_tx != other.0.unsigned_tx {
            return Err(PsbtError::OtherPayment);
        }
        // The library's combiner loses the type of signature that only the other copy asks for, and the proof of an
        // amount where the other copy tells the coin without one.
        let kept = self.0.inputs.iter().zip(&other.0.inputs).map(|(ours, theirs)| {
            let proof = ours.non_witness_utxo.as_ref().or(theirs.non_witness_utxo.as_ref());
            (ours.sighash_type.or(theirs.sighash_type), proof.cloned())
        });
        let kept: Vec<_> = kept.collect();
        self.0.combine(other.0).map_err(|_| PsbtError::OtherPayment)?;
        for (input, (sighash_type, proof)) in self.0.inputs.iter_mut().zip(kept) {
            input.sighash_type = sighash_type;
            input.non_witness_utxo = proof;
        }
        Ok(())
    }
}

/// Base64, as PSBTs are exchanged in text.
impl fmt::Display for Psbt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD.encode(self.to_bytes()))
    }
}

/// Whether the first, global map has no unsigned transaction (type 0) but a version 2 (type 0xfb). Source: BIP370.
fn is_version_2(bytes: &[u8]) -> bool {
    const VERSION_2: &[u8] = &[0x01, 0xfb, 0x04, 0x02, 0x00, 0x00, 0x00];
    bytes.get(5..2_000.min(bytes.len())).is_some_and(|head| head.windows(VERSION_2.len()).any(|part| part == VERSION_2))
}

/// Whether there are fields of version 2, which version 0 must not have: what they say could differ from the unsigned
/// transaction. Source: BIP370.
fn has_fields_of_version_2(psbt: &bitcoin::Psbt) -> bool {
    const GLOBAL: RangeInclusive<u8> = 0x02..=0x06;
    const INPUT: RangeInclusive<u8> = 0x0e..=0x12;
    const OUTPUT: RangeInclusive<u8> = 0x03..=0x04;
    let any = |unknown: &BTreeMap<raw::Key, Vec<u8>>, types: RangeInclusive<u8>| {
        unknown.keys().any(|key| types.contains(&key.type_value))
    };
    any(&psbt.unknown, GLOBAL)
        || psbt.inputs.iter().any(|input| any(&input.unknown, INPUT))
        || psbt.outputs.iter().any(|output| any(&output.unknown, OUTPUT))
}
