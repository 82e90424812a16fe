//! Keeping the pool within its memory and its time: eviction, expiry, and the minimum fee that follows an eviction.

use std::collections::BTreeSet;

use mycoin_primitives::{FeeRate, Transaction, TxIn, TxOut};

use crate::entry::Entry;
use crate::policy;
use crate::pool::{Mempool, RemovalReason};

/// After so many seconds the raised minimum is half as high. Source: Bitcoin Core `ROLLING_FEE_HALFLIFE`, txmempool.h.
const HALF_LIFE: f64 = 12.0 * 60.0 * 60.0;

/// What an entry takes besides its transaction: itself, and its places in the pool's tables.
const ENTRY_OVERHEAD: usize = size_of::<Entry>() + 512;

/// An estimate of the memory that a waiting transaction takes, in bytes.
pub(crate) fn memory_of(tx: &Transaction) -> usize {
    let inputs: usize =
        tx.input.iter().map(|input| size_of::<TxIn>() + 64 + input.script_sig.len() + input.witness.size()).sum();
    let outputs: usize = tx.output.iter().map(|output| size_of::<TxOut>() + output.script_pubkey.len()).sum();
    ENTRY_OVERHEAD.saturating_add(inputs).saturating_add(outputs)
}

/// The minimum that rises when the pool evicts, and falls by half in each half-life once a block has come.
///
/// Source: Bitcoin Core `CTxMemPool::GetMinFee` and `trackPackageRemoved`, txmempool.cpp.
#[derive(Debug, Clone, Default)]
pub(crate) struct RollingMinimum {
    /// In sat/kvB, as it stood at `since`.
    rate: f64,
    since: u64,
    falling: bool,
}

impl RollingMinimum {
    /// The rate at `now`, for a pool that takes `memory` of `limit` bytes; a pool that is half empty halves it sooner.
    pub(crate) fn rate(&self, now: u64, memory: usize, limit: usize) -> FeeRate {
        let rate = self.faded(now, memory, limit);
        if rate == 0.0 {
            return FeeRate::ZERO;
        }
        // Float to integer casts saturate, and the rate is never negative.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        FeeRate::from_sat_per_kvb(rate.round() as u64).max(policy::DEFAULT_INCREMENTAL_RELAY_FEE)
    }

    #[allow(clippy::cast_precision_loss)] // Rates and times stay far below 2^52.
    fn faded(&self, now: u64, memory: usize, limit: usize) -> f64 {
        if !self.falling || self.rate == 0.0 {
            return self.rate;
        }
        let half_life = match memory {
            memory if memory < limit / 4 => HALF_LIFE / 4.0,
            memory if memory < limit / 2 => HALF_LIFE / 2.0,
            _ => HALF_LIFE,
        };
        let rate = self.rate / 2f64.powf(now.saturating_sub(self.since) as f64 / half_life);
        if rate < policy::DEFAULT_INCREMENTAL_RELAY_FEE.to_sat_per_kvb() as f64 / 2.0 { 0.0 } else { rate }
    }

    fn settle(&mut self, now: u64, memory: usize, limit: usize) {
        self.rate = self.faded(now, memory, limit);
        self.since = now;
    }

    #[allow(clippy::cast_precision_loss)]
    fn raise(&mut self, evicted: FeeRate) {
        let above =
            evicted.to_sat_per_kvb().saturating_add(policy::DEFAULT_INCREMENTAL_RELAY_FEE.to_sat_per_kvb()) as f64;
        if above > self.rate {
            self.rate = above;
            self.falling = false;
        }
    }

    /// A block came, so room was made: from now on the minimum falls.
    pub(crate) fn block_connected(&mut self, now: u64, memory: usize, limit: usize) {
        self.settle(now, memory, limit);
        self.falling = true;
    }
}

impl Mempool {
    /// Drops what pays least, with its descendants, until the pool fits its memory.
    pub(crate) fn evict_to_limit(&mut self, now: u64) {
        while self.memory() > self.limits.memory
            && let Some(worst) = self.worst()
        {
            let Some(package) = self.entry(&worst).map(|entry| entry.descendants) else { return };
            self.rolling.settle(now, self.memory(), self.limits.memory);
            self.rolling.raise(package.rate().to_fee_rate());
            let gone = self.descendants_of(&BTreeSet::from([worst]));
            self.remove_all(&gone, RemovalReason::Evicted);
        }
    }

