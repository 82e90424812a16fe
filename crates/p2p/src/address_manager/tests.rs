//! The address tables: their bounds, their rules, their bytes.

use std::time::Duration;

use rand::SeedableRng as _;

use super::*;
use crate::limits::{
    ADDRESS_ATTEMPTS_MAX, ADDRESS_FAILURES_FORGIVEN, ADDRESS_HORIZON, ADDRESS_RETRY, ADDRESS_TRIES_UNPROVEN,
    ADDRESSES_MAX,
};

const NOW: Time = Time::from_unix_millis(1_800_000_000_000);
const SERVICES: ServiceFlags = ServiceFlags::NETWORK;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn public(number: u32) -> SocketAddr {
    // 16.0.0.0 to 95.255.255.255 are all public.
    SocketAddr::from((((16 << 24) + number % (80 << 24)).to_be_bytes(), 7_602))
}

fn later(seconds: u32) -> Time {
    NOW.after(Duration::from_secs(seconds.into()))
}

struct Book {
    manager: AddressManager,
    rng: StdRng,
}

impl Book {
    fn new() -> Self {
        Self { manager: AddressManager::new((3, 4)), rng: StdRng::seed_from_u64(1) }
    }

    fn hears(&mut self, address: SocketAddr, source: IpAddr, now: Time) {
        let seen = seconds(now) - 60;
        self.manager.heard(address, SERVICES, seen, source, now, &mut self.rng);
    }

    /// Every address lies where it says, and nothing else lies anywhere.
    fn check(&self) {
        let manager = &self.manager;
        let mut places = 0;
        for (address, known) in &manager.known {
            assert!(!known.slots.is_empty() && known.slots.len() <= ADDRESS_NEW_SLOTS);
            assert!(!known.is_tried() || known.slots.len() == 1);
            let table = if known.is_tried() { &manager.tried } else { &manager.new };
            for slot in &known.slots {
                assert_eq!(table.get(slot), Some(address));
            }
            places += known.slots.len();
        }
        assert_eq!(places, manager.new.len() + manager.tried.len());
        assert!(manager.new.len() as u64 <= ADDRESS_NEW_BUCKETS * ADDRESS_BUCKET_SIZE);
        assert!(manager.tried.len() as u64 <= ADDRESS_TRIED_BUCKETS * ADDRESS_BUCKET_SIZE);
        assert!(manager.collisions.len() <= ADDRESS_COLLISIONS_MAX);
    }

    /// Two addresses that want the same place of the tried table.
    fn rivals(&mut self) -> (SocketAddr, SocketAddr) {
        let mut places = BTreeMap::new();
        for number in 0.. {
            let address = public(number * 65_536);
            if let Some(other) = places.insert(self.manager.tried_slot(&address), address) {
                let source = ip("9.9.9.9");
                self.hears(other, source, NOW);
                self.hears(address, ip("8.8.8.8"), NOW);
                return (other, address);
            }
        }
        unreachable!("there are fewer places than numbers")
    }
}

#[test]
fn a_million_addresses_leave_the_tables_bounded() {
    let mut book = Book::new();
    for number in 0..1_000_000u32 {
        let source = public(number.wrapping_mul(2_654_435_761)).ip();
        book.hears(public(number.wrapping_mul(97)), source, NOW);
        if number % 50 == 0 {
            book.manager.succeeded(public(number.wrapping_mul(97)), SERVICES, NOW);
        }
    }
    book.check();
    let most = (ADDRESS_NEW_BUCKETS + ADDRESS_TRIED_BUCKETS) * ADDRESS_BUCKET_SIZE;
    assert!(book.manager.known.len() as u64 <= most, "{}", book.manager.known.len());
    assert!(book.manager.new.len() > 50_000, "the new table is well used: {}", book.manager.new.len());
    assert_eq!(book.manager.collisions.len(), ADDRESS_COLLISIONS_MAX);
}

#[test]
fn one_neighbourhood_fills_64_buckets_at_most() {
    let mut book = Book::new();
    for number in 0..200_000 {
        book.hears(public(number * 97), ip(&format!("9.9.{}.1", number % 256)), NOW);
    }
    book.check();
    let buckets: BTreeSet<u64> = book.manager.new.keys().map(|slot| slot / ADDRESS_BUCKET_SIZE).collect();
    assert!(buckets.len() as u64 <= ADDRESS_NEW_BUCKETS_PER_SOURCE && buckets.len() > 50, "{}", buckets.len());
}

