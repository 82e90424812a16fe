//! Proof of work, linkage of headers, and Merkle proofs.

use crate::pending::{HeaderBranch, check_header, check_header_in_context, check_merkle_branch};
use mycoin_primitives::{BlockHash, Header, Height, Network, Transaction, Work};

use crate::answers::MerkleProof;

/// Why something is not proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The header does not hash to what was asked for.
    #[error("the block's header does not have the hash {expected}")]
    OtherHeader {
        /// The hash that was asked for.
        expected: BlockHash,
    },
    /// The header does not carry its proof of work.
    #[error("the block's header does not carry its proof of work: {rule}")]
    NoWork {
        /// Which rule it breaks.
        rule: String,
    },
    /// The header breaks a rule of its own or in its context.
    #[error("the header of block {height} breaks a rule: {rule}")]
    HeaderRule {
        /// Its height.
        height: Height,
        /// Which rule.
        rule: String,
    },
    /// The header does not follow the one below it.
    #[error("the header of block {height} does not follow the one before it")]
    NotLinked {
        /// Its height.
        height: Height,
    },
    /// The Merkle branch does not lead to the header's root.
    #[error("the Merkle proof does not lead to the block's header")]
    BadBranch,
    /// Another branch with less work than the one that is known.
    #[error("it follows a branch with less work than the one that is known")]
    LessWork,
    /// A transaction of 64 bytes cannot be told from an inner node of the Merkle tree.
    #[error("a transaction of 64 bytes cannot be proven")]
    SixtyFourBytes,
}

/// Proves that `tx` stands in the block of `header`, whose hash and proof of work the caller has checked.
///
/// # Errors
///
/// [`ProofError`] when it does not.
pub fn verify_inclusion(tx: &Transaction, proof: &MerkleProof, header: &Header) -> Result<(), ProofError> {
    // CVE-2017-12842: 64 bytes without witnesses could also be two hashes side by side.
    if tx.base_size() == 64 {
        return Err(ProofError::SixtyFourBytes);
    }
    let txid = tx.compute_txid();
    if check_merkle_branch(txid, proof.position, &proof.branch, header.merkle_root) {
        Ok(())
    } else {
        Err(ProofError::BadBranch)
    }
}

/// Checks that `header` hashes to `hash` and carries its proof of work.
pub(crate) fn check_header_hash(header: &Header, hash: &BlockHash, network: &Network) -> Result<(), ProofError> {
    if header.block_hash() != *hash {
        return Err(ProofError::OtherHeader { expected: *hash });
    }
    // Genesis is part of the network's definition.
    if *hash == network.genesis.hash {
        return Ok(());
    }
    check_header(header, network).map_err(|rule| ProofError::NoWork { rule: rule.to_string() })
}

/// Headers from genesis on, each checked: proof of work, difficulty, times, linkage.
#[derive(Debug, Clone)]
pub struct HeaderChain {
    network: Network,
    headers: Vec<Header>,
}

impl HeaderChain {
    /// The chain that holds only the network's genesis block.
    pub fn new(network: &Network) -> Self {
        Self { network: network.clone(), headers: vec![mycoin_primitives::genesis_block(network).header] }
    }

    /// The height of the last header.
    pub fn tip_height(&self) -> Height {
        Height::new(u32::try_from(self.headers.len().saturating_sub(1)).unwrap_or(u32::MAX))
    }

    /// The header at that height.
    pub fn header_at(&self, height: Height) -> Option<Header> {
        self.headers.get(usize::try_from(height.to_u32()).ok()?).copied()
    }

    /// The hash of the block at that height.
    pub fn hash_at(&self, height: Height) -> Option<BlockHash> {
        Some(self.header_at(height)?.block_hash())
    }

    /// The work of all headers together.
    pub fn work(&self) -> Work {
        let mut work = Work::from_be_bytes([0; 32]);
        for header in &self.headers {
            work = work + header.work();
        }
        work
    }

    /// The same chain without what stands above `height`.
    #[must_use]
    pub fn up_to(&self, height: Height) -> Self {
        let count = usize::try_from(height.to_u32()).unwrap_or(usize::MAX).saturating_add(1);
        Self { network: self.network.clone(), headers: self.headers.iter().take(count).copied().collect() }
    }

    /// Puts `headers` on top, checking each; `now` in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`ProofError`] names the first that breaks a rule; those before it were added.
    pub fn push(&mut self, headers: &[Header], now: u32) -> Result<(), ProofError> {
        for header in headers {
            let height = self.tip_height().next();
            if Some(header.prev_blockhash) != self.hash_at(self.tip_height()) {
                return Err(ProofError::NotLinked { height });
            }
            check_header(header, &self.network)
                .and_then(|()| check_header_in_context(header, &self.network, self, now))
                .map_err(|rule| ProofError::HeaderRule { height, rule: rule.to_string() })?;
            self.headers.push(*header);
        }
        Ok(())
    }

    /// Becomes `other` if that has more work; stays as it is if `other` is only its beginning.
    ///
    /// # Errors
    ///
    /// [`ProofError::LessWork`] when `other` is another branch without more work.
    pub fn replace_by(&mut self, other: Self) -> Result<(), ProofError> {
        if self.headers.starts_with(&other.headers) {
            return Ok(());
        }
        if other.work() <= self.work() {
            return Err(ProofError::LessWork);
        }
        *self = other;
        Ok(())
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
