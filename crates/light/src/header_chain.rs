//! The chain of headers that this client checked itself.
//!
//! In:    headers as a proxy gave them, and the time.
//! Out:   of all valid branches that were shown the one with the most work, and how much that is.
//! Never: a header that breaks a rule of consensus; a branch with less work than the one that is known.
//!
//! [`HeaderChain::open`] keeps the chain in a file (`header_file`), which all wallets of a network share.

use std::path::Path;

use mycoin_consensus::{HeaderBranch, check_header, check_header_in_context};
use mycoin_files::FilesError;
use mycoin_primitives::{BlockHash, Header, Height, Network, Work, genesis_block};

use crate::answers::Tip;
use crate::header_file::{HeaderFile, Loaded};
use crate::proof::ProofError;

#[cfg(test)]
mod tests;

/// How many headers a branch may have before its work must exceed that of the known chain: 160 MB of them.
const LONGEST_WEAKER_BRANCH: usize = 2_000_000;

/// Headers from genesis on, each checked by the consensus rules: proof of work, difficulty, times, linkage.
#[derive(Debug)]
pub struct HeaderChain {
    network: Network,
    headers: Vec<Header>,
    tip_hash: BlockHash,
    work: Work,
    file: Option<HeaderFile>,
    fault: Option<FilesError>,
}

/// Headers that leave the chain at some height, checked but not yet followed.
#[derive(Debug)]
pub(crate) struct Branch {
    fork: Height,
    headers: Vec<Header>,
    tip_hash: BlockHash,
    work: Work,
}

/// The chain as it would be with the branch.
struct Joined<'a> {
    chain: &'a HeaderChain,
    branch: &'a Branch,
}

impl HeaderBranch for Joined<'_> {
    fn tip_height(&self) -> Height {
        self.branch.tip_height()
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        if height <= self.branch.fork {
            return self.chain.header_at(height);
        }
        self.branch.headers.get(index(height)? - index(self.branch.fork)? - 1).copied()
    }
}

fn index(height: Height) -> Option<usize> {
    usize::try_from(height.to_u32()).ok()
}

fn height_of(index: usize) -> Height {
    Height::new(u32::try_from(index).unwrap_or(u32::MAX))
}

impl Branch {
    pub(crate) const fn tip_hash(&self) -> BlockHash {
        self.tip_hash
    }

    pub(crate) fn tip_height(&self) -> Height {
        height_of(index(self.fork).unwrap_or(usize::MAX).saturating_add(self.headers.len()))
    }
}

impl HeaderChain {
    /// The chain that holds only the network's genesis block, kept in memory.
    pub fn new(network: &Network) -> Self {
        let genesis = genesis_block(network).header;
        Self {
            network: network.clone(),
            headers: vec![genesis],
            tip_hash: genesis.block_hash(),
            work: genesis.work(),
            file: None,
            fault: None,
        }
    }

    /// The chain that the file in `folder` keeps; a new one where there is none.
    ///
    /// What a stopped machine tore off or bent is left out, and is asked for again. While another process keeps the file,
    /// this chain starts from it and stays in memory.
    ///
    /// # Errors
    ///
    /// [`FilesError`] when the folder or the file is open to others, is no plain file, or cannot be read.
    pub fn open(folder: &Path, network: &Network) -> Result<Self, FilesError> {
        let start = Self::new(network);
        let (Loaded { headers, tip_hash, work }, file) =
            HeaderFile::open(folder, &start.headers, start.tip_hash, start.work)?;
        Ok(Self { headers, tip_hash, work, file, ..start })
    }

    /// The network that the chain belongs to.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The last block.
    pub fn tip(&self) -> Tip {
        Tip { height: self.tip_height(), hash: self.tip_hash }
    }

    /// The height of the last header.
    pub fn tip_height(&self) -> Height {
        height_of(self.headers.len().saturating_sub(1))
    }

    /// The header at that height.
    pub fn header_at(&self, height: Height) -> Option<Header> {
        self.headers.get(index(height)?).copied()
    }

    /// The hash of the block at that height.
    pub fn hash_at(&self, height: Height) -> Option<BlockHash> {
        if height == self.tip_height() { Some(self.tip_hash) } else { Some(self.header_at(height)?.block_hash()) }
    }

    /// Whether the chain has that block.
    pub fn contains(&self, block: &Tip) -> bool {
        self.hash_at(block.height) == Some(block.hash)
    }

