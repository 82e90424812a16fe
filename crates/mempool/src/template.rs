//! Block templates: the packages that pay most for their size, and the coinbase that collects it.
//!
//! Source for the selection: Bitcoin Core v30 `BlockAssembler::addPackageTxs`, node/miner.cpp.

use std::collections::{BinaryHeap, HashMap, HashSet};

use mycoin_consensus::{
    HeaderBranch, MAX_BLOCK_SIGNATURE_OPERATION_COST, MAX_BLOCK_WEIGHT, WITNESS_RESERVED_VALUE, block_subsidy,
    coinbase_height_script, is_final, median_time_past, merkle_root, minimum_time, next_bits,
    witness_commitment_script,
};
use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::bitcoin::script::Builder;
use mycoin_primitives::bitcoin::transaction;
use mycoin_primitives::{
    Amount, Block, Header, Height, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
    Wtxid,
};

use crate::entry::{Entry, PackageTotals, Rate};
use crate::policy;
use crate::pool::Mempool;

/// What stays free for header, transaction count and coinbase, at least. Source: `DEFAULT_BLOCK_RESERVED_WEIGHT`.
const RESERVED_WEIGHT: u64 = 8_000;
/// Header and the largest transaction count, in weight units.
const FRAME_WEIGHT: u64 = (80 + 9) * 4;
/// What stays free for the coinbase's outputs. Source: `DEFAULT_COINBASE_OUTPUT_MAX_ADDITIONAL_SIGOPS`.
const RESERVED_SIGOP_COST: u64 = 400;
/// After so many packages in a row that did not fit, a block that is nearly full is full.
const MAX_MISSES: u32 = 1_000;
/// What "nearly full" leaves, in weight units.
const NEARLY_FULL: u64 = 4_000;

/// How a block template is wanted.
#[derive(Debug, Clone)]
pub struct TemplateOptions {
    /// Whom the block pays.
    pub coinbase_script: ScriptBuf,
    /// The most transactions besides the coinbase; `None`: what fits.
    pub max_transactions: Option<u32>,
    /// The time, in seconds since 1970.
    pub now: u32,
    /// Makes the coinbase differ, so that the search for a proof of work can start anew.
    pub extra_nonce: u64,
}

/// A block that lacks only its proof of work.
#[derive(Debug, Clone)]
pub struct BlockTemplate {
    /// The block, with nonce 0.
    pub block: Block,
    /// Its height.
    pub height: Height,
    /// What each transaction after the coinbase pays, in block order.
    pub fees: Vec<Amount>,
    /// The signature operation cost of each transaction after the coinbase, in block order.
    pub sigop_costs: Vec<u64>,
    /// What all of them pay.
    pub total_fees: Amount,
    /// The new coins of the block.
    pub subsidy: Amount,
    /// The earliest time that the header may have.
    pub minimum_time: u32,
}

impl Mempool {
    /// Builds the block that pays most, on top of the tip that `branch` ends in.
    pub fn block_template(&self, branch: &dyn HeaderBranch, options: &TemplateOptions) -> BlockTemplate {
        let mut selection = Selection::new(self, branch, options);
        selection.run();
        let chosen: Vec<&Entry> = selection.chosen;
        let total_fees = Amount::from_sat(chosen.iter().map(|entry| entry.fee.to_sat()).sum());
        let transactions = chosen.iter().map(|entry| Transaction::clone(&entry.tx)).collect();
        let height = branch.tip_height().next();
        BlockTemplate {
            block: assemble_block(&self.network, branch, options, transactions, total_fees),
            height,
            fees: chosen.iter().map(|entry| entry.fee).collect(),
            sigop_costs: chosen.iter().map(|entry| entry.sigop_cost).collect(),
            total_fees,
            subsidy: block_subsidy(&self.network, height),
            minimum_time: minimum_time(&self.network, branch),
        }
    }
}

/// Makes a block of `transactions`, which pay `fees` together, on top of the tip that `branch` ends in. It lacks only
/// its proof of work; `options.max_transactions` is not looked at.
pub fn assemble_block(
    network: &Network,
    branch: &dyn HeaderBranch,
    options: &TemplateOptions,
    transactions: Vec<Transaction>,
    fees: Amount,
) -> Block {
    let height = branch.tip_height().next();
    let value = block_subsidy(network, height).to_sat().saturating_add(fees.to_sat());
    let mut coinbase = coinbase(network, height, options, Amount::from_sat(value));
    let wtxids: Vec<Wtxid> = transactions.iter().map(Transaction::compute_wtxid).collect();
    let commitment = witness_commitment_script(&wtxids);
    coinbase.output.push(TxOut { value: Amount::ZERO, script_pubkey: commitment });
    let previous = branch.header_at(branch.tip_height());
    let txdata: Vec<Transaction> = std::iter::once(coinbase).chain(transactions).collect();
    Block {
        header: Header {
            version: Version::from_consensus(0x2000_0000),
            prev_blockhash: previous.map_or(network.genesis.hash, |header| header.block_hash()),
            merkle_root: merkle_root(&txdata.iter().map(Transaction::compute_txid).collect::<Vec<_>>()),
            time: minimum_time(network, branch).max(options.now),
            bits: next_bits(network, branch),
            nonce: 0,
        },
        txdata,
    }
}

