//! What a synchronisation has to say about the proxies, in words.
//!
//! In:    how their answers differ from each other, and from what is proven.
//! Out:   one sentence for each difference, with a stable code.
//! Never: text that a proxy sent.

use mycoin_primitives::{FeeRate, Height, Txid};

/// Something that a person should know about the proxies. None of it changed the balance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyncWarning {
    /// It could not be asked.
    #[error("{proxy} was left out: {reason}")]
    Away {
        /// The proxy's address.
        proxy: String,
        /// Why, in our words.
        reason: String,
    },
    /// It is on the same chain and knows fewer blocks.
    #[error("{proxy} lags behind: it knows block {height}, and block {known} is known")]
    Lags {
        /// The proxy's address.
        proxy: String,
        /// Its tip.
        height: Height,
        /// Ours.
        known: Height,
    },
    /// It follows another chain, with less work.
    #[error("{proxy} follows another chain than the one with the most work, so it was left out")]
    OtherChain {
        /// The proxy's address.
        proxy: String,
    },
    /// It showed something that is wrong.
    #[error("{proxy} is broken or lies, so it was left out: {reason}")]
    Wrong {
        /// The proxy's address.
        proxy: String,
        /// What is wrong, in our words.
        reason: String,
    },
    /// It does not show a transaction that is proven to be in its chain.
    #[error("{proxy} hides transaction {txid}, which a block is proven to hold; it counts")]
    Hides {
        /// The proxy's address.
        proxy: String,
        /// The transaction.
        txid: Txid,
    },
    /// It shows a waiting transaction that another proxy does not know.
    #[error("only {proxy} shows the waiting transaction {txid}; it counts once the others show it or a block holds it")]
    OnlyOneShows {
        /// The proxy's address.
        proxy: String,
        /// The transaction.
        txid: Txid,
    },
    /// Its fee rates make no sense, or nobody would pay them.
    #[error("{proxy} suggests absurd fees, which are ignored")]
    AbsurdFees {
        /// The proxy's address.
        proxy: String,
    },
    /// The proxies' fee rates are far apart.
    #[error("the proxies differ on fees: for {blocks} blocks from {low} to {high}; the lower one is used")]
    FeesDiffer {
        /// For a confirmation within so many blocks.
        blocks: u16,
        /// The lowest rate.
        low: FeeRate,
        /// The highest.
        high: FeeRate,
    },
    /// The checked headers could not be written; they are asked for again next time.
    #[error("the block headers could not be kept: {reason}")]
    HeadersNotKept {
        /// Why.
        reason: String,
    },
}

impl SyncWarning {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Away { .. } => "sync/away",
            Self::Lags { .. } => "sync/lags",
            Self::OtherChain { .. } => "sync/other-chain",
            Self::Wrong { .. } => "sync/wrong",
            Self::Hides { .. } => "sync/hides",
            Self::OnlyOneShows { .. } => "sync/only-one-shows",
            Self::AbsurdFees { .. } => "sync/absurd-fees",
            Self::FeesDiffer { .. } => "sync/fees-differ",
            Self::HeadersNotKept { .. } => "sync/headers-not-kept",
        }
    }

    /// Whether a proxy said what is not true, or kept back what is: a reason to use another one.
    pub const fn is_lie(&self) -> bool {
        match self {
            Self::OtherChain { .. } | Self::Wrong { .. } | Self::Hides { .. } | Self::AbsurdFees { .. } => true,
            Self::Away { .. }
            | Self::Lags { .. }
            | Self::OnlyOneShows { .. }
            | Self::FeesDiffer { .. }
            | Self::HeadersNotKept { .. } => false,
        }
    }
}