    /// The work of all headers together.
    pub const fn work(&self) -> Work {
        self.work
    }

    /// Why the chain could not be written to its file; it goes on in memory then.
    pub const fn fault(&self) -> Option<&FilesError> {
        self.fault.as_ref()
    }

    /// Puts `headers` on top, checking each; `now` in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`ProofError`] names the first that breaks a rule; nothing is added then.
    pub fn push(&mut self, headers: &[Header], now: u32) -> Result<(), ProofError> {
        self.follow(self.tip_height(), headers, now)
    }

    /// Replaces what stands above `fork` by `headers`, if these are valid and the work becomes more.
    ///
    /// # Errors
    ///
    /// [`ProofError`] names the first header that breaks a rule, or [`ProofError::LessWork`]; nothing is changed then.
    pub fn follow(&mut self, fork: Height, headers: &[Header], now: u32) -> Result<(), ProofError> {
        let mut branch = self.branch(fork);
        self.extend(&mut branch, headers, now)?;
        if branch.headers.is_empty() || self.adopt(branch) { Ok(()) } else { Err(ProofError::LessWork) }
    }

    /// Goes back to genesis: for a coin that was started anew, whose old chain had more work than the new one has yet.
    pub fn forget(&mut self) {
        let genesis = self.branch(Height::GENESIS);
        self.set(genesis);
    }

    /// The empty branch that leaves the chain at `fork`.
    pub(crate) fn branch(&self, fork: Height) -> Branch {
        let fork = fork.min(self.tip_height());
        let above = self.headers.get(index(fork.next()).unwrap_or(usize::MAX)..).unwrap_or_default();
        let undone = above.iter().map(Header::work);
        let work = undone.fold(self.work, |work, one| if one < work { work - one } else { work });
        Branch { fork, headers: Vec::new(), tip_hash: self.hash_at(fork).unwrap_or(self.tip_hash), work }
    }

    /// Puts `headers` on top of the branch, checking each. Those that the chain has there already only move the fork up.
    pub(crate) fn extend(&self, branch: &mut Branch, headers: &[Header], now: u32) -> Result<(), ProofError> {
        for header in headers {
            let height = branch.tip_height().next();
            if branch.headers.is_empty() && self.header_at(height) == Some(*header) {
                branch.fork = height;
                branch.tip_hash = header.block_hash();
                branch.work = branch.work + header.work();
                continue;
            }
            if header.prev_blockhash != branch.tip_hash {
                return Err(ProofError::NotLinked { height });
            }
            if branch.headers.len() >= LONGEST_WEAKER_BRANCH {
                return Err(ProofError::LessWork);
            }
            check_header(header, &self.network)
                .and_then(|()| check_header_in_context(header, &self.network, &Joined { chain: self, branch }, now))
                .map_err(|rule| ProofError::HeaderRule { height, rule: rule.to_string() })?;
            branch.tip_hash = header.block_hash();
            branch.work = branch.work + header.work();
            branch.headers.push(*header);
        }
        Ok(())
    }

    /// Whether the chain would have more work with the branch. Of two branches with equal work the first one stays.
    pub(crate) fn is_worth_less_than(&self, branch: &Branch) -> bool {
        branch.work > self.work
    }

    /// Follows the branch if the chain has more work with it.
    pub(crate) fn adopt(&mut self, branch: Branch) -> bool {
        let better = self.is_worth_less_than(&branch);
        if better {
            self.set(branch);
        }
        better
    }

    fn set(&mut self, branch: Branch) {
        let Branch { fork, headers, tip_hash, work } = branch;
        let kept = index(fork).unwrap_or(usize::MAX).saturating_add(1);
        if let Some(file) = &mut self.file
            && let Err(fault) = file.append(fork, &headers, &work)
        {
            // The chain is worth no less in memory; the next start asks for what is missing.
            self.file = None;
            self.fault = Some(fault);
        }
        self.headers.truncate(kept);
        self.headers.extend(headers);
        self.tip_hash = tip_hash;
        self.work = work;
    }
}

impl HeaderBranch for HeaderChain {
    fn tip_height(&self) -> Height {
        Self::tip_height(self)
    }

    fn header_at(&self, height: Height) -> Option<Header> {
        Self::header_at(self, height)
    }
}
