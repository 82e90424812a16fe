//! How much one client may ask: a bucket of requests a second, and counts a minute for what costs more.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests a second.
const RATE: f64 = 50.0;
/// Requests at once: a wallet's first synchronisation asks for many addresses in one go.
const BURST: f64 = 200.0;
/// Clients that are remembered. Beyond it, those with a full bucket are forgotten, then all.
const CLIENTS: usize = 50_000;
const MINUTE: Duration = Duration::from_secs(60);

/// Who counts as one client: an IPv4 address, or an IPv6 network of 64 bits, which is what one customer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientKey(IpAddr);

impl From<IpAddr> for ClientKey {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        })
    }
}

/// A token bucket for each client.
#[derive(Debug, Default)]
pub(crate) struct RequestRate {
    buckets: Mutex<HashMap<ClientKey, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn tokens(&self, now: Instant) -> f64 {
        (self.tokens + now.saturating_duration_since(self.at).as_secs_f64() * RATE).min(BURST)
    }
}

impl RequestRate {
    /// Counts a request; false when it is one too many.
    pub(crate) fn allow(&self, client: ClientKey, now: Instant) -> bool {
        self.allow_many(client, 1, now)
    }

    /// Counts so many requests at once, or none of them; false when they are too many.
    pub(crate) fn allow_many(&self, client: ClientKey, count: usize, now: Instant) -> bool {
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CLIENTS {
            buckets.retain(|_, bucket| bucket.tokens(now) < BURST);
            if buckets.len() >= CLIENTS {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(client).or_insert(Bucket { tokens: BURST, at: now });
        let tokens = bucket.tokens(now);
        *bucket = Bucket { tokens: if tokens >= count { tokens - count } else { tokens }, at: now };
        tokens >= count
    }
}

/// At most so many a minute, for each key.
#[derive(Debug)]
pub(crate) struct PerMinute<K> {
    most: usize,
    taken: Mutex<HashMap<K, Vec<Instant>>>,
}

impl<K: Hash + Eq> PerMinute<K> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    /// Counts one.
    ///
    /// # Errors
    ///
    /// The seconds after which the next one is allowed.
    pub(crate) fn take(&self, key: K, now: Instant) -> Result<(), u64> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, times| {
            times.retain(|time| now.saturating_duration_since(*time) < MINUTE);
            !times.is_empty()
        });
        let times = taken.entry(key).or_default();
        if times.len() < self.most {
            times.push(now);
            return Ok(());
        }
        let waited = times.first().map_or(Duration::ZERO, |first| now.saturating_duration_since(*first));
        Err(MINUTE.saturating_sub(waited).as_secs().saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> ClientKey {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn the_burst_is_allowed_and_one_more_is_not() {
        let (rate, now) = (RequestRate::default(), Instant::now());
        for request in 0..200 {
            assert!(rate.allow(client("10.0.0.1"), now), "{request}");
        }
        assert!(!rate.allow(client("10.0.0.1"), now));
        assert!(rate.allow(client("10.0.0.2"), now));
        let later = now + Duration::from_secs(1);
        let allowed = (0..100).filter(|_| rate.allow(client("10.0.0.1"), later)).count();
        assert_eq!(allowed, 50);
    }

    #[test]
    fn what_costs_more_is_counted_whole_or_not_at_all() {
        let (rate, now) = (RequestRate::default(), Instant::now());
        let client = client("10.0.0.1");
        assert!(rate.allow_many(client, 150, now));
        assert!(!rate.allow_many(client, 51, now));
        assert!(rate.allow_many(client, 50, now) && rate.allow_many(client, 0, now));
        assert!(!rate.allow(client, now));
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:10.0.0.1"), client("10.0.0.1"));
    }

    #[test]
    fn so_many_a_minute() {
        let (limit, now) = (PerMinute::new(3), Instant::now());
        for _ in 0..3 {
            assert_eq!(limit.take("alice", now), Ok(()));
        }
        assert_eq!(limit.take("alice", now + Duration::from_secs(20)), Err(41));
        assert_eq!(limit.take("bob", now), Ok(()));
        assert_eq!(limit.take("alice", now + MINUTE), Ok(()));
    }
}
