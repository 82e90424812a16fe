//! Proof of work, linkage of headers, and Merkle proofs.

use mycoin_consensus::{HeaderBranch, check_header, check_header_in_context, check_merkle_branch};
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
    let index = usize::try_from(proof.position).map_err(|_| ProofError::BadBranch)?;
    if check_merkle_branch(tx.compute_txid(), index, &proof.branch, header.merkle_root) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use mycoin_primitives::bitcoin::absolute::LockTime;
    use mycoin_primitives::bitcoin::transaction::Version;
    use mycoin_primitives::hashes::Hash as _;
    use mycoin_primitives::{CompactTarget, OutPoint, ScriptBuf, Sequence, TxIn, TxMerkleNode, TxOut, Witness};

    const NOW: u32 = 1_900_000_000;

    /// The next header of a demo chain, with its proof of work.
    fn mined(chain: &HeaderChain, version_bits: i32) -> Header {
        let parent = chain.header_at(chain.tip_height()).expect("the tip");
        let mut header = Header { prev_blockhash: parent.block_hash(), time: parent.time + 1, nonce: 0, ..parent };
        header.version = mycoin_primitives::bitcoin::block::Version::from_consensus(0x2000_0000 | version_bits);
        while header.validate_pow(header.target()).is_err() {
            header.nonce += 1;
        }
        header
    }

    fn chain(length: u32, version_bits: i32) -> HeaderChain {
        let mut chain = HeaderChain::new(&Network::demo());
        for _ in 0..length {
            let header = mined(&chain, version_bits);
            chain.push(&[header], NOW).expect("a good header");
        }
        chain
    }

    #[test]
    fn a_header_must_be_linked_and_carry_its_work() {
        let mut chain = chain(3, 0);
        let good = mined(&chain, 0);
        let stranger = Header { prev_blockhash: BlockHash::all_zeros(), ..good };
        assert_eq!(chain.push(&[stranger], NOW), Err(ProofError::NotLinked { height: Height::new(4) }));
        let easier = Header { bits: CompactTarget::from_consensus(0x2100_ffff), ..good };
        assert!(matches!(chain.push(&[easier], NOW), Err(ProofError::HeaderRule { .. })));
        assert_eq!(chain.tip_height(), Height::new(3));
        assert_eq!(chain.push(&[good], NOW), Ok(()));
    }

    #[test]
    fn a_header_must_have_the_hash_that_was_asked_for() {
        let chain = chain(2, 0);
        let (one, two) = (chain.header_at(Height::new(1)), chain.header_at(Height::new(2)));
        let (one, two) = (one.expect("height 1"), two.expect("height 2"));
        assert_eq!(check_header_hash(&one, &one.block_hash(), &Network::demo()), Ok(()));
        assert!(check_header_hash(&one, &two.block_hash(), &Network::demo()).is_err());
    }

    #[test]
    fn only_a_branch_with_more_work_replaces_the_chain() {
        let mut ours = chain(3, 0);
        assert_eq!(ours.replace_by(chain(3, 4)), Err(ProofError::LessWork));
        assert_eq!(ours.replace_by(ours.up_to(Height::new(1))), Ok(()));
        assert_eq!(ours.tip_height(), Height::new(3));
        let longer = chain(4, 4);
        assert_eq!(ours.replace_by(longer.clone()), Ok(()));
        assert_eq!(ours.hash_at(Height::new(1)), longer.hash_at(Height::new(1)));
    }

    fn transaction(script_length: usize) -> Transaction {
        let input = TxIn {
            previous_output: OutPoint::null(),
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        };
        let output = TxOut {
            value: mycoin_primitives::Amount::from_sat(1),
            script_pubkey: ScriptBuf::from_bytes(vec![0x51; script_length]),
        };
        Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output: vec![output] }
    }

    #[test]
    fn inclusion_is_proven_by_the_branch_alone() {
        let block: Vec<Transaction> = (0..5).map(|n| transaction(22 + n)).collect();
        let txids: Vec<_> = block.iter().map(Transaction::compute_txid).collect();
        let mut header = mined(&chain(0, 0), 0);
        header.merkle_root = mycoin_consensus::merkle_root(&txids);
        for (index, tx) in block.iter().enumerate() {
            let branch = mycoin_consensus::merkle_branch(&txids, index);
            let proof = MerkleProof { height: Height::new(1), branch, position: index as u32 };
            assert_eq!(verify_inclusion(tx, &proof, &header), Ok(()), "{index}");
            assert_eq!(verify_inclusion(&transaction(40), &proof, &header), Err(ProofError::BadBranch));
            let elsewhere = MerkleProof { position: proof.position + 8, ..proof.clone() };
            assert_eq!(verify_inclusion(tx, &elsewhere, &header), Err(ProofError::BadBranch));
            let longer = MerkleProof { branch: [&proof.branch[..], &[TxMerkleNode::all_zeros()]].concat(), ..proof };
            assert_eq!(verify_inclusion(tx, &longer, &header), Err(ProofError::BadBranch));
        }
    }

    #[test]
    fn a_transaction_of_64_bytes_is_not_proven() {
        let tx = transaction(4);
        assert_eq!(tx.base_size(), 64);
        let mut header = mined(&chain(0, 0), 0);
        header.merkle_root = TxMerkleNode::from_byte_array(tx.compute_txid().to_byte_array());
        let proof = MerkleProof { height: Height::new(1), branch: vec![], position: 0 };
        assert_eq!(verify_inclusion(&tx, &proof, &header), Err(ProofError::SixtyFourBytes));
    }
}
