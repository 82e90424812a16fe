//! What happens to the protocol, and what it wants done.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use mycoin_primitives::{Block, BlockHash, Header, Transaction};

use crate::BlockParts;
use crate::codec::CodecError;
use crate::message::Message;
use crate::misbehavior::Offence;
use crate::world::{BlockVerdict, HeadersVerdict, PackageVerdict, TransactionVerdict, WaitingTransaction};

/// Our number for a connection; never used twice in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Time passed. Comes at least every 100 ms.
    Tick,
    /// A connection stands.
    Connected {
        /// Its number.
        peer: PeerId,
        /// The other end.
        address: SocketAddr,
        /// What was dialled; `None` when the other side did.
        target: Option<String>,
    },
    /// A [`Action::Connect`] came to nothing.
    ConnectFailed {
        /// What was dialled.
        target: String,
    },
    /// A connection ended by itself.
    Disconnected {
        /// Its number.
        peer: PeerId,
    },
    /// A message came.
    Received {
        /// From whom.
        peer: PeerId,
        /// The message.
        message: Message,
    },
    /// Bytes came that are no message.
    Garbled {
        /// From whom.
        peer: PeerId,
        /// What is wrong with them.
        error: CodecError,
    },
    /// All that was sent to the peer has left: there is room for more.
    Drained {
        /// Which peer.
        peer: PeerId,
    },
    /// The answer to [`Action::SubmitHeaders`].
    HeadersVerdict {
        /// Who sent them.
        peer: PeerId,
        /// The last one's hash.
        last: BlockHash,
        /// How many they were.
        count: usize,
        /// What became of them.
        verdict: HeadersVerdict,
    },
    /// The answer to [`Action::SubmitBlock`].
    BlockVerdict {
        /// Who sent it.
        peer: PeerId,
        /// Its hash.
        hash: BlockHash,
        /// What became of it.
        verdict: BlockVerdict,
    },
    /// The answer to [`Action::SubmitTransaction`].
    TransactionVerdict {
        /// Who sent it.
        peer: PeerId,
        /// The transaction.
        transaction: Arc<Transaction>,
        /// What became of it.
        verdict: TransactionVerdict,
    },
    /// The answer to [`Action::SubmitPackage`].
    PackageVerdict {
        /// Who sent both.
        peer: PeerId,
        /// The parent.
        parent: Arc<Transaction>,
        /// Its child.
        child: Arc<Transaction>,
        /// What became of them.
        verdict: PackageVerdict,
    },
    /// A block from wherever holds to all rules that need no coins, and is being connected. [`Event::JudgedBlock`] follows.
    SoundBlock(Arc<Block>),
    /// A block of [`Event::SoundBlock`] was connected, or it was not.
    JudgedBlock(BlockHash),
    /// The best chain has a new tip.
    NewTip,
    /// A transaction came into the mempool.
    TransactionAdded(WaitingTransaction),
    /// Somebody wants us to stay connected with this `host:port`.
    ConnectTo {
        /// What to dial.
        target: String,
    },
}

/// Something to do.
#[derive(Debug, Clone)]
pub enum Action {
    /// Send a message.
    Send {
        /// To whom.
        peer: PeerId,
        /// What.
        message: Message,
    },
    /// Dial; the answer is [`Event::Connected`] or [`Event::ConnectFailed`].
    Connect {
        /// What: `host:port`.
        target: String,
    },
    /// End a connection. No [`Event::Disconnected`] needs to follow.
    Disconnect {
        /// With whom.
        peer: PeerId,
        /// Why.
        reason: DisconnectReason,
    },
    /// Judge headers.
    SubmitHeaders {
        /// Who sent them.
        peer: PeerId,
        /// At least one; each is the child of the one before.
        headers: Vec<Header>,
    },
    /// Judge a block.
    SubmitBlock {
        /// Who sent it.
        peer: PeerId,
        /// The block.
        block: BlockParts,
    },
    /// Judge a transaction.
    SubmitTransaction {
        /// Who sent it.
        peer: PeerId,
        /// The transaction.
        transaction: Arc<Transaction>,
    },
    /// Judge a parent that pays too little together with a child that pays for both.
    SubmitPackage {
        /// Who sent both.
        peer: PeerId,
        /// The parent.
        parent: Arc<Transaction>,
        /// Its child.
        child: Arc<Transaction>,
    },
}

/// Why we end a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// It broke the protocol.
    #[error("{0}")]
    Misbehaved(Offence),
    /// It sent bytes that are no message.
    #[error("{0}")]
    Garbled(CodecError),
    /// The handshake took too long.
    #[error("the handshake was not complete in time")]
    HandshakeTimeout,
    /// It did not answer a ping.
    #[error("it did not answer a ping in time")]
    PingTimeout,
    /// It kept blocks back that it was asked for.
    #[error("it was asked for blocks and did not send them")]
    Stalling,
    /// It did not come to the end of its headers.
    #[error("it did not send all its headers in time")]
    HeadersTimeout,
    /// It gave other headers when it was asked for the same again.
    #[error("it gave other headers when it was asked for them again")]
    HeadersSwitched,
    /// Its chain stays behind ours.
    #[error("its chain stays behind ours")]
    ChainBehind,
    /// Its version is too old.
    #[error("its protocol version {version} is older than {oldest}")]
    TooOld {
        /// Its version.
        version: u32,
        /// The oldest that we talk with.
        oldest: u32,
    },
    /// We chose it for its blocks, and it has not those that we need.
    #[error("we need blocks with witnesses, and it does not keep them")]
    ServesNoBlocks,
    /// It is we ourselves.
    #[error("it is this very node")]
    Ourselves,
    /// Its address is banned.
    #[error("its address is banned")]
    Banned,
    /// Somebody behind its address misbehaved.
    #[error("somebody behind its address misbehaved")]
    Discouraged,
    /// Another peer came for whom there was no other place.
    #[error("its place was needed for another peer")]
    Evicted,
    /// It answered, which was all that we wanted to know.
    #[error("it answered, and we only wanted to know that")]
    FeelerDone,
    /// All peers together wait for more than we remember, and it for most.
    #[error("peers wait for more than {limit} things together, and it for most of them")]
    WantsMost {
        /// How many all may wait for.
        limit: usize,
    },
    /// It was one more than usual, and told us of no better chain.
    #[error("it was one more peer than usual, and others have told of more")]
    Extra,
    /// The node's owner wished it.
    #[error("the owner of this node wished it")]
    Asked,
    /// Its /64 of IPv6 has enough connections.
    #[error("its IPv6 subnet has {limit} connections already")]
    TooManyFromSubnet {
        /// How many one /64 may have.
        limit: usize,
    },
    /// All places for inbound peers are taken.
    #[error("all places for inbound peers are taken")]
    TooManyInbound,
    /// Its address has enough connections.
    #[error("its address has {limit} connections already")]
    TooManyFromAddress {
        /// How many one address may have.
        limit: usize,
    },
}
