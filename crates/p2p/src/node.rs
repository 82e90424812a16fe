//! The protocol's state machine: all peers of one node.
//!
//! In:    [`Event`]s with the time at which they happened, the answers of [`World`].
//! Out:   [`Action`]s, in the order in which they are to be done.
//! Never: a clock, a socket, a thread, or randomness that the seed did not give. Maps are ordered, so the same events
//!        give the same actions.
//!
//! This file takes events apart; what they mean stands in `handshake`, `header_sync`, `block_download`, `relay`, `serve`.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use mycoin_primitives::bitcoin::p2p::ServiceFlags;
use mycoin_primitives::bitcoin::p2p::message_blockdata::Inventory;
use mycoin_primitives::{Amount, BlockHash, FeeRate, MAX_MONEY};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::address_manager::{AddressManager, canonical};
use crate::address_relay::{AddressRelay, from_new, from_old};
use crate::bans::{Ban, Bans};
use crate::block_download::BlockDownload;
use crate::compact_relay::CompactRelay;
use crate::dialer::Dialer;
use crate::extra_peers::ExtraPeers;
use crate::handshake::our_services;
use crate::limits::FEELER_INTERVAL;
use crate::message::Message;
use crate::misbehavior::{Offence, penalty, penalty_of_garbled};
use crate::peer::{Peer, Stage, TransactionKey};
use crate::relay::TransactionRelay;
use crate::world::HeadersVerdict;
use crate::{Action, ConnectionKind, DisconnectReason, Event, PeerId, PeerInfo, Time, World};

/// What a [`Node`] is made of.
#[derive(Debug, Clone, Default)]
pub struct NodeConfig {
    /// Whom to stay connected with: what was named by a person and the spec's fixed peers, as `host:port`.
    pub connect: Vec<String>,
    /// Where others can connect to us, as far as we know: peers are told of it. The unspecified address leaves it to them
    /// what ours is; `None`: nobody can, and nobody is told.
    pub listen: Option<SocketAddr>,
    /// Whether addresses that peers tell are dialled as well.
    pub dial_learned: bool,
    /// The address manager's bytes ([`Node::addresses`]); damaged ones count as none.
    pub addresses: Vec<u8>,
    /// The bans of the last run ([`Node::bans`]).
    pub bans: Vec<Ban>,
    /// What all nonces and choices come from.
    pub seed: u64,
    /// Whether we offer encrypted connections (BIP324).
    pub v2: bool,
}

/// What one call of [`Node::handle`] works with.
pub(crate) struct Context<'a> {
    pub(crate) now: Time,
    pub(crate) world: &'a dyn World,
    /// What we offer.
    pub(crate) services: ServiceFlags,
    pub(crate) actions: Vec<Action>,
}

impl Context<'_> {
    pub(crate) fn send(&mut self, peer: PeerId, message: Message) {
        self.actions.push(Action::Send { peer, message });
    }
}

/// The protocol of one node, without I/O.
#[derive(Debug)]
pub struct Node {
    pub(crate) rng: StdRng,
    pub(crate) peers: BTreeMap<PeerId, Peer>,
    pub(crate) dialer: Dialer,
    pub(crate) addresses: AddressManager,
    pub(crate) address_relay: AddressRelay,
    pub(crate) download: BlockDownload,
    pub(crate) transactions: TransactionRelay,
    pub(crate) compact: CompactRelay,
    /// Blocks of the best chain that were announced, newest first: from here the next announcement goes on.
    pub(crate) announced: VecDeque<BlockHash>,
    pub(crate) bans: Bans,
    pub(crate) dial_learned: bool,
    pub(crate) extra: ExtraPeers,
    /// When the next feeler goes out.
    pub(crate) next_feeler: Time,
    services: ServiceFlags,
    /// When the tasks of each second and each minute come next.
    pub(crate) next_second: Time,
    pub(crate) next_minute: Time,
}

impl Node {
    /// A node without connections. It dials with the first [`Event::Tick`].
    pub fn new(config: NodeConfig, now: Time) -> Self {
        let mut dialer = Dialer::default();
        for target in config.connect {
            dialer.keep(target, now);
        }
        let mut rng = StdRng::seed_from_u64(config.seed);
        let addresses = AddressManager::open(&config.addresses, &mut rng);
        let address_relay = AddressRelay::new(config.listen, &mut rng);
        Self {
            rng,
            peers: BTreeMap::new(),
            dialer,
            addresses,
            address_relay,
            download: BlockDownload::new(),
            transactions: TransactionRelay::new(),
            compact: CompactRelay::default(),
            announced: VecDeque::new(),
            bans: Bans::new(config.bans, now),
            dial_learned: config.dial_learned,
            extra: ExtraPeers::new(now),
            next_feeler: now.after(FEELER_INTERVAL),
            services: our_services(config.v2),
            next_second: now,
            next_minute: now,
        }
    }

