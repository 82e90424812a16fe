//! What a peer may do wrong, and what follows from it. No wildcard arm: whoever adds an offence decides here.

use std::time::Duration;

use crate::Time;
use crate::codec::CodecError;
use crate::compact::CompactError;
use crate::message::PayloadError;

/// Something that no peer that follows the protocol does. Only its sender is blamed for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Offence {
    /// A bloom filter message (BIP37); we never offered the service.
    #[error("it sent a bloom filter, which we do not serve")]
    BloomFilter,
    /// It asks for compact filters that are not to be had.
    #[error("{problem}")]
    FilterRequest {
        /// What is wrong with the request.
        problem: FilterProblem,
    },
    /// It wants to know all that waits (BIP35), which only peers do that we named.
    #[error("it asked for all waiting transactions, which is not for everybody")]
    MempoolRequest,
    /// A feature was negotiated after `verack` (BIP155, BIP339).
    #[error("it negotiated “{command}” after the handshake")]
    LateNegotiation {
        /// The message's name.
        command: &'static str,
    },
    /// A headers message in which a header is not the child of the one before.
    #[error("it sent headers that do not follow each other")]
    HeadersNotContinuous,
    /// Headers that connect to nothing that we know, again and again.
    #[error("it sent {count} headers messages that connect to nothing")]
    HeadersUnconnected {
        /// How many in a row.
        count: u32,
    },
    /// A header breaks a rule.
    #[error("it sent an invalid header ({reason})")]
    InvalidHeader {
        /// Bitcoin's reject string.
        reason: String,
    },
    /// A block breaks a rule.
    #[error("it sent an invalid block ({reason})")]
    InvalidBlock {
        /// Bitcoin's reject string.
        reason: String,
    },
    /// A block's body is not the one that its header names.
    #[error("it sent a mutated block ({reason})")]
    MutatedBlock {
        /// Bitcoin's reject string.
        reason: String,
    },
    /// A compact block that cannot be one.
    #[error("it sent an impossible compact block ({error})")]
    InvalidCompactBlock {
        /// What is wrong with it.
        error: CompactError,
    },
    /// Transactions of a block came a second time, after the first ones did not fit (BIP152).
    #[error("it sent a block's transactions twice")]
    BlockTransactionsRepeated,
    /// It asked for a transaction that a block does not have (BIP152).
    #[error("it asked for transactions beyond the {transactions} of a block")]
    BlockTransactionsOutOfRange {
        /// How many the block has.
        transactions: usize,
    },
    /// A transaction breaks a consensus rule.
    #[error("it sent an invalid transaction ({reason})")]
    InvalidTransaction {
        /// Bitcoin's reject string.
        reason: String,
    },
    /// A transaction that policy refuses.
    #[error("it sent a transaction that we do not take ({reason})")]
    RefusedTransaction {
        /// Bitcoin's reject string.
        reason: String,
    },
    /// A transaction over a connection for blocks alone.
    #[error("it sent or announced a transaction over a connection for blocks alone")]
    UnwantedTransaction,
    /// It wants more at once than anybody can use.
    #[error("it asked for more than {limit} things before it read the answers")]
    TooManyRequests {
        /// How many may wait.
        limit: usize,
    },
    /// Something ahead of our clock.
    #[error("it sent something from the future")]
    TooEarly,
    /// A negative fee filter or one above all money.
    #[error("its fee filter of {rate} sat/kvB is out of range")]
    FeeFilterOutOfRange {
        /// What it said.
        rate: i64,
    },
}

/// What is wrong with a request for compact filters (BIP157).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterProblem {
    /// We never offered them.
    #[error("it asked for compact filters of type {filter_type}, which we do not serve")]
    NotServed {
        /// The type that it asked for.
        filter_type: u8,
    },
    /// It names a block that we don't know.
    #[error("it asked for compact filters up to {hash}, which we do not know")]
    UnknownBlock {
        /// The block.
        hash: mycoin_primitives::BlockHash,
    },
    /// The end lies before the beginning.
    #[error("it asked for compact filters from block {start} to block {end}")]
    Backwards {
        /// The first height.
        start: u32,
        /// The last height.
        end: u32,
    },
    /// More than one request may ask for.
    #[error("it asked for {count} compact filters or their headers, at most {limit} are allowed")]
    TooMany {
        /// How many.
        count: u64,
        /// The limit.
        limit: u32,
    },
}

