//! The coins of the latest blocks in memory: what was made a moment ago is what the next block mostly spends.
//!
//! In:    what each step of the tip made and spent, after it was committed; from the only writer.
//! Out:   coins that are unspent at the tip.
//! Never: a coin that the store does not have, or the only copy of one: it may be emptied at any time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mycoin_consensus::Coins;
use mycoin_primitives::{Coin, OutPoint};

/// How many coins are kept: those of two or three full blocks, in some megabytes.
const COINS_MAX: usize = 20_000;
/// Coins with longer scripts, which are rare, are not kept, so that the number above bounds the memory.
const SCRIPT_MAX: usize = 100;

/// Coins of the latest blocks that are unspent at the tip.
#[derive(Debug, Default)]
pub(crate) struct RecentCoins(Mutex<Coins>);

impl RecentCoins {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Coins> {
        // Each change leaves only coins that the store has.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block became the tip.
    pub(crate) fn step(&self, spent: Vec<OutPoint>, created: Vec<(OutPoint, Coin)>) {
        let mut coins = self.lock();
        for outpoint in &spent {
            coins.remove(outpoint);
        }
        if coins.len() + created.len() > COINS_MAX {
            coins.clear();
        }
        let kept = created.into_iter().filter(|(_, coin)| coin.output.script_pubkey.len() <= SCRIPT_MAX);
        coins.extend(kept.take(COINS_MAX));
    }

    /// A block is no longer the tip.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::hashes::Hash as _;
    use mycoin_primitives::{Amount, Height, ScriptBuf, TxOut, Txid};

    use super::*;

    fn outpoint(vout: u32) -> OutPoint {
        OutPoint { txid: Txid::from_byte_array([7; 32]), vout }
    }

    fn made(vouts: std::ops::Range<u32>, script: usize) -> Vec<(OutPoint, Coin)> {
        let output = TxOut { value: Amount::from_sat(5), script_pubkey: ScriptBuf::from_bytes(vec![0x51; script]) };
        let coin = Coin { output, height: Height::new(3), is_coinbase: false };
        vouts.map(|vout| (outpoint(vout), coin.clone())).collect()
    }

    #[test]
    fn what_was_made_is_there_until_it_is_spent_or_the_tip_goes_back() {
        let recent = RecentCoins::default();
        recent.step(vec![], made(0..3, 1));
        recent.step(vec![outpoint(1), outpoint(9)], made(3..4, 1));
        let held = |vout| recent.lock().contains_key(&outpoint(vout));
        assert_eq!([held(0), held(1), held(2), held(3)], [true, false, true, true]);
        recent.clear();
        assert!(recent.lock().is_empty());
    }

    #[test]
    fn their_number_and_their_size_are_bounded() {
        let recent = RecentCoins::default();
        let most = u32::try_from(COINS_MAX).expect("it is small");
        recent.step(vec![], made(0..most, 1));
        assert_eq!(recent.lock().len(), COINS_MAX);
        recent.step(vec![], made(most..most + 2, 1));
        assert_eq!(recent.lock().len(), 2);
        recent.step(vec![], made(0..most + 9, 1));
        assert_eq!(recent.lock().len(), COINS_MAX);
        recent.clear();
        recent.step(vec![], made(0..2, SCRIPT_MAX + 1));
        assert!(recent.lock().is_empty());
    }
}
