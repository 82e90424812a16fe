//! One address that is only looked at: its key is unknown here.

use mycoin_primitives::bitcoin::WitnessVersion;
use mycoin_primitives::{Script, ScriptBuf, Transaction};

/// The script of one address.
pub(crate) struct FixedKeyring {
    script: ScriptBuf,
    used: bool,
}

impl FixedKeyring {
    pub(super) const fn new(script: ScriptBuf) -> Self {
        Self { script, used: false }
    }

    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    pub(super) const fn is_used(&self) -> bool {
        self.used
    }

    pub(super) fn note(&mut self, tx: &Transaction) {
        self.used |= tx.output.iter().any(|output| output.script_pubkey == self.script);
    }
}

/// What spending the usual script of that kind adds to an input's weight, at most.
pub(crate) fn usual_spending_weight(script: &Script) -> u64 {
    const KEY_AND_SIGNATURE: u64 = 1 + (1 + 72) + (1 + 33);
    match script.witness_version() {
        Some(WitnessVersion::V1) => 1 + 1 + 64,
        // A signature of 512 bytes and a key of 550.
        Some(WitnessVersion::V16) => 1 + (3 + 512) + (3 + 550),
        Some(WitnessVersion::V0) if script.is_p2wpkh() => KEY_AND_SIGNATURE,
        // Two signatures by two of three keys.
        Some(_) => 1 + 1 + 2 * (1 + 72) + (1 + 105),
        // A nested key hash.
        None if script.is_p2sh() => 4 * 23 + KEY_AND_SIGNATURE,
        None => 4 * ((1 + 72) + (1 + 33)),
    }
}
