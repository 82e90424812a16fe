//! The messages of Bitcoin's protocol that we know, and the bytes of their payloads.
//!
//! Lists are measured against the bytes that are there before anything is allocated for them.

use std::sync::Arc;

use mycoin_primitives::bitcoin::VarInt;
use mycoin_primitives::bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds};
use mycoin_primitives::bitcoin::consensus::encode::{self, Decodable, Encodable, deserialize, deserialize_partial};
use mycoin_primitives::bitcoin::p2p::address::{AddrV2Message, Address};
use mycoin_primitives::bitcoin::p2p::message_blockdata::{GetBlocksMessage, GetHeadersMessage, Inventory};
use mycoin_primitives::bitcoin::p2p::message_compact_blocks::SendCmpct;
use mycoin_primitives::bitcoin::p2p::message_filter::{
    CFCheckpt, CFHeaders, CFilter, GetCFCheckpt, GetCFHeaders, GetCFilters,
};
use mycoin_primitives::bitcoin::p2p::message_network::VersionMessage;
use mycoin_primitives::{Block, Header, Transaction, Witness};

use crate::limits::{ADDRESSES_MAX, HEADERS_MAX, INVENTORY_MAX, LOCATOR_MAX, USER_AGENT_MAX};
use crate::{address_codec, compact_codec};

/// A message between peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Who the sender is; the first message.
    Version(Box<VersionMessage>),
    /// The sender has understood our version.
    Verack,
    /// The sender announces transactions by wtxid (BIP339).
    WtxidRelay,
    /// The sender understands `addrv2` (BIP155).
    SendAddrV2,
    /// The sender likes new blocks announced by their headers (BIP130).
    SendHeaders,
    /// The sender takes no transaction that pays less, in sat/kvB (BIP133).
    FeeFilter(i64),
    /// Are you there?
    Ping(u64),
    /// Yes.
    Pong(u64),
    /// Asks for addresses.
    GetAddr,
    /// Addresses with the time they were last seen.
    Addr(Vec<(u32, Address)>),
    /// Addresses of any network (BIP155).
    AddrV2(Vec<AddrV2Message>),
    /// What the sender has.
    Inv(Vec<Inventory>),
    /// What the sender wants.
    GetData(Vec<Inventory>),
    /// What the sender was asked for and has not.
    NotFound(Vec<Inventory>),
    /// Asks for headers.
    GetHeaders(GetHeadersMessage),
    /// Headers, each the child of the one before.
    Headers(Vec<Header>),
    /// Asks for block hashes.
    GetBlocks(GetBlocksMessage),
    /// A block with its witnesses.
    Block(Arc<Block>),
    /// The same without witnesses, for peers that ask so. Never received: what comes is always [`Message::Block`].
    BlockWithoutWitness(Arc<Block>),
    /// A transaction with its witness.
    Transaction(Arc<Transaction>),
    /// The same without it, for peers that ask so. Never received.
    TransactionWithoutWitness(Arc<Transaction>),
    /// The sender gives compact blocks of that version (BIP152).
    SendCompact {
        /// Whether it wants new blocks as compact ones at once.
        high_bandwidth: bool,
        /// The version; 2 is the one with wtxids.
        version: u64,
    },
    /// A block's header with short ids of its transactions.
    CompactBlock(Arc<HeaderAndShortIds>),
    /// Asks for transactions of a block by their places.
    GetBlockTransactions(BlockTransactionsRequest),
    /// The answer.
    BlockTransactions(BlockTransactions),
    /// Asks for compact block filters (BIP157).
    GetCFilters(GetCFilters),
    /// One filter. Never received, since we don't ask; the same holds for the next two answers.
    CFilter(CFilter),
    /// Asks for filter hashes.
    GetCFHeaders(GetCFHeaders),
    /// Filter hashes, and the filter header before them.
    CFHeaders(CFHeaders),
    /// Asks for filter headers at regular distances.
    GetCFCheckpt(GetCFCheckpt),
    /// These.
    CFCheckpt(CFCheckpt),
    /// Asks for all that waits (BIP35).
    Mempool,
    /// One of BIP37's bloom filter messages, which we refuse.
    Bloom,
    /// A message that we don't know or need.
    Other,
}

/// Why a payload is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// More items than the protocol allows.
    #[error("{count} items, at most {limit} are allowed")]
    TooManyItems {
        /// How many it says it has.
        count: u64,
        /// How many it may have.
        limit: usize,
    },
    /// More items than its bytes can hold.
    #[error("{count} items do not fit in {bytes} bytes")]
    Truncated {
        /// How many it says it has.
        count: u64,
        /// The bytes that are left for them.
        bytes: usize,
    },
    /// The user agent is too long.
    #[error("a user agent of {length} bytes, at most {limit} are allowed")]
    UserAgentTooLong {
        /// Its length.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
    /// Its bytes do not follow the format.
    #[error("it does not follow the format")]
    Malformed,
}

