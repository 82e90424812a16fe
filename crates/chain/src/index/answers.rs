//! What the block index tells others about itself.

use std::cmp::Reverse;

use mycoin_primitives::{BlockHash, Height};

use super::{BlockIndex, Entry, Id};
use crate::{ChainTip, EntryStatus, IndexEntry, Tip, TipStatus};

impl BlockIndex {
    pub(crate) fn tip_of(&self, id: Id) -> Tip {
        let entry = self.get(id);
        Tip { height: entry.height, hash: entry.hash, header: entry.header, work: entry.work }
    }

    pub(crate) fn describe(&self, id: Id) -> IndexEntry {
        let entry = self.get(id);
        let on_best_chain = self.is_on_best_chain(id);
        let status = match entry {
            Entry { on_invalid: true, .. } => EntryStatus::Invalid,
            Entry { connected: true, .. } => EntryStatus::Connected,
            Entry { stored: Some(_), .. } => EntryStatus::Stored,
            _ => EntryStatus::HeaderOnly,
        };
        IndexEntry {
            hash: entry.hash,
            height: entry.height,
            header: entry.header,
            work: entry.work,
            parent: entry.parent.map(|parent| self.get(parent).hash),
            next: if on_best_chain { self.at(entry.height.next()).map(|next| self.get(next).hash) } else { None },
            status,
            transactions: entry.stored.map(|(_, transactions)| transactions),
            on_best_chain,
        }
    }

    /// The ends of all branches, highest first. Source: Bitcoin Core, `getchaintips`, rpc/blockchain.cpp.
    pub(crate) fn tips(&self) -> Vec<ChainTip> {
        let mut is_parent = vec![false; self.entries.len()];
        for parent in self.entries.iter().filter_map(|entry| entry.parent) {
            is_parent[parent.0] = true;
        }
        let tip = self.tip();
        let ends = self.ids().filter(|id| !is_parent[id.0] || *id == tip);
        let mut tips: Vec<ChainTip> = ends.map(|id| self.describe_tip(id, tip)).collect();
        tips.sort_by_key(|tip| (Reverse(tip.height), tip.hash));
        tips
    }

    fn describe_tip(&self, id: Id, tip: Id) -> ChainTip {
        let entry = self.get(id);
        let status = match entry {
            _ if id == tip => TipStatus::Active,
            Entry { on_invalid: true, .. } => TipStatus::Invalid,
            Entry { complete: false, .. } => TipStatus::HeadersOnly,
            Entry { connected: true, .. } => TipStatus::ValidFork,
            _ => TipStatus::ValidHeaders,
        };
        let fork = self.get(self.fork_with_best(id)).height;
        ChainTip { height: entry.height, hash: entry.hash, branch_length: entry.height.above(fork), status }
    }

    /// Hashes that let a peer find where its chain leaves the one that ends in `id`: ten steps of one block, then ever longer ones.
    ///
    /// Source: Bitcoin Core, `LocatorEntries`, chain.cpp.
    pub(crate) fn locator(&self, id: Id) -> Vec<BlockHash> {
        let mut hashes = Vec::new();
        let (mut height, mut step) = (self.get(id).height, 1);
        loop {
            hashes.extend(self.ancestor(id, height).map(|at| self.get(at).hash));
            if height == Height::GENESIS {
                return hashes;
            }
            height = height.back(step);
            if hashes.len() > 10 {
                step *= 2;
            }
        }
    }

    /// Blocks to download: lost ones of the best chain, then those of the best branch of headers, lowest first.
    pub(crate) fn wanted(&self, max: usize) -> Vec<BlockHash> {
        let branch = self.best_header();
        let fork = self.fork_with_best(branch);
        let ahead = (self.get(fork).height.to_u32() + 1..=self.get(branch).height.to_u32())
            .filter_map(|height| self.ancestor(branch, Height::new(height)))
            .filter(|id| self.get(*id).stored.is_none());
        self.lost.iter().copied().chain(ahead).take(max).map(|id| self.get(id).hash).collect()
    }
}
