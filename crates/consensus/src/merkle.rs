//! Merkle trees: a block's root, branches that prove a transaction, and the witness commitment.

use mycoin_primitives::bitcoin::WitnessMerkleNode;
use mycoin_primitives::hashes::{Hash, HashEngine, sha256d};
use mycoin_primitives::{ScriptBuf, Transaction, TxMerkleNode, Txid, Witness, Wtxid};

/// What an output script begins with that commits to a block's witnesses: OP_RETURN, a push of 36, the marker. Source: BIP141.
pub const WITNESS_COMMITMENT_HEADER: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];

/// The item of the coinbase's witness in the blocks that we make. Consensus gives it no meaning. Source: BIP141.
pub const WITNESS_RESERVED_VALUE: [u8; 32] = [0; 32];

/// A Merkle root, and whether the same root has a shorter list of leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Root {
    pub(crate) hash: [u8; 32],
    /// Two equal neighbours were hashed together. The tree doubles the last node of an odd level, so leaving the second
    /// of them out gives the same root (CVE-2012-2459).
    pub(crate) mutated: bool,
}

/// Source: Bitcoin Core `ComputeMerkleRoot`, consensus/merkle.cpp. The root of no leaves is zero.
pub(crate) fn root(mut level: Vec<[u8; 32]>) -> Root {
    let mut mutated = false;
    while level.len() > 1 {
        mutated |= level.chunks_exact(2).any(|pair| pair.first() == pair.last());
        level = level.chunks(2).map(parent_of).collect();
    }
    Root { hash: level.pop().unwrap_or_default(), mutated }
}

/// The hash of one node's children, of which the second may be missing at the end of a level.
fn parent_of(children: &[[u8; 32]]) -> [u8; 32] {
    match children {
        [left, right] => parent(left, right),
        [only] => parent(only, only),
        _ => [0; 32],
    }
}

fn parent(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut engine = sha256d::Hash::engine();
    engine.input(left);
    engine.input(right);
    sha256d::Hash::from_engine(engine).to_byte_array()
}

/// The Merkle root of a block with these transactions, coinbase first.
pub fn merkle_root(txids: &[Txid]) -> TxMerkleNode {
    TxMerkleNode::from_byte_array(root(txids.iter().map(|txid| txid.to_byte_array()).collect()).hash)
}

/// The branch that proves the transaction at `index`: its sibling, its parent's, and so on up to below the root.
///
/// Empty if there is no such transaction, and for a block with one.
pub fn merkle_branch(txids: &[Txid], index: usize) -> Vec<TxMerkleNode> {
    let mut level: Vec<[u8; 32]> = txids.iter().map(|txid| txid.to_byte_array()).collect();
    let mut branch = Vec::new();
    let mut position = index;
    if index >= txids.len() {
        return branch;
    }
    while level.len() > 1 {
        let Some(sibling) = level.get(position ^ 1).or_else(|| level.get(position)) else { return Vec::new() };
        branch.push(TxMerkleNode::from_byte_array(*sibling));
        level = level.chunks(2).map(parent_of).collect();
        position /= 2;
    }
    branch
}

/// Whether `branch` proves that the transaction stands at `index` in the block with Merkle root `root`.
///
/// Refused beside wrong hashes: an index that the branch has no room for, and a left sibling equal to the node itself
/// (only the doubled last node of a level has an equal sibling, and it stands on the left).
/// That the leaf is no inner node of the tree the caller ensures by having a transaction that is not 64 bytes long.
pub fn check_merkle_branch(txid: Txid, index: usize, branch: &[TxMerkleNode], root: TxMerkleNode) -> bool {
    let mut node = txid.to_byte_array();
    let mut position = index;
    for sibling in branch {
        let sibling = sibling.to_byte_array();
        if position.is_multiple_of(2) {
            node = parent(&node, &sibling);
        } else if sibling == node {
            return false;
        } else {
            node = parent(&sibling, &node);
        }
        position /= 2;
    }
    position == 0 && node == root.to_byte_array()
}

/// The script of the coinbase output that commits to a block's witnesses, under [`WITNESS_RESERVED_VALUE`].
///
/// `wtxids` are those of the transactions after the coinbase, in block order. Source: BIP141.
pub fn witness_commitment_script(wtxids: &[Wtxid]) -> ScriptBuf {
    let commitment = commitment(wtxids.iter().copied(), &WITNESS_RESERVED_VALUE);
    ScriptBuf::from_bytes([WITNESS_COMMITMENT_HEADER.as_slice(), &commitment].concat())
}

fn commitment(wtxids: impl Iterator<Item = Wtxid>, reserved: &[u8; 32]) -> [u8; 32] {
    // The coinbase counts as zero, because its witness cannot commit to itself.
    let leaves = std::iter::once([0; 32]).chain(wtxids.map(|wtxid| wtxid.to_byte_array()));
    let root = WitnessMerkleNode::from_byte_array(root(leaves.collect()).hash);
    parent(root.as_byte_array(), reserved)
}

/// How a block's witnesses stand to its commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WitnessCommitment {
    /// There is none.
    None,
    /// The coinbase's witness is not one item of 32 bytes.
    BadNonce,
    /// It is that of other witnesses.
    Mismatch,
    /// It fits.
    Fits,
}

