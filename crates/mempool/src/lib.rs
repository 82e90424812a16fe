//! Transactions that wait: policy, packages, replacement, eviction, block templates.
//!
//! In:    transactions, blocks that the chain connected or disconnected, confirmed coins ([`CoinSource`]), the tip's branch, the time.
//! Out:   verdicts that name the rule ([`RejectReason`]), [`MempoolEvent`]s, [`BlockTemplate`]s, the pool as bytes.
//! Never: I/O, clocks, threads; the chain itself (the server lends what is asked); a change of consensus rules.
//!
//! Start at [`Mempool::accept`].

mod accept;
mod clusters;
mod entry;
mod ephemeral;
mod error;
mod eviction;
mod failure;
mod inputs;
mod packages;
mod pairs;
mod persist;
pub mod policy;
mod pool;
mod reject;
mod reorg;
mod replacement;
mod solver;
mod standard;
mod template;
mod truc;

pub use accept::Accepted;
pub use entry::{Entry, PackageTotals};
pub use error::{ClusterLimit, InputProblem, RejectReason, WitnessProblem};
pub use mycoin_script::SignatureCache;
pub use packages::{PackageError, PackageReport};
pub use pairs::PairReport;
pub use persist::LoadReport;
pub use pool::{Mempool, MempoolEvent, MempoolInfo, MempoolLimits, RemovalReason};
pub use solver::OutputKind;
pub use template::{BlockTemplate, TemplateOptions, assemble_block};
pub use truc::TrucViolation;

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
