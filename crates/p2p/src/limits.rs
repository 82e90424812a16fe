//! Every limit of the protocol, by name.
//!
//! Most are Bitcoin Core's (src/net.h, src/net_processing.cpp, src/node/txdownloadman.h).

use std::time::Duration;

/// The protocol version that we speak: the one of BIP339.
pub(crate) const PROTOCOL_VERSION: u32 = 70_016;
/// The oldest version that we talk with: the one of BIP133.
pub(crate) const MIN_PROTOCOL_VERSION: u32 = 70_013;
/// What we call ourselves (BIP14).
pub(crate) const USER_AGENT: &str = "/MyCoin:0.1.0/";

/// The longest payload, in bytes (`MAX_PROTOCOL_MESSAGE_LENGTH`).
pub(crate) const PAYLOAD_MAX: usize = 4_000_000;
/// The longest payload before the handshake is complete, in bytes.
pub(crate) const HANDSHAKE_PAYLOAD_MAX: usize = 1_024;
/// The most garbage before an encrypted connection, in bytes (BIP324; `MAX_GARBAGE_LEN`).
pub(crate) const GARBAGE_MAX: usize = 4_095;
/// The longest user agent, in bytes (`MAX_SUBVERSION_LENGTH`).
pub(crate) const USER_AGENT_MAX: usize = 256;
/// Items in `inv`, `getdata`, `notfound` that we take (`MAX_INV_SZ`).
pub(crate) const INVENTORY_MAX: usize = 50_000;
/// Items in a `getdata` that we send (`MAX_GETDATA_SZ`).
pub(crate) const GETDATA_MAX: usize = 1_000;
/// Headers in a message (`MAX_HEADERS_RESULTS`).
pub(crate) const HEADERS_MAX: usize = 2_000;
/// Hashes in a locator (`MAX_LOCATOR_SZ`).
pub(crate) const LOCATOR_MAX: usize = 101;
/// Hashes in the answer to `getblocks`.
pub(crate) const GETBLOCKS_MAX: usize = 500;
/// Addresses in a message (`MAX_ADDR_TO_SEND`).
pub(crate) const ADDRESSES_MAX: usize = 1_000;
/// Bytes of an address of any network (BIP155; `MAX_ADDRV2_SIZE`).
pub(crate) const ADDRESS_LENGTH_MAX: usize = 512;

/// Connections in all, beside those that a person or the spec named (`DEFAULT_MAX_PEER_CONNECTIONS`).
pub(crate) const CONNECTIONS_MAX: usize = 125;
/// Connections that we make to learned addresses, for blocks, transactions and addresses (`MAX_OUTBOUND_FULL_RELAY_CONNECTIONS`).
pub(crate) const OUTBOUND_FULL_MAX: usize = 8;
/// The same for blocks alone, which show nobody how we are connected (`MAX_BLOCK_RELAY_ONLY_CONNECTIONS`).
pub(crate) const OUTBOUND_BLOCK_ONLY_MAX: usize = 2;
/// Connections that only try whether an address answers (`MAX_FEELER_CONNECTIONS`).
pub(crate) const FEELERS_MAX: usize = 1;
/// How often one is made (`FEELER_INTERVAL`).
pub(crate) const FEELER_INTERVAL: Duration = Duration::from_secs(120);
/// For how long no block must come until one more peer is looked for: three times Bitcoin's spacing (`TipMayBeStale`) …
pub(crate) const STALE_TIP: Duration = Duration::from_secs(30 * 60);
/// … and how often that is asked (`STALE_CHECK_INTERVAL`).
pub(crate) const STALE_TIP_CHECK_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// The mean time between two connections with somebody new for blocks alone (`EXTRA_BLOCK_RELAY_ONLY_PEER_INTERVAL`).
pub(crate) const EXTRA_BLOCK_ONLY_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// How often peers that are too many go (`EXTRA_PEER_CHECK_INTERVAL`) …
pub(crate) const EXTRA_PEER_CHECK_INTERVAL: Duration = Duration::from_secs(45);
/// … that had so much time to tell something new (`MINIMUM_CONNECT_TIME`).
pub(crate) const EXTRA_PEER_TIME_MIN: Duration = Duration::from_secs(30);
/// Connections that others may have to us.
pub(crate) const INBOUND_MAX: usize = CONNECTIONS_MAX - OUTBOUND_FULL_MAX - OUTBOUND_BLOCK_ONLY_MAX - FEELERS_MAX;
/// Connections from one address; loopback is free. Ours; Core has no such limit.
pub(crate) const INBOUND_PER_ADDRESS_MAX: usize = 10;
/// Connections from one /64 of IPv6, which is what one subscriber has. Ours.
pub(crate) const INBOUND_PER_V6_SUBNET_MAX: usize = 20;

