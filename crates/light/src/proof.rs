//! Proof of work, linkage of headers, and Merkle proofs.

use mycoin_primitives::{BlockHash, Header, Height, Network, Transaction};

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
    let _ = (tx, proof, header);
    todo!()
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
    pub fn header_at(&self, height: Height) -> Option<&Header> {
        self.headers.get(usize::try_from(height.to_u32()).unwrap_or(usize::MAX))
    }

    /// Puts `headers` on top of the one at `parent`, dropping what stood above it, if all of them hold and the result has more work.
    ///
    /// # Errors
    ///
    /// [`ProofError`] names the first that does not; the chain is as it was then.
    pub fn extend(&mut self, parent: Height, headers: &[Header], now: u32) -> Result<(), ProofError> {
        let _ = (parent, headers, now, &self.network);
        todo!()
    }
}
