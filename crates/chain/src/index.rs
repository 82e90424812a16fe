//! The block index: every known header as a tree, with work and status; which branch is best.
//!
//! In:    headers whose parents are known, stored blocks, verdicts.
//! Out:   ancestors, the best chain by height, the branch that deserves to be the best chain.
//! Never: disk, rules, the blocks themselves. Nothing is ever taken out, so an [`Id`] stays good.
//!
//! A parent always has a smaller [`Id`] than its children: one pass in the order of ids sees parents first.
//! Source of the choice of the best branch: Bitcoin Core, `CBlockIndexWorkComparator`, node/blockstorage.cpp.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use mycoin_primitives::{BlockHash, Header, Height, Work};
use mycoin_storage::{BlockPosition, IndexRecord};

use crate::ChainError;

mod answers;
#[cfg(test)]
mod tests;

/// An entry's place in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(usize);

/// One header and what is known about its block.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) hash: BlockHash,
    pub(crate) header: Header,
    pub(crate) height: Height,
    pub(crate) work: Work,
    pub(crate) parent: Option<Id>,
    /// An ancestor further down, to find any ancestor in few steps.
    skip: Option<Id>,
    /// The block itself broke a rule or was marked.
    pub(crate) invalid: bool,
    /// It or an ancestor is invalid. Derived.
    pub(crate) on_invalid: bool,
    pub(crate) connected: bool,
    pub(crate) stored: Option<(BlockPosition, u32)>,
    /// It and all its ancestors are stored, or were connected. Derived.
    complete: bool,
    /// When it became complete, counted: of two branches with equal work the first stays. Below 0: a person prefers it.
    sequence: i64,
}

impl Entry {
    pub(crate) fn record(&self) -> IndexRecord {
        IndexRecord {
            hash: self.hash,
            header: self.header,
            height: self.height,
            invalid: self.invalid,
            connected: self.connected,
            stored: self.stored,
        }
    }
}

/// What orders branches: more work, then the one that was complete first.
type Rank = (Work, Reverse<i64>, Reverse<Id>);

/// Every known header.
#[derive(Debug, Default)]
pub(crate) struct BlockIndex {
    entries: Vec<Entry>,
    by_hash: HashMap<BlockHash, Id>,
    /// The best chain, by height.
    best: Vec<Id>,
    /// Complete valid branches that could become the best chain; the tip is always one.
    candidates: BTreeSet<Rank>,
    /// Stored blocks whose ancestors are not all stored, by parent.
    waiting: HashMap<Id, Vec<Id>>,
    /// Blocks of the best chain whose bytes were lost.
    lost: BTreeSet<Id>,
    best_header: Option<Id>,
    next_sequence: i64,
    /// How many branches were preferred so far.
    preferred: i64,
}

impl BlockIndex {
    /// Builds the index from its records; `tip` ends the best chain.
    pub(crate) fn load(mut records: Vec<IndexRecord>, tip: BlockHash) -> Result<Self, ChainError> {
        records.sort_by_key(|record| record.height);
        let mut index = Self::default();
        for record in records {
            let parent = index.find(&record.header.prev_blockhash);
            if parent.is_none() && record.height != Height::GENESIS {
                return Err(ChainError::ParentMissing { hash: record.hash });
            }
            let id = index.insert(record.hash, record.header, parent);
            let entry = index.entry_mut(id);
            (entry.invalid, entry.connected, entry.stored) = (record.invalid, record.connected, record.stored);
        }
        let tip = index.find(&tip).ok_or(ChainError::TipMissing { hash: tip })?;
        let mut best: Vec<Id> = std::iter::successors(Some(tip), |id| index.get(*id).parent).collect();
        best.reverse();
        // Order of arrival is not kept: whatever is the best chain was first, all else came after it.
        for entry in &mut index.entries {
            entry.sequence = 1;
        }
        for id in &best {
            index.entry_mut(*id).sequence = 0;
        }
        index.next_sequence = 2;
        index.best = best;
        index.derive();
        Ok(index)
    }

