//! Version 3: transactions that stand alone or in a pair of parent and child, so that replacing them stays cheap (TRUC).
//!
//! In:    a transaction with its waiting parents, or several transactions that are judged together.
//! Out:   the rule of the topology or size that it breaks, and the sibling that may give way instead.
//! Never: fees; whether a sibling is evicted is decided as for any replacement.
//!
//! Source: BIP431; Bitcoin Core `SingleTRUCChecks`, `PackageTRUCChecks`, policy/truc_policy.cpp.

use std::collections::BTreeSet;

use mycoin_primitives::{Transaction, Txid, Wtxid};

use crate::entry::Entry;
use crate::policy::{self, TRUC_CHILD_MAX_VSIZE, TRUC_CLUSTER_LIMIT, TRUC_MAX_VSIZE, TRUC_VERSION};
use crate::pool::Mempool;

/// The rules on version 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrucViolation {
    /// A transaction of another version spends an unconfirmed output of one of version 3.
    #[error("the transaction spends an unconfirmed output of {parent}, which only one of version 3 may do")]
    SpendsTruc {
        /// The parent.
        parent: Txid,
        /// The parent's id with witnesses.
        wtxid: Wtxid,
    },
    /// A transaction of version 3 spends an unconfirmed output of one of another version.
    #[error("the transaction has version 3 and spends an unconfirmed output of {parent}, which has another version")]
    SpendsOther {
        /// The parent.
        parent: Txid,
        /// The parent's id with witnesses.
        wtxid: Wtxid,
    },
    /// It is larger than version 3 allows.
    #[error("the transaction has version 3 and {vsize} virtual bytes; at most {limit} are relayed")]
    TooLarge {
        /// Its virtual size in bytes.
        vsize: u64,
        /// The limit.
        limit: u64,
    },
    /// It spends an unconfirmed output and is larger than version 3 allows then.
    #[error(
        "the transaction has version 3, spends an unconfirmed output and has {vsize} virtual bytes; at most {limit} are relayed"
    )]
    ChildTooLarge {
        /// Its virtual size in bytes.
        vsize: u64,
        /// The limit.
        limit: u64,
    },
    /// It has more than one unconfirmed ancestor.
    #[error("the transaction has version 3 and would have more than one unconfirmed ancestor")]
    TooManyAncestors,
    /// Its parent has another unconfirmed child.
    #[error("the transaction spends an output of {parent}, which has version 3 and an unconfirmed child already")]
    TooManyDescendants {
        /// The parent.
        parent: Txid,
        /// The parent's id with witnesses.
        wtxid: Wtxid,
    },
}

/// A broken rule, and the waiting sibling whose eviction would mend it.
pub(crate) struct Broken {
    pub(crate) violation: TrucViolation,
    pub(crate) sibling: Option<Txid>,
}

impl From<TrucViolation> for Broken {
    fn from(violation: TrucViolation) -> Self {
        Self { violation, sibling: None }
    }
}

/// A parent, waiting or judged together with its child.
struct Parent {
    txid: Txid,
    wtxid: Wtxid,
    version: u32,
}

impl Parent {
    fn of(entry: &Entry) -> Self {
        Self { txid: entry.txid, wtxid: entry.wtxid, version: policy::version(&entry.tx) }
    }
}

fn check_version(version: u32, parent: &Parent) -> Result<(), TrucViolation> {
    let Parent { txid, wtxid, .. } = *parent;
    match (version == TRUC_VERSION, parent.version == TRUC_VERSION) {
        (false, true) => Err(TrucViolation::SpendsTruc { parent: txid, wtxid }),
        (true, false) => Err(TrucViolation::SpendsOther { parent: txid, wtxid }),
        (true, true) | (false, false) => Ok(()),
    }
}