pub(crate) fn malformed(_: encode::Error) -> PayloadError {
    PayloadError::Malformed
}

impl Message {
    /// The message's name on the wire.
    pub fn command(&self) -> &'static str {
        match self {
            Self::Version(_) => "version",
            Self::Verack => "verack",
            Self::WtxidRelay => "wtxidrelay",
            Self::SendAddrV2 => "sendaddrv2",
            Self::SendHeaders => "sendheaders",
            Self::FeeFilter(_) => "feefilter",
            Self::Ping(_) => "ping",
            Self::Pong(_) => "pong",
            Self::GetAddr => "getaddr",
            Self::Addr(_) => "addr",
            Self::AddrV2(_) => "addrv2",
            Self::Inv(_) => "inv",
            Self::GetData(_) => "getdata",
            Self::NotFound(_) => "notfound",
            Self::GetHeaders(_) => "getheaders",
            Self::Headers(_) => "headers",
            Self::GetBlocks(_) => "getblocks",
            Self::Block(_) | Self::BlockWithoutWitness(_) => "block",
            Self::Transaction(_) | Self::TransactionWithoutWitness(_) => "tx",
            Self::SendCompact { .. } => "sendcmpct",
            Self::CompactBlock(_) => "cmpctblock",
            Self::GetBlockTransactions(_) => "getblocktxn",
            Self::BlockTransactions(_) => "blocktxn",
            Self::GetCFilters(_) => "getcfilters",
            Self::CFilter(_) => "cfilter",
            Self::GetCFHeaders(_) => "getcfheaders",
            Self::CFHeaders(_) => "cfheaders",
            Self::GetCFCheckpt(_) => "getcfcheckpt",
            Self::CFCheckpt(_) => "cfcheckpt",
            Self::Mempool => "mempool",
            Self::Bloom => "filterclear",
            Self::Other => "other",
        }
    }

    /// Appends the payload to `out`.
    pub(crate) fn write_payload(&self, out: &mut Vec<u8>) {
        match self {
            Self::Version(version) => write(out, version.as_ref()),
            Self::FeeFilter(rate) => write(out, rate),
            Self::Ping(nonce) | Self::Pong(nonce) => write(out, nonce),
            Self::Addr(addresses) => write(out, addresses),
            Self::AddrV2(addresses) => write(out, addresses),
            Self::Inv(items) | Self::GetData(items) | Self::NotFound(items) => write(out, items),
            Self::GetHeaders(request) => write(out, request),
            Self::GetBlocks(request) => write(out, request),
            Self::Headers(headers) => write_headers(out, headers),
            Self::Block(block) => write(out, block.as_ref()),
            Self::BlockWithoutWitness(block) => write(out, &strip_block(block)),
            Self::Transaction(transaction) => write(out, transaction.as_ref()),
            Self::TransactionWithoutWitness(transaction) => write(out, &strip_transaction(transaction)),
            Self::SendCompact { high_bandwidth, version } => {
                write(out, &SendCmpct { send_compact: *high_bandwidth, version: *version });
            }
            Self::CompactBlock(block) => write(out, block.as_ref()),
            Self::GetBlockTransactions(request) => write(out, request),
            Self::BlockTransactions(transactions) => write(out, transactions),
            Self::GetCFilters(request) => write(out, request),
            Self::CFilter(filter) => write(out, filter),
            Self::GetCFHeaders(request) => write(out, request),
            Self::CFHeaders(headers) => write(out, headers),
            Self::GetCFCheckpt(request) => write(out, request),
            Self::CFCheckpt(headers) => write(out, headers),
            Self::Verack
            | Self::WtxidRelay
            | Self::SendAddrV2
            | Self::SendHeaders
            | Self::GetAddr
            | Self::Mempool
            | Self::Bloom
            | Self::Other => {}
        }
    }

    /// Reads the payload of the message named `command`.
    ///
    /// # Errors
    ///
    /// [`PayloadError`]. Bytes after the end are an error, except where Bitcoin ignores them: in `version`, which grew
    /// over the years, and in messages without payload.
    pub(crate) fn read_payload(command: &str, payload: &[u8]) -> Result<Self, PayloadError> {
        let message = match command {
            "version" => Self::Version(Box::new(read_version(payload)?)),
            "verack" => Self::Verack,
            "wtxidrelay" => Self::WtxidRelay,
            "sendaddrv2" => Self::SendAddrV2,
            "sendheaders" => Self::SendHeaders,
            "getaddr" => Self::GetAddr,
            "mempool" => Self::Mempool,
            "getcfilters" => Self::GetCFilters(read(payload)?),
            "getcfheaders" => Self::GetCFHeaders(read(payload)?),
            "getcfcheckpt" => Self::GetCFCheckpt(read(payload)?),
            "feefilter" => Self::FeeFilter(read(payload)?),
            "ping" => Self::Ping(read(payload)?),
            "pong" => Self::Pong(read(payload)?),
            "addr" => Self::Addr(read_list(payload, ADDRESSES_MAX, 30)?),
            "addrv2" => Self::AddrV2(address_codec::read_addresses(payload)?),
            "inv" => Self::Inv(read_list(payload, INVENTORY_MAX, 36)?),
            "getdata" => Self::GetData(read_list(payload, INVENTORY_MAX, 36)?),
            "notfound" => Self::NotFound(read_list(payload, INVENTORY_MAX, 36)?),
            "getheaders" => {
                check_count(payload.get(4..).unwrap_or_default(), LOCATOR_MAX, 32)?;
                Self::GetHeaders(read(payload)?)
            }
            "getblocks" => {
                check_count(payload.get(4..).unwrap_or_default(), LOCATOR_MAX, 32)?;
                Self::GetBlocks(read(payload)?)
            }
            "headers" => Self::Headers(read_headers(payload)?),
            "block" => Self::Block(Arc::new(read(payload)?)),
            "tx" => Self::Transaction(Arc::new(read(payload)?)),
            "sendcmpct" => compact_codec::read_send_compact(payload)?,
            "cmpctblock" => Self::CompactBlock(Arc::new(compact_codec::read_compact_block(payload)?)),
            "getblocktxn" => Self::GetBlockTransactions(compact_codec::read_block_transactions_request(payload)?),
            "blocktxn" => Self::BlockTransactions(compact_codec::read_block_transactions(payload)?),
            "filterload" | "filteradd" | "filterclear" => Self::Bloom,
            _ => Self::Other,
        };
        Ok(message)
    }
}

