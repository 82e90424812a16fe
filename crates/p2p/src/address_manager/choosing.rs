//! Which addresses are dialled, tested, and told.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeBounds;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;

use super::{AddressManager, KnownAddress, Slot, may_be_learned, seconds};
use crate::Time;
use crate::limits::{
    ADDRESS_BUCKET_SIZE, ADDRESS_NEW_BUCKETS, ADDRESS_RETRY, ADDRESS_TRIED_BUCKETS, ADDRESSES_ANSWERED_MIN,
    ADDRESSES_ANSWERED_PERCENT, ADDRESSES_MAX,
};

/// How many places are looked at for one pick.
const LOOKS: usize = 200;

/// Which addresses a pick takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    /// Tried ones in half of the cases.
    Any,
    /// Those that nobody tested: for feelers.
    New,
}

impl AddressManager {
    /// Who lies in a place that another wants: to be dialled, to see whether it is still there.
    pub(crate) fn contested(&self, rng: &mut StdRng) -> Option<SocketAddr> {
        let challenger = self.collisions.iter().choose(rng)?;
        self.tried.get(&self.tried_slot(challenger)).copied()
    }

    /// An address to dial that is not `taken` and was not dialled in the last ten minutes.
    pub(crate) fn pick(
        &self,
        now: Time,
        pick: Pick,
        rng: &mut StdRng,
        is_taken: impl Fn(&SocketAddr, &KnownAddress) -> bool,
    ) -> Option<SocketAddr> {
        let now = seconds(now);
        let mut factor = 1.0;
        for _ in 0..LOOKS {
            let is_new = match pick {
                Pick::New => true,
                Pick::Any => self.tried.is_empty() || (!self.new.is_empty() && rng.random()),
            };
            let (table, buckets) =
                if is_new { (&self.new, ADDRESS_NEW_BUCKETS) } else { (&self.tried, ADDRESS_TRIED_BUCKETS) };
            let address = look(table, rng.random_range(0..buckets * ADDRESS_BUCKET_SIZE))?;
            let Some(known) = self.known.get(&address) else { continue };
            let rests = known.last_try != 0 && now.saturating_sub(known.last_try) < ADDRESS_RETRY;
            if rests || is_taken(&address, known) {
                continue;
            }
            if rng.random::<f64>() < factor * known.chance() {
                return Some(address);
            }
            factor *= 1.2;
        }
        None
    }

    /// What a peer at `ip` that asks is told: at most 1,000 addresses and at most 23 % of them all (but a few always), none
    /// that are worth nothing, and private ones only to private addresses.
    pub(crate) fn sample(&self, now: Time, ip: IpAddr, rng: &mut StdRng) -> Vec<(SocketAddr, KnownAddress)> {
        let count = (self.known.len() * ADDRESSES_ANSWERED_PERCENT / 100).clamp(ADDRESSES_ANSWERED_MIN, ADDRESSES_MAX);
        let fit = self.good(seconds(now)).filter(|(address, _)| may_be_learned(address, ip));
        fit.map(|(address, known)| (*address, known.clone())).choose_multiple(rng, count)
    }

    /// Up to `count` addresses that are worth something, for the one who runs this node.
    pub(crate) fn choose(&self, now: Time, count: usize, rng: &mut StdRng) -> Vec<(SocketAddr, KnownAddress)> {
        let count = count.min(self.known.len());
        self.good(seconds(now)).map(|(address, known)| (*address, known.clone())).choose_multiple(rng, count)
    }

    fn good(&self, now: u32) -> impl Iterator<Item = (&SocketAddr, &KnownAddress)> {
        self.known.iter().filter(move |(_, known)| !known.is_terrible(now))
    }
}

/// The first address at or after `slot` in its bucket, else in the bucket's beginning, else after it, else anywhere.
fn look(table: &BTreeMap<Slot, SocketAddr>, slot: Slot) -> Option<SocketAddr> {
    let bucket = slot - slot % ADDRESS_BUCKET_SIZE;
    fn first(table: &BTreeMap<Slot, SocketAddr>, range: impl RangeBounds<Slot>) -> Option<SocketAddr> {
        table.range(range).next().map(|(_, address)| *address)
    }
    first(table, slot..bucket + ADDRESS_BUCKET_SIZE).or_else(|| first(table, bucket..)).or_else(|| first(table, ..))
}
