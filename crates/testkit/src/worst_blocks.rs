//! Blocks that hold to every rule and take as long as they can to validate.
//!
//! In:    nothing; each block brings the coins that it spends, as if earlier blocks had made them.
//! Out:   a [`WorstBlock`], which validates itself on one core.
//! Never: a block that breaks a rule, or one that a cache makes cheap: no signature was seen before.
//!
//! Start at [`WORST`].

use std::collections::HashMap;
use std::sync::Arc;

use mycoin_consensus::{BlockRuleError, check_block, check_block_in_context, coins_needed, connect_block};
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::hashes::{Hash, sha256};
use mycoin_primitives::{
    Amount, Block, Coin, Height, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
};
use mycoin_script::signature_operation_cost;

use crate::builders::ChainBuilder;

mod coins;
mod legacy;
mod witness;

/// The weight that transactions besides the coinbase may have together; the coinbase, the header and counts take the rest.
const WEIGHT: usize = 3_998_000;
/// The same without witnesses, in bytes.
const STRIPPED_BYTES: usize = WEIGHT / 4;

/// What makes one.
pub type Make = fn() -> WorstBlock;

/// The worst blocks of each kind, by name.
pub const WORST: [(&str, Make); 12] = [
    ("legacy hashing: 2,500 signatures, each over 1 MB", legacy::quadratic_within_bip54),
    ("legacy hashing: 8,700 inputs, each with its signature", legacy::signed_inputs),
    ("80,000 signature operations: 20,000 in P2SH", legacy::p2sh_within_bip54),
    ("80,000 signature operations: P2WSH multisigs", witness::p2wsh_multisigs),
    ("80,000 signature operations: one tapscript's budget", witness::tapscript_budget),
    ("40,000 signatures of a tapscript over an output of 0.4 MB", witness::tapscript_single_output),
    ("RSA locks of 4096 bits, as many as fit", coins::rsa_locks),
    ("16,000 spends chained inside the block", coins::chained_spends),
    ("55,000 coins made and 12,000 spent", coins::many_coins),
    ("the largest witness: one script of 4 MB that hashes", witness::hashing_script),
    ("the largest witness: 840,000 rolls of 1,000 items", witness::rolling_script),
    ("3,900,000 witness items of one input", witness::many_items),
];

/// Blocks that Bitcoin's rules bound by hours only: what is made is one part of so many, by which its time is multiplied.
///
/// Most spend bare scripts that hundreds of earlier blocks made: their signature operations count where they are made, not
/// where they are run. BIP54 bounds what one transaction runs, and with it the hashing, but not the signatures of a block.
///
/// Source: Bitcoin Core `GetLegacySigOpCount`, consensus/tx_verify.cpp; BIP54, "Motivation".
pub const UNBOUNDED: [(&str, u32, Make); 5] = [
    ("P2SH: 20,000 signatures, each over 0.9 MB", 1, legacy::p2sh),
    ("bare scripts: 24,000 inputs, 1 signature each over 1 MB", 1, legacy::bare_signatures),
    ("bare scripts: 24,000 inputs, 100 signatures each over 1 MB", 2_400, legacy::quadratic),
    ("bare scripts: 24,000 inputs, 200 signatures each", 200, legacy::bare_scripts),
    ("the same as BIP54 allows it, 2,400 in a transaction", 200, legacy::bare_scripts_within_bip54),
];

/// A valid block on top of a short chain, with the coins that it spends.
#[derive(Debug)]
pub struct WorstBlock {
    chain: ChainBuilder,
    block: Arc<Block>,
    coins: HashMap<OutPoint, Coin>,
}

impl WorstBlock {
    /// The block.
    pub const fn block(&self) -> &Arc<Block> {
        &self.block
    }

    /// The name of the network whose rules it holds to.
    pub fn network(&self) -> &str {
        &self.chain.network().name
    }

    /// What its signature operations cost.
    pub fn signature_operation_cost(&self) -> u64 {
        let flags = mycoin_consensus::script_flags(self.chain.network(), Height::new(1));
        let cost = |tx: &Transaction| {
            let spent: Vec<TxOut> = tx
                .input
                .iter()
                .filter_map(|input| self.coins.get(&input.previous_output).map(|coin| coin.output.clone()))
                .collect();
            signature_operation_cost(tx, &spent, flags)
        };
        self.block.txdata.iter().map(cost).sum()
    }

    /// Checks the block by every rule but its header's, on one core and without any cache.
    ///
    /// # Errors
    ///
    /// [`BlockRuleError`] names the rule that it breaks, which it should not.
    pub fn validate(&self) -> Result<(), BlockRuleError> {
        let network = self.chain.network();
        let checked = check_block(Arc::clone(&self.block), network)?;
        check_block_in_context(&checked, network, &self.chain)?;
        let needed = coins_needed(&self.block).into_iter();
        let coins = needed.filter_map(|outpoint| Some((outpoint, self.coins.get(&outpoint)?.clone()))).collect();
        let effects = connect_block(&checked, network, &self.chain, coins)?;
        effects.script_checks(&checked).iter().try_for_each(|check| check.run(None))
    }
}

/// A block in the making.
struct Making {
    chain: ChainBuilder,
    coins: HashMap<OutPoint, Coin>,
    transactions: Vec<Transaction>,
}

impl Making {
    fn on(network: Network) -> Self {
        Self { chain: ChainBuilder::new(network), coins: HashMap::new(), transactions: Vec::new() }
    }

    /// A coin that is there to be spent.
    fn coin(&mut self, script_pubkey: ScriptBuf) -> (OutPoint, TxOut) {
        let number = u64::try_from(self.coins.len()).expect("a block spends few coins");
        let txid = Txid::from_byte_array(sha256::Hash::hash(&number.to_le_bytes()).to_byte_array());
        let (outpoint, output) = (OutPoint { txid, vout: 0 }, TxOut { value: Amount::from_sat(1), script_pubkey });
        let coin = Coin { output: output.clone(), height: Height::GENESIS, is_coinbase: false };
        self.coins.insert(outpoint, coin);
        (outpoint, output)
    }

    /// An input that spends a coin with this script.
    fn input(&mut self, locked: &ScriptBuf, script_sig: ScriptBuf, witness: Witness) -> TxIn {
        let (previous_output, _) = self.coin(locked.clone());
        TxIn { previous_output, script_sig, sequence: Sequence::MAX, witness }
    }

    fn transaction(&mut self, input: Vec<TxIn>, output: Vec<TxOut>) -> &Transaction {
        self.transactions.push(transaction(input, output));
        self.transactions.last().expect("one was pushed")
    }

    fn block(self) -> WorstBlock {
        let block = Arc::new(self.chain.template(self.transactions));
        WorstBlock { chain: self.chain, block, coins: self.coins }
    }
}

fn transaction(input: Vec<TxIn>, output: Vec<TxOut>) -> Transaction {
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output }
}

/// An output of nothing whose script has so many bytes.
fn output_of(bytes: usize) -> TxOut {
    TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(vec![0; bytes]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smaller ones; the benchmark validates all of them.
    #[test]
    fn the_worst_blocks_hold_to_every_rule_and_fill_the_block() {
        for make in [coins::chained_spends as Make, coins::many_coins, witness::many_items] {
            let worst = make();
            let weight = worst.block().weight().to_wu();
            assert!((3_900_000..=4_000_000).contains(&weight), "{weight}");
            assert_eq!(worst.validate(), Ok(()));
        }
    }
}