    /// Adds a header; its parent must be in the index unless it is the first.
    pub(crate) fn insert(&mut self, hash: BlockHash, header: Header, parent: Option<Id>) -> Id {
        let id = Id(self.entries.len());
        let (height, work, on_invalid) = match parent.map(|parent| self.get(parent)) {
            Some(parent) => (parent.height.next(), parent.work + header.work(), parent.on_invalid),
            None => (Height::GENESIS, header.work(), false),
        };
        let skip = parent.and_then(|parent| self.ancestor(parent, skip_height(height)));
        self.entries.push(Entry {
            hash,
            header,
            height,
            work,
            parent,
            skip,
            invalid: false,
            on_invalid,
            connected: false,
            stored: None,
            complete: false,
            sequence: 0,
        });
        self.by_hash.insert(hash, id);
        self.consider_best_header(id);
        id
    }

    pub(crate) fn find(&self, hash: &BlockHash) -> Option<Id> {
        self.by_hash.get(hash).copied()
    }

    pub(crate) fn get(&self, id: Id) -> &Entry {
        // Ids are made by `insert` only, and no entry is ever removed.
        &self.entries[id.0]
    }

    fn entry_mut(&mut self, id: Id) -> &mut Entry {
        &mut self.entries[id.0]
    }

    fn ids(&self) -> impl DoubleEndedIterator<Item = Id> + use<> {
        (0..self.entries.len()).map(Id)
    }

    /// The last block of the best chain. The index holds genesis at least once the chain is open.
    pub(crate) fn tip(&self) -> Id {
        self.best.last().copied().unwrap_or(Id(0))
    }

    pub(crate) fn best_header(&self) -> Id {
        self.best_header.unwrap_or_else(|| self.tip())
    }

    pub(crate) fn at(&self, height: Height) -> Option<Id> {
        self.best.get(height.to_u32() as usize).copied()
    }

    pub(crate) fn is_on_best_chain(&self, id: Id) -> bool {
        self.at(self.get(id).height) == Some(id)
    }

    /// The ancestor of `id` at `height`, or `id` itself; `None` above it.
    pub(crate) fn ancestor(&self, id: Id, height: Height) -> Option<Id> {
        if height > self.get(id).height {
            return None;
        }
        let mut at = id;
        while self.get(at).height > height {
            if self.is_on_best_chain(at) {
                return self.at(height);
            }
            let entry = self.get(at);
            at = match entry.skip {
                Some(skip) if self.get(skip).height >= height => skip,
                _ => entry.parent?,
            };
        }
        Some(at)
    }

    /// The last block that both the best chain and the branch ending in `id` hold.
    pub(crate) fn fork_with_best(&self, id: Id) -> Id {
        // Nothing above the tip is on the best chain, and headers may be far above it.
        let mut at = self.ancestor(id, self.get(self.tip()).height).unwrap_or(id);
        while let (false, Some(parent)) = (self.is_on_best_chain(at), self.get(at).parent) {
            at = parent;
        }
        at
    }

    /// The blocks after `lower` up to `upper`, lowest first; `lower` is an ancestor of `upper`.
    pub(crate) fn path(&self, lower: Id, upper: Id) -> Vec<Id> {
        let mut path: Vec<Id> =
            std::iter::successors(Some(upper), |id| self.get(*id).parent).take_while(|id| *id != lower).collect();
        path.reverse();
        path
    }

    /// The complete valid branch with the most work; of equal ones the first.
    pub(crate) fn best_candidate(&self) -> Option<Id> {
        self.candidates.last().map(|(_, _, Reverse(id))| *id)
    }

    /// Notes where a block stands. Blocks that waited for it become candidates too.
    pub(crate) fn store_block(&mut self, id: Id, position: BlockPosition, transactions: u32) {
        self.entry_mut(id).stored = Some((position, transactions));
        self.lost.remove(&id);
        if self.get(id).complete {
            return; // A block of the best chain whose bytes had been lost.
        }
        let parent_complete = self.get(id).parent.is_none_or(|parent| self.get(parent).complete);
        if !parent_complete {
            if let Some(parent) = self.get(id).parent {
                self.waiting.entry(parent).or_default().push(id);
            }
            return;
        }
        let mut ready = vec![id];
        while let Some(id) = ready.pop() {
            self.complete(id);
            ready.extend(self.waiting.remove(&id).unwrap_or_default());
        }
    }

