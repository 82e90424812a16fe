//! Proof of work of one header, and Merkle proofs.
//!
//! In:    a transaction, a header, what a proxy gave as proof.
//! Out:   that it holds, or why not.
//! Never: I/O.

use std::collections::HashMap;

use mycoin_consensus::{check_header, check_merkle_branch};
use mycoin_primitives::{BlockHash, Header, Height, Network, Transaction};

use crate::answers::{MerkleProof, Tip};

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
    /// There is no proof.
    #[error("no Merkle proof was given")]
    Missing,
    /// The proof is for a block at another height.
    #[error("the Merkle proof is for a block at height {found}, not {expected}")]
    OtherHeight {
        /// Where the transaction is said to stand.
        expected: Height,
        /// What the proof says.
        found: Height,
    },
    /// A block reward stands first in its block, and nothing else does.
    #[error("the Merkle proof puts the transaction at a place where it cannot stand")]
    WrongPosition,
    /// All transactions of a block are equally deep in its tree.
    #[error("two Merkle proofs of one block have different lengths")]
    OtherDepth,
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

/// Checks proofs, and that those of one block fit each other.
#[derive(Debug, Default)]
pub struct Proofs {
    /// How long the proofs of a block are: a node taken for a leaf, or a leaf for a node, has another depth.
    depths: HashMap<BlockHash, usize>,
}

impl Proofs {
    /// Proves that `tx` stands in `block`, which has that header and is part of the caller's header chain.
    ///
    /// # Errors
    ///
    /// [`ProofError`] when it does not.
    pub fn check(
        &mut self,
        tx: &Transaction,
        proof: Option<&MerkleProof>,
        block: &Tip,
        header: &Header,
    ) -> Result<(), ProofError> {
        let proof = proof.ok_or(ProofError::Missing)?;
        if proof.height != block.height {
            return Err(ProofError::OtherHeight { expected: block.height, found: proof.height });
        }
        if tx.is_coinbase() != (proof.position == 0) {
            return Err(ProofError::WrongPosition);
        }
        verify_inclusion(tx, proof, header)?;
        let depth = *self.depths.entry(block.hash).or_insert(proof.branch.len());
        if depth == proof.branch.len() { Ok(()) } else { Err(ProofError::OtherDepth) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use mycoin_primitives::bitcoin::absolute::LockTime;
    use mycoin_primitives::bitcoin::transaction::Version;
    use mycoin_primitives::hashes::Hash as _;
    use mycoin_primitives::{OutPoint, ScriptBuf, Sequence, TxIn, TxMerkleNode, TxOut, Witness};

    /// The header of a demo block on top of genesis, with its proof of work.
    fn mined(time: u32) -> Header {
        let parent = mycoin_primitives::genesis_block(&Network::demo()).header;
        let mut header = Header { prev_blockhash: parent.block_hash(), time: parent.time + time, nonce: 0, ..parent };
        while header.validate_pow(header.target()).is_err() {
            header.nonce += 1;
        }
        header
    }

    #[test]
    fn a_header_must_have_the_hash_that_was_asked_for() {
        let (one, two) = (mined(1), mined(2));
        assert_eq!(check_header_hash(&one, &one.block_hash(), &Network::demo()), Ok(()));
        assert!(check_header_hash(&one, &two.block_hash(), &Network::demo()).is_err());
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
        let mut header = mined(1);
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
        let mut header = mined(1);
        header.merkle_root = TxMerkleNode::from_byte_array(tx.compute_txid().to_byte_array());
        let proof = MerkleProof { height: Height::new(1), branch: vec![], position: 0 };
        assert_eq!(verify_inclusion(&tx, &proof, &header), Err(ProofError::SixtyFourBytes));
    }

    #[test]
    fn the_proofs_of_one_block_fit_each_other() {
        let mut reward = transaction(30);
        reward.input[0].script_sig = ScriptBuf::from_bytes(vec![1, 1]);
        let payment = |n: usize| {
            let mut tx = transaction(20 + n);
            tx.input[0].previous_output = OutPoint { txid: reward.compute_txid(), vout: 0 };
            tx
        };
        let block: Vec<Transaction> = std::iter::once(reward.clone()).chain((1..4).map(payment)).collect();
        let txids: Vec<_> = block.iter().map(Transaction::compute_txid).collect();
        let mut header = mined(1);
        header.merkle_root = mycoin_consensus::merkle_root(&txids);
        let at = Tip { height: Height::new(1), hash: header.block_hash() };
        let proof = |index: usize| MerkleProof {
            height: at.height,
            branch: mycoin_consensus::merkle_branch(&txids, index),
            position: index as u32,
        };
        let mut proofs = Proofs::default();
        for (index, tx) in block.iter().enumerate() {
            assert_eq!(proofs.check(tx, Some(&proof(index)), &at, &header), Ok(()), "{index}");
        }
        let check = |tx: &Transaction, proof: Option<&MerkleProof>| Proofs::default().check(tx, proof, &at, &header);
        assert_eq!(check(&block[1], None), Err(ProofError::Missing));
        let lower = MerkleProof { height: Height::GENESIS, ..proof(1) };
        assert!(matches!(check(&block[1], Some(&lower)), Err(ProofError::OtherHeight { .. })));
        let first = MerkleProof { position: 0, ..proof(1) };
        assert_eq!(check(&block[1], Some(&first)), Err(ProofError::WrongPosition));
        let second = MerkleProof { position: 1, ..proof(0) };
        assert_eq!(check(&block[0], Some(&second)), Err(ProofError::WrongPosition));
        let moved = MerkleProof { position: 2, ..proof(1) };
        assert_eq!(check(&block[1], Some(&moved)), Err(ProofError::BadBranch));
        // A block of one transaction whose id is that of an inner node: the proof is shorter than the others.
        let mut shallow = mined(2);
        shallow.merkle_root = TxMerkleNode::from_byte_array(block[1].compute_txid().to_byte_array());
        let mut proofs = Proofs { depths: HashMap::from([(at.hash, 2)]) };
        let mut alone = MerkleProof { branch: vec![], ..proof(1) };
        alone.position = 1;
        assert_eq!(proofs.check(&block[1], Some(&alone), &at, &shallow), Err(ProofError::BadBranch));
        let alone = MerkleProof { height: at.height, branch: vec![], position: 0 };
        shallow.merkle_root = TxMerkleNode::from_byte_array(reward.compute_txid().to_byte_array());
        assert_eq!(proofs.check(&reward, Some(&alone), &at, &shallow), Err(ProofError::OtherDepth));
    }

    /// The tree doubles the last node of an odd level, so the same root has a longer list of leaves (CVE-2012-2459).
    #[test]
    fn the_doubled_last_transaction_is_proven_once() {
        let block: Vec<Transaction> = (0..3).map(|n| transaction(22 + n)).collect();
        let txids: Vec<_> = block.iter().map(Transaction::compute_txid).collect();
        let mut header = mined(1);
        header.merkle_root = mycoin_consensus::merkle_root(&txids);
        let last =
            MerkleProof { height: Height::new(1), branch: mycoin_consensus::merkle_branch(&txids, 2), position: 2 };
        assert_eq!(verify_inclusion(&block[2], &last, &header), Ok(()));
        let twin = MerkleProof { position: 3, ..last };
        assert_eq!(verify_inclusion(&block[2], &twin, &header), Err(ProofError::BadBranch));
    }
}
