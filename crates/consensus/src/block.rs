//! A block's rules: alone, and on top of its branch.

use std::sync::Arc;

use mycoin_primitives::bitcoin::script::Builder;
use mycoin_primitives::hashes::Hash;
use mycoin_primitives::{
    Block, BlockHash, Header, Height, Network, ScriptBuf, Sequence, Transaction, TxMerkleNode, Txid, Wtxid,
};
use mycoin_script::{LEGACY_COST_FACTOR, legacy_signature_operations};

use crate::merkle::{self, WitnessCommitment, check_witness_commitment};
use crate::transaction::{INNER_NODE_BYTES, MAX_STRIPPED_BYTES, check_transaction, is_final};
use crate::{BlockRuleError, HeaderBranch, TxRuleError, median_time_past};

/// The most that a block weighs. Source: BIP141; Bitcoin Core `MAX_BLOCK_WEIGHT`, consensus/consensus.h.
pub const MAX_BLOCK_WEIGHT: u64 = 4_000_000;

/// The most that a block's signature operations cost. Source: BIP141; Bitcoin Core `MAX_BLOCK_SIGOPS_COST`.
pub const MAX_BLOCK_SIGNATURE_OPERATION_COST: u64 = 80_000;

/// The size of a header.
const HEADER_BYTES: usize = 80;

/// A block that passed [`check_block`]; holding one is the proof, so the fields stay private.
#[derive(Debug, Clone)]
pub struct CheckedBlock {
    block: Arc<Block>,
    hash: BlockHash,
    txids: Vec<Txid>,
    wtxids: Vec<Wtxid>,
}

impl CheckedBlock {
    /// The block.
    pub const fn block(&self) -> &Arc<Block> {
        &self.block
    }

    /// Its hash.
    pub const fn hash(&self) -> BlockHash {
        self.hash
    }

    /// Its header, which [`check_block`] did not judge.
    pub fn header(&self) -> &Header {
        &self.block.header
    }

    /// Its transactions' ids, in block order.
    pub fn txids(&self) -> &[Txid] {
        &self.txids
    }

    /// Its transactions' ids with their witnesses, in block order.
    pub fn wtxids(&self) -> &[Wtxid] {
        &self.wtxids
    }
}

/// Checks what can be said of a block alone, its header left out ([`crate::check_header`]).
///
/// # Errors
///
/// [`BlockRuleError`] names the first rule that it breaks, in Bitcoin Core's order.
///
/// Source: Bitcoin Core `CheckBlock`, validation.cpp; `IsBlockMutated` for transactions that could be inner nodes.
pub fn check_block(block: Arc<Block>, network: &Network) -> Result<CheckedBlock, BlockRuleError> {
    let txids: Vec<Txid> = block.txdata.iter().map(Transaction::compute_txid).collect();
    check_merkle_root(&block, &txids)?;
    check_length(&block)?;
    check_coinbase_place(&block)?;
    for (index, (tx, txid)) in block.txdata.iter().zip(&txids).enumerate() {
        check_transaction(tx, network).map_err(|error| BlockRuleError::Transaction { index, txid: *txid, error })?;
    }
    check_legacy_signature_operations(&block)?;
    // Hashed once, for the commitment to the witnesses and for the verdicts on the scripts.
    let wtxids = block.txdata.iter().map(Transaction::compute_wtxid).collect();
    Ok(CheckedBlock { hash: block.block_hash(), txids, wtxids, block })
}

fn check_merkle_root(block: &Block, txids: &[Txid]) -> Result<(), BlockRuleError> {
    let root = merkle::root(txids.iter().map(|txid| txid.to_byte_array()).collect());
    let (header, computed) = (block.header.merkle_root, TxMerkleNode::from_byte_array(root.hash));
    if header != computed {
        return Err(BlockRuleError::BadMerkleRoot { header, computed });
    }
    if root.mutated { Err(BlockRuleError::DuplicateTransactions) } else { Ok(()) }
}

fn check_length(block: &Block) -> Result<(), BlockRuleError> {
    let transactions = block.txdata.len();
    let stripped_bytes = stripped_bytes(block);
    if transactions == 0 || transactions > MAX_STRIPPED_BYTES || stripped_bytes > MAX_STRIPPED_BYTES {
        return Err(BlockRuleError::BadLength { transactions, stripped_bytes });
    }
    Ok(())
}

fn stripped_bytes(block: &Block) -> usize {
    let count = mycoin_primitives::bitcoin::VarInt::from(block.txdata.len()).size();
    HEADER_BYTES + count + block.txdata.iter().map(Transaction::base_size).sum::<usize>()
}

