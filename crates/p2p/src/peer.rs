//! What we know about one peer.

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::{BlockHash, FeeRate, Height, IdSet, Txid, Wtxid};

use crate::address_relay::PeerAddresses;
use crate::compact_relay::PeerCompact;
use crate::header_sync::HeaderSync;
use crate::known::KnownItems;
use crate::limits::{KNOWN_BLOCKS_MAX, KNOWN_TRANSACTIONS_GENERATION};
use crate::world::WaitingTransaction;
use crate::{ConnectionKind, PeerId, PeerInfo, Time, TransportProtocol};

/// How far the handshake has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its `version` has not come.
    AwaitVersion,
    /// Its `verack` has not come.
    AwaitVerack,
    /// All messages are understood.
    Ready,
}

/// What the peer's `version` said.
#[derive(Debug, Clone)]
pub(crate) struct Introduction {
    pub(crate) version: u32,
    pub(crate) services: ServiceFlags,
    pub(crate) user_agent: String,
    pub(crate) start_height: i32,
    pub(crate) relays_transactions: bool,
    pub(crate) time_offset: i64,
    /// Our address as it sees it.
    pub(crate) our_address: Option<SocketAddr>,
}

/// A set that forgets its oldest members.
#[derive(Debug)]
pub(crate) struct RecentSet<T> {
    members: IdSet<T>,
    order: VecDeque<T>,
    limit: usize,
}

impl<T: Copy + Eq + Hash> RecentSet<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { members: IdSet::default(), order: VecDeque::new(), limit }
    }

    /// Adds `item`; whether it is new.
    pub(crate) fn insert(&mut self, item: T) -> bool {
        if !self.members.insert(item) {
            return false;
        }
        self.order.push_back(item);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.members.remove(&oldest);
        }
        true
    }

    pub(crate) fn contains(&self, item: &T) -> bool {
        self.members.contains(item)
    }

    pub(crate) fn clear(&mut self) {
        self.members.clear();
        self.order.clear();
    }
}

/// A name of a transaction on the wire: by wtxid with peers that negotiated it (BIP339), else by txid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TransactionKey {
    Wtxid(Wtxid),
    Txid(Txid),
}

/// Pings: one at a time.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    /// The one under way: its nonce and when it left.
    pub(crate) waiting: Option<(u64, Time)>,
    pub(crate) last_sent: Option<Time>,
    pub(crate) last: Option<Duration>,
    pub(crate) best: Option<Duration>,
}

/// A block that the peer was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockRequest {
    pub(crate) at: Time,
    /// When a later one was answered before it.
    pub(crate) passed_over: Option<Time>,
    pub(crate) height: Height,
}

/// What the peer has told about its chain, and what it was asked for.
#[derive(Debug)]
pub(crate) struct PeerChain {
    /// The highest valid header that it announced.
    pub(crate) best_known: Option<(Height, BlockHash)>,
    /// Blocks that it has: it announced them, or we did.
    pub(crate) known: RecentSet<BlockHash>,
    /// Blocks that it turned out not to have, or kept back.
    pub(crate) lacks: RecentSet<BlockHash>,
    /// When a `getheaders` left that is not answered.
    pub(crate) headers_asked: Option<Time>,
    /// Whether it was asked for its headers at all.
    pub(crate) headers_begun: bool,
    /// Headers messages that are being judged.
    pub(crate) headers_judged: usize,
    /// Headers messages in a row that did not connect.
    pub(crate) unconnected: u32,
    /// Blocks that it was asked for.
    pub(crate) in_flight: BTreeMap<BlockHash, BlockRequest>,
    /// When it last gave a block that it was asked for.
    pub(crate) last_delivery: Option<Time>,
    /// When it last gave a block that was new.
    pub(crate) last_block: Option<Time>,
    /// When it last told of a chain that was new and better than ours.
    pub(crate) last_announcement: Option<Time>,
    /// Blocks in a row that it was too late with.
    pub(crate) stalls: u32,
    /// How far the way through its headers has come.
    pub(crate) sync: HeaderSync,
}

/// What the peer wants to know about transactions, and what it knows.
#[derive(Debug)]
pub(crate) struct PeerRelay {
    /// Announcements name the wtxid (BIP339).
    pub(crate) by_wtxid: bool,
    /// Transactions that it has: it announced them, or we did.
    pub(crate) known: KnownItems,
    /// What it will be told, parents before children.
    pub(crate) to_announce: VecDeque<Arc<WaitingTransaction>>,
    /// When it is told next …
    pub(crate) next_announcement: Time,
    /// … and when it was told last, were there news or not.
    pub(crate) last_announcement: Option<Time>,
    /// The least fee rate that it takes.
    pub(crate) fee_filter: FeeRate,
    /// The one that we told it, and when.
    pub(crate) fee_filter_sent: Option<(FeeRate, Time)>,
    /// Transactions of its that are being judged.
    pub(crate) judged: usize,
    /// When it last gave a transaction that was new.
    pub(crate) last_transaction: Option<Time>,
}