    /// Drops what has waited longer than the limit, with its descendants.
    pub fn expire(&mut self, now: u64) {
        let old = self.older_than(now.saturating_sub(self.limits.expiry));
        let gone = self.descendants_of(&old);
        self.remove_all(&gone, RemovalReason::Expired);
    }
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::Network;

    use super::*;
    use crate::pool::MempoolEvent;
    use crate::test_support::{World, output};
    use crate::{MempoolLimits, RejectReason};

    /// A world whose pool holds `count` transactions of one input and one output.
    fn small_world(count: usize) -> World {
        let mut world = World::new();
        let coin = world.fund(1);
        let size = memory_of(&world.spend(&coin, 1, 1_000));
        World::with(Network::demo(), MempoolLimits { memory: size * count + size / 2, ..MempoolLimits::default() })
    }

    #[test]
    fn the_lowest_package_is_evicted() {
        let mut world = small_world(3);
        let coins = world.fund(4);
        let poor = world.send(&coins[..1], 1, 500);
        let rich_child = world.send(&[output(&poor, 0)], 1, 90_000);
        let middle = world.send(&coins[1..2], 1, 1_000);
        world.pool.take_events();
        let newcomer = world.send(&coins[2..3], 1, 2_000);
        // The poor parent stays because its child pays for both.
        assert!(world.waits(&poor) && world.waits(&rich_child) && world.waits(&newcomer));
        assert!(!world.waits(&middle));
        let evicted = |event: &MempoolEvent| matches!(event, MempoolEvent::Removed { txid, reason: RemovalReason::Evicted, .. } if *txid == middle.compute_txid());
        assert!(world.pool.take_events().iter().any(evicted));
    }

    #[test]
    fn pool_full() {
        let mut world = small_world(1);
        let coins = world.fund(2);
        let rich = world.send(&coins[..1], 1, 2_000);
        let tx = world.spend(&coins[1..], 1, 1_000);
        let refused = world.accept(&tx).expect_err("the other pays more");
        assert_eq!(refused, RejectReason::PoolFull);
        assert_eq!(refused.reject_reason(), "mempool full");
        assert!(world.waits(&rich));
    }

    #[test]
    fn below_pool_fee() {
        let mut world = small_world(1);
        let coins = world.fund(3);
        world.send(&coins[..1], 1, 1_100);
        world.send(&coins[1..2], 1, 2_200);
        // What was evicted paid 10 sat/vB (1,100 for 110 virtual bytes), and the step is 0.1.
        assert_eq!(world.pool.min_fee(world.now), FeeRate::from_sat_per_kvb(10_100));
        let tx = world.spend(&coins[2..], 1, 1_100);
        let refused = world.accept(&tx).expect_err("the minimum has risen");
        assert_eq!(refused.reject_reason(), "mempool min fee not met");
        assert_eq!(refused.reject_details(&tx), "mempool min fee not met, 1100 < 1111");
    }

    #[test]
    fn the_raised_minimum_falls_by_half_in_a_half_life_after_a_block() {
        let mut world = small_world(1);
        let coins = world.fund(2);
        world.send(&coins[..1], 1, 1_100);
        world.send(&coins[1..], 1, 2_200);
        let raised = world.pool.min_fee(world.now);
        assert_eq!(world.pool.min_fee(world.now + 1_000_000), raised);
        world.mine(0);
        assert_eq!(world.pool.min_fee(world.now), raised);
        assert_eq!(world.pool.min_fee(world.now + 12 * 3_600), FeeRate::from_sat_per_kvb(5_050));
        // A pool that is nearly empty lets it fall four times as fast.
        world.mine(1);
        assert_eq!(world.pool.min_fee(world.now + 3 * 3_600 - 60).to_sat_per_kvb() / 100, 50);
        assert_eq!(world.pool.min_fee(world.now + 1_000 * 3_600), policy::DEFAULT_MIN_RELAY_TX_FEE);
    }

    #[test]
    fn what_waits_too_long_expires_with_its_descendants() {
        let mut world = World::new();
        let coins = world.fund(2);
        let old = world.send(&coins[..1], 1, 1_000);
        world.now += 336 * 3_600;
        let child = world.send(&[output(&old, 0)], 1, 1_000);
        let young = world.send(&coins[1..], 1, 1_000);
        world.pool.expire(world.now);
        assert!(world.waits(&old));
        world.now += 1;
        world.pool.expire(world.now);
        world.pool.assert_consistent();
        assert!(!world.waits(&old) && !world.waits(&child) && world.waits(&young));
    }
}