fn check_coinbase_place(block: &Block) -> Result<(), BlockRuleError> {
    if !block.txdata.first().is_some_and(Transaction::is_coinbase) {
        let is_inner_node = |tx: &Transaction| tx.base_size() == INNER_NODE_BYTES;
        let forged = block.txdata.iter().any(is_inner_node);
        return Err(if forged { BlockRuleError::InnerNodesAsTransactions } else { BlockRuleError::CoinbaseMissing });
    }
    match block.txdata.iter().enumerate().skip(1).find(|(_, tx)| tx.is_coinbase()) {
        Some((index, _)) => Err(BlockRuleError::CoinbaseMultiple { index }),
        None => Ok(()),
    }
}

fn check_legacy_signature_operations(block: &Block) -> Result<(), BlockRuleError> {
    let mut cost = 0;
    for (index, tx) in block.txdata.iter().enumerate() {
        cost += legacy_signature_operations(tx) * LEGACY_COST_FACTOR;
        if cost > MAX_BLOCK_SIGNATURE_OPERATION_COST {
            return Err(BlockRuleError::TooManySignatureOperations { index, cost });
        }
    }
    Ok(())
}

/// Checks a block on top of `branch`: lock times, the coinbase's height, the witness commitment, the weight.
///
/// # Errors
///
/// [`BlockRuleError`] names the first rule that it breaks, in Bitcoin Core's order.
///
/// Source: Bitcoin Core `ContextualCheckBlock`, validation.cpp; BIP54.
pub fn check_block_in_context(
    checked: &CheckedBlock,
    network: &Network,
    branch: &dyn HeaderBranch,
) -> Result<(), BlockRuleError> {
    let parent = branch.tip_height();
    check_finality(checked, parent.next(), median_time_past(branch, parent))?;
    check_coinbase_height(&checked.block, parent.next())?;
    if network.rules.bip54 {
        check_coinbase_lock(&checked.block, parent)?;
    }
    check_witnesses(checked)?;
    let weight = checked.block.weight().to_wu();
    if weight > MAX_BLOCK_WEIGHT {
        return Err(BlockRuleError::TooHeavy { weight });
    }
    Ok(())
}

fn check_finality(checked: &CheckedBlock, height: Height, median_time_past: u32) -> Result<(), BlockRuleError> {
    for (index, (tx, txid)) in checked.block.txdata.iter().zip(&checked.txids).enumerate() {
        if !is_final(tx, height, median_time_past) {
            let error = TxRuleError::NotFinal { lock_time: tx.lock_time };
            return Err(BlockRuleError::Transaction { index, txid: *txid, error });
        }
    }
    Ok(())
}

/// What the script of the coinbase at `height` begins with. Source: BIP34.
///
/// Below height 17 that is one byte, and a coinbase's script needs two.
pub fn coinbase_height_script(height: Height) -> ScriptBuf {
    Builder::new().push_int(i64::from(height.to_u32())).into_script()
}

fn check_coinbase_height(block: &Block, height: Height) -> Result<(), BlockRuleError> {
    let script = block.txdata.first().and_then(|tx| tx.input.first()).map(|input| input.script_sig.as_bytes());
    if script.is_some_and(|script| script.starts_with(coinbase_height_script(height).as_bytes())) {
        Ok(())
    } else {
        Err(BlockRuleError::CoinbaseHeight { height })
    }
}

/// Source: BIP54: a coinbase can't have been valid in an earlier block, so no two have the same id.
fn check_coinbase_lock(block: &Block, parent: Height) -> Result<(), BlockRuleError> {
    let Some(coinbase) = block.txdata.first() else { return Err(BlockRuleError::CoinbaseMissing) };
    let found = coinbase.lock_time.to_consensus_u32();
    if found != parent.to_u32() {
        return Err(BlockRuleError::CoinbaseLockTime { found, expected: parent });
    }
    if coinbase.input.iter().any(|input| input.sequence == Sequence::MAX) {
        return Err(BlockRuleError::CoinbaseFinal);
    }
    Ok(())
}

fn check_witnesses(checked: &CheckedBlock) -> Result<(), BlockRuleError> {
    let transactions = &checked.block.txdata;
    match check_witness_commitment(transactions, &checked.wtxids) {
        WitnessCommitment::Fits => Ok(()),
        WitnessCommitment::BadNonce => Err(BlockRuleError::WitnessNonceSize),
        WitnessCommitment::Mismatch => Err(BlockRuleError::WitnessCommitmentMismatch),
        WitnessCommitment::None => {
            let has_witness = |tx: &Transaction| tx.input.iter().any(|input| !input.witness.is_empty());
            match transactions.iter().position(has_witness) {
                Some(index) => Err(BlockRuleError::UnexpectedWitness { index }),
                None => Ok(()),
            }
        }
    }
}
