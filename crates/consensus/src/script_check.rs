//! The scripts of a block's transactions, still to be run, and what their verdicts depend on.
//!
//! In:    a transaction of a block, the outputs that it spends, the flags of its height.
//! Out:   a verdict, and the key under which it may be remembered ([`VerdictKey`]).
//! Never: a memory of its own.

use mycoin_primitives::hashes::{Hash, HashEngine, sha256};
use mycoin_primitives::{Coin, Transaction, TxOut, Txid, Wtxid};
use mycoin_script::{
    PrecomputedTransaction, ScriptError, ScriptFlags, SignatureCache, verify_input, verify_input_cached,
};

use crate::BlockRuleError;

/// All that the verdict on a transaction's scripts depends on, as one hash.
///
/// It covers the transaction with its witnesses, the flags, and the amount and script of every output that it spends. So a
/// verdict cannot be taken for another witness, another height's rules or another output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerdictKey([u8; 32]);

/// The key of the verdict on a transaction that spends these outputs, in input order, under these flags.
pub fn verdict_key<'a>(wtxid: Wtxid, spent: impl IntoIterator<Item = &'a TxOut>, flags: ScriptFlags) -> VerdictKey {
    let mut engine = sha256::Hash::engine();
    engine.input(wtxid.as_byte_array());
    engine.input(&flags.bits().to_le_bytes());
    for output in spent {
        engine.input(&output.value.to_sat().to_le_bytes());
        // The length keeps one output's script apart from the next output.
        engine.input(&(output.script_pubkey.len() as u64).to_le_bytes());
        engine.input(output.script_pubkey.as_bytes());
    }
    VerdictKey(sha256::Hash::from_engine(engine).to_byte_array())
}

/// The scripts of one transaction of a block, still to be run.
#[derive(Debug, Clone, Copy)]
pub struct ScriptCheck<'a> {
    pub(crate) tx: &'a Transaction,
    /// The transaction's place in the block.
    pub(crate) index: usize,
    pub(crate) txid: Txid,
    pub(crate) wtxid: Wtxid,
    /// The coin that each of its inputs spends.
    pub(crate) spent: &'a [Coin],
    pub(crate) flags: ScriptFlags,
}

impl ScriptCheck<'_> {
    /// Runs them. Signatures that `cache` knows are not verified again, and valid ones are put there.
    ///
    /// # Errors
    ///
    /// [`BlockRuleError::Script`] names the first input that breaks a rule, and the rule.
    pub fn run(&self, cache: Option<&SignatureCache>) -> Result<(), BlockRuleError> {
        let spent: Vec<TxOut> = self.spent.iter().map(|coin| coin.output.clone()).collect();
        let data = PrecomputedTransaction::new(self.tx, spent.as_slice());
        (0..self.tx.input.len()).try_for_each(|input| {
            let verdict = match cache {
                Some(cache) => verify_input_cached(&data, input, self.flags, cache),
                None => verify_input(&data, input, self.flags),
            };
            verdict.map_err(|error| self.failed(input, error))
        })
    }

    const fn failed(&self, input: usize, error: ScriptError) -> BlockRuleError {
        BlockRuleError::Script { index: self.index, txid: self.txid, input, error }
    }

    /// The transaction's id.
    pub const fn txid(&self) -> Txid {
        self.txid
    }

    /// The transaction's id with its witnesses.
    pub const fn wtxid(&self) -> Wtxid {
        self.wtxid
    }

    /// What the verdict depends on.
    pub fn verdict_key(&self) -> VerdictKey {
        verdict_key(self.wtxid, self.spent.iter().map(|coin| &coin.output), self.flags)
    }
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::{Amount, ScriptBuf};

    use super::*;

    #[test]
    fn a_verdict_holds_for_nothing_but_what_was_judged() {
        let output = |value, script: &[u8]| TxOut {
            value: Amount::from_sat(value),
            script_pubkey: ScriptBuf::from(script.to_vec()),
        };
        let (wtxid, flags) = (Wtxid::hash(b"one"), ScriptFlags::CONSENSUS);
        let key = verdict_key(wtxid, &[output(5, b"ab"), output(6, b"c")], flags);
        assert_eq!(key, verdict_key(wtxid, &[output(5, b"ab"), output(6, b"c")], flags));
        for other in [
            verdict_key(Wtxid::hash(b"other witness"), &[output(5, b"ab"), output(6, b"c")], flags),
            verdict_key(wtxid, &[output(5, b"ab"), output(6, b"c")], flags.without(ScriptFlags::TAPROOT)),
            verdict_key(wtxid, &[output(5, b"ab"), output(6, b"c")], flags.union(ScriptFlags::RSA_LOCK)),
            verdict_key(wtxid, &[output(4, b"ab"), output(6, b"c")], flags),
            verdict_key(wtxid, &[output(5, b"ab"), output(6, b"d")], flags),
            verdict_key(wtxid, &[output(6, b"c"), output(5, b"ab")], flags),
            verdict_key(wtxid, &[output(5, b"ab")], flags),
        ] {
            assert_ne!(key, other);
        }
    }
}