/// One connection's state.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) address: SocketAddr,
    /// What was dialled; `None` for inbound peers.
    pub(crate) target: Option<String>,
    /// What the connection is for.
    pub(crate) kind: ConnectionKind,
    pub(crate) connected_at: Time,
    /// The nonce of the `version` that we sent, by which we know ourselves.
    pub(crate) our_nonce: u64,
    pub(crate) stage: Stage,
    pub(crate) introduction: Option<Introduction>,
    pub(crate) wants_addrv2: bool,
    pub(crate) wants_headers: bool,
    pub(crate) pings: Pings,
    pub(crate) chain: PeerChain,
    pub(crate) relay: PeerRelay,
    pub(crate) addresses: PeerAddresses,
    pub(crate) compact: PeerCompact,
    /// What it asked for and has not got yet.
    pub(crate) wants: VecDeque<Inventory>,
    /// Blocks whose filters it asked for and has not got yet.
    pub(crate) filters: VecDeque<BlockHash>,
    /// Whether it must read what it got before it gets more.
    pub(crate) is_reading: bool,
}

impl Peer {
    pub(crate) fn new(
        id: PeerId,
        address: SocketAddr,
        (target, kind): (Option<String>, ConnectionKind),
        our_nonce: u64,
        now: Time,
    ) -> Self {
        Self {
            id,
            address,
            target,
            kind,
            connected_at: now,
            our_nonce,
            stage: Stage::AwaitVersion,
            introduction: None,
            wants_addrv2: false,
            wants_headers: false,
            pings: Pings::default(),
            chain: PeerChain {
                best_known: None,
                known: RecentSet::new(KNOWN_BLOCKS_MAX),
                lacks: RecentSet::new(KNOWN_BLOCKS_MAX),
                headers_asked: None,
                headers_begun: false,
                headers_judged: 0,
                unconnected: 0,
                in_flight: BTreeMap::new(),
                last_delivery: None,
                last_block: None,
                last_announcement: None,
                stalls: 0,
                sync: HeaderSync::default(),
            },
            relay: PeerRelay {
                by_wtxid: false,
                known: KnownItems::new(our_nonce, KNOWN_TRANSACTIONS_GENERATION),
                to_announce: VecDeque::new(),
                next_announcement: Time::default(),
                last_announcement: None,
                fee_filter: FeeRate::ZERO,
                fee_filter_sent: None,
                judged: 0,
                last_transaction: None,
            },
            addresses: PeerAddresses::new(our_nonce, now),
            compact: PeerCompact::default(),
            wants: VecDeque::new(),
            filters: VecDeque::new(),
            is_reading: false,
        }
    }

    pub(crate) const fn is_inbound(&self) -> bool {
        self.target.is_none()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    pub(crate) fn wants_transactions(&self) -> bool {
        self.is_ready()
            && self.kind.relays()
            && self.introduction.as_ref().is_some_and(|known| known.relays_transactions)
    }

    /// The name by which this peer and we speak of a transaction.
    pub(crate) fn key_of(&self, transaction: &WaitingTransaction) -> TransactionKey {
        if self.relay.by_wtxid {
            TransactionKey::Wtxid(transaction.wtxid)
        } else {
            TransactionKey::Txid(transaction.txid)
        }
    }

    /// Notes a valid header that it announced.
    pub(crate) fn knows_block(&mut self, height: Height, hash: BlockHash) {
        self.chain.known.insert(hash);
        if self.chain.best_known.is_none_or(|(best, _)| height >= best) {
            self.chain.best_known = Some((height, hash));
        }
    }

    /// What is told about it. What only the socket knows is left empty.
    pub(crate) fn info(&self, now: Time, synced_blocks: Option<Height>, is_named: bool) -> PeerInfo {
        let known = self.introduction.as_ref();
        let (addresses_taken, addresses_dropped) = self.addresses.counts();
        PeerInfo {
            id: self.id,
            address: self.address,
            local_address: None,
            transport: TransportProtocol::default(),
            target: self.target.clone(),
            inbound: self.is_inbound(),
            kind: self.kind,
            may_ask_for_mempool: is_named,
            relays_addresses: self.addresses.is_enabled(),
            addresses_taken,
            addresses_dropped,
            to_announce: self.relay.to_announce.len(),
            our_address: known.and_then(|k| k.our_address),
            received_by_message: BTreeMap::new(),
            sent_by_message: BTreeMap::new(),
            handshake_complete: self.is_ready(),
            services: known.map_or(0, |k| k.services.to_u64()),
            version: known.map_or(0, |k| k.version),
            user_agent: known.map_or_else(String::new, |k| k.user_agent.clone()),
            relays_transactions: self.kind.relays() && known.is_some_and(|k| k.relays_transactions),
            starting_height: known.map_or(-1, |k| k.start_height),
            presynced_headers: self.chain.sync.presynced(),
            synced_headers: self.chain.best_known.map(|(height, _)| height),
            synced_blocks,
            in_flight: self.chain.in_flight.values().map(|request| request.height).collect(),
            compact_to: self.compact.announces,
            compact_from: self.compact.wants,
            min_fee_filter: self.relay.fee_filter,
            connected_at: self.connected_at,
            last_received: None,
            last_sent: None,
            last_block: self.chain.last_block,
            last_transaction: self.relay.last_transaction,
            bytes_received: 0,
            bytes_sent: 0,
            ping_time: self.pings.last,
            min_ping: self.pings.best,
            ping_wait: self.pings.waiting.map(|(_, sent)| now.since(sent)),
            time_offset: known.map_or(0, |k| k.time_offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recent_set_forgets_its_oldest_member() {
        let mut set = RecentSet::new(2);
        assert!(set.insert(1) && set.insert(2) && !set.insert(1) && set.insert(3));
        assert!(!set.contains(&1) && set.contains(&2) && set.contains(&3));
        assert_eq!(set.members.len(), set.order.len());
    }
}