#[test]
fn one_neighbourhoods_addresses_lie_in_eight_tried_buckets_at_most() {
    let mut book = Book::new();
    for number in 0..60_000 {
        book.manager.succeeded(public(number), SERVICES, NOW);
    }
    book.check();
    let buckets: BTreeSet<u64> = book.manager.tried.keys().map(|slot| slot / ADDRESS_BUCKET_SIZE).collect();
    assert!(buckets.len() as u64 <= ADDRESS_TRIED_BUCKETS_PER_GROUP, "{}", buckets.len());
}

#[test]
fn an_address_has_eight_places_at_most() {
    let mut book = Book::new();
    for number in 0..20_000 {
        let seen = seconds(NOW) - 40_000 + number;
        let source = public(number * 65_536).ip();
        book.manager.heard(public(7), SERVICES, seen, source, NOW, &mut book.rng);
    }
    book.check();
    let places = book.manager.known[&public(7)].slots.len();
    assert!((2..=ADDRESS_NEW_SLOTS).contains(&places), "{places}");
}

#[test]
fn the_tables_survive_as_bytes_and_damage_empties_them() {
    let mut book = Book::new();
    for number in 0..3_000 {
        book.hears(public(number * 65_536 + 1), ip("9.9.9.9"), NOW);
        if number % 3 == 0 {
            book.manager.succeeded(public(number * 65_536 + 1), SERVICES, NOW);
        }
    }
    book.hears("[2a00:1::5]:9".parse().expect("an address"), ip("2a00:2::1"), NOW);
    book.check();
    let bytes = book.manager.to_bytes();
    let again = AddressManager::from_bytes(&bytes).expect("its own bytes");
    assert_eq!((&again.new, &again.tried), (&book.manager.new, &book.manager.tried));
    assert_eq!(again.known.keys().collect::<Vec<_>>(), book.manager.known.keys().collect::<Vec<_>>());
    assert_eq!(again.to_bytes(), bytes);
    let again = Book { manager: again, rng: StdRng::seed_from_u64(1) };
    again.check();
    for at in [0, 7, 9, 30, bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(AddressManager::from_bytes(&damaged).is_none());
        assert!(AddressManager::open(&damaged, &mut book.rng).known.is_empty());
    }
    for length in [0, 1, 8, 24, 55, 56, bytes.len() - 1] {
        assert!(AddressManager::from_bytes(&bytes[..length]).is_none());
    }
}

#[test]
fn mapped_ipv4_is_ipv4_and_loopback_is_not_kept() {
    let mut book = Book::new();
    for text in ["[::ffff:8.0.0.1]:1", "8.0.0.1:1", "127.0.0.1:1", "[::1]:1", "0.0.0.0:1", "8.0.0.2:0"] {
        let address = text.parse().expect("an address");
        book.hears(address, ip("9.9.9.9"), NOW);
        book.manager.succeeded(address, SERVICES, NOW);
    }
    assert_eq!(book.manager.known.len(), 1);
}

#[test]
fn private_addresses_come_from_and_go_to_private_peers_alone() {
    let mut book = Book::new();
    let private: SocketAddr = "10.0.0.7:1".parse().expect("an address");
    book.hears(private, ip("9.9.9.9"), NOW);
    assert!(book.manager.known.is_empty(), "nobody outside can make us dial inside");
    book.hears(private, ip("192.168.1.1"), NOW);
    assert_eq!(book.manager.known.len(), 1);
    assert!(book.manager.sample(NOW, ip("9.9.9.9"), &mut book.rng).is_empty());
    assert_eq!(book.manager.sample(NOW, ip("10.0.0.1"), &mut book.rng).len(), 1);
}

#[test]
fn answers_are_a_sample_of_at_most_a_thousand() {
    let told = |count: u32| {
        let mut book = Book::new();
        for number in 0..count {
            book.hears(public(number * 65_536), public(number * 65_536).ip(), NOW);
        }
        let known = book.manager.known.len();
        (known, book.manager.sample(NOW, ip("9.9.9.9"), &mut book.rng).len())
    };
    assert_eq!(told(5), (5, 5), "a few always");
    let (known, sample) = told(1_000);
    assert_eq!(sample, known * 23 / 100);
    let (known, sample) = told(5_000);
    assert!(known * 23 / 100 > ADDRESSES_MAX && sample == ADDRESSES_MAX, "{known}");
}

