//! Whose inbound connection ends when a new peer comes and all places are taken.
//!
//! In:    what we know about the inbound peers.
//! Out:   the one who is the least use to us, or nobody.
//! Never: peers that an attacker could only outdo by being useful: he would have to be near us, quick with blocks and
//!        transactions, or here for long, from many neighbourhoods at once.
//!
//! Source: Bitcoin Core `SelectNodeToEvict`, node/eviction.cpp.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::address_manager::NetGroup;
use crate::limits::{
    PROTECTED_BLOCK_ONLY, PROTECTED_BY_BLOCK, PROTECTED_BY_GROUP, PROTECTED_BY_PING, PROTECTED_BY_TRANSACTION,
};
use crate::{PeerId, Time};

/// An inbound peer that may have to go.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) id: PeerId,
    pub(crate) group: NetGroup,
    /// A number that nobody can choose, the same for all of a neighbourhood.
    pub(crate) keyed_group: u64,
    pub(crate) connected_at: Time,
    pub(crate) min_ping: Option<Duration>,
    pub(crate) last_block: Option<Time>,
    pub(crate) last_transaction: Option<Time>,
    pub(crate) wants_transactions: bool,
    /// Whether it serves whole blocks.
    pub(crate) serves_blocks: bool,
    /// Whether somebody behind its address misbehaved.
    pub(crate) is_discouraged: bool,
}

/// Takes the `count` peers with the greatest key out of the list, of those that are `fit`.
fn protect<K: Ord>(
    candidates: &mut Vec<Candidate>,
    count: usize,
    key: impl Fn(&Candidate) -> K,
    is_fit: impl Fn(&Candidate) -> bool,
) {
    candidates.sort_by_key(&key);
    let mut left = count;
    let mut kept: Vec<Candidate> = Vec::with_capacity(candidates.len());
    for candidate in candidates.drain(..).rev() {
        if left > 0 && is_fit(&candidate) {
            left -= 1;
        } else {
            kept.push(candidate);
        }
    }
    *candidates = kept;
}

