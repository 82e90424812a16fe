//! Runs scripts and makes signature hashes; holds the RSA lock; one error variant per rule.
//!
//! In:    a transaction and the outputs that it spends ([`PrecomputedTransaction`]).
//! Out:   a verdict for each input ([`verify_input`]), what its signatures cost, signature hashes for signers.
//! Never: I/O, clocks, randomness. What would need the script interpreter is refused, never let through.
//!
//! Start at [`verify_input`].

mod error;
mod policy;
pub mod rsa;
mod sighash;
mod sigops;
mod verify;

pub use error::{ScriptError, UnsupportedSpend};
pub use policy::check_signature_policy;
pub use rsa::{RsaKeyError, rsa_lock_script};
pub use sighash::{RsaHashType, rsa_sighash};
pub use sigops::{
    LEGACY_COST_FACTOR, bip54_signature_operations, legacy_signature_operations, signature_operation_cost,
};
pub use verify::{PrecomputedTransaction, verify_input};

use mycoin_primitives::Network;

/// Which script rules a network has beyond Bitcoin's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptRules {
    /// Whether witness version 16 with a 32-byte program is the RSA lock. Where it is not, such outputs can't be spent.
    pub rsa: bool,
}

impl ScriptRules {
    /// The rules of `network`.
    pub const fn of(network: &Network) -> Self {
        Self { rsa: network.rsa }
    }
}
