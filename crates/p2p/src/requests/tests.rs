//! Whom to ask: order, quotas, time-outs, and that nothing stays behind.

use mycoin_primitives::Wtxid;
use mycoin_primitives::hashes::Hash as _;
use rand::{Rng as _, SeedableRng as _};

use super::*;

const A: PeerId = PeerId(1);
const B: PeerId = PeerId(2);
const C: PeerId = PeerId(3);
const FIRST: Terms = Terms { is_preferred: true, wait: Duration::ZERO };
const LATER: Terms = Terms { is_preferred: false, wait: Duration::from_secs(2) };

fn key(number: u32) -> TransactionKey {
    TransactionKey::Wtxid(Wtxid::hash(&number.to_le_bytes()))
}

fn at(millis: u64) -> Time {
    Time::from_unix_millis(1_000_000 + millis)
}

struct Asking {
    requests: Requests,
    rng: StdRng,
}

impl Asking {
    fn new() -> Self {
        Self { requests: Requests::default(), rng: StdRng::seed_from_u64(1) }
    }

    /// How many each is asked for.
    fn asked(&mut self, now: Time) -> Vec<(PeerId, usize)> {
        self.requests.next(now, &mut self.rng).into_iter().map(|(peer, keys)| (peer, keys.len())).collect()
    }

    fn assert_nothing_left(&self) {
        let Requests { wanted, accounts, due, .. } = &self.requests;
        assert!(wanted.is_empty() && accounts.is_empty() && due.is_empty());
    }

    /// Every index says the same.
    fn assert_consistent(&self) {
        let Requests { wanted, accounts, due, .. } = &self.requests;
        let mut timed = 0;
        for (key, wanted) in wanted {
            assert!(!wanted.by.0.is_empty() && !wanted.is_over());
            for (peer, announcement) in &wanted.by.0 {
                let account = &accounts[peer];
                assert!(account.keys.contains(key));
                let is_listed = account.ready.contains(&(announcement.sequence, *key));
                assert_eq!(is_listed, announcement.state == State::Ready && wanted.is_free());
                assert_eq!(matches!(announcement.state, State::Asked { .. }), wanted.asked == Some(*peer));
                timed += usize::from(matches!(announcement.state, State::Asked { .. } | State::Delayed { .. }));
            }
        }
        assert_eq!(due.len(), timed);
        for (peer, account) in accounts {
            assert!(account.keys.iter().all(|key| wanted[key].by.place(*peer).is_ok()));
            assert_eq!(account.in_flight, wanted.values().filter(|wanted| wanted.asked == Some(*peer)).count());
        }
    }
}

#[test]
fn preferred_peers_are_asked_before_others_whose_delay_has_passed() {
    let mut asking = Asking::new();
    asking.requests.announce(A, key(1), LATER, at(0));
    assert_eq!(asking.asked(at(1_999)), []);
    asking.requests.announce(B, key(1), FIRST, at(1_999));
    assert_eq!(asking.asked(at(2_000)), [(B, 1)]);
    asking.requests.announce(A, key(2), LATER, at(2_000));
    assert_eq!(asking.asked(at(4_000)), [(A, 1)], "nobody better came");
    asking.assert_consistent();
}

#[test]
fn what_many_have_is_spread_over_them() {
    let mut asking = Asking::new();
    for number in 0..90 {
        for peer in [A, B, C] {
            asking.requests.announce(peer, key(number), FIRST, at(0));
        }
    }
    assert_eq!(asking.asked(at(0)), [(A, 30), (B, 30), (C, 30)]);
    asking.assert_consistent();
}

#[test]
fn a_hundred_are_asked_for_at_once() {
    let mut asking = Asking::new();
    for number in 0..TRANSACTIONS_IN_FLIGHT_PER_PEER as u32 - 1 {
        asking.requests.announce(A, key(number), FIRST, at(0));
    }
    assert_eq!(asking.asked(at(0)), [(A, 99)]);
    (1_000..1_002).for_each(|number| assert!(asking.requests.announce(A, key(number), FIRST, at(0))));
    assert_eq!(asking.asked(at(0)), [(A, 1)], "the hundredth");
    assert_eq!(asking.asked(at(0)), [], "and no more");
    asking.requests.forget(&key(0));
    assert_eq!(asking.asked(at(0)), [(A, 1)], "until one came");
    asking.assert_consistent();
}

#[test]
fn five_thousand_announcements_of_a_peer_are_remembered() {
    let mut asking = Asking::new();
    for number in 0..TRANSACTIONS_ANNOUNCED_PER_PEER as u32 - 1 {
        assert!(asking.requests.announce(A, key(number), FIRST, at(0)));
    }
    assert!(asking.requests.announce(A, key(1_000_000), FIRST, at(0)));
    assert!(!asking.requests.announce(A, key(1_000_001), FIRST, at(0)));
    assert!(asking.requests.announce(B, key(1_000_001), FIRST, at(0)), "the quota is each peer's own");
    asking.requests.forget(&key(0));
    assert!(asking.requests.announce(A, key(1_000_001), FIRST, at(0)));
}