/// The peer that goes; `None` when all are of use.
pub(crate) fn select(mut candidates: Vec<Candidate>) -> Option<PeerId> {
    let all = |_: &Candidate| true;
    protect(&mut candidates, PROTECTED_BY_GROUP, |peer| peer.keyed_group, all);
    protect(&mut candidates, PROTECTED_BY_PING, |peer| Reverse(peer.min_ping.unwrap_or(Duration::MAX)), all);
    let by_transaction =
        |peer: &Candidate| (peer.last_transaction, peer.wants_transactions, Reverse(peer.connected_at));
    protect(&mut candidates, PROTECTED_BY_TRANSACTION, by_transaction, all);
    let by_block = |peer: &Candidate| (peer.last_block, peer.serves_blocks, Reverse(peer.connected_at));
    protect(&mut candidates, PROTECTED_BLOCK_ONLY, by_block, |peer| !peer.wants_transactions && peer.serves_blocks);
    protect(&mut candidates, PROTECTED_BY_BLOCK, by_block, all);
    let half = candidates.len() / 2;
    protect(&mut candidates, half, |peer| (Reverse(peer.connected_at), Reverse(peer.id)), all);

    if candidates.iter().any(|peer| peer.is_discouraged) {
        candidates.retain(|peer| peer.is_discouraged);
    }
    let mut groups: BTreeMap<NetGroup, Vec<&Candidate>> = BTreeMap::new();
    for peer in &candidates {
        groups.entry(peer.group).or_default().push(peer);
    }
    let youngest = |peers: &[&Candidate]| peers.iter().map(|peer| (peer.connected_at, peer.id)).max();
    // The group with the most connections; among equals the one with the youngest.
    let largest = groups.values().max_by_key(|peers| (peers.len(), youngest(peers)))?;
    youngest(largest).map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_PROTECTED: u64 =
        (PROTECTED_BY_GROUP + PROTECTED_BY_PING + PROTECTED_BY_TRANSACTION + PROTECTED_BLOCK_ONLY + PROTECTED_BY_BLOCK)
            as u64;

    /// Peer `number` of its own neighbourhood, connected `number` seconds after the start.
    fn peer(number: u64) -> Candidate {
        Candidate {
            id: PeerId(number),
            group: NetGroup::of([9, number as u8, 0, 1].into()),
            keyed_group: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            connected_at: Time::from_unix_millis(1_000_000 + number * 1_000),
            min_ping: None,
            last_block: None,
            last_transaction: None,
            wants_transactions: true,
            serves_blocks: true,
            is_discouraged: false,
        }
    }

    /// A crowd of one neighbourhood with nothing to its credit.
    fn crowd(count: u64) -> Vec<Candidate> {
        let group = NetGroup::of([66, 6, 6, 6].into());
        (1_000..1_000 + count).map(|number| Candidate { group, keyed_group: 0, ..peer(number) }).collect()
    }

    #[test]
    fn nobody_goes_while_all_are_protected() {
        assert_eq!(select(Vec::new()), None);
        // Twenty have a protection by group, ping, transaction or block; of two more, half is protected by uptime.
        let fixed = ALL_PROTECTED - PROTECTED_BLOCK_ONLY as u64;
        assert_eq!(select((0..fixed).map(peer).collect()), None, "below");
        assert!(select((0..=fixed).map(peer).collect()).is_some(), "one above");
        let block_only = |number| Candidate { wants_transactions: false, ..peer(number) };
        assert_eq!(
            select((0..ALL_PROTECTED).map(block_only).collect()),
            None,
            "block-only peers have eight places more"
        );
        assert!(select((0..=ALL_PROTECTED).map(block_only).collect()).is_some());
    }

    /// Whether `useful` peers all survive a crowd of 200.
    fn survive(count: u64, give: impl Fn(&mut Candidate)) -> bool {
        let mut peers = crowd(200);
        for number in 0..count {
            // As young as can be and of the crowd's own neighbourhood: only its use protects it.
            let mut useful =
                Candidate { id: PeerId(number), group: peers[0].group, keyed_group: 0, ..peer(5_000 + number) };
            give(&mut useful);
            peers.push(useful);
        }
        for _ in 0..150 {
            let Some(victim) = select(peers.clone()) else { break };
            peers.retain(|peer| peer.id != victim);
        }
        (0..count).all(|number| peers.iter().any(|peer| peer.id == PeerId(number)))
    }

    #[test]
    fn the_useful_stay_as_many_as_there_are_places() {
        let ping = |peer: &mut Candidate| peer.min_ping = Some(Duration::from_millis(1));
        let transaction = |peer: &mut Candidate| peer.last_transaction = Some(Time::from_unix_millis(1));
        let block = |peer: &mut Candidate| peer.last_block = Some(Time::from_unix_millis(1));
        let block_only = |peer: &mut Candidate| {
            peer.wants_transactions = false;
            peer.last_block = Some(Time::from_unix_millis(1));
        };
        let group = |peer: &mut Candidate| peer.keyed_group = u64::MAX;
        for places in [PROTECTED_BY_PING - 1, PROTECTED_BY_PING] {
            assert!(survive(places as u64, ping));
        }
        for places in [PROTECTED_BY_TRANSACTION - 1, PROTECTED_BY_TRANSACTION] {
            assert!(survive(places as u64, transaction) && survive(places as u64, block));
        }
        for places in [PROTECTED_BLOCK_ONLY - 1, PROTECTED_BLOCK_ONLY, PROTECTED_BLOCK_ONLY + PROTECTED_BY_BLOCK] {
            assert!(survive(places as u64, block_only));
        }
        for places in [PROTECTED_BY_GROUP - 1, PROTECTED_BY_GROUP] {
            assert!(survive(places as u64, group));
        }
        assert!(!survive(40, ping), "more than there are places: the youngest go");
        assert!(!survive(40, block_only));
    }

    #[test]
    fn the_youngest_of_the_largest_neighbourhood_goes() {
        let mut peers: Vec<Candidate> = (0..60).map(peer).collect();
        peers.extend(crowd(30));
        assert_eq!(select(peers.clone()), Some(PeerId(1_029)));
        // Older connections of the crowd are protected by their age as little as by anything else.
        let mut older = crowd(30);
        older.iter_mut().for_each(|peer| peer.connected_at = Time::from_unix_millis(1));
        older.extend((0..30).map(peer));
        assert!(select(older).is_some_and(|victim| victim.0 < 30), "the first half by uptime stays");
    }

    #[test]
    fn discouraged_peers_go_first() {
        let mut peers = crowd(100);
        peers.push(Candidate { is_discouraged: true, keyed_group: 0, ..peer(2_000) });
        peers.extend(crowd(60).into_iter().map(|peer| Candidate { id: PeerId(peer.id.0 + 2_000), ..peer }));
        assert_eq!(select(peers), Some(PeerId(2_000)), "though its neighbourhood is the smallest");
    }
}