/// Compares the commitment in the last coinbase output that has one. `wtxids` are those of `transactions`.
///
/// Source: Bitcoin Core `CheckWitnessMalleation`, validation.cpp.
pub(crate) fn check_witness_commitment(transactions: &[Transaction], wtxids: &[Wtxid]) -> WitnessCommitment {
    let Some(coinbase) = transactions.first() else { return WitnessCommitment::None };
    let scripts = coinbase.output.iter().rev().map(|output| output.script_pubkey.as_bytes());
    let Some(found) = scripts.filter_map(committed).next() else { return WitnessCommitment::None };
    let Some(reserved) = coinbase.input.first().and_then(|input| only_item(&input.witness)) else {
        return WitnessCommitment::BadNonce;
    };
    if commitment(wtxids.iter().skip(1).copied(), reserved) == *found {
        WitnessCommitment::Fits
    } else {
        WitnessCommitment::Mismatch
    }
}

/// The 32 bytes after the header; what follows them has no meaning.
fn committed(script: &[u8]) -> Option<&[u8; 32]> {
    script.strip_prefix(&WITNESS_COMMITMENT_HEADER)?.first_chunk()
}

fn only_item(witness: &Witness) -> Option<&[u8; 32]> {
    if witness.len() == 1 { witness.nth(0)?.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn txids(count: u8) -> Vec<Txid> {
        (0..count).map(|number| Txid::from_byte_array([number + 1; 32])).collect()
    }

    #[test]
    fn root_of_one_is_itself_and_of_none_is_zero() {
        assert_eq!(merkle_root(&txids(1)).to_byte_array(), [1; 32]);
        assert_eq!(merkle_root(&[]).to_byte_array(), [0; 32]);
    }

    /// Source: Bitcoin's block 100,000.
    #[test]
    fn root_of_a_block_of_bitcoins() {
        let txids: Vec<Txid> = [
            "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
            "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
            "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
            "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
        ]
        .map(|txid| txid.parse().expect("the ids are hex"))
        .to_vec();
        let root = "f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766";
        assert_eq!(merkle_root(&txids).to_string(), root);
    }

    #[test]
    fn repeated_tails_keep_the_root_and_are_noticed() {
        for count in 1..20_u8 {
            let leaves: Vec<[u8; 32]> = txids(count).iter().map(|txid| txid.to_byte_array()).collect();
            let honest = root(leaves.clone());
            assert!(!honest.mutated, "{count}");
            // Whatever stands at the end of an odd level can be repeated as a whole.
            let width = 1_usize << count.trailing_zeros();
            let tail = leaves.get(leaves.len() - width..).expect("the tail is not longer than the list").to_vec();
            if width < leaves.len() {
                let repeated = root([leaves, tail].concat());
                assert_eq!((repeated.hash, repeated.mutated), (honest.hash, true), "{count}");
            }
        }
    }

    /// Up to three repetitions one after another, each of whatever stands at the end of an odd level.
    ///
    /// Source: Bitcoin Core, test/merkle_tests.cpp, `merkle_test`.
    #[test]
    fn repetitions_of_repetitions_are_noticed() {
        let sizes = (1..=16_u16).chain([17, 31, 33, 100, 255, 256, 257, 1_000, 4_016]);
        for count in sizes {
            let mut leaves: Vec<[u8; 32]> = (0..count).map(|number| parent(&[0; 32], &leaf(number))).collect();
            let honest = root(leaves.clone());
            assert!(!honest.mutated, "{count}");
            for repetition in 1..=3 {
                let width = 1_usize << leaves.len().trailing_zeros();
                // Twice the whole tree has another root: it is one level higher.
                if width == leaves.len() {
                    break;
                }
                leaves.extend_from_within(leaves.len() - width..);
                let repeated = root(leaves.clone());
                assert_eq!((repeated.hash, repeated.mutated), (honest.hash, true), "{count}, {repetition} times");
            }
        }
    }

    fn leaf(number: u16) -> [u8; 32] {
        let mut leaf = [0; 32];
        leaf[..2].copy_from_slice(&number.to_le_bytes());
        leaf
    }

    /// Source: Bitcoin Core, test/merkle_tests.cpp: blocks of nothing, of one, of an even and of an odd number.
    #[test]
    fn equal_neighbours_are_mutations_wherever_they_stand() {
        let [a, b, c] = [leaf(1), leaf(2), leaf(3)];
        assert!(!root(vec![]).mutated && !root(vec![a]).mutated);
        assert!(root(vec![a, a]).mutated);
        assert!(root(vec![a, a, b, c]).mutated);
        assert!(root(vec![a, b, a, b]).mutated);
        // Equal, but never hashed together.
        assert!(!root(vec![a, b, b, c]).mutated);
        assert!(!root(vec![a, b, c]).mutated);
    }

    proptest! {
        #[test]
        fn branches_prove_their_transaction_only(count in 1..40_u8, index in 0..40_usize, other in 0..64_usize) {
            let txids = txids(count);
            let index = index % txids.len();
            let root = merkle_root(&txids);
            let branch = merkle_branch(&txids, index);
            let txid = txids[index];
            prop_assert!(check_merkle_branch(txid, index, &branch, root));
            prop_assert_eq!(check_merkle_branch(txid, other, &branch, root), other == index);
            prop_assert!(!check_merkle_branch(Txid::from_byte_array([0; 32]), index, &branch, root));
            if let Some((_, shorter)) = branch.split_last() {
                prop_assert!(!check_merkle_branch(txid, index, shorter, root));
            }
        }
    }

    #[test]
    fn no_branch_for_a_place_that_is_not_there() {
        assert!(merkle_branch(&txids(5), 5).is_empty());
    }

    #[test]
    fn a_left_sibling_is_never_the_node_itself() {
        // Three leaves: the third stands twice, and its second place (3) must not be provable.
        let (txids, third) = (txids(3), txids(3)[2]);
        let branch = merkle_branch(&txids, 2);
        assert!(check_merkle_branch(third, 2, &branch, merkle_root(&txids)));
        assert!(!check_merkle_branch(third, 3, &branch, merkle_root(&txids)));
    }
}