#[test]
fn twenty_five_thousand_are_remembered_for_all_peers_and_an_equal_share_for_each() {
    let mut asking = Asking::new();
    let mut announce = |peer, numbers: std::ops::Range<u32>| {
        numbers.filter(|number| asking.requests.announce(PeerId(peer), key(*number), FIRST, at(0))).count()
    };
    // Six peers: a share is 4,166.
    assert_eq!(announce(6, 0..1), 1);
    for peer in 1..=4 {
        assert_eq!(announce(peer, 0..5_000), 5_000);
    }
    assert_eq!(announce(5, 0..4_998), 4_998);
    // 24,999 are remembered.
    assert_eq!(announce(5, 4_998..5_000), 1, "the last one of all");
    assert_eq!(announce(5, 4_999..5_000), 0);
    assert_eq!(announce(6, 1..4_165), 4_164, "its share is its own");
    assert_eq!(announce(6, 4_165..4_166), 1);
    assert_eq!(announce(6, 4_166..4_167), 0);
}

#[test]
fn after_sixty_seconds_another_is_asked_and_the_first_never_again() {
    let mut asking = Asking::new();
    asking.requests.announce(A, key(1), FIRST, at(0));
    asking.requests.announce(B, key(1), LATER, at(0));
    assert_eq!(asking.asked(at(0)), [(A, 1)]);
    assert_eq!(asking.asked(at(59_999)), []);
    assert!(!asking.requests.announce(A, key(1), FIRST, at(59_999)));
    assert_eq!(asking.asked(at(60_000)), [(B, 1)]);
    assert!(!asking.requests.announce(A, key(1), FIRST, at(60_001)), "it had its turn");
    asking.requests.fail(A, key(1));
    assert_eq!(asking.asked(at(60_001)), [], "who was not asked cannot fail");
    asking.requests.fail(B, key(1));
    asking.assert_nothing_left();
}

#[test]
fn nobody_is_asked_while_it_is_judged() {
    let mut asking = Asking::new();
    asking.requests.announce(A, key(1), FIRST, at(0));
    assert_eq!(asking.asked(at(0)), [(A, 1)]);
    asking.requests.hold(A, key(1));
    asking.requests.announce(B, key(1), FIRST, at(1));
    assert_eq!(asking.asked(at(60_000)), []);
    assert_eq!(asking.requests.announcers(&key(1)), [A, B]);
    asking.requests.release(key(1));
    assert_eq!(asking.asked(at(60_000)), [(B, 1)]);
    asking.requests.put_back(B, key(1));
    assert_eq!(asking.asked(at(60_001)), [(B, 1)]);
    asking.requests.remove_peer(B);
    asking.assert_nothing_left();
}

#[test]
fn a_peer_that_is_full_of_junk_does_not_keep_others_from_being_asked() {
    let mut asking = Asking::new();
    for number in 0..60_000 {
        asking.requests.announce(A, key(number), FIRST, at(0));
    }
    assert_eq!(asking.asked(at(0)), [(A, 100)]);
    asking.requests.announce(B, key(4_000), LATER, at(0));
    assert_eq!(asking.asked(at(2_000)), [(B, 1)], "it waited for its turn at the first, and the second has room");
    asking.requests.announce(B, key(50), LATER, at(0));
    let other = asking.requests.next(at(60_000), &mut asking.rng);
    assert!(other[&B].contains(&key(50)), "asked of the first, and withheld");
}

#[test]
fn a_hundred_thousand_timeouts_leave_nothing_behind() {
    let mut asking = Asking::new();
    let mut failed = 0;
    for round in 0..20 {
        for number in 0..5_000 {
            asking.requests.announce(A, key(round * 5_000 + number), FIRST, at(0));
        }
        let mut now = u64::from(round) * 10_000_000;
        while asking.requests.len() > 0 {
            failed += asking.asked(at(now)).iter().map(|(_, count)| count).sum::<usize>();
            now += 60_000;
        }
    }
    assert_eq!(failed, 100_000);
    asking.assert_nothing_left();
}

#[test]
fn whatever_happens_the_indices_agree_and_end_empty() {
    let mut asking = Asking::new();
    let mut dice = StdRng::seed_from_u64(7);
    let mut now = 0;
    for _ in 0..20_000 {
        let (peer, key) = (PeerId(dice.random_range(0..6)), key(dice.random_range(0..200)));
        let terms = if dice.random() { FIRST } else { LATER };
        now += dice.random_range(0..500);
        match dice.random_range(0..20) {
            0 => asking.requests.fail(peer, key),
            1 => asking.requests.forget(&key),
            2 => asking.requests.hold(peer, key),
            3 => asking.requests.release(key),
            4 => asking.requests.put_back(peer, key),
            5 if dice.random_ratio(1, 10) => asking.requests.remove_peer(peer),
            6..10 => drop(asking.asked(at(now))),
            _ => drop(asking.requests.announce(peer, key, terms, at(now))),
        }
    }
    asking.assert_consistent();
    (0..200).for_each(|number| asking.requests.release(key(number)));
    for _ in 0..20 {
        now += 100_000;
        asking.asked(at(now));
    }
    asking.assert_nothing_left();
}