/// Peers that are kept when room is made, by what an attacker cannot easily fake: of rare neighbourhoods … (`SelectNodeToEvict`)
pub(crate) const PROTECTED_BY_GROUP: usize = 4;
/// … with the shortest pings …
pub(crate) const PROTECTED_BY_PING: usize = 8;
/// … who last gave us new transactions …
pub(crate) const PROTECTED_BY_TRANSACTION: usize = 4;
/// … who want no transactions and last gave us new blocks …
pub(crate) const PROTECTED_BLOCK_ONLY: usize = 8;
/// … and who last gave us new blocks.
pub(crate) const PROTECTED_BY_BLOCK: usize = 4;

/// Addresses that misbehaved, remembered until so many came after them (`BanMan::m_discouraged`).
pub(crate) const DISCOURAGED_MAX: usize = 50_000;
/// Bans at the same time. Ours: Core's list had no end (CVE-2020-14198).
pub(crate) const BANS_MAX: usize = 100_000;

/// Failures in a row after which a named peer is rested.
pub(crate) const FAILURES_BEFORE_REST: u32 = 5;
/// How long the handshake may take.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a peer is pinged.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(120);
/// After how long without an answer to a ping a peer is dead.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(20 * 60);
/// How long what was sent may stay unconfirmed before the operating system ends the connection: shorter than the wait of
/// 102 s after which TCP would try again what it tried 51 s after a cut, so that the dialer is at work by then.
pub(crate) const UNCONFIRMED_MAX: Duration = Duration::from_secs(60);
/// The first wait before a peer is dialled again.
pub(crate) const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The rest of a named peer that failed five times: with the 10 s of a dial in vain, less than the minute in which
/// partitions are to heal.
pub(crate) const REST_FIRST: Duration = Duration::from_secs(45);
/// Rests of that length; each further one is twice as long …
pub(crate) const RESTS_OF_FIRST_LENGTH: u32 = 80;
/// … up to this.
pub(crate) const REST_MAX: Duration = Duration::from_secs(10 * 60);

/// How long an answer to `getheaders` may take before another peer is asked (`HEADERS_RESPONSE_TIME`).
pub(crate) const HEADERS_RESPONSE_TIME: Duration = Duration::from_secs(2 * 60);
/// How long a peer may take for all its headers (`HEADERS_DOWNLOAD_TIMEOUT_BASE`) …
pub(crate) const HEADERS_DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// … and for each that it may have (`HEADERS_DOWNLOAD_TIMEOUT_PER_HEADER`).
pub(crate) const HEADERS_DOWNLOAD_TIMEOUT_PER_HEADER: Duration = Duration::from_millis(1);
/// Of one in so many headers a bit is kept while their chain has little work. Source: `HeadersSyncParams`
/// `commitment_period`, kernel/chainparams.cpp, for regtest: the smallest there, since our chains are short.
pub(crate) const PRESYNC_PERIOD: u32 = 275;
/// Headers that wait for more bits to be right: 25 of them. Source: `redownload_buffer_size`, in the same place.
pub(crate) const PRESYNC_BUFFER: usize = 7_017;
/// Blocks that a chain can have for each second since it began: the median of eleven times must move on (headerssync.cpp).
pub(crate) const BLOCKS_PER_SECOND_MAX: u64 = 6;
/// How far a header's time may be ahead, in seconds (`MAX_FUTURE_BLOCK_TIME`, chain.h).
pub(crate) const TIME_AHEAD_MAX: u64 = 2 * 60 * 60;
/// How long a peer of our choice may be behind our chain (`CHAIN_SYNC_TIMEOUT`).
pub(crate) const CHAIN_SYNC_TIMEOUT: Duration = Duration::from_secs(20 * 60);
/// Peers of our choice that may be behind because they were not once (`MAX_OUTBOUND_PEERS_TO_PROTECT_FROM_DISCONNECT`).
pub(crate) const LAGGING_PROTECTED_MAX: usize = 4;
/// Peers that are asked for their whole chain of headers at the same time.
pub(crate) const HEADER_SYNC_PEERS: usize = 3;
/// Headers messages of one peer that are judged at once; more are dropped.
pub(crate) const HEADERS_JUDGED_MAX: usize = 4;
/// Headers messages in a row that do not connect before the peer is let go.
pub(crate) const UNCONNECTED_HEADERS_MAX: u32 = 10;
/// Blocks announced by headers; more are announced by `inv` (`MAX_BLOCKS_TO_ANNOUNCE`).
pub(crate) const BLOCKS_ANNOUNCED_MAX: usize = 8;