#[test]
fn what_is_terrible_is_neither_told_nor_kept() {
    let base = KnownAddress {
        services: SERVICES,
        last_seen: 100_000_000,
        last_success: 0,
        last_try: 0,
        last_counted: 0,
        attempts: 0,
        source: ip("9.9.9.9"),
        table: Table::New,
        slots: Vec::new(),
    };
    let now = base.last_seen;
    for (since, is_terrible) in [(ADDRESS_HORIZON - 1, false), (ADDRESS_HORIZON, false), (ADDRESS_HORIZON + 1, true)] {
        assert_eq!(base.is_terrible(now + since), is_terrible, "seen {since} s ago");
    }
    assert!(!base.is_terrible(now - 600) && base.is_terrible(now - 601), "ten minutes ahead of us");
    for attempts in [ADDRESS_TRIES_UNPROVEN - 1, ADDRESS_TRIES_UNPROVEN, ADDRESS_TRIES_UNPROVEN + 1] {
        let unproven = KnownAddress { attempts, ..base.clone() };
        assert_eq!(unproven.is_terrible(now), attempts >= ADDRESS_TRIES_UNPROVEN);
    }
    for attempts in [ADDRESS_ATTEMPTS_MAX - 1, ADDRESS_ATTEMPTS_MAX, ADDRESS_ATTEMPTS_MAX + 1] {
        let proven = KnownAddress { attempts, last_success: now - ADDRESS_FAILURES_FORGIVEN, ..base.clone() };
        assert!(!proven.is_terrible(now), "a week is forgiven");
        assert_eq!(proven.is_terrible(now + 1), attempts >= ADDRESS_ATTEMPTS_MAX);
    }
    let dialled = KnownAddress { last_try: now, attempts: 99, ..base };
    assert!(!dialled.is_terrible(now + DIAL) && dialled.is_terrible(now + DIAL + 1), "not while it is dialled");
}

#[test]
fn failures_count_once_between_two_successes_of_others() {
    let mut book = Book::new();
    book.hears(public(1), ip("9.9.9.9"), NOW);
    for number in 0..5 {
        book.manager.attempted(public(1), true, later(number));
    }
    assert_eq!(book.manager.known[&public(1)].attempts, 1, "nothing works: it says nothing of this address");
    book.manager.attempted(public(1), false, later(9));
    assert_eq!(book.manager.known[&public(1)].attempts, 1);
    book.manager.succeeded(public(2), SERVICES, later(10));
    book.manager.attempted(public(1), true, later(11));
    assert_eq!(book.manager.known[&public(1)].attempts, 2);
    book.manager.succeeded(public(1), SERVICES, later(12));
    assert_eq!(book.manager.known[&public(1)].attempts, 0);
    assert!(book.manager.known[&public(1)].is_tried());
    let proven = KnownAddress { attempts: 2, ..book.manager.known[&public(1)].clone() };
    assert!((proven.chance() - 0.66 * 0.66).abs() < 1e-9);
    let hopeless = KnownAddress { attempts: 100, ..proven.clone() };
    assert!((hopeless.chance() - 0.66f64.powi(8)).abs() < 1e-9, "never less than after eight");
}

#[test]
fn a_tried_address_gives_way_only_after_it_was_dialled_in_vain() {
    let mut book = Book::new();
    let (old, fresh) = book.rivals();
    book.manager.succeeded(old, SERVICES, NOW);
    let day = 24 * 60 * 60;
    let (start, at) = (later(day), |seconds| later(day + seconds));
    book.manager.succeeded(fresh, SERVICES, start);
    assert!(book.manager.known[&old].is_tried() && !book.manager.known[&fresh].is_tried());
    book.manager.resolve_collisions(start);
    assert_eq!(book.manager.contested(&mut book.rng), Some(old), "the one to test");
    book.manager.attempted(old, true, at(10));
    book.manager.resolve_collisions(at(10 + DIAL));
    assert!(book.manager.known[&old].is_tried(), "the dial may still be under way");
    book.manager.resolve_collisions(at(11 + DIAL));
    assert!(!book.manager.known[&old].is_tried() && book.manager.known[&fresh].is_tried());
    assert_eq!(book.manager.contested(&mut book.rng), None);
    book.check();
}

