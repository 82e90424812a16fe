//! What is kept of orphans, and of whose.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::{Amount, ScriptBuf, Sequence, TxIn, TxOut, Witness};

use super::*;

const A: PeerId = PeerId(1);
const B: PeerId = PeerId(2);

/// An orphan that spends the first `inputs` outputs of parent `number`, padded to `weight` units.
fn orphan(number: u32, inputs: u32, weight: u64) -> Arc<Transaction> {
    let txid = Txid::hash(&number.to_le_bytes());
    let input = |vout| TxIn {
        previous_output: OutPoint { txid, vout },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let mut transaction = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: (0..inputs).map(input).collect(),
        output: vec![TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new() }],
    };
    // A witness of one item counts its bytes and their length once; what is left of four is in the item.
    transaction.input[0].witness = Witness::from_slice(&[vec![]]);
    let missing = weight.saturating_sub(transaction.weight().to_wu());
    let prefix = match missing {
        0..253 => 0,
        253..65_538 => 2,
        _ => 4,
    };
    transaction.input[0].witness = Witness::from_slice(&[vec![0; (missing - prefix) as usize]]);
    assert_eq!(transaction.weight().to_wu(), weight);
    Arc::new(transaction)
}

impl Orphans {
    fn assert_consistent(&self) {
        assert_eq!(self.weight, self.kept.values().map(|orphan| orphan.weight).sum::<u64>());
        assert_eq!(self.work, self.accounts.values().map(|account| account.work).sum::<u64>());
        let announcements: usize = self.kept.values().map(|orphan| orphan.announcers.len()).sum();
        assert_eq!(announcements, self.accounts.values().map(|account| account.order.len()).sum::<usize>());
        let spends: usize = self.kept.values().map(|orphan| orphan.transaction.input.len()).sum();
        assert_eq!(self.spends.len(), spends);
    }
}

#[test]
fn one_peer_keeps_404_000_weight_units_and_loses_the_oldest_above() {
    let mut orphans = Orphans::default();
    let (first, second) = (orphan(1, 1, 200_000), orphan(2, 1, 203_999));
    assert!(orphans.add(&first, A) && orphans.add(&second, A));
    assert_eq!(orphans.kept.len(), 2, "one below");
    orphans.remove(&second.compute_wtxid());
    assert!(orphans.add(&orphan(3, 1, 204_000), A));
    assert_eq!(orphans.kept.len(), 2, "exactly");
    assert!(orphans.add(&orphan(4, 1, 1_000), A));
    assert!(!orphans.contains(&first.compute_wtxid()), "the oldest made room");
    assert_eq!(orphans.kept.len(), 2);
    orphans.assert_consistent();
}

#[test]
fn an_orphan_above_the_standard_weight_is_not_kept() {
    let mut orphans = Orphans::default();
    assert!(orphans.add(&orphan(1, 1, 399_999), A));
    assert!(orphans.add(&orphan(2, 1, 400_000), A));
    assert!(!orphans.add(&orphan(3, 1, 400_001), A));
    orphans.assert_consistent();
}

#[test]
fn orphans_make_three_thousand_units_of_work() {
    let mut orphans = Orphans::default();
    for number in 0..299 {
        assert!(orphans.add(&orphan(number, 90, 16_000), PeerId(u64::from(number))));
    }
    assert_eq!((orphans.work, orphans.kept.len()), (2_990, 299));
    assert!(orphans.add(&orphan(1_000, 90, 16_000), PeerId(1_000)));
    assert_eq!((orphans.work, orphans.kept.len()), (3_000, 300));
    assert!(orphans.add(&orphan(1_001, 90, 16_000), A));
    assert_eq!((orphans.work, orphans.kept.len()), (3_000, 300), "who has two loses one");
    assert_eq!(orphans.accounts[&A].order.len(), 1);
    orphans.assert_consistent();
}

#[test]
fn a_flood_from_one_peer_pushes_out_nothing_of_another() {
    let mut orphans = Orphans::default();
    let honest = orphan(1, 1, 100_000);
    assert!(orphans.add(&honest, B));
    for number in 2..2_000 {
        orphans.add(&orphan(number, 1, 10_000), A);
    }
    assert!(orphans.contains(&honest.compute_wtxid()));
    assert!(orphans.weight <= 2 * ORPHAN_WEIGHT_PER_PEER);
    orphans.assert_consistent();
}

#[test]
fn an_orphan_goes_with_the_last_of_its_announcers() {
    let mut orphans = Orphans::default();
    let both = orphan(1, 3, 1_000);
    assert!(orphans.add(&both, A) && orphans.add_announcer(&both.compute_wtxid(), B));
    assert!(!orphans.add_announcer(&both.compute_wtxid(), B), "no news");
    assert_eq!(orphans.announcers(&both.compute_wtxid()), [A, B]);
    orphans.remove_peer(A);
    assert!(orphans.contains(&both.compute_wtxid()));
    orphans.remove_peer(B);
    assert!(orphans.kept.is_empty() && orphans.spends.is_empty() && orphans.accounts.is_empty());
    orphans.assert_consistent();
}

#[test]
fn children_are_found_by_their_parent_and_a_block_removes_rivals() {
    let mut orphans = Orphans::default();
    let (first, second) = (orphan(1, 2, 1_000), orphan(1, 3, 1_000));
    orphans.add(&first, A);
    orphans.add(&second, A);
    orphans.add(&first, B);
    let parent = Txid::hash(&1u32.to_le_bytes());
    assert_eq!(orphans.children(&parent).len(), 2);
    assert_eq!(orphans.children_from(&parent, A), [Arc::clone(&second), Arc::clone(&first)], "newest first");
    assert_eq!(orphans.children_from(&parent, B), [Arc::clone(&first)]);
    let mut rival = first.as_ref().clone();
    rival.input.truncate(1);
    orphans.remove_spenders(&rival);
    assert!(orphans.kept.is_empty(), "both spend that coin");
    orphans.assert_consistent();
}
