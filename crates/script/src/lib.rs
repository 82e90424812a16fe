//! Runs scripts and makes signature hashes; holds the RSA lock; one error variant per rule.
//!
//! In:    a transaction and the outputs that it spends ([`PrecomputedTransaction`]), the flags ([`ScriptFlags`]).
//! Out:   a verdict for each input ([`verify_input`]), what its signatures cost, signature hashes for signers.
//! Never: I/O, clocks, randomness.
//!
//! Start at [`verify_input`], in `verify.rs`, which runs scripts in their order. The interpreter is `eval.rs`; its operations on
//! items are in `data.rs`, those that check signatures in `signatures.rs`, which ask `checker.rs`.

mod cache;
mod catalogue;
mod checker;
mod conditions;
mod data;
mod encoding;
mod error;
mod eval;
mod flags;
mod number;
mod reader;
pub mod rsa;
mod sighash;
mod signatures;
mod sigops;
mod stack;
mod verify;

pub use cache::SignatureCache;
pub use error::ScriptError;
pub use flags::ScriptFlags;
pub use rsa::{RsaKeyError, rsa_lock_script};
pub use sighash::{PrecomputedTransaction, RsaHashType, legacy_sighash, rsa_sighash, segwit_v0_sighash};
pub use sigops::{
    LEGACY_COST_FACTOR, bip54_signature_operations, legacy_signature_operations, signature_operation_cost,
};
pub use verify::{verify_input, verify_input_cached};