    fn complete(&mut self, id: Id) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let entry = self.entry_mut(id);
        (entry.complete, entry.sequence) = (true, sequence);
        if !entry.on_invalid {
            self.candidates.insert(self.rank(id));
        }
    }

    fn rank(&self, id: Id) -> Rank {
        let entry = self.get(id);
        (entry.work, Reverse(entry.sequence), Reverse(id))
    }

    /// The best chain grew by `id`.
    pub(crate) fn push_tip(&mut self, id: Id) {
        self.best.push(id);
        self.entry_mut(id).connected = true;
    }

    /// The best chain lost its last block.
    pub(crate) fn pop_tip(&mut self) {
        self.best.pop();
    }

    /// Drops candidates that the tip has overtaken.
    pub(crate) fn drop_overtaken(&mut self) {
        let rank = self.rank(self.tip());
        self.candidates = self.candidates.split_off(&rank);
    }

    /// Lets a block win against others of equal work, as if it had come before them; it has no effect against more work.
    ///
    /// Source: Bitcoin Core, `Chainstate::PreciousBlock`, validation.cpp.
    pub(crate) fn prefer(&mut self, id: Id) {
        let entry = self.get(id);
        let (complete, valid) = (entry.complete, !entry.on_invalid);
        if entry.work < self.get(self.tip()).work {
            return;
        }
        self.candidates.remove(&self.rank(id));
        self.preferred += 1;
        let sequence = -self.preferred;
        self.entry_mut(id).sequence = sequence;
        if complete && valid {
            self.candidates.insert(self.rank(id));
        }
    }

    /// Marks a block, and with it its descendants.
    pub(crate) fn mark_invalid(&mut self, id: Id) {
        self.entry_mut(id).invalid = true;
        self.derive();
    }

    /// Takes the mark from a block, its descendants and its ancestors. Returns whose mark it took.
    ///
    /// Source: Bitcoin Core, `Chainstate::ResetBlockFailureFlags`, validation.cpp.
    pub(crate) fn clear_invalid(&mut self, id: Id) -> Vec<Id> {
        let height = self.get(id).height;
        let related = |other: &Id| {
            let lower = self.get(*other).height.min(height);
            self.get(*other).invalid && self.ancestor(*other, lower) == self.ancestor(id, lower)
        };
        let cleared: Vec<Id> = self.ids().filter(related).collect();
        for id in &cleared {
            self.entry_mut(*id).invalid = false;
        }
        self.derive();
        cleared
    }

    /// The block's bytes turned out to be lost; it has to be downloaded again.
    pub(crate) fn forget_block(&mut self, id: Id) {
        self.entry_mut(id).stored = None;
        self.derive();
    }

    /// Derives anew what follows from the entries' own marks: validity and completeness of branches, candidates.
    fn derive(&mut self) {
        self.candidates.clear();
        self.waiting.clear();
        self.lost.clear();
        self.best_header = None;
        for id in self.ids() {
            let entry = self.get(id);
            let parent = entry.parent.map(|parent| self.get(parent));
            let on_invalid = entry.invalid || parent.is_some_and(|parent| parent.on_invalid);
            // Bytes of the best chain may be lost: it was connected, so its coins stand all the same.
            let here = entry.stored.is_some() || self.is_on_best_chain(id);
            let complete = here && parent.is_none_or(|parent| parent.complete);
            let (parent, stored) = (entry.parent, entry.stored.is_some());
            if here && !stored {
                self.lost.insert(id);
            }
            let entry = self.entry_mut(id);
            (entry.on_invalid, entry.complete) = (on_invalid, complete);
            match parent {
                _ if complete && !on_invalid => {
                    self.candidates.insert(self.rank(id));
                }
                Some(parent) if stored && !complete => self.waiting.entry(parent).or_default().push(id),
                _ => {}
            }
            self.consider_best_header(id);
        }
    }

    fn consider_best_header(&mut self, id: Id) {
        let entry = self.get(id);
        let better = |best: Id| entry.work > self.get(best).work;
        if !entry.on_invalid && self.best_header.is_none_or(better) {
            self.best_header = Some(id);
        }
    }
}

/// How far below `height` its skip leads: far, so that any ancestor is reached in a number of steps that grows as a logarithm.
///
/// Source: Bitcoin Core, `GetSkipHeight`, chain.cpp.
fn skip_height(height: Height) -> Height {
    let without_lowest_bit = |number: u32| number & number.wrapping_sub(1);
    let number = height.to_u32();
    Height::new(match number {
        0 | 1 => 0,
        _ if number & 1 == 1 => without_lowest_bit(without_lowest_bit(number - 1)) + 1,
        _ => without_lowest_bit(number),
    })
}