fn write<T: Encodable + ?Sized>(out: &mut Vec<u8>, value: &T) {
    value.consensus_encode(out).expect("a vector takes all bytes");
}

pub(crate) fn read<T: Decodable>(payload: &[u8]) -> Result<T, PayloadError> {
    deserialize(payload).map_err(malformed)
}

/// Reads a list's length and refuses it when `limit` or the bytes that follow are too few for it.
pub(crate) fn check_count(payload: &[u8], limit: usize, item_bytes: usize) -> Result<usize, PayloadError> {
    let (VarInt(count), used) = deserialize_partial::<VarInt>(payload).map_err(malformed)?;
    let bytes = payload.len() - used;
    match usize::try_from(count) {
        Ok(items) if items > limit => Err(PayloadError::TooManyItems { count, limit }),
        Ok(items) if items.saturating_mul(item_bytes) > bytes => Err(PayloadError::Truncated { count, bytes }),
        Ok(items) => Ok(items),
        Err(_) => Err(PayloadError::TooManyItems { count, limit }),
    }
}

fn read_list<T>(payload: &[u8], limit: usize, item_bytes: usize) -> Result<Vec<T>, PayloadError>
where
    Vec<T>: Decodable,
{
    check_count(payload, limit, item_bytes)?;
    read(payload)
}

/// A `version` may end before the relay flag (it means yes then, BIP37) and may go on after it.
fn read_version(payload: &[u8]) -> Result<VersionMessage, PayloadError> {
    let version = match deserialize_partial::<VersionMessage>(payload) {
        Ok((version, _)) => version,
        Err(_) => {
            let mut padded = payload.to_vec();
            padded.push(1);
            read::<VersionMessage>(&padded)?
        }
    };
    let length = version.user_agent.len();
    if length > USER_AGENT_MAX {
        return Err(PayloadError::UserAgentTooLong { length, limit: USER_AGENT_MAX });
    }
    Ok(version)
}

/// In `headers`, each header is followed by a count of transactions, which is zero.
fn write_headers(out: &mut Vec<u8>, headers: &[Header]) {
    write(out, &VarInt::from(headers.len()));
    for header in headers {
        write(out, header);
        out.push(0);
    }
}

fn read_headers(payload: &[u8]) -> Result<Vec<Header>, PayloadError> {
    const ITEM: usize = Header::SIZE + 1;
    let count = check_count(payload, HEADERS_MAX, ITEM)?;
    let (_, items) = payload.split_at(payload.len() - count * ITEM);
    if VarInt::from(count).size() + items.len() != payload.len() {
        return Err(PayloadError::Malformed);
    }
    items
        .chunks_exact(ITEM)
        .map(|item| match item.split_last() {
            Some((0, header)) => read(header),
            _ => Err(PayloadError::Malformed),
        })
        .collect()
}

/// The transaction as peers know it that asked without witness.
fn strip_transaction(transaction: &Transaction) -> Transaction {
    let mut stripped = transaction.clone();
    for input in &mut stripped.input {
        input.witness = Witness::new();
    }
    stripped
}

fn strip_block(block: &Block) -> Block {
    Block { header: block.header, txdata: block.txdata.iter().map(strip_transaction).collect() }
}