    /// Says what to do about `event`, which happened at `now`.
    pub fn handle(&mut self, now: Time, event: Event, world: &dyn World) -> Vec<Action> {
        let mut ctx = self.context(now, world);
        if self.announced.is_empty() {
            self.announced.push_front(world.tip().1);
        }
        match event {
            Event::Tick => self.tick(&mut ctx),
            Event::Connected { peer, address, target } => self.connected(&mut ctx, peer, address, target),
            Event::ConnectFailed { target } => self.dialer.ended(&target, now),
            Event::Disconnected { peer } => self.forget_peer(&mut ctx, peer),
            Event::Received { peer, message } => self.received(&mut ctx, peer, message),
            Event::Garbled { peer, error } => {
                self.punish(&mut ctx, peer, penalty_of_garbled(&error), DisconnectReason::Garbled(error));
            }
            Event::Drained { peer } => self.drained(&mut ctx, peer),
            Event::HeadersVerdict { peer, last, count: _, verdict } => {
                if verdict == HeadersVerdict::Accepted {
                    self.chain_announced(&ctx, peer, &last);
                }
                self.headers_verdict(&mut ctx, peer, last, verdict);
            }
            Event::BlockVerdict { peer, hash, verdict } => self.block_verdict(&mut ctx, peer, hash, verdict),
            Event::TransactionVerdict { peer, transaction, verdict } => {
                self.transaction_verdict(&mut ctx, peer, transaction, verdict);
            }
            Event::PackageVerdict { peer, parent, child, verdict } => {
                self.package_verdict(&mut ctx, peer, [parent, child], verdict);
            }
            Event::SoundBlock(block) => self.announce_sound_early(&mut ctx, block),
            Event::JudgedBlock(hash) => self.own_block_judged(&mut ctx, hash),
            Event::NewTip => {
                self.extra.tip_moved(now);
                self.new_tip(&mut ctx);
            }
            Event::TransactionAdded(transaction) => self.transaction_added(&mut ctx, transaction),
            Event::ConnectTo { target } => {
                self.dialer.keep(target, now);
                self.dial(&mut ctx);
            }
        }
        ctx.actions
    }

