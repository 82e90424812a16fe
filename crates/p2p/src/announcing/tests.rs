//! How many are told at once, and when.

use rand::SeedableRng as _;

use super::*;

#[test]
fn a_batch_grows_with_what_waits_up_to_a_thousand() {
    let sizes = [0, 999, 1_000, 1_999, 186_000, 187_000].map(batch_size);
    assert_eq!(sizes, [70, 70, 75, 75, 1_000, 1_000]);
}

#[test]
fn random_times_have_the_mean_that_is_asked_for() {
    let mut rng = StdRng::seed_from_u64(1);
    let total: Duration = (0..10_000).map(|_| exponential(Duration::from_secs(5), &mut rng)).sum();
    assert!((48_000..52_000).contains(&total.as_secs()), "{total:?}");
}

#[test]
fn what_came_lately_is_forgotten_after_two_minutes() {
    let mut announcing = Announcing::default();
    let transaction = WaitingTransaction {
        txid: Txid::from_raw_hash(mycoin_primitives::hashes::Hash::all_zeros()),
        wtxid: mycoin_primitives::Wtxid::from_raw_hash(mycoin_primitives::hashes::Hash::all_zeros()),
        fee_rate: mycoin_primitives::FeeRate::ZERO,
    };
    let start = Time::from_unix_millis(1_000_000);
    announcing.note(&transaction, start);
    announcing.expire(start.after(UNTOLD_KEPT - Duration::from_millis(1)));
    assert_eq!(announcing.added.len(), 2);
    announcing.expire(start.after(UNTOLD_KEPT));
    assert!(announcing.added.is_empty() && announcing.order.is_empty());
}