/// What follows from an offence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Penalty {
    /// Nothing: an honest peer may do it.
    None,
    /// The connection ends: it is of no use to us, or broken.
    Disconnect,
    /// The connection ends, and whoever comes from that address stands behind others from now on: no program that follows
    /// the protocol does this, not even with another policy, another clock or a broken line.
    Discourage,
}

pub(crate) const fn penalty(offence: &Offence) -> Penalty {
    match offence {
        // Invalid.
        Offence::HeadersNotContinuous
        | Offence::InvalidHeader { .. }
        | Offence::InvalidBlock { .. }
        | Offence::InvalidCompactBlock { .. }
        | Offence::BlockTransactionsRepeated
        | Offence::BlockTransactionsOutOfRange { .. } => Penalty::Discourage,
        // Mutated. The hash is not marked invalid: another peer may have the body that belongs to it.
        Offence::MutatedBlock { .. } => Penalty::Discourage,
        // Whoever relays for others may be one rule behind; Bitcoin Core disconnects for the rest of these too, or not even.
        Offence::BloomFilter
        | Offence::MempoolRequest
        | Offence::FilterRequest { .. }
        | Offence::LateNegotiation { .. }
        | Offence::HeadersUnconnected { .. }
        | Offence::InvalidTransaction { .. }
        | Offence::UnwantedTransaction
        | Offence::TooManyRequests { .. } => Penalty::Disconnect,
        // Policies and clocks differ between honest peers; Bitcoin Core ignores strange fee filters.
        Offence::RefusedTransaction { .. } | Offence::TooEarly | Offence::FeeFilterOutOfRange { .. } => Penalty::None,
    }
}

/// What follows from bytes that are no message.
pub(crate) const fn penalty_of_garbled(error: &CodecError) -> Penalty {
    match error {
        // Another network's node, another protocol, a broken line, or somebody on it: nothing that shows a hostile peer.
        CodecError::WrongMagic { .. }
        | CodecError::BadCommand
        | CodecError::BadChecksum { .. }
        | CodecError::NoTerminator
        | CodecError::BadTag => Penalty::Disconnect,
        // Within a version, one program's longest message is another's too long one.
        CodecError::TooLong { .. } => Penalty::Disconnect,
        CodecError::Payload { error, .. } => match error {
            PayloadError::TooManyItems { .. } => Penalty::Discourage,
            PayloadError::Truncated { .. } | PayloadError::UserAgentTooLong { .. } | PayloadError::Malformed => {
                Penalty::Disconnect
            }
        },
    }
}

/// Bounds what peers can make us log: so many lines in each span of time.
///
/// Source: the limit that came with CVE-2025-54604 and CVE-2025-54605 (disk filled by log lines).
#[derive(Debug)]
pub struct LogBudget {
    lines: u32,
    refill: Duration,
    left: u32,
    since: Time,
}

impl LogBudget {
    /// A budget of so many `lines` in each span of `refill`.
    pub const fn new(lines: u32, refill: Duration) -> Self {
        Self { lines, refill, left: lines, since: Time::from_unix_millis(0) }
    }

    /// Whether another line may be written.
    pub fn spend(&mut self, now: Time) -> bool {
        if now.since(self.since) >= self.refill {
            self.left = self.lines;
            self.since = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_bounded() {
        let mut budget = LogBudget::new(20, Duration::from_secs(60));
        let lines = (0..100_000u64).filter(|i| budget.spend(Time::from_unix_millis(1_000_000 + i))).count();
        assert_eq!(lines, 40, "100 s hold two minutes that have begun");
    }

    #[test]
    fn only_what_honest_peers_never_do_is_punished() {
        assert_eq!(penalty(&Offence::MutatedBlock { reason: String::new() }), Penalty::Discourage);
        assert_eq!(penalty(&Offence::InvalidTransaction { reason: String::new() }), Penalty::Disconnect);
        let payload = |error| CodecError::Payload { command: "addr".to_owned(), error };
        let too_many = payload(PayloadError::TooManyItems { count: 1_001, limit: 1_000 });
        assert_eq!(penalty_of_garbled(&too_many), Penalty::Discourage);
        assert_eq!(penalty_of_garbled(&payload(PayloadError::Malformed)), Penalty::Disconnect);
        assert_eq!(penalty_of_garbled(&CodecError::WrongMagic { found: [0; 4] }), Penalty::Disconnect);
        assert_eq!(penalty(&Offence::RefusedTransaction { reason: String::new() }), Penalty::None);
        assert_eq!(penalty(&Offence::TooEarly), Penalty::None);
    }
}