/// Announced blocks that are remembered, to find where the next announcement begins.
pub(crate) const ANNOUNCED_BLOCKS_REMEMBERED: usize = 100;

/// Blocks that one peer is asked for at once (`MAX_BLOCKS_IN_TRANSIT_PER_PEER`).
pub(crate) const BLOCKS_IN_FLIGHT_PER_PEER: usize = 16;
/// Blocks, from its best one on, that a peer is asked for that keeps only the latest 288 (BIP159); two are left for those
/// that come meanwhile (`NODE_NETWORK_LIMITED_MIN_BLOCKS`).
pub(crate) const LATEST_BLOCKS: u32 = 288 - 2;
/// Blocks asked for or being judged in all; bounds the memory they take.
pub(crate) const BLOCKS_IN_FLIGHT_MAX: usize = 64;
/// How far above the lowest missing block others are asked for (`BLOCK_DOWNLOAD_WINDOW`).
pub(crate) const BLOCK_WINDOW: u32 = 1_024;
/// Blocks that the server names at once as wanted (it stops nothing: when they are used up, it is asked again).
pub(crate) const BLOCKS_WANTED_MAX: usize = 1_024;
/// How long a peer may give none of the blocks that it was asked for, at first …
pub(crate) const STALLING_MIN: Duration = Duration::from_secs(2);
/// … and at most: it doubles with each move to another peer.
pub(crate) const STALLING_MAX: Duration = Duration::from_secs(64);
/// Blocks in a row that are taken from a peer for being late before it is let go.
pub(crate) const STALLS_MAX: u32 = 16;
/// How long a peer may give none of them when nobody else has them (`BLOCK_DOWNLOAD_TIMEOUT_BASE`, of Bitcoin's spacing) …
pub(crate) const BLOCK_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// … and for each other peer that gives blocks too, since they share our line (`BLOCK_DOWNLOAD_TIMEOUT_PER_PEER`).
pub(crate) const BLOCK_TIMEOUT_PER_PEER: Duration = Duration::from_secs(5 * 60);
/// How long a block that could not be judged is left alone.
pub(crate) const POSTPONED: Duration = Duration::from_secs(30);