#[test]
fn a_tried_address_that_answers_keeps_its_place() {
    let mut book = Book::new();
    let (old, fresh) = book.rivals();
    book.manager.succeeded(old, SERVICES, NOW);
    let day = 24 * 60 * 60;
    book.manager.succeeded(fresh, SERVICES, later(day));
    book.manager.succeeded(old, SERVICES, later(day + 10));
    book.manager.resolve_collisions(later(day + 11));
    assert!(book.manager.known[&old].is_tried() && !book.manager.known[&fresh].is_tried());
    assert!(book.manager.collisions.is_empty());
    book.check();
}

#[test]
fn a_tried_address_that_nobody_could_test_gives_way_after_forty_minutes() {
    let mut book = Book::new();
    let (old, fresh) = book.rivals();
    book.manager.succeeded(old, SERVICES, NOW);
    let day = 24 * 60 * 60;
    book.manager.succeeded(fresh, SERVICES, later(day));
    for (wait, is_replaced) in
        [(ADDRESS_TEST_WINDOW - 1, false), (ADDRESS_TEST_WINDOW, false), (ADDRESS_TEST_WINDOW + 1, true)]
    {
        book.manager.resolve_collisions(later(day + wait));
        assert_eq!(book.manager.known[&fresh].is_tried(), is_replaced, "{wait}");
    }
    book.check();
}

#[test]
fn the_end_of_a_connection_says_that_an_address_was_seen() {
    let mut book = Book::new();
    book.manager.succeeded(public(1), SERVICES, NOW);
    for (wait, is_noted) in
        [(ADDRESS_SEEN_INTERVAL - 1, false), (ADDRESS_SEEN_INTERVAL, false), (ADDRESS_SEEN_INTERVAL + 1, true)]
    {
        book.manager.seen(public(1), later(wait));
        let seen = book.manager.known[&public(1)].last_seen;
        assert_eq!(seen, if is_noted { seconds(later(wait)) } else { seconds(NOW) });
    }
    book.manager.seen(public(2), NOW);
    assert_eq!(book.manager.known.len(), 1, "who is not known stays so");
}

#[test]
fn an_address_rests_after_a_try() {
    let mut book = Book::new();
    let nobody = |_: &SocketAddr, _: &KnownAddress| false;
    assert!(book.manager.pick(NOW, Pick::Any, &mut book.rng, nobody).is_none());
    book.hears(public(1), ip("9.9.9.9"), NOW);
    assert!(book.manager.pick(NOW, Pick::Any, &mut book.rng, |_, _| true).is_none());
    assert_eq!(book.manager.pick(NOW, Pick::New, &mut book.rng, nobody), Some(public(1)));
    book.manager.attempted(public(1), true, NOW);
    for (wait, is_picked) in [(0, false), (ADDRESS_RETRY - 1, false), (ADDRESS_RETRY, true), (ADDRESS_RETRY + 1, true)]
    {
        assert_eq!(book.manager.pick(later(wait), Pick::Any, &mut book.rng, nobody).is_some(), is_picked);
    }
    book.manager.succeeded(public(1), SERVICES, NOW);
    assert!(book.manager.pick(later(ADDRESS_RETRY), Pick::New, &mut book.rng, nobody).is_none(), "it is no new one");
    assert!(book.manager.pick(later(ADDRESS_RETRY), Pick::Any, &mut book.rng, nobody).is_some());
}

#[test]
fn both_tables_are_picked_from_half_and_half() {
    let mut book = Book::new();
    for number in 0..2_000 {
        book.hears(public(number * 65_536), ip("9.9.9.9"), NOW);
    }
    for number in 0..20 {
        book.manager.succeeded(public(number * 65_536), SERVICES, NOW);
    }
    let at = later(ADDRESS_RETRY);
    let tried = (0..1_000).filter(|_| {
        let address = book.manager.pick(at, Pick::Any, &mut book.rng, |_, _| false).expect("there are many");
        book.manager.known[&address].is_tried()
    });
    let tried = tried.count();
    assert!((400..600).contains(&tried), "{tried} of 1,000, though they are one in a hundred");
}