/// The coinbase without its witness commitment. BIP34: the height stands first in its script. BIP54: its lock time is the
/// height before, and its sequence enforces that, so that no two coinbases are the same transaction.
fn coinbase(network: &Network, height: Height, options: &TemplateOptions, value: Amount) -> Transaction {
    let (lock_time, sequence) = if network.rules.bip54 {
        (LockTime::from_consensus(height.back(1).to_u32()), Sequence::ENABLE_LOCKTIME_NO_RBF)
    } else {
        (LockTime::ZERO, Sequence::MAX)
    };
    Transaction {
        version: transaction::Version::TWO,
        lock_time,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: Builder::from(coinbase_height_script(height).into_bytes())
                .push_slice(options.extra_nonce.to_le_bytes())
                .into_script(),
            sequence,
            witness: Witness::from_slice(&[WITNESS_RESERVED_VALUE]),
        }],
        output: vec![TxOut { value, script_pubkey: options.coinbase_script.clone() }],
    }
}

/// The choice of transactions for one block.
struct Selection<'a> {
    pool: &'a Mempool,
    next: Height,
    median_time_past: u32,
    weight_left: u64,
    sigops_left: u64,
    count_left: u64,
    chosen: Vec<&'a Entry>,
    included: HashSet<Txid>,
    /// Ancestors' totals of entries of which some ancestors are included already: what is left to pay for.
    modified: HashMap<Txid, PackageTotals>,
    /// Best first. A place whose rate is no longer the entry's is stale and passed over.
    open: BinaryHeap<(Rate, Txid)>,
}

impl<'a> Selection<'a> {
    fn new(pool: &'a Mempool, branch: &dyn HeaderBranch, options: &TemplateOptions) -> Self {
        let tip = branch.tip_height();
        let coinbase = coinbase(&pool.network, tip.next(), options, Amount::ZERO);
        // The commitment's output has 8 bytes of value and 39 of script.
        let coinbase_weight = coinbase.weight().to_wu().saturating_add(4 * 47);
        let reserved = RESERVED_WEIGHT.max(FRAME_WEIGHT.saturating_add(coinbase_weight));
        Self {
            pool,
            next: tip.next(),
            median_time_past: median_time_past(branch, tip),
            weight_left: MAX_BLOCK_WEIGHT.saturating_sub(reserved),
            sigops_left: MAX_BLOCK_SIGNATURE_OPERATION_COST - RESERVED_SIGOP_COST,
            count_left: options.max_transactions.map_or(u64::MAX, u64::from),
            chosen: Vec::new(),
            included: HashSet::new(),
            modified: HashMap::new(),
            open: pool.entries.values().map(|entry| (score(entry, entry.ancestors), entry.txid)).collect(),
        }
    }

    fn run(&mut self) {
        let mut misses = 0;
        while self.count_left > 0
            && let Some((rate, txid)) = self.open.pop()
        {
            let Some(entry) = self.pool.entry(&txid) else { continue };
            if self.included.contains(&txid) || score(entry, self.open_ancestors(entry)) != rate {
                continue;
            }
            let package = self.package(entry);
            if !pays_enough(&package) {
                continue;
            }
            if self.fits(&package) {
                self.include(package);
                misses = 0;
            } else {
                misses += 1;
                if misses > MAX_MISSES && self.weight_left < NEARLY_FULL {
                    break;
                }
            }
        }
    }

    fn open_ancestors(&self, entry: &Entry) -> PackageTotals {
        self.modified.get(&entry.txid).copied().unwrap_or(entry.ancestors)
    }

    /// The entry and its ancestors that are not included yet, ancestors first.
    fn package(&self, entry: &'a Entry) -> Vec<&'a Entry> {
        let ancestors = self.pool.ancestors_of(&entry.parents);
        let open = ancestors.iter().filter(|txid| !self.included.contains(*txid));
        let mut package: Vec<&Entry> = open.filter_map(|txid| self.pool.entry(txid)).collect();
        package.push(entry);
        package.sort_by_key(|entry| (entry.ancestors.count, entry.txid));
        package
    }

    fn fits(&self, package: &[&Entry]) -> bool {
        let sum = |value: fn(&Entry) -> u64| package.iter().map(|entry| value(entry)).fold(0, u64::saturating_add);
        sum(|_| 1) <= self.count_left
            && sum(|entry| entry.weight) <= self.weight_left
            && sum(|entry| entry.sigop_cost) <= self.sigops_left
            && package.iter().all(|entry| is_final(&entry.tx, self.next, self.median_time_past))
    }

    fn include(&mut self, package: Vec<&'a Entry>) {
        for entry in package {
            self.count_left = self.count_left.saturating_sub(1);
            self.weight_left = self.weight_left.saturating_sub(entry.weight);
            self.sigops_left = self.sigops_left.saturating_sub(entry.sigop_cost);
            self.included.insert(entry.txid);
            self.chosen.push(entry);
            // Its descendants need not pay for it any more, so they stand better now.
            for txid in self.pool.descendants_of(&entry.children) {
                let Some(descendant) = self.pool.entry(&txid) else { continue };
                let mut left = self.open_ancestors(descendant);
                left.subtract(PackageTotals::of(entry));
                self.modified.insert(txid, left);
                self.open.push((score(descendant, left), txid));
            }
        }
    }
}

/// Whether a package pays the least rate that is mined. Source: `DEFAULT_BLOCK_MIN_TX_FEE`, policy/policy.h.
fn pays_enough(package: &[&Entry]) -> bool {
    let mut totals = PackageTotals::default();
    package.iter().for_each(|entry| totals.add(PackageTotals::of(entry)));
    totals.fees >= policy::DEFAULT_BLOCK_MIN_TX_FEE.fee_for(totals.vsize)
}

/// What decides who comes first: the lower of the entry's own rate and that with its open ancestors.
///
/// Source: Bitcoin Core `CompareTxMemPoolEntryByAncestorFee`, txmempool.h.
fn score(entry: &Entry, open_ancestors: PackageTotals) -> Rate {
    PackageTotals::of(entry).rate().min(open_ancestors.rate())
}

#[cfg(test)]
mod tests;