/// Transactions of a compact block: as many as its indexes can count (`CBlockHeaderAndShortTxIDs`, blockencodings.h).
pub(crate) const BLOCK_TRANSACTIONS_MAX: usize = 65_535;
/// How deep below the tip blocks are given as compact ones (`MAX_CMPCTBLOCK_DEPTH`).
pub(crate) const COMPACT_DEPTH_MAX: u32 = 5;
/// How deep below the tip single transactions of a block are given (`MAX_BLOCKTXN_DEPTH`).
pub(crate) const BLOCK_TRANSACTIONS_DEPTH_MAX: u32 = 10;
/// How high above the tip blocks are put together from compact ones (net_processing.cpp, `CMPCTBLOCK`).
pub(crate) const COMPACT_AHEAD_MAX: u32 = 2;
/// Peers that announce by compact blocks unasked (BIP152).
pub(crate) const COMPACT_ANNOUNCERS_MAX: usize = 3;
/// Peers that one block is put together from at once (`MAX_CMPCTBLOCKS_INFLIGHT_PER_BLOCK`).
pub(crate) const COMPACT_DOWNLOADS_PER_BLOCK: usize = 3;
/// Transactions kept for compact blocks besides the mempool (`DEFAULT_BLOCK_RECONSTRUCTION_EXTRA_TXN`) …
pub(crate) const EXTRA_TRANSACTIONS_MAX: usize = 100;
/// … and the weight of the heaviest of them: what is standard.
pub(crate) const EXTRA_TRANSACTION_WEIGHT_MAX: u64 = 400_000;
/// The oldest protocol version with compact blocks (`SHORT_IDS_BLOCKS_VERSION`).
pub(crate) const COMPACT_PROTOCOL_VERSION: u32 = 70_014;
/// How long a block of the tip may take before another peer is asked, too. Ours: three slow peers in a row delay it by
/// three seconds.
pub(crate) const TIP_BLOCK_PATIENCE: Duration = Duration::from_secs(1);
/// Peers that may be too late with such a block before it is left to the usual time-out.
pub(crate) const TIP_BLOCK_TRIES_MAX: usize = 8;

/// Compact filters in the answers to one request (`MAX_GETCFILTERS_SIZE`).
pub(crate) const FILTERS_MAX: u32 = 1_000;
/// Filter hashes in the answer to one request (`MAX_GETCFHEADERS_SIZE`).
pub(crate) const FILTER_HEADERS_MAX: u32 = 2_000;
/// Blocks between two checkpoints of filter headers (`CFCHECKPT_INTERVAL`).
pub(crate) const FILTER_CHECKPOINT_INTERVAL: u32 = 1_000;
/// Filters that may wait for one peer. Ours; Core answers each request in one go.
pub(crate) const FILTERS_WAITING_MAX: usize = 10_000;
/// Filters given in one go: each is made from its block and the coins that this spent.
pub(crate) const FILTERS_AT_ONCE: usize = 100;