    pub(crate) fn context<'a>(&self, now: Time, world: &'a dyn World) -> Context<'a> {
        let filters = if world.serves_filters() { ServiceFlags::COMPACT_FILTERS } else { ServiceFlags::NONE };
        Context { now, world, services: self.services | filters, actions: Vec::new() }
    }

    /// All connections, oldest first. What only sockets know (bytes, local address) is left empty.
    pub fn peers(&self, now: Time, world: &dyn World) -> Vec<PeerInfo> {
        let tip = world.tip().0;
        let synced = |peer: &Peer| {
            let (height, hash) = peer.chain.best_known?;
            Some(if world.has_block(&hash) { height } else { height.min(tip) })
        };
        self.peers.values().map(|peer| peer.info(now, synced(peer), self.is_named(peer))).collect()
    }

    /// Whether `target` was told to us as an address without encrypted connections (BIP324). What a person or the spec
    /// named is tried with them, unless the person said otherwise.
    pub(crate) fn knows_as_v1(&self, target: &str) -> bool {
        let services = target.parse().ok().and_then(|address| self.addresses.services(&address));
        self.dialer.is_plain(target)
            || !self.dialer.keeps(target) && services.is_some_and(|services| !services.has(ServiceFlags::P2P_V2))
    }

    /// The address manager's bytes, to be kept for the next run.
    pub fn addresses(&self) -> Vec<u8> {
        self.addresses.to_bytes()
    }

    /// How many things are remembered about transactions and blocks under way: for tests that nothing leaks.
    #[doc(hidden)]
    pub fn requests_under_way(&self) -> usize {
        self.transactions.requests_under_way() + self.download.under_way() + self.compact.under_way()
    }

    /// How many headers whose chain lacks work are in memory, and how many bits about others: for tests of floods.
    #[doc(hidden)]
    pub fn presync_elements(&self) -> (usize, usize) {
        let each = self.peers.values().map(|peer| peer.chain.sync.elements());
        each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    fn connected(&mut self, ctx: &mut Context<'_>, id: PeerId, address: SocketAddr, target: Option<String>) {
        let address = canonical(address);
        let kind = match &target {
            Some(target) => {
                self.dialer.connected(target);
                self.dialer.kind(target)
            }
            None => {
                if let Err(reason) = self.make_place(ctx, address.ip()) {
                    ctx.actions.push(Action::Disconnect { peer: id, reason });
                    return;
                }
                ConnectionKind::Inbound
            }
        };
        let peer = Peer::new(id, address, (target, kind), self.rng.random(), ctx.now);
        if !peer.is_inbound() {
            ctx.send(id, peer.our_version(ctx));
        }
        self.peers.insert(id, peer);
    }

    /// Ends a connection, and forgets all about it.
    pub(crate) fn drop_peer(&mut self, ctx: &mut Context<'_>, id: PeerId, reason: DisconnectReason) {
        if self.peers.contains_key(&id) {
            ctx.actions.push(Action::Disconnect { peer: id, reason });
            self.forget_peer(ctx, id);
        }
    }

    /// Lets the offence have its consequence.
    pub(crate) fn blame(&mut self, ctx: &mut Context<'_>, id: PeerId, offence: Offence) {
        self.punish(ctx, id, penalty(&offence), DisconnectReason::Misbehaved(offence));
    }

    /// Forgets a peer; what it was asked for is asked of others.
    fn forget_peer(&mut self, ctx: &mut Context<'_>, id: PeerId) {
        let Some(peer) = self.peers.remove(&id) else { return };
        if let Some(target) = &peer.target {
            self.dialer.ended(target, ctx.now);
            if peer.is_ready() {
                self.addresses.seen(peer.address, ctx.now);
            }
        }
        self.download.release(&peer);
        self.compact.release(id);
        self.release_transactions(&peer);
        self.begin_header_sync(ctx);
        self.request_blocks(ctx);
        self.request_transactions(ctx);
    }

    fn received(&mut self, ctx: &mut Context<'_>, id: PeerId, message: Message) {
        // A message of a connection that we ended a moment ago.
        let Some(peer) = self.peers.get(&id) else { return };
        match (peer.stage, message) {
            (Stage::AwaitVersion, Message::Version(version)) => self.version_came(ctx, id, &version),
            (Stage::AwaitVerack, Message::Verack) => self.verack_came(ctx, id),
            (Stage::AwaitVerack, Message::WtxidRelay) => self.wtxid_relay_came(id),
            (Stage::AwaitVerack, Message::SendAddrV2) => self.with_peer(id, |peer| peer.wants_addrv2 = true),
            (Stage::AwaitVerack, Message::SendHeaders) => self.with_peer(id, |peer| peer.wants_headers = true),
            (Stage::AwaitVerack, Message::SendCompact { high_bandwidth, version }) => {
                self.send_compact_came(id, high_bandwidth, version);
            }
            // As Bitcoin Core does: what comes too early is ignored; the time-out ends connections that never get on.
            (Stage::AwaitVersion | Stage::AwaitVerack, _) => {}
            (Stage::Ready, message) => self.ready_message(ctx, id, message),
        }
    }

    fn ready_message(&mut self, ctx: &mut Context<'_>, id: PeerId, message: Message) {
        match message {
            Message::Version(_) | Message::Verack | Message::Other => {}
            Message::WtxidRelay | Message::SendAddrV2 => {
                let command = message.command();
                self.blame(ctx, id, Offence::LateNegotiation { command });
            }
            Message::GetCFilters(request) => self.filters_wanted(ctx, id, &request),
            Message::GetCFHeaders(request) => self.filter_headers_wanted(ctx, id, &request),
            Message::GetCFCheckpt(request) => self.filter_checkpoints_wanted(ctx, id, &request),
            Message::CFilter(_) | Message::CFHeaders(_) | Message::CFCheckpt(_) => {}
            Message::Mempool => self.mempool_wanted(ctx, id),
            Message::Bloom => self.blame(ctx, id, Offence::BloomFilter),
            Message::SendHeaders => self.with_peer(id, |peer| peer.wants_headers = true),
            Message::FeeFilter(rate) => self.fee_filter_came(ctx, id, rate),
            Message::Ping(nonce) => ctx.send(id, Message::Pong(nonce)),
            Message::Pong(nonce) => self.pong_came(ctx, id, nonce),
            Message::GetAddr => self.addresses_wanted(ctx, id),
            Message::Addr(list) => self.addresses_came(ctx, id, from_old(&list)),
            Message::AddrV2(list) => self.addresses_came(ctx, id, from_new(list)),
            Message::Inv(items) => self.inventory_came(ctx, id, &items),
            Message::GetData(items) => self.data_wanted(ctx, id, items),
            Message::NotFound(items) => self.not_found(ctx, id, &items),
            Message::GetHeaders(request) => self.headers_wanted(ctx, id, &request),
            Message::GetBlocks(request) => self.hashes_wanted(ctx, id, &request),
            Message::Headers(headers) => self.headers_came(ctx, id, headers),
            Message::Block(block) | Message::BlockWithoutWitness(block) => self.block_came(ctx, id, block),
            Message::SendCompact { high_bandwidth, version } => self.send_compact_came(id, high_bandwidth, version),
            Message::CompactBlock(block) => self.compact_block_came(ctx, id, block),
            Message::GetBlockTransactions(request) => self.block_transactions_wanted(ctx, id, &request),
            Message::BlockTransactions(given) => self.block_transactions_came(ctx, id, given),
            Message::Transaction(_) | Message::TransactionWithoutWitness(_) if !self.relays_with(id) => {
                self.blame(ctx, id, Offence::UnwantedTransaction);
            }
            Message::Transaction(transaction) | Message::TransactionWithoutWitness(transaction) => {
                self.transaction_came(ctx, id, transaction);
            }
        }
    }

    /// Whether transactions go over this connection.
    fn relays_with(&self, id: PeerId) -> bool {
        self.peers.get(&id).is_some_and(|peer| peer.kind.relays())
    }

    pub(crate) fn with_peer(&mut self, id: PeerId, change: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self.peers.get_mut(&id) {
            change(peer);
        }
    }

    /// Sorts an announcement: blocks lead to headers, transactions to requests.
    fn inventory_came(&mut self, ctx: &mut Context<'_>, id: PeerId, items: &[Inventory]) {
        let Some(peer) = self.peers.get(&id) else { return };
        let (mut blocks, mut transactions) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Inventory::Block(hash) => blocks.push(*hash),
                // BIP339: after the negotiation only wtxids count, before it only txids.
                Inventory::WTx(wtxid) if peer.relay.by_wtxid => transactions.push(TransactionKey::Wtxid(*wtxid)),
                Inventory::Transaction(txid) if !peer.relay.by_wtxid => transactions.push(TransactionKey::Txid(*txid)),
                Inventory::Transaction(_)
                | Inventory::WTx(_)
                | Inventory::WitnessTransaction(_)
                | Inventory::WitnessBlock(_)
                | Inventory::CompactBlock(_)
                | Inventory::Error
                | Inventory::Unknown { .. } => {}
            }
        }
        if !peer.kind.relays() && !transactions.is_empty() {
            self.blame(ctx, id, Offence::UnwantedTransaction);
            return;
        }
        self.blocks_announced(ctx, id, &blocks);
        self.transactions_announced(ctx, id, &transactions);
    }

    fn not_found(&mut self, ctx: &mut Context<'_>, id: PeerId, items: &[Inventory]) {
        for item in items {
            match item {
                Inventory::Block(hash) | Inventory::WitnessBlock(hash) | Inventory::CompactBlock(hash) => {
                    self.block_not_found(id, *hash)
                }
                Inventory::Transaction(txid) | Inventory::WitnessTransaction(txid) => {
                    self.transaction_failed(TransactionKey::Txid(*txid), id);
                }
                Inventory::WTx(wtxid) => self.transaction_failed(TransactionKey::Wtxid(*wtxid), id),
                Inventory::Error | Inventory::Unknown { .. } => {}
            }
        }
        self.request_blocks(ctx);
        self.request_transactions(ctx);
    }

    fn fee_filter_came(&mut self, ctx: &mut Context<'_>, id: PeerId, rate: i64) {
        match u64::try_from(rate) {
            Ok(sat) if Amount::from_sat(sat) <= MAX_MONEY => {
                self.with_peer(id, |peer| peer.relay.fee_filter = FeeRate::from_sat_per_kvb(sat));
            }
            _ => self.blame(ctx, id, Offence::FeeFilterOutOfRange { rate }),
        }
    }
}
