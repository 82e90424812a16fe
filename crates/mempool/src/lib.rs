//! Transactions that wait: policy, packages, replacement, eviction, block templates.
//!
//! In:    transactions, blocks that the chain connected or disconnected, confirmed coins ([`CoinSource`]), the tip's branch, the time.
//! Out:   verdicts that name the rule ([`RejectReason`]), [`MempoolEvent`]s, [`BlockTemplate`]s, the pool as bytes.
//! Never: I/O, clocks, threads; the chain itself (the server lends what is asked); a change of consensus rules.
//!
//! Start at [`Mempool::accept`].

mod accept;
mod entry;
mod error;
mod eviction;
mod packages;
mod persist;
pub mod policy;
mod pool;
mod reorg;
mod replacement;
mod template;

pub use accept::Accepted;
pub use entry::{Entry, PackageTotals};
pub use error::{PackageLimit, RejectReason};
pub use persist::LoadReport;
pub use pool::{Mempool, MempoolEvent, MempoolInfo, MempoolLimits, RemovalReason};
pub use template::{BlockTemplate, TemplateOptions, assemble_block};

use mycoin_primitives::{Coin, OutPoint};

/// Where the confirmed coins come from: the chain at its tip, lent by the server.
pub trait CoinSource {
    /// The unspent confirmed output at `outpoint`, if there is one.
    fn coin(&self, outpoint: &OutPoint) -> Option<Coin>;
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod test_support;