/// Transactions that one peer is asked for at once (`MAX_PEER_TX_REQUEST_IN_FLIGHT`).
pub(crate) const TRANSACTIONS_IN_FLIGHT_PER_PEER: usize = 100;
/// Announced transactions that are remembered for one peer (`MAX_PEER_TX_ANNOUNCEMENTS`).
pub(crate) const TRANSACTIONS_ANNOUNCED_PER_PEER: usize = 5_000;
/// Announced transactions that are remembered for all peers together, while each may have an equal share. Ours: five
/// peers may announce all that they may; of 50 that do, most are held to some five hundred.
pub(crate) const TRANSACTIONS_ANNOUNCED_MAX: usize = 5 * TRANSACTIONS_ANNOUNCED_PER_PEER;
/// How long a transaction may take before another peer is asked (`GETDATA_TX_INTERVAL`).
pub(crate) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// Transactions of one peer that are judged at once; more are dropped, asked for or not.
pub(crate) const TRANSACTIONS_JUDGED_PER_PEER: usize = 200;
/// How much later peers that came to us are asked than those that we chose (`NONPREF_PEER_TX_DELAY`).
pub(crate) const NONPREFERRED_DELAY: Duration = Duration::from_secs(2);
/// How much later what is announced by txid is asked for than what is by wtxid (`TXID_RELAY_DELAY`).
pub(crate) const TXID_DELAY: Duration = Duration::from_secs(2);
/// How much later a peer is asked that has as many requests as it may (`OVERLOADED_PEER_TX_DELAY`).
pub(crate) const OVERLOADED_DELAY: Duration = Duration::from_secs(2);
/// The mean time between announcements to peers that came to us (`INBOUND_INVENTORY_BROADCAST_INTERVAL`).
pub(crate) const ANNOUNCEMENT_DELAY_INBOUND: Duration = Duration::from_secs(5);
/// The mean time between announcements to a peer that we chose (`OUTBOUND_INVENTORY_BROADCAST_INTERVAL`).
pub(crate) const ANNOUNCEMENT_DELAY_OUTBOUND: Duration = Duration::from_secs(2);
/// Transactions in one announcement while few wait: 14 a second (`INVENTORY_BROADCAST_TARGET`).
pub(crate) const ANNOUNCEMENT_TARGET: usize = 70;
/// The most in one announcement of ours (`INVENTORY_BROADCAST_MAX`).
pub(crate) const ANNOUNCEMENT_MAX: usize = 1_000;
/// How long a transaction is kept from peers whose moment to be told of it has not come. All moments come much sooner.
pub(crate) const UNTOLD_KEPT: Duration = Duration::from_secs(120);
/// Transactions of the mempool that a new peer is told about.
pub(crate) const ANNOUNCEMENTS_AT_START: usize = 5_000;
/// Announcements that wait for one peer; more are not made.
pub(crate) const ANNOUNCEMENTS_WAITING_MAX: usize = 50_000;
/// Transactions that a peer is known to have: so many are remembered for each peer, and up to twice as many.
pub(crate) const KNOWN_TRANSACTIONS_GENERATION: usize = 25_000;
/// Blocks that a peer is known to have, remembered for each peer.
pub(crate) const KNOWN_BLOCKS_MAX: usize = 1_000;
/// Transactions whose verdict is remembered.
pub(crate) const VERDICTS_MAX: usize = 50_000;
/// The weight of the orphans kept from one peer (`DEFAULT_RESERVED_ORPHAN_WEIGHT_PER_PEER`, node/txorphanage.h).
pub(crate) const ORPHAN_WEIGHT_PER_PEER: u64 = 404_000;
/// What judging all orphans may cost: one for each announcement, one more for ten inputs (`DEFAULT_MAX_ORPHANAGE_LATENCY_SCORE`).
pub(crate) const ORPHAN_WORK_MAX: u64 = 3_000;
/// The weight of one orphan (`MAX_STANDARD_TX_WEIGHT`, policy/policy.h).
pub(crate) const ORPHAN_WEIGHT_MAX: u64 = 400_000;
/// How often a changed fee filter is told.
pub(crate) const FEE_FILTER_INTERVAL: Duration = Duration::from_secs(60);