impl Mempool {
    /// Checks a newcomer with these waiting `parents`; a parent's child that is among `conflicts` counts as gone.
    pub(crate) fn check_truc(
        &self,
        entry: &Entry,
        parents: &BTreeSet<Txid>,
        conflicts: &BTreeSet<Txid>,
    ) -> Result<(), Broken> {
        let version = policy::version(&entry.tx);
        let parents: Vec<&Entry> = parents.iter().filter_map(|txid| self.entry(txid)).collect();
        parents.iter().try_for_each(|parent| check_version(version, &Parent::of(parent)))?;
        if version != TRUC_VERSION {
            return Ok(());
        }
        let vsize = entry.vsize;
        if vsize > TRUC_MAX_VSIZE {
            return Err(TrucViolation::TooLarge { vsize, limit: TRUC_MAX_VSIZE }.into());
        }
        match parents.as_slice() {
            [] => Ok(()),
            [parent] if parent.ancestors.count < TRUC_CLUSTER_LIMIT => {
                if vsize > TRUC_CHILD_MAX_VSIZE {
                    return Err(TrucViolation::ChildTooLarge { vsize, limit: TRUC_CHILD_MAX_VSIZE }.into());
                }
                self.check_only_child(parent, conflicts)
            }
            [_, ..] => Err(TrucViolation::TooManyAncestors.into()),
        }
    }

    fn check_only_child(&self, parent: &Entry, conflicts: &BTreeSet<Txid>) -> Result<(), Broken> {
        let siblings = self.descendants_of(&parent.children);
        if siblings.is_empty() || !siblings.is_disjoint(conflicts) {
            return Ok(());
        }
        // After a reorganisation there may be several, or a sibling with another parent; then none is chosen to give way.
        let sibling = siblings.first().and_then(|txid| self.entry(txid)).filter(|sibling| {
            parent.descendants.count == TRUC_CLUSTER_LIMIT && sibling.ancestors.count == TRUC_CLUSTER_LIMIT
        });
        let violation = TrucViolation::TooManyDescendants { parent: parent.txid, wtxid: parent.wtxid };
        Err(Broken { violation, sibling: sibling.map(|sibling| sibling.txid) })
    }

    /// Checks several transactions that are judged together, parents first, each with its waiting parents.
    ///
    /// # Errors
    ///
    /// The number of the transaction that breaks a rule, and the rule.
    pub(crate) fn check_package_truc(
        &self,
        package: &[(&Entry, &BTreeSet<Txid>)],
    ) -> Result<(), (usize, TrucViolation)> {
        let entries: Vec<&Entry> = package.iter().map(|(entry, _)| *entry).collect();
        package.iter().enumerate().try_for_each(|(index, (entry, waiting))| {
            let before = entries.get(..index).unwrap_or_default();
            let together = before.iter().copied().filter(|parent| spends(&entry.tx, &parent.txid));
            let waiting = waiting.iter().filter_map(|txid| self.entry(txid));
            let parents: Vec<&Entry> = waiting.chain(together).collect();
            self.check_truc_in_package(index, &entries, &parents)
        })
    }

    fn check_truc_in_package(
        &self,
        index: usize,
        package: &[&Entry],
        parents: &[&Entry],
    ) -> Result<(), (usize, TrucViolation)> {
        let Some(entry) = package.get(index) else { return Ok(()) };
        let (version, vsize) = (policy::version(&entry.tx), entry.vsize);
        let own = |violation| (index, violation);
        if version != TRUC_VERSION {
            return parents.iter().try_for_each(|parent| check_version(version, &Parent::of(parent))).map_err(own);
        }
        let [parent] = parents else {
            return if parents.is_empty() { Ok(()) } else { Err(own(TrucViolation::TooManyAncestors)) };
        };
        let waits = self.entry(&parent.txid).is_some();
        if waits && parent.ancestors.count >= TRUC_CLUSTER_LIMIT {
            return Err(own(TrucViolation::TooManyAncestors));
        }
        if vsize > TRUC_CHILD_MAX_VSIZE {
            return Err(own(TrucViolation::ChildTooLarge { vsize, limit: TRUC_CHILD_MAX_VSIZE }));
        }
        check_version(version, &Parent::of(parent)).map_err(own)?;
        let too_many = TrucViolation::TooManyDescendants { parent: parent.txid, wtxid: parent.wtxid };
        for (other_index, other) in package.iter().enumerate().filter(|(other, _)| *other != index) {
            if spends(&other.tx, &parent.txid) {
                return Err(own(too_many));
            }
            if spends(&other.tx, &entry.txid) {
                return Err((other_index, TrucViolation::TooManyAncestors));
            }
        }
        if waits && !parent.children.is_empty() { Err(own(too_many)) } else { Ok(()) }
    }
}

fn spends(tx: &Transaction, parent: &Txid) -> bool {
    tx.input.iter().any(|input| input.previous_output.txid == *parent)
}

#[cfg(test)]
mod tests;
