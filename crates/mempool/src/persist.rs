//! The pool as bytes, so that it is kept across restarts.
//!
//! A magic number with the format's version, then one record a transaction, ancestors first:
//! payload length (4 bytes, little endian), payload (time of arrival, 8 bytes; the transaction), the first 4 bytes of the
//! payload's double SHA-256. What is damaged is left out; the rest is read.

use std::sync::Arc;

use mycoin_consensus::HeaderBranch;
use mycoin_primitives::Transaction;
use mycoin_primitives::bitcoin::consensus;
use mycoin_primitives::hashes::{Hash as _, sha256d};

use crate::CoinSource;
use crate::accept::{Origin, Tip};
use crate::pool::Mempool;

/// Says what the bytes are; the last byte is the format's version.
const MAGIC: &[u8; 8] = b"mempool\x01";
const LENGTH_SIZE: usize = 4;
const TIME_SIZE: usize = 8;
const CHECKSUM_SIZE: usize = 4;

/// What became of a saved pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadReport {
    /// How many transactions wait again.
    pub loaded: usize,
    /// How many had waited too long.
    pub expired: usize,
    /// How many are confirmed by now, or no longer valid.
    pub refused: usize,
    /// How many records were damaged; one more if the end could not be read.
    pub damaged: usize,
}

impl Mempool {
    /// Everything that waits, as bytes for [`Mempool::load`].
    pub fn dump(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for entry in self.all() {
            let mut payload = entry.time.to_le_bytes().to_vec();
            payload.extend(consensus::serialize(entry.tx.as_ref()));
            // A waiting transaction has at most 400,000 bytes, or came in a block of at most 4,000,000.
            let Ok(length) = u32::try_from(payload.len()) else { continue };
            bytes.extend(length.to_le_bytes());
            bytes.extend(&payload);
            bytes.extend(checksum(&payload));
        }
        bytes
    }

    /// Takes in what [`Mempool::dump`] saved, each transaction checked as if it were sent now. Never fails: what is
    /// damaged or no longer valid is left out and counted.
    pub fn load(&mut self, bytes: &[u8], coins: &dyn CoinSource, branch: &dyn HeaderBranch, now: u64) -> LoadReport {
        let (mut report, tip) = (LoadReport::default(), Tip { coins, branch, now });
        let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
            report.damaged = 1;
            return report;
        };
        while !rest.is_empty() {
            let Some((payload, sum, after)) = split_record(rest) else {
                report.damaged += 1;
                break;
            };
            rest = after;
            match read_payload(payload, sum) {
                None => report.damaged += 1,
                Some((time, _)) if time < now.saturating_sub(self.limits.expiry) => report.expired += 1,
                Some((time, tx)) => {
                    // A clock that was set back must not make it wait longer than others.
                    match self.take_in(Arc::new(tx), tip, time.min(now), Origin::Sent) {
                        Ok(_) => report.loaded += 1,
                        Err(_) => report.refused += 1,
                    }
                }
            }
        }
        report
    }
}

fn checksum(payload: &[u8]) -> [u8; CHECKSUM_SIZE] {
    let [a, b, c, d, ..] = sha256d::Hash::hash(payload).to_byte_array();
    [a, b, c, d]
}

/// The first record's payload and checksum, and what follows it.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_SIZE>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (payload, rest) = rest.split_at_checked(length)?;
    let (sum, rest) = rest.split_at_checked(CHECKSUM_SIZE)?;
    Some((payload, sum, rest))
}

fn read_payload(payload: &[u8], sum: &[u8]) -> Option<(u64, Transaction)> {
    if checksum(payload) != sum {
        return None;
    }
    let (time, tx) = payload.split_first_chunk::<TIME_SIZE>()?;
    Some((u64::from_le_bytes(*time), consensus::deserialize(tx).ok()?))
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::Network;

    use super::*;
    use crate::MempoolLimits;
    use crate::test_support::{World, output};

    /// A pool of three: one alone, and a parent with its child.
    fn saved() -> (World, Vec<u8>) {
        let mut world = World::new();
        let coins = world.fund(2);
        world.send(&coins[..1], 1, 1_000);
        world.now += 100;
        let parent = world.send(&coins[1..], 1, 1_000);
        world.send(&[output(&parent, 0)], 1, 1_000);
        let bytes = world.pool.dump();
        (world, bytes)
    }

    fn load(world: &World, bytes: &[u8]) -> (Mempool, LoadReport) {
        let mut pool = Mempool::new(Network::demo(), MempoolLimits::default());
        let report = pool.load(bytes, &world.chain, &world.chain, world.now);
        pool.assert_consistent();
        (pool, report)
    }

    #[test]
    fn what_is_saved_waits_again() {
        let (world, bytes) = saved();
        let (pool, report) = load(&world, &bytes);
        assert_eq!(report, LoadReport { loaded: 3, ..LoadReport::default() });
        let times = |pool: &Mempool| pool.all().iter().map(|entry| (entry.txid, entry.time)).collect::<Vec<_>>();
        assert_eq!(times(&pool), times(&world.pool));
        assert_eq!(pool.dump(), bytes);
    }

    #[test]
    fn another_version_is_left_alone() {
        let (world, mut bytes) = saved();
        bytes[7] = 2;
        assert_eq!(load(&world, &bytes).1, LoadReport { damaged: 1, ..LoadReport::default() });
        assert_eq!(load(&world, &[]).1, LoadReport { damaged: 1, ..LoadReport::default() });
    }

    #[test]
    fn a_damaged_record_loses_only_itself_and_what_depends_on_it() {
        let (world, mut bytes) = saved();
        // The first record is the one alone: behind magic, length and time.
        bytes[8 + 4 + 8 + 20] ^= 1;
        assert_eq!(load(&world, &bytes).1, LoadReport { loaded: 2, damaged: 1, ..LoadReport::default() });
        let cut = &bytes[..bytes.len() - 1];
        assert_eq!(load(&world, cut).1, LoadReport { loaded: 1, damaged: 2, ..LoadReport::default() });
    }

    #[test]
    fn what_waited_too_long_is_not_loaded() {
        let (mut world, bytes) = saved();
        world.now += 336 * 3_600 - 50;
        assert_eq!(load(&world, &bytes).1, LoadReport { loaded: 2, expired: 1, ..LoadReport::default() });
    }

    #[test]
    fn what_is_confirmed_by_now_is_refused() {
        let (mut world, bytes) = saved();
        world.mine(9);
        assert_eq!(load(&world, &bytes).1, LoadReport { refused: 3, ..LoadReport::default() });
    }
}