/// Addresses a second that a peer may tell (`MAX_ADDR_RATE_PER_SECOND`), in thousandths.
pub(crate) const ADDRESS_MILLITOKENS_PER_SECOND: u64 = 100;
/// The most addresses that it may have saved up (`MAX_ADDR_PROCESSING_TOKEN_BUCKET`).
pub(crate) const ADDRESS_TOKENS_MAX: u64 = 1_000;
/// Addresses of a message that are told on; a longer one is an answer, or a flood (`ProcessAddrs`).
pub(crate) const ADDRESSES_TOLD_ON_MAX: usize = 10;
/// How lately an address must have been seen to be told on (`ProcessAddrs`).
pub(crate) const ADDRESS_FRESH: Duration = Duration::from_secs(10 * 60);
/// Peers that an address is told on to (`RelayAddress`) …
pub(crate) const ADDRESS_RELAY_PEERS: usize = 2;
/// … the same ones for so long (`ROTATE_ADDR_RELAY_DEST_INTERVAL`).
pub(crate) const ADDRESS_RELAY_DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The mean time between two messages of addresses to a peer (`AVG_ADDRESS_BROADCAST_INTERVAL`).
pub(crate) const ADDRESS_TELLING_INTERVAL: Duration = Duration::from_secs(30);
/// The mean time after which a peer is told our own address again (`AVG_LOCAL_ADDRESS_BROADCAST_INTERVAL`).
pub(crate) const OWN_ADDRESS_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// Addresses that a peer is known to have: so many are remembered for each peer, and up to twice as many (`m_addr_known`).
pub(crate) const KNOWN_ADDRESSES_GENERATION: usize = 5_000;
/// How many of a hundred known addresses are told to whoever asks (`MAX_PCT_ADDR_TO_SEND`).
pub(crate) const ADDRESSES_ANSWERED_PERCENT: usize = 23;
/// So many are told in any case. Ours: a young coin knows few, and its nodes are to find each other.
pub(crate) const ADDRESSES_ANSWERED_MIN: usize = 10;
/// How long everybody who asks is told the same, at least … (`CConnman::GetAddresses`)
pub(crate) const ADDRESS_ANSWER_KEPT: Duration = Duration::from_secs(21 * 60 * 60);
/// … and how much longer at most: nobody is to know when it changes.
pub(crate) const ADDRESS_ANSWER_KEPT_SPREAD: Duration = Duration::from_secs(6 * 60 * 60);
/// Buckets of addresses that were told (`ADDRMAN_NEW_BUCKET_COUNT`).
pub(crate) const ADDRESS_NEW_BUCKETS: u64 = 1_024;
/// Buckets that one neighbourhood can fill with what it tells (`ADDRMAN_NEW_BUCKETS_PER_SOURCE_GROUP`).
pub(crate) const ADDRESS_NEW_BUCKETS_PER_SOURCE: u64 = 64;
/// Places of the new table that one address may have (`ADDRMAN_NEW_BUCKETS_PER_ADDRESS`).
pub(crate) const ADDRESS_NEW_SLOTS: usize = 8;
/// Buckets of addresses that we were connected to (`ADDRMAN_TRIED_BUCKET_COUNT`).
pub(crate) const ADDRESS_TRIED_BUCKETS: u64 = 256;
/// Buckets that the addresses of one neighbourhood may lie in (`ADDRMAN_TRIED_BUCKETS_PER_GROUP`).
pub(crate) const ADDRESS_TRIED_BUCKETS_PER_GROUP: u64 = 8;
/// Addresses in a bucket (`ADDRMAN_BUCKET_SIZE`).
pub(crate) const ADDRESS_BUCKET_SIZE: u64 = 64;
/// Addresses that wait for a place in the tried table (`ADDRMAN_SET_TRIED_COLLISION_SIZE`).
pub(crate) const ADDRESS_COLLISIONS_MAX: usize = 10;
/// What is taken off the time at which an address was seen by somebody else, in seconds (`ADDR_TIME_PENALTY`).
pub(crate) const ADDRESS_PENALTY: u32 = 2 * 60 * 60;
/// Seconds after which an address that nobody saw is worth nothing (`ADDRMAN_HORIZON`).
pub(crate) const ADDRESS_HORIZON: u32 = 30 * 24 * 60 * 60;
/// Attempts after which an address that never answered is worth nothing (`ADDRMAN_RETRIES`).
pub(crate) const ADDRESS_TRIES_UNPROVEN: u32 = 3;
/// Attempts after which one that did is worth nothing … (`ADDRMAN_MAX_FAILURES`)
pub(crate) const ADDRESS_ATTEMPTS_MAX: u32 = 10;
/// … if its last success is so many seconds ago (`ADDRMAN_MIN_FAIL`).
pub(crate) const ADDRESS_FAILURES_FORGIVEN: u32 = 7 * 24 * 60 * 60;
/// Seconds for which an answer of an address keeps its place in the tried table (`ADDRMAN_REPLACEMENT`).
pub(crate) const ADDRESS_REPLACEMENT: u32 = 4 * 60 * 60;
/// Seconds after which an address gets a place whose holder was never dialled (`ADDRMAN_TEST_WINDOW`).
pub(crate) const ADDRESS_TEST_WINDOW: u32 = 40 * 60;
/// Seconds between two notes that an address was seen, after our own connections with it.
pub(crate) const ADDRESS_SEEN_INTERVAL: u32 = 20 * 60;
/// Seconds for which an address rests after it was dialled.
pub(crate) const ADDRESS_RETRY: u32 = 10 * 60;
/// Things that may wait for all peers together; then whoever waits for most goes. Ours. With at most 125 peers that one
/// waits for 2,000 at least, where an honest one asks for 1,000 at once (`MAX_GETDATA_SZ`).
pub(crate) const WANTS_MAX: usize = 250_000;
/// Bytes of transactions given in one go; then the peer must have read them before it gets more.
pub(crate) const SERVED_AT_ONCE: usize = 250_000;
